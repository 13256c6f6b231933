//! From the records of a log to encoded detections.

use crate::encode::Encoder;
use crate::read::{Consumer, Reader};
use sigmund_engine::Occurrence;
use sigmund_engine::correlation::EventRef;
use sigmund_parsers::{Framed, Outcome};
use sigmund_stream::detect::Detector;
use sigmund_stream::encode::{Buffer, EventView, HOST_FIELDS, field};
use sigmund_stream::evidence::Evidence;
use sigmund_stream::reading::Reading;
use sigmund_stream::rules::Rules;
use std::io;
use std::sync::Arc;

/// So many bytes of detections are handed on before the block ends: what grows further would be fresh memory, which the system
/// clears first, and out of the cache when it is written.
const FULL: usize = 64 << 10;

/// What a hunt knows before it reads the first log. Shared by all threads.
pub(crate) struct Hunt {
    pub(crate) rules: Arc<Rules>,
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
        Reader::new(self.rules.record())
    }

    /// Whether detections of that time are wanted.
    pub(crate) fn is_within(&self, time: Option<i64>) -> bool {
        let (from, to) = self.window;
        from.is_none_or(|from| time.is_some_and(|time| time >= from))
            && to.is_none_or(|to| time.is_some_and(|time| time < to))
    }

    /// A detector with empty memories.
    pub(crate) fn detector(&self) -> Detector {
        Detector::new(Arc::clone(&self.rules))
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
    detector: &'a mut Detector,
    path: Arc<str>,
    /// The time of the log, for formats in which every event has one.
    date: Option<i64>,
    pub(crate) emit: &'a mut Emit<'a>,
    found: Found,
    /// Records so far.
    number: u64,
    /// What went wrong when detections were handed on.
    failed: Option<io::Error>,
}

impl<'a> Scan<'a> {
    pub(crate) fn new(hunt: &'a Hunt, detector: &'a mut Detector, emit: &'a mut Emit<'a>) -> Self {
        let (path, found) = (Arc::default(), Found::default());
        Self { hunt, detector, path, date: None, emit, found, number: 0, failed: None }
    }

    /// Encodes what rules matched in an event.
    fn detect(&mut self, event: &dyn Occurrence) {
        let time = event.time().map(|time| time.nanos);
        if !self.hunt.is_within(time) {
            return;
        }
        let detections = &mut self.found.detections;
        let Some(encoder) = &self.hunt.encoder else {
            for rule in self.detector.reporting() {
                detections.count(time, rule, field(event.whole(), HOST_FIELDS));
            }
            return;
        };
        let view = EventView::new(event, &self.path, self.number).received(self.date);
        self.detector.hits(&view, &mut |rule, hit| encoder.detection(hit, rule, detections));
    }
}

impl Consumer for Scan<'_> {
    fn stream(&mut self, name: &str) {
        self.path = name.into();
        self.number = 0;
    }

    fn dated(&mut self, time: i64) {
        self.date = Some(time).filter(|time| *time > 0);
    }

    fn record(&mut self, mut framed: Framed<'_>) {
        self.number += 1;
        if framed.outcome != Outcome::Event {
            return;
        }
        let place = EventRef { source: 0, record: self.number };
        let seen = self.detector.record(&mut framed, &self.path, place);
        if let Some(time) = framed.record.time {
            self.found.latest = self.found.latest.max(Some(time.nanos));
            if self.hunt.is_live {
                self.found.times.push(time.nanos);
            }
        }
        let Some(mut seen) = seen else { return };
        self.found.evidence.extend(seen.evidence.take());
        self.found.untimed += u64::from(seen.untimed);
        if seen.reports {
            seen.show(&mut framed, &mut |event| self.detect(event));
        }
        if self.failed.is_none() && self.found.detections.bytes().len() >= FULL {
            self.failed = (self.emit)(&mut self.found, 0).err();
        }
    }

    fn block(&mut self, bytes: usize) -> io::Result<()> {
        match self.failed.take() {
            Some(error) => Err(error),
            None => (self.emit)(&mut self.found, bytes),
        }
    }
}
