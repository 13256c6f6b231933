//! From the records of a log to encoded detections.

use crate::encode::{Buffer, Encoder, HOST_FIELDS, Hit, field};
use crate::plan::{Reading, Rules};
use crate::read::{Consumer, Reader};
use sigmund_engine::detection::matched;
use sigmund_engine::{Event, Matcher, Record};
use sigmund_parsers::{Framed, Outcome};
use std::cell::OnceCell;
use std::io;

/// What a hunt knows before it reads the first log. Shared by all threads.
pub(crate) struct Hunt {
    pub(crate) rules: Rules,
    pub(crate) reading: Reading,
    /// `None` if only counts are wanted.
    pub(crate) encoder: Option<Encoder>,
    /// Event times in nanoseconds: from this one, before that one.
    pub(crate) window: (Option<i64>, Option<i64>),
}

impl Hunt {
    /// The buffers for reading with the fields that the rules read.
    pub(crate) fn reader(&self) -> Reader {
        Reader::new(Record::new(self.rules.set.field_table().clone()))
    }

    /// A matcher with empty memories.
    pub(crate) fn matcher(&self) -> Matcher {
        Matcher::new(self.rules.set.clone())
    }
}

/// Gets the detections of a block and the number of its bytes.
pub(crate) type Emit<'a> = dyn FnMut(&mut Buffer, usize) -> io::Result<()> + 'a;

/// Matches the records of one part of the input.
pub(crate) struct Scan<'a> {
    pub(crate) hunt: &'a Hunt,
    pub(crate) matcher: &'a mut Matcher,
    path: String,
    pub(crate) emit: &'a mut Emit<'a>,
    hits: Vec<u32>,
    buffer: Buffer,
    /// Records so far.
    number: u64,
}

impl<'a> Scan<'a> {
    pub(crate) fn new(hunt: &'a Hunt, matcher: &'a mut Matcher, emit: &'a mut Emit<'a>) -> Self {
        let (hits, buffer, path) = (Vec::new(), Buffer::default(), String::new());
        Self { hunt, matcher, path, emit, hits, buffer, number: 0 }
    }

    /// Encodes what rules matched in an event.
    fn detect(&mut self, event: &Event) {
        let time = event.time.map(|time| time.nanos);
        let (from, to) = self.hunt.window;
        let outside = from.is_some_and(|from| time.is_none_or(|time| time < from))
            || to.is_some_and(|to| time.is_none_or(|time| time >= to));
        if outside {
            return;
        }
        let (digest, json) = (OnceCell::new(), OnceCell::new());
        for &rule in &self.hits {
            let Some(encoder) = &self.hunt.encoder else {
                self.buffer.count(event.time, rule, field(event, HOST_FIELDS));
                continue;
            };
            let oracle = self.hunt.rules.set.oracle(rule);
            let matched = oracle.map(|oracle| matched(oracle, event)).unwrap_or_default();
            let card = &self.hunt.rules.cards[rule as usize];
            let (path, record) = (&*self.path, self.number);
            let hit = Hit {
                rule: card,
                event,
                digest: &digest,
                json: &json,
                matched: &matched,
                path,
                record,
            };
            encoder.detection(&hit, rule, &mut self.buffer);
        }
    }
}

impl Consumer for Scan<'_> {
    fn stream(&mut self, name: &str) {
        name.clone_into(&mut self.path);
        self.number = 0;
    }

    fn record(&mut self, mut framed: Framed<'_>) {
        self.number += 1;
        if framed.outcome != Outcome::Event {
            return;
        }
        let bytes = framed.bytes;
        let (record, mut whole) = framed.parts();
        self.matcher.matches(bytes, record, &mut whole, &mut self.hits);
        if !self.hits.is_empty() {
            let event = self.matcher.take_event().unwrap_or_else(whole);
            self.detect(&event);
        }
    }

    fn block(&mut self, bytes: usize) -> io::Result<()> {
        (self.emit)(&mut self.buffer, bytes)
    }
}
