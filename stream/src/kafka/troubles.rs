//! What goes wrong between us and the brokers: said when it begins, once a minute while it stands, and when it is over.
//!
//! Every client of the library meets the same outage, each several times a second. People need one line of it, with what to do.

use super::forsaken::{Forsaken, is_unanswered};
use super::ledger::{GRACE, Ledger, Level, Line, Return, SILENT};
use super::trouble::{Trouble, is_missing, plain};
use crate::config::Config;
use crate::words::visible;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The troubles of a process.
#[derive(Clone)]
pub struct Troubles {
    ledger: Arc<Mutex<Ledger>>,
    /// Who waits for brokers gives up when it is set.
    stop: Arc<AtomicBool>,
}

impl fmt::Debug for Troubles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Troubles")
            .field("standing", &self.ledger().standing)
            .finish_non_exhaustive()
    }
}

fn say(lines: impl IntoIterator<Item = Line>) {
    for Line(level, text) in lines {
        match level {
            Level::Error => tracing::error!("{text}"),
            Level::Warn => tracing::warn!("{text}"),
            Level::Info => tracing::info!("{text}"),
        }
    }
}

impl Troubles {
    /// None yet.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        Self { ledger: Arc::new(Mutex::new(Ledger::new(config))), stop: Arc::default() }
    }

    /// Who waits gives up when `stop` is set.
    #[must_use]
    pub fn until(self, stop: &Arc<AtomicBool>) -> Self {
        Self { stop: Arc::clone(stop), ..self }
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether nothing is waited for any more.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// What a client of the library says.
    pub(super) fn hear(&self, error: &KafkaError, reason: &str) {
        if let Some(trouble) = Trouble::of(error.rdkafka_error_code(), reason) {
            self.met(trouble, plain(reason));
        }
    }

    /// It happened.
    pub fn met(&self, trouble: Trouble, reason: &str) {
        let line = self.ledger().met(trouble, reason, Instant::now());
        say(line);
    }

    /// It is over.
    pub fn over(&self, trouble: &Trouble) {
        let line = self.ledger().over(trouble, Instant::now());
        say(line);
    }

    /// A broker answered.
    pub fn reached(&self) {
        let lines = self.ledger().reached(Instant::now());
        say(lines);
    }

    /// These brokers (`host:port`) are connected.
    pub(super) fn up(&self, brokers: &BTreeSet<String>) {
        if brokers.is_empty() {
            return;
        }
        self.reached();
        let mut lines = Vec::new();
        {
            let mut ledger = self.ledger();
            for broker in brokers {
                lines.extend(ledger.over(&Trouble::Broker(broker.clone()), Instant::now()));
            }
        }
        say(lines);
    }

    /// No broker has answered for so long, though they are connected and asked.
    pub(super) fn silent(&self, time: Duration) {
        let now = Instant::now();
        let began = now.checked_sub(time).unwrap_or(now);
        let line = self.ledger().met_since(Trouble::Unreachable, SILENT, began, now);
        say(line);
    }

    /// Why work stands still, if that is for longer than a moment.
    #[must_use]
    pub fn reasons(&self) -> Vec<String> {
        self.ledger().reasons(Instant::now())
    }

    /// How long nobody answers or lets us in.
    #[must_use]
    pub fn away(&self) -> Duration {
        self.ledger().away(Instant::now())
    }

    /// Whether brokers say why they do not take records.
    #[must_use]
    pub(crate) fn explains_undelivered(&self) -> bool {
        let is_reason = |trouble: &Trouble| {
            matches!(trouble, Trouble::TooLarge(_) | Trouble::Forbidden(_) | Trouble::Missing(_))
        };
        self.ledger().standing.keys().any(is_reason)
    }

    /// Topics that are not there.
    #[must_use]
    pub fn missing(&self) -> Vec<String> {
        let ledger = self.ledger();
        let missing = ledger.standing.keys().filter_map(|trouble| match trouble {
            Trouble::Missing(topic) => Some(topic.clone()),
            _ => None,
        });
        missing.collect()
    }

    /// The command that makes a topic.
    #[must_use]
    pub fn creation(&self, topic: &str) -> String {
        self.ledger().creation(topic)
    }

    /// Topics that were not there and are there again: what is in them is all new, but for a broker that was mistaken.
    #[must_use]
    pub fn returned(&self) -> BTreeMap<String, Return> {
        self.ledger().returned.clone()
    }

    /// Why nobody lets us in, if that is for longer than a moment.
    #[must_use]
    pub fn refusal(&self) -> Option<String> {
        let ledger = self.ledger();
        [Trouble::Refused, Trouble::Untrusted].iter().find_map(|trouble| {
            let standing = ledger.standing.get(trouble)?;
            // One that is just starting may not know its users yet.
            (standing.began.elapsed() >= GRACE * 3 / 4)
                .then(|| ledger.text(trouble, &standing.reason))
        })
    }

    /// What is said of an error because of which nobody lets us in, if it is one.
    pub(super) fn words_for_refusal(&self, error: &KafkaError, reason: &str) -> Option<String> {
        let trouble = Trouble::of(error.rdkafka_error_code(), reason)?;
        let is_refusal = matches!(trouble, Trouble::Refused | Trouble::Untrusted);
        is_refusal.then(|| self.ledger().text(&trouble, &visible(plain(reason), false)))
    }

    /// Whether there is nothing to be expected of the brokers now, or of a topic.
    #[must_use]
    pub fn hinder(&self, topic: Option<&str>) -> bool {
        let ledger = self.ledger();
        [Trouble::Refused, Trouble::Untrusted, Trouble::Unreachable]
            .iter()
            .any(|trouble| ledger.is_standing(trouble))
            || topic.is_some_and(|topic| ledger.is_standing(&Trouble::Missing(topic.to_owned())))
    }

    /// Asks the brokers until they answer: for so long, and while they are away, silent or without the topic, until all is to stop. A client that no
    /// broker answers at all, as `is_answered` says, is not asked for ever.
    ///
    /// # Errors
    ///
    /// The last answer; with [`Forsaken`] if the client is.
    pub(super) fn insist<T>(
        &self,
        patience: Duration,
        topic: &str,
        is_answered: &dyn Fn() -> bool,
        call: &mut dyn FnMut() -> Result<T, KafkaError>,
    ) -> anyhow::Result<T> {
        let mut deadline = Instant::now() + patience;
        let (mut looked, mut unanswered) = (Instant::now(), Duration::ZERO);
        loop {
            let error = match call() {
                Ok(answer) => {
                    self.reached();
                    self.over(&Trouble::Unanswered(topic.to_owned()));
                    return Ok(answer);
                }
                Err(error) => error,
            };
            if is_missing(error.rdkafka_error_code()) {
                self.met(Trouble::Missing(topic.to_owned()), "");
            }
            if self.is_stopped() {
                return Err(error.into());
            }
            // Those who hang keep their connections, which are given up after a minute only.
            let is_silent = error.rdkafka_error_code() == Some(RDKafkaErrorCode::OperationTimedOut);
            if is_silent {
                self.met(Trouble::Unanswered(topic.to_owned()), "");
            }
            let now = Instant::now();
            let passed = now.duration_since(std::mem::replace(&mut looked, now));
            if is_unanswered(&error) || self.hinder(None) {
                // After one call that seems to have taken long it may have been this process that stood still.
                unanswered += passed.min(Forsaken::AFTER / 2);
                if unanswered >= Forsaken::AFTER {
                    if !is_answered() {
                        return Err(anyhow::Error::new(error).context(Forsaken));
                    }
                    // Others answer: it is the one that was asked who is silent.
                    unanswered = Duration::ZERO;
                }
                deadline = now + patience;
            } else {
                unanswered = Duration::ZERO;
                if self.hinder(Some(topic)) {
                    deadline = now + patience;
                } else if now > deadline {
                    return Err(error.into());
                }
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// Says what is to be said as time goes by, until the answer is dropped.
    ///
    /// # Errors
    ///
    /// There is no thread for it.
    pub fn tell(&self) -> std::io::Result<Telling> {
        let (over, of_thread) = (Arc::new(AtomicBool::new(false)), self.clone());
        let is_over = Arc::clone(&over);
        std::thread::Builder::new().name("troubles".to_owned()).spawn(move || {
            while !is_over.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(200));
                let lines = of_thread.ledger().tick(Instant::now());
                say(lines);
            }
        })?;
        Ok(Telling(over))
    }
}

/// Troubles are told until this is dropped.
#[derive(Debug)]
pub struct Telling(Arc<AtomicBool>);

impl Drop for Telling {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
