//! All windows of all correlations, over sightings in order of time.
//!
//! This is the exact engine: it wants its input sorted by [`Sighting::order`], and says what the sorted input says.
//! What comes out of order is sorted before.
//!
//! What the specification leaves open:
//!
//! * A window of a lower bound is `[t - timespan, t]` for a hit at `t`, both ends included, to the nanosecond.
//! * A window of an upper bound is `[t, t + timespan]` for the hit at `t` that opened it. It is decided before the
//!   first hit after its end, at the time of its end; the next hit opens the next window.
//! * A group is absent (`eq: 0`, `lt: 1`) if it had a hit at `t` and none in `(t, t + timespan]`. At the end of the input that is
//!   only known if the input went on that long.
//! * A hit without a value for a `value_…` correlation is no hit of it.
//! * Legacy aggregations without `timeframe` have one window that never ends; upper bounds are decided at the end of the input.
//! * An alert of an inner correlation is a hit of the outer one whether or not it goes out itself (`once`, `quiet`).
//!   What was decided at the end of a window is a hit at that time, with the fields of the window's last event.

use super::alert::{Alert, Policy, Reason};
use super::condition::Decided;
use super::cover::Position;
use super::groups::{Group, Groups};
use super::growth::Growths;
use super::key::{group_key, value};
use super::limits::{Excess, Limits, Usage};
use super::marks::{Goes, Marks};
use super::naming::{alert, anchor, rule_identity};
use super::number::Measure;
use super::overlay::{Overlay, PLAIN, all_fields, find, overlay};
use super::room::Room;
use super::rule::{Correlations, Input, Node};
use super::share::Share;
use super::sighting::{EventRef, Sighting};
use super::state::{Changes, Meaning, meanings};
use super::timers::Timers;
use super::window::{Contributions, Entry, Value, Window, rule_bit};
use crate::DetectionId;
use sigmund_sigma::correlation::CorrelationType;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

/// The windows.
#[derive(Debug)]
pub struct Windows {
    pub(crate) set: Arc<Correlations>,
    pub(crate) groups: Vec<Groups>,
    pub(crate) timers: Timers,
    policies: Vec<Policy>,
    pub(crate) limits: Limits,
    pub(crate) usage: Usage,
    /// What alerted before the windows came there.
    pub(crate) marks: Option<Marks>,
    /// The largest time that was processed.
    pub(crate) now: i64,
    /// The correlation and the slot of the last hit.
    last: (u32, u32),
    /// What correlations are in state.
    pub(crate) meanings: Vec<Meaning>,
    /// What changed, if somebody wants to know.
    pub(crate) changes: Option<Changes>,
    /// The large groups of which not all is written each time.
    pub(crate) growths: Growths,
    /// Which groups are its own, where others have the rest.
    pub(crate) share: Option<Share>,
    scratch: Scratch,
}

/// Buffers of one event.
#[derive(Debug, Default)]
struct Scratch {
    works: BinaryHeap<Reverse<(u32, u32, u32)>>,
    overlays: Vec<Overlay>,
    hits: Vec<(Vec<u8>, Vec<u32>, Value, u32)>,
    key: Vec<u8>,
    slots: Vec<u32>,
}

/// A hit on its way through correlations.
#[derive(Clone, Copy)]
struct Event<'a> {
    time: i64,
    event: EventRef,
    /// Which of the event's hits of one correlation: its first reference where all are rules.
    part: u32,
    values: &'a [(u32, Box<str>)],
}

impl Windows {
    /// Without any state.
    #[must_use]
    pub fn new(set: Arc<Correlations>, policy: Policy, limits: Limits) -> Self {
        let own = |node: &Node| {
            let custom = &node.rule.metadata.custom;
            custom.iter().find(|(name, _)| name == "alert").and_then(|(_, text)| text.parse().ok())
        };
        Self {
            groups: set.nodes.iter().map(|_| Groups::default()).collect(),
            timers: Timers::new(set.nodes.len()),
            policies: set.nodes.iter().map(|node| own(node).unwrap_or(policy)).collect(),
            usage: Usage::new(set.nodes.len()),
            marks: None,
            limits,
            now: i64::MIN,
            last: (0, u32::MAX),
            meanings: meanings(&set, false),
            share: None,
            changes: None,
            growths: Growths::default(),
            scratch: Scratch::default(),
            set,
        }
    }

    /// One of several that share the work, each given all sightings: groups are divided by their values, correlations of
    /// correlations as a whole. Limits are divided too. Together they give the alerts of one alone, those of one sighting in another order.
    #[must_use]
    pub fn sharing(
        set: Arc<Correlations>,
        policy: Policy,
        limits: Limits,
        (index, count): (u32, u32),
    ) -> Self {
        let mut windows = Self::new(set, policy, limits.divided(count as usize));
        windows.take_share(index, count);
        windows
    }

    /// What tells alerts about this share from those about others.
    pub(crate) fn share_mark(&self) -> Vec<u8> {
        self.share.as_ref().map_or_else(Vec::new, Share::mark)
    }

    pub(crate) fn take_share(&mut self, index: u32, count: u32) {
        self.meanings = meanings(&self.set, count > 1);
        self.share = Some(Share::new(&self.set, index, count));
    }

    /// The correlations.
    #[must_use]
    pub fn correlations(&self) -> &Arc<Correlations> {
        &self.set
    }

    /// How much state there is, and what was given up.
    #[must_use]
    pub fn usage(&self) -> &Usage {
        &self.usage
    }

    /// Some correlations alert before the windows come to their hits: those with marks.
    pub(crate) fn expect(&mut self, marks: Marks) {
        self.marks = Some(marks);
    }

    /// An alert went out at a hit to which the windows come later.
    pub(crate) fn mark(&mut self, at: u32, key: &[u8], hit: Position) {
        if let Some(marks) = &mut self.marks {
            marks.mark(at, key, hit);
        }
    }

    /// The times of the marks before and after a hit.
    pub(crate) fn marks_around(
        &self,
        at: u32,
        key: &[u8],
        hit: Position,
    ) -> (Option<i64>, Option<i64>) {
        self.marks.as_ref().map_or((None, None), |marks| marks.around(at, key, hit))
    }

    #[cfg(test)]
    pub(crate) fn is_settled(&self) -> bool {
        self.marks.as_ref().is_none_or(Marks::is_empty)
    }

    /// Which alerts of a correlation go out.
    pub(crate) fn policy(&self, at: u32) -> Policy {
        self.policies[at as usize]
    }

    fn group(&self, at: u32, key: &[u8]) -> Option<&Group> {
        let groups = &self.groups[at as usize];
        groups.find(key).and_then(|slot| groups.get(slot))
    }

    /// Whether a condition held at the last hit of a group, and that was not before `since`.
    pub(crate) fn is_active(&self, at: u32, key: &[u8], since: i64) -> bool {
        self.group(at, key).is_some_and(|group| group.active && group.last.time >= since)
    }

    /// The time of the last alert of a group.
    pub(crate) fn alerted(&self, at: u32, key: &[u8]) -> Option<i64> {
        self.group(at, key).and_then(|group| group.rare().alerted)
    }

    /// The next sighting in order of time. Alerts come in order too.
    pub fn process(&mut self, sighting: &Sighting, out: &mut Vec<Alert>) {
        self.decide_before(sighting.time, out);
        self.now = self.now.max(sighting.time);
        let set = Arc::clone(&self.set);
        let mut scratch = std::mem::take(&mut self.scratch);
        for rule in &sighting.rules {
            for input in set.inputs(*rule) {
                scratch.works.push(Reverse((input.node, input.reference, PLAIN)));
            }
        }
        let (time, event) = sighting.order();
        let event = Event { time, event, part: 0, values: &sighting.values };
        self.run(&set, event, &mut scratch, out);
        self.scratch = scratch;
    }

    /// Time has passed: no sighting before `time` comes any more. Decides what ended before it.
    pub fn decide_before(&mut self, time: i64, out: &mut Vec<Alert>) {
        self.look_before(Some(time), time, out);
    }

    /// The input is over, and reached until `end`: decides all windows.
    pub fn finish(&mut self, end: i64, out: &mut Vec<Alert>) {
        let end = end.max(self.now);
        self.look_before(None, end, out);
        self.tell_overflows(true, out);
    }

    /// The same as far as there is room. Gives the time of what is left, if something is.
    pub(crate) fn decide_some_before(
        &mut self,
        time: i64,
        room: &mut Room,
        out: &mut Vec<Alert>,
    ) -> Option<i64> {
        self.look_some_before(Some(time), time, room, out);
        self.timers.first().filter(|due| *due < time)
    }

    /// [`Windows::finish`] as far as there is room. Whether all windows are decided.
    pub(crate) fn finish_some(&mut self, end: i64, room: &mut Room, out: &mut Vec<Alert>) -> bool {
        let end = end.max(self.now);
        self.look_some_before(None, end, room, out);
        let all = self.timers.first().is_none();
        if all {
            self.tell_overflows(true, out);
        }
        all
    }

    /// Looks at the groups whose time comes before `time`; without one at all, because the input is over.
    fn look_before(&mut self, time: Option<i64>, until: i64, out: &mut Vec<Alert>) {
        self.look_some_before(time, until, &mut Room::default(), out);
    }

    fn look_some_before(
        &mut self,
        time: Option<i64>,
        until: i64,
        room: &mut Room,
        out: &mut Vec<Alert>,
    ) {
        let mut slots = std::mem::take(&mut self.scratch.slots);
        while room.is_left(out)
            && let Some((due, at)) = self.timers.pop_before(time, &mut slots)
        {
            room.take(slots.len());
            if slots.len() > 1 && self.set.nodes[at as usize].decided != Decided::AtHit {
                // Their alerts come in the order of their keys.
                let groups = &self.groups[at as usize];
                slots.sort_by_key(|slot| groups.get(*slot).map(|group| &group.key));
            }
            for slot in &slots {
                self.look(due, (at, *slot), until, time.is_none(), out);
            }
        }
        self.scratch.slots = slots;
    }

    /// A group's time has come.
    fn look(
        &mut self,
        due: i64,
        (at, slot): (u32, u32),
        until: i64,
        finishing: bool,
        out: &mut Vec<Alert>,
    ) {
        let Some(group) = self.groups[at as usize].get_mut(slot) else { return };
        if group.due != due {
            return;
        }
        let node = &self.set.nodes[at as usize];
        let span = node.rule.timespan.unwrap_or(i64::MAX);
        match node.decided {
            Decided::AtClose if group.rare().opened.is_some() => {
                // A window without an end ends with the input.
                let end = if node.rule.timespan.is_some() { due } else { until };
                self.close((at, slot), end, out);
                return;
            }
            Decided::InSilence => {
                let silent = group.last.time.saturating_add(span);
                let known = !finishing || silent <= until;
                if silent > due && known {
                    group.due = silent;
                    self.timers.push(silent, at, slot);
                    return;
                }
                if known {
                    self.absent((at, slot), silent, out);
                }
            }
            Decided::AtHit | Decided::AtClose => {
                let needed = needed(node, self.policies[at as usize], group);
                if needed > due {
                    group.due = needed;
                    self.timers.push(needed, at, slot);
                    self.touch(at, slot);
                    return;
                }
                out.extend(self.marks.as_mut().and_then(|marks| marks.ended(at, &group.key)));
            }
        }
        self.forget(at, slot);
    }

    /// Takes a group in that was somewhere else before.
    pub(crate) fn admit(&mut self, at: u32, mut group: Group) {
        let node = &self.set.nodes[at as usize];
        if node.decided != Decided::AtClose {
            group.due = needed(node, self.policies[at as usize], &group);
        }
        self.usage.changed(at, true, (0, group.bytes()), (0, group.window.kept()));
        let due = group.due;
        let slot = self.groups[at as usize].insert(group);
        self.timers.push(due, at, slot);
    }

    /// Drops a group.
    pub(crate) fn forget(&mut self, at: u32, slot: u32) {
        if let Some(group) = self.groups[at as usize].remove(slot) {
            self.usage.removed(at, group.bytes(), group.window.kept());
            self.touch_removed((at, slot), &group.key);
        }
    }

    /// Decides a window at its end.
    fn close(&mut self, (at, slot): (u32, u32), due: i64, out: &mut Vec<Alert>) {
        let set = Arc::clone(&self.set);
        let node = &set.nodes[at as usize];
        let Some(group) = self.groups[at as usize].get_mut(slot) else { return };
        let before = group.bytes();
        let opened = group.rare_mut().opened.take();
        group.window.settle();
        let found = group.window.holds(node, due);
        let contributions = group.window.contributions(node, due);
        group.window = Window::new(node);
        self.growths.reset((at, slot));
        // Whether the next window follows this one without a pause decides if its alert is news.
        group.due = due.saturating_add(node.rule.timespan.unwrap_or(0));
        self.timers.push(group.due, at, slot);
        let last = group.last;
        let held = found.is_some();
        if let Some(measure) = found {
            let anchor = opened.unwrap_or(due);
            let event = last.event;
            let alert = Alert {
                time: due,
                ..alert(node, at, group, anchor, Some(measure), contributions, event)
            };
            if permits(self.policies[at as usize], group, due) && node.reports {
                group.rare_mut().alerted = Some(due);
                out.push(alert);
            }
        }
        group.active = held;
        self.usage.changed(at, false, (before, group.bytes()), (0, 0));
        self.touch(at, slot);
        if held {
            self.hand_on(&set, (at, slot), due, last.event, out);
        }
    }

    /// A group has been silent.
    fn absent(&mut self, (at, slot): (u32, u32), due: i64, out: &mut Vec<Alert>) {
        let set = Arc::clone(&self.set);
        let node = &set.nodes[at as usize];
        let Some(group) = self.groups[at as usize].get_mut(slot) else { return };
        let before = group.bytes();
        let last = group.last;
        let contributions = group.window.contributions(node, due);
        let value = Some(Measure::count(0));
        let alert = Alert {
            time: due,
            ..alert(node, at, group, last.time, value, contributions, last.event)
        };
        self.usage.changed(at, false, (before, group.bytes()), (0, 0));
        if node.reports {
            out.push(alert);
        }
        self.hand_on(&set, (at, slot), due, last.event, out);
    }

    /// Gives an alert that time made to the outer correlations.
    fn hand_on(
        &mut self,
        set: &Arc<Correlations>,
        (at, slot): (u32, u32),
        time: i64,
        event: EventRef,
        out: &mut Vec<Alert>,
    ) {
        let node = &set.nodes[at as usize];
        let Some(group) = self.groups[at as usize].get(slot).filter(|_| !node.outer.is_empty())
        else {
            return;
        };
        let fields = group.rare().fields.clone();
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.overlays.push((PLAIN, overlay(node, &group.key)));
        let overlay = scratch.overlays.len() as u32 - 1;
        scratch.works.extend(node.outer.iter().map(|to| Reverse((to.node, to.reference, overlay))));
        self.run(set, Event { time, event, part: 0, values: &fields }, &mut scratch, out);
        self.scratch = scratch;
    }

    /// Takes an event through all correlations that it is a hit of, inner ones first.
    fn run(
        &mut self,
        set: &Arc<Correlations>,
        event: Event<'_>,
        scratch: &mut Scratch,
        out: &mut Vec<Alert>,
    ) {
        while let Some(Reverse((at, ..))) = scratch.works.peek() {
            let at = *at;
            let node = &set.nodes[at as usize];
            scratch.hits.clear();
            while let Some(Reverse((same, reference, overlay))) = scratch.works.peek().copied() {
                if same != at {
                    break;
                }
                scratch.works.pop();
                let Scratch { overlays, hits, key, .. } = scratch;
                let field = |field: u32| find(overlays, overlay, event.values, field);
                if !group_key(&node.references[reference as usize].group, &field, key)
                    || self.share.as_ref().is_some_and(|share| !share.has(at, key))
                {
                    continue;
                }
                let Some(value) = value(node, reference, &field) else { continue };
                match hits.iter_mut().find(|(have, _, other, _)| have == key && *other == value) {
                    Some((_, references, ..)) => references.push(reference),
                    None => hits.push((key.clone(), vec![reference], value, overlay)),
                }
            }
            let hits = std::mem::take(&mut scratch.hits);
            for (number, (key, references, value, overlay)) in (0u32..).zip(&hits) {
                // Where only rules hit, it does not depend on who has the others.
                let part = if node.of_rules { references[0] } else { number };
                let event = Event { part, ..event };
                let (slot, held) = self.hit(node, (at, key), event, references, value, out);
                if held && !node.outer.is_empty() {
                    scratch.overlays.push((*overlay, self::overlay(node, key)));
                    let overlay = scratch.overlays.len() as u32 - 1;
                    scratch.works.extend(
                        node.outer
                            .iter()
                            .map(|to: &Input| Reverse((to.node, to.reference, overlay))),
                    );
                }
                if node.decided != Decided::AtHit && !node.outer.is_empty() {
                    let fields = all_fields(&scratch.overlays, *overlay, event.values);
                    if let Some(group) = self.groups[at as usize].get_mut(slot) {
                        let before = group.bytes();
                        group.rare_mut().fields = fields;
                        self.usage.changed(at, false, (before, group.bytes()), (0, 0));
                    }
                }
            }
            scratch.hits = hits;
        }
        scratch.overlays.clear();
        self.enforce(out);
    }

    /// A hit of one group: its slot, and whether the condition holds at it.
    fn hit(
        &mut self,
        node: &Node,
        (at, key): (u32, &[u8]),
        event: Event<'_>,
        references: &[u32],
        value: &Value,
        out: &mut Vec<Alert>,
    ) -> (u32, bool) {
        let rules = references.iter().fold(0, |bits, reference| bits | rule_bit(*reference));
        let entry = Entry { time: event.time, event: event.event, rules };
        let span = node.rule.timespan;
        let groups = &mut self.groups[at as usize];
        let known = groups.find(key);
        let new = known.is_none();
        let slot = known
            .unwrap_or_else(|| groups.insert(Group::new(key.into(), Window::new(node), entry)));
        self.last = (at, slot);
        let Some(group) = groups.get_mut(slot) else { return (slot, false) };
        let before = if new { 0 } else { group.bytes() };
        let kept = group.window.kept();
        if let Some(span) = span
            && node.decided == Decided::AtHit
        {
            // Silent for longer than the timespan: the window was empty in between.
            if group.last.time < event.time.saturating_sub(span) {
                group.active = false;
                out.extend(self.marks.as_mut().and_then(|marks| marks.ended(at, key)));
            }
            group.window.expire(event.time.saturating_sub(span));
        }
        let opens = node.decided == Decided::AtClose && group.rare().opened.is_none();
        if opens {
            group.rare_mut().opened = Some(event.time);
        }
        if new || opens {
            group.due = event.time.saturating_add(span.unwrap_or(i64::MAX));
            self.timers.push(group.due, at, slot);
        }
        group.last = entry;
        group.window.add(node, entry, value, references);
        self.growths.hit((at, slot), entry, value);
        let mut given_up = 0;
        while group.window.kept() > self.limits.hits_per_group {
            group.window.drop_oldest();
            given_up += 1;
        }
        let mut held = false;
        if node.decided == Decided::AtHit {
            group.window.settle_condition(node);
            let found = group.window.holds(node, event.time);
            held = found.is_some();
            match found {
                Some(measure) => {
                    let policy = self.policies[at as usize];
                    let permitted = permits(policy, group, event.time);
                    let place = Position::hit(event.time, event.event, event.part);
                    let told = self.marks.as_mut().and_then(|marks| marks.pass(at, key, place));
                    let goes = match told {
                        Some(told) => told.goes(policy, event.time, permitted, !group.active),
                        None if permitted => Goes::Out,
                        None => Goes::Not,
                    };
                    let alert = if goes == Goes::Owed || goes == Goes::Out && node.reports {
                        let contributions = group.window.contributions(node, event.time);
                        let measure = if group.window.settle() {
                            group.window.measure(node, event.time).unwrap_or(measure)
                        } else {
                            measure
                        };
                        let value = node.rule.temporal_condition.is_none().then_some(measure);
                        let (time, event) = (event.time, event.event);
                        Some(alert(node, at, group, time, value, contributions, event))
                    } else {
                        anchor(group, event.time);
                        None
                    };
                    if goes == Goes::Out || told.is_some_and(|told| told.here) {
                        group.rare_mut().alerted = Some(event.time);
                    }
                    if let (Some(marks), Some(told)) = (&mut self.marks, told) {
                        out.extend(marks.goes_on(at, key, told));
                    }
                    match (alert, &mut self.marks) {
                        (Some(alert), Some(marks)) if goes == Goes::Owed => {
                            marks.owe(at, key, alert);
                        }
                        (Some(alert), _) => out.push(alert),
                        (None, _) => {}
                    }
                    group.active = true;
                }
                // An ordered correlation is looked at by hits of its last rules only.
                None if node.rule.kind == CorrelationType::TemporalOrdered
                    && !ends_sequence(node, references) => {}
                None => {
                    group.active = false;
                    out.extend(self.marks.as_mut().and_then(|marks| marks.ended(at, key)));
                }
            }
        }
        self.usage.changed(at, new, (before, group.bytes()), (kept, group.window.kept()));
        if given_up > 0 {
            self.usage.gave_up(at, 0, given_up);
        }
        self.touch(at, slot);
        (slot, held)
    }

    /// Takes the older half of its hits from the group that had the last one, if that group alone is too much.
    fn halve_last(&mut self, excess: Excess) -> bool {
        let (at, slot) = self.last;
        let Some(group) = self.groups.get_mut(at as usize).and_then(|groups| groups.get_mut(slot))
        else {
            return false;
        };
        let (bytes, hits) = (group.bytes(), group.window.kept());
        if hits < 2 || !Usage::is_alone(excess, &self.limits, bytes, hits) {
            return false;
        }
        let given_up = group.window.halve();
        let now = (group.bytes(), group.window.kept());
        self.usage.changed(at, false, (bytes, now.0), (hits, now.1));
        self.usage.gave_up(at, 0, given_up);
        self.touch(at, slot);
        true
    }

    /// Gives up the oldest groups while limits are exceeded, and says so.
    fn enforce(&mut self, out: &mut Vec<Alert>) {
        while let Some(excess) = self.usage.excess(&self.limits) {
            if self.halve_last(excess) {
                continue;
            }
            let timer = match excess {
                Excess::Of(at) => self.timers.pop_of(at),
                Excess::Total => self.timers.pop(),
            };
            let Some((due, at, slot)) = timer else { break };
            let Some(group) = self.groups[at as usize].get_mut(slot) else { continue };
            if group.due != due {
                continue;
            }
            let span = self.set.nodes[at as usize].rule.timespan.unwrap_or(i64::MAX);
            let needed = group.last.time.saturating_add(span);
            if group.rare().opened.is_none() && needed > due {
                group.due = needed;
                self.timers.push(needed, at, slot);
                continue;
            }
            let hits = group.window.len();
            out.extend(self.marks.as_mut().and_then(|marks| marks.ended(at, &group.key)));
            self.forget(at, slot);
            self.usage.gave_up(at, 1, hits);
        }
        self.tell_overflows(false, out);
    }

    /// Says what was given up.
    fn tell_overflows(&mut self, finishing: bool, out: &mut Vec<Alert>) {
        for (at, groups, hits) in self.usage.overflows(self.now, finishing, &self.set) {
            let node = &self.set.nodes[at as usize];
            let time = self.now;
            let identity = rule_identity(node);
            let (time_bytes, share) = (time.to_le_bytes(), self.share_mark());
            let mut parts: Vec<&[u8]> = vec![identity.as_bytes(), &node.hash, &time_bytes];
            parts.extend((!share.is_empty()).then_some(&share[..]));
            out.push(Alert {
                correlation: at,
                id: DetectionId::of("state overflow", &parts),
                reason: Reason::StateOverflow { groups, hits },
                group: Vec::new(),
                value: None,
                time,
                trigger: EventRef::default(),
                events: Contributions::default(),
                rules: Vec::new(),
            });
        }
    }
}

fn ends_sequence(node: &Node, references: &[u32]) -> bool {
    node.sequences
        .iter()
        .filter_map(|way| way.steps.last())
        .any(|last| references.contains(&(*last as u32)))
}

/// Until when a group is of interest.
fn needed(node: &Node, policy: Policy, group: &Group) -> i64 {
    let needed = group.last.time.saturating_add(node.rule.timespan.unwrap_or(i64::MAX));
    match (policy, group.rare().alerted) {
        (Policy::Quiet(quiet), Some(alerted)) => needed.max(alerted.saturating_add(quiet)),
        _ => needed,
    }
}

fn permits(policy: Policy, group: &Group, time: i64) -> bool {
    match policy {
        Policy::Every => true,
        Policy::Once => !group.active,
        Policy::Quiet(quiet) => {
            group.rare().alerted.is_none_or(|last| time.saturating_sub(last) >= quiet)
        }
    }
}
