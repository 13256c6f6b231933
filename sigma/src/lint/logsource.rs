//! Log sources, and fields that they do not have.

use super::document::{Document, DocumentKind, fix};
use super::taxonomy::Taxonomy;
use crate::suggestion::nearest;
use crate::yaml::Node;
use crate::{Diagnostic, LogSource};

pub(super) fn check(
    document: &Document<'_>,
    taxonomy: &Taxonomy,
    complete: bool,
    found: &mut Vec<Diagnostic>,
) {
    let Some(node) = document.root.get("logsource") else { return };
    for (key, value) in node.mapping().unwrap_or_default() {
        match key.text().unwrap_or_default() {
            "product" | "category" | "service" => capitals(value, found),
            name => misspelt(key, name, node, found),
        }
    }
    if document.kind != DocumentKind::Rule {
        return;
    }
    let part = |key: &str| node.get(key).and_then(Node::non_null_text);
    let logsource = LogSource::new(part("product"), part("category"), part("service"));
    let foreign = document.root.get("taxonomy").and_then(Node::text).is_some_and(|t| t != "sigma");
    match taxonomy.fields(&logsource) {
        Some(fields) if !foreign => unknown_fields(document, &logsource, &fields, found),
        None if complete && !logsource.is_empty() && !taxonomy.knows(&logsource) => {
            let message = format!("log source `{logsource}` is not in the taxonomy");
            found.push(
                Diagnostic::note("unknown-logsource", node.span, message)
                    .with_help("check the spelling, or add it to the taxonomy"),
            );
        }
        _ => {}
    }
}

fn capitals(node: &Node, found: &mut Vec<Diagnostic>) {
    let Some(text) = node.non_null_text() else { return };
    let lower = text.to_lowercase();
    if lower != text {
        let span = node.sub_span(0, text.len());
        found.push(
            Diagnostic::note("capital-value", node.span, format!("`{text}` is not in lower case"))
                .with_help(format!("write `{lower}`"))
                .with_fix(fix("write it in lower case", span, lower, true)),
        );
    }
}

/// Other attributes are allowed and have no effect.
fn misspelt(key: &Node, name: &str, node: &Node, found: &mut Vec<Diagnostic>) {
    let known = ["product", "category", "service", "definition"];
    let candidates = known.into_iter().filter(|known| node.get(known).is_none());
    if let Some(near) = nearest(name, candidates).filter(|_| !known.contains(&name)) {
        let message = format!("unknown log source attribute `{name}`");
        found.push(
            Diagnostic::warning("misspelt-attribute", key.span, message)
                .with_help(format!("did you mean `{near}`?")),
        );
    }
}

fn unknown_fields(
    document: &Document<'_>,
    logsource: &LogSource,
    fields: &[&str],
    found: &mut Vec<Diagnostic>,
) {
    for item in document.items() {
        let (Some(key), Some(field)) = (item.key, item.field) else { continue };
        if fields.contains(&field) {
            continue;
        }
        let span = key.sub_span(0, field.len());
        let message = format!("log source `{logsource}` has no field `{field}`");
        let same = fields.iter().find(|known| known.eq_ignore_ascii_case(field));
        found.push(match same.copied().or_else(|| nearest(field, fields.iter().copied())) {
            // Field names are compared exactly, so this never matches.
            Some(near) => Diagnostic::warning("unknown-field", span, message)
                .with_help(format!("did you mean `{near}`?")),
            None => Diagnostic::note("unknown-field", span, message)
                .with_help("check the name; fields of this log source are named as in Sysmon"),
        });
    }
}
