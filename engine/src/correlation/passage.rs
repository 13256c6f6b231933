//! Sightings on their way to another process, whose rules may be others: bytes that do not depend on how a set numbers rules and fields.
//!
//! A rule is what it means, the whole [`SemanticHash`]: half of it would do against chance, but whoever writes rules could find two that
//! have the same half, and hits of one would be counted for the other. Those of a set that mean the same are told apart by their order.
//! Fields have their names. Whoever reads one takes the rules that it has too, and of the values those that it wants for them.

use super::encoding::{Broken, Reader, Writer};
use super::rule::Correlations;
use super::semantic::SemanticHash;
use super::sighting::{EventRef, Sighting};
use ahash::AHashMap;
use std::fmt;

/// The first byte.
const VERSION: u8 = 1;

/// What rules and fields are called where sets differ.
#[derive(Debug, Default)]
pub(crate) struct Names {
    /// By rule; those that no correlation uses have none.
    of_rules: Vec<(SemanticHash, u32)>,
    pub(crate) rules: AHashMap<(SemanticHash, u32), u32>,
    fields: AHashMap<Box<str>, u32>,
}

impl Names {
    pub(crate) fn new(set: &Correlations) -> Self {
        let mut seen: AHashMap<SemanticHash, u32> = AHashMap::new();
        let mut names = Self::default();
        for (hash, at) in set.rule_hashes().iter().zip(0u32..) {
            if !set.uses(at) {
                names.of_rules.push((*hash, 0));
                continue;
            }
            let number = seen.entry(*hash).or_default();
            names.of_rules.push((*hash, *number));
            names.rules.insert((*hash, *number), at);
            *number += 1;
        }
        names.fields = set.fields().iter().cloned().zip(0..).collect();
        names
    }
}

/// Why bytes are no sighting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SightingError {
    /// It was written by a version that knows more.
    Version(u8),
    /// They are something else, or damaged.
    Broken(&'static str),
}

impl fmt::Display for SightingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version(version) => write!(
                f,
                "a sighting has version {version}, and only version {VERSION} is understood; update the program that reads it first"
            ),
            Self::Broken(why) => write!(
                f,
                "these bytes are no sighting: {why}; see that nothing else writes to the topic of sightings"
            ),
        }
    }
}

impl std::error::Error for SightingError {}

impl From<Broken> for SightingError {
    fn from(why: Broken) -> Self {
        Self::Broken(why)
    }
}

impl Correlations {
    /// Appends a sighting of this set in a form that [`Correlations::read_sighting`] of any set understands.
    pub fn write_sighting(&self, sighting: &Sighting, out: &mut Vec<u8>) {
        let mut writer = Writer(std::mem::take(out));
        writer.0.push(VERSION);
        writer.signed(sighting.time);
        writer.number(u64::from(sighting.event.source));
        writer.number(sighting.event.record);
        let names = || sighting.rules.iter().filter_map(|at| self.names.of_rules.get(*at as usize));
        writer.number(names().count() as u64);
        for (hash, number) in names() {
            writer.0.extend_from_slice(hash);
            writer.number(u64::from(*number));
        }
        writer.number(sighting.values.len() as u64);
        for (field, text) in &sighting.values {
            let name = self.fields().get(*field as usize).map_or("", |name| name);
            writer.bytes(name.as_bytes());
            writer.bytes(text.as_bytes());
        }
        *out = writer.0;
    }

    /// Reads a sighting from the beginning of `bytes`, which is then cut off. `None` if it is a hit of no rule that correlations of
    /// this set use.
    ///
    /// # Errors
    ///
    /// The bytes are not what [`Correlations::write_sighting`] wrote, or were written by a newer version.
    pub fn read_sighting(&self, bytes: &mut &[u8]) -> Result<Option<Sighting>, SightingError> {
        let mut input = Reader(bytes);
        match input.byte()? {
            VERSION => {}
            version => return Err(SightingError::Version(version)),
        }
        let time = input.signed()?;
        let event = EventRef { source: input.small()?, record: input.number()? };
        let mut rules = Vec::new();
        for _ in 0..input.length(17)? {
            rules.extend(self.names.rules.get(&(input.array()?, input.small()?)));
        }
        rules.sort_unstable();
        rules.dedup();
        let wanted =
            |field: u32| rules.iter().any(|rule| self.wanted(*rule).binary_search(&field).is_ok());
        let mut values: Vec<(u32, Box<str>)> = Vec::new();
        for _ in 0..input.length(2)? {
            let (name, text) = (input.text()?, input.text()?);
            let field = self.names.fields.get(name).copied().filter(|field| wanted(*field));
            values.extend(field.map(|field| (field, text.into())));
        }
        values.sort_by_key(|(field, _)| *field);
        values.dedup_by_key(|(field, _)| *field);
        *bytes = input.0;
        let (rules, values) = (rules.into_boxed_slice(), values.into_boxed_slice());
        Ok((!rules.is_empty()).then_some(Sighting { time, event, rules, values }))
    }
}
