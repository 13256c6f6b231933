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
use std::mem::take;
use std::sync::Arc;

/// So many bytes of detections are handed on before the block ends: what grows further would be fresh memory, which the system
/// clears first, and out of the cache when it is written.
pub(crate) const FULL: usize = 64 << 10;

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

    /// It holds as much as is handed on at once at most, but for the last event.
    pub(crate) fn is_full(&mut self) -> bool {
        let held = self.evidence.len().max(self.times.len());
        self.detections.bytes().len() >= FULL || held >= FULL / 64
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
    found: &'a mut Found,
    /// Records so far.
    number: u64,
    /// What went wrong when detections were handed on.
    failed: Option<io::Error>,
}

impl<'a> Scan<'a> {
    /// `found` is empty: what it has room for serves one part after the other.
    pub(crate) fn new(
        hunt: &'a Hunt,
        detector: &'a mut Detector,
        found: &'a mut Found,
        emit: &'a mut Emit<'a>,
    ) -> Self {
        let path = Arc::default();
        Self { hunt, detector, path, date: None, emit, found, number: 0, failed: None }
    }

    /// Encodes what rules matched in an event.
    fn detect(&mut self, event: &dyn Occurrence) {
        let time = event.time().map(|time| time.nanos);
        if !self.hunt.is_within(time) {
            return;
        }
        let Self { hunt, detector, path, date, emit, found, number, failed } = self;
        let detections = &mut found.detections;
        let Some(encoder) = &hunt.encoder else {
            for rule in detector.reporting() {
                detections.count(time, rule, field(event.whole(), HOST_FIELDS));
            }
            return;
        };
        let view = EventView::new(event, path, *number).received(*date);
        detector.hits(&view, &mut |rule, hit| {
            if failed.is_some() {
                return;
            }
            encoder.detection(hit, rule, detections);
            // One event may have hundreds of detections, and each shows it.
            if detections.bytes().len() >= FULL {
                let mut part = Found { detections: take(detections), ..Found::default() };
                *failed = emit(&mut part, 0).err();
                *detections = part.detections;
            }
        });
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
            self.failed = (self.emit)(self.found, 0).err();
        }
    }

    fn block(&mut self, bytes: usize) -> io::Result<()> {
        match self.failed.take() {
            Some(error) => Err(error),
            None => (self.emit)(self.found, bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{DetectionFormat, LogOptions};
    use crate::encode::Style;
    use crate::input::Opened;
    use sigmund_engine::Routing;
    use sigmund_sigma::{Loader, Source};

    /// The sizes of what is handed on of one record, and all of it.
    fn parts(rules: usize, event: &str) -> (Vec<usize>, String) {
        let rule = |at: usize| {
            format!(
                "title: r{at}\nlogsource: {{category: any}}\ndetection: {{s: {{a: x*}}, condition: s}}\n"
            )
        };
        let text = (0..rules).map(rule).collect::<Vec<_>>().join("---\n");
        let texts = [Source { name: "r.yml".into(), text: text.into() }];
        let rules = Rules::compile(&Loader::default(), &texts, &|_| true, &Routing::default());
        let log_sources = vec!["category=any".to_owned()];
        let options = LogOptions { log_sources, ..LogOptions::default() };
        let hunt = Hunt {
            rules: Arc::new(rules),
            reading: crate::plan::reading(&options).expect("options"),
            encoder: Some(Encoder::new(DetectionFormat::Jsonl, Style::default())),
            window: (None, None),
            is_live: false,
        };
        let (mut sizes, mut all) = (Vec::new(), Vec::new());
        let mut emit = |found: &mut Found, _: usize| {
            sizes.push(found.detections.bytes().len());
            found.detections.drain(0, &mut |_, text| {
                all.extend_from_slice(text);
                Ok(())
            })
        };
        let (mut detector, mut found) = (hunt.detector(), Found::default());
        let mut scan = Scan::new(&hunt, &mut detector, &mut found, &mut emit);
        let opened = Opened::memory(event.as_bytes().to_vec());
        hunt.reader().log(opened, &hunt.reading, &mut scan).expect("memory");
        (sizes, String::from_utf8(all).expect("text"))
    }

    #[test]
    fn many_detections_of_one_large_event_are_handed_on_a_few_at_a_time() {
        let value = "x".repeat(100_000);
        let (sizes, all) = parts(50, &format!("{{\"a\":\"{value}\"}}\n"));
        assert!(sizes.iter().all(|size| *size < 120_000), "{sizes:?}");
        let titles: Vec<String> = all
            .lines()
            .map(|line| {
                let detection: serde_json::Value = serde_json::from_str(line).expect("json");
                let matched = &detection["matched"][0];
                assert_eq!(matched["value"], "x".repeat(4096));
                assert_eq!(matched["value_bytes"], 100_000);
                assert_eq!(detection["event"]["a"], *value);
                detection["rule"]["title"].as_str().unwrap_or_default().to_owned()
            })
            .collect();
        assert_eq!(titles, (0..50).map(|at| format!("r{at}")).collect::<Vec<_>>());
    }
}
