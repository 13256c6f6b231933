//! The records of a file as lines, and what was told of them on the way.

use super::{Doubt, Problem, Records, records};
use std::collections::BTreeMap;
use std::io::{self, Read, Seek};

/// So many problems are told in words; all are counted. With the doubts they are fewer than the warnings that are told of one log.
const TOLD: usize = 12;

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
    use crate::windows::evtx::samples::{files, letters, records};
    use crate::windows::evtx::{CHUNK_HEADER, FILE_HEADER};
    use std::io::Cursor;

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
    fn lines_are_records() {
        let Some(sample) = files().next() else { return };
        let expected = records(sample.bytes.clone()).filter(Result::is_ok).count();
        let mut lines = JsonLines::new(Cursor::new(sample.bytes));
        let mut text = Vec::new();
        lines.read_to_end(&mut text).expect("memory can be read");
        assert_eq!(text.iter().filter(|byte| **byte == b'\n').count(), expected);
        assert_eq!(lines.bad(), 0);
    }
}
