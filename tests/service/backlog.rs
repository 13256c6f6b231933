//! Many windows that close together, over more events than are kept in memory.

use super::events::{self, Random};
use super::fixtures::detected;
use super::outline::{difference, hunted};
use super::running::{Application, PATIENCE, Running};
use crate::kafka::client::Record;
use crate::kafka::honesty::honest_broker;

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
         correlation: {{emit: final, max_lateness: 1d, idle_timeout: 0s, partitions: 4}}\n",
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
    application.remove();
}
