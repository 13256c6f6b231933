//! Over logs that others wrote.

use super::Fast;
use crate::json::Json;
use crate::samples::samples;
use crate::{Format, Head, Outcome, Score, StreamInfo};
use sigmund_engine::Record;

fn info(file_name: &str) -> StreamInfo {
    StreamInfo::new(file_name, 1_656_000_000_000_000_000)
}

#[test]
fn every_line_of_the_fast_samples_is_an_alert() {
    let eve = samples("suricata-eve");
    let fast = eve.iter().filter(|sample| sample.name.ends_with("fastlog.log"));
    for sample in samples("ids-fast").iter().chain(fast) {
        assert_eq!(Fast.sniff(&Head { file_name: "", bytes: &sample.bytes }), Score::SURE);
        let mut parser = Fast.open(&info(&sample.name));
        let mut record = Record::collecting();
        for line in sample.bytes.split(|byte| *byte == b'\n') {
            record.clear();
            match parser.parse(line, &mut record) {
                Outcome::Event => {
                    assert!(record.time.is_some(), "{}", String::from_utf8_lossy(line));
                    assert!(record.fields.present().count() >= 9);
                }
                Outcome::Skip(_) => {}
                Outcome::Foreign => panic!("foreign: {}", String::from_utf8_lossy(line)),
            }
        }
    }
}

#[test]
fn every_eve_event_is_recognised() {
    let mut wrong = Vec::new();
    let mut events = 0;
    for sample in samples("suricata-eve") {
        if !sample.bytes.starts_with(b"{\"") || sample.name.contains("expected") {
            continue;
        }
        let mut parser = Json.open(&info(&sample.name));
        let mut record = Record::collecting();
        for line in sample.bytes.split(|byte| *byte == b'\n') {
            record.clear();
            if !line.is_empty() && parser.parse(line, &mut record) == Outcome::Event {
                events += 1;
                let route = record.route.as_ref().expect("events have a route");
                let slot = record.fields.find("event_type");
                let value = slot.and_then(|slot| record.fields.first(slot));
                let Some(value) = value else { continue };
                let kind = String::from_utf8_lossy(record.fields.bytes(line, value));
                // Captures without a clock begin in 1970, which stands for no time.
                let start = String::from_utf8_lossy(&line[..40]);
                let has_time = record.time.is_some() || start.contains("\"1970-");
                let ok = *route.name == *format!("suricata {kind}") && has_time;
                if !ok {
                    wrong
                        .push(format!("{}: {kind}: {} {:?}", sample.name, route.name, record.time));
                    break;
                }
            }
        }
    }
    assert!(events == 0 || events > 2_000, "{events} events");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
