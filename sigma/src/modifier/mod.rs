//! Modifiers: what they are called, what types they take, what they make of a value.
//!
//! They apply in the order written (semantics section 4); `all` and `neq` concern the list.
//! [`key`] reads `field|mod1|mod2`, [`apply`] turns the values of an item into its matchers.

mod apply;
mod encoding;
mod key;
mod parts;
mod regex;

pub(crate) use apply::{Placeholders, apply};
pub(crate) use key::{Key, key};
pub(crate) use regex::places;

/// The pattern of a value without modifiers.
pub(crate) fn pattern(text: &str) -> crate::value::Pattern {
    parts::pattern(parts::parse(text, false), false)
}

/// A modifier by its specification name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names are the specification's")]
pub enum Modifier {
    Contains,
    StartsWith,
    EndsWith,
    All,
    Cased,
    Exists,
    Re,
    IgnoreCase,
    MultiLine,
    DotAll,
    Base64,
    Base64Offset,
    Wide,
    Utf16Le,
    Utf16Be,
    Utf16,
    WinDash,
    Cidr,
    Lt,
    Lte,
    Gt,
    Gte,
    Minute,
    Hour,
    Day,
    Week,
    Month,
    Year,
    FieldRef,
    Neq,
    Expand,
}

/// Every modifier with its name. The first name of a modifier is its specification name; the long
/// flag names are pySigma's.
pub const NAMES: &[(&str, Modifier)] = &[
    ("contains", Modifier::Contains),
    ("startswith", Modifier::StartsWith),
    ("endswith", Modifier::EndsWith),
    ("all", Modifier::All),
    ("cased", Modifier::Cased),
    ("exists", Modifier::Exists),
    ("re", Modifier::Re),
    ("i", Modifier::IgnoreCase),
    ("m", Modifier::MultiLine),
    ("s", Modifier::DotAll),
    ("ignorecase", Modifier::IgnoreCase),
    ("multiline", Modifier::MultiLine),
    ("dotall", Modifier::DotAll),
    ("base64", Modifier::Base64),
    ("base64offset", Modifier::Base64Offset),
    ("wide", Modifier::Wide),
    ("utf16le", Modifier::Utf16Le),
    ("utf16be", Modifier::Utf16Be),
    ("utf16", Modifier::Utf16),
    ("windash", Modifier::WinDash),
    ("cidr", Modifier::Cidr),
    ("lt", Modifier::Lt),
    ("lte", Modifier::Lte),
    ("gt", Modifier::Gt),
    ("gte", Modifier::Gte),
    ("minute", Modifier::Minute),
    ("hour", Modifier::Hour),
    ("day", Modifier::Day),
    ("week", Modifier::Week),
    ("month", Modifier::Month),
    ("year", Modifier::Year),
    ("fieldref", Modifier::FieldRef),
    ("neq", Modifier::Neq),
    ("expand", Modifier::Expand),
];

/// Whether values behind these modifiers can only be numbers.
pub(crate) fn take_number(modifiers: &[Modifier]) -> bool {
    let first = modifiers.iter().find(|modifier| !modifier.is_for_list());
    first.is_some_and(|first| first.takes_number())
}

/// Names that only Confluent Sigma has. Its rules are read as they are; lint tells the names that Sigma has.
pub(crate) const FOREIGN_NAMES: &[(&str, Modifier)] = &[
    ("beginswith", Modifier::StartsWith),
    ("greater_than", Modifier::Gt),
    ("less_than", Modifier::Lt),
];

impl Modifier {
    /// The modifier of that name. Names are case-sensitive.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        let mut all = NAMES.iter().chain(FOREIGN_NAMES);
        all.find(|(known, _)| *known == name).map(|(_, modifier)| *modifier)
    }

    /// The specification name.
    #[must_use]
    pub fn name(self) -> &'static str {
        NAMES.iter().find(|(_, modifier)| *modifier == self).map_or("", |(name, _)| name)
    }

    /// Whether it makes something of a number, and of nothing else.
    #[must_use]
    pub fn takes_number(self) -> bool {
        let compares = matches!(self, Self::Lt | Self::Lte | Self::Gt | Self::Gte);
        let short = matches!(self, Self::Minute | Self::Hour | Self::Day);
        compares || short || matches!(self, Self::Week | Self::Month | Self::Year)
    }

    /// Whether it concerns the list of values rather than each value.
    #[must_use]
    pub fn is_for_list(self) -> bool {
        matches!(self, Self::All | Self::Neq)
    }
}

impl std::fmt::Display for Modifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_both_ways() {
        for (name, modifier) in NAMES {
            assert_eq!(Modifier::from_name(name), Some(*modifier));
            assert!(Modifier::from_name(modifier.name()).is_some());
        }
        assert_eq!(Modifier::from_name("Contains"), None);
        assert_eq!(Modifier::DotAll.name(), "s");
    }
}
