//! What rules see of the events of a JSON log, for tests.

use crate::json::{Json, schema, time};
use crate::{Format, Outcome, Stream, StreamInfo};
use sigmund_engine::oracle::Lookup;
use sigmund_engine::{Event, FieldTable, Occurrence, Partial, Record};
use std::collections::BTreeSet;
use std::sync::Arc;

/// All events of a log.
pub(crate) fn events(log: &str) -> Vec<Event> {
    let mut events = Vec::new();
    read(log, Record::new(Arc::default()), &mut |_, _, event| events.push(event()));
    events
}

/// The only event of a log: the name of its route, and the texts of a field. Records of which only some fields are wanted and whole
/// events must say the same.
pub(crate) fn field(log: &str, name: &str) -> (String, Vec<String>) {
    // Once as ever, then along what was remembered of the first.
    let log = format!("{log}\n{log}\n{log}\n{}", "{}\n".repeat(40));
    let mut record =
        Record::new(Arc::new(FieldTable::new(wanted(name).iter().map(String::as_str))));
    record.wants_time = true;
    let mut found = Vec::new();
    read(&log, record, &mut |bytes, record, mut read| {
        let whole = read();
        let partial = Partial::new(bytes, record, Some(record.time), &mut read).expect("a route");
        let values = texts(&partial, name);
        assert_eq!(values, texts(&whole, name), "{name} of {log}");
        assert_eq!(record.time, whole.time, "{log}");
        found.push((whole.route.name.to_string(), values));
    });
    assert!(found[1..3].iter().all(|again| *again == found[0]), "{found:?}");
    found.swap_remove(0)
}

/// The texts of a field of an event, as rules find them.
pub(crate) fn texts(event: &dyn Occurrence, name: &str) -> Vec<String> {
    let lookup = Lookup::new(event);
    let found = lookup.field(name);
    found.candidates().map(|(_, value)| value.text().unwrap_or("-").to_owned()).collect()
}

/// What a rule set wants in which one rule asks for a field.
fn wanted(name: &str) -> BTreeSet<String> {
    let always = schema::discriminators().chain(time::fields());
    let mut all: BTreeSet<String> = always.map(str::to_owned).collect();
    all.insert(name.to_owned());
    for table in Json.aliases() {
        for source in table.get(name).iter().flat_map(|alias| alias.sources.iter()) {
            all.extend(source.fields().into_iter().map(str::to_owned));
        }
    }
    all
}

type Each<'a> = &'a mut dyn FnMut(&[u8], &Record, &mut dyn FnMut() -> Event);

fn read(log: &str, mut record: Record, each: Each<'_>) {
    let mut stream = Stream::open(StreamInfo::new("", 0), log.as_bytes(), None);
    stream.read(log.as_bytes(), true, &mut record, &mut |mut framed| {
        if framed.outcome == Outcome::Event {
            let bytes = framed.bytes;
            let (record, mut event) = framed.parts();
            each(bytes, record, &mut event);
        }
    });
}
