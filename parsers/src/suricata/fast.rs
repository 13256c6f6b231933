//! `fast.log`: one line per alert, by Suricata and by Snort 2 and 3.
//!
//! `MM/DD/YYYY-HH:MM:SS.uuuuuu  [**] [gid:sid:rev] msg [**] [Classification: c] [Priority: n] {PROTO} a:p -> b:p`;
//! Snort leaves the year out or writes two digits of it, Snort 3 quotes the message, classification and priority
//! may be missing, Suricata may write `[Drop]` or `[wDrop]`. The fields have EVE's names.

use super::{alias, route};
use crate::{Format, Head, Outcome, Parser, Score, StreamInfo};
use jiff::civil::DateTime;
use sigmund_engine::{
    AliasTable, EventTime, FieldTable, Fields, Kind, Record, Route, Slot, Store, TimeSource,
};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

/// Alerts as lines.
#[derive(Clone, Copy, Debug)]
pub struct Fast;

impl Format for Fast {
    fn name(&self) -> &'static str {
        "fast"
    }

    fn sniff(&self, head: &Head<'_>) -> Score {
        let mut lines = head.bytes.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
        match lines.find(|line| !line.is_empty()) {
            Some(line) => self.sniff_line(line),
            None => Score::NO,
        }
    }

    fn sniff_line(&self, line: &[u8]) -> Score {
        let looks = line.first().is_some_and(u8::is_ascii_digit) && line.get(2) == Some(&b'/');
        if looks && Line::read(line).is_some() { Score::SURE } else { Score::NO }
    }

    fn open(&self, info: &StreamInfo) -> Box<dyn Parser> {
        Box::new(FastParser { info: info.clone(), slots: None, route: None })
    }

    fn aliases(&self) -> Vec<Arc<AliasTable>> {
        vec![Arc::clone(alias::table())]
    }
}

const NAMES: [&str; 14] = [
    "timestamp",
    "event_type",
    "src_ip",
    "src_port",
    "dest_ip",
    "dest_port",
    "proto",
    "alert.gid",
    "alert.signature_id",
    "alert.rev",
    "alert.signature",
    "alert.category",
    "alert.severity",
    "alert.action",
];

type Slots = [Option<Slot>; NAMES.len()];

struct FastParser {
    info: StreamInfo,
    slots: Option<(Arc<FieldTable>, Slots)>,
    route: Option<Arc<Route>>,
}

impl FastParser {
    fn slots(&mut self, fields: &mut Fields) -> Slots {
        match &self.slots {
            Some((table, slots)) if !fields.collects() && Arc::ptr_eq(table, fields.table()) => {
                *slots
            }
            _ => {
                let slots = NAMES.map(|name| fields.slot(name));
                if !fields.collects() {
                    self.slots = Some((Arc::clone(fields.table()), slots));
                }
                slots
            }
        }
    }
}

impl Parser for FastParser {
    fn parse(&mut self, bytes: &[u8], record: &mut Record) -> Outcome {
        if bytes.trim_ascii().is_empty() {
            return Outcome::Skip("empty line");
        }
        let Some(line) = Line::read(bytes) else { return Outcome::Foreign };
        let slots = self.slots(&mut record.fields);
        let base = bytes.as_ptr() as usize;
        let number = Kind::Number;
        let values: [(Option<&[u8]>, Kind); NAMES.len()] = [
            (Some(line.time), Kind::Text),
            (None, Kind::Text),
            (Some(line.source.0), Kind::Text),
            (line.source.1, number),
            (Some(line.destination.0), Kind::Text),
            (line.destination.1, number),
            (Some(line.protocol), Kind::Text),
            (Some(line.gid), number),
            (Some(line.sid), number),
            (Some(line.rev), number),
            (Some(line.message), Kind::Text),
            (line.category, Kind::Text),
            (line.priority, number),
            (None, Kind::Text),
        ];
        for (slot, (value, kind)) in slots.iter().zip(values) {
            if let (Some(slot), Some(value)) = (slot, value) {
                let start = value.as_ptr() as usize - base;
                record.fields.push(*slot, kind, Store::Record, start, start + value.len());
            }
        }
        record.set("event_type", "alert");
        if line.dropped {
            record.set("alert.action", "blocked");
        }
        if record.wants_time {
            record.time = time(line.time, &self.info);
        }
        let conditional = !self.info.routing.condition_fields().is_empty();
        let fields = &record.fields;
        record.route = match &self.route {
            Some(route) if !conditional => Some(Arc::clone(route)),
            _ => {
                let field = |name: &str| {
                    let value = fields.first(fields.find(name)?)?;
                    Some(String::from_utf8_lossy(fields.bytes(bytes, value)).into_owned())
                };
                self.route = Some(route::route(&self.info.routing, "alert", &field));
                self.route.clone()
            }
        };
        Outcome::Event
    }
}

type Endpoint<'a> = (&'a [u8], Option<&'a [u8]>);

/// The parts of a line.
#[derive(Debug, PartialEq, Eq)]
struct Line<'a> {
    time: &'a [u8],
    dropped: bool,
    gid: &'a [u8],
    sid: &'a [u8],
    rev: &'a [u8],
    message: &'a [u8],
    category: Option<&'a [u8]>,
    priority: Option<&'a [u8]>,
    protocol: &'a [u8],
    source: Endpoint<'a>,
    destination: Endpoint<'a>,
}

const MARK: &[u8] = b"[**]";

impl<'a> Line<'a> {
    fn read(line: &'a [u8]) -> Option<Self> {
        let line = line.trim_ascii();
        let first = memchr::memmem::find(&line[..line.len().min(64)], MARK)?;
        let mut head = line[..first].split(u8::is_ascii_whitespace).filter(|part| !part.is_empty());
        let time = head.next()?;
        if !is_time(time) {
            return None;
        }
        let dropped = match head.next() {
            None => false,
            Some(b"[Drop]" | b"[drop]") => true,
            Some(b"[wDrop]") => false,
            Some(_) => return None,
        };
        let body = &line[first + MARK.len()..];
        // The message may hold anything, so the second mark is the last one.
        let second = memchr::memmem::rfind(body, MARK)?;
        let (alert, tail) = (body[..second].trim_ascii(), &body[second + MARK.len()..]);
        let close = memchr::memchr(b']', alert)?;
        let mut ids = alert[..close].strip_prefix(b"[")?.split(|byte| *byte == b':');
        let (gid, sid, rev) = (digits(ids.next()?)?, digits(ids.next()?)?, digits(ids.next()?)?);
        let message = alert[close + 1..].trim_ascii();
        let quoted = message.strip_prefix(b"\"").and_then(|message| message.strip_suffix(b"\""));
        let open = memchr::memchr(b'{', tail)?;
        let close = open + memchr::memchr(b'}', &tail[open..])?;
        let arrow = memchr::memmem::find(&tail[close..], b" -> ")? + close;
        let protocol = &tail[open + 1..close];
        Some(Self {
            time,
            dropped,
            gid,
            sid,
            rev,
            message: quoted.unwrap_or(message),
            category: option(&tail[..open], b"[Classification:"),
            priority: option(&tail[..open], b"[Priority:").and_then(digits),
            protocol,
            source: endpoint(protocol, tail[close + 1..arrow].trim_ascii())?,
            destination: endpoint(protocol, tail[arrow + 4..].trim_ascii())?,
        })
    }
}

fn digits(text: &[u8]) -> Option<&[u8]> {
    (!text.is_empty() && text.iter().all(u8::is_ascii_digit)).then_some(text)
}

fn option<'a>(text: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let rest = &text[memchr::memmem::find(text, name)? + name.len()..];
    let value = rest[..memchr::memchr(b']', rest)?].trim_ascii();
    (!value.is_empty() && value != b"(null)").then_some(value)
}

/// Address and port. IPv6 has no brackets: nine groups are an address and a port, and with `::`
/// the protocol decides. What ICMP writes in the place of ports are its type and code.
fn endpoint<'a>(protocol: &[u8], text: &'a [u8]) -> Option<Endpoint<'a>> {
    let address = |text: &[u8]| std::str::from_utf8(text).ok()?.parse::<IpAddr>().ok();
    let has_ports = !protocol.to_ascii_uppercase().windows(4).any(|part| part == b"ICMP");
    if let Some(inner) = text.strip_prefix(b"[") {
        let close = memchr::memchr(b']', inner)?;
        let port = inner[close + 1..].strip_prefix(b":").and_then(digits);
        return Some((&inner[..close], port));
    }
    let split = memchr::memrchr(b':', text)
        .map(|at| (&text[..at], &text[at + 1..]))
        .filter(|(host, port)| digits(port).is_some() && address(host).is_some());
    match (address(text), split) {
        // `fe80::1:5353`: both readings are addresses.
        (Some(_), Some((host, port))) if has_ports && is_short(text) => Some((host, Some(port))),
        (Some(_), _) => Some((text, None)),
        (None, Some((host, port))) => Some((host, has_ports.then_some(port))),
        (None, None) => None,
    }
}

fn is_short(address: &[u8]) -> bool {
    let text = std::str::from_utf8(address).unwrap_or_default();
    text.contains("::") && text.parse::<Ipv6Addr>().is_ok()
}

/// Whether a text is laid out like the time of an alert.
fn is_time(text: &[u8]) -> bool {
    text.len() >= 14
        && text[2] == b'/'
        && text.contains(&b'-')
        && text
            .iter()
            .all(|byte| byte.is_ascii_digit() || matches!(byte, b'/' | b'-' | b':' | b'.'))
}

fn time(text: &[u8], info: &StreamInfo) -> Option<EventTime> {
    let text = std::str::from_utf8(text).ok()?;
    let (date, clock) = text.split_once('-')?;
    let parts: Vec<i16> = date.split('/').map(|part| part.parse().ok()).collect::<Option<_>>()?;
    let mut clock = clock.splitn(3, ':');
    let hour: i8 = clock.next()?.parse().ok()?;
    let minute: i8 = clock.next()?.parse().ok()?;
    let seconds = crate::zeek::nanos(clock.next()?)?;
    let second = i8::try_from(seconds / 1_000_000_000).ok()?;
    let fraction = i32::try_from(seconds % 1_000_000_000).ok()?;
    let at = |year: i16, month: i16, day: i16| {
        let (month, day) = (i8::try_from(month).ok()?, i8::try_from(day).ok()?);
        let civil = DateTime::new(year, month, day, hour, minute, second.min(59), fraction).ok()?;
        let instant = info.assumed_zone.to_ambiguous_timestamp(civil).compatible().ok()?;
        i64::try_from(instant.as_nanosecond()).ok()
    };
    let (nanos, year_inferred) = match parts[..] {
        [month, day, year] if year > 99 => (at(year, month, day)?, false),
        // Snort 3 puts the year first, Snort 2 last.
        [year, month, day] if month <= 12 && day <= 31 => (at(2000 + year, month, day)?, false),
        [month, day, year] => (at(2000 + year, month, day)?, false),
        [month, day] => (nearest_year(info.reference_time, |year| at(year, month, day))?, true),
        _ => return None,
    };
    let source = TimeSource::Field("timestamp");
    Some(EventTime { nanos, source, year_inferred, zone_assumed: true })
}

/// The latest instant of the years around the reference that is at most two days after it.
fn nearest_year(reference: i64, at: impl Fn(i16) -> Option<i64>) -> Option<i64> {
    const AHEAD: i64 = 2 * 86_400 * 1_000_000_000;
    let year = jiff::Timestamp::from_nanosecond(i128::from(reference)).ok()?;
    let year = jiff::tz::Offset::UTC.to_datetime(year).year();
    let latest = reference.saturating_add(AHEAD);
    // A leap day may need more than the year before.
    (year - 8..=year + 1).rev().find_map(|year| at(year).filter(|nanos| *nanos <= latest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(reference: &str) -> StreamInfo {
        let reference: jiff::Timestamp = reference.parse().expect("a timestamp");
        StreamInfo::new("fast.log", i64::try_from(reference.as_nanosecond()).expect("in range"))
    }

    fn fields(line: &str) -> Vec<(String, String)> {
        let mut parser = Fast.open(&info("2022-06-01T00:00:00Z"));
        let mut record = Record::collecting();
        assert_eq!(parser.parse(line.as_bytes(), &mut record), Outcome::Event, "{line}");
        let fields = &record.fields;
        let text = |slot| {
            let value = fields.first(slot).expect("present");
            String::from_utf8_lossy(fields.bytes(line.as_bytes(), value)).into_owned()
        };
        fields.present().map(|slot| (fields.name(slot).to_owned(), text(slot))).collect()
    }

    fn value(fields: &[(String, String)], name: &str) -> Option<String> {
        fields.iter().find(|(have, _)| have == name).map(|(_, text)| text.clone())
    }

    #[test]
    fn suricatas_line() {
        let fields = fields(
            "07/11/2022-10:29:01.860293  [Drop] [**] [1:2200074:2] SURICATA [**] odd [**] [Classification: Generic Protocol Command Decode] [Priority: 3] {TCP} 192.0.2.1:28487 -> 198.51.100.7:80",
        );
        let get = |name| value(&fields, name);
        assert_eq!(get("alert.signature").as_deref(), Some("SURICATA [**] odd"));
        assert_eq!(get("alert.signature_id").as_deref(), Some("2200074"));
        assert_eq!(get("alert.gid").as_deref(), Some("1"));
        assert_eq!(get("alert.rev").as_deref(), Some("2"));
        assert_eq!(get("alert.category").as_deref(), Some("Generic Protocol Command Decode"));
        assert_eq!(get("alert.severity").as_deref(), Some("3"));
        assert_eq!(get("alert.action").as_deref(), Some("blocked"));
        assert_eq!(get("proto").as_deref(), Some("TCP"));
        assert_eq!(get("src_ip").as_deref(), Some("192.0.2.1"));
        assert_eq!(get("src_port").as_deref(), Some("28487"));
        assert_eq!(get("dest_ip").as_deref(), Some("198.51.100.7"));
        assert_eq!(get("dest_port").as_deref(), Some("80"));
        assert_eq!(get("event_type").as_deref(), Some("alert"));
    }

    #[test]
    fn snorts_variants() {
        let six = fields(
            "02/04-23:41:31.115933 [**] [1:20035:1000] \"MALWARE-CNC\" [**] [Priority: 1] {TCP} 2001:db8:c200:c:0:0:0:35:60884 -> 2001:db8:4860:0:0:0:0:8888:80",
        );
        assert_eq!(value(&six, "alert.signature").as_deref(), Some("MALWARE-CNC"));
        assert_eq!(value(&six, "src_ip").as_deref(), Some("2001:db8:c200:c:0:0:0:35"));
        assert_eq!(value(&six, "src_port").as_deref(), Some("60884"));
        assert_eq!(value(&six, "alert.category"), None);
        let icmp = fields(
            "12/28-12:55:38.765402 [**] [1:366:11] PING [**] {ICMP} 2001:db8::35 -> 2001:db8::88",
        );
        assert_eq!(value(&icmp, "src_ip").as_deref(), Some("2001:db8::35"));
        assert_eq!(value(&icmp, "src_port"), None);
        let icmp = fields(
            "12/28/2021-12:55:38.7 [**] [1:366:11] PING [**] {ICMP} 192.0.2.1:8 -> 192.0.2.2:0",
        );
        assert_eq!(value(&icmp, "src_ip").as_deref(), Some("192.0.2.1"));
        assert_eq!(value(&icmp, "src_port"), None);
    }

    #[test]
    fn endpoints_of_every_kind() {
        let read = |text: &'static str| {
            let (host, port) = endpoint(b"UDP", text.as_bytes())?;
            let text = |bytes| std::str::from_utf8(bytes).expect("UTF-8");
            Some((text(host), port.map(text)))
        };
        assert_eq!(read("fe80::1:5353"), Some(("fe80::1", Some("5353"))));
        assert_eq!(read("[fe80::1]:5353"), Some(("fe80::1", Some("5353"))));
        assert_eq!(read("192.0.2.1"), Some(("192.0.2.1", None)));
        assert_eq!(read("2001:db8:0:0:0:0:0:1"), Some(("2001:db8:0:0:0:0:0:1", None)));
        assert_eq!(read("host:80"), None);
        assert_eq!(read(""), None);
    }

    #[test]
    fn times_with_and_without_year() {
        let read = |text: &str, reference: &str| {
            let time = time(text.as_bytes(), &info(reference))?;
            let instant = jiff::Timestamp::from_nanosecond(i128::from(time.nanos)).ok()?;
            Some((instant.to_string(), time.year_inferred))
        };
        let reference = "2022-01-01T12:00:00Z";
        let full = read("07/11/2022-10:29:01.860293", reference);
        assert_eq!(full, Some(("2022-07-11T10:29:01.860293Z".to_owned(), false)));
        let first = read("21/12/28-12:55:38.765402", reference);
        assert_eq!(first, Some(("2021-12-28T12:55:38.765402Z".to_owned(), false)));
        let last = read("12/28/21-12:55:38", reference);
        assert_eq!(last, Some(("2021-12-28T12:55:38Z".to_owned(), false)));
        let none = read("12/28-12:55:38", reference);
        assert_eq!(none, Some(("2021-12-28T12:55:38Z".to_owned(), true)));
        let ahead = read("01/02-00:00:00", reference);
        assert_eq!(ahead, Some(("2022-01-02T00:00:00Z".to_owned(), true)));
        assert_eq!(read("13/45-00:00:00", reference), None);
        assert_eq!(read("02/29-00:00:00", "2022-06-01T00:00:00Z").map(|time| time.1), Some(true));
    }

    #[test]
    fn other_lines_are_foreign() {
        let mut parser = Fast.open(&info("2022-06-01T00:00:00Z"));
        let mut record = Record::collecting();
        for line in [
            "07/11/2022 [**]",
            "x [**] [1:2:3] m [**] {TCP} a -> b",
            "07/11/2022-10:29:01.8 [**] [1:2] m [**] {TCP} 192.0.2.1:1 -> 192.0.2.2:2",
        ] {
            assert_eq!(parser.parse(line.as_bytes(), &mut record), Outcome::Foreign, "{line}");
            assert_eq!(Fast.sniff_line(line.as_bytes()), Score::NO);
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(tail in proptest::collection::vec(proptest::sample::select(
            b"[*]{}:->0123456789./ICMPa\"\xff".to_vec()), 0..120)) {
            let mut parser = Fast.open(&info("2022-06-01T00:00:00Z"));
            let mut record = Record::collecting();
            let mut line = b"07/11/2022-10:29:01.8 [**] [1:2:3] m".to_vec();
            line.extend_from_slice(&tail);
            parser.parse(&line, &mut record);
            record.clear();
            parser.parse(&tail, &mut record);
            let _ = time(&tail, &info("2022-06-01T00:00:00Z"));
        }
    }
}
