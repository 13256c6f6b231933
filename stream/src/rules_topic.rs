//! Rules in a compacted topic: the last record of each key counts, and one without a value takes the rule away.
//!
//! Keys are ids as `sigmund rules publish` writes them, or titles, as Confluent Sigma does; values are Sigma rules in YAML or JSON.

use crate::kafka::{Forsaken, Reader, TopicPartition};
use crate::words::visible;
use rdkafka::message::Message as _;
use sigmund_sigma::Source;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// More rules than this are not taken from a topic.
const MAX_RECORDS: usize = 200_000;

/// Rules of more bytes than this, all together, are not taken from a topic.
const MAX_BYTES: usize = 512 << 20;

/// What a topic of rules holds.
#[derive(Debug, Default)]
pub struct RuleRecords {
    records: BTreeMap<String, RuleRecord>,
    bytes: usize,
    /// Records that were not taken.
    left_out: usize,
}

/// The last record of a key.
#[derive(Debug)]
struct RuleRecord {
    /// `None` after a tombstone, as long as one of another partition could be older.
    text: Option<Arc<str>>,
    partition: i32,
    time: i64,
}

impl RuleRecords {
    /// Takes a record of the topic, in the order of its partition. Whether anything is other than before.
    ///
    /// If a key is in several partitions, because their number changed or producers place records in different ways, the newest by time counts.
    pub fn take(
        &mut self,
        partition: i32,
        time: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
    ) -> bool {
        let Some(key) = key.map(String::from_utf8_lossy) else {
            tracing::error!("a record of the rules topic has no key: it is not taken");
            return false;
        };
        let before = self.records.get(&*key);
        if before.is_some_and(|before| before.partition != partition && before.time > time) {
            return false;
        }
        let old = before.and_then(|before| before.text.clone());
        let size = old.as_ref().map_or(0, |old| old.len());
        let text: Option<Arc<str>> = value.map(|value| String::from_utf8_lossy(value).into());
        let after = self.bytes - size + text.as_ref().map_or(0, |text| text.len());
        if text.is_some()
            && (after > MAX_BYTES || (before.is_none() && self.records.len() >= MAX_RECORDS))
        {
            self.left_out += 1;
            tracing::error!(
                "the rules topic holds too much: rule `{}` is not taken",
                visible(&key, false)
            );
            return false;
        }
        self.bytes = after;
        let changed = old != text;
        self.records.insert(key.into_owned(), RuleRecord { text, partition, time });
        changed
    }

    /// Keys and values, by key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Arc<str>)> {
        self.records.iter().filter_map(|(key, record)| Some((&**key, record.text.as_ref()?)))
    }

    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Arc<str>> {
        self.records.get(key)?.text.as_ref()
    }

    /// As texts of rules. Their names are the topic and the key.
    #[must_use]
    pub fn texts(&self, topic: &str) -> Vec<Source> {
        let text = |(key, text): (&str, &Arc<str>)| Source {
            name: source_name(topic, key).into(),
            text: Arc::clone(text),
        };
        self.iter().map(text).collect()
    }
}

/// What diagnostics and detections call the text of a key.
#[must_use]
pub fn source_name(topic: &str, key: &str) -> String {
    format!("{topic}/{}", visible(key, false))
}

/// A compacted topic of rules, followed.
#[derive(Debug)]
pub struct RulesTopic {
    topic: String,
    reader: Reader,
    records: RuleRecords,
    /// By partition: the next offset.
    next: BTreeMap<TopicPartition, i64>,
    looked: Option<Instant>,
    /// Something is other than when that was last told.
    changed: bool,
    /// When it was last read, or the reader was renewed.
    answered: Instant,
}

/// New partitions are looked for so often.
const LOOK: Duration = Duration::from_secs(30);

impl RulesTopic {
    /// Of that name; nothing is read yet.
    #[must_use]
    pub fn new(topic: &str, reader: Reader) -> Self {
        Self {
            topic: topic.to_owned(),
            reader,
            records: RuleRecords::default(),
            next: BTreeMap::new(),
            looked: None,
            changed: false,
            answered: Instant::now(),
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.topic
    }

    /// What was read.
    #[must_use]
    pub fn records(&self) -> &RuleRecords {
        &self.records
    }

    /// Reads all that is there now and was not read. Whether anything is other than before.
    ///
    /// # Errors
    ///
    /// The brokers do not answer, or the topic is missing.
    pub fn read(&mut self) -> anyhow::Result<bool> {
        let read = self.read_on();
        if read.is_ok() {
            self.answered = Instant::now();
            return Ok(std::mem::take(&mut self.changed));
        }
        if self.answered.elapsed() >= Forsaken::AFTER {
            self.reader.renew()?;
            self.answered = Instant::now();
        }
        read.map(|()| false)
    }

    /// What was read of one partition counts even if another one cannot be read.
    fn read_on(&mut self) -> anyhow::Result<()> {
        if self.looked.is_none_or(|looked| looked.elapsed() > LOOK) {
            for partition in self.reader.partitions(&self.topic)? {
                self.next.entry(partition).or_insert(0);
            }
            self.looked = Some(Instant::now());
        }
        for (partition, next) in &mut self.next {
            let (records, changed) = (&mut self.records, &mut self.changed);
            let mut take = |message: &rdkafka::message::BorrowedMessage<'_>| {
                let time = message.timestamp().to_millis().unwrap_or(0);
                *changed |=
                    records.take(message.partition(), time, message.key(), message.payload());
                Ok(())
            };
            *next = self.reader.read_to_end(partition, Some(*next), &mut take)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(records: &RuleRecords) -> Vec<(String, String)> {
        let texts = records.texts("rules").into_iter();
        texts.map(|source| (source.name.to_string(), source.text.to_string())).collect()
    }

    #[test]
    fn the_last_record_of_a_key_counts() {
        let mut records = RuleRecords::default();
        assert!(records.take(0, 1, Some(b"b"), Some(b"1")));
        assert!(records.take(0, 2, Some(b"A title: with\nmore"), Some(b"2")));
        assert!(records.take(0, 3, Some(b"b"), Some(b"3")));
        assert!(!records.take(0, 4, Some(b"b"), Some(b"3")), "the same again is no change");
        let pair = |name: &str, text: &str| (name.to_owned(), text.to_owned());
        assert_eq!(
            texts(&records),
            [pair("rules/A title: with\\nmore", "2"), pair("rules/b", "3")]
        );
        assert_eq!(records.get("b").map(|text| &**text), Some("3"));
    }

    #[test]
    fn tombstones_take_away() {
        let mut records = RuleRecords::default();
        assert!(records.take(0, 1, Some(b"a"), Some(b"1")));
        assert!(records.take(0, 2, Some(b"a"), None));
        assert!(!records.take(0, 3, Some(b"a"), None));
        assert!(!records.take(0, 3, Some(b"never there"), None));
        assert!(!records.take(0, 4, None, Some(b"no key")));
        assert_eq!(texts(&records), []);
        assert_eq!(records.bytes, 0);
        assert!(records.take(0, 5, Some(b"a"), Some(b"again")));
        assert_eq!(records.get("a").map(|text| &**text), Some("again"));
    }

    #[test]
    fn of_several_partitions_the_newest_counts() {
        let mut records = RuleRecords::default();
        assert!(records.take(1, 20, Some(b"a"), Some(b"new")));
        assert!(!records.take(0, 10, Some(b"a"), Some(b"old")));
        assert!(records.take(0, 30, Some(b"a"), None));
        assert!(!records.take(1, 25, Some(b"a"), Some(b"older than its end")));
        assert_eq!(texts(&records), []);
    }

    #[test]
    fn bytes_that_are_no_text_are_taken_as_what_they_may_be() {
        let mut records = RuleRecords::default();
        assert!(records.take(0, 1, Some(b"\xff"), Some(b"title: \xff")));
        assert_eq!(records.texts("t")[0].text.as_ref(), "title: \u{fffd}");
    }
}
