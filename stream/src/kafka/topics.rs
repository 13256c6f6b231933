//! The topics that the service needs: which, how they must be set, what is wrong with those that are there, and the commands that mend it.

use super::{Clients, access};
use crate::config::{Config, Kafka, Span};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::client::{ClientContext, DefaultClientContext};
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::metadata::Metadata;
use rdkafka::types::RDKafkaErrorCode;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Windows are written as records of up to so many bytes.
pub const STATE_RECORD_LIMIT: usize = 8 << 20;
/// Other records are smaller, and so is what is sent of them at once (`batch.size` of librdkafka).
pub const RECORD_LIMIT: usize = 1_000_000;
/// `max.message.bytes` where nobody says otherwise.
const USUAL_LIMIT: usize = 1_048_588;
/// So long brokers are waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a topic is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Events are read from it.
    Source,
    /// Detections.
    Detections,
    /// Records that could not be read.
    DeadLetters,
    /// Hits on their way to windows.
    Sightings,
    /// The changelog of windows.
    State,
    /// Hits that came too late.
    Late,
    /// Rules by their ids.
    Rules,
    /// What became of them.
    RulesStatus,
}

impl Role {
    fn is_read(self) -> bool {
        matches!(
            self,
            Self::Source | Self::Sightings | Self::State | Self::Rules | Self::RulesStatus
        )
    }

    fn is_written(self) -> bool {
        !matches!(self, Self::Source | Self::Rules)
    }

    /// Only the newest record of each key is kept.
    fn is_compacted(self) -> bool {
        matches!(self, Self::State | Self::Rules | Self::RulesStatus)
    }

    /// How large records must be that the topic takes, and what is set if it takes none so large.
    fn limits(self) -> Option<(usize, usize)> {
        match self {
            Self::Source | Self::Rules => None,
            Self::State => Some((STATE_RECORD_LIMIT, STATE_RECORD_LIMIT)),
            // A dead letter is the record and a little more.
            Self::DeadLetters => Some((RECORD_LIMIT, 2 << 20)),
            _ => Some((RECORD_LIMIT, USUAL_LIMIT)),
        }
    }

    fn noun(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Detections => "detections",
            Self::DeadLetters => "dead letters",
            Self::Sightings => "sightings",
            Self::State => "state",
            Self::Late => "late hits",
            Self::Rules => "rules",
            Self::RulesStatus => "status of rules",
        }
    }
}

/// A topic that the service needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicSpec {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub role: Role,
    /// How many partitions it must have, if that matters.
    pub partitions: Option<u32>,
    /// So long its records must be kept at least.
    pub retention: Option<Span>,
    /// How it is set when it is made.
    pub settings: Vec<(&'static str, String)>,
}

/// The topics that a configuration names. Those of patterns and placeholders are not among them: nobody knows them without rules.
#[must_use]
pub fn needed(config: &Config) -> Vec<TopicSpec> {
    needed_with(config, &BTreeSet::new())
}

/// The same with those that placeholders mean for the rules there are.
#[must_use]
pub fn needed_with(config: &Config, outlets: &BTreeSet<String>) -> Vec<TopicSpec> {
    let fixed = Some(config.correlation.partitions);
    let mut topics: Vec<TopicSpec> = Vec::new();
    let mut add = |name: String, role: Role, partitions: Option<u32>| {
        // Several routes may lead to one topic.
        if name.contains('{') || topics.iter().any(|topic| topic.name == name) {
            return;
        }
        let retention = (role == Role::Sightings).then_some(config.correlation.retention);
        let settings = settings(role, retention);
        topics.push(TopicSpec { name, role, partitions, retention, settings });
    };
    for source in &config.sources {
        for topic in &source.topics {
            add(topic.clone(), Role::Source, None);
        }
    }
    add(config.detections(), Role::Detections, None);
    for route in &config.detections.routes {
        add(route.topic.clone(), Role::Detections, None);
    }
    for topic in outlets {
        add(topic.clone(), Role::Detections, None);
    }
    add(config.dead_letters(), Role::DeadLetters, None);
    add(config.sightings(), Role::Sightings, fixed);
    add(config.state(), Role::State, fixed);
    add(config.late(), Role::Late, None);
    if let Some(topic) = &config.rules.topic {
        add(topic.clone(), Role::Rules, None);
        add(config.rules_status(), Role::RulesStatus, None);
    }
    topics
}

fn settings(role: Role, retention: Option<Span>) -> Vec<(&'static str, String)> {
    let policy = if role.is_compacted() { "compact" } else { "delete" };
    let mut settings = vec![("cleanup.policy", policy.to_owned())];
    if let Some(retention) = retention {
        settings.push(("retention.ms", retention.duration().as_millis().to_string()));
    }
    // What is not compacted is read again whenever a partition moves.
    if role == Role::State {
        settings.push(("segment.bytes", (64 << 20).to_string()));
        settings.push(("segment.ms", Span::seconds(600).duration().as_millis().to_string()));
        settings.push(("min.cleanable.dirty.ratio", "0.1".to_owned()));
    }
    if let (Role::State | Role::DeadLetters, Some((_, limit))) = (role, role.limits()) {
        settings.push(("max.message.bytes", limit.to_string()));
    }
    settings
}

/// Something that is wrong with the topics or with what may be done with them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Whether the service cannot run with it.
    pub is_error: bool,
    /// The topic, or what else it is about.
    pub subject: String,
    /// What is wrong.
    pub message: String,
    /// The command that mends it.
    pub command: Option<String>,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.subject, self.message)?;
        match &self.command {
            Some(command) => write!(f, "; mend it with `{command}`"),
            None => Ok(()),
        }
    }
}

/// Why the brokers could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No answer.
    #[error("no broker of `{servers}` answers: {reason}; {help}")]
    Unreachable {
        /// Who was asked.
        servers: String,
        /// What the client says.
        reason: String,
        /// What to do.
        help: &'static str,
    },
    /// They answer, and do not let us in.
    #[error("{0}")]
    Refused(String),
    /// A client could not be made or a request not be sent.
    #[error("the client of Kafka fails: {0}")]
    Client(#[from] KafkaError),
    /// No runtime.
    #[error("cannot wait for the brokers: {0}")]
    Runtime(#[from] std::io::Error),
}

/// What a client is told by brokers that it cannot use.
#[derive(Default)]
pub(super) struct Complaints(Mutex<Option<(KafkaError, String)>>);

impl Complaints {
    pub(super) fn last(&self) -> Option<(KafkaError, String)> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }
}

impl ClientContext for Complaints {
    fn error(&self, error: KafkaError, reason: &str) {
        let mut last = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        // "All brokers are down" says less than why.
        if !(last.is_some() && error.rdkafka_error_code() == Some(RDKafkaErrorCode::AllBrokersDown))
        {
            *last = Some((error, reason.to_owned()));
        }
    }

    fn log(&self, _: RDKafkaLogLevel, _: &str, _: &str) {}
}

impl ConsumerContext for Complaints {}

/// What is known of a cluster.
pub(super) struct Cluster<'a> {
    pub(super) config: &'a Config,
    pub(super) clients: Clients,
    pub(super) consumer: BaseConsumer<Complaints>,
    admin: AdminClient<DefaultClientContext>,
    runtime: tokio::runtime::Runtime,
}

impl<'a> Cluster<'a> {
    fn connect(config: &'a Config) -> Result<Self, Error> {
        let clients = Clients::new(config, "topics");
        // Of all clients only a consumer can ask for a topic without making it.
        let consumer: BaseConsumer<Complaints> = clients
            .aside("check")
            .set("group.id", clients.group("check"))
            .set("allow.auto.create.topics", "false")
            .set("enable.auto.commit", "false")
            .set("enable.partition.eof", "true")
            .set("fetch.wait.max.ms", "20")
            .create_with_context(Complaints::default())?;
        let admin = clients.aside("admin").create()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let cluster = Self { config, clients, consumer, admin, runtime };
        cluster.wait()?;
        Ok(cluster)
    }

    /// Waits for the first answer.
    fn wait(&self) -> Result<(), Error> {
        let end = Instant::now() + PATIENCE;
        loop {
            let answer = self.consumer.fetch_metadata(Some(""), Duration::from_secs(1));
            // Errors are told while polling.
            let _ = self.consumer.poll(Duration::ZERO);
            let Err(error) = answer else { return Ok(()) };
            let told = self.consumer.context().last();
            let refusal = told.as_ref().and_then(|(error, reason)| {
                self.clients.troubles().words_for_refusal(error, reason)
            });
            if let Some(refusal) = refusal {
                return Err(Error::Refused(refusal));
            }
            if Instant::now() >= end {
                let servers = self.config.kafka.bootstrap_servers.join(",");
                let reason = told.map_or_else(|| error.to_string(), |(_, reason)| reason);
                // How often and for how long says nothing more.
                let reason = reason.split(" (after ").next().unwrap_or_default().to_owned();
                let help = "start it, or correct `kafka.bootstrap_servers` or `security.protocol` in `kafka.properties`";
                return Err(Error::Unreachable { servers, reason, help });
            }
        }
    }

    fn metadata(&self, topic: Option<&str>) -> Result<Metadata, Error> {
        Ok(self.consumer.fetch_metadata(topic, PATIENCE)?)
    }

    /// The settings of topics.
    fn settings(&self, topics: &[&str]) -> Result<BTreeMap<String, Settings>, Error> {
        if topics.is_empty() {
            return Ok(BTreeMap::new());
        }
        let asked: Vec<ResourceSpecifier<'_>> =
            topics.iter().map(|topic| ResourceSpecifier::Topic(topic)).collect();
        let answers = self.admin.describe_configs(&asked, &options());
        let answers = self.runtime.block_on(answers)?;
        let mut settings = BTreeMap::new();
        for (topic, answer) in topics.iter().zip(answers) {
            // `rdkafka` takes a refusal for a topic without settings.
            let answer = answer.and_then(|resource| {
                if resource.entries.is_empty() {
                    return Err(RDKafkaErrorCode::TopicAuthorizationFailed);
                }
                let entries = resource.entries.into_iter();
                Ok(entries.map(|entry| (entry.name, entry.value.unwrap_or_default())).collect())
            });
            settings.insert((*topic).to_owned(), answer);
        }
        Ok(settings)
    }

    /// Whether requests are allowed or refused one by one; what may not be known counts as so.
    fn has_authorizer(&self, metadata: &Metadata) -> bool {
        let Some(broker) = metadata.brokers().first() else { return true };
        let asked = [ResourceSpecifier::Broker(broker.id())];
        let answer = self.runtime.block_on(self.admin.describe_configs(&asked, &options()));
        let Some(Ok(broker)) = answer.ok().and_then(|answers| answers.into_iter().next()) else {
            return true;
        };
        let class = broker.get("authorizer.class.name").and_then(|entry| entry.value.as_ref());
        class.is_none_or(|class| !class.is_empty())
    }

    /// A command line of Kafka's own tools.
    pub(super) fn tool(&self, tool: &str, rest: &str) -> String {
        tool_line(&self.config.kafka, tool, rest)
    }

    /// The command that allows operations on a resource.
    pub(super) fn allow(&self, operations: &[&str], resource: &str) -> String {
        let user = self.config.kafka.properties.get("sasl.username").unwrap_or("NAME");
        let hidden = self.config.kafka.properties.is_hidden("sasl.username");
        let user = if hidden { "NAME" } else { user };
        let operations: Vec<String> =
            operations.iter().map(|operation| format!("--operation {operation}")).collect();
        let operations = operations.join(" ");
        self.tool("acls", &format!("--add --allow-principal User:{user} {operations} {resource}"))
    }
}

/// A command line of Kafka's own tools.
pub(super) fn tool_line(kafka: &Kafka, tool: &str, rest: &str) -> String {
    let servers = kafka.bootstrap_servers.join(",");
    let protocol = kafka.properties.get("security.protocol");
    let is_plain = protocol.is_none_or(|protocol| protocol.eq_ignore_ascii_case("plaintext"));
    let secured = if is_plain { "" } else { " --command-config admin.properties" };
    format!("kafka-{tool}.sh --bootstrap-server {servers}{secured} {rest}")
}

/// The command that lets a topic take the records that are sent to it.
pub(super) fn enlargement(kafka: &Kafka, topic: &str, role: Role) -> String {
    let (_, limit) = role.limits().unwrap_or((RECORD_LIMIT, USUAL_LIMIT));
    let rest = format!(
        "--alter --entity-type topics --entity-name {topic} --add-config max.message.bytes={limit}"
    );
    tool_line(kafka, "configs", &rest)
}

/// The command that makes the topics of a configuration, which the invocation names.
pub(super) fn creation(invocation: &str) -> String {
    format!("sigmund topics create{invocation}")
}

type Settings = Result<BTreeMap<String, String>, RDKafkaErrorCode>;

fn options() -> AdminOptions {
    AdminOptions::new().request_timeout(Some(PATIENCE)).operation_timeout(Some(PATIENCE))
}

/// What [`create`] did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Created {
    /// Topics that are there now, with their partitions if they were given.
    pub made: Vec<(String, Option<u32>)>,
    /// Topics that were there.
    pub present: Vec<String>,
    /// Topics that could not be made, and why.
    pub failed: Vec<Finding>,
    /// Copies of each partition.
    pub replication: u8,
    /// Brokers of the cluster.
    pub brokers: usize,
}

/// Makes the topics that are missing, also `outlets`, which templates name for rules. Those of sources are never made.
///
/// # Errors
/// If the brokers cannot be asked at all.
pub fn create(
    config: &Config,
    outlets: &BTreeSet<String>,
    replication: Option<u8>,
) -> Result<Created, Error> {
    let cluster = Cluster::connect(config)?;
    let metadata = cluster.metadata(None)?;
    let brokers = metadata.brokers().len();
    let replication = replication.unwrap_or(if brokers >= 3 { 3 } else { 1 });
    let specs: Vec<TopicSpec> =
        needed_with(config, outlets).into_iter().filter(|spec| spec.role != Role::Source).collect();
    let new: Vec<NewTopic<'_>> = specs
        .iter()
        .map(|spec| {
            // Rules are few and one after another; for others the broker has a default.
            let few = matches!(spec.role, Role::Rules | Role::RulesStatus).then_some(1);
            let partitions = spec.partitions.or(few).map_or(-1, |n| i32::try_from(n).unwrap_or(-1));
            let copies = TopicReplication::Fixed(i32::from(replication));
            let mut topic = NewTopic::new(&spec.name, partitions, copies);
            for (name, value) in &spec.settings {
                topic = topic.set(name, value);
            }
            // One broker may be down, and still no record be lost.
            if replication >= 3 { topic.set("min.insync.replicas", "2") } else { topic }
        })
        .collect();
    let answers = cluster.runtime.block_on(cluster.admin.create_topics(&new, &options()))?;
    let mut created = Created { replication, brokers, ..Created::default() };
    for (spec, answer) in specs.iter().zip(answers) {
        match answer {
            Ok(name) => created.made.push((name, spec.partitions)),
            Err((name, RDKafkaErrorCode::TopicAlreadyExists)) => created.present.push(name),
            Err((name, code)) => created.failed.push(Finding {
                is_error: true,
                message: format!("cannot be made: {code}"),
                command: match code {
                    RDKafkaErrorCode::TopicAuthorizationFailed
                    | RDKafkaErrorCode::ClusterAuthorizationFailed => {
                        Some(cluster.allow(&["Create"], &format!("--topic {name}")))
                    }
                    RDKafkaErrorCode::InvalidReplicationFactor => Some(format!(
                        "{} --replication-factor {brokers}",
                        creation(&config.invocation)
                    )),
                    _ => None,
                },
                subject: name,
            }),
        }
    }
    Ok(created)
}

/// Compares the topics that are there with those that are needed, also `outlets`, which templates name for rules. `longest` is the rule with the longest
/// timespan, in nanoseconds.
///
/// # Errors
/// If the brokers cannot be asked at all.
pub fn check(
    config: &Config,
    outlets: &BTreeSet<String>,
    longest: Option<(&str, i64)>,
) -> Result<Vec<Finding>, Error> {
    let cluster = Cluster::connect(config)?;
    let specs = needed_with(config, outlets);
    let mut findings = Vec::new();
    let mut present: BTreeMap<&str, u32> = BTreeMap::new();
    let mut copies: BTreeMap<&str, usize> = BTreeMap::new();
    let mut refused = BTreeSet::new();
    for spec in &specs {
        let metadata = cluster.metadata(Some(&spec.name))?;
        let Some(topic) = metadata.topics().first() else { continue };
        match topic.error().map(RDKafkaErrorCode::from) {
            None => {
                let partitions = u32::try_from(topic.partitions().len()).unwrap_or(u32::MAX);
                present.insert(&spec.name, partitions);
                let least = topic.partitions().iter().map(|one| one.replicas().len()).min();
                copies.insert(&spec.name, least.unwrap_or(0));
            }
            Some(RDKafkaErrorCode::TopicAuthorizationFailed) => {
                refused.insert(spec.name.clone());
                let mut operations = vec!["Describe"];
                operations.extend(spec.role.is_read().then_some("Read"));
                operations.extend(spec.role.is_written().then_some("Write"));
                findings.push(Finding {
                    is_error: true,
                    subject: spec.name.clone(),
                    message: format!("may not be seen ({})", spec.role.noun()),
                    command: Some(cluster.allow(&operations, &format!("--topic {}", spec.name))),
                });
            }
            Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic) => {
                findings.push(missing(&cluster, spec));
            }
            Some(code) => findings.push(Finding {
                is_error: true,
                subject: spec.name.clone(),
                message: format!("cannot be described: {code}"),
                command: None,
            }),
        }
    }
    let names: Vec<&str> = present.keys().copied().collect();
    let settings = cluster.settings(&names)?;
    for spec in &specs {
        let Some(partitions) = present.get(spec.name.as_str()) else { continue };
        if let Some(wanted) = spec.partitions
            && wanted != *partitions
        {
            findings.push(other_partitions(&cluster, spec, *partitions, wanted));
        }
        match settings.get(&spec.name) {
            Some(Ok(settings)) => {
                let copies = copies.get(spec.name.as_str()).copied().unwrap_or(0);
                let mut wrong = wrong_settings(spec, settings, copies);
                if spec.role == Role::Sightings {
                    wrong.extend(longest.and_then(|rule| too_short(config, settings, rule)));
                }
                findings.extend(wrong.into_iter().map(|(is_error, message, setting)| Finding {
                    is_error,
                    subject: spec.name.clone(),
                    message,
                    command: Some(cluster.tool(
                        "configs",
                        &format!(
                            "--alter --entity-type topics --entity-name {} --add-config {setting}",
                            spec.name
                        ),
                    )),
                }));
            }
            // Sources are as others made them.
            _ if spec.role == Role::Source => {}
            Some(Err(code)) => findings.push(Finding {
                is_error: false,
                subject: spec.name.clone(),
                message: format!("its settings cannot be checked: {code}"),
                command: Some(
                    cluster.allow(&["DescribeConfigs"], &format!("--topic {}", spec.name)),
                ),
            }),
            None => {}
        }
    }
    let metadata = cluster.metadata(Some(""))?;
    if cluster.has_authorizer(&metadata) {
        let read: Vec<&str> = specs
            .iter()
            .filter(|spec| spec.role.is_read() && present.contains_key(spec.name.as_str()))
            .map(|spec| spec.name.as_str())
            .collect();
        let written: Vec<&str> = specs
            .iter()
            .filter(|spec| spec.role.is_written() && present.contains_key(spec.name.as_str()))
            .map(|spec| spec.name.as_str())
            .collect();
        findings.extend(access::check(&cluster, &read, &written)?);
    }
    Ok(findings)
}

fn missing(cluster: &Cluster<'_>, spec: &TopicSpec) -> Finding {
    let command = if spec.role == Role::Source {
        // Whoever writes events knows how many partitions they need.
        cluster.tool("topics", &format!("--create --topic {}", spec.name))
    } else {
        creation(&cluster.config.invocation)
    };
    Finding {
        is_error: true,
        subject: spec.name.clone(),
        message: format!("there is no such topic ({})", spec.role.noun()),
        command: Some(command),
    }
}

fn other_partitions(cluster: &Cluster<'_>, spec: &TopicSpec, found: u32, wanted: u32) -> Finding {
    let delete = cluster.tool("topics", &format!("--delete --topic {}", spec.name));
    Finding {
        is_error: true,
        subject: spec.name.clone(),
        message: format!(
            "has {found} partitions, but `correlation.partitions` is {wanted}: groups would be looked for in other partitions than they are in; \
             write `correlation.partitions: {found}`, or, if nothing in it is needed any more, make it anew"
        ),
        command: Some(format!("{delete} && {}", creation(&cluster.config.invocation))),
    }
}

/// Hits that are not kept as long as windows reach back, though as long as they are configured to be.
fn too_short(
    config: &Config,
    settings: &BTreeMap<String, String>,
    (title, timespan): (&str, i64),
) -> Option<(bool, String, String)> {
    let correlation = &config.correlation;
    let least = timespan.saturating_add(correlation.max_lateness.nanos()).max(0) as u64;
    let least = Span::milliseconds(least / 1_000_000);
    let found = settings.get("retention.ms")?.parse::<i64>().ok();
    let found = Span::milliseconds(u64::try_from(found?).ok()?);
    // What is less than the configuration says is told as that.
    (found < least && found >= correlation.retention).then(|| {
        let timespan = Span::milliseconds(timespan.unsigned_abs() / 1_000_000);
        let message = format!(
            "keeps records for {found}, less than the timespan of the rule `{title}` ({timespan}) and `correlation.max_lateness` ({}): its alerts would not show their oldest events; write also `correlation.retention: {least}`",
            correlation.max_lateness
        );
        (false, message, format!("retention.ms={}", least.duration().as_millis()))
    })
}

/// What is wrong with the settings of a topic: whether it is an error, what it is, and the setting that mends it.
fn wrong_settings(
    spec: &TopicSpec,
    settings: &BTreeMap<String, String>,
    copies: usize,
) -> Vec<(bool, String, String)> {
    let mut wrong = Vec::new();
    if spec.role == Role::Source {
        return wrong;
    }
    let get = |name: &str| settings.get(name).map_or("", String::as_str);
    let number = |name: &str| get(name).parse::<i64>().ok();
    let policy = get("cleanup.policy");
    let has = |word: &str| policy.split(',').any(|one| one.trim() == word);
    if spec.role.is_compacted() && (!has("compact") || has("delete")) {
        let message = format!(
            "`cleanup.policy` is `{policy}`, not `compact`: {} would be lost with time",
            spec.role.noun()
        );
        wrong.push((true, message, "cleanup.policy=compact".to_owned()));
    }
    if !spec.role.is_compacted() && has("compact") {
        let message = format!(
            "`cleanup.policy` is `{policy}`, not `delete`: of records with the same key only the last would be kept"
        );
        wrong.push((true, message, "cleanup.policy=delete".to_owned()));
    }
    if let Some(retention) = spec.retention {
        let wanted = i64::try_from(retention.duration().as_millis()).unwrap_or(i64::MAX);
        // -1 is forever.
        if let Some(found) = number("retention.ms").filter(|found| (0..wanted).contains(found)) {
            let found = Span::milliseconds(found.unsigned_abs());
            let message = format!(
                "keeps records for {found}, less than `correlation.retention` ({retention}): hits would be lost while the service stands still"
            );
            wrong.push((true, message, format!("retention.ms={wanted}")));
        }
        if number("retention.bytes").is_some_and(|bytes| bytes >= 0) {
            let message =
                "`retention.bytes` is set: hits would be lost before their time".to_owned();
            wrong.push((true, message, "retention.bytes=-1".to_owned()));
        }
    }
    if let Some((wanted, setting)) = spec.role.limits() {
        let least = i64::try_from(wanted).unwrap_or(i64::MAX);
        if let Some(found) = number("max.message.bytes").filter(|found| *found < least) {
            let what = if spec.role == Role::State { "windows" } else { spec.role.noun() };
            let message = format!(
                "`max.message.bytes` is {found}: {what} of up to {wanted} bytes could not be written, and would hold up all others"
            );
            wrong.push((true, message, format!("max.message.bytes={setting}")));
        }
    }
    if copies >= 3 && number("min.insync.replicas") == Some(1) {
        let message =
            "`min.insync.replicas` is 1: a record could be lost with one broker".to_owned();
        wrong.push((false, message, "min.insync.replicas=2".to_owned()));
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Route, Source};

    fn config() -> Config {
        let logs = Source { topics: vec!["logs".to_owned()], ..Source::default() };
        let mut config = Config { sources: vec![logs], ..Config::default() };
        let route = |topic: &str| Route { topic: topic.to_owned(), ..Route::default() };
        config.detections.routes = vec![route("soar"), route("x.{rule.level}"), route("soar")];
        config
    }

    fn names(config: &Config) -> Vec<String> {
        needed(config).into_iter().map(|spec| spec.name).collect()
    }

    #[test]
    fn needed_are_those_that_are_named() {
        let mut config = config();
        let mut expected = vec![
            "logs",
            "sigmund.detections",
            "soar",
            "sigmund.dead-letters",
            "sigmund.sightings",
            "sigmund.state",
            "sigmund.late",
        ];
        assert_eq!(names(&config), expected);
        config.rules.topic = Some("sigmund.rules".to_owned());
        expected.extend(["sigmund.rules", "sigmund.rules-status"]);
        assert_eq!(names(&config), expected);
        let state = needed(&config).into_iter().find(|spec| spec.role == Role::State);
        let state = state.expect("a changelog");
        assert_eq!(state.partitions, Some(16));
        assert!(state.settings.contains(&("cleanup.policy", "compact".to_owned())));
    }

    #[test]
    fn settings_as_made_are_right() {
        for spec in needed(&config()) {
            let settings: BTreeMap<String, String> = spec
                .settings
                .iter()
                .map(|(name, value)| ((*name).to_owned(), value.clone()))
                .collect();
            assert_eq!(wrong_settings(&spec, &settings, 3), vec![], "{spec:?}");
        }
    }

    #[test]
    fn hits_are_kept_as_long_as_windows_reach_back() {
        let day = 86_400_000_000_000;
        let told = |retention: &str, days: i64| {
            let settings = [("retention.ms".to_owned(), retention.to_owned())].into();
            too_short(&config(), &settings, ("Slow", days * day))
        };
        let week = "604800000";
        assert_eq!((told(week, 6), told("-1", 30)), (None, None));
        // Less than is configured: that is told already.
        assert_eq!(told("1000", 30), None);
        let (is_error, message, setting) = told(week, 30).expect("a finding");
        assert!(!is_error && message.contains("`Slow` (30d)"), "{message}");
        assert_eq!(setting, "retention.ms=2592060000");
    }

    #[test]
    fn other_settings_are_wrong() {
        let specs = needed(&config());
        let wrong = |role: Role, settings: &[(&str, &str)]| {
            let spec = specs.iter().find(|spec| spec.role == role).expect("a topic");
            let settings =
                settings.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
            let wrong = wrong_settings(spec, &settings, 3);
            wrong.into_iter().map(|(_, _, setting)| setting).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(wrong(Role::State, &[("cleanup.policy", "delete")]), "cleanup.policy=compact");
        assert_eq!(
            wrong(Role::State, &[("cleanup.policy", "compact,delete")]),
            "cleanup.policy=compact"
        );
        assert_eq!(
            wrong(Role::Detections, &[("cleanup.policy", "compact")]),
            "cleanup.policy=delete"
        );
        assert_eq!(
            wrong(
                Role::Sightings,
                &[("cleanup.policy", "delete"), ("retention.ms", "1000"), ("retention.bytes", "5")]
            ),
            "retention.ms=604800000 retention.bytes=-1"
        );
        assert_eq!(
            wrong(Role::Sightings, &[("cleanup.policy", "delete"), ("retention.ms", "-1")]),
            ""
        );
        assert_eq!(
            wrong(Role::State, &[("cleanup.policy", "compact"), ("max.message.bytes", "1048588")]),
            "max.message.bytes=8388608"
        );
        assert_eq!(
            wrong(
                Role::DeadLetters,
                &[("cleanup.policy", "delete"), ("max.message.bytes", "900000")]
            ),
            "max.message.bytes=2097152"
        );
        assert_eq!(
            wrong(
                Role::Detections,
                &[("cleanup.policy", "delete"), ("max.message.bytes", "900000")]
            ),
            "max.message.bytes=1048588"
        );
        assert_eq!(
            wrong(Role::Late, &[("cleanup.policy", "delete"), ("min.insync.replicas", "1")]),
            "min.insync.replicas=2"
        );
    }
}
