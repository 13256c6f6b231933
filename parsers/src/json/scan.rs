//! Where a JSON value ends, without reading it: for framing values that span lines.
//!
//! The scanner checks brackets, strings and what may stand before what, so that a record that was cut off
//! does not swallow the next one. Whether the value is right in all else is the reader's affair.

use super::read::is_blank;

/// How far a scan came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scan {
    /// The value ends before this byte.
    Complete(usize),
    /// More bytes are needed.
    Incomplete,
    /// This byte cannot follow.
    Broken(usize),
}

/// What stood before, as far as it decides what may follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Before {
    Start,
    Open,
    Comma,
    Colon,
    Value,
}

/// The state of a scan; it goes on where it stopped when there are more bytes.
#[derive(Clone, Debug)]
pub(crate) struct Scanner {
    at: usize,
    depth: usize,
    before: Before,
    in_string: bool,
}

impl Scanner {
    pub(crate) fn new() -> Self {
        Self { at: 0, depth: 0, before: Before::Start, in_string: false }
    }

    /// Forgets all bytes that were scanned but the last, which decides what may follow. Gives how many: the next bytes to be scanned begin there.
    pub(crate) fn forget(&mut self) -> usize {
        let forgotten = self.at.saturating_sub(1);
        self.at -= forgotten;
        forgotten
    }

    /// Scans the value that begins with the first byte; `bytes` begins where it did the last time and may be longer.
    pub(crate) fn scan(&mut self, bytes: &[u8]) -> Scan {
        loop {
            if self.in_string {
                match memchr::memchr3(b'"', b'\\', b'\n', &bytes[self.at..]) {
                    None => {
                        self.at = bytes.len();
                        return Scan::Incomplete;
                    }
                    Some(offset) => {
                        self.at += offset;
                        match bytes[self.at] {
                            b'\n' => return Scan::Broken(self.at),
                            b'\\' if self.at + 1 == bytes.len() => return Scan::Incomplete,
                            b'\\' if bytes[self.at + 1] == b'\n' => return Scan::Broken(self.at),
                            b'\\' => {
                                self.at += 2;
                                continue;
                            }
                            _ => self.in_string = false,
                        }
                    }
                }
                self.at += 1;
                self.before = Before::Value;
                if self.depth == 0 {
                    return Scan::Complete(self.at);
                }
                continue;
            }
            let Some(byte) = bytes.get(self.at) else { return Scan::Incomplete };
            let may_begin = self.before != Before::Value;
            match byte {
                b'"' if may_begin => self.in_string = true,
                b'{' | b'[' if may_begin => {
                    self.depth += 1;
                    self.before = Before::Open;
                }
                b'}' | b']'
                    if self.depth > 0 && matches!(self.before, Before::Value | Before::Open) =>
                {
                    self.depth -= 1;
                    self.before = Before::Value;
                    if self.depth == 0 {
                        return Scan::Complete(self.at + 1);
                    }
                }
                b',' if self.depth > 0 && self.before == Before::Value => {
                    self.before = Before::Comma
                }
                b':' if self.depth > 0 && self.before == Before::Value => {
                    self.before = Before::Colon
                }
                b',' | b'}' | b']' if self.depth == 0 && self.before == Before::Value => {
                    return Scan::Complete(self.at);
                }
                _ if is_blank(*byte) => {
                    if self.depth == 0 && self.before == Before::Value {
                        return Scan::Complete(self.at);
                    }
                }
                // Words and numbers: the letters of one follow each other.
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'+' | b'-' | b'.'
                    if may_begin || is_word(bytes[self.at - 1]) =>
                {
                    self.before = Before::Value;
                }
                _ => return Scan::Broken(self.at),
            }
            self.at += 1;
        }
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.')
}

/// Scans one value that lies in memory.
pub(crate) fn scan(bytes: &[u8]) -> Scan {
    Scanner::new().scan(bytes)
}

/// Walks the members of an object that begins at `{`, as far as there are bytes.
#[derive(Clone, Debug)]
pub(crate) struct Members<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// A member: its name as it stands between the quotes, and where its value begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Member<'a> {
    pub(crate) name: &'a [u8],
    pub(crate) value: usize,
}

/// What [`Members::next`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next<'a> {
    Member(Member<'a>),
    /// The object ends before this byte.
    End(usize),
    Incomplete,
    Broken,
}

impl<'a> Members<'a> {
    /// `at` is where `{` stands, or where a value of the object ended ([`Self::resume`]).
    pub(crate) fn new(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at: at + 1 }
    }

    /// Goes on in an object after one of its values, which ended before `at`.
    pub(crate) fn resume(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at }
    }

    /// Where it stands.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    fn blanks(&mut self) {
        while self.bytes.get(self.at).copied().is_some_and(|byte| is_blank(byte) || byte == b',') {
            self.at += 1;
        }
    }

    /// The next member; its value must be stepped over by [`Self::skip`] before the next call.
    pub(crate) fn next(&mut self) -> Next<'a> {
        self.blanks();
        match self.bytes.get(self.at) {
            None => return Next::Incomplete,
            Some(b'}') => return Next::End(self.at + 1),
            Some(b'"') => {}
            Some(_) => return Next::Broken,
        }
        let start = self.at + 1;
        let end = match scan(&self.bytes[self.at..]) {
            Scan::Complete(length) => self.at + length,
            Scan::Incomplete => return Next::Incomplete,
            Scan::Broken(_) => return Next::Broken,
        };
        self.at = end;
        while self.bytes.get(self.at).copied().is_some_and(is_blank) {
            self.at += 1;
        }
        match self.bytes.get(self.at) {
            None => return Next::Incomplete,
            Some(b':') => self.at += 1,
            Some(_) => return Next::Broken,
        }
        while self.bytes.get(self.at).copied().is_some_and(is_blank) {
            self.at += 1;
        }
        if self.at == self.bytes.len() {
            return Next::Incomplete;
        }
        Next::Member(Member { name: &self.bytes[start..end - 1], value: self.at })
    }

    /// Steps over the value of the last member.
    pub(crate) fn skip(&mut self) -> Scan {
        let scan = scan(&self.bytes[self.at..]);
        if let Scan::Complete(length) = scan {
            self.at += length;
        }
        scan
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn finds_the_end() {
        for (text, scan_of) in [
            (r#"{"a":1}{"b":2}"#, Scan::Complete(7)),
            (r#"{"a":"}\"]"} x"#, Scan::Complete(12)),
            ("[1,[2],{}]", Scan::Complete(10)),
            ("12.5,", Scan::Complete(4)),
            ("true}", Scan::Complete(4)),
            ("{\n \"a\" :\n [ ]\n}\n", Scan::Complete(15)),
            (r#"{"a":"#, Scan::Incomplete),
            (r#"{"a\"#, Scan::Incomplete),
            ("12", Scan::Incomplete),
            ("{\"a\":1\n{\"b\"", Scan::Broken(7)),
            ("{\"a\":\"x\n\"", Scan::Broken(7)),
            ("{a b}", Scan::Broken(3)),
            ("}", Scan::Broken(0)),
        ] {
            assert_eq!(scan(text.as_bytes()), scan_of, "{text}");
        }
    }

    #[test]
    fn walks_members() {
        let text = br#"{"a": [1] , "b":{"c":2}}"#;
        let mut members = Members::new(text, 0);
        let Next::Member(first) = members.next() else { panic!() };
        assert_eq!((first.name, first.value), (&b"a"[..], 6));
        members.skip();
        let Next::Member(second) = members.next() else { panic!() };
        assert_eq!(second.name, b"b");
        members.skip();
        assert_eq!(members.next(), Next::End(text.len()));
    }

    proptest! {
        #[test]
        fn goes_on_where_it_stopped(text in r#"[\[\]{}:,"\\a1 \n]{0,40}"#, cut in 0usize..40) {
            let bytes = text.as_bytes();
            let mut scanner = Scanner::new();
            let first = scanner.scan(&bytes[..cut.min(bytes.len())]);
            let then = if first == Scan::Incomplete { scanner.scan(bytes) } else { first };
            prop_assert_eq!(then, scan(bytes));
        }

        #[test]
        fn ends_where_the_reader_ends(text in r#"\{("[a-c]":(1|"x"|\[\]|\{\}|true),?){0,4}\}[ }{\n]?"#) {
            if let Ok(document) = super::super::read::value(text.as_bytes()) {
                prop_assert_eq!(scan(text.as_bytes()), Scan::Complete(document.end));
            }
        }
    }
}
