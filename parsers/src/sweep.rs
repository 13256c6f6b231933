//! Every sample log through decompression, framing and parsing: nothing panics, nothing is lost.

use crate::decompress::{Input, Limits, each_stream};
use crate::framing::octet_count;
use crate::samples::shared;
use crate::{Counts, FORMATS, Framing, Outcome, Stream, StreamInfo};
use sigmund_engine::Record;
use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// So much of a sample is read: enough for every quirk, and quick.
const MOST: u64 = 256 << 10;

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() { files(&path, found) } else { found.push(path) }
    }
}

/// The counts of a stream that is read in blocks of this size, how many bytes its records have, and its records by format and route.
fn read(name: &str, bytes: &[u8], block: usize) -> (Counts, usize, BTreeMap<String, u64>) {
    let info = StreamInfo::new(name, 1_700_000_000_000_000_000);
    let head = &bytes[..bytes.len().min(64 << 10)];
    let mut stream = Stream::open(info, head, None);
    let mut record = Record::new(Arc::default());
    let mut kinds = BTreeMap::new();
    let (mut start, mut end, mut size) = (0, 0, 0);
    loop {
        end = (end + block).min(bytes.len());
        let last = end == bytes.len();
        start += stream.read(&bytes[start..end], last, &mut record, &mut |mut framed| {
            size += framed.bytes.len();
            let kind = match framed.outcome {
                Outcome::Event => {
                    let event = framed.event();
                    assert_eq!(&*event.raw, framed.bytes);
                    let matched = framed.record.route.as_ref().expect("an event has a route");
                    assert_eq!(matched.name, event.route.name);
                    format!("{}: {}", framed.format, event.route.name)
                }
                Outcome::Skip(reason) => format!("skip: {reason}"),
                Outcome::Foreign => panic!("a foreign record came out"),
            };
            *kinds.entry(kind).or_insert(0) += 1;
        });
        if last {
            assert_eq!(start, bytes.len(), "{name}: bytes are left over");
            return (stream.counts().clone(), size, kinds);
        }
    }
}

#[test]
#[expect(clippy::print_stderr, reason = "what the samples hold, for whoever runs the test")]
fn all_samples_are_read_without_loss() {
    let Some(root) = shared() else { return };
    let mut paths = Vec::new();
    files(&root.join("samples"), &mut paths);
    let mut totals: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
    let whole: Vec<&str> = FORMATS
        .iter()
        .filter(|format| format.framing() == Framing::Whole)
        .map(|format| format.name())
        .collect();
    for path in &paths {
        let folder = path.parent().and_then(Path::file_name).unwrap_or_default();
        let folder = folder.to_string_lossy().into_owned();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut file = std::fs::File::open(path).unwrap();
        each_stream(&name, Input::File(&mut file), &Limits::default(), &mut |name, reader| {
            let mut bytes = Vec::new();
            reader.take(MOST).read_to_end(&mut bytes)?;
            let head = &bytes[..bytes.len().min(64 << 10)];
            let format = crate::detect(&crate::Head { file_name: name, bytes: head });
            if whole.contains(&format.name()) || folder == "evtx" && !name.ends_with("json") {
                return Ok(());
            }
            let (counts, size, kinds) = read(name, &bytes, bytes.len().max(1));
            let skipped: u64 = counts.skipped.iter().map(|(_, count)| count).sum();
            assert_eq!(counts.records, counts.events + skipped, "{name}");
            assert_eq!(kinds.values().sum::<u64>(), counts.records, "{name}");
            assert!(size <= bytes.len(), "{name}");
            let lines = format.framing() == Framing::Lines && octet_count(head).is_none();
            if lines && memchr::memchr(0, &bytes).is_none() {
                // Every byte but line ends is in a record.
                let ends = bytes.iter().filter(|byte| matches!(byte, b'\n' | b'\r')).count();
                assert!(size + ends + 3 >= bytes.len() || counts.truncated > 0, "{name}");
            }
            let (parts, size_in_parts, kinds_in_parts) = read(name, &bytes, 4099);
            assert_eq!((&counts, size, &kinds), (&parts, size_in_parts, &kinds_in_parts), "{name}");
            let total = totals.entry(folder.clone()).or_default();
            for (kind, count) in kinds {
                *total.entry(kind).or_default() += count;
            }
            Ok(())
        })
        .unwrap();
    }
    for (folder, kinds) in &totals {
        eprintln!("{folder}: {kinds:?}");
    }
}
