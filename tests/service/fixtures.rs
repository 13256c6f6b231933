//! The fixtures as records of Kafka.

use super::outline::{Outlines, difference, hunted, outlines};
use super::running::{Application, PATIENCE, Running, Waiting};
use crate::command::root;
use crate::kafka::broker::Broker;
use crate::kafka::client::Record;
use crate::kafka::honesty::honest_broker;
use std::fmt::Write as _;
use std::time::Duration;

/// Topics with the fixture whose lines are their records, and an event of a later day: all windows are over then.
const TOPICS: [(&str, &str, &str); 14] = [
    ("guessing", "correlation/auth.log", SYSLOG),
    ("scans", "correlation/ufw.log", SYSLOG),
    ("alerts", "correlation/eve.json", EVE),
    ("logons", "correlation/windows.ndjson", WINDOWS),
    ("queries", "correlation/zeek.ndjson", ZEEK),
    ("auth", "syslog/auth.log", SYSLOG),
    ("ufw", "firewall/ufw.log", SYSLOG),
    ("asa", "firewall/cisco-asa.log", ASA),
    ("rfc5424", "syslog/rfc5424.log", RFC5424),
    ("eve", "suricata/eve.json", EVE),
    ("flat", "windows/flat.ndjson", WINDOWS),
    ("sysmon", "windows/sysmon.ndjson", SYSMON),
    ("winlogbeat", "windows/winlogbeat.ndjson", BEAT),
    ("dns", "zeek/json/dns.log", ZEEK),
];
const SYSLOG: &str = "Mar 20 12:00:00 web01 CRON[1]: (root) CMD (true)";
const ASA: &str = "<166>Mar 20 2026 12:00:00 asa-branch : %ASA-6-302013: Built outbound TCP connection 1 for outside:198.51.100.200/443 (198.51.100.200/443) to inside:192.168.50.26/50505 (192.168.50.26/50505)";
const RFC5424: &str = "<13>1 2026-03-20T12:00:00Z mail01 - - - - the end";
const EVE: &str = r#"{"timestamp":"2026-03-20T12:00:00.000000+0000","event_type":"flow","src_ip":"192.0.2.1","dest_ip":"192.0.2.2","proto":"UDP"}"#;
const WINDOWS: &str = r#"{"@timestamp":"2026-03-20T12:00:00Z","TimeCreated":"2026-03-20T12:00:00Z","EventID":1,"Channel":"End"}"#;
const SYSMON: &str = r##"{"Event":{"System":{"Provider":{"#attributes":{"Name":"End"}},"EventID":1,"TimeCreated":{"#attributes":{"SystemTime":"2026-03-20T12:00:00Z"}},"Channel":"End"},"EventData":{}}}"##;
const BEAT: &str = r#"{"@timestamp":"2026-03-20T12:00:00Z","@metadata":{"beat":"winlogbeat"},"agent":{"type":"winlogbeat"},"event":{"code":"1"},"winlog":{"channel":"End","event_id":"1"}}"#;
const ZEEK: &str = r#"{"_path":"weird","ts":1774008000.0,"uid":"C1","name":"end"}"#;

/// Waits until so many detections are there; those that come too late or too often are seen by the caller.
pub(super) fn detected(broker: &Broker, topic: &str, count: i64, patience: Duration) -> Outlines {
    let mut waiting = Waiting::new(patience);
    loop {
        let records = broker.consume_committed(topic);
        if records.len() as i64 >= count || waiting.is_over() {
            return outlines(records.iter().map(Record::text));
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}

#[test]
fn fixtures_give_the_same_detections_through_kafka_as_from_files() {
    let Some(broker) = honest_broker() else { return };
    let topics = TOPICS.map(|(name, _, _)| (name, 3));
    let application = Application::new(broker, "fixtures", &topics);
    let mut logs = Vec::new();
    let mut sources = String::from("sources:\n");
    for (name, fixture, end) in TOPICS {
        let path = root().join("fixtures").join(fixture);
        let mut text = std::fs::read_to_string(path).expect("a fixture");
        let topic = application.topic(name);
        let lines = text.lines().enumerate().map(|(number, line)| (number % 3, line));
        let ends = (0..3).map(|partition| (partition, end));
        broker.produce(
            &topic,
            lines.chain(ends).map(|(partition, line)| {
                Record::new(line).partition(i32::try_from(partition).expect("a partition"))
            }),
        );
        let _ = write!(text, "{end}\n{end}\n{end}\n");
        // Formats are recognized by what is in a log, and by its name.
        let log = format!("{name}.log");
        std::fs::write(application.folder.join(&log), text).expect("a log");
        logs.push(log);
        let _ = writeln!(sources, "- topics: [{topic}]");
    }
    let config = application.config(
        broker,
        "one",
        &format!(
            "kafka: {{bootstrap_servers: ['{{BOOTSTRAP}}']}}\n{sources}\
             correlation: {{emit: final, max_lateness: 1d, idle_timeout: 0s, partitions: 4}}\n"
        ),
    );
    let mut process = Running::start(&config);

    let logs: Vec<&str> = logs.iter().map(String::as_str).collect();
    let expected = hunted(&application.folder, &logs);
    let alerts = expected.keys().filter(|outline| outline.contains("\"correlation\":{")).count();
    assert!(expected.len() > 100 && alerts > 20, "{} and {alerts}", expected.len());
    process.wait_until_assigned();
    let count = expected.values().sum();
    let topic = application.topic("detections");
    detected(broker, &topic, count, PATIENCE);
    process.stop();
    let found = detected(broker, &topic, 0, PATIENCE);
    if let Some(difference) = difference(&found, &expected) {
        panic!("{difference}\nlogs are in {}", application.folder.display());
    }
    assert_eq!(broker.consume_committed(&application.topic("late")), []);
    application.remove();
}
