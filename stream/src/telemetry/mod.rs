//! What the service says about itself: metrics, health, its state as JSON, and detections as they are made.

mod catalog;
mod http;
mod lane;
mod live;
mod metrics;
mod status;
mod tally;
mod tls;

pub use catalog::table;
pub use http::Server;
pub use lane::{Lost, Windows};
pub use live::Shown;
pub use metrics::{Metrics, StageMetrics, Sums};
pub use status::Identity;
pub use tally::{Tally, Times};
