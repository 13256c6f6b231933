//! How much may be decided at once: time that jumps must not hold up everything else.

use super::alert::Alert;
use super::limits::Limits;

/// How much more may be done at once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Room {
    alerts: usize,
    steps: usize,
}

impl Default for Room {
    fn default() -> Self {
        Self { alerts: usize::MAX, steps: usize::MAX }
    }
}

impl Room {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self { alerts: limits.alerts_at_once.max(1), steps: limits.steps_at_once.max(1) }
    }

    pub(crate) fn is_left(&self, out: &[Alert]) -> bool {
        self.steps > 0 && out.len() < self.alerts
    }

    pub(crate) fn take(&mut self, steps: usize) {
        self.steps = self.steps.saturating_sub(steps);
    }
}
