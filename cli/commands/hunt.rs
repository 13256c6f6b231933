//! `sigmund hunt`: logs and rules in, detections out.

use super::Status;
use crate::args::{DetectionFormat, Hunt as Args};
use crate::correlate::{self, Correlating, Told};
use crate::encode::{Encoder, Style, Summary};
use crate::input::{Input, Inputs};
use crate::plan::{self, Loaded};
use crate::printer::Printer;
use crate::read::ReadStream;
use crate::scan::{Found, Hunt, Origin};
use crate::schedule::{self, Totals};
use crate::timeline::Timeline;
use anyhow::{Context as _, bail};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use sigmund_parsers::{Format as _, Text};
use sigmund_sigma::rule::Level;
use sigmund_stream::encode::{Buffer, Mark};
use sigmund_stream::file_identity::FileIdentity;
use sigmund_stream::rule_files::RuleFiles;
use sigmund_stream::rules::Rules;
use sigmund_stream::words::{grouped, plural};
use std::fs::File;
use std::io::{self, BufWriter, IsTerminal as _, Write};
use std::mem::ManuallyDrop;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

pub(super) fn run(args: &Args, printer: &Printer) -> anyhow::Result<Status> {
    let start = Instant::now();
    let limit = |text: &Option<String>| text.as_deref().map(plan::instant).transpose();
    let window = (limit(&args.from)?, limit(&args.to)?);
    if let (Some(from), Some(to)) = window
        && from > to
    {
        bail!("`--from` is later than `--to`: no event can be between them");
    }
    refuse_summary(args)?;
    plan::one_reads_stdin(&args.logs, &args.rules)?;
    let reads_stdin = args.logs.iter().any(|path| path.as_os_str() == "-");
    let reading = plan::reading(&args.log_options)?;
    let loaded = Loaded::new(&args.rules, &args.filter, &reading.routing)?;
    loaded.report(printer)?;
    let Loaded { mut rules, mut files } = loaded;
    let written = outputs(args, &files)?;
    // Nobody reads the texts any more: what is compiled now may have their place.
    files.texts = Vec::new();
    rules.set.warm();
    if rules.cards.is_empty() {
        match rules.left_out {
            0 => bail!("no rule is left to hunt with"),
            1 => bail!("no rule is left to hunt with: the options leave out the only one"),
            all => bail!("no rule is left to hunt with: the options leave out all {all}"),
        }
    }
    if reads_stdin && io::stdin().is_terminal() {
        printer.say("reading logs from the terminal; end with Ctrl-D");
    }
    let mut inputs = Inputs::find(&args.logs);
    inputs.leave_out(&args.logs, &written)?;
    let found = inputs.report(printer);

    let to_terminal = args.output.is_none() && printer.stdout_is_terminal();
    let format = args.format.unwrap_or(if to_terminal {
        DetectionFormat::Table
    } else {
        DetectionFormat::Jsonl
    });
    let style = Style {
        color: args.output.is_none() && printer.stdout_has_color(),
        width: if to_terminal { printer.width() } else { None },
    };
    let encoder = Encoder::new(format, style);
    let out: Box<dyn Write> = match &args.output {
        Some(path) => Box::new(
            File::create(path).with_context(|| format!("cannot write `{}`", path.display()))?,
        ),
        None => Box::new(io::stdout()),
    };
    let encoder_of_output = encoder.clone();
    let encoder = (!args.summary).then_some(encoder);
    let threads = args.threads.or_else(|| std::thread::available_parallelism().ok());
    let threads = threads.map_or(1, NonZeroUsize::get);
    let correlations = correlate::Options {
        policy: args.alert,
        emit: args.emit,
        max_lateness: args.max_lateness.map(|lateness| lateness.0),
        threads,
        limits: correlate::limits(args.max_state.map(|size| size.bytes())),
        is_divided: false,
    };
    let is_live = correlations.is_live();
    rules.first_match = args.first_match;
    // The process ends with the hunt: its memory goes back at once, not rule by rule.
    let hunt = Hunt { rules: Arc::new(rules), reading, encoder, window, is_live };
    let hunt = ManuallyDrop::new(hunt);
    let late = match &args.late {
        Some(path) => Some(BufWriter::new(
            File::create(path).with_context(|| format!("cannot write `{}`", path.display()))?,
        )),
        None => None,
    };
    let mut output = Output {
        out: BufWriter::with_capacity(64 << 10, out),
        encoder: encoder_of_output,
        format,
        style,
        timeline: args.timeline.then(|| Timeline::new("sorting detections by time")),
        correlating: Correlating::new(&hunt, &correlations, inputs.logs.len(), late),
        summary: args.summary.then(Summary::default),
        detections: 0,
        highest: None,
        // Who watches, or what reads on, wants to see detections as they come.
        flushes: to_terminal || reads_stdin,
    };
    let loaded = start.elapsed();

    let fails = |output: &Output| {
        args.fail_on.map(plan::level).is_some_and(|least| output.highest >= Some(least))
    };
    let bar = progress_bar(&inputs, printer);
    output.begin()?;
    let totals = schedule::run(
        &hunt,
        &inputs.logs,
        threads,
        &|bytes| bar.inc(bytes as u64),
        &mut |origin, found| bar.suspend(|| output.found(&hunt, origin, found)),
    );
    bar.finish_and_clear();
    let totals = match totals {
        // Who reads the output has enough of it; what was found before counts.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe && fails(&output) => {
            return Ok(Status::Findings);
        }
        totals => totals?,
    };
    let told = match output.end(&hunt) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe && fails(&output) => {
            return Ok(Status::Findings);
        }
        told => told?,
    };

    for (path, problem) in &totals.problems {
        printer.error(&format!("cannot read `{path}`: {problem}"));
    }
    for (path, damage) in &totals.damaged {
        printer.warn(&format!("`{path}`: {damage}"));
    }
    let seconds = start.elapsed().as_secs_f64();
    for warning in unknown_logs(&hunt, &totals.streams) {
        printer.warn(&warning);
    }
    if told.untimed > 0 {
        let hits = plural(told.untimed, "hit");
        printer.warn(&format!("{hits} in events without a time: correlations do not see them"));
    }
    if told.late > 0 {
        let hits = plural(told.late, "hit");
        let kept = if args.late.is_none() { "; `--late FILE` keeps them" } else { "" };
        printer.warn(&format!("{hits} came too late for correlations (`--max-lateness`){kept}"));
    }
    say_summary(printer, &hunt.rules, &inputs, &totals, output.detections, seconds);
    printer.detail(&format!("{:.2} s to load the rules", loaded.as_secs_f64()));

    let unread = !found || !totals.problems.is_empty() || !files.unreadable.is_empty();
    Ok(if (unread || hunt.rules.is_broken()) && !args.keep_going {
        Status::Failure
    } else if fails(&output) {
        Status::Findings
    } else {
        Status::Success
    })
}

/// Says which logs hold events without a log source, most of them at least: few rules see those.
fn unknown_logs(hunt: &Hunt, streams: &[ReadStream]) -> Vec<String> {
    // Whoever says that a log is plain text knows what that means.
    let said = hunt.reading.forced.is_some_and(|format| format.name() == Text.name());
    let (texts, others): (Vec<&ReadStream>, Vec<&ReadStream>) = streams
        .iter()
        .filter(|stream| stream.is_unknown() && !(said && stream.is_plain()))
        .partition(|stream| stream.is_plain());
    let mut warnings = Vec::new();
    if !texts.is_empty() {
        let (was, it, it_is) = match texts.len() {
            1 => ("was", "it", "it is"),
            _ => ("were", "them", "they are"),
        };
        warnings.push(format!(
            "{} {was} read as plain text: no format knows {it}, and only rules without a log source see {it}; say what {it_is} with `--logsource KEY=VALUE,…`",
            named(&texts)
        ));
    }
    if !others.is_empty() {
        let (says, it_is) = match others.len() {
            1 => ("says", "it is"),
            _ => ("say", "they are"),
        };
        warnings.push(format!(
            "{} {says} nothing that tells a log source, and only rules without one see those events; say what {it_is} with `--logsource KEY=VALUE,…`",
            named(&others)
        ));
    }
    warnings
}

/// The first few names, and how many more there are.
fn named(streams: &[&ReadStream]) -> String {
    const NAMED: usize = 3;
    let names = streams.iter().take(NAMED).map(|stream| format!("`{}`", stream.name));
    let mut names: Vec<String> = names.collect();
    if streams.len() > NAMED {
        names.push(format!("{} more", streams.len() - NAMED));
    }
    names.join(", ")
}

/// What is written to, as far as it is there already.
fn outputs(args: &Args, rules: &RuleFiles) -> anyhow::Result<Vec<FileIdentity>> {
    let is_rule = |written: &FileIdentity| {
        let paths = rules.texts.iter().map(|text| Path::new(&*text.name));
        paths
            .chain(args.rules.pipelines.iter().map(PathBuf::as_path))
            .any(|path| FileIdentity::at(path).as_ref() == Some(written))
    };
    let mut written = Vec::new();
    for path in args.output.iter().chain(&args.late) {
        let Some(identity) = FileIdentity::at(path) else { continue };
        if is_rule(&identity) {
            bail!("`{}` is read and cannot be written to; name another output", path.display());
        }
        if written.contains(&identity) {
            bail!("`--output` and `--late` are the same file; name another one for late hits");
        }
        written.push(identity);
    }
    if args.late.is_some() && args.late == args.output {
        bail!("`--output` and `--late` are the same file; name another one for late hits");
    }
    if args.output.is_none() {
        written.extend(standard_output());
    }
    Ok(written)
}

/// The file that stdout is directed to.
#[cfg(unix)]
fn standard_output() -> Option<FileIdentity> {
    use std::os::fd::AsFd as _;
    let file = File::from(io::stdout().as_fd().try_clone_to_owned().ok()?);
    FileIdentity::of(Path::new("-"), &file.metadata().ok()?)
}

#[cfg(not(unix))]
fn standard_output() -> Option<FileIdentity> {
    None
}

/// Where detections go.
struct Output {
    out: BufWriter<Box<dyn Write>>,
    encoder: Encoder,
    format: DetectionFormat,
    style: Style,
    /// Where detections are ordered by time.
    timeline: Option<Timeline>,
    correlating: Option<Correlating>,
    summary: Option<Summary>,
    detections: u64,
    highest: Option<Level>,
    flushes: bool,
}

impl Output {
    fn begin(&mut self) -> io::Result<()> {
        match self.summary {
            None => self.encoder.begin(&mut self.out),
            Some(_) => Ok(()),
        }
    }

    fn found(&mut self, hunt: &Hunt, origin: Origin, found: &mut Found) -> io::Result<()> {
        self.detections(hunt, origin.base, &mut found.detections)?;
        let Some(mut correlating) = self.correlating.take() else { return Ok(()) };
        correlating.take(hunt, origin, found, &mut self.alerts(hunt))?;
        self.correlating = Some(correlating);
        Ok(())
    }

    /// Writes alerts.
    fn alerts<'a>(&'a mut self, hunt: &'a Hunt) -> impl FnMut(&mut Buffer) -> io::Result<()> + 'a {
        |buffer| self.detections(hunt, 0, buffer)
    }

    fn detections(&mut self, hunt: &Hunt, base: u64, buffer: &mut Buffer) -> io::Result<()> {
        buffer.drain(base, &mut |mark: &Mark, text: &[u8]| {
            let first = self.detections == 0;
            self.detections += 1;
            self.highest = self.highest.max(hunt.rules.subject(mark.rule).level());
            if let Some(summary) = &mut self.summary {
                summary.add(mark.rule, mark.time, mark.host.as_deref());
            } else if let Some(timeline) = &mut self.timeline {
                timeline.push(mark.time, text)?;
            } else {
                self.encoder.before(first, &mut self.out)?;
                self.out.write_all(text)?;
            }
            Ok(())
        })?;
        if self.flushes { self.out.flush() } else { Ok(()) }
    }

    fn end(&mut self, hunt: &Hunt) -> io::Result<Told> {
        let mut told = Told::default();
        if let Some(correlating) = self.correlating.take() {
            told = correlating.finish(hunt, &mut self.alerts(hunt))?;
        }
        if let Some(summary) = &self.summary {
            summary.write(
                self.format,
                &self.style,
                &|rule| hunt.rules.subject(rule),
                &mut self.out,
            )?;
            self.out.flush()?;
            return Ok(told);
        }
        if let Some(timeline) = self.timeline.take() {
            let mut first = true;
            timeline.finish(&mut |text| {
                self.encoder.before(std::mem::take(&mut first), &mut self.out)?;
                self.out.write_all(text)
            })?;
        }
        self.encoder.end(self.detections > 0, &mut self.out)?;
        self.out.flush()?;
        Ok(told)
    }
}

/// Smaller hunts are over before a bar could be read.
const WORTH_A_BAR: u64 = 16 << 20;

fn progress_bar(inputs: &Inputs, printer: &Printer) -> ProgressBar {
    let total: u64 = inputs
        .logs
        .iter()
        .map(|input| if let Input::File(_, size) = input { *size } else { 0 })
        .sum();
    if !printer.shows_progress() || total < WORTH_A_BAR {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr_with_hz(5));
    let template = "{bar:30} {bytes} of {total_bytes} · {bytes_per_sec} · {eta} left";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar
}

/// Schemas of detections have no place for counts.
fn refuse_summary(args: &Args) -> anyhow::Result<()> {
    let name = match args.format {
        Some(DetectionFormat::Ecs) => "ecs",
        Some(DetectionFormat::Ocsf) => "ocsf",
        Some(DetectionFormat::Confluent) => "confluent",
        _ => return Ok(()),
    };
    if args.summary {
        bail!(
            "`-f {name}` is a form of single detections, and `--summary` has counts: choose `table`, `csv`, \
             `json` or `jsonl`, or leave out `--summary`"
        );
    }
    Ok(())
}

fn say_summary(
    printer: &Printer,
    rules: &Rules,
    inputs: &Inputs,
    totals: &Totals,
    detections: u64,
    seconds: f64,
) {
    let counts = &totals.counts;
    let mut parts = vec![
        plural(inputs.logs.len() as u64, "log"),
        plural(counts.records, "record"),
        plural(counts.events, "event"),
    ];
    for (reason, count) in &counts.skipped {
        parts.push(format!("{} skipped ({reason})", grouped(*count)));
    }
    if counts.unparsed > 0 {
        parts.push(format!("{} unparsed", grouped(counts.unparsed)));
    }
    if counts.truncated > 0 {
        parts.push(format!("{} cut at the size limit", grouped(counts.truncated)));
    }
    parts.push(plural(rules.reporting().count() as u64, "rule"));
    let failed = rules
        .diagnostics
        .iter()
        .filter(|finding| finding.severity == sigmund_sigma::Severity::Error)
        .count();
    if failed > 0 {
        parts.push(format!("{} in rules", plural(failed as u64, "error")));
    }
    let reporting =
        (0..rules.alert_cards.len() as u32).filter(|at| rules.correlations.reports(*at));
    match reporting.count() as u64 {
        0 => {}
        count => parts.push(plural(count, "correlation")),
    }
    parts.push(plural(detections, "detection"));
    let rate = grouped((counts.events as f64 / seconds.max(1e-9)) as u64);
    printer.say(&format!("{} · {seconds:.1} s ({rate} ev/s)", parts.join(" · ")));
}
