//! Loads the shared rule corpus and the conformance cases that must be refused. Both live outside
//! of this repository; without them these tests say what they skip.

use crate::shared::{ACTIVE, corpus, shared};
use sigmund_sigma::{Collection, Loader, Severity, Source};
use std::sync::Arc;

fn text_of(collection: &Collection) -> Vec<String> {
    let line = |d: &sigmund_sigma::Diagnostic| format!("{}: {} {:?}", d.source, d.message, d.span);
    collection.diagnostics.iter().map(line).collect()
}

#[test]
fn all_active_corpus_rules_load() {
    let Some(sources) = corpus(&ACTIVE) else { return };
    let started = std::time::Instant::now();
    let collection = Loader::default().load(&sources);
    let seconds = started.elapsed().as_secs_f64();
    #[expect(clippy::print_stderr, reason = "the figure is wanted with --nocapture")]
    {
        eprintln!("{} files in {seconds:.3} s", sources.len());
    }
    let unresolved =
        collection.diagnostics.iter().filter(|d| d.code == "unresolved-placeholder").count();
    assert_eq!(unresolved, collection.diagnostics.len(), "{:#?}", text_of(&collection));
    assert_eq!(collection.diagnostics.len(), 2, "{:#?}", text_of(&collection));
    assert_eq!(collection.rules.len() + unresolved, 3754);

    let placeholders = vec![("known_cdcs".to_owned(), vec!["DC01".to_owned()])];
    let collection = Loader { placeholders, ..Loader::default() }.load(&sources);
    assert_eq!(text_of(&collection), Vec::<String>::new());
    assert_eq!(collection.rules.len(), 3754);
}

#[test]
fn inactive_corpus_rules_load_or_are_explained() {
    let Some(sources) =
        corpus(&["rules-placeholder", "rules-compliance", "unsupported", "deprecated"])
    else {
        return;
    };
    let collection = Loader::default().load(&sources);
    let mut unexpected: Vec<&str> = collection
        .diagnostics
        .iter()
        .filter(|d| d.code != "unresolved-placeholder")
        .map(|d| d.message.as_str())
        .collect();
    unexpected.sort_unstable();
    // Four rules in `unsupported` have prose for a condition.
    assert_eq!(
        unexpected,
        [
            "undefined selection `count`",
            "undefined selection `write`",
            "undefined selection `write`",
            "undefined selection `write`",
        ]
    );
}

#[test]
fn conformance_cases_load_or_are_refused_as_stated() {
    let Some(cases) = shared("conformance/open") else { return };
    let text = std::fs::read_to_string(cases.join("all.json")).expect("cases");
    let cases: serde_yaml::Value = serde_yaml::from_str(&text).expect("valid");
    let mut wrong = Vec::new();
    let mut refused = 0;
    for case in cases["cases"].as_sequence().expect("list") {
        let name = case["name"].as_str().expect("name");
        let rules = case["rules"].as_str().expect("rules");
        let mut loader = Loader::default();
        if let Some(values) = case["pipeline"]["placeholders"].as_mapping() {
            for (key, value) in values {
                let scalar = |value: &serde_yaml::Value| {
                    value
                        .as_str()
                        .map_or_else(|| value.as_i64().expect("number").to_string(), str::to_owned)
                };
                let values = match value.as_sequence() {
                    Some(list) => list.iter().map(scalar).collect(),
                    None => vec![scalar(value)],
                };
                loader.placeholders.push((key.as_str().expect("name").to_owned(), values));
            }
        }
        let source = Source { name: name.into(), text: Arc::from(rules) };
        let collection = loader.load(&[source]);
        let errors: Vec<&str> = collection
            .diagnostics
            .iter()
            .filter(|d| d.severity == Severity::Error)
            .map(|d| d.message.as_str())
            .collect();
        let must_fail = case["expect"]["load"].as_str() == Some("error");
        refused += usize::from(must_fail);
        if must_fail == errors.is_empty() {
            wrong.push(format!("{name}: {errors:?}"));
        }
        for diagnostic in &collection.diagnostics {
            assert!(diagnostic.help.is_some(), "{name}: no help for {:?}", diagnostic.message);
            assert!(rules.get(diagnostic.span.range()).is_some(), "{name}: {:?}", diagnostic.span);
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
    assert!(refused >= 40, "{refused}");
}
