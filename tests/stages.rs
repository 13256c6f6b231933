//! The stages that `cargo bench -p sigmund-bench` times run, so that the benches do not rot unseen.

use sigmund_bench::stage::{Inputs, Log, Matching, Reading};

#[test]
fn each_reads_and_matches_the_fixtures() {
    let inputs = Inputs::fixtures().expect("fixtures");
    let ruleset = inputs.compile();
    // Files of correlations hold several.
    assert!(ruleset.rules().len() >= inputs.rules.len());
    let logs: [(&Log, &str, u64); 4] = [
        (&inputs.windows, "json", 3),
        (&inputs.zeek, "zeek", 3),
        (&inputs.syslog, "syslog", 3),
        (&inputs.xml, "xml", 1),
    ];
    for (log, format, least) in logs {
        let name = log.path.display();
        assert_eq!(log.format().name(), format, "{name}");
        let mut parsing = Reading::parsing(log, &ruleset);
        let events = parsing.run();
        assert_eq!(parsing.run(), events, "{name} reads differently the second time");
        assert!(Reading::framing(log).run() >= events, "{name}");
        let mut matching = Matching::new(log, &ruleset, usize::MAX);
        assert_eq!(matching.events(), events, "{name}");
        assert!(!matching.routes().is_empty(), "{name}");
        let detections = matching.run();
        assert!(detections >= least, "{detections} detections in {name}");
        assert_eq!(matching.detections().len() as u64, detections, "{name}");
    }
}
