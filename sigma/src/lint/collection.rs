//! What only shows when all documents are known.

use super::correlations;
use super::document::{Document, DocumentKind};
use super::legacy::{self, Flattened};
use super::taxonomy::Taxonomy;
use crate::filter::AppliedFilter;
use crate::{Collection, Correlation, Diagnostic, Rule, Span};
use ahash::{AHashMap, AHashSet};
use std::sync::Arc;

/// What an id or name stands for.
#[derive(Clone, Copy)]
pub(super) enum Target<'a> {
    Rule(&'a Rule),
    Correlation(&'a Correlation),
}

/// The collection with ways into it.
pub(super) struct Loaded<'a> {
    rules: AHashMap<(&'a str, u32), &'a Rule>,
    correlations: AHashMap<(&'a str, u32), &'a Correlation>,
    /// Rules and correlations by id and name.
    names: AHashMap<&'a str, Target<'a>>,
    /// Ids and names that filters are for.
    filtered: AHashSet<&'a str>,
}

impl<'a> Loaded<'a> {
    pub(super) fn new(collection: &'a Collection) -> Self {
        let filtered = collection.filters.iter().flat_map(|filter| filter.rules.iter().flatten());
        let mut loaded = Self {
            rules: AHashMap::new(),
            correlations: AHashMap::new(),
            names: AHashMap::new(),
            filtered: filtered.map(String::as_str).collect(),
        };
        for rule in &collection.rules {
            let metadata = &rule.metadata;
            // Hidden rules of a translated aggregation share the place of their document; the
            // first has its condition.
            loaded.rules.entry((&metadata.source, metadata.span.start)).or_insert(rule);
            for name in [&metadata.id, &metadata.name].into_iter().flatten() {
                loaded.names.entry(name).or_insert(Target::Rule(rule));
            }
        }
        for correlation in &collection.correlations {
            let metadata = &correlation.metadata;
            loaded.correlations.insert((&metadata.source, metadata.span.start), correlation);
            for name in [&metadata.id, &metadata.name].into_iter().flatten() {
                loaded.names.entry(name).or_insert(Target::Correlation(correlation));
            }
        }
        loaded
    }

    /// What has this id or name.
    pub(super) fn target(&self, name: &str) -> Option<Target<'a>> {
        self.names.get(name).copied()
    }

    /// Whether two ids or names are of one rule or correlation.
    pub(super) fn is_same(&self, name: &str, other: &str) -> bool {
        match (self.target(name), self.target(other)) {
            (Some(Target::Rule(a)), Some(Target::Rule(b))) => std::ptr::eq(a, b),
            (Some(Target::Correlation(a)), Some(Target::Correlation(b))) => std::ptr::eq(a, b),
            _ => false,
        }
    }

    /// Whether something has this id or name.
    pub(super) fn knows(&self, name: &str) -> bool {
        self.names.contains_key(name)
    }

    /// Whether a filter is for what has this id or name.
    pub(super) fn filters(&self, name: &str) -> bool {
        self.filtered.contains(name)
    }

    /// The rule that a document is.
    pub(super) fn rule(&self, source: &str, span: Span) -> Option<&'a Rule> {
        self.rules.get(&(source, span.start)).copied()
    }
}

/// What earlier documents have taken.
#[derive(Default)]
pub(super) struct Across {
    ids: AHashMap<String, (Arc<str>, Span)>,
    names: AHashMap<String, (Arc<str>, Span)>,
    titles: AHashMap<String, (Arc<str>, Span)>,
    /// Names that fixes give.
    pub(super) given: AHashSet<String>,
    /// The collection that an earlier fix has taken apart.
    pub(super) flattened: Option<Flattened>,
}

pub(super) fn check(
    document: &Document<'_>,
    loaded: &Loaded<'_>,
    taxonomy: &Taxonomy,
    across: &mut Across,
    found: &mut Vec<Diagnostic>,
) {
    let place = (&*document.source.name, document.span.start);
    let correlation = loaded.correlations.get(&place);
    if let Some(correlation) = correlation.filter(|correlation| correlation.legacy) {
        legacy::check(document, correlation, loaded, across, found);
    }
    if document.kind == DocumentKind::Action {
        return;
    }
    taken(document, "id", "duplicate-id", &mut across.ids, found);
    taken(document, "name", "duplicate-name", &mut across.names, found);
    taken(document, "title", "duplicate-title", &mut across.titles, found);
    if document.kind == DocumentKind::Filter {
        filter_rules(document, loaded, found);
    }
    if let Some(correlation) = correlation {
        correlations::check(document, correlation, loaded, taxonomy, found);
    }
}

fn taken(
    document: &Document<'_>,
    key: &str,
    code: &'static str,
    known: &mut AHashMap<String, (Arc<str>, Span)>,
    found: &mut Vec<Diagnostic>,
) {
    let Some(node) = document.root.get(key) else { return };
    let Some(text) = node.non_null_text() else { return };
    let source = Arc::clone(&document.source.name);
    let Some((first, span)) = known.get(text) else {
        known.insert(text.to_owned(), (source, node.span));
        return;
    };
    let message = format!("{key} `{text}` is used twice");
    // Nothing depends on titles, but people do.
    let mut finding = match key {
        "title" => Diagnostic::note(code, node.span, message),
        _ => Diagnostic::warning(code, node.span, message),
    };
    finding = if *first == source {
        finding.with_label(*span, "first used here")
    } else {
        finding.with_note(format!("first used in {first}"))
    };
    let help = match key {
        "id" => "give each rule an id of its own; copies need a new one",
        "title" => "say in the title what sets the rules apart",
        _ => "give each rule a name of its own",
    };
    found.push(finding.with_help(help));
}

fn filter_rules(document: &Document<'_>, loaded: &Loaded<'_>, found: &mut Vec<Diagnostic>) {
    let rules = document.detection().and_then(|body| body.get("rules"));
    let any = rules.is_some_and(|rules| rules.text() == Some("any"));
    for node in rules.filter(|_| !any).map_or(&[][..], crate::read::one_or_many) {
        let Some(name) = node.non_null_text() else { continue };
        match loaded.target(name) {
            None => {
                let message = format!("the filter is for `{name}`, which is not loaded");
                let help = match name {
                    "any" => "for all rules of its log source, write `rules: any` without a list",
                    _ => "correct the id or name, or load the rule as well",
                };
                found.push(
                    Diagnostic::warning("filter-unknown-rule", node.span, message).with_help(help),
                );
            }
            // An aggregation of version 1 is a rule, and its filters were applied.
            Some(Target::Correlation(correlation)) if correlation.legacy => {
                let inner = correlation.rules.first();
                if let Some(Target::Rule(rule)) = inner.and_then(|rule| loaded.target(&rule.name)) {
                    filter_of(document, name, node.span, rule, found);
                }
            }
            Some(Target::Correlation(correlation)) => {
                let message = format!("the filter is for `{name}`, which is a correlation");
                let rules = correlation.rules.iter().map(|rule| rule.name.as_str());
                let rules = crate::read::quoted_list(rules);
                found.push(
                    Diagnostic::warning("filter-for-correlation", node.span, message)
                        .with_note("filters apply to rules; it has no effect on this one")
                        .with_help(format!("name what the correlation uses: {rules}")),
                );
            }
            Some(Target::Rule(rule)) => filter_of(document, name, node.span, rule, found),
        }
    }
}

/// Whether the filter that the document is was applied to the rule that it names.
fn filter_of(
    document: &Document<'_>,
    name: &str,
    place: Span,
    rule: &Rule,
    found: &mut Vec<Diagnostic>,
) {
    let is_it = |filter: &AppliedFilter| {
        let metadata = &filter.0.metadata;
        metadata.source == document.source.name && metadata.span.start == document.span.start
    };
    if rule.filters.iter().any(is_it) {
        return;
    }
    let logsource = &rule.logsource;
    let message =
        format!("the filter's log source excludes `{name}`, which asks for `{logsource}`");
    found.push(
        Diagnostic::warning("filter-log-source", place, message)
            .with_note("it has no effect on this rule")
            .with_help("give the filter the log source of the rule, or less of it"),
    );
}
