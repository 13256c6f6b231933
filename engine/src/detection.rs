//! A detection: a rule that matched an event.

use crate::explain::{covered, written};
use crate::oracle::{FoundSource, ItemTest, Lookup, Oracle, Part, SearchTest, Test};
use crate::{DetectionId, Event, EventDigest, EventTime};
use sigmund_sigma::condition::Condition;
use sigmund_sigma::modifier::Modifier;
use sigmund_sigma::{LogSource, Rule};
use std::sync::Arc;

/// A rule that matched an event.
#[derive(Clone, Debug)]
pub struct Detection {
    /// The rule, with its metadata.
    pub rule: Arc<Rule>,
    /// The whole event.
    pub event: Arc<Event>,
    /// The event's log source that the rule covers; `None` if the rule asks for none, or routing is off.
    pub log_source: Option<LogSource>,
    /// Where the event came from.
    pub position: SourcePosition,
    /// What in the event made the rule match, in the order of the rule. Empty if the rule matched by
    /// absence only (`condition: not …`).
    pub matched: Vec<Matched>,
}

/// Where an event is in its source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourcePosition {
    /// File path or another name.
    pub path: Arc<str>,
    /// Number of the record in it, from 1.
    pub record: u64,
}

/// A part of the event that made a rule match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matched {
    /// The selection.
    pub selection: Box<str>,
    /// The field as the rule names it; `None` for keywords.
    pub field: Option<Box<str>>,
    /// The event's value; `None` where the field is missing or null, or has no scalar.
    pub value: Option<String>,
    /// The rule's values that hold for it, as written.
    pub patterns: Vec<String>,
    /// For an alias: the native field, or what was computed.
    pub source: Option<String>,
    /// What named groups of the rule's regular expressions hold in the value, in their order.
    pub extracted: Vec<(Box<str>, Box<str>)>,
}

impl Detection {
    /// Describes a match that the matcher (or the plain evaluator) found. `oracle` is the rule's.
    #[must_use]
    pub fn new(
        rule: Arc<Rule>,
        oracle: &Oracle,
        event: Arc<Event>,
        position: SourcePosition,
    ) -> Self {
        let log_source =
            if rule.logsource.is_empty() { None } else { covered(&rule.logsource, &event.route) };
        let log_source = log_source.cloned();
        let matched = matched(oracle, &Lookup::new(&*event));
        Self { rule, event, log_source, position, matched }
    }

    /// The same in every run.
    #[must_use]
    pub fn id(&self) -> DetectionId {
        DetectionId::new(&self.rule, &EventDigest::of(&self.event.raw))
    }

    /// When the event happened.
    #[must_use]
    pub fn time(&self) -> Option<EventTime> {
        self.event.time
    }
}

/// What in the event makes the rule match: of the selections that hold and stand under no `not`. The rule is known to match.
#[must_use]
pub fn matched(oracle: &Oracle, lookup: &Lookup<'_>) -> Vec<Matched> {
    let part = &oracle.main;
    let mut found = Vec::new();
    match &*part.conditions {
        [condition] => collect_true(part, condition, lookup, &mut found),
        several => several.iter().for_each(|one| collect(part, one, lookup, &mut found)),
    }
    let mut names: Vec<&str> = Vec::new();
    let mut matched = Vec::new();
    for selection in found.iter().filter_map(|index| part.selections.get(*index)) {
        if !names.contains(&&*selection.name) {
            names.push(&selection.name);
            add_search(&selection.name, &selection.search, lookup, &mut matched);
        }
    }
    matched
}

/// The selections that make a condition true, if it is.
fn collect(part: &Part, condition: &Condition, lookup: &Lookup<'_>, found: &mut Vec<usize>) {
    if part.condition_holds(condition, lookup) {
        collect_true(part, condition, lookup, found);
    }
}

/// The same for one that is known to be true: what must hold then is not asked again.
fn collect_true(part: &Part, condition: &Condition, lookup: &Lookup<'_>, found: &mut Vec<usize>) {
    match condition {
        Condition::And(of) => of.iter().for_each(|one| collect_true(part, one, lookup, found)),
        Condition::Or(of) => of.iter().for_each(|one| collect(part, one, lookup, found)),
        Condition::Not(_) => {}
        Condition::Selection(index, _) => found.push(*index),
        Condition::Of { all: true, selections, .. } => found.extend(selections),
        Condition::Of { selections, .. } => {
            found.extend(selections.iter().filter(|index| part.selection_holds(**index, lookup)))
        }
    }
}

/// What a search that holds is made true by.
fn add_search(name: &str, search: &SearchTest, lookup: &Lookup<'_>, matched: &mut Vec<Matched>) {
    match search {
        SearchTest::All(items) => {
            items.iter().for_each(|item| add_item(name, item, lookup, matched));
        }
        SearchTest::Any(members) => members
            .iter()
            .filter(|member| member.holds(lookup))
            .for_each(|member| add_search(name, member, lookup, matched)),
    }
}

fn add_item(selection: &str, test: &ItemTest, lookup: &Lookup<'_>, matched: &mut Vec<Matched>) {
    let item = &test.item;
    let source_name = |source: Option<&FoundSource<'_>>| {
        source.and_then(|source| source.name.as_deref()).map(str::to_owned)
    };
    let entry = |value: Option<&str>, patterns: Vec<String>, source: Option<String>| Matched {
        selection: selection.into(),
        field: item.field.clone(),
        value: value.map(str::to_owned),
        patterns,
        source,
        extracted: Vec::new(),
    };
    let field = item.field.as_ref().map(|field| lookup.field(field));
    if item.negated {
        // It holds because none of its values does: what the field is instead.
        let Some(found) = &field else { return };
        let first = found.candidates().next();
        let patterns = item.values.iter().map(written).collect();
        let source = source_name(first.map(|(source, _)| source));
        matched.push(entry(first.and_then(|(_, value)| value.text()), patterns, source));
        return;
    }
    let start = matched.len();
    let asks_presence = item.modifiers.contains(&Modifier::Exists);
    for (index, one) in test.tests.iter().enumerate() {
        if field.is_none() && !test.test_holds(one, lookup) {
            continue;
        }
        let by = match &field {
            Some(found) => found
                .candidates()
                .find(|(_, value)| one.holds_for(value, lookup))
                .map(|(source, value)| (Some(source), value)),
            None => lookup
                .searched()
                .iter()
                .find(|value| one.holds_for(value, lookup))
                .map(|value| (None, value)),
        };
        // Some tests are about the field, not about one of its values.
        let holds = by.is_some()
            || (matches!(one, Test::Null | Test::Exists(_) | Test::AnyOf(_))
                && test.test_holds(one, lookup));
        if !holds {
            continue;
        }
        // `exists` asks about the field: what it is says more than nothing.
        let by = by.or_else(|| {
            let found = field.as_ref().filter(|_| asks_presence)?;
            found.candidates().next().map(|(source, value)| (Some(source), value))
        });
        let text = by.and_then(|(_, value)| value.text());
        let source = source_name(by.and_then(|(source, _)| source));
        let pattern = item.values.get(index).map(written).unwrap_or_default();
        let same = matched[start..]
            .iter_mut()
            .find(|known| known.value.as_deref() == text && known.source == source);
        let mut extracted = Vec::new();
        if let Some(text) = text {
            one.extract(text, &mut extracted);
        }
        match same {
            Some(known) => {
                known.patterns.push(pattern);
                known.extracted.append(&mut extracted);
            }
            None => {
                let made = entry(text, vec![pattern], source);
                matched.push(Matched { extracted, ..made });
            }
        }
    }
}

impl Test {
    /// What the named groups of its regular expressions hold in a text.
    fn extract(&self, text: &str, out: &mut Vec<(Box<str>, Box<str>)>) {
        match self {
            Self::Regex(regex) => {
                let groups = regex.named_groups(text).into_iter();
                out.extend(groups.map(|(name, value)| (name.into(), value.into())));
            }
            Self::AnyOf(tests) => tests.iter().for_each(|test| test.extract(text, out)),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alias::{Alias, AliasTable};
    use crate::{Object, Route, Value};
    use sigmund_sigma::{Loader, Source};

    #[test]
    fn says_what_matched_and_where_it_came_from() {
        let text = r"
title: t
logsource:
    category: process_creation
detection:
    selection:
        Image|endswith:
            - '\cmd.exe'
            - 'D.EXE'
            - '\other.exe'
        User: null
        Host|neq: lab
        Host|exists: true
        Gone|exists: false
    keywords:
        - secret
    filter:
        Image: x
    unused:
        Image: '*'
    condition: selection and keywords and not filter
";
        let source = Source { name: "t.yml".into(), text: text.into() };
        let mut collection = Loader::default().load(&[source]);
        assert!(collection.diagnostics.is_empty(), "{:?}", collection.diagnostics);
        let rule = Arc::new(collection.rules.remove(0));
        let oracle = Oracle::new(&rule).unwrap();
        let mut object = Object::default();
        object.push("exe", Value::text(r"C:\cmd.exe"));
        object.push("args", Value::Array(vec![Value::text("a"), Value::text("the SECRET")]));
        object.push("Host", Value::text("prod"));
        let covered = LogSource::new(Some("windows"), Some("process_creation"), None);
        let event = Arc::new(Event {
            raw: Arc::from(&b"{}"[..]),
            object,
            lifted: Object::default(),
            keywords_in_raw: false,
            route: Arc::new(Route {
                id: 0,
                name: "test".into(),
                log_sources: vec![LogSource::new(Some("windows"), None, None), covered.clone()],
                aliases: Arc::new(AliasTable::new([Alias::to("Image", &["exe"])])),
                event_id: None,
                unfiltered: false,
            }),
            time: None,
        });
        assert!(oracle.sees(&event.route) && oracle.matches(&event));
        let position = SourcePosition { path: "x.json".into(), record: 7 };
        let detection = Detection::new(rule, &oracle, event, position);
        assert_eq!(detection.log_source, Some(covered));
        assert_eq!(detection.position.record, 7);
        let summary: Vec<String> = detection
            .matched
            .iter()
            .map(|part| {
                format!(
                    "{} {} {} {} {}",
                    part.selection,
                    part.field.as_deref().unwrap_or("-"),
                    part.value.as_deref().unwrap_or("-"),
                    part.patterns.join(","),
                    part.source.as_deref().unwrap_or("-")
                )
            })
            .collect();
        assert_eq!(
            summary,
            [
                r"selection Image C:\cmd.exe \cmd.exe,D.EXE exe",
                "selection User - null -",
                "selection Host prod lab -",
                "selection Host prod true -",
                "selection Gone - false -",
                "keywords - the SECRET secret -",
            ]
        );
    }

    #[test]
    fn named_groups_are_fields() {
        let text = r"
title: t
logsource:
    category: c
detection:
    selection:
        lines|re:
            - 'user (?<user>\w+) from (?<ip>[0-9.]+)'
            - 'port (?<port>\d+)'
        lines|contains: port
        host|re|i: '^(?<site>[a-z]+)-(?<number>\d+)?'
    no:
        lines|re: '(?<never>root)'
    other:
        lines|re: '(?<other>nobody)'
    condition: (selection or other) and not no
";
        let source = Source { name: "t.yml".into(), text: text.into() };
        let mut collection = Loader::default().load(&[source]);
        assert!(collection.diagnostics.is_empty(), "{:?}", collection.diagnostics);
        let oracle = Oracle::new(&collection.rules.remove(0)).unwrap();
        let mut object = Object::default();
        let lines = ["nothing", "user ann from 192.0.2.1 port 22", "user bob from 192.0.2.2"];
        object.push("lines", Value::Array(lines.map(Value::text).into()));
        object.push("host", Value::text("WEB-"));
        let event = Event {
            raw: Arc::from(&b"{}"[..]),
            object,
            lifted: Object::default(),
            keywords_in_raw: false,
            route: Arc::new(Route {
                id: 0,
                name: "test".into(),
                log_sources: Vec::new(),
                aliases: Arc::default(),
                event_id: None,
                unfiltered: false,
            }),
            time: None,
        };
        assert!(oracle.matches(&event));
        let matched = matched(&oracle, &Lookup::new(&event));
        let extracted = matched.iter().flat_map(|part| &part.extracted);
        let extracted: Vec<String> =
            extracted.map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(extracted, ["user=ann", "ip=192.0.2.1", "port=22", "site=WEB"]);
    }
}
