//! `sigmund parse`: how logs are framed, parsed, normalised and routed.

use super::Status;
use crate::args::{Parse, ParseFormat, RuleFilter};
use crate::input::Inputs;
use crate::plan::{self, Loaded};
use crate::printer::Printer;
use crate::read::{Consumer, Reader, Report};
use crate::rule_fields;
use sigmund_engine::{Event, Object, Record, Route, TimeSource, Value};
use sigmund_parsers::{Framed, Outcome};
use sigmund_stream::encode::{json, rfc3339};
use sigmund_stream::rules::Rules;
use sigmund_stream::words::{plural, visible};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufWriter, Write};
use std::sync::Arc;

/// More fields of one kind of event than this are not listed.
const MAX_FIELDS: usize = 1000;

pub(super) fn run(args: &Parse, printer: &Printer) -> anyhow::Result<Status> {
    plan::one_reads_stdin(&args.logs, &args.rules)?;
    let reading = plan::reading(&args.log_options)?;
    let loaded = Loaded::new(&args.rules, &RuleFilter::default(), &reading.routing)?;
    let rules = loaded.rules;
    let inputs = Inputs::find(&args.logs);
    let mut failed = !inputs.report(printer);
    let width = printer.width().unwrap_or(100).clamp(60, 100);
    let mut out = BufWriter::new(printer.stdout());
    let mut reader = Reader::new(Record::collecting());
    for input in &inputs.logs {
        let opened = match input.open() {
            Ok(opened) => opened,
            Err(error) => {
                printer.error(&format!("cannot read `{}`: {error}", input.name()));
                failed = true;
                continue;
            }
        };
        let name = input.name();
        let report = match args.format {
            ParseFormat::Jsonl => {
                let (path, text) = (String::new(), Vec::new());
                let mut events = Events { out: &mut out, path, number: 0, text };
                reader.log(opened, &reading, &mut events)?
            }
            ParseFormat::Text => {
                let mut kinds = Kinds::default();
                let report = reader.log(opened, &reading, &mut kinds)?;
                kinds.write(&name, &report, &rules, width, &mut out)?;
                report
            }
        };
        failed |= !report.tell(&name, printer);
    }
    out.flush()?;
    Ok(if failed { Status::Failure } else { Status::Success })
}

/// Writes normalised events, one JSON object per line.
struct Events<'a> {
    out: &'a mut dyn Write,
    path: String,
    number: u64,
    text: Vec<u8>,
}

impl Consumer for Events<'_> {
    fn stream(&mut self, name: &str) {
        name.clone_into(&mut self.path);
        self.number = 0;
    }

    fn record(&mut self, mut framed: Framed<'_>) {
        self.number += 1;
        if framed.outcome != Outcome::Event {
            return;
        }
        let format = framed.format;
        write_event(&framed.event(), &self.path, self.number, format, &mut self.text);
    }

    fn block(&mut self, _: usize) -> io::Result<()> {
        self.out.write_all(&self.text)?;
        self.text.clear();
        Ok(())
    }
}

fn write_event(event: &Event, path: &str, number: u64, format: &str, out: &mut Vec<u8>) {
    out.push(b'{');
    json::key("source", out);
    out.push(b'{');
    json::text("path", path, out);
    json::key("record", out);
    out.extend_from_slice(number.to_string().as_bytes());
    out.push(b'}');
    json::text("format", format, out);
    json::text("kind", &event.route.name, out);
    json::key("time", out);
    match event.time {
        Some(time) => json::string(&rfc3339(time.nanos), out),
        None => out.extend_from_slice(b"null"),
    }
    json::texts("log_sources", names(&event.route).iter().map(String::as_str), out);
    json::key("fields", out);
    json::object(&event.object, out);
    if !event.lifted.0.is_empty() {
        json::key("lifted", out);
        json::object(&event.lifted, out);
    }
    if event.keywords_in_raw {
        json::text("raw", &String::from_utf8_lossy(&event.raw), out);
    }
    out.extend_from_slice(b"}\n");
}

fn names(route: &Route) -> Vec<String> {
    route.log_sources.iter().map(ToString::to_string).collect()
}

/// What a log holds, by kind of event.
#[derive(Default)]
struct Kinds {
    /// Keyed by the route.
    kinds: BTreeMap<u32, Kind>,
}

struct Kind {
    route: Arc<Route>,
    format: &'static str,
    events: u64,
    /// Field → number of events that have it.
    fields: BTreeMap<String, u64>,
    times: Option<(i64, i64)>,
    time_source: Option<TimeSource>,
    timeless: u64,
    assumed_zone: bool,
    inferred_year: bool,
}

impl Consumer for Kinds {
    fn record(&mut self, mut framed: Framed<'_>) {
        if framed.outcome != Outcome::Event {
            return;
        }
        let format = framed.format;
        let event = framed.event();
        let kind = self.kinds.entry(event.route.id).or_insert_with(|| Kind {
            route: Arc::clone(&event.route),
            format,
            events: 0,
            fields: BTreeMap::new(),
            times: None,
            time_source: None,
            timeless: 0,
            assumed_zone: false,
            inferred_year: false,
        });
        kind.events += 1;
        match event.time {
            Some(time) => {
                let (first, last) = kind.times.unwrap_or((time.nanos, time.nanos));
                kind.times = Some((first.min(time.nanos), last.max(time.nanos)));
                kind.time_source = Some(time.source);
                kind.assumed_zone |= time.zone_assumed;
                kind.inferred_year |= time.year_inferred;
            }
            None => kind.timeless += 1,
        }
        let mut fields = BTreeSet::new();
        if event.lifted.0.is_empty() {
            paths("", &event.object, 0, &mut fields);
        } else {
            fields.extend(event.lifted.0.iter().map(|(name, _)| name.to_string()));
        }
        for field in fields {
            if kind.fields.len() < MAX_FIELDS || kind.fields.contains_key(&field) {
                *kind.fields.entry(field).or_default() += 1;
            }
        }
    }
}

/// The fields of an object, nested ones with dots.
fn paths(prefix: &str, object: &Object, depth: usize, out: &mut BTreeSet<String>) {
    for (name, value) in &object.0 {
        let path = if prefix.is_empty() { name.to_string() } else { format!("{prefix}.{name}") };
        match value {
            Value::Object(inner) if depth < 8 && !inner.0.is_empty() => {
                paths(&path, inner, depth + 1, out);
            }
            _ => {
                out.insert(path);
            }
        }
    }
}

impl Kinds {
    fn write(
        &self,
        path: &str,
        report: &Report,
        rules: &Rules,
        width: usize,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let counts = &report.counts;
        writeln!(out, "\u{1b}[1m{}\u{1b}[0m", visible(path, false))?;
        writeln!(out, "  format   {}", report.format.unwrap_or("-"))?;
        let mut parts = format!("{} framed, {}", counts.records, plural(counts.events, "event"));
        for (reason, count) in &counts.skipped {
            parts.push_str(&format!(", {count} skipped ({reason})"));
        }
        for (count, what) in
            [(counts.unparsed, "as plain text only"), (counts.truncated, "cut at the size limit")]
        {
            if count > 0 {
                parts.push_str(&format!(", {count} {what}"));
            }
        }
        writeln!(out, "  records  {parts}")?;
        for kind in self.kinds.values() {
            kind.write(rules, width, out)?;
        }
        writeln!(out)
    }
}

impl Kind {
    fn write(&self, rules: &Rules, width: usize, out: &mut dyn Write) -> io::Result<()> {
        let route = &self.route;
        let name = visible(&route.name, false);
        write!(out, "\n  \u{1b}[1m{name}\u{1b}[0m")?;
        if route.id == Route::TRANSIENT {
            // There are too many kinds to tell them apart.
            write!(out, " and further kinds")?;
        }
        write!(out, ": {}", plural(self.events, "event"))?;
        writeln!(out, ", read as {}", self.format)?;
        if let (Some((first, last)), Some(source)) = (self.times, self.time_source) {
            let source = match source {
                TimeSource::Field(name) => format!("from `{name}`"),
                TimeSource::Header => "from the header".to_owned(),
            };
            writeln!(out, "    time          {} to {}", rfc3339(first), rfc3339(last))?;
            write!(out, "                  {source}")?;
            for (yes, what) in
                [(self.assumed_zone, "zone assumed"), (self.inferred_year, "year inferred")]
            {
                if yes {
                    write!(out, ", {what}")?;
                }
            }
            writeln!(out)?;
        }
        if self.timeless > 0 {
            writeln!(out, "    without time  {}", self.timeless)?;
        }
        let sources = names(route);
        let sources: Vec<&str> = match &*sources {
            [] => vec!["none: `--logsource category=…,product=…` gives one"],
            sources => sources.iter().map(String::as_str).collect(),
        };
        list("log sources", &sources, width, out)?;
        let seen = rules.set.rules_for(route);
        writeln!(out, "    rules         {} of {} see it", seen.len(), rules.cards.len())?;
        if (1..=5).contains(&seen.len()) {
            for rule in &seen {
                let title = rules.cards[*rule as usize].title();
                writeln!(out, "                  {}", visible(title, false))?;
            }
        }
        let mut wanted = BTreeSet::new();
        for rule in &seen {
            wanted.extend(rule_fields::of(&rules.cards[*rule as usize].rule));
            wanted.extend(rules.correlations.fields_of(*rule));
        }
        let wanted = rule_fields::native(&wanted, route);
        let (read, unread): (Vec<&str>, Vec<&str>) =
            self.fields.keys().map(String::as_str).partition(|field| wanted.contains(field));
        for (what, fields) in [("rules read", read), ("no rule reads", unread)] {
            if !fields.is_empty() {
                list(what, &fields, width, out)?;
            }
        }
        Ok(())
    }
}

/// Names with commas, wrapped.
fn list(what: &str, names: &[&str], width: usize, out: &mut dyn Write) -> io::Result<()> {
    let mut line = format!("    {what:14}");
    for (index, name) in names.iter().enumerate() {
        let comma = if index + 1 < names.len() { ", " } else { "" };
        let part = format!("{}{comma}", visible(name, false));
        if line.chars().count() + part.trim_end().chars().count() > width {
            writeln!(out, "{}", line.trim_end())?;
            line = " ".repeat(18);
        }
        line.push_str(&part);
    }
    writeln!(out, "{}", line.trim_end())
}
