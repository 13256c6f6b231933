//! What becomes of work that was not made visible, and of clients that are of no use any more.

use super::{Lane, PATIENCE, Stage, apply};
use crate::kafka::forsaken::leave;
use crate::kafka::{Change, Failure, Forsaken, Member, Outbox, TopicPartition, Trouble};
use anyhow::{Context as _, bail};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// After so many producers without a commit another one would not help.
const MAX_BROKEN: usize = 6;

/// A group that takes us for another one so often within this time means it.
const MAX_FENCED: usize = 3;
const FENCED_WITHIN: Duration = Duration::from_secs(300);

/// Work that is taken back more than once in a row is begun after a pause: of this length, then twice as long each time, up to the longest.
const PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

impl<S: Stage + Send + 'static> Lane<S> {
    /// It cannot go on. What is left of clients that are given up may take long to end.
    pub(super) fn end(mut self, error: anyhow::Error) -> anyhow::Error {
        if !error.is::<Forsaken>() {
            return error;
        }
        let stage = self.metrics.stage();
        let owned = Change::Lost(self.lives.give_all());
        let told = apply(&[owned], &self.member, &mut self.stage, &mut self.offsets, &self.metrics);
        leave(self);
        match told {
            Ok(()) => error.context(format!("stage `{stage}`")),
            Err(other) => other,
        }
    }

    /// Nothing is to be done again any more, also of what was sent to these topics.
    pub(super) fn done_after_all(&mut self, topics: &BTreeSet<&str>) {
        if std::mem::take(&mut self.taken_back) == 0 {
            return;
        }
        self.troubles().over(&Trouble::TakenBack(self.metrics.stage()));
        for topic in topics {
            self.troubles().over(&Trouble::TooLarge((*topic).to_owned()));
        }
    }

    /// Waits, unless all is to stop.
    fn rest(&self, time: Duration) {
        let end = Instant::now() + time;
        while Instant::now() < end && !self.stop.load(Ordering::Relaxed) {
            self.metrics.beat();
            std::thread::sleep(Duration::from_millis(50).min(time));
        }
    }

    /// Work that was not made visible is done again from where it began.
    pub(super) fn take_back(&mut self, failure: Failure) -> anyhow::Result<()> {
        let stage = self.metrics.stage();
        self.metrics.error(match failure {
            Failure::Undelivered(_) => "undelivered",
            _ => "taken_back",
        });
        // Once may be by chance.
        if self.taken_back > 0 {
            self.rest((PAUSE * 2u32.pow((self.taken_back - 1).min(8))).min(LONGEST_PAUSE));
        }
        if self.taken_back == 0 {
            self.undone = Instant::now();
        }
        self.taken_back += 1;
        let failure = match failure {
            Failure::Aborted(why) | Failure::Undelivered(why) => {
                self.troubles().met(Trouble::TakenBack(stage), &why);
                match self.outbox.abort().err() {
                    // One that has lost its brokers never delivers anything again. Another one may try for as long, which says nothing of the brokers.
                    None if self.is_in_vain() => {
                        self.undone = Instant::now();
                        self.broken = self.broken.saturating_sub(1);
                        Some(Failure::Broken(why))
                    }
                    aborted => aborted,
                }
            }
            other => Some(other),
        };
        let begins = std::mem::take(&mut self.offsets);
        let mut begins: BTreeMap<TopicPartition, i64> =
            begins.into_iter().map(|(partition, (first, _))| (partition, first)).collect();
        match failure {
            None => {}
            Some(Failure::Aborted(why) | Failure::Undelivered(why) | Failure::Broken(why)) => {
                self.troubles().met(Trouble::TakenBack(stage), &why);
                self.renew(&why)?;
                // Whether the last transaction was committed after all is known now.
                for (partition, begin) in &mut begins {
                    let committed = self.member.committed(partition, PATIENCE)?;
                    *begin = committed.unwrap_or(*begin);
                }
            }
            Some(Failure::Fatal(why)) => bail!(
                "{why}; nothing is lost: start sigmund again, and it goes on from the last commit"
            ),
        }
        self.begin_again(begins)
    }

    /// Whether work is taken back again and again, and nobody says why.
    fn is_in_vain(&self) -> bool {
        self.taken_back > 2
            && self.undone.elapsed() >= Forsaken::AFTER
            && !self.troubles().explains_undelivered()
    }

    /// Forgets what was done, and reads it again.
    pub(super) fn begin_again(
        &mut self,
        begins: BTreeMap<TopicPartition, i64>,
    ) -> anyhow::Result<()> {
        self.stage.aborted(&self.member)?;
        // What was held back is behind what comes again now.
        let mut going = std::mem::take(&mut self.held);
        going.extend(begins);
        self.go_on_from(going.into_iter().collect())
    }

    /// Joins the group anew, as if it had lost all partitions. After an answer of the brokers that did not arrive, the group may take a member with a name
    /// for its own double. If there is a double, the younger one's producers end the older; without transactions, or without work, the older is first to
    /// be thrown out too often.
    pub(super) fn rejoin(&mut self) -> anyhow::Result<()> {
        let now = Instant::now();
        self.fenced.retain(|at| now.duration_since(*at) < FENCED_WITHIN);
        if self.fenced.len() >= MAX_FENCED {
            bail!(
                "another process with the same `instance` has taken over again and again; give each process its own; nothing is lost: what this one had begun is done again"
            );
        }
        self.fenced.push(now);
        let stage = self.metrics.stage();
        tracing::warn!(
            stage,
            "the group took this process for another one with its `instance`: it joins anew"
        );
        let owned = Change::Revoked(self.lives.give_all());
        apply(&[owned], &self.member, &mut self.stage, &mut self.offsets, &self.metrics)?;
        self.held.clear();
        let topics: Vec<&str> = self.topics.iter().map(String::as_str).collect();
        let member = Member::join(&self.clients, stage, self.number, &topics)?;
        let old = std::mem::replace(&mut self.member, member);
        leave(old);
        Ok(())
    }

    /// Takes another producer: its first answer says that the last transaction of the one before is over.
    fn renew(&mut self, why: &str) -> anyhow::Result<()> {
        let is_hindered = self.troubles().hinder(None) || !self.troubles().missing().is_empty();
        self.broken = if is_hindered { 0 } else { self.broken + 1 };
        if self.broken > MAX_BROKEN {
            bail!(
                "no transaction was committed by {MAX_BROKEN} producers one after the other: {why}; nothing is lost: look at the log of the brokers"
            );
        }
        self.metrics.error("producer");
        let (stage, metrics) = (self.metrics.stage(), &self.metrics);
        let place = (stage, self.number);
        let outbox = Outbox::open(&self.clients, place, S::COMPRESSION, &|| metrics.beat())
            .with_context(|| why.to_owned())?;
        let old = std::mem::replace(&mut self.outbox, outbox);
        leave(old);
        Ok(())
    }

    /// What would be sent to a topic that is not there is done again later.
    pub(super) fn wait_for_topics(&mut self) -> anyhow::Result<()> {
        self.metrics.error("missing_topic");
        self.rest(Duration::from_secs(1));
        self.do_again()
    }

    /// Forgets what was done since the last commit, and reads it again.
    pub(super) fn do_again(&mut self) -> anyhow::Result<()> {
        let begins = std::mem::take(&mut self.offsets);
        self.begin_again(begins.into_iter().map(|(at, (first, _))| (at, first)).collect())
    }
}
