//! The condition grammar (semantics section 13): text to [`Condition`] with selection indices.

use crate::Span;

/// A condition over the selections of one rule, by index into its `selections`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// All must hold; never empty.
    And(Vec<Condition>),
    /// One must hold; never empty.
    Or(Vec<Condition>),
    /// Must not hold.
    Not(Box<Condition>),
    /// A selection.
    Selection(usize, Span),
    /// `1 of …` (`any of`) or `all of …`, with the selections its pattern found.
    /// Without any, both are false and lint says so (choice C11).
    Of {
        /// `all of`; otherwise `1 of`.
        all: bool,
        /// The pattern as written, or `them`.
        pattern: Box<str>,
        /// What it found, in the order of the rule.
        selections: Vec<usize>,
        /// Where.
        span: Span,
    },
}
