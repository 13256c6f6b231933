//! Stage 2 on Kafka: windows over hits, one set of them for each partition.
//!
//! What windows know is in memory and, after each transaction, in the changelog. Work changes the memory at once; if its
//! transaction is taken back, the partition is read from the changelog again.

use super::bodies::{Bodies, Seen};
use super::changelog::{self, Ended, Head, Kept, Marks};
use super::clock::Clock;
use super::record::{Crossing, Origin};
use super::strangers::{Fate, Strangers};
use crate::encode::{AlertView, Buffer, Contribution, EventView, Hit, no_event};
use crate::evidence;
use crate::kafka::{Member, Outgoing, Reader, TopicPartition};
use crate::lane::{Batch, Stage, Taken};
use crate::outgoing;
use crate::plan::Plan;
use crate::replay::Bounds;
use crate::snapshot::{Snapshot, Snapshots};
use crate::telemetry::{Lost, StageMetrics, Tally, Times, Windows};
use anyhow::{Context as _, bail};
use rdkafka::message::{BorrowedMessage, Message as _};
use sigmund_engine::correlation::{Alert, Correlator, EventRef, Output};
use sigmund_engine::{Route, Routing};
use sigmund_sigma::LogSource;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// More hits are not taken for one transaction: each may change windows, and what they tell and the changes are sent with it.
pub const MAX_RECORDS: usize = 10_000;

/// A partition of the topic of hits, with its windows.
struct Partition {
    place: TopicPartition,
    correlator: Correlator,
    /// The raw partitions that the numbers of sources mean, and the numbers.
    sources: Vec<Origin>,
    numbers: HashMap<Origin, u32>,
    /// Sources that the changelog knows.
    written: usize,
    bodies: Bodies,
    /// The next hit to be read.
    next: u64,
    output: Output,
    /// It was read from, or its windows changed, since the last commit.
    touched: bool,
    /// Keys to be written beside those of the windows: of state that is not ours any more, or that was not written in whole.
    rewritten: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    /// Correlations that this process does not have, while a hit for them waits.
    waits_for: Vec<u64>,
    /// Hits before this one are in the state already: their offsets were not committed in time.
    known: u64,
    /// Without transactions: the last hits of raw partitions, and whether the changelog knows.
    marks: Marks,
    marks_written: bool,
    /// All raw partitions of a replay have ended: windows are being decided.
    closes: bool,
    /// Of a replay, and whether the changelog knows.
    ended: Ended,
    ended_written: bool,
    tally: Tally,
    /// When the newest record came to Kafka and to us.
    came: Times,
}

/// The stage.
pub struct Correlate {
    plan: Arc<Plan>,
    snapshots: Arc<Snapshots>,
    snapshot: Arc<Snapshot>,
    reader: Reader,
    partitions: BTreeMap<i32, Partition>,
    metrics: StageMetrics,
    buffer: Buffer,
    routes: HashMap<Vec<LogSource>, Arc<Route>>,
    exactly_once: bool,
    strangers: Strangers,
    clock: Clock,
    /// When the raw partitions were last looked for.
    looked: Option<Instant>,
    raw: Vec<Origin>,
    bounds: Option<Arc<Bounds>>,
}

/// Raw partitions are looked for so often.
const LOOK: Duration = Duration::from_secs(30);

/// The events of so many alerts are fetched together.
const ALERTS: usize = 200;

/// More routes than this are not remembered: log sources come from records.
const MAX_ROUTES: usize = 10_000;

impl std::fmt::Debug for Correlate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let partitions = self.partitions.keys();
        f.debug_struct("Correlate").field("partitions", &partitions).finish_non_exhaustive()
    }
}

impl Correlate {
    /// With the newest rules.
    #[must_use]
    pub fn new(
        plan: Arc<Plan>,
        snapshots: Arc<Snapshots>,
        reader: Reader,
        exactly_once: bool,
        metrics: StageMetrics,
    ) -> Self {
        let snapshot = snapshots.newest();
        Self {
            strangers: Strangers::new(plan.rules_patience),
            plan,
            snapshots,
            snapshot,
            reader,
            partitions: BTreeMap::new(),
            metrics,
            buffer: Buffer::default(),
            routes: HashMap::new(),
            exactly_once,
            clock: Clock::new(now(), Instant::now()),
            looked: None,
            raw: Vec::new(),
            bounds: None,
        }
    }

    /// Decides all windows when the raw partitions of a replay have ended.
    #[must_use]
    pub fn within(mut self, bounds: Option<Arc<Bounds>>) -> Self {
        self.raw = bounds.iter().flat_map(|bounds| bounds.origins()).collect();
        self.bounds = bounds;
        self
    }

    /// The state of a partition from its changelog.
    fn restore(&self, member: &Member, place: &TopicPartition) -> anyhow::Result<Partition> {
        let begun = Instant::now();
        let changelog =
            TopicPartition { topic: Arc::clone(&self.plan.state), partition: place.partition };
        let mut kept = Kept::default();
        let mut records = 0_u64;
        self.reader.read_to_end(&changelog, None, &mut |message| {
            self.metrics.beat();
            records += 1;
            kept.take(message.key().unwrap_or_default(), message.payload());
            Ok(())
        })?;
        let committed = member.committed(place, Duration::from_secs(30))?;
        let committed = committed.and_then(|offset| u64::try_from(offset).ok());
        let head = kept.head().with_context(|| damaged(&changelog))?;
        let mut sources = kept.sources().with_context(|| damaged(&changelog))?;
        let ended = kept.ended().with_context(|| damaged(&changelog))?;
        let marks = kept.marks().with_context(|| damaged(&changelog))?;
        if let Some(Head { partitions, .. }) = head
            && partitions != self.plan.partitions
        {
            bail!(
                "the state in `{}` is that of {partitions} partitions, and `correlation.partitions` is {}: set it to {partitions} again",
                self.plan.state,
                self.plan.partitions
            );
        }
        let mut known = 0;
        let mut next = committed.unwrap_or(0);
        let mut oldest = None;
        let mut entries: Vec<_> = kept.entries().collect();
        let mut rewritten: Vec<_> = kept.unfinished().into_iter().collect();
        if let Some(head) = head {
            // The group was moved back by hand: what the windows know would be counted again.
            let is_reset = self.exactly_once && committed.is_none_or(|at| at < head.next);
            if is_reset {
                tracing::warn!(partition = %place, "the offset of the group is before the state: windows start empty");
                entries.clear();
                sources.clear();
                rewritten = kept.keys().map(|key| (key.to_vec(), None)).collect();
            } else {
                known = head.next;
                next = next.max(head.next);
                oldest = head.oldest.map(|oldest| (oldest, head.next));
            }
        }
        let share = (u32::try_from(place.partition).unwrap_or(0), self.plan.partitions);
        let (set, plan) = (Arc::clone(&self.snapshot.rules.correlations), &self.plan);
        let (correlator, restored) =
            Correlator::restore(set, plan.policy, plan.limits, plan.options, share, entries)
                .with_context(|| damaged(&changelog))?;
        let numbers = (0..).zip(&sources).map(|(at, origin)| (origin.clone(), at)).collect();
        let mut partition = Partition {
            place: place.clone(),
            correlator,
            written: sources.len(),
            sources,
            numbers,
            bodies: Bodies::default(),
            next,
            output: Output::default(),
            touched: false,
            rewritten,
            waits_for: Vec::new(),
            known,
            marks,
            marks_written: true,
            closes: false,
            ended,
            ended_written: true,
            tally: Tally::default(),
            came: Times::default(),
        };
        if let Some((oldest, next)) = oldest {
            let place_of = |offset: u64| i64::try_from(offset).unwrap_or(i64::MAX);
            // Of a hit that waits and came several times the first one is among these.
            let mut marks = (!self.exactly_once).then(Marks::default);
            self.reader.read(place, place_of(oldest), place_of(next), &mut |message| {
                self.metrics.beat();
                partition.again(&self.snapshot, message, marks.as_mut());
                Ok(())
            })?;
        }
        tracing::info!(
            partition = %place,
            records,
            groups = restored.kept,
            dropped = restored.dropped,
            waiting = partition.correlator.pending().0,
            milliseconds = begun.elapsed().as_millis() as u64,
            "restored"
        );
        self.metrics.restored(begun.elapsed());
        self.raw.iter().for_each(|origin| partition.register(origin));
        // Nobody listened meanwhile.
        partition.correlator.stood_still();
        Ok(partition)
    }

    /// The clock of a partition that was just restored.
    fn begin(&mut self, partition: &mut Partition) {
        if let Some(time) = partition.correlator.clock() {
            self.clock.reach(time);
        }
        partition.correlator.tick(self.clock.time(), &mut partition.output);
    }

    /// Looks for raw partitions: windows wait for all of them.
    fn look(&mut self, member: &Member) {
        // A replay knows its own from the beginning.
        if self.bounds.is_some() || self.looked.is_some_and(|looked| looked.elapsed() < LOOK) {
            return;
        }
        self.looked = Some(Instant::now());
        match member.all_partitions(&|topic| self.plan.reads(topic), Duration::from_secs(10)) {
            Ok(found) => {
                for TopicPartition { topic, partition } in found {
                    let Ok(partition) = u32::try_from(partition) else { continue };
                    let origin = Origin { topic: topic.to_string(), partition };
                    if !self.raw.contains(&origin) {
                        self.partitions.values_mut().for_each(|ours| ours.register(&origin));
                        self.raw.push(origin);
                    }
                }
            }
            // Troubles with brokers are told elsewhere; it is looked again.
            Err(error) => tracing::debug!("{error:#}"),
        }
    }
}

fn damaged(changelog: &TopicPartition) -> String {
    format!(
        "the state in `{changelog}` cannot be read; delete and create the topic again to start without it"
    )
}

impl Partition {
    /// The number of a raw partition.
    fn source(&mut self, origin: &Origin) -> u32 {
        if let Some(number) = self.numbers.get(origin) {
            return *number;
        }
        let number = self.sources.len() as u32;
        self.sources.push(origin.clone());
        self.numbers.insert(origin.clone(), number);
        number
    }

    /// From now on the windows wait for a raw partition.
    fn register(&mut self, origin: &Origin) {
        if !self.numbers.contains_key(origin) {
            let number = self.source(origin);
            self.correlator.register(number);
        }
    }

    /// A raw partition of a replay was read to its end. With the last of them all windows are decided.
    fn end(&mut self, number: u32, bounds: &Bounds) {
        if self.ended.closed {
            return;
        }
        self.ended_written &= !self.ended.sources.insert(number);
        self.correlator.finish_source(number, &mut self.output);
        let mut all = bounds.origins().map(|origin| self.numbers.get(&origin));
        let has_ended =
            |number: Option<&u32>| number.is_some_and(|number| self.ended.sources.contains(number));
        self.closes = all.all(has_ended);
    }

    /// Decides what time has passed, as much of it as may be told at once. Whether there is more.
    fn decide(&mut self, clock: i64) -> bool {
        if self.closes && !self.ended.closed {
            let end = self.correlator.largest().unwrap_or(i64::MIN);
            let closed = self.correlator.close(end, &mut self.output);
            self.ended.closed = closed;
            self.ended_written &= !closed;
            return !closed;
        }
        // While hits wait, sources that are not heard are not idle.
        if self.closes || !self.waits_for.is_empty() {
            return false;
        }
        // What records decided is to be told first.
        if !self.correlator.is_behind() || self.output.alerts.is_empty() {
            self.correlator.tick(clock, &mut self.output);
        }
        self.correlator.is_behind()
    }

    /// How the windows are, for metrics.
    fn windows(&self) -> Windows {
        let correlator = &self.correlator;
        let total = &correlator.usage().total;
        let (waiting, waiting_bytes) = correlator.pending();
        let (early_bytes, early) = correlator.early();
        let forced = correlator.forced();
        let lost = Lost { groups: total.lost_groups, hits: total.lost_hits, forced, early };
        Windows {
            watermark: correlator.watermark(),
            groups: total.groups,
            hits: total.hits,
            bytes: total.bytes,
            waiting,
            waiting_bytes,
            early_bytes,
            lost,
        }
    }

    /// A hit that waited for the watermark.
    fn again(
        &mut self,
        snapshot: &Snapshot,
        message: &BorrowedMessage<'_>,
        marks: Option<&mut Marks>,
    ) {
        let offset = u64::try_from(message.offset()).unwrap_or(0);
        let record = match message.payload().map(Crossing::read) {
            Some(Ok(Crossing::Sighting(record))) => record,
            Some(Ok(Crossing::Progress(all))) => {
                let Some(marks) = marks else { return };
                for progress in all.iter().filter(|progress| progress.anew) {
                    let source = self.source(&progress.origin);
                    marks.forget(source);
                }
                return;
            }
            Some(Err(_)) | None => return,
        };
        let source = self.source(&record.origin);
        if marks.is_some_and(|marks| !marks.pass(source, (record.offset, record.event))) {
            return;
        }
        let correlations = &snapshot.rules.correlations;
        if let Ok(Some(mut sighting)) = correlations.read_sighting(&mut &record.sighting[..]) {
            sighting.event = EventRef { source, record: offset };
            self.correlator.readmit(sighting);
        }
        let (origin, raw_offset, body) = (record.origin, record.offset, record.body);
        self.bodies.keep(offset, Seen { origin, offset: raw_offset, body });
    }
}

impl Stage for Correlate {
    const MAX_RECORDS: usize = MAX_RECORDS;
    const MAX_BYTES: usize = 32 << 20;
    // State is kept, and read again.
    const COMPRESSION: &'static str = "lz4";

    fn assigned(&mut self, member: &Member, partitions: &[TopicPartition]) -> anyhow::Result<()> {
        self.looked = None;
        self.look(member);
        for place in partitions {
            let mut partition = self.restore(member, place)?;
            self.begin(&mut partition);
            self.partitions.insert(place.partition, partition);
        }
        Ok(())
    }

    fn revoked(&mut self, partitions: &[TopicPartition]) {
        for place in partitions {
            self.partitions.remove(&place.partition);
        }
    }

    fn record(
        &mut self,
        _: &TopicPartition,
        message: &BorrowedMessage<'_>,
    ) -> anyhow::Result<Taken> {
        let Some(partition) = self.partitions.get_mut(&message.partition()) else {
            bail!("a hit of partition {} came, which is not assigned", message.partition());
        };
        let offset = u64::try_from(message.offset()).unwrap_or(0);
        let is_known = offset < partition.known || partition.ended.closed;
        let crossing = if is_known { None } else { message.payload().map(Crossing::read) };
        if let Some(Ok(Crossing::Sighting(record))) = &crossing {
            let (all, now) = (&record.correlations, Instant::now());
            match self.strangers.fate(all, &self.snapshot, now) {
                Fate::Known => {}
                Fate::Waits => {
                    tracing::warn!(
                        partition = %partition.place,
                        offset,
                        "a hit of a rule came that is not here: its partition waits up to {} s for the rules to change here too (`correlation.rules_patience`)",
                        self.plan.rules_patience.as_secs()
                    );
                    partition.waits_for.clone_from(all);
                    return Ok(Taken::Held);
                }
                Fate::Dropped { is_news } => {
                    partition.tally.unknown_hits += 1;
                    if is_news {
                        tracing::error!(
                            partition = %partition.place,
                            offset,
                            "hits of rules that are not here are dropped: see that all processes have the same rules"
                        );
                    }
                }
            }
        }
        if !partition.waits_for.is_empty() {
            // It came again because work was taken back.
            partition.waits_for.clear();
            partition.correlator.stood_still();
        }
        // What the state knows already does not make it know less: hits that wait are read again up to here.
        partition.next = partition.next.max(offset + 1);
        partition.touched = true;
        partition.tally.records += 1;
        partition.tally.bytes += message.payload_len() as u64;
        if is_known {
            partition.tally.repeated += 1;
            return Ok(Taken::Done);
        }
        let crossing = match crossing {
            Some(Ok(crossing)) => crossing,
            Some(Err(why)) => {
                tracing::error!(partition = %partition.place, offset, "a record is not read: {why}");
                self.metrics.error("unreadable_sighting");
                return Ok(Taken::Done);
            }
            None => return Ok(Taken::Done),
        };
        match crossing {
            Crossing::Progress(all) => {
                for progress in all {
                    let number = partition.source(&progress.origin);
                    if progress.anew {
                        partition.marks_written &= !partition.marks.forget(number);
                    }
                    match progress.time {
                        Some(time) => {
                            partition.correlator.advance(number, time, &mut partition.output);
                        }
                        None if progress.ended => {}
                        None => partition.correlator.register(number),
                    }
                    if let Some(bounds) = self.bounds.as_ref().filter(|_| progress.ended) {
                        partition.end(number, bounds);
                    }
                }
                if partition.closes {
                    // It is done with when all was told.
                    partition.next = offset;
                    return Ok(Taken::Held);
                }
            }
            Crossing::Sighting(record) => {
                let record_time = message.timestamp().to_millis();
                let record_time = record_time.map(|time| time.saturating_mul(1_000_000));
                partition.came = Times { event: None, record: record_time, received: Some(now()) };
                let source = partition.source(&record.origin);
                if !self.exactly_once {
                    if !partition.marks.pass(source, (record.offset, record.event)) {
                        partition.tally.repeated += 1;
                        return Ok(Taken::Done);
                    }
                    partition.marks_written = false;
                }
                let correlations = &self.snapshot.rules.correlations;
                match correlations.read_sighting(&mut &record.sighting[..]) {
                    Ok(Some(mut sighting)) => {
                        sighting.event = EventRef { source, record: offset };
                        let (origin, raw_offset, body) =
                            (record.origin, record.offset, record.body);
                        partition.bodies.keep(offset, Seen { origin, offset: raw_offset, body });
                        partition.correlator.process(sighting, &mut partition.output);
                        partition.tally.hits += 1;
                    }
                    // Of a rule that is not there: that is counted.
                    Ok(None) => {}
                    Err(why) => {
                        tracing::error!(partition = %partition.place, offset, "a hit is not read: {why}");
                        self.metrics.error("unreadable_sighting");
                    }
                }
            }
        }
        Ok(Taken::Done)
    }

    fn goes_on(&mut self, place: &TopicPartition) -> bool {
        let Some(partition) = self.partitions.get_mut(&place.partition) else { return true };
        if partition.closes && !partition.ended.closed {
            return false;
        }
        let may = self.strangers.may_go(&partition.waits_for, &self.snapshot, Instant::now());
        if may && !partition.waits_for.is_empty() {
            tracing::info!(partition = %place, "goes on");
            partition.waits_for.clear();
            partition.correlator.stood_still();
        }
        may
    }

    fn finish(&mut self) -> anyhow::Result<Batch> {
        let mut batch = Batch::default();
        let (clock, jump) = self.clock.look(now(), Instant::now());
        if let Some(jump) = jump {
            let (seconds, way) =
                (jump.unsigned_abs() / 1_000_000_000, if jump > 0 { "forward" } else { "back" });
            tracing::warn!(
                "the clock of this machine was set {way} by {seconds} s, or it slept; windows are in event time and go on, and no source is taken for silent because of it"
            );
        }
        let Self { plan, snapshot, reader, partitions, metrics, buffer, routes, .. } = self;
        for partition in partitions.values_mut() {
            if jump.is_some() {
                partition.correlator.stood_still();
            }
            batch.more |= partition.decide(clock);
            let mut output = std::mem::take(&mut partition.output);
            let mut fetched = 0;
            for at in 0..output.alerts.len() {
                let alert = &output.alerts[at];
                if at == fetched {
                    // Many alerts at once, after a pause, reach back to events that are not kept.
                    let some = &output.alerts[at..(at + ALERTS).min(output.alerts.len())];
                    fetched += some.len();
                    let wanted = some.iter().flat_map(|alert| {
                        let events = alert.events.iter().map(|entry| entry.event.record);
                        events.chain((alert.events.total > 0).then_some(alert.trigger.record))
                    });
                    partition.bodies.fetch(wanted.collect(), reader, &partition.place)?;
                }
                let mut made = None;
                hit_of(snapshot, partition, reader, routes, alert, &mut |hit| {
                    let shown = metrics.shown(hit, buffer);
                    let sent = outgoing::detection(plan, hit, &snapshot.ruleset, buffer);
                    made = Some((sent, hit.time(), shown));
                })?;
                let Some((sent, event, shown)) = made else { continue };
                batch.outgoing.push(sent);
                let times = Times { event, ..partition.came };
                partition.tally.detection(snapshot.rules.index_of_alert(alert), times);
                partition.tally.show(shown);
            }
            for late in output.late.drain(..) {
                partition.tally.late_hits += 1;
                let seen =
                    partition.bodies.get(late.sighting.event.record, reader, &partition.place)?;
                batch.outgoing.push(outgoing::late(plan, &snapshot.rules, &late, seen.as_deref()));
            }
            let changed = partition.correlator.changed();
            let grown = partition.sources.len() > partition.written;
            partition.touched |= !changed.is_empty() || grown || !partition.rewritten.is_empty();
            partition.touched |= !partition.ended_written || !partition.marks_written;
            if !partition.touched {
                continue;
            }
            let mut write = |key: Vec<u8>, value: Option<Vec<u8>>| {
                batch.state.push(Outgoing {
                    topic: Arc::clone(&plan.state),
                    partition: Some(partition.place.partition),
                    key: Some(key),
                    value,
                    headers: Vec::new(),
                });
            };
            partition.rewritten.drain(..).for_each(|(key, value)| write(key, value));
            for (key, value) in changed {
                write(changelog::entry_key(&key), value);
            }
            if grown {
                let (key, value) = changelog::write_sources(&partition.sources);
                write(key, Some(value));
                partition.written = partition.sources.len();
            }
            if !std::mem::replace(&mut partition.marks_written, true) {
                let (key, value) = partition.marks.write();
                write(key, Some(value));
            }
            if !std::mem::replace(&mut partition.ended_written, true) {
                let (key, value) = partition.ended.write();
                write(key, Some(value));
            }
            let head = Head {
                partitions: plan.partitions,
                next: partition.next,
                oldest: partition.correlator.oldest_pending(),
            };
            let (key, value) = head.write();
            write(key, Some(value));
            let next = i64::try_from(partition.next).unwrap_or(i64::MAX);
            batch.touched.insert(partition.place.clone(), next);
        }
        Ok(batch)
    }

    fn committed(&mut self, member: &Member) {
        let mut tally = Tally::default();
        for partition in self.partitions.values_mut() {
            partition.touched = false;
            tally.add(&mut partition.tally);
            partition.came = Times::default();
        }
        self.metrics.committed(&self.snapshot.rules, &mut tally);
        let newest = self.snapshots.newest();
        if !Arc::ptr_eq(&newest, &self.snapshot) {
            self.strangers.changed(&self.snapshot, &newest, Instant::now());
            let set = &newest.rules.correlations;
            for partition in self.partitions.values_mut() {
                partition.correlator.reload(Arc::clone(set), self.plan.policy);
            }
            self.snapshot = newest;
        }
        for partition in self.partitions.values() {
            self.metrics.windows(&partition.place, partition.windows());
        }
        self.look(member);
    }

    fn aborted(&mut self, member: &Member) -> anyhow::Result<()> {
        let touched: Vec<TopicPartition> = self
            .partitions
            .values()
            .filter(|partition| partition.touched)
            .map(|partition| partition.place.clone())
            .collect();
        for place in touched {
            self.partitions.remove(&place.partition);
            let mut partition = self.restore(member, &place)?;
            self.begin(&mut partition);
            self.partitions.insert(place.partition, partition);
        }
        Ok(())
    }
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}

/// A route that says no more than which log sources an event has.
fn route(routes: &mut HashMap<Vec<LogSource>, Arc<Route>>, sources: &[LogSource]) -> Arc<Route> {
    if let Some(route) = routes.get(sources) {
        return Arc::clone(route);
    }
    if routes.len() >= MAX_ROUTES {
        routes.clear();
    }
    let route =
        Routing::default().route("kafka", sources.to_vec(), None, &Arc::default(), &|_| None);
    routes.insert(sources.to_vec(), Arc::clone(&route));
    route
}

/// Gives an alert with the events behind it; nothing if its correlation is not there any more.
fn hit_of(
    snapshot: &Snapshot,
    partition: &Partition,
    reader: &Reader,
    routes: &mut HashMap<Vec<LogSource>, Arc<Route>>,
    alert: &Alert,
    take: &mut dyn FnMut(&Hit<'_>),
) -> anyhow::Result<()> {
    let Some(card) = snapshot.rules.alert_cards.get(alert.correlation as usize) else {
        return Ok(());
    };
    let mut events = Vec::new();
    for entry in alert.events.iter() {
        let seen = partition.bodies.get(entry.event.record, reader, &partition.place)?;
        let seen = seen.unwrap_or_else(|| {
            let topic = "(no longer kept)".to_owned();
            let origin = Origin { topic, partition: 0 };
            Arc::new(Seen { origin, offset: 0, body: Default::default() })
        });
        events.push(Contribution {
            time: entry.time,
            path: seen.origin.to_string().into(),
            record: seen.offset,
            raw: seen.body.raw.clone(),
            route: route(routes, &seen.body.log_sources),
            rules: card.rules_of(entry),
        });
    }
    let view = AlertView { alert, card, events };
    let caused = match view.events.is_empty() {
        false => partition.bodies.get(alert.trigger.record, reader, &partition.place)?,
        true => None,
    };
    let (event, path, record) = match &caused {
        Some(seen) => {
            let route = route(routes, &seen.body.log_sources);
            let event = evidence::event(&seen.body.raw, seen.body.fields.as_deref(), &route);
            (event, seen.origin.to_string(), seen.offset)
        }
        None => (no_event(), String::new(), 0),
    };
    let event_view = EventView::new(&event, &path, record);
    let matched = view.matched();
    take(&Hit::of_alert(&view, &event_view, &matched));
    Ok(())
}
