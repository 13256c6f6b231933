//! Without transactions: hits that are sent again are counted once, and nothing is known to windows of which nobody was told.

use super::events::{self, Random};
use super::outline::{Outlines, difference, hunted, outlines};
use super::running::{Application, PATIENCE, Running};
use crate::kafka::broker::Broker;
use crate::kafka::client::Record;
use crate::kafka::honesty::honest_broker;
use rdkafka::TopicPartitionList;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::topic_partition_list::Offset;
use std::time::{Duration, Instant};

/// Every detection once.
fn once(outlines: &Outlines) -> Outlines {
    outlines.keys().map(|key| (key.clone(), 1)).collect()
}

/// Commits offsets for a group without members.
fn move_back(broker: &Broker, group: &str, topic: &str, partitions: i32, offset: i64) {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", broker.bootstrap())
        .set("group.id", group)
        .create()
        .expect("a consumer");
    let mut back = TopicPartitionList::new();
    for partition in 0..partitions {
        back.add_partition_offset(topic, partition, Offset::Offset(offset)).expect("a partition");
    }
    // Not before the group knows that its members are gone.
    let patience = Instant::now() + PATIENCE;
    while let Err(error) = consumer.commit(&back, CommitMode::Sync) {
        assert!(Instant::now() < patience, "offsets are not committed: {error}");
        std::thread::sleep(Duration::from_millis(300));
    }
}

/// The next hit, of what the state says of how far hits were read: version, number of partitions, next, each in groups of seven bits.
fn next_of(mut value: &[u8]) -> Option<u64> {
    let mut number = || {
        let end = value.iter().position(|byte| byte & 0x80 == 0)?;
        let (bytes, rest) = value.split_at(end + 1);
        value = rest;
        Some(bytes.iter().rev().fold(0, |all, byte| all << 7 | u64::from(byte & 0x7f)))
    };
    let (_version, _partitions) = (number()?, number()?);
    number()
}

#[test]
fn hits_that_are_sent_again_are_counted_once() {
    let Some(broker) = honest_broker() else { return };
    let application = Application::new(broker, "again", &[("raw", 2)]);
    let folder = application.folder.clone();
    std::fs::write(folder.join("rules.yml"), events::rules()).expect("a file");
    let count = 3_000;
    let events = events::events(&mut Random(6), count);
    let end = events::end(count);
    std::fs::write(folder.join("events.json"), events.join("\n") + "\n" + &end).expect("a file");
    let raw = application.topic("raw");
    let produce = |range: std::ops::Range<usize>| {
        let record =
            |number: usize| Record::new(events[number].as_str()).partition((number % 2) as i32);
        broker.produce(&raw, range.map(record));
    };
    // So much waits for later events that it is read again after a start.
    let more = format!(
        "kafka: {{bootstrap_servers: ['{{BOOTSTRAP}}'], properties: {{session.timeout.ms: 6000}}}}\n\
         sources: [{{topics: [{raw}], log_sources: [product=app]}}]\nrules: {{paths: [{}]}}\n\
         correlation: {{emit: final, max_lateness: 1m, idle_timeout: 0s, partitions: 4}}\n\
         delivery: at_least_once\ntransaction: {{max_records: 50}}\n",
        folder.join("rules.yml").display()
    );
    let config = application.config(broker, "one", &more);
    let mut process = Running::start(&config);
    process.wait_until_assigned();
    produce(0..2_000);
    let topic = application.topic("detections");
    let grows = || {
        let end = Instant::now() + PATIENCE;
        let mut seen = 0;
        loop {
            std::thread::sleep(Duration::from_millis(1_500));
            let now = broker.consume_committed(&topic).len();
            if now > 0 && now == seen || Instant::now() > end {
                return;
            }
            seen = now;
        }
    };
    grows();
    process.stop();

    // As if it had died before it committed most of this.
    move_back(broker, &application.topic("detect"), &raw, 2, 100);
    move_back(broker, &application.topic("correlate"), &application.topic("sightings"), 4, 10);
    process.restart();
    process.wait_until_assigned();
    grows();
    // Hits that wait are read again up to where the state says: it must not say less than it knew, while it skips what it knows.
    let state = broker.consume_committed(&application.topic("state"));
    let mut heads = 0;
    for partition in 0..4 {
        let ours = state.iter().filter(|record| record.partition == Some(partition));
        let ours = ours.filter(|record| record.key.as_deref() == Some(b"h"));
        let all: Vec<u64> = ours.filter_map(|head| next_of(head.value.as_deref()?)).collect();
        assert!(all.is_sorted(), "partition {partition}: {all:?}");
        heads += all.len();
    }
    assert!(heads > 20, "only {heads} times it was written how far hits were read");
    produce(2_000..count);
    broker.produce(&raw, (0..2).map(|partition| Record::new(end.as_str()).partition(partition)));

    let rules = folder.join("rules.yml");
    let rules = rules.to_str().expect("a path that is text");
    let expected = hunted(&folder, &["-r", rules, "--logsource", "product=app", "events.json"]);
    let patience = Instant::now() + PATIENCE;
    let found = loop {
        let records = broker.consume_committed(&topic);
        let found = outlines(records.iter().map(Record::text));
        if expected.keys().all(|outline| found.contains_key(outline)) || Instant::now() > patience {
            break found;
        }
        std::thread::sleep(Duration::from_millis(300));
    };
    process.stop();
    if let Some(difference) = difference(&once(&found), &once(&expected)) {
        panic!("{difference}\nlogs are in {}", folder.display());
    }
    let again = |outline: &&String| found[*outline] > 1;
    let (alerts, singles): (Vec<_>, Vec<_>) =
        found.keys().filter(again).partition(|outline| outline.contains("\"correlation\":{"));
    // Events were matched again, and told again; windows were not.
    assert!(singles.len() > 10 && alerts.is_empty(), "{} and {}", singles.len(), alerts.len());
    application.remove();
}

#[test]
fn windows_do_not_know_what_nobody_was_told() {
    let Some(broker) = honest_broker() else { return };
    let application = Application::new(broker, "told", &[("raw", 1)]);
    let folder = application.folder.clone();
    let rules = "title: Fail\nname: fail\nstatus: test\nlogsource: {product: app}\ndetection:\n  s: {kind: fail}\n  condition: s\n---\n\
        title: Many\nstatus: test\ncorrelation:\n  type: event_count\n  rules: fail\n  group-by: [user]\n  timespan: 1m\n  condition: {gte: 3}\n";
    std::fs::write(folder.join("rules.yml"), rules).expect("a file");
    let raw = application.topic("raw");
    let more = format!(
        "kafka: {{bootstrap_servers: ['{{BOOTSTRAP}}'], properties: {{session.timeout.ms: 6000}}}}\n\
         sources: [{{topics: [{raw}], log_sources: [product=app]}}]\nrules: {{paths: [{}]}}\n\
         correlation: {{emit: early, idle_timeout: 0s, partitions: 4}}\ndelivery: at_least_once\n",
        folder.join("rules.yml").display()
    );
    let event = |second: usize| {
        let time = format!("2025-06-01T00:00:{second:02}Z");
        format!("{{\"@timestamp\":\"{time}\",\"kind\":\"fail\",\"user\":\"u\"}}")
    };
    let produce = |range: std::ops::Range<usize>| {
        broker.produce(&raw, range.map(|second| Record::new(event(second)).partition(0)));
    };
    let mut process = Running::start(&application.config(broker, "one", &more));
    process.wait_until_assigned();
    // Windows know of two hits.
    let state = application.topic("state");
    let groups = || {
        let records = broker.consume_committed(&state);
        records
            .iter()
            .filter(|record| record.key.as_ref().is_some_and(|key| key[0] == b'e'))
            .count()
    };
    produce(0..2);
    let patience = Instant::now() + PATIENCE;
    while groups() == 0 {
        assert!(Instant::now() < patience, "windows do not begin");
        std::thread::sleep(Duration::from_millis(200));
    }

    // The topic of the detections takes nothing for a while, all others do.
    let topic = application.topic("detections");
    let set = |change: &str, what: &str| {
        let of = ["--entity-type", "topics", "--entity-name", &topic];
        broker.tool("configs", &[&["--alter"], &of[..], &[change, what]].concat());
    };
    set("--add-config", "max.message.bytes=10");
    produce(2..3);
    std::thread::sleep(Duration::from_secs(4));
    assert!(broker.consume_committed(&topic).is_empty(), "it takes records all the same");
    process.kill();
    set("--delete-config", "max.message.bytes");
    process.restart();
    let alerts = broker.await_committed(&topic, 1, PATIENCE);
    process.stop();
    assert!(alerts[0].text().contains("\"Many\""), "{}", alerts[0].text());
    application.remove();
}
