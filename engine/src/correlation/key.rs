//! Keys of groups, and the values that correlations want of hits.

use super::number::Fixed;
use super::rule::Node;
use super::window::Value;
use sigmund_sigma::correlation::CorrelationType;

/// Appends one text with its length before it.
pub(crate) fn push_text(text: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(&(text.len() as u32).to_le_bytes());
    out.extend_from_slice(text.as_bytes());
}

/// The texts of a key.
pub(crate) fn key_texts(mut key: &[u8]) -> Vec<Box<str>> {
    let mut texts = Vec::new();
    while let Some((length, rest)) = key.split_first_chunk::<4>() {
        let length = (u32::from_le_bytes(*length) as usize).min(rest.len());
        texts.push(String::from_utf8_lossy(&rest[..length]).into());
        key = &rest[length..];
    }
    texts
}

/// The key of a hit's group; `false` if a field is missing.
pub(crate) fn group_key<'v>(
    fields: &[u32],
    value: &dyn Fn(u32) -> Option<&'v str>,
    key: &mut Vec<u8>,
) -> bool {
    key.clear();
    for field in fields {
        match value(*field) {
            Some(text) => push_text(text, key),
            None => return false,
        }
    }
    true
}

/// The value of a hit; `None` if it has none and the correlation wants one.
pub(crate) fn value<'v>(
    node: &Node,
    reference: u32,
    field: &dyn Fn(u32) -> Option<&'v str>,
) -> Option<Value> {
    if !node.rule.kind.needs_field() {
        return Some(Value::None);
    }
    let fields = &node.references[reference as usize].values;
    if node.rule.kind == CorrelationType::ValueCount {
        let mut text = Vec::new();
        for at in fields {
            push_text(field(*at)?, &mut text);
        }
        return Some(Value::Text(text.into()));
    }
    Fixed::parse(field(*fields.first()?)?).map(Value::Number)
}
