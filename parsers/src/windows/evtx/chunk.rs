//! The records of one chunk, which can be read without the others.

use super::survey::survey;
use super::{CHUNK, CHUNK_HEADER, CHUNK_MAGIC, Doubt, Problem};
use crate::json::check::is_json;
use evtx::{ChunkFlags, EvtxChunkData, ParserSettings};
use std::collections::VecDeque;
use std::error::Error;
use std::fmt;
use std::sync::Arc;

/// Records written out from one chunk at most: templates can repeat a text many times over.
const CHUNK_OUTPUT: usize = 64 << 20;

/// The number of the first record, by the header of a chunk.
pub(super) fn first(header: &[u8]) -> Option<u64> {
    let number = |at: usize| {
        let bytes = header.get(at..at + 8)?;
        Some(u64::from_le_bytes(bytes.try_into().ok()?))
    };
    let (first, last) = (number(24)?, number(32)?);
    (first <= last).then_some(first)
}

/// A header that lets all of the chunk be searched for records. What it would say of texts and templates, records say too.
pub(super) fn replace_header(chunk: &mut [u8]) {
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

/// Adds the records of a chunk and what is wrong with them to `ready`. `is_whole`: neither cut off nor without a header.
pub(super) fn read_chunk(
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::windows::evtx::FILE_HEADER;
    use crate::windows::evtx::samples::{
        element, expected, file, letters, records, tampered, told,
    };

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
}
