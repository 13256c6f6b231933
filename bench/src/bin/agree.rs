//! Holds the compiled matcher against the plain evaluator on real logs: every rule on every event that it sees.
//!
//! `cargo run --release -p sigmund-bench --bin agree -- [--rules DIR]... [--no-routing] [--every N] [--forgetful] LOGS...`
#![expect(clippy::print_stdout, reason = "it is a report")]

use sigmund_bench::agree::{Agreement, Options};
use sigmund_bench::files::{compile, files, rule_sources};
use std::path::PathBuf;
use std::process::ExitCode;

const USAGE: &str = "usage: agree [--rules DIR]... [--no-routing] [--every N] [--forgetful] LOGS...
  --rules DIR    rules, by default those in `rules`
  --no-routing   every rule on every event, whatever their log sources
  --every N      only every Nth event of a log
  --forgetful    compare also with a matcher without memories";

struct Arguments {
    rules: Vec<PathBuf>,
    logs: Vec<PathBuf>,
    options: Options,
}

fn arguments() -> Option<Arguments> {
    let mut found = Arguments { rules: Vec::new(), logs: Vec::new(), options: Options::default() };
    let mut given = std::env::args().skip(1);
    while let Some(argument) = given.next() {
        match &*argument {
            "--rules" => found.rules.push(given.next()?.into()),
            "--no-routing" => found.options.unfiltered = true,
            "--forgetful" => found.options.forgetful = true,
            "--every" => found.options.every = given.next()?.parse().ok().filter(|n| *n > 0)?,
            _ if argument.starts_with('-') => return None,
            _ => found.logs.push(argument.into()),
        }
    }
    if found.rules.is_empty() {
        found.rules.push("rules".into());
    }
    (!found.logs.is_empty()).then_some(found)
}

fn compare(arguments: Arguments) -> std::io::Result<ExitCode> {
    let ruleset = compile(&rule_sources(&arguments.rules)?);
    let rules = ruleset.rules().len();
    let mut agreement = Agreement::new(ruleset, arguments.options);
    let mut logs = Vec::new();
    for path in &arguments.logs {
        files(path, &mut logs)?;
    }
    logs.iter().for_each(|path| agreement.log(path));
    let report = agreement.report();
    report.unread.iter().for_each(|problem| println!("not read whole: {problem}"));
    report.shown.iter().for_each(|difference| println!("differs: {difference}"));
    println!("{} logs, {} pairs of a rule and an event that it sees", logs.len(), report.pairs);
    println!(
        "agree: {} events, {rules} rules, {} detections, {} differences",
        report.events, report.detections, report.differences
    );
    let compared = report.events > 0 && rules > 0;
    Ok(if report.differences == 0 && compared { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn main() -> ExitCode {
    let Some(arguments) = arguments() else {
        println!("{USAGE}");
        return ExitCode::from(2);
    };
    match compare(arguments) {
        Ok(code) => code,
        Err(error) => {
            println!("cannot read: {error}");
            ExitCode::from(2)
        }
    }
}
