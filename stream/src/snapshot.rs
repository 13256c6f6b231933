//! The rules in force. All lanes see a whole new set or the one before it, never something in between.

use crate::rules::Rules;
use arc_swap::ArcSwap;
use std::sync::Arc;

/// Rules and everything that was made of them.
#[derive(Debug)]
pub struct Snapshot {
    /// The rules.
    pub rules: Arc<Rules>,
    /// Counts up with every change.
    pub version: u64,
}

/// Where the newest rules are.
#[derive(Debug)]
pub struct Snapshots(ArcSwap<Snapshot>);

impl Snapshots {
    /// With the first rules.
    #[must_use]
    pub fn new(rules: Rules) -> Self {
        Self(ArcSwap::from_pointee(Snapshot { rules: Arc::new(rules), version: 1 }))
    }

    /// The newest rules. Lanes ask between transactions.
    #[must_use]
    pub fn newest(&self) -> Arc<Snapshot> {
        self.0.load_full()
    }

    /// Puts other rules in force.
    pub fn replace(&self, rules: Rules) {
        let version = self.0.load().version + 1;
        self.0.store(Arc::new(Snapshot { rules: Arc::new(rules), version }));
    }
}
