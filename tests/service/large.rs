//! Alerts over events that are too large together for a record.

use super::running::{Application, PATIENCE, Running};
use crate::kafka::honesty::honest_broker;
use serde_json::{Value, json};

fn correlation(name: &str) -> String {
    format!(
        "---\ntitle: {name}\nid: {name}\nkafka:\n  customFields: {{team: blue}}\n\
         correlation:\n  type: event_count\n  rules: [fail]\n  group-by: [user]\n  timespan: 1h\n  condition: {{gte: 4}}\nlevel: high\n"
    )
}

#[test]
fn alerts_over_large_events_keep_what_is_small() {
    let Some(broker) = honest_broker() else { return };
    let application = Application::new(broker, "large", &[("raw", 1)]);
    let rules = application.folder.join("rules.yml");
    let base = "title: Fail\nname: fail\nlogsource: {product: app}\n\
        detection:\n  selection:\n    kind: fail\n  condition: selection\n";
    let all = ["as_json", "as_ecs", "as_ocsf"].map(correlation).concat();
    std::fs::write(&rules, format!("{base}{all}")).expect("a file");
    let topic = application.topic("detections");
    let config = application.config(
        broker,
        "one",
        &format!(
            "kafka: {{bootstrap_servers: ['{{BOOTSTRAP}}']}}\n\
             sources: [{{topics: [{}], log_sources: [product=app]}}]\nrules: {{paths: [{}]}}\n\
             correlation: {{partitions: 4}}\ndetections:\n  routes:\n\
             \x20 - {{rules: [as_ecs], topic: {topic}, format: ecs}}\n\
             \x20 - {{rules: [as_ocsf], topic: {topic}, format: ocsf}}\n",
            application.topic("raw"),
            rules.display()
        ),
    );
    let long = "x".repeat(300_000);
    let events = (0..4).map(|number| {
        format!(
            "{{\"@timestamp\":\"2025-06-01T10:00:0{number}Z\",\"kind\":\"fail\",\"user\":\"ann\",\"long\":\"{long}\"}}"
        )
    });
    broker.produce(&application.topic("raw"), events);
    let mut process = Running::start(&config);
    process.wait_until_assigned();
    let alerts = broker.await_committed(&topic, 3, PATIENCE);
    process.stop();
    assert_eq!(alerts.len(), 3);
    for alert in &alerts {
        let header = alert.headers.iter().any(|(name, _)| name == "truncated");
        assert!(header && alert.text().len() < 900_000, "{}", alert.text().len());
        let value: Value = serde_json::from_str(alert.text()).expect("JSON");
        let key = std::str::from_utf8(alert.key.as_deref().expect("a key")).expect("text");
        let (added, event) = match key {
            "as_json" => {
                assert_eq!(crate::schema::problems(&value), Vec::<String>::new());
                assert_eq!(value["time"], "2025-06-01T10:00:03Z");
                assert_eq!(value["source"]["record"], 3);
                (&value, value["event"].to_string())
            }
            "as_ecs" => {
                assert_eq!(value["@timestamp"], "2025-06-01T10:00:03Z");
                (&value["sigma"], value["event"]["original"].to_string())
            }
            _ => {
                assert_eq!(value["class_uid"], 2004);
                (&value["evidences"][0]["data"], value["raw_data"].to_string())
            }
        };
        // The event itself has room, those behind it have not.
        assert!(event.len() > 300_000, "{key}: {}", event.len());
        assert_eq!(added["custom_fields"], json!({"team": "blue"}), "{key}");
        assert_eq!(added["matched"][0]["value"], "ann");
        assert_eq!(added["correlation"]["group"], json!({"user": "ann"}));
        assert_eq!(added["correlation"]["count"], 4);
        let behind = added["correlation"]["events"].as_array().expect("events");
        let begin = |event: &Value| {
            let text = event["event"].as_str().expect("a text");
            text.starts_with("{\"@timestamp\":\"2025-06-01T10:00:0") && text.len() < 20_000
        };
        assert!(behind.len() == 4 && behind.iter().all(begin), "{key}");
    }
    application.remove();
}
