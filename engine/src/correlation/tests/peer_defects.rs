//! What another engine that correlates gets wrong (rsigma 0.26): one test for each of its defects.

use super::disorder::SECOND;
use super::generate::{base_rules, load};
use crate::correlation::{
    Alert, Correlations, Correlator, Emit, EventRef, Limits, Options, Output, Patience, Policy,
    Sighting,
};
use std::sync::Arc;
use std::time::{Duration, Instant};

fn set(correlation: &str) -> Arc<Correlations> {
    let text = base_rules() + "title: C\nname: c\ncorrelation:\n    rules: [r0]\n" + correlation;
    load(&text).0
}

fn counting(span: &str, condition: &str) -> Arc<Correlations> {
    set(&format!("    type: event_count\n    timespan: {span}\n    condition: {{{condition}}}\n"))
}

fn hit(record: u64, time: i64) -> Sighting {
    let event = EventRef { source: 0, record };
    Sighting { time, event, rules: [0].into(), values: [].into() }
}

fn correlator(set: &Arc<Correlations>, emit: Emit, max_lateness: i64) -> Correlator {
    let patience = Patience { max_lateness, ..Patience::default() };
    Correlator::new(Arc::clone(set), Policy::Every, Limits::default(), Options { patience, emit })
}

/// The times of the alerts of hits at these times, which come in this order.
fn alerts(set: &Arc<Correlations>, emit: Emit, times: &[i64]) -> Vec<i64> {
    let mut correlator = correlator(set, emit, 1_000_000 * SECOND);
    let mut out = Output::default();
    for (record, time) in (0u64..).zip(times) {
        correlator.process(hit(record, *time), &mut out);
    }
    correlator.finish(i64::MIN, &mut out);
    assert!(out.late.is_empty());
    out.alerts.iter().map(|alert| alert.time).collect()
}

const BOTH: [Emit; 2] = [Emit::Final, Emit::Early];

#[test]
fn events_out_of_order_give_no_false_alert() {
    for emit in BOTH {
        let three = counting("60s", "gte: 3");
        let seconds = |times: [i64; 3]| times.map(|time| time * SECOND);
        assert_eq!(alerts(&three, emit, &seconds([100, 150, 10])), [0; 0], "{emit:?}");
        assert_eq!(alerts(&three, emit, &seconds([100, 150, 95])), [150 * SECOND], "{emit:?}");
        let two = counting("1s", "gte: 2");
        assert_eq!(alerts(&two, emit, &[190 * SECOND, 10 * SECOND]), [0; 0], "{emit:?}");
        assert_eq!(alerts(&two, emit, &[11 * SECOND, 10 * SECOND]), [11 * SECOND], "{emit:?}");
    }
}

#[test]
fn a_future_stamp_does_not_empty_the_window() {
    let three = counting("60s", "gte: 3");
    for emit in BOTH {
        let times = [0, 10, 86_400, 20].map(|time| time * SECOND);
        assert_eq!(alerts(&three, emit, &times), [20 * SECOND], "{emit:?}");
        // The same in a log whose watermark moves, with and without a clock.
        for clock in [Some(5000 * SECOND), None] {
            let mut correlator = correlator(&three, emit, 5 * SECOND);
            let mut out = Output::default();
            clock.into_iter().for_each(|now| correlator.tick(now, &mut out));
            for time in 0..1000 {
                correlator.advance(0, time * SECOND, &mut out);
                if time % 300 == 0 {
                    correlator.process(hit(1, time * SECOND), &mut out);
                    correlator.process(hit(2, 86_400 * SECOND), &mut out);
                    correlator.process(hit(3, (time - 2) * SECOND), &mut out);
                    correlator.process(hit(4, (time - 1) * SECOND), &mut out);
                }
            }
            assert_eq!(correlator.watermark(), Some(994 * SECOND));
            assert_eq!(out.late, []);
            let times: Vec<i64> = out.alerts.iter().map(|alert| alert.time / SECOND).collect();
            assert_eq!(times, [0, 300, 600, 900], "{emit:?}, {clock:?}");
        }
    }
}

#[test]
fn fractions_of_seconds_count() {
    const TENTH: i64 = SECOND / 10;
    let two = counting("1s", "gte: 2");
    for emit in BOTH {
        assert_eq!(alerts(&two, emit, &[TENTH, 19 * TENTH]), [0; 0], "{emit:?}");
        assert_eq!(alerts(&two, emit, &[TENTH, 11 * TENTH]), [11 * TENTH], "{emit:?}");
        assert_eq!(alerts(&two, emit, &[TENTH, 11 * TENTH + 1]), [0; 0], "{emit:?}");
    }
}

#[test]
fn upper_bounds_are_decided_once_when_the_window_closes() {
    let times: Vec<i64> = (0..12).map(|time| time * SECOND).collect();
    for emit in BOTH {
        for (condition, hits, expected) in [
            ("lt: 10", 3, true),
            ("lt: 10", 12, false),
            ("lte: 3", 3, true),
            ("lte: 3", 4, false),
            ("eq: 5", 5, true),
            ("eq: 5", 12, false),
            ("gte: 2, lt: 4", 3, true),
            ("gte: 2, lt: 4", 1, false),
        ] {
            let set = counting("60s", condition);
            let got = alerts(&set, emit, &times[..hits]);
            let close = [60 * SECOND];
            assert_eq!(got, if expected { &close[..] } else { &[] }, "{condition} of {hits}");
            // Nothing at the hits.
            let mut correlator = correlator(&set, emit, SECOND);
            let mut out = Output::default();
            correlator.tick(1000 * SECOND, &mut out);
            for (record, time) in (0u64..).zip(&times[..hits]) {
                correlator.process(hit(record, *time), &mut out);
            }
            correlator.advance(0, 61 * SECOND, &mut out);
            assert_eq!(out.alerts, [], "{condition} of {hits}");
            correlator.advance(0, 61 * SECOND + 1, &mut out);
            assert_eq!(out.alerts.len(), usize::from(expected), "{condition} of {hits}");
        }
    }
}

/// How long so many hits with different values in one window take, the better of two times.
fn duration(set: &Arc<Correlations>, emit: Emit, hits: u64) -> Duration {
    let field = (0u32..).zip(set.fields()).find(|(_, name)| ***name == *"Value");
    let (field, _) = field.expect("the correlation reads it");
    let stream: Vec<Sighting> = (0..hits)
        .map(|record| {
            // Neighbours come in the wrong order.
            let time = (record ^ 3) as i64 * 1000;
            let values = [(field, (record * 7).to_string().into())].into();
            Sighting { values, ..hit(record, time) }
        })
        .collect();
    let run = || {
        let mut correlator = correlator(set, emit, SECOND);
        let mut out = Output::default();
        let start = Instant::now();
        for sighting in stream.clone() {
            correlator.process(sighting, &mut out);
        }
        correlator.finish(i64::MIN, &mut out);
        let alerts: &[Alert] = &out.alerts;
        assert_eq!(alerts.len(), 1, "the last hit makes it true");
        start.elapsed()
    };
    run().min(run())
}

#[test]
fn distinct_values_sums_and_percentiles_are_not_quadratic() {
    const FEW: u64 = 4000;
    const MANY: u64 = 16 * FEW;
    for kind in ["value_count", "value_sum", "value_avg", "value_percentile"] {
        let emits = if kind == "value_count" { &BOTH[..] } else { &BOTH[..1] };
        for emit in emits {
            let time = |hits: u64| {
                let last = (hits - 1) as i64 * 7;
                let least = match kind {
                    "value_count" => hits.to_string(),
                    "value_sum" => (last * hits as i64 / 2).to_string(),
                    // Half of the largest value, and the same for the median.
                    _ => format!("{}", last as f64 / 2.0),
                };
                let set = set(&format!(
                    "    type: {kind}\n    timespan: 1d\n    condition: {{field: Value, gte: {least}}}\n"
                ));
                duration(&set, *emit, hits)
            };
            // Linear would be 16 times as long, quadratic 256 times. A busy machine may need several looks.
            let ratio = || time(MANY).as_secs_f64() / time(FEW).as_secs_f64();
            let linear = (0..5).any(|_| ratio() < 80.0);
            assert!(linear, "{kind}, {emit:?}: more than 80 times as long five times");
        }
    }
}
