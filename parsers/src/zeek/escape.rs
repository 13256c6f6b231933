//! Escapes of Zeek's TSV writer.
//!
//! `\xNN` stands for a byte and `\\` for a backslash (zeek `src/Desc.cc`). Text is brought to what Zeek's JSON
//! writer would say of it: bytes that are no text (control characters, invalid UTF-8) stay as the four characters `\xNN`
//! (`src/threading/formatters/JSON.cc`, `json_escape_utf8`), so that one rule fits both logs.

fn hex(bytes: &[u8]) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    match bytes {
        [high, low, ..] => u8::try_from(digit(*high)? * 16 + digit(*low)?).ok(),
        _ => None,
    }
}

/// Decodes escapes to bytes, whatever they are.
pub(super) fn decode_bytes(mut text: &[u8], out: &mut Vec<u8>) {
    while let Some(at) = memchr::memchr(b'\\', text) {
        out.extend_from_slice(&text[..at]);
        let rest = &text[at + 1..];
        text = match rest.first() {
            Some(b'\\') => {
                out.push(b'\\');
                &rest[1..]
            }
            Some(b'x') => match hex(&rest[1..]) {
                Some(byte) => {
                    out.push(byte);
                    &rest[3..]
                }
                None => {
                    out.push(b'\\');
                    rest
                }
            },
            _ => {
                out.push(b'\\');
                rest
            }
        };
    }
    out.extend_from_slice(text);
}

/// Decodes a cell or element to text; bytes that are no text stay written as `\xNN`.
pub(super) fn decode(text: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    decode_bytes(text, out);
    if out[start..].iter().all(|byte| is_plain(*byte)) {
        return;
    }
    let decoded = out.split_off(start);
    for chunk in decoded.utf8_chunks() {
        for character in chunk.valid().chars() {
            if u8::try_from(character).is_ok_and(|byte| byte.is_ascii() && !is_plain(byte)) {
                escape_byte(character as u8, out);
            } else {
                out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            }
        }
        chunk.invalid().iter().for_each(|byte| escape_byte(*byte, out));
    }
}

/// ASCII that JSON can say as itself.
fn is_plain(byte: u8) -> bool {
    matches!(byte, 0x20..=0x7e | 0x08 | 0x09 | 0x0a | 0x0c | 0x0d)
}

fn escape_byte(byte: u8, out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.extend_from_slice(&[
        b'\\',
        b'x',
        DIGITS[usize::from(byte >> 4)],
        DIGITS[usize::from(byte & 15)],
    ]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(text: &[u8]) -> String {
        let mut out = Vec::new();
        decode(text, &mut out);
        String::from_utf8(out).expect("decoded text is UTF-8")
    }

    #[test]
    fn printable_escapes_become_characters() {
        assert_eq!(decoded(br"\x2d"), "-");
        assert_eq!(decoded(br"\x23 no comment"), "# no comment");
        assert_eq!(decoded(br"\\\\10.0.0.12\\IPC$"), r"\\10.0.0.12\IPC$");
        assert_eq!(decoded(br"a\x09b"), "a\tb");
        assert_eq!(decoded(br"\xc3\xa4"), "ä");
    }

    #[test]
    fn bytes_that_are_no_text_stay_written_out() {
        assert_eq!(decoded(br"AB\x00CD"), r"AB\x00CD");
        assert_eq!(decoded(br"AB\xffCD\xFE"), r"AB\xffCD\xfe");
        assert_eq!(decoded(b"raw\xff\\x41"), r"raw\xffA");
    }

    #[test]
    fn broken_escapes_stay_as_they_are() {
        assert_eq!(decoded(br"\"), r"\");
        assert_eq!(decoded(br"\x"), r"\x");
        assert_eq!(decoded(br"\x4"), r"\x4");
        assert_eq!(decoded(br"\q\xzz"), r"\q\xzz");
        assert_eq!(decoded(br"\\x41"), r"\x41");
    }
}
