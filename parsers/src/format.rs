//! What a log format is to the rest of the program.

use crate::{json, text};
use sigmund_engine::value::lossy;
use sigmund_engine::{
    AliasTable, Body, Event, EventTime, Kind, Object, Record, Route, Routing, Value,
};
use std::sync::Arc;

/// The beginning of a stream, for recognising its format.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    /// File name without folders, with compression endings removed; empty for stdin.
    pub file_name: &'a str,
    /// The first bytes (up to 64 KiB), decompressed and decoded to UTF-8 where it was UTF-16.
    pub bytes: &'a [u8],
}

/// How sure a format is that a stream is its own. The highest wins; ties go to the earlier in [`FORMATS`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Score(pub u8);

impl Score {
    /// Not mine.
    pub const NO: Self = Self(0);
    /// I can read it, and so can others (plain text).
    pub const FALLBACK: Self = Self(10);
    /// It looks like mine.
    pub const LIKELY: Self = Self(50);
    /// It has my signature: formats behind this one are not asked any more.
    pub const SURE: Self = Self(90);
}

/// What a parser is told about its stream.
#[derive(Clone, Debug)]
pub struct StreamInfo {
    /// File name without folders; for formats whose kind is in the name (`conn.log`).
    pub file_name: Arc<str>,
    /// For times without a year: a time close to the first record (file time), nanoseconds UTC.
    pub reference_time: i64,
    /// For times without a zone; UTC unless the user says otherwise (never the machine's).
    pub assumed_zone: jiff::tz::TimeZone,
    /// Gives routes.
    pub routing: Arc<Routing>,
}

impl StreamInfo {
    /// Of a stream with times in UTC and the routes of its own.
    #[must_use]
    pub fn new(file_name: &str, reference_time: i64) -> Self {
        Self {
            file_name: file_name.into(),
            reference_time,
            assumed_zone: jiff::tz::TimeZone::UTC,
            routing: Arc::default(),
        }
    }
}

/// How one record went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// An event.
    Event,
    /// Understood, but no event: a header, a comment, an empty line. The reason is counted.
    Skip(&'static str),
    /// Not this format: the caller offers the line to the other line formats, at last to plain text.
    Foreign,
}

/// So many bytes behind a line let [`Parser::parse_line`] look at it in whole vectors.
pub(crate) const ROOM: usize = 64;

/// Where so many bytes of a block are left, it takes [`Parser::parse_line`] the least: they are there whatever it looks at.
pub(crate) const REACH: usize = (16 << 10) + 512;

/// A record that is a line of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// How many bytes the record has.
    pub record: usize,
    /// How many the line has with its end.
    pub whole: usize,
}

/// Reads the records of one stream; keeps what headers said.
pub trait Parser: Send {
    /// Reads one record into `record`, which the caller has cleared: fields under their native names, the route, the body, the time if wanted.
    /// Reading the same bytes again right after must give the same (a matched record is read again in full).
    fn parse(&mut self, bytes: &[u8], record: &mut Record) -> Outcome;

    /// Reads the record that begins a block if it is surely a line of its own, much like records that [`parse`](Self::parse) has read, and
    /// gives what `parse` would; otherwise `None`, and the record has to be cleared. Lines that end within the last 64 bytes of a block may not be found.
    fn parse_line(&mut self, _block: &[u8], _record: &mut Record) -> Option<Line> {
        None
    }

    /// Whether [`parse_line`](Self::parse_line) may know the next record: only then it is worth to copy it to where it is a line in a block.
    /// To be asked once for each record, since parsers count those that they let go by.
    fn wants_line(&mut self) -> bool {
        false
    }

    /// Whether a line that says nothing of itself is a record because of what was read before it: a row below its header.
    fn knows(&self, _line: &[u8]) -> bool {
        false
    }

    /// A record of what waits for more, when the stream ends without it; to be asked again until nothing does.
    fn finish(&mut self) -> Option<Vec<u8>> {
        None
    }

    /// When the record happened that was just parsed without its time being wanted; `None` if that has to be read in full.
    fn time_of(&mut self, _bytes: &[u8], _record: &Record) -> Option<Option<EventTime>> {
        None
    }

    /// Reads one record in full: into `record`, which collects every name, and whose route is the one that [`parse`](Self::parse) found, if it did.
    /// Formats with structure of their own (JSON) give the event instead.
    fn reread(&mut self, bytes: &[u8], record: &mut Record) -> Option<Event> {
        record.clear();
        let _ = self.parse(bytes, record);
        None
    }

    /// The whole event of a record; `record` as for [`reread`](Self::reread).
    fn event(&mut self, bytes: &[u8], record: &mut Record) -> Event {
        self.reread(bytes, record).unwrap_or_else(|| flat_event(bytes, record))
    }
}

/// The event that a collecting record holds: each field a member.
#[must_use]
pub fn flat_event(bytes: &[u8], record: &Record) -> Event {
    let mut object = Object(Vec::with_capacity(record.fields.present().count()));
    for slot in record.fields.present() {
        let mut values = record.fields.values(slot).map(|value| {
            let bytes = record.fields.bytes(bytes, value);
            field_value(value.kind, bytes)
        });
        let value = match (values.next(), values.next()) {
            (Some(only), None) => only,
            (Some(first), Some(second)) => {
                Value::Array([first, second].into_iter().chain(values).collect())
            }
            (None, _) => continue,
        };
        object.push(record.fields.name(slot), value);
    }
    Event {
        raw: bytes.into(),
        object,
        lifted: Object::default(),
        keywords_in_raw: record.body == Body::Text,
        route: record.route.clone().unwrap_or_else(unrouted),
        time: record.time,
    }
}

/// A value of a record.
#[must_use]
pub fn field_value(kind: Kind, bytes: &[u8]) -> Value {
    let text = || lossy(bytes);
    match kind {
        Kind::Null => Value::Null,
        Kind::True => Value::Bool(true),
        Kind::False => Value::Bool(false),
        Kind::Number => Value::Number(text().into()),
        Kind::Text => Value::Text(text().into()),
        Kind::JsonText => {
            let mut out = Vec::with_capacity(bytes.len());
            json::read::unescape(bytes, &mut out);
            Value::Text(String::from_utf8_lossy(&out).into())
        }
        Kind::Object => match json::read::value(bytes) {
            Ok(document) => document.value,
            Err(_) => Value::Object(Object::default()),
        },
        Kind::Empty => Value::Array(Vec::new()),
    }
}

/// For a parser that set no route, which is a mistake of that parser: no log source.
fn unrouted() -> Arc<Route> {
    Routing::default().route("unrouted", Vec::new(), None, &Arc::default(), &|_| None)
}

/// What one record looks like in a stream of this format.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Framing {
    /// A line; octet-counted frames (RFC 6587) and NUL-terminated records where the stream has them.
    #[default]
    Lines,
    /// A JSON object: one per line, pretty-printed, back to back, in an array or in a wrapper.
    Json,
    /// An `<Event>` element.
    Xml,
    /// The whole stream is one piece that the format takes apart by itself (EVTX); never read by `Stream`.
    Whole,
}

/// A log format. One file each.
pub trait Format: Sync + Send {
    /// Short name for `--input-format` and reports: `zeek`, `eve`, `syslog`.
    fn name(&self) -> &'static str;

    /// How well the stream's beginning fits.
    fn sniff(&self, head: &Head<'_>) -> Score;

    /// How well one line fits, for streams of mixed formats and for the bodies of envelopes (syslog, docker …).
    /// Must be cheap: a look at the first bytes.
    fn sniff_line(&self, line: &[u8]) -> Score {
        self.sniff(&Head { file_name: "", bytes: line })
    }

    /// What one record looks like.
    fn framing(&self) -> Framing {
        Framing::Lines
    }

    /// Whether a parser opened in the middle of a stream reads the same as one that saw the beginning:
    /// no headers, no state from record to record.
    fn is_stateless(&self) -> bool {
        true
    }

    /// Begins a stream.
    fn open(&self, info: &StreamInfo) -> Box<dyn Parser>;

    /// The aliases of all its kinds of events, so that the fields they read are wanted too.
    fn aliases(&self) -> Vec<Arc<AliasTable>>;
}

/// All formats, in the order in which ties are decided. Plain text, which takes anything, is the last.
#[rustfmt::skip]
pub static FORMATS: &[&dyn Format] = &[
    &crate::envelope::Envelope,
    &json::Json,
    &crate::windows::evtx::Evtx,
    &crate::windows::xml::Xml,
    &crate::zeek::Zeek,
    &crate::suricata::Fast,
    &crate::envelope::Cri,
    &crate::syslog::Syslog,
    &text::Text,
];
