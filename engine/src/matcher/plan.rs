//! What is asked of events of one class that have the same fields: programs write records of few shapes, and which fields a record has says of most
//! fields that rules read whether they have a value, and whose it is.

use super::class::{Class, ClassAlias, ClassSource, ClassWhich};
use crate::alias::Pick;
use crate::{Fields, Slot};

/// So many plans are kept; one that comes to the place of another takes it, so that hostile records cannot fill the memory.
const PLACES: usize = 512;

/// For longer lists of fields none is kept, for the same reason.
pub(super) const LONGEST: usize = 256;

/// For events that have the same fields.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// Candidates whatever the values are: the bucket, and the rule in it.
    pub(super) candidates: Vec<(u32, u32)>,
    /// Of the fields in [`Class::native`] those that have a value.
    pub(super) asked: Vec<Asked>,
    /// Of [`Class::computed`] those that depend on a value.
    pub(super) computed: Vec<u32>,
}

/// A field of a bucket.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    pub(super) bucket: u32,
    /// Its place in the bucket's fields.
    pub(super) place: u32,
    /// The slot whose values it has; `None` if it depends on more.
    pub(super) slot: Option<Slot>,
}

/// Whose values a field has in events with certain fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// None: it is the same in all of them.
    Nothing,
    /// Those of a slot, as they are.
    Slot(Slot),
    /// It depends on values.
    Values,
}

/// Plans that were made.
pub(super) struct Plans {
    known: Box<[Option<Known>]>,
}

struct Known {
    class: u32,
    present: Box<[Slot]>,
    plan: Plan,
}

impl Default for Plans {
    fn default() -> Self {
        Self { known: (0..PLACES).map(|_| None).collect() }
    }
}

impl Plans {
    /// The plan for events of a class that have these fields, and none others; made if it is not known.
    #[inline]
    pub(super) fn find(
        &mut self,
        class: u32,
        present: &[Slot],
        make: impl FnOnce() -> Plan,
    ) -> &Plan {
        let place = &mut self.known[place(class, present)];
        let is_it = |known: &Known| known.class == class && *known.present == *present;
        if !place.as_ref().is_some_and(is_it) {
            let plan = make();
            *place = Some(Known { class, present: present.into(), plan });
        }
        &place.as_ref().expect("it is there").plan
    }
}

fn place(class: u32, present: &[Slot]) -> usize {
    let (mut sum, mut weight) = (class, 0x9E37_79B9u32);
    for slot in present {
        sum = sum.wrapping_add((slot.0 ^ 0x5555).wrapping_mul(weight));
        weight = weight.wrapping_add(0x7F4A_7C16);
    }
    (sum ^ sum >> 15).wrapping_mul(0x85EB_CA6B) as usize >> 16 & (PLACES - 1)
}

/// Whose values a field has.
pub(super) fn origin(class: &Class, fields: &Fields, field: Slot) -> Origin {
    let is_present = |slot: &Slot| fields.is_present(*slot);
    let alias = class.alias(field);
    if is_present(&field) && !alias.is_some_and(|alias| alias.widens) {
        return Origin::Slot(field);
    }
    let Some(alias) = alias else { return Origin::Nothing };
    if !alias.sources.iter().any(|source| reads_any(source, is_present)) {
        return Origin::Nothing;
    }
    only_slot(alias, is_present).map_or(Origin::Values, Origin::Slot)
}

/// The slot whose values, and nothing else, an alias has.
fn only_slot(alias: &ClassAlias, is_present: impl Fn(&Slot) -> bool) -> Option<Slot> {
    if alias.pick == Pick::First {
        return alias.sources.iter().find_map(|source| match source {
            ClassSource::Field(slot) => slot.filter(&is_present).map(Some),
            // What comes after it may count or not.
            ClassSource::Computed { .. } | ClassSource::Element { .. } => Some(None),
        })?;
    }
    match alias.only_fields.as_deref()? {
        [first, others @ ..] if alias.first_is_strict => {
            (is_present(first) && !others.iter().any(is_present)).then_some(*first)
        }
        _ => None,
    }
}

/// Whether a source reads a slot for which that holds.
fn reads_any(source: &ClassSource, holds: impl Fn(&Slot) -> bool) -> bool {
    match source {
        ClassSource::Field(slot) => slot.iter().any(holds),
        ClassSource::Computed { from, .. } => from.iter().flatten().any(holds),
        ClassSource::Element { slot, which: ClassWhich::Number(_) } => slot.iter().any(holds),
        ClassSource::Element { slot, which: ClassWhich::Beside(names, _) } => {
            slot.iter().chain(names).any(holds)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plans_that_come_to_the_same_place_are_told_apart() {
        let mut plans = Plans::default();
        // Many more than places, one event after the other, some of them again.
        let lists = (0..4000u32).flat_map(|at| [at, at / 2]).map(|at| (at % 3, [at, at % 7, 5]));
        for (class, slots) in lists {
            let present = &slots.map(Slot)[..2 + class as usize % 2];
            let own = |present: &[Slot]| {
                let computed = present.iter().map(|slot| slot.0).chain([class]).collect();
                Plan { computed, ..Plan::default() }
            };
            let plan = plans.find(class, present, || own(present));
            assert_eq!(plan.computed, own(present).computed);
        }
        let known = [Slot(1), Slot(2)];
        plans.find(1, &known, Plan::default);
        plans.find(1, &known, || unreachable!("it is known"));
    }
}
