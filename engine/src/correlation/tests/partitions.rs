//! Several that are given only the sightings of their groups say together what one says that is given all.

use super::disorder::{SECOND, reached};
use super::generate::{Arrival, Dice, Sets, arrivals, base_rules, correlations, load, sightings};
use super::{difference, ordered, policy, shown, windows};
use crate::correlation::{
    Alert, Correlations, Correlator, Emit, EventRef, Holder, Holding, Limits, Options, Output,
    Patience, Policy, Sighting, SightingError, Windows,
};
use std::collections::BTreeSet;
use std::sync::Arc;

/// What each of so many is sent.
fn sent(set: &Correlations, sighting: &Sighting, count: u32) -> Vec<Option<Sighting>> {
    let mut out = Vec::new();
    set.partitions(sighting, count, &mut out);
    assert!(out.is_sorted_by(|a, b| a < b) && out.iter().all(|partition| *partition < count));
    (0..count)
        .map(|at| out.contains(&at).then(|| set.restrict(sighting, at, count)))
        .inspect(|part| {
            assert!(part.as_ref().is_none_or(|part| !part.rules.is_empty()));
        })
        .collect()
}

#[test]
fn windows_that_get_only_their_sightings_say_what_one_says() {
    let (mut alerts, mut unsent) = (0, 0);
    for seed in 0..2_000 {
        let mut dice = Dice::new(seed ^ 0x9A27);
        let text = correlations(&mut dice);
        let (set, _) = load(&text);
        let mut stream = sightings(&mut dice, &set);
        stream.sort();
        let policy = policy(&mut dice);
        let last = stream.last().map_or(0, |sighting| sighting.time);
        let end = last.max(dice.below(20) as i64 * SECOND);
        let expected = windows(&set, &stream, end, policy);
        let count = 1 + seed as u32 % 8;
        let mut got: Vec<Alert> = Vec::new();
        let mut all: Vec<Windows> = (0..count)
            .map(|at| Windows::sharing(Arc::clone(&set), policy, Limits::default(), (at, count)))
            .collect();
        for sighting in &stream {
            for (windows, part) in all.iter_mut().zip(sent(&set, sighting, count)) {
                match part {
                    Some(part) => windows.process(&part, &mut got),
                    None => unsent += 1,
                }
            }
        }
        all.iter_mut().for_each(|windows| windows.finish(end, &mut got));
        alerts += got.len();
        let got = ordered(got);
        assert!(
            got == expected,
            "seed {seed}, {count}\n{}\n{}\n{}",
            text.replace(&base_rules(), ""),
            shown(&set, &stream),
            difference(&expected, &got)
        );
    }
    assert!(alerts > 4_000 && unsent > 10_000, "{alerts} alerts, {unsent} not sent");
}

/// What its windows hold. Of what waits, and of the fields of last hits, others are given only what they need.
fn held(correlator: &Correlator) -> BTreeSet<Holding> {
    let mut all = correlator.holdings();
    all.retain(|held| matches!(held.holder, Holder::Window(_)));
    for held in &mut all {
        let (known, window) = held.text.split_once(';').unwrap();
        let known: Vec<&str> = known.split(' ').filter(|word| !word.contains('=')).collect();
        held.text = format!("{};{window}", known.join(" "));
    }
    all.into_iter().collect()
}

#[test]
fn correlators_that_get_only_their_sightings_say_what_one_says() {
    let (mut alerts, mut late) = (0, 0);
    let (mut windows, mut expected_windows) = (0, 0);
    let mut sets = Sets::new(0x9A28);
    for seed in 0..2_000 {
        let (text, set, mut dice) = sets.at(seed);
        let stream = sightings(&mut dice, &set);
        let policy = policy(&mut dice);
        let emit = if dice.below(2) == 0 { Emit::Final } else { Emit::Early };
        let max_lateness = dice.below(3) as i64 * 2 * SECOND;
        // Sometimes more disorder than is allowed.
        let arrivals = arrivals(&mut dice, &stream, max_lateness + seed as i64 % 2 * SECOND);
        let patience = Patience { max_lateness, ..Patience::default() };
        let options = Options { patience, emit };
        let run = |share: Option<(u32, u32)>| {
            let limits = Limits::default();
            let mut correlator = match share {
                Some(share) => {
                    Correlator::sharing(Arc::clone(&set), policy, limits, options, share)
                }
                None => Correlator::new(Arc::clone(&set), policy, limits, options),
            };
            let mut out = Output::default();
            correlator.register(0);
            correlator.tick(1000 * SECOND, &mut out);
            for arrival in &arrivals {
                match (arrival, share) {
                    (Arrival::Hit(sighting), Some((at, count))) => {
                        match sent(&set, sighting, count).swap_remove(at as usize) {
                            Some(part) => correlator.process(part, &mut out),
                            None => {
                                correlator.advance(sighting.event.source, sighting.time, &mut out)
                            }
                        }
                    }
                    (Arrival::Hit(sighting), None) => {
                        correlator.process(sighting.clone(), &mut out);
                    }
                    (Arrival::Event(source, time), _) => {
                        correlator.advance(*source, *time, &mut out);
                    }
                    (Arrival::End(source), _) => correlator.finish_source(*source, &mut out),
                }
            }
            let held = held(&correlator);
            correlator.finish(reached(&arrivals, 0), &mut out);
            (out, held)
        };
        let (one, expected_held) = run(None);
        let count = 1 + (seed / 4) as u32 % 8;
        let mut all = Output::default();
        let mut all_held = BTreeSet::new();
        for at in 0..count {
            let (part, held) = run(Some((at, count)));
            all.alerts.extend(part.alerts);
            all.late.extend(part.late);
            windows += held.len();
            all_held.extend(held);
        }
        assert_eq!(
            all_held,
            expected_held,
            "seed {seed}, {count}, {emit:?}, {policy:?}\n{}\n{}",
            text.replace(&base_rules(), ""),
            shown(&set, &stream)
        );
        expected_windows += all_held.len();
        alerts += one.alerts.len();
        late += one.late.len();
        let (expected, got) = (ordered(one.alerts), ordered(all.alerts));
        assert!(
            got == expected,
            "seed {seed}, {count}, {emit:?}, {policy:?}\n{}\n{}\n{}",
            text.replace(&base_rules(), ""),
            shown(&set, &stream),
            difference(&expected, &got)
        );
        // What is in no group is late nowhere.
        let mut events: Vec<EventRef> = all.late.iter().map(|late| late.sighting.event).collect();
        events.sort_unstable();
        events.dedup();
        let mut out = Vec::new();
        let mut expected: Vec<EventRef> = one
            .late
            .iter()
            .filter(|late| {
                set.partitions(&late.sighting, 1, &mut out);
                !out.is_empty()
            })
            .map(|late| late.sighting.event)
            .collect();
        expected.sort_unstable();
        assert_eq!(events, expected, "seed {seed}");
    }
    assert!(alerts > 4_000 && late > 100, "{alerts} alerts, {late} late");
    // Nobody holds what is another one's.
    assert!(windows == expected_windows && windows > 2_000, "{windows} {expected_windows}");
}

#[test]
fn a_chain_that_changes_starts_clean_and_the_rest_goes_on() {
    let inner = "title: Inner\nname: inner\ncorrelation:\n    type: event_count\n    rules: [r0]\n    group-by: [User]\n    timespan: 1m\n    condition: {gte: 3}\n";
    let lone = "title: Lone\nname: lone\ncorrelation:\n    type: event_count\n    rules: [r0]\n    group-by: [User]\n    timespan: 1m\n    condition: {gte: 4}\n";
    let outer = "title: Outer\nname: outer\ncorrelation:\n    type: event_count\n    rules: [inner]\n    group-by: [User]\n    timespan: 1m\n    condition: {gte: 2}\n    generate: true\n";
    let (old, _) = load(&[&base_rules(), inner, "---\n", lone].concat());
    let (new, _) = load(&[&base_rules(), inner, "---\n", lone, "---\n", outer].concat());
    let (limits, policy) = (Limits::default(), Policy::Every);
    let hit = |set: &Correlations, record: u64, user: &str| {
        let user_field = set.fields().iter().position(|name| **name == *"User").unwrap() as u32;
        Sighting {
            time: record as i64 * SECOND,
            event: EventRef { source: 0, record },
            rules: [0].into(),
            values: [(user_field, user.into())].into(),
        }
    };
    for count in [2, 5] {
        let (mut kept, mut dropped) = (0, 0);
        let mut alone = Windows::new(Arc::clone(&old), policy, limits);
        let mut titles = Vec::new();
        for at in 0..count {
            let mut windows = Windows::sharing(Arc::clone(&old), policy, limits, (at, count));
            windows.follow_changes();
            let mut out = Vec::new();
            for record in 0..40 {
                windows.process(&hit(&old, record, &format!("u{}", record % 20)), &mut out);
            }
            let mut restored = windows.reload(Arc::clone(&new), policy);
            kept += restored.kept;
            dropped += restored.dropped;
            assert!(
                windows.changed().iter().filter(|(_, value)| value.is_none()).count() > 0
                    || restored.dropped == 0
            );
            restored = windows.reload(Arc::clone(&new), policy);
            assert_eq!(restored.dropped, 0, "the same rules");
            for record in 40..60 {
                windows.process(&hit(&new, record, &format!("u{}", record % 20)), &mut out);
            }
            for record in 60..80 {
                windows.process(&hit(&new, record, &format!("u{}", record % 20)), &mut out);
            }
            titles.extend(out.iter().map(|alert| {
                new.rules().nth(alert.correlation as usize).unwrap().metadata.title.clone()
            }));
        }
        assert_eq!((kept, dropped), (20, 20));
        // The third hit of each user is the first that the inner one knows of; the fourth of each is the lone one's alert.
        assert_eq!(titles.iter().filter(|title| *title == "Lone").count(), 20);
        assert_eq!(titles.iter().filter(|title| *title == "Inner").count(), 0);
        // Where nothing is shared nothing has moved.
        let mut out = Vec::new();
        for record in 0..40 {
            alone.process(&hit(&old, record, &format!("u{}", record % 20)), &mut out);
        }
        assert_eq!(alone.reload(Arc::clone(&new), policy).dropped, 0);
    }
}

#[test]
fn sightings_go_to_other_rule_sets() {
    const MORE: &str = "title: More\nname: more\nlogsource:\n    category: test\ndetection:\n    s:\n        f: w\n    condition: s\n---\ntitle: Other\ncorrelation:\n    type: value_count\n    rules: [more]\n    group-by: [Zone, Value, User]\n    timespan: 1s\n    condition: {field: Host, gte: 1}\n---\n";
    let mut read = 0;
    for seed in 0..500 {
        let mut dice = Dice::new(seed);
        let text = correlations(&mut dice);
        let (set, _) = load(&text);
        let (other, _) = load(&format!("{MORE}{text}"));
        let stream = sightings(&mut dice, &set);
        let mut bytes = Vec::new();
        stream.iter().for_each(|sighting| set.write_sighting(sighting, &mut bytes));
        let mut here = &bytes[..];
        let mut there = &bytes[..];
        for sighting in &stream {
            let wanted = |sighting: &Sighting, set: &Correlations| {
                let values = sighting.values.iter().filter(|(field, _)| {
                    sighting.rules.iter().any(|rule| set.wanted(*rule).contains(field))
                });
                Sighting { values: values.cloned().collect(), ..sighting.clone() }
            };
            let back = set.read_sighting(&mut here).unwrap();
            assert_eq!(back, Some(wanted(sighting, &set)));
            let moved = other.read_sighting(&mut there).unwrap().unwrap();
            assert!(
                moved.rules.iter().eq(sighting
                    .rules
                    .iter()
                    .map(|rule| rule + 1)
                    .collect::<Vec<_>>()
                    .iter())
            );
            let named = |sighting: &Sighting, set: &Correlations| {
                let mut named: Vec<(Box<str>, Box<str>)> = sighting
                    .values
                    .iter()
                    .map(|(field, text)| (set.fields()[*field as usize].clone(), text.clone()))
                    .collect();
                named.sort();
                named
            };
            assert_eq!(named(&moved, &other), named(&wanted(sighting, &set), &set));
            assert_eq!((moved.time, moved.event), (sighting.time, sighting.event));
            read += 1;
        }
        assert!(here.is_empty() && there.is_empty());
        // To rules of which none is the same.
        let (strange, _) = load(&text.replace("f: v", "f: strange"));
        let mut all = &bytes[..];
        for _ in &stream {
            assert_eq!(strange.read_sighting(&mut all), Ok(None));
        }
        for at in 0..bytes.len().min(200) {
            let mut cut = &bytes[..at];
            while set.read_sighting(&mut cut).is_ok() {}
            let mut broken = bytes.clone();
            broken[at] ^= 1 << dice.below(8);
            let mut broken = &broken[..];
            while let Ok(sighting) = set.read_sighting(&mut broken) {
                let Some(sighting) = sighting else { continue };
                assert!(sighting.rules.is_sorted_by(|a, b| a < b));
                assert!(sighting.values.is_sorted_by(|(a, _), (b, _)| a < b));
            }
        }
    }
    assert!(read > 2_000, "{read}");
    let (set, _) = load(
        &(base_rules()
            + "title: C\ncorrelation:\n    type: event_count\n    rules: [r0]\n    group-by: [User]\n    timespan: 1m\n    condition: {gte: 3}\n"),
    );
    assert_eq!(set.read_sighting(&mut &[9, 1, 1][..]), Err(SightingError::Version(9)));
    let error = set.read_sighting(&mut &[1][..]).unwrap_err().to_string();
    assert!(error.contains("it ends too early; see that nothing else writes"), "{error}");
}
