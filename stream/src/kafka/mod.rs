//! Kafka: clients, membership in a group, transactions.
//!
//! Only this module and its tests name librdkafka's types. Each rule here answers a trap of `rdkafka` 0.39 (librdkafka 2.12) or of Kafka's
//! transactions; the comments say which.

mod access;
mod awake;
mod calls;
pub mod client;
pub mod forsaken;
pub mod hail;
mod ledger;
pub mod member;
mod orphans;
pub mod outbox;
pub mod outlets;
pub mod publisher;
pub mod reader;
pub mod topics;
mod trouble;
pub mod troubles;

pub use client::Clients;
pub use forsaken::Forsaken;
pub use hail::Hail;
pub use ledger::Return;
pub use member::{Change, Member};
pub use outbox::{Failure, Outbox, Outgoing};
pub use publisher::Publisher;
pub use reader::Reader;
pub use trouble::Trouble;
pub use troubles::Troubles;

use std::fmt;
use std::sync::Arc;

/// A partition of a topic.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartition {
    /// The topic.
    pub topic: Arc<str>,
    /// Its partition.
    pub partition: i32,
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic, self.partition)
    }
}
