//! Compressed and UTF-16 input to plain UTF-8 streams: by the first bytes, never by the name.
//!
//! gzip (several members), zstd (several frames), bzip2, xz, and zip and tar, each of whose members is a stream of its own; what
//! comes out may be compressed again. Damage ends a stream with a [`Warning`], not with an error: what came before it counts.

use crate::windows::evtx::is_evtx;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashSet};
use std::io::{self, BufReader, Read, Seek};
use std::rc::Rc;

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

/// Bytes that tell the compression.
const MAGIC: usize = 6;

/// Bytes that tell what else it may be: a block of a tar archive.
const BLOCK: usize = 512;

/// The names and attributes of one member of a tar archive.
const TAR_ATTRIBUTES: u64 = 1 << 20;

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
    Tar,
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
fn foreign(head: &[u8]) -> Option<(&'static str, &'static str)> {
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

/// What all layers and members of an input have in common.
#[derive(Clone, Default)]
struct Budget {
    /// Bytes of the input itself.
    taken: Rc<Cell<u64>>,
    /// Bytes that came out of anything.
    given: Rc<Cell<u64>>,
}

impl Budget {
    /// How many times as much came out as went in, if that is too much.
    fn excess(&self, limits: &Limits) -> Option<u64> {
        let ratio = self.given.get() / self.taken.get().max(1);
        (self.given.get() > Limits::GRACE && ratio > limits.ratio).then_some(ratio)
    }
}

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
struct Came {
    members: usize,
    /// Why there are no more, unless they were all.
    cut: Option<String>,
}

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

    /// Reads what comes out of a layer.
    fn guarded(
        &mut self,
        name: &str,
        inner: Box<dyn Read + '_>,
        (taken, failed): (Rc<Cell<u64>>, Rc<Cell<bool>>),
        depth: usize,
    ) -> io::Result<()> {
        let mut guarded = Guarded {
            inner,
            limits: *self.limits,
            taken,
            failed,
            given: 0,
            budget: self.budget.clone(),
            ended: Rc::default(),
        };
        let ended = Rc::clone(&guarded.ended);
        let result = self.stream(name, &mut guarded, depth + 1);
        match ended.take() {
            Some(message) if guarded.given == 0 => self.unread(name, message),
            Some(message) => self.warn(name, message),
            None => {}
        }
        result
    }

    fn cut_archive(&mut self, name: &str, members: usize, message: String) {
        if members == 0 {
            self.unread(name, format!("{message}; no member is read"));
        } else {
            self.warn(name, format!("{message}; what comes before is read"));
        }
    }

    /// The members of a tar archive (POSIX.1-1988 and pax, GNU's long names).
    fn tar(&mut self, name: &str, reader: &mut dyn Read, depth: usize) -> io::Result<()> {
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

    /// The members of a zip archive by its directory, or as they come if it has none.
    fn archive(&mut self, name: &str, file: &mut dyn Seekable) -> io::Result<()> {
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
    fn members_as_they_come(
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
    budget: Budget,
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
                self.budget.given.set(self.budget.given.get() + length as u64);
                let own = self.given / self.taken.get().max(1);
                let own = (self.given > Limits::GRACE && own > self.limits.ratio).then_some(own);
                if let Some(ratio) = own.or_else(|| self.budget.excess(&self.limits)) {
                    return self.end(format!(
                        "{ratio} times as much comes out as goes in; the rest is not read"
                    ));
                }
                Ok(length)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted || self.failed.get() => {
                Err(error)
            }
            Err(error) if self.given == 0 => {
                self.end(format!("damaged or cut off: nothing can be unpacked ({error})"))
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
        // An archive without its directory.
        let archive = zip(&[("a", b"alpha"), ("b", b"beta"), ("c", text.as_bytes())]);
        let cut = &archive[..archive.len() - text.len() / 50];
        let file = read(Input::File(&mut Cursor::new(cut)), Limits::default());
        let pipe = read(Input::Pipe(&mut &*cut), Limits::default());
        assert_eq!((&file.0, file.1.len()), (&pipe.0, pipe.1.len()));
        assert_eq!(file.0[..2], [pair("in/a", "alpha"), pair("in/b", "beta")]);
        assert!(text.starts_with(&file.0[2].1));
    }

    fn pair(name: &str, text: &str) -> (String, String) {
        (name.to_owned(), text.to_owned())
    }

    /// Which streams are wholly unread, and what is said of others.
    fn unread(bytes: &[u8]) -> (Vec<String>, Vec<String>) {
        let mut input = Cursor::new(bytes);
        let each =
            &mut |_: &str, reader: &mut dyn Read| io::copy(reader, &mut io::sink()).map(|_| ());
        let warnings =
            each_stream("in", Input::File(&mut input), &Limits::default(), each).unwrap();
        let (unread, told): (Vec<_>, Vec<_>) = warnings.into_iter().partition(|it| it.is_unread);
        let told = told.into_iter().map(|warning| warning.message).collect();
        (unread.into_iter().map(|warning| warning.name).collect(), told)
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

    /// Without a folder, which would be the first member.
    fn bare_zip(members: &[(&str, &[u8])]) -> Vec<u8> {
        let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
        for (name, bytes) in members {
            writer.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
            writer.write_all(bytes).unwrap();
        }
        writer.finish().unwrap().into_inner()
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

    #[test]
    fn layers_and_members_share_one_limit() {
        // Each layer for itself is below the ratio.
        let inner = {
            let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
            io::copy(&mut io::repeat(b'a').take(400 << 20), &mut writer).unwrap();
            writer.finish().unwrap()
        };
        let outer = zstd::encode_all(&*inner, 1).unwrap();
        assert!(400 << 20 > 2_000 * outer.len());
        let (lost, told) = unread(&outer);
        assert!(lost.is_empty() && told[0].contains("times as much"), "{told:?}");
        // Both entries of the directory are those of the same bytes.
        let mut archive = bare_zip(&[("a", b"alpha"), ("b", b"beta")]);
        let first = memchr::memmem::find(&archive, b"PK\x01\x02").unwrap();
        let second = first + 46 + 1;
        assert!(archive[second..].starts_with(b"PK\x01\x02"));
        for (at, length) in [(10, 2), (16, 12), (42, 4)] {
            archive.copy_within(first + at..first + at + length, second + at);
        }
        let (found, warnings) = read(Input::File(&mut Cursor::new(&archive)), Limits::default());
        assert_eq!(found.len(), 1);
        assert!(warnings[0].contains("another member"), "{warnings:?}");
    }

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

    #[test]
    fn stops_at_the_limits() {
        let text = "x".repeat(100);
        let limits = Limits { output: 10, ..Limits::default() };
        let (found, warnings) = read(Input::Pipe(&mut &*gzip(&text)), limits);
        assert_eq!(found[0].1.len(), 10);
        assert_eq!(warnings.len(), 1);
        let limits = Limits { output: 100, ..Limits::default() };
        assert_eq!(read(Input::Pipe(&mut &*gzip(&text)), limits), one(&text));
        let bomb = zstd::encode_all(io::repeat(b'a').take(200 << 20), 1).unwrap();
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
