//! A bounded memory of verdicts by value: which triggers a field's value pulled the last time.
//!
//! Process images, registry keys and call traces repeat. An entry is only used if the whole key is equal, so exactness never depends on the
//! hash; a full table overwrites, a full key store empties itself.

const ENTRIES_LOG: u32 = 15;
const KEY_BYTES: usize = 8 << 20;
/// Longer values are seldom the same twice.
pub(super) const LONGEST: usize = 4096;

#[derive(Clone, Copy, Default)]
struct Entry {
    hash: u64,
    /// The bucket, field and kind of value it is for.
    place: u64,
    start: u32,
    len: u32,
    result: u32,
}

/// The memory of one matcher.
pub(super) struct Memo {
    entries: Box<[Entry]>,
    keys: Vec<u8>,
    turn: usize,
}

impl Default for Memo {
    fn default() -> Self {
        // Room for all keys from the start: pages that are not written yet cost nothing, and nothing is copied as it fills.
        let keys = Vec::with_capacity(KEY_BYTES);
        Self { entries: vec![Entry::default(); 1 << ENTRIES_LOG].into(), keys, turn: 0 }
    }
}

impl Memo {
    #[inline]
    fn home(hash: u64) -> usize {
        (hash >> 24) as usize & ((1 << ENTRIES_LOG) - 1)
    }

    /// The result stored for this key. `hash` must be odd.
    #[inline]
    pub(super) fn get(&self, hash: u64, place: u64, key: &[u8]) -> Option<u32> {
        let home = Self::home(hash);
        for entry in [&self.entries[home], &self.entries[home ^ 1]] {
            if entry.hash == hash
                && entry.place == place
                && self.keys.get(entry.start as usize..(entry.start + entry.len) as usize)
                    == Some(key)
            {
                return Some(entry.result);
            }
        }
        None
    }

    pub(super) fn put(&mut self, hash: u64, place: u64, key: &[u8], result: u32) {
        if self.keys.len() + key.len() > KEY_BYTES {
            self.empty();
        }
        let home = Self::home(hash);
        let home = if self.entries[home].hash == 0 {
            home
        } else if self.entries[home ^ 1].hash == 0 {
            home ^ 1
        } else {
            self.turn ^= 1;
            home ^ self.turn
        };
        let start = self.keys.len() as u32;
        self.keys.extend_from_slice(key);
        self.entries[home] = Entry { hash, place, start, len: key.len() as u32, result };
    }

    pub(super) fn empty(&mut self) {
        self.entries.fill(Entry::default());
        self.keys.clear();
    }
}
