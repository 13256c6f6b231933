//! From a log to its records: blocks of bytes through a [`Stream`], on one thread.

use crate::input::{Content, Opened};
use crate::plan::Reading;
use sigmund_engine::Record;
use sigmund_parsers::decompress::{self, Limits, each_stream};
use sigmund_parsers::windows::evtx;
use sigmund_parsers::{Counts, Format, Framed, Stream};
use std::io::{self, Read};

/// How much is read at once.
const BLOCK: usize = 256 << 10;

/// How much of a beginning a format is recognised by.
pub(crate) const HEAD: usize = 64 << 10;

/// Takes records as they are read.
pub(crate) trait Consumer {
    /// A stream begins: the log itself, or a member of an archive (`logs.zip/conn.log`).
    fn stream(&mut self, name: &str) {
        let _ = name;
    }

    /// One record: an event or a skip.
    fn record(&mut self, framed: Framed<'_>);

    /// A block of so many bytes is done. An error ends reading.
    fn block(&mut self, bytes: usize) -> io::Result<()> {
        let _ = bytes;
        Ok(())
    }
}

/// What a log, or a part of it, held.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) counts: Counts,
    /// `None` for what is not the beginning of a log.
    pub(crate) format: Option<&'static str>,
    /// Why it could not be read.
    pub(crate) problem: Option<String>,
    /// Damage: what came before it was read.
    pub(crate) warnings: Vec<decompress::Warning>,
}

/// The beginning of a stream.
pub(crate) fn head(bytes: &mut dyn Read) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    bytes.take(HEAD as u64).read_to_end(&mut head)?;
    Ok(head)
}

/// A Windows event log as lines of JSON. It is read whole: its oldest records may be anywhere in it.
fn event_log(
    name: &str,
    start: &[u8],
    rest: &mut dyn Read,
    damaged: &mut Vec<decompress::Warning>,
) -> io::Result<evtx::JsonLines> {
    let mut bytes = start.to_vec();
    let limit = evtx::LARGEST.saturating_sub(bytes.len() as u64);
    if rest.take(limit).read_to_end(&mut bytes)? as u64 == limit {
        let message = format!("only its first {} GiB were read", evtx::LARGEST >> 30);
        damaged.push(decompress::Warning { name: name.to_owned(), message });
    }
    Ok(evtx::JsonLines::new(bytes))
}

/// What could not be read of an event log: the first problems, and how many more there are.
fn damage(name: &str, lines: &evtx::JsonLines) -> Vec<decompress::Warning> {
    let told = lines.problems();
    let more = lines.bad() - told.len() as u64;
    let rest = (more > 0).then(|| format!("{more} more records or chunks could not be read"));
    let warning = |message| decompress::Warning { name: name.to_owned(), message };
    told.iter().cloned().chain(rest).map(warning).collect()
}

/// The buffers of reading, reused from log to log.
pub(crate) struct Reader {
    record: Record,
    block: Vec<u8>,
}

impl Reader {
    /// `record` says which fields are wanted.
    pub(crate) fn new(record: Record) -> Self {
        Self { record, block: Vec::new() }
    }

    /// Reads a log to its end, decompressed. The error is the consumer's; what goes wrong while reading is in the report.
    pub(crate) fn log(
        &mut self,
        opened: Opened,
        reading: &Reading,
        consumer: &mut dyn Consumer,
    ) -> io::Result<Report> {
        let Opened { content, name, modified } = opened;
        let mut report = Report::default();
        let mut refused = None;
        let mut damaged = Vec::new();
        let mut each = |name: &str, bytes: &mut dyn Read| {
            consumer.stream(name);
            let mut start = head(bytes)?;
            let file_name = name.rsplit(['/', '\\']).next().unwrap_or_default();
            let info = reading.info(file_name, modified);
            let mut event_log = match evtx::is_evtx(&start) {
                true => Some(event_log(name, &start, bytes, &mut damaged)?),
                false => None,
            };
            let (forced, bytes): (_, &mut dyn Read) = match &mut event_log {
                Some(lines) => {
                    start = head(lines)?;
                    (Some(&evtx::Evtx as &dyn Format), lines)
                }
                None => (reading.forced, bytes),
            };
            let mut stream = Stream::open(info, &start, forced);
            let result = self.stream(&mut stream, &start, bytes, consumer);
            if let Some(lines) = event_log {
                damaged.extend(damage(name, &lines));
            }
            report.counts.add(stream.counts());
            report.format.get_or_insert(stream.format());
            match result {
                Ok(None) => Ok(()),
                Ok(Some(problem)) => Err(problem),
                Err(error) => {
                    refused = Some(error);
                    Err(io::Error::other("stopped"))
                }
            }
        };
        let limits = Limits::default();
        let walked = match content {
            Content::File(mut file) => {
                each_stream(&name, decompress::Input::File(&mut file), &limits, &mut each)
            }
            Content::Memory(mut bytes) => {
                each_stream(&name, decompress::Input::File(&mut bytes), &limits, &mut each)
            }
            Content::Pipe(mut pipe) => {
                each_stream(&name, decompress::Input::Pipe(&mut pipe), &limits, &mut each)
            }
        };
        if let Some(error) = refused {
            return Err(error);
        }
        report.warnings = damaged;
        match walked {
            Ok(warnings) => report.warnings.extend(warnings),
            Err(error) => report.problem = Some(error.to_string()),
        }
        Ok(report)
    }

    /// Reads what is in memory as the end of a stream.
    pub(crate) fn bytes(
        &mut self,
        stream: &mut Stream,
        bytes: &[u8],
        consumer: &mut dyn Consumer,
    ) -> io::Result<()> {
        stream.read(bytes, true, &mut self.record, &mut |framed| consumer.record(framed));
        consumer.block(bytes.len())
    }

    fn stream(
        &mut self,
        stream: &mut Stream,
        head: &[u8],
        reader: &mut dyn Read,
        consumer: &mut dyn Consumer,
    ) -> io::Result<Option<io::Error>> {
        let Self { record, block } = self;
        if block.len() < BLOCK.max(head.len()) {
            block.resize(BLOCK.max(head.len()), 0);
        }
        block[..head.len()].copy_from_slice(head);
        let mut filled = head.len();
        // Bytes that the consumer was not told of yet.
        let mut fresh = filled;
        let mut problem = None;
        loop {
            let mut last = false;
            while filled < block.len() {
                match reader.read(&mut block[filled..]) {
                    Ok(0) => {
                        last = true;
                        break;
                    }
                    Ok(count) => {
                        filled += count;
                        fresh += count;
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => {
                        problem = Some(error);
                        last = true;
                        break;
                    }
                }
            }
            let each = &mut |framed: Framed<'_>| consumer.record(framed);
            let used = stream.read(&block[..filled], last, record, each);
            consumer.block(std::mem::take(&mut fresh))?;
            if last {
                return Ok(problem);
            }
            if used == 0 && filled == block.len() {
                // A record that is longer than the block; the framer has a limit for those.
                block.resize(block.len() * 2, 0);
            }
            block.copy_within(used..filled, 0);
            filled -= used;
        }
    }
}
