//! Log formats: bytes to records, records to events.
//!
//! Four layers, each testable alone: framing (bytes → records, [`framing`]), envelopes (syslog, docker, JSON strings …,
//! [`envelope`]), one parser per log format ([`Format`], [`Parser`]), and the normalisation tables that
//! give each kind of event its log sources and aliases (beside each format). Nothing here does I/O:
//! callers hand in bytes. A parser never fails a stream: what it cannot read is still an event with its text.
//!
//! A new format is one file with a [`Format`] and a line in [`FORMATS`].
#![deny(missing_docs)]

pub mod decompress;
mod detect;
mod envelope;
mod firewall;
mod format;
mod framing;
pub mod json;
mod linux;
#[cfg(test)]
mod look;
#[cfg(test)]
mod samples;
mod stream;
pub mod suricata;
#[cfg(test)]
mod sweep;
mod syslog;
mod text;
mod time;
mod uri;
pub mod windows;
pub mod zeek;

pub use detect::{detect, format_named};
pub use envelope::{Cri, Envelope};
pub use format::{
    FORMATS, Format, Framing, Head, Line, Outcome, Parser, Score, StreamInfo, field_value,
    flat_event,
};
pub use stream::{Again, Counts, DEFAULT_LIMIT, Framed, Split, Stream};
pub use syslog::Syslog;
pub use text::Text;
