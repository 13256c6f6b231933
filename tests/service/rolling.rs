//! Rules that change in one process after the other: hits wait for the rules they are of.

use super::events::{self, Random};
use super::outline::{difference, hunted, outlines};
use super::running::{Application, PATIENCE, Running};
use crate::kafka::client::Record;
use crate::kafka::honesty::honest_broker;

fn correlation(title: &str, least: u32) -> String {
    format!(
        "title: {title}\nstatus: test\ncorrelation:\n  type: event_count\n  rules: fail\n  group-by: [user]\n  timespan: 40s\n  condition: {{gte: {least}}}\nlevel: low\n"
    )
}

#[test]
fn hits_wait_for_their_rules() {
    let Some(broker) = honest_broker() else { return };
    let application = Application::new(broker, "rolling", &[("raw", 1)]);
    let folder = application.folder.clone();
    let write = |name: &str, text: &str| std::fs::write(folder.join(name), text).expect("a file");
    let more = |rules: &str| {
        std::fs::create_dir(folder.join(rules)).expect("a folder");
        write(&format!("{rules}/rules.yml"), &events::rules());
        format!(
            "kafka: {{bootstrap_servers: ['{{BOOTSTRAP}}'], properties: {{session.timeout.ms: 6000}}}}\n\
             sources: [{{topics: [{}], log_sources: [product=app]}}]\nrules: {{paths: [{}], watch: 100ms}}\n\
             correlation: {{emit: final, max_lateness: 15s, idle_timeout: 0s, partitions: 4, rules_patience: 10s}}\n",
            application.topic("raw"),
            folder.join(rules).display()
        )
    };
    let raw = application.topic("raw");
    let count = 3_000;
    let events = events::events(&mut Random(5), count);
    let end = events::end(count);
    let produce = |events: &[String]| {
        broker.produce(&raw, events.iter().map(|event| Record::new(event.as_str())));
    };

    // The first has the raw partition, and both have windows.
    let mut first = Running::start(&application.config(broker, "first", &more("rules-a")));
    first.wait_until_assigned();
    let mut second = Running::start(&application.config(broker, "second", &more("rules-b")));
    let sightings =
        format!("assigned stage=\"correlate\" partitions={}", application.topic("sightings"));
    second.wait_for(&[&sightings]);
    write("rules-a/more.yml", &correlation("More", 4));
    first.wait_for(&["rules: +1"]);
    produce(&events[..1_500]);
    second.wait_for(&["a hit of a rule came that is not here"]);
    assert!(!second.log().contains("goes on"), "{}", second.log());
    write("rules-b/more.yml", &correlation("More", 4));
    second.wait_for(&["goes on"]);

    // What never comes is not waited for forever.
    write("rules-a/most.yml", &correlation("Most", 6));
    let other = |process: &Running| process.log().matches("rules: +1").count() > 1;
    while !other(&first) {
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    produce(&events[1_500..]);
    produce(std::slice::from_ref(&end));
    second.wait_for(&["hits of rules that are not here are dropped"]);

    std::fs::remove_file(folder.join("rules-a/most.yml")).expect("a file");
    write("events.json", &(events.join("\n") + "\n" + &end));
    let rules = folder.join("rules-a");
    let rules = rules.to_str().expect("a path that is text");
    let expected = hunted(&folder, &["-r", rules, "--logsource", "product=app", "events.json"]);
    let topic = application.topic("detections");
    let own = |record: &Record| {
        // Detections name the files of their rules.
        let text = record.text().replace("/rules-b/", "/rules-a/");
        (!text.contains("\"title\":\"Most\"")).then_some(text)
    };
    let end = std::time::Instant::now() + PATIENCE;
    let found = loop {
        let records = broker.consume_committed(&topic);
        let own: Vec<String> = records.iter().filter_map(own).collect();
        let found = outlines(own.iter().map(String::as_str));
        if found.values().sum::<i64>() >= expected.values().sum() || std::time::Instant::now() > end
        {
            break found;
        }
        std::thread::sleep(std::time::Duration::from_millis(300));
    };
    first.stop();
    second.stop();
    if let Some(difference) = difference(&found, &expected) {
        panic!("{difference}\nlogs are in {}", folder.display());
    }
    let more = expected.keys().filter(|outline| outline.contains("\"title\":\"More\"")).count();
    assert!(more > 20, "{more}");
    assert!(broker.consume_committed(&application.topic("late")).is_empty());
    application.remove();
}
