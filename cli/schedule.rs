//! Reads many logs on many threads, and hands on their detections in the order of the input.
//!
//! Large logs, whose records stand alone, are cut at line borders. A worker that has nothing to do takes the next part and reads
//! it itself, block by block, so that the bytes are still in the cache of its processor when they are matched. Each part has a
//! channel of its own, and the caller's thread empties the channels in order. All channels are bounded, so
//! memory does not grow with the input. With one thread none of this is used.

use crate::input::{Content, Input, Opened};
use crate::read::{Consumer as _, ReadStream, Reader, Report, head};
use crate::scan::{Emit, FULL, Found, Hunt, Origin, Scan};
use sigmund_parsers::decompress::is_plain;
use sigmund_parsers::{Counts, Framing, Split, Stream, format_named};
use sigmund_stream::detect::Detector;
use std::io::{self, Read, Seek, SeekFrom};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

/// Files smaller than this are not cut.
const LARGE: u64 = 4 << 20;

/// How much of a large file is one part: so long that handing it out costs nothing, less towards the end, so that all workers
/// end at the same time.
const LONGEST_PART: u64 = 4 << 20;
const SHORTEST_PART: u64 = 64 << 10;

/// How much is looked at at once for the line border that a part begins at.
const LOOK: u64 = 16 << 10;

/// How many blocks of detections of one part may wait.
const WAITING: usize = 8;

/// What all logs held.
#[derive(Debug, Default)]
pub(crate) struct Totals {
    pub(crate) counts: Counts,
    /// Streams whose events have no log source, most of them, and the one that is being read.
    pub(crate) streams: Vec<ReadStream>,
    /// Logs, or members of them, that could not be read.
    pub(crate) problems: Vec<(String, String)>,
    /// Logs that are damaged: what comes before the damage was read.
    pub(crate) damaged: Vec<(String, String)>,
}

impl Totals {
    /// Adds what a log held, or a part of it that `continues` the one before.
    fn add(&mut self, path: &str, report: Report, continues: bool) {
        self.counts.add(&report.counts);
        for stream in report.streams {
            match self.streams.last_mut() {
                Some(last) if continues && last.name == stream.name => {
                    last.events += stream.events;
                    last.plain += stream.plain;
                    last.unrouted += stream.unrouted;
                }
                _ => {
                    self.streams.pop_if(|last| !last.is_unknown());
                    self.streams.push(stream);
                }
            }
        }
        if let Some(problem) = report.problem {
            self.problems.push((path.to_owned(), problem));
        }
        for warning in report.warnings {
            let told = (warning.name, warning.message);
            if warning.is_unread { &mut self.problems } else { &mut self.damaged }.push(told);
        }
    }
}

/// Gets what was found, and hears of the end of each log, in input order.
pub(crate) type Sink<'a> = dyn FnMut(Origin, &mut Found) -> io::Result<()> + 'a;

/// Reads all logs. `progress` is told of bytes as they are read.
pub(crate) fn run(
    hunt: &Hunt,
    inputs: &[Input],
    threads: usize,
    progress: &(dyn Fn(usize) + Sync),
    sink: &mut Sink<'_>,
) -> io::Result<Totals> {
    if threads <= 1 {
        return one_thread(hunt, inputs, progress, sink);
    }
    std::thread::scope(|scope| {
        let (order_sender, order) = sync_channel::<Ordered>(4 * threads);
        let feed = Feed { hunt, inputs, threads, next: 0, cutting: None, order: order_sender };
        let feed = Arc::new(Mutex::new(feed));
        let emptied = Emptied::default();
        for _ in 0..threads {
            let (feed, emptied) = (Arc::clone(&feed), Arc::clone(&emptied));
            scope.spawn(move || work(hunt, inputs, &feed, &emptied, progress));
        }
        drop(feed);
        collect(inputs, &order, &emptied, sink)
    })
}

fn one_thread(
    hunt: &Hunt,
    inputs: &[Input],
    progress: &dyn Fn(usize),
    sink: &mut Sink<'_>,
) -> io::Result<Totals> {
    let mut totals = Totals::default();
    let (mut reader, mut detector) = (hunt.reader(), hunt.detector());
    let mut found = Found::default();
    for (index, input) in inputs.iter().enumerate() {
        let origin = Origin { input: index, base: 0, ends: false };
        let mut emit = |found: &mut Found, bytes| {
            progress(bytes);
            if found.is_empty() { Ok(()) } else { sink(origin, found) }
        };
        let report = read_log(hunt, &mut reader, &mut detector, &mut found, input, &mut emit)?;
        totals.add(&input.name(), report, false);
        sink(Origin { ends: true, ..origin }, &mut Found::default())?;
    }
    Ok(totals)
}

/// Reads one log from its beginning to its end.
fn read_log(
    hunt: &Hunt,
    reader: &mut Reader,
    detector: &mut Detector,
    found: &mut Found,
    input: &Input,
    emit: &mut Emit<'_>,
) -> io::Result<Report> {
    let opened = match input.open() {
        Ok(opened) => opened,
        Err(error) => {
            return Ok(Report { problem: Some(error.to_string()), ..Report::default() });
        }
    };
    reader.log(opened, &hunt.reading, &mut Scan::new(hunt, detector, found, emit))
}

/// A part of the input for a worker.
enum Part {
    /// The log with this index.
    Whole(usize),
    /// The lines of a large log that begin in this part of it.
    Lines { input: usize, begin: Arc<Begin>, from: u64, to: u64 },
}

/// What every part of a log is opened with.
struct Begin {
    split: Split,
    size: u64,
    /// The time of the log.
    date: i64,
}

/// What a worker sends.
enum Piece {
    Found(Found),
    Done(Report),
}

/// What was handed on, to be filled again: no more than may wait in all channels.
type Emptied = Arc<Mutex<Vec<Found>>>;

/// A part in its place.
struct Ordered {
    input: usize,
    /// It goes on with the log of the part before.
    continues: bool,
    pieces: Receiver<Piece>,
}

/// The parts of all logs, in order.
struct Feed<'a> {
    hunt: &'a Hunt,
    inputs: &'a [Input],
    threads: usize,
    /// The first log that was not begun.
    next: usize,
    /// The log that is being cut, and where its next part begins.
    cutting: Option<(usize, Arc<Begin>, u64)>,
    order: SyncSender<Ordered>,
}

impl Feed<'_> {
    /// The next part and where its results go. `None` at the end, and when nobody listens any more.
    fn take(&mut self) -> Option<(Part, SyncSender<Piece>)> {
        if self.cutting.is_none() {
            let index = self.next;
            let input = self.inputs.get(index)?;
            self.next += 1;
            match cuttable(self.hunt, input) {
                Some(begin) => self.cutting = Some((index, Arc::new(begin), 0)),
                None => return self.send(Part::Whole(index), index, false),
            }
        }
        let (input, begin, from) = self.cutting.take()?;
        let left = begin.size.saturating_sub(from);
        let part = (left / (4 * self.threads as u64)).clamp(SHORTEST_PART, LONGEST_PART);
        // The last part goes on to the end, even if the log has grown since.
        let to = if part < left { from + part } else { u64::MAX };
        if to != u64::MAX {
            self.cutting = Some((input, Arc::clone(&begin), to));
        }
        self.send(Part::Lines { input, begin, from, to }, input, from > 0)
    }

    fn send(&self, part: Part, input: usize, continues: bool) -> Option<(Part, SyncSender<Piece>)> {
        let (results, pieces) = sync_channel(WAITING);
        self.order.send(Ordered { input, continues, pieces }).ok()?;
        Some((part, results))
    }
}

/// What the parts of a log need that is large and whose lines stand alone.
fn cuttable(hunt: &Hunt, input: &Input) -> Option<Begin> {
    let size = match input {
        Input::File(_, size) if *size >= LARGE => *size,
        _ => return None,
    };
    let Opened { content: Content::File(mut file), name, modified } = input.open().ok()? else {
        return None;
    };
    let head = head(&mut file).ok()?;
    if !is_plain(&head) {
        return None;
    }
    let file_name = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let info = hunt.reading.file_info(file_name, modified);
    let date = info.reference_time;
    let split = Stream::open(info, &head, hunt.reading.forced).split()?;
    Some(Begin { split, size, date })
}

/// The lines of a file that begin in a part of it, wherever the last of them ends.
struct Lines<F> {
    file: F,
    /// A pretty-printed object among lines of JSON stays whole if only lines that begin an object are borders.
    is_json: bool,
    /// Where the next byte that is read stands, and the byte before it.
    at: u64,
    before: u8,
    to: u64,
    ended: bool,
}

impl<F: Read + Seek> Lines<F> {
    fn open(file: F, is_json: bool, from: u64, to: u64) -> io::Result<Self> {
        let mut lines = Self { file, is_json, at: 0, before: b'\n', to, ended: false };
        if from == 0 {
            return Ok(lines);
        }
        lines.at = lines.file.seek(SeekFrom::Start(from - 1))?;
        lines.before = 0;
        let mut block = Vec::with_capacity(LOOK as usize);
        loop {
            block.clear();
            (&mut lines.file).take(LOOK).read_to_end(&mut block)?;
            let border = lines.border(&block, from);
            lines.before = block.last().copied().unwrap_or(0);
            match border {
                Some(border) => {
                    lines.at = lines.file.seek(SeekFrom::Start(lines.at + border as u64))?;
                    lines.before = b'\n';
                    // A line that goes on beyond the part belongs to an earlier one.
                    lines.ended = lines.at >= to;
                    return Ok(lines);
                }
                None if block.is_empty() || lines.at >= to => {
                    lines.ended = true;
                    return Ok(lines);
                }
                None => lines.at += block.len() as u64,
            }
        }
    }

    /// The first line that begins in the block, which stands at `at`, from `least` on.
    fn border(&self, block: &[u8], least: u64) -> Option<usize> {
        let skipped = usize::try_from(least.saturating_sub(self.at)).unwrap_or(usize::MAX);
        if skipped >= block.len() {
            return None;
        }
        let begins = |at: usize| !self.is_json || block.get(at) == Some(&b'{');
        if skipped == 0 && self.before == b'\n' && begins(0) {
            return Some(0);
        }
        let first = skipped.saturating_sub(1);
        memchr::memchr_iter(b'\n', &block[first..])
            .map(|at| first + at + 1)
            .find(|at| *at < block.len() && begins(*at))
    }
}

impl<F: Read + Seek> Read for Lines<F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.ended || buffer.is_empty() {
            return Ok(0);
        }
        // What comes after the part's last line is another's to read.
        let near = self.to.saturating_sub(self.at).saturating_add(LOOK);
        let most = buffer.len().min(usize::try_from(near).unwrap_or(usize::MAX));
        let count = self.file.read(&mut buffer[..most])?;
        let end = self.border(&buffer[..count], self.to);
        self.ended = end.is_some();
        let count = end.unwrap_or(count);
        self.at += count as u64;
        self.before = buffer[..count].last().copied().unwrap_or(self.before);
        Ok(count)
    }
}

/// Reads parts until there are no more.
fn work(
    hunt: &Hunt,
    inputs: &[Input],
    feed: &Mutex<Feed<'_>>,
    emptied: &Mutex<Vec<Found>>,
    progress: &(dyn Fn(usize) + Sync),
) {
    let (mut reader, mut detector) = (hunt.reader(), hunt.detector());
    let mut found = Found::default();
    // The parts of one log follow each other: what its parser prepared serves them all.
    let mut open: Option<(usize, Stream)> = None;
    loop {
        let taken = feed.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some((part, results)) = taken else { return };
        let hand_on = |found: &mut Found| {
            if found.is_empty() {
                return Ok(());
            }
            let empty = emptied.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let piece = Piece::Found(std::mem::replace(found, empty.unwrap_or_default()));
            results.send(piece).map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))
        };
        let report = match part {
            Part::Whole(input) => {
                let input = &inputs[input];
                let mut emit = |found: &mut Found, bytes: usize| {
                    progress(bytes);
                    hand_on(found)
                };
                read_log(hunt, &mut reader, &mut detector, &mut found, input, &mut emit)
            }
            Part::Lines { input, begin, from, to } => {
                let stream = match &mut open {
                    Some((last, stream)) if *last == input => {
                        stream.restart();
                        stream
                    }
                    open => &mut open.insert((input, begin.split.open())).1,
                };
                // A part is read in milliseconds. Whoever collects is woken for much at once: it takes a processor from a worker.
                let mut emit = |found: &mut Found, bytes: usize| {
                    progress(bytes);
                    if found.is_full() { hand_on(found) } else { Ok(()) }
                };
                let mut scan = Scan::new(hunt, &mut detector, &mut found, &mut emit);
                scan.stream(&inputs[input].name());
                scan.dated(begin.date);
                let format = begin.split.format();
                let is_json = format_named(format).map(|it| it.framing()) == Some(Framing::Json);
                let lines = match inputs[input].open() {
                    Ok(Opened { content: Content::File(file), .. }) => {
                        Lines::open(file, is_json, from, to)
                    }
                    Ok(_) => Err(io::Error::other("it is no file any more")),
                    Err(error) => Err(error),
                };
                let read = match lines {
                    Ok(mut lines) => reader.part(stream, &mut lines, &mut scan),
                    Err(error) => Ok(Some(error)),
                };
                read.and_then(|problem| hand_on(&mut found).map(|()| problem)).map(|problem| {
                    Report {
                        counts: stream.counts().clone(),
                        streams: vec![ReadStream::of(stream, &inputs[input].name())],
                        problem: problem.map(|error| error.to_string()),
                        ..Report::default()
                    }
                })
            }
        };
        // Whoever listens went away: the output is closed.
        let Ok(report) = report else { return };
        if results.send(Piece::Done(report)).is_err() {
            return;
        }
    }
}

/// Empties the channels in order.
fn collect(
    inputs: &[Input],
    order: &Receiver<Ordered>,
    emptied: &Mutex<Vec<Found>>,
    sink: &mut Sink<'_>,
) -> io::Result<Totals> {
    let mut totals = Totals::default();
    let mut base = 0;
    let mut last = None;
    let end = |input: Option<usize>, sink: &mut Sink<'_>| match input {
        Some(input) => sink(Origin { input, base: 0, ends: true }, &mut Found::default()),
        None => Ok(()),
    };
    while let Ok(part) = order.recv() {
        if !part.continues {
            base = 0;
            end(last.replace(part.input), sink)?;
        }
        loop {
            match part.pieces.recv() {
                Ok(Piece::Found(mut found)) => {
                    sink(Origin { input: part.input, base, ends: false }, &mut found)?;
                    // A huge event leaves a huge buffer.
                    if found.detections.bytes().capacity() <= 4 * FULL {
                        emptied.lock().unwrap_or_else(PoisonError::into_inner).push(found);
                    }
                }
                Ok(Piece::Done(report)) => {
                    base += report.counts.records;
                    totals.add(&inputs[part.input].name(), report, part.continues);
                    break;
                }
                Err(_) => return Err(io::Error::other("a worker ended without a result")),
            }
        }
    }
    end(last, sink)?;
    Ok(totals)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Cursor;

    proptest! {
        #[test]
        fn parts_make_the_whole_and_begin_where_lines_do(
            text in "[a{\n]{0,60}",
            size in 1u64..20,
            is_json: bool,
        ) {
            let mut whole = Vec::new();
            let mut from = 0;
            loop {
                let last = from + size >= text.len() as u64;
                let to = if last { u64::MAX } else { from + size };
                let mut part = Vec::new();
                let mut lines = Lines::open(Cursor::new(&text), is_json, from, to).expect("memory");
                // Blocks of any size.
                let mut block = vec![0; 1 + (from % 7) as usize];
                loop {
                    match lines.read(&mut block).expect("memory") {
                        0 => break,
                        count => part.extend_from_slice(&block[..count]),
                    }
                }
                if !part.is_empty() && !whole.is_empty() {
                    prop_assert_eq!(whole.last(), Some(&b'\n'));
                    let begins = !is_json || part.first() == Some(&b'{');
                    prop_assert!(begins, "an object begins here");
                }
                whole.extend(part);
                if last {
                    break;
                }
                from = to;
            }
            prop_assert_eq!(String::from_utf8_lossy(&whole), text);
        }
    }
}
