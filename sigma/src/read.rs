//! Typed access to the keys of a mapping node, with an error at the right place.

use crate::Span;
use crate::value::canonical_number;
use crate::yaml::{Kind, Node, Style};

/// The value of `key` in a mapping; with the key's node, for spans.
pub(crate) fn entry<'a>(node: &'a Node, key: &str) -> Option<(&'a Node, &'a Node)> {
    entries(node)
        .iter()
        .find(|(name, _)| text(name) == Some(key))
        .map(|(name, value)| (name, value))
}

/// The value of `key` in a mapping.
pub(crate) fn get<'a>(node: &'a Node, key: &str) -> Option<&'a Node> {
    entry(node, key).map(|(_, value)| value)
}

/// The entries of a mapping; none for other nodes.
pub(crate) fn entries(node: &Node) -> &[(Node, Node)] {
    match &node.kind {
        Kind::Mapping(entries) => entries,
        Kind::Scalar(..) | Kind::Sequence(_) => &[],
    }
}

/// The text of a scalar, however it was written.
pub(crate) fn text(node: &Node) -> Option<&str> {
    match &node.kind {
        Kind::Scalar(text, _) => Some(text),
        Kind::Sequence(_) | Kind::Mapping(_) => None,
    }
}

/// Whether a node is `null`, `~` or nothing.
pub(crate) fn is_null(node: &Node) -> bool {
    matches!(&node.kind, Kind::Scalar(text, Style::Plain)
        if matches!(&**text, "" | "~" | "null" | "Null" | "NULL"))
}

/// A plain `true` or `false`.
pub(crate) fn boolean(node: &Node) -> Option<bool> {
    match &node.kind {
        Kind::Scalar(text, Style::Plain) => match &**text {
            "true" | "True" | "TRUE" => Some(true),
            "false" | "False" | "FALSE" => Some(false),
            _ => None,
        },
        _ => None,
    }
}

/// The canonical text of a number, plain or quoted.
pub(crate) fn number(node: &Node) -> Option<Box<str>> {
    canonical_number(text(node)?)
}

/// The members of a sequence, or the node itself: "a list, or a single one".
pub(crate) fn one_or_many(node: &Node) -> &[Node] {
    match &node.kind {
        Kind::Sequence(members) => members,
        Kind::Scalar(..) | Kind::Mapping(_) => std::slice::from_ref(node),
    }
}

/// What a node is, in words for messages.
pub(crate) fn describe(node: &Node) -> &'static str {
    match &node.kind {
        _ if is_null(node) => "nothing",
        Kind::Scalar(..) => "a single value",
        Kind::Sequence(_) => "a list",
        Kind::Mapping(_) => "a mapping",
    }
}

/// The place of a part of a scalar's text, where text and source agree byte for byte;
/// otherwise the whole scalar.
pub(crate) fn part_of(node: &Node, part: Span) -> Span {
    let Kind::Scalar(text, style) = &node.kind else { return node.span };
    let quotes = match style {
        Style::Plain => 0,
        Style::SingleQuoted | Style::DoubleQuoted => 1,
        Style::Literal | Style::Folded => return node.span,
    };
    if node.span.range().len() != text.len() + 2 * quotes {
        return node.span;
    }
    let start = node.span.start as usize + quotes;
    Span::new(start + part.start as usize, start + part.end as usize)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// The tree of a YAML text, for tests of what reads it.
    pub(crate) fn node(text: &str) -> Node {
        fn convert(value: &serde_yaml::Value) -> Node {
            let kind = match value {
                serde_yaml::Value::Null => Kind::Scalar("".into(), Style::Plain),
                serde_yaml::Value::Bool(value) => {
                    Kind::Scalar(value.to_string().into(), Style::Plain)
                }
                serde_yaml::Value::Number(value) => {
                    Kind::Scalar(value.to_string().into(), Style::Plain)
                }
                serde_yaml::Value::String(value) => {
                    Kind::Scalar(value.as_str().into(), Style::SingleQuoted)
                }
                serde_yaml::Value::Sequence(members) => {
                    Kind::Sequence(members.iter().map(convert).collect())
                }
                serde_yaml::Value::Mapping(entries) => Kind::Mapping(
                    entries.iter().map(|(key, value)| (convert(key), convert(value))).collect(),
                ),
                serde_yaml::Value::Tagged(tagged) => return convert(&tagged.value),
            };
            Node { kind, span: Span::default() }
        }
        convert(&serde_yaml::from_str(text).unwrap())
    }

    #[test]
    fn reads_what_is_there() {
        let node = node("{a: 1, b: [x, y], c: , d: true, e: 'true'}");
        assert_eq!(get(&node, "a").and_then(number).as_deref(), Some("1"));
        assert_eq!(get(&node, "b").map(|node| one_or_many(node).len()), Some(2));
        assert!(get(&node, "c").is_some_and(is_null));
        assert_eq!(get(&node, "d").and_then(boolean), Some(true));
        assert_eq!(get(&node, "e").and_then(boolean), None);
        assert!(get(&node, "f").is_none());
    }
}
