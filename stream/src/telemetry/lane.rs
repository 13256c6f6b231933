//! What is known of a lane from outside its thread.

use crate::kafka::TopicPartition;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What a lane is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Phase {
    /// It joins its group.
    #[default]
    Joining,
    /// It gets what is needed to go on with partitions.
    Restoring,
    /// It reads and works.
    Working,
    /// It is over.
    Ended,
}

impl Phase {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Joining => "joining",
            Self::Restoring => "restoring",
            Self::Working => "working",
            Self::Ended => "ended",
        }
    }
}

/// The windows of a partition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Windows {
    /// Event time, in nanoseconds.
    pub watermark: Option<i64>,
    /// Groups with state.
    pub groups: usize,
    /// Hits that are kept.
    pub hits: usize,
    /// About how much memory.
    pub bytes: usize,
    /// Hits that wait for the watermark.
    pub waiting: usize,
    /// About how much memory they take.
    pub waiting_bytes: usize,
    /// About how much memory the search for early alerts takes.
    pub early_bytes: usize,
    /// What was given up since the windows are in memory.
    pub lost: Lost,
}

/// What was given up because of limits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lost {
    /// Groups.
    pub groups: u64,
    /// Hits.
    pub hits: u64,
    /// Hits that could not wait for the watermark.
    pub forced: u64,
    /// Groups in the search for early alerts.
    pub early: u64,
}

/// A partition of a lane.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Partition {
    /// The next offset after the last commit.
    pub(super) next: Option<i64>,
    /// Where reading began, where nothing was committed yet.
    pub(super) begin: Option<i64>,
    /// The last stable offset.
    pub(super) end: Option<i64>,
    pub(super) windows: Option<Windows>,
}

impl Partition {
    /// Records that are there and not done.
    pub(super) fn lag(&self) -> Option<i64> {
        Some((self.end? - self.next.or(self.begin)?).max(0))
    }
}

/// A committed transaction.
#[derive(Clone, Copy, Debug)]
pub(super) struct Transaction {
    pub(super) at: Instant,
    pub(super) took: Duration,
    pub(super) sent: usize,
}

/// What changes with every transaction.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) phase: Phase,
    pub(super) partitions: BTreeMap<TopicPartition, Partition>,
    /// Records that were not done of partitions that were lost, until the group says what is ours.
    pub(super) lost: BTreeMap<TopicPartition, i64>,
    /// The group has said what is ours, be it nothing.
    pub(super) was_assigned: bool,
    /// When it began to read.
    joined: Option<Instant>,
    pub(super) last: Option<Transaction>,
}

/// A lane.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) stage: &'static str,
    pub(super) number: usize,
    begun: Instant,
    /// Milliseconds after the beginning.
    beat: AtomicU64,
    seen: Mutex<Seen>,
}

/// A lane that nothing was heard of for so long hangs. A transaction that hangs is given up sooner; a
/// broker that answers late makes a lane wait up to a minute.
pub(super) const SILENCE: Duration = Duration::from_secs(120);

/// The group has not said for so long what is ours: there is nothing for this lane.
const SPARE: Duration = Duration::from_secs(30);

impl Lane {
    pub(super) fn new(stage: &'static str, number: usize) -> Self {
        let (beat, seen) = (AtomicU64::new(0), Mutex::default());
        Self { stage, number, begun: Instant::now(), beat, seen }
    }

    pub(super) fn seen(&self) -> MutexGuard<'_, Seen> {
        // Nobody panics while holding it.
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It begins to read.
    pub(super) fn joined(&self) {
        self.beat();
        let mut seen = self.seen();
        (seen.phase, seen.joined) = (Phase::Working, Some(Instant::now()));
    }

    /// Its clients are given up. Until the group has told the next ones what is ours, it is as at the beginning.
    pub(super) fn begins_anew(&self) {
        self.beat();
        let mut seen = self.seen();
        (seen.phase, seen.was_assigned, seen.joined) = (Phase::Joining, false, None);
    }

    /// It lives.
    pub(super) fn beat(&self) {
        let since = self.begun.elapsed().as_millis();
        self.beat.store(u64::try_from(since).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// How long ago it lived.
    pub(super) fn silent(&self) -> Duration {
        let beat = Duration::from_millis(self.beat.load(Ordering::Relaxed));
        self.begun.elapsed().saturating_sub(beat)
    }

    /// What a process that runs it should be ended for. Joining looks after itself.
    pub(super) fn hangs(&self) -> Option<String> {
        let phase = self.seen().phase;
        let is_watched = matches!(phase, Phase::Working | Phase::Restoring);
        let silent = self.silent();
        (is_watched && silent > SILENCE).then(|| {
            let (stage, number) = (self.stage, self.number);
            format!("lane {stage}-{number} was not heard of for {} s", silent.as_secs())
        })
    }

    /// Why it is not ready to work.
    pub(super) fn unready(&self) -> Option<String> {
        let seen = self.seen();
        let why = match seen.phase {
            Phase::Joining => "joins its group",
            Phase::Restoring => "reads the state of its partitions",
            Phase::Ended => "has ended",
            Phase::Working if seen.was_assigned => return None,
            Phase::Working if seen.joined.is_some_and(|at| at.elapsed() >= SPARE) => return None,
            Phase::Working => "waits for its partitions",
        };
        Some(format!("lane {}-{} {why}", self.stage, self.number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lag_is_from_the_commit_to_the_last_stable_offset() {
        let mut partition = Partition::default();
        assert_eq!(partition.lag(), None);
        partition.end = Some(10);
        assert_eq!(partition.lag(), None);
        partition.begin = Some(4);
        assert_eq!(partition.lag(), Some(6));
        partition.next = Some(9);
        assert_eq!(partition.lag(), Some(1));
        // Statistics are older than the commit.
        partition.next = Some(12);
        assert_eq!(partition.lag(), Some(0));
    }

    #[test]
    fn a_lane_is_ready_when_it_knows_its_partitions() {
        let lane = Lane::new("detect", 0);
        assert_eq!(lane.unready().as_deref(), Some("lane detect-0 joins its group"));
        lane.seen().phase = Phase::Working;
        assert_eq!(lane.unready().as_deref(), Some("lane detect-0 waits for its partitions"));
        lane.seen().was_assigned = true;
        assert_eq!((lane.unready(), lane.hangs()), (None, None));
        lane.seen().phase = Phase::Restoring;
        assert!(lane.unready().is_some_and(|why| why.contains("reads the state")));
    }

    #[test]
    fn a_lane_that_begins_anew_is_not_ready_before_it_knows_its_partitions_again() {
        let lane = Lane::new("detect", 0);
        lane.joined();
        lane.seen().was_assigned = true;
        assert_eq!(lane.unready(), None);
        lane.begins_anew();
        assert_eq!(lane.unready().as_deref(), Some("lane detect-0 joins its group"));
        lane.joined();
        assert_eq!(lane.unready().as_deref(), Some("lane detect-0 waits for its partitions"));
        lane.seen().joined = Instant::now().checked_sub(SPARE);
        assert_eq!(lane.unready(), None);
    }
}
