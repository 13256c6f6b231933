//! Routes by the shape of a record: which wanted fields it has decides, with the values of a few of them, what kind of event it is.
//!
//! Programs write records of few shapes. For one that was met before only the values that count are compared; everything else
//! about its route is known.

use sigmund_engine::{Fields, Kind, Route, Slot};
use std::sync::Arc;

/// So many shapes are remembered; one that comes to the place of another takes it.
const PLACES: usize = 256;

/// Longer shapes and values are not remembered, so that hostile records cannot fill the memory.
const LONGEST_SHAPE: usize = 256;
const LONGEST_VALUE: usize = 256;

/// The routes of the last shapes of one stream.
#[derive(Debug, Default)]
pub(super) struct Routes {
    known: Vec<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// What filled which slots: see [`super::project::Entered::shape`].
    shape: Vec<u32>,
    /// The values that the route depends on.
    values: Vec<(Slot, Kind, Box<[u8]>)>,
    /// `None` where nothing is known.
    route: Option<Arc<Route>>,
}

fn place(shape: &[u32]) -> usize {
    let mixed = shape
        .iter()
        .fold(0u32, |hash, entry| (hash.rotate_left(5) ^ entry).wrapping_mul(0x9E37_79B9));
    (mixed >> 16) as usize % PLACES
}

impl Routes {
    /// The route of records of this shape with these values, if it is known.
    #[inline]
    pub(super) fn find(
        &self,
        shape: &[u32],
        fields: &Fields,
        record: &[u8],
    ) -> Option<&Arc<Route>> {
        let known = self.known.get(place(shape))?;
        if known.shape != shape {
            return None;
        }
        let is_same = |(slot, kind, bytes): &(Slot, Kind, Box<[u8]>)| {
            fields
                .first(*slot)
                .is_some_and(|value| value.kind == *kind && *fields.bytes(record, value) == **bytes)
        };
        known.route.as_ref().filter(|_| known.values.iter().all(is_same))
    }

    /// Remembers the route of a record of this shape. `slots` are those whose values count.
    pub(super) fn learn(
        &mut self,
        shape: &[u32],
        slots: impl Iterator<Item = Slot>,
        (fields, record): (&Fields, &[u8]),
        route: &Arc<Route>,
    ) {
        if shape.len() > LONGEST_SHAPE {
            return;
        }
        if self.known.is_empty() {
            self.known.resize_with(PLACES, Known::default);
        }
        let known = &mut self.known[place(shape)];
        known.route = None;
        known.values.clear();
        for slot in slots {
            let Some(value) = fields.first(slot) else { continue };
            let bytes = fields.bytes(record, value);
            if bytes.len() > LONGEST_VALUE {
                return;
            }
            known.values.push((slot, value.kind, bytes.into()));
        }
        known.shape.clear();
        known.shape.extend_from_slice(shape);
        known.route = Some(Arc::clone(route));
    }
}
