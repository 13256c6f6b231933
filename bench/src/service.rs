//! A running service with topics of its own.

use crate::topic;
use std::error::Error;
use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How the service is started.
#[derive(Clone, Debug)]
pub struct Service {
    /// `host:port` of a broker.
    pub bootstrap: String,
    /// The program.
    pub sigmund: String,
    /// The prefix of its topics; none has had it before.
    pub application: String,
    /// The topic it reads.
    pub raw: String,
    /// Further keys of the configuration: `key=value`.
    pub settings: Vec<String>,
}

/// A rule, and a correlation over two hits of it with the same `key`.
pub const PAIR: &str = "title: One
id: 8e0c6a5e-5b40-4c7a-9a7e-0a5f0c1d0001
name: one
level: low
logsource: {category: bench}
detection:
  selection: {mark: wanted}
  condition: selection
---
title: Two
id: 8e0c6a5e-5b40-4c7a-9a7e-0a5f0c1d0002
level: high
correlation:
  type: event_count
  rules: [one]
  group-by: [key]
  timespan: 1d
  condition: {gte: 2}
";

impl Service {
    /// An application of its own that reads a new topic of two partitions, with rules that are kept in a folder as long as it is there.
    ///
    /// # Errors
    /// The broker is not there, or the topics cannot be made.
    pub fn with_rules(
        (bootstrap, sigmund): (&str, &str),
        name: &str,
        rules: &str,
        settings: &[String],
    ) -> Result<(Self, tempfile::TempDir), Box<dyn Error>> {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("rules.yml");
        fs::write(&file, rules)?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos();
        let raw = format!("{name}-{now}.raw");
        topic::make(bootstrap, &raw, 2)?;
        let rules = [file.display().to_string()];
        Ok((Self::prepare((bootstrap, sigmund), &raw, &rules, settings)?, folder))
    }

    /// The full name of a topic of its own.
    #[must_use]
    pub fn topic(&self, name: &str) -> String {
        format!("{}.{name}", self.application)
    }

    /// An application of its own that reads a topic, with these rules.
    ///
    /// # Errors
    /// The broker is not there, or the topics cannot be made.
    pub fn prepare(
        (bootstrap, sigmund): (&str, &str),
        raw: &str,
        rules: &[String],
        settings: &[String],
    ) -> Result<Self, Box<dyn Error>> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos();
        let application = format!("bench-{now}");
        let (bootstrap, sigmund, raw) = (bootstrap.into(), sigmund.into(), raw.into());
        let mut own = vec![
            format!("sources=[{{topics: [{raw}], log_sources: ['category=bench']}}]"),
            format!("rules.paths=[{}]", rules.join(", ")),
            "correlation.partitions=4".to_owned(),
            "http.listen=off".to_owned(),
        ];
        own.extend_from_slice(settings);
        let service = Self { bootstrap, sigmund, application, raw, settings: own };
        let made = service.command(&["topics", "create"]).output()?;
        match made.status.success() {
            true => Ok(service),
            false => Err(String::from_utf8_lossy(&made.stderr).into_owned().into()),
        }
    }

    /// `sigmund` with these words for this application.
    #[must_use]
    pub fn command(&self, what: &[&str]) -> Command {
        let mut command = Command::new(&self.sigmund);
        command
            .args(what)
            .args(["--no-config", "--bootstrap-servers", &self.bootstrap])
            .args(["--set", &format!("application={}", self.application)]);
        self.settings.iter().for_each(|setting| {
            command.args(["--set", setting]);
        });
        command.stdout(Stdio::null());
        command
    }

    /// Starts it.
    ///
    /// # Errors
    /// The program is not there.
    pub fn run(&self) -> Result<Running, Box<dyn Error>> {
        Ok(Running(self.command(&["run"]).stderr(Stdio::inherit()).spawn()?))
    }
}

/// It is killed when this is dropped, as `kill -9` does.
#[derive(Debug)]
pub struct Running(Child);

impl Running {
    /// CPU time so far (user and system, in steps of 10 ms), and whether it has ended and was not waited for yet.
    /// Fields 3, 14 and 15 of `/proc/PID/stat` (proc_pid_stat(5)).
    ///
    /// # Errors
    /// Not on Linux, or it is gone.
    pub fn cpu(&self) -> Result<(Duration, bool), Box<dyn Error>> {
        cpu_of(&self.0)
    }

    /// Memory it takes now, in MiB.
    ///
    /// # Errors
    /// Not on Linux, or it is gone.
    pub fn memory(&self) -> Result<u64, Box<dyn Error>> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kilobytes =
            line.and_then(|line| line.trim().split(' ').next()).ok_or("it has ended")?;
        Ok(kilobytes.parse::<u64>()? / 1024)
    }

    /// Asks it to end, and waits: its CPU time.
    ///
    /// # Errors
    /// It does not end well.
    pub fn stop(mut self) -> Result<Duration, Box<dyn Error>> {
        Command::new("kill").arg(self.0.id().to_string()).status()?;
        ended(&mut self.0)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Nothing takes longer than this to end.
const PATIENCE: Duration = Duration::from_secs(300);

fn cpu_of(process: &Child) -> Result<(Duration, bool), Box<dyn Error>> {
    let text = fs::read_to_string(format!("/proc/{}/stat", process.id()))?;
    // The name before may hold blanks.
    let (_, rest) = text.rsplit_once(')').ok_or("`stat` without a name")?;
    let words: Vec<&str> = rest.split_whitespace().collect();
    let ticks = |at: usize| -> Result<u64, Box<dyn Error>> {
        Ok(words.get(at).ok_or("a short `stat`")?.parse()?)
    };
    let ticks = ticks(11)? + ticks(12)?;
    Ok((Duration::from_millis(ticks * 10), words.first() == Some(&"Z")))
}

/// Waits until a process ends: its CPU time.
///
/// # Errors
/// It does not end well, or not at all.
pub fn ended(process: &mut Child) -> Result<Duration, Box<dyn Error>> {
    let begin = std::time::Instant::now();
    loop {
        let (cpu, over) = cpu_of(process)?;
        if over {
            let status = process.wait()?;
            return match status.code() {
                Some(0 | 1) => Ok(cpu),
                _ => Err(format!("it ended with {status}").into()),
            };
        }
        if begin.elapsed() > PATIENCE {
            process.kill()?;
            return Err("it does not end".into());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}
