//! Literals that every match of a regular expression contains.

use crate::fold::fold_char;
use regex_syntax::hir::{Class, Hir, HirKind};
use sigmund_sigma::value::Regex;

/// Alternatives of which (folded) the folded text of every match contains one; `None` if there is nothing useful.
pub(crate) fn required_literals(regex: &Regex) -> Option<Vec<Box<[u8]>>> {
    let hir = parse(regex)?;
    let best = best(&hir)?;
    let usable = best.iter().all(|literal| literal.len() >= 2) && best.len() <= 32;
    usable.then(|| best.into_iter().map(|text| text.into_bytes().into_boxed_slice()).collect())
}

/// What a regular expression is made of; `None` if it is none.
pub(crate) fn parse(regex: &Regex) -> Option<Hir> {
    regex_syntax::ParserBuilder::new()
        .case_insensitive(regex.ignore_case)
        .multi_line(regex.multi_line)
        .dot_matches_new_line(regex.dot_all)
        .build()
        .parse(&regex.pattern)
        .ok()
}

/// Ranks sets: by their shortest literal, then by how few they are.
fn rank(set: &[String]) -> (usize, usize) {
    (set.iter().map(String::len).min().unwrap_or(0), usize::MAX - set.len())
}

fn best(hir: &Hir) -> Option<Vec<String>> {
    match hir.kind() {
        HirKind::Concat(parts) => {
            let mut found: Option<Vec<String>> = None;
            let mut offer = |set: Vec<String>| {
                if found.as_ref().is_none_or(|known| rank(&set) > rank(known)) {
                    found = Some(set);
                }
            };
            let mut run = String::new();
            for part in parts {
                if let Some(text) = exact(part) {
                    run.push_str(&text);
                    continue;
                }
                if !run.is_empty() {
                    offer(vec![std::mem::take(&mut run)]);
                }
                if let Some(set) = best(part) {
                    offer(set);
                }
            }
            if !run.is_empty() {
                offer(vec![run]);
            }
            found
        }
        HirKind::Alternation(parts) => {
            let mut all = Vec::new();
            for part in parts {
                all.extend(best(part)?);
            }
            Some(all)
        }
        HirKind::Capture(capture) => best(&capture.sub),
        HirKind::Repetition(repetition) if repetition.min > 0 => best(&repetition.sub),
        _ => exact(hir).filter(|text| !text.is_empty()).map(|text| vec![text]),
    }
}

/// The folded text that this part always is.
fn exact(hir: &Hir) -> Option<String> {
    match hir.kind() {
        HirKind::Literal(literal) => {
            Some(std::str::from_utf8(&literal.0).ok()?.chars().map(fold_char).collect())
        }
        // A letter that ignores case is a class of its case variants.
        HirKind::Class(Class::Unicode(class)) => {
            let mut folds =
                class.iter().flat_map(|range| (range.start()..=range.end()).take(5)).map(fold_char);
            let first = folds.next()?;
            let few = class.iter().map(|range| range.len()).sum::<usize>() <= 4;
            (few && folds.all(|fold| fold == first)).then(|| first.to_string())
        }
        HirKind::Capture(capture) => exact(&capture.sub),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pattern: &str, ignore_case: bool) -> Option<Vec<String>> {
        let regex =
            Regex { pattern: pattern.into(), ignore_case, multi_line: false, dot_all: false };
        Some(
            required_literals(&regex)?
                .into_iter()
                .map(|literal| String::from_utf8_lossy(&literal).into_owned())
                .collect(),
        )
    }

    #[test]
    fn the_longest_sure_literal_is_found() {
        assert_eq!(of(r"\d+PowerShell\s+-e", false), Some(vec!["powershell".into()]));
        assert_eq!(of(r"(?i)Invoke-x", false), Some(vec!["invoke-x".into()]));
        assert_eq!(of(r"(abc|defg)\w", false), Some(vec!["abc".into(), "defg".into()]));
        assert_eq!(of(r"(abc|\d)", false), None);
        assert_eq!(of(r"(abc)?x{3}", false), None);
        assert_eq!(of(r"skype", true), Some(vec!["skype".into()]));
    }
}
