//! What Confluent Sigma's users bring: its rules on their topic, the logs of its demo, and the counts that these must give on the same topics.
//!
//! The configuration is the one that `docs/from-confluent-sigma.md` shows.

use super::running::{PATIENCE, Running};
use crate::command::run_in;
use crate::kafka::broker::Broker;
use crate::kafka::client::{Record, unique};
use crate::kafka::honesty::honest_broker;
use crate::kafka::quick_start::block;
use crate::shared::shared;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Zeek writes this long after everything that is looked for: all windows are over then.
const END_OF_DNS: &str = r#"{"ts":1750000000.0,"uid":"C1","id.orig_h":"192.0.2.1","id.orig_p":1,"id.resp_h":"192.0.2.2","id.resp_p":53,"proto":"udp","trans_id":1,"query":"end.example","qclass":1,"qtype":1,"rejected":false}"#;
const END_OF_HTTP: &str = r#"{"ts":1750000000.0,"uid":"C1","id.orig_h":"192.0.2.1","id.orig_p":1,"id.resp_h":"192.0.2.2","id.resp_p":80,"trans_depth":1,"method":"GET","host":"end.example","uri":"/end"}"#;
const END_OF_ASA: &str = r#"{"event":"end","time":1750000000,"host":"end","sourcetype":"end"}"#;

/// A deployment with topics of its own.
struct Moved {
    broker: &'static Broker,
    name: String,
    folder: tempfile::TempDir,
    process: Option<Running>,
}

/// A detection as its consumers get it.
struct Detection {
    id: String,
    value: Value,
}

impl Moved {
    /// With the configuration of the document, but for the names of topics and what `changes` says: first texts become second ones.
    fn new(broker: &'static Broker, changes: &[(&str, &str)], topics: &[&str]) -> Self {
        let name = unique("moved");
        let mut text = block("docs/from-confluent-sigma.md", "yaml sigmund.yaml");
        let own = |topic: &str| format!("{name}.{topic}");
        let replacements = [
            ("localhost:9092".to_owned(), broker.bootstrap().to_owned()),
            ("application: sigma-streams-app".to_owned(), format!("instance: one\napplication: {name}")),
            ("topics: [dns]".to_owned(), format!("topics: [{}]", own("dns"))),
            ("topic: sigma-rules".to_owned(), format!("topic: {}", own("sigma-rules"))),
            ("topic: dns-detection".to_owned(), format!("topic: {}", own("dns-detection"))),
            (
                "alert: every".to_owned(),
                "alert: every\n  emit: final\n  max_lateness: 1d\n  idle_timeout: 0s\n  partitions: 4".to_owned(),
            ),
        ];
        let changes =
            changes.iter().map(|(from, to)| ((*from).to_owned(), to.replace("{}", &name)));
        for (from, to) in replacements.into_iter().chain(changes) {
            assert!(text.contains(&from), "`{from}` is not in the document: {text}");
            text = text.replace(&from, &to);
        }
        text.push_str("http: {listen: 'off'}\n");
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("sigmund.yaml"), text).expect("a file");
        let sources: Vec<String> = topics.iter().map(|topic| own(topic)).collect();
        let (rules, out) = (own("sigma-rules"), own("dns-detection"));
        let mut made: Vec<crate::kafka::broker::Topic<'_>> =
            sources.iter().map(|topic| (&**topic, 3, &[][..])).collect();
        // As its documentation makes them.
        made.push((&rules, 1, &[("cleanup.policy", "compact")]));
        made.push((&out, 3, &[]));
        broker.create_topics(&made);
        let ran = run_in(folder.path(), &["topics", "create", "-c", "sigmund.yaml"], b"");
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        Self { broker, name, folder, process: None }
    }

    fn topic(&self, name: &str) -> String {
        format!("{}.{name}", self.name)
    }

    /// Puts rules on the topic under their titles.
    fn publish<'r>(&self, rules: impl IntoIterator<Item = &'r Rule>) {
        let records = rules.into_iter().map(|rule| Record::new(&*rule.text).key(&*rule.title));
        self.broker.produce(&self.topic("sigma-rules"), records);
    }

    /// Writes the lines of a log to a topic, over all its partitions, and the end to each.
    fn log<'l>(&self, topic: &str, lines: impl Iterator<Item = &'l str>, end: &'l str) {
        let lines = (0..).zip(lines).map(|(number, line)| (number % 3, line));
        let all = lines.chain((0..3).map(|partition| (partition, end)));
        let records = all.map(|(partition, line)| Record::new(line).partition(partition));
        self.broker.produce(&self.topic(topic), records);
    }

    fn start(&mut self) {
        self.process = Some(Running::start(&self.folder.path().join("sigmund.yaml")));
    }

    /// What came on these topics when all of it was there and the process had ended.
    fn detections(&mut self, topic: &str, count: usize) -> Vec<Detection> {
        let topic = self.topic(topic);
        let end = std::time::Instant::now() + PATIENCE;
        while self.broker.consume_committed(&topic).len() < count && std::time::Instant::now() < end
        {
            std::thread::sleep(Duration::from_secs(1));
        }
        // What is too many comes soon after.
        std::thread::sleep(Duration::from_secs(1));
        if let Some(mut process) = self.process.take() {
            process.stop();
        }
        let records = self.broker.consume_committed(&topic);
        let detection = |record: &Record| {
            let header = record.headers.iter().find(|(name, _)| name == "detection_id");
            let id = String::from_utf8(header.expect("an id").1.clone()).expect("text");
            Detection { id, value: serde_json::from_str(record.text()).expect("JSON") }
        };
        records.iter().map(detection).collect()
    }
}

/// How many detections each rule made.
fn by_title(detections: &[Detection]) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for detection in detections {
        *counts.entry(detection.value["title"].as_str().expect("a title")).or_default() += 1;
    }
    counts
}

struct Rule {
    path: PathBuf,
    title: String,
    text: String,
}

impl Rule {
    fn read(path: &Path) -> Self {
        let text = std::fs::read_to_string(path).expect("a rule");
        let title = text.lines().find_map(|line| line.strip_prefix("title:"));
        let title = title.expect("a title").trim().trim_matches(['\'', '"']).to_owned();
        Self { path: path.to_owned(), title, text }
    }
}

/// All rules that come with it.
fn rules(folder: &Path) -> Vec<Rule> {
    let mut paths = Vec::new();
    for folder in ["rules", "rules/zeek", "rules/test"].map(|name| folder.join(name)) {
        let entries = std::fs::read_dir(folder).expect("a folder");
        paths.extend(entries.map(|entry| entry.expect("an entry").path()));
    }
    paths.retain(|path| path.is_file());
    paths.sort();
    // Two have the same title: one record of the topic.
    let rules: BTreeMap<String, Rule> =
        paths.iter().map(|path| Rule::read(path)).map(|rule| (rule.title.clone(), rule)).collect();
    rules.into_values().collect()
}

/// The times of queries of at least 60 characters, in microseconds.
fn long_queries(log: &str) -> Vec<i64> {
    let time = |line: &str| {
        let event: Value = serde_json::from_str(line).ok()?;
        let is_long = event["query"].as_str()?.chars().count() >= 60;
        is_long.then(|| (event["ts"].as_f64().expect("a time") * 1e6).round() as i64)
    };
    let mut times: Vec<i64> = log.lines().filter_map(time).collect();
    times.sort_unstable();
    times
}

/// At how many of these there were more than ten within the last ten seconds.
fn more_than_ten(times: &[i64]) -> usize {
    let recent = |(at, time): (usize, &i64)| {
        times[..=at].iter().filter(|other| time - **other <= 10_000_000).count()
    };
    times.iter().enumerate().map(recent).filter(|count| *count > 10).count()
}

/// The ids of what `hunt` detects, and of which rule.
fn hunted(folder: &Path, args: &[&str]) -> Vec<(String, String)> {
    let ran =
        run_in(folder, &[&["hunt", "-q", "-f", "jsonl", "--alert", "every"], args].concat(), b"");
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let detection = |line: &str| {
        let value: Value = serde_json::from_str(line).expect("JSON");
        let text = |value: &Value| value.as_str().expect("text").to_owned();
        (text(&value["id"]), text(&value["rule"]["title"]))
    };
    let mut found: Vec<_> = ran.stdout.lines().map(detection).collect();
    found.sort();
    found
}

fn outline(detections: &[Detection]) -> Vec<(String, String)> {
    let outline = |detection: &Detection| {
        let title = detection.value["title"].as_str().expect("a title");
        (detection.id.clone(), title.to_owned())
    };
    let mut outlines: Vec<_> = detections.iter().map(outline).collect();
    outlines.sort();
    outlines
}

/// The demo of DNS: with the configuration of the document, all rules on the topic, of which it takes those of Zeek's DNS logs.
fn dns(log_name: &str, emit: &str, single: usize, alerts: usize) {
    let Some(folder) = shared("corpus/confluent-sigma") else { return };
    let Some(broker) = honest_broker() else { return };
    let log = std::fs::read_to_string(folder.join("demo").join(log_name)).expect("a log");
    let times = long_queries(&log);
    assert_eq!((times.len(), more_than_ten(&times)), (single, alerts), "the plain calculation");

    let mut moved = Moved::new(broker, &[("emit: final", emit)], &["dns"]);
    let mut rules = rules(&folder);
    // What the aggregation counts, as detections of a rule of their own.
    let counted = rules.iter().find(|rule| rule.title == "Possible DNS exfiltration Time");
    let counted = counted.expect("the rule").text.replace(" | count() > 10", "");
    let plain = counted.replace("exfiltration Time", "queries").replace("  timeframe: 10s", "");
    let path = moved.folder.path().join("queries.yml");
    std::fs::write(&path, plain).expect("a file");
    rules.push(Rule::read(&path));
    moved.publish(&rules);
    moved.log("dns", log.lines().filter(|line| !line.is_empty()), END_OF_DNS);
    // Everything that `hunt` finds.
    let written = moved.folder.path().join(log_name);
    std::fs::write(&written, log + END_OF_DNS).expect("a file");
    let is_dns = |rule: &&Rule| {
        let value: Value = serde_yaml::from_str(&rule.text).expect("YAML");
        value["logsource"]["product"] == "zeek" && value["logsource"]["service"] == "dns"
    };
    let chosen: Vec<&str> =
        rules.iter().filter(is_dns).map(|rule| rule.path.to_str().expect("text")).collect();
    let mut args = vec![log_name, "--logsource", "product=zeek,service=dns"];
    chosen.iter().for_each(|path| args.extend(["-r", path]));
    assert!(chosen.len() >= 4, "{chosen:?}");
    let mut expected = hunted(moved.folder.path(), &args);
    moved.start();
    let found = moved.detections("dns-detection", expected.len());
    let counts = by_title(&found);
    assert_eq!(counts.get("Possible DNS queries"), Some(&single), "{counts:?}");
    assert_eq!(counts.get("Possible DNS exfiltration Time"), Some(&alerts), "{counts:?}");
    assert_eq!(counts.get("Possible DNS exfiltration"), None, "{counts:?}");

    let mut found = outline(&found);
    if emit == "emit: early" {
        // What is told before it is final has ids of its own; it is as often there.
        expected.iter_mut().chain(&mut found).for_each(|(id, _)| id.clear());
        expected.sort();
        found.sort();
    }
    assert_eq!(found, expected);
}

#[test]
fn its_dns_log_gives_the_golden_counts() {
    dns("dns.txt", "emit: final", 2_508, 2_487);
}

#[test]
fn its_dns_log_gives_the_golden_counts_early() {
    dns("dns.txt", "emit: early", 2_508, 2_487);
}

#[test]
fn its_small_dns_log_gives_the_golden_counts() {
    dns("dns_demo.txt", "emit: final", 44, 10);
    dns("dns_demo.txt", "emit: early", 44, 10);
}

/// The other logs, over two topics at once, with all rules and its mapping file under both keys.
#[test]
fn its_http_and_firewall_logs_give_the_golden_counts() {
    let Some(folder) = shared("corpus/confluent-sigma") else { return };
    let Some(broker) = honest_broker() else { return };
    let sources = "topics: [{}.http]\n    log_sources: [\"product=zeek,service=http\"]\n  - topics: [{}.asa]\n    log_sources: [\"product=splunk,service=cisco:asa\"]";
    let mapping = folder.join("mapping/zeek-mapping.yml");
    let mapping = std::fs::canonicalize(mapping).expect("the mapping");
    let mapping = mapping.to_str().expect("text");
    let changes = [(
        "rules:\n",
        format!("rules:\n  pipelines: ['{mapping}']\n  log_source_mappings: ['{mapping}']\n"),
    )];
    let changes = changes.each_ref().map(|(from, to)| (*from, &**to));
    let mut moved = Moved::new(broker, &changes, &["http", "asa"]);
    let path = moved.folder.path().join("sigmund.yaml");
    let text = std::fs::read_to_string(&path).expect("the configuration");
    let filter = "[\"product=zeek,service=dns\"]";
    let (before, rest) = text.split_once("  - topics: ").expect("a source");
    let (_, rest) = rest.split_once(filter).expect("its log source");
    let (unchosen, rest) =
        rest.split_once("  log_sources: [\"product=zeek,service=dns\"]").expect("a filter");
    let sources = sources.replace("{}", &moved.name);
    std::fs::write(&path, format!("{before}  - {sources}{unchosen}{rest}")).expect("a file");

    let mut rules = rules(&folder);
    let outlet = moved.topic("firewalls");
    for rule in &mut rules {
        rule.text = rule.text.replace("outputTopic: firewalls", &format!("outputTopic: {outlet}"));
        rule.text =
            rule.text.replace("outputTopic: my-test", &format!("outputTopic: {}.mine", moved.name));
    }
    moved.publish(&rules);
    let read = |name: &str| std::fs::read_to_string(folder.join("demo").join(name)).expect("a log");
    let (http, asa) = (read("zeek-http.out"), read("splunk-s2s-demo.txt"));
    moved.log("http", http.lines(), END_OF_HTTP);
    moved.log("asa", asa.lines(), END_OF_ASA);
    let write = |name: &str, text: &str, end: &str| {
        std::fs::write(moved.folder.path().join(name), format!("{}\n{end}\n", text.trim_end()))
            .expect("a file");
    };
    write("http.log", &http, END_OF_HTTP);
    write("asa.log", &asa, END_OF_ASA);
    let all = folder.join("rules");
    let all = all.to_str().expect("text");
    let work = moved.folder.path().to_owned();
    let hunt = |log: &str, source: &str| {
        let mappings = ["-p", mapping, "--logsource-mapping", mapping];
        hunted(&work, &[&[log, "-r", all, "--logsource", source], &mappings[..]].concat())
    };
    let expected = hunt("http.log", "product=zeek,service=http");
    let of_asa = hunt("asa.log", "product=splunk,service=cisco:asa");
    assert_eq!(of_asa.len(), 5);

    moved.start();
    let found = moved.detections("dns-detection", expected.len());
    assert_eq!(by_title(&found).get("Simple Http"), Some(&1_828), "{:?}", by_title(&found));
    assert_eq!(outline(&found), expected);
    let firewalls = moved.detections("firewalls", 5);
    assert_eq!(outline(&firewalls), of_asa);

    // What the consumers of that topic look for: its own fields, and those of its regular expression.
    let pattern: Value =
        serde_yaml::from_str(&Rule::read(&folder.join("rules/regex_rule.yml")).text).expect("YAML");
    let pattern = pattern["detection"]["event_match"]["event|re"].as_str().expect("a pattern");
    let pattern = regex::Regex::new(pattern).expect("a regular expression");
    for Detection { value, .. } in &firewalls {
        let source = value["sourceData"].as_str().expect("a text");
        assert!(asa.lines().any(|line| line == source), "{source}");
        let event: Value = serde_json::from_str(source).expect("JSON");
        let groups = pattern.captures(event["event"].as_str().expect("a text")).expect("a match");
        let names = [
            "timestamp",
            "hostname",
            "messageID",
            "action",
            "protocol",
            "src",
            "srcport",
            "dest",
            "destport",
        ];
        for name in names {
            assert_eq!(value[name].as_str(), Some(&groups[name]), "{name}");
        }
        for (name, expected) in
            [("location", "edge"), ("sourcetype", "cisco:asa"), ("index", "main")]
        {
            assert_eq!(value[name], expected);
        }
        assert!(
            value["src"].as_str().is_some_and(|text| text.parse::<std::net::IpAddr>().is_ok()),
            "{value}"
        );
        assert_eq!(value["outputTopic"].as_str(), Some(&*outlet));
        assert_eq!(value["timeStamp"], event["time"].as_i64().expect("a time") * 1000);
        assert_eq!(
            (&value["title"], &value["id"]),
            (&"Cisco Firewalls Extraction".into(), &Value::Null)
        );
        assert_eq!(value.as_object().expect("an object").len(), 5 + names.len() + 3);
    }
}

/// Its unit tests: the sixth of six, two thresholds at once, and one result of two rules that match.
#[test]
fn its_thresholds_and_its_first_match() {
    let Some(broker) = honest_broker() else { return };
    let rule = |title: &str, level: &str, condition: &str, service: &str| Rule {
        path: PathBuf::new(),
        title: title.to_owned(),
        text: format!(
            "title: {title}\nlevel: {level}\nlogsource:\n  product: zeek\n  service: {service}\ndetection:\n  same:\n    query: 'same*'\n  timeframe: 10s\n  condition: same{condition}\n"
        ),
    };
    let rules = [
        rule("One", "low", "", "dns"),
        rule("Two", "high", "", "dns"),
        rule("Three", "high", "", "dns"),
        // The filter leaves it out.
        rule("Other", "critical", "", "http"),
        rule("More than 5", "low", " | count() > 5", "dns"),
        rule("More than 6", "low", " | count() > 6", "dns"),
    ];
    for (alert, expected) in [
        ("alert: every", [("More than 5", 2), ("More than 6", 1), ("Three", 7)]),
        ("alert: once", [("More than 5", 1), ("More than 6", 1), ("Three", 7)]),
    ] {
        let changes = [
            ("format: confluent", "format: confluent\n  first_match: true"),
            ("    log_sources: ", "    format: json\n    log_sources: "),
            ("alert: every", alert),
        ];
        let mut moved = Moved::new(broker, &changes, &["dns"]);
        moved.publish(&rules);
        let event = |second: u32| {
            END_OF_DNS
                .replace("end.example", "same.example")
                .replace("1750000000.0", &format!("1740000{second:03}.5"))
        };
        let events: Vec<String> = (0..7).map(event).collect();
        moved.log("dns", events.iter().map(String::as_str), END_OF_DNS);
        // Avro of a schema registry: a zero, the number of the schema, and values.
        broker.produce(&moved.topic("dns"), [Record::new(&b"\0\0\0\0\x07\x18same.example"[..])]);
        moved.start();
        let count = expected.iter().map(|(_, count)| count).sum();
        let found = moved.detections("dns-detection", count);
        assert_eq!(by_title(&found), BTreeMap::from(expected), "{alert}");
        for (title, number) in [("More than 5", 6), ("More than 6", 7)] {
            let of_rule = found.iter().filter(|detection| detection.value["title"] == title);
            let first = of_rule.filter_map(|detection| detection.value["timeStamp"].as_i64()).min();
            assert_eq!(first, Some(1_740_000_000_500 + (number - 1) * 1000), "{title}");
        }
        let dead = broker.consume_committed(&moved.topic("dead-letters"));
        let reasons = dead.iter().flat_map(|record| &record.headers);
        let reasons: Vec<_> = reasons.filter(|(name, _)| name == "reason").collect();
        assert_eq!(reasons.len(), 1, "{dead:?}");
        assert!(String::from_utf8_lossy(&reasons[0].1).contains("not of the format"), "{dead:?}");
    }
}
