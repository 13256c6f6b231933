//! The Sigma conformance cases: `SIGMUND_CONFORMANCE=DIR cargo test --release conformance -- --nocapture`.
//! Without the variable, those beside the repository.

#![expect(clippy::print_stdout, reason = "the result is the printed report")]

mod alerts;
mod case;
mod evaluate;
mod permutations;

use case::Case;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

#[test]
fn all_cases_agree() {
    let cases = match std::env::var_os("SIGMUND_CONFORMANCE") {
        Some(directory) => {
            let cases = cases(Path::new(&directory));
            assert!(!cases.is_empty(), "no case in {}", PathBuf::from(directory).display());
            cases
        }
        None => match crate::shared::shared("conformance/open") {
            Some(directory) => cases(&directory),
            None => return,
        },
    };
    run(&cases);
}

/// Runs the cases and ends with the line that tools look for.
fn run(cases: &[Case]) {
    let differing = report(cases, evaluate::differences);
    println!("conformance: {} of {} agree", cases.len() - differing, cases.len());
    assert_eq!(differing, 0, "cases differ");
}

/// Names each case that differs, and counts them.
fn report(cases: &[Case], differences: fn(&Case) -> Vec<String>) -> usize {
    let mut differing = 0;
    for case in cases {
        let found = catch_unwind(AssertUnwindSafe(|| differences(case)))
            .unwrap_or_else(|_| vec!["panicked".to_owned()]);
        if !found.is_empty() {
            differing += 1;
            println!("differs: {}", case.name);
            found.iter().for_each(|difference| println!("    {difference}"));
        }
    }
    differing
}

/// All cases of a directory. One that is there as YAML and in `all.json` counts once, and both must read the same.
fn cases(directory: &Path) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    let files = case::files(directory)
        .unwrap_or_else(|error| panic!("cannot read {}: {error}", directory.display()));
    for file in files {
        let read = case::read(&file)
            .unwrap_or_else(|error| panic!("cannot read {}: {error}", file.display()));
        for case in read {
            match cases.iter().find(|known| known.name == case.name) {
                None => cases.push(case),
                Some(known) => {
                    assert_eq!(*known, case, "{} has another {}", file.display(), case.name);
                }
            }
        }
    }
    cases
}
