//! The fields of one record on the hot path: slots for the names that some rule reads.
//!
//! A [`FieldTable`] is made once from the rules (and the aliases of all formats); a parser resolves names to
//! [`Slot`]s once per stream or header and fills them record by record. Values are spans of the record,
//! or of a scratch buffer for decoded text; nothing is allocated per record once the buffers have grown.
//! In collecting mode ([`Fields::collecting`]) every name gets a slot, so that the same parser
//! code yields the whole event.

use crate::Route;
use crate::alias::Source;
use crate::oracle::sees;
use sigmund_sigma::LogSource;
use std::any::Any;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The names that are wanted, in a dense numbering.
#[derive(Debug, Default)]
pub struct FieldTable {
    names: Vec<Box<str>>,
    index: HashMap<Box<str>, Slot, ahash::RandomState>,
    /// `None` if it is not known who reads what.
    readers: Option<Vec<Reader>>,
    /// What parsers made of the names (see [`FieldTable::prepare`]), one of each type.
    prepared: Mutex<Vec<Arc<dyn Any + Send + Sync>>>,
}

/// A wanted field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Slot(pub u32);

/// The rules that ask for one log source.
#[derive(Clone, Debug, Default)]
pub struct Reader {
    /// The log source.
    pub log_source: LogSource,
    /// The fields that they name, and whatever else is to be read of events that they match.
    pub fields: Vec<Slot>,
}

impl FieldTable {
    /// From names; duplicates are folded.
    pub fn new<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let mut table = Self::default();
        for name in names {
            table.intern(name);
        }
        table
    }

    /// The same for these rules, which alone read.
    #[must_use]
    pub fn for_readers(self, readers: impl IntoIterator<Item = Reader>) -> Self {
        Self { readers: Some(readers.into_iter().collect()), ..self }
    }

    /// For each slot whether somebody reads it in events of this route, be it through an alias; empty if nobody reads any. Parsers need not
    /// fill the others. `None` if that is not known.
    #[must_use]
    pub fn read_in(&self, route: &Route) -> Option<Box<[bool]>> {
        let readers = self.readers.as_ref()?;
        let mut seeing = readers.iter().filter(|reader| sees(&reader.log_source, route)).peekable();
        if seeing.peek().is_none() {
            return Some(Box::default());
        }
        let (mut is_named, mut is_read) = (vec![false; self.len()], vec![false; self.len()]);
        for slot in seeing.flat_map(|reader| &reader.fields) {
            if std::mem::replace(&mut is_named[slot.0 as usize], true) {
                continue;
            }
            is_read[slot.0 as usize] = true;
            let alias = route.aliases.get(self.name(*slot));
            for name in alias.iter().flat_map(|alias| alias.sources.iter()).flat_map(Source::fields)
            {
                if let Some(slot) = self.get(name) {
                    is_read[slot.0 as usize] = true;
                }
            }
        }
        Some(is_read.into())
    }

    fn intern(&mut self, name: &str) -> Slot {
        if let Some(slot) = self.index.get(name) {
            return *slot;
        }
        let slot = Slot(u32::try_from(self.names.len()).unwrap_or(u32::MAX));
        self.names.push(name.into());
        self.index.insert(name.into(), slot);
        slot
    }

    /// What a parser needs for these names, made at the first call: all streams and threads share it.
    pub fn prepare<T: Any + Send + Sync>(&self, make: impl FnOnce(&Self) -> T) -> Arc<T> {
        let mut prepared = self.prepared.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = prepared.iter().find_map(|one| Arc::clone(one).downcast().ok()) {
            return known;
        }
        let made = Arc::new(make(self));
        prepared.push(Arc::clone(&made) as Arc<dyn Any + Send + Sync>);
        made
    }

    /// The slot of a name, if it is wanted.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Slot> {
        self.index.get(name).copied()
    }

    /// The name of a slot.
    #[must_use]
    pub fn name(&self, slot: Slot) -> &str {
        &self.names[slot.0 as usize]
    }

    /// All names in slot order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(|name| &**name)
    }

    /// How many names.
    #[must_use]
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether nothing is wanted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }
}

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Present and null.
    Null,
    /// `true`
    True,
    /// `false`
    False,
    /// A number as written.
    Number,
    /// Text, decoded.
    Text,
    /// Text as it stands between the quotes of a JSON string, escapes and all.
    JsonText,
    /// An object: present, equals nothing (choice C9).
    Object,
    /// An empty list: present, no value (choice C8).
    Empty,
}

/// Which buffer a span is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Store {
    /// The record's bytes.
    Record,
    /// The scratch buffer of these fields.
    Scratch,
}

/// One value of a field.
#[derive(Clone, Copy, Debug)]
pub struct ValueSpan {
    /// What it is.
    pub kind: Kind,
    /// Where its bytes are.
    pub store: Store,
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
    next: u32,
}

const NONE: u32 = u32::MAX;

/// Ranks from here on are ways through an event's own keys (see [`Fields::claim`]).
pub const OWN_WAY: u32 = 1 << 28;

#[derive(Clone, Copy, Debug)]
struct SlotState {
    generation: u32,
    first: u32,
    last: u32,
    /// The best way that was begun (see [`Fields::claim`]); higher wins.
    rank: u32,
    /// The way that led to the values.
    filled: u32,
}

/// The fields of one record.
#[derive(Debug)]
pub struct Fields {
    table: Arc<FieldTable>,
    collected: Option<FieldTable>,
    slots: Vec<SlotState>,
    generation: u32,
    values: Vec<ValueSpan>,
    scratch: Vec<u8>,
    order: Vec<Slot>,
    /// Some of them may have lost their values.
    is_uneven: bool,
}

impl Fields {
    /// For the wanted names only.
    #[must_use]
    pub fn new(table: Arc<FieldTable>) -> Self {
        let slots = vec![
            SlotState { generation: 0, first: NONE, last: NONE, rank: 0, filled: 0 };
            table.len()
        ];
        Self {
            table,
            collected: None,
            slots,
            generation: 1,
            values: Vec::new(),
            scratch: Vec::new(),
            order: Vec::new(),
            is_uneven: false,
        }
    }

    /// For every name that a parser mentions. Its [table](Self::table) is empty, and is that of no other.
    #[must_use]
    pub fn collecting() -> Self {
        let mut fields = Self::new(Arc::default());
        fields.collected = Some(FieldTable::default());
        fields
    }

    /// Whether every name is kept.
    #[must_use]
    pub fn collects(&self) -> bool {
        self.collected.is_some()
    }

    /// The wanted names.
    #[must_use]
    pub fn table(&self) -> &Arc<FieldTable> {
        &self.table
    }

    /// Forgets the values of the last record.
    pub fn clear(&mut self) {
        if self.generation == u32::MAX {
            self.slots.iter_mut().for_each(|slot| slot.generation = 0);
            self.generation = 0;
        }
        self.generation += 1;
        self.values.clear();
        self.scratch.clear();
        self.order.clear();
        self.is_uneven = false;
    }

    /// The slot of a name, or `None` if nobody wants it. Parsers with headers resolve their columns once;
    /// the slot stays valid for these `Fields`.
    pub fn slot(&mut self, name: &str) -> Option<Slot> {
        match &mut self.collected {
            None => self.table.get(name),
            Some(table) => {
                let slot = table.intern(name);
                if self.slots.len() < table.len() {
                    self.slots.push(SlotState {
                        generation: 0,
                        first: NONE,
                        last: NONE,
                        rank: 0,
                        filled: 0,
                    });
                }
                Some(slot)
            }
        }
    }

    /// The slot of a name without making one.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<Slot> {
        self.collected.as_ref().unwrap_or(&self.table).get(name)
    }

    /// The name of a slot of these fields.
    #[must_use]
    pub fn name(&self, slot: Slot) -> &str {
        self.collected.as_ref().unwrap_or(&self.table).name(slot)
    }

    /// Adds a text value, copied. The everyday call for text formats.
    pub fn set(&mut self, name: &str, text: impl AsRef<[u8]>) {
        self.set_kind(name, Kind::Text, text.as_ref());
    }

    /// Adds a value of another kind, its bytes copied.
    pub fn set_kind(&mut self, name: &str, kind: Kind, bytes: &[u8]) {
        if let Some(slot) = self.slot(name) {
            let start = self.scratch.len();
            self.scratch.extend_from_slice(bytes);
            self.push(slot, kind, Store::Scratch, start, self.scratch.len());
        }
    }

    /// Adds a value by its span. A further value makes the field multi-valued.
    #[inline]
    pub fn push(&mut self, slot: Slot, kind: Kind, store: Store, start: usize, end: usize) {
        let index = self.values.len() as u32;
        self.values.push(ValueSpan {
            kind,
            store,
            start: start as u32,
            end: end as u32,
            next: NONE,
        });
        let state = &mut self.slots[slot.0 as usize];
        if state.generation == self.generation && state.first != NONE {
            self.values[state.last as usize].next = index;
            state.last = index;
        } else {
            if state.generation != self.generation {
                self.order.push(slot);
                *state = SlotState {
                    generation: self.generation,
                    first: index,
                    last: index,
                    rank: 0,
                    filled: 0,
                };
            } else {
                // Claimed so far, or its values were forgotten.
                state.first = index;
                state.last = index;
                if let Some(at) = self.order.iter().rposition(|it| *it == slot) {
                    self.order.remove(at);
                }
                self.order.push(slot);
            }
        }
    }

    /// Claims a slot for a way of the given rank that begins or goes on here; `false` if a better one was there. `mask` selects the
    /// part of the rank that is decided so far. Ways from [`OWN_WAY`] on lead through the event's own keys: of these the best that was begun counts,
    /// even if it leads nowhere. Lower ones are second-hand: they hold only where no better way has filled the slot.
    /// With `fills`, the values of worse or equal ways are forgotten, and the caller pushes new ones.
    #[inline]
    pub fn claim(&mut self, slot: Slot, rank: u32, mask: u32, fills: bool) -> bool {
        let state = &mut self.slots[slot.0 as usize];
        if state.generation != self.generation {
            let begun = if rank >= OWN_WAY { rank } else { 0 };
            *state = SlotState {
                generation: self.generation,
                first: NONE,
                last: NONE,
                rank: begun,
                filled: rank,
            };
            return true;
        }
        if rank >= OWN_WAY {
            if state.rank & mask > rank {
                return false;
            }
            state.rank = rank;
            if fills || state.filled >= OWN_WAY {
                self.is_uneven |= state.first != NONE;
                state.first = NONE;
                state.last = NONE;
                state.filled = rank;
            }
            return true;
        }
        if state.first != NONE && state.filled > rank {
            return false;
        }
        self.is_uneven |= state.first != NONE;
        state.first = NONE;
        state.last = NONE;
        state.filled = rank;
        true
    }

    /// Gives a slot its value, a span of the record, if it has none yet; otherwise adds one.
    #[inline(always)]
    pub fn set_first(&mut self, slot: Slot, kind: Kind, (start, end): (usize, usize)) {
        let generation = self.generation;
        match self.slots.get_mut(slot.0 as usize) {
            Some(state) if state.generation != generation => {
                let index = self.values.len() as u32;
                let (first, last) = (index, index);
                *state = SlotState { generation, first, last, rank: OWN_WAY, filled: OWN_WAY };
                self.order.push(slot);
                let (start, end) = (start as u32, end as u32);
                self.values.push(ValueSpan { kind, store: Store::Record, start, end, next: NONE });
            }
            _ => self.add(slot, kind, (start, end)),
        }
    }

    /// Adds a value to one that has some.
    #[cold]
    fn add(&mut self, slot: Slot, kind: Kind, (start, end): (usize, usize)) {
        self.push(slot, kind, Store::Record, start, end);
    }

    /// Claims a slot for a way that ends here and pushes its value, if no better one was there.
    #[inline(always)]
    pub fn fill(&mut self, slot: Slot, (rank, mask): (u32, u32), kind: Kind, span: (usize, usize)) {
        let (start, end) = span;
        let state = &mut self.slots[slot.0 as usize];
        if state.generation != self.generation {
            // The first value of the record for this slot, as nearly always.
            let index = self.values.len() as u32;
            let begun = if rank >= OWN_WAY { rank } else { 0 };
            let generation = self.generation;
            *state = SlotState { generation, first: index, last: index, rank: begun, filled: rank };
            self.order.push(slot);
            let (start, end) = (start as u32, end as u32);
            self.values.push(ValueSpan { kind, store: Store::Record, start, end, next: NONE });
        } else if self.claim(slot, rank, mask, true) {
            self.push(slot, kind, Store::Record, start, end);
        }
    }

    /// Whether a way that begins here without filling takes away what another own way has filled in.
    #[inline]
    #[must_use]
    pub fn takes_back(&self, slot: Slot, rank: u32, mask: u32) -> bool {
        let state = &self.slots[slot.0 as usize];
        state.generation == self.generation
            && state.first != NONE
            && state.filled >= OWN_WAY
            && state.rank & mask <= rank
    }

    /// Whether the slot has values, from the way of this rank.
    #[inline]
    #[must_use]
    pub fn is_filled_by(&self, slot: Slot, rank: u32) -> bool {
        let state = &self.slots[slot.0 as usize];
        state.generation == self.generation && state.first != NONE && state.filled == rank
    }

    /// Appends decoded bytes to the scratch buffer; the span to [`push`](Self::push) with [`Store::Scratch`].
    pub fn scratch(&mut self) -> &mut Vec<u8> {
        &mut self.scratch
    }

    /// The scratch buffer's bytes.
    #[inline]
    #[must_use]
    pub fn scratch_bytes(&self) -> &[u8] {
        &self.scratch
    }

    /// Whether the field is present (null counts).
    #[inline]
    #[must_use]
    pub fn is_present(&self, slot: Slot) -> bool {
        let state = &self.slots[slot.0 as usize];
        state.generation == self.generation && state.first != NONE
    }

    /// The first value of a slot.
    #[inline]
    #[must_use]
    pub fn first(&self, slot: Slot) -> Option<ValueSpan> {
        let state = &self.slots[slot.0 as usize];
        (state.generation == self.generation && state.first != NONE)
            .then(|| self.values[state.first as usize])
    }

    /// The value after this one.
    #[inline]
    #[must_use]
    pub fn next(&self, value: ValueSpan) -> Option<ValueSpan> {
        (value.next != NONE).then(|| self.values[value.next as usize])
    }

    /// All values of a slot in order.
    pub fn values(&self, slot: Slot) -> impl Iterator<Item = ValueSpan> + '_ {
        std::iter::successors(self.first(slot), |value| self.next(*value))
    }

    /// The bytes of a value.
    #[inline]
    #[must_use]
    pub fn bytes<'a>(&'a self, record: &'a [u8], value: ValueSpan) -> &'a [u8] {
        let store = match value.store {
            Store::Record => record,
            Store::Scratch => &self.scratch,
        };
        store.get(value.start as usize..value.end as usize).unwrap_or_default()
    }

    /// What [`present`](Self::present) gives; `None` if that is to be asked, since some slot had values and may have none now.
    #[inline]
    #[must_use]
    pub fn order(&self) -> Option<&[Slot]> {
        (!self.is_uneven).then_some(&*self.order)
    }

    /// The slots that have a value, in the order of their first values.
    pub fn present(&self) -> impl Iterator<Item = Slot> + '_ {
        self.order.iter().copied().filter(|slot| self.is_present(*slot))
    }
}
