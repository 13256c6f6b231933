//! The different texts of a window's hits.
//!
//! Among millions of texts each look-up waits for memory. So in a large window the newest hits wait together until somebody needs to know:
//! then their look-ups overlap. How many texts there may be at least and at most is known all the time, and most hits need no more.

use super::distinct::Distinct;
use super::segments::Segments;

/// Less is in the processor's caches: nothing waits there. In tests that make small windows it does.
const LARGE: usize = if cfg!(test) { 2 } else { 1 << 16 };

/// Different texts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Texts {
    distinct: Distinct,
    /// The number of each hit's text, without those that wait. None where hits do not leave one by one.
    values: Segments<u32>,
}

impl Texts {
    /// Adds the text of a hit that leaves again.
    pub(crate) fn push(&mut self, text: &[u8]) {
        self.add(text, true);
    }

    /// Adds the text of a hit that stays.
    pub(crate) fn keep(&mut self, text: &[u8]) {
        self.add(text, false);
    }

    fn add(&mut self, text: &[u8], leaves: bool) {
        if self.distinct.len() < LARGE && self.distinct.waiting() == 0 {
            let number = self.distinct.add(text);
            if leaves {
                self.values.push(number);
            }
        } else if self.distinct.wait(text, leaves) {
            self.settle();
        }
    }

    /// Looks up what waits: whether anything did.
    pub(crate) fn settle(&mut self) -> bool {
        let Self { distinct, values } = self;
        let waited = distinct.waiting() > 0;
        if waited {
            distinct.settle(|number| values.push(number));
        }
        waited
    }

    /// Takes the text of the oldest hit away.
    pub(crate) fn pop(&mut self) {
        if self.values.len() == 0 {
            self.settle();
        }
        let Some(number) = self.values.pop() else { return };
        self.distinct.remove(number);
        if self.distinct.is_sparse() {
            self.compact();
        }
    }

    /// Gives all memory back that is not needed, where hits leave.
    pub(crate) fn compact(&mut self) {
        self.settle();
        let mut fewer = Distinct::default();
        let Self { distinct, values } = self;
        *values = values.iter().map(|number| fewer.add(distinct.text(number))).collect();
        *distinct = fewer;
    }

    /// How many different texts there are at least and at most; the same once all are settled.
    pub(crate) fn range(&self) -> (u64, u64) {
        let least = self.distinct.len() as u64;
        (least, least + self.distinct.waiting() as u64)
    }

    /// All different texts, sorted.
    pub(crate) fn sorted(&self) -> Vec<&[u8]> {
        let mut texts = self.distinct.sorted();
        if self.distinct.waiting() > 0 {
            texts.extend(self.distinct.iter_waiting());
            texts.sort_unstable();
            texts.dedup();
        }
        texts
    }

    /// The text of each hit, oldest first, with a number that is the same for the same text.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &[u8])> {
        let settled = self.values.iter().map(|number| (number, self.distinct.text(number)));
        let mut new: Vec<&[u8]> = Vec::new();
        let waiting = self.distinct.iter_waiting().map(move |text| {
            let number = self.distinct.find(text).unwrap_or_else(|| {
                let known = new.iter().position(|have| *have == text);
                let at = known.unwrap_or_else(|| {
                    new.push(text);
                    new.len() - 1
                });
                // No slot has that number, there would have to be so many others.
                u32::MAX - 1 - at as u32
            });
            (number, text)
        });
        settled.chain(waiting)
    }

    /// How much memory it takes beside itself.
    pub(crate) fn bytes(&self) -> usize {
        self.distinct.bytes() + self.values.bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::super::distinct::TOGETHER;
    use super::*;
    use std::collections::{BTreeSet, VecDeque};

    proptest::proptest! {
        #[test]
        fn is_a_queue_that_knows_how_many_differ(
            steps in proptest::collection::vec((0_u8..8, 0_u32..60), 0..500),
            fill in 0_u32..60,
        ) {
            let mut texts = Texts::default();
            let mut plain = VecDeque::new();
            let text = |number: u32| format!("text{number}").into_bytes();
            for number in 0..fill {
                texts.push(&text(number));
                plain.push_back(text(number));
            }
            for (step, number) in steps {
                match step {
                    0 => {
                        texts.settle();
                    }
                    1 | 2 => {
                        texts.pop();
                        plain.pop_front();
                    }
                    3 if number < 5 => texts.compact(),
                    _ => {
                        // New ones and old ones, and some twice before they are settled.
                        let number = if step == 7 { number % 8 + 100 } else { number };
                        texts.push(&text(number));
                        plain.push_back(text(number));
                    }
                }
            }
            let different: BTreeSet<&[u8]> = plain.iter().map(|text| &text[..]).collect();
            let (least, most) = texts.range();
            proptest::prop_assert!((least..=most).contains(&(different.len() as u64)));
            proptest::prop_assert!(texts.sorted().into_iter().eq(different.iter().copied()));
            proptest::prop_assert!(texts.iter().map(|(_, text)| text).eq(plain.iter().map(|text| &text[..])));
            let numbers: BTreeSet<(&[u8], u32)> = texts.iter().map(|(number, text)| (text, number)).collect();
            proptest::prop_assert_eq!(numbers.len(), different.len());
            texts.settle();
            proptest::prop_assert_eq!(texts.range(), (different.len() as u64, different.len() as u64));
            proptest::prop_assert!(texts.iter().map(|(_, text)| text).eq(plain.iter().map(|text| &text[..])));
            while plain.pop_front().is_some() {
                texts.pop();
            }
            proptest::prop_assert_eq!(texts.range(), (0, 0));
            proptest::prop_assert!(texts.bytes() < 1 << 16, "{}", texts.bytes());
        }
    }

    #[test]
    fn texts_wait_only_in_large_windows_and_not_for_long() {
        let mut texts = Texts::default();
        let mut waited = 0;
        for number in 0..LARGE as u64 + 1000 {
            texts.keep(number.to_string().as_bytes());
            let (least, most) = texts.range();
            assert_eq!(most, number + 1);
            assert!(most - least < TOGETHER as u64 && (least == most || least >= LARGE as u64));
            waited = waited.max(most - least);
        }
        assert_eq!(waited, TOGETHER as u64 - 1);
        assert_eq!(texts.sorted().len(), LARGE + 1000);
    }
}
