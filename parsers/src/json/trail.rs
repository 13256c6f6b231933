//! Records like earlier ones, read while they are compared with them.
//!
//! Programs write the same members in the same order, again and again, one record a line. A trail is how one such record is written but for
//! its values: what stands before the first value, between each two, and which slot each fills. All trails are kept as a tree by what they
//! begin with. A record that goes along a trail to its end is known: it is valid, its slots are filled as those of the record that made
//! the trail, and its route is the same, since values that a route depends on are part of the trail. No index is made for it, and its end
//! is found on the way. Whatever is otherwise (line breaks in texts, objects, a member that is new) is left as it is to those who read everything.

use crate::framing;
use sigmund_engine::vector::{self, Operations, Pass};
use sigmund_engine::{Fields, Kind, Route, Slot, Store};
use std::sync::Arc;

/// So many bytes are looked at at once. What stands between two values is not longer.
const LOOK: usize = crate::format::ROOM;
/// The tree is forgotten when it has grown so far, so that hostile records cannot fill the memory.
const MOST_NODES: usize = 8192;
/// So many members that come after the same ones are told apart.
const MOST_NEXT: usize = 64;
/// For longer records an index of all quotes takes less time.
const LONGEST: usize = 4096;

const NONE: u32 = u32::MAX;

/// A member after those on the way to it.
#[derive(Clone, Copy, Debug)]
struct Node {
    /// Where in [`Trails::texts`] it is how the member begins, with what comes before it.
    text: u32,
    /// How long that is: at most [`LOOK`].
    len: u8,
    /// So many bytes of it are the value, without quotes, if the value is part of the trail.
    known: Option<(Kind, u8)>,
    /// What the value fills.
    slot: u32,
    /// The first of the members that may come next, and the next of those that may come in place of this one.
    next: u32,
    other: u32,
    /// The route of the records that end after this member.
    route: u32,
    /// There are no blanks around any key so far.
    is_compact: bool,
}

/// The trails of one stream.
#[derive(Debug)]
pub(super) struct Trails {
    /// The first stands for the beginning of a record.
    nodes: Vec<Node>,
    /// With [`LOOK`] bytes more than are used.
    texts: Vec<u8>,
    routes: Vec<Arc<Route>>,
    /// How much better it has been to look for a trail than not to. Below zero nobody looks for a while.
    luck: i32,
    /// The last record was looked for in vain: only then is it worth to be learnt.
    missed: bool,
    /// So many new trails may still come without counting as bad luck.
    new: u32,
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
    route: u32,
}

const ROOT: Node = Node {
    text: 0,
    len: 0,
    known: None,
    slot: NONE,
    next: NONE,
    other: NONE,
    route: NONE,
    is_compact: true,
};

/// One record that is found is worth so much less than one that is not costs.
const MISS: i32 = 2;
const MOST_LUCK: i32 = 1024;
/// One of which nothing can be learnt costs so much more.
const VAIN: i32 = 16;
/// So many records go by until trails are looked for again.
const REST: i32 = 4096;
/// So many trails one stream may have: what programs write has fewer shapes.
const MOST_TRAILS: u32 = 4096;

impl Default for Trails {
    fn default() -> Self {
        Self {
            nodes: vec![ROOT],
            texts: vec![0; LOOK],
            routes: Vec::new(),
            luck: MOST_LUCK,
            missed: false,
            new: MOST_TRAILS,
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
        let passed = vector::run(Walk { trails: self, block, fields });
        match passed {
            Some(_) => self.luck = (self.luck + 1).min(MOST_LUCK),
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

    /// Remembers how a record is written that was read: one whose slots were filled by members of the outermost object
    /// other than objects and null, as they are by all records with the same keys. `counts` says of which slots the route depends on the value.
    #[cold]
    pub(super) fn learn(
        &mut self,
        record: &[u8],
        fields: &Fields,
        counts: impl Fn(Slot) -> bool,
        route: &Arc<Route>,
    ) {
        if !std::mem::take(&mut self.missed) || self.rests() {
            return;
        }
        self.luck -= VAIN;
        self.try_to_learn(record, fields, counts, route);
        if self.rests() {
            self.luck = -REST;
        }
    }

    fn try_to_learn(
        &mut self,
        record: &[u8],
        fields: &Fields,
        counts: impl Fn(Slot) -> bool,
        route: &Arc<Route>,
    ) {
        if record.len() > LONGEST || !framing::is_ordinary(record) {
            return;
        }
        // Where the first and the last value of each slot begin.
        let mut filled = Vec::new();
        for slot in fields.present() {
            let (Some(first), Some(last)) = (fields.first(slot), fields.values(slot).last()) else {
                return;
            };
            if first.store != Store::Record || last.store != Store::Record {
                return;
            }
            filled.push((first.start as usize, last.start as usize, slot));
        }
        // A slot that a later member took over from an earlier one comes out of order.
        if !filled.is_sorted() {
            return;
        }
        let Some(members) = members(record) else { return };
        if self.nodes.len() + members.len() > MOST_NODES {
            let Self { luck, new, .. } = *self;
            *self = Self { luck, new, ..Self::default() };
        }
        let nodes = self.nodes.len();
        let mut node = 0;
        let mut found = 0;
        let mut from = 0;
        for member in members {
            let values = match member.kind {
                Kind::Empty => member.start + 1..=member.end,
                Kind::Text => member.start + 1..=member.start + 1,
                _ => member.start..=member.start,
            };
            let is_its = |(first, last, _): &&(usize, usize, Slot)| {
                values.contains(first) && values.contains(last)
            };
            let mut slots = filled.iter().filter(is_its).map(|(_, _, slot)| *slot);
            let slot = slots.next();
            if slots.next().is_some() {
                return;
            }
            found += usize::from(slot.is_some());
            let counts = slot.is_some_and(&counts);
            if counts && member.kind == Kind::Empty {
                return;
            }
            let text = &record[from..if counts { member.end } else { member.start }];
            let is_plain = |byte: &u8| byte.is_ascii() && !matches!(byte, b'\n' | b'\\');
            if text.len() > LOOK || !text.iter().all(is_plain) {
                return;
            }
            let around = &record[from..member.start];
            let is_compact = matches!(around, [b'{' | b',', b'"', .., b'"', b':']);
            let known = counts.then_some((member.kind, (member.end - member.start) as u8));
            let Some(next) = self.next(node, text, known, slot.map_or(NONE, |slot| slot.0)) else {
                return;
            };
            self.nodes[next].is_compact = is_compact && self.nodes[node].is_compact;
            node = next;
            from = member.end;
        }
        if found != filled.len() || record[from..] != *b"}" || node == 0 {
            return;
        }
        let known = self.routes.iter().position(|known| Arc::ptr_eq(known, route));
        let number = known.unwrap_or(self.routes.len());
        if number == self.routes.len() {
            self.routes.push(Arc::clone(route));
        }
        self.nodes[node].route = number as u32;
        if self.nodes.len() > nodes && self.new > 0 {
            self.new -= 1;
            self.luck += MISS + VAIN;
        }
    }

    /// The member that comes next, made if there is none; `None` if there are too many others.
    fn next(
        &mut self,
        node: usize,
        text: &[u8],
        known: Option<(Kind, u8)>,
        slot: u32,
    ) -> Option<usize> {
        let mut at = self.nodes[node].next;
        let mut count = 0;
        while let Some(next) = self.nodes.get(at as usize) {
            let its = &self.texts[next.text as usize..next.text as usize + usize::from(next.len)];
            if its == text && next.known == known && next.slot == slot {
                return Some(at as usize);
            }
            at = next.other;
            count += 1;
        }
        if count >= MOST_NEXT {
            return None;
        }
        let start = self.texts.len() - LOOK;
        self.texts.truncate(start);
        self.texts.extend_from_slice(text);
        self.texts.resize(start + text.len() + LOOK, 0);
        let number = self.nodes.len();
        self.nodes.push(Node {
            text: start as u32,
            len: text.len() as u8,
            known,
            slot,
            other: self.nodes[node].next,
            ..ROOT
        });
        self.nodes[node].next = number as u32;
        Some(number)
    }
}

/// A member of a record that is learnt.
struct Member {
    /// Where its value begins and ends, quotes included.
    start: usize,
    end: usize,
    /// Lists are [`Kind::Empty`] here.
    kind: Kind,
}

/// The members of an object that is valid; `None` if a value is an object, a list of lists or objects, or null, or a key has a backslash.
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
            b'[' => (Kind::Empty, list(record, start, &mut |_, _| ())?),
            b't' => (Kind::True, start + 4),
            b'f' => (Kind::False, start + 5),
            b'-' | b'0'..=b'9' => {
                let ends = |byte: &u8| matches!(byte, b',' | b'}' | b' ' | b'\t' | b'\r' | b'\n');
                (Kind::Number, start + record[start..].iter().position(ends)?)
            }
            _ => return None,
        };
        members.push(Member { start, end, kind });
        at = end;
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

struct Walk<'a> {
    trails: &'a mut Trails,
    block: &'a [u8],
    fields: &'a mut Fields,
}

#[inline(always)]
fn ahead(text: &[u8], at: usize) -> Option<&[u8; LOOK]> {
    text.get(at..)?.first_chunk()
}

impl Pass for Walk<'_> {
    type Output = Option<Passed>;

    #[inline(always)]
    fn run(self, with: impl Operations) -> Self::Output {
        let Self { trails, block, fields } = self;
        let Trails { nodes, texts, .. } = trails;
        let mut beyond = 0;
        let mut has_unusual_escapes = false;
        let mut has_unicode_escapes = false;
        let mut before = 0;
        let mut at = 0;
        loop {
            // Which of the members that may come next it is.
            let here = ahead(block, at)?;
            let first = nodes.get(before as usize)?.next;
            let mut number = first;
            let mut last = NONE;
            let other = loop {
                let node = nodes.get(number as usize)?;
                let written = ahead(texts, node.text as usize)?;
                if with.differ(here, written) << (LOOK as u32 - u32::from(node.len)) == 0 {
                    break node.other;
                }
                last = number;
                number = node.other;
            };
            if last != NONE {
                // It is likely to come again.
                nodes.get_mut(last as usize)?.other = other;
                nodes.get_mut(number as usize)?.other = first;
                nodes.get_mut(before as usize)?.next = number;
            }
            before = number;
            let node = nodes.get(number as usize)?;
            at += usize::from(node.len);
            // Its value.
            let (kind, start, end);
            if let Some((its, len)) = node.known {
                let quotes = usize::from(its == Kind::Text);
                (kind, start, end) = (its, at - usize::from(len) + quotes, at - quotes);
            } else {
                match block.get(at)? {
                    b'"' => {
                        at += 1;
                        start = at;
                        let mut its = Kind::Text;
                        loop {
                            let text = ahead(block, at)?;
                            // Where the text ends is waited for; that nothing odd comes before is not.
                            let quotes = with.equal(text, b'"');
                            let upto = quotes ^ quotes.wrapping_sub(1);
                            let odd = (with.equal(text, b'\\') | with.equal(text, b'\n')) & upto;
                            if odd == 0 {
                                beyond |= with.beyond_ascii(text) & upto;
                                at += quotes.trailing_zeros() as usize;
                                if quotes != 0 {
                                    break;
                                }
                                continue;
                            }
                            beyond |= with.beyond_ascii(text) & (odd ^ odd.wrapping_sub(1));
                            at += odd.trailing_zeros() as usize;
                            match block.get(at..at + 2)? {
                                [b'\\', escaped @ b' '..=b'~'] => {
                                    its = Kind::JsonText;
                                    has_unusual_escapes |= !matches!(
                                        escaped,
                                        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't'
                                    );
                                    has_unicode_escapes |= *escaped == b'u';
                                    at += 2;
                                }
                                _ => return None,
                            }
                        }
                        end = at;
                        at += 1;
                        kind = its;
                    }
                    byte @ (b'0'..=b'9' | b'-') => {
                        start = at;
                        at += usize::from(*byte == b'-');
                        let number = ahead(block, at)?;
                        let others = !with.digits(number);
                        let whole = others.trailing_zeros();
                        if whole == 0 || whole > 1 && number[0] == b'0' {
                            return None;
                        }
                        at += whole as usize;
                        if *block.get(at)? == b'.' {
                            let fraction = (others & others.wrapping_sub(1)).trailing_zeros();
                            if fraction == 64 || fraction == whole + 1 {
                                return None;
                            }
                            at += (fraction - whole) as usize;
                        }
                        end = at;
                        kind = Kind::Number;
                    }
                    b't' if matches!(block.get(at + 1..at + 4), Some(b"rue")) => {
                        (kind, start, end) = (Kind::True, at, at + 4);
                        at = end;
                    }
                    b'f' if matches!(block.get(at + 1..at + 5), Some(b"alse")) => {
                        (kind, start, end) = (Kind::False, at, at + 5);
                        at = end;
                    }
                    b'[' => {
                        // Its slot is filled here.
                        (kind, start, end) = (Kind::Object, at, at);
                        at = list(block, at, &mut |kind, span| {
                            if node.slot != NONE {
                                fields.set_first(Slot(node.slot), kind, span);
                            }
                        })?;
                    }
                    _ => return None,
                }
            }
            if node.slot != NONE && kind != Kind::Object {
                fields.set_first(Slot(node.slot), kind, (start, end));
            }
            // What comes after a value that is no text ends it only if it is what a trail says, or this.
            if *block.get(at)? == b'}' {
                let after = match block.get(at + 1..at + 3)? {
                    [b'\n', _] => 1,
                    b"\r\n" => 2,
                    _ => return None,
                };
                let is_known = node.route != NONE;
                let (len, line) = (at + 1, at + 1 + after);
                let (is_ascii, route) = (beyond == 0, node.route);
                let is_compact = node.is_compact && is_ascii && !has_unusual_escapes;
                let passed = Passed { len, line, is_ascii, has_unicode_escapes, is_compact, route };
                return is_known.then_some(passed);
            }
        }
    }
}
