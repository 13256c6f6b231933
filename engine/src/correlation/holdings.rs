//! What a correlator holds, for people and for comparison: hits with their times and values, but not where their events lie.
//!
//! Two that were given the same events in any order, by any ways and in any number of lives hold the same when their watermarks are
//! the same.

use super::correlator::Correlator;
use super::groups::Group;
use super::key::key_texts;
use super::rule::Node;
use super::window::{Aggregate, Entry, Hits, Numbers, Over, Window};
use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// What holds hits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Holder {
    /// The window of a group of a correlation, by its index.
    Window(u32),
    /// Nothing yet: the hit of a rule, by its index, waits for the watermark.
    Rule(u32),
}

/// What one group holds, or one hit that waits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Holding {
    /// What holds it.
    pub holder: Holder,
    /// The values of the group.
    pub group: Vec<Box<str>>,
    /// The rest, as text: times in nanoseconds, the places of rules as bits, values in their smallest units.
    pub text: String,
}

impl Correlator {
    /// All it holds, sorted. A hit that several rules made waits once for each.
    #[must_use]
    pub fn holdings(&self) -> Vec<Holding> {
        let set = self.correlations();
        let mut all = Vec::new();
        for ((at, groups), node) in (0u32..).zip(&self.windows.groups).zip(&set.nodes) {
            for (_, group) in groups.iter() {
                let text = group_text(node, group, set.fields());
                all.push(Holding {
                    holder: Holder::Window(at),
                    group: key_texts(&group.key),
                    text,
                });
            }
        }
        for Reverse(sighting) in &self.pending {
            for rule in &sighting.rules {
                let mut text = format!("{} waits", sighting.time);
                for (field, value) in &sighting.values {
                    let name = set.fields().get(*field as usize).map_or("", |name| name);
                    let _ = write!(text, " {name}={value:?}");
                }
                all.push(Holding { holder: Holder::Rule(*rule), group: Vec::new(), text });
            }
        }
        all.sort_unstable();
        all
    }
}

fn group_text(node: &Node, group: &Group, fields: &[Box<str>]) -> String {
    let rare = group.rare();
    let mut text = format!("last {}", entry_text(&group.last));
    for (name, time) in [("opened", rare.opened), ("alerted", rare.alerted)] {
        if let Some(time) = time {
            let _ = write!(text, " {name} {time}");
        }
    }
    if group.active {
        text += " active";
    }
    if rare.anchor.0 != i64::MIN {
        let _ = write!(text, " true {} {}", rare.anchor.0, rare.anchor.1);
    }
    let named: BTreeSet<(&str, &str)> = rare
        .fields
        .iter()
        .filter_map(|(field, value)| Some((&**fields.get(*field as usize)?, &**value)))
        .collect();
    for (name, value) in named {
        let _ = write!(text, " {name}={value:?}");
    }
    window_text(node, &group.window, &mut text);
    text
}

fn entry_text(entry: &Entry) -> String {
    format!("{}/{:x}", entry.time, entry.rules)
}

fn entries_text<'e>(entries: impl Iterator<Item = &'e Entry>) -> String {
    entries.map(entry_text).collect::<Vec<_>>().join(" ")
}

fn maybe_text(entries: &[Option<Entry>]) -> String {
    let text = |entry: &Option<Entry>| entry.as_ref().map_or_else(|| "-".to_owned(), entry_text);
    entries.iter().map(text).collect::<Vec<_>>().join(" ")
}

fn window_text(node: &Node, window: &Window, text: &mut String) {
    let _ = match &window.hits {
        Hits::All(all) => {
            let all: Vec<Entry> = all.iter().collect();
            write!(text, "; hits {}", entries_text(all.iter()))
        }
        Hits::Some(some) => {
            write!(text, "; {} hits, of them {}", some.total, entries_text(some.iter()))
        }
    };
    let slides = node.slides();
    match &window.aggregate {
        Aggregate::Count => {}
        Aggregate::Distinct(texts) => {
            let all: Vec<&[u8]> = match slides {
                true => texts.iter().map(|(_, text)| text).collect(),
                false => texts.sorted(),
            };
            let all = all.into_iter().map(key_texts);
            let _ = write!(text, "; values {:?}", all.collect::<Vec<_>>());
        }
        Aggregate::Numbers(numbers) => numbers_text(numbers, slides, text),
        Aggregate::Last(last) => {
            let _ = write!(text, "; last of each {}", maybe_text(last));
        }
        Aggregate::Sequences(sequences) => {
            let _ = write!(text, "; last of each {}", maybe_text(&sequences.last));
            for chain in sequences.ways.iter().flatten() {
                let hits = chain.as_ref().map_or(&[][..], |chain| &chain.hits);
                let _ = write!(text, "; begun [{}]", entries_text(hits.iter()));
            }
        }
    }
}

fn numbers_text(numbers: &Numbers, slides: bool, text: &mut String) {
    if slides {
        let values: Vec<i128> = numbers.values.iter().map(|number| number.units()).collect();
        let _ = write!(text, "; values {values:?}");
        return;
    }
    let counts: Vec<(i128, u64)> = match &numbers.over {
        Over::Sum(sum, count) => {
            let _ = write!(text, "; {count} values, sum {sum:?}");
            return;
        }
        Over::Ordered(statistics) => {
            statistics.counts().into_iter().map(|(value, count)| (value.units(), count)).collect()
        }
        Over::Extremes(values) => {
            values.iter().map(|(value, count)| (value.units(), *count)).collect()
        }
    };
    let _ = write!(text, "; values {counts:?}");
}
