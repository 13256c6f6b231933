//! Values of detection items: as written ([`Scalar`]) and after their modifiers ([`Matcher`]).

use crate::yaml::Style;
use ipnet::IpNet;

/// A YAML scalar as a detection value sees it. Resolution is late and narrow: only `null`/`~`/empty,
/// `true`/`false` and plain decimal numbers without leading zeros are not text.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Scalar {
    /// Text, or anything that is not one of the others (`00000429`, `0x1F`, `yes`, dates …).
    Text(Box<str>),
    /// A number; the canonical text of [`canonical_number`].
    Number(Box<str>),
    /// `true` or `false`.
    Bool(bool),
    /// `null`, `~` or nothing.
    Null,
}

impl Scalar {
    /// What a YAML scalar means as a detection value. Only plain scalars can be other than text.
    ///
    /// ```
    /// use sigmund_sigma::value::Scalar;
    /// use sigmund_sigma::yaml::Style;
    /// assert_eq!(Scalar::resolve("4625".into(), Style::Plain), Scalar::Number("4625".into()));
    /// assert_eq!(Scalar::resolve("00429".into(), Style::Plain), Scalar::Text("00429".into()));
    /// assert_eq!(Scalar::resolve("4625".into(), Style::SingleQuoted), Scalar::Text("4625".into()));
    /// ```
    #[must_use]
    pub fn resolve(text: Box<str>, style: Style) -> Self {
        if style != Style::Plain {
            return Self::Text(text);
        }
        match &*text {
            "" | "~" | "null" | "Null" | "NULL" => Self::Null,
            "true" | "True" | "TRUE" => Self::Bool(true),
            "false" | "False" | "FALSE" => Self::Bool(false),
            written if is_plain_decimal(written) => match canonical_number(written) {
                Some(number) => Self::Number(number),
                None => Self::Text(text),
            },
            _ => Self::Text(text),
        }
    }

    /// What a YAML scalar means where only a number can be meant, as behind `lt` or `hour`: also those that YAML's core schema has beside plain decimals
    /// (YAML 1.2.2, 10.3.2), such as `05`, `.5`, `1e3`, `0x1F` and `0o17`.
    ///
    /// ```
    /// use sigmund_sigma::value::Scalar;
    /// use sigmund_sigma::yaml::Style;
    /// assert_eq!(Scalar::resolve_number("05".into(), Style::Plain), Scalar::Number("5".into()));
    /// assert_eq!(Scalar::resolve_number("0x1F".into(), Style::Plain), Scalar::Number("31".into()));
    /// assert_eq!(Scalar::resolve_number("05".into(), Style::SingleQuoted), Scalar::Text("05".into()));
    /// ```
    #[must_use]
    pub fn resolve_number(text: Box<str>, style: Style) -> Self {
        match Self::resolve(text, style) {
            Self::Text(text) if style == Style::Plain => match core_number(&text) {
                Some(number) => Self::Number(number),
                None => Self::Text(text),
            },
            resolved => resolved,
        }
    }
}

/// The canonical text of a number of YAML's core schema.
fn core_number(text: &str) -> Option<Box<str>> {
    let of_base = |digits: &str, base| {
        let number = u128::from_str_radix(digits, base).ok();
        // It would take a sign.
        number.filter(|_| !digits.starts_with('+')).map(|number| number.to_string().into())
    };
    match (text.strip_prefix("0x"), text.strip_prefix("0o")) {
        (Some(digits), _) => of_base(digits, 16),
        (_, Some(digits)) => of_base(digits, 8),
        _ => canonical_number(text),
    }
}

/// `[+-]digits[.digits]` without leading zeros. Exponents, hexadecimal, `.5` and `5.` stay text:
/// YAML libraries disagree about them.
fn is_plain_decimal(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (whole, fraction) = match unsigned.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (unsigned, None),
    };
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    digits(whole) && (whole == "0" || !whole.starts_with('0')) && fraction.is_none_or(digits)
}

/// A part of a text pattern.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Token {
    /// Literal text, escapes resolved, case as written.
    Literal(Box<str>),
    /// `*`: any number of characters.
    Any,
    /// `?`: exactly one Unicode scalar (choice C15).
    One,
    /// An option dash of `windash`: one of `-` `/` `–` `—` `―` (choice C19).
    Dash,
}

/// A text pattern that is compared with a **whole** value. `contains` is `* literal *`.
///
/// Neighbouring literals are merged, runs of `*` are one [`Token::Any`]; the empty pattern
/// matches the empty text only.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pattern {
    /// In order.
    pub tokens: Box<[Token]>,
    /// Compare case-sensitively. Otherwise by simple Unicode folding (choice C16).
    pub cased: bool,
}

impl Pattern {
    /// What a value without modifiers means: `*` and `?` are wildcards, unless a backslash is before them.
    ///
    /// ```
    /// use sigmund_sigma::{Pattern, Token};
    /// let pattern = Pattern::of_value(r"a\*b*");
    /// assert_eq!(*pattern.tokens, [Token::Literal("a*b".into()), Token::Any]);
    /// ```
    #[must_use]
    pub fn of_value(text: &str) -> Self {
        crate::modifier::pattern(text)
    }
}

/// A regular expression: unanchored search, linear-time engine (choice C14).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Regex {
    /// The pattern as written.
    pub pattern: Box<str>,
    /// Flag `i`.
    pub ignore_case: bool,
    /// Flag `m`: `^` and `$` at line borders.
    pub multi_line: bool,
    /// Flag `s`: `.` matches line breaks.
    pub dot_all: bool,
}

/// `lt`, `lte`, `gt`, `gte`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Comparison {
    /// Less.
    Lt,
    /// Less or equal.
    Lte,
    /// Greater.
    Gt,
    /// Greater or equal.
    Gte,
}

/// Which part of the field must carry the other field's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Anchor {
    /// All of it.
    Whole,
    /// Its start.
    Start,
    /// Its end.
    End,
    /// Any part.
    Anywhere,
}

/// A calendar part of a date text (choice C20).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DatePart {
    /// 0–59.
    Minute,
    /// 0–23.
    Hour,
    /// Day of month, 1–31.
    Day,
    /// ISO 8601 week, 1–53.
    Week,
    /// 1–12.
    Month,
    /// The year.
    Year,
}

/// One value of an item after its modifiers: a test on one field value (or keyword on one scalar).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Matcher {
    /// Text; numbers and booleans of rule and event take part with their canonical text.
    Text(Pattern),
    /// Missing or null (choice C2).
    Null,
    /// The field is present, or not (choice C3).
    Exists(bool),
    /// Regular expression on the text.
    Regex(Regex),
    /// IP address inside the network (choice C22).
    Cidr(IpNet),
    /// Numeric comparison (choice C23) with a canonical number text.
    Compare(Comparison, Box<str>),
    /// Another field's text (choice C18).
    FieldRef(Box<str>, Anchor),
    /// A date part that equals a number or compares with it; `None` is equality.
    DatePart(DatePart, Option<Comparison>, i64),
    /// Any of these; the expansion of one written value (always OR, even under `all`).
    AnyOf(Box<[Matcher]>),
}

/// The canonical text of a decimal number (choice C5): no leading zeros, no `+`, integral values without
/// fraction or exponent, otherwise the shortest plain decimal digits. `None` if `text` is not a decimal number in JSON or
/// YAML core notation. Exact for integers of any length.
///
/// ```
/// use sigmund_sigma::value::canonical_number;
/// assert_eq!(canonical_number("5.0").as_deref(), Some("5"));
/// assert_eq!(canonical_number("-0").as_deref(), Some("0"));
/// assert_eq!(canonical_number("1.50e1").as_deref(), Some("15"));
/// assert_eq!(canonical_number("0.125").as_deref(), Some("0.125"));
/// assert_eq!(canonical_number("18446744073709551615").as_deref(), Some("18446744073709551615"));
/// assert_eq!(canonical_number("0x1F"), None);
/// ```
#[must_use]
pub fn canonical_number(text: &str) -> Option<Box<str>> {
    let (negative, rest) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let (mantissa, exponent) = match rest.find(['e', 'E']) {
        Some(at) => (&rest[..at], rest[at + 1..].parse::<i32>().ok()?),
        None => (rest, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits_only = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty()) || !digits_only(whole) || !digits_only(fraction) {
        return None;
    }
    // 400 covers every finite double; beyond it the text would only grow.
    if exponent.unsigned_abs() > 400 {
        return None;
    }
    let digits = format!("{whole}{fraction}");
    let point = whole.len() as i64 + i64::from(exponent);
    let (mut integral, mut decimals) = if point <= 0 {
        (String::new(), "0".repeat(usize::try_from(-point).ok()?) + &digits)
    } else if let Some((left, right)) = digits.split_at_checked(usize::try_from(point).ok()?) {
        (left.to_owned(), right.to_owned())
    } else {
        let zeros = usize::try_from(point).ok()? - digits.len();
        (digits + &"0".repeat(zeros), String::new())
    };
    integral = integral.trim_start_matches('0').to_owned();
    decimals.truncate(decimals.trim_end_matches('0').len());
    if integral.is_empty() {
        integral.push('0');
    }
    let mut out = String::with_capacity(integral.len() + decimals.len() + 2);
    if negative && (integral != "0" || !decimals.is_empty()) {
        out.push('-');
    }
    out.push_str(&integral);
    if !decimals.is_empty() {
        out.push('.');
        out.push_str(&decimals);
    }
    Some(out.into_boxed_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_scalars_resolve_and_only_narrowly() {
        let resolve = |text: &str| Scalar::resolve(text.into(), Style::Plain);
        for text in [
            "00000429",
            "0x1F",
            "1e10",
            "yes",
            "on",
            "12:30",
            "2024-01-01",
            ".5",
            "5.",
            "1_000",
            "tRue",
        ] {
            assert_eq!(resolve(text), Scalar::Text(text.into()));
        }
        assert_eq!(resolve("-0"), Scalar::Number("0".into()));
        assert_eq!(resolve("+5"), Scalar::Number("5".into()));
        assert_eq!(resolve("1.50"), Scalar::Number("1.5".into()));
        assert_eq!(
            resolve("123456789012345678901234567890"),
            Scalar::Number("123456789012345678901234567890".into())
        );
        assert_eq!(resolve("TRUE"), Scalar::Bool(true));
        assert_eq!(resolve("~"), Scalar::Null);
        assert_eq!(
            Scalar::resolve("null".into(), Style::DoubleQuoted),
            Scalar::Text("null".into())
        );
    }

    #[test]
    fn where_a_number_is_meant_all_of_yaml_are_numbers() {
        let resolve = |text: &str| Scalar::resolve_number(text.into(), Style::Plain);
        for (text, number) in [
            ("010", "10"),
            ("00000429", "429"),
            ("-05", "-5"),
            ("0x1F", "31"),
            ("0o10", "8"),
            ("1e3", "1000"),
            (".5", "0.5"),
            ("5.", "5"),
            ("22", "22"),
        ] {
            assert_eq!(resolve(text), Scalar::Number(number.into()), "{text}");
        }
        for text in ["0x", "0x+1", "0o8", "-0x1", "1_000", "12:30", "ten", ".", "1e"] {
            assert_eq!(resolve(text), Scalar::Text(text.into()));
        }
        assert_eq!(resolve("~"), Scalar::Null);
        assert_eq!(resolve("true"), Scalar::Bool(true));
    }
}
