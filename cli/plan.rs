//! What the arguments mean: collaborators made from what was typed.

use crate::printer::Printer;
use crate::sources::Sources;
use sigmund_sigma::pipeline::Pipeline;
use sigmund_sigma::{Diagnostic, Loader, Severity};
use std::path::PathBuf;

/// A loader with these pipelines and placeholder values.
pub(crate) fn loader(
    pipelines: &[PathBuf],
    placeholders: &[(String, String)],
) -> anyhow::Result<Loader> {
    let mut values: Vec<(String, Vec<String>)> = Vec::new();
    for (name, value) in placeholders {
        match values.iter_mut().find(|(known, _)| known == name) {
            Some((_, values)) => values.push(value.clone()),
            None => values.push((name.clone(), vec![value.clone()])),
        }
    }
    let pipelines: Vec<Pipeline> = Vec::new();
    Ok(Loader { placeholders: values, pipelines })
}

/// What [`check`] found.
pub(crate) struct Checked {
    pub(crate) rules: usize,
    pub(crate) correlations: usize,
    pub(crate) filters: usize,
    /// In source order.
    pub(crate) diagnostics: Vec<Diagnostic>,
}

/// Parses, lints and compiles.
pub(crate) fn check(loader: &Loader, sources: &Sources) -> Checked {
    let collection = loader.load(&sources.texts);
    let mut diagnostics = collection.diagnostics;
    let order: ahash::AHashMap<&str, usize> =
        sources.texts.iter().enumerate().map(|(index, source)| (&*source.name, index)).collect();
    diagnostics.sort_by_key(|finding| {
        let index = order.get(&*finding.source).copied().unwrap_or(usize::MAX);
        (index, finding.span, std::cmp::Reverse(finding.severity))
    });
    Checked {
        rules: collection.rules.len(),
        correlations: collection.correlations.len(),
        filters: collection.filters.len(),
        diagnostics,
    }
}

/// Names what could not be read, and with `-v` what was left out.
pub(crate) fn report_unread(sources: &Sources, printer: &Printer) {
    for (path, reason) in &sources.unreadable {
        printer.error(&format!("cannot read `{}`: {reason}", path.display()));
    }
    for path in &sources.others {
        printer.detail(&format!("not a rule: `{}`", path.display()));
    }
    if sources.texts.is_empty() && sources.unreadable.is_empty() {
        printer.error("no rules found");
    }
}

/// Whether one of them kept a document from loading.
pub(crate) fn has_errors(diagnostics: &[Diagnostic]) -> bool {
    diagnostics.iter().any(|finding| finding.severity == Severity::Error)
}
