//! Clients that no broker answers any more.
//!
//! One that is told of a cluster without brokers, as by a broker that has only just come back, forgets those that it knows, and may never ask any
//! again (librdkafka issue 5301). Nothing mends it from outside, so it is given up for a new one, which begins with `bootstrap.servers`.

use super::TopicPartition;
use super::trouble::is_missing;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use std::fmt;
use std::time::Duration;

/// A client is given up: what needs it begins anew with another, when brokers answer that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forsaken;

impl Forsaken {
    /// A client that is not answered for so long is given up. Brokers that are away for longer have given its work to others, or soon will.
    pub const AFTER: Duration = Duration::from_secs(30);
}

/// What a broker needs to answer.
const PATIENCE: Duration = Duration::from_secs(5);

impl fmt::Display for Forsaken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = Self::AFTER.as_secs();
        write!(f, "no broker has answered a client of the Kafka library for {seconds} s")
    }
}

impl std::error::Error for Forsaken {}

/// Whether it says that no broker answered.
pub(super) fn is_unanswered(error: &KafkaError) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(
        error.rdkafka_error_code(),
        Some(Code::OperationTimedOut | Code::BrokerTransportFailure | Code::AllBrokersDown)
    )
}

/// The first offset of a partition, and one after the last that a client sees.
///
/// After a broker that leads no more, or not yet, what the client remembers of the topic may be that of a moment without a leader, and it does not ask
/// again by itself. And one that is forsaken knows no topic at all, which is not to be taken for one that is missing.
pub(super) fn watermarks<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    at: &TopicPartition,
    timeout: Duration,
) -> Result<(i64, i64), KafkaError> {
    consumer.fetch_watermarks(&at.topic, at.partition, timeout).or_else(|error| {
        let metadata = consumer.fetch_metadata(Some(&at.topic), timeout.min(PATIENCE))?;
        let is_there = metadata.topics().iter().any(|topic| !topic.partitions().is_empty());
        match is_missing(error.rdkafka_error_code()) && is_there {
            // Not every broker knows a partition at once that was just added.
            true => Err(KafkaError::MetadataFetch(RDKafkaErrorCode::LeaderNotAvailable)),
            false => Err(error),
        }
    })
}

/// Whether any broker answers a client about a topic; one that knows of no brokers has only just come back.
pub(super) fn is_answered<C: ConsumerContext>(consumer: &BaseConsumer<C>, topic: &str) -> bool {
    let metadata = consumer.fetch_metadata(Some(topic), PATIENCE);
    metadata.is_ok_and(|metadata| !metadata.brokers().is_empty())
}

/// Lets a client go that may take long to end.
pub(crate) fn leave(client: impl Send + 'static) {
    // Without a thread it is dropped here.
    let _ = std::thread::Builder::new().name("leave".to_owned()).spawn(move || drop(client));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_not_answered_is_told_from_who_is_refused() {
        use RDKafkaErrorCode as Code;
        let about = |code| is_unanswered(&KafkaError::MetadataFetch(code));
        assert!(about(Code::OperationTimedOut) && about(Code::BrokerTransportFailure));
        assert!(!about(Code::TopicAuthorizationFailed) && !about(Code::UnknownTopicOrPartition));
        let error = anyhow::Error::new(KafkaError::MetadataFetch(Code::OperationTimedOut));
        let error = error.context(Forsaken).context("stage `detect`");
        assert!(error.is::<Forsaken>(), "what is said of it does not hide it: {error:#}");
    }
}
