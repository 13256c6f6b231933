//! What an event costs a running service between Kafka topics, beside `sigmund hunt` on the same events.
//!
//! `cargo run --release -p sigmund-bench --bin cost -- BOOTSTRAP SIGMUND LOG TIMES [KEY=VALUE…] RULES…`: puts the lines of a log (NDJSON) so many
//! times on a topic of its own, lets the service consume them with one lane and with two, and prints the CPU time of its whole process (user and
//! system, librdkafka's threads included) per event, the events it consumes in a second, and the CPU time of `hunt` on the same lines with as many threads. Of both the
//! CPU time with nothing to do is taken off: of the service, of a start and as long a wait as the events took. `KEY=VALUE` are configuration keys. Linux only: it reads `/proc`.
#![expect(clippy::print_stdout, reason = "it is a report")]

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use rdkafka::{Offset, TopicPartitionList};
use sigmund_bench::service::{Service, ended};
use sigmund_bench::topic::{self, client};
use std::error::Error;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

type Failed = Box<dyn Error>;

/// Of the topic with events.
const PARTITIONS: i32 = 4;
/// All are measured so often, in turn, because what else a machine does comes and goes; the best of each counts.
const ROUNDS: usize = 3;
/// Nothing takes longer than this.
const PATIENCE: Duration = Duration::from_secs(300);

struct Bench {
    bootstrap: String,
    sigmund: String,
    raw: String,
    rules: Vec<String>,
    settings: Vec<String>,
}

/// What a process did.
#[derive(Clone, Copy)]
struct Spent {
    cpu: Duration,
    /// Events consumed in a second, once it was running.
    rate: f64,
    /// From its start until it had done everything.
    took: Duration,
}

impl Bench {
    /// Consumes all events of a topic with an application of its own; if there are none, waits for so long.
    fn service(&self, raw: &str, lanes: usize, wait: Duration) -> Result<Spent, Failed> {
        let mut settings = self.settings.clone();
        settings.push(format!("lanes={lanes}"));
        // What the events are, it finds out as `hunt` does.
        settings.push(format!("sources=[{{topics: [{raw}]}}]"));
        let service =
            Service::prepare((&self.bootstrap, &self.sigmund), raw, &self.rules, &settings)?;
        let consumer: BaseConsumer = client(&self.bootstrap)
            .set("group.id", format!("{}.detect", service.application))
            .set("enable.auto.commit", "false")
            .create()?;
        let mut wanted = 0;
        let mut list = TopicPartitionList::new();
        for partition in 0..PARTITIONS {
            wanted += consumer.fetch_watermarks(raw, partition, PATIENCE)?.1;
            list.add_partition(raw, partition);
        }
        let begin = Instant::now();
        let running = service.run()?;
        let mut committed = -1;
        // When the first were consumed, and how many.
        let mut first = None;
        while if wanted == 0 { begin.elapsed() < wait } else { committed < wanted } {
            if begin.elapsed() > PATIENCE || running.cpu()?.1 {
                return Err("the service does not consume the events".into());
            }
            std::thread::sleep(Duration::from_millis(50));
            let offsets = consumer.committed_offsets(list.clone(), PATIENCE)?;
            committed = offsets
                .elements()
                .iter()
                .map(|element| match element.offset() {
                    Offset::Offset(offset) => offset,
                    _ => 0,
                })
                .sum();
            if committed > 0 {
                first.get_or_insert((Instant::now(), committed));
            }
        }
        let rate = first.map_or(0.0, |(since, before)| {
            (committed - before) as f64 / since.elapsed().as_secs_f64()
        });
        let took = begin.elapsed();
        Ok(Spent { cpu: running.stop()?, rate, took })
    }

    fn hunt(&self, log: &std::path::Path, events: usize, threads: usize) -> Result<Spent, Failed> {
        let mut command = Command::new(&self.sigmund);
        command.args(["hunt", "-f", "jsonl", "-j"]).arg(threads.to_string());
        self.rules.iter().for_each(|rules| {
            command.args(["-r", rules]);
        });
        let mut process = command.arg(log).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let begin = Instant::now();
        let (cpu, took) = (ended(&mut process)?, begin.elapsed());
        Ok(Spent { cpu, rate: events as f64 / took.as_secs_f64(), took })
    }
}

/// Keeps the one that took less CPU time.
fn keep(best: &mut Option<Spent>, next: Spent) {
    if best.is_none_or(|best| next.cpu < best.cpu) {
        *best = Some(next);
    }
}

fn main() -> Result<(), Failed> {
    let mut arguments = std::env::args().skip(1);
    let mut next = |what: &str| arguments.next().ok_or(what.to_owned());
    let bootstrap = next("which broker?")?;
    let sigmund = next("which sigmund?")?;
    let log = next("which log?")?;
    let times: usize = next("how many times?")?.parse()?;
    let (settings, rules) = arguments.partition(|word| word.contains('='));
    let text = std::fs::read(&log)?;
    let lines: Vec<&[u8]> =
        text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect();
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos();
    let bench = Bench { raw: format!("cost-{now}.raw"), bootstrap, sigmund, rules, settings };

    let nothing = format!("{}-empty", bench.raw);
    topic::make(&bench.bootstrap, &bench.raw, PARTITIONS)?;
    topic::make(&bench.bootstrap, &nothing, PARTITIONS)?;
    let producer: BaseProducer = client(&bench.bootstrap)
        .set("linger.ms", "50")
        .set("batch.num.messages", "1000")
        .create()?;
    let folder = tempfile::tempdir()?;
    let (whole, one) = (folder.path().join("all.ndjson"), folder.path().join("one.ndjson"));
    let mut file = std::io::BufWriter::new(std::fs::File::create(&whole)?);
    let mut events = 0_usize;
    for _ in 0..times {
        for line in &lines {
            let partition = (events / 100) as i32 % PARTITIONS;
            let record =
                || BaseRecord::<(), [u8]>::to(&bench.raw).payload(line).partition(partition);
            while producer.send(record()).is_err() {
                producer.poll(Duration::from_millis(5));
            }
            file.write_all(line)?;
            file.write_all(b"\n")?;
            events += 1;
        }
    }
    file.flush()?;
    std::fs::write(&one, lines.first().ok_or("an empty log")?)?;
    producer.flush(PATIENCE)?;

    let per_event = |full: Spent, start: Spent| {
        full.cpu.saturating_sub(start.cpu).as_secs_f64() * 1e6 / events as f64
    };
    println!("{events} events");
    println!(
        "| | CPU s | of a start | µs per event | of `hunt -j 1` | of `hunt`, as many threads | events/s |"
    );
    println!("|---|--:|--:|--:|--:|--:|--:|");
    let mut first = None;
    for count in [1, 2] {
        let (mut start, mut hunt, mut full, mut idle) = (None, None, None, None);
        for _ in 0..ROUNDS {
            keep(&mut start, bench.hunt(&one, 1, count)?);
            keep(&mut hunt, bench.hunt(&whole, events, count)?);
            let busy = bench.service(&bench.raw, count, Duration::ZERO)?;
            keep(&mut full, busy);
            keep(&mut idle, bench.service(&nothing, count, busy.took)?);
        }
        let (Some(start), Some(hunt), Some(full), Some(idle)) = (start, hunt, full, idle) else {
            return Err("nothing was measured".into());
        };
        let floor = per_event(hunt, start);
        let first = *first.get_or_insert(floor);
        let line = |what: String, full: Spent, start: Spent| {
            let own = per_event(full, start);
            println!(
                "| {what} | {:.2} | {:.2} | {own:.2} | {:.2}× | {:.2}× | {:.0} |",
                full.cpu.as_secs_f64(),
                start.cpu.as_secs_f64(),
                own / first,
                own / floor,
                full.rate
            );
        };
        line(format!("`hunt -j {count}`"), hunt, start);
        line(format!("`run`, lanes: {count}"), full, idle);
    }
    Ok(())
}
