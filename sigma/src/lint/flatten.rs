//! A rule collection of Sigma version 1 (`action: global` and so on), written as the rules that it
//! stands for. Fixes that move parts of a rule need it in one piece.
//!
//! Lines are kept as they are, with their comments; only their order follows the merging.

use super::rewrite::{Entry, entries, same};
use crate::action::Actions;
use crate::yaml::{self, Kind, Node};

/// Keys in the order in which people look for them.
const ORDER: [&str; 19] = [
    "title",
    "id",
    "name",
    "related",
    "taxonomy",
    "status",
    "description",
    "license",
    "references",
    "author",
    "date",
    "modified",
    "tags",
    "logsource",
    "detection",
    "fields",
    "falsepositives",
    "level",
    "scope",
];

/// The lines of a key, which may be merged with others.
#[derive(Clone)]
struct Piece {
    key: String,
    /// All of it, or down to the first child.
    lines: String,
    /// Of a mapping; its columns and its parts.
    children: Option<(usize, Vec<Piece>)>,
    is_mapping: bool,
}

/// A document of a collection, in one piece.
pub(super) struct Flat {
    pub(super) text: String,
    /// Of which document of the collection it was made.
    pub(super) origin: u32,
}

/// The rules of a collection; `None` where the layout does not allow it.
pub(super) fn documents(text: &str, stream: &[yaml::Document]) -> Option<Vec<Flat>> {
    let (mut global, mut previous): (Vec<Piece>, Vec<Piece>) = (Vec::new(), Vec::new());
    let mut flat = Vec::new();
    let mut header = String::new();
    let (mut actions, mut copied, mut errors) = (Actions::default(), 0, Vec::new());
    for document in stream {
        let merged = actions.next(document.root.clone(), true, &mut copied, &mut errors);
        let end = document.span.end as usize;
        let all = text.get(document.span.range())?;
        if all.lines().last().is_some_and(|line| line.starts_with("...")) {
            return None;
        }
        let top = entries(text, &document.root, end)?;
        header.push_str(&comments(text.get(document.span.start as usize..top.first()?.line)?));
        let mut pieces = pieces(text, &top)?;
        let action =
            pieces.iter().position(|piece| piece.key == "action").map(|at| pieces.remove(at));
        match (action, document.root.get("action").and_then(Node::text)) {
            (Some(_), Some("global")) => {
                global = pieces;
                continue;
            }
            (Some(_), Some("reset")) => {
                global = Vec::new();
                continue;
            }
            (Some(_), Some("repeat")) => {
                merge(&mut previous, &pieces)?;
                pieces = previous.clone();
            }
            (Some(_), _) => return None,
            (None, _)
                if document.root.get("correlation").or(document.root.get("filter")).is_some() => {}
            (None, _) => {
                merge(&mut pieces, &global)?;
                previous = pieces.clone();
            }
        }
        let rank =
            |piece: &Piece| ORDER.iter().position(|key| *key == piece.key).unwrap_or(ORDER.len());
        pieces.sort_by_key(rank);
        let mut out = std::mem::take(&mut header);
        pieces.iter().for_each(|piece| write(piece, &mut out));
        if !is_right(&out, &merged?) {
            return None;
        }
        flat.push(Flat { text: out, origin: document.span.start });
    }
    (errors.is_empty() && header.is_empty()).then_some(flat)
}

/// The lines before the first key that are not the marker.
fn comments(lines: &str) -> String {
    lines.split_inclusive('\n').filter(|line| line.trim_start().starts_with('#')).collect()
}

fn pieces(text: &str, entries: &[Entry<'_>]) -> Option<Vec<Piece>> {
    entries.iter().map(|entry| piece(text, entry)).collect()
}

fn piece(text: &str, entry: &Entry<'_>) -> Option<Piece> {
    let key = entry.key.text()?.to_owned();
    let mut lines = text.get(entry.start..entry.end)?.to_owned();
    let mut children = None;
    let is_mapping = matches!(entry.value.kind, Kind::Mapping(_));
    if is_mapping && let Some(inner) = self::entries(text, entry.value, entry.end) {
        let first = inner.first()?;
        if first.line > entry.key.span.end as usize {
            let column = first.key.span.start as usize - first.line;
            lines = text.get(entry.start..first.line)?.to_owned();
            children = Some((column, pieces(text, &inner)?));
        }
    }
    if !lines.ends_with('\n') {
        lines.push_str(if text.contains("\r\n") { "\r\n" } else { "\n" });
    }
    Some(Piece { key, lines, children, is_mapping })
}

/// As the documents are merged: mappings key by key, otherwise the new wins.
fn merge(base: &mut Vec<Piece>, new: &[Piece]) -> Option<()> {
    for piece in new {
        let Some(known) = base.iter_mut().find(|known| known.key == piece.key) else {
            base.push(piece.clone());
            continue;
        };
        match (&mut known.children, &piece.children) {
            (Some((column, children)), Some((other, more))) if *column == *other => {
                merge(children, more)?;
            }
            _ if known.is_mapping && piece.is_mapping => return None,
            _ => *known = piece.clone(),
        }
    }
    Some(())
}

fn write(piece: &Piece, out: &mut String) {
    out.push_str(&piece.lines);
    for child in piece.children.iter().flat_map(|(_, children)| children) {
        write(child, out);
    }
}

fn is_right(text: &str, merged: &Node) -> bool {
    let stream = yaml::parse(text);
    let [document] = &*stream.documents else { return false };
    let (now, expected) = (document.root.mapping(), merged.mapping());
    stream.diagnostics.is_empty()
        && now.map(<[_]>::len) == expected.map(<[_]>::len)
        && expected.unwrap_or_default().iter().all(|(key, value)| {
            let now = key.text().and_then(|key| document.root.get(key));
            now.is_some_and(|now| same(now, value))
        })
}
