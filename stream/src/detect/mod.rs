//! Raw events in, detections and hits for correlations out.

mod events;
mod stage;

pub use events::{Detector, Seen};
pub use stage::Detect;
