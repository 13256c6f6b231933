//! The fields of an event as a rule names them.
//!
//! Order (one rule for all formats): the native field of that name, then the lifted one, then the
//! alias of the route; an alias that widens the native field of its own name stands for it.

use crate::alias::{Alias, Pick, Source, Which};
use crate::escape::unescape_json;
use crate::find::find;
use crate::fold::folded;
use crate::value::number_text;
use crate::{Kind, Object, Occurrence, Record, Slot, Value};
use std::borrow::Cow;
use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

/// Looks up fields of one event, and remembers what it found.
#[derive(Debug)]
pub struct Lookup<'e> {
    event: &'e dyn Occurrence,
    found: RefCell<HashMap<Box<str>, Rc<Found<'e>>, ahash::RandomState>>,
    searched: OnceCell<Vec<Candidate<'e>>>,
    /// All of them in one folded text.
    searched_text: OnceCell<String>,
}

/// Where a field was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nowhere.
    Missing,
    /// The event itself has it.
    Native,
    /// A known container of the event has it.
    Lifted,
    /// An alias of the event's route.
    Alias,
}

/// What a name stands for in an event.
#[derive(Debug)]
pub struct Found<'e> {
    /// Where it was found.
    pub origin: Origin,
    /// One for a native or lifted field; for an alias its sources in order: all of them for alternates, the
    /// first present one otherwise.
    pub sources: Vec<FoundSource<'e>>,
}

/// One source of a field.
#[derive(Debug)]
pub struct FoundSource<'e> {
    /// For an alias: the native field, or what was computed.
    pub name: Option<Cow<'e, str>>,
    /// Whether it is there; null and the empty list count (choice C3).
    pub present: bool,
    /// Its scalars and objects, lists flattened (choice C8).
    pub values: Vec<Candidate<'e>>,
}

/// One value that tests see.
#[derive(Debug)]
pub struct Candidate<'e> {
    /// What it is.
    pub kind: CandidateKind,
    /// The text that is compared; none for null and objects.
    text: Option<Cow<'e, str>>,
    folded: OnceCell<String>,
}

/// Kinds of values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum CandidateKind {
    Null,
    Bool,
    Number,
    Text,
    Object,
}

impl<'e> Candidate<'e> {
    fn of(value: &'e Value) -> Self {
        let kind = match value {
            Value::Null => CandidateKind::Null,
            Value::Bool(_) => CandidateKind::Bool,
            Value::Number(_) => CandidateKind::Number,
            Value::Text(_) => CandidateKind::Text,
            // Lists are flattened before.
            Value::Array(_) | Value::Object(_) => CandidateKind::Object,
        };
        Self { kind, text: value.comparable(), folded: OnceCell::new() }
    }

    fn text_of(text: impl Into<Cow<'e, str>>) -> Self {
        Self { kind: CandidateKind::Text, text: Some(text.into()), folded: OnceCell::new() }
    }

    /// The text that comparisons see.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        self.text.as_deref()
    }

    pub(crate) fn folded(&self) -> Option<&str> {
        let text = self.text()?;
        Some(self.folded.get_or_init(|| folded(text)))
    }
}

impl<'e> Found<'e> {
    /// All values that a test may hold for.
    pub fn candidates(&self) -> impl Iterator<Item = (&FoundSource<'e>, &Candidate<'e>)> {
        self.sources
            .iter()
            .flat_map(|source| source.values.iter().map(move |value| (source, value)))
    }

    /// Whether the field is present. Of alternates the first source decides.
    #[must_use]
    pub fn is_present(&self) -> bool {
        self.sources.first().is_some_and(|source| source.present)
    }

    /// Whether it is missing or null (choice C2). Of alternates the first source decides.
    #[must_use]
    pub fn is_null(&self) -> bool {
        match self.sources.first() {
            Some(source) if source.present => {
                source.values.iter().any(|value| value.kind == CandidateKind::Null)
            }
            Some(_) | None => true,
        }
    }
}

impl<'e> Lookup<'e> {
    /// For one event.
    #[must_use]
    pub fn new(event: &'e dyn Occurrence) -> Self {
        Self {
            event,
            found: RefCell::default(),
            searched: OnceCell::new(),
            searched_text: OnceCell::new(),
        }
    }

    /// The event.
    #[must_use]
    pub fn event(&self) -> &'e dyn Occurrence {
        self.event
    }

    /// The field of that name.
    #[must_use]
    pub fn field(&self, name: &str) -> Rc<Found<'e>> {
        if let Some(found) = self.found.borrow().get(name) {
            return Rc::clone(found);
        }
        let found = Rc::new(self.find(name));
        self.found.borrow_mut().insert(name.into(), Rc::clone(&found));
        found
    }

    /// What keywords search (choice C7).
    #[must_use]
    pub fn searched(&self) -> &[Candidate<'e>] {
        self.searched.get_or_init(|| {
            let event = self.event.whole();
            if event.keywords_in_raw {
                return vec![Candidate::text_of(String::from_utf8_lossy(&event.raw))];
            }
            let mut scalars = Vec::new();
            for (_, value) in &event.object.0 {
                collect_scalars(value, &mut scalars);
            }
            scalars
        })
    }

    /// Whether a folded text may be in one of the values that keywords search: quick to deny.
    pub(super) fn may_be_searched(&self, wanted: &str) -> bool {
        let all = self.searched_text.get_or_init(|| {
            let mut all = String::new();
            for text in self.searched().iter().filter_map(Candidate::text) {
                all.push_str(text);
                all.push('\n');
            }
            folded(&all)
        });
        find(all.as_bytes(), wanted.as_bytes()).is_some()
    }

    fn find(&self, name: &str) -> Found<'e> {
        let widened = self.event.route().aliases.get(name).is_some_and(Alias::widens);
        let native = if widened { None } else { self.native(name) };
        if let Some((origin, values)) = native {
            return Found {
                origin,
                sources: vec![FoundSource { name: None, present: true, values }],
            };
        }
        let route: &'e crate::Route = self.event.route();
        let Some(alias) = route.aliases.get(name) else {
            return Found { origin: Origin::Missing, sources: Vec::new() };
        };
        let mut sources: Vec<FoundSource<'e>> =
            alias.sources.iter().map(|source| self.source(source)).collect();
        if alias.pick == Pick::First {
            sources.retain(|source| source.present);
            sources.truncate(1);
        }
        let present = sources.iter().any(|source| source.present);
        Found { origin: if present { Origin::Alias } else { Origin::Missing }, sources }
    }

    fn source(&self, source: &'e Source) -> FoundSource<'e> {
        match source {
            Source::Field(field) => {
                let values = self.native(field);
                FoundSource {
                    name: Some(Cow::Borrowed(field)),
                    present: values.is_some(),
                    values: values.map(|(_, values)| values).unwrap_or_default(),
                }
            }
            Source::Computed { from, compute, what } => {
                let texts: Vec<Option<Cow<'e, str>>> =
                    from.iter().map(|field| self.first_text(field)).collect();
                let texts: Vec<Option<&str>> = texts.iter().map(Option::as_deref).collect();
                let mut out = String::new();
                let present = compute(&texts, &mut out);
                FoundSource {
                    name: Some(Cow::Borrowed(what)),
                    present,
                    values: if present { vec![Candidate::text_of(out)] } else { Vec::new() },
                }
            }
            Source::Element { field, which } => {
                let (name, value) = match which {
                    Which::Number(at) => (
                        format!("value {} of {field}", at + 1),
                        self.values(field).into_iter().nth(*at),
                    ),
                    Which::Beside { names, name } => {
                        (format!("{field} of {name}"), self.beside(field, names, name))
                    }
                };
                FoundSource {
                    name: Some(Cow::Owned(name)),
                    present: value.is_some(),
                    values: value.into_iter().collect(),
                }
            }
        }
    }

    fn values(&self, field: &str) -> Vec<Candidate<'e>> {
        self.native(field).map(|(_, values)| values).unwrap_or_default()
    }

    /// See [`Which::Beside`].
    fn beside(&self, field: &str, names: &str, name: &str) -> Option<Candidate<'e>> {
        let (values, names) = (self.values(field), self.values(names));
        if values.len() != names.len() {
            return None;
        }
        let is_its = |have: &Candidate<'e>| {
            have.kind == CandidateKind::Text
                && have.text().is_some_and(|text| text.eq_ignore_ascii_case(name))
        };
        let at = names.iter().position(is_its)?;
        values.into_iter().nth(at)
    }

    fn first_text(&self, field: &str) -> Option<Cow<'e, str>> {
        let (_, values) = self.native(field)?;
        values.into_iter().find_map(|candidate| candidate.text)
    }

    /// The values of a field of the event itself, lists flattened.
    fn native(&self, name: &str) -> Option<(Origin, Vec<Candidate<'e>>)> {
        if let Some(record) = self.event.record()
            && let Some(slot) = record.fields.table().get(name)
        {
            return of_slot(self.event.raw(), record, slot).map(|values| (Origin::Native, values));
        }
        let event = self.event.whole();
        resolve(&event.object, name).map(|values| (Origin::Native, flatten(&values))).or_else(
            || resolve(&event.lifted, name).map(|values| (Origin::Lifted, flatten(&values))),
        )
    }
}

/// The values of a record's field. What was lifted is not told from what was not.
fn of_slot<'e>(raw: &'e [u8], record: &'e Record, slot: Slot) -> Option<Vec<Candidate<'e>>> {
    let fields = &record.fields;
    let candidate = |kind, text| Candidate { kind, text, folded: OnceCell::new() };
    let values = fields.values(slot).filter_map(|value| {
        let text = || String::from_utf8_lossy(fields.bytes(raw, value));
        Some(match value.kind {
            Kind::Empty => return None,
            Kind::Null => candidate(CandidateKind::Null, None),
            Kind::Object => candidate(CandidateKind::Object, None),
            Kind::True => candidate(CandidateKind::Bool, Some(Cow::Borrowed("true"))),
            Kind::False => candidate(CandidateKind::Bool, Some(Cow::Borrowed("false"))),
            Kind::Number => {
                let text = match text() {
                    Cow::Borrowed(text) => number_text(text),
                    Cow::Owned(text) => Cow::Owned(number_text(&text).into_owned()),
                };
                candidate(CandidateKind::Number, Some(text))
            }
            Kind::Text => candidate(CandidateKind::Text, Some(text())),
            Kind::JsonText => {
                let mut decoded = Vec::new();
                unescape_json(fields.bytes(raw, value), &mut decoded);
                let text = String::from_utf8(decoded)
                    .unwrap_or_else(|bad| String::from_utf8_lossy(bad.as_bytes()).into_owned());
                candidate(CandidateKind::Text, Some(Cow::Owned(text)))
            }
        })
    });
    fields.is_present(slot).then(|| values.collect())
}

/// Choice C10: the longest key prefix that exists wins at each level, even if it leads nowhere.
#[must_use]
pub fn resolve<'e>(object: &'e Object, path: &str) -> Option<Vec<&'e Value>> {
    if let Some(value) = object.get(path) {
        return Some(vec![value]);
    }
    path.rmatch_indices('.')
        .find_map(|(dot, _)| object.get(&path[..dot]).map(|value| (value, &path[dot + 1..])))
        .and_then(|(value, rest)| descend(value, rest))
}

/// Lists on the path fan out; a path through a scalar is missing.
fn descend<'e>(value: &'e Value, path: &str) -> Option<Vec<&'e Value>> {
    match value {
        Value::Object(object) => resolve(object, path),
        Value::Array(elements) => {
            let found: Vec<&'e Value> =
                elements.iter().filter_map(|element| descend(element, path)).flatten().collect();
            (!found.is_empty()).then_some(found)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Text(_) => None,
    }
}

fn flatten<'e>(values: &[&'e Value]) -> Vec<Candidate<'e>> {
    fn add<'e>(value: &'e Value, out: &mut Vec<Candidate<'e>>) {
        match value {
            Value::Array(elements) => elements.iter().for_each(|element| add(element, out)),
            scalar_or_object => out.push(Candidate::of(scalar_or_object)),
        }
    }
    let mut out = Vec::new();
    values.iter().for_each(|value| add(value, &mut out));
    out
}

fn collect_scalars<'e>(value: &'e Value, out: &mut Vec<Candidate<'e>>) {
    match value {
        Value::Array(elements) => {
            elements.iter().for_each(|element| collect_scalars(element, out));
        }
        Value::Object(object) => {
            object.0.iter().for_each(|(_, value)| collect_scalars(value, out));
        }
        scalar => out.push(Candidate::of(scalar)),
    }
}
