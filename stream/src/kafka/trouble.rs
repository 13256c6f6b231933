//! What an error of the library is about.

use rdkafka::error::RDKafkaErrorCode;

/// What goes wrong.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trouble {
    /// The brokers know us not: name or password.
    Refused,
    /// No connection with TLS.
    Untrusted,
    /// No broker answers.
    Unreachable,
    /// A broker (`host:port`) of several does not answer.
    Broker(String),
    /// A topic is not there.
    Missing(String),
    /// Something is not allowed.
    Forbidden(String),
    /// A topic does not take a record of this size.
    TooLarge(String),
    /// What is asked about a topic is not answered.
    Unanswered(String),
    /// What a stage does is taken back again and again.
    TakenBack(&'static str),
    /// What the library has a name for.
    Other(String),
}

impl Trouble {
    /// What an error of the library is about; nothing if that is no trouble.
    pub(super) fn of(code: Option<RDKafkaErrorCode>, reason: &str) -> Option<Self> {
        use RDKafkaErrorCode as Code;
        let code = code?;
        Some(match code {
            Code::PartitionEOF | Code::NoError => return None,
            Code::AllBrokersDown => Trouble::Unreachable,
            Code::Authentication | Code::SaslAuthenticationFailed => Trouble::Refused,
            Code::SSL => Trouble::Untrusted,
            // Certificates of clients are refused after the handshake.
            Code::BrokerTransportFailure if reason.contains("SSL routines") => Trouble::Untrusted,
            Code::BrokerTransportFailure | Code::Resolve | Code::OperationTimedOut => {
                match broker_in(reason) {
                    Some(broker) => Trouble::Broker(broker),
                    None => return None,
                }
            }
            code if is_missing(Some(code)) => Trouble::Missing(topic_in(reason)?.to_owned()),
            Code::TopicAuthorizationFailed => match topic_in(reason) {
                Some(topic) => Trouble::Forbidden(format!("topic `{topic}` may not be used")),
                None => Trouble::Forbidden("a topic may not be used".to_owned()),
            },
            Code::GroupAuthorizationFailed => {
                Trouble::Forbidden("the consumer group may not be used".to_owned())
            }
            Code::TransactionalIdAuthorizationFailed => {
                Trouble::Forbidden("transactions may not be opened".to_owned())
            }
            Code::ClusterAuthorizationFailed => {
                Trouble::Forbidden("something about the cluster is not allowed".to_owned())
            }
            code => Trouble::Other(code.to_string()),
        })
    }
}

/// Whether a topic or a partition is not there.
pub(super) fn is_missing(code: Option<RDKafkaErrorCode>) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(
        code,
        Some(Code::UnknownTopicOrPartition | Code::UnknownTopic | Code::UnknownPartition)
    )
}

/// Without how often and how long, which says nothing more and is new each time.
pub(super) fn plain(reason: &str) -> &str {
    let reason = reason.split(" (after ").next().unwrap_or_default();
    // `sasl_plaintext://127.0.0.1:9092/bootstrap: ` and the like: who it was is said otherwise.
    let mut rest = reason;
    while let Some((who, after)) = rest.split_once(": ") {
        if broker_in(who).is_none() && !who.ends_with("Coordinator") {
            break;
        }
        rest = after;
    }
    rest
}

/// `127.0.0.1:9092` in `GroupCoordinator: 127.0.0.1:9092: Connect to …` or `sasl_ssl://127.0.0.1:9092/1: Connect to …`.
pub(super) fn broker_in(reason: &str) -> Option<String> {
    reason.split(": ").take(2).find_map(|part| {
        let name = part.rsplit("://").next()?;
        let name = name.split('/').next()?;
        let (host, port) = name.rsplit_once(':')?;
        let is_address = !host.is_empty() && !host.contains(' ') && port.parse::<u16>().is_ok();
        is_address.then(|| name.to_owned())
    })
}

/// `logs` in `Subscribed topic not available: logs: …` or `logs [0]: topic does not exist …`.
pub(super) fn topic_in(reason: &str) -> Option<&str> {
    let rest = reason.split_once(" not available: ").map_or(reason, |(_, rest)| rest);
    let name = rest.split(": ").next()?.split(" [").next()?;
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    (!name.is_empty() && name.bytes().all(is_name)).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_library_says_is_understood() {
        let refused = "sasl_plaintext://127.0.0.1:9094/bootstrap: SASL authentication error: no (after 5ms in state AUTH_REQ)";
        assert_eq!(plain(refused), "SASL authentication error: no");
        assert_eq!(broker_in(refused).as_deref(), Some("127.0.0.1:9094"));
        let coordinator = "GroupCoordinator: kafka-1:9092: Connect to ipv4#10.0.0.1:9092 failed";
        assert_eq!(plain(coordinator), "Connect to ipv4#10.0.0.1:9092 failed");
        assert_eq!(broker_in(coordinator).as_deref(), Some("kafka-1:9092"));
        assert_eq!(broker_in("2/2 brokers are down"), None);
        let code = Some(RDKafkaErrorCode::UnknownTopicOrPartition);
        for reason in [
            "a.raw [0]: topic does not exist (Broker: Unknown topic or partition)",
            "Subscribed topic not available: a.raw: Broker: Unknown topic or partition",
        ] {
            assert_eq!(Trouble::of(code, reason), Some(Trouble::Missing("a.raw".to_owned())));
        }
        assert_eq!(Trouble::of(Some(RDKafkaErrorCode::PartitionEOF), ""), None);
        let alert = "ssl://127.0.0.1:9095/bootstrap: Receive failed: error:0A000416:SSL routines::sslv3 alert certificate unknown";
        let code = Some(RDKafkaErrorCode::BrokerTransportFailure);
        assert_eq!(Trouble::of(code, alert), Some(Trouble::Untrusted));
    }
}
