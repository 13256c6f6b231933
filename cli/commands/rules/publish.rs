//! `sigmund rules publish`: rules to the topic of running services.

use crate::args::RulesPublish;
use crate::commands::{Status, config};
use crate::printer::Printer;
use crate::{plan, sources};
use anyhow::{Context as _, bail};
use sigmund_stream::kafka::{Clients, Outgoing, Publisher, Reader};
use sigmund_stream::loading::Loading;
use sigmund_stream::publication;
use sigmund_stream::rules_topic::RulesTopic;
use sigmund_stream::words::visible;
use std::io::Write as _;
use std::sync::Arc;

pub(super) fn run(args: &RulesPublish, printer: &Printer) -> anyhow::Result<Status> {
    let Some(loaded) = config::load(&args.options, printer) else { return Ok(Status::Failure) };
    let config = loaded.config;
    let Some(topic) = args.topic.as_ref().or(config.rules.topic.as_ref()) else {
        bail!("which topic? name it with `--topic`, or under `rules.topic` in the configuration");
    };
    let files = sources::read(&args.paths);
    plan::report_unread(&files, printer);
    if files.texts.is_empty() || (args.prune && !files.unreadable.is_empty()) {
        // What could not be read would be taken away.
        return Ok(Status::Failure);
    }
    // Rules are checked under the pipelines of the service.
    let loading = Loading::new(&config.rules, &[])?;
    let clients = Clients::new(&config, "publish");
    let mut records = RulesTopic::new(topic, Reader::new(&clients, "rules")?);
    let invocation = &config.invocation;
    records.read().with_context(|| format!("the rules topic cannot be read; `sigmund topics check{invocation}` says what is needed, and `sigmund topics create{invocation}` makes it"))?;
    let on_topic = (&**topic, records.records());
    let publication = publication::plan(&files.texts, loading.loader(), on_topic, args.prune);
    for problem in &publication.refused {
        printer.error(&visible(problem, false));
    }
    for key in &publication.doubled {
        printer.warn(&format!(
            "the record `{}` of the topic has a rule with the same id as one of these; `--prune` takes it away",
            visible(key, false)
        ));
    }
    let mut out = printer.stdout();
    if args.dry_run || printer.is_verbose() {
        for (sign, keys) in
            [("+", &publication.added), ("~", &publication.changed), ("-", &publication.removed)]
        {
            for key in keys {
                writeln!(out, "{sign} {}", visible(key, false))?;
            }
        }
    }
    if !args.dry_run && !publication.records.is_empty() {
        let topic: Arc<str> = topic.as_str().into();
        let records = publication.records.iter().map(|(key, value)| Outgoing {
            topic: Arc::clone(&topic),
            key: Some(key.clone().into_bytes()),
            value: value.clone().map(String::into_bytes),
            ..Outgoing::default()
        });
        Publisher::new(&clients, "publish-out")?.send(records)?;
    }
    writeln!(
        out,
        "+{} ~{} -{} ={}",
        publication.added.len(),
        publication.changed.len(),
        publication.removed.len(),
        publication.unchanged.len()
    )?;
    out.flush()?;
    let refused = !publication.refused.is_empty() || !files.unreadable.is_empty();
    Ok(if refused && !args.keep_going { Status::Failure } else { Status::Success })
}
