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
use super::key::key_texts;
use super::limits::{Limits, RuleUsage};
use super::naming::rule_identity;
use super::rule::Correlations;
use super::semantic::SemanticHash;
use super::share::Share;
use super::sighting::EventRef;
use super::windows::Windows;
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
pub(crate) const CHECK: usize = 8;

/// Kinds of entries, the first byte of their keys.
const CLOCK: u8 = 0;
const LOSSES: u8 = 1;
const GROUP: u8 = 2;
/// Those of a correlator: how far it is, what it counted, what it told of a group early, what it knows for that, a sighting that is too
/// far ahead, and the parts of large entries.
pub(crate) const PROGRESS: u8 = 3;
pub(crate) const COUNTERS: u8 = 4;
pub(crate) const MARKS: u8 = 5;
pub(crate) const EARLY: u8 = 6;
pub(crate) const AHEAD: u8 = 7;
pub(crate) const PART: u8 = 8;
/// What was added to a large group of windows.
pub(crate) const ADDED: u8 = 9;

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

    /// One that there is once.
    pub(crate) fn single(kind: u8) -> Self {
        Self([kind].into())
    }

    pub(crate) fn of(kind: u8, meaning: &Meaning, group: &[u8]) -> Self {
        let number = meaning.1.to_be_bytes();
        Self([&[kind][..], &meaning.0, &number, group].concat().into())
    }

    /// What was [added](super::growth) to a group.
    pub(crate) fn added(meaning: &Meaning, group: &[u8], number: u32) -> Self {
        Self::of(ADDED, meaning, &[group, &number.to_be_bytes()].concat())
    }

    /// Of a sighting.
    pub(crate) fn event(event: EventRef) -> Self {
        let (source, record) = (event.source.to_be_bytes(), event.record.to_be_bytes());
        Self([&[AHEAD][..], &source, &record].concat().into())
    }

    /// A part of what belongs to it.
    pub(crate) fn part(&self, number: u32) -> Self {
        Self([&[PART][..], &self.0, &number.to_be_bytes()].concat().into())
    }

    /// What it is a part of, and which.
    pub(crate) fn whole(&self) -> Option<(Self, u32)> {
        let (whole, number) = self.0.strip_prefix(&[PART])?.split_last_chunk()?;
        Some((Self(whole.into()), u32::from_be_bytes(*number)))
    }

    /// Kind, correlation, and what follows: the group, or the event.
    pub(crate) fn parts(&self) -> Result<(u8, Meaning, &[u8]), Broken> {
        let mut rest = Reader(&self.0);
        let kind = rest.byte()?;
        let none = ([0; 16], 0);
        match kind {
            CLOCK | PROGRESS | COUNTERS => {
                rest.end()?;
                return Ok((kind, none, &[]));
            }
            AHEAD if rest.0.len() == 12 => return Ok((kind, none, rest.0)),
            LOSSES | GROUP | MARKS | EARLY | ADDED => {}
            _ => return Err("its key is of an unknown kind"),
        }
        let meaning = (rest.array()?, u32::from_be_bytes(rest.array()?));
        match kind {
            LOSSES => rest.end()?,
            ADDED if rest.0.len() < 4 => return Err("its key is too short"),
            _ => {}
        }
        Ok((kind, meaning, rest.0))
    }

    /// The meaning of the correlation that it belongs to; where several share the work and it is tied to others, that with theirs.
    #[must_use]
    pub fn correlation(&self) -> Option<SemanticHash> {
        let whole = self.whole().map(|(whole, _)| whole);
        let (kind, meaning, _) = whole.as_ref().unwrap_or(self).parts().ok()?;
        is_of_correlation(kind).then_some(meaning.0)
    }

    /// The values of the group that it belongs to.
    #[must_use]
    pub fn group(&self) -> Option<Vec<Box<str>>> {
        let whole = self.whole().map(|(whole, _)| whole);
        let (kind, _, group) = whole.as_ref().unwrap_or(self).parts().ok()?;
        match kind {
            GROUP | MARKS | EARLY => Some(key_texts(group)),
            ADDED => group.split_last_chunk::<4>().map(|(group, _)| key_texts(group)),
            _ => None,
        }
    }
}

fn is_of_correlation(kind: u8) -> bool {
    matches!(kind, LOSSES | GROUP | MARKS | EARLY | ADDED)
}

impl fmt::Display for StateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hash = |f: &mut fmt::Formatter<'_>, hash: &SemanticHash| {
            hash.iter().take(6).try_for_each(|byte| write!(f, "{byte:02x}"))
        };
        if let Some((whole, number)) = self.whole() {
            return write!(f, "part {number} of {whole}");
        }
        match self.parts() {
            Ok((CLOCK, ..)) => f.write_str("the time of the last event"),
            Ok((PROGRESS, ..)) => f.write_str("the watermark"),
            Ok((COUNTERS, ..)) => f.write_str("the counters"),
            Ok((AHEAD, _, event)) => match event_of(event) {
                Ok(EventRef { source, record }) => {
                    write!(f, "the sighting of record {record} of source {source}")
                }
                Err(_) => f.write_str("a sighting"),
            },
            Ok((kind @ (MARKS | EARLY), meaning, group)) => {
                let what = if kind == MARKS { "what was told" } else { "what is to be told" };
                write!(f, "{what} early of group {:?} of correlation ", key_texts(group))?;
                hash(f, &meaning.0)
            }
            Ok((LOSSES, meaning, _)) => {
                f.write_str("the losses of correlation ")?;
                hash(f, &meaning.0)
            }
            Ok((ADDED, meaning, _)) => {
                let group = self.group().unwrap_or_default();
                write!(f, "what was added to group {group:?} of correlation ")?;
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

/// The event of a sighting's key.
pub(crate) fn event_of(bytes: &[u8]) -> Result<EventRef, Broken> {
    let mut input = Reader(bytes);
    let source = u32::from_be_bytes(input.array()?);
    let record = u64::from_be_bytes(input.array()?);
    input.end()?;
    Ok(EventRef { source, record })
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
    /// Groups whose correlation is not there any more, or means something else now; in a changelog also what was known of them for early
    /// alerts.
    pub dropped: u64,
}

/// What changed since somebody asked.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    /// Groups by correlation and slot.
    groups: Vec<(u32, u32)>,
    /// Those that are gone.
    pub(crate) removed: Vec<StateKey>,
    /// The losses of correlations that were written.
    losses: Vec<RuleUsage>,
    now: i64,
}

/// What was added to groups, by correlation, group and number.
pub(crate) type Additions = BTreeMap<(u32, Box<[u8]>), BTreeMap<u32, Vec<u8>>>;

/// What was given up, without what is there.
fn losses(usage: &RuleUsage) -> RuleUsage {
    RuleUsage { groups: 0, hits: 0, bytes: 0, ..*usage }
}

/// What correlations and fields of entries are in a set.
#[derive(Debug)]
pub(crate) struct Places<'s> {
    pub(crate) correlations: AHashMap<Meaning, u32>,
    pub(crate) fields: AHashMap<&'s str, u32>,
}

impl<'s> Places<'s> {
    pub(crate) fn new(set: &'s Correlations, meanings: &[Meaning]) -> Self {
        let correlations = meanings.iter().copied().zip(0..).collect();
        Self { correlations, fields: set.fields().iter().map(|name| &**name).zip(0..).collect() }
    }
}

/// What each correlation of a set is in state. Two that mean the same are told apart by their identities. Where `several` share the work
/// it matters what a correlation is [tied](super::share) to.
pub(crate) fn meanings(set: &Correlations, several: bool) -> Vec<Meaning> {
    let mut by_meaning: BTreeMap<SemanticHash, Vec<(&str, usize)>> = BTreeMap::new();
    for (at, (node, tie)) in set.nodes.iter().zip(set.ties()).enumerate() {
        let hash = if several { tie.identity(&node.hash) } else { node.hash };
        by_meaning.entry(hash).or_default().push((rule_identity(node), at));
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

pub(crate) fn checksum(key: &StateKey, value: &[u8]) -> [u8; CHECK] {
    let mut hasher = Sha256::new();
    hasher.update((key.0.len() as u64).to_le_bytes());
    hasher.update(&key.0);
    hasher.update(value);
    let digest = hasher.finalize();
    std::array::from_fn(|at| digest[at])
}

pub(crate) fn sealed(key: &StateKey, write: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut writer = Writer(vec![VERSION]);
    write(&mut writer);
    let check = checksum(key, &writer.0);
    writer.0.extend_from_slice(&check);
    writer.0
}

pub(crate) fn opened<'v>(key: &StateKey, value: &'v [u8]) -> Result<Reader<'v>, StateError> {
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
        let key = StateKey::single(CLOCK);
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

    pub(crate) fn group_entry(&self, at: u32, slot: u32) -> Option<StateEntry> {
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
        self.growths.reset_all();
        let losses = self.usage.rules.iter().map(losses).collect();
        self.changes =
            Some(Changes { now: self.now, losses, groups: Vec::new(), removed: Vec::new() });
    }

    /// All groups and losses are taken as changed, if changes are followed.
    pub(crate) fn touch_all(&mut self) {
        let Some(changes) = &mut self.changes else { return };
        for (at, groups) in (0u32..).zip(&mut self.groups) {
            groups.for_each(|group| group.changed = true);
            changes.groups.extend(groups.iter().map(|(slot, _)| (at, slot)));
        }
        changes.losses.iter_mut().for_each(|losses| *losses = RuleUsage::default());
        changes.now = i64::MIN;
        self.growths.reset_all();
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
                self.changed_group((at, slot), &mut changed);
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
    pub(crate) fn touch_removed(&mut self, (at, slot): (u32, u32), key: &[u8]) {
        let additions = self.growths.remove((at, slot));
        if let Some(changes) = &mut self.changes {
            let meaning = &self.meanings[at as usize];
            changes.removed.push(StateKey::of(GROUP, meaning, key));
            changes.removed_additions(additions, |number| StateKey::added(meaning, key, number));
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
        let places = Places::new(&set, &windows.meanings);
        let mut additions = Additions::default();
        for (key, value) in entries {
            windows.read_entry(&places, &mut additions, &key, &value, &mut restored)?;
        }
        windows.add(&places, &additions)?;
        Ok((windows, restored))
    }

    /// Takes the state of one entry.
    pub(crate) fn read_entry(
        &mut self,
        places: &Places<'_>,
        additions: &mut Additions,
        key: &StateKey,
        value: &[u8],
        restored: &mut Restored,
    ) -> Result<(), StateError> {
        let mut input = opened(key, value)?;
        let (kind, meaning, group) = key.parts().map_err(damaged(key))?;
        let at = places.correlations.get(&meaning).copied();
        if let (ADDED, Some(at), Some((group, number))) = (kind, at, group.split_last_chunk()) {
            let of_group = additions.entry((at, group.into())).or_default();
            of_group.insert(u32::from_be_bytes(*number), input.0.to_vec());
            return Ok(());
        }
        let read = match (kind, at) {
            (CLOCK, _) => input.signed().map(|now| self.now = now),
            (LOSSES, Some(at)) => self.read_losses(at, &mut input),
            (GROUP, Some(at)) => {
                restored.kept += 1;
                self.read_group(at, group, &places.fields, &mut input)
            }
            (GROUP, None) => {
                restored.dropped += 1;
                return Ok(());
            }
            (LOSSES | ADDED, None) => return Ok(()),
            _ => Err("it is none of windows"),
        };
        read.and_then(|()| input.end()).map_err(damaged(key))
    }

    /// Takes what was added to groups, which must all be there.
    pub(crate) fn add(
        &mut self,
        places: &Places<'_>,
        additions: &Additions,
    ) -> Result<(), StateError> {
        for ((at, group), of_group) in additions {
            let added = self.read_additions(*at, group, of_group, &places.fields);
            added.map_err(|why| {
                damaged(StateKey::added(&self.meanings[*at as usize], group, 0))(why)
            })?;
        }
        Ok(())
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
        if let Some(Share { index, count, .. }) = self.share {
            new.take_share(index, count);
        }
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
                    let meaning = &self.meanings[at];
                    for (slot, group) in groups.iter() {
                        removed.push(StateKey::of(GROUP, meaning, &group.key));
                        let added = self.growths.remove((at as u32, slot));
                        removed.extend(
                            added.map(|number| StateKey::added(meaning, &group.key, number)),
                        );
                    }
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
        new.growths = std::mem::take(&mut self.growths);
        new.growths.renumber(|at| place(at as usize));
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
