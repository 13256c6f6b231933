//! Evaluates the correlations of a case: no suppression, events in the order of time.

use super::case::{Case, ExpectedAlert};
use super::evaluate::matched;
use super::permutations;
use sigmund_engine::correlation::{
    Alert, Correlations, EventRef, Limits, Policy, Sighting, Windows,
};
use sigmund_engine::oracle::{self, Lookup};
use sigmund_engine::{Event, Value};
use sigmund_sigma::{Collection, Rule};
use std::sync::Arc;

/// How the alerts differ from those expected.
pub(super) fn differences(
    case: &Case,
    collection: &Collection,
    events: &[Event],
    expected: &[ExpectedAlert],
) -> Vec<String> {
    let (set, sightings) = match sightings(case, collection, events) {
        Ok(found) => found,
        Err(error) => return vec![error],
    };
    let mut alerts = Vec::new();
    let mut windows = Windows::new(Arc::clone(&set), Policy::Every, Limits::default());
    sightings.iter().for_each(|sighting| windows.process(sighting, &mut alerts));
    windows.finish(i64::MIN, &mut alerts);
    let plain = oracle::correlation::alerts(&set, &sightings, i64::MIN, Policy::Every);
    let mut found: Vec<String> = compare("windows", expected, &set, &alerts).into_iter().collect();
    found.extend(compare("plain model", expected, &set, &plain));
    let orders = permutations::alerts(&set, &sightings);
    found
        .extend(orders.iter().filter_map(|(order, alerts)| compare(order, expected, &set, alerts)));
    found
}

/// What correlations see of the events.
pub(super) fn sightings(
    case: &Case,
    collection: &Collection,
    events: &[Event],
) -> Result<(Arc<Correlations>, Vec<Sighting>), String> {
    let rules: Vec<Arc<Rule>> = collection.rules.iter().cloned().map(Arc::new).collect();
    let (set, refused) = Correlations::compile(&collection.correlations, &rules, &|_| true);
    if let Some(refused) = refused.first() {
        return Err(format!("correlations do not compile: {}", refused.message));
    }
    let hits = matched(collection.rules.clone(), events)?;
    let mut sightings = Vec::new();
    for (at, (event, rules)) in events.iter().zip(&hits).enumerate() {
        let time = time(case, event).ok_or_else(|| format!("event {at} has no time"))?;
        let place = EventRef { source: 0, record: at as u64 };
        sightings.extend(set.sighting(rules, &Lookup::new(event), time, place));
    }
    sightings.sort();
    Ok((Arc::new(set), sightings))
}

fn time(case: &Case, event: &Event) -> Option<i64> {
    match event.object.get(case.time_field.as_deref()?)? {
        Value::Text(text) => {
            let time = text.parse::<jiff::Timestamp>().ok()?;
            i64::try_from(time.as_nanosecond()).ok()
        }
        _ => None,
    }
}

fn compare(
    by: &str,
    expected: &[ExpectedAlert],
    set: &Correlations,
    alerts: &[Alert],
) -> Option<String> {
    let mut got: Vec<ExpectedAlert> = alerts
        .iter()
        .map(|alert| {
            let rule = set.rules().nth(alert.correlation as usize).expect("an alert has a rule");
            let names = rule.group_by.iter().cloned();
            let mut group: Vec<(String, String)> =
                names.zip(alert.group.iter().map(|text| text.to_string())).collect();
            group.sort();
            let metadata = &rule.metadata;
            let name = metadata.name.clone().unwrap_or_else(|| metadata.title.clone());
            ExpectedAlert { rule: name, at: alert.trigger.record as usize, group }
        })
        .collect();
    got.sort();
    let mut expected = expected.to_vec();
    expected.sort();
    (got != expected).then(|| format!("{by}: expected {expected:?}, got {got:?}"))
}
