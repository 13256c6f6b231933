//! Compressed and UTF-16 input to plain UTF-8 streams: by the first bytes, never by the name.
//!
//! gzip (several members), zstd (several frames), bzip2, xz, and zip, each of whose members is a stream of its own; what comes
//! out may be compressed again. Damage ends a stream with a [`Warning`], not with an error: what came before it counts.

use std::cell::{Cell, RefCell};
use std::io::{self, BufReader, Read, Seek};
use std::rc::Rc;

/// How much may come out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one stream.
    pub output: u64,
    /// Bytes out for each byte in, once more than [`Limits::GRACE`] came out.
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

/// Something that was not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// The stream: `logs.zip/conn.log`.
    pub name: String,
    /// What happened to it.
    pub message: String,
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

/// Bytes that tell the compression.
const MAGIC: usize = 6;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Packing {
    None,
    Utf16Little,
    Utf16Big,
    Gzip,
    Zstd,
    Bzip2,
    Xz,
    Zip,
}

fn packing(head: &[u8]) -> Packing {
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
        _ => Packing::None,
    }
}

/// Whether a stream with this beginning is read as it is: not compressed, no UTF-16.
#[must_use]
pub fn is_plain(head: &[u8]) -> bool {
    packing(head) == Packing::None
}

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
    let mut walk = Walk { limits, each, warnings: Vec::new() };
    match input {
        Input::Pipe(reader) => walk.stream(name, reader, 0)?,
        Input::File(file) => {
            let mut head = [0; MAGIC];
            let start = file.stream_position()?;
            let length = read_some(file, &mut head)?;
            file.seek(io::SeekFrom::Start(start))?;
            if packing(&head[..length]) == Packing::Zip {
                walk.archive(name, file)?;
            } else {
                walk.stream(name, file, 0)?;
            }
        }
    }
    Ok(walk.warnings)
}

/// Fills `buffer` as far as the input reaches.
fn read_some(reader: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut length = 0;
    while length < buffer.len() {
        match reader.read(&mut buffer[length..]) {
            Ok(0) => break,
            Ok(more) => length += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(length)
}

struct Walk<'a> {
    limits: &'a Limits,
    each: &'a mut dyn FnMut(&str, &mut dyn Read) -> io::Result<()>,
    warnings: Vec<Warning>,
}

impl Walk<'_> {
    fn warn(&mut self, name: &str, message: impl Into<String>) {
        self.warnings.push(Warning { name: name.to_owned(), message: message.into() });
    }

    fn stream(&mut self, name: &str, reader: &mut dyn Read, depth: usize) -> io::Result<()> {
        let mut head = [0; MAGIC];
        let length = read_some(reader, &mut head)?;
        let mut whole = (&head[..length]).chain(reader);
        let packing = packing(&head[..length]);
        if packing == Packing::None {
            return (self.each)(name, &mut whole);
        }
        if depth >= MAX_DEPTH {
            self.warn(name, format!("compressed more than {MAX_DEPTH} times; not read further"));
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
            Packing::Zip | Packing::None => {
                let mut input = input;
                return self.members_as_they_come(name, &mut input, depth);
            }
        };
        let mut guarded = Guarded {
            inner: kind,
            limits: *self.limits,
            taken,
            failed,
            given: 0,
            ended: Rc::default(),
        };
        let ended = Rc::clone(&guarded.ended);
        let result = self.stream(name, &mut guarded, depth + 1);
        if let Some(message) = ended.take() {
            self.warn(name, message);
        }
        result
    }

    /// The members of an archive by its directory.
    fn archive(&mut self, name: &str, file: &mut dyn Seekable) -> io::Result<()> {
        let mut archive = match zip::ZipArchive::new(BufReader::new(file)) {
            Ok(archive) => archive,
            Err(zip::result::ZipError::Io(error))
                if error.kind() != io::ErrorKind::UnexpectedEof =>
            {
                return Err(error);
            }
            Err(error) => {
                self.warn(name, format!("damaged zip archive ({error}); its members are not read"));
                return Ok(());
            }
        };
        for index in 0..archive.len() {
            match archive.by_index(index) {
                Ok(mut member) => self.member(name, &mut member, 0)?,
                Err(error) => {
                    self.warn(name, format!("member {} cannot be read: {error}", index + 1));
                }
            }
        }
        Ok(())
    }

    /// The members of an archive that comes through a pipe.
    fn members_as_they_come(
        &mut self,
        name: &str,
        reader: &mut dyn Read,
        depth: usize,
    ) -> io::Result<()> {
        let mut reader = reader;
        loop {
            match zip::read::read_zipfile_from_stream(&mut reader) {
                Ok(Some(mut member)) => self.member(name, &mut member, depth)?,
                Ok(None) => return Ok(()),
                Err(error) => {
                    self.warn(
                        name,
                        format!("zip archive cannot be read to its end from a pipe ({error}); give it as a file"),
                    );
                    return Ok(());
                }
            }
        }
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
        let mut guarded = Guarded {
            inner: Box::new(member),
            limits: *self.limits,
            taken,
            failed: Rc::default(),
            given: 0,
            ended: Rc::default(),
        };
        let ended = Rc::clone(&guarded.ended);
        let result = self.stream(&name, &mut guarded, depth + 1);
        if let Some(message) = ended.take() {
            self.warn(&name, message);
        }
        result
    }
}

/// Counts what is taken from the input, and keeps its errors apart from those of the compression.
struct Counted<'a> {
    inner: &'a mut dyn Read,
    taken: Rc<Cell<u64>>,
    failed: Rc<Cell<bool>>,
}

impl<'a> Counted<'a> {
    fn new(inner: &'a mut dyn Read) -> Self {
        Self { inner, taken: Rc::default(), failed: Rc::default() }
    }
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.inner.read(buffer) {
            Ok(length) => {
                self.taken.set(self.taken.get() + length as u64);
                Ok(length)
            }
            Err(error) => {
                self.failed.set(error.kind() != io::ErrorKind::Interrupted);
                Err(error)
            }
        }
    }
}

/// Ends a stream at damage and at the limits, and says so.
struct Guarded<'a> {
    inner: Box<dyn Read + 'a>,
    limits: Limits,
    taken: Rc<Cell<u64>>,
    failed: Rc<Cell<bool>>,
    given: u64,
    ended: Rc<RefCell<Option<String>>>,
}

impl Guarded<'_> {
    fn end(&self, message: String) -> io::Result<usize> {
        *self.ended.borrow_mut() = Some(message);
        Ok(0)
    }
}

impl Read for Guarded<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() || self.ended.borrow().is_some() {
            return Ok(0);
        }
        let left = self.limits.output.saturating_sub(self.given);
        if left == 0 {
            // At the limit exactly, or beyond it?
            return match self.inner.read(&mut [0]) {
                Ok(0) => Ok(0),
                _ => self.end(format!(
                    "more than {} bytes come out; the rest is not read",
                    self.limits.output
                )),
            };
        }
        let most = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        match self.inner.read(&mut buffer[..most]) {
            Ok(length) => {
                self.given += length as u64;
                let ratio = self.given / self.taken.get().max(1);
                if self.given > Limits::GRACE && ratio > self.limits.ratio {
                    return self.end(format!(
                        "{ratio} times as much comes out as goes in; the rest is not read"
                    ));
                }
                Ok(length)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted || self.failed.get() => {
                Err(error)
            }
            Err(error) => self.end(format!(
                "damaged or cut off after {} bytes ({error}); what came before is read",
                self.given
            )),
        }
    }
}

/// UTF-16 to UTF-8; what is no UTF-16 becomes U+FFFD. The byte order mark goes.
struct Utf8<R> {
    inner: R,
    decoder: encoding_rs::Decoder,
    raw: Vec<u8>,
    /// Bytes of `raw` that are still to be decoded.
    rest: std::ops::Range<usize>,
    /// Decoded bytes that did not fit.
    out: Vec<u8>,
    given: usize,
    done: bool,
}

impl<R: Read> Utf8<R> {
    fn new(inner: R, encoding: &'static encoding_rs::Encoding) -> Self {
        Self {
            inner,
            decoder: encoding.new_decoder_with_bom_removal(),
            raw: vec![0; 16 * 1024],
            rest: 0..0,
            out: vec![0; 64 * 1024],
            given: 0,
            done: false,
        }
    }
}

impl<R: Read> Read for Utf8<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let mut filled = 0..self.given;
        if self.given == 0 {
            while filled.is_empty() && !self.done {
                if self.rest.is_empty() {
                    let length = self.inner.read(&mut self.raw)?;
                    self.rest = 0..length;
                    self.done = length == 0;
                }
                let (_, used, written, _) = self.decoder.decode_to_utf8(
                    &self.raw[self.rest.clone()],
                    &mut self.out,
                    self.done,
                );
                self.rest.start += used;
                filled = 0..written;
            }
        }
        let length = filled.len().min(buffer.len());
        buffer[..length].copy_from_slice(&self.out[..length]);
        self.out.copy_within(length..filled.end, 0);
        self.given = filled.end - length;
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Cursor, Write};

    fn read(input: Input<'_>, limits: Limits) -> (Vec<(String, String)>, Vec<String>) {
        let mut found = Vec::new();
        let warnings = each_stream("in", input, &limits, &mut |name, reader| {
            let mut bytes = Vec::new();
            reader.read_to_end(&mut bytes)?;
            found.push((name.to_owned(), String::from_utf8_lossy(&bytes).into_owned()));
            Ok(())
        })
        .unwrap();
        (found, warnings.into_iter().map(|warning| warning.message).collect())
    }

    fn both(bytes: &[u8]) -> (Vec<(String, String)>, Vec<String>) {
        let file = read(Input::File(&mut Cursor::new(bytes)), Limits::default());
        let pipe = read(Input::Pipe(&mut &*bytes), Limits::default());
        assert_eq!(file, pipe);
        file
    }

    fn gzip(text: &str) -> Vec<u8> {
        let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        writer.write_all(text.as_bytes()).unwrap();
        writer.finish().unwrap()
    }

    fn bzip2(text: &str) -> Vec<u8> {
        let mut writer = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
        writer.write_all(text.as_bytes()).unwrap();
        writer.finish().unwrap()
    }

    fn xz(text: &str) -> Vec<u8> {
        let options = lzma_rust2::XzOptions::with_preset(1);
        let mut writer = lzma_rust2::XzWriter::new(Vec::new(), options).unwrap();
        writer.write_all(text.as_bytes()).unwrap();
        writer.finish().unwrap()
    }

    fn zip(members: &[(&str, &[u8])]) -> Vec<u8> {
        let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
        let options = zip::write::SimpleFileOptions::default();
        writer.add_directory("folder/", options).unwrap();
        for (name, bytes) in members {
            writer.start_file(*name, options).unwrap();
            writer.write_all(bytes).unwrap();
        }
        writer.finish().unwrap().into_inner()
    }

    fn one(text: &str) -> (Vec<(String, String)>, Vec<String>) {
        (vec![("in".to_owned(), text.to_owned())], Vec::new())
    }

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
    fn reads_utf16() {
        let text = "é\u{1f600}x\n".repeat(20_000);
        let little: Vec<u8> = "\u{feff}"
            .encode_utf16()
            .chain(text.encode_utf16())
            .flat_map(u16::to_le_bytes)
            .collect();
        let big: Vec<u8> = "\u{feff}"
            .encode_utf16()
            .chain(text.encode_utf16())
            .flat_map(u16::to_be_bytes)
            .collect();
        assert_eq!(both(&little), one(&text));
        assert_eq!(both(&big), one(&text));
        assert_eq!(both(&[0xFF, 0xFE, b'a', 0, b'b']), one("a\u{fffd}"));
    }

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
    }

    #[test]
    fn stops_at_the_limits() {
        let text = "x".repeat(100);
        let limits = Limits { output: 10, ..Limits::default() };
        let (found, warnings) = read(Input::Pipe(&mut &*gzip(&text)), limits);
        assert_eq!(found[0].1.len(), 10);
        assert_eq!(warnings.len(), 1);
        let limits = Limits { output: 100, ..Limits::default() };
        assert_eq!(read(Input::Pipe(&mut &*gzip(&text)), limits), one(&text));
        let bomb = zstd::encode_all(io::repeat(0).take(200 << 20), 1).unwrap();
        let (found, warnings) = read(Input::Pipe(&mut &*bomb), Limits::default());
        assert!((found[0].1.len() as u64) < 70 << 20);
        assert!(warnings[0].contains("times as much"), "{warnings:?}");
    }

    #[test]
    fn passes_errors_of_the_input_on() {
        struct Failing;
        impl Read for Failing {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("disk"))
            }
        }
        let packed = gzip(&"text ".repeat(10_000));
        let mut input = (&packed[..20]).chain(Failing);
        let result =
            each_stream("in", Input::Pipe(&mut input), &Limits::default(), &mut |_, reader| {
                io::copy(reader, &mut io::sink()).map(|_| ())
            });
        assert!(result.is_err());
    }
}
