//! Envelopes: records that carry a line of another log.
//!
//! Owns the envelopes that are JSON (docker, journald, Beats and Logstash, Splunk export, Sentinel, GELF, Wazuh) and CRI's text lines, and [`Content`], which reads what is inside by
//! the format that it looks like, up to [`DEPTH`] envelopes deep. The fields of the envelope keep their names; those of the content come beside them.

mod content;
mod json;

pub(crate) use content::Content;

use crate::json::scan::{Scan, scan};
use crate::{Format, Framing, Head, Outcome, Parser, Score, StreamInfo, flat_event};
use sigmund_engine::{AliasTable, Body, Event, EventTime, Record, TimeSource};
use std::sync::Arc;

/// So many envelopes are opened, one inside the other.
pub(crate) const DEPTH: u8 = 4;

/// JSON envelopes.
#[derive(Clone, Copy, Debug)]
pub struct Envelope;

impl Format for Envelope {
    fn name(&self) -> &'static str {
        "envelope"
    }

    fn sniff(&self, head: &Head<'_>) -> Score {
        let bytes =
            head.bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(head.bytes).trim_ascii_start();
        let bytes = bytes.strip_prefix(b"[").unwrap_or(bytes).trim_ascii_start();
        // What comes after the first record is of other records.
        let (first, is_whole) = match scan(bytes) {
            Scan::Complete(end) => (&bytes[..end], true),
            // Longer than what is seen of it.
            Scan::Incomplete => (&bytes[..bytes.len().min(16 << 10)], false),
            Scan::Broken(_) => return Score::NO,
        };
        let opens = json::hints(first) && (!is_whole || json::opens(first));
        if opens { Score(95) } else { Score::NO }
    }

    fn sniff_line(&self, line: &[u8]) -> Score {
        if json::opens(line.trim_ascii()) { Score(95) } else { Score::NO }
    }

    fn framing(&self) -> Framing {
        Framing::Json
    }

    fn is_stateless(&self) -> bool {
        false
    }

    fn open(&self, info: &StreamInfo) -> Box<dyn Parser> {
        Box::new(json::EnvelopeParser::new(info, 0))
    }

    fn aliases(&self) -> Vec<Arc<AliasTable>> {
        Vec::new()
    }
}

/// CRI container logs: `2016-10-06T00:17:09.669794202Z stdout F text`; parts (`P`) are joined with the full line (`F`) that ends them.
/// At the end of the stream those that no line ended are a line themselves.
#[derive(Clone, Copy, Debug)]
pub struct Cri;

impl Format for Cri {
    fn name(&self) -> &'static str {
        "cri"
    }

    fn sniff(&self, head: &Head<'_>) -> Score {
        let first = head.bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
        self.sniff_line(first)
    }

    fn sniff_line(&self, line: &[u8]) -> Score {
        if cut(line).is_some() { Score::SURE } else { Score::NO }
    }

    fn is_stateless(&self) -> bool {
        false
    }

    fn open(&self, info: &StreamInfo) -> Box<dyn Parser> {
        Box::new(CriParser::new(info, 0))
    }

    fn aliases(&self) -> Vec<Arc<AliasTable>> {
        Vec::new()
    }
}

/// Time, stream, tag, text of a CRI line.
fn cut(line: &[u8]) -> Option<(&str, &str, &str, &[u8])> {
    // `2016-10-06T00:17:09…` is a look at a few bytes.
    if line.get(10) != Some(&b'T') || line.get(4) != Some(&b'-') {
        return None;
    }
    let mut parts = line.splitn(4, |byte| *byte == b' ');
    let mut word = || std::str::from_utf8(parts.next()?).ok();
    let (time, stream, tag) = (word()?, word()?, word()?);
    let text = parts.next().unwrap_or_default();
    (matches!(stream, "stdout" | "stderr") && matches!(tag.split(':').next()?, "F" | "P"))
        .then_some((time, stream, tag, text))
}

/// Longer joined lines are cut here, as records are.
const LONGEST: usize = crate::DEFAULT_LIMIT;

const STREAMS: [&str; 2] = ["stdout", "stderr"];

pub(crate) struct CriParser {
    content: Content,
    /// Parts of stdout and stderr.
    pending: [Vec<u8>; 2],
    /// When the last part of each was written.
    times: [String; 2],
    /// The last line and what it was joined to: reading it again gives the same.
    last: Vec<u8>,
    joined: Vec<u8>,
    /// The content is a tree.
    is_tree: bool,
    info: StreamInfo,
}

impl CriParser {
    pub(crate) fn new(info: &StreamInfo, depth: u8) -> Self {
        Self {
            content: Content::new(info, depth),
            pending: Default::default(),
            times: Default::default(),
            last: Vec::new(),
            joined: Vec::new(),
            is_tree: false,
            info: info.clone(),
        }
    }
}

impl Parser for CriParser {
    fn parse(&mut self, bytes: &[u8], record: &mut Record) -> Outcome {
        let Some((time, stream, tag, text)) = cut(bytes) else { return Outcome::Foreign };
        let again = self.last == bytes;
        let part = tag.starts_with('P');
        let index = usize::from(stream == STREAMS[1]);
        let pending = &mut self.pending[index];
        if !again {
            self.last.clear();
            self.last.extend_from_slice(bytes);
            let room = LONGEST.saturating_sub(pending.len());
            pending.extend_from_slice(&text[..text.len().min(room)]);
            if part {
                time.clone_into(&mut self.times[index]);
            } else {
                self.joined.clear();
                std::mem::swap(&mut self.joined, pending);
            }
        }
        if part {
            return Outcome::Skip("part of a longer line");
        }
        record.set("time", time);
        record.set("stream", stream);
        let is_joined = self.joined.len() > text.len();
        let text = String::from_utf8_lossy(&self.joined);
        record.set("log", text.as_bytes());
        self.content.parse_or_text(&text, record);
        self.is_tree = record.body != Body::Text;
        // A joined line is more than the record; keywords must see all of it.
        if self.is_tree || is_joined {
            record.body = Body::Structured;
        }
        if record.wants_time {
            own_time(time, "time", &self.info, record);
        }
        Outcome::Event
    }

    fn finish(&mut self) -> Option<Vec<u8>> {
        let index = self.pending.iter().position(|parts| !parts.is_empty())?;
        let mut line = format!("{} {} F ", self.times[index], STREAMS[index]).into_bytes();
        line.append(&mut self.pending[index]);
        Some(line)
    }

    fn reread(&mut self, bytes: &[u8], record: &mut Record) -> Option<Event> {
        record.clear();
        let _ = self.parse(bytes, record);
        if !self.is_tree {
            return None;
        }
        let mut event = flat_event(bytes, record);
        let text = String::from_utf8_lossy(&self.joined).into_owned();
        if let Some(inner) = self.content.event(&text, record) {
            merge(&mut event, inner, true);
        }
        Some(event)
    }
}

/// The content's members after the envelope's. As for slots: where names are the same, a tree goes before the envelope, a flat content behind.
fn merge(event: &mut Event, mut inner: Event, tree: bool) {
    if tree {
        event.object.0.retain(|(name, _)| inner.object.get(name).is_none());
    } else {
        inner.object.0.retain(|(name, _)| event.object.get(name).is_none());
    }
    event.object.0.extend(inner.object.0);
    event.lifted.0.extend(inner.lifted.0);
}

/// The envelope's time, unless the content has one that nothing was assumed for.
fn own_time(text: &str, field: &'static str, info: &StreamInfo, record: &mut Record) {
    if record.time.is_some_and(|time| !time.zone_assumed && !time.year_inferred) {
        return;
    }
    let Some((written, _)) = crate::time::syslog::read(text) else { return };
    let time = match written {
        crate::time::syslog::Written::Instant(nanos) => Some((nanos, false)),
        crate::time::syslog::Written::Civil(stamp) => stamp
            .year
            .and_then(|year| stamp.instant(year, &info.assumed_zone))
            .map(|nanos| (nanos, stamp.offset.is_none())),
    };
    if let Some((nanos, zone_assumed)) = time {
        record.time = Some(EventTime {
            nanos,
            source: TimeSource::Field(field),
            year_inferred: false,
            zone_assumed,
        });
    }
}

#[cfg(test)]
mod tests;
