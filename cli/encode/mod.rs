//! Detections for people and machines: one file for each format, all of the same [`Hit`]s.
//!
//! A record's number within its file is not known while a part of the file is read on its own, so encoders
//! leave places for numbers in a [`Buffer`], which are filled when the part is written out in its turn.

mod alert;
pub(crate) mod csv;
mod ecs;
pub(crate) mod json;
mod jsonl;
mod ocsf;
mod summary;
mod table;

use crate::args::DetectionFormat;
use sigmund_engine::detection::Matched;
use sigmund_engine::{DetectionId, Event, EventDigest};
use sigmund_sigma::rule::{Level, Metadata};
use sigmund_sigma::{LogSource, Rule};
use std::cell::OnceCell;
use std::io::{self, Write};
use std::sync::{Arc, OnceLock};

pub(crate) use alert::{AlertCard, AlertView, Contribution};
pub(crate) use summary::Summary;
pub(crate) use table::{Style, shortened, shortened_left};

/// A rule as detections show it.
#[derive(Debug)]
pub(crate) struct RuleCard {
    pub(crate) rule: Arc<Rule>,
    /// The value of `rule` in jsonl, written when it first matches.
    json: OnceLock<Vec<u8>>,
}

impl RuleCard {
    pub(crate) fn new(rule: Arc<Rule>) -> Self {
        Self { rule, json: OnceLock::new() }
    }

    pub(crate) fn title(&self) -> &str {
        &self.rule.metadata.title
    }

    /// Whether this is its id, name, title or the stem of its file.
    pub(crate) fn is_called(&self, name: &str) -> bool {
        is_called(&self.rule.metadata, name)
    }
}

/// Whether this is the id, name, title or the stem of the file of a rule.
pub(crate) fn is_called(metadata: &Metadata, name: &str) -> bool {
    let file = std::path::Path::new(&*metadata.source);
    metadata.id.as_deref() == Some(name)
        || metadata.name.as_deref() == Some(name)
        || metadata.title == name
        || *metadata.source == *name
        || file.file_stem().is_some_and(|stem| stem == name)
}

/// What made a detection.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Subject<'a> {
    Rule(&'a RuleCard),
    Correlation(&'a AlertCard),
}

impl<'a> Subject<'a> {
    pub(crate) fn metadata(self) -> &'a Metadata {
        match self {
            Self::Rule(card) => &card.rule.metadata,
            Self::Correlation(card) => &card.correlation.metadata,
        }
    }

    /// The value of `rule` in jsonl.
    fn json(self) -> &'a [u8] {
        let made = match self {
            Self::Rule(card) => &card.json,
            Self::Correlation(card) => &card.json,
        };
        made.get_or_init(|| jsonl::rule(self.metadata()))
    }

    pub(crate) fn title(self) -> &'a str {
        &self.metadata().title
    }

    pub(crate) fn level(self) -> Option<Level> {
        self.metadata().level
    }

    /// The id, or where there is none the name or the title.
    pub(crate) fn id(self) -> &'a str {
        let metadata = self.metadata();
        metadata.id.as_deref().or(metadata.name.as_deref()).unwrap_or(&metadata.title)
    }
}

/// What a level is called.
pub(crate) fn level_name(level: Level) -> &'static str {
    match level {
        Level::Informational => "informational",
        Level::Low => "low",
        Level::Medium => "medium",
        Level::High => "high",
        Level::Critical => "critical",
    }
}

/// What a status is called.
pub(crate) fn status_name(status: sigmund_sigma::rule::Status) -> &'static str {
    use sigmund_sigma::rule::Status;
    match status {
        Status::Unsupported => "unsupported",
        Status::Deprecated => "deprecated",
        Status::Experimental => "experimental",
        Status::Test => "test",
        Status::Stable => "stable",
    }
}

/// A rule that matched an event, and where that was; or an alert of a correlation, with the event that caused it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hit<'a> {
    pub(crate) rule: Subject<'a>,
    pub(crate) alert: Option<&'a AlertView<'a>>,
    pub(crate) event: &'a Event,
    /// Of the event, computed when the first of its detections needs it.
    pub(crate) digest: &'a OnceCell<EventDigest>,
    /// The event as JSON, written when the first of its detections needs it.
    pub(crate) json: &'a OnceCell<Vec<u8>>,
    pub(crate) matched: &'a [Matched],
    pub(crate) path: &'a str,
    /// From 1, counted from the beginning of what is read as one part; headers and empty lines count.
    pub(crate) record: u64,
}

impl Hit<'_> {
    /// The same in every run, wherever the log lies.
    fn id(&self) -> DetectionId {
        match (self.alert, self.rule) {
            (Some(view), _) => view.alert.id,
            (None, Subject::Rule(card)) => {
                let digest = self.digest.get_or_init(|| EventDigest::of(&self.event.raw));
                DetectionId::new(&card.rule, digest)
            }
            (None, Subject::Correlation(_)) => unreachable!("a correlation has an alert"),
        }
    }

    /// When it happened.
    fn time(&self) -> Option<i64> {
        match self.alert {
            Some(view) => Some(view.alert.time),
            None => self.event.time.map(|time| time.nanos),
        }
    }

    /// What rules of several log sources made has none.
    fn has_event(&self) -> bool {
        self.alert.is_none_or(|view| !view.events.is_empty())
    }

    /// The record as it came, as JSON.
    fn record_json(&self) -> &[u8] {
        self.json.get_or_init(|| {
            let mut out = Vec::new();
            json::record(&self.event.raw, &mut out);
            out
        })
    }

    /// The log source of the event through which the rule saw it.
    fn log_source(&self) -> Option<&LogSource> {
        let have = &self.event.route.log_sources;
        let through = match self.rule {
            Subject::Rule(card) => have.iter().find(|have| card.rule.logsource.covers(have)),
            Subject::Correlation(_) => None,
        };
        through.or(have.first())
    }

    /// `field=value` of all that matched, each once.
    fn matched_texts(&self) -> Vec<(Option<&str>, &str)> {
        let mut texts = Vec::new();
        for part in self.matched {
            let text = (part.field.as_deref(), part.value.as_deref().unwrap_or("(none)"));
            if !texts.contains(&text) {
                texts.push(text);
            }
        }
        texts
    }

    /// A field of the event as text, by the first of these names that it has.
    fn field(&self, names: &[&str]) -> Option<String> {
        field(self.event, names)
    }
}

/// A field of an event as text, by the first of these names that it has.
pub(crate) fn field(event: &Event, names: &[&str]) -> Option<String> {
    names.iter().find_map(|name| {
        let mut value = event.object.get(name).or_else(|| event.lifted.get(name));
        if value.is_none() {
            let mut parts = name.split('.');
            value = parts.next().and_then(|first| event.object.get(first));
            for part in parts {
                value = match value {
                    Some(sigmund_engine::Value::Object(object)) => object.get(part),
                    _ => None,
                };
            }
        }
        value?.comparable().map(std::borrow::Cow::into_owned).filter(|text| !text.is_empty())
    })
}

/// The names under which logs say which machine an event is about.
pub(crate) const HOST_FIELDS: &[&str] = &[
    "Computer",
    "ComputerName",
    "host.name",
    "hostname",
    "Hostname",
    "host",
    "HostName",
    "computer_name",
];

/// The names under which logs say who is concerned.
const USER_FIELDS: &[&str] = &["user.name", "User", "user", "TargetUserName", "SubjectUserName"];

/// The names under which logs say who opened a connection.
const SOURCE_IP_FIELDS: &[&str] =
    &["source.ip", "id.orig_h", "src_ip", "SourceIp", "SourceAddress", "IpAddress", "srcip"];

/// The names under which logs say whom a connection was opened to.
const DESTINATION_IP_FIELDS: &[&str] =
    &["destination.ip", "id.resp_h", "dst_ip", "dest_ip", "DestinationIp", "DestAddress", "dstip"];

/// RFC 3339 in UTC.
pub(crate) fn rfc3339(nanos: i64) -> String {
    match jiff::Timestamp::from_nanosecond(i128::from(nanos)) {
        Ok(time) => time.to_string(),
        // Every i64 of nanoseconds is within what a timestamp can say.
        Err(_) => String::new(),
    }
}

/// A detection within a [`Buffer`].
#[derive(Clone, Debug)]
pub(crate) struct Mark {
    /// One past its last byte.
    pub(crate) end: usize,
    /// Event time in nanoseconds, if known.
    pub(crate) time: Option<i64>,
    /// Index of the rule.
    pub(crate) rule: u32,
    /// The machine it is about, where detections are only counted.
    pub(crate) host: Option<Box<str>>,
}

/// Encoded detections with places for record numbers.
#[derive(Debug, Default)]
pub(crate) struct Buffer {
    bytes: Vec<u8>,
    /// (offset, number within the part)
    numbers: Vec<(usize, u64)>,
    pub(crate) marks: Vec<Mark>,
}

impl Buffer {
    pub(crate) fn is_empty(&self) -> bool {
        self.marks.is_empty()
    }

    fn number(&mut self, record: u64) {
        self.numbers.push((self.bytes.len(), record));
    }

    /// Ends a detection.
    fn mark(&mut self, time: Option<i64>, rule: u32) {
        self.marks.push(Mark { end: self.bytes.len(), time, rule, host: None });
    }

    /// A detection that is only counted.
    pub(crate) fn count(&mut self, time: Option<i64>, rule: u32, host: Option<String>) {
        let host = host.map(String::into_boxed_str);
        self.marks.push(Mark { end: self.bytes.len(), time, rule, host });
    }

    /// Gives each detection with its numbers filled in, and forgets all.
    pub(crate) fn drain(
        &mut self,
        base: u64,
        each: &mut dyn FnMut(&Mark, &[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut text = Vec::new();
        let mut numbers = self.numbers.iter().peekable();
        let mut at = 0;
        for mark in &self.marks {
            text.clear();
            while let Some((offset, number)) = numbers.next_if(|(offset, _)| *offset <= mark.end) {
                text.extend_from_slice(&self.bytes[at..*offset]);
                write!(text, "{}", base + number)?;
                at = *offset;
            }
            text.extend_from_slice(&self.bytes[at..mark.end]);
            at = mark.end;
            each(mark, &text)?;
        }
        self.bytes.clear();
        self.numbers.clear();
        self.marks.clear();
        Ok(())
    }
}

/// Writes detections in one format.
#[derive(Clone, Debug)]
pub(crate) struct Encoder {
    format: DetectionFormat,
    style: Style,
}

impl Encoder {
    pub(crate) fn new(format: DetectionFormat, style: Style) -> Self {
        Self { format, style }
    }

    /// What comes before the first detection.
    pub(crate) fn begin(&self, out: &mut dyn Write) -> io::Result<()> {
        match self.format {
            DetectionFormat::Csv => out.write_all(csv::HEADER),
            DetectionFormat::Json => out.write_all(b"["),
            DetectionFormat::Table
            | DetectionFormat::Jsonl
            | DetectionFormat::Ecs
            | DetectionFormat::Ocsf => Ok(()),
        }
    }

    /// What comes before a detection: tables and arrays differ at the first.
    pub(crate) fn before(&self, first: bool, out: &mut dyn Write) -> io::Result<()> {
        match self.format {
            DetectionFormat::Json if first => out.write_all(b"\n"),
            DetectionFormat::Json => out.write_all(b",\n"),
            DetectionFormat::Table if first => table::header(&self.style, out),
            _ => Ok(()),
        }
    }

    /// What comes after the last detection.
    pub(crate) fn end(&self, any: bool, out: &mut dyn Write) -> io::Result<()> {
        match self.format {
            DetectionFormat::Json if any => out.write_all(b"\n]\n"),
            DetectionFormat::Json => out.write_all(b"]\n"),
            _ => Ok(()),
        }
    }

    /// Appends one detection.
    pub(crate) fn detection(&self, hit: &Hit<'_>, rule: u32, out: &mut Buffer) {
        match self.format {
            DetectionFormat::Table => table::row(&self.style, hit, out),
            DetectionFormat::Jsonl => {
                jsonl::object(hit, out);
                out.bytes.push(b'\n');
            }
            DetectionFormat::Json => jsonl::object(hit, out),
            DetectionFormat::Csv => csv::row(hit, out),
            DetectionFormat::Ecs => ecs::object(hit, out),
            DetectionFormat::Ocsf => ocsf::object(hit, out),
        }
        out.mark(hit.time(), rule);
    }
}

/// The ATT&CK technique ids among a rule's tags: `attack.t1059.001` → `T1059.001`.
fn techniques(metadata: &Metadata) -> impl Iterator<Item = String> + '_ {
    metadata.tags.iter().filter_map(|tag| {
        let id = tag.strip_prefix("attack.t")?;
        id.starts_with(|c: char| c.is_ascii_digit()).then(|| format!("T{id}"))
    })
}
