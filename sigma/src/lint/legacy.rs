//! Aggregations of Sigma version 1 (semantics section 15): the finding, with the modern form.

use super::collection::{Across, Loaded};
use super::document::Document;
use super::flatten;
use super::modern::{self, DEFAULT_TIMESPAN, Written};
use super::rewrite;
use crate::diagnostic::{Edit, Fix};
use crate::yaml::{self, Node};
use crate::{Correlation, Diagnostic, Span};
use std::sync::Arc;

/// Reports the aggregation that `correlation` was translated from.
pub(super) fn check(
    document: &Document<'_>,
    correlation: &Correlation,
    loaded: &Loaded<'_>,
    across: &mut Across,
    found: &mut Vec<Diagnostic>,
) {
    let place = document.conditions().first().map_or(document.head(), |node| node.span);
    let finding = Diagnostic::note("legacy-aggregation", place, "aggregation of Sigma version 1")
        .with_note("it is translated; other Sigma tools refuse it")
        .with_help("write a correlation rule");
    let finding = if document.templates {
        of_collection(finding, document, loaded, across)
    } else {
        of_rule(finding, document, loaded, across)
    };
    found.push(finding);
    if correlation.timespan.is_none() {
        let message = "aggregation without `timeframe` counts without end";
        found.push(
            Diagnostic::warning("legacy-without-timeframe", place, message)
                .with_help("add e.g. `timeframe: 5m` to `detection`"),
        );
    }
}

fn of_rule(
    finding: Diagnostic,
    document: &Document<'_>,
    loaded: &Loaded<'_>,
    across: &mut Across,
) -> Diagnostic {
    let Some(aggregation) = document.root.get("detection").and_then(Written::read) else {
        return finding;
    };
    let source = document.source;
    let stem = modern::stem(&source.name, document.stream.len(), document.root);
    let names = names(&aggregation, &stem, loaded, across);
    let mut parts = Parts::default();
    parts.add(document.root, &aggregation, loaded);
    let finding = Form::new(&aggregation, &names).on(finding);
    match rewrite::edits(&source.text, document.written, &aggregation, &names) {
        Some(edits) => parts.with_fix(finding, edits),
        None => finding,
    }
}

/// A collection is taken apart as a whole, by the fix of its first aggregation.
fn of_collection(
    finding: Diagnostic,
    document: &Document<'_>,
    loaded: &Loaded<'_>,
    across: &mut Across,
) -> Diagnostic {
    let source = document.source;
    let known = across.flattened.as_ref().filter(|flattened| flattened.source == source.name);
    if let Some(flattened) = known {
        let form = flattened.forms.iter().find(|(origin, _)| *origin == document.span.start);
        let Some((_, form)) = form else { return finding };
        return form
            .on(finding)
            .with_note("the fix of the first aggregation of this file is for all of it");
    }
    let mut flattened = Flattened { source: Arc::clone(&source.name), forms: Vec::new() };
    let mut parts = Parts::default();
    let text = rewritten(document, loaded, across, &mut flattened.forms, &mut parts);
    let own = flattened.forms.iter().find(|(origin, _)| *origin == document.span.start);
    let finding = own.map_or(finding.clone(), |(_, form)| form.on(finding));
    across.flattened = Some(flattened);
    let Some(text) = text else { return finding };
    let span = Span::new(0, source.text.len());
    parts.with_fix(finding, vec![Edit { span, replacement: text }])
}

/// The modern forms in a collection that is taken apart.
pub(super) struct Flattened {
    source: Arc<str>,
    /// By the place of the document.
    forms: Vec<(u32, Form)>,
}

/// The text of a collection with all its aggregations rewritten.
fn rewritten(
    document: &Document<'_>,
    loaded: &Loaded<'_>,
    across: &mut Across,
    forms: &mut Vec<(u32, Form)>,
    parts: &mut Parts,
) -> Option<String> {
    let source = document.source;
    let flat = flatten::documents(&source.text, document.stream)?;
    let newline = if source.text.contains("\r\n") { "\r\n" } else { "\n" };
    let mut text = String::new();
    for one in &flat {
        let stream = yaml::parse(&one.text);
        let written = stream.documents.first()?;
        let mut part = one.text.clone();
        if let Some(aggregation) = written.root.get("detection").and_then(Written::read) {
            let stem = modern::stem(&source.name, flat.len(), &written.root);
            let names = names(&aggregation, &stem, loaded, across);
            forms.push((one.origin, Form::new(&aggregation, &names)));
            parts.add(&written.root, &aggregation, loaded);
            for edit in rewrite::edits(&one.text, written, &aggregation, &names)?.iter().rev() {
                part.replace_range(edit.span.range(), &edit.replacement);
            }
        }
        if !text.is_empty() {
            text.push_str(&format!("---{newline}"));
        }
        text.push_str(part.trim_end());
        text.push_str(newline);
    }
    Some(text)
}

fn names(
    aggregation: &Written<'_>,
    stem: &str,
    loaded: &Loaded<'_>,
    across: &mut Across,
) -> Vec<String> {
    let given = &across.given;
    let names = aggregation.names(stem, &mut |name| loaded.knows(name) || given.contains(name));
    across.given.extend(names.iter().cloned());
    names
}

/// How the aggregation is said in Sigma 2.
struct Form {
    note: String,
    help: String,
}

impl Form {
    fn new(aggregation: &Written<'_>, names: &[String]) -> Self {
        let note = match names {
            [name] => format!("`{name}` is this rule without the aggregation and `timeframe`"),
            _ => "each of these rules has one of the searches for its condition".to_owned(),
        };
        let decide = if aggregation.has_window() { "" } else { "decide on a window and " };
        Self { note, help: format!("{decide}write `{}`", aggregation.line(names)) }
    }

    fn on(&self, finding: Diagnostic) -> Diagnostic {
        finding.with_note(&*self.note).with_help(&*self.help)
    }
}

/// What keeps the fix of one or several aggregations from being safe.
#[derive(Default)]
struct Parts {
    filtered: bool,
    windowless: bool,
    sooner: bool,
}

impl Parts {
    fn add(&mut self, root: &Node, aggregation: &Written<'_>, loaded: &Loaded<'_>) {
        // Filters apply to rules, not to correlations: this one would lose its rule.
        let own = |key: &str| root.get(key).and_then(Node::non_null_text);
        self.filtered |=
            ["id", "name"].into_iter().filter_map(own).any(|name| loaded.filters(name));
        self.windowless |= !aggregation.has_window();
        self.sooner |= aggregation.is_sooner();
    }

    fn with_fix(&self, mut finding: Diagnostic, edits: Vec<Edit>) -> Diagnostic {
        let mut message = "write a correlation and what it counts".to_owned();
        if self.filtered {
            let note = "a filter names this rule; it will have to name what the correlation counts";
            finding = finding.with_note(note);
        }
        if self.windowless {
            message.push_str(&format!(", with a window of `{DEFAULT_TIMESPAN}`"));
            let note = "a correlation needs a window: with a `timeframe` the fix is safe";
            finding = finding.with_note(note);
        }
        if self.sooner {
            let note = "the aggregation alerts at the hit that makes it true; \
                        the correlation is decided when its window closes";
            finding = finding.with_note(note);
        }
        let safe = !self.filtered && !self.windowless && !self.sooner;
        finding.with_fix(Fix { message, edits, safe })
    }
}

#[cfg(test)]
mod tests {
    use crate::lint::{Options, check};
    use crate::{Collection, Diagnostic, Loader, Source};
    use proptest::strategy::Strategy as _;

    const RULE: &str = "\
# By the team.
title: 'Many: Odd'
id: 6f1a2a3e-52c8-4f3d-9c26-0c7f5a1b2c3d
level: low # for now
# Where it is.
logsource:
    product: windows
    category: process_creation
detection:
    # What.
    selection:
        Image: x # an image
    timeframe: 5m # not longer
    condition: selection | count() by User, Host >= 5 # or so
falsepositives:
    - None
";

    fn load(name: &str, text: &str) -> (Vec<Source>, Collection) {
        let sources = vec![Source { name: name.into(), text: text.into() }];
        let collection = Loader::default().load(&sources);
        assert_eq!(collection.diagnostics, [], "{text}");
        (sources, collection)
    }

    fn notes(name: &str, text: &str) -> Vec<Diagnostic> {
        let (sources, collection) = load(name, text);
        let mut found = check(&sources, &collection, &Options::default());
        found.retain(|finding| finding.code == "legacy-aggregation");
        found
    }

    fn apply(text: &str, note: &Diagnostic) -> String {
        let mut text = text.to_owned();
        let mut edits = note.fix.clone().expect("a fix").edits;
        edits.sort_by_key(|edit| std::cmp::Reverse(edit.span));
        for edit in edits {
            text.replace_range(edit.span.range(), &edit.replacement);
        }
        text
    }

    fn fixed(text: &str) -> String {
        let notes = notes("odd_thing.yml", text);
        assert!(notes[0].fix.as_ref().is_some_and(|fix| fix.safe), "{notes:#?}");
        let text = apply(text, &notes[0]);
        let (_, collection) = load("odd_thing.yml", &text);
        assert!(collection.correlations.iter().all(|correlation| !correlation.legacy));
        assert!(collection.rules.iter().all(|rule| rule.silent));
        text
    }

    #[test]
    fn the_rule_becomes_the_correlation() {
        assert_eq!(
            fixed(RULE),
            "\
# By the team.
title: 'Many: Odd'
id: 6f1a2a3e-52c8-4f3d-9c26-0c7f5a1b2c3d
level: low # for now
correlation:
    type: event_count
    rules:
        - odd_thing_events
    group-by:
        - User
        - Host
    timespan: 5m # not longer
    condition:
        gte: 5
falsepositives:
    - None
---
title: 'Many: Odd - Events'
id: 5faa447e-9dce-46c3-8140-f634daff5612
name: odd_thing_events
description: 'The events that the correlation Many: Odd counts.'
# Where it is.
logsource:
    product: windows
    category: process_creation
detection:
    # What.
    selection:
        Image: x # an image
    condition: selection # or so
level: informational
"
        );
        assert_eq!(fixed(&RULE.replace('\n', "\r\n")), fixed(RULE).replace('\n', "\r\n"));
        assert_eq!(fixed(RULE.trim_end()), fixed(RULE).trim_end());
        assert_eq!(fixed(&format!("---\n{RULE}...\n")), format!("---\n{}...\n", fixed(RULE)));
    }

    #[test]
    fn the_note_shows_the_modern_form() {
        let help = |condition: &str| {
            let text = RULE.replace("selection | count() by User, Host >= 5", condition);
            notes("odd_thing.yml", &text)[0].help.clone().unwrap_or_default()
        };
        assert_eq!(
            help("selection | max(Size) by id.orig_h, 'a < 1.5"),
            "write `correlation: {type: value_percentile, rules: [odd_thing_events], \
             group-by: [id.orig_h, '''a'], timespan: 5m, \
             condition: {field: Size, percentile: 100, lt: 1.5}}`"
        );
        assert_eq!(
            help("selection | near selection"),
            "write `correlation: {type: temporal, rules: [odd_thing_selection, \
             odd_thing_selection_2], timespan: 5m, \
             condition: odd_thing_selection and odd_thing_selection_2}`"
        );
    }

    #[test]
    fn conditions_of_all_styles_are_cut() {
        let search = |condition: &str| {
            let text = RULE.replace(
                "condition: selection | count() by User, Host >= 5 # or so",
                &format!("condition: {condition}"),
            );
            let text = fixed(&text);
            let after = text.rsplit("    condition: ").next().unwrap_or_default();
            after.split("\nlevel").next().unwrap_or_default().to_owned()
        };
        assert_eq!(search("'selection | count() > 5'"), "'selection'");
        assert_eq!(search("\"selection | count() > 5\" # x"), "\"selection\" # x");
        assert_eq!(
            search("selection or\n        selection\n        | count() > 5"),
            "selection or selection"
        );
        assert_eq!(search(">-\n        selection\n        | count() > 5"), ">-\n        selection");
        assert_eq!(search("\n        - selection | count() > 5"), "\n        - selection");
    }

    #[test]
    fn what_would_change_the_meaning_is_not_safe() {
        let is_safe = |text: &str| {
            let notes = notes("odd_thing.yml", text);
            notes[0].fix.as_ref().map(|fix| fix.safe)
        };
        assert_eq!(is_safe(RULE), Some(true));
        let without = RULE.replace("    timeframe: 5m # not longer\n", "");
        assert_eq!(is_safe(&without), Some(false));
        let note = &notes("odd_thing.yml", &without)[0];
        assert!(apply(&without, note).contains("    timespan: 1d\n"));
        assert_eq!(is_safe(&without.replace(">= 5", ">= 5 within 90s")), Some(true));
        let filter = |rules: &str| {
            format!(
                "{RULE}---\ntitle: F\nlogsource: {{product: windows}}\nfilter:\n    rules: {rules}\n    \
                 sel: {{User: x}}\n    condition: not sel\n"
            )
        };
        assert_eq!(is_safe(&filter("any")), Some(true));
        // These alert at hits, and a correlation would not.
        for (condition, safe) in
            [("count() == 5", false), ("min(x) < 5", false), ("max(x) < 5", true)]
        {
            let rule = RULE.replace("count() by User, Host >= 5", condition);
            assert_eq!(is_safe(&rule), Some(safe), "{rule}");
            let (sources, collection) = load("odd_thing.yml", &rule);
            let found = check(&sources, &collection, &Options::default());
            let late = found.iter().any(|finding| finding.code == "correlation-upper-bound");
            assert_eq!(late, safe, "{rule}");
        }
        assert_eq!(is_safe(&filter("[6f1a2a3e-52c8-4f3d-9c26-0c7f5a1b2c3d]")), Some(false));
        // In flow style, or with parts elsewhere, nothing can be moved by lines.
        let flow = "{selection: {Image: x}, timeframe: 5m, condition: selection | count() > 5}";
        let start = RULE.split("detection:").next().unwrap_or_default();
        assert_eq!(is_safe(&format!("{start}detection: {flow}\n")), None);
        let anchored = RULE
            .replace("- None", "- &none None")
            .replace("Image: x", "Image: x\n        User: &u y");
        assert_eq!(is_safe(&anchored), Some(true));
        let alias = anchored.replace("falsepositives", "fields: [*u]\nfalsepositives");
        assert_eq!(is_safe(&alias), None);
    }

    #[test]
    fn collections_are_taken_apart_once() {
        let text = "\
# All of it.
action: global
title: T
id: 6f1a2a3e-52c8-4f3d-9c26-0c7f5a1b2c3d
level: low
detection:
    timeframe: 5m
    condition: selection | count() > 5
---
# The first.
logsource:
    product: windows
detection:
    selection:
        Image: x
---
action: repeat
title: U
id: 7f1a2a3e-52c8-4f3d-9c26-0c7f5a1b2c3d
logsource:
    product: linux
";
        let found = notes("a.yml", text);
        assert_eq!(found.len(), 2);
        assert!(found[1].fix.is_none());
        let fixed = apply(text, &found[0]);
        assert!(fixed.starts_with("# All of it.\n# The first.\ntitle: T\n"), "{fixed}");
        for (note, name) in found.iter().zip(["t_events", "u_events"]) {
            assert!(note.help.as_ref().is_some_and(|help| help.contains(name)), "{note:?}");
        }
        let (_, collection) = load("a.yml", &fixed);
        assert_eq!((collection.rules.len(), collection.correlations.len()), (2, 2));
        assert_eq!(collection.rules[1].logsource.to_string(), "linux/-");
        assert_eq!(notes("a.yml", &fixed), []);
    }

    #[test]
    fn names_are_given_once() {
        let two = format!("{RULE}---\n{}", RULE.replace("6f1a", "7f1a"));
        let found = notes("odd_thing.yml", &two);
        let help = |at: usize| found[at].help.clone().unwrap_or_default();
        assert!(help(0).contains("[many_odd_events]"), "{}", help(0));
        assert!(help(1).contains("[many_odd_events_2]"), "{}", help(1));
    }

    /// What a correlation says, its windows and rules apart.
    fn model(collection: &Collection) -> String {
        let correlation = &collection.correlations[0];
        let condition = (&correlation.conditions, &correlation.temporal_condition);
        let fields = (&correlation.group_by, &correlation.fields, correlation.timespan);
        let title = (&correlation.metadata.title, &correlation.metadata.id);
        let rules = correlation.rules.len();
        format!("{title:?} {:?} {fields:?} {condition:?} {rules}", correlation.kind)
    }

    proptest::proptest! {
        #[test]
        fn every_order_of_keys_is_rewritten(
            top in proptest::sample::subsequence(vec![
                "# one\nlevel: low # é\n",
                "id: 6f1a2a3e-52c8-4f3d-9c26-0c7f5a1b2c3d\n\n",
                "description: |\n    # no comment\n    text\n\n",
                "falsepositives:\n- x # y\n# z\n",
                "date:\n",
                "author: >-\n  a\n  b\n",
            ], 0..=6).prop_shuffle(),
            inner in proptest::sample::select(vec![
                ["timeframe: 5m # t", "# c\n    condition: CONDITION # d", "sel:\n        a: b", "x:\n      - y: 'z'"],
                ["sel: {a: b}", "x: {y: [z]}", "condition: \"CONDITION\"", "timeframe: '5m'"],
                ["# s\n    sel:\n        a:", "condition: 'CONDITION'", "x: y # z", "timeframe:   5m\n\n    # end"],
            ]),
            condition in proptest::sample::select(vec![
                "sel and not x | count() by p, q >= 5",
                "1 of s* | count(r) < 3",
                "(sel or x) | sum(r) by p == 3.5",
                "sel | near x and not sel",
                "x | near sel",
            ]),
            places in (0..7usize, 0..7usize),
            ends in (proptest::bool::ANY, proptest::bool::ANY, proptest::bool::ANY),
        ) {
            let detection = inner.iter().map(|lines| format!("    {lines}\n")).collect::<String>();
            let detection = format!("# d\ndetection: # e\n{}", detection.replace("CONDITION", condition));
            let mut keys: Vec<&str> = top;
            keys.insert(places.0.min(keys.len()), "logsource:\n    product: p\n# f\n");
            keys.insert(places.1.min(keys.len()), &detection);
            let mut text = format!("title: T\n{}", keys.concat());
            if ends.0 {
                text.truncate(text.trim_end().len());
            }
            if ends.1 {
                text = format!("---\n{text}\n---\ntitle: U\nlogsource: {{product: p}}\ndetection: {{s: {{a: b}}, condition: s}}\n");
            }
            if ends.2 {
                text = text.replace('\n', "\r\n");
            }
            let (_, before) = load("a_rule.yml", &text);
            let note = &notes("a_rule.yml", &text)[0];
            let fixed = apply(&text, note);
            let (_, after) = load("a_rule.yml", &fixed);
            let timespan = before.correlations[0].timespan;
            proptest::prop_assert_eq!(timespan, Some(300_000_000_000));
            proptest::prop_assert_eq!(
                model(&before),
                model(&after),
                "{}\n{}", text, fixed
            );
            for comment in ["# e", "# f", "# d\n"] {
                proptest::prop_assert!(fixed.replace('\r', "").contains(comment) || ends.0, "{}\n{}", text, fixed);
            }
            proptest::prop_assert_eq!(notes("a_rule.yml", &fixed), vec![]);
        }

        #[test]
        fn no_layout_panics(
            text in "(title: T\n|id: x\n|logsource:\n  product: p\n|detection:\n|  sel:\n    a: b\n|  sel: \\{a: b\\}\n|  timeframe: 5m\n|  condition: sel \\| count\\(\\) > 5\n|  condition: [>'\"]-?\n   sel \\| near sel['\"]?\n|---\n|\\.\\.\\.\n|# é\n|action: (global|repeat|reset)\n|\r\n|\n| |\u{feff}){0,16}",
        ) {
            let sources = [Source { name: "a.yml".into(), text: text.as_str().into() }];
            let collection = Loader::default().load(&sources);
            for finding in check(&sources, &collection, &Options::default()) {
                if let Some(fix) = &finding.fix {
                    for edit in &fix.edits {
                        assert!(text.get(edit.span.range()).is_some());
                    }
                }
            }
        }
    }
}
