//! Whether a configuration makes sense, beyond its shape. Each message says what to do.

use super::problem::{Origin, Problem, Problems};
use super::template::topic_mistake;
use super::{Config, HIDDEN, Http, Span, Template, properties};
use crate::plan::whole_name;
use crate::reading::time_zone;
use regex::Regex;
use sigmund_engine::correlation::Policy;
use sigmund_parsers::FORMATS;
use sigmund_sigma::suggestion::did_you_mean;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

const LEVELS: [&str; 5] = ["informational", "low", "medium", "high", "critical"];
const STATUSES: [&str; 5] = ["unsupported", "deprecated", "experimental", "test", "stable"];
const LOG_LEVELS: [&str; 6] = ["error", "warn", "info", "debug", "trace", "off"];
/// More partitions would be more files than brokers like, and more threads than a group has.
const PARTITION_LIMIT: u32 = 1024;
/// More threads than cores of any machine are a mistake.
const LANE_LIMIT: usize = 1024;
/// `transaction.max.timeout.ms` of brokers, unless somebody changed it.
const TIMEOUT_LIMIT: Span = Span::seconds(15 * 60);

/// What is wrong, without the origins.
pub(super) fn problems(config: &Config) -> Vec<Problem> {
    let mut check = Check { config, problems: Problems::default() };
    check.names();
    check.kafka();
    check.sources();
    check.rules();
    check.correlation();
    check.detections();
    check.topics();
    check.transaction();
    check.http();
    check.log();
    check.problems.0
}

struct Check<'a> {
    config: &'a Config,
    problems: Problems,
}

impl Check<'_> {
    fn wrong(&mut self, key: &str, message: impl Into<String>, help: &str) {
        let help = (!help.is_empty()).then(|| help.to_owned());
        self.problems.push(key, &Origin::Default, message, help);
    }

    /// One of some words.
    fn word(&mut self, key: &str, what: &str, word: &str, known: &[&str]) {
        if !known.contains(&word) {
            let help = did_you_mean(word, known.iter().copied(), || {
                format!("known: {}", super::shape::quoted(known.iter().copied()))
            });
            self.wrong(key, format!("unknown {what} `{word}`"), &help);
        }
    }

    fn lanes(&mut self, key: &str, lanes: usize) {
        if lanes == 0 || lanes > LANE_LIMIT {
            let help = format!("write 1 to {LANE_LIMIT}; one for each core is usual");
            self.wrong(key, format!("{lanes} lanes"), &help);
        }
    }

    fn names(&mut self) {
        let application = &self.config.application;
        // Names of topics begin with it.
        if let Some(mistake) = topic_mistake(application).or_else(|| {
            (application.len() > 200).then(|| "it is longer than 200 characters".to_owned())
        }) {
            self.wrong("application", mistake, "names of topics and groups begin with it");
        }
        if let Some(instance) = &self.config.instance
            && (instance.is_empty() || instance.chars().any(|c| c.is_control() || c == '/'))
        {
            let message = format!("`{}` is not a name of a process", instance.escape_default());
            self.wrong("instance", message, "write for example `${env:HOSTNAME}`");
        }
        self.lanes("lanes", self.config.lanes);
    }

    fn kafka(&mut self) {
        let servers = &self.config.kafka.bootstrap_servers;
        if servers.is_empty() {
            let help = "write for example `[kafka-1:9092, kafka-2:9092]`";
            self.wrong("kafka.bootstrap_servers", "no brokers are named", help);
        }
        for (index, server) in servers.iter().enumerate() {
            let key = format!("kafka.bootstrap_servers[{index}]");
            let address = server.split_once("://").map_or(&**server, |(_, address)| address);
            let port = address.rsplit_once(':').filter(|(host, _)| !host.is_empty());
            if !port.is_some_and(|(_, port)| port.parse::<u16>().is_ok_and(|port| port > 0)) {
                let message = format!("`{server}` is not `host:port`");
                self.wrong(&key, message, "write for example `kafka-1:9092`");
            } else if server.contains(',') {
                let message = format!("`{server}` names more than one broker");
                self.wrong(&key, message, "write each as a member of the list");
            }
        }
        for (name, value) in self.config.kafka.properties.iter() {
            if let Some(mistake) = properties::mistake(self.config, name, value) {
                let key = format!("kafka.properties.{name}");
                self.wrong(&key, mistake.message, &mistake.help.unwrap_or_default());
            }
        }
    }

    fn sources(&mut self) {
        if self.config.sources.is_empty() {
            let help = "write for example `sources: [{topics: [logs]}]`";
            self.wrong("sources", "no topics to read events from", help);
        }
        for (index, source) in self.config.sources.iter().enumerate() {
            let key = |name: &str| format!("sources[{index}].{name}");
            if source.topics.is_empty() && source.pattern.is_none() {
                let help = "write `topics: [NAME]` or `pattern: 'logs\\..*'`";
                self.wrong(&format!("sources[{index}]"), "it names no topics", help);
            }
            for (member, topic) in source.topics.iter().enumerate() {
                if let Some(mistake) = topic_mistake(topic) {
                    let help = "a regular expression is written as `pattern`";
                    self.wrong(&format!("{}[{member}]", key("topics")), mistake, help);
                }
            }
            if let Some(pattern) = &source.pattern {
                self.pattern(&key("pattern"), pattern);
            }
            if let Some(format) = &source.format {
                let known: Vec<&str> = FORMATS.iter().map(|format| format.name()).collect();
                self.word(&key("format"), "format", format, &known);
            }
            for (member, text) in source.log_sources.iter().enumerate() {
                self.log_source(&format!("{}[{member}]", key("log_sources")), text);
            }
            if let Some(zone) = &source.assume_zone
                && time_zone(zone).is_err()
            {
                let message = format!("unknown time zone `{zone}`");
                let help = "write for example `Europe/Berlin` or `+02:00`";
                self.wrong(&key("assume_zone"), message, help);
            }
        }
    }

    fn log_source(&mut self, key: &str, text: &str) {
        let is_part = |part: &str| {
            part.trim().split_once('=').is_some_and(|(name, value)| {
                matches!(name, "product" | "category" | "service") && !value.is_empty()
            })
        };
        if !text.split(',').all(is_part) {
            let message = format!("`{text}` is not a log source");
            self.wrong(key, message, "write for example `product=linux,service=auditd`");
        }
    }

    /// A regular expression that the client (POSIX extended) and the brokers (RE2, with `group_protocol: consumer`) understand alike.
    fn pattern(&mut self, key: &str, pattern: &str) {
        let regex = match Regex::new(&whole_name(pattern)) {
            Ok(regex) => regex,
            Err(error) => {
                let reason = error.to_string();
                let reason =
                    reason.lines().last().unwrap_or_default().trim_start_matches("error: ");
                let message = format!("`{pattern}` is not a regular expression: {reason}");
                self.wrong(key, message, "write for example `logs\\..*`");
                return;
            }
        };
        let foreign = ["(?", "\\d", "\\D", "\\p", "\\P", "\\x", "*?", "+?", "??"];
        if let Some(foreign) = foreign.iter().find(|foreign| pattern.contains(**foreign)) {
            let message =
                format!("`{foreign}` is not understood by all of Kafka's clients and brokers");
            self.wrong(key, message, "write for example `[0-9]` for `\\d`");
        }
        if let Some(escape) = escape_in_brackets(pattern) {
            let message = format!(
                "`\\{escape}` means `\\` or `{escape}` between `[` and `]` for Kafka's client"
            );
            self.wrong(key, message, "write for example `[a-z0-9_]` for `[\\w]`");
        }
        for (what, topic) in self.own_topics() {
            if regex.is_match(&topic) {
                let message = format!(
                    "`{pattern}` also means `{topic}`, which is written here ({what}): the service would read what it writes"
                );
                self.wrong(key, message, "make the pattern narrower");
            }
        }
    }

    fn rules(&mut self) {
        let rules = &self.config.rules;
        if let Some(level) = &rules.level {
            self.word("rules.level", "level", level, &LEVELS);
        }
        for (index, status) in rules.status.iter().enumerate() {
            self.word(&format!("rules.status[{index}]"), "status", status, &STATUSES);
        }
        for (index, text) in rules.log_sources.iter().enumerate() {
            self.log_source(&format!("rules.log_sources[{index}]"), text);
        }
        for (what, name) in [("topic", &rules.topic), ("status_topic", &rules.status_topic)] {
            if let Some(mistake) = name.as_deref().and_then(topic_mistake) {
                self.wrong(&format!("rules.{what}"), mistake, "");
            }
        }
    }

    fn correlation(&mut self) {
        let correlation = &self.config.correlation;
        if let Err(message) = correlation.alert.parse::<Policy>() {
            self.wrong("correlation.alert", message, "");
        }
        if !(1..=PARTITION_LIMIT).contains(&correlation.partitions) {
            let message = format!("{} partitions", correlation.partitions);
            let help =
                format!("write 1 to {PARTITION_LIMIT}; no more lanes than that can run windows");
            self.wrong("correlation.partitions", message, &help);
        }
        self.lanes("correlation.lanes", correlation.lanes);
        let least = correlation.max_lateness.duration() + Span::seconds(24 * 3600).duration();
        if correlation.retention.duration() < least {
            let message = format!(
                "hits are kept for {}, less than `max_lateness` ({}) and a day",
                correlation.retention, correlation.max_lateness
            );
            self.wrong("correlation.retention", message, "write for example `7d`");
        }
    }

    fn detections(&mut self) {
        let detections = &self.config.detections;
        for (key, text) in [("topic", &detections.topic), ("key", &detections.key)] {
            if let Some(text) = text {
                self.template(&format!("detections.{key}"), text, key == "topic");
            }
        }
        for (index, route) in detections.routes.iter().enumerate() {
            let key = |name: &str| format!("detections.routes[{index}].{name}");
            if route.rules.is_empty() && route.tags.is_empty() && route.level.is_none() {
                let help = "name `rules`, `tags` or a `level`; the topic of all others is `detections.topic`";
                let message = "it does not say for which rules it is";
                self.wrong(&format!("detections.routes[{index}]"), message, help);
            }
            if let Some(level) = &route.level {
                self.word(&key("level"), "level", level, &LEVELS);
            }
            self.template(&key("topic"), &route.topic, true);
        }
    }

    fn template(&mut self, key: &str, text: &str, is_topic: bool) {
        match text.parse::<Template>() {
            Err(message) => self.wrong(key, message, ""),
            Ok(template) if is_topic => {
                let mut name = String::new();
                template.write(|_| Some("x"), &mut name);
                if let Some(mistake) = topic_mistake(&name) {
                    self.wrong(key, mistake.replace(&name, text), "");
                }
            }
            Ok(_) => {}
        }
    }

    /// Topics that the service writes or keeps for itself, with the keys that name them; none with placeholders.
    fn own_topics(&self) -> Vec<(String, String)> {
        let config = self.config;
        let mut topics = vec![
            ("dead_letters".to_owned(), config.dead_letters()),
            ("correlation.sightings".to_owned(), config.sightings()),
            ("correlation.state".to_owned(), config.state()),
            ("correlation.late".to_owned(), config.late()),
            ("rules.status_topic".to_owned(), config.rules_status()),
            ("detections.topic".to_owned(), config.detections()),
        ];
        if let Some(topic) = &config.rules.topic {
            topics.push(("rules.topic".to_owned(), topic.clone()));
        }
        for (index, route) in config.detections.routes.iter().enumerate() {
            topics.push((format!("detections.routes[{index}].topic"), route.topic.clone()));
        }
        topics.retain(|(_, topic)| !topic.contains('{'));
        topics
    }

    /// No topic may be two things, or be read and written.
    fn topics(&mut self) {
        let mut seen: BTreeMap<String, String> = BTreeMap::new();
        for (index, source) in self.config.sources.iter().enumerate() {
            for (member, topic) in source.topics.iter().enumerate() {
                let key = format!("sources[{index}].topics[{member}]");
                if let Some(first) = seen.insert(topic.clone(), key.clone()) {
                    let message = format!("`{topic}` is also in `{first}`");
                    self.wrong(&key, message, "name each topic once");
                }
            }
        }
        for (key, topic) in self.own_topics() {
            let is_output = |key: &str| key.starts_with("detections.");
            match seen.get(&topic) {
                // Several routes may lead to one topic.
                Some(first) if !(is_output(first) && is_output(&key)) => {
                    let message = format!("`{topic}` is also `{first}`");
                    self.wrong(&key, message, "name another topic");
                }
                _ => {
                    seen.insert(topic, key);
                }
            }
        }
        for (key, name) in [
            ("dead_letters", &self.config.dead_letters),
            ("correlation.sightings", &self.config.correlation.sightings),
            ("correlation.state", &self.config.correlation.state),
            ("correlation.late", &self.config.correlation.late),
        ] {
            if let Some(mistake) = name.as_deref().and_then(topic_mistake) {
                self.wrong(key, mistake, "");
            }
        }
    }

    fn transaction(&mut self) {
        let transaction = &self.config.transaction;
        let (interval, timeout) = (transaction.interval, transaction.timeout);
        if timeout < Span::seconds(1) || timeout > TIMEOUT_LIMIT {
            let help = format!("write 1s to {TIMEOUT_LIMIT}, which is as long as brokers allow");
            self.wrong("transaction.timeout", format!("{timeout} for a transaction"), &help);
        }
        if interval.duration().is_zero() {
            let help = "write at least `1ms`; `100ms` is usual, and shorter ones cost the brokers more than they save";
            self.wrong("transaction.interval", "no time to gather records", help);
        }
        if interval.duration() * 2 >= timeout.duration() {
            let message = format!(
                "{interval} is not shorter than half of `transaction.timeout` ({timeout}): transactions would end before they are committed"
            );
            let help = "make it shorter, or `transaction.timeout` longer";
            self.wrong("transaction.interval", message, help);
        }
        if transaction.max_records == 0 {
            self.wrong("transaction.max_records", "0 records", "write at least 1");
        }
    }

    fn http(&mut self) {
        let http = &self.config.http;
        let Some(is_local) = listens_locally(http) else {
            if http.listen != "off" {
                let message = format!("`{}` is not `address:port`", http.listen);
                let help = "write for example `127.0.0.1:9464`, or `off`";
                self.wrong("http.listen", message, help);
            }
            return;
        };
        let needed: Vec<&str> =
            [("http.tls", http.tls.is_none()), ("http.token", http.token.is_none())]
                .into_iter()
                .filter_map(|(key, is_missing)| is_missing.then_some(key))
                .collect();
        if !is_local && !needed.is_empty() {
            let message = format!("`{}` can be reached from other machines", http.listen);
            let help = format!(
                "set {}, or listen on `127.0.0.1:9464`",
                needed.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(" and ")
            );
            self.wrong("http.listen", message, &help);
        }
        if http.token.as_ref().is_some_and(|token| token.reveal().len() < 16) {
            let message = format!("{HIDDEN} is shorter than 16 characters and could be guessed");
            self.wrong("http.token", message, "make one with `openssl rand -hex 32`");
        }
        if let Some(tls) = &http.tls {
            for (key, path) in [("certificate", &tls.certificate), ("key", &tls.key)] {
                if path.as_os_str().is_empty() {
                    self.wrong(&format!("http.tls.{key}"), "no file is named", "write its path");
                }
            }
        }
    }

    fn log(&mut self) {
        for directive in self.config.log.level.split(',') {
            let level = directive.rsplit_once('=').map_or(directive, |(_, level)| level);
            self.word("log.level", "level", level.trim(), &LOG_LEVELS);
        }
    }
}

/// The first letter or digit with a backslash among the characters of a set.
fn escape_in_brackets(pattern: &str) -> Option<char> {
    let mut chars = pattern.chars().peekable();
    let mut is_inside = false;
    while let Some(c) = chars.next() {
        match c {
            '\\' => {
                let escaped = chars.next()?;
                if is_inside && escaped.is_ascii_alphanumeric() {
                    return Some(escaped);
                }
            }
            '[' => is_inside = true,
            ']' => is_inside = false,
            _ => {}
        }
    }
    None
}

/// Whether the address is of this machine only; `None` if it is no address.
fn listens_locally(http: &Http) -> Option<bool> {
    if let Ok(address) = http.listen.parse::<SocketAddr>() {
        return Some(match address.ip() {
            IpAddr::V6(ip) => ip.to_canonical().is_loopback(),
            ip => ip.is_loopback(),
        });
    }
    let (host, port) = http.listen.rsplit_once(':')?;
    (host == "localhost" && port.parse::<u16>().is_ok()).then_some(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Layers;

    /// What is wrong with a text, a line for each.
    fn wrong(text: &str) -> String {
        let folder = std::env::temp_dir().join(format!("sigmund-validate-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let path =
            folder.join(format!("{:x}.yaml", ahash::RandomState::with_seed(1).hash_one(text)));
        std::fs::write(&path, text).expect("a file");
        let loaded = Config::load(&Layers::none().with_file(&path));
        std::fs::remove_file(&path).expect("a file");
        let text = loaded.map_or_else(|problems| problems.to_string(), |_| String::new());
        text.replace(&*path.to_string_lossy(), "F")
    }

    const SOURCE: &str = "sources: [{topics: [logs]}]\n";

    #[test]
    fn the_least_is_a_source() {
        assert_eq!(wrong(SOURCE), "");
        assert_eq!(
            wrong(""),
            "configuration: sources: no topics to read events from; write for example `sources: [{topics: [logs]}]`"
        );
        assert!(wrong("sources: [{format: json}]").contains("it names no topics"));
    }

    #[test]
    fn each_mistake_has_its_place_and_what_to_do() {
        for (text, expected) in [
            ("lanes: 0", "F:2:8: lanes: 0 lanes; write 1 to 1024; one for each core is usual"),
            (
                "correlation: {partitions: 5000}",
                "F:2:27: correlation.partitions: 5000 partitions; write 1 to 1024",
            ),
            (
                "correlation: {alert: sometimes}",
                "F:2:22: correlation.alert: `sometimes` is not a way to alert",
            ),
            ("correlation: {retention: 1d}", "F:2:26: correlation.retention: hits are kept for 1d"),
            (
                "correlation: {max_state: lots}",
                "F:2:26: correlation.max_state: `lots` is not a size",
            ),
            (
                "transaction: {interval: 5s}",
                "F:2:25: transaction.interval: 5s is not shorter than half of `transaction.timeout` (10s)",
            ),
            (
                "transaction: {interval: 0s}",
                "F:2:25: transaction.interval: no time to gather records; write at least `1ms`",
            ),
            ("transaction: {timeout: 1h}", "F:2:24: transaction.timeout: 1h for a transaction"),
            (
                "detections: {topic: 'x.{rule.lvl}'}",
                "F:2:21: detections.topic: unknown placeholder `{rule.lvl}`; did you mean",
            ),
            (
                "detections: {topic: 'x y'}",
                "F:2:21: detections.topic: `x y` is not a name of a topic",
            ),
            ("detections: {key: '{rule'}", "F:2:19: detections.key: `{` without `}`"),
            (
                "detections: {routes: [{topic: x}]}",
                "F:2:23: detections.routes[0]: it does not say for which rules",
            ),
            (
                "detections: {topic: logs}",
                "F:2:21: detections.topic: `logs` is also `sources[0].topics[0]`; name another topic",
            ),
            (
                "correlation: {late: sigmund.detections}",
                "`sigmund.detections` is also `correlation.late`",
            ),
            (
                "rules: {level: hgih}",
                "F:2:16: rules.level: unknown level `hgih`; did you mean `high`?",
            ),
            (
                "rules: {status: [stale]}",
                "F:2:18: rules.status[0]: unknown status `stale`; did you mean `stable`?",
            ),
            (
                "rules: {log_sources: [zeek]}",
                "F:2:23: rules.log_sources[0]: `zeek` is not a log source; write for example",
            ),
            (
                "http: {listen: '0.0.0.0:9464'}",
                "F:2:16: http.listen: `0.0.0.0:9464` can be reached from other machines; set `http.tls` and `http.token`, or",
            ),
            ("http: {listen: 9464}", "F:2:16: http.listen: `9464` is not `address:port`"),
            ("http: {token: short}", "F:2:15: http.token: [hidden] is shorter than 16 characters"),
            (
                "log: {level: 'info,rdkafka=debgu'}",
                "F:2:14: log.level: unknown level `debgu`; did you mean `debug`?",
            ),
            (
                "kafka: {bootstrap_servers: [broker]}",
                "F:2:29: kafka.bootstrap_servers[0]: `broker` is not `host:port`",
            ),
            (
                "kafka: {bootstrap_servers: []}",
                "F:2:28: kafka.bootstrap_servers: no brokers are named",
            ),
            (
                "kafka: {properties: {acks: 1}}",
                "F:2:28: kafka.properties.acks: `acks` cannot be set: without it",
            ),
            ("application: 'a b'", "F:2:14: application: `a b` is not a name of a topic"),
            ("dead_letters: 'a/b'", "F:2:15: dead_letters: `a/b` is not a name"),
        ] {
            let found = wrong(&format!("{SOURCE}{text}\n"));
            assert!(
                found.starts_with(expected) || found.contains(&format!(": {expected}")),
                "{text}: {found}"
            );
            assert_eq!(found.lines().count(), 1, "{text}: {found}");
        }
    }

    #[test]
    fn sources_are_checked() {
        for (text, expected) in [
            ("{topics: ['a*']}", "sources[0].topics[0]: `a*` is not a name of a topic"),
            (
                "{pattern: 'a('}",
                "sources[0].pattern: `a(` is not a regular expression: unclosed group",
            ),
            ("{pattern: '\\d+'}", "sources[0].pattern: `\\d` is not understood"),
            ("{pattern: 'logs\\.[\\w-]+'}", "sources[0].pattern: `\\w` means `\\` or `w`"),
            ("{pattern: 'sigmund\\.det.*'}", "also means `sigmund.detections`"),
            (
                "{topics: [a], format: jason}",
                "sources[0].format: unknown format `jason`; did you mean `json`?",
            ),
            (
                "{topics: [a], log_sources: [linux]}",
                "sources[0].log_sources[0]: `linux` is not a log source",
            ),
            (
                "{topics: [a], assume_zone: Mars}",
                "sources[0].assume_zone: unknown time zone `Mars`",
            ),
            ("{topics: [a, a]}", "sources[0].topics[1]: `a` is also in `sources[0].topics[0]`"),
        ] {
            let found = wrong(&format!("sources:\n- {text}\n"));
            assert!(found.starts_with("F:2:") && found.contains(expected), "{text}: {found}");
        }
        assert_eq!(wrong("sources: [{pattern: 'logs\\.[a-z.\\-]\\w|raw'}]"), "");
        assert_eq!(wrong("sources: [{pattern: 'logs\\..*', assume_zone: '+02:00'}]"), "");
    }

    #[test]
    fn what_is_safe_may_listen() {
        for text in [
            "http: {listen: 'off'}",
            "http: {listen: off}",
            "http: {listen: 'localhost:1'}",
            "http: {listen: '[::1]:1'}",
            "http: {listen: '[::ffff:127.0.0.1]:1'}",
            "http: {listen: '0.0.0.0:1', token: 0123456789abcdef, tls: {certificate: a, key: b}}",
        ] {
            assert_eq!(wrong(&format!("{SOURCE}{text}\n")), "", "{text}");
        }
    }
}
