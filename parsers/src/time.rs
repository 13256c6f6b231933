//! Times as logs write them, to nanoseconds since 1970.
//!
//! Written times are read exactly: no floating point, fractions cut after nine digits. A time without a zone is of
//! the zone that the caller assumes, and marked.

pub(crate) mod syslog;

use jiff::civil::{Date, DateTime};
use jiff::tz::{Offset, TimeZone};

/// A time that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Instant {
    /// Nanoseconds since 1970-01-01T00:00:00Z.
    pub(crate) nanos: i64,
    /// The text named no zone.
    pub(crate) zone_assumed: bool,
}

const SECOND: i64 = 1_000_000_000;

/// Reads a time in any of the ways in which fields of structured logs write it: RFC 3339 and its relatives,
/// seconds, milli-, micro- or nanoseconds since 1970, `/Date(ms)/`, `02/Jan/2006:15:04:05 -0700`,
/// `Mon, 02 Jan 2006 15:04:05 GMT`, `1/2/2006 3:04:05 PM`.
///
/// Without a zone in the text it is UTC if the field is (`utc`), else `zone`. Times before 1971, which stand for "none" (0, 1601), are none.
pub(crate) fn read(text: &str, zone: &TimeZone, utc: bool) -> Option<Instant> {
    let text = text.trim();
    if let Some(inner) = text.strip_prefix("/Date(").and_then(|rest| rest.strip_suffix(")/")) {
        // The offset only tells how to show it.
        let number = inner.split(['+', '-']).next()?;
        return epoch_in(number, SECOND / 1000);
    }
    if let Some(instant) = epoch(text).or_else(|| epoch(&without_exponent(text)?)) {
        return Some(instant);
    }
    let mut rest = Rest(text);
    let (year, month, day) = rest.date()?;
    let clock = rest.clock()?;
    let offset = rest.zone();
    let year = match year {
        Some(year) => year,
        // `Mon Jan  2 15:04:05 2006`
        None => rest.blanks().number(4, 4)?,
    };
    let offset = match offset {
        Zone::None => rest.blanks().zone(),
        offset => offset,
    };
    if !rest.0.trim().is_empty() {
        return None;
    }
    let date = Date::new(i16::try_from(year).ok()?, month, day).ok()?;
    let date = if clock.next_day { date.tomorrow().ok()? } else { date };
    let time = jiff::civil::Time::new(clock.hour, clock.minute, clock.second, clock.nanos).ok()?;
    let civil = DateTime::from_parts(date, time);
    let (timestamp, zone_assumed) = match offset {
        Zone::Offset(seconds) => {
            (Offset::from_seconds(seconds).ok()?.to_timestamp(civil).ok()?, false)
        }
        Zone::None if utc => (Offset::UTC.to_timestamp(civil).ok()?, false),
        // Skipped by the clocks: shifted forward; twice: the earlier.
        Zone::None => (zone.to_ambiguous_timestamp(civil).compatible().ok()?, true),
    };
    let nanos = i64::try_from(timestamp.as_nanosecond()).ok()?;
    is_a_time(nanos).then_some(Instant { nanos, zone_assumed })
}

fn is_a_time(nanos: i64) -> bool {
    nanos >= 31_536_000 * 1_000_000_000
}

/// A number since 1970, its unit by its size.
fn epoch(text: &str) -> Option<Instant> {
    let whole = text.split_once('.').map_or(text, |(whole, _)| whole);
    let unit = match whole.len() {
        // 1973 to 5138.
        9..=11 => SECOND,
        12..=14 => SECOND / 1_000,
        15..=16 => SECOND / 1_000_000,
        17..=19 => 1,
        _ => return None,
    };
    epoch_in(text, unit)
}

/// `1.5e9` as `1500000000`: digit by digit, so that nothing is lost.
fn without_exponent(text: &str) -> Option<String> {
    let (number, exponent) = text.split_at(memchr::memchr2(b'e', b'E', text.as_bytes())?);
    let (whole, fraction) = match number.split_once('.') {
        Some((_, "")) => return None,
        Some(parts) => parts,
        None => (number, ""),
    };
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || number.len() > 40 || !is_number(whole) || !is_number(fraction) {
        return None;
    }
    let exponent: i32 = exponent[1..].parse().ok()?;
    let mut digits = format!("{whole}{fraction}");
    let point = i32::try_from(whole.len()).ok()?.checked_add(exponent)?;
    // No time has more digits.
    let point = usize::try_from(point).ok().filter(|point| *point <= 40)?;
    while digits.len() < point {
        digits.push('0');
    }
    digits.insert(point, '.');
    let plain = digits.trim_start_matches('0');
    Some(plain.trim_end_matches('.').to_owned())
}

fn epoch_in(text: &str, unit: i64) -> Option<Instant> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || whole.len() > 19 || !digits(whole) || !digits(fraction) {
        return None;
    }
    let mut nanos = whole.parse::<i64>().ok()?.checked_mul(unit)?;
    let mut place = unit / 10;
    for digit in fraction.bytes().take(9) {
        nanos = nanos.checked_add(i64::from(digit - b'0') * place)?;
        place /= 10;
    }
    is_a_time(nanos).then_some(Instant { nanos, zone_assumed: false })
}

/// A month by its English name or abbreviation.
pub(crate) fn month(name: &str) -> Option<i8> {
    const MONTHS: [&str; 12] = [
        "january",
        "february",
        "march",
        "april",
        "may",
        "june",
        "july",
        "august",
        "september",
        "october",
        "november",
        "december",
    ];
    let lower = name.to_ascii_lowercase();
    let short = lower.trim_end_matches('.');
    if short.len() < 3 {
        return None;
    }
    let at = MONTHS.iter().position(|month| month.starts_with(short))?;
    i8::try_from(at + 1).ok()
}

struct Clock {
    hour: i8,
    minute: i8,
    second: i8,
    nanos: i32,
    next_day: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Zone {
    None,
    Offset(i32),
}

/// What is still to be read.
struct Rest<'a>(&'a str);

impl<'a> Rest<'a> {
    fn blanks(&mut self) -> &mut Self {
        self.0 = self.0.trim_start();
        self
    }

    fn take(&mut self, letters: &[char]) -> bool {
        match self.0.strip_prefix(letters) {
            Some(rest) => {
                self.0 = rest;
                true
            }
            None => false,
        }
    }

    fn number(&mut self, least: usize, most: usize) -> Option<i32> {
        let length = self.0.bytes().take(most).take_while(u8::is_ascii_digit).count();
        if length < least {
            return None;
        }
        let number = self.0[..length].parse().ok();
        self.0 = &self.0[length..];
        number
    }

    fn word(&mut self) -> &'a str {
        let end = self.0.find(|letter: char| !letter.is_ascii_alphabetic()).unwrap_or(self.0.len());
        let (word, rest) = self.0.split_at(end);
        self.0 = rest;
        word
    }

    /// Year (if it stands here), month and day, and what separates them from the time of day.
    fn date(&mut self) -> Option<(Option<i32>, i8, i8)> {
        let small = |number: i32| i8::try_from(number).ok();
        if self.0.starts_with(|letter: char| letter.is_ascii_alphabetic()) {
            let mut name = self.word();
            // `Mon, 02 Jan 2006`, `Mon Jan  2 15:04:05 2006`
            if month(name).is_none() || matches!(self.0.as_bytes().first(), Some(b',')) {
                self.take(&[',']);
                self.blanks();
                if self.0.starts_with(|letter: char| letter.is_ascii_digit()) {
                    return self.date();
                }
                name = self.word();
            }
            let month = month(name)?;
            let day = small(self.blanks().number(1, 2)?)?;
            self.take(&[',']);
            self.blanks();
            // A year, unless the hour stands here.
            let year = match self.0.as_bytes() {
                [_, _, b':', ..] | [_, b':', ..] => None,
                _ => {
                    let year = self.number(4, 4)?;
                    self.take(&[',']);
                    self.blanks();
                    Some(year)
                }
            };
            return Some((year, month, day));
        }
        let digits = self.0.bytes().take_while(u8::is_ascii_digit).count();
        let parts = match digits {
            // 20060102T150405
            8 => (self.number(4, 4)?, small(self.number(2, 2)?)?, small(self.number(2, 2)?)?),
            4 => {
                let year = self.number(4, 4)?;
                if !self.take(&['-', '/', '.']) {
                    return None;
                }
                let month = small(self.number(1, 2)?)?;
                if !self.take(&['-', '/', '.']) {
                    return None;
                }
                (year, month, small(self.number(1, 2)?)?)
            }
            1 | 2 => {
                let first = small(self.number(1, 2)?)?;
                if !self.take(&['/', '-', ' ', '.']) {
                    return None;
                }
                if self.0.starts_with(|letter: char| letter.is_ascii_alphabetic()) {
                    // 02/Jan/2006, 02 Jan 2006
                    let month = month(self.word())?;
                    if !self.take(&['/', '-', ' ']) {
                        return None;
                    }
                    (self.number(4, 4)?, month, first)
                } else {
                    // 1/2/2006: American order, as Windows writes it.
                    let second = small(self.number(1, 2)?)?;
                    if !self.take(&['/', '-', '.']) {
                        return None;
                    }
                    (self.number(4, 4)?, first, second)
                }
            }
            _ => return None,
        };
        if !self.take(&['T', 't', ':', '_', ',']) && !self.0.starts_with(' ') {
            return None;
        }
        self.blanks();
        Some((Some(parts.0), parts.1, parts.2))
    }

    fn clock(&mut self) -> Option<Clock> {
        let compact = self.0.bytes().take_while(u8::is_ascii_digit).count() >= 6;
        let mut hour = self.number(1, 2)?;
        if !compact && !self.take(&[':']) {
            return None;
        }
        let minute = self.number(2, 2)?;
        let mut second = 0;
        if compact || self.take(&[':']) {
            second = self.number(2, 2)?;
        }
        let mut nanos = 0;
        let fraction = self
            .0
            .strip_prefix(['.', ','])
            .filter(|rest| rest.starts_with(|letter: char| letter.is_ascii_digit()));
        if let Some(rest) = fraction {
            let length = rest.bytes().take_while(u8::is_ascii_digit).count();
            for at in 0..9 {
                let digit = if at < length { i32::from(rest.as_bytes()[at] - b'0') } else { 0 };
                nanos = nanos * 10 + digit;
            }
            self.0 = &rest[length..];
        }
        let half = self.0.trim_start();
        for (name, add) in [("AM", 0), ("PM", 12)] {
            if half.get(..2).is_some_and(|word| word.eq_ignore_ascii_case(name)) {
                if !(1..=12).contains(&hour) {
                    return None;
                }
                hour = hour % 12 + add;
                self.0 = &half[2..];
                break;
            }
        }
        // A leap second is the last nanosecond of the minute.
        if second == 60 {
            (second, nanos) = (59, 999_999_999);
        }
        let next_day = hour == 24 && minute == 0 && second == 0;
        if next_day {
            hour = 0;
        }
        let small = |number: i32| i8::try_from(number).ok();
        Some(Clock {
            hour: small(hour)?,
            minute: small(minute)?,
            second: small(second)?,
            nanos,
            next_day,
        })
    }

    fn zone(&mut self) -> Zone {
        let text = self.0.trim_start();
        for name in ["Z", "UTC", "GMT"] {
            if text.get(..name.len()).is_some_and(|word| word.eq_ignore_ascii_case(name))
                && !text[name.len()..].starts_with(|letter: char| letter.is_ascii_alphanumeric())
            {
                self.0 = &text[name.len()..];
                // `GMT+02:00`
                return match self.zone() {
                    Zone::None => Zone::Offset(0),
                    offset => offset,
                };
            }
        }
        let sign = match text.as_bytes().first() {
            Some(b'+') => 1,
            Some(b'-') => -1,
            _ => return Zone::None,
        };
        let mut rest = Rest(&text[1..]);
        let Some(hours) = rest.number(2, 2) else { return Zone::None };
        rest.take(&[':']);
        let minutes = rest.number(2, 2).unwrap_or(0);
        self.0 = rest.0;
        Zone::Offset(sign * (hours * 3600 + minutes * 60))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn nanos(text: &str) -> Option<(i64, bool)> {
        let zone = TimeZone::fixed(jiff::tz::offset(1));
        read(text, &zone, false).map(|instant| (instant.nanos, instant.zone_assumed))
    }

    #[test]
    fn numbers_may_have_an_exponent() {
        let exactly = Some((1_591_367_999_123_457_123, false));
        for text in ["1.591367999123457123e9", "1591367999123457.123e-6", "15913679991234571.23E+2"]
        {
            assert_eq!(nanos(text), exactly, "{text}");
        }
        assert_eq!(nanos("1.5e12"), Some((1_500_000_000_000_000_000, false)));
        assert_eq!(nanos("1e9"), Some((1_000_000_000_000_000_000, false)));
        for text in ["e9", "1e", "1.e9", ".5e9", "1e99999999999", "1e-3", "-1e9", "1e9e9", "12e999"]
        {
            assert_eq!(nanos(text), None, "{text}");
        }
    }

    #[test]
    fn reads_what_logs_write() {
        let second = 1_600_000_000;
        for text in [
            "2020-09-13T12:26:40Z",
            "2020-09-13 12:26:40 UTC",
            "2020-09-13T14:26:40+02:00",
            "2020-09-13T14:26:40.000000+0200",
            "2020-09-13 05:56:40 -06:30",
            "2020-09-13T12:26:40,000Z",
            "2020/09/13 12:26:40Z",
            "20200913T122640Z",
            "1600000000",
            "1600000000.0",
            "1600000000000",
            "1600000000000000",
            "1600000000000000000",
            "/Date(1600000000000)/",
            "/Date(1600000000000+0200)/",
            "13/Sep/2020:14:26:40 +0200",
            "Sun, 13 Sep 2020 12:26:40 GMT",
            "Sun Sep 13 12:26:40 2020 Z",
            "Sep 13, 2020 12:26:40Z",
            "9/13/2020 12:26:40 PM Z",
        ] {
            assert_eq!(nanos(text), Some((second * 1_000_000_000, false)), "{text}");
        }
        assert_eq!(nanos("2020-09-13 13:26:40"), Some((second * 1_000_000_000, true)));
        assert_eq!(nanos("9/13/2020 1:26:40 PM"), Some((second * 1_000_000_000, true)));
    }

    #[test]
    fn is_exact() {
        assert_eq!(nanos("1600000000.123456789").unwrap().0, 1_600_000_000_123_456_789);
        assert_eq!(nanos("1600000000123.5").unwrap().0, 1_600_000_000_123_500_000);
        assert_eq!(nanos("2020-09-13T12:26:40.1234567891Z").unwrap().0, 1_600_000_000_123_456_789);
        assert_eq!(nanos("2016-12-31T23:59:60Z").unwrap().0, 1_483_228_799_999_999_999);
        assert_eq!(nanos("2020-01-01T24:00:00Z"), nanos("2020-01-02T00:00:00Z"));
    }

    #[test]
    fn refuses_what_is_no_time() {
        for text in [
            "",
            "-",
            "0",
            "12",
            "1601-01-01T00:00:00Z",
            "1970-01-01T00:00:00Z",
            "2020-13-01T00:00:00Z",
            "2020-02-30T00:00:00Z",
            "2020-09-13",
            "2020-09-13T12:26:40X",
            "hello",
            "9999999999999999999",
            "13:00:00",
            "2020-09-13T25:00:00Z",
            "/Date()/",
            "/Date(é)/",
        ] {
            assert_eq!(nanos(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in "\\PC{0,30}|[0-9TZ:+,./ AMPJandSe-]{0,30}") {
            let _ = nanos(&text);
        }
    }
}
