//! Predicates: (field, test) pairs, interned so that each is decided at most once per event.

use super::expression::{self, Expression};
use super::literal_set::LiteralSet;
use super::wildcard::Wildcard;
use crate::Slot;
use crate::find::find;
use crate::fold::fold_char;
use ipnet::IpNet;
use sigmund_sigma::value::{Anchor, Comparison, DatePart, Matcher, Pattern, Regex, Token};
use std::collections::HashMap;
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
}

impl Literal {
    /// Whether it holds for a folded value.
    #[inline]
    pub(crate) fn holds(&self, folded: &[u8]) -> bool {
        match self.place {
            Place::Whole => folded == &*self.text,
            Place::Start => folded.starts_with(&self.text),
            Place::End => folded.ends_with(&self.text),
            Place::Anywhere => find(folded, &self.text).is_some(),
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

/// A test on a field.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Predicate {
    pub(crate) field: Slot,
    pub(crate) test: Test,
}

/// All predicates of a rule set.
#[derive(Debug, Default)]
pub(crate) struct Predicates {
    all: Vec<Predicate>,
    index: HashMap<Predicate, u32, ahash::RandomState>,
    regexes: Vec<OnceLock<Option<Arc<Expression>>>>,
    sets: Vec<OnceLock<LiteralSet>>,
    witnesses: Vec<OnceLock<Option<Witness>>>,
}

/// Literals of which every value that passes a test has one, and a guess of how often any of them is there.
#[derive(Clone, Debug)]
pub(crate) struct Witness {
    pub(crate) chance: f64,
    pub(crate) literals: Box<[Literal]>,
}

impl Predicates {
    pub(crate) fn intern(&mut self, predicate: Predicate) -> u32 {
        if let Some(&known) = self.index.get(&predicate) {
            return known;
        }
        let id = self.all.len() as u32;
        self.all.push(predicate.clone());
        self.regexes.push(OnceLock::new());
        self.sets.push(OnceLock::new());
        self.witnesses.push(OnceLock::new());
        self.index.insert(predicate, id);
        id
    }

    /// Drops the interning index; nothing is added afterwards.
    pub(crate) fn freeze(&mut self) {
        self.index = HashMap::default();
        self.all.shrink_to_fit();
    }

    #[inline]
    pub(crate) fn get(&self, id: u32) -> &Predicate {
        &self.all[id as usize]
    }

    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }

    /// The witness of a predicate, worked out once.
    pub(crate) fn witness(&self, id: u32) -> Option<&Witness> {
        self.witnesses[id as usize]
            .get_or_init(|| super::trigger::witness(&self.get(id).test))
            .as_ref()
    }

    /// The index over a long list of literals, made at its first use; short lists are faster tried one by one.
    #[inline]
    pub(crate) fn set(&self, id: u32) -> Option<&LiteralSet> {
        match &self.get(id).test {
            Test::AnyLiteral(literals) if literals.len() > 8 => {
                Some(self.sets[id as usize].get_or_init(|| LiteralSet::new(literals)))
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
        let literal = |place, text: &str| Test::Literal(Literal { place, text: folded(text) });
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
