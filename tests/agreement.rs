//! The compiled matcher and the plain evaluator agree on real events with all rules (law 3).
//!
//! Here on a part of each log; on every event with the command in `bench/src/bin/agree.rs`.

#![expect(clippy::print_stdout, reason = "the result is the printed report")]

use crate::shared::shared;
use sigmund_bench::agree::{Agreement, Options};
use sigmund_bench::files::{compile, files, rule_sources};
use std::path::PathBuf;

#[test]
fn real_events_give_the_same_with_and_without_compilation() {
    let (Some(corpus), Some(bench), Some(samples)) =
        (shared("corpus/sigmahq"), shared("bench"), shared("samples"))
    else {
        return;
    };
    let active = ["rules", "rules-emerging-threats", "rules-threat-hunting"];
    let mut folders: Vec<PathBuf> = active.iter().map(|folder| corpus.join(folder)).collect();
    folders.push(PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/rules")));
    let ruleset = compile(&rule_sources(&folders).unwrap());
    let rules = ruleset.rules().len();
    assert!(rules > 3_000, "only {rules} rules were found");
    let part = Options { every: 7, part: 64 << 10, ..Options::default() };
    let mut agreement = Agreement::new(ruleset, part);
    let mut logs = Vec::new();
    files(&bench, &mut logs).unwrap();
    files(&samples, &mut logs).unwrap();
    logs.iter().for_each(|path| agreement.log(path));
    let report = agreement.report();
    report.unread.iter().for_each(|problem| println!("not read whole: {problem}"));
    report.shown.iter().for_each(|difference| println!("differs: {difference}"));
    println!(
        "agreement: {} events, {} pairs, {rules} rules, {} detections, {} differences",
        report.events, report.pairs, report.detections, report.differences
    );
    assert_eq!(report.differences, 0, "the compiled matcher differs");
    assert!(report.detections > 0, "nothing matched, so nothing was compared");
}
