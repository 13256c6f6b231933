//! Detection rules.

use crate::condition::Condition;
use crate::filter::AppliedFilter;
use crate::modifier::Modifier;
use crate::value::{Matcher, Scalar};
use crate::{LogSource, Span};
use std::sync::Arc;

/// `status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the names are the specification's")]
pub enum Status {
    Unsupported,
    Deprecated,
    Experimental,
    Test,
    Stable,
}

/// `level`, ordered by severity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the names are the specification's")]
pub enum Level {
    Informational,
    Low,
    Medium,
    High,
    Critical,
}

/// What all three kinds of documents say about themselves. No effect on matching.
#[derive(Clone, Debug, Default)]
#[allow(missing_docs, reason = "the names are the specification's, section 1")]
pub struct Metadata {
    pub title: String,
    pub id: Option<String>,
    pub name: Option<String>,
    pub status: Option<Status>,
    pub level: Option<Level>,
    pub description: Option<String>,
    pub author: Option<String>,
    pub date: Option<String>,
    pub modified: Option<String>,
    pub license: Option<String>,
    pub taxonomy: Option<String>,
    pub references: Vec<String>,
    pub tags: Vec<String>,
    pub falsepositives: Vec<String>,
    pub fields: Vec<String>,
    pub scope: Vec<String>,
    /// `related`: (id, type).
    pub related: Vec<(String, String)>,
    /// Other keys whose value is a scalar, as text; others keep their YAML text.
    pub custom: Vec<(String, String)>,
    /// Name of the source text.
    pub source: Arc<str>,
    /// Where the document is in its source text.
    pub span: Span,
}

/// A checked detection rule.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Title, id and so on.
    pub metadata: Metadata,
    /// What events it is for.
    pub logsource: LogSource,
    /// The search identifiers, in written order.
    pub selections: Vec<Selection>,
    /// The rule matches if any of these holds.
    pub conditions: Vec<Condition>,
    /// Filters that were applied to it: each must hold too (choice C12).
    pub filters: Vec<AppliedFilter>,
    /// Added by pipelines: each must hold too.
    pub added: Vec<Search>,
    /// Whether a correlation uses it without `generate`, so that it reports nothing itself.
    pub silent: bool,
}

/// A named search identifier.
#[derive(Clone, Debug)]
pub struct Selection {
    /// As written.
    pub name: Box<str>,
    /// The name in the source.
    pub span: Span,
    /// What it searches for.
    pub search: Search,
}

/// What a selection searches for.
#[derive(Clone, Debug)]
pub enum Search {
    /// A mapping: all items must match.
    All(Vec<Item>),
    /// A list: one member must match.
    Any(Vec<Search>),
}

/// One line of a selection: a field (or keywords), modifiers and values.
#[derive(Clone, Debug)]
pub struct Item {
    /// The field; `None` for keywords. After pipelines: the mapped name.
    pub field: Option<Box<str>>,
    /// The field as the author wrote it, where a pipeline changed it.
    pub written_field: Option<Box<str>>,
    /// In written order.
    pub modifiers: Vec<Modifier>,
    /// As written.
    pub values: Vec<Scalar>,
    /// One for each value, modifiers applied.
    pub matchers: Vec<Matcher>,
    /// `all`: every matcher must match; otherwise one.
    pub all: bool,
    /// `neq`: the whole item is negated (choice C17: true for a missing field).
    pub negated: bool,
    /// The key in the source.
    pub span: Span,
    /// The values in the source, one for each value.
    pub value_spans: Vec<Span>,
}
