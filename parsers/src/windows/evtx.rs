//! Windows event log files (EVTX, MS-EVEN6).
//!
//! A file is a header and chunks of 64 KiB, each of which can be read alone. Every record becomes a line of JSON in the shape that
//! evtx_dump made common (`{"Event":{"System":…,"EventData":…}}`), so that everything after is shared with
//! JSON logs. Chunks are found by their own signature: a file without a sound header, with chunks missing, or cut in the middle of one
//! gives what is left of it. What cannot be read is counted and named, never silently lost.
//!
//! Headers are not believed where the records say otherwise, since few bytes of a header would hide all records of a chunk: see
//! [`survey`].

use crate::json::Json;
use crate::json::check::is_json;
use crate::{Format, Framing, Head, Parser, Score, StreamInfo};
use evtx::{ChunkFlags, EvtxChunkData, EvtxChunkHeader, ParserSettings, checksum_ieee};
use sigmund_engine::AliasTable;
use std::collections::{BTreeMap, VecDeque};
use std::error::Error;
use std::fmt;
use std::io::{self, Read, Seek, SeekFrom};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

const FILE_HEADER: usize = 4096;
const CHUNK: usize = 64 << 10;
const CHUNK_HEADER: usize = 512;
const FILE_MAGIC: &[u8] = b"ElfFile\0";
const CHUNK_MAGIC: &[u8] = b"ElfChnk\0";
const RECORD_MAGIC: &[u8] = b"**\0\0";

/// What every record begins with, behind its header: a fragment of binary XML.
const FRAGMENT: &[u8] = &[0x0f, 1, 1, 0];

/// A record without content: its header and the copy of its size.
const SMALLEST_RECORD: usize = 28;

/// The flag of a file or a chunk that says that its checksums mean nothing.
const NO_CHECKSUM: u32 = 4;

/// Records written out from one chunk at most: templates can repeat a text many times over.
const CHUNK_OUTPUT: usize = 64 << 20;

/// So many problems are told in words; all are counted. With the doubts they are fewer than the warnings that are told of one log.
const TOLD: usize = 12;

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

/// What is not a record.
#[derive(Debug)]
pub enum Problem {
    /// A record or a chunk that cannot be read, or that was hidden, in words.
    Damage(String),
    /// The chunk with this number is read, but something about it is odd.
    Doubt(Doubt, u64),
    /// The file could not be read; nothing more comes.
    Input(io::Error),
}

/// What many chunks of one file may have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Doubt {
    /// The header is not the one that its checksum is of.
    Header,
    /// The records are not those that the checksum is of.
    Records,
    /// The chunk says that it has no checksums.
    Unchecked,
}

impl Doubt {
    /// Told of all chunks of a file at once.
    fn told(self, chunks: u64, first: u64) -> String {
        let chunks = match chunks {
            1 => format!("chunk {first}"),
            _ => format!("{chunks} chunks (the first is chunk {first})"),
        };
        let changed = "changed since it was written, or copied while it was in use";
        match self {
            Self::Header => format!("{chunks}: the checksum of the header is wrong; {changed}"),
            Self::Records => format!("{chunks}: the checksum of the records is wrong; {changed}"),
            Self::Unchecked => format!("{chunks}: without checksums: changes cannot be noticed"),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Damage(text) => f.write_str(text),
            Self::Doubt(doubt, chunk) => f.write_str(&doubt.told(1, *chunk)),
            Self::Input(error) => error.fmt(f),
        }
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

/// The number of the first record, by the header of a chunk.
fn first(header: &[u8]) -> Option<u64> {
    let number = |at: usize| {
        let bytes = header.get(at..at + 8)?;
        Some(u64::from_le_bytes(bytes.try_into().ok()?))
    };
    let (first, last) = (number(24)?, number(32)?);
    (first <= last).then_some(first)
}

/// A header that lets all of the chunk be searched for records. What it would say of texts and templates, records say too.
fn replace_header(chunk: &mut [u8]) {
    chunk[..CHUNK_HEADER].fill(0);
    chunk[..8].copy_from_slice(CHUNK_MAGIC);
    // The last record by number and by identifier: any.
    chunk[16..24].fill(0xff);
    chunk[32..40].fill(0xff);
    let sizes = [128, CHUNK as u32, CHUNK as u32];
    for (size, at) in sizes.into_iter().zip([40, 44, 48]) {
        chunk[at..at + 4].copy_from_slice(&size.to_le_bytes());
    }
}

/// The number at a place of a chunk.
fn number<const N: usize>(chunk: &[u8], at: usize) -> Option<[u8; N]> {
    chunk.get(at..at + N)?.try_into().ok()
}

/// The size of the record that begins at a place and ends before another, if there is one.
fn record_size(chunk: &[u8], at: usize, end: usize) -> Option<usize> {
    let size = u32::from_le_bytes(number(chunk, at + 4)?) as usize;
    let is_sound = chunk.get(at..at + 4) == Some(RECORD_MAGIC)
        && size >= SMALLEST_RECORD
        && at + size <= end.min(chunk.len());
    is_sound.then_some(size)
}

/// Whether the copy of a record's size, which it ends with, is right, and it begins as a record does: what was searched for in any
/// bytes has to look more like a record than what is in its place.
fn is_complete(chunk: &[u8], at: usize, size: usize) -> bool {
    let copy = number(chunk, at + size - 4).map(u32::from_le_bytes);
    copy == u32::try_from(size).ok() && has_fragment(chunk, at)
}

fn has_fragment(chunk: &[u8], at: usize) -> bool {
    chunk.get(at + 24..at + 28) == Some(FRAGMENT)
}

fn record_number(chunk: &[u8], at: usize) -> u64 {
    number(chunk, at + 8).map_or(0, u64::from_le_bytes)
}

/// The first complete record in a part of a chunk.
fn find_record(chunk: &[u8], from: usize, end: usize) -> Option<usize> {
    let end = end.min(chunk.len());
    let part = chunk.get(from..end)?;
    let mut signatures = memchr::memmem::find_iter(part, RECORD_MAGIC).map(|found| from + found);
    signatures
        .find(|&at| record_size(chunk, at, end).is_some_and(|size| is_complete(chunk, at, size)))
}

/// A record within the record from `at` to `end`. The copy of its size may have become that of the record that covers it.
fn find_hidden(chunk: &[u8], at: usize, end: usize) -> Option<usize> {
    let from = at + SMALLEST_RECORD;
    let part = chunk.get(from..end)?;
    let mut signatures = memchr::memmem::find_iter(part, RECORD_MAGIC).map(|found| from + found);
    signatures.find(|&at| {
        record_size(chunk, at, end).is_some_and(|size| {
            has_fragment(chunk, at) && (at + size == end || is_complete(chunk, at, size))
        })
    })
}

/// What the records of a chunk say of it.
#[derive(Debug, Default)]
struct Survey {
    /// What was hidden, or is missing, in words.
    found: Vec<String>,
}

/// Walks along the records of a chunk and corrects what hides some of them: the header's word on where they end, and sizes that
/// cover the records after. Records behind the end belong to the chunk if they go on with its numbers without a gap; exports leave others there, which
/// are of no log any more.
fn survey(chunk: &mut [u8], header: &mut EvtxChunkHeader) -> Survey {
    let mut survey = Survey::default();
    let free = (header.free_space_offset as usize).clamp(CHUNK_HEADER, chunk.len());
    let (first, last) = (header.first_event_record_id, header.last_event_record_id);
    let is_range = first > 0 && first <= last;
    let mut previous = is_range.then(|| first - 1);
    let mut beyond: Option<(u64, u64)> = None;
    let (mut at, mut last_at) = (CHUNK_HEADER, CHUNK_HEADER);
    loop {
        let Some(mut size) = record_size(chunk, at, chunk.len()) else {
            // The reader names what is damaged here, and goes on there too.
            match find_record(chunk, at + 1, free) {
                Some(next) => at = next,
                None => break,
            }
            continue;
        };
        let id = record_number(chunk, at);
        let is_beyond = at >= free || is_range && previous.is_some_and(|before| before >= last);
        let goes_on = at == CHUNK_HEADER || previous.and_then(|it| it.checked_add(1)) == Some(id);
        if is_beyond {
            if !goes_on {
                break;
            }
            beyond = Some((beyond.map_or(id, |(from, _)| from), id));
        }
        if let Some(hidden) = find_hidden(chunk, at, at + size) {
            let inner = record_number(chunk, hidden);
            survey.found.push(format!("record {inner} was hidden within record {id}; it is read"));
            size = hidden - at;
            let bytes = (size as u32).to_le_bytes();
            chunk[at + 4..at + 8].copy_from_slice(&bytes);
            chunk[hidden - 4..hidden].copy_from_slice(&bytes);
        }
        survey.missing(previous, id);
        previous = previous.max(Some(id));
        last_at = at;
        at += size;
    }
    if let Some((from, to)) = beyond {
        let records = if from == to {
            format!("record {from} is")
        } else {
            format!("records {from} to {to} are")
        };
        survey.found.push(format!("{records} behind the end that its header tells; read as well"));
    }
    if is_range && let Some(after) = last.checked_add(1) {
        survey.missing(previous, after);
    }
    // What is damaged before the end that the header tells is still looked at.
    let end = if beyond.is_some() { at } else { at.max(free) };
    let end = if is_range && previous.is_some_and(|it| it >= last) { at } else { end };
    header.free_space_offset = end as u32;
    header.last_event_record_data_offset = last_at as u32;
    // The end is known by its place: numbers may come twice.
    header.last_event_record_id = u64::MAX;
    survey
}

impl Survey {
    /// Names the records between two numbers.
    fn missing(&mut self, previous: Option<u64>, id: u64) {
        let Some(from) = previous.and_then(|previous| previous.checked_add(1)) else { return };
        if from + 1 == id {
            self.found.push(format!("record {from} is missing"));
        } else if from < id {
            self.found.push(format!("records {from} to {} are missing", id - 1));
        }
    }
}

/// `is_whole`: neither cut off nor without a header.
fn read_chunk(
    chunk: Vec<u8>,
    number: u64,
    is_whole: bool,
    settings: Arc<ParserSettings>,
    ready: &mut VecDeque<Result<Vec<u8>, Problem>>,
) {
    let damage = |text: &dyn fmt::Display| Err(Problem::Damage(format!("chunk {number}: {text}")));
    let mut data = match EvtxChunkData::new(chunk, false) {
        Ok(data) => data,
        Err(error) => return ready.push_back(damage(&causes(&error))),
    };
    if is_whole {
        let mut doubt = |doubt| ready.push_back(Err(Problem::Doubt(doubt, number)));
        if data.header.flags.contains(ChunkFlags::NO_CRC32) {
            doubt(Doubt::Unchecked);
        }
        if !data.validate_header_checksum() {
            doubt(Doubt::Header);
        }
        if !data.validate_data_checksum() {
            doubt(Doubt::Records);
        }
        let survey = survey(&mut data.data, &mut data.header);
        ready.extend(survey.found.iter().map(|text| damage(text)));
    }
    let failed = data.parse(Arc::clone(&settings)).err().map(|error| causes(&error));
    if let Some(cause) = failed {
        // The header's tables of texts and templates are damaged; records can do without.
        let end = data.header.free_space_offset;
        replace_header(&mut data.data);
        data = match EvtxChunkData::new(std::mem::take(&mut data.data), false) {
            Ok(data) => data,
            Err(error) => return ready.push_back(damage(&causes(&error))),
        };
        data.header.free_space_offset = end;
        ready.push_back(damage(&format_args!("{cause}; read without its header")));
    }
    let mut chunk = match data.parse(settings) {
        Ok(chunk) => chunk,
        Err(error) => return ready.push_back(damage(&causes(&error))),
    };
    let mut written = 0;
    for record in chunk.iter() {
        match record.and_then(evtx::EvtxRecord::into_json_bytes) {
            Ok(record) => {
                let json = without_controls(record.data);
                written += json.len();
                ready.push_back(if is_json(&json) {
                    Ok(json)
                } else {
                    let number = record.event_record_id;
                    damage(&format_args!("record {number}: its names are damaged"))
                });
            }
            Err(error) => ready.push_back(damage(&causes(&error))),
        }
        if written > CHUNK_OUTPUT {
            let limit = CHUNK_OUTPUT >> 20;
            return ready
                .push_back(damage(&format_args!("its records are longer than {limit} MiB")));
        }
    }
}

/// Names of elements and attributes are written as they are; in damaged records they hold anything.
fn without_controls(json: Vec<u8>) -> Vec<u8> {
    // All are looked at, which is faster than to stop at the first.
    if json.iter().fold(true, |clean, &byte| clean & (byte >= b' ')) {
        return json;
    }
    let mut clean = Vec::with_capacity(json.len() + 64);
    for byte in json {
        if byte < b' ' {
            clean.extend_from_slice(format!("\\u{byte:04x}").as_bytes());
        } else {
            clean.push(byte);
        }
    }
    clean
}

/// An error with what caused it, on one line.
fn causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text.push_str(": ");
            text.push_str(&inner_text);
        }
        cause = inner.source();
    }
    text.replace(['\n', '\r'], " ")
}

/// The records of a file as lines of JSON: reads like any other log.
#[derive(Debug)]
pub struct JsonLines<R> {
    records: Records<R>,
    line: Vec<u8>,
    position: usize,
    bad: u64,
    told: Vec<String>,
    /// The chunks that a doubt is about: how many, and the first.
    doubts: BTreeMap<Doubt, (u64, u64)>,
    good: u64,
}

impl<R: Read + Seek> JsonLines<R> {
    /// Of a whole file, whatever place it stands at.
    #[must_use]
    pub fn new(file: R) -> Self {
        Self {
            records: records(file),
            line: Vec::new(),
            position: 0,
            bad: 0,
            told: Vec::new(),
            doubts: BTreeMap::new(),
            good: 0,
        }
    }

    /// How many records and chunks could not be read, or were hidden, so far.
    #[must_use]
    pub fn bad(&self) -> u64 {
        self.bad
    }

    /// The first of them, in words.
    #[must_use]
    pub fn problems(&self) -> &[String] {
        &self.told
    }

    /// What is odd about chunks that are read, in words, one text for all chunks.
    pub fn doubts(&self) -> impl Iterator<Item = String> {
        self.doubts.iter().map(|(doubt, (chunks, first))| doubt.told(*chunks, *first))
    }

    /// How many records were read so far.
    #[must_use]
    pub fn good(&self) -> u64 {
        self.good
    }
}

impl<R: Read + Seek> Read for JsonLines<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.position == self.line.len() {
            match self.records.next() {
                Some(Ok(line)) => {
                    self.line = line;
                    // JSON has no line breaks within texts, and none is written between them.
                    self.line.push(b'\n');
                    self.position = 0;
                    self.good += 1;
                }
                Some(Err(Problem::Doubt(doubt, chunk))) => {
                    self.doubts.entry(doubt).or_insert((0, chunk)).0 += 1;
                }
                Some(Err(Problem::Damage(problem))) => {
                    self.bad += 1;
                    if self.told.len() < TOLD {
                        self.told.push(problem);
                    }
                }
                Some(Err(Problem::Input(error))) => return Err(error),
                None => return Ok(0),
            }
        }
        let rest = &self.line[self.position..];
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        self.position += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::read;
    use crate::samples::{Sample, samples, shared};
    use sigmund_engine::{Object, Value};
    use std::io::Cursor;

    /// The records of a file in memory.
    fn records(bytes: Vec<u8>) -> Records<Cursor<Vec<u8>>> {
        super::records(Cursor::new(bytes))
    }

    fn files() -> impl Iterator<Item = Sample> {
        samples("evtx").into_iter().filter(|sample| sample.name.ends_with(".evtx"))
    }

    #[test]
    fn every_record_of_the_samples_is_one_json_object() {
        let (mut good, mut bad) = (0, Vec::new());
        for sample in files() {
            for record in records(sample.bytes) {
                match record {
                    Ok(json) => {
                        let object = read::object(&json);
                        assert!(object.is_ok_and(|object| object.get("Event").is_some()));
                        assert!(!json.contains(&b'\n'), "{}", sample.name);
                        good += 1;
                    }
                    Err(problem) => bad.push(format!("{}: {problem}", sample.name)),
                }
            }
        }
        assert!(good == 0 || good > 5_000, "{good} records");
        // Some of the samples are damaged.
        assert!(bad.len() < 200, "{}", bad.join("\n"));
    }

    #[test]
    fn a_cut_file_gives_the_records_before_the_cut() {
        let Some(sample) = files().find(|sample| sample.bytes.len() == FILE_HEADER + CHUNK) else {
            return;
        };
        let whole = records(sample.bytes.clone()).filter(Result::is_ok).count();
        let cut = FILE_HEADER + CHUNK / 4;
        let results: Vec<_> = records(sample.bytes[..cut].to_vec()).collect();
        let good = results.iter().filter(|record| record.is_ok()).count();
        assert!(good > 0 && good <= whole, "{good} of {whole}");
        assert!(results.iter().any(Result::is_err));
        let headless: Vec<_> = records(sample.bytes[FILE_HEADER..].to_vec()).collect();
        assert_eq!(headless.iter().filter(|record| record.is_ok()).count(), whole);
        let mut wiped = sample.bytes;
        wiped[FILE_HEADER..FILE_HEADER + CHUNK_HEADER].fill(0);
        let wiped: Vec<_> = records(wiped).collect();
        assert!(wiped.iter().filter(|record| record.is_ok()).count() >= whole);
        assert!(wiped.iter().any(Result::is_err));
    }

    #[test]
    fn damage_never_stops_it() {
        let Some(sample) = files().find(|sample| sample.bytes.len() == FILE_HEADER + CHUNK) else {
            return;
        };
        for step in [7, 61, 331, 1009] {
            let mut bytes = sample.bytes.clone();
            for at in (FILE_HEADER + 600..bytes.len()).step_by(step * 13) {
                bytes[at] ^= 0x5a;
            }
            let _ = records(bytes).count();
        }
        assert_eq!(records(Vec::new()).count(), 0);
        assert_eq!(records(b"ElfFile\0".to_vec()).count(), 1);
        assert_eq!(records(b"ElfChnk\0 and then nothing".to_vec()).count(), 1);
    }

    /// A file of one chunk that holds records with these numbers and contents.
    fn log(records: &[(u64, Vec<u8>)]) -> Vec<u8> {
        let mut bytes = vec![0; FILE_HEADER + CHUNK];
        bytes[..8].copy_from_slice(FILE_MAGIC);
        bytes[42] = 1;
        let chunk = &mut bytes[FILE_HEADER..];
        chunk[..8].copy_from_slice(CHUNK_MAGIC);
        let mut at = CHUNK_HEADER;
        for (id, content) in records {
            let size = content.len() + SMALLEST_RECORD;
            chunk[at..at + 4].copy_from_slice(RECORD_MAGIC);
            chunk[at + 4..at + 8].copy_from_slice(&(size as u32).to_le_bytes());
            chunk[at + 8..at + 16].copy_from_slice(&id.to_le_bytes());
            chunk[at + 24..at + 24 + content.len()].copy_from_slice(content);
            chunk[at + size - 4..at + size].copy_from_slice(&(size as u32).to_le_bytes());
            at += size;
        }
        let (first, last) =
            (records.first().map_or(0, |it| it.0), records.last().map_or(0, |it| it.0));
        header(chunk, first, last, at);
        seal(&mut bytes);
        bytes
    }

    /// Says in a chunk's header which records it has and where they end.
    fn header(chunk: &mut [u8], first: u64, last: u64, end: usize) {
        for (at, number) in [(8, first), (16, last), (24, first), (32, last)] {
            chunk[at..at + 8].copy_from_slice(&number.to_le_bytes());
        }
        for (at, value) in [(40, 128), (44, end as u32), (48, end as u32)] {
            chunk[at..at + 4].copy_from_slice(&u32::to_le_bytes(value));
        }
    }

    /// Makes the checksums right.
    fn seal(bytes: &mut [u8]) {
        let (file, chunks) = bytes.split_at_mut(FILE_HEADER);
        let checksum = checksum_ieee(&file[..120]);
        file[124..128].copy_from_slice(&checksum.to_le_bytes());
        for chunk in chunks.chunks_mut(CHUNK).filter(|chunk| chunk.starts_with(CHUNK_MAGIC)) {
            let end = number(chunk, 48).map_or(0, u32::from_le_bytes) as usize;
            let checksum = checksum_ieee(&chunk[CHUNK_HEADER..end]);
            chunk[52..56].copy_from_slice(&checksum.to_le_bytes());
            let checksum = checksum_ieee(&[&chunk[..120], &chunk[128..CHUNK_HEADER]].concat());
            chunk[124..128].copy_from_slice(&checksum.to_le_bytes());
        }
    }

    /// A file of one chunk that holds one record with this content.
    fn file(content: &[u8]) -> Vec<u8> {
        log(&[(1, content.to_vec())])
    }

    /// An open element with this name and nothing in it, of the first record of a chunk.
    fn element(name: &str) -> Vec<u8> {
        element_at(name, CHUNK_HEADER)
    }

    /// The same, of a record that begins elsewhere in its chunk.
    fn element_at(name: &str, at: usize) -> Vec<u8> {
        let name: Vec<u16> = name.encode_utf16().collect();
        let mut content = vec![0x0f, 1, 1, 0, 0x01, 0, 0, 0, 0];
        // The name stands right behind the place that says where it is.
        content.extend_from_slice(&(at as u32 + 24 + 13).to_le_bytes());
        content.extend_from_slice(&[0; 6]);
        content.extend_from_slice(&(name.len() as u16).to_le_bytes());
        content.extend(name.into_iter().flat_map(u16::to_le_bytes));
        content.extend_from_slice(&[0, 0, 0x03, 0]);
        content
    }

    /// The size of a record of which the name has one letter.
    const SIZE: usize = 27 + SMALLEST_RECORD;

    /// A log with these records, each named by a letter from `a` on.
    fn letters(numbers: &[u64]) -> Vec<u8> {
        let record = |(index, number): (usize, &u64)| {
            let name = char::from(b'a' + index as u8).to_string();
            (*number, element_at(&name, CHUNK_HEADER + index * SIZE))
        };
        log(&numbers.iter().enumerate().map(record).collect::<Vec<_>>())
    }

    /// The names of what is read, and the problems.
    fn told(bytes: Vec<u8>) -> (String, Vec<String>) {
        let (mut names, mut problems) = (String::new(), Vec::new());
        for record in records(bytes) {
            match record {
                Ok(json) => names.push_str(&String::from_utf8_lossy(&json[2..3])),
                Err(problem) => problems.push(problem.to_string()),
            }
        }
        (names, problems)
    }

    /// What is told of a log with four records that was changed so; the checksums are right again.
    fn tampered(change: impl Fn(&mut [u8])) -> (String, Vec<String>) {
        let mut bytes = letters(&[5, 6, 7, 8]);
        change(&mut bytes[FILE_HEADER..]);
        seal(&mut bytes);
        told(bytes)
    }

    fn expected(names: &str, problems: &[&str]) -> (String, Vec<String>) {
        (names.to_owned(), problems.iter().map(|problem| (*problem).to_owned()).collect())
    }

    #[test]
    fn records_that_a_header_hides_are_read() {
        let place = |index: usize| CHUNK_HEADER + index * SIZE;
        assert_eq!(tampered(|_| {}), expected("abcd", &[]));
        let words = "are behind the end that its header tells; read as well";
        let all = format!("chunk 0: records 5 to 8 {words}");
        let most = format!("chunk 0: records 6 to 8 {words}");
        // Where the records end, and which is the last.
        assert_eq!(tampered(|chunk| header(chunk, 5, 8, CHUNK_HEADER)), expected("abcd", &[&all]));
        assert_eq!(tampered(|chunk| header(chunk, 5, 5, place(4))), expected("abcd", &[&most]));
        assert_eq!(tampered(|chunk| header(chunk, 5, 5, place(1))), expected("abcd", &[&most]));
        // A record that covers the next, as tools do it that delete records.
        let covers = |chunk: &mut [u8]| {
            let size = (2 * SIZE as u32).to_le_bytes();
            chunk[place(1) + 4..place(1) + 8].copy_from_slice(&size);
            chunk[place(3) - 4..place(3)].copy_from_slice(&size);
        };
        let hidden = ["chunk 0: record 7 was hidden within record 6; it is read"];
        assert_eq!(tampered(covers), expected("abcd", &hidden));
        // Windows leaves records of others behind the last when it exports some: they do not go on.
        let mut export = letters(&[5, 6, 2, 3]);
        header(&mut export[FILE_HEADER..], 5, 6, place(2));
        seal(&mut export);
        assert_eq!(told(export), expected("ab", &[]));
    }

    #[test]
    fn missing_records_are_named() {
        let place = |index: usize| CHUNK_HEADER + index * SIZE;
        assert_eq!(
            told(letters(&[5, 6, 8, 12])),
            expected(
                "abcd",
                &["chunk 0: record 7 is missing", "chunk 0: records 9 to 11 are missing"]
            )
        );
        let (names, problems) = tampered(|chunk| chunk[place(1)..place(1) + 4].fill(0));
        assert_eq!(names, "acd");
        assert!(problems.contains(&"chunk 0: record 6 is missing".to_owned()), "{problems:?}");
        let (names, problems) = tampered(|chunk| chunk[place(3)..].fill(0));
        assert_eq!((names, problems), expected("abc", &["chunk 0: record 8 is missing"]));
    }

    #[test]
    fn changed_bytes_are_noticed() {
        let flipped = |at: usize| {
            let mut bytes = letters(&[5, 6]);
            bytes[at] ^= 0x20;
            told(bytes)
        };
        let changed = "changed since it was written, or copied while it was in use";
        let records = format!("chunk 0: the checksum of the records is wrong; {changed}");
        let header = format!("chunk 0: the checksum of the header is wrong; {changed}");
        // The time of a record, a number of the chunk's header, one of the file's.
        assert_eq!(flipped(FILE_HEADER + CHUNK_HEADER + 17), expected("ab", &[&records]));
        assert_eq!(flipped(FILE_HEADER + 9), expected("ab", &[&header]));
        assert_eq!(flipped(9), expected("ab", &["the checksum of the file's header is wrong"]));
        let unchecked = tampered(|chunk| chunk[120] |= 4).1;
        assert!(unchecked[0].contains("without checksums"), "{unchecked:?}");
    }

    #[test]
    fn what_is_no_chunk_is_named() {
        let mut bytes = letters(&[5, 6]);
        bytes[FILE_HEADER..].fill(b'A');
        let problems = [
            "its header tells of more chunks (1) than there are (0)",
            "offset 4096: 65536 bytes that are no chunk",
        ];
        assert_eq!(told(bytes), expected("", &problems));
        let bytes = letters(&[5, 6])[..FILE_HEADER].to_vec();
        assert_eq!(told(bytes), expected("", &problems[..1]));
        assert!(!told([FILE_MAGIC, b"junk"].concat()).1.is_empty());
        // Files grow in advance.
        let mut grown = letters(&[5, 6]);
        grown.resize(FILE_HEADER + 3 * CHUNK, 0);
        assert_eq!(told(grown), expected("ab", &[]));
    }

    #[test]
    fn doubts_are_told_once_for_all_chunks() {
        let mut bytes = letters(&[5, 6]);
        bytes[FILE_HEADER + CHUNK_HEADER + 17] ^= 1;
        let chunk = bytes[FILE_HEADER..].to_vec();
        bytes.extend(chunk);
        let mut lines = JsonLines::new(Cursor::new(bytes));
        io::copy(&mut lines, &mut io::sink()).expect("memory");
        assert_eq!((lines.good(), lines.bad()), (4, 0));
        let doubts: Vec<String> = lines.doubts().collect();
        assert_eq!(doubts.len(), 1, "{doubts:?}");
        assert!(doubts[0].starts_with("2 chunks (the first is chunk 0)"), "{doubts:?}");
    }

    #[test]
    fn damaged_names_give_json_or_a_named_problem() {
        let read = |name: &str| -> Vec<String> {
            let text = |record: Result<Vec<u8>, Problem>| match record {
                Ok(json) => String::from_utf8(json).expect("UTF-8"),
                Err(problem) => problem.to_string(),
            };
            records(file(&element(name))).map(text).collect()
        };
        assert_eq!(read("Event"), [r#"{"Event":null}"#]);
        assert_eq!(read("Ev\u{1}ent\n"), [r#"{"Ev\u0001ent\u000a":null}"#]);
        assert_eq!(read("Ev\"ent"), ["chunk 0: record 1: its names are damaged"]);
        assert_eq!(read("Event\\"), ["chunk 0: record 1: its names are damaged"]);
    }

    #[test]
    fn the_oldest_chunk_comes_first_wherever_it_is() {
        // (number of the first record, or none where the header is lost; name of the element)
        let read = |chunks: &[(Option<u64>, &str)]| -> Vec<String> {
            let mut bytes = file(&[])[..FILE_HEADER].to_vec();
            for (number, name) in chunks {
                let mut chunk = file(&element(name))[FILE_HEADER..].to_vec();
                match number {
                    Some(number) => {
                        for at in [24, 32] {
                            chunk[at..at + 8].copy_from_slice(&number.to_le_bytes());
                        }
                    }
                    None => chunk[..CHUNK_HEADER].fill(0),
                }
                bytes.extend(chunk);
            }
            let records = records(bytes).filter_map(Result::ok);
            records.map(|json| String::from_utf8_lossy(&json[2..3]).into_owned()).collect()
        };
        let some = |number, name| (Some(number), name);
        assert_eq!(read(&[some(1, "a"), some(5, "b"), some(9, "c")]), ["a", "b", "c"]);
        assert_eq!(
            read(&[some(7, "a"), some(9, "b"), some(3, "c"), some(5, "d")]),
            ["c", "d", "a", "b"]
        );
        assert_eq!(read(&[(None, "a"), some(5, "b"), some(9, "c")]), ["a", "b", "c"]);
        assert_eq!(read(&[some(5, "a"), (None, "b"), some(9, "c")]), ["a", "b", "c"]);
        assert_eq!(read(&[some(5, "a"), (None, "b"), some(3, "c")]), ["c", "a", "b"]);
        // The same file without its header.
        let whole = file(&element("a"));
        assert_eq!(records(whole[FILE_HEADER..].to_vec()).filter(Result::is_ok).count(), 1);
    }

    #[test]
    fn a_file_that_cannot_be_read_says_so_and_ends() {
        struct Failing(Cursor<Vec<u8>>);
        impl Read for Failing {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                match self.0.position() >= (FILE_HEADER + CHUNK_HEADER) as u64 {
                    true => Err(io::Error::other("disk")),
                    false => {
                        let length = buffer.len().min(8);
                        self.0.read(&mut buffer[..length])
                    }
                }
            }
        }
        impl Seek for Failing {
            fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
                self.0.seek(to)
            }
        }
        let all: Vec<_> = super::records(Failing(Cursor::new(file(&element("a"))))).collect();
        assert!(matches!(&all[..], [Err(Problem::Input(_))]), "{all:?}");
    }

    #[test]
    fn lines_are_records() {
        let Some(sample) = files().next() else { return };
        let expected = records(sample.bytes.clone()).filter(Result::is_ok).count();
        let mut lines = JsonLines::new(Cursor::new(sample.bytes));
        let mut text = Vec::new();
        lines.read_to_end(&mut text).expect("memory can be read");
        assert_eq!(text.iter().filter(|byte| **byte == b'\n').count(), expected);
        assert_eq!(lines.bad(), 0);
    }

    /// Texts without what the writer of those JSON files did otherwise: blanks at the end, GUIDs (Windows has braces and
    /// small letters), the seventh digit of times.
    fn trimmed(value: &Value) -> Value {
        match value {
            Value::Text(text) => {
                let text = text.trim_end();
                let bare = text.trim_start_matches('{').trim_end_matches('}');
                let is_guid =
                    bare.len() == 36 && bare.bytes().filter(|byte| *byte == b'-').count() == 4;
                let is_time = text.ends_with('Z') && text.contains('T') && text.contains('.');
                match (is_guid, is_time) {
                    (true, _) => Value::text(bare.to_ascii_uppercase()),
                    (_, true) => Value::text(text.get(..26).unwrap_or(text)),
                    _ => Value::text(text),
                }
            }
            Value::Array(elements) => Value::Array(elements.iter().map(trimmed).collect()),
            Value::Object(object) => {
                let members = object.0.iter().map(|(name, value)| (name.clone(), trimmed(value)));
                Value::Object(Object(members.collect()))
            }
            other => other.clone(),
        }
    }

    #[test]
    fn regression_cases_say_the_same_in_both_encodings() {
        let Some(shared) = shared() else { return };
        let root = shared.join("corpus/sigmahq/regression_data");
        let (mut files, mut folders) = (Vec::new(), vec![root]);
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                let path = entry.path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|ending| ending == "evtx") {
                    files.push(path);
                }
            }
        }
        files.sort();
        let (mut same, mut different) = (0, Vec::new());
        for path in &files {
            let Ok(json) = std::fs::read(path.with_extension("json")) else { continue };
            let bytes = std::fs::read(path).expect("a file");
            let mut rest = json.as_slice();
            let is_told = |record: &Result<_, _>| !matches!(record, Err(Problem::Doubt(..)));
            for record in records(bytes).filter(is_told) {
                let record =
                    record.unwrap_or_else(|problem| panic!("{}: {problem}", path.display()));
                let left = read::object(&record).expect("an object");
                let crate::json::scan::Scan::Complete(end) =
                    crate::json::scan::scan(rest.trim_ascii_start())
                else {
                    different.push(format!("{}: fewer objects", path.display()));
                    break;
                };
                let text = &rest.trim_ascii_start()[..end];
                let right = read::object(text).expect("an object");
                rest = &rest.trim_ascii_start()[end..];
                let (left, right) = (trimmed(&Value::Object(left)), trimmed(&Value::Object(right)));
                if left == right {
                    same += 1;
                } else {
                    different.push(format!("{}:\n{left:?}\n{right:?}", path.display()));
                }
            }
        }
        assert!(files.is_empty() || same > 100, "{same} records");
        // One of the published JSON files was edited by hand.
        assert!(different.len() <= 1, "{}", different.join("\n"));
    }
}
