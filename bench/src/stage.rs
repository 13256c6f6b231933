//! The stages of a hunt one by one over one log: criterion times them (`benches/`), a test runs each once.

use crate::files::{compile, rule_sources, shared};
use sigmund_engine::{AliasTable, Event, Matcher, Record, Route, RuleSet};
use sigmund_parsers::decompress::{Input, Limits, each_stream};
use sigmund_parsers::windows::evtx::{JsonLines, is_evtx};
use sigmund_parsers::{
    Format, Framing, Head, Outcome, Parser, Score, Stream, StreamInfo, Text, detect, format_named,
};
use sigmund_sigma::Source;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// So much of a long log is enough for a stage.
const PART: u64 = 8 << 20;

/// A log in memory, unpacked.
#[derive(Clone, Debug)]
pub struct Log {
    /// Where it came from, for people.
    pub path: PathBuf,
    /// The whole file for EVTX, else whole lines.
    pub bytes: Vec<u8>,
}

impl Log {
    /// A log, or so many bytes of its beginning.
    pub fn read(path: &Path, part: u64) -> io::Result<Self> {
        let mut bytes = Vec::new();
        let mut file = std::fs::File::open(path)?;
        let input = Input::File(&mut file);
        each_stream(&path.to_string_lossy(), input, &Limits::default(), &mut |_, reader| {
            reader.take(part).read_to_end(&mut bytes).map(drop)
        })?;
        if bytes.len() as u64 == part && !is_evtx(&bytes) {
            let end =
                bytes.iter().rposition(|&byte| byte == b'\n').map_or(bytes.len(), |at| at + 1);
            bytes.truncate(end);
        }
        Ok(Self { path: path.to_owned(), bytes })
    }

    /// What its parser is told; routes are its own.
    #[must_use]
    pub fn info(&self) -> StreamInfo {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        StreamInfo::new(
            name.trim_end_matches(".gz").trim_end_matches(".zst"),
            1_700_000_000_000_000_000,
        )
    }

    /// What formats are recognised by.
    #[must_use]
    pub fn head(&self) -> &[u8] {
        &self.bytes[..self.bytes.len().min(64 << 10)]
    }

    /// The format that its beginning looks like.
    #[must_use]
    pub fn format(&self) -> &'static dyn Format {
        let info = self.info();
        detect(&Head { file_name: &info.file_name, bytes: self.head() })
    }
}

/// A log of each kind that has a bench of its own, and the rules.
#[derive(Debug)]
pub struct Inputs {
    /// Windows events as lines of JSON.
    pub windows: Log,
    /// A Zeek log with its header.
    pub zeek: Log,
    /// Linux syslog.
    pub syslog: Log,
    /// Windows events as XML.
    pub xml: Log,
    /// A Windows event log file; the fixtures have none.
    pub evtx: Option<Log>,
    /// Texts of rules.
    pub rules: Vec<Source>,
}

impl Inputs {
    /// The logs and rules of this repository: small, so that values repeat and caches help more than they would.
    pub fn fixtures() -> io::Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let log = |name: &str| Log::read(&root.join("fixtures").join(name), PART);
        Ok(Self {
            windows: log("windows/sysmon.ndjson")?,
            zeek: log("zeek/http.log")?,
            syslog: log("syslog/auth.log")?,
            xml: log("windows/powershell-4104.xml")?,
            evtx: None,
            rules: rule_sources(&[root.join("rules")])?,
        })
    }

    /// Real logs and all active SigmaHQ rules where the shared material is there, in place of the fixtures.
    pub fn best() -> io::Result<Self> {
        let mut inputs = Self::fixtures()?;
        let Some(shared) = shared() else {
            return Ok(inputs);
        };
        let first = |name: &str| Log::read(&shared.join(name), PART);
        inputs.windows = first("bench/windows.ndjson.zst")?;
        inputs.evtx = first("samples/evtx/evtxrs__sysmon.evtx.gz").ok();
        let active = ["rules", "rules-emerging-threats", "rules-threat-hunting"];
        let active = active.map(|folder| shared.join("corpus/sigmahq").join(folder));
        inputs.rules = rule_sources(&active)?;
        Ok(inputs)
    }

    /// What the rules compile to.
    #[must_use]
    pub fn compile(&self) -> Arc<RuleSet> {
        Arc::new(compile(&self.rules))
    }
}

/// What is measured, which a figure must come with.
impl std::fmt::Display for Inputs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{} rule files", self.rules.len())?;
        let logs = [&self.windows, &self.zeek, &self.syslog, &self.xml];
        for log in logs.into_iter().chain(&self.evtx) {
            writeln!(f, "{} ({} bytes)", log.path.display(), log.bytes.len())?;
        }
        if self.evtx.is_none() {
            writeln!(f, "no EVTX file: its stages are left out")?;
        }
        Ok(())
    }
}

/// Frames only: takes each record unread.
#[derive(Debug)]
struct Unread(Framing);

static UNREAD_LINES: Unread = Unread(Framing::Lines);
static UNREAD_JSON: Unread = Unread(Framing::Json);
static UNREAD_XML: Unread = Unread(Framing::Xml);

impl Format for Unread {
    fn name(&self) -> &'static str {
        "unread"
    }

    fn sniff(&self, _: &Head<'_>) -> Score {
        Score::NO
    }

    fn framing(&self) -> Framing {
        self.0
    }

    fn open(&self, _: &StreamInfo) -> Box<dyn Parser> {
        Box::new(Passing)
    }

    fn aliases(&self) -> Vec<Arc<AliasTable>> {
        Vec::new()
    }
}

struct Passing;

impl Parser for Passing {
    fn parse(&mut self, _: &[u8], _: &mut Record) -> Outcome {
        Outcome::Event
    }
}

/// A log that is read again and again with what its parser prepared the first time.
#[derive(Debug)]
pub struct Reading<'a> {
    log: &'a Log,
    stream: Stream,
    record: Record,
}

impl<'a> Reading<'a> {
    /// Framing alone.
    #[must_use]
    pub fn framing(log: &'a Log) -> Self {
        let format = match log.format().framing() {
            Framing::Json => &UNREAD_JSON,
            Framing::Xml => &UNREAD_XML,
            Framing::Lines | Framing::Whole => &UNREAD_LINES,
        };
        let stream = Stream::open(log.info(), log.head(), Some(format));
        Self { log, stream, record: Record::collecting() }
    }

    /// Framing and parsing, with the fields that these rules read.
    #[must_use]
    pub fn parsing(log: &'a Log, ruleset: &RuleSet) -> Self {
        let stream = Stream::open(log.info(), log.head(), None);
        Self { log, stream, record: Record::new(Arc::clone(ruleset.field_table())) }
    }

    /// Reads the log once. How many events it has.
    pub fn run(&mut self) -> u64 {
        let mut events = 0;
        self.stream.restart();
        self.stream.read(&self.log.bytes, true, &mut self.record, &mut |framed| {
            events += u64::from(framed.outcome == Outcome::Event);
        });
        events
    }
}

/// Reads the records of an EVTX file. How many bytes of JSON they are.
#[must_use]
pub fn evtx(log: &Log) -> u64 {
    let mut lines = JsonLines::new(io::Cursor::new(&log.bytes));
    io::copy(&mut lines, &mut io::sink()).unwrap_or_default()
}

/// Reads an event again in full.
type Whole<'a> = dyn FnMut() -> Event + 'a;

/// The events of a log, parsed, each in a record of its own: matching alone.
pub struct Matching<'a> {
    events: Vec<(&'a [u8], Record)>,
    parser: Box<dyn Parser>,
    whole: Record,
    matcher: Matcher,
    hits: Vec<u32>,
}

impl std::fmt::Debug for Matching<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Matching").field("events", &self.events.len()).finish_non_exhaustive()
    }
}

impl<'a> Matching<'a> {
    /// At most so many events, evenly from all over the log.
    #[must_use]
    pub fn new(log: &'a Log, ruleset: &Arc<RuleSet>, most: usize) -> Self {
        let format = format_named(log.format().name()).unwrap_or(&Text);
        let mut parser = format.open(&log.info());
        let mut ranges = Vec::new();
        let mut framing = Reading::framing(log);
        framing.stream.read(&log.bytes, true, &mut framing.record, &mut |framed| {
            ranges.push(framed.offset..framed.offset + framed.bytes.len());
        });
        let every = ranges.len().div_ceil(most.max(1)).max(1);
        let mut events = Vec::new();
        for (number, range) in ranges.into_iter().enumerate() {
            let bytes = &log.bytes[range];
            // Headers are among the first records and must all be seen.
            if number % every != 0 && number > 16 {
                continue;
            }
            let mut record = Record::new(Arc::clone(ruleset.field_table()));
            if parser.parse(bytes, &mut record) == Outcome::Event {
                events.push((bytes, record));
            }
        }
        let matcher = Matcher::new(Arc::clone(ruleset));
        Self { events, parser, whole: Record::collecting(), matcher, hits: Vec::new() }
    }

    /// How many events there are.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.events.len() as u64
    }

    /// The kinds of events there are.
    #[must_use]
    pub fn routes(&self) -> Vec<Arc<Route>> {
        let mut routes: Vec<Arc<Route>> =
            self.events.iter().filter_map(|(_, record)| record.route.clone()).collect();
        routes.sort_by_key(|route| route.id);
        routes.dedup_by_key(|route| route.id);
        routes
    }

    fn each(&mut self, detected: &mut dyn FnMut(&[u32], &mut Whole<'_>)) {
        for (bytes, record) in &self.events {
            let mut whole = || self.parser.event(bytes, &mut self.whole);
            self.matcher.matches(bytes, record, &mut whole, &mut self.hits);
            if !self.hits.is_empty() {
                detected(&self.hits, &mut whole);
            }
        }
    }

    /// Matches all events once. How many detections there are.
    pub fn run(&mut self) -> u64 {
        let mut detections = 0;
        self.each(&mut |hits, _| detections += hits.len() as u64);
        detections
    }

    /// The detections: rule and whole event.
    pub fn detections(&mut self) -> Vec<(u32, Arc<Event>)> {
        let mut found = Vec::new();
        self.each(&mut |hits, whole| {
            let event = Arc::new(whole());
            found.extend(hits.iter().map(|rule| (*rule, Arc::clone(&event))));
        });
        found
    }
}
