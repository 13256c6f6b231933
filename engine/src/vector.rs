//! Vector instructions where the processor has them.
//!
//! The one place of the workspace with `unsafe`: calling code that is compiled for processor features, after asking whether the
//! processor has them. A [`Pass`] is written once over two operations on blocks of bytes; [`run`] gives it those with 32-byte
//! vectors or the plain ones, which do the same in ordinary registers. It makes a whole hunt a third faster
//! (`bench/`: stages `parse` and `match`); properties hold both ways against the definition.

/// Which bytes may stand at four neighbouring places, for up to eight groups of literals: for each half of a byte the groups
/// (one bit each) that have a byte with that half at that place.
///
/// Each table is there twice, since vectors are looked up half by half.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Prints {
    low: [[u8; 32]; 4],
    high: [[u8; 32]; 4],
}

impl Prints {
    /// How many places are looked at.
    pub const LEN: usize = 4;

    /// Lets a group (0 to 7) have this byte at this place (0 to 3).
    pub fn add(&mut self, group: u8, place: usize, byte: u8) {
        let bit = 1 << (group & 7);
        for half in [0, 16] {
            self.low[place][half + usize::from(byte & 15)] |= bit;
            self.high[place][half + usize::from(byte >> 4)] |= bit;
        }
    }

    /// Lets a group have any byte at this place.
    pub fn add_any(&mut self, group: u8, place: usize) {
        let bit = 1 << (group & 7);
        self.low[place].iter_mut().for_each(|groups| *groups |= bit);
        self.high[place].iter_mut().for_each(|groups| *groups |= bit);
    }
}

/// 64 places and the three bytes behind them.
pub type Window = [u8; 67];

/// Work that is done in blocks of bytes.
pub trait Pass {
    /// What it gives.
    type Output;

    /// Does it; to be inlined. `equal` says which bytes of a block equal one, `beyond_ascii` which are not ASCII, `may_start` at which of 64 places a
    /// literal may start; bit 0 is the first byte.
    fn run(
        self,
        equal: impl Fn(&[u8; 64], u8) -> u64,
        beyond_ascii: impl Fn(&[u8; 64]) -> u64,
        may_start: impl Fn(&Window, &Prints) -> u64,
    ) -> Self::Output;
}

/// Does the work in the fastest way that the processor has.
#[inline]
pub fn run<P: Pass>(pass: P) -> P::Output {
    #[cfg(target_arch = "x86_64")]
    {
        if x86::has_avx512() {
            return x86::run_with_avx512(pass);
        }
        if x86::has_avx2() {
            return x86::run_with_avx2(pass);
        }
    }
    run_plain(pass)
}

/// Does the work without vectors.
pub fn run_plain<P: Pass>(pass: P) -> P::Output {
    pass.run(equal_plain, beyond_ascii_plain, may_start_plain)
}

/// Eight bytes at a time in ordinary registers.
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

#[inline(always)]
fn beyond_ascii_plain(block: &[u8; 64]) -> u64 {
    block.iter().rev().fold(0, |bits, byte| bits << 1 | u64::from(byte >> 7))
}

#[inline(always)]
fn may_start_plain(window: &Window, prints: &Prints) -> u64 {
    (0..64).fold(0, |bits, at| {
        let groups = (0..Prints::LEN).fold(0xFF, |groups, place| {
            let byte = window[at + place];
            groups
                & prints.low[place][usize::from(byte & 15)]
                & prints.high[place][usize::from(byte >> 4)]
        });
        bits | u64::from(groups != 0) << at
    })
}

#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "loads of whole vectors, and the calls after asking the processor")]
mod x86 {
    use super::{Pass, Prints, Window};
    use std::arch::is_x86_feature_detected as has;
    use std::arch::x86_64::{
        __m256i, __m512i, _mm_loadu_si128, _mm256_and_si256, _mm256_cmpeq_epi8, _mm256_loadu_si256,
        _mm256_movemask_epi8, _mm256_set1_epi8, _mm256_setzero_si256, _mm256_shuffle_epi8,
        _mm256_srli_epi16, _mm512_and_si512, _mm512_broadcast_i32x4, _mm512_cmpeq_epi8_mask,
        _mm512_loadu_si512, _mm512_movepi8_mask, _mm512_set1_epi8, _mm512_shuffle_epi8,
        _mm512_srli_epi16, _mm512_test_epi8_mask,
    };

    #[inline]
    #[target_feature(enable = "avx2")]
    fn lane(bytes: &[u8; 32]) -> __m256i {
        // SAFETY: all 32 bytes are there, and this load asks for no alignment. Putting the vector together from numbers
        // instead takes eight instructions.
        unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) }
    }

    #[inline]
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

    #[inline]
    #[target_feature(enable = "avx2")]
    fn beyond_ascii(block: &[u8; 64]) -> u64 {
        let (halves, _) = block.as_chunks::<32>();
        let bits =
            |half: usize| u64::from(_mm256_movemask_epi8(lane(&halves[half])).cast_unsigned());
        bits(0) | bits(1) << 32
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn may_start(window: &Window, prints: &Prints) -> u64 {
        let nibble = _mm256_set1_epi8(15);
        let bits = |half: usize| {
            let mut groups = _mm256_set1_epi8(-1);
            for place in 0..Prints::LEN {
                let Some(bytes) = window[half * 32 + place..].first_chunk() else { continue };
                let bytes = lane(bytes);
                let low = _mm256_and_si256(bytes, nibble);
                let high = _mm256_and_si256(_mm256_srli_epi16::<4>(bytes), nibble);
                let low = _mm256_shuffle_epi8(lane(&prints.low[place]), low);
                let high = _mm256_shuffle_epi8(lane(&prints.high[place]), high);
                groups = _mm256_and_si256(groups, _mm256_and_si256(low, high));
            }
            let none = _mm256_cmpeq_epi8(groups, _mm256_setzero_si256());
            u64::from(!_mm256_movemask_epi8(none).cast_unsigned())
        };
        bits(0) | bits(1) << 32
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    fn wide_lane(bytes: &[u8; 64]) -> __m512i {
        // SAFETY: all 64 bytes are there, and this load asks for no alignment.
        unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) }
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    fn wide_table(table: &[u8; 32]) -> __m512i {
        // SAFETY: the first 16 of 32 bytes, without alignment.
        _mm512_broadcast_i32x4(unsafe { _mm_loadu_si128(table.as_ptr().cast()) })
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    fn wide_may_start(window: &Window, prints: &Prints) -> u64 {
        let nibble = _mm512_set1_epi8(15);
        let mut groups = _mm512_set1_epi8(-1);
        for place in 0..Prints::LEN {
            let Some(bytes) = window[place..].first_chunk() else { continue };
            let bytes = wide_lane(bytes);
            let low = _mm512_and_si512(bytes, nibble);
            let high = _mm512_and_si512(_mm512_srli_epi16::<4>(bytes), nibble);
            let low = _mm512_shuffle_epi8(wide_table(&prints.low[place]), low);
            let high = _mm512_shuffle_epi8(wide_table(&prints.high[place]), high);
            groups = _mm512_and_si512(groups, _mm512_and_si512(low, high));
        }
        _mm512_test_epi8_mask(groups, groups)
    }

    #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
    fn with_avx2<P: Pass>(pass: P) -> P::Output {
        pass.run(
            |block, wanted| equal(block, wanted),
            |block| beyond_ascii(block),
            |window, prints| may_start(window, prints),
        )
    }

    #[target_feature(enable = "avx512f,avx512bw,avx2,bmi1,bmi2,lzcnt,popcnt")]
    fn with_avx512<P: Pass>(pass: P) -> P::Output {
        pass.run(
            |block, wanted| {
                _mm512_cmpeq_epi8_mask(wide_lane(block), _mm512_set1_epi8(wanted.cast_signed()))
            },
            |block| _mm512_movepi8_mask(wide_lane(block)),
            |window, prints| wide_may_start(window, prints),
        )
    }

    /// Whether the processor has what [`run_with_avx2`] is compiled for.
    #[inline]
    pub(super) fn has_avx2() -> bool {
        has!("avx2") && has!("bmi1") && has!("bmi2") && has!("lzcnt") && has!("popcnt")
    }

    /// Whether the processor has what [`run_with_avx512`] is compiled for. The first ones with AVX-512 lower their clock for it; those that also
    /// have its byte permutations do not.
    #[inline]
    pub(super) fn has_avx512() -> bool {
        has!("avx512bw") && has!("avx512f") && has!("avx512vbmi") && has_avx2()
    }

    /// Only where [`has_avx2`] says so.
    #[inline]
    pub(super) fn run_with_avx2<P: Pass>(pass: P) -> P::Output {
        assert!(has_avx2(), "the caller asks first");
        // SAFETY: every feature that `with_avx2` is compiled for was just found.
        unsafe { with_avx2(pass) }
    }

    /// Only where [`has_avx512`] says so.
    #[inline]
    pub(super) fn run_with_avx512<P: Pass>(pass: P) -> P::Output {
        assert!(has_avx512(), "the caller asks first");
        // SAFETY: every feature that `with_avx512` is compiled for was just found.
        unsafe { with_avx512(pass) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Clone, Copy)]
    struct All<'a>(&'a [u8; 67], u8, &'a Prints);

    impl Pass for All<'_> {
        type Output = (u64, u64, u64);

        fn run(
            self,
            equal: impl Fn(&[u8; 64], u8) -> u64,
            beyond_ascii: impl Fn(&[u8; 64]) -> u64,
            may_start: impl Fn(&Window, &Prints) -> u64,
        ) -> Self::Output {
            let block = self.0.first_chunk().unwrap();
            (equal(block, self.1), beyond_ascii(block), may_start(self.0, self.2))
        }
    }

    proptest! {
        #[test]
        fn all_ways_do_what_the_definition_says(
            block in prop::collection::vec(prop_oneof![any::<u8>(), 0x40u8..0x44], 67),
            wanted in prop_oneof![any::<u8>(), 0x40u8..0x44],
            literals in prop::collection::vec(prop::collection::vec(0x3Fu8..0x54, 0..=4), 0..12),
        ) {
            let block: [u8; 67] = block.try_into().unwrap();
            let mut prints = Prints::default();
            for (literal, number) in literals.iter().zip(0u8..) {
                for place in 0..Prints::LEN {
                    match literal.get(place) {
                        Some(byte) => prints.add(number, place, *byte),
                        None => prints.add_any(number, place),
                    }
                }
            }
            let all = All(&block, wanted, &prints);
            let found = run_plain(all);
            prop_assert_eq!(found, run(all));
            #[cfg(target_arch = "x86_64")]
            if x86::has_avx2() {
                prop_assert_eq!(found, x86::run_with_avx2(all));
            }
            let equal = (0..64).filter(|at| block[*at] == wanted).fold(0, |bits, at| bits | 1 << at);
            prop_assert_eq!(found.0, equal);
            let beyond = (0..64).filter(|at| !block[*at].is_ascii()).fold(0, |bits, at| bits | 1 << at);
            prop_assert_eq!(found.1, beyond);
            for at in (0..64).filter(|at| literals.iter().any(|text| block[*at..].starts_with(text))) {
                prop_assert!(found.2 >> at & 1 != 0, "place {}", at);
            }
        }
    }
}
