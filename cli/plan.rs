//! What the arguments mean: collaborators made from what was typed.

use crate::args::{self, LogOptions, RuleFilter, RuleOptions};
use crate::encode::{AlertCard, RuleCard, Subject};
use crate::printer::Printer;
use crate::render::{self, Texts};
use crate::sources::Sources;
use anyhow::{Context as _, bail};
use globset::{Glob, GlobSet, GlobSetBuilder};
use jiff::tz::TimeZone;
use sigmund_engine::correlation::{Correlations, used_rules};
use sigmund_engine::{AddedLogSource, AliasTable, Routing, RuleSet};
use sigmund_parsers::{FORMATS, Format, StreamInfo, format_named};
use sigmund_sigma::pipeline::Pipeline;
use sigmund_sigma::pipeline::logsource_mapping::LogSourceMapping;
use sigmund_sigma::rule::{Level, Metadata, Status};
use sigmund_sigma::{
    Collection, Correlation, Diagnostic, Loader, LogSource, Severity, Source, lint,
};
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

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
    let mut parsed = Vec::new();
    for path in pipelines {
        parsed.push(read_table(path, "pipeline", Pipeline::parse)?);
    }
    parsed.sort_by_key(|pipeline| pipeline.priority);
    Ok(Loader { placeholders: values, pipelines: parsed })
}

/// Reads a file that configures something. Any mistake in it is an error: half of a mapping would change detections in silence.
fn read_table<T>(
    path: &Path,
    what: &str,
    parse: fn(&str, &str) -> (T, Vec<Diagnostic>),
) -> anyhow::Result<T> {
    let bytes =
        std::fs::read(path).with_context(|| format!("cannot read {what} `{}`", path.display()))?;
    let name = path.to_string_lossy();
    let text = String::from_utf8_lossy(&bytes);
    let (table, diagnostics) = parse(&name, &text);
    if has_errors(&diagnostics) {
        let source = Source { name: name.as_ref().into(), text: text.as_ref().into() };
        let texts = Texts::new([&source]);
        let mut shown = Vec::new();
        let findings = texts.findings(&diagnostics);
        render::write(&mut shown, args::FindingFormat::Concise, &findings, false)?;
        bail!("{what} `{name}` has errors\n{}", String::from_utf8_lossy(&shown).trim_end());
    }
    Ok(table)
}

/// How logs are read.
pub(crate) struct Reading {
    pub(crate) routing: Arc<Routing>,
    pub(crate) forced: Option<&'static dyn Format>,
    zone: TimeZone,
}

impl Reading {
    pub(crate) fn new(options: &LogOptions) -> anyhow::Result<Self> {
        let mut routing = Routing::default();
        routing.unfiltered = options.no_routing;
        routing.strict_taxonomy = options.strict_taxonomy;
        for text in &options.log_sources {
            routing.always.push(log_source(text)?);
        }
        for path in &options.log_source_mappings {
            let mapping = read_table(path, "log source mapping", LogSourceMapping::parse)?;
            routing.added.extend(mapping.entries.into_iter().filter_map(|entry| {
                // Without conditions an entry says which channel a service is; the parsers know those.
                let when = entry.rewrite.or_else(|| {
                    let product = entry.logsource.product.clone();
                    (!entry.conditions.is_empty())
                        .then(|| LogSource { product, ..LogSource::default() })
                })?;
                Some(AddedLogSource {
                    when,
                    conditions: entry.conditions,
                    adds: entry.logsource,
                    aliases: entry.field_mappings,
                })
            }));
        }
        let forced = match &options.input_format {
            Some(name) => Some(format_named(name).with_context(|| {
                let known: Vec<&str> = FORMATS.iter().map(|format| format.name()).collect();
                format!("unknown input format `{name}`; known: {}", known.join(", "))
            })?),
            None => None,
        };
        let zone = match &options.assume_zone {
            Some(name) => time_zone(name)?,
            None => TimeZone::UTC,
        };
        Ok(Self { routing: Arc::new(routing), forced, zone })
    }

    /// What a parser is told about a stream. `modified` is the time of the file, in nanoseconds UTC.
    pub(crate) fn info(&self, file_name: &str, modified: i64) -> StreamInfo {
        StreamInfo {
            file_name: file_name.into(),
            reference_time: modified,
            assumed_zone: self.zone.clone(),
            routing: Arc::clone(&self.routing),
        }
    }
}

/// `product=linux,service=auditd`
fn log_source(text: &str) -> anyhow::Result<LogSource> {
    let (mut product, mut category, mut service) = (None, None, None);
    for part in text.split(',') {
        match part.trim().split_once('=') {
            Some(("product", value)) => product = Some(value),
            Some(("category", value)) => category = Some(value),
            Some(("service", value)) => service = Some(value),
            _ => bail!(
                "`{part}` in `--logsource {text}` is not `product=…`, `category=…` or `service=…`; \
                 write for example `--logsource product=linux,service=sshd`"
            ),
        }
    }
    Ok(LogSource::new(product, category, service))
}

/// A name of the time zone database, or an offset such as `+02:00`.
fn time_zone(name: &str) -> anyhow::Result<TimeZone> {
    if let Ok(zone) = TimeZone::get(name) {
        return Ok(zone);
    }
    let offset = (|| {
        let (sign, rest) = match name.as_bytes().first()? {
            b'+' => (1, &name[1..]),
            b'-' => (-1, &name[1..]),
            _ => return None,
        };
        let digits: String = rest.chars().filter(|&c| c != ':').collect();
        let (hours, minutes) = match digits.len() {
            1 | 2 => (digits.parse::<i32>().ok()?, 0),
            4 => (digits[..2].parse::<i32>().ok()?, digits[2..].parse::<i32>().ok()?),
            _ => return None,
        };
        jiff::tz::Offset::from_seconds(sign * (hours * 3600 + minutes * 60)).ok()
    })();
    match offset {
        Some(offset) => Ok(TimeZone::fixed(offset)),
        None => bail!("unknown time zone `{name}`; write for example `Europe/Berlin` or `+02:00`"),
    }
}

/// A time limit in nanoseconds: RFC 3339, or a date or time without a zone (UTC).
pub(crate) fn instant(text: &str) -> anyhow::Result<i64> {
    let civil = || {
        let time = text.parse::<jiff::civil::DateTime>().ok();
        let time = time.or_else(|| {
            Some(text.parse::<jiff::civil::Date>().ok()?.to_datetime(jiff::civil::Time::midnight()))
        });
        TimeZone::UTC.to_timestamp(time?).ok()
    };
    let time = text.parse::<jiff::Timestamp>().ok().or_else(civil);
    let nanos = time.and_then(|time| i64::try_from(time.as_nanosecond()).ok());
    nanos.with_context(|| {
        format!("`{text}` is not a time; write for example `2026-03-17T09:00:00Z` or `2026-03-17`")
    })
}

/// What [`check`] found.
pub(crate) struct Checked {
    pub(crate) rules: usize,
    pub(crate) correlations: usize,
    pub(crate) filters: usize,
    /// In source order.
    pub(crate) diagnostics: Vec<Diagnostic>,
}

/// What lint should know or leave out.
pub(crate) fn lint_options(args: &args::Check) -> anyhow::Result<lint::Options> {
    for code in &args.ignore {
        if lint::explain(code).is_none() {
            bail!("`--ignore {code}`: no finding has this code; `sigmund explain CODE` knows them");
        }
    }
    let taxonomy = match &args.taxonomy {
        Some(path) => {
            let text = std::fs::read_to_string(path)
                .with_context(|| format!("cannot read taxonomy `{}`", path.display()))?;
            let taxonomy = lint::Taxonomy::parse(&path.to_string_lossy(), &text);
            Some(taxonomy.map_err(|error| {
                anyhow::anyhow!("taxonomy `{}`: {}", path.display(), error.message)
            })?)
        }
        None => None,
    };
    Ok(lint::Options { taxonomy, ignored: args.ignore.clone() })
}

/// Parses, lints and compiles.
pub(crate) fn check(loader: &Loader, options: &lint::Options, sources: &Sources) -> Checked {
    let collection = loader.load(&sources.texts);
    let linted = lint::check(&sources.texts, &collection, options);
    let mut diagnostics = collection.diagnostics;
    diagnostics.extend(linted);
    let rules = collection.rules.len();
    let (_, refused) = RuleSet::compile(collection.rules, &[], &[], &[]);
    diagnostics.extend(refused);
    in_source_order(&mut diagnostics, &sources.texts);
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
        (index, finding.span, std::cmp::Reverse(finding.severity))
    });
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

/// Rules ready to match.
pub(crate) struct Rules {
    pub(crate) set: Arc<RuleSet>,
    /// By the index that the matcher reports.
    pub(crate) cards: Vec<RuleCard>,
    /// By the same index: whether the rule's detections go out. Others are matched for the correlations that use them.
    pub(crate) reports: Vec<bool>,
    /// The correlations over these rules.
    pub(crate) correlations: Arc<Correlations>,
    /// By the index that alerts carry.
    pub(crate) alert_cards: Vec<AlertCard>,
    /// Rules that the filter does not want.
    pub(crate) left_out: usize,
    /// Why documents did not load.
    pub(crate) diagnostics: Vec<Diagnostic>,
    /// The texts the rules came from.
    pub(crate) sources: Sources,
}

impl Rules {
    /// Loads the rules of the options, keeps those the filter wants, and compiles them for what the routing makes of events.
    pub(crate) fn load(
        options: &RuleOptions,
        filter: &RuleFilter,
        routing: &Routing,
    ) -> anyhow::Result<Self> {
        let loader = loader(&options.pipelines, &options.placeholders)?;
        let sources = if options.rules.is_empty() {
            Sources::starter_pack()
        } else {
            Sources::read(&options.rules)
        };
        Self::compile(&loader, sources, filter, routing)
    }

    /// Compiles the rules of texts.
    pub(crate) fn compile(
        loader: &Loader,
        sources: Sources,
        filter: &RuleFilter,
        routing: &Routing,
    ) -> anyhow::Result<Self> {
        let filter = Wanted::new(filter)?;
        let Collection { rules, correlations, mut diagnostics, .. } = loader.load(&sources.texts);
        let mut left_out = 0;
        let mut wants = |metadata: &Metadata| {
            let wanted = filter.wants(metadata);
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
        if !correlations.is_empty() {
            // They are about time.
            for name in sigmund_parsers::json::time::fields() {
                extra.push(name);
            }
        }
        let (set, refused) = RuleSet::compile(kept, &aliases, &extra, &read);
        set.warm();
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
        let (compiled, refused) = Correlations::compile(&correlations, set.rules(), &is_wanted);
        diagnostics.extend(refused);
        in_source_order(&mut diagnostics, &sources.texts);
        let alert_cards = AlertCard::all(&compiled, &cards);
        let correlations = Arc::new(compiled);
        let set = Arc::new(set);
        Ok(Self { set, cards, reports, correlations, alert_cards, left_out, diagnostics, sources })
    }

    /// What marks of detections mean: rules first, then correlations.
    pub(crate) fn subject(&self, index: u32) -> Subject<'_> {
        match self.cards.get(index as usize) {
            Some(card) => Subject::Rule(card),
            None => Subject::Correlation(&self.alert_cards[index as usize - self.cards.len()]),
        }
    }

    /// The rules whose detections go out, with their indices.
    pub(crate) fn reporting(&self) -> impl Iterator<Item = (u32, &RuleCard)> {
        let cards = (0u32..).zip(&self.cards).zip(&self.reports);
        cards.filter(|(_, reports)| **reports).map(|(card, _)| card)
    }

    /// Whether some rules are broken; those that only lack the value of a placeholder are not.
    pub(crate) fn is_broken(&self) -> bool {
        self.diagnostics
            .iter()
            .any(|finding| finding.severity == Severity::Error && finding.code != UNRESOLVED)
    }

    /// Says on stderr what did not load.
    pub(crate) fn report(&self, printer: &Printer) -> anyhow::Result<()> {
        report_unread(&self.sources, printer);
        let texts = Texts::new(&self.sources.texts);
        let failed: Vec<&Diagnostic> =
            self.diagnostics.iter().filter(|finding| finding.severity == Severity::Error).collect();
        let shown = if printer.is_verbose() { failed.len() } else { failed.len().min(MAX_SHOWN) };
        let findings = texts.findings(failed.iter().take(shown).copied());
        if !printer.is_quiet() {
            let mut err = printer.stderr();
            render::write(&mut err, args::FindingFormat::Concise, &findings, false)?;
        }
        if failed.len() > shown {
            let more = failed.len() - shown;
            printer.warn(&format!("{more} more findings; `sigmund check` shows them all"));
        }
        Ok(())
    }
}

/// More broken rules are not listed one by one unless asked for.
const MAX_SHOWN: usize = 20;

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

/// Which rules a [`RuleFilter`] wants.
struct Wanted {
    level: Option<Level>,
    tags: Option<GlobSet>,
    status: Vec<Status>,
}

impl Wanted {
    fn new(filter: &RuleFilter) -> anyhow::Result<Self> {
        let mut tags = GlobSetBuilder::new();
        for tag in &filter.tags {
            let glob = Glob::new(&tag.to_lowercase())
                .with_context(|| format!("`--tag {tag}` is not a pattern"))?;
            tags.add(glob);
        }
        let tags = if filter.tags.is_empty() { None } else { Some(tags.build()?) };
        Ok(Self {
            level: filter.level.map(level),
            tags,
            status: filter.status.iter().copied().map(status).collect(),
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

/// The level that was typed.
pub(crate) fn level(level: args::Level) -> Level {
    match level {
        args::Level::Informational => Level::Informational,
        args::Level::Low => Level::Low,
        args::Level::Medium => Level::Medium,
        args::Level::High => Level::High,
        args::Level::Critical => Level::Critical,
    }
}

fn status(status: args::Status) -> Status {
    match status {
        args::Status::Unsupported => Status::Unsupported,
        args::Status::Deprecated => Status::Deprecated,
        args::Status::Experimental => Status::Experimental,
        args::Status::Test => Status::Test,
        args::Status::Stable => Status::Stable,
    }
}

#[cfg(test)]
mod tests {
    use super::{instant, log_source, time_zone};

    #[test]
    fn times_are_read() {
        assert_eq!(instant("1970-01-02").ok(), Some(86_400_000_000_000));
        assert_eq!(instant("1970-01-01T00:00:01Z").ok(), Some(1_000_000_000));
        assert_eq!(instant("1970-01-01T01:00:00+01:00").ok(), Some(0));
        assert_eq!(instant("1970-01-01T00:00:02").ok(), Some(2_000_000_000));
        assert!(instant("yesterday").is_err());
    }

    #[test]
    fn zones_are_read() {
        for name in ["Europe/Berlin", "UTC", "+02:00", "-0530", "+1"] {
            assert!(time_zone(name).is_ok(), "{name}");
        }
        assert!(time_zone("Mars/Olympus").is_err());
        assert!(time_zone("+é").is_err());
    }

    #[test]
    fn log_sources_are_read() {
        let source = log_source("product=Linux, service=auditd").expect("a log source");
        assert_eq!(source.to_string(), "linux/-/auditd");
        assert!(log_source("linux").is_err());
    }
}
