//! Properties of librdkafka that may not be passed through, each with its reason.
//!
//! Source: librdkafka's CONFIGURATION.md; what it refuses itself when a client is made is asked of it here.

use super::{Config, GroupProtocol};
use rdkafka::ClientConfig;
use rdkafka::error::KafkaError;
use sigmund_sigma::suggestion::nearest;

/// Why properties are refused whatever their value.
const REFUSED: &[(&[&str], &str)] = &[
    (&["bootstrap.servers", "metadata.broker.list"], "the brokers are `kafka.bootstrap_servers`"),
    (
        &["enable.auto.commit", "auto.commit.enable", "auto.commit.interval.ms"],
        "offsets are committed in the transaction of the detections; a commit of their own would lose or repeat them",
    ),
    (
        &["enable.auto.offset.store", "offset.store.method"],
        "an offset counts when its detections are committed, not when the record is read",
    ),
    (
        &["isolation.level"],
        "records of aborted transactions would give detections that must not be; what is read is always committed",
    ),
    (
        &["transactional.id"],
        "each lane has its own, made of `application` and `instance`; a shared one would fence the others",
    ),
    (&["transaction.timeout.ms"], "it is `transaction.timeout`"),
    (
        &["message.timeout.ms", "delivery.timeout.ms"],
        "it follows from `transaction.timeout`: a record must be given up before its transaction is",
    ),
    (
        &["enable.idempotence", "acks", "request.required.acks"],
        "without it a record may be lost or come twice when a broker fails",
    ),
    (
        &["max.in.flight.requests.per.connection", "max.in.flight"],
        "the service keeps records in order; more requests at once would break it",
    ),
    (
        &["retries", "message.send.max.retries"],
        "a transaction is retried until `transaction.timeout`; giving up earlier only aborts it",
    ),
    (&["group.id"], "it is made of `application`, one for each stage"),
    (
        &["group.instance.id"],
        "each lane is a member of its own, named after `instance`; a shared name would throw the others out",
    ),
    (&["group.protocol"], "it is `kafka.group_protocol`"),
    (&["client.id"], "each client has its own, made of `application` and `instance`"),
    (
        &["auto.offset.reset"],
        "a new group begins with the oldest record, and a lost offset must not skip any",
    ),
    (&["enable.partition.eof"], "the service needs to see the end of partitions"),
    (
        &["allow.auto.create.topics"],
        "a topic made by chance has the wrong partitions and cleanup; `sigmund topics create` makes them",
    ),
    (&["plugin.library.paths"], "code of others in this process could do anything"),
    (
        &["enable.gapless.guarantee", "queuing.strategy"],
        "it changes what happens to records after an error",
    ),
];

/// Names to suggest: what people set, besides those above.
const USUAL: &[&str] = &[
    "security.protocol",
    "sasl.mechanism",
    "sasl.mechanisms",
    "sasl.username",
    "sasl.password",
    "sasl.oauthbearer.config",
    "sasl.oauthbearer.method",
    "sasl.oauthbearer.client.id",
    "sasl.oauthbearer.client.secret",
    "sasl.oauthbearer.token.endpoint.url",
    "ssl.ca.location",
    "ssl.ca.pem",
    "ssl.certificate.location",
    "ssl.certificate.pem",
    "ssl.key.location",
    "ssl.key.pem",
    "ssl.key.password",
    "ssl.keystore.location",
    "ssl.keystore.password",
    "ssl.cipher.suites",
    "ssl.endpoint.identification.algorithm",
    "enable.ssl.certificate.verification",
    "client.rack",
    "client.dns.lookup",
    "broker.address.family",
    "socket.timeout.ms",
    "socket.keepalive.enable",
    "connections.max.idle.ms",
    "reconnect.backoff.ms",
    "reconnect.backoff.max.ms",
    "metadata.max.age.ms",
    "topic.metadata.refresh.interval.ms",
    "session.timeout.ms",
    "heartbeat.interval.ms",
    "max.poll.interval.ms",
    "partition.assignment.strategy",
    "fetch.min.bytes",
    "fetch.max.bytes",
    "fetch.wait.max.ms",
    "fetch.message.max.bytes",
    "max.partition.fetch.bytes",
    "queued.min.messages",
    "queued.max.messages.kbytes",
    "queue.buffering.max.messages",
    "queue.buffering.max.kbytes",
    "queue.buffering.max.ms",
    "linger.ms",
    "batch.size",
    "batch.num.messages",
    "compression.codec",
    "compression.type",
    "compression.level",
    "message.max.bytes",
    "request.timeout.ms",
    "receive.message.max.bytes",
    "statistics.interval.ms",
    "check.crcs",
    "debug",
    "log_level",
];

/// What is wrong with one property, and what to do.
pub(super) struct Mistake {
    pub(super) message: String,
    pub(super) help: Option<String>,
}

/// What is wrong with a property, if anything.
pub(super) fn mistake(config: &Config, name: &str, value: &str) -> Option<Mistake> {
    if let Some((_, reason)) = REFUSED.iter().find(|(names, _)| names.contains(&name)) {
        return Some(Mistake {
            message: format!("`{name}` cannot be set: {reason}"),
            help: Some("remove it".to_owned()),
        });
    }
    let consumer_protocol = config.kafka.group_protocol == GroupProtocol::Consumer;
    if consumer_protocol
        && matches!(
            name,
            "session.timeout.ms" | "heartbeat.interval.ms" | "partition.assignment.strategy"
        )
    {
        return Some(Mistake {
            message: format!(
                "`{name}` cannot be set: the broker decides it with `group_protocol: consumer`"
            ),
            help: Some("remove it, or write `group_protocol: classic`".to_owned()),
        });
    }
    let least = crate::kafka::topics::STATE_RECORD_LIMIT;
    if name == "message.max.bytes" && value.parse::<usize>().is_ok_and(|bytes| bytes < least) {
        return Some(Mistake {
            message: format!(
                "`{name}: {value}` is less than records of windows may have ({least}): a large one would be in the way of all others"
            ),
            help: Some(format!("remove it: it is {least}")),
        });
    }
    if name == "partition.assignment.strategy" && value != "cooperative-sticky" {
        return Some(Mistake {
            message: format!(
                "`{name}: {value}` takes all partitions away whenever a member comes or goes, and with them the windows"
            ),
            help: Some("remove it: it is `cooperative-sticky`".to_owned()),
        });
    }
    if let Some(mistake) = native_mistake(config, name, value) {
        return Some(mistake);
    }
    let timeout = config.transaction.timeout;
    let milliseconds: Option<u128> = value.parse().ok();
    let transaction = timeout.duration().as_millis();
    let too_long = |limit| milliseconds.is_some_and(|value| value == 0 || value >= limit);
    if name == "socket.timeout.ms" && too_long(transaction + 101) {
        return Some(Mistake {
            message: format!(
                "`{name}: {value}` is longer than `transaction.timeout` ({timeout}): the transaction would end while a request is waited for"
            ),
            help: Some("make it shorter, or `transaction.timeout` longer".to_owned()),
        });
    }
    None
}

/// What librdkafka itself says to a property.
fn native_mistake(config: &Config, name: &str, value: &str) -> Option<Mistake> {
    let mut client = ClientConfig::new();
    client.set(name, value);
    let message = match client.create_native_config() {
        Ok(_) => return None,
        Err(KafkaError::ClientConfig(_, message, ..)) => message,
        Err(error) => error.to_string(),
    };
    if message.contains("No such configuration property") {
        let refused = REFUSED.iter().flat_map(|(names, _)| names.iter().copied());
        let near = nearest(name, USUAL.iter().copied().chain(refused));
        return Some(Mistake {
            message: format!("librdkafka has no property `{name}`"),
            help: Some(near.map_or_else(
                || "its CONFIGURATION.md lists them all".to_owned(),
                |near| format!("did you mean `{near}`?"),
            )),
        });
    }
    // Its messages quote the value.
    let shown = match config.kafka.properties.is_hidden(name) {
        true => reason_of_name(name),
        false => Some(message),
    };
    Some(Mistake {
        message: match shown {
            Some(message) => {
                format!("librdkafka refuses `{name}`: {}", message.trim_end_matches('.'))
            }
            None => format!("librdkafka refuses the value of `{name}`"),
        },
        help: None,
    })
}

/// Why librdkafka refuses a property whatever its value, if it does.
fn reason_of_name(name: &str) -> Option<String> {
    let reason = |value: &str| {
        let mut client = ClientConfig::new();
        client.set(name, value);
        match client.create_native_config() {
            Err(KafkaError::ClientConfig(_, message, ..)) => Some(message),
            _ => None,
        }
    };
    // What it says of any value says nothing of this one.
    reason("a").filter(|message| reason("b").as_ref() == Some(message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Span;

    fn message(config: &Config, name: &str, value: &str) -> String {
        let mistake = mistake(config, name, value);
        mistake
            .map_or_else(String::new, |m| format!("{}; {}", m.message, m.help.unwrap_or_default()))
    }

    #[test]
    fn what_breaks_exactly_once_is_refused() {
        let config = Config::default();
        for (names, reason) in REFUSED {
            for name in *names {
                assert!(message(&config, name, "1").contains(reason), "{name}");
                // The table would be of no use if its names were wrong.
                let mut client = ClientConfig::new();
                client.set(*name, "");
                if let Err(error) = client.create_native_config() {
                    let error = error.to_string();
                    assert!(!error.contains("No such configuration"), "{error}");
                }
            }
        }
        for name in USUAL {
            let error = message(&config, name, "\u{1}");
            assert!(!error.contains("no property"), "{error}");
        }
    }

    #[test]
    fn times_must_fit_the_transaction() {
        let mut config = Config::default();
        assert!(message(&config, "socket.timeout.ms", "60000").contains("(10s)"));
        config.transaction.timeout = Span::seconds(90);
        assert_eq!(message(&config, "socket.timeout.ms", "60000"), "");
    }

    #[test]
    fn the_protocol_decides_what_may_be_set() {
        let mut config = Config::default();
        assert_eq!(message(&config, "session.timeout.ms", "9000"), "");
        assert_eq!(message(&config, "partition.assignment.strategy", "cooperative-sticky"), "");
        assert!(message(&config, "partition.assignment.strategy", "range").contains("windows"));
        config.kafka.group_protocol = GroupProtocol::Consumer;
        assert!(message(&config, "session.timeout.ms", "9000").contains("group_protocol"));
    }

    #[test]
    fn librdkafka_is_asked() {
        let config = Config::default();
        let jaas = message(&config, "sasl.jaas.config", "secret words");
        assert!(jaas.starts_with("librdkafka refuses `sasl.jaas.config`: Java JAAS"), "{jaas}");
        assert!(!jaas.contains("secret words"), "{jaas}");
        assert_eq!(
            message(&config, "sasl.pasword", "x"),
            "librdkafka has no property `sasl.pasword`; did you mean `sasl.password`?"
        );
        let wrong = message(&config, "security.protocol", "quantum");
        assert!(wrong.contains("`security.protocol`") && wrong.contains("quantum"), "{wrong}");
        assert_eq!(message(&config, "security.protocol", "SASL_SSL"), "");
    }
}
