//! A hash table of slots: which slot holds a key or text, by its hash.
//!
//! Cells are in lines that are as large as a line of the processor's cache. The hash's upper bits say which line; what has no room in
//! a full one goes to the next. A look-up that finds nothing reads one line, and decides by all its cells at once: the processor
//! guesses that right and goes on with the hit while it waits for memory. A table that grows is read and written from its
//! beginning to its end. That is what keeps the cost of a text about the same among millions as among thousands.

/// No slot.
pub(crate) const NONE: u32 = u32::MAX;

/// Cells of a line.
const WIDTH: usize = 8;

/// Slots by hash.
#[derive(Clone, Debug)]
pub(crate) struct Index {
    cells: Cells,
    len: usize,
}

#[derive(Clone, Debug)]
enum Cells {
    /// At most [`WIDTH`], each a hash and its slot.
    Few(Vec<(u32, u32)>),
    /// A power of two, at least two.
    Lines(Vec<Line>),
}

/// Cells that are used come first.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
struct Line {
    hashes: [u32; WIDTH],
    slots: [u32; WIDTH],
}

const EMPTY: Line = Line { hashes: [0; WIDTH], slots: [NONE; WIDTH] };

impl Line {
    fn is_full(&self) -> bool {
        self.slots[WIDTH - 1] != NONE
    }

    fn used(&self) -> usize {
        self.slots.iter().map(|slot| usize::from(*slot != NONE)).sum()
    }

    /// The cells with that hash, as bits; those that are not used too.
    fn matches(&self, hash: u32) -> u32 {
        let bits = self.hashes.iter().zip(0..).map(|(have, at)| u32::from(*have == hash) << at);
        bits.fold(0, |bits, bit| bits | bit)
    }

    fn iter(&self) -> impl Iterator<Item = (u32, u32)> + '_ {
        let cells = self.hashes.iter().copied().zip(self.slots.iter().copied());
        cells.take_while(|(_, slot)| *slot != NONE)
    }

    fn set(&mut self, at: usize, (hash, slot): (u32, u32)) {
        self.hashes[at] = hash;
        self.slots[at] = slot;
    }
}

impl Default for Index {
    fn default() -> Self {
        Self { cells: Cells::Few(Vec::new()), len: 0 }
    }
}

/// The line where a hash belongs.
fn home(lines: &[Line], hash: u32) -> usize {
    // Two lines or more.
    hash as usize >> (32 - lines.len().trailing_zeros())
}

fn after(lines: &[Line], at: usize) -> usize {
    (at + 1) & (lines.len() - 1)
}

fn place(lines: &mut [Line], cell: (u32, u32)) {
    let mut at = home(lines, cell.0);
    while lines[at].is_full() {
        at = after(lines, at);
    }
    let line = &mut lines[at];
    line.set(line.used(), cell);
}

impl Index {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// How much memory it takes beside itself.
    pub(crate) fn bytes(&self) -> usize {
        match &self.cells {
            Cells::Few(cells) => cells.capacity() * size_of::<(u32, u32)>(),
            Cells::Lines(lines) => lines.capacity() * size_of::<Line>(),
        }
    }

    /// The slot with that hash that is the right one.
    pub(crate) fn find(&self, hash: u32, mut is: impl FnMut(u32) -> bool) -> Option<u32> {
        let lines = match &self.cells {
            Cells::Few(cells) => {
                let found = cells.iter().find(|(have, slot)| *have == hash && is(*slot));
                return found.map(|(_, slot)| *slot);
            }
            Cells::Lines(lines) => lines,
        };
        let mut at = home(lines, hash);
        loop {
            let line = &lines[at];
            let mut matches = line.matches(hash);
            while matches != 0 {
                let slot = line.slots[matches.trailing_zeros() as usize % WIDTH];
                if slot != NONE && is(slot) {
                    return Some(slot);
                }
                matches &= matches - 1;
            }
            if !line.is_full() {
                return None;
            }
            at = after(lines, at);
        }
    }

    /// Whether there is surely none with that hash.
    pub(crate) fn lacks(&self, hash: u32) -> bool {
        match &self.cells {
            Cells::Few(_) => self.find(hash, |_| true).is_none(),
            Cells::Lines(lines) => {
                let line = &lines[home(lines, hash)];
                (line.matches(hash) == 0) & !line.is_full()
            }
        }
    }

    /// Makes room for so many more.
    pub(crate) fn reserve(&mut self, more: usize) {
        let len = self.len + more;
        let lines = match &self.cells {
            Cells::Few(_) if len <= WIDTH => return,
            Cells::Few(_) => 2,
            Cells::Lines(lines) => lines.len(),
        };
        let mut wanted = lines;
        while len * 4 > wanted * WIDTH * 3 {
            wanted *= 2;
        }
        if wanted > lines || matches!(self.cells, Cells::Few(_)) {
            self.resize(wanted);
        }
    }

    /// Adds a slot that is not there.
    pub(crate) fn insert(&mut self, hash: u32, slot: u32) {
        self.reserve(1);
        match &mut self.cells {
            Cells::Few(cells) => cells.push((hash, slot)),
            Cells::Lines(lines) => place(lines, (hash, slot)),
        }
        self.len += 1;
    }

    /// Moves all to so many lines, or to none if they are few.
    fn resize(&mut self, count: usize) {
        let old = std::mem::take(self);
        self.len = old.len;
        self.cells = if count < 2 {
            let Cells::Lines(lines) = &old.cells else { return *self = old };
            Cells::Few(lines.iter().flat_map(Line::iter).collect())
        } else {
            let mut lines = vec![EMPTY; count];
            match &old.cells {
                Cells::Few(cells) => cells.iter().for_each(|cell| place(&mut lines, *cell)),
                Cells::Lines(old) => {
                    old.iter().flat_map(Line::iter).for_each(|cell| place(&mut lines, cell));
                }
            }
            Cells::Lines(lines)
        };
    }

    /// Takes a slot away, if it is there.
    pub(crate) fn remove(&mut self, hash: u32, slot: u32) {
        let lines = match &mut self.cells {
            Cells::Few(cells) => {
                if let Some(at) = cells.iter().position(|(_, have)| *have == slot) {
                    cells.swap_remove(at);
                    self.len -= 1;
                }
                return;
            }
            Cells::Lines(lines) => lines,
        };
        let mut at = home(lines, hash);
        let mut hole = loop {
            if let Some(place) = lines[at].slots.iter().position(|have| *have == slot) {
                break place;
            }
            if !lines[at].is_full() {
                return;
            }
            at = after(lines, at);
        };
        // What was pushed on because the line was full moves back.
        while let Some((from, place)) = pushed_on(lines, at) {
            let cell = (lines[from].hashes[place], lines[from].slots[place]);
            lines[at].set(hole, cell);
            (at, hole) = (from, place);
        }
        let line = &mut lines[at];
        let last = line.used() - 1;
        line.set(hole, (line.hashes[last], line.slots[last]));
        line.set(last, (0, NONE));
        self.len -= 1;
        if self.len < lines.len() * WIDTH / 8 {
            let lines = lines.len() / 4;
            self.resize(lines);
        }
    }
}

/// The nearest cell behind a full line that would be in it or before it if there had been room.
fn pushed_on(lines: &[Line], at: usize) -> Option<(usize, usize)> {
    let mask = lines.len() - 1;
    let (mut last, mut next) = (at, after(lines, at));
    while lines[last].is_full() && next != at {
        let far = next.wrapping_sub(at) & mask;
        let from_before =
            |(hash, _): (u32, u32)| next.wrapping_sub(home(lines, hash)) & mask >= far;
        if let Some(place) = lines[next].iter().position(from_before) {
            return Some((next, place));
        }
        (last, next) = (next, after(lines, next));
    }
    None
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
                let there = map.values().any(|have| *have == hash);
                proptest::prop_assert!(!there || !index.lacks(hash));
                if insert && !map.contains_key(&slot) {
                    index.reserve(spread as usize * 20);
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
