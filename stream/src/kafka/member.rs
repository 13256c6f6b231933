//! A member of a consumer group.
//!
//! What is assigned and revoked is told by callbacks that run inside `poll` only, and `poll` is never called within a transaction: so a partition is
//! not taken away while its work is being committed. If the group went on without us, the commit is refused by its generation.

use super::TopicPartition;
use super::client::Clients;
use super::forsaken::{self, Forsaken, watermarks};
use super::ledger::SILENCE;
use super::orphans;
use super::outbox::Failure;
use super::trouble::Trouble;
use super::troubles::Troubles;
use anyhow::Context as _;
use rdkafka::consumer::{
    BaseConsumer, Consumer, ConsumerContext, ConsumerGroupMetadata, Rebalance,
};
use rdkafka::error::KafkaError;
use rdkafka::message::BorrowedMessage;
use rdkafka::statistics::Broker;
use rdkafka::{ClientContext, Offset, Statistics, TopicPartitionList};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What happened to the assignment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// These are ours now.
    Assigned(Vec<TopicPartition>),
    /// These are ours no more.
    Revoked(Vec<TopicPartition>),
    /// The same, and nobody says whether another one has them: the group lost us, or we lost it.
    Lost(Vec<TopicPartition>),
}

impl Change {
    /// What it is about.
    #[must_use]
    pub fn partitions(&self) -> &[TopicPartition] {
        match self {
            Self::Assigned(partitions) | Self::Revoked(partitions) | Self::Lost(partitions) => {
                partitions
            }
        }
    }
}

/// How far the log of a partition goes, by the statistics of the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reach {
    /// The partition.
    pub partition: TopicPartition,
    /// One after the last record that may be read.
    pub end: i64,
    /// The next offset that is fetched: where reading began, until there is more.
    pub fetched: Option<i64>,
}

#[derive(Debug, Default)]
struct Seen {
    changes: Vec<Change>,
    reaches: Vec<Reach>,
    /// By the last statistics no broker was heard.
    is_silent: bool,
    /// By so many statistics in a row, one a second while this process runs, no broker is connected.
    alone: u32,
}

/// What the statistics say of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Pulse {
    /// The broker said something not long ago.
    Heard(String),
    /// It has something to answer, and said nothing for so long. The connection stays for a minute when a broker hangs.
    Silent(Duration),
    /// There is none, or nothing is asked.
    Nothing,
}

impl Pulse {
    fn of(broker: Broker) -> Self {
        let silent = u64::try_from(broker.rxidle).ok().map(Duration::from_micros);
        match silent {
            Some(time) if broker.state == "UP" && time < SILENCE => Self::Heard(broker.nodename),
            Some(time) if broker.state == "UP" && broker.waitresp_cnt > 0 => Self::Silent(time),
            _ => Self::Nothing,
        }
    }

    fn heard(&self) -> Option<&String> {
        match self {
            Self::Heard(broker) => Some(broker),
            _ => None,
        }
    }
}

/// The library may miss that a coordinator is there again, and then waits for all the time that it was given: it is asked for a moment, and again.
const ASK: Duration = Duration::from_secs(5);

/// How long all brokers are silent.
fn silence(pulses: &[Pulse]) -> Option<Duration> {
    if pulses.iter().any(|pulse| pulse.heard().is_some()) {
        return None;
    }
    let silent = pulses.iter().filter_map(|pulse| match pulse {
        Pulse::Silent(time) => Some(*time),
        _ => None,
    });
    silent.min()
}

/// Collects what callbacks tell, and whether the assignment changed: callbacks run on the thread that polls.
#[derive(Clone, Debug)]
struct Context(Arc<Mutex<Seen>>, Arc<AtomicBool>, Troubles);

impl Context {
    fn with<T>(&self, work: impl FnOnce(&mut Seen) -> T) -> T {
        // A callback cannot panic while it holds the lock.
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl ClientContext for Context {
    #[expect(clippy::iter_over_hash_type, reason = "the order does not matter")]
    fn stats(&self, statistics: Statistics) {
        // Connections to coordinators are apart: they lead to no other broker.
        let is_connected = |broker: &Broker| broker.state == "UP" && broker.source != "logical";
        let is_alone = !statistics.brokers.values().any(is_connected);
        self.with(|seen| {
            seen.alone = if is_alone { seen.alone.saturating_add(1) } else { 0 };
        });
        let pulses: Vec<Pulse> = statistics.brokers.into_values().map(Pulse::of).collect();
        self.2.up(&pulses.iter().filter_map(Pulse::heard).cloned().collect());
        // Of a process that stood still itself everybody seems to be silent, once.
        let silent = silence(&pulses);
        let was_silent = self.with(|seen| std::mem::replace(&mut seen.is_silent, silent.is_some()));
        if let Some(time) = silent.filter(|_| was_silent) {
            self.2.silent(time);
        }
        let mut reaches = Vec::new();
        for (topic, about) in statistics.topics {
            let topic: Arc<str> = topic.into();
            for (partition, about) in about.partitions {
                if partition >= 0 && about.ls_offset >= 0 {
                    let partition = TopicPartition { topic: Arc::clone(&topic), partition };
                    let fetched = Some(about.next_offset).filter(|offset| *offset >= 0);
                    reaches.push(Reach { partition, end: about.ls_offset, fetched });
                }
            }
        }
        self.with(|seen| seen.reaches = reaches);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.2.hear(&error, reason);
    }
}

impl ConsumerContext for Context {
    fn pre_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        let change = match rebalance {
            Rebalance::Assign(partitions) => Change::Assigned(partitions_of(partitions)),
            Rebalance::Revoke(partitions) if consumer.assignment_lost() => {
                Change::Lost(partitions_of(partitions))
            }
            Rebalance::Revoke(partitions) => Change::Revoked(partitions_of(partitions)),
            Rebalance::Error(error) => {
                self.2.hear(error, &format!("partitions are not shared out: {error}"));
                return;
            }
        };
        self.with(|seen| seen.changes.push(change));
        self.1.store(true, Ordering::Relaxed);
    }
}

fn list_of(partitions: &[TopicPartition]) -> TopicPartitionList {
    let mut list = TopicPartitionList::with_capacity(partitions.len());
    for partition in partitions {
        list.add_partition(&partition.topic, partition.partition);
    }
    list
}

fn partitions_of(list: &TopicPartitionList) -> Vec<TopicPartition> {
    list.elements()
        .iter()
        .map(|element| TopicPartition {
            topic: element.topic().into(),
            partition: element.partition(),
        })
        .collect()
}

/// A member of a consumer group.
pub struct Member {
    consumer: BaseConsumer<Context>,
    context: Context,
    /// `auto.offset.reset` is `latest`.
    begins_at_end: bool,
    /// The group, and our name in it where it is kept over restarts.
    group: String,
    name: Option<String>,
    troubles: Troubles,
}

impl std::fmt::Debug for Member {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Member").field("context", &self.context).finish_non_exhaustive()
    }
}

impl Member {
    /// Joins the group of a stage over topics; those that begin with `^` are regular expressions.
    ///
    /// # Errors
    ///
    /// The client cannot be made.
    pub fn join(
        clients: &Clients,
        stage: &str,
        lane: usize,
        topics: &[&str],
    ) -> anyhow::Result<Self> {
        let troubles = clients.troubles().clone();
        let context = Context(Arc::default(), Arc::default(), troubles.clone());
        let mut config = clients.member(stage, lane);
        config.set("statistics.interval.ms", "1000");
        let reset = config.get("auto.offset.reset").unwrap_or_default();
        let begins_at_end = matches!(reset, "latest" | "largest" | "end");
        let group = clients.group(stage);
        let is_static = config.get("group.instance.id").is_some();
        let name = config.get("client.id").filter(|_| is_static).map(str::to_owned);
        let consumer: BaseConsumer<Context> =
            config.create_with_context(context.clone()).context("cannot make a Kafka consumer")?;
        consumer.subscribe(topics).context("cannot subscribe to topics")?;
        Ok(Self { consumer, context, begins_at_end, group, name, troubles })
    }

    /// The next record, if there is one within this time. Also serves everything else: ask often, and never within a transaction.
    pub fn poll(&self, timeout: Duration) -> Option<Result<BorrowedMessage<'_>, KafkaError>> {
        // While there are records, the library need not work out when to give up: that takes clocks and locks for each.
        let there = self.consumer.poll(Duration::ZERO);
        if timeout.is_zero() { there } else { there.or_else(|| self.consumer.poll(timeout)) }
    }

    /// Whether something happened to the assignment.
    #[must_use]
    pub fn has_changes(&self) -> bool {
        self.context.1.load(Ordering::Relaxed)
    }

    /// What happened to the assignment since the last call.
    #[must_use]
    pub fn changes(&self) -> Vec<Change> {
        self.context.1.store(false, Ordering::Relaxed);
        self.context.with(|seen| std::mem::take(&mut seen.changes))
    }

    /// How far the partitions go, where that is news.
    #[must_use]
    pub fn reaches(&self) -> Vec<Reach> {
        self.context.with(|seen| std::mem::take(&mut seen.reaches))
    }

    /// Asks the brokers which of the topics are not there, and says so. Those that are there again are said too. Gives those that are not.
    pub fn missing<'a>(&self, topics: impl IntoIterator<Item = &'a str>) -> BTreeSet<&'a str> {
        let patience = Duration::from_secs(5);
        let mut wanted: BTreeSet<&str> = topics.into_iter().collect();
        if wanted.is_empty() {
            return wanted;
        }
        // Who is away cannot say what is missing.
        let Ok(metadata) = self.consumer.fetch_metadata(None, patience) else {
            return BTreeSet::new();
        };
        for topic in metadata.topics().iter().filter(|topic| !topic.partitions().is_empty()) {
            if wanted.remove(topic.name()) {
                self.troubles.over(&Trouble::Missing(topic.name().to_owned()));
            }
        }
        for topic in &wanted {
            self.troubles.met(Trouble::Missing((*topic).to_owned()), "");
        }
        wanted
    }

    /// Whether no broker is there for this client for so long that another one should be tried.
    #[must_use]
    pub fn is_forsaken(&self) -> bool {
        u64::from(self.context.with(|seen| seen.alone)) >= Forsaken::AFTER.as_secs()
    }

    /// Whether any broker answers this client about a topic.
    fn is_answered(&self, topic: &str) -> bool {
        forsaken::is_answered(&self.consumer, topic)
    }

    /// Whether the group went on without us.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.consumer.assignment_lost()
    }

    /// Who we are in the group right now. Asked for anew for each transaction, and only while partitions are assigned: before the first
    /// assignment it has no generation, and a commit with it would not be fenced.
    #[must_use]
    pub fn metadata(&self) -> Option<ConsumerGroupMetadata> {
        self.consumer.group_metadata()
    }

    /// The committed offset of a partition, if there is one.
    ///
    /// # Errors
    ///
    /// The brokers do not say.
    pub fn committed(
        &self,
        partition: &TopicPartition,
        timeout: Duration,
    ) -> anyhow::Result<Option<i64>> {
        let mut list = TopicPartitionList::new();
        list.add_partition(&partition.topic, partition.partition);
        let is_answered = || self.is_answered(&partition.topic);
        let committed = self.troubles.insist(timeout, &partition.topic, &is_answered, &mut || {
            let committed = self.consumer.committed_offsets(list.clone(), timeout.min(ASK))?;
            // What brokers do not say of a partition is not that there is none.
            committed.elements().iter().try_for_each(|element| element.error())?;
            Ok(committed)
        });
        let committed = committed
            .with_context(|| format!("cannot read the committed offset of `{partition}`"))?;
        Ok(committed.elements().first().and_then(|element| match element.offset() {
            Offset::Offset(offset) => Some(offset),
            _ => None,
        }))
    }

    /// Where reading of a partition begins that has no committed offset.
    ///
    /// # Errors
    ///
    /// The brokers do not say.
    pub fn beginning(&self, partition: &TopicPartition, timeout: Duration) -> anyhow::Result<i64> {
        // Not all brokers know a partition that has just been added.
        let is_answered = || self.is_answered(&partition.topic);
        let marks = self.troubles.insist(timeout, &partition.topic, &is_answered, &mut || {
            watermarks(&self.consumer, partition, timeout.min(ASK * 2))
        });
        let (low, high) = marks.with_context(|| format!("cannot look at `{partition}`"))?;
        Ok(if self.begins_at_end { high } else { low })
    }

    /// Whether a partition is that of another topic than the one with the same name that an offset is of: of one that was made after the other was
    /// `missed`. Kafka has numbers for topics, which the library does not tell; so it is asked what is in it.
    ///
    /// # Errors
    ///
    /// The brokers do not say.
    pub fn is_new(
        &self,
        partition: &TopicPartition,
        offset: i64,
        missed: SystemTime,
        timeout: Duration,
    ) -> anyhow::Result<bool> {
        let is_answered = || self.is_answered(&partition.topic);
        let asked = self.troubles.insist(timeout, &partition.topic, &is_answered, &mut || {
            let (low, high) = watermarks(&self.consumer, partition, timeout.min(ASK * 2))?;
            if offset > high {
                return Ok(true);
            }
            // The clocks of those who write differ a little.
            let since = (missed - Duration::from_secs(1)).duration_since(UNIX_EPOCH);
            let since = since.map_or(0, |time| time.as_millis() as i64);
            let mut list = TopicPartitionList::new();
            let (topic, number) = (&partition.topic, partition.partition);
            list.add_partition_offset(topic, number, Offset::Offset(since))?;
            let first = self.consumer.offsets_for_times(list, timeout.min(ASK * 2))?;
            first.elements().iter().try_for_each(|element| element.error())?;
            let first = first.elements().first().map(|element| element.offset());
            // The first record of all is younger.
            Ok(matches!(first, Some(Offset::Offset(first)) if first <= low))
        });
        asked.with_context(|| format!("cannot look at `{partition}`"))
    }

    /// All partitions of the topics that are wanted.
    ///
    /// # Errors
    ///
    /// The brokers do not say.
    pub fn all_partitions(
        &self,
        wants: &dyn Fn(&str) -> bool,
        timeout: Duration,
    ) -> anyhow::Result<Vec<TopicPartition>> {
        let metadata = self.consumer.fetch_metadata(None, timeout);
        let metadata = metadata.context("cannot ask the brokers which topics there are")?;
        let mut found = Vec::new();
        for topic in metadata.topics().iter().filter(|topic| wants(topic.name())) {
            let name: Arc<str> = topic.name().into();
            found.extend(topic.partitions().iter().map(|partition| TopicPartition {
                topic: Arc::clone(&name),
                partition: partition.id(),
            }));
        }
        Ok(found)
    }

    /// Partitions of topics that no member of the group has, and whether it is on us to see to that. `None` where that cannot be, or is not known now.
    #[must_use]
    pub fn orphans(&self, topics: &[String]) -> Option<(BTreeSet<TopicPartition>, bool)> {
        let name = self.name.as_ref()?;
        let given = orphans::given(&self.consumer, &self.group)?;
        let reads = |topic: &str| {
            topics.iter().any(|have| have == topic) || given.partitions.contains_key(topic)
        };
        let all = self.all_partitions(&reads, Duration::from_secs(5)).ok()?;
        Some((given.without(all), given.first == *name))
    }

    /// Has the partitions of the group of a stage shared out anew.
    ///
    /// # Errors
    ///
    /// There is no thread for it.
    pub fn share_out(clients: &Clients, stage: &str, lane: usize) -> anyhow::Result<()> {
        orphans::rebalance(clients, stage, lane).context("cannot start a thread")
    }

    /// Reads nothing more of a partition until it is [resumed](Self::resume).
    ///
    /// # Errors
    ///
    /// It is not ours.
    pub fn pause(&self, partition: &TopicPartition) -> anyhow::Result<()> {
        let list = list_of(std::slice::from_ref(partition));
        self.consumer.pause(&list).with_context(|| format!("cannot pause `{partition}`"))
    }

    /// Reads these partitions again, if they were paused. What was read ahead of a pause may be lost: [rewind](Self::rewind) then.
    pub fn resume(&self, partitions: &[TopicPartition]) {
        // Those that are not ours any more, or not yet, are told so one by one; that does no harm.
        for partition in partitions {
            let _ = self.consumer.resume(&list_of(std::slice::from_ref(partition)));
        }
    }

    /// The partitions of a topic that are ours.
    #[must_use]
    pub fn assigned(&self, topic: &str) -> Vec<TopicPartition> {
        let Ok(assignment) = self.consumer.assignment() else { return Vec::new() };
        let mut ours = partitions_of(&assignment);
        ours.retain(|partition| &*partition.topic == topic);
        ours
    }

    /// Reads on from these offsets. Partitions that are not ours any more are left alone.
    ///
    /// # Errors
    ///
    /// A partition that is still ours cannot be moved.
    pub fn rewind(
        &self,
        topic_offsets: impl IntoIterator<Item = (TopicPartition, i64)>,
        timeout: Duration,
    ) -> anyhow::Result<()> {
        let Ok(assignment) = self.consumer.assignment() else { return Ok(()) };
        for (partition, offset) in topic_offsets {
            if assignment.find_partition(&partition.topic, partition.partition).is_none() {
                continue;
            }
            let offset = Offset::Offset(offset);
            // A partition whose broker comes and goes cannot be moved at once.
            let (topic, number) = (&partition.topic, partition.partition);
            let is_answered = || self.is_answered(topic);
            let moved = self.troubles.insist(timeout * 3, topic, &is_answered, &mut || {
                self.consumer.seek(topic, number, offset, timeout)
            });
            moved.with_context(|| format!("cannot go back in `{partition}`"))?;
        }
        Ok(())
    }

    /// Commits that nothing of a partition was read.
    ///
    /// # Errors
    ///
    /// The group does not take it.
    pub fn commit_beginning(&self, partition: &TopicPartition) -> Result<(), Failure> {
        let mut list = list_of(std::slice::from_ref(partition));
        list.set_all_offsets(Offset::Offset(0))
            .map_err(|error| Failure::Aborted(format!("no offset can be set: {error}")))?;
        self.commit(&list)
    }

    /// Commits offsets without a transaction.
    ///
    /// # Errors
    ///
    /// The group does not take them.
    pub fn commit(&self, offsets: &TopicPartitionList) -> Result<(), Failure> {
        self.consumer
            .commit(offsets, rdkafka::consumer::CommitMode::Sync)
            .map_err(|error| Failure::Aborted(format!("cannot commit offsets: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pulse(state: &str, idle: i64, asked: i64) -> Pulse {
        let (state, nodename) = (state.to_owned(), "a:1".to_owned());
        Pulse::of(Broker {
            state,
            nodename,
            rxidle: idle,
            waitresp_cnt: asked,
            ..Broker::default()
        })
    }

    #[test]
    fn who_is_connected_and_says_nothing_is_not_heard() {
        let second = 1_000_000;
        let heard = pulse("UP", second, 3);
        assert_eq!(heard.heard().map(String::as_str), Some("a:1"));
        let hangs = pulse("UP", 20 * second, 1);
        assert_eq!(hangs, Pulse::Silent(Duration::from_secs(20)));
        for nothing in [pulse("UP", 20 * second, 0), pulse("UP", -1, 0), pulse("INIT", second, 1)] {
            assert_eq!(nothing, Pulse::Nothing);
        }
        let all = |pulses: &[&Pulse]| silence(&pulses.iter().copied().cloned().collect::<Vec<_>>());
        assert_eq!(all(&[&hangs, &pulse("UP", 30 * second, 0)]), Some(Duration::from_secs(20)));
        assert_eq!(all(&[&hangs, &heard]), None);
        assert_eq!(all(&[&Pulse::Nothing]), None);
    }
}
