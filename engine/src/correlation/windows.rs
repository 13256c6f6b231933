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
use super::limits::{Excess, Limits, Usage};
use super::number::{Fixed, Measure};
use super::rule::{Correlations, Input, Node};
use super::sighting::{EventRef, Sighting};
use super::timers::Timers;
use super::window::{Contributions, Entry, Value, Window, rule_bit};
use crate::DetectionId;
use ahash::AHashMap;
use sigmund_sigma::correlation::CorrelationType;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

/// The values of a group, each with its length before it.
pub(crate) type Key = Arc<[u8]>;

/// One group of one correlation.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    pub(crate) window: Window,
    /// The hit that opened the window, where windows are opened.
    pub(crate) opened: Option<i64>,
    /// The last hit.
    pub(crate) last: Entry,
    /// The condition held when it was last looked at.
    pub(crate) active: bool,
    /// The last alert that went out.
    pub(crate) alerted: Option<i64>,
    /// Evaluations that were true at the time of the last one, to tell alerts of the same time apart.
    pub(crate) anchor: (i64, u32),
    /// The fields of the last hit, where outer correlations may ask for them at the end of a window.
    pub(crate) fields: Vec<(u32, Box<str>)>,
    /// When it is to be looked at.
    pub(crate) due: i64,
    /// Counted in the usage.
    pub(crate) bytes: usize,
}

/// The windows.
#[derive(Debug)]
pub struct Windows {
    pub(crate) set: Arc<Correlations>,
    pub(crate) groups: Vec<AHashMap<Key, Group>>,
    timers: Timers,
    policies: Vec<Policy>,
    limits: Limits,
    usage: Usage,
    /// The largest time that was processed.
    now: i64,
    scratch: Scratch,
}

/// Buffers of one event.
#[derive(Debug, Default)]
struct Scratch {
    works: BinaryHeap<Reverse<(u32, u32, u32)>>,
    overlays: Vec<Overlay>,
    hits: Vec<(Vec<u8>, Vec<u32>, Value, u32)>,
    key: Vec<u8>,
}

/// Fields that an inner alert brings, over those of the event: (the overlay below, fields).
type Overlay = (u32, Vec<(u32, Box<str>)>);

/// No overlay: the event's own fields.
const PLAIN: u32 = u32::MAX;

/// A hit on its way through correlations.
#[derive(Clone, Copy)]
struct Event<'a> {
    time: i64,
    event: EventRef,
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
            groups: set.nodes.iter().map(|_| AHashMap::new()).collect(),
            timers: Timers::new(set.nodes.len()),
            policies: set.nodes.iter().map(|node| own(node).unwrap_or(policy)).collect(),
            usage: Usage::new(set.nodes.len()),
            limits,
            now: i64::MIN,
            scratch: Scratch::default(),
            set,
        }
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
        let event = Event { time: sighting.time, event: sighting.event, values: &sighting.values };
        self.run(&set, event, &mut scratch, out);
        self.scratch = scratch;
    }

    /// Time has passed: no sighting before `time` comes any more. Decides what ended before it.
    pub fn decide_before(&mut self, time: i64, out: &mut Vec<Alert>) {
        while let Some((due, node, key)) = self.timers.pop_before(time) {
            self.look(due, node, &key, time, false, out);
        }
    }

    /// The input is over, and reached until `end`: decides all windows.
    pub fn finish(&mut self, end: i64, out: &mut Vec<Alert>) {
        let end = end.max(self.now);
        while let Some((due, node, key)) = self.timers.pop() {
            self.look(due, node, &key, end, true, out);
        }
        self.groups.iter_mut().for_each(|groups| groups.clear());
    }

    /// A group's time has come.
    fn look(
        &mut self,
        due: i64,
        at: u32,
        key: &Key,
        until: i64,
        finishing: bool,
        out: &mut Vec<Alert>,
    ) {
        let set = Arc::clone(&self.set);
        let node = &set.nodes[at as usize];
        let Some(group) = self.groups[at as usize].get_mut(key) else { return };
        if group.due != due {
            return;
        }
        let span = node.rule.timespan.unwrap_or(i64::MAX);
        match node.decided {
            Decided::AtClose if group.opened.is_some() => {
                let mut scratch = std::mem::take(&mut self.scratch);
                // A window without an end ends with the input.
                let end = if node.rule.timespan.is_some() { due } else { until };
                self.close(&set, (at, key), end, &mut scratch, out);
                self.scratch = scratch;
                return;
            }
            Decided::InSilence => {
                let silent = group.last.time.saturating_add(span);
                let known = !finishing || silent <= until;
                if silent > due && known {
                    group.due = silent;
                    self.timers.push(silent, at, Arc::clone(key));
                    return;
                }
                if known {
                    let mut scratch = std::mem::take(&mut self.scratch);
                    self.absent(&set, (at, key), silent, &mut scratch, out);
                    self.scratch = scratch;
                }
            }
            Decided::AtHit | Decided::AtClose => {
                let policy = self.policies[at as usize];
                let mut needed = group.last.time.saturating_add(span);
                if let (Policy::Quiet(quiet), Some(alerted)) = (policy, group.alerted) {
                    needed = needed.max(alerted.saturating_add(quiet));
                }
                if needed > due {
                    group.due = needed;
                    self.timers.push(needed, at, Arc::clone(key));
                    return;
                }
            }
        }
        self.forget(at, key);
    }

    /// Drops a group.
    fn forget(&mut self, at: u32, key: &Key) {
        if let Some(group) = self.groups[at as usize].remove(key) {
            self.usage.removed(at, group.bytes, group.window.kept());
        }
    }

    /// Decides a window at its end.
    fn close(
        &mut self,
        set: &Arc<Correlations>,
        (at, key): (u32, &Key),
        due: i64,
        scratch: &mut Scratch,
        out: &mut Vec<Alert>,
    ) {
        let node = &set.nodes[at as usize];
        let Some(group) = self.groups[at as usize].get_mut(key) else { return };
        let opened = group.opened.take();
        let found = group.window.holds(node, due);
        let contributions = group.window.contributions(node, due);
        group.window = Window::new(node);
        // Whether the next window follows this one without a pause decides if its alert is news.
        group.due = due.saturating_add(node.rule.timespan.unwrap_or(0));
        self.timers.push(group.due, at, Arc::clone(key));
        let last = group.last;
        let fields = group.fields.clone();
        match found {
            Some(measure) => {
                let alert = Alert {
                    time: due,
                    ..alert(
                        node,
                        at,
                        key,
                        group,
                        opened.unwrap_or(due),
                        Some(measure),
                        contributions,
                        last.event,
                    )
                };
                if permits(self.policies[at as usize], group, due) && node.reports {
                    group.alerted = Some(due);
                    out.push(alert);
                }
                group.active = true;
                self.hand_on(
                    set,
                    at,
                    key,
                    Event { time: due, event: last.event, values: &fields },
                    scratch,
                    out,
                );
            }
            None => group.active = false,
        }
    }

    /// A group has been silent.
    fn absent(
        &mut self,
        set: &Arc<Correlations>,
        (at, key): (u32, &Key),
        due: i64,
        scratch: &mut Scratch,
        out: &mut Vec<Alert>,
    ) {
        let node = &set.nodes[at as usize];
        let Some(group) = self.groups[at as usize].get_mut(key) else { return };
        let (last, fields) = (group.last, std::mem::take(&mut group.fields));
        let contributions = group.window.contributions(node, due);
        let alert = Alert {
            time: due,
            ..alert(
                node,
                at,
                key,
                group,
                last.time,
                Some(Measure::count(0)),
                contributions,
                last.event,
            )
        };
        if node.reports {
            out.push(alert);
        }
        self.hand_on(
            set,
            at,
            key,
            Event { time: due, event: last.event, values: &fields },
            scratch,
            out,
        );
    }

    /// Gives an alert that time made to the outer correlations.
    fn hand_on(
        &mut self,
        set: &Arc<Correlations>,
        at: u32,
        key: &Key,
        event: Event<'_>,
        scratch: &mut Scratch,
        out: &mut Vec<Alert>,
    ) {
        let node = &set.nodes[at as usize];
        if node.outer.is_empty() {
            return;
        }
        scratch.overlays.push((PLAIN, overlay(node, key)));
        let overlay = scratch.overlays.len() as u32 - 1;
        scratch.works.extend(node.outer.iter().map(|to| Reverse((to.node, to.reference, overlay))));
        self.run(set, event, scratch, out);
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
                if !group_key(&node.references[reference as usize].group, &field, key) {
                    continue;
                }
                let Some(value) = value(node, reference, &field) else { continue };
                match hits.iter_mut().find(|(have, _, other, _)| have == key && *other == value) {
                    Some((_, references, ..)) => references.push(reference),
                    None => hits.push((key.clone(), vec![reference], value, overlay)),
                }
            }
            let hits = std::mem::take(&mut scratch.hits);
            for (key, references, value, overlay) in &hits {
                let key: Key = match self.groups[at as usize].get_key_value(&key[..]) {
                    Some((key, _)) => Arc::clone(key),
                    None => Arc::from(&key[..]),
                };
                let held = self.hit(node, (at, &key), event, references, value.clone(), out);
                if !held {
                    continue;
                }
                if !node.outer.is_empty() {
                    scratch.overlays.push((*overlay, self::overlay(node, &key)));
                    let overlay = scratch.overlays.len() as u32 - 1;
                    scratch.works.extend(
                        node.outer
                            .iter()
                            .map(|to: &Input| Reverse((to.node, to.reference, overlay))),
                    );
                }
            }
            if !hits.is_empty() && node.decided != Decided::AtHit && !node.outer.is_empty() {
                for (key, _, _, overlay) in &hits {
                    let fields = all_fields(&scratch.overlays, *overlay, event.values);
                    if let Some(group) = self.groups[at as usize].get_mut(&key[..]) {
                        group.fields = fields;
                    }
                }
            }
            scratch.hits = hits;
        }
        scratch.overlays.clear();
        self.enforce(out);
    }

    /// A hit of one group; whether the condition holds at it.
    fn hit(
        &mut self,
        node: &Node,
        (at, key): (u32, &Key),
        event: Event<'_>,
        references: &[u32],
        value: Value,
        out: &mut Vec<Alert>,
    ) -> bool {
        let rules = references.iter().fold(0, |bits, reference| bits | rule_bit(*reference));
        let entry = Entry { time: event.time, event: event.event, rules };
        let span = node.rule.timespan;
        let groups = &mut self.groups[at as usize];
        let new = !groups.contains_key(key);
        let group = groups.entry(Arc::clone(key)).or_insert_with(|| Group {
            window: Window::new(node),
            opened: None,
            last: entry,
            active: false,
            alerted: None,
            anchor: (i64::MIN, 0),
            fields: Vec::new(),
            due: i64::MAX,
            bytes: 0,
        });
        let kept = group.window.kept();
        if let Some(span) = span
            && node.decided == Decided::AtHit
        {
            // Silent for longer than the timespan: the window was empty in between.
            if group.last.time < event.time.saturating_sub(span) {
                group.active = false;
            }
            group.window.expire(event.time.saturating_sub(span));
        }
        let opens = node.decided == Decided::AtClose && group.opened.is_none();
        if opens {
            group.opened = Some(event.time);
        }
        if new || opens {
            group.due = event.time.saturating_add(span.unwrap_or(i64::MAX));
            self.timers.push(group.due, at, Arc::clone(key));
        }
        group.last = entry;
        group.window.add(node, entry, value, references);
        let mut given_up = 0;
        while group.window.kept() > self.limits.hits_per_group {
            group.window.drop_oldest();
            given_up += 1;
        }
        let bytes = group_bytes(group, key);
        self.usage.changed(at, new, (group.bytes, bytes), (kept, group.window.kept()));
        group.bytes = bytes;
        if given_up > 0 {
            self.usage.gave_up(at, 0, given_up);
        }
        let mut held = false;
        if node.decided == Decided::AtHit {
            let found = group.window.holds(node, event.time);
            held = found.is_some();
            match found {
                Some(measure) => {
                    let permitted = permits(self.policies[at as usize], group, event.time);
                    let contributions = if permitted {
                        group.window.contributions(node, event.time)
                    } else {
                        Contributions::default()
                    };
                    let value = node.rule.temporal_condition.is_none().then_some(measure);
                    let alert =
                        alert(node, at, key, group, event.time, value, contributions, event.event);
                    if permitted {
                        group.alerted = Some(event.time);
                        if node.reports {
                            out.push(alert);
                        }
                    }
                    group.active = true;
                }
                // An ordered correlation is looked at by hits of its last rules only.
                None if node.rule.kind == CorrelationType::TemporalOrdered
                    && !ends_sequence(node, references) => {}
                None => {
                    group.active = false;
                }
            }
        }
        held
    }

    /// Gives up the oldest groups while limits are exceeded, and says so.
    fn enforce(&mut self, out: &mut Vec<Alert>) {
        while let Some(excess) = self.usage.excess(&self.limits) {
            let timer = match excess {
                Excess::Of(at) => self.timers.pop_of(at),
                Excess::Total => self.timers.pop(),
            };
            let Some((due, at, key)) = timer else { break };
            let set = Arc::clone(&self.set);
            let span = set.nodes[at as usize].rule.timespan.unwrap_or(i64::MAX);
            let Some(group) = self.groups[at as usize].get_mut(&key) else { continue };
            if group.due != due {
                continue;
            }
            let needed = group.last.time.saturating_add(span);
            if group.opened.is_none() && needed > due {
                group.due = needed;
                self.timers.push(needed, at, key);
                continue;
            }
            let hits = group.window.len();
            self.forget(at, &key);
            self.usage.gave_up(at, 1, hits);
        }
        for (at, groups, hits) in self.usage.overflows(self.now, &self.set) {
            let node = &self.set.nodes[at as usize];
            let time = self.now;
            let identity = rule_identity(node);
            let parts: [&[u8]; 3] = [identity.as_bytes(), &node.hash, &time.to_le_bytes()];
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

fn group_bytes(group: &Group, key: &Key) -> usize {
    // The key is in the map and in a timer; a map and a heap have room to grow.
    const OVERHEAD: usize = 2 * size_of::<Group>() + 96;
    let fields: usize = group.fields.iter().map(|(_, text)| text.len() + 24).sum();
    OVERHEAD + key.len() + fields + group.window.bytes()
}

fn permits(policy: Policy, group: &Group, time: i64) -> bool {
    match policy {
        Policy::Every => true,
        Policy::Once => !group.active,
        Policy::Quiet(quiet) => group.alerted.is_none_or(|last| time.saturating_sub(last) >= quiet),
    }
}

pub(crate) fn rule_identity(node: &Node) -> &str {
    let metadata = &node.rule.metadata;
    metadata.id.as_deref().or(metadata.name.as_deref()).unwrap_or(&metadata.title)
}

/// The id of the alert of a group: `anchor` is a time, and the how-many-eth of that time.
pub(crate) fn alert_id(node: &Node, key: &[u8], anchor: (i64, u32)) -> DetectionId {
    let (time, number) = (anchor.0.to_le_bytes(), anchor.1.to_le_bytes());
    let parts: [&[u8]; 5] = [rule_identity(node).as_bytes(), &node.hash, key, &time, &number];
    DetectionId::of("correlation", &parts)
}

#[expect(clippy::too_many_arguments, reason = "they are the parts of an alert")]
fn alert(
    node: &Node,
    at: u32,
    key: &Key,
    group: &mut Group,
    anchor: i64,
    value: Option<Measure>,
    events: Contributions,
    trigger: EventRef,
) -> Alert {
    group.anchor =
        if group.anchor.0 == anchor { (anchor, group.anchor.1 + 1) } else { (anchor, 0) };
    Alert {
        correlation: at,
        id: alert_id(node, key, group.anchor),
        reason: Reason::Condition,
        group: key_texts(key),
        value,
        time: anchor,
        trigger,
        rules: rules_of(&events, node),
        events,
    }
}

pub(crate) fn rules_of(events: &Contributions, node: &Node) -> Vec<u32> {
    let bits = events.iter().fold(0, |bits, entry| bits | entry.rules);
    (0..node.references.len() as u32).filter(|at| bits & rule_bit(*at) != 0).collect()
}

/// Appends one text with its length before it.
pub(crate) fn push_text(text: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(&(text.len() as u32).to_le_bytes());
    out.extend_from_slice(text.as_bytes());
}

/// The texts of a key.
pub(crate) fn key_texts(mut key: &[u8]) -> Vec<Box<str>> {
    let mut texts = Vec::new();
    while let Some((length, rest)) = key.split_first_chunk::<4>() {
        let length = (u32::from_le_bytes(*length) as usize).min(rest.len());
        texts.push(String::from_utf8_lossy(&rest[..length]).into());
        key = &rest[length..];
    }
    texts
}

/// The key of a hit's group; `false` if a field is missing.
pub(crate) fn group_key<'v>(
    fields: &[u32],
    value: &dyn Fn(u32) -> Option<&'v str>,
    key: &mut Vec<u8>,
) -> bool {
    key.clear();
    for field in fields {
        match value(*field) {
            Some(text) => push_text(text, key),
            None => return false,
        }
    }
    true
}

/// The value of a hit; `None` if it has none and the correlation wants one.
pub(crate) fn value<'v>(
    node: &Node,
    reference: u32,
    field: &dyn Fn(u32) -> Option<&'v str>,
) -> Option<Value> {
    if !node.rule.kind.needs_field() {
        return Some(Value::None);
    }
    let fields = &node.references[reference as usize].values;
    if node.rule.kind == CorrelationType::ValueCount {
        let mut text = Vec::new();
        for at in fields {
            push_text(field(*at)?, &mut text);
        }
        return Some(Value::Text(text.into()));
    }
    Fixed::parse(field(*fields.first()?)?).map(Value::Number)
}

/// The value of a field, by the inner groups first.
fn find<'v>(
    overlays: &'v [Overlay],
    mut overlay: u32,
    values: &'v [(u32, Box<str>)],
    field: u32,
) -> Option<&'v str> {
    while let Some((below, fields)) = overlays.get(overlay as usize) {
        if let Some((_, text)) = fields.iter().find(|(have, _)| *have == field) {
            return Some(text);
        }
        overlay = *below;
    }
    let at = values.binary_search_by_key(&field, |(have, _)| *have).ok()?;
    Some(&values[at].1)
}

/// All fields that [`find`] would find.
fn all_fields(
    overlays: &[Overlay],
    mut overlay: u32,
    values: &[(u32, Box<str>)],
) -> Vec<(u32, Box<str>)> {
    let mut all: Vec<(u32, Box<str>)> = Vec::new();
    while let Some((below, fields)) = overlays.get(overlay as usize) {
        for (field, text) in fields {
            if !all.iter().any(|(have, _)| have == field) {
                all.push((*field, text.clone()));
            }
        }
        overlay = *below;
    }
    for (field, text) in values {
        if !all.iter().any(|(have, _)| have == field) {
            all.push((*field, text.clone()));
        }
    }
    all.sort_unstable_by_key(|(field, _)| *field);
    all
}

/// The group's values under the names of `group-by`.
fn overlay(node: &Node, key: &[u8]) -> Vec<(u32, Box<str>)> {
    node.group.iter().copied().zip(key_texts(key)).collect()
}
