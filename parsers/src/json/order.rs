//! The order of keys from record to record.

use super::ways::Claim;
use ahash::RandomState;
use std::collections::HashMap;

/// So many keys of the outermost object are remembered.
const MOST_KEYS: usize = 1024;

/// What a key is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Found {
    Unknown,
    /// A wanted name that is written with blanks: it may stand beside the one without.
    Odd,
    Any(u32),
    Entry(u32),
    /// An entry of the outermost object to which only this way comes.
    Field(u32, Claim),
}

/// The first and the last eight bytes of a key, those between, and its length: all of a key of up to [`Ends::WHOLE`] bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Ends {
    first: u64,
    last: u64,
    middle: u64,
    len: u32,
}

impl Ends {
    pub(super) const WHOLE: usize = 24;

    #[inline(always)]
    pub(super) fn of(key: &[u8]) -> Self {
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
    pub(super) fn hash(self, parent: u32) -> u32 {
        let mixed = (self.first ^ u64::from(self.len) << 56 ^ u64::from(parent) << 40)
            .wrapping_mul(0x9E37_79B9_7F4A_7C15)
            ^ self.last.wrapping_mul(0xC2B2_AE3D_27D4_EB4F).rotate_left(23);
        (mixed ^ mixed >> 32) as u32
    }
}

/// A key of up to [`Name::LONGEST`] bytes, all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Name {
    words: [u64; 3],
    len: usize,
}

/// Which bits of its words belong to a name of this length.
static MASKS: [[u64; 3]; Name::LONGEST + 1] = {
    let mut masks = [[0; 3]; Name::LONGEST + 1];
    let mut at = 0;
    while at < Name::LONGEST * (Name::LONGEST + 1) {
        let (len, byte) = (at / Name::LONGEST + 1, at % Name::LONGEST);
        if len <= Name::LONGEST && byte < len {
            masks[len][byte / 8] |= 0xff << (byte % 8 * 8);
        }
        at += 1;
    }
    masks
};

impl Name {
    pub(super) const LONGEST: usize = 24;

    /// The bytes from `start` to `end` of a text; `None` if they are too many. What comes after them in the text is read with them, so
    /// that names of all lengths take the same way.
    #[inline(always)]
    pub(super) fn of(text: &[u8], start: usize, end: usize) -> Option<Self> {
        let len = end.wrapping_sub(start);
        let masks = MASKS.get(len)?;
        let bytes: [u8; Self::LONGEST] = match text.get(start..).and_then(<[u8]>::first_chunk) {
            Some(bytes) => *bytes,
            None => {
                let mut bytes = [0; Self::LONGEST];
                bytes[..len].copy_from_slice(text.get(start..end)?);
                bytes
            }
        };
        let (words, _) = bytes.as_chunks::<8>();
        let word = |at: usize| u64::from_le_bytes(words[at]) & masks[at];
        Some(Self { words: [word(0), word(1), word(2)], len })
    }
}

/// Which key of the outermost object came after which: programs write their members in the same order again and again.
#[derive(Debug)]
pub(super) struct Order {
    keys: Vec<Member>,
    known: HashMap<Name, u32, RandomState>,
    /// The key before.
    last: u32,
}

#[derive(Clone, Copy, Debug)]
struct Member {
    name: Name,
    written: Written,
    found: Found,
    /// Those that came after it the last times; the likelier first.
    next: [u32; 2],
}

/// How a key stands in compact JSON: a quote, the name, a quote, a colon, and nothing between.
#[derive(Clone, Copy, Debug)]
pub(super) struct Written {
    words: [u64; 4],
    /// Which bits of the words count.
    masks: [u64; 4],
    pub(super) len: usize,
}

impl Written {
    /// So many bytes are looked at, whatever the length.
    pub(super) const LOOK: usize = 32;
    /// Of no key.
    const NOTHING: Self = Self { words: [u64::MAX; 4], masks: [u64::MAX; 4], len: 0 };

    fn new(name: &Name) -> Self {
        let mut bytes = [0; Self::LOOK];
        let mut masks = [0; Self::LOOK];
        let len = name.len.min(Name::LONGEST);
        bytes[0] = b'"';
        for (at, word) in name.words.iter().enumerate() {
            bytes[1 + 8 * at..9 + 8 * at].copy_from_slice(&word.to_le_bytes());
        }
        bytes[len + 1] = b'"';
        bytes[len + 2] = b':';
        masks[..len + 3].fill(u8::MAX);
        let words = |bytes: &[u8; Self::LOOK]| {
            let (words, _) = bytes.as_chunks::<8>();
            [0, 1, 2, 3].map(|at| u64::from_le_bytes(words[at]))
        };
        Self { words: words(&bytes), masks: words(&masks), len: len + 3 }
    }

    /// Whether it stands at the beginning of these bytes.
    #[inline(always)]
    fn begins(&self, bytes: &[u8; Self::LOOK]) -> bool {
        let (words, _) = bytes.as_chunks::<8>();
        let differs = |at: usize| (u64::from_le_bytes(words[at]) ^ self.words[at]) & self.masks[at];
        differs(0) | differs(1) == 0 && (self.len <= 16 || differs(2) | differs(3) == 0)
    }
}

/// Stands before the first key, and for keys that are not kept; no key has its name.
const BEGINNING: u32 = 0;

impl Default for Order {
    fn default() -> Self {
        let name = Name { words: [0; 3], len: usize::MAX };
        let next = [BEGINNING; 2];
        let beginning = Member { name, written: Written::NOTHING, found: Found::Odd, next };
        Self { keys: vec![beginning], known: HashMap::default(), last: BEGINNING }
    }
}

impl Order {
    /// What comes next is the first key of an object, or comes after a key that is not kept.
    #[inline(always)]
    pub(super) fn begin(&mut self) {
        self.last = BEGINNING;
    }

    /// The likely next key, if it is what stands at the beginning of these bytes: its number, what it is, and how long it is with quotes and colon.
    #[inline(always)]
    pub(super) fn guess(
        &self,
        last: u32,
        bytes: &[u8; Written::LOOK],
    ) -> Option<(u32, &Found, usize)> {
        let [first, second] = self.keys.get(last as usize)?.next;
        let likely = self.keys.get(first as usize)?;
        if likely.written.begins(bytes) {
            return Some((first, &likely.found, likely.written.len));
        }
        let other = self.keys.get(second as usize)?;
        let begins = other.written.begins(bytes);
        begins.then_some((second, &other.found, other.written.len))
    }

    /// The key before.
    #[inline(always)]
    pub(super) fn last(&self) -> u32 {
        self.last
    }

    /// What comes next comes after this key.
    #[inline(always)]
    pub(super) fn go_on(&mut self, last: u32) {
        self.last = last;
    }

    /// Goes from one key to one that was [guessed](Self::guess).
    #[inline(always)]
    pub(super) fn step(&mut self, last: u32, next: u32) {
        if let Some(member) = self.keys.get_mut(last as usize)
            && member.next[0] != next
        {
            member.next = [next, member.next[0]];
        }
    }

    /// What the key is, if it is known: probably one of those that came here before.
    #[inline(always)]
    pub(super) fn find(&mut self, name: Name) -> Option<Found> {
        let [first, second] = self.keys.get(self.last as usize)?.next;
        let likely = self.keys.get(first as usize)?;
        if likely.name == name {
            self.last = first;
            return Some(likely.found);
        }
        let other = self.keys.get(second as usize)?;
        if other.name == name {
            let found = other.found;
            self.keys[self.last as usize].next = [second, first];
            self.last = second;
            return Some(found);
        }
        let known = *self.known.get(&name)?;
        self.comes(known);
        Some(self.keys.get(known as usize)?.found)
    }

    /// Remembers what a key is that was not known.
    pub(super) fn learn(&mut self, name: Name, found: Found) {
        let new = if self.keys.len() < MOST_KEYS {
            let written = Written::new(&name);
            self.keys.push(Member { name, written, found, next: [BEGINNING; 2] });
            self.known.insert(name, self.keys.len() as u32 - 1);
            self.keys.len() as u32 - 1
        } else {
            BEGINNING
        };
        self.comes(new);
    }

    /// This is the next key.
    fn comes(&mut self, key: u32) {
        let next = &mut self.keys[self.last as usize].next;
        *next = [key, next[0]];
        self.last = key;
    }
}
