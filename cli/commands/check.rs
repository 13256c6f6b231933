//! `sigmund check`: parse, lint and compile rules.

use super::Status;
use crate::args::{Check, FailOn, FindingFormat};
use crate::plan;
use crate::printer::Printer;
use crate::render::{self, Texts};
use crate::sources;
use sigmund_sigma::diagnostic::Edit;
use sigmund_sigma::{Diagnostic, Severity};
use sigmund_stream::rule_files::RuleFiles;
use sigmund_stream::rules::check;
use sigmund_stream::words::plural;
use std::collections::BTreeSet;
use std::io::{BufWriter, Write};
use std::path::PathBuf;

/// Fixes that make each other's findings must come to an end.
const FIX_ROUNDS: usize = 8;

pub(super) fn run(args: &Check, printer: &Printer) -> anyhow::Result<Status> {
    let paths = if args.rules.is_empty() { vec![PathBuf::from(".")] } else { args.rules.clone() };
    let loader = plan::loader(&args.pipelines, &args.placeholders)?;
    let lint = plan::lint_options(args)?;
    let mut files = sources::read(&paths);
    let mut checked = check(&loader, &lint, &files.texts);
    let mut fixed = 0;
    if args.fix {
        // What one fix has moved, or made room for, is found in the next round.
        for _ in 0..FIX_ROUNDS {
            let applied = apply_fixes(&mut files, &checked.diagnostics)?;
            if applied == 0 {
                break;
            }
            fixed += applied;
            checked = check(&loader, &lint, &files.texts);
        }
    }

    let format = args.format.unwrap_or_else(|| {
        if std::env::var_os("GITHUB_ACTIONS").is_some_and(|value| value == "true") {
            FindingFormat::Github
        } else if printer.stdout_is_terminal() {
            FindingFormat::Full
        } else {
            FindingFormat::Concise
        }
    });
    let texts = Texts::new(&files.texts);
    let findings = texts.findings(&checked.diagnostics);
    let mut out = BufWriter::new(printer.stdout());
    render::write(&mut out, format, &findings, printer.stdout_has_color())?;
    out.flush()?;

    plan::report_unread(&files, printer);
    let can_be_written = |finding: &&Diagnostic| !files.altered.contains(&finding.source);
    let fixable = || checked.diagnostics.iter().filter(|finding| is_fixable(finding));
    if args.fix {
        let kept = fixable().filter(|finding| !can_be_written(finding));
        for name in kept.map(|finding| &finding.source).collect::<BTreeSet<_>>() {
            printer.warn(&format!("`{name}` is not fixed: text or name of the file are not UTF-8"));
        }
    }
    let count = |severity| {
        checked.diagnostics.iter().filter(|finding| finding.severity == severity).count() as u64
    };
    let mut summary = format!(
        "{}, {} and {} in {}: {}, {}, {}",
        plural(checked.rules as u64, "rule"),
        plural(checked.correlations as u64, "correlation"),
        plural(checked.filters as u64, "filter"),
        plural(files.texts.len() as u64, "file"),
        plural(count(Severity::Error), "error"),
        plural(count(Severity::Warning), "warning"),
        plural(count(Severity::Note), "note"),
    );
    if fixed > 0 {
        summary.push_str(&format!("; {fixed} fixed"));
    }
    let fixable = fixable().filter(can_be_written).count();
    if fixable > 0 {
        summary.push_str(&format!("; {fixable} can be fixed with `--fix`"));
    }
    printer.say(&summary);

    let limit = match args.fail_on {
        FailOn::Error => Severity::Error,
        FailOn::Warning => Severity::Warning,
        FailOn::Note => Severity::Note,
    };
    Ok(if !files.unreadable.is_empty() || files.texts.is_empty() {
        Status::Failure
    } else if checked.diagnostics.iter().any(|finding| finding.severity >= limit) {
        Status::Findings
    } else {
        Status::Success
    })
}

fn is_fixable(finding: &Diagnostic) -> bool {
    finding.fix.as_ref().is_some_and(|fix| fix.safe)
}

/// Applies the safe fixes to the texts and writes the changed files. Of overlapping fixes the first counts; the next round finds the others.
/// A file whose bytes or name are not those of its text stays as it is.
fn apply_fixes(files: &mut RuleFiles, diagnostics: &[Diagnostic]) -> anyhow::Result<usize> {
    let mut fixed = 0;
    let altered = &files.altered;
    for source in files.texts.iter_mut().filter(|source| !altered.contains(&source.name)) {
        let fixes = diagnostics
            .iter()
            .filter(|finding| finding.source == source.name && is_fixable(finding))
            .filter_map(|finding| finding.fix.as_ref());
        let mut edits: Vec<&Edit> = Vec::new();
        let mut fixes_here = 0;
        for fix in fixes {
            let overlaps = fix.edits.iter().any(|edit| {
                edits.iter().any(|other| {
                    edit.span == other.span
                        || (edit.span.start < other.span.end && other.span.start < edit.span.end)
                })
            });
            let fits = fix.edits.iter().all(|edit| source.text.get(edit.span.range()).is_some());
            if !overlaps && fits {
                edits.extend(&fix.edits);
                fixes_here += 1;
            }
        }
        if edits.is_empty() || &*source.name == "<stdin>" {
            continue;
        }
        fixed += fixes_here;
        edits.sort_by_key(|edit| std::cmp::Reverse(edit.span));
        let mut text = source.text.to_string();
        for edit in edits {
            text.replace_range(edit.span.range(), &edit.replacement);
        }
        std::fs::write(&*source.name, &text)
            .map_err(|error| anyhow::anyhow!("cannot write `{}`: {error}", source.name))?;
        source.text = text.into();
    }
    Ok(fixed)
}
