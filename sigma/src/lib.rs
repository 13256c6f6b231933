//! The Sigma language: text in, checked rules and diagnostics out.
//!
//! This crate owns everything that is written in a rule file: the YAML layer with byte spans
//! ([`yaml`]), the three kinds of documents ([`Rule`], [`Correlation`], [`Filter`]), modifiers and
//! values ([`modifier`], [`value`]), the condition grammar ([`condition`]), placeholders and
//! processing pipelines ([`pipeline`]), and lint ([`lint`]). It knows nothing of events and does
//! no I/O: callers hand in texts with their names.
//!
//! The way of a text: [`yaml::parse`] → [`yaml::Node`] → rule with values as written →
//! [`pipeline`] → modifiers applied in written order → checked [`Rule`].
//! [`Loader`] walks it for whole collections, because `action: global`, references and filters
//! cross document borders.
//!
//! Source: Sigma specification 2.1.0; where it is silent, the choices are named at each place.
#![deny(missing_docs)]
#![expect(
    clippy::result_large_err,
    reason = "an error ends the reading of a rule; it is never on a hot path"
)]

mod action;
pub mod condition;
pub mod correlation;
mod detection;
pub mod diagnostic;
pub mod filter;
pub mod lint;
mod loader;
pub mod logsource;
mod metadata;
pub mod modifier;
pub mod pipeline;
mod read;
mod reference;
pub mod rule;
mod span;
pub mod suggestion;
pub mod value;
pub mod yaml;

pub use correlation::Correlation;
pub use diagnostic::{Diagnostic, Severity};
pub use filter::Filter;
pub use loader::{Collection, Loader, Source};
pub use logsource::LogSource;
pub use rule::{Item, Rule, Search, Selection};
pub use span::{Lines, Position, Span};
pub use value::{Matcher, Pattern, Token};
