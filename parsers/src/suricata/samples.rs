//! Over logs that others wrote.

use super::Fast;
use crate::samples::samples;
use crate::{Format, Head, Outcome, Score, StreamInfo};
use sigmund_engine::{Record, Routing};
use std::sync::Arc;

#[test]
fn every_line_of_the_fast_samples_is_an_alert() {
    let eve = samples("suricata-eve");
    let fast = eve.iter().filter(|sample| sample.name.ends_with("fastlog.log"));
    for sample in samples("ids-fast").iter().chain(fast) {
        assert_eq!(Fast.sniff(&Head { file_name: "", bytes: &sample.bytes }), Score::SURE);
        let info = StreamInfo {
            file_name: sample.name.as_str().into(),
            reference_time: 1_656_000_000_000_000_000,
            assumed_zone: jiff::tz::TimeZone::UTC,
            routing: Arc::new(Routing::default()),
        };
        let mut parser = Fast.open(&info);
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
