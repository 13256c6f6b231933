//! The projection: one walk over a JSON object that keeps the spans of the wanted fields and skips everything else.
//!
//! The wanted names become a trie of keys, so that nested members, flat keys with dots, and the known containers of
//! [`super::lift`] all lead to their slots. Each way to a slot has a rank: the longest key wins at each
//! level (choice C10), and a field of the object wins over a lifted one; a better way that turns up later
//! replaces what a worse one had filled. The walk accepts only what [`super::read`] accepts too; whatever else there is
//! (deep nesting, lists of objects on the way, odd texts) is refused here and read by the slow and general way.

use super::index::Index;
use super::lift::{LIFTS, Lift, Step};
use ahash::RandomState;
use sigmund_engine::{FieldTable, Fields, Kind, Slot, Store};
use std::collections::HashMap;

/// The slow way must be taken.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refused;

/// A way to a slot, as far as one key.
#[derive(Clone, Debug)]
struct Claim {
    slot: Slot,
    rank: u32,
    mask: u32,
    /// The way goes on below this key.
    goes_on: bool,
    /// It leads through a known container: objects are not values there.
    lifted: bool,
}

#[derive(Clone, Debug)]
struct Entry {
    ends: Ends,
    /// The node of the object in which the key is.
    parent: u32,
    /// The node of the key's own object, if any way goes on there.
    child: u32,
    has_blank: bool,
    key: Box<[u8]>,
    claims: Vec<Claim>,
}

/// The first and the last eight bytes of a key, those between, and its length: all of a key of up to [`Ends::WHOLE`] bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Ends {
    first: u64,
    last: u64,
    middle: u64,
    len: u32,
}

impl Ends {
    const WHOLE: usize = 24;

    #[inline(always)]
    fn of(key: &[u8]) -> Self {
        let middle = match key.get(8..16) {
            Some(bytes) => bytes.first_chunk::<8>().map_or(0, |bytes| u64::from_le_bytes(*bytes)),
            None => 0,
        };
        let (first, last) = match key.len() {
            8.. => (
                key.first_chunk::<8>().map_or(0, |bytes| u64::from_le_bytes(*bytes)),
                key.last_chunk::<8>().map_or(0, |bytes| u64::from_le_bytes(*bytes)),
            ),
            4.. => (
                key.first_chunk::<4>().map_or(0, |bytes| u64::from(u32::from_le_bytes(*bytes))),
                key.last_chunk::<4>().map_or(0, |bytes| u64::from(u32::from_le_bytes(*bytes))),
            ),
            len @ 1.. => {
                (u64::from(key[0]) | u64::from(key[len / 2]) << 8, u64::from(key[len - 1]))
            }
            0 => (0, 0),
        };
        Self { first, last, middle, len: key.len() as u32 }
    }

    #[inline(always)]
    fn hash(self, parent: u32) -> u32 {
        let mixed = (self.first ^ u64::from(self.len) << 56 ^ u64::from(parent) << 40)
            .wrapping_mul(0x9E37_79B9_7F4A_7C15)
            ^ self.last.wrapping_mul(0xC2B2_AE3D_27D4_EB4F).rotate_left(23);
        (mixed ^ mixed >> 32) as u32
    }
}

#[derive(Clone, Debug, Default)]
struct Node {
    /// Where unknown keys lead.
    any: u32,
    /// Names are compared without their blanks.
    strips_blanks: bool,
}

const NONE: u32 = u32::MAX;
const ROOT: u32 = 0;
/// Levels of one way that a rank has room for.
const LEVELS: usize = 7;
/// So many keys of the outermost object are remembered.
const MOST_KEYS: usize = 1024;

/// The trie of the wanted fields.
#[derive(Clone, Debug)]
pub(super) struct Projection {
    nodes: Vec<Node>,
    entries: Vec<Entry>,
    /// For keys of the outermost object, which every record asks for, and for all others: the first must stay in the nearest cache.
    outermost: Table,
    inner: Table,
    /// A name has more levels than ranks have room for: always take the slow way.
    too_deep: bool,
}

/// Open addressing: hash and index in the entries, whose `NONE` is an empty place.
#[derive(Clone, Debug, Default)]
struct Table {
    places: Vec<(u32, u32)>,
    indices: Vec<u32>,
}

impl Table {
    fn insert(&mut self, index: u32, entries: &[Entry]) {
        self.indices.push(index);
        if self.indices.len() * 4 > self.places.len() {
            self.places = vec![(0, NONE); (self.places.len() * 2).max(64)];
            for index in 0..self.indices.len() {
                self.place(self.indices[index], entries);
            }
        } else {
            self.place(index, entries);
        }
    }

    fn place(&mut self, index: u32, entries: &[Entry]) {
        let mask = self.places.len() - 1;
        let entry = &entries[index as usize];
        let hash = entry.ends.hash(entry.parent);
        let mut at = hash as usize & mask;
        while self.places[at].1 != NONE {
            at = (at + 1) & mask;
        }
        self.places[at] = (hash, index);
    }
}

impl Projection {
    pub(super) fn new(table: &FieldTable) -> Self {
        let mut projection = Self {
            nodes: vec![Node { any: NONE, strips_blanks: false }],
            entries: Vec::new(),
            outermost: Table::default(),
            inner: Table::default(),
            too_deep: false,
        };
        for (number, name) in (0u32..).zip(table.names()) {
            let slot = Slot(number);
            let parts: Vec<&str> = name.split('.').collect();
            if parts.len() > LEVELS {
                projection.too_deep = true;
                continue;
            }
            projection.add_direct(slot, &parts);
            for (index, lift) in LIFTS.iter().enumerate() {
                // Direct ways use the rank's upper digits; of lifted ones the earlier wins.
                let rank = (LIFTS.len() - index) as u32;
                projection.add_lifted(slot, name, lift, rank);
            }
        }
        projection
    }

    /// All ways to read a dotted name: each level takes one or more parts as one key.
    fn add_direct(&mut self, slot: Slot, parts: &[&str]) {
        // (node, parts used, level, rank)
        let mut open = vec![(ROOT, 0, 0, 0u32)];
        while let Some((node, used, level, rank)) = open.pop() {
            for taken in 1..=parts.len() - used {
                let key = parts[used..used + taken].join(".");
                let shift = 28 - 4 * level as u32;
                let rank = rank | (taken as u32) << shift;
                let mask = u32::MAX << shift;
                let goes_on = used + taken < parts.len();
                let claim = Claim { slot, rank, mask, goes_on, lifted: false };
                let child = self.insert(node, key.as_bytes(), Some(claim), goes_on);
                if goes_on {
                    open.push((child, used + taken, level + 1, rank));
                }
            }
        }
    }

    /// The ways on which a known container has the name.
    fn add_lifted(&mut self, slot: Slot, name: &str, lift: &Lift, rank: u32) {
        let names = lift.steps.iter().filter(|step| matches!(step, Step::Name)).count();
        let splits: Vec<Vec<&str>> = match lift.name {
            Some(fixed) if fixed == name => vec![vec![]],
            Some(_) => vec![],
            // Lifting removes blanks: no name with one comes of it.
            None if name.contains(' ') => vec![],
            None if names == 1 => vec![vec![name]],
            None => name
                .match_indices('_')
                .map(|(at, _)| vec![&name[..at], &name[at + 1..]])
                .filter(|parts| names == 2 && parts.iter().all(|part| !part.is_empty()))
                .collect(),
        };
        for split in splits {
            let mut node = ROOT;
            let mut parts = split.iter();
            for (index, step) in lift.steps.iter().enumerate() {
                let last = index + 1 == lift.steps.len();
                let key = match step {
                    Step::AnyKey => {
                        if self.nodes[node as usize].any == NONE {
                            self.nodes[node as usize].any = self.new_node();
                        }
                        node = self.nodes[node as usize].any;
                        continue;
                    }
                    Step::Key(key) => key,
                    Step::Name => {
                        self.nodes[node as usize].strips_blanks = true;
                        *parts.next().unwrap_or(&"")
                    }
                };
                let claim = last.then_some(Claim {
                    slot,
                    rank,
                    mask: u32::MAX,
                    goes_on: false,
                    lifted: true,
                });
                node = self.insert(node, key.as_bytes(), claim, !last);
            }
        }
    }

    fn new_node(&mut self) -> u32 {
        self.nodes.push(Node { any: NONE, strips_blanks: false });
        self.nodes.len() as u32 - 1
    }

    fn insert(&mut self, parent: u32, key: &[u8], claim: Option<Claim>, with_child: bool) -> u32 {
        let index = match self.find(parent, key) {
            Some(index) => index as usize,
            None => {
                self.entries.push(Entry {
                    ends: Ends::of(key),
                    parent,
                    child: NONE,
                    has_blank: key.contains(&b' '),
                    key: key.into(),
                    claims: Vec::new(),
                });
                let index = self.entries.len() as u32 - 1;
                let table = if parent == ROOT { &mut self.outermost } else { &mut self.inner };
                table.insert(index, &self.entries);
                self.entries.len() - 1
            }
        };
        if let Some(claim) = claim {
            let known = self.entries[index].claims.iter().any(|known| {
                known.slot == claim.slot
                    && known.rank == claim.rank
                    && known.goes_on == claim.goes_on
            });
            if !known {
                self.entries[index].claims.push(claim);
            }
        }
        if with_child && self.entries[index].child == NONE {
            self.entries[index].child = self.new_node();
        }
        self.entries[index].child
    }

    #[inline(always)]
    fn find(&self, parent: u32, key: &[u8]) -> Option<u32> {
        let ends = Ends::of(key);
        let hash = ends.hash(parent);
        let table = if parent == ROOT { &self.outermost } else { &self.inner };
        let mask = table.places.len().wrapping_sub(1);
        let mut at = hash as usize & mask;
        loop {
            let (known, index) = *table.places.get(at)?;
            if index == NONE {
                return None;
            }
            if known == hash
                && let Some(entry) = self.entries.get(index as usize)
                && entry.parent == parent
                && entry.ends == ends
                && (key.len() <= Ends::WHOLE || *entry.key == *key)
            {
                return Some(index);
            }
            at = (at + 1) & mask;
        }
    }

    /// Fills the slots of one JSON object. After a refusal the fields must be cleared.
    pub(super) fn project(
        &self,
        text: &[u8],
        index: &mut Index,
        fields: &mut Fields,
    ) -> Result<(), Refused> {
        if self.too_deep || u32::try_from(text.len()).is_err() {
            return Err(Refused);
        }
        index.build(text);
        let mut entered = std::mem::take(&mut index.entered);
        entered.begin(self.nodes.len());
        let result = self.walk(text, index, &mut entered, fields);
        index.entered = entered;
        result
    }

    fn walk(
        &self,
        text: &[u8],
        index: &Index,
        entered: &mut Entered,
        fields: &mut Fields,
    ) -> Result<(), Refused> {
        let mut walk = Walk {
            projection: self,
            text,
            index,
            quotes: index.quotes(),
            next: 0,
            fields,
            entered,
        };
        let at = walk.blanks(0);
        let end = walk.object(at, ROOT)?;
        if walk.blanks(end) != text.len() {
            return Err(Refused);
        }
        Ok(())
    }
}

/// The containers that were met in this record. One that comes twice, even as something else than an object, would
/// take back what it gave first: such a record goes the slow way.
#[derive(Debug, Default)]
pub(super) struct Entered {
    generation: u32,
    /// By node: the generation in which it was met.
    nodes: Vec<u32>,
    /// Members of containers that take any key.
    any: Vec<(u32, Box<[u8]>)>,
    /// Belongs to one projection.
    order: Order,
}

/// Which key of the outermost object came after which: programs write their members in the same order again and again.
/// Only keys that [`Ends`] tell apart.
#[derive(Debug)]
struct Order {
    keys: Vec<Member>,
    known: HashMap<Ends, u32, RandomState>,
    /// The key before.
    last: u32,
}

#[derive(Clone, Copy, Debug)]
struct Member {
    ends: Ends,
    found: Found,
    /// Those that came after it the last times; the likelier first.
    next: [u32; 2],
}

/// Stands before the first key, and for keys that are not kept.
const BEGINNING: u32 = 0;

impl Default for Order {
    fn default() -> Self {
        let beginning = Member { ends: Ends::of(b""), found: Found::Odd, next: [BEGINNING; 2] };
        Self { keys: vec![beginning], known: HashMap::default(), last: BEGINNING }
    }
}

impl Order {
    /// What the key is, if it is one of those that came here before.
    #[inline(always)]
    fn guess(&mut self, ends: Ends) -> Option<Found> {
        let [first, second] = self.keys.get(self.last as usize)?.next;
        let likely = self.keys.get(first as usize)?;
        if likely.ends == ends && first != BEGINNING {
            self.last = first;
            return Some(likely.found);
        }
        let other = self.keys.get(second as usize)?;
        if other.ends == ends && second != BEGINNING {
            let found = other.found;
            self.keys[self.last as usize].next = [second, first];
            self.last = second;
            return Some(found);
        }
        None
    }

    /// Remembers what a key is that came here for the first time.
    fn learn(&mut self, ends: Ends, found: Found) {
        let next = match self.known.get(&ends) {
            Some(known) => *known,
            None if self.keys.len() < MOST_KEYS => {
                let new = self.keys.len() as u32;
                self.keys.push(Member { ends, found, next: [BEGINNING; 2] });
                self.known.insert(ends, new);
                new
            }
            None => BEGINNING,
        };
        let last = &mut self.keys[self.last as usize].next;
        *last = [next, last[0]];
        self.last = next;
    }
}

impl Entered {
    fn begin(&mut self, nodes: usize) {
        if self.nodes.len() != nodes || self.generation == u32::MAX {
            self.nodes = vec![0; nodes];
            self.generation = 0;
        }
        self.generation += 1;
        self.any.clear();
        self.order.last = BEGINNING;
    }

    #[inline]
    fn node(&mut self, node: u32) -> Result<(), Refused> {
        match std::mem::replace(&mut self.nodes[node as usize], self.generation) {
            before if before == self.generation => Err(Refused),
            _ => Ok(()),
        }
    }

    fn any(&mut self, node: u32, key: &[u8]) -> Result<(), Refused> {
        if self.any.iter().any(|(known, name)| *known == node && **name == *key) {
            return Err(Refused);
        }
        self.any.push((node, key.into()));
        Ok(())
    }
}

struct Walk<'a> {
    projection: &'a Projection,
    text: &'a [u8],
    index: &'a Index,
    quotes: &'a [u32],
    /// The next quote.
    next: usize,
    fields: &'a mut Fields,
    entered: &'a mut Entered,
}

impl Walk<'_> {
    #[inline(always)]
    fn byte(&self, at: usize) -> u8 {
        self.text.get(at).copied().unwrap_or(0)
    }

    #[inline(always)]
    fn blanks(&self, mut at: usize) -> usize {
        if self.byte(at) > b' ' {
            return at;
        }
        while matches!(self.byte(at), b' ' | b'\t' | b'\r' | b'\n') {
            at += 1;
        }
        at
    }

    /// The end quote of the string that begins at `at`.
    #[inline(always)]
    fn string(&mut self, at: usize) -> Result<usize, Refused> {
        let [start, end] =
            *self.quotes.get(self.next..).and_then(<[u32]>::first_chunk).ok_or(Refused)?;
        if start as usize != at {
            return Err(Refused);
        }
        self.next += 2;
        Ok(end as usize)
    }

    /// The object that begins at `at`, whose keys `node` knows. Gives the place after it.
    fn object(&mut self, at: usize, node: u32) -> Result<usize, Refused> {
        if self.byte(at) != b'{' {
            return Err(Refused);
        }
        let mut at = self.blanks(at + 1);
        if self.byte(at) == b'}' {
            return Ok(at + 1);
        }
        loop {
            let end = self.string(at)?;
            let start = at + 1;
            let entry =
                if node == ROOT { self.outermost(start, end) } else { self.key(start, end, node) };
            at = self.blanks(end + 1);
            if self.byte(at) != b':' {
                return Err(Refused);
            }
            at = self.blanks(at + 1);
            at = match entry {
                Found::Unknown => self.skip(at)?,
                Found::Odd => return Err(Refused),
                Found::Any(child) => {
                    self.entered.any(child, &self.text[start..end])?;
                    if self.byte(at) == b'{' { self.object(at, child)? } else { self.skip(at)? }
                }
                Found::Entry(entry) => {
                    let any = self.projection.nodes[node as usize].any;
                    if any != NONE {
                        self.entered.any(any, &self.text[start..end])?;
                    }
                    self.value(at, entry)?
                }
            };
            at = self.blanks(at);
            match self.byte(at) {
                b',' => at = self.blanks(at + 1),
                b'}' => return Ok(at + 1),
                _ => return Err(Refused),
            }
        }
    }

    /// A key of the outermost object: probably one that came after the key before it in an earlier record.
    #[inline(always)]
    fn outermost(&mut self, start: usize, end: usize) -> Found {
        if end - start > Ends::WHOLE {
            self.entered.order.last = BEGINNING;
            return self.key(start, end, ROOT);
        }
        let ends = Ends::of(&self.text[start..end]);
        if let Some(found) = self.entered.order.guess(ends) {
            return found;
        }
        let found = self.key(start, end, ROOT);
        self.entered.order.learn(ends, found);
        found
    }

    #[inline(always)]
    fn key(&self, start: usize, end: usize, node: u32) -> Found {
        let raw = &self.text[start..end];
        let found = self.projection.find(node, raw);
        if let Some(index) = found
            && !self.projection.entries[index as usize].has_blank
        {
            return Found::Entry(index);
        }
        if self.index.has_backslash(start, end)
            || found.is_some()
            || (self.projection.nodes[node as usize].strips_blanks && raw.contains(&b' '))
        {
            return self.odd_key(raw, node);
        }
        self.any(node)
    }

    fn any(&self, node: u32) -> Found {
        match self.projection.nodes[node as usize].any {
            NONE => Found::Unknown,
            child => Found::Any(child),
        }
    }

    #[cold]
    fn odd_key(&self, raw: &[u8], node: u32) -> Found {
        let mut key = Vec::new();
        sigmund_engine::escape::unescape_json(raw, &mut key);
        let found = self.projection.find(node, &key);
        if self.projection.nodes[node as usize].strips_blanks && key.contains(&b' ') {
            key.retain(|byte| *byte != b' ');
            if self.projection.find(node, &key).is_some() {
                return Found::Odd;
            }
        }
        found.map_or_else(|| self.any(node), Found::Entry)
    }

    /// A value whose key some way names.
    fn value(&mut self, at: usize, entry: u32) -> Result<usize, Refused> {
        let projection = self.projection;
        let entry = &projection.entries[entry as usize];
        // What else has a container's name counts as the container once more.
        if entry.child != NONE {
            self.entered.node(entry.child)?;
        }
        let any = projection.nodes[entry.parent as usize].any;
        if any != NONE {
            self.entered.any(any, &entry.key)?;
        }
        match self.byte(at) {
            b'"' => {
                let end = self.string(at)?;
                let kind =
                    if self.index.has_backslash(at + 1, end) { Kind::JsonText } else { Kind::Text };
                self.fill(entry, kind, at + 1, end)?;
                Ok(end + 1)
            }
            b'{' => {
                for claim in &entry.claims {
                    let fills = !claim.goes_on;
                    if claim.lifted {
                        self.not_again(claim)?;
                    } else if self.claim(claim)? && fills {
                        self.fields.push(claim.slot, Kind::Object, Store::Record, at, at);
                    }
                }
                match (entry.child, any) {
                    (NONE, NONE) => self.skip(at),
                    (child, NONE) | (NONE, child) => self.object(at, child),
                    // Two ways go on below this key, with different keys in mind.
                    _ => Err(Refused),
                }
            }
            b'[' => {
                if entry.claims.iter().any(|claim| claim.goes_on) {
                    return Err(Refused);
                }
                for claim in &entry.claims {
                    if claim.lifted && self.holds_objects(at)? {
                        self.not_again(claim)?;
                        continue;
                    }
                    if self.claim(claim)? {
                        let next = self.next;
                        self.list(at, claim)?;
                        self.next = next;
                    }
                }
                self.skip(at)
            }
            _ => {
                let (end, kind) = self.scalar(at)?;
                self.fill(entry, kind, at, end)?;
                Ok(end)
            }
        }
    }

    /// What is not lifted stands here. If this way has filled the slot before, that would have to be taken back, and
    /// what it had replaced put in again.
    fn not_again(&self, claim: &Claim) -> Result<(), Refused> {
        if self.fields.is_filled_by(claim.slot, claim.rank) { Err(Refused) } else { Ok(()) }
    }

    /// Whether the slot is this way's. One that is better but may lead nowhere takes back what a worse one has filled in, which in
    /// turn may have replaced what was lifted: the slow way sorts that out.
    #[inline(always)]
    fn claim(&mut self, claim: &Claim) -> Result<bool, Refused> {
        let Claim { slot, rank, mask, goes_on, .. } = *claim;
        if goes_on && self.fields.takes_back(slot, rank, mask) {
            return Err(Refused);
        }
        Ok(self.fields.claim(slot, rank, mask, !goes_on))
    }

    #[inline(always)]
    fn fill(&mut self, entry: &Entry, kind: Kind, start: usize, end: usize) -> Result<(), Refused> {
        for claim in &entry.claims {
            if self.claim(claim)? && !claim.goes_on {
                self.fields.push(claim.slot, kind, Store::Record, start, end);
            }
        }
        Ok(())
    }

    /// Whether there are objects in a list: such a list is not lifted.
    fn holds_objects(&mut self, at: usize) -> Result<bool, Refused> {
        let next = self.next;
        let end = self.skip(at)?;
        let strings = &self.quotes[next..self.next];
        self.next = next;
        let mut from = at;
        for string in strings.chunks_exact(2) {
            if self.text[from..string[0] as usize].contains(&b'{') {
                return Ok(true);
            }
            from = string[1] as usize + 1;
        }
        Ok(self.text[from..end].contains(&b'{'))
    }

    /// The elements of a list as values of one slot; lists in it are flattened.
    fn list(&mut self, at: usize, claim: &Claim) -> Result<(), Refused> {
        let mut depth = 0;
        let mut at = at;
        let mut filled = false;
        loop {
            match self.byte(at) {
                b'[' => {
                    depth += 1;
                    at += 1;
                }
                b']' => {
                    depth -= 1;
                    at += 1;
                    if depth == 0 {
                        break;
                    }
                }
                b',' | b' ' | b'\t' | b'\r' | b'\n' => at += 1,
                b'{' => {
                    let end = self.skip(at)?;
                    self.fields.push(claim.slot, Kind::Object, Store::Record, at, at);
                    filled = true;
                    at = end;
                }
                b'"' => {
                    let end = self.string(at)?;
                    let escapes = self.index.has_backslash(at + 1, end);
                    let kind = if escapes { Kind::JsonText } else { Kind::Text };
                    self.fields.push(claim.slot, kind, Store::Record, at + 1, end);
                    filled = true;
                    at = end + 1;
                }
                _ => {
                    let (end, kind) = self.scalar(at)?;
                    self.fields.push(claim.slot, kind, Store::Record, at, end);
                    filled = true;
                    at = end;
                }
            }
        }
        if !filled {
            self.fields.push(claim.slot, Kind::Empty, Store::Record, at, at);
        }
        Ok(())
    }

    /// A number or a word. Numbers are checked by the grammar of RFC 8259.
    #[inline]
    fn scalar(&self, at: usize) -> Result<(usize, Kind), Refused> {
        let rest = self.text.get(at..).unwrap_or_default();
        let (len, kind) = match rest {
            [b't', b'r', b'u', b'e', ..] => (4, Kind::True),
            [b'f', b'a', b'l', b's', b'e', ..] => (5, Kind::False),
            [b'n', b'u', b'l', b'l', ..] => (4, Kind::Null),
            _ => (number(rest).ok_or(Refused)?, Kind::Number),
        };
        match rest.get(len) {
            None | Some(b',' | b'}' | b']' | b' ' | b'\t' | b'\r' | b'\n') => Ok((at + len, kind)),
            Some(_) => Err(Refused),
        }
    }

    /// The value that begins at `at`, looked at only as far as its structure must be right. Gives the place after it.
    fn skip(&mut self, at: usize) -> Result<usize, Refused> {
        match self.byte(at) {
            b'"' => return Ok(self.string(at)? + 1),
            b'{' | b'[' => {}
            _ => return Ok(self.scalar(at)?.0),
        }
        // The kinds of the open brackets, innermost lowest; a set bit is an object.
        let mut open: u64 = 1;
        let mut at = at;
        'value: loop {
            // A value begins here.
            match self.byte(at) {
                b'"' => at = self.string(at)? + 1,
                bracket @ (b'{' | b'[') => {
                    if open >> 63 != 0 {
                        return Err(Refused);
                    }
                    let object = bracket == b'{';
                    open = open << 1 | u64::from(object);
                    at = self.blanks(at + 1);
                    let close = if object { b'}' } else { b']' };
                    if self.byte(at) != close {
                        if object {
                            at = self.member(at)?;
                        }
                        continue 'value;
                    }
                    open >>= 1;
                    at += 1;
                }
                _ => at = self.scalar(at)?.0,
            }
            // A value has ended.
            loop {
                if open == 1 {
                    return Ok(at);
                }
                at = self.blanks(at);
                match (self.byte(at), open & 1) {
                    (b',', 1) => {
                        at = self.blanks(at + 1);
                        at = self.member(at)?;
                        continue 'value;
                    }
                    (b',', _) => {
                        at = self.blanks(at + 1);
                        continue 'value;
                    }
                    (b'}', 1) | (b']', 0) => {
                        open >>= 1;
                        at += 1;
                    }
                    _ => return Err(Refused),
                }
            }
        }
    }

    /// A key and its colon; gives the place of the value.
    #[inline(always)]
    fn member(&mut self, at: usize) -> Result<usize, Refused> {
        let end = self.string(at)?;
        let at = self.blanks(end + 1);
        if self.byte(at) != b':' {
            return Err(Refused);
        }
        Ok(self.blanks(at + 1))
    }
}

/// What a key is.
#[derive(Clone, Copy, Debug)]
enum Found {
    Unknown,
    /// A wanted name that is written with blanks: it may stand beside the one without.
    Odd,
    Any(u32),
    Entry(u32),
}

/// The length of the number at the beginning.
fn number(text: &[u8]) -> Option<usize> {
    let digits = |from: usize| text[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let mut at = usize::from(text.first() == Some(&b'-'));
    let whole = digits(at);
    if whole == 0 || (whole > 1 && text[at] == b'0') {
        return None;
    }
    at += whole;
    if text.get(at) == Some(&b'.') {
        let fraction = digits(at + 1);
        if fraction == 0 {
            return None;
        }
        at += 1 + fraction;
    }
    if matches!(text.get(at), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(text.get(at + 1), Some(b'+' | b'-')));
        let exponent = digits(at + 1 + sign);
        if exponent == 0 {
            return None;
        }
        at += 1 + sign + exponent;
    }
    Some(at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::lift::lifted;
    use crate::json::parser::find;
    use crate::json::read;
    use proptest::prelude::*;
    use sigmund_engine::Value;
    use std::sync::Arc;

    /// (kind, text) of all scalars of a field, by the general way.
    fn slow(text: &str, name: &str) -> Option<Vec<(Kind, String)>> {
        fn add(value: &Value, out: &mut Vec<(Kind, String)>) {
            match value {
                Value::Null => out.push((Kind::Null, String::new())),
                Value::Bool(true) => out.push((Kind::True, String::new())),
                Value::Bool(false) => out.push((Kind::False, String::new())),
                Value::Number(text) => out.push((Kind::Number, text.to_string())),
                Value::Text(text) => out.push((Kind::Text, text.to_string())),
                Value::Object(_) => out.push((Kind::Object, String::new())),
                Value::Array(elements) => elements.iter().for_each(|element| add(element, out)),
            }
        }
        let object = read::object(text.as_bytes()).ok()?;
        let lifted = lifted(&object);
        let mut out = vec![];
        find(&object, &lifted, name).iter().for_each(|value| add(value, &mut out));
        Some(out)
    }

    fn fast(text: &str, names: &[&str]) -> Option<Vec<Vec<(Kind, String)>>> {
        let table = Arc::new(FieldTable::new(names.iter().copied()));
        let mut fields = Fields::new(Arc::clone(&table));
        Projection::new(&table)
            .project(text.as_bytes(), &mut Index::default(), &mut fields)
            .ok()?;
        let values = |slot| {
            let mut out = vec![];
            for value in fields.values(slot).filter(|value| value.kind != Kind::Empty) {
                let bytes = fields.bytes(text.as_bytes(), value);
                let mut decoded = Vec::new();
                match value.kind {
                    Kind::JsonText => sigmund_engine::escape::unescape_json(bytes, &mut decoded),
                    Kind::Text | Kind::Number => decoded.extend_from_slice(bytes),
                    _ => {}
                }
                let kind = if value.kind == Kind::JsonText { Kind::Text } else { value.kind };
                out.push((kind, String::from_utf8(decoded).unwrap()));
            }
            out
        };
        Some((0..names.len()).map(|slot| values(Slot(slot as u32))).collect())
    }

    const NAMES: &[&str] = &[
        "a",
        "b",
        "a.b",
        "a.b.c",
        "EventID",
        "Provider_Name",
        "Image",
        "Data",
        "a.b.c.a",
        "I mage",
        "Event.EventData.I mage",
    ];

    fn json(depth: u32) -> BoxedStrategy<String> {
        let leaf = prop_oneof![
            Just("1".to_owned()),
            Just("-2.50".to_owned()),
            Just("null".to_owned()),
            Just("true".to_owned()),
            Just(r#""x""#.to_owned()),
            Just(r#""C:\\x \u00e9""#.to_owned()),
            Just("[]".to_owned()),
            Just("{}".to_owned()),
        ];
        if depth == 0 {
            return leaf.boxed();
        }
        let key = prop::sample::select(vec![
            "a",
            "b",
            "c",
            "a.b",
            "b.c",
            "a.b.c",
            "Event",
            "EventData",
            "System",
            "UserData",
            "Image",
            "EventID",
            "Provider",
            "#attributes",
            "Name",
            "Data",
            "#text",
            "I mage",
        ]);
        let object = prop::collection::vec((key, json(depth - 1)), 0..5).prop_map(|members| {
            let members: Vec<String> =
                members.iter().map(|(key, value)| format!("\"{key}\" : {value}")).collect();
            format!("{{{}}}", members.join(", "))
        });
        let list = prop::collection::vec(json(depth - 1), 0..3)
            .prop_map(|elements| format!("[{}]", elements.join(",")));
        prop_oneof![2 => leaf, 4 => object, 1 => list].boxed()
    }

    #[test]
    fn what_leads_nowhere_does_not_hide_what_is_lifted() {
        let text = r#"{"EventData":{"a.b.c":1},"a":{"b":{"c":2}},"a.b":5}"#;
        assert_eq!(slow(text, "a.b.c"), Some(vec![(Kind::Number, "1".to_owned())]));
        assert_eq!(fast(text, &["a.b.c"]), None);
        // The usual order is read fast.
        let text = r#"{"EventData":{"a.b.c":1},"a.b":5,"a":{"b":{"c":2}}}"#;
        assert_eq!(fast(text, &["a.b.c"]), Some(vec![vec![(Kind::Number, "1".to_owned())]]));
        assert_eq!(slow(text, "a.b.c"), Some(vec![(Kind::Number, "1".to_owned())]));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(8000))]
        #[test]
        fn the_projection_finds_what_the_general_way_finds(value in json(4), first in json(2), last in json(2)) {
            let text = format!(
                "{{\"EventData\":{first},\"Event\":{value},\"a\":{value},\"a.b\":{last},\"b\":1}}"
            );
            if let Some(found) = fast(&text, NAMES) {
                for (name, values) in NAMES.iter().zip(found) {
                    prop_assert_eq!(Some(values), slow(&text, name), "{} in {}", name, &text);
                }
            }
        }

        #[test]
        fn what_is_not_json_is_refused(text in r#"[{}\[\]:,"a1 .\\-]{0,40}"#) {
            if fast(&text, NAMES).is_some() {
                prop_assert!(read::object(text.as_bytes()).is_ok(), "{}", text);
            }
        }
    }
}
