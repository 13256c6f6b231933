//! Syslog in all its forms: RFC 5424, RFC 3164, and firewall lines that came without a header.
//!
//! Owns the way of a line: header ([`header`]), then the message by a cheap look at its beginning (devices, JSON or XML, Linux programs), then route
//! and time. Native fields: `pri`, `facility`, `severity`, `timestamp`, `hostname`, `appname`, `procid`, `msgid`, `sd.<id>.<name>` (and the bare
//! name where it is the only one), `message`, and what the message holds. Where the message has a field of the same name, the message's counts.

pub(crate) mod data;
mod foreign;
pub(crate) mod header;
pub(crate) mod kind;

use crate::envelope::Content;
use crate::firewall::{DEVICES, Device, Message};
use crate::time::syslog::{Written, YearRule};
use crate::{Format, Head, Outcome, Parser, Score, StreamInfo, flat_event, linux};
use header::{Evidence, Header};
use jiff::tz::TimeZone;
use kind::Routes;
use sigmund_engine::{AliasTable, Body, Event, EventTime, Record, TimeSource};
use std::borrow::Cow;
use std::sync::Arc;

/// Syslog.
#[derive(Clone, Copy, Debug)]
pub struct Syslog;

impl Format for Syslog {
    fn name(&self) -> &'static str {
        "syslog"
    }

    fn sniff(&self, head: &Head<'_>) -> Score {
        let (mut lines, mut mine) = (0u32, 0u32);
        for line in head.bytes.split(|byte| *byte == b'\n' || *byte == 0).take(40) {
            let line = line.trim_ascii();
            if line.is_empty() {
                continue;
            }
            lines += 1;
            mine += u32::from(self.sniff_line(line) > Score::NO);
        }
        match (lines, mine) {
            (_, 0) => Score::NO,
            (lines, mine) if mine * 2 >= lines => Score(80),
            (lines, mine) if mine * 10 >= lines => Score::LIKELY,
            _ => Score::NO,
        }
    }

    fn sniff_line(&self, line: &[u8]) -> Score {
        let line = &line[..line.len().min(1024)];
        match line.first() {
            None | Some(b'{' | b'#') => return Score::NO,
            Some(b'[') if !begins_with_uptime(line) => return Score::NO,
            _ => {}
        }
        let text = String::from_utf8_lossy(line);
        match classify(&text) {
            Some((header, _)) if header.priority.is_some() => Score(85),
            Some(_) => Score(80),
            None => Score::NO,
        }
    }

    fn is_stateless(&self) -> bool {
        // Years come from the event before.
        false
    }

    fn open(&self, info: &StreamInfo) -> Box<dyn Parser> {
        Box::new(SyslogParser::new(info, 0))
    }

    fn aliases(&self) -> Vec<Arc<AliasTable>> {
        let mut tables: Vec<Arc<AliasTable>> = Vec::new();
        for kind in DEVICES.iter().flat_map(|device| device.kinds()) {
            let table = &**kind.aliases;
            if !tables.iter().any(|have| Arc::ptr_eq(have, table)) {
                tables.push(Arc::clone(table));
            }
        }
        tables
    }
}

/// The kernel's own log as `dmesg` writes it: `[12345.678] IN=…`. Only a device can tell it from other text in brackets.
fn begins_with_uptime(line: &[u8]) -> bool {
    let Some(end) = memchr::memchr(b']', line) else { return false };
    let clock = line[1..end].trim_ascii_start();
    line.get(end + 1) == Some(&b' ')
        && clock.contains(&b'.')
        && clock.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.')
}

/// The header, and the device whose message it is; `None` if the line is no syslog.
fn classify(line: &str) -> Option<(Header<'_>, Option<&'static dyn Device>)> {
    let line = line.trim_end_matches(['\r', '\n', '\0']);
    let header = header::read(line);
    let device = device_of(&header);
    // A date and time with a space between begins the lines of many programs: only a process id shows a tag.
    let bytes = header.time_text.as_bytes();
    let spaced_iso = bytes.first().is_some_and(u8::is_ascii_digit)
        && bytes.get(4).is_some_and(|byte| matches!(byte, b'-' | b'/' | b'.'))
        && bytes.get(10) == Some(&b' ');
    let enough = match header.evidence {
        Evidence::Header => header.priority.is_some() || !spaced_iso || !header.process.is_empty(),
        Evidence::Time => {
            !spaced_iso
                && !header.host.is_empty()
                && header.host.parse::<std::net::IpAddr>().is_ok()
        }
        Evidence::None => false,
    };
    (enough || device.is_some()).then_some((header, device))
}

fn device_of(header: &Header<'_>) -> Option<&'static dyn Device> {
    let message =
        Message { program: header.program, message_id: header.message_id, text: header.message };
    DEVICES.iter().copied().find(|device| device.claims(&message))
}

/// Reads syslog lines.
pub(crate) struct SyslogParser {
    info: StreamInfo,
    years: YearRule,
    routes: Routes,
    content: Content,
    unescaped: String,
}

/// Who holds the message, after it was read.
enum Holder {
    Kind(&'static kind::Kind),
    /// The content parser has set the route.
    Content,
}

impl SyslogParser {
    /// At that depth of envelopes.
    pub(crate) fn new(info: &StreamInfo, depth: u8) -> Self {
        Self {
            years: YearRule::new(info.reference_time),
            routes: Routes::new(&info.routing),
            content: Content::new(info, depth),
            info: info.clone(),
            unescaped: String::new(),
        }
    }

    fn read(&mut self, line: &str, bytes: &[u8], record: &mut Record, peel: bool) -> Outcome {
        let Some((header, device)) = classify(line) else { return Outcome::Foreign };
        let (text, repeated) = repeated(header.message);
        let message = Message { program: header.program, message_id: header.message_id, text };
        record.body = Body::Text;
        let time = self.time(&header, device, &message, record.wants_time);
        let holder = match device {
            Some(device) => Holder::Kind(device.read(&message, record)),
            None => match structured(header.program, text) {
                Some(inner) if peel && self.content.parse(inner, record) => Holder::Content,
                _ => Holder::Kind(match foreign::kind(header.program, text) {
                    Some(kind) => kind,
                    None => linux::read(header.program, text, record),
                }),
            },
        };
        if let Some(number) = repeated {
            record.set("repeated", number);
        }
        self.fill(&header, record);
        match holder {
            Holder::Kind(kind) => record.route = Some(self.routes.of(kind, bytes, record)),
            Holder::Content => {
                let unrouted = record.route.as_ref().is_none_or(|route| !route.is_known);
                if unrouted {
                    let kind = linux::program(header.program).kind;
                    record.route = Some(self.routes.of(kind, bytes, record));
                }
                if record.body == Body::Json {
                    record.body = Body::Structured;
                }
            }
        }
        if record.wants_time {
            // What the content says counts, unless it had to assume what the header knows.
            let certain = record.time.is_some_and(|time| !time.zone_assumed && !time.year_inferred);
            if !certain {
                record.time = time.or(record.time);
            }
        }
        Outcome::Event
    }

    /// The header's fields, where the message has not set them.
    fn fill(&mut self, header: &Header<'_>, record: &mut Record) {
        let mut put = |name: &str, text: &str| {
            if text.is_empty() {
                return;
            }
            let taken = record.fields.slot(name).is_none_or(|slot| record.fields.is_present(slot));
            if !taken {
                record.set(name, text);
            }
        };
        if let Some(text) = header.priority {
            put("pri", text);
            if let Ok(number @ 0..=191) = text.parse::<u16>() {
                const NUMBERS: [&str; 24] = [
                    "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14",
                    "15", "16", "17", "18", "19", "20", "21", "22", "23",
                ];
                put("facility", NUMBERS[usize::from(number / 8)]);
                put("severity", NUMBERS[usize::from(number % 8)]);
            }
        }
        put("timestamp", header.time_text);
        put("hostname", header.host);
        put("appname", header.program);
        put("procid", header.process);
        put("msgid", header.message_id);
        put("sequence", header.sequence);
        put("message", header.message);
        if !header.data.is_empty() {
            put("structured_data", header.data);
            self.data(header.data, record);
        }
    }

    fn data(&mut self, data: &str, record: &mut Record) {
        let mut name = String::new();
        let text = &mut self.unescaped;
        let shared = data::shared_names(data);
        data::parameters(data, |parameter| {
            data::unescape(parameter.value, text);
            name.clear();
            name.push_str("sd.");
            if !parameter.id.is_empty() {
                name.push_str(parameter.id);
                name.push('.');
            }
            name.push_str(parameter.name);
            record.set(&name, &*text);
            // A name that two elements have is neither's.
            let taken = shared.binary_search(&parameter.name).is_ok();
            let taken = taken
                || record
                    .fields
                    .slot(parameter.name)
                    .is_none_or(|slot| record.fields.is_present(slot));
            if !taken {
                record.set(parameter.name, &*text);
            }
        });
    }

    /// The header's time, or the device's own where it is better. The year rule sees every time, wanted or not, so that it is the same
    /// whichever records are read in full.
    fn time(
        &mut self,
        header: &Header<'_>,
        device: Option<&dyn Device>,
        message: &Message<'_>,
        wanted: bool,
    ) -> Option<EventTime> {
        let year = match &header.time {
            Some(Written::Civil(stamp)) => Some(match stamp.year {
                Some(year) => {
                    self.years.saw(stamp, year);
                    year
                }
                None => self.years.year(stamp),
            }),
            _ => None,
        };
        if !wanted {
            return None;
        }
        let zone = &self.info.assumed_zone;
        let own = match (&header.time, year) {
            (Some(Written::Instant(nanos)), _) => Some(EventTime {
                nanos: *nanos,
                source: TimeSource::Header,
                year_inferred: false,
                zone_assumed: false,
            }),
            (Some(Written::Civil(stamp)), Some(year)) => {
                stamp.instant(year, zone).map(|nanos| EventTime {
                    nanos,
                    source: TimeSource::Header,
                    year_inferred: stamp.year.is_none(),
                    zone_assumed: stamp.offset.is_none(),
                })
            }
            _ => None,
        };
        let inner = device.and_then(|device| device.time(message, zone));
        match (inner, own) {
            // The message's clock is the device's, and the header says its zone, if both tell the same time.
            (Some(inner), Some(own)) if inner.zone_assumed && !own.zone_assumed => {
                let offset = match &header.time {
                    Some(Written::Civil(stamp)) => stamp.offset.unwrap_or(0),
                    _ => 0,
                };
                let there = jiff::tz::Offset::from_seconds(offset).ok().map(TimeZone::fixed);
                let inner = device
                    .zip(there)
                    .and_then(|(device, zone)| device.time(message, &zone))
                    .filter(|inner| (inner.nanos - own.nanos).abs() <= NEAR);
                inner.map(|inner| EventTime { zone_assumed: false, ..inner }).or(Some(own))
            }
            (inner, own) => inner.or(own),
        }
    }
}

/// So far a device's own time may be from its header's: a quarter of an hour, less than any two zones differ.
const NEAR: i64 = 15 * 60 * 1_000_000_000 - 1;

/// `message repeated 5 times: [ text]`: the text and the number.
fn repeated(message: &str) -> (&str, Option<&str>) {
    let Some(rest) = message
        .strip_prefix("message repeated ")
        .or_else(|| message.strip_prefix("last message repeated "))
    else {
        return (message, None);
    };
    let Some((number, rest)) = rest.split_once(" time") else { return (message, None) };
    match rest.split_once(": [") {
        Some((_, inside)) => {
            (inside.trim().strip_suffix(']').unwrap_or(inside).trim(), Some(number))
        }
        None => (message, Some(number)),
    }
}

/// The part of a message that another format may hold.
fn structured<'a>(program: &str, text: &'a str) -> Option<&'a str> {
    match text.as_bytes().first()? {
        b'{' => Some(text),
        b'<' => (text.starts_with("<Event") || text.starts_with("<?xml")).then_some(text),
        b'@' => text.strip_prefix("@cee:").map(str::trim_start),
        _ => matches!(
            program,
            "nginx"
                | "apache"
                | "apache2"
                | "httpd"
                | "squid"
                | "suricata"
                | "zeek"
                | "haproxy"
                | "audispd"
                | "audit"
                | "auditd"
                | "access"
                | "caddy"
                | "traefik"
        )
        .then_some(text),
    }
}

fn text(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

impl Parser for SyslogParser {
    fn parse(&mut self, bytes: &[u8], record: &mut Record) -> Outcome {
        self.read(&text(bytes), bytes, record, true)
    }

    fn reread(&mut self, bytes: &[u8], record: &mut Record) -> Option<Event> {
        record.clear();
        let line = text(bytes);
        let _ = self.read(&line, bytes, record, true);
        if record.body == Body::Text {
            return None;
        }
        // The content is a tree: the header's fields flat, then the members as they are written.
        let (body, route, time) = (record.body, record.route.clone(), record.time);
        let inner = classify(&line).and_then(|(header, _)| {
            let (message, _) = repeated(header.message);
            self.content.event(structured(header.program, message)?, record)
        });
        record.clear();
        let _ = self.read(&line, bytes, record, false);
        (record.body, record.route, record.time) = (body, route, time);
        let mut event = flat_event(bytes, record);
        event.keywords_in_raw = false;
        if let Some(inner) = inner {
            event.object.0.retain(|(name, _)| inner.object.get(name).is_none());
            event.object.0.extend(inner.object.0);
            event.lifted = inner.lifted;
        }
        Some(event)
    }
}

/// Reads a message whose header came apart from it (journald, Sentinel): devices and Linux programs. The kind of the event.
pub(crate) fn read_message(program: &str, text: &str, record: &mut Record) -> &'static kind::Kind {
    let message = Message { program, message_id: "", text };
    match DEVICES.iter().find(|device| device.claims(&message)) {
        Some(device) => device.read(&message, record),
        None => linux::read(program, text, record),
    }
}

#[cfg(test)]
mod tests;
