//! `sigmund run` on Apache Kafka: what it detects is what `sigmund hunt` detects, whatever happens to its processes and brokers.

mod again;
mod backlog;
mod chaos;
mod confluent;
mod events;
mod fixtures;
mod large;
mod operator;
mod orphans;
mod outline;
mod patterns;
mod replay;
mod rolling;
mod rules;
mod running;
mod security;
mod windows;
