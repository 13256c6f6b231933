//! `sigmund explain`: what a diagnostic code means, or why a rule matches an event or does not.

use super::Status;
use crate::args::{Explain, ExplainFormat};
use crate::encode::pretty_json;
use crate::events::each_event;
use crate::input::Inputs;
use crate::plan;
use crate::printer::Printer;
use crate::read::{Consumer, Reader};
use crate::render::explain::{Explained, to_json, write_text, written_time};
use crate::render::windows;
use crate::sources;
use anyhow::{Context as _, bail};
use sigmund_engine::correlation::{EventRef, Sighting};
use sigmund_engine::oracle::Oracle;
use sigmund_engine::oracle::correlation::trace;
use sigmund_engine::{Matcher, Record};
use sigmund_parsers::{Framed, Outcome};
use sigmund_sigma::{Collection, Correlation, Rule, lint};
use sigmund_stream::codes;
use sigmund_stream::encode::{AlertCard, RuleCard, is_called};
use sigmund_stream::reading::Reading;
use sigmund_stream::rule_files::RuleFiles;
use sigmund_stream::rules::Rules;
use sigmund_stream::sighting::Sightings;
use sigmund_stream::words::folded;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufWriter, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

pub(super) fn run(args: &Explain, printer: &Printer) -> anyhow::Result<Status> {
    match &args.event {
        Some(log) => explain_events(args, log, printer),
        None => explain_code(args, printer),
    }
}

fn explain_code(args: &Explain, printer: &Printer) -> anyhow::Result<Status> {
    let code = args.subject.as_str();
    match codes().find(|(known, _, _)| *known == code) {
        Some((code, meaning, text)) => {
            writeln!(printer.stdout(), "{code}: {meaning}\n")?;
            let width = printer.width().unwrap_or(100).min(100);
            write!(printer.stdout(), "{}", paragraphs(text, width))?;
            Ok(Status::Success)
        }
        None if is_rule_path(code) || is_rule(args)? => {
            let quote = if code.contains(' ') { "'" } else { "" };
            bail!(
                "to explain a rule, name a log too: `sigmund explain {quote}{code}{quote} --event FILE`"
            )
        }
        None => {
            let close = codes().map(|(known, _, _)| known).filter(|known| {
                known.split('-').any(|part| code.split('-').any(|mine| mine == part))
            });
            let close: Vec<String> = close.take(5).map(|known| format!("`{known}`")).collect();
            let hint = if close.is_empty() {
                "`sigmund check` prints the code of each finding in brackets".to_owned()
            } else {
                format!("similar codes: {}", close.join(", "))
            };
            bail!("no diagnostic code is called `{code}`; {hint}")
        }
    }
}

/// Every code with its meaning and its explanation.
fn codes() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    let text = |code| lint::explain(code).unwrap_or_default();
    let language = lint::CODES.iter().map(move |(code, meaning)| (*code, *meaning, text(code)));
    language.chain(codes::CODES.iter().copied())
}

/// A text as wide as the terminal; YAML in it stays set in.
fn paragraphs(text: &str, width: usize) -> String {
    text.lines().map(|paragraph| folded(paragraph, width) + "\n").collect()
}

fn is_rule_path(subject: &str) -> bool {
    Path::new(subject).exists() || subject.ends_with(".yml") || subject.ends_with(".yaml")
}

/// Whether the subject is the id, name or title of a rule.
fn is_rule(args: &Explain) -> anyhow::Result<bool> {
    let loader = plan::loader(&args.rules.pipelines, &args.rules.placeholders)?;
    let Collection { rules, correlations, .. } = loader.load(&files_of(args).texts);
    let rules = rules.iter().map(|rule| &rule.metadata);
    let mut all = rules.chain(correlations.iter().map(|correlation| &correlation.metadata));
    Ok(all.any(|metadata| is_called(metadata, &args.subject)))
}

fn explain_events(args: &Explain, log: &Path, printer: &Printer) -> anyhow::Result<Status> {
    plan::one_reads_stdin(&[log.to_owned()], &args.rules)?;
    let reading = plan::reading(&args.log_options)?;
    if let Some(status) = explain_correlations(args, log, &reading, printer)? {
        return Ok(status);
    }
    let rules = find_rules(args, printer)?;
    let mut oracles = Vec::with_capacity(rules.len());
    for rule in &rules {
        let oracle =
            Oracle::new(rule).with_context(|| format!("rule `{}`", rule.metadata.title))?;
        oracles.push((rule, oracle));
    }
    // Detections name a member of an archive like a file in a folder.
    let archive = log.ancestors().skip(1).find(|path| !log.exists() && path.is_file());
    let member = archive.map(|_| log.to_string_lossy());
    let inputs = Inputs::find(&[archive.unwrap_or(log).to_owned()]);
    let mut readable = inputs.report(printer);

    let mut out = BufWriter::new(printer.stdout());
    let mut explained = 0u64;
    let mut matched = 0u64;
    for input in &inputs.logs {
        let mut written = Ok(());
        let read = each_event(&reading, input, &mut |position, framed| {
            if args.record.is_some_and(|wanted| wanted != position.record)
                || member.as_ref().is_some_and(|member| **member != *position.path)
            {
                return ControlFlow::Continue(());
            }
            let event = framed.event();
            for (rule, oracle) in &oracles {
                let explanation = oracle.explain(&event);
                matched += u64::from(explanation.verdict);
                let one = Explained {
                    rule,
                    event: &event,
                    position,
                    time: event.time.and_then(written_time),
                    explanation: &explanation,
                };
                written = match args.format {
                    ExplainFormat::Text => write_text(&mut out, &one),
                    ExplainFormat::Json => {
                        let start = if explained == 0 { "[" } else { "," };
                        write!(out, "{start}\n{}", pretty_json(&to_json(&one)))
                    }
                };
                if written.is_err() {
                    return ControlFlow::Break(());
                }
                explained += 1;
            }
            match args.record {
                Some(_) => ControlFlow::Break(()),
                None => ControlFlow::Continue(()),
            }
        });
        written?;
        let path = input.name();
        let Some(report) = read.with_context(|| format!("cannot read `{path}`"))? else {
            continue;
        };
        readable &= report.tell(&path, printer);
        match args.record {
            Some(wanted) if explained == 0 && member.is_some() => {
                printer.error(&format!("`{}` has no event at record {wanted}", log.display()));
            }
            Some(wanted) if explained == 0 => {
                let count = report.counts.records;
                printer.error(&format!("`{path}` has no event at record {wanted} (of {count})"));
            }
            None if report.counts.events == 0 || (member.is_some() && explained == 0) => {
                printer.error(&format!("`{}` holds no event", log.display()));
            }
            _ => {}
        }
    }
    if args.format == ExplainFormat::Json {
        writeln!(out, "{}", if explained == 0 { "[]" } else { "\n]" })?;
    }
    out.flush()?;
    if explained > 1 {
        printer.say(&format!("{matched} of {explained} match"));
    }
    Ok(if readable && explained > 0 { Status::Success } else { Status::Failure })
}

/// What correlations that the subject names hold over time; `None` if it names none.
fn explain_correlations(
    args: &Explain,
    log: &Path,
    reading: &Reading,
    printer: &Printer,
) -> anyhow::Result<Option<Status>> {
    let loader = plan::loader(&args.rules.pipelines, &args.rules.placeholders)?;
    let files = files_of(args);
    let rules = Rules::compile(&loader, &files.texts, &|_| true, &reading.routing);
    let source = PathBuf::from(&args.subject);
    let in_file = source.is_file();
    let is_meant = |card: &AlertCard| {
        let metadata = &card.correlation.metadata;
        match in_file {
            true => *metadata.source == *source.to_string_lossy(),
            false => is_called(metadata, &args.subject),
        }
    };
    let meant: Vec<u32> = (0u32..)
        .zip(&rules.alert_cards)
        .filter(|(_, card)| is_meant(card))
        .map(|(at, _)| at)
        .collect();
    // Outside, an aggregation of version 1 is one rule, the correlation.
    let hidden = hidden(rules.alert_cards.iter().map(|card| &*card.correlation));
    let own = |card: &&RuleCard| {
        card.rule.metadata.name.as_ref().is_none_or(|name| !hidden.contains(name.as_str()))
    };
    let mut own = rules.cards.iter().filter(own);
    // A rule that is called so too is meant by itself.
    let is_rule = !in_file && own.clone().any(|card| card.is_called(&args.subject));
    if meant.is_empty() || is_rule {
        return Ok(None);
    }
    let beside = in_file && own.any(|card| *card.rule.metadata.source == *source.to_string_lossy());
    let of_version_1 = |at: &u32| rules.alert_cards[*at as usize].correlation.legacy;
    if args.record.is_some() {
        if beside || meant.iter().any(of_version_1) {
            // What a single event is to the rules.
            return Ok(None);
        }
        bail!(
            "`--record` is for rules; a correlation is about all events of a log (`--group` chooses)"
        );
    }
    for (name, _) in &args.group {
        let mut groups = meant.iter().map(|at| &rules.alert_cards[*at as usize].correlation);
        if !groups.clone().any(|correlation| correlation.group_by.contains(name)) {
            let names = groups.next().map(|correlation| correlation.group_by.join("`, `"));
            match names.filter(|names| !names.is_empty()) {
                Some(names) => bail!("`{name}` is no field of the group, which is `{names}`"),
                None => bail!("`{name}` is no field of the group: the correlation has none"),
            }
        }
    }
    let inputs = Inputs::find(&[log.to_owned()]);
    let mut readable = inputs.report(printer);
    let mut watch = Watch::new(&rules);
    let mut reader = {
        let mut record = Record::new(rules.set.field_table().clone());
        record.wants_time = true;
        Reader::new(record)
    };
    for input in &inputs.logs {
        let path = input.name();
        let opened = input.open().with_context(|| format!("cannot read `{path}`"))?;
        let report = reader.log(opened, reading, &mut watch)?;
        readable &= report.tell(&path, printer);
    }
    watch.found.sort();
    let Watch { found, paths, matched, untimed, latest, .. } = watch;
    let place = |event: EventRef| format!("{}:{}", paths[event.source as usize], event.record);
    let mut out = BufWriter::new(printer.stdout());
    let mut explained = Vec::new();
    for &at in &meant {
        let card = &rules.alert_cards[at as usize];
        let names = &card.correlation.group_by;
        let is_wanted = |group: &[Box<str>]| {
            args.group.iter().all(|(name, text)| {
                names.iter().zip(group).any(|(have, value)| have == name && **value == **text)
            })
        };
        // First all groups without their windows, then those with the most hits.
        let none = trace(&rules.correlations, &found, latest, at, &|_, _| false);
        let mut counts: Vec<usize> = none
            .groups
            .iter()
            .filter(|trace| is_wanted(&trace.group))
            .map(|one| one.hits)
            .collect();
        counts.sort_unstable_by_key(|count| std::cmp::Reverse(*count));
        let least = counts.get(windows::GROUPS - 1).copied().unwrap_or(0);
        let wants = |group: &[Box<str>], hits: usize| {
            is_wanted(group) && (hits >= least || args.format == ExplainFormat::Json)
        };
        let traces = trace(&rules.correlations, &found, latest, at, &wants);
        let hits = card.correlation.rules.iter().map(|reference| {
            let is_it = |card: &&RuleCard| card.is_called(&reference.name);
            let of = (0u32..).zip(&rules.cards).filter(|(_, card)| is_it(card)).map(|(at, _)| at);
            let counts: Vec<u64> =
                of.map(|rule| matched.get(&rule).copied().unwrap_or(0)).collect();
            (!counts.is_empty()).then(|| counts.iter().sum())
        });
        let hits = hits.collect();
        let chosen = !args.group.is_empty();
        let traced =
            windows::Traced { card, traces: &traces, place: &place, hits, untimed, chosen };
        match args.format {
            ExplainFormat::Text => windows::write_text(&mut out, &traced)?,
            ExplainFormat::Json => explained.push(windows::to_json(&traced)),
        }
    }
    if args.format == ExplainFormat::Json {
        writeln!(out, "{}", pretty_json(&explained.into()))?;
    }
    out.flush()?;
    if beside && args.group.is_empty() {
        printer.say("the rules of the file are left out: `--record N` explains them for one event");
    }
    Ok(Some(if readable { Status::Success } else { Status::Failure }))
}

/// The names of the rules that aggregations of version 1 are made of.
fn hidden<'c>(correlations: impl Iterator<Item = &'c Correlation>) -> BTreeSet<&'c str> {
    let legacy = correlations.filter(|correlation| correlation.legacy);
    legacy.flat_map(|correlation| correlation.rules.iter().map(|rule| &*rule.name)).collect()
}

/// Keeps what correlations see of logs.
struct Watch {
    matcher: Matcher,
    sightings: Sightings,
    hits: Vec<u32>,
    /// In input order.
    found: Vec<Sighting>,
    /// Streams, by the source of their events.
    paths: Vec<String>,
    record: u64,
    /// Events, by rule.
    matched: BTreeMap<u32, u64>,
    untimed: u64,
    latest: i64,
}

impl Watch {
    fn new(rules: &Rules) -> Self {
        Self {
            matcher: Matcher::new(rules.set.clone()),
            sightings: Sightings::new(rules),
            hits: Vec::new(),
            found: Vec::new(),
            paths: Vec::new(),
            record: 0,
            matched: BTreeMap::new(),
            untimed: 0,
            latest: i64::MIN,
        }
    }
}

impl Consumer for Watch {
    fn stream(&mut self, name: &str) {
        self.paths.push(name.to_owned());
        self.record = 0;
    }

    fn record(&mut self, mut framed: Framed<'_>) {
        self.record += 1;
        if framed.outcome != Outcome::Event {
            return;
        }
        let bytes = framed.bytes;
        let (record, mut whole) = framed.parts();
        self.matcher.matches(bytes, record, &mut whole, &mut self.hits);
        let time = record.time.map(|time| time.nanos);
        self.latest = self.latest.max(time.unwrap_or(i64::MIN));
        if !self.sightings.wants(&self.hits) {
            return;
        }
        for rule in &self.hits {
            *self.matched.entry(*rule).or_default() += 1;
        }
        let Some(time) = time else {
            self.untimed += 1;
            return;
        };
        let source = self.paths.len().saturating_sub(1) as u32;
        let place = EventRef { source, record: self.record };
        let (matcher, read) = (&mut self.matcher, (bytes, record));
        self.found.extend(self.sightings.make(&self.hits, matcher, read, time, place));
    }
}

/// Where the subject is looked for.
fn files_of(args: &Explain) -> RuleFiles {
    let path = PathBuf::from(&args.subject);
    if path.is_file() {
        // Its filters may be elsewhere: with the rules that were named too.
        let mut paths = vec![path];
        paths.extend(args.rules.rules.iter().cloned());
        sources::read(&paths)
    } else if args.rules.rules.is_empty() {
        sources::starter_pack()
    } else {
        sources::read(&args.rules.rules)
    }
}

/// The rules that the subject names: those of a file, or one by id, name or title.
fn find_rules(args: &Explain, printer: &Printer) -> anyhow::Result<Vec<Rule>> {
    let loader = plan::loader(&args.rules.pipelines, &args.rules.placeholders)?;
    let path = PathBuf::from(&args.subject);
    let files = files_of(args);
    plan::report_unread(&files, printer);
    let Collection { rules, correlations, diagnostics, .. } = loader.load(&files.texts);
    let hidden = hidden(correlations.iter());
    let subject = args.subject.as_str();
    let in_file = path.is_file();
    let source = path.to_string_lossy();
    let is_meant = |metadata: &sigmund_sigma::rule::Metadata| {
        if in_file {
            return *metadata.source == *source;
        }
        let stem = Path::new(&*metadata.source).file_stem();
        metadata.id.as_deref() == Some(subject)
            || metadata.name.as_deref() == Some(subject)
            || metadata.title == subject
            // As detections name it: a file of the starter pack is nowhere on disk.
            || *metadata.source == *subject
            || stem.is_some_and(|stem| stem == subject)
    };
    let mut found: Vec<Rule> = rules.into_iter().filter(|rule| is_meant(&rule.metadata)).collect();
    // Of their made-up names the end is the author's.
    for rule in &mut found {
        let name = rule.metadata.name.as_mut().filter(|name| hidden.contains(name.as_str()));
        if let Some((name, at)) = name.and_then(|name| name.rfind('#').map(|at| (name, at))) {
            name.drain(..=at);
        }
    }
    if !found.is_empty() {
        return Ok(found);
    }
    let broken = diagnostics.iter().find(|finding| {
        plan::has_errors(std::slice::from_ref(finding)) && (!in_file || *finding.source == *source)
    });
    if let (true, Some(broken)) = (in_file, broken) {
        bail!("`{subject}` does not load: {} (`sigmund check {subject}`)", broken.message);
    }
    if in_file {
        bail!("`{subject}` holds no detection rule");
    }
    bail!(
        "no rule is called `{subject}`; name its file, id, name or title (`-r` says where rules are)"
    )
}

#[cfg(test)]
mod tests {
    use super::{codes, paragraphs};

    #[test]
    fn explanations_keep_what_is_set_in() {
        let indent = |line: &str| line.len() - line.trim_start_matches(' ').len();
        let mut set_in = 0;
        for (code, meaning, text) in codes() {
            assert!(!meaning.is_empty() && !text.is_empty(), "{code}");
            for line in text.lines() {
                let shown = paragraphs(line, 100);
                assert!(shown.lines().all(|part| indent(part) == indent(line)), "{code}: {shown}");
                set_in += usize::from(indent(line) > 0);
            }
        }
        // Of `correlation-aliases` and `null-in-list`.
        assert!(set_in >= 4, "{set_in}");
    }
}
