//! Very many groups in a running service: how soon it detects again after `kill -9`, and whether its memory stays bounded.
//!
//! `cargo run --release -p sigmund-bench --bin groups -- restore BOOTSTRAP SIGMUND [GROUPS [KEY=VALUE…]]`: makes so many live groups (a million), kills
//! the service, starts it again, sends one more event of each of some groups, and prints how long it took from the start to their first alert and to
//! the last.
//!
//! `… --bin groups -- soak BOOTSTRAP SIGMUND MINUTES RATE SVG [KEY=VALUE…]`: sends so many events in a second for so long, each of a group that has never
//! been seen, and prints what the process takes each minute; the curve goes to a file.
#![expect(clippy::print_stdout, reason = "it is a report")]

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::Message as _;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use rdkafka::{Offset, TopicPartitionList};
use sigmund_bench::service::{PAIR, Service};
use sigmund_bench::topic::{self, client};
use std::collections::BTreeSet;
use std::error::Error;
use std::time::{Duration, Instant};

type Failed = Box<dyn Error>;

/// Nothing takes longer than this.
const PATIENCE: Duration = Duration::from_secs(600);
/// Groups of which an alert is waited for after a restart.
const PROBES: u64 = 100;

struct Harness {
    service: Service,
    producer: BaseProducer,
    _rules: tempfile::TempDir,
}

impl Harness {
    fn new(bootstrap: &str, sigmund: &str, settings: &[String]) -> Result<Self, Failed> {
        // With a name of its own it takes back at once what it had.
        let mut own = vec!["instance=groups".to_owned(), "correlation.max_lateness=5s".to_owned()];
        own.extend_from_slice(settings);
        let (service, rules) = Service::with_rules((bootstrap, sigmund), "groups", PAIR, &own)?;
        let producer = client(bootstrap).set("linger.ms", "20").create()?;
        Ok(Self { service, producer, _rules: rules })
    }

    /// An event of a group.
    fn send(&self, group: u64) -> Result<(), Failed> {
        let text = format!(
            "{{\"@timestamp\":\"{}\",\"mark\":\"wanted\",\"key\":\"group-{group:09}\"}}",
            jiff::Timestamp::now()
        );
        let record = || BaseRecord::<(), str>::to(&self.service.raw).payload(&text);
        while self.producer.send(record()).is_err() {
            self.producer.poll(Duration::from_millis(5));
        }
        self.producer.poll(Duration::ZERO);
        Ok(())
    }

    /// Waits until stage 2 has committed all sightings of these events.
    fn settle(&self, stage: &str, topic: &str, least: i64) -> Result<(), Failed> {
        let begin = Instant::now();
        let consumer: BaseConsumer = client(&self.service.bootstrap)
            .set("group.id", self.service.topic(stage))
            .set("enable.auto.commit", "false")
            .create()?;
        let partitions = topic::partitions(&consumer, topic)?;
        loop {
            let (mut end, mut list) = (0, TopicPartitionList::new());
            for partition in &partitions {
                end += consumer.fetch_watermarks(topic, *partition, PATIENCE)?.1;
                list.add_partition(topic, *partition);
            }
            let offsets = consumer.committed_offsets(list, PATIENCE)?;
            let elements = offsets.elements();
            let committed = elements.iter().map(|element| match element.offset() {
                Offset::Offset(offset) => offset,
                _ => 0,
            });
            // Behind the last record is the mark of its transaction.
            if end >= least && committed.sum::<i64>() + partitions.len() as i64 >= end {
                return Ok(());
            }
            if begin.elapsed() > PATIENCE {
                return Err(format!("`{topic}` is not consumed").into());
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

fn restore(harness: &Harness, groups: u64) -> Result<(), Failed> {
    let running = harness.service.run()?;
    let begin = Instant::now();
    for group in 0..groups {
        harness.send(group)?;
    }
    harness.producer.flush(PATIENCE)?;
    harness.settle("detect", &harness.service.raw, groups as i64)?;
    harness.settle("correlate", &harness.service.topic("sightings"), groups as i64)?;
    println!(
        "{groups} groups made in {:.1} s; {} MiB",
        begin.elapsed().as_secs_f64(),
        running.memory()?
    );
    // Killed, as by `kill -9`.
    drop(running);

    let detections = harness.service.topic("detections");
    let reader = topic::reader(&harness.service.bootstrap, &detections, Offset::End)?;
    let begin = Instant::now();
    let running = harness.service.run()?;
    let mut waited: BTreeSet<String> = BTreeSet::new();
    for probe in 0..PROBES {
        // Some partition may have more than its share of the groups, and the oldest are given up for that.
        let group = groups / 2 + probe * (groups / 2 / PROBES);
        harness.send(group)?;
        waited.insert(format!("group-{group:09}"));
    }
    harness.producer.flush(PATIENCE)?;
    let mut first = None;
    let mut next = Instant::now();
    while !waited.is_empty() {
        // Time goes on: what did not fit into the memory of early alerts is told when no earlier event is waited for.
        if Instant::now() >= next {
            harness.send(groups + begin.elapsed().as_millis() as u64)?;
            next = Instant::now() + Duration::from_millis(100);
        }
        if begin.elapsed() > PATIENCE {
            return Err("alerts are missing".into());
        }
        let Some(message) = reader.poll(Duration::from_millis(5)) else { continue };
        let message = message?;
        let text = std::str::from_utf8(message.payload().unwrap_or_default())?;
        if !text.contains("\"correlation\":") {
            continue;
        }
        let known = waited.len();
        waited.retain(|group| !text.contains(group));
        if waited.len() < known {
            first.get_or_insert_with(|| begin.elapsed());
        }
    }
    println!(
        "restored: first alert after {:.1} s, all {PROBES} after {:.1} s; {} MiB",
        first.unwrap_or_default().as_secs_f64(),
        begin.elapsed().as_secs_f64(),
        running.memory()?
    );
    running.stop()?;
    Ok(())
}

fn soak(harness: &Harness, minutes: u64, rate: u64, svg: &str) -> Result<(), Failed> {
    let running = harness.service.run()?;
    let begin = Instant::now();
    let mut curve: Vec<(f64, u64)> = Vec::new();
    println!("| minute | groups so far | MiB |");
    println!("|--:|--:|--:|");
    let (mut group, mut minute) = (0, 0);
    while begin.elapsed() < Duration::from_secs(minutes * 60) {
        let due = (begin.elapsed().as_secs_f64() * rate as f64) as u64;
        while group < due {
            harness.send(group)?;
            group += 1;
        }
        std::thread::sleep(Duration::from_millis(20));
        let now = begin.elapsed().as_secs_f64();
        if curve.last().is_none_or(|(at, _)| now - at >= 5.0) {
            let memory = running.memory()?;
            curve.push((now, memory));
            if now >= (minute * 60) as f64 {
                println!("| {minute} | {group} | {memory} |");
                minute += 1;
            }
            draw(&curve, svg)?;
        }
    }
    println!("| {minutes} | {group} | {} |", running.memory()?);
    running.stop()?;
    Ok(())
}

/// A curve of memory over time.
fn draw(curve: &[(f64, u64)], file: &str) -> Result<(), Failed> {
    let (width, height, left, bottom) = (720.0, 260.0, 50.0, 30.0);
    let longest = curve.last().map_or(1.0, |(at, _)| at.max(1.0));
    let most = curve.iter().map(|(_, memory)| *memory).max().unwrap_or(1).max(1);
    // Up to the next round number.
    let top = (most.div_ceil(100) * 100) as f64;
    let x = |at: f64| left + at / longest * (width - left - 10.0);
    let y = |memory: f64| height - bottom - memory / top * (height - bottom - 10.0);
    let points: Vec<String> = curve
        .iter()
        .map(|(at, memory)| format!("{:.1},{:.1}", x(*at), y(*memory as f64)))
        .collect();
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"11\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    for part in 0..=4 {
        let memory = top * f64::from(part) / 4.0;
        let at = y(memory);
        text.push_str(&format!(
            "<line x1=\"{left}\" y1=\"{at:.1}\" x2=\"{}\" y2=\"{at:.1}\" stroke=\"#ddd\"/><text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{memory:.0}</text>\n",
            width - 10.0,
            left - 6.0,
            at + 4.0
        ));
    }
    for part in 0..=6 {
        let at = longest * f64::from(part) / 6.0;
        text.push_str(&format!(
            "<text x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">{:.0}</text>\n",
            x(at),
            height - bottom + 16.0,
            at / 60.0
        ));
    }
    text.push_str(&format!(
        "<polyline fill=\"none\" stroke=\"#1a5fb4\" stroke-width=\"1.5\" points=\"{}\"/>\n<text x=\"{left}\" y=\"{}\">resident memory in MiB over minutes</text>\n</svg>\n",
        points.join(" "),
        height - 2.0
    ));
    std::fs::write(file, text)?;
    Ok(())
}

fn main() -> Result<(), Failed> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (settings, words): (Vec<String>, Vec<String>) =
        arguments.into_iter().partition(|word| word.contains('='));
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["restore", bootstrap, sigmund] => {
            restore(&Harness::new(bootstrap, sigmund, &settings)?, 1_000_000)
        }
        ["restore", bootstrap, sigmund, groups] => {
            restore(&Harness::new(bootstrap, sigmund, &settings)?, groups.parse()?)
        }
        ["soak", bootstrap, sigmund, minutes, rate, svg] => {
            let harness = Harness::new(bootstrap, sigmund, &settings)?;
            soak(&harness, minutes.parse()?, rate.parse()?, svg)
        }
        _ => Err("`restore` or `soak`, see the first lines of the file".into()),
    }
}
