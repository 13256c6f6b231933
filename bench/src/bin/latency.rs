//! How long it takes from an event to its detection, through Kafka and a running service, as a reader of the detections sees it.
//!
//! `cargo run --release -p sigmund-bench --bin latency -- BOOTSTRAP SIGMUND [RATE [SECONDS [KEY=VALUE…]]]`: makes topics of its own on a
//! broker, starts the service with one rule and one correlation, sends so many events in a second, of which one in a hundred counts, and prints the
//! median and the 99th percentile from sending to reading for both. `half` as the rate is half of what all of it (broker, service, sender and reader on
//! one machine) can do, which is measured first. `KEY=VALUE` are configuration keys, such as `transaction.interval=20ms`.
#![expect(clippy::print_stdout, reason = "it is a report")]

use rdkafka::Offset;
use rdkafka::consumer::BaseConsumer;
use rdkafka::message::Message as _;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use sigmund_bench::service::{PAIR, Service};
use sigmund_bench::topic::{self, client};
use std::collections::HashMap;
use std::error::Error;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

type Failed = Box<dyn Error>;

fn nanos() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos()
}

fn main() -> Result<(), Failed> {
    let mut arguments = std::env::args().skip(1);
    let bootstrap = arguments.next().ok_or("which broker?")?;
    let sigmund = arguments.next().ok_or("which sigmund?")?;
    let rate = match arguments.next().as_deref() {
        None => Some(1000),
        Some("half") => None,
        Some(text) => Some(text.parse()?),
    };
    let seconds: u64 = arguments.next().map_or(Ok(20), |text| text.parse())?;
    let settings = Vec::from_iter(arguments);
    // The hits themselves are told too.
    let rules = format!("{}  generate: true\n", PAIR.replace("1d", "1m"));
    let (service, _rules) =
        Service::with_rules((&bootstrap, &sigmund), "latency", &rules, &settings)?;
    let running = service.run()?;
    let (events, alerts, rate) = measure(&service, rate, seconds)?;
    drop(running);
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

/// Sends events and reads detections.
struct Harness<'a> {
    consumer: BaseConsumer,
    producer: &'a BaseProducer,
    raw: &'a str,
    /// Of the next event.
    number: u64,
    /// When those that count were sent.
    sent: HashMap<u64, Instant>,
    /// The last of them of which a detection was read.
    seen: u64,
    events: Vec<Duration>,
    alerts: Vec<Duration>,
}

impl Harness<'_> {
    fn send(&mut self) -> Result<(), Failed> {
        // Of two hundred two count, and belong together.
        let number = self.number;
        let wanted = number % 200 >= 198;
        let (mark, key) = (if wanted { "wanted" } else { "other" }, number / 200);
        let time = jiff::Timestamp::from_microsecond((nanos() / 1000) as i64)?;
        let text = format!(
            "{{\"@timestamp\":\"{time}\",\"mark\":\"{mark}\",\"key\":\"{key}\",\"number\":{number}}}",
        );
        if wanted {
            self.sent.insert(number, Instant::now());
        }
        while self.producer.send(BaseRecord::<(), str>::to(self.raw).payload(&text)).is_err() {
            self.producer.poll(Duration::from_millis(1));
        }
        self.number += 1;
        Ok(())
    }

    /// Reads what is there, and waits for the first a little.
    fn read(&mut self) -> Result<(), Failed> {
        self.producer.poll(Duration::ZERO);
        let mut wait = Duration::from_millis(1);
        while let Some(message) = self.consumer.poll(wait) {
            let message = message?;
            let object: serde_json::Value =
                serde_json::from_slice(message.payload().unwrap_or_default())?;
            let number = object["event"]["number"].as_u64().unwrap_or_default();
            self.seen = self.seen.max(number);
            if let Some(at) = self.sent.get(&number) {
                let times = match object.get("correlation") {
                    Some(_) => &mut self.alerts,
                    None => &mut self.events,
                };
                times.push(at.elapsed());
            }
            wait = Duration::ZERO;
        }
        Ok(())
    }

    /// So many events in a second, for so long.
    fn steady(&mut self, rate: u64, time: Duration) -> Result<(), Failed> {
        let (begin, first) = (Instant::now(), self.number);
        while begin.elapsed() < time {
            let due = first + (begin.elapsed().as_secs_f64() * rate as f64) as u64;
            while self.number < due {
                self.send()?;
            }
            self.read()?;
        }
        Ok(())
    }

    /// Reads until the detection of the last event that counts has come.
    fn settle(&mut self) -> Result<(), Failed> {
        let last = self.sent.keys().copied().max().unwrap_or_default();
        let begin = Instant::now();
        while self.seen < last {
            if begin.elapsed() > PATIENCE {
                return Err("detections are missing".into());
            }
            self.read()?;
        }
        Ok(())
    }

    /// Events in a second that are sent, detected and read when nothing waits for anything else.
    fn most(&mut self) -> Result<u64, Failed> {
        let (begin, first) = (Instant::now(), self.number);
        while begin.elapsed() < FLOOD {
            for _ in 0..1000 {
                self.send()?;
            }
            self.read()?;
        }
        self.settle()?;
        Ok(((self.number - first) as f64 / begin.elapsed().as_secs_f64()) as u64)
    }
}

/// Nothing takes longer than this.
const PATIENCE: Duration = Duration::from_secs(60);
/// For so long as much is sent as can be.
const FLOOD: Duration = Duration::from_secs(8);
/// The first seconds are those of the group's beginning.
const WARM: Duration = Duration::from_secs(8);

/// From sending to reading, of detections and of alerts, and the rate.
fn measure(
    service: &Service,
    rate: Option<u64>,
    seconds: u64,
) -> Result<(Vec<Duration>, Vec<Duration>, u64), Failed> {
    let Service { bootstrap, raw, .. } = service;
    let producer: &BaseProducer = &client(bootstrap).create()?;
    let consumer = topic::reader(bootstrap, &service.topic("detections"), Offset::Beginning)?;
    let (sent, events, alerts) = (HashMap::new(), Vec::new(), Vec::new());
    let mut harness = Harness { consumer, producer, raw, number: 0, sent, seen: 0, events, alerts };
    harness.steady(1000, WARM)?;
    harness.settle()?;
    let rate = match rate {
        Some(rate) => rate,
        None => harness.most()? / 2,
    };
    // A moment for it to become even, and one for what is on its way.
    harness.steady(rate, Duration::from_secs(2))?;
    harness.sent.clear();
    harness.events.clear();
    harness.alerts.clear();
    harness.steady(rate, Duration::from_secs(seconds))?;
    harness.steady(0, Duration::from_secs(3))?;
    producer.flush(Duration::from_secs(5))?;
    Ok((harness.events, harness.alerts, rate))
}
