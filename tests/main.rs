//! End-to-end tests.

mod conformance;
mod json;
mod shared;
