//! The members of a zip archive: by its directory, by what the directory has besides, or as they come through a pipe.

use super::guard::Counted;
use super::{Seekable, Walk, read_some};
use std::cell::Cell;
use std::collections::{BTreeMap, HashSet};
use std::io::{self, BufReader, Read, Seek};
use std::rc::Rc;

/// The parts of a file that members of an archive take.
#[derive(Default)]
struct Spans(BTreeMap<u64, u64>);

impl Spans {
    /// Whether nobody has a part of it yet. Then it is taken.
    fn take(&mut self, from: u64, to: u64) -> bool {
        let before = self.0.range(..to.max(from + 1)).next_back();
        let is_free = before.is_none_or(|(_, end)| *end <= from);
        if is_free {
            self.0.insert(from, to);
        }
        is_free
    }
}

/// The number at a place of a zip header.
fn zip_number(header: &[u8], at: usize) -> u64 {
    header
        .get(at..at + 4)
        .and_then(|bytes| bytes.try_into().ok())
        .map_or(0, u32::from_le_bytes)
        .into()
}

fn zip_short(header: &[u8], at: usize) -> u16 {
    header.get(at..at + 2).and_then(|bytes| bytes.try_into().ok()).map_or(0, u16::from_le_bytes)
}

/// A number in a zip header that stands for a larger one elsewhere.
const ZIP64: u64 = u32::MAX as u64;

/// Why a member of a zip archive is not read.
fn zip_refusal(is_encrypted: bool, method: u16) -> Option<String> {
    let name = match method {
        _ if is_encrypted => {
            return Some("encrypted; unpack the archive with its password first".to_owned());
        }
        0 | 8 => return None,
        9 => "deflate64",
        12 => "bzip2",
        14 => "LZMA",
        93 => "zstd",
        95 => "xz",
        98 => "PPMd",
        other => {
            return Some(format!("compressed by method {other}; unpack the archive first"));
        }
    };
    Some(format!("compressed by {name} within a zip archive; unpack the archive first"))
}

/// How the members of an archive came that was read without its directory.
pub(super) struct Came {
    pub(super) members: usize,
    /// Why there are no more, unless they were all.
    pub(super) cut: Option<String>,
}

impl Walk<'_> {
    /// The members of a zip archive by its directory, or as they come if it has none.
    pub(super) fn archive(&mut self, name: &str, file: &mut dyn Seekable) -> io::Result<()> {
        let start = file.stream_position()?;
        let length = file.seek(io::SeekFrom::End(0))?;
        file.seek(io::SeekFrom::Start(start))?;
        self.budget.taken.set(length.saturating_sub(start));
        let mut archive = match zip::ZipArchive::new(BufReader::new(&mut *file)) {
            Ok(archive) => archive,
            Err(zip::result::ZipError::Io(error))
                if error.kind() != io::ErrorKind::UnexpectedEof =>
            {
                return Err(error);
            }
            Err(error) => {
                file.seek(io::SeekFrom::Start(start))?;
                let came = self.members_as_they_come(name, &mut BufReader::new(file), 0)?;
                let cut = came.cut.unwrap_or_else(|| error.to_string());
                let message = format!("damaged or cut off zip archive ({cut})");
                self.cut_archive(name, came.members, message);
                return Ok(());
            }
        };
        let (directory, offset) = (archive.central_directory_start(), archive.offset());
        let (mut spans, mut listed) = (Spans::default(), HashSet::new());
        for index in 0..archive.len() {
            if self.is_spent(name) {
                return Ok(());
            }
            let member_name = archive.name_for_index(index).unwrap_or_default().to_owned();
            let refusal = match archive.by_index_raw(index) {
                Ok(raw) => {
                    listed.insert(raw.central_header_start());
                    let end = raw.data_start().saturating_add(raw.compressed_size());
                    #[expect(deprecated, reason = "there is no other way to the number")]
                    let method = raw.compression().to_u16();
                    if raw.is_dir() {
                        None
                    } else if spans.take(raw.header_start(), end) {
                        zip_refusal(raw.encrypted(), method)
                    } else {
                        Some("its bytes are those of another member too".to_owned())
                    }
                }
                // Told below.
                Err(_) => None,
            };
            if let Some(refusal) = refusal {
                self.unread(&format!("{name}/{member_name}"), refusal);
                continue;
            }
            match archive.by_index(index) {
                Ok(mut member) => self.member(name, &mut member, 0)?,
                Err(error) => {
                    self.unread(&format!("{name}/{member_name}"), error.to_string());
                }
            }
        }
        let is_all_known = listed.len() == archive.len();
        drop(archive);
        if offset > 0 {
            self.unread(name, "another archive comes before the one that is read; part them");
        }
        if is_all_known {
            self.namesakes(name, file, (directory, offset), &listed, &mut spans)
        } else {
            Ok(())
        }
    }

    /// The members that the directory has but not the list of names: those with the name of a later one.
    fn namesakes(
        &mut self,
        archive: &str,
        file: &mut dyn Seekable,
        (directory, offset): (u64, u64),
        listed: &HashSet<u64>,
        spans: &mut Spans,
    ) -> io::Result<()> {
        let mut others = Vec::new();
        file.seek(io::SeekFrom::Start(directory))?;
        let (mut reader, mut at) = (BufReader::new(&mut *file), directory);
        loop {
            let mut entry = [0; 46];
            if read_some(&mut reader, &mut entry)? < entry.len()
                || !entry.starts_with(b"PK\x01\x02")
            {
                // The end of the directory, with a comment.
                let mut next = [0; 4];
                if entry.starts_with(b"PK\x05\x06") {
                    let end = at + 22 + u64::from(zip_short(&entry, 20));
                    reader.seek(io::SeekFrom::Start(end))?;
                    read_some(&mut reader, &mut next)?;
                }
                if &next == b"PK\x03\x04" {
                    self.unread(archive, "another archive follows the one that is read; part them");
                }
                break;
            }
            let lengths = [28, 30, 32].map(|at| u64::from(zip_short(&entry, at)));
            let mut rest = Vec::new();
            (&mut reader).take(lengths.iter().sum()).read_to_end(&mut rest)?;
            if !listed.contains(&at) {
                rest.truncate(usize::from(zip_short(&entry, 28)));
                others.push((entry, String::from_utf8_lossy(&rest).into_owned()));
            }
            at += entry.len() as u64 + lengths.iter().sum::<u64>();
        }
        drop(reader);
        for (entry, name) in others {
            if self.is_spent(archive) {
                return Ok(());
            }
            if name.ends_with('/') {
                continue;
            }
            let name = format!("{archive}/{name}");
            let (size, place) = (zip_number(&entry, 20), zip_number(&entry, 42));
            let mut header = [0; 30];
            file.seek(io::SeekFrom::Start(offset.saturating_add(place)))?;
            let count = read_some(file, &mut header)?;
            let names = u64::from(zip_short(&header, 26)) + u64::from(zip_short(&header, 28));
            let data = offset.saturating_add(place).saturating_add(30 + names);
            let method = zip_short(&entry, 10);
            let refusal = if size == ZIP64 || place == ZIP64 {
                Some(
                    "another member has its name, and it is very large; unpack the archive first"
                        .to_owned(),
                )
            } else if count < header.len() || !header.starts_with(b"PK\x03\x04") {
                Some("its place in the archive is wrong".to_owned())
            } else if !spans.take(offset.saturating_add(place), data.saturating_add(size)) {
                Some("its bytes are those of another member too".to_owned())
            } else {
                zip_refusal(zip_short(&entry, 8) & 1 != 0, method)
            };
            if let Some(refusal) = refusal {
                self.unread(&name, refusal);
                continue;
            }
            file.seek(io::SeekFrom::Start(data))?;
            let mut packed = (&mut *file).take(size);
            let input = Counted::new(&mut packed);
            let counts = (Rc::clone(&input.taken), Rc::clone(&input.failed));
            let inner: Box<dyn Read + '_> = match method {
                0 => Box::new(input),
                _ => Box::new(flate2::read::DeflateDecoder::new(input)),
            };
            self.guarded(&name, inner, counts, 0)?;
        }
        Ok(())
    }

    /// The members of a zip archive that comes through a pipe, or has no directory.
    pub(super) fn members_as_they_come(
        &mut self,
        name: &str,
        reader: &mut dyn Read,
        depth: usize,
    ) -> io::Result<Came> {
        let mut members = 0;
        let cut = loop {
            if self.is_spent(name) {
                break None;
            }
            let mut header = [0; 30];
            let count = read_some(reader, &mut header)?;
            match &header[..count.min(4)] {
                // The directory or its end.
                b"PK\x01\x02" | b"PK\x05\x06" | b"PK\x06\x06" => break None,
                b"PK\x03\x04" if count == header.len() => {}
                [] => break Some("the directory is missing".to_owned()),
                _ if count < header.len() => break Some("cut off between members".to_owned()),
                _ => break Some("something else than a member follows".to_owned()),
            }
            let flags = zip_short(&header, 6);
            if let Some(refusal) = zip_refusal(flags & 1 != 0, zip_short(&header, 8)) {
                let lengths = [26, 28].map(|at| u64::from(zip_short(&header, at)));
                let mut path = Vec::new();
                (&mut *reader).take(lengths[0]).read_to_end(&mut path)?;
                self.unread(&format!("{name}/{}", String::from_utf8_lossy(&path)), refusal);
                let size = zip_number(&header, 18);
                if size == ZIP64 || flags & 8 != 0 {
                    break Some("where the next member begins is not known".to_owned());
                }
                io::copy(&mut (&mut *reader).take(lengths[1] + size), &mut io::sink())?;
                continue;
            }
            match zip::read::read_zipfile_from_stream(&mut (&header[..]).chain(&mut *reader)) {
                Ok(Some(mut member)) => {
                    members += 1;
                    self.member(name, &mut member, depth)?;
                }
                Ok(None) => break None,
                Err(zip::result::ZipError::UnsupportedArchive(_)) => {
                    let message = "the lengths of its members are in the zip archive's directory only; give it as a file that is not packed otherwise";
                    self.unread(name, message);
                    break None;
                }
                Err(zip::result::ZipError::Io(error))
                    if error.kind() != io::ErrorKind::UnexpectedEof =>
                {
                    return Err(error);
                }
                Err(error) => break Some(error.to_string()),
            }
        };
        Ok(Came { members, cut })
    }

    fn member<R: Read>(
        &mut self,
        archive: &str,
        member: &mut zip::read::ZipFile<'_, R>,
        depth: usize,
    ) -> io::Result<()> {
        if member.is_dir() {
            return Ok(());
        }
        let name = format!("{archive}/{}", member.name());
        let taken = Rc::new(Cell::new(member.compressed_size().max(1)));
        self.guarded(&name, Box::new(member), (taken, Rc::default()), depth)
    }
}

#[cfg(test)]
mod tests {
    use crate::decompress::samples::{bare_zip, both, gzip, pair, read, unread, zip};
    use crate::decompress::{Input, Limits};
    use std::io::Cursor;

    #[test]
    fn reads_all_members_of_an_archive() {
        let archive = zip(&[("folder/a.log", b"alpha"), ("b.gz", &gzip("beta"))]);
        let (found, warnings) = both(&archive);
        assert_eq!(
            found,
            [
                ("in/folder/a.log".to_owned(), "alpha".to_owned()),
                ("in/b.gz".to_owned(), "beta".to_owned())
            ]
        );
        assert!(warnings.is_empty());
    }

    #[test]
    fn members_with_the_name_of_another_are_read() {
        let mut archive = bare_zip(&[("aa", b"alpha"), ("bb", b"beta"), ("cc", b"gamma")]);
        while let Some(at) = memchr::memmem::find(&archive, b"bb") {
            archive[at..at + 2].copy_from_slice(b"aa");
        }
        let (mut found, warnings) =
            read(Input::File(&mut Cursor::new(&archive)), Limits::default());
        found.sort();
        assert_eq!(found, [pair("in/aa", "alpha"), pair("in/aa", "beta"), pair("in/cc", "gamma")]);
        assert!(warnings.is_empty(), "{warnings:?}");
        // Two archives in one file.
        let two = [bare_zip(&[("a", b"alpha, and more")]), bare_zip(&[("b", b"beta")])].concat();
        assert!(!unread(&two).0.is_empty());
        let same = bare_zip(&[("a", b"alpha")]).repeat(2);
        assert!(!unread(&same).0.is_empty());
    }
}
