//! Compiling: rules to predicates, programs and triggers.
//!
//! `Rule` → [`expr`] (boolean expression over interned [`predicate`]s) → [`bucket`] (the rules of one log source and
//! EventID together) with [`trigger`]s (cheap necessary conditions), [`literal_set`]s and flat [`program`]s.

pub(crate) mod as_written;
pub(crate) mod bucket;
pub(crate) mod expr;
pub(crate) mod expression;
pub(crate) mod few;
pub(crate) mod grams;
pub(crate) mod keywords;
pub(crate) mod literal_set;
pub(crate) mod predicate;
pub(crate) mod program;
pub(crate) mod required;
pub(crate) mod trigger;
pub(crate) mod wildcard;
