//! Windows in which hits wait until their texts are looked up together: the number of texts is near what conditions ask for.
//!
//! In tests hits wait in small windows too, so that all other properties come across it as well.

use super::generate::{Dice, base_rules, load};
use super::{STREAMS, difference, ordered, policy};
use crate::correlation::groups::Groups;
use crate::correlation::window::Aggregate;
use crate::correlation::{Correlations, EventRef, Limits, Policy, Sighting, Windows};
use crate::oracle;
use std::sync::Arc;

/// A `value_count` whose condition is around so many texts.
fn rule(dice: &mut Dice, texts: u64) -> String {
    let condition = match dice.below(8) {
        0 => format!("lt: {texts}"),
        1 => format!("eq: {texts}"),
        2 => format!("neq: {texts}"),
        3 => format!("gte: {texts}, lte: {}", texts + 1),
        4 => format!("gt: {texts}"),
        5 => format!("gt: {}, gte: {texts}", texts - 1),
        _ => format!("gte: {texts}"),
    };
    let field = dice.pick(&["Value", "Value", "[Host, Value]"]);
    let group = dice.pick(&["[]", "[User]"]);
    let span = dice.pick(&["5s", "10s"]);
    base_rules()
        + &format!(
            "title: C\nname: c\ncorrelation:\n    type: value_count\n    rules: [r0, r1]\n    group-by: {group}\n    timespan: {span}\n    condition: {{field: {field}, {condition}}}\n"
        )
}

/// Hits with many texts, so close to each other that they stay in a window for a while.
fn stream(dice: &mut Dice, set: &Correlations) -> Vec<Sighting> {
    let fields = set.fields();
    let (different, pause) = (6 + dice.below(12), 1 + dice.below(4));
    let mut time = 0;
    let mut sightings = Vec::new();
    for record in 0..20 + dice.below(60) {
        time += dice.below(pause) as i64 * 250_000_000;
        if dice.below(30) == 0 {
            time += 6_000_000_000;
        }
        let rule = dice.below(2) as u32;
        let values = (0u32..).zip(fields).map(|(field, name)| {
            let text = match &**name {
                "Value" => format!("text{}", dice.below(different)),
                "Host" => dice.pick(&["h", "h", "h", "i"]).to_owned(),
                _ => dice.pick(&["a", "a", "a", "b"]).to_owned(),
            };
            (field, text.into())
        });
        let values = values.collect();
        let event = EventRef { source: 0, record };
        sightings.push(Sighting { time, event, rules: [rule].into(), values });
    }
    sightings
}

/// How many hits wait.
fn waiting(windows: &Windows) -> u64 {
    let groups = windows.groups.iter().flat_map(Groups::iter);
    let texts = groups.map(|(_, group)| match &group.window.aggregate {
        Aggregate::Distinct(texts) => texts.range(),
        _ => (0, 0),
    });
    texts.map(|(least, most)| most - least).sum()
}

#[test]
fn hits_that_wait_count_like_others() {
    let (mut alerts, mut waited, mut settled) = (0, 0, 0);
    for seed in 0..STREAMS / 5 {
        let mut dice = Dice::new(seed ^ 0x0057_4149_5453);
        let texts = 3 + dice.below(8);
        let rules = rule(&mut dice, texts);
        let (set, _) = load(&rules);
        let stream = stream(&mut dice, &set);
        let policy = policy(&mut dice);
        let end = stream.last().map_or(0, |last| last.time) + dice.below(12) as i64 * 1_000_000_000;
        let expected = oracle::correlation::alerts(&set, &stream, end, policy);

        let new = |policy: Policy, limits| Windows::new(Arc::clone(&set), policy, limits);
        let mut windows = new(policy, Limits::default());
        let mut restored = new(policy, Limits::default());
        let (mut got, mut again) = (Vec::new(), Vec::new());
        for sighting in &stream {
            let before = (waiting(&windows), got.len());
            windows.process(sighting, &mut got);
            restored.process(sighting, &mut again);
            waited += u64::from(waiting(&windows) > 0);
            settled += u64::from(before.0 > 0 && got.len() > before.1);
            if dice.below(4) == 0 {
                let bytes = restored.snapshot();
                assert_eq!(bytes, windows.snapshot(), "seed {seed}\n{rules}");
                let set = Arc::clone(&set);
                let (from, _) =
                    Windows::from_snapshot(set, policy, Limits::default(), &bytes).unwrap();
                assert_eq!(from.snapshot(), bytes, "seed {seed}\n{rules}");
                restored = from;
            }
        }
        windows.finish(end, &mut got);
        restored.finish(end, &mut again);
        let usage = &windows.usage().total;
        assert_eq!((usage.groups, usage.hits, usage.bytes), (0, 0, 0), "seed {seed}\n{rules}");
        let got = ordered(got);
        assert!(
            got == expected,
            "seed {seed} {policy:?}\n{rules}\n{}",
            difference(&expected, &got)
        );
        assert_eq!(ordered(again), expected, "seed {seed} {policy:?}, restored\n{rules}");
        alerts += got.len();
    }
    assert!(alerts > 4_000 && waited > 8_000 && settled > 800, "{alerts} {waited} {settled}");
}
