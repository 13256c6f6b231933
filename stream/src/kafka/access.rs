//! Whether the service may do what it must, where the brokers ask who does what. It is tried, and nothing is left behind: what would be written
//! is held back until its transaction is aborted.

use super::topics::{Cluster, Complaints, Error, Finding};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _, PurgeConfig};
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{Offset, TopicPartitionList};
use std::time::{Duration, Instant};

/// So long brokers may take to allow or refuse something.
const PATIENCE: Duration = Duration::from_secs(10);
/// The coordinator of a group is found well within this time.
const COORDINATOR: Duration = Duration::from_secs(3);
/// A topic that may not be written is refused well within this time; that it may is not said.
const SILENCE: Duration = Duration::from_millis(700);
/// Much longer than a check, and shorter than the transaction: no record leaves the client.
const HELD_BACK: &str = "30000";

/// What is refused.
pub(super) fn check(
    cluster: &Cluster<'_>,
    read: &[&str],
    written: &[&str],
) -> Result<Vec<Finding>, Error> {
    let mut findings = reading(cluster, read)?;
    findings.extend(group(cluster, read)?);
    findings.extend(writing(cluster, written)?);
    Ok(findings)
}

fn finding(subject: impl Into<String>, message: &str, command: String) -> Finding {
    Finding {
        is_error: true,
        subject: subject.into(),
        message: message.to_owned(),
        command: Some(command),
    }
}

/// Reads from the end of a partition of each topic until the end is told.
fn reading(cluster: &Cluster<'_>, topics: &[&str]) -> Result<Vec<Finding>, Error> {
    let mut findings = Vec::new();
    for topic in topics {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, 0, Offset::End)?;
        cluster.consumer.assign(&list)?;
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            match cluster.consumer.poll(Duration::from_millis(100)) {
                Some(Err(error))
                    if error.rdkafka_error_code()
                        == Some(RDKafkaErrorCode::TopicAuthorizationFailed) =>
                {
                    let command = cluster.allow(&["Read"], &format!("--topic {topic}"));
                    findings.push(finding(*topic, "may not be read", command));
                    break;
                }
                Some(Ok(_) | Err(KafkaError::PartitionEOF(_))) => break,
                Some(Err(_)) | None => {}
            }
        }
        cluster.consumer.unassign()?;
    }
    Ok(findings)
}

/// Asks for the offsets of a group of this application.
fn group(cluster: &Cluster<'_>, topics: &[&str]) -> Result<Option<Finding>, Error> {
    let Some(topic) = topics.first() else { return Ok(None) };
    // Its own client: a refusal is told once.
    let consumer: BaseConsumer<Complaints> = cluster
        .clients
        .aside("check-group")
        .set("group.id", cluster.clients.group("check"))
        .set("enable.auto.commit", "false")
        .create_with_context(Complaints::default())?;
    let mut list = TopicPartitionList::new();
    list.add_partition(topic, 0);
    let is_refusal = |error: &KafkaError| {
        error.rdkafka_error_code() == Some(RDKafkaErrorCode::GroupAuthorizationFailed)
    };
    let is_refused = match consumer.committed_offsets(list, COORDINATOR) {
        Ok(offsets) => {
            let elements = offsets.elements();
            elements.iter().filter_map(|one| one.error().err()).any(|error| is_refusal(&error))
        }
        // Looking for the coordinator is refused over and over, which is told while polling.
        Err(error) => {
            let mut polled = std::iter::repeat_with(|| consumer.poll(Duration::from_millis(100)));
            let told = polled.by_ref().take(5).flatten().filter_map(Result::err);
            is_refusal(&error) || told.into_iter().any(|error| is_refusal(&error))
        }
    };
    if !is_refused {
        return Ok(None);
    }
    let application = &cluster.config.application;
    let resource = format!("--group {application} --resource-pattern-type prefixed");
    let command = cluster.allow(&["Read"], &resource);
    Ok(Some(finding(format!("groups `{application}.*`"), "may not be used", command)))
}

/// Opens a transaction with all topics in it, and if that is refused one with each: librdkafka does not say which of them it was.
fn writing(cluster: &Cluster<'_>, topics: &[&str]) -> Result<Vec<Finding>, Error> {
    let wrong = |message: String| Finding {
        is_error: true,
        subject: "transactions".to_owned(),
        message,
        command: None,
    };
    let mut findings = Vec::new();
    match transaction(cluster, topics) {
        Ok(None) => return Ok(findings),
        Ok(Some((RDKafkaErrorCode::TopicAuthorizationFailed, _))) => {}
        Ok(Some((_, complaint))) => return Ok(vec![wrong(complaint)]),
        Err(Unopened::Finding(finding)) => return Ok(vec![finding]),
        Err(Unopened::Error(error)) => return Err(error.into()),
    }
    for topic in topics {
        match transaction(cluster, &[topic]) {
            Ok(None) => {}
            Ok(Some((RDKafkaErrorCode::TopicAuthorizationFailed, _))) => {
                let command = cluster.allow(&["Write"], &format!("--topic {topic}"));
                findings.push(finding(*topic, "may not be written", command));
            }
            Ok(Some((_, complaint))) => findings.push(wrong(complaint)),
            Err(Unopened::Finding(finding)) => findings.push(finding),
            Err(Unopened::Error(error)) => return Err(error.into()),
        }
    }
    Ok(findings)
}

enum Unopened {
    Finding(Finding),
    Error(KafkaError),
}

impl From<KafkaError> for Unopened {
    fn from(error: KafkaError) -> Self {
        Self::Error(error)
    }
}

/// Opens a transaction with topics in it and ends it before anything is sent. Why it was refused, if it was.
fn transaction(
    cluster: &Cluster<'_>,
    topics: &[&str],
) -> Result<Option<(RDKafkaErrorCode, String)>, Unopened> {
    if topics.is_empty() {
        return Ok(None);
    }
    let producer = producer(cluster)?;
    producer.begin_transaction()?;
    for topic in topics {
        let record: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(topic).partition(0);
        producer.send(record).map_err(|(error, _)| error)?;
    }
    let complaint = complaint(&producer);
    // Before anything else could send them; what is purged is reported while polling.
    producer.purge(PurgeConfig::default().queue());
    let end = Instant::now() + PATIENCE;
    while producer.in_flight_count() > 0 && Instant::now() < end {
        producer.poll(Duration::from_millis(1));
    }
    // Of a transaction that was refused the broker knows nothing, and librdkafka fails to abort it: the next has a producer of its own.
    if complaint.is_none() {
        producer.abort_transaction(PATIENCE)?;
    }
    Ok(complaint)
}

/// A producer that may open transactions, and holds back what is sent in them.
fn producer(cluster: &Cluster<'_>) -> Result<BaseProducer, Unopened> {
    let application = &cluster.config.application;
    let wrong = |error: &KafkaError| {
        Unopened::Finding(Finding {
            is_error: true,
            subject: "transactions".to_owned(),
            message: format!("cannot be opened: {error}"),
            command: None,
        })
    };
    let producer: BaseProducer = cluster
        .clients
        .aside("check-out")
        .set("transactional.id", format!("{application}/check"))
        .set("transaction.timeout.ms", "60000")
        .set("linger.ms", HELD_BACK)
        .create()
        .map_err(|error| wrong(&error))?;
    // Tokens are made while polling.
    producer.poll(Duration::ZERO);
    match producer.init_transactions(PATIENCE) {
        Ok(()) => Ok(producer),
        Err(error)
            if error.rdkafka_error_code()
                == Some(RDKafkaErrorCode::TransactionalIdAuthorizationFailed) =>
        {
            let resource =
                format!("--transactional-id {application} --resource-pattern-type prefixed");
            let command = cluster.allow(&["Describe", "Write"], &resource);
            let subject = format!("transactions `{application}/*`");
            Err(Unopened::Finding(finding(subject, "may not be opened", command)))
        }
        // The brokers have no time now: that says nothing about what they would answer.
        Err(KafkaError::Transaction(error)) if error.is_retriable() => {
            Err(KafkaError::Transaction(error).into())
        }
        Err(error) => Err(wrong(&error)),
    }
}

/// Why the transaction must be aborted, if it must. librdkafka tells when asked for anything that cannot be done then.
fn complaint(producer: &BaseProducer) -> Option<(RDKafkaErrorCode, String)> {
    let end = Instant::now() + SILENCE;
    while Instant::now() < end {
        producer.poll(Duration::from_millis(20));
        if let Err(KafkaError::Transaction(error)) = producer.begin_transaction()
            && error.txn_requires_abort()
        {
            return Some((error.code(), error.to_string()));
        }
    }
    None
}
