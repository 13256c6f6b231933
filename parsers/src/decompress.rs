//! Compressed and UTF-16 input to plain UTF-8 streams: by the first bytes, never by the name.
//!
//! gzip (several members), zstd (several frames), bzip2, xz, and zip and tar, each of whose members is a stream of its own; what
//! comes out may be compressed again. Damage ends a stream with a [`Warning`], not with an error: what came before it counts.

mod guard;
mod packing;
#[cfg(test)]
mod samples;
mod tar;
mod utf8;
mod zip;

pub use packing::is_plain;

use self::zip::Came;
use guard::{Budget, Counted};
use packing::{BLOCK, MAGIC, Packing, foreign, packing};
use std::io::{self, BufReader, Read, Seek};
use std::rc::Rc;
use utf8::Utf8;

/// How much may come out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one stream.
    pub output: u64,
    /// Bytes out for each byte in, once more than [`Limits::GRACE`] came out: of one stream, and of all layers and members
    /// together for each byte of the input.
    pub ratio: u64,
}

impl Limits {
    /// The ratio does not count before so many bytes.
    pub const GRACE: u64 = 64 << 20;
}

impl Default for Limits {
    /// A terabyte, and 2,000 to one: logs reach some hundred, a bomb tens of thousands.
    fn default() -> Self {
        Self { output: 1 << 40, ratio: 2_000 }
    }
}

/// Something that was not read, or not as what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// The stream: `logs.zip/conn.log`.
    pub name: String,
    /// What happened to it.
    pub message: String,
    /// Nothing of it was read, or members of it are lost.
    pub is_unread: bool,
}

/// So many warnings are told one by one.
const TOLD: usize = 20;

/// The first warnings about an input, and how many more there are: an archive can have very many members.
#[must_use]
pub fn gathered(name: &str, mut warnings: Vec<Warning>) -> Vec<Warning> {
    let rest = warnings.split_off(warnings.len().min(TOLD));
    for (is_unread, what) in [(true, "that could not be read"), (false, "with warnings")] {
        let count = rest.iter().filter(|warning| warning.is_unread == is_unread).count();
        if count > 0 {
            let message = format!("parts of it {what}: {count} more");
            warnings.push(Warning { name: name.to_owned(), message, is_unread });
        }
    }
    warnings
}

/// What [`each_stream`] reads from.
pub enum Input<'a> {
    /// A file: zip archives are read by their directory.
    File(&'a mut dyn Seekable),
    /// A pipe: zip archives are read as they come.
    Pipe(&'a mut dyn Read),
}

impl std::fmt::Debug for Input<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::File(_) => "File",
            Self::Pipe(_) => "Pipe",
        })
    }
}

/// What can be read at any place.
pub trait Seekable: Read + Seek {}

impl<T: Read + Seek> Seekable for T {}

/// So often may a stream be compressed.
const MAX_DEPTH: usize = 4;

/// Gives every plain stream of an input to `each`, with its name: that of the input, and for a member of an archive
/// `archive/member`. Returns what was not read.
///
/// # Errors
/// Errors of the input itself, and those of `each`.
pub fn each_stream(
    name: &str,
    input: Input<'_>,
    limits: &Limits,
    each: &mut dyn FnMut(&str, &mut dyn Read) -> io::Result<()>,
) -> io::Result<Vec<Warning>> {
    let budget = Budget::default();
    let taken = Rc::clone(&budget.taken);
    let count = |inner| Counted { inner, taken, failed: Rc::default() };
    let mut walk = Walk { limits, each, warnings: Vec::new(), budget };
    match input {
        Input::Pipe(reader) => walk.stream(name, &mut count(reader), 0)?,
        Input::File(file) => {
            let mut head = [0; MAGIC];
            let start = file.stream_position()?;
            let length = read_some(file, &mut head)?;
            file.seek(io::SeekFrom::Start(start))?;
            if packing(&head[..length]) == Packing::Zip {
                walk.archive(name, file)?;
            } else {
                walk.stream(name, &mut count(file), 0)?;
            }
        }
    }
    Ok(walk.warnings)
}

/// Fills `buffer` as far as the input reaches.
fn read_some(reader: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    read_until(reader, buffer, &|_| false)
}

/// As [`read_some`], but a line that is there is enough: who writes into a pipe may take long.
fn read_head(reader: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    read_until(reader, buffer, &|read| read.len() >= MAGIC && read.contains(&b'\n'))
}

/// Fills `buffer` until what was read is enough or the input is over.
fn read_until(
    reader: &mut dyn Read,
    buffer: &mut [u8],
    is_enough: &dyn Fn(&[u8]) -> bool,
) -> io::Result<usize> {
    let mut length = 0;
    while length < buffer.len() && !is_enough(&buffer[..length]) {
        match reader.read(&mut buffer[length..]) {
            Ok(0) => break,
            Ok(more) => length += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(length)
}

/// The way through all layers and members of an input: each is a stream again. How it goes on in archives is in [`zip`] and
/// [`tar`], and what ends it in [`guard`].
struct Walk<'a> {
    limits: &'a Limits,
    each: &'a mut dyn FnMut(&str, &mut dyn Read) -> io::Result<()>,
    warnings: Vec<Warning>,
    budget: Budget,
}

impl Walk<'_> {
    fn warn(&mut self, name: &str, message: impl Into<String>) {
        let (name, message) = (name.to_owned(), message.into());
        self.warnings.push(Warning { name, message, is_unread: false });
    }

    /// Something is lost as a whole.
    fn unread(&mut self, name: &str, message: impl Into<String>) {
        let (name, message) = (name.to_owned(), message.into());
        self.warnings.push(Warning { name, message, is_unread: true });
    }

    /// Whether so much came out that no more members are read.
    fn is_spent(&mut self, name: &str) -> bool {
        let excess = self.budget.excess(self.limits);
        if excess.is_some() {
            self.unread(name, "too much came out of it; the members that follow are not read");
        }
        excess.is_some()
    }

    fn stream(&mut self, name: &str, reader: &mut dyn Read, depth: usize) -> io::Result<()> {
        let mut head = [0; BLOCK];
        let length = read_head(reader, &mut head)?;
        let mut whole = (&head[..length]).chain(reader);
        let packing = packing(&head[..length]);
        if packing == Packing::None {
            if let Some((what, help)) = foreign(&head[..length]) {
                self.warn(name, format!("looks like {what}, read as text; {help}"));
            }
            return (self.each)(name, &mut whole);
        }
        if depth >= MAX_DEPTH {
            self.unread(name, format!("packed more than {MAX_DEPTH} times; unpack it first"));
            return Ok(());
        }
        let input = Counted::new(&mut whole);
        let taken = Rc::clone(&input.taken);
        let failed = Rc::clone(&input.failed);
        let kind: Box<dyn Read + '_> = match packing {
            Packing::Gzip => Box::new(flate2::read::MultiGzDecoder::new(input)),
            Packing::Bzip2 => Box::new(bzip2::read::MultiBzDecoder::new(input)),
            Packing::Xz => Box::new(lzma_rust2::XzReader::new(BufReader::new(input), true)),
            Packing::Zstd => Box::new(zstd::stream::read::Decoder::new(input)?),
            Packing::Utf16Little => Box::new(Utf8::new(input, encoding_rs::UTF_16LE)),
            Packing::Utf16Big => Box::new(Utf8::new(input, encoding_rs::UTF_16BE)),
            Packing::Tar => return self.tar(name, &mut { input }, depth),
            Packing::Zip | Packing::None => {
                let Came { members, cut } =
                    self.members_as_they_come(name, &mut { input }, depth)?;
                if let Some(cut) = cut {
                    let message = format!("zip archive ends early ({cut})");
                    self.cut_archive(name, members, message);
                }
                return Ok(());
            }
        };
        self.guarded(name, kind, (taken, failed), depth)
    }

    fn cut_archive(&mut self, name: &str, members: usize, message: String) {
        if members == 0 {
            self.unread(name, format!("{message}; no member is read"));
        } else {
            self.warn(name, format!("{message}; what comes before is read"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::samples::{bare_zip, both, bzip2, gzip, pair, read, unread, xz, zip};
    use super::*;
    use std::io::Cursor;

    #[test]
    fn keeps_what_came_before_the_damage() {
        let text: String = (0..50_000).map(|number| format!("line {number}\n")).collect();
        for packed in
            [gzip(&text), zstd::encode_all(text.as_bytes(), 1).unwrap(), bzip2(&text), xz(&text)]
        {
            let (found, warnings) = both(&packed[..packed.len() / 2]);
            assert!(text.starts_with(&found[0].1));
            assert_eq!(warnings.len(), 1, "{warnings:?}");
            assert!(warnings[0].contains("damaged or cut off"), "{warnings:?}");
        }
        let (found, _) = both(&gzip(&text)[..gzip(&text).len() - 4]);
        assert_eq!(found[0].1.len(), text.len());
        let (found, warnings) =
            read(Input::File(&mut Cursor::new(&zip(&[("a", b"b")])[..20])), Limits::default());
        assert!(found.is_empty() && warnings.len() == 1);
        // An archive without its directory.
        let archive = zip(&[("a", b"alpha"), ("b", b"beta"), ("c", text.as_bytes())]);
        let cut = &archive[..archive.len() - text.len() / 50];
        let file = read(Input::File(&mut Cursor::new(cut)), Limits::default());
        let pipe = read(Input::Pipe(&mut &*cut), Limits::default());
        assert_eq!((&file.0, file.1.len()), (&pipe.0, pipe.1.len()));
        assert_eq!(file.0[..2], [pair("in/a", "alpha"), pair("in/b", "beta")]);
        assert!(text.starts_with(&file.0[2].1));
    }

    /// Changes the same two bytes of the first member's own header and of its entry in the directory.
    fn marked(archive: &[u8], at: usize, value: u16) -> Vec<u8> {
        let mut archive = archive.to_vec();
        let places = [b"PK\x03\x04", b"PK\x01\x02"].map(|it| memchr::memmem::find(&archive, it));
        for (place, more) in places.into_iter().zip([0, 2]) {
            let at = place.unwrap() + at + more;
            archive[at..at + 2].copy_from_slice(&value.to_le_bytes());
        }
        archive
    }

    #[test]
    fn what_is_wholly_unread_is_told_from_damage() {
        let text: String = (0..50_000).map(|number| format!("line {number}\n")).collect();
        let (lost, told) = unread(&gzip(&text)[..1000]);
        assert_eq!((lost.len(), told.len()), (0, 1));
        assert_eq!(unread(&gzip(&text)[..10]), (vec!["in".to_owned()], vec![]));
        let deep = (0..5).fold(gzip("x"), |bytes, _| zstd::encode_all(&*bytes, 1).unwrap());
        assert_eq!(unread(&deep).0, ["in"]);
        let archive = bare_zip(&[("a", b"alpha"), ("b", b"beta")]);
        // Encrypted, and packed with LZMA; the other member is read, through a pipe as well.
        for archive in [marked(&archive, 6, 1), marked(&archive, 8, 14)] {
            let (found, warnings) = both(&archive);
            assert_eq!(found, [pair("in/b", "beta")]);
            assert!(warnings[0].contains("unpack the archive"), "{warnings:?}");
            assert_eq!(unread(&archive).0, ["in/a"]);
        }
    }

    #[test]
    fn many_warnings_are_counted() {
        let warning =
            |is_unread| Warning { name: "a".to_owned(), message: "b".to_owned(), is_unread };
        let few = vec![warning(true); TOLD];
        assert_eq!(gathered("in", few.clone()), few);
        let many = [vec![warning(false); 30], vec![warning(true); 5]].concat();
        let told = gathered("in", many);
        assert_eq!(told.len(), TOLD + 2);
        assert!(told[TOLD].is_unread && told[TOLD].message.ends_with("5 more"));
        assert!(!told[TOLD + 1].is_unread && told[TOLD + 1].message.ends_with("10 more"));
    }
}
