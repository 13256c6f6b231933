//! A hash table of slots: which slot holds a key or text, by its hash.
//!
//! Open addressing with linear probing, and the place by the hash's upper bits: a look-up that finds nothing and the insertion after it
//! touch one line of memory, and a table that grows is read and written from its beginning to its end. That is what keeps the
//! cost of a text about the same among millions as among thousands.

/// No slot.
pub(crate) const NONE: u32 = u32::MAX;

/// Slots by hash.
#[derive(Clone, Debug, Default)]
pub(crate) struct Index {
    /// None, or a power of two.
    cells: Vec<Cell>,
    len: usize,
}

#[derive(Clone, Copy, Debug)]
struct Cell {
    hash: u32,
    slot: u32,
}

const EMPTY: Cell = Cell { hash: 0, slot: NONE };

impl Index {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// How much memory it takes beside itself.
    pub(crate) fn bytes(&self) -> usize {
        self.cells.capacity() * size_of::<Cell>()
    }

    fn home(&self, hash: u32) -> usize {
        // Four cells or more.
        hash as usize >> (32 - self.cells.len().trailing_zeros())
    }

    fn after(&self, at: usize) -> usize {
        (at + 1) & (self.cells.len() - 1)
    }

    /// The slot with that hash that is the right one.
    pub(crate) fn find(&self, hash: u32, mut is: impl FnMut(u32) -> bool) -> Option<u32> {
        if self.len == 0 {
            return None;
        }
        let mut at = self.home(hash);
        loop {
            let cell = self.cells[at];
            if cell.slot == NONE {
                return None;
            }
            if cell.hash == hash && is(cell.slot) {
                return Some(cell.slot);
            }
            at = self.after(at);
        }
    }

    /// Adds a slot that is not there.
    pub(crate) fn insert(&mut self, hash: u32, slot: u32) {
        if (self.len + 1) * 4 > self.cells.len() * 3 {
            self.resize((self.cells.len() * 2).max(4));
        }
        self.place(Cell { hash, slot });
        self.len += 1;
    }

    fn place(&mut self, cell: Cell) {
        let mut at = self.home(cell.hash);
        while self.cells[at].slot != NONE {
            at = self.after(at);
        }
        self.cells[at] = cell;
    }

    fn resize(&mut self, cells: usize) {
        let old = std::mem::replace(&mut self.cells, vec![EMPTY; cells]);
        old.into_iter().filter(|cell| cell.slot != NONE).for_each(|cell| self.place(cell));
    }

    /// Takes a slot away, if it is there.
    pub(crate) fn remove(&mut self, hash: u32, slot: u32) {
        if self.len == 0 {
            return;
        }
        let mut hole = self.home(hash);
        while self.cells[hole].slot != slot {
            if self.cells[hole].slot == NONE {
                return;
            }
            hole = self.after(hole);
        }
        // What was pushed on by a cell that is free now moves back.
        let mask = self.cells.len() - 1;
        let mut next = self.after(hole);
        while self.cells[next].slot != NONE {
            let home = self.home(self.cells[next].hash);
            if next.wrapping_sub(home) & mask >= next.wrapping_sub(hole) & mask {
                self.cells[hole] = self.cells[next];
                hole = next;
            }
            next = self.after(next);
        }
        self.cells[hole] = EMPTY;
        self.len -= 1;
        if self.cells.len() > 64 && self.len < self.cells.len() / 8 {
            self.resize(self.cells.len() / 4);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    proptest::proptest! {
        #[test]
        fn is_a_map(steps in proptest::collection::vec((0_u32..400, proptest::bool::weighted(0.6), 0_u32..4), 0..2000)) {
            let mut index = Index::default();
            let mut map: BTreeMap<u32, u32> = BTreeMap::new();
            for (slot, insert, spread) in steps {
                // Many of one hash, and many around the end of the table.
                let hash = map.get(&slot).copied().unwrap_or(match spread {
                    0 => u32::MAX,
                    1 => u32::MAX - slot,
                    2 => slot,
                    _ => slot.wrapping_mul(0x9E37_79B9),
                });
                if insert && !map.contains_key(&slot) {
                    index.insert(hash, slot);
                    map.insert(slot, hash);
                } else if !insert {
                    index.remove(hash, slot);
                    map.remove(&slot);
                }
                proptest::prop_assert_eq!(index.len(), map.len());
            }
            for slot in 0..400 {
                let hash = map.get(&slot).copied();
                let found = index.find(hash.unwrap_or(7), |have| have == slot);
                proptest::prop_assert_eq!(found, hash.map(|_| slot));
            }
        }
    }

    #[test]
    fn memory_is_given_back() {
        let mut index = Index::default();
        let hash = |slot: u32| slot.wrapping_mul(0x9E37_79B9);
        (0..100_000).for_each(|slot| index.insert(hash(slot), slot));
        assert_eq!(index.bytes(), 8 << 18);
        (0..99_990).for_each(|slot| index.remove(hash(slot), slot));
        assert!(index.bytes() <= 1024, "{}", index.bytes());
        assert!(
            (99_990..100_000).all(|slot| index.find(hash(slot), |have| have == slot).is_some())
        );
    }
}
