//! Replay of Kafka's history: what `sigmund hunt` finds in the records of a time, beside a service that runs on.

use super::events::{self, Random};
use super::fixtures::detected;
use super::outline::{difference, hunted, outlines};
use super::running::{Application, PATIENCE, Running, Waiting};
use crate::command::{Ran, run_in};
use crate::kafka::broker::Broker;
use crate::kafka::client::Record;
use crate::kafka::honesty::honest_broker;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

const BEGIN: i64 = 1_750_000_000_000;

/// Rules and a configuration over the topic `raw`.
fn configured(broker: &Broker, application: &Application) -> String {
    let folder = application.folder.as_path();
    std::fs::write(folder.join("rules.yml"), events::rules()).expect("a file");
    let more = format!(
        "kafka: {{bootstrap_servers: ['{{BOOTSTRAP}}'], properties: {{session.timeout.ms: 6000}}}}\n\
         sources: [{{topics: [{}], log_sources: [product=app]}}]\nrules: {{paths: [{}]}}\n\
         correlation: {{max_lateness: 15s, partitions: 4}}\n",
        application.topic("raw"),
        folder.join("rules.yml").display()
    );
    let path = application.config(broker, "live", &more);
    path.to_str().expect("a path that is text").to_owned()
}

/// What `hunt` finds in events.
fn truth(folder: &Path, events: &[String]) -> super::outline::Outlines {
    std::fs::write(folder.join("events.json"), events.join("\n")).expect("a file");
    let rules = folder.join("rules.yml");
    let rules = rules.to_str().expect("a path that is text");
    hunted(folder, &["-r", rules, "--logsource", "product=app", "events.json"])
}

fn replay(folder: &Path, config: &str, options: &[&str]) -> Ran {
    run_in(folder, &[&["run", "-c", config], options].concat(), b"")
}

fn time(number: usize) -> String {
    let milliseconds = BEGIN + number as i64 * 100;
    let time = jiff::Timestamp::from_millisecond(milliseconds).expect("a time");
    time.to_string()
}

#[test]
fn replay_finds_what_hunt_finds_in_the_records_of_the_time() {
    let Some(broker) = honest_broker() else { return };
    // Nothing is ever written to the fourth partition.
    let application = Application::new(broker, "replay", &[("raw", 4)]);
    let folder = application.folder.clone();
    let config = configured(broker, &application);
    let (count, first, last) = (6_000, 1_000, 5_000);
    let events = events::events(&mut Random(3), count);
    let record = |(number, event): (usize, &String)| Record {
        timestamp: Some(BEGIN + number as i64 * 100),
        ..Record::new(event.as_str()).partition((number % 3) as i32)
    };
    broker.produce(&application.topic("raw"), events.iter().enumerate().map(record));
    let expected = truth(&folder, &events[first..last]);
    assert!(expected.len() > 200, "{}", expected.len());

    // The live service has read it all, and stands at the end.
    let mut live = Running::start(Path::new(&config));
    live.wait_until_assigned();
    let topic = application.topic("detections");
    detected(broker, &topic, 100, PATIENCE);
    // What was compacted meanwhile is no difference: where the topics end.
    let ends = || {
        ["detections", "sightings", "state", "late"]
            .map(|topic| broker.consume_committed(&application.topic(topic)))
            .map(|records| {
                let mut ends = BTreeMap::new();
                for record in &records {
                    let end: &mut i64 = ends.entry(record.partition).or_default();
                    *end = (*end).max(record.offset);
                }
                ends
            })
    };
    let mut before = ends();
    let mut waiting = Waiting::new(PATIENCE);
    loop {
        std::thread::sleep(Duration::from_secs(2));
        let now = ends();
        if now == before || waiting.is_over() {
            break;
        }
        before = now;
    }

    let (from, to) = (time(first), time(last));
    let times = ["--from", &from, "--to", &to];
    let refused =
        replay(&folder, &config, &[&times[..], &["--application", &application.name]].concat());
    let help = format!("--application {}-replay", application.name);
    assert_eq!(refused.code, Some(2));
    assert!(refused.stderr.contains(&help), "{}", refused.stderr);

    let ran = replay(&folder, &config, &times);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stderr.contains("the replay is done"), "{}", ran.stderr);
    assert!(ran.stderr.contains("records=4000 events=4000"), "{}", ran.stderr);
    let own = format!("{}-replay", application.name);
    let found = broker.consume_committed(&format!("{own}.detections"));
    let found = outlines(found.iter().map(Record::text));
    if let Some(difference) = difference(&found, &expected) {
        panic!("{difference}\n{}", ran.stderr);
    }
    assert!(broker.consume_committed(&format!("{own}.late")).is_empty());

    // Once is enough.
    let again = replay(&folder, &config, &times);
    assert_eq!(again.code, Some(2));
    let help = format!("--application {own}-2");
    assert!(again.stderr.contains("was done before") && again.stderr.contains(&help));
    let nothing = ["--from", "2001-01-01", "--to", "2001-01-02", "--application", "nothing"];
    let ran = replay(&folder, &config, &nothing);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stderr.contains("nothing was written to the sources"), "{}", ran.stderr);

    // The live service saw nothing of it.
    assert_eq!(before, ends());
    assert!(live.ended().is_none());
    live.stop();
    application.remove();
}

#[test]
fn replay_that_is_killed_goes_on_where_it_was() {
    let Some(broker) = honest_broker() else { return };
    let application = Application::new(broker, "replay", &[("raw", 3)]);
    let folder = application.folder.clone();
    let config = configured(broker, &application);
    let events = events::events(&mut Random(4), 6_000);
    let record = |(number, event): (usize, &String)| {
        Record::new(event.as_str()).partition((number % 3) as i32)
    };
    broker.produce(&application.topic("raw"), events.iter().enumerate().map(record));
    let expected = truth(&folder, &events);
    let slow = ["--set", "transaction.max_records=300", "--set", "transaction.interval=20ms"];
    let from = ["--from", "1h ago", "--application", &format!("{}-again", application.name)];
    let options = [&from[..], &slow[..]].concat();
    let config = Path::new(&config);
    let mut process = Running::start_with(config, &options);
    process.wait_for(&["assigned", "stage=\"correlate\""]);
    std::thread::sleep(Duration::from_millis(700));
    process.kill();
    let config = config.to_str().expect("a path that is text");
    let ran = replay(&folder, config, &options);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stderr.contains("goes on as it was begun"), "{}", ran.stderr);
    let topic = format!("{}-again.detections", application.name);
    let found = broker.consume_committed(&topic);
    let found = outlines(found.iter().map(Record::text));
    if let Some(difference) = difference(&found, &expected) {
        panic!("{difference}\n{}", ran.stderr);
    }
    application.remove();
}
