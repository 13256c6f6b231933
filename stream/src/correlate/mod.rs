//! Stage 2: hits go through windows, partition by partition.

mod record;

pub use record::{Body, Crossing, Origin, Progress, SightingRecord, Unreadable};
