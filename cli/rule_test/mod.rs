//! Tests of rules, in the two layouts: `name.test.yml` beside rules ([`beside`]), and SigmaHQ's
//! `regression_tests_path` with its `info.yml` ([`regression`]).

mod beside;
mod regression;

use crate::args::LogOptions;
use crate::input::Input;
use crate::read::{Consumer, Reader};
use sigmund_engine::Matcher;
use sigmund_engine::correlation::{Alert, EventRef, Limits, Policy, Sighting, Windows};
use sigmund_parsers::{Framed, Outcome};
use sigmund_stream::reading::Reading;
use sigmund_stream::rule_files::{is_test_file, sorted_entries};
use sigmund_stream::rules::Rules;
use sigmund_stream::sighting::Sightings;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How a test went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Passed,
    /// What was expected and what came.
    Failed(String),
    /// There is nothing to test with.
    Absent(String),
    /// The test itself cannot be run.
    Broken(String),
}

/// One test.
#[derive(Clone, Debug)]
pub(crate) struct Tested {
    /// The test file or rule file.
    pub(crate) file: String,
    pub(crate) name: String,
    pub(crate) verdict: Verdict,
    /// Where it failed: what the rules say of the events, for people.
    pub(crate) why: String,
}

/// What is to be tested.
#[derive(Debug, Default)]
pub(crate) struct Tests {
    /// `name.test.yml`
    beside: Vec<PathBuf>,
    /// Rule files that name regression data.
    regression: Vec<PathBuf>,
    pub(crate) unreadable: Vec<(PathBuf, String)>,
}

impl Tests {
    /// Finds the tests of files and directories.
    pub(crate) fn find(paths: &[PathBuf]) -> Self {
        let mut tests = Self::default();
        for path in paths {
            match std::fs::metadata(path) {
                Ok(metadata) if metadata.is_dir() => tests.directory(path, 0),
                Ok(_) => tests.file(path, true),
                Err(error) => tests.unreadable.push((path.clone(), error.to_string())),
            }
        }
        tests
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.beside.is_empty() && self.regression.is_empty()
    }

    fn directory(&mut self, directory: &Path, depth: usize) {
        let entries = match sorted_entries(directory) {
            Ok(entries) => entries,
            Err(error) => return self.unreadable.push((directory.to_owned(), error.to_string())),
        };
        for path in entries {
            if path.is_dir() {
                // Deeper is a loop of links.
                if depth < 64 {
                    self.directory(&path, depth + 1);
                }
            } else {
                self.file(&path, false);
            }
        }
    }

    fn file(&mut self, path: &Path, named: bool) {
        if is_test_file(path) {
            self.beside.push(path.to_owned());
            return;
        }
        if !path.extension().is_some_and(|extension| extension == "yml" || extension == "yaml") {
            return;
        }
        let own = path.with_extension("test.yml");
        if named && own.is_file() {
            self.beside.push(own);
        }
        match std::fs::read(path) {
            Ok(text) => {
                if regression::is_named_in(&text) {
                    self.regression.push(path.to_owned());
                }
            }
            Err(error) => self.unreadable.push((path.to_owned(), error.to_string())),
        }
    }

    /// Runs them all.
    pub(crate) fn run(&self, options: &LogOptions) -> anyhow::Result<Vec<Tested>> {
        let mut tested = Vec::new();
        for path in &self.beside {
            tested.extend(beside::run(path, options));
        }
        tested.extend(regression::run(&self.regression, options)?);
        Ok(tested)
    }
}

/// Counts what rules match, and keeps what correlations see.
struct Count<'a> {
    rules: &'a Rules,
    seen: Sightings,
    matcher: Matcher,
    hits: Vec<u32>,
    /// By rule; those that report nothing themselves too.
    matches: BTreeMap<u32, u64>,
    events: u64,
    /// The time that the test gives to the events that come.
    clock: &'a Clock,
    sightings: Vec<Sighting>,
    /// Hits for correlations in events without a time.
    untimed: u64,
}

/// When the events of a test happen, where it says so.
#[derive(Debug, Default)]
struct Clock(Cell<Option<i64>>);

impl<'a> Count<'a> {
    fn new(rules: &'a Rules, clock: &'a Clock) -> Self {
        Self {
            rules,
            seen: Sightings::new(rules),
            matcher: Matcher::new(rules.set.clone()),
            hits: Vec::new(),
            matches: BTreeMap::new(),
            events: 0,
            clock,
            sightings: Vec::new(),
            untimed: 0,
        }
    }

    /// The alerts of correlations; `until` is when the input ends, if it goes on after the last hit.
    fn alerts(&mut self, policy: Policy, until: Option<i64>) -> Vec<Alert> {
        self.sightings.sort();
        let correlations = Arc::clone(&self.rules.correlations);
        let mut windows = Windows::new(correlations, policy, Limits::default());
        let mut alerts = Vec::new();
        self.sightings.iter().for_each(|sighting| windows.process(sighting, &mut alerts));
        windows.finish(until.unwrap_or(i64::MIN), &mut alerts);
        alerts
    }
}

impl Consumer for Count<'_> {
    fn record(&mut self, mut framed: Framed<'_>) {
        if framed.outcome != Outcome::Event {
            return;
        }
        self.events += 1;
        let bytes = framed.bytes;
        let (record, mut whole) = framed.parts();
        self.matcher.matches(bytes, record, &mut whole, &mut self.hits);
        for rule in &self.hits {
            *self.matches.entry(*rule).or_default() += 1;
        }
        if !self.seen.wants(&self.hits) {
            return;
        }
        let own = record.time.map(|time| time.nanos);
        let Some(time) = self.clock.0.get().or(own) else {
            self.untimed += 1;
            return;
        };
        let place = EventRef { source: 0, record: self.events };
        let (matcher, read) = (&mut self.matcher, (bytes, record));
        self.sightings.extend(self.seen.make(&self.hits, matcher, read, time, place));
    }
}

fn reader(rules: &Rules) -> Reader {
    Reader::new(rules.record())
}

/// Reads a file; the error says why it could not be read to its end.
fn read_file(
    path: &Path,
    reading: &Reading,
    reader: &mut Reader,
    consumer: &mut dyn Consumer,
) -> Result<(), String> {
    let opened = Input::File(path.to_owned(), 0).open();
    let report = opened.and_then(|opened| reader.log(opened, reading, consumer));
    let problem = match report {
        Ok(report) => report.problem.or_else(|| {
            let unread = report.warnings.into_iter().find(|warning| warning.is_unread);
            unread.map(|warning| warning.message)
        }),
        Err(error) => Some(io::Error::to_string(&error)),
    };
    match problem {
        Some(problem) => Err(format!("cannot read `{}`: {problem}", path.display())),
        None => Ok(()),
    }
}
