//! Aggregations of Sigma version 1 (semantics section 15): the finding, with the modern form.

use super::collection::Loaded;
use super::document::Document;
use super::modern::{self, DEFAULT_TIMESPAN, Written};
use crate::diagnostic::Fix;
use crate::yaml::{self, Node};
use crate::{Correlation, Diagnostic};
use ahash::AHashSet;

/// Reports the aggregation that `correlation` was translated from. `given` are the names that
/// earlier fixes give to base rules.
pub(super) fn check(
    document: &Document<'_>,
    written: &yaml::Document,
    correlation: &Correlation,
    loaded: &Loaded<'_>,
    given: &mut AHashSet<String>,
    found: &mut Vec<Diagnostic>,
) {
    let place = document.conditions().first().map_or(document.head(), |node| node.span);
    let mut finding =
        Diagnostic::note("legacy-aggregation", place, "aggregation of Sigma version 1")
            .with_note("it is translated; other Sigma tools refuse it")
            .with_help("write a correlation rule");
    if let Some(aggregation) = document.root.get("detection").and_then(Written::read) {
        finding = with_modern_form(finding, document, written, &aggregation, loaded, given);
    }
    found.push(finding);
    if correlation.timespan.is_none() {
        let message = "aggregation without `timeframe` counts without end";
        found.push(
            Diagnostic::warning("legacy-without-timeframe", place, message)
                .with_help("add e.g. `timeframe: 5m` to `detection`"),
        );
    }
}

fn with_modern_form(
    finding: Diagnostic,
    document: &Document<'_>,
    written: &yaml::Document,
    aggregation: &Written<'_>,
    loaded: &Loaded<'_>,
    given: &mut AHashSet<String>,
) -> Diagnostic {
    let source = document.source;
    let stem = modern::stem(&source.name, document.documents, document.root);
    let names = aggregation.names(&stem, &mut |name| loaded.knows(name) || given.contains(name));
    given.extend(names.iter().cloned());
    let line = aggregation.line(&names);
    let base = match &*names {
        [name] => format!("`{name}` is this rule without the aggregation and `timeframe`"),
        _ => "each of these rules has one of the searches for its condition".to_owned(),
    };
    let mut finding = finding.with_note(base).with_help(format!("write `{line}`"));
    let Some(edits) = modern::edits(&source.text, written, aggregation, &names) else {
        return finding;
    };
    // Filters apply to rules, not to correlations: this one would lose its rule.
    let own = |key: &str| document.root.get(key).and_then(Node::non_null_text);
    let filtered = ["id", "name"].into_iter().filter_map(own).any(|name| loaded.filters(name));
    let mut message = "write a correlation and what it counts".to_owned();
    if filtered {
        finding = finding.with_note(
            "a filter names this rule; it will have to name what the correlation counts",
        );
    }
    if !aggregation.has_window() {
        message.push_str(&format!(", with a window of `{DEFAULT_TIMESPAN}`"));
        finding = finding
            .with_note("a correlation needs a window; with a `timeframe`, `--fix` writes it");
    }
    let safe = !filtered && aggregation.has_window();
    finding.with_fix(Fix { message, edits, safe })
}
