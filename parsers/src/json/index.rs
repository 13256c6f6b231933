//! The structural index of a JSON text: where its quotes are.
//!
//! One pass over 64 bytes at a time finds quotes and backslashes with vector compares and drops the escaped quotes by bit
//! arithmetic (the method of Langdale and Lemire, "Parsing gigabytes of JSON per second", 2019). Everything after
//! it jumps from quote to quote instead of looking at each byte.

/// The index of one text, reused from text to text.
#[derive(Debug, Default)]
pub(super) struct Index {
    quotes: Vec<u32>,
    len: usize,
    /// One bit for each byte that is a backslash.
    backslashes: Vec<u64>,
    /// Whether a `\u` escape occurs.
    pub(super) has_unicode_escapes: bool,
    /// Scratch of the projection, kept with the index because both are reused together.
    pub(super) entered: super::project::Entered,
}

/// The bytes of a block that equal `wanted`, as bits: eight at a time in ordinary registers.
#[inline(always)]
fn equal_plain(block: &[u8; 64], wanted: u8) -> u64 {
    const LOW: u64 = 0x7F7F_7F7F_7F7F_7F7F;
    let (words, _) = block.as_chunks::<8>();
    words.iter().rev().fold(0, |bits, word| {
        let different = u64::from_le_bytes(*word) ^ (u64::from(wanted) * 0x0101_0101_0101_0101);
        let equal = !(((different & LOW) + LOW) | different | LOW);
        bits << 8 | (equal >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56
    })
}

/// The same with 32-byte vectors. This is the one place of the workspace with `unsafe`: calling code that is
/// compiled for a processor feature, after asking whether the processor has it. It makes the whole hunt a fifth faster
/// (`bench/`, stage `parse`); the properties below hold it against the definition and the plain way.
#[cfg(target_arch = "x86_64")]
mod vector {
    use super::Index;
    use std::arch::x86_64::{
        __m256i, _mm256_cmpeq_epi8, _mm256_movemask_epi8, _mm256_set_epi64x, _mm256_set1_epi8,
    };

    #[target_feature(enable = "avx2")]
    fn lane(bytes: &[u8; 32]) -> __m256i {
        let (words, _) = bytes.as_chunks::<8>();
        let word = |at: usize| i64::from_le_bytes(words[at]);
        _mm256_set_epi64x(word(3), word(2), word(1), word(0))
    }

    #[target_feature(enable = "avx2")]
    fn equal(block: &[u8; 64], wanted: u8) -> u64 {
        let wanted = _mm256_set1_epi8(wanted.cast_signed());
        let (halves, _) = block.as_chunks::<32>();
        let bits = |half: usize| {
            let equal = _mm256_cmpeq_epi8(lane(&halves[half]), wanted);
            u64::from(_mm256_movemask_epi8(equal).cast_unsigned())
        };
        bits(0) | bits(1) << 32
    }

    #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
    fn build_avx2(index: &mut Index, text: &[u8]) {
        index.build_with(text, |block, wanted| equal(block, wanted));
    }

    /// Builds the index if the processor can.
    #[expect(unsafe_code, reason = "the processor was asked for the features")]
    pub(super) fn build(index: &mut Index, text: &[u8]) -> bool {
        let can = std::arch::is_x86_feature_detected!("avx2")
            && std::arch::is_x86_feature_detected!("bmi1")
            && std::arch::is_x86_feature_detected!("bmi2")
            && std::arch::is_x86_feature_detected!("lzcnt")
            && std::arch::is_x86_feature_detected!("popcnt");
        if can {
            // SAFETY: every feature that `build_avx2` is compiled for was just found.
            unsafe { build_avx2(index, text) };
        }
        can
    }
}

impl Index {
    /// Indexes a text.
    pub(super) fn build(&mut self, text: &[u8]) {
        #[cfg(target_arch = "x86_64")]
        if vector::build(self, text) {
            return;
        }
        self.build_plain(text);
    }

    fn build_plain(&mut self, text: &[u8]) {
        self.build_with(text, equal_plain);
    }

    #[inline(always)]
    fn build_with(&mut self, text: &[u8], equal: impl Fn(&[u8; 64], u8) -> u64) {
        self.len = 0;
        self.backslashes.clear();
        self.has_unicode_escapes = false;
        let mut carry = 0;
        let (blocks, rest) = text.as_chunks::<64>();
        for (number, block) in blocks.iter().enumerate() {
            self.block(block, number * 64, u64::MAX, &mut carry, &equal);
        }
        if !rest.is_empty() {
            let mut last = [0; 64];
            last[..rest.len()].copy_from_slice(rest);
            let valid = u64::MAX >> (64 - rest.len());
            self.block(&last, blocks.len() * 64, valid, &mut carry, &equal);
        }
    }

    #[inline(always)]
    fn block(
        &mut self,
        block: &[u8; 64],
        base: usize,
        valid: u64,
        carry: &mut u64,
        equal: &impl Fn(&[u8; 64], u8) -> u64,
    ) {
        let backslashes = equal(block, b'\\');
        let mut quotes = equal(block, b'"') & valid;
        self.backslashes.push(backslashes);
        if backslashes != 0 || *carry != 0 {
            let escaped = escaped(backslashes, carry);
            quotes &= !escaped;
            if !self.has_unicode_escapes {
                self.has_unicode_escapes = equal(block, b'u') & escaped != 0;
            }
        }
        // Room for a whole block, so that its quotes are written without asking.
        if self.quotes.len() < self.len + 64 {
            self.quotes.resize((self.len + 64).next_power_of_two().max(1024), 0);
        }
        let out = &mut self.quotes[self.len..self.len + 64];
        self.len += quotes.count_ones() as usize;
        let mut at = 0;
        while quotes != 0 {
            out[at & 63] = base as u32 + quotes.trailing_zeros();
            quotes &= quotes - 1;
            at += 1;
        }
    }

    /// The positions of the quotes that are not escaped.
    #[inline]
    pub(super) fn quotes(&self) -> &[u32] {
        &self.quotes[..self.len]
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
fn escaped(backslashes: u64, carry: &mut u64) -> u64 {
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
            slow.build_plain(&text);
            prop_assert_eq!(fast.quotes(), slow.quotes());
            prop_assert_eq!(fast.backslashes, slow.backslashes);
            prop_assert_eq!(fast.has_unicode_escapes, slow.has_unicode_escapes);
        }
    }
}
