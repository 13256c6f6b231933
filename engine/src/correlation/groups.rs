//! The groups of one correlation: found by their keys, numbered by slots.

use super::hash;
use super::index::{Index, NONE};
use super::window::{Entry, Window};

/// One group of one correlation. An attacker can make millions of them: what only few groups need is in [`Rare`].
#[derive(Clone, Debug)]
pub(crate) struct Group {
    /// The values of the group, each with its length before it.
    pub(crate) key: Box<[u8]>,
    pub(crate) window: Window,
    /// The last hit.
    pub(crate) last: Entry,
    /// When it is to be looked at.
    pub(crate) due: i64,
    /// Of the key.
    hash: u32,
    /// The condition held when it was last looked at.
    pub(crate) active: bool,
    /// It changed since somebody asked for what changed.
    pub(crate) changed: bool,
    rare: Option<Box<Rare>>,
}

/// What only some groups need.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rare {
    /// The hit that opened the window, where windows are opened.
    pub(crate) opened: Option<i64>,
    /// The last alert that went out.
    pub(crate) alerted: Option<i64>,
    /// Evaluations that were true at the time of the last one, to tell alerts of the same time apart.
    pub(crate) anchor: (i64, u32),
    /// The fields of the last hit, where outer correlations may ask for them at the end of a window.
    pub(crate) fields: Vec<(u32, Box<str>)>,
}

static NOTHING: Rare =
    Rare { opened: None, alerted: None, anchor: (i64::MIN, 0), fields: Vec::new() };

impl Group {
    pub(crate) fn new(key: Box<[u8]>, window: Window, first: Entry) -> Self {
        let hash = hash::of(&key);
        Self {
            key,
            window,
            last: first,
            due: i64::MAX,
            hash,
            active: false,
            changed: false,
            rare: None,
        }
    }

    pub(crate) fn rare(&self) -> &Rare {
        self.rare.as_deref().unwrap_or(&NOTHING)
    }

    pub(crate) fn rare_mut(&mut self) -> &mut Rare {
        self.rare.get_or_insert_with(|| Box::new(NOTHING.clone()))
    }

    /// Gives fields other numbers; those without one are dropped.
    pub(crate) fn renumber_fields(&mut self, number: &dyn Fn(u32) -> Option<u32>) {
        if let Some(rare) = &mut self.rare {
            let old = std::mem::take(&mut rare.fields);
            let renumbered = old.into_iter().filter_map(|(at, text)| Some((number(at)?, text)));
            rare.fields.extend(renumbered);
            rare.fields.sort_unstable();
        }
    }

    /// About how much memory it takes, with its places in tables and timers.
    pub(crate) fn bytes(&self) -> usize {
        // Two timers and a place in the table, which have room to grow; the head of an allocation.
        const PLACES: usize = 2 * 16 + 16 + 16;
        let rare = self.rare.as_deref().map_or(0, |rare| {
            let fields = rare.fields.iter().map(|(_, text)| text.len() + 40);
            size_of::<Rare>() + fields.sum::<usize>()
        });
        PLACES + size_of::<Self>() + self.key.len() + rare + self.window.bytes()
    }
}

/// Groups by their keys.
#[derive(Debug)]
pub(crate) struct Groups {
    index: Index,
    slots: Vec<Slot>,
    free: u32,
}

#[derive(Debug)]
enum Slot {
    Free(u32),
    Used(Group),
}

impl Default for Groups {
    fn default() -> Self {
        Self { index: Index::default(), slots: Vec::new(), free: NONE }
    }
}

impl Groups {
    /// The slot of a group.
    pub(crate) fn find(&self, key: &[u8]) -> Option<u32> {
        let is = |slot| self.get(slot).is_some_and(|group| *group.key == *key);
        self.index.find(hash::of(key), is)
    }

    pub(crate) fn len(&self) -> usize {
        self.index.len()
    }

    pub(crate) fn get(&self, slot: u32) -> Option<&Group> {
        match self.slots.get(slot as usize)? {
            Slot::Used(group) => Some(group),
            Slot::Free(_) => None,
        }
    }

    pub(crate) fn get_mut(&mut self, slot: u32) -> Option<&mut Group> {
        match self.slots.get_mut(slot as usize)? {
            Slot::Used(group) => Some(group),
            Slot::Free(_) => None,
        }
    }

    /// Adds a group whose key is not there yet.
    pub(crate) fn insert(&mut self, group: Group) -> u32 {
        let hash = group.hash;
        let slot = match self.slots.get_mut(self.free as usize) {
            Some(place) => {
                let slot = self.free;
                if let Slot::Free(next) = place {
                    self.free = *next;
                }
                *place = Slot::Used(group);
                slot
            }
            None => {
                self.slots.push(Slot::Used(group));
                self.slots.len() as u32 - 1
            }
        };
        self.index.insert(hash, slot);
        slot
    }

    pub(crate) fn remove(&mut self, slot: u32) -> Option<Group> {
        let place =
            self.slots.get_mut(slot as usize).filter(|place| matches!(place, Slot::Used(_)))?;
        let Slot::Used(group) = std::mem::replace(place, Slot::Free(self.free)) else {
            return None;
        };
        self.free = slot;
        self.index.remove(group.hash, slot);
        if self.index.len() == 0 {
            *self = Self::default();
        }
        Some(group)
    }

    /// All groups, by slot.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &Group)> {
        (0u32..).zip(&self.slots).filter_map(|(slot, place)| match place {
            Slot::Used(group) => Some((slot, group)),
            Slot::Free(_) => None,
        })
    }

    /// Changes all groups.
    pub(crate) fn for_each(&mut self, mut change: impl FnMut(&mut Group)) {
        for place in &mut self.slots {
            if let Slot::Used(group) = place {
                change(group);
            }
        }
    }
}
