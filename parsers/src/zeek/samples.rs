//! Over logs that others wrote: every row is an event, and the right columns are read.

use super::tests::info;
use super::{Zeek, header};
use crate::samples::{Sample, samples};
use crate::{Format, Head, Outcome, Score};
use sigmund_engine::Record;

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
    eprintln!("{events_of_all} events");
}

#[test]
fn rows_without_header_are_events() {
    for sample in samples("zeek-tsv-rows") {
        let (events, foreign, odd) = read(&sample);
        eprintln!("{}: {events} events, {foreign} foreign, {odd} odd", sample.name);
        assert_eq!(events + foreign, rows(&sample));
        assert!(foreign <= 3, "{foreign} rows were not recognised");
    }
}
