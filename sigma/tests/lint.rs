//! Lint over the shared rule corpus: good public rules must not be screamed at. The corpus lives
//! outside of this repository; without it these tests say what they skip.

use crate::shared::{ACTIVE, corpus, rule_files, shared};
use sigmund_sigma::lint::{self, Taxonomy};
use sigmund_sigma::pipeline::logsource_mapping::LogSourceMapping;
use sigmund_sigma::{Diagnostic, Loader, LogSource, Severity};
use std::collections::BTreeMap;
use std::path::Path;

/// Findings by code, the most frequent first, with an example each.
fn report(found: &[Diagnostic]) -> Vec<(usize, String)> {
    let mut counts: BTreeMap<(&str, Severity), (usize, String)> = BTreeMap::new();
    for finding in found {
        let entry = counts.entry((finding.code, finding.severity)).or_default();
        entry.0 += 1;
        if entry.0 <= 3 {
            entry.1.push_str(&format!("\n      {}: {}", finding.source, finding.message));
        }
    }
    let mut lines: Vec<(usize, String)> = counts
        .into_iter()
        .map(|((code, severity), (count, example))| {
            (count, format!("{count:6} {severity:?} {code}{example}"))
        })
        .collect();
    lines.sort_by_key(|(count, _)| std::cmp::Reverse(*count));
    lines
}

#[test]
fn good_public_rules_are_not_screamed_at() {
    let Some(sources) = corpus(&ACTIVE) else { return };
    let collection = Loader::default().load(&sources);
    let started = std::time::Instant::now();
    let found = lint::check(&sources, &collection, &lint::Options::default());
    let seconds = started.elapsed().as_secs_f64();
    #[expect(clippy::print_stderr, reason = "the figures are wanted with --nocapture")]
    {
        eprintln!("{} findings in {seconds:.2} s", found.len());
        for (_, line) in report(&found) {
            eprintln!("{line}");
        }
    }
    let warnings: Vec<&Diagnostic> =
        found.iter().filter(|finding| finding.severity >= Severity::Warning).collect();
    assert!(warnings.len() * 20 <= sources.len(), "{} warnings", warnings.len());
    assert!(found.len() <= sources.len(), "{} findings", found.len());
}

#[test]
fn the_starter_pack_is_clean() {
    let mut sources = Vec::new();
    rule_files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../rules"), &mut sources);
    sources.retain(|source| !source.name.ends_with(".test.yml"));
    assert!(!sources.is_empty());
    let collection = Loader::default().load(&sources);
    assert_eq!(collection.diagnostics, []);
    assert_eq!(lint::check(&sources, &collection, &lint::Options::default()), []);
}

#[test]
fn the_taxonomy_of_the_corpus_can_be_used() {
    let Some(root) = shared("corpus/sigmahq") else { return };
    let text = std::fs::read_to_string(root.join("tests/logsource.json")).expect("text");
    let taxonomy = Taxonomy::parse("logsource.json", &text).expect("a taxonomy");
    let proxy = taxonomy.fields(&LogSource::new(None, Some("proxy"), None)).expect("known");
    assert!(proxy.contains(&"c-useragent"));
    let Some(sources) = corpus(&ACTIVE) else { return };
    let collection = Loader::default().load(&sources);
    let options = lint::Options { taxonomy: Some(taxonomy), ..lint::Options::default() };
    let found = lint::check(&sources, &collection, &options);
    #[expect(clippy::print_stderr, reason = "the figures are wanted with --nocapture")]
    for (_, line) in report(&found).iter().filter(|(_, line)| line.contains("unknown-")) {
        eprintln!("{line}");
    }
    let unknown = found.iter().filter(|finding| finding.code == "unknown-field").count();
    assert!(unknown * 20 <= sources.len(), "{unknown} unknown fields");
}

#[test]
fn the_log_source_mapping_of_the_corpus_is_read() {
    let Some(root) = shared("corpus/sigmahq") else { return };
    let text = std::fs::read_to_string(root.join("tests/thor.yml")).expect("text");
    let (mapping, found) = LogSourceMapping::parse("thor.yml", &text);
    assert_eq!(found, []);
    let creation: Vec<_> = mapping
        .entries
        .iter()
        .filter(|entry| {
            entry.logsource == LogSource::new(Some("windows"), Some("process_creation"), None)
        })
        .collect();
    assert_eq!(creation.len(), 2);
    let security = LogSource::new(Some("windows"), None, Some("security"));
    assert!(creation.iter().any(|entry| {
        entry.rewrite.as_ref() == Some(&security)
            && entry.conditions == [("EventID".to_owned(), vec!["4688".to_owned()])]
            && entry
                .field_mappings
                .iter()
                .any(|(from, to)| from == "Image" && to == &["NewProcessName"])
    }));
}
