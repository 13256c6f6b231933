//! The running service: raw events from Kafka topics, detections to Kafka topics, exactly once.
//!
//! This crate owns what stands between the engine and Kafka: configuration, topics, transactions, the state that correlations keep
//! in a changelog, reload, and what the service says about itself. It knows nothing of the command line.

pub mod codes;
pub mod config;
pub mod correlate;
pub mod destination;
pub mod detect;
pub mod encode;
pub mod evidence;
pub mod field_mapping;
pub mod file_date;
pub mod file_identity;
pub mod kafka;
pub mod lane;
pub mod loading;
pub mod log;
pub mod meaning;
pub mod metadata_filter;
pub mod outgoing;
pub mod outlets;
pub mod plan;
pub mod publication;
pub mod reading;
pub mod reload;
pub mod replay;
pub mod rule_files;
pub mod rules;
pub mod rules_status;
pub mod rules_topic;
pub mod service;
pub mod sighting;
pub mod snapshot;
pub mod telemetry;
pub mod words;
