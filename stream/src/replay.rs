//! Replay of Kafka's history: the sources from one time to another, once, under a name of its own.
//!
//! It is the service with an end. Before anything is read, the bounds of each raw partition are written down as offsets of groups: where reading
//! begins as the offset of the group that reads, where it ends as that of a group that never reads. So several processes can share a replay, and one that
//! is interrupted goes on. Stage 1 tells stage 2 with its hits that a partition has ended, and windows are decided when all have. The
//! groups say when all is done.

use crate::config::Config;
use crate::correlate::Origin;
use crate::encode::rfc3339;
use crate::kafka::forsaken::leave;
use crate::kafka::{Clients, Reader, TopicPartition};
use crate::plan::Plan;
use anyhow::{Context as _, bail};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::message::Message as _;
use rdkafka::{Offset, TopicPartitionList};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// From when to when, in milliseconds since 1970: `from` is in it, `to` is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// The first time.
    pub from: i64,
    /// The time after the last; all that is there now, if there is none.
    pub to: Option<i64>,
}

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = |milliseconds: i64| rfc3339(milliseconds.saturating_mul(1_000_000));
        write!(f, "from {} to ", time(self.from))?;
        match self.to {
            Some(to) => f.write_str(&time(to)),
            None => f.write_str("the end"),
        }
    }
}

/// What of a raw partition is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Bound {
    first: i64,
    /// One after the last record, which is one that can be read.
    end: i64,
}

/// What of each raw partition is read; those of which nothing is are not there.
#[derive(Clone, Debug, Default)]
pub struct Bounds(BTreeMap<TopicPartition, Bound>);

impl Bounds {
    /// One after the last record of a partition.
    #[must_use]
    pub fn end(&self, partition: &TopicPartition) -> i64 {
        self.0.get(partition).map_or(0, |bound| bound.end)
    }

    /// Whether there is nothing to read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The raw partitions of which something is read.
    pub fn origins(&self) -> impl Iterator<Item = Origin> {
        self.0.keys().map(|place| Origin {
            topic: place.topic.to_string(),
            partition: u32::try_from(place.partition).unwrap_or(0),
        })
    }

    /// Offsets between the bounds: about as many as there are records.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.0.values().map(|bound| bound.end.abs_diff(bound.first)).sum()
    }
}

/// A replay that was begun.
pub struct Replay {
    /// What is read.
    pub bounds: Arc<Bounds>,
    application: String,
    clients: Clients,
    detect: BaseConsumer,
    correlate: BaseConsumer,
    reader: Reader,
    sightings: Vec<TopicPartition>,
}

impl fmt::Debug for Replay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replay").field("bounds", &self.bounds).finish_non_exhaustive()
    }
}

const PATIENCE: Duration = Duration::from_secs(30);

fn client(clients: &Clients, group: &str) -> anyhow::Result<BaseConsumer> {
    clients
        .aside(&format!("replay-{group}"))
        .set("group.id", clients.group(group))
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("isolation.level", "read_committed")
        .set("allow.auto.create.topics", "false")
        .create()
        .context("cannot make a Kafka client")
}

fn list<'a>(places: impl IntoIterator<Item = &'a TopicPartition>) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    for place in places {
        list.add_partition(&place.topic, place.partition);
    }
    list
}

/// Offsets in a list, where there are some.
fn offsets(list: &TopicPartitionList) -> BTreeMap<TopicPartition, i64> {
    let elements = list.elements();
    let found = elements.iter().filter_map(|element| {
        let Offset::Offset(offset) = element.offset() else { return None };
        let place =
            TopicPartition { topic: element.topic().into(), partition: element.partition() };
        Some((place, offset))
    });
    found.collect()
}

impl Replay {
    /// Writes down the bounds of a replay, or goes on with one of this name.
    ///
    /// # Errors
    ///
    /// The brokers do not answer, there is nothing to read, or all was read before.
    pub fn begin(
        config: &Config,
        plan: &Plan,
        clients: &Clients,
        times: Times,
    ) -> anyhow::Result<Self> {
        let (detect, ends) = (client(clients, "detect")?, client(clients, "replay-end")?);
        let metadata = detect.fetch_metadata(None, PATIENCE);
        let metadata = metadata.context("cannot ask the brokers which topics there are")?;
        let mut raw = Vec::new();
        for topic in metadata.topics().iter().filter(|topic| plan.reads(topic.name())) {
            let name: Arc<str> = topic.name().into();
            raw.extend(topic.partitions().iter().map(|partition| TopicPartition {
                topic: Arc::clone(&name),
                partition: partition.id(),
            }));
        }
        if raw.is_empty() {
            bail!("no topic of the sources is there");
        }
        let sightings: Arc<str> = Arc::clone(&plan.sightings);
        let sightings = (0..plan.partitions)
            .filter_map(|partition| i32::try_from(partition).ok())
            .map(|partition| TopicPartition { topic: Arc::clone(&sightings), partition });
        let mut this = Self {
            bounds: Arc::default(),
            application: config.application.clone(),
            clients: clients.clone(),
            detect,
            correlate: client(clients, "correlate")?,
            reader: Reader::new(clients, "replay")?,
            sightings: sightings.collect(),
        };
        this.bounds = Arc::new(this.bound(&raw, &ends, times)?);
        Ok(this)
    }

    /// The bounds that are written down, or new ones.
    fn bound(
        &self,
        raw: &[TopicPartition],
        ends: &BaseConsumer,
        times: Times,
    ) -> anyhow::Result<Bounds> {
        let known = |consumer: &BaseConsumer| {
            let known = consumer.committed_offsets(list(raw), PATIENCE);
            known.map(|known| offsets(&known)).context("cannot read the offsets of the replay")
        };
        let (begun, ended) = (known(&self.detect)?, known(ends)?);
        let mut bounds = Bounds::default();
        if let Some((place, _)) = begun.iter().find(|(place, _)| !ended.contains_key(*place)) {
            bail!(
                "the group `{}.detect` reads `{place}` already, and is not of a replay; name another application: `--application NAME`",
                self.application
            );
        }
        if !ended.is_empty() {
            for (place, end) in ended {
                let first = begun.get(&place).copied();
                let first = first.with_context(|| {
                    format!("the offsets of the replay in `{place}` are gone; begin it anew under another name: `--application NAME`")
                })?;
                bounds.0.insert(place, Bound { first, end });
            }
            let places: Vec<TopicPartition> = bounds.0.keys().cloned().collect();
            if self.are_all_read(&bounds, &places)? {
                bail!(
                    "the replay `{0}` was done before: its detections are in `{0}.detections`; for another one name another application: `--application {0}-2`",
                    self.application
                );
            }
            tracing::warn!(
                "a replay `{}` was begun before and goes on as it was begun; for another one name another application: `--application NAME`",
                self.application
            );
            return Ok(bounds);
        }
        let first = self.at(raw, Some(times.from))?;
        let end = self.at(raw, times.to)?;
        for place in raw {
            let (first, end) = (first[place], end[place].max(first[place]));
            let end = self.last_before(place, first, end)?;
            if first < end {
                bounds.0.insert(place.clone(), Bound { first, end });
            }
        }
        if bounds.is_empty() {
            return Ok(bounds);
        }
        // Whoever finds where it begins finds where it ends.
        commit(ends, bounds.0.iter().map(|(place, bound)| (place, bound.end)))?;
        commit(&self.detect, bounds.0.iter().map(|(place, bound)| (place, bound.first)))?;
        tracing::info!(
            application = &*self.application,
            partitions = bounds.0.len(),
            records = bounds.length(),
            "replay {times}"
        );
        Ok(bounds)
    }

    /// The first offset of each partition at a time or after it, or one after the last.
    fn at(
        &self,
        raw: &[TopicPartition],
        time: Option<i64>,
    ) -> anyhow::Result<BTreeMap<TopicPartition, i64>> {
        let mut found = BTreeMap::new();
        if let Some(time) = time {
            let mut asked = list(raw);
            asked.set_all_offsets(Offset::Offset(time))?;
            let answer = self.detect.offsets_for_times(asked, PATIENCE);
            let answer = answer.context("cannot ask which offsets a time has")?;
            found = offsets(&answer);
        }
        for place in raw.iter() {
            if !found.contains_key(place) {
                let marks = self.detect.fetch_watermarks(&place.topic, place.partition, PATIENCE);
                let (_, end) = marks.with_context(|| format!("cannot look at `{place}`"))?;
                found.insert(place.clone(), end);
            }
        }
        Ok(found)
    }

    /// One after the last record before `end`. What comes between them cannot be read, such as the marks of transactions; so who reads
    /// would not learn that the end is reached.
    fn last_before(&self, place: &TopicPartition, first: i64, end: i64) -> anyhow::Result<i64> {
        let mut back = 10;
        loop {
            let from = first.max(end.saturating_sub(back));
            let mut last = None;
            self.reader.read(place, from, end, &mut |message| {
                // Of what is not kept any more, reading begins with what is.
                last = Some(message.offset()).filter(|offset| *offset < end).or(last);
                Ok(())
            })?;
            match last {
                Some(last) => return Ok(last + 1),
                None if from <= first => return Ok(first),
                None => back = back.saturating_mul(10),
            }
        }
    }

    /// Whether all was read, matched and correlated.
    ///
    /// # Errors
    ///
    /// The brokers do not answer.
    pub fn is_done(&self) -> anyhow::Result<bool> {
        let places: Vec<TopicPartition> = self.bounds.0.keys().cloned().collect();
        self.are_all_read(&self.bounds, &places)
    }

    /// Takes other clients, for these may be [`Forsaken`](crate::kafka::Forsaken).
    ///
    /// # Errors
    ///
    /// They cannot be made.
    pub fn renew(&mut self) -> anyhow::Result<()> {
        self.reader.renew()?;
        let others = (client(&self.clients, "detect")?, client(&self.clients, "correlate")?);
        let before = (
            std::mem::replace(&mut self.detect, others.0),
            std::mem::replace(&mut self.correlate, others.1),
        );
        leave(before);
        Ok(())
    }

    /// How many of the offsets between the bounds are behind us.
    ///
    /// # Errors
    ///
    /// The brokers do not answer.
    pub fn read(&self) -> anyhow::Result<u64> {
        let known = self.detect.committed_offsets(list(self.bounds.0.keys()), PATIENCE)?;
        let known = offsets(&known);
        let of = |(place, bound): (&TopicPartition, &Bound)| {
            let next = known.get(place).copied().unwrap_or(bound.first).min(bound.end);
            u64::try_from(next - bound.first).unwrap_or(0)
        };
        Ok(self.bounds.0.iter().map(of).sum())
    }

    fn are_all_read(&self, bounds: &Bounds, places: &[TopicPartition]) -> anyhow::Result<bool> {
        let known = self.detect.committed_offsets(list(places), PATIENCE)?;
        let known = offsets(&known);
        let has_ended = |(place, bound): (&TopicPartition, &Bound)| {
            known.get(place).is_some_and(|next| *next >= bound.end)
        };
        if !bounds.0.iter().all(has_ended) {
            return Ok(false);
        }
        let known = self.correlate.committed_offsets(list(&self.sightings), PATIENCE)?;
        let known = offsets(&known);
        for place in &self.sightings {
            // Offsets behind the last record are those of marks: whether there is a record says only reading.
            let mut more = false;
            self.reader.read_to_end(place, known.get(place).copied(), &mut |_| {
                more = true;
                Ok(())
            })?;
            if more {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

fn commit<'a>(
    consumer: &BaseConsumer,
    all: impl Iterator<Item = (&'a TopicPartition, i64)>,
) -> anyhow::Result<()> {
    let mut list = TopicPartitionList::new();
    for (place, offset) in all {
        list.add_partition_offset(&place.topic, place.partition, Offset::Offset(offset))?;
    }
    consumer.commit(&list, CommitMode::Sync).context("cannot write down the bounds of the replay")
}
