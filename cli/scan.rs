//! From the records of a log to encoded detections.

use crate::encode::{Buffer, Encoder, HOST_FIELDS, Hit, Subject, field};
use crate::evidence::Evidence;
use crate::plan::{Reading, Rules};
use crate::read::{Consumer, Reader};
use crate::sighting::Sightings;
use sigmund_engine::correlation::EventRef;
use sigmund_engine::detection::matched;
use sigmund_engine::{Event, Matcher, Record};
use sigmund_parsers::{Framed, Outcome};
use std::cell::OnceCell;
use std::io;
use std::sync::Arc;

/// What a hunt knows before it reads the first log. Shared by all threads.
pub(crate) struct Hunt {
    pub(crate) rules: Rules,
    pub(crate) reading: Reading,
    /// `None` if only counts are wanted.
    pub(crate) encoder: Option<Encoder>,
    /// Event times in nanoseconds: from this one, before that one.
    pub(crate) window: (Option<i64>, Option<i64>),
    /// Correlations do not wait for the end of the input.
    pub(crate) is_live: bool,
}

impl Hunt {
    /// The buffers for reading with the fields that the rules read.
    pub(crate) fn reader(&self) -> Reader {
        let mut record = Record::new(self.rules.set.field_table().clone());
        // Correlations are about time.
        record.wants_time = !self.rules.correlations.is_empty();
        Reader::new(record)
    }

    /// Whether detections of that time are wanted.
    pub(crate) fn is_within(&self, time: Option<i64>) -> bool {
        let (from, to) = self.window;
        from.is_none_or(|from| time.is_some_and(|time| time >= from))
            && to.is_none_or(|to| time.is_some_and(|time| time < to))
    }

    /// A matcher with empty memories.
    pub(crate) fn matcher(&self) -> Matcher {
        Matcher::new(self.rules.set.clone())
    }
}

/// What was found in some records.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) detections: Buffer,
    /// Hits for correlations.
    pub(crate) evidence: Vec<Evidence>,
    /// The largest event time, where there are correlations.
    pub(crate) latest: Option<i64>,
    /// All event times, where they move a watermark.
    pub(crate) times: Vec<i64>,
    /// Hits for correlations without a time.
    pub(crate) untimed: u64,
}

/// Where records come from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin {
    /// The index of the log.
    pub(crate) input: usize,
    /// So many of its records came before.
    pub(crate) base: u64,
    /// It has no more.
    pub(crate) ends: bool,
}

impl Found {
    pub(crate) fn is_empty(&self) -> bool {
        self.detections.is_empty()
            && self.evidence.is_empty()
            && self.latest.is_none()
            && self.untimed == 0
    }
}

/// Gets what was found in a block and the number of its bytes.
pub(crate) type Emit<'a> = dyn FnMut(&mut Found, usize) -> io::Result<()> + 'a;

/// Matches the records of one part of the input.
pub(crate) struct Scan<'a> {
    pub(crate) hunt: &'a Hunt,
    pub(crate) matcher: &'a mut Matcher,
    path: Arc<str>,
    sightings: Sightings<'a>,
    pub(crate) emit: &'a mut Emit<'a>,
    hits: Vec<u32>,
    found: Found,
    /// Records so far.
    number: u64,
}

impl<'a> Scan<'a> {
    pub(crate) fn new(hunt: &'a Hunt, matcher: &'a mut Matcher, emit: &'a mut Emit<'a>) -> Self {
        let (hits, found, sightings) = (Vec::new(), Found::default(), Sightings::new(&hunt.rules));
        Self { hunt, matcher, path: Arc::default(), sightings, emit, hits, found, number: 0 }
    }

    /// Keeps what correlations need of an event.
    fn correlate(&mut self, bytes: &[u8], record: &Record, whole: &mut dyn FnMut() -> Event) {
        let Some(time) = record.time else {
            self.found.untimed += 1;
            return;
        };
        let place = EventRef { source: 0, record: self.number };
        let (matcher, read) = (&mut *self.matcher, (bytes, record));
        let sighting = self.sightings.make(&self.hits, matcher, read, time.nanos, place);
        let evidence =
            sighting.and_then(|sighting| Evidence::new(sighting, &self.path, bytes, record, whole));
        self.found.evidence.extend(evidence);
    }

    /// Encodes what rules matched in an event.
    fn detect(&mut self, event: &Event) {
        let time = event.time.map(|time| time.nanos);
        if !self.hunt.is_within(time) {
            return;
        }
        let (digest, json) = (OnceCell::new(), OnceCell::new());
        for &rule in &self.hits {
            if !self.hunt.rules.reports[rule as usize] {
                continue;
            }
            let Some(encoder) = &self.hunt.encoder else {
                self.found.detections.count(time, rule, field(event, HOST_FIELDS));
                continue;
            };
            let oracle = self.hunt.rules.set.oracle(rule);
            let matched = oracle.map(|oracle| matched(oracle, event)).unwrap_or_default();
            let card = &self.hunt.rules.cards[rule as usize];
            let (path, record) = (&*self.path, self.number);
            let hit = Hit {
                rule: Subject::Rule(card),
                alert: None,
                event,
                digest: &digest,
                json: &json,
                matched: &matched,
                path,
                record,
            };
            encoder.detection(&hit, rule, &mut self.found.detections);
        }
    }
}

impl Consumer for Scan<'_> {
    fn stream(&mut self, name: &str) {
        self.path = name.into();
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
        if let Some(time) = record.time {
            self.found.latest = self.found.latest.max(Some(time.nanos));
            if self.hunt.is_live {
                self.found.times.push(time.nanos);
            }
        }
        if self.hits.is_empty() {
            return;
        }
        let mut event = self.matcher.take_event();
        let rules = &self.hunt.rules;
        if self.sightings.wants(&self.hits) {
            self.correlate(bytes, record, &mut || event.get_or_insert_with(&mut whole).clone());
        }
        if self.hits.iter().any(|rule| rules.reports[*rule as usize]) {
            let event = event.unwrap_or_else(whole);
            self.detect(&event);
        }
    }

    fn block(&mut self, bytes: usize) -> io::Result<()> {
        (self.emit)(&mut self.found, bytes)
    }
}
