//! From the configuration to rules: which files, which pipelines, which of the rules.

use crate::config;
use crate::destination::level_named;
use crate::encode::status_name;
use crate::reading::{self, Reading};
use crate::rule_files::RuleFiles;
use crate::rules::Rules;
use anyhow::{Context as _, anyhow, bail};
use globset::{Glob, GlobSet, GlobSetBuilder};
use sigmund_engine::Routing;
use sigmund_parsers::Format;
use sigmund_sigma::pipeline::Pipeline;
use sigmund_sigma::pipeline::logsource_mapping::LogSourceMapping;
use sigmund_sigma::rule::{Level, Metadata, Status};
use sigmund_sigma::{Diagnostic, Loader, Severity, Source};
use std::collections::{BTreeSet, HashMap};
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
}

/// Which rules are wanted.
#[derive(Debug)]
struct Wanted {
    level: Option<Level>,
    tags: Option<GlobSet>,
    status: Vec<Status>,
}

impl Wanted {
    fn new(rules: &config::Rules) -> anyhow::Result<Self> {
        let mut tags = GlobSetBuilder::new();
        for tag in &rules.tags {
            let glob = Glob::new(&tag.to_lowercase());
            tags.add(glob.with_context(|| format!("`rules.tags`: `{tag}` is not a pattern"))?);
        }
        let level = rules.level.as_deref().map(level_named).transpose();
        let status = rules.status.iter().map(|name| status_named(name)).collect::<Result<_, _>>();
        Ok(Self {
            level: level.map_err(|problem| anyhow!("`rules.level`: {problem}"))?,
            tags: if rules.tags.is_empty() { None } else { Some(tags.build()?) },
            status: status.map_err(|problem| anyhow!("`rules.status`: {problem}"))?,
        })
    }

    fn wants(&self, metadata: &Metadata) -> bool {
        self.level.is_none_or(|least| metadata.level.is_some_and(|level| level >= least))
            && (self.status.is_empty()
                || metadata.status.is_some_and(|status| self.status.contains(&status)))
            && self.tags.as_ref().is_none_or(|tags| {
                metadata.tags.iter().any(|tag| tags.is_match(tag.to_lowercase()))
            })
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
    /// Their texts.
    pub files: RuleFiles,
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
        unreadable.chain(errors.map(|found| described(found, texts))).collect()
    }
}

impl Loaded {
    /// How many documents have errors.
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
        documents.len()
    }
}

/// `file:line:column: message`
fn described(found: &Diagnostic, texts: &[Source]) -> String {
    let source = texts.iter().find(|source| source.name == found.source);
    let before = source.and_then(|source| {
        let at = usize::try_from(found.span.start).ok()?;
        source.text.get(..at)
    });
    let place = before.map_or(String::new(), |before| {
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
        format!("{line}:{column}:")
    });
    format!("{}:{place} {}", found.source, found.message)
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
            pipelines.push(read(path, "pipeline", Pipeline::parse)?);
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
        })
    }

    /// Reads and compiles the rules.
    #[must_use]
    pub fn load(&self) -> Loaded {
        let files = if self.paths.is_empty() {
            RuleFiles { texts: self.built_in.clone(), ..RuleFiles::default() }
        } else {
            RuleFiles::read(self.paths.iter().map(std::path::PathBuf::as_path))
        };
        let wants = |metadata: &Metadata| self.wanted.wants(metadata);
        let rules = Rules::compile(&self.loader, &files.texts, &wants, &self.routing);
        Loaded { rules, files }
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

/// Reads a file that configures something. Any mistake in it is an error: half of a mapping would change detections in silence.
fn read<T>(
    path: &Path,
    what: &str,
    parse: fn(&str, &str) -> (T, Vec<Diagnostic>),
) -> anyhow::Result<T> {
    let bytes =
        std::fs::read(path).with_context(|| format!("cannot read {what} `{}`", path.display()))?;
    let name = path.to_string_lossy();
    let text = String::from_utf8_lossy(&bytes);
    let (table, found) = parse(&name, &text);
    let source = Source { name: name.as_ref().into(), text: text.as_ref().into() };
    let mut errors = found.iter().filter(|found| found.severity == Severity::Error);
    if let Some(first) = errors.next() {
        bail!("{what} has errors: {}", described(first, &[source]));
    }
    Ok(table)
}
