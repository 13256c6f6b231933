//! What benches and tests share: loading rules from folders, and the comparison of both evaluations.

pub mod agree;
pub mod files;
