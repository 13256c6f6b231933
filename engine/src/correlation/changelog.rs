//! The state of a [`Correlator`] as entries of a compacted log, which are written together with what was read and what came out.
//!
//! Beside the entries of the [windows](super::state) there are the watermark with its sources, the counters, and for each group that may
//! alert early its hits and what was told.
//!
//! Sightings that wait for the watermark are not in there: they are read again from where they came from, beginning with the
//! [oldest](Correlator::oldest_pending). What is read again is [taken back](Correlator::readmit) exactly if it waited:
//!
//! * What is before the watermark has been processed, or was late.
//! * What has its very time may have gone through at the limit. Those of one source go through in the order in which they came, so of each
//!   source the last one is known.
//! * What is after it waited, unless it was too far ahead to be kept; the few of those that would be read again are known.
//! * A sighting further ahead than was credible when it came would be the oldest for as long as it is ahead: months, perhaps. Such ones
//!   do have entries and are not taken back.
//!
//! So the numbers of the sightings of one source must ascend as they come.

use super::alert::Policy;
use super::correlator::{Correlator, Options};
use super::correlator_state::{read_hits, write_hits, write_marks};
use super::early::KeptGroup;
use super::encoding::{Broken, Reader, Writer};
use super::limits::Limits;
use super::rule::Correlations;
use super::sighting::{EventRef, Sighting};
use super::split::{Changed, Joining, Split};
use super::state::{
    AHEAD, Additions, COUNTERS, EARLY, MARKS, PROGRESS, Places, Restored, StateEntry, StateError,
    StateKey, damaged, event_of, opened, sealed,
};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What a changelog needs to know beside the state itself.
#[derive(Debug, Default)]
pub(crate) struct Following {
    /// What waits and is not further ahead than is credible: record and source.
    records: BTreeSet<(u64, u32)>,
    /// What waits and is.
    ahead: BTreeSet<(i64, EventRef)>,
    /// Of those, what came and went since somebody asked.
    ahead_touched: BTreeSet<EventRef>,
    /// A time, and of each source the last sighting of that time that went through without the watermark.
    forced: (i64, BTreeMap<u32, u64>),
    /// What was handed back as too far ahead, as far as it would be read again: record and source.
    handed_back: BTreeSet<(u64, u32)>,
    /// Entries that went with their rules.
    gone: BTreeSet<StateKey>,
    /// The last values that were written.
    progress: Vec<u8>,
    counters: Vec<u8>,
    pub(crate) split: Split,
}

impl Following {
    pub(crate) fn waits(&mut self, sighting: &Sighting, credible: bool) {
        let event = sighting.event;
        if credible {
            self.records.insert((event.record, event.source));
        } else {
            self.ahead.insert(sighting.order());
            self.ahead_touched.insert(event);
        }
    }

    pub(crate) fn waits_no_more(&mut self, sighting: &Sighting) {
        let event = sighting.event;
        if self.ahead.remove(&sighting.order()) {
            self.ahead_touched.insert(event);
        } else {
            self.records.remove(&(event.record, event.source));
        }
    }

    /// It went through before the watermark.
    pub(crate) fn forced(&mut self, sighting: &Sighting) {
        let (time, last) = &mut self.forced;
        if *time != sighting.time {
            *time = sighting.time;
            last.clear();
        }
        let EventRef { source, record } = sighting.event;
        let last = last.entry(source).or_insert(record);
        *last = record.max(*last);
    }

    pub(crate) fn handed_back(&mut self, event: EventRef) {
        self.handed_back.insert((event.record, event.source));
    }

    /// Whether a sighting that is read again waited.
    fn waited(&self, sighting: &Sighting, watermark: i64) -> bool {
        let EventRef { source, record } = sighting.event;
        let went = |time: i64| {
            time == self.forced.0 && self.forced.1.get(&source).is_some_and(|last| record <= *last)
        };
        sighting.time >= watermark
            && !went(sighting.time)
            && !self.handed_back.contains(&(record, source))
            && !self.ahead.contains(&sighting.order())
            && !self.records.contains(&(record, source))
    }
}

impl Correlator {
    /// From now on remembers what changes, for [`Correlator::changed`]. All there is has.
    pub fn follow_changes(&mut self) {
        if self.following.is_none() {
            let credible = self.watermark.credible();
            let mut following = Following::default();
            for Reverse(sighting) in &self.pending {
                following
                    .waits(sighting, credible.is_none_or(|credible| sighting.time <= credible));
            }
            self.following = Some(following);
        }
        self.windows.follow_changes();
        self.windows.touch_all();
        self.follow_early();
        if let Some(following) = &mut self.following {
            following.progress.clear();
            following.counters.clear();
            following.ahead_touched.extend(following.ahead.iter().map(|(_, event)| *event));
        }
    }

    /// Splits values longer than this, and adds to groups of an eighth of that.
    #[cfg(test)]
    pub(crate) fn follow_in_parts_of(&mut self, length: usize) {
        self.windows.add_to_longer_than(length / 8, if length < 100 { 20 } else { 1 });
        if let Some(following) = &mut self.following {
            following.split.length = length;
        }
    }

    fn follow_early(&mut self) {
        if let Some(early) = &mut self.early {
            early.follow();
        }
        if let Some(marks) = &mut self.windows.marks {
            marks.follow();
        }
    }

    /// What changed since the last call: new values, and `None` for what is gone. Sorted by key. The first call gives all that there is. Nothing
    /// if changes are not followed. No value is longer than a message may be: larger ones are split.
    pub fn changed(&mut self) -> Vec<(StateKey, Option<Vec<u8>>)> {
        let Some(mut following) = self.following.take() else { return Vec::new() };
        let mut changed: Changed = self.windows.changed().into_iter().collect();
        self.changed_early(&mut changed);
        self.changed_ahead(&mut following, &mut changed);
        match following.records.first() {
            Some(oldest) => following.handed_back = following.handed_back.split_off(oldest),
            None => following.handed_back.clear(),
        }
        if following.forced.0 != self.watermark.time {
            following.forced = (self.watermark.time, BTreeMap::new());
        }
        for key in std::mem::take(&mut following.gone) {
            changed.entry(key).or_insert(None);
        }
        let progress = self.progress(&following, None);
        if following.progress != progress {
            following.progress = progress;
            let key = StateKey::single(PROGRESS);
            let progress = self.progress(&following, self.watermark.clock);
            let value = sealed(&key, |out| out.0.extend_from_slice(&progress));
            changed.insert(key, Some(value));
        }
        let counters = self.counters();
        if following.counters != counters {
            following.counters.clone_from(&counters);
            changed.insert(StateKey::single(COUNTERS), Some(counters));
        }
        let changed = following.split.split(changed);
        self.following = Some(following);
        changed.into_iter().collect()
    }

    fn changed_early(&mut self, changed: &mut Changed) {
        let meanings = &self.windows.meanings;
        if let Some(early) = &mut self.early {
            for (at, group) in early.touched() {
                let key = StateKey::of(EARLY, &meanings[at as usize], &group);
                if changed.contains_key(&key) {
                    continue;
                }
                let hits = early.of(at, &group).map(|group| group.kept());
                let value = hits.map(|hits| sealed(&key, |out| write_hits(&hits, out)));
                changed.insert(key, value);
            }
        }
        if let Some(marks) = &mut self.windows.marks {
            for (at, group) in marks.touched() {
                let key = StateKey::of(MARKS, &meanings[at as usize], &group);
                if changed.contains_key(&key) {
                    continue;
                }
                let value = marks
                    .of(at, &group)
                    .map(|(hits, owed)| sealed(&key, |out| write_marks(hits, owed, out)));
                changed.insert(key, value);
            }
        }
    }

    fn changed_ahead(&self, following: &mut Following, changed: &mut Changed) {
        let touched = std::mem::take(&mut following.ahead_touched);
        if touched.is_empty() {
            return;
        }
        // There are few, or they are not credible soon.
        let waiting: BTreeMap<EventRef, &Sighting> = self
            .pending
            .iter()
            .map(|Reverse(sighting)| (sighting.event, sighting))
            .filter(|(event, sighting)| {
                touched.contains(event) && following.ahead.contains(&sighting.order())
            })
            .collect();
        for event in touched {
            let key = StateKey::event(event);
            let value = waiting.get(&event).map(|sighting| {
                sealed(&key, |out| self.correlations().write_sighting(sighting, &mut out.0))
            });
            changed.insert(key, value);
        }
    }

    /// How far it is. Without the clock it is what must be written when it changes: a clock that goes on changes nothing by itself.
    fn progress(&self, following: &Following, clock: Option<i64>) -> Vec<u8> {
        let mut out = Writer::default();
        let (index, count) = self.share();
        out.number(u64::from(index));
        out.number(u64::from(count));
        self.write_watermark(clock, &mut out);
        let (time, last) = &following.forced;
        out.signed(*time);
        out.number(last.len() as u64);
        for (source, record) in last {
            out.number(u64::from(*source));
            out.number(*record);
        }
        out.number(following.handed_back.len() as u64);
        for (record, source) in &following.handed_back {
            out.number(*record);
            out.number(u64::from(*source));
        }
        out.0
    }

    /// What it counted.
    fn counters(&self) -> Vec<u8> {
        sealed(&StateKey::single(COUNTERS), |out| {
            self.write_counters(out);
            out.number(self.early().1);
        })
    }

    /// Which of how many it is.
    fn share(&self) -> (u32, u32) {
        self.windows.share.as_ref().map_or((0, 1), |share| (share.index, share.count))
    }

    /// The smallest number of a sighting that waits for the watermark and has no entry of its own: from there on sightings must be read
    /// again after a restart, up to where `changed` was asked. `None` if nothing must be. Changes must be followed.
    #[must_use]
    pub fn oldest_pending(&self) -> Option<u64> {
        self.following.as_ref()?.records.first().map(|(record, _)| *record)
    }

    /// Takes back a sighting that is read again, if it waited when the entries were written. All of them must be offered before
    /// anything else comes, in any order. Nothing is decided, counted or told.
    pub fn readmit(&mut self, sighting: Sighting) {
        let watermark = self.watermark.time;
        let Some(following) = &mut self.following else { return };
        if following.waited(&sighting, watermark) {
            following.waits(&sighting, true);
            self.wait(sighting);
        }
    }

    /// One with the state of entries, in whatever order they come: `share` is the one that wrote them, and the only one `(0, 1)`.
    /// Entries of correlations that are not there any more are dropped. Changes are followed, and there are none yet. First of all
    /// [`Correlator::readmit`] what waited, then [`Correlator::tick`]: the clock that is restored may be old.
    ///
    /// # Errors
    ///
    /// An entry is not what was written, or was written by a newer version or by another of those that share the work.
    pub fn restore(
        set: Arc<Correlations>,
        policy: Policy,
        limits: Limits,
        options: Options,
        share: (u32, u32),
        entries: impl IntoIterator<Item = StateEntry>,
    ) -> Result<(Self, Restored), StateError> {
        let mut correlator = Self::sharing(Arc::clone(&set), policy, limits, options, share);
        let meanings = correlator.windows.meanings.clone();
        let places = Places::new(&set, &meanings);
        let mut following = Following::default();
        let mut restored = Restored::default();
        let mut joining = Joining::default();
        let mut additions = Additions::default();
        let mut read = |correlator: &mut Self, key: &StateKey, value: &[u8]| {
            let additions = &mut additions;
            correlator.read_entry(&places, &mut following, additions, key, value, &mut restored)
        };
        for (key, value) in entries {
            if let Some((key, value)) = joining.take(key, value) {
                read(&mut correlator, &key, &value)?;
            }
        }
        let (entries, split) = joining.finish()?;
        for (key, value) in entries {
            read(&mut correlator, &key, &value)?;
        }
        correlator.windows.add(&places, &additions)?;
        following.split = split;
        correlator.windows.follow_changes();
        correlator.follow_early();
        if let Some(early) = &mut correlator.early {
            early.touched();
        }
        if let Some(marks) = &mut correlator.windows.marks {
            marks.touched();
        }
        following.forced.0 = correlator.watermark.time;
        correlator.reached = correlator.watermark.time;
        following.progress = correlator.progress(&following, None);
        following.counters = correlator.counters();
        correlator.following = Some(following);
        Ok((correlator, restored))
    }

    fn read_entry(
        &mut self,
        places: &Places<'_>,
        following: &mut Following,
        additions: &mut Additions,
        key: &StateKey,
        value: &[u8],
        restored: &mut Restored,
    ) -> Result<(), StateError> {
        let (kind, meaning, group) = key.parts().map_err(damaged(key))?;
        if !matches!(kind, PROGRESS | COUNTERS | MARKS | EARLY | AHEAD) {
            return self.windows.read_entry(places, additions, key, value, restored);
        }
        let mut input = opened(key, value)?;
        let input = &mut input;
        let at = places.correlations.get(&meaning).copied();
        let read = match (kind, at) {
            (PROGRESS, _) => self.read_progress(following, input),
            (COUNTERS, _) => self.read_counters(input).and_then(|()| {
                let given_up = input.number()?;
                if let Some(early) = &mut self.early {
                    early.given_up = given_up;
                }
                Ok(())
            }),
            (AHEAD, _) => self.read_ahead(following, group, input),
            (MARKS, Some(_)) => self.read_marks(at, group, input),
            (EARLY, Some(at)) => self.read_early(at, group, input),
            _ => {
                restored.dropped += 1;
                return Ok(());
            }
        };
        read.and_then(|()| input.end()).map_err(damaged(key))
    }

    fn read_progress(
        &mut self,
        following: &mut Following,
        input: &mut Reader<'_>,
    ) -> Result<(), Broken> {
        if (input.small()?, input.small()?) != self.share() {
            return Err("it is the state of another partition, or of another number of partitions");
        }
        self.read_watermark(input)?;
        following.forced.0 = input.signed()?;
        for _ in 0..input.length(2)? {
            following.forced.1.insert(input.small()?, input.number()?);
        }
        for _ in 0..input.length(2)? {
            following.handed_back.insert((input.number()?, input.small()?));
        }
        Ok(())
    }

    fn read_ahead(
        &mut self,
        following: &mut Following,
        event: &[u8],
        input: &mut Reader<'_>,
    ) -> Result<(), Broken> {
        let event = event_of(event)?;
        let read = self.correlations().read_sighting(&mut input.0);
        match read.map_err(|_| "it is no sighting")? {
            Some(sighting) if sighting.event == event => {
                following.ahead.insert(sighting.order());
                self.wait(sighting);
            }
            Some(_) => return Err("it is another sighting"),
            // Its rules are gone.
            None => {
                following.ahead_touched.insert(event);
            }
        }
        Ok(())
    }

    fn read_early(&mut self, at: u32, group: &[u8], input: &mut Reader<'_>) -> Result<(), Broken> {
        let references = self.correlations().nodes[at as usize].references.len() as u32;
        let hits = read_hits(references, input)?;
        if let Some(early) = &mut self.early {
            early.keep(KeptGroup { at, key: group.into(), hits });
        }
        Ok(())
    }

    /// Whether an entry belongs to a correlation of the set, or to none. Those that do not can be deleted where entries are kept.
    #[must_use]
    pub fn knows(&self, key: &StateKey) -> bool {
        let whole = key.whole().map(|(whole, _)| whole);
        let key = whole.as_ref().unwrap_or(key);
        match key.parts() {
            Ok((PROGRESS | COUNTERS | AHEAD, ..)) => true,
            Ok((MARKS | EARLY, meaning, _)) => {
                self.early.is_some() && self.windows.meanings.contains(&meaning)
            }
            Ok(_) => self.windows.knows(key),
            Err(_) => false,
        }
    }

    /// The keys of what is known for early alerts, and of what was and is to be deleted.
    pub(crate) fn early_keys(&mut self) -> BTreeSet<StateKey> {
        let meanings = &self.windows.meanings;
        let key = |kind, at: u32, group: &[u8]| StateKey::of(kind, &meanings[at as usize], group);
        let mut keys = BTreeSet::new();
        if let Some(early) = &mut self.early {
            keys.extend(early.touched().iter().map(|(at, group)| key(EARLY, *at, group)));
            keys.extend(early.keys().map(|(at, group)| key(EARLY, at, group)));
        }
        if let Some(marks) = &mut self.windows.marks {
            keys.extend(marks.touched().iter().map(|(at, group)| key(MARKS, *at, group)));
            keys.extend(marks.keys().map(|(at, group)| key(MARKS, at, group)));
        }
        keys
    }

    /// Goes on after the rules changed: `before` are the keys of what there was.
    pub(crate) fn follow_on(&mut self, before: BTreeSet<StateKey>) {
        let now = self.early_keys();
        self.follow_early();
        let Some(following) = &mut self.following else { return };
        following.gone.extend(before.into_iter().filter(|key| !now.contains(key)));
        let waiting: BTreeSet<(i64, EventRef)> =
            self.pending.iter().map(|Reverse(sighting)| sighting.order()).collect();
        let records: BTreeSet<(u64, u32)> =
            waiting.iter().map(|(_, event)| (event.record, event.source)).collect();
        following.records.retain(|place| records.contains(place));
        let lost: Vec<_> = following.ahead.difference(&waiting).copied().collect();
        for order in lost {
            following.ahead.remove(&order);
            following.ahead_touched.insert(order.1);
        }
    }
}
