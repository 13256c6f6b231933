//! JSON text to [`Value`], numbers as written: deliberately another reader than the one under test.

use sigmund_engine::{Object, Value};

/// Reads one JSON text.
pub(crate) fn read(text: &str) -> Result<Value, String> {
    let mut reader = Reader { text, at: 0 };
    let value = reader.value()?;
    reader.blanks();
    if reader.at == text.len() { Ok(value) } else { Err(reader.unexpected()) }
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
}

impl Reader<'_> {
    fn unexpected(&self) -> String {
        format!("unexpected {:?} at byte {}", self.text[self.at..].chars().next(), self.at)
    }

    fn blanks(&mut self) {
        let rest = self.text[self.at..].trim_start_matches([' ', '\t', '\r', '\n']);
        self.at = self.text.len() - rest.len();
    }

    fn accept(&mut self, token: &str) -> bool {
        self.blanks();
        let found = self.text[self.at..].starts_with(token);
        if found {
            self.at += token.len();
        }
        found
    }

    fn expect(&mut self, token: &str) -> Result<(), String> {
        if self.accept(token) { Ok(()) } else { Err(self.unexpected()) }
    }

    fn value(&mut self) -> Result<Value, String> {
        for (token, value) in
            [("null", Value::Null), ("true", Value::Bool(true)), ("false", Value::Bool(false))]
        {
            if self.accept(token) {
                return Ok(value);
            }
        }
        if self.accept("{") {
            let mut object = Object::default();
            while !self.accept("}") {
                if !object.0.is_empty() {
                    self.expect(",")?;
                }
                self.expect("\"")?;
                let name = self.string()?;
                self.expect(":")?;
                object.push(name, self.value()?);
            }
            return Ok(Value::Object(object));
        }
        if self.accept("[") {
            let mut elements = Vec::new();
            while !self.accept("]") {
                if !elements.is_empty() {
                    self.expect(",")?;
                }
                elements.push(self.value()?);
            }
            return Ok(Value::Array(elements));
        }
        if self.accept("\"") {
            return Ok(Value::text(self.string()?));
        }
        let rest = &self.text[self.at..];
        let end = rest
            .find(|c: char| !(c.is_ascii_digit() || matches!(c, '+' | '-' | '.' | 'e' | 'E')))
            .unwrap_or(rest.len());
        let number = &rest[..end];
        number.parse::<f64>().map_err(|_| self.unexpected())?;
        self.at += end;
        Ok(Value::Number(number.into()))
    }

    /// After the opening quote.
    fn string(&mut self) -> Result<String, String> {
        let mut units: Vec<u16> = Vec::new();
        let mut chars = self.text[self.at..].char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => {
                    self.at += at + 1;
                    return String::from_utf16(&units).map_err(|error| error.to_string());
                }
                '\\' => {
                    let (_, escape) = chars.next().ok_or("unfinished escape")?;
                    units.push(match escape {
                        'u' => {
                            let digits: String =
                                chars.by_ref().take(4).map(|(_, digit)| digit).collect();
                            u16::from_str_radix(&digits, 16).map_err(|error| error.to_string())?
                        }
                        'b' => 8,
                        'f' => 12,
                        'n' => 10,
                        'r' => 13,
                        't' => 9,
                        '"' | '\\' | '/' => escape as u16,
                        _ => return Err(format!("unknown escape \\{escape}")),
                    });
                }
                _ => units.extend(c.encode_utf16(&mut [0; 2]).iter()),
            }
        }
        Err("unfinished text".to_owned())
    }
}

#[test]
fn numbers_and_texts_are_exact() {
    let value = read(
        r#" {"n": [18446744073709551616, -1.50e3, 0], "t": "a\"\u00e9\ud83d\ude00\n", "": {} } "#,
    );
    let Ok(Value::Object(object)) = value else { panic!("{value:?}") };
    let numbers = ["18446744073709551616", "-1.50e3", "0"];
    let numbers = numbers.iter().map(|number| Value::Number((*number).into())).collect();
    assert_eq!(object.get("n"), Some(&Value::Array(numbers)));
    assert_eq!(object.get("t"), Some(&Value::text("a\"é😀\n")));
    for broken in ["", "{", "[1,]", "[1 2]", "{\"a\" 1}", "1 2", "nul", "\"\\ud800\""] {
        assert!(read(broken).is_err(), "{broken}");
    }
}
