//! Where one text is in another.

/// The first place of `needle` in `text`. In short texts by its rarest byte, because preparing a better search costs more than
/// it saves there.
#[inline]
pub(crate) fn find(text: &[u8], needle: &[u8]) -> Option<usize> {
    if text.len() > 256 {
        return memchr::memmem::find(text, needle);
    }
    // The less a byte is used in names, paths and command lines, the lower.
    let commonness = |byte: &u8| match byte {
        b'e' | b's' | b't' | b'i' | b'o' | b'n' | b'r' | b'a' | b' ' | b'\\' => 3,
        b'a'..=b'z' | b'.' | b'0'..=b'9' => 2,
        0..0x80 => 1,
        _ => 0,
    };
    let Some(at) = (0..needle.len()).min_by_key(|at| commonness(&needle[*at])) else {
        return Some(0);
    };
    let last = text.len().checked_sub(needle.len())?;
    memchr::memchr_iter(needle[at], &text[at..=last + at])
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
