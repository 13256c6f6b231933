//! `sigmund tail`: the detections of a running service as they are committed.

use super::Status;
use crate::args::{Tail as Args, TailFormat};
use crate::encode::{Style, shortened, shortened_left};
use crate::printer::Printer;
use crate::service::Service;
use clap::ValueEnum as _;
use serde_json::Value;
use sigmund_stream::words::{plural, visible};
use std::io::Write as _;

pub(super) fn run(args: &Args, printer: &Printer) -> anyhow::Result<Status> {
    let service = Service::new(&args.connect)?;
    let format = args.format.unwrap_or(match printer.stdout_is_terminal() {
        true => TailFormat::Table,
        false => TailFormat::Jsonl,
    });
    let mut path = "/api/v1/detections".to_owned();
    if let Some(level) = args.level {
        let name = level.to_possible_value();
        path.push_str(&format!("?level={}", name.as_ref().map_or("", |name| name.get_name())));
    }
    let style = Style { color: printer.stdout_has_color(), width: printer.width() };
    let mut out = printer.stdout();
    let mut is_first = true;
    let mut lost = 0;
    service.events(&path, &mut |name, data| {
        match name {
            "detection" => {
                match format {
                    TailFormat::Jsonl => writeln!(out, "{data}")?,
                    TailFormat::Table => {
                        if std::mem::take(&mut is_first) {
                            writeln!(out, "{}", header(&style))?;
                        }
                        writeln!(out, "{}", row(&style, data))?;
                    }
                }
                out.flush()?;
            }
            "lost" => {
                let value: Value = serde_json::from_str(data).unwrap_or_default();
                let more = value["lost"].as_u64().unwrap_or(0);
                lost += more;
                let more = plural(more, "detection");
                printer
                    .warn(&format!("{more} not shown: they come faster than they are read here"));
            }
            // A newer service may say more.
            _ => {}
        }
        Ok(())
    })?;
    printer.say("the service was stopped");
    Ok(if lost == 0 { Status::Success } else { Status::Findings })
}

const TIME: usize = 19;
const TITLE: usize = 44;
const PLACE: usize = 28;

fn header(style: &Style) -> String {
    let line = format!(
        "{:TIME$}  {:8}  {:TITLE$}  {:PLACE$}  MATCHED",
        "TIME (UTC)", "LEVEL", "RULE", "RECORD"
    );
    style.bold(&line)
}

/// A detection in one line.
fn row(style: &Style, data: &str) -> String {
    // What comes from logs must not steer the terminal.
    let Ok(value) = serde_json::from_str::<Value>(data) else {
        return visible(data, false).into_owned();
    };
    let said = |value: &Value| visible(value.as_str().unwrap_or("-"), false).into_owned();
    let time = said(&value["time"]);
    let time = time.get(..TIME).unwrap_or("-").replace('T', " ");
    let level = value["rule"]["level"].as_str();
    let level = level.and_then(|name| sigmund_stream::destination::level_named(name).ok());
    let title = shortened(&said(&value["rule"]["title"]), TITLE);
    let mut place = said(&value["source"]["path"]);
    if let Some(record) = value["source"]["record"].as_u64() {
        place.push_str(&format!(":{record}"));
    }
    let place = shortened_left(&place, PLACE);
    let mut matched: Vec<String> = Vec::new();
    for part in value["matched"].as_array().into_iter().flatten() {
        let value = said(&part["value"]);
        let text = match part["field"].as_str() {
            Some(field) => format!("{}={value}", visible(field, false)),
            None => value,
        };
        if !matched.contains(&text) {
            matched.push(text);
        }
    }
    let mut matched = matched.join(" ");
    if let Some(width) = style.width {
        let used = TIME + 8 + TITLE + PLACE + 8;
        matched = shortened(&matched, width.saturating_sub(used).max(20));
    }
    let level = style.level(level);
    format!("{time:TIME$}  {level}  {title:TITLE$}  {place:PLACE$}  {matched}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_detection_is_a_line_that_steers_nothing() {
        let data = r#"{"time":"2026-03-17T08:14:11.38Z","rule":{"title":"A\u001b[2J","level":"high"},"source":{"path":"logs/3","record":54},"matched":[{"field":"a","value":"1\n2"},{"field":"a","value":"1\n2"},{"value":"x"}]}"#;
        let line = row(&Style::default(), data);
        assert_eq!(
            line.split_whitespace().collect::<Vec<_>>().join(" "),
            "2026-03-17 08:14:11 high A\\u{1b}[2J logs/3:54 a=1\\n2 x"
        );
        assert_eq!(row(&Style::default(), "no\u{7}"), "no\\u{7}");
    }
}
