//! Over logs that others wrote: every row is an event, and the right columns are read.

use super::tests::info;
use super::{Zeek, header};
use crate::json::Json;
use crate::samples::{Sample, samples};
use crate::{Format, Head, Outcome, Score};
use sigmund_engine::{Kind, Record};

/// Rows as anybody would count them: lines that are neither empty nor of a header.
fn rows(sample: &Sample) -> usize {
    let prefix = if sample.bytes.starts_with(b"PREFIX<>") { "PREFIX<>" } else { "#" };
    String::from_utf8_lossy(&sample.bytes)
        .lines()
        .filter(|line| !line.trim().is_empty() && !line.trim_start().starts_with(prefix))
        .count()
}

/// Events, foreign lines, and events with columns too many or without any known column.
fn read(sample: &Sample) -> (usize, usize, usize) {
    let mut parser = Zeek.open(&info(&sample.name));
    let mut record = Record::collecting();
    let (mut events, mut foreign, mut odd) = (0, 0, 0);
    for line in sample.bytes.split(|byte| *byte == b'\n') {
        record.clear();
        match parser.parse(line, &mut record) {
            Outcome::Event => {
                events += 1;
                assert!(record.route.is_some(), "{}: event without route", sample.name);
                let surplus = record.fields.find(super::tsv::SURPLUS);
                odd += usize::from(
                    surplus.is_some_and(|slot| record.fields.is_present(slot))
                        || record.fields.present().next().is_none(),
                );
            }
            Outcome::Foreign => foreign += 1,
            Outcome::Skip(_) => {}
        }
    }
    (events, foreign, odd)
}

#[test]
fn every_row_of_every_tsv_sample_is_an_event() {
    let mut events_of_all = 0;
    let mut wrong = Vec::new();
    for sample in samples("zeek-tsv").iter().chain(&samples("zeek-quirks")) {
        let head = Head { file_name: &sample.name, bytes: &sample.bytes };
        if Zeek.sniff(&head) == Score::NO {
            let has_header = sample
                .bytes
                .split(|byte| *byte == b'\n')
                .any(|line| header::is_usual_option(line) && line.starts_with(b"#fields"));
            if has_header {
                wrong.push(format!("{}: not recognised", sample.name));
            }
            continue;
        }
        let (events, foreign, odd) = read(sample);
        let plain_header = usize::from(sample.name.contains("ascii-tsv"));
        let rows = rows(sample) - plain_header;
        if events != rows || foreign != 0 || odd != 0 {
            wrong.push(format!(
                "{}: {rows} rows, {events} events, {foreign} foreign, {odd} odd",
                sample.name
            ));
        }
        events_of_all += events;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(events_of_all == 0 || events_of_all > 60_000, "{events_of_all} events");
}

#[test]
fn rows_without_header_are_events() {
    for sample in samples("zeek-tsv-rows") {
        let (events, foreign, odd) = read(&sample);
        let wanted = (rows(&sample), 0, 0);
        assert_eq!((events, foreign, odd), wanted, "{}: events, foreign, odd", sample.name);
    }
}

/// Fields with their values.
type Values = Vec<(String, Vec<String>)>;

/// Field and values of an event in comparable form, sorted; numbers rounded as the TSV writer rounds them.
fn comparable(record: &Record, line: &[u8]) -> Values {
    let fields = &record.fields;
    let mut all = Vec::new();
    for slot in fields.present() {
        let name = fields.name(slot);
        if matches!(name, "_path" | "_write_ts") {
            continue;
        }
        let mut values: Vec<String> = fields
            .values(slot)
            .map(|value| {
                let text = String::from_utf8_lossy(fields.bytes(line, value)).into_owned();
                match value.kind {
                    Kind::Null => "null".to_owned(),
                    Kind::Empty => "[]".to_owned(),
                    Kind::True => "true".to_owned(),
                    Kind::False => "false".to_owned(),
                    Kind::Number if text.contains(['.', 'e']) => rounded(&text),
                    Kind::Number => text,
                    Kind::Text if is_time(&text) => {
                        let time: jiff::Timestamp = text.parse().expect("a time");
                        rounded(&format!("{}e-6", time.as_microsecond()))
                    }
                    kind => format!("{kind:?} {text}"),
                }
            })
            .collect();
        values.sort();
        all.push((name.to_owned(), values));
    }
    all.sort();
    all
}

fn rounded(number: &str) -> String {
    let number: f64 = number.parse().expect("a number");
    format!("{number:.6}")
}

/// Whether two values are the same; the JSON writer has all digits of some numbers, the TSV writer six.
fn same(left: &str, right: &str) -> bool {
    left == right
        // For the TSV writer a set of one empty text is an empty set.
        || (left, right) == ("[]", "Text ")
        || matches!((left.parse::<f64>(), right.parse::<f64>()), (Ok(left), Ok(right))
            if (left - right).abs() < 2e-6)
}

fn same_fields(left: &[(String, Vec<String>)], right: &[(String, Vec<String>)]) -> bool {
    left.len() == right.len()
        && left.iter().zip(right).all(|(left, right)| {
            left.0 == right.0
                && left.1.len() == right.1.len()
                && left.1.iter().zip(&right.1).all(|(left, right)| same(left, right))
        })
}

fn is_time(text: &str) -> bool {
    text.len() == 27 && text.ends_with('Z') && text.parse::<jiff::Timestamp>().is_ok()
}

fn events_of(format: &dyn Format, sample: &Sample) -> Vec<(String, Values)> {
    let mut parser = format.open(&info(&sample.name));
    let mut record = Record::collecting();
    let mut events = Vec::new();
    for line in sample.bytes.split(|byte| *byte == b'\n') {
        record.clear();
        if !line.is_empty() && parser.parse(line, &mut record) == Outcome::Event {
            let route = record.route.as_ref().expect("events have a route");
            events.push((route.name.to_string(), comparable(&record, line)));
        }
    }
    events
}

#[test]
fn tsv_and_json_of_one_log_are_the_same_events() {
    let json = samples("zeek-json");
    let mut pairs = 0;
    for tsv in samples("zeek-tsv").iter().filter(|sample| sample.name.starts_with("zed__")) {
        let name = tsv.name.replace(".log", ".json");
        let Some(json) = json.iter().find(|sample| sample.name == name) else { continue };
        pairs += 1;
        let (left, right) = (events_of(&Zeek, tsv), events_of(&Json, json));
        // Long samples were cut to a number of lines, of which headers are some.
        assert!(left.len().abs_diff(right.len()) <= 9, "{name}: {} {}", left.len(), right.len());
        for (left, right) in left.iter().zip(&right) {
            if name != "zed__loaded_scripts.json" && name != "zed__packet_filter.json" {
                assert_eq!(left.0, right.0, "{name}");
            }
            if !same_fields(&left.1, &right.1) {
                let differ = |one: &[(String, Vec<String>)], other: &[(String, Vec<String>)]| {
                    one.iter().filter(|field| !other.contains(field)).cloned().collect::<Vec<_>>()
                };
                panic!(
                    "{name}: TSV {:?}, JSON {:?}",
                    differ(&left.1, &right.1),
                    differ(&right.1, &left.1)
                );
            }
        }
    }
    assert!(pairs == 0 || pairs >= 20, "{pairs} pairs");
}

#[test]
fn json_samples_are_recognised_as_zeek() {
    let mut wrong = Vec::new();
    let mut events = 0;
    for sample in samples("zeek-json") {
        let file_name = sample.name.rsplit("__").next().unwrap_or_default();
        if sample.name.contains("expected") || sample.name.starts_with("tenzir__") {
            continue;
        }
        let mut parser = Json.open(&info(file_name));
        let mut record = Record::collecting();
        for line in sample.bytes.split(|byte| *byte == b'\n') {
            record.clear();
            if !line.is_empty() && parser.parse(line, &mut record) == Outcome::Event {
                events += 1;
                let route = record.route.as_ref().expect("events have a route");
                let known = route.name.starts_with("zeek ") && &*route.name != "zeek unknown";
                // Times of a few seconds (of traffic without a clock) are none for the JSON reader.
                let clockless = sample.name.starts_with("slips__test");
                let has_time =
                    clockless || record.time.is_some() || record.fields.find("ts").is_none();
                if !known || !has_time {
                    wrong.push(format!("{}: {} {:?}", sample.name, route.name, record.time));
                    break;
                }
            }
        }
    }
    let wrong: Vec<_> = wrong
        .into_iter()
        // These have no `ts`, no `uid` and no `_path`.
        .filter(|line| !line.contains("loaded_scripts"))
        .collect();
    assert!(events == 0 || events > 30_000, "{events} events");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
