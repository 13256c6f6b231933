//! Text while modifiers work on it: a list of parts, so that an added wildcard can never be
//! escaped by the end of the value (pySigma issue 431).

use crate::value::{Pattern, Token};

/// A part of a text under modification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// Literal text.
    Text(String),
    /// The output of an encoding that is not text yet.
    Bytes(Vec<u8>),
    /// `*`
    Any,
    /// `?`
    One,
    /// An option dash.
    Dash,
    /// `%name%`, only where `expand` is among the modifiers.
    Placeholder(String),
}

/// Splits Sigma text into literals and wildcards (semantics section 3). With `placeholders`,
/// `%name%` and `\%` are recognised too (section 9.2).
pub(super) fn parse(text: &str, placeholders: bool) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut literal = String::new();
    let mut rest = text;
    loop {
        let next = if placeholders {
            rest.find(['\\', '*', '?', '%'])
        } else {
            rest.find(['\\', '*', '?'])
        };
        let Some(at) = next else {
            literal.push_str(rest);
            break;
        };
        literal.push_str(&rest[..at]);
        let special = rest.as_bytes()[at];
        rest = &rest[at + 1..];
        match special {
            b'*' | b'?' => {
                flush(&mut literal, &mut parts);
                parts.push(if special == b'*' { Part::Any } else { Part::One });
            }
            b'%' => match placeholder(rest) {
                Some(name) => {
                    flush(&mut literal, &mut parts);
                    parts.push(Part::Placeholder(name.to_owned()));
                    rest = &rest[name.len() + 1..];
                }
                None => literal.push('%'),
            },
            _ => match rest.as_bytes().first() {
                Some(&escaped @ (b'*' | b'?' | b'\\')) => {
                    literal.push(char::from(escaped));
                    rest = &rest[1..];
                }
                Some(b'%') if placeholders => {
                    literal.push('%');
                    rest = &rest[1..];
                }
                _ => literal.push('\\'),
            },
        }
    }
    flush(&mut literal, &mut parts);
    parts
}

/// The name of a placeholder whose opening `%` was just read.
pub(super) fn placeholder(rest: &str) -> Option<&str> {
    let name = &rest[..rest.find('%')?];
    let sound = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
    (!name.is_empty() && name.chars().all(sound)).then_some(name)
}

fn flush(literal: &mut String, parts: &mut Vec<Part>) {
    if !literal.is_empty() {
        parts.push(Part::Text(std::mem::take(literal)));
    }
}

/// The finished pattern: neighbouring literals merged, runs of `*` collapsed.
pub(super) fn pattern(parts: Vec<Part>, cased: bool) -> Pattern {
    let mut tokens: Vec<Token> = Vec::with_capacity(parts.len());
    let mut literal = String::new();
    for part in parts {
        let token = match part {
            Part::Text(text) if literal.is_empty() => {
                literal = text;
                continue;
            }
            Part::Text(text) => {
                literal.push_str(&text);
                continue;
            }
            Part::Bytes(bytes) => {
                literal.extend(bytes.into_iter().map(char::from));
                continue;
            }
            Part::Placeholder(name) => {
                literal.push_str(&format!("%{name}%"));
                continue;
            }
            Part::Any => Token::Any,
            Part::One => Token::One,
            Part::Dash => Token::Dash,
        };
        if !literal.is_empty() {
            tokens.push(Token::Literal(std::mem::take(&mut literal).into_boxed_str()));
        }
        if token != Token::Any || tokens.last() != Some(&Token::Any) {
            tokens.push(token);
        }
    }
    if !literal.is_empty() {
        tokens.push(Token::Literal(literal.into_boxed_str()));
    }
    Pattern { tokens: tokens.into_boxed_slice(), cased }
}

/// Replaces option dashes by [`Part::Dash`] (semantics section 8, choice C19): a dash character
/// at the start of a word of its literal run.
pub(super) fn option_dashes(parts: Vec<Part>) -> Vec<Part> {
    let mut out = Vec::with_capacity(parts.len());
    // Neighbouring texts are one run.
    let mut runs: Vec<Part> = Vec::with_capacity(parts.len());
    for part in parts {
        match (runs.last_mut(), part) {
            (Some(Part::Text(run)), Part::Text(more)) => run.push_str(&more),
            (_, part) => runs.push(part),
        }
    }
    for part in runs {
        let Part::Text(run) = part else {
            out.push(part);
            continue;
        };
        let mut literal = String::new();
        let mut before_is_word = false;
        let mut characters = run.chars().peekable();
        while let Some(character) = characters.next() {
            let option = is_dash(character)
                && !before_is_word
                && characters.peek().is_some_and(|next| is_word(*next));
            before_is_word = is_word(character);
            if option {
                flush(&mut literal, &mut out);
                out.push(Part::Dash);
            } else {
                literal.push(character);
            }
        }
        flush(&mut literal, &mut out);
    }
    out
}

/// The five characters that `windash` exchanges (specification, modifier `windash`).
pub(super) const DASHES: [char; 5] = ['-', '/', '\u{2013}', '\u{2014}', '\u{2015}'];

fn is_dash(character: char) -> bool {
    DASHES.contains(&character)
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(text: &str) -> Part {
        Part::Text(text.to_owned())
    }

    #[test]
    fn escapes_follow_the_table() {
        let cases: &[(&str, &[Part])] = &[
            (r"a\b", &[text(r"a\b")]),
            (r"a\\b", &[text(r"a\b")]),
            (r"a\\\b", &[text(r"a\\b")]),
            (r"a\\\\b", &[text(r"a\\b")]),
            (r"a\\\\\b", &[text(r"a\\\b")]),
            (r"a\", &[text(r"a\")]),
            (r"a\\", &[text(r"a\")]),
            (r"a\\\", &[text(r"a\\")]),
            (r"a\*", &[text("a*")]),
            (r"a\\*", &[text(r"a\"), Part::Any]),
            (r"a\\\*", &[text(r"a\*")]),
            (r"a\\\\*", &[text(r"a\\"), Part::Any]),
            (r"a\\\\\*", &[text(r"a\\*")]),
            (r"\\srv\x", &[text(r"\srv\x")]),
            (r"\\\\srv\x", &[text(r"\\srv\x")]),
            (r"C:\x\*", &[text(r"C:\x*")]),
            ("a?b\\?", &[text("a"), Part::One, text("b?")]),
            ("", &[]),
        ];
        for (written, parts) in cases {
            assert_eq!(parse(written, false), *parts, "{written}");
        }
    }

    #[test]
    fn placeholders_only_on_request() {
        assert_eq!(parse("%a%", false), [text("%a%")]);
        let placeholder = |name: &str| Part::Placeholder(name.to_owned());
        assert_eq!(
            parse("x%a%/%b-c%", true),
            [text("x"), placeholder("a"), text("/"), placeholder("b-c")]
        );
        assert_eq!(parse(r"\%plain%name%", true), [text("%plain"), placeholder("name")]);
        assert_eq!(parse(r"C:\\%u%", true), [text(r"C:\"), placeholder("u")]);
        assert_eq!(parse("100% of", true), [text("100% of")]);
        assert_eq!(parse("%%", true), [text("%%")]);
    }

    #[test]
    fn patterns_are_normalised() {
        let built = pattern(vec![Part::Any, Part::Any, text("a"), text("b"), Part::Any], false);
        assert_eq!(&*built.tokens, [Token::Any, Token::Literal("ab".into()), Token::Any]);
        assert!(pattern(vec![], false).tokens.is_empty());
    }

    #[test]
    fn option_dashes_are_at_word_starts() {
        let dashes = |written: &str| option_dashes(parse(written, false));
        assert_eq!(dashes(" -enc "), [text(" "), Part::Dash, text("enc ")]);
        assert_eq!(dashes("-param-name"), [Part::Dash, text("param-name")]);
        assert_eq!(dashes("a/b - c"), [text("a/b - c")]);
        assert_eq!(dashes("x -*y"), [text("x -"), Part::Any, text("y")]);
        assert_eq!(dashes("--x"), [text("-"), Part::Dash, text("x")]);
        assert_eq!(dashes("http://h"), [text("http:/"), Part::Dash, text("h")]);
        assert_eq!(dashes(" —é"), [text(" "), Part::Dash, text("é")]);
        assert_eq!(dashes("dir*-s"), [text("dir"), Part::Any, Part::Dash, text("s")]);
    }

    proptest! {
        #[test]
        fn escaping_a_literal_gives_it_back(literal in "[a\\\\*?%-]{0,20}") {
            let escaped: String = literal.chars().flat_map(|c| match c {
                '\\' | '*' | '?' => vec!['\\', c],
                c => vec![c],
            }).collect();
            let expected: Vec<Part> = if literal.is_empty() { vec![] } else { vec![text(&literal)] };
            prop_assert_eq!(parse(&escaped, false), expected);
        }
    }
}
