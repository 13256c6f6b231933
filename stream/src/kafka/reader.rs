//! Reads partitions from here to there, outside any group.

use super::TopicPartition;
use super::awake::Awake;
use super::client::Clients;
use super::forsaken::{self, Forsaken, watermarks};
use super::trouble::Trouble;
use super::troubles::Troubles;
use anyhow::{Context as _, bail};
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message as _};
use rdkafka::{Offset, TopicPartitionList};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// When nothing came for so long, it is asked whether a broker answers.
const SILENCE: Duration = Duration::from_secs(5);

/// Tells that a thread lives.
pub type Beat = Box<dyn Fn() + Send + Sync>;

/// Hands on what the library says is wrong.
#[derive(Clone)]
pub(super) struct Hearing(pub(super) Troubles);

impl ClientContext for Hearing {
    fn error(&self, error: KafkaError, reason: &str) {
        self.0.hear(&error, reason);
    }

    fn log(&self, _: RDKafkaLogLevel, _: &str, _: &str) {}
}

impl ConsumerContext for Hearing {}

/// Reads what is committed.
pub struct Reader {
    clients: Clients,
    name: String,
    committed: BaseConsumer<Hearing>,
    uncommitted: BaseConsumer<Hearing>,
    timeout: Duration,
    troubles: Troubles,
    /// Called while brokers are waited for.
    beat: Option<Beat>,
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
            // What is fetched ahead is bounded; the pause when that is reached is a second by default.
            for (name, value) in [("fetch.wait.max.ms", "20"), ("fetch.queue.backoff.ms", "5")] {
                if config.get(name).is_none() {
                    config.set(name, value);
                }
            }
            let hearing = Hearing(clients.troubles().clone());
            config
                .create_with_context::<_, BaseConsumer<Hearing>>(hearing)
                .context("cannot make a Kafka consumer")
        };
        Ok(Self {
            clients: clients.clone(),
            name: name.to_owned(),
            committed: consumer("read_committed")?,
            uncommitted: consumer("read_uncommitted")?,
            timeout: clients.timeout(),
            troubles: clients.troubles().clone(),
            beat: None,
        })
    }

    /// Takes other clients, for these are [`Forsaken`], or may be.
    ///
    /// # Errors
    ///
    /// They cannot be made.
    pub fn renew(&mut self) -> anyhow::Result<()> {
        let beat = self.beat.take();
        let other = Self { beat, ..Self::new(&self.clients, &self.name)? };
        forsaken::leave(std::mem::replace(self, other));
        Ok(())
    }

    /// Calls this while brokers are waited for.
    #[must_use]
    pub fn beating(self, beat: Beat) -> Self {
        Self { beat: Some(beat), ..self }
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
        // With read_committed the end is that of the last transaction that is over; the true end needs the other client.
        let (_, high) = self.look(&self.uncommitted, partition)?;
        let mut deadline = Instant::now() + self.patience();
        loop {
            let asked = Instant::now();
            let (low, stable) = self.look(&self.committed, partition)?;
            if stable >= high {
                return Ok((low, stable));
            }
            if asked.elapsed() > Duration::from_secs(1) {
                // Brokers were away, and transactions have time again.
                deadline += asked.elapsed();
            }
            if Instant::now() > deadline {
                bail!("a transaction in `{partition}` stays open: offset {stable} of {high}");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// How long brokers may take, with the election of a new leader on the way.
    fn patience(&self) -> Duration {
        self.timeout + Duration::from_secs(30)
    }

    /// The first offset of a partition and one after the last that a client sees.
    fn look(
        &self,
        consumer: &BaseConsumer<Hearing>,
        at: &TopicPartition,
    ) -> anyhow::Result<(i64, i64)> {
        let is_answered = || forsaken::is_answered(consumer, &at.topic);
        let looked = self.troubles.insist(self.patience(), &at.topic, &is_answered, &mut || {
            let timeout = self.timeout.min(Forsaken::AFTER / 3);
            let found = watermarks(consumer, at, timeout);
            if let Err(error) = &found {
                tracing::debug!(partition = %at, %error, "looking again");
                self.beat();
                // Errors are told while polling; where something is assigned, a record could come.
                if consumer.assignment().is_ok_and(|assigned| assigned.count() == 0) {
                    let _ = consumer.poll(Duration::ZERO);
                }
            }
            found
        });
        if looked.is_ok() {
            self.troubles.over(&Trouble::Missing(at.topic.to_string()));
        }
        looked.with_context(|| format!("cannot look at `{at}`"))
    }

    fn beat(&self) {
        if let Some(beat) = &self.beat {
            beat();
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
        let mut next = self.read_from(partition, from, end, each)?;
        if next < end {
            // The rest may be marks of transactions, which are no messages. Or a new leader does not yet know how far its log counts: it
            // gives less than was there, but says how far its log goes only when it knows.
            self.look(&self.committed, partition)?;
            next = self.read_from(partition, next, end, each)?;
        }
        tracing::trace!(%partition, from, next, end, "read");
        Ok(())
    }

    /// Reads as far as the broker says that the log goes. Gives one after the last message.
    fn read_from(
        &self,
        partition: &TopicPartition,
        from: i64,
        end: i64,
        each: &mut dyn FnMut(&BorrowedMessage<'_>) -> anyhow::Result<()>,
    ) -> anyhow::Result<i64> {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&partition.topic, partition.partition, Offset::Offset(from))?;
        self.committed.assign(&list)?;
        let read = self.read_assigned(partition, from, end, each);
        self.committed.unassign()?;
        read
    }

    fn read_assigned(
        &self,
        partition: &TopicPartition,
        from: i64,
        end: i64,
        each: &mut dyn FnMut(&BorrowedMessage<'_>) -> anyhow::Result<()>,
    ) -> anyhow::Result<i64> {
        let mut silent = Awake::since(Instant::now());
        let mut looked = Instant::now();
        let mut next = from;
        loop {
            match self.committed.poll(Duration::from_millis(100)) {
                Some(Ok(message)) => {
                    (silent, looked) = (Awake::since(Instant::now()), Instant::now());
                    if message.offset() < end {
                        each(&message)?;
                    }
                    next = message.offset() + 1;
                    if next >= end {
                        return Ok(next);
                    }
                }
                Some(Err(KafkaError::PartitionEOF(_))) => return Ok(next),
                // Errors were told to the context; the library reads again by itself.
                Some(Err(_)) | None => {}
            }
            if self.troubles.hinder(Some(&partition.topic)) {
                self.beat();
                if self.troubles.is_stopped() {
                    bail!("the brokers were waited for in vain");
                }
                // What stands is over when they answer.
                self.look(&self.committed, partition)?;
                silent = Awake::since(Instant::now());
            }
            if looked.elapsed() > SILENCE {
                // One that hangs is waited for like one that is away; one that answers must give what it has.
                let asked = Instant::now();
                self.look(&self.committed, partition)?;
                looked = Instant::now();
                if asked.elapsed() >= SILENCE.min(self.timeout) {
                    silent = Awake::since(looked);
                }
            }
            if silent.look(Instant::now()) > self.patience() {
                bail!("the brokers do not say what is in `{partition}`");
            }
        }
    }
}
