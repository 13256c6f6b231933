//! Topics that rules, or templates for them, name for detections: a record for a topic that is not there would hold up all others.

use super::client::Clients;
use anyhow::Context as _;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::types::RDKafkaErrorCode;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(10);

/// Makes those of the topics that are not there, as the brokers make topics by default. Gives those that cannot be made, with the reason.
///
/// # Errors
///
/// The brokers do not answer.
pub fn make(
    clients: &Clients,
    topics: &BTreeSet<String>,
) -> anyhow::Result<BTreeMap<String, String>> {
    if topics.is_empty() {
        return Ok(BTreeMap::new());
    }
    // Of all clients only a consumer can ask for a topic without making it.
    let consumer: BaseConsumer = clients
        .aside("outlets")
        .set("group.id", clients.group("outlets"))
        .set("allow.auto.create.topics", "false")
        .create()
        .context("cannot make a Kafka client")?;
    let metadata =
        consumer.fetch_metadata(None, PATIENCE).context("the brokers do not name their topics")?;
    let present: BTreeSet<&str> = metadata.topics().iter().map(|topic| topic.name()).collect();
    let missing: Vec<&String> =
        topics.iter().filter(|topic| !present.contains(topic.as_str())).collect();
    if missing.is_empty() {
        return Ok(BTreeMap::new());
    }
    let admin: AdminClient<DefaultClientContext> =
        clients.aside("outlets-admin").create().context("cannot make a Kafka client")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let new: Vec<NewTopic<'_>> =
        missing.iter().map(|topic| NewTopic::new(topic, -1, TopicReplication::Fixed(-1))).collect();
    let options =
        AdminOptions::new().request_timeout(Some(PATIENCE)).operation_timeout(Some(PATIENCE));
    let answers = runtime
        .block_on(admin.create_topics(&new, &options))
        .context("the brokers do not make topics")?;
    let mut failed = BTreeMap::new();
    for answer in answers {
        match answer {
            Ok(topic) => {
                tracing::info!(
                    "topic `{topic}`, where detections of a rule go, was not there and is made"
                )
            }
            Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((topic, code)) => {
                failed.insert(topic, code.to_string());
            }
        }
    }
    Ok(failed)
}
