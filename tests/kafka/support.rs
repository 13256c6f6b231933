//! The script that starts brokers, and what tests do with them, hold what they promise.

use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::broker::{Broker, free_ports, script};
use super::client::{Record, unique};
use super::honesty::honest_broker;

/// Numbers as text.
fn numbers(range: std::ops::Range<usize>) -> impl Iterator<Item = String> {
    range.map(|number| number.to_string())
}

/// The values of records as numbers, sorted.
fn sorted(records: &[Record]) -> Vec<usize> {
    let mut values: Vec<usize> =
        records.iter().map(|record| record.text().parse().expect("a number")).collect();
    values.sort_unstable();
    values
}

#[test]
fn records_are_consumed_as_they_were_produced() {
    let Some(broker) = honest_broker() else { return };
    let topic = unique("records");
    broker.create_topics(&[(&topic, 3, &[("cleanup.policy", "compact")])]);
    assert!(broker.consume_committed(&topic).is_empty());
    let mut records = vec![
        Record::new("one").key("k").partition(0),
        Record::new("two").key("k").partition(2),
        Record { key: Some(b"k".to_vec()), ..Record::default() }.partition(2),
    ];
    records[0].headers.push(("level".to_owned(), b"high".to_vec()));
    for (number, record) in (0..).zip(&mut records) {
        record.timestamp = Some(1_700_000_000_000 + number);
    }
    broker.produce(&topic, records.clone());
    records[2].offset = 1;
    assert_eq!(broker.await_committed(&topic, 3, Duration::from_secs(10)), records);
}

#[test]
fn killed_broker_keeps_what_it_acknowledged() {
    let Some(broker) = Broker::start() else { return };
    broker.create_topics(&[("events", 4, &[])]);
    broker.produce("events", numbers(0..2_000));
    broker.kill(1);
    broker.restart(1);
    broker.produce("events", numbers(2_000..3_000));
    // In order, this time.
    broker.restart(1);
    assert_eq!(sorted(&broker.consume_committed("events")), (0..3_000).collect::<Vec<_>>());
}

#[test]
fn three_brokers_go_on_without_one() {
    let Some(broker) = Broker::start_three() else { return };
    broker.create_topics(&[("events", 4, &[])]);
    let topics = broker.tool("topics", &["--describe", "--topic", "events"]);
    assert!(topics.contains("ReplicationFactor: 3"), "{topics}");
    broker.produce("events", numbers(0..1_000));
    broker.kill(2);
    broker.produce("events", numbers(1_000..2_000));
    broker.restart(2);
    broker.kill(1);
    broker.produce("events", numbers(2_000..3_000));
    assert_eq!(sorted(&broker.consume_committed("events")), (0..3_000).collect::<Vec<_>>());
}

#[test]
fn access_control_refuses_what_is_not_allowed() {
    use rdkafka::consumer::{BaseConsumer, Consumer as _};

    let Some(broker) = Broker::start_with_access_control() else { return };
    broker.create_topics(&[("events", 1, &[])]);
    let sees = |mechanism: &str, password: &str| {
        let consumer: BaseConsumer = super::client::config(broker.bootstrap_with_passwords())
            .set("group.id", "g")
            .set("security.protocol", "SASL_PLAINTEXT")
            .set("sasl.mechanism", mechanism)
            .set("sasl.username", "sigmund")
            .set("sasl.password", password)
            .create()
            .expect("a consumer");
        let metadata = consumer.fetch_metadata(Some("events"), Duration::from_secs(5));
        metadata.map(|metadata| metadata.topics()[0].partitions().len())
    };
    for mechanism in ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] {
        assert!(sees(mechanism, "wrong").is_err(), "{mechanism}");
        assert_eq!(sees(mechanism, "sigmund-secret"), Ok(0), "{mechanism}");
    }
    let allow = ["--add", "--allow-principal", "User:sigmund", "--operation", "Describe"];
    broker.tool("acls", &[&allow[..], &["--topic", "events"]].concat());
    assert_eq!(sees("SCRAM-SHA-512", "sigmund-secret"), Ok(1));
}

#[test]
fn broker_ends_with_the_process_that_asked_for_it() {
    if Broker::shared().is_none() {
        return;
    }
    let mut parent = Command::new("sleep").arg("600").stdin(Stdio::null()).spawn().expect("sleep");
    let folder = tempfile::tempdir().expect("a folder");
    let (port, id) = (free_ports(), parent.id().to_string());
    let started = script("start", folder.path(), &["--port", &port.to_string(), "--parent", &id]);
    assert!(started.status.success(), "{}", String::from_utf8_lossy(&started.stderr));
    assert!(TcpStream::connect(("127.0.0.1", port)).is_ok());

    // What else wants the port is told.
    let other = tempfile::tempdir().expect("a folder");
    let refused = script("start", other.path(), &["--port", &port.to_string()]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(75), "{said}");
    assert!(said.contains(&format!("port {port} is taken by another process")), "{said}");

    parent.kill().expect("it ends");
    parent.wait().expect("it ends");
    let end = Instant::now() + Duration::from_secs(20);
    while TcpStream::connect(("127.0.0.1", port)).is_ok() || folder.path().exists() {
        assert!(Instant::now() < end, "it runs on");
        std::thread::sleep(Duration::from_millis(100));
    }
}
