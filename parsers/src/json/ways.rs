//! The ways to the wanted fields: a trie of keys, so that nested members, flat keys with dots, and the known containers of
//! [`super::lift`] all lead to their slots.
//!
//! Each way to a slot has a rank: the longest key wins at each level (choice C10), and a field of the object wins over a lifted one.

use super::lift::{LIFTS, Lift, Step, WRAPPED};
use super::order::Ends;
use sigmund_engine::{FieldTable, Slot};

/// A way to a slot, as far as one key.
#[derive(Clone, Copy, Debug)]
pub(super) struct Claim {
    pub(super) slot: Slot,
    pub(super) rank: u32,
    pub(super) mask: u32,
    /// The way goes on below this key.
    pub(super) goes_on: bool,
    /// It leads through a known container: objects are not values there.
    pub(super) lifted: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) ends: Ends,
    /// The node of the object in which the key is.
    pub(super) parent: u32,
    /// The node of the key's own object, if any way goes on there.
    pub(super) child: u32,
    pub(super) has_blank: bool,
    pub(super) key: Box<[u8]>,
    pub(super) claims: Vec<Claim>,
}

impl Entry {
    /// The only way that comes to this key, if it ends here: whatever is no container fills its slot.
    pub(super) fn only_claim(&self) -> Option<Claim> {
        match &*self.claims {
            [claim] if !claim.goes_on && self.child == NONE => Some(*claim),
            _ => None,
        }
    }
}

#[derive(Clone, Debug, Default)]
pub(super) struct Node {
    /// Where unknown keys lead.
    pub(super) any: u32,
    /// Names are compared without their blanks.
    pub(super) strips_blanks: bool,
}

pub(super) const NONE: u32 = u32::MAX;
pub(super) const ROOT: u32 = 0;
/// Levels of one way that a rank has room for.
pub(super) const LEVELS: usize = 7;

/// The trie of the wanted fields.
#[derive(Clone, Debug)]
pub(super) struct Projection {
    pub(super) nodes: Vec<Node>,
    pub(super) entries: Vec<Entry>,
    /// For keys of the outermost object, which every record asks for, and for all others: the first must stay in the nearest cache.
    pub(super) outermost: Table,
    pub(super) inner: Table,
    /// The entry of the container that may be written as a text: see [`super::lift::WRAPPED`].
    pub(super) wrapped: u32,
    /// A name has more levels than ranks have room for: always take the slow way.
    pub(super) too_deep: bool,
}

/// Open addressing: hash and index in the entries, whose `NONE` is an empty place.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    places: Vec<(u32, u32)>,
    indices: Vec<u32>,
}

impl Table {
    pub(super) fn insert(&mut self, index: u32, entries: &[Entry]) {
        self.indices.push(index);
        if self.indices.len() * 4 > self.places.len() {
            self.places = vec![(0, NONE); (self.places.len() * 2).max(64)];
            for index in 0..self.indices.len() {
                self.place(self.indices[index], entries);
            }
        } else {
            self.place(index, entries);
        }
    }

    pub(super) fn place(&mut self, index: u32, entries: &[Entry]) {
        let mask = self.places.len() - 1;
        let entry = &entries[index as usize];
        let hash = entry.ends.hash(entry.parent);
        let mut at = hash as usize & mask;
        while self.places[at].1 != NONE {
            at = (at + 1) & mask;
        }
        self.places[at] = (hash, index);
    }
}

impl Projection {
    pub(super) fn new(table: &FieldTable) -> Self {
        let mut projection = Self {
            nodes: vec![Node { any: NONE, strips_blanks: false }],
            entries: Vec::new(),
            outermost: Table::default(),
            inner: Table::default(),
            wrapped: NONE,
            too_deep: false,
        };
        for (number, name) in (0u32..).zip(table.names()) {
            let slot = Slot(number);
            let parts: Vec<&str> = name.split('.').collect();
            if parts.len() > LEVELS {
                projection.too_deep = true;
                continue;
            }
            projection.add_direct(slot, &parts);
            for (index, lift) in LIFTS.iter().enumerate() {
                // Direct ways use the rank's upper digits; of lifted ones the earlier wins.
                let rank = (LIFTS.len() - index) as u32;
                projection.add_lifted(slot, name, lift, rank);
            }
        }
        projection.wrapped = projection.find(ROOT, WRAPPED.as_bytes()).unwrap_or(NONE);
        projection
    }

    /// All ways to read a dotted name: each level takes one or more parts as one key.
    pub(super) fn add_direct(&mut self, slot: Slot, parts: &[&str]) {
        // (node, parts used, level, rank)
        let mut open = vec![(ROOT, 0, 0, 0u32)];
        while let Some((node, used, level, rank)) = open.pop() {
            for taken in 1..=parts.len() - used {
                let key = parts[used..used + taken].join(".");
                let shift = 28 - 4 * level as u32;
                let rank = rank | (taken as u32) << shift;
                let mask = u32::MAX << shift;
                let goes_on = used + taken < parts.len();
                let claim = Claim { slot, rank, mask, goes_on, lifted: false };
                let child = self.insert(node, key.as_bytes(), Some(claim), goes_on);
                if goes_on {
                    open.push((child, used + taken, level + 1, rank));
                }
            }
        }
    }

    /// The ways on which a known container has the name.
    pub(super) fn add_lifted(&mut self, slot: Slot, name: &str, lift: &Lift, rank: u32) {
        let names = lift.steps.iter().filter(|step| matches!(step, Step::Name)).count();
        let splits: Vec<Vec<&str>> = match lift.name {
            Some(fixed) if fixed == name => vec![vec![]],
            Some(_) => vec![],
            // Lifting removes blanks: no name with one comes of it.
            None if name.contains(' ') => vec![],
            None if names == 1 => vec![vec![name]],
            None => name
                .match_indices('_')
                .map(|(at, _)| vec![&name[..at], &name[at + 1..]])
                .filter(|parts| names == 2 && parts.iter().all(|part| !part.is_empty()))
                .collect(),
        };
        for split in splits {
            let mut node = ROOT;
            let mut parts = split.iter();
            for (index, step) in lift.steps.iter().enumerate() {
                let last = index + 1 == lift.steps.len();
                let key = match step {
                    Step::AnyKey => {
                        if self.nodes[node as usize].any == NONE {
                            self.nodes[node as usize].any = self.new_node();
                        }
                        node = self.nodes[node as usize].any;
                        continue;
                    }
                    Step::Key(key) => key,
                    Step::Name => {
                        self.nodes[node as usize].strips_blanks = true;
                        *parts.next().unwrap_or(&"")
                    }
                };
                let claim = last.then_some(Claim {
                    slot,
                    rank,
                    mask: u32::MAX,
                    goes_on: false,
                    lifted: true,
                });
                node = self.insert(node, key.as_bytes(), claim, !last);
            }
        }
    }

    pub(super) fn new_node(&mut self) -> u32 {
        self.nodes.push(Node { any: NONE, strips_blanks: false });
        self.nodes.len() as u32 - 1
    }

    pub(super) fn insert(
        &mut self,
        parent: u32,
        key: &[u8],
        claim: Option<Claim>,
        with_child: bool,
    ) -> u32 {
        let index = match self.find(parent, key) {
            Some(index) => index as usize,
            None => {
                self.entries.push(Entry {
                    ends: Ends::of(key),
                    parent,
                    child: NONE,
                    has_blank: key.contains(&b' '),
                    key: key.into(),
                    claims: Vec::new(),
                });
                let index = self.entries.len() as u32 - 1;
                let table = if parent == ROOT { &mut self.outermost } else { &mut self.inner };
                table.insert(index, &self.entries);
                self.entries.len() - 1
            }
        };
        if let Some(claim) = claim {
            let known = self.entries[index].claims.iter().any(|known| {
                known.slot == claim.slot
                    && known.rank == claim.rank
                    && known.goes_on == claim.goes_on
            });
            if !known {
                self.entries[index].claims.push(claim);
            }
        }
        if with_child && self.entries[index].child == NONE {
            self.entries[index].child = self.new_node();
        }
        self.entries[index].child
    }

    #[inline(always)]
    pub(super) fn find(&self, parent: u32, key: &[u8]) -> Option<u32> {
        let ends = Ends::of(key);
        let hash = ends.hash(parent);
        let table = if parent == ROOT { &self.outermost } else { &self.inner };
        let mask = table.places.len().wrapping_sub(1);
        let mut at = hash as usize & mask;
        loop {
            let (known, index) = *table.places.get(at)?;
            if index == NONE {
                return None;
            }
            if known == hash
                && let Some(entry) = self.entries.get(index as usize)
                && entry.parent == parent
                && entry.ends == ends
                && (key.len() <= Ends::WHOLE || *entry.key == *key)
            {
                return Some(index);
            }
            at = (at + 1) & mask;
        }
    }
}
