//! What the arguments mean: collaborators made from what was typed.

use crate::args::{self, LogOptions, RuleFilter, RuleOptions};
use crate::printer::Printer;
use crate::render::{self, Texts};
use crate::sources;
use anyhow::{Context as _, bail};
use jiff::tz::TimeZone;
use sigmund_engine::Routing;
use sigmund_sigma::pipeline::logsource_mapping::LogSourceMapping;
use sigmund_sigma::rule::{Level, Metadata, Status};
use sigmund_sigma::{Diagnostic, Loader, Severity, lint};
use sigmund_stream::config::Span;
use sigmund_stream::loading::{Table, pipeline};
use sigmund_stream::metadata_filter::MetadataFilter;
use sigmund_stream::reading::{self, Reading, added, input_format, time_zone};
use sigmund_stream::rule_files::RuleFiles;
use sigmund_stream::rules::Rules;
use sigmund_stream::words::plural;
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
        parsed.push(read_table(path, "pipeline", pipeline)?);
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
    let table = Table::read(path, what, parse)?;
    if has_errors(&table.found) {
        let texts = Texts::new([&table.source]);
        let mut shown = Vec::new();
        let findings = texts.findings(&table.found);
        render::write(&mut shown, args::FindingFormat::Concise, &findings, false)?;
        let shown = String::from_utf8_lossy(&shown);
        bail!("{what} `{}` has errors\n{}", path.display(), shown.trim_end());
    }
    Ok(table.content)
}

/// Refuses to read logs and rules from stdin: the second to read would find nothing.
pub(crate) fn one_reads_stdin(logs: &[PathBuf], rules: &RuleOptions) -> anyhow::Result<()> {
    let reads = |paths: &[PathBuf]| paths.iter().any(|path| path.as_os_str() == "-");
    if reads(logs) && reads(&rules.rules) {
        bail!("logs and rules cannot both come from stdin; name a file for one of them");
    }
    Ok(())
}

/// How logs are read.
pub(crate) fn reading(options: &LogOptions) -> anyhow::Result<Reading> {
    let mut routing = Routing::default();
    routing.unfiltered = options.no_routing;
    routing.strict_taxonomy = options.strict_taxonomy;
    for text in &options.log_sources {
        routing.always.push(reading::log_source(text)?);
    }
    for path in &options.log_source_mappings {
        let mapping = read_table(path, "log source mapping", LogSourceMapping::parse)?;
        routing.added.extend(added(mapping));
    }
    let forced = options.input_format.as_deref().map(input_format).transpose()?;
    let zone = options.assume_zone.as_deref().map(time_zone).transpose()?;
    Ok(Reading { routing: Arc::new(routing), forced, zone: zone.unwrap_or(TimeZone::UTC) })
}

/// A time in milliseconds: as for [`instant`], or so long ago, such as `2h ago`.
pub(crate) fn moment(text: &str) -> anyhow::Result<i64> {
    let Some(span) = text.trim().strip_suffix("ago") else {
        return match instant(text.trim()) {
            Ok(nanos) => Ok(nanos.div_euclid(1_000_000)),
            Err(error) => bail!("{error}, or `2h ago`"),
        };
    };
    let span: Span = span.trim_end().parse().map_err(anyhow::Error::msg)?;
    let span = i64::try_from(span.duration().as_millis()).unwrap_or(i64::MAX);
    Ok(jiff::Timestamp::now().as_millisecond().saturating_sub(span))
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

/// Names what could not be read, counts what was left out, and names that with `-v`.
pub(crate) fn report_unread(files: &RuleFiles, printer: &Printer) {
    for (path, reason) in &files.unreadable {
        printer.error(&format!("cannot read `{}`: {reason}", path.display()));
    }
    for path in files.others.iter().chain(&files.unknown) {
        printer.detail(&format!("not a rule: `{}`", path.display()));
    }
    if !files.unknown.is_empty() {
        let count = plural(files.unknown.len() as u64, "YAML file");
        printer.say(&format!("{count} without a rule left out; `-v` names what is left out"));
    }
    report_again(&files.again, "rules", printer);
    if files.texts.is_empty() && files.unreadable.is_empty() {
        printer.error("no rules found");
    }
}

/// Says that paths lead to what is read already.
pub(crate) fn report_again(paths: &[PathBuf], what: &str, printer: &Printer) {
    for path in paths {
        printer.detail(&format!("read already: `{}`", path.display()));
    }
    if !paths.is_empty() {
        let count = plural(paths.len() as u64, "path");
        printer.say(&format!(
            "{count} to {what} that are read already left out (links or other spellings); `-v` names what is left out"
        ));
    }
}

/// Whether one of them kept a document from loading.
pub(crate) fn has_errors(diagnostics: &[Diagnostic]) -> bool {
    diagnostics.iter().any(|finding| finding.severity == Severity::Error)
}

/// Rules ready to match, and where they came from.
pub(crate) struct Loaded {
    pub(crate) rules: Rules,
    pub(crate) files: RuleFiles,
}

impl Loaded {
    /// Loads the rules of the options, keeps those the filter wants, and compiles them for what the routing makes of events.
    pub(crate) fn new(
        options: &RuleOptions,
        filter: &RuleFilter,
        routing: &Routing,
    ) -> anyhow::Result<Self> {
        let loader = loader(&options.pipelines, &options.placeholders)?;
        let files = if options.rules.is_empty() {
            sources::starter_pack()
        } else {
            sources::read(&options.rules)
        };
        let filter = metadata_filter(filter)?;
        let wants = |metadata: &Metadata| filter.wants(metadata);
        let rules = Rules::compile(&loader, &files.texts, &wants, routing);
        Ok(Self { rules, files })
    }

    /// Says on stderr what did not load.
    pub(crate) fn report(&self, printer: &Printer) -> anyhow::Result<()> {
        report_unread(&self.files, printer);
        let texts = Texts::new(&self.files.texts);
        let failed: Vec<&Diagnostic> = self
            .rules
            .diagnostics
            .iter()
            .filter(|finding| finding.severity == Severity::Error)
            .collect();
        let shown = if printer.is_verbose() { failed.len() } else { failed.len().min(MAX_SHOWN) };
        let findings = texts.findings(failed.iter().take(shown).copied());
        let mut err = printer.stderr();
        render::write(&mut err, args::FindingFormat::Concise, &findings, false)?;
        if failed.len() > shown {
            let more = failed.len() - shown;
            printer.warn(&format!("{more} more findings; `sigmund check` shows them all"));
        }
        Ok(())
    }
}

/// More broken rules are not listed one by one unless asked for.
const MAX_SHOWN: usize = 20;

/// Which rules are wanted.
fn metadata_filter(filter: &RuleFilter) -> anyhow::Result<MetadataFilter> {
    let status = filter.status.iter().copied().map(status).collect();
    MetadataFilter::new(filter.level.map(level), &filter.tags, status)
        .map_err(|(tag, error)| anyhow::anyhow!("`--tag {tag}` is not a pattern: {}", error.kind()))
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
    use super::instant;

    #[test]
    fn times_are_read() {
        assert_eq!(instant("1970-01-02").ok(), Some(86_400_000_000_000));
        assert_eq!(instant("1970-01-01T00:00:01Z").ok(), Some(1_000_000_000));
        assert_eq!(instant("1970-01-01T01:00:00+01:00").ok(), Some(0));
        assert_eq!(instant("1970-01-01T00:00:02").ok(), Some(2_000_000_000));
        assert!(instant("yesterday").is_err());
    }
}
