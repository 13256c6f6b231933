//! Alerts before the watermark: for conditions that later hits cannot undo, the moment enough hits lie in one window, in whatever
//! order they came. Which conditions those are is in [`monotone`](super::monotone).
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
use super::cover::Position;
use super::key::{group_key, key_texts, value};
use super::marks::Marks;
use super::monotone::{Test, test, which};
use super::naming::{rule_identity, rules_of};
use super::number::{Measure, Wide};
use super::rule::{Correlations, Node};
use super::share::Share;
use super::sighting::Sighting;
use super::unordered::{GroupHit, HitValue, Unordered};
use super::window::Value;
use super::windows::Windows;
use crate::DetectionId;
use ahash::AHashMap;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

/// The hits of all groups that may alert early.
#[derive(Debug)]
pub(crate) struct Early {
    set: Arc<Correlations>,
    tests: Vec<Option<Test>>,
    groups: Vec<AHashMap<Arc<[u8]>, Unordered>>,
    /// When groups expire.
    timers: BinaryHeap<Reverse<Timer>>,
    bytes: usize,
    limit: usize,
    /// Groups that were given up.
    pub(crate) given_up: u64,
    /// Which groups are its own, where others have the rest.
    share: Option<Share>,
    /// The groups that changed, some twice; `None` if nobody wants to know.
    touched: Option<Vec<(u32, Arc<[u8]>)>>,
}

/// When a group of a correlation expires.
type Timer = (i64, u32, Arc<[u8]>);

/// A group as it is kept.
#[derive(Debug)]
pub(crate) struct KeptGroup {
    pub(crate) at: u32,
    pub(crate) key: Box<[u8]>,
    /// In order.
    pub(crate) hits: Vec<GroupHit>,
}

impl Early {
    pub(crate) fn new(set: Arc<Correlations>, limit: usize, share: Option<Share>) -> Self {
        Self {
            tests: set.nodes.iter().map(|node| test(&set, node)).collect(),
            groups: set.nodes.iter().map(|_| AHashMap::new()).collect(),
            timers: BinaryHeap::new(),
            bytes: 0,
            limit,
            given_up: 0,
            share,
            touched: None,
            set,
        }
    }

    /// From now on remembers which groups change, for [`Early::touched`]; those that are there have.
    pub(crate) fn follow(&mut self) {
        let mut touched = Vec::new();
        for (at, groups) in (0u32..).zip(&mut self.groups) {
            for (key, group) in groups {
                group.touched = true;
                touched.push((at, Arc::clone(key)));
            }
        }
        self.touched = Some(touched);
    }

    /// The groups that changed since the last call, in no order and some twice.
    pub(crate) fn touched(&mut self) -> Vec<(u32, Arc<[u8]>)> {
        let touched = self.touched.as_mut().map(std::mem::take).unwrap_or_default();
        for (at, key) in &touched {
            if let Some(group) = self.groups[*at as usize].get_mut(key) {
                group.touched = false;
            }
        }
        touched
    }

    /// The groups, in no order.
    pub(crate) fn keys(&self) -> impl Iterator<Item = (u32, &[u8])> {
        let groups = (0u32..).zip(&self.groups);
        groups.flat_map(|(at, groups)| groups.keys().map(move |key| (at, &**key)))
    }

    /// The hits of a group.
    pub(crate) fn of(&self, at: u32, key: &[u8]) -> Option<&Unordered> {
        self.groups[at as usize].get(key)
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
            let mut hits: Vec<(Vec<u8>, u64, Value)> = Vec::new();
            for (_, reference) in inputs {
                let field = |field: u32| sighting.value(field);
                let mut key = Vec::new();
                if !group_key(&node.references[*reference as usize].group, &field, &mut key)
                    || self.share.as_ref().is_some_and(|share| !share.has(at, &key))
                {
                    continue;
                }
                let Some(value) = value(node, *reference, &field) else { continue };
                match hits.iter_mut().find(|(have, _, other)| *have == key && *other == value) {
                    Some((_, references, _)) => *references |= 1 << reference,
                    None => hits.push((key, 1 << reference, value)),
                }
            }
            for (key, references, value) in hits {
                let part = references.trailing_zeros();
                let position = Position::hit(sighting.time, sighting.event, part);
                let value = HitValue::new(value);
                let hit = GroupHit { position, settled: false, references, value };
                self.hit(node, (at, &key), hit, watermark, windows, out);
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
            kept.extend(groups.iter().map(|(key, group)| {
                let hits = group.kept();
                KeptGroup { at, key: key[..].into(), hits }
            }));
        }
        kept.sort_unstable_by(|a: &KeptGroup, b| (a.at, &a.key).cmp(&(b.at, &b.key)));
        kept
    }

    /// Takes a group that was kept.
    pub(crate) fn keep(&mut self, kept: KeptGroup) {
        let set = Arc::clone(&self.set);
        let node = &set.nodes[kept.at as usize];
        let Some(test) = self.tests[kept.at as usize] else { return };
        let (span, key): (_, Arc<[u8]>) = (self.span(kept.at), kept.key.into());
        let mut group = Unordered::new(test);
        for hit in kept.hits {
            group.add(test, node, hit, span);
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
        for (at, groups) in (0u32..).zip(&mut self.groups) {
            let gone = groups.drain().map(|(key, _)| (at, key));
            match &mut self.touched {
                Some(touched) => touched.extend(gone),
                None => drop(gone),
            }
        }
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
        if let Some(touched) = &mut self.touched {
            touched.push((at, key));
        }
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
        (at, key): (u32, &[u8]),
        hit: GroupHit,
        watermark: i64,
        windows: &mut Windows,
        out: &mut Vec<Alert>,
    ) {
        let (Some(test), Some(span)) = (self.tests[at as usize], node.rule.timespan) else {
            return;
        };
        let position = hit.position;
        let groups = &mut self.groups[at as usize];
        if !groups.contains_key(key) {
            let key: Arc<[u8]> = key.into();
            let until = position.time.saturating_add(span);
            self.timers.push(Reverse((until, at, Arc::clone(&key))));
            groups.insert(key, Unordered::new(test));
        }
        let Some(group) = groups.get_mut(key) else { return };
        if let Some(touched) = &mut self.touched
            && !std::mem::replace(&mut group.touched, true)
        {
            touched.push((at, key.into()));
        }
        group.forget(watermark, span);
        if group.add(test, node, hit, span) {
            let fresh = group.fresh(test, node, position, span);
            if !fresh.is_empty() {
                let telling = Telling { node, at, key, group, watermark, span, test };
                telling.tell(&fresh, windows, out);
            }
        }
        let bytes = group.size(key);
        self.bytes = self.bytes + bytes - group.bytes;
        group.bytes = bytes;
    }
}

/// A group at some of whose hits the condition has just become true.
struct Telling<'a> {
    node: &'a Node,
    at: u32,
    key: &'a [u8],
    group: &'a Unordered,
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
            // The windows have been there; or the group was given up, and only its marks are known.
            _ => {
                let (mark, _) = windows.marks_around(self.at, self.key, first);
                windows.is_active(self.at, self.key, since)
                    || mark.is_some_and(|mark| mark >= since)
            }
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
        let (time, record) = (hit.time.to_le_bytes(), hit.event().record.to_le_bytes());
        let (source, part) = (hit.event().source.to_le_bytes(), hit.part().to_le_bytes());
        let identity = rule_identity(node).as_bytes();
        let parts: [&[u8]; 7] = [identity, &node.hash, self.key, &time, &source, &record, &part];
        out.push(Alert {
            correlation: self.at,
            id: DetectionId::of("early correlation", &parts),
            reason: Reason::Condition,
            group: key_texts(self.key),
            value,
            time: hit.time,
            trigger: hit.event(),
            rules: rules_of(&events, node),
            events,
        });
    }
}

/// The marks of a set.
pub(crate) fn marks(set: &Correlations) -> Marks {
    Marks::new(which(set))
}
