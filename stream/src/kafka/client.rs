//! How clients are configured.

use super::troubles::Troubles;
use crate::config::{Config, Delivery, GroupProtocol};
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// Makes clients of one process.
#[derive(Clone)]
pub struct Clients {
    base: ClientConfig,
    application: String,
    prefix: Option<String>,
    instance: String,
    /// Processes keep the name over restarts.
    is_named: bool,
    protocol: GroupProtocol,
    delivery: Delivery,
    timeout: Duration,
    troubles: Troubles,
    /// A topic that no group reads.
    unread: String,
}

impl fmt::Debug for Clients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // `ClientConfig` knows some secrets by their names, but not all.
        let mut shown = f.debug_struct("Clients");
        shown.field("application", &self.application).field("instance", &self.instance);
        shown.finish_non_exhaustive()
    }
}

/// Clients are told to give up before the broker gives up on the transaction.
const MARGIN: Duration = Duration::from_millis(500);

impl Clients {
    /// For a configuration. `instance` is the name of this process.
    #[must_use]
    pub fn new(config: &Config, instance: &str) -> Self {
        let mut base = ClientConfig::new();
        base.set("bootstrap.servers", config.kafka.bootstrap_servers.join(","));
        // What the brokers say is logged by us, once.
        base.set_log_level(RDKafkaLogLevel::Warning);
        // Ten seconds by default, of each client one after the other.
        base.set("reconnect.backoff.max.ms", "2000");
        for (name, value) in config.kafka.properties.iter() {
            base.set(name, value);
        }
        Self {
            base,
            application: config.application.clone(),
            prefix: config.prefix.clone(),
            instance: instance.to_owned(),
            is_named: config.instance.is_some(),
            protocol: config.kafka.group_protocol,
            delivery: config.delivery,
            timeout: config.transaction.timeout.duration(),
            troubles: Troubles::new(config),
            unread: config.state(),
        }
    }

    /// Those that wait for brokers give up when `stop` is set.
    #[must_use]
    pub fn until(self, stop: &Arc<AtomicBool>) -> Self {
        Self { troubles: self.troubles.until(stop), ..self }
    }

    /// What goes wrong with the brokers.
    #[must_use]
    pub fn troubles(&self) -> &Troubles {
        &self.troubles
    }

    /// How long a transaction may take.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// The name of this process.
    #[must_use]
    pub fn instance(&self) -> &str {
        &self.instance
    }

    /// What the names of topics begin with that rules name for their detections.
    #[must_use]
    pub fn prefix(&self) -> Option<&str> {
        self.prefix.as_deref()
    }

    /// Whether work is done in transactions.
    #[must_use]
    pub fn delivery(&self) -> Delivery {
        self.delivery
    }

    /// For a client that does something on the side.
    #[must_use]
    pub fn aside(&self, what: &str) -> ClientConfig {
        let mut config = self.base.clone();
        // Clients that share a name have confused each other (librdkafka issue 4783).
        config.set("client.id", format!("{}-{}-{what}", self.application, self.instance));
        config
    }

    /// For a member of a group of this application.
    #[must_use]
    pub(crate) fn member(&self, stage: &str, lane: usize) -> ClientConfig {
        let mut config = self.aside(&format!("{stage}-{lane}"));
        config
            .set("group.id", self.group(stage))
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("isolation.level", "read_committed");
        // Static membership (KIP-345): one that comes back has its partitions at once, and need not wait until the group has missed it. With the protocol
        // `consumer` it would be refused until then (KIP-848: `UNRELEASED_INSTANCE_ID`).
        if self.is_named && self.protocol == GroupProtocol::Classic {
            config.set("group.instance.id", format!("{}-{lane}", self.instance));
        }
        let mut default = |name: &str, value: &str| {
            if config.get(name).is_none() {
                config.set(name, value);
            }
        };
        default("auto.offset.reset", "earliest");
        default("fetch.wait.max.ms", "20");
        // What is fetched ahead is bounded, and so small that it may still be in a cache when its turn comes; a small bound needs a short pause.
        default("queued.max.messages.kbytes", "2048");
        default("fetch.max.bytes", "2097152");
        default("fetch.queue.backoff.ms", "2");
        default("allow.auto.create.topics", "false");
        // Takes a lock for each record.
        default("enable.metrics.push", "false");
        default("topic.metadata.refresh.interval.ms", "10000");
        match self.protocol {
            GroupProtocol::Consumer => {
                config.set("group.protocol", "consumer");
            }
            GroupProtocol::Classic => {
                default("session.timeout.ms", "10000");
                default("heartbeat.interval.ms", "1000");
                // The default is going to change.
                config.set("group.protocol", "classic");
                config.set("partition.assignment.strategy", "cooperative-sticky");
            }
        }
        config
    }

    /// For a member that stays for a moment, and a topic that the group does not read.
    pub(super) fn guest(&self, stage: &str, lane: usize) -> (ClientConfig, String) {
        let mut config = self.member(stage, lane);
        config.remove("group.instance.id");
        config.set(
            "client.id",
            format!("{}-{}-{stage}-{lane}-guest", self.application, self.instance),
        );
        config.set("auto.offset.reset", "latest");
        (config, self.unread.clone())
    }

    /// The group of a stage.
    #[must_use]
    pub fn group(&self, stage: &str) -> String {
        format!("{}.{stage}", self.application)
    }

    /// For the producer of a lane of a stage.
    #[must_use]
    pub(crate) fn producer(&self, (stage, lane): (&str, usize), compression: &str) -> ClientConfig {
        let mut config = self.aside(&format!("{stage}-{lane}-out"));
        let mut default = |name: &str, value: &str| {
            if config.get(name).is_none() {
                config.set(name, value);
            }
        };
        // Without transactions whatever is sent is waited for each time, by stage 2 twice.
        let linger = if self.delivery == Delivery::AtLeastOnce { "0.5" } else { "2" };
        default("linger.ms", linger);
        default("compression.type", compression);
        // What the topics take; the library's own limit is lower.
        default("message.max.bytes", &super::topics::STATE_RECORD_LIMIT.to_string());
        let timeout = self.timeout.as_millis();
        // A record must not outlive its transaction.
        let message_timeout = self.timeout.saturating_sub(MARGIN).as_millis().max(1000);
        config.set("message.timeout.ms", message_timeout.to_string());
        config.set("enable.idempotence", "true");
        if self.delivery == Delivery::AtLeastOnce {
            // What was sent may end early, but nothing may be missing within it: records behind one that was given up could be taken. So
            // the library gives up none by itself.
            config.set("message.timeout.ms", "0");
            config.set("enable.gapless.guarantee", "true");
        }
        if self.delivery == Delivery::ExactlyOnce {
            let id = format!("{}/{stage}/{}/{lane}", self.application, self.instance);
            config.set("transactional.id", id);
            config.set("transaction.timeout.ms", timeout.to_string());
        }
        config
    }
}
