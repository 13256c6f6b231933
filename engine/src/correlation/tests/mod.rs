//! The engine against the plain model, on generated correlations and streams.

mod changelog;
mod correlator_state;
mod disorder;
mod early;
mod generate;
mod limits;
mod partitions;
mod peer_defects;
mod state;
mod waiting;

use super::{Alert, Correlations, Limits, Policy, Sighting, Windows};
use crate::oracle;
use generate::{Dice, correlations, load, sightings};
use std::sync::Arc;

/// Streams in each property test.
const STREAMS: u64 = 10_000;

fn ordered(mut alerts: Vec<Alert>) -> Vec<Alert> {
    alerts.sort_by(|a, b| {
        (a.time, a.correlation, &a.group, a.id).cmp(&(b.time, b.correlation, &b.group, b.id))
    });
    alerts
}

fn windows(set: &Arc<Correlations>, sorted: &[Sighting], end: i64, policy: Policy) -> Vec<Alert> {
    let mut out = Vec::new();
    let mut windows = Windows::new(Arc::clone(set), policy, Limits::default());
    sorted.iter().for_each(|sighting| windows.process(sighting, &mut out));
    windows.finish(end, &mut out);
    ordered(out)
}

fn policy(dice: &mut Dice) -> Policy {
    match dice.below(4) {
        0 => Policy::Once,
        1 => Policy::Quiet(1_500_000_000),
        _ => Policy::Every,
    }
}

/// A stream for people.
fn shown(set: &Correlations, stream: &[Sighting]) -> String {
    let line = |sighting: &Sighting| {
        let values: Vec<String> = sighting
            .values
            .iter()
            .map(|(field, text)| format!("{}={text}", set.fields()[*field as usize]))
            .collect();
        let seconds = sighting.time as f64 / 1e9;
        format!("{seconds} {:?} {:?} {}", sighting.event, sighting.rules, values.join(" "))
    };
    stream.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// The alerts that only one side has.
fn difference(expected: &[Alert], got: &[Alert]) -> String {
    let only = |name: &str, these: &[Alert], those: &[Alert]| {
        let missing: Vec<String> = these
            .iter()
            .filter(|alert| !those.contains(alert))
            .map(|alert| format!("{name}: {alert:?}"))
            .collect();
        missing.join("\n")
    };
    only("expected", expected, got) + "\n" + &only("got", got, expected)
}

#[test]
fn windows_say_what_the_definition_says() {
    let mut alerts = 0;
    let mut shortest: Option<(usize, String)> = None;
    for seed in 0..STREAMS {
        let mut dice = Dice::new(seed);
        let text = correlations(&mut dice);
        let (set, _) = load(&text);
        let mut stream = sightings(&mut dice, &set);
        stream.sort();
        let policy = policy(&mut dice);
        let end = dice.below(20) as i64 * 1_000_000_000;
        let expected = oracle::correlation::alerts(&set, &stream, end, policy);
        let got = windows(&set, &stream, end, policy);
        alerts += got.len();
        if got != expected && shortest.as_ref().is_none_or(|(length, _)| stream.len() < *length) {
            let difference = difference(&expected, &got);
            let stream_text = shown(&set, &stream);
            let rules = text.replace(&generate::base_rules(), "");
            let report =
                format!("seed {seed}, {policy:?}, end {end}\n{rules}\n{stream_text}\n{difference}");
            shortest = Some((stream.len(), report));
        }
    }
    if let Some((_, report)) = shortest {
        panic!("{report}");
    }
    assert!(alerts > 20_000, "the streams are too quiet: {alerts} alerts");
}

#[test]
fn several_that_share_the_work_say_what_one_says() {
    let mut alerts = 0;
    for seed in 0..2_000 {
        let mut dice = Dice::new(seed);
        let text = correlations(&mut dice);
        let (set, _) = load(&text);
        let mut stream = sightings(&mut dice, &set);
        stream.sort();
        let policy = policy(&mut dice);
        let end = dice.below(20) as i64 * 1_000_000_000;
        let expected = windows(&set, &stream, end, policy);
        let mut got = Vec::new();
        for index in 0..3 {
            let limits = Limits::default();
            let mut windows = Windows::sharing(Arc::clone(&set), policy, limits, (index, 3));
            stream.iter().for_each(|sighting| windows.process(sighting, &mut got));
            windows.finish(end, &mut got);
        }
        alerts += got.len();
        assert_eq!(ordered(got), expected, "seed {seed}\n{text}");
    }
    assert!(alerts > 4_000, "the streams are too quiet: {alerts} alerts");
}
