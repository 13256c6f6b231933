//! What the service is told: one YAML file, over which the environment and flags may be laid.
//!
//! These types are the documentation: their comments are what `sigmund config schema` and `docs/configuration.md` say.

mod changes;
mod document;
mod duration;
mod layers;
mod load;
mod problem;
mod properties;
mod replay;
mod secret;
mod shape;
mod show;
mod size;
mod template;
mod texts;
mod tree;
mod validate;

pub use crate::encode::Format;
pub use document::markdown;
pub use duration::Span;
pub use layers::Layers;
pub use load::Loaded;
pub use problem::{Origin, Problem, Problems};
pub use secret::{HIDDEN, Properties, Secret};
pub use shape::editor_schema;
pub use size::Size;
pub(crate) use template::topic_mistake;
pub use template::{Placeholder, Template};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;

/// A configuration with a comment on every key that most people set.
pub const EXAMPLE: &str = include_str!("example.yaml");

/// The whole configuration of `sigmund run`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The name of this deployment. Consumer groups, transactional ids and the topics that are not named begin with it: all processes
    /// of one deployment have the same.
    pub application: String,
    /// The name of this process within the deployment, which it keeps over restarts (`${env:HOSTNAME}` in a StatefulSet). With a stable name a
    /// process that comes back ends its own open transactions and, in groups of the `classic` protocol, has its partitions again at once; but when it is
    /// stopped for good, others take its partitions only after `session.timeout.ms` (10 s). Without one the name is random: partitions are given back at a stop, and after a crash others
    /// wait for `session.timeout.ms` and `transaction.timeout`.
    pub instance: Option<String>,
    /// The brokers and how to reach them.
    pub kafka: Kafka,
    /// Where events come from.
    pub sources: Vec<Source>,
    /// What is looked for in the events.
    pub rules: Rules,
    /// How hits are counted and ordered over time.
    pub correlation: Correlation,
    /// Where detections go.
    pub detections: Detections,
    /// Where records go that could not be read as an event, with the reason. They are matched as plain text all the same. `{application}.dead-letters` if
    /// not named.
    pub dead_letters: Option<String>,
    /// Whether each event gives exactly one detection, or at least one.
    pub delivery: Delivery,
    /// When work is made visible.
    pub transaction: Transaction,
    /// Threads that read and match events. Each has a consumer and a producer of its own.
    pub lanes: usize,
    /// The HTTP server: metrics, health, status.
    pub http: Http,
    /// What the service says about itself on stderr.
    pub log: Log,
    /// The keys whose values came from files or the environment, and are not shown.
    #[serde(skip)]
    pub hidden: BTreeSet<String>,
    /// Of a replay: what the names of topics begin with that rules name for their detections.
    #[serde(skip)]
    pub prefix: Option<String>,
    /// The options that give `sigmund` the same configuration, each behind a blank: for commands that people are told.
    #[serde(skip)]
    pub invocation: String,
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&show::value(self), f)
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            application: "sigmund".to_owned(),
            instance: None,
            kafka: Kafka::default(),
            sources: Vec::new(),
            rules: Rules::default(),
            correlation: Correlation::default(),
            detections: Detections::default(),
            dead_letters: None,
            delivery: Delivery::default(),
            transaction: Transaction::default(),
            lanes: 1,
            http: Http::default(),
            log: Log::default(),
            hidden: BTreeSet::new(),
            prefix: None,
            invocation: String::new(),
        }
    }
}

impl Config {
    /// The topic of records that could not be read.
    #[must_use]
    pub fn dead_letters(&self) -> String {
        self.named(self.dead_letters.as_ref(), "dead-letters")
    }

    /// The topic that detections go to unless a route says otherwise.
    #[must_use]
    pub fn detections(&self) -> String {
        self.named(self.detections.topic.as_ref(), "detections")
    }

    /// The topic of hits on their way to windows.
    #[must_use]
    pub fn sightings(&self) -> String {
        self.named(self.correlation.sightings.as_ref(), "sightings")
    }

    /// The changelog of windows.
    #[must_use]
    pub fn state(&self) -> String {
        self.named(self.correlation.state.as_ref(), "state")
    }

    /// The topic of hits that came too late for their windows.
    #[must_use]
    pub fn late(&self) -> String {
        self.named(self.correlation.late.as_ref(), "late")
    }

    /// The topic that says what became of the rules of the rule topic.
    #[must_use]
    pub fn rules_status(&self) -> String {
        self.named(self.rules.status_topic.as_ref(), "rules-status")
    }

    fn named(&self, name: Option<&String>, what: &str) -> String {
        name.cloned().unwrap_or_else(|| format!("{}.{what}", self.application))
    }
}

/// The brokers and how to reach them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Kafka {
    /// Brokers to ask first, each `host:port`.
    pub bootstrap_servers: Vec<String>,
    /// How the members of a group share partitions: `classic`, or `consumer` (KIP-848, brokers of version 4).
    pub group_protocol: GroupProtocol,
    /// Any property of librdkafka, for all clients. Those that would break exactly-once are refused.
    pub properties: Properties,
}

impl Default for Kafka {
    fn default() -> Self {
        Self {
            bootstrap_servers: vec!["127.0.0.1:9092".to_owned()],
            group_protocol: GroupProtocol::default(),
            properties: Properties::default(),
        }
    }
}

/// How the members of a group share partitions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GroupProtocol {
    /// Cooperative and sticky, decided by a member.
    #[default]
    Classic,
    /// Decided by the broker (KIP-848).
    Consumer,
}

/// Where events come from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Source {
    /// Topics by their names.
    pub topics: Vec<String>,
    /// Topics by a regular expression over the whole name, such as `logs\..*` or `logs|audit`. Kafka's clients and brokers have to understand it too: POSIX
    /// extended, with `[0-9]` for `\d`.
    pub pattern: Option<String>,
    /// The format of the records (`sigmund parse` names them); each record is looked at if there is none.
    pub format: Option<String>,
    /// Log sources that every event has besides its own, such as `product=linux,service=auditd`.
    pub log_sources: Vec<String>,
    /// The time zone of times that name none, such as `Europe/Berlin` or `+02:00`; UTC if there is none.
    pub assume_zone: Option<String>,
}

/// The rules. They are read anew when their files or their topic change, and on SIGHUP; if something is wrong then, those before stay in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Rules {
    /// Files and directories. The built-in starter pack if there are neither paths nor a topic.
    pub paths: Vec<PathBuf>,
    /// A compacted topic of rules by their ids.
    pub topic: Option<String>,
    /// The topic that says which rules of the topic were taken and which were not, and why; `{application}.rules-status` if not named.
    pub status_topic: Option<String>,
    /// Processing pipelines in pySigma's format, applied in order.
    pub pipelines: Vec<PathBuf>,
    /// Values of placeholders for the `expand` modifier.
    pub placeholders: BTreeMap<String, Vec<String>>,
    /// Log source mappings in SigmaHQ's format.
    pub log_source_mappings: Vec<PathBuf>,
    /// Only rules of at least this level.
    pub level: Option<String>,
    /// Only rules with one of these tags; `*` stands for anything.
    pub tags: Vec<String>,
    /// Only rules with one of these statuses.
    pub status: Vec<String>,
    /// Only rules for one of these log sources, such as `product=zeek,service=dns`: what is named must be the same in the rule. A correlation if one of
    /// its rules is.
    pub log_sources: Vec<String>,
    /// Only these rules, by their ids, names or titles.
    pub only: Vec<String>,
    /// So often paths, pipelines and mappings are looked at for changes; `0s` for never.
    pub watch: Span,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            paths: Vec::new(),
            topic: None,
            status_topic: None,
            pipelines: Vec::new(),
            placeholders: BTreeMap::new(),
            log_source_mappings: Vec::new(),
            level: None,
            tags: Vec::new(),
            status: Vec::new(),
            log_sources: Vec::new(),
            only: Vec::new(),
            watch: Span::seconds(5),
        }
    }
}

/// How hits are counted and ordered over time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Correlation {
    /// When alerts go out: `early`, as soon as later events cannot undo them, or `final`, when no event is waited for any more.
    pub emit: Emit,
    /// How often a group alerts while its condition stays true: `once`, `every`, or `quiet=15m`.
    pub alert: String,
    /// An event may come so long after a later one of its partition and is still in its windows.
    pub max_lateness: Span,
    /// A partition without events for so long is not waited for.
    pub idle_timeout: Span,
    /// Event times further ahead of the clock than this are not believed.
    pub max_future: Span,
    /// About how much memory all windows of a process may take, such as `500MiB`; 2 GiB if not given. Hits that wait for earlier ones, and the search
    /// for early alerts, may each take as much again, up to 512 MiB.
    pub max_state: Option<Size>,
    /// Partitions of the topics of sightings and of state. It cannot be changed later without moving the state.
    pub partitions: u32,
    /// So long Kafka keeps hits on their way to windows: at least the longest timespan of a rule, `max_lateness` and a day.
    pub retention: Span,
    /// Hits of rules that a process does not have wait so long for its rules to change, while they change in one process after the other. Then they
    /// are dropped, counted and told.
    pub rules_patience: Span,
    /// Threads that run windows.
    pub lanes: usize,
    /// The topic of hits on their way to windows; `{application}.sightings` if not named.
    pub sightings: Option<String>,
    /// The changelog of windows; `{application}.state` if not named.
    pub state: Option<String>,
    /// The topic of hits that came too late; `{application}.late` if not named.
    pub late: Option<String>,
}

impl Default for Correlation {
    fn default() -> Self {
        Self {
            emit: Emit::default(),
            alert: "once".to_owned(),
            max_lateness: Span::seconds(60),
            idle_timeout: Span::seconds(60),
            max_future: Span::seconds(3600),
            max_state: None,
            partitions: 16,
            retention: Span::seconds(7 * 24 * 3600),
            rules_patience: Span::seconds(60),
            lanes: 1,
            sightings: None,
            state: None,
            late: None,
        }
    }
}

/// When alerts of correlations go out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Emit {
    /// As soon as later events cannot undo them.
    #[default]
    Early,
    /// When no event is waited for any more: exactly those of the sorted input.
    Final,
}

/// Where detections go.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Detections {
    /// The topic, which may have `{rule.id}`, `{rule.level}`, `{log_source.product}` and the like in it; `{application}.detections` if not named.
    pub topic: Option<String>,
    /// The key of records, with the same placeholders; `{rule.id}` if not given.
    pub key: Option<String>,
    /// How detections are written.
    pub format: Format,
    /// An event gives one detection at most: that of the rule with the highest level, and among those of the one whose id comes first. Correlations count
    /// all hits all the same, and their alerts all go out.
    pub first_match: bool,
    /// Other topics for some rules. The first that fits counts.
    pub routes: Vec<Route>,
}

/// A topic for some rules.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Route {
    /// Rules by their ids, names or titles.
    pub rules: Vec<String>,
    /// Rules of at least this level.
    pub level: Option<String>,
    /// Rules with one of these tags; `*` stands for anything.
    pub tags: Vec<String>,
    /// The topic, with placeholders as above.
    pub topic: String,
    /// How detections are written there.
    pub format: Option<Format>,
}

/// How often an event may be told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Delivery {
    /// In transactions: readers with `isolation.level=read_committed` see each detection once.
    #[default]
    ExactlyOnce,
    /// Without transactions: after a failure detections may come again, with the same id.
    AtLeastOnce,
}

/// When work is made visible.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Transaction {
    /// So long records are gathered for one transaction, from the first of them: `1ms` at least.
    pub interval: Span,
    /// So many records are in one transaction at most; of hits on their way to windows 10,000 at most.
    pub max_records: usize,
    /// A transaction whose process is gone ends after this time.
    pub timeout: Span,
}

impl Default for Transaction {
    fn default() -> Self {
        Self { interval: Span::milliseconds(100), max_records: 50_000, timeout: Span::seconds(10) }
    }
}

/// The HTTP server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Http {
    /// Where it listens; nothing listens if it is `off`. Beyond this machine it needs `tls` and `token`.
    pub listen: String,
    /// Who asks must know this (`Authorization: Bearer …`).
    pub token: Option<Secret>,
    /// Files of the certificate chain and its key, in PEM.
    pub tls: Option<Tls>,
}

impl Default for Http {
    fn default() -> Self {
        Self { listen: "127.0.0.1:9464".to_owned(), token: None, tls: None }
    }
}

/// Certificate and key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Tls {
    /// The certificate and those that vouch for it.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// What the service says about itself on stderr.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// `text` or `json`.
    pub format: LogFormat,
    /// `error`, `warn`, `info`, `debug`, or directives such as `info,rdkafka=debug`.
    pub level: String,
}

impl Default for Log {
    fn default() -> Self {
        Self { format: LogFormat::default(), level: "info".to_owned() }
    }
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}
