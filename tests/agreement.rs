//! The compiled matcher and the plain evaluator agree on real events with all rules (law 3).
//!
//! Without more said, on a part of each log; on every event with
//! `SIGMUND_AGREEMENT=all cargo test --release agreement -- --nocapture`.

#![expect(clippy::print_stdout, reason = "the result is the printed report")]

use crate::shared::shared;
use sigmund_engine::oracle::Lookup;
use sigmund_engine::{Matcher, Record, Routing, RuleSet};
use sigmund_parsers::decompress::{Input, Limits, each_stream};
use sigmund_parsers::windows::evtx;
use sigmund_parsers::{FORMATS, Outcome, Stream, StreamInfo};
use sigmund_sigma::{Loader, Source};
use std::collections::HashMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Without `all`: so many bytes of a log, and of its events every so many.
const PART: u64 = 80 << 10;
const STEP: u64 = 7;

const BLOCK: usize = 1 << 20;

/// What a format is recognised by.
const HEAD: u64 = 64 << 10;

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    let entries = std::fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("cannot read {}: {error}", folder.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() { files(&path, found) } else { found.push(path) }
    }
}

fn compile(folders: &[PathBuf]) -> RuleSet {
    let mut paths = Vec::new();
    folders.iter().for_each(|folder| files(folder, &mut paths));
    let sources: Vec<Source> = paths
        .iter()
        .filter(|path| path.to_string_lossy().ends_with(".yml"))
        .filter(|path| !path.to_string_lossy().ends_with(".test.yml"))
        .map(|path| Source {
            name: path.to_string_lossy().into(),
            text: String::from_utf8_lossy(&std::fs::read(path).unwrap()).into(),
        })
        .collect();
    let rules = Loader::default().load(&sources).rules;
    let aliases: Vec<_> = FORMATS.iter().flat_map(|format| format.aliases()).collect();
    RuleSet::compile(rules, &aliases, &[]).0
}

/// Compares event by event.
struct Comparison {
    ruleset: Arc<RuleSet>,
    routing: Arc<Routing>,
    matcher: Matcher,
    record: Record,
    /// The rules that see a route, by its number, as the plain evaluator says.
    seeing: HashMap<u32, Vec<u32>>,
    step: u64,
    events: u64,
    pairs: u64,
    matches: u64,
    differences: Vec<String>,
}

impl Comparison {
    fn new(ruleset: RuleSet, step: u64) -> Self {
        let ruleset = Arc::new(ruleset);
        Self {
            routing: Arc::new(Routing::default()),
            matcher: Matcher::new(Arc::clone(&ruleset)),
            record: Record::new(Arc::clone(ruleset.field_table())),
            seeing: HashMap::new(),
            ruleset,
            step,
            events: 0,
            pairs: 0,
            matches: 0,
            differences: Vec::new(),
        }
    }

    fn stream(&mut self, name: &str, reader: &mut dyn Read) -> std::io::Result<()> {
        let mut block = Vec::new();
        reader.take(HEAD).read_to_end(&mut block)?;
        if evtx::is_evtx(&block) {
            reader.read_to_end(&mut block)?;
            let mut lines = evtx::JsonLines::new(block);
            let mut block = Vec::new();
            lines.by_ref().take(HEAD).read_to_end(&mut block)?;
            self.records(name, block, &mut lines)
        } else {
            self.records(name, block, reader)
        }
    }

    /// `block` is the beginning.
    fn records(
        &mut self,
        name: &str,
        mut block: Vec<u8>,
        reader: &mut dyn Read,
    ) -> std::io::Result<()> {
        let info = StreamInfo {
            file_name: name.into(),
            reference_time: 1_700_000_000_000_000_000,
            assumed_zone: jiff::tz::TimeZone::UTC,
            routing: Arc::clone(&self.routing),
        };
        let mut stream = Stream::open(info, &block, None);
        let Self { ruleset, matcher, record, seeing, step, .. } = self;
        let (mut number, mut events, mut pairs, mut matches) = (0, 0, 0, 0);
        let mut hits = Vec::new();
        let differences = &mut self.differences;
        loop {
            let before = block.len();
            reader.take(BLOCK as u64).read_to_end(&mut block)?;
            let last = block.len() == before;
            let used = stream.read(&block, last, record, &mut |mut framed| {
                if framed.outcome != Outcome::Event {
                    return;
                }
                number += 1;
                if number % *step != 1 % *step {
                    return;
                }
                let event = framed.event();
                let bytes = framed.bytes;
                let (record, _) = framed.parts();
                matcher.matches(bytes, record, &mut || event.clone(), &mut hits);
                let seeing = seeing.entry(event.route.id).or_insert_with(|| {
                    let all = 0..ruleset.rules().len() as u32;
                    all.filter(|rule| ruleset.oracle(*rule).unwrap().sees(&event.route)).collect()
                });
                let lookup = Lookup::new(&event);
                let expected: Vec<u32> = seeing
                    .iter()
                    .copied()
                    .filter(|rule| ruleset.oracle(*rule).unwrap().matches_in(&lookup))
                    .collect();
                events += 1;
                pairs += seeing.len() as u64;
                matches += expected.len() as u64;
                if hits == expected {
                    return;
                }
                for rule in hits.iter().chain(&expected) {
                    let (compiled, plain) = (hits.contains(rule), expected.contains(rule));
                    if compiled != plain && differences.len() < 50 {
                        let title = &ruleset.rules()[*rule as usize].metadata.title;
                        let text = String::from_utf8_lossy(bytes);
                        let text: String = text.chars().take(300).collect();
                        differences.push(format!(
                            "{name} event {number} ({}): `{title}`: compiled {compiled}, plain {plain}: {text}",
                            event.route.name
                        ));
                    }
                }
            });
            if last {
                break;
            }
            block.drain(..used);
        }
        self.events += events;
        self.pairs += pairs;
        self.matches += matches;
        Ok(())
    }
}

#[test]
fn real_events_give_the_same_with_and_without_compilation() {
    let all = std::env::var("SIGMUND_AGREEMENT").is_ok_and(|value| value == "all");
    let (Some(corpus), Some(bench), Some(samples)) =
        (shared("corpus/sigmahq"), shared("bench"), shared("samples"))
    else {
        return;
    };
    let active = ["rules", "rules-emerging-threats", "rules-threat-hunting"];
    let mut folders: Vec<PathBuf> = active.iter().map(|folder| corpus.join(folder)).collect();
    folders.push(PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/rules")));
    let ruleset = compile(&folders);
    let rules = ruleset.rules().len();
    assert!(rules > 3_000, "only {rules} rules were found");
    let mut comparison = Comparison::new(ruleset, if all { 1 } else { STEP });

    let mut logs = Vec::new();
    files(&bench, &mut logs);
    files(&samples, &mut logs);
    for path in logs {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut file = std::fs::File::open(&path).unwrap();
        let read =
            each_stream(&name, Input::File(&mut file), &Limits::default(), &mut |name, reader| {
                let mut part = reader.take(if all { u64::MAX } else { PART });
                comparison.stream(name, &mut part)
            });
        match read {
            Ok(warnings) => warnings.iter().for_each(|warning| {
                println!("not read whole: {}: {}", warning.name, warning.message);
            }),
            Err(error) => panic!("cannot read {}: {error}", path.display()),
        }
    }
    comparison.differences.iter().for_each(|difference| println!("differs: {difference}"));
    println!(
        "agreement: {} events, {} rule/event pairs of {rules} rules, {} matches, {} differences",
        comparison.events,
        comparison.pairs,
        comparison.matches,
        comparison.differences.len()
    );
    assert!(comparison.differences.is_empty(), "the compiled matcher differs");
    assert!(comparison.matches > 0, "nothing matched, so nothing was compared");
}
