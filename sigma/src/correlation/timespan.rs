//! `timespan` and the legacy `timeframe`: a number and a unit.

const SECOND: i64 = 1_000_000_000;

/// The units: `s m h d` are the specification's, `w M y` pySigma's. A month is 1/12 of the
/// Gregorian year, as pySigma has it.
const UNITS: [(char, i64); 7] = [
    ('s', 1),
    ('m', 60),
    ('h', 3_600),
    ('d', 86_400),
    ('w', 604_800),
    ('M', 2_629_746),
    ('y', 31_556_952),
];

/// `5m` as nanoseconds.
///
/// # Errors
/// What is wrong, and what to do.
pub fn parse(text: &str) -> Result<i64, (String, String)> {
    let units = || "units are `s`, `m`, `h`, `d`, `w`, `M` (month) and `y`".to_owned();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (count, unit) = text.split_at(digits);
    if count.is_empty() {
        let help = "write a number and a unit, e.g. `5m`".to_owned();
        return Err((format!("`{text}` is not a time span"), help));
    }
    let mut letters = unit.chars();
    let (Some(letter), None) = (letters.next(), letters.next()) else {
        return Err(match unit {
            "" => (
                format!("time span `{text}` has no unit"),
                format!("write `{count}s` for seconds; {}", units()),
            ),
            _ => (
                format!("unknown time unit `{unit}`"),
                format!("write e.g. `{count}{}`; {}", letter_for(unit), units()),
            ),
        });
    };
    let Some(&(_, seconds)) = UNITS.iter().find(|(name, _)| *name == letter) else {
        let near = letter_for(unit);
        return Err((
            format!("unknown time unit `{letter}`"),
            format!("write e.g. `{count}{near}`; {}", units()),
        ));
    };
    let nanoseconds = count
        .parse::<i64>()
        .ok()
        .and_then(|count| count.checked_mul(seconds))
        .and_then(|seconds| seconds.checked_mul(SECOND));
    match nanoseconds {
        Some(0) => Err((
            format!("time span `{text}` is empty"),
            "give a time span longer than zero".to_owned(),
        )),
        Some(nanoseconds) => Ok(nanoseconds),
        None => Err((
            format!("time span `{text}` is too long"),
            "time spans may reach 290 years".to_owned(),
        )),
    }
}

/// Nanoseconds as `5m`, in the largest unit of the specification in which they are a whole number;
/// what was not read from a text may have a fraction of a second.
///
/// ```
/// use sigmund_sigma::correlation::{parse_timespan, write_timespan};
/// assert_eq!(parse_timespan("600s").map(write_timespan).as_deref(), Ok("10m"));
/// assert_eq!(write_timespan(1_500_000_000), "1.5s");
/// ```
#[must_use]
pub fn write(nanoseconds: i64) -> String {
    let (seconds, rest) = (nanoseconds / SECOND, nanoseconds % SECOND);
    if rest != 0 {
        let fraction = format!("{:09}", rest.unsigned_abs());
        return format!("{seconds}.{}s", fraction.trim_end_matches('0'));
    }
    let whole = |(_, length): &&(char, i64)| seconds % length == 0;
    // A day is longer than an hour, an hour longer than a minute.
    let (unit, length) = UNITS[..4].iter().rev().find(whole).copied().unwrap_or(('s', 1));
    format!("{}{unit}", seconds / length)
}

/// The unit somebody meant with `minutes`, `sec` or `H`.
fn letter_for(word: &str) -> char {
    let lower = word.to_lowercase();
    if lower.starts_with("mo") {
        return 'M';
    }
    let first = lower.chars().next().unwrap_or('s');
    if UNITS.iter().any(|(name, _)| *name == first) { first } else { 's' }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_unit() {
        assert_eq!(parse("15s"), Ok(15 * SECOND));
        assert_eq!(parse("5m"), Ok(300 * SECOND));
        assert_eq!(parse("24h"), Ok(86_400 * SECOND));
        assert_eq!(parse("30d"), Ok(30 * 86_400 * SECOND));
        assert_eq!(parse("2w"), Ok(14 * 86_400 * SECOND));
        assert_eq!(parse("1M"), Ok(2_629_746 * SECOND));
        assert_eq!(parse("1y"), Ok(31_556_952 * SECOND));
    }

    #[test]
    fn writes_what_it_reads() {
        for (text, written) in [
            ("15s", "15s"),
            ("60s", "1m"),
            ("90m", "90m"),
            ("24h", "1d"),
            ("1w", "7d"),
            ("1M", "2629746s"),
        ] {
            let nanoseconds = parse(text).unwrap();
            assert_eq!(write(nanoseconds), written);
            assert_eq!(parse(written), Ok(nanoseconds));
        }
    }

    #[test]
    fn says_what_is_wrong() {
        assert_eq!(parse("300").unwrap_err().0, "time span `300` has no unit");
        assert!(parse("300").unwrap_err().1.starts_with("write `300s`"));
        assert_eq!(parse("5x").unwrap_err().0, "unknown time unit `x`");
        assert!(parse("5 minutes").unwrap_err().1.contains('`'));
        assert!(parse("5min").unwrap_err().1.starts_with("write e.g. `5m`"));
        assert!(parse("5H").unwrap_err().1.starts_with("write e.g. `5h`"));
        assert!(parse("m").is_err() && parse("").is_err() && parse("0m").is_err());
        assert!(parse("99999999999y").is_err() && parse("99999999999999999999s").is_err());
    }
}
