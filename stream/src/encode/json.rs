//! JSON by hand: a detection is written straight from the record, without a tree in between.

use sigmund_engine::value::lossy;
use sigmund_engine::vector::{self, Block, Operations, Pass};
use sigmund_engine::{Kind, Object, Record, Value, ValueSpan};
use sigmund_parsers::field_value;

/// Deeper records are written as text.
const MAX_DEPTH: usize = 128;

/// How many bytes come before the first that is a control character, a quote, a backslash, or one of `others`; eight are looked at at once.
#[inline]
fn plain_length<const N: usize>(bytes: &[u8], others: [u8; N]) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = ONES << 7;
    // Zero bytes have their high bit set in this; above the first of them others may, too.
    let zeros = |word: u64| word.wrapping_sub(ONES) & !word & HIGHS;
    let (words, rest) = bytes.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let mut found = word.wrapping_sub(ONES * 0x20) & !word & HIGHS;
        for byte in [b'"', b'\\'].into_iter().chain(others) {
            found |= zeros(word ^ (ONES * u64::from(byte)));
        }
        if found != 0 {
            return index * 8 + found.trailing_zeros() as usize / 8;
        }
    }
    let is_plain = |byte: &u8| !matches!(byte, 0..=0x1f | b'"' | b'\\') && !others.contains(byte);
    bytes.len() - rest.len() + rest.iter().take_while(|byte| is_plain(byte)).count()
}

/// Longer strings are looked at 64 bytes at a time.
const LONG_STRING: usize = 64;

/// Whether nothing in a short text needs an escape. Sixteen bytes are looked at at once, the last of them twice.
#[inline]
fn is_plain(bytes: &[u8]) -> bool {
    // Without branches, so that the compiler looks at all bytes of an array in few instructions.
    #[inline(always)]
    fn all_plain<const N: usize>(bytes: &[u8; N]) -> bool {
        let is_odd = |byte: u8| {
            (byte < 0x20) | (byte == b'"') | (byte == b'\\') | (byte == 0x7f) | (byte == 0xc2)
        };
        bytes.iter().fold(0, |odd, byte| odd | u8::from(is_odd(*byte))) == 0
    }
    if let Some(last) = bytes.last_chunk::<16>() {
        let (chunks, _) = bytes.as_chunks::<16>();
        return chunks.iter().all(all_plain) && all_plain(last);
    }
    if let (Some(first), Some(last)) = (bytes.first_chunk::<8>(), bytes.last_chunk::<8>()) {
        return all_plain(first) & all_plain(last);
    }
    if let (Some(first), Some(last)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        return all_plain(first) & all_plain(last);
    }
    bytes.iter().all(|byte| all_plain(&[*byte]))
}

/// Appends a JSON string.
pub fn string(text: &str, out: &mut Vec<u8>) {
    let bytes = text.as_bytes();
    if bytes.len() < LONG_STRING && is_plain(bytes) {
        out.reserve(bytes.len() + 2);
        out.push(b'"');
        out.extend_from_slice(bytes);
        out.push(b'"');
        return;
    }
    out.reserve(bytes.len() + 2);
    out.push(b'"');
    let mut escaping = Escaping { bytes, from: 0, out };
    if bytes.len() < LONG_STRING {
        let mut at = 0;
        loop {
            at += plain_length(&bytes[at..], [0x7f, 0xc2]);
            if at >= bytes.len() {
                break;
            }
            escaping.escape(at);
            at += 1;
        }
    } else {
        escaping = vector::run(escaping);
    }
    let from = escaping.from;
    out.extend_from_slice(&bytes[from..]);
    out.push(b'"');
}

/// A text on its way into a JSON string.
struct Escaping<'a> {
    bytes: &'a [u8],
    /// What comes before is written.
    from: usize,
    out: &'a mut Vec<u8>,
}

impl Escaping<'_> {
    /// Writes everything up to a byte that may need an escape, and that.
    #[inline]
    fn escape(&mut self, at: usize) {
        let byte = self.bytes[at];
        let letter = match byte {
            b'"' | b'\\' => byte,
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            // U+0080 to U+009F steer terminals too.
            0xc2 => {
                if let Some(code @ 0x80..=0x9f) = self.bytes.get(at + 1).copied() {
                    self.plain(at);
                    unicode_escape(code, self.out);
                    self.from = at + 2;
                }
                return;
            }
            code => {
                self.plain(at);
                unicode_escape(code, self.out);
                self.from = at + 1;
                return;
            }
        };
        self.plain(at);
        self.out.extend_from_slice(&[b'\\', letter]);
        self.from = at + 1;
    }

    /// Writes what needs no escape. It is short in the rows of a table: sixteen bytes are copied without asking how many of them are meant.
    #[inline(always)]
    fn plain(&mut self, end: usize) {
        let length = end - self.from;
        match self.bytes[self.from..].first_chunk::<16>() {
            Some(chunk) if length <= 16 => {
                self.out.extend_from_slice(chunk);
                self.out.truncate(self.out.len() - 16 + length);
            }
            _ => self.out.extend_from_slice(&self.bytes[self.from..end]),
        }
    }
}

impl Pass for Escaping<'_> {
    type Output = Self;

    #[inline(always)]
    fn run(mut self, with: impl Operations) -> Self {
        vector::blocks(self.bytes, b' ', |block, base, _| {
            let mut marks = [b'"', b'\\', 0x7f, 0xc2]
                .into_iter()
                .fold(0, |marks, byte| marks | with.equal(block, byte));
            // Control characters are those below 0x20.
            let mut highs = *block;
            highs.iter_mut().for_each(|byte| *byte &= 0xe0);
            marks |= with.equal(&highs, 0);
            while marks != 0 {
                self.escape(base + marks.trailing_zeros() as usize);
                marks &= marks - 1;
            }
        });
        self
    }
}

/// Whether there is a control character of ASCII.
#[inline(always)]
fn has_controls(block: &Block) -> bool {
    block.iter().fold(false, |any, byte| any | (*byte < 0x20))
}

/// Whether any byte is a control character.
pub(super) fn has_control(bytes: &[u8]) -> bool {
    let (blocks, rest) = bytes.as_chunks::<64>();
    blocks.iter().any(has_controls) || rest.iter().any(|byte| *byte < 0x20)
}

fn unicode_escape(code: u8, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.extend_from_slice(b"\\u00");
    out.push(HEX[usize::from(code >> 4)]);
    out.push(HEX[usize::from(code & 15)]);
}

/// Appends `"name":`, with a comma before it unless it is the first of its object.
///
/// Names of the code need no escapes; those that come with logs are written by [`name`].
#[inline]
pub fn key(name: &'static str, out: &mut Vec<u8>) {
    debug_assert!(is_plain(name.as_bytes()), "a name of the code has no escapes");
    // One after the other into room that is there: a name is a few bytes that the compiler knows.
    out.reserve(name.len() + 4);
    if !matches!(out.last(), Some(b'{')) {
        out.push(b',');
    }
    out.push(b'"');
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
}

/// The same for any name.
pub fn name(name: &str, out: &mut Vec<u8>) {
    if !matches!(out.last(), Some(b'{')) {
        out.push(b',');
    }
    string(name, out);
    out.push(b':');
}

/// Appends `"name":"text"`.
pub fn text(name: &'static str, value: &str, out: &mut Vec<u8>) {
    key(name, out);
    string(value, out);
}

/// The same with any name.
pub fn named_text(any: &str, value: &str, out: &mut Vec<u8>) {
    name(any, out);
    string(value, out);
}

/// Appends `"name":"text"` if there is one.
pub fn optional(name: &'static str, value: Option<&str>, out: &mut Vec<u8>) {
    if let Some(value) = value {
        text(name, value, out);
    }
}

/// Appends `"name":["text",…]`.
pub fn texts<'a>(name: &'static str, values: impl IntoIterator<Item = &'a str>, out: &mut Vec<u8>) {
    key(name, out);
    list(values, out);
}

/// Appends `["text",…]`.
pub fn list<'a>(values: impl IntoIterator<Item = &'a str>, out: &mut Vec<u8>) {
    out.push(b'[');
    for (index, value) in values.into_iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        string(value, out);
    }
    out.push(b']');
}

/// Appends a number as it is written, or as a string if it is none in JSON.
fn number(text: &str, out: &mut Vec<u8>) {
    if Copy::new(text.as_bytes()).number().is_some_and(|rest| rest == text.len()) {
        out.extend_from_slice(text.as_bytes());
    } else {
        string(text, out);
    }
}

/// Appends a value of an event.
pub fn value(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Number(text) => number(text, out),
        Value::Text(text) => string(text, out),
        Value::Array(values) => {
            out.push(b'[');
            for (index, member) in values.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                self::value(member, out);
            }
            out.push(b']');
        }
        Value::Object(members) => object(members, out),
    }
}

/// Appends an object of an event.
pub fn object(members: &Object, out: &mut Vec<u8>) {
    out.push(b'{');
    for (index, (name, member)) in members.0.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        string(name, out);
        out.push(b':');
        value(member, out);
    }
    out.push(b'}');
}

/// Appends what [`object`] would of the event that a record with every field makes.
pub fn fields(bytes: &[u8], record: &Record, out: &mut Vec<u8>) {
    let one = |value: ValueSpan, out: &mut Vec<u8>| {
        let bytes = record.fields.bytes(bytes, value);
        match value.kind {
            Kind::Number => number(&lossy(bytes), out),
            Kind::Text => string(&lossy(bytes), out),
            kind => self::value(&field_value(kind, bytes), out),
        }
    };
    out.push(b'{');
    for slot in record.fields.present() {
        let mut values = record.fields.values(slot);
        let (Some(first), second) = (values.next(), values.next()) else { continue };
        name(record.fields.name(slot), out);
        match second {
            None => one(first, out),
            Some(second) => {
                out.push(b'[');
                one(first, out);
                for value in std::iter::once(second).chain(values) {
                    out.push(b',');
                    one(value, out);
                }
                out.push(b']');
            }
        }
    }
    out.push(b'}');
}

/// Appends the record as it came: a JSON object verbatim but for the blanks between its parts, anything
/// else as a JSON string. What comes out is always valid JSON on one line.
pub fn record(bytes: &[u8], out: &mut Vec<u8>) {
    let trimmed = bytes.trim_ascii();
    if trimmed.first() == Some(&b'{')
        && let Ok(source) = std::str::from_utf8(trimmed)
    {
        let start = out.len();
        out.reserve(source.len());
        let mut copy = Copy::new(source.as_bytes());
        copy.marks = vector::run(Marks(copy.bytes));
        if copy.value(out, 0).is_some() && copy.at == trimmed.len() {
            out.extend_from_slice(&trimmed[copy.from..]);
            return;
        }
        out.truncate(start);
    }
    string(&lossy(bytes), out);
}

/// Where quotes and backslashes are, one bit for each byte; `None` if there are control characters, which records on one line do not have.
struct Marks<'a>(&'a [u8]);

impl Pass for Marks<'_> {
    type Output = Option<Vec<u64>>;

    #[inline(always)]
    fn run(self, with: impl Operations) -> Self::Output {
        let mut marks = Vec::with_capacity(self.0.len() / 64 + 1);
        let mut any_controls = false;
        vector::blocks(self.0, b' ', |block, _, _| {
            marks.push(with.equal(block, b'"') | with.equal(block, b'\\'));
            any_controls |= has_controls(block);
        });
        (!any_controls).then_some(marks)
    }
}

/// Copies JSON without its blanks, checking it on the way.
struct Copy<'a> {
    bytes: &'a [u8],
    at: usize,
    /// What comes before is copied; all up to `at` is, at the next blank.
    from: usize,
    /// What [`Marks`] found, if it was asked.
    marks: Option<Vec<u64>>,
}

impl<'a> Copy<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, from: 0, marks: None }
    }

    /// Goes to the next quote, backslash or control character.
    #[inline]
    fn skip_plain(&mut self) -> Option<()> {
        let Some(marks) = &self.marks else {
            self.at += plain_length(self.bytes.get(self.at..)?, []);
            return Some(());
        };
        let mut word = self.at / 64;
        let mut found = marks.get(word)? >> (self.at % 64);
        if found != 0 {
            self.at += found.trailing_zeros() as usize;
            return Some(());
        }
        while found == 0 {
            word += 1;
            found = *marks.get(word)?;
        }
        self.at = word * 64 + found.trailing_zeros() as usize;
        Some(())
    }

    #[inline]
    fn blank(&mut self, out: &mut Vec<u8>) {
        let is_blank = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t' | b'\n' | b'\r'));
        if is_blank(self.bytes.get(self.at)) {
            out.extend_from_slice(&self.bytes[self.from..self.at]);
            while is_blank(self.bytes.get(self.at)) {
                self.at += 1;
            }
            self.from = self.at;
        }
    }

    #[inline]
    fn take(&mut self, byte: u8, out: &mut Vec<u8>) -> Option<()> {
        self.blank(out);
        (self.bytes.get(self.at) == Some(&byte)).then(|| self.at += 1)
    }

    fn value(&mut self, out: &mut Vec<u8>, depth: usize) -> Option<()> {
        if depth > MAX_DEPTH {
            return None;
        }
        self.blank(out);
        match self.bytes.get(self.at)? {
            b'{' => {
                self.at += 1;
                if self.take(b'}', out).is_some() {
                    return Some(());
                }
                loop {
                    self.blank(out);
                    self.string()?;
                    self.take(b':', out)?;
                    self.value(out, depth + 1)?;
                    if self.take(b',', out).is_none() {
                        return self.take(b'}', out);
                    }
                }
            }
            b'[' => {
                self.at += 1;
                if self.take(b']', out).is_some() {
                    return Some(());
                }
                loop {
                    self.value(out, depth + 1)?;
                    if self.take(b',', out).is_none() {
                        return self.take(b']', out);
                    }
                }
            }
            b'"' => self.string(),
            b'-' | b'0'..=b'9' => {
                self.at = self.number()?;
                Some(())
            }
            _ => {
                let word = [&b"true"[..], b"false", b"null"]
                    .into_iter()
                    .find(|word| self.bytes[self.at..].starts_with(word))?;
                self.at += word.len();
                Some(())
            }
        }
    }

    fn string(&mut self) -> Option<()> {
        if self.bytes.get(self.at) != Some(&b'"') {
            return None;
        }
        self.at += 1;
        loop {
            self.skip_plain()?;
            match self.bytes.get(self.at)? {
                b'"' => {
                    self.at += 1;
                    return Some(());
                }
                b'\\' => {
                    let length = match self.bytes.get(self.at + 1)? {
                        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => 2,
                        b'u' => {
                            let digits = self.bytes.get(self.at + 2..self.at + 6)?;
                            digits.iter().all(u8::is_ascii_hexdigit).then_some(6)?
                        }
                        _ => return None,
                    };
                    self.at += length;
                }
                _ => return None,
            }
        }
    }

    /// Where the number that begins here ends.
    fn number(&self) -> Option<usize> {
        let mut at = self.at;
        let digits = |mut at: usize| {
            let start = at;
            while self.bytes.get(at).is_some_and(u8::is_ascii_digit) {
                at += 1;
            }
            (at > start).then_some(at)
        };
        if self.bytes.get(at) == Some(&b'-') {
            at += 1;
        }
        at = if self.bytes.get(at) == Some(&b'0') { at + 1 } else { digits(at)? };
        if self.bytes.get(at) == Some(&b'.') {
            at = digits(at + 1)?;
        }
        if matches!(self.bytes.get(at), Some(b'e' | b'E')) {
            at += 1;
            if matches!(self.bytes.get(at), Some(b'+' | b'-')) {
                at += 1;
            }
            at = digits(at)?;
        }
        Some(at)
    }
}

#[cfg(test)]
mod tests {
    use super::{Copy, record, value};
    use proptest::prelude::*;
    use sigmund_engine::{Kind, Record, Store, Value};
    use sigmund_parsers::flat_event;

    fn written(bytes: &[u8]) -> String {
        let mut out = Vec::new();
        record(bytes, &mut out);
        String::from_utf8(out).expect("text")
    }

    proptest! {
        #[test]
        fn a_text_is_written_as_its_characters_are(text in "[ -~é\u{7f}\u{80}\u{9f}\u{a0}\n\u{0}\"\\\\]{0,90}") {
            let inner = |text: &str| {
                let mut out = Vec::new();
                super::string(text, &mut out);
                String::from_utf8(out[1..out.len() - 1].to_vec()).expect("text")
            };
            let one_by_one: String = text.chars().map(|one| inner(&one.to_string())).collect();
            prop_assert_eq!(inner(&text), one_by_one);
        }
    }

    proptest! {
        #[test]
        fn fields_are_those_of_the_event(
            cells in proptest::collection::vec((
                prop_oneof![Just("a"), Just("b.c"), Just("d\"e"), Just("f")],
                prop::sample::select(vec![
                    Kind::Null, Kind::True, Kind::False, Kind::Number, Kind::Text, Kind::JsonText, Kind::Empty, Kind::Object,
                ]),
                prop_oneof!["[0-9.e+-]{0,5}", r#"[a"{}: ]{0,6}"#, "\\PC{0,40}", r#"\{"x":\[[0-9],"[a-z]"\]\}"#],
            ), 0..6),
            odd: bool,
        ) {
            let mut bytes: Vec<u8> = if odd { vec![0xff] } else { Vec::new() };
            let mut record = Record::collecting();
            for (name, kind, text) in &cells {
                let start = bytes.len().saturating_sub(usize::from(odd));
                bytes.extend_from_slice(text.as_bytes());
                if odd {
                    bytes.push(0xff);
                }
                let slot = record.fields.slot(name).expect("it collects");
                record.fields.push(slot, *kind, Store::Record, start, bytes.len());
            }
            let mut found = Vec::new();
            super::fields(&bytes, &record, &mut found);
            let mut expected = Vec::new();
            super::object(&flat_event(&bytes, &record).object, &mut expected);
            prop_assert_eq!(String::from_utf8_lossy(&found), String::from_utf8_lossy(&expected));
        }
    }

    #[test]
    fn objects_stay_as_they_are() {
        assert_eq!(written(b"{\"a\":1.50e1,\"a\":\"\\u0041\"}"), r#"{"a":1.50e1,"a":"\u0041"}"#);
        assert_eq!(
            written(b"\n{\r\n  \"a b\" : [ 1 , {\"c\": null} ],\n \"d\": 18446744073709551616 }\n"),
            r#"{"a b":[1,{"c":null}],"d":18446744073709551616}"#
        );
        assert_eq!(written(b"{}"), "{}");
    }

    #[test]
    fn everything_else_is_text() {
        assert_eq!(written(b"a \"b\"\x1b"), r#""a \"b\"\u001b""#);
        assert_eq!(written("\u{9b}1mß\u{a0}\u{7f}".as_bytes()), "\"\\u009b1mß\u{a0}\\u007f\"");
        for broken in
            ["{\"a\":01}", "{\"a\":\"\\x\"}", "{\"a\":1", "{\"a\":1}x", "{\"a\"}", "{a:1}"]
        {
            assert!(written(broken.as_bytes()).starts_with('"'), "{broken}");
        }
        assert_eq!(written(b"{\"a\":\"\xff\"}"), "\"{\\\"a\\\":\\\"\u{fffd}\\\"}\"");
        let deep = "{\"a\":".repeat(500) + "1" + &"}".repeat(500);
        assert!(written(deep.as_bytes()).starts_with('"'));
    }

    #[test]
    fn numbers_that_json_does_not_know_are_text() {
        for (number, expected) in
            [("12", "12"), ("-0.5E+3", "-0.5E+3"), ("1.", "\"1.\""), ("0x1", "\"0x1\"")]
        {
            let mut out = Vec::new();
            value(&Value::Number(number.into()), &mut out);
            assert_eq!(String::from_utf8_lossy(&out), expected);
        }
    }

    proptest! {
        #[test]
        fn strings_are_escaped_the_same_at_any_length(
            parts in proptest::collection::vec(
                prop_oneof![
                    "[ -~]{0,40}", "[\\x00-\\x20]{1,3}", "[\"\\\\\\x7f]{1,2}",
                    "[\u{80}-\u{a5}]{1,2}", "[é€]{1,3}",
                ],
                0..10,
            ),
        ) {
            let text = parts.concat();
            let mut expected = String::from("\"");
            for c in text.chars() {
                match c {
                    '"' => expected.push_str("\\\""),
                    '\\' => expected.push_str("\\\\"),
                    '\n' => expected.push_str("\\n"),
                    '\r' => expected.push_str("\\r"),
                    '\t' => expected.push_str("\\t"),
                    c if c.is_control() => expected.push_str(&format!("\\u{:04x}", u32::from(c))),
                    c => expected.push(c),
                }
            }
            expected.push('"');
            let mut out = Vec::new();
            super::string(&text, &mut out);
            prop_assert_eq!(String::from_utf8(out).unwrap(), expected);
        }

        #[test]
        fn any_bytes_become_one_line_of_json(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            let line = written(&bytes);
            prop_assert!(!line.contains('\n'));
            prop_assert!(serde_json::from_str::<serde_json::Value>(&line).is_ok());
        }

        #[test]
        fn long_records_are_checked_as_short_ones(
            parts in proptest::collection::vec(
                prop_oneof![
                    Just("\\\\"), Just("\\\""), Just("a"), Just("é"), Just("C:\\\\Windows"), Just("\\u00e9"),
                    Just("\\x"), Just("\""), Just("0123456789abcdef0123456789abcdef"), Just("\t"),
                ],
                0..12,
            ),
            pad in 0..70_usize,
        ) {
            let text = format!("{{\"{}\":\"{}\"}}", "k".repeat(pad), parts.concat());
            let mut plain = Copy::new(text.as_bytes());
            let mut copied = Vec::new();
            let valid = plain.value(&mut copied, 0).is_some() && plain.at == text.len();
            copied.extend_from_slice(&text.as_bytes()[plain.from..]);
            let line = written(text.as_bytes());
            prop_assert_eq!(line.starts_with('{'), valid, "{}", text);
            if valid {
                prop_assert_eq!(line.as_bytes(), &*copied);
            }
        }

        #[test]
        fn any_jsonish_text_becomes_json(text in "[\\{\\}\\[\\]\",:a0-9 .eE+\\-\\\\n]{0,40}") {
            let line = written(format!("{{{text}").as_bytes());
            prop_assert!(serde_json::from_str::<serde_json::Value>(&line).is_ok(), "{}", line);
        }
    }
}
