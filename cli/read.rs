//! From a log to its records: blocks of bytes through a [`Stream`], on one thread.

use crate::input::{Content, Opened};
use crate::printer::Printer;
use crate::temporary;
use sigmund_engine::Record;
use sigmund_parsers::decompress::{self, Limits, Seekable, each_stream};
use sigmund_parsers::windows::{evtx, xml};
use sigmund_parsers::{Counts, Framed, Stream};
use sigmund_stream::reading::Reading;
use std::io::{self, Read, Seek, Write as _};
use tempfile::SpooledTempFile;

/// How much is read at once.
const BLOCK: usize = 256 << 10;

/// How much of a beginning a format is recognised by.
pub(crate) const HEAD: usize = 64 << 10;

/// Takes records as they are read.
pub(crate) trait Consumer {
    /// A stream begins: the log itself, or a member of an archive (`logs.zip/conn.log`).
    fn stream(&mut self, name: &str) {
        let _ = name;
    }

    /// What is in the stream happened at about this time or before, in nanoseconds UTC, by the name or the time of its file.
    fn dated(&mut self, time: i64) {
        let _ = time;
    }

    /// One record: an event or a skip.
    fn record(&mut self, framed: Framed<'_>);

    /// A block of so many bytes is done. An error ends reading.
    fn block(&mut self, bytes: usize) -> io::Result<()> {
        let _ = bytes;
        Ok(())
    }
}

/// What a log, or a part of it, held.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) counts: Counts,
    /// Of its first stream.
    pub(crate) format: Option<&'static str>,
    /// The streams in it.
    pub(crate) streams: Vec<ReadStream>,
    /// Why it could not be read.
    pub(crate) problem: Option<String>,
    /// Damage: what came before it was read, but for what is wholly unread.
    pub(crate) warnings: Vec<decompress::Warning>,
}

/// A stream that was read, or a part of one.
#[derive(Debug)]
pub(crate) struct ReadStream {
    pub(crate) name: String,
    pub(crate) events: u64,
    /// Events of it that no format knows.
    pub(crate) plain: u64,
    /// Events of it without any log source.
    pub(crate) unrouted: u64,
}

impl ReadStream {
    pub(crate) fn of(stream: &Stream, name: &str) -> Self {
        let &Counts { events, plain, unrouted, .. } = stream.counts();
        Self { name: name.to_owned(), events, plain, unrouted }
    }

    /// Most of its events have no log source.
    pub(crate) fn is_unknown(&self) -> bool {
        self.unrouted > self.events / 2
    }

    /// No format knows most of its events.
    pub(crate) fn is_plain(&self) -> bool {
        self.plain > self.events / 2
    }
}

impl Report {
    /// Says what was not read of the log with this name. Whether nothing is wholly unread.
    pub(crate) fn tell(&self, name: &str, printer: &Printer) -> bool {
        let mut is_read = true;
        if let Some(problem) = &self.problem {
            printer.error(&format!("cannot read `{name}`: {problem}"));
            is_read = false;
        }
        for warning in &self.warnings {
            if warning.is_unread {
                printer.error(&format!("cannot read `{}`: {}", warning.name, warning.message));
                is_read = false;
            } else {
                printer.warn(&format!("`{}`: {}", warning.name, warning.message));
            }
        }
        is_read
    }
}

/// The beginning of a stream.
pub(crate) fn head(bytes: &mut dyn Read) -> io::Result<Vec<u8>> {
    let mut head = vec![0; HEAD];
    let Beginning { length, failed } = read_head(bytes, &mut head, false);
    head.truncate(length);
    failed.map_or(Ok(head), Err)
}

/// What was read into a block of the beginning of a stream.
struct Beginning {
    length: usize,
    /// What comes after cannot be read.
    failed: Option<io::Error>,
}

/// Reads the beginning of a stream into a block, of one that is `live` (it may still be written) only its first lines, without waiting for
/// more than says what it is.
fn read_head(bytes: &mut dyn Read, block: &mut [u8], live: bool) -> Beginning {
    let mut length = 0;
    while length < HEAD {
        match bytes.read(&mut block[length..HEAD]) {
            Ok(0) => break,
            Ok(count) => {
                let ends_something =
                    memchr::memchr2(b'\n', b'>', &block[length..length + count]).is_some();
                length += count;
                let head = &block[..length];
                if live && ends_something && head.contains(&b'\n') && !xml::is_prologue(head) {
                    break;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Beginning { length, failed: Some(error) },
        }
    }
    Beginning { length, failed: None }
}

/// What comes after the bytes of a stream that could be read: the error, and then the end.
struct Broken(Option<io::Error>);

impl Read for Broken {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        self.0.take().map_or(Ok(0), Err)
    }
}

/// Event logs are recognised by so many bytes.
const EVENT_LOG_MAGIC: u64 = 8;

/// Packed event logs up to this size are kept in memory, larger ones in a temporary file.
const SPOOL: usize = 16 << 20;

/// Packed event logs are read so far.
const SPOOL_LARGEST: u64 = 4 << 30;

/// The bytes of a stream.
enum Bytes<'a> {
    /// A file as it is.
    File(&'a mut dyn Seekable),
    /// What comes out of a pipe or a packed file.
    Flow(&'a mut dyn Read),
}

impl Read for Bytes<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::File(file) => file.read(buffer),
            Self::Flow(flow) => flow.read(buffer),
        }
    }
}

/// The oldest records of an event log may be anywhere in it, so one that cannot be read at any place is kept.
fn spool(
    name: &str,
    start: &[u8],
    rest: &mut dyn Read,
    damaged: &mut Vec<decompress::Warning>,
) -> io::Result<SpooledTempFile> {
    let failed = |error| temporary::failed("keeping a large event log (packed or piped)", &error);
    let mut file = SpooledTempFile::new(SPOOL);
    file.write_all(start).map_err(failed)?;
    let mut block = vec![0; BLOCK];
    let mut left = SPOOL_LARGEST.saturating_sub(start.len() as u64);
    while left > 0 {
        let most = block.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        match rest.read(&mut block[..most]) {
            Ok(0) => break,
            Ok(count) => {
                file.write_all(&block[..count]).map_err(failed)?;
                left -= count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    if left == 0 {
        let message = format!("only its first {} GiB were read; unpack it", SPOOL_LARGEST >> 30);
        damaged.push(decompress::Warning { name: name.to_owned(), message, is_unread: false });
    }
    Ok(file)
}

/// What could not be read of an event log: the first problems, and how many more there are.
fn damage<R: Read + Seek>(name: &str, lines: &evtx::JsonLines<R>) -> Vec<decompress::Warning> {
    let told = lines.problems();
    let more = lines.bad() - told.len() as u64;
    let rest = (more > 0).then(|| format!("{more} more such records or chunks"));
    let is_unread = lines.good() == 0 && lines.bad() > 0;
    let whole = is_unread.then(|| decompress::Warning {
        name: name.to_owned(),
        message: "no record can be read".to_owned(),
        is_unread,
    });
    let warning =
        |message| decompress::Warning { name: name.to_owned(), message, is_unread: false };
    let parts = lines.doubts().chain(told.iter().cloned()).chain(rest).map(warning);
    whole.into_iter().chain(parts).collect()
}

/// Gets each stream of an input with its name.
type EachStream<'a> = dyn FnMut(&str, Bytes<'_>) -> io::Result<()> + 'a;

/// Gives each stream of a file to `each`: the file itself if it is not packed.
fn each_of_file(
    name: &str,
    file: &mut dyn Seekable,
    each: &mut EachStream<'_>,
) -> io::Result<Vec<decompress::Warning>> {
    if file.stream_position().is_err() {
        // A pipe with a name, as shells make them of `<(command)`.
        return each_of_pipe(name, file, each);
    }
    let mut start = Vec::new();
    file.take(EVENT_LOG_MAGIC).read_to_end(&mut start)?;
    file.rewind()?;
    if evtx::is_evtx(&start) {
        return each(name, Bytes::File(file)).map(|()| Vec::new());
    }
    let input = decompress::Input::File(file);
    each_stream(name, input, &Limits::default(), &mut |name, flow| each(name, Bytes::Flow(flow)))
}

/// Gives each stream of a pipe to `each`.
fn each_of_pipe(
    name: &str,
    mut pipe: &mut dyn Read,
    each: &mut EachStream<'_>,
) -> io::Result<Vec<decompress::Warning>> {
    let input = decompress::Input::Pipe(&mut pipe);
    each_stream(name, input, &Limits::default(), &mut |name, flow| each(name, Bytes::Flow(flow)))
}

/// The buffers of reading, reused from log to log.
pub(crate) struct Reader {
    record: Record,
    block: Vec<u8>,
    /// Whether the log may still be written.
    live: bool,
}

impl Reader {
    /// `record` says which fields are wanted.
    pub(crate) fn new(record: Record) -> Self {
        Self { record, block: vec![0; BLOCK], live: false }
    }

    /// Reads a log to its end, decompressed. The error is the consumer's; what goes wrong while reading is in the report.
    pub(crate) fn log(
        &mut self,
        opened: Opened,
        reading: &Reading,
        consumer: &mut dyn Consumer,
    ) -> io::Result<Report> {
        let Opened { content, name, modified } = opened;
        // Who writes into a pipe may take long: what is there is read.
        self.live = matches!(content, Content::Pipe(_));
        let mut report = Report::default();
        let mut refused = None;
        let mut damaged = Vec::new();
        let mut each = |name: &str, mut bytes: Bytes<'_>| {
            consumer.stream(name);
            let Beginning { length, failed } = read_head(&mut bytes, &mut self.block, self.live);
            let start = &self.block[..length];
            let file_name = name.rsplit(['/', '\\']).next().unwrap_or_default();
            let info = reading.file_info(file_name, modified);
            consumer.dated(info.reference_time);
            let (stream, result) = if let Some(error) = failed {
                if evtx::is_evtx(start) {
                    // Without its chunks nothing of it can be read.
                    return Err(error);
                }
                // What was read of it counts.
                let mut stream = Stream::open(info, start, reading.forced);
                let rest = &mut Broken(Some(error));
                let result = self.stream(&mut stream, length, rest, consumer);
                (stream, result)
            } else if evtx::is_evtx(start) {
                let mut spooled;
                let file: &mut dyn Seekable = match &mut bytes {
                    Bytes::File(file) => *file,
                    Bytes::Flow(rest) => {
                        spooled = spool(name, start, rest, &mut damaged)?;
                        &mut spooled
                    }
                };
                let mut lines = evtx::JsonLines::new(file);
                let Beginning { length, failed } = read_head(&mut lines, &mut self.block, false);
                let mut stream = Stream::open(info, &self.block[..length], Some(&evtx::Evtx));
                let result = match failed {
                    Some(error) => {
                        self.stream(&mut stream, length, &mut Broken(Some(error)), consumer)
                    }
                    None => self.stream(&mut stream, length, &mut lines, consumer),
                };
                damaged.extend(damage(name, &lines));
                (stream, result)
            } else {
                let mut stream = Stream::open(info, start, reading.forced);
                let result = self.stream(&mut stream, length, &mut bytes, consumer);
                (stream, result)
            };
            report.counts.add(stream.counts());
            report.format.get_or_insert(stream.format());
            let read = ReadStream::of(&stream, name);
            // An archive may have any number of members.
            report.streams.extend(Some(read).filter(ReadStream::is_unknown));
            match result {
                Ok(None) => Ok(()),
                Ok(Some(problem)) => Err(problem),
                Err(error) => {
                    refused = Some(error);
                    Err(io::Error::other("stopped"))
                }
            }
        };
        let walked = match content {
            Content::File(mut file) => each_of_file(&name, &mut file, &mut each),
            Content::Memory(mut bytes) => each_of_file(&name, &mut bytes, &mut each),
            Content::Pipe(mut pipe) => each_of_pipe(&name, &mut pipe, &mut each),
        };
        if let Some(error) = refused {
            return Err(error);
        }
        match walked {
            Ok(warnings) => damaged.extend(warnings),
            Err(error) => report.problem = Some(error.to_string()),
        }
        report.warnings = decompress::gathered(&name, damaged);
        Ok(report)
    }

    /// Reads a part of a stream to its end. The error is the consumer's; what goes wrong while reading is given.
    pub(crate) fn part(
        &mut self,
        stream: &mut Stream,
        bytes: &mut dyn Read,
        consumer: &mut dyn Consumer,
    ) -> io::Result<Option<io::Error>> {
        self.stream(stream, 0, bytes, consumer)
    }

    /// Reads a stream of which so many bytes are in the block.
    fn stream(
        &mut self,
        stream: &mut Stream,
        mut filled: usize,
        reader: &mut dyn Read,
        consumer: &mut dyn Consumer,
    ) -> io::Result<Option<io::Error>> {
        let Self { record, block, live } = self;
        // Bytes that the consumer was not told of yet.
        let mut fresh = filled;
        let mut problem = None;
        let mut line_is_there = *live && block[..filled].contains(&b'\n');
        loop {
            let mut last = false;
            while filled < block.len() && !line_is_there {
                match reader.read(&mut block[filled..]) {
                    Ok(0) => {
                        last = true;
                        break;
                    }
                    Ok(count) => {
                        line_is_there = *live && block[filled..filled + count].contains(&b'\n');
                        filled += count;
                        fresh += count;
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => {
                        problem = Some(error);
                        last = true;
                        break;
                    }
                }
            }
            let each = &mut |framed: Framed<'_>| consumer.record(framed);
            line_is_there = false;
            let used = stream.read(&block[..filled], last, record, each);
            consumer.block(std::mem::take(&mut fresh))?;
            if last {
                return Ok(problem);
            }
            if used == 0 && filled == block.len() {
                // A record that is longer than the block; the framer has a limit for those.
                block.resize(block.len() * 2, 0);
            }
            block.copy_within(used..filled, 0);
            filled -= used;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::LogOptions;
    use std::io::Cursor;

    fn crc32(bytes: &[u8]) -> u32 {
        bytes.iter().fold(u32::MAX, |crc, byte| {
            (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 * (crc & 1)))
        }) ^ u32::MAX
    }

    /// A Windows event log with a chunk for each of these: the number of its record, and the name of the element in it.
    fn event_log(chunks: &[(u64, &str)]) -> Vec<u8> {
        let mut log = b"ElfFile\0".to_vec();
        log.resize(4096, 0);
        let checksum = crc32(&log[..120]);
        log[124..128].copy_from_slice(&checksum.to_le_bytes());
        for (number, name) in chunks {
            let name: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
            // An open element: where its name stands (right behind), the name, its end.
            let mut record = [15, 1, 1, 0, 1, 0, 0, 0, 0].to_vec();
            record.extend(549_u32.to_le_bytes());
            record.extend([0; 6]);
            record.extend((name.len() as u16 / 2).to_le_bytes());
            record.extend(name);
            record.extend([0, 0, 3, 0]);
            let size = record.len() as u32 + 28;
            let mut chunk = vec![0; 64 << 10];
            chunk[..8].copy_from_slice(b"ElfChnk\0");
            for at in [8, 16, 24, 32, 520] {
                chunk[at..at + 8].copy_from_slice(&number.to_le_bytes());
            }
            for (at, value) in [(40, 128), (44, 512), (48, 512 + size), (512, 0x2a2a), (516, size)]
            {
                chunk[at..at + 4].copy_from_slice(&u32::to_le_bytes(value));
            }
            chunk[536..536 + record.len()].copy_from_slice(&record);
            let end = 512 + size as usize;
            chunk[end - 4..end].copy_from_slice(&size.to_le_bytes());
            for (at, parts) in [(52, [512..end, 0..0]), (124, [0..120, 128..512])] {
                let checksum = crc32(&parts.map(|part| &chunk[part]).concat());
                chunk[at..at + 4].copy_from_slice(&checksum.to_le_bytes());
            }
            log.extend(chunk);
        }
        log
    }

    struct Texts(Vec<String>);

    impl Consumer for Texts {
        fn record(&mut self, framed: Framed<'_>) {
            self.0.push(String::from_utf8_lossy(framed.bytes).into_owned());
        }
    }

    fn read(content: Content) -> (Vec<String>, Report) {
        let reading = crate::plan::reading(&LogOptions::default()).expect("no options");
        let opened = Opened { content, name: "x".to_owned(), modified: 0 };
        let mut texts = Texts(Vec::new());
        let report = Reader::new(Record::collecting()).log(opened, &reading, &mut texts);
        (texts.0, report.expect("a report"))
    }

    #[test]
    fn event_logs_are_read_the_same_packed_and_plain() {
        let mut log = event_log(&[(7, "C"), (9, "D"), (3, "A"), (5, "B")]);
        log.extend(b"ElfChnk\0cut");
        let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
        zip.start_file("x.evtx", zip::write::SimpleFileOptions::default()).expect("a member");
        zip.write_all(&log).expect("memory");
        let zip = zip.finish().expect("memory").into_inner();
        for bytes in [log, zip] {
            let (texts, report) = read(Content::Memory(Cursor::new(bytes)));
            let expected = ["A", "B", "C", "D"].map(|name| format!("{{\"{name}\":null}}"));
            assert_eq!(texts, expected);
            assert_eq!(report.format, Some("evtx"));
            let warnings: Vec<&str> =
                report.warnings.iter().map(|warning| &*warning.message).collect();
            assert_eq!(warnings, ["offset 266240: the file ends within a chunk header"]);
        }
    }

    /// Gives these one after the other, and then an error.
    struct Chunks<'a>(Vec<&'a [u8]>);

    impl Read for Chunks<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            if self.0.is_empty() {
                return Err(io::Error::other("gone"));
            }
            (&mut self.0.remove(0)).read(buffer)
        }
    }

    #[test]
    fn what_is_read_before_an_error_counts() {
        let reading = crate::plan::reading(&LogOptions::default()).expect("no options");
        let mut reader = Reader::new(Record::collecting());
        let mut chunks = Chunks(vec![b"{\"a\":1}\n{\"a\"", b":2}\n"]);
        let Beginning { length, failed } = read_head(&mut chunks, &mut reader.block, false);
        let info = reading.file_info("x", 0);
        let mut stream = Stream::open(info, &reader.block[..length], None);
        let mut texts = Texts(Vec::new());
        let problem = reader.stream(&mut stream, length, &mut Broken(failed), &mut texts);
        assert_eq!(texts.0, ["{\"a\":1}", "{\"a\":2}"]);
        assert_eq!(problem.unwrap().unwrap().to_string(), "gone");
    }

    #[test]
    fn a_live_head_goes_on_until_it_says_something() {
        let read = |chunks: &[&[u8]]| {
            let mut block = vec![0; BLOCK];
            let head = read_head(&mut Chunks(chunks.to_vec()), &mut block, true);
            (String::from_utf8_lossy(&block[..head.length]).into_owned(), head.failed.is_some())
        };
        let head = |text: &str| (text.to_owned(), false);
        assert_eq!(read(&[b"a", b"b\nc", b"d\n"]), head("ab\nc"));
        assert_eq!(read(&[b"<34>x\n", b"<35>y\n"]), head("<34>x\n"));
        let xml: [&[u8]; 5] =
            [b"\xEF\xBB\xBF<?xml", b" ?>\n", b"<Events>\n<Even", b"t><S>", b"x\n"];
        assert_eq!(read(&xml), head("\u{feff}<?xml ?>\n<Events>\n<Event><S>"));
        let wide = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
        let xml = [wide("\u{feff}<?xml ?>\n"), wide("<Event a='b'/>"), wide("\n")];
        let xml: Vec<&[u8]> = xml.iter().map(|part| &**part).collect();
        let (text, _) = read(&xml);
        assert!(text.replace('\0', "").ends_with("<Event a='b'/>"), "{text}");
        // What never says more is read as far as a head goes.
        assert_eq!(read(&[b"<?xml ?>\n", b"<other/>\n"]).0, "<?xml ?>\n<other/>\n");
    }

    #[cfg(unix)]
    #[test]
    fn a_pipe_with_a_name_is_read_as_a_pipe() {
        let (reader, mut writer) = io::pipe().expect("a pipe");
        writer.write_all(b"{\"a\":1}\n{\"a\":2}\n").expect("room in the pipe");
        drop(writer);
        let file = std::fs::File::from(std::os::fd::OwnedFd::from(reader));
        let (texts, report) = read(Content::File(file));
        assert_eq!(texts, ["{\"a\":1}", "{\"a\":2}"]);
        assert_eq!(report.problem, None);
    }
}
