//! The values of an event: what JSON can say, with numbers exact.

use jiff::civil::Date;
use sigmund_sigma::value::DatePart;
pub use smol_str::SmolStr;
use std::borrow::Cow;
use std::cmp::Ordering;

/// A value. Numbers keep their written text, so that integers of any size stay exact. Names and texts up to 23 bytes, which are most, need no
/// allocation of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// JSON `null`, an unset Zeek column.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number as written.
    Number(SmolStr),
    /// Text; bytes that were not UTF-8 are U+FFFD here, the raw record keeps them.
    Text(SmolStr),
    /// A list.
    Array(Vec<Value>),
    /// Named members.
    Object(Object),
}

/// Named members in written order. A name may occur twice: the last one counts in look-ups, all are
/// searched by keywords.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Object(pub Vec<(SmolStr, Value)>);

impl Object {
    /// The last member of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().rev().find(|(key, _)| &**key == name).map(|(_, value)| value)
    }

    /// Adds a member.
    pub fn push(&mut self, name: impl Into<SmolStr>, value: Value) {
        self.0.push((name.into(), value));
    }
}

impl Value {
    /// Text from anything that makes a string.
    #[must_use]
    pub fn text(text: impl Into<SmolStr>) -> Self {
        Self::Text(text.into())
    }

    /// The text that comparisons see: numbers canonical (choice C5), booleans `true`/`false`;
    /// `None` for null, lists and objects.
    #[must_use]
    pub fn comparable(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Text(text) => Some(Cow::Borrowed(text)),
            Self::Bool(true) => Some(Cow::Borrowed("true")),
            Self::Bool(false) => Some(Cow::Borrowed("false")),
            Self::Number(text) => Some(number_text(text)),
            Self::Null | Self::Array(_) | Self::Object(_) => None,
        }
    }
}

/// Bytes as text; what is no UTF-8 in them is replaced. `from_utf8_lossy` alone goes from character to character where all is well, too.
#[must_use]
pub fn lossy(bytes: &[u8]) -> Cow<'_, str> {
    std::str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed)
}

/// Canonical text of a number as written in JSON; plain integers, the usual case, are not copied.
#[must_use]
pub fn number_text(text: &str) -> Cow<'_, str> {
    let digits = text.strip_prefix('-').unwrap_or(text).as_bytes();
    let plain = match digits {
        [b'0'] => digits.len() == text.len(),
        [b'1'..=b'9', rest @ ..] => rest.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    if plain {
        return Cow::Borrowed(text);
    }
    match sigmund_sigma::value::canonical_number(text) {
        Some(text) => Cow::Owned(text.into_string()),
        None => Cow::Borrowed(text),
    }
}

/// A decimal number taken apart, without its value ever being computed: exact for any number of digits and any exponent.
#[derive(Clone, Copy, Debug)]
pub struct Decimal<'a> {
    negative: bool,
    /// Digits before and after the point, without leading zeros (of the whole) and trailing ones (of the fraction).
    whole: &'a [u8],
    fraction: &'a [u8],
    exponent: i64,
}

impl<'a> Decimal<'a> {
    /// Reads `[+-]digits[.digits][e[+-]digits]` with surrounding blanks (choice C23); no hex, no `inf`.
    ///
    /// ```
    /// use sigmund_engine::value::Decimal;
    /// assert!(Decimal::parse(" +1.50e3 ").is_some());
    /// assert!(Decimal::parse("0x10").is_none());
    /// assert!(Decimal::parse("5 MB").is_none());
    /// ```
    #[must_use]
    pub fn parse(text: &'a str) -> Option<Self> {
        let text = text.trim_matches([' ', '\t']).as_bytes();
        let (negative, text) = match text {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            _ => (false, text),
        };
        let (whole, rest) = digits(text)?;
        let (fraction, rest) = match rest {
            [b'.', rest @ ..] => digits(rest)?,
            _ => (&[][..], rest),
        };
        let exponent = match rest {
            [] => 0,
            [b'e' | b'E', b'-', rest @ ..] => -exponent(rest)?,
            [b'e' | b'E', b'+', rest @ ..] | [b'e' | b'E', rest @ ..] => exponent(rest)?,
            _ => return None,
        };
        let leading = whole.iter().take_while(|&&digit| digit == b'0').count();
        let trailing = fraction.iter().rev().take_while(|&&digit| digit == b'0').count();
        Some(Self {
            negative,
            whole: &whole[leading..],
            fraction: &fraction[..fraction.len() - trailing],
            exponent,
        })
    }

    /// Whether it is written with a minus.
    pub(crate) fn is_negative(&self) -> bool {
        self.negative
    }

    /// The digits that count, most significant first.
    pub(crate) fn significant(&self) -> impl Iterator<Item = u8> + '_ {
        self.whole.iter().chain(self.fraction).copied().skip_while(|&digit| digit == b'0')
    }

    /// The power of ten of the first significant digit; `None` for zero.
    pub(crate) fn magnitude(&self) -> Option<i64> {
        let place = if self.whole.is_empty() {
            -1 - self.fraction.iter().position(|&digit| digit != b'0')? as i64
        } else {
            self.whole.len() as i64 - 1
        };
        Some(place.saturating_add(self.exponent))
    }
}

impl PartialEq for Decimal<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Decimal<'_> {}

impl PartialOrd for Decimal<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Decimal<'_> {
    /// By value: `5.0` equals `5`, `-0` equals `0`.
    fn cmp(&self, other: &Self) -> Ordering {
        let sign = |number: &Self, magnitude: Option<i64>| match magnitude {
            None => 0,
            Some(_) if number.negative => -1,
            Some(_) => 1,
        };
        let (mine, theirs) = (self.magnitude(), other.magnitude());
        let (my_sign, their_sign) = (sign(self, mine), sign(other, theirs));
        if my_sign != their_sign || my_sign == 0 {
            return my_sign.cmp(&their_sign);
        }
        let absolute = mine.cmp(&theirs).then_with(|| compare_digits(self, other));
        if my_sign < 0 { absolute.reverse() } else { absolute }
    }
}

/// Digit by digit, the shorter one continued with zeros.
fn compare_digits(left: &Decimal<'_>, right: &Decimal<'_>) -> Ordering {
    let (mut left, mut right) = (left.significant(), right.significant());
    loop {
        match (left.next(), right.next()) {
            (None, None) => return Ordering::Equal,
            (left, right) => {
                let order = left.unwrap_or(b'0').cmp(&right.unwrap_or(b'0'));
                if order.is_ne() {
                    return order;
                }
            }
        }
    }
}

/// At least one digit, and what follows.
fn digits(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    (end > 0).then(|| text.split_at(end))
}

/// An exponent; the absurdly large are cut, which keeps their order against anything else.
fn exponent(text: &[u8]) -> Option<i64> {
    let (digits, rest) = digits(text)?;
    if !rest.is_empty() {
        return None;
    }
    let value = digits.iter().fold(0_i64, |value, digit| {
        value.saturating_mul(10).saturating_add(i64::from(digit - b'0'))
    });
    Some(value.min(i64::MAX / 4))
}

/// A part of the date that a text starts with (choice C20): `YYYY-MM-DD`, then for the time of day `T` or
/// blank and `HH:MM`. Read as it stands, without zone conversion; `None` if it is not such a text or no such day exists.
///
/// ```
/// use sigmund_engine::value::date_part;
/// use sigmund_sigma::value::DatePart;
/// assert_eq!(date_part("2019-03-02 08:51:00.008", DatePart::Hour), Some(8));
/// assert_eq!(date_part("2024-12-31", DatePart::Week), Some(1));
/// assert_eq!(date_part("2024-12-31", DatePart::Hour), None);
/// ```
#[must_use]
pub fn date_part(text: &str, part: DatePart) -> Option<i64> {
    let text = text.as_bytes();
    let number = |at: std::ops::Range<usize>| {
        text.get(at)?.iter().try_fold(0_i16, |value, byte| {
            byte.is_ascii_digit().then(|| value * 10 + i16::from(byte - b'0'))
        })
    };
    let two = |at: usize| number(at..at + 2).and_then(|value| i8::try_from(value).ok());
    if text.get(4) != Some(&b'-') || text.get(7) != Some(&b'-') {
        return None;
    }
    let date = Date::new(number(0..4)?, two(5)?, two(8)?).ok()?;
    let time = || {
        let separated =
            matches!(text.get(10), Some(b'T' | b't' | b' ')) && text.get(13) == Some(&b':');
        let (hour, minute) = (two(11)?, two(14)?);
        (separated && hour < 24 && minute < 60).then_some((hour, minute))
    };
    Some(i64::from(match part {
        DatePart::Year => date.year(),
        DatePart::Month => date.month().into(),
        DatePart::Day => date.day().into(),
        DatePart::Week => date.iso_week_date().week().into(),
        DatePart::Hour => time()?.0.into(),
        DatePart::Minute => time()?.1.into(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(left: &str, right: &str) -> Ordering {
        Decimal::parse(left).unwrap().cmp(&Decimal::parse(right).unwrap())
    }

    #[test]
    fn decimals_compare_exactly() {
        use Ordering::{Equal, Greater, Less};
        for (left, right, expected) in [
            ("9", "10", Less),
            ("10", "9.99", Greater),
            ("18446744073709551615", "18446744073709551614", Greater),
            ("9007199254740993", "9007199254740992.0", Greater),
            ("-2", "-1", Less),
            ("-1", "0", Less),
            ("-0", "0", Equal),
            ("5.0", "5", Equal),
            ("005", "5", Equal),
            ("1.51", "1.5", Greater),
            ("1e3", "1000", Equal),
            ("0.001", "1e-3", Equal),
            ("1e-400", "0", Greater),
            ("-1e-400", "0", Less),
            ("1e999999999999999999999", "1e999999999", Greater),
            ("0e999999999999999999999", "0", Equal),
            ("0.05", "0.5", Less),
            (" +7 ", "7", Equal),
        ] {
            assert_eq!(order(left, right), expected, "{left} {right}");
            assert_eq!(order(right, left), expected.reverse(), "{right} {left}");
        }
    }

    #[test]
    fn what_is_no_number() {
        for text in [
            "", " ", "abc", "0x5", "5 MB", "1.", ".5", "1e", "1e+", "--1", "+", "inf", "NaN",
            "1_000", "٣",
        ] {
            assert!(Decimal::parse(text).is_none(), "{text:?}");
        }
    }

    #[test]
    fn date_parts() {
        use DatePart::{Day, Hour, Minute, Month, Week, Year};
        let text = "2025-03-15T22:07:30+05:00";
        for (part, value) in
            [(Year, 2025), (Month, 3), (Day, 15), (Week, 11), (Hour, 22), (Minute, 7)]
        {
            assert_eq!(date_part(text, part), Some(value), "{part:?}");
        }
        assert_eq!(date_part("2023-01-01", Week), Some(52));
        assert_eq!(date_part("2020-12-31 00:00", Week), Some(53));
        for text in [
            "",
            "2025",
            "2025-02-30",
            "2025-13-01T00:00",
            "1742076450",
            "2025/03/15",
            "２025-01-01",
        ] {
            assert_eq!(date_part(text, Day), None, "{text:?}");
        }
        for text in [
            "2025-03-15",
            "2025-03-15X22:07",
            "2025-03-15T24:07",
            "2025-03-15T2:07",
            "2025-03-15T22",
        ] {
            assert_eq!(date_part(text, Hour), None, "{text:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn decimals_order_like_doubles_where_those_are_exact(left in -1_000_000_i64..1_000_000, right in -1_000_000_i64..1_000_000) {
            let text = |value: i64| format!("{}", value as f64 / 1024.0);
            proptest::prop_assert_eq!(order(&text(left), &text(right)), left.cmp(&right));
        }
    }
}
