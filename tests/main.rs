//! End-to-end tests.

mod agreement;
mod check;
mod command;
mod conformance;
mod equivalence;
mod hunt;
mod json;
mod laws;
mod readme;
mod rule_tests;
mod schema;
mod shared;
mod stages;
