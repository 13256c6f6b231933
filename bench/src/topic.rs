//! Topics of a broker for the benches of the service.

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::{Offset, TopicPartitionList};
use std::error::Error;
use std::time::Duration;

/// What every client here starts from.
#[must_use]
pub fn client(bootstrap: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap).set("linger.ms", "1");
    config
}

/// Makes a topic.
///
/// # Errors
/// The broker is not there, or there is one of that name.
pub fn make(bootstrap: &str, topic: &str, partitions: i32) -> Result<(), Box<dyn Error>> {
    let admin: AdminClient<DefaultClientContext> = client(bootstrap).create()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let new = NewTopic::new(topic, partitions, TopicReplication::Fixed(1));
    for made in runtime.block_on(admin.create_topics([&new], &AdminOptions::new()))? {
        made.map_err(|(topic, code)| format!("{topic}: {code}"))?;
    }
    Ok(())
}

/// The partitions of a topic.
///
/// # Errors
/// The broker does not answer.
pub fn partitions(consumer: &BaseConsumer, topic: &str) -> Result<Vec<i32>, Box<dyn Error>> {
    let metadata = consumer.fetch_metadata(Some(topic), Duration::from_secs(10))?;
    let topics = metadata.topics().iter();
    Ok(topics.flat_map(|topic| topic.partitions()).map(|partition| partition.id()).collect())
}

/// Who reads what is committed in a topic, as soon as it is.
///
/// # Errors
/// The broker does not answer.
pub fn reader(bootstrap: &str, topic: &str, from: Offset) -> Result<BaseConsumer, Box<dyn Error>> {
    let consumer: BaseConsumer = client(bootstrap)
        .set("group.id", format!("{topic}-reader"))
        .set("isolation.level", "read_committed")
        .set("fetch.wait.max.ms", "5")
        .create()?;
    let mut all = TopicPartitionList::new();
    for partition in partitions(&consumer, topic)? {
        all.add_partition_offset(topic, partition, from)?;
    }
    consumer.assign(&all)?;
    Ok(consumer)
}
