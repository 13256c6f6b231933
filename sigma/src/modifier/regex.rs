//! Checks of regular expressions at load (semantics section 5, choice C14).

use regex_syntax::hir::{Hir, HirKind};
use regex_syntax::{Error, ParserBuilder, ast};

/// Automaton states, roughly, that one expression may need. With some 24 bytes each this stays
/// below the regex crate's default limit of 10 MiB.
const SIZE_LIMIT: u64 = 300_000;

/// Why an expression is refused: a message and a help line.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) message: String,
    pub(super) help: String,
}

/// Checks an expression as the engine will compile it.
pub(super) fn check(
    pattern: &str,
    ignore_case: bool,
    multi_line: bool,
    dot_all: bool,
) -> Result<(), Refusal> {
    let parsed = ParserBuilder::new()
        .case_insensitive(ignore_case)
        .multi_line(multi_line)
        .dot_matches_new_line(dot_all)
        .build()
        .parse(pattern);
    match parsed {
        Ok(hir) if size(&hir) > SIZE_LIMIT => Err(Refusal {
            message: "the regular expression is too large".to_owned(),
            help: "use smaller repetition counts".to_owned(),
        }),
        Ok(_) => Ok(()),
        Err(error) => Err(refusal(pattern, &error)),
    }
}

fn refusal(pattern: &str, error: &Error) -> Refusal {
    let (reason, span) = match error {
        Error::Parse(error) => {
            use ast::ErrorKind::{UnsupportedBackreference, UnsupportedLookAround};
            let unsupported = match error.kind() {
                UnsupportedLookAround => Some((
                    "look-around",
                    "write what must not match as a second selection and exclude it in the \
                     condition: `selection and not filter`",
                )),
                UnsupportedBackreference => Some((
                    "a backreference",
                    "spell the alternatives out, or compare with `fieldref`",
                )),
                _ => None,
            };
            if let Some((what, help)) = unsupported {
                return Refusal {
                    message: format!(
                        "{what} is not possible: matching takes time linear in the text"
                    ),
                    help: help.to_owned(),
                };
            }
            (error.kind().to_string(), *error.span())
        }
        Error::Translate(error) => (error.kind().to_string(), *error.span()),
        other => return Refusal { message: other.to_string(), help: String::new() },
    };
    let place = pattern.get(span.start.offset..span.end.offset).unwrap_or("");
    let at = if place.is_empty() { String::new() } else { format!(" at `{place}`") };
    Refusal {
        message: format!("invalid regular expression: {reason}{at}"),
        help: "characters such as ( [ { \\ are written \\( \\[ \\{ \\\\ where they are meant literally"
            .to_owned(),
    }
}

/// An estimate of the automaton: repetitions multiply.
fn size(hir: &Hir) -> u64 {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => 1,
        HirKind::Literal(literal) => literal.0.len() as u64,
        HirKind::Class(class) => match class {
            regex_syntax::hir::Class::Unicode(class) => 10 + class.ranges().len() as u64,
            regex_syntax::hir::Class::Bytes(_) => 1,
        },
        HirKind::Repetition(repetition) => {
            let times = u64::from(repetition.max.unwrap_or(repetition.min).max(1));
            size(&repetition.sub).saturating_mul(times)
        }
        HirKind::Capture(capture) => size(&capture.sub),
        HirKind::Concat(members) | HirKind::Alternation(members) => {
            members.iter().map(size).fold(0, u64::saturating_add)
        }
    }
}

/// In how many places of itself an expression may be at the same time while a text is searched, at most: so many steps may one character
/// take. `None` if it is no expression, or one that is refused.
pub(crate) fn places(pattern: &str) -> Option<u64> {
    fn of(hir: &Hir) -> u64 {
        match hir.kind() {
            HirKind::Empty | HirKind::Look(_) => 0,
            HirKind::Literal(literal) => literal.0.len() as u64,
            HirKind::Class(_) => 1,
            HirKind::Repetition(repetition) => {
                let times = u64::from(repetition.max.unwrap_or(repetition.min).max(1));
                of(&repetition.sub).saturating_mul(times)
            }
            HirKind::Capture(capture) => of(&capture.sub),
            HirKind::Concat(members) | HirKind::Alternation(members) => {
                members.iter().map(of).fold(0, u64::saturating_add)
            }
        }
    }
    let hir = ParserBuilder::new().build().parse(pattern).ok()?;
    (size(&hir) <= SIZE_LIMIT).then(|| of(&hir))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(pattern: &str) -> String {
        check(pattern, false, false, false).expect_err(pattern).message
    }

    #[test]
    fn good_expressions() {
        for pattern in ["", r"(?i)a\d+?\b", r"^\\\\[^\\]+\\", "\\p{Cyrillic}", "a{2,300}"] {
            assert_eq!(check(pattern, true, true, true), Ok(()));
        }
    }

    #[test]
    fn places_multiply_where_repetitions_are_nested() {
        let cases = [
            ("", Some(0)),
            ("^abc$", Some(3)),
            (r"\w+[a-z]*x", Some(3)),
            ("a{2,300}|b{7}", Some(307)),
            ("(?i)(a{1,200}){1,20}b", Some(4001)),
            (".{1000,}", Some(1000)),
            ("(", None),
            ("((\\w{1000}){1000}){1000}", None),
        ];
        for (pattern, expected) in cases {
            assert_eq!(places(pattern), expected, "{pattern}");
        }
    }

    #[test]
    fn bad_expressions_are_explained() {
        assert!(message("(unclosed").contains("unclosed group"));
        assert!(message("a(?=b)").contains("look-around"));
        assert!(message("(a)\\1").contains("backreference"));
        assert!(message("((\\w{1000}){1000}){1000}").contains("too large"));
        assert!(message(&"(".repeat(100_000)).contains("regular expression"));
    }
}
