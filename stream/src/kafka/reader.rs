//! Reads partitions from here to there, outside any group.

use super::TopicPartition;
use super::client::Clients;
use anyhow::{Context as _, bail};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message as _};
use rdkafka::{Offset, TopicPartitionList};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Reads what is committed.
pub struct Reader {
    committed: BaseConsumer,
    uncommitted: BaseConsumer,
    timeout: Duration,
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").finish_non_exhaustive()
    }
}

impl Reader {
    /// For a lane.
    ///
    /// # Errors
    ///
    /// The client cannot be made.
    pub fn new(clients: &Clients, name: &str) -> anyhow::Result<Self> {
        let consumer = |level: &str| {
            let mut config = clients.aside(&format!("{name}-{level}"));
            config
                // It takes part in no group, but the library wants a name.
                .set("group.id", clients.group(&format!("{name}-{level}")))
                .set("isolation.level", level)
                .set("enable.auto.commit", "false")
                .set("enable.auto.offset.store", "false")
                .set("enable.partition.eof", "true")
                .set("auto.offset.reset", "earliest")
                .set("allow.auto.create.topics", "false");
            if config.get("fetch.wait.max.ms").is_none() {
                config.set("fetch.wait.max.ms", "20");
            }
            config.create::<BaseConsumer>().context("cannot make a Kafka consumer")
        };
        Ok(Self {
            committed: consumer("read_committed")?,
            uncommitted: consumer("read_uncommitted")?,
            timeout: clients.timeout(),
        })
    }

    /// Reads a partition from an offset (or its beginning) to its end, and to the end of every transaction that is open in it now: a transaction of
    /// the owner before may be over but for the marks in the log, and what it wrote counts. Gives that end.
    ///
    /// # Errors
    ///
    /// The brokers do not answer, or a transaction stays open for much longer than it may.
    pub fn read_to_end(
        &self,
        partition: &TopicPartition,
        from: Option<i64>,
        each: &mut dyn FnMut(&BorrowedMessage<'_>) -> anyhow::Result<()>,
    ) -> anyhow::Result<i64> {
        let (low, end) = self.settled(partition)?;
        let from = from.map_or(low, |from| from.max(low));
        self.read(partition, from, end, each)?;
        Ok(end)
    }

    /// The partitions of a topic.
    ///
    /// # Errors
    ///
    /// The brokers do not answer, or do not know the topic.
    pub fn partitions(&self, topic: &str) -> anyhow::Result<Vec<TopicPartition>> {
        // Not every broker knows at once of a topic that was just made.
        let patience = Instant::now() + Duration::from_secs(3);
        loop {
            let found = self.partitions_now(topic);
            if found.is_ok() || Instant::now() > patience {
                return found;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn partitions_now(&self, topic: &str) -> anyhow::Result<Vec<TopicPartition>> {
        let asked = self.committed.fetch_metadata(Some(topic), self.timeout);
        let metadata = asked.with_context(|| format!("cannot ask for the topic `{topic}`"))?;
        let found = metadata.topics().iter().find(|found| found.name() == topic);
        if let Some(error) = found.and_then(|found| found.error()) {
            let error = RDKafkaErrorCode::from(error);
            bail!("topic `{topic}`: {error}");
        }
        let partitions = found.map(|found| found.partitions()).unwrap_or_default();
        if partitions.is_empty() {
            bail!("topic `{topic}`: {}", RDKafkaErrorCode::UnknownTopicOrPartition);
        }
        let topic: Arc<str> = topic.into();
        let place = |partition: i32| TopicPartition { topic: Arc::clone(&topic), partition };
        Ok(partitions.iter().map(|partition| place(partition.id())).collect())
    }

    /// The first and the last offset of a partition, when all transactions that are open now are over.
    fn settled(&self, partition: &TopicPartition) -> anyhow::Result<(i64, i64)> {
        let patience = Instant::now() + self.timeout;
        let look = |consumer: &BaseConsumer| loop {
            let (topic, number) = (&partition.topic, partition.partition);
            let error = match consumer.fetch_watermarks(topic, number, self.timeout) {
                Ok(found) => return Ok(found),
                Err(error) => error,
            };
            // A topic that was just made has no leader for a moment, and one that moves has another.
            let passes = matches!(
                error.rdkafka_error_code(),
                Some(
                    RDKafkaErrorCode::NotLeaderForPartition | RDKafkaErrorCode::LeaderNotAvailable
                )
            );
            if !passes || Instant::now() > patience {
                return Err(error).with_context(|| format!("cannot look at `{partition}`"));
            }
            std::thread::sleep(Duration::from_millis(100));
        };
        // With read_committed the end is that of the last transaction that is over; the true end needs the other client.
        let (_, high) = look(&self.uncommitted)?;
        let deadline = Instant::now() + self.timeout + Duration::from_secs(30);
        loop {
            let (low, stable) = look(&self.committed)?;
            if stable >= high {
                return Ok((low, stable));
            }
            if Instant::now() > deadline {
                bail!("a transaction in `{partition}` stays open: offset {stable} of {high}");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Reads from one offset up to another, which is left out.
    ///
    /// # Errors
    ///
    /// The brokers do not answer.
    pub fn read(
        &self,
        partition: &TopicPartition,
        from: i64,
        end: i64,
        each: &mut dyn FnMut(&BorrowedMessage<'_>) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        if from >= end {
            return Ok(());
        }
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&partition.topic, partition.partition, Offset::Offset(from))?;
        self.committed.assign(&list)?;
        let read = self.read_assigned(partition, end, each);
        self.committed.unassign()?;
        read
    }

    fn read_assigned(
        &self,
        partition: &TopicPartition,
        end: i64,
        each: &mut dyn FnMut(&BorrowedMessage<'_>) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let mut heard = Instant::now();
        loop {
            match self.committed.poll(Duration::from_millis(100)) {
                Some(Ok(message)) => {
                    heard = Instant::now();
                    if message.offset() >= end {
                        return Ok(());
                    }
                    each(&message)?;
                    if message.offset() + 1 >= end {
                        return Ok(());
                    }
                }
                // The last places may be marks of transactions, which are no messages.
                Some(Err(KafkaError::PartitionEOF(_))) => return Ok(()),
                Some(Err(error)) => {
                    tracing::warn!(%partition, %error, "reading again");
                }
                None => {}
            }
            if heard.elapsed() > self.timeout + Duration::from_secs(30) {
                bail!("the brokers do not say what is in `{partition}`");
            }
        }
    }
}
