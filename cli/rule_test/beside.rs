//! `name.test.yml`: events and the rules that must match them.

use super::{Clock, Count, Tested, Verdict, read_file, reader};
use crate::args::LogOptions;
use crate::input::Opened;
use crate::plan;
use crate::read::{Consumer, Reader};
use crate::render::explain::{Explained, write_text, written_time};
use crate::render::line;
use crate::render::windows;
use crate::sources;
use serde::Deserialize;
use sigmund_engine::correlation::{Alert, Policy};
use sigmund_engine::detection::SourcePosition;
use sigmund_engine::oracle::correlation::trace;
use sigmund_parsers::{Framed, Outcome};
use sigmund_sigma::Severity;
use sigmund_stream::encode::is_called;
use sigmund_stream::reading::Reading;
use sigmund_stream::rules::Rules;
use sigmund_stream::words::plural;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    /// Rule files, relative to this one; without them the file of the same name.
    #[serde(default)]
    rules: Vec<PathBuf>,
    /// Pipelines, relative to this file.
    #[serde(default)]
    pipelines: Vec<PathBuf>,
    /// Values of placeholders.
    #[serde(default)]
    placeholders: BTreeMap<String, OneOrMany>,
    tests: Vec<Case>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    Many(Vec<String>),
    One(String),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    /// Added to the log sources that the events have by themselves.
    #[serde(default)]
    logsource: BTreeMap<String, String>,
    /// How raw lines and files are read, where that is not plain to see.
    input_format: Option<String>,
    /// Objects and raw lines, or the name of a log file.
    #[serde(default)]
    events: Events,
    /// The name of a log file.
    file: Option<PathBuf>,
    /// How long the log goes on, for what is decided at the end of a window: `10m` after the beginning, or an instant.
    until: Option<String>,
    /// Which true evaluations of correlations count, as for `hunt --alert`.
    alert: Option<String>,
    /// File stems, ids, names or titles of all rules that match; nothing else may.
    expect: Vec<Expected>,
}

/// An event with a time of its own.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Timed {
    /// `90s` after the beginning of the test, or an instant.
    at: Option<String>,
    /// How many of it there are.
    times: Option<u32>,
    /// How far apart they are.
    every: Option<String>,
    event: serde_yaml::Value,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Events {
    List(Vec<serde_yaml::Value>),
    File(PathBuf),
}

impl Default for Events {
    fn default() -> Self {
        Self::List(Vec::new())
    }
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Expected {
    Name(String),
    Exact(Exact),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Exact {
    rule: String,
    /// So many matches or alerts; otherwise at least one.
    times: Option<u64>,
    /// Only alerts of this group: values by the names of `group-by`.
    #[serde(default)]
    group: BTreeMap<String, serde_yaml::Value>,
}

impl Expected {
    fn name(&self) -> &str {
        match self {
            Self::Name(name) => name,
            Self::Exact(exact) => &exact.rule,
        }
    }
}

/// What rules matched, and the alerts of correlations.
#[derive(Debug, Default)]
struct Matched {
    rules: BTreeMap<u32, u64>,
    alerts: Vec<Alert>,
}

impl Matched {
    /// How often rules and correlations matched, of correlations those of a group.
    fn count(&self, rules: &Rules, meant: &[u32], group: &BTreeMap<String, String>) -> u64 {
        let base = rules.cards.len() as u32;
        let is_of = |alert: &&Alert| {
            let names = &rules.alert_cards[alert.correlation as usize].correlation.group_by;
            let has = |name: &String, text: &String| {
                names
                    .iter()
                    .zip(&alert.group)
                    .any(|(have, value)| have == name && **value == **text)
            };
            meant.contains(&(base + alert.correlation))
                && group.iter().all(|(name, text)| has(name, text))
        };
        let events: u64 = match group.is_empty() {
            true => meant.iter().filter_map(|rule| self.rules.get(rule)).sum(),
            false => 0,
        };
        events + self.alerts.iter().filter(is_of).count() as u64
    }

    /// Everything that matched.
    fn subjects(&self, rules: &Rules) -> BTreeSet<u32> {
        let base = rules.cards.len() as u32;
        let alerts = self.alerts.iter().map(|alert| base + alert.correlation);
        self.rules.keys().copied().chain(alerts).collect()
    }
}

/// Runs the tests of a file.
pub(super) fn run(path: &Path, options: &LogOptions) -> Vec<Tested> {
    let file = path.to_string_lossy().into_owned();
    let tested = |name: &str, verdict, why| Tested {
        file: file.clone(),
        name: name.to_owned(),
        verdict,
        why,
    };
    let (content, rules) = match load(path) {
        Ok(loaded) => loaded,
        Err(problem) => {
            return vec![tested("(test file)", Verdict::Broken(problem), String::new())];
        }
    };
    content
        .tests
        .iter()
        .map(|case| {
            let (verdict, why) = match differences(case, path, &rules, options) {
                Ok(found) if found.is_empty() => (Verdict::Passed, String::new()),
                Ok(found) => {
                    let (texts, wrong): (Vec<String>, Vec<u32>) = found.into_iter().unzip();
                    let why = explain(case, path, &rules, options, &wrong);
                    (Verdict::Failed(texts.join("; ")), why)
                }
                Err(problem) => (Verdict::Broken(problem), String::new()),
            };
            tested(&case.name, verdict, why)
        })
        .collect()
}

fn load(path: &Path) -> Result<(File, Rules), String> {
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    let content: File = serde_yaml::from_str(&text).map_err(|error| placed(path, &error))?;
    let beside = |name: &PathBuf| path.with_file_name("").join(name);
    let mut files: Vec<PathBuf> = content.rules.iter().map(beside).collect();
    if files.is_empty() {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        files.push(beside(&PathBuf::from(name.replacen(".test.", ".", 1))));
    }
    let pipelines: Vec<PathBuf> = content.pipelines.iter().map(beside).collect();
    let mut placeholders = Vec::new();
    for (name, values) in &content.placeholders {
        match values {
            OneOrMany::One(value) => placeholders.push((name.clone(), value.clone())),
            OneOrMany::Many(values) => {
                placeholders.extend(values.iter().map(|value| (name.clone(), value.clone())));
            }
        }
    }
    let loader = plan::loader(&pipelines, &placeholders).map_err(|error| format!("{error:#}"))?;
    let files = sources::read(&files);
    if let Some((path, reason)) = files.unreadable.first() {
        return Err(format!("cannot read `{}`: {reason}", path.display()));
    }
    let routing = sigmund_engine::Routing::default();
    let rules = Rules::compile(&loader, &files.texts, &|_| true, &routing);
    if let Some(error) =
        rules.diagnostics.iter().find(|finding| finding.severity == Severity::Error)
    {
        return Err(format!("does not load: {}", line(&files.texts, error)));
    }
    Ok((content, rules))
}

/// What is wrong with a test file, with its place in front.
fn placed(path: &Path, error: &serde_yaml::Error) -> String {
    let Some(at) = error.location() else { return error.to_string() };
    let text = error.to_string();
    let suffix = format!(" at line {} column {}", at.line(), at.column());
    let text = text.strip_suffix(&suffix).unwrap_or(&text);
    format!("{}:{}:{}: {text}", path.display(), at.line(), at.column())
}

/// How what the rules matched differs from what is expected, and which rule's doing it is.
fn differences(
    case: &Case,
    path: &Path,
    rules: &Rules,
    options: &LogOptions,
) -> Result<Vec<(String, u32)>, String> {
    let matches = matches(case, path, rules, options)?;
    let base = rules.cards.len() as u32;
    let mut wanted = BTreeSet::new();
    let mut found = Vec::new();
    for expected in &case.expect {
        let name = expected.name();
        let alerts = (base..).zip(&rules.alert_cards);
        let correlations = alerts
            .filter(|(_, card)| is_called(&card.correlation.metadata, name))
            .map(|(at, _)| at);
        let meant: Vec<u32> = rules
            .reporting()
            .filter(|(_, card)| card.is_called(name))
            .map(|(index, _)| index)
            .chain(correlations)
            .collect();
        let Some(&first) = meant.first() else {
            return Err(match rules.cards.iter().any(|card| card.is_called(name)) {
                true => format!("`{name}` reports nothing itself: a correlation uses it"),
                false => format!("no rule is called `{name}`"),
            });
        };
        let (exact, group) = match expected {
            Expected::Name(_) => (None, BTreeMap::new()),
            Expected::Exact(exact) => {
                let text = |value: &serde_yaml::Value| match value {
                    serde_yaml::Value::String(text) => text.clone(),
                    other => serde_json::to_string(other).unwrap_or_default(),
                };
                let group = &exact.group;
                (
                    exact.times,
                    group.iter().map(|(name, value)| (name.clone(), text(value))).collect(),
                )
            }
        };
        let times = matches.count(rules, &meant, &group);
        let of = match group.is_empty() {
            true => String::new(),
            false => {
                let parts = group.iter().map(|(name, text)| format!("{name}={text}"));
                format!(" for {}", parts.collect::<Vec<_>>().join(" "))
            }
        };
        match exact {
            None if times == 0 => found.push((format!("`{name}` did not match{of}"), first)),
            Some(wanted) if wanted != times => {
                let times = plural(times, "time");
                found.push((format!("`{name}` matched {times}{of}, not {wanted}"), first));
            }
            _ => {}
        }
        wanted.extend(meant);
    }
    for subject in matches.subjects(rules).difference(&wanted) {
        found.push((format!("`{}` matched", rules.subject(*subject).title()), *subject));
    }
    Ok(found)
}

/// What the rules that report match, and the alerts.
fn matches(
    case: &Case,
    path: &Path,
    rules: &Rules,
    options: &LogOptions,
) -> Result<Matched, String> {
    let clock = Clock::default();
    let mut count = Count::new(rules, &clock);
    read(case, path, rules, options, &clock, &mut count)?;
    if count.events == 0 {
        return Err("there are no events".to_owned());
    }
    if count.untimed > 0 {
        return Err(format!(
            "{} for correlations without a time; write `at: 0s` beside the event",
            plural(count.untimed, "event")
        ));
    }
    let policy = case.alert.as_deref().map_or(Ok(Policy::Once), str::parse)?;
    let until = case.until.as_deref().map(instant).transpose()?;
    let alerts = count.alerts(policy, until);
    let mut matched = count.matches;
    matched.retain(|rule, _| rules.reports[*rule as usize]);
    Ok(Matched { rules: matched, alerts })
}

/// The beginning of tests that give times.
const BEGINNING: i64 = 1_767_225_600_000_000_000;

/// An instant, or so long after the beginning.
fn instant(text: &str) -> Result<i64, String> {
    match plan::instant(text) {
        Ok(instant) => Ok(instant),
        Err(_) => Ok(BEGINNING.saturating_add(duration(text)?)),
    }
}

/// `90s`, `1.5s` or `250ms` in nanoseconds.
fn duration(text: &str) -> Result<i64, String> {
    if let Ok(nanos) = sigmund_sigma::correlation::parse_timespan(text) {
        return Ok(nanos);
    }
    let span = text.parse::<jiff::SignedDuration>().ok();
    let nanos = span.and_then(|span| i64::try_from(span.as_nanos()).ok());
    nanos.ok_or_else(|| format!("`{text}` is not a duration; write for example `90s`"))
}

/// Reads the events of a test.
fn read(
    case: &Case,
    path: &Path,
    rules: &Rules,
    options: &LogOptions,
    clock: &Clock,
    consumer: &mut dyn Consumer,
) -> Result<(), String> {
    let mut options = options.clone();
    if !case.logsource.is_empty() {
        let parts: Vec<String> =
            case.logsource.iter().map(|(key, value)| format!("{key}={value}")).collect();
        options.log_sources.push(parts.join(","));
    }
    if let Some(format) = &case.input_format {
        options.input_format = Some(format.clone());
    }
    let reading = plan::reading(&options).map_err(|error| format!("{error:#}"))?;
    let mut reader = reader(rules);
    let mut files: Vec<&PathBuf> = case.file.iter().collect();
    match &case.events {
        Events::File(file) => files.push(file),
        Events::List(events) => {
            for event in events {
                let Some(timed) = timed(event)? else {
                    clock.0.set(None);
                    one(event, &reading, &mut reader, consumer)?;
                    continue;
                };
                let every = timed.every.as_deref().map_or(Ok(0), duration)?;
                let mut at = timed.at.as_deref().map(instant).transpose()?;
                for _ in 0..timed.times.unwrap_or(1) {
                    clock.0.set(at);
                    one(&timed.event, &reading, &mut reader, consumer)?;
                    at = at.map(|at| at.saturating_add(every));
                }
            }
        }
    }
    for file in files {
        read_file(&path.with_file_name("").join(file), &reading, &mut reader, consumer)?;
    }
    Ok(())
}

/// An event that is written with `event:`.
fn timed(event: &serde_yaml::Value) -> Result<Option<Timed>, String> {
    const KEYS: [&str; 4] = ["at", "times", "every", "event"];
    let serde_yaml::Value::Mapping(mapping) = event else { return Ok(None) };
    let is_known = |key: &serde_yaml::Value| key.as_str().is_some_and(|key| KEYS.contains(&key));
    if mapping.get("event").is_none() || !mapping.keys().all(is_known) {
        return Ok(None);
    }
    let timed: Timed = serde_yaml::from_value(event.clone()).map_err(|error| error.to_string())?;
    if timed.times.is_some_and(|times| times > 1) && timed.at.is_some() != timed.every.is_some() {
        return Err("`times` wants both `at` and `every`, or neither".to_owned());
    }
    Ok(Some(timed))
}

/// Reads one event: an object, or a line of a log.
fn one(
    event: &serde_yaml::Value,
    reading: &Reading,
    reader: &mut Reader,
    consumer: &mut dyn Consumer,
) -> Result<(), String> {
    let text = match event {
        serde_yaml::Value::String(line) => line.clone(),
        object => serde_json::to_string(object).map_err(|error| error.to_string())?,
    };
    let opened = Opened::memory(text.into_bytes());
    reader.log(opened, reading, consumer).map(|_| ()).map_err(|error| error.to_string())
}

/// So many events of a failed test are explained.
const EXPLAINED: u64 = 3;

/// What the rules that did not do as expected say of the first events.
fn explain(case: &Case, path: &Path, rules: &Rules, options: &LogOptions, wrong: &[u32]) -> String {
    let mut why = Why { rules, wrong, events: 0, text: Vec::new() };
    let read = read(case, path, rules, options, &Clock::default(), &mut why)
        .and_then(|()| explain_windows(case, path, rules, options, wrong, &mut why.text));
    match read {
        Ok(()) => String::from_utf8_lossy(&why.text).into_owned(),
        // It was read before.
        Err(problem) => problem,
    }
}

/// What the windows of correlations that did not do as expected held.
fn explain_windows(
    case: &Case,
    path: &Path,
    rules: &Rules,
    options: &LogOptions,
    wrong: &[u32],
    out: &mut Vec<u8>,
) -> Result<(), String> {
    let base = rules.cards.len() as u32;
    let wrong: BTreeSet<u32> = wrong.iter().filter_map(|at| at.checked_sub(base)).collect();
    if wrong.is_empty() {
        return Ok(());
    }
    let clock = Clock::default();
    let mut count = Count::new(rules, &clock);
    read(case, path, rules, options, &clock, &mut count)?;
    count.sightings.sort();
    let until = case.until.as_deref().map(instant).transpose()?.unwrap_or(i64::MIN);
    for at in wrong {
        let card = &rules.alert_cards[at as usize];
        let traces = trace(&rules.correlations, &count.sightings, until, at, &|_, _| true);
        let hits = card.correlation.rules.iter().map(|reference| {
            let cards = (0u32..).zip(&rules.cards);
            let of = cards.filter(|(_, card)| card.is_called(&reference.name));
            let counts: Vec<u64> =
                of.map(|(rule, _)| count.matches.get(&rule).copied().unwrap_or(0)).collect();
            (!counts.is_empty()).then(|| counts.iter().sum())
        });
        let traced = windows::Traced {
            card,
            traces: &traces,
            place: &|event| format!("event {}", event.record),
            hits: hits.collect(),
            untimed: count.untimed,
            chosen: true,
        };
        // Memory takes everything.
        let _ = windows::write_text(out, &traced);
    }
    Ok(())
}

struct Why<'a> {
    rules: &'a Rules,
    wrong: &'a [u32],
    events: u64,
    text: Vec<u8>,
}

impl Consumer for Why<'_> {
    fn record(&mut self, mut framed: Framed<'_>) {
        if framed.outcome != Outcome::Event {
            return;
        }
        self.events += 1;
        if self.events > EXPLAINED {
            return;
        }
        let event = framed.event();
        let position = SourcePosition { path: "event".into(), record: self.events };
        for rule in self.wrong.iter().filter(|rule| (**rule as usize) < self.rules.cards.len()) {
            let Some(oracle) = self.rules.set.oracle(*rule) else { continue };
            let explained = Explained {
                rule: &self.rules.cards[*rule as usize].rule,
                event: &event,
                position: &position,
                // Without a file there is no year to be close to.
                time: event.time.filter(|time| !time.year_inferred).and_then(written_time),
                explanation: &oracle.explain(&event),
            };
            // Memory takes everything.
            let _ = write_text(&mut self.text, &explained);
        }
    }
}
