//! Alerts before the watermark: for conditions that later hits cannot undo, the moment enough hits lie in one window, in whatever
//! order they came.
//!
//! What can alert early: lower bounds of `event_count` and `value_count`; `temporal` without a condition, with lower bounds, or
//! with an extended condition without `not`; lower bounds of `value_sum` over fields that count something and are never
//! negative. Their rules must be detection rules, and they must have a timespan. All others wait for the watermark.
//!
//! For each group the hits of the last timespan before the watermark, and all after it, are kept with what windows that end at them
//! hold. A new hit changes the windows that end up to one timespan after it; those at which the condition holds now, and
//! did not before, may alert:
//!
//! * `every`: each of them, once.
//! * `once`: the first of each run of hits at which the condition holds, unless a neighbour of the run was told already. The windows
//!   take care of what becomes a stretch of its own only later, see [`marks`](super::marks).
//! * `quiet`: each that has no alert less than that long before or after it.
//!
//! An early alert shows what was known when it went out. Its id is made of the hit, because others of the same time may follow.
//!
//! This state is bounded too. A group that is given up here waits for the watermark; no alert is lost.

use super::alert::{Alert, Policy, Reason};
use super::condition::{self, Decided};
use super::cover::{Cover, Covered, Hit, Position};
use super::marks::Marks;
use super::number::{Fixed, Measure, Wide};
use super::rule::{Correlations, Node};
use super::sighting::Sighting;
use super::window::{Contributions, Entry, SHOWN, Value, rule_bit};
use super::windows::{Windows, group_key, key_texts, rule_identity, rules_of, value};
use crate::DetectionId;
use ahash::AHashMap;
use sigmund_sigma::correlation::{CorrelationType, TemporalCondition};
use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};
use std::ops::Bound;
use std::sync::Arc;

/// Fields that count something: no value of theirs is negative. Zeek's fields of type `count`, Suricata's flow counters, the byte
/// and packet counters of firewalls and web servers.
const COUNTERS: &[&str] = &[
    "bytes",
    "bytes_in",
    "bytes_out",
    "bytes_received",
    "bytes_sent",
    "cs-bytes",
    "flow.bytes_toclient",
    "flow.bytes_toserver",
    "flow.pkts_toclient",
    "flow.pkts_toserver",
    "missed_bytes",
    "missing_bytes",
    "orig_bytes",
    "orig_ip_bytes",
    "orig_pkts",
    "overflow_bytes",
    "packets",
    "pkts_received",
    "pkts_sent",
    "rcvdbyte",
    "rcvdpkt",
    "request_body_len",
    "resp_bytes",
    "resp_ip_bytes",
    "resp_pkts",
    "response_body_len",
    "sc-bytes",
    "seen_bytes",
    "sentbyte",
    "sentpkt",
    "total_bytes",
];

/// Sums are exact up to this many, for more hits than fit into memory.
const LARGEST: u64 = 1_000_000_000_000_000_000;

/// So many hits after one that made a condition true are looked at, where that takes a look at each.
const LOOK_AHEAD: u32 = 64;

/// How to tell that a condition holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Test {
    /// So many hits.
    Hits(i128),
    /// So many different texts.
    Texts(i128),
    /// Numbers of such a sum.
    Sum(i128),
    /// So many different rules.
    Rules(i128),
    /// Rules that satisfy an extended condition.
    Condition,
}

/// How a correlation alerts early; `None` if it waits.
fn test(set: &Correlations, node: &Node) -> Option<Test> {
    let may = node.decided == Decided::AtHit
        && node.reports
        && node.rule.timespan.is_some()
        && node.of_rules
        && node.bounds.are_lower();
    if !may {
        return None;
    }
    let least = || i128::from(node.bounds.least_count());
    match node.rule.kind {
        CorrelationType::EventCount => Some(Test::Hits(least())),
        CorrelationType::ValueCount => Some(Test::Texts(least())),
        CorrelationType::Temporal => match &node.rule.temporal_condition {
            Some(condition) => is_positive(condition).then_some(Test::Condition),
            None if node.bounds.is_empty() => Some(Test::Rules(node.references.len() as i128)),
            None => Some(Test::Rules(least())),
        },
        CorrelationType::ValueSum => {
            let counts = |field: &u32| COUNTERS.contains(&&*set.fields()[*field as usize]);
            let all = node.references.iter().all(|reference| reference.values.iter().all(counts));
            let least = node.bounds.least_units();
            (all && least <= Fixed::whole(LARGEST).units()).then_some(Test::Sum(least))
        }
        _ => None,
    }
}

fn is_positive(condition: &TemporalCondition) -> bool {
    match condition {
        TemporalCondition::And(of) | TemporalCondition::Or(of) => of.iter().all(is_positive),
        TemporalCondition::Not(_) => false,
        TemporalCondition::Rule(_) => true,
    }
}

/// A group as it is kept, all of it that matters at the watermark or after it.
#[derive(Debug)]
pub(crate) struct KeptGroup {
    pub(crate) at: u32,
    pub(crate) key: Box<[u8]>,
    /// In order.
    pub(crate) hits: Vec<KeptHit>,
}

/// A hit as it is kept.
#[derive(Debug)]
pub(crate) struct KeptHit {
    pub(crate) position: Position,
    pub(crate) settled: bool,
    pub(crate) references: Vec<u32>,
    pub(crate) value: KeptValue,
}

/// The value of a hit as it is kept.
#[derive(Debug)]
pub(crate) enum KeptValue {
    None,
    Text(Box<[u8]>),
    Units(i128),
}

/// Which correlations alert early.
pub(crate) fn which(set: &Correlations) -> impl Iterator<Item = bool> + '_ {
    set.nodes.iter().map(|node| test(set, node).is_some())
}

/// What is known of a group.
#[derive(Debug)]
struct Group {
    cover: Cover,
    values: Values,
    /// The largest time.
    last: i64,
    /// Whether hits add numbers.
    sums: bool,
    /// Of values.
    texts: usize,
    /// Counted in the total.
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

/// The hits of all groups that may alert early.
#[derive(Debug)]
pub(crate) struct Early {
    set: Arc<Correlations>,
    tests: Vec<Option<Test>>,
    groups: Vec<AHashMap<Arc<[u8]>, Group>>,
    /// When groups expire.
    timers: BinaryHeap<Reverse<Timer>>,
    bytes: usize,
    limit: usize,
    /// Groups that were given up.
    pub(crate) given_up: u64,
}

/// When a group of a correlation expires.
type Timer = (i64, u32, Arc<[u8]>);

/// A hit of one group on its way.
struct Arriving<'a> {
    position: Position,
    key: &'a [u8],
    references: &'a [u32],
    value: Value,
}

impl Early {
    pub(crate) fn new(set: Arc<Correlations>, limit: usize) -> Self {
        Self {
            tests: set.nodes.iter().map(|node| test(&set, node)).collect(),
            groups: set.nodes.iter().map(|_| AHashMap::new()).collect(),
            timers: BinaryHeap::new(),
            bytes: 0,
            limit,
            given_up: 0,
            set,
        }
    }

    /// About how much memory it takes.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// A sighting came that is not before the watermark.
    pub(crate) fn take(
        &mut self,
        sighting: &Sighting,
        watermark: i64,
        windows: &mut Windows,
        out: &mut Vec<Alert>,
    ) {
        let set = Arc::clone(&self.set);
        let mut inputs: Vec<(u32, u32)> = sighting
            .rules
            .iter()
            .flat_map(|rule| set.inputs(*rule))
            .filter(|input| self.tests[input.node as usize].is_some())
            .map(|input| (input.node, input.reference))
            .collect();
        // The order in which the windows take them.
        inputs.sort_unstable();
        inputs.dedup();
        for inputs in inputs.chunk_by(|a, b| a.0 == b.0) {
            let at = inputs[0].0;
            let node = &set.nodes[at as usize];
            let mut hits: Vec<(Vec<u8>, Vec<u32>, Value)> = Vec::new();
            for (_, reference) in inputs {
                let field = |field: u32| sighting.value(field);
                let mut key = Vec::new();
                if !group_key(&node.references[*reference as usize].group, &field, &mut key) {
                    continue;
                }
                let Some(value) = value(node, *reference, &field) else { continue };
                match hits.iter_mut().find(|(have, _, other)| *have == key && *other == value) {
                    Some((_, references, _)) => references.push(*reference),
                    None => hits.push((key, vec![*reference], value)),
                }
            }
            for (part, (key, references, value)) in (0u32..).zip(hits) {
                let position = Position::hit(sighting.time, sighting.event, part);
                let hit = Arriving { position, key: &key, references: &references, value };
                self.hit(node, at, hit, watermark, windows, out);
            }
        }
        self.relieve();
    }

    /// The watermark has moved: groups whose hits are in no window any more are forgotten.
    pub(crate) fn expire(&mut self, watermark: i64) {
        while self.timers.peek().is_some_and(|Reverse((due, ..))| *due < watermark) {
            self.pop();
        }
    }

    /// All groups, by correlation and key.
    pub(crate) fn kept(&self) -> Vec<KeptGroup> {
        let mut kept = Vec::new();
        for (at, groups) in (0u32..).zip(&self.groups) {
            kept.extend(groups.iter().map(|(key, group)| group.kept(at, key)));
        }
        kept.sort_unstable_by(|a: &KeptGroup, b| (a.at, &a.key).cmp(&(b.at, &b.key)));
        kept
    }

    /// Takes a group that was kept.
    pub(crate) fn keep(&mut self, kept: &KeptGroup) {
        let set = Arc::clone(&self.set);
        let node = &set.nodes[kept.at as usize];
        let Some(test) = self.tests[kept.at as usize] else { return };
        let (span, key): (_, Arc<[u8]>) = (self.span(kept.at), kept.key.clone().into());
        let mut group = Group::new(test, node);
        for hit in &kept.hits {
            let position = hit.position;
            let value = match &hit.value {
                KeptValue::None => Value::None,
                KeptValue::Text(text) => Value::Text(text.clone()),
                KeptValue::Units(units) => Value::Number(Fixed::of_units(*units)),
            };
            let arriving = Arriving { position, key: &key, references: &hit.references, value };
            group.last = group.last.max(position.time);
            group.insert(test, &arriving, position.time.saturating_add(span));
            if hit.settled {
                group.cover.settle(position);
            }
        }
        group.bytes = group.size(&key);
        self.bytes += group.bytes;
        self.timers.push(Reverse((group.last.saturating_add(span), kept.at, Arc::clone(&key))));
        if let Some(other) = self.groups[kept.at as usize].insert(key, group) {
            self.bytes -= other.bytes;
        }
    }

    /// The input is over.
    pub(crate) fn clear(&mut self) {
        self.groups.iter_mut().for_each(|groups| groups.clear());
        self.timers.clear();
        self.bytes = 0;
    }

    fn span(&self, at: u32) -> i64 {
        self.set.nodes[at as usize].rule.timespan.unwrap_or(i64::MAX)
    }

    /// Forgets the group of the first timer, unless it had later hits. Whether it did.
    fn pop(&mut self) -> bool {
        let Some(Reverse((due, at, key))) = self.timers.pop() else { return false };
        let span = self.span(at);
        let groups = &mut self.groups[at as usize];
        let Some(group) = groups.get(&key) else { return false };
        let needed = group.last.saturating_add(span);
        if needed > due {
            self.timers.push(Reverse((needed, at, key)));
            return false;
        }
        self.bytes -= group.bytes;
        groups.remove(&key);
        true
    }

    fn relieve(&mut self) {
        while self.bytes > self.limit && !self.timers.is_empty() {
            self.given_up += u64::from(self.pop());
        }
    }

    fn hit(
        &mut self,
        node: &Node,
        at: u32,
        hit: Arriving<'_>,
        watermark: i64,
        windows: &mut Windows,
        out: &mut Vec<Alert>,
    ) {
        let (Some(test), Some(span)) = (self.tests[at as usize], node.rule.timespan) else {
            return;
        };
        let time = hit.position.time;
        let until = time.saturating_add(span);
        let groups = &mut self.groups[at as usize];
        if !groups.contains_key(hit.key) {
            let key: Arc<[u8]> = hit.key.into();
            self.timers.push(Reverse((until, at, Arc::clone(&key))));
            groups.insert(key, Group::new(test, node));
        }
        let Some(group) = groups.get_mut(hit.key) else { return };
        group.last = group.last.max(time);
        group.forget(watermark, span);
        group.insert(test, &hit, until);
        let fresh = group.fresh(test, node, hit.position, span);
        if !fresh.is_empty() {
            let telling = Telling { node, at, key: hit.key, group, watermark, span, test };
            telling.tell(&fresh, windows, out);
        }
        let bytes = group.size(hit.key);
        self.bytes = self.bytes + bytes - group.bytes;
        group.bytes = bytes;
    }
}

impl Group {
    fn new(test: Test, node: &Node) -> Self {
        let values = match test {
            Test::Hits(_) | Test::Sum(_) => Values::None,
            Test::Texts(_) => Values::Texts(AHashMap::new()),
            Test::Rules(_) | Test::Condition => {
                Values::Rules(vec![BTreeSet::new(); node.references.len()])
            }
        };
        let sums = matches!(test, Test::Sum(_));
        Self { cover: Cover::default(), values, last: i64::MIN, sums, texts: 0, bytes: 0 }
    }

    fn kept(&self, at: u32, key: &[u8]) -> KeptGroup {
        let hits = (0..).map_while(|rank| self.cover.nth(rank)).map(|(position, hit)| {
            let references: Vec<u32> = match &self.values {
                Values::Rules(rules) => (0u32..)
                    .zip(rules)
                    .filter(|(_, hits)| hits.contains(&position))
                    .map(|(rule, _)| rule)
                    .collect(),
                _ => (0..32).filter(|rule| hit.rules & rule_bit(*rule) != 0).collect(),
            };
            let value = match (&hit.text, self.sums) {
                (Some(text), _) => KeptValue::Text(text[..].into()),
                (None, true) => KeptValue::Units(self.cover.change_at(position)),
                (None, false) => KeptValue::None,
            };
            KeptHit { position, settled: hit.settled, references, value }
        });
        KeptGroup { at, key: key.into(), hits: hits.collect() }
    }

    /// About how much memory it takes.
    fn size(&self, key: &[u8]) -> usize {
        // Maps and heaps have room to grow.
        let values = match &self.values {
            Values::None => 0,
            Values::Texts(texts) => texts.len() * 160 + self.texts,
            Values::Rules(rules) => {
                rules.iter().map(|hits| 24 + hits.len() * 2 * size_of::<Position>()).sum()
            }
        };
        2 * size_of::<Self>() + 3 * key.len() + 96 + self.cover.bytes() + values
    }

    /// Forgets hits that are in no window that ends at the watermark or later.
    fn forget(&mut self, watermark: i64, span: i64) {
        let before = watermark.saturating_sub(span);
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

    fn insert(&mut self, test: Test, hit: &Arriving<'_>, until: i64) {
        let position = hit.position;
        let mut text = None;
        match (&mut self.values, &hit.value) {
            (Values::Texts(texts), Value::Text(value)) => {
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
                let span = until.saturating_sub(position.time);
                for reference in hit.references {
                    let hits = &mut rules[*reference as usize];
                    // Where the hits before and after it do not cover.
                    let before = hits.range(..=position).next_back();
                    let before = before.map(|before| before.time.saturating_add(span));
                    let next = hits.range((Bound::Excluded(position), Bound::Unbounded)).next();
                    let from = match before {
                        Some(end) if end >= position.time => Position::end(end),
                        _ => position,
                    };
                    let to =
                        next.copied().unwrap_or(Position::end(until)).min(Position::end(until));
                    if from < to && test != Test::Condition {
                        self.cover.add(from, to, 1);
                    }
                    hits.insert(position);
                }
            }
            (_, Value::Number(number)) => {
                let most = Fixed::whole(LARGEST).units();
                let amount = number.units().clamp(-most, most);
                self.cover.add(position, Position::end(until), amount);
            }
            _ => self.cover.add(position, Position::end(until), 1),
        }
        let rules = hit.references.iter().fold(0, |bits, reference| bits | rule_bit(*reference));
        self.cover.insert(position, Hit { rules, settled: false, text });
    }

    /// The hits at which the condition holds since a hit came; they are settled now.
    fn fresh(&mut self, test: Test, node: &Node, hit: Position, span: i64) -> Vec<Position> {
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
        Entry { time: at.time, event: at.event, rules: hit.rules }
    }

    /// The hits that an alert shows.
    fn contributions(&self, node: &Node, at: Position, span: i64) -> Contributions {
        if let Values::Rules(rules) = &self.values {
            let last: BTreeSet<Position> =
                (0..rules.len()).filter_map(|rule| self.last_of(rule, at, span)).collect();
            let known = |at: &Position| Some(self.entry((*at, self.cover.get(*at)?)));
            let entries: Vec<Entry> = last.iter().filter_map(known).collect();
            return Contributions::of(entries.iter());
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

/// A group at some of whose hits the condition has just become true.
struct Telling<'a> {
    node: &'a Node,
    at: u32,
    key: &'a [u8],
    group: &'a Group,
    watermark: i64,
    span: i64,
    test: Test,
}

impl Telling<'_> {
    fn tell(&self, fresh: &[Position], windows: &mut Windows, out: &mut Vec<Alert>) {
        let policy = windows.policy(self.at);
        match policy {
            Policy::Every => {
                for hit in fresh {
                    self.alert(*hit, windows, out);
                }
            }
            Policy::Quiet(quiet) => {
                for hit in fresh {
                    let near = |other: Option<i64>| {
                        other.is_some_and(|other| hit.time.abs_diff(other) < quiet.unsigned_abs())
                    };
                    let (before, after) = windows.marks_around(self.at, self.key, *hit);
                    let alerted = windows.alerted(self.at, self.key);
                    if !near(before) && !near(after) && !near(alerted) {
                        self.alert(*hit, windows, out);
                    }
                }
            }
            Policy::Once => {
                let mut rest = fresh;
                while let Some(first) = rest.first() {
                    let mut last = *first;
                    let mut length = 1;
                    while let Some(next) = rest.get(length)
                        && self.next(last).is_some_and(|(at, _)| at == *next)
                    {
                        last = *next;
                        length += 1;
                    }
                    rest = &rest[length..];
                    if !self.is_told(*first, last, windows) {
                        self.alert(*first, windows, out);
                    }
                }
            }
        }
    }

    /// The hit after another, unless the window was empty in between.
    fn next(&self, hit: Position) -> Option<(Position, bool)> {
        let rank = self.group.cover.rank(hit) + 1;
        let (at, next) = self.group.cover.nth(rank)?;
        (at.time.saturating_sub(hit.time) <= self.span).then_some((at, next.settled))
    }

    /// Whether hits at which the condition was true before are next to a run of others.
    fn is_told(&self, first: Position, last: Position, windows: &Windows) -> bool {
        if self.next(last).is_some_and(|(_, settled)| settled) {
            return true;
        }
        let since = first.time.saturating_sub(self.span);
        let before = self.group.cover.rank(first).checked_sub(1);
        match before.and_then(|rank| self.group.cover.nth(rank)) {
            Some((at, hit)) if at.time >= self.watermark => hit.settled && at.time >= since,
            // The windows have been there.
            _ => windows.is_active(self.at, self.key, since),
        }
    }

    fn alert(&self, hit: Position, windows: &mut Windows, out: &mut Vec<Alert>) {
        windows.mark(self.at, self.key, hit);
        let (node, group) = (self.node, self.group);
        let value = match self.test {
            Test::Condition => None,
            Test::Sum(_) => Some(Measure::mean(Wide::of(group.cover.value(hit)), 1)),
            _ => Some(Measure::count(u64::try_from(group.cover.value(hit)).unwrap_or(0))),
        };
        let events = group.contributions(node, hit, self.span);
        let (time, record) = (hit.time.to_le_bytes(), hit.event.record.to_le_bytes());
        let (source, part) = (hit.event.source.to_le_bytes(), hit.part.to_le_bytes());
        let identity = rule_identity(node).as_bytes();
        let parts: [&[u8]; 7] = [identity, &node.hash, self.key, &time, &source, &record, &part];
        out.push(Alert {
            correlation: self.at,
            id: DetectionId::of("early correlation", &parts),
            reason: Reason::Condition,
            group: key_texts(self.key),
            value,
            time: hit.time,
            trigger: hit.event,
            rules: rules_of(&events, node),
            events,
        });
    }
}

/// The marks of a set.
pub(crate) fn marks(set: &Correlations) -> Marks {
    Marks::new(which(set))
}
