//! Any order within the lateness bound gives the alerts of the sorted input.

use super::generate::{Arrival, Sets, arrivals, base_rules, load, sightings};
use super::{STREAMS, difference, ordered, policy, shown};
use crate::correlation::{
    Correlations, Correlator, EventRef, Lateness, Limits, Options, Output, Patience, Policy,
    Reason, Sighting,
};
use crate::oracle;
use std::sync::Arc;

pub(super) const SECOND: i64 = 1_000_000_000;

/// Until when an input reaches.
pub(super) fn reached(arrivals: &[Arrival], end: i64) -> i64 {
    let times = arrivals.iter().filter_map(|arrival| match arrival {
        Arrival::Hit(sighting) => Some(sighting.time),
        Arrival::Event(_, time) => Some(*time),
        Arrival::End(_) => None,
    });
    times.fold(end, i64::max)
}

/// Lets a stream arrive; the correlator at its end.
pub(super) fn arrive(
    correlator: &mut Correlator,
    arrivals: &[Arrival],
    clock: Option<i64>,
    end: i64,
) -> Output {
    let mut out = Output::default();
    correlator.register(0);
    correlator.register(1);
    clock.into_iter().for_each(|now| correlator.tick(now, &mut out));
    for arrival in arrivals {
        match arrival {
            Arrival::Hit(sighting) => correlator.process(sighting.clone(), &mut out),
            Arrival::Event(source, time) => correlator.advance(*source, *time, &mut out),
            Arrival::End(source) => correlator.finish_source(*source, &mut out),
        }
    }
    correlator.finish(end, &mut out);
    assert_eq!(correlator.pending(), (0, 0));
    assert!(correlator.is_settled());
    out
}

#[test]
fn final_alerts_are_those_of_the_sorted_input() {
    let mut alerts = 0;
    let mut shortest: Option<(usize, String)> = None;
    let mut sets = Sets::new(0x5EED);
    for seed in 0..STREAMS {
        let (text, set, mut dice) = sets.at(seed);
        let stream = sightings(&mut dice, &set);
        let policy = policy(&mut dice);
        let max_lateness = dice.below(4) as i64 * 2 * SECOND;
        let arrivals = arrivals(&mut dice, &stream, max_lateness);
        // With a clock all stamps are credible; without one some are doubted for a while.
        let clock = (dice.below(2) == 0).then_some(1000 * SECOND);
        let max_future = 1 + dice.below(100) as i64 * SECOND;
        let patience = Patience { max_lateness, idle_timeout: None, max_future };
        let options = Options { patience, ..Options::default() };
        let end = reached(&arrivals, dice.below(20) as i64 * SECOND);
        let expected = oracle::correlation::alerts(&set, &stream, end, policy);
        let mut correlator = Correlator::new(Arc::clone(&set), policy, Limits::default(), options);
        let out = arrive(&mut correlator, &arrivals, clock, end);
        assert!(out.late.is_empty(), "seed {seed}: {:?}", out.late);
        alerts += out.alerts.len();
        let got = ordered(out.alerts);
        if got != expected && shortest.as_ref().is_none_or(|(length, _)| stream.len() < *length) {
            let difference = difference(&expected, &got);
            let rules = text.replace(&base_rules(), "");
            let stream_text = shown(&set, &stream);
            let report = format!(
                "seed {seed}, {policy:?}, {options:?}\n{rules}\n{stream_text}\n{difference}"
            );
            shortest = Some((stream.len(), report));
        }
    }
    if let Some((_, report)) = shortest {
        panic!("{report}");
    }
    assert!(alerts > 20_000, "the streams are too quiet: {alerts} alerts");
}

#[test]
fn what_is_late_is_handed_back_and_the_rest_is_exact() {
    let (mut late, mut decided) = (0, 0);
    let mut sets = Sets::new(0x1A7E);
    for seed in 0..STREAMS / 4 {
        let (_, set, mut dice) = sets.at(seed);
        let stream = sightings(&mut dice, &set);
        // More disorder than is allowed.
        let arrivals = arrivals(&mut dice, &stream, 6 * SECOND);
        let end = reached(&arrivals, 0);
        let patience = Patience { max_lateness: SECOND, ..Patience::default() };
        let options = Options { patience, ..Options::default() };
        let mut correlator =
            Correlator::new(Arc::clone(&set), Policy::Every, Limits::default(), options);
        let out = arrive(&mut correlator, &arrivals, Some(1000 * SECOND), end);
        let behind = |late: &&crate::correlation::Late| matches!(late.lateness, Lateness::Behind(by) if by > 0);
        assert!(out.late.iter().all(|late| behind(&late)));
        for (source, count) in correlator.late() {
            let of_source = |late: &&crate::correlation::Late| late.sighting.event.source == source;
            assert_eq!(out.late.iter().filter(of_source).count() as u64, count);
        }
        let is_late = |event: EventRef| out.late.iter().any(|late| late.sighting.event == event);
        let rest: Vec<Sighting> =
            stream.iter().filter(|sighting| !is_late(sighting.event)).cloned().collect();
        let expected = oracle::correlation::alerts(&set, &rest, end, Policy::Every);
        late += out.late.len();
        decided += rest.len();
        let got = ordered(out.alerts);
        assert!(got == expected, "seed {seed}\n{}", difference(&expected, &got));
    }
    assert!(late > 1000 && decided > 1000, "{late} late, {decided} not");
}

pub(super) fn three() -> Arc<Correlations> {
    let text = base_rules()
        + "title: Three\nname: three\ncorrelation:\n    type: event_count\n    rules: [r0]\n    group-by: []\n    timespan: 60s\n    condition: {gte: 3}\n";
    load(&text).0
}

pub(super) fn hit(source: u32, record: u64, time: i64) -> Sighting {
    Sighting { time, event: EventRef { source, record }, rules: [0].into(), values: [].into() }
}

fn correlator(set: &Arc<Correlations>, patience: Patience, limits: Limits) -> Correlator {
    let options = Options { patience, ..Options::default() };
    Correlator::new(Arc::clone(set), Policy::Every, limits, options)
}

#[test]
fn an_alert_goes_out_when_the_watermark_has_passed_it() {
    let patience = Patience { max_lateness: 10 * SECOND, ..Patience::default() };
    let mut correlator = correlator(&three(), patience, Limits::default());
    let mut out = Output::default();
    correlator.tick(1000 * SECOND, &mut out);
    correlator.register(1);
    for (record, time) in [20, 12, 15].into_iter().enumerate() {
        correlator.process(hit(0, record as u64, time * SECOND), &mut out);
    }
    assert_eq!(correlator.watermark(), None);
    // The other source has said nothing yet.
    correlator.advance(0, 200 * SECOND, &mut out);
    assert_eq!((correlator.watermark(), correlator.pending().0), (None, 3));
    correlator.advance(1, 30 * SECOND, &mut out);
    assert_eq!((correlator.watermark(), out.alerts.len()), (Some(20 * SECOND), 0));
    correlator.advance(1, 30 * SECOND + 1, &mut out);
    assert_eq!(out.alerts.len(), 1);
    assert_eq!((out.alerts[0].time, out.alerts[0].trigger.record), (20 * SECOND, 0));
}

#[test]
fn what_waits_is_bounded_and_an_alert_says_so() {
    let size = hit(0, 0, 0).bytes();
    let limits = Limits { pending_bytes: 10 * size, ..Limits::default() };
    let patience = Patience { max_lateness: 1000 * SECOND, ..Patience::default() };
    let mut correlator = correlator(&three(), patience, limits);
    let mut out = Output::default();
    // Far ahead, and as many as fit.
    for record in 0..5 {
        correlator.process(hit(1, record, i64::MAX - 5), &mut out);
    }
    for record in 0..100 {
        correlator.process(hit(0, record, record as i64 * SECOND), &mut out);
        assert!(correlator.pending().1 <= 10 * size);
    }
    assert_eq!(correlator.forced(), 100 - 5);
    assert_eq!(correlator.watermark(), Some(94 * SECOND));
    let forced = |out: &Output| -> Vec<u64> {
        let reasons = out.alerts.iter().map(|alert| alert.reason);
        reasons
            .filter_map(|reason| match reason {
                Reason::WatermarkForced { hits } => Some(hits),
                _ => None,
            })
            .collect()
    };
    assert_eq!(forced(&out), [1]);
    // What is older is late now.
    correlator.process(hit(0, 200, 50 * SECOND), &mut out);
    assert_eq!(out.late.len(), 1);
    assert_eq!(out.late[0].lateness, Lateness::Behind(44 * SECOND));
    correlator.finish(0, &mut out);
    assert_eq!(forced(&out), [1, 94]);
    assert_eq!(correlator.late().collect::<Vec<_>>(), [(0, 1)]);
}

#[test]
fn far_ahead_hits_do_not_push_the_watermark_there() {
    let size = hit(0, 0, 0).bytes();
    let limits = Limits { pending_bytes: 10 * size, ..Limits::default() };
    let mut correlator = correlator(&three(), Patience::default(), limits);
    let mut out = Output::default();
    correlator.tick(100 * SECOND, &mut out);
    for record in 0..50 {
        correlator.process(hit(0, record, i64::MAX - 5), &mut out);
    }
    assert_eq!(out.late.len(), 40);
    assert!(out.late.iter().all(|late| late.lateness == Lateness::Ahead));
    assert_eq!(correlator.watermark(), None);
    assert_eq!(correlator.future(), [(0, 50)]);
}
