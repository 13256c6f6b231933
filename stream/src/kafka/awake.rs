//! Time in which this process ran: one that is stopped, or whose machine sleeps, must not take that for the silence of others.

use std::time::{Duration, Instant};

/// Counts time as long as somebody looks several times a second.
#[derive(Debug)]
pub(super) struct Awake {
    last: Instant,
    total: Duration,
}

/// More between two looks is a standstill.
const STEP: Duration = Duration::from_secs(1);

impl Awake {
    /// Begins now.
    pub(super) fn since(now: Instant) -> Self {
        Self { last: now, total: Duration::ZERO }
    }

    /// How long it was awake so far.
    pub(super) fn look(&mut self, now: Instant) -> Duration {
        self.total += now.saturating_duration_since(self.last).min(STEP);
        self.last = now;
        self.total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_standstill_does_not_count() {
        let begin = Instant::now();
        let at = |millis: u64| begin + Duration::from_millis(millis);
        let mut awake = Awake::since(begin);
        assert_eq!(awake.look(at(100)), Duration::from_millis(100));
        assert_eq!(awake.look(at(1_000)), Duration::from_millis(1_000));
        assert_eq!(awake.look(at(91_000)), Duration::from_millis(2_000));
        assert_eq!(awake.look(at(91_100)), Duration::from_millis(2_100));
    }
}
