//! `sigmund test`: run the tests of rules.

use super::Status;
use crate::args::{Test, TestFormat};
use crate::encode::pretty_json;
use crate::printer::Printer;
use crate::render;
use crate::render::checkout::Checkout;
use crate::rule_test::{Tested, Tests, Verdict};
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};
use serde_json::json;
use sigmund_stream::words::visible;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

pub(super) fn run(args: &Test, printer: &Printer) -> anyhow::Result<Status> {
    let paths = if args.paths.is_empty() { vec![PathBuf::from(".")] } else { args.paths.clone() };
    let tests = Tests::find(&paths);
    for (path, reason) in &tests.unreadable {
        printer.error(&format!("cannot read `{}`: {reason}", path.display()));
    }
    if tests.is_empty() {
        anyhow::bail!(
            "no tests found; write `name.test.yml` beside a rule (`sigmund test --help`)"
        );
    }
    let tested = tests.run(&args.log_options)?;
    let format = args.format.unwrap_or_else(|| {
        if std::env::var_os("GITHUB_ACTIONS").is_some_and(|value| value == "true") {
            TestFormat::Github
        } else {
            TestFormat::Text
        }
    });
    let mut out = BufWriter::new(printer.stdout());
    match format {
        TestFormat::Text => text(&mut out, &tested, printer)?,
        TestFormat::Json => json(&mut out, &tested)?,
        TestFormat::Junit => junit(&mut out, &tested)?,
        TestFormat::Github => github(&mut out, &tested)?,
    }
    if matches!(format, TestFormat::Text) {
        writeln!(out, "{}", summary(&tested))?;
    }
    out.flush()?;
    if !matches!(format, TestFormat::Text) {
        printer.say(&summary(&tested));
    }
    let any = |wanted: fn(&Verdict) -> bool| tested.iter().any(|test| wanted(&test.verdict));
    Ok(if !tests.unreadable.is_empty() || any(|verdict| matches!(verdict, Verdict::Broken(_))) {
        Status::Failure
    } else if any(|verdict| matches!(verdict, Verdict::Failed(_))) {
        Status::Findings
    } else {
        Status::Success
    })
}

fn summary(tested: &[Tested]) -> String {
    let count =
        |wanted: fn(&Verdict) -> bool| tested.iter().filter(|test| wanted(&test.verdict)).count();
    let mut summary = format!(
        "{} passed, {} failed",
        count(|verdict| *verdict == Verdict::Passed),
        count(|verdict| matches!(verdict, Verdict::Failed(_))),
    );
    for (number, what) in [
        (count(|verdict| matches!(verdict, Verdict::Broken(_))), "broken"),
        (count(|verdict| matches!(verdict, Verdict::Absent(_))), "without data"),
    ] {
        if number > 0 {
            summary.push_str(&format!(", {number} {what}"));
        }
    }
    summary
}

/// So many failed tests are explained; with `-v` all.
const EXPLAINED: usize = 3;

/// One line for each test that did not pass; with `-v` for all. What the rules say of the events follows the first failed ones.
fn text(out: &mut dyn Write, tested: &[Tested], printer: &Printer) -> io::Result<()> {
    let all = printer.is_verbose();
    let mut explained = 0;
    for test in tested {
        let (word, reason) = match &test.verdict {
            Verdict::Passed if !all => continue,
            Verdict::Passed => ("\u{1b}[32mpassed\u{1b}[0m", None),
            Verdict::Failed(reason) => ("\u{1b}[1;31mfailed\u{1b}[0m", Some(reason)),
            Verdict::Broken(reason) => ("\u{1b}[1;31mbroken\u{1b}[0m", Some(reason)),
            Verdict::Absent(reason) => ("no data", Some(reason)),
        };
        write!(out, "{word}: {}: {}", visible(&test.file, false), visible(&test.name, false))?;
        match reason {
            Some(reason) => writeln!(out, ": {}", visible(reason, false))?,
            None => writeln!(out)?,
        }
        if !test.why.is_empty() {
            explained += 1;
            if all || explained <= EXPLAINED {
                for line in test.why.trim_end().lines() {
                    writeln!(out, "{}", format!("    {line}").trim_end())?;
                }
            }
        }
    }
    if explained > EXPLAINED && !all {
        let more = explained - EXPLAINED;
        writeln!(out, "why {more} more failed: `sigmund test -v`")?;
    }
    Ok(())
}

fn parts(verdict: &Verdict) -> (&'static str, Option<&str>) {
    match verdict {
        Verdict::Passed => ("passed", None),
        Verdict::Failed(reason) => ("failed", Some(reason)),
        Verdict::Broken(reason) => ("broken", Some(reason)),
        Verdict::Absent(reason) => ("no data", Some(reason)),
    }
}

fn json(out: &mut dyn Write, tested: &[Tested]) -> io::Result<()> {
    let tests: Vec<serde_json::Value> = tested
        .iter()
        .map(|test| {
            let (result, reason) = parts(&test.verdict);
            json!({"file": test.file, "name": test.name, "result": result, "reason": reason})
        })
        .collect();
    writeln!(out, "{}", pretty_json(&json!({"tests": tests})))
}

fn junit(out: &mut dyn Write, tested: &[Tested]) -> io::Result<()> {
    let mut report = Report::new("sigmund test");
    let mut suite = TestSuite::new("rules");
    for test in tested {
        let mut status = match test.verdict {
            Verdict::Passed => TestCaseStatus::success(),
            Verdict::Failed(_) => TestCaseStatus::non_success(NonSuccessKind::Failure),
            Verdict::Broken(_) => TestCaseStatus::non_success(NonSuccessKind::Error),
            Verdict::Absent(_) => TestCaseStatus::skipped(),
        };
        if let (_, Some(reason)) = parts(&test.verdict) {
            status.set_message(visible(reason, false));
        }
        let mut case = TestCase::new(visible(&test.name, false), status);
        case.set_classname(visible(&test.file, false));
        suite.add_test_case(case);
    }
    report.add_test_suite(suite);
    report.serialize(&mut *out).map_err(io::Error::other)?;
    writeln!(out)
}

fn github(out: &mut dyn Write, tested: &[Tested]) -> io::Result<()> {
    let checkout = Checkout::here();
    for test in tested {
        let kind = match test.verdict {
            Verdict::Passed => continue,
            Verdict::Failed(_) | Verdict::Broken(_) => "error",
            Verdict::Absent(_) => "notice",
        };
        let (result, reason) = parts(&test.verdict);
        let text = format!("{result}: {}: {}", test.name, reason.unwrap_or_default());
        render::github_command(out, kind, &checkout.path(&test.file), &[], "rule test", &text)?;
    }
    Ok(())
}
