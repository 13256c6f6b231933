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
}

impl Discriminator {
    /// A field whose value counts.
    #[must_use]
    pub const fn value(name: &'static str) -> Self {
        Self { name, presence_only: false }
    }

    /// A field whose presence counts.
    #[must_use]
    pub const fn presence(name: &'static str) -> Self {
        Self { name, presence_only: true }
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

/// Finds routes by discriminators.
#[derive(Debug)]
pub struct Router {
    info: StreamInfo,
    names: Vec<(Box<str>, bool)>,
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
        let mut names: Vec<(Box<str>, bool)> = Vec::new();
        let shipped = SCHEMAS
            .iter()
            .flat_map(|schema| schema.discriminators())
            .map(|field| (field.name, field.presence_only));
        let users = info.routing.condition_fields().into_iter().map(|name| (name, false));
        for (name, presence_only) in shipped.chain(users) {
            match names.iter_mut().find(|(have, _)| **have == *name) {
                Some((_, only)) => *only &= presence_only,
                None => names.push((name.into(), presence_only)),
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
        self.names.iter().map(|(name, _)| &**name)
    }

    /// Whether more than the presence of this one of the [`names`](Self::names) counts.
    pub(super) fn counts_value(&self, index: u16) -> bool {
        self.names.get(usize::from(index)).is_none_or(|(_, presence_only)| !presence_only)
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
        let presence_only = self.names.get(index).is_some_and(|(_, only)| *only);
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
            let at = self.names.iter().position(|(have, _)| **have == *name)?;
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

    /// The values that the key holds.
    fn values(&self) -> Vec<Option<String>> {
        let mut values = vec![None; self.names.len()];
        let mut rest = self.key.as_slice();
        while let [low, high, tag, after @ ..] = rest {
            rest = after;
            let value = match *tag {
                PRESENT => String::new(),
                tag => {
                    let (length, after) = rest.split_first().unwrap_or((&0, &[]));
                    let (raw, after) = after.split_at((*length as usize).min(after.len()));
                    rest = after;
                    let mut text = Vec::new();
                    if tag == ESCAPED {
                        super::read::unescape(raw, &mut text);
                    } else {
                        text.extend_from_slice(raw);
                    }
                    if tag == SEVERAL {
                        text.push(b',');
                    }
                    String::from_utf8_lossy(&text).into_owned()
                }
            };
            if let Some(place) = values.get_mut(usize::from(u16::from_le_bytes([*low, *high]))) {
                *place = Some(value);
            }
        }
        values
    }
}
