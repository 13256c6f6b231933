//! Topics that were deleted and made again with the same name: what is in them is new, and so are its offsets.

use super::{Lane, PATIENCE, Stage, listed};
use crate::kafka::{Return, TopicPartition};
use std::collections::BTreeMap;

/// Topics that returned, by name.
type Returned = BTreeMap<String, Return>;

/// In which life of its topic each partition is read.
#[derive(Debug, Default)]
pub(super) struct Lives {
    /// The partitions that are ours, and how often the topic of each had returned when it was last read from the beginning.
    owned: BTreeMap<TopicPartition, u64>,
    /// What was committed while it was not known in which life. A commit that is on its way when a topic is deleted is tried until there is such a topic
    /// again.
    doubtful: BTreeMap<TopicPartition, i64>,
}

impl Lives {
    /// These partitions are ours now.
    pub(super) fn take(&mut self, partitions: &[TopicPartition], returned: &Returned) {
        for partition in partitions {
            let times = returned.get(&*partition.topic).map_or(0, |topic| topic.times);
            // What the group knows of it may be of the life before.
            let is_doubtful = self.doubtful.contains_key(partition);
            self.owned.insert(partition.clone(), times.saturating_sub(u64::from(is_doubtful)));
        }
    }

    /// This partition is ours no more.
    pub(super) fn give(&mut self, partition: &TopicPartition) {
        self.owned.remove(partition);
    }

    /// All that were ours, which they are no more.
    pub(super) fn give_all(&mut self) -> Vec<TopicPartition> {
        std::mem::take(&mut self.owned).into_keys().collect()
    }

    /// These offsets were committed.
    fn committed(
        &mut self,
        offsets: &BTreeMap<TopicPartition, i64>,
        missing: &[String],
        returned: &Returned,
    ) {
        for (partition, offset) in offsets {
            let is_missing = missing.iter().any(|topic| **topic == *partition.topic);
            if is_missing || self.is_outlived(partition, returned) {
                self.doubtful.insert(partition.clone(), *offset);
            } else {
                self.doubtful.remove(partition);
            }
        }
    }

    /// Whether the topic of a partition was made again since it was read from the beginning.
    fn is_outlived(&self, partition: &TopicPartition, returned: &Returned) -> bool {
        let times = returned.get(&*partition.topic).map_or(0, |topic| topic.times);
        self.owned.get(partition).is_some_and(|read| *read < times)
    }

    /// Whether this committed offset may be of another life.
    fn is_doubtful(&self, partition: &TopicPartition, offset: i64) -> bool {
        self.doubtful.get(partition) == Some(&offset)
    }

    /// It is read from its beginning now.
    fn begun(&mut self, partition: TopicPartition, life: Return) {
        self.doubtful.remove(&partition);
        self.owned.insert(partition, life.times);
    }
}

impl<S: Stage + Send + 'static> Lane<S> {
    /// These offsets were committed.
    pub(super) fn remember(&mut self, offsets: &BTreeMap<TopicPartition, i64>) {
        let troubles = self.clients.troubles();
        self.lives.committed(offsets, &troubles.missing(), &troubles.returned());
    }

    /// Whether one of these is of a topic that was made again since.
    pub(super) fn are_outlived(&self, offsets: &BTreeMap<TopicPartition, i64>) -> bool {
        let returned = self.troubles().returned();
        offsets.keys().any(|partition| self.lives.is_outlived(partition, &returned))
    }

    /// Reads topics that were deleted and made again from their beginning: the library would go on where it was in the one before.
    pub(super) fn start_over(&mut self) -> anyhow::Result<()> {
        let returned = self.troubles().returned();
        for (topic, life) in &returned {
            let owned = self.lives.owned.keys().filter(|partition| *partition.topic == **topic);
            let partitions: Vec<TopicPartition> =
                owned.filter(|at| self.lives.is_outlived(at, &returned)).cloned().collect();
            if partitions.is_empty() {
                continue;
            }
            let mut begins = Vec::new();
            for partition in &partitions {
                self.offsets.remove(partition);
                self.held.remove(partition);
                // Groups forget the offsets of topics that are deleted.
                let mut committed = self.member.committed(partition, PATIENCE)?;
                if let Some(offset) = committed
                    && self.lives.is_doubtful(partition, offset)
                    && self.member.is_new(partition, offset, life.missed, PATIENCE)?
                {
                    if let Err(failure) = self.member.commit_beginning(partition) {
                        // Nothing is committed before this is done.
                        tracing::debug!(%partition, "the group keeps an old offset: {failure}");
                        return Ok(());
                    }
                    tracing::info!(%partition, offset, "the offset is of the topic before: it is forgotten");
                    committed = None;
                }
                begins.push((partition.clone(), committed.unwrap_or(0)));
            }
            tracing::info!(partitions = %listed(&partitions), "read from their beginning");
            self.stage.revoked(&partitions);
            self.stage.assigned(&self.member, &partitions)?;
            self.go_on_from(begins)?;
            partitions.into_iter().for_each(|partition| self.lives.begun(partition, *life));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::SystemTime;

    fn at(number: i32) -> TopicPartition {
        TopicPartition { topic: "t".into(), partition: number }
    }

    fn returned(times: u64) -> Returned {
        [("t".to_owned(), Return { times, missed: SystemTime::UNIX_EPOCH })].into()
    }

    #[test]
    fn partitions_are_outlived_when_their_topic_returns() {
        let mut lives = Lives::default();
        lives.take(&[at(0)], &Returned::new());
        assert!(!lives.is_outlived(&at(0), &Returned::new()));
        assert!(lives.is_outlived(&at(0), &returned(1)));
        lives.take(&[at(1)], &returned(1));
        assert!(!lives.is_outlived(&at(1), &returned(1)));
        lives.begun(at(0), returned(1)["t"]);
        assert!(!lives.is_outlived(&at(0), &returned(1)));
        assert!(lives.is_outlived(&at(0), &returned(2)));
        lives.give(&at(0));
        assert!(!lives.is_outlived(&at(0), &returned(2)), "not ours");
        assert_eq!(lives.give_all(), [at(1)]);
    }

    #[test]
    fn what_is_committed_while_a_topic_is_missing_is_doubtful() {
        let mut lives = Lives::default();
        lives.take(&[at(0)], &Returned::new());
        let committed = |offset| [(at(0), offset)].into();
        lives.committed(&committed(7), &[], &Returned::new());
        assert!(!lives.is_doubtful(&at(0), 7));
        // While it is missing, and when that is over before the commit is.
        lives.committed(&committed(8), &["t".to_owned()], &Returned::new());
        assert!(lives.is_doubtful(&at(0), 8) && !lives.is_doubtful(&at(0), 9));
        lives.committed(&committed(9), &[], &returned(1));
        assert!(lives.is_doubtful(&at(0), 9));
        // The group may have given the partition away and back meanwhile.
        lives.give(&at(0));
        lives.take(&[at(0)], &returned(1));
        assert!(lives.is_outlived(&at(0), &returned(1)));
        lives.begun(at(0), returned(1)["t"]);
        assert!(!lives.is_doubtful(&at(0), 9));
        lives.committed(&committed(3), &[], &returned(1));
        assert!(!lives.is_doubtful(&at(0), 3));
    }
}
