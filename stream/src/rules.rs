//! Rules that are ready to match, with what detections show of them.

use crate::encode::{AlertCard, Extension, RuleCard, Subject};
use sigmund_engine::correlation::{Alert, Correlations, used_rules};
use sigmund_engine::{AliasTable, Record, Routing, RuleSet};
use sigmund_parsers::FORMATS;
use sigmund_sigma::rule::Metadata;
use sigmund_sigma::{Collection, Correlation, Diagnostic, Loader, Severity, Source, lint};
use std::cmp::Reverse;
use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

/// Rules ready to match.
#[derive(Debug)]
pub struct Rules {
    /// What matchers read.
    pub set: Arc<RuleSet>,
    /// By the index that the matcher reports.
    pub cards: Vec<RuleCard>,
    /// By the same index: whether the rule's detections go out. Others are matched for the correlations that use them.
    pub reports: Vec<bool>,
    /// An event gives one detection at most: that of the rule that comes first by `ranks`. Correlations see all hits all the same.
    pub first_match: bool,
    /// By the same index: which comes first then. Higher levels do, then ids that come first.
    pub ranks: Vec<u32>,
    /// The correlations over these rules.
    pub correlations: Arc<Correlations>,
    /// By the index that alerts carry.
    pub alert_cards: Vec<AlertCard>,
    /// Rules that the filter does not want.
    pub left_out: usize,
    /// Why documents did not load.
    pub diagnostics: Vec<Diagnostic>,
}

impl Rules {
    /// Loads the rules of texts, keeps those that are wanted and what they use, and compiles them for what the routing makes of events.
    #[must_use]
    pub fn compile(
        loader: &Loader,
        texts: &[Source],
        wants: &dyn Fn(&Metadata) -> bool,
        routing: &Routing,
    ) -> Self {
        Self::of(loader.load(texts), texts, wants, routing)
    }

    /// Keeps those rules of a collection that are wanted and what they use, and compiles them. `texts` are those that it was loaded from.
    #[must_use]
    pub fn of(
        collection: Collection,
        texts: &[Source],
        wants: &dyn Fn(&Metadata) -> bool,
        routing: &Routing,
    ) -> Self {
        let Collection { rules, correlations, mut diagnostics, .. } = collection;
        let mut left_out = 0;
        let mut wants = |metadata: &Metadata| {
            let wanted = wants(metadata);
            left_out += usize::from(!wanted);
            wanted
        };
        let wanted: Vec<bool> =
            correlations.iter().map(|correlation| wants(&correlation.metadata)).collect();
        let is_wanted = |correlation: &Correlation| {
            let at = correlations.iter().position(|one| std::ptr::eq(one, correlation));
            at.is_some_and(|at| wanted[at])
        };
        let used = used_rules(&correlations, &is_wanted);
        let mut kept = Vec::new();
        let mut reporting = HashSet::new();
        for rule in rules {
            let metadata = &rule.metadata;
            let reports = !rule.silent && wants(metadata);
            let names = metadata.id.iter().chain(&metadata.name);
            if reports {
                reporting.insert((Arc::clone(&metadata.source), metadata.span));
            }
            if reports || names.into_iter().any(|name| used.contains(name.as_str())) {
                kept.push(rule);
            }
        }
        let aliases: Vec<Arc<AliasTable>> =
            FORMATS.iter().flat_map(|format| format.aliases()).collect();
        let read = Correlations::field_names(&correlations);
        let mut extra = extra_fields(routing);
        // Detections and correlations have a time.
        for name in sigmund_parsers::json::time::fields() {
            extra.push(name);
        }
        let (set, refused) = RuleSet::compile(kept, &aliases, &extra, &read);
        diagnostics.extend(refused);
        let cards: Vec<RuleCard> =
            set.rules().iter().map(|rule| RuleCard::new(Arc::clone(rule))).collect();
        let reports = set
            .rules()
            .iter()
            .map(|rule| {
                let metadata = &rule.metadata;
                !rule.silent && reporting.contains(&(Arc::clone(&metadata.source), metadata.span))
            })
            .collect();
        let ranks = ranks(&cards);
        let (compiled, refused) = Correlations::compile(&correlations, set.rules(), &is_wanted);
        diagnostics.extend(refused);
        in_source_order(&mut diagnostics, texts);
        let alert_cards = AlertCard::all(&compiled, &cards);
        let correlations = Arc::new(compiled);
        let set = Arc::new(set);
        Self {
            set,
            cards,
            reports,
            first_match: false,
            ranks,
            correlations,
            alert_cards,
            left_out,
            diagnostics,
        }
    }

    /// How many rules and correlations there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.cards.len() + self.alert_cards.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The correlation with the longest timespan, in nanoseconds.
    #[must_use]
    pub fn longest(&self) -> Option<(&str, i64)> {
        let all = self.correlations.rules();
        let spans = all.filter_map(|rule| Some((&*rule.metadata.title, rule.timespan?)));
        spans.max_by_key(|(_, span)| *span)
    }

    /// The topics that rules name for their detections.
    #[must_use]
    pub fn output_topics(&self) -> BTreeSet<String> {
        self.extensions().filter_map(|(_, extension)| extension.output_topic.clone()).collect()
    }

    /// Writes a name before those of the topics that rules name for their detections.
    pub fn prefix_topics(&mut self, prefix: &str) {
        let topics = self.extensions_mut().filter_map(|extension| extension.output_topic.as_mut());
        topics.for_each(|topic| *topic = format!("{prefix}.{topic}"));
    }

    fn extensions_mut(&mut self) -> impl Iterator<Item = &mut Extension> {
        let cards = self.cards.iter_mut().map(|card| &mut card.extension);
        cards.chain(self.alert_cards.iter_mut().map(|card| &mut card.extension))
    }

    /// Sends detections that were to go to these topics where those of other rules go.
    pub fn give_up_topics(&mut self, topics: &BTreeSet<String>) {
        for extension in self.extensions_mut() {
            extension.output_topic.take_if(|topic| topics.contains(topic));
        }
    }

    /// What rules ask for beyond Sigma.
    pub fn extensions(&self) -> impl Iterator<Item = (&Metadata, &Extension)> {
        let cards = self.cards.iter().map(|card| (&card.rule.metadata, &card.extension));
        let alerts = self.alert_cards.iter();
        cards.chain(alerts.map(|card| (&card.correlation.metadata, &card.extension)))
    }

    /// What marks of detections mean: rules first, then correlations.
    #[must_use]
    pub fn subject(&self, index: u32) -> Subject<'_> {
        match self.cards.get(index as usize) {
            Some(card) => Subject::Rule(card),
            None => Subject::Correlation(&self.alert_cards[index as usize - self.cards.len()]),
        }
    }

    /// The rules whose detections go out, with their indices.
    pub fn reporting(&self) -> impl Iterator<Item = (u32, &RuleCard)> {
        let cards = (0u32..).zip(&self.cards).zip(&self.reports);
        cards.filter(|(_, reports)| **reports).map(|(card, _)| card)
    }

    /// Whether some rules are broken; those that only lack the value of a placeholder are not.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.diagnostics
            .iter()
            .any(|finding| finding.severity == Severity::Error && finding.code != UNRESOLVED)
    }

    /// What parsers fill for these rules: the fields that they read, and the time where there are correlations, which are about time.
    #[must_use]
    pub fn record(&self) -> Record {
        let mut record = Record::new(self.set.field_table().clone());
        record.wants_time = !self.correlations.is_empty();
        record
    }

    /// The index under which the alerts of a correlation go, as [`subject`](Self::subject) knows it.
    #[must_use]
    pub fn index_of_alert(&self, alert: &Alert) -> u32 {
        self.cards.len() as u32 + alert.correlation
    }
}

/// Which rule comes first, by index.
fn ranks(cards: &[RuleCard]) -> Vec<u32> {
    let mut order: Vec<u32> = (0..cards.len() as u32).collect();
    order.sort_by_key(|index| {
        let subject = Subject::Rule(&cards[*index as usize]);
        (Reverse(subject.level()), subject.id())
    });
    let mut ranks = vec![0; order.len()];
    (0..).zip(order).for_each(|(rank, index)| ranks[index as usize] = rank);
    ranks
}

/// What [`check`] found.
#[derive(Debug)]
pub struct Checked {
    /// How many rules there are.
    pub rules: usize,
    /// How many correlations.
    pub correlations: usize,
    /// How many filters.
    pub filters: usize,
    /// In source order.
    pub diagnostics: Vec<Diagnostic>,
}

/// Parses, lints and compiles.
#[must_use]
pub fn check(loader: &Loader, options: &lint::Options, texts: &[Source]) -> Checked {
    let collection = loader.load(texts);
    let linted = lint::check(texts, &collection, options);
    let mut diagnostics = collection.diagnostics;
    diagnostics.extend(linted);
    let rules = collection.rules.len();
    let (_, refused) = RuleSet::compile(collection.rules, &[], &[], &[]);
    diagnostics.extend(refused);
    in_source_order(&mut diagnostics, texts);
    Checked {
        rules,
        correlations: collection.correlations.len(),
        filters: collection.filters.len(),
        diagnostics,
    }
}

fn in_source_order(diagnostics: &mut [Diagnostic], texts: &[Source]) {
    let order: ahash::AHashMap<&str, usize> =
        texts.iter().enumerate().map(|(index, source)| (&*source.name, index)).collect();
    diagnostics.sort_by_key(|finding| {
        let index = order.get(&*finding.source).copied().unwrap_or(usize::MAX);
        (index, finding.span, Reverse(finding.severity))
    });
}

/// The code of a rule that needs the value of a placeholder.
const UNRESOLVED: &str = "unresolved-placeholder";

/// Fields that are read besides those of the rules: what the user's mappings and the routing of JSON ask for.
fn extra_fields(routing: &Routing) -> Vec<&str> {
    let aliased = routing
        .added
        .iter()
        .flat_map(|added| &added.aliases)
        .flat_map(|(_, fields)| fields.iter().map(String::as_str));
    let mut fields: Vec<&str> = routing.condition_fields().into_iter().chain(aliased).collect();
    for name in sigmund_parsers::json::schema::discriminators() {
        fields.push(name);
    }
    fields
}
