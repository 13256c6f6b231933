//! The hash of keys and texts: seeded anew in each process, so that nobody can choose texts that collide. Nothing that goes out depends on it.

use ahash::{AHashMap, RandomState};
use std::sync::LazyLock;

/// Seeded as every map is.
static STATE: LazyLock<RandomState> = LazyLock::new(|| AHashMap::<(), ()>::new().hasher().clone());

/// The hash of a text.
pub(crate) fn of(text: &[u8]) -> u32 {
    (STATE.hash_one(text) >> 32) as u32
}
