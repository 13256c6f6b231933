//! How far event time has come: the smallest of the times that the sources have reached, less what may come late.
//!
//! A source is a log or a partition. Each has the largest time of its events; no event of it is expected more than
//! `max_lateness` before that. The watermark is the smallest such bound of all live sources and never goes back.
//! A source that has finished does not hold it back, nor does one that has been silent for the idle timeout by the caller's clock.
//! When all live sources are idle nothing is waited for: the watermark passes all that came.
//!
//! One wrong stamp must not decide everything before it. A time is accepted as the largest of its source
//!
//! * if the caller told its clock: when it is not more than `max_future` after that clock;
//! * otherwise when it is not more than `max_future` after the largest so far. What is further is doubtful, as is the first time of
//!   all. After [`CONFIRMATIONS`] doubtful times in a row the smallest of them is accepted: a log that goes on after a
//!   long pause moves the watermark in the end, a stray stamp among right ones does not.

use std::collections::BTreeMap;

/// So many doubtful times in a row make the smallest of them credible.
pub const CONFIRMATIONS: usize = 16;

/// What a watermark waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// An event may come so many nanoseconds of event time after a later one of its source.
    pub max_lateness: i64,
    /// A source is idle after so many nanoseconds of the caller's clock without an event. `None`: never.
    pub idle_timeout: Option<i64>,
    /// Times further ahead than so many nanoseconds are not believed at once.
    pub max_future: i64,
}

impl Default for Patience {
    fn default() -> Self {
        const SECOND: i64 = 1_000_000_000;
        Self {
            max_lateness: 60 * SECOND,
            idle_timeout: Some(60 * SECOND),
            max_future: 3600 * SECOND,
        }
    }
}

/// What is known of one source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Source {
    /// The largest accepted time.
    pub(crate) largest: Option<i64>,
    /// The last doubtful times in a row, ascending; fewer than [`CONFIRMATIONS`].
    pub(crate) doubtful: Vec<i64>,
    /// When it was last heard of, by the caller's clock.
    pub(crate) heard: Option<i64>,
    pub(crate) idle: bool,
    pub(crate) finished: bool,
    /// Times that were not believed when they came.
    pub(crate) future: u64,
}

/// The watermark.
#[derive(Clone, Debug)]
pub(crate) struct Watermark {
    patience: Patience,
    pub(crate) sources: BTreeMap<u32, Source>,
    /// The caller's clock.
    pub(crate) clock: Option<i64>,
    /// No event before this is expected.
    pub(crate) time: i64,
    /// The largest accepted time of all sources.
    pub(crate) largest: Option<i64>,
}

impl Watermark {
    pub(crate) fn new(patience: Patience) -> Self {
        let sources = BTreeMap::new();
        Self { patience, sources, clock: None, time: i64::MIN, largest: None }
    }

    /// From now on the watermark waits for this source.
    pub(crate) fn register(&mut self, source: u32) {
        let clock = self.clock;
        let known = self.sources.entry(source).or_default();
        known.finished = false;
        known.idle = false;
        known.heard = clock.or(known.heard);
    }

    /// An event came. Whether the watermark moved.
    pub(crate) fn observe(&mut self, source: u32, time: i64) -> bool {
        let (clock, patience) = (self.clock, self.patience);
        let known = self.sources.entry(source).or_default();
        known.heard = clock;
        known.finished = false;
        let woken = std::mem::take(&mut known.idle);
        let before = known.largest;
        known.see(time, clock, patience.max_future);
        if known.largest == before && !woken {
            return false;
        }
        self.largest = self.largest.max(known.largest);
        // Only the source that holds the watermark back can move it.
        let held =
            before.is_none_or(|before| before.saturating_sub(patience.max_lateness) <= self.time);
        (held || woken) && self.settle()
    }

    /// A source has ended.
    pub(crate) fn finish(&mut self, source: u32) -> bool {
        self.sources.entry(source).or_default().finished = true;
        self.settle()
    }

    /// The caller's clock.
    pub(crate) fn tick(&mut self, now: i64) -> bool {
        let now = self.clock.map_or(now, |clock| clock.max(now));
        self.clock = Some(now);
        let Patience { idle_timeout, max_future, .. } = self.patience;
        for known in self.sources.values_mut() {
            let heard = *known.heard.get_or_insert(now);
            known.idle |= idle_timeout.is_some_and(|timeout| now.saturating_sub(heard) >= timeout);
            // Stamps that were ahead of the clock, or came before there was one.
            let credible = now.saturating_add(max_future);
            let caught_up = known.doubtful.partition_point(|time| *time <= credible);
            known.largest = known.largest.max(known.doubtful.drain(..caught_up).next_back());
            self.largest = self.largest.max(known.largest);
        }
        self.settle()
    }

    /// The silence until the next tick does not count.
    pub(crate) fn stood_still(&mut self) {
        self.sources.values_mut().for_each(|known| known.heard = None);
    }

    /// Moves it past a time without waiting.
    pub(crate) fn force(&mut self, time: i64) {
        self.time = self.time.max(time);
    }

    /// The latest time that is credible now. `None` if nothing says so.
    pub(crate) fn credible(&self) -> Option<i64> {
        Some(self.clock.or(self.largest)?.saturating_add(self.patience.max_future))
    }

    /// How many times each source said that were not believed, by source.
    pub(crate) fn future(&self) -> Vec<(u32, u64)> {
        self.sources
            .iter()
            .filter(|(_, known)| known.future > 0)
            .map(|(source, known)| (*source, known.future))
            .collect()
    }

    /// Computes it anew. Whether it moved.
    fn settle(&mut self) -> bool {
        let lateness = self.patience.max_lateness;
        let live = || self.sources.values().filter(|known| !known.finished);
        let awake = live().filter(|known| !known.idle);
        // A source that said nothing yet holds it where it is.
        let bounds = awake.map(|known| {
            known.largest.map_or(i64::MIN, |largest| largest.saturating_sub(lateness))
        });
        let time = match bounds.min() {
            Some(time) => time,
            None => {
                let largest = live().filter_map(|known| known.largest).max();
                largest.map_or(i64::MIN, |largest| largest.saturating_add(1))
            }
        };
        let moved = time > self.time;
        self.time = self.time.max(time);
        moved
    }
}

impl Source {
    fn see(&mut self, time: i64, clock: Option<i64>, max_future: i64) {
        let credible = match clock {
            Some(now) => time <= now.saturating_add(max_future),
            None => match self.largest {
                Some(largest) => time <= largest.saturating_add(max_future),
                None => max_future == i64::MAX,
            },
        };
        if credible {
            self.largest = self.largest.max(Some(time));
            self.doubtful.clear();
            return;
        }
        self.future += u64::from(self.largest.is_some() || clock.is_some());
        let at = self.doubtful.partition_point(|other| *other <= time);
        self.doubtful.insert(at, time);
        if self.doubtful.len() < CONFIRMATIONS {
            return;
        }
        if clock.is_some() {
            // The clock knows better, however many say so. The smallest will be due first.
            self.doubtful.pop();
            return;
        }
        let accepted = self.doubtful.remove(0);
        let reached = accepted.saturating_add(max_future);
        self.largest = self.largest.max(Some(accepted));
        // Those that the accepted one makes credible.
        let near = self.doubtful.partition_point(|other| *other <= reached);
        self.largest = self.largest.max(self.doubtful.drain(..near).next_back());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watermark(max_lateness: i64, idle_timeout: Option<i64>) -> Watermark {
        Watermark::new(Patience { max_lateness, idle_timeout, max_future: 100 })
    }

    /// One whose sources are believed from the first event on.
    fn clocked(max_lateness: i64, idle_timeout: Option<i64>) -> Watermark {
        let mut watermark = watermark(max_lateness, idle_timeout);
        watermark.tick(1000);
        watermark
    }

    #[test]
    fn is_the_smallest_of_all_sources_and_never_goes_back() {
        let mut watermark = clocked(5, None);
        watermark.register(0);
        watermark.register(1);
        assert!(!watermark.observe(0, 50));
        assert_eq!(watermark.time, i64::MIN);
        assert!(watermark.observe(1, 20));
        assert_eq!(watermark.time, 15);
        assert!(!watermark.observe(0, 60));
        assert!(!watermark.observe(1, 10));
        assert!(watermark.observe(1, 100));
        assert_eq!(watermark.time, 55);
        watermark.register(2);
        assert!(!watermark.observe(2, 3));
        assert_eq!(watermark.time, 55);
    }

    #[test]
    fn finished_and_idle_sources_do_not_hold_it_back() {
        let mut watermark = clocked(5, Some(10));
        for source in 0..3 {
            watermark.observe(source, 20);
        }
        watermark.observe(0, 100);
        watermark.tick(1005);
        watermark.observe(0, 110);
        watermark.observe(1, 30);
        assert_eq!(watermark.time, 15);
        assert!(watermark.tick(1010));
        assert_eq!(watermark.time, 25);
        assert!(watermark.finish(1));
        assert_eq!(watermark.time, 105);
        // All idle: past all that came.
        assert!(watermark.tick(1020));
        assert_eq!(watermark.time, 111);
        // One that is back counts again.
        watermark.observe(2, 112);
        watermark.observe(0, 130);
        assert_eq!(watermark.time, 111);
        watermark.observe(2, 140);
        assert_eq!(watermark.time, 125);
    }

    #[test]
    fn sources_are_not_idle_because_nobody_listened() {
        let mut watermark = clocked(5, Some(10));
        watermark.observe(0, 20);
        watermark.observe(1, 50);
        assert_eq!(watermark.time, 15);
        watermark.stood_still();
        assert!(!watermark.tick(5000));
        assert!(!watermark.tick(5009));
        watermark.observe(1, 60);
        assert!(watermark.tick(5010));
        assert_eq!(watermark.time, 55);
    }

    #[test]
    fn a_stray_future_stamp_does_not_move_it() {
        let mut watermark = watermark(0, None);
        for time in 0..40 {
            watermark.observe(0, time);
            watermark.observe(0, 86_400 + time);
        }
        assert!((0..40).contains(&watermark.time) || watermark.time == i64::MIN);
        let mut watermark = clocked(0, None);
        watermark.observe(0, 900);
        for _ in 0..100 {
            assert!(!watermark.observe(0, 1101));
        }
        assert_eq!(watermark.time, 900);
        // Until the clock has come there.
        assert!(watermark.tick(1001));
        assert_eq!(watermark.time, 1101);
        assert_eq!(watermark.future(), [(0, 100)]);
    }

    #[test]
    fn a_log_that_goes_on_after_a_pause_moves_it() {
        let mut watermark = watermark(0, None);
        (0..20).for_each(|time| {
            watermark.observe(0, time);
        });
        assert_eq!(watermark.time, 19);
        // The first of them is wrong even there.
        watermark.observe(0, 1_000_000);
        for time in 0..CONFIRMATIONS as i64 - 1 {
            assert_eq!(watermark.time, 19);
            watermark.observe(0, 5000 + time);
        }
        assert_eq!(watermark.time, 5014);
        assert_eq!(watermark.sources[&0].doubtful, [1_000_000]);
    }

    #[test]
    fn times_at_the_ends_of_time_do_no_harm() {
        let mut watermark = watermark(i64::MAX, Some(0));
        for time in [i64::MIN, i64::MAX, 0] {
            for _ in 0..40 {
                watermark.observe(0, time);
                watermark.tick(time);
            }
        }
        watermark.finish(0);
        watermark.force(i64::MAX);
        assert_eq!(watermark.time, i64::MAX);
    }
}
