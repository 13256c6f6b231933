//! Is the broker one on which exactly-once can be shown? Five checks of what transactions promise. They run before
//! anything else is believed of a broker: librdkafka's own mock, to which every transaction succeeds, fails them.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::broker::Broker;
use super::client::{PATIENCE, consume, consumer, drain, transactional, unique};

/// Where a check works: a broker and how topics come to be on it.
struct Place<'a> {
    bootstrap: &'a str,
    create: &'a dyn Fn(&str, i32),
}

type Check = fn(&Place<'_>) -> Result<(), String>;

/// The checks by their names.
const CHECKS: [(&str, Check); 5] = [
    ("A: records of an open transaction are hidden", open_transaction_is_hidden),
    ("B: records of an aborted transaction stay hidden", aborted_transaction_is_hidden),
    ("C: offsets are committed with their transaction", offsets_are_in_the_transaction),
    ("D: an older producer of the same transactional id is fenced", older_producer_is_fenced),
    ("E: a consumer of an older generation is refused", older_generation_is_refused),
];

/// What each check said, in their order.
type Report = Vec<Result<(), String>>;

/// The broker that all tests of this process share. `None` (said loudly) where Kafka can not be had; a panic that
/// names the check where one failed.
pub(crate) fn honest_broker() -> Option<&'static Broker> {
    let broker = Broker::shared()?;
    refuse(shared_report(broker));
    Some(broker)
}

/// Checks another broker, and refuses it by a panic.
pub(super) fn demand(broker: &Broker) {
    refuse(&report_of(broker));
}

fn refuse(report: &Report) {
    for ((name, _), result) in CHECKS.iter().zip(report) {
        if let Err(reason) = result {
            panic!(
                "nothing can be claimed on this broker, it is not honest; check {name}: {reason}"
            );
        }
    }
}

/// Of the shared broker, once.
fn shared_report(broker: &Broker) -> &'static Report {
    static REPORT: OnceLock<Report> = OnceLock::new();
    REPORT.get_or_init(|| report_of(broker))
}

/// Runs all checks side by side: each has its own topics.
fn report_of(broker: &Broker) -> Report {
    let run = |check: Check| {
        let create = |name: &str, partitions| broker.create_topics(&[(name, partitions, &[])]);
        check(&Place { bootstrap: broker.bootstrap(), create: &create })
    };
    std::thread::scope(|scope| {
        let running = CHECKS.map(|(_, check)| scope.spawn(move || run(check)));
        running
            .map(|check| check.join().unwrap_or_else(|_| Err("the check panicked".to_owned())))
            .into()
    })
}

fn open_transaction_is_hidden(place: &Place<'_>) -> Result<(), String> {
    let topic = place.topic("honesty-a", 1);
    let producer = place.producer(&unique("honesty-a"))?;
    producer.begin_transaction().map_err(text)?;
    send(&producer, &topic, &["1", "2", "3"])?;
    drain(&producer)?;
    // They are there, and yet not for those who read what is committed.
    equal("read uncommitted", &place.values(&topic, "read_uncommitted"), &["1", "2", "3"])?;
    equal("read committed", &place.values(&topic, "read_committed"), &[])?;
    producer.commit_transaction(PATIENCE).map_err(text)?;
    place.settled(&topic)?;
    equal("after the commit", &place.values(&topic, "read_committed"), &["1", "2", "3"])
}

fn aborted_transaction_is_hidden(place: &Place<'_>) -> Result<(), String> {
    let topic = place.topic("honesty-b", 1);
    let producer = place.producer(&unique("honesty-b"))?;
    for (value, commit) in [("1", false), ("2", true), ("3", false)] {
        producer.begin_transaction().map_err(text)?;
        send(&producer, &topic, &[value])?;
        drain(&producer)?;
        if commit {
            producer.commit_transaction(PATIENCE).map_err(text)?;
        } else {
            producer.abort_transaction(PATIENCE).map_err(text)?;
        }
    }
    place.settled(&topic)?;
    equal("read uncommitted", &place.values(&topic, "read_uncommitted"), &["1", "2", "3"])?;
    equal("read committed", &place.values(&topic, "read_committed"), &["2"])
}

fn offsets_are_in_the_transaction(place: &Place<'_>) -> Result<(), String> {
    let (input, output) = (place.topic("honesty-c", 1), place.topic("honesty-c-out", 1));
    let member = place.member(&input, &unique("honesty-c"));
    assigned(&[(&member, 1)])?;
    let producer = place.producer(&unique("honesty-c"))?;
    for (offset, commit, expected) in [
        (7, false, Offset::Invalid),
        (10, true, Offset::Offset(10)),
        (12, false, Offset::Offset(10)),
    ] {
        producer.begin_transaction().map_err(text)?;
        send(&producer, &output, &["1"])?;
        drain(&producer)?;
        let group = member.group_metadata().ok_or("no group metadata")?;
        let offsets = offsets(&input, offset);
        producer.send_offsets_to_transaction(&offsets, &group, PATIENCE).map_err(text)?;
        if commit {
            producer.commit_transaction(PATIENCE).map_err(text)?;
        } else {
            producer.abort_transaction(PATIENCE).map_err(text)?;
        }
        let committed = committed(&member, &input)?;
        if committed != expected {
            let done = if commit { "committed" } else { "aborted" };
            return Err(format!(
                "offset {offset} is in a transaction that is {done}: the group is at {committed:?}"
            ));
        }
    }
    Ok(())
}

fn older_producer_is_fenced(place: &Place<'_>) -> Result<(), String> {
    let (topic, id) = (place.topic("honesty-d", 1), unique("honesty-d"));
    let older = place.producer(&id)?;
    older.begin_transaction().map_err(text)?;
    send(&older, &topic, &["old"])?;
    drain(&older)?;
    let newer = place.producer(&id)?;
    // It may be refused at once or in the end.
    if send(&older, &topic, &["late"]).is_ok() && older.commit_transaction(PATIENCE).is_ok() {
        return Err("the older producer could commit".to_owned());
    }
    newer.begin_transaction().map_err(text)?;
    send(&newer, &topic, &["new"])?;
    drain(&newer)?;
    newer.commit_transaction(PATIENCE).map_err(text)?;
    place.settled(&topic)?;
    equal("read committed", &place.values(&topic, "read_committed"), &["new"])
}

fn older_generation_is_refused(place: &Place<'_>) -> Result<(), String> {
    let (input, output) = (place.topic("honesty-e", 2), place.topic("honesty-e-out", 1));
    let group = unique("honesty-e");
    let first = place.member(&input, &group);
    assigned(&[(&first, 2)])?;
    let stale = first.group_metadata().ok_or("no group metadata")?;
    let second = place.member(&input, &group);
    assigned(&[(&first, 1), (&second, 1)])?;

    let producer = place.producer(&unique("honesty-e"))?;
    producer.begin_transaction().map_err(text)?;
    send(&producer, &output, &["stale"])?;
    drain(&producer)?;
    let sent = producer.send_offsets_to_transaction(&offsets(&input, 7), &stale, PATIENCE);
    match sent.and_then(|()| producer.commit_transaction(PATIENCE)) {
        Ok(()) => return Err("offsets of an older generation are accepted".to_owned()),
        Err(KafkaError::Transaction(error)) if error.txn_requires_abort() => {}
        Err(error) => return Err(format!("refused, but not so that it can go on: {error}")),
    }
    producer.abort_transaction(PATIENCE).map_err(text)?;

    // The same by the generation that is: refused was the age, nothing else.
    let fresh = first.group_metadata().ok_or("no group metadata")?;
    producer.begin_transaction().map_err(text)?;
    send(&producer, &output, &["fresh"])?;
    drain(&producer)?;
    producer
        .send_offsets_to_transaction(&offsets(&input, 5), &fresh, PATIENCE)
        .and_then(|()| producer.commit_transaction(PATIENCE))
        .map_err(text)?;
    place.settled(&output)?;
    equal("read committed", &place.values(&output, "read_committed"), &["fresh"])?;
    match committed(&first, &input)? {
        Offset::Offset(5) => Ok(()),
        other => Err(format!("the group is at {other:?} and not at 5")),
    }
}

impl Place<'_> {
    /// A new topic.
    fn topic(&self, name: &str, partitions: i32) -> String {
        let name = unique(name);
        (self.create)(&name, partitions);
        name
    }

    fn producer(&self, id: &str) -> Result<BaseProducer, String> {
        let producer = transactional(self.bootstrap, id);
        producer.init_transactions(PATIENCE).map_err(text)?;
        Ok(producer)
    }

    /// A consumer that has asked to join a group.
    fn member(&self, topic: &str, group: &str) -> BaseConsumer {
        let consumer = consumer(self.bootstrap, group, "read_committed");
        consumer.subscribe(&[topic]).expect("a subscription");
        consumer
    }

    /// The values of a topic.
    fn values(&self, topic: &str, isolation: &str) -> Vec<String> {
        let records = consume(self.bootstrap, topic, isolation);
        records.iter().map(|record| record.text().to_owned()).collect()
    }

    /// Waits until no transaction is open in partition 0: the last words of one are written after its end is told.
    fn settled(&self, topic: &str) -> Result<(), String> {
        let group = unique("honesty");
        let end_of = |isolation| {
            consumer(self.bootstrap, &group, isolation)
                .fetch_watermarks(topic, 0, PATIENCE)
                .map(|(_, end)| end)
                .map_err(text)
        };
        let end = Instant::now() + PATIENCE;
        while end_of("read_committed")? < end_of("read_uncommitted")? {
            if Instant::now() > end {
                return Err("a transaction does not end".to_owned());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

/// Polls members of a group until each has so many partitions.
fn assigned(members: &[(&BaseConsumer, usize)]) -> Result<(), String> {
    let end = Instant::now() + PATIENCE;
    let has = |member: &BaseConsumer| member.assignment().map_or(0, |list| list.count());
    while !members.iter().all(|(member, count)| has(member) == *count) {
        for (member, _) in members {
            member.poll(Duration::from_millis(20));
        }
        if Instant::now() > end {
            return Err("the group does not come to rest".to_owned());
        }
    }
    Ok(())
}

fn send(producer: &BaseProducer, topic: &str, values: &[&str]) -> Result<(), String> {
    for value in values {
        let record = BaseRecord::<(), str>::to(topic).partition(0).payload(value);
        producer.send(record).map_err(|(error, _)| error.to_string())?;
    }
    Ok(())
}

/// An offset of partition 0.
fn offsets(topic: &str, offset: i64) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, 0, Offset::Offset(offset)).expect("an offset");
    list
}

/// Where a group is in partition 0.
fn committed(member: &BaseConsumer, topic: &str) -> Result<Offset, String> {
    let mut list = TopicPartitionList::new();
    list.add_partition(topic, 0);
    let list = member.committed_offsets(list, PATIENCE).map_err(text)?;
    Ok(list.find_partition(topic, 0).ok_or("no answer for the partition")?.offset())
}

fn equal(what: &str, seen: &[String], expected: &[&str]) -> Result<(), String> {
    if seen == expected {
        return Ok(());
    }
    Err(format!("{what}: {seen:?} and not {expected:?}"))
}

#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
fn text(error: KafkaError) -> String {
    error.to_string()
}

mod tests {
    use super::*;

    /// What the shared broker said to a check.
    fn said(check: usize) {
        let Some(broker) = Broker::shared() else { return };
        if let Err(reason) = &shared_report(broker)[check] {
            panic!("check {}: {reason}", CHECKS[check].0);
        }
    }

    #[test]
    fn a_open_transaction_is_hidden() {
        said(0);
    }

    #[test]
    fn b_aborted_transaction_is_hidden() {
        said(1);
    }

    #[test]
    fn c_offsets_are_in_the_transaction() {
        said(2);
    }

    #[test]
    fn d_older_producer_is_fenced() {
        said(3);
    }

    #[test]
    fn e_older_generation_is_refused() {
        said(4);
    }

    /// The checks can fail: the mock of librdkafka knows what transactions look like and not what they mean. It is not
    /// asked E, as a group of two does not come to rest on it.
    #[test]
    fn mock_fails_the_checks() {
        let mock = MockCluster::new(1).expect("a mock");
        let create = |name: &str, partitions| {
            mock.create_topic(name, partitions, 1).expect("a topic");
        };
        let bootstrap = mock.bootstrap_servers();
        let place = Place { bootstrap: &bootstrap, create: &create };
        let report: Report = CHECKS[..4].iter().map(|(_, check)| check(&place)).collect();
        let reasons: Vec<&str> =
            report.iter().map(|result| result.as_ref().expect_err("a reason").as_str()).collect();
        let settled = "offset 10 is in a transaction that is committed: the group is at Invalid";
        // On a busy machine its groups do not always come to rest in time, which is no better.
        let group =
            if reasons[2] == "the group does not come to rest" { reasons[2] } else { settled };
        assert_eq!(
            reasons,
            [
                r#"read committed: ["1", "2", "3"] and not []"#,
                r#"read committed: ["1", "2", "3"] and not ["2"]"#,
                group,
                "the older producer could commit",
            ]
        );
        let refused = std::panic::catch_unwind(|| refuse(&report)).expect_err("a refusal");
        let refused = refused.downcast::<String>().expect("a message");
        assert!(refused.contains("check A: records of an open transaction"), "{refused}");
    }
}
