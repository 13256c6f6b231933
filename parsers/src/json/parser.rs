//! One JSON object to the fields of a record.

use super::index::Index;
use super::lift::lifted;
use super::project::Entered;
use super::routes::Routes;
use super::schema::Router;
use super::trail::{Times, Trails};
use super::ways::Projection;
use super::{read, time};
use crate::{Line, Outcome, Parser, StreamInfo};
use sigmund_engine::oracle::resolve;
use sigmund_engine::{
    Body, Event, EventTime, FieldTable, Fields, Kind, Object, Record, Route, Slot, Value,
};
use std::sync::Arc;

/// Reads JSON events.
pub(crate) struct JsonParser {
    router: Router,
    /// What the router said of records of the same shape.
    routes: Routes,
    /// How such records are written.
    trails: Trails,
    /// The last record went along one that does not fill all fields that may hold the time.
    leaves_times: bool,
    /// Of the discriminators.
    names: Arc<[Box<str>]>,
    /// The same, once a record went the general way.
    sorted: Option<SortedNames>,
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
            sorted: None,
            router,
            routes: Routes::default(),
            trails: Trails::default(),
            leaves_times: false,
            info: info.clone(),
            index: Index::default(),
            entered: Entered::default(),
            found: Vec::new(),
            fast: None,
        }
    }

    fn route(&mut self, object: &Object, lifted: &Object) -> Arc<Route> {
        let names = Arc::clone(&self.names);
        let sorted =
            self.sorted.get_or_insert_with(|| SortedNames::new(names.iter().map(|it| &**it)));
        self.router.begin();
        for index in sorted.within(&[object, lifted]) {
            let index = index as usize;
            let mut scalars = Vec::new();
            for value in find(object, lifted, &names[index]) {
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
            self.routes = Routes::default();
            self.trails = Trails::default();
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
        let shape = self.entered.shape();
        let known = shape.and_then(|shape| self.routes.find(shape, fields, bytes));
        let route = match known {
            Some(route) => Arc::clone(route),
            None => {
                self.found.clear();
                for slot in fields.present() {
                    let index = discriminators[slot.0 as usize];
                    if index != NO_DISCRIMINATOR {
                        self.found.push((index, slot));
                    }
                }
                self.found.sort_unstable();
                let route = Arc::clone(ask(&mut self.router, &self.found, fields, bytes));
                if let Some(shape) = shape {
                    let values = self.found.iter().filter(|(index, _)| {
                        self.router.counts_value(*index, |name| has(fields, name))
                    });
                    let slots = values.map(|(_, slot)| *slot);
                    self.routes.learn(shape, slots, (fields, bytes), &route);
                }
                route
            }
        };
        if self.entered.is_even() {
            let counts = |slot: Slot| {
                let index = discriminators[slot.0 as usize];
                index != NO_DISCRIMINATOR
                    && self.router.counts_value(index, |name| has(fields, name))
            };
            let times = Times {
                slots: times.as_deref().unwrap_or_default(),
                are_wanted: record.wants_time,
            };
            self.trails.learn(bytes, fields, counts, (&route, times));
        }
        record.route = Some(route);
        if let (true, Some(slots)) = (record.wants_time, times) {
            record.time = time::of_record(bytes, &record.fields, slots, &self.info);
        }
        record.body = Body::Json;
        record.has_unicode_escapes = self.index.has_unicode_escapes;
        record.is_ascii = self.index.is_ascii;
        true
    }
}

/// Whether a record has a wanted field.
fn has(fields: &Fields, name: &str) -> bool {
    fields.table().get(name).is_some_and(|slot| fields.is_present(slot))
}

/// The route by the discriminators, given as their numbers in order with their slots.
fn ask<'a>(
    router: &'a mut Router,
    discriminators: &[(u16, Slot)],
    fields: &Fields,
    bytes: &[u8],
) -> &'a Arc<Route> {
    router.begin();
    for (index, slot) in discriminators {
        let index = usize::from(*index);
        let Some(mut value) = fields.first(*slot) else { continue };
        while value.kind == Kind::Null
            && let Some(next) = fields.next(value)
        {
            value = next;
        }
        let first = (value.kind, fields.bytes(bytes, value));
        match fields.next(value) {
            Some(_) => router.push_several(index, first),
            None => router.push(index, Some(first)),
        }
    }
    router.route()
}

impl Parser for JsonParser {
    fn parse_line(&mut self, block: &[u8], record: &mut Record) -> Option<Line> {
        let Fast { table, times, .. } = self.fast.as_ref()?;
        if record.fields.collects() || !Arc::ptr_eq(table, record.fields.table()) {
            return None;
        }
        record.fields.clear();
        let passed = self.trails.pass(block, &mut record.fields)?;
        self.leaves_times = passed.leaves_times;
        let route = self.trails.route(&passed)?;
        // The record before often had the same.
        if !record.route.as_ref().is_some_and(|before| Arc::ptr_eq(before, route)) {
            record.route = Some(Arc::clone(route));
        }
        let bytes = &block[..passed.len];
        record.time = match times {
            Some(slots) if record.wants_time => {
                let time = time::of_record(bytes, &record.fields, slots, &self.info);
                if time.is_none() && self.leaves_times {
                    return None;
                }
                time
            }
            _ => None,
        };
        record.body = Body::Json;
        record.has_unicode_escapes = passed.has_unicode_escapes;
        record.is_ascii = passed.is_ascii;
        record.is_compact = passed.is_compact;
        Some(Line { record: passed.len, whole: passed.line })
    }

    fn wants_line(&mut self) -> bool {
        self.fast.is_some() && !self.trails.lets_go_by()
    }

    fn parse(&mut self, bytes: &[u8], record: &mut Record) -> Outcome {
        self.leaves_times = false;
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
        let sorted = table.prepare(|table| SortedNames::new(table.names()));
        for slot in sorted.within(&[&object, &lifted]) {
            let name = table.name(Slot(slot));
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
        let time = time::of_record(bytes, &record.fields, slots, &self.info);
        (time.is_some() || !self.leaves_times).then_some(time)
    }

    fn reread(&mut self, bytes: &[u8], record: &mut Record) -> Option<Event> {
        let object = read::object(bytes).unwrap_or_default();
        let lifted = lifted(&object);
        Some(Event {
            raw: bytes.into(),
            route: record.route.take().unwrap_or_else(|| self.route(&object, &lifted)),
            time: time::of(&object, &lifted, &self.info),
            object,
            lifted,
            keywords_in_raw: false,
        })
    }
}

/// Names with their numbers, in order, so that those of which an object may have values are found without a look at all.
struct SortedNames(Vec<(Box<str>, u32)>);

impl SortedNames {
    fn new<'a>(names: impl Iterator<Item = &'a str>) -> Self {
        let mut names: Vec<(Box<str>, u32)> = names.map(Into::into).zip(0..).collect();
        names.sort_unstable();
        Self(names)
    }

    /// The numbers of those that are a key of one of these objects, or the beginning of a way through one, in order.
    fn within(&self, objects: &[&Object]) -> Vec<u32> {
        let mut numbers = Vec::new();
        for (key, _) in objects.iter().flat_map(|object| &object.0) {
            let from = self.0.partition_point(|(name, _)| **name < **key);
            let theirs = self.0[from..].iter().take_while(|(name, _)| name.starts_with(&**key));
            let leads = |name: &str| matches!(name.as_bytes().get(key.len()), None | Some(b'.'));
            numbers.extend(theirs.filter(|(name, _)| leads(name)).map(|(_, number)| *number));
        }
        numbers.sort_unstable();
        numbers.dedup();
        numbers
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
    use proptest::prelude::*;
    use sigmund_engine::{Reader, Routing, TimeSource};
    use sigmund_sigma::LogSource;

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

    /// Members as programs write them, and as they do not.
    const MEMBERS: &[&str] = &[
        r#""_path":"conn""#,
        r#""_path":"dns""#,
        r#""_path":"d\u006es""#,
        r#""_path":null"#,
        r#""_path":["conn","dns"]"#,
        r#""ts":1300475167.096535"#,
        r#""ts":"2011-03-18T19:06:07Z""#,
        r#""ts" : 1"#,
        r#""uid":"CmES5u32sYpV7JYN""#,
        r#""id.orig_h":"10.0.0.1""#,
        r#""id.orig_p":49648"#,
        r#""id":{"orig_h":"10.0.0.2","resp_p":25}"#,
        r#""note":"a \"quoted\" C:\\x""#,
        r#""note":"a text that is as long as sixty-four bytes and some more bytes, like \\\\server\\share\\""#,
        r#""note":"caf\u00e9 é""#,
        r#""note":"a\qb\t""#,
        r#""note":"\u0041\/""#,
        r#""note":["a","b\\",-1,true]"#,
        r#""note":[]"#,
        r#""note":["a",3,false]"#,
        r#""note":[null]"#,
        r#""note":["a", "b"]"#,
        r#""note":0"#,
        r#""note":-0"#,
        r#""note":1e5"#,
        r#""note":-8.9E-05"#,
        r#""note":1e"#,
        r#""note":2.e1"#,
        r#""note":1.25"#,
        r#""uids":["C1","C2"]"#,
        r#""source":"IP""#,
        r#""source":["IP"]"#,
        r#""unknown":["a",1]"#,
        r#""ts":1600000000.5"#,
        r#""ts":"none""#,
        r#""ts":null"#,
        r#""@timestamp":"2020-09-13T12:26:40Z""#,
        r#""@timestamp":"2020-99-13T12:26:40Z""#,
        r#""_write_ts":1600000009"#,
        r#""EventData":{"UtcTime":"2020-09-13 12:26:41"}"#,
        r#""unknown":null"#,
        r#""note":true"#,
        r#""note":false"#,
        r#""note":-0.5e+3"#,
        r#""note":01"#,
        r#""note":1.}"#,
        r#""n\u006fte":"x""#,
        r#""a name that is longer than twenty-four bytes":1"#,
        r#""id":"x""#,
        r#""event":7"#,
        r#""event":null"#,
        r#""event.module":"zeek""#,
        r#""EventID":4688"#,
        r#""EventID":46"#,
        r#""EventID":46880"#,
        r#""EventID":"4688""#,
        r#""EventID":null"#,
        r#""Channel":"Security""#,
        r#""LogName":"Security""#,
        r#""LogName":null"#,
        r#""Id":4688"#,
        r#""Id":1"#,
        r#""event":{"module":"zeek","dataset":"zeek.dns"}"#,
        r#""EventData":{"note":"lifted"}"#,
        r#""EventData":{"note":"C:\\x","truth":true}"#,
        r#""EventData":{"note":"lifted","truth":false}"#,
        r#""EventData":{"note":null}"#,
        r#""EventData":{"note":["a","b"]}"#,
        r#""EventData":{"note":{"a":1}}"#,
        r#""EventData":{"note":17}"#,
        r#""EventData":{"EventID":1,"Channel":"Security"}"#,
        r#""EventData":{"EventID":10,"Channel":"Security"}"#,
        r#""EventData":{ "note" : "x" }"#,
        r#""EventData":{}"#,
        r#""winlog":{"channel":"Security","event_id":4688,"event_data":{"note":"deep","truth":"yes"}}"#,
        r#""winlog":{"channel":"Security","event_id":1,"event_data":{"note":"deeper","truth":"no"}}"#,
        r#""winlog":{"event_data":{"note":"1"},"channel":"System"}"#,
        r#""unknown":{"a":{"b":1}}"#,
        r#""unknown":{"a":{"b":12}}"#,
        r#""unknown":{"a":{"b":12},"c":2}"#,
        r#""EventData":"{\"note\":\"in a text\",\"EventID\":1}""#,
        r#""EventData":"<EventData><Data Name='note'>in XML</Data></EventData>""#,
        r#""EventData":"none""#,
        r#""EventData":[]"#,
        r#""EventData":0"#,
        r#""unknown":{"a":[1,{"b":"}"}]}"#,
        r#""unknown":[]"#,
        r#""unknown":12345678901234567890"#,
        r#""unknown":"""#,
        r#""":1"#,
        r#""truth":tru"#,
    ];

    fn record() -> impl Strategy<Value = String> {
        let members = prop::collection::vec(prop::sample::select(MEMBERS), 0..7);
        (members, 0usize..400, any::<bool>()).prop_map(|(members, cut, cuts)| {
            let mut text = format!("{{{}}}", members.join(","));
            if cuts && text.is_char_boundary(cut) {
                text.truncate(cut);
            }
            text
        })
    }

    fn reader(table: &FieldTable) -> impl Strategy<Value = Reader> + use<> {
        let zeek = |service| LogSource::new(Some("zeek"), None, Some(service));
        let log_source = prop::sample::select(vec![
            zeek("dns"),
            zeek("conn"),
            LogSource::new(Some("windows"), None, Some("security")),
            LogSource::default(),
        ]);
        let slots: Vec<Slot> = table.names().filter_map(|name| table.get(name)).collect();
        let fields = prop::collection::vec(prop::sample::select(slots), 0..9);
        (log_source, fields).prop_map(|(log_source, fields)| Reader { log_source, fields })
    }

    fn table() -> FieldTable {
        let names = ["note", "id.orig_p", "truth", "id.resp_p", "EventData.note"];
        let others = ["winlog.event_data.truth"].into_iter().chain(time::fields());
        FieldTable::new(discriminators().chain(names).chain(others))
    }

    /// Whether there are no blanks between parts, no escapes by number or that JSON does not have, and no other characters than ASCII.
    fn is_compact(text: &str) -> bool {
        let (mut inside, mut bytes) = (false, text.bytes());
        while let Some(byte) = bytes.next() {
            match byte {
                b'"' => inside = !inside,
                b' ' if !inside => return false,
                b'\\' if !bytes.next().is_some_and(|next| b"\"\\/bfnrt".contains(&next)) => {
                    return false;
                }
                _ => {}
            }
        }
        text.is_ascii()
    }

    /// All that reading a record gives, with so many bytes behind it.
    fn read(
        parser: &mut JsonParser,
        text: &str,
        behind: usize,
        record: &mut Record,
    ) -> (Outcome, String) {
        record.clear();
        // As a stream does with a line that others follow.
        let block = format!("{text}\n{}", "{".repeat(behind));
        let outcome = match parser.parse_line(block.as_bytes(), record) {
            Some(line) => {
                assert_eq!((line.record, line.whole), (text.len(), text.len() + 1), "{text}");
                assert_eq!(record.is_compact, is_compact(text), "{text}");
                Outcome::Event
            }
            None => {
                record.clear();
                parser.parse(text.as_bytes(), record)
            }
        };
        let fields = &record.fields;
        let reads = record.route.as_ref().map(|route| fields.table().read_in(route));
        // Nobody sees whether others were filled.
        let is_read = |slot: &Slot| match &reads {
            Some(Some(reads)) => reads.get(slot.0 as usize) == Some(&true),
            _ => true,
        };
        let mut values: Vec<String> = fields
            .present()
            .filter(is_read)
            .flat_map(|slot| fields.values(slot).map(move |value| (slot, value)))
            .map(|(slot, value)| {
                let bytes = String::from_utf8_lossy(fields.bytes(text.as_bytes(), value));
                format!("{}={:?} {bytes}", fields.name(slot), value.kind)
            })
            .collect();
        values.sort_unstable();
        // What is asked of a record that rules match.
        let nobody_asks = matches!(&reads, Some(Some(reads)) if reads.is_empty());
        let time = match outcome {
            Outcome::Event if !record.wants_time && !nobody_asks => {
                let known = parser.time_of(text.as_bytes(), record);
                let whole = || read::object(text.as_bytes()).unwrap();
                let of = |object| time::of(&object, &lifted(&object), &parser.info);
                known.unwrap_or_else(|| of(whole()))
            }
            _ => record.time,
        };
        let route = record.route.as_ref().map(|route| (&route.name, route.id));
        let hints = (record.body, record.has_unicode_escapes, record.is_ascii, time);
        (outcome, format!("{route:?} {values:?} {hints:?}"))
    }

    #[test]
    fn records_that_differ_in_a_number_that_begins_another_are_both_known() {
        let mut parser = JsonParser::new(&StreamInfo::new("", 0));
        let mut record = Record::new(Arc::new(FieldTable::new(discriminators())));
        // What a record may be compared with is known from the first on; how it is written is learnt from the second one that is alike.
        parser.parse(b"{}", &mut record);
        for round in 0..4 {
            for id in [1, 10, 1, 11, 1102] {
                let text = format!("{{\"Channel\":\"Security\",\"EventID\":{id},\"Task\":1}}\n");
                let line = parser.parse_line(text.as_bytes(), &mut record);
                assert_eq!(line.is_some(), round > 0, "{text}");
                if line.is_none() {
                    record.clear();
                    parser.parse(text.trim_ascii_end().as_bytes(), &mut record);
                }
            }
        }
    }

    #[test]
    fn what_nobody_reads_is_not_filled() {
        let names = discriminators().chain(time::fields()).chain(["note", "uid"]);
        let table = FieldTable::new(names.collect::<Vec<_>>());
        let [note, uid] = ["note", "uid"].map(|name| table.get(name).unwrap());
        let mut parser = JsonParser::new(&StreamInfo::new("", 0));
        // The first two begin alike.
        let records = [
            (r#"{"uid":"C1","note":1,"_path":"dns"}"#, "dns"),
            (r#"{"uid":"C2","note":2,"_path":"conn"}"#, "conn"),
            (r#"{"_path":"conn","note":3}"#, "conn"),
            (r#"{"_path":"weird","note":4}"#, "weird"),
        ];
        for readers in [vec![], vec!["dns"], vec!["conn"], vec!["conn", "dns"]] {
            let reader = |service: &&str| Reader {
                log_source: LogSource::new(Some("zeek"), None, Some(*service)),
                fields: vec![note],
            };
            let names = table.names().collect::<Vec<_>>();
            let table = FieldTable::new(names).for_readers(readers.iter().map(reader));
            let mut record = Record::new(Arc::new(table));
            let mut skipped = 0;
            for round in 0..4 {
                for (text, service) in records {
                    record.clear();
                    let line = parser.parse_line(format!("{text}\n").as_bytes(), &mut record);
                    assert!(line.is_some() || round < 2, "{text}");
                    if line.is_none() {
                        record.clear();
                        parser.parse(text.as_bytes(), &mut record);
                    }
                    let is_filled = record.fields.is_present(note);
                    assert!(is_filled || !readers.contains(&service), "{text} {readers:?}");
                    assert!(line.is_none() || !record.fields.is_present(uid), "{text}");
                    skipped += usize::from(!is_filled);
                }
            }
            assert!(skipped > 0, "`weird` is read by nobody");
        }
    }

    #[test]
    fn of_fields_that_may_be_the_time_the_best_is_filled() {
        let names = discriminators().chain(time::fields()).chain(["note"]);
        let table = FieldTable::new(names.collect::<Vec<_>>());
        let [ts, other, note] = ["ts", "_write_ts", "note"].map(|name| table.get(name).unwrap());
        let reader = Reader { log_source: LogSource::default(), fields: vec![note] };
        let mut record = Record::new(Arc::new(table.for_readers([reader])));
        let mut parser = JsonParser::new(&StreamInfo::new("", 0));
        let mut read = |text: &str, wants_time: bool| {
            record.clear();
            record.wants_time = wants_time;
            let line = parser.parse_line(format!("{text}\n").as_bytes(), &mut record);
            if line.is_none() {
                record.clear();
                parser.parse(text.as_bytes(), &mut record);
            }
            let times = [ts, other].map(|slot| record.fields.is_present(slot));
            let source = |time: Option<EventTime>| time.map(|time| time.source);
            let asked = parser.time_of(text.as_bytes(), &record).map(source);
            (line.is_some(), times, asked, source(record.time))
        };
        for wants_time in [false, true] {
            let time = |name| Some(TimeSource::Field(name));
            let at_once = |name| time(name).filter(|_| wants_time);
            for round in 0..5 {
                let good = r#"{"_path":"dns","_write_ts":1600000009,"ts":1600000000,"note":"x"}"#;
                let is_known = round > 2 || wants_time;
                let (known, times, asked, read_at_once) = read(good, wants_time);
                assert_eq!((known, times), (is_known, [true, !is_known]));
                assert_eq!((asked, read_at_once), (Some(time("ts")), at_once("ts")));
            }
            // The best is none: what else is there is looked at.
            let bad =
                r#"{"_path":"dns","_write_ts":1600000009,"ts":-17000000000000000000,"note":"x"}"#;
            let (known, _, asked, read_at_once) = read(bad, wants_time);
            let expected = if wants_time {
                (false, Some(time("_write_ts")), time("_write_ts"))
            } else {
                (true, None, None)
            };
            assert_eq!((known, asked, read_at_once), expected);
        }
    }

    #[test]
    fn records_with_objects_within_are_known_the_third_time() {
        let mut parser = JsonParser::new(&StreamInfo::new("", 0));
        let names = discriminators().chain(["note", "EventData", "EventData.note", "dns.id"]);
        let mut record = Record::new(Arc::new(FieldTable::new(names)));
        let records = [
            r#"{"event_type":"dns","dns":{"id":1,"grouped":{"A":["10.0.0.1"]}},"proto":"UDP"}"#,
            r#"{"event_type":"dns","dns":{"id":17,"rrname":"a.b","tx":{"id":2}}}"#,
            r#"{"Channel":"Security","EventID":1,"EventData":{"note":"x"},"Task":null,"Level":4}"#,
            r#"{"event_type":"http","files":[{"name":"a"},{"name":"b"}],"http":{},"proto":"TCP"}"#,
        ];
        parser.parse(b"{}", &mut record);
        for round in 0..4 {
            for text in records {
                let line = parser.parse_line(format!("{text}\n").as_bytes(), &mut record);
                assert!(line.is_some() || round < 2, "{text}");
                if line.is_none() {
                    record.clear();
                    parser.parse(text.as_bytes(), &mut record);
                }
            }
        }
    }

    proptest! {
        #[test]
        fn all_fields_that_an_object_has_are_found_by_name(
            names in prop::collection::vec("[ab.]{0,4}", 0..30),
            keys in prop::collection::vec(("[ab.]{0,3}", "[ab.]{0,3}"), 0..5),
        ) {
            let table = FieldTable::new(names.iter().map(String::as_str));
            let mut object = Object::default();
            for (key, below) in keys {
                let mut inner = Object::default();
                inner.push(below, Value::Bool(true));
                object.push(key, Value::Object(inner));
            }
            let none = Object::default();
            let within = SortedNames::new(table.names()).within(&[&none, &object]);
            prop_assert!(within.is_sorted_by(|one, other| one < other));
            for (number, name) in (0..).zip(table.names()) {
                let is_found = !find(&object, &none, name).is_empty();
                prop_assert!(!is_found || within.contains(&number), "`{}` in {:?}", name, object);
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]
        #[test]
        fn what_is_remembered_changes_nothing(
            records in prop::collection::vec(record(), 1..5),
            order in prop::collection::vec((0usize..5, prop::sample::select(&[0, 70, 17 << 10])), 1..25),
            readers in prop::option::of(prop::collection::vec(reader(&table()), 0..3)),
            wants_time in any::<bool>(),
        ) {
            let info = StreamInfo::new("", 0);
            let table = Arc::new(match readers {
                Some(readers) => table().for_readers(readers),
                None => table(),
            });
            let (mut one, mut other) =
                (Record::new(Arc::clone(&table)), Record::new(Arc::clone(&table)));
            (one.wants_time, other.wants_time) = (wants_time, wants_time);
            let mut remembers = JsonParser::new(&info);
            for (at, behind) in order {
                let text = &records[at % records.len()];
                let mut forgets = JsonParser::new(&info);
                let expected = read(&mut forgets, text, behind, &mut other);
                prop_assert_eq!(read(&mut remembers, text, behind, &mut one), expected, "{}", text);
            }
        }
    }
}
