//! The clock that windows see: it never goes back, and a jump of the machine's clock is none of it.
//!
//! Windows are in event time. The clock decides only which sources have been silent for long, and which times are too far ahead to be
//! believed. Somebody who sets the machine's clock, or a machine that slept, must not make all sources silent at once.

use std::time::{Duration, Instant};

/// A difference that is no drift.
const JUMP: i64 = 5_000_000_000;

/// See the module.
#[derive(Debug)]
pub(super) struct Clock {
    time: i64,
    wall: i64,
    steady: Instant,
}

fn nanos(time: Duration) -> i64 {
    i64::try_from(time.as_nanos()).unwrap_or(i64::MAX)
}

impl Clock {
    /// Begins with what the machine's clock says (nanoseconds since 1970).
    pub(super) fn new(wall: i64, steady: Instant) -> Self {
        Self { time: wall, wall, steady }
    }

    /// The time, and by how much the machine's clock was set since the last look, if it was.
    pub(super) fn look(&mut self, wall: i64, steady: Instant) -> (i64, Option<i64>) {
        let passed = nanos(steady.saturating_duration_since(self.steady));
        let jump = wall.saturating_sub(self.wall.saturating_add(passed));
        (self.wall, self.steady) = (wall, steady);
        self.time = self.time.saturating_add(passed).max(wall);
        (self.time, (jump.saturating_abs() >= JUMP).then_some(jump))
    }

    /// As it was at the last look.
    pub(super) fn time(&self) -> i64 {
        self.time
    }

    /// Others have seen this time already.
    pub(super) fn reach(&mut self, time: i64) {
        self.time = self.time.max(time);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;

    #[test]
    fn goes_with_the_machine() {
        let begin = Instant::now();
        let mut clock = Clock::new(1000 * SECOND, begin);
        let at = |seconds: u64| begin + Duration::from_secs(seconds);
        assert_eq!(clock.look(1010 * SECOND, at(10)), (1010 * SECOND, None));
        // It runs a little fast.
        assert_eq!(clock.look(1021 * SECOND, at(20)), (1021 * SECOND, None));
    }

    #[test]
    fn goes_on_steadily_when_the_machine_is_set_back() {
        let begin = Instant::now();
        let mut clock = Clock::new(10_000 * SECOND, begin);
        let at = |seconds: u64| begin + Duration::from_secs(seconds);
        let set = Some(-3600 * SECOND);
        assert_eq!(clock.look(6401 * SECOND, at(1)), (10_001 * SECOND, set));
        assert_eq!(clock.look(6411 * SECOND, at(11)), (10_011 * SECOND, None));
        // And right again, an hour after all is as it was.
        assert_eq!(clock.look(10_012 * SECOND, at(12)).0, 10_012 * SECOND);
    }

    #[test]
    fn says_when_the_machine_is_set_forward() {
        let begin = Instant::now();
        let mut clock = Clock::new(0, begin);
        let jump = clock.look(3601 * SECOND, begin + Duration::from_secs(1));
        assert_eq!(jump, (3601 * SECOND, Some(3600 * SECOND)));
        clock.reach(4000 * SECOND);
        let next = clock.look(3602 * SECOND, begin + Duration::from_secs(2));
        assert_eq!(next, (4001 * SECOND, None));
        assert_eq!(clock.look(i64::MAX, begin).0, i64::MAX);
    }
}
