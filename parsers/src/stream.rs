//! One stream of log bytes, record by record.
//!
//! A stream has a format (told or recognised by its beginning), framing and the parser's state. Every record
//! is offered to the stream's parser first; what it does not know goes to the other formats whose first look says
//! they might, and at last to plain text. Nothing is lost and everything is counted.

use crate::detect::detect;
use crate::envelope::Envelope;
use crate::format::REACH;
use crate::framing::{BOM, Frame, Framer, Piece, Step};
use crate::json::Json;
use crate::json::close::close;
use crate::json::read::object;
use crate::json::wrapper::{Special, is_plain_object_line, source, special_key};
use crate::{FORMATS, Format, Framing, Head, Outcome, Parser, Score, StreamInfo, Text};
use sigmund_engine::{Event, EventTime, Record, Reread, Route};

/// The longest record, unless told otherwise: 1 MiB.
pub const DEFAULT_LIMIT: usize = 1 << 20;

/// So much of a message is looked at to see how its records are framed.
const HEAD: usize = 64 << 10;

/// What a stream held so far. `records` = `events` + all of `skipped`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Records framed.
    pub records: u64,
    /// Records that are events.
    pub events: u64,
    /// Records that are none, by reason, in the order of first appearance.
    pub skipped: Vec<(&'static str, u64)>,
    /// Events without any log source, of which most rules see none.
    pub unrouted: u64,
    /// Events that no format but plain text took.
    pub plain: u64,
    /// Those of them in a stream of another format.
    pub unparsed: u64,
    /// Records longer than the limit, of which the beginning was kept.
    pub truncated: u64,
}

impl Counts {
    #[inline]
    fn event(&mut self, record: &Record) {
        self.events += 1;
        let is_routed = |route: &Route| route.unfiltered || !route.log_sources.is_empty();
        self.unrouted += u64::from(!record.route.as_deref().is_some_and(is_routed));
    }

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
        self.unrouted += other.unrouted;
        self.plain += other.plain;
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
    /// Nobody said what format it has.
    detects: bool,
    /// Every line is looked at for its own format: nobody said that the stream is plain text.
    mixed: bool,
    /// Objects that say nothing of themselves are looked at for what they may carry: nobody said that the stream is JSON.
    opens_envelopes: bool,
    /// The last message held more than one record: the next may, too, and a look at its first line is worth it.
    has_batches: bool,
    /// A message as a line in a block. What is behind it is left of earlier ones and does not matter.
    message: Vec<u8>,
    /// An object that brackets were added to.
    bracketed: Vec<u8>,
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
    opens_envelopes: bool,
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
        stream.opens_envelopes = self.opens_envelopes;
        stream
    }
}

/// A record of a stream, between its parser and whoever matches it.
pub struct Framed<'a> {
    /// The record as it came, without its line end or the structure around it. A JSON object that was cut, and members that are given without
    /// the list beside them, have brackets that close them; a line in parts that the stream ended in is one.
    pub bytes: &'a [u8],
    /// Where the record begins in the block.
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
        self.again().1.event()
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
        let (record, mut again) = self.again();
        (record, move || again.event())
    }

    /// The record as its parser filled it together with what reads it again in full.
    pub fn again(&mut self) -> (&Record, Again<'_>) {
        let (bytes, parser, whole) = (self.bytes, &mut *self.parser, &mut *self.whole);
        let record = &*self.record;
        (record, Again { bytes, parser, record, whole })
    }
}

/// Reads a record again in full.
pub struct Again<'a> {
    bytes: &'a [u8],
    parser: &'a mut dyn Parser,
    record: &'a Record,
    whole: &'a mut Option<Box<Record>>,
}

impl Reread for Again<'_> {
    fn event(&mut self) -> Event {
        self.parser.event(self.bytes, whole_of(self.whole, self.record))
    }

    fn fields(&mut self, show: &mut dyn FnMut(&[u8], &Record)) -> Option<Event> {
        let whole = whole_of(self.whole, self.record);
        let event = self.parser.reread(self.bytes, whole);
        if event.is_none() {
            show(self.bytes, whole);
        }
        event
    }
}

/// A record that collects every name, and knows nothing but the route of the other.
fn whole_of<'a>(whole: &'a mut Option<Box<Record>>, record: &Record) -> &'a mut Record {
    let whole = whole.get_or_insert_with(|| Box::new(Record::collecting()));
    whole.clear();
    whole.route.clone_from(&record.route);
    whole
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
            detects: forced.is_none(),
            mixed: forced.is_none() && format.name() == Text.name(),
            opens_envelopes: forced.is_none() && format.name() == Json.name(),
            has_batches: false,
            message: Vec::new(),
            bracketed: Vec::new(),
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
            opens_envelopes: self.opens_envelopes,
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

    /// Reads all records of a message that stands for itself, such as the value of a Kafka record: as if it were the first, whatever formats those
    /// before it had, unless a format was forced. What parsers know from earlier messages stays.
    pub fn message(&mut self, bytes: &[u8], record: &mut Record, each: &mut dyn FnMut(Framed<'_>)) {
        let head = &bytes[..bytes.len().min(HEAD)];
        let head = head.strip_prefix(BOM).unwrap_or(head);
        let alone = bytes.trim_ascii_end();
        self.framer.begin(self.format.framing(), head);
        if self.one_object(alone, record, each) {
            return;
        }
        if self.detects && self.turn(head, alone) {
            self.framer.begin(self.format.framing(), head);
            if self.one_object(alone, record, each) {
                return;
            }
        }
        let records = self.counts.records;
        self.records(bytes, true, record, each);
        self.has_batches = self.counts.records - records > 1;
    }

    /// Reads a message that is one object, as most are. Its parser finds its end by itself: nobody need look for one before, which would be the
    /// first to read all of what nobody has in a cache yet.
    fn one_object(
        &mut self,
        alone: &[u8],
        record: &mut Record,
        each: &mut dyn FnMut(Framed<'_>),
    ) -> bool {
        self.framer.may_be_one_object(alone)
            && !(self.has_batches && begins_with_an_object_line(alone))
            && (self.known_line(alone, record, each)
                || self.take(alone, 0, Piece::LikelyRecord, false, record, each))
    }

    /// Goes on with the format of a message, if that is another one.
    fn turn(&mut self, head: &[u8], alone: &[u8]) -> bool {
        let format = detect(&Head { file_name: &self.info.file_name, bytes: head });
        // Lines that nobody knows are plain text anyway, or below a header that came before.
        let goes_on = matches!(self.format.framing(), Framing::Lines | Framing::Json);
        if format.name() == self.format.name()
            || format.name() == Text.name() && goes_on
            || self.parser.knows(alone)
        {
            return false;
        }
        let at = |wanted: &'static dyn Format| {
            FORMATS.iter().position(|format| format.name() == wanted.name())
        };
        let (Some(from), Some(to)) = (at(self.format), at(format)) else { return false };
        let parser = self.others[to].take().unwrap_or_else(|| format.open(&self.info));
        self.others[from] = Some(std::mem::replace(&mut self.parser, parser));
        self.format = format;
        self.mixed = format.name() == Text.name();
        self.opens_envelopes = format.name() == Json.name();
        true
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
        let done = self.records(block, last, record, each);
        if last {
            self.finish(done, record, each);
        }
        done
    }

    /// Gives what waits for more that will not come.
    fn finish(&mut self, offset: usize, record: &mut Record, each: &mut dyn FnMut(Framed<'_>)) {
        let parsers = std::iter::once(&mut self.parser).chain(self.others.iter_mut().flatten());
        let mut waiting = Vec::new();
        for parser in parsers {
            waiting.extend(std::iter::from_fn(|| parser.finish()));
        }
        for bytes in waiting {
            self.take(&bytes, offset, Piece::Record, false, record, each);
        }
    }

    fn records(
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
                    if let Piece::Cut | Piece::Members = frame.piece {
                        self.bracket(bytes, offset, &frame, record, each);
                        at += frame.resume;
                    } else if self.take(bytes, offset, frame.piece, frame.truncated, record, each)
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
        let bytes = rest.get(..line.record)?;
        if line.whole > self.limit || self.is_envelope(bytes, record) {
            return None;
        }
        self.give_line(bytes, at, record, each);
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
        self.counts.event(record);
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
        if message.len() >= REACH || !self.parser.wants_line() {
            return false;
        }
        let mut line = std::mem::take(&mut self.message);
        line.resize(REACH, 0);
        line[..message.len()].copy_from_slice(message);
        line[message.len()] = b'\n';
        let found = self.parser.parse_line(&line, record);
        let is_known = found.is_some_and(|found| found.record == message.len())
            && !self.is_envelope(message, record);
        if is_known {
            self.give_line(&line[..message.len()], 0, record, each);
        }
        self.message = line;
        is_known
    }

    /// Whether an object that was read as JSON, and is of no known kind, is the envelope of something else.
    #[inline]
    fn is_envelope(&self, bytes: &[u8], record: &Record) -> bool {
        self.opens_envelopes
            && record.route.as_ref().is_none_or(|route| !route.is_known)
            && Envelope.sniff_line(bytes) >= Score::LIKELY
    }

    /// Gives what is there of an object that was cut, or members that stood beside a list, as an object.
    fn bracket(
        &mut self,
        bytes: &[u8],
        offset: usize,
        frame: &Frame,
        record: &mut Record,
        each: &mut dyn FnMut(Framed<'_>),
    ) {
        let mut bracketed = std::mem::take(&mut self.bracketed);
        let is_closed = match frame.piece {
            Piece::Cut => close(bytes, &mut bracketed),
            _ => {
                bracketed.clear();
                bracketed.push(b'{');
                bracketed.extend_from_slice(bytes);
                bracketed.push(b'}');
                true
            }
        };
        if is_closed && object(&bracketed).is_ok() {
            let source = match special_key(&bracketed).0 {
                Special::Hit => source(&bracketed).filter(|source| source.is_all),
                _ => None,
            };
            let range = source.map_or(0..bracketed.len(), |source| source.range);
            let (bytes, offset) = (&bracketed[range.clone()], offset + range.start);
            self.take(bytes, offset, Piece::Record, frame.truncated, record, each);
        } else {
            self.take(bytes, offset, Piece::Stray, frame.truncated, record, each);
        }
        self.bracketed = bracketed;
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
            // Cut objects and members come as records, with their brackets.
            Piece::Record | Piece::LikelyRecord | Piece::Cut | Piece::Members => {
                self.parser.parse(bytes, record)
            }
        };
        let is_envelope = outcome == Outcome::Event && self.is_envelope(bytes, record);
        let outcome = match outcome {
            Outcome::Foreign if piece == Piece::LikelyRecord => return false,
            outcome if is_envelope || outcome == Outcome::Foreign => {
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
                self.counts.event(record);
                let is_plain = format.name() == Text.name();
                let is_unparsed = is_plain && self.format.name() != Text.name();
                self.counts.plain += u64::from(is_plain);
                self.counts.unparsed += u64::from(is_unparsed);
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
                let knows = self.others[index].as_ref().is_some_and(|parser| parser.knows(bytes));
                let known = if knows { Score::LIKELY } else { Score::NO };
                let score = format.sniff_line(bytes).max(known);
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
    end.is_some_and(|end| is_plain_object_line(&message[..end], false))
}

/// Whether the first line is one whole object (all of `head`, if it is shorter than a line).
fn is_one_object_per_line(head: &[u8]) -> bool {
    let head = head.trim_ascii_start();
    let line = memchr::memchr(b'\n', head).map_or(head, |end| &head[..end]);
    // A line that is longer than the head is no pretty-printed object either.
    is_plain_object_line(line, line.len() == head.len())
}

#[cfg(test)]
mod tests;
