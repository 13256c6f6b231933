//! Windows event log files (EVTX, MS-EVEN6).
//!
//! A file is a header and chunks of 64 KiB, each of which can be read alone. Every record becomes a line of JSON in the shape that
//! evtx_dump made common (`{"Event":{"System":…,"EventData":…}}`), so that everything after is shared with
//! JSON logs. Chunks are found by their own signature: a file without a sound header, with chunks missing, or cut in the middle of one
//! gives what is left of it. What cannot be read is counted and named, never silently lost.

use crate::json::Json;
use crate::json::check::is_json;
use crate::{Format, Framing, Head, Parser, Score, StreamInfo};
use evtx::{EvtxChunkData, ParserSettings};
use sigmund_engine::AliasTable;
use std::collections::VecDeque;
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

/// Records written out from one chunk at most: templates can repeat a text many times over.
const CHUNK_OUTPUT: usize = 64 << 20;

/// So many problems are told in words; all are counted.
const TOLD: usize = 20;

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
    /// A record or a chunk that cannot be read, in words.
    Damage(String),
    /// The file could not be read; nothing more comes.
    Input(io::Error),
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Damage(text) => f.write_str(text),
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
        let piece = if has_records { Piece::Headless } else { Piece::Nothing };
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
        if !chunk.starts_with(CHUNK_MAGIC) {
            replace_header(&mut chunk);
        }
        let settings = Arc::clone(&self.settings);
        let ready = &mut self.ready;
        // The reader is written not to panic; a file that makes it do so is a damaged chunk, not the end.
        let read = catch_unwind(AssertUnwindSafe(|| read_chunk(chunk, number, settings, ready)));
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

fn read_chunk(
    chunk: Vec<u8>,
    number: u64,
    settings: Arc<ParserSettings>,
    ready: &mut VecDeque<Result<Vec<u8>, Problem>>,
) {
    let damage = |text: &dyn fmt::Display| Err(Problem::Damage(format!("chunk {number}: {text}")));
    let mut data = match EvtxChunkData::new(chunk, false) {
        Ok(data) => data,
        Err(error) => return ready.push_back(damage(&causes(&error))),
    };
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
}

impl<R: Read + Seek> JsonLines<R> {
    /// Of a whole file, whatever place it stands at.
    #[must_use]
    pub fn new(file: R) -> Self {
        Self { records: records(file), line: Vec::new(), position: 0, bad: 0, told: Vec::new() }
    }

    /// How many records and chunks could not be read so far.
    #[must_use]
    pub fn bad(&self) -> u64 {
        self.bad
    }

    /// The first of them, in words.
    #[must_use]
    pub fn problems(&self) -> &[String] {
        &self.told
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
        assert_eq!(records(b"ElfFile\0".to_vec()).count(), 0);
        assert_eq!(records(b"ElfChnk\0 and then nothing".to_vec()).count(), 1);
    }

    /// A file of one chunk that holds one record with this content.
    fn file(content: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; FILE_HEADER + CHUNK];
        bytes[..8].copy_from_slice(FILE_MAGIC);
        let chunk = &mut bytes[FILE_HEADER..];
        let size = content.len() as u32 + 28;
        chunk[..8].copy_from_slice(CHUNK_MAGIC);
        for (at, value) in [(40, 128), (44, 512), (48, 512 + size), (516, size), (520, 1)] {
            chunk[at..at + 4].copy_from_slice(&value.to_le_bytes());
        }
        chunk[512..516].copy_from_slice(RECORD_MAGIC);
        let end = 536 + content.len();
        chunk[536..end].copy_from_slice(content);
        chunk[end..end + 4].copy_from_slice(&size.to_le_bytes());
        bytes
    }

    /// An open element with this name and nothing in it.
    fn element(name: &str) -> Vec<u8> {
        let name: Vec<u16> = name.encode_utf16().collect();
        let mut content = vec![0x0f, 1, 1, 0, 0x01, 0, 0, 0, 0];
        // The name stands right behind the place that says where it is.
        content.extend_from_slice(&(536_u32 + 13).to_le_bytes());
        content.extend_from_slice(&[0; 6]);
        content.extend_from_slice(&(name.len() as u16).to_le_bytes());
        content.extend(name.into_iter().flat_map(u16::to_le_bytes));
        content.extend_from_slice(&[0, 0, 0x03, 0]);
        content
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
            for record in records(bytes) {
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
