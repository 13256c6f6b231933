//! Brokers: started by `tests/kafka/broker`, gone with the test.

use std::io::Write as _;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer as _};

use super::client::{self, Record};
use super::honesty;

/// Exit codes of the script.
const UNAVAILABLE: i32 = 69;
const PORT_TAKEN: i32 = 75;

/// A topic to create: its name, its number of partitions, its settings.
pub(crate) type Topic<'a> = (&'a str, i32, &'a [(&'a str, &'a str)]);

/// One Kafka cluster.
pub(crate) struct Broker {
    bootstrap: String,
    /// Where clients need a password, on a broker with access control.
    with_passwords: Option<String>,
    /// Where clients need a certificate, on the same.
    with_certificates: Option<String>,
    /// Its folder, unless it was there before us.
    folder: Option<tempfile::TempDir>,
}

impl Broker {
    /// One node of the test's own, which it may kill. `None` (said loudly) where Kafka can not be had.
    pub(crate) fn start() -> Option<Self> {
        Self::launch(&[]).inspect(honesty::demand)
    }

    /// Three nodes with replication 3, of the test's own.
    pub(crate) fn start_three() -> Option<Self> {
        Self::start_three_with(&[])
    }

    /// The same with properties, each `key=value`.
    pub(crate) fn start_three_with(properties: &[&str]) -> Option<Self> {
        let options: Vec<&str> = properties.iter().flat_map(|one| ["--set", one]).collect();
        Self::launch(&[&["--nodes", "3", "--heap", "384m"], &options[..]].concat())
            .inspect(honesty::demand)
    }

    /// One node that lets users in by password and do only what they are allowed to: see `tests/kafka/broker help`.
    pub(crate) fn start_with_access_control() -> Option<Self> {
        Self::launch(&["--authorizer"]).inspect(honesty::demand)
    }

    /// One node of the test's own with properties, each `key=value`.
    pub(crate) fn start_with(properties: &[&str]) -> Option<Self> {
        let options: Vec<&str> = properties.iter().flat_map(|one| ["--set", one]).collect();
        Self::launch(&options).inspect(honesty::demand)
    }

    /// The broker that the tests of this process share, not yet asked whether it is honest.
    pub(super) fn shared() -> Option<&'static Self> {
        static SHARED: OnceLock<Option<Broker>> = OnceLock::new();
        // Nothing drops it: its script ends it when this process has ended.
        SHARED
            .get_or_init(|| match std::env::var("KAFKA_BOOTSTRAP") {
                Ok(bootstrap) if !bootstrap.is_empty() => Some(Self {
                    bootstrap,
                    with_passwords: None,
                    with_certificates: None,
                    folder: None,
                }),
                _ => Self::launch(&[]),
            })
            .as_ref()
    }

    /// Starts a cluster by the script.
    fn launch(options: &[&str]) -> Option<Self> {
        for _ in 0..8 {
            let folder = tempfile::tempdir().expect("a folder");
            let (port, parent) = (free_ports().to_string(), std::process::id().to_string());
            let output = script(
                "start",
                folder.path(),
                &[&["--port", &port, "--parent", &parent], options].concat(),
            );
            match output.status.code() {
                Some(0) => {}
                Some(UNAVAILABLE) => {
                    skip(&String::from_utf8_lossy(&output.stderr));
                    return None;
                }
                Some(PORT_TAKEN) => continue,
                _ => panic!("Kafka does not start: {}", String::from_utf8_lossy(&output.stderr)),
            }
            let said = String::from_utf8(output.stdout).expect("addresses are text");
            let address = |name: &str| {
                said.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned)
            };
            return Some(Self {
                bootstrap: address("KAFKA_BOOTSTRAP=").expect("the address of the broker"),
                with_passwords: address("KAFKA_BOOTSTRAP_SASL="),
                with_certificates: address("KAFKA_BOOTSTRAP_TLS="),
                folder: Some(folder),
            });
        }
        panic!("no free ports for Kafka");
    }

    /// Where clients connect.
    pub(crate) fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    /// Where clients with a password connect, on a broker with access control.
    pub(crate) fn bootstrap_with_passwords(&self) -> &str {
        self.with_passwords.as_deref().expect("a broker with access control")
    }

    /// Where clients with a certificate connect, on a broker with access control.
    pub(crate) fn bootstrap_with_certificates(&self) -> &str {
        self.with_certificates.as_deref().expect("a broker with access control")
    }

    /// Ends a node (they count from 1) as a power failure would.
    pub(crate) fn kill(&self, node: u32) {
        self.told("kill", &[&node.to_string()]);
    }

    /// Starts a node with the data that it has, after stopping it in order if it runs.
    pub(crate) fn restart(&self, node: u32) {
        self.told("restart", &[&node.to_string()]);
    }

    /// Lets a node stand still, with its connections open.
    pub(crate) fn pause(&self, node: u32) {
        self.signal(node, "-STOP");
    }

    /// Lets a node go on.
    pub(crate) fn resume(&self, node: u32) {
        self.signal(node, "-CONT");
    }

    fn signal(&self, node: u32, signal: &str) {
        let folder = self.folder.as_ref().expect("only brokers of one's own are paused");
        let path = folder.path().join(node.to_string()).join("pid");
        let pid = std::fs::read_to_string(path).expect("the process id of a node");
        let sent = Command::new("kill").args([signal, pid.trim()]).status();
        assert!(sent.expect("kill runs").success(), "{signal} is not sent");
    }

    /// A tool of Kafka's (`acls`, `consumer-groups`, ...), and what it writes.
    pub(crate) fn tool(&self, name: &str, args: &[&str]) -> String {
        let own = ["--bootstrap-server", &self.bootstrap];
        let output = Command::new(script_path())
            .args(["tool", name])
            .args(own)
            .args(args)
            .output()
            .expect("the script runs");
        assert!(
            output.status.success(),
            "`{name}` failed: {}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).expect("tools write text")
    }

    /// Runs the script on this cluster.
    fn told(&self, command: &str, args: &[&str]) {
        let folder = self.folder.as_ref().expect("only brokers of one's own are killed");
        let output = script(command, folder.path(), args);
        assert!(
            output.status.success(),
            "`{command}` failed: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }

    /// Creates topics and waits until they have leaders.
    pub(crate) fn create_topics(&self, topics: &[Topic<'_>]) {
        let admin: AdminClient<DefaultClientContext> =
            client::config(&self.bootstrap).create().expect("a client");
        let new: Vec<NewTopic<'_>> = topics
            .iter()
            .map(|(name, partitions, settings)| {
                // The replication that is the broker's default.
                let topic = NewTopic::new(name, *partitions, TopicReplication::Fixed(-1));
                settings.iter().fold(topic, |topic, (key, value)| topic.set(key, value))
            })
            .collect();
        let timeout = Some(Duration::from_secs(30));
        let options = AdminOptions::new().operation_timeout(timeout).request_timeout(timeout);
        let created = tokio::runtime::Builder::new_current_thread()
            .build()
            .expect("a runtime")
            .block_on(admin.create_topics(&new, &options))
            .expect("the broker answers");
        for result in created {
            if let Err((topic, code)) = result {
                panic!("topic `{topic}` can not be created: {code}");
            }
        }
        let end = Instant::now() + Duration::from_secs(30);
        for (name, partitions, _) in topics {
            while client::leaders(admin.inner(), name) < *partitions {
                assert!(Instant::now() < end, "topic `{name}` has no leaders");
                std::thread::sleep(Duration::from_millis(20));
            }
        }
    }

    /// Deletes a topic and waits until it is gone.
    pub(crate) fn delete_topic(&self, topic: &str) {
        let admin: AdminClient<DefaultClientContext> =
            client::config(&self.bootstrap).create().expect("a client");
        let timeout = Some(Duration::from_secs(30));
        let options = AdminOptions::new().operation_timeout(timeout).request_timeout(timeout);
        let deleted = tokio::runtime::Builder::new_current_thread()
            .build()
            .expect("a runtime")
            .block_on(admin.delete_topics(&[topic], &options))
            .expect("the broker answers");
        assert!(deleted.iter().all(Result::is_ok), "{deleted:?}");
    }

    /// Gives a topic more partitions: so many in all.
    pub(crate) fn add_partitions(&self, topic: &str, partitions: i32) {
        let admin: AdminClient<DefaultClientContext> =
            client::config(&self.bootstrap).create().expect("a client");
        let count = usize::try_from(partitions).expect("a number of partitions");
        let added = tokio::runtime::Builder::new_current_thread()
            .build()
            .expect("a runtime")
            .block_on(admin.create_partitions(
                &[NewPartitions::new(topic, count)],
                &AdminOptions::new().operation_timeout(Some(Duration::from_secs(30))),
            ))
            .expect("the broker answers");
        assert!(added.iter().all(Result::is_ok), "{added:?}");
        let end = Instant::now() + Duration::from_secs(30);
        while client::leaders(admin.inner(), topic) < partitions {
            assert!(Instant::now() < end, "`{topic}` has no leaders");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The node that leads a partition.
    pub(crate) fn leader(&self, topic: &str, partition: i32) -> u32 {
        let client: BaseConsumer = client::config(&self.bootstrap).create().expect("a client");
        let metadata = client.fetch_metadata(Some(topic), client::PATIENCE).expect("an answer");
        let mut partitions = metadata.topics().iter().flat_map(|topic| topic.partitions());
        let found = partitions.find(|found| found.id() == partition).expect("the partition");
        u32::try_from(found.leader()).expect("a leader")
    }

    /// Writes records, each acknowledged.
    pub(crate) fn produce(
        &self,
        topic: &str,
        records: impl IntoIterator<Item = impl Into<Record>>,
    ) {
        client::produce(&self.bootstrap, topic, records.into_iter().map(Into::into));
    }

    /// All committed records, by partition and offset.
    pub(crate) fn consume_committed(&self, topic: &str) -> Vec<Record> {
        client::consume(&self.bootstrap, topic, "read_committed")
    }

    /// Consumes until so many records are committed, or panics with those that are.
    pub(crate) fn await_committed(
        &self,
        topic: &str,
        count: usize,
        patience: Duration,
    ) -> Vec<Record> {
        let end = Instant::now() + patience;
        loop {
            let records = self.consume_committed(topic);
            if records.len() >= count {
                return records;
            }
            assert!(
                Instant::now() < end,
                "{} of {count} records in `{topic}`: {records:?}",
                records.len()
            );
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        if let Some(folder) = &self.folder {
            script("stop", folder.path(), &["--remove"]);
        }
    }
}

fn script_path() -> std::path::PathBuf {
    crate::command::root().join("tests/kafka/broker")
}

/// Runs a command of the script on a folder.
pub(super) fn script(command: &str, folder: &Path, args: &[&str]) -> Output {
    Command::new(script_path())
        .args([command, "--data"])
        .arg(folder)
        .args(args)
        .output()
        .expect("the script runs")
}

/// The first of ports of which the script takes some, up to 203 above it. Below those that systems give to clients,
/// so that a node that is down finds its port free again.
pub(super) fn free_ports() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    for _ in 0..40 {
        // Processes begin at different places.
        let slot = (std::process::id() + NEXT.fetch_add(1, Ordering::Relaxed)) % 40;
        let first = u16::try_from(20_000 + slot * 300).expect("a port");
        let free = |port| TcpListener::bind(("127.0.0.1", port)).is_ok();
        if (0..3).all(|node| (0..4).all(|port| free(first + node * 100 + port))) {
            return first;
        }
    }
    panic!("no free ports for Kafka");
}

/// Says that Kafka is not there, or fails where it has to be.
fn skip(reason: &str) {
    let required = std::env::var("SIGMUND_REQUIRE_KAFKA").is_ok_and(|value| value == "1");
    assert!(!required, "SIGMUND_REQUIRE_KAFKA is set and there is no Kafka: {reason}");
    let text = format!(
        "SKIPPED: nothing is tested against Kafka; `tests/kafka/broker install` installs it, \
         KAFKA_BOOTSTRAP names one that runs: {reason}"
    );
    // Written directly: what goes through `println!` is kept back while tests pass.
    let _ = writeln!(std::io::stderr(), "{text}");
}
