//! A multiset of texts that counts the different ones: exact, with the texts in few pieces of memory.
//!
//! A slot says where a text lies and how often it is there. What the texts that left again took is collected when it is more than half.

use super::hash;
use super::index::{Index, NONE};
use super::segments::Segments;

/// Less than that is not worth collecting.
const SMALL: usize = 1024;

/// Different texts, each with how often it is there. A text keeps its number until it is gone.
#[derive(Clone, Debug)]
pub(crate) enum Distinct {
    /// Most groups of an attack have a single one; its number is 0.
    One(Box<[u8]>, u32),
    Many(Box<Table>),
}

impl Default for Distinct {
    fn default() -> Self {
        Self::One(Box::default(), 0)
    }
}

/// Many texts.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    index: Index,
    slots: Segments<Slot>,
    /// The first slot that is free; its `start.at` is the next one.
    free: u32,
    pages: Pages,
    /// Of their bytes, those of texts that are gone.
    dead: usize,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    start: Place,
    length: u32,
    count: u32,
}

/// Where a text begins: which page, and where in it.
#[derive(Clone, Copy, Debug)]
struct Place {
    page: u32,
    at: u32,
}

/// Texts, one after the other, in pieces that are never moved.
#[derive(Clone, Debug, Default)]
struct Pages {
    /// No text is on two of them. The first grows, as most tables are small.
    pages: Vec<Vec<u8>>,
    /// What they have room for.
    room: usize,
    /// Bytes of texts.
    len: usize,
}

/// Bytes of a page; a text that is longer has its own.
const PAGE: usize = 1 << 16;

impl Pages {
    fn push(&mut self, text: &[u8]) -> Place {
        let fits = |last: &Vec<u8>| last.len() + text.len() <= last.capacity().max(PAGE);
        if !self.pages.last().is_some_and(fits) {
            let room = if self.pages.is_empty() { 0 } else { text.len().max(PAGE) };
            self.pages.push(Vec::with_capacity(room));
            self.room += room;
        }
        let page = self.pages.len() - 1;
        let last = &mut self.pages[page];
        let (at, before) = (last.len(), last.capacity());
        last.extend_from_slice(text);
        self.room += last.capacity() - before;
        self.len += text.len();
        Place { page: page as u32, at: at as u32 }
    }

    fn text(&self, slot: Slot) -> &[u8] {
        let at = slot.start.at as usize;
        &self.pages[slot.start.page as usize][at..at + slot.length as usize]
    }

    fn bytes(&self) -> usize {
        self.room + self.pages.capacity() * size_of::<Vec<u8>>()
    }
}

impl Distinct {
    /// How many different texts there are.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::One(_, count) => usize::from(*count > 0),
            Self::Many(table) => table.index.len(),
        }
    }

    /// Adds a text and says its number.
    pub(crate) fn add(&mut self, text: &[u8]) -> u32 {
        if let Self::One(only, count) = self {
            if *count == 0 {
                *only = text.into();
            }
            if **only == *text {
                *count = count.saturating_add(1);
                return 0;
            }
            let mut table = Table::default();
            table.add(only, *count);
            *self = Self::Many(Box::new(table));
        }
        match self {
            Self::Many(table) => table.add(text, 1),
            Self::One(..) => 0,
        }
    }

    /// Takes one of a text away.
    pub(crate) fn remove(&mut self, number: u32) {
        match self {
            Self::One(only, count) => {
                *count = count.saturating_sub(1);
                if *count == 0 {
                    *only = Box::default();
                }
            }
            Self::Many(table) => table.remove(number),
        }
    }

    /// A text by its number.
    pub(crate) fn text(&self, number: u32) -> &[u8] {
        match self {
            Self::One(only, _) => only,
            Self::Many(table) => table.pages.text(table.slots.at(number as usize)),
        }
    }

    /// All texts, sorted.
    pub(crate) fn sorted(&self) -> Vec<&[u8]> {
        let mut texts: Vec<&[u8]> = match self {
            Self::One(_, 0) => Vec::new(),
            Self::One(only, _) => vec![only],
            Self::Many(table) => {
                let used = table.slots.iter().filter(|slot| slot.count > 0);
                used.map(|slot| table.pages.text(slot)).collect()
            }
        };
        texts.sort_unstable();
        texts
    }

    /// How much memory it takes beside itself.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::One(only, _) => only.len() + 16,
            Self::Many(table) => {
                size_of::<Table>()
                    + table.index.bytes()
                    + table.slots.bytes()
                    + table.pages.bytes()
                    + 64
            }
        }
    }

    /// Whether so many texts left that it is worth to number the others anew.
    pub(crate) fn is_sparse(&self) -> bool {
        match self {
            Self::One(..) => false,
            Self::Many(table) => {
                table.slots.len() > SMALL && table.index.len() < table.slots.len() / 4
            }
        }
    }
}

impl Default for Table {
    fn default() -> Self {
        let (slots, pages) = (Segments::default(), Pages::default());
        Self { index: Index::default(), slots, free: NONE, pages, dead: 0 }
    }
}

impl Table {
    fn add(&mut self, text: &[u8], times: u32) -> u32 {
        let hash = hash::of(text);
        let Self { index, slots, pages, .. } = self;
        let found = index.find(hash, |slot| pages.text(slots.at(slot as usize)) == text);
        if let Some(slot) = found {
            let count = &mut slots.at_mut(slot as usize).count;
            *count = count.saturating_add(times);
            return slot;
        }
        let new = Slot { start: pages.push(text), length: text.len() as u32, count: times };
        let slot = if self.free == NONE {
            slots.push(new);
            slots.len() as u32 - 1
        } else {
            let slot = self.free;
            let place = slots.at_mut(slot as usize);
            self.free = place.start.at;
            *place = new;
            slot
        };
        index.insert(hash, slot);
        slot
    }

    fn remove(&mut self, number: u32) {
        let slot = self.slots.at_mut(number as usize);
        slot.count -= 1;
        if slot.count > 0 {
            return;
        }
        self.index.remove(hash::of(self.pages.text(*slot)), number);
        self.dead += slot.length as usize;
        *slot = Slot { start: Place { page: 0, at: self.free }, length: 0, count: 0 };
        self.free = number;
        if self.dead > SMALL && self.dead > self.pages.len / 2 {
            self.collect();
        }
    }

    /// Gives back the memory of texts that are gone.
    fn collect(&mut self) {
        let mut pages = Pages::default();
        for number in 0..self.slots.len() {
            let slot = self.slots.at_mut(number);
            if slot.count > 0 {
                slot.start = pages.push(self.pages.text(*slot));
            }
        }
        self.pages = pages;
        self.dead = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{BTreeMap, VecDeque};

    proptest::proptest! {
        #[test]
        fn is_a_counted_set(steps in proptest::collection::vec((0_u16..300, 0_u8..3), 0..3000)) {
            let mut distinct = Distinct::default();
            let mut counts: BTreeMap<Vec<u8>, u32> = BTreeMap::new();
            let mut held: VecDeque<(u32, Vec<u8>)> = VecDeque::new();
            for (number, removals) in steps {
                let text = format!("{}{number}", "x".repeat(usize::from(number % 40))).into_bytes();
                *counts.entry(text.clone()).or_default() += 1;
                held.push_back((distinct.add(&text), text));
                for _ in 0..removals {
                    let Some((number, text)) = held.pop_front() else { break };
                    proptest::prop_assert_eq!(distinct.text(number), &text[..]);
                    distinct.remove(number);
                    let count = counts.get_mut(&text).unwrap();
                    *count -= 1;
                    if *count == 0 {
                        counts.remove(&text);
                    }
                }
                proptest::prop_assert_eq!(distinct.len(), counts.len());
            }
            proptest::prop_assert!(distinct.sorted().into_iter().eq(counts.keys().map(|text| &text[..])));
        }
    }

    #[test]
    fn texts_that_leave_give_their_memory_back() {
        let mut distinct = Distinct::default();
        let mut held = VecDeque::new();
        for at in 0..200_000_u32 {
            held.push_back(distinct.add(format!("a text of some length {at}").as_bytes()));
            if held.len() > 1000
                && let Some(oldest) = held.pop_front()
            {
                distinct.remove(oldest);
            }
        }
        assert_eq!(distinct.len(), 1000);
        assert!(distinct.bytes() < 200_000, "{}", distinct.bytes());
    }
}
