//! From a log to its records: blocks of bytes through a [`Stream`], on one thread.

use crate::input::Opened;
use crate::plan::Reading;
use sigmund_engine::Record;
use sigmund_parsers::{Counts, Framed, Stream};
use std::io::{self, Read};

/// How much is read at once.
const BLOCK: usize = 256 << 10;

/// Takes records as they are read.
pub(crate) trait Consumer {
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
    /// Why it was not read, or not to its end.
    pub(crate) problem: Option<String>,
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

    /// Reads a log to its end. The error is the consumer's; what goes wrong while reading is in the report.
    pub(crate) fn log(
        &mut self,
        mut opened: Opened,
        reading: &Reading,
        consumer: &mut dyn Consumer,
    ) -> io::Result<Report> {
        let info = reading.info(&opened.file_name, opened.modified);
        let mut stream = Stream::open(info, &opened.head, reading.forced);
        let problem = self.stream(&mut stream, &opened.head, &mut opened.reader, consumer)?;
        Ok(Report {
            counts: stream.counts().clone(),
            format: Some(stream.format()),
            problem: problem.map(|error| format!("{error}; what came before was read")),
        })
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
