//! The projection: one walk over a JSON object that keeps the spans of the wanted fields and skips everything else.
//!
//! Where a better way to a slot (see [`super::ways`]) turns up later, it replaces what a worse one had filled. The walk accepts only what
//! [`super::read`] accepts too; whatever else there is (deep nesting, lists of objects on the way, odd texts) is refused here and read by
//! the slow and general way.

use super::index::Index;
use super::order::{Found, Name, Order, Written};
use super::ways::{Claim, Entry, NONE, Projection, ROOT};
use sigmund_engine::{Fields, Kind, Store};

/// The slow way must be taken.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refused;

impl Projection {
    /// Fills the slots of one JSON object. The index and what was entered are buffers that one projection uses again and again. After a refusal the fields must be cleared.
    pub(super) fn project(
        &self,
        text: &[u8],
        (index, entered): (&mut Index, &mut Entered),
        fields: &mut Fields,
    ) -> Result<(), Refused> {
        if self.too_deep || u32::try_from(text.len()).is_err() {
            return Err(Refused);
        }
        index.build(text);
        entered.begin(self.nodes.len());
        self.walk(text, index, entered, fields)
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
    /// The entries of the outermost object that were filled with scalars, in order: with [`is_plain`](Self::is_plain) they say which slots
    /// are filled and from where.
    filled: Vec<u32>,
    /// Whether nothing else can have filled a slot, and no value is null.
    is_plain: bool,
    /// Whether no text may have been a container.
    is_even: bool,
}

impl Entered {
    fn begin(&mut self, nodes: usize) {
        if self.nodes.len() != nodes || self.generation == u32::MAX {
            self.nodes = vec![0; nodes];
            self.generation = 0;
        }
        self.generation += 1;
        self.any.clear();
        self.order.begin();
        self.filled.clear();
        self.is_plain = true;
        self.is_even = true;
    }

    /// Whether the keys alone say which slots were filled by which members, if no value is null or holds lists of lists or of objects.
    #[inline]
    pub(super) fn is_even(&self) -> bool {
        self.is_even
    }

    /// The entries that gave the slots their values, each one scalar that is not null; `None` if that is not all there is to know about which slots are filled.
    #[inline]
    pub(super) fn shape(&self) -> Option<&[u32]> {
        self.is_plain.then_some(&self.filled)
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

/// The bytes that begin there, as many as a short key has with what is around it; zeros behind the text's end.
#[inline(always)]
fn ahead(text: &[u8], start: usize) -> [u8; Written::LOOK] {
    let rest = text.get(start..).unwrap_or_default();
    match rest.first_chunk() {
        Some(bytes) => *bytes,
        None => end_of_text(rest),
    }
}

#[inline(never)]
fn end_of_text(rest: &[u8]) -> [u8; Written::LOOK] {
    let mut bytes = [0; Written::LOOK];
    bytes[..rest.len()].copy_from_slice(rest);
    bytes
}

/// How far members were passed over.
enum Passed {
    /// Up to the key that begins here, of which nothing was done.
    UpTo(usize),
    /// To the place after the object.
    Whole(usize),
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
            if node == ROOT {
                match self.usual(at) {
                    Passed::Whole(after) => return Ok(after),
                    Passed::UpTo(member) => at = member,
                }
            }
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
                Found::Field(entry, claim) => self.field(at, entry, claim)?,
                Found::Any(child) => {
                    self.entered.is_plain = false;
                    self.entered.any(child, &self.text[start..end])?;
                    if self.byte(at) == b'{' { self.object(at, child)? } else { self.skip(at)? }
                }
                Found::Entry(entry) => {
                    // What a scalar fills by its ways depends on nothing but where it stands.
                    let is_plain = node == ROOT && !matches!(self.byte(at), b'{' | b'[' | b'n');
                    self.entered.is_plain &= is_plain;
                    self.entered.filled.push(entry);
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

    /// Passes over members of the outermost object from the quote at `at` on, as long as they are what nearly all are: a key that was
    /// guessed, and a text, a number or a truth, without blanks between. Anything else is left as it is to those who know better.
    #[inline(always)]
    fn usual(&mut self, mut at: usize) -> Passed {
        let (text, quotes, index) = (self.text, self.quotes, self.index);
        let has_backslashes = index.has_backslashes();
        let Entered { order, filled, .. } = &mut *self.entered;
        let fields = &mut *self.fields;
        let mut next = self.next;
        let mut last = order.last();
        let passed = loop {
            // The quotes of the key are the next two: outside of texts each begins or ends one.
            let Some((key, found, len)) = order.guess(last, &ahead(text, at)) else {
                break Passed::UpTo(at);
            };
            let from = at + len;
            let Some(first) = text.get(from) else { break Passed::UpTo(at) };
            let (mut kind, span, after, used) = match first {
                b'"' => {
                    let Some(close) = quotes.get(next + 3) else { break Passed::UpTo(at) };
                    let close = *close as usize;
                    (Kind::Text, (from + 1, close), close + 1, 4)
                }
                b'0'..=b'9' | b'-' => {
                    let Some(len) = short_number(text, from).or_else(|| number(&text[from..]))
                    else {
                        break Passed::UpTo(at);
                    };
                    (Kind::Number, (from, from + len), from + len, 2)
                }
                b't' if matches!(text.get(from + 1..from + 4), Some(b"rue")) => {
                    (Kind::True, (from, from + 4), from + 4, 2)
                }
                b'f' if matches!(text.get(from + 1..from + 5), Some(b"alse")) => {
                    (Kind::False, (from, from + 5), from + 5, 2)
                }
                _ => break Passed::UpTo(at),
            };
            let ends = match text.get(after) {
                Some(b',') => false,
                Some(b'}') => true,
                _ => break Passed::UpTo(at),
            };
            match found {
                Found::Unknown => {}
                Found::Field(entry, claim) => {
                    if has_backslashes && kind == Kind::Text && index.has_backslash(span.0, span.1)
                    {
                        kind = Kind::JsonText;
                    }
                    fields.fill(claim.slot, (claim.rank, claim.mask), kind, span);
                    filled.push(*entry);
                }
                _ => break Passed::UpTo(at),
            }
            order.step(last, key);
            last = key;
            next += used;
            at = after + 1;
            if ends {
                break Passed::Whole(at);
            }
        };
        self.next = next;
        order.go_on(last);
        passed
    }

    /// A key of the outermost object: probably one that came after the key before it in an earlier record.
    #[inline(always)]
    fn outermost(&mut self, start: usize, end: usize) -> Found {
        let Some(name) = Name::of(self.text, start, end) else {
            self.entered.order.begin();
            return self.key(start, end, ROOT);
        };
        if let Some(found) = self.entered.order.find(name) {
            return found;
        }
        let mut found = self.key(start, end, ROOT);
        if let Found::Entry(index) = found
            && self.projection.nodes[ROOT as usize].any == NONE
            && let Some(claim) = self.projection.entries[index as usize].only_claim()
        {
            found = Found::Field(index, claim);
        }
        self.entered.order.learn(name, found);
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

    /// A value to whose key only one way comes, and ends there.
    #[inline(always)]
    fn field(&mut self, at: usize, entry: u32, claim: Claim) -> Result<usize, Refused> {
        let (kind, span, after) = match self.byte(at) {
            b'"' => {
                let end = self.string(at)?;
                let escaped = self.index.has_backslash(at + 1, end);
                (if escaped { Kind::JsonText } else { Kind::Text }, (at + 1, end), end + 1)
            }
            b'{' | b'[' => {
                self.entered.is_plain = false;
                return self.value(at, entry);
            }
            _ => {
                let (end, kind) = self.scalar(at)?;
                (kind, (at, end), end)
            }
        };
        self.entered.is_plain &= kind != Kind::Null;
        self.entered.filled.push(entry);
        self.fields.fill(claim.slot, (claim.rank, claim.mask), kind, span);
        Ok(after)
    }

    /// A value whose key some way names.
    fn value(&mut self, at: usize, entry: u32) -> Result<usize, Refused> {
        let projection = self.projection;
        if entry == projection.wrapped {
            self.wrapped(at)?;
        }
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
                // A way that goes on leads nowhere in a list of scalars, as in a scalar.
                if entry.claims.iter().any(|claim| claim.goes_on) && self.holds_objects(at)? {
                    return Err(Refused);
                }
                for claim in &entry.claims {
                    if claim.lifted && self.holds_objects(at)? {
                        self.not_again(claim)?;
                        continue;
                    }
                    if self.claim(claim)? && !claim.goes_on {
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

    /// The value of what may be a container in a text. Such a text is left to the slow way, which lifts what is in it; and since that fills
    /// slots, no other value there is like it.
    fn wrapped(&mut self, at: usize) -> Result<(), Refused> {
        if self.byte(at) != b'"' {
            return Ok(());
        }
        self.entered.is_even = false;
        let is_wrapped = matches!(self.byte(at + 1), b'{' | b'<' | b'\\' | b' ');
        if is_wrapped { Err(Refused) } else { Ok(()) }
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

/// How many digits there are at the beginning.
#[inline(always)]
fn digits(text: &[u8]) -> usize {
    let mut count = 0;
    let mut rest = text;
    while let Some((bytes, after)) = rest.split_first_chunk::<8>() {
        let more = digits_of_eight(*bytes);
        if more < 8 {
            return count + more;
        }
        count += 8;
        rest = after;
    }
    count + rest.iter().take_while(|byte| byte.is_ascii_digit()).count()
}

/// How many of eight bytes are digits before the first that is none.
#[inline(always)]
fn digits_of_eight(bytes: [u8; 8]) -> usize {
    // What is left of a digit is at most 9: more, or a highest bit, is something else.
    let left = u64::from_le_bytes(bytes) ^ 0x3030_3030_3030_3030;
    let others =
        (((left & 0x7F7F_7F7F_7F7F_7F7F) + 0x7676_7676_7676_7676) | left) & 0x8080_8080_8080_8080;
    (others.trailing_zeros() / 8) as usize
}

/// The length of a whole number of up to seven digits and without a sign, if that is what stands there.
#[inline(always)]
fn short_number(text: &[u8], from: usize) -> Option<usize> {
    let bytes = text.get(from..)?.first_chunk()?;
    let len = digits_of_eight(*bytes);
    let ends = matches!(bytes.get(len), Some(b',' | b'}'));
    (ends && (len == 1 || len > 1 && bytes[0] != b'0')).then_some(len)
}

/// The length of the number at the beginning.
#[inline]
pub(super) fn number(text: &[u8]) -> Option<usize> {
    let digits = |from: usize| digits(&text[from..]);
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
mod tests;
