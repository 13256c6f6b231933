//! From an event that rules matched to what correlations need of it, read from the record as its parser filled it.

use crate::plan::Rules;
use sigmund_engine::correlation::{EventRef, Sighting};
use sigmund_engine::{Matcher, Record, Slot};

/// Makes sightings.
pub(crate) struct Sightings<'a> {
    rules: &'a Rules,
    /// By field of the correlations.
    slots: Vec<Option<Slot>>,
}

impl<'a> Sightings<'a> {
    pub(crate) fn new(rules: &'a Rules) -> Self {
        let table = rules.set.field_table();
        let slots = rules.correlations.fields().iter().map(|name| table.get(name)).collect();
        Self { rules, slots }
    }

    /// Whether correlations use one of the rules.
    pub(crate) fn wants(&self, rules: &[u32]) -> bool {
        rules.iter().any(|rule| self.rules.correlations.uses(*rule))
    }

    /// What correlations need of the record that the matcher was just given.
    pub(crate) fn make(
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
        self.rules.correlations.sighting_with(rules, time, place, read)
    }
}
