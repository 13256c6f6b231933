//! A few inner literals, at many places at once with vector instructions.
//!
//! For a window of up to four bytes of each literal the bytes are known; literals share eight groups. Where a text's bytes may
//! be those of a group, the literals are compared in full.

use super::grams::GramCounts;
use crate::vector::{self, Operations, Pass, Prints, Window};

/// So many literals are few.
pub(crate) const FEW: usize = 32;

#[derive(Debug)]
struct Entry {
    text: Box<[u8]>,
    id: u32,
    /// Where in the literal the window is.
    offset: usize,
    /// The bytes of the window, and which bits of them count.
    window: (u32, u32),
}

/// A set of at most [`FEW`] literals, or somewhat more where each is rarely met. `IGNORE_CASE` ignores the case of ASCII letters in the text;
/// literals are folded always.
#[derive(Debug, Default)]
pub(crate) struct FewLiterals<const IGNORE_CASE: bool = false> {
    prints: Prints,
    entries: Box<[Entry]>,
}

impl<const IGNORE_CASE: bool> FewLiterals<IGNORE_CASE> {
    /// From folded literals with their ids; none is empty.
    pub(crate) fn new(literals: &[(&[u8], u32)], counts: &GramCounts) -> Self {
        let mut entries: Vec<Entry> = literals
            .iter()
            .map(|(text, id)| {
                let places = 0..=text.len().saturating_sub(Prints::LEN);
                let offset = places.min_by_key(|at| counts.commonness(&text[*at..])).unwrap_or(0);
                let window = word(&text[offset..]);
                let known = (text.len() - offset).min(4) as u32;
                let mask = u32::MAX >> (32 - 8 * known);
                Entry { text: (*text).into(), id: *id, offset, window: (window, mask) }
            })
            .collect();
        // Literals with the same beginnings of windows in one group, so that groups stay narrow.
        entries.sort_by(|a, b| (&a.text[a.offset..], a.id).cmp(&(&b.text[b.offset..], b.id)));
        let mut prints = Prints::default();
        for (number, entry) in entries.iter().enumerate() {
            let group = (number * 8 / entries.len()) as u8;
            for place in 0..Prints::LEN {
                match entry.text.get(entry.offset + place) {
                    Some(byte) => {
                        prints.add(group, place, *byte);
                        if IGNORE_CASE && byte.is_ascii_lowercase() {
                            prints.add(group, place, byte.to_ascii_uppercase());
                        }
                    }
                    None => prints.add_any(group, place),
                }
            }
        }
        Self { prints, entries: entries.into() }
    }

    /// The literals.
    pub(crate) fn texts(&self) -> impl Iterator<Item = &[u8]> {
        self.entries.iter().map(|entry| &*entry.text)
    }

    /// Reports the literals in the text, possibly several times; stops when `hit` says `false`.
    #[inline]
    pub(crate) fn scan(&self, text: &[u8], hit: &mut impl FnMut(u32) -> bool) -> Option<()> {
        if self.entries.is_empty() {
            return Some(());
        }
        vector::run(Search { literals: self, text, hit })
    }

    /// Compares the literals whose window may be at `at`.
    #[cold]
    fn report(&self, text: &[u8], at: usize, hit: &mut impl FnMut(u32) -> bool) -> Option<()> {
        let here = word(&text[at..]);
        // Bytes that differ in this bit alone may be the same letter.
        let case = if IGNORE_CASE { 0x2020_2020 } else { 0 };
        for entry in &self.entries {
            let (window, mask) = entry.window;
            if (here ^ window) & mask & !case != 0 {
                continue;
            }
            let there = at
                .checked_sub(entry.offset)
                .and_then(|start| text.get(start..start + entry.text.len()));
            let holds = there.is_some_and(|there| {
                if IGNORE_CASE {
                    there.eq_ignore_ascii_case(&entry.text)
                } else {
                    *there == *entry.text
                }
            });
            if holds && !hit(entry.id) {
                return None;
            }
        }
        Some(())
    }
}

/// The first four bytes, with zeroes where there are less.
fn word(text: &[u8]) -> u32 {
    match text.first_chunk() {
        Some(bytes) => u32::from_le_bytes(*bytes),
        None => text.iter().rev().fold(0, |word, byte| word << 8 | u32::from(*byte)),
    }
}

struct Search<'a, const IGNORE_CASE: bool, H> {
    literals: &'a FewLiterals<IGNORE_CASE>,
    text: &'a [u8],
    hit: &'a mut H,
}

impl<const IGNORE_CASE: bool, H: FnMut(u32) -> bool> Pass for Search<'_, IGNORE_CASE, H> {
    type Output = Option<()>;

    #[inline(always)]
    fn run(self, with: impl Operations) -> Self::Output {
        let Self { literals, text, hit } = self;
        let mut at = 0;
        let mut report = |at: usize, mut places: u64| -> Option<()> {
            while places != 0 {
                literals.report(text, at + places.trailing_zeros() as usize, hit)?;
                places &= places - 1;
            }
            Some(())
        };
        while let Some(window) = text.get(at..).and_then(<[u8]>::first_chunk) {
            let places = with.may_start(window, &literals.prints);
            if places != 0 {
                report(at, places)?;
            }
            at += 64;
        }
        // What is left is shorter than a window; the bytes behind the text make no literal longer, since it is compared in full.
        while at < text.len() {
            let rest = &text[at..];
            let mut window: Window = [0; 67];
            let len = rest.len().min(window.len());
            window[..len].copy_from_slice(&rest[..len]);
            let valid = u64::MAX >> (64 - len.min(64));
            report(at, with.may_start(&window, &literals.prints) & valid)?;
            at += 64;
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::grams::counts;
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn literals_are_found_anywhere_and_in_any_case(
            literals in prop::collection::vec("[ab_@:]{1,9}", 1..40),
            before in "[abAB_@`]{0,80}",
            after in "[abAB_@`]{0,80}",
        ) {
            let text = format!("{before}{}{after}", literals[0].to_uppercase());
            let list: Vec<(&[u8], u32)> =
                literals.iter().zip(0..).map(|(text, id)| (text.as_bytes(), id)).collect();
            let counts = counts(list.iter().map(|(text, _)| *text));
            let mut hits = vec![];
            let few = FewLiterals::<true>::new(&list, &counts);
            few.scan(text.as_bytes(), &mut |id| { hits.push(id); true });
            let lower = text.to_lowercase();
            let holding = |text: &str| -> Vec<u32> {
                (0..).zip(&literals).filter(|(_, literal)| text.contains(*literal)).map(|(id, _)| id).collect()
            };
            hits.sort_unstable();
            hits.dedup();
            prop_assert_eq!(&hits, &holding(&lower));
            hits.clear();
            FewLiterals::<false>::new(&list, &counts).scan(text.as_bytes(), &mut |id| { hits.push(id); true });
            hits.sort_unstable();
            hits.dedup();
            prop_assert_eq!(hits, holding(&text));
        }
    }
}
