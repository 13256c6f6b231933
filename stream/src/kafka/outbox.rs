//! What a lane sends: all of it in one transaction with the offsets of what it read, or without transactions before them.

use super::TopicPartition;
use super::awake::Awake;
use super::calls::Calls;
use super::client::Clients;
use super::forsaken::{self, Forsaken};
use super::member::Member;
use super::trouble::Trouble;
use super::troubles::Troubles;
use crate::config::Delivery;
use anyhow::{Context as _, bail};
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext, PurgeConfig};
use rdkafka::{ClientContext, Offset, TopicPartitionList};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Why work was not made visible.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// All of it was taken back; it is to be done again from where it began.
    Aborted(String),
    /// The same, because brokers did not take a record.
    Undelivered(String),
    /// The producer is of no use any more, and whether the work was made visible is not known: another producer has to find out.
    Broken(String),
    /// The process must end: another one goes on with its work.
    Fatal(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Aborted(why) | Self::Undelivered(why) | Self::Broken(why) | Self::Fatal(why) => {
                f.write_str(why)
            }
        }
    }
}

impl std::error::Error for Failure {}

/// A record to be sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outgoing {
    /// Where to.
    pub topic: Arc<str>,
    /// The partition; by the key if there is none.
    pub partition: Option<i32>,
    /// The key.
    pub key: Option<Vec<u8>>,
    /// The value; a tombstone if there is none.
    pub value: Option<Vec<u8>>,
    /// Headers.
    pub headers: Vec<(&'static str, Vec<u8>)>,
}

impl Outgoing {
    /// About how much memory it takes.
    #[must_use]
    pub fn size(&self) -> usize {
        let headers: usize = self.headers.iter().map(|(_, value)| value.len() + 24).sum();
        let parts = self.key.as_ref().map_or(0, Vec::len) + self.value.as_ref().map_or(0, Vec::len);
        size_of::<Self>() + parts + headers
    }
}

/// As the library wants it.
pub(super) fn record(outgoing: &Outgoing) -> BaseRecord<'_, [u8], [u8]> {
    let mut headers = OwnedHeaders::new_with_capacity(outgoing.headers.len());
    for (key, value) in &outgoing.headers {
        headers = headers.insert(Header { key, value: Some(value) });
    }
    let mut record: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(&outgoing.topic).headers(headers);
    record.partition = outgoing.partition;
    record.key = outgoing.key.as_deref();
    record.payload = outgoing.value.as_deref();
    record
}

/// Decides whether a call hangs: the time in which no broker answers does not count, nor that in which this process stood still.
struct Hangs<'a> {
    troubles: &'a Troubles,
    limit: Duration,
    awake: Awake,
}

impl<'a> Hangs<'a> {
    /// It may take so long.
    fn after(limit: Duration, troubles: &'a Troubles) -> Self {
        Self { troubles, limit: limit + GRACE, awake: Awake::since(Instant::now()) }
    }

    fn look(&mut self) -> bool {
        if self.troubles.hinder(None) {
            self.awake = Awake::since(Instant::now());
            return self.troubles.is_stopped();
        }
        self.awake.look(Instant::now()) > self.limit
    }
}

fn listed(offsets: &BTreeMap<TopicPartition, i64>) -> Result<TopicPartitionList, Failure> {
    let mut list = TopicPartitionList::with_capacity(offsets.len());
    for (partition, offset) in offsets {
        list.add_partition_offset(&partition.topic, partition.partition, Offset::Offset(*offset))
            .map_err(|error| Failure::Fatal(format!("offset of `{partition}`: {error}")))?;
    }
    Ok(list)
}

/// Remembers the first record that was not delivered.
#[derive(Clone, Debug)]
pub(super) struct Context(Arc<Mutex<Option<String>>>, Troubles);

impl Context {
    pub(super) fn new(troubles: &Troubles) -> Self {
        Self(Arc::default(), troubles.clone())
    }

    pub(super) fn take(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl ClientContext for Context {
    fn error(&self, error: KafkaError, reason: &str) {
        // One that is fatal comes again as the answer to what is done next.
        if error.rdkafka_error_code() != Some(RDKafkaErrorCode::Fatal) {
            self.1.hear(&error, reason);
        }
    }

    fn log(&self, _: RDKafkaLogLevel, _: &str, _: &str) {}
}

impl ProducerContext for Context {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let Err((error, message)) = result {
            use rdkafka::Message as _;
            if error.rdkafka_error_code() == Some(RDKafkaErrorCode::MessageSizeTooLarge) {
                self.1.met(Trouble::TooLarge(message.topic().to_owned()), "");
            }
            let mut first = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            first.get_or_insert_with(|| {
                format!("a record for topic `{}` was not delivered: {error}", message.topic())
            });
        }
    }
}

/// Waited between looks at what was delivered: short beside the brokers' answer, and long beside the look.
const BREATH: Duration = Duration::from_micros(200);

/// A call that is not back so long after its own timeout hangs.
const GRACE: Duration = Duration::from_secs(5);

/// When state is not delivered within this time the group is asked whether it still counts on us: it waits for a member much longer.
const AT_ONCE: Duration = Duration::from_secs(3);

/// What waits to be sent again is looked for so often.
const PURGE: Duration = Duration::from_millis(100);

/// The producer of a lane.
pub struct Outbox {
    producer: Arc<BaseProducer<Context>>,
    context: Context,
    delivery: Delivery,
    timeout: Duration,
    calls: Calls,
    troubles: Troubles,
    /// When the transaction began.
    begun: Cell<Option<Instant>>,
}

impl fmt::Debug for Outbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbox").field("delivery", &self.delivery).finish_non_exhaustive()
    }
}

impl Outbox {
    /// Makes the producer. One with the same stable name that died within a transaction is fenced, and its transaction taken back.
    ///
    /// # Errors
    ///
    /// The client cannot be made, no transaction coordinator answers, or all is to stop. `beat` is called while it is waited for.
    pub fn open(
        clients: &Clients,
        (stage, lane): (&str, usize),
        compression: &str,
        beat: &dyn Fn(),
    ) -> anyhow::Result<Self> {
        let troubles = clients.troubles().clone();
        let context = Context::new(&troubles);
        let make = || -> anyhow::Result<(Arc<BaseProducer<Context>>, Calls)> {
            let producer = clients
                .producer((stage, lane), compression)
                .create_with_context(context.clone())
                .context("cannot make a Kafka producer")?;
            Ok((Arc::new(producer), Calls::start().context("cannot start a thread")?))
        };
        let (mut producer, mut calls) = make()?;
        let (delivery, timeout) = (clients.delivery(), clients.timeout());
        if delivery == Delivery::ExactlyOnce {
            // A coordinator that has just been elected needs a while.
            let patient = timeout * 6;
            // Tokens are made while polling.
            producer.poll(Duration::ZERO);
            let mut awake = Awake::since(Instant::now());
            let mut made = Instant::now();
            loop {
                beat();
                if troubles.is_stopped() && troubles.hinder(None) {
                    bail!("no broker answers");
                }
                let of_call = Arc::clone(&producer);
                let mut hangs = Hangs::after(timeout, &troubles);
                let answer = calls.make(move || of_call.init_transactions(timeout), &mut || {
                    beat();
                    awake.look(Instant::now());
                    hangs.look()
                });
                let error = match answer {
                    Some(Ok(())) => break,
                    Some(Err(error)) => error,
                    None => bail!(
                        "the Kafka library does not say whether there is a transaction coordinator"
                    ),
                };
                producer.poll(Duration::ZERO);
                if troubles.hinder(None) {
                    awake = Awake::since(Instant::now());
                }
                let is_retriable =
                    matches!(&error, KafkaError::Transaction(error) if error.is_retriable());
                let is_late = awake.look(Instant::now()) > patient;
                if !is_retriable || is_late || troubles.is_stopped() {
                    return Err(error).context(
                        "no transaction coordinator answers; are the brokers up, and is the transactional id allowed?",
                    );
                }
                if made.elapsed() >= Forsaken::AFTER {
                    forsaken::leave(producer);
                    (producer, calls) = make()?;
                    producer.poll(Duration::ZERO);
                    made = Instant::now();
                }
            }
            troubles.reached();
        }
        let begun = Cell::new(None);
        Ok(Self { producer, context, delivery, timeout, calls, troubles, begun })
    }

    /// What an error that the producer cannot mend means.
    fn broken(&self, what: &str, error: &KafkaError) -> Failure {
        use RDKafkaErrorCode as Code;
        let is_fenced = matches!(
            error.rdkafka_error_code(),
            Some(Code::Fenced | Code::ProducerFenced | Code::InvalidProducerEpoch)
        );
        // The brokers fence a producer whose transaction took too long, too.
        let is_young = |begun: Instant| begun.elapsed() + Duration::from_secs(1) < self.timeout;
        if is_fenced && self.begun.get().is_some_and(is_young) {
            return Failure::Fatal(format!(
                "cannot {what}: another process with the same `instance` has taken over ({error}); give each process its own"
            ));
        }
        let why = format!("cannot {what}: {error}");
        match self.delivery {
            Delivery::ExactlyOnce => Failure::Broken(why),
            // What was on its way may come after what another producer sends.
            Delivery::AtLeastOnce => Failure::Fatal(why),
        }
    }

    /// Begins a transaction.
    ///
    /// # Errors
    ///
    /// The producer is broken.
    pub fn begin(&self) -> Result<(), Failure> {
        if self.delivery == Delivery::AtLeastOnce {
            return Ok(());
        }
        self.begun.set(Some(Instant::now()));
        self.producer
            .begin_transaction()
            .map_err(|error| self.broken("begin a transaction", &error))
    }

    /// Sends a record. It is there when the transaction is committed.
    ///
    /// # Errors
    ///
    /// It cannot be sent at all.
    pub fn send(&self, outgoing: &Outgoing) -> Result<(), Failure> {
        let deadline = Instant::now() + self.timeout;
        let mut record = record(outgoing);
        loop {
            match self.producer.send(record) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back))
                    if Instant::now() < deadline =>
                {
                    record = back;
                    self.hear();
                }
                Err((error, _)) if error.rdkafka_error_code() == Some(RDKafkaErrorCode::Fatal) => {
                    let error = self
                        .producer
                        .client()
                        .fatal_error()
                        .map_or(error, |(code, _)| KafkaError::MessageProduction(code));
                    return Err(self.broken("send", &error));
                }
                Err((error, _)) => {
                    let topic = &outgoing.topic;
                    return Err(Failure::Undelivered(format!("cannot send to `{topic}`: {error}")));
                }
            }
        }
    }

    /// Makes all that was sent visible together with these offsets: the next record of each partition that is not done.
    ///
    /// # Errors
    ///
    /// Nothing of it is visible, and the transaction is over; or the process must end.
    pub fn commit(
        &self,
        member: &Member,
        offsets: &BTreeMap<TopicPartition, i64>,
    ) -> Result<(), Failure> {
        self.drain()?;
        let list = listed(offsets)?;
        if self.delivery == Delivery::AtLeastOnce {
            if !offsets.is_empty() {
                member.commit(&list)?;
            }
            self.troubles.reached();
            return Ok(());
        }
        if !offsets.is_empty() {
            let Some(metadata) = member.metadata() else {
                return Err(Failure::Aborted("the group does not know this member".to_owned()));
            };
            self.transact("send offsets to the transaction", move |producer, left| {
                producer.send_offsets_to_transaction(&list, &metadata, left)
            })?;
        }
        self.transact("commit the transaction", |producer, left| {
            producer.commit_transaction(left)
        })?;
        self.troubles.reached();
        Ok(())
    }

    /// Brokers that are away are not waited for when all is to stop.
    fn gives_up(&self) -> bool {
        self.troubles.is_stopped() && self.troubles.hinder(None)
    }

    /// Hears of what was delivered, and waits a little if that was nothing. The library's own wait keeps the processor busy to its end, however
    /// short, because its times are whole milliseconds.
    fn hear(&self) {
        let before = self.producer.in_flight_count();
        self.producer.poll(Duration::ZERO);
        if self.producer.in_flight_count() == before {
            std::thread::sleep(BREATH);
        }
    }

    /// Without transactions: whether the group still counts on us, by committing offsets that are committed already. What is sent by a process that stood
    /// still for long would come between what the others send now.
    ///
    /// # Errors
    ///
    /// It went on without us.
    pub fn stand(
        &self,
        member: &Member,
        offsets: &BTreeMap<TopicPartition, i64>,
    ) -> Result<(), Failure> {
        if self.delivery == Delivery::ExactlyOnce || offsets.is_empty() {
            return Ok(());
        }
        member.commit(&listed(offsets)?)
    }

    /// Without transactions: waits until the brokers have all records.
    ///
    /// # Errors
    ///
    /// They do not take them.
    pub fn deliver(&self) -> Result<(), Failure> {
        match self.delivery {
            Delivery::ExactlyOnce => Ok(()),
            Delivery::AtLeastOnce => self.drain(),
        }
    }

    /// The same for state, which must not arrive any more when the group has gone on without us: another one has read what was there then. Committing
    /// these offsets, which are committed already, tells.
    ///
    /// # Errors
    ///
    /// They do not take them soon.
    pub fn deliver_at_once(
        &self,
        member: &Member,
        offsets: &BTreeMap<TopicPartition, i64>,
    ) -> Result<(), Failure> {
        if self.delivery == Delivery::ExactlyOnce {
            return Ok(());
        }
        let deadline = Instant::now() + self.timeout;
        loop {
            let drained = self.drain_within(self.timeout.min(AT_ONCE));
            if drained.is_ok() || self.producer.in_flight_count() == 0 || Instant::now() > deadline
            {
                return drained;
            }
            self.stand(member, offsets)?;
        }
    }

    /// Waits until the brokers have all records. The library would do so only at the end of the transaction: offsets could be there
    /// before the changelog, and a new owner would read too little of it. And its own `flush` takes 100 ms at least.
    fn drain(&self) -> Result<(), Failure> {
        self.drain_within(self.timeout)
    }

    fn drain_within(&self, timeout: Duration) -> Result<(), Failure> {
        let deadline = Instant::now() + timeout;
        while self.producer.in_flight_count() > 0 {
            self.hear();
            if self.gives_up() {
                let why = "no broker answers".to_owned();
                return Err(match self.delivery {
                    Delivery::ExactlyOnce => Failure::Broken(why),
                    Delivery::AtLeastOnce => Failure::Fatal(why),
                });
            }
            if Instant::now() > deadline {
                let why = "the brokers do not take records in time".to_owned();
                return Err(Failure::Undelivered(why));
            }
        }
        match self.context.take() {
            Some(problem) => Err(Failure::Undelivered(problem)),
            None => Ok(()),
        }
    }

    fn transact(
        &self,
        what: &str,
        call: impl Fn(&BaseProducer<Context>, Duration) -> Result<(), KafkaError> + Send + 'static,
    ) -> Result<(), Failure> {
        let (producer, timeout) = (Arc::clone(&self.producer), self.timeout);
        let deadline = Instant::now() + timeout;
        let insist = move || {
            loop {
                // All calls together have the time of one, or they would be taken for one that hangs.
                let left = deadline.saturating_duration_since(Instant::now());
                match call(&producer, left.max(Duration::from_millis(200))) {
                    Err(KafkaError::Transaction(error))
                        if error.is_retriable() && Instant::now() < deadline =>
                    {
                        std::thread::sleep(Duration::from_millis(5));
                    }
                    other => return other,
                }
            }
        };
        let mut hangs = Hangs::after(timeout, &self.troubles);
        match self.calls.make(insist, &mut || hangs.look()) {
            Some(Ok(())) => Ok(()),
            Some(Err(KafkaError::Transaction(error))) if error.txn_requires_abort() => {
                Err(Failure::Aborted(format!("cannot {what}: {error}")))
            }
            Some(Err(error)) => Err(self.broken(what, &error)),
            // Another producer of this name fences this one: what the call does after all is refused, and what it did before is known then.
            None => {
                Err(Failure::Broken(format!("cannot {what}: the Kafka library does not answer")))
            }
        }
    }

    /// Takes back all that was sent since the transaction began.
    ///
    /// # Errors
    ///
    /// The producer cannot.
    pub fn abort(&self) -> Result<(), Failure> {
        if self.delivery == Delivery::AtLeastOnce {
            // What was sent was sent; it will come again, with the same ids. What is not on its way yet, the last of all, is not sent.
            // That whose connection is lost meanwhile waits for another one: neither is that.
            let deadline = Instant::now() + self.timeout;
            let mut purged: Option<Instant> = None;
            while self.producer.in_flight_count() > 0 {
                if purged.is_none_or(|purged| purged.elapsed() >= PURGE) {
                    self.producer.purge(PurgeConfig::default().queue());
                    purged = Some(Instant::now());
                }
                self.hear();
                if Instant::now() > deadline {
                    let why = "the brokers do not say whether they have what was sent";
                    return Err(Failure::Broken(why.to_owned()));
                }
            }
            self.context.take();
            return match self.producer.client().fatal_error() {
                Some((error, why)) => {
                    Err(Failure::Broken(format!("the producer fails: {error}: {why}")))
                }
                None => Ok(()),
            };
        }
        // Records that were not delivered would keep the library from ending the transaction: it waits until we hear of each, and we hear in `poll` only.
        self.producer.purge(PurgeConfig::default().queue().inflight());
        let deadline = Instant::now() + self.timeout;
        while self.producer.in_flight_count() > 0 && Instant::now() < deadline {
            self.hear();
        }
        let aborted = self.transact("take the transaction back", |producer, left| {
            producer.abort_transaction(left)
        });
        self.context.take();
        match aborted {
            Err(Failure::Aborted(why)) => Err(Failure::Broken(why)),
            other => other,
        }
    }
}
