//! Topics by a pattern.

use super::running::{Application, PATIENCE, Running};
use crate::kafka::broker::Broker;
use crate::kafka::client::Record;
use crate::kafka::honesty::honest_broker;
use std::collections::BTreeSet;

const RULE: &str = "title: Fail\nid: fail\nlogsource: {product: app}\n\
    detection:\n  selection:\n    kind: fail\n  condition: selection\nlevel: low\n";

/// 2026-03-20T12:00:00Z in milliseconds.
const NOON: i64 = 1_774_008_000_000;

fn whole_names_are_read(broker: &Broker, protocol: &str) {
    let raw = ["in.a", "in.b", "in.bc", "x.in.a", "named"].map(|name| (name, 1));
    let application = Application::new(broker, "patterns", &raw);
    let (name, folder) = (&application.name, &application.folder);
    std::fs::write(folder.join("rules.yml"), RULE).expect("a file");
    let config = application.config(
        broker,
        "one",
        &format!(
            "kafka: {{bootstrap_servers: ['{{BOOTSTRAP}}'], group_protocol: {protocol}}}\n\
             sources:\n- {{pattern: '{name}\\.in\\.a|{name}\\.in\\.b', log_sources: [product=app]}}\n\
             - {{topics: [{name}.named], log_sources: [product=app]}}\n\
             rules: {{paths: [{}]}}\ncorrelation: {{partitions: 4}}\ndetections: {{format: ecs}}\n",
            folder.join("rules.yml").display()
        ),
    );
    for (topic, _) in raw {
        let event = format!("{{\"kind\":\"fail\",\"topic\":\"{topic}\"}}");
        let record = Record { timestamp: Some(NOON), ..Record::new(event) };
        broker.produce(&application.topic(topic), [record]);
    }
    let mut process = Running::start(&config);
    process.wait_until_started();
    let detections = broker.await_committed(&application.topic("detections"), 3, PATIENCE);
    process.stop();
    let read: BTreeSet<String> = detections
        .iter()
        .map(|record| {
            let detection: serde_json::Value = serde_json::from_str(record.text()).expect("JSON");
            // The event has no time of its own.
            assert_eq!(detection["@timestamp"], "2026-03-20T12:00:00Z");
            detection["log"]["file"]["path"].as_str().expect("a path").to_owned()
        })
        .collect();
    let expected = ["in.a", "in.b", "named"].map(|topic| format!("{}/0", application.topic(topic)));
    assert_eq!(read, BTreeSet::from(expected));
    let all = broker.consume_committed(&application.topic("detections"));
    assert_eq!(all.len(), 3, "{all:?}");
    application.remove();
}

#[test]
fn topics_of_a_pattern_are_read_by_their_whole_names() {
    let Some(broker) = honest_broker() else { return };
    whole_names_are_read(broker, "classic");
}

#[test]
fn topics_of_a_pattern_are_read_with_the_new_protocol() {
    let Some(broker) = honest_broker() else { return };
    whole_names_are_read(broker, "consumer");
}
