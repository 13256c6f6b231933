//! Correlation: windowed aggregation over the hits of rules, in event time.
//!
//! [`Correlations`] are compiled rules. A hit is a [`Sighting`]: an event that rules matched, reduced to the fields that
//! correlations read. [`Windows`] takes sightings in order of time and says, exactly, which conditions hold. [`Correlator`] takes
//! them in any order within a lateness bound, from several sources.
//!
//! Nothing here reads a clock or does I/O; the same sightings give the same alerts, byte for byte.

mod alert;
mod changelog;
mod condition;
mod contents;
mod correlator;
mod correlator_state;
mod cover;
mod distinct;
mod early;
mod encoding;
mod groups;
mod growth;
mod hash;
mod hits;
mod holdings;
mod index;
mod key;
mod limits;
mod marks;
mod monotone;
mod naming;
mod number;
mod order_statistics;
mod overlay;
mod passage;
mod room;
mod rule;
mod segments;
pub(crate) mod semantic;
mod share;
mod sighting;
mod split;
mod state;
#[cfg(test)]
mod tests;
mod texts;
mod timers;
mod unordered;
mod watermark;
mod window;
mod windows;

pub use alert::{Alert, Policy, Reason};
pub use condition::Decided;
pub use correlator::{Correlator, Emit, Late, Lateness, Options, Output};
pub use holdings::{Holder, Holding};
pub use limits::{Limits, RuleUsage, Usage};
pub use number::{Fixed, Measure, Wide};
pub use passage::SightingError;
pub use rule::{Correlations, used_rules};
pub use semantic::{SemanticHash, of_rule as meaning_of};
pub use sighting::{EventRef, Sighting};
pub use state::{Restored, StateEntry, StateError, StateKey};
pub use watermark::{CONFIRMATIONS, Patience};
pub use window::{Contributions, Entry, SHOWN};
pub use windows::Windows;

/// What the plain model in [`crate::oracle::correlation`] shares with the engine: the compiled rules, and what identifies groups and alerts.
pub(crate) mod compiled {
    pub(crate) use super::condition::holds as holds_for;
    pub(crate) use super::key::{group_key, key_texts, value};
    pub(crate) use super::naming::{alert_id, rules_of};
    pub(crate) use super::rule::{Input, Node};
    pub(crate) use super::window::{Value, rule_bit};
}
