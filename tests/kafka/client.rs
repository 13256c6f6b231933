//! What tests do as clients of a broker.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rdkafka::ClientContext;
use rdkafka::client::Client;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{DeliveryResult, Header, Headers, Message, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, NoCustomPartitioner, Producer, ProducerContext};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::types::RDKafkaErrorCode;

/// How long anything may take before a test gives up. Machines that test are busy.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// A record as it is in a topic, or is to be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Record {
    /// To produce: `None` lets the key decide.
    pub(crate) partition: Option<i32>,
    /// As it was consumed.
    pub(crate) offset: i64,
    /// Milliseconds since 1970. To produce: `None` is now.
    pub(crate) timestamp: Option<i64>,
    pub(crate) key: Option<Vec<u8>>,
    /// `None` is a tombstone.
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
}

impl Record {
    pub(crate) fn new(value: impl Into<Vec<u8>>) -> Self {
        Self { value: Some(value.into()), ..Self::default() }
    }

    pub(crate) fn key(self, key: impl Into<Vec<u8>>) -> Self {
        Self { key: Some(key.into()), ..self }
    }

    pub(crate) fn partition(self, partition: i32) -> Self {
        Self { partition: Some(partition), ..self }
    }

    /// The value, which has to be text.
    pub(crate) fn text(&self) -> &str {
        let value = self.value.as_deref().expect("a value");
        std::str::from_utf8(value).expect("a value that is text")
    }
}

impl From<&str> for Record {
    fn from(value: &str) -> Self {
        Self::new(value)
    }
}

impl From<String> for Record {
    fn from(value: String) -> Self {
        Self::new(value)
    }
}

/// A name for a topic, a group or a transactional id that nobody else has, in this run or another on the same broker.
pub(crate) fn unique(name: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_millis();
    let next = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("{name}-{now:x}-{:x}-{next}", std::process::id())
}

/// What all clients have in common.
pub(super) fn config(bootstrap: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap);
    // Two clients of one name confuse librdkafka (its issue 4783).
    config.set("client.id", unique("test"));
    config
}

/// A consumer that reads as soon as there is something and commits nothing by itself.
pub(super) fn consumer(bootstrap: &str, group: &str, isolation: &str) -> BaseConsumer {
    config(bootstrap)
        .set("group.id", group)
        .set("isolation.level", isolation)
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("auto.offset.reset", "earliest")
        .set("enable.partition.eof", "true")
        .set("fetch.wait.max.ms", "50")
        .set("group.protocol", "classic")
        .set("session.timeout.ms", "6000")
        .set("heartbeat.interval.ms", "300")
        .create()
        .expect("a consumer")
}

/// A producer with transactions. `init_transactions` is left to the caller.
pub(super) fn transactional(bootstrap: &str, id: &str) -> BaseProducer {
    config(bootstrap)
        .set("transactional.id", id)
        .set("transaction.timeout.ms", "60000")
        .create()
        .expect("a producer")
}

/// Waits until all that was sent is acknowledged or failed. Not `flush`, which takes 100 ms however fast the broker is.
pub(super) fn drain<C: ProducerContext>(producer: &BaseProducer<C>) -> Result<(), String> {
    let end = Instant::now() + PATIENCE;
    while producer.in_flight_count() > 0 {
        producer.poll(Duration::from_millis(1));
        if Instant::now() > end {
            return Err(format!("{} records are not acknowledged", producer.in_flight_count()));
        }
    }
    Ok(())
}

/// How many partitions of a topic have a leader.
pub(super) fn leaders<C: ClientContext>(client: &Client<C>, topic: &str) -> i32 {
    let Ok(metadata) = client.fetch_metadata(Some(topic), Duration::from_secs(10)) else {
        return 0;
    };
    let led = metadata.topics().iter().flat_map(|topic| topic.partitions());
    let led = led.filter(|partition| partition.leader() >= 0 && partition.error().is_none());
    i32::try_from(led.count()).expect("few partitions")
}

/// Remembers records that could not be delivered.
#[derive(Default)]
struct Failures(Mutex<Vec<String>>);

impl ClientContext for Failures {}

impl ProducerContext<NoCustomPartitioner> for Failures {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let Err((error, _)) = result {
            self.0.lock().expect("a lock").push(error.to_string());
        }
    }
}

/// Writes records and waits for all of them.
pub(super) fn produce(bootstrap: &str, topic: &str, records: impl Iterator<Item = Record>) {
    let producer: BaseProducer<Failures> = config(bootstrap)
        .set("enable.idempotence", "true")
        .set("linger.ms", "5")
        .create_with_context(Failures::default())
        .expect("a producer");
    for record in records {
        let mut headers = OwnedHeaders::new();
        for (key, value) in &record.headers {
            headers = headers.insert(Header { key, value: Some(value) });
        }
        let mut next: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(topic).headers(headers);
        next.key = record.key.as_deref();
        next.payload = record.value.as_deref();
        next.partition = record.partition;
        next.timestamp = record.timestamp;
        while let Err((error, rejected)) = producer.send(next) {
            let full = KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull);
            assert!(error == full, "a record for `{topic}` is refused: {error}");
            producer.poll(Duration::from_millis(5));
            next = rejected;
        }
        producer.poll(Duration::ZERO);
    }
    drain(&producer).expect("records are acknowledged");
    let failures = producer.context().0.lock().expect("a lock");
    assert!(failures.is_empty(), "{} records for `{topic}`: {}", failures.len(), failures[0]);
}

/// All records of a topic that a consumer of that isolation sees, by partition and offset.
pub(super) fn consume(bootstrap: &str, topic: &str, isolation: &str) -> Vec<Record> {
    let consumer = consumer(bootstrap, &unique("reader"), isolation);
    let metadata = consumer.fetch_metadata(Some(topic), PATIENCE).expect("the broker answers");
    let partitions: Vec<i32> =
        metadata.topics()[0].partitions().iter().map(|partition| partition.id()).collect();
    assert!(!partitions.is_empty(), "there is no topic `{topic}`");
    let mut assigned = TopicPartitionList::new();
    for partition in &partitions {
        assigned.add_partition_offset(topic, *partition, Offset::Beginning).expect("a partition");
    }
    consumer.assign(&assigned).expect("an assignment");

    let (mut records, mut ended) = (Vec::new(), BTreeSet::new());
    let mut last = Instant::now();
    while ended.len() < partitions.len() {
        match consumer.poll(Duration::from_millis(100)) {
            Some(Ok(message)) => {
                last = Instant::now();
                let headers = message.headers().into_iter().flat_map(Headers::iter);
                records.push(Record {
                    partition: Some(message.partition()),
                    offset: message.offset(),
                    timestamp: message.timestamp().to_millis(),
                    key: message.key().map(<[u8]>::to_vec),
                    value: message.payload().map(<[u8]>::to_vec),
                    headers: headers
                        .map(|header| {
                            (header.key.to_owned(), header.value.unwrap_or_default().to_vec())
                        })
                        .collect(),
                });
            }
            Some(Err(KafkaError::PartitionEOF(partition))) => {
                ended.insert(partition);
            }
            // Brokers that come and go.
            Some(Err(_)) | None => {
                assert!(last.elapsed() < PATIENCE, "no end of `{topic}` is reached");
            }
        }
    }
    records.sort_by_key(|record| (record.partition, record.offset));
    records
}
