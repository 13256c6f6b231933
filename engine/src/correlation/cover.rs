//! What the windows of a group hold, as a function of where they end, for hits that come in any order.
//!
//! A hit is in all windows that end in `[t, t + timespan]`: it adds its amount over that stretch. The function is kept as
//! its changes, in a balanced tree in order of position; each node knows the sum of its subtree's changes and the largest value at
//! a hit there that is not settled. Adding an amount over a stretch and finding the first unsettled hit at which the function
//! reaches a threshold take logarithmic time. Changes before all positions of interest are folded into a base.

use super::hash;
use super::sighting::EventRef;
use std::sync::Arc;

/// Where a window may end: at a hit, or at the end of a time, which is after all hits of that time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) time: i64,
    record: u64,
    source: u32,
    /// An event may be several hits of a group, with different values: the how-many-eth. Or the end.
    part: u32,
}

/// As a part: the end of a time.
const END: u32 = u32::MAX;

impl Position {
    pub(crate) fn hit(time: i64, event: EventRef, part: u32) -> Self {
        let EventRef { source, record } = event;
        Self { time, record, source, part: part.min(END - 1) }
    }

    /// After all hits of a time.
    pub(crate) fn end(time: i64) -> Self {
        Self { time, record: u64::MAX, source: u32::MAX, part: END }
    }

    /// Before all hits of a time.
    pub(crate) fn start(time: i64) -> Self {
        Self { time, record: 0, source: 0, part: 0 }
    }

    pub(crate) fn event(self) -> EventRef {
        EventRef { source: self.source, record: self.record }
    }

    pub(crate) fn part(self) -> u32 {
        self.part
    }

    fn order(&self) -> (i64, u32, u64, u32) {
        (self.time, self.source, self.record, self.part)
    }
}

impl PartialOrd for Position {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Position {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.order().cmp(&other.order())
    }
}

/// What is known of a hit.
#[derive(Clone, Debug)]
pub(crate) struct Hit {
    /// The rules, as bits.
    pub(crate) references: u64,
    /// The condition is known to hold here.
    pub(crate) settled: bool,
    /// Its value, where values are told apart.
    pub(crate) text: Option<Arc<[u8]>>,
}

const NONE: u32 = u32::MAX;
/// Less than all that is compared with it, and far from overflowing.
const NOWHERE: i128 = i128::MIN / 4;

#[derive(Debug)]
struct Node {
    at: Position,
    /// The function changes here by so much.
    delta: i128,
    hit: Option<Hit>,
    /// Of the subtree: the sum of all changes.
    sum: i128,
    /// Of the subtree: the largest sum of changes up to a hit that is not settled.
    best: i128,
    /// Of the subtree.
    hits: u32,
    left: u32,
    right: u32,
    priority: u32,
}

/// The function.
#[derive(Debug)]
pub(crate) struct Cover {
    nodes: Vec<Node>,
    free: Vec<u32>,
    root: u32,
    base: i128,
    made: u64,
}

impl Default for Cover {
    fn default() -> Self {
        Self { nodes: Vec::new(), free: Vec::new(), root: NONE, base: 0, made: 0 }
    }
}

impl Cover {
    /// Adds an amount between two positions, the first included, the second not.
    pub(crate) fn add(&mut self, from: Position, to: Position, amount: i128) {
        self.root = self.change(self.root, from, amount, None);
        self.root = self.change(self.root, to, -amount, None);
    }

    /// Adds a hit.
    pub(crate) fn insert(&mut self, at: Position, hit: Hit) {
        self.root = self.change(self.root, at, 0, Some(hit));
    }

    /// The condition is known to hold at a hit.
    pub(crate) fn settle(&mut self, at: Position) {
        self.settle_in(self.root, at);
    }

    /// Forgets the first position if it is before a time; its hit.
    pub(crate) fn pop_before(&mut self, time: i64) -> Option<Option<Hit>> {
        let mut first = self.root;
        while let Some(node) = self.nodes.get(first as usize)
            && node.left != NONE
        {
            first = node.left;
        }
        let node = self.nodes.get_mut(first as usize).filter(|node| node.at.time < time)?;
        let hit = node.hit.take();
        self.base += node.delta;
        self.root = self.without_first(self.root);
        if self.root == NONE {
            let base = self.base;
            *self = Self { base, made: self.made, ..Self::default() };
        } else {
            self.free.push(first);
        }
        Some(hit)
    }

    /// The first unsettled hit between two positions, both included, at which the function is at least `threshold`.
    pub(crate) fn first(&self, from: Position, to: Position, threshold: i128) -> Option<Position> {
        self.first_in(self.root, self.base, (from, to), threshold)
    }

    /// The function at a position.
    pub(crate) fn value(&self, at: Position) -> i128 {
        let (mut value, mut next) = (self.base, self.root);
        while let Some(node) = self.nodes.get(next as usize) {
            if node.at <= at {
                value += self.sum(node.left) + node.delta;
                next = node.right;
            } else {
                next = node.left;
            }
        }
        value
    }

    /// How many hits are before a position.
    pub(crate) fn rank(&self, at: Position) -> u32 {
        let (mut rank, mut next) = (0, self.root);
        while let Some(node) = self.nodes.get(next as usize) {
            if node.at < at {
                rank += self.hits(node.left) + u32::from(node.hit.is_some());
                next = node.right;
            } else {
                next = node.left;
            }
        }
        rank
    }

    /// The hit before which there are so many.
    pub(crate) fn nth(&self, mut rank: u32) -> Option<(Position, &Hit)> {
        let mut next = self.root;
        while let Some(node) = self.nodes.get(next as usize) {
            let before = self.hits(node.left);
            if rank < before {
                next = node.left;
                continue;
            }
            rank -= before;
            if let Some(hit) = &node.hit {
                if rank == 0 {
                    return Some((node.at, hit));
                }
                rank -= 1;
            }
            next = node.right;
        }
        None
    }

    /// A hit.
    pub(crate) fn get(&self, at: Position) -> Option<&Hit> {
        self.find(at)?.hit.as_ref()
    }

    /// By how much the function changes at a position.
    pub(crate) fn change_at(&self, at: Position) -> i128 {
        self.find(at).map_or(0, |node| node.delta)
    }

    fn find(&self, at: Position) -> Option<&Node> {
        let mut next = self.root;
        while let Some(node) = self.nodes.get(next as usize) {
            match at.cmp(&node.at) {
                std::cmp::Ordering::Less => next = node.left,
                std::cmp::Ordering::Greater => next = node.right,
                std::cmp::Ordering::Equal => return Some(node),
            }
        }
        None
    }

    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.root == NONE
    }

    /// About how much memory it takes.
    pub(crate) fn bytes(&self) -> usize {
        self.nodes.capacity() * size_of::<Node>() + self.free.capacity() * size_of::<u32>()
    }

    fn sum(&self, of: u32) -> i128 {
        self.nodes.get(of as usize).map_or(0, |node| node.sum)
    }

    fn hits(&self, of: u32) -> u32 {
        self.nodes.get(of as usize).map_or(0, |node| node.hits)
    }

    fn best(&self, of: u32) -> i128 {
        self.nodes.get(of as usize).map_or(NOWHERE, |node| node.best)
    }

    fn priority(&self, of: u32) -> u32 {
        self.nodes.get(of as usize).map_or(0, |node| node.priority)
    }

    fn make(&mut self, at: Position, delta: i128, hit: Option<Hit>) -> u32 {
        self.made += 1;
        // Nobody can choose hits that make the tree deep.
        let priority = hash::of(&self.made.to_le_bytes());
        let (left, right) = (NONE, NONE);
        let node = Node { at, delta, hit, sum: 0, best: NOWHERE, hits: 0, left, right, priority };
        let index = match self.free.pop() {
            Some(index) => {
                self.nodes[index as usize] = node;
                index
            }
            None => {
                self.nodes.push(node);
                self.nodes.len() as u32 - 1
            }
        };
        self.pull(index);
        index
    }

    /// Computes anew what a node knows of its subtree.
    fn pull(&mut self, of: u32) {
        let node = &self.nodes[of as usize];
        let here = self.sum(node.left) + node.delta;
        let open = node.hit.as_ref().is_some_and(|hit| !hit.settled);
        let mut best = self.best(node.left);
        if open {
            best = best.max(here);
        }
        let right = self.best(node.right);
        if right > NOWHERE {
            best = best.max(here + right);
        }
        let sum = here + self.sum(node.right);
        let hits = self.hits(node.left) + u32::from(node.hit.is_some()) + self.hits(node.right);
        let node = &mut self.nodes[of as usize];
        (node.sum, node.best, node.hits) = (sum, best, hits);
    }

    /// Adds to the change at a position, and a hit; the new root.
    fn change(&mut self, root: u32, at: Position, delta: i128, hit: Option<Hit>) -> u32 {
        if root == NONE {
            return self.make(at, delta, hit);
        }
        let node = &mut self.nodes[root as usize];
        let (left, right) = (node.left, node.right);
        let mut top = root;
        match at.cmp(&node.at) {
            std::cmp::Ordering::Equal => {
                node.delta += delta;
                if node.hit.is_none() {
                    node.hit = hit;
                }
                if node.delta == 0 && node.hit.is_none() {
                    self.free.push(root);
                    return self.join(left, right);
                }
            }
            std::cmp::Ordering::Less => {
                let left = self.change(left, at, delta, hit);
                self.nodes[root as usize].left = left;
                if left != NONE && self.priority(left) > self.priority(root) {
                    self.nodes[root as usize].left = self.nodes[left as usize].right;
                    self.pull(root);
                    self.nodes[left as usize].right = root;
                    top = left;
                }
            }
            std::cmp::Ordering::Greater => {
                let right = self.change(right, at, delta, hit);
                self.nodes[root as usize].right = right;
                if right != NONE && self.priority(right) > self.priority(root) {
                    self.nodes[root as usize].right = self.nodes[right as usize].left;
                    self.pull(root);
                    self.nodes[right as usize].left = root;
                    top = right;
                }
            }
        }
        self.pull(top);
        top
    }

    /// One tree of two, all of the first before all of the second.
    fn join(&mut self, left: u32, right: u32) -> u32 {
        if left == NONE {
            return right;
        }
        if right == NONE {
            return left;
        }
        let top = if self.priority(left) > self.priority(right) {
            let joined = self.join(self.nodes[left as usize].right, right);
            self.nodes[left as usize].right = joined;
            left
        } else {
            let joined = self.join(left, self.nodes[right as usize].left);
            self.nodes[right as usize].left = joined;
            right
        };
        self.pull(top);
        top
    }

    fn without_first(&mut self, root: u32) -> u32 {
        let Some(node) = self.nodes.get(root as usize) else { return NONE };
        if node.left == NONE {
            return node.right;
        }
        let left = self.without_first(node.left);
        self.nodes[root as usize].left = left;
        self.pull(root);
        root
    }

    fn settle_in(&mut self, root: u32, at: Position) {
        let Some(node) = self.nodes.get_mut(root as usize) else { return };
        let (left, right) = (node.left, node.right);
        match at.cmp(&node.at) {
            std::cmp::Ordering::Less => self.settle_in(left, at),
            std::cmp::Ordering::Greater => self.settle_in(right, at),
            std::cmp::Ordering::Equal => {
                if let Some(hit) = &mut node.hit {
                    hit.settled = true;
                }
            }
        }
        self.pull(root);
    }

    fn first_in(
        &self,
        root: u32,
        before: i128,
        (from, to): (Position, Position),
        threshold: i128,
    ) -> Option<Position> {
        let node = self.nodes.get(root as usize)?;
        if node.best <= NOWHERE || before + node.best < threshold {
            return None;
        }
        let here = before + self.sum(node.left) + node.delta;
        if node.at > to {
            return self.first_in(node.left, before, (from, to), threshold);
        }
        if node.at >= from {
            if let Some(found) = self.first_in(node.left, before, (from, to), threshold) {
                return Some(found);
            }
            if here >= threshold && node.hit.as_ref().is_some_and(|hit| !hit.settled) {
                return Some(node.at);
            }
        }
        self.first_in(node.right, here, (from, to), threshold)
    }
}

/// The stretches of positions that the hits of one value cover.
#[derive(Clone, Debug, Default)]
pub(crate) struct Covered(Vec<(Position, i64)>);

impl Covered {
    /// Covers from a hit to the end of a time; what was not covered before: from a position to one that is not included.
    /// A hit covers a whole timespan, and so does each stretch: what is new is in one piece.
    pub(crate) fn cover(&mut self, from: Position, until: i64) -> Option<(Position, Position)> {
        let next = self.0.partition_point(|(start, _)| *start <= from);
        let before = next.checked_sub(1).map(|at| self.0[at].1).filter(|end| *end >= from.time);
        if before.is_some_and(|end| end >= until) {
            return None;
        }
        let after = self.0.get(next).copied().filter(|(start, _)| start.time <= until);
        let start = before.map_or(from, Position::end);
        let end = after.map_or(Position::end(until), |(start, _)| start);
        match (before.is_some(), after) {
            (true, Some((_, last))) => {
                self.0[next - 1].1 = last;
                self.0.remove(next);
            }
            (true, None) => self.0[next - 1].1 = until,
            (false, Some(_)) => self.0[next].0 = from,
            (false, None) => {
                if self.0.is_empty() {
                    self.0.reserve_exact(1);
                }
                self.0.insert(next, (from, until));
            }
        }
        Some((start, end))
    }

    /// Forgets stretches that end before a time. Whether none is left.
    pub(crate) fn expire(&mut self, time: i64) -> bool {
        self.0.retain(|(_, until)| *until >= time);
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn at(time: i64, record: u64) -> Position {
        Position::hit(time, EventRef { source: 0, record }, 0)
    }

    fn plain() -> Hit {
        Hit { references: 1, settled: false, text: None }
    }

    fn dice(seed: &mut u64) -> u64 {
        *seed =
            seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        *seed >> 33
    }

    #[test]
    fn is_a_sum_of_stretches() {
        let mut seed = 7;
        for _ in 0..200 {
            let mut cover = Cover::default();
            let mut stretches: Vec<(Position, Position, i128)> = Vec::new();
            let mut hits: BTreeMap<Position, bool> = BTreeMap::new();
            let mut horizon = 0;
            for record in 0..60 {
                let time = horizon + (dice(&mut seed) % 30) as i64;
                let span = (dice(&mut seed) % 10) as i64;
                let position = at(time, record);
                let amount = (dice(&mut seed) % 3) as i128;
                cover.insert(position, plain());
                cover.add(position, Position::end(time + span), amount);
                hits.insert(position, false);
                stretches.push((position, Position::end(time + span), amount));
                let value = |position: Position| -> i128 {
                    let inside = |(from, to, _): &&(Position, Position, i128)| {
                        *from <= position && position < *to
                    };
                    stretches.iter().filter(inside).map(|(.., amount)| amount).sum()
                };
                for (rank, (position, settled)) in hits.iter().enumerate() {
                    assert_eq!(cover.value(*position), value(*position));
                    assert_eq!(cover.rank(*position), rank as u32);
                    assert_eq!(cover.nth(rank as u32).unwrap().0, *position);
                    assert_eq!(cover.get(*position).unwrap().settled, *settled);
                }
                let until = Position::end(time + span);
                let expected = hits
                    .range(position..=until)
                    .find(|(at, settled)| !**settled && value(**at) >= 4)
                    .map(|(at, _)| *at);
                assert_eq!(cover.first(position, until, 4), expected);
                if let Some(found) = expected {
                    cover.settle(found);
                    hits.insert(found, true);
                }
                if dice(&mut seed).is_multiple_of(8) {
                    horizon += 3;
                    while cover.pop_before(horizon).is_some() {}
                    hits = hits.split_off(&Position::start(horizon));
                }
            }
            while cover.pop_before(i64::MAX).is_some() {}
            assert!(cover.is_empty());
            assert_eq!(cover.base, 0);
        }
    }

    #[test]
    fn a_value_covers_each_position_once() {
        let mut seed = 3;
        for _ in 0..500 {
            let mut covered = Covered::default();
            let mut cover = Cover::default();
            let mut hits: Vec<Position> = Vec::new();
            for record in 0..20 {
                let position = at((dice(&mut seed) % 60) as i64, record);
                cover.insert(position, plain());
                if let Some((from, to)) = covered.cover(position, position.time + 7) {
                    cover.add(from, to, 1);
                }
                hits.push(position);
                for asked in &hits {
                    let inside = |hit: &&Position| **hit <= *asked && asked.time <= hit.time + 7;
                    let expected = i128::from(hits.iter().any(|hit| inside(&hit)));
                    assert_eq!(cover.value(*asked), expected);
                }
            }
            assert!(!covered.expire(7));
            assert!(covered.expire(100));
        }
    }

    #[test]
    fn sorted_hits_make_no_deep_tree() {
        let mut cover = Cover::default();
        for record in 0..200_000 {
            cover.insert(at(record as i64, record), plain());
        }
        fn depth(cover: &Cover, of: u32) -> usize {
            match cover.nodes.get(of as usize) {
                Some(node) => 1 + depth(cover, node.left).max(depth(cover, node.right)),
                None => 0,
            }
        }
        assert!(depth(&cover, cover.root) < 80, "{}", depth(&cover, cover.root));
    }
}
