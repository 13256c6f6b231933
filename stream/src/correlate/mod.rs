//! Stage 2: hits go through windows, partition by partition.

mod bodies;
mod changelog;
mod clock;
mod inspection;
mod record;
mod stage;
mod strangers;

pub use bodies::Seen;
pub use inspection::windows;
pub use record::{Body, Crossing, Origin, Progress, SightingRecord, Unreadable};
pub use stage::{Correlate, MAX_RECORDS};
