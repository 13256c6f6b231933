//! How long it takes from an event to its detection, through Kafka and a running service, as a reader of the detections sees it.
//!
//! `cargo run --release -p sigmund-bench --bin latency -- BOOTSTRAP SIGMUND [RATE [SECONDS [KEY=VALUE…]]]`: makes topics of its own on a
//! broker, starts the service with one rule and one correlation, sends so many events in a second, of which one in a hundred counts, and prints the
//! median and the 99th percentile from sending to reading for both. `KEY=VALUE` are configuration keys, such as `transaction.interval=20ms`.
#![expect(clippy::print_stdout, reason = "it is a report")]

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::Message as _;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use rdkafka::{Offset, TopicPartitionList};
use sigmund_bench::topic::{self, client};
use std::collections::HashMap;
use std::error::Error;
use std::process::Command;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const RULES: &str = "title: One
id: 8e0c6a5e-5b40-4c7a-9a7e-0a5f0c1d0001
name: one
level: low
logsource: {category: latency}
detection:
  selection: {mark: wanted}
  condition: selection
---
title: Two
id: 8e0c6a5e-5b40-4c7a-9a7e-0a5f0c1d0002
level: high
correlation:
  type: event_count
  rules: [one]
  group-by: [key]
  timespan: 1m
  condition: {gte: 2}
  generate: true
";

type Failed = Box<dyn Error>;

fn nanos() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos()
}

fn main() -> Result<(), Failed> {
    let mut arguments = std::env::args().skip(1);
    let bootstrap = arguments.next().ok_or("which broker?")?;
    let sigmund = arguments.next().ok_or("which sigmund?")?;
    let rate: u64 = arguments.next().map_or(Ok(1000), |text| text.parse())?;
    let seconds: u64 = arguments.next().map_or(Ok(20), |text| text.parse())?;
    let application = format!("latency-{}", nanos());
    let folder = tempfile::tempdir()?;
    let rules = folder.path().join("rules.yml");
    std::fs::write(&rules, RULES)?;
    let raw = format!("{application}.raw");
    let options = |command: &mut Command| {
        command
            .args(["--no-config", "--bootstrap-servers", &bootstrap])
            .args(["--set", &format!("application={application}")])
            .args([
                "--set",
                &format!("sources=[{{topics: [{raw}], log_sources: ['category=latency']}}]"),
            ])
            .args(["--set", &format!("rules.paths=[{}]", rules.display())])
            .args(["--set", "correlation.partitions=4", "--set", "http.listen=off"]);
    };
    let settings: Vec<String> = arguments.collect();
    // The topic of events is the user's to make.
    let admin: BaseProducer =
        client(&bootstrap).set("allow.auto.create.topics", "true").create()?;
    topic::make(&bootstrap, &raw, 2)?;
    let mut make = Command::new(&sigmund);
    options(make.args(["topics", "create"]));
    if !make.output()?.status.success() {
        return Err("cannot make the topics".into());
    }
    let mut run = Command::new(&sigmund);
    options(run.arg("run"));
    settings.iter().for_each(|setting| {
        run.args(["--set", setting]);
    });
    let mut service = run.spawn()?;
    let measured = measure(&bootstrap, &application, &raw, &admin, rate, seconds);
    let _ = service.kill();
    let _ = service.wait();
    let (events, alerts) = measured?;
    for (what, mut times) in [("detections", events), ("alerts", alerts)] {
        times.sort_unstable();
        let at = |part: usize| times.get(times.len() * part / 1000).map_or(0, Duration::as_millis);
        println!(
            "{what}: {} at {rate} events/s: p50 {} ms, p90 {} ms, p99 {} ms, most {} ms",
            times.len(),
            at(500),
            at(900),
            at(990),
            times.last().map_or(0, Duration::as_millis)
        );
    }
    Ok(())
}

/// From sending to reading, of detections and of alerts.
fn measure(
    bootstrap: &str,
    application: &str,
    raw: &str,
    producer: &BaseProducer,
    rate: u64,
    seconds: u64,
) -> Result<(Vec<Duration>, Vec<Duration>), Failed> {
    let consumer: BaseConsumer = client(bootstrap)
        .set("group.id", format!("{application}-reader"))
        .set("isolation.level", "read_committed")
        .set("fetch.wait.max.ms", "5")
        .create()?;
    let topic = format!("{application}.detections");
    let metadata = consumer.fetch_metadata(Some(&topic), Duration::from_secs(10))?;
    let mut all = TopicPartitionList::new();
    for partition in metadata.topics().iter().flat_map(|topic| topic.partitions()) {
        all.add_partition_offset(&topic, partition.id(), Offset::Beginning)?;
    }
    consumer.assign(&all)?;
    let mut sent: HashMap<u64, Instant> = HashMap::new();
    let (mut events, mut alerts) = (Vec::new(), Vec::new());
    let begin = Instant::now();
    // The first seconds are those of the group's beginning.
    let warm = Duration::from_secs(8);
    let end = warm + Duration::from_secs(seconds);
    let mut number = 0_u64;
    while begin.elapsed() < end + Duration::from_secs(3) {
        let due = (begin.elapsed().min(end).as_secs_f64() * rate as f64) as u64;
        while number < due {
            // Of two hundred two count, and belong together.
            let wanted = number % 200 >= 198;
            let (mark, key) = (if wanted { "wanted" } else { "other" }, number / 200);
            let time = nanos() / 1000;
            let text = format!(
                "{{\"@timestamp\":\"{}\",\"mark\":\"{mark}\",\"key\":\"{key}\",\"number\":{number}}}",
                jiff::Timestamp::from_microsecond(time as i64)?
            );
            if wanted {
                sent.insert(number, Instant::now());
            }
            while producer.send(BaseRecord::<(), str>::to(raw).payload(&text)).is_err() {
                producer.poll(Duration::from_millis(1));
            }
            number += 1;
        }
        producer.poll(Duration::ZERO);
        if let Some(message) = consumer.poll(Duration::from_millis(1)) {
            let message = message?;
            let object: serde_json::Value =
                serde_json::from_slice(message.payload().unwrap_or_default())?;
            let is_alert = object.get("correlation").is_some();
            let number = object["event"]["number"].as_u64().unwrap_or_default();
            let Some(at) = sent.get(&number).filter(|at| **at > begin + warm) else { continue };
            if is_alert { alerts.push(at.elapsed()) } else { events.push(at.elapsed()) }
        }
    }
    producer.flush(Duration::from_secs(5))?;
    Ok((events, alerts))
}
