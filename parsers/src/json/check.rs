//! Whether a text is JSON, without reading it: for text that another program made and that may be broken.

/// Whether all of `text` is one JSON value (RFC 8259), white space around it aside. UTF-8 and surrogates are not looked at.
pub(crate) fn is_json(text: &[u8]) -> bool {
    let mut check = Check { text, at: 0 };
    check.blanks();
    check.value() && check.at == text.len()
}

struct Check<'a> {
    text: &'a [u8],
    at: usize,
}

impl Check<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    /// Passes over a byte, if it is the next one, and blanks behind it.
    fn take(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        if is_next {
            self.at += 1;
            self.blanks();
        }
        is_next
    }

    fn blanks(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    /// A value with all that is in it, and blanks behind it.
    fn value(&mut self) -> bool {
        // What is open around the place: objects are `true`.
        let mut open: Vec<bool> = Vec::new();
        loop {
            let begun = match self.peek() {
                Some(b'{') => Some(true),
                Some(b'[') => Some(false),
                _ => None,
            };
            if let Some(object) = begun {
                self.at += 1;
                self.blanks();
                if !self.take(if object { b'}' } else { b']' }) {
                    open.push(object);
                    if object && !self.key() {
                        return false;
                    }
                    continue;
                }
            } else if !self.scalar() {
                return false;
            }
            // After a value: the end of what is around it, or the next member.
            loop {
                let Some(&object) = open.last() else { return true };
                if self.take(b',') {
                    if object && !self.key() {
                        return false;
                    }
                    break;
                }
                if !self.take(if object { b'}' } else { b']' }) {
                    return false;
                }
                open.pop();
            }
        }
    }

    fn key(&mut self) -> bool {
        self.peek() == Some(b'"') && self.string() && self.take(b':')
    }

    fn scalar(&mut self) -> bool {
        let is_scalar = match self.peek() {
            Some(b'"') => return self.string(),
            Some(b't') => self.word(b"true"),
            Some(b'f') => self.word(b"false"),
            Some(b'n') => self.word(b"null"),
            _ => self.number(),
        };
        self.blanks();
        is_scalar
    }

    fn word(&mut self, word: &[u8]) -> bool {
        let is_next = self.text[self.at..].starts_with(word);
        self.at += if is_next { word.len() } else { 0 };
        is_next
    }

    fn number(&mut self) -> bool {
        self.word(b"-");
        let zero = self.peek() == Some(b'0');
        let digits = self.digits();
        if digits == 0 || (zero && digits > 1) || (self.word(b".") && self.digits() == 0) {
            return false;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            return self.digits() > 0;
        }
        true
    }

    fn digits(&mut self) -> usize {
        let count = self.text[self.at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += count;
        count
    }

    /// A string from its first quote on, and blanks behind it.
    fn string(&mut self) -> bool {
        self.at += 1;
        loop {
            let rest = &self.text[self.at..];
            let Some(plain) = memchr::memchr2(b'"', b'\\', rest) else { return false };
            // All are looked at, which is faster than to stop at the first.
            if rest[..plain].iter().fold(false, |control, byte| control | (*byte < b' ')) {
                return false;
            }
            self.at += plain;
            if self.take(b'"') {
                return true;
            }
            let length = match rest.get(plain + 1) {
                Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => 2,
                Some(b'u') => match rest.get(plain + 2..plain + 6) {
                    Some(digits) if digits.iter().all(u8::is_ascii_hexdigit) => 6,
                    _ => return false,
                },
                _ => return false,
            };
            self.at += length;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::is_json;
    use proptest::prelude::*;

    /// What serde_json says; `None` where it refuses something else than the grammar.
    fn serde(text: &str) -> Option<bool> {
        match serde_json::from_str::<serde_json::Value>(text) {
            Ok(_) => Some(true),
            Err(error) => {
                let error = error.to_string();
                let other = ["out of range", "surrogate", "recursion", "hex escape"];
                (!other.iter().any(|other| error.contains(other))).then_some(false)
            }
        }
    }

    #[test]
    fn the_grammar_is_checked() {
        for text in [
            "{}",
            "[]",
            " [1 , 2]\n",
            r#"{"a":{"b":[null,true,false,-0.5e+3,"\u00e9\n"]}}"#,
            "0",
            "\"é\"",
        ] {
            assert!(is_json(text.as_bytes()), "{text}");
        }
        for text in [
            "",
            "{",
            "{}}",
            "[1,]",
            "{\"a\"}",
            "{\"a\":1,}",
            "{,}",
            "{1:2}",
            "[1 2]",
            "01",
            "1.",
            "-",
            "1e",
            ".5",
            "truee",
            "NaN",
            "\"\\x\"",
            "\"\\u00g0\"",
            "\"a",
            "\"\\",
            "\"\u{1}\"",
            "{} {}",
            "[}",
            "{\"a\",\"b\":1}",
        ] {
            assert!(!is_json(text.as_bytes()), "{text}");
        }
        let deep = "[".repeat(100_000) + &"]".repeat(100_000);
        assert!(is_json(deep.as_bytes()));
        assert!(!is_json(&deep.as_bytes()[1..]));
    }

    proptest! {
        #[test]
        fn serde_says_the_same(text in r#"([{}\[\],: "\\u0a1e.-]|\\u00e9|"a"|"a":|null|true|10|\{"a":1\}|\[1\]){0,12}"#) {
            if let Some(expected) = serde(&text) {
                prop_assert_eq!(is_json(text.as_bytes()), expected, "{}", text);
            }
        }

        #[test]
        fn damage_is_seen_alike(at in 0usize..80, with in r#"["\\{}\[\],:0a\x01 ]{0,3}"#, length in 0usize..3) {
            let text = r##"{"Event":{"#System":{"a":[1,-2.5e3,{}],"b":"x\\y\"z\u00e9"},"c":[],"d":null}}"##;
            let at = at.min(text.len());
            let end = (at + length).min(text.len());
            let damaged = format!("{}{with}{}", &text[..at], &text[end..]);
            if let Some(expected) = serde(&damaged) {
                prop_assert_eq!(is_json(damaged.as_bytes()), expected, "{}", damaged);
            }
        }
    }
}
