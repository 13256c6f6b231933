//! Rules that come while the service runs: published, changed, taken away, refused; and those of Confluent Sigma.

use crate::command::{Folder, Ran, binary};
use crate::kafka::broker::Broker;
use crate::kafka::client::{Record, unique};
use crate::kafka::honesty::honest_broker;
use crate::shared::shared;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);

/// A deployment with a configuration of its own.
struct Deployment {
    broker: &'static Broker,
    application: String,
    folder: Folder,
}

/// A process of it.
struct Process {
    child: Child,
    log: PathBuf,
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Process {
    fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Waits for a text in what it says.
    fn says(&self, text: &str) {
        let end = Instant::now() + PATIENCE;
        while !self.log().contains(text) {
            assert!(Instant::now() < end, "`{text}` is not said:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn signal(&self, signal: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().expect("kill").success());
    }
}

impl Deployment {
    /// With a topic of rules, and `rules` besides; its topics are made.
    fn new(broker: &'static Broker, sources: &str, rules: &str) -> Self {
        let application = unique("rules");
        let text = format!(
            "application: {application}\nkafka: {{bootstrap_servers: ['{}']}}\nsources: [{{topics: [{application}.in], log_sources: ['{sources}']}}]\n\
             rules: {{topic: {application}.rules, watch: 100ms{rules}}}\nhttp: {{listen: 'off'}}\ncorrelation: {{partitions: 2}}\n",
            broker.bootstrap()
        );
        let folder = Folder::new().file("sigmund.yaml", text);
        let this = Self { broker, application, folder };
        broker.create_topics(&[(&this.topic("in"), 2, &[])]);
        let made = this.folder.run(&["topics", "create", "-c", "sigmund.yaml"]);
        assert_eq!(made.code, Some(0), "{}", made.stderr);
        this
    }

    fn topic(&self, name: &str) -> String {
        format!("{}.{name}", self.application)
    }

    fn start(&self, name: &str) -> Process {
        let log = self.folder.path(&format!("{name}.log"));
        let child = Command::new(binary())
            .args(["run", "-c", "sigmund.yaml", "--set", "log.level=debug"])
            .args(["--set", &format!("instance={name}")])
            .current_dir(self.folder.path(""))
            .stdin(Stdio::null())
            .stderr(std::fs::File::create(&log).expect("a file"))
            .spawn()
            .expect("sigmund starts");
        Process { child, log }
    }

    fn publish(&self, options: &[&str]) -> Ran {
        self.folder.run(&[&["rules", "publish", "-c", "sigmund.yaml", "rules"], options].concat())
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.folder.path(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        std::fs::write(path, text).expect("a file");
    }

    /// What the last records of the status topic say: key and state.
    fn statuses(&self) -> Vec<(String, Option<String>)> {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
        let records = self.broker.consume_committed(&self.topic("rules-status")).into_iter();
        records
            .map(|record| {
                let state = record.value.map(|value| {
                    let value: serde_json::Value =
                        serde_json::from_slice(&value).expect("a status is JSON");
                    value["state"].as_str().expect("a state").to_owned()
                });
                (text(record.key.expect("a key")), state)
            })
            .collect()
    }

    /// Failed logins of a user, the first of them in this second.
    fn failures(&self, user: &str, seconds: std::ops::Range<u32>) {
        let event = |second: u32| {
            let event = serde_json::json!({
                "@timestamp": format!("2026-03-17T09:00:{second:02}Z"),
                "action": "fail",
                "user": user,
            });
            Record::new(event.to_string()).partition(0)
        };
        self.broker.produce(&self.topic("in"), seconds.map(event));
    }

    /// Waits for detections: ids of rules with the sets of rules that made them.
    fn detections(&self, count: usize) -> Vec<(String, String)> {
        let topic = self.topic("detections");
        let records = self.broker.await_committed(&topic, count, PATIENCE);
        let header = |record: &Record, name: &str| {
            let found = record.headers.iter().find(|(key, _)| key == name).expect("a header");
            String::from_utf8(found.1.clone()).expect("text")
        };
        records
            .iter()
            .map(|record| (header(record, "rule_id"), header(record, "ruleset")))
            .collect()
    }
}

fn rule(id: &str, field: &str, value: &str) -> String {
    format!(
        "title: T{id}\nid: {id}\nname: n{id}\nlogsource:\n    product: x\ndetection:\n    s:\n        {field}: {value}\n    condition: s\n"
    )
}

fn count(id: &str, least: u32) -> String {
    format!(
        "title: C{id}\nid: {id}\ncorrelation:\n    type: event_count\n    rules: [na]\n    group-by: [user]\n    timespan: 1h\n    condition:\n        gte: {least}\n"
    )
}

#[test]
fn rules_are_published_and_taken_away_while_the_service_runs() {
    let Some(broker) = honest_broker() else { return };
    let this = Deployment::new(broker, "product=x", "");
    this.write("rules/a.yml", &format!("{}---\n{}", rule("a", "action", "fail"), count("c", 5)));
    let told = this.publish(&[]);
    assert_eq!((told.code, &*told.stdout), (Some(0), "+2 ~0 -0 =0\n"), "{}", told.stderr);

    // Windows of a rule that stays count on.
    let first = this.start("first");
    let second = this.start("second");
    first.says("rules: +2 -0 ~0, 0 failed");
    second.says("rules: +2 -0 ~0, 0 failed");
    this.failures("ann", 0..3);
    std::thread::sleep(Duration::from_secs(2));
    this.write("rules/b.yml", &rule("b", "user", "bob"));
    this.write("rules/broken.yml", &rule("d", "user", "x").replace("condition: s", "condition: t"));
    let told = this.publish(&[]);
    assert_eq!((told.code, &*told.stdout), (Some(2), "+1 ~0 -0 =2\n"), "{}", told.stderr);
    assert!(
        told.stderr.contains("rules/broken.yml:9:16: undefined selection `t`"),
        "{}",
        told.stderr
    );
    first.says("rules: +1 -0 ~0, 0 failed");
    second.says("rules: +1 -0 ~0, 0 failed");
    this.failures("ann", 3..5);
    let alerts = this.detections(1);
    assert_eq!(alerts[0].0, "c");

    // A rule that changed starts clean, and all processes call the set by the same name.
    std::fs::remove_file(this.folder.path("rules/broken.yml")).expect("removed");
    std::fs::remove_file(this.folder.path("rules/b.yml")).expect("removed");
    this.write("rules/a.yml", &format!("{}---\n{}", rule("a", "action", "fail"), count("c", 4)));
    let dry = this.publish(&["--prune", "--dry-run"]);
    assert_eq!(dry.stdout, "~ c\n- b\n+0 ~1 -1 =1\n");
    let told = this.publish(&["--prune"]);
    assert_eq!((told.code, &*told.stdout), (Some(0), "+0 ~1 -1 =1\n"), "{}", told.stderr);
    first.says("rules: +0 -1 ~1, 0 failed");
    second.says("rules: +0 -1 ~1, 0 failed");
    this.failures("ann", 5..8);
    this.failures("eve", 5..9);
    let alerts = this.detections(2);
    assert_eq!(alerts.len(), 2, "{alerts:?}");
    assert_ne!(alerts[0].1, alerts[1].1);
    let name = |process: &Process| {
        let log = process.log();
        let line = log.lines().rfind(|line| line.contains("ruleset=")).expect("a set").to_owned();
        line.split("ruleset=\"").nth(1).expect("a name")[..12].to_owned()
    };
    assert_eq!((name(&first), name(&second)), (alerts[1].1.clone(), alerts[1].1.clone()));

    // Somebody else wrote something; it is refused, and everything goes on.
    let broken = rule("e", "user", "x").replace("condition: s", "condition: t");
    broker.produce(&this.topic("rules"), [Record::new(broken).key("e")]);
    first.says("rules: +0 -0 ~0, 1 failed");
    second.says("rules: +0 -0 ~0, 1 failed");
    std::thread::sleep(Duration::from_secs(3));
    let statuses = this.statuses();
    let of = |key: &str| {
        let told = statuses.iter().filter(|(told, _)| told == key);
        told.map(|(_, state)| state.as_deref()).collect::<Vec<_>>()
    };
    // Processes may tell the same at the same moment, but hardly ever do.
    let once = |key: &str| {
        let mut states = of(key);
        assert!(states.len() <= 4, "{key}: {states:?}");
        states.dedup();
        states
    };
    assert_eq!(once("a"), [Some("accepted")]);
    assert_eq!(once("b"), [Some("accepted"), None]);
    assert_eq!(once("e"), [Some("rejected")]);

    first.signal("-HUP");
    first.says("asked for");
    for mut process in [first, second] {
        process.signal("-TERM");
        let status = process.child.wait().expect("it ends");
        assert!(status.success(), "{}", process.log());
    }
}

#[test]
fn files_win_nothing_against_the_topic_and_are_watched() {
    let Some(broker) = honest_broker() else { return };
    let this = Deployment::new(broker, "product=x", ", paths: [local]");
    this.write("local/a.yml", &rule("a", "action", "other"));
    this.write("local/b.yml", &rule("b", "action", "fail"));
    this.write("rules/a.yml", &rule("a", "action", "fail"));
    assert_eq!(this.publish(&[]).code, Some(0));
    let process = this.start("only");
    process.says("does not count");
    this.failures("ann", 0..1);
    assert_eq!(this.detections(2).len(), 2);
    this.write("local/b.yml", "title: broken\ndetection: 1\n");
    process.says("rules: +0 -1 ~0, 1 failed");
    this.write("local/b.yml", &rule("b", "user", "eve"));
    process.says("rules: +1 -0 ~0, 0 failed");
    // Without the folder nothing changes.
    let (here, there) = (this.folder.path("local"), this.folder.path("elsewhere"));
    std::fs::rename(&here, &there).expect("moved");
    process.says("rules stay as they are: cannot read");
    this.failures("eve", 1..2);
    assert_eq!(this.detections(4).len(), 4);
}

/// Its demo: the rule under its title, as text and as JSON, and the topic that the rule names.
/// Nobody makes a topic for each level, and a topic that is not there would hold up all work.
#[test]
fn topics_of_templates_are_made_and_none_is_read() {
    let Some(broker) = honest_broker() else { return };
    let this = Deployment::new(broker, "product=x", "");
    let config = this.folder.path("sigmund.yaml");
    let text = std::fs::read_to_string(&config).expect("a configuration");
    let detections = format!("detections: {{topic: '{}.{{rule.level}}'}}\n", this.application);
    std::fs::write(&config, format!("{text}{detections}")).expect("a configuration");
    let level = |id: &str, level: &str| format!("{}level: {level}\n", rule(id, "action", "fail"));
    this.write("rules/a.yml", &level("a", "low"));
    assert_eq!(this.publish(&[]).code, Some(0));
    let process = this.start("only");
    process.says(&format!(
        "topic `{}`, where detections of a rule go, was not there",
        this.topic("low")
    ));
    process.says("rules: +1 -0 ~0, 0 failed");
    this.write("rules/b.yml", &level("b", "high"));
    let bad = format!("{}kafka: {{outputTopic: {}}}\n", level("d", "high"), this.topic("in"));
    this.write("rules/d.yml", &bad);
    assert_eq!(this.publish(&[]).code, Some(0));
    process.says(&format!(
        "topic `{}`, where detections of a rule go, was not there",
        this.topic("high")
    ));
    process.says("rules: +1 -0 ~0, 1 failed");
    process.says(&format!("`outputTopic`: `{}` is one of `sources[0].topics[0]`: the service would read what it writes", this.topic("in")));
    this.failures("ann", 0..2);
    for topic in ["low", "high"] {
        assert_eq!(broker.await_committed(&this.topic(topic), 2, PATIENCE).len(), 2);
    }
    std::thread::sleep(Duration::from_secs(3));
    let statuses = this.statuses();
    assert!(statuses.contains(&("d".to_owned(), Some("rejected".to_owned()))), "{statuses:?}");

    // Only the rules are read again.
    let text = std::fs::read_to_string(&config).expect("a configuration");
    std::fs::write(&config, text.replace(".{rule.level}", ".all")).expect("a configuration");
    process.signal("-HUP");
    process.says("other values for `detections.topic`: they count after a restart");
}

#[test]
fn rules_of_confluent_sigma_count_as_they_are() {
    let Some(folder) = shared("corpus/confluent-sigma") else { return };
    let Some(broker) = honest_broker() else { return };
    let this = Deployment::new(broker, "product=splunk,service=cisco:asa", "");
    let text = std::fs::read_to_string(folder.join("rules/regex_rule.yml")).expect("the rule");
    let outlet = this.topic("firewalls");
    let text = text.replace("outputTopic: firewalls", &format!("outputTopic: {outlet}"));
    let title = "Cisco Firewalls Extraction";
    broker.produce(&this.topic("rules"), [Record::new(text.clone()).key(title)]);
    let process = this.start("only");
    process.says("rules: +1 -0 ~0, 0 failed");
    let log = std::fs::read_to_string(folder.join("demo/splunk-s2s-demo.txt")).expect("the log");
    broker.produce(&this.topic("in"), log.lines().map(Record::new));
    let found = broker.await_committed(&outlet, 5, PATIENCE);
    assert_eq!(found.len(), 5);
    let detection: serde_json::Value = serde_json::from_str(found[0].text()).expect("JSON");
    let fields =
        serde_json::json!({"location": "edge", "sourcetype": "cisco:asa", "index": "main"});
    assert_eq!(detection["custom_fields"], fields);

    // As its older versions wrote it: what they keep of the rule, as JSON. It means the same but for what they leave out.
    let rule: serde_json::Value = serde_yaml::from_str(&text).expect("YAML");
    let mut rule = rule.as_object().expect("a rule").clone();
    rule.insert("id".to_owned(), serde_json::Value::Null);
    rule.insert("references".to_owned(), serde_json::Value::Null);
    rule.remove("description");
    let json = serde_json::to_string(&rule).expect("JSON");
    broker.produce(&this.topic("rules"), [Record::new(json).key(title)]);
    process.says("rules: +0 -0 ~1, 0 failed");
    broker.produce(&this.topic("in"), log.lines().map(Record::new));
    assert_eq!(broker.await_committed(&outlet, 10, PATIENCE).len(), 10);
    assert_eq!(broker.consume_committed(&this.topic("detections")).len(), 0);
}
