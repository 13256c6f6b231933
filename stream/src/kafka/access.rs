//! Whether the service may do what it must, where the brokers ask who does what. It is tried, and nothing is left behind: what would be written
//! is held back until its transaction is aborted.

use super::topics::{Cluster, Error, Finding};
use rdkafka::consumer::Consumer as _;
use rdkafka::error::KafkaError;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _, PurgeConfig};
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{Offset, TopicPartitionList};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// So long brokers may take to allow or refuse something.
const PATIENCE: Duration = Duration::from_secs(10);
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
    findings.extend(group(cluster, read));
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
fn group(cluster: &Cluster<'_>, topics: &[&str]) -> Option<Finding> {
    let mut list = TopicPartitionList::new();
    list.add_partition(topics.first()?, 0);
    let error = cluster.consumer.committed_offsets(list, PATIENCE).err()?;
    if error.rdkafka_error_code() != Some(RDKafkaErrorCode::GroupAuthorizationFailed) {
        return None;
    }
    let application = &cluster.config.application;
    let resource = format!("--group {application} --resource-pattern-type prefixed");
    let command = cluster.allow(&["Read"], &resource);
    Some(finding(format!("groups `{application}.*`"), "may not be used", command))
}

/// Opens transactions with the topics in them, and aborts them before anything is sent.
fn writing(cluster: &Cluster<'_>, topics: &[&str]) -> Result<Vec<Finding>, Error> {
    if topics.is_empty() {
        return Ok(Vec::new());
    }
    let application = &cluster.config.application;
    let producer: BaseProducer = cluster
        .clients
        .aside("check-out")
        .set("transactional.id", format!("{application}/check"))
        .set("transaction.timeout.ms", "60000")
        .set("linger.ms", HELD_BACK)
        .create()?;
    if let Err(error) = producer.init_transactions(PATIENCE) {
        let refused = error.rdkafka_error_code()
            == Some(RDKafkaErrorCode::TransactionalIdAuthorizationFailed);
        return Ok(if refused {
            let resource =
                format!("--transactional-id {application} --resource-pattern-type prefixed");
            let command = cluster.allow(&["Describe", "Write"], &resource);
            let subject = format!("transactions `{application}/*`");
            vec![finding(subject, "may not be opened", command)]
        } else {
            vec![Finding {
                is_error: true,
                subject: "transactions".to_owned(),
                message: format!("cannot be opened: {error}"),
                command: None,
            }]
        });
    }
    let mut refused: BTreeSet<&str> = BTreeSet::new();
    let mut findings = Vec::new();
    // Each refusal names one topic and ends the transaction.
    loop {
        let left = topics.iter().filter(|topic| !refused.contains(**topic));
        producer.begin_transaction()?;
        for topic in left.clone() {
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
        producer.abort_transaction(PATIENCE)?;
        let Some(complaint) = complaint else { return Ok(findings) };
        let named = left.clone().find(|topic| complaint.contains(&format!("\"{topic}\"")));
        let Some(topic) = named else {
            findings.push(Finding {
                is_error: true,
                subject: "transactions".to_owned(),
                message: complaint,
                command: None,
            });
            return Ok(findings);
        };
        let command = cluster.allow(&["Write"], &format!("--topic {topic}"));
        findings.push(finding(*topic, "may not be written", command));
        refused.insert(topic);
    }
}

/// Why the transaction must be aborted, if it must. librdkafka tells when asked for anything that cannot be done then.
fn complaint(producer: &BaseProducer) -> Option<String> {
    let end = Instant::now() + SILENCE;
    while Instant::now() < end {
        producer.poll(Duration::from_millis(20));
        if let Err(KafkaError::Transaction(error)) = producer.begin_transaction()
            && error.txn_requires_abort()
        {
            return Some(error.to_string());
        }
    }
    None
}
