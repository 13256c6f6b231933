//! Regular expressions made ready.

use regex_syntax::hir::{Class, HirKind};
use sigmund_sigma::value::Regex;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// A regular expression that tests texts.
#[derive(Debug)]
pub(crate) enum Expression {
    /// Nothing but many characters of one class in a row (`.{1000,}`): counting them needs none of the
    /// thousands of states that an automaton for it has.
    Run { class: Box<[(char, char)]>, least: usize },
    /// Any other.
    General(regex::Regex),
}

/// Shorter runs are left to the general way.
const LONG_RUN: u32 = 64;

impl Expression {
    fn new(regex: &Regex) -> Result<Self, regex::Error> {
        // Also that of a run, for its limits.
        let general = general(regex)?;
        Ok(run(regex).unwrap_or(Self::General(general)))
    }

    /// Whether it matches anywhere in the text.
    pub(crate) fn is_match(&self, text: &str) -> bool {
        match self {
            Self::General(regex) => regex.is_match(text),
            Self::Run { class, least } => {
                let mut length = 0;
                text.len() >= *least
                    && text.chars().any(|character| {
                        let is_in =
                            class.iter().any(|(from, to)| (*from..=*to).contains(&character));
                        length = if is_in { length + 1 } else { 0 };
                        length >= *least
                    })
            }
        }
    }
}

impl Expression {
    /// What its named groups hold where it first matches, in the order of the groups; those that took no part in the match are left out.
    pub(crate) fn named_groups<'t>(&self, text: &'t str) -> Vec<(&str, &'t str)> {
        let Self::General(regex) = self else { return Vec::new() };
        if regex.capture_names().flatten().next().is_none() {
            return Vec::new();
        }
        let Some(captures) = regex.captures(text) else { return Vec::new() };
        let names = regex.capture_names().flatten();
        names.filter_map(|name| Some((name, captures.name(name)?.as_str()))).collect()
    }
}

fn general(regex: &Regex) -> Result<regex::Regex, regex::Error> {
    regex::RegexBuilder::new(&regex.pattern)
        .case_insensitive(regex.ignore_case)
        .multi_line(regex.multi_line)
        .dot_matches_new_line(regex.dot_all)
        .build()
}

fn run(regex: &Regex) -> Option<Expression> {
    let hir = super::required::parse(regex)?;
    let HirKind::Repetition(repetition) = hir.kind() else { return None };
    let HirKind::Class(Class::Unicode(class)) = repetition.sub.kind() else { return None };
    let ranges = class.ranges();
    (repetition.min >= LONG_RUN && ranges.len() <= 8).then(|| Expression::Run {
        class: ranges.iter().map(|range| (range.start(), range.end())).collect(),
        least: repetition.min as usize,
    })
}

/// Compiles a rule's regular expression (choice C14). Each is compiled once per process: the matcher, the
/// plain evaluator and a reloaded rule set share it, with all that it learns from texts.
pub(crate) fn compile(regex: &Regex) -> Result<Arc<Expression>, regex::Error> {
    static COMPILED: Mutex<Option<HashMap<Regex, Arc<Expression>>>> = Mutex::new(None);
    let lock = || COMPILED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = lock().as_ref().and_then(|compiled| compiled.get(regex)) {
        return Ok(Arc::clone(known));
    }
    let made = Arc::new(Expression::new(regex)?);
    lock().get_or_insert_default().insert(regex.clone(), Arc::clone(&made));
    Ok(made)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_named() {
        let named = |pattern: &str, text: &str| {
            let regex = Regex {
                pattern: pattern.into(),
                ignore_case: false,
                multi_line: false,
                dot_all: false,
            };
            let expression = Expression::new(&regex).unwrap();
            let groups = expression.named_groups(text).into_iter();
            groups.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>()
        };
        assert_eq!(named(r"(?<b>\d+)-(x)(?P<a>y)?", "1-x 22-xy"), ["b=1"]);
        assert_eq!(named(r"(?<b>\d+)-(?<a>y|)", "22-y"), ["b=22", "a=y"]);
        assert_eq!(named(r"(?<b>\d+)-(?<a>y|)", "22-"), ["b=22", "a="]);
        assert_eq!(named(r"(?<b>\d+)", "none"), Vec::<String>::new());
        assert_eq!(named(r"(\d+)", "1"), Vec::<String>::new());
        assert_eq!(named(r".{70,}", &"x".repeat(80)), Vec::<String>::new());
        assert_eq!(named(r"(?<all>.{70,})", &"x".repeat(80)).len(), 1);
    }

    #[test]
    fn runs_are_what_the_automaton_finds() {
        for (pattern, dot_all) in [(".{70,}", false), (".{70,}", true), ("[a-cé]{64,90}", false)] {
            let regex =
                Regex { pattern: pattern.into(), ignore_case: false, multi_line: false, dot_all };
            let run = Expression::new(&regex).unwrap();
            assert!(matches!(run, Expression::Run { .. }), "{pattern}");
            let general = Expression::General(general(&regex).unwrap());
            for length in [0, 63, 64, 69, 70, 71, 200] {
                let line = "é".repeat(length);
                let broken = format!("{}\n{}", "a".repeat(length / 2), "b".repeat(length / 2));
                for text in [&line, &broken, &format!("x\n{line}\n")] {
                    assert_eq!(run.is_match(text), general.is_match(text), "{pattern} {text}");
                }
            }
        }
    }
}
