//! Ids of detections: the same detection has the same id in every run, so that replays and retries can be told from news.
//!
//! An id is made of the rule's id and the event's bytes alone. Where the event lay (path, record, Kafka partition
//! and offset) is left out on purpose: the same log in another folder, in other pieces or through Kafka gives the same ids. So records that are
//! equal byte for byte have one id too; logs of value write a time or a number into each record.
//!
//! The hash is cryptographic: whoever writes log lines must not be able to make one that looks like an earlier detection
//! to those who drop what they have seen.

use sha2::{Digest as _, Sha256};
use sigmund_sigma::Rule;
use std::fmt;

/// The hash of an event's bytes, shared by all detections in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EventDigest([u8; 32]);

impl EventDigest {
    /// Of an event as it came ([`Event::raw`](crate::Event::raw)).
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }
}

/// What tells a detection from all others; 32 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DetectionId([u8; 16]);

impl DetectionId {
    /// The id of a rule's detection in an event. A rule without an id is known by its name, or else by its title.
    #[must_use]
    pub fn new(rule: &Rule, event: &EventDigest) -> Self {
        let metadata = &rule.metadata;
        let rule = metadata.id.as_deref().or(metadata.name.as_deref()).unwrap_or(&metadata.title);
        Self::of("event", &[rule.as_bytes(), &event.0])
    }

    /// The id of anything that is given by a kind and parts: parts are told apart by their lengths.
    #[must_use]
    pub fn of(kind: &str, parts: &[&[u8]]) -> Self {
        let mut hash = Sha256::new();
        for part in std::iter::once(&kind.as_bytes()).chain(parts) {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        let mut id = [0; 16];
        id.copy_from_slice(&hash.finalize()[..16]);
        Self(id)
    }

    /// An id that was kept.
    pub(crate) fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// As it is written: 32 hexadecimal digits.
    #[must_use]
    pub fn digits(&self) -> [u8; 32] {
        let mut digits = [0; 32];
        let (pairs, _) = digits.as_chunks_mut::<2>();
        for (pair, byte) in pairs.iter_mut().zip(self.0) {
            let digit = |half: u8| half + if half < 10 { b'0' } else { b'a' - 10 };
            *pair = [digit(byte >> 4), digit(byte & 15)];
        }
        digits
    }

    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for DetectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Digits are ASCII.
        f.write_str(std::str::from_utf8(&self.digits()).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sigmund_sigma::{Loader, Source};

    fn id(head: &str, event: &str) -> String {
        let rule =
            "logsource:\n    category: c\ndetection:\n    s:\n        f: v\n    condition: s\n";
        let text = format!("{head}\n{rule}");
        let source = Source { name: "r.yml".into(), text: text.into() };
        let rules = Loader::default().load(&[source]).rules;
        DetectionId::new(&rules[0], &EventDigest::of(event.as_bytes())).to_string()
    }

    #[test]
    fn rule_and_event_make_the_id_and_nothing_else() {
        let first = id("title: T\nid: 7c3a2f54-0000-4000-8000-000000000001", "{}");
        // Written down: an id must never change between versions.
        assert_eq!(first, "2a4fb7a2bbd14008aa3f556ace27129f");
        assert_eq!(first, id("title: Other\nid: 7c3a2f54-0000-4000-8000-000000000001", "{}"));
        assert_ne!(first, id("title: T\nid: 7c3a2f54-0000-4000-8000-000000000002", "{}"));
        assert_ne!(first, id("title: T\nid: 7c3a2f54-0000-4000-8000-000000000001", "{ }"));
        assert_ne!(id("title: T", "{}"), id("title: U", "{}"));
    }

    #[test]
    fn parts_do_not_run_together() {
        assert_ne!(DetectionId::of("k", &[b"ab", b"c"]), DetectionId::of("k", &[b"a", b"bc"]));
        assert_ne!(DetectionId::of("k", &[b"a"]), DetectionId::of("ka", &[]));
    }
}
