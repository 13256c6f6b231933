//! Exact numbers of aggregates: fixed point with twelve decimals, sums and products in 256 bits.
//!
//! Sums must not depend on the order in which hits came or left, so nothing is ever rounded after a value was read.
//! A value is rounded once, when it is read: to twelve decimals (half away from zero), and beyond ±10^26 to that.

use crate::value::Decimal;
use std::cmp::Ordering;
use std::fmt;

/// Digits after the point.
const DECIMALS: i64 = 12;
/// One, in units.
const ONE: i128 = 1_000_000_000_000;
/// The largest power of ten that is told apart.
const LARGEST: i64 = 26;
/// ±10^26, in units.
const LIMIT: i128 = 100_000_000_000_000_000_000_000_000 * ONE;

/// A number read from a field or a rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fixed(i128);

impl Fixed {
    /// Reads a decimal number as comparisons do (choice C23); `None` for what is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let number = Decimal::parse(text)?;
        let Some(magnitude) = number.magnitude() else {
            return Some(Self(0));
        };
        let sign = if number.is_negative() { -1 } else { 1 };
        if magnitude >= LARGEST {
            return Some(Self(sign * LIMIT));
        }
        let mut units: i128 = 0;
        let mut power = magnitude;
        for digit in number.significant() {
            let digit = i128::from(digit - b'0');
            if power < -DECIMALS {
                units += i128::from(power == -DECIMALS - 1 && digit >= 5);
                power = -DECIMALS - 1;
                break;
            }
            units = units * 10 + digit;
            power -= 1;
        }
        // Zeros between the last digit and the point's last place.
        for _ in -DECIMALS..=power {
            units *= 10;
        }
        Some(Self(sign * units.min(LIMIT)))
    }

    /// A count.
    #[must_use]
    pub fn whole(count: u64) -> Self {
        Self(i128::from(count) * ONE)
    }

    /// In units of 10^-12.
    #[must_use]
    pub fn units(self) -> i128 {
        self.0
    }

    /// From units of 10^-12, if it can have been read.
    pub(crate) fn in_range(units: i128) -> Option<Self> {
        (-LIMIT..=LIMIT).contains(&units).then_some(Self(units))
    }

    /// From units of 10^-12.
    #[must_use]
    pub fn of_units(units: i128) -> Self {
        Self(units)
    }
}

/// 256 bits, two's complement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wide {
    high: i128,
    low: u128,
}

impl Wide {
    /// The same number, wider.
    #[must_use]
    pub fn of(number: i128) -> Self {
        Self { high: if number < 0 { -1 } else { 0 }, low: number.cast_unsigned() }
    }

    /// The sum.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        let (low, carry) = self.low.overflowing_add(other.low);
        Self { high: self.high.wrapping_add(other.high).wrapping_add(i128::from(carry)), low }
    }

    /// The negative.
    #[must_use]
    pub fn negated(self) -> Self {
        let (low, carry) = (!self.low).overflowing_add(1);
        Self { high: (!self.high).wrapping_add(i128::from(carry)), low }
    }

    /// The product of two numbers.
    #[must_use]
    pub fn product(left: i128, right: i128) -> Self {
        const HALF: u128 = u64::MAX as u128;
        let (a, b) = (left.unsigned_abs(), right.unsigned_abs());
        let (a1, a0, b1, b0) = (a >> 64, a & HALF, b >> 64, b & HALF);
        let low = a0 * b0;
        let middle = a1 * b0 + (low >> 64);
        let (middle, carry) = middle.overflowing_add(a0 * b1);
        let high = a1 * b1 + (middle >> 64) + if carry { 1 << 64 } else { 0 };
        let product = Self { high: high.cast_signed(), low: (middle << 64) | (low & HALF) };
        if (left < 0) == (right < 0) { product } else { product.negated() }
    }

    /// As it is kept.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 32] {
        let mut bytes = [0; 32];
        bytes[..16].copy_from_slice(&self.high.to_le_bytes());
        bytes[16..].copy_from_slice(&self.low.to_le_bytes());
        bytes
    }

    /// As it was kept.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; 32]) -> Self {
        let half = |at: usize| -> [u8; 16] { std::array::from_fn(|index| bytes[at + index]) };
        Self { high: i128::from_le_bytes(half(0)), low: u128::from_le_bytes(half(16)) }
    }

    /// Whether it can be the sum of so many values.
    pub(crate) fn is_sum_of(self, count: u64) -> bool {
        let most = Self::product(LIMIT, i128::from(count));
        self <= most && self >= most.negated()
    }

    fn to_f64(self) -> f64 {
        if self.high < 0 {
            return -self.negated().to_f64();
        }
        self.high as f64 * 2_f64.powi(128) + self.low as f64
    }

    fn small(self) -> Option<i128> {
        let low = self.low.cast_signed();
        (Self::of(low) == self).then_some(low)
    }
}

/// What a condition compares: an exact fraction.
#[derive(Clone, Copy, Debug)]
pub struct Measure {
    /// In units.
    numerator: Wide,
    /// More than 0.
    denominator: i128,
}

impl Measure {
    /// A count.
    #[must_use]
    pub fn count(count: u64) -> Self {
        Self::number(Fixed::whole(count))
    }

    /// A value.
    #[must_use]
    pub fn number(number: Fixed) -> Self {
        Self { numerator: Wide::of(number.0), denominator: 1 }
    }

    /// A sum of values in units, divided by a count (1 for the sum itself).
    #[must_use]
    pub fn mean(sum: Wide, count: u64) -> Self {
        Self { numerator: sum, denominator: i128::from(count.max(1)) }
    }

    /// `low + (high - low) · part / whole`.
    #[must_use]
    pub fn between(low: Fixed, high: Fixed, part: i128, whole: i128) -> Self {
        let start = Wide::product(low.0, whole);
        let numerator = start.plus(Wide::product(high.0 - low.0, part));
        Self { numerator, denominator: whole }
    }

    /// In units, if it is no fraction of such.
    pub(crate) fn whole(&self) -> Option<Wide> {
        (self.denominator == 1).then_some(self.numerator)
    }

    /// Exactly.
    #[must_use]
    pub fn compare(&self, threshold: Fixed) -> Ordering {
        self.numerator.cmp(&Wide::product(threshold.0, self.denominator))
    }
}

impl fmt::Display for Measure {
    /// Exact for what is no fraction, otherwise the nearest double.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(units) = self.numerator.small()
            && units % self.denominator == 0
        {
            let units = units / self.denominator;
            let (whole, rest) = (units / ONE, (units % ONE).unsigned_abs());
            if rest == 0 {
                return write!(f, "{whole}");
            }
            let sign = if units < 0 && whole == 0 { "-" } else { "" };
            let digits = format!("{rest:012}");
            return write!(f, "{sign}{whole}.{}", digits.trim_end_matches('0'));
        }
        write!(f, "{}", self.numerator.to_f64() / self.denominator as f64 / ONE as f64)
    }
}

impl PartialEq for Measure {
    fn eq(&self, other: &Self) -> bool {
        // Denominators are small beside numerators; texts are what people and tests see.
        self.numerator == other.numerator && self.denominator == other.denominator
            || self.to_string() == other.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(number: &str) -> String {
        Measure::number(Fixed::parse(number).unwrap()).to_string()
    }

    #[test]
    fn numbers_are_read_to_twelve_decimals() {
        for (written, expected) in [
            ("0", "0"),
            ("-0.5", "-0.5"),
            ("12.25", "12.25"),
            ("1e3", "1000"),
            ("1.0000000000005", "1.000000000001"),
            ("0.00000000000049", "0"),
            ("0.0000000000005", "0.000000000001"),
            ("1e-400", "0"),
            ("1e400", "100000000000000000000000000"),
            ("-1e26", "-100000000000000000000000000"),
            ("99999999999999999999999999.9999999999999", "100000000000000000000000000"),
            ("18446744073709551615", "18446744073709551615"),
        ] {
            assert_eq!(text(written), expected, "{written}");
        }
        assert!(Fixed::parse("inf").is_none() && Fixed::parse("5 MB").is_none());
    }

    #[test]
    fn products_carry() {
        let max = i128::MAX;
        // (2^127 - 1)^2 = 2^254 - 2^128 + 1
        assert_eq!(Wide::product(max, max), Wide { high: (1 << 126) - 1, low: 1 });
        assert_eq!(Wide::product(-3, 5), Wide::of(-15));
        assert_eq!(Wide::product(max, -2), Wide::of(-max).plus(Wide::of(-max)));
        let sum = Wide::of(max).plus(Wide::of(max));
        assert_eq!(sum.plus(Wide::of(-max)), Wide::of(max));
        assert_eq!(Wide::from_bytes(&sum.to_bytes()), sum);
        assert!(Wide::of(-1) < Wide::of(0) && Wide::of(max) < sum);
    }

    #[test]
    fn fractions_compare_exactly() {
        let fixed = |text: &str| Fixed::parse(text).unwrap();
        let third = Measure::mean(Wide::of(fixed("1").0), 3);
        assert_eq!(third.compare(fixed("0.333333333333")), Ordering::Greater);
        assert_eq!(third.compare(fixed("0.333333333334")), Ordering::Less);
        let half_way = Measure::between(fixed("1"), fixed("2"), 1, 2);
        assert_eq!(half_way.compare(fixed("1.5")), Ordering::Equal);
        assert_eq!(half_way.to_string(), "1.5");
        assert_eq!(Measure::count(7).compare(fixed("7")), Ordering::Equal);
    }

    proptest::proptest! {
        #[test]
        fn products_of_small_numbers(a in -1_000_000_000_000_000_000_i128..1_000_000_000_000_000_000, b in -1_000_000_000_000_000_000_i128..1_000_000_000_000_000_000) {
            proptest::prop_assert_eq!(Wide::product(a, b), Wide::of(a * b));
        }
    }
}
