//! What a stream is, by its first bytes: packed in which way, text, or nothing that is read here.

use crate::windows::evtx::is_evtx;

/// Bytes that tell the compression.
pub(super) const MAGIC: usize = 6;

/// Bytes that tell what else it may be: a block of a tar archive.
pub(super) const BLOCK: usize = 512;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packing {
    None,
    Utf16Little,
    Utf16Big,
    Gzip,
    Zstd,
    Bzip2,
    Xz,
    Zip,
    Tar,
}

pub(super) fn packing(head: &[u8]) -> Packing {
    match head {
        [0x1F, 0x8B, 8, ..] => Packing::Gzip,
        // A frame, or a skippable frame before it (RFC 8878 section 3.1).
        [0x28, 0xB5, 0x2F, 0xFD, ..] | [0x50..=0x5F, 0x2A, 0x4D, 0x18, ..] => Packing::Zstd,
        [b'B', b'Z', b'h', b'1'..=b'9', ..] => Packing::Bzip2,
        [0xFD, b'7', b'z', b'X', b'Z', 0, ..] => Packing::Xz,
        // A member, or the directory of an empty archive.
        [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => Packing::Zip,
        [0xFF, 0xFE, ..] => Packing::Utf16Little,
        [0xFE, 0xFF, ..] => Packing::Utf16Big,
        _ if head.get(257..262) == Some(b"ustar") => Packing::Tar,
        _ => bare_utf16(head),
    }
}

/// UTF-16 without a byte order mark, as tools for Windows write it: letters of ASCII at first, each with a zero.
fn bare_utf16(head: &[u8]) -> Packing {
    let pairs = || head.chunks_exact(2).take(64);
    let is_text = |byte: u8| matches!(byte, b'\t' | b'\n' | b'\r' | b' '..=b'~');
    if pairs().len() < 8 {
        Packing::None
    } else if pairs().all(|pair| is_text(pair[0]) && pair[1] == 0) {
        Packing::Utf16Little
    } else if pairs().all(|pair| pair[0] == 0 && is_text(pair[1])) {
        Packing::Utf16Big
    } else {
        Packing::None
    }
}

/// Whether a stream with this beginning is read as it is: not compressed, no UTF-16, nothing to warn of.
#[must_use]
pub fn is_plain(head: &[u8]) -> bool {
    packing(head) == Packing::None && foreign(head).is_none()
}

const UNPACK: &str = "unpack it first";

/// What is often found beside logs and is none: its beginning, its name, and what to do.
const FOREIGN: &[(&[u8], &str, &str)] = &[
    (b"7z\xBC\xAF\x27\x1C", "a 7z archive", UNPACK),
    (b"Rar!\x1A\x07", "a RAR archive", UNPACK),
    (b"MSCF\0\0\0\0", "a cabinet archive", UNPACK),
    (b"\x04\x22\x4D\x18", "lz4", UNPACK),
    (b"\x5D\0\0", "lzma", UNPACK),
    (b"LZIP", "lzip", UNPACK),
    (b"\x1F\x9D", "the output of `compress`", UNPACK),
    (b"LPKSHHRH", "a journal of systemd", "give what `journalctl --file FILE -o json` writes"),
    (b"\x30\0\0\0LfLe", "an event log of before Windows Vista", "convert it to EVTX"),
    (b"\x7FELF", "a program", "leave it out"),
    (b"SQLite format 3\0", "a database of SQLite", "export its tables"),
    (b"\xD4\xC3\xB2\xA1", "captured packets", "give the logs that Zeek or Suricata make of it"),
    (b"\xA1\xB2\xC3\xD4", "captured packets", "give the logs that Zeek or Suricata make of it"),
    (b"\x0A\x0D\x0D\x0A", "captured packets", "give the logs that Zeek or Suricata make of it"),
    (b"PAR1", "a Parquet file", "export it as JSON"),
];

/// What a stream is that is neither text nor anything that is read here, and what to do with it.
pub(super) fn foreign(head: &[u8]) -> Option<(&'static str, &'static str)> {
    if is_evtx(head) {
        return None;
    }
    if let Some((_, what, help)) = FOREIGN.iter().find(|(magic, ..)| head.starts_with(magic)) {
        return Some((what, help));
    }
    let head = &head[..head.len().min(BLOCK)];
    // Separators (0x1C to 0x1F) and escapes for colours are in logs.
    let is_binary = |byte: &u8| matches!(byte, 0..=8 | 0x0E..=0x1A | 0x7F);
    let binary = head.iter().filter(|byte| is_binary(byte)).count();
    (binary * 8 > head.len()).then_some(("binary data", "unpack or convert it first"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decompress::samples::{both, bzip2, gzip, one, xz};

    #[test]
    fn reads_every_packing_by_its_first_bytes() {
        let text = "one\ntwo\n".repeat(10_000);
        assert_eq!(both(b"plain"), one("plain"));
        assert_eq!(both(b""), one(""));
        assert_eq!(both(&gzip(&text)), one(&text));
        assert_eq!(both(&[gzip("a\n"), gzip(&text)].concat()), one(&format!("a\n{text}")));
        assert_eq!(both(&zstd::encode_all(text.as_bytes(), 1).unwrap()), one(&text));
        assert_eq!(both(&bzip2(&text)), one(&text));
        assert_eq!(both(&xz(&text)), one(&text));
        let twice = zstd::encode_all(&*gzip(&text), 1).unwrap();
        assert_eq!(both(&twice), one(&text));
    }

    #[test]
    fn what_is_no_text_is_told() {
        let told = |bytes: &[u8], what: &str| {
            assert!(!is_plain(bytes));
            let warnings = both(bytes).1;
            assert!(warnings.len() == 1 && warnings[0].contains(what), "{warnings:?}");
        };
        told(b"7z\xBC\xAF\x27\x1C\0\x04", "7z archive, read as text; unpack it first");
        told(b"LPKSHHRH and so on", "journalctl");
        told(b"\x7FELF\x02\x01\x01\0", "a program");
        told(&[b'a', 0, 1, 2, 0xff].repeat(200), "binary data");
        let plain =
            ["", "x", "\x1b[31mred\x1b[0m", "type=AVC msg=1\x1dUID=\"root\"\n", "h\u{e4}\u{1f600}"];
        for text in plain {
            assert!(is_plain(text.as_bytes()));
            assert_eq!(both(text.as_bytes()), one(text));
        }
        let bare: Vec<u8> = "{\"a\": 1}\r\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(both(&bare), one("{\"a\": 1}\r\n"));
    }
}
