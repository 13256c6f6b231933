//! Fields of inner correlations over those of the events behind them.

use super::key::key_texts;
use super::rule::Node;

/// Fields that an inner alert brings, over those of the event: (the overlay below, fields).
pub(super) type Overlay = (u32, Vec<(u32, Box<str>)>);

/// No overlay: the event's own fields.
pub(super) const PLAIN: u32 = u32::MAX;

/// The value of a field, by the inner groups first.
pub(super) fn find<'v>(
    overlays: &'v [Overlay],
    mut overlay: u32,
    values: &'v [(u32, Box<str>)],
    field: u32,
) -> Option<&'v str> {
    while let Some((below, fields)) = overlays.get(overlay as usize) {
        if let Some((_, text)) = fields.iter().find(|(have, _)| *have == field) {
            return Some(text);
        }
        overlay = *below;
    }
    let at = values.binary_search_by_key(&field, |(have, _)| *have).ok()?;
    Some(&values[at].1)
}

/// All fields that [`find`] would find.
pub(super) fn all_fields(
    overlays: &[Overlay],
    mut overlay: u32,
    values: &[(u32, Box<str>)],
) -> Vec<(u32, Box<str>)> {
    let mut all: Vec<(u32, Box<str>)> = Vec::new();
    while let Some((below, fields)) = overlays.get(overlay as usize) {
        for (field, text) in fields {
            if !all.iter().any(|(have, _)| have == field) {
                all.push((*field, text.clone()));
            }
        }
        overlay = *below;
    }
    for (field, text) in values {
        if !all.iter().any(|(have, _)| have == field) {
            all.push((*field, text.clone()));
        }
    }
    all.sort_unstable_by_key(|(field, _)| *field);
    all
}

/// The group's values under the names of `group-by`.
pub(super) fn overlay(node: &Node, key: &[u8]) -> Vec<(u32, Box<str>)> {
    node.group.iter().copied().zip(key_texts(key)).collect()
}
