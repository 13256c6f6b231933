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

/// Which key of the outermost object came after which: programs write their members in the same order again and again.
/// Only keys that [`Ends`] tell apart.
#[derive(Debug)]
pub(super) struct Order {
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
    /// What comes next is the first key of an object, or comes after a key that is not kept.
    #[inline(always)]
    pub(super) fn begin(&mut self) {
        self.last = BEGINNING;
    }

    /// What the key is, if it is one of those that came here before.
    #[inline(always)]
    pub(super) fn guess(&mut self, ends: Ends) -> Option<Found> {
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
    pub(super) fn learn(&mut self, ends: Ends, found: Found) {
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
