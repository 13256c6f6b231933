//! Windows event log files (EVTX, MS-EVEN6).
//!
//! A file is a header and chunks of 64 KiB, each of which can be read alone. Every record becomes a line of JSON in the shape that
//! evtx_dump made common (`{"Event":{"System":…,"EventData":…}}`), so that everything after is shared with
//! JSON logs. Chunks are found by their own signature: a file without a sound header, with chunks missing, or cut in the middle of one
//! gives what is left of it. What cannot be read is counted and named, never silently lost.
//!
//! Headers are not believed where the records say otherwise, since few bytes of a header would hide all records of a chunk: see
//! [`survey`].

mod chunk;
mod lines;
mod problem;
#[cfg(test)]
mod samples;
mod survey;
#[cfg(test)]
mod tests;

pub use lines::JsonLines;
pub use problem::{Doubt, Problem};

use crate::json::Json;
use crate::{Format, Framing, Head, Parser, Score, StreamInfo};
use chunk::{first, read_chunk, replace_header};
use evtx::{ParserSettings, checksum_ieee};
use sigmund_engine::AliasTable;
use std::collections::VecDeque;
use std::io::{self, Read, Seek, SeekFrom};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

const FILE_HEADER: usize = 4096;
const CHUNK: usize = 64 << 10;
const CHUNK_HEADER: usize = 512;
const FILE_MAGIC: &[u8] = b"ElfFile\0";
const CHUNK_MAGIC: &[u8] = b"ElfChnk\0";
const RECORD_MAGIC: &[u8] = b"**\0\0";

/// The flag of a file or a chunk that says that its checksums mean nothing.
const NO_CHECKSUM: u32 = 4;

/// Event log files. What [`JsonLines`] makes of one is read as JSON.
#[derive(Clone, Copy, Debug)]
pub struct Evtx;

impl Format for Evtx {
    fn name(&self) -> &'static str {
        "evtx"
    }

    fn sniff(&self, head: &Head<'_>) -> Score {
        if is_evtx(head.bytes) { Score::SURE } else { Score::NO }
    }

    fn sniff_line(&self, _: &[u8]) -> Score {
        Score::NO
    }

    fn framing(&self) -> Framing {
        Framing::Json
    }

    fn is_stateless(&self) -> bool {
        false
    }

    fn open(&self, info: &StreamInfo) -> Box<dyn Parser> {
        Json.open(info)
    }

    fn aliases(&self) -> Vec<Arc<AliasTable>> {
        Json.aliases()
    }
}

/// Whether a file that begins so is an event log, or the rest of one.
#[must_use]
pub fn is_evtx(head: &[u8]) -> bool {
    head.starts_with(FILE_MAGIC) || head.starts_with(CHUNK_MAGIC)
}

/// The records of a file as JSON texts of one line, oldest first; a problem for each record or chunk that cannot be read. One
/// chunk is in memory at a time.
pub fn records<R: Read + Seek>(source: R) -> Records<R> {
    Records {
        source,
        walk: Walk::Begin,
        ready: VecDeque::new(),
        settings: Arc::new(ParserSettings::new().indent(false).num_threads(1)),
    }
}

/// See [`records`].
#[derive(Debug)]
pub struct Records<R> {
    source: R,
    walk: Walk,
    /// Of the chunk that was read last.
    ready: VecDeque<Result<Vec<u8>, Problem>>,
    settings: Arc<ParserSettings>,
}

/// Where in the file it is.
#[derive(Clone, Copy, Debug)]
enum Walk {
    /// Nothing was read yet.
    Begin,
    /// From `at` to the end, and what comes before `oldest` then.
    Oldest {
        at: u64,
        oldest: u64,
    },
    /// What comes before `oldest`, which was overwritten last.
    Newest {
        at: u64,
        oldest: u64,
    },
    End,
}

/// What there is at a place of the file.
#[derive(Debug)]
enum Piece {
    /// A chunk, with the number of its first record.
    Chunk(Option<u64>),
    /// Something with records in it whose header is lost.
    Headless,
    /// A chunk header that is cut off.
    Cut,
    /// So many bytes, not all of them zero, that are no chunk and hold no record.
    Junk(usize),
    /// No records.
    Nothing,
    /// The end of the file.
    End,
}

impl<R: Read + Seek> Iterator for Records<R> {
    type Item = Result<Vec<u8>, Problem>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(record) = self.ready.pop_front() {
                return Some(record);
            }
            if let Walk::End = self.walk {
                return None;
            }
            if let Err(error) = self.step() {
                self.walk = Walk::End;
                return Some(Err(Problem::Input(error)));
            }
        }
    }
}

impl<R: Read + Seek> Records<R> {
    /// Reads one piece of the file.
    fn step(&mut self) -> io::Result<()> {
        let (at, before) = match self.walk {
            Walk::Begin => {
                self.file_header()?;
                let oldest = self.oldest()?;
                self.walk = Walk::Oldest { at: oldest, oldest };
                return Ok(());
            }
            Walk::Oldest { at, .. } => (at, None),
            Walk::Newest { at, oldest } => (at, Some(oldest)),
            Walk::End => return Ok(()),
        };
        if before.is_some_and(|oldest| at >= oldest) {
            self.walk = Walk::End;
            return Ok(());
        }
        let (piece, next) = self.piece(at)?;
        match piece {
            Piece::Chunk(_) => self.chunk(at)?,
            Piece::Headless => {
                self.damage(format!("offset {at}: a chunk without a header, read without it"));
                self.chunk(at)?;
            }
            Piece::Cut => self.damage(format!("offset {at}: the file ends within a chunk header")),
            Piece::Junk(length) => {
                self.damage(format!("offset {at}: {length} bytes that are no chunk"));
            }
            Piece::Nothing | Piece::End => {}
        }
        self.walk = match (self.walk, piece) {
            (Walk::Oldest { oldest, .. }, Piece::End) => {
                Walk::Newest { at: self.first_place()?, oldest }
            }
            (Walk::Oldest { oldest, .. }, _) => Walk::Oldest { at: next, oldest },
            (Walk::Newest { .. }, Piece::End) => Walk::End,
            (Walk::Newest { oldest, .. }, _) => Walk::Newest { at: next, oldest },
            (walk, _) => walk,
        };
        Ok(())
    }

    fn damage(&mut self, text: String) {
        self.ready.push_back(Err(Problem::Damage(text)));
    }

    /// As many bytes as there are at a place, at most `length`.
    fn bytes(&mut self, at: u64, length: usize) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::with_capacity(length);
        self.source.seek(SeekFrom::Start(at))?;
        self.source.by_ref().take(length as u64).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Looks whether the header of the file is sound. Nothing in it is needed to read what follows.
    fn file_header(&mut self) -> io::Result<()> {
        let header = self.bytes(0, FILE_HEADER)?;
        if !header.starts_with(FILE_MAGIC) {
            return Ok(());
        }
        if header.len() < FILE_HEADER {
            self.damage("the file ends within its header".to_owned());
        }
        let number = |at: usize| {
            let bytes = header.get(at..at + 4)?;
            Some(u32::from_le_bytes(bytes.try_into().ok()?))
        };
        let (Some(flags), Some(checksum)) = (number(120), number(124)) else { return Ok(()) };
        if flags & NO_CHECKSUM != 0 {
            return Ok(());
        }
        if checksum != checksum_ieee(&header[..120]) {
            self.damage("the checksum of the file's header is wrong".to_owned());
            return Ok(());
        }
        let told = u64::from(u16::from_le_bytes([header[42], header[43]]));
        let (mut at, mut found) = (self.first_place()?, 0);
        loop {
            let (piece, next) = self.piece(at)?;
            match piece {
                Piece::End => break,
                Piece::Chunk(_) | Piece::Headless | Piece::Cut => found += 1,
                Piece::Junk(_) | Piece::Nothing => {}
            }
            at = next;
        }
        if found < told {
            self.damage(format!(
                "its header tells of more chunks ({told}) than there are ({found})"
            ));
        }
        Ok(())
    }

    /// Where the first chunk may be.
    fn first_place(&mut self) -> io::Result<u64> {
        let has_header = self.bytes(0, FILE_MAGIC.len())? == FILE_MAGIC;
        Ok(if has_header { FILE_HEADER as u64 } else { 0 })
    }

    /// What there is at a place, and where the next piece is.
    fn piece(&mut self, at: u64) -> io::Result<(Piece, u64)> {
        let header = self.bytes(at, CHUNK_HEADER)?;
        if header.is_empty() {
            return Ok((Piece::End, at));
        }
        if header.starts_with(CHUNK_MAGIC) {
            let piece =
                if header.len() < CHUNK_HEADER { Piece::Cut } else { Piece::Chunk(first(&header)) };
            return Ok((piece, at + CHUNK as u64));
        }
        let block = self.bytes(at, CHUNK)?;
        // The next chunk may begin anywhere if bytes were lost.
        let next = memchr::memmem::find(&block, CHUNK_MAGIC).unwrap_or(block.len());
        // Files grow in advance by chunks without records, not all of them wiped.
        let has_records = next > CHUNK_HEADER
            && memchr::memmem::find(&block[CHUNK_HEADER..next], RECORD_MAGIC).is_some();
        let piece = if has_records {
            Piece::Headless
        } else if block[..next].iter().any(|byte| *byte != 0) {
            Piece::Junk(next)
        } else {
            Piece::Nothing
        };
        Ok((piece, at + next as u64))
    }

    /// Where the chunk with the oldest records begins: Windows overwrites the oldest when a log is full, so it may be anywhere.
    fn oldest(&mut self) -> io::Result<u64> {
        let start = self.first_place()?;
        let (mut at, mut first_chunk, mut oldest) = (start, None, None);
        loop {
            let (piece, next) = self.piece(at)?;
            match piece {
                Piece::Chunk(Some(number)) => {
                    first_chunk.get_or_insert(at);
                    if oldest.is_none_or(|(least, _)| number < least) {
                        oldest = Some((number, at));
                    }
                }
                Piece::End => break,
                _ => {}
            }
            at = next;
        }
        // What has lost its number stays in its place: before the first that has one.
        Ok(oldest.map_or(start, |(_, at)| if Some(at) == first_chunk { start } else { at }))
    }

    /// Reads the records of a chunk.
    fn chunk(&mut self, at: u64) -> io::Result<()> {
        let number = at.saturating_sub(FILE_HEADER as u64) / CHUNK as u64;
        let mut chunk = self.bytes(at, CHUNK)?;
        let missing = CHUNK - chunk.len();
        chunk.resize(CHUNK, 0);
        let headless = !chunk.starts_with(CHUNK_MAGIC);
        if headless {
            replace_header(&mut chunk);
        }
        let is_whole = missing == 0 && !headless;
        let settings = Arc::clone(&self.settings);
        let ready = &mut self.ready;
        // The reader is written not to panic; a file that makes it do so is a damaged chunk, not the end.
        let read = catch_unwind(AssertUnwindSafe(|| {
            read_chunk(chunk, number, is_whole, settings, ready);
        }));
        if read.is_err() {
            self.damage(format!("chunk {number}: the reader failed"));
        }
        if missing > 0 {
            self.damage(format!(
                "chunk {number}: the file ends {missing} bytes before the chunk does"
            ));
        }
        Ok(())
    }
}
