//! What configuration-like keys hold: numbers, switches, "a list or a single one".

use crate::value::canonical_number;
use crate::yaml::{Kind, Node, Style};

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
    canonical_number(node.text()?)
}

/// The members of a sequence, or the node itself.
pub(crate) fn one_or_many(node: &Node) -> &[Node] {
    node.sequence().unwrap_or(std::slice::from_ref(node))
}

/// `a`, `b`, `c`, each in backticks.
pub(crate) fn quoted_list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let quoted: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// The tree of a YAML text, for tests of what reads it.
    pub(crate) fn node(text: &str) -> Node {
        let stream = crate::yaml::parse(text);
        assert!(stream.diagnostics.is_empty(), "{:?}", stream.diagnostics);
        stream.documents.into_iter().next().expect("a document").root
    }

    #[test]
    fn reads_what_is_there() {
        let node = node("{a: 1, b: [x, y], d: true, e: 'true'}");
        assert_eq!(node.get("a").and_then(number).as_deref(), Some("1"));
        assert_eq!(node.get("b").map(|node| one_or_many(node).len()), Some(2));
        assert_eq!(node.get("a").map(|node| one_or_many(node).len()), Some(1));
        assert_eq!(node.get("d").and_then(boolean), Some(true));
        assert_eq!(node.get("e").and_then(boolean), None);
    }
}
