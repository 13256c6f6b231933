//! Filters (semantics section 14).

use crate::condition::{self, Condition};
use crate::rule::{Metadata, Rule, Selection};
use crate::yaml::{Kind, Node};
use crate::{Diagnostic, LogSource, detection, metadata};
use std::sync::Arc;

/// A checked filter.
#[derive(Clone, Debug)]
pub struct Filter {
    /// Title, id and so on.
    pub metadata: Metadata,
    /// Applies to rules whose log source it covers.
    pub logsource: LogSource,
    /// Ids or names of the rules it is for; `None` for any.
    pub rules: Option<Vec<String>>,
    /// In a namespace of their own.
    pub selections: Vec<Selection>,
    /// AND-linked with each condition of the rule (choice C12).
    pub condition: Condition,
}

/// A filter that applies to a rule.
#[derive(Clone, Debug)]
pub struct AppliedFilter(pub Arc<Filter>);

impl Filter {
    /// Whether it is for this rule: referenced (or for any), and its log source covers the rule's.
    #[must_use]
    pub fn applies_to(&self, rule: &Rule) -> bool {
        let named = |name: &String| {
            rule.metadata.id.as_ref() == Some(name) || rule.metadata.name.as_ref() == Some(name)
        };
        self.rules.as_ref().is_none_or(|rules| rules.iter().any(named))
            && self.logsource.covers(&rule.logsource)
    }
}

/// Reads a filter from its document; modifiers are not applied yet. Everything wrong with it is
/// reported; it is then `None`.
pub(crate) fn parse(
    root: Node,
    metadata: Metadata,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Filter> {
    let before = diagnostics.len();
    let logsource = metadata::logsource(&root, diagnostics);
    let Kind::Mapping(entries) = root.kind else { return None };
    let (key, body) = entries.into_iter().find(|(key, _)| key.text() == Some("filter"))?;
    let mut error = |code, span, message: &str, help: &str| {
        diagnostics.push(Diagnostic::error(code, span, message).with_help(help));
    };
    let Kind::Mapping(entries) = body.kind else {
        error(
            "invalid-filter",
            key.span,
            "`filter` must be a mapping",
            "give it `rules`, a selection and a `condition`",
        );
        return None;
    };
    let (mut rules, mut condition, mut selections) = (None, None, Vec::new());
    let mut rest = Vec::new();
    for (name, value) in entries {
        match name.text().unwrap_or("") {
            "rules" => rules = Some(value),
            "condition" => condition = Some((name, value)),
            _ => rest.push((name, value)),
        }
    }
    if rules.is_none() {
        error(
            "invalid-filter",
            key.span,
            "the filter does not say for which rules it is",
            "add `rules:` with a list of rule ids or names, or `rules: any`",
        );
    }
    if condition.is_none() {
        error(
            "missing-condition",
            key.span,
            "the filter has no `condition`",
            "add e.g. `condition: not selection` to exclude what the selection finds",
        );
    }
    let rules = read_rules(&rules?, diagnostics);
    for (name, value) in rest {
        selections.extend(detection::selection(&name, value, diagnostics));
    }
    if diagnostics.len() > before {
        return None;
    }
    let (name, value) = condition?;
    let Some(text) = value.text() else {
        let message = format!("`condition` of a filter must be one text, not {}", value.noun());
        diagnostics.push(
            Diagnostic::error("condition-syntax", value.span, message)
                .with_help("write e.g. `condition: not (selection1 or selection2)`"),
        );
        return None;
    };
    if let Some(at) = text.find('|') {
        let span = value.sub_span(at, text.len());
        diagnostics.push(
            Diagnostic::error("condition-syntax", span, "a filter cannot aggregate")
                .with_help("remove the part from `|` on"),
        );
        return None;
    }
    if value.is_null() {
        diagnostics.push(
            Diagnostic::error("empty-condition", name.span, "the condition is empty")
                .with_help("write e.g. `condition: not selection`"),
        );
        return None;
    }
    match condition::parse(text, &value, &selections) {
        Ok(condition) => Some(Filter { metadata, logsource, rules, selections, condition }),
        Err(error) => {
            diagnostics.push(error);
            None
        }
    }
}

/// Ids or names; `any` or an empty list is any rule.
fn read_rules(node: &Node, diagnostics: &mut Vec<Diagnostic>) -> Option<Vec<String>> {
    let members = match &node.kind {
        Kind::Sequence(members) => members.as_slice(),
        _ if node.text() == Some("any") => return None,
        _ => std::slice::from_ref(node),
    };
    let mut rules = Vec::with_capacity(members.len());
    for member in members {
        match member.non_null_text() {
            Some(text) => rules.push(text.to_owned()),
            None => diagnostics.push(
                Diagnostic::error(
                    "invalid-filter",
                    member.span,
                    format!("`rules` must be ids or names of rules, not {}", member.noun()),
                )
                .with_help("write a list of ids or names, or `rules: any`"),
            ),
        }
    }
    (!rules.is_empty()).then_some(rules)
}
