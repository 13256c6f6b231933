//! A sighting: an event that rules of correlations matched, reduced to what the correlations read of it.

use crate::oracle::Lookup;
use std::cmp::Ordering;

/// Which event it was. Events with the same time are in the order of these.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventRef {
    /// A log, a partition: numbered by the caller.
    pub source: u32,
    /// Its place in there: the number of the record, an offset.
    pub record: u64,
}

/// An event that rules matched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// When it happened, in nanoseconds since 1970.
    pub time: i64,
    /// Which event it was.
    pub event: EventRef,
    /// The rules that matched it and that correlations use, by their index in the rule set, ascending.
    pub rules: Box<[u32]>,
    /// The values of the fields that those correlations read, by the index of the field, ascending. Missing fields, null and
    /// empty lists are left out; of a list the first element counts.
    pub values: Box<[(u32, Box<str>)]>,
}

impl Sighting {
    /// The value of a field.
    #[must_use]
    pub fn value(&self, field: u32) -> Option<&str> {
        let at = self.values.binary_search_by_key(&field, |(have, _)| *have).ok()?;
        Some(&self.values[at].1)
    }

    /// What decides the order of processing.
    #[must_use]
    pub fn order(&self) -> (i64, EventRef) {
        (self.time, self.event)
    }

    /// About how much memory it takes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let values: usize = self.values.iter().map(|(_, text)| text.len() + 40).sum();
        size_of::<Self>() + self.rules.len() * 4 + values
    }

    /// Appends it in a form that [`Sighting::read`] understands, for the life of one rule set.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.time.to_le_bytes());
        out.extend_from_slice(&self.event.source.to_le_bytes());
        out.extend_from_slice(&self.event.record.to_le_bytes());
        out.extend_from_slice(&(self.rules.len() as u32).to_le_bytes());
        self.rules.iter().for_each(|rule| out.extend_from_slice(&rule.to_le_bytes()));
        out.extend_from_slice(&(self.values.len() as u32).to_le_bytes());
        for (field, value) in &self.values {
            out.extend_from_slice(&field.to_le_bytes());
            out.extend_from_slice(&(value.len() as u32).to_le_bytes());
            out.extend_from_slice(value.as_bytes());
        }
    }

    /// Reads one from the beginning of `bytes`, which is then cut off. `None` if there is none.
    #[must_use]
    pub fn read(bytes: &mut &[u8]) -> Option<Self> {
        let time = i64::from_le_bytes(array(bytes)?);
        let source = u32::from_le_bytes(array(bytes)?);
        let record = u64::from_le_bytes(array(bytes)?);
        let rules = (0..u32::from_le_bytes(array(bytes)?))
            .map(|_| Some(u32::from_le_bytes(array(bytes)?)))
            .collect::<Option<_>>()?;
        let values = (0..u32::from_le_bytes(array(bytes)?))
            .map(|_| {
                let field = u32::from_le_bytes(array(bytes)?);
                let length = u32::from_le_bytes(array(bytes)?) as usize;
                let (text, rest) = bytes.split_at_checked(length)?;
                *bytes = rest;
                Some((field, std::str::from_utf8(text).ok()?.into()))
            })
            .collect::<Option<_>>()?;
        Some(Self { time, event: EventRef { source, record }, rules, values })
    }
}

/// The next bytes.
pub(crate) fn array<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (first, rest) = bytes.split_first_chunk::<N>()?;
    *bytes = rest;
    Some(*first)
}

impl PartialOrd for Sighting {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Sighting {
    /// By time, then by event.
    fn cmp(&self, other: &Self) -> Ordering {
        self.order()
            .cmp(&other.order())
            .then_with(|| (&self.rules, &self.values).cmp(&(&other.rules, &other.values)))
    }
}

/// The value of a field as groups and counts see it: its first text.
pub(crate) fn first_text(lookup: &Lookup<'_>, name: &str) -> Option<Box<str>> {
    let found = lookup.field(name);
    found.candidates().find_map(|(_, value)| value.text().map(Box::from))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_read_as_written() {
        let sighting = Sighting {
            time: -5,
            event: EventRef { source: 3, record: 9 },
            rules: [1, 7].into(),
            values: [(0, "a".into()), (4, "ü".into())].into(),
        };
        let mut bytes = Vec::new();
        sighting.write(&mut bytes);
        sighting.write(&mut bytes);
        let mut rest = &bytes[..];
        assert_eq!(Sighting::read(&mut rest).as_ref(), Some(&sighting));
        assert_eq!(Sighting::read(&mut &rest[..rest.len() - 1]), None);
        assert_eq!(Sighting::read(&mut rest), Some(sighting));
        assert!(rest.is_empty());
    }
}
