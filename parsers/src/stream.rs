//! One stream of log bytes, record by record.
//!
//! A stream has a format (told or recognised by its beginning), framing and the parser's state. Every record
//! is offered to the stream's parser first; what it does not know goes to the other formats whose first look says
//! they might, and at last to plain text. Nothing is lost and everything is counted.

use crate::detect::detect;
use crate::format::ROOM;
use crate::framing::{BOM, Framer, Piece, Step};
use crate::{FORMATS, Format, Framing, Head, Outcome, Parser, Score, StreamInfo, Text};
use sigmund_engine::{Event, EventTime, Record};

/// The longest record, unless told otherwise: 1 MiB.
pub const DEFAULT_LIMIT: usize = 1 << 20;

/// So much of a message is looked at to see how its records are framed.
const HEAD: usize = 64 << 10;

/// What makes a message a line in a block.
const END_OF_LINE: [u8; 1 + ROOM] = {
    let mut end = [0; 1 + ROOM];
    end[0] = b'\n';
    end
};

/// What a stream held so far. `records` = `events` + all of `skipped`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Records framed.
    pub records: u64,
    /// Records that are events.
    pub events: u64,
    /// Records that are none, by reason, in the order of first appearance.
    pub skipped: Vec<(&'static str, u64)>,
    /// Events that no format but plain text took, in a stream of another format.
    pub unparsed: u64,
    /// Records longer than the limit, of which the beginning was kept.
    pub truncated: u64,
}

impl Counts {
    fn skip(&mut self, reason: &'static str) {
        match self.skipped.iter_mut().find(|(have, _)| *have == reason) {
            Some((_, count)) => *count += 1,
            None => self.skipped.push((reason, 1)),
        }
    }

    /// Adds what another part of the input held.
    pub fn add(&mut self, other: &Self) {
        self.records += other.records;
        self.events += other.events;
        self.unparsed += other.unparsed;
        self.truncated += other.truncated;
        for (reason, count) in &other.skipped {
            match self.skipped.iter_mut().find(|(have, _)| have == reason) {
                Some((_, sum)) => *sum += count,
                None => self.skipped.push((reason, *count)),
            }
        }
    }
}

/// A stream that is being read.
pub struct Stream {
    info: StreamInfo,
    format: &'static dyn Format,
    parser: Box<dyn Parser>,
    /// Parsers of other formats, opened when a record first looks like theirs; in the order of [`FORMATS`].
    others: Vec<Option<Box<dyn Parser>>>,
    framer: Framer,
    limit: usize,
    whole: Option<Box<Record>>,
    counts: Counts,
    splittable: bool,
    /// Every line is looked at for its own format: nobody said that the stream is plain text.
    mixed: bool,
    /// The last message held more than one record: the next may, too, and a look at its first line is worth it.
    has_batches: bool,
    /// A message as a line, with what has to be behind one.
    message: Vec<u8>,
}

impl std::fmt::Debug for Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stream")
            .field("format", &self.format.name())
            .field("counts", &self.counts)
            .finish_non_exhaustive()
    }
}

/// A stream that may be read in independent parts.
#[derive(Clone)]
pub struct Split {
    info: StreamInfo,
    format: &'static dyn Format,
    mixed: bool,
    limit: usize,
}

impl std::fmt::Debug for Split {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Split").field("format", &self.format.name()).finish_non_exhaustive()
    }
}

impl Split {
    /// The stream's format.
    #[must_use]
    pub fn format(&self) -> &'static str {
        self.format.name()
    }

    /// A stream that reads a part. For further parts on the same thread [`Stream::restart`] costs less.
    #[must_use]
    pub fn open(&self) -> Stream {
        let mut stream = Stream::with_limit(self.info.clone(), b"", Some(self.format), self.limit);
        stream.mixed = self.mixed;
        stream
    }
}

/// A record of a stream, between its parser and whoever matches it.
pub struct Framed<'a> {
    /// The record as it came, without its line end or the structure around it.
    pub bytes: &'a [u8],
    /// Where `bytes` begin in the block.
    pub offset: usize,
    /// Event or skip; never [`Outcome::Foreign`].
    pub outcome: Outcome,
    /// The name of the format that took it.
    pub format: &'static str,
    /// It was longer than the limit; the rest is dropped.
    pub truncated: bool,
    /// What the parser filled.
    pub record: &'a mut Record,
    parser: &'a mut dyn Parser,
    whole: &'a mut Option<Box<Record>>,
}

impl std::fmt::Debug for Framed<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Framed")
            .field("bytes", &String::from_utf8_lossy(self.bytes))
            .field("outcome", &self.outcome)
            .field("format", &self.format)
            .field("truncated", &self.truncated)
            .finish_non_exhaustive()
    }
}

impl Framed<'_> {
    /// The whole event: the same bytes, read again in full.
    pub fn event(&mut self) -> Event {
        whole_event(self.bytes, self.parser, self.record, self.whole)
    }

    /// When it happened; `None` if only the whole event tells.
    pub fn time(&mut self) -> Option<Option<EventTime>> {
        if self.record.wants_time {
            return Some(self.record.time);
        }
        self.parser.time_of(self.bytes, self.record)
    }

    /// The record as its parser filled it together with the whole event on demand, for a matcher.
    pub fn parts(&mut self) -> (&Record, impl FnMut() -> Event) {
        let (bytes, parser, whole) = (self.bytes, &mut *self.parser, &mut *self.whole);
        let record = &*self.record;
        (record, move || whole_event(bytes, parser, record, whole))
    }
}

fn whole_event(
    bytes: &[u8],
    parser: &mut dyn Parser,
    record: &Record,
    whole: &mut Option<Box<Record>>,
) -> Event {
    let whole = whole.get_or_insert_with(|| Box::new(Record::collecting()));
    whole.clear();
    whole.route.clone_from(&record.route);
    parser.event(bytes, whole)
}

impl Stream {
    /// Begins a stream. `head` is its beginning, up to 64 KiB of it; the format is the forced one, or what that looks like.
    #[must_use]
    pub fn open(info: StreamInfo, head: &[u8], forced: Option<&'static dyn Format>) -> Self {
        Self::with_limit(info, head, forced, DEFAULT_LIMIT)
    }

    /// Begins a stream whose records are cut at `limit` bytes.
    #[must_use]
    pub fn with_limit(
        info: StreamInfo,
        head: &[u8],
        forced: Option<&'static dyn Format>,
        limit: usize,
    ) -> Self {
        let head = head.strip_prefix(BOM).unwrap_or(head);
        let format =
            forced.unwrap_or_else(|| detect(&Head { file_name: &info.file_name, bytes: head }));
        let framer = Framer::new(format.framing(), head, limit);
        let splittable = format.is_stateless()
            && match format.framing() {
                Framing::Lines => framer.is_line_based(),
                Framing::Json => is_one_object_per_line(head),
                Framing::Xml | Framing::Whole => false,
            };
        let parser = format.open(&info);
        Self {
            info,
            format,
            parser,
            others: FORMATS.iter().map(|_| None).collect(),
            framer,
            limit,
            whole: None,
            counts: Counts::default(),
            splittable,
            mixed: forced.is_none() && format.name() == Text.name(),
            has_batches: false,
            message: Vec::new(),
        }
    }

    /// The stream's format.
    #[must_use]
    pub fn format(&self) -> &'static str {
        self.format.name()
    }

    /// Whether independent streams may read it from any line border on: one record per line (by its beginning)
    /// and no state from record to record.
    #[must_use]
    pub fn is_splittable(&self) -> bool {
        self.splittable
    }

    /// How to read parts of the stream independently, if that gives the same records: any cuts at line borders will do.
    #[must_use]
    pub fn split(&self) -> Option<Split> {
        let split = Split {
            info: self.info.clone(),
            format: self.format,
            mixed: self.mixed,
            limit: self.limit,
        };
        self.splittable.then_some(split)
    }

    /// Forgets the counts and begins another part of the same stream; for streams that can be [`split`](Self::split).
    /// What parsers prepared stays.
    pub fn restart(&mut self) {
        self.counts = Counts::default();
        self.framer = Framer::new(self.format.framing(), b"", self.limit);
    }

    /// Reads all records of a message that stands for itself, such as the value of a Kafka record. What parsers know from earlier messages stays.
    pub fn message(&mut self, bytes: &[u8], record: &mut Record, each: &mut dyn FnMut(Framed<'_>)) {
        let head = &bytes[..bytes.len().min(HEAD)];
        let head = head.strip_prefix(BOM).unwrap_or(head);
        self.framer.begin(self.format.framing(), head);
        // Most messages are one object. Its parser finds its end by itself: nobody need look for one before, which would be the first to
        // read all of what nobody has in a cache yet.
        let alone = bytes.trim_ascii_end();
        if self.framer.may_be_one_object(alone)
            && !(self.has_batches && begins_with_an_object_line(alone))
            && (self.known_line(alone, record, each)
                || self.take(alone, 0, Piece::LikelyRecord, false, record, each))
        {
            return;
        }
        let records = self.counts.records;
        self.read(bytes, true, record, each);
        self.has_batches = self.counts.records - records > 1;
    }

    /// What was read so far.
    #[must_use]
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Reads as many whole records of `block` as there are, all of it with `last`, and gives each to `each`.
    /// Returns how many bytes are done with: the next block begins with the rest and goes on from there.
    pub fn read(
        &mut self,
        block: &[u8],
        last: bool,
        record: &mut Record,
        each: &mut dyn FnMut(Framed<'_>),
    ) -> usize {
        let mut at = 0;
        loop {
            if let Some(length) = self.line(block, at, record, each) {
                at += length;
                continue;
            }
            match self.framer.next(&block[at..], last) {
                Step::More => return at,
                Step::Passed(length) => at += length,
                Step::Frame(frame) => {
                    let offset = at + frame.range.start;
                    let bytes = &block[offset..at + frame.range.end];
                    let refusable = frame.piece == Piece::LikelyRecord;
                    if self.take(bytes, offset, frame.piece, frame.truncated, record, each)
                        || !refusable
                    {
                        at += frame.resume;
                    } else {
                        self.framer.refuse();
                    }
                }
            }
        }
    }

    /// Reads a line that is one record without framing it first, if the parser can; gives its length.
    #[inline]
    fn line(
        &mut self,
        block: &[u8],
        at: usize,
        record: &mut Record,
        each: &mut dyn FnMut(Framed<'_>),
    ) -> Option<usize> {
        if !self.framer.takes_objects() {
            return None;
        }
        let rest = block.get(at..)?;
        let line = self.parser.parse_line(rest, record)?;
        if line.whole > self.limit {
            return None;
        }
        self.give_line(rest.get(..line.record)?, at, record, each);
        Some(line.whole)
    }

    /// Gives a record that the parser found to be a line.
    #[inline]
    fn give_line(
        &mut self,
        bytes: &[u8],
        offset: usize,
        record: &mut Record,
        each: &mut dyn FnMut(Framed<'_>),
    ) {
        self.counts.records += 1;
        self.counts.events += 1;
        each(Framed {
            bytes,
            offset,
            outcome: Outcome::Event,
            format: self.format.name(),
            truncated: false,
            record,
            parser: self.parser.as_mut(),
            whole: &mut self.whole,
        });
    }

    /// Reads a message as a line, if the parser knows lines like it: then nothing else need be known about it.
    fn known_line(
        &mut self,
        message: &[u8],
        record: &mut Record,
        each: &mut dyn FnMut(Framed<'_>),
    ) -> bool {
        if message.len() > HEAD {
            return false;
        }
        if !self.parser.knows_lines() {
            // It has to know how many there were.
            let _ = self.parser.parse_line(message, record);
            return false;
        }
        let mut line = std::mem::take(&mut self.message);
        line.clear();
        line.extend_from_slice(message);
        line.extend_from_slice(&END_OF_LINE);
        let found = self.parser.parse_line(&line, record);
        let is_known = found.is_some_and(|found| found.record == message.len());
        if is_known {
            self.give_line(&line[..message.len()], 0, record, each);
        }
        self.message = line;
        is_known
    }

    /// Gives a record to the parser that takes it; `false` if it was refused.
    fn take(
        &mut self,
        bytes: &[u8],
        offset: usize,
        piece: Piece,
        truncated: bool,
        record: &mut Record,
        each: &mut dyn FnMut(Framed<'_>),
    ) -> bool {
        record.clear();
        let mut format = self.format;
        let mut other = None;
        let outcome = match piece {
            Piece::Empty => Outcome::Skip("empty line"),
            Piece::Stray => Outcome::Foreign,
            Piece::Record if self.mixed => Outcome::Foreign,
            Piece::Record | Piece::LikelyRecord => self.parser.parse(bytes, record),
        };
        let outcome = match outcome {
            Outcome::Foreign if piece == Piece::LikelyRecord => return false,
            Outcome::Foreign => {
                let (index, outcome) = self.other(bytes, piece, record);
                format = FORMATS[index];
                other = Some(index);
                outcome
            }
            outcome => outcome,
        };
        self.counts.records += 1;
        self.counts.truncated += u64::from(truncated);
        match outcome {
            Outcome::Skip(reason) => self.counts.skip(reason),
            Outcome::Event | Outcome::Foreign => {
                self.counts.events += 1;
                let fallback = format.name() == Text.name() && self.format.name() != Text.name();
                self.counts.unparsed += u64::from(fallback);
            }
        }
        let parser = match other {
            Some(index) => match &mut self.others[index] {
                Some(parser) => parser.as_mut(),
                // `other` has just opened it.
                None => self.parser.as_mut(),
            },
            None => self.parser.as_mut(),
        };
        each(Framed {
            bytes,
            offset,
            outcome,
            format: format.name(),
            truncated,
            record,
            parser,
            whole: &mut self.whole,
        });
        true
    }

    /// Offers a record to the other formats, the surest first, at last to plain text. Returns the index in [`FORMATS`] of the one that
    /// took it.
    fn other(&mut self, bytes: &[u8], piece: Piece, record: &mut Record) -> (usize, Outcome) {
        let text = FORMATS.len() - 1;
        let own = self.format.name();
        let mut tried = 0u64;
        loop {
            let mut best = (text, Score::FALLBACK);
            for (index, format) in FORMATS.iter().enumerate().take(text.min(64)) {
                // Its own format may know a stray line that its framing does not.
                let refused = format.name() == own && piece != Piece::Stray;
                if refused || tried & (1 << index) != 0 {
                    continue;
                }
                let score = format.sniff_line(bytes);
                if score >= Score::LIKELY && score > best.1 {
                    best = (index, score);
                }
            }
            let index = best.0;
            record.clear();
            let parser = self.others[index].get_or_insert_with(|| FORMATS[index].open(&self.info));
            let outcome = parser.parse(bytes, record);
            if outcome != Outcome::Foreign {
                return (index, outcome);
            }
            if index == text {
                // Plain text takes everything; were it not so, the record would still be an event.
                return (index, Outcome::Event);
            }
            tried |= 1 << index;
        }
    }
}

/// Whether more follows an object that is a line.
fn begins_with_an_object_line(message: &[u8]) -> bool {
    let end = memchr::memchr(b'\n', message);
    end.is_some_and(|end| crate::framing::is_plain_object_line(&message[..end], false))
}

/// Whether the first line is one whole object (all of `head`, if it is shorter than a line).
fn is_one_object_per_line(head: &[u8]) -> bool {
    let head = head.trim_ascii_start();
    let line = memchr::memchr(b'\n', head).map_or(head, |end| &head[..end]);
    // A line that is longer than the head is no pretty-printed object either.
    crate::framing::is_plain_object_line(line, line.len() == head.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::sync::Arc;

    fn info() -> StreamInfo {
        StreamInfo::new("", 0)
    }

    #[test]
    fn messages_stand_for_themselves() {
        let first = b"{\"a\":1}\n{\"a\":2}";
        let mut stream = Stream::open(info(), first, None);
        let mut record = Record::new(Arc::default());
        let mut found = Vec::new();
        let messages: [&[u8]; 5] =
            [first, b"{\n \"a\": 3\n}", b"[{\"a\":4},{\"a\":5}", b"not json", b"{\"a\":6}"];
        for message in messages {
            stream.message(message, &mut record, &mut |framed| {
                let text = String::from_utf8_lossy(framed.bytes).replace(['\n', ' '], "");
                found.push(format!("{}:{text}", framed.format));
            });
        }
        let expected = [
            r#"json:{"a":1}"#,
            r#"json:{"a":2}"#,
            r#"json:{"a":3}"#,
            r#"json:{"a":4}"#,
            r#"json:{"a":5}"#,
            "text:notjson",
            r#"json:{"a":6}"#,
        ];
        assert_eq!(found, expected);
        assert_eq!((stream.counts().records, stream.counts().unparsed), (7, 1));
    }

    /// Pieces of messages, of which some are objects, some several, and some none.
    const PIECES: &[&str] = &[
        "{",
        "}",
        "[",
        "]",
        "\"",
        ":",
        ",",
        "\n",
        "\r\n",
        " ",
        "\\",
        "\0",
        "\u{1e}",
        "x",
        "1",
        "\"a\":1",
        "\"b\":\"}\"",
        "\"c\":{}",
        "{\"a\":1}",
        "{\"a\":{\n\"b\":[2]}\n}",
        "{\"d\":\"x\ny\"}",
        "{\"Records\":[{\"a\":1}]}",
        "{\"_index\":1,\"_source\":{\"a\":1}}",
        "\u{feff}",
    ];

    proptest! {
        /// What is one object is so for whoever expects several, and looks for line ends first.
        #[test]
        fn messages_are_framed_by_what_they_hold(
            pieces in proptest::collection::vec(proptest::sample::select(PIECES), 1..8),
        ) {
            let text = pieces.concat();
            let forms = [false, true].map(|has_batches| {
                let format = FORMATS.iter().find(|format| format.name() == "json").copied();
                let mut stream = Stream::open(info(), b"", format);
                stream.has_batches = has_batches;
                let mut record = Record::new(Arc::default());
                let mut found = Vec::new();
                stream.message(text.as_bytes(), &mut record, &mut |framed| {
                    let text = String::from_utf8_lossy(framed.bytes).into_owned();
                    found.push((framed.format, framed.offset, text));
                });
                (found, stream.counts().clone())
            });
            prop_assert_eq!(&forms[0], &forms[1]);
        }
    }

    /// What JSON events are recognised by must be wanted for them to be read the fast way.
    fn json_record() -> Record {
        let names = crate::json::schema::discriminators().chain(["note"]);
        Record::new(Arc::new(sigmund_engine::FieldTable::new(names)))
    }

    /// `format:text`, `-` in place of the format for skips, `!` for cut ones; `shows` adds the fields of JSON records.
    fn shown(mut framed: Framed<'_>, shows: bool) -> String {
        let format = match framed.outcome {
            Outcome::Event => framed.format,
            _ => "-",
        };
        let cut = if framed.truncated { "!" } else { "" };
        let fields = &framed.record.fields;
        let value = |value| String::from_utf8_lossy(fields.bytes(framed.bytes, value));
        let filled: Vec<String> = fields
            .present()
            .map(|slot| {
                let values: Vec<_> = fields.values(slot).map(value).collect();
                format!(" {}={values:?}", fields.name(slot))
            })
            .collect();
        let event = framed.event();
        assert_eq!(&*event.raw, framed.bytes);
        let text = String::from_utf8_lossy(framed.bytes);
        let filled = if format == "json" { filled.concat() } else { String::new() };
        let filled = if shows { filled } else { String::new() };
        format!("{format}{cut}:{text}{filled}")
    }

    /// Each record of a block as [`shown`].
    fn read_in(bytes: &[u8], block: usize, limit: usize) -> (Vec<String>, Counts) {
        read_showing(bytes, block, limit, false)
    }

    /// The same, as it says.
    fn read_showing(
        bytes: &[u8],
        block: usize,
        limit: usize,
        shows: bool,
    ) -> (Vec<String>, Counts) {
        let mut record = json_record();
        let mut stream = Stream::with_limit(info(), bytes, None, limit);
        let mut found = Vec::new();
        let mut rest: Vec<u8> = Vec::new();
        let mut chunks = bytes.chunks(block).peekable();
        loop {
            let last = match chunks.next() {
                Some(chunk) => {
                    rest.extend_from_slice(chunk);
                    chunks.peek().is_none()
                }
                None => true,
            };
            let used = stream.read(&rest, last, &mut record, &mut |framed| {
                found.push(shown(framed, shows));
            });
            rest.drain(..used);
            if last {
                assert!(rest.is_empty(), "left over: {rest:?}");
                break;
            }
        }
        let counts = stream.counts().clone();
        let skipped: u64 = counts.skipped.iter().map(|(_, count)| count).sum();
        assert_eq!(counts.records, counts.events + skipped);
        assert_eq!(counts.records, found.len() as u64);
        (found, counts)
    }

    fn read(text: &str) -> Vec<String> {
        read_in(text.as_bytes(), usize::MAX, DEFAULT_LIMIT).0
    }

    #[test]
    fn reads_lines() {
        assert_eq!(read("a\r\nb\n\nc"), ["text:a", "text:b", "-:", "text:c"]);
        assert_eq!(read("\u{feff}a\nb\0\n"), ["text:a", "text:b"]);
        assert_eq!(read("a\0b\0"), ["text:a", "text:b"]);
        assert_eq!(read(""), [""; 0]);
        assert_eq!(read("one\n{\"a\":1}\ntwo"), ["text:one", "json:{\"a\":1}", "text:two"]);
    }

    #[test]
    fn reads_octet_counts() {
        assert_eq!(
            read("6 <1>abc9 <1>d\ne\nf\n5 <1>gh\n<1>i\n99 <1>short\n"),
            [
                "syslog:<1>abc",
                "syslog:<1>d\ne\nf",
                "syslog:<1>gh",
                "syslog:<1>i",
                "syslog:99 <1>short"
            ]
        );
        // Counts that are wrong, as after names were replaced: what follows is no count.
        assert_eq!(
            read("6 <1>a 2345 x\n9 <1>b\n20 <1>c\n6 <1>abc12"),
            ["syslog:6 <1>a 2345 x", "syslog:9 <1>b", "syslog:20 <1>c", "syslog:<1>abc", "text:12"]
        );
    }

    #[test]
    fn reads_json_in_its_forms() {
        let both = ["json:{\"a\":1}", "json:{\"b\":[{}]}"];
        for text in [
            "{\"a\":1}\n{\"b\":[{}]}\n",
            "{\"a\":1}\r\n\r\n{\"b\":[{}]}",
            "{\"a\":1}{\"b\":[{}]}",
            "{\"a\":1},\n{\"b\":[{}]},\n",
            "[{\"a\":1},{\"b\":[{}]}]",
            "[\n {\"a\":1},\n {\"b\":[{}]}\n]\n",
            "\u{1e}{\"a\":1}\n\u{1e}{\"b\":[{}]}\n",
            "\u{feff}{\"a\":1}\n\u{feff}{\"b\":[{}]}\n",
            "{\"Records\":[{\"a\":1},{\"b\":[{}]}]}",
            "{\"records\" : [ {\"a\":1} , {\"b\":[{}]} ] }\n",
            "{\"@odata.context\":\"x\",\"value\":[{\"a\":1},{\"b\":[{}]}],\"@odata.nextLink\":\"y\"}",
            "{\"took\":1,\"hits\":{\"total\":{\"value\":2},\"hits\":[{\"_index\":\"x\",\"_source\":{\"a\":1}},{\"_id\":\"1\",\"_source\":{\"b\":[{}]}}]}}",
            "{\"_index\":\"x\",\"_source\":{\"a\":1}}\n{\"_index\":\"x\",\"_source\":{\"b\":[{}]}}\n",
            "{\"messageType\":\"DATA_MESSAGE\",\"logEvents\":[{\"a\":1},{\"b\":[{}]}]}",
            "{\"Records\":[{\"a\":1}]}\n{\"Records\":[{\"b\":[{}]}]}\n",
        ] {
            assert_eq!(read(text), both, "{text}");
        }
        assert_eq!(read("{\n \"a\": 1\n}\n{\n}\n"), ["json:{\n \"a\": 1\n}", "json:{\n}"]);
        // A field named like a list of records.
        for text in [
            "{\"events\":[{\"a\":1}],\"actor\":\"x\"}",
            "{\"kind\":\"x\",\"events\":[{\"a\":1}]}",
            "{\"data\":{\"a\":1}}",
            "{\"value\":[1,2]}",
            "{\"hits\":3}",
        ] {
            assert_eq!(read(text), [format!("json:{text}")]);
        }
    }

    #[test]
    fn goes_on_after_broken_json() {
        assert_eq!(
            read("{\"a\":1}\n{\"b\":\n{\"c\":3}\noops\n{\"d\" 4}\n{\"e\":5} tail\n{\"f\":6"),
            [
                "json:{\"a\":1}",
                "text:{\"b\":",
                "json:{\"c\":3}",
                "text:oops",
                "text:{\"d\" 4}",
                "json:{\"e\":5}",
                "text:tail",
                "text:{\"f\":6"
            ]
        );
        let (_, counts) = read_in(b"{\"a\":1}\nx\n{\"b\" 1}\n", 4, DEFAULT_LIMIT);
        assert_eq!((counts.records, counts.events, counts.unparsed), (3, 3, 2));
    }

    #[test]
    fn cuts_what_is_too_long() {
        let (found, counts) = read_in(b"abcdefghijkl\nmn\n", 1, 5);
        assert_eq!(found, ["text!:abcde", "text:mn"]);
        assert_eq!(counts.truncated, 1);
        let (found, _) = read_in(b"{\"a\":\"123456789012\"}\n{\"b\":1}\n", 3, 10);
        assert_eq!(found, ["text!:{\"a\":\"1234", "json:{\"b\":1}"]);
    }

    #[test]
    fn says_what_can_be_split() {
        for (text, splittable) in [
            ("a\nb\n", true),
            ("{\"a\":1}\n{", true),
            ("{\"a\":\"a long li", true),
            ("{\n\"a\":1}", false),
            ("[{\"a\":1}]", false),
            ("{\"Records\":[", false),
            ("5 <1>ab", false),
        ] {
            let stream = Stream::open(info(), text.as_bytes(), None);
            assert_eq!(stream.is_splittable(), splittable, "{text}");
        }
    }

    #[test]
    fn parts_are_read_as_the_whole() {
        for text in ["{\"a\":1}\nb\n{\"c\":2}\n", "one\n{\"a\":1}\ntwo\n", "a\n\nb"] {
            let (whole, counts) = read_in(text.as_bytes(), usize::MAX, DEFAULT_LIMIT);
            let split = Stream::open(info(), text.as_bytes(), None).split().unwrap();
            let mut stream = split.open();
            let mut record = Record::new(Arc::default());
            let (mut found, mut sum) = (Vec::new(), Counts::default());
            for line in text.split_inclusive('\n') {
                let used = stream.read(line.as_bytes(), true, &mut record, &mut |framed| {
                    let format = match framed.outcome {
                        Outcome::Event => framed.format,
                        _ => "-",
                    };
                    found.push(format!("{format}:{}", String::from_utf8_lossy(framed.bytes)));
                });
                assert_eq!(used, line.len());
                sum.add(stream.counts());
                stream.restart();
            }
            assert_eq!((found, sum), (whole, counts), "{text}");
        }
        assert!(Stream::open(info(), b"[{}]", None).split().is_none());
    }

    fn piece() -> impl Strategy<Value = String> {
        prop_oneof![
            Just("{\"a\":1}\n".to_owned()),
            Just("{\"a\":{\"b\":[1,\"}\\\"\"]}}".to_owned()),
            Just("{\n\"x\": [\n{}\n]\n}\n".to_owned()),
            Just("{\"Records\":[{\"a\":1}, {\"b\":2}]}\n".to_owned()),
            Just("[{\"a\":1},\n{\"b\":2}\n]".to_owned()),
            Just("{\"hits\":{\"total\":2,\"hits\":[{\"_source\":{\"a\":1}}],\"total\":1},\"took\":1}".to_owned()),
            Just("{\"data\":[{\"a\":1}],\"b\":2}".to_owned()),
            Just("5 <1>ab".to_owned()),
            Just("line\r\n".to_owned()),
            Just("\n".to_owned()),
            Just("<Events><Event a='1'><x/></Event><Event/>\n</Events>".to_owned()),
            r#"[\[\]{}:,"\\a1 \n\x00<0-9]{0,12}"#,
        ]
    }

    proptest! {
        #[test]
        fn any_blocks_give_the_same_records(
            pieces in proptest::collection::vec(piece(), 0..8),
            block in 1usize..40,
            limit in prop_oneof![Just(DEFAULT_LIMIT), 1usize..60],
        ) {
            let text = pieces.concat();
            let whole = read_in(text.as_bytes(), usize::MAX, limit);
            let parts = read_in(text.as_bytes(), block, limit);
            prop_assert_eq!(whole, parts);
        }

        #[test]
        fn lines_like_those_before_are_the_same_records(
            lines in proptest::collection::vec(line(), 1..6),
            order in proptest::collection::vec(0usize..6, 0..60),
            block in 1usize..60,
            limit in prop_oneof![3 => Just(DEFAULT_LIMIT), 1 => 30usize..90],
        ) {
            let text: String = order.iter().map(|at| &*lines[at % lines.len()]).collect();
            // In small blocks no record is read before its end is found.
            let whole = read_showing(text.as_bytes(), usize::MAX, limit, true);
            let parts = read_showing(text.as_bytes(), block, limit, true);
            prop_assert_eq!(whole, parts);
        }

        #[test]
        fn messages_are_read_as_if_they_were_the_first(
            lines in proptest::collection::vec(line(), 1..6),
            order in proptest::collection::vec((0usize..6, any::<bool>()), 0..60),
            limit in prop_oneof![3 => Just(DEFAULT_LIMIT), 1 => 30usize..90],
        ) {
            let json = FORMATS.iter().find(|format| format.name() == "json").copied();
            let open = || Stream::with_limit(info(), b"", json, limit);
            let (mut stream, mut record) = (open(), json_record());
            let mut read = |stream: &mut Stream, message: &str| {
                let mut found = Vec::new();
                stream.message(message.as_bytes(), &mut record, &mut |framed| {
                    found.push((framed.offset, shown(framed, true)));
                });
                found
            };
            for (at, with_next) in order {
                let mut message = lines[at % lines.len()].clone();
                if with_next {
                    message.push_str(&lines[(at + 1) % lines.len()]);
                }
                prop_assert_eq!(read(&mut stream, &message), read(&mut open(), &message));
            }
        }
    }

    #[test]
    fn messages_like_those_before_are_known() {
        let json = FORMATS.iter().find(|format| format.name() == "json").copied();
        let mut stream = Stream::open(info(), b"", json);
        let mut record = json_record();
        let mut known = |message: &str, stream: &mut Stream| {
            for _ in 0..2 {
                stream.message(message.as_bytes(), &mut record, &mut |_| {});
            }
            stream.known_line(message.as_bytes(), &mut record, &mut |_| {})
        };
        // What a record may be compared with is known from the first on, and how it is written from the second on.
        assert!(known(r#"{"_path":"dns","note":"a"}"#, &mut stream));
        assert!(known(r#"{"_path":"dns","note":"longer"}"#, &mut stream));
        let several = "{\"_path\":\"dns\",\"note\":\"a\"}\n{\"_path\":\"dns\",\"note\":\"a\"}";
        assert!(!known(several, &mut stream));
        assert!(!known(r#"{"_path":"dns","note":"a"#, &mut stream));
    }

    /// Lines as programs write them, and as they do not.
    fn line() -> impl Strategy<Value = String> {
        let text = prop_oneof![Just("x"), Just(""), Just("a\\\"b"), Just("\u{e9}"), Just("a\nb")];
        let member = prop_oneof![
            3 => text.prop_map(|text| format!("\"note\":\"{text}\"")),
            1 => Just(r#""note":["a","b"]"#.to_owned()),
            1 => Just(r#""_path" : "conn""#.to_owned()),
            2 => Just(r#""_path":"dns""#.to_owned()),
            2 => (0u32..2000).prop_map(|number| format!("\"ts\":{number}.5")),
            1 => Just(r#""value":[{"a":1}]"#.to_owned()),
            1 => Just(r#""_id":1"#.to_owned()),
        ];
        let end = prop_oneof![
            6 => Just("}\n"),
            1 => Just("}\r\n"),
            1 => Just("} \n"),
            1 => Just("\n"),
            1 => Just("}"),
            1 => Just("}x\n"),
        ];
        (proptest::collection::vec(member, 1..4), end)
            .prop_map(|(members, end)| format!("{{{}{end}", members.join(",")))
    }
}
