//! Hits on their way to correlations, with what their events need to be shown again.

use sigmund_engine::correlation::Sighting;
use sigmund_engine::{Body, Event, Object, Record, Route};
use sigmund_parsers::json::{lift, read, write};
use std::sync::Arc;

/// A hit for correlations, with what alerts show of its event.
#[derive(Debug)]
pub struct Evidence {
    /// Its place is the number of the record within the part of the input.
    pub sighting: Sighting,
    /// Where the record was read from.
    pub path: Arc<str>,
    /// What kind of event it is.
    pub route: Arc<Route>,
    /// The record as it came.
    pub raw: Box<[u8]>,
    /// The fields as JSON, of records that are no JSON object.
    pub fields: Option<Box<str>>,
}

impl Evidence {
    /// `None` if the record has no route. `whole` builds the event, asked for only where the record does not say everything by itself.
    pub fn new(
        sighting: Sighting,
        path: &Arc<str>,
        bytes: &[u8],
        record: &Record,
        whole: &mut dyn FnMut() -> Event,
    ) -> Option<Self> {
        let route = Arc::clone(record.route.as_ref()?);
        let fields = match record.body {
            Body::Json => None,
            Body::Text | Body::Structured => Some(write::object(&whole().object).into()),
        };
        Some(Self { sighting, path: Arc::clone(path), route, raw: bytes.into(), fields })
    }
}

/// The whole event of what was kept of it: its record, and the fields as JSON if the record is no JSON object.
#[must_use]
pub fn event(raw: &[u8], fields: Option<&[u8]>, route: &Arc<Route>) -> Event {
    let object = read::object(fields.unwrap_or(raw)).unwrap_or_default();
    let is_json = fields.is_none();
    Event {
        raw: Arc::from(raw),
        lifted: if is_json { lift::lifted(&object) } else { Object::default() },
        object,
        keywords_in_raw: !is_json,
        route: Arc::clone(route),
        time: None,
    }
}
