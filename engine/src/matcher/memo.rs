//! A bounded memory of verdicts by value: which triggers a field's value pulled the last time.
//!
//! Process images, registry keys and call traces repeat. An entry is only used if the whole key is equal, so exactness never depends on the
//! hash; a full table overwrites, a full key store empties itself.

const ENTRIES_LOG: u32 = 15;
const KEY_BYTES: usize = 8 << 20;
/// Longer values are seldom the same twice.
const LONGEST: usize = 4096;

#[derive(Clone, Copy, Default)]
struct Entry {
    hash: u64,
    /// The bucket, field and kind of value it is for.
    place: u64,
    start: u32,
    len: u32,
    result: u32,
}

/// What is known of a key.
pub(super) enum Recall {
    /// This was found out before.
    Known(u32),
    /// Nothing; what is found out can be put there, unless the key is too long to be remembered.
    Unknown(Option<Spot>),
}

/// Where a key belongs that is not remembered yet.
#[derive(Clone, Copy)]
pub(super) struct Spot {
    hash: u64,
    place: u64,
}

/// The memory of one matcher.
pub(super) struct Memo {
    hasher: ahash::RandomState,
    entries: Box<[Entry]>,
    keys: Vec<u8>,
    turn: usize,
}

impl Default for Memo {
    fn default() -> Self {
        // Room for all keys from the start: pages that are not written yet cost nothing, and nothing is copied as it fills.
        let keys = Vec::with_capacity(KEY_BYTES);
        let entries = vec![Entry::default(); 1 << ENTRIES_LOG].into();
        let hasher = ahash::RandomState::with_seeds(1, 2, 3, 4);
        Self { hasher, entries, keys, turn: 0 }
    }
}

impl Memo {
    #[inline]
    fn home(hash: u64) -> usize {
        (hash >> 24) as usize & ((1 << ENTRIES_LOG) - 1)
    }

    /// By which a key of a place is known; odd.
    #[inline]
    fn hash(&self, place: u64, key: &[u8]) -> u64 {
        let hash = (self.hasher.hash_one(key) ^ place.wrapping_mul(0x9E37_79B9_7F4A_7C15))
            .wrapping_mul(0xC2B2_AE3D_27D4_EB4F);
        (hash ^ hash >> 31) | 1
    }

    /// What was put there for this key of this place.
    #[inline]
    pub(super) fn recall(&self, place: u64, key: &[u8]) -> Recall {
        if key.len() > LONGEST {
            return Recall::Unknown(None);
        }
        let hash = self.hash(place, key);
        let home = Self::home(hash);
        for entry in [&self.entries[home], &self.entries[home ^ 1]] {
            if entry.hash == hash
                && entry.place == place
                && self.keys.get(entry.start as usize..(entry.start + entry.len) as usize)
                    == Some(key)
            {
                return Recall::Known(entry.result);
            }
        }
        Recall::Unknown(Some(Spot { hash, place }))
    }

    /// Remembers what was found out for the key that the spot is for.
    pub(super) fn put(&mut self, spot: Option<Spot>, key: &[u8], result: u32) {
        let Some(Spot { hash, place }) = spot else { return };
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
