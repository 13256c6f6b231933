//! A detection: a rule that matched an event.

/// A rule that matched an event.
#[derive(Clone, Debug)]
pub struct Detection {}
