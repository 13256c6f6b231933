//! One JSON object to the fields of a record.

use super::read;
use crate::{Outcome, Parser, StreamInfo};
use sigmund_engine::{Body, Event, Kind, Object, Record, Route, Value};
use std::sync::Arc;

/// Reads JSON events.
pub(crate) struct JsonParser {
    plain: Arc<Route>,
}

impl JsonParser {
    pub(crate) fn new(info: &StreamInfo) -> Self {
        let plain = info.routing.route("json", Vec::new(), None, &Arc::default(), &|_| None);
        Self { plain }
    }
}

impl Parser for JsonParser {
    fn parse(&mut self, bytes: &[u8], record: &mut Record) -> Outcome {
        let Ok(object) = read::object(bytes) else { return Outcome::Foreign };
        let table = Arc::clone(record.fields.table());
        if record.fields.collects() {
            for (name, value) in &object.0 {
                fill(record, name, value);
            }
        }
        for name in table.names() {
            let mut found = Vec::new();
            lookup(&object, name, &mut found);
            for value in found {
                fill(record, name, value);
            }
        }
        record.body = Body::Json;
        record.route = Some(Arc::clone(&self.plain));
        Outcome::Event
    }

    fn event(&mut self, bytes: &[u8], record: &mut Record) -> Event {
        let _ = self.parse(bytes, record);
        Event {
            raw: bytes.into(),
            object: read::object(bytes).unwrap_or_default(),
            lifted: Object::default(),
            keywords_in_raw: false,
            route: record.route.clone().unwrap_or_else(|| Arc::clone(&self.plain)),
            time: record.time,
        }
    }
}

fn fill(record: &mut Record, name: &str, value: &Value) {
    match value {
        Value::Null => record.fields.set_kind(name, Kind::Null, b""),
        Value::Bool(true) => record.fields.set_kind(name, Kind::True, b"true"),
        Value::Bool(false) => record.fields.set_kind(name, Kind::False, b"false"),
        Value::Number(text) => record.fields.set_kind(name, Kind::Number, text.as_bytes()),
        Value::Text(text) => record.fields.set_kind(name, Kind::Text, text.as_bytes()),
        Value::Object(_) => record.fields.set_kind(name, Kind::Object, b""),
        Value::Array(elements) if elements.is_empty() => {
            record.fields.set_kind(name, Kind::Empty, b"");
        }
        Value::Array(elements) => elements.iter().for_each(|element| fill(record, name, element)),
    }
}

/// The values of a field (sigma-semantics 11.1): at each level the longest key that exists wins, lists on the way fan out.
fn lookup<'a>(object: &'a Object, name: &str, found: &mut Vec<&'a Value>) {
    let mut end = name.len();
    loop {
        if let Some(value) = object.get(&name[..end]) {
            match name.get(end + 1..) {
                Some(rest) if end < name.len() => descend(value, rest, found),
                _ => found.push(value),
            }
            return;
        }
        match name[..end].rfind('.') {
            Some(dot) => end = dot,
            None => return,
        }
    }
}

fn descend<'a>(value: &'a Value, rest: &str, found: &mut Vec<&'a Value>) {
    match value {
        Value::Object(object) => lookup(object, rest, found),
        Value::Array(elements) => {
            elements.iter().for_each(|element| descend(element, rest, found));
        }
        _ => {}
    }
}
