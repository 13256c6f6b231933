//! End-to-end tests.

mod agreement;
mod check;
mod command;
mod config;
mod confluent;
mod conformance;
mod correlations;
mod documents;
mod equivalence;
mod hunt;
mod json;
mod kafka;
mod laws;
mod rule_tests;
mod rules;
mod schema;
mod service;
mod shared;
mod stages;
mod starter_pack;
mod telemetry;
mod topics;
