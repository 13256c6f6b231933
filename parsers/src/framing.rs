//! Bytes to records: where the next record of a block begins and ends.
//!
//! A framer looks at a block that begins where the last record ended, and grows until there is a whole record in it.
//! Whatever the blocks, the records are the same. A record longer than the limit is cut
//! and marked; what is not in the stream's own form comes out line by line as [`Piece::Stray`].

use crate::json::scan::{Member, Members, Next as NextMember, Scan, Scanner};
use crate::json::wrapper::{LONG_LIST, Special, Wrapped, is_beside, list, source, special_key};
use crate::{Framing, json};
use std::ops::Range;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// In the stream's own form.
    Record,
    /// A line that looks like one JSON object; if the parser does not take it as one, [`Framer::refuse`] it.
    LikelyRecord,
    /// The beginning of a JSON object that was cut.
    Cut,
    /// Members of a JSON object without its brackets: what a wrapper says besides its list.
    Members,
    /// A line that is not in the stream's form.
    Stray,
    /// A line without anything.
    Empty,
}

/// A record within the block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) range: Range<usize>,
    /// Where the next record is looked for.
    pub(crate) resume: usize,
    pub(crate) piece: Piece,
    pub(crate) truncated: bool,
}

/// What there is at a place of the block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// A record.
    Frame(Frame),
    /// Nothing up to here (blanks, brackets around records, the rest of a cut line).
    Passed(usize),
    /// More bytes are needed, or the block is used up.
    More,
}

/// Where in the structure around JSON records the next one stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Around {
    Nothing,
    /// In a list; after it, that many objects around it are still open.
    List {
        objects: usize,
    },
    /// After the list, in the rest of the objects around it.
    Rest {
        objects: usize,
    },
}

#[derive(Debug)]
enum Mode {
    Lines,
    /// Records end with NUL.
    Nul,
    /// RFC 6587 where a record begins so, lines otherwise.
    Octets,
    Json(Around),
    Xml,
}

/// What the rest of a record that was cut ends with.
#[derive(Clone, Debug)]
enum Cut {
    /// Nothing was cut.
    No,
    /// The end of the line.
    Line,
    /// That of the JSON value.
    Value(Scanner),
    /// That of the `<Event>`.
    Element,
    /// So many bytes.
    Bytes(usize),
}

/// Finds records.
#[derive(Debug)]
pub(crate) struct Framer {
    mode: Mode,
    limit: usize,
    /// The rest of a record that was cut is passed over.
    cut: Cut,
    /// A value that is being scanned, from the first byte of the block.
    scanner: Option<Scanner>,
    /// The line at this distance from the end of the last record is scanned even if it looks like one object.
    refused: bool,
    /// Before this many further bytes no value may span lines: a scan failed there.
    broken: usize,
    /// How far the line went that was offered last.
    offered: usize,
    /// The `_source` of the hit that comes next was given; it holds more than a hit does, and is given as a whole, too.
    sourced: bool,
    /// So many further bytes belong to a line on which objects stand back to back: it is not offered again for each of them.
    crowded: usize,
    /// The end of the line, where [`Self::broken`] says to look for it.
    line_end: Mark,
    marks: XmlMarks,
    /// The first byte of the stream has been looked at.
    begun: bool,
    /// How an object began whose first key says nothing: the next ones mostly begin alike.
    ordinary: Vec<u8>,
}

impl Framer {
    /// For a stream with this beginning.
    pub(crate) fn new(framing: Framing, head: &[u8], limit: usize) -> Self {
        let mode = match framing {
            Framing::Json => Mode::Json(Around::Nothing),
            Framing::Xml => Mode::Xml,
            Framing::Lines | Framing::Whole if octet_count(head).is_some() => Mode::Octets,
            Framing::Lines | Framing::Whole
                if memchr::memchr(0, head).is_some() && memchr::memchr(b'\n', head).is_none() =>
            {
                Mode::Nul
            }
            Framing::Lines | Framing::Whole => Mode::Lines,
        };
        Self {
            mode,
            limit: limit.max(1),
            cut: Cut::No,
            scanner: None,
            refused: false,
            broken: 0,
            offered: 0,
            sourced: false,
            crowded: 0,
            line_end: Mark::default(),
            marks: XmlMarks::default(),
            begun: false,
            ordinary: Vec::new(),
        }
    }

    /// Begins anew with what stands for itself; what was learnt of the beginnings of records stays.
    pub(crate) fn begin(&mut self, framing: Framing, head: &[u8]) {
        let ordinary = std::mem::take(&mut self.ordinary);
        *self = Self { ordinary, ..Self::new(framing, head, self.limit) };
    }

    /// Whether nothing but a parser can tell that all of this is not one object: it stands for itself, and framing has just begun.
    pub(crate) fn may_be_one_object(&mut self, bytes: &[u8]) -> bool {
        matches!(self.mode, Mode::Json(Around::Nothing))
            && bytes.len() <= self.limit
            && bytes.starts_with(b"{")
            && bytes.ends_with(b"}")
            && self.special_key(bytes) == Special::No
    }

    /// Whether the stream may be read from any line border.
    pub(crate) fn is_line_based(&self) -> bool {
        matches!(self.mode, Mode::Lines)
    }

    /// The [`Piece::LikelyRecord`] that was just found is not one object: look again, byte by byte.
    pub(crate) fn refuse(&mut self) {
        self.refused = true;
        self.crowded = self.offered;
    }

    /// Whether an object that is a line of its own is a record if it is what comes next and [is ordinary](crate::json::wrapper::is_ordinary).
    #[inline]
    pub(crate) fn takes_objects(&self) -> bool {
        matches!(self.mode, Mode::Json(Around::Nothing))
            && self.begun
            && matches!(self.cut, Cut::No)
            && !self.refused
            && !self.sourced
            && self.broken == 0
            && self.crowded == 0
            && self.scanner.is_none()
    }

    /// What there is at the beginning of `block`; `last` says that the stream ends with it.
    pub(crate) fn next(&mut self, block: &[u8], last: bool) -> Step {
        let step = self.look(block, last);
        let passed = match &step {
            Step::Frame(frame) => frame.resume,
            Step::Passed(to) => *to,
            Step::More => return step,
        };
        self.scanner = None;
        self.broken = self.broken.saturating_sub(passed);
        self.crowded = self.crowded.saturating_sub(passed);
        // Where objects are lines, not all bytes pass here.
        match self.broken {
            0 => self.line_end = Mark::default(),
            _ => self.line_end.pass(passed),
        }
        if let Mode::Xml = self.mode {
            self.marks.pass(passed);
        }
        step
    }

    fn look(&mut self, block: &[u8], last: bool) -> Step {
        if block.is_empty() {
            return Step::More;
        }
        if !self.begun {
            if BOM.starts_with(block) && !last {
                return Step::More;
            }
            self.begun = true;
            if block.starts_with(BOM) {
                return Step::Passed(BOM.len());
            }
        }
        if let Some(step) = self.pass_cut(block, last) {
            return step;
        }
        match self.mode {
            Mode::Lines | Mode::Nul => self.line(block, last, Piece::Record),
            Mode::Octets => self.counted(block, last),
            Mode::Json(around) => self.json(block, last, around),
            Mode::Xml => self.xml(block, last),
        }
    }

    /// Passes over the rest of a record that was cut, if there is one.
    fn pass_cut(&mut self, block: &[u8], last: bool) -> Option<Step> {
        // Where it ends and what is cut still, or else how much of it is here.
        let found = match &mut self.cut {
            Cut::No => return None,
            Cut::Line => self.line_end(block).map(|end| (end + 1, Cut::No)).ok_or(block.len()),
            Cut::Value(scanner) => {
                let end = match scanner.scan(block) {
                    Scan::Complete(end) => Some((end, Cut::No)),
                    Scan::Broken(at) => Some((at, Cut::Line)),
                    Scan::Incomplete => None,
                };
                let reach = end.as_ref().map_or(block.len(), |(end, _)| block.len().min(end + 1));
                match new_object(&block[..reach]) {
                    // A value without end must not swallow the records after it.
                    Some(next) => Ok((next, Cut::No)),
                    None => end.ok_or_else(|| scanner.forget()),
                }
            }
            Cut::Element => match border_of_element(block) {
                Some(border) => Ok((border, Cut::No)),
                None => Err(block.len().saturating_sub(BEGUN)),
            },
            Cut::Bytes(rest) => {
                let here = (*rest).min(block.len());
                *rest -= here;
                if *rest == 0 { Ok((here, Cut::No)) } else { Err(here) }
            }
        };
        Some(match found {
            Ok((end, cut)) => {
                self.cut = cut;
                Step::Passed(end)
            }
            Err(_) if last => {
                self.cut = Cut::No;
                Step::Passed(block.len())
            }
            Err(0) => Step::More,
            Err(here) => Step::Passed(here),
        })
    }

    fn line_end(&self, block: &[u8]) -> Option<usize> {
        memchr::memchr(if matches!(self.mode, Mode::Nul) { 0 } else { b'\n' }, block)
    }

    /// The line at the beginning.
    fn line(&mut self, block: &[u8], last: bool, piece: Piece) -> Step {
        let window = &block[..block.len().min(self.limit + 1)];
        let (end, resume) = match self.line_end(window) {
            Some(end) => (end, end + 1),
            None if block.len() > self.limit => {
                self.cut = Cut::Line;
                return Step::Frame(Frame {
                    range: 0..self.limit,
                    resume: self.limit,
                    piece,
                    truncated: true,
                });
            }
            None if last => (block.len(), block.len()),
            None => return Step::More,
        };
        let mut line = &block[..end];
        while let [rest @ .., b'\r' | 0] = line {
            line = rest;
        }
        let piece = if line.trim_ascii().is_empty() { Piece::Empty } else { piece };
        Step::Frame(Frame { range: 0..line.len(), resume, piece, truncated: false })
    }

    /// An octet-counted frame, or a line.
    fn counted(&mut self, block: &[u8], last: bool) -> Step {
        // Ten bytes are enough to see a count.
        if block.len() < 10
            && !last
            && block.iter().all(|byte| byte.is_ascii_digit() || *byte == b' ')
        {
            return Step::More;
        }
        let Some((length, start)) = octet_count(block) else {
            return self.line(block, last, Piece::Record);
        };
        if length > self.limit {
            let Some(window) = block.get(start..start + self.limit) else {
                return if last { self.line(block, last, Piece::Record) } else { Step::More };
            };
            // Numbers before a message are not always its length; that of a date is larger, and lines end.
            if length > LONGEST_COUNT || memchr::memchr(b'\n', window).is_some() {
                return self.line(block, last, Piece::Record);
            }
            self.cut = Cut::Bytes(length - self.limit);
            let end = start + self.limit;
            return Step::Frame(Frame {
                range: start..end,
                resume: end,
                piece: Piece::Record,
                truncated: true,
            });
        }
        let end = start + length;
        // The byte behind the frame must be there to check the count.
        if block.len() <= end && !last {
            return Step::More;
        }
        let fits = match block.get(end..) {
            // The stream was cut off within the frame.
            None => return self.line(block, last, Piece::Record),
            Some([]) => true,
            Some([b'\n' | b'\r' | 0, ..]) => true,
            // A wrong count ends at any character, often at a digit.
            Some(rest) => {
                octet_count(rest).is_some() || {
                    let may_be_count = is_count_begun(rest);
                    if may_be_count && !last {
                        return Step::More;
                    }
                    may_be_count
                }
            }
        };
        if !fits {
            return self.line(block, last, Piece::Record);
        }
        let mut record = &block[start..end];
        while let [rest @ .., b'\r' | b'\n' | 0] = record {
            record = rest;
        }
        let mut resume = end;
        if let Some(b'\n') = block.get(end) {
            resume += 1;
        }
        Step::Frame(Frame {
            range: start..start + record.len(),
            resume,
            piece: Piece::Record,
            truncated: false,
        })
    }

    fn json(&mut self, block: &[u8], last: bool, around: Around) -> Step {
        let blanks = block
            .iter()
            .take_while(|byte| json::read::is_blank(**byte) || matches!(byte, b',' | 0 | 0x1E))
            .count();
        if blanks > 0 {
            return Step::Passed(blanks);
        }
        if let Around::Rest { objects } = around {
            return self.rest(block, last, objects);
        }
        match (block[0], around) {
            (b'{', _) => self.object(block, last, around),
            (b']', Around::List { objects }) => {
                self.mode = Mode::Json(match objects {
                    0 => Around::Nothing,
                    objects => Around::Rest { objects },
                });
                Step::Passed(1)
            }
            (b'[', Around::Nothing) => {
                match block[1..].iter().find(|byte| !json::read::is_blank(**byte)) {
                    Some(b'{' | b']') => {
                        self.mode = Mode::Json(Around::List { objects: 0 });
                        Step::Passed(1)
                    }
                    None if !last && block.len() <= self.limit => Step::More,
                    _ => self.line(block, last, Piece::Stray),
                }
            }
            // Files with a byte order mark each, one behind the other.
            (0xEF, _) if block.starts_with(BOM) => Step::Passed(BOM.len()),
            (0xEF, _) if BOM.starts_with(block) && !last => Step::More,
            _ => self.line(block, last, Piece::Stray),
        }
    }

    fn object(&mut self, block: &[u8], last: bool, around: Around) -> Step {
        let window = &block[..block.len().min(self.limit)];
        let full = last || block.len() >= self.limit;
        let special = self.special_key(window);
        // The bytes up to the end of the line, or as many of them as there are.
        let mut of_line = self.crowded;
        if around == Around::Nothing
            && !self.refused
            && self.broken == 0
            && self.crowded == 0
            && special == Special::No
        {
            // The usual case: a line that is one object. The parser will say if it is not.
            let end = find_byte(b'\n', window);
            of_line = end.unwrap_or(window.len());
            if let Some(end) = end.or((last && block.len() <= self.limit).then_some(window.len())) {
                let line = window[..end].trim_ascii_end();
                if line.ends_with(b"}") {
                    self.offered = end;
                    return Step::Frame(Frame {
                        range: 0..line.len(),
                        resume: (end + 1).min(block.len()),
                        piece: Piece::LikelyRecord,
                        truncated: false,
                    });
                }
            } else if !full {
                return Step::More;
            }
        }
        if special == Special::Unknown && !full {
            return Step::More;
        }
        if special == Special::Wrapper && around == Around::Nothing && self.broken == 0 {
            let (window, whole) = match window.get(..LONG_LIST) {
                Some(window) => (window, true),
                None => (window, full),
            };
            match list(window, whole) {
                Wrapped::List { start, objects } => {
                    self.mode = Mode::Json(Around::List { objects });
                    return Step::Passed(start);
                }
                Wrapped::Incomplete if !whole => return Step::More,
                Wrapped::Incomplete | Wrapped::No => {}
            }
        }
        let fits = block.len() <= self.limit;
        // Where a scan of several lines failed before, only single lines are tried.
        let line = match self.broken {
            0 => None,
            _ => self.line_end.find(window, b"\n", 0),
        };
        let (window, is_line) = line.map_or((window, false), |end| (&window[..end], true));
        let scanner = self.scanner.get_or_insert_with(Scanner::new);
        let scan = scanner.scan(window);
        count_work(match scan {
            Scan::Complete(end) | Scan::Broken(end) => end,
            Scan::Incomplete => window.len(),
        });
        if self.crowded > 0 && !self.refused && !matches!(scan, Scan::Complete(_)) {
            // The scanner is not the one who says what an object is.
            (self.crowded, self.scanner) = (0, None);
            return self.object(block, last, around);
        }
        match scan {
            Scan::Complete(end) => {
                self.refused = false;
                self.crowded = of_line;
                let was_sourced = std::mem::take(&mut self.sourced);
                let source = match special {
                    Special::Hit if !was_sourced => source(&window[..end]),
                    _ => None,
                };
                let (range, resume) = match source {
                    Some(source) if source.is_all => (source.range, end),
                    Some(source) => {
                        self.sourced = true;
                        (source.range, 0)
                    }
                    None => (0..end, end),
                };
                Step::Frame(Frame { range, resume, piece: Piece::Record, truncated: false })
            }
            Scan::Incomplete if !full && (self.broken == 0 || line.is_none()) => Step::More,
            // What begins on a line of its own is another record: this one has no end.
            Scan::Incomplete if !is_line && new_object(window).is_none() && !(last && fits) => {
                // The next byte decides.
                if fits {
                    return Step::More;
                }
                self.refused = false;
                let resume = scanner.forget();
                self.cut = Cut::Value(scanner.clone());
                Step::Frame(Frame {
                    range: 0..window.len(),
                    resume,
                    piece: Piece::Cut,
                    truncated: true,
                })
            }
            Scan::Incomplete => {
                self.refused = false;
                self.broken = self.broken.max(window.len());
                self.line(block, last, Piece::Stray)
            }
            Scan::Broken(at) => {
                self.refused = false;
                self.broken = self.broken.max(at);
                self.line(block, last, Piece::Stray)
            }
        }
    }

    fn special_key(&mut self, window: &[u8]) -> Special {
        let known = &self.ordinary;
        if !known.is_empty() && window.len() > known.len() && window.starts_with(known) {
            return Special::No;
        }
        let (special, length) = special_key(window);
        if special == Special::No && length <= LONGEST_BEGINNING {
            self.ordinary.clear();
            self.ordinary.extend_from_slice(&window[..length]);
        }
        special
    }

    /// The members after the list of records.
    fn rest(&mut self, block: &[u8], last: bool, objects: usize) -> Step {
        let window = &block[..block.len().min(self.limit)];
        if block[0] == b'}' {
            self.mode = Mode::Json(match objects {
                1 => Around::Nothing,
                objects => Around::Rest { objects: objects - 1 },
            });
            return Step::Passed(1);
        }
        let mut members = Members::resume(window, 0);
        // The end of those that tell something, with all that comes after.
        let mut told = 0;
        let incomplete = loop {
            match members.next() {
                NextMember::Member(Member { name, value }) => match members.skip() {
                    Scan::Complete(_) if told == 0 && is_beside(name, &window[value..]) => {
                        return Step::Passed(members.at());
                    }
                    Scan::Complete(_) => told = members.at(),
                    Scan::Incomplete => break true,
                    Scan::Broken(_) => break false,
                },
                NextMember::Incomplete => break true,
                NextMember::End(_) | NextMember::Broken => break false,
            }
        };
        if incomplete && !last && block.len() < self.limit {
            return Step::More;
        }
        if told > 0 {
            return Step::Frame(Frame {
                range: 0..told,
                resume: told,
                piece: Piece::Members,
                truncated: false,
            });
        }
        self.mode = Mode::Json(Around::Nothing);
        if block[0] == b'{' { Step::Passed(0) } else { self.line(block, last, Piece::Stray) }
    }

    fn xml(&mut self, block: &[u8], last: bool) -> Step {
        let blanks =
            block.iter().take_while(|byte| json::read::is_blank(**byte) || **byte == 0).count();
        if blanks > 0 {
            return Step::Passed(blanks);
        }
        if block.starts_with(BOM) {
            return Step::Passed(BOM.len());
        }
        let window = &block[..block.len().min(self.limit)];
        // At the limit exactly the next byte decides, so that blocks of any size are cut alike.
        let full = last || block.len() > self.limit;
        if !full && window.len() < 9 {
            return Step::More;
        }
        if begins_event(window) {
            let end = match self.marks.tag.find(window, b">", 0) {
                None if !full => return Step::More,
                Some(at) if window[at - 1] == b'/' && find_byte(b'<', &window[1..at]).is_none() => {
                    Some(Border::End(at + 1))
                }
                _ => self.marks.border(window, full),
            };
            return match end {
                Some(Border::End(end)) => Step::Frame(Frame {
                    range: 0..end,
                    resume: end,
                    piece: Piece::Record,
                    truncated: false,
                }),
                Some(Border::Next(next)) => Step::Frame(Frame {
                    range: 0..window[..next].trim_ascii_end().len(),
                    resume: next,
                    piece: Piece::Stray,
                    truncated: false,
                }),
                None if !full => Step::More,
                // Cut off, or too long.
                None => {
                    let truncated = block.len() > self.limit;
                    let mut resume = window.len();
                    if truncated {
                        self.cut = Cut::Element;
                        // Its end may have begun.
                        resume = resume.saturating_sub(BEGUN).max(1);
                    }
                    Step::Frame(Frame {
                        range: 0..window.len(),
                        resume,
                        piece: Piece::Stray,
                        truncated,
                    })
                }
            };
        }
        let (mark, end) = if window.starts_with(b"<?") {
            (&mut self.marks.instruction, &b"?>"[..])
        } else if window.starts_with(b"<!--") {
            (&mut self.marks.comment, &b"-->"[..])
        } else if window.starts_with(b"<Events") || window.starts_with(b"</Events") {
            (&mut self.marks.tag, &b">"[..])
        } else {
            return self.line(block, last, Piece::Stray);
        };
        match mark.find(window, end, 0).map(|at| at + end.len()) {
            Some(end) => Step::Passed(end),
            None if !full => Step::More,
            None => self.line(block, last, Piece::Stray),
        }
    }
}

pub(crate) const BOM: &[u8] = b"\xEF\xBB\xBF";

/// So much of `</Event>`, or of `<Event` and what follows it, may stand at the end of a block.
const BEGUN: usize = b"</Event>".len() - 1;

/// Longer messages are not counted: 16 MiB, less than any date of eight digits.
const LONGEST_COUNT: usize = 16 << 20;

/// `<Event>`, not `<EventData>`.
fn begins_event(bytes: &[u8]) -> bool {
    bytes.starts_with(b"<Event") && bytes.get(6).is_none_or(|byte| !byte.is_ascii_alphanumeric())
}

/// Where an event begins within another one, which then has no end.
fn next_event(bytes: &[u8]) -> Option<usize> {
    memchr::memmem::find_iter(bytes, b"<Event")
        .find(|at| matches!(bytes.get(at + 6), Some(b'>' | b'/' | b' ' | b'\t' | b'\r' | b'\n')))
}

/// Where the first of some marks stands, kept from record to record: who looks for it again does not read the same bytes twice.
#[derive(Clone, Debug, Default)]
struct Mark {
    /// None begins from here …
    from: usize,
    /// … to here.
    to: usize,
    /// One begins there.
    is_found: bool,
}

impl Mark {
    /// The first at or after `from`. `window` begins where it did the last time, or where [`Self::pass`] went to, and is no shorter.
    fn find(&mut self, window: &[u8], mark: &[u8], from: usize) -> Option<usize> {
        if !(self.from..=self.to).contains(&from) {
            *self = Self { from, to: from, is_found: false };
        }
        if !self.is_found {
            let rest = window.get(self.to..).unwrap_or_default();
            let found = memchr::memmem::find(rest, mark);
            let read = found.unwrap_or((rest.len() + 1).saturating_sub(mark.len()));
            count_work(read);
            self.to += read;
            self.is_found = found.is_some();
        }
        self.is_found.then_some(self.to)
    }

    /// The window begins so many bytes later.
    fn pass(&mut self, bytes: usize) {
        if bytes > self.to {
            *self = Self::default();
        } else {
            self.from = self.from.saturating_sub(bytes);
            self.to -= bytes;
        }
    }
}

/// Where an event ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Border {
    /// Behind its end tag.
    End(usize),
    /// It has none: the next one begins.
    Next(usize),
}

/// What ends something in XML.
#[derive(Clone, Debug, Default)]
struct XmlMarks {
    instruction: Mark,
    comment: Mark,
    tag: Mark,
    event: Mark,
    cdata: Mark,
    cdata_end: Mark,
}

impl XmlMarks {
    /// Where the event ends that the window begins with; what stands in CDATA is its text. `None` if more bytes are needed.
    fn border(&mut self, window: &[u8], full: bool) -> Option<Border> {
        const END: &[u8] = b"</Event>";
        const CDATA: &[u8] = b"<![CDATA[";
        const CDATA_END: &[u8] = b"]]>";
        let mut from = window.len().min(b"<Event".len());
        loop {
            let end = self.event.find(window, END, from);
            let reach = end.unwrap_or(window.len());
            let cdata = self.cdata.find(window, CDATA, from).filter(|at| *at < reach);
            let markup = &window[from..cdata.unwrap_or(reach)];
            if let Some(next) = next_event(markup) {
                return Some(Border::Next(from + next));
            }
            let Some(at) = cdata else { return end.map(|end| Border::End(end + END.len())) };
            from = match self.cdata_end.find(window, CDATA_END, at + CDATA.len()) {
                Some(end) => end + CDATA_END.len(),
                None if !full => return None,
                // It has no end and hides nothing.
                None => at + CDATA.len(),
            };
        }
    }

    fn pass(&mut self, bytes: usize) {
        for mark in [
            &mut self.instruction,
            &mut self.comment,
            &mut self.tag,
            &mut self.event,
            &mut self.cdata,
            &mut self.cdata_end,
        ] {
            mark.pass(bytes);
        }
    }
}

/// The first such byte.
fn find_byte(byte: u8, bytes: &[u8]) -> Option<usize> {
    let found = memchr::memchr(byte, bytes);
    count_work(found.unwrap_or(bytes.len()));
    found
}

/// Tests count how many bytes are searched.
#[cfg(not(test))]
fn count_work(_: usize) {}

#[cfg(test)]
fn count_work(bytes: usize) {
    tests::WORK.with(|work| work.set(work.get() + bytes));
}

/// Where a line begins with an object.
fn new_object(bytes: &[u8]) -> Option<usize> {
    memchr::memmem::find(bytes, b"\n{").map(|at| at + 1)
}

/// Where an element that was cut ends, or the next one begins.
fn border_of_element(bytes: &[u8]) -> Option<usize> {
    memchr::memmem::find_iter(bytes, b"Event").find_map(|at| match &bytes[..at] {
        [.., b'<', b'/'] => (bytes.get(at + 5) == Some(&b'>')).then_some(at + 6),
        [.., b'<'] => {
            bytes.get(at + 5).filter(|byte| !byte.is_ascii_alphanumeric()).map(|_| at - 1)
        }
        _ => None,
    })
}

/// `MSG-LEN SP <`: the length and where the message begins (RFC 6587 section 3.4.1).
pub(crate) fn octet_count(bytes: &[u8]) -> Option<(usize, usize)> {
    let digits = bytes.iter().take(8).take_while(|byte| byte.is_ascii_digit()).count();
    if digits == 0 || bytes[0] == b'0' || bytes.get(digits..digits + 2) != Some(b" <") {
        return None;
    }
    let length = std::str::from_utf8(&bytes[..digits]).ok()?.parse().ok()?;
    Some((length, digits + 1))
}

/// Whether more bytes may make an octet count of these.
fn is_count_begun(bytes: &[u8]) -> bool {
    let digits = bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
    (1..=8).contains(&digits) && bytes[0] != b'0' && matches!(&bytes[digits..], [] | [b' '])
}

/// Longer beginnings of objects are not remembered.
const LONGEST_BEGINNING: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The records of a stream that comes in blocks of this size; `~` before those that are not in its form.
    fn records(framing: Framing, bytes: &[u8], block: usize) -> Vec<String> {
        let mut framer = Framer::new(framing, bytes, 200);
        let mut found = Vec::new();
        let (mut start, mut end) = (0, block.min(bytes.len()));
        loop {
            let last = end == bytes.len();
            match framer.next(&bytes[start..end], last) {
                Step::More if last => break,
                Step::More => end = (end + block).min(bytes.len()),
                Step::Passed(length) => start += length,
                Step::Frame(frame) => {
                    let stray = if frame.piece == Piece::Stray { "~" } else { "" };
                    let text = &bytes[start..][frame.range];
                    found.push(format!("{stray}{}", String::from_utf8_lossy(text)));
                    start += frame.resume;
                }
            }
        }
        assert_eq!(start, bytes.len());
        found
    }

    fn xml(text: &str) -> Vec<String> {
        records(Framing::Xml, text.as_bytes(), usize::MAX)
    }

    #[test]
    fn frames_event_elements() {
        let both = ["<Event a='1'><EventData/></Event>", "<Event/>"];
        for text in [
            "<Event a='1'><EventData/></Event><Event/>",
            "\u{feff}<?xml version=\"1.0\"?>\r\n<Events>\r\n<Event a='1'><EventData/></Event>\r\n<Event/></Events>\r\n",
            "<!-- x --><Events xmlns='y'><Event a='1'><EventData/></Event>\0<Event/>",
        ] {
            assert_eq!(xml(text), both, "{text}");
        }
        assert_eq!(
            xml("<Event>\n a\n</Event>\nstray\n<EventX/>\n<Event>"),
            ["<Event>\n a\n</Event>", "~stray", "~<EventX/>", "~<Event>"]
        );
    }

    /// The next one is an event all the same, and what stands in CDATA is text.
    #[test]
    fn a_tag_without_end_is_no_tag_however_it_comes() {
        let text = "<Event a<Event b<Event c/>";
        for block in 1..=text.len() {
            let found = records(Framing::Xml, text.as_bytes(), block);
            assert_eq!(found, ["~<Event a", "~<Event b", "<Event c/>"], "blocks of {block}");
        }
    }

    #[test]
    fn an_event_without_end_does_not_swallow_the_next() {
        let (begun, whole) = ("<Event a='1'>\n<EventData>x", "<Event>\nb</Event>");
        assert_eq!(
            xml(&format!("{begun}\n{whole}{whole}\n")),
            [&*format!("~{begun}"), whole, whole]
        );
        let quoted = "<Event><![CDATA[ </Event> <Event> ]]><a/><![CDATA[</Event>]]></Event>";
        assert_eq!(xml(&format!("{quoted}\n{whole}")), [quoted, whole]);
        let open = "<Event><![CDATA[ x";
        assert_eq!(xml(&format!("{open}\n{whole}")), [&*format!("~{open}"), whole]);
    }

    #[test]
    fn cuts_an_element_without_end() {
        let cut = format!("<Event>{}</Event>\n<Event>b</Event>\n", "a".repeat(300));
        let found = xml(&cut);
        assert_eq!((found[0].len(), &*found[1]), (201, "<Event>b</Event>"));
    }

    #[test]
    fn finds_counts_of_octets() {
        assert_eq!(octet_count(b"535 <14>1 2020"), Some((535, 4)));
        for text in ["", "5", "5 ", "x <1>", "05 <1>", "5 1", "123456789 <1>"] {
            assert_eq!(octet_count(text.as_bytes()), None, "{text}");
        }
    }

    thread_local! {
        /// Bytes that were searched, scanned, or parsed by whoever refuses lines.
        pub(super) static WORK: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
    }

    /// How many bytes are read for this text, over and over those of the line that a parser refuses.
    fn work(framing: Framing, text: &str) -> usize {
        let bytes = text.as_bytes();
        let mut framer = Framer::new(framing, bytes, crate::DEFAULT_LIMIT);
        WORK.with(|work| work.set(0));
        let mut at = 0;
        loop {
            match framer.next(&bytes[at..], true) {
                Step::More => break,
                Step::Passed(length) => at += length,
                Step::Frame(frame) => {
                    let record = &bytes[at..][frame.range];
                    if frame.piece == Piece::LikelyRecord {
                        count_work(record.len());
                        if json::read::object(record).is_err() {
                            framer.refuse();
                            continue;
                        }
                    }
                    at += frame.resume;
                }
            }
        }
        WORK.with(std::cell::Cell::get)
    }

    #[test]
    fn work_grows_as_the_text_does() {
        let event = "<Event><System><EventID>1</EventID></System></Event>\n";
        type Text = fn(&str, usize) -> String;
        let texts: [(Framing, Text); 14] = [
            (Framing::Json, |_, n| "{\"a\":1}".repeat(n)),
            (Framing::Json, |_, n| "{\"a\":1}".repeat(n) + "\n"),
            (Framing::Json, |_, n| "{\"a\":1}".repeat(n) + " tail\n"),
            (Framing::Json, |_, n| "{\"a\":1}".repeat(n) + "{\"a\" 1}\n"),
            (Framing::Json, |_, n| format!("[{{}}{}]", ",{\"a\":1}".repeat(n))),
            (Framing::Json, |_, n| format!("{{\"a\":[\n{}\n", "{\"a\":1}".repeat(n))),
            (Framing::Json, |_, n| format!("{{\"a\":[\n{{}}\n[{{}}{}", ",{\"a\":1}".repeat(n))),
            (Framing::Xml, |event, n| event.to_owned() + &"<?\n".repeat(n)),
            (Framing::Xml, |event, n| event.to_owned() + &"<!--\n".repeat(n)),
            (Framing::Xml, |event, n| event.to_owned() + &"<Events\n".repeat(n)),
            (Framing::Xml, |_, n| "<Event><a>\n".repeat(n)),
            (Framing::Xml, |_, n| "<Event><![CDATA[\n".repeat(n)),
            (Framing::Xml, |event, n| event.repeat(n)),
            (Framing::Xml, |_, n| "<Event><![CDATA[</Event>]]></Event>\n".repeat(n)),
        ];
        let grows: Vec<_> = texts
            .into_iter()
            .enumerate()
            .map(|(number, (framing, text))| {
                let work = |n| work(framing, &text(event, n));
                (number, work(1000), work(8000))
            })
            .filter(|(_, short, long)| *long > 12 * short)
            .collect();
        assert!(grows.is_empty(), "{grows:?}");
    }

    proptest! {
        /// Marks are found where they are, whatever was looked for before.
        #[test]
        fn marks_are_where_they_are(
            text in "[ab]{0,40}",
            steps in proptest::collection::vec((0usize..6, 0usize..8, 0usize..12), 0..12),
        ) {
            let (mut at, mut end, mut mark) = (0, 0, Mark::default());
            for (pass, from, more) in steps {
                let pass = pass.min(end - at);
                mark.pass(pass);
                at += pass;
                end = (end + more).min(text.len());
                let window = &text.as_bytes()[at..end];
                let expected = window.get(from..).and_then(|rest| memchr::memmem::find(rest, b"aba"));
                prop_assert_eq!(mark.find(window, b"aba", from), expected.map(|found| found + from));
            }
        }

        #[test]
        fn xml_is_the_same_in_any_blocks(
            pieces in proptest::collection::vec(
                prop_oneof![
                    Just("<Event a='1'><x>y</x></Event>"), Just("<Event/>"), Just("<Events>"), Just("</Events>\n"),
                    Just("<?xml?>"), Just("stray\n"), Just("<Event>"), Just("<Event"), Just("/>"), Just("<EventData>"), Just("\n"), Just("<!-- <Event> -->"),
                    Just("<"), Just("\u{feff}"), Just("<![CDATA["), Just("]]>"), Just("</Event>"),
                ],
                0..12,
            ),
            block in 1usize..30,
        ) {
            let text = pieces.concat();
            prop_assert_eq!(xml(&text), records(Framing::Xml, text.as_bytes(), block));
        }
    }
}
