//! A correlator that crashes at any time, and goes on from its changelog and the topic of its sightings, says the same.

use super::disorder::{SECOND, reached};
use super::generate::{Arrival, Sets, arrivals, base_rules, load, sightings};
use super::{policy, shown};
use crate::correlation::state::sealed;
use crate::correlation::{
    Correlations, Correlator, Emit, EventRef, Late, Lateness, Limits, Options, Output, Patience,
    Policy, Sighting, StateEntry, StateKey,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

const STREAMS: u64 = 1_500;

/// What a partition gets, at the place that is its offset.
#[derive(Debug)]
enum Message {
    Arrival(Arrival),
    /// The clock of whoever reads it.
    Tick(i64),
}

struct Stream {
    seed: u64,
    text: String,
    set: Arc<Correlations>,
    policy: Policy,
    limits: Limits,
    options: Options,
    share: (u32, u32),
    topic: Vec<Message>,
    /// A chance of one in so many that a message is the last of a transaction.
    transaction: u64,
    part: usize,
}

impl Stream {
    fn new(sets: &mut Sets, seed: u64) -> (Self, super::Dice) {
        let (text, set, mut dice) = sets.at(seed);
        let mut stream = sightings(&mut dice, &set);
        stream.extend(sightings(&mut dice, &set));
        let policy = policy(&mut dice);
        let emit = if dice.below(2) == 0 { Emit::Final } else { Emit::Early };
        let max_lateness = dice.below(5) as i64 * 2 * SECOND;
        let disorder = max_lateness + dice.below(2) as i64 * SECOND;
        let count = 1 + dice.below(3) as u32;
        let share = (dice.below(u64::from(count)) as u32, count);
        let clock = dice.below(3);
        let mut now = 0;
        let mut topic = Vec::new();
        let mut places = Vec::new();
        for arrival in arrivals(&mut dice, &stream, disorder) {
            if clock == 2 || clock == 1 && topic.is_empty() {
                now = match clock {
                    1 => 1000 * SECOND,
                    _ => now + dice.below(3) as i64 * SECOND,
                };
                topic.push(Message::Tick(now));
            }
            let arrival = match arrival {
                Arrival::Hit(mut sighting) => {
                    sighting.event.record = topic.len() as u64;
                    set.partitions(&sighting, count, &mut places);
                    match places.contains(&share.0) {
                        true => Arrival::Hit(set.restrict(&sighting, share.0, count)),
                        false => Arrival::Event(sighting.event.source, sighting.time),
                    }
                }
                other => other,
            };
            topic.push(Message::Arrival(arrival));
        }
        let mut limits = Limits::default();
        if dice.below(2) == 0 {
            // So few may wait.
            limits.pending_bytes = (1 + dice.below(8) as usize) * 250 * count as usize;
        }
        let max_future = (1 + dice.below(4) as i64 * 5) * SECOND;
        let idle_timeout = (dice.below(2) == 0).then_some(5 * SECOND);
        let patience = Patience { max_lateness, max_future, idle_timeout };
        let options = Options { patience, emit };
        let transaction = 1 + dice.below(6);
        let part = [1 << 16, 40, 80][dice.below(3) as usize];
        let stream =
            Self { seed, text, set, policy, limits, options, share, topic, transaction, part };
        (stream, dice)
    }

    fn correlator(&self) -> Correlator {
        let set = Arc::clone(&self.set);
        let mut correlator =
            Correlator::sharing(set, self.policy, self.limits, self.options, self.share);
        correlator.register(0);
        correlator
    }

    fn take(&self, correlator: &mut Correlator, offset: usize, out: &mut Output) {
        match &self.topic[offset] {
            Message::Arrival(Arrival::Hit(sighting)) => correlator.process(sighting.clone(), out),
            Message::Arrival(Arrival::Event(source, time)) => {
                correlator.advance(*source, *time, out);
            }
            Message::Arrival(Arrival::End(source)) => correlator.finish_source(*source, out),
            Message::Tick(now) => correlator.tick(*now, out),
        }
    }

    fn end(&self) -> i64 {
        let arrivals = self.topic.iter().filter_map(|message| match message {
            Message::Arrival(arrival) => Some(arrival.clone()),
            Message::Tick(_) => None,
        });
        reached(&arrivals.collect::<Vec<_>>(), 0)
    }

    fn undisturbed(&self) -> (Output, Correlator) {
        let mut correlator = self.correlator();
        let mut out = Output::default();
        (0..self.topic.len()).for_each(|offset| self.take(&mut correlator, offset, &mut out));
        correlator.finish(self.end(), &mut out);
        (out, correlator)
    }

    /// For people.
    fn told(&self) -> String {
        let rules = self.text.replace(&base_rules(), "");
        let hits: Vec<Sighting> = self.hits(0..self.topic.len()).collect();
        format!(
            "seed {}, {:?}, {:?}, {:?}, {:?}\n{rules}\n{}",
            self.seed,
            self.policy,
            self.options,
            self.share,
            self.limits.pending_bytes,
            shown(&self.set, &hits)
        )
    }

    fn hits(&self, offsets: std::ops::Range<usize>) -> impl Iterator<Item = Sighting> + '_ {
        self.topic[offsets].iter().filter_map(|message| match message {
            Message::Arrival(Arrival::Hit(sighting)) => Some(sighting.clone()),
            _ => None,
        })
    }
}

/// What is kept of a partition.
#[derive(Default)]
struct Kept {
    log: BTreeMap<StateKey, Vec<u8>>,
    committed: usize,
    oldest: Option<u64>,
    out: Output,
    /// Bytes, and additions to large groups.
    written: usize,
    added: usize,
    /// The state as a whole, to compare.
    snapshot: Vec<u8>,
}

impl Kept {
    /// A transaction is committed.
    fn commit(&mut self, correlator: &mut Correlator, committed: usize, out: &mut Output) {
        for (key, value) in correlator.changed() {
            self.written += value.as_ref().map_or(0, Vec::len);
            self.added +=
                usize::from(value.is_some() && key.to_string().starts_with("what was added to"));
            match value {
                Some(value) => self.log.insert(key, value),
                None => self.log.remove(&key),
            };
        }
        assert_eq!(correlator.changed(), []);
        self.committed = committed;
        self.oldest = correlator.oldest_pending();
        self.out.alerts.append(&mut out.alerts);
        self.out.late.append(&mut out.late);
        self.snapshot = correlator.snapshot();
    }

    fn restore(&self, stream: &Stream) -> Correlator {
        let Stream { policy, limits, options, share, .. } = *stream;
        let entries = self.log.clone().into_iter().rev();
        let restored =
            Correlator::restore(Arc::clone(&stream.set), policy, limits, options, share, entries);
        let (mut correlator, restored) = restored.unwrap();
        assert_eq!(restored.dropped, 0);
        correlator.follow_in_parts_of(stream.part);
        if let Some(oldest) = self.oldest {
            for sighting in stream.hits(oldest as usize..self.committed) {
                correlator.readmit(sighting);
            }
        }
        let now = stream.topic[..self.committed].iter().rev().find_map(|message| match message {
            Message::Tick(now) => Some(*now),
            Message::Arrival(_) => None,
        });
        // A clock that went on alone was not written.
        correlator.watermark.clock = now.or(correlator.watermark.clock);
        let snapshot = correlator.snapshot();
        assert!(snapshot == self.snapshot, "another state\n{}", stream.told());
        assert_eq!(correlator.changed(), []);
        correlator
    }
}

#[derive(Debug, Default)]
struct Seen {
    alerts: usize,
    late: usize,
    forced: u64,
    future: u64,
    crashes: usize,
    reread: usize,
    early: usize,
    added: usize,
    ahead: usize,
    handed_back: usize,
}

#[test]
fn after_crashes_the_alerts_are_the_same() {
    let mut seen = Seen::default();
    let mut sets = Sets::new(0xC4A5);
    for seed in 0..STREAMS {
        let (stream, mut dice) = Stream::new(&mut sets, seed);
        let crashes = [4, 30][dice.below(2) as usize];
        let (expected, mut last) = stream.undisturbed();
        seen.alerts += expected.alerts.len();
        seen.late += expected.late.len();
        seen.forced += last.forced();
        seen.future += last.future().iter().map(|(_, count)| count).sum::<u64>();
        seen.early += usize::from(stream.options.emit == Emit::Early);
        let mut kept = Kept::default();
        let mut correlator = stream.correlator();
        correlator.follow_changes();
        correlator.follow_in_parts_of(stream.part);
        let mut out = Output::default();
        kept.commit(&mut correlator, 0, &mut out);
        let mut offset = 0;
        while offset < stream.topic.len() {
            stream.take(&mut correlator, offset, &mut out);
            offset += 1;
            if dice.below(stream.transaction) == 0 {
                kept.commit(&mut correlator, offset, &mut out);
            }
            if dice.below(crashes) == 0 {
                seen.crashes += 1;
                let ahead = |key: &&StateKey| key.to_string().starts_with("the sighting of record");
                seen.ahead += kept.log.keys().filter(ahead).count();
                seen.reread +=
                    kept.committed - kept.oldest.map_or(kept.committed, |at| at as usize);
                correlator = kept.restore(&stream);
                offset = kept.committed;
                out = Output::default();
            }
        }
        kept.commit(&mut correlator, offset, &mut out);
        correlator = kept.restore(&stream);
        correlator.finish(stream.end(), &mut out);
        kept.commit(&mut correlator, offset, &mut out);
        seen.added += kept.added;
        let ahead = |late: &&Late| late.lateness == Lateness::Ahead;
        seen.handed_back += expected.late.iter().filter(ahead).count();
        assert_eq!(kept.out, expected, "{}", stream.told());
        assert_eq!(correlator.forced(), last.forced());
        assert!(correlator.late().eq(last.late()));
        assert_eq!(kept.oldest, None);
        // The log holds what one has that never crashed.
        last.follow_changes();
        last.follow_in_parts_of(stream.part);
        let progress = |key: &StateKey| key.to_string().ends_with("the watermark");
        let expected: Vec<_> = last
            .changed()
            .into_iter()
            .filter(|(key, value)| !progress(key) && value.is_some())
            .collect();
        let left: Vec<_> = kept
            .log
            .into_iter()
            .filter(|(key, _)| !progress(key))
            .map(|(key, value)| (key, Some(value)))
            .collect();
        assert_eq!(left, expected, "{}", stream.told());
    }
    assert!(seen.alerts > 2_000 && seen.late > 1_000 && seen.forced > 1_000, "{seen:?}");
    assert!(seen.future > 500 && seen.crashes > 5_000 && seen.reread > 20_000, "{seen:?}");
    assert!(seen.added > 200 && seen.ahead > 200 && seen.handed_back > 50, "{seen:?}");
}

/// A watermark may jump over much; what is decided then is decided in parts, each of which is kept with what was told of it.
#[test]
fn what_is_decided_in_parts_is_the_same_after_crashes() {
    let mut sets = Sets::new(0xB175);
    let (mut streams, mut alerts, mut behind, mut crashes, mut closings) = (0, 0, 0, 0, 0);
    for seed in 0..STREAMS {
        let (mut stream, mut dice) = Stream::new(&mut sets, seed);
        let clocks: Vec<i64> = stream
            .topic
            .iter()
            .filter_map(|message| match message {
                Message::Tick(now) => Some(*now),
                Message::Arrival(_) => None,
            })
            .collect();
        stream.limits = Limits::default();
        let (expected, _) = stream.undisturbed();
        // What is late depends on how far the watermark is; a clock that goes on may find sources idle.
        let [clock] = clocks[..] else { continue };
        if !expected.late.is_empty() || stream.options.emit == Emit::Early {
            continue;
        }
        streams += 1;
        alerts += expected.alerts.len();
        let limit = 1 + dice.below(3) as usize;
        stream.limits.alerts_at_once = limit;
        stream.limits.steps_at_once = 1 + dice.below(5) as usize;
        let mut kept = Kept::default();
        let mut correlator = stream.correlator();
        correlator.follow_changes();
        correlator.follow_in_parts_of(stream.part);
        let mut out = Output::default();
        kept.commit(&mut correlator, 0, &mut out);
        let mut offset = 0;
        while offset < stream.topic.len() {
            stream.take(&mut correlator, offset, &mut out);
            offset += 1;
            // Sometimes more comes before all is told.
            while correlator.is_behind() && dice.below(3) > 0 {
                behind += 1;
                kept.commit(&mut correlator, offset, &mut out);
                if dice.below(4) == 0 {
                    crashes += 1;
                    correlator = kept.restore(&stream);
                }
                correlator.tick(clock, &mut out);
            }
            if dice.below(stream.transaction) == 0 {
                kept.commit(&mut correlator, offset, &mut out);
            }
            if dice.below(10) == 0 {
                crashes += 1;
                correlator = kept.restore(&stream);
                offset = kept.committed;
                out = Output::default();
            }
        }
        let end = correlator.largest().map_or(stream.end(), |largest| largest.max(stream.end()));
        while !correlator.close(end, &mut out) {
            closings += 1;
            kept.commit(&mut correlator, offset, &mut out);
            if dice.below(3) == 0 {
                crashes += 1;
                correlator = kept.restore(&stream);
            }
        }
        kept.commit(&mut correlator, offset, &mut out);
        assert_eq!(kept.out, expected, "limit {limit}\n{}", stream.told());
    }
    assert!(streams > 100 && alerts > 500, "{streams} {alerts}");
    assert!(behind > 300 && crashes > 500 && closings > 100, "{behind} {crashes} {closings}");
}

/// The same sighting for another set.
fn moved(sighting: &Sighting, from: &Correlations, to: &Correlations) -> Option<Sighting> {
    let mut bytes = Vec::new();
    from.write_sighting(sighting, &mut bytes);
    to.read_sighting(&mut &bytes[..]).unwrap()
}

#[test]
fn other_rules_leave_what_is_theirs() {
    const MORE: &str = "title: More\nname: more\nlogsource:\n    category: test\ndetection:\n    s:\n        f: w\n    condition: s\n---\ntitle: Other\ncorrelation:\n    type: value_count\n    rules: [more]\n    group-by: [Zone, Value, User]\n    timespan: 1s\n    condition: {field: Host, gte: 1}\n---\n";
    let mut sets = Sets::new(0x2E1D);
    let (mut kept_groups, mut gone) = (0, 0);
    for seed in 0..400 {
        let (mut stream, mut dice) = Stream::new(&mut sets, seed);
        // What waits takes less memory without the values that only old rules read.
        stream.limits.pending_bytes = usize::MAX;
        let is_more = seed % 2 == 0;
        let text =
            if is_more { format!("{MORE}{}", stream.text) } else { super::correlations(&mut dice) };
        let (other, _) = load(&text);
        let mut kept = Kept::default();
        let mut correlator = stream.correlator();
        correlator.follow_changes();
        correlator.follow_in_parts_of(stream.part);
        let mut out = Output::default();
        let half = stream.topic.len() / 2;
        for offset in 0..half {
            stream.take(&mut correlator, offset, &mut out);
            if dice.below(3) == 0 {
                kept.commit(&mut correlator, offset + 1, &mut out);
            }
        }
        let before = kept.log.len();
        let told = correlator.reload(Arc::clone(&other), stream.policy);
        if is_more {
            assert_eq!(told.dropped, 0);
        }
        kept_groups += told.kept;
        kept.commit(&mut correlator, half, &mut out);
        gone += before.saturating_sub(kept.log.len());
        for key in kept.log.keys() {
            assert!(correlator.knows(key), "{key}");
        }
        let Stream { policy, limits, options, share, .. } = stream;
        let entries = kept.log.clone();
        let (mut restored, told) =
            Correlator::restore(Arc::clone(&other), policy, limits, options, share, entries)
                .unwrap();
        assert_eq!(told.dropped, 0);
        restored.follow_in_parts_of(stream.part);
        if let Some(oldest) = kept.oldest {
            let hits = stream.hits(oldest as usize..half);
            let hits = hits.filter_map(|hit| moved(&hit, &stream.set, &other));
            hits.for_each(|hit| restored.readmit(hit));
        }
        assert_eq!(restored.changed(), []);
        assert_eq!(restored.pending().0, correlator.pending().0);
        let now = stream.topic[..half].iter().rev().find_map(|message| match message {
            Message::Tick(now) => Some(*now),
            Message::Arrival(_) => None,
        });
        now.into_iter().for_each(|now| restored.tick(now, &mut out));
        // One that had the old rules when it ended, and has the new ones when it begins again.
        for sighting in stream.hits(half..stream.topic.len()) {
            let mut said = [Output::default(), Output::default()];
            for (correlator, said) in [&mut restored, &mut correlator].into_iter().zip(&mut said) {
                if let Some(sighting) = moved(&sighting, &stream.set, &other) {
                    correlator.process(sighting, said);
                }
            }
            assert_eq!(said[0].alerts, said[1].alerts, "{}\n{text}", stream.told());
        }
        for correlator in [&mut restored, &mut correlator] {
            correlator.finish(stream.end(), &mut out);
            correlator.follow_changes();
        }
        assert_eq!(restored.changed(), correlator.changed(), "{}\n{text}", stream.told());
    }
    assert!(kept_groups > 50 && gone > 150, "{kept_groups} kept, {gone} gone");
}

/// A correlation of each kind whose groups may become large, over hits of one user.
fn large(kind: &str, condition: &str) -> Arc<Correlations> {
    let text = format!(
        "{}title: Large\ncorrelation:\n    type: {kind}\n    rules: [r0]\n    group-by: [User]\n    timespan: 100s\n    condition: {{{condition}}}\n",
        base_rules()
    );
    load(&text).0
}

#[test]
fn a_large_group_is_not_written_whole_each_time() {
    const HITS: u64 = 6_000;
    for (kind, condition) in [
        ("event_count", "gte: 2900"),
        // Those that are over the limit leave before their time.
        ("event_count", "gte: 900"),
        ("value_count", "field: Value, gte: 100000"),
        ("value_sum", "field: Value, gte: 100000000"),
        ("value_percentile", "field: Value, percentile: 50, gte: 100000"),
        ("value_count", "field: Value, lt: 3"),
    ] {
        let set = large(kind, condition);
        let field = |name: &str| set.fields().iter().position(|have| **have == *name);
        let patience = Patience { max_lateness: SECOND, ..Patience::default() };
        let stream = Stream {
            seed: 0,
            text: format!("{kind} {condition}"),
            policy: Policy::Quiet(10 * SECOND),
            limits: Limits {
                hits_per_group: if condition == "gte: 900" { 1000 } else { 100_000 },
                ..Limits::default()
            },
            options: Options { patience, emit: Emit::Final },
            share: (0, 1),
            topic: (0..HITS)
                .map(|record| {
                    let mut values: Vec<(u32, Box<str>)> =
                        vec![(field("User").unwrap() as u32, "a".into())];
                    let number = record * 7919 % 5003;
                    values.extend(field("Value").map(|at| (at as u32, number.to_string().into())));
                    values.sort_unstable();
                    let (rules, values) = ([0].into(), values.into());
                    let event = EventRef { source: 0, record };
                    // In the middle it is silent for long enough to forget some.
                    let pause = if record > HITS / 2 { 60 * SECOND } else { 0 };
                    let time = record as i64 * SECOND / 30 + pause;
                    Message::Arrival(Arrival::Hit(Sighting { time, event, rules, values }))
                })
                .collect(),
            transaction: 1,
            part: 4096,
            set: Arc::clone(&set),
        };
        let (expected, _) = stream.undisturbed();
        let mut kept = Kept::default();
        let mut correlator = stream.correlator();
        correlator.follow_changes();
        correlator.follow_in_parts_of(stream.part);
        let mut out = Output::default();
        let mut whole = 0;
        for offset in 0..stream.topic.len() {
            stream.take(&mut correlator, offset, &mut out);
            if offset % 10 == 9 {
                kept.commit(&mut correlator, offset + 1, &mut out);
                whole += kept.snapshot.len();
                assert!(kept.log.values().all(|value| value.len() <= stream.part + 100));
            }
            if offset % 500 == 499 {
                correlator = kept.restore(&stream);
            }
        }
        correlator.finish(stream.end(), &mut out);
        kept.commit(&mut correlator, stream.topic.len(), &mut out);
        assert_eq!(kept.out, expected, "{kind}");
        assert!(kept.written * 4 < whole, "{kind}: {} bytes written, {whole} whole", kept.written);
        assert!(kept.added > 100, "{kind}: {}", kept.added);
        let groups = kept.log.keys().filter(|key| key.group().is_some()).count();
        assert_eq!(groups, 0);
    }
}

#[test]
fn an_idle_correlator_writes_nothing() {
    let set = large("event_count", "gte: 3");
    let patience = Patience { idle_timeout: Some(20 * SECOND), ..Patience::default() };
    let options = Options { patience, emit: Emit::Early };
    let limits = Limits::default();
    let mut correlator = Correlator::sharing(set, Policy::Every, limits, options, (0, 1));
    assert_eq!(correlator.changed(), [], "nobody wants to know");
    correlator.follow_changes();
    let mut out = Output::default();
    correlator.tick(100 * SECOND, &mut out);
    correlator.register(0);
    let event = EventRef { source: 0, record: 7 };
    let values = [(0, "a".into())].into();
    let sighting = Sighting { time: 90 * SECOND, event, rules: [0].into(), values };
    correlator.process(sighting, &mut out);
    assert_eq!(correlator.oldest_pending(), Some(7));
    let names = |changed: Vec<(StateKey, Option<Vec<u8>>)>| -> Vec<String> {
        changed.iter().map(|(key, _)| key.to_string().split(" [").next().unwrap().into()).collect()
    };
    let first = names(correlator.changed());
    assert_eq!(first, ["the watermark", "the counters", "what is to be told early of group"]);
    correlator.tick(110 * SECOND, &mut out);
    assert_eq!(correlator.changed(), [], "a clock that goes on changes nothing");
    correlator.tick(120 * SECOND, &mut out);
    assert_eq!(correlator.oldest_pending(), None, "its source is idle");
    let idle = names(correlator.changed());
    assert_eq!(idle, ["the time of the last event", "group", "the watermark"]);
    correlator.tick(130 * SECOND, &mut out);
    assert_eq!(correlator.changed(), []);
}

#[test]
fn a_damaged_entry_is_named() {
    let mut sets = Sets::new(0xDA4A);
    let mut kinds = BTreeSet::new();
    for seed in 0..200 {
        let (stream, mut dice) = Stream::new(&mut sets, seed);
        let mut kept = Kept::default();
        let mut correlator = stream.correlator();
        correlator.follow_changes();
        correlator.follow_in_parts_of(stream.part);
        let mut out = Output::default();
        for offset in 0..stream.topic.len() * 2 / 3 {
            stream.take(&mut correlator, offset, &mut out);
            if dice.below(3) == 0 {
                kept.commit(&mut correlator, offset + 1, &mut out);
            }
        }
        let restore = |log: &BTreeMap<StateKey, Vec<u8>>, share: (u32, u32)| {
            let Stream { policy, limits, options, .. } = stream;
            Correlator::restore(
                Arc::clone(&stream.set),
                policy,
                limits,
                options,
                share,
                log.clone(),
            )
        };
        assert!(restore(&kept.log, stream.share).is_ok());
        for (key, value) in &kept.log {
            assert!(correlator.knows(key), "{key}");
            let mut log = kept.log.clone();
            let at = dice.below(value.len() as u64) as usize;
            log.get_mut(key).unwrap()[at] ^= 1 << dice.below(8);
            let error = restore(&log, stream.share).unwrap_err().to_string();
            assert!(error.contains(&format!("is damaged: {key}: ")), "{error}");
            let kind = key.as_bytes()[0];
            kinds.insert(kind);
        }
        if !kept.log.is_empty() {
            let error = restore(&kept.log, (stream.share.0, 7)).unwrap_err().to_string();
            assert!(error.contains("another number of partitions"), "{error}");
        }
    }
    assert!(kinds.iter().copied().eq([0, 2, 3, 4, 5, 6, 7, 8, 9]), "{kinds:?}");
}

#[test]
fn hostile_entries_with_right_checksums_never_panic() {
    let (mut read, mut refused) = (0, 0);
    let mut sets = Sets::new(0x4057);
    for seed in 0..400 {
        let (stream, mut dice) = Stream::new(&mut sets, seed);
        let mut kept = Kept::default();
        let mut correlator = stream.correlator();
        correlator.follow_changes();
        correlator.follow_in_parts_of(stream.part);
        let mut out = Output::default();
        for offset in 0..stream.topic.len() * 2 / 3 {
            stream.take(&mut correlator, offset, &mut out);
            if dice.below(3) == 0 {
                kept.commit(&mut correlator, offset + 1, &mut out);
            }
        }
        for _ in 0..4 {
            let entries: Vec<StateEntry> = kept
                .log
                .iter()
                .map(|(key, value)| {
                    let mut body = value[1..value.len() - 8].to_vec();
                    if dice.below(3) == 0 && !body.is_empty() {
                        let at = dice.below(body.len() as u64) as usize;
                        match dice.below(3) {
                            0 => body[at] ^= 1 << dice.below(8),
                            1 => body[at] = [0, 0xFF, 0x7F, 0x80][dice.below(4) as usize],
                            _ => drop(body.remove(at)),
                        }
                    }
                    let value = sealed(key, |out| out.0.extend_from_slice(&body));
                    (key.clone(), value)
                })
                .collect();
            let Stream { policy, limits, options, share, .. } = stream;
            match Correlator::restore(
                Arc::clone(&stream.set),
                policy,
                limits,
                options,
                share,
                entries,
            ) {
                Ok((mut correlator, _)) => {
                    read += 1;
                    for sighting in stream.hits(0..kept.committed) {
                        correlator.readmit(sighting);
                    }
                    for offset in kept.committed..stream.topic.len() {
                        stream.take(&mut correlator, offset, &mut out);
                    }
                    correlator.changed();
                    correlator.finish(stream.end(), &mut out);
                    correlator.changed();
                }
                Err(_) => refused += 1,
            }
        }
    }
    assert!(read > 200 && refused > 200, "{read} read, {refused} refused");
}
