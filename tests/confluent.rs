//! The golden counts of Confluent Sigma's demo data: what its rules find in it by the specification, the aggregate on event time.

use crate::command::run;
use crate::shared::shared;

/// Log, rule, options, detections.
///
/// The aggregate counts more than ten long queries within ten seconds. That it holds at 2,487 of the 2,508 queries, in seven stretches of
/// time, was computed apart from this engine from the times in the log.
const GOLDEN: &[(&str, &str, &[&str], usize)] = &[
    ("dns.txt", "zeek_dns_exfiltration.yaml", &[], 0),
    ("dns_demo.txt", "zeek_dns_exfiltration.yaml", &[], 0),
    ("dns.txt", "zeek_dns_exfiltration_time.yaml", &["--alert", "every"], 2_487),
    ("dns.txt", "zeek_dns_exfiltration_time.yaml", &["--alert", "once"], 7),
    ("dns_demo.txt", "zeek_dns_exfiltration_time.yaml", &["--alert", "every"], 10),
    ("dns_demo.txt", "zeek_dns_exfiltration_time.yaml", &["--alert", "once"], 5),
    ("zeek-http.out", "simple.yml", &[], 1_828),
    (
        "splunk-s2s-demo.txt",
        "regex_rule.yml",
        &["--logsource", "product=splunk,service=cisco:asa"],
        5,
    ),
];

#[test]
fn golden_counts() {
    let Some(folder) = shared("corpus/confluent-sigma") else { return };
    for (log, rule, options, expected) in GOLDEN {
        let log = folder.join("demo").join(log);
        let rule = folder.join("rules").join(rule);
        let (log, rule) = (log.to_string_lossy(), rule.to_string_lossy());
        let mut arguments = vec!["hunt", &log, "-r", &rule, "-q", "-f", "jsonl"];
        arguments.extend(*options);
        let ran = run(&arguments);
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        assert_eq!(ran.stdout.lines().count(), *expected, "{log} {rule} {options:?}");
    }
}

/// The same queries without the aggregation are the hits that it counts.
#[test]
fn hits_of_the_aggregate() {
    let Some(folder) = shared("corpus/confluent-sigma") else { return };
    let text = std::fs::read_to_string(folder.join("rules/zeek_dns_exfiltration_time.yaml"))
        .expect("the rule");
    let work = tempfile::tempdir().expect("a folder");
    let rule = work.path().join("rule.yml");
    let search: Vec<&str> = text.split(" | count() > 10").collect();
    assert_eq!(search.len(), 2, "the rule has another aggregation: {text}");
    std::fs::write(&rule, search.concat().replace("timeframe: 10s", "")).expect("the rule");
    for (log, expected) in [("dns.txt", 2_508), ("dns_demo.txt", 44)] {
        let log = folder.join("demo").join(log);
        let (log, rule) = (log.to_string_lossy(), rule.to_string_lossy());
        let ran = run(&["hunt", &log, "-r", &rule, "-q", "-f", "jsonl"]);
        assert_eq!(ran.stdout.lines().count(), expected, "{log}: {}", ran.stderr);
    }
}
