//! `sigmund status`: how a running service is.

use super::Status;
use crate::args::{ServiceStatus as Args, StatusFormat};
use crate::encode::pretty_json;
use crate::printer::Printer;
use crate::service::Service;
use anyhow::Context as _;
use serde_json::Value;
use sigmund_stream::words::{grouped, plural, visible};
use std::io::Write as _;

pub(super) fn run(args: &Args, printer: &Printer) -> anyhow::Result<Status> {
    let text = Service::new(&args.connect)?.get("/api/v1/status")?;
    let value: Value = serde_json::from_str(&text)
        .with_context(|| format!("`{}` answers no status: is it sigmund?", args.connect.url))?;
    let mut out = printer.stdout();
    match args.format {
        StatusFormat::Table => out.write_all(table(&value).as_bytes())?,
        StatusFormat::Json => {
            writeln!(out, "{}", pretty_json(&value))?;
        }
    }
    Ok(if value["state"] == "running" { Status::Success } else { Status::Findings })
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or(0)
}

/// A text of the service; `-` if there is none.
fn text(value: &Value) -> String {
    visible(value.as_str().unwrap_or("-"), false).into_owned()
}

/// `12.5 MiB`
fn size(bytes: f64) -> String {
    let units = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1024.0 {
        return format!("{bytes:.0} B");
    }
    let (mut size, mut unit) = (bytes / 1024.0, units[0]);
    for next in &units[1..] {
        if size < 1024.0 {
            break;
        }
        (size, unit) = (size / 1024.0, next);
    }
    format!("{size:.1} {unit}")
}

/// `3d 4h`, `5m 12s`: the two largest units.
fn span(seconds: f64) -> String {
    // Clocks of events may be ahead.
    let whole = seconds.max(0.0) as u64;
    let (days, hours, minutes) = (whole / 86_400, whole / 3600 % 24, whole / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) if seconds < 10.0 => format!("{:.1}s", seconds.max(0.0)),
        (0, 0, 0) => format!("{whole}s"),
        (0, 0, _) => format!("{minutes}m {}s", whole % 60),
        (0, ..) => format!("{hours}h {minutes}m"),
        _ => format!("{days}d {hours}h"),
    }
}

const BOLD: &str = "\u{1b}[1m";
const GREEN: &str = "\u{1b}[1;32m";
const YELLOW: &str = "\u{1b}[1;33m";
const RED: &str = "\u{1b}[1;31m";
const END: &str = "\u{1b}[0m";

/// For people. Where no colours are wanted, the printer takes them out.
fn table(value: &Value) -> String {
    let mut out = String::new();
    let mut line = |name: &str, text: String| {
        out.push_str(&format!("{BOLD}{name:<10}{END}{text}\n"));
    };
    let state = text(&value["state"]);
    let color = match &*state {
        "running" => GREEN,
        "hanging" => RED,
        _ => YELLOW,
    };
    let up = span(value["uptime_seconds"].as_f64().unwrap_or(0.0));
    line("sigmund", format!("{} {color}{state}{END} for {up}", text(&value["version"])));
    line("instance", format!("{} of {}", text(&value["instance"]), text(&value["application"])));
    for reason in value["reasons"].as_array().into_iter().flatten() {
        line("", format!("{YELLOW}{}{END}", text(reason)));
    }
    let rules = &value["rules"];
    let mut said = format!(
        "{} and {}, version {} since {}",
        plural(number(&rules["rules"]), "rule"),
        plural(number(&rules["correlations"]), "correlation"),
        number(&rules["version"]),
        text(&rules["since"]),
    );
    let problems = number(&rules["problem_count"]);
    if problems > 0 {
        said.push_str(&format!("; {RED}{}{END}", plural(problems, "problem")));
    }
    line("rules", said);
    let shown = rules["problems"].as_array().map_or(&[][..], Vec::as_slice);
    for problem in shown.iter().take(5) {
        line("", text(problem));
    }
    if problems > 5 {
        line("", format!("… {} more: `sigmund status -f json`", problems - 5));
    }
    let (totals, rates) = (&value["totals"], &value["rates"]);
    line(
        "events",
        format!("{}, {}/s", grouped(number(&totals["events"])), rate(&rates["events_per_second"])),
    );
    line(
        "records",
        format!(
            "{}, {}/s, {}/s",
            grouped(number(&totals["records"])),
            rate(&rates["records_per_second"]),
            size(rates["bytes_per_second"].as_f64().unwrap_or(0.0)),
        ),
    );
    line(
        "detected",
        format!(
            "{}, {}/s",
            grouped(number(&totals["detections"])),
            rate(&rates["detections_per_second"])
        ),
    );
    let lag = match value["lag_records"].as_u64() {
        Some(lag) => plural(lag, "record"),
        None => "not known yet".to_owned(),
    };
    let complete = value["lag_is_complete"].as_bool().unwrap_or(true);
    line("lag", lag + if complete { "" } else { " (of some partitions it is not known yet)" });
    let windows = &value["windows"];
    line(
        "windows",
        format!(
            "{} with {}, {}; {}",
            plural(number(&windows["groups"]), "group"),
            plural(number(&windows["hits"]), "hit"),
            size(windows["bytes"].as_f64().unwrap_or(0.0)),
            match number(&windows["waiting_hits"]) {
                1 => "1 hit waits".to_owned(),
                count => format!("{} wait", plural(count, "hit")),
            },
        ),
    );
    if let Some(behind) = value["watermark_lag_seconds"].as_f64() {
        let at = text(&value["watermark"]);
        line("watermark", format!("{at}, {} behind the clock", span(behind)));
    }
    out.push('\n');
    out.push_str(&lanes(value));
    out
}

fn rate(value: &Value) -> String {
    let rate = value.as_f64().unwrap_or(0.0);
    if rate < 10.0 { format!("{rate:.1}") } else { grouped(rate.round() as u64) }
}

/// A row for each lane.
fn lanes(value: &Value) -> String {
    let mut rows = vec![["LANE", "STATE", "PARTITIONS", "LAG", "LAST COMMIT"].map(str::to_owned)];
    for lane in value["lanes"].as_array().into_iter().flatten() {
        let partitions = lane["partitions"].as_array().map_or(&[][..], Vec::as_slice);
        let lag: Option<u64> = partitions.iter().map(|one| one["lag_records"].as_u64()).sum();
        let last = &lane["last_transaction"];
        let commit = last["seconds_ago"].as_f64().map(|ago| {
            let took = last["seconds"].as_f64().unwrap_or(0.0) * 1000.0;
            format!("{} ago, took {took:.0} ms", span(ago))
        });
        rows.push([
            format!("{}-{}", text(&lane["stage"]), number(&lane["lane"])),
            text(&lane["state"]),
            partitions.len().to_string(),
            lag.map_or("-".to_owned(), grouped),
            commit.unwrap_or_else(|| "-".to_owned()),
        ]);
    }
    let mut widths = [0; 5];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut out = String::new();
    for (at, row) in rows.iter().enumerate() {
        let cells: Vec<String> =
            row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        let cells = cells.join("  ");
        let cells = cells.trim_end();
        match at {
            0 => out.push_str(&format!("{BOLD}{cells}{END}\n")),
            _ => out.push_str(&format!("{cells}\n")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn numbers_are_for_people() {
        let spans = [0.04, 12.0, 75.0, 3700.0, 200_000.0, -3.0].map(span);
        assert_eq!(spans, ["0.0s", "12s", "1m 15s", "1h 1m", "2d 7h", "0.0s"]);
        assert_eq!([17.0, 2048.0, 5e9].map(size), ["17 B", "2.0 KiB", "4.7 GiB"]);
    }

    #[test]
    fn a_status_is_a_table() {
        let value = json!({
            "version": "0.1.0", "application": "sigmund", "instance": "web-1\u{1b}[2J",
            "state": "starting", "reasons": ["lane detect-0 joins its group"],
            "uptime_seconds": 4000,
            "rules": {"version": 3, "rules": 3752, "correlations": 1, "since": "2026-03-17T08:00:00Z",
                "problem_count": 6, "problems": ["a.yml:1:2: one", "2", "3", "4", "5"]},
            "lag_records": 1234, "lag_is_complete": false,
            "watermark": "2026-03-17T09:00:00Z", "watermark_lag_seconds": 61.0,
            "windows": {"groups": 1, "hits": 20, "bytes": 3000, "waiting_hits": 0},
            "totals": {"records": 5000, "bytes": 1_000_000, "events": 6000, "detections": 7},
            "rates": {"records_per_second": 50.0, "bytes_per_second": 4096.0, "events_per_second": 61.4, "detections_per_second": 0.1},
            "lanes": [
                {"stage": "detect", "lane": 0, "state": "joining", "last_transaction": null, "partitions": []},
                {"stage": "correlate", "lane": 0, "state": "working",
                 "last_transaction": {"seconds_ago": 0.3, "seconds": 0.021, "records_sent": 4},
                 "partitions": [{"lag_records": 1000}, {"lag_records": 234}]},
            ],
        });
        let text = anstream::adapter::strip_str(&table(&value)).to_string();
        assert!(text.contains("lag       1,234 records (of some"), "{text}");
        assert!(!text.contains('\u{1b}'), "{text}");
    }
}
