//! The time of a JSON event: the first of a list of fields that holds one.

use super::parser::find;
use crate::StreamInfo;
use crate::time;
use sigmund_engine::{
    EventTime, FieldTable, Fields, Kind, Object, Slot, TimeSource, Value, ValueSpan,
};

/// Fields that hold the time of an event, the most trustworthy first, and whether they are in UTC where they do not say.
/// Times of collection come last.
const FIELDS: &[(&str, bool)] = &[
    ("TimeCreated_SystemTime", true),
    ("ts", true),
    ("@timestamp", true),
    ("TimeCreated", true),
    ("timestamp", false),
    ("eventTime", true),
    ("published", true),
    ("requestReceivedTimestamp", true),
    ("createdDateTime", true),
    ("activityDateTime", true),
    ("CreationTime", true),
    ("SystemTime", true),
    // Azure, of the event; `UtcTime` of Sysmon in its `EventData` may be a little earlier.
    ("TimeGenerated", true),
    ("UtcTime", true),
    ("EventTime", false),
    ("_SOURCE_REALTIME_TIMESTAMP", true),
    ("__REALTIME_TIMESTAMP", true),
    ("time", false),
    ("Timestamp", false),
    ("datetime", false),
    ("date", false),
    ("event_time", false),
    ("eventtime", false),
    ("event.start", true),
    ("event.created", true),
    ("created_at", false),
    ("createdAt", false),
    ("start_time", false),
    ("startTime", false),
    ("_time", false),
    ("log_time", false),
    ("logtime", false),
    ("_write_ts", true),
    ("EventReceivedTime", false),
];

/// The event's time.
pub(crate) fn of(object: &Object, lifted: &Object, info: &StreamInfo) -> Option<EventTime> {
    FIELDS.iter().find_map(|(name, utc)| {
        let values = find(object, lifted, name);
        let text = values.iter().find_map(|value| match value {
            Value::Text(text) | Value::Number(text) => Some(text),
            _ => None,
        })?;
        let instant = time::read(text, &info.assumed_zone, *utc)?;
        Some(EventTime {
            nanos: instant.nanos,
            source: TimeSource::Field(name),
            year_inferred: false,
            zone_assumed: instant.zone_assumed,
        })
    })
}

/// The names of the fields that may hold the time of a JSON event. Where all of them are wanted, times are read without a look at the
/// whole event.
pub fn fields() -> impl Iterator<Item = &'static str> {
    FIELDS.iter().map(|(name, _)| *name)
}

/// The slots of the fields; `None` if one is not wanted.
pub(super) fn slots(table: &FieldTable) -> Option<Vec<Slot>> {
    fields().map(|name| table.get(name)).collect()
}

/// The event's time from a record that has the fields in these slots.
pub(super) fn of_record(
    bytes: &[u8],
    fields: &Fields,
    slots: &[Slot],
    info: &StreamInfo,
) -> Option<EventTime> {
    let mut decoded = Vec::new();
    FIELDS.iter().zip(slots).find_map(|((name, utc), slot)| {
        let is_text =
            |value: &ValueSpan| matches!(value.kind, Kind::Text | Kind::JsonText | Kind::Number);
        let value = fields.values(*slot).find(is_text)?;
        let mut text = fields.bytes(bytes, value);
        if value.kind == Kind::JsonText && text.contains(&b'\\') {
            decoded.clear();
            super::read::unescape(text, &mut decoded);
            text = &decoded;
        }
        let instant = time::read(std::str::from_utf8(text).ok()?, &info.assumed_zone, *utc)?;
        Some(EventTime {
            nanos: instant.nanos,
            source: TimeSource::Field(name),
            year_inferred: false,
            zone_assumed: instant.zone_assumed,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Parser;
    use crate::json::parser::JsonParser;
    use crate::json::{lift, read};
    use sigmund_engine::{Record, Routing};
    use std::sync::Arc;

    fn time(text: &str) -> Option<(TimeSource, i64, bool)> {
        let info = StreamInfo {
            file_name: "".into(),
            reference_time: 0,
            assumed_zone: jiff::tz::TimeZone::fixed(jiff::tz::offset(2)),
            routing: Arc::new(Routing::default()),
        };
        let object = read::object(text.as_bytes()).unwrap();
        let time = of(&object, &lift::lifted(&object), &info);
        // The fast way says the same.
        let names = super::super::schema::discriminators().chain(fields());
        let mut record = Record::new(Arc::new(FieldTable::new(names)));
        record.wants_time = true;
        JsonParser::new(&info).parse(text.as_bytes(), &mut record);
        assert_eq!(record.time, time, "{text}");
        let time = time?;
        Some((time.source, time.nanos, time.zone_assumed))
    }

    #[test]
    fn takes_the_first_field_that_holds_a_time() {
        let second = 1_000_000_000;
        let at = |name, seconds: i64, assumed| {
            Some((TimeSource::Field(name), seconds * second, assumed))
        };
        assert_eq!(
            time(
                r##"{"Event":{"System":{"TimeCreated":{"#attributes":{"SystemTime":"2020-09-13T12:26:40Z"}}}}}"##
            ),
            at("TimeCreated_SystemTime", 1_600_000_000, false)
        );
        assert_eq!(
            time(r#"{"time":"none","EventTime":"2020-09-13 14:26:40"}"#),
            at("EventTime", 1_600_000_000, true)
        );
        assert_eq!(
            time(r#"{"ts":1600000000,"@timestamp":"2024-01-01T00:00:00Z"}"#),
            at("ts", 1_600_000_000, false)
        );
        assert_eq!(
            time(r#"{"UtcTime":"2020-09-13 12:26:40"}"#),
            at("UtcTime", 1_600_000_000, false)
        );
        assert_eq!(time(r#"{"time":12}"#), None);
        assert_eq!(
            time(r#"{"@timestamp":"2020-09-13\u005412:26:40Z","event":{"start":"2020-09-14"}}"#),
            at("@timestamp", 1_600_000_000, false)
        );
        assert_eq!(time(r#"{"event":{"start":["x","2020-09-13T12:26:40Z"]}}"#), None);
    }
}
