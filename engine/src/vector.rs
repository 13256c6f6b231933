//! Vector instructions where the processor has them.
//!
//! The one place of the workspace with `unsafe`: calling code that is compiled for processor features, after asking whether the
//! processor has them, and [`prefetch`]. A [`Pass`] is written once over a few [`Operations`] on blocks of bytes; [`run`] gives it those with 64- or 32-byte
//! vectors or the plain ones, which do the same in ordinary registers. It makes a whole hunt a third faster
//! (`bench/`: stages `parse` and `match`); properties hold both ways against the definition.

/// Which bytes may stand at four neighbouring places, for up to eight groups of literals: for each half of a byte the groups
/// (one bit each) that have a byte with that half at that place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prints {
    /// Each table is there twice, since vectors are looked up half by half.
    low: [[u8; 32]; 4],
    high: [[u8; 32]; 4],
    /// The same by six bits of a byte ([`six`]): one look instead of two where the processor has tables of that size.
    six: [[u8; 64]; 4],
}

/// All but the highest bit and that which tells the cases of letters apart, so that in ASCII no letter is like any digit, blank or stop.
fn six(byte: u8) -> usize {
    usize::from(byte & 0x1F | byte >> 1 & 0x20)
}

impl Default for Prints {
    fn default() -> Self {
        Self { low: [[0; 32]; 4], high: [[0; 32]; 4], six: [[0; 64]; 4] }
    }
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
        self.six[place][six(byte)] |= bit;
    }

    /// Lets a group have any byte at this place.
    pub fn add_any(&mut self, group: u8, place: usize) {
        let bit = 1 << (group & 7);
        self.low[place].iter_mut().for_each(|groups| *groups |= bit);
        self.high[place].iter_mut().for_each(|groups| *groups |= bit);
        self.six[place].iter_mut().for_each(|groups| *groups |= bit);
    }
}

/// 64 places and the three bytes behind them.
pub type Window = [u8; 67];

/// 64 bytes of a text.
pub type Block = [u8; 64];

/// What a processor does with blocks of bytes. In what they give, bit 0 stands for the first byte.
pub trait Operations {
    /// Which bytes equal one.
    fn equal(&self, block: &Block, byte: u8) -> u64;

    /// Which bytes are not ASCII.
    fn beyond_ascii(&self, block: &Block) -> u64;

    /// Which bytes are the digits 0 to 9.
    fn digits(&self, block: &Block) -> u64;

    /// At which places two blocks differ.
    fn differ(&self, one: &Block, other: &Block) -> u64;

    /// At which places a literal may start.
    fn may_start(&self, window: &Window, prints: &Prints) -> u64;

    /// Writes down where the bits of a number are, counted from a base, and gives how many there are: what it writes behind them means nothing.
    fn places(&self, bits: u64, base: u32, out: &mut [u32; 64]) -> usize;
}

/// Work that is done in blocks of bytes.
pub trait Pass {
    /// What it gives.
    type Output;

    /// Does it; to be inlined, so that it is compiled for the processor that the operations are for.
    fn run(self, with: impl Operations) -> Self::Output;
}

/// Gives a text block by block: with each where it begins and which of its bytes are the text's. The last one is filled up.
#[inline(always)]
pub fn blocks(text: &[u8], filler: u8, mut each: impl FnMut(&Block, usize, u64)) {
    let mut last = [filler; 64];
    let mut at = 0;
    // `each` is called in one place only: it is to be inlined there.
    while at < text.len() {
        let rest = &text[at..];
        let (block, valid) = match rest.first_chunk() {
            Some(block) => (block, u64::MAX),
            None => {
                last[..rest.len()].copy_from_slice(rest);
                (&last, u64::MAX >> (64 - rest.len()))
            }
        };
        each(block, at, valid);
        at += 64;
    }
}

/// The operations as closures: unlike methods, those are compiled for what the function around them is.
struct Closures<E, B, G, D, M, P> {
    equal: E,
    beyond_ascii: B,
    digits: G,
    differ: D,
    may_start: M,
    places: P,
}

impl<E, B, G, D, M, P> Operations for Closures<E, B, G, D, M, P>
where
    E: Fn(&Block, u8) -> u64,
    B: Fn(&Block) -> u64,
    G: Fn(&Block) -> u64,
    D: Fn(&Block, &Block) -> u64,
    M: Fn(&Window, &Prints) -> u64,
    P: Fn(u64, u32, &mut [u32; 64]) -> usize,
{
    #[inline(always)]
    fn equal(&self, block: &Block, byte: u8) -> u64 {
        (self.equal)(block, byte)
    }

    #[inline(always)]
    fn beyond_ascii(&self, block: &Block) -> u64 {
        (self.beyond_ascii)(block)
    }

    #[inline(always)]
    fn digits(&self, block: &Block) -> u64 {
        (self.digits)(block)
    }

    #[inline(always)]
    fn differ(&self, one: &Block, other: &Block) -> u64 {
        (self.differ)(one, other)
    }

    #[inline(always)]
    fn may_start(&self, window: &Window, prints: &Prints) -> u64 {
        (self.may_start)(window, prints)
    }

    #[inline(always)]
    fn places(&self, bits: u64, base: u32, out: &mut [u32; 64]) -> usize {
        (self.places)(bits, base, out)
    }
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
    pass.run(Closures {
        equal: equal_plain,
        beyond_ascii: beyond_ascii_plain,
        digits: digits_plain,
        differ: differ_plain,
        may_start: may_start_plain,
        places: places_plain,
    })
}

/// Asks for bytes that will soon be read, so that they are in the processor's caches by then: for what another thread has written. Where the
/// processor cannot be asked, nothing happens. It takes 2 to 3 % off the work on records from Kafka, as `perf` counts it during `bench/`'s `cost`.
#[inline]
pub fn prefetch(bytes: &[u8]) {
    #[cfg(target_arch = "x86_64")]
    x86::prefetch(bytes);
    #[cfg(not(target_arch = "x86_64"))]
    let _ = bytes;
}

/// Eight bytes at a time in ordinary registers.
#[inline(always)]
fn equal_plain(block: &Block, wanted: u8) -> u64 {
    const LOW: u64 = 0x7F7F_7F7F_7F7F_7F7F;
    let (words, _) = block.as_chunks::<8>();
    words.iter().rev().fold(0, |bits, word| {
        let different = u64::from_le_bytes(*word) ^ (u64::from(wanted) * 0x0101_0101_0101_0101);
        let equal = !(((different & LOW) + LOW) | different | LOW);
        bits << 8 | (equal >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56
    })
}

#[inline(always)]
fn beyond_ascii_plain(block: &Block) -> u64 {
    block.iter().rev().fold(0, |bits, byte| bits << 1 | u64::from(byte >> 7))
}

#[inline(always)]
fn differ_plain(one: &Block, other: &Block) -> u64 {
    let pairs = one.iter().zip(other).rev();
    pairs.fold(0, |bits, (one, other)| bits << 1 | u64::from(one != other))
}

#[inline(always)]
fn digits_plain(block: &Block) -> u64 {
    block.iter().rev().fold(0, |bits, byte| bits << 1 | u64::from(byte.is_ascii_digit()))
}

#[inline(always)]
fn places_plain(mut bits: u64, base: u32, out: &mut [u32; 64]) -> usize {
    let count = bits.count_ones() as usize;
    let mut at = 0;
    loop {
        for place in 0..4 {
            out[(at + place) & 63] = base + (bits.trailing_zeros() & 63);
            bits &= bits.wrapping_sub(1);
        }
        at += 4;
        if at >= count {
            return count;
        }
    }
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
    use super::{Block, Closures, Pass, Prints, Window, places_plain};
    use std::arch::is_x86_feature_detected as has;
    use std::arch::x86_64::{
        __m256i, __m512i, _MM_HINT_T0, _mm_prefetch, _mm256_and_si256, _mm256_cmpeq_epi8,
        _mm256_loadu_si256, _mm256_min_epu8, _mm256_movemask_epi8, _mm256_set1_epi8,
        _mm256_setzero_si256, _mm256_shuffle_epi8, _mm256_srli_epi16, _mm256_sub_epi8,
        _mm512_add_epi32, _mm512_and_si512, _mm512_castsi512_si128, _mm512_cmpeq_epi8_mask,
        _mm512_cmple_epu8_mask, _mm512_cmpneq_epi8_mask, _mm512_cvtepu8_epi32,
        _mm512_gf2p8affine_epi64_epi8, _mm512_loadu_si512, _mm512_maskz_compress_epi8,
        _mm512_movepi8_mask, _mm512_permutexvar_epi8, _mm512_set1_epi8, _mm512_set1_epi32,
        _mm512_set1_epi64, _mm512_storeu_si512, _mm512_sub_epi8, _mm512_test_epi8_mask,
    };
    use std::sync::atomic::{AtomicU8, Ordering};

    /// The size of a line of the processor's caches.
    const LINE: usize = 64;

    #[inline]
    pub(super) fn prefetch(bytes: &[u8]) {
        for line in bytes.chunks(LINE) {
            // SAFETY: every x86-64 has SSE; the instruction reads nothing that could be seen, and the address is that of a slice.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(line.as_ptr().cast()) };
        }
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn lane(bytes: &[u8; 32]) -> __m256i {
        // SAFETY: all 32 bytes are there, and this load asks for no alignment. Putting the vector together from numbers
        // instead takes eight instructions.
        unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) }
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn equal(block: &Block, wanted: u8) -> u64 {
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
    fn beyond_ascii(block: &Block) -> u64 {
        let (halves, _) = block.as_chunks::<32>();
        let bits =
            |half: usize| u64::from(_mm256_movemask_epi8(lane(&halves[half])).cast_unsigned());
        bits(0) | bits(1) << 32
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn differ(one: &Block, other: &Block) -> u64 {
        let ((one, _), (other, _)) = (one.as_chunks::<32>(), other.as_chunks::<32>());
        let bits = |half: usize| {
            let equal = _mm256_cmpeq_epi8(lane(&one[half]), lane(&other[half]));
            u64::from(!_mm256_movemask_epi8(equal).cast_unsigned())
        };
        bits(0) | bits(1) << 32
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn digits(block: &Block) -> u64 {
        let (halves, _) = block.as_chunks::<32>();
        let (zero, nine) = (_mm256_set1_epi8(b'0'.cast_signed()), _mm256_set1_epi8(9));
        let bits = |half: usize| {
            let left = _mm256_sub_epi8(lane(&halves[half]), zero);
            let small = _mm256_cmpeq_epi8(_mm256_min_epu8(left, nine), left);
            u64::from(_mm256_movemask_epi8(small).cast_unsigned())
        };
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
    #[target_feature(enable = "avx512f,avx512bw,avx512vbmi,gfni")]
    fn wide_may_start(window: &Window, prints: &Prints) -> u64 {
        // What `six` gives: each byte is the bit of the argument that makes a bit of the result, the lowest one last.
        let matrix = _mm512_set1_epi64(0x0102_0408_1040_0000);
        let mut groups = _mm512_set1_epi8(-1);
        for place in 0..Prints::LEN {
            let Some(bytes) = window[place..].first_chunk() else { continue };
            let six = _mm512_gf2p8affine_epi64_epi8::<0>(wide_lane(bytes), matrix);
            let found = _mm512_permutexvar_epi8(six, wide_lane(&prints.six[place]));
            groups = _mm512_and_si512(groups, found);
        }
        _mm512_test_epi8_mask(groups, groups)
    }

    /// The numbers 0 to 63.
    static NUMBERS: [u8; 64] = {
        let mut numbers = [0; 64];
        let mut at = 0;
        while at < 64 {
            numbers[at] = at as u8;
            at += 1;
        }
        numbers
    };

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vbmi2,popcnt")]
    fn wide_places(bits: u64, base: u32, out: &mut [u32; 64]) -> usize {
        let count = bits.count_ones() as usize;
        if count > 16 {
            return places_plain(bits, base, out);
        }
        let places = _mm512_maskz_compress_epi8(bits, wide_lane(&NUMBERS));
        let places = _mm512_cvtepu8_epi32(_mm512_castsi512_si128(places));
        let places = _mm512_add_epi32(places, _mm512_set1_epi32(base.cast_signed()));
        // SAFETY: the first 16 of 64 numbers, without alignment.
        unsafe { _mm512_storeu_si512(out.as_mut_ptr().cast(), places) };
        count
    }

    #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
    fn with_avx2<P: Pass>(pass: P) -> P::Output {
        pass.run(Closures {
            equal: |block: &Block, byte| equal(block, byte),
            beyond_ascii: |block: &Block| beyond_ascii(block),
            digits: |block: &Block| digits(block),
            differ: |one: &Block, other: &Block| differ(one, other),
            may_start: |window: &Window, prints: &Prints| may_start(window, prints),
            places: places_plain,
        })
    }

    #[target_feature(
        enable = "avx512f,avx512bw,avx512vbmi,avx512vbmi2,gfni,avx2,bmi1,bmi2,lzcnt,popcnt"
    )]
    fn with_avx512<P: Pass>(pass: P) -> P::Output {
        pass.run(Closures {
            equal: |block: &Block, byte: u8| {
                _mm512_cmpeq_epi8_mask(wide_lane(block), _mm512_set1_epi8(byte.cast_signed()))
            },
            beyond_ascii: |block: &Block| _mm512_movepi8_mask(wide_lane(block)),
            digits: |block: &Block| {
                let zero = _mm512_set1_epi8(b'0'.cast_signed());
                let left = _mm512_sub_epi8(wide_lane(block), zero);
                _mm512_cmple_epu8_mask(left, _mm512_set1_epi8(9))
            },
            differ: |one: &Block, other: &Block| {
                _mm512_cmpneq_epi8_mask(wide_lane(one), wide_lane(other))
            },
            may_start: |window: &Window, prints: &Prints| wide_may_start(window, prints),
            places: |bits, base, out: &mut [u32; 64]| wide_places(bits, base, out),
        })
    }

    /// What the processor has, found out once: records are short, and asking for each feature takes as long as some of the work.
    static FOUND: AtomicU8 = AtomicU8::new(0);
    const ASKED: u8 = 1;
    const AVX2: u8 = 2;
    const AVX512: u8 = 4;

    #[inline]
    fn found() -> u8 {
        match FOUND.load(Ordering::Relaxed) {
            0 => ask(),
            found => found,
        }
    }

    #[cold]
    fn ask() -> u8 {
        let avx2 = has!("avx2") && has!("bmi1") && has!("bmi2") && has!("lzcnt") && has!("popcnt");
        let avx512 = has!("avx512bw")
            && has!("avx512f")
            && has!("avx512vbmi")
            && has!("avx512vbmi2")
            && has!("gfni")
            && avx2;
        let found = ASKED | if avx2 { AVX2 } else { 0 } | if avx512 { AVX512 } else { 0 };
        FOUND.store(found, Ordering::Relaxed);
        found
    }

    /// Whether the processor has what [`run_with_avx2`] is compiled for.
    #[inline]
    pub(super) fn has_avx2() -> bool {
        found() & AVX2 != 0
    }

    /// Whether the processor has what [`run_with_avx512`] is compiled for. The first ones with AVX-512 lower their clock for it; those that also
    /// have its byte permutations do not.
    #[inline]
    pub(super) fn has_avx512() -> bool {
        found() & AVX512 != 0
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
        type Output = (u64, u64, u64, Vec<u32>, u64, u64);

        fn run(self, with: impl Operations) -> Self::Output {
            let block = self.0.first_chunk().unwrap();
            let equal = with.equal(block, self.1);
            let mut out = [0; 64];
            let count = with.places(equal, 100, &mut out);
            let places = out[..count].to_vec();
            let starts = with.may_start(self.0, self.2);
            let differ = with.differ(block, self.0.last_chunk().unwrap());
            (equal, with.beyond_ascii(block), starts, places, differ, with.digits(block))
        }
    }

    proptest! {
        #[test]
        fn all_ways_do_what_the_definition_says(
            block in prop::collection::vec(prop_oneof![any::<u8>(), 0x40u8..0x44, 0x2Eu8..0x3C], 67),
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
            let mut ways = vec![run_plain(all), run(all)];
            #[cfg(target_arch = "x86_64")]
            if x86::has_avx2() {
                ways.push(x86::run_with_avx2(all));
            }
            let equal = (0..64).filter(|at| block[*at] == wanted);
            let beyond = (0..64).filter(|at| !block[*at].is_ascii());
            let differ = (0..64).filter(|at| block[*at] != block[*at + 3]);
            let digits = (0..64).filter(|at| block[*at].is_ascii_digit());
            let bits = |places: &mut dyn Iterator<Item = usize>| places.fold(0, |bits, at| bits | 1 << at);
            let starts: Vec<usize> = (0..64)
                .filter(|at| literals.iter().any(|text| block[*at..].starts_with(text)))
                .collect();
            for found in ways {
                prop_assert_eq!(found.0, bits(&mut equal.clone()));
                prop_assert_eq!(found.1, bits(&mut beyond.clone()));
                prop_assert_eq!(found.4, bits(&mut differ.clone()));
                prop_assert_eq!(found.5, bits(&mut digits.clone()));
                prop_assert_eq!(found.3, equal.clone().map(|at| at as u32 + 100).collect::<Vec<_>>());
                for at in &starts {
                    prop_assert!(found.2 >> at & 1 != 0, "place {}", at);
                }
            }
        }
    }
}
