//! The events behind hits, for alerts: the newest are kept, older ones are read again from the topic of hits.

use super::record::{Body, Crossing, Origin};
use crate::kafka::{Reader, TopicPartition};
use rdkafka::message::Message as _;
use std::collections::VecDeque;
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
}

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
        let Ok(place) = i64::try_from(offset) else { return Ok(None) };
        let mut found = None;
        reader.read(partition, place, place + 1, &mut |message| {
            if message.offset() == place
                && let Some(value) = message.payload()
                && let Ok(Crossing::Sighting(record)) = Crossing::read(value)
            {
                let (origin, offset, body) = (record.origin, record.offset, record.body);
                found = Some(Arc::new(Seen { origin, offset, body }));
            }
            Ok(())
        })?;
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
