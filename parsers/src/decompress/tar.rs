//! The members of a tar archive: headers with their numbers and checksums, pax attributes and GNU's long names.

use super::packing::BLOCK;
use super::{Walk, read_some};
use std::io::{self, Read};

/// The names and attributes of one member of a tar archive.
const TAR_ATTRIBUTES: u64 = 1 << 20;

impl Walk<'_> {
    /// The members of a tar archive (POSIX.1-1988 and pax, GNU's long names).
    pub(super) fn tar(
        &mut self,
        name: &str,
        reader: &mut dyn Read,
        depth: usize,
    ) -> io::Result<()> {
        let mut members = 0;
        let (mut path, mut length) = (None, None);
        loop {
            let mut header = [0; BLOCK];
            let count = read_some(reader, &mut header)?;
            if count == 0 || header.iter().all(|byte| *byte == 0) {
                return Ok(());
            }
            let own = tar_number(&header[124..136]);
            let Some(own) = own.filter(|_| count == BLOCK && is_tar_header(&header)) else {
                let message = "tar archive is damaged or cut off".to_owned();
                self.cut_archive(name, members, message);
                return Ok(());
            };
            let kind = header[156];
            let is_member = !matches!(kind, b'L' | b'K' | b'x' | b'g');
            let size = if is_member { length.take().unwrap_or(own) } else { own };
            let mut content = (&mut *reader).take(size);
            if is_member {
                let path = path.take().unwrap_or_else(|| tar_path(&header));
                let member = format!("{name}/{path}");
                match kind {
                    b'0' | 0 | b'7' if !path.ends_with('/') => {
                        if self.is_spent(name) {
                            return Ok(());
                        }
                        members += 1;
                        self.stream(&member, &mut content, depth + 1)?;
                    }
                    b'S' => self.unread(&member, "a sparse file; unpack the archive first"),
                    // Directories, links and devices hold nothing.
                    _ => {}
                }
            } else {
                let mut text = Vec::new();
                (&mut content).take(TAR_ATTRIBUTES).read_to_end(&mut text)?;
                match kind {
                    b'L' => path = Some(text_until_zero(&text)),
                    b'x' => {
                        for (key, value) in pax(&text) {
                            match key {
                                b"path" => path = Some(text_until_zero(value)),
                                b"size" => length = decimal(value),
                                _ => {}
                            }
                        }
                    }
                    _ => {}
                }
            }
            io::copy(&mut content, &mut io::sink())?;
            let padding = size.wrapping_neg() % BLOCK as u64;
            if content.limit() > 0 {
                let message = "tar archive is cut off within a member".to_owned();
                self.cut_archive(name, members, message);
                return Ok(());
            }
            io::copy(&mut (&mut *reader).take(padding), &mut io::sink())?;
        }
    }
}

/// Whether the checksum of a tar header is right: the sum of its bytes, with blanks in place of itself.
fn is_tar_header(header: &[u8; BLOCK]) -> bool {
    let sum: u64 = header.iter().map(|byte| u64::from(*byte)).sum();
    let own: u64 = header[148..156].iter().map(|byte| u64::from(*byte)).sum();
    tar_number(&header[148..156]) == Some(sum - own + 8 * u64::from(b' '))
}

/// A number of a tar header: octal digits, or the bytes themselves behind a first one of 0x80.
fn tar_number(field: &[u8]) -> Option<u64> {
    if let [0x80, bytes @ ..] = field {
        let (high, low) = bytes.split_at(bytes.len().saturating_sub(8));
        let is_small = high.iter().all(|byte| *byte == 0);
        return is_small.then(|| low.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)));
    }
    let text = std::str::from_utf8(field).ok()?;
    let text = text.trim_matches(['\0', ' ']);
    if text.is_empty() { Some(0) } else { u64::from_str_radix(text, 8).ok() }
}

/// The path in a tar header itself.
fn tar_path(header: &[u8; BLOCK]) -> String {
    let name = text_until_zero(&header[..100]);
    // GNU has times in the place of the prefix.
    let prefix = if &header[257..263] == b"ustar\0" {
        text_until_zero(&header[345..500])
    } else {
        String::new()
    };
    if prefix.is_empty() { name } else { format!("{prefix}/{name}") }
}

fn text_until_zero(bytes: &[u8]) -> String {
    let end = memchr::memchr(0, bytes).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

fn decimal(digits: &[u8]) -> Option<u64> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// The attributes of a pax header: `LENGTH KEY=VALUE` and a line end, the length being that of all of it.
fn pax(mut text: &[u8]) -> Vec<(&[u8], &[u8])> {
    let mut attributes = Vec::new();
    while let Some(blank) = memchr::memchr(b' ', text) {
        let length = decimal(&text[..blank]).and_then(|length| usize::try_from(length).ok());
        let Some(length) = length.filter(|length| *length > blank + 1 && *length <= text.len())
        else {
            break;
        };
        let attribute = &text[blank + 1..length - 1];
        if let Some(equals) = memchr::memchr(b'=', attribute) {
            attributes.push((&attribute[..equals], &attribute[equals + 1..]));
        }
        text = &text[length..];
    }
    attributes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decompress::samples::{both, gzip, pair};

    /// The block of a tar archive that begins a member.
    fn tar_header(name: &[u8], size: usize, kind: u8) -> Vec<u8> {
        let mut header = vec![0; BLOCK];
        header[..name.len()].copy_from_slice(name);
        header[124..135].copy_from_slice(format!("{size:011o}").as_bytes());
        header[156] = kind;
        header[257..265].copy_from_slice(b"ustar\x0000");
        header[148..156].fill(b' ');
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        header
    }

    fn tar(members: &[(&[u8], &[u8], u8)]) -> Vec<u8> {
        let mut archive = Vec::new();
        for (name, bytes, kind) in members {
            archive.extend(tar_header(name, bytes.len(), *kind));
            archive.extend(*bytes);
            archive.resize(archive.len().next_multiple_of(BLOCK), 0);
        }
        archive.resize(archive.len() + 2 * BLOCK, 0);
        archive
    }

    #[test]
    fn reads_the_members_of_tar_archives() {
        let long = "d/".repeat(100) + "long.log";
        let archive = tar(&[
            (b"logs/", b"", b'5'),
            (b"logs/a.log", b"alpha", b'0'),
            (b"b.gz", &gzip("beta"), b'0'),
            (b"@LongLink", format!("{long}\0").as_bytes(), b'L'),
            (b"cut", b"gamma", b'0'),
            (b"pax", b"19 path=other name\n", b'x'),
            (b"short", b"delta", b'0'),
        ]);
        let expected = [
            pair("in/logs/a.log", "alpha"),
            pair("in/b.gz", "beta"),
            pair(&format!("in/{long}"), "gamma"),
            pair("in/other name", "delta"),
        ];
        assert_eq!(both(&archive), (expected.to_vec(), Vec::new()));
        let packed = zstd::encode_all(&*archive, 1).unwrap();
        assert_eq!(both(&packed), (expected.to_vec(), Vec::new()));
        // Cut off within the second member, and a header that was changed.
        let (found, warnings) = both(&archive[..4 * BLOCK + 5]);
        assert_eq!((found.len(), warnings.len()), (2, 2), "{warnings:?}");
        let mut changed = archive;
        changed[3 * BLOCK] ^= 1;
        let (found, warnings) = both(&changed);
        assert_eq!((found.len(), warnings.len()), (1, 1), "{warnings:?}");
    }
}
