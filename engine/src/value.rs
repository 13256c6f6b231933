//! The values of an event: what JSON can say, with numbers exact.

use std::borrow::Cow;

/// A value. Numbers keep their written text, so that integers of any size stay exact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// JSON `null`, an unset Zeek column.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number as written.
    Number(Box<str>),
    /// Text; bytes that were not UTF-8 are U+FFFD here, the raw record keeps them.
    Text(Box<str>),
    /// A list.
    Array(Vec<Value>),
    /// Named members.
    Object(Object),
}

/// Named members in written order. A name may occur twice: the last one counts in look-ups, all are
/// searched by keywords.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Object(pub Vec<(Box<str>, Value)>);

impl Object {
    /// The last member of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().rev().find(|(key, _)| &**key == name).map(|(_, value)| value)
    }

    /// Adds a member.
    pub fn push(&mut self, name: impl Into<Box<str>>, value: Value) {
        self.0.push((name.into(), value));
    }
}

impl Value {
    /// Text from anything that makes a string.
    #[must_use]
    pub fn text(text: impl Into<Box<str>>) -> Self {
        Self::Text(text.into())
    }

    /// The text that comparisons see: numbers canonical (choice C5), booleans `true`/`false`;
    /// `None` for null, lists and objects.
    #[must_use]
    pub fn comparable(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Text(text) => Some(Cow::Borrowed(text)),
            Self::Bool(true) => Some(Cow::Borrowed("true")),
            Self::Bool(false) => Some(Cow::Borrowed("false")),
            Self::Number(text) => Some(number_text(text)),
            Self::Null | Self::Array(_) | Self::Object(_) => None,
        }
    }
}

/// Canonical text of a number as written in JSON; plain integers, the usual case, are not copied.
#[must_use]
pub fn number_text(text: &str) -> Cow<'_, str> {
    let digits = text.strip_prefix('-').unwrap_or(text).as_bytes();
    let plain = match digits {
        [b'0'] => digits.len() == text.len(),
        [b'1'..=b'9', rest @ ..] => rest.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    if plain {
        return Cow::Borrowed(text);
    }
    match sigmund_sigma::value::canonical_number(text) {
        Some(text) => Cow::Owned(text.into_string()),
        None => Cow::Borrowed(text),
    }
}
