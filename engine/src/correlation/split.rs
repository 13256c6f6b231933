//! Values that are too large for one message of a log: in parts, each with a key of its own.
//!
//! The parts of a value have a length that does not depend on it. Of those that were written, only what changed is written again.

use super::encoding::Broken;
use super::state::{CHECK, StateEntry, StateError, StateKey, checksum, damaged, opened, sealed};
use std::collections::BTreeMap;

/// What is to be written: new values, and `None` for what is gone.
pub(crate) type Changed = BTreeMap<StateKey, Option<Vec<u8>>>;

/// Bytes of a part; longer values have several.
pub(crate) const PART_BYTES: usize = 64 << 10;

/// The large values that were written.
#[derive(Debug)]
pub(crate) struct Split {
    /// Bytes of a part.
    pub(crate) length: usize,
    /// The checksums of their parts.
    written: BTreeMap<StateKey, Vec<[u8; CHECK]>>,
}

impl Default for Split {
    fn default() -> Self {
        Self { length: PART_BYTES, written: BTreeMap::new() }
    }
}

impl Split {
    /// Puts parts in the place of large values.
    pub(crate) fn split(&mut self, changed: Changed) -> Changed {
        let mut out = Changed::new();
        for (key, value) in changed {
            let before = self.written.remove(&key).unwrap_or_default();
            let mut checks = Vec::new();
            match value {
                Some(value) if value.len() > self.length => {
                    let count = value.len().div_ceil(self.length) as u64;
                    for (number, bytes) in (0u32..).zip(value.chunks(self.length)) {
                        let part = key.part(number);
                        let sealed = sealed(&part, |out| {
                            if number == 0 {
                                out.number(count);
                            }
                            out.0.extend_from_slice(bytes);
                        });
                        let check = checksum(&part, &sealed);
                        if before.get(checks.len()) != Some(&check) {
                            out.insert(part, Some(sealed));
                        }
                        checks.push(check);
                    }
                    if before.is_empty() {
                        out.insert(key.clone(), None);
                    }
                }
                value => {
                    out.insert(key.clone(), value);
                }
            }
            for number in checks.len()..before.len() {
                out.insert(key.part(number as u32), None);
            }
            if !checks.is_empty() {
                self.written.insert(key, checks);
            }
        }
        out
    }
}

/// Parts that are read, in any order.
#[derive(Debug, Default)]
pub(crate) struct Joining(BTreeMap<StateKey, BTreeMap<u32, Vec<u8>>>);

impl Joining {
    /// Takes an entry if it is a part; gives back the others.
    pub(crate) fn take(&mut self, key: StateKey, value: Vec<u8>) -> Option<StateEntry> {
        match key.whole() {
            Some((whole, number)) => {
                self.0.entry(whole).or_default().insert(number, value);
                None
            }
            None => Some((key, value)),
        }
    }

    /// The values that the parts make, and how they were split.
    pub(crate) fn finish(self) -> Result<(Vec<StateEntry>, Split), StateError> {
        let mut split = Split::default();
        let mut entries = Vec::new();
        for (key, parts) in self.0 {
            let found = parts.len() as u64;
            let mut checks = Vec::new();
            let mut whole = Vec::new();
            let missing: Broken = "a part of it is not there";
            for (expected, (number, value)) in (0u32..).zip(parts) {
                let part = key.part(number);
                let mut input = opened(&part, &value)?;
                if number != expected {
                    return Err(damaged(&key)(missing));
                }
                if number == 0 {
                    let count = input.number().map_err(damaged(&part))?;
                    match count {
                        count if count > found => return Err(damaged(&key)(missing)),
                        count if count < found => {
                            return Err(damaged(&key)("it has parts of another value"));
                        }
                        _ => {}
                    }
                }
                whole.extend_from_slice(input.0);
                checks.push(checksum(&part, &value));
            }
            split.written.insert(key.clone(), checks);
            entries.push((key, whole));
        }
        Ok((entries, split))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apply(log: &mut BTreeMap<StateKey, Vec<u8>>, changed: Changed) -> usize {
        let count = changed.len();
        for (key, value) in changed {
            match value {
                Some(value) => log.insert(key, value),
                None => log.remove(&key),
            };
        }
        count
    }

    fn joined(log: &BTreeMap<StateKey, Vec<u8>>) -> Result<(Vec<StateEntry>, Split), StateError> {
        let mut joining = Joining::default();
        let entries = log.iter().rev();
        let mut whole: Vec<StateEntry> =
            entries.filter_map(|(key, value)| joining.take(key.clone(), value.clone())).collect();
        let (parts, split) = joining.finish()?;
        whole.extend(parts);
        Ok((whole, split))
    }

    proptest::proptest! {
        #[test]
        fn is_joined_as_it_was_split(values: Vec<Option<Vec<u8>>>, length in 1_usize..40, restart: Vec<bool>) {
            let key = StateKey::from_bytes(&[2, 1, 1]);
            let mut split = Split { length, ..Split::default() };
            let mut log = BTreeMap::new();
            for (at, value) in values.into_iter().enumerate() {
                apply(&mut log, split.split([(key.clone(), value.clone())].into()));
                proptest::prop_assert!(log.values().all(|value| value.len() <= length + 16));
                let (entries, again) = joined(&log).unwrap();
                let expected: Vec<StateEntry> = value.into_iter().map(|value| (key.clone(), value)).collect();
                proptest::prop_assert_eq!(entries, expected);
                if restart.get(at) == Some(&true) {
                    split = Split { length, ..again };
                }
            }
        }
    }

    #[test]
    fn what_did_not_change_is_not_written_again() {
        let key = StateKey::from_bytes(&[2]);
        let mut split = Split { length: 100, ..Split::default() };
        let mut log = BTreeMap::new();
        let mut value = vec![7; 1000];
        let mut write = |split: &mut Split, value: &[u8]| {
            apply(&mut log, split.split([(key.clone(), Some(value.to_vec()))].into()))
        };
        assert_eq!(write(&mut split, &value), 11, "and the whole is gone");
        value[950] = 8;
        assert_eq!(write(&mut split, &value), 1);
        value.extend([9; 70]);
        assert_eq!(write(&mut split, &value), 2, "the first knows how many there are");
        value.truncate(150);
        assert_eq!(write(&mut split, &value), 11);
        assert_eq!(write(&mut split, &value[..50]), 3);
        assert_eq!(log.len(), 1);
    }

    #[test]
    fn a_part_that_is_not_there_is_missed() {
        let key = StateKey::from_bytes(&[3]);
        let mut split = Split { length: 10, ..Split::default() };
        let mut log = BTreeMap::new();
        apply(&mut log, split.split([(key.clone(), Some(vec![1; 35]))].into()));
        assert!(joined(&log).is_ok());
        for number in 0..4 {
            let mut log = log.clone();
            let value = log.remove(&key.part(number)).unwrap();
            let error = joined(&log).unwrap_err().to_string();
            assert!(error.contains("the watermark: a part of it is not there"), "{error}");
            log.insert(key.part(number + 4), value);
            assert!(joined(&log).is_err());
        }
        let mut broken = log.clone();
        broken.get_mut(&key.part(2)).unwrap()[3] ^= 1;
        let error = joined(&broken).unwrap_err().to_string();
        assert!(error.contains("part 2 of the watermark: its checksum"), "{error}");
    }
}
