//! The events behind hits, for alerts: the newest are kept, older ones are read again from the topic of hits.

use super::record::{Body, Crossing, Origin};
use crate::kafka::{Reader, TopicPartition};
use rdkafka::message::Message as _;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// An event behind a hit.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// The raw partition.
    pub origin: Origin,
    /// The offset there.
    pub offset: u64,
    /// The event.
    pub body: Body,
}

impl Seen {
    fn size(&self) -> usize {
        let fields = self.body.fields.as_ref().map_or(0, Vec::len);
        size_of::<Self>() + self.body.raw.len() + fields + 100
    }
}

/// The newest events of a partition.
#[derive(Debug, Default)]
pub(super) struct Bodies {
    /// By the offset of the hit, ascending.
    kept: VecDeque<(u64, Arc<Seen>)>,
    size: usize,
    /// Older ones that were fetched for the alerts that are being written.
    fetched: BTreeMap<u64, Arc<Seen>>,
}

/// Between events that are fetched together there are at most so many others: passing them by is faster than to begin anew.
const GAP: u64 = 500;

/// So much is kept for a partition.
const LIMIT: usize = 4 << 20;

impl Bodies {
    /// Keeps an event.
    pub(super) fn keep(&mut self, offset: u64, seen: Seen) {
        self.size += seen.size();
        self.kept.push_back((offset, Arc::new(seen)));
        while self.size > LIMIT
            && let Some((_, gone)) = self.kept.pop_front()
        {
            self.size -= gone.size();
        }
    }

    /// The event of the hit at an offset. `None` if its topic does not have it any more.
    ///
    /// # Errors
    ///
    /// The brokers do not answer.
    pub(super) fn get(
        &self,
        offset: u64,
        reader: &Reader,
        partition: &TopicPartition,
    ) -> anyhow::Result<Option<Arc<Seen>>> {
        if let Ok(at) = self.kept.binary_search_by_key(&offset, |(have, _)| *have) {
            return Ok(Some(Arc::clone(&self.kept[at].1)));
        }
        if let Some(seen) = self.fetched.get(&offset) {
            return Ok(Some(Arc::clone(seen)));
        }
        let mut found = None;
        read(offset, offset, reader, partition, &mut |_, seen| found = Some(Arc::new(seen)))?;
        Ok(found)
    }

    /// Fetches events that will be asked for, and forgets those that were fetched before. One by one they would take thousands of times as long.
    ///
    /// # Errors
    ///
    /// The brokers do not answer.
    pub(super) fn fetch(
        &mut self,
        mut offsets: BTreeSet<u64>,
        reader: &Reader,
        partition: &TopicPartition,
    ) -> anyhow::Result<()> {
        self.fetched.retain(|offset, _| offsets.contains(offset));
        offsets.retain(|offset| {
            !self.fetched.contains_key(offset)
                && self.kept.binary_search_by_key(offset, |(have, _)| *have).is_err()
        });
        for (first, last) in stretches(&offsets) {
            read(first, last, reader, partition, &mut |offset, seen| {
                if offsets.contains(&offset) {
                    self.fetched.insert(offset, Arc::new(seen));
                }
            })?;
        }
        Ok(())
    }
}

/// The first and the last of offsets that lie near each other.
fn stretches(offsets: &BTreeSet<u64>) -> Vec<(u64, u64)> {
    let mut stretches: Vec<(u64, u64)> = Vec::new();
    for &offset in offsets {
        match stretches.last_mut() {
            Some((_, last)) if offset - *last <= GAP => *last = offset,
            _ => stretches.push((offset, offset)),
        }
    }
    stretches
}

/// Reads the events of the hits from one offset to another.
fn read(
    first: u64,
    last: u64,
    reader: &Reader,
    partition: &TopicPartition,
    each: &mut dyn FnMut(u64, Seen),
) -> anyhow::Result<()> {
    let (Ok(first), Ok(last)) = (i64::try_from(first), i64::try_from(last)) else { return Ok(()) };
    reader.read(partition, first, last + 1, &mut |message| {
        // Where the first is not kept any more, reading begins with what is there.
        if let Ok(at) = u64::try_from(message.offset())
            && message.offset() >= first
            && let Some(value) = message.payload()
            && let Ok(Crossing::Sighting(record)) = Crossing::read(value)
        {
            let (origin, offset, body) = (record.origin, record.offset, record.body);
            each(at, Seen { origin, offset, body });
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_near_is_fetched_together() {
        let offsets = [1, 2, 400, 900, 1_401, 9_000].into();
        assert_eq!(stretches(&offsets), [(1, 900), (1_401, 1_401), (9_000, 9_000)]);
        assert_eq!(stretches(&BTreeSet::new()), []);
    }

    #[test]
    fn the_oldest_are_let_go() {
        let mut bodies = Bodies::default();
        let seen = |length: usize| Seen {
            origin: Origin { topic: "raw".to_owned(), partition: 0 },
            offset: 1,
            body: Body { raw: vec![b'x'; length], ..Body::default() },
        };
        for offset in 0..100 {
            bodies.keep(offset * 3, seen(100_000));
        }
        assert!(bodies.size <= LIMIT && bodies.kept.len() > 30);
        assert_eq!(bodies.kept.back().map(|(offset, _)| *offset), Some(297));
        bodies.keep(1000, seen(LIMIT + 1));
        assert!(bodies.kept.is_empty() && bodies.size == 0);
    }
}
