//! From texts to a checked collection.

use crate::pipeline::Pipeline;
use crate::{Correlation, Diagnostic, Filter, Rule};
use std::sync::Arc;

/// One source text.
#[derive(Clone, Debug)]
pub struct Source {
    /// A path or another name for people.
    pub name: Arc<str>,
    /// The text, lossily decoded by the caller if it was not UTF-8.
    pub text: Arc<str>,
}

/// Everything that loaded, and everything that is wrong.
#[derive(Debug, Default)]
pub struct Collection {
    /// Detection rules, in source order; filters and pipelines applied.
    pub rules: Vec<Rule>,
    /// Correlation rules, including translated legacy aggregations.
    pub correlations: Vec<Correlation>,
    /// Filters, applied and not.
    pub filters: Vec<Arc<Filter>>,
    /// Errors of documents that did not load, in source order. Lint is separate ([`crate::lint`]).
    pub diagnostics: Vec<Diagnostic>,
}

/// Loads collections under given placeholders and pipelines.
#[derive(Debug, Default)]
pub struct Loader {
    /// Values for `expand`: name → values.
    pub placeholders: Vec<(String, Vec<String>)>,
    /// Applied in this order.
    pub pipelines: Vec<Pipeline>,
}

impl Loader {
    /// Loads all sources. One bad document never stops the others.
    #[must_use]
    pub fn load(&self, sources: &[Source]) -> Collection {
        let _ = sources;
        Collection::default()
    }
}
