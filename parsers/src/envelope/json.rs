//! Envelopes that are JSON objects: which members carry a log line, and where its time and program stand.

use super::{Content, merge, own_time};
use crate::json::{Json, read};
use crate::syslog::kind::Routes;
use crate::{Format, Outcome, Parser, StreamInfo, syslog};
use sigmund_engine::{Body, Event, EventTime, Object, Record, TimeSource, Value};
use std::sync::Arc;

/// An envelope.
struct Shape {
    /// Members that all must be there.
    needs: &'static [&'static str],
    /// Members of which one must be there; empty: no matter.
    one_of: &'static [&'static str],
    /// Members that must not be there.
    not: &'static [&'static str],
    /// Where the content is: dotted, the first that is text.
    content: &'static [&'static str],
    /// The time.
    time: &'static [&'static str],
    /// The program, for contents that are a message without its syslog header.
    program: &'static [&'static str],
}

const SHAPES: &[Shape] = &[
    // docker json-file; Fluentd and Fluent Bit with Kubernetes metadata.
    Shape {
        needs: &["log"],
        one_of: &["stream", "kubernetes"],
        not: &[],
        content: &["log"],
        time: &["time", "@timestamp"],
        program: &[],
    },
    // journalctl -o json and what ships it.
    Shape {
        needs: &["MESSAGE"],
        one_of: &[
            "__REALTIME_TIMESTAMP",
            "__CURSOR",
            "_BOOT_ID",
            "_HOSTNAME",
            "SYSLOG_IDENTIFIER",
            "_SYSTEMD_UNIT",
        ],
        not: &[],
        content: &["MESSAGE"],
        time: &["_SOURCE_REALTIME_TIMESTAMP", "__REALTIME_TIMESTAMP"],
        program: &["SYSLOG_IDENTIFIER", "_COMM"],
    },
    // Splunk export.
    Shape {
        needs: &["result"],
        one_of: &["preview", "offset", "lastrow"],
        not: &[],
        content: &["result._raw"],
        time: &["result._time"],
        program: &[],
    },
    Shape {
        needs: &["_raw"],
        one_of: &[],
        not: &[],
        content: &["_raw"],
        time: &["_time"],
        program: &[],
    },
    // Sentinel and Log Analytics: Syslog.
    Shape {
        needs: &["SyslogMessage"],
        one_of: &[],
        not: &[],
        content: &["SyslogMessage"],
        time: &["EventTime", "TimeGenerated"],
        program: &["ProcessName"],
    },
    // Wazuh archives and alerts.
    Shape {
        needs: &["full_log"],
        one_of: &[],
        not: &["win", "data.win"],
        content: &["full_log"],
        time: &["timestamp"],
        program: &["predecoder.program_name"],
    },
    // Graylog.
    Shape {
        needs: &["short_message", "version"],
        one_of: &["host"],
        not: &[],
        content: &["full_message", "short_message"],
        time: &[],
        program: &["_program", "_application_name"],
    },
    // Filebeat, Logstash, Elastic Agent. Windows events have their fields beside the message.
    Shape {
        needs: &["message"],
        one_of: &["agent", "beat", "@version", "prospector", "input", "log"],
        not: &["winlog", "event_data", "Event"],
        content: &["event.original", "message"],
        time: &["@timestamp"],
        program: &["process.name", "syslog.appname"],
    },
    Shape {
        needs: &["event"],
        one_of: &["agent", "ecs", "@timestamp"],
        not: &["winlog"],
        content: &["event.original"],
        time: &["@timestamp"],
        program: &["process.name"],
    },
];

/// Member names one of which every envelope has; found in the text, quotes and all.
const HINTS: &[&[u8]] = &[
    b"\"log\":",
    b"\"log\" :",
    b"\"MESSAGE\"",
    b"\"_raw\"",
    b"\"SyslogMessage\"",
    b"\"full_log\"",
    b"\"short_message\"",
    b"\"original\"",
    b"\"message\"",
];

/// Further names of which one must be there too.
const SECOND: &[&[u8]] = &[
    b"\"stream\"",
    b"\"kubernetes\"",
    b"\"__REALTIME_TIMESTAMP\"",
    b"\"__CURSOR\"",
    b"\"_HOSTNAME\"",
    b"\"_BOOT_ID\"",
    b"\"SYSLOG_IDENTIFIER\"",
    b"\"_SYSTEMD_UNIT\"",
    b"\"_raw\"",
    b"\"SyslogMessage\"",
    b"\"full_log\"",
    b"\"short_message\"",
    b"\"agent\"",
    b"\"beat\"",
    b"\"@version\"",
    b"\"prospector\"",
    b"\"input\"",
    b"\"ecs\"",
    b"\"original\"",
];

/// Whether an object may be an envelope: a search for a few names.
pub(super) fn hints(bytes: &[u8]) -> bool {
    if bytes.first() != Some(&b'{') {
        return false;
    }
    let has =
        |names: &[&[u8]]| names.iter().any(|name| memchr::memmem::find(bytes, name).is_some());
    has(HINTS)
        && has(SECOND)
        // Windows events have a message too.
        && memchr::memmem::find(bytes, b"\"winlog\"").is_none()
        && memchr::memmem::find(bytes, b"\"event_data\"").is_none()
        && memchr::memmem::find(bytes, b"\"EventID\"").is_none()
}

/// Whether the object is an envelope.
pub(super) fn opens(bytes: &[u8]) -> bool {
    EnvelopeParser::open(bytes).is_some()
}

/// A member by dotted path, also with dots in its name.
fn member<'a>(object: &'a Object, path: &str) -> Option<&'a Value> {
    if let Some(value) = object.get(path) {
        return Some(value);
    }
    let (first, rest) = path.split_once('.')?;
    match object.get(first)? {
        Value::Object(inner) => member(inner, rest),
        _ => None,
    }
}

/// Text, or journald's bytes as numbers and its lists of texts.
fn content_text(value: &Value) -> Option<String> {
    match value {
        Value::Text(text) => Some(text.to_string()),
        Value::Array(elements) => {
            let bytes: Option<Vec<u8>> = elements
                .iter()
                .map(|element| match element {
                    Value::Number(number) => number.parse::<u8>().ok(),
                    _ => None,
                })
                .collect();
            match bytes {
                Some(bytes) if !bytes.is_empty() => {
                    Some(String::from_utf8_lossy(&bytes).into_owned())
                }
                _ => elements.iter().find_map(|element| match element {
                    Value::Text(text) => Some(text.to_string()),
                    _ => None,
                }),
            }
        }
        _ => None,
    }
}

fn first<'a>(object: &'a Object, paths: &[&'static str]) -> Option<(&'static str, &'a Value)> {
    paths.iter().find_map(|path| {
        let value = member(object, path)?;
        (!matches!(value, Value::Null | Value::Object(_))).then_some((*path, value))
    })
}

impl Shape {
    fn fits(&self, object: &Object) -> bool {
        let has = |name: &&str| {
            object.get(name).is_some() || (name.contains('.') && member(object, name).is_some())
        };
        self.needs.iter().all(&has)
            && (self.one_of.is_empty() || self.one_of.iter().any(&has))
            && !self.not.iter().any(has)
            && first(object, self.content).is_some()
    }
}

pub(crate) struct EnvelopeParser {
    outer: Box<dyn Parser>,
    content: Content,
    routes: Routes,
    info: StreamInfo,
    /// The content is a tree.
    is_tree: bool,
}

/// What an envelope holds.
struct Opened {
    shape: &'static Shape,
    object: Object,
    text: String,
    program: String,
    /// The member that has the text as numbers of bytes.
    as_bytes: Option<&'static str>,
}

impl EnvelopeParser {
    pub(crate) fn new(info: &StreamInfo, depth: u8) -> Self {
        Self {
            outer: Json.open(info),
            content: Content::new(info, depth),
            routes: Routes::new(&info.routing),
            info: info.clone(),
            is_tree: false,
        }
    }

    fn open(bytes: &[u8]) -> Option<Opened> {
        if !hints(bytes.trim_ascii_start()) {
            return None;
        }
        let object = read::object(bytes).ok()?;
        let shape = SHAPES.iter().find(|shape| shape.fits(&object))?;
        let (path, value) = first(&object, shape.content)?;
        let text = content_text(value)?;
        let is_bytes =
            matches!(value, Value::Array(all) if matches!(**all, [Value::Number(_), ..]));
        let as_bytes = is_bytes.then_some(path);
        let program = first(&object, shape.program)
            .and_then(|(_, value)| content_text(value))
            .unwrap_or_default();
        Some(Opened { shape, object, text, program, as_bytes })
    }

    fn parse_opened(&mut self, opened: &Opened, bytes: &[u8], record: &mut Record) -> Outcome {
        if self.outer.parse(bytes, record) != Outcome::Event {
            return Outcome::Foreign;
        }
        // Known JSON (Zeek or Windows events with a message): the envelope is the event.
        let (outer_route, outer_time) = (record.route.clone(), record.time);
        let known = outer_route.as_ref().is_some_and(|route| route.is_known);
        self.read(opened, bytes, record);
        if record.time.is_none() {
            record.time = outer_time;
        }
        let unrouted = record.route.as_ref().is_none_or(|route| !route.is_known);
        if unrouted || (known && record.body == Body::Json) {
            record.route = outer_route.or_else(|| record.route.take());
        }
        Outcome::Event
    }

    fn read(&mut self, opened: &Opened, bytes: &[u8], record: &mut Record) {
        let taken = self.content.parse(&opened.text, record);
        if !taken {
            let known = !opened.program.is_empty()
                || opened.shape.program.first() == Some(&"SYSLOG_IDENTIFIER");
            if known {
                let kind = syslog::read_message(&opened.program, &opened.text, record);
                record.route = Some(self.routes.of(kind, bytes, record));
            }
            record.body = Body::Json;
        } else {
            // Scalars of a tree inside are not those of the record.
            record.body = if record.body == Body::Text { Body::Json } else { Body::Structured };
        }
        self.is_tree = record.body == Body::Structured;
        if let Some(name) = opened.as_bytes {
            // Numbers tell nobody anything.
            if let Some(slot) = record.fields.slot(name) {
                record.fields.claim(slot, u32::MAX, u32::MAX, true);
            }
            record.set(name, &opened.text);
            record.body = Body::Structured;
        }
        if record.wants_time {
            self.time(opened, record);
        }
    }

    fn time(&self, opened: &Opened, record: &mut Record) {
        let Some((field, value)) = first(&opened.object, opened.shape.time) else { return };
        let text = match value {
            Value::Text(text) | Value::Number(text) => text,
            _ => return,
        };
        // journald: microseconds since 1970, as text.
        let number = text
            .bytes()
            .all(|byte| byte.is_ascii_digit())
            .then(|| text.parse::<i64>().ok())
            .flatten();
        match number {
            Some(micros) if micros > 100_000_000_000_000 => {
                if let Some(nanos) = micros.checked_mul(1000)
                    && record.time.is_none_or(|time| time.zone_assumed || time.year_inferred)
                {
                    record.time = Some(EventTime {
                        nanos,
                        source: TimeSource::Field(field),
                        year_inferred: false,
                        zone_assumed: false,
                    });
                }
            }
            _ => own_time(text, field, &self.info, record),
        }
    }
}

impl Parser for EnvelopeParser {
    fn parse(&mut self, bytes: &[u8], record: &mut Record) -> Outcome {
        match Self::open(bytes) {
            Some(opened) => self.parse_opened(&opened, bytes, record),
            None => Outcome::Foreign,
        }
    }

    fn reread(&mut self, bytes: &[u8], record: &mut Record) -> Option<Event> {
        record.clear();
        let opened = Self::open(bytes)?;
        if self.parse_opened(&opened, bytes, record) != Outcome::Event {
            return None;
        }
        let (route, time) = (record.route.clone(), record.time);
        record.clear();
        let mut event = self.outer.event(bytes, record);
        record.clear();
        if let Some(name) = opened.as_bytes {
            event.object.0.retain(|(known, _)| &**known != name);
            event.object.push(name, Value::Text(opened.text.as_str().into()));
        }
        let inner = if self.is_tree {
            self.content.event(&opened.text, record)
        } else {
            self.read(&opened, bytes, record);
            Some(crate::flat_event(bytes, record))
        };
        if let Some(inner) = inner {
            merge(&mut event, inner, self.is_tree);
        }
        event.keywords_in_raw = false;
        event.time = time;
        if let Some(route) = route {
            event.route = Arc::clone(&route);
        }
        Some(event)
    }
}
