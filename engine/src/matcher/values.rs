//! Field values of the event at hand: resolved through aliases, decoded and folded at most once each.

use super::class::{Class, ClassSource, ClassWhich};
use crate::alias::Pick;
use crate::escape::unescape_json;
use crate::fold::fold_char;
use crate::value::number_text;
use crate::{Fields, Kind, Slot, Store, ValueSpan};
use std::ops::Range;

/// Where a value's bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Record,
    Scratch,
    /// Decoded or computed here.
    Arena,
}

/// A range of the arena; `start == u32::MAX` where not made yet.
type Made = (u32, u32);
const NOT_MADE: Made = (u32::MAX, 0);

#[derive(Clone, Copy, Debug)]
pub(super) struct Value {
    pub(super) kind: Kind,
    place: Place,
    start: u32,
    end: u32,
    text: Made,
    folded: Made,
}

impl Value {
    /// As it stands in a record.
    fn of(span: ValueSpan) -> Self {
        let place = match span.store {
            Store::Record => Place::Record,
            Store::Scratch => Place::Scratch,
        };
        let ValueSpan { kind, start, end, .. } = span;
        Self { kind, place, start, end, text: NOT_MADE, folded: NOT_MADE }
    }
}

/// The values of a field; an empty list is none.
fn values_of(fields: &Fields, slot: Slot) -> impl Iterator<Item = ValueSpan> + '_ {
    fields.values(slot).filter(|span| span.kind != Kind::Empty)
}

/// The place among a field's values at which another one, of as many values, has a text.
fn place_of(view: View<'_>, slot: Slot, names: Slot, name: &str) -> Option<usize> {
    let View { fields, bytes, .. } = view;
    let mut decoded = Vec::new();
    let is_its = |span: ValueSpan| {
        let text = fields.bytes(bytes, span);
        match span.kind {
            Kind::Text => text.eq_ignore_ascii_case(name.as_bytes()),
            Kind::JsonText => {
                decoded.clear();
                unescape_json(text, &mut decoded);
                decoded.eq_ignore_ascii_case(name.as_bytes())
            }
            _ => false,
        }
    };
    let at = values_of(fields, names).position(is_its)?;
    (values_of(fields, slot).count() == values_of(fields, names).count()).then_some(at)
}

/// What a field of this event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// Not there.
    Missing,
    /// One null.
    Null,
    /// Present without a value: an empty list or an object.
    Void,
    /// Exactly one value.
    One(u32),
    /// Several: the range of values. The flags are those of the first (strict) source: (missing or null, present).
    Many { start: u32, end: u32, null: bool, present: bool },
}

#[derive(Clone, Copy)]
struct Cached {
    generation: u32,
    shape: Shape,
}

/// The values of one event.
pub(super) struct Values {
    generation: u32,
    cached: Vec<Cached>,
    values: Vec<Value>,
    arena: Vec<u8>,
    /// Buffers of computed values: what they are made of, and their text.
    made: Vec<Option<Made>>,
    computed: String,
}

/// The event that values are read from.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) fields: &'a Fields,
    pub(super) class: &'a Class,
    /// It is JSON without escapes of characters by number.
    pub(super) is_written: bool,
}

impl Values {
    pub(super) fn new(slots: usize) -> Self {
        Self {
            generation: 0,
            cached: vec![Cached { generation: 0, shape: Shape::Missing }; slots],
            values: Vec::new(),
            arena: Vec::new(),
            made: Vec::new(),
            computed: String::new(),
        }
    }

    pub(super) fn clear(&mut self) {
        if self.generation == u32::MAX {
            self.cached.iter_mut().for_each(|cached| cached.generation = 0);
            self.generation = 0;
        }
        self.generation += 1;
        self.values.clear();
        self.arena.clear();
    }

    /// What the field is in this event, through its alias if it is not there itself.
    #[inline]
    pub(super) fn shape(&mut self, view: View<'_>, field: Slot) -> Shape {
        let cached = self.cached[field.0 as usize];
        if cached.generation == self.generation {
            return cached.shape;
        }
        let shape = self.resolve(view, field);
        self.cached[field.0 as usize] = Cached { generation: self.generation, shape };
        shape
    }

    /// The same for a field that has the values of this slot, as it is known.
    #[inline]
    pub(super) fn shape_of(&mut self, view: View<'_>, field: Slot, slot: Slot) -> Shape {
        let cached = self.cached[field.0 as usize];
        if cached.generation == self.generation {
            return cached.shape;
        }
        let shape = self.native(view.fields, slot);
        self.cached[field.0 as usize] = Cached { generation: self.generation, shape };
        shape
    }

    fn resolve(&mut self, view: View<'_>, field: Slot) -> Shape {
        let alias = view.class.alias(field);
        if view.fields.is_present(field) && !alias.is_some_and(|alias| alias.widens) {
            return self.native(view.fields, field);
        }
        let Some(alias) = alias else { return Shape::Missing };
        if let Some(slots) = &alias.only_fields {
            // Nearly always only the first of the fields is there, or none.
            let is_present = |slot: &Slot| view.fields.is_present(*slot);
            match slots.iter().position(is_present) {
                None => return Shape::Missing,
                Some(0) if alias.first_is_strict && !slots[1..].iter().any(is_present) => {
                    return self.native(view.fields, slots[0]);
                }
                Some(_) => {}
            }
        }
        let start = self.values.len() as u32;
        let mut strict: Option<(bool, bool)> = None;
        let mut last = Shape::Missing;
        for (index, source) in alias.sources.iter().enumerate() {
            let shape = match source {
                ClassSource::Field(Some(slot)) if view.fields.is_present(*slot) => {
                    self.native(view.fields, *slot)
                }
                ClassSource::Field(_) => Shape::Missing,
                ClassSource::Computed { from, compute } => self.compute(view, from, *compute),
                ClassSource::Element { slot: Some(slot), which } => {
                    self.element(view, *slot, *which)
                }
                ClassSource::Element { slot: None, .. } => Shape::Missing,
            };
            if alias.pick == Pick::First {
                if shape != Shape::Missing {
                    return shape;
                }
                continue;
            }
            if index == 0 {
                strict = Some(self.flags(shape));
            }
            if shape != Shape::Missing {
                last = shape;
            }
        }
        let Some((null, present)) = strict else { return Shape::Missing };
        let end = self.values.len() as u32;
        let one_source = (null, present) == self.flags(last);
        match end - start {
            0 if one_source => last,
            1 if one_source && matches!(last, Shape::One(_)) => last,
            // Sources often say the same, and what one value pulls is remembered whole.
            _ if (null, present) == (false, true) && self.are_one_text(view, start..end) => {
                Shape::One(start)
            }
            _ => Shape::Many { start, end, null, present },
        }
    }

    /// Whether there are values, all of the same text: a test holds for all of them, or for none.
    fn are_one_text(&mut self, view: View<'_>, values: Range<u32>) -> bool {
        let first = values.start;
        let is_text = |value: &Value| matches!(value.kind, Kind::Text | Kind::JsonText);
        !values.is_empty()
            && values.into_iter().all(|value| {
                if !is_text(&self.values[value as usize]) {
                    return false;
                }
                if self.values[value as usize].kind == self.values[first as usize].kind
                    && self.key(view, value) == self.key(view, first)
                {
                    return true;
                }
                let (start, end) = self.text_range(view, first);
                let (from, to) = self.text_range(view, value);
                self.arena[start as usize..end as usize] == self.arena[from as usize..to as usize]
            })
    }

    /// (missing or null, present)
    fn flags(&self, shape: Shape) -> (bool, bool) {
        match shape {
            Shape::Missing => (true, false),
            Shape::Null => (true, true),
            Shape::Void | Shape::One(_) => (false, true),
            Shape::Many { null, present, .. } => (null, present),
        }
    }

    fn native(&mut self, fields: &Fields, slot: Slot) -> Shape {
        let start = self.values.len() as u32;
        if let Some(only) = fields.first(slot)
            && fields.next(only).is_none()
            && !matches!(only.kind, Kind::Null | Kind::Object | Kind::Empty)
        {
            self.values.push(Value::of(only));
            return Shape::One(start);
        }
        let (mut nulls, mut voids) = (false, false);
        for span in fields.values(slot) {
            match span.kind {
                Kind::Null => nulls = true,
                Kind::Object | Kind::Empty => voids = true,
                _ => self.values.push(Value::of(span)),
            }
        }
        let end = self.values.len() as u32;
        match (end - start, nulls, voids) {
            (0, true, false) => Shape::Null,
            (0, false, _) => Shape::Void,
            (1, false, false) => Shape::One(start),
            _ => Shape::Many { start, end, null: nulls, present: true },
        }
    }

    /// One of the values, as [`native`](Self::native) has them.
    fn element(&mut self, view: View<'_>, slot: Slot, which: ClassWhich) -> Shape {
        let at = match which {
            ClassWhich::Number(at) => Some(at),
            ClassWhich::Beside(names, name) => {
                names.and_then(|names| place_of(view, slot, names, name))
            }
        };
        match at.and_then(|at| values_of(view.fields, slot).nth(at)) {
            None => Shape::Missing,
            Some(span) => match span.kind {
                Kind::Null => Shape::Null,
                Kind::Object | Kind::Empty => Shape::Void,
                _ => {
                    self.values.push(Value::of(span));
                    Shape::One(self.values.len() as u32 - 1)
                }
            },
        }
    }

    fn compute(
        &mut self,
        view: View<'_>,
        from: &[Option<Slot>],
        compute: fn(&[Option<&str>], &mut String) -> bool,
    ) -> Shape {
        let mut made = std::mem::take(&mut self.made);
        made.clear();
        for slot in from {
            let shape = match slot {
                Some(slot) => {
                    let mark = self.values.len();
                    let shape = self.native(view.fields, *slot);
                    let first = match shape {
                        Shape::One(value) => Some(value),
                        Shape::Many { start, end, .. } if start < end => Some(start),
                        _ => None,
                    };
                    let text = first.map(|value| self.text_range(view, value));
                    self.values.truncate(mark);
                    text
                }
                None => None,
            };
            made.push(shape);
        }
        let mut out = std::mem::take(&mut self.computed);
        out.clear();
        let text = |range: &Option<Made>| {
            let (start, end) = (*range)?;
            std::str::from_utf8(&self.arena[start as usize..end as usize]).ok()
        };
        let found = match &*made {
            [only] => compute(&[text(only)], &mut out),
            [one, other] => compute(&[text(one), text(other)], &mut out),
            several => compute(&several.iter().map(text).collect::<Vec<_>>(), &mut out),
        };
        self.made = made;
        let shape = if found {
            let start = self.arena.len() as u32;
            self.arena.extend_from_slice(out.as_bytes());
            let end = self.arena.len() as u32;
            let value = Value {
                kind: Kind::Text,
                place: Place::Arena,
                start,
                end,
                text: (start, end),
                folded: NOT_MADE,
            };
            self.values.push(value);
            Shape::One(self.values.len() as u32 - 1)
        } else {
            Shape::Missing
        };
        self.computed = out;
        shape
    }

    /// The bytes by which a value is remembered: equal bytes of equal kind are the same value.
    #[inline]
    pub(super) fn key<'a>(&'a self, view: View<'a>, value: u32) -> &'a [u8] {
        let value = &self.values[value as usize];
        let store = match value.place {
            Place::Record => view.bytes,
            Place::Scratch => view.fields.scratch_bytes(),
            Place::Arena => &self.arena,
        };
        store.get(value.start as usize..value.end as usize).unwrap_or_default()
    }

    /// What kind of value it is.
    #[inline]
    pub(super) fn kind(&self, value: u32) -> Kind {
        self.values[value as usize].kind
    }

    /// The text that comparisons see, decoded; always UTF-8.
    pub(super) fn text(&mut self, view: View<'_>, value: u32) -> &[u8] {
        let (start, end) = self.text_range(view, value);
        &self.arena[start as usize..end as usize]
    }

    fn text_range(&mut self, view: View<'_>, value: u32) -> Made {
        let known = self.values[value as usize].text;
        if known != NOT_MADE {
            return known;
        }
        let start = self.arena.len();
        let mut arena = std::mem::take(&mut self.arena);
        let (bytes, kind) = {
            let value = &self.values[value as usize];
            let store = match value.place {
                Place::Record => view.bytes,
                Place::Scratch => view.fields.scratch_bytes(),
                Place::Arena => unreachable!("computed values know their text"),
            };
            (store.get(value.start as usize..value.end as usize).unwrap_or_default(), value.kind)
        };
        match kind {
            Kind::True => arena.extend_from_slice(b"true"),
            Kind::False => arena.extend_from_slice(b"false"),
            Kind::Number => match std::str::from_utf8(bytes) {
                Ok(text) => arena.extend_from_slice(number_text(text).as_bytes()),
                Err(_) => push_lossy(&mut arena, bytes),
            },
            Kind::JsonText => {
                unescape_json(bytes, &mut arena);
                if let Err(error) = std::str::from_utf8(&arena[start..]) {
                    let decoded = arena.split_off(start + error.valid_up_to());
                    push_lossy(&mut arena, &decoded);
                }
            }
            _ => push_lossy(&mut arena, bytes),
        }
        self.arena = arena;
        let made = (start as u32, self.arena.len() as u32);
        self.values[value as usize].text = made;
        made
    }

    /// The folded text.
    pub(super) fn folded(&mut self, view: View<'_>, value: u32) -> &[u8] {
        let known = self.values[value as usize].folded;
        let (start, end) = if known == NOT_MADE { self.fold(view, value) } else { known };
        &self.arena[start as usize..end as usize]
    }

    /// Texts of ASCII, nearly all, are decoded and folded where they then stand.
    fn fold_ascii(&mut self, view: View<'_>, value: u32) -> Option<Made> {
        let Value { kind, place, start, end, text, .. } = self.values[value as usize];
        let store = match place {
            Place::Record => view.bytes,
            Place::Scratch => view.fields.scratch_bytes(),
            Place::Arena => return None,
        };
        if text != NOT_MADE || !matches!(kind, Kind::Text | Kind::JsonText) {
            return None;
        }
        let bytes = store.get(start as usize..end as usize).unwrap_or_default();
        let start = self.arena.len();
        if kind == Kind::JsonText {
            unescape_json(bytes, &mut self.arena);
        } else {
            self.arena.extend_from_slice(bytes);
        }
        let made = &mut self.arena[start..];
        if !made.is_ascii() {
            self.arena.truncate(start);
            return None;
        }
        made.make_ascii_lowercase();
        Some((start as u32, self.arena.len() as u32))
    }

    fn fold(&mut self, view: View<'_>, value: u32) -> Made {
        if let Some(made) = self.fold_ascii(view, value) {
            self.values[value as usize].folded = made;
            return made;
        }
        let (from, to) = self.text_range(view, value);
        let (from, to) = (from as usize, to as usize);
        let start = self.arena.len();
        if self.arena[from..to].is_ascii() {
            self.arena.extend_from_within(from..to);
            self.arena[start..].make_ascii_lowercase();
        } else {
            let text = String::from_utf8_lossy(&self.arena[from..to]).into_owned();
            let mut buffer = [0; 4];
            for character in text.chars() {
                let folded = fold_char(character).encode_utf8(&mut buffer);
                self.arena.extend_from_slice(folded.as_bytes());
            }
        }
        let made = (start as u32, self.arena.len() as u32);
        self.values[value as usize].folded = made;
        made
    }
}

fn push_lossy(out: &mut Vec<u8>, bytes: &[u8]) {
    if bytes.is_ascii() {
        out.extend_from_slice(bytes);
    } else {
        out.extend_from_slice(String::from_utf8_lossy(bytes).as_bytes());
    }
}
