//! Large groups in a changelog: written whole now and then, and in between only what was added.
//!
//! A group of a million hits that gets a few with each transaction would be written whole each time otherwise. An addition has the hits that came,
//! how many of the oldest have left of all, and what else is known of the group. The last addition is written again until it is long enough;
//! then the next begins. When the additions are as long as the whole was, or half of all hits have left, the group is written whole
//! again, so each hit is written a few times at most.

use super::contents;
use super::encoding::{Broken, Reader, Writer};
use super::groups::Group;
use super::number::Fixed;
use super::state::{Changes, StateKey};
use super::window::{Aggregate, Entry, Hits, Value};
use super::windows::Windows;
use ahash::AHashMap;
use std::collections::BTreeMap;

/// Values longer than this have additions.
const LARGE: usize = 32 << 10;

/// The groups that have additions, by correlation and slot.
#[derive(Debug)]
pub(crate) struct Growths {
    /// Values longer than this have additions.
    large: usize,
    /// So many times as long as the whole the additions may become.
    times: usize,
    groups: AHashMap<(u32, u32), Growth>,
}

impl Default for Growths {
    fn default() -> Self {
        Self { large: LARGE, times: 1, groups: AHashMap::new() }
    }
}

/// What was written of a group.
#[derive(Debug, Default)]
struct Growth {
    /// Bytes of the whole.
    whole: usize,
    /// Bytes of the additions before the last.
    added: usize,
    /// Hits that were written or will be, with those that have left since.
    hits: u64,
    /// The number of the last addition.
    number: u32,
    /// Whether that was written.
    is_written: bool,
    /// Its hits, and how many they are.
    open: Writer,
    count: u64,
    /// It must be written whole.
    anew: bool,
}

/// How many of the hits that were written have left, where they leave one by one.
fn left(growth: &Growth, group: &Group) -> u64 {
    match group.window.hits {
        Hits::All(_) => growth.hits.saturating_sub(group.window.kept() as u64),
        Hits::Some(_) => 0,
    }
}

impl Growths {
    /// A group got a hit.
    pub(crate) fn hit(&mut self, place: (u32, u32), entry: Entry, value: &Value) {
        if self.groups.is_empty() {
            return;
        }
        let Some(growth) = self.groups.get_mut(&place).filter(|growth| !growth.anew) else {
            return;
        };
        growth.hits += 1;
        growth.count += 1;
        growth.open.entry(entry);
        match value {
            Value::None => {}
            Value::Text(text) => growth.open.bytes(text),
            Value::Number(number) => growth.open.signed_wide(number.units()),
        }
        if growth.added + growth.open.0.len() > growth.whole * self.times {
            growth.write_anew();
        }
    }

    /// The window of a group is another now.
    pub(crate) fn reset(&mut self, place: (u32, u32)) {
        if let Some(growth) = self.groups.get_mut(&place) {
            growth.write_anew();
        }
    }

    /// Nobody knows what came since: all must be written whole.
    pub(crate) fn reset_all(&mut self) {
        self.groups.values_mut().for_each(Growth::write_anew);
    }

    /// A group is gone: the numbers of additions that were written.
    pub(crate) fn remove(&mut self, place: (u32, u32)) -> std::ops::Range<u32> {
        self.groups.remove(&place).map_or(0..0, |growth| growth.written())
    }

    /// Gives correlations other numbers; what is gone must have been removed.
    pub(crate) fn renumber(&mut self, number: impl Fn(u32) -> Option<u32>) {
        let groups = std::mem::take(&mut self.groups);
        let renumbered = groups
            .into_iter()
            .filter_map(|((at, slot), growth)| Some(((number(at)?, slot), growth)));
        self.groups = renumbered.collect();
    }
}

impl Growth {
    fn write_anew(&mut self) {
        self.anew = true;
        self.open = Writer::default();
        self.count = 0;
    }

    fn written(&self) -> std::ops::Range<u32> {
        0..self.number + u32::from(self.is_written)
    }
}

impl Windows {
    /// What is to be written of a group that changed.
    pub(crate) fn changed_group(
        &mut self,
        (at, slot): (u32, u32),
        changed: &mut BTreeMap<StateKey, Option<Vec<u8>>>,
    ) {
        let Some(group) = self.groups[at as usize].get(slot) else { return };
        let node = &self.set.nodes[at as usize];
        let meaning = self.meanings[at as usize];
        let large = self.growths.large;
        if let Some(growth) = self.growths.groups.get_mut(&(at, slot)) {
            let left = left(growth, group);
            if !growth.anew && left <= growth.hits / 2 {
                let key = StateKey::added(&meaning, &group.key, growth.number);
                let value = super::state::sealed(&key, |out| {
                    out.number(left);
                    contents::write_known(node, group, self.set.fields(), out);
                    out.number(growth.count);
                    out.0.extend_from_slice(&growth.open.0);
                });
                growth.is_written = true;
                if growth.open.0.len() > large / 2 {
                    growth.added += value.len();
                    growth.number += 1;
                    growth.is_written = false;
                    growth.open = Writer::default();
                    growth.count = 0;
                }
                changed.insert(key, Some(value));
                return;
            }
            for number in growth.written() {
                changed.insert(StateKey::added(&meaning, &group.key, number), None);
            }
            self.growths.groups.remove(&(at, slot));
        }
        let hits = group.window.kept() as u64;
        let grows = matches!(
            (&group.window.hits, &group.window.aggregate),
            (Hits::All(_), Aggregate::Count) | (_, Aggregate::Distinct(_) | Aggregate::Numbers(_))
        );
        let Some((key, value)) = self.group_entry(at, slot) else { return };
        if grows && value.len() > large {
            let growth = Growth { whole: value.len(), hits, ..Growth::default() };
            self.growths.groups.insert((at, slot), growth);
        }
        changed.insert(key, Some(value));
    }

    /// Takes the additions of a group that were read, by number.
    pub(crate) fn read_additions(
        &mut self,
        at: u32,
        key: &[u8],
        additions: &BTreeMap<u32, Vec<u8>>,
        fields: &AHashMap<&str, u32>,
    ) -> Result<(), Broken> {
        const MISSING: Broken = "what it was added to is not there";
        let slot = self.groups[at as usize].find(key).ok_or(MISSING)?;
        let group = self.groups[at as usize].remove(slot).ok_or(MISSING)?;
        self.usage.removed(at, group.bytes(), group.window.kept());
        let mut window = group.window;
        let mut before = group.last.time;
        let node = &self.set.nodes[at as usize];
        let mut gone = 0;
        let mut known = None;
        for (expected, (number, bytes)) in (0u32..).zip(additions) {
            if *number != expected {
                return Err(MISSING);
            }
            let mut input = Reader(bytes);
            let left = input.number()?;
            known = Some(contents::read_known(node, key, fields, &mut input)?);
            for _ in 0..input.length(4)? {
                let entry = input.entry()?;
                if entry.time < before {
                    return Err("hits are out of order");
                }
                before = entry.time;
                let value = match window.aggregate {
                    Aggregate::Count => Value::None,
                    Aggregate::Distinct(_) => Value::Text(input.bytes()?.into()),
                    Aggregate::Numbers(_) => {
                        let number = Fixed::in_range(input.signed_wide()?);
                        Value::Number(number.ok_or("a value is out of range")?)
                    }
                    _ => return Err("it does not fit the correlation"),
                };
                window.add(node, entry, &value, &[]);
            }
            input.end()?;
            while gone < left {
                window.drop_oldest().ok_or("more hits have left than there were")?;
                gone += 1;
            }
            if left < gone {
                return Err("hits have come back");
            }
        }
        let Some(mut group) = known else { return Ok(()) };
        group.window = window;
        self.admit(at, group);
        if let Some(slot) = self.groups[at as usize].find(key) {
            let number = additions.len() as u32;
            let growth = Growth { number, anew: true, ..Growth::default() };
            self.growths.groups.insert((at, slot), growth);
        }
        Ok(())
    }

    /// Values longer than this have additions, up to so many times as long.
    #[cfg(test)]
    pub(crate) fn add_to_longer_than(&mut self, length: usize, times: usize) {
        (self.growths.large, self.growths.times) = (length, times);
    }
}

impl Changes {
    /// What was added to a group is gone with it.
    pub(crate) fn removed_additions(
        &mut self,
        numbers: std::ops::Range<u32>,
        key: impl Fn(u32) -> StateKey,
    ) {
        self.removed.extend(numbers.map(key));
    }
}
