//! The window of one group: its hits and what is computed over them, kept up to date as hits come and leave.
//!
//! Sliding windows keep every hit with its value, because it leaves again. Windows that only grow until they are closed keep the
//! aggregate, and of the hits the oldest and the newest. Temporal windows keep the last hit of each rule, and ordered ones the
//! best beginning of a sequence for each step: the one that began last can be completed longest, so no other is needed.

use super::condition::{self, Decided, Sequence};
use super::number::{Fixed, Measure, Wide};
use super::order_statistics::OrderStatistics;
use super::rule::Node;
use super::sighting::EventRef;
use ahash::AHashMap;
use sigmund_sigma::correlation::CorrelationType;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// So many of the oldest and of the newest hits an alert shows.
pub const SHOWN: usize = 10;

/// One hit: an event that at least one of the correlation's rules matched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// When.
    pub time: i64,
    /// Which event.
    pub event: EventRef,
    /// Which of the correlation's rules, as bits; the last bit stands for all from the 32nd on.
    pub rules: u32,
}

/// The bit of a reference.
pub(crate) fn rule_bit(reference: u32) -> u32 {
    1 << reference.min(31)
}

/// The hits that made an alert: the oldest and the newest are kept, all are counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contributions {
    /// Up to [`SHOWN`], oldest first.
    pub oldest: Vec<Entry>,
    /// Up to [`SHOWN`] of the others, newest last.
    pub newest: Vec<Entry>,
    /// How many there are.
    pub total: u64,
}

impl Contributions {
    /// Of a list in order.
    pub(crate) fn of<'e>(entries: impl ExactSizeIterator<Item = &'e Entry> + Clone) -> Self {
        let total = entries.len();
        let oldest = entries.clone().take(SHOWN).copied().collect();
        let newest = entries.skip(SHOWN.max(total.saturating_sub(SHOWN))).copied().collect();
        Self { oldest, newest, total: total as u64 }
    }

    /// The hits that are kept, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.oldest.iter().chain(&self.newest)
    }

    fn push(&mut self, entry: Entry) {
        self.total += 1;
        if self.oldest.len() < SHOWN {
            self.oldest.push(entry);
            return;
        }
        if self.newest.len() == SHOWN {
            self.newest.remove(0);
        }
        self.newest.push(entry);
    }
}

/// The value that a hit brings.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Value {
    /// Its event is all that counts.
    None,
    /// The texts of one or several fields, each with its length before it.
    Text(Arc<[u8]>),
    Number(Fixed),
}

/// The hits of a window.
#[derive(Clone, Debug)]
pub(crate) enum Hits {
    /// They leave again; with their values.
    All(VecDeque<(Entry, Value)>),
    /// They only get more.
    Some(Contributions),
}

/// What is computed over a window.
#[derive(Clone, Debug)]
pub(crate) enum Aggregate {
    Count,
    Distinct(AHashMap<Arc<[u8]>, u32>),
    Sum(Wide, u64),
    Ordered(OrderStatistics),
    Extremes(BTreeMap<Fixed, u32>),
    /// The last hit of each rule.
    Last(Vec<Option<Entry>>),
    /// For each sequence and each of its steps the hits of the beginning that began last; and the last hit of each rule.
    Sequences(Vec<Vec<Option<Arc<Chain>>>>, Vec<Option<Entry>>),
}

/// The beginning of a sequence.
#[derive(Clone, Debug)]
pub(crate) struct Chain {
    pub(crate) first: i64,
    pub(crate) hits: Vec<Entry>,
}

/// One group's window.
#[derive(Clone, Debug)]
pub(crate) struct Window {
    pub(crate) hits: Hits,
    pub(crate) aggregate: Aggregate,
    /// The sequence that the last hit completed.
    completed: Option<Arc<Chain>>,
    /// Bytes of distinct texts.
    texts: usize,
}

impl Window {
    pub(crate) fn new(node: &Node) -> Self {
        let hits = if node.slides() {
            Hits::All(VecDeque::new())
        } else {
            Hits::Some(Contributions::default())
        };
        let references = node.references.len();
        let aggregate = match node.rule.kind {
            CorrelationType::EventCount => Aggregate::Count,
            CorrelationType::ValueCount => Aggregate::Distinct(AHashMap::new()),
            CorrelationType::ValueSum | CorrelationType::ValueAvg => {
                Aggregate::Sum(Wide::default(), 0)
            }
            CorrelationType::ValuePercentile | CorrelationType::ValueMedian => {
                Aggregate::Ordered(OrderStatistics::default())
            }
            CorrelationType::ValueMin | CorrelationType::ValueMax => {
                Aggregate::Extremes(BTreeMap::new())
            }
            CorrelationType::Temporal => Aggregate::Last(vec![None; references]),
            CorrelationType::TemporalOrdered => {
                let steps = |way: &Sequence| vec![None; way.steps.len()];
                let ways = node.sequences.iter().map(steps).collect();
                Aggregate::Sequences(ways, vec![None; references])
            }
        };
        Self { hits, aggregate, completed: None, texts: 0 }
    }

    /// Adds a hit that is not before any other. `references` are the rules that the event hit.
    pub(crate) fn add(&mut self, node: &Node, entry: Entry, mut value: Value, references: &[u32]) {
        match (&mut self.aggregate, &mut value) {
            (Aggregate::Distinct(counts), Value::Text(text)) => {
                // Equal texts share their memory.
                if let Some((known, _)) = counts.get_key_value(text) {
                    *text = Arc::clone(known);
                } else {
                    self.texts += text.len();
                }
                *counts.entry(Arc::clone(text)).or_default() += 1;
            }
            (Aggregate::Sum(sum, count), Value::Number(number)) => {
                *sum = sum.plus(Wide::of(number.units()));
                *count += 1;
            }
            (Aggregate::Ordered(statistics), Value::Number(number)) => statistics.insert(*number),
            (Aggregate::Extremes(values), Value::Number(number)) => {
                *values.entry(*number).or_default() += 1;
            }
            (Aggregate::Last(last), _) => {
                references.iter().for_each(|at| last[*at as usize] = Some(entry));
            }
            (Aggregate::Sequences(ways, last), _) => {
                references.iter().for_each(|at| last[*at as usize] = Some(entry));
                self.completed = advance(&node.sequences, ways, last, entry, references, node);
            }
            _ => {}
        }
        match &mut self.hits {
            Hits::All(all) => all.push_back((entry, value)),
            Hits::Some(some) => some.push(entry),
        }
    }

    /// Takes away the hits before a time.
    pub(crate) fn expire(&mut self, before: i64) {
        while let Hits::All(all) = &self.hits
            && all.front().is_some_and(|(entry, _)| entry.time < before)
        {
            self.drop_oldest();
        }
    }

    /// Takes the oldest hit away.
    pub(crate) fn drop_oldest(&mut self) -> Option<Entry> {
        let Hits::All(all) = &mut self.hits else { return None };
        let (entry, value) = all.pop_front()?;
        match (&mut self.aggregate, value) {
            (Aggregate::Distinct(counts), Value::Text(text)) => {
                if let Some(count) = counts.get_mut(&text) {
                    *count -= 1;
                    if *count == 0 {
                        counts.remove(&text);
                        self.texts -= text.len();
                    }
                }
            }
            (Aggregate::Sum(sum, count), Value::Number(number)) => {
                *sum = sum.plus(Wide::of(number.units()).negated());
                *count -= 1;
            }
            (Aggregate::Ordered(statistics), Value::Number(number)) => statistics.remove(number),
            (Aggregate::Extremes(values), Value::Number(number)) => {
                if let Some(count) = values.get_mut(&number) {
                    *count -= 1;
                    if *count == 0 {
                        values.remove(&number);
                    }
                }
            }
            _ => {}
        }
        Some(entry)
    }

    /// How many hits are there.
    pub(crate) fn len(&self) -> u64 {
        match &self.hits {
            Hits::All(all) => all.len() as u64,
            Hits::Some(some) => some.total,
        }
    }

    /// How many hits are kept one by one.
    pub(crate) fn kept(&self) -> usize {
        match &self.hits {
            Hits::All(all) => all.len(),
            Hits::Some(_) => 0,
        }
    }

    /// What the condition compares, for the window that ends at `now`. `None` without any value.
    pub(crate) fn measure(&self, node: &Node, now: i64) -> Option<Measure> {
        Some(match &self.aggregate {
            Aggregate::Count => Measure::count(self.len()),
            Aggregate::Distinct(counts) => Measure::count(counts.len() as u64),
            Aggregate::Sum(_, 0) => return None,
            Aggregate::Sum(sum, count) => {
                let divided = node.rule.kind == CorrelationType::ValueAvg;
                Measure::mean(*sum, if divided { *count } else { 1 })
            }
            Aggregate::Ordered(statistics) => percentile(statistics, node.percentile)?,
            Aggregate::Extremes(values) => {
                let least = node.rule.kind == CorrelationType::ValueMin;
                let found = if least { values.first_key_value() } else { values.last_key_value() };
                Measure::number(*found?.0)
            }
            Aggregate::Last(last) => {
                let seen = last.iter().flatten().filter(|entry| node.reaches(entry.time, now));
                Measure::count(seen.count() as u64)
            }
            Aggregate::Sequences(..) => {
                Measure::count(self.completed.as_ref().map_or(0, |chain| chain.hits.len() as u64))
            }
        })
    }

    /// Whether the condition holds for the window that ends at `now`, and what it compared.
    pub(crate) fn holds(&self, node: &Node, now: i64) -> Option<Measure> {
        let measure = self.measure(node, now)?;
        let holds = match &self.aggregate {
            Aggregate::Last(last) => {
                let seen =
                    |rule: usize| last[rule].is_some_and(|entry| node.reaches(entry.time, now));
                match &node.rule.temporal_condition {
                    Some(condition) => condition::holds(condition, &seen),
                    None if node.bounds.is_empty() => (0..last.len()).all(seen),
                    None => node.bounds.hold(&measure),
                }
            }
            Aggregate::Sequences(..) => self.completed.is_some() && node.bounds.hold(&measure),
            _ => node.bounds.hold(&measure),
        };
        holds.then_some(measure)
    }

    /// The hits that an alert shows.
    pub(crate) fn contributions(&self, node: &Node, now: i64) -> Contributions {
        match (&self.aggregate, &self.hits) {
            (Aggregate::Last(last), _) if node.decided == Decided::AtHit => {
                let seen = last.iter().flatten().filter(|entry| node.reaches(entry.time, now));
                let mut seen: Vec<Entry> = seen.copied().collect();
                seen.sort_unstable();
                // One event may have hit several rules.
                seen.dedup();
                Contributions::of(seen.iter())
            }
            (Aggregate::Sequences(..), _) => {
                let hits = self.completed.as_ref().map_or(&[][..], |chain| &chain.hits);
                Contributions::of(hits.iter())
            }
            (_, Hits::All(all)) => Contributions::of(all.iter().map(|(entry, _)| entry)),
            (_, Hits::Some(some)) => some.clone(),
        }
    }

    /// About how much memory it takes.
    pub(crate) fn bytes(&self) -> usize {
        // A distinct text: its bytes, its share of the map.
        const TEXT: usize = 64;
        let hits = match &self.hits {
            Hits::All(all) => all.len() * size_of::<(Entry, Value)>(),
            Hits::Some(some) => (some.oldest.len() + some.newest.len()) * size_of::<Entry>(),
        };
        let aggregate = match &self.aggregate {
            Aggregate::Count | Aggregate::Sum(..) => 0,
            Aggregate::Distinct(counts) => counts.len() * TEXT,
            Aggregate::Ordered(statistics) => statistics.bytes(),
            Aggregate::Extremes(values) => values.len() * TEXT,
            Aggregate::Last(last) => last.len() * size_of::<Option<Entry>>(),
            Aggregate::Sequences(ways, last) => {
                let steps: usize = ways.iter().map(Vec::len).sum();
                (steps * steps + last.len()) * size_of::<Option<Entry>>()
            }
        };
        hits + aggregate + self.texts
    }
}

/// The number of which so many percent of the others are smaller, between its neighbours where it falls between them.
fn percentile(statistics: &OrderStatistics, percent: Fixed) -> Option<Measure> {
    let last = i128::from(statistics.len().checked_sub(1)?);
    let hundred = Fixed::whole(100).units();
    let rank = percent.units() * last;
    let (index, part) = (rank / hundred, rank % hundred);
    let low = statistics.nth(u64::try_from(index).ok()?)?;
    let high = if part == 0 { low } else { statistics.nth(u64::try_from(index + 1).ok()?)? };
    Some(Measure::between(low, high, part, hundred))
}

/// Extends beginnings of sequences by a hit; the completed one that began last.
fn advance(
    sequences: &[Sequence],
    ways: &mut [Vec<Option<Arc<Chain>>>],
    last: &[Option<Entry>],
    entry: Entry,
    references: &[u32],
    node: &Node,
) -> Option<Arc<Chain>> {
    let mut completed: Option<Arc<Chain>> = None;
    for (sequence, way) in sequences.iter().zip(ways) {
        // From the end, so that one event is not two steps.
        for step in (0..sequence.steps.len()).rev() {
            if !references.contains(&(sequence.steps[step] as u32)) {
                continue;
            }
            let longer = if step == 0 {
                Some(Arc::new(Chain { first: entry.time, hits: vec![entry] }))
            } else {
                let before =
                    way[step - 1].as_ref().filter(|chain| node.reaches(chain.first, entry.time));
                before.map(|chain| {
                    let mut hits = chain.hits.clone();
                    hits.push(entry);
                    Arc::new(Chain { first: chain.first, hits })
                })
            };
            let Some(longer) = longer else { continue };
            if step + 1 == sequence.steps.len() {
                let disturbed = sequence.absent.iter().any(|rule| {
                    last[*rule].is_some_and(|entry_| node.reaches(entry_.time, entry.time))
                });
                if !disturbed && completed.as_ref().is_none_or(|best| best.first < longer.first) {
                    completed = Some(Arc::clone(&longer));
                }
            }
            if way[step].as_ref().is_none_or(|best| best.first <= longer.first) {
                way[step] = Some(longer);
            }
        }
    }
    completed
}

impl Node {
    /// Whether hits leave its windows one by one, so that each must be kept.
    pub(crate) fn slides(&self) -> bool {
        let keeps_last = self.rule.kind.is_temporal();
        self.decided == Decided::AtHit && self.rule.timespan.is_some() && !keeps_last
    }

    /// Whether a window that ends at `now` holds a hit at `time`. A window that is decided at its close holds all its hits.
    pub(crate) fn reaches(&self, time: i64, now: i64) -> bool {
        self.decided != Decided::AtHit
            || self.rule.timespan.is_none_or(|timespan| time >= now.saturating_sub(timespan))
    }
}
