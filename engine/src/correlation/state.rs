//! State as a value: all windows as bytes, whole or entry by entry.
//!
//! An entry belongs to one group of one correlation. Its key is made of what the correlation means ([`SemanticHash`]) and of the group's
//! values, so entries fit into a changelog that keeps the last value of each key. A rule that means the same keeps its state whatever
//! else changes in the set; one that means something else finds none. Besides groups there are the time up to which events were
//! processed, and for each correlation what it has lost to limits.
//!
//! Every value has a version and a checksum over key and value. Bytes are not trusted even if that is right.

use super::alert::Policy;
use super::contents;
use super::encoding::{Broken, Reader, Writer};
use super::groups::Groups;
use super::limits::{Limits, RuleUsage};
use super::rule::Correlations;
use super::semantic::SemanticHash;
use super::windows::{Windows, key_texts, rule_identity};
use ahash::AHashMap;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// The version of values and of snapshots.
const VERSION: u8 = 1;
/// How a snapshot begins; its version follows.
const MAGIC: &[u8; 7] = b"SGMDWIN";
/// Bytes of a value's checksum.
const CHECK: usize = 8;

/// Kinds of entries, the first byte of their keys.
const CLOCK: u8 = 0;
const LOSSES: u8 = 1;
const GROUP: u8 = 2;

/// What an entry of the state is about, as bytes. Sorted as these are.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StateKey(Box<[u8]>);

/// Which correlation: what it means, and the how-many-eth of those that mean that.
pub(crate) type Meaning = (SemanticHash, u32);

impl StateKey {
    /// A key that was kept.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Self {
        Self(bytes.into())
    }

    /// As it is kept.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    fn clock() -> Self {
        Self([CLOCK].into())
    }

    fn of(kind: u8, meaning: &Meaning, group: &[u8]) -> Self {
        let number = meaning.1.to_be_bytes();
        Self([&[kind][..], &meaning.0, &number, group].concat().into())
    }

    /// Kind, correlation, group.
    fn parts(&self) -> Result<(u8, Meaning, &[u8]), Broken> {
        let mut rest = Reader(&self.0);
        let kind = rest.byte()?;
        if kind == CLOCK {
            rest.end()?;
            return Ok((kind, ([0; 16], 0), &[]));
        }
        let meaning = (rest.array()?, u32::from_be_bytes(rest.array()?));
        match kind {
            LOSSES => rest.end()?,
            GROUP => {}
            _ => return Err("its key is of an unknown kind"),
        }
        Ok((kind, meaning, rest.0))
    }

    /// The meaning of the correlation that it belongs to.
    #[must_use]
    pub fn correlation(&self) -> Option<SemanticHash> {
        self.parts().ok().filter(|(kind, ..)| *kind != CLOCK).map(|(_, meaning, _)| meaning.0)
    }

    /// The values of the group that it belongs to.
    #[must_use]
    pub fn group(&self) -> Option<Vec<Box<str>>> {
        let (kind, _, group) = self.parts().ok()?;
        (kind == GROUP).then(|| key_texts(group))
    }
}

impl fmt::Display for StateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hash = |f: &mut fmt::Formatter<'_>, hash: &SemanticHash| {
            hash.iter().take(6).try_for_each(|byte| write!(f, "{byte:02x}"))
        };
        match self.parts() {
            Ok((CLOCK, ..)) => f.write_str("the time of the last event"),
            Ok((LOSSES, meaning, _)) => {
                f.write_str("the losses of correlation ")?;
                hash(f, &meaning.0)
            }
            Ok((_, meaning, group)) => {
                write!(f, "group {:?} of correlation ", key_texts(group))?;
                hash(f, &meaning.0)
            }
            Err(_) => write!(f, "an entry with a key of {} bytes", self.0.len()),
        }
    }
}

/// One entry of the state.
pub type StateEntry = (StateKey, Vec<u8>);

/// Why state cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StateError {
    /// These bytes are something else.
    Foreign,
    /// It was written by a version that knows more.
    Version(u8),
    /// The bytes are not those that were written.
    Damaged {
        /// Where: an entry or the snapshot.
        what: String,
        /// What is wrong.
        why: &'static str,
    },
}

impl fmt::Display for StateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Foreign => f.write_str(
                "this is not the saved state of correlations; choose the file that was written as such, or start without state",
            ),
            Self::Version(version) => write!(
                f,
                "the saved state of correlations has version {version}, and only version {VERSION} is understood; use the program that wrote it, or start without state"
            ),
            Self::Damaged { what, why } => write!(
                f,
                "the saved state of correlations is damaged: {what}: {why}; take an older copy, or start without state"
            ),
        }
    }
}

impl std::error::Error for StateError {}

/// The beginning of a snapshot: what it is, and its version.
pub(crate) fn begin_snapshot(magic: &[u8]) -> Writer {
    let mut out = Writer(magic.to_vec());
    out.0.push(VERSION);
    out
}

/// A snapshot with its checksum.
pub(crate) fn seal_snapshot(mut out: Writer) -> Vec<u8> {
    let digest = Sha256::digest(&out.0);
    out.0.extend_from_slice(&digest);
    out.0
}

/// What is between the beginning and the checksum of a snapshot, if both are right.
pub(crate) fn open_snapshot<'s>(
    magic: &[u8],
    snapshot: &'s [u8],
) -> Result<Reader<'s>, StateError> {
    let rest = snapshot.strip_prefix(magic).ok_or(StateError::Foreign)?;
    let version = *rest.first().ok_or(StateError::Foreign)?;
    if version != VERSION {
        return Err(StateError::Version(version));
    }
    let short = || damaged("the snapshot")("it ends too early");
    let (body, digest) = snapshot.split_last_chunk::<32>().ok_or_else(short)?;
    if Sha256::digest(body)[..] != digest[..] {
        return Err(damaged("the snapshot")("its checksum does not match"));
    }
    Ok(Reader(body.get(magic.len() + 1..).ok_or_else(short)?))
}

pub(crate) fn damaged(what: impl fmt::Display) -> impl FnOnce(Broken) -> StateError {
    move |why| StateError::Damaged { what: what.to_string(), why }
}

/// What became of saved state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Restored {
    /// Groups whose correlation is there.
    pub kept: u64,
    /// Groups whose correlation is not there any more, or means something else now.
    pub dropped: u64,
}

/// What changed since somebody asked.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    /// Groups by correlation and slot.
    groups: Vec<(u32, u32)>,
    /// Those that are gone.
    removed: Vec<StateKey>,
    /// The losses of correlations that were written.
    losses: Vec<RuleUsage>,
    now: i64,
}

/// What was given up, without what is there.
fn losses(usage: &RuleUsage) -> RuleUsage {
    RuleUsage { groups: 0, hits: 0, bytes: 0, ..*usage }
}

/// What each correlation of a set is in state. Two that mean the same are told apart by their identities.
pub(crate) fn meanings(set: &Correlations) -> Vec<Meaning> {
    let mut by_meaning: BTreeMap<SemanticHash, Vec<(&str, usize)>> = BTreeMap::new();
    for (at, node) in set.nodes.iter().enumerate() {
        by_meaning.entry(node.hash).or_default().push((rule_identity(node), at));
    }
    let mut meanings = vec![([0; 16], 0); set.nodes.len()];
    for (hash, mut same) in by_meaning {
        same.sort_unstable();
        for (number, (_, at)) in (0..).zip(same) {
            meanings[at] = (hash, number);
        }
    }
    meanings
}

fn checksum(key: &StateKey, value: &[u8]) -> [u8; CHECK] {
    let mut hasher = Sha256::new();
    hasher.update((key.0.len() as u64).to_le_bytes());
    hasher.update(&key.0);
    hasher.update(value);
    let digest = hasher.finalize();
    std::array::from_fn(|at| digest[at])
}

fn sealed(key: &StateKey, write: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut writer = Writer(vec![VERSION]);
    write(&mut writer);
    let check = checksum(key, &writer.0);
    writer.0.extend_from_slice(&check);
    writer.0
}

fn opened<'v>(key: &StateKey, value: &'v [u8]) -> Result<Reader<'v>, StateError> {
    let (body, check) =
        value.split_last_chunk::<CHECK>().ok_or("it is too short").map_err(damaged(key))?;
    match body.first() {
        Some(&VERSION) => {}
        Some(version) if checksum(key, body) == *check => {
            return Err(StateError::Version(*version));
        }
        _ => return Err(damaged(key)("its checksum does not match")),
    }
    if checksum(key, body) != *check {
        return Err(damaged(key)("its checksum does not match"));
    }
    Ok(Reader(&body[1..]))
}

impl Windows {
    /// All state, sorted by key.
    #[must_use]
    pub fn entries(&self) -> Vec<StateEntry> {
        let mut entries = vec![self.clock_entry()];
        for (at, groups) in (0u32..).zip(&self.groups) {
            entries.extend(self.losses_entry(at));
            entries.extend(groups.iter().filter_map(|(slot, _)| self.group_entry(at, slot)));
        }
        entries.sort_unstable();
        entries
    }

    fn clock_entry(&self) -> StateEntry {
        let key = StateKey::clock();
        let value = sealed(&key, |out| out.signed(self.now));
        (key, value)
    }

    fn losses_entry(&self, at: u32) -> Option<StateEntry> {
        let RuleUsage { lost_groups, lost_hits, untold, quiet_until, .. } =
            self.usage.rules[at as usize];
        if (lost_groups, lost_hits) == (0, 0) {
            return None;
        }
        let key = StateKey::of(LOSSES, &self.meanings[at as usize], &[]);
        let value = sealed(&key, |out| {
            out.number(lost_groups);
            out.number(lost_hits);
            out.number(untold.0);
            out.number(untold.1);
            out.0.push(u8::from(quiet_until.is_some()));
            quiet_until.into_iter().for_each(|time| out.signed(time));
        });
        Some((key, value))
    }

    fn group_entry(&self, at: u32, slot: u32) -> Option<StateEntry> {
        let node = &self.set.nodes[at as usize];
        let group = self.groups[at as usize].get(slot)?;
        let key = StateKey::of(GROUP, &self.meanings[at as usize], &group.key);
        let value = sealed(&key, |out| contents::write(node, group, self.set.fields(), out));
        Some((key, value))
    }

    /// From now on remembers what changes, for [`Windows::changed`].
    pub fn follow_changes(&mut self) {
        for groups in &mut self.groups {
            groups.for_each(|group| group.changed = false);
        }
        let losses = self.usage.rules.iter().map(losses).collect();
        self.changes =
            Some(Changes { now: self.now, losses, groups: Vec::new(), removed: Vec::new() });
    }

    /// What changed since the last call, or since changes are followed: new values, and `None` for what is gone. Sorted by key. Nothing
    /// if changes are not followed.
    pub fn changed(&mut self) -> Vec<(StateKey, Option<Vec<u8>>)> {
        let Some(mut changes) = self.changes.take() else { return Vec::new() };
        let mut changed: BTreeMap<StateKey, Option<Vec<u8>>> =
            changes.removed.drain(..).map(|key| (key, None)).collect();
        for (at, slot) in changes.groups.drain(..) {
            let group = self.groups[at as usize].get_mut(slot);
            if group.is_some_and(|group| std::mem::replace(&mut group.changed, false)) {
                let entry = self.group_entry(at, slot);
                changed.extend(entry.map(|(key, value)| (key, Some(value))));
            }
        }
        for at in 0..self.groups.len() as u32 {
            let now = losses(&self.usage.rules[at as usize]);
            if now != changes.losses[at as usize] {
                changes.losses[at as usize] = now;
                let entry = self.losses_entry(at);
                changed.extend(entry.map(|(key, value)| (key, Some(value))));
            }
        }
        if changes.now != self.now {
            changes.now = self.now;
            let (key, value) = self.clock_entry();
            changed.insert(key, Some(value));
        }
        self.changes = Some(changes);
        changed.into_iter().collect()
    }

    /// A group is not what was written of it.
    pub(crate) fn touch(&mut self, at: u32, slot: u32) {
        if let Some(changes) = &mut self.changes
            && let Some(group) = self.groups[at as usize].get_mut(slot)
            && !std::mem::replace(&mut group.changed, true)
        {
            changes.groups.push((at, slot));
        }
    }

    /// A group is gone.
    pub(crate) fn touch_removed(&mut self, at: u32, key: &[u8]) {
        if let Some(changes) = &mut self.changes {
            let meaning = &self.meanings[at as usize];
            changes.removed.push(StateKey::of(GROUP, meaning, key));
        }
    }

    /// Windows with the state of entries, in whatever order they come. Entries of correlations that are not in the set are dropped.
    ///
    /// # Errors
    ///
    /// An entry is not what was written, or was written by a newer version.
    pub fn restore(
        set: Arc<Correlations>,
        policy: Policy,
        limits: Limits,
        entries: impl IntoIterator<Item = StateEntry>,
    ) -> Result<(Self, Restored), StateError> {
        let mut windows = Self::new(set, policy, limits);
        let mut restored = Restored::default();
        let set = Arc::clone(&windows.set);
        let places: AHashMap<Meaning, u32> = windows.meanings.iter().copied().zip(0..).collect();
        let numbers: AHashMap<&str, u32> =
            set.fields().iter().map(|name| &**name).zip(0..).collect();
        for (key, value) in entries {
            let mut input = opened(&key, &value)?;
            let (kind, meaning, group) = key.parts().map_err(damaged(&key))?;
            match (kind, places.get(&meaning)) {
                (CLOCK, _) => windows.now = input.signed().map_err(damaged(&key))?,
                (LOSSES, Some(at)) => {
                    windows.read_losses(*at, &mut input).map_err(damaged(&key))?;
                }
                (GROUP, Some(at)) => {
                    windows.read_group(*at, group, &numbers, &mut input).map_err(damaged(&key))?;
                    restored.kept += 1;
                }
                (GROUP, None) => {
                    restored.dropped += 1;
                    continue;
                }
                _ => continue,
            }
            input.end().map_err(damaged(&key))?;
        }
        Ok((windows, restored))
    }

    fn read_losses(&mut self, at: u32, input: &mut Reader<'_>) -> Result<(), Broken> {
        const MOST: u64 = 1 << 60;
        let mut counts = [0; 4];
        for count in &mut counts {
            *count = input.number()?;
            if *count >= MOST {
                return Err("a count cannot be");
            }
        }
        let [lost_groups, lost_hits, groups, hits] = counts;
        let quiet_until = if input.byte()? == 0 { None } else { Some(input.signed()?) };
        let untold = (groups, hits);
        let before =
            RuleUsage { lost_groups, lost_hits, untold, quiet_until, ..RuleUsage::default() };
        self.usage.resume(at, &before);
        Ok(())
    }

    fn read_group(
        &mut self,
        at: u32,
        key: &[u8],
        numbers: &AHashMap<&str, u32>,
        input: &mut Reader<'_>,
    ) -> Result<(), Broken> {
        let group = contents::read(&self.set.nodes[at as usize], key, numbers, input)?;
        if let Some(slot) = self.groups[at as usize].find(key) {
            self.forget(at, slot);
        }
        self.admit(at, group);
        Ok(())
    }

    /// All state in one piece.
    #[must_use]
    pub fn snapshot(&self) -> Vec<u8> {
        let entries = self.entries();
        let mut out = begin_snapshot(MAGIC);
        out.number(entries.len() as u64);
        for (key, value) in &entries {
            out.bytes(&key.0);
            out.bytes(value);
        }
        seal_snapshot(out)
    }

    /// Windows with the state of a snapshot. What it has of correlations that are not in the set is dropped.
    ///
    /// # Errors
    ///
    /// The bytes are no snapshot, or not what was written, or were written by a newer version.
    pub fn from_snapshot(
        set: Arc<Correlations>,
        policy: Policy,
        limits: Limits,
        snapshot: &[u8],
    ) -> Result<(Self, Restored), StateError> {
        let mut input = open_snapshot(MAGIC, snapshot)?;
        let count = input.length(2).map_err(damaged("the snapshot"))?;
        let mut entries = Vec::with_capacity(count);
        for _ in 0..count {
            let mut pair = || Ok((StateKey::from_bytes(input.bytes()?), input.bytes()?.to_vec()));
            entries.push(pair().map_err(damaged("the snapshot"))?);
        }
        input.end().map_err(damaged("the snapshot"))?;
        Self::restore(set, policy, limits, entries)
    }

    /// Goes on with other rules: correlations that mean the same keep their windows, the others start with none.
    /// Alert policies are those of the new rules and `policy`.
    pub fn reload(&mut self, set: Arc<Correlations>, policy: Policy) -> Restored {
        let mut new = Self::new(set, policy, self.limits);
        new.now = self.now;
        let places: AHashMap<Meaning, u32> = new.meanings.iter().copied().zip(0..).collect();
        let place = |at: usize| places.get(&self.meanings[at]).copied();
        let numbers: AHashMap<&str, u32> =
            new.set.fields().iter().map(|name| &**name).zip(0..).collect();
        let field = |old: u32| numbers.get(&*self.set.fields()[old as usize]).copied();
        let mut restored = Restored::default();
        let mut removed = Vec::new();
        let mut slots: Vec<(u32, u32)> = Vec::new();
        for (at, groups) in self.groups.iter_mut().enumerate() {
            let mut groups: Groups = std::mem::take(groups);
            let Some(to) = place(at) else {
                restored.dropped += groups.len() as u64;
                if self.changes.is_some() {
                    let keys = groups.iter().map(|(_, group)| &group.key);
                    removed.extend(keys.map(|key| StateKey::of(GROUP, &self.meanings[at], key)));
                    removed.push(StateKey::of(LOSSES, &self.meanings[at], &[]));
                }
                continue;
            };
            groups.for_each(|group| group.renumber_fields(&field));
            slots.clear();
            for (slot, group) in groups.iter() {
                let usage = (0, group.bytes());
                new.usage.changed(to, true, usage, (0, group.window.kept()));
                new.timers.push(group.due, to, slot);
            }
            restored.kept += groups.len() as u64;
            new.groups[to as usize] = groups;
            new.usage.resume(to, &self.usage.rules[at]);
        }
        if let Some(mut changes) = self.changes.take() {
            changes.groups = changes
                .groups
                .into_iter()
                .filter_map(|(at, slot)| Some((place(at as usize)?, slot)))
                .collect();
            changes.removed.extend(removed);
            let written = std::mem::take(&mut changes.losses);
            changes.losses = vec![RuleUsage::default(); new.set.nodes.len()];
            for (at, losses) in written.into_iter().enumerate() {
                if let Some(to) = place(at) {
                    changes.losses[to as usize] = losses;
                }
            }
            new.changes = Some(changes);
        }
        *self = new;
        restored
    }

    /// Whether an entry belongs to a correlation of the set. Those that do not can be deleted where entries are kept.
    #[must_use]
    pub fn knows(&self, key: &StateKey) -> bool {
        match key.parts() {
            Ok((CLOCK, ..)) => true,
            Ok((_, meaning, _)) => self.meanings.contains(&meaning),
            Err(_) => false,
        }
    }
}
