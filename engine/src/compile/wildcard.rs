//! Patterns with wildcards, matched without regular expressions: segments between `*`, leftmost first.

use super::predicate::folded;
use crate::find;
use sigmund_sigma::value::{Pattern, Token};

/// One element of a segment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Part {
    Literal(Box<[u8]>),
    /// `?`
    One,
    /// An option dash.
    Dash,
}

/// A compiled pattern. Works on folded text, unless it is case-sensitive.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Wildcard {
    segments: Box<[Box<[Part]>]>,
    /// Begins (ends) with `*`.
    open_start: bool,
    open_end: bool,
    pub(crate) cased: bool,
}

const DASHES: [&[u8]; 5] = [b"-", b"/", "–".as_bytes(), "—".as_bytes(), "―".as_bytes()];

impl Wildcard {
    pub(crate) fn new(pattern: &Pattern) -> Self {
        let mut segments: Vec<Box<[Part]>> = Vec::new();
        let mut segment: Vec<Part> = Vec::new();
        for token in &pattern.tokens {
            match token {
                Token::Any => {
                    if !segment.is_empty() {
                        segments.push(std::mem::take(&mut segment).into());
                    }
                }
                Token::Literal(text) if pattern.cased => {
                    segment.push(Part::Literal(text.as_bytes().into()));
                }
                Token::Literal(text) => segment.push(Part::Literal(folded(text))),
                Token::One => segment.push(Part::One),
                Token::Dash => segment.push(Part::Dash),
            }
        }
        if !segment.is_empty() {
            segments.push(segment.into());
        }
        Self {
            segments: segments.into(),
            open_start: matches!(pattern.tokens.first(), Some(Token::Any)),
            open_end: matches!(pattern.tokens.last(), Some(Token::Any)),
            cased: pattern.cased,
        }
    }

    /// The longest literal, folded: every match contains it.
    pub(crate) fn longest_literal(&self) -> Option<Box<[u8]>> {
        let literals =
            self.segments.iter().flat_map(|segment| segment.iter()).filter_map(|part| match part {
                Part::Literal(text) => Some(text),
                Part::One | Part::Dash => None,
            });
        let longest = literals.max_by_key(|text| text.len())?;
        if self.cased {
            return Some(folded(std::str::from_utf8(longest).ok()?));
        }
        Some(longest.clone())
    }

    /// Whether the whole text matches.
    pub(crate) fn matches(&self, text: &[u8]) -> bool {
        let Some((last, others)) = self.segments.split_last() else {
            return self.open_start || text.is_empty();
        };
        let mut at = 0;
        for (index, segment) in others.iter().enumerate() {
            let end = if index == 0 && !self.open_start {
                match_at(segment, text, 0)
            } else {
                find(segment, text, at)
            };
            match end {
                Some(end) => at = end,
                None => return false,
            }
        }
        let anchored_start = others.is_empty() && !self.open_start;
        match (anchored_start, self.open_end) {
            (true, true) => match_at(last, text, 0).is_some(),
            (true, false) => match_at(last, text, 0) == Some(text.len()),
            (false, true) => find(last, text, at).is_some(),
            (false, false) => match_back(last, text).is_some_and(|start| start >= at),
        }
    }
}

/// Matches a segment at `at`; gives its end.
fn match_at(segment: &[Part], text: &[u8], mut at: usize) -> Option<usize> {
    for part in segment {
        let rest = text.get(at..)?;
        at += match part {
            Part::Literal(literal) => rest.starts_with(literal).then_some(literal.len())?,
            Part::One => char_len(rest)?,
            Part::Dash => DASHES.iter().find(|dash| rest.starts_with(dash))?.len(),
        };
    }
    Some(at)
}

/// Matches a segment that ends at the text's end; gives its start.
fn match_back(segment: &[Part], text: &[u8]) -> Option<usize> {
    let mut end = text.len();
    for part in segment.iter().rev() {
        let rest = &text[..end];
        end -= match part {
            Part::Literal(literal) => rest.ends_with(literal).then_some(literal.len())?,
            Part::One => last_char_len(rest)?,
            Part::Dash => DASHES.iter().find(|dash| rest.ends_with(dash))?.len(),
        };
    }
    Some(end)
}

/// Finds a segment from `at` on; gives its end. Its longest literal leads the search: all parts have a fixed number of characters, so the
/// leftmost place of the literal is that of the leftmost segment.
fn find(segment: &[Part], text: &[u8], at: usize) -> Option<usize> {
    let literals = segment.iter().enumerate().filter_map(|(place, part)| match part {
        Part::Literal(literal) => Some((place, literal)),
        Part::One | Part::Dash => None,
    });
    if let Some((leading, literal)) = literals.max_by_key(|(_, literal)| literal.len()) {
        let (before, behind) = (&segment[..leading], &segment[leading + 1..]);
        let mut from = at;
        loop {
            let found = from + find::find(text.get(from..)?, literal)?;
            if match_back(before, text.get(at..found)?).is_some()
                && let Some(end) = match_at(behind, text, found + literal.len())
            {
                return Some(end);
            }
            from = found + 1;
        }
    }
    let mut from = at;
    while from <= text.len() {
        if let Some(end) = match_at(segment, text, from) {
            return Some(end);
        }
        from += char_len(&text[from..])?;
    }
    None
}

fn char_len(text: &[u8]) -> Option<usize> {
    let first = *text.first()?;
    let len = match first {
        0..0x80 => 1,
        0xF0.. => 4,
        0xE0.. => 3,
        _ => 2,
    };
    Some(len.min(text.len()))
}

fn last_char_len(text: &[u8]) -> Option<usize> {
    let continuation = text.iter().rev().take(3).take_while(|byte| **byte & 0xC0 == 0x80).count();
    (!text.is_empty()).then_some((continuation + 1).min(text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> Wildcard {
        let mut tokens: Vec<Token> = Vec::new();
        for character in text.chars() {
            match (character, tokens.last_mut()) {
                ('*', _) => tokens.push(Token::Any),
                ('?', _) => tokens.push(Token::One),
                ('~', _) => tokens.push(Token::Dash),
                (other, Some(Token::Literal(literal))) => {
                    *literal = format!("{literal}{other}").into();
                }
                (other, _) => tokens.push(Token::Literal(other.to_string().into())),
            }
        }
        Wildcard::new(&Pattern { tokens: tokens.into(), cased: false })
    }

    #[test]
    fn segments_are_found_leftmost_and_anchored() {
        for (glob, text, matches) in [
            ("a*b", "ab", true),
            ("a*b", "axxb", true),
            ("a*b", "abx", false),
            ("*ab?c*", "abcabxc", true),
            ("*?", "", false),
            ("*?", "é", true),
            ("a?c", "aéc", true),
            ("a?c", "ac", false),
            ("*a*a*", "a", false),
            ("*a*a", "aa", true),
            ("ab*ba", "aba", false),
            ("*~enc*", "x –enc y", true),
            ("*~enc*", "x +enc y", false),
            ("* ~enc* ~x", "a-enc – enc –enc /x", true),
            ("* ~enc* ~x", "a-enc – enc /x", false),
            ("*é*?enc ?*", "éenc xenc", false),
            ("*é*?enc ?*", "é–enc –", true),
            ("*b*?bcd*", "bcdbcd", true),
            ("*b*?bcd*", "abcd", false),
            ("??", "\u{1F600}x", true),
        ] {
            assert_eq!(pattern(glob).matches(text.as_bytes()), matches, "{glob} on {text}");
        }
    }
}
