//! A text pattern against a whole text.

use crate::find;
use crate::fold::folded;
use sigmund_sigma::{Pattern, Token};

/// A pattern cut at its `*`: the first piece stands at the start of the text, the last at its end, those
/// between follow each other anywhere. For each of those the leftmost place is as good as any other, which is why no
/// backtracking is needed.
#[derive(Clone, Debug)]
pub(crate) struct Wildcard {
    /// At least one; `a*b` has two.
    pieces: Vec<Vec<Token>>,
    pub(super) cased: bool,
}

impl Wildcard {
    /// For whole values.
    pub(super) fn new(pattern: &Pattern) -> Self {
        let mut pieces = vec![Vec::new()];
        for token in &pattern.tokens {
            match token {
                Token::Any => pieces.push(Vec::new()),
                Token::Literal(text) if !pattern.cased => {
                    push(&mut pieces, Token::Literal(folded(text).into()));
                }
                Token::Literal(_) | Token::One | Token::Dash => push(&mut pieces, token.clone()),
            }
        }
        Self { pieces, cased: pattern.cased }
    }

    /// For keywords: anywhere in the value.
    pub(super) fn anywhere(pattern: &Pattern) -> Self {
        let mut wildcard = Self::new(pattern);
        wildcard.pieces.insert(0, Vec::new());
        wildcard.pieces.push(Vec::new());
        wildcard
    }

    /// The longest text that is in everything that matches.
    pub(super) fn longest_literal(&self) -> Option<&str> {
        let literals = self.pieces.iter().flatten().filter_map(|token| match token {
            Token::Literal(text) => Some(&**text),
            Token::Any | Token::One | Token::Dash => None,
        });
        literals.max_by_key(|text| text.len())
    }

    /// `text` is folded unless the pattern is cased.
    pub(super) fn matches(&self, text: &str) -> bool {
        let Some((first, rest)) = self.pieces.split_first() else {
            return text.is_empty();
        };
        let Some(after_first) = strip(first, text) else {
            return false;
        };
        let Some((last, middle)) = rest.split_last() else {
            return after_first.is_empty();
        };
        let mut text = after_first;
        for piece in middle {
            match find(piece, text) {
                Some(after) => text = after,
                None => return false,
            }
        }
        ends_with(last, text)
    }
}

fn push(pieces: &mut [Vec<Token>], token: Token) {
    if let Some(piece) = pieces.last_mut() {
        piece.push(token);
    }
}

/// What follows if `text` starts with the piece.
fn strip<'t>(piece: &[Token], text: &'t str) -> Option<&'t str> {
    piece.iter().try_fold(text, |text, token| match token {
        Token::Literal(literal) => text.strip_prefix(&**literal),
        Token::One => {
            let mut chars = text.chars();
            chars.next().map(|_| chars.as_str())
        }
        Token::Dash => text.strip_prefix(is_dash),
        Token::Any => Some(text),
    })
}

/// What follows the leftmost place of the piece.
fn find<'t>(piece: &[Token], text: &'t str) -> Option<&'t str> {
    match piece.split_first() {
        None => Some(text),
        Some((Token::Literal(literal), rest)) => {
            let mut from = 0;
            while let Some(at) = find::find(&text.as_bytes()[from..], literal.as_bytes()) {
                let start = from + at;
                if let Some(after) = strip(rest, &text[start + literal.len()..]) {
                    return Some(after);
                }
                from = start + text[start..].chars().next().map_or(1, char::len_utf8);
                if from > text.len() {
                    return None;
                }
            }
            None
        }
        Some(_) => text
            .char_indices()
            .map(|(at, _)| &text[at..])
            .chain([""])
            .find_map(|rest| strip(piece, rest)),
    }
}

/// A piece has a fixed length in characters, so there is one place where it can end the text.
fn ends_with(piece: &[Token], text: &str) -> bool {
    piece
        .iter()
        .rev()
        .try_fold(text, |text, token| match token {
            Token::Literal(literal) => text.strip_suffix(&**literal),
            Token::One => {
                let mut chars = text.chars();
                chars.next_back().map(|_| chars.as_str())
            }
            Token::Dash => text.strip_suffix(is_dash),
            Token::Any => Some(text),
        })
        .is_some()
}

/// The option dashes of `windash` (choice C19).
fn is_dash(c: char) -> bool {
    matches!(c, '-' | '/' | '\u{2013}' | '\u{2014}' | '\u{2015}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The definition, word by word.
    fn naive(tokens: &[Token], text: &[char], cased: bool) -> bool {
        let Some((token, rest)) = tokens.split_first() else {
            return text.is_empty();
        };
        match token {
            Token::Any => (0..=text.len()).any(|skip| naive(rest, &text[skip..], cased)),
            Token::One => !text.is_empty() && naive(rest, &text[1..], cased),
            Token::Dash => {
                text.first().is_some_and(|&c| is_dash(c)) && naive(rest, &text[1..], cased)
            }
            Token::Literal(literal) => {
                let literal: Vec<char> = literal.chars().collect();
                let same = |a: char, b: char| {
                    a == b || !cased && crate::fold::fold_char(a) == crate::fold::fold_char(b)
                };
                text.len() >= literal.len()
                    && literal.iter().zip(text).all(|(&a, &b)| same(a, b))
                    && naive(rest, &text[literal.len()..], cased)
            }
        }
    }

    fn token() -> impl Strategy<Value = Token> {
        prop_oneof![
            Just(Token::Any),
            Just(Token::One),
            Just(Token::Dash),
            "[aAbσς-]{1,3}".prop_map(|text| Token::Literal(text.into())),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]
        #[test]
        fn agrees_with_the_definition(
            tokens in prop::collection::vec(token(), 0..7),
            text in "[aAbΣσς/–\n-]{0,12}",
            cased in any::<bool>(),
        ) {
            let pattern = Pattern { tokens: tokens.clone().into(), cased };
            let chars: Vec<char> = text.chars().collect();
            let seen = if cased { text } else { folded(&text) };
            prop_assert_eq!(Wildcard::new(&pattern).matches(&seen), naive(&tokens, &chars, cased));
            let around: Vec<Token> =
                [Token::Any].into_iter().chain(tokens).chain([Token::Any]).collect();
            prop_assert_eq!(Wildcard::anywhere(&pattern).matches(&seen), naive(&around, &chars, cased));
        }
    }

    #[test]
    fn many_stars_end_quickly() {
        let mut tokens = Vec::new();
        for _ in 0..200 {
            tokens.extend([Token::Any, Token::Literal("a".into())]);
        }
        tokens.extend([Token::Any, Token::Literal("b".into())]);
        let pattern = Pattern { tokens: tokens.into(), cased: false };
        assert!(!Wildcard::new(&pattern).matches(&"a".repeat(20_000)));
    }
}
