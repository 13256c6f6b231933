//! What is inside an envelope: a line of any format.

use super::{CriParser, DEPTH};
use crate::envelope::json::EnvelopeParser;
use crate::syslog::SyslogParser;
use crate::{FORMATS, Format, Outcome, Parser, Score, StreamInfo};
use sigmund_engine::{Body, Event, Record, Route, Store};
use std::sync::Arc;

/// Reads the contents of one stream's envelopes; parsers are opened when a content first looks like theirs.
pub(crate) struct Content {
    info: StreamInfo,
    depth: u8,
    parsers: Vec<Option<Box<dyn Parser>>>,
    inner: Option<Box<Record>>,
    plain: Arc<Route>,
}

impl Content {
    /// For envelopes at that depth.
    pub(crate) fn new(info: &StreamInfo, depth: u8) -> Self {
        let plain = info.routing.route("text", Vec::new(), None, &Arc::default(), &|_| None);
        Self { info: info.clone(), depth, parsers: Vec::new(), inner: None, plain }
    }

    /// The format that the text looks like; plain text is none.
    fn best(&self, text: &str) -> Option<usize> {
        if self.depth >= DEPTH {
            return None;
        }
        let mut best = (None, Score::FALLBACK);
        for (index, format) in FORMATS.iter().enumerate() {
            let score = format.sniff_line(text.as_bytes());
            if score > best.1 && format.name() != "text" {
                best = (Some(index), score);
            }
        }
        best.0
    }

    fn parser(&mut self, index: usize) -> Option<&mut Box<dyn Parser>> {
        if self.parsers.is_empty() {
            self.parsers.resize_with(FORMATS.len(), || None);
        }
        let (info, depth) = (&self.info, self.depth + 1);
        let parser = self.parsers.get_mut(index)?;
        Some(parser.get_or_insert_with(|| {
            let format: &dyn Format = FORMATS[index];
            // These open envelopes again, and must know how deep they are.
            match format.name() {
                "syslog" => Box::new(SyslogParser::new(info, depth)),
                "envelope" => Box::new(EnvelopeParser::new(info, depth)),
                "cri" => Box::new(CriParser::new(info, depth)),
                _ => format.open(info),
            }
        }))
    }

    /// Reads the text into the record beside what is there. `false` if no format took it; the record is then as it was.
    ///
    /// The content is read into a record of its own, so that what is around it plays no part in its route. A content that is a tree goes
    /// before the envelope where names are the same, a flat one behind.
    pub(crate) fn parse(&mut self, text: &str, record: &mut Record) -> bool {
        let text = text.trim_end_matches(['\n', '\r']);
        let Some(index) = self.best(text) else { return false };
        let mut inner = match self.inner.take() {
            Some(inner) if fits(&inner, record) => inner,
            _ if record.fields.collects() => Box::new(Record::collecting()),
            _ => Box::new(Record::new(Arc::clone(record.fields.table()))),
        };
        inner.clear();
        inner.wants_time = record.wants_time;
        let outcome = match self.parser(index) {
            Some(parser) => parser.parse(text.as_bytes(), &mut inner),
            None => Outcome::Foreign,
        };
        let taken = outcome == Outcome::Event;
        if taken {
            copy(text.as_bytes(), &inner, record);
            (record.body, record.route, record.time) = (inner.body, inner.route.take(), inner.time);
        }
        self.inner = Some(inner);
        taken
    }

    /// The same; what no format takes is plain text.
    pub(crate) fn parse_or_text(&mut self, text: &str, record: &mut Record) -> bool {
        if self.parse(text, record) {
            return true;
        }
        record.body = Body::Text;
        record.route = Some(Arc::clone(&self.plain));
        false
    }

    /// The content as an event of its own; `record` is overwritten.
    pub(crate) fn event(&mut self, text: &str, record: &mut Record) -> Option<Event> {
        let text = text.trim_end_matches(['\n', '\r']);
        let index = self.best(text)?;
        record.clear();
        Some(self.parser(index)?.event(text.as_bytes(), record))
    }
}

/// Whether the record has the slots of the other.
fn fits(inner: &Record, record: &Record) -> bool {
    inner.fields.collects() == record.fields.collects()
        && Arc::ptr_eq(inner.fields.table(), record.fields.table())
}

/// Copies the fields of the content.
fn copy(text: &[u8], inner: &Record, record: &mut Record) {
    let tree = inner.body != Body::Text;
    for slot in inner.fields.present() {
        let Some(target) = record.fields.slot(inner.fields.name(slot)) else { continue };
        if record.fields.is_present(target) {
            if !tree {
                continue;
            }
            record.fields.claim(target, u32::MAX, u32::MAX, true);
        }
        for value in inner.fields.values(slot) {
            let scratch = record.fields.scratch();
            let start = scratch.len();
            scratch.extend_from_slice(inner.fields.bytes(text, value));
            let end = scratch.len();
            record.fields.push(target, value.kind, Store::Scratch, start, end);
        }
    }
}
