//! What was done since the last commit. It counts when the work is committed, and is forgotten when it is taken back.

use super::live::Shown;

/// When a detection's cause happened, came to Kafka and came to us, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Times {
    /// The time of the event.
    pub event: Option<i64>,
    /// The Kafka timestamp of the record.
    pub record: Option<i64>,
    /// When our consumer had it.
    pub received: Option<i64>,
}

/// Work that is not committed.
#[derive(Debug, Default)]
pub struct Tally {
    /// Records read.
    pub records: u64,
    /// Bytes of their values.
    pub bytes: u64,
    /// Events in them.
    pub events: u64,
    /// Those of them without any log source.
    pub unrouted_events: u64,
    /// Hits that correlations could not use.
    pub untimed_hits: u64,
    /// Events too far ahead.
    pub future_events: u64,
    /// Hits that went into windows.
    pub hits: u64,
    /// Hits of rules that are not there.
    pub unknown_hits: u64,
    /// Records that were known.
    pub repeated: u64,
    /// Hits that came too late.
    pub late_hits: u64,
    pub(super) dead_letters: Vec<&'static str>,
    /// The number of the rule (as `Rules::subject` knows it) and the times.
    pub(super) detections: Vec<(u32, Times)>,
    pub(super) shown: Vec<Shown>,
}

impl Tally {
    /// A record went to the dead letters, for a reason of few words that is in the code.
    pub fn dead_letter(&mut self, reason: &'static str) {
        self.dead_letters.push(reason);
    }

    /// A rule has detected something.
    pub fn detection(&mut self, rule: u32, times: Times) {
        self.detections.push((rule, times));
    }

    /// For those who watch.
    pub fn show(&mut self, shown: Option<Shown>) {
        self.shown.extend(shown);
    }

    /// Everything of another one too.
    pub fn add(&mut self, other: &mut Self) {
        let Self {
            records,
            bytes,
            events,
            unrouted_events,
            untimed_hits,
            future_events,
            hits,
            unknown_hits,
            repeated,
            late_hits,
            dead_letters,
            detections,
            shown,
        } = std::mem::take(other);
        self.records += records;
        self.bytes += bytes;
        self.events += events;
        self.unrouted_events += unrouted_events;
        self.untimed_hits += untimed_hits;
        self.future_events += future_events;
        self.hits += hits;
        self.unknown_hits += unknown_hits;
        self.repeated += repeated;
        self.late_hits += late_hits;
        self.dead_letters.extend(dead_letters);
        self.detections.extend(detections);
        self.shown.extend(shown);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_of_everything() {
        let mut one = Tally { records: 1, events: 2, ..Tally::default() };
        one.detection(7, Times::default());
        let mut sum = Tally { records: 10, ..Tally::default() };
        sum.dead_letter("empty");
        sum.add(&mut one);
        assert_eq!((sum.records, sum.events, sum.detections.len()), (11, 2, 1));
        assert_eq!((one.records, one.detections.len()), (0, 0));
        assert_eq!(sum.dead_letters, ["empty"]);
    }
}
