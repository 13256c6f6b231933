//! What operators do wrong and what fails around the service: it says so once, in words that help, and nothing is lost or doubled.

use super::running::{Application, PATIENCE, Running, Waiting};
use crate::command::binary;
use crate::kafka::broker::Broker;
use crate::kafka::client::Record;
use crate::kafka::honesty::honest_broker;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::ops::Range;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A rule for each event, and a correlation for each tenth of a user.
const RULES: &str = "title: Fail\nname: fail\nstatus: test\nlogsource: {product: app}\n\
    detection:\n  selection:\n    kind: fail\n  condition: selection\nlevel: low\n---\n\
    title: Each\nstatus: test\nlogsource: {product: app}\n\
    detection:\n  selection:\n    kind: fail\n    number|exists: true\n  condition: selection\nlevel: low\n---\n\
    title: Many\nstatus: test\ncorrelation:\n  type: event_count\n  rules: fail\n  group-by: [user]\n  \
    timespan: 1h\n  condition: {gte: 10}\nlevel: high\n";

/// An application with one topic of events and one process.
struct Case {
    application: Application,
    config: PathBuf,
}

impl Case {
    fn new(broker: &Broker, name: &str, more: &str) -> Self {
        Self::with_transaction(broker, name, "{timeout: 2s, max_records: 100}", more)
    }

    fn with_transaction(broker: &Broker, name: &str, transaction: &str, more: &str) -> Self {
        let application = Application::new(broker, name, &[("raw", 2)]);
        let rules = application.folder.join("rules.yml");
        std::fs::write(&rules, RULES).expect("a file");
        let config = application.config(
            broker,
            "one",
            &format!(
                "kafka:\n  bootstrap_servers: ['{{BOOTSTRAP}}']\n  properties: {{session.timeout.ms: 6000}}\n\
                 sources: [{{topics: [{}], log_sources: [product=app]}}]\nrules: {{paths: [{}]}}\n\
                 correlation: {{emit: early, partitions: 4}}\ntransaction: {transaction}\n{more}",
                application.topic("raw"),
                rules.display()
            ),
        );
        Self { application, config }
    }

    fn topic(&self, what: &str) -> String {
        self.application.topic(what)
    }

    /// Ten events of a user in a second of each.
    fn produce(&self, broker: &Broker, numbers: Range<usize>) {
        let event = |number: usize| {
            let (minute, second) = (number / 600 % 60, number / 10 % 60);
            let text = format!(
                "{{\"@timestamp\":\"2025-06-01T10:{minute:02}:{second:02}Z\",\"kind\":\"fail\",\"user\":\"u{}\",\"number\":{number}}}",
                number / 10
            );
            Record::new(text).partition(i32::from(number / 10 % 2 == 1))
        };
        broker.produce(&self.topic("raw"), numbers.map(event));
    }

    /// How often each event was detected by its number, and each user.
    fn detected(&self, broker: &Broker) -> (BTreeMap<u64, usize>, BTreeMap<String, usize>) {
        let (mut events, mut users) = (BTreeMap::new(), BTreeMap::new());
        for record in broker.consume_committed(&self.topic("detections")) {
            let detection: Value = serde_json::from_str(record.text()).expect("JSON");
            if detection["rule"]["title"] == "Many" {
                let user = detection["correlation"]["group"].to_string();
                *users.entry(user).or_default() += 1;
            } else {
                let number = detection["event"]["number"].as_u64().expect("a number");
                *events.entry(number).or_default() += 1;
            }
        }
        (events, users)
    }

    /// Waits until each of these events was detected, and each user, and none of them twice.
    fn expect(&self, broker: &Broker, numbers: Range<usize>, process: &mut Running) {
        let users = numbers.len() / 10;
        let end = Instant::now() + PATIENCE;
        loop {
            let (events, alerts) = self.detected(broker);
            if events.len() >= numbers.len() && alerts.len() >= users || Instant::now() > end {
                let log = process.log();
                assert_eq!((events.len(), alerts.len()), (numbers.len(), users), "{log}");
                let expected = events.keys().all(|number| numbers.contains(&(*number as usize)));
                assert!(expected, "others than {numbers:?}: {log}");
                let twice = |times: &usize| *times != 1;
                assert!(!events.values().any(twice) && !alerts.values().any(twice), "{log}");
                return;
            }
            if let Some(status) = process.ended() {
                panic!("it ended with {status}: {}", process.log());
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

/// How many lines of a log have these words.
fn lines(log: &str, words: &str) -> usize {
    log.lines().filter(|line| line.contains(words)).count()
}

#[test]
fn a_broker_that_is_down_at_start_is_waited_for() {
    let Some(broker) = Broker::start() else { return };
    let case = Case::new(&broker, "absent", "");
    case.produce(&broker, 0..200);
    broker.kill(1);
    let mut process = Running::start(&case.config);
    process.wait_for(&["no broker of", "Connection refused", "kafka.bootstrap_servers"]);
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(process.log().lines().count(), 1, "{}", process.log());
    broker.restart(1);
    process.wait_for(&["INFO", "answer after"]);
    case.expect(&broker, 0..200, &mut process);
    process.stop();
    case.application.remove();
}

/// With an outage that is longer than a transaction may take.
#[test]
fn an_outage_ends_no_process() {
    let Some(broker) = Broker::start() else { return };
    let case = Case::new(&broker, "outage", "");
    let mut process = Running::start(&case.config);
    process.wait_until_assigned();
    case.produce(&broker, 0..3_000);
    // In the middle of it.
    let detections = case.topic("detections");
    broker.await_committed(&detections, 100, PATIENCE);
    broker.kill(1);
    process.wait_for(&["no broker of", "nothing is lost"]);
    broker.restart(1);
    process.wait_for(&["INFO", "answer after"]);
    case.expect(&broker, 0..3_000, &mut process);
    let log = process.log();
    assert!(lines(&log, "no broker of") == 1 && log.lines().count() < 60, "{log}");
    process.stop();
    case.application.remove();
}

/// The library may forget all brokers when they come back, and there is no telling when it has.
#[test]
fn clients_that_find_no_broker_are_given_up() {
    let Some(broker) = Broker::start() else { return };
    let case = Case::new(&broker, "forsaken", "");
    let mut process = Running::start(&case.config);
    process.wait_until_assigned();
    case.produce(&broker, 0..100);
    case.expect(&broker, 0..100, &mut process);
    broker.kill(1);
    for stage in ["detect", "correlate"] {
        process.wait_for(&["WARN", &format!("stage `{stage}`"), "its clients are given up"]);
    }
    broker.restart(1);
    process.wait_for(&["INFO", "answer after"]);
    case.produce(&broker, 100..200);
    case.expect(&broker, 0..200, &mut process);
    process.stop();
    case.application.remove();
}

/// A broker that hangs keeps its connections, and the library gives them up after a minute only.
#[test]
fn a_broker_that_hangs_is_told_like_one_that_is_away() {
    let Some(broker) = Broker::start() else { return };
    let case = Case::new(&broker, "hangs", "");
    let mut process = Running::start(&case.config);
    process.wait_until_assigned();
    case.produce(&broker, 0..100);
    case.expect(&broker, 0..100, &mut process);
    broker.pause(1);
    let begun = Instant::now();
    process.wait_for(&["ERROR", "no broker of", "it is connected, and silent"]);
    let told = begun.elapsed();
    assert!(told < Duration::from_secs(40), "told after {told:?}");
    broker.resume(1);
    process.wait_for(&["INFO", "answer after"]);
    case.produce(&broker, 100..200);
    case.expect(&broker, 0..200, &mut process);
    process.stop();
    case.application.remove();
}

#[test]
fn records_that_are_larger_than_their_topic_takes_are_told() {
    let Some(broker) = honest_broker() else { return };
    let case = Case::new(broker, "large", "");
    let detections = case.topic("detections");
    let limit = |bytes: &str| {
        let setting = format!("max.message.bytes={bytes}");
        let topic = ["--alter", "--entity-type", "topics", "--entity-name", &detections];
        broker.tool("configs", &[&topic[..], &["--add-config", &setting]].concat());
    };
    let mut process = Running::start(&case.config);
    process.wait_until_assigned();
    limit("20000");
    let pad = "x".repeat(50_000);
    let event = format!(
        "{{\"@timestamp\":\"2025-06-01T10:00:00Z\",\"kind\":\"fail\",\"user\":\"u0\",\"number\":0,\"pad\":\"{pad}\"}}"
    );
    broker.produce(&case.topic("raw"), [Record::new(event)]);
    process.wait_for(&[
        "ERROR",
        &format!("a record is larger than topic `{detections}` takes"),
        &format!("--entity-name {detections} --add-config max.message.bytes=1048588`"),
    ]);
    limit("1048588");
    assert_eq!(broker.await_committed(&detections, 1, PATIENCE).len(), 1);
    process.wait_for(&["INFO", "work of stage `detect` is done after"]);
    let log = process.log();
    assert_eq!(lines(&log, "a record is larger than"), 1, "{log}");
    process.stop();
    case.application.remove();
}

/// Records of which nothing tells what they are: most rules see none of them.
#[test]
fn events_without_a_log_source_are_counted() {
    let Some(broker) = honest_broker() else { return };
    let application = Application::new(broker, "unrouted", &[("raw", 1)]);
    let rules = application.folder.join("rules.yml");
    std::fs::write(&rules, RULES).expect("a file");
    let (raw, rules) = (application.topic("raw"), rules.display());
    let config = application.config(
        broker,
        "one",
        &format!(
            "kafka: {{bootstrap_servers: ['{{BOOTSTRAP}}']}}\ncorrelation: {{partitions: 4}}\n\
             sources: [{{topics: [{raw}]}}]\nrules: {{paths: [{rules}]}}\n"
        ),
    );
    let mut process = Running::start_with(&config, &["--set", "http.listen=127.0.0.1:0"]);
    let known = r#"{"_path":"conn","ts":1,"uid":"C1"}"#;
    let unknown = r#"{"kind":"fail"}"#;
    broker.produce(&raw, [known, unknown, known, unknown, unknown].map(Record::new));
    process.wait_until_assigned();
    let mut waiting = Waiting::new(PATIENCE);
    loop {
        let metrics = process.fetch("/metrics");
        let has = |line: &str| metrics.lines().any(|have| have == line);
        if has("sigmund_events_total 5") {
            assert!(has("sigmund_unrouted_events_total 3"), "{metrics}");
            break;
        }
        assert!(!waiting.is_over(), "{metrics}{}", process.log());
        std::thread::sleep(Duration::from_millis(200));
    }
    process.stop();
    application.remove();
}

#[test]
fn topics_that_are_deleted_are_waited_for() {
    let Some(broker) = honest_broker() else { return };
    let case = Case::new(broker, "deleted", "");
    let mut process = Running::start(&case.config);
    process.wait_until_assigned();
    case.produce(broker, 0..100);
    case.expect(broker, 0..100, &mut process);

    let (raw, detections) = (case.topic("raw"), case.topic("detections"));
    broker.delete_topic(&detections);
    case.produce(broker, 100..200);
    process.wait_for(&["ERROR", &format!("`{detections}` is not there"), "sigmund topics create"]);
    broker.create_topics(&[(&detections, 2, &[])]);
    process.wait_for(&["INFO", &format!("`{detections}` is there again")]);
    case.expect(broker, 100..200, &mut process);

    broker.delete_topic(&raw);
    process.wait_for(&["ERROR", &format!("`{raw}` is not there"), "`sources`"]);
    broker.create_topics(&[(&raw, 2, &[])]);
    process.wait_for(&["INFO", &format!("`{raw}` is there again")]);
    case.produce(broker, 200..300);
    case.expect(broker, 100..300, &mut process);
    let log = process.log();
    assert!(lines(&log, "is not there") == 2 && log.lines().count() < 60, "{log}");
    process.stop();
    case.application.remove();
}

/// What was in them is gone with them; all that comes later is whole.
#[test]
fn internal_topics_that_are_deleted_are_waited_for() {
    let Some(broker) = honest_broker() else { return };
    let case = Case::new(broker, "internal", "");
    let mut process = Running::start(&case.config);
    process.wait_until_assigned();
    case.produce(broker, 0..100);
    case.expect(broker, 0..100, &mut process);
    let (sightings, state) = (case.topic("sightings"), case.topic("state"));
    let compacted = [("cleanup.policy", "compact")];
    let mut seen = 100;
    for (topic, settings) in [(&sightings, &[][..]), (&state, &compacted[..])] {
        broker.delete_topic(topic);
        case.produce(broker, seen..seen + 100);
        seen += 100;
        process.wait_for(&["ERROR", &format!("`{topic}` is not there"), "sigmund topics create"]);
        broker.create_topics(&[(topic, 4, settings)]);
        process.wait_for(&["INFO", &format!("`{topic}` is there again")]);
        case.expect(broker, 0..seen, &mut process);
    }
    assert!(process.log().lines().count() < 80, "{}", process.log());
    process.stop();
    case.application.remove();
}

#[test]
fn a_log_that_cannot_be_written_stops_nothing() {
    let Some(broker) = honest_broker() else { return };
    let full = OpenOptions::new().write(true).open("/dev/full");
    let Ok(full) = full else { return };
    let case = Case::new(broker, "full", "log: {level: debug}\n");
    let mut process = Running::start_logging_to(&case.config, &[], full);
    case.produce(broker, 0..200);
    case.expect(broker, 0..200, &mut process);
    process.stop();
    case.application.remove();
}

/// A configuration that is a pipe holds the process in its start for as long as nobody writes.
#[test]
fn a_sigterm_while_it_starts_does_not_kill_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = folder.path().join("sigmund.yaml");
    let made = Command::new("mkfifo").arg(&config).status().expect("`mkfifo` runs");
    assert!(made.success(), "{made}");
    let mut process = Command::new(binary())
        .args(["run", "-c"])
        .arg(&config)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program starts");
    // Opens when the process reads it.
    let _writer = OpenOptions::new().write(true).open(&config).expect("a pipe");
    let id = process.id().to_string();
    let terminate = || {
        let sent = Command::new("kill").arg(&id).status();
        assert!(sent.expect("`kill` runs").success());
    };
    terminate();
    std::thread::sleep(Duration::from_millis(500));
    terminate();
    // Of the first signal it would have died; the second says that it is not to end in order.
    let status = process.wait().expect("it ends");
    assert_eq!(status.code(), Some(2), "{status}");
}

/// Brokers that hang hold up the end that was asked for.
#[test]
fn the_second_sigterm_ends_it_at_once() {
    let Some(broker) = Broker::start() else { return };
    let transaction = "{interval: 60s, timeout: 3m}";
    let case = Case::with_transaction(&broker, "twice", transaction, "log: {level: debug}\n");
    let mut process = Running::start(&case.config);
    process.wait_until_assigned();
    case.produce(&broker, 0..3_000);
    // What is begun and cannot be finished without brokers.
    process.wait_for(&["a transaction begins", "stage=\"detect\""]);
    broker.pause(1);
    process.terminate();
    process.wait_for(&["asked to stop"]);
    // Some supervisors say it twice at once: that is one wish.
    process.terminate();
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(process.ended(), None, "{}", process.log());
    process.terminate();
    let end = Instant::now() + Duration::from_secs(3);
    let status = loop {
        if let Some(status) = process.ended() {
            break status;
        }
        assert!(Instant::now() < end, "it does not end: {}", process.log());
        std::thread::sleep(Duration::from_millis(20));
    };
    let log = process.log();
    assert!(status.code() == Some(2) && log.contains("ended at once, as asked twice"), "{log}");
    broker.resume(1);
    let config = std::fs::read_to_string(&case.config).expect("a file");
    std::fs::write(&case.config, config.replace("interval: 60s", "interval: 100ms"))
        .expect("a file");
    process.restart();
    case.expect(&broker, 0..3_000, &mut process);
    process.stop();
    case.application.remove();
}

/// The second of two partitions has been silent, and its hits are read after all those of the first.
#[test]
fn who_was_silent_is_not_late_when_it_is_back() {
    let Some(broker) = honest_broker() else { return };
    let transaction = "{interval: 6s, timeout: 30s}";
    let case = Case::with_transaction(broker, "silent", transaction, "");
    let config = std::fs::read_to_string(&case.config).expect("a file");
    let config = config.replace("emit: early", "emit: early, idle_timeout: 2s, max_lateness: 10s");
    std::fs::write(&case.config, config).expect("a file");
    let mut process = Running::start(&case.config);
    process.wait_until_assigned();
    case.produce(broker, 0..300);
    case.expect(broker, 0..300, &mut process);
    std::thread::sleep(Duration::from_secs(3));
    case.produce(broker, 300..3_000);
    case.expect(broker, 0..3_000, &mut process);
    assert!(broker.consume_committed(&case.topic("late")).is_empty());
    process.stop();
    case.application.remove();
}

#[test]
fn who_is_asked_to_stop_while_brokers_are_away_stops() {
    let Some(broker) = Broker::start() else { return };
    let case = Case::new(&broker, "away", "");
    let mut process = Running::start(&case.config);
    process.wait_until_assigned();
    case.produce(&broker, 0..3_000);
    broker.await_committed(&case.topic("detections"), 100, PATIENCE);
    broker.kill(1);
    // In order, with exit code 0, and soon.
    let begun = Instant::now();
    process.stop();
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    broker.restart(1);
    process.restart();
    case.expect(&broker, 0..3_000, &mut process);
    process.stop();
    case.application.remove();
}

/// The older of two processes of one name ends, and says why.
#[test]
fn a_name_is_of_one_process() {
    let Some(broker) = honest_broker() else { return };
    let case = Case::new(broker, "name", "");
    let mut older = Running::start(&case.config);
    older.wait_until_assigned();
    let config = case.application.folder.join("two.yaml");
    std::fs::copy(&case.config, &config).expect("a copy");
    let mut newer = Running::start(&config);
    newer.wait_until_started();
    case.produce(broker, 0..100);
    let end = Instant::now() + PATIENCE;
    while older.ended().is_none() {
        assert!(Instant::now() < end, "it does not end: {}", older.log());
        std::thread::sleep(Duration::from_millis(50));
        case.produce(broker, 0..0);
    }
    assert_eq!(older.ended().and_then(|status| status.code()), Some(2));
    let log = older.log();
    assert!(log.contains("same `instance`") && log.contains("give each process its own"), "{log}");
    case.expect(broker, 0..100, &mut newer);
    newer.stop();
    case.application.remove();
}
