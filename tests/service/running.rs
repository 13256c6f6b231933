//! Processes of the service that a test starts, kills, pauses and stops.

use crate::command::binary;
use crate::kafka::broker::Broker;
use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// What a process may take for what is asked of it. Machines that test are busy.
pub(super) const PATIENCE: Duration = Duration::from_secs(90);

/// How much longer something is waited for. Machines that test stand still for a while, and so does what is waited for.
pub(super) struct Waiting {
    last: Instant,
    left: Duration,
}

impl Waiting {
    pub(super) fn new(patience: Duration) -> Self {
        Self { last: Instant::now(), left: patience }
    }

    /// Asked again and again.
    pub(super) fn is_over(&mut self) -> bool {
        let now = Instant::now();
        let passed = now.duration_since(std::mem::replace(&mut self.last, now));
        self.left = self.left.saturating_sub(passed.min(Duration::from_secs(5)));
        self.left.is_zero()
    }
}

/// Partitions of sightings and state.
pub(super) const PARTITIONS: i32 = 4;

/// A folder of configurations and logs of one application, which is kept if the test fails.
pub(super) struct Application {
    pub(super) name: String,
    pub(super) folder: PathBuf,
}

impl Application {
    /// With the topics it needs.
    pub(super) fn new(broker: &Broker, name: &str, raw: &[(&str, i32)]) -> Self {
        let name = crate::kafka::client::unique(name);
        let folder = tempfile::Builder::new().prefix(&name).tempdir().expect("a folder").keep();
        let this = Self { name, folder };
        let raw: Vec<(String, i32)> =
            raw.iter().map(|(topic, partitions)| (this.topic(topic), *partitions)).collect();
        let own = |what, partitions| (this.topic(what), partitions);
        let sightings = own("sightings", PARTITIONS);
        let state = own("state", PARTITIONS);
        let others = ["detections", "late", "dead-letters"].map(|what| own(what, 2));
        let mut topics: Vec<crate::kafka::broker::Topic<'_>> = Vec::new();
        for (topic, partitions) in &raw {
            // Some tests write records of years ago, which brokers would delete whenever they look, every five minutes.
            topics.push((topic, *partitions, &[("retention.ms", "-1")]));
        }
        for (topic, partitions) in [&sightings].into_iter().chain(&others) {
            topics.push((topic, *partitions, &[]));
        }
        // Segments are small, so that compaction has something to do.
        topics.push((
            &state.0,
            state.1,
            &[
                ("cleanup.policy", "compact"),
                ("segment.ms", "5000"),
                ("min.cleanable.dirty.ratio", "0.01"),
                ("max.message.bytes", "8388608"),
            ],
        ));
        broker.create_topics(&topics);
        this
    }

    /// The full name of a topic.
    pub(super) fn topic(&self, what: &str) -> String {
        format!("{}.{what}", self.name)
    }

    /// The configuration of a process. `more` is added as it is.
    pub(super) fn config(&self, broker: &Broker, instance: &str, more: &str) -> PathBuf {
        let path = self.folder.join(format!("{instance}.yaml"));
        let text = format!(
            "application: {}\ninstance: {instance}\nhttp: {{listen: 'off'}}\n{more}",
            self.name
        );
        let servers = broker.bootstrap();
        let text = text.replace("{BOOTSTRAP}", servers);
        std::fs::write(&path, text).expect("a file");
        path
    }

    /// The folder is not needed any more.
    pub(super) fn remove(&self) {
        std::fs::remove_dir_all(&self.folder).expect("a folder");
    }
}

/// A process of the service.
pub(super) struct Running {
    child: Child,
    config: PathBuf,
    log: PathBuf,
    /// Where the log of this life begins: a process that is started again writes to the same file.
    begin: usize,
}

impl Running {
    /// Starts a process.
    pub(super) fn start(config: &Path) -> Self {
        Self::start_with(config, &[])
    }

    /// Starts a process with more options.
    pub(super) fn start_with(config: &Path, options: &[&str]) -> Self {
        let log = config.with_extension("log");
        let file: File = OpenOptions::new().create(true).append(true).open(&log).expect("a log");
        Self::start_logging_to(config, options, file)
    }

    /// Starts a process that writes its log there.
    pub(super) fn start_logging_to(config: &Path, options: &[&str], stderr: File) -> Self {
        let log = config.with_extension("log");
        let begin = stderr.metadata().map_or(0, |metadata| metadata.len() as usize);
        let mut command = Command::new(binary());
        command.args(["run", "-c"]).arg(config).args(options);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("SIGMUND_") {
                command.env_remove(name);
            }
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(stderr);
        let child = command.spawn().expect("sigmund starts");
        Self { child, config: config.to_owned(), log, begin }
    }

    /// What this life wrote so far.
    pub(super) fn log(&self) -> String {
        let bytes = std::fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&bytes[self.begin.min(bytes.len())..]).into_owned()
    }

    /// Waits until the log has a line with all of these words.
    pub(super) fn wait_for(&mut self, words: &[&str]) {
        let mut waiting = Waiting::new(PATIENCE);
        loop {
            let log = self.log();
            if log.lines().any(|line| words.iter().all(|word| line.contains(word))) {
                return;
            }
            let ended = self.child.try_wait().expect("a child");
            assert!(ended.is_none(), "it ended ({ended:?}): {log}");
            assert!(!waiting.is_over(), "{words:?} do not come: {log}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits until both stages were given partitions.
    pub(super) fn wait_until_assigned(&mut self) {
        self.wait_for(&["assigned", "stage=\"detect\""]);
        self.wait_for(&["assigned", "stage=\"correlate\""]);
    }

    /// Waits until it has shown that it works, with or without partitions.
    pub(super) fn wait_until_started(&mut self) {
        self.wait_for(&["assigned"]);
    }

    /// The partitions that it has by its log.
    pub(super) fn partitions(&self) -> BTreeSet<String> {
        let mut own = BTreeSet::new();
        for line in self.log().lines() {
            let Some((_, names)) = line.split_once(" partitions=") else { continue };
            let names = names.split(' ').map(str::to_owned);
            if line.contains(" assigned ") {
                own.extend(names);
            } else if line.contains(" revoked ") {
                names.for_each(|name| {
                    own.remove(&name);
                });
            }
        }
        own
    }

    /// Asks it to read its rules again.
    pub(super) fn reload(&self) {
        self.signal("-HUP");
    }

    /// What it answers, if it listens (`http.listen`).
    pub(super) fn fetch(&self, path: &str) -> String {
        let log = self.log();
        let (_, address) = log.split_once("status at http://").expect("an address");
        let address = address.lines().next().expect("a line").trim();
        let mut stream = TcpStream::connect(address).expect("it listens");
        let head = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).expect("sent");
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("an answer");
        text
    }

    /// Ended by itself: with what code.
    pub(super) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child")
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([name, &self.child.id().to_string()]).status();
        assert!(sent.expect("kill runs").success(), "{name} is not sent");
    }

    /// Ends it at once, as a power failure would.
    pub(super) fn kill(&mut self) -> ExitStatus {
        let _ = self.child.kill();
        self.child.wait().expect("a child")
    }

    /// Lets it stand still.
    pub(super) fn pause(&self) {
        self.signal("-STOP");
    }

    /// Lets it go on.
    pub(super) fn resume(&self) {
        self.signal("-CONT");
    }

    /// Asks it to stop.
    pub(super) fn terminate(&self) {
        self.signal("-TERM");
    }

    /// Asks it to stop, which it has to do in order and soon.
    pub(super) fn stop(&mut self) {
        if self.ended().is_none() {
            self.signal("-TERM");
        }
        let mut waiting = Waiting::new(Duration::from_secs(45));
        loop {
            if let Some(status) = self.ended() {
                assert!(status.success(), "{status}: {}", self.log());
                return;
            }
            assert!(!waiting.is_over(), "it does not stop: {}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Starts it again with the configuration that is in its file now.
    pub(super) fn restart(&mut self) {
        *self = Self::start(&self.config.clone());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
