//! YAML with byte spans: the only place that names the parser crate.

use crate::Span;

/// How a scalar was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Without quotes.
    Plain,
    /// `'…'`
    SingleQuoted,
    /// `"…"`
    DoubleQuoted,
    /// `|`
    Literal,
    /// `>`
    Folded,
}

/// A node with its place.
#[derive(Clone, Debug)]
pub struct Node {
    /// What it is.
    pub kind: Kind,
    /// Where it is; quotes included.
    pub span: Span,
}

/// The three kinds of YAML nodes. Aliases are expanded, tags dropped.
#[derive(Clone, Debug)]
pub enum Kind {
    /// Text, unescaped, and how it was written.
    Scalar(Box<str>, Style),
    /// `[a, b]`
    Sequence(Vec<Node>),
    /// `{a: b}`; keys are unique.
    Mapping(Vec<(Node, Node)>),
}
