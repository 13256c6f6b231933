//! The hits of a sliding window, in order, in little memory: most groups of an attack have a single one.

use super::segments::Segments;
use super::sighting::EventRef;
use super::window::Entry;

/// An [`Entry`] without padding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Packed {
    time: i64,
    record: u64,
    source: u32,
    rules: u32,
}

impl From<Entry> for Packed {
    fn from(entry: Entry) -> Self {
        let Entry { time, event: EventRef { source, record }, rules } = entry;
        Self { time, record, source, rules }
    }
}

impl From<Packed> for Entry {
    fn from(Packed { time, record, source, rules }: Packed) -> Self {
        Self { time, event: EventRef { source, record }, rules }
    }
}

/// Hits, the oldest first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Queue(Kept);

#[derive(Clone, Debug, Default)]
enum Kept {
    #[default]
    None,
    One(Packed),
    /// Apart: it would make a single hit as large.
    Many(Box<Segments<Packed>>),
}

impl Queue {
    pub(crate) fn len(&self) -> usize {
        match &self.0 {
            Kept::None => 0,
            Kept::One(_) => 1,
            Kept::Many(all) => all.len(),
        }
    }

    pub(crate) fn push(&mut self, entry: Entry) {
        let new = Packed::from(entry);
        match &mut self.0 {
            Kept::None => self.0 = Kept::One(new),
            Kept::One(first) => {
                let mut all = Segments::with_capacity(4);
                all.push(*first);
                all.push(new);
                self.0 = Kept::Many(Box::new(all));
            }
            Kept::Many(all) => all.push(new),
        }
    }

    pub(crate) fn first(&self) -> Option<Entry> {
        match &self.0 {
            Kept::None => None,
            Kept::One(only) => Some((*only).into()),
            Kept::Many(all) => all.first().map(Entry::from),
        }
    }

    /// Takes the oldest away.
    pub(crate) fn pop(&mut self) -> Option<Entry> {
        let first = self.first()?;
        match &mut self.0 {
            Kept::Many(all) if all.len() > 1 => {
                all.pop();
            }
            _ => self.0 = Kept::None,
        }
        Some(first)
    }

    /// Keeps no room.
    pub(crate) fn shrink(&mut self) {
        if let Kept::Many(all) = &mut self.0 {
            all.shrink();
        }
    }

    /// In order.
    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = Entry> + Clone + '_ {
        (0..self.len()).map(|at| self.at(at))
    }

    /// The one behind so many others, which must be there.
    pub(crate) fn at(&self, at: usize) -> Entry {
        match &self.0 {
            Kept::Many(all) => all.at(at).into(),
            Kept::One(only) => (*only).into(),
            Kept::None => Entry::default(),
        }
    }

    /// How much memory it takes beside itself.
    pub(crate) fn bytes(&self) -> usize {
        match &self.0 {
            Kept::Many(all) => size_of::<Segments<Packed>>() + all.bytes() + 32,
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_a_queue_that_gives_memory_back() {
        let entry = |at: u64| Entry {
            time: at as i64,
            event: EventRef { source: 1, record: at },
            rules: at as u32,
        };
        let mut queue = Queue::default();
        assert_eq!((queue.pop(), queue.len(), queue.bytes()), (None, 0, 0));
        let mut gone = 0;
        for at in 0..10_000 {
            queue.push(entry(at));
            if at == 0 {
                assert_eq!((queue.bytes(), size_of::<Queue>()), (0, 32));
            }
            if at % 3 == 0 {
                assert_eq!(queue.pop(), Some(entry(gone)));
                gone += 1;
            }
            assert!(queue.iter().eq((gone..=at).map(entry)) || at > 100);
        }
        let large = queue.bytes();
        while queue.len() > 2 {
            assert_eq!(queue.pop(), Some(entry(gone)));
            gone += 1;
        }
        assert!(queue.bytes() < 4096 && large > 100_000, "{} {large}", queue.bytes());
        assert!(queue.iter().eq([entry(9998), entry(9999)]));
    }
}
