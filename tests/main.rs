//! End-to-end tests.

mod agreement;
mod conformance;
mod equivalence;
mod json;
mod shared;
