//! A multiset of numbers that finds its k-th smallest: for percentiles and medians over sliding windows.
//!
//! A treap in one vector: insert, remove and look-up cost O(log n) whatever the order of the values. Priorities come from a counter
//! through a mixing function, so the structure is the same in every run.

use super::number::Fixed;

const NONE: u32 = u32::MAX;

#[derive(Clone, Copy, Debug)]
struct Node {
    value: Fixed,
    /// How often the value is there.
    count: u64,
    /// Values of the whole subtree.
    size: u64,
    priority: u32,
    left: u32,
    right: u32,
}

/// The numbers.
#[derive(Clone, Debug)]
pub(crate) struct OrderStatistics {
    nodes: Vec<Node>,
    free: Vec<u32>,
    root: u32,
    inserted: u64,
}

impl Default for OrderStatistics {
    fn default() -> Self {
        Self { nodes: Vec::new(), free: Vec::new(), root: NONE, inserted: 0 }
    }
}

impl OrderStatistics {
    /// How many numbers there are, each as often as it was inserted.
    pub(crate) fn len(&self) -> u64 {
        self.size(self.root)
    }

    /// Distinct values and their space.
    pub(crate) fn bytes(&self) -> usize {
        self.nodes.capacity() * size_of::<Node>() + self.free.capacity() * 4
    }

    fn size(&self, node: u32) -> u64 {
        self.nodes.get(node as usize).map_or(0, |node| node.size)
    }

    /// Adds a number.
    pub(crate) fn insert(&mut self, value: Fixed) {
        self.insert_times(value, 1);
    }

    /// Adds a number so many times.
    pub(crate) fn insert_times(&mut self, value: Fixed, times: u64) {
        if self.add(value, times) {
            return;
        }
        self.inserted += 1;
        let priority = mixed(self.inserted);
        let node = Node { value, count: times, size: times, priority, left: NONE, right: NONE };
        let new = match self.free.pop() {
            Some(slot) => {
                self.nodes[slot as usize] = node;
                slot
            }
            None => {
                self.nodes.push(node);
                self.nodes.len() as u32 - 1
            }
        };
        let (less, more) = self.split(self.root, value);
        let less = self.merge(less, new);
        self.root = self.merge(less, more);
    }

    /// Counts a value that is there already.
    fn add(&mut self, value: Fixed, times: u64) -> bool {
        let Some(path) = self.path(value) else { return false };
        for &node in &path {
            self.nodes[node as usize].size += times;
        }
        if let Some(&last) = path.last() {
            self.nodes[last as usize].count += times;
        }
        true
    }

    /// Gives back the places of values that are gone.
    pub(crate) fn compact(&mut self) {
        let mut fewer = Self { inserted: self.inserted, ..Self::default() };
        self.counts().into_iter().for_each(|(value, count)| fewer.insert_times(value, count));
        *self = fewer;
    }

    /// Each value and how often it is there, ascending.
    pub(crate) fn counts(&self) -> Vec<(Fixed, u64)> {
        let mut counts = Vec::new();
        let mut path = Vec::new();
        let mut at = self.root;
        loop {
            while at != NONE {
                path.push(at);
                at = self.nodes[at as usize].left;
            }
            let Some(next) = path.pop() else { return counts };
            let node = &self.nodes[next as usize];
            counts.push((node.value, node.count));
            at = node.right;
        }
    }

    /// The nodes from the root to a value.
    fn path(&self, value: Fixed) -> Option<Vec<u32>> {
        let mut path = Vec::new();
        let mut at = self.root;
        while at != NONE {
            path.push(at);
            let node = &self.nodes[at as usize];
            at = match value.cmp(&node.value) {
                std::cmp::Ordering::Equal => return Some(path),
                std::cmp::Ordering::Less => node.left,
                std::cmp::Ordering::Greater => node.right,
            };
        }
        None
    }

    /// Takes one number of that value away, if there is one.
    pub(crate) fn remove(&mut self, value: Fixed) {
        let Some(path) = self.path(value) else { return };
        let Some(&last) = path.last() else { return };
        for &node in &path {
            self.nodes[node as usize].size -= 1;
        }
        let node = &mut self.nodes[last as usize];
        node.count -= 1;
        if node.count > 0 {
            return;
        }
        let (left, right) = (node.left, node.right);
        let joined = self.merge(left, right);
        match path.len().checked_sub(2).map(|above| path[above]) {
            None => self.root = joined,
            Some(above) => {
                let above = &mut self.nodes[above as usize];
                if above.left == last {
                    above.left = joined;
                } else {
                    above.right = joined;
                }
            }
        }
        self.free.push(last);
    }

    /// The number with so many smaller ones (or equal ones before it).
    pub(crate) fn nth(&self, mut index: u64) -> Option<Fixed> {
        let mut at = self.root;
        loop {
            let node = self.nodes.get(at as usize)?;
            let before = self.size(node.left);
            if index < before {
                at = node.left;
            } else if index < before + node.count {
                return Some(node.value);
            } else {
                index -= before + node.count;
                at = node.right;
            }
        }
    }

    fn update(&mut self, node: u32) {
        let Node { left, right, count, .. } = self.nodes[node as usize];
        self.nodes[node as usize].size = self.size(left) + self.size(right) + count;
    }

    /// What is less than `value`, and what is more. The depth is that of a balanced tree.
    fn split(&mut self, node: u32, value: Fixed) -> (u32, u32) {
        if node == NONE {
            return (NONE, NONE);
        }
        let Node { value: own, left, right, .. } = self.nodes[node as usize];
        let result = if own < value {
            let (less, more) = self.split(right, value);
            self.nodes[node as usize].right = less;
            (node, more)
        } else {
            let (less, more) = self.split(left, value);
            self.nodes[node as usize].left = more;
            (less, node)
        };
        self.update(node);
        result
    }

    fn merge(&mut self, left: u32, right: u32) -> u32 {
        if left == NONE || right == NONE {
            return if left == NONE { right } else { left };
        }
        if self.nodes[left as usize].priority > self.nodes[right as usize].priority {
            let joined = self.merge(self.nodes[left as usize].right, right);
            self.nodes[left as usize].right = joined;
            self.update(left);
            left
        } else {
            let joined = self.merge(left, self.nodes[right as usize].left);
            self.nodes[right as usize].left = joined;
            self.update(right);
            right
        }
    }
}

/// SplitMix64's finalizer.
fn mixed(number: u64) -> u32 {
    let mut x = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    (x ^ (x >> 31)) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn is_a_sorted_list(steps in proptest::collection::vec((proptest::bool::weighted(0.7), 0_i128..20), 0..200)) {
            let mut list: Vec<Fixed> = Vec::new();
            let mut statistics = OrderStatistics::default();
            for (insert, value) in steps {
                let value = Fixed::of_units(value);
                if insert {
                    list.push(value);
                    list.sort_unstable();
                    statistics.insert(value);
                } else {
                    if let Some(at) = list.iter().position(|have| *have == value) {
                        list.remove(at);
                    }
                    statistics.remove(value);
                }
                proptest::prop_assert_eq!(statistics.len(), list.len() as u64);
                for (at, value) in list.iter().enumerate() {
                    proptest::prop_assert_eq!(statistics.nth(at as u64), Some(*value));
                }
                proptest::prop_assert_eq!(statistics.nth(list.len() as u64), None);
                let mut counted = OrderStatistics::default();
                let counts = statistics.counts();
                counts.iter().for_each(|(value, count)| counted.insert_times(*value, *count));
                proptest::prop_assert_eq!(counted.counts(), counts);
                proptest::prop_assert_eq!(counted.nth(list.len() as u64 / 2), list.get(list.len() / 2).copied());
            }
        }
    }

    #[test]
    fn sorted_input_stays_balanced() {
        let mut statistics = OrderStatistics::default();
        for value in 0..200_000 {
            statistics.insert(Fixed::of_units(value));
        }
        assert_eq!(statistics.nth(123_456), Some(Fixed::of_units(123_456)));
        for value in 0..200_000 {
            statistics.remove(Fixed::of_units(value));
        }
        assert_eq!((statistics.len(), statistics.nodes.len()), (0, 200_000));
    }
}
