//! A record while it is read: the reused buffer between a parser and the matcher.

use crate::{EventTime, FieldTable, Fields, Route};
use std::sync::Arc;

/// What keywords search in a record (choice C7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Body {
    /// Text formats: the record's bytes as one value.
    #[default]
    Text,
    /// The record is one JSON object: every scalar of it.
    Json,
    /// Anything else with structure (event XML, JSON inside an envelope): every scalar of the whole event.
    Structured,
}

/// One record with the fields that are wanted of it. Reused from record to record.
#[derive(Debug)]
pub struct Record {
    /// The fields.
    pub fields: Fields,
    /// Set by the parser.
    pub route: Option<Arc<Route>>,
    /// Set by the parser.
    pub body: Body,
    /// Whether a JSON body may have `\uXXXX` escapes, so that its bytes do not show its text; parsers
    /// that know better say `false`.
    pub has_unicode_escapes: bool,
    /// Whether the record's bytes are known to be ASCII; parsers that know better say `true`.
    pub is_ascii: bool,
    /// Whether the record is known to be a JSON object of ASCII characters without blanks between its parts, with no other escapes than JSON has, and
    /// none by number.
    pub is_compact: bool,
    /// Set by the parser if it was asked for, or had to read it anyway.
    pub time: Option<EventTime>,
    /// Whether the parser should read the time: off on the hot path, where only detections need it.
    pub wants_time: bool,
}

impl Record {
    /// For matching: only the wanted fields are filled.
    #[must_use]
    pub fn new(table: Arc<FieldTable>) -> Self {
        Self::with(Fields::new(table), false)
    }

    /// For the whole event: every field and the time.
    #[must_use]
    pub fn collecting() -> Self {
        Self::with(Fields::collecting(), true)
    }

    fn with(fields: Fields, wants_time: bool) -> Self {
        Self {
            fields,
            route: None,
            body: Body::Text,
            has_unicode_escapes: true,
            is_ascii: false,
            is_compact: false,
            time: None,
            wants_time,
        }
    }

    /// Forgets the last record.
    pub fn clear(&mut self) {
        self.fields.clear();
        self.route = None;
        self.body = Body::Text;
        self.has_unicode_escapes = true;
        self.is_ascii = false;
        self.is_compact = false;
        self.time = None;
    }

    /// Adds a text field, copied.
    pub fn set(&mut self, name: &str, text: impl AsRef<[u8]>) {
        self.fields.set(name, text);
    }
}
