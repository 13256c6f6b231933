//! Detections for machines: one file for each format, all of the same [`Hit`]s.
//!
//! A record's number within its file is not known while a part of the file is read on its own, so encoders
//! leave places for numbers in a [`Buffer`], which are filled when the part is written out in its turn.

mod alert;
mod attack;
mod confluent;
mod cut;
mod ecs;
mod extension;
mod facts;
pub mod json;
mod jsonl;
mod ocsf;
mod tree;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sigmund_engine::detection::Matched;
use sigmund_engine::value::lossy;
use sigmund_engine::{DetectionId, Event, EventDigest, Occurrence, Record};
use sigmund_sigma::rule::{Level, Metadata};
use sigmund_sigma::{LogSource, Rule};
use std::borrow::Cow;
use std::cell::OnceCell;
use std::io;
use std::sync::{Arc, OnceLock};

pub use alert::{AlertCard, AlertView, Contribution, no_event};
pub use cut::Cut;
pub use extension::Extension;

/// So many bytes are shown of a value that matched: hundreds of rules may match the same long one.
const LONGEST_MATCHED: usize = 4 << 10;

/// How detections are written for machines: one object each, on one line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// As `docs/detection.schema.json` says.
    #[default]
    Json,
    /// Elastic Common Schema 8.
    Ecs,
    /// OCSF Detection Finding.
    Ocsf,
    /// As Confluent Sigma writes them.
    Confluent,
}

impl Format {
    /// Appends one detection, without a line end.
    pub fn write(self, hit: &Hit<'_>, out: &mut Buffer) {
        match self {
            Self::Json => jsonl::object(hit, out),
            Self::Ecs => ecs::object(hit, out),
            Self::Ocsf => ocsf::object(hit, out),
            Self::Confluent => confluent::object(hit, out),
        }
    }
}

/// A rule as detections show it.
#[derive(Debug)]
pub struct RuleCard {
    /// What was loaded.
    pub rule: Arc<Rule>,
    /// What it asks for beyond Sigma.
    pub extension: Extension,
    /// The value of `rule` in jsonl, written when it first matches.
    json: OnceLock<Vec<u8>>,
}

impl RuleCard {
    /// The card of a rule.
    #[must_use]
    pub fn new(rule: Arc<Rule>) -> Self {
        let extension = Extension::of(&rule.metadata);
        Self { rule, extension, json: OnceLock::new() }
    }

    /// What the rule is called.
    #[must_use]
    pub fn title(&self) -> &str {
        &self.rule.metadata.title
    }

    /// Whether this is its id, name, title or the stem of its file.
    #[must_use]
    pub fn is_called(&self, name: &str) -> bool {
        is_called(&self.rule.metadata, name)
    }
}

/// Whether this is the id, name, title or the stem of the file of a rule.
#[must_use]
pub fn is_called(metadata: &Metadata, name: &str) -> bool {
    let file = std::path::Path::new(&*metadata.source);
    metadata.id.as_deref() == Some(name)
        || metadata.name.as_deref() == Some(name)
        || metadata.title == name
        || *metadata.source == *name
        || file.file_stem().is_some_and(|stem| stem == name)
}

/// The id of a rule, or where there is none its name or title.
#[must_use]
pub fn id_of(metadata: &Metadata) -> &str {
    metadata.id.as_deref().or(metadata.name.as_deref()).unwrap_or(&metadata.title)
}

/// What made a detection.
#[derive(Clone, Copy, Debug)]
pub enum Subject<'a> {
    /// A rule, of an event.
    Rule(&'a RuleCard),
    /// A correlation, of several.
    Correlation(&'a AlertCard),
}

impl<'a> Subject<'a> {
    /// What its author says of it.
    #[must_use]
    pub fn metadata(self) -> &'a Metadata {
        match self {
            Self::Rule(card) => &card.rule.metadata,
            Self::Correlation(card) => &card.correlation.metadata,
        }
    }

    /// What it asks for beyond Sigma.
    #[must_use]
    pub fn extension(self) -> &'a Extension {
        match self {
            Self::Rule(card) => &card.extension,
            Self::Correlation(card) => &card.extension,
        }
    }

    /// The value of `rule` in jsonl.
    #[must_use]
    pub fn json(self) -> &'a [u8] {
        let made = match self {
            Self::Rule(card) => &card.json,
            Self::Correlation(card) => &card.json,
        };
        made.get_or_init(|| jsonl::rule(self.metadata()))
    }

    /// What it is called.
    #[must_use]
    pub fn title(self) -> &'a str {
        &self.metadata().title
    }

    /// How bad it is, if its author says so.
    #[must_use]
    pub fn level(self) -> Option<Level> {
        self.metadata().level
    }

    /// The id, or where there is none the name or the title.
    #[must_use]
    pub fn id(self) -> &'a str {
        id_of(self.metadata())
    }
}

/// What a level is called.
#[must_use]
pub fn level_name(level: Level) -> &'static str {
    match level {
        Level::Informational => "informational",
        Level::Low => "low",
        Level::Medium => "medium",
        Level::High => "high",
        Level::Critical => "critical",
    }
}

/// What a status is called.
#[must_use]
pub fn status_name(status: sigmund_sigma::rule::Status) -> &'static str {
    use sigmund_sigma::rule::Status;
    match status {
        Status::Unsupported => "unsupported",
        Status::Deprecated => "deprecated",
        Status::Experimental => "experimental",
        Status::Test => "test",
        Status::Stable => "stable",
    }
}

/// An event as its detections show it. What they share is computed once, when the first of them needs it.
#[derive(Debug)]
pub struct EventView<'a> {
    event: &'a dyn Occurrence,
    path: &'a str,
    record: u64,
    /// When it came here, in nanoseconds UTC, for formats in which every event has a time.
    received: Option<i64>,
    digest: OnceCell<EventDigest>,
    /// The record as JSON.
    json: OnceCell<Vec<u8>>,
    /// Its fields as a JSON object.
    fields: OnceCell<Vec<u8>>,
}

impl<'a> EventView<'a> {
    /// An event and where it was: `record` is its offset in a partition; in what is read as one part it counts from 1, with headers and empty lines.
    #[must_use]
    pub fn new(event: &'a dyn Occurrence, path: &'a str, record: u64) -> Self {
        let (digest, json, fields) = (OnceCell::new(), OnceCell::new(), OnceCell::new());
        Self { event, path, record, received: None, digest, json, fields }
    }

    /// The same with the time at which it came here: what has no time of its own has that.
    #[must_use]
    pub fn received(self, received: Option<i64>) -> Self {
        Self { received, ..self }
    }

    /// The event.
    #[must_use]
    pub fn event(&self) -> &'a dyn Occurrence {
        self.event
    }
}

/// A rule that matched an event, and where that was; or an alert of a correlation, with the event that caused it.
#[derive(Clone, Copy, Debug)]
pub struct Hit<'a> {
    rule: Subject<'a>,
    alert: Option<&'a AlertView<'a>>,
    view: &'a EventView<'a>,
    matched: &'a [Matched],
    /// What [`write_once`](Self::write_once) wrote of the same before.
    written: Option<&'a OnceCell<Box<[u8]>>>,
    /// Where it is sent.
    topic: Option<&'a str>,
    /// What is left of it, if it is too large.
    cut: Option<&'a Cut>,
}

impl<'a> Hit<'a> {
    /// What a rule matched in an event.
    #[must_use]
    pub fn of_rule(card: &'a RuleCard, view: &'a EventView<'a>, matched: &'a [Matched]) -> Self {
        let rule = Subject::Rule(card);
        Self { rule, alert: None, view, matched, written: None, topic: None, cut: None }
    }

    /// An alert with the event that caused it ([`no_event`] where there is none). `matched` is [`AlertView::matched`].
    #[must_use]
    pub fn of_alert(
        alert: &'a AlertView<'a>,
        view: &'a EventView<'a>,
        matched: &'a [Matched],
    ) -> Self {
        let rule = Subject::Correlation(alert.card);
        Self { rule, alert: Some(alert), view, matched, written: None, topic: None, cut: None }
    }

    /// The same, of which what is written for what matched is remembered ([`Recalled::written`](sigmund_engine::Recalled::written)).
    #[must_use]
    pub fn written(self, written: Option<&'a OnceCell<Box<[u8]>>>) -> Self {
        Self { written, ..self }
    }

    /// The same on its way to a topic.
    #[must_use]
    pub fn to(self, topic: &'a str) -> Self {
        Self { topic: Some(topic), ..self }
    }

    /// What is left of it.
    #[must_use]
    pub fn cut(self, cut: &'a Cut) -> Self {
        Self { cut: Some(cut), ..self }
    }

    /// What made it.
    #[must_use]
    pub fn rule(&self) -> Subject<'a> {
        self.rule
    }

    /// The event.
    #[must_use]
    pub fn event(&self) -> &'a dyn Occurrence {
        self.view.event
    }

    /// The file, or whatever else the event was read from.
    #[must_use]
    pub fn path(&self) -> &'a str {
        self.view.path
    }

    /// The number of the record within the part that was read.
    #[must_use]
    pub fn record(&self) -> u64 {
        self.view.record
    }

    /// The same in every run, wherever the log lies.
    #[must_use]
    pub fn id(&self) -> DetectionId {
        match (self.alert, self.rule) {
            (Some(view), _) => view.alert.id,
            (None, Subject::Rule(card)) => {
                let digest = self.view.digest.get_or_init(|| EventDigest::of(self.event().raw()));
                DetectionId::new(&card.rule, digest)
            }
            (None, Subject::Correlation(_)) => unreachable!("a correlation has an alert"),
        }
    }

    /// When it happened.
    #[must_use]
    pub fn time(&self) -> Option<i64> {
        match self.alert {
            Some(view) => Some(view.alert.time),
            None => self.event().time().map(|time| time.nanos),
        }
    }

    /// When it happened, or else when its event came here; and whether that had to be assumed.
    fn stamp(&self) -> Option<(i64, bool)> {
        let known = self.time().map(|time| (time, false));
        known.or(self.view.received.map(|time| (time, true)))
    }

    /// Writes that the time is not that of the event.
    fn write_assumed(&self, out: &mut Vec<u8>) {
        if self.stamp().is_some_and(|(_, is_assumed)| is_assumed) {
            json::key("time_assumed", out);
            out.extend_from_slice(b"true");
        }
    }

    /// What rules of several log sources made has none.
    #[must_use]
    pub fn has_event(&self) -> bool {
        self.alert.is_none_or(|view| !view.events.is_empty())
    }

    /// The record as it came, as JSON.
    fn record_json(&self) -> Cow<'_, [u8]> {
        let raw = self.event().raw();
        if self.cut.is_some_and(|cut| raw.len() > cut.event) {
            let mut out = Vec::new();
            json::string(&self.record_text(), &mut out);
            return out.into();
        }
        if self.event().record().is_some_and(|record| record.is_compact) && !json::has_control(raw)
        {
            return raw.into();
        }
        let made = self.view.json.get_or_init(|| {
            let mut out = Vec::new();
            json::record(self.event().raw(), &mut out);
            out
        });
        made.into()
    }

    /// The fields of the event as a JSON object.
    fn fields_json(&self) -> Cow<'_, [u8]> {
        if let Some(cut) = self.cut {
            return cut::small_fields(&self.event().whole().object, cut).into();
        }
        let made = self.view.fields.get_or_init(|| {
            let mut out = Vec::new();
            let mut show = |bytes: &[u8], record: &Record| json::fields(bytes, record, &mut out);
            if !self.event().fields(&mut show) {
                json::object(&self.event().whole().object, &mut out);
            }
            out
        });
        made.into()
    }

    /// The record as it came, as text.
    fn record_text(&self) -> Cow<'_, str> {
        let raw = self.event().raw();
        let limit = self.cut.map_or(raw.len(), |cut| raw.len().min(cut.event));
        lossy(&raw[..limit])
    }

    /// A value as it is shown.
    fn shown<'t>(&self, value: &'t str) -> &'t str {
        self.cut.map_or(value, |cut| cut::beginning(value, cut.value))
    }

    /// Writes why it is not shown in whole.
    fn write_cut(&self, out: &mut Vec<u8>) {
        json::optional("truncated", self.cut.map(|cut| &*cut.why), out);
    }

    /// The log source of the event through which the rule saw it.
    #[must_use]
    pub fn log_source(&self) -> Option<&'a LogSource> {
        let have = &self.event().route().log_sources;
        let through = match self.rule {
            Subject::Rule(card) => have.iter().find(|have| card.rule.logsource.covers(have)),
            Subject::Correlation(_) => None,
        };
        through.or(have.first())
    }

    /// The value of what matched as it is shown, and whether that is only its beginning: the event has it in whole.
    fn shown_value<'t>(&self, value: &'t str) -> (&'t str, bool) {
        let shown = cut::beginning(self.shown(value), LONGEST_MATCHED);
        (shown, shown.len() < value.len())
    }

    /// Appends what `write` makes of the hit, or made of an earlier one: it is to depend on nothing but the rule, the kind of the event and what
    /// matched, and to be the same for all hits.
    fn write_once(&self, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
        match self.written.filter(|_| self.cut.is_none()) {
            Some(written) => out.extend_from_slice(written.get_or_init(|| {
                let mut made = Vec::new();
                write(&mut made);
                made.into()
            })),
            None => write(out),
        }
    }

    /// `field=value` of all that matched, each once. What is shown in part ends with `…`.
    #[must_use]
    pub fn matched_texts(&self) -> Vec<(Option<&'a str>, Cow<'a, str>)> {
        let mut texts = Vec::new();
        for part in self.matched {
            let value = match self.shown_value(part.value.as_deref().unwrap_or("(none)")) {
                (whole, false) => Cow::Borrowed(whole),
                (beginning, true) => Cow::Owned(format!("{beginning}…")),
            };
            let text = (part.field.as_deref(), value);
            if !texts.contains(&text) {
                texts.push(text);
            }
        }
        texts
    }

    /// What named groups of the rule's regular expressions hold, each name once: the first counts.
    #[must_use]
    pub fn extracted(&self) -> Vec<(&'a str, &'a str)> {
        let mut fields: Vec<(&str, &str)> = Vec::new();
        for (name, value) in self.matched.iter().flat_map(|part| &part.extracted) {
            if !fields.iter().any(|(known, _)| **known == **name) {
                fields.push((name, self.shown(value)));
            }
        }
        fields
    }

    /// Appends what the rule adds to its detections: `custom_fields` and `extracted`, where there are some.
    fn write_added(&self, out: &mut Vec<u8>) {
        if let Some(fields) = &self.rule.extension().custom_fields {
            json::key("custom_fields", out);
            out.extend_from_slice(fields.as_bytes());
        }
        let extracted = self.extracted();
        if !extracted.is_empty() {
            json::key("extracted", out);
            out.push(b'{');
            extracted.iter().for_each(|(name, value)| json::named_text(name, value, out));
            out.push(b'}');
        }
    }

    /// A field of the event as text, by the first of these names that it has.
    #[must_use]
    pub fn field(&self, names: &[&str]) -> Option<String> {
        let mut value = field(self.event().whole(), names)?;
        value.truncate(self.shown(&value).len());
        Some(value)
    }
}

/// A field of an event as text, by the first of these names that it has.
#[must_use]
pub fn field(event: &Event, names: &[&str]) -> Option<String> {
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
pub const HOST_FIELDS: &[&str] = &[
    "Computer",
    "ComputerName",
    "host.name",
    "hostname",
    "Hostname",
    "host",
    "HostName",
    "computer_name",
];

/// RFC 3339 in UTC.
#[must_use]
pub fn rfc3339(nanos: i64) -> String {
    match jiff::Timestamp::from_nanosecond(i128::from(nanos)) {
        Ok(time) => time.to_string(),
        // Every i64 of nanoseconds is within what a timestamp can say.
        Err(_) => String::new(),
    }
}

/// A detection within a [`Buffer`].
#[derive(Clone, Debug)]
pub struct Mark {
    /// One past its last byte.
    pub end: usize,
    /// Event time in nanoseconds, if known.
    pub time: Option<i64>,
    /// Index of the rule.
    pub rule: u32,
    /// The machine it is about, where detections are only counted.
    pub host: Option<Box<str>>,
}

/// The most digits that a number of a record may have.
const DIGITS: usize = 20;

/// Encoded detections with places for record numbers.
#[derive(Debug, Default)]
pub struct Buffer {
    bytes: Vec<u8>,
    /// (offset of [`DIGITS`] bytes that are left for it, number within the part)
    numbers: Vec<(usize, u64)>,
    marks: Vec<Mark>,
}

impl Buffer {
    /// Whether there is no detection in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.marks.is_empty()
    }

    /// What was written so far. It only grows, by whole texts.
    pub fn bytes(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Leaves a place for the number of a record within the part.
    pub fn number(&mut self, record: u64) {
        self.numbers.push((self.bytes.len(), record));
        self.bytes.extend_from_slice(&[b' '; DIGITS]);
    }

    /// Ends a detection.
    pub fn mark(&mut self, time: Option<i64>, rule: u32) {
        self.marks.push(Mark { end: self.bytes.len(), time, rule, host: None });
    }

    /// A detection that is only counted.
    pub fn count(&mut self, time: Option<i64>, rule: u32, host: Option<String>) {
        let host = host.map(String::into_boxed_str);
        self.marks.push(Mark { end: self.bytes.len(), time, rule, host });
    }

    /// Gives each detection with its numbers filled in, and forgets all.
    pub fn drain(
        &mut self,
        base: u64,
        each: &mut dyn FnMut(&Mark, &[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        let bytes = &mut self.bytes;
        let mut numbers = &*self.numbers;
        let mut start = 0;
        for mark in &self.marks {
            let (own, rest) = numbers.split_at(numbers.partition_point(|one| one.0 < mark.end));
            numbers = rest;
            // What comes before a number moves up to it, from the last one on: that is the lesser part of a detection.
            let mut at = own.last().map_or(start, |(offset, _)| offset + DIGITS);
            for (index, (offset, number)) in own.iter().enumerate().rev() {
                let mut number = base + number;
                loop {
                    at -= 1;
                    bytes[at] = b'0' + (number % 10) as u8;
                    number /= 10;
                    if number == 0 {
                        break;
                    }
                }
                let from = match index {
                    0 => start,
                    _ => own[index - 1].0 + DIGITS,
                };
                at -= offset - from;
                bytes.copy_within(from..*offset, at);
            }
            each(mark, &bytes[at..mark.end])?;
            start = mark.end;
        }
        self.bytes.clear();
        self.numbers.clear();
        self.marks.clear();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_detection_has_its_own_numbers() {
        let mut buffer = Buffer::default();
        let mut expected = Vec::new();
        let base = 1_000;
        for (detection, numbers) in [0, 1, 3, 2].into_iter().enumerate() {
            let mut text = format!("<{detection}");
            buffer.bytes().extend_from_slice(text.as_bytes());
            for number in (0..numbers).map(|number| number * u64::from(u32::MAX)) {
                let after = "-".repeat(detection * 30);
                buffer.number(number);
                buffer.bytes().extend_from_slice(after.as_bytes());
                text.push_str(&format!("{}{after}", base + number));
            }
            buffer.bytes().push(b'>');
            text.push('>');
            buffer.mark(None, 7);
            expected.push(text);
        }
        for _ in 0..2 {
            let mut found = Vec::new();
            let mut add = |mark: &Mark, text: &[u8]| {
                assert_eq!(mark.rule, 7);
                found.push(String::from_utf8_lossy(text).into_owned());
                Ok(())
            };
            buffer.drain(base, &mut add).expect("nothing fails");
            assert_eq!(found, expected);
            assert!(buffer.is_empty());
            expected.clear();
        }
    }
}
