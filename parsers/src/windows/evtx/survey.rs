//! What the records of a chunk say of it, whatever its header says: which were hidden, and which are missing.

use super::{CHUNK_HEADER, RECORD_MAGIC};
use evtx::EvtxChunkHeader;

/// What every record begins with, behind its header: a fragment of binary XML.
const FRAGMENT: &[u8] = &[0x0f, 1, 1, 0];

/// A record without content: its header and the copy of its size.
pub(super) const SMALLEST_RECORD: usize = 28;

/// The number at a place of a chunk.
pub(super) fn number<const N: usize>(chunk: &[u8], at: usize) -> Option<[u8; N]> {
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
pub(super) struct Survey {
    /// What was hidden, or is missing, in words.
    pub(super) found: Vec<String>,
}

/// Walks along the records of a chunk and corrects what hides some of them: the header's word on where they end, and sizes that
/// cover the records after. Records behind the end belong to the chunk if they go on with its numbers without a gap; exports leave others there, which
/// are of no log any more.
pub(super) fn survey(chunk: &mut [u8], header: &mut EvtxChunkHeader) -> Survey {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::windows::evtx::FILE_HEADER;
    use crate::windows::evtx::samples::{SIZE, expected, header, letters, seal, tampered, told};

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
}
