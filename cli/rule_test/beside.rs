//! `name.test.yml`: events and the rules that must match them.

use super::{Count, Tested, Verdict, read_file, reader};
use crate::args::{LogOptions, RuleFilter};
use crate::input::Opened;
use crate::plan::{self, Reading, Rules};
use crate::printer::plural;
use crate::read::Consumer;
use crate::render::explain::{Explained, write_text, written_time};
use crate::sources::Sources;
use serde::Deserialize;
use sigmund_engine::detection::SourcePosition;
use sigmund_parsers::{Framed, Outcome};
use sigmund_sigma::Severity;
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
    /// File stems, ids, names or titles of all rules that match; nothing else may.
    expect: Vec<Expected>,
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
    Times { rule: String, times: u64 },
}

impl Expected {
    fn name(&self) -> &str {
        match self {
            Self::Name(name) | Self::Times { rule: name, .. } => name,
        }
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
    let content: File = serde_yaml::from_str(&text).map_err(|error| error.to_string())?;
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
    let sources = Sources::read(&files);
    if let Some((path, reason)) = sources.unreadable.first() {
        return Err(format!("cannot read `{}`: {reason}", path.display()));
    }
    let routing = sigmund_engine::Routing::default();
    let rules = Rules::compile(&loader, sources, &RuleFilter::default(), &routing)
        .map_err(|error| format!("{error:#}"))?;
    if let Some(error) =
        rules.diagnostics.iter().find(|finding| finding.severity == Severity::Error)
    {
        return Err(format!("`{}` does not load: {}", error.source, error.message));
    }
    Ok((content, rules))
}

/// How what the rules matched differs from what is expected, and which rule's doing it is.
fn differences(
    case: &Case,
    path: &Path,
    rules: &Rules,
    options: &LogOptions,
) -> Result<Vec<(String, u32)>, String> {
    let matches = matches(case, path, rules, options)?;
    let mut wanted = BTreeSet::new();
    let mut found = Vec::new();
    for expected in &case.expect {
        let name = expected.name();
        let meant: Vec<u32> = (0u32..)
            .zip(&rules.cards)
            .filter(|(_, card)| card.is_called(name))
            .map(|(index, _)| index)
            .collect();
        let Some(&first) = meant.first() else {
            return Err(format!("no rule is called `{name}`"));
        };
        let times: u64 = meant.iter().filter_map(|rule| matches.get(rule)).sum();
        match expected {
            Expected::Name(_) if times == 0 => {
                found.push((format!("`{name}` did not match"), first));
            }
            Expected::Times { times: wanted, .. } if *wanted != times => {
                found.push((
                    format!("`{name}` matched {}, not {wanted}", plural(times, "time")),
                    first,
                ));
            }
            _ => {}
        }
        wanted.extend(meant);
    }
    for rule in matches.keys().filter(|rule| !wanted.contains(rule)) {
        found.push((format!("`{}` matched", rules.cards[*rule as usize].title()), *rule));
    }
    Ok(found)
}

/// Rule index → number of events it matched.
fn matches(
    case: &Case,
    path: &Path,
    rules: &Rules,
    options: &LogOptions,
) -> Result<BTreeMap<u32, u64>, String> {
    let mut count = Count::new(rules);
    read(case, path, rules, options, &mut count)?;
    if count.events == 0 {
        return Err("there are no events".to_owned());
    }
    Ok(count.matches)
}

/// Reads the events of a test.
fn read(
    case: &Case,
    path: &Path,
    rules: &Rules,
    options: &LogOptions,
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
    let reading = Reading::new(&options).map_err(|error| format!("{error:#}"))?;
    let mut reader = reader(rules);
    let mut files: Vec<&PathBuf> = case.file.iter().collect();
    match &case.events {
        Events::File(file) => files.push(file),
        Events::List(events) => {
            for event in events {
                let text = match event {
                    serde_yaml::Value::String(line) => line.clone(),
                    object => serde_json::to_string(object).map_err(|error| error.to_string())?,
                };
                let opened = Opened::memory(text.into_bytes());
                reader.log(opened, &reading, consumer).map_err(|error| error.to_string())?;
            }
        }
    }
    for file in files {
        read_file(&path.with_file_name("").join(file), &reading, &mut reader, consumer)?;
    }
    Ok(())
}

/// So many events of a failed test are explained.
const EXPLAINED: u64 = 3;

/// What the rules that did not do as expected say of the first events.
fn explain(case: &Case, path: &Path, rules: &Rules, options: &LogOptions, wrong: &[u32]) -> String {
    let mut why = Why { rules, wrong, events: 0, text: Vec::new() };
    match read(case, path, rules, options, &mut why) {
        Ok(()) => String::from_utf8_lossy(&why.text).into_owned(),
        // It was read before.
        Err(problem) => problem,
    }
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
        for rule in self.wrong {
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
