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
    waiting: Option<Box<Waiting>>,
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

/// Texts, one after the other.
#[derive(Clone, Debug)]
enum Pages {
    One(Vec<u8>),
    Many(Box<Book>),
}

/// Texts in pieces that are never moved.
#[derive(Clone, Debug)]
struct Book {
    /// No text is on two of them.
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
        match self {
            Self::One(page) if page.len() + text.len() <= PAGE => {
                let at = page.len() as u32;
                page.extend_from_slice(text);
                Place { page: 0, at }
            }
            Self::One(page) => {
                let (room, len) = (page.capacity(), page.len());
                let pages = vec![std::mem::take(page)];
                *self = Self::Many(Box::new(Book { pages, room, len }));
                self.push(text)
            }
            Self::Many(book) => {
                let fits = |last: &Vec<u8>| last.len() + text.len() <= last.capacity();
                if !book.pages.last().is_some_and(fits) {
                    let page = Vec::with_capacity(text.len().max(PAGE));
                    book.room += page.capacity();
                    book.pages.push(page);
                }
                let page = book.pages.len() - 1;
                let at = book.pages[page].len() as u32;
                book.pages[page].extend_from_slice(text);
                book.len += text.len();
                Place { page: page as u32, at }
            }
        }
    }

    fn text(&self, slot: Slot) -> &[u8] {
        let page = match self {
            Self::One(page) => page,
            Self::Many(book) => &book.pages[slot.start.page as usize],
        };
        let at = slot.start.at as usize;
        &page[at..at + slot.length as usize]
    }

    /// Bytes of texts.
    fn len(&self) -> usize {
        match self {
            Self::One(page) => page.len(),
            Self::Many(book) => book.len,
        }
    }

    /// How much memory it takes beside itself.
    fn bytes(&self) -> usize {
        match self {
            Self::One(page) => page.capacity(),
            Self::Many(book) => {
                size_of::<Book>() + book.room + book.pages.capacity() * size_of::<Vec<u8>>()
            }
        }
    }
}

/// So many texts are looked up together; fewer in tests that make small windows.
pub(crate) const TOGETHER: usize = if cfg!(test) { 3 } else { 64 };

/// Texts that are not looked up yet.
#[derive(Clone, Debug, Default)]
struct Waiting {
    bytes: Vec<u8>,
    /// The end of each in the bytes.
    ends: Vec<usize>,
    /// Somebody wants to know their numbers.
    numbered: bool,
}

impl Waiting {
    fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(&0).chain(&self.ends);
        starts.zip(&self.ends).map(|(start, end)| &self.bytes[*start..*end])
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
            table.add(hash::of(only), only, *count);
            *self = Self::Many(Box::new(table));
        }
        match self {
            Self::Many(table) => table.add(hash::of(text), text, 1),
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

    /// The number of a text that is there.
    pub(crate) fn find(&self, text: &[u8]) -> Option<u32> {
        match self {
            Self::One(only, count) => (*count > 0 && **only == *text).then_some(0),
            Self::Many(table) => table.find(hash::of(text), text),
        }
    }

    /// Adds a text that is looked up later: whether so many wait that it is time. `numbered`: its number will be wanted.
    pub(crate) fn wait(&mut self, text: &[u8], numbered: bool) -> bool {
        let table = match self {
            Self::Many(table) => table,
            Self::One(only, count) => {
                let mut table = Table::default();
                if *count > 0 {
                    table.add(hash::of(only), only, *count);
                }
                *self = Self::Many(Box::new(table));
                return self.wait(text, numbered);
            }
        };
        let waiting = table.waiting.get_or_insert_default();
        waiting.numbered = numbered;
        waiting.bytes.extend_from_slice(text);
        waiting.ends.push(waiting.bytes.len());
        waiting.ends.len() >= TOGETHER || waiting.bytes.len() > PAGE
    }

    /// How many texts wait.
    pub(crate) fn waiting(&self) -> usize {
        self.table_waiting().map_or(0, |waiting| waiting.ends.len())
    }

    /// The texts that wait, in order.
    pub(crate) fn iter_waiting(&self) -> impl Iterator<Item = &[u8]> {
        self.table_waiting().into_iter().flat_map(Waiting::iter)
    }

    fn table_waiting(&self) -> Option<&Waiting> {
        match self {
            Self::One(..) => None,
            Self::Many(table) => table.waiting.as_deref(),
        }
    }

    /// Looks up the texts that wait, and says the numbers that are wanted.
    pub(crate) fn settle(&mut self, told: impl FnMut(u32)) {
        if let Self::Many(table) = self {
            table.settle(told);
        }
    }

    /// All texts that are looked up, sorted.
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
                    + table.waiting.as_ref().map_or(0, |waiting| {
                        size_of::<Waiting>()
                            + waiting.bytes.capacity()
                            + waiting.ends.capacity() * size_of::<usize>()
                    })
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
        let (slots, pages) = (Segments::default(), Pages::One(Vec::new()));
        Self { index: Index::default(), slots, free: NONE, pages, dead: 0, waiting: None }
    }
}

impl Table {
    fn find(&self, hash: u32, text: &[u8]) -> Option<u32> {
        self.index.find(hash, |slot| self.pages.text(self.slots.at(slot as usize)) == text)
    }

    fn settle(&mut self, mut told: impl FnMut(u32)) {
        let Some(mut waiting) = self.waiting.take() else { return };
        let mut hashes = [0; TOGETHER];
        hashes.iter_mut().zip(waiting.iter()).for_each(|(hash, text)| *hash = hash::of(text));
        let hashes = &hashes[..waiting.ends.len()];
        // None of these waits for another, so that the processor fetches what the additions will need all at once.
        let new = hashes.iter().filter(|hash| self.index.lacks(**hash)).count();
        self.index.reserve(new);
        for (hash, text) in hashes.iter().zip(waiting.iter()) {
            let number = self.add(*hash, text, 1);
            if waiting.numbered {
                told(number);
            }
        }
        if waiting.bytes.capacity() <= PAGE {
            waiting.bytes.clear();
            waiting.ends.clear();
            self.waiting = Some(waiting);
        }
    }

    fn add(&mut self, hash: u32, text: &[u8], times: u32) -> u32 {
        if let Some(slot) = self.find(hash, text) {
            let count = &mut self.slots.at_mut(slot as usize).count;
            *count = count.saturating_add(times);
            return slot;
        }
        let new = Slot { start: self.pages.push(text), length: text.len() as u32, count: times };
        let slot = if self.free == NONE {
            self.slots.push(new);
            self.slots.len() as u32 - 1
        } else {
            let slot = self.free;
            let place = self.slots.at_mut(slot as usize);
            self.free = place.start.at;
            *place = new;
            slot
        };
        self.index.insert(hash, slot);
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
        if self.dead > SMALL && self.dead > self.pages.len() / 2 {
            self.collect();
        }
    }

    /// Gives back the memory of texts that are gone.
    fn collect(&mut self) {
        let mut pages = Pages::One(Vec::new());
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
