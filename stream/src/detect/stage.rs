//! Stage 1 on Kafka: raw records in, detections and hits for correlations out. It keeps nothing from transaction to transaction.

use super::Detector;
use crate::correlate::{Body, Crossing, Origin, Progress, SightingRecord};
use crate::encode::{Buffer, EventView};
use crate::evidence::Evidence;
use crate::kafka::{Member, Outgoing, TopicPartition};
use crate::lane::{Batch, Stage, Taken};
use crate::outgoing;
use crate::plan::{Inlet, Plan};
use crate::replay::Bounds;
use crate::snapshot::{Snapshot, Snapshots};
use crate::telemetry::{StageMetrics, Tally, Times};
use anyhow::bail;
use rdkafka::message::{BorrowedMessage, Message as _};
use sigmund_engine::Record;
use sigmund_engine::correlation::EventRef;
use sigmund_parsers::{Counts, Outcome, Stream};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A raw partition.
struct Raw {
    origin: Origin,
    /// `topic/partition`, as detections say it.
    path: Arc<str>,
    inlet: Inlet,
    stream: Option<Stream>,
    /// When the stream was opened, by the record's own time: years of times without one are inferred from it.
    opened: i64,
    /// The largest event time that is told, and with what is being worked on; `None` until the partition itself was told.
    told: Option<Option<i64>>,
    time: Option<i64>,
    /// When stage 2 heard of it last.
    heard: Instant,
    /// Without transactions: where reading begins, until that is told and committed; and the next offset.
    begin: Option<i64>,
    next: Option<i64>,
    /// The first offset since the last commit.
    first: Option<i64>,
    /// Of a replay: where it ends, whether that was reached when the partition became ours, whether it is reached, and told.
    end: Option<i64>,
    was_ended: bool,
    ended: bool,
    told_end: bool,
    outgoing: Vec<Outgoing>,
    tally: Tally,
}

impl Raw {
    fn progress(&self) -> Progress {
        let (origin, time) = (self.origin.clone(), self.time);
        Progress { origin, time, ended: self.ended, anew: false }
    }

    /// Whether stage 2 may take the partition for idle, that has something again.
    fn is_back(&self, idle: Duration) -> bool {
        // Half of the time: what is on its way adds to it.
        let may_be_idle = self.told.is_none() || self.heard.elapsed() >= idle / 2;
        self.tally.records > 0 && may_be_idle && !self.ended
    }

    /// Tells that offsets begin anew.
    fn begin_anew(&mut self, plan: &Plan) {
        let origin = self.origin.clone();
        let progress = Progress { origin, time: None, ended: false, anew: true };
        let value = Crossing::write_progress(&[progress]);
        let all = 0..plan.partitions;
        self.outgoing.extend(all.map(|at| outgoing::sighting(plan, at, value.clone())));
    }
}

/// The stage.
pub struct Detect {
    plan: Arc<Plan>,
    snapshots: Arc<Snapshots>,
    snapshot: Arc<Snapshot>,
    detector: Detector,
    record: Record,
    /// In the order of the partitions.
    raw: Vec<(TopicPartition, Raw)>,
    /// Where the partition of the last record is in it.
    last: usize,
    metrics: StageMetrics,
    buffer: Buffer,
    partitions: Vec<u32>,
    /// A later event time, in nanoseconds, is in the future as far as is known.
    credible: i64,
    bounds: Option<Arc<Bounds>>,
    at_least_once: bool,
    /// About how many bytes are to be sent.
    outgoing: usize,
}

/// A stream is opened anew when the times of its records are so far from its beginning, in nanoseconds.
const DAY: i64 = 86_400_000_000_000;

/// So many bytes of detections and hits are sent at once, and not much more.
const ENOUGH: usize = 32 << 20;

/// What is around the event and the values in a hit: names of topics and log sources, and what the correlations mean.
const ROUND_ABOUT: usize = 4_000;

const TOO_LARGE: &str =
    "its values that correlations need are larger than records may be: it is in no window";
const UNPARSED: &str = "not of the format of its topic: it was matched as plain text";
const TOO_LONG: &str = "longer than the limit: its end was not looked at";

impl Detect {
    /// With the newest rules.
    #[must_use]
    pub fn new(plan: Arc<Plan>, snapshots: Arc<Snapshots>, metrics: StageMetrics) -> Self {
        let snapshot = snapshots.newest();
        let detector = Detector::new(Arc::clone(&snapshot.rules));
        let record = snapshot.rules.record();
        Self {
            plan,
            snapshots,
            snapshot,
            detector,
            record,
            raw: Vec::new(),
            last: 0,
            metrics,
            buffer: Buffer::default(),
            partitions: Vec::new(),
            credible: 0,
            bounds: None,
            at_least_once: false,
            outgoing: 0,
        }
    }

    /// Without transactions hits may be sent twice: helps stage 2 to tell.
    #[must_use]
    pub fn at_least_once(mut self, is_so: bool) -> Self {
        self.at_least_once = is_so;
        self
    }

    /// Reads no further than a replay goes.
    #[must_use]
    pub fn within(mut self, bounds: Option<Arc<Bounds>>) -> Self {
        self.bounds = bounds;
        self
    }

    /// Takes the newest rules, between transactions.
    fn refresh(&mut self) {
        let newest = self.snapshots.newest();
        if !Arc::ptr_eq(&newest, &self.snapshot) {
            self.detector = Detector::new(Arc::clone(&newest.rules));
            self.record = newest.rules.record();
            if !newest.reads_like(&self.snapshot) {
                for (partition, raw) in &mut self.raw {
                    raw.inlet = self.plan.inlet(&partition.topic, &newest.readings);
                    raw.stream = None;
                }
            }
            self.snapshot = newest;
        }
    }

    /// The same to all partitions of stage 2, if there is something to say.
    fn crossing<'a>(&'a self, progress: &[Progress]) -> impl Iterator<Item = Outgoing> + use<'a> {
        let value = Crossing::write_progress(progress);
        let all = if progress.is_empty() { 0..0 } else { 0..self.plan.partitions };
        all.map(move |partition| outgoing::sighting(&self.plan, partition, value.clone()))
    }

    /// Where a partition is in `raw`. Records come in runs of one.
    fn place(&mut self, partition: &TopicPartition) -> usize {
        if self.raw.get(self.last).is_none_or(|(last, _)| last != partition) {
            let place = self.raw.binary_search_by(|(known, _)| known.cmp(partition));
            self.last = place.unwrap_or_else(|place| {
                let raw = self.begin(partition);
                self.raw.insert(place, (partition.clone(), raw));
                place
            });
        }
        self.last
    }

    /// A partition that nothing is known of yet.
    fn begin(&self, partition: &TopicPartition) -> Raw {
        let number = u32::try_from(partition.partition).unwrap_or(0);
        let origin = Origin { topic: partition.topic.to_string(), partition: number };
        Raw {
            path: origin.to_string().into(),
            origin,
            inlet: self.plan.inlet(&partition.topic, &self.snapshot.readings),
            stream: None,
            opened: 0,
            told: None,
            time: None,
            heard: Instant::now(),
            begin: None,
            next: None,
            first: None,
            end: self.bounds.as_ref().map(|bounds| bounds.end(partition)),
            was_ended: false,
            ended: false,
            told_end: false,
            outgoing: Vec::new(),
            tally: Tally::default(),
        }
    }
}

impl std::fmt::Debug for Detect {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Detect").field("partitions", &self.raw.len()).finish_non_exhaustive()
    }
}

impl Stage for Detect {
    // Nearly all records are done with at once. What the others leave to be sent has a bound of its own: `has_enough`.
    const MAX_RECORDS: usize = usize::MAX;
    const MAX_BYTES: usize = 256 << 20;
    // Detections are few beside what is read, and packing them costs more than sending them.
    const COMPRESSION: &'static str = "none";

    fn assigned(&mut self, member: &Member, partitions: &[TopicPartition]) -> anyhow::Result<()> {
        for partition in partitions {
            let (is_replay, at_least_once) = (self.bounds.is_some(), self.at_least_once);
            let place = self.place(partition);
            let raw = &mut self.raw[place].1;
            if at_least_once {
                raw.next = member.committed(partition, Duration::from_secs(30))?;
                // Never read before, or made anew since. This is told and committed before anything else is sent.
                if raw.next.is_none() {
                    raw.begin = member.beginning(partition, Duration::from_secs(30)).map(Some)?;
                }
            }
            // It may be that nothing is there to be read, or that who had it before has read all.
            if is_replay {
                let end = raw.end.unwrap_or(0);
                let next = member.committed(partition, Duration::from_secs(30))?;
                if next.is_none() && end > 0 {
                    bail!(
                        "nobody knows any more how far the replay has come in `{partition}`; begin it anew under another name"
                    );
                }
                raw.was_ended = next.is_none_or(|next| next >= end);
                raw.ended = raw.was_ended;
            }
        }
        Ok(())
    }

    fn revoked(&mut self, partitions: &[TopicPartition]) {
        self.raw.retain(|(partition, _)| !partitions.contains(partition));
    }

    fn record(
        &mut self,
        partition: &TopicPartition,
        message: &BorrowedMessage<'_>,
    ) -> anyhow::Result<Taken> {
        let place = self.place(partition);
        let Self {
            plan,
            snapshot,
            detector,
            record,
            raw,
            metrics,
            buffer,
            partitions,
            credible,
            at_least_once,
            outgoing,
            ..
        } = self;
        let raw = &mut raw[place].1;
        let waiting = raw.outgoing.len();
        if let Some(end) = raw.end {
            raw.ended |= message.offset() + 1 >= end;
            if message.offset() >= end {
                return Ok(Taken::Held);
            }
        }
        if *at_least_once {
            if raw.begin.is_none() && raw.next.is_some_and(|next| message.offset() < next) {
                // The topic was made anew.
                raw.begin_anew(plan);
            }
            raw.first.get_or_insert(message.offset());
            raw.next = Some(message.offset() + 1);
        }
        raw.tally.records += 1;
        raw.tally.bytes += message.payload_len() as u64;
        let Some(value) = message.payload().filter(|value| !is_empty(value)) else {
            let reason = if message.payload().is_none() { "tombstone" } else { "empty" };
            raw.tally.dead_letter(reason);
            let letter = outgoing::dead_letter(plan, message, &raw.origin, reason);
            *outgoing += letter.size();
            raw.outgoing.push(letter);
            return Ok(Taken::Done);
        };
        let received = message.timestamp().to_millis().unwrap_or(0).saturating_mul(1_000_000);
        if received.abs_diff(raw.opened) > DAY as u64 {
            raw.stream = None;
        }
        let stream = raw.stream.get_or_insert_with(|| {
            raw.opened = received;
            raw.inlet.open(value, received)
        });
        let Counts { unparsed, unrouted, .. } = *stream.counts();
        let offset = u64::try_from(message.offset()).unwrap_or(0);
        let place = EventRef { source: 0, record: offset };
        let mut problem = None;
        let (mut events, mut untimed, mut future) = (0, 0, 0);
        let (path, origin, out, latest, tally) =
            (&raw.path, &raw.origin, &mut raw.outgoing, &mut raw.time, &mut raw.tally);
        let record_time = Some(received).filter(|time| *time > 0);
        stream.message(value, record, &mut |mut framed| {
            if framed.outcome != Outcome::Event {
                return;
            }
            events += 1;
            if framed.truncated {
                problem.get_or_insert(TOO_LONG);
            }
            if let Some(time) = &framed.record.time {
                // What was credible before still is.
                if time.nanos > *credible {
                    *credible = now().saturating_add(plan.max_future);
                }
                match time.nanos <= *credible {
                    true => *latest = (*latest).max(Some(time.nanos)),
                    false => future += 1,
                }
            }
            let Some(mut seen) = detector.record(&mut framed, path, place) else { return };
            untimed += u64::from(seen.untimed);
            let evidence = seen.evidence.take();
            if seen.reports {
                let clock = now();
                seen.show(&mut framed, &mut |event| {
                    let view = EventView::new(event, path, offset).received(record_time);
                    detector.hits(&view, &mut |rule, hit| {
                        out.push(outgoing::detection(plan, hit, &snapshot.ruleset, buffer));
                        let event = hit.time();
                        let times = Times { event, record: record_time, received: Some(clock) };
                        tally.detection(rule, times);
                        tally.show(metrics.shown(hit, buffer));
                    });
                });
            }
            if let Some(evidence) = evidence {
                let correlations = &snapshot.rules.correlations;
                partitions.clear();
                correlations.partitions(&evidence.sighting, plan.partitions, partitions);
                match sighting(snapshot, &evidence, origin, (offset, events)) {
                    Some(value) => {
                        let to = partitions.iter();
                        out.extend(to.map(|at| outgoing::sighting(plan, *at, value.clone())));
                    }
                    None => {
                        problem.get_or_insert(TOO_LARGE);
                    }
                }
            }
        });
        if stream.counts().unparsed > unparsed {
            problem.get_or_insert(UNPARSED);
        }
        if let Some(reason) = problem {
            // `problem` has no other words.
            let is_size = reason == TOO_LONG || reason == TOO_LARGE;
            raw.tally.dead_letter(if is_size { "oversize" } else { "format" });
            raw.outgoing.push(outgoing::dead_letter(plan, message, &raw.origin, reason));
        }
        *outgoing += raw.outgoing.iter().skip(waiting).map(Outgoing::size).sum::<usize>();
        raw.tally.events += events;
        raw.tally.unrouted_events += stream.counts().unrouted - unrouted;
        raw.tally.untimed_hits += untimed;
        raw.tally.future_events += future;
        Ok(Taken::Done)
    }

    fn has_enough(&self) -> bool {
        self.outgoing >= ENOUGH
    }

    fn goes_on(&mut self, _: &TopicPartition) -> bool {
        // What was held back is behind the end of a replay.
        false
    }

    fn finish(&mut self) -> anyhow::Result<Batch> {
        self.outgoing = 0;
        let mut batch = Batch::default();
        let has_windows = !self.snapshot.rules.correlations.is_empty();
        // Before any hits: those of one partition must not pass by another that is about to be heard.
        if let Some(idle) = self.plan.idle_timeout().filter(|_| has_windows) {
            let back = self.raw.iter().map(|(_, raw)| raw).filter(|raw| raw.is_back(idle));
            let back: Vec<Progress> =
                back.map(|raw| Progress { time: None, ..raw.progress() }).collect();
            batch.outgoing.extend(self.crossing(&back));
        }
        let mut progress = Vec::new();
        for (partition, raw) in &mut self.raw {
            if let Some(begin) = raw.begin {
                let hits = std::mem::take(&mut raw.outgoing);
                raw.begin_anew(&self.plan);
                raw.outgoing.extend(hits);
                batch.touched.insert(partition.clone(), begin);
            }
            batch.outgoing.append(&mut raw.outgoing);
            if raw.told.is_none_or(|told| told < raw.time) || raw.ended && !raw.told_end {
                progress.push(raw.progress());
            }
        }
        // After the hits: time must not pass them by.
        if has_windows {
            batch.outgoing.extend(self.crossing(&progress));
        }
        Ok(batch)
    }

    fn committed(&mut self, _: &Member) {
        let mut tally = Tally::default();
        let idle = self.plan.idle_timeout();
        for (_, raw) in &mut self.raw {
            let is_told = raw.told.is_none_or(|told| told < raw.time);
            if is_told || idle.is_some_and(|idle| raw.is_back(idle)) {
                raw.heard = Instant::now();
            }
            raw.told = Some(raw.time);
            raw.told_end = raw.ended;
            (raw.begin, raw.first) = (None, None);
            tally.add(&mut raw.tally);
        }
        self.metrics.committed(&self.snapshot.rules, &mut tally);
        self.refresh();
    }

    fn aborted(&mut self, _: &Member) -> anyhow::Result<()> {
        self.outgoing = 0;
        for (_, raw) in &mut self.raw {
            raw.outgoing.clear();
            raw.next = raw.first.take().or(raw.next);
            raw.tally = Tally::default();
            raw.time = raw.told.flatten();
            raw.ended = raw.was_ended || raw.told_end;
        }
        self.refresh();
        Ok(())
    }
}

/// Whether there is nothing in a record: blanks, or a list without members.
fn is_empty(value: &[u8]) -> bool {
    // Hardly any record begins with a blank or a bracket.
    match value.first() {
        Some(b'[' | b' ' | b'\t' | b'\n' | b'\r') => {}
        first => return first.is_none(),
    }
    let value = value.trim_ascii();
    let list = value.strip_prefix(b"[").and_then(|rest| rest.strip_suffix(b"]"));
    list.unwrap_or(value).trim_ascii().is_empty()
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}

/// A hit as it crosses. Of a large event alerts show the beginning only; nothing if what windows need is larger than records may be.
fn sighting(
    snapshot: &Snapshot,
    evidence: &Evidence,
    origin: &Origin,
    (offset, event): (u64, u64),
) -> Option<Vec<u8>> {
    let mut sighting = Vec::new();
    snapshot.rules.correlations.write_sighting(&evidence.sighting, &mut sighting);
    let fields = evidence.fields.as_ref().map(|fields| fields.as_bytes());
    let length = evidence.raw.len() + fields.map_or(0, <[u8]>::len);
    let room = outgoing::MAX_VALUE.saturating_sub(sighting.len() + ROUND_ABOUT);
    if room == 0 {
        return None;
    }
    let (raw, fields) = match length <= room {
        true => (&evidence.raw[..], fields),
        // As text: what is cut is no JSON.
        false => (&evidence.raw[..evidence.raw.len().min(room)], Some(&b"{}"[..])),
    };
    let body = Body {
        raw: raw.to_vec(),
        fields: fields.map(<[u8]>::to_vec),
        log_sources: evidence.route.log_sources.to_vec(),
    };
    let event = u32::try_from(event).unwrap_or(u32::MAX);
    let (origin, correlations) = (origin.clone(), snapshot.over(&evidence.sighting.rules));
    Some(SightingRecord { origin, offset, event, correlations, sighting, body }.write())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::Rules;
    use crate::snapshot::Ingredients;
    use sigmund_engine::Routing;
    use sigmund_engine::correlation::Sighting;
    use sigmund_sigma::{Loader, Source};

    const RULES: &str = "title: T\nname: t\nlogsource:\n    category: c\ndetection:\n    s:\n        f: 1\n    condition: s\n---\ntitle: C\ncorrelation:\n    type: event_count\n    rules: [t]\n    group-by: [g]\n    timespan: 1h\n    condition:\n        gte: 2\n";

    #[test]
    fn blanks_and_lists_of_nothing_are_nothing() {
        for nothing in ["", " ", "\n", " \t\r\n", "[]", " [ ] ", "[\n]\n"] {
            assert!(is_empty(nothing.as_bytes()), "{nothing:?}");
        }
        for something in ["x", " x", "[1]", "{}", "[", "[[]]", "]"] {
            assert!(!is_empty(something.as_bytes()), "{something:?}");
        }
    }

    #[test]
    fn hits_in_large_events_fit_into_records() {
        let texts = [Source { name: "r.yml".into(), text: RULES.into() }];
        let rules = Rules::compile(&Loader::default(), &texts, &|_| true, &Routing::default());
        let ingredients = Ingredients { rules, readings: Vec::new(), mappings: String::new() };
        let snapshot = Snapshots::new(ingredients).newest();
        let origin = Origin { topic: "raw".to_owned(), partition: 0 };
        let made = |value: usize, raw: usize, fields: usize| {
            let evidence = Evidence {
                sighting: Sighting {
                    time: 0,
                    event: EventRef { source: 0, record: 1 },
                    rules: [0].into(),
                    values: [(0, "x".repeat(value).into())].into(),
                },
                path: "raw/0".into(),
                route: Routing::default().route("k", Vec::new(), None, &Arc::default(), &|_| None),
                raw: vec![b'x'; raw].into(),
                fields: (fields > 0).then(|| "y".repeat(fields).into()),
            };
            let value = sighting(&snapshot, &evidence, &origin, (1, 1))?;
            assert!(value.len() <= outgoing::MAX_VALUE, "{}", value.len());
            let Ok(Crossing::Sighting(record)) = Crossing::read(&value) else { panic!("no hit") };
            let fields = record.body.fields.map(|fields| fields.len());
            Some((record.body.raw.len(), fields))
        };
        assert_eq!(made(10, 1_000, 0), Some((1_000, None)));
        assert_eq!(made(10, 1_000, 2_000), Some((1_000, Some(2_000))));
        assert_eq!(made(10, 600_000, 600_000), Some((600_000, Some(2))));
        let (raw, fields) = made(10, 5_000_000, 0).expect("a hit");
        assert!(raw > 890_000 && fields == Some(2), "{raw}");
        let (raw, _) = made(800_000, 500_000, 0).expect("a hit");
        assert!(raw > 90_000, "{raw}");
        assert_eq!(made(2_000_000, 10, 0), None);
    }
}
