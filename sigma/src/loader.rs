//! From texts to a checked collection.
//!
//! Documents are read one by one ([`Loader::load`]); what crosses their borders follows when all
//! are known: filters, pipelines, modifiers, translated aggregations, references.

use crate::filter::AppliedFilter;
use crate::metadata::refuse_foreign_taxonomy;
use crate::pipeline::{Pipeline, State};
use crate::rule::Draft;
use crate::rule::Metadata;
use crate::yaml::{self, Node};
use crate::{Correlation, Diagnostic, Filter, LogSource, Rule};
use crate::{action, correlation, filter, metadata, reference, rule};
use ahash::{AHashMap, AHashSet};
use std::sync::Arc;

/// Errors listed for one source; texts that are no rules at all can have millions.
const SOURCE_ERROR_LIMIT: usize = 1000;
const TOO_MANY: usize = SOURCE_ERROR_LIMIT + 1;

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
        let mut reading = Reading::default();
        for (at, source) in sources.iter().enumerate() {
            reading.source = at;
            reading.read(source);
        }
        self.finish(reading, sources)
    }

    fn finish(&self, mut reading: Reading, sources: &[Source]) -> Collection {
        let mut collection = Collection::default();
        let filters: Vec<(usize, Filter)> = std::mem::take(&mut reading.filters);
        let drafts = std::mem::take(&mut reading.drafts);
        let mut written = Vec::with_capacity(filters.len());
        for (source, mut filter) in filters {
            // Pipelines see a filter as part of each rule; they need it as written.
            let raw = if self.pipelines.is_empty() { None } else { Some(filter.clone()) };
            let mut errors = self.refusals(&filter.metadata);
            rule::apply_modifiers(&mut filter.selections, &self.placeholders, &mut errors);
            if reading.report(source, errors) {
                continue;
            }
            let filter = Arc::new(filter);
            collection.filters.push(Arc::clone(&filter));
            written.push((filter, raw));
        }
        for (source, draft) in drafts {
            let mut errors = self.refusals(&draft.rule.metadata);
            let finished = self.finish_rule(draft, &written, &mut errors);
            if reading.report(source, errors) {
                continue;
            }
            match finished {
                Some(Finished::Rule(rule)) => collection.rules.push(*rule),
                Some(Finished::Aggregation(rules, correlation)) => {
                    collection.rules.extend(rules);
                    reading.correlations.push((source, *correlation));
                }
                None => {}
            }
        }
        let mut correlations = std::mem::take(&mut reading.correlations);
        correlations.retain_mut(|(source, correlation)| {
            let mut errors = self.refusals(&correlation.metadata);
            errors.extend(self.process_correlation(correlation, &collection.rules));
            !reading.report(*source, errors)
        });
        let (resolved, errors) =
            reference::resolve(correlations, &collection.rules, &reading.refused);
        for (source, error) in errors {
            reading.report(source, vec![error]);
        }
        collection.correlations = resolved;
        reference::silence(&mut collection.rules, &collection.correlations);
        reading.diagnostics.sort_by_key(|(source, diagnostic)| (*source, diagnostic.span.start));
        collection.diagnostics = reading
            .diagnostics
            .into_iter()
            .map(|(at, mut diagnostic)| {
                if let Some(source) = sources.get(at) {
                    diagnostic.source = Arc::clone(&source.name);
                }
                diagnostic
            })
            .collect();
        collection
    }

    /// What the pipelines that are given, or are not, leave no meaning.
    fn refusals(&self, metadata: &Metadata) -> Vec<Diagnostic> {
        let refused = self.pipelines.is_empty().then(|| refuse_foreign_taxonomy(metadata));
        refused.flatten().into_iter().collect()
    }

    /// Filters, pipelines, modifiers, aggregation: in this order, since each sees the result of
    /// the one before.
    fn finish_rule(
        &self,
        draft: Draft,
        filters: &[(Arc<Filter>, Option<Filter>)],
        errors: &mut Vec<Diagnostic>,
    ) -> Option<Finished> {
        let Draft { mut rule, aggregation } = draft;
        for (filter, raw) in filters {
            if !filter.applies_to(&rule) {
                continue;
            }
            let applied = match raw {
                None => Arc::clone(filter),
                Some(raw) => Arc::new(self.filter_of_rule(raw, &rule, errors)),
            };
            rule.filters.push(AppliedFilter(applied));
        }
        self.process(&mut rule, errors);
        if !errors.is_empty() {
            return None;
        }
        rule::apply_modifiers(&mut rule.selections, &self.placeholders, errors);
        for search in &mut rule.added {
            rule::apply_to_search(search, &self.placeholders, errors);
        }
        if !errors.is_empty() {
            return None;
        }
        let Some(aggregation) = aggregation else {
            return Some(Finished::Rule(Box::new(rule)));
        };
        let timeframe = aggregation.timeframe.as_ref().map(|(text, span)| (&**text, *span));
        match correlation::parse_legacy(&rule, &aggregation.text, aggregation.span, timeframe) {
            Ok((rules, correlation)) => Some(Finished::Aggregation(rules, Box::new(correlation))),
            Err(error) => {
                errors.push(error);
                None
            }
        }
    }

    /// The filter as the pipelines see it within one rule.
    fn filter_of_rule(&self, filter: &Filter, rule: &Rule, errors: &mut Vec<Diagnostic>) -> Filter {
        let mut inner = Rule {
            metadata: rule.metadata.clone(),
            logsource: rule.logsource.clone(),
            selections: filter.selections.clone(),
            conditions: vec![filter.condition.clone()],
            filters: Vec::new(),
            added: Vec::new(),
            silent: false,
        };
        self.process(&mut inner, errors);
        rule::apply_modifiers(&mut inner.selections, &self.placeholders, errors);
        // A pipeline that drops items takes their selections out of the condition.
        let condition = inner.conditions.pop().unwrap_or_else(|| filter.condition.clone());
        Filter { selections: inner.selections, condition, ..filter.clone() }
    }

    /// Runs the pipelines over a rule whose modifiers have not been applied.
    fn process(&self, rule: &mut Rule, errors: &mut Vec<Diagnostic>) {
        let mut state = State::with_vars(&self.placeholders);
        for pipeline in &self.pipelines {
            if let Err(error) = pipeline.apply(rule, &mut state) {
                errors.push(error);
                return;
            }
        }
    }

    /// Runs the pipelines over a correlation, whose rules have been through them.
    fn process_correlation(
        &self,
        correlation: &mut Correlation,
        rules: &[Rule],
    ) -> Option<Diagnostic> {
        if self.pipelines.is_empty() {
            return None;
        }
        let names = |name: &Option<String>| {
            name.as_ref()
                .is_some_and(|name| correlation.rules.iter().any(|rule| rule.name == *name))
        };
        let used =
            rules.iter().filter(|rule| names(&rule.metadata.id) || names(&rule.metadata.name));
        let logsources: Vec<LogSource> = used.map(|rule| rule.logsource.clone()).collect();
        let mut state = State::with_vars(&self.placeholders);
        let mut run = |pipeline: &Pipeline| {
            pipeline.apply_to_correlation(correlation, &logsources, &mut state)
        };
        self.pipelines.iter().find_map(|pipeline| run(pipeline).err())
    }
}

enum Finished {
    Rule(Box<Rule>),
    Aggregation(Vec<Rule>, Box<Correlation>),
}

/// What the documents say, each for itself, with the index of its source.
#[derive(Default)]
struct Reading {
    source: usize,
    drafts: Vec<(usize, Draft)>,
    filters: Vec<(usize, Filter)>,
    correlations: Vec<(usize, Correlation)>,
    diagnostics: Vec<(usize, Diagnostic)>,
    /// How many errors each source has.
    reported: AHashMap<usize, usize>,
    /// Ids and names of documents that did not load.
    refused: AHashSet<String>,
}

impl Reading {
    /// Whether there was anything to report.
    fn report(&mut self, source: usize, errors: Vec<Diagnostic>) -> bool {
        let any = !errors.is_empty();
        for error in errors {
            let reported = self.reported.entry(source).or_insert(0);
            *reported += 1;
            match *reported {
                ..=SOURCE_ERROR_LIMIT => self.diagnostics.push((source, error)),
                TOO_MANY => {
                    let message = format!("more than {SOURCE_ERROR_LIMIT} errors in this file");
                    self.diagnostics.push((
                        source,
                        Diagnostic::error("too-many-errors", error.span, message)
                            .with_help("mend the ones above first; the others are not listed"),
                    ));
                }
                _ => {}
            }
        }
        any
    }

    fn read(&mut self, source: &Source) {
        let stream = yaml::parse(&source.text);
        self.report(self.source, stream.diagnostics);
        let collection = stream.documents.iter().any(|document| action::is_action(&document.root));
        let mut actions = action::Actions::default();
        let mut copied = 0;
        for document in stream.documents {
            let mut errors = Vec::new();
            let root = actions.next(document.root, collection, &mut copied, &mut errors);
            self.report(self.source, errors);
            if let Some(root) = root {
                self.document(root, document.span, source);
            }
        }
    }

    fn document(&mut self, root: Node, span: crate::Span, source: &Source) {
        let mut errors = Vec::new();
        if root.mapping().is_none() {
            let message = format!("expected a rule, found {}", root.noun());
            errors.push(
                Diagnostic::error("not-a-rule", metadata::head(&root), message)
                    .with_help("a rule is a mapping with `title`, `logsource` and `detection`"),
            );
            self.report(self.source, errors);
            return;
        }
        let metadata = metadata::parse(&root, span, &source.name, &source.text, &mut errors);
        let (id, name) = (metadata.id.clone(), metadata.name.clone());
        let kind = root.mapping().and_then(|entries| {
            let kind = |(key, _): &(Node, Node)| match key.text() {
                Some("correlation") => Some(DocumentKind::Correlation),
                Some("filter") => Some(DocumentKind::Filter),
                _ => None,
            };
            entries.iter().find_map(kind)
        });
        let (mut draft, mut filter, mut correlation) = (None, None, None);
        match kind {
            Some(DocumentKind::Correlation) => {
                correlation = correlation::parse(&root, metadata, &mut errors);
            }
            Some(DocumentKind::Filter) => filter = filter::parse(root, metadata, &mut errors),
            None => draft = rule::parse(root, metadata, &mut errors),
        }
        let failed = errors.iter().any(|error| error.severity == crate::Severity::Error);
        self.report(self.source, errors);
        if failed {
            self.refused.extend(id.into_iter().chain(name));
            return;
        }
        self.drafts.extend(draft.map(|draft| (self.source, draft)));
        self.filters.extend(filter.map(|filter| (self.source, filter)));
        self.correlations.extend(correlation.map(|correlation| (self.source, correlation)));
    }
}

enum DocumentKind {
    Correlation,
    Filter,
}
