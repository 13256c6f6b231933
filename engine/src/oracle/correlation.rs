//! The definition of correlations, executed: every window is collected and evaluated from scratch, on the whole sorted input.
//! Nothing is kept from hit to hit. Tests compare [`Windows`](crate::correlation::Windows) with it.

use crate::DetectionId;
use crate::correlation::compiled::{
    Node, Value, alert_id, group_key, holds_for, key_texts, rule_bit, rules_of, value,
};
use crate::correlation::{
    Alert, Contributions, Correlations, Decided, Entry, EventRef, Fixed, Measure, Policy, Reason,
    Sighting, Wide,
};
use sigmund_sigma::correlation::CorrelationType;
use std::collections::BTreeMap;
use std::collections::BTreeSet;

/// What a hit comes from: an event, or the end of a window of an inner correlation. In the order of processing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Cause {
    Event(EventRef),
    End { correlation: usize, key: Vec<u8> },
}

/// A hit of a correlation.
#[derive(Clone, Debug)]
struct Hit {
    time: i64,
    cause: Cause,
    event: EventRef,
    references: Vec<u32>,
    key: Vec<u8>,
    value: Value,
    /// What outer correlations may ask for.
    fields: BTreeMap<u32, Box<str>>,
}

impl Hit {
    fn entry(&self) -> Entry {
        let rules = self.references.iter().fold(0, |bits, at| bits | rule_bit(*at));
        Entry { time: self.time, event: self.event, rules }
    }
}

/// An evaluation that was true.
struct Held {
    alert: Alert,
    cause: Cause,
    key: Vec<u8>,
    fields: BTreeMap<u32, Box<str>>,
}

/// What a correlation gets before its own fields are read.
#[derive(Clone)]
struct Arrival {
    time: i64,
    cause: Cause,
    event: EventRef,
    reference: u32,
    fields: BTreeMap<u32, Box<str>>,
}

/// The alerts of correlations over all sightings of an input that went on until `end`, ordered by time, correlation and group.
#[must_use]
pub fn alerts(set: &Correlations, sightings: &[Sighting], end: i64, policy: Policy) -> Vec<Alert> {
    run(set, sightings, end, policy, &mut |_, _, _| true).0
}

/// A group's window at one time.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// When.
    pub time: i64,
    /// The hit; `None` for the end of a window.
    pub event: Option<EventRef>,
    /// Which of the correlation's rules it hit, by their place.
    pub rules: Vec<u32>,
    /// How many hits the window holds.
    pub hits: usize,
    /// When the first of them was.
    pub first: i64,
    /// What the condition compares; `None` if there is nothing to compare.
    pub measure: Option<Measure>,
    /// Whether it was decided here that the condition holds.
    pub holds: bool,
}

/// A group and what its window holds over time.
#[derive(Clone, Debug, PartialEq)]
pub struct Trace {
    /// The values of the group.
    pub group: Vec<Box<str>>,
    /// How many hits it has.
    pub hits: usize,
    /// Empty if they were not wanted.
    pub steps: Vec<Step>,
}

/// What the windows of a correlation hold over time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Traces {
    /// Group by group, in the order of their values.
    pub groups: Vec<Trace>,
    /// Hits of its rules that lack a field of the group, or a value to compare.
    pub ignored: usize,
}

/// What the windows of a correlation hold over time. `wants` is asked, with the values of a group and the number of its hits, whether its steps
/// are.
pub fn trace(
    set: &Correlations,
    sightings: &[Sighting],
    end: i64,
    correlation: u32,
    wants: &dyn Fn(&[Box<str>], usize) -> bool,
) -> Traces {
    let end = sightings.iter().map(|sighting| sighting.time).fold(end, i64::max);
    let wanted = correlation as usize;
    // Others are evaluated only if this one hears of them.
    let mut heard = vec![false; set.nodes.len()];
    for at in (0..set.nodes.len()).rev() {
        let outer = |input: &crate::correlation::compiled::Input| heard[input.node as usize];
        heard[at] = at == wanted || set.nodes[at].outer.iter().any(outer);
    }
    let node = &set.nodes[wanted];
    let mut groups = Vec::new();
    let (_, ignored) = run(set, sightings, end, Policy::Every, &mut |at, key, hits| {
        if at != wanted {
            return heard[at];
        }
        let group = key_texts(key);
        let steps = if wants(&group, hits.len()) { steps(node, hits, end) } else { Vec::new() };
        groups.push(Trace { group, hits: hits.len(), steps });
        false
    });
    Traces { groups, ignored: ignored[wanted] }
}

fn steps(node: &Node, group: &[&Hit], end: i64) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut opened = 0;
    for (index, hit) in group.iter().enumerate() {
        let span = node.rule.timespan;
        match node.decided {
            Decided::AtHit => {
                let start = span.map_or(i64::MIN, |span| hit.time.saturating_sub(span));
                while group[opened].time < start {
                    opened += 1;
                }
                steps.push(step(node, Some(hit), hit.time, &group[opened..=index], true));
            }
            Decided::AtClose => {
                steps.push(step(node, Some(hit), hit.time, &group[opened..=index], false));
                let close = span.map_or(end, |span| group[opened].time.saturating_add(span));
                let next = group.get(index + 1);
                if next.is_none_or(|next| span.is_some() && next.time > close) {
                    steps.push(step(node, None, close, &group[opened..=index], true));
                    opened = index + 1;
                }
            }
            Decided::InSilence => {
                steps.push(step(node, Some(hit), hit.time, &[hit], false));
                let silent = hit.time.saturating_add(span.unwrap_or(i64::MAX));
                let next = group.get(index + 1).map(|next| next.time);
                if silent <= end && next.is_none_or(|next| next > silent) {
                    let measure = Some(Measure::count(0));
                    let gone = step(node, None, silent, &[hit], true);
                    steps.push(Step { hits: 0, measure, holds: true, ..gone });
                }
            }
        }
    }
    steps
}

fn step(node: &Node, hit: Option<&Hit>, time: i64, window: &[&Hit], decided: bool) -> Step {
    let found = evaluated(node, window);
    Step {
        time,
        event: hit.map(|hit| hit.event),
        rules: hit.map_or(Vec::new(), |hit| hit.references.clone()),
        hits: window.len(),
        first: window.first().map_or(time, |first| first.time),
        holds: decided && found.as_ref().is_some_and(|found| found.holds),
        measure: found.map(|found| found.measure),
    }
}

/// Gets the hits of each group of each correlation, and says whether its alerts are wanted.
type EachGroup<'a> = dyn FnMut(usize, &[u8], &[&Hit]) -> bool + 'a;

fn run(
    set: &Correlations,
    sightings: &[Sighting],
    end: i64,
    policy: Policy,
    each: &mut EachGroup<'_>,
) -> (Vec<Alert>, Vec<usize>) {
    let mut ignored = Vec::new();
    let mut sorted: Vec<&Sighting> = sightings.iter().collect();
    sorted.sort();
    let end = sorted.last().map_or(end, |last| last.time.max(end));
    let mut arrivals: Vec<Vec<Arrival>> = vec![Vec::new(); set.nodes.len()];
    for sighting in sorted {
        for rule in &sighting.rules {
            for input in set.inputs(*rule) {
                arrivals[input.node as usize].push(Arrival {
                    time: sighting.time,
                    cause: Cause::Event(sighting.event),
                    event: sighting.event,
                    reference: input.reference,
                    fields: sighting.values.iter().cloned().collect(),
                });
            }
        }
    }
    let mut out = Vec::new();
    for at in 0..set.nodes.len() {
        let node = &set.nodes[at];
        let (hits, without) = hits(node, std::mem::take(&mut arrivals[at]));
        ignored.push(without);
        let mut groups: BTreeMap<&[u8], Vec<&Hit>> = BTreeMap::new();
        for hit in &hits {
            groups.entry(&hit.key).or_default().push(hit);
        }
        let mut held: Vec<Held> = Vec::new();
        for (key, group) in groups {
            if !each(at, key, &group) {
                continue;
            }
            let found = match node.decided {
                Decided::AtHit => at_hits(node, at, &group, policy),
                Decided::AtClose => at_closes(node, at, &group, policy, end),
                Decided::InSilence => in_silence(node, at, &group, end),
            };
            for (reports, found) in found {
                if reports && node.reports {
                    out.push(found.alert.clone());
                }
                held.push(found);
            }
        }
        for input in &node.outer {
            for held in &held {
                let mut fields = held.fields.clone();
                for (field, text) in node.group.iter().zip(key_texts(&held.key)) {
                    fields.insert(*field, text);
                }
                arrivals[input.node as usize].push(Arrival {
                    time: held.alert.time,
                    cause: held.cause.clone(),
                    event: held.alert.trigger,
                    reference: input.reference,
                    fields,
                });
            }
        }
    }
    out.sort_by(|a, b| {
        (a.time, a.correlation, &a.group, a.id).cmp(&(b.time, b.correlation, &b.group, b.id))
    });
    (out, ignored)
}

/// The hits of a correlation in order; one event that hits several rules with one value is one. And how many have no group or no value.
fn hits(node: &Node, mut arrivals: Vec<Arrival>) -> (Vec<Hit>, usize) {
    arrivals.sort_by(|a, b| (a.time, &a.cause, a.reference).cmp(&(b.time, &b.cause, b.reference)));
    let mut hits: Vec<Hit> = Vec::new();
    let mut ignored = 0;
    for arrival in arrivals {
        let field = |field: u32| arrival.fields.get(&field).map(|text| &**text);
        let mut key = Vec::new();
        if !group_key(&node.references[arrival.reference as usize].group, &field, &mut key) {
            ignored += 1;
            continue;
        }
        let Some(value) = value(node, arrival.reference, &field) else {
            ignored += 1;
            continue;
        };
        let same = hits.iter_mut().find(|hit| {
            hit.time == arrival.time
                && hit.cause == arrival.cause
                && hit.key == key
                && hit.value == value
        });
        match same {
            Some(hit) => hit.references.push(arrival.reference),
            None => hits.push(Hit {
                time: arrival.time,
                cause: arrival.cause,
                event: arrival.event,
                references: vec![arrival.reference],
                key,
                value,
                fields: arrival.fields,
            }),
        }
    }
    (hits, ignored)
}

/// Lower bounds: the window that ends at each hit. With each true evaluation, whether it goes out.
fn at_hits(node: &Node, at: usize, group: &[&Hit], policy: Policy) -> Vec<(bool, Held)> {
    let span = node.rule.timespan;
    let mut held: Vec<(bool, Held)> = Vec::new();
    let (mut active, mut alerted, mut last) = (false, None::<i64>, None::<i64>);
    for (index, hit) in group.iter().enumerate() {
        let start = span.map_or(i64::MIN, |span| hit.time.saturating_sub(span));
        let window: Vec<&Hit> =
            group[..=index].iter().filter(|other| other.time >= start).copied().collect();
        if last.is_some_and(|last| last < start) {
            active = false;
        }
        last = Some(hit.time);
        let ordered = node.rule.kind == CorrelationType::TemporalOrdered;
        if ordered && !node.sequences.iter().any(|way| hits_last(&way.steps, hit)) {
            continue;
        }
        let Some((value, events)) = evaluate(node, &window) else {
            active = false;
            continue;
        };
        let goes = match policy {
            Policy::Every => true,
            Policy::Once => !active,
            Policy::Quiet(quiet) => {
                alerted.is_none_or(|last| hit.time.saturating_sub(last) >= quiet)
            }
        };
        active = true;
        if goes {
            alerted = Some(hit.time);
        }
        let same_time = held.iter().filter(|(_, held)| held.alert.time == hit.time).count() as u32;
        let id = alert_id(node, &hit.key, (hit.time, same_time));
        let value = node.rule.temporal_condition.is_none().then_some(value);
        let alert = alert(node, at, hit, id, value, events);
        let held_one = Held {
            alert,
            cause: hit.cause.clone(),
            key: hit.key.clone(),
            fields: hit.fields.clone(),
        };
        held.push((goes, held_one));
    }
    held
}

/// Upper bounds: one window after the other, each opened by a hit.
fn at_closes(
    node: &Node,
    at: usize,
    group: &[&Hit],
    policy: Policy,
    end: i64,
) -> Vec<(bool, Held)> {
    let mut held = Vec::new();
    let mut rest = group;
    let (mut active, mut alerted, mut closed) = (false, None::<i64>, None::<i64>);
    while let Some(first) = rest.first() {
        let close = node.rule.timespan.map_or(end, |span| first.time.saturating_add(span));
        let inside = |hit: &&&Hit| node.rule.timespan.is_none() || hit.time <= close;
        let count = rest.iter().take_while(inside).count();
        let (window, later) = rest.split_at(count);
        rest = later;
        let pause = closed.is_some_and(|closed| {
            first.time > closed.saturating_add(node.rule.timespan.unwrap_or(0))
        });
        if pause {
            active = false;
        }
        closed = Some(close);
        let Some((value, events)) = evaluate(node, window) else {
            active = false;
            continue;
        };
        let goes = match policy {
            Policy::Every => true,
            Policy::Once => !active,
            Policy::Quiet(quiet) => alerted.is_none_or(|last| close.saturating_sub(last) >= quiet),
        };
        active = true;
        if goes {
            alerted = Some(close);
        }
        let last = window.last().unwrap_or(first);
        let id = alert_id(node, &first.key, (first.time, 0));
        let alert = Alert { time: close, ..alert(node, at, last, id, Some(value), events) };
        held.push((goes, ended(at, first, last, alert)));
    }
    held
}

/// Absence: a hit, and none for the timespan after it.
fn in_silence(node: &Node, at: usize, group: &[&Hit], end: i64) -> Vec<(bool, Held)> {
    let Some(span) = node.rule.timespan else { return Vec::new() };
    let mut held = Vec::new();
    let mut since = 0;
    for (index, hit) in group.iter().enumerate() {
        let silent = hit.time.saturating_add(span);
        let next = group.get(index + 1).map(|next| next.time);
        if silent > end || next.is_some_and(|next| next <= silent) {
            continue;
        }
        let entries: Vec<Entry> = group[since..=index].iter().map(|hit| hit.entry()).collect();
        since = index + 1;
        let events = Contributions::of(&entries);
        let id = alert_id(node, &hit.key, (hit.time, 0));
        let alert =
            Alert { time: silent, ..alert(node, at, hit, id, Some(Measure::count(0)), events) };
        held.push((true, ended(at, hit, hit, alert)));
    }
    held
}

fn ended(at: usize, first: &Hit, last: &Hit, alert: Alert) -> Held {
    let cause = Cause::End { correlation: at, key: first.key.clone() };
    Held { alert, cause, key: first.key.clone(), fields: last.fields.clone() }
}

fn alert(
    node: &Node,
    at: usize,
    hit: &Hit,
    id: DetectionId,
    value: Option<Measure>,
    events: Contributions,
) -> Alert {
    Alert {
        correlation: at as u32,
        id,
        reason: Reason::Condition,
        group: key_texts(&hit.key),
        value,
        time: hit.time,
        trigger: hit.event,
        rules: rules_of(&events, node),
        events,
    }
}

fn hits_last(steps: &[usize], hit: &Hit) -> bool {
    steps.last().is_some_and(|last| hit.references.contains(&(*last as u32)))
}

/// What the condition compared over the hits of a window, and the hits that count, if it holds.
fn evaluate(node: &Node, window: &[&Hit]) -> Option<(Measure, Contributions)> {
    let Evaluated { measure, holds, events } = evaluated(node, window)?;
    holds.then_some((measure, events))
}

/// What a condition says of a window.
struct Evaluated {
    measure: Measure,
    holds: bool,
    /// The hits that count.
    events: Contributions,
}

/// Evaluates the condition over the hits of a window; `None` if there is nothing to compare.
fn evaluated(node: &Node, window: &[&Hit]) -> Option<Evaluated> {
    let all: Vec<Entry> = window.iter().map(|hit| hit.entry()).collect();
    let numbers = || -> Vec<Fixed> {
        let mut numbers: Vec<Fixed> = window
            .iter()
            .filter_map(|hit| match hit.value {
                Value::Number(number) => Some(number),
                _ => None,
            })
            .collect();
        numbers.sort_unstable();
        numbers
    };
    let sum =
        || numbers().iter().fold(Wide::default(), |sum, number| sum.plus(Wide::of(number.units())));
    let measure = match node.rule.kind {
        CorrelationType::EventCount => Measure::count(window.len() as u64),
        CorrelationType::ValueCount => {
            let distinct: BTreeSet<&Value> = window.iter().map(|hit| &hit.value).collect();
            Measure::count(distinct.len() as u64)
        }
        CorrelationType::ValueSum => Measure::mean(sum(), 1),
        CorrelationType::ValueAvg => Measure::mean(sum(), numbers().len() as u64),
        CorrelationType::ValueMin => Measure::number(*numbers().first()?),
        CorrelationType::ValueMax => Measure::number(*numbers().last()?),
        CorrelationType::ValuePercentile | CorrelationType::ValueMedian => {
            let numbers = numbers();
            let hundred = Fixed::whole(100).units();
            let rank = node.percentile.units() * (numbers.len() as i128 - 1);
            let index = usize::try_from(rank / hundred).ok()?;
            let high = numbers.get(index + 1).unwrap_or(&numbers[index]);
            Measure::between(numbers[index], *high, rank % hundred, hundred)
        }
        CorrelationType::Temporal => {
            let seen =
                |rule: usize| window.iter().any(|hit| hit.references.contains(&(rule as u32)));
            let count = (0..node.references.len()).filter(|rule| seen(*rule)).count() as u64;
            let measure = Measure::count(count);
            let holds = match &node.rule.temporal_condition {
                Some(condition) => holds_for(condition, &seen),
                None if node.bounds.is_empty() => count == node.references.len() as u64,
                None => node.bounds.hold(&measure),
            };
            if node.decided != Decided::AtHit {
                return Some(Evaluated { measure, holds, events: Contributions::of(&all) });
            }
            let latest: BTreeSet<Entry> = (0..node.references.len() as u32)
                .filter_map(|rule| window.iter().rfind(|hit| hit.references.contains(&rule)))
                .map(|hit| hit.entry())
                .collect();
            let latest: Vec<Entry> = latest.into_iter().collect();
            return Some(Evaluated { measure, holds, events: Contributions::of(&latest) });
        }
        CorrelationType::TemporalOrdered => {
            let mut best: Option<Vec<Entry>> = None;
            for way in &node.sequences {
                let disturbed = way
                    .absent
                    .iter()
                    .any(|rule| window.iter().any(|hit| hit.references.contains(&(*rule as u32))));
                let Some(chain) = chain(&way.steps, window).filter(|_| !disturbed) else {
                    continue;
                };
                if best.as_ref().is_none_or(|best| best[0].time < chain[0].time) {
                    best = Some(chain);
                }
            }
            let chain = best?;
            let measure = Measure::count(chain.len() as u64);
            let holds = node.bounds.hold(&measure);
            return Some(Evaluated { measure, holds, events: Contributions::of(&chain) });
        }
    };
    let holds = node.bounds.hold(&measure);
    Some(Evaluated { measure, holds, events: Contributions::of(&all) })
}

/// Hits of the steps in order, each the latest possible; the last one is the last of the window.
fn chain(steps: &[usize], window: &[&Hit]) -> Option<Vec<Entry>> {
    let last = window.last().filter(|hit| hits_last(steps, hit))?;
    let mut chain = vec![last.entry()];
    let mut before = window.len() - 1;
    for step in steps.iter().rev().skip(1) {
        before =
            window[..before].iter().rposition(|hit| hit.references.contains(&(*step as u32)))?;
        chain.push(window[before].entry());
    }
    chain.reverse();
    Some(chain)
}
