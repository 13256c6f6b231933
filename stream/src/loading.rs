//! From the configuration to rules: which files, which pipelines, which of the rules.

use crate::config;
use crate::destination::level_named;
use crate::encode::{is_called, status_name};
use crate::field_mapping::as_pipeline;
use crate::metadata_filter::MetadataFilter;
use crate::outlets::Outlets;
use crate::reading::{self, Reading};
use crate::rule_files::RuleFiles;
use crate::rules::Rules;
use crate::rules_topic::{RuleRecords, source_name};
use crate::words::{plural, visible};
use anyhow::{Context as _, anyhow, bail};
use serde::{Deserialize, Serialize};
use sigmund_engine::Routing;
use sigmund_engine::correlation::used_rules;
use sigmund_parsers::Format;
use sigmund_sigma::pipeline::Pipeline;
use sigmund_sigma::pipeline::logsource_mapping::LogSourceMapping;
use sigmund_sigma::rule::{Metadata, Status};
use sigmund_sigma::{Collection, Diagnostic, Loader, LogSource, Rule, Severity, Source, Span};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

/// How rules are loaded.
#[derive(Debug)]
pub struct Loading {
    loader: Loader,
    routing: Routing,
    wanted: Wanted,
    paths: Vec<std::path::PathBuf>,
    /// If there are no files.
    built_in: Vec<Source>,
    /// Where detections may go, if they go to topics.
    outlets: Option<Arc<Outlets>>,
}

/// Which rules are wanted.
#[derive(Debug)]
struct Wanted {
    metadata: MetadataFilter,
    log_sources: Vec<LogSource>,
    only: Vec<String>,
}

impl Wanted {
    fn new(rules: &config::Rules) -> anyhow::Result<Self> {
        let level = rules.level.as_deref().map(level_named).transpose();
        let log_sources = rules.log_sources.iter().map(|text| reading::log_source(text));
        let status = rules.status.iter().map(|name| status_named(name)).collect::<Result<_, _>>();
        let level = level.map_err(|problem| anyhow!("`rules.level`: {problem}"))?;
        let status = status.map_err(|problem| anyhow!("`rules.status`: {problem}"))?;
        Ok(Self {
            metadata: MetadataFilter::new(level, &rules.tags, status).map_err(|(tag, error)| {
                anyhow!("`rules.tags`: `{tag}` is not a pattern: {}", error.kind())
            })?,
            log_sources: log_sources.collect::<Result<_, _>>().context("`rules.log_sources`")?,
            only: rules.only.clone(),
        })
    }

    fn wants(&self, metadata: &Metadata) -> bool {
        self.metadata.wants(metadata) && self.names(metadata)
    }

    fn names(&self, metadata: &Metadata) -> bool {
        self.only.is_empty() || self.only.iter().any(|name| is_called(metadata, name))
    }

    /// How many rules each option leaves out, for those who wonder where all of them are; nothing if none does.
    fn left_out(
        &self,
        collection: &Collection,
        elsewhere: &HashSet<(Arc<str>, Span)>,
    ) -> Option<String> {
        let rules = collection.rules.iter().filter(|rule| !rule.silent);
        let rules = rules.map(|rule| &rule.metadata);
        let correlations = collection.correlations.iter().map(|one| &one.metadata);
        let all: Vec<&Metadata> = rules.chain(correlations).collect();
        let count = |wants: &dyn Fn(&Metadata) -> bool| {
            all.iter().filter(|metadata| !wants(metadata)).count()
        };
        let is_here = |metadata: &Metadata| {
            !elsewhere.contains(&(Arc::clone(&metadata.source), metadata.span))
        };
        let told: Vec<String> = [
            ("level", count(&|metadata| self.metadata.has_level(metadata))),
            ("tags", count(&|metadata| self.metadata.has_tag(metadata))),
            ("status", count(&|metadata| self.metadata.has_status(metadata))),
            ("log_sources", count(&is_here)),
            ("only", count(&|metadata| self.names(metadata))),
        ]
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .map(|(option, count)| format!("`rules.{option}` leaves out {count}"))
        .collect();
        let all = plural(all.len() as u64, "rule");
        (!told.is_empty()).then(|| format!("of {all} {}", told.join(", ")))
    }

    /// The rules that are for other log sources than the wanted ones, by their places.
    fn elsewhere(&self, collection: &Collection) -> HashSet<(Arc<str>, Span)> {
        let mut elsewhere = HashSet::new();
        if self.log_sources.is_empty() {
            return elsewhere;
        }
        let is_wanted =
            |rule: &Rule| self.log_sources.iter().any(|wanted| wanted.covers(&rule.logsource));
        let place = |metadata: &Metadata| (Arc::clone(&metadata.source), metadata.span);
        let others = collection.rules.iter().filter(|rule| !is_wanted(rule));
        elsewhere.extend(others.map(|rule| place(&rule.metadata)));
        let names = |rule: &Rule| {
            let metadata = &rule.metadata;
            metadata.id.clone().into_iter().chain(metadata.name.clone())
        };
        let wanted: HashSet<String> =
            collection.rules.iter().filter(|rule| is_wanted(rule)).flat_map(names).collect();
        for correlation in &collection.correlations {
            let used = used_rules(&collection.correlations, &|one| std::ptr::eq(one, correlation));
            let place = place(&correlation.metadata);
            match used.into_iter().any(|name| wanted.contains(name)) {
                // One of version 1 is in the place of its rule.
                true => elsewhere.remove(&place),
                false => elsewhere.insert(place),
            };
        }
        elsewhere
    }

    /// Names of `rules.only` that no rule has.
    fn unknown(&self, collection: &Collection) -> Vec<String> {
        let rules = collection.rules.iter().map(|rule| &rule.metadata);
        let all = || rules.clone().chain(collection.correlations.iter().map(|one| &one.metadata));
        let is_unknown = |name: &&String| !all().any(|metadata| is_called(metadata, name));
        match all().next() {
            // Those of the topic are still to come.
            None => Vec::new(),
            Some(_) => self
                .only
                .iter()
                .filter(is_unknown)
                .map(|name| format!("`rules.only`: no rule is called `{name}`"))
                .collect(),
        }
    }
}

fn status_named(name: &str) -> Result<Status, String> {
    let all = [
        Status::Stable,
        Status::Test,
        Status::Experimental,
        Status::Deprecated,
        Status::Unsupported,
    ];
    all.into_iter().find(|status| status_name(*status) == name).ok_or_else(|| {
        let known: Vec<&str> = all.into_iter().map(status_name).collect();
        format!("`{name}` is not a status; known: {}", known.join(", "))
    })
}

/// Rules with where they came from.
#[derive(Debug)]
pub struct Loaded {
    /// The rules.
    pub rules: Rules,
    /// Their texts, those of the topic last.
    pub files: RuleFiles,
    /// What became of the records of the rules topic, by key.
    pub answers: Vec<Answer>,
    /// What of rules does not count: those that the topic has another version of, and mistakes in their `kafka` sections.
    pub warnings: Vec<String>,
    /// How many rules each option leaves out, in words, if there are some.
    pub left_out: Option<String>,
}

/// What became of a record of the rules topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Its key.
    pub key: String,
    /// Whether it counts.
    pub state: State,
    /// Why it does not count, or what in it does not.
    pub found: Vec<Finding>,
}

/// Whether a record of the rules topic counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It is looked for.
    Accepted,
    /// Some of its documents are looked for, and others have errors.
    PartlyAccepted,
    /// It is none, or cannot be used.
    Rejected,
}

/// What is wrong with a text, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
    /// `sigmund explain CODE` says more.
    pub code: String,
    /// What is wrong.
    pub message: String,
    /// What to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

impl Finding {
    /// Of a diagnostic in a text.
    #[must_use]
    pub fn new(found: &Diagnostic, text: &str) -> Self {
        let (line, column) = place(found, text).unwrap_or((1, 1));
        let help = found.help.as_ref().map(ToString::to_string);
        let (code, message) = (found.code.to_string(), found.message.to_string());
        Self { line, column, code, message, help }
    }
}

/// Line and column of a diagnostic.
fn place(found: &Diagnostic, text: &str) -> Option<(usize, usize)> {
    let before = text.get(..usize::try_from(found.span.start).ok()?)?;
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
    Some((line, column))
}

impl Loaded {
    /// What did not load, each as `file:line:column: message`.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        let unreadable = self.files.unreadable.iter();
        let unreadable =
            unreadable.map(|(path, why)| format!("cannot read `{}`: {why}", path.display()));
        let errors =
            self.rules.diagnostics.iter().filter(|found| found.severity == Severity::Error);
        let texts = &self.files.texts;
        let empty = self.answers.iter().filter_map(Answer::emptiness);
        let empty =
            empty.map(|(key, found)| format!("rule `{}`: {}", visible(key, false), found.message));
        unreadable.chain(errors.map(|found| described(found, texts))).chain(empty).collect()
    }

    /// How many documents have errors, and records of the topic no rule.
    #[must_use]
    pub fn failed(&self) -> usize {
        let texts: HashMap<&str, &str> =
            self.files.texts.iter().map(|source| (&*source.name, &*source.text)).collect();
        let errors =
            self.rules.diagnostics.iter().filter(|found| found.severity == Severity::Error);
        let documents: BTreeSet<(&str, usize)> = errors
            .map(|found| {
                let before = texts
                    .get(&*found.source)
                    .and_then(|text| text.get(..usize::try_from(found.span.start).ok()?));
                let marks = before.map_or(0, |before| {
                    before.lines().filter(|line| line.trim_end() == "---").count()
                });
                (&*found.source, marks)
            })
            .collect();
        documents.len() + self.answers.iter().filter_map(Answer::emptiness).count()
    }
}

/// The code of a record without a rule.
const NO_RULE: &str = "no-rule";

impl Answer {
    /// What is said of a record without a rule, if it is one.
    fn emptiness(&self) -> Option<(&str, &Finding)> {
        let found = self.found.first().filter(|found| found.code == NO_RULE)?;
        Some((&self.key, found))
    }
}

/// `file:line:column: message`
fn described(found: &Diagnostic, texts: &[Source]) -> String {
    let source = texts.iter().find(|source| source.name == found.source);
    let place = source.and_then(|source| place(found, &source.text));
    let place = place.map_or(String::new(), |(line, column)| format!("{line}:{column}:"));
    format!("{}:{place} {}", found.source, found.message)
}

/// Takes away the rules of files that records of the topic have another version of, and of several records with one id all but the one whose key it
/// is, or else the first. Gives a text for each rule of a file.
fn overrule(collection: &mut Collection, records: &BTreeMap<Arc<str>, String>) -> Vec<String> {
    let mut owners: BTreeMap<String, Arc<str>> = BTreeMap::new();
    let rules = collection.rules.iter().map(|rule| &rule.metadata);
    let all = rules.chain(collection.correlations.iter().map(|one| &one.metadata));
    for metadata in all {
        if let (Some(id), Some(key)) = (&metadata.id, records.get(&metadata.source)) {
            let owner = owners.entry(id.clone()).or_insert_with(|| Arc::clone(&metadata.source));
            if key == id {
                *owner = Arc::clone(&metadata.source);
            }
        }
    }
    let (mut overruled, mut refused) = (Vec::new(), Vec::new());
    let mut stays = |metadata: &Metadata| {
        let owner = metadata.id.as_ref().and_then(|id| owners.get(id));
        let Some(owner) = owner.filter(|owner| **owner != metadata.source) else { return true };
        if records.contains_key(&metadata.source) {
            let message = format!("`{owner}` has a rule with the same id");
            let mut found = Diagnostic::error("duplicate-id", metadata.span, message)
                .with_help("give it an id of its own, or delete one of the two records");
            found.source = Arc::clone(&metadata.source);
            refused.push(found);
        } else {
            overruled.push(format!(
                "rule `{}` of `{}` does not count: `{owner}` has the same id",
                metadata.title, metadata.source
            ));
        }
        false
    };
    collection.rules.retain(|rule| stays(&rule.metadata));
    collection.correlations.retain(|correlation| stays(&correlation.metadata));
    collection.diagnostics.extend(refused);
    overruled
}

impl Loading {
    /// As configured. `built_in` are the rules if there are neither files nor a topic.
    ///
    /// # Errors
    ///
    /// A pipeline or a mapping cannot be read, or a filter is none.
    pub fn new(rules: &config::Rules, built_in: &[Source]) -> anyhow::Result<Self> {
        let mut pipelines = Vec::new();
        for path in &rules.pipelines {
            pipelines.push(read(path, "pipeline", pipeline)?);
        }
        pipelines.sort_by_key(|pipeline| pipeline.priority);
        let placeholders = rules.placeholders.clone().into_iter().collect();
        let mut added = Vec::new();
        for path in &rules.log_source_mappings {
            let mapping = read(path, "log source mapping", LogSourceMapping::parse)?;
            added.extend(reading::added(mapping));
        }
        let mut routing = Routing::default();
        routing.added = added;
        Ok(Self {
            loader: Loader { placeholders, pipelines },
            routing,
            wanted: Wanted::new(rules)?,
            paths: rules.paths.clone(),
            built_in: if rules.topic.is_none() { built_in.to_vec() } else { Vec::new() },
            outlets: None,
        })
    }

    /// Refuses rules whose detections would go to topics that they must not go to.
    #[must_use]
    pub fn with_outlets(self, outlets: Option<Arc<Outlets>>) -> Self {
        Self { outlets, ..self }
    }

    /// What reads rules.
    #[must_use]
    pub fn loader(&self) -> &Loader {
        &self.loader
    }

    /// Reads and compiles the rules, together with those of a topic, which win over files with the same ids.
    #[must_use]
    pub fn load(&self, topic: Option<(&str, &RuleRecords)>) -> Loaded {
        let mut files = if self.paths.is_empty() {
            RuleFiles::of(self.built_in.clone())
        } else {
            RuleFiles::read(self.paths.iter().map(std::path::PathBuf::as_path))
        };
        let mut records = BTreeMap::new();
        if let Some((topic, taken)) = topic {
            for (key, _) in taken.iter() {
                records.insert(Arc::from(source_name(topic, key)), key.to_owned());
            }
            files.texts.extend(taken.texts(topic));
        }
        let mut collection = self.loader.load(&files.texts);
        if let Some(outlets) = &self.outlets {
            outlets.refuse(&mut collection);
        }
        let mut warnings = overrule(&mut collection, &records);
        let whole: BTreeSet<Arc<str>> = sources(&collection).collect();
        warnings.extend(self.wanted.unknown(&collection));
        let left_out = |path: &std::path::PathBuf| {
            format!("`{}` is left out: it holds no rule", path.display())
        };
        warnings.extend(files.unknown.iter().map(left_out));
        let elsewhere = self.wanted.elsewhere(&collection);
        let left_out = self.wanted.left_out(&collection, &elsewhere);
        let wants = |metadata: &Metadata| {
            self.wanted.wants(metadata)
                && !elsewhere.contains(&(Arc::clone(&metadata.source), metadata.span))
        };
        let rules = Rules::of(collection, &files.texts, &wants, &self.routing);
        rules.set.warm();
        let answers = answers(&files.texts, &records, &rules, &whole);
        for (metadata, extension) in rules.extensions() {
            let warning = |problem| format!("rule `{}`: {problem}", metadata.title);
            warnings.extend(extension.problems.iter().map(warning));
        }
        Loaded { rules, files, answers, warnings, left_out }
    }

    /// The mappings that it knows, as a text that tells them from others.
    #[must_use]
    pub fn mappings(&self) -> String {
        match &*self.routing.added {
            [] => String::new(),
            added => format!("{added:?}"),
        }
    }

    /// How the records of a source are read.
    ///
    /// # Errors
    ///
    /// Its format, zone or a log source is none.
    pub fn reading(&self, source: &config::Source) -> anyhow::Result<Reading> {
        let always = source.log_sources.iter().map(|text| reading::log_source(text));
        let always = always.collect::<anyhow::Result<_>>()?;
        // Matchers know routes by their numbers, so those of all sources are in one table.
        let routing = self.routing.beside(always);
        let forced: Option<&'static dyn Format> =
            source.format.as_deref().map(reading::input_format).transpose()?;
        let zone = source.assume_zone.as_deref().map(reading::time_zone).transpose()?;
        let zone = zone.unwrap_or(jiff::tz::TimeZone::UTC);
        Ok(Reading { routing: Arc::new(routing), forced, zone })
    }
}

/// Texts that something was loaded from.
fn sources(collection: &Collection) -> impl Iterator<Item = Arc<str>> + '_ {
    let rules = collection.rules.iter().map(|rule| &rule.metadata);
    let correlations = collection.correlations.iter().map(|one| &one.metadata);
    let filters = collection.filters.iter().map(|filter| &filter.metadata);
    rules.chain(correlations).chain(filters).map(|metadata| Arc::clone(&metadata.source))
}

/// What became of each record.
fn answers(
    texts: &[Source],
    records: &BTreeMap<Arc<str>, String>,
    rules: &Rules,
    whole: &BTreeSet<Arc<str>>,
) -> Vec<Answer> {
    let mut errors: BTreeMap<&str, Vec<&Diagnostic>> = BTreeMap::new();
    for found in rules.diagnostics.iter().filter(|found| found.severity == Severity::Error) {
        errors.entry(&found.source).or_default().push(found);
    }
    let mut in_force: BTreeSet<&str> = BTreeSet::new();
    let mut sections: BTreeMap<&str, Vec<Diagnostic>> = BTreeMap::new();
    for (metadata, extension) in rules.extensions() {
        in_force.insert(&metadata.source);
        let found =
            |problem: &String| Diagnostic::warning("kafka-section", metadata.span, problem.clone());
        sections.entry(&metadata.source).or_default().extend(extension.problems.iter().map(found));
    }
    let answer = |source: &Source| {
        let key = records.get(&source.name)?.clone();
        let errors = errors.get(&*source.name).map(Vec::as_slice).unwrap_or_default();
        let mut state = match (errors, in_force.contains(&*source.name)) {
            ([], _) => State::Accepted,
            (_, true) => State::PartlyAccepted,
            (_, false) => State::Rejected,
        };
        let sections = sections.get(&*source.name).into_iter().flatten();
        let all = errors.iter().copied().chain(sections);
        let mut found: Vec<Finding> =
            all.take(MAX_FOUND).map(|found| Finding::new(found, &source.text)).collect();
        if errors.is_empty() && !whole.contains(&source.name) {
            state = State::Rejected;
            let help = Some("delete the record with a tombstone, or write a Sigma rule".to_owned());
            let (code, message) = (NO_RULE.to_owned(), "there is no rule in it".to_owned());
            found.push(Finding { line: 1, column: 1, code, message, help });
        }
        Some(Answer { key, state, found })
    };
    texts.iter().filter_map(answer).collect()
}

/// More findings of one record are not told.
const MAX_FOUND: usize = 20;

/// A pipeline, or the field mappings of Confluent Sigma as one.
#[must_use]
pub fn pipeline(name: &str, text: &str) -> (Pipeline, Vec<Diagnostic>) {
    let mapping = as_pipeline(text);
    Pipeline::parse(name, mapping.as_deref().unwrap_or(text))
}

/// A file that configures something, as it was read.
#[derive(Debug)]
pub struct Table<T> {
    /// What it says.
    pub content: T,
    /// What is wrong with it.
    pub found: Vec<Diagnostic>,
    /// Its text, for what is wrong.
    pub source: Source,
}

impl<T> Table<T> {
    /// Reads one. `what` it is is for messages.
    ///
    /// # Errors
    ///
    /// It cannot be read.
    pub fn read(
        path: &Path,
        what: &str,
        parse: fn(&str, &str) -> (T, Vec<Diagnostic>),
    ) -> anyhow::Result<Self> {
        let bytes = std::fs::read(path)
            .with_context(|| format!("cannot read {what} `{}`", path.display()))?;
        let name = path.to_string_lossy();
        let text = String::from_utf8_lossy(&bytes);
        let (content, found) = parse(&name, &text);
        let source = Source { name: name.as_ref().into(), text: text.as_ref().into() };
        Ok(Self { content, found, source })
    }
}

/// Reads a file that configures something. Any mistake in it is an error: half of a mapping would change detections in silence.
fn read<T>(
    path: &Path,
    what: &str,
    parse: fn(&str, &str) -> (T, Vec<Diagnostic>),
) -> anyhow::Result<T> {
    let table = Table::read(path, what, parse)?;
    let mut errors = table.found.iter().filter(|found| found.severity == Severity::Error);
    if let Some(first) = errors.next() {
        bail!("{what} has errors: {}", described(first, &[table.source]));
    }
    Ok(table.content)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(title: &str, id: &str, value: &str) -> String {
        format!(
            "title: {title}\nid: {id}\nlogsource:\n    category: c\ndetection:\n    s:\n        f: {value}\n    condition: s\n"
        )
    }

    fn load(built_in: &[(&str, String)], records: &[(&str, String)]) -> Loaded {
        let texts: Vec<Source> = built_in
            .iter()
            .map(|(name, text)| Source { name: (*name).into(), text: text.as_str().into() })
            .collect();
        let mut taken = RuleRecords::default();
        for (key, text) in records {
            taken.take(0, 0, Some(key.as_bytes()), Some(text.as_bytes()));
        }
        let loading = Loading::new(&config::Rules::default(), &texts).expect("a configuration");
        loading.load(Some(("rules", &taken)))
    }

    fn titles(loaded: &Loaded) -> Vec<&str> {
        loaded.rules.cards.iter().map(|card| card.title()).collect()
    }

    #[test]
    fn the_topic_wins_over_files() {
        let files = [("a.yml", rule("A", "1", "x")), ("b.yml", rule("B", "2", "x"))];
        let loaded = load(&files, &[("1", rule("other A", "1", "y"))]);
        assert_eq!(titles(&loaded), ["B", "other A"]);
        assert_eq!(
            loaded.warnings,
            ["rule `A` of `a.yml` does not count: `rules/1` has the same id"]
        );
        // One that is broken overrules nothing.
        let loaded = load(&files, &[("1", "title: A\nid: 1\ndetection: 1\n".to_owned())]);
        assert_eq!(titles(&loaded), ["A", "B"]);
        assert_eq!(loaded.failed(), 1);
    }

    #[test]
    fn rules_are_chosen_by_log_source_and_name() {
        let of = |title: &str, source: &str, condition: &str| {
            format!(
                "title: {title}\nname: {title}\nlogsource: {{{source}}}\ndetection:\n    s:\n        f: 1\n    timeframe: 1m\n    condition: s{condition}\n"
            )
        };
        let zeek = "product: Zeek, service: dns";
        let correlation = "title: Both\ncorrelation:\n    type: temporal\n    rules: [http, dns]\n    group-by: [f]\n    timespan: 1m\n    generate: true\n";
        let texts = [
            of("dns", zeek, ""),
            of("http", "product: zeek, service: http", ""),
            of("whole", "product: zeek", ""),
            of("windows", "product: windows, service: dns", ""),
            of("many", zeek, " | count() > 5"),
            of("others", "product: windows", " | count() > 5"),
            correlation.to_owned(),
        ];
        let texts: Vec<Source> = (0..)
            .zip(&texts)
            .map(|(number, text)| Source {
                name: format!("{number}.yml").into(),
                text: text.as_str().into(),
            })
            .collect();
        let chosen = |log_sources: &[&str], only: &[&str]| {
            let own = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
            let rules = config::Rules {
                log_sources: own(log_sources),
                only: own(only),
                ..config::Rules::default()
            };
            let loaded = Loading::new(&rules, &texts).expect("a configuration").load(None);
            assert_eq!(loaded.problems(), Vec::<String>::new());
            let cards = loaded.rules.reporting().map(|(_, card)| card.title());
            let correlations = &loaded.rules.correlations;
            let alerts = (0..).zip(&loaded.rules.alert_cards);
            let alerts = alerts.filter(|(index, _)| correlations.reports(*index));
            let alerts = alerts.map(|(_, card)| &*card.correlation.metadata.title);
            (cards.chain(alerts).collect::<Vec<_>>().join(" "), loaded.warnings)
        };
        let titles = |log_sources: &[&str], only: &[&str]| chosen(log_sources, only).0;
        assert_eq!(titles(&[], &[]), "dns http whole windows Both many others");
        assert_eq!(titles(&["product=zeek,service=dns"], &[]), "dns Both many");
        assert_eq!(titles(&["service=dns"], &[]), "dns windows Both many");
        assert_eq!(titles(&["product=windows", "service=http"], &[]), "http windows Both others");
        assert_eq!(titles(&["category=dns"], &[]), "");
        assert_eq!(titles(&[], &["dns", "many", "Both"]), "dns Both many");
        assert_eq!(titles(&["service=http"], &["dns", "http"]), "http");
        let warned = chosen(&[], &["dns", "dsn"]).1;
        assert_eq!(warned, ["`rules.only`: no rule is called `dsn`"]);
    }

    #[test]
    fn records_may_count_in_part() {
        let broken = rule("B", "2", "x").replace("condition: s", "condition: t");
        let section = format!("{}kafka: {{outputTopic: 'bad name!'}}\n", rule("C", "3", "x"));
        let both = format!("{}---\n{broken}", rule("A", "1", "x"));
        let loaded =
            load(&[], &[("1", both), ("2", broken), ("3", section), ("4", " \n".to_owned())]);
        let told = loaded.answers.iter().map(|answer| {
            let codes = answer.found.iter().map(|found| &*found.code);
            (answer.state, codes.collect::<Vec<_>>())
        });
        assert_eq!(
            told.collect::<Vec<_>>(),
            [
                (State::PartlyAccepted, vec!["undefined-selection"]),
                (State::Rejected, vec!["undefined-selection"]),
                (State::Accepted, vec!["kafka-section"]),
                (State::Rejected, vec!["no-rule"]),
            ]
        );
        assert_eq!(loaded.failed(), 3);
    }

    #[test]
    fn records_get_answers() {
        let json = r#"{"title":"J","description":null,"id":null,"references":null,"logsource":{"product":"zeek","service":"dns","definition":null},"detection":{"s":{"f|contains":["x"]},"condition":"s"}}"#;
        let records = [
            ("1", rule("A", "1", "x")),
            ("2", "title: B\nid: 2\nlogsource:\n    category: c\ndetection:\n    s: {f: 1}\n    condition: t\n".to_owned()),
            ("3", "# nothing\n".to_owned()),
            ("A title of JSON", json.to_owned()),
            ("0 copy", rule("A", "1", "x")),
        ];
        let loaded = load(&[], &records);
        assert_eq!(titles(&loaded), ["A", "J"]);
        // Those of two documents, and two records without any.
        assert_eq!(loaded.failed(), 3);
        assert_eq!(
            loaded.problems().last().map(String::as_str),
            Some("rule `3`: there is no rule in it")
        );
        let answers: Vec<(&str, Vec<String>)> = loaded
            .answers
            .iter()
            .map(|answer| {
                let told = answer.found.iter();
                let told =
                    told.map(|found| format!("{}:{} {}", found.line, found.column, found.code));
                (&*answer.key, told.collect())
            })
            .collect();
        assert_eq!(
            answers,
            [
                ("0 copy", vec!["1:1 duplicate-id".to_owned()]),
                ("1", vec![]),
                ("2", vec!["7:16 undefined-selection".to_owned()]),
                ("3", vec!["1:1 no-rule".to_owned()]),
                ("A title of JSON", vec![]),
            ]
        );
    }
}
