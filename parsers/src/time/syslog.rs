//! The times of syslog headers: every way in which devices write them, and what to do when the year
//! or the zone is not written.
//!
//! Owns the reading of the text ([`read`]), the year rule ([`YearRule`]) and the step to an instant ([`Stamp::instant`]).
//! No clock is read: the reference of the year rule comes from the caller, so replays give the same times everywhere.

use jiff::tz::{AmbiguousOffset, TimeZone};

const SECOND: i64 = 1_000_000_000;
const DAY: i64 = 86_400;
/// How far after the reference a time may be: a day, and one more for zones around New Year.
const AHEAD: i64 = 2 * DAY;

/// A time as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Written {
    /// Date and time of day.
    Civil(Stamp),
    /// Seconds since 1970, in nanoseconds.
    Instant(i64),
}

/// Date and time of day as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// `None` in most RFC 3164 headers.
    pub(crate) year: Option<i32>,
    pub(crate) month: u8,
    pub(crate) day: u8,
    /// Seconds of the day; 86,400 for 24:00:00.
    pub(crate) second: i32,
    pub(crate) nanos: u32,
    /// Seconds east of UTC, if written.
    pub(crate) offset: Option<i32>,
}

impl Stamp {
    /// Seconds since 1970 as if the zone were UTC.
    fn local_seconds(&self, year: i32) -> i64 {
        days_from_civil(year, self.month, self.day) * DAY + i64::from(self.second)
    }

    fn exists_in(&self, year: i32) -> bool {
        self.day <= 28 || self.day <= days_in_month(year, self.month)
    }

    /// Nanoseconds since 1970 in UTC. Without a written offset, `zone` counts: a time that its clocks skip is shifted forward, one they repeat is the earlier.
    pub(crate) fn instant(&self, year: i32, zone: &TimeZone) -> Option<i64> {
        let local = self.local_seconds(year);
        let offset = match self.offset {
            Some(offset) => i64::from(offset),
            None => {
                let whole = jiff::Timestamp::from_second(local).ok()?;
                let civil = jiff::tz::Offset::UTC.to_datetime(whole);
                let offset = match zone.to_ambiguous_timestamp(civil).offset() {
                    AmbiguousOffset::Unambiguous { offset } => offset,
                    // In a gap the offset before it gives the instant after it.
                    AmbiguousOffset::Gap { before, .. } | AmbiguousOffset::Fold { before, .. } => {
                        before
                    }
                };
                i64::from(offset.seconds())
            }
        };
        (local - offset).checked_mul(SECOND)?.checked_add(i64::from(self.nanos))
    }
}

/// Infers years: the one that is nearest to the event before it in the stream, and for the first event the latest that is not
/// after the reference (plus two days). So Dec → Jan begins a year, and reading a record twice gives the same.
#[derive(Clone, Debug)]
pub(crate) struct YearRule {
    reference: i64,
    last: Option<i64>,
}

impl YearRule {
    /// With the stream's reference time in nanoseconds.
    pub(crate) fn new(reference_nanos: i64) -> Self {
        Self { reference: reference_nanos.div_euclid(SECOND), last: None }
    }

    /// The year of a stamp without one; remembers the time.
    pub(crate) fn year(&mut self, stamp: &Stamp) -> i32 {
        let near = self.last.unwrap_or(self.reference);
        let middle = year_of(near);
        // February 29 may be four (eight around 1900) years away.
        let reach = if stamp.month == 2 && stamp.day == 29 { 8 } else { 1 };
        let candidates = (middle - reach..=middle + reach).filter(|year| stamp.exists_in(*year));
        let seconds = |year: &i32| stamp.local_seconds(*year);
        let best = match self.last {
            Some(last) => candidates.min_by_key(|year| (seconds(year) - last).abs()),
            None => candidates
                .filter(|year| seconds(year) <= self.reference + AHEAD)
                .max_by_key(|year| seconds(year)),
        };
        let year = best.unwrap_or(middle);
        self.last = Some(stamp.local_seconds(year));
        year
    }

    /// Remembers a time whose year was written.
    pub(crate) fn saw(&mut self, stamp: &Stamp, year: i32) {
        self.last = Some(stamp.local_seconds(year));
    }
}

/// Reads a time at the beginning of the text; also how many bytes it has.
///
/// Forms: `Jan  2 03:04:05`, with a year before or after, a weekday before, fractions, a zone name after; ISO 8601 with `T` or space, `-`, `/` or `.`
/// between the parts of the date; `20/Jun/2022:13:09:14 +0200`; seconds since 1970 (10 digits, fraction).
pub(crate) fn read(text: &str) -> Option<(Written, usize)> {
    let mut cursor = Cursor { bytes: text.as_bytes(), at: 0 };
    let written = match cursor.bytes.first()? {
        b'0'..=b'9' => match digits_at(cursor.bytes) {
            4 => match cursor.bytes.get(4)? {
                b' ' => cursor.year_month_day(),
                _ => cursor.iso(),
            },
            1 | 2 => cursor.day_month_year(),
            10 => cursor.epoch(),
            13 => cursor.epoch_millis(),
            _ => None,
        },
        _ => cursor.month_day(),
    }?;
    Some((written, cursor.at))
}

struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

fn digits_at(bytes: &[u8]) -> usize {
    bytes.iter().take(20).take_while(|byte| byte.is_ascii_digit()).count()
}

impl Cursor<'_> {
    fn rest(&self) -> &[u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> u8 {
        self.bytes.get(self.at).copied().unwrap_or(0)
    }

    fn take(&mut self, byte: u8) -> Option<()> {
        (self.peek() == byte).then(|| self.at += 1)
    }

    fn spaces(&mut self) {
        while self.peek() == b' ' {
            self.at += 1;
        }
    }

    /// A number of `min..=max` digits, all that are there.
    fn number(&mut self, min: usize, max: usize) -> Option<i32> {
        let count = digits_at(self.rest());
        if count < min || count > max {
            return None;
        }
        self.take_digits(count)
    }

    /// Exactly `count` digits, whatever follows.
    fn take_digits(&mut self, count: usize) -> Option<i32> {
        let digits = self.rest().get(..count)?;
        let mut value = 0i32;
        for digit in digits {
            if !digit.is_ascii_digit() {
                return None;
            }
            value = value.checked_mul(10)?.checked_add(i32::from(digit - b'0'))?;
        }
        self.at += count;
        Some(value)
    }

    /// Digits of a fraction in nanoseconds; those beyond nine are cut.
    fn fraction(&mut self) -> u32 {
        let count = digits_at(self.rest());
        let mut nanos = 0;
        let mut scale = 100_000_000;
        for digit in &self.rest()[..count] {
            nanos += u32::from(digit - b'0') * scale;
            scale /= 10;
        }
        self.at += count;
        nanos
    }

    /// `03:04:05[.678]`.
    fn time(&mut self) -> Option<(i32, u32)> {
        let hour = self.number(1, 2)?;
        self.take(b':')?;
        let minute = self.take_digits(2)?;
        self.take(b':')?;
        let second = self.take_digits(2)?;
        let mut nanos = 0;
        if matches!(self.peek(), b'.' | b',')
            && self.bytes.get(self.at + 1).is_some_and(u8::is_ascii_digit)
        {
            self.at += 1;
            nanos = self.fraction();
        }
        if hour > 24 || minute > 59 || second > 60 || (hour == 24 && (minute, second) != (0, 0)) {
            return None;
        }
        let of_day = hour * 3600 + minute * 60;
        // A leap second has no number of its own.
        Some(if second == 60 { (of_day + 59, 999_999_999) } else { (of_day + second, nanos) })
    }

    /// `Z`, `+02`, `+0200`, `+02:00`, at once.
    fn offset(&mut self) -> Option<i32> {
        let sign = match self.peek() {
            b'Z' | b'z' => {
                self.at += 1;
                return Some(0);
            }
            b'+' => 1,
            b'-' => -1,
            _ => return None,
        };
        let begin = self.at;
        self.at += 1;
        let hours = self.take_digits(2);
        if self.peek() == b':' && digits_at(self.bytes.get(self.at + 1..).unwrap_or_default()) == 2
        {
            self.at += 1;
        }
        let minutes = if digits_at(self.rest()) == 2 { self.take_digits(2) } else { Some(0) };
        match (hours, minutes) {
            (Some(hours), Some(minutes)) if hours <= 24 && minutes <= 59 => {
                Some(sign * (hours * 3600 + minutes * 60))
            }
            _ => {
                self.at = begin;
                None
            }
        }
    }

    /// A zone name after a space. Only UTC and GMT have one meaning (IST is India's, Ireland's and Israel's, CST three continents'); the others are passed over,
    /// and the zone is an assumed one.
    fn zone_name(&mut self) -> Option<i32> {
        const NAMES: &[&str] = &[
            "UTC", "GMT", "EST", "EDT", "CST", "CDT", "MST", "MDT", "PST", "PDT", "CET", "CEST",
            "WET", "WEST", "EET", "EEST", "BST", "IST", "MSK", "JST", "KST", "SGT", "HKT", "AEST",
            "AEDT", "ACST", "AWST", "NZST", "NZDT", "BRT", "ART",
        ];
        let word = self.rest().strip_prefix(b" ")?;
        let length = word.iter().take(6).take_while(|byte| byte.is_ascii_uppercase()).count();
        let name = NAMES.iter().find(|name| name.as_bytes() == &word[..length])?;
        if !matches!(word.get(length), None | Some(b' ' | b':')) {
            return None;
        }
        self.at += 1 + length;
        matches!(*name, "UTC" | "GMT").then_some(0)
    }

    /// A year of four digits after a space, with something that ends it.
    fn year_after(&mut self) -> Option<i32> {
        let word = self.rest().strip_prefix(b" ")?;
        let ends =
            matches!(word.get(4..), None | Some([] | [b' ', ..] | [b':'] | [b':', b' ', ..]));
        if digits_at(word) != 4 || !ends {
            return None;
        }
        let begin = self.at;
        self.at += 1;
        let year = self.take_digits(4)?;
        if (1970..=2200).contains(&year) {
            return Some(year);
        }
        self.at = begin;
        None
    }

    fn stamp(
        &mut self,
        year: Option<i32>,
        month: u8,
        day: i32,
        (second, nanos): (i32, u32),
        offset: Option<i32>,
    ) -> Option<Written> {
        let day = u8::try_from(day).ok()?;
        let longest = year.map_or(29.max(days_in_month(2000, month)), |y| days_in_month(y, month));
        (day >= 1 && day <= longest).then_some(Written::Civil(Stamp {
            year,
            month,
            day,
            second,
            nanos,
            offset,
        }))
    }

    /// `[Mon ]Jan  2 [2020 ]03:04:05[ UTC][ 2020]`.
    fn month_day(&mut self) -> Option<Written> {
        let mut month = self.month();
        if month.is_none() && WEEKDAYS.iter().any(|day| self.rest().starts_with(day.as_bytes())) {
            self.at += 3;
            self.take(b' ')?;
            self.spaces();
            month = self.month();
        }
        let month = month?;
        self.take(b' ')?;
        self.spaces();
        let day = self.number(1, 2)?;
        self.take(b' ')?;
        self.spaces();
        let mut year = None;
        if digits_at(self.rest()) == 4 {
            year = self.take_digits(4);
            self.take(b' ')?;
            self.spaces();
        }
        let time = self.time()?;
        let mut offset = self.offset();
        if offset.is_none() {
            offset = self.zone_name();
        }
        if year.is_none() {
            year = self.year_after();
        }
        self.stamp(year, month, day, time, offset)
    }

    /// `2020 Jan  2 03:04:05`.
    fn year_month_day(&mut self) -> Option<Written> {
        let year = self.take_digits(4)?;
        self.take(b' ')?;
        let month = self.month()?;
        self.take(b' ')?;
        self.spaces();
        let day = self.number(1, 2)?;
        self.take(b' ')?;
        self.spaces();
        let time = self.time()?;
        let offset = self.offset().or_else(|| self.zone_name());
        self.stamp(Some(year), month, day, time, offset)
    }

    /// `2020-01-02T03:04:05.678+02:00` and its kin.
    fn iso(&mut self) -> Option<Written> {
        let year = self.take_digits(4)?;
        let separator = self.peek();
        if !matches!(separator, b'-' | b'/' | b'.') {
            return None;
        }
        self.at += 1;
        let month = u8::try_from(self.number(1, 2)?).ok()?;
        self.take(separator)?;
        let day = self.number(1, 2)?;
        if !matches!(self.peek(), b'T' | b't' | b' ') || !(1..=12).contains(&month) {
            return None;
        }
        self.at += 1;
        let time = self.time()?;
        let mut offset = self.offset();
        // A space before the offset, as in `2020-01-02 03:04:05 +0200`.
        if offset.is_none() && matches!(self.rest(), [b' ', b'+' | b'-', b'0'..=b'9', ..]) {
            self.at += 1;
            offset = self.offset();
            if offset.is_none() {
                self.at -= 1;
            }
        }
        if offset.is_none() {
            offset = self.zone_name();
        }
        self.stamp(Some(year), month, day, time, offset)
    }

    /// `20/Jun/2022:13:09:14 +0200`.
    fn day_month_year(&mut self) -> Option<Written> {
        let day = self.number(1, 2)?;
        let separator = self.peek();
        if !matches!(separator, b'/' | b'-') {
            return None;
        }
        self.at += 1;
        let month = self.month()?;
        self.take(separator)?;
        let year = self.number(4, 4)?;
        if !matches!(self.peek(), b':' | b' ') {
            return None;
        }
        self.at += 1;
        let time = self.time()?;
        if matches!(self.rest(), [b' ', b'+' | b'-', ..]) {
            self.at += 1;
        }
        let offset = self.offset().or_else(|| self.zone_name());
        self.stamp(Some(year), month, day, time, offset)
    }

    /// `1380664922.583851938`.
    fn epoch(&mut self) -> Option<Written> {
        let seconds = i64::from(self.take_digits(10)?);
        let mut nanos = 0;
        if self.peek() == b'.' {
            self.at += 1;
            nanos = self.fraction();
        }
        matches!(self.peek(), 0 | b' ' | b':')
            .then_some(Written::Instant(seconds.checked_mul(SECOND)? + i64::from(nanos)))
    }

    /// `1755176709123`.
    fn epoch_millis(&mut self) -> Option<Written> {
        let seconds = i64::from(self.take_digits(10)?);
        let millis = i64::from(self.take_digits(3)?);
        matches!(self.peek(), 0 | b' ' | b':')
            .then_some(Written::Instant(seconds.checked_mul(SECOND)? + millis * 1_000_000))
    }

    fn month(&mut self) -> Option<u8> {
        let (month, length) = read_month(self.rest())?;
        self.at += length;
        Some(month)
    }
}

const WEEKDAYS: &[&str] = &["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/// Month names that are not the English ones: French, German, Spanish, Italian, Portuguese, Dutch; longer before shorter.
const MONTHS: &[(&str, u8)] = &[
    ("janv.", 1),
    ("janv", 1),
    ("févr.", 2),
    ("févr", 2),
    ("fév", 2),
    ("mars", 3),
    ("avril", 4),
    ("avr.", 4),
    ("avr", 4),
    ("mai", 5),
    ("juin", 6),
    ("juil.", 7),
    ("juil", 7),
    ("août", 8),
    ("aout", 8),
    ("sept.", 9),
    ("sept", 9),
    ("oct.", 10),
    ("nov.", 11),
    ("déc.", 12),
    ("déc", 12),
    ("jän", 1),
    ("mär", 3),
    ("mrz", 3),
    ("okt", 10),
    ("dez", 12),
    ("ene", 1),
    ("abr", 4),
    ("ago", 8),
    ("dic", 12),
    ("gen", 1),
    ("mag", 5),
    ("giu", 6),
    ("lug", 7),
    ("set", 9),
    ("ott", 10),
    ("fev", 2),
    ("out", 10),
    ("mrt", 3),
    ("mei", 5),
];

/// A month name at the beginning and its length in bytes.
fn read_month(bytes: &[u8]) -> Option<(u8, usize)> {
    let lower = |index: usize| bytes.get(index).map(|byte| byte | 0x20);
    let english = match (lower(0)?, lower(1)?, lower(2)?) {
        (b'j', b'a', b'n') => 1,
        (b'f', b'e', b'b') => 2,
        (b'm', b'a', b'r') => 3,
        (b'a', b'p', b'r') => 4,
        (b'm', b'a', b'y') => 5,
        (b'j', b'u', b'n') => 6,
        (b'j', b'u', b'l') => 7,
        (b'a', b'u', b'g') => 8,
        (b's', b'e', b'p') => 9,
        (b'o', b'c', b't') => 10,
        (b'n', b'o', b'v') => 11,
        (b'd', b'e', b'c') => 12,
        _ => 0,
    };
    if english != 0 && matches!(bytes.get(3), Some(b' ' | b'/' | b'-')) {
        return Some((english, 3));
    }
    MONTHS.iter().find_map(|(name, month)| {
        let head = bytes.get(..name.len())?;
        let ends = matches!(bytes.get(name.len()), Some(b' ' | b'/' | b'-'));
        (ends && head.eq_ignore_ascii_case(name.as_bytes())).then_some((*month, name.len()))
    })
}

fn is_leap(year: i32) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_in_month(year: i32, month: u8) -> u8 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if is_leap(year) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Days since 1970-01-01 in the proleptic Gregorian calendar (Howard Hinnant's algorithm).
fn days_from_civil(year: i32, month: u8, day: u8) -> i64 {
    let year = i64::from(year) - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month_from_march = (i64::from(month) + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + i64::from(day) - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

fn year_of(seconds: i64) -> i32 {
    let days = seconds.div_euclid(DAY) + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    // The years of this calendar begin in March.
    let year = era * 400 + year_of_era + i64::from(day_of_year >= 306);
    i32::try_from(year).unwrap_or(1970)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utc(text: &str, reference: &str) -> Option<String> {
        let reference: jiff::Timestamp = reference.parse().unwrap();
        let mut rule = YearRule::new(reference.as_nanosecond() as i64);
        let nanos = match read(text)?.0 {
            Written::Instant(nanos) => nanos,
            Written::Civil(stamp) => {
                let year = stamp.year.unwrap_or_else(|| rule.year(&stamp));
                stamp.instant(year, &TimeZone::UTC)?
            }
        };
        Some(jiff::Timestamp::from_nanosecond(i128::from(nanos)).unwrap().to_string())
    }

    #[test]
    fn every_form_is_read() {
        for (text, expected) in [
            ("Jan  2 03:04:05 host", "2020-01-02T03:04:05Z"),
            ("Jan 02 03:04:05 host", "2020-01-02T03:04:05Z"),
            ("jan 2 2019 03:04:05 host", "2019-01-02T03:04:05Z"),
            ("Jan  2 03:04:05.678 2018 h", "2018-01-02T03:04:05.678Z"),
            ("Jan  2 03:04:05 UTC: %SYS", "2020-01-02T03:04:05Z"),
            ("2020-01-02 03:04:05 GMT", "2020-01-02T03:04:05Z"),
            ("2020-01-02 03:04:05 EST", "2020-01-02T03:04:05Z"),
            ("2020 Jan  2 03:04:05Z", "2020-01-02T03:04:05Z"),
            ("02/Jan/2020:03:04:05 UTC", "2020-01-02T03:04:05Z"),
            ("2019 Jan  2 03:04:05.5 host", "2019-01-02T03:04:05.5Z"),
            ("Thu Jan  2 03:04:05.678 2020 x", "2020-01-02T03:04:05.678Z"),
            ("août 19 11:08:37 nlaptop", "2019-08-19T11:08:37Z"),
            ("2018-08-14T14:30:02.203151+02:00 h", "2018-08-14T12:30:02.203151Z"),
            ("1986-04-26T01:23:45.101+0400 h", "1986-04-25T21:23:45.101Z"),
            ("2019-06-14T10:40:20.912134 h", "2019-06-14T10:40:20.912134Z"),
            ("2020-01-02 03:04:05,678 h", "2020-01-02T03:04:05.678Z"),
            ("2020/01/02 03:04:05 h", "2020-01-02T03:04:05Z"),
            ("20/Jun/2022:13:09:14 +0200 x", "2022-06-20T11:09:14Z"),
            ("1380664922.583851938 x", "2013-10-01T22:02:02.583851938Z"),
            ("1131566461 x", "2005-11-09T20:01:01Z"),
            ("1131566461250 x", "2005-11-09T20:01:01.25Z"),
            ("Dec 31 24:00:00 h", "2020-01-01T00:00:00Z"),
            ("Dec 31 23:59:60 h", "2019-12-31T23:59:59.999999999Z"),
            ("Feb 29 00:00:00 h", "2016-02-29T00:00:00Z"),
        ] {
            assert_eq!(utc(text, "2020-01-02T12:00:00Z").as_deref(), Some(expected), "{text}");
        }
        for text in
            ["", "Jan", "Jan 2", "Jan 32 01:02:03 h", "Jan  2 3:4:5", "12:00:00", "2020", "Ja"]
        {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn the_length_ends_after_year_and_zone() {
        for (text, rest) in [
            ("Aug 14 13:05:09 2025 host x", " host x"),
            ("Apr 15 2014 09:34:34 EDT: %ASA", ": %ASA"),
            ("2014-04-15 09:34:34 EDT host x", " host x"),
            ("Apr 15 09:34:34 EDTX x", " EDTX x"),
            ("Jan  2 03:04:05 2001:db8::1 x", " 2001:db8::1 x"),
        ] {
            let (_, length) = read(text).unwrap();
            assert_eq!(&text[length..], rest);
        }
    }

    #[test]
    fn december_to_january_begins_a_year_and_reading_twice_is_the_same() {
        let at = |text: &str| match read(text).unwrap().0 {
            Written::Civil(stamp) => stamp,
            Written::Instant(_) => unreachable!(),
        };
        let reference: jiff::Timestamp = "2019-12-31T23:59:00Z".parse().unwrap();
        let mut rule = YearRule::new(reference.as_nanosecond() as i64);
        let years: Vec<i32> = [
            "Dec 31 23:58:00 h",
            "Dec 31 23:58:00 h",
            "Jan  1 00:00:01 h",
            "Dec 31 23:59:59 h",
            "Jan  1 00:00:02 h",
            "Jun  1 00:00:02 h",
            "Jun  1 00:00:02 h",
            "Nov 30 00:00:02 h",
            "Jan  3 00:00:02 h",
        ]
        .iter()
        .map(|text| rule.year(&at(text)))
        .collect();
        assert_eq!(years, [2019, 2019, 2020, 2019, 2020, 2020, 2020, 2020, 2021]);
    }

    #[test]
    fn a_first_time_is_at_most_two_days_after_the_reference() {
        assert_eq!(
            utc("Jan  1 00:00:00 h", "2019-12-31T12:00:00Z").as_deref(),
            Some("2020-01-01T00:00:00Z")
        );
        assert_eq!(
            utc("Jan  3 00:00:00 h", "2019-12-31T12:00:00Z").as_deref(),
            Some("2019-01-03T00:00:00Z")
        );
    }

    #[test]
    fn zones_shift_gaps_forward_and_take_the_earlier_of_two() {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let at = |text: &str| match read(text).unwrap().0 {
            Written::Civil(stamp) => {
                let nanos = stamp.instant(2020, &zone).unwrap();
                jiff::Timestamp::from_nanosecond(i128::from(nanos)).unwrap().to_string()
            }
            Written::Instant(_) => unreachable!(),
        };
        assert_eq!(at("Mar 29 02:30:00 h"), "2020-03-29T01:30:00Z");
        assert_eq!(at("Oct 25 02:30:00 h"), "2020-10-25T00:30:00Z");
    }
}
