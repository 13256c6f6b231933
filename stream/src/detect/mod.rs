//! Raw events in, detections and hits for correlations out.

mod events;

pub use events::{Detector, Seen};
