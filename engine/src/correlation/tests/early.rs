//! Early alerts: none false, every stretch of time in which the sorted input's condition is true told, and in time.

use super::disorder::{SECOND, arrive, reached};
use super::generate::{Arrival, Sets, arrivals, base_rules, sightings};
use super::{STREAMS, difference, ordered, policy, shown};
use crate::correlation::monotone::which;
use crate::correlation::{
    Alert, Correlations, Correlator, Emit, EventRef, Limits, Options, Output, Patience, Policy,
    Sighting, Windows,
};
use crate::oracle;
use std::collections::BTreeMap;
use std::sync::Arc;

/// An evaluation.
type Place = (u32, Vec<Box<str>>, i64, EventRef);

fn place(alert: &Alert) -> Place {
    (alert.correlation, alert.group.clone(), alert.time, alert.trigger)
}

fn places<'a>(alerts: impl IntoIterator<Item = &'a Alert>) -> Vec<Place> {
    let mut places: Vec<Place> = alerts.into_iter().map(place).collect();
    places.sort();
    places
}

/// The alerts of the sorted input in the order of evaluation.
fn sorted(set: &Arc<Correlations>, stream: &[Sighting], end: i64, policy: Policy) -> Vec<Alert> {
    let mut stream = stream.to_vec();
    stream.sort();
    let mut out = Vec::new();
    let mut windows = Windows::new(Arc::clone(set), policy, Limits::default());
    stream.iter().for_each(|sighting| windows.process(sighting, &mut out));
    windows.finish(end, &mut out);
    out
}

fn early(set: &Arc<Correlations>, policy: Policy, max_lateness: i64) -> Correlator {
    limited(set, policy, max_lateness, Limits::default())
}

fn limited(
    set: &Arc<Correlations>,
    policy: Policy,
    max_lateness: i64,
    limits: Limits,
) -> Correlator {
    let patience = Patience { max_lateness, idle_timeout: None, ..Patience::default() };
    let options = Options { patience, emit: Emit::Early };
    Correlator::new(Arc::clone(set), policy, limits, options)
}

/// Counts of a whole test.
#[derive(Debug, Default)]
struct Seen {
    alerts: usize,
    stretches: usize,
    /// Alerts of stretches that were told already.
    again: usize,
    /// Groups that were given up.
    given_up: u64,
}

/// What is wrong with the alerts of correlations that may alert early; nothing if all is well.
fn wrong(
    got: &[Alert],
    every: &[Alert],
    once: &[Alert],
    policy: Policy,
    seen: &mut Seen,
) -> Option<String> {
    let truths = places(every);
    let mut rest = truths.clone();
    for place in places(got) {
        match rest.binary_search(&place) {
            Ok(at) => {
                rest.remove(at);
            }
            Err(_) => return Some(format!("false, or told twice: {place:?}")),
        }
    }
    seen.alerts += got.len();
    match policy {
        Policy::Every => (!rest.is_empty()).then(|| format!("not told: {rest:?}")),
        Policy::Once => {
            // The evaluations of each stretch.
            let mut stretches: Vec<Vec<Place>> = Vec::new();
            let mut current: BTreeMap<(u32, Vec<Box<str>>), usize> = BTreeMap::new();
            for alert in every {
                let group = (alert.correlation, alert.group.clone());
                if once.iter().any(|first| first.id == alert.id) {
                    current.insert(group.clone(), stretches.len());
                    stretches.push(Vec::new());
                }
                stretches[current[&group]].push(place(alert));
            }
            seen.stretches += stretches.len();
            for stretch in &stretches {
                let told = got.iter().filter(|alert| stretch.contains(&place(alert))).count();
                if told == 0 {
                    return Some(format!("not told: {stretch:?}"));
                }
                seen.again += told - 1;
            }
            None
        }
        Policy::Quiet(quiet) => {
            let near =
                |a: &Place, b: &Place| (a.0, &a.1) == (b.0, &b.1) && (a.2 - b.2).abs() < quiet;
            let got = places(got);
            let alone = |truth: &&Place| !got.iter().any(|alert| near(truth, alert));
            if let Some(truth) = truths.iter().find(alone) {
                return Some(format!("not told: {truth:?}"));
            }
            let crowded = (1..got.len()).find(|at| near(&got[at - 1], &got[*at]));
            crowded.map(|at| format!("told too soon again: {:?} {:?}", got[at - 1], got[at]))
        }
    }
}

#[test]
fn early_alerts_are_true_and_leave_no_stretch_untold() {
    let mut seen = Seen::default();
    let mut shortest: Option<(usize, String)> = None;
    let mut sets = Sets::new(0xEA51);
    for seed in 0..STREAMS {
        let (text, set, mut dice) = sets.at(seed);
        let stream = sightings(&mut dice, &set);
        let policy = policy(&mut dice);
        let max_lateness = dice.below(4) as i64 * 2 * SECOND;
        let arrivals = arrivals(&mut dice, &stream, max_lateness);
        let clock = (dice.below(2) == 0).then_some(1000 * SECOND);
        let end = reached(&arrivals, dice.below(20) as i64 * SECOND);
        // Sometimes there is room for a group or two only: what is given up waits for the watermark.
        let early_bytes = if dice.below(8) == 0 { 2500 } else { 1 << 30 };
        let limits = Limits { early_bytes, ..Limits::default() };
        let mut correlator = limited(&set, policy, max_lateness, limits);
        let out = arrive(&mut correlator, &arrivals, clock, end);
        assert!(out.late.is_empty());
        seen.given_up += correlator.early().1;
        let may: Vec<bool> = which(&set).collect();
        let is_early = |alert: &Alert| may[alert.correlation as usize];
        let split = |alerts: Vec<Alert>| alerts.into_iter().partition(|alert| is_early(alert));
        let (got, waited): (Vec<Alert>, Vec<Alert>) = split(out.alerts);
        let (_, expected): (Vec<Alert>, Vec<Alert>) = split(sorted(&set, &stream, end, policy));
        let (every, _): (Vec<Alert>, Vec<Alert>) = split(sorted(&set, &stream, end, Policy::Every));
        let (once, _): (Vec<Alert>, Vec<Alert>) = split(sorted(&set, &stream, end, Policy::Once));
        let (waited, expected) = (ordered(waited), ordered(expected));
        let mut problem = wrong(&got, &every, &once, policy, &mut seen);
        if waited != expected {
            problem = Some(difference(&expected, &waited));
        }
        if let Some(problem) = problem
            && shortest.as_ref().is_none_or(|(length, _)| stream.len() < *length)
        {
            let rules = text.replace(&base_rules(), "");
            let arrivals: Vec<String> = arrivals.iter().map(|a| format!("{a:?}")).collect();
            let report = format!(
                "seed {seed}, {policy:?}, lateness {max_lateness}\n{rules}\n{}\n{}\n{problem}",
                shown(&set, &stream),
                arrivals.join("\n")
            );
            shortest = Some((stream.len(), report));
        }
    }
    if let Some((_, report)) = shortest {
        panic!("{report}");
    }
    assert!(seen.alerts > 10_000 && seen.stretches > 1000, "{seen:?}");
    assert!(seen.given_up > 100, "{seen:?}");
    // Stretches that were told apart until a hit between them came.
    assert!(seen.again * 20 < seen.stretches, "{seen:?}");
}

#[test]
fn early_alerts_go_out_at_once() {
    let mut alerts = 0;
    let mut sets = Sets::new(0xF457);
    for seed in 0..STREAMS / 20 {
        let (text, set, mut dice) = sets.at(seed);
        let stream = sightings(&mut dice, &set);
        // The watermark never moves.
        let arrivals = arrivals(&mut dice, &stream, 8 * SECOND);
        let may: Vec<bool> = which(&set).collect();
        let extended = |alert: &&Alert| {
            let rule = set.rules().nth(alert.correlation as usize);
            rule.is_some_and(|rule| rule.temporal_condition.is_some())
        };
        for policy in [Policy::Every, Policy::Once] {
            let mut correlator = early(&set, policy, 1000 * SECOND);
            let mut out = Output::default();
            let mut known = Vec::new();
            for arrival in &arrivals {
                let Arrival::Hit(sighting) = arrival else { continue };
                known.push(sighting.clone());
                correlator.process(sighting.clone(), &mut out);
                let mut truths = oracle::correlation::alerts(&set, &known, i64::MIN, Policy::Every);
                truths.retain(|alert| may[alert.correlation as usize]);
                if policy == Policy::Every {
                    // Of extended conditions only the first hits of each stretch go out at once.
                    let got = places(out.alerts.iter().filter(|alert| !extended(alert)));
                    let truths = places(truths.iter().filter(|alert| !extended(alert)));
                    assert_eq!(got, truths, "seed {seed}\n{text}");
                } else {
                    let group = |alert: &Alert| (alert.correlation, alert.group.clone());
                    let told =
                        |truth: &Alert| out.alerts.iter().any(|got| group(got) == group(truth));
                    assert!(truths.iter().all(told), "seed {seed}\n{text}");
                }
            }
            alerts += out.alerts.len();
        }
    }
    assert!(alerts > 1000, "{alerts}");
}

#[test]
fn in_order_early_alerts_are_the_final_ones() {
    let mut alerts = 0;
    let mut sets = Sets::new(0x0DE2);
    for seed in 0..STREAMS / 4 {
        let (text, set, mut dice) = sets.at(seed);
        let mut stream = sightings(&mut dice, &set);
        stream.sort();
        let policy = policy(&mut dice);
        let mut correlator = early(&set, policy, 5 * SECOND);
        let mut out = Output::default();
        correlator.tick(1000 * SECOND, &mut out);
        stream.iter().for_each(|sighting| correlator.process(sighting.clone(), &mut out));
        correlator.finish(0, &mut out);
        let expected = sorted(&set, &stream, 0, policy);
        assert_eq!(places(&out.alerts), places(&expected), "seed {seed}, {policy:?}\n{text}");
        for got in &out.alerts {
            // All but the id.
            let same = |alert: &Alert| Alert { id: got.id, ..alert.clone() } == *got;
            assert!(expected.iter().any(same), "seed {seed}: {got:?}\n{text}");
        }
        alerts += out.alerts.len();
    }
    assert!(alerts > 5000, "{alerts}");
}

#[test]
fn a_spray_of_groups_stays_inside_the_limit_and_loses_no_alert() {
    let text = base_rules()
        + "title: Three\nname: three\ncorrelation:\n    type: event_count\n    rules: [r0]\n    group-by: [User]\n    timespan: 60s\n    condition: {gte: 3}\n";
    let (set, _) = super::generate::load(&text);
    let limits = Limits { early_bytes: 100_000, ..Limits::default() };
    let mut correlator = limited(&set, Policy::Once, 60 * SECOND, limits);
    let mut out = Output::default();
    correlator.tick(1000 * SECOND, &mut out);
    for record in 0..30_000 {
        // Each user is there three times, far apart.
        let user = format!("user {}", record % 10_000);
        let event = EventRef { source: 0, record };
        let (rules, values) = ([0].into(), [(0, user.into())].into());
        let sighting = Sighting { time: record as i64 * 1_000_000, event, rules, values };
        correlator.process(sighting, &mut out);
        assert!(correlator.early().0 <= 100_000);
    }
    assert_eq!(out.alerts.len(), 0);
    assert!(correlator.early().1 > 20_000);
    correlator.finish(0, &mut out);
    assert_eq!(out.alerts.len(), 10_000);
}
