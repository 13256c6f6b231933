//! Much to be sent at once: windows that close together over more events than are kept in memory, and detections of large events.

use super::events::{self, Random};
use super::fixtures::detected;
use super::outline::{difference, hunted};
use super::running::{Application, PATIENCE, Running, Waiting};
use crate::kafka::client::Record;
use crate::kafka::honesty::honest_broker;
use std::time::Duration;

/// As it is after a source that all others waited for: thousands of alerts come at once, of events that are long gone from memory.
#[test]
fn alerts_that_come_together_have_all_their_events() {
    let Some(broker) = honest_broker() else { return };
    let application = Application::new(broker, "backlog", &[("raw", 1)]);
    let count = 9_000;
    let padding = format!("\"padding\":\"{}\"}}", "x".repeat(4_000));
    let pad = |event: String| event.replace('}', &format!(",{padding}"));
    let mut events: Vec<String> =
        events::events(&mut Random(1), count).into_iter().map(pad).collect();
    events.push(events::end(count));
    let folder = application.folder.as_path();
    std::fs::write(folder.join("rules.yml"), events::rules()).expect("a file");
    std::fs::write(folder.join("events.json"), events.join("\n")).expect("a file");
    let rules = folder.join("rules.yml");
    let more = format!(
        "kafka: {{bootstrap_servers: ['{{BOOTSTRAP}}']}}\n\
         sources: [{{topics: [{}], log_sources: [product=app]}}]\nrules: {{paths: [{}]}}\n\
         correlation: {{emit: final, max_lateness: 1d, idle_timeout: 0s, partitions: 4}}\n\
         transaction: {{max_records: 400}}\n",
        application.topic("raw"),
        rules.display()
    );
    let raw = application.topic("raw");
    broker.produce(&raw, events.iter().map(|event| Record::new(event.as_str())));
    let mut process = Running::start(&application.config(broker, "one", &more));
    let rules = rules.to_str().expect("a path that is text");
    let expected = hunted(folder, &["-r", rules, "--logsource", "product=app", "events.json"]);
    let topic = application.topic("detections");
    detected(broker, &topic, expected.values().sum(), PATIENCE);
    process.stop();
    let found = detected(broker, &topic, 0, PATIENCE);
    if let Some(difference) = difference(&found, &expected) {
        panic!("{difference}\nlogs are in {}", folder.display());
    }
    // No transaction is much larger than it may be: what ends it takes an offset. The two partitions have about the same.
    let mut records = broker.consume_committed(&topic);
    records.retain(|record| record.text().contains("\"correlation\":{"));
    let mut runs = vec![0];
    for pair in records.windows(2) {
        let goes_on =
            pair[0].partition == pair[1].partition && pair[0].offset + 1 == pair[1].offset;
        match runs.last_mut() {
            Some(run) if goes_on => *run += 1,
            _ => runs.push(1),
        }
    }
    let longest = runs.iter().max().copied().unwrap_or(0);
    assert!(records.len() > 1_200 && longest <= 420, "{} in at most {longest}", records.len());
    application.remove();
}

/// What is to be sent is kept in memory until then: a transaction whose time is not over ends when that is much.
#[test]
fn transactions_end_when_much_is_to_be_sent() {
    let Some(broker) = honest_broker() else { return };
    let application = Application::new(broker, "much", &[("raw", 1)]);
    let rules = application.folder.join("rules.yml");
    let rule = "title: Large\nlogsource: {product: app}\ndetection:\n    s:\n        kind: large\n    condition: s\n";
    std::fs::write(&rules, rule).expect("a file");
    let more = format!(
        "kafka: {{bootstrap_servers: ['{{BOOTSTRAP}}']}}\n\
         sources: [{{topics: [{}], log_sources: [product=app]}}]\nrules: {{paths: [{}]}}\n\
         correlation: {{partitions: 4}}\n\
         transaction: {{interval: 200s, timeout: 500s}}\n",
        application.topic("raw"),
        rules.display()
    );
    let (count, padding) = (1_200, "x".repeat(60_000));
    let events: Vec<String> = (0..count)
        .map(|number| {
            format!("{{\"kind\":\"large\",\"number\":{number},\"padding\":\"{padding}\"}}")
        })
        .collect();
    let raw = application.topic("raw");
    broker.produce(&raw, events.iter().map(|event| Record::new(event.as_str())));
    let mut process = Running::start(&application.config(broker, "one", &more));
    let topic = application.topic("detections");
    let read = || broker.consume_committed(&topic).len();
    let mut waiting = Waiting::new(PATIENCE);
    while read() < 1_000 && !waiting.is_over() {
        std::thread::sleep(Duration::from_millis(200));
    }
    let found = read();
    assert!((1_000..count).contains(&found), "{found} of {count}");
    process.stop();
    assert_eq!(read(), count);
    application.remove();
}
