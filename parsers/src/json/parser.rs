//! One JSON object to the fields of a record.

use super::index::Index;
use super::lift::lifted;
use super::project::Entered;
use super::schema::Router;
use super::ways::Projection;
use super::{read, time};
use crate::{Outcome, Parser, StreamInfo};
use sigmund_engine::oracle::resolve;
use sigmund_engine::{
    Body, Event, EventTime, FieldTable, Kind, Object, Record, Route, Slot, Value,
};
use std::sync::Arc;

/// Reads JSON events.
pub(crate) struct JsonParser {
    router: Router,
    /// Of the discriminators.
    names: Arc<[Box<str>]>,
    info: StreamInfo,
    index: Index,
    entered: Entered,
    /// The discriminators of the record at hand.
    found: Vec<(u16, Slot)>,
    fast: Option<Fast>,
}

/// The way of nearly all records: the projection, made for one table of wanted fields.
struct Fast {
    table: Arc<FieldTable>,
    projection: Arc<Projection>,
    /// By slot the number of the discriminator in it, or [`NO_DISCRIMINATOR`]; `None` if one is not wanted, then routes need the whole
    /// object.
    discriminators: Option<Vec<u16>>,
    /// The slots of the fields that hold times; `None` if one is not wanted.
    times: Option<Vec<Slot>>,
}

const NO_DISCRIMINATOR: u16 = u16::MAX;

impl JsonParser {
    pub(crate) fn new(info: &StreamInfo) -> Self {
        let router = Router::new(info, "json");
        Self {
            names: router.names().map(Into::into).collect(),
            router,
            info: info.clone(),
            index: Index::default(),
            entered: Entered::default(),
            found: Vec::new(),
            fast: None,
        }
    }

    fn route(&mut self, object: &Object, lifted: &Object) -> Arc<Route> {
        let names = Arc::clone(&self.names);
        self.router.begin();
        for (index, name) in names.iter().enumerate() {
            let mut scalars = Vec::new();
            for value in find(object, lifted, name) {
                collect(value, &mut scalars);
            }
            // As the projection: from the first value that is not null on.
            let first = scalars.iter().position(|(kind, _)| *kind != Kind::Null);
            match first {
                Some(at) if at + 1 < scalars.len() => self.router.push_several(index, scalars[at]),
                at => self.router.push(index, at.map(|at| scalars[at])),
            }
        }
        Arc::clone(self.router.route())
    }
}

impl JsonParser {
    fn discriminators(&self, table: &FieldTable) -> Option<Vec<u16>> {
        let mut by_slot = vec![NO_DISCRIMINATOR; table.len()];
        for (index, name) in (0..).zip(self.router.names()) {
            by_slot[table.get(name)?.0 as usize] = index;
        }
        Some(by_slot)
    }

    /// Fills the wanted fields in one walk; `false` if the record needs the general way.
    fn project(&mut self, bytes: &[u8], record: &mut Record) -> bool {
        let table = record.fields.table();
        let known = self.fast.as_ref().is_some_and(|fast| Arc::ptr_eq(&fast.table, table));
        if !known {
            self.entered = Entered::default();
            self.fast = Some(Fast {
                table: Arc::clone(table),
                projection: table.prepare(Projection::new),
                discriminators: self.discriminators(table),
                times: time::slots(table),
            });
        }
        let Some(Fast { projection, discriminators: Some(discriminators), times, .. }) = &self.fast
        else {
            return false;
        };
        if record.wants_time && times.is_none() {
            return false;
        }
        let fields = &mut record.fields;
        if projection.project(bytes, (&mut self.index, &mut self.entered), fields).is_err() {
            fields.clear();
            return false;
        }
        self.router.begin();
        self.found.clear();
        for slot in fields.present() {
            let index = discriminators[slot.0 as usize];
            if index != NO_DISCRIMINATOR {
                self.found.push((index, slot));
            }
        }
        self.found.sort_unstable();
        for (index, slot) in &self.found {
            let index = usize::from(*index);
            let Some(mut value) = fields.first(*slot) else { continue };
            while value.kind == Kind::Null
                && let Some(next) = fields.next(value)
            {
                value = next;
            }
            let first = (value.kind, fields.bytes(bytes, value));
            match fields.next(value) {
                Some(_) => self.router.push_several(index, first),
                None => self.router.push(index, Some(first)),
            }
        }
        if let (true, Some(slots)) = (record.wants_time, times) {
            record.time = time::of_record(bytes, &record.fields, slots, &self.info);
        }
        record.route = Some(Arc::clone(self.router.route()));
        record.body = Body::Json;
        record.has_unicode_escapes = self.index.has_unicode_escapes;
        record.is_ascii = self.index.is_ascii;
        true
    }
}

impl Parser for JsonParser {
    fn parse(&mut self, bytes: &[u8], record: &mut Record) -> Outcome {
        if !record.fields.collects() && self.project(bytes, record) {
            return Outcome::Event;
        }
        let Ok(object) = read::object(bytes) else { return Outcome::Foreign };
        let lifted = lifted(&object);
        if record.fields.collects() {
            for (name, value) in object.0.iter().chain(&lifted.0) {
                fill(record, name, value);
            }
        }
        let table = Arc::clone(record.fields.table());
        for name in table.names() {
            for value in find(&object, &lifted, name) {
                fill(record, name, value);
            }
        }
        record.body = Body::Json;
        record.route = Some(self.route(&object, &lifted));
        if record.wants_time {
            record.time = time::of(&object, &lifted, &self.info);
        }
        Outcome::Event
    }

    fn time_of(&mut self, bytes: &[u8], record: &Record) -> Option<Option<EventTime>> {
        let fast = self.fast.as_ref()?;
        let slots =
            fast.times.as_ref().filter(|_| Arc::ptr_eq(&fast.table, record.fields.table()))?;
        Some(time::of_record(bytes, &record.fields, slots, &self.info))
    }

    fn event(&mut self, bytes: &[u8], record: &mut Record) -> Event {
        let object = read::object(bytes).unwrap_or_default();
        let lifted = lifted(&object);
        Event {
            raw: bytes.into(),
            route: record.route.take().unwrap_or_else(|| self.route(&object, &lifted)),
            time: time::of(&object, &lifted, &self.info),
            object,
            lifted,
            keywords_in_raw: false,
        }
    }
}

/// The values of a field: of the event itself, else of its lifted fields.
pub(super) fn find<'a>(object: &'a Object, lifted: &'a Object, name: &str) -> Vec<&'a Value> {
    resolve(object, name).or_else(|| resolve(lifted, name)).unwrap_or_default()
}

/// The values of a field, as discriminators see them: as the projection fills them in, lists flattened.
fn collect<'a>(value: &'a Value, out: &mut Vec<(Kind, &'a [u8])>) {
    let before = out.len();
    flatten(value, out);
    if out.len() == before {
        out.push((Kind::Empty, b""));
    }
}

fn flatten<'a>(value: &'a Value, out: &mut Vec<(Kind, &'a [u8])>) {
    out.push(match value {
        Value::Null => (Kind::Null, b""),
        Value::Bool(true) => (Kind::True, b"true"),
        Value::Bool(false) => (Kind::False, b"false"),
        Value::Number(text) => (Kind::Number, text.as_bytes()),
        Value::Text(text) => (Kind::Text, text.as_bytes()),
        Value::Object(_) => (Kind::Object, b""),
        Value::Array(elements) => return elements.iter().for_each(|element| flatten(element, out)),
    });
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::schema::discriminators;
    use sigmund_engine::Routing;

    #[test]
    fn records_and_whole_events_have_the_same_route() {
        let info = StreamInfo {
            file_name: "".into(),
            reference_time: 0,
            assumed_zone: jiff::tz::TimeZone::UTC,
            routing: Arc::new(Routing::default()),
        };
        let mut parser = JsonParser::new(&info);
        let mut record = Record::new(Arc::new(FieldTable::new(discriminators())));
        let mut names = Vec::new();
        for id in
            ["4688", "[[], 4688]", "[4688, []]", "[[[]]]", "[null, 4688]", "[{}, 1]", "\"\\u0031\""]
        {
            let text = format!("{{\"Channel\": \"Security\", \"EventID\": {id}}}");
            record.clear();
            assert!(parser.project(text.as_bytes(), &mut record), "{text}");
            let event = parser.event(text.as_bytes(), &mut Record::collecting());
            let route = record.route.as_ref().unwrap();
            assert_eq!(route.name, event.route.name, "{text}");
            names.push(route.name.clone());
        }
        assert_eq!(&*names[0], "windows security 4688");
        assert_eq!(&*names[6], "windows security 1");
    }
}
