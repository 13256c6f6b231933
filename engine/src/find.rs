//! Where one text is in another.

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

/// The first place of `needle` in `text`. In short texts by the rarest of its first bytes, because preparing a better search costs
/// more than it saves there.
#[inline]
pub(crate) fn find(text: &[u8], needle: &[u8]) -> Option<usize> {
    if text.len() > 1024 {
        return memchr::memmem::find(text, needle);
    }
    let last = text.len().checked_sub(needle.len())?;
    let firsts = &needle[..needle.len().min(12)];
    let mut at = 0;
    for (place, byte) in firsts.iter().enumerate().skip(1) {
        if COMMONNESS[usize::from(*byte)] < COMMONNESS[usize::from(firsts[at])] {
            at = place;
        }
    }
    let Some(byte) = needle.get(at) else { return Some(0) };
    memchr::memchr_iter(*byte, &text[at..=last + at])
        .find(|start| text[*start..start + needle.len()] == *needle)
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
    }
}
