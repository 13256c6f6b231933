//! A correlator that is saved and restored after each event, or gets its rules again, says the same.

use super::disorder::{SECOND, reached};
use super::generate::{Arrival, Sets, arrivals, load, sightings};
use super::policy;
use crate::correlation::{
    Correlations, Correlator, Emit, Limits, Options, Output, Patience, Policy, StateError,
};
use sha2::{Digest as _, Sha256};
use std::sync::Arc;

const STREAMS: u64 = 800;

struct Stream {
    seed: u64,
    text: String,
    set: Arc<Correlations>,
    policy: Policy,
    options: Options,
    clock: Option<i64>,
    arrivals: Vec<Arrival>,
}

impl Stream {
    fn new(sets: &mut Sets, seed: u64) -> Self {
        let (text, set, mut dice) = sets.at(seed);
        let stream = sightings(&mut dice, &set);
        let policy = policy(&mut dice);
        let emit = if dice.below(3) == 0 { Emit::Final } else { Emit::Early };
        let max_lateness = dice.below(4) as i64 * 2 * SECOND;
        let arrivals = arrivals(&mut dice, &stream, max_lateness);
        let clock = (dice.below(3) > 0).then_some(1000 * SECOND);
        let patience = Patience { max_lateness, max_future: 10 * SECOND, ..Patience::default() };
        Self { seed, text, set, policy, options: Options { patience, emit }, clock, arrivals }
    }

    fn new_correlator(&self) -> Correlator {
        Correlator::new(Arc::clone(&self.set), self.policy, Limits::default(), self.options)
    }

    /// What comes out, with something done to the correlator after each arrival.
    fn run(&self, mut after: impl FnMut(&mut Correlator)) -> Output {
        let mut correlator = self.new_correlator();
        let mut out = Output::default();
        correlator.register(0);
        self.clock.into_iter().for_each(|now| correlator.tick(now, &mut out));
        after(&mut correlator);
        for arrival in &self.arrivals {
            match arrival {
                Arrival::Hit(sighting) => correlator.process(sighting.clone(), &mut out),
                Arrival::Event(source, time) => correlator.advance(*source, *time, &mut out),
                Arrival::End(source) => correlator.finish_source(*source, &mut out),
            }
            after(&mut correlator);
        }
        correlator.finish(reached(&self.arrivals, 0), &mut out);
        assert!(correlator.is_settled());
        out
    }

    fn restored(&self, snapshot: &[u8]) -> Result<Correlator, StateError> {
        let set = Arc::clone(&self.set);
        Correlator::from_snapshot(set, self.policy, Limits::default(), self.options, snapshot)
            .map(|(correlator, _)| correlator)
    }
}

#[test]
fn a_restored_correlator_goes_on_as_if_nothing_had_been() {
    let (mut alerts, mut late) = (0, 0);
    let mut sets = Sets::new(0x5A7E);
    for seed in 0..STREAMS {
        let stream = Stream::new(&mut sets, seed);
        let expected = stream.run(|_| {});
        let got = stream.run(|correlator| {
            let bytes = correlator.snapshot();
            *correlator = stream.restored(&bytes).unwrap();
            assert_eq!(correlator.snapshot(), bytes, "seed {seed}\n{}", stream.text);
        });
        assert_eq!(got, expected, "seed {}, {:?}\n{}", stream.seed, stream.policy, stream.text);
        alerts += expected.alerts.len();
        late += expected.late.len();
    }
    // The second source is not waited for until it speaks, so some hits are late.
    assert!(alerts > 1000 && late > 100, "{alerts} alerts, {late} late");
}

#[test]
fn the_same_rules_again_change_nothing() {
    let mut sets = Sets::new(0x2E10);
    for seed in 0..STREAMS / 2 {
        let stream = Stream::new(&mut sets, seed);
        let expected = stream.run(|_| {});
        let (again, _) = load(&stream.text);
        let got = stream.run(|correlator| {
            let told = correlator.reload(Arc::clone(&again), stream.policy);
            assert_eq!(told.dropped, 0);
        });
        assert_eq!(got, expected, "seed {}, {:?}\n{}", stream.seed, stream.policy, stream.text);
    }
}

#[test]
fn other_rules_start_with_nothing() {
    let mut sets = Sets::new(0x07E2);
    for seed in 0..STREAMS / 8 {
        let stream = Stream::new(&mut sets, 4 * seed);
        let (_, other, _) = Sets::new(0xABCD).at(4 * seed);
        let mut correlator = stream.new_correlator();
        let mut out = Output::default();
        for arrival in &stream.arrivals {
            if let Arrival::Hit(sighting) = arrival {
                correlator.process(sighting.clone(), &mut out);
            }
        }
        correlator.reload(other, stream.policy);
        correlator.finish(0, &mut out);
        assert!(correlator.is_settled());
        assert_eq!(correlator.pending(), (0, 0));
    }
}

#[test]
fn broken_snapshots_are_refused() {
    let mut sets = Sets::new(0xB20C);
    let stream = (0..).map(|seed| Stream::new(&mut sets, seed));
    let stream = stream.take(50).max_by_key(|stream| stream.arrivals.len()).unwrap();
    let mut last = Vec::new();
    let mut half = stream.arrivals.len() / 2;
    stream.run(|correlator| {
        half = half.saturating_sub(1);
        if half == 1 {
            last = correlator.snapshot();
        }
    });
    assert!(stream.restored(&last).is_ok());
    assert_eq!(stream.restored(b"something").unwrap_err(), StateError::Foreign);
    let mut newer = last.clone();
    newer[7] = 99;
    assert_eq!(stream.restored(&newer).unwrap_err(), StateError::Version(99));
    for at in 0..last.len() {
        let mut bytes = last.clone();
        bytes[at] ^= 1 << (at % 8);
        assert!(stream.restored(&bytes).is_err(), "byte {at}");
        assert!(stream.restored(&last[..at]).is_err(), "cut at {at}");
        // Even if the checksum is right, nothing worse than an error happens.
        let end = bytes.len() - 32;
        let digest = Sha256::digest(&bytes[..end]);
        bytes[end..].copy_from_slice(&digest);
        if let Ok(mut correlator) = stream.restored(&bytes) {
            correlator.finish(0, &mut Output::default());
        }
    }
}
