//! The state of one partition in its changelog: a compacted topic with the same number of partitions as that of the hits.
//!
//! There are five kinds of keys: one for how far the partition was read, one for the raw partitions that its numbers of sources mean, one for those of a replay
//! that have ended, one for the last hit of each, without transactions, and one for each entry of the engine's state. All of a transaction are written together with the offsets of the hits, so a reader of committed records sees
//! the state between two transactions.
//!
//! Without transactions a process may die when some of them are written. How far it was read comes last, so what follows the last such record
//! does not count: the hits behind it come again. Who goes on writes it as it was before.

use super::record::{Origin, number, read_number};
use sigmund_engine::correlation::StateKey;
use std::collections::{BTreeMap, BTreeSet};

const VERSION: u8 = 1;
const HEAD: &[u8] = b"h";
const SOURCES: &[u8] = b"s";
const ENDED: &[u8] = b"x";
const MARKS: &[u8] = b"m";
const ENTRY: u8 = b'e';

/// How far a partition was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// Partitions of the topic when this was written: with another number groups are elsewhere.
    pub(super) partitions: u32,
    /// The next hit to be read.
    pub(super) next: u64,
    /// The oldest hit that waits for the watermark, if one does: from there hits are read again.
    pub(super) oldest: Option<u64>,
}

/// What a changelog says.
#[derive(Debug, Default)]
pub(super) struct Kept {
    /// By key, without what was deleted.
    values: BTreeMap<Vec<u8>, Vec<u8>>,
    /// What came since it was last said how far the partition was read.
    open: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

/// Why a changelog cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct Broken(&'static str);

impl Kept {
    /// Takes a record, in the order of the log.
    pub(super) fn take(&mut self, key: &[u8], value: Option<&[u8]>) {
        self.open.push((key.to_vec(), value.map(<[u8]>::to_vec)));
        if key == HEAD {
            for (key, value) in self.open.drain(..) {
                match value {
                    Some(value) => self.values.insert(key, value),
                    None => self.values.remove(&key),
                };
            }
        }
    }

    /// What does not count because its writer died, as it is to be: keys with their values before.
    pub(super) fn unfinished(&self) -> BTreeMap<Vec<u8>, Option<Vec<u8>>> {
        self.open.iter().map(|(key, _)| (key.clone(), self.values.get(key).cloned())).collect()
    }

    /// How far the partition was read. `None` if nothing was ever written.
    ///
    /// # Errors
    ///
    /// It is not what was written.
    pub(super) fn head(&self) -> Result<Option<Head>, Broken> {
        let Some(value) = self.values.get(HEAD) else { return Ok(None) };
        let read = |mut input: &[u8]| {
            let input = &mut input;
            if read_number(input)? != u64::from(VERSION) {
                return None;
            }
            let partitions = u32::try_from(read_number(input)?).ok()?;
            let (next, oldest) = (read_number(input)?, read_number(input)?);
            let oldest = oldest.checked_sub(1);
            input.is_empty().then_some(Head { partitions, next, oldest })
        };
        read(value).map(Some).ok_or(Broken("how far it was read is unreadable"))
    }

    /// The raw partitions by their numbers.
    ///
    /// # Errors
    ///
    /// They are not what was written.
    pub(super) fn sources(&self) -> Result<Vec<Origin>, Broken> {
        let Some(value) = self.values.get(SOURCES) else { return Ok(Vec::new()) };
        let read = |mut input: &[u8]| {
            let input = &mut input;
            let count = read_number(input)?;
            let mut all = Vec::new();
            for _ in 0..count {
                let length = usize::try_from(read_number(input)?).ok()?;
                let (topic, rest) = input.split_at_checked(length)?;
                *input = rest;
                let topic = std::str::from_utf8(topic).ok()?.to_owned();
                all.push(Origin { topic, partition: u32::try_from(read_number(input)?).ok()? });
            }
            input.is_empty().then_some(all)
        };
        read(value).ok_or(Broken("the numbers of raw partitions are unreadable"))
    }

    /// What of a replay has ended.
    ///
    /// # Errors
    ///
    /// It is not what was written.
    pub(super) fn ended(&self) -> Result<Ended, Broken> {
        let Some(value) = self.values.get(ENDED) else { return Ok(Ended::default()) };
        let read = |mut input: &[u8]| {
            let input = &mut input;
            let closed = read_number(input)? != 0;
            let count = read_number(input)?;
            let mut ended = Ended { closed, ..Ended::default() };
            for _ in 0..count {
                ended.sources.insert(u32::try_from(read_number(input)?).ok()?);
            }
            input.is_empty().then_some(ended)
        };
        read(value).ok_or(Broken("the ended partitions are unreadable"))
    }

    /// The last hits of raw partitions.
    ///
    /// # Errors
    ///
    /// They are not what was written.
    pub(super) fn marks(&self) -> Result<Marks, Broken> {
        let Some(value) = self.values.get(MARKS) else { return Ok(Marks::default()) };
        let read = |mut input: &[u8]| {
            let input = &mut input;
            let mut marks = Marks::default();
            for _ in 0..read_number(input)? {
                let source = u32::try_from(read_number(input)?).ok()?;
                let offset = read_number(input)?;
                marks.0.insert(source, (offset, u32::try_from(read_number(input)?).ok()?));
            }
            input.is_empty().then_some(marks)
        };
        read(value).ok_or(Broken("the last hits of raw partitions are unreadable"))
    }

    /// The entries of the engine.
    pub(super) fn entries(&self) -> impl Iterator<Item = (StateKey, Vec<u8>)> + '_ {
        let entries = self.values.iter().filter(|(key, _)| key.first() == Some(&ENTRY));
        entries.map(|(key, value)| (StateKey::from_bytes(&key[1..]), value.clone()))
    }

    /// All keys, so that they can be deleted.
    pub(super) fn keys(&self) -> impl Iterator<Item = &[u8]> {
        let open = self.open.iter().map(|(key, _)| key);
        self.values.keys().chain(open).map(Vec::as_slice)
    }
}

/// Of raw partitions, by their numbers, offset and event of the last hit. Without transactions hits come again when a process died between
/// sending them and committing offsets. A lane sends the hits of a raw partition in their order and without gaps, and begins where
/// offsets were committed: whatever several lanes have sent, all hits up to the last one are there, and what is not behind it comes again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Marks(BTreeMap<u32, (u64, u32)>);

impl Marks {
    /// Whether a hit is the first of its kind.
    pub(super) fn pass(&mut self, source: u32, hit: (u64, u32)) -> bool {
        match self.0.get_mut(&source) {
            Some(last) if hit <= *last => false,
            Some(last) => {
                *last = hit;
                true
            }
            None => {
                self.0.insert(source, hit);
                true
            }
        }
    }

    /// The offsets of a raw partition begin anew.
    pub(super) fn forget(&mut self, source: u32) -> bool {
        self.0.remove(&source).is_some()
    }

    /// Key and value.
    #[must_use]
    pub(super) fn write(&self) -> (Vec<u8>, Vec<u8>) {
        let mut value = Vec::new();
        number(self.0.len() as u64, &mut value);
        for (source, (offset, event)) in &self.0 {
            number(u64::from(*source), &mut value);
            number(*offset, &mut value);
            number(u64::from(*event), &mut value);
        }
        (MARKS.to_vec(), value)
    }
}

/// What of a replay has ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Ended {
    /// The numbers of raw partitions that were read to their ends.
    pub(super) sources: BTreeSet<u32>,
    /// All windows were decided.
    pub(super) closed: bool,
}

impl Ended {
    /// Key and value.
    #[must_use]
    pub(super) fn write(&self) -> (Vec<u8>, Vec<u8>) {
        let mut value = vec![u8::from(self.closed)];
        number(self.sources.len() as u64, &mut value);
        self.sources.iter().for_each(|source| number(u64::from(*source), &mut value));
        (ENDED.to_vec(), value)
    }
}

impl Head {
    /// Key and value.
    #[must_use]
    pub(super) fn write(&self) -> (Vec<u8>, Vec<u8>) {
        let mut value = Vec::new();
        number(u64::from(VERSION), &mut value);
        number(u64::from(self.partitions), &mut value);
        number(self.next, &mut value);
        number(self.oldest.map_or(0, |oldest| oldest + 1), &mut value);
        (HEAD.to_vec(), value)
    }
}

/// Key and value of the raw partitions.
#[must_use]
pub(super) fn write_sources(sources: &[Origin]) -> (Vec<u8>, Vec<u8>) {
    let mut value = Vec::new();
    number(sources.len() as u64, &mut value);
    for source in sources {
        number(source.topic.len() as u64, &mut value);
        value.extend_from_slice(source.topic.as_bytes());
        number(u64::from(source.partition), &mut value);
    }
    (SOURCES.to_vec(), value)
}

/// The key of an entry of the engine.
#[must_use]
pub(super) fn entry_key(key: &StateKey) -> Vec<u8> {
    [&[ENTRY], key.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_read_as_written() {
        let mut kept = Kept::default();
        assert_eq!((kept.head(), kept.sources()), (Ok(None), Ok(Vec::new())));
        for oldest in [None, Some(0), Some(7)] {
            let head = Head { partitions: 16, next: 300, oldest };
            let (key, value) = head.write();
            kept.take(&key, Some(&value));
            assert_eq!(kept.head(), Ok(Some(head)));
        }
        let sources = vec![
            Origin { topic: "raw".to_owned(), partition: 7 },
            Origin { topic: "b".to_owned(), partition: 300 },
        ];
        let (head, at) = Head { partitions: 16, next: 301, oldest: None }.write();
        let (key, value) = write_sources(&sources);
        kept.take(&key, Some(&value));
        let entry = StateKey::from_bytes(b"\x00");
        kept.take(&entry_key(&entry), Some(b"v"));
        let ended = Ended { sources: [0, 300].into(), closed: true };
        let (key, value) = ended.write();
        assert_eq!(kept.ended(), Ok(Ended::default()));
        kept.take(&key, Some(&value));
        kept.take(&head, Some(&at));
        assert_eq!((kept.sources(), kept.ended()), (Ok(sources), Ok(ended)));
        assert_eq!(kept.entries().collect::<Vec<_>>(), [(entry.clone(), b"v".to_vec())]);
        kept.take(&entry_key(&entry), None);
        kept.take(&head, Some(&at));
        assert_eq!((kept.entries().count(), kept.keys().count()), (0, 3));
    }

    #[test]
    fn hits_that_come_again_are_behind_the_mark() {
        let mut marks = Marks::default();
        let mut pass = |hits: &[(u64, u32)]| {
            hits.iter().filter(|hit| marks.pass(3, **hit)).copied().collect::<Vec<_>>()
        };
        // A lane dies, another one sends its hits again and more, and the last of the first one come late.
        assert_eq!(pass(&[(5, 1), (5, 2), (9, 1)]), [(5, 1), (5, 2), (9, 1)]);
        assert_eq!(pass(&[(5, 1), (5, 2), (9, 1), (9, 2), (12, 1)]), [(9, 2), (12, 1)]);
        assert_eq!(pass(&[(9, 2), (12, 1), (13, 1)]), [(13, 1)]);
        assert!(marks.pass(4, (0, 1)));
        let mut kept = Kept::default();
        let (key, value) = marks.write();
        kept.take(&key, Some(&value));
        let (key, value) = Head { partitions: 1, next: 1, oldest: None }.write();
        kept.take(&key, Some(&value));
        assert_eq!(kept.marks(), Ok(marks.clone()));
        assert!(marks.forget(3) && !marks.forget(3));
        assert!(marks.pass(3, (0, 1)) && !marks.pass(4, (0, 1)));
    }

    #[test]
    fn what_a_writer_did_not_finish_does_not_count() {
        let mut kept = Kept::default();
        let entry = |name: &[u8]| entry_key(&StateKey::from_bytes(name));
        let (head, at) = Head { partitions: 16, next: 1, oldest: None }.write();
        kept.take(&entry(b"a"), Some(b"1"));
        kept.take(&entry(b"b"), Some(b"1"));
        kept.take(&head, Some(&at));
        assert!(kept.unfinished().is_empty());
        kept.take(&entry(b"a"), Some(b"2"));
        kept.take(&entry(b"b"), None);
        kept.take(&entry(b"c"), Some(b"2"));
        let values: Vec<Vec<u8>> = kept.entries().map(|(_, value)| value).collect();
        assert_eq!(values, [b"1", b"1"]);
        let before = [(b"a", Some(b"1".to_vec())), (b"b", Some(b"1".to_vec())), (b"c", None)];
        let before: BTreeMap<_, _> =
            before.into_iter().map(|(name, value)| (entry(name), value)).collect();
        assert_eq!(kept.unfinished(), before);
        // Who went on wrote it so, and more.
        before.iter().for_each(|(key, value)| kept.take(key, value.as_deref()));
        kept.take(&entry(b"a"), Some(b"3"));
        kept.take(&head, Some(&at));
        let values: Vec<Vec<u8>> = kept.entries().map(|(_, value)| value).collect();
        assert_eq!(values, [b"3", b"1"]);
        assert!(kept.unfinished().is_empty());
    }

    #[test]
    fn what_is_damaged_is_said() {
        let mut kept = Kept::default();
        kept.take(SOURCES, Some(b"\x05a"));
        kept.take(HEAD, Some(b"\x01\x10"));
        assert!(kept.head().is_err() && kept.sources().is_err());
    }
}
