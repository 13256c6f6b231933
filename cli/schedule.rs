//! Reads many logs on many threads, and hands on their detections in the order of the input.
//!
//! One thread opens the logs in order and cuts large ones, whose records stand alone, at line borders. Workers
//! read the parts. Each part has a channel of its own, and the caller's thread empties the channels in order.
//! All channels are bounded, so memory does not grow with the input. With one thread none of this is used.

use crate::input::{Content, Input, Opened};
use crate::read::{Consumer as _, Reader, Report, head};
use crate::scan::{Emit, Found, Hunt, Origin, Scan};
use sigmund_engine::Matcher;
use sigmund_parsers::decompress::is_plain;
use sigmund_parsers::{Counts, Framing, Split, Stream, format_named};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

/// Files smaller than this are not cut.
const LARGE: u64 = 4 << 20;

/// How much of a large file one worker reads at a time.
const CHUNK: usize = 1 << 20;

/// The line of a chunk beyond this length is cut; the framer's limit is far below.
const LONGEST_LINE: usize = 16 << 20;

/// How many blocks of detections of one part may wait.
const WAITING: usize = 8;

/// What all logs held.
#[derive(Debug, Default)]
pub(crate) struct Totals {
    pub(crate) counts: Counts,
    /// Logs read, by format.
    pub(crate) formats: BTreeMap<&'static str, usize>,
    /// Logs that could not be read.
    pub(crate) problems: Vec<(String, String)>,
    /// Logs that are damaged: what comes before the damage was read.
    pub(crate) damaged: Vec<(String, String)>,
}

impl Totals {
    fn add(&mut self, path: &str, report: &Report) {
        self.counts.add(&report.counts);
        if let Some(format) = report.format {
            *self.formats.entry(format).or_default() += 1;
        }
        if let Some(problem) = &report.problem {
            self.problems.push((path.to_owned(), problem.clone()));
        }
        for warning in &report.warnings {
            self.damaged.push((warning.name.clone(), warning.message.clone()));
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
        let (job_sender, jobs) = sync_channel::<Job>(2 * threads);
        let (order_sender, order) = sync_channel::<Ordered>(4 * threads);
        let jobs = Arc::new(Mutex::new(jobs));
        let spare = Arc::new(Spare::default());
        for _ in 0..threads {
            let (jobs, spare) = (Arc::clone(&jobs), Arc::clone(&spare));
            scope.spawn(move || work(hunt, inputs, &jobs, &spare, progress));
        }
        drop(jobs);
        scope.spawn(move || schedule(hunt, inputs, &spare, &job_sender, &order_sender));
        collect(inputs, &order, sink)
    })
}

fn one_thread(
    hunt: &Hunt,
    inputs: &[Input],
    progress: &dyn Fn(usize),
    sink: &mut Sink<'_>,
) -> io::Result<Totals> {
    let mut totals = Totals::default();
    let (mut reader, mut matcher) = (hunt.reader(), hunt.matcher());
    for (index, input) in inputs.iter().enumerate() {
        let origin = Origin { input: index, base: 0, ends: false };
        let report = read_log(hunt, &mut reader, &mut matcher, input, &mut |found, bytes| {
            progress(bytes);
            if found.is_empty() { Ok(()) } else { sink(origin, found) }
        })?;
        totals.add(&input.name(), &report);
        sink(Origin { ends: true, ..origin }, &mut Found::default())?;
    }
    Ok(totals)
}

/// Reads one log from its beginning to its end.
fn read_log(
    hunt: &Hunt,
    reader: &mut Reader,
    matcher: &mut Matcher,
    input: &Input,
    emit: &mut Emit<'_>,
) -> io::Result<Report> {
    let opened = match input.open() {
        Ok(opened) => opened,
        Err(error) => {
            return Ok(Report { problem: Some(error.to_string()), ..Report::default() });
        }
    };
    reader.log(opened, &hunt.reading, &mut Scan::new(hunt, matcher, emit))
}

/// Buffers of chunks that are read, for the next ones: fresh memory costs as much as reading into it.
#[derive(Default)]
struct Spare(Mutex<Vec<Vec<u8>>>);

impl Spare {
    /// An empty buffer with room for a chunk and the line that it ends in.
    fn take(&self) -> Vec<u8> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        known.unwrap_or_else(|| Vec::with_capacity(CHUNK + CHUNK / 4))
    }

    fn give(&self, mut buffer: Vec<u8>) {
        buffer.clear();
        // One that an endless line has made large is not kept.
        if buffer.capacity() <= 2 * CHUNK {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push(buffer);
        }
    }
}

/// A part of the input for a worker.
struct Job {
    part: Part,
    results: SyncSender<Piece>,
}

enum Part {
    /// The log with this index.
    Whole(usize),
    /// Some lines of a large log.
    Lines { input: usize, bytes: Vec<u8>, begin: Arc<Begin>, first: bool },
    /// The rest of a large log could not be read.
    Unread(String),
}

/// What every chunk of a log is opened with.
struct Begin {
    head: Vec<u8>,
    split: Split,
}

/// What a worker sends.
enum Piece {
    Found(Found),
    Done(Report),
}

/// A part in its place.
struct Ordered {
    input: usize,
    /// It goes on with the log of the part before.
    continues: bool,
    pieces: Receiver<Piece>,
}

/// Sends the parts of all logs to the workers, in order. Ends early when nobody listens any more.
fn schedule(
    hunt: &Hunt,
    inputs: &[Input],
    spare: &Spare,
    jobs: &SyncSender<Job>,
    order: &SyncSender<Ordered>,
) {
    let send = |input: usize, continues: bool, part: Part| -> Option<()> {
        let (results, pieces) = sync_channel(WAITING);
        order.send(Ordered { input, continues, pieces }).ok()?;
        jobs.send(Job { part, results }).ok()
    };
    for (index, input) in inputs.iter().enumerate() {
        let sent = match cuttable(hunt, input) {
            Some((reader, begin)) => cut(reader, &begin, spare, &mut |lines, first| {
                let begin = Arc::clone(&begin);
                let part = match lines {
                    Ok(bytes) => Part::Lines { input: index, bytes, begin, first },
                    Err(problem) => Part::Unread(problem),
                };
                send(index, !first, part)
            }),
            None => send(index, false, Part::Whole(index)),
        };
        if sent.is_none() {
            return;
        }
    }
}

/// The reader of a log that is large and whose lines stand alone.
fn cuttable(hunt: &Hunt, input: &Input) -> Option<(File, Arc<Begin>)> {
    match input {
        Input::File(_, size) if *size >= LARGE => {}
        _ => return None,
    }
    let Opened { content: Content::File(mut file), name, modified } = input.open().ok()? else {
        return None;
    };
    let head = head(&mut file).ok()?;
    if !is_plain(&head) {
        return None;
    }
    let file_name = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let info = hunt.reading.info(file_name, modified);
    let split = Stream::open(info, &head, hunt.reading.forced).split()?;
    Some((file, Arc::new(Begin { head, split })))
}

/// Cuts a log into chunks of whole lines.
fn cut(
    mut reader: File,
    begin: &Begin,
    spare: &Spare,
    send: &mut dyn FnMut(Result<Vec<u8>, String>, bool) -> Option<()>,
) -> Option<()> {
    // A pretty-printed object among lines of JSON stays whole if only lines that begin an object are borders.
    let json =
        format_named(begin.split.format()).is_some_and(|format| format.framing() == Framing::Json);
    let mut bytes = spare.take();
    bytes.extend_from_slice(&begin.head);
    let mut first = true;
    loop {
        let wanted = CHUNK.saturating_sub(bytes.len()).max(CHUNK / 4);
        let read = reader.by_ref().take(wanted as u64).read_to_end(&mut bytes);
        if !matches!(read, Ok(1..)) {
            if !bytes.is_empty() || first {
                send(Ok(bytes), first)?;
            }
            return match read {
                Ok(_) => Some(()),
                Err(error) => send(Err(error.to_string()), false),
            };
        }
        let border = if json {
            memchr_last(&bytes, b"\n{").map(|at| at + 1)
        } else {
            bytes.iter().rposition(|&byte| byte == b'\n').map(|at| at + 1)
        };
        match border {
            Some(border) => {
                let mut rest = spare.take();
                rest.extend_from_slice(&bytes[border..]);
                bytes.truncate(border);
                send(Ok(std::mem::replace(&mut bytes, rest)), first)?;
                first = false;
            }
            // The rest of an endless line is beyond the framer's limit anyway.
            None if bytes.len() > LONGEST_LINE => bytes.truncate(LONGEST_LINE),
            None => {}
        }
    }
}

fn memchr_last(bytes: &[u8], pair: &[u8; 2]) -> Option<usize> {
    bytes.windows(2).rposition(|window| window == pair)
}

/// Reads parts until there are no more.
fn work(
    hunt: &Hunt,
    inputs: &[Input],
    jobs: &Mutex<Receiver<Job>>,
    spare: &Spare,
    progress: &(dyn Fn(usize) + Sync),
) {
    let (mut reader, mut matcher) = (hunt.reader(), hunt.matcher());
    // The parts of one log follow each other: what its parser prepared serves them all.
    let mut open: Option<(usize, Stream)> = None;
    loop {
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Job { part, results }) = job else { return };
        let mut emit = |found: &mut Found, bytes: usize| {
            progress(bytes);
            if found.is_empty() {
                return Ok(());
            }
            let piece = Piece::Found(std::mem::take(found));
            results.send(piece).map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))
        };
        let report = match part {
            Part::Whole(input) => {
                read_log(hunt, &mut reader, &mut matcher, &inputs[input], &mut emit)
            }
            Part::Unread(problem) => Ok(Report { problem: Some(problem), ..Report::default() }),
            Part::Lines { input, bytes, begin, first } => {
                let stream = match &mut open {
                    Some((last, stream)) if *last == input => {
                        stream.restart();
                        stream
                    }
                    open => &mut open.insert((input, begin.split.open())).1,
                };
                let path = inputs[input].name();
                let mut scan = Scan::new(hunt, &mut matcher, &mut emit);
                scan.stream(&path);
                let read = reader.bytes(stream, &bytes, &mut scan);
                spare.give(bytes);
                read.map(|()| Report {
                    counts: stream.counts().clone(),
                    format: first.then_some(begin.split.format()),
                    ..Report::default()
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
fn collect(inputs: &[Input], order: &Receiver<Ordered>, sink: &mut Sink<'_>) -> io::Result<Totals> {
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
                }
                Ok(Piece::Done(report)) => {
                    base += report.counts.records;
                    totals.add(&inputs[part.input].name(), &report);
                    break;
                }
                Err(_) => return Err(io::Error::other("a worker ended without a result")),
            }
        }
    }
    end(last, sink)?;
    Ok(totals)
}
