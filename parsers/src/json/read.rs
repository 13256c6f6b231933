//! JSON text to [`Value`], for whole events: nothing of the text is lost.
//!
//! More tolerant than RFC 8259 where logs are: numbers keep their text (integers of any size stay exact),
//! `NaN` and `Infinity` are numbers, duplicate keys are all kept, control characters in strings pass,
//! bytes that are not UTF-8 and lone surrogates become U+FFFD, and what lies deeper than
//! [`MAX_DEPTH`] stays text.

use sigmund_engine::escape::unescape_json;
use sigmund_engine::value::{SmolStr, lossy};
use sigmund_engine::{Object, Value};

/// How deep values are taken apart; deeper ones are kept as their text.
pub const MAX_DEPTH: usize = 128;

/// What was read and what had to be bent for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// The value.
    pub value: Value,
    /// One past its last byte in the input.
    pub end: usize,
    /// Some value was deeper than [`MAX_DEPTH`] and is kept as its text.
    pub too_deep: bool,
}

/// Why a text is not JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotJson {
    /// Where.
    pub at: usize,
    /// The text ended within a value: more of it might help.
    pub incomplete: bool,
}

/// Reads the value at the beginning (after white space); what follows it is left alone.
pub fn value(bytes: &[u8]) -> Result<Document, NotJson> {
    let mut reader = Reader { bytes, at: 0, too_deep: false };
    reader.blanks();
    let value = reader.value(0)?;
    Ok(Document { value, end: reader.at, too_deep: reader.too_deep })
}

/// Reads text that is exactly one JSON object, white space around it aside.
pub fn object(bytes: &[u8]) -> Result<Object, NotJson> {
    let document = value(bytes)?;
    let rest = &bytes[document.end..];
    if let Some(extra) = rest.iter().position(|byte| !is_blank(*byte)) {
        return Err(NotJson { at: document.end + extra, incomplete: false });
    }
    match document.value {
        Value::Object(object) => Ok(object),
        _ => Err(NotJson { at: 0, incomplete: false }),
    }
}

/// The text of a string as it stands between its quotes, decoded onto the end of `out`.
/// What is not UTF-8 and lone surrogates become U+FFFD; unknown escapes stay as they are.
pub fn unescape(raw: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    unescape_json(raw, out);
    if std::str::from_utf8(&out[start..]).is_err() {
        let text = String::from_utf8_lossy(&out[start..]).into_owned();
        out.truncate(start);
        out.extend_from_slice(text.as_bytes());
    }
}

pub(crate) fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    too_deep: bool,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn fail<T>(&self) -> Result<T, NotJson> {
        Err(NotJson { at: self.at, incomplete: self.at >= self.bytes.len() })
    }

    fn blanks(&mut self) {
        while self.peek().is_some_and(is_blank) {
            self.at += 1;
        }
    }

    fn expect(&mut self, byte: u8) -> Result<(), NotJson> {
        if self.peek() == Some(byte) {
            self.at += 1;
            Ok(())
        } else {
            self.fail()
        }
    }

    fn value(&mut self, depth: usize) -> Result<Value, NotJson> {
        match self.peek() {
            Some(b'{' | b'[') if depth >= MAX_DEPTH => {
                let start = self.at;
                self.skip_nested()?;
                self.too_deep = true;
                Ok(Value::text(String::from_utf8_lossy(&self.bytes[start..self.at])))
            }
            Some(b'{') => self.object(depth).map(Value::Object),
            Some(b'[') => self.array(depth),
            Some(b'"') => self.string().map(Value::Text),
            Some(_) => self.scalar(),
            None => self.fail(),
        }
    }

    fn object(&mut self, depth: usize) -> Result<Object, NotJson> {
        let mut object = Object::default();
        self.at += 1;
        self.blanks();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(object);
        }
        loop {
            self.blanks();
            let name = self.string()?;
            self.blanks();
            self.expect(b':')?;
            self.blanks();
            let value = self.value(depth + 1)?;
            object.push(name, value);
            self.blanks();
            match self.peek() {
                Some(b',') => self.at += 1,
                _ => {
                    self.expect(b'}')?;
                    return Ok(object);
                }
            }
        }
    }

    fn array(&mut self, depth: usize) -> Result<Value, NotJson> {
        let mut elements = Vec::new();
        self.at += 1;
        self.blanks();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(Value::Array(elements));
        }
        loop {
            self.blanks();
            elements.push(self.value(depth + 1)?);
            self.blanks();
            match self.peek() {
                Some(b',') => self.at += 1,
                _ => {
                    self.expect(b']')?;
                    return Ok(Value::Array(elements));
                }
            }
        }
    }

    fn string(&mut self) -> Result<SmolStr, NotJson> {
        self.expect(b'"')?;
        let start = self.at;
        let end = string_end(&self.bytes[start..]).map(|length| start + length);
        let Some(end) = end else {
            self.at = self.bytes.len();
            return self.fail();
        };
        self.at = end + 1;
        let raw = &self.bytes[start..end];
        if memchr::memchr(b'\\', raw).is_none() {
            return Ok(lossy(raw).into());
        }
        let mut out = Vec::with_capacity(raw.len());
        unescape(raw, &mut out);
        Ok(String::from_utf8_lossy(&out).into())
    }

    fn scalar(&mut self) -> Result<Value, NotJson> {
        let start = self.at;
        while self
            .peek()
            .is_some_and(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
        {
            self.at += 1;
        }
        let word = &self.bytes[start..self.at];
        match word {
            b"null" => return Ok(Value::Null),
            b"true" => return Ok(Value::Bool(true)),
            b"false" => return Ok(Value::Bool(false)),
            _ => {}
        }
        match std::str::from_utf8(word) {
            Ok(text) if is_number(word) => Ok(Value::Number(text.into())),
            _ => {
                let incomplete = self.at >= self.bytes.len();
                Err(NotJson { at: start, incomplete })
            }
        }
    }

    /// Steps over an object or list without taking it apart, however deep.
    fn skip_nested(&mut self) -> Result<(), NotJson> {
        let mut depth = 0usize;
        loop {
            match self.peek() {
                Some(b'{' | b'[') => depth += 1,
                Some(b'}' | b']') => {
                    depth -= 1;
                    if depth == 0 {
                        self.at += 1;
                        return Ok(());
                    }
                }
                Some(b'"') => {
                    match string_end(&self.bytes[self.at + 1..]) {
                        Some(length) => self.at += length + 1,
                        None => {
                            self.at = self.bytes.len();
                            return self.fail();
                        }
                    };
                }
                Some(_) => {}
                None => return self.fail(),
            }
            self.at += 1;
        }
    }
}

/// Where the closing quote is, counted from the first byte after the opening one.
pub(crate) fn string_end(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        at += memchr::memchr2(b'"', b'\\', bytes.get(at..)?)?;
        if bytes[at] == b'"' {
            return Some(at);
        }
        at += 2;
    }
}

/// A JSON number, a number as sloppy writers have it (`+1`, `.5`, `007`), or `NaN` and `Infinity`.
pub(crate) fn is_number(word: &[u8]) -> bool {
    let digits = word.strip_prefix(b"-").or(word.strip_prefix(b"+")).unwrap_or(word);
    if matches!(digits, b"NaN" | b"Infinity") {
        return true;
    }
    let (mantissa, exponent) = match memchr::memchr2(b'e', b'E', digits) {
        Some(at) => (&digits[..at], Some(&digits[at + 1..])),
        None => (digits, None),
    };
    let all_digits = |text: &[u8]| text.iter().all(u8::is_ascii_digit);
    let fraction_ok = match memchr::memchr(b'.', mantissa) {
        Some(at) => {
            mantissa.len() > 1 && all_digits(&mantissa[..at]) && all_digits(&mantissa[at + 1..])
        }
        None => !mantissa.is_empty() && all_digits(mantissa),
    };
    fraction_ok
        && exponent.is_none_or(|text| {
            let text = text.strip_prefix(b"-").or(text.strip_prefix(b"+")).unwrap_or(text);
            !text.is_empty() && all_digits(text)
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Value {
        value(text.as_bytes()).expect(text).value
    }

    #[test]
    fn keeps_numbers_as_written() {
        for text in ["18446744073709551616", "1.0", "-0", "1e400", "NaN", "-Infinity", "007"] {
            assert_eq!(read(text), Value::Number(text.into()));
        }
        for text in ["-", "1.2.3", "e5", "truee", "nul", ".", "0x10", "1e"] {
            assert!(value(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn keeps_duplicate_keys_and_the_last_counts() {
        let object = object(br#" {"a":1,"a":2} "#).unwrap();
        assert_eq!(object.0.len(), 2);
        assert_eq!(object.get("a"), Some(&Value::Number("2".into())));
    }

    #[test]
    fn decodes_escapes_and_bad_text() {
        for (raw, text) in [
            (r#""a\u00e9\n\/\"""#, "a\u{e9}\n/\""),
            (r#""\ud83d\ude00""#, "\u{1f600}"),
            (r#""\ud83d""#, "\u{fffd}"),
            (r#""\ude00x""#, "\u{fffd}x"),
            (r#""\ud83d\u0041""#, "\u{fffd}A"),
            (r#""\u12""#, "\\u12"),
            (r#""\q""#, "\\q"),
            ("\"\\\u{e9}\\n\"", "\\\u{e9}\n"),
            ("\"a\tb\"", "a\tb"),
        ] {
            assert_eq!(read(raw), Value::text(text), "{raw}");
        }
        assert_eq!(value(b"\"a\xffb\"").unwrap().value, Value::text("a\u{fffd}b"));
    }

    #[test]
    fn keeps_what_is_too_deep_as_text() {
        let deep = format!("{}\"]\"{}", "[".repeat(20_000), "]".repeat(20_000));
        let document = value(deep.as_bytes()).unwrap();
        assert!(document.too_deep);
        assert_eq!(document.end, deep.len());
        let mut inner = &document.value;
        while let Value::Array(elements) = inner {
            inner = &elements[0];
        }
        let rest = 20_000 - MAX_DEPTH;
        let kept = format!("{}\"]\"{}", "[".repeat(rest), "]".repeat(rest));
        assert_eq!(inner, &Value::text(kept));
    }

    #[test]
    fn says_whether_more_text_might_help() {
        for text in ["", "{", r#"{"a"#, r#"{"a":"#, "[1,", r#"{"a":tr"#] {
            assert!(value(text.as_bytes()).unwrap_err().incomplete, "{text}");
        }
        for text in ["}", "{a:1}", r#"{"a":1,}"#, "[1 2]", r#"{"a" 1}"#] {
            assert!(!value(text.as_bytes()).unwrap_err().incomplete, "{text}");
        }
        assert!(object(b"[1]").is_err());
        assert!(object(br#"{"a":1} {"b":2}"#).is_err());
    }

    fn same(ours: &Value, theirs: &serde_json::Value) -> bool {
        match (ours, theirs) {
            (Value::Null, serde_json::Value::Null) => true,
            (Value::Bool(a), serde_json::Value::Bool(b)) => a == b,
            (Value::Number(a), serde_json::Value::Number(b)) => a.parse::<f64>().ok() == b.as_f64(),
            (Value::Text(a), serde_json::Value::String(b)) => **a == *b,
            (Value::Array(a), serde_json::Value::Array(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
            }
            (Value::Object(a), serde_json::Value::Object(b)) => {
                b.iter().all(|(name, b)| a.get(name).is_some_and(|a| same(a, b)))
                    && a.0.iter().all(|(name, _)| b.contains_key(&**name))
            }
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = value(&bytes);
            let mut out = Vec::new();
            unescape(&bytes, &mut out);
            prop_assert!(std::str::from_utf8(&out).is_ok());
        }

        #[test]
        fn never_panics_on_near_json(text in r#"[\[\]{}:,"\\untrue0-9e.\-é \n]{0,60}"#) {
            let ours = value(text.as_bytes());
            // Whatever is JSON to a strict reader is the same JSON to us.
            if let Ok(theirs) = serde_json::from_str::<serde_json::Value>(&text) {
                prop_assert!(same(&ours.unwrap().value, &theirs));
            }
        }
    }
}
