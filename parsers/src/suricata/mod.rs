//! Suricata: EVE JSON as a schema of the JSON reader ([`eve`]) and `fast.log` ([`fast`]), which Snort writes too;
//! their log sources and aliases are the same.
//!
//! The authority for EVE is Suricata's own `etc/schema.json` and its user guide, EVE output.

mod alias;
pub mod eve;
mod fast;
pub(crate) mod route;
#[cfg(test)]
mod samples;

pub use fast::Fast;
