//! Which format a stream has, by its beginning.

use crate::{FORMATS, Format, Head, Score, Text};

/// The format that is surest of a stream with this beginning; plain text if no other is.
#[must_use]
pub fn detect(head: &Head<'_>) -> &'static dyn Format {
    let mut best: (&'static dyn Format, Score) = (&Text, Score::NO);
    for format in FORMATS {
        let score = format.sniff(head);
        if score > best.1 {
            best = (*format, score);
        }
        // No format behind one that is sure is surer.
        if score >= Score::SURE {
            break;
        }
    }
    best.0
}

/// The format of that name.
#[must_use]
pub fn format_named(name: &str) -> Option<&'static dyn Format> {
    FORMATS.iter().copied().find(|format| format.name() == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(bytes: &[u8]) -> &'static str {
        detect(&Head { file_name: "", bytes }).name()
    }

    #[test]
    fn falls_back_to_text() {
        assert_eq!(name(b""), "text");
        assert_eq!(name(b"hello\nworld\n"), "text");
        assert_eq!(name(b"{brace\n"), "text");
        assert_eq!(name(&[0, 1, 2, 255]), "text");
    }

    #[test]
    fn knows_json_in_its_forms() {
        for text in [
            "{\"a\":1}\n",
            "{\n  \"a\": 1\n}",
            "[{\"a\":1}]",
            "\u{feff} {\"a\":1}",
            "{\"a\":\"cut of",
            "{}",
            "[\n  {\n",
        ] {
            assert_eq!(name(text.as_bytes()), "json", "{text}");
        }
        for text in ["[2024-01-02] hello", "[error] x", "{a}", "[1,2]"] {
            assert_eq!(name(text.as_bytes()), "text", "{text}");
        }
    }

    #[test]
    fn finds_formats_by_name() {
        for format in FORMATS {
            assert_eq!(format_named(format.name()).map(Format::name), Some(format.name()));
        }
        assert!(format_named("no such format").is_none());
        assert_eq!(FORMATS.last().map(|format| format.name()), Some("text"));
    }
}
