//! What the windows of a correlation hold over time, as a table for people and as JSON.

use crate::correlation_text;
use crate::encode::shortened_left;
use serde_json::{Value, json};
use sigmund_engine::correlation::EventRef;
use sigmund_engine::oracle::correlation::{Step, Trace, Traces};
use sigmund_sigma::Correlation;
use sigmund_stream::encode::{AlertCard, rfc3339};
use sigmund_stream::words::{grouped, plural, visible};
use std::io::{self, Write};

/// So many groups are shown, those with the most hits first.
pub(crate) const GROUPS: usize = 5;

/// So many of the first and of the last lines of a group are shown.
const LINES: usize = 25;

const GREEN: &str = "\u{1b}[32m";
const RED: &str = "\u{1b}[31m";
const BOLD: &str = "\u{1b}[1m";
const DIM: &str = "\u{1b}[2m";
const PLAIN: &str = "\u{1b}[0m";

/// A correlation over a log.
pub(crate) struct Traced<'a> {
    pub(crate) card: &'a AlertCard,
    pub(crate) traces: &'a Traces,
    /// Where an event was: the log and the number of the record.
    pub(crate) place: &'a dyn Fn(EventRef) -> String,
    /// How many events hit each of its rules, those that are no correlations.
    pub(crate) hits: Vec<Option<u64>>,
    /// Hits in events without a time.
    pub(crate) untimed: u64,
    /// Only some groups were asked for.
    pub(crate) chosen: bool,
}

/// `bob on HOST`, as `TargetUserName=bob Computer=HOST`
fn group(rule: &Correlation, trace: &Trace) -> String {
    let parts: Vec<String> = rule
        .group_by
        .iter()
        .zip(&trace.group)
        .map(|(name, value)| format!("{}={}", visible(name, false), visible(value, false)))
        .collect();
    if parts.is_empty() { "all events".to_owned() } else { parts.join(" ") }
}

fn times(trace: &Trace) -> u64 {
    trace.steps.iter().filter(|step| step.holds).count() as u64
}

/// The groups that are shown, those with the most hits first.
fn shown(traces: &Traces) -> Vec<&Trace> {
    let mut groups: Vec<&Trace> =
        traces.groups.iter().filter(|trace| !trace.steps.is_empty()).collect();
    groups
        .sort_by_key(|trace| (std::cmp::Reverse(times(trace) > 0), std::cmp::Reverse(trace.hits)));
    groups
}

/// For people. Styles are always written; the stream takes them out where they are not wanted.
pub(crate) fn write_text(out: &mut dyn Write, traced: &Traced<'_>) -> io::Result<()> {
    let Traced { card, traces, place, hits, untimed, .. } = traced;
    let rule = &card.correlation;
    let metadata = &rule.metadata;
    write!(out, "{BOLD}{}{PLAIN}", visible(&metadata.title, false))?;
    if let Some(id) = metadata.id.as_ref().or(metadata.name.as_ref()) {
        write!(out, " {DIM}({}){PLAIN}", visible(id, false))?;
    }
    writeln!(out, "\n{}", visible(&correlation_text::line(rule), false))?;
    for ((_, title), hits) in card.references.iter().zip(hits) {
        let count = hits.map_or("a correlation".to_owned(), |hits| plural(hits, "event"));
        writeln!(out, "  {DIM}{}: {count}{PLAIN}", visible(title, false))?;
    }
    writeln!(out)?;
    let remarks = [
        (*untimed, "in events without a time, which correlations do not see"),
        (traces.ignored as u64, "without a field of the group, or without a value to compare"),
    ];
    for (count, what) in remarks {
        if count > 0 {
            writeln!(out, "{RED}!{PLAIN} {} {what}", plural(count, "hit"))?;
        }
    }
    let holding = traces.groups.iter().filter(|trace| times(trace) > 0).count();
    let groups = shown(traces);
    let unseen = traces.groups.len() - groups.len();
    if traces.groups.is_empty() {
        writeln!(out, "{RED}✗{PLAIN} {BOLD}the condition never holds: there is no hit{PLAIN}")?;
        return writeln!(out);
    }
    let (mark, verdict) = match holding {
        0 if unseen > 0 => ((RED, "✗"), "the condition holds in none of these groups".to_owned()),
        0 => ((RED, "✗"), "the condition never holds".to_owned()),
        _ => ((GREEN, "✓"), format!("the condition holds in {}", plural(holding as u64, "group"))),
    };
    writeln!(out, "{}{}{PLAIN} {BOLD}{verdict}{PLAIN}", mark.0, mark.1)?;
    for trace in groups {
        let (hits, holds) = (plural(trace.hits as u64, "hit"), plural(times(trace), "time"));
        writeln!(out, "\n  {BOLD}{}{PLAIN}: {hits}, holds {holds}", group(rule, trace))?;
        write_steps(out, card, trace, place)?;
    }
    if unseen > 0 && !traced.chosen {
        let more = plural(unseen as u64, "more group");
        writeln!(out, "\n  {DIM}{more}: `--group NAME=VALUE` shows one{PLAIN}")?;
    }
    writeln!(out)
}

/// How wide times are.
const TIME: usize = "2026-03-17 08:30:12.000000".len();

/// A time to the microsecond.
fn written(nanos: i64) -> String {
    let text = rfc3339(nanos.div_euclid(1_000) * 1_000);
    let text = text.trim_end_matches('Z').replace('T', " ");
    match text.split_once('.') {
        Some((seconds, fraction)) => format!("{seconds}.{fraction:0<6}"),
        None => format!("{text}.000000"),
    }
}

fn write_steps(
    out: &mut dyn Write,
    card: &AlertCard,
    trace: &Trace,
    place: &dyn Fn(EventRef) -> String,
) -> io::Result<()> {
    let several = card.correlation.rules.len() > 1;
    let rules = |step: &Step| -> String {
        let titles: Vec<&str> =
            step.rules.iter().map(|rule| &*card.references[*rule as usize].1).collect();
        visible(&titles.join(", "), false).into_owned()
    };
    let places: Vec<String> = trace
        .steps
        .iter()
        .map(|step| step.event.map_or("(end of the window)".to_owned(), place))
        .collect();
    let width = places
        .iter()
        .map(|place| place.chars().count())
        .max()
        .unwrap_or(0)
        .clamp("FILE:RECORD".len(), 44);
    writeln!(
        out,
        "    {DIM}{:TIME$}  {:width$}  {:>6}  {:>8}{PLAIN}",
        "TIME (UTC)", "FILE:RECORD", "WINDOW", "VALUE"
    )?;
    let last = trace.steps.len();
    for (at, (step, place)) in trace.steps.iter().zip(&places).enumerate() {
        if at >= LINES && at + LINES < last {
            if at == LINES {
                let hidden = &trace.steps[LINES..last - LINES];
                let holds = hidden.iter().filter(|step| step.holds).count() as u64;
                let count = grouped(hidden.len() as u64);
                let holds = plural(holds, "time");
                writeln!(out, "    {DIM}… {count} more lines; it holds {holds} in them{PLAIN}")?;
            }
            continue;
        }
        let value = step.measure.as_ref().map_or("–".to_owned(), ToString::to_string);
        let tail = shortened_left(&visible(place, false), width);
        let mark =
            if step.holds { format!("{GREEN}✓ holds{PLAIN}") } else { format!("{DIM}·{PLAIN}") };
        let names = if several { format!("  {}", rules(step)) } else { String::new() };
        let time = written(step.time);
        writeln!(
            out,
            "    {time:TIME$}  {tail:width$}  {:>6}  {value:>8}  {mark}{names}",
            step.hits
        )?;
    }
    Ok(())
}

/// For programs.
pub(crate) fn to_json(traced: &Traced<'_>) -> Value {
    let Traced { card, traces, place, hits, untimed, .. } = traced;
    let rule = &card.correlation;
    let step = |step: &Step| {
        let rules: Vec<&str> =
            step.rules.iter().map(|rule| &*card.references[*rule as usize].0).collect();
        json!({
            "time": rfc3339(step.time),
            "event": step.event.map(place),
            "rules": rules,
            "hits": step.hits,
            "first": rfc3339(step.first),
            "value": step.measure.as_ref().map(ToString::to_string),
            "holds": step.holds,
        })
    };
    let groups: Vec<Value> = traces
        .groups
        .iter()
        .map(|trace| {
            let names = rule.group_by.iter().zip(&trace.group);
            let group: serde_json::Map<String, Value> =
                names.map(|(name, value)| (name.clone(), json!(value))).collect();
            let steps: Vec<Value> = trace.steps.iter().map(step).collect();
            json!({"group": group, "hits": trace.hits, "holds": times(trace), "steps": steps})
        })
        .collect();
    let references: Vec<Value> = card
        .references
        .iter()
        .zip(hits)
        .map(|((id, title), hits)| json!({"id": id, "title": title, "events": hits}))
        .collect();
    json!({
        "correlation": {"id": rule.metadata.id, "title": rule.metadata.title, "summary": correlation_text::line(rule)},
        "rules": references,
        "without_time": untimed,
        "ignored": traces.ignored,
        "groups": groups,
    })
}
