//! `sigmund explain`: what a diagnostic code means, or why a rule matches an event or does not.

use super::Status;
use crate::args::{Explain, ExplainFormat};
use crate::events::each_event;
use crate::input::Inputs;
use crate::plan::{self, Reading};
use crate::printer::{Printer, folded};
use crate::render::explain::{Explained, to_json, write_text, written_time};
use crate::sources::Sources;
use anyhow::{Context as _, bail};
use sigmund_engine::oracle::Oracle;
use sigmund_sigma::lint::CODES;
use sigmund_sigma::{Collection, Rule};
use std::io::{BufWriter, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

pub(super) fn run(args: &Explain, printer: &Printer) -> anyhow::Result<Status> {
    match &args.event {
        Some(log) => explain_events(args, log, printer),
        None => explain_code(&args.subject, printer),
    }
}

fn explain_code(code: &str, printer: &Printer) -> anyhow::Result<Status> {
    match CODES.iter().find(|(known, _)| *known == code) {
        Some((code, meaning)) => {
            let text = sigmund_sigma::lint::explain(code).unwrap_or_default();
            writeln!(printer.stdout(), "{code}: {meaning}\n")?;
            let width = printer.width().unwrap_or(100).min(100);
            for paragraph in text.lines() {
                writeln!(printer.stdout(), "{}", folded(paragraph, width))?;
            }
            Ok(Status::Success)
        }
        None if is_rule_path(code) => {
            bail!("to explain a rule, name a log too: `sigmund explain {code} --event FILE`")
        }
        None => {
            let close = CODES.iter().map(|(known, _)| *known).filter(|known| {
                known.split('-').any(|part| code.split('-').any(|mine| mine == part))
            });
            let close: Vec<String> = close.take(5).map(|known| format!("`{known}`")).collect();
            let hint = if close.is_empty() {
                "`sigmund check` prints the code of each finding in brackets".to_owned()
            } else {
                format!("similar codes: {}", close.join(", "))
            };
            bail!("no diagnostic code is called `{code}`; {hint}")
        }
    }
}

fn is_rule_path(subject: &str) -> bool {
    Path::new(subject).exists() || subject.ends_with(".yml") || subject.ends_with(".yaml")
}

fn explain_events(args: &Explain, log: &Path, printer: &Printer) -> anyhow::Result<Status> {
    let reading = Reading::new(&args.log_options)?;
    let rules = find_rules(args, printer)?;
    let mut oracles = Vec::with_capacity(rules.len());
    for rule in &rules {
        let oracle =
            Oracle::new(rule).with_context(|| format!("rule `{}`", rule.metadata.title))?;
        oracles.push((rule, oracle));
    }
    // Detections name a member of an archive like a file in a folder.
    let archive = log.ancestors().skip(1).find(|path| !log.exists() && path.is_file());
    let member = archive.map(|_| log.to_string_lossy());
    let inputs = Inputs::find(&[archive.unwrap_or(log).to_owned()]);
    let mut readable = inputs.report(printer);

    let mut out = BufWriter::new(printer.stdout());
    let mut explained = 0u64;
    let mut matched = 0u64;
    for input in &inputs.logs {
        let mut written = Ok(());
        let read = each_event(&reading, input, &mut |position, framed| {
            if args.record.is_some_and(|wanted| wanted != position.record)
                || member.as_ref().is_some_and(|member| **member != *position.path)
            {
                return ControlFlow::Continue(());
            }
            let event = framed.event();
            for (rule, oracle) in &oracles {
                let explanation = oracle.explain(&event);
                matched += u64::from(explanation.verdict);
                let one = Explained {
                    rule,
                    event: &event,
                    position,
                    time: event.time.and_then(written_time),
                    explanation: &explanation,
                };
                written = match args.format {
                    ExplainFormat::Text => write_text(&mut out, &one),
                    ExplainFormat::Json => {
                        let start = if explained == 0 { "[" } else { "," };
                        write!(out, "{start}\n{:#}", to_json(&one))
                    }
                };
                if written.is_err() {
                    return ControlFlow::Break(());
                }
                explained += 1;
            }
            match args.record {
                Some(_) => ControlFlow::Break(()),
                None => ControlFlow::Continue(()),
            }
        });
        written?;
        let path = input.name();
        let Some(report) = read.with_context(|| format!("cannot read `{path}`"))? else {
            continue;
        };
        if let Some(problem) = &report.problem {
            printer.error(&format!("cannot read `{path}`: {problem}"));
            readable = false;
        }
        for warning in &report.warnings {
            printer.warn(&format!("`{}`: {}", warning.name, warning.message));
        }
        match args.record {
            Some(wanted) if explained == 0 && member.is_some() => {
                printer.error(&format!("`{}` has no event at record {wanted}", log.display()));
            }
            Some(wanted) if explained == 0 => {
                let count = report.counts.records;
                printer.error(&format!("`{path}` has no event at record {wanted} (of {count})"));
            }
            None if report.counts.events == 0 || (member.is_some() && explained == 0) => {
                printer.error(&format!("`{}` holds no event", log.display()));
            }
            _ => {}
        }
    }
    if args.format == ExplainFormat::Json {
        writeln!(out, "{}", if explained == 0 { "[]" } else { "\n]" })?;
    }
    out.flush()?;
    if explained > 1 {
        printer.say(&format!("{matched} of {explained} match"));
    }
    Ok(if readable && explained > 0 { Status::Success } else { Status::Failure })
}

/// The rules that the subject names: those of a file, or one by id, name or title.
fn find_rules(args: &Explain, printer: &Printer) -> anyhow::Result<Vec<Rule>> {
    let loader = plan::loader(&args.rules.pipelines, &args.rules.placeholders)?;
    let path = PathBuf::from(&args.subject);
    let sources = if path.is_file() {
        // Its filters may be elsewhere: with the rules that were named too.
        let mut paths = vec![path.clone()];
        paths.extend(args.rules.rules.iter().cloned());
        Sources::read(&paths)
    } else if args.rules.rules.is_empty() {
        Sources::starter_pack()
    } else {
        Sources::read(&args.rules.rules)
    };
    plan::report_unread(&sources, printer);
    let Collection { rules, correlations, diagnostics, .. } = loader.load(&sources.texts);
    let subject = args.subject.as_str();
    let in_file = path.is_file();
    let source = path.to_string_lossy();
    let is_meant = |metadata: &sigmund_sigma::rule::Metadata| {
        if in_file {
            return *metadata.source == *source;
        }
        let stem = Path::new(&*metadata.source).file_stem();
        metadata.id.as_deref() == Some(subject)
            || metadata.name.as_deref() == Some(subject)
            || metadata.title == subject
            // As detections name it: a file of the starter pack is nowhere on disk.
            || *metadata.source == *subject
            || stem.is_some_and(|stem| stem == subject)
    };
    let found: Vec<Rule> = rules.into_iter().filter(|rule| is_meant(&rule.metadata)).collect();
    if !found.is_empty() {
        return Ok(found);
    }
    if correlations.iter().any(|correlation| is_meant(&correlation.metadata)) {
        bail!("`{subject}` is a correlation; explain the rules it refers to");
    }
    let broken = diagnostics.iter().find(|finding| {
        plan::has_errors(std::slice::from_ref(finding)) && (!in_file || *finding.source == *source)
    });
    if let (true, Some(broken)) = (in_file, broken) {
        bail!("`{subject}` does not load: {} (`sigmund check {subject}`)", broken.message);
    }
    if in_file {
        bail!("`{subject}` holds no detection rule");
    }
    bail!(
        "no rule is called `{subject}`; name its file, id, name or title (`-r` says where rules are)"
    )
}
