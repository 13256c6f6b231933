//! Few bytes can unpack to very many: what goes in and what comes out is counted, and a stream ends at the [`Limits`] or where it is
//! damaged, with a warning.

use super::{Limits, Walk};
use std::cell::{Cell, RefCell};
use std::io::{self, Read};
use std::rc::Rc;

/// What all layers and members of an input have in common.
#[derive(Clone, Default)]
pub(super) struct Budget {
    /// Bytes of the input itself.
    pub(super) taken: Rc<Cell<u64>>,
    /// Bytes that came out of anything.
    given: Rc<Cell<u64>>,
}

impl Budget {
    /// How many times as much came out as went in, if that is too much.
    pub(super) fn excess(&self, limits: &Limits) -> Option<u64> {
        let ratio = self.given.get() / self.taken.get().max(1);
        (self.given.get() > Limits::GRACE && ratio > limits.ratio).then_some(ratio)
    }
}

impl Walk<'_> {
    /// Reads what comes out of a layer.
    pub(super) fn guarded(
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
}

/// Counts what is taken from the input, and keeps its errors apart from those of the compression.
pub(super) struct Counted<'a> {
    pub(super) inner: &'a mut dyn Read,
    pub(super) taken: Rc<Cell<u64>>,
    pub(super) failed: Rc<Cell<bool>>,
}

impl<'a> Counted<'a> {
    pub(super) fn new(inner: &'a mut dyn Read) -> Self {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decompress::samples::{bare_zip, gzip, one, read, unread};
    use crate::decompress::{Input, each_stream};
    use std::io::Cursor;

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
