//! The structural index of a JSON text: where its quotes are.
//!
//! One pass over 64 bytes at a time finds quotes and backslashes with vector compares and drops the escaped quotes by bit
//! arithmetic (the method of Langdale and Lemire, "Parsing gigabytes of JSON per second", 2019). Everything after
//! it jumps from quote to quote instead of looking at each byte.

use sigmund_engine::vector::{self, Block, Operations, Pass};

/// The index of one text, reused from text to text.
#[derive(Debug, Default)]
pub(super) struct Index {
    quotes: Vec<u32>,
    len: usize,
    /// One bit for each byte that is a backslash.
    backslashes: Vec<u64>,
    /// Whether any is.
    has_backslashes: bool,
    /// Whether all bytes are ASCII.
    pub(super) is_ascii: bool,
    /// Whether a `\u` escape occurs.
    pub(super) has_unicode_escapes: bool,
}

/// The pass that builds an index.
struct Build<'a> {
    index: &'a mut Index,
    text: &'a [u8],
}

impl Pass for Build<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self, with: impl Operations) -> Self::Output {
        let Self { index, text } = self;
        index.clear();
        let mut carry = 0;
        let mut beyond = 0;
        vector::blocks(text, 0, |block, base, valid| {
            beyond |= with.beyond_ascii(block);
            index.add(block, base, valid, &mut carry, &with);
        });
        index.is_ascii = beyond == 0;
    }
}

impl Index {
    /// Indexes a text.
    pub(super) fn build(&mut self, text: &[u8]) {
        vector::run(Build { index: self, text });
    }

    fn clear(&mut self) {
        self.len = 0;
        self.backslashes.clear();
        self.has_backslashes = false;
        self.has_unicode_escapes = false;
    }

    /// Adds a block of the text, of which the `valid` bytes count.
    #[inline(always)]
    fn add(
        &mut self,
        block: &Block,
        base: usize,
        valid: u64,
        carry: &mut u64,
        with: &impl Operations,
    ) {
        let backslashes = with.equal(block, b'\\');
        let mut quotes = with.equal(block, b'"') & valid;
        self.backslashes.push(backslashes);
        if backslashes != 0 || *carry != 0 {
            self.has_backslashes = true;
            let escaped = escaped(backslashes, carry);
            quotes &= !escaped;
            if !self.has_unicode_escapes {
                self.has_unicode_escapes = with.equal(block, b'u') & escaped != 0;
            }
        }
        // Room for a whole block, so that its quotes are written without asking.
        if self.quotes.len() < self.len + 64 {
            self.quotes.resize((self.len + 64).next_power_of_two().max(1024), 0);
        }
        if let Some(out) = self.quotes[self.len..].first_chunk_mut() {
            self.len += with.places(quotes, base as u32, out);
        }
    }

    /// The positions of the quotes that are not escaped.
    #[inline]
    pub(super) fn quotes(&self) -> &[u32] {
        &self.quotes[..self.len]
    }

    /// Whether there is a backslash anywhere.
    #[inline]
    pub(super) fn has_backslashes(&self) -> bool {
        self.has_backslashes
    }

    /// Whether there is a backslash in `start..end`.
    #[inline]
    pub(super) fn has_backslash(&self, start: usize, end: usize) -> bool {
        if start >= end {
            return false;
        }
        let (first, last) = (start >> 6, (end - 1) >> 6);
        let from = u64::MAX << (start & 63);
        let to = u64::MAX >> (63 - ((end - 1) & 63));
        let word = |at: usize| self.backslashes.get(at).copied().unwrap_or(0);
        if first == last {
            return word(first) & from & to != 0;
        }
        word(first) & from != 0
            || word(last) & to != 0
            || (first + 1..last).any(|middle| word(middle) != 0)
    }
}

/// The bytes that a backslash before them escapes. `carry`: whether the first one is, from the block before.
#[inline(always)]
pub(super) fn escaped(backslashes: u64, carry: &mut u64) -> u64 {
    const ODD: u64 = 0xAAAA_AAAA_AAAA_AAAA;
    let starts = backslashes & !*carry;
    let maybe = starts << 1;
    let ends = (maybe | ODD).wrapping_sub(starts) ^ ODD;
    let escaped = ends ^ (backslashes | *carry);
    *carry = (ends & backslashes) >> 63;
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Quotes by the definition: a backslash escapes the byte after it, unless it is escaped itself.
    fn plain(text: &[u8]) -> (Vec<u32>, bool) {
        let (mut quotes, mut unicode, mut escaped) = (vec![], false, false);
        for (at, byte) in text.iter().enumerate() {
            match (escaped, byte) {
                (true, b'u') => unicode = true,
                (false, b'"') => quotes.push(at as u32),
                _ => {}
            }
            escaped = !escaped && *byte == b'\\';
        }
        (quotes, unicode)
    }

    proptest! {
        #[test]
        fn the_index_is_what_the_definition_says(text in r#"[\\\\"u a]{0,300}"#) {
            let mut index = Index::default();
            index.build(text.as_bytes());
            let (quotes, unicode) = plain(text.as_bytes());
            prop_assert_eq!(index.quotes(), &quotes[..]);
            prop_assert_eq!(index.has_unicode_escapes, unicode);
        }

        #[test]
        fn backslashes_are_found_in_ranges(text in r"[\\\\a]{1,200}", a in 0usize..200, b in 0usize..200) {
            let mut index = Index::default();
            index.build(text.as_bytes());
            let (start, end) = (a.min(b).min(text.len()), a.max(b).min(text.len()));
            prop_assert_eq!(index.has_backslash(start, end), text[start..end].contains('\\'));
        }

        #[test]
        fn both_ways_give_the_same(text in proptest::collection::vec(any::<u8>(), 0..400)) {
            let (mut fast, mut slow) = (Index::default(), Index::default());
            fast.build(&text);
            vector::run_plain(Build { index: &mut slow, text: &text });
            prop_assert_eq!(fast.quotes(), slow.quotes());
            prop_assert_eq!(fast.is_ascii, text.is_ascii());
            prop_assert_eq!(slow.is_ascii, text.is_ascii());
            prop_assert_eq!(fast.backslashes, slow.backslashes);
            prop_assert_eq!(fast.has_unicode_escapes, slow.has_unicode_escapes);
        }
    }
}
