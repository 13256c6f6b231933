//! Event time: when it happened, where that was read, and what had to be assumed.

/// Where an event time was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeSource {
    /// A field of the event, by its native name.
    Field(&'static str),
    /// A syslog or envelope header.
    Header,
}

/// The time of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventTime {
    /// Nanoseconds since 1970-01-01T00:00:00Z.
    pub nanos: i64,
    /// Where it was read.
    pub source: TimeSource,
    /// The text had no year; it was inferred.
    pub year_inferred: bool,
    /// The text had no zone; one was assumed.
    pub zone_assumed: bool,
}
