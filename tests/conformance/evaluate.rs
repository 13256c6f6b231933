//! Evaluates a case: by the plain evaluator, by `explain`, by the compiled matcher.

use super::alerts;
use super::case::Case;
use sigmund_engine::detection;
use sigmund_engine::oracle::{Lookup, Oracle};
use sigmund_engine::{AliasTable, Event, Matcher, Object, Record, Route, RuleSet};
use sigmund_parsers::json::{Json, write};
use sigmund_parsers::{Format, Outcome, StreamInfo};
use sigmund_sigma::pipeline::Pipeline;
use sigmund_sigma::{Collection, Loader, LogSource, Rule, Severity, Source};
use std::sync::Arc;

/// Rule name and the indices of the events it matches.
type Matches = Vec<(String, Vec<usize>)>;

/// How a case differs from what it expects; empty if it agrees.
pub(crate) fn differences(case: &Case) -> Vec<String> {
    let collection = load(case);
    let errors: Vec<&str> = collection
        .diagnostics
        .iter()
        .filter(|diagnostic| diagnostic.severity == Severity::Error)
        .map(|diagnostic| &*diagnostic.message)
        .collect();
    if case.load_error {
        return if errors.is_empty() {
            vec!["expected to be refused, but it loads".to_owned()]
        } else {
            Vec::new()
        };
    }
    if !errors.is_empty() {
        return vec![format!("does not load: {}", errors.join("; "))];
    }
    let events = events(case);
    let mut found = Vec::new();
    if let Some(expected) = &case.alerts {
        found.extend(alerts::differences(case, &collection, &events, expected));
    }
    let Some(expected) = &case.matches else {
        if case.alerts.is_none() {
            found.push("the case expects nothing that is known here".to_owned());
        }
        return found;
    };
    match by_oracle(&collection.rules, &events) {
        Ok(got) => found.extend(compare("plain evaluator", expected, &got)),
        Err(error) => found.push(error),
    }
    match by_matcher(&collection.rules, &events) {
        Ok(got) => found.extend(compare("compiled matcher", expected, &got)),
        Err(error) => found.push(error),
    }
    found
}

fn load(case: &Case) -> Collection {
    let pipelines = if case.field_mapping.is_empty() {
        Vec::new()
    } else {
        vec![Pipeline::from_field_mapping(&case.field_mapping)]
    };
    let loader = Loader { placeholders: case.placeholders.clone(), pipelines };
    loader.load(&[Source { name: "case.yml".into(), text: case.rules.as_str().into() }])
}

fn name(rule: &Rule) -> String {
    rule.metadata.name.clone().unwrap_or_else(|| rule.metadata.title.clone())
}

/// The plain evaluator; `explain` and the trace of matches must say the same.
fn by_oracle(rules: &[Rule], events: &[Event]) -> Result<Matches, String> {
    let mut matches = Vec::new();
    for rule in rules {
        if rule.silent {
            matches.push((name(rule), Vec::new()));
            continue;
        }
        let oracle = Oracle::new(rule).map_err(|error| error.to_string())?;
        let mut hits = Vec::new();
        for (at, event) in events.iter().enumerate() {
            let matched = oracle.sees(&event.route) && oracle.matches(event);
            if matched != oracle.explain(event).verdict {
                return Err(format!("`explain` contradicts the evaluator on event {at}"));
            }
            if matched {
                hits.push(at);
                for part in detection::matched(rule, &Lookup::new(event)) {
                    if part.patterns.is_empty() {
                        return Err(format!("event {at}: {part:?} names no value of the rule"));
                    }
                }
            }
        }
        matches.push((name(rule), hits));
    }
    Ok(matches)
}

/// The compiled matcher, on what the JSON parser makes of the events.
fn by_matcher(rules: &[Rule], events: &[Event]) -> Result<Matches, String> {
    let reporting: Vec<Rule> = rules.iter().filter(|rule| !rule.silent).cloned().collect();
    let mut matches: Matches = reporting.iter().map(|rule| (name(rule), Vec::new())).collect();
    for (at, rules) in matched(reporting, events)?.into_iter().enumerate() {
        for rule in rules {
            matches[rule as usize].1.push(at);
        }
    }
    let silent = rules.iter().filter(|rule| rule.silent);
    matches.extend(silent.map(|rule| (name(rule), Vec::new())));
    Ok(matches)
}

/// The rules that match each event.
pub(super) fn matched(rules: Vec<Rule>, events: &[Event]) -> Result<Vec<Vec<u32>>, String> {
    let (ruleset, diagnostics) = RuleSet::compile(rules, &[], &[], &[]);
    if let Some(diagnostic) = diagnostics.first() {
        return Err(format!("compiled matcher: {}", diagnostic.message));
    }
    let ruleset = Arc::new(ruleset);
    let mut matches = Vec::new();
    let mut matcher = Matcher::new(Arc::clone(&ruleset));
    let mut record = Record::new(Arc::clone(ruleset.field_table()));
    let mut parser = Json.open(&StreamInfo::new("events.json", 0));
    let mut hits = Vec::new();
    for (at, event) in events.iter().enumerate() {
        let bytes = write::object(&event.object).into_bytes();
        record.clear();
        if parser.parse(&bytes, &mut record) != Outcome::Event {
            return Err(format!("compiled matcher: event {at} is no JSON object"));
        }
        record.route = Some(Arc::clone(&event.route));
        matcher.matches(&bytes, &record, &mut || event.clone(), &mut hits);
        matches.push(hits.clone());
    }
    Ok(matches)
}

fn compare(by: &str, expected: &Matches, got: &Matches) -> Vec<String> {
    let mut found = Vec::new();
    for (rule, expected) in expected {
        match got.iter().find(|(name, _)| name == rule) {
            Some((_, got)) if got == expected => {}
            Some((_, got)) => {
                found.push(format!("{by}: `{rule}` expected {expected:?}, got {got:?}"));
            }
            None => found.push(format!("{by}: there is no rule `{rule}`")),
        }
    }
    for (rule, got) in got {
        if !got.is_empty() && !expected.iter().any(|(name, _)| name == rule) {
            found.push(format!("{by}: `{rule}` expected nothing, got {got:?}"));
        }
    }
    found
}

fn events(case: &Case) -> Vec<Event> {
    let aliases: Arc<AliasTable> = Arc::default();
    let route = |id: usize, log_source: Option<&LogSource>| {
        Arc::new(Route {
            id: id as u32,
            name: "conformance case".into(),
            log_sources: log_source
                .filter(|source| !source.is_empty())
                .cloned()
                .into_iter()
                .collect(),
            aliases: Arc::clone(&aliases),
            event_id: None,
            unfiltered: log_source.is_none(),
            is_known: true,
        })
    };
    let unfiltered = route(0, None);
    let routed = |at: usize| match &case.logsources {
        None => Arc::clone(&unfiltered),
        Some(list) => route(at, Some(list.get(at).unwrap_or(&LogSource::default()))),
    };
    case.events
        .iter()
        .enumerate()
        .map(|(at, object)| Event {
            raw: Arc::from(&b""[..]),
            object: object.clone(),
            lifted: Object::default(),
            keywords_in_raw: false,
            route: routed(at),
            time: None,
        })
        .collect()
}
