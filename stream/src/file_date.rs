//! The date in the name of a log file: `auth-20210305.log`, `messages.2021-03-05`.

use jiff::civil::Date;
use jiff::tz::TimeZone;

/// The end of the day that a file's name says, in nanoseconds UTC. What stands in the file happened about then: rotated logs have the day of their
/// rotation, or that of their records.
#[must_use]
pub fn date_in_name(name: &str) -> Option<i64> {
    let bytes = name.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let digits = bytes[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        let found = match digits {
            // With a time behind it or not.
            8 | 10 | 12 | 14 => {
                end_of_day(&name[at..at + 4], &name[at + 4..at + 6], &name[at + 6..at + 8])
            }
            4 => apart(&name[at..]),
            _ => None,
        };
        if found.is_some() {
            return found;
        }
        at += digits.max(1);
    }
    None
}

/// `2021-03-05`, with any of the usual separators.
fn apart(text: &str) -> Option<i64> {
    let separator = text.as_bytes().get(4).filter(|byte| matches!(byte, b'-' | b'_' | b'.'))?;
    let mut parts = text.splitn(3, char::from(*separator));
    let (year, month, rest) = (parts.next()?, parts.next()?, parts.next()?);
    let is_day = rest.bytes().take_while(u8::is_ascii_digit).count() == 2;
    if !is_day { None } else { end_of_day(year, month, rest.get(..2)?) }
}

fn end_of_day(year: &str, month: &str, day: &str) -> Option<i64> {
    let year = year.parse().ok().filter(|year| (1990..2100).contains(year))?;
    let is_two = |part: &&str| part.len() == 2;
    let month = Some(month).filter(is_two)?.parse().ok()?;
    let date = Date::new(year, month, day.parse().ok()?).ok()?.tomorrow().ok()?;
    let end = date.to_zoned(TimeZone::UTC).ok()?.timestamp().as_nanosecond();
    i64::try_from(end).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_in_names() {
        let end = 1_614_988_800_000_000_000;
        for name in [
            "auth-20210305.log",
            "auth.log-20210305",
            "messages.2021-03-05",
            "2021_03_05.log",
            "syslog.2021.03.05.1",
            "conn.2021-03-05-10-00-00.log",
            "app_20210305123000.log",
            "v12-20210305",
            "node4711.20210305.txt",
        ] {
            assert_eq!(date_in_name(name), Some(end), "{name}");
        }
        for name in [
            "",
            "auth.log",
            "auth.log.1",
            "20211305.log",
            "20210230",
            "2021-3-5",
            "2021-03-055",
            "2021-03_05",
            "12345678",
            "192.168.10.01",
            "2021-é3-05",
            "202103051",
        ] {
            assert_eq!(date_in_name(name), None, "{name}");
        }
    }
}
