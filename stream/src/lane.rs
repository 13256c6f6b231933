//! The loop of one thread: read, work, make visible.
//!
//! Work is done while records are gathered; all of it is sent at once in one transaction, together with the offsets of the records. A stage
//! changes its lasting state only with a transaction that was committed.

mod recovery;
mod returned;
mod stage;

pub use stage::{Batch, Stage, Taken};

use crate::config::Transaction;
use crate::kafka::{
    Change, Clients, Failure, Forsaken, Member, Outbox, TopicPartition, Trouble, Troubles,
};
use crate::telemetry::StageMetrics;
use anyhow::{Context as _, bail};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message as _};
use returned::Lives;
use sigmund_engine::vector::prefetch;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Asked for records so long at a time.
const POLL: Duration = Duration::from_millis(100);

/// After a silence of this length the group may have gone on without us.
const SILENCE: Duration = Duration::from_secs(3);

/// While there is much to send, the group is heard so often.
const UNHEARD: Duration = Duration::from_secs(2);

/// So many records are taken before the first of them is worked on, and the clock is looked at once for them. One at a time, what the library does for
/// each and what a stage does drive each other out of the processor's caches: that cost 5 % more.
const TOGETHER: usize = 32;

/// So much of a record is brought into the caches while the one before it is worked on.
const AHEAD: usize = 4 << 10;

/// Records of a partition, one after the other.
struct Run {
    partition: TopicPartition,
    is_held: bool,
    /// The first, and the next that is not part of the work.
    offsets: Option<(i64, i64)>,
}

/// A stage with its place in Kafka.
#[derive(Debug)]
pub struct Lane<S> {
    clients: Clients,
    number: usize,
    /// What it reads.
    topics: Vec<String>,
    /// The topic of all records, if there is but one.
    only: Option<Arc<str>>,
    /// The partitions that are ours.
    lives: Lives,
    /// When the group took us for another one.
    fenced: Vec<Instant>,
    member: Member,
    outbox: Outbox,
    stage: S,
    transaction: Transaction,
    stop: Arc<AtomicBool>,
    metrics: StageMetrics,
    /// By partition: the first offset since the last commit, and the next to be read.
    offsets: BTreeMap<TopicPartition, (i64, i64)>,
    /// Partitions that stand still, and where they go on.
    held: BTreeMap<TopicPartition, i64>,
    /// When the time was last looked at, and whether it stood still since the last commit.
    heard: Instant,
    stood_still: bool,
    /// There is more to be sent, and when records were last asked for.
    more: bool,
    gathered: Instant,
    /// Producers that were given up since the last commit, and how often work was taken back since.
    broken: usize,
    taken_back: u32,
    /// When work was first taken back since the last commit, or the producer was given up for that.
    undone: Instant,
    /// When it was last looked for topics that are missing.
    looked: Instant,
    /// When it was last looked for partitions that nobody has, and those that nobody had then.
    shared: Instant,
    orphans: BTreeSet<TopicPartition>,
}

/// Topics that are missing are looked for so often.
const LOOK: Duration = Duration::from_secs(2);

/// Partitions that nobody has are looked for so often.
const SHARED: Duration = Duration::from_secs(15);

/// What a broker needs to answer, or a partition to be moved.
const PATIENCE: Duration = Duration::from_secs(10);

impl<S: Stage + Send + 'static> Lane<S> {
    /// Joins the group of a stage over topics.
    ///
    /// # Errors
    ///
    /// The brokers cannot be reached as configured.
    pub fn join(
        clients: &Clients,
        (name, number): (&'static str, usize),
        topics: &[&str],
        stage: S,
        transaction: &Transaction,
        stop: &Arc<AtomicBool>,
        metrics: StageMetrics,
    ) -> anyhow::Result<Self> {
        // The producer first: what is left of an earlier life is over before partitions are taken.
        let outbox = Outbox::open(clients, (name, number), S::COMPRESSION, &|| metrics.beat())?;
        let member = Member::join(clients, name, number, topics)?;
        let (transaction, stop) = (transaction.clone(), Arc::clone(stop));
        let (offsets, held) = (BTreeMap::new(), BTreeMap::new());
        metrics.joined();
        let (heard, stood_still) = (Instant::now(), false);
        let (clients, looked) = (clients.clone(), Instant::now());
        Ok(Self {
            clients,
            number,
            topics: topics.iter().map(|topic| (*topic).to_owned()).collect(),
            only: only(topics),
            lives: Lives::default(),
            fenced: Vec::new(),
            member,
            outbox,
            stage,
            transaction,
            stop,
            metrics,
            offsets,
            held,
            heard,
            stood_still,
            more: false,
            gathered: heard,
            broken: 0,
            taken_back: 0,
            undone: looked,
            looked,
            shared: looked,
            orphans: BTreeSet::new(),
        })
    }

    /// Works until told to stop; what was gathered then is made visible first.
    ///
    /// # Errors
    ///
    /// Something that this process cannot mend: it should end, and be started again.
    pub fn run(mut self) -> anyhow::Result<()> {
        loop {
            self.metrics.beat();
            let stops = self.stop.load(Ordering::Relaxed);
            let worked = match stops {
                true => Ok(()),
                // The group must be heard all the same.
                false if self.more && self.gathered.elapsed() < UNHEARD => Ok(()),
                false => {
                    self.start_over().and_then(|()| self.let_go()).and_then(|()| self.gather())
                }
            };
            let worked = worked.and_then(|()| self.commit());
            // Who is told to stop while brokers are away does not wait for them.
            let stops = stops || worked.is_err() && self.stop.load(Ordering::Relaxed);
            match worked {
                Err(error) if stops => tracing::warn!(
                    "what stage `{}` had begun is not committed: {error:#}; nothing is lost: the next process does it again",
                    self.metrics.stage()
                ),
                Err(error) => return Err(self.end(error)),
                Ok(()) => {}
            }
            if stops {
                self.metrics.ended();
                return self.leave();
            }
        }
    }

    /// Leaves the group. Whoever cannot is missed by it after a while.
    fn leave(self) -> anyhow::Result<()> {
        let stage = self.metrics.stage();
        let (left, leaves) = std::sync::mpsc::sync_channel(1);
        let thread = std::thread::Builder::new().name("leave".to_owned());
        thread
            .spawn(move || {
                drop(self);
                // Nobody waits any more if it took too long.
                let _ = left.send(());
            })
            .context("cannot start a thread")?;
        if leaves.recv_timeout(PATIENCE).is_err() {
            tracing::warn!(
                "the group of stage `{stage}` does not answer: it gives away what this process had after `session.timeout.ms`"
            );
        }
        Ok(())
    }

    fn troubles(&self) -> &Troubles {
        self.clients.troubles()
    }

    /// Reads and works for the length of a transaction.
    fn gather(&mut self) -> anyhow::Result<()> {
        let interval = self.transaction.interval.duration();
        // The clock runs from the first record. Until there is one, what is between two looks for it is the same however short transactions are.
        let mut deadline = Instant::now() + interval.max(POLL);
        let (mut records, mut bytes) = (0, 0);
        let mut now = Instant::now();
        self.gathered = now;
        // Records come in runs of a partition: what is known of it is looked up once for each.
        let mut run: Option<Run> = None;
        let mut fenced = false;
        let most = self.transaction.max_records.min(S::MAX_RECORDS);
        while records < most && bytes < S::MAX_BYTES && !self.stage.has_enough() {
            // The clock is dear beside a record.
            now = Instant::now();
            self.metrics.beat();
            self.hear(now);
            if now >= deadline || self.stop.load(Ordering::Relaxed) {
                break;
            }
            // A few of the records that are there are taken before the first is worked on.
            let mut together: Vec<BorrowedMessage<'_>> = Vec::with_capacity(TOGETHER);
            let room = TOGETHER.min(most - records);
            let mut wait = POLL.min(deadline - now);
            let (mut changed, mut error, mut is_silent) = (None, None, false);
            while together.len() < room && bytes < S::MAX_BYTES && changed.is_none() {
                let polled = self.member.poll(std::mem::take(&mut wait));
                // Callbacks run within `poll`, before the record is given.
                changed = self.member.has_changes().then_some(together.len());
                match polled {
                    Some(Ok(message)) => {
                        bytes += message.payload_len() + message.key_len();
                        together.push(message);
                        continue;
                    }
                    Some(Err(found)) => error = Some(found),
                    None => is_silent = true,
                }
                break;
            }
            for number in 0..=together.len() {
                if changed == Some(number) {
                    end(run.take(), &mut self.offsets);
                    let changes = self.member.changes();
                    for change in &changes {
                        let partitions = change.partitions();
                        partitions.iter().for_each(|partition| {
                            self.held.remove(partition);
                        });
                        // What stood still when it was ours before must not stand still now.
                        if let Change::Assigned(partitions) = change {
                            self.member.resume(partitions);
                            self.lives.take(partitions, &self.clients.troubles().returned());
                        } else {
                            partitions.iter().for_each(|partition| {
                                self.lives.give(partition);
                            });
                        }
                    }
                    let (stage, offsets) = (&mut self.stage, &mut self.offsets);
                    apply(&changes, &self.member, stage, offsets, &self.metrics)?;
                }
                let Some(message) = together.get(number) else { break };
                // Another thread received it, and no cache of this processor has it yet.
                if let Some(next) = together.get(number + 1).and_then(|next| next.payload()) {
                    prefetch(&next[..next.len().min(AHEAD)]);
                }
                if records == 0 {
                    deadline = Instant::now() + interval;
                    tracing::debug!(stage = self.metrics.stage(), "a transaction begins");
                }
                records += 1;
                let is_same = |run: &Run| {
                    run.partition.partition == message.partition()
                        && (self.only.is_some() || *run.partition.topic == *message.topic())
                };
                let mut same = match run.take() {
                    Some(same) if is_same(&same) => same,
                    other => {
                        end(other, &mut self.offsets);
                        self.begin(message)
                    }
                };
                // What the library had already fetched of a partition that stands still comes again later.
                if !same.is_held {
                    let offset = message.offset();
                    match self.stage.record(&same.partition, message)? {
                        Taken::Held => {
                            self.member.pause(&same.partition)?;
                            self.held.insert(same.partition.clone(), offset);
                            same.is_held = true;
                        }
                        Taken::Done => {
                            same.offsets.get_or_insert((offset, offset)).1 = offset + 1;
                        }
                    }
                }
                run = Some(same);
            }
            if let Some(error) = error {
                self.say(&error)?;
                fenced = is_fenced(&error);
                if fenced {
                    break;
                }
            }
            // What a stage has to say of new partitions goes before what is in them.
            if is_silent && changed.is_some() {
                break;
            }
        }
        end(run, &mut self.offsets);
        if fenced {
            return self.rejoin();
        }
        if self.looked.elapsed() >= LOOK {
            self.looked = Instant::now();
            if self.member.is_forsaken() {
                return Err(Forsaken.into());
            }
            let missing = self.troubles().missing();
            let missing = self.member.missing(missing.iter().map(String::as_str));
            if missing.iter().any(|topic| self.topics.iter().any(|ours| ours == topic)) {
                self.metrics.error("missing_topic");
            }
            if self.troubles().hinder(None) {
                self.metrics.error("unreachable");
            }
        }
        if self.shared.elapsed() >= SHARED && !self.troubles().hinder(None) {
            self.shared = Instant::now();
            self.see_to_orphans()?;
        }
        self.metrics.reached(&self.member.reaches());
        Ok(())
    }

    /// Has the group shared out anew if nobody has a partition, now and when it was last looked.
    fn see_to_orphans(&mut self) -> anyhow::Result<()> {
        let (orphans, is_ours) = self.member.orphans(&self.topics).unwrap_or_default();
        let before = std::mem::replace(&mut self.orphans, orphans);
        let still: Vec<TopicPartition> = self.orphans.intersection(&before).cloned().collect();
        if still.is_empty() || !is_ours {
            return Ok(());
        }
        self.orphans.clear();
        let stage = self.metrics.stage();
        tracing::warn!(
            stage,
            partitions = %listed(&still),
            "no process has these partitions: they are shared out anew"
        );
        Member::share_out(&self.clients, stage, self.number)
    }

    /// A run begins with this record.
    fn begin(&self, message: &BorrowedMessage<'_>) -> Run {
        let topic = match &self.only {
            Some(topic) => Arc::clone(topic),
            None => message.topic().into(),
        };
        let partition = TopicPartition { topic, partition: message.partition() };
        let is_held = self.held.contains_key(&partition);
        Run { partition, is_held, offsets: None }
    }

    /// The time is looked at wherever it may have passed.
    fn hear(&mut self, now: Instant) {
        self.stood_still |= now.saturating_duration_since(self.heard) >= SILENCE;
        self.heard = now;
    }

    /// Whether what was done may be sent, after a long silence.
    fn stand(&mut self) -> Result<(), Failure> {
        self.stand_with(&BTreeMap::new())
    }

    /// The same before state is sent with these offsets, be it without records: in the state is all that was before the first of them.
    fn stand_with(&mut self, offsets: &BTreeMap<TopicPartition, i64>) -> Result<(), Failure> {
        self.hear(Instant::now());
        let firsts = self.firsts(offsets);
        // Without any offset the group cannot be asked.
        if !self.stood_still || firsts.is_empty() {
            return Ok(());
        }
        let stands = self.outbox.stand(&self.member, &firsts);
        self.stood_still = stands.is_err();
        stands
    }

    /// Offsets before the work, and these of partitions without records.
    fn firsts(&self, offsets: &BTreeMap<TopicPartition, i64>) -> BTreeMap<TopicPartition, i64> {
        let mut firsts = offsets.clone();
        firsts.extend(self.offsets.iter().map(|(place, (first, _))| (place.clone(), *first)));
        firsts
    }

    /// Goes on with partitions that need not stand still any more.
    fn let_go(&mut self) -> anyhow::Result<()> {
        let Self { held, stage, .. } = self;
        let going: Vec<(TopicPartition, i64)> = held
            .iter()
            .filter(|(partition, _)| stage.goes_on(partition))
            .map(|(partition, offset)| (partition.clone(), *offset))
            .collect();
        for (partition, _) in &going {
            self.held.remove(partition);
        }
        self.go_on_from(going)
    }

    /// Reads on from these offsets.
    fn go_on_from(&self, going: Vec<(TopicPartition, i64)>) -> anyhow::Result<()> {
        let partitions: Vec<TopicPartition> =
            going.iter().map(|(partition, _)| partition.clone()).collect();
        self.member.resume(&partitions);
        // The library goes on behind what it gave last.
        self.member.rewind(going, PATIENCE)
    }

    /// An error of the consumer: the library goes on by itself unless it is fatal, and what it says is told where all troubles are.
    fn say(&self, error: &KafkaError) -> anyhow::Result<()> {
        self.metrics.error("consumer");
        let is_fatal = matches!(error, KafkaError::MessageConsumptionFatal(_))
            || error.rdkafka_error_code() == Some(RDKafkaErrorCode::Fatal);
        if is_fatal && !is_fenced(error) {
            bail!(
                "the Kafka consumer cannot go on: {error}; nothing is lost: start sigmund again, and it goes on from the last commit"
            );
        }
        Ok(())
    }

    /// Makes the work visible, or takes it back.
    fn commit(&mut self) -> anyhow::Result<()> {
        self.more = false;
        let batch = self.stage.finish()?;
        let mut offsets: BTreeMap<TopicPartition, i64> = batch.touched;
        offsets
            .extend(self.offsets.iter().map(|(partition, (_, next))| (partition.clone(), *next)));
        if offsets.is_empty() && batch.outgoing.is_empty() && batch.state.is_empty() {
            self.stage.committed(&self.member);
            return Ok(());
        }
        let all = || batch.outgoing.iter().chain(&batch.state);
        let mut topics: BTreeSet<&str> = all().map(|one| &*one.topic).collect();
        // The offsets of one topic would be taken for those of another one with its name.
        topics.extend(offsets.keys().map(|partition| &*partition.topic));
        let missing = self.troubles().missing();
        let missing = missing.iter().map(String::as_str).filter(|topic| topics.contains(topic));
        if !self.member.missing(missing).is_empty() {
            return self.wait_for_topics();
        }
        if self.are_outlived(&offsets) {
            return self.do_again();
        }
        let begun = Instant::now();
        let done = self.stand().and_then(|()| self.outbox.begin()).and_then(|()| {
            batch.outgoing.iter().try_for_each(|outgoing| self.outbox.send(outgoing))?;
            if !batch.state.is_empty() {
                self.outbox.deliver()?;
                self.stand_with(&offsets)?;
                batch.state.iter().try_for_each(|outgoing| self.outbox.send(outgoing))?;
                self.outbox.deliver_at_once(&self.member, &self.firsts(&offsets))?;
            }
            self.outbox.commit(&self.member, &offsets)
        });
        let failure = match done {
            Ok(()) => {
                self.metrics.transaction(begun.elapsed(), all().count());
                self.metrics.positions(&offsets);
                self.remember(&offsets);
                self.offsets.clear();
                self.more = batch.more;
                self.stage.committed(&self.member);
                self.troubles().over(&Trouble::TakenBack(self.metrics.stage()));
                self.broken = 0;
                self.done_after_all(&topics);
                return Ok(());
            }
            Err(failure) => failure,
        };
        self.metrics.aborted();
        // It may be that a topic is not there any more; the library waits for it until the transaction is too old.
        self.member.missing(topics);
        self.take_back(failure)
    }
}

/// A run is over: its offsets are part of the work.
fn end(run: Option<Run>, offsets: &mut BTreeMap<TopicPartition, (i64, i64)>) {
    if let Some(Run { partition, offsets: Some((first, next)), .. }) = run {
        offsets.entry(partition).or_insert((first, next)).1 = next;
    }
}

/// The topic of all records, if there is but one. Those that begin with `^` are patterns.
fn only(topics: &[&str]) -> Option<Arc<str>> {
    match topics {
        [topic] if !topic.starts_with('^') => Some((*topic).into()),
        _ => None,
    }
}

/// Whether the group has another member with this name (KIP-345).
fn is_fenced(error: &KafkaError) -> bool {
    matches!(error, KafkaError::MessageConsumptionFatal(RDKafkaErrorCode::FencedInstanceId))
}

/// Takes over what the group decided.
fn apply<S: Stage>(
    changes: &[Change],
    member: &Member,
    stage: &mut S,
    offsets: &mut BTreeMap<TopicPartition, (i64, i64)>,
    metrics: &StageMetrics,
) -> anyhow::Result<()> {
    for change in changes {
        match change {
            Change::Assigned(partitions) => {
                if !partitions.is_empty() {
                    tracing::info!(stage = metrics.stage(), partitions = %listed(partitions), "assigned");
                }
                metrics.assigning();
                stage.assigned(member, partitions)?;
                metrics.assigned(partitions);
            }
            Change::Revoked(partitions) | Change::Lost(partitions) => {
                tracing::info!(stage = metrics.stage(), partitions = %listed(partitions), "revoked");
                if matches!(change, Change::Lost(_)) {
                    metrics.lost(partitions);
                }
                partitions.iter().for_each(|partition| {
                    offsets.remove(partition);
                });
                stage.revoked(partitions);
                metrics.revoked(partitions);
            }
        }
    }
    Ok(())
}

fn listed(partitions: &[TopicPartition]) -> String {
    partitions.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partition(number: i32) -> TopicPartition {
        TopicPartition { topic: "t".into(), partition: number }
    }

    #[test]
    fn runs_of_a_partition_are_counted_as_one() {
        let mut offsets = BTreeMap::new();
        let run =
            |number, offsets| Some(Run { partition: partition(number), is_held: false, offsets });
        end(None, &mut offsets);
        end(run(0, None), &mut offsets);
        assert!(offsets.is_empty());
        end(run(0, Some((4, 7))), &mut offsets);
        end(run(1, Some((0, 1))), &mut offsets);
        end(run(0, Some((7, 9))), &mut offsets);
        assert_eq!(offsets, [(partition(0), (4, 9)), (partition(1), (0, 1))].into());
    }

    #[test]
    fn one_topic_needs_no_look_at_the_names_of_records() {
        assert_eq!(only(&["t"]).as_deref(), Some("t"));
        assert_eq!((only(&["^t"]), only(&["t", "u"]), only(&[])), (None, None, None));
    }
}
