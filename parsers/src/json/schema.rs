//! Which kind of event a JSON object is: Windows, Zeek, Suricata …, each recognised by a few of its fields.
//!
//! A kind is a [`JsonSchema`] in [`SCHEMAS`]. The fields that any of them looks at are the discriminators;
//! [`Router`] keeps the route of every combination of their values that it has met, so that a schema is asked once per
//! combination and not once per record.

use crate::{StreamInfo, windows};
use ahash::RandomState;
use sigmund_engine::{AliasTable, Kind, Route};
use std::collections::HashMap;
use std::sync::Arc;

/// A field that decides what kind of event an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Discriminator {
    /// Its name, as rules name it: native, dotted, or lifted.
    pub name: &'static str,
    /// Only whether it is there counts; say so for fields with many values (times, ids), or every record is a new combination.
    pub presence_only: bool,
    /// It counts only in events that have this one too, which comes before it.
    pub with: Option<&'static str>,
}

impl Discriminator {
    /// A field whose value counts.
    #[must_use]
    pub const fn value(name: &'static str) -> Self {
        Self { name, presence_only: false, with: None }
    }

    /// A field whose value counts in events that have another one, which comes before it: for names that nearly every program uses.
    #[must_use]
    pub const fn value_with(name: &'static str, other: &'static str) -> Self {
        Self { name, presence_only: false, with: Some(other) }
    }

    /// A field whose presence counts.
    #[must_use]
    pub const fn presence(name: &'static str) -> Self {
        Self { name, presence_only: true, with: None }
    }
}

/// Reads a discriminator: its first value as text, empty for objects, lists without values and
/// [`Discriminator::presence_only`]; `None` if it is absent or null.
pub type Get<'a> = &'a dyn Fn(&str) -> Option<&'a str>;

/// A kind of JSON events.
pub trait JsonSchema: Sync {
    /// For reports.
    fn name(&self) -> &'static str;

    /// The fields that [`recognise`](Self::recognise) and [`route`](Self::route) read; they see no others.
    fn discriminators(&self) -> &'static [Discriminator];

    /// Whether the event is of this kind.
    fn recognise(&self, get: Get<'_>, info: &StreamInfo) -> bool;

    /// The route of such an event. The result is kept per combination of discriminators.
    fn route(&self, get: Get<'_>, info: &StreamInfo) -> Arc<Route>;

    /// The aliases of all its routes, so that the fields they read are wanted too.
    fn aliases(&self) -> Vec<Arc<AliasTable>>;
}

/// All kinds, the first that recognises an event has it. What none recognises has no log source.
#[rustfmt::skip]
pub static SCHEMAS: &[&dyn JsonSchema] = &[
    &windows::WindowsJson,
    &crate::suricata::eve::Eve,
    &crate::zeek::json::ZeekJson,
];

/// The fields that routes of JSON events depend on: they must be wanted for records to be routed without
/// reading them whole.
pub fn discriminators() -> impl Iterator<Item = &'static str> {
    SCHEMAS.iter().flat_map(|schema| schema.discriminators()).map(|field| field.name)
}

/// So many combinations are kept; then the memory starts afresh, so that hostile values cannot fill it.
const MOST: usize = 4096;

/// A value longer than this is cut: no discriminator that means anything is so long.
const LONGEST: usize = 255;

/// A discriminator of all schemas.
#[derive(Debug)]
struct Wanted {
    name: Box<str>,
    presence_only: bool,
    /// The number of another without which it does not count.
    with: Option<usize>,
}

/// Finds routes by discriminators.
#[derive(Debug)]
pub struct Router {
    info: StreamInfo,
    names: Vec<Wanted>,
    known: HashMap<Box<[u8]>, Arc<Route>, RandomState>,
    key: Vec<u8>,
    /// The last event's key and route: the next one's are often the same.
    last: Vec<u8>,
    current: Arc<Route>,
    none: Arc<Route>,
}

// How a discriminator stands in a key.
const PRESENT: u8 = 1;
const PLAIN: u8 = 2;
const ESCAPED: u8 = 3;
const SEVERAL: u8 = 4;

impl Router {
    /// For one stream. Besides the discriminators of the schemas, the fields of the user's own routing conditions count.
    /// What no schema recognises gets a route of the name `otherwise` without log sources.
    #[must_use]
    pub fn new(info: &StreamInfo, otherwise: &str) -> Self {
        let mut names: Vec<Wanted> = Vec::new();
        let shipped = SCHEMAS
            .iter()
            .flat_map(|schema| schema.discriminators())
            .map(|field| (field.name, field.presence_only, field.with));
        let users = info.routing.condition_fields().into_iter().map(|name| (name, false, None));
        for (name, presence_only, with) in shipped.chain(users) {
            let with = with.and_then(|other| names.iter().position(|have| *have.name == *other));
            match names.iter_mut().find(|have| *have.name == *name) {
                Some(have) => {
                    have.presence_only &= presence_only;
                    have.with = have.with.filter(|have| with == Some(*have));
                }
                None => names.push(Wanted { name: name.into(), presence_only, with }),
            }
        }
        let none = info.routing.route(otherwise, Vec::new(), None, &Arc::default(), &|_| None);
        Self {
            info: info.clone(),
            names,
            known: HashMap::default(),
            key: Vec::new(),
            last: Vec::new(),
            current: Arc::clone(&none),
            none,
        }
    }

    /// The fields whose values [`push`](Self::push) must be given, in this order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(|wanted| &*wanted.name)
    }

    /// Whether more than the presence of this one of the [`names`](Self::names) counts in an event that has these others.
    pub(super) fn counts_value(&self, index: u16, has: impl Fn(&str) -> bool) -> bool {
        let Some(wanted) = self.names.get(usize::from(index)) else { return true };
        let other = wanted.with.and_then(|other| self.names.get(other));
        !wanted.presence_only && other.is_none_or(|other| has(&other.name))
    }

    /// Begins an event.
    #[inline]
    pub fn begin(&mut self) {
        self.key.clear();
    }

    /// The first value of the next of the [`names`](Self::names), `None` if it is absent.
    #[inline]
    pub fn push(&mut self, index: usize, value: Option<(Kind, &[u8])>) {
        // Absent fields, nearly all of them, leave no trace in the key.
        let Some((kind, bytes)) = value.filter(|(kind, _)| *kind != Kind::Null) else { return };
        let (presence_only, with) = self
            .names
            .get(index)
            .map_or((false, None), |wanted| (wanted.presence_only, wanted.with));
        if with.is_some_and(|other| self.entries().all(|(have, ..)| have != other)) {
            return;
        }
        self.key.extend_from_slice(&(index as u16).to_le_bytes());
        match kind {
            Kind::Object | Kind::Empty => self.key.push(PRESENT),
            _ if presence_only => self.key.push(PRESENT),
            _ => {
                let bytes = &bytes[..bytes.len().min(LONGEST)];
                let escaped = kind == Kind::JsonText && memchr::memchr(b'\\', bytes).is_some();
                self.key.push(if escaped { ESCAPED } else { PLAIN });
                self.key.push(bytes.len() as u8);
                self.key.extend_from_slice(bytes);
            }
        }
    }

    /// As [`push`](Self::push) for a field with several values: no single one says what the event is. Its text is then the first with
    /// `,` behind it.
    #[inline]
    pub fn push_several(&mut self, index: usize, first: (Kind, &[u8])) {
        let tag = self.key.len() + 2;
        self.push(index, Some(first));
        match self.key.get_mut(tag) {
            Some(tag) if *tag == PLAIN => *tag = SEVERAL,
            _ => {}
        }
    }

    /// The route of the event whose discriminators were pushed.
    #[inline]
    pub fn route(&mut self) -> &Arc<Route> {
        if self.last != self.key {
            self.current = match self.known.get(&*self.key) {
                Some(route) => Arc::clone(route),
                None => self.meet(),
            };
            self.last.clone_from(&self.key);
        }
        &self.current
    }

    #[cold]
    fn meet(&mut self) -> Arc<Route> {
        let route = self.ask();
        if self.known.len() >= MOST {
            self.known.clear();
        }
        self.known.insert(self.key.as_slice().into(), Arc::clone(&route));
        route
    }

    fn ask(&self) -> Arc<Route> {
        let values = self.values();
        let get = |name: &str| {
            let at = self.names.iter().position(|have| *have.name == *name)?;
            values.get(at)?.as_deref()
        };
        match SCHEMAS.iter().find(|schema| schema.recognise(&get, &self.info)) {
            Some(schema) => schema.route(&get, &self.info),
            None => {
                let name = &self.none.name;
                let field = |name: &str| get(name).map(str::to_owned);
                self.info.routing.route(name, Vec::new(), None, &Arc::default(), &field)
            }
        }
    }

    /// What the key holds: the numbers of discriminators, how each stands there, and its bytes.
    fn entries(&self) -> impl Iterator<Item = (usize, u8, &[u8])> {
        let mut rest = self.key.as_slice();
        std::iter::from_fn(move || {
            let [low, high, tag, after @ ..] = rest else { return None };
            rest = after;
            let mut raw: &[u8] = &[];
            if *tag != PRESENT {
                let (length, after) = rest.split_first().unwrap_or((&0, &[]));
                (raw, rest) = after.split_at((*length as usize).min(after.len()));
            }
            Some((usize::from(u16::from_le_bytes([*low, *high])), *tag, raw))
        })
    }

    /// The values that the key holds.
    fn values(&self) -> Vec<Option<String>> {
        let mut values = vec![None; self.names.len()];
        for (index, tag, raw) in self.entries() {
            let mut text = Vec::new();
            if tag == ESCAPED {
                super::read::unescape(raw, &mut text);
            } else {
                text.extend_from_slice(raw);
            }
            if tag == SEVERAL {
                text.push(b',');
            }
            if let Some(place) = values.get_mut(index) {
                *place = Some(String::from_utf8_lossy(&text).into_owned());
            }
        }
        values
    }
}
