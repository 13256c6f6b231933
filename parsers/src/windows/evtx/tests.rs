//! Whole files: the samples, damaged ones, and the same records in both encodings.

use super::samples::{element, expected, file, files, letters, records, told};
use super::*;
use crate::json::read;
use crate::samples::shared;
use sigmund_engine::{Object, Value};
use std::io::Cursor;

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
            let record = record.unwrap_or_else(|problem| panic!("{}: {problem}", path.display()));
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
