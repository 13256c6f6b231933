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
