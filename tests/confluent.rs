//! Confluent Sigma offline: its layout of detections, fields that regular expressions name, and the golden counts of its demo data, which are what its
//! rules find by the specification, the aggregate on event time.

use crate::command::{Folder, run};
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

const RULE: &str = r"title: Denied
id: 11111111-0000-4000-8000-000000000001
logsource:
    product: edge
detection:
    s:
        line|re: 'deny (?<src>[0-9.]+)/(?<port>\d+) by (?<title>\w+)'
    condition: s
level: low
kafka:
    outputTopic: walls
    customFields: {site: edge, rank: 7, port: any, open: null}
";

const LOG: &str = r#"{"time": "2026-03-17T09:00:00.25Z", "line": "deny 192.0.2.7/22 by \"acl\""}
{"line": "deny 192.0.2.7/22 by acl", "n": [1, null]}
{"line": "permit 192.0.2.7/22 by acl"}
"#;

/// Named groups of a rule's regular expressions are fields of its detections in every format.
#[test]
fn named_groups_are_extracted_in_every_format() {
    let folder = Folder::new().file("rule.yml", RULE).file("log.ndjson", LOG);
    let hunt = |format: &str| {
        let source = ["--logsource", "product=edge"];
        let ran = folder.run(
            &[&["hunt", "log.ndjson", "-r", "rule.yml", "-q", "-f", format], &source[..]].concat(),
        );
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        ran.stdout
    };
    let custom = serde_json::json!({"site": "edge", "rank": 7, "port": "any", "open": null});
    let extracted = serde_json::json!({"src": "192.0.2.7", "port": "22", "title": "acl"});
    for (format, place) in [("jsonl", ""), ("ecs", "/sigma"), ("ocsf", "/evidences/0/data")] {
        let text = hunt(format);
        // In the first line the name is in quotes.
        assert_eq!(text.lines().count(), 1, "{format}: {text}");
        let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        let found = value.pointer(place).expect("a place");
        assert_eq!(found["extracted"], extracted, "{format}");
        assert_eq!(found["custom_fields"], custom, "{format}");
    }
    let array: serde_json::Value = serde_json::from_str(&hunt("json")).expect("an array");
    assert_eq!(array[0]["extracted"], extracted);
    assert!(hunt("csv").ends_with(",src=192.0.2.7; port=22; title=acl\n"), "{}", hunt("csv"));
    assert!(hunt("table").contains("Denied"));
}

/// Its layout: what rules add and extract is beside the detection's own keys, all as texts, and so is the event.
#[test]
fn detections_are_written_as_confluent_sigma_does() {
    let rule = RULE.replace("by (?<title>", "by \"?(?<title>");
    let plain = "title: Plain\nlogsource:\n    product: edge\ndetection:\n    s:\n        line|startswith: permit\n    condition: s\n";
    let folder = Folder::new()
        .file("rules/rule.yml", rule)
        .file("rules/plain.yml", plain)
        .file("log.ndjson", LOG);
    let ran = folder.run(&[
        "hunt",
        "log.ndjson",
        "-r",
        "rules",
        "-q",
        "-f",
        "confluent",
        "--logsource",
        "product=edge",
    ]);
    assert_eq!((ran.code, &*ran.stderr), (Some(0), ""));
    let lines: Vec<&str> = ran.stdout.lines().collect();
    let id = "11111111-0000-4000-8000-000000000001";
    let head = format!(r#""title":"Denied","id":"{id}","outputTopic":"walls""#);
    let fields = r#""site":"edge","rank":"7","open":null,"src":"192.0.2.7","port":"22""#;
    let events = [
        r#"{\"time\":\"2026-03-17T09:00:00.25Z\",\"line\":\"deny 192.0.2.7/22 by \\\"acl\\\"\"}"#,
        r#"{\"line\":\"deny 192.0.2.7/22 by acl\",\"n\":[1,null]}"#,
        r#"{\"line\":\"permit 192.0.2.7/22 by acl\"}"#,
    ];
    let expected = [
        format!(r#"{{"timeStamp":1773738000250,{head},{fields},"sourceData":"{}"}}"#, events[0]),
        format!(r#"{{"timeStamp":null,{head},{fields},"sourceData":"{}"}}"#, events[1]),
        format!(
            r#"{{"timeStamp":null,"title":"Plain","id":null,"outputTopic":null,"sourceData":"{}"}}"#,
            events[2]
        ),
    ];
    assert_eq!(lines, expected);
    // A record that is no JSON is the text itself.
    let folder = folder.file("text.log", "permit \"all\"\n").file(
        "rules/plain.yml",
        plain.replace("        line|startswith: permit", "        - permit"),
    );
    let ran = folder.run(&[
        "hunt",
        "text.log",
        "-r",
        "rules/plain.yml",
        "-q",
        "-f",
        "confluent",
        "--logsource",
        "product=edge",
    ]);
    assert!(ran.stdout.ends_with(",\"sourceData\":\"permit \\\"all\\\"\"}\n"), "{}", ran.shown());
}
