//! From a stream of bytes to encoded detections, on one thread.

use crate::encode::{Buffer, Encoder, HOST_FIELDS, Hit, field};
use crate::plan::{Reading, Rules};
use sigmund_engine::detection::matched;
use sigmund_engine::{Event, Matcher, Record};
use sigmund_parsers::{Outcome, Stream};
use std::io::{self, Read};

/// How much is read at once. The detections of a block are handed on together.
const BLOCK: usize = 256 << 10;

/// How much of a beginning a format is recognised by.
pub(crate) const HEAD: usize = 64 << 10;

/// What a hunt knows before it reads the first log. Shared by all threads.
pub(crate) struct Hunt {
    pub(crate) rules: Rules,
    pub(crate) reading: Reading,
    /// `None` if only counts are wanted.
    pub(crate) encoder: Option<Encoder>,
    /// Event times in nanoseconds: from this one, before that one.
    pub(crate) window: (Option<i64>, Option<i64>),
}

/// Reads streams and matches their records. Each thread has its own.
pub(crate) struct Scanner<'a> {
    hunt: &'a Hunt,
    matcher: Matcher,
    record: Record,
    hits: Vec<u32>,
    block: Vec<u8>,
    buffer: Buffer,
}

impl<'a> Scanner<'a> {
    pub(crate) fn new(hunt: &'a Hunt) -> Self {
        Self {
            hunt,
            matcher: Matcher::new(hunt.rules.set.clone()),
            record: Record::new(hunt.rules.set.field_table().clone()),
            hits: Vec::new(),
            block: Vec::new(),
            buffer: Buffer::default(),
        }
    }

    /// Reads a stream to its end. `head` is what was read of it already; `emit` gets the detections of each block.
    ///
    /// An error while reading ends the stream: what was read is matched, and the error is the second result.
    pub(crate) fn stream(
        &mut self,
        stream: &mut Stream,
        head: &[u8],
        reader: &mut dyn Read,
        path: &str,
        emit: &mut dyn FnMut(&mut Buffer, usize) -> io::Result<()>,
    ) -> io::Result<Option<io::Error>> {
        let mut block = std::mem::take(&mut self.block);
        if block.len() < BLOCK.max(head.len()) {
            block.resize(BLOCK.max(head.len()), 0);
        }
        block[..head.len()].copy_from_slice(head);
        let mut filled = head.len();
        let mut number = 0;
        let mut problem = None;
        loop {
            let mut last = false;
            let before = filled;
            while filled < block.len() {
                match reader.read(&mut block[filled..]) {
                    Ok(0) => {
                        last = true;
                        break;
                    }
                    Ok(count) => filled += count,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => {
                        problem = Some(error);
                        last = true;
                        break;
                    }
                }
            }
            let used = self.block(stream, &block[..filled], last, path, &mut number);
            emit(&mut self.buffer, filled - before)?;
            if last {
                break;
            }
            if used == 0 && filled == block.len() {
                // A record that is longer than the block; the framer has a limit for those.
                block.resize(block.len() * 2, 0);
            }
            block.copy_within(used..filled, 0);
            filled -= used;
        }
        self.block = block;
        Ok(problem)
    }

    /// Matches the records of one block. `number` counts events.
    fn block(
        &mut self,
        stream: &mut Stream,
        block: &[u8],
        last: bool,
        path: &str,
        number: &mut u64,
    ) -> usize {
        let Self { hunt, matcher, record, hits, buffer, .. } = self;
        stream.read(block, last, record, &mut |mut framed| {
            if framed.outcome != Outcome::Event {
                return;
            }
            *number += 1;
            let bytes = framed.bytes;
            let (record, mut whole) = framed.parts();
            matcher.matches(bytes, record, &mut whole, hits);
            if !hits.is_empty() {
                detect(hunt, hits, &whole(), path, *number, buffer);
            }
        })
    }

    /// Matches one whole block of its own.
    pub(crate) fn chunk(
        &mut self,
        stream: &mut Stream,
        bytes: &[u8],
        path: &str,
        emit: &mut dyn FnMut(&mut Buffer, usize) -> io::Result<()>,
    ) -> io::Result<()> {
        self.block(stream, bytes, true, path, &mut 0);
        emit(&mut self.buffer, bytes.len())
    }
}

/// Encodes what rules matched in an event.
fn detect(hunt: &Hunt, rules: &[u32], event: &Event, path: &str, record: u64, out: &mut Buffer) {
    let time = event.time.map(|time| time.nanos);
    let (from, to) = hunt.window;
    let outside = from.is_some_and(|from| time.is_none_or(|time| time < from))
        || to.is_some_and(|to| time.is_none_or(|time| time >= to));
    if outside {
        return;
    }
    for &rule in rules {
        match &hunt.encoder {
            Some(encoder) => {
                let oracle = hunt.rules.set.oracle(rule);
                let matched = oracle.map(|oracle| matched(oracle, event)).unwrap_or_default();
                let card = &hunt.rules.cards[rule as usize];
                let hit = Hit { rule: card, event, matched: &matched, path, record };
                encoder.detection(&hit, rule, out);
            }
            None => out.count(event.time, rule, field(event, HOST_FIELDS)),
        }
    }
}
