//! Windows that are saved and restored while they work, or get other rules.

use super::generate::{Dice, base_rules, correlations, load, sightings};
use super::policy;
use crate::correlation::{
    Alert, Correlations, EventRef, Limits, Policy, Restored, Sighting, StateEntry, StateError,
    StateKey, Windows,
};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Streams in each property test.
const STREAMS: u64 = 1_500;

const SECOND: i64 = 1_000_000_000;

/// What happens in a stream: sightings, and between them time that passes.
enum Step {
    Sighting(Sighting),
    Until(i64),
}

struct Stream {
    seed: u64,
    rules: String,
    set: Arc<Correlations>,
    policy: Policy,
    steps: Vec<Step>,
    end: i64,
}

impl Stream {
    fn new(seed: u64) -> Self {
        let mut dice = Dice::new(seed ^ 0x5747_4154);
        let rules = correlations(&mut dice);
        let (set, _) = load(&rules);
        let mut sorted = sightings(&mut dice, &set);
        sorted.sort();
        let policy = policy(&mut dice);
        let mut steps = Vec::new();
        for sighting in sorted {
            if dice.below(4) == 0 {
                steps.push(Step::Until(sighting.time - dice.below(2) as i64));
            }
            steps.push(Step::Sighting(sighting));
        }
        Self { seed, rules, set, policy, steps, end: dice.below(20) as i64 * SECOND }
    }

    /// All alerts, with something done to the windows after each step.
    fn alerts(&self, mut after: impl FnMut(&mut Windows)) -> Vec<Alert> {
        let mut windows = Windows::new(Arc::clone(&self.set), self.policy, Limits::default());
        let mut out = Vec::new();
        after(&mut windows);
        for step in &self.steps {
            match step {
                Step::Sighting(sighting) => windows.process(sighting, &mut out),
                Step::Until(time) => windows.decide_before(*time, &mut out),
            }
            after(&mut windows);
        }
        windows.finish(self.end, &mut out);
        after(&mut windows);
        let usage = &windows.usage().total;
        assert_eq!((usage.groups, usage.hits, usage.bytes), (0, 0, 0), "seed {}", self.seed);
        out
    }
}

fn whole(windows: &Windows, stream: &Stream) -> Windows {
    let bytes = windows.snapshot();
    let set = Arc::clone(&stream.set);
    let (restored, told) =
        Windows::from_snapshot(set, stream.policy, Limits::default(), &bytes).unwrap();
    let groups = windows.usage().total.groups as u64;
    assert_eq!(told, Restored { kept: groups, dropped: 0 });
    assert_eq!(restored.snapshot(), bytes, "seed {}\n{}", stream.seed, stream.rules);
    restored
}

#[test]
fn restored_at_every_event_the_alerts_are_the_same() {
    let mut alerts = 0;
    for stream in (0..STREAMS).map(Stream::new) {
        let expected = stream.alerts(|_| {});
        let got = stream.alerts(|windows| *windows = whole(windows, &stream));
        assert_eq!(got, expected, "seed {}\n{}", stream.seed, stream.rules);
        alerts += got.len();
    }
    assert!(alerts > 3_000, "the streams are too quiet: {alerts} alerts");
}

#[test]
fn a_changelog_holds_the_state() {
    let mut changes = 0;
    for stream in (0..STREAMS).map(Stream::new) {
        let expected = stream.alerts(|_| {});
        let mut log: BTreeMap<StateKey, Vec<u8>> = BTreeMap::new();
        let mut dice = Dice::new(stream.seed);
        let mut begun = false;
        let got = stream.alerts(|windows| {
            if !std::mem::replace(&mut begun, true) {
                windows.follow_changes();
                log = windows.entries().into_iter().collect();
            }
            for (key, value) in windows.changed() {
                changes += 1;
                match value {
                    Some(value) => log.insert(key, value),
                    None => log.remove(&key),
                };
            }
            let mut entries: Vec<StateEntry> = log.clone().into_iter().collect();
            assert_eq!(entries, windows.entries(), "seed {}\n{}", stream.seed, stream.rules);
            assert_eq!(windows.changed(), []);
            if dice.below(2) == 0 {
                entries.reverse();
                let set = Arc::clone(&stream.set);
                (*windows, _) =
                    Windows::restore(set, stream.policy, Limits::default(), entries).unwrap();
                windows.follow_changes();
            }
        });
        assert_eq!(got, expected, "seed {}\n{}", stream.seed, stream.rules);
    }
    assert!(changes > 30_000, "{changes}");
}

/// The same sighting for another set, in which there are `shift` more rules before.
fn renumbered(sighting: &Sighting, from: &Correlations, to: &Correlations, shift: u32) -> Sighting {
    let field = |old: u32| {
        let name = &from.fields()[old as usize];
        to.fields().iter().position(|have| have == name).map(|at| at as u32)
    };
    let mut values: Vec<(u32, Box<str>)> = sighting
        .values
        .iter()
        .filter_map(|(old, text)| Some((field(*old)?, text.clone())))
        .collect();
    values.sort_unstable();
    Sighting {
        rules: sighting.rules.iter().map(|rule| rule + shift).collect(),
        values: values.into(),
        ..sighting.clone()
    }
}

/// What stays the same when correlations have other numbers.
fn unnumbered(set: &Correlations, alert: Alert) -> (String, Alert) {
    let title = set.rules().nth(alert.correlation as usize).unwrap().metadata.title.clone();
    (title, Alert { correlation: 0, ..alert })
}

#[test]
fn unchanged_rules_keep_their_windows_whatever_else_changes() {
    const MORE: &str = "title: More\nname: more\nlogsource:\n    category: test\ndetection:\n    s:\n        f: w\n    condition: s\n---\ntitle: Other\ncorrelation:\n    type: value_count\n    rules: [more]\n    group-by: [Zone, Value, User]\n    timespan: 1s\n    condition: {field: Host, gte: 1}\n---\n";
    for stream in (0..STREAMS).map(Stream::new) {
        let (other, _) = load(&format!("{MORE}{}", stream.rules));
        let sets = [&stream.set, &other];
        let limits = Limits::default();
        let mut windows = Windows::new(Arc::clone(sets[0]), stream.policy, limits);
        windows.follow_changes();
        let mut log: BTreeMap<StateKey, Vec<u8>> = windows.entries().into_iter().collect();
        let mut got = Vec::new();
        let mut now = 0;
        for step in &stream.steps {
            let mut out = Vec::new();
            match step {
                Step::Sighting(sighting) if now == 1 => {
                    windows.process(&renumbered(sighting, sets[0], sets[1], 1), &mut out);
                }
                Step::Sighting(sighting) => windows.process(sighting, &mut out),
                Step::Until(time) => windows.decide_before(*time, &mut out),
            }
            got.extend(out.into_iter().map(|alert| unnumbered(sets[now], alert)));
            now = 1 - now;
            let groups = windows.usage().total.groups as u64;
            let told = windows.reload(Arc::clone(sets[now]), stream.policy);
            assert_eq!(told, Restored { kept: groups, dropped: 0 });
            for (key, value) in windows.changed() {
                match value {
                    Some(value) => log.insert(key, value),
                    None => log.remove(&key),
                };
            }
            assert!(log.keys().eq(windows.entries().iter().map(|(key, _)| key)));
            let entries = log.clone();
            let set = Arc::clone(sets[now]);
            let (restored, _) = Windows::restore(set, stream.policy, limits, entries).unwrap();
            assert_eq!(restored.snapshot(), windows.snapshot());
        }
        let mut out = Vec::new();
        windows.finish(stream.end, &mut out);
        got.extend(out.into_iter().map(|alert| unnumbered(sets[now], alert)));
        let expected = stream.alerts(|_| {});
        let expected: Vec<_> =
            expected.into_iter().map(|alert| unnumbered(sets[0], alert)).collect();
        assert_eq!(got, expected, "seed {}\n{}", stream.seed, stream.rules);
    }
}

/// One correlation of hits of `r0` by user.
fn counting(title: &str, condition: &str) -> String {
    format!(
        "{}title: {title}\ncorrelation:\n    type: event_count\n    rules: [r0]\n    group-by: [User]\n    timespan: 1m\n    condition: {{{condition}}}\n",
        base_rules()
    )
}

fn hit(seconds: i64, user: &str) -> Sighting {
    let event = EventRef { source: 0, record: seconds as u64 };
    Sighting { time: seconds * SECOND, event, rules: [0].into(), values: [(0, user.into())].into() }
}

#[test]
fn a_changed_rule_starts_clean() {
    let (old, _) = load(&counting("Count", "gte: 3"));
    let (described, _) = load(&counting("Count\ndescription: what it means", "gte: 3"));
    let (changed, _) = load(&counting("Count", "gte: 4"));
    let limits = Limits::default();
    let mut windows = Windows::new(old, Policy::Every, limits);
    let mut out = Vec::new();
    [hit(1, "a"), hit(2, "a"), hit(3, "b")].iter().for_each(|hit| windows.process(hit, &mut out));
    windows.follow_changes();
    let snapshot = windows.snapshot();
    let restore = |set: &Arc<Correlations>| {
        Windows::from_snapshot(Arc::clone(set), Policy::Every, limits, &snapshot).unwrap()
    };
    for (mut windows, told) in [(restore(&described)), {
        let told = windows.reload(Arc::clone(&described), Policy::Every);
        (windows, told)
    }] {
        assert_eq!(told, Restored { kept: 2, dropped: 0 });
        windows.process(&hit(4, "a"), &mut out);
        assert_eq!(out.len(), 1, "its third hit");
        out.clear();
        let told = windows.reload(Arc::clone(&changed), Policy::Every);
        assert_eq!(told, Restored { kept: 0, dropped: 2 });
        assert_eq!(windows.usage().total.groups, 0);
        windows.process(&hit(5, "a"), &mut out);
        assert_eq!(out, [], "it knows of one hit only");
        windows.process(&hit(6, "a"), &mut out);
        windows.process(&hit(7, "a"), &mut out);
        assert_eq!(out, []);
        windows.process(&hit(8, "a"), &mut out);
        assert_eq!(out.len(), 1);
        out.clear();
    }
    assert_eq!(restore(&changed).1, Restored { kept: 0, dropped: 2 });
    let (windows, _) = restore(&changed);
    let (kept, _) = restore(&described);
    let keys = kept.entries();
    let known: Vec<bool> = keys.iter().map(|(key, _)| windows.knows(key)).collect();
    assert_eq!(known, [true, false, false]);
    assert_eq!(keys[1].0.group(), Some(vec!["a".into()]));
}

#[test]
fn the_meaning_is_what_is_computed() {
    let rule = |lines: &str, base: &str| {
        let text = format!(
            "{base}title: C\ncorrelation:\n    type: value_count\n    rules: [r0, r1]\n    group-by: [User]\n    timespan: 1m\n    condition: {{field: What, gte: 3}}\n{lines}"
        );
        *load(&text).0.hash(0)
    };
    let aliased = |field: &str| {
        let lines =
            format!("    aliases:\n        What:\n            r0: {field}\n            r1: B\n");
        rule(&lines, &base_rules())
    };
    assert_eq!(aliased("A"), aliased("A"));
    assert_ne!(aliased("A"), aliased("C"), "the value comes from another field");
    assert_ne!(aliased("What"), rule("", &base_rules()));
    assert_eq!(rule("level: high\n", &base_rules()), rule("", &base_rules()));
    let other = base_rules().replace("f: v1", "f: other");
    assert_ne!(
        rule("", &other),
        rule("", &base_rules()),
        "a rule that it counts means something else"
    );
    let unused = base_rules().replace("f: v3", "f: other");
    assert_eq!(rule("", &unused), rule("", &base_rules()));
}

#[test]
fn a_dropped_rule_leaves_tombstones() {
    let (old, _) = load(&counting("Count", "gte: 3"));
    let (changed, _) = load(&counting("Count", "gte: 4"));
    let mut windows = Windows::new(old, Policy::Every, Limits::default());
    windows.process(&hit(1, "a"), &mut Vec::new());
    let before = windows.entries();
    windows.follow_changes();
    assert_eq!(windows.changed(), []);
    windows.process(&hit(2, "b"), &mut Vec::new());
    windows.reload(changed, Policy::Every);
    let gone = windows.changed();
    assert!(gone.contains(&(before[1].0.clone(), None)), "{gone:?}");
    assert_eq!(
        gone.iter().filter(|(key, value)| key.group().is_some() && value.is_none()).count(),
        2
    );
}

#[test]
fn two_correlations_of_one_meaning_have_their_own_state() {
    let twin = counting("Twin", "gte: 3").replace(&base_rules(), "");
    let (set, _) = load(&format!("{}---\n{twin}", counting("Count", "gte: 3")));
    assert_eq!(set.hash(0), set.hash(1));
    let mut windows = Windows::new(Arc::clone(&set), Policy::Once, Limits::default());
    windows.process(&hit(1, "a"), &mut Vec::new());
    assert_eq!(windows.entries().len(), 3);
    let (mut restored, told) =
        Windows::restore(set, Policy::Once, Limits::default(), windows.entries()).unwrap();
    assert_eq!(told.kept, 2);
    let mut out = Vec::new();
    restored.process(&hit(2, "a"), &mut out);
    restored.process(&hit(3, "a"), &mut out);
    assert_eq!(out.len(), 2);
}

/// A value with a checksum that is right.
fn sealed(key: &StateKey, mut body: Vec<u8>) -> Vec<u8> {
    let mut hasher = Sha256::new();
    hasher.update((key.as_bytes().len() as u64).to_le_bytes());
    hasher.update(key.as_bytes());
    hasher.update(&body);
    body.extend_from_slice(&hasher.finalize()[..8]);
    body
}

/// State of the middle of a stream.
fn middle(stream: &Stream) -> Windows {
    let mut windows = Windows::new(Arc::clone(&stream.set), stream.policy, Limits::default());
    for step in stream.steps.iter().take(stream.steps.len() / 2) {
        if let Step::Sighting(sighting) = step {
            windows.process(sighting, &mut Vec::new());
        }
    }
    windows
}

#[test]
fn damage_is_noticed() {
    for stream in (0..60).map(Stream::new) {
        let windows = middle(&stream);
        let restore = |bytes: &[u8]| {
            let set = Arc::clone(&stream.set);
            Windows::from_snapshot(set, stream.policy, Limits::default(), bytes).map(|_| ())
        };
        let snapshot = windows.snapshot();
        for at in 0..snapshot.len() {
            let mut bytes = snapshot.clone();
            bytes[at] ^= 1 << (at % 8);
            assert!(restore(&bytes).is_err(), "byte {at}");
            assert!(restore(&snapshot[..at]).is_err(), "cut at {at}");
        }
        assert!(restore(&[&snapshot[..], b"x"].concat()).is_err());
        for (key, value) in windows.entries() {
            for at in 0..value.len() {
                let mut bytes = value.clone();
                bytes[at] ^= 1 << (at % 8);
                let set = Arc::clone(&stream.set);
                let entry = [(key.clone(), bytes)];
                let error =
                    Windows::restore(set, stream.policy, Limits::default(), entry).unwrap_err();
                assert!(error.to_string().contains("is damaged"), "{error}");
            }
        }
    }
}

#[test]
fn hostile_state_with_a_right_checksum_never_panics() {
    let (mut read, mut refused) = (0, 0);
    for stream in (0..1_000).map(Stream::new) {
        let windows = middle(&stream);
        let mut dice = Dice::new(stream.seed);
        for _ in 0..6 {
            let entries = windows.entries().into_iter().map(|(key, value)| {
                let mut body = value[..value.len() - 8].to_vec();
                let mut bytes = key.as_bytes().to_vec();
                for _ in 0..dice.below(3) {
                    let at = 1 + dice.below(body.len() as u64 - 1) as usize;
                    match dice.below(4) {
                        0 => body[at] ^= 1 << dice.below(8),
                        1 => body[at] = [0, 0xFF, 0x7F, 0x80][dice.below(4) as usize],
                        2 => body.insert(at, 0xFF),
                        _ => drop(body.remove(at)),
                    }
                    if dice.below(20) == 0 {
                        let at = dice.below(bytes.len() as u64) as usize;
                        bytes[at] = dice.below(256) as u8;
                    }
                    if body.len() < 2 {
                        break;
                    }
                }
                let key = StateKey::from_bytes(&bytes);
                let value = sealed(&key, body);
                (key, value)
            });
            let entries: Vec<StateEntry> = entries.collect();
            let set = Arc::clone(&stream.set);
            match Windows::restore(set, stream.policy, Limits::default(), entries) {
                Ok((mut windows, _)) => {
                    read += 1;
                    let mut out = Vec::new();
                    for step in &stream.steps {
                        if let Step::Sighting(sighting) = step {
                            windows.process(sighting, &mut out);
                        }
                    }
                    let _ = windows.snapshot();
                    windows.finish(stream.end, &mut out);
                }
                Err(error) => {
                    assert!(!error.to_string().is_empty());
                    refused += 1;
                }
            }
        }
    }
    assert!(read > 500 && refused > 500, "{read} read, {refused} refused");
}

proptest::proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes: Vec<u8>, kind in 0_u8..4) {
        let (set, _) = load(&counting("Count", "gte: 3"));
        let restore = |bytes: &[u8]| Windows::from_snapshot(Arc::clone(&set), Policy::Once, Limits::default(), bytes);
        proptest::prop_assert!(restore(&bytes).is_err());
        let mut body = [b"SGMDWIN\x01", &bytes[..]].concat();
        let digest = Sha256::digest(&body);
        body.extend_from_slice(&digest);
        let _ = restore(&body);
        let key = [&[kind][..], set.hash(0), &[0, 0, 0, 0, 1, 0, 0, 0, b'a']].concat();
        let key = StateKey::from_bytes(if kind == 0 { &[0] } else { &key });
        let value = sealed(&key, [&[1][..], &bytes].concat());
        let _ = Windows::restore(Arc::clone(&set), Policy::Once, Limits::default(), [(key, value)]);
    }
}

#[test]
fn errors_are_for_people() {
    let (set, _) = load(&counting("Count", "gte: 3"));
    let restore = |bytes: &[u8]| {
        Windows::from_snapshot(Arc::clone(&set), Policy::Once, Limits::default(), bytes)
            .unwrap_err()
    };
    assert_eq!(restore(b"PK\x03\x04"), StateError::Foreign);
    let mut snapshot = Windows::new(Arc::clone(&set), Policy::Once, Limits::default()).snapshot();
    snapshot[7] = 9;
    let newer = restore(&snapshot);
    assert_eq!(newer, StateError::Version(9));
    assert_eq!(
        newer.to_string(),
        "the saved state of correlations has version 9, and only version 1 is understood; use the program that wrote it, or start without state"
    );
    let mut windows = Windows::new(Arc::clone(&set), Policy::Once, Limits::default());
    windows.process(&hit(1, "alice"), &mut Vec::new());
    let mut entries = windows.entries();
    entries[1].1[4] ^= 1;
    let error = Windows::restore(set, Policy::Once, Limits::default(), entries).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("group [\"alice\"] of correlation "), "{text}");
    assert!(text.contains("checksum does not match; take an older copy"), "{text}");
}

#[test]
fn a_story_restored_at_every_event() {
    // Failures, a success after them, and the silence of a host that used to report.
    let rules = format!(
        "{}title: Brute force\nname: brute\ncorrelation:\n    type: event_count\n    rules: [r0]\n    group-by: [User]\n    timespan: 1m\n    condition: {{gte: 3}}\n---\ntitle: Success after it\ncorrelation:\n    type: temporal_ordered\n    rules: [brute, r1]\n    group-by: [User]\n    timespan: 2m\n---\ntitle: Spray\ncorrelation:\n    type: value_count\n    rules: [r0]\n    group-by: [Host]\n    timespan: 1m\n    condition: {{field: User, gte: 2}}\n---\ntitle: Silence\ncorrelation:\n    type: event_count\n    rules: [r2]\n    group-by: [Host]\n    timespan: 1m\n    condition: {{eq: 0}}\n",
        base_rules()
    );
    let (set, _) = load(&rules);
    let field = |name: &str| {
        set.fields().iter().position(|have| **have == *name).map(|at| at as u32).unwrap()
    };
    let (user, host) = (field("User"), field("Host"));
    let story = [
        (0, 2, "", "h"),
        (10, 0, "a", "h"),
        (20, 0, "a", "h"),
        (30, 0, "a", "h"),
        (40, 0, "b", "h"),
        (50, 1, "b", "h"),
        (149, 1, "a", "h"),
        (200, 0, "a", "h"),
    ];
    let steps = story
        .iter()
        .zip(0..)
        .map(|((seconds, rule, name, at), record)| {
            let mut values: Vec<(u32, Box<str>)> = vec![(host, (*at).into())];
            if !name.is_empty() {
                values.push((user, (*name).into()));
            }
            values.sort_unstable();
            let event = EventRef { source: 0, record };
            let (time, rules) = (seconds * SECOND, [*rule].into());
            Step::Sighting(Sighting { time, event, rules, values: values.into() })
        })
        .collect();
    let stream = Stream { seed: 0, rules, set, policy: Policy::Once, steps, end: 300 * SECOND };
    for restoring in [false, true] {
        let alerts = stream.alerts(|windows| {
            if restoring {
                *windows = whole(windows, &stream);
            }
        });
        let told: Vec<String> = alerts
            .iter()
            .map(|alert| {
                let title = &unnumbered(&stream.set, alert.clone()).0;
                format!("{} {title} {:?}", alert.time / SECOND, alert.group)
            })
            .collect();
        assert_eq!(
            told,
            ["40 Spray [\"h\"]", "60 Silence [\"h\"]", "149 Success after it [\"a\"]",]
        );
    }
}
