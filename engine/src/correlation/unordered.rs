//! The hits of one group in whatever order they came, and where its condition holds.
//!
//! Most groups never have enough hits for an alert: as long as theirs cannot make the condition true they only wait in a list.

use super::condition;
use super::cover::{Cover, Covered, Hit, Position};
use super::monotone::{LARGEST, Test};
use super::number::Fixed;
use super::rule::Node;
use super::window::{Contributions, Entry, SHOWN, Value, rule_bit};
use ahash::AHashMap;
use std::collections::{BTreeSet, VecDeque};
use std::ops::Bound;
use std::sync::Arc;

/// So many hits after one that made a condition true are looked at, where that takes a look at each.
const LOOK_AHEAD: u32 = 64;

/// A list has no more hits than this, enough for an alert or not.
const LONGEST: usize = 1024;

/// A hit of a group.
#[derive(Clone, Debug)]
pub(crate) struct GroupHit {
    pub(crate) position: Position,
    /// The condition is known to hold here.
    pub(crate) settled: bool,
    /// The rules, as bits.
    pub(crate) references: u64,
    pub(crate) value: HitValue,
}

/// The value of a hit.
#[derive(Clone, Debug)]
pub(crate) enum HitValue {
    None,
    Text(Box<[u8]>),
    /// Of a sum.
    Units(Box<i128>),
}

impl HitValue {
    pub(crate) fn new(value: Value) -> Self {
        match value {
            Value::None => Self::None,
            Value::Text(text) => Self::Text(text),
            Value::Number(number) => {
                let most = Fixed::whole(LARGEST).units();
                Self::Units(Box::new(number.units().clamp(-most, most)))
            }
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::None => 0,
            Self::Text(text) => text.len() + 16,
            Self::Units(_) => 32,
        }
    }
}

/// The hits of a group.
#[derive(Debug)]
pub(crate) struct Unordered {
    /// As long as there are not enough for an alert.
    few: Option<Few>,
    pub(crate) cover: Cover,
    values: Values,
    /// The largest time.
    pub(crate) last: i64,
    /// Whether hits add numbers.
    sums: bool,
    /// Of values.
    texts: usize,
    /// Counted in the total.
    pub(crate) bytes: usize,
    /// It is in the list of those that changed.
    pub(crate) touched: bool,
}

/// Hits in order.
#[derive(Debug, Default)]
struct Few {
    hits: VecDeque<GroupHit>,
    /// The sum of what they add, or more.
    amount: i128,
    /// All their rules, or more.
    references: u64,
    /// Bytes of values.
    bytes: usize,
}

/// Where values were seen.
#[derive(Debug)]
enum Values {
    None,
    Texts(AHashMap<Arc<[u8]>, Covered>),
    /// The hits of each rule.
    Rules(Vec<BTreeSet<Position>>),
}

/// The numbers of rules in bits.
fn each(references: u64) -> impl Iterator<Item = u32> {
    (0..u64::BITS).filter(move |at| references >> at & 1 == 1)
}

impl Few {
    fn insert(&mut self, hit: GroupHit) {
        self.amount += match &hit.value {
            HitValue::Units(units) => (**units).max(0),
            _ => 1,
        };
        self.references |= hit.references;
        self.bytes += hit.value.bytes();
        if self.hits.back().is_none_or(|last| last.position <= hit.position) {
            self.hits.push_back(hit);
            return;
        }
        let at = self.hits.partition_point(|other| other.position <= hit.position);
        self.hits.insert(at, hit);
    }

    fn forget(&mut self, before: i64) {
        while self.hits.front().is_some_and(|hit| hit.position.time < before)
            && let Some(hit) = self.hits.pop_front()
        {
            self.bytes -= hit.value.bytes();
            self.amount -= match hit.value {
                HitValue::Units(units) => (*units).max(0),
                _ => 1,
            };
        }
    }

    /// Whether the condition may hold over any of them.
    fn is_enough(&mut self, test: Test, node: &Node) -> bool {
        let all = |references: u64| match (test, &node.rule.temporal_condition) {
            (Test::Condition, Some(condition)) => {
                condition::holds(condition, &|rule| references >> rule & 1 == 1)
            }
            (Test::Rules(least), _) => i128::from(references.count_ones()) >= least,
            _ => true,
        };
        if !all(self.references) {
            return false;
        }
        match test {
            Test::Hits(least) | Test::Texts(least) | Test::Sum(least) => self.amount >= least,
            Test::Rules(_) | Test::Condition => {
                self.references = self.hits.iter().fold(0, |all, hit| all | hit.references);
                all(self.references)
            }
        }
    }
}

impl Unordered {
    pub(crate) fn new(test: Test) -> Self {
        let values = match test {
            Test::Texts(_) => Values::Texts(AHashMap::new()),
            _ => Values::None,
        };
        Self {
            few: Some(Few::default()),
            cover: Cover::default(),
            values,
            last: i64::MIN,
            sums: matches!(test, Test::Sum(_)),
            texts: 0,
            bytes: 0,
            touched: false,
        }
    }

    /// All hits, in order.
    pub(crate) fn kept(&self) -> Vec<GroupHit> {
        if let Some(few) = &self.few {
            return few.hits.iter().cloned().collect();
        }
        let hits = (0..).map_while(|rank| self.cover.nth(rank)).map(|(position, hit)| {
            let value = match (&hit.text, self.sums) {
                (Some(text), _) => HitValue::Text(text[..].into()),
                (None, true) => HitValue::Units(Box::new(self.cover.change_at(position))),
                (None, false) => HitValue::None,
            };
            GroupHit { position, settled: hit.settled, references: hit.references, value }
        });
        hits.collect()
    }

    /// About how much memory it takes.
    pub(crate) fn size(&self, key: &[u8]) -> usize {
        // Maps and heaps have room to grow.
        let values = match &self.values {
            Values::None => 0,
            Values::Texts(texts) => texts.len() * 160 + self.texts,
            Values::Rules(rules) => {
                rules.iter().map(|hits| 24 + hits.len() * 2 * size_of::<Position>()).sum()
            }
        };
        let few = self
            .few
            .as_ref()
            .map_or(0, |few| few.hits.capacity() * size_of::<GroupHit>() + few.bytes);
        2 * size_of::<Self>() + 3 * key.len() + 96 + self.cover.bytes() + values + few
    }

    /// Forgets hits that are in no window that ends at the watermark or later.
    pub(crate) fn forget(&mut self, watermark: i64, span: i64) {
        let before = watermark.saturating_sub(span);
        if let Some(few) = &mut self.few {
            few.forget(before);
            return;
        }
        while let Some(hit) = self.cover.pop_before(before) {
            if let (Some(text), Values::Texts(texts)) =
                (hit.and_then(|hit| hit.text), &mut self.values)
                && let Some(covered) = texts.get_mut(&text)
                && covered.expire(watermark)
            {
                texts.remove(&text);
                self.texts -= text.len();
            }
        }
        if let Values::Rules(rules) = &mut self.values {
            for hits in rules {
                while hits.first().is_some_and(|first| first.time < before) {
                    hits.pop_first();
                }
            }
        }
    }

    /// Adds a hit. Whether the condition may hold anywhere.
    pub(crate) fn add(&mut self, test: Test, node: &Node, hit: GroupHit, span: i64) -> bool {
        self.last = self.last.max(hit.position.time);
        let Some(few) = &mut self.few else {
            self.insert(test, &hit, span);
            return true;
        };
        few.insert(hit);
        if few.hits.len() < LONGEST && !few.is_enough(test, node) {
            return false;
        }
        let few = self.few.take().unwrap_or_default();
        if matches!(test, Test::Rules(_) | Test::Condition) {
            self.values = Values::Rules(vec![BTreeSet::new(); node.references.len()]);
        }
        for hit in &few.hits {
            self.insert(test, hit, span);
        }
        true
    }

    fn insert(&mut self, test: Test, hit: &GroupHit, span: i64) {
        let position = hit.position;
        let until = position.time.saturating_add(span);
        let mut text = None;
        match (&mut self.values, &hit.value) {
            (Values::Texts(texts), HitValue::Text(value)) => {
                let known = texts.get_key_value(&value[..]).map(|(known, _)| Arc::clone(known));
                let shared = known.unwrap_or_else(|| {
                    self.texts += value.len();
                    Arc::from(&value[..])
                });
                let covered = texts.entry(Arc::clone(&shared)).or_default();
                if let Some((from, to)) = covered.cover(position, until) {
                    self.cover.add(from, to, 1);
                }
                text = Some(shared);
            }
            (Values::Rules(rules), _) => {
                for reference in each(hit.references) {
                    let Some(hits) = rules.get_mut(reference as usize) else { continue };
                    // Where the hits before and after it do not cover.
                    let before = hits.range(..=position).next_back();
                    let before = before.map(|before| before.time.saturating_add(span));
                    let next = hits.range((Bound::Excluded(position), Bound::Unbounded)).next();
                    let from = match before {
                        Some(end) if end >= position.time => Position::end(end),
                        _ => position,
                    };
                    let end = Position::end(until);
                    let to = next.copied().unwrap_or(end).min(end);
                    if from < to && test != Test::Condition {
                        self.cover.add(from, to, 1);
                    }
                    hits.insert(position);
                }
            }
            (_, HitValue::Units(units)) => {
                self.cover.add(position, Position::end(until), **units);
            }
            _ => self.cover.add(position, Position::end(until), 1),
        }
        let (references, settled) = (hit.references, hit.settled);
        self.cover.insert(position, Hit { references, settled, text });
    }

    /// The hits at which the condition holds since a hit came; they are settled now.
    pub(crate) fn fresh(
        &mut self,
        test: Test,
        node: &Node,
        hit: Position,
        span: i64,
    ) -> Vec<Position> {
        let until = Position::end(hit.time.saturating_add(span));
        let mut fresh = Vec::new();
        match test {
            Test::Hits(least) | Test::Texts(least) | Test::Sum(least) | Test::Rules(least) => {
                while let Some(found) = self.cover.first(hit, until, least) {
                    self.cover.settle(found);
                    fresh.push(found);
                }
            }
            Test::Condition => {
                for at in self.candidates(hit, until) {
                    let first = self.cover.rank(at);
                    for rank in first..first.saturating_add(LOOK_AHEAD) {
                        let Some((at, known)) = self.cover.nth(rank) else { break };
                        if known.settled || at > until || !self.holds(node, at, span) {
                            break;
                        }
                        self.cover.settle(at);
                        fresh.push(at);
                    }
                }
                fresh.sort_unstable();
            }
        }
        fresh
    }

    /// If an extended condition became true anywhere, then at the hit or where another rule hits next: rules do not leave a window
    /// before the first position at which the others are in it.
    fn candidates(&self, hit: Position, until: Position) -> Vec<Position> {
        let mut found = vec![hit];
        if let Values::Rules(rules) = &self.values {
            let after = (Bound::Excluded(hit), Bound::Included(until));
            found.extend(rules.iter().filter_map(|hits| hits.range(after).next().copied()));
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    /// The last hit of a rule in the window that ends at a position.
    fn last_of(&self, rule: usize, at: Position, span: i64) -> Option<Position> {
        let Values::Rules(rules) = &self.values else { return None };
        let last = rules.get(rule)?.range(..=at).next_back().copied()?;
        (last.time >= at.time.saturating_sub(span)).then_some(last)
    }

    /// Whether an extended condition holds in the window that ends at a position.
    fn holds(&self, node: &Node, at: Position, span: i64) -> bool {
        let seen = |rule: usize| self.last_of(rule, at, span).is_some();
        node.rule.temporal_condition.as_ref().is_some_and(|of| condition::holds(of, &seen))
    }

    fn entry(&self, (at, hit): (Position, &Hit)) -> Entry {
        let rules = each(hit.references).fold(0, |bits, reference| bits | rule_bit(reference));
        Entry { time: at.time, event: at.event(), rules }
    }

    /// The hits that an alert shows.
    pub(crate) fn contributions(&self, node: &Node, at: Position, span: i64) -> Contributions {
        if let Values::Rules(rules) = &self.values {
            let last: BTreeSet<Position> =
                (0..rules.len()).filter_map(|rule| self.last_of(rule, at, span)).collect();
            let known = |at: &Position| Some(self.entry((*at, self.cover.get(*at)?)));
            let entries: Vec<Entry> = last.iter().filter_map(known).collect();
            return Contributions::of(&entries);
        }
        debug_assert!(!node.rule.kind.is_temporal());
        let first = self.cover.rank(Position::start(at.time.saturating_sub(span)));
        let end = self.cover.rank(at) + 1;
        let shown = SHOWN as u32;
        let entries = |ranks: std::ops::Range<u32>| -> Vec<Entry> {
            ranks.filter_map(|rank| self.cover.nth(rank).map(|found| self.entry(found))).collect()
        };
        let middle = end.min(first + shown);
        Contributions {
            oldest: entries(first..middle),
            newest: entries(middle.max(end.saturating_sub(shown))..end),
            total: u64::from(end - first),
        }
    }
}
