//! UTF-16 as UTF-8, as it comes.

use std::io::{self, Read};

/// UTF-16 to UTF-8; what is no UTF-16 becomes U+FFFD. The byte order mark goes.
pub(super) struct Utf8<R> {
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
    pub(super) fn new(inner: R, encoding: &'static encoding_rs::Encoding) -> Self {
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
    use crate::decompress::samples::{both, one};

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
}
