//! The `detection` section and the body of filters (semantics section 2): YAML to selections.
//!
//! Items leave here with their values as written and without matchers, so that pipelines can
//! rewrite them; `modifier::apply` finishes them.

use crate::Diagnostic;
use crate::modifier::{Key, key, take_number};
use crate::rule::{Item, Search, Selection};
use crate::value::Scalar;
use crate::yaml::{Kind, Node};

/// Errors reported for one document; it is refused at the first.
pub(crate) const ERROR_LIMIT: usize = 100;

/// Reads one selection. Everything wrong with it is reported, and it is then `None`.
pub(crate) fn selection(
    name: &Node,
    value: Node,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Selection> {
    let before = diagnostics.len();
    let search = search(name, value, diagnostics);
    if diagnostics.len() > before {
        return None;
    }
    Some(Selection { name: name.text().unwrap_or("").into(), span: name.span, search: search? })
}

fn search(name: &Node, value: Node, diagnostics: &mut Vec<Diagnostic>) -> Option<Search> {
    let selection = name.text().unwrap_or("");
    let mut error = |message: String, help: &str| {
        diagnostics.push(Diagnostic::error("empty-selection", name.span, message).with_help(help));
        None
    };
    match &value.kind {
        Kind::Scalar(..) if value.is_null() => error(
            format!("selection `{selection}` has no content"),
            "indent its fields below it, e.g. `    Image|endswith: '\\cmd.exe'`",
        ),
        Kind::Mapping(entries) if entries.is_empty() => error(
            format!("selection `{selection}` is an empty mapping"),
            "give it a field and a value",
        ),
        Kind::Sequence(members) if members.is_empty() => error(
            format!("selection `{selection}` is an empty list"),
            "give it keywords or mappings",
        ),
        _ => member(name, value, diagnostics),
    }
}

fn member(name: &Node, value: Node, diagnostics: &mut Vec<Diagnostic>) -> Option<Search> {
    let span = value.span;
    match value.kind {
        Kind::Scalar(text, style) => {
            let mut item = keywords(name);
            item.values.push(Scalar::resolve(text, style));
            item.value_spans.push(span);
            Some(Search::All(vec![item]))
        }
        Kind::Mapping(entries) => {
            let mut items = Vec::with_capacity(entries.len());
            for (key, value) in entries {
                if diagnostics.len() >= ERROR_LIMIT {
                    break;
                }
                items.extend(item(&key, value, diagnostics));
            }
            Some(Search::All(items))
        }
        Kind::Sequence(members) => {
            let only_keywords = members.iter().all(|member| member.text().is_some());
            let mut words = keywords(name);
            let mut searches = Vec::new();
            for node in members {
                if diagnostics.len() >= ERROR_LIMIT {
                    break;
                }
                match node.kind {
                    // Scalars of a list are alternatives like everything else in it.
                    Kind::Scalar(text, style) => {
                        words.values.push(Scalar::resolve(text, style));
                        words.value_spans.push(node.span);
                    }
                    _ => searches.extend(search_member(name, node, diagnostics)),
                }
            }
            if only_keywords {
                return Some(Search::All(vec![words]));
            }
            if !words.values.is_empty() {
                searches.insert(0, Search::All(vec![words]));
            }
            Some(Search::Any(searches))
        }
    }
}

/// A member of a list, which must not be empty either.
fn search_member(name: &Node, node: Node, diagnostics: &mut Vec<Diagnostic>) -> Option<Search> {
    let empty = match &node.kind {
        Kind::Mapping(entries) => entries.is_empty(),
        Kind::Sequence(members) => members.is_empty(),
        Kind::Scalar(..) => false,
    };
    if empty {
        let selection = name.text().unwrap_or("");
        diagnostics.push(
            Diagnostic::error(
                "empty-selection",
                node.span,
                format!("selection `{selection}` has an empty member"),
            )
            .with_help("remove it, or give it content"),
        );
        return None;
    }
    member(name, node, diagnostics)
}

fn keywords(name: &Node) -> Item {
    Item {
        field: None,
        written_field: None,
        modifiers: Vec::new(),
        values: Vec::new(),
        matchers: Vec::new(),
        all: false,
        negated: false,
        span: name.span,
        value_spans: Vec::new(),
    }
}

fn item(name: &Node, value: Node, diagnostics: &mut Vec<Diagnostic>) -> Option<Item> {
    let written = name.text().unwrap_or("");
    let Key { field, modifiers } = match key(name) {
        Ok(key) => key,
        Err(error) => {
            diagnostics.push(error);
            return None;
        }
    };
    let mut item = keywords(name);
    (item.field, item.modifiers) = (field, modifiers);
    let resolve = match take_number(&item.modifiers) {
        true => Scalar::resolve_number,
        false => Scalar::resolve,
    };
    let members = match value.kind {
        Kind::Scalar(text, style) => {
            item.values.push(resolve(text, style));
            item.value_spans.push(value.span);
            return Some(item);
        }
        Kind::Sequence(members) => members,
        Kind::Mapping(_) => {
            let help = match value.mapping().and_then(|entries| entries.first()) {
                Some((inner, _)) => format!(
                    "name nested fields with dots: `{written}.{}: …`",
                    inner.text().unwrap_or("")
                ),
                None => "give it a value or a list of values".to_owned(),
            };
            diagnostics.push(
                Diagnostic::error(
                    "invalid-value",
                    value.span,
                    format!("the value of `{written}` is a mapping"),
                )
                .with_help(help),
            );
            return None;
        }
    };
    if members.is_empty() {
        diagnostics.push(
            Diagnostic::error(
                "invalid-value",
                value.span,
                format!("the list of values of `{written}` is empty"),
            )
            .with_help("give values, or write `null` for a missing field"),
        );
        return None;
    }
    item.values.reserve_exact(members.len());
    item.value_spans.reserve_exact(members.len());
    for member in members {
        match member.kind {
            Kind::Scalar(text, style) => {
                item.values.push(resolve(text, style));
                item.value_spans.push(member.span);
            }
            _ => {
                diagnostics.push(
                    Diagnostic::error(
                        "invalid-value",
                        member.span,
                        format!("a value of `{written}` is {}", member.noun()),
                    )
                    .with_help("quote it if it is meant as text"),
                );
                return None;
            }
        }
    }
    Some(item)
}
