//! A correlator that crashes at any time, and goes on from its changelog and the topic of its sightings, says the same.

use super::disorder::{SECOND, reached};
use super::generate::{Arrival, Sets, arrivals, base_rules, sightings};
use super::{policy, shown};
use crate::correlation::{
    Correlations, Correlator, Emit, Limits, Options, Output, Patience, Policy, Sighting, StateKey,
};
use std::collections::BTreeMap;
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
        let part = [1 << 16, 40][dice.below(2) as usize];
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
    /// The state as a whole, to compare.
    snapshot: Vec<u8>,
}

impl Kept {
    /// A transaction is committed.
    fn commit(&mut self, correlator: &mut Correlator, committed: usize, out: &mut Output) {
        for (key, value) in correlator.changed() {
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
}

#[test]
fn after_crashes_the_alerts_are_the_same() {
    let mut seen = Seen::default();
    let mut sets = Sets::new(0xC4A5);
    for seed in 0..STREAMS {
        let (stream, mut dice) = Stream::new(&mut sets, seed);
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
            if dice.below(4) == 0 {
                seen.crashes += 1;
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
}
