//! Records like earlier ones, read while they are compared with them.
//!
//! Programs write the same members in the same order, again and again, one record a line. A trail is how one such record is written but for
//! its values: what stands before the first value, between each two, and which slot each fills. All trails are kept as a tree by what they
//! begin with. A record that goes along a trail to its end is known: it is valid, its slots are filled as those of the record that made
//! the trail, and its route is the same, since values that a route depends on are part of the trail. Objects within it are part of what stands
//! between its values. No index is made for it, and its end is found on the way. Whatever is otherwise (line breaks in texts, lists of objects, a
//! member that is new) is left as it is to those who read everything.

use super::index::escaped;
use super::wrapper::is_ordinary;
use crate::format::{REACH, ROOM};
use sigmund_engine::vector::{self, Block, Operations, Pass};
use sigmund_engine::{FieldTable, Fields, Kind, Route, Slot, Store};
use std::sync::Arc;

/// So many bytes are looked at at once. What stands between two values is not longer.
const LOOK: usize = ROOM;
/// The tree is forgotten when it has grown so far, so that hostile records cannot fill the memory.
const MOST_NODES: usize = 8192;
/// So many objects may end at the end of a record.
const MOST_CLOSES: usize = 8;
/// So many members that come after the same ones are told apart.
const MOST_NEXT: usize = 64;
/// Longer records are not learnt: the walk along a trail ends there.
const LONGEST: usize = FURTHEST;
/// Members that begin further on are not looked at: whatever is looked at from there on is within [`REACH`], which saves asking at each step.
const FURTHEST: usize = REACH - 512;

const NONE: u32 = u32::MAX;

/// A member after those on the way to it.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
struct Node {
    /// How the member begins, with what comes before it, up to its value: a text's quote is part of it.
    text: Block,
    /// How long that is: at most [`LOOK`]. And a bit for each of its first 32 bytes.
    len: u8,
    first: u32,
    written: Written,
    /// Of a value that is known: what it is, how long without quotes, and how much of the text is behind it.
    kind: Kind,
    length: u8,
    after: u8,
    /// There are no blanks around any key so far.
    is_compact: bool,
    /// The slots that the value is of, and those of them that it fills, since somebody reads them in events of the routes that it leads to.
    slots: [u32; 2],
    fills: [u32; 2],
    /// Some value before it may be the time, and is not filled since there is a better one. Of the member that a record ends after.
    leaves_times: bool,
    /// So many objects end where a record ends after this member.
    closes: u8,
    /// The first of the members that may come next, and the next of those that may come in place of this one.
    next: u32,
    other: u32,
    /// The route of the records that end after this member.
    route: u32,
}

/// How the value of a member is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Written {
    /// A text; its first quote is part of the trail.
    Text,
    /// Anything else.
    Other,
    /// As in the record that made the trail, of which it is part: at the end of [`Node::text`], with the quote or comma behind it.
    Known,
}

/// By slot whether it is read; none of an empty list. `None` if that is not known.
type Reads = Option<Box<[bool]>>;

/// The trails of one stream.
#[derive(Debug)]
pub(super) struct Trails {
    /// The first stands for the beginning of a record.
    nodes: Vec<Node>,
    routes: Vec<Arc<Route>>,
    /// Of each route that a record was to be learnt of, which slots are read.
    reads: Vec<(Arc<Route>, Reads)>,
    /// How much better it has been to look for a trail than not to. Below zero nobody looks for a while.
    luck: i32,
    /// The last record was looked for in vain: only then is it worth to be learnt.
    missed: bool,
    /// So many new trails may still come without counting as bad luck.
    new: u32,
    /// What the slots of records that were to be learnt hash to, in their order.
    met: Box<[u64; MOST_MET]>,
    hasher: ahash::RandomState,
    /// A line near the end of its block, with room behind it.
    line: Vec<u8>,
}

/// A record that went along a trail.
#[derive(Debug)]
pub(super) struct Passed {
    /// Its length, without the line break, and with it.
    pub(super) len: usize,
    pub(super) line: usize,
    pub(super) is_ascii: bool,
    pub(super) has_unicode_escapes: bool,
    /// It has no blanks between its parts, only escapes of JSON, none of them by number, and is ASCII.
    pub(super) is_compact: bool,
    /// Not all fields that may hold the time are filled.
    pub(super) leaves_times: bool,
    route: u32,
}

const ROOT: Node = Node {
    text: [0; LOOK],
    len: 0,
    first: 0,
    written: Written::Other,
    kind: Kind::Empty,
    length: 0,
    after: 0,
    is_compact: true,
    slots: [NONE; 2],
    fills: [NONE; 2],
    leaves_times: false,
    closes: 1,
    next: NONE,
    other: NONE,
    route: NONE,
};

/// What one record costs that is looked for in vain, as one that is found is worth.
const MISS: i32 = 1;
const MOST_LUCK: i32 = 1024;
/// One of which is tried to learn costs so much more.
const VAIN: i32 = 4;
/// So many records go by until trails are looked for again.
const REST: i32 = 512;
/// So many trails one stream may have: what programs write has fewer shapes.
const MOST_TRAILS: u32 = 4096;

/// Of so many routes it is remembered which slots are read.
const MOST_ROUTES: usize = 256;

/// So many orders of slots are remembered, at most.
const MOST_MET: usize = 1024;

impl Default for Trails {
    fn default() -> Self {
        Self {
            nodes: vec![ROOT],
            routes: Vec::new(),
            reads: Vec::new(),
            luck: MOST_LUCK,
            missed: false,
            new: MOST_TRAILS,
            met: Box::new([0; MOST_MET]),
            hasher: ahash::RandomState::with_seeds(1, 2, 3, 4),
            line: Vec::new(),
        }
    }
}

impl Trails {
    /// The record that begins a block, its slots filled, if it goes along a trail to the end of a line. Otherwise some slots may be filled.
    #[inline]
    pub(super) fn pass(&mut self, block: &[u8], fields: &mut Fields) -> Option<Passed> {
        if self.lets_go_by() {
            return None;
        }
        let passed = match block.first_chunk() {
            Some(block) => vector::run(Walk { nodes: &mut self.nodes, block, fields }),
            None => self.pass_near_the_end(block, fields),
        };
        match passed {
            Some(_) => self.luck = (self.luck + 1).min(MOST_LUCK),
            // So long records are not for trails, which says nothing of others.
            None if memchr::memchr(b'\n', &block[..block.len().min(FURTHEST)]).is_none() => {
                self.missed = false;
            }
            None => {
                self.missed = true;
                self.luck -= MISS;
                if self.rests() {
                    self.luck = -REST;
                }
            }
        }
        passed
    }

    #[cold]
    fn pass_near_the_end(&mut self, block: &[u8], fields: &mut Fields) -> Option<Passed> {
        let length = memchr::memchr(b'\n', block)? + 1;
        self.line.resize(REACH, 0);
        self.line.get_mut(..length)?.copy_from_slice(&block[..length]);
        let block = self.line.first_chunk()?;
        vector::run(Walk { nodes: &mut self.nodes, block, fields })
    }

    /// Nobody looks for trails for a while.
    fn rests(&self) -> bool {
        self.luck < 0
    }

    /// Whether a record is one of those that nobody looks for a trail of; they are counted.
    pub(super) fn lets_go_by(&mut self) -> bool {
        if !self.rests() {
            return false;
        }
        self.luck += 1;
        if self.luck == 0 {
            self.luck = MOST_LUCK / 8;
        }
        true
    }

    /// The route of a record that passed.
    #[inline]
    pub(super) fn route(&self, passed: &Passed) -> Option<&Arc<Route>> {
        self.routes.get(passed.route as usize)
    }

    /// Remembers how a record is written that was read: one whose slots were filled by its scalars and lists of scalars,
    /// as they are by all records with the same keys. `counts` says of which slots the route depends on the value. Fields that nobody reads in events
    /// of this route are not to be filled.
    #[cold]
    pub(super) fn learn(
        &mut self,
        record: &[u8],
        fields: &Fields,
        counts: impl Fn(Slot) -> bool,
        (route, times): (&Arc<Route>, Times<'_>),
    ) {
        if !std::mem::take(&mut self.missed) || self.rests() {
            return;
        }
        if record.len() > LONGEST {
            return;
        }
        self.try_to_learn(record, fields, counts, (route, times));
        if self.rests() {
            self.luck = -REST;
        }
    }

    fn try_to_learn(
        &mut self,
        record: &[u8],
        fields: &Fields,
        counts: impl Fn(Slot) -> bool,
        (route, times): (&Arc<Route>, Times<'_>),
    ) {
        // Some programs write the members in any order: no trail is met again, and to learn one takes as long as to read ten records.
        let Some(order) = fields.order() else { return };
        if !self.has_met(order) || !is_ordinary(record) {
            return;
        }
        // Where the first and the last value of each slot begin.
        let mut filled = Vec::with_capacity(order.len());
        for slot in order.iter().copied() {
            let (Some(first), Some(last)) = (fields.first(slot), fields.values(slot).last()) else {
                return;
            };
            if first.store != Store::Record || last.store != Store::Record {
                return;
            }
            filled.push((first.start as usize, last.start as usize, slot));
        }
        // A trail fills them in the order of the record.
        if !filled.is_sorted_by_key(|(first, ..)| first) {
            return;
        }
        self.luck -= VAIN;
        let reads = self.reads(fields.table(), route);
        let time = times.slots.iter().find(|slot| fields.is_present(**slot));
        let time =
            time.filter(|_| times.are_wanted || !reads.as_ref().is_some_and(|it| it.is_empty()));
        let is_filled = |slot: &Slot| {
            let is_read = |reads: &[bool]| reads.get(slot.0 as usize) == Some(&true);
            time == Some(slot) || reads.as_deref().is_none_or(is_read)
        };
        let leaves_times =
            times.slots.iter().any(|slot| fields.is_present(*slot) && !is_filled(slot));
        let Some(members) = members(record) else { return };
        let has_objects = members.iter().any(|member| member.kind == Kind::Object);
        if self.nodes.len() + members.len() > MOST_NODES {
            // Their memory is kept.
            self.nodes.truncate(1);
            self.nodes[0] = ROOT;
            self.routes.clear();
        }
        let nodes = self.nodes.len();
        let mut node = 0;
        let mut found = 0;
        let (mut from, mut end) = (0, 0);
        for member in members {
            let values = match member.kind {
                Kind::Empty => member.start + 1..=member.end,
                Kind::Text => member.start + 1..=member.start + 1,
                _ => member.start..=member.start,
            };
            let is_its = |(first, last, _): &&(usize, usize, Slot)| {
                values.contains(first) && values.contains(last)
            };
            // Both come in the order of the record.
            let its = |at: usize| filled.get(at).filter(is_its).map(|(_, _, slot)| *slot);
            let slot = its(found);
            let also = slot.and_then(|_| its(found + 1));
            found += usize::from(slot.is_some()) + usize::from(also.is_some());
            let is_fixed = matches!(member.kind, Kind::Object | Kind::Null);
            if is_fixed && slot.is_none() {
                continue;
            }
            let counts = is_fixed || slot.is_some_and(&counts) || also.is_some_and(&counts);
            if counts && member.kind == Kind::Empty {
                return;
            }
            // A known number goes as far as its comma: `1` is not how `10` begins.
            let comma = match member.kind {
                Kind::Text => 0,
                // Its brace.
                Kind::Object => 1,
                _ => usize::from(record[member.end] == b','),
            };
            let upto = match member.kind {
                _ if counts => member.end + comma,
                Kind::Text => member.start + 1,
                _ => member.start,
            };
            let text = &record[from..upto];
            let is_plain = text.is_ascii() && memchr::memchr2(b'\n', b'\\', text).is_none();
            if text.len() > LOOK || !is_plain {
                return;
            }
            let around = &record[end..member.start];
            let is_compact = has_no_blanks(around);
            let number = |slot: Option<Slot>| slot.map_or(NONE, |slot| slot.0);
            let slots = [slot, also].map(number);
            let fills = in_front([slot, also].map(|slot| number(slot.filter(is_filled))));
            let filled_by = Node { slots, fills, ..ROOT };
            let its = match member.kind {
                kind if counts => {
                    let quote = usize::from(kind == Kind::Text);
                    let length = (member.end - member.start - 2 * quote) as u8;
                    let after = (quote + comma) as u8;
                    Node { written: Written::Known, kind, length, after, ..filled_by }
                }
                Kind::Text => Node { written: Written::Text, ..filled_by },
                _ => filled_by,
            };
            let Some(next) = self.next(node, text, its) else { return };
            self.nodes[next].is_compact = is_compact && self.nodes[node].is_compact;
            node = next;
            end = member.end;
            from = if counts { upto } else { end };
        }
        let closes = record.len() - end;
        let ends = closes <= MOST_CLOSES && record[end..].iter().all(|byte| *byte == b'}');
        // A trail has one end: the first that was met.
        let is_other =
            self.nodes[node].route != NONE && usize::from(self.nodes[node].closes) != closes;
        if found != filled.len() || !ends || node == 0 || is_other {
            return;
        }
        let known = self.routes.iter().position(|known| Arc::ptr_eq(known, route));
        let number = known.unwrap_or(self.routes.len());
        if number == self.routes.len() {
            self.routes.push(Arc::clone(route));
        }
        let is_new = self.nodes.len() > nodes || self.nodes[node].route == NONE;
        self.nodes[node].route = number as u32;
        self.nodes[node].closes = closes as u8;
        self.nodes[node].leaves_times = leaves_times;
        // Members that fill no slot may still come in any order.
        if is_new && self.new > 0 && !has_objects {
            self.new -= 1;
            self.luck += MISS + VAIN;
        }
    }

    /// Which slots are read in events of a route.
    fn reads(&mut self, table: &FieldTable, route: &Arc<Route>) -> Reads {
        if let Some((_, reads)) = self.reads.iter().find(|(known, _)| Arc::ptr_eq(known, route)) {
            return reads.clone();
        }
        if self.reads.len() >= MOST_ROUTES {
            self.reads.clear();
        }
        let reads = table.read_in(route);
        self.reads.push((Arc::clone(route), reads.clone()));
        reads
    }

    /// Whether a record that fills the same slots in the same order was to be learnt before, as far as is remembered.
    fn has_met(&mut self, order: &[Slot]) -> bool {
        let hash = self.hasher.hash_one(order);
        let place = &mut self.met[hash as usize % MOST_MET];
        std::mem::replace(place, hash) == hash
    }

    /// The member that comes next, made if there is none; `None` if there are too many others.
    fn next(&mut self, node: usize, text: &[u8], member: Node) -> Option<usize> {
        let what = |node: &Node| (node.slots, node.written, node.kind, node.length, node.after);
        let mut at = self.nodes[node].next;
        let mut count = 0;
        while let Some(next) = self.nodes.get_mut(at as usize) {
            if next.text[..usize::from(next.len)] == *text && what(next) == what(&member) {
                // Of records that begin alike, not all may be read.
                let fills = next.fills;
                let is_filled = |slot: &u32| fills.contains(slot) || member.fills.contains(slot);
                next.fills =
                    in_front(next.slots.map(|slot| Some(slot).filter(is_filled).unwrap_or(NONE)));
                return Some(at as usize);
            }
            at = next.other;
            count += 1;
        }
        if count >= MOST_NEXT {
            return None;
        }
        let number = self.nodes.len();
        let (len, other) = (text.len() as u8, self.nodes[node].next);
        let first = u32::MAX >> 32u32.saturating_sub(len.into());
        let mut member = Node { len, first, other, ..member };
        member.text[..text.len()].copy_from_slice(text);
        self.nodes.push(member);
        self.nodes[node].next = number as u32;
        Some(number)
    }
}

/// The fields that may hold the time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times<'a> {
    /// The most trustworthy first.
    pub(super) slots: &'a [Slot],
    /// Of every record. Otherwise of those alone that somebody reads.
    pub(super) are_wanted: bool,
}

/// [`NONE`] last.
fn in_front([first, second]: [u32; 2]) -> [u32; 2] {
    if first == NONE { [second, NONE] } else { [first, second] }
}

/// A member of a record that is learnt.
struct Member {
    /// Where its value begins and ends, quotes included.
    start: usize,
    end: usize,
    /// Lists are [`Kind::Empty`] here. Objects end where they begin: their members come next.
    kind: Kind,
}

/// Whether there are none but in texts, which have no backslash here.
fn has_no_blanks(text: &[u8]) -> bool {
    let mut inside = false;
    memchr::memchr3(b' ', b'\t', b'\r', text).is_none()
        || text.iter().all(|byte| {
            inside ^= *byte == b'"';
            inside || !byte.is_ascii_whitespace()
        })
}

/// The members of an object that is valid, those of objects within it among them; `None` if it has a list of lists or an odd text
/// in a list, or a key has a backslash.
fn members(record: &[u8]) -> Option<Vec<Member>> {
    let quote = |from: usize| memchr::memchr(b'"', &record[from..]).map(|at| from + at);
    let end_of_text = |mut at: usize| loop {
        at += memchr::memchr2(b'"', b'\\', record.get(at..)?)?;
        if record[at] == b'"' {
            return Some(at);
        }
        at += 2;
    };
    let mut members = Vec::new();
    let mut at = 1;
    loop {
        let Some(key) = quote(at) else { return Some(members) };
        let colon = quote(key + 1)? + 1;
        if record[key..colon].contains(&b'\\') {
            return None;
        }
        let is_before_value = |byte: &u8| matches!(byte, b' ' | b'\t' | b':');
        let start = colon + record[colon..].iter().take_while(|byte| is_before_value(byte)).count();
        let (kind, end) = match record.get(start)? {
            b'"' => (Kind::Text, end_of_text(start + 1)? + 1),
            b'[' => match list(record, start, &mut |_, _| ()) {
                Some(end) => (Kind::Empty, end),
                // If it holds anything else than objects, what comes next is no key.
                None => {
                    at = start + 1;
                    continue;
                }
            },
            b'n' => (Kind::Null, start + 4),
            b't' => (Kind::True, start + 4),
            b'f' => (Kind::False, start + 5),
            b'-' | b'0'..=b'9' => {
                let ends = |byte: &u8| matches!(byte, b',' | b'}' | b' ' | b'\t' | b'\r' | b'\n');
                (Kind::Number, start + record[start..].iter().position(ends)?)
            }
            b'{' => (Kind::Object, start),
            _ => return None,
        };
        members.push(Member { start, end, kind });
        at = end.max(start + 1);
    }
}

/// Gives the elements of the list that begins at `at`, and the place after it; `None` if they are not all scalars other than null, or a text
/// among them has a backslash, a line break or what is not ASCII, or there are blanks. An empty list gives itself.
#[inline(never)]
fn list(text: &[u8], at: usize, each: &mut dyn FnMut(Kind, (usize, usize))) -> Option<usize> {
    let mut at = at + 1;
    if *text.get(at)? == b']' {
        at += 1;
        each(Kind::Empty, (at, at));
        return Some(at);
    }
    loop {
        let start = at;
        match text.get(at)? {
            b'"' => {
                let rest = &text[at + 1..text.len().min(at + LONGEST)];
                let length = memchr::memchr3(b'"', b'\\', b'\n', rest)?;
                if rest[length] != b'"' || !rest[..length].is_ascii() {
                    return None;
                }
                at += length + 2;
                each(Kind::Text, (start + 1, at - 1));
            }
            b't' if text[at..].starts_with(b"true") => {
                at += 4;
                each(Kind::True, (start, at));
            }
            b'f' if text[at..].starts_with(b"false") => {
                at += 5;
                each(Kind::False, (start, at));
            }
            _ => {
                at += super::project::number(&text[at..])?;
                each(Kind::Number, (start, at));
            }
        }
        match text.get(at)? {
            b',' => at += 1,
            b']' => return Some(at + 1),
            _ => return None,
        }
    }
}

/// The texts of a record: where they end, and what is in them. Each is asked for after those before it.
struct Texts<'a> {
    block: &'a [u8; REACH],
    /// Blocks up to here have been looked at. The next three are what is in the last one: quotes that end or begin a text, and backslashes.
    upto: usize,
    quotes: u64,
    backslashes: u64,
    /// Whether the first byte of the next one is escaped.
    carry: u64,
    is_over: bool,
    /// Not zero once there was something that is not ASCII.
    beyond: u64,
    has_unicode_escapes: bool,
    /// By number, or not JSON's.
    has_unusual_escapes: bool,
}

impl<'a> Texts<'a> {
    fn new(block: &'a [u8; REACH]) -> Self {
        Self {
            block,
            upto: 0,
            quotes: 0,
            backslashes: 0,
            carry: 0,
            is_over: false,
            beyond: 0,
            has_unicode_escapes: false,
            has_unusual_escapes: false,
        }
    }

    /// The kind of the text that begins at `start`, and the place of the quote after it.
    #[inline(always)]
    fn end(&mut self, start: usize, with: &impl Operations) -> Option<(Kind, usize)> {
        let mut backslashes = 0;
        let mut from = start;
        loop {
            if from < self.upto {
                let quotes = self.quotes >> (from & 63);
                let before = quotes ^ quotes.wrapping_sub(1);
                backslashes |= self.backslashes >> (from & 63) & before;
                if quotes != 0 {
                    let kind = if backslashes == 0 { Kind::Text } else { Kind::JsonText };
                    return Some((kind, from + quotes.trailing_zeros() as usize));
                }
                from = self.upto;
            }
            self.look(with)?;
        }
    }

    /// Looks at one more block; `None` behind the line, or if a text cannot be as it is.
    #[inline(always)]
    fn look(&mut self, with: &impl Operations) -> Option<()> {
        if self.is_over || self.upto >= FURTHEST {
            return None;
        }
        let here = self.block[self.upto..].first_chunk()?;
        let breaks = with.equal(here, b'\n');
        // Up to the end of the line.
        let its = breaks ^ breaks.wrapping_sub(1);
        self.is_over = breaks != 0;
        self.beyond |= with.beyond_ascii(here) & its;
        self.backslashes = with.equal(here, b'\\');
        self.quotes = with.equal(here, b'"') & its;
        if self.backslashes | self.carry != 0 {
            let escaped = escaped(self.backslashes, &mut self.carry) & its;
            self.quotes &= !escaped;
            let mut others = escaped & !(with.equal(here, b'"') | self.backslashes);
            while others != 0 {
                match here[others.trailing_zeros() as usize & 63] {
                    b'/' | b'b' | b'f' | b'n' | b'r' | b't' => {}
                    b'u' => (self.has_unicode_escapes, self.has_unusual_escapes) = (true, true),
                    b' '..=b'~' => self.has_unusual_escapes = true,
                    _ => return None,
                }
                others &= others - 1;
            }
        }
        self.upto += 64;
        Some(())
    }
}

/// How long the number is that a text begins with; `None` if there is none. If it has more than some 30 digits, only the first of them are seen.
#[inline(always)]
fn number(text: &Block, with: &impl Operations) -> Option<usize> {
    // Half as much is looked at as could be.
    let others = !with.digits(text) as u32;
    digits(text, others, 0)
}

/// The same for one that is negative.
#[cold]
fn negative(text: &Block) -> Option<usize> {
    let others = text[1..32]
        .iter()
        .rev()
        .fold(1, |bits: u32, byte| bits << 1 | u32::from(!byte.is_ascii_digit()));
    digits(text, others, 1)
}

/// `others` has a bit for each byte, from the place after the sign on, that is no digit.
#[inline(always)]
fn digits(text: &Block, others: u32, sign: usize) -> Option<usize> {
    let mut end = others.trailing_zeros() as usize;
    if end == 0 || end > 1 && text[sign] == b'0' {
        return None;
    }
    if text[(sign + end) & 63] == b'.' {
        let fraction = (others & others.wrapping_sub(1)).trailing_zeros() as usize;
        if fraction == end + 1 {
            return None;
        }
        end = fraction;
    }
    match text[(sign + end) & 63] {
        b'e' | b'E' => exponent(text, sign + end + 1),
        _ => Some(sign + end),
    }
}

/// Where a number ends whose exponent begins here.
#[cold]
fn exponent(text: &Block, at: usize) -> Option<usize> {
    let rest = text.get(at..)?;
    let sign = usize::from(matches!(rest, [b'+' | b'-', ..]));
    let digits = rest[sign..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    (digits > 0).then_some(at + sign + digits)
}

/// Whether a text begins as a node says.
#[inline(always)]
fn begins(with: &impl Operations, text: &Block, node: &Node) -> bool {
    // Half as much is looked at if that will do.
    with.differ(text, &node.text) as u32 & node.first == 0
        && (node.len <= 32
            || with.differ(text, &node.text).unbounded_shl(64 - u32::from(node.len)) == 0)
}

/// Fills what a node's value fills.
#[inline(always)]
fn fill(fields: &mut Fields, node: &Node, kind: Kind, span: (usize, usize)) {
    if node.fills[0] != NONE {
        fields.set_first(Slot(node.fills[0]), kind, span);
        if node.fills[1] != NONE {
            fields.set_first(Slot(node.fills[1]), kind, span);
        }
    }
}

struct Walk<'a> {
    nodes: &'a mut [Node],
    block: &'a [u8; REACH],
    fields: &'a mut Fields,
}

impl Pass for Walk<'_> {
    type Output = Option<Passed>;

    #[inline(always)]
    fn run(self, with: impl Operations) -> Self::Output {
        let Self { nodes, block, fields } = self;
        let mut texts = Texts::new(block);
        let mut before = 0;
        let mut first = nodes.first()?.next;
        let mut at = 0;
        loop {
            if at >= FURTHEST {
                return None;
            }
            // Which of the members that may come next it is.
            let here: &Block = block[at..].first_chunk()?;
            let mut its = first;
            let mut last = NONE;
            let mut node = nodes.get(its as usize)?;
            while !begins(&with, here, node) {
                last = its;
                its = node.other;
                node = nodes.get(its as usize)?;
            }
            if last != NONE {
                // It is likely to come again.
                let other = node.other;
                nodes.get_mut(last as usize)?.other = other;
                nodes.get_mut(its as usize)?.other = first;
                nodes.get_mut(before as usize)?.next = its;
                node = nodes.get(its as usize)?;
            }
            (before, first) = (its, node.next);
            at += usize::from(node.len);
            // Its value.
            match node.written {
                Written::Text => {
                    let (kind, end) = texts.end(at, &with)?;
                    fill(fields, node, kind, (at, end));
                    at = end + 1;
                }
                Written::Other => {
                    let text: &Block = block[at..].first_chunk()?;
                    let (kind, len) = match number(text, &with) {
                        Some(len) => (Kind::Number, len),
                        None => match text {
                            [b'-', ..] => (Kind::Number, negative(text)?),
                            [b't', b'r', b'u', b'e', ..] => (Kind::True, 4),
                            [b'f', b'a', b'l', b's', b'e', ..] => (Kind::False, 5),
                            [b'[', ..] => {
                                // Its slot is filled here.
                                let end = list(block, at, &mut |kind, span| {
                                    fill(fields, node, kind, span);
                                })?;
                                (Kind::Object, end - at)
                            }
                            _ => return None,
                        },
                    };
                    if kind != Kind::Object {
                        fill(fields, node, kind, (at, at + len));
                    }
                    at += len;
                }
                Written::Known => {
                    let end = at - usize::from(node.after);
                    let start = end - usize::from(node.length);
                    fill(fields, node, node.kind, (start, end));
                }
            }
            // What comes after a value that is no text ends it only if it is what a trail says, or this.
            if node.route != NONE && block.get(at) == Some(&b'}') {
                let closes = usize::from(node.closes);
                let after = match block.get(at + closes..at + closes + 2)? {
                    [b'\n', _] => 1,
                    b"\r\n" => 2,
                    // An object within it ends, and the record goes on.
                    _ => continue,
                };
                if block[at..at + closes].iter().any(|byte| *byte != b'}') {
                    return None;
                }
                let is_ascii = texts.beyond == 0;
                return Some(Passed {
                    len: at + closes,
                    line: at + closes + after,
                    is_ascii,
                    has_unicode_escapes: texts.has_unicode_escapes,
                    is_compact: node.is_compact && is_ascii && !texts.has_unusual_escapes,
                    leaves_times: node.leaves_times,
                    route: node.route,
                });
            }
        }
    }
}
