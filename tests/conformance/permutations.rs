//! The sightings of a case in other orders: within the lateness bound the alerts are the same.

use sigmund_engine::correlation::{
    Alert, Correlations, Correlator, Emit, Limits, Options, Output, Patience, Policy, Sighting,
};
use std::sync::Arc;

/// How often each case is shuffled.
const SHUFFLES: u64 = 6;

/// The alerts of each of a few orders, for both ways to emit, with what they are called.
pub(super) fn alerts(set: &Arc<Correlations>, sorted: &[Sighting]) -> Vec<(String, Vec<Alert>)> {
    let whole = match (sorted.first(), sorted.last()) {
        (Some(first), Some(last)) => last.time - first.time,
        _ => 0,
    };
    let mut found = Vec::new();
    for emit in [Emit::Final, Emit::Early] {
        for seed in 0..SHUFFLES {
            // Down to none at all: then the order is that of the times.
            let lateness = (whole >> (8 * seed / SHUFFLES)) * i64::from(seed + 1 < SHUFFLES);
            let name = format!("{emit:?}, shuffled within {lateness} ns ({seed})");
            found.push((name, shuffled(set, sorted, lateness, seed, emit)));
        }
    }
    found
}

fn shuffled(
    set: &Arc<Correlations>,
    sorted: &[Sighting],
    max_lateness: i64,
    seed: u64,
    emit: Emit,
) -> Vec<Alert> {
    let mut arrivals: Vec<(i64, u64, &Sighting)> = sorted
        .iter()
        .zip(0u64..)
        .map(|(sighting, number)| {
            let chance = mixed(seed << 32 | number);
            let delay = (chance % (max_lateness.unsigned_abs() + 1)).cast_signed();
            (sighting.time + delay, mixed(chance), sighting)
        })
        .collect();
    arrivals.sort_by_key(|(at, chance, _)| (*at, *chance));
    let patience = Patience { max_lateness, ..Patience::default() };
    let options = Options { patience, emit };
    let mut correlator =
        Correlator::new(Arc::clone(set), Policy::Every, Limits::default(), options);
    let mut out = Output::default();
    // Whatever stamp is credible, so that the watermark moves from the first sighting on.
    correlator.tick(sorted.last().map_or(0, |last| last.time), &mut out);
    for (.., sighting) in arrivals {
        correlator.process(sighting.clone(), &mut out);
    }
    correlator.finish(i64::MIN, &mut out);
    assert!(out.late.is_empty(), "late within the bound: {:?}", out.late);
    out.alerts
}

/// SplitMix64.
fn mixed(number: u64) -> u64 {
    let mut x = number.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}
