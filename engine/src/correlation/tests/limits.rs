//! What happens when state reaches its limits.

use super::generate::{base_rules, load};
use crate::correlation::{Alert, EventRef, Limits, Policy, Reason, Sighting, Windows};

const SECOND: i64 = 1_000_000_000;

/// No limit is reached.
const WIDE: Limits = Limits {
    groups_per_rule: usize::MAX,
    bytes_per_rule: usize::MAX,
    hits_per_group: usize::MAX,
    groups: usize::MAX,
    hits: usize::MAX,
    bytes: usize::MAX,
    pending_bytes: usize::MAX,
    early_bytes: usize::MAX,
    alerts_at_once: usize::MAX,
    steps_at_once: usize::MAX,
};

/// A correlation by user over one minute.
fn rule(name: &str, rules: &str, kind: &str, condition: &str) -> String {
    format!(
        "---\ntitle: {name}\ncorrelation:\n    type: {kind}\n    rules: [{rules}]\n    group-by: [User]\n    timespan: 1m\n    condition: {{{condition}}}\n"
    )
}

struct Run {
    windows: Windows,
    alerts: Vec<Alert>,
    records: u64,
}

impl Run {
    fn new(rules: &[String], limits: Limits) -> Self {
        let base = base_rules();
        let text = format!("{}{}", base.trim_end_matches("---\n"), rules.concat());
        let (set, _) = load(&text);
        Self { windows: Windows::new(set, Policy::Every, limits), alerts: Vec::new(), records: 0 }
    }

    /// A hit of `r0` or `r1`, a millisecond after the last.
    fn hit(&mut self, rule: u32, user: &str, value: &str) {
        self.records += 1;
        let event = EventRef { source: 0, record: self.records };
        let fields = self.windows.correlations().fields();
        let mut values: Vec<(u32, Box<str>)> = (0..)
            .zip(fields)
            .filter_map(|(at, name)| match &**name {
                "User" => Some((at, user.into())),
                "Value" => Some((at, value.into())),
                _ => None,
            })
            .collect();
        values.sort_unstable();
        let time = self.records as i64 * SECOND / 1000;
        let sighting = Sighting { time, event, rules: [rule].into(), values: values.into() };
        self.windows.process(&sighting, &mut self.alerts);
    }

    /// The end: alerts of conditions, and what overflow alerts told of.
    fn finish(mut self) -> (Vec<Alert>, (u64, u64), usize) {
        self.windows.finish(0, &mut self.alerts);
        let usage = self.windows.usage();
        assert_eq!((usage.total.groups, usage.total.hits, usage.total.bytes), (0, 0, 0));
        let lost = (usage.total.lost_groups, usage.total.lost_hits);
        let by_rule = usage.rules.iter().fold((0, 0), |(groups, hits), rule| {
            (groups + rule.lost_groups, hits + rule.lost_hits)
        });
        assert_eq!(lost, by_rule);
        let (mut told, mut count) = ((0, 0), 0);
        self.alerts.retain(|alert| match alert.reason {
            Reason::StateOverflow { groups, hits } => {
                (told, count) = ((told.0 + groups, told.1 + hits), count + 1);
                false
            }
            _ => true,
        });
        assert_eq!(told, lost, "everything that was given up is told");
        (self.alerts, lost, count)
    }
}

#[test]
fn the_groups_of_a_rule() {
    let limits = Limits { groups_per_rule: 10, ..WIDE };
    let rules =
        [rule("A", "r0", "event_count", "gte: 2"), rule("B", "r1", "event_count", "gte: 2")];
    let mut run = Run::new(&rules, limits);
    run.hit(1, "of the other rule", "");
    for user in 0..100 {
        run.hit(0, &format!("u{user}"), "");
        assert!(run.windows.usage().rules[0].groups <= 10);
    }
    run.hit(0, "u0", "");
    assert_eq!(run.alerts.iter().filter(|alert| alert.reason == Reason::Condition).count(), 0);
    run.hit(0, "u99", "");
    run.hit(1, "of the other rule", "");
    let (alerts, lost, told) = run.finish();
    let groups: Vec<&str> = alerts.iter().map(|alert| &*alert.group[0]).collect();
    assert_eq!(groups, ["u99", "of the other rule"], "the newest and those of other rules stay");
    assert_eq!((lost, told), ((91, 91), 2), "one at once, one at the end");
}

#[test]
fn overflows_are_told_once_in_a_timespan() {
    let limits = Limits { groups_per_rule: 10, ..WIDE };
    let mut run = Run::new(&[rule("A", "r0", "event_count", "gte: 2")], limits);
    (0..150_010).for_each(|user| run.hit(0, &format!("u{user}"), ""));
    let (_, lost, told) = run.finish();
    assert_eq!((lost, told), ((150_000, 150_000), 4), "150 seconds: three, and one at the end");
}

#[test]
fn the_groups_of_all_rules() {
    let limits = Limits { groups: 10, ..WIDE };
    let rules =
        [rule("A", "r0", "event_count", "gte: 2"), rule("B", "r1", "event_count", "gte: 2")];
    let mut run = Run::new(&rules, limits);
    for user in 0..50 {
        run.hit(user % 2, &format!("u{user}"), "");
        assert!(run.windows.usage().total.groups <= 10);
    }
    assert_eq!(run.finish().1, (40, 40));
}

#[test]
fn the_hits_of_a_group() {
    let limits = Limits { hits_per_group: 3, ..WIDE };
    let rules = [
        rule("A", "r0", "event_count", "gte: 4"),
        rule("B", "r0", "value_count", "field: Value, gte: 3"),
        rule("C", "r0", "value_sum", "field: Value, gte: 24"),
    ];
    let mut run = Run::new(&rules, limits);
    for value in 0..10 {
        run.hit(0, "u", &value.to_string());
        assert!(run.windows.usage().rules.iter().all(|rule| rule.hits <= 3));
    }
    let (alerts, lost, _) = run.finish();
    let of = |at: u32| alerts.iter().filter(|alert| alert.correlation == at).count();
    // The sum of the last three: 7 + 8 + 9.
    assert_eq!((of(0), of(1), of(2)), (0, 8, 1));
    assert_eq!(lost, (0, 21));
}

#[test]
fn the_hits_of_all_groups() {
    let limits = Limits { hits: 20, ..WIDE };
    let mut run = Run::new(&[rule("A", "r0", "event_count", "gte: 5")], limits);
    for hit in 0..100 {
        run.hit(0, &format!("u{}", hit / 2), "");
        assert!(run.windows.usage().total.hits <= 20);
    }
    // A group that alone has too many keeps the newer half of them.
    for _ in 0..100 {
        run.hit(0, "busy", "");
        let total = run.windows.usage().total;
        assert!(total.hits <= 20);
    }
    let usage = run.windows.usage().total;
    assert!(usage.groups <= 6 && usage.hits >= 10, "{usage:?}");
    let (alerts, lost, _) = run.finish();
    assert_eq!(alerts.len(), 96, "it counts on while it loses its oldest");
    assert!(lost.1 > 150, "{lost:?}");
}

#[test]
fn memory_of_every_type() {
    const LIMIT: usize = 60_000;
    let kinds = [
        ("event_count", ""),
        ("value_count", "field: Value, "),
        ("value_sum", "field: Value, "),
        ("value_percentile", "field: Value, "),
        ("temporal", ""),
    ];
    for (kind, field) in kinds {
        for total in [false, true] {
            let limits = if total {
                Limits { bytes: LIMIT, ..WIDE }
            } else {
                Limits { bytes_per_rule: LIMIT, ..WIDE }
            };
            let condition =
                format!("{field}gte: {}", if kind == "temporal" { 2 } else { 1_000_000 });
            // Many groups, and one with many hits.
            for many in [true, false] {
                let mut run = Run::new(&[rule("A", "r0, r1", kind, &condition)], limits);
                let mut most = 0;
                for hit in 0..5_000 {
                    let user = if many { format!("u{hit}") } else { "u".into() };
                    let value = if kind == "value_count" {
                        format!("{hit}{}", "x".repeat(hit % 50))
                    } else {
                        hit.to_string()
                    };
                    run.hit(0, &user, &value);
                    let bytes = run.windows.usage().total.bytes;
                    assert!(bytes <= LIMIT, "{kind}: {bytes}");
                    most = most.max(bytes);
                }
                let kept = run.windows.usage().total.hits;
                if kind == "temporal" && !many {
                    assert!(most < 1_000, "it keeps the last hit of each rule: {most}");
                } else {
                    assert!(most > LIMIT / 2, "{kind}, {many}: {most} is far from the limit");
                    let (_, lost, _) = run.finish();
                    assert!(lost.1 > 0 && (kept > 100 || kind == "temporal"), "{kind}: {kept}");
                }
            }
        }
    }
}

#[test]
fn a_group_with_one_hit_is_small() {
    let mut run = Run::new(&[rule("A", "r0", "event_count", "gte: 5")], WIDE);
    (0..10_000).for_each(|user| run.hit(0, &format!("user{user:06}"), ""));
    let each = run.windows.usage().total.bytes / 10_000;
    assert!(each < 300, "{each} bytes for each group");
}
