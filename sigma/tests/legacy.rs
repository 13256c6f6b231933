//! Aggregations of Sigma version 1 in the shared rule corpora, which live outside of this
//! repository: all are translated, and their fixes say the same.

use crate::shared::{confluent, corpus};
use sigmund_sigma::condition::Condition;
use sigmund_sigma::correlation::{
    CorrelationType, Operator, TemporalCondition, parse_timespan, write_timespan,
};
use sigmund_sigma::value::Comparison;
use sigmund_sigma::{Collection, Correlation, Diagnostic, Loader, Rule, Search, Source, lint};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// SigmaHQ's folders and Confluent's, with the number of aggregations that they have.
fn corpora() -> Vec<(Vec<Source>, usize)> {
    let mut all = Vec::new();
    all.extend(corpus(&["unsupported", "deprecated"]).map(|sources| (sources, 55)));
    all.extend(confluent().map(|sources| (sources, 24)));
    all
}

/// The sources with an aggregation in a condition.
fn aggregating(sources: &[Source]) -> Vec<Source> {
    let aggregates = |source: &&Source| {
        source
            .text
            .lines()
            .any(|line| line.trim_start().starts_with("condition:") && line.contains('|'))
    };
    sources.iter().filter(aggregates).cloned().collect()
}

fn source_name(source: &str) -> &str {
    source.rsplit('/').next().unwrap_or_default()
}

/// What a correlation says, in one line.
fn said(correlation: &Correlation) -> String {
    let mut said = correlation.kind.name().to_owned();
    if !correlation.fields.is_empty() {
        said += &format!("({})", correlation.fields.join(", "));
    }
    if !correlation.group_by.is_empty() {
        said += &format!(" by {}", correlation.group_by.join(", "));
    }
    for (operator, threshold) in &correlation.conditions {
        said += &format!(" {} {threshold}", operator.name());
    }
    if let Some(condition) = &correlation.temporal_condition {
        said += &format!(" {}", tree(condition));
    }
    let timespan = correlation.timespan.map_or("ever".to_owned(), write_timespan);
    format!("{said} in {timespan}")
}

fn tree(condition: &TemporalCondition) -> String {
    let all = |members: &[TemporalCondition]| members.iter().map(tree).collect::<Vec<_>>();
    match condition {
        TemporalCondition::And(members) => format!("({})", all(members).join(" and ")),
        TemporalCondition::Or(members) => format!("({})", all(members).join(" or ")),
        TemporalCondition::Not(inner) => format!("not {}", tree(inner)),
        TemporalCondition::Rule(index) => index.to_string(),
    }
}

#[test]
fn every_aggregation_of_the_corpora_is_translated() {
    for (sources, expected) in corpora() {
        let sources = aggregating(&sources);
        assert_eq!(sources.len(), expected);
        let collection = Loader::default().load(&sources);
        assert_eq!(collection.diagnostics, []);
        assert_eq!(collection.correlations.len(), expected);
        let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
        for correlation in &collection.correlations {
            assert!(correlation.legacy && !correlation.generate);
            *kinds.entry(correlation.kind.name()).or_default() += 1;
            check_against_text(&sources, correlation);
            for reference in &correlation.rules {
                let rule = referenced(&collection, &reference.name);
                assert!(rule.silent && rule.metadata.id.is_none());
            }
        }
        let counted: &[(&str, usize)] = match expected {
            55 => &[("event_count", 23), ("temporal", 8), ("value_count", 22), ("value_sum", 2)],
            _ => &[("event_count", 2), ("value_count", 22)],
        };
        assert_eq!(kinds.into_iter().collect::<Vec<_>>(), counted);
    }
}

/// Reads the condition's line again, in another way than the loader does.
fn check_against_text(sources: &[Source], correlation: &Correlation) {
    let source = sources.iter().find(|source| source.name == correlation.metadata.source);
    let text = &source.expect("the source").text;
    let value = |key: &str| {
        let line = text.lines().find(|line| line.trim_start().starts_with(key))?;
        let line = line.split(" #").next()?;
        Some(line.trim_start()[key.len()..].trim().to_owned())
    };
    let condition = value("condition:").expect("a condition");
    let timeframe = value("timeframe:");
    #[expect(clippy::print_stderr, reason = "for eyes, with --nocapture")]
    {
        let name = source_name(&correlation.metadata.source);
        eprintln!("{name}\n    {condition} [{}]", timeframe.as_deref().unwrap_or("-"));
        eprintln!("    {}", said(correlation));
    }
    let timespan = timeframe.map(|text| parse_timespan(&text).expect("a time span"));
    assert_eq!(correlation.timespan, timespan);
    let aggregation = condition.split_once('|').expect("a pipe").1.trim().to_owned();
    if let Some(operands) = aggregation.strip_prefix("near ") {
        let names: Vec<&str> =
            operands.split(' ').filter(|word| !matches!(*word, "and" | "not")).collect();
        assert_eq!(correlation.rules.len(), names.len() + 1);
        for (name, reference) in names.iter().zip(&correlation.rules[1..]) {
            assert!(reference.name.ends_with(&format!("#{name}")), "{reference:?}");
        }
        assert_eq!(correlation.kind, CorrelationType::Temporal);
        return;
    }
    let mut words = aggregation.split_whitespace().collect::<Vec<_>>();
    let (value, sign) = (words.pop().expect("a value"), words.pop().expect("a sign"));
    let group =
        words.iter().position(|word| *word == "by").map(|at| words.split_off(at)[1].to_owned());
    assert_eq!(correlation.group_by, group.into_iter().collect::<Vec<_>>());
    let function = words.concat();
    let (function, field) =
        function.strip_suffix(')').and_then(|text| text.split_once('(')).expect("a call");
    assert_eq!(correlation.fields.concat(), field);
    let kind = match (function, field) {
        ("count", "") => CorrelationType::EventCount,
        ("count", _) => CorrelationType::ValueCount,
        ("sum", _) => CorrelationType::ValueSum,
        _ => panic!("{aggregation}"),
    };
    assert_eq!(correlation.kind, kind);
    let operator = match sign {
        ">" => Operator::Compare(Comparison::Gt),
        "<" => Operator::Compare(Comparison::Lt),
        _ => panic!("{aggregation}"),
    };
    assert_eq!(correlation.conditions, [(operator, value.into())]);
}

fn referenced<'a>(collection: &'a Collection, name: &str) -> &'a Rule {
    let named = |rule: &&Rule| rule.metadata.name.as_deref() == Some(name);
    let found: Vec<&Rule> = collection.rules.iter().filter(named).collect();
    assert_eq!(found.len(), 1, "{name}");
    found[0]
}

fn lint(sources: &[Source], collection: &Collection) -> Vec<Diagnostic> {
    lint::check(sources, collection, &lint::Options::default())
}

/// The sources with all fixes of aggregations, and the names of those whose fix is not safe.
fn fixed(sources: &[Source]) -> (Vec<Source>, BTreeSet<Arc<str>>) {
    let found = lint(sources, &Loader::default().load(sources));
    let mut unsafe_ones = BTreeSet::new();
    let mut out = Vec::new();
    for source in sources {
        let notes = found
            .iter()
            .filter(|note| note.code == "legacy-aggregation" && note.source == source.name);
        let mut edits = Vec::new();
        for note in notes {
            let fix = note.fix.as_ref().unwrap_or_else(|| panic!("no fix: {note:#?}"));
            if !fix.safe {
                unsafe_ones.insert(Arc::clone(&source.name));
            }
            edits.extend(&fix.edits);
        }
        assert!(!edits.is_empty(), "{}", source.name);
        edits.sort_by_key(|edit| std::cmp::Reverse(edit.span));
        let mut text = source.text.to_string();
        for edit in edits {
            text.replace_range(edit.span.range(), &edit.replacement);
        }
        out.push(Source { name: Arc::clone(&source.name), text: text.into() });
    }
    (out, unsafe_ones)
}

#[test]
fn the_fixes_of_the_corpora_say_the_same() {
    for (sources, expected) in corpora() {
        let sources = aggregating(&sources);
        let before = Loader::default().load(&sources);
        let (modern, unsafe_ones) = fixed(&sources);
        let after = Loader::default().load(&modern);
        assert_eq!(after.diagnostics, []);
        assert_eq!(after.correlations.len(), expected);
        let windowless = before.correlations.iter().filter(|one| one.timespan.is_none());
        let windowless: BTreeSet<Arc<str>> =
            windowless.map(|one| Arc::clone(&one.metadata.source)).collect();
        assert_eq!(unsafe_ones, windowless);
        assert_eq!(windowless.len(), if expected == 55 { 11 } else { 0 });
        for (old, new) in before.correlations.iter().zip(&after.correlations) {
            same_meaning((&before, old), (&after, new));
        }
        // What was clean stays clean, and nothing is left to fix.
        let codes = |found: &[Diagnostic]| {
            found
                .iter()
                .map(|finding| (source_name(&finding.source).to_owned(), finding.code))
                .collect::<BTreeSet<_>>()
        };
        let found_before = codes(&lint(&sources, &before));
        let found_after = codes(&lint(&modern, &after));
        let new = found_after.difference(&found_before);
        // Of the rules of a template, lint sees more when they are written out.
        let new: Vec<_> = new.filter(|(name, _)| name != "win_apt_apt29_tor.yml").collect();
        assert!(new.is_empty(), "{new:#?}");
        assert!(!found_after.iter().any(|(_, code)| code.starts_with("legacy-")));
        // The same again from the same.
        assert_eq!(
            fixed(&sources).0.iter().map(|source| &source.text).collect::<Vec<_>>(),
            modern.iter().map(|source| &source.text).collect::<Vec<_>>()
        );
        if let Some(folder) = std::env::var_os("SIGMUND_SHOW_FIXED") {
            for source in &modern {
                let path = std::path::Path::new(&folder).join(source_name(&source.name));
                std::fs::write(path, &*source.text).expect("written");
            }
        }
    }
}

fn same_meaning(old: (&Collection, &Correlation), new: (&Collection, &Correlation)) {
    let (a, b) = (old.1, new.1);
    let metadata = |correlation: &Correlation| {
        let metadata = &correlation.metadata;
        let texts = [
            Some(metadata.title.clone()),
            metadata.id.clone(),
            metadata.name.clone(),
            metadata.description.clone(),
            metadata.author.clone(),
            metadata.date.clone(),
            metadata.modified.clone(),
            Some(format!("{:?} {:?}", metadata.status, metadata.level)),
        ];
        let lists = [
            metadata.references.clone(),
            metadata.tags.clone(),
            metadata.falsepositives.clone(),
            metadata.fields.clone(),
        ];
        (texts, lists, metadata.custom.clone())
    };
    assert_eq!(metadata(a), metadata(b));
    assert!(a.legacy && !b.legacy && !b.generate);
    let model = |correlation: &Correlation| {
        let timespan = correlation.timespan.or(parse_timespan("1d").ok());
        said(&Correlation { timespan, ..correlation.clone() })
    };
    assert_eq!(model(a), model(b));
    assert_eq!(a.rules.len(), b.rules.len());
    for (one, other) in a.rules.iter().zip(&b.rules) {
        let (one, other) = (referenced(old.0, &one.name), referenced(new.0, &other.name));
        assert!(other.silent && other.metadata.id.is_some());
        assert_ne!(other.metadata.id, b.metadata.id);
        assert_eq!(searched(one), searched(other));
    }
}

/// What a rule looks for, without places and without selections that its condition does not use.
fn searched(rule: &Rule) -> String {
    let conditions: Vec<String> =
        rule.conditions.iter().map(|condition| condition_text(condition, rule)).collect();
    format!("{} {}", rule.logsource, conditions.join(" or "))
}

fn condition_text(condition: &Condition, rule: &Rule) -> String {
    let all = |members: &[Condition]| -> Vec<String> {
        members.iter().map(|member| condition_text(member, rule)).collect()
    };
    let selection = |index: &usize| {
        let selection = &rule.selections[*index];
        format!("{} = {}", selection.name, search_text(&selection.search))
    };
    match condition {
        Condition::And(members) => format!("all {:?}", all(members)),
        Condition::Or(members) => format!("any {:?}", all(members)),
        Condition::Not(inner) => format!("not {}", condition_text(inner, rule)),
        Condition::Selection(index, _) => selection(index),
        Condition::Of { all, pattern, selections, .. } => {
            let selections: Vec<String> = selections.iter().map(selection).collect();
            format!("{all} of {pattern} {selections:?}")
        }
    }
}

fn search_text(search: &Search) -> String {
    match search {
        Search::Any(members) => {
            format!("any {:?}", members.iter().map(search_text).collect::<Vec<_>>())
        }
        Search::All(items) => {
            let items = items.iter().map(|item| {
                let values = (&item.modifiers, &item.values, &item.matchers);
                format!("{:?} {values:?} {} {}", item.field, item.all, item.negated)
            });
            format!("{:?}", items.collect::<Vec<_>>())
        }
    }
}
