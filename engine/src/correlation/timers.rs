//! When groups are to be looked at: for each correlation what comes in order in a queue and what does not in a heap.
//!
//! Events come in order of time, and a group is to be looked at one timespan after a hit: nearly all timers come in order.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

/// Timers of groups, by their slots. They are not taken back: a group knows which of its timers counts.
#[derive(Debug)]
pub(crate) struct Timers {
    rules: Vec<Queue>,
    /// The first time of each correlation, and of each two and so on: a binary tree, from its root at 1 to the leaves.
    first: Vec<i64>,
}

/// No timer, or one of a window that never ends.
const NEVER: i64 = i64::MAX;

#[derive(Debug, Default)]
struct Queue {
    /// When and which, ascending by time.
    sorted: VecDeque<(i64, u32)>,
    others: BinaryHeap<Reverse<(i64, u32)>>,
}

impl Queue {
    fn first(&self) -> Option<i64> {
        let sorted = self.sorted.front().map(|(due, _)| *due);
        let other = self.others.peek().map(|Reverse((due, _))| *due);
        match (sorted, other) {
            (Some(sorted), Some(other)) => Some(sorted.min(other)),
            (sorted, other) => sorted.or(other),
        }
    }

    fn push(&mut self, due: i64, slot: u32) {
        if self.sorted.back().is_none_or(|(last, _)| *last <= due) {
            self.sorted.push_back((due, slot));
        } else {
            self.others.push(Reverse((due, slot)));
        }
    }

    fn pop(&mut self) -> Option<(i64, u32)> {
        let due = self.first()?;
        match self.sorted.front() {
            Some((first, _)) if *first == due => {
                let popped = self.sorted.pop_front();
                let room = self.sorted.capacity();
                if room > 1024 && self.sorted.len() < room / 4 {
                    self.sorted.shrink_to(room / 2);
                }
                popped
            }
            _ => self.others.pop().map(|Reverse(timer)| timer),
        }
    }
}

impl Timers {
    pub(crate) fn new(rules: usize) -> Self {
        let first = vec![NEVER; 2 * rules.next_power_of_two()];
        let rules = (0..rules).map(|_| Queue::default()).collect();
        Self { rules, first }
    }

    /// The first timer of a correlation may be another one now.
    fn moved(&mut self, at: u32) {
        let due = self.rules[at as usize].first().unwrap_or(NEVER);
        let mut place = self.first.len() / 2 + at as usize;
        if self.first[place] == due {
            return;
        }
        self.first[place] = due;
        while place > 1 {
            place /= 2;
            self.first[place] = self.first[2 * place].min(self.first[2 * place + 1]);
        }
    }

    /// The first time of all.
    pub(crate) fn first(&self) -> Option<i64> {
        self.head().map(|(due, _)| due)
    }

    /// The first time of all and, of the correlations that have it, the innermost.
    fn head(&self) -> Option<(i64, u32)> {
        let due = self.first[1];
        if due == NEVER {
            let at = self.rules.iter().position(|queue| queue.first().is_some())?;
            return Some((due, at as u32));
        }
        let leaves = self.first.len() / 2;
        let mut place = 1;
        while place < leaves {
            place *= 2;
            place += usize::from(self.first[place] != due);
        }
        Some((due, (place - leaves) as u32))
    }

    pub(crate) fn push(&mut self, due: i64, at: u32, slot: u32) {
        self.rules[at as usize].push(due, slot);
        self.moved(at);
    }

    /// The first timer of one correlation.
    pub(crate) fn pop_of(&mut self, at: u32) -> Option<(i64, u32, u32)> {
        let (due, slot) = self.rules[at as usize].pop()?;
        self.moved(at);
        Some((due, at, slot))
    }

    /// The first timer of all; of the same time, one of the innermost correlation.
    pub(crate) fn pop(&mut self) -> Option<(i64, u32, u32)> {
        let (_, at) = self.head()?;
        self.pop_of(at)
    }

    /// The first timers before a time: all those of the same correlation that are due at the same time.
    pub(crate) fn pop_before(
        &mut self,
        time: Option<i64>,
        slots: &mut Vec<u32>,
    ) -> Option<(i64, u32)> {
        if time.is_some_and(|time| self.first[1] >= time) {
            return None;
        }
        let (due, at) = self.head()?;
        slots.clear();
        let queue = &mut self.rules[at as usize];
        while queue.first() == Some(due) {
            slots.extend(queue.pop().map(|(_, slot)| slot));
        }
        self.moved(at);
        Some((due, at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn come_in_order() {
        let mut timers = Timers::new(2);
        for (due, at, slot) in [(5, 1, 10), (3, 0, 11), (5, 0, 12), (5, 0, 10), (3, 0, 11)] {
            timers.push(due, at, slot);
        }
        let mut slots = Vec::new();
        assert_eq!(timers.pop_before(Some(3), &mut slots), None);
        assert_eq!(timers.pop_of(1), Some((5, 1, 10)));
        timers.push(4, 1, 19);
        let mut all = Vec::new();
        while let Some((due, at)) = timers.pop_before(None, &mut slots) {
            slots.sort_unstable();
            all.push((due, at, slots.clone()));
        }
        assert_eq!(timers.pop(), None);
        timers.push(i64::MAX, 1, 7);
        assert_eq!(timers.pop(), Some((i64::MAX, 1, 7)));
        assert_eq!(all, [(3, 0, vec![11, 11]), (4, 1, vec![19]), (5, 0, vec![10, 12])]);
        assert_eq!(timers.pop(), None);
    }
}
