//! What runs against Apache Kafka.
//!
//! A test asks [`honesty::honest_broker`] for the broker that all tests of the process share, or starts one of its own
//! ([`broker::Broker::start`], `start_three`) if it kills it. Either is given out only after the checks of
//! [`honesty`] passed on it. Where Kafka can not be had, both say so loudly and give nothing; with
//! `SIGMUND_REQUIRE_KAFKA=1`, as in `.ci/run`, that fails the test.

pub(crate) mod broker;
pub(crate) mod client;
pub(crate) mod honesty;
pub(crate) mod quick_start;
mod support;
