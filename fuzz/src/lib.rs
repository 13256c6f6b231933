//! What the fuzz targets share: streams read whole and in pieces, and the comparison of both evaluations.

use sigmund_engine::oracle::Lookup;
use sigmund_engine::{Event, Matcher, Record, Routing, RuleSet};
use sigmund_parsers::{Counts, FORMATS, Format, Framing, Outcome, Stream, StreamInfo};
use sigmund_sigma::{Loader, Rule, Source};
use std::sync::{Arc, LazyLock};

/// Log text behind a byte that says how it is read.
pub fn split(data: &[u8]) -> (u8, &[u8]) {
    data.split_first().map_or((0, data), |(first, rest)| (*first, rest))
}

fn info(name: &str, routing: &Arc<Routing>) -> StreamInfo {
    StreamInfo {
        file_name: name.into(),
        reference_time: 1_700_000_000_000_000_000,
        assumed_zone: jiff::tz::TimeZone::UTC,
        routing: Arc::clone(routing),
    }
}

/// What came out of a stream.
#[derive(Debug, Default, PartialEq, Eq)]
struct Reading {
    counts: Counts,
    /// Place, text, verdict, format and route of each record.
    records: Vec<(usize, Vec<u8>, Outcome, &'static str, String)>,
}

/// What is not in a record may only be what separates records of lines.
fn nothing_is_lost(reading: &Reading, bytes: &[u8]) {
    if reading.counts.truncated > 0 {
        return;
    }
    let mut at = 0;
    let records = reading.records.iter().filter(|record| record.0 < bytes.len());
    let ends = records.map(|record| (record.0, record.0 + record.1.len()));
    for (start, end) in ends.chain([(bytes.len(), bytes.len())]) {
        assert!(start >= at, "records overlap");
        let gap = &bytes[at..start];
        let gap = if at == 0 { gap.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(gap) } else { gap };
        assert!(
            gap.iter().all(|byte| matches!(byte, b'\n' | b'\r' | 0)),
            "lost: {:?}",
            String::from_utf8_lossy(gap)
        );
        at = end;
    }
}

fn read(
    bytes: &[u8],
    name: &str,
    forced: Option<&'static dyn Format>,
    limit: usize,
    mut block: impl FnMut() -> usize,
) -> Reading {
    static ROUTING: LazyLock<Arc<Routing>> = LazyLock::new(Arc::default);
    let head = &bytes[..bytes.len().min(64 << 10)];
    let mut stream = Stream::with_limit(info(name, &ROUTING), head, forced, limit);
    let mut record = Record::new(Arc::default());
    let mut reading = Reading::default();
    let (mut start, mut end) = (0, 0);
    loop {
        end = (end + block().max(1)).min(bytes.len());
        let last = end == bytes.len();
        let records = &mut reading.records;
        let done = stream.read(&bytes[start..end], last, &mut record, &mut |mut framed| {
            let at = start + framed.offset;
            // The brackets of what was cut, and of members beside a list, are not there.
            let members = framed.bytes.get(1..framed.bytes.len().saturating_sub(1));
            let is_members = framed.bytes.starts_with(b"{")
                && members.is_some_and(|members| bytes[at..].starts_with(members));
            // Lines that the end of the stream made of their parts stand behind it.
            let is_there = at == bytes.len() || bytes[at..].starts_with(framed.bytes);
            assert!(framed.truncated || is_members || is_there);
            let mut route = String::new();
            match framed.outcome {
                Outcome::Event => {
                    let told = framed.time();
                    let event = framed.event();
                    assert!(told.is_none_or(|time| time == event.time), "it has another time");
                    assert_eq!(&*event.raw, framed.bytes, "the event is not the record");
                    let hot = framed.record.route.as_ref().expect("an event has a route");
                    assert_eq!(hot.name, event.route.name, "read again it has another route");
                    route = event.route.name.to_string();
                }
                Outcome::Skip(_) => {}
                Outcome::Foreign => panic!("a foreign record came out"),
            }
            records.push((at, framed.bytes.to_vec(), framed.outcome, framed.format, route));
        });
        assert!(done <= end - start, "more was read than was there");
        start += done;
        if last {
            assert_eq!(start, bytes.len(), "bytes are left over");
            break;
        }
    }
    reading.counts = stream.counts().clone();
    let skipped: u64 = reading.counts.skipped.iter().map(|(_, count)| count).sum();
    assert_eq!(reading.counts.records, reading.counts.events + skipped);
    assert_eq!(reading.counts.records, reading.records.len() as u64);
    let lines = match forced {
        Some(format) => format.framing() == Framing::Lines,
        None => sigmund_parsers::format_named(stream.format())
            .is_some_and(|format| format.framing() == Framing::Lines),
    };
    // The length in front of an octet-counted frame is in no record.
    let start = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    if lines && !start.first().is_some_and(u8::is_ascii_digit) {
        nothing_is_lost(&reading, bytes);
    }
    reading
}

/// Reads log bytes as a stream, whole and in blocks whose sizes the bytes decide: both must give the same, and nothing may be lost.
pub fn stream(bytes: &[u8], name: &str, forced: Option<&'static dyn Format>, seed: u8) {
    let limit = if seed & 1 == 0 { sigmund_parsers::DEFAULT_LIMIT } else { 64 };
    let whole = read(bytes, name, forced, limit, || bytes.len());
    let mut dice = u64::from(seed) << 8 | bytes.len() as u64;
    let parts = read(bytes, name, forced, limit, || {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        // Many borders at the beginning of the range, some far ones.
        (dice >> 33) as usize % (1 << (1 + (dice >> 60) % 8))
    });
    assert_eq!(whole, parts, "in blocks it reads otherwise");
}

/// The format of that name.
pub fn format(name: &str) -> &'static dyn Format {
    sigmund_parsers::format_named(name).expect("a known format")
}

/// The format that a byte stands for, of those that streams can read.
pub fn any_format(byte: u8) -> Option<&'static dyn Format> {
    let formats: Vec<_> =
        FORMATS.iter().copied().filter(|format| format.framing() != Framing::Whole).collect();
    formats.get(usize::from(byte) % (formats.len() + 1)).copied()
}

/// Loads rules; what does not load is left out.
pub fn load(text: &str) -> Vec<Rule> {
    Loader::default().load(&[Source { name: "fuzz.yml".into(), text: text.into() }]).rules
}

/// Compiled rules, and a matcher that remembers what it saw.
pub struct Both {
    ruleset: Arc<RuleSet>,
    routing: Arc<Routing>,
    matcher: Matcher,
}

impl Both {
    /// For rules that see every event, whatever their log source.
    pub fn new(rules: Vec<Rule>) -> Self {
        let tables: Vec<_> = FORMATS.iter().flat_map(|format| format.aliases()).collect();
        let extra: Vec<&str> = sigmund_parsers::json::schema::discriminators().collect();
        let ruleset = Arc::new(RuleSet::compile(rules, &tables, &extra, &[]).0);
        let mut routing = Routing::default();
        routing.unfiltered = true;
        let matcher = Matcher::new(Arc::clone(&ruleset));
        Self { ruleset, routing: Arc::new(routing), matcher }
    }

    /// How many rules there are.
    pub fn rules(&self) -> usize {
        self.ruleset.rules().len()
    }

    /// Matches all events of log bytes: the compiled matcher, fresh for these bytes and with memory of all before, must say what the
    /// plain evaluator says.
    pub fn compare(&mut self, bytes: &[u8], forced: Option<&'static dyn Format>) {
        let mut stream = Stream::open(info("", &self.routing), bytes, forced);
        let mut record = Record::new(Arc::clone(self.ruleset.field_table()));
        let (ruleset, matcher) = (&self.ruleset, &mut self.matcher);
        let mut fresh = Matcher::new(Arc::clone(ruleset));
        let mut hits = Vec::new();
        stream.read(bytes, true, &mut record, &mut |mut framed| {
            if framed.outcome != Outcome::Event {
                return;
            }
            let event = framed.event();
            let expected = expected(ruleset, &event);
            let bytes = framed.bytes;
            let (record, mut whole) = framed.parts();
            for (what, matcher) in [("fresh", &mut fresh), ("remembering", &mut *matcher)] {
                matcher.matches(bytes, record, &mut whole, &mut hits);
                if hits != expected {
                    let titles = |rules: &[u32]| -> Vec<String> {
                        let rules = rules.iter().map(|rule| &ruleset.rules()[*rule as usize]);
                        rules.map(|rule| rule.metadata.title.to_string()).collect()
                    };
                    panic!(
                        "the compiled matcher ({what}) says {:?}, the plain evaluator {:?}\n{event:?}",
                        titles(&hits),
                        titles(&expected)
                    );
                }
            }
        });
    }
}

fn expected(ruleset: &RuleSet, event: &Event) -> Vec<u32> {
    let lookup = Lookup::new(event);
    (0..ruleset.rules().len() as u32)
        .filter(|rule| {
            let oracle = ruleset.oracle(*rule).expect("a rule that was compiled");
            oracle.sees(&event.route) && oracle.matches_in(&lookup)
        })
        .collect()
}
