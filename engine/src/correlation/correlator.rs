//! Correlations over sightings as they arrive: out of order, from several sources.
//!
//! A sighting waits until the [watermark](super::watermark) has passed it and goes through [`Windows`] then, in order of time: the
//! alerts are those of the sorted input. What comes after the watermark has passed its time is late: it is counted,
//! handed back, and in no window.
//!
//! What waits is bounded. Beyond the limit the oldest sightings go through before their time, and the watermark with them;
//! an alert says so. Sightings further ahead than is credible never push the watermark there: they are handed back.

use super::alert::{Alert, Policy, Reason};
use super::changelog::Following;
use super::early::{self, Early};
use super::limits::{Limits, Usage};
use super::naming::rule_identity;
use super::room::Room;
use super::rule::Correlations;
use super::sighting::Sighting;
use super::watermark::{Patience, Watermark};
use super::windows::Windows;
use crate::DetectionId;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::Arc;

/// When alerts go out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Emit {
    /// When the watermark has passed their hits: exactly those of the sorted input.
    #[default]
    Final,
    /// As soon as later hits cannot undo them, where there is such a moment; the others as in `Final`.
    Early,
}

impl std::str::FromStr for Emit {
    type Err = String;

    /// `final`, `early`.
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "final" => Ok(Self::Final),
            "early" => Ok(Self::Early),
            _ => Err(format!("`{text}` is not a time to alert; write `final` or `early`")),
        }
    }
}

/// How a correlator deals with disorder.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// What the watermark waits for.
    pub patience: Patience,
    /// When alerts go out.
    pub emit: Emit,
}

/// Why a sighting is in no window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lateness {
    /// The watermark had passed it, by so many nanoseconds.
    Behind(i64),
    /// Its time lies further ahead than is credible, and there was no room to keep it.
    Ahead,
}

/// A sighting that is in no window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Late {
    /// It.
    pub sighting: Sighting,
    /// Why.
    pub lateness: Lateness,
}

/// What comes out.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Output {
    /// In the order in which they were decided.
    pub alerts: Vec<Alert>,
    /// For the caller to keep apart.
    pub late: Vec<Late>,
}

/// Correlations over sightings in any order.
#[derive(Debug)]
pub struct Correlator {
    pub(crate) windows: Windows,
    pub(crate) watermark: Watermark,
    pub(crate) pending: BinaryHeap<Reverse<Sighting>>,
    pub(crate) pending_bytes: usize,
    pub(crate) early: Option<Early>,
    /// Not all was decided that the watermark allows: it waits at what is left. It was never further back than `reached`.
    behind: bool,
    pub(crate) reached: i64,
    emit: Emit,
    limits: Limits,
    patience: Patience,
    /// Sightings in no window, by source.
    pub(crate) late: BTreeMap<u32, u64>,
    /// Sightings that went through before the watermark.
    pub(crate) forced: u64,
    /// Of those, what no alert told of yet, and the watermark when one did.
    pub(crate) untold: u64,
    pub(crate) told: Option<i64>,
    /// What a changelog needs to know, if there is one.
    pub(crate) following: Option<Following>,
}

impl Correlator {
    /// Without any state.
    #[must_use]
    pub fn new(set: Arc<Correlations>, policy: Policy, limits: Limits, options: Options) -> Self {
        Self::over(Windows::new(set, policy, limits), limits, options)
    }

    /// One of several that share the work, each given the sightings of its [partition](Correlations::partitions), and told of all other
    /// events by [`Correlator::advance`]. Limits are those of all together: each has its part.
    #[must_use]
    pub fn sharing(
        set: Arc<Correlations>,
        policy: Policy,
        limits: Limits,
        options: Options,
        share: (u32, u32),
    ) -> Self {
        let windows = Windows::sharing(set, policy, limits, share);
        Self::over(windows, limits.divided(share.1 as usize), options)
    }

    /// With the state of windows.
    pub(crate) fn over(windows: Windows, limits: Limits, options: Options) -> Self {
        let mut correlator = Self {
            windows,
            early: None,
            behind: false,
            reached: i64::MIN,
            emit: options.emit,
            watermark: Watermark::new(options.patience),
            pending: BinaryHeap::new(),
            pending_bytes: 0,
            limits,
            patience: options.patience,
            late: BTreeMap::new(),
            forced: 0,
            untold: 0,
            told: None,
            following: None,
        };
        correlator.begin();
        correlator
    }

    /// Starts the search for early alerts anew.
    pub(crate) fn begin(&mut self) {
        if self.emit == Emit::Early {
            let set = Arc::clone(self.windows.correlations());
            self.windows.expect(early::marks(&set));
            let share = self.windows.share.clone();
            self.early = Some(Early::new(set, self.limits.early_bytes, share));
        }
    }

    /// The correlations.
    #[must_use]
    pub fn correlations(&self) -> &Arc<Correlations> {
        self.windows.correlations()
    }

    /// How much state the windows have, and what was given up.
    #[must_use]
    pub fn usage(&self) -> &Usage {
        self.windows.usage()
    }

    /// No sighting before this time is waited for. `None` until all sources have said something.
    #[must_use]
    pub fn watermark(&self) -> Option<i64> {
        Some(self.watermark.time).filter(|time| *time != i64::MIN)
    }

    /// The largest time of an event, stray stamps left out.
    #[must_use]
    pub fn largest(&self) -> Option<i64> {
        self.watermark.largest
    }

    /// How many sightings wait for the watermark, and about how much memory they take.
    #[must_use]
    pub fn pending(&self) -> (usize, usize) {
        (self.pending.len(), self.pending_bytes)
    }

    /// How many sightings of each source came too late or were too far ahead to be kept.
    pub fn late(&self) -> impl Iterator<Item = (u32, u64)> + '_ {
        self.late.iter().map(|(source, count)| (*source, *count))
    }

    /// How many times of each source were further ahead than is credible when they came.
    #[must_use]
    pub fn future(&self) -> Vec<(u32, u64)> {
        self.watermark.future()
    }

    /// How many sightings could not wait for the watermark.
    #[must_use]
    pub fn forced(&self) -> u64 {
        self.forced
    }

    /// About how much memory the search for early alerts takes, and how many groups it gave up: those waited for the watermark.
    #[must_use]
    pub fn early(&self) -> (usize, u64) {
        self.early.as_ref().map_or((0, 0), |early| (early.bytes(), early.given_up))
    }

    /// From now on the watermark waits for a source. Sources that say something are registered by that.
    pub fn register(&mut self, source: u32) {
        self.watermark.register(source);
    }

    /// An event came that is no sighting. Every event moves the watermark.
    pub fn advance(&mut self, source: u32, time: i64, out: &mut Output) {
        if self.watermark.observe(source, time) {
            self.pass(out);
        }
    }

    /// An event came that is a sighting.
    pub fn process(&mut self, sighting: Sighting, out: &mut Output) {
        let (source, time) = (sighting.event.source, sighting.time);
        if time < self.watermark.time {
            let behind = self.watermark.time.saturating_sub(time);
            self.apart(sighting, Lateness::Behind(behind), out);
        } else {
            // What lies too far ahead would stay there for long.
            let credible = self.watermark.credible().is_none_or(|credible| time <= credible);
            if let Some(early) = self.early.as_mut().filter(|_| credible) {
                early.take(&sighting, self.watermark.time, &mut self.windows, &mut out.alerts);
            }
            if let Some(following) = &mut self.following {
                following.waits(&sighting, credible);
            }
            self.wait(sighting);
        }
        self.advance(source, time, out);
        self.relieve(out);
    }

    /// A source has ended and is not waited for any more.
    pub fn finish_source(&mut self, source: u32, out: &mut Output) {
        if self.watermark.finish(source) {
            self.pass(out);
        }
    }

    /// The caller's clock, in nanoseconds since 1970: which sources are idle, which stamps are ahead of it.
    pub fn tick(&mut self, now: i64, out: &mut Output) {
        if self.watermark.tick(now) || self.behind {
            self.pass(out);
        }
    }

    /// The caller's clock as it was told last.
    #[must_use]
    pub fn clock(&self) -> Option<i64> {
        self.watermark.clock
    }

    /// Whether there is more to decide than was to be done at once: the next tick does it.
    #[must_use]
    pub fn is_behind(&self) -> bool {
        self.behind
    }

    /// [`Correlator::finish`] as far as it may be done at once. Whether all is done; if not it is to be called again, and nothing else.
    pub fn close(&mut self, end: i64, out: &mut Output) -> bool {
        self.watermark.force(end);
        self.pass(out);
        if self.behind {
            return false;
        }
        while let Some(sighting) = self.next() {
            // What was decided must not be taken back if somebody goes on from here.
            self.watermark.force(sighting.time.saturating_add(1));
            self.windows.process(&sighting, &mut out.alerts);
        }
        if let Some(early) = &mut self.early {
            early.clear();
        }
        let mut room = Room::new(&self.limits);
        if !self.windows.finish_some(end, &mut room, &mut out.alerts) {
            return false;
        }
        if self.untold > 0 {
            self.tell(self.watermark.time, out);
        }
        true
    }

    /// Nothing could be heard of the sources for a while: those that were not idle are not idle for that.
    pub fn stood_still(&mut self) {
        self.watermark.stood_still();
    }

    /// The input is over, and reached until `end` or its last sighting: decides all that waits. The largest time of all events
    /// is a good `end`; [`Correlator::largest`] knows it where no stamp was doubted.
    pub fn finish(&mut self, end: i64, out: &mut Output) {
        while let Some(sighting) = self.next() {
            self.windows.process(&sighting, &mut out.alerts);
        }
        self.watermark.force(end);
        if let Some(early) = &mut self.early {
            early.clear();
        }
        self.windows.finish(end, &mut out.alerts);
        if self.untold > 0 {
            self.tell(self.watermark.time, out);
        }
    }

    /// Whether nothing is owed, and no early alert is waited for.
    #[cfg(test)]
    pub(crate) fn is_settled(&self) -> bool {
        self.windows.is_settled()
    }

    /// The watermark has moved, or there was more to decide than could be at once.
    fn pass(&mut self, out: &mut Output) {
        let watermark = self.watermark.time;
        let mut room = Room::new(&self.limits);
        let left = loop {
            let next = self.pending.peek().map(|Reverse(first)| first.time);
            let next = next.filter(|time| *time < watermark);
            let until = next.unwrap_or(watermark);
            let left = self.windows.decide_some_before(until, &mut room, &mut out.alerts);
            if left.is_some() || next.is_none() {
                break left;
            }
            if !room.is_left(&out.alerts) {
                break next;
            }
            room.take(1);
            let Some(sighting) = self.next() else { break None };
            if self.limits.steps_at_once < usize::MAX
                && let Some(following) = &mut self.following
            {
                // The watermark may stay at its very time.
                following.forced(&sighting);
            }
            self.windows.process(&sighting, &mut out.alerts);
        };
        self.behind = left.is_some();
        if let Some(left) = left {
            self.watermark.time = left.max(self.reached).min(watermark);
        }
        self.reached = self.watermark.time;
        if let Some(early) = &mut self.early {
            early.expire(self.watermark.time);
        }
    }

    pub(crate) fn wait(&mut self, sighting: Sighting) {
        self.pending_bytes = self.pending_bytes.saturating_add(sighting.bytes());
        self.pending.push(Reverse(sighting));
    }

    fn next(&mut self) -> Option<Sighting> {
        let Reverse(sighting) = self.pending.pop()?;
        self.pending_bytes -= sighting.bytes();
        if let Some(following) = &mut self.following {
            following.waits_no_more(&sighting);
        }
        Some(sighting)
    }

    /// Sends the oldest through while too many wait.
    fn relieve(&mut self, out: &mut Output) {
        if self.pending_bytes <= self.limits.pending_bytes {
            return;
        }
        let credible = self.watermark.credible();
        let mut passed = None;
        while self.pending_bytes > self.limits.pending_bytes
            && let Some(sighting) = self.next()
        {
            if credible.is_some_and(|credible| sighting.time > credible) {
                if let Some(following) = &mut self.following {
                    following.handed_back(sighting.event);
                }
                self.apart(sighting, Lateness::Ahead, out);
                continue;
            }
            if let Some(following) = &mut self.following {
                following.forced(&sighting);
            }
            self.forced += 1;
            self.untold += 1;
            passed = Some(sighting.time);
            self.windows.process(&sighting, &mut out.alerts);
        }
        let Some(passed) = passed else { return };
        // One of the same time may still come.
        self.watermark.force(passed);
        const QUIET: i64 = 60_000_000_000;
        let quiet = self.patience.max_lateness.max(QUIET);
        if self.told.is_none_or(|told| passed.saturating_sub(told) >= quiet) {
            self.tell(passed, out);
        }
    }

    /// Says that hits could not wait.
    fn tell(&mut self, time: i64, out: &mut Output) {
        self.told = Some(time);
        let hits = std::mem::take(&mut self.untold);
        // It concerns all of them; it goes out as the first.
        let Some(node) = self.windows.set.nodes.first() else { return };
        let (time_bytes, share) = (time.to_le_bytes(), self.windows.share_mark());
        let mut parts: Vec<&[u8]> = vec![rule_identity(node).as_bytes(), &time_bytes];
        parts.extend((!share.is_empty()).then_some(&share[..]));
        out.alerts.push(Alert {
            correlation: 0,
            id: DetectionId::of("watermark forced", &parts),
            reason: Reason::WatermarkForced { hits },
            group: Vec::new(),
            value: None,
            time,
            trigger: Default::default(),
            events: Default::default(),
            rules: Vec::new(),
        });
    }

    fn apart(&mut self, sighting: Sighting, lateness: Lateness, out: &mut Output) {
        *self.late.entry(sighting.event.source).or_default() += 1;
        out.late.push(Late { sighting, lateness });
    }
}
