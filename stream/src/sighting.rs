//! From an event that rules matched to what correlations need of it, read from the record as its parser filled it.

use crate::rules::Rules;
use sigmund_engine::correlation::{Correlations, EventRef, Sighting};
use sigmund_engine::{Matcher, Record, Slot};
use std::sync::Arc;

/// Makes sightings.
#[derive(Debug)]
pub struct Sightings {
    correlations: Arc<Correlations>,
    /// By field of the correlations.
    slots: Vec<Option<Slot>>,
}

impl Sightings {
    /// Makes sightings for the correlations over rules.
    #[must_use]
    pub fn new(rules: &Rules) -> Self {
        let table = rules.set.field_table();
        let slots = rules.correlations.fields().iter().map(|name| table.get(name)).collect();
        Self { correlations: Arc::clone(&rules.correlations), slots }
    }

    /// Whether correlations use one of the rules.
    #[must_use]
    pub fn wants(&self, rules: &[u32]) -> bool {
        rules.iter().any(|rule| self.correlations.uses(*rule))
    }

    /// What correlations need of the record that the matcher was just given.
    pub fn make(
        &self,
        rules: &[u32],
        matcher: &mut Matcher,
        (bytes, record): (&[u8], &Record),
        time: i64,
        place: EventRef,
    ) -> Option<Sighting> {
        let read = |field: u32| {
            matcher.first_text(bytes, record, self.slots[field as usize]?).map(Box::from)
        };
        self.correlations.sighting_with(rules, time, place, read)
    }
}
