//! Generated events, and rules of all kinds over them.

use std::fmt::Write as _;

/// Random numbers that a seed decides (SplitMix64).
#[derive(Clone, Debug)]
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(super) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    pub(super) fn once_in(&mut self, bound: usize) -> bool {
        self.below(bound) == 0
    }

    /// Puts things in any order.
    pub(super) fn shuffle<T>(&mut self, all: &mut [T]) {
        for last in (1..all.len()).rev() {
            all.swap(last, self.below(last + 1));
        }
    }
}

/// An event is so far from the one before it, in microseconds.
const STEP: usize = 100_000;
/// An event comes at most about so many places too late.
const DISORDER: usize = 100;

/// A time on the days of the events.
fn time(micros: usize) -> String {
    let (seconds, micros) = (micros / 1_000_000, micros % 1_000_000);
    let (minutes, seconds) = (seconds / 60, seconds % 60);
    let (hours, minutes) = (minutes / 60, minutes % 60);
    let (days, hours) = (hours / 24, hours % 24);
    format!("2025-06-{:02}T{hours:02}:{minutes:02}:{seconds:02}.{micros:06}Z", days + 1)
}

/// Events in the order in which they are written, each with a time of its own.
pub(super) fn events(random: &mut Random, count: usize) -> Vec<String> {
    let mut all: Vec<(usize, String)> = (0..count)
        .map(|number| {
            let at = time(number * STEP + random.below(STEP));
            // For a while one user does much.
            let user = if random.once_in(2) { number / 60 } else { random.next() as usize } % 200;
            let (host, amount) = (random.below(40), random.below(101));
            let kind = match random.below(100) {
                0..40 => "fail",
                40..60 => "login",
                60..90 => "transfer",
                90 => "alarm",
                _ => "other",
            };
            let event = format!(
                "{{\"@timestamp\":\"{at}\",\"kind\":\"{kind}\",\"user\":\"u{user}\",\"host\":\"h{host}\",\"amount\":{amount}}}"
            );
            (number + random.below(DISORDER), event)
        })
        .collect();
    all.sort_by_key(|(place, _)| *place);
    all.into_iter().map(|(_, event)| event).collect()
}

/// An event later than so many, of no rule.
pub(super) fn last(count: usize) -> String {
    let at = time(count * STEP);
    format!(
        "{{\"@timestamp\":\"{at}\",\"kind\":\"last\",\"user\":\"\",\"host\":\"\",\"amount\":0}}"
    )
}

/// An event after which all windows over so many events are over.
pub(super) fn end(count: usize) -> String {
    let at = time(count * STEP + 2 * 86_400 * 1_000_000);
    format!("{{\"@timestamp\":\"{at}\",\"kind\":\"end\",\"user\":\"\",\"host\":\"\",\"amount\":0}}")
}

fn base(name: &str, kind: &str, more: &str) -> String {
    format!(
        "title: {name}\nname: {name}\nstatus: test\nlogsource: {{product: app}}\n\
         detection:\n  selection:\n    kind: {kind}\n{more}  condition: selection\nlevel: low\n---\n"
    )
}

/// Correlations: title, type, rules, group, timespan, condition.
const CORRELATIONS: [(&str, &str, &str, &str, &str, &str); 14] = [
    ("many_fails", "event_count", "fail", "user", "1m", "gte: 5"),
    ("most_fails", "event_count", "fail", "user", "30s", "gt: 9"),
    ("few_fails", "event_count", "fail", "user", "20s", "gte: 2, lt: 4"),
    ("silence", "event_count", "alarm", "host", "2m", "eq: 0"),
    ("fails_anywhere", "event_count", "alarm", "", "30s", "gte: 5"),
    ("hosts", "value_count", "fail", "user", "30s", "field: host, gte: 6"),
    ("few_hosts", "value_count", "login", "user", "30s", "field: host, lte: 1"),
    ("sum", "value_sum", "transfer", "user", "1m", "field: amount, gte: 400"),
    ("average", "value_avg", "transfer", "host", "1m", "field: amount, gt: 85"),
    (
        "percentile",
        "value_percentile",
        "transfer",
        "user",
        "1m",
        "field: amount, percentile: 90, gte: 99",
    ),
    ("median", "value_median", "transfer", "host", "1m", "field: amount, lt: 12"),
    ("both", "temporal", "[alarm, login]", "user", "10s", ""),
    ("in_order", "temporal_ordered", "[alarm, login, transfer]", "user", "1m", ""),
    ("chain", "temporal_ordered", "[most_fails, login]", "user", "2m", ""),
];

/// The titles of the correlations.
pub(super) fn correlations() -> impl Iterator<Item = &'static str> {
    CORRELATIONS.iter().map(|(title, ..)| *title)
}

/// The rules that are compared.
pub(super) fn rules() -> String {
    let mut text = String::new();
    for (name, kind) in
        [("fail", "fail"), ("login", "login"), ("transfer", "transfer"), ("alarm", "alarm")]
    {
        text += &base(name, kind, "");
    }
    // These are used by no correlation: their detections go out by themselves.
    text += &base("largest", "transfer", "    amount: 100\n");
    text += &base("any_alarm", "alarm", "");
    for (title, kind, rules, group, span, condition) in CORRELATIONS {
        let _ = write!(
            text,
            "title: {title}\nname: {title}\nstatus: test\ncorrelation:\n  type: {kind}\n  rules: {rules}\n  timespan: {span}\n"
        );
        if !group.is_empty() {
            let _ = writeln!(text, "  group-by: [{group}]");
        }
        if !condition.is_empty() {
            let _ = writeln!(text, "  condition: {{{condition}}}");
        }
        text += "level: medium\n---\n";
    }
    text
}

/// Rules that change and are not compared.
pub(super) fn extra(version: usize) -> String {
    format!(
        "{}title: Extra many\nstatus: test\ncorrelation:\n  type: event_count\n  rules: extra\n  group-by: [user]\n  timespan: 1m\n  condition: {{gte: {}}}\nlevel: low\n",
        base("extra", "transfer", &format!("    amount: {version}\n")),
        version % 3 + 1
    )
}
