//! Lint: what loads but is probably not meant (semantics section 17).
//!
//! [`check`] looks at the texts again, with their YAML trees, because style and most mistakes are
//! no longer visible in a checked rule. One file per family: `metadata`, `values`, `conditions`,
//! `logsource`, `collection`, `correlations`, `legacy`, `style`.
//!
//! A warning is a likely mistake, a note is about convention or portability. Nothing here keeps a
//! rule from loading.
//!
//! A finding is suppressed by a comment `# sigmund: ignore[code]` (or `ignore[code, code]`, or
//! `ignore` for all) on its line, on the line before, or, for the whole text, before the first
//! document's content.

mod collection;
mod conditions;
mod correlations;
mod document;
mod explanations;
mod flatten;
mod keys;
mod legacy;
mod logsource;
mod metadata;
mod modern;
mod rewrite;
mod style;
mod suppression;
mod taxonomy;
mod values;

pub use explanations::{CODES, explain};
pub use taxonomy::Taxonomy;

use crate::{Collection, Diagnostic, Source, yaml};
use document::Document;
use std::sync::Arc;

/// What lint should know or leave out.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The fields of log sources. Without it, only the Sysmon categories of Windows are known.
    pub taxonomy: Option<Taxonomy>,
    /// Codes that are not reported.
    pub ignored: Vec<String>,
}

/// Checks texts that were loaded into `collection`. The findings are in the order of the sources,
/// then of their places.
#[must_use]
pub fn check(sources: &[Source], collection: &Collection, options: &Options) -> Vec<Diagnostic> {
    let mut all = Vec::new();
    let loaded = collection::Loaded::new(collection);
    let mut across = collection::Across::default();
    let builtin = Taxonomy::sysmon();
    let taxonomy = options.taxonomy.as_ref().unwrap_or(&builtin);
    for source in sources {
        let stream = yaml::parse_with_comments(&source.text);
        let mut found = Vec::new();
        style::check(source, &mut found);
        for document in &stream.documents {
            let document = Document::new(source, document, &loaded, &stream.documents);
            style::indentation(&source.text, document.root, &mut found);
            metadata::check(&document, &mut found);
            logsource::check(&document, taxonomy, options.taxonomy.is_some(), &mut found);
            values::check(&document, &mut found);
            conditions::check(&document, &mut found);
            collection::check(&document, &loaded, taxonomy, &mut across, &mut found);
        }
        let roots = stream.documents.iter().map(|document| &document.root);
        keys::keep_unique(&source.text, roots, &mut found);
        let suppressions = suppression::read(&source.text, &stream, &mut found);
        found.retain(|finding| {
            !options.ignored.iter().any(|code| code == finding.code)
                && !suppressions.cover(&source.text, finding)
        });
        found.sort_by_key(|finding| (finding.span, finding.code));
        for finding in &mut found {
            finding.source = Arc::clone(&source.name);
        }
        all.append(&mut found);
    }
    all
}

#[cfg(test)]
mod tests;
