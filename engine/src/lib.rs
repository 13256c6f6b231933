//! Compiles checked Sigma rules and matches events against them.
//!
//! This crate owns the event ([`Event`] whole, [`Record`] as the hot path sees it), log source
//! routing ([`Route`], [`Routing`]), aliases, the compiled [`RuleSet`] and its [`Matcher`], the plain
//! evaluator ([`oracle`]), [`explain`] and [`Detection`]. It knows nothing of files, Kafka, clocks or
//! async: time comes in with the events, and the same events in the same order give the same output.
#![deny(missing_docs)]

pub mod alias;
mod compile;
pub mod correlation;
pub mod detection;
pub mod escape;
mod event;
pub mod explain;
mod fields;
mod find;
pub mod fold;
mod identity;
mod matcher;
mod occurrence;
pub mod oracle;
mod recall;
mod record;
mod route;
mod ruleset;
mod tests_on_text;
pub mod time;
pub mod value;
pub mod vector;

pub use alias::AliasTable;
pub use detection::Detection;
pub use event::Event;
pub use fields::{FieldTable, Fields, Kind, OWN_WAY, Reader, Slot, Store, ValueSpan};
pub use identity::{DetectionId, EventDigest};
pub use matcher::{Matcher, Stats};
pub use occurrence::{Occurrence, Partial, Reread};
pub use recall::{Recall, Recalled};
pub use record::{Body, Record};
pub use route::{AddedLogSource, ConditionValue, Route, Routing};
pub use ruleset::RuleSet;
pub use time::{EventTime, TimeSource};
pub use value::{Object, Value};
