//! One document of a text, as lint sees it.

use super::collection::Loaded;
use crate::diagnostic::{Edit, Fix};
use crate::modifier::Modifier;
use crate::yaml::{self, Kind, Node, Style};
use crate::{Rule, Source, Span};

/// What kind of document it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DocumentKind {
    Rule,
    Correlation,
    Filter,
    /// `action: global` and the like: a part of rules.
    Action,
}

/// A document with what became of it.
pub(super) struct Document<'a> {
    pub(super) source: &'a Source,
    pub(super) root: &'a Node,
    /// Its part of the text; its rule has the same.
    pub(super) span: Span,
    pub(super) kind: DocumentKind,
    /// Whether templates of its text may add attributes to it.
    pub(super) templates: bool,
    /// All documents of its text, and this one.
    pub(super) stream: &'a [yaml::Document],
    pub(super) written: &'a yaml::Document,
    /// The rule it is, if it loaded.
    pub(super) rule: Option<&'a Rule>,
}

/// A line of a selection as written; `key` is `None` for the members of a keyword list.
pub(super) struct WrittenItem<'a> {
    pub(super) key: Option<&'a Node>,
    pub(super) field: Option<&'a str>,
    pub(super) modifiers: Vec<Modifier>,
    pub(super) value: &'a Node,
}

impl<'a> WrittenItem<'a> {
    /// The values, one or many.
    pub(super) fn values(&self) -> &'a [Node] {
        crate::read::one_or_many(self.value)
    }

    pub(super) fn has(&self, modifier: Modifier) -> bool {
        self.modifiers.contains(&modifier)
    }
}

impl<'a> Document<'a> {
    pub(super) fn new(
        source: &'a Source,
        document: &'a yaml::Document,
        loaded: &Loaded<'a>,
        stream: &'a [yaml::Document],
    ) -> Self {
        let root = &document.root;
        let kind = if root.get("action").is_some() {
            DocumentKind::Action
        } else if root.get("correlation").is_some() {
            DocumentKind::Correlation
        } else if root.get("filter").is_some() {
            DocumentKind::Filter
        } else {
            DocumentKind::Rule
        };
        Self {
            source,
            root,
            span: document.span,
            kind,
            // Rules of such a collection may have from a template what they lack.
            templates: stream.iter().any(|document| document.root.get("action").is_some()),
            stream,
            written: document,
            rule: loaded.rule(&source.name, document.span),
        }
    }

    /// Where findings about the whole document go: its first key.
    pub(super) fn head(&self) -> Span {
        crate::metadata::head(self.root)
    }

    /// `detection`, or the body of a filter.
    pub(super) fn detection(&self) -> Option<&'a Node> {
        match self.kind {
            DocumentKind::Filter => self.root.get("filter"),
            _ => self.root.get("detection"),
        }
    }

    /// The selections by name.
    pub(super) fn selections(&self) -> impl Iterator<Item = (&'a Node, &'a Node)> {
        let filter = self.kind == DocumentKind::Filter;
        let entries = self.detection().and_then(Node::mapping).unwrap_or_default();
        entries.iter().filter_map(move |(name, value)| match name.text() {
            Some("condition" | "timeframe") => None,
            Some("rules") if filter => None,
            _ => Some((name, value)),
        })
    }

    /// The condition texts.
    pub(super) fn conditions(&self) -> &'a [Node] {
        let condition = self.detection().and_then(|detection| detection.get("condition"));
        condition.map_or(&[], crate::read::one_or_many)
    }

    /// Every item of every selection.
    pub(super) fn items(&self) -> Vec<WrittenItem<'a>> {
        let mut items = Vec::new();
        for (_, value) in self.selections() {
            collect(value, &mut items);
        }
        items
    }
}

fn collect<'a>(node: &'a Node, items: &mut Vec<WrittenItem<'a>>) {
    match &node.kind {
        Kind::Mapping(entries) => {
            for (key, value) in entries {
                let mut parts = key.text().unwrap_or_default().split('|');
                let field = parts.next().filter(|field| !field.is_empty());
                let modifiers = parts.filter_map(Modifier::from_name).collect();
                items.push(WrittenItem { key: Some(key), field, modifiers, value });
            }
        }
        Kind::Sequence(members) => {
            for member in members {
                collect(member, items);
            }
        }
        Kind::Scalar(..) => {
            items.push(WrittenItem { key: None, field: None, modifiers: Vec::new(), value: node });
        }
    }
}

/// A fix of one edit.
pub(super) fn fix(message: &str, span: Span, replacement: impl Into<String>, safe: bool) -> Fix {
    let edits = vec![Edit { span, replacement: replacement.into() }];
    Fix { message: message.to_owned(), edits, safe }
}

/// How a text is written as a scalar of the same style as `node`; `None` for block styles.
pub(super) fn rewritten(node: &Node, text: &str) -> Option<String> {
    let Kind::Scalar(_, style) = &node.kind else { return None };
    match style {
        Style::Literal | Style::Folded => None,
        Style::DoubleQuoted => {
            let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
            (!text.contains(char::is_control)).then(|| format!("\"{escaped}\""))
        }
        Style::Plain | Style::SingleQuoted => {
            (!text.contains(char::is_control)).then(|| single_quoted(text))
        }
    }
}

pub(super) fn single_quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
