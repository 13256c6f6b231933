//! EVTX files. A small input is put into a chunk as its first record, because 64 KiB of frame are hard to guess.
#![no_main]

use sigmund_fuzz::split;
use sigmund_parsers::json::read;
use sigmund_parsers::windows::evtx::records;

/// A file of one chunk that holds `record`.
fn file(record: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; 0x1000];
    bytes[..8].copy_from_slice(b"ElfFile\0");
    let mut chunk = vec![0; 0x1_0000];
    chunk[..8].copy_from_slice(b"ElfChnk\0");
    chunk[0x28..0x2C].copy_from_slice(&128u32.to_le_bytes());
    let length = record.len().min(0x1_0000 - 0x200 - 28);
    let size = (length + 28) as u32;
    chunk[0x2C..0x30].copy_from_slice(&0x200u32.to_le_bytes());
    chunk[0x30..0x34].copy_from_slice(&(0x200 + size).to_le_bytes());
    let at = 0x200;
    chunk[at..at + 4].copy_from_slice(b"**\0\0");
    chunk[at + 4..at + 8].copy_from_slice(&size.to_le_bytes());
    chunk[at + 8] = 1;
    chunk[at + 24..at + 24 + length].copy_from_slice(&record[..length]);
    chunk[at + 24 + length..at + 28 + length].copy_from_slice(&size.to_le_bytes());
    bytes.extend(chunk);
    bytes
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let (how, bytes) = split(data);
    let bytes = if how & 1 == 0 { bytes.to_vec() } else { file(bytes) };
    for record in records(std::io::Cursor::new(bytes)).flatten() {
        assert!(!record.contains(&b'\n'), "a record is one line");
        let document = read::value(&record).expect("a record is JSON");
        let serde = serde_json::from_slice::<serde_json::Value>(&record);
        assert!(serde.is_ok() || document.too_deep, "a record is JSON");
    }
});
