//! What made rules match earlier events, remembered by the values that they read.
//!
//! Rules that match often match the same few values. What [`matched`] says of them needs only those, so it is the same again.

use crate::detection::{Matched, matched};
use crate::oracle::Lookup;
use crate::{FieldTable, Record, Route, Slot};
use sigmund_sigma::value::Matcher;
use sigmund_sigma::{Rule, Search};
use std::cell::OnceCell;
use std::collections::HashMap;
use std::sync::Arc;

/// So many combinations of values are remembered of a rule.
const PLACES: usize = 16;
/// Values that are longer together are not remembered.
const LONGEST: usize = 1024;
/// So many rules and kinds of events are remembered, and so many bytes; then the memory starts afresh.
const MOST: usize = 1024;
const MOST_BYTES: usize = 8 << 20;
/// After so many events in vain a rule must have been worth it.
const PATIENCE: u32 = 64;

/// Remembers for one set of rules and one thread.
#[derive(Debug, Default)]
pub struct Recall {
    /// By the rule's number and its kind of event.
    known: HashMap<(u32, usize), Memory, ahash::RandomState>,
    /// What that may take, more or less; what was given up counts until the memory starts afresh.
    bytes: usize,
    key: Vec<u8>,
    /// What was not remembered.
    made: Vec<Matched>,
}

/// A rule on one kind of event.
#[derive(Debug)]
struct Memory {
    /// Kept, so that no other route comes to its address.
    _route: Arc<Route>,
    table: Arc<FieldTable>,
    /// What the rule reads; `None` if that is more than slots, or not worth it.
    reads: Option<Vec<Slot>>,
    places: Vec<Place>,
    /// The place that is given up next.
    next: usize,
    found: u32,
    missed: u32,
}

/// What [`matched`] says of a rule and the values that it reads.
#[derive(Debug)]
struct Place {
    key: Box<[u8]>,
    matched: Vec<Matched>,
    written: OnceCell<Box<[u8]>>,
}

/// What made a rule match.
#[derive(Clone, Copy, Debug)]
pub struct Recalled<'a> {
    /// What [`matched`] says.
    pub matched: &'a [Matched],
    /// How it was written the last time, if it was remembered: the same rule says the same of an event of the same kind. For one kind of writer.
    pub written: Option<&'a OnceCell<Box<[u8]>>>,
}

impl Recall {
    /// What [`matched`] says of a rule, which has this number, and an event that it matches.
    pub fn matched(&mut self, number: u32, rule: &Rule, lookup: &Lookup<'_>) -> Recalled<'_> {
        let event = lookup.event();
        if let Some(record) = event.record() {
            let (route, table) = (event.route(), record.fields.table());
            let place = (number, Arc::as_ptr(route) as usize);
            if self.known.len() >= MOST && !self.known.contains_key(&place)
                || self.bytes > MOST_BYTES
            {
                self.known.clear();
                self.bytes = 0;
            }
            let memory = self.known.entry(place).or_insert_with(|| Memory::new(rule, route, table));
            if Arc::ptr_eq(&memory.table, table)
                && let Some(reads) = &memory.reads
            {
                write_key(reads, event.raw(), record, &mut self.key);
                let bytes = &mut self.bytes;
                let make = || {
                    let made = matched(rule, lookup);
                    // The key, the same as values of what matched, and in what is written, where each byte may be an escape.
                    let patterns = made.iter().flat_map(|part| &part.patterns);
                    *bytes += 8 * self.key.len() + 256 * made.len();
                    *bytes += 2 * patterns.map(|pattern| pattern.len()).sum::<usize>();
                    made
                };
                if self.key.len() <= LONGEST
                    && let Some(at) =
                        memory.find(&self.key).or_else(|| memory.keep(&self.key, make))
                {
                    let Place { matched, written, .. } = &memory.places[at];
                    return Recalled { matched, written: Some(written) };
                }
            }
        }
        self.made = matched(rule, lookup);
        Recalled { matched: &self.made, written: None }
    }
}

impl Memory {
    fn new(rule: &Rule, route: &Arc<Route>, table: &Arc<FieldTable>) -> Self {
        Self {
            _route: Arc::clone(route),
            table: Arc::clone(table),
            reads: reads(rule, route, table),
            places: Vec::new(),
            next: 0,
            found: 0,
            missed: 0,
        }
    }

    fn find(&mut self, key: &[u8]) -> Option<usize> {
        let at = self.places.iter().position(|place| *place.key == *key)?;
        self.found += 1;
        Some(at)
    }

    /// `None` if it is not worth it.
    fn keep(&mut self, key: &[u8], make: impl FnOnce() -> Vec<Matched>) -> Option<usize> {
        self.missed += 1;
        if self.missed >= PATIENCE && self.found < self.missed / 4 {
            (self.reads, self.places) = (None, Vec::new());
            return None;
        }
        let at = self.next;
        self.next = (at + 1) % PLACES;
        let place = Place { key: key.into(), matched: make(), written: OnceCell::new() };
        match self.places.get_mut(at) {
            Some(old) => *old = place,
            None => self.places.push(place),
        }
        Some(at)
    }
}

/// The slots that decide what makes a rule match an event of this kind; `None` if there are others too.
fn reads(rule: &Rule, route: &Route, table: &FieldTable) -> Option<Vec<Slot>> {
    let mut names = Vec::new();
    for selection in &rule.selections {
        names_in(&selection.search, &mut names)?;
    }
    let mut slots = Vec::new();
    for name in names {
        slots.push(table.get(name)?);
        for source in route.aliases.get(name).into_iter().flat_map(|alias| alias.sources.iter()) {
            for field in source.fields() {
                slots.push(table.get(field)?);
            }
        }
    }
    slots.sort_unstable();
    slots.dedup();
    Some(slots)
}

/// The fields that a search names; `None` if it has keywords, which read everything.
fn names_in<'r>(search: &'r Search, names: &mut Vec<&'r str>) -> Option<()> {
    match search {
        Search::All(items) => {
            for item in items {
                names.push(item.field.as_deref()?);
                item.matchers.iter().for_each(|matcher| others_in(matcher, names));
            }
        }
        Search::Any(members) => {
            for member in members {
                names_in(member, names)?;
            }
        }
    }
    Some(())
}

/// The other fields that a matcher compares with.
fn others_in<'r>(matcher: &'r Matcher, names: &mut Vec<&'r str>) {
    match matcher {
        Matcher::FieldRef(field, _) => names.push(field),
        Matcher::AnyOf(matchers) => matchers.iter().for_each(|one| others_in(one, names)),
        Matcher::Text(_)
        | Matcher::Null
        | Matcher::Exists(_)
        | Matcher::Regex(_)
        | Matcher::Cidr(_)
        | Matcher::Compare(..)
        | Matcher::DatePart(..) => {}
    }
}

/// The values of these slots: for each slot how many, for each value its kind, its length and its bytes.
fn write_key(slots: &[Slot], raw: &[u8], record: &Record, key: &mut Vec<u8>) {
    key.clear();
    for slot in slots {
        for value in record.fields.values(*slot) {
            let bytes = record.fields.bytes(raw, value);
            key.push(value.kind as u8 + 1);
            key.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
            key.extend_from_slice(bytes.get(..LONGEST).unwrap_or(bytes));
            if key.len() > LONGEST {
                return;
            }
        }
        key.push(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alias::{Alias, AliasTable};
    use crate::{Event, Kind, Partial};
    use proptest::prelude::*;
    use sigmund_sigma::{Loader, Source};

    const RULES: &str = r"
title: fields
logsource: {category: c}
detection:
    a:
        f: [x, '*y*', 5, null]
        g|fieldref: f
    b:
        - f|exists: true
          h|endswith: z
        - g|gt: 3
    n: {h: 'q'}
    condition: (a or b) and not n or 1 of n
---
title: keywords
logsource: {category: c}
detection:
    k: [x, y]
    s: {f: x}
    condition: k or s
";

    fn value() -> impl Strategy<Value = (Kind, String)> {
        let kind =
            prop_oneof![Just(Kind::Text), Just(Kind::Text), Just(Kind::Null), Just(Kind::Empty)];
        prop_oneof![
            (kind, "[xyzq]{0,2}"),
            Just((Kind::Number, "5".to_owned())),
            "[xy]{1100}".prop_map(|text| (Kind::Text, text)),
        ]
    }

    fn route(table: AliasTable) -> Arc<Route> {
        Arc::new(Route {
            id: 0,
            name: "test".into(),
            log_sources: Vec::new(),
            aliases: Arc::new(table),
            event_id: None,
            unfiltered: false,
            is_known: true,
        })
    }

    #[test]
    fn many_rules_do_not_fill_the_memory() {
        let source = Source { name: "t.yml".into(), text: RULES.into() };
        let rules = Loader::default().load(&[source]).rules;
        let mut record = Record::new(Arc::new(FieldTable::new(["f", "g", "h"])));
        record.route = Some(route(AliasTable::new([])));
        let mut whole = || unreachable!("fields are enough");
        let (mut recall, mut most) = (Recall::default(), 0);
        for number in 0..4000 {
            record.fields.clear();
            record.fields.set_kind("f", Kind::Text, "y".repeat(900).as_bytes());
            record.fields.set_kind("g", Kind::Number, (number + 4).to_string().as_bytes());
            let partial = Partial::new(b"", &record, None, &mut whole).unwrap();
            let recalled = recall.matched(number % 1000, &rules[0], &Lookup::new(&partial));
            assert!(recalled.written.is_some() && !recalled.matched.is_empty());
            let places = recall.known.values().flat_map(|memory| &memory.places);
            let held: usize = places.map(|place| place.key.len() + place.matched.len() * 900).sum();
            assert!(held <= MOST_BYTES, "{held}");
            most = most.max(held);
        }
        assert!(most > MOST_BYTES / 16, "{most}");
    }

    proptest! {
        #[test]
        fn what_is_remembered_is_what_would_be_found(
            events in prop::collection::vec(prop::collection::vec((0usize..4, value()), 0..4), 1..300),
        ) {
            let source = Source { name: "t.yml".into(), text: RULES.into() };
            let rules = Loader::default().load(&[source]).rules;
            prop_assert_eq!(rules.len(), 2);
            let table = Arc::new(FieldTable::new(["f", "g", "h", "native"]));
            let route = route(AliasTable::new([Alias::to("h", &["native"])]));
            let mut recall = Recall::default();
            let mut record = Record::new(Arc::clone(&table));
            for event in &events {
                record.clear();
                record.route = Some(Arc::clone(&route));
                for (slot, (kind, text)) in event {
                    record.fields.set_kind(["f", "g", "h", "native"][*slot], *kind, text.as_bytes());
                }
                let mut whole = || Event {
                    raw: Arc::from(&b"x or y"[..]),
                    object: crate::Object::default(),
                    lifted: crate::Object::default(),
                    keywords_in_raw: true,
                    route: Arc::clone(&route),
                    time: None,
                };
                let partial = Partial::new(b"x or y", &record, None, &mut whole).unwrap();
                let lookup = Lookup::new(&partial);
                for (number, rule) in (0..).zip(&rules) {
                    prop_assert_eq!(recall.matched(number, rule, &lookup).matched, matched(rule, &lookup));
                }
            }
            // Keywords read everything.
            prop_assert!(recall.known.iter().all(|((number, _), memory)| *number == 0 || memory.reads.is_none()));
        }
    }
}
