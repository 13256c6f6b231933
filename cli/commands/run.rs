//! `sigmund run`: the service.

use super::{Status, config};
use crate::args::Run as Args;
use crate::plan::moment;
use crate::printer::Printer;
use crate::sources;
use anyhow::{Context as _, anyhow, bail};
use sigmund_stream::config::{Config, Log, LogFormat, Problems};
use sigmund_stream::log;
use sigmund_stream::replay::Times;
use sigmund_stream::service::Service;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;
use signal_hook::iterator::Signals;
use std::io::{self, IsTerminal as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tracing_subscriber::EnvFilter;

pub(super) fn run(args: &Args, printer: &Printer) -> anyhow::Result<Status> {
    // First of all: whoever is told to stop while it starts ends in order, too.
    let stop = Arc::new(AtomicBool::new(false));
    listen_to_signals(Arc::clone(&stop)).context("cannot listen to signals")?;
    let mut layers = config::layers(&args.options);
    if !args.topics.is_empty() {
        let topics = args.topics.join(", ");
        layers.set("sources", &format!("[{{topics: [{topics}]}}]"));
    }
    let rules: Vec<String> = args.rules.iter().map(|path| path.display().to_string()).collect();
    layers.set_list("--rules", "rules.paths", rules);
    let loaded = match Config::load(&layers) {
        Ok(loaded) => loaded,
        Err(problems) => {
            config::report(&problems, printer);
            return Ok(Status::Failure);
        }
    };
    let replay = replay(args)?;
    let started = loaded.config.clone();
    let mut config = loaded.config;
    config.invocation = config::invocation(&args.options, &config);
    if replay.is_some() {
        let usual = || format!("{}-replay", config.application);
        let name = args.application.clone().unwrap_or_else(usual);
        config = config.replayed_as(&name).map_err(anyhow::Error::msg)?;
    }
    begin_log(&config.log)?;
    let format = config.log.format;
    // What is read for a reload is what was read for the start.
    let said = Mutex::new(Vec::new());
    let read = move || match Config::load(&layers) {
        Ok(loaded) => {
            let keys = started.changed_keys(&loaded.config);
            let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
            if *said != keys {
                tell_of_restart(&keys);
                *said = keys;
            }
            Ok(loaded.config.rules)
        }
        Err(problems) => Err(anyhow!("the configuration is wrong: {}", first(&problems))),
    };
    let built_in = sources::starter_pack().texts;
    let (mut service, problems) = Service::new(config, Box::new(read), built_in)?;
    if let Some(times) = replay {
        service = service.over(times);
    }
    flag::register(SIGHUP, service.demand()).context("cannot listen to signals")?;
    for problem in problems {
        tracing::error!("{problem}");
    }
    let ran = service.run(&stop);
    let status = match ran {
        Ok(()) => {
            tracing::info!("stopped");
            Ok(Status::Success)
        }
        // Who reads JSON reads nothing else.
        Err(error) if format == LogFormat::Json => {
            tracing::error!("{error:#}");
            Ok(Status::Failure)
        }
        Err(error) => Err(error),
    };
    log::flush();
    status
}

/// Signals within this time of the first are the same wish.
const ONE_WISH: Duration = Duration::from_millis(300);

/// The first signal ends the service in order, the second at once.
fn listen_to_signals(stop: Arc<AtomicBool>) -> io::Result<()> {
    let mut signals = Signals::new([SIGTERM, SIGINT])?;
    let thread = std::thread::Builder::new().name("signals".to_owned());
    thread.spawn(move || {
        let mut signals = signals.forever();
        if signals.next().is_none() {
            return;
        }
        tracing::info!("asked to stop: what was begun is finished first");
        stop.store(true, Ordering::Relaxed);
        // `timeout` and some supervisors signal the process and then its whole group: that is one wish.
        let asked = Instant::now();
        loop {
            match signals.next() {
                None => return,
                Some(_) if asked.elapsed() < ONE_WISH => {}
                Some(_) => break,
            }
        }
        tracing::error!(
            "ended at once, as asked twice: what was begun is taken back, and done by the next process; nothing is lost"
        );
        log::flush();
        // Lanes are within calls of libraries that must not be cleaned up under them.
        signal_hook::low_level::exit(2);
    })?;
    Ok(())
}

/// From when to when, if it is a replay.
fn replay(args: &Args) -> anyhow::Result<Option<Times>> {
    let Some(from) = &args.from else { return Ok(None) };
    let from = moment(from).context("`--from`")?;
    let to = args.to.as_deref().map(moment).transpose().context("`--to`")?;
    if to.is_some_and(|to| to <= from) {
        bail!("`--to` is not after `--from`");
    }
    Ok(Some(Times { from, to }))
}

/// Says which keys have other values now that are not taken over.
fn tell_of_restart(keys: &[String]) {
    if !keys.is_empty() {
        let keys: Vec<String> = keys.iter().map(|key| format!("`{key}`")).collect();
        tracing::warn!(
            "the configuration has other values for {}: they count after a restart; only `rules` are read again",
            keys.join(", ")
        );
    }
}

/// The first of several problems, for one line.
fn first(problems: &Problems) -> String {
    let more = problems.0.len().saturating_sub(1);
    let first = problems.0.first().map(ToString::to_string).unwrap_or_default();
    if more > 0 { format!("{first} (and {more} more)") } else { first }
}

/// Log lines go to stderr, and nothing waits for that.
fn begin_log(log: &Log) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&log.level).with_context(|| {
        format!("`log.level`: `{}` is none; write for example `info`", log.level)
    })?;
    log::begin().context("cannot start a thread")?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(|| log::Lines)
        .log_internal_errors(false);
    match log.format {
        LogFormat::Json => lines.json().flatten_event(true).init(),
        LogFormat::Text => lines.with_target(false).with_ansi(io::stderr().is_terminal()).init(),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::sources;
    use sigmund_stream::config::{Config, EXAMPLE, Layers};
    use sigmund_stream::plan::Plan;
    use sigmund_stream::reload::Recipe;

    fn example(status: &str) -> anyhow::Result<usize> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("sigmund.yaml");
        std::fs::write(&path, EXAMPLE)?;
        let mut layers = Layers::none().with_file(path);
        if !status.is_empty() {
            layers.set("rules.status", status);
        }
        let config = Config::load(&layers)?.config;
        Plan::new(&config)?;
        let read = move || Ok(config.rules.clone());
        let recipe = Recipe::new(Box::new(read), Vec::new(), sources::starter_pack().texts);
        let made = recipe.make(None, false)?;
        assert_eq!(made.problems, Vec::<String>::new());
        Ok(made.ingredients.rules.len())
    }

    #[test]
    fn the_example_has_rules_to_run_with() {
        let count = example("").expect("a plan");
        assert!(count > 20, "{count}");
    }

    #[test]
    fn options_that_leave_out_all_rules_are_named() {
        let refusal = example("stable").expect_err("no rules").to_string();
        let all = refusal.strip_prefix("no rule is left to run with: of ");
        let all = all.and_then(|rest| rest.split(' ').next()).expect(&refusal);
        let told = format!("`rules.status` leaves out {all}");
        assert!(refusal.ends_with(&told), "{refusal}");
    }
}
