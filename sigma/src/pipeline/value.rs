//! Sigma texts as written, taken apart into characters and wildcards and put together again.
//!
//! Regexes of pipelines are written against pySigma's *plain* form, in which a backslash is one
//! character and only a literal `*` or `?` is escaped. The written form has `\\` for a backslash
//! where it would otherwise escape (semantics section 3).

use regex::Regex;

/// A character of a Sigma text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// Itself.
    Char(char),
    /// `*`
    Any,
    /// `?`
    One,
}

/// Resolves the escapes of a written text.
pub(super) fn pieces(written: &str) -> Vec<Piece> {
    let mut pieces = Vec::with_capacity(written.len());
    let mut rest = written.chars().peekable();
    while let Some(c) = rest.next() {
        pieces.push(match c {
            '*' => Piece::Any,
            '?' => Piece::One,
            '\\' => match rest.next_if(|c| matches!(c, '*' | '?' | '\\')) {
                Some(escaped) => Piece::Char(escaped),
                None => Piece::Char('\\'),
            },
            c => Piece::Char(c),
        });
    }
    pieces
}

/// The written form, with as few escapes as the meaning needs.
pub(super) fn written(pieces: &[Piece]) -> String {
    let mut text = String::with_capacity(pieces.len());
    for (index, piece) in pieces.iter().enumerate() {
        match piece {
            Piece::Any => text.push('*'),
            Piece::One => text.push('?'),
            Piece::Char(c @ ('*' | '?')) => {
                text.push('\\');
                text.push(*c);
            }
            Piece::Char('\\') => {
                text.push('\\');
                let next = pieces.get(index + 1);
                if next.is_none_or(|next| {
                    matches!(next, Piece::Any | Piece::One | Piece::Char('\\' | '*' | '?'))
                }) {
                    text.push('\\');
                }
            }
            Piece::Char(c) => text.push(*c),
        }
    }
    text
}

/// The form that regexes see.
pub(super) fn plain(written: &str) -> String {
    let mut text = String::with_capacity(written.len());
    for piece in pieces(written) {
        push_plain(&mut text, piece);
    }
    text
}

fn push_plain(text: &mut String, piece: Piece) {
    match piece {
        Piece::Any => text.push('*'),
        Piece::One => text.push('?'),
        Piece::Char(c @ ('*' | '?')) => {
            text.push('\\');
            text.push(c);
        }
        Piece::Char(c) => text.push(c),
    }
}

/// Whether the text has a wildcard.
pub(super) fn has_wildcard(written: &str) -> bool {
    pieces(written).iter().any(|piece| !matches!(piece, Piece::Char(_)))
}

/// Replaces every match in the plain form. What no match touches stays exactly as it was; in what
/// is inserted, a backslash escapes a wildcard and is literal otherwise.
pub(super) fn replace(value: &str, regex: &Regex, replacement: &str) -> String {
    let original = pieces(value);
    let mut text = String::with_capacity(value.len());
    // Where each piece starts in the plain form.
    let mut starts = Vec::with_capacity(original.len());
    for &piece in &original {
        starts.push(text.len());
        push_plain(&mut text, piece);
    }
    // Pieces that start in `from..to` and thus are untouched. A match that ends inside an escaped
    // wildcard takes the rest of it along.
    let untouched = |from: usize, to: usize| {
        let range = starts.partition_point(|&at| at < from)..starts.partition_point(|&at| at < to);
        original[range].iter().copied()
    };
    let mut result = Vec::with_capacity(original.len());
    let mut from = 0;
    for captures in regex.captures_iter(&text) {
        let Some(whole) = captures.get(0) else { continue };
        result.extend(untouched(from, whole.start()));
        let mut inserted = String::new();
        captures.expand(replacement, &mut inserted);
        result.extend(inserted_pieces(&inserted));
        from = whole.end();
    }
    result.extend(untouched(from, text.len()));
    written(&result)
}

fn inserted_pieces(inserted: &str) -> Vec<Piece> {
    let mut pieces = Vec::with_capacity(inserted.len());
    let mut rest = inserted.chars().peekable();
    while let Some(c) = rest.next() {
        pieces.push(match c {
            '*' => Piece::Any,
            '?' => Piece::One,
            '\\' => match rest.next_if(|c| matches!(c, '*' | '?')) {
                Some(escaped) => Piece::Char(escaped),
                None => Piece::Char('\\'),
            },
            c => Piece::Char(c),
        });
    }
    pieces
}

/// A Python replacement template (`\1`, `\g<name>`) as one of the `regex` crate.
pub(super) fn replacement_template(python: &str) -> String {
    let mut template = String::with_capacity(python.len());
    let mut rest = python.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '$' => template.push_str("$$"),
            '\\' => match rest.peek().copied() {
                Some('0'..='9') => {
                    template.push_str("${");
                    while let Some(digit) = rest.next_if(char::is_ascii_digit) {
                        template.push(digit);
                    }
                    template.push('}');
                }
                Some('g') => {
                    rest.next();
                    match rest.next_if_eq(&'<') {
                        Some(_) => {
                            template.push_str("${");
                            template.extend(rest.by_ref().take_while(|&c| c != '>'));
                            template.push('}');
                        }
                        None => template.push_str("\\g"),
                    }
                }
                Some('\\') => {
                    rest.next();
                    template.push('\\');
                }
                _ => template.push('\\'),
            },
            c => template.push(c),
        }
    }
    template
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_form_survives() {
        for text in [r"C:\a\b*", r"a\*b", r"a\\*", r"\\\\srv\x", "é?*", r"a\\"] {
            assert_eq!(pieces(&written(&pieces(text))), pieces(text), "{text}");
        }
        assert_eq!(written(&pieces(r"C:\a\b")), r"C:\a\b");
        assert_eq!(plain(r"\\\\srv\\\*"), r"\\srv\\*");
    }

    #[test]
    fn replaces_in_the_plain_form() {
        let replace = |value, pattern: &str, replacement: &str| {
            replace(value, &Regex::new(pattern).unwrap(), &replacement_template(replacement))
        };
        assert_eq!(
            replace(r"HKLM\Soft\x*", r"^HKLM\\", r"\\REGISTRY\\MACHINE\\"),
            r"\REGISTRY\MACHINE\Soft\x*"
        );
        assert_eq!(replace(r"a-b", r"(\w)-(\w)", r"\2-\1"), "b-a");
        assert_eq!(replace("a$b", "b", "$1"), "a$$1");
        assert_eq!(replace("ab", "(?P<x>a)", r"\g<x>\g<x>"), "aab");
        assert_eq!(replace(r"C:\\*", r"\*$", "x"), r"C:\x");
        assert_eq!(replace(r"a\*b", "b", "*"), r"a\**");
    }

    proptest::proptest! {
        #[test]
        fn any_text_survives_an_empty_replacement(text in r"[a\\*?%é]{0,20}") {
            let same = replace(&text, &Regex::new("never there").unwrap(), "");
            proptest::prop_assert_eq!(pieces(&same), pieces(&text));
        }
    }
}
