//! What stands between us and the brokers, since when, and the words for it.

use super::topics::{self, Role, needed};
use super::trouble::Trouble;
use crate::config::{Config, Kafka};
use crate::words::visible;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant, SystemTime};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    Error,
    Warn,
    Info,
}

/// A line of the log.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line(pub(super) Level, pub(super) String);

/// A trouble that stands.
#[derive(Debug)]
pub(super) struct Standing {
    pub(super) began: Instant,
    last: Instant,
    said: Option<Instant>,
    pub(super) reason: String,
}

/// That a topic is there again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Return {
    /// How often that was.
    pub times: u64,
    /// When it was found missing, the last time.
    pub missed: SystemTime,
}

/// Who loses a connection has it again at once, mostly.
pub(super) const GRACE: Duration = Duration::from_secs(2);
/// What stands is said again so often.
const AGAIN: Duration = Duration::from_secs(60);
/// What nobody met for so long is over.
const FORGOTTEN: Duration = Duration::from_secs(90);
/// A broker that has something to answer and is silent for so long does not answer. Somebody is asked every ten seconds.
pub(super) const SILENCE: Duration = Duration::from_secs(15);
/// What is said of brokers that are silent.
pub(super) const SILENT: &str = "it is connected, and silent";
/// Work that is taken back for so long does not come to an end.
const VAIN: Duration = Duration::from_secs(30);
/// More are not told apart: reasons come from outside.
const MAX_TROUBLES: usize = 200;

/// What stands, and the words for it.
#[derive(Debug)]
pub(super) struct Ledger {
    pub(super) standing: BTreeMap<Trouble, Standing>,
    /// Topics that were not there and are there again.
    pub(super) returned: BTreeMap<String, Return>,
    servers: String,
    /// Topics that others make.
    sources: BTreeSet<String>,
    /// The topics that are made by `sigmund topics create`; any other by Kafka's own tool.
    own: BTreeMap<String, Role>,
    kafka: Kafka,
    /// What is written behind our own commands.
    invocation: String,
    /// The brokers know us by what these properties say.
    mechanism: String,
}

/// How long, as people say it.
fn lasted(time: Duration) -> String {
    match time.as_secs() {
        0 => format!("{} ms", time.as_millis()),
        seconds @ 1..120 => format!("{seconds} s"),
        seconds => format!("{} min {} s", seconds / 60, seconds % 60),
    }
}

impl Ledger {
    pub(super) fn new(config: &Config) -> Self {
        let (sources, own): (Vec<_>, Vec<_>) =
            needed(config).into_iter().partition(|topic| topic.role == Role::Source);
        let properties = &config.kafka.properties;
        let mechanism =
            ["sasl.mechanism", "sasl.mechanisms"].iter().find_map(|n| properties.get(n));
        Self {
            standing: BTreeMap::new(),
            returned: BTreeMap::new(),
            servers: config.kafka.bootstrap_servers.join(","),
            sources: sources.into_iter().map(|topic| topic.name).collect(),
            own: own.into_iter().map(|topic| (topic.name, topic.role)).collect(),
            kafka: config.kafka.clone(),
            invocation: config.invocation.clone(),
            mechanism: mechanism.unwrap_or_default().to_ascii_uppercase(),
        }
    }

    /// The command that makes a topic.
    pub(super) fn creation(&self, topic: &str) -> String {
        match self.own.contains_key(topic) {
            true => topics::creation(&self.invocation),
            false => topics::tool_line(&self.kafka, "topics", &format!("--create --topic {topic}")),
        }
    }

    /// What happened and what to do.
    pub(super) fn text(&self, trouble: &Trouble, reason: &str) -> String {
        let because = |reason: &str| match reason {
            "" => String::new(),
            reason => format!(": {reason}"),
        };
        let servers = &self.servers;
        match trouble {
            Trouble::Refused => {
                let what = match self.mechanism.as_str() {
                    "OAUTHBEARER" => "the `sasl.oauthbearer.` properties",
                    _ => "`sasl.username`, `sasl.password` and `sasl.mechanism`",
                };
                format!(
                    "the brokers `{servers}` refuse us{}; correct {what} in `kafka.properties`",
                    because(reason)
                )
            }
            Trouble::Untrusted => format!(
                "there is no connection with TLS to `{servers}`{}; {}",
                because(reason),
                tls_help(reason)
            ),
            Trouble::Unreachable => format!(
                "no broker of `{servers}` answers{}; it is tried until one does, and nothing is lost meanwhile: start it, or correct `kafka.bootstrap_servers` or `security.protocol` in `kafka.properties`",
                because(reason)
            ),
            Trouble::Broker(broker) => format!(
                "broker `{broker}` does not answer{}; the others are used, and it is tried again",
                because(reason)
            ),
            Trouble::Missing(topic) if self.sources.contains(topic) => format!(
                "topic `{topic}` is not there: nothing is read from it until it is; make it, or take it out of `sources`"
            ),
            Trouble::Missing(topic) => format!(
                "topic `{topic}` is not there: work that needs it waits until it is; make it by `{}`",
                self.creation(topic)
            ),
            Trouble::Forbidden(what) => format!(
                "{what}; it is tried again, and `sigmund topics check{}` gives the command that allows it",
                self.invocation
            ),
            Trouble::TooLarge(topic) => {
                let role = self.own.get(topic).copied().unwrap_or(Role::Detections);
                format!(
                    "a record is larger than topic `{topic}` takes: the work that it is part of waits until it does; raise its `max.message.bytes` by `{}`",
                    topics::enlargement(&self.kafka, topic, role)
                )
            }
            Trouble::Unanswered(topic) => format!(
                "no broker answers what is asked about topic `{topic}`{}; it is asked until one does, and nothing is lost meanwhile",
                because(reason)
            ),
            Trouble::TakenBack(stage) => {
                format!("work of stage `{stage}` is taken back and done again{}", because(reason))
            }
            Trouble::Other(_) => format!("Kafka: {reason}; it is tried again"),
        }
    }

    pub(super) fn met(&mut self, trouble: Trouble, reason: &str, now: Instant) -> Option<Line> {
        self.met_since(trouble, reason, now, now)
    }

    /// It was noticed later than it began.
    pub(super) fn met_since(
        &mut self,
        trouble: Trouble,
        reason: &str,
        began: Instant,
        now: Instant,
    ) -> Option<Line> {
        let is_full = self.standing.len() >= MAX_TROUBLES;
        if is_full && !self.standing.contains_key(&trouble) {
            return None;
        }
        let standing = self.standing.entry(trouble.clone()).or_insert_with(|| Standing {
            began,
            last: now,
            said: None,
            reason: String::new(),
        });
        standing.last = now;
        if !reason.is_empty() {
            standing.reason = visible(reason, false).into_owned();
        }
        let waits = matches!(
            trouble,
            Trouble::Unreachable
                | Trouble::Broker(_)
                | Trouble::Refused
                | Trouble::Untrusted
                | Trouble::Unanswered(_)
        );
        if waits || standing.said.is_some() {
            return None;
        }
        standing.said = Some(now);
        let reason = standing.reason.clone();
        let level = match trouble {
            Trouble::TakenBack(_) | Trouble::Other(_) => Level::Warn,
            _ => Level::Error,
        };
        Some(Line(level, self.text(&trouble, &reason)))
    }

    /// It is over.
    pub(super) fn over(&mut self, trouble: &Trouble, now: Instant) -> Option<Line> {
        let standing = self.standing.remove(trouble)?;
        if let Trouble::Missing(topic) = trouble {
            let missed = SystemTime::now() - now.saturating_duration_since(standing.began);
            let times = self.returned.get(topic).map_or(0, |before| before.times) + 1;
            self.returned.insert(topic.clone(), Return { times, missed });
        }
        let (_, time) = (standing.said?, now.duration_since(standing.began));
        let lasted = lasted(time);
        let servers = &self.servers;
        let text = match trouble {
            Trouble::Refused => format!("the brokers let us in again after {lasted}"),
            Trouble::Untrusted => format!("there is a connection with TLS again after {lasted}"),
            Trouble::Unreachable => format!("the brokers `{servers}` answer after {lasted}"),
            Trouble::Broker(broker) => format!("broker `{broker}` answers after {lasted}"),
            Trouble::Missing(topic) => format!("topic `{topic}` is there again after {lasted}"),
            Trouble::Unanswered(topic) => {
                format!("what is asked about topic `{topic}` is answered after {lasted}")
            }
            // Between two transactions: that is as it should be.
            Trouble::TakenBack(_) if time < Duration::from_secs(1) => return None,
            Trouble::TakenBack(stage) => format!("work of stage `{stage}` is done after {lasted}"),
            Trouble::Forbidden(_) | Trouble::TooLarge(_) | Trouble::Other(_) => return None,
        };
        Some(Line(Level::Info, text))
    }

    pub(super) fn is_standing(&self, trouble: &Trouble) -> bool {
        self.standing.contains_key(trouble)
    }

    /// A broker answered.
    pub(super) fn reached(&mut self, now: Instant) -> Vec<Line> {
        let wide = [Trouble::Refused, Trouble::Untrusted, Trouble::Unreachable];
        wide.iter().filter_map(|trouble| self.over(trouble, now)).collect()
    }

    /// Why work stands still, if that is for longer than a moment.
    pub(super) fn reasons(&self, now: Instant) -> Vec<String> {
        let lasts = |standing: &&Standing| now.duration_since(standing.began) >= GRACE;
        let reason = |(trouble, standing): (&Trouble, &Standing)| {
            let time = now.duration_since(standing.began);
            Some(match trouble {
                Trouble::Refused => "the brokers refuse us".to_owned(),
                Trouble::Untrusted => "there is no connection with TLS".to_owned(),
                Trouble::Unreachable => format!("no broker answers, for {}", lasted(time)),
                Trouble::Missing(topic) => format!("topic `{topic}` is not there"),
                Trouble::TooLarge(topic) => {
                    format!("a record is larger than topic `{topic}` takes")
                }
                Trouble::Unanswered(topic) => {
                    format!("no broker answers what is asked about topic `{topic}`")
                }
                Trouble::TakenBack(stage)
                    if time >= VAIN && now.duration_since(standing.last) < VAIN =>
                {
                    format!("work of stage `{stage}` is taken back, for {}", lasted(time))
                }
                _ => return None,
            })
        };
        self.standing.iter().filter(|(_, standing)| lasts(standing)).filter_map(reason).collect()
    }

    /// How long nobody answers or lets us in.
    pub(super) fn away(&self, now: Instant) -> Duration {
        let wide = [Trouble::Refused, Trouble::Untrusted, Trouble::Unreachable];
        let began = wide.iter().filter_map(|trouble| Some(self.standing.get(trouble)?.began)).min();
        began.map_or(Duration::ZERO, |began| now.duration_since(began))
    }

    /// What is to be said as time goes by.
    pub(super) fn tick(&mut self, now: Instant) -> Vec<Line> {
        let mut lines = Vec::new();
        let forgotten: Vec<Trouble> = self
            .standing
            .iter()
            .filter(|(trouble, standing)| {
                let stays = matches!(
                    trouble,
                    Trouble::Missing(_)
                        | Trouble::Unreachable
                        | Trouble::Unanswered(_)
                        | Trouble::TakenBack(_)
                );
                !stays && now.duration_since(standing.last) > FORGOTTEN
            })
            .map(|(trouble, _)| trouble.clone())
            .collect();
        for trouble in &forgotten {
            // A broker that is not asked any more, or what happened but once.
            self.standing.remove(trouble);
        }
        let is_refused =
            self.is_standing(&Trouble::Refused) || self.is_standing(&Trouble::Untrusted);
        let is_unreachable = is_refused || self.is_standing(&Trouble::Unreachable);
        let due: Vec<Trouble> = self
            .standing
            .iter()
            .filter(|(trouble, standing)| {
                let is_known = match trouble {
                    Trouble::Unreachable | Trouble::TakenBack(_) => is_refused,
                    Trouble::Broker(_) | Trouble::Unanswered(_) => is_unreachable,
                    _ => false,
                };
                let is_due = match standing.said {
                    None => now.duration_since(standing.began) >= GRACE,
                    Some(said) => now.duration_since(said) >= AGAIN,
                };
                is_due && !is_known
            })
            .map(|(trouble, _)| trouble.clone())
            .collect();
        // Why there is no connection says more than that there is none.
        let why = self.standing.iter().find_map(|(trouble, standing)| {
            matches!(trouble, Trouble::Broker(_)).then(|| standing.reason.clone())
        });
        for trouble in due {
            let Some(standing) = self.standing.get_mut(&trouble) else { continue };
            let for_long = standing.said.replace(now).map(|_| now.duration_since(standing.began));
            let reason = match &trouble {
                Trouble::Unreachable => {
                    let silent = Some(standing.reason.clone()).filter(|reason| reason == SILENT);
                    why.clone().or(silent).unwrap_or_default()
                }
                _ => standing.reason.clone(),
            };
            let text = self.text(&trouble, &reason);
            let text = match for_long {
                Some(time) => format!("for {}: {text}", lasted(time)),
                None => text,
            };
            lines.push(Line(Level::Error, text));
        }
        lines
    }
}

fn tls_help(reason: &str) -> &'static str {
    if reason.contains("expired") {
        "a certificate has expired: renew it; the brokers' own, or that of `ssl.certificate.location`"
    } else if reason.contains("could not be verified") || reason.contains("verify failed") {
        "`ssl.ca.location` in `kafka.properties` must name the certificate of who signed that of the brokers, and their host must be in theirs"
    } else if reason.contains("alert") || reason.contains("client") {
        "the brokers do not take our certificate: `ssl.certificate.location` and `ssl.key.location` in `kafka.properties` must be of one that holds today, signed by whom they trust"
    } else {
        "correct the `ssl.` properties or `security.protocol` in `kafka.properties`"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Source;

    fn ledger() -> Ledger {
        let logs = Source { topics: vec!["logs".to_owned()], ..Source::default() };
        Ledger::new(&Config { sources: vec![logs], ..Config::default() })
    }

    fn texts(lines: impl IntoIterator<Item = Line>) -> Vec<String> {
        lines.into_iter().map(|Line(_, text)| text).collect()
    }

    #[test]
    fn an_outage_is_two_lines() {
        let (mut ledger, begin) = (ledger(), Instant::now());
        let at = |ms| begin + Duration::from_millis(ms);
        let mut lines = Vec::new();
        for ms in (0..50_000).step_by(100) {
            let broker = Trouble::Broker("127.0.0.1:9092".to_owned());
            lines.extend(ledger.met(broker, "Connection refused", at(ms)));
            lines.extend(ledger.met(Trouble::Unreachable, "2/2 brokers are down", at(ms)));
            lines.extend(ledger.tick(at(ms)));
        }
        lines.extend(ledger.reached(at(50_000)));
        assert!(ledger.reached(at(50_100)).is_empty());
        let lines = texts(lines);
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(lines[0].contains("answers: Connection refused; it is tried"), "{lines:?}");
        assert!(lines[1].ends_with("answer after 50 s"), "{lines:?}");
    }

    #[test]
    fn a_moment_is_not_told_and_hours_are() {
        let (mut ledger, begin) = (ledger(), Instant::now());
        let at = |s| begin + Duration::from_secs(s);
        assert_eq!(ledger.met(Trouble::Unreachable, "", at(0)), None);
        assert!(ledger.tick(at(1)).is_empty() && ledger.reached(at(1)).is_empty());
        ledger.met(Trouble::Unreachable, "", at(10));
        assert_eq!(ledger.tick(at(12)).len(), 1);
        assert!(ledger.tick(at(71)).is_empty());
        let again = texts(ledger.tick(at(130)));
        assert!(again.len() == 1 && again[0].starts_with("for 2 min 0 s: no broker"), "{again:?}");
    }

    #[test]
    fn a_password_that_is_wrong_is_no_outage() {
        let (mut ledger, now) = (ledger(), Instant::now());
        ledger.met(Trouble::Refused, "invalid credentials", now);
        ledger.met(Trouble::Unreachable, "1/1 brokers are down", now);
        let lines = texts(ledger.tick(now + Duration::from_secs(10)));
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].contains("invalid credentials; correct `sasl.username`"), "{lines:?}");
    }

    #[test]
    fn topics_are_made_by_those_who_own_them() {
        let mut ledger = ledger();
        let mut say = |topic: &str| {
            texts(ledger.met(Trouble::Missing(topic.to_owned()), "", Instant::now())).concat()
        };
        assert!(say("logs").contains("take it out of `sources`"));
        assert!(say("sigmund.state").contains("`sigmund topics create`"));
        // It is of a template, and depends on the event.
        assert!(say("soar.linux").contains(
            "`kafka-topics.sh --bootstrap-server 127.0.0.1:9092 --create --topic soar.linux`"
        ));
        assert_eq!(say("logs"), "");
        let over = ledger.over(&Trouble::Missing("logs".to_owned()), Instant::now());
        assert!(texts(over)[0].starts_with("topic `logs` is there again after"));
    }

    #[test]
    fn refused_certificates_have_their_help() {
        let alert = "Receive failed: error:0A000416:SSL routines::sslv3 alert certificate unknown";
        assert!(tls_help(alert).contains("`ssl.certificate.location`"));
    }

    #[test]
    fn what_stands_still_has_its_reasons() {
        let (mut ledger, begin) = (ledger(), Instant::now());
        let at = |s| begin + Duration::from_secs(s);
        ledger.met(Trouble::TakenBack("detect"), "x", at(0));
        ledger.met(Trouble::Missing("soar".to_owned()), "", at(0));
        ledger.met(Trouble::Broker("a:1".to_owned()), "", at(0));
        assert_eq!(ledger.reasons(at(1)), Vec::<String>::new());
        assert_eq!(ledger.reasons(at(3)), ["topic `soar` is not there"]);
        ledger.met(Trouble::TakenBack("detect"), "x", at(40));
        let reasons = ledger.reasons(at(45));
        assert_eq!(reasons[1..], ["work of stage `detect` is taken back, for 45 s"]);
        // It did not go on.
        assert_eq!(ledger.reasons(at(80)).len(), 1);
        assert_eq!(ledger.away(at(80)), Duration::ZERO);
        let told = texts(ledger.met(Trouble::TooLarge("sigmund.state".to_owned()), "", at(80)));
        assert!(
            told[0].contains("--entity-name sigmund.state --add-config max.message.bytes=8388608`"),
            "{told:?}"
        );
    }

    #[test]
    fn brokers_that_hang_are_an_outage_since_they_were_heard() {
        let (mut ledger, begin) = (ledger(), Instant::now());
        let at = |s| begin + Duration::from_secs(s);
        assert_eq!(ledger.met_since(Trouble::Unreachable, SILENT, at(0), at(15)), None);
        let lines = texts(ledger.tick(at(15)));
        assert!(
            lines[0].contains("answers: it is connected, and silent; it is tried"),
            "{lines:?}"
        );
        assert_eq!(ledger.reasons(at(16)), ["no broker answers, for 16 s"]);
        assert_eq!(ledger.away(at(16)), Duration::from_secs(16));
        // When the library has given up the connections.
        ledger.met(Trouble::Unreachable, "1/1 brokers are down", at(70));
        let lines = texts(ledger.reached(at(95)));
        assert!(lines[0].ends_with("answer after 95 s"), "{lines:?}");
    }

    #[test]
    fn what_comes_from_outside_is_bounded() {
        let (mut ledger, now) = (ledger(), Instant::now());
        for number in 0..10 * MAX_TROUBLES {
            ledger.met(Trouble::Other(number.to_string()), "\u{1b}[2J", now);
        }
        assert!(ledger.standing.len() <= MAX_TROUBLES);
        assert!(ledger.standing.values().all(|one| !one.reason.contains('\u{1b}')));
        ledger.tick(now + FORGOTTEN * 2);
        assert!(ledger.standing.is_empty());
    }
}
