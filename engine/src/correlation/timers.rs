//! When groups are to be looked at: a heap for each correlation, and the first of each in order.

use super::windows::Key;
use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};

/// Timers. They are not taken back: a group knows which of its timers counts.
#[derive(Debug)]
pub(crate) struct Timers {
    heaps: Vec<BinaryHeap<Reverse<(i64, Key)>>>,
    /// The first timer of each correlation that has one.
    heads: BTreeSet<(i64, u32)>,
}

impl Timers {
    pub(crate) fn new(rules: usize) -> Self {
        let heaps = (0..rules).map(|_| BinaryHeap::new()).collect();
        Self { heaps, heads: BTreeSet::new() }
    }

    fn head(&self, at: u32) -> Option<(i64, u32)> {
        self.heaps[at as usize].peek().map(|Reverse((due, _))| (*due, at))
    }

    pub(crate) fn push(&mut self, due: i64, at: u32, key: Key) {
        let before = self.head(at);
        self.heaps[at as usize].push(Reverse((due, key)));
        if before.is_none_or(|(head, _)| due < head) {
            before.map(|head| self.heads.remove(&head));
            self.heads.insert((due, at));
        }
    }

    /// The first timer of one correlation.
    pub(crate) fn pop_of(&mut self, at: u32) -> Option<(i64, u32, Key)> {
        let before = self.head(at)?;
        let Reverse((due, key)) = self.heaps[at as usize].pop()?;
        let after = self.head(at);
        if after != Some(before) {
            self.heads.remove(&before);
            self.heads.extend(after);
        }
        Some((due, at, key))
    }

    /// The first timer of all; of the same time, that of the innermost correlation and the smallest group.
    pub(crate) fn pop(&mut self) -> Option<(i64, u32, Key)> {
        let (_, at) = *self.heads.first()?;
        self.pop_of(at)
    }

    /// The first timer before a time.
    pub(crate) fn pop_before(&mut self, time: i64) -> Option<(i64, u32, Key)> {
        if self.heads.first().is_none_or(|(due, _)| *due >= time) { None } else { self.pop() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn come_in_order() {
        let mut timers = Timers::new(2);
        for (due, at, key) in [(5, 1, b"a"), (3, 0, b"b"), (5, 0, b"c"), (5, 0, b"a"), (3, 0, b"b")]
        {
            timers.push(due, at, Key::from(&key[..]));
        }
        assert_eq!(timers.pop_before(3), None);
        assert_eq!(timers.pop_of(1), Some((5, 1, Key::from(&b"a"[..]))));
        timers.push(4, 1, Key::from(&b"z"[..]));
        let rest: Vec<_> =
            std::iter::from_fn(|| timers.pop()).map(|(due, at, key)| (due, at, key[0])).collect();
        assert_eq!(rest, [(3, 0, b'b'), (3, 0, b'b'), (4, 1, b'z'), (5, 0, b'a'), (5, 0, b'c')]);
    }
}
