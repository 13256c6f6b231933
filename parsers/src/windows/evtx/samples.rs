//! Event logs for the tests, and what is read of them.

use super::survey::{SMALLEST_RECORD, number};
use super::{CHUNK, CHUNK_HEADER, CHUNK_MAGIC, FILE_HEADER, FILE_MAGIC, RECORD_MAGIC, Records};
use crate::samples::{Sample, samples};
use evtx::checksum_ieee;
use std::io::Cursor;

/// The records of a file in memory.
pub(super) fn records(bytes: Vec<u8>) -> Records<Cursor<Vec<u8>>> {
    super::records(Cursor::new(bytes))
}

/// The event logs among the samples.
pub(super) fn files() -> impl Iterator<Item = Sample> {
    samples("evtx").into_iter().filter(|sample| sample.name.ends_with(".evtx"))
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
    let (first, last) = (records.first().map_or(0, |it| it.0), records.last().map_or(0, |it| it.0));
    header(chunk, first, last, at);
    seal(&mut bytes);
    bytes
}

/// Says in a chunk's header which records it has and where they end.
pub(super) fn header(chunk: &mut [u8], first: u64, last: u64, end: usize) {
    for (at, number) in [(8, first), (16, last), (24, first), (32, last)] {
        chunk[at..at + 8].copy_from_slice(&number.to_le_bytes());
    }
    for (at, value) in [(40, 128), (44, end as u32), (48, end as u32)] {
        chunk[at..at + 4].copy_from_slice(&u32::to_le_bytes(value));
    }
}

/// Makes the checksums right.
pub(super) fn seal(bytes: &mut [u8]) {
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
pub(super) fn file(content: &[u8]) -> Vec<u8> {
    log(&[(1, content.to_vec())])
}

/// An open element with this name and nothing in it, of the first record of a chunk.
pub(super) fn element(name: &str) -> Vec<u8> {
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
pub(super) const SIZE: usize = 27 + SMALLEST_RECORD;

/// A log with these records, each named by a letter from `a` on.
pub(super) fn letters(numbers: &[u64]) -> Vec<u8> {
    let record = |(index, number): (usize, &u64)| {
        let name = char::from(b'a' + index as u8).to_string();
        (*number, element_at(&name, CHUNK_HEADER + index * SIZE))
    };
    log(&numbers.iter().enumerate().map(record).collect::<Vec<_>>())
}

/// The names of what is read, and the problems.
pub(super) fn told(bytes: Vec<u8>) -> (String, Vec<String>) {
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
pub(super) fn tampered(change: impl Fn(&mut [u8])) -> (String, Vec<String>) {
    let mut bytes = letters(&[5, 6, 7, 8]);
    change(&mut bytes[FILE_HEADER..]);
    seal(&mut bytes);
    told(bytes)
}

/// As [`told`] gives it.
pub(super) fn expected(names: &str, problems: &[&str]) -> (String, Vec<String>) {
    (names.to_owned(), problems.iter().map(|problem| (*problem).to_owned()).collect())
}
