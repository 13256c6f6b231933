//! JSON string escapes.

/// Appends the text between the quotes of a JSON string, decoded. Broken escapes stay as they are; lone surrogates
/// become U+FFFD (RFC 8259 section 8.2 leaves them open). Bytes that are not UTF-8 pass through.
///
/// ```
/// let mut out = Vec::new();
/// sigmund_engine::escape::unescape_json(br"C:\\x\u00e9\ud83d\ude00\ud800", &mut out);
/// assert_eq!(String::from_utf8(out).unwrap(), "C:\\xé😀\u{FFFD}");
/// ```
pub fn unescape_json(text: &[u8], out: &mut Vec<u8>) {
    let mut at = 0;
    while let Some(found) = memchr::memchr(b'\\', &text[at..]) {
        out.extend_from_slice(&text[at..at + found]);
        at += found;
        let Some(escape) = text.get(at + 1) else { break };
        at += 2;
        match escape {
            b'"' | b'\\' | b'/' => out.push(*escape),
            b'b' => out.push(8),
            b'f' => out.push(12),
            b'n' => out.push(b'\n'),
            b'r' => out.push(b'\r'),
            b't' => out.push(b'\t'),
            b'u' => match hex4(text, at) {
                None => out.extend_from_slice(b"\\u"),
                Some(unit) => {
                    at += 4;
                    let mut character = char::from_u32(unit);
                    if (0xD800..0xDC00).contains(&unit)
                        && text.get(at..at + 2) == Some(b"\\u")
                        && let Some(low @ 0xDC00..0xE000) = hex4(text, at + 2)
                    {
                        at += 6;
                        character =
                            char::from_u32(0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00));
                    }
                    let character = character.unwrap_or(char::REPLACEMENT_CHARACTER);
                    out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                }
            },
            other => out.extend_from_slice(&[b'\\', *other]),
        }
    }
    out.extend_from_slice(&text[at..]);
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
                    "\\u12", "u", "a", "é", "plain text", "C:\\\\Windows\\\\System32",
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
