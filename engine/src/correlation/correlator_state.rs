//! The state of a [`Correlator`] as a value: its windows, what waits for the watermark, and what was told early.
//!
//! Sightings are written with what their rules mean and the names of their fields, so that they fit other rule sets. What belongs to
//! rules and correlations that are not there any more is dropped.

use super::alert::{Alert, Policy, Reason};
use super::correlator::{Correlator, Options};
use super::cover::Position;
use super::early::KeptGroup;
use super::encoding::{Broken, Reader, Writer};
use super::key::key_texts;
use super::limits::Limits;
use super::number::{Fixed, Measure, Wide};
use super::rule::Correlations;
use super::semantic::SemanticHash;
use super::sighting::{EventRef, Sighting};
use super::state::{
    Meaning, Restored, StateError, begin_snapshot, damaged, open_snapshot, seal_snapshot,
};
use super::unordered::{GroupHit, HitValue};
use super::watermark::Source;
use super::window::{Contributions, Value};
use super::windows::Windows;
use crate::DetectionId;
use ahash::AHashMap;
use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::sync::Arc;

/// How it begins; its version follows.
const MAGIC: &[u8; 7] = b"SGMDCOR";

/// What rules, fields and correlations of the state are in a set.
struct Places<'s> {
    set: &'s Correlations,
    rules: Vec<Option<u32>>,
    fields: Vec<Option<u32>>,
    correlations: AHashMap<Meaning, u32>,
}

impl Correlator {
    /// All state in one piece.
    #[must_use]
    pub fn snapshot(&self) -> Vec<u8> {
        let mut out = begin_snapshot(MAGIC);
        out.bytes(&self.windows.snapshot());
        self.write(&mut out);
        seal_snapshot(out)
    }

    /// A correlator with the state of a snapshot, and what became of the groups of its windows.
    ///
    /// # Errors
    ///
    /// The bytes are no snapshot of a correlator, or not what was written, or were written by a newer version.
    pub fn from_snapshot(
        set: Arc<Correlations>,
        policy: Policy,
        limits: Limits,
        options: Options,
        snapshot: &[u8],
    ) -> Result<(Self, Restored), StateError> {
        const WHAT: &str = "the snapshot";
        let mut input = open_snapshot(MAGIC, snapshot)?;
        let windows = input.bytes().map_err(damaged(WHAT))?;
        let (windows, restored) =
            Windows::from_snapshot(Arc::clone(&set), policy, limits, windows)?;
        let mut correlator = Self::over(windows, limits, options);
        correlator.read(&mut input).map_err(damaged(WHAT))?;
        input.end().map_err(damaged(WHAT))?;
        Ok((correlator, restored))
    }

    /// Goes on with other rules: correlations that mean the same keep their state, the others start with none. Sightings that wait
    /// are hits of the rules that are still there.
    pub fn reload(&mut self, set: Arc<Correlations>, policy: Policy) -> Restored {
        let mut kept = Writer::default();
        self.write(&mut kept);
        let before = self.following.is_some().then(|| self.early_keys());
        let restored = self.windows.reload(set, policy);
        self.begin();
        // It was written a moment ago.
        let read = self.read(&mut Reader(&kept.0));
        debug_assert_eq!(read, Ok(()));
        if let Some(before) = before {
            self.follow_on(before);
        }
        restored
    }

    /// All but the windows.
    fn write(&self, out: &mut Writer) {
        let set = self.correlations();
        let mut rules = vec![None; set.rule_hashes().len()];
        let mut named: Vec<((SemanticHash, u32), u32)> =
            set.names.rules.iter().map(|(name, at)| (*name, *at)).collect();
        named.sort_unstable();
        out.number(named.len() as u64);
        for (place, ((hash, number), at)) in (0u32..).zip(&named) {
            rules[*at as usize] = Some(place);
            out.0.extend_from_slice(hash);
            out.number(u64::from(*number));
        }
        out.number(set.fields().len() as u64);
        set.fields().iter().for_each(|name| out.bytes(name.as_bytes()));
        self.write_watermark(self.watermark.clock, out);
        self.write_counters(out);
        let mut pending: Vec<&Sighting> = self.pending.iter().map(|Reverse(one)| one).collect();
        pending.sort_unstable();
        out.number(pending.len() as u64);
        for sighting in pending {
            write_position(Position::hit(sighting.time, sighting.event, 0), out);
            let known: Vec<u32> =
                sighting.rules.iter().filter_map(|rule| *rules.get(*rule as usize)?).collect();
            write_numbers(&known, out);
            out.number(sighting.values.len() as u64);
            for (field, value) in &sighting.values {
                out.number(u64::from(*field));
                out.bytes(value.as_bytes());
            }
        }
        let meanings = &self.windows.meanings;
        let meaning = |at: u32, out: &mut Writer| {
            let (hash, number) = &meanings[at as usize];
            out.0.extend_from_slice(hash);
            out.number(u64::from(*number));
        };
        let marked = self.windows.marks.as_ref().map_or_else(Vec::new, |marks| marks.all());
        out.number(marked.len() as u64);
        for (at, key, hits, owed) in marked {
            meaning(at, out);
            out.bytes(key);
            write_marks(hits, owed, out);
        }
        let groups = self.early.as_ref().map_or_else(Vec::new, |early| early.kept());
        out.number(groups.len() as u64);
        for group in groups {
            meaning(group.at, out);
            out.bytes(&group.key);
            write_hits(&group.hits, out);
        }
    }

    pub(crate) fn write_counters(&self, out: &mut Writer) {
        out.number(self.late.len() as u64);
        for (source, count) in &self.late {
            out.number(u64::from(*source));
            out.number(*count);
        }
        out.number(self.forced);
        out.number(self.untold);
        maybe(self.told, out);
    }

    pub(crate) fn write_watermark(&self, clock: Option<i64>, out: &mut Writer) {
        let watermark = &self.watermark;
        out.signed(watermark.time);
        maybe(clock, out);
        maybe(watermark.largest, out);
        out.number(watermark.sources.len() as u64);
        for (number, source) in &watermark.sources {
            out.number(u64::from(*number));
            maybe(source.largest, out);
            maybe(source.heard, out);
            out.0.push(u8::from(source.idle) | u8::from(source.finished) << 1);
            out.number(source.future);
            out.number(source.doubtful.len() as u64);
            source.doubtful.iter().for_each(|time| out.signed(*time));
        }
    }

    /// Reads what [`Self::write`] wrote, perhaps with other rules.
    fn read(&mut self, input: &mut Reader<'_>) -> Result<(), Broken> {
        let set = Arc::clone(self.correlations());
        let mut rules = Vec::new();
        for _ in 0..input.length(17)? {
            rules.push(set.names.rules.get(&(input.array()?, input.small()?)).copied());
        }
        let numbers: AHashMap<&str, u32> =
            set.fields().iter().map(|name| &**name).zip(0u32..).collect();
        let mut fields = Vec::new();
        for _ in 0..input.length(1)? {
            fields.push(numbers.get(input.text()?).copied());
        }
        let correlations = self.windows.meanings.iter().copied().zip(0u32..).collect();
        let places = Places { set: &set, rules, fields, correlations };
        self.read_watermark(input)?;
        self.read_counters(input)?;
        self.pending.clear();
        self.pending_bytes = 0;
        for _ in 0..input.length(5)? {
            if let Some(sighting) = places.sighting(input)? {
                self.wait(sighting);
            }
        }
        for _ in 0..input.length(20)? {
            let at = places.correlation(input)?;
            let key = input.bytes()?;
            self.read_marks(at, key, input)?;
        }
        for _ in 0..input.length(19)? {
            let (at, group) = places.group(input)?;
            if let (Some(_), Some(early)) = (at, &mut self.early) {
                early.keep(group);
            }
        }
        Ok(())
    }

    pub(crate) fn read_counters(&mut self, input: &mut Reader<'_>) -> Result<(), Broken> {
        self.late.clear();
        for _ in 0..input.length(2)? {
            self.late.insert(input.small()?, input.number()?);
        }
        self.forced = input.number()?;
        self.untold = input.number()?;
        self.told = read_maybe(input)?;
        Ok(())
    }

    /// The marks of a group, if its correlation is there.
    pub(crate) fn read_marks(
        &mut self,
        at: Option<u32>,
        key: &[u8],
        input: &mut Reader<'_>,
    ) -> Result<(), Broken> {
        for _ in 0..input.length(4)? {
            let hit = read_position(input)?;
            at.into_iter().for_each(|at| self.windows.mark(at, key, hit));
        }
        if input.byte()? != 0 {
            let alert = read_alert(at.unwrap_or(0), key, input)?;
            if let (Some(at), Some(marks)) = (at, &mut self.windows.marks) {
                marks.owe(at, key, alert);
            }
        }
        Ok(())
    }

    pub(crate) fn read_watermark(&mut self, input: &mut Reader<'_>) -> Result<(), Broken> {
        let watermark = &mut self.watermark;
        watermark.time = input.signed()?;
        watermark.clock = read_maybe(input)?;
        watermark.largest = read_maybe(input)?;
        watermark.sources.clear();
        for _ in 0..input.length(6)? {
            let number = input.small()?;
            let (largest, heard) = (read_maybe(input)?, read_maybe(input)?);
            let flags = input.byte()?;
            let (idle, finished) = (flags & 1 != 0, flags & 2 != 0);
            let future = input.number()?;
            let mut doubtful = Vec::new();
            for _ in 0..input.length(1)? {
                doubtful.push(input.signed()?);
            }
            if !doubtful.is_sorted() {
                return Err("times are out of order");
            }
            let source = Source { largest, doubtful, heard, idle, finished, future };
            watermark.sources.insert(number, source);
        }
        Ok(())
    }
}

impl Places<'_> {
    /// `None` if it is no hit of any rule that is there.
    fn sighting(&self, input: &mut Reader<'_>) -> Result<Option<Sighting>, Broken> {
        let position = read_position(input)?;
        let mut rules = Vec::new();
        for place in read_numbers(input)? {
            rules.extend(*self.rules.get(place as usize).ok_or("a rule is unknown")?);
        }
        rules.sort_unstable();
        let mut values: Vec<(u32, Box<str>)> = Vec::new();
        for _ in 0..input.length(2)? {
            let place = *self.fields.get(input.small()? as usize).ok_or("a field is unknown")?;
            let text = input.text()?;
            values.extend(place.map(|field| (field, text.into())));
        }
        values.sort_unstable();
        let (time, event) = (position.time, position.event());
        let (rules, values) = (rules.into_boxed_slice(), values.into_boxed_slice());
        Ok((!rules.is_empty()).then_some(Sighting { time, event, rules, values }))
    }

    fn correlation(&self, input: &mut Reader<'_>) -> Result<Option<u32>, Broken> {
        Ok(self.correlations.get(&(input.array()?, input.small()?)).copied())
    }

    /// A group of the search for early alerts, and its correlation if that is there.
    fn group(&self, input: &mut Reader<'_>) -> Result<(Option<u32>, KeptGroup), Broken> {
        let at = self.correlation(input)?;
        let rules = |at: u32| self.set.nodes[at as usize].references.len() as u32;
        let key = input.bytes()?.into();
        let hits = read_hits(at.map_or(u32::MAX, rules), input)?;
        Ok((at, KeptGroup { at: at.unwrap_or(0), key, hits }))
    }
}

/// What was told early of a group, and what is owed.
pub(crate) fn write_marks(hits: &BTreeSet<Position>, owed: Option<&Alert>, out: &mut Writer) {
    out.number(hits.len() as u64);
    hits.iter().for_each(|hit| write_position(*hit, out));
    out.0.push(u8::from(owed.is_some()));
    owed.into_iter().for_each(|alert| write_alert(alert, out));
}

/// The hits of a group that may alert early.
pub(crate) fn write_hits(hits: &[GroupHit], out: &mut Writer) {
    out.number(hits.len() as u64);
    for hit in hits {
        write_position(hit.position, out);
        out.0.push(u8::from(hit.settled));
        out.number(hit.references);
        match &hit.value {
            HitValue::None => out.0.push(0),
            HitValue::Text(text) => {
                out.0.push(1);
                out.bytes(text);
            }
            HitValue::Units(units) => {
                out.0.push(2);
                out.signed_wide(**units);
            }
        }
    }
}

/// Of a correlation with so many references.
pub(crate) fn read_hits(references: u32, input: &mut Reader<'_>) -> Result<Vec<GroupHit>, Broken> {
    let mut hits = Vec::new();
    for _ in 0..input.length(7)? {
        let position = read_position(input)?;
        let settled = input.byte()? != 0;
        let rules = input.number()?;
        if rules.checked_shr(references).unwrap_or(0) != 0 {
            return Err("a hit is of a rule that the correlation does not have");
        }
        let value = match input.byte()? {
            0 => HitValue::None,
            1 => HitValue::Text(input.bytes()?.into()),
            2 => HitValue::new(Value::Number(Fixed::of_units(input.signed_wide()?))),
            _ => return Err("a value is of an unknown kind"),
        };
        hits.push(GroupHit { position, settled, references: rules, value });
    }
    Ok(hits)
}

fn maybe(time: Option<i64>, out: &mut Writer) {
    out.0.push(u8::from(time.is_some()));
    time.into_iter().for_each(|time| out.signed(time));
}

fn read_maybe(input: &mut Reader<'_>) -> Result<Option<i64>, Broken> {
    if input.byte()? == 0 { Ok(None) } else { input.signed().map(Some) }
}

fn write_numbers(numbers: &[u32], out: &mut Writer) {
    out.number(numbers.len() as u64);
    numbers.iter().for_each(|number| out.number(u64::from(*number)));
}

fn read_numbers(input: &mut Reader<'_>) -> Result<Vec<u32>, Broken> {
    (0..input.length(1)?).map(|_| input.small()).collect()
}

fn write_position(position: Position, out: &mut Writer) {
    out.signed(position.time);
    out.number(u64::from(position.event().source));
    out.number(position.event().record);
    out.number(u64::from(position.part()));
}

fn read_position(input: &mut Reader<'_>) -> Result<Position, Broken> {
    let time = input.signed()?;
    let event = EventRef { source: input.small()?, record: input.number()? };
    Ok(Position::hit(time, event, input.small()?))
}

/// One that is owed: of a correlation that counts or sums, or has an extended condition.
fn write_alert(alert: &Alert, out: &mut Writer) {
    out.0.extend_from_slice(alert.id.bytes());
    out.signed(alert.time);
    out.number(u64::from(alert.trigger.source));
    out.number(alert.trigger.record);
    let value = alert.value.as_ref().and_then(Measure::whole);
    out.0.push(u8::from(value.is_some()));
    value.into_iter().for_each(|value| out.0.extend_from_slice(&value.to_bytes()));
    out.entries(alert.events.oldest.iter().copied());
    out.entries(alert.events.newest.iter().copied());
    out.number(alert.events.total);
    write_numbers(&alert.rules, out);
}

fn read_alert(at: u32, key: &[u8], input: &mut Reader<'_>) -> Result<Alert, Broken> {
    let id = DetectionId::from_bytes(input.array()?);
    let time = input.signed()?;
    let trigger = EventRef { source: input.small()?, record: input.number()? };
    let value = match input.byte()? {
        0 => None,
        _ => Some(Measure::mean(Wide::from_bytes(&input.array()?), 1)),
    };
    let (oldest, newest) = (input.entries()?, input.entries()?);
    let events = Contributions { oldest, newest, total: input.number()? };
    let rules = read_numbers(input)?;
    let (correlation, reason, group) = (at, Reason::Condition, key_texts(key));
    Ok(Alert { correlation, id, reason, group, value, time, trigger, events, rules })
}
