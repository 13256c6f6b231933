//! How the service proves who it is, what brokers refuse it for, and what it may not do.

use super::running::{Application, PATIENCE, Running};
use crate::command::{binary, root};
use crate::kafka::broker::Broker;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

const RULE: &str = "title: Fail\nstatus: test\nlogsource: {product: app}\n\
    detection:\n  selection:\n    kind: fail\n  condition: selection\nlevel: low\n";

/// Properties of clients, as lines of YAML.
fn sasl(mechanism: &str, password: &str) -> String {
    format!(
        "security.protocol: SASL_PLAINTEXT\nsasl.mechanism: {mechanism}\nsasl.username: admin\nsasl.password: {password}"
    )
}

fn token(principal: &str) -> String {
    format!(
        "security.protocol: SASL_PLAINTEXT\nsasl.mechanism: OAUTHBEARER\n\
         enable.sasl.oauthbearer.unsecure.jwt: true\nsasl.oauthbearer.config: principal={principal}"
    )
}

fn tls(authority: &str, client: Option<&str>) -> String {
    let folder = root().join("tests/kafka/tls").display().to_string();
    let mut text = format!("security.protocol: SSL\nssl.ca.location: {folder}/{authority}.pem");
    if let Some(client) = client {
        text += &format!(
            "\nssl.certificate.location: {folder}/{client}.pem\nssl.key.location: {folder}/{client}.key"
        );
    }
    text
}

/// The configuration of an application at one of the doors of a broker.
fn config(application: &Application, broker: &Broker, properties: &str) -> PathBuf {
    let rules = application.folder.join("rules.yml");
    std::fs::write(&rules, RULE).expect("a file");
    let door = match properties.contains("SSL") {
        true => broker.bootstrap_with_certificates(),
        false => broker.bootstrap_with_passwords(),
    };
    application.config(
        broker,
        "one",
        &format!(
            "kafka:\n  bootstrap_servers: ['{door}']\n  properties:\n    {}\n\
             sources: [{{topics: [{}], log_sources: [product=app]}}]\nrules: {{paths: [{}]}}\n\
             correlation: {{partitions: 4}}\n",
            properties.replace('\n', "\n    "),
            application.topic("raw"),
            rules.display()
        ),
    )
}

/// Runs a command with a configuration to its end.
fn run(command: &[&str], config: &Path) -> Output {
    let mut run = Command::new(binary());
    run.args(command).arg("-c").arg(config).output().expect("sigmund runs")
}

fn shown(output: &Output) -> String {
    let (out, err) = (&output.stdout, &output.stderr);
    format!("{}{}", String::from_utf8_lossy(out), String::from_utf8_lossy(err))
}

/// Waits until each of so many events is detected.
fn expect(broker: &Broker, application: &Application, process: &mut Running, count: usize) {
    let events = (0..count).map(|number| {
        format!("{{\"@timestamp\":\"2025-06-01T10:00:00Z\",\"kind\":\"fail\",\"number\":{number}}}")
    });
    broker.produce(&application.topic("raw"), events);
    let end = Instant::now() + PATIENCE;
    loop {
        let found = broker.consume_committed(&application.topic("detections")).len();
        if found >= count {
            assert_eq!(found, count);
            return;
        }
        assert!(process.ended().is_none() && Instant::now() < end, "{found}: {}", process.log());
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// By password in three ways, by token, and by certificate.
#[test]
fn it_works_by_all_ways_to_prove_who_it_is() {
    let Some(broker) = Broker::start_with_access_control() else { return };
    let ways = [
        sasl("PLAIN", "admin-secret"),
        sasl("SCRAM-SHA-256", "admin-secret"),
        sasl("SCRAM-SHA-512", "admin-secret"),
        token("admin"),
        tls("ca", Some("client")),
    ];
    std::thread::scope(|scope| {
        for way in &ways {
            let broker = &broker;
            scope.spawn(move || {
                let application = Application::new(broker, "secure", &[("raw", 1)]);
                let config = config(&application, broker, way);
                let options = ["--set", "http.listen=127.0.0.1:0", "--set", "log.level=trace"];
                let mut process = Running::start_with(&config, &options);
                expect(broker, &application, &mut process, 10);
                let metrics = process.fetch("/metrics") + &process.fetch("/api/v1/status");
                assert!(metrics.contains("sigmund_"), "{metrics}");
                process.stop();
                // What is secret is nowhere.
                let shown = shown(&run(&["config", "show"], &config));
                assert!(shown.contains("security.protocol"), "{shown}");
                for text in [&process.log(), &metrics, &shown] {
                    assert!(!text.contains("admin-secret"), "{text}");
                    assert!(!text.contains("principal=admin"), "{text}");
                }
                application.remove();
            });
        }
    });
}

#[test]
fn whom_brokers_refuse_ends_and_says_why() {
    let Some(broker) = Broker::start_with_access_control() else { return };
    let cases = [
        (sasl("PLAIN", "guessed-password"), "correct `sasl.username`, `sasl.password`"),
        (sasl("SCRAM-SHA-512", "guessed-password"), "correct `sasl.username`, `sasl.password`"),
        (tls("other", Some("client")), "`ssl.ca.location`"),
        (tls("ca", Some("expired")), "`ssl.certificate.location`"),
        (tls("ca", None), "`ssl.certificate.location`"),
    ];
    std::thread::scope(|scope| {
        for (way, words) in &cases {
            let broker = &broker;
            scope.spawn(move || {
                let application = Application::new(broker, "refused", &[("raw", 1)]);
                let config = config(&application, broker, way);
                let begun = Instant::now();
                let ran = run(&["run"], &config);
                let shown = shown(&ran);
                assert_eq!(ran.status.code(), Some(2), "{shown}");
                assert!(begun.elapsed() < Duration::from_secs(30), "{shown}");
                assert!(shown.contains(words) && shown.lines().count() <= 2, "{shown}");
                assert!(!shown.contains("guessed-password"), "{shown}");
                application.remove();
            });
        }
    });
}

/// The commands of `docs/operate.md`, each as what comes after the principal.
fn documented_rights() -> Vec<String> {
    let text = std::fs::read_to_string(root().join("docs/operate.md")).expect("a document");
    let (_, rest) = text.split_once("<!-- rights -->\n```\n").expect("the list of rights");
    let (list, _) = rest.split_once("```").expect("its end");
    let begin = "kafka-acls.sh --bootstrap-server BROKERS --command-config admin.properties --add --allow-principal User:sigmund ";
    let command = |line: &str| line.strip_prefix(begin).map(str::to_owned).expect("a command");
    list.lines().map(command).collect()
}

/// With all of them it runs; without any one of them it is refused, with the command that mends it.
#[test]
fn the_documented_rights_are_those_that_are_needed() {
    let Some(broker) = Broker::start_with_access_control() else { return };
    let rights = documented_rights();
    assert!(rights.len() >= 8, "{rights:?}");
    let application = Application::new(&broker, "rights", &[("raw", 1)]);
    let own: Vec<String> = rights
        .iter()
        .map(|right| {
            let right = right.replace("--topic logs", "--topic sigmund.raw");
            right.replace("sigmund", &application.name)
        })
        .collect();
    let user = |without: Option<usize>| match without {
        Some(right) => format!("without-{right}"),
        None => "all".to_owned(),
    };
    let everybody: Vec<Option<usize>> =
        std::iter::once(None).chain((0..own.len()).map(Some)).collect();
    std::thread::scope(|scope| {
        for (at, right) in own.iter().enumerate() {
            let (broker, everybody) = (&broker, &everybody);
            scope.spawn(move || {
                let mut args = vec!["--add".to_owned()];
                for without in everybody.iter().filter(|without| **without != Some(at)) {
                    args.extend([
                        "--allow-principal".to_owned(),
                        format!("User:{}", user(*without)),
                    ]);
                }
                args.extend(right.split(' ').map(str::to_owned));
                broker.tool("acls", &args.iter().map(String::as_str).collect::<Vec<_>>());
            });
        }
    });
    let all = config(&application, &broker, &token("all"));
    let mut process = Running::start(&all);
    expect(&broker, &application, &mut process, 10);
    process.stop();
    for (at, right) in own.iter().enumerate() {
        let config = config(&application, &broker, &token(&user(Some(at))));
        let ran = run(&["run"], &config);
        let shown = shown(&ran);
        assert_eq!(ran.status.code(), Some(2), "without {right}: {shown}");
        let mends = |line: &str| line.contains("kafka-acls.sh") && line.contains(right);
        assert!(shown.lines().any(mends), "without {right}: {shown}");
    }
    application.remove();
}
