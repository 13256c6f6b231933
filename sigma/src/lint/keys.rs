//! A fix that would give a mapping a key twice is none: the rule would no longer load.

use crate::Diagnostic;
use crate::diagnostic::Fix;
use crate::yaml::{Kind, Node};
use ahash::AHashSet;

/// Takes the fixes away that turn a key into one that is there already, or that another fix makes.
pub(super) fn keep_unique<'n>(
    text: &str,
    roots: impl Iterator<Item = &'n Node>,
    found: &mut [Diagnostic],
) {
    let mut edited: Vec<(u32, usize)> = Vec::new();
    for (at, finding) in found.iter().enumerate() {
        let edits = finding.fix.iter().flat_map(|fix| &fix.edits);
        edited.extend(edits.map(|edit| (edit.span.start, at)));
    }
    if !edited.is_empty() {
        edited.sort_unstable();
        roots.for_each(|root| walk(text, root, &edited, found));
    }
}

/// `edited` has the starts of edits and whose they are.
fn walk(text: &str, node: &Node, edited: &[(u32, usize)], found: &mut [Diagnostic]) {
    match &node.kind {
        Kind::Scalar(..) => {}
        Kind::Sequence(members) => {
            members.iter().for_each(|member| walk(text, member, edited, found));
        }
        Kind::Mapping(entries) => {
            let mut keys: AHashSet<String> =
                entries.iter().filter_map(|(key, _)| key.text().map(str::to_owned)).collect();
            for (key, value) in entries {
                let first = edited.partition_point(|(start, _)| *start < key.span.start);
                let of_key = edited[first..].iter().take_while(|(at, _)| *at <= key.span.end);
                for (_, at) in of_key {
                    let new = found[*at].fix.as_ref().and_then(|fix| renamed(text, key, fix));
                    if new.is_some_and(|new| !keys.insert(new)) {
                        found[*at].fix = None;
                    }
                }
                walk(text, value, edited, found);
            }
        }
    }
}

/// What the fix makes of the key, if it changes it.
fn renamed(text: &str, key: &Node, fix: &Fix) -> Option<String> {
    let range = key.span.range();
    let mut edits: Vec<_> = fix
        .edits
        .iter()
        .map(|edit| (edit.span.range(), &edit.replacement))
        .filter(|(edit, _)| range.start <= edit.start && edit.end <= range.end)
        .collect();
    edits.sort_by_key(|(edit, _)| std::cmp::Reverse(edit.start));
    let mut written = text.get(range.clone())?.to_owned();
    for (edit, replacement) in &edits {
        let place = edit.start - range.start..edit.end - range.start;
        written.get(place.clone())?;
        written.replace_range(place, replacement);
    }
    (!edits.is_empty()).then(|| written.trim_matches(['\'', '"']).to_owned())
}
