//! Inner literals by their grams of four bytes.
//!
//! A bitmap says for a place of the text whether any literal has the gram there; a bucket then names the literals, which are
//! compared in full. With a stride of `n`, each literal is indexed under `n` neighbouring grams, so that only every `n`th place
//! of the text needs a look. `IGNORE_CASE` ignores the case of ASCII letters in the text; literals are folded always.

use std::sync::OnceLock;

/// How often a gram occurs among the literals themselves: what many rules look for (`.exe`, `\win`) is also common in
/// logs, so the rarest gram of a literal is the best one to index.
pub(crate) struct GramCounts(Box<[u16]>);

impl Default for GramCounts {
    fn default() -> Self {
        Self(vec![0; 1 << 14].into())
    }
}

impl GramCounts {
    fn slot(gram: u32) -> usize {
        (gram.wrapping_mul(MIX) >> 18) as usize
    }
    pub(super) fn add(&mut self, text: &[u8]) {
        for gram in text.windows(4) {
            let gram = u32::from_le_bytes([gram[0], gram[1], gram[2], gram[3]]);
            let count = &mut self.0[Self::slot(gram)];
            *count = count.saturating_add(1);
        }
    }
    fn get(&self, gram: u32) -> u32 {
        u32::from(self.0[Self::slot(gram)])
    }

    /// How often the first gram of a text occurs, letters for more than other bytes; of less than a gram it is not known.
    pub(super) fn commonness(&self, text: &[u8]) -> u32 {
        let Some(gram) = text.first_chunk::<4>() else { return u32::MAX };
        let letters = gram.iter().filter(|byte| byte.is_ascii_lowercase()).count() as u32;
        self.get(u32::from_le_bytes(*gram)) * 4 + letters
    }
}

const MIX: u32 = 0x9E37_79B1;

#[derive(Clone, Copy, Debug)]
struct Entry {
    gram: u32,
    id: u32,
    /// Where the gram is in the literal.
    offset: u32,
    /// The literal in the slab.
    start: u32,
    len: u32,
}

/// A set of inner literals.
#[derive(Debug)]
pub(crate) struct Grams<const IGNORE_CASE: bool = false> {
    stride: usize,
    bits: Box<[u64]>,
    bits_shift: u32,
    heads: Box<[u32]>,
    heads_shift: u32,
    entries: Box<[Entry]>,
    slab: Box<[u8]>,
    /// Made when the first long text is searched.
    hot: OnceLock<HotGrams>,
}

/// Texts from this length on are searched with [`HotGrams`].
const LONG_TEXT: usize = 512;

const HOT_LOG: u32 = 13;

/// With more grams than this too many places would look hot.
const MOST_HOT: usize = (1 << HOT_LOG) / 24;

/// One byte for each hash of a gram: whether any literal may have it.
#[derive(Debug)]
struct HotGrams(Box<[u8; 1 << HOT_LOG]>);

impl HotGrams {
    fn new(entries: &[Entry]) -> Self {
        let mut hot = Box::new([0; 1 << HOT_LOG]);
        for entry in entries {
            hot[Self::place(entry.gram)] = 1;
        }
        Self(hot)
    }

    #[inline(always)]
    fn place(gram: u32) -> usize {
        (gram.wrapping_mul(MIX) >> (32 - HOT_LOG)) as usize
    }

    #[inline(always)]
    fn has(&self, gram: u32) -> bool {
        self.0[Self::place(gram)] != 0
    }
}

/// Looks at every `stride`th place of the text. Strides up to eight have code of their own, in which the compiler
/// knows all distances.
#[inline(always)]
fn strided(
    stride: usize,
    text: &[u8],
    key: impl Fn(u32) -> u32 + Copy,
    hot: impl Fn(u32) -> bool + Copy,
    look: &mut impl FnMut(usize, u32) -> Option<()>,
) -> Option<()> {
    match stride {
        1 => blocks::<1>(text, key, hot, look),
        2 => blocks::<2>(text, key, hot, look),
        3 => blocks::<3>(text, key, hot, look),
        4 => blocks::<4>(text, key, hot, look),
        5 => blocks::<5>(text, key, hot, look),
        6 => blocks::<6>(text, key, hot, look),
        7 => blocks::<7>(text, key, hot, look),
        8 => blocks::<8>(text, key, hot, look),
        stride => rest(stride, 0, text, key, hot, look),
    }
}

/// Eight places at once: hardly ever is one of them hot.
#[inline(always)]
fn blocks<const STRIDE: usize>(
    text: &[u8],
    key: impl Fn(u32) -> u32 + Copy,
    hot: impl Fn(u32) -> bool + Copy,
    look: &mut impl FnMut(usize, u32) -> Option<()>,
) -> Option<()> {
    let mut at = 0;
    while let Some(block) = text.get(at..at + 7 * STRIDE + 4) {
        let gram = |place: usize| {
            let start = place * STRIDE;
            let bytes = [block[start], block[start + 1], block[start + 2], block[start + 3]];
            key(u32::from_le_bytes(bytes))
        };
        let mut any = false;
        for place in 0..8 {
            any |= hot(gram(place));
        }
        if any {
            for place in 0..8 {
                if hot(gram(place)) {
                    look(at + place * STRIDE, gram(place))?;
                }
            }
        }
        at += 8 * STRIDE;
    }
    rest(STRIDE, at, text, key, hot, look)
}

fn rest(
    stride: usize,
    from: usize,
    text: &[u8],
    key: impl Fn(u32) -> u32,
    hot: impl Fn(u32) -> bool,
    look: &mut impl FnMut(usize, u32) -> Option<()>,
) -> Option<()> {
    // The last block may have ended just before the text does.
    let end = text.get(from..).unwrap_or_default();
    for (index, gram) in end.windows(4).step_by(stride).enumerate() {
        let gram = key(u32::from_le_bytes([gram[0], gram[1], gram[2], gram[3]]));
        if hot(gram) {
            look(from + index * stride, gram)?;
        }
    }
    Some(())
}

impl<const IGNORE_CASE: bool> Default for Grams<IGNORE_CASE> {
    fn default() -> Self {
        Self {
            stride: 1,
            bits: Box::default(),
            bits_shift: 0,
            heads: Box::default(),
            heads_shift: 0,
            entries: Box::default(),
            slab: Box::default(),
            hot: OnceLock::new(),
        }
    }
}

impl<const IGNORE_CASE: bool> Grams<IGNORE_CASE> {
    /// From folded literals with their ids, each of at least `stride + 3` bytes.
    pub(crate) fn new(literals: &[(&[u8], u32)], stride: usize, counts: &GramCounts) -> Self {
        if literals.is_empty() {
            return Self::default();
        }
        let grams = literals.len() * stride;
        let bits_log = (grams * 24).next_power_of_two().trailing_zeros().clamp(9, 20);
        let heads_log = (grams * 2).next_power_of_two().trailing_zeros().clamp(3, 18);
        let mut table = Self {
            stride,
            bits: vec![0; (1 << bits_log) / 64].into(),
            bits_shift: 32 - bits_log,
            heads: vec![0; (1 << heads_log) + 1].into(),
            heads_shift: 32 - heads_log,
            ..Self::default()
        };
        let mut entries: Vec<Entry> = Vec::with_capacity(grams);
        let mut slab: Vec<u8> = Vec::new();
        for (text, id) in literals {
            let gram_at = |at: usize| {
                u32::from_le_bytes([text[at], text[at + 1], text[at + 2], text[at + 3]])
            };
            let last = text.len() - 4 - (stride - 1);
            let rarity =
                |at: usize| -> u32 { (0..stride).map(|k| counts.get(gram_at(at + k))).sum() };
            let best = (0..=last).min_by_key(|at| rarity(*at)).unwrap_or(0);
            let start = slab.len() as u32;
            slab.extend_from_slice(text);
            for k in 0..stride {
                let gram = Self::key(gram_at(best + k));
                entries.push(Entry {
                    gram,
                    id: *id,
                    offset: (best + k) as u32,
                    start,
                    len: text.len() as u32,
                });
                let bit = gram.wrapping_mul(MIX) >> table.bits_shift;
                table.bits[(bit >> 6) as usize] |= 1 << (bit & 63);
            }
        }
        let shift = table.heads_shift;
        let bucket = |gram: u32| (gram.wrapping_mul(MIX) >> shift) as usize;
        entries.sort_by_key(|entry| (bucket(entry.gram), entry.gram, entry.id, entry.offset));
        for entry in &entries {
            table.heads[bucket(entry.gram) + 1] += 1;
        }
        for index in 1..table.heads.len() {
            table.heads[index] += table.heads[index - 1];
        }
        table.entries = entries.into();
        table.slab = slab.into();
        table
    }

    /// The literals.
    pub(crate) fn texts(&self) -> impl Iterator<Item = &[u8]> {
        let mut starts: Vec<(u32, u32)> =
            self.entries.iter().map(|entry| (entry.start, entry.len)).collect();
        starts.sort_unstable();
        starts.dedup();
        starts.into_iter().map(|(start, len)| &self.slab[start as usize..(start + len) as usize])
    }

    /// The form in which grams are indexed: without the bit that tells ASCII cases apart.
    #[inline(always)]
    fn key(gram: u32) -> u32 {
        if IGNORE_CASE { gram | 0x2020_2020 } else { gram }
    }

    #[inline(always)]
    fn may_have(&self, gram: u32) -> bool {
        let bit = gram.wrapping_mul(MIX) >> self.bits_shift;
        self.bits.get((bit >> 6) as usize).is_some_and(|word| word >> (bit & 63) & 1 != 0)
    }

    /// Reports the literals in the text, possibly several times; stops when `hit` says `false`.
    #[inline]
    pub(crate) fn scan(&self, text: &[u8], hit: &mut impl FnMut(u32) -> bool) -> Option<()> {
        if self.entries.is_empty() {
            return Some(());
        }
        let mut look = |at: usize, gram: u32| self.report(gram, at, text, hit);
        if self.entries.len() <= MOST_HOT && text.len() > LONG_TEXT {
            // Worth a table without bit arithmetic; small enough for the first-level cache.
            let hot = self.hot.get_or_init(|| HotGrams::new(&self.entries));
            return strided(self.stride, text, Self::key, |gram| hot.has(gram), &mut look);
        }
        strided(self.stride, text, Self::key, |gram| self.may_have(gram), &mut look)
    }

    #[cold]
    fn report(
        &self,
        gram: u32,
        at: usize,
        text: &[u8],
        hit: &mut impl FnMut(u32) -> bool,
    ) -> Option<()> {
        let bucket = (gram.wrapping_mul(MIX) >> self.heads_shift) as usize;
        let range = self.heads[bucket] as usize..self.heads[bucket + 1] as usize;
        for entry in &self.entries[range] {
            if entry.gram != gram || entry.offset as usize > at {
                continue;
            }
            let start = at - entry.offset as usize;
            let literal = &self.slab[entry.start as usize..(entry.start + entry.len) as usize];
            let Some(there) = text.get(start..start + literal.len()) else { continue };
            let equal =
                if IGNORE_CASE { there.eq_ignore_ascii_case(literal) } else { there == literal };
            if equal && !hit(entry.id) {
                return None;
            }
        }
        Some(())
    }
}

/// Counts for literals, from themselves.
pub(crate) fn counts<'a>(literals: impl IntoIterator<Item = &'a [u8]>) -> GramCounts {
    let mut counts = GramCounts::default();
    literals.into_iter().for_each(|text| counts.add(text));
    counts
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn literals_are_found_at_any_stride_and_in_any_case(
            literals in proptest::collection::vec("[ab_@]{12,16}", 1..8),
            around in "[abAB_@`]{0,20}",
            filler in prop::sample::select(vec![0, 700]),
            stride in 1usize..10,
        ) {
            // Random texts alone would hardly ever hold one.
            let around = "ab".repeat(filler) + &around;
            let text = format!("{around}{}{around}", literals[0].to_uppercase());
            let list: Vec<(&[u8], u32)> =
                literals.iter().zip(0..).map(|(text, id)| (text.as_bytes(), id)).collect();
            let grams = Grams::<true>::new(&list, stride, &counts(list.iter().map(|(text, _)| *text)));
            let mut hits = vec![];
            grams.scan(text.as_bytes(), &mut |id| { hits.push(id); true });
            hits.sort_unstable();
            hits.dedup();
            let lower = text.to_lowercase();
            let expected: Vec<u32> =
                list.iter().filter(|(text, _)| lower.contains(std::str::from_utf8(text).unwrap())).map(|(_, id)| *id).collect();
            prop_assert_eq!(hits, expected);
        }
    }
}
