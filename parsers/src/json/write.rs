//! [`Value`] to compact JSON text.

use sigmund_engine::{Object, Value};

/// The value as JSON without blanks. `NaN` and `Infinity`, which JSON does not know, become texts.
#[must_use]
pub fn value(value: &Value) -> String {
    let mut out = String::new();
    write_value(value, &mut out);
    out
}

/// The object as JSON without blanks.
#[must_use]
pub fn object(object: &Object) -> String {
    let mut out = String::new();
    write_object(object, &mut out);
    out
}

/// Appends the value as JSON without blanks.
pub fn write_value(value: &Value, out: &mut String) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Number(text) if is_strict_number(text.as_bytes()) => out.push_str(text),
        Value::Number(text) | Value::Text(text) => write_text(text, out),
        Value::Array(elements) => {
            out.push('[');
            for (index, element) in elements.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_value(element, out);
            }
            out.push(']');
        }
        Value::Object(object) => write_object(object, out),
    }
}

/// Appends the object as JSON without blanks.
pub fn write_object(object: &Object, out: &mut String) {
    out.push('{');
    for (index, (name, value)) in object.0.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        write_text(name, out);
        out.push(':');
        write_value(value, out);
    }
    out.push('}');
}

/// Appends the text as a JSON string. Control characters are escaped, also those of C1 and DEL,
/// so that a terminal shows them harmlessly.
pub fn write_text(text: &str, out: &mut String) {
    out.push('"');
    let mut plain = 0;
    for (at, letter) in text.char_indices() {
        let escape = match letter {
            '"' => "\\\"",
            '\\' => "\\\\",
            '\n' => "\\n",
            '\r' => "\\r",
            '\t' => "\\t",
            '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' => "",
            _ => continue,
        };
        out.push_str(&text[plain..at]);
        plain = at + letter.len_utf8();
        if escape.is_empty() {
            let code = u32::from(letter);
            out.push_str("\\u00");
            for digit in [code >> 4, code & 15] {
                out.push(char::from_digit(digit, 16).unwrap_or('0'));
            }
        } else {
            out.push_str(escape);
        }
    }
    out.push_str(&text[plain..]);
    out.push('"');
}

fn is_strict_number(text: &[u8]) -> bool {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    let head = match digits {
        [b'0', rest @ ..] => rest,
        [b'1'..=b'9', rest @ ..] => {
            let whole = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
            &rest[whole..]
        }
        _ => return false,
    };
    let (fraction, exponent) = match memchr::memchr2(b'e', b'E', head) {
        Some(at) => (&head[..at], Some(&head[at + 1..])),
        None => (head, None),
    };
    let digits_only = |text: &[u8]| !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    (fraction.is_empty() || fraction.strip_prefix(b".").is_some_and(digits_only))
        && exponent.is_none_or(|text| {
            digits_only(text.strip_prefix(b"-").or(text.strip_prefix(b"+")).unwrap_or(text))
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::read;
    use proptest::prelude::*;

    #[test]
    fn writes_compact_json() {
        let text = r#"{"a":[1,2.50,null,true,{"b":"c\"\\\n\u001b\u009f"}],"a":-0e5}"#;
        assert_eq!(value(&read::value(text.as_bytes()).unwrap().value), text);
    }

    #[test]
    fn writes_loose_numbers_as_text() {
        for (loose, strict) in [("NaN", "\"NaN\""), ("007", "\"007\""), ("+1", "\"+1\"")] {
            assert_eq!(value(&Value::Number(loose.into())), strict);
        }
    }

    proptest! {
        #[test]
        fn reads_back(text in "\\PC{0,20}[\\x00-\\x1f]{0,3}", number in any::<i128>()) {
            let original = Value::Array(vec![Value::text(text), Value::Number(number.to_string().into())]);
            let written = value(&original);
            prop_assert_eq!(read::value(written.as_bytes()).unwrap().value, original);
            prop_assert!(serde_json::from_str::<serde_json::Value>(&written).is_ok());
        }
    }
}
