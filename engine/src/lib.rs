//! Compiles checked Sigma rules and matches events against them.
//!
//! This crate owns the event ([`Event`] whole, [`Record`] as the hot path sees it), log source
//! routing ([`Route`], [`Routing`]), aliases, the compiled [`RuleSet`] and its [`Matcher`], the plain
//! evaluator ([`oracle`]), [`explain`] and [`Detection`]. It knows nothing of files, Kafka, clocks or
//! async: time comes in with the events, and the same events in the same order give the same output.
#![deny(missing_docs)]

pub mod alias;
pub mod detection;
mod event;
pub mod explain;
mod fields;
pub mod fold;
pub mod oracle;
mod record;
mod route;
pub mod time;
pub mod value;

pub use alias::AliasTable;
pub use detection::Detection;
pub use event::Event;
pub use fields::{FieldTable, Fields, Kind, Slot, Store, ValueSpan};
pub use record::{Body, Record};
pub use route::{Route, Routing};
pub use time::{EventTime, TimeSource};
pub use value::{Object, Value};
