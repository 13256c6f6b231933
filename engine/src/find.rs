//! Where one text is in another.

use crate::vector::{self, Block, Operations, Pass};

/// The less a byte is used in names, paths and command lines, the lower.
static COMMONNESS: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = match byte as u8 {
            b'e' | b's' | b't' | b'i' | b'o' | b'n' | b'r' | b'a' | b' ' | b'\\' => 3,
            b'a'..=b'z' | b'.' | b'0'..=b'9' => 2,
            0..0x80 => 1,
            _ => 0,
        };
        byte += 1;
    }
    table
};

/// Of a needle so many first bytes are looked at for rare ones.
const LOOK: usize = 12;

/// Where the two rarer bytes of a needle are, of its first ones: the rarest, and the one that comes after it. [`LOOK`] where there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct RareBytes {
    rarest: u8,
    next: u8,
}

impl RareBytes {
    /// Those of a needle.
    #[inline]
    pub(crate) fn of(needle: &[u8]) -> Self {
        let firsts = &needle[..needle.len().min(LOOK)];
        let commonness =
            |at: usize| firsts.get(at).map_or(u8::MAX, |byte| COMMONNESS[usize::from(*byte)]);
        let (mut rarest, mut next) = (if firsts.is_empty() { LOOK } else { 0 }, LOOK);
        for at in 1..firsts.len() {
            if commonness(at) < commonness(rarest) {
                next = rarest;
                rarest = at;
            } else if commonness(at) < commonness(next) {
                next = at;
            }
        }
        Self { rarest: rarest as u8, next: next as u8 }
    }
}

/// The first place of `needle` in `text`. For needles that are looked for once.
#[inline]
pub(crate) fn find(text: &[u8], needle: &[u8]) -> Option<usize> {
    find_by(text, needle, RareBytes::of(needle))
}

/// The same for a needle of which the rare bytes are known: where both are at their distance, the whole is compared.
#[inline]
pub(crate) fn find_by(text: &[u8], needle: &[u8], rare: RareBytes) -> Option<usize> {
    let last = text.len().checked_sub(needle.len())?;
    let (rarest, next) = (usize::from(rare.rarest), usize::from(rare.next));
    let Some(byte) = needle.get(rarest) else { return Some(0) };
    if next < LOOK && text.len() >= size_of::<Block>() + LOOK {
        return vector::run(Search { text, needle, places: (rarest, next) });
    }
    memchr::memchr_iter(*byte, &text[rarest..=last + rarest])
        .find(|start| text[*start..start + needle.len()] == *needle)
}

/// A search in a text that is longer than a block by more than these places of the needle.
struct Search<'a> {
    text: &'a [u8],
    needle: &'a [u8],
    places: (usize, usize),
}

impl Pass for Search<'_> {
    type Output = Option<usize>;

    #[inline(always)]
    fn run(self, with: impl Operations) -> Option<usize> {
        let Self { text, needle, places: (one, other) } = self;
        let (first, second) = (needle[one], needle[other]);
        let confirm = |begin: usize, mut found: u64| {
            while found != 0 {
                let start = begin + found.trailing_zeros() as usize;
                if text[start..].starts_with(needle) {
                    return Some(start);
                }
                found &= found - 1;
            }
            None
        };
        let (here, there) = (&text[one..], &text[other..]);
        let (here_blocks, _) = here.as_chunks();
        let (there_blocks, _) = there.as_chunks();
        let mut begin = 0;
        for (here, there) in here_blocks.iter().zip(there_blocks) {
            let found = with.equal(here, first) & with.equal(there, second);
            if found != 0
                && let Some(start) = confirm(begin, found)
            {
                return Some(start);
            }
            begin += size_of::<Block>();
        }
        // The last block of each, of which the beginning was looked at before. There is one: `find` comes here with texts that are longer than a block by
        // more than both places, so neither the difference nor `?` can fail.
        let end = here.len().min(there.len()) - size_of::<Block>();
        let block = |text: &[u8]| text.get(end..).and_then(<[u8]>::first_chunk).copied();
        let (here, there) = (block(here)?, block(there)?);
        let found = with.equal(&here, first) & with.equal(&there, second);
        confirm(end, found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn finds_what_the_library_finds(text in "[ab.%]{0,300}", needle in "[ab.%]{0,4}") {
            prop_assert_eq!(find(text.as_bytes(), needle.as_bytes()), text.find(&needle));
        }

        #[test]
        fn finds_a_part_of_the_text(text in "[ab.%]{1,300}", from in 0usize..300, length in 0usize..40) {
            let from = from.min(text.len());
            let needle = &text[from..text.len().min(from + length)];
            prop_assert_eq!(find(text.as_bytes(), needle.as_bytes()), text.find(needle));
        }
    }
}
