//! A whole event, owned: what the plain evaluator, `explain` and the encoders read.

use crate::{EventTime, Object, Route};
use std::sync::Arc;

/// A whole event.
#[derive(Clone, Debug)]
pub struct Event {
    /// The record as it came, after framing and decompression.
    pub raw: Arc<[u8]>,
    /// Its native fields: the JSON object as written, or the named fields of a text format.
    pub object: Object,
    /// Fields of known containers under their short names (`Event.EventData.Image` → `Image`,
    /// `winlog.channel` → `Channel`): they add to `object`, and `object` wins.
    pub lifted: Object,
    /// What keywords search: the raw text for text formats, otherwise every scalar of `object`
    /// (choice C7).
    pub keywords_in_raw: bool,
    /// Log sources and aliases.
    pub route: Arc<Route>,
    /// When it happened, if the record says so.
    pub time: Option<EventTime>,
}
