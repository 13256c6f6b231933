//! Windows event log files (EVTX, MS-EVEN6).
//!
//! A file is a header and chunks of 64 KiB, each of which can be read alone. Every record becomes a line of JSON in the shape that
//! evtx_dump made common (`{"Event":{"System":…,"EventData":…}}`), so that everything after is shared with
//! JSON logs. Chunks are found by their own signature: a file without a sound header, with chunks missing, or cut in the middle of one
//! gives what is left of it. What cannot be read is counted and named, never silently lost.

use crate::json::Json;
use crate::{Format, Framing, Head, Parser, Score, StreamInfo};
use evtx::{EvtxChunkData, ParserSettings};
use sigmund_engine::AliasTable;
use std::collections::VecDeque;
use std::error::Error;
use std::io::{self, Read};
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

/// Files are read whole; what is beyond this is not.
pub const LARGEST: u64 = 4 << 30;

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

/// The records of a whole file as JSON texts of one line, oldest first; an error for each record or chunk that cannot be read.
pub fn records(bytes: Vec<u8>) -> Records {
    let (chunks, problems) = chunks(&bytes);
    Records {
        bytes,
        chunks: chunks.into(),
        ready: problems.into_iter().map(Err).collect(),
        settings: Arc::new(ParserSettings::new().indent(false).num_threads(1)),
    }
}

/// See [`records`].
#[derive(Debug)]
pub struct Records {
    bytes: Vec<u8>,
    /// Where chunks begin.
    chunks: VecDeque<usize>,
    /// Of the chunk that was read last.
    ready: VecDeque<Result<Vec<u8>, String>>,
    settings: Arc<ParserSettings>,
}

impl Iterator for Records {
    type Item = Result<Vec<u8>, String>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(record) = self.ready.pop_front() {
                return Some(record);
            }
            let at = self.chunks.pop_front()?;
            let number = at.saturating_sub(FILE_HEADER) / CHUNK;
            let mut chunk = self.bytes[at..self.bytes.len().min(at + CHUNK)].to_vec();
            let missing = CHUNK - chunk.len();
            chunk.resize(CHUNK, 0);
            if !chunk.starts_with(CHUNK_MAGIC) {
                replace_header(&mut chunk);
            }
            let settings = Arc::clone(&self.settings);
            let ready = &mut self.ready;
            // The reader is written not to panic; a file that makes it do so is a damaged chunk, not the end.
            let read =
                catch_unwind(AssertUnwindSafe(|| read_chunk(chunk, number, settings, ready)));
            if read.is_err() {
                self.ready.push_back(Err(format!("chunk {number}: the reader failed")));
            }
            if missing > 0 {
                self.ready.push_back(Err(format!(
                    "chunk {number}: the file ends {missing} bytes before the chunk does"
                )));
            }
        }
    }
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
    number: usize,
    settings: Arc<ParserSettings>,
    ready: &mut VecDeque<Result<Vec<u8>, String>>,
) {
    let mut data = match EvtxChunkData::new(chunk, false) {
        Ok(data) => data,
        Err(error) => return ready.push_back(Err(format!("chunk {number}: {}", causes(&error)))),
    };
    let mut chunk = match data.parse(settings) {
        Ok(chunk) => chunk,
        Err(error) => return ready.push_back(Err(format!("chunk {number}: {}", causes(&error)))),
    };
    let mut written = 0;
    for record in chunk.iter() {
        match record.and_then(evtx::EvtxRecord::into_json_bytes) {
            Ok(record) => {
                written += record.data.len();
                ready.push_back(Ok(record.data));
            }
            Err(error) => ready.push_back(Err(format!("chunk {number}: {}", causes(&error)))),
        }
        if written > CHUNK_OUTPUT {
            let limit = CHUNK_OUTPUT >> 20;
            let message = format!("chunk {number}: its records are longer than {limit} MiB");
            return ready.push_back(Err(message));
        }
    }
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

/// Where chunks begin, the one with the oldest records first, and what is wrong between them.
fn chunks(bytes: &[u8]) -> (Vec<usize>, Vec<String>) {
    let (mut found, mut problems) = (Vec::new(), Vec::new());
    let mut at = if bytes.starts_with(FILE_MAGIC) { FILE_HEADER } else { 0 };
    while at < bytes.len() {
        let rest = &bytes[at..];
        if rest.starts_with(CHUNK_MAGIC) {
            if rest.len() >= CHUNK_HEADER {
                found.push(at);
            } else {
                problems.push(format!("offset {at}: the file ends within a chunk header"));
            }
            at += CHUNK;
            continue;
        }
        let block = &rest[..rest.len().min(CHUNK)];
        // The next chunk may begin anywhere if bytes were lost.
        let next = memchr::memmem::find(block, CHUNK_MAGIC).unwrap_or(block.len());
        // Files grow in advance by chunks without records, not all of them wiped.
        if next > CHUNK_HEADER
            && memchr::memmem::find(&block[CHUNK_HEADER..next], RECORD_MAGIC).is_some()
        {
            problems.push(format!("offset {at}: a chunk without a header, read without it"));
            found.push(at);
        }
        at += next;
    }
    // Windows overwrites the oldest chunk when a log is full, so the oldest may be anywhere.
    let first_record = |at: &usize| {
        let number = |offset: usize| {
            let bytes = bytes.get(at + offset..at + offset + 8)?;
            Some(u64::from_le_bytes(bytes.try_into().ok()?))
        };
        let (first, last) = (number(24)?, number(32)?);
        (first <= last).then_some(first)
    };
    let oldest = (0..found.len())
        .filter_map(|index| Some((first_record(&found[index])?, index)))
        .min()
        .map_or(0, |(_, index)| index);
    found.rotate_left(oldest);
    (found, problems)
}

/// The records of a file as lines of JSON: reads like any other log.
#[derive(Debug)]
pub struct JsonLines {
    records: Records,
    line: Vec<u8>,
    position: usize,
    bad: u64,
    told: Vec<String>,
}

impl JsonLines {
    /// Of a whole file.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self { records: records(bytes), line: Vec::new(), position: 0, bad: 0, told: Vec::new() }
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

impl Read for JsonLines {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.position == self.line.len() {
            match self.records.next() {
                Some(Ok(line)) => {
                    self.line = line;
                    // JSON has no line breaks within texts, and none is written between them.
                    self.line.push(b'\n');
                    self.position = 0;
                }
                Some(Err(problem)) => {
                    self.bad += 1;
                    if self.told.len() < TOLD {
                        self.told.push(problem);
                    }
                }
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

    #[test]
    fn lines_are_records() {
        let Some(sample) = files().next() else { return };
        let expected = records(sample.bytes.clone()).filter(Result::is_ok).count();
        let mut lines = JsonLines::new(sample.bytes);
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
