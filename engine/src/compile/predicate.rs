//! Predicates: (field, test) pairs, interned so that each is decided at most once per event.

use super::expression::{self, Expression};
use super::literal_set::LiteralSet;
use super::wildcard::Wildcard;
use crate::Slot;
use crate::find::{RareBytes, find_by};
use crate::fold::fold_char;
use ipnet::IpNet;
use sigmund_sigma::value::{Anchor, Comparison, DatePart, Matcher, Pattern, Regex, Token};
use std::collections::HashMap;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, OnceLock};

/// Where a literal must stand in the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Place {
    /// It is the whole value.
    Whole,
    /// At its start.
    Start,
    /// At its end.
    End,
    /// Anywhere.
    Anywhere,
}

/// A folded literal and its place.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Literal {
    pub(crate) place: Place,
    pub(crate) text: Box<[u8]>,
    rare: RareBytes,
}

impl Literal {
    pub(crate) fn new(place: Place, text: Box<[u8]>) -> Self {
        Self { place, rare: RareBytes::of(&text), text }
    }

    /// Whether it holds for a folded value.
    #[inline]
    pub(crate) fn holds(&self, folded: &[u8]) -> bool {
        match self.place {
            Place::Whole => folded == &*self.text,
            Place::Start => folded.starts_with(&self.text),
            Place::End => folded.ends_with(&self.text),
            Place::Anywhere => find_by(folded, &self.text, self.rare).is_some(),
        }
    }
}

/// What is asked of a field's value.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Test {
    /// A literal of the folded text.
    Literal(Literal),
    /// Any of several literals of the folded text; sorted.
    AnyLiteral(Box<[Literal]>),
    /// Any text at all: `*`.
    AnyText,
    /// A pattern with inner wildcards, or a case-sensitive one.
    Wildcard(Wildcard),
    /// A regular expression on the text as it is.
    Regex(Regex),
    /// An address in a network.
    Cidr(IpNet),
    /// A numeric comparison with a canonical number.
    Compare(Comparison, Box<str>),
    /// Missing or null.
    Null,
    /// Present, or not.
    Exists(bool),
    /// Another field's text.
    FieldRef(Slot, Anchor),
    /// A part of a date.
    DatePart(DatePart, Option<Comparison>, i64),
}

impl Test {
    /// The literals of which a value must have one, if that is all that is asked.
    pub(crate) fn literals(&self) -> Option<&[Literal]> {
        match self {
            Self::Literal(literal) => Some(std::slice::from_ref(literal)),
            Self::AnyLiteral(literals) => Some(literals),
            _ => None,
        }
    }
}

/// A test on a field.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Predicate {
    pub(crate) field: Slot,
    pub(crate) test: Test,
}

/// Numbers predicates while rules are compiled.
#[derive(Debug, Default)]
pub(crate) struct Interner(HashMap<Predicate, u32, ahash::RandomState>);

impl Interner {
    /// The number of a predicate.
    pub(crate) fn intern(&mut self, predicate: Predicate) -> u32 {
        let next = self.0.len() as u32;
        *self.0.entry(predicate).or_insert(next)
    }

    /// All of them, by number.
    pub(crate) fn finish(self) -> Predicates {
        let mut numbered: Vec<(Predicate, u32)> = self.0.into_iter().collect();
        numbered.sort_unstable_by_key(|(_, id)| *id);
        let all: Box<[Predicate]> = numbered.into_iter().map(|(predicate, _)| predicate).collect();
        Predicates {
            regexes: all.iter().map(|_| OnceLock::new()).collect(),
            sets: all.iter().map(|_| LazySet::default()).collect(),
            witnesses: all.iter().map(|_| OnceLock::new()).collect(),
            all,
        }
    }
}

/// All predicates of a rule set.
#[derive(Debug)]
pub(crate) struct Predicates {
    all: Box<[Predicate]>,
    regexes: Box<[OnceLock<Option<Arc<Expression>>>]>,
    sets: Box<[LazySet]>,
    witnesses: Box<[OnceLock<Option<Witness>>]>,
}

/// The index over a list of literals, once it is worth making.
#[derive(Debug, Default)]
struct LazySet {
    /// What was spent without it, in comparisons of a whole value or an end of it with all literals.
    spent: AtomicU32,
    made: OnceLock<Box<LiteralSet>>,
}

/// Shorter lists are faster tried one by one.
const LONG_LIST: usize = 8;

/// Making an index takes as long as comparing its literals with values about so many times.
const WORTH_AN_INDEX: u32 = 128;

/// So many comparisons take as long as looking for the literal anywhere.
const SEARCH: u32 = 8;

/// Literals of which every value that passes a test has one, and a guess of how often any of them is there.
#[derive(Debug)]
pub(crate) struct Witness {
    pub(crate) chance: f64,
    /// `None` if they are those of the test itself.
    pub(crate) derived: Option<Box<[Literal]>>,
}

impl Predicates {
    #[inline]
    pub(crate) fn get(&self, id: u32) -> &Predicate {
        &self.all[id as usize]
    }

    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }

    /// How likely the witness of a predicate is, worked out once; `None` if there is no witness.
    pub(crate) fn chance(&self, id: u32) -> Option<f64> {
        Some(self.witness(id)?.chance)
    }

    /// The literals of the witness of a predicate; `None` if there is no witness.
    pub(crate) fn necessary(&self, id: u32) -> Option<&[Literal]> {
        match &self.witness(id)?.derived {
            Some(literals) => Some(literals),
            None => self.get(id).test.literals(),
        }
    }

    fn witness(&self, id: u32) -> Option<&Witness> {
        self.witnesses[id as usize]
            .get_or_init(|| super::trigger::witness(&self.get(id).test))
            .as_ref()
    }

    /// The index over a long list of literals, if it was asked for often enough: else they are tried one by one.
    #[inline]
    pub(crate) fn set(&self, id: u32) -> Option<&LiteralSet> {
        match &self.get(id).test {
            Test::AnyLiteral(literals) if literals.len() > LONG_LIST => {
                let LazySet { spent, made } = &self.sets[id as usize];
                if made.get().is_none() {
                    // They are sorted by place.
                    let last = literals.last().map(|literal| literal.place);
                    let price = if last == Some(Place::Anywhere) { SEARCH } else { 1 };
                    if spent.fetch_add(price, Relaxed) < WORTH_AN_INDEX {
                        return None;
                    }
                }
                Some(made.get_or_init(|| Box::new(LiteralSet::new(literals.iter()))))
            }
            _ => None,
        }
    }

    /// The compiled regular expression of a `Regex` predicate; compiled when the rule was checked.
    /// `None` cannot happen for checked rules (see [`expression::compile`]) and never matches.
    pub(crate) fn regex(&self, id: u32) -> Option<&Expression> {
        self.regexes[id as usize]
            .get_or_init(|| match &self.get(id).test {
                Test::Regex(regex) => expression::compile(regex).ok(),
                _ => None,
            })
            .as_deref()
    }
}

/// The folded bytes of a literal.
pub(crate) fn folded(text: &str) -> Box<[u8]> {
    if text.is_ascii() {
        return text.to_ascii_lowercase().into_bytes().into_boxed_slice();
    }
    text.chars().map(fold_char).collect::<String>().into_bytes().into_boxed_slice()
}

/// The test of a text pattern.
pub(crate) fn text_test(pattern: &Pattern) -> Test {
    if !pattern.cased {
        let literal = |place, text: &str| Test::Literal(Literal::new(place, folded(text)));
        match &*pattern.tokens {
            [] => return literal(Place::Whole, ""),
            [Token::Any] => return Test::AnyText,
            [Token::Literal(text)] => return literal(Place::Whole, text),
            [Token::Literal(text), Token::Any] => return literal(Place::Start, text),
            [Token::Any, Token::Literal(text)] => return literal(Place::End, text),
            [Token::Any, Token::Literal(text), Token::Any] => {
                return literal(Place::Anywhere, text);
            }
            _ => {}
        }
    } else if matches!(&*pattern.tokens, [Token::Any]) {
        return Test::AnyText;
    }
    Test::Wildcard(Wildcard::new(pattern))
}

/// The test of a matcher that is not an expansion; `slot` interns the names of other fields.
pub(crate) fn test_of(matcher: &Matcher, slot: &mut dyn FnMut(&str) -> Slot) -> Test {
    match matcher {
        Matcher::Text(pattern) => text_test(pattern),
        Matcher::Null => Test::Null,
        Matcher::Exists(wanted) => Test::Exists(*wanted),
        Matcher::Regex(regex) => Test::Regex(regex.clone()),
        Matcher::Cidr(network) => Test::Cidr(*network),
        Matcher::Compare(comparison, number) => Test::Compare(*comparison, number.clone()),
        Matcher::FieldRef(name, anchor) => Test::FieldRef(slot(name), *anchor),
        Matcher::DatePart(part, comparison, number) => Test::DatePart(*part, *comparison, *number),
        Matcher::AnyOf(_) => unreachable!("expansions are lowered to alternatives before"),
    }
}
