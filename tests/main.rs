//! End-to-end tests.

mod conformance;
mod equivalence;
mod json;
mod shared;
