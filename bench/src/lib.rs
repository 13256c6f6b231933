//! What benches and tests share: rules and logs, the stages of a hunt one by one, CPU time, and the comparison of both
//! evaluations.

pub mod agree;
pub mod cpu_time;
pub mod files;
pub mod service;
pub mod stage;
pub mod topic;
