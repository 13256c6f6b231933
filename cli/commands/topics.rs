//! `sigmund topics`: the topics that the service needs.

use super::{Status, config};
use crate::args::TopicsCommand;
use crate::printer::Printer;
use crate::sources;
use sigmund_stream::config::Config;
use sigmund_stream::kafka::topics::{self, Finding};
use sigmund_stream::loading::Loading;
use sigmund_stream::outlets::Outlets;
use sigmund_stream::rules::Rules;
use sigmund_stream::words::plural;
use std::collections::BTreeSet;
use std::io::Write as _;
use std::sync::Arc;

pub(super) fn run(args: &TopicsCommand, printer: &Printer) -> anyhow::Result<Status> {
    let (TopicsCommand::Create { options, .. } | TopicsCommand::Check { options }) = args;
    let Some(loaded) = config::load(options, printer) else { return Ok(Status::Failure) };
    let config = &loaded.config;
    let outlets = Arc::new(Outlets::new(config)?);
    // Mistakes in rules are told by `check` and `run`.
    let rules = Loading::new(&config.rules, &sources::starter_pack().texts);
    let rules =
        rules.map(|loading| loading.with_outlets(Some(Arc::clone(&outlets))).load(None).rules);
    if let Err(error) = &rules {
        printer.warn(&format!("timespans and topics of rules are not looked at: {error:#}"));
    }
    let rules = rules.ok();
    let outlets = rules.as_ref().map(|rules| outlets.topics(rules)).unwrap_or_default();
    match args {
        TopicsCommand::Create { replication_factor, .. } => {
            let copies = replication_factor.map(|copies| copies.get());
            create(config, &outlets, copies, printer)
        }
        TopicsCommand::Check { .. } => {
            check(config, &outlets, rules.as_ref().and_then(Rules::longest), printer)
        }
    }
}

fn create(
    config: &Config,
    outlets: &BTreeSet<String>,
    copies: Option<u8>,
    printer: &Printer,
) -> anyhow::Result<Status> {
    let created = topics::create(config, outlets, copies)?;
    let mut out = printer.stdout();
    for (name, partitions) in &created.made {
        match partitions {
            Some(partitions) => {
                writeln!(out, "{name}: made, {}", plural(u64::from(*partitions), "partition"))?;
            }
            None => writeln!(out, "{name}: made")?,
        }
    }
    for name in &created.present {
        writeln!(
            out,
            "{name}: was there; `sigmund topics check{}` compares its settings",
            config.invocation
        )?;
    }
    report(&created.failed, printer);
    if !created.made.is_empty() && created.replication < 3 {
        let brokers = plural(created.brokers as u64, "broker");
        let copies = match created.replication {
            1 => "1 copy".to_owned(),
            copies => format!("{copies} copies"),
        };
        printer.warn(&format!(
            "{brokers} and {copies} of each partition: what is on a broker is lost with it; 3 of each are safe"
        ));
    }
    Ok(if created.failed.is_empty() { Status::Success } else { Status::Failure })
}

fn check(
    config: &Config,
    outlets: &BTreeSet<String>,
    longest: Option<(&str, i64)>,
    printer: &Printer,
) -> anyhow::Result<Status> {
    let findings = topics::check(config, outlets, longest)?;
    report(&findings, printer);
    if findings.iter().any(|finding| finding.is_error) {
        return Ok(Status::Findings);
    }
    printer.say(&format!(
        "{}: fine",
        plural(topics::needed_with(config, outlets).len() as u64, "topic")
    ));
    Ok(Status::Success)
}

/// Says what is wrong, each with the command that mends it on a line of its own, to be copied.
fn report(findings: &[Finding], printer: &Printer) {
    for finding in findings {
        let mut text = format!("{}: {}", finding.subject, finding.message);
        if let Some(command) = &finding.command {
            text.push_str("\n  ");
            text.push_str(command);
        }
        if finding.is_error { printer.error(&text) } else { printer.warn(&text) }
    }
}
