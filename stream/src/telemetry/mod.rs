//! What the service says about itself: metrics.

mod metrics;

pub use metrics::{Metrics, StageMetrics};
