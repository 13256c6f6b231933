//! Times the stages of a hunt over NDJSON in one process, one thread: load, parse, match.
//!
//! `cargo run --release -p sigmund-bench -- LOG RULES...`
#![expect(clippy::print_stdout, reason = "it is a report")]

use sigmund_engine::{Matcher, Record, Routing, RuleSet};
use sigmund_parsers::{FORMATS, Stream, StreamInfo};
use sigmund_sigma::{Loader, Source};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

fn rule_files(path: &Path, out: &mut Vec<PathBuf>) {
    if path.is_dir() {
        let Ok(entries) = std::fs::read_dir(path) else { return };
        let mut entries: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        entries.sort();
        entries.iter().for_each(|entry| rule_files(entry, out));
    } else if path.extension().is_some_and(|extension| extension == "yml") {
        out.push(path.to_path_buf());
    }
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let log = arguments.next().unwrap_or_default();
    let mut files = Vec::new();
    arguments.for_each(|path| rule_files(Path::new(&path), &mut files));
    let start = Instant::now();
    let sources: Vec<Source> = files
        .iter()
        .filter_map(|path| {
            let text = std::fs::read_to_string(path).ok()?;
            Some(Source { name: path.to_string_lossy().into(), text: text.into() })
        })
        .collect();
    println!("read rules     {:>8.1} ms", start.elapsed().as_secs_f64() * 1e3);
    let start = Instant::now();
    let collection = Loader::default().load(&sources);
    println!(
        "load rules     {:>8.1} ms  {} rules, {} diagnostics",
        start.elapsed().as_secs_f64() * 1e3,
        collection.rules.len(),
        collection.diagnostics.len()
    );
    let start = Instant::now();
    let aliases: Vec<_> = FORMATS.iter().flat_map(|format| format.aliases()).collect();
    let extra: Vec<&str> = sigmund_parsers::json::schema::discriminators().collect();
    let (ruleset, _) = RuleSet::compile(collection.rules, &aliases, &extra);
    println!(
        "compile rules  {:>8.1} ms  {:?} predicates, {} fields",
        start.elapsed().as_secs_f64() * 1e3,
        ruleset.predicate_counts(),
        ruleset.field_table().len()
    );
    let data = std::fs::read(&log).unwrap_or_default();
    let ruleset = Arc::new(ruleset);
    for round in 0..3 {
        for matching in [false, true] {
            let mut matcher = Matcher::new(Arc::clone(&ruleset));
            let mut record = Record::new(Arc::clone(ruleset.field_table()));
            let info = StreamInfo {
                file_name: "x.ndjson".into(),
                reference_time: 0,
                assumed_zone: jiff::tz::TimeZone::UTC,
                routing: Arc::new(Routing::default()),
            };
            let mut stream = Stream::open(info, &data[..data.len().min(65536)], None);
            let (mut events, mut detections) = (0u64, 0u64);
            let mut out = Vec::new();
            let start = Instant::now();
            let mut at = 0;
            while at < data.len() {
                let end = (at + (1 << 18)).min(data.len());
                at += stream.read(
                    &data[at..end],
                    end == data.len(),
                    &mut record,
                    &mut |mut framed| {
                        events += 1;
                        if matching {
                            let bytes = framed.bytes;
                            let (record, mut whole) = framed.parts();
                            matcher.matches(bytes, record, &mut whole, &mut out);
                            detections += out.len() as u64;
                        }
                    },
                );
            }
            let time = start.elapsed().as_secs_f64();
            println!(
                "{} {round}        {:>8.1} ms  {:>6.0} ns/event, {:.0} MB/s, {detections} detections {:?}",
                if matching { "match" } else { "parse" },
                time * 1e3,
                time * 1e9 / events as f64,
                data.len() as f64 / time / 1e6,
                matcher.stats()
            );
        }
    }
}
