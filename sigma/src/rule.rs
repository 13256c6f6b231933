//! Detection rules.
//!
//! [`Rule`] is the checked form. A `Draft` is a rule between its text and its pipelines: values are
//! as written, no modifier has been applied.

use crate::condition::{self, Condition};
use crate::filter::AppliedFilter;
use crate::modifier::{self, Modifier, Placeholders};
use crate::value::{Matcher, Scalar};
use crate::yaml::{Kind, Node};
use crate::{Diagnostic, LogSource, Span, detection, metadata};
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
    /// Where the taxonomy is written.
    pub taxonomy_span: Span,
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
    /// One for each value, modifiers applied. Empty until pipelines have run. Text matchers of
    /// keywords have `*` at both ends: they hold for a whole value that contains the keyword.
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

/// A rule whose modifiers have not been applied.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) rule: Rule,
    /// The version 1 aggregation behind the condition's `|`.
    pub(crate) aggregation: Option<Aggregation>,
}

/// `| count() by User > 5` with its `timeframe`.
#[derive(Debug)]
pub(crate) struct Aggregation {
    pub(crate) text: Box<str>,
    pub(crate) span: Span,
    pub(crate) timeframe: Option<(Box<str>, Span)>,
}

/// Reads a detection rule from its document. Everything wrong with it is reported; it is then
/// `None`.
pub(crate) fn parse(
    root: Node,
    metadata: Metadata,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Draft> {
    let before = diagnostics.len();
    let logsource = metadata::logsource(&root, diagnostics);
    let head = metadata::head(&root);
    let Kind::Mapping(entries) = root.kind else { return None };
    let Some((key, body)) = entries.into_iter().find(|(key, _)| key.text() == Some("detection"))
    else {
        diagnostics.push(
            Diagnostic::error("missing-detection", head, "the rule has no `detection`")
                .with_help("add `detection:` with a selection and a `condition`"),
        );
        return None;
    };
    let Kind::Mapping(entries) = body.kind else {
        let message = format!("`detection` must be a mapping, not {}", body.noun());
        diagnostics.push(
            Diagnostic::error("missing-detection", key.span, message)
                .with_help("give it a selection and a `condition`"),
        );
        return None;
    };
    let mut selections = Vec::with_capacity(entries.len());
    let mut conditions = None;
    let mut timeframe = None;
    let mut unsound = false;
    for (name, value) in entries {
        if diagnostics.len() >= detection::ERROR_LIMIT {
            break;
        }
        match name.text().unwrap_or("") {
            "condition" => conditions = Some((name, value)),
            "timeframe" => timeframe = value.text().map(|text| (Box::from(text), value.span)),
            _ => {
                let selection = detection::selection(&name, value, diagnostics);
                unsound |= selection.is_none();
                // The condition may name it all the same: its own mistakes are reported too.
                selections.push(selection.unwrap_or_else(|| Selection {
                    name: name.text().unwrap_or("").into(),
                    span: name.span,
                    search: Search::Any(Vec::new()),
                }));
            }
        }
    }
    if diagnostics.len() >= detection::ERROR_LIMIT {
        return None;
    }
    let Some((name, value)) = conditions else {
        diagnostics.push(
            Diagnostic::error("missing-condition", key.span, "`detection` has no `condition`")
                .with_help("add e.g. `condition: selection`"),
        );
        return None;
    };
    if selections.is_empty() {
        diagnostics.push(
            Diagnostic::error("missing-selection", key.span, "`detection` has no selection")
                .with_help("add a selection: a name with fields and values"),
        );
        return None;
    }
    let (conditions, aggregation) =
        read_conditions(&name, &value, &selections, timeframe, diagnostics)?;
    if unsound || diagnostics.len() > before {
        return None;
    }
    let rule = Rule {
        metadata,
        logsource,
        selections,
        conditions,
        filters: Vec::new(),
        added: Vec::new(),
        silent: false,
    };
    Some(Draft { rule, aggregation })
}

/// One text, or a list of which one must hold.
fn read_conditions(
    key: &Node,
    value: &Node,
    selections: &[Selection],
    timeframe: Option<(Box<str>, Span)>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<(Vec<Condition>, Option<Aggregation>)> {
    let nodes = match &value.kind {
        Kind::Sequence(members) => members.as_slice(),
        _ => std::slice::from_ref(value),
    };
    let mut conditions = Vec::with_capacity(nodes.len());
    let mut aggregation = None;
    for node in nodes {
        let Some(text) = node.text() else {
            let message = format!("`condition` must be text, not {}", node.noun());
            diagnostics.push(
                Diagnostic::error("condition-syntax", node.span, message)
                    .with_help("write e.g. `condition: selection and not filter`"),
            );
            continue;
        };
        if node.is_null() {
            diagnostics.push(
                Diagnostic::error("empty-condition", key.span, "the condition is empty")
                    .with_help("name a selection, e.g. `condition: selection`"),
            );
            continue;
        }
        let (search, rest) = match text.split_once('|') {
            Some((search, rest)) => (search, Some(rest)),
            None => (text, None),
        };
        if let Some(rest) = rest {
            let span = node.sub_span(search.len() + 1, text.len());
            if nodes.len() > 1 {
                diagnostics.push(
                    Diagnostic::error(
                        "legacy-aggregation-syntax",
                        span,
                        "an aggregation cannot stand in a list of conditions",
                    )
                    .with_help("write one rule for each condition"),
                );
            }
            let timeframe = timeframe.clone();
            aggregation = Some(Aggregation { text: rest.into(), span, timeframe });
        }
        match condition::parse(search, node, selections) {
            Ok(condition) => conditions.push(condition),
            Err(error) => diagnostics.push(error),
        }
    }
    if conditions.is_empty() {
        if nodes.is_empty() {
            diagnostics.push(
                Diagnostic::error("empty-condition", key.span, "the list of conditions is empty")
                    .with_help("name a selection, e.g. `condition: selection`"),
            );
        }
        return None;
    }
    Some((conditions, aggregation))
}

/// Applies the modifiers of all selections.
pub(crate) fn apply_modifiers(
    selections: &mut [Selection],
    placeholders: &Placeholders,
    diagnostics: &mut Vec<Diagnostic>,
) {
    for selection in selections {
        apply_to_search(&mut selection.search, placeholders, diagnostics);
    }
}

/// Applies the modifiers of all items of a search.
pub(crate) fn apply_to_search(
    search: &mut Search,
    placeholders: &Placeholders,
    diagnostics: &mut Vec<Diagnostic>,
) {
    match search {
        Search::All(items) => {
            for item in items {
                if let Err(mut errors) = modifier::apply(item, placeholders) {
                    diagnostics.append(&mut errors);
                }
            }
        }
        Search::Any(members) => {
            for member in members {
                apply_to_search(member, placeholders, diagnostics);
            }
        }
    }
}
