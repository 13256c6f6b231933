//! The window of one group: its hits and what is computed over them, kept up to date as hits come and leave.
//!
//! Sliding windows keep every hit with its value, because it leaves again. Windows that only grow until they are closed keep the
//! aggregate, and of the hits the oldest and the newest. Temporal windows keep the last hit of each rule, and ordered ones the
//! best beginning of a sequence for each step: the one that began last can be completed longest, so no other is needed.

use super::condition::{self, Decided, Sequence};
use super::hits::Queue;
use super::number::{Fixed, Measure, Wide};
use super::order_statistics::OrderStatistics;
use super::rule::Node;
use super::segments::Segments;
use super::sighting::EventRef;
use super::texts::Texts;
use sigmund_sigma::correlation::CorrelationType;
use std::collections::BTreeMap;
use std::sync::Arc;

/// So many of the oldest and of the newest hits an alert shows.
pub const SHOWN: usize = 10;

/// One hit: an event that at least one of the correlation's rules matched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
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
    pub(crate) fn of(entries: &[Entry]) -> Self {
        Self::of_each(entries.len(), |at| entries[at])
    }

    /// Of so many hits, each by its place. No other is looked at: there may be millions.
    fn of_each(total: usize, entry: impl Fn(usize) -> Entry) -> Self {
        let oldest = (0..total.min(SHOWN)).map(&entry).collect();
        let newest = (SHOWN.max(total.saturating_sub(SHOWN))..total).map(&entry).collect();
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
    Text(Box<[u8]>),
    Number(Fixed),
}

/// The hits of a window.
#[derive(Clone, Debug)]
pub(crate) enum Hits {
    /// They leave again.
    All(Queue),
    /// They only get more.
    Some(Box<Contributions>),
}

/// What is computed over a window. Where hits leave again, their values are kept in the order of the hits.
#[derive(Clone, Debug)]
pub(crate) enum Aggregate {
    Count,
    Distinct(Box<Texts>),
    Numbers(Box<Numbers>),
    /// The last hit of each rule.
    Last(Box<[Option<Entry>]>),
    Sequences(Box<Sequences>),
}

/// Numbers.
#[derive(Clone, Debug)]
pub(crate) struct Numbers {
    pub(crate) over: Over,
    pub(crate) values: Segments<Fixed>,
}

/// What is computed over numbers.
#[derive(Clone, Debug)]
pub(crate) enum Over {
    /// And how many they are.
    Sum(Wide, u64),
    Ordered(OrderStatistics),
    Extremes(BTreeMap<Fixed, u64>),
}

/// Sequences that have begun.
#[derive(Clone, Debug)]
pub(crate) struct Sequences {
    /// For each sequence and each of its steps the hits of the beginning that began last.
    pub(crate) ways: Vec<Vec<Option<Arc<Chain>>>>,
    /// The last hit of each rule.
    pub(crate) last: Vec<Option<Entry>>,
    /// The sequence that the last hit completed.
    completed: Option<Arc<Chain>>,
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
}

impl Over {
    fn new(kind: CorrelationType) -> Self {
        match kind {
            CorrelationType::ValuePercentile | CorrelationType::ValueMedian => {
                Self::Ordered(OrderStatistics::default())
            }
            CorrelationType::ValueMin | CorrelationType::ValueMax => {
                Self::Extremes(BTreeMap::new())
            }
            _ => Self::Sum(Wide::default(), 0),
        }
    }

    pub(crate) fn add(&mut self, number: Fixed) {
        match self {
            Self::Sum(sum, count) => {
                *sum = sum.plus(Wide::of(number.units()));
                *count += 1;
            }
            Self::Ordered(statistics) => statistics.insert(number),
            Self::Extremes(values) => *values.entry(number).or_default() += 1,
        }
    }

    fn remove(&mut self, number: Fixed) {
        match self {
            Self::Sum(sum, count) => {
                *sum = sum.plus(Wide::of(number.units()).negated());
                *count -= 1;
            }
            Self::Ordered(statistics) => statistics.remove(number),
            Self::Extremes(values) => {
                if let Some(count) = values.get_mut(&number) {
                    *count -= 1;
                    if *count == 0 {
                        values.remove(&number);
                    }
                }
            }
        }
    }

    fn bytes(&self) -> usize {
        // A number in a tree, its count, its share of the tree's nodes.
        const BRANCH: usize = 64;
        match self {
            Self::Sum(..) => 0,
            Self::Ordered(statistics) => statistics.bytes(),
            Self::Extremes(values) => values.len() * BRANCH,
        }
    }
}

impl Window {
    pub(crate) fn new(node: &Node) -> Self {
        let hits =
            if node.slides() { Hits::All(Queue::default()) } else { Hits::Some(Box::default()) };
        let references = node.references.len();
        let aggregate = match node.rule.kind {
            CorrelationType::EventCount => Aggregate::Count,
            CorrelationType::ValueCount => Aggregate::Distinct(Box::default()),
            CorrelationType::Temporal => Aggregate::Last(vec![None; references].into()),
            CorrelationType::TemporalOrdered => {
                let steps = |way: &Sequence| vec![None; way.steps.len()];
                let ways = node.sequences.iter().map(steps).collect();
                let last = vec![None; references];
                Aggregate::Sequences(Box::new(Sequences { ways, last, completed: None }))
            }
            kind => {
                let numbers = Numbers { over: Over::new(kind), values: Segments::default() };
                Aggregate::Numbers(Box::new(numbers))
            }
        };
        Self { hits, aggregate }
    }

    /// Adds a hit that is not before any other. `references` are the rules that the event hit.
    pub(crate) fn add(&mut self, node: &Node, entry: Entry, value: &Value, references: &[u32]) {
        let slides = matches!(self.hits, Hits::All(_));
        match (&mut self.aggregate, value) {
            (Aggregate::Distinct(texts), Value::Text(text)) => {
                if slides {
                    texts.push(text);
                } else {
                    texts.keep(text);
                }
            }
            (Aggregate::Numbers(numbers), Value::Number(number)) => {
                numbers.over.add(*number);
                if slides {
                    numbers.values.push(*number);
                }
            }
            (Aggregate::Last(last), _) => {
                references.iter().for_each(|at| last[*at as usize] = Some(entry));
            }
            (Aggregate::Sequences(sequences), _) => {
                let Sequences { ways, last, completed } = &mut **sequences;
                references.iter().for_each(|at| last[*at as usize] = Some(entry));
                *completed = advance(&node.sequences, ways, last, entry, references, node);
            }
            _ => {}
        }
        match &mut self.hits {
            Hits::All(all) => all.push(entry),
            // An alert of these shows the last hits of rules, or a sequence.
            Hits::Some(some) if node.decided == Decided::AtHit && node.rule.kind.is_temporal() => {
                some.total += 1;
            }
            Hits::Some(some) => some.push(entry),
        }
    }

    /// Takes away the hits before a time.
    pub(crate) fn expire(&mut self, before: i64) {
        while let Hits::All(all) = &self.hits
            && all.first().is_some_and(|entry| entry.time < before)
        {
            self.drop_oldest();
        }
    }

    /// Takes the oldest hit away.
    pub(crate) fn drop_oldest(&mut self) -> Option<Entry> {
        let Hits::All(all) = &mut self.hits else { return None };
        let entry = all.pop()?;
        match &mut self.aggregate {
            Aggregate::Distinct(texts) => texts.pop(),
            Aggregate::Numbers(numbers) => {
                if let Some(number) = numbers.values.pop() {
                    numbers.over.remove(number);
                }
            }
            _ => {}
        }
        Some(entry)
    }

    /// Takes the older half of the hits away, and gives all memory back that is not needed then: how many they were.
    pub(crate) fn halve(&mut self) -> u64 {
        let given_up = self.kept() / 2;
        for _ in 0..given_up {
            self.drop_oldest();
        }
        if let Hits::All(all) = &mut self.hits {
            all.shrink();
        }
        match &mut self.aggregate {
            Aggregate::Distinct(texts) => texts.compact(),
            Aggregate::Numbers(numbers) => {
                numbers.values.shrink();
                if let Over::Ordered(statistics) = &mut numbers.over {
                    statistics.compact();
                }
            }
            _ => {}
        }
        given_up as u64
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

    /// Makes sure that [`Window::holds`] says what is the case, though perhaps not how much it compared.
    pub(crate) fn settle_condition(&mut self, node: &Node) {
        if let Aggregate::Distinct(texts) = &mut self.aggregate {
            let (least, most) = texts.range();
            if least < most && !node.bounds.agree(&Measure::count(least), &Measure::count(most)) {
                texts.settle();
            }
        }
    }

    /// Makes sure that [`Window::measure`] is exact: whether it was not.
    pub(crate) fn settle(&mut self) -> bool {
        match &mut self.aggregate {
            Aggregate::Distinct(texts) => texts.settle(),
            _ => false,
        }
    }

    /// What the condition compares, for the window that ends at `now`, if it is settled. `None` without any value.
    pub(crate) fn measure(&self, node: &Node, now: i64) -> Option<Measure> {
        Some(match &self.aggregate {
            Aggregate::Count => Measure::count(self.len()),
            Aggregate::Distinct(texts) => Measure::count(texts.range().0),
            Aggregate::Numbers(numbers) => match &numbers.over {
                Over::Sum(_, 0) => return None,
                Over::Sum(sum, count) => {
                    let divided = node.rule.kind == CorrelationType::ValueAvg;
                    Measure::mean(*sum, if divided { *count } else { 1 })
                }
                Over::Ordered(statistics) => percentile(statistics, node.percentile)?,
                Over::Extremes(values) => {
                    let least = node.rule.kind == CorrelationType::ValueMin;
                    let found =
                        if least { values.first_key_value() } else { values.last_key_value() };
                    Measure::number(*found?.0)
                }
            },
            Aggregate::Last(last) => {
                let seen = last.iter().flatten().filter(|entry| node.reaches(entry.time, now));
                Measure::count(seen.count() as u64)
            }
            Aggregate::Sequences(sequences) => {
                let chain = sequences.completed.as_ref();
                Measure::count(chain.map_or(0, |chain| chain.hits.len() as u64))
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
            Aggregate::Sequences(sequences) => {
                sequences.completed.is_some() && node.bounds.hold(&measure)
            }
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
                Contributions::of(&seen)
            }
            (Aggregate::Sequences(sequences), _) => {
                let hits = sequences.completed.as_ref().map_or(&[][..], |chain| &chain.hits);
                Contributions::of(hits)
            }
            (_, Hits::All(all)) => Contributions::of_each(all.len(), |at| all.at(at)),
            (_, Hits::Some(some)) => Contributions::clone(some),
        }
    }

    /// About how much memory it takes beside itself.
    pub(crate) fn bytes(&self) -> usize {
        // The head of an allocation.
        const HEAD: usize = 16;
        let hits = match &self.hits {
            Hits::All(all) => all.bytes(),
            Hits::Some(some) => {
                size_of::<Contributions>()
                    + HEAD
                    + (some.oldest.capacity() + some.newest.capacity()) * size_of::<Entry>()
            }
        };
        let aggregate = match &self.aggregate {
            Aggregate::Count => 0,
            Aggregate::Distinct(texts) => size_of::<Texts>() + HEAD + texts.bytes(),
            Aggregate::Numbers(numbers) => {
                size_of::<Numbers>() + HEAD + numbers.over.bytes() + numbers.values.bytes()
            }
            Aggregate::Last(last) => last.len() * size_of::<Option<Entry>>() + HEAD,
            Aggregate::Sequences(sequences) => {
                let Sequences { ways, last, .. } = &**sequences;
                let chains =
                    |way: &Vec<_>| way.len() * (way.len() + 2) * size_of::<Option<Entry>>();
                size_of::<Sequences>()
                    + last.len() * size_of::<Option<Entry>>()
                    + ways.iter().map(chains).sum::<usize>()
            }
        };
        hits + aggregate
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[test]
    fn of_many_hits_only_those_that_are_shown_are_looked_at() {
        let looks = Cell::new(0);
        let entry = |at: usize| Entry { time: at as i64, ..Entry::default() };
        for total in [0, 1, SHOWN, SHOWN + 3, 2 * SHOWN, 1_000_000] {
            looks.set(0);
            let shown = Contributions::of_each(total, |at| {
                looks.set(looks.get() + 1);
                entry(at)
            });
            let mut expected = Contributions::default();
            (0..total).for_each(|at| expected.push(entry(at)));
            assert_eq!((shown, looks.get()), (expected, total.min(2 * SHOWN)));
        }
    }
}
