//! The compiled matcher and the plain evaluator on real events: both must say the same of every rule (law 3).

use sigmund_engine::detection::matched;
use sigmund_engine::oracle::Lookup;
use sigmund_engine::{Event, Matcher, Partial, Record, Routing, RuleSet};
use sigmund_parsers::decompress::{Input, Limits, each_stream};
use sigmund_parsers::windows::evtx::{JsonLines, is_evtx};
use sigmund_parsers::{Framed, Outcome, Stream, StreamInfo};
use std::collections::HashMap;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

const BLOCK: usize = 1 << 20;

/// So many differences are kept word by word; all are counted.
const SHOWN: usize = 50;

/// What is compared.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Every so many events of a log.
    pub every: u64,
    /// So many bytes of a log, unpacked.
    pub part: u64,
    /// Every rule on every event, whatever their log sources.
    pub unfiltered: bool,
    /// A matcher without memories for each event too: it must say the same as the one that remembers.
    pub forgetful: bool,
}

impl Default for Options {
    /// Everything.
    fn default() -> Self {
        Self { every: 1, part: u64::MAX, unfiltered: false, forgetful: false }
    }
}

/// What was compared so far.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Events compared.
    pub events: u64,
    /// Pairs of an event and a rule that sees it.
    pub pairs: u64,
    /// Pairs that match.
    pub detections: u64,
    /// Pairs of which both sides say different things.
    pub differences: u64,
    /// The first of them, for people.
    pub shown: Vec<String>,
    /// Logs that could not be read, or not to their end.
    pub unread: Vec<String>,
}

/// Compares event by event.
pub struct Agreement {
    options: Options,
    ruleset: Arc<RuleSet>,
    routing: Arc<Routing>,
    matcher: Matcher,
    record: Record,
    /// The rules that see a route, by its number, as the plain evaluator says.
    seeing: HashMap<u32, Vec<u32>>,
    report: Report,
}

impl std::fmt::Debug for Agreement {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Agreement").field("report", &self.report).finish_non_exhaustive()
    }
}

impl Agreement {
    /// For these rules.
    #[must_use]
    pub fn new(ruleset: RuleSet, options: Options) -> Self {
        let ruleset = Arc::new(ruleset);
        let mut routing = Routing::default();
        routing.unfiltered = options.unfiltered;
        Self {
            options,
            routing: Arc::new(routing),
            matcher: Matcher::new(Arc::clone(&ruleset)),
            record: Record::new(Arc::clone(ruleset.field_table())),
            seeing: HashMap::new(),
            ruleset,
            report: Report::default(),
        }
    }

    /// What was compared so far.
    #[must_use]
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// Compares on the events of a log file, unpacked as the command line does it.
    pub fn log(&mut self, path: &Path) {
        let name = path.to_string_lossy().into_owned();
        let walked = std::fs::File::open(path).and_then(|mut file| {
            let input = Input::File(&mut file);
            each_stream(&name, input, &Limits::default(), &mut |name, reader| {
                self.stream(name, reader)
            })
        });
        match walked {
            Ok(warnings) => self.report.unread.extend(
                warnings.iter().map(|warning| format!("{}: {}", warning.name, warning.message)),
            ),
            Err(error) => self.report.unread.push(format!("{name}: {error}")),
        }
    }

    fn stream(&mut self, name: &str, reader: &mut dyn Read) -> io::Result<()> {
        let mut block = Vec::new();
        reader.take(64 << 10).read_to_end(&mut block)?;
        let mut lines;
        let mut part;
        let reader: &mut dyn Read = if is_evtx(&block) {
            reader.read_to_end(&mut block)?;
            lines = JsonLines::new(io::Cursor::new(std::mem::take(&mut block)));
            (&mut lines).take(64 << 10).read_to_end(&mut block)?;
            &mut lines
        } else {
            reader
        };
        part = reader.take(self.options.part.saturating_sub(block.len() as u64));
        let info = StreamInfo {
            file_name: name.rsplit(['/', '\\']).next().unwrap_or_default().into(),
            reference_time: 1_700_000_000_000_000_000,
            assumed_zone: jiff::tz::TimeZone::UTC,
            routing: Arc::clone(&self.routing),
        };
        let mut stream = Stream::open(info, &block, None);
        let mut record = std::mem::replace(
            &mut self.record,
            Record::new(Arc::clone(self.ruleset.field_table())),
        );
        let mut number = 0;
        let result = loop {
            let before = block.len();
            if let Err(error) = (&mut part).take(BLOCK as u64).read_to_end(&mut block) {
                break Err(error);
            }
            let last = block.len() == before;
            let used = stream.read(&block, last, &mut record, &mut |framed| {
                if framed.outcome == Outcome::Event {
                    number += 1;
                    if number % self.options.every == 1 % self.options.every {
                        self.compare(name, number, framed);
                    }
                }
            });
            if last {
                break Ok(());
            }
            block.drain(..used);
        };
        self.record = record;
        result
    }

    fn compare(&mut self, name: &str, number: u64, mut framed: Framed<'_>) {
        let event = framed.event();
        let bytes = framed.bytes;
        let (record, mut whole) = framed.parts();
        let mut compiled = Vec::new();
        self.matcher.matches(bytes, record, &mut whole, &mut compiled);
        if self.options.forgetful {
            let mut fresh = Vec::new();
            Matcher::new(Arc::clone(&self.ruleset)).matches(bytes, record, &mut whole, &mut fresh);
            self.differ(name, number, &event, ("remembering", &compiled), ("fresh", &fresh));
        }
        if let Some(route) = &record.route
            && route.id != event.route.id
        {
            self.report.differences += 1;
            let text = format!(
                "{name} event {number}: routed to `{}`, the whole event to `{}`",
                route.name, event.route.name
            );
            self.report.shown.push(text);
        }
        let ruleset = &self.ruleset;
        let seeing = self.seeing.entry(event.route.id).or_insert_with(|| {
            let oracle = |rule: &u32| ruleset.oracle(*rule);
            (0..ruleset.rules().len() as u32)
                .filter(|rule| oracle(rule).is_none_or(|oracle| oracle.sees(&event.route)))
                .collect()
        });
        let lookup = Lookup::new(&event);
        if let Some(partial) = Partial::new(bytes, record, None, &mut whole) {
            let wanted = Lookup::new(&partial);
            for rule in &compiled {
                let rule = &ruleset.rules()[*rule as usize];
                if matched(rule, &wanted) != matched(rule, &lookup) {
                    self.report.differences += 1;
                    let title = &rule.metadata.title;
                    let what = "is said to match other values in the whole event";
                    self.report.shown.push(format!("{name} event {number}: `{title}` {what}"));
                }
            }
        }
        let plain: Vec<u32> = seeing
            .iter()
            .copied()
            .filter(|rule| ruleset.oracle(*rule).is_some_and(|oracle| oracle.matches_in(&lookup)))
            .collect();
        self.report.events += 1;
        self.report.pairs += seeing.len() as u64;
        self.report.detections += plain.len() as u64;
        self.differ(name, number, &event, ("compiled", &compiled), ("plain", &plain));
    }

    fn differ(
        &mut self,
        name: &str,
        number: u64,
        event: &Event,
        (left, left_rules): (&str, &[u32]),
        (right, right_rules): (&str, &[u32]),
    ) {
        if left_rules == right_rules {
            return;
        }
        let only_left = left_rules.iter().filter(|rule| !right_rules.contains(rule));
        let only_right = right_rules.iter().filter(|rule| !left_rules.contains(rule));
        let only = only_left.map(|rule| (rule, left)).chain(only_right.map(|rule| (rule, right)));
        for (rule, side) in only {
            self.report.differences += 1;
            if self.report.shown.len() < SHOWN {
                let rule = &self.ruleset.rules()[*rule as usize].metadata;
                let text = String::from_utf8_lossy(&event.raw);
                let text: String = text.chars().take(300).collect();
                self.report.shown.push(format!(
                    "{name} event {number} ({}): only {side} matches `{}` ({}): {text}",
                    event.route.name, rule.title, rule.source,
                ));
            }
        }
    }
}
