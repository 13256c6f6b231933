//! Generated correlations and streams.

use crate::correlation::{Correlations, EventRef, Sighting};

use sigmund_sigma::{Loader, Rule, Source};
use std::fmt::Write as _;
use std::sync::Arc;

/// SplitMix64: the same streams in every run.
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        x ^ (x >> 31)
    }

    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    pub(super) fn pick<'a, T: ?Sized>(&mut self, list: &[&'a T]) -> &'a T {
        list[self.below(list.len() as u64) as usize]
    }
}

/// The detection rules that all generated correlations use.
const RULES: usize = 4;

pub(super) fn load(text: &str) -> (Arc<Correlations>, Vec<Arc<Rule>>) {
    let source = Source { name: "r.yml".into(), text: text.into() };
    let collection = Loader::default().load(&[source]);
    assert!(collection.diagnostics.is_empty(), "{:?} in\n{text}", collection.diagnostics);
    let rules: Vec<Arc<Rule>> = collection.rules.into_iter().map(Arc::new).collect();
    let (set, refused) = Correlations::compile(&collection.correlations, &rules, &|_| true);
    assert!(refused.is_empty(), "{refused:?} in\n{text}");
    (Arc::new(set), rules)
}

/// Generated correlations, each set for a few seeds: reading rules takes longer than running them over a stream.
pub(super) struct Sets {
    salt: u64,
    last: Option<(u64, String, Arc<Correlations>)>,
}

impl Sets {
    pub(super) fn new(salt: u64) -> Self {
        Self { salt, last: None }
    }

    /// The text and the set for a seed, and dice for its stream.
    pub(super) fn at(&mut self, seed: u64) -> (String, Arc<Correlations>, Dice) {
        let number = seed / 4;
        if self.last.as_ref().is_none_or(|(last, ..)| *last != number) {
            let text = correlations(&mut Dice::new(number ^ self.salt));
            let (set, _) = load(&text);
            self.last = Some((number, text, set));
        }
        let (_, text, set) = self.last.as_ref().expect("it was made");
        (text.clone(), Arc::clone(set), Dice::new(seed ^ self.salt << 32))
    }
}

/// Detection rules named `r0`, `r1`, …
pub(super) fn base_rules() -> String {
    let mut text = String::new();
    for at in 0..RULES {
        let _ = write!(
            text,
            "title: R{at}\nname: r{at}\nlogsource:\n    category: test\ndetection:\n    s:\n        f: v{at}\n    condition: s\n---\n"
        );
    }
    text
}

/// A few correlations, the later ones possibly over the earlier ones.
pub(super) fn correlations(dice: &mut Dice) -> String {
    let mut text = base_rules();
    let count = 1 + dice.below(3);
    for at in 0..count {
        let mut names: Vec<String> = (0..RULES).map(|at| format!("r{at}")).collect();
        names.extend((0..at).map(|at| format!("c{at}")));
        let mut rules: Vec<String> = Vec::new();
        for _ in 0..1 + dice.below(3) {
            let name = names[dice.below(names.len() as u64) as usize].clone();
            if !rules.contains(&name) {
                rules.push(name);
            }
        }
        let kind = dice.pick(&[
            "event_count",
            "event_count",
            "value_count",
            "value_sum",
            "value_avg",
            "value_percentile",
            "value_median",
            "temporal",
            "temporal",
            "temporal_ordered",
            "temporal_ordered",
        ]);
        let group = dice.pick(&["[]", "[User]", "[User]", "[User, Host]", "[Who]"]);
        let span = dice.pick(&["1s", "2s", "5s"]);
        let generate = dice.pick(&["true", "false"]);
        let _ = write!(
            text,
            "title: C{at}\nname: c{at}\nid: 00000000-0000-4000-8000-00000000000{at}\ncorrelation:\n    type: {kind}\n    rules: [{}]\n    group-by: {group}\n    timespan: {span}\n    generate: {generate}\n    aliases:\n        Who:\n            r0: User\n            r1: Host\n            r2: User\n            r3: User\n",
            rules.join(", ")
        );
        let number = dice.below(4);
        let operators = match dice.below(8) {
            0 => format!("lt: {number}"),
            1 => format!("eq: {number}"),
            2 => format!("gte: 1, lt: {}", number + 1),
            3 => format!("gt: {number}"),
            4 => format!("neq: {number}"),
            5 => "eq: 0".to_owned(),
            _ => format!("gte: {}", number.max(1)),
        };
        let condition = match kind {
            "temporal" | "temporal_ordered" => match dice.below(3) {
                0 if rules.len() == 3 => {
                    format!("{} and {} and not {}", rules[0], rules[1], rules[2])
                }
                0 if rules.len() == 2 => format!("{} or {}", rules[0], rules[1]),
                1 if kind == "temporal" => format!("{{{operators}}}"),
                _ => String::new(),
            },
            "event_count" => format!("{{{operators}}}"),
            "value_count" => format!(
                "{{field: {}, {operators}}}",
                dice.pick(&["Value", "Host", "[Host, Value]", "Who"])
            ),
            "value_percentile" => format!(
                "{{field: Value, percentile: {}, {operators}}}",
                dice.pick(&["0", "33.3", "50", "95", "100"])
            ),
            "value_sum" => {
                format!("{{field: {}, {operators}}}", dice.pick(&["Value", "orig_bytes"]))
            }
            _ => format!("{{field: Value, {operators}}}"),
        };
        if !condition.is_empty() {
            let _ = writeln!(text, "    condition: {condition}");
        }
        text.push_str("---\n");
    }
    text.truncate(text.len() - "---\n".len());
    text
}

/// Sightings in any order; times are multiples of a quarter second, often equal, around a few bursts.
pub(super) fn sightings(dice: &mut Dice, set: &Correlations) -> Vec<Sighting> {
    let field =
        |name: &str| set.fields().iter().position(|have| **have == *name).map(|at| at as u32);
    let (user, host, value) = (field("User"), field("Host"), field("Value"));
    let bytes = field("orig_bytes");
    let count = 3 + dice.below(25);
    let mut sightings = Vec::new();
    for record in 0..count {
        let time = match dice.below(10) {
            0 => dice.below(200) as i64 * 250_000_001,
            _ => dice.below(40) as i64 * 250_000_000,
        };
        let mut rules: Vec<u32> = vec![dice.below(RULES as u64) as u32];
        if dice.below(4) == 0 {
            rules.push(dice.below(RULES as u64) as u32);
        }
        rules.sort_unstable();
        rules.dedup();
        rules.retain(|rule| set.uses(*rule));
        if rules.is_empty() {
            continue;
        }
        let mut values: Vec<(u32, Box<str>)> = Vec::new();
        let mut put = |field: Option<u32>, text: &str| {
            values.extend(field.map(|field| (field, text.into())));
        };
        if dice.below(12) > 0 {
            put(user, dice.pick(&["a", "a", "b"]));
        }
        if dice.below(12) > 0 {
            put(host, dice.pick(&["a", "h"]));
        }
        if dice.below(8) > 0 {
            put(value, dice.pick(&["1", "2", "3", "1.5", "-1", "0.1", "x"]));
        }
        if dice.below(8) > 0 {
            put(bytes, dice.pick(&["0", "1", "2", "3"]));
        }
        values.sort_unstable();
        let event = EventRef { source: (record % 2) as u32, record };
        let (rules, values) = (rules.into(), values.into());
        sightings.push(Sighting { time, event, rules, values });
    }
    sightings
}

/// What arrives at a correlator.
#[derive(Clone, Debug)]
pub(super) enum Arrival {
    Hit(Sighting),
    /// An event that is no hit.
    Event(u32, i64),
    /// The end of a source.
    End(u32),
}

/// A stream in an order in which no event comes more than `lateness` after a later one of its source. The sources, which are those of
/// the sightings, do not wait for each other. Among them are events that are no hits, and perhaps the ends of sources.
pub(super) fn arrivals(dice: &mut Dice, stream: &[Sighting], lateness: i64) -> Vec<Arrival> {
    let delay = |dice: &mut Dice| match lateness {
        0 => 0,
        _ => dice.below(lateness as u64 + 1) as i64,
    };
    let skew = [0, dice.below(8) as i64 * 1_000_000_000];
    let mut timed: Vec<(i64, u64, Arrival)> = Vec::new();
    let mut last = [i64::MIN; 2];
    for sighting in stream {
        let source = sighting.event.source;
        let mut put = |dice: &mut Dice, time: i64, arrival: Arrival| {
            let at = time + delay(dice) + skew[source as usize];
            last[source as usize] = last[source as usize].max(at);
            timed.push((at, dice.next(), arrival));
        };
        put(dice, sighting.time, Arrival::Hit(sighting.clone()));
        if dice.below(3) == 0 {
            let time = sighting.time + dice.below(2_000_000_000) as i64;
            put(dice, time, Arrival::Event(source, time));
        }
    }
    if dice.below(2) == 0 {
        timed.extend([0, 1].map(|source| (last[source], u64::MAX, Arrival::End(source as u32))));
    }
    timed.sort_by_key(|(at, tie, _)| (*at, *tie));
    timed.into_iter().map(|(.., arrival)| arrival).collect()
}
