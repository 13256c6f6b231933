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

/// The first place of `needle` in `text`: where two of its rarer bytes are at their distance, the whole is compared. Nothing is prepared, because most
/// needles are looked for once.
#[inline]
pub(crate) fn find(text: &[u8], needle: &[u8]) -> Option<usize> {
    let last = text.len().checked_sub(needle.len())?;
    let firsts = &needle[..needle.len().min(LOOK)];
    // The rarest, and the one that comes after it.
    let (mut rare, mut next) = (0, usize::MAX);
    let commonness =
        |at: usize| firsts.get(at).map_or(u8::MAX, |byte| COMMONNESS[usize::from(*byte)]);
    for at in 1..firsts.len() {
        if commonness(at) < commonness(rare) {
            next = rare;
            rare = at;
        } else if commonness(at) < commonness(next) {
            next = at;
        }
    }
    let Some(byte) = firsts.get(rare) else { return Some(0) };
    if next < firsts.len() && text.len() >= size_of::<Block>() + LOOK {
        return vector::run(Search { text, needle, places: (rare, next) });
    }
    memchr::memchr_iter(*byte, &text[rare..=last + rare])
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
