//! Times the stages of a hunt in one process, one thread: load, compile, parse, match.
//!
//! `cargo run --release -p sigmund-bench -- LOG RULES...`
#![expect(clippy::print_stdout, reason = "it is a report")]

use sigmund_bench::cpu_time::measured;
use sigmund_bench::files::rule_sources;
use sigmund_bench::stage::Log;
use sigmund_engine::{Matcher, Record, RuleSet};
use sigmund_parsers::{FORMATS, Stream};
use sigmund_sigma::Loader;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

const USAGE: &str = "usage: sigmund-bench LOG RULES...
  LOG     one log of any format but EVTX, packed or not, read into memory whole before anything is measured
  RULES   rule files, and folders of them

Prints CPU time (user and system) of the one thread that does the work, so other programs do not
count: of loading and compiling the rules, then three times of parsing alone (`parse`) and of
parsing with matching (`match`). Detections are counted, not described or written.
`cargo bench -p sigmund-bench` measures smaller stages; `bench/compare` the whole program.";

/// What `sigmund hunt` reads at once.
const BLOCK: usize = 256 << 10;

fn report(log: &Path, rules: &[PathBuf]) -> std::io::Result<()> {
    let (time, sources) = measured(|| rule_sources(rules));
    let sources = sources?;
    let ms = |time: std::time::Duration| time.as_secs_f64() * 1e3;
    println!("read rules     {:>8.1} ms  {} files", ms(time), sources.len());
    let (time, collection) = measured(|| Loader::default().load(&sources));
    println!(
        "load rules     {:>8.1} ms  {} rules, {} diagnostics",
        ms(time),
        collection.rules.len(),
        collection.diagnostics.len()
    );
    let (time, ruleset) = measured(|| {
        let aliases: Vec<_> = FORMATS.iter().flat_map(|format| format.aliases()).collect();
        let extra: Vec<&str> = sigmund_parsers::json::schema::discriminators().collect();
        Arc::new(RuleSet::compile(collection.rules, &aliases, &extra, &[]).0)
    });
    println!(
        "compile rules  {:>8.1} ms  {:?} predicates, {} fields",
        ms(time),
        ruleset.predicate_counts(),
        ruleset.field_table().len()
    );
    let log = Log::read(log, u64::MAX)?;
    for round in 1..=3 {
        parse(&log, &ruleset, round);
        parse_and_match(&log, &ruleset, round);
    }
    Ok(())
}

fn parse(log: &Log, ruleset: &Arc<RuleSet>, round: u32) {
    let (time, events) = measured(|| {
        let mut events = 0;
        stream(log, ruleset, &mut |_| events += 1);
        events
    });
    println!("parse {round}        {}", speed(log, time, events));
}

fn parse_and_match(log: &Log, ruleset: &Arc<RuleSet>, round: u32) {
    let mut matcher = Matcher::new(Arc::clone(ruleset));
    let (time, (events, detections)) = measured(|| {
        let (mut events, mut detections) = (0, 0);
        let mut hits = Vec::new();
        stream(log, ruleset, &mut |mut framed| {
            let bytes = framed.bytes;
            let (record, mut whole) = framed.parts();
            matcher.matches(bytes, record, &mut whole, &mut hits);
            events += 1;
            detections += hits.len();
        });
        (events, detections)
    });
    let (speed, stats) = (speed(log, time, events), matcher.stats());
    println!("match {round}        {speed}, {detections} detections {stats:?}");
}

fn stream(log: &Log, ruleset: &RuleSet, each: &mut dyn FnMut(sigmund_parsers::Framed<'_>)) {
    let data = &log.bytes;
    let mut record = Record::new(Arc::clone(ruleset.field_table()));
    let mut stream = Stream::open(log.info(), log.head(), None);
    let (mut at, mut block) = (0, BLOCK);
    while at < data.len() {
        let end = (at + block).min(data.len());
        let used = stream.read(&data[at..end], end == data.len(), &mut record, each);
        // A record that is longer than a block needs a longer one.
        block = if used == 0 { block * 2 } else { BLOCK };
        at += used;
    }
}

fn speed(log: &Log, time: std::time::Duration, events: u64) -> String {
    let seconds = time.as_secs_f64();
    format!(
        "{:>8.1} ms  {:>6.0} ns/event, {:.0} MB/s",
        seconds * 1e3,
        seconds * 1e9 / events.max(1) as f64,
        log.bytes.len() as f64 / seconds / 1e6
    )
}

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let log = arguments.next();
    let rules: Vec<PathBuf> = arguments.collect();
    match log {
        Some(log) if !rules.is_empty() && !log.starts_with("-h") && !log.starts_with("--help") => {
            match report(&log, &rules) {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => {
                    println!("cannot read: {error}");
                    ExitCode::from(2)
                }
            }
        }
        Some(log) if log.starts_with("-h") || log.starts_with("--help") => {
            println!("{USAGE}");
            ExitCode::SUCCESS
        }
        _ => {
            println!("{USAGE}");
            ExitCode::from(2)
        }
    }
}
