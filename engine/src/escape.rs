//! JSON string escapes.

use crate::vector::{self, Block, Operations, Pass};

/// Appends the text between the quotes of a JSON string, decoded. Broken escapes stay as they are; lone surrogates
/// become U+FFFD (RFC 8259 section 8.2 leaves them open). Bytes that are not UTF-8 pass through.
///
/// ```
/// let mut out = Vec::new();
/// sigmund_engine::escape::unescape_json(br"C:\\x\u00e9\ud83d\ude00\ud800", &mut out);
/// assert_eq!(String::from_utf8(out).unwrap(), "C:\\xé😀\u{FFFD}");
/// ```
pub fn unescape_json(text: &[u8], out: &mut Vec<u8>) {
    vector::run(Unescape { text, out });
}

/// A block of text is copied as it is; up to its first backslash it is right, and from behind that escape on the next one is copied.
struct Unescape<'a> {
    text: &'a [u8],
    out: &'a mut Vec<u8>,
}

impl Pass for Unescape<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self, with: impl Operations) {
        const WIDTH: usize = size_of::<Block>();
        let Self { text, out } = self;
        // The end of the text, with room behind it.
        let mut end = [0; 2 * WIDTH];
        let end_at = text.len().saturating_sub(WIDTH - 1);
        end[..text.len() - end_at].copy_from_slice(&text[end_at..]);
        let mut at = 0;
        while at < text.len() {
            let block: Option<&Block> = match text.get(at..).and_then(<[u8]>::first_chunk) {
                // Fewer bytes are left.
                None => end.get(at - end_at..).and_then(<[u8]>::first_chunk),
                whole => whole,
            };
            let Some(block) = block else { break };
            let before = out.len();
            out.extend_from_slice(block);
            let found = (with.equal(block, b'\\').trailing_zeros() as usize).min(text.len() - at);
            out.truncate(before + found);
            at += found;
            if found < WIDTH && at < text.len() {
                at += escape(text, at, out);
            }
        }
    }
}

/// Decodes the escape that begins at `at`, and says how long it is.
#[inline(always)]
fn escape(text: &[u8], at: usize, out: &mut Vec<u8>) -> usize {
    let Some(escape) = text.get(at + 1) else {
        out.push(b'\\');
        return 1;
    };
    out.push(match escape {
        b'"' | b'\\' | b'/' => *escape,
        b'b' => 8,
        b'f' => 12,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'u' => return unicode_escape(text, at + 2, out),
        other => {
            out.extend_from_slice(&[b'\\', *other]);
            return 2;
        }
    });
    2
}

/// The same for one by number, whose digits begin at `at`.
#[cold]
fn unicode_escape(text: &[u8], at: usize, out: &mut Vec<u8>) -> usize {
    let Some(unit) = hex4(text, at) else {
        out.extend_from_slice(b"\\u");
        return 2;
    };
    let mut length = 6;
    let mut character = char::from_u32(unit);
    if (0xD800..0xDC00).contains(&unit)
        && text.get(at + 4..at + 6) == Some(b"\\u")
        && let Some(low @ 0xDC00..0xE000) = hex4(text, at + 6)
    {
        length += 6;
        character = char::from_u32(0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00));
    }
    let character = character.unwrap_or(char::REPLACEMENT_CHARACTER);
    out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    length
}

fn hex4(text: &[u8], at: usize) -> Option<u32> {
    let digits = text.get(at..at + 4)?;
    digits.iter().try_fold(0, |unit, digit| Some(unit * 16 + char::from(*digit).to_digit(16)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Byte by byte.
    fn plainly(text: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        let mut at = 0;
        while let Some(byte) = text.get(at) {
            at += 1;
            let Some(escape) = text.get(at).filter(|_| *byte == b'\\') else {
                out.push(*byte);
                continue;
            };
            at += 1;
            let unit = |at| hex4(text, at);
            match (escape, unit(at)) {
                (b'u', Some(high @ 0xD800..0xDC00)) => {
                    at += 4;
                    let low = if text[at..].starts_with(b"\\u") { unit(at + 2) } else { None };
                    let pair = match low {
                        Some(low @ 0xDC00..0xE000) => [high as u16, low as u16],
                        _ => [high as u16, b'x'.into()],
                    };
                    let decoded = String::from_utf16_lossy(&pair);
                    at += if decoded.ends_with('x') { 0 } else { 6 };
                    out.extend_from_slice(decoded.trim_end_matches('x').as_bytes());
                }
                (b'u', Some(unit)) => {
                    at += 4;
                    out.extend_from_slice(String::from_utf16_lossy(&[unit as u16]).as_bytes());
                }
                _ => {
                    match b"\"\"\\\\//b\x08f\x0Cn\nr\rt\t".chunks(2).find(|pair| pair[0] == *escape)
                    {
                        Some(pair) => out.push(pair[1]),
                        None => out.extend_from_slice(&[b'\\', *escape]),
                    }
                }
            }
        }
        out
    }

    proptest! {
        #[test]
        fn escapes_are_decoded_as_byte_by_byte(
            parts in prop::collection::vec(
                prop::sample::select(&[
                    "\\", "\\\\", "\\\"", "\\n", "\\t", "\\x", "\\/", "\\b", "\\u0041", "\\u00e9", "\\ud83d", "\\ude00",
                    "\\u12", "u", "a", "é", "plain text", "text that is longer than one block, whatever that is: so it goes on and on, for a while", "C:\\\\Windows\\\\System32",
                ]),
                0..12,
            ),
        ) {
            let text = parts.concat();
            let mut out = b"before".to_vec();
            unescape_json(text.as_bytes(), &mut out);
            prop_assert_eq!(&out[6..], plainly(text.as_bytes()), "`{}`", text);
        }
    }
}
