//! Conditions: operators, patterns, selections that nothing uses.

use super::document::{Document, DocumentKind, fix};
use crate::condition::{Condition, fits};
use crate::yaml::Node;
use crate::{Diagnostic, Span};

pub(super) fn check(document: &Document<'_>, found: &mut Vec<Diagnostic>) {
    for condition in document.conditions() {
        operators(condition, found);
    }
    if document.kind == DocumentKind::Filter {
        filter_polarity(document, found);
    }
    let Some(rule) = document.rule else { return };
    let mut used = vec![false; rule.selections.len()];
    for condition in &rule.conditions {
        mark(condition, &mut used, found);
    }
    // Of an aggregation that comes from a template, only the search is seen here.
    if document.templates && rule.silent && document.conditions().is_empty() {
        return;
    }
    for (selection, used) in rule.selections.iter().zip(used) {
        // A pipeline may have taken it out of the condition.
        let name = &*selection.name;
        let finds = |word: &str| {
            let hidden = name.starts_with('_') && !word.starts_with('_');
            word == name || (!hidden && (word == "them" || fits(word, name)))
        };
        let written = || {
            let texts = document.conditions().iter().filter_map(Node::text);
            texts.flat_map(words).any(|(_, word)| finds(word))
        };
        if !used && !written() {
            let message = format!("selection `{}` is never used", selection.name);
            found.push(
                Diagnostic::warning("unused-selection", selection.span, message)
                    .with_help("use it in the condition, or remove it"),
            );
        }
    }
}

/// Words of a condition with their byte offsets.
fn words(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let end = |c: char| c.is_whitespace() || matches!(c, '(' | ')' | '|');
    text.split(end).filter(|word| !word.is_empty()).map(|word| {
        let offset = word.as_ptr() as usize - text.as_ptr() as usize;
        (offset, word)
    })
}

fn operators(node: &Node, found: &mut Vec<Diagnostic>) {
    let text = node.text().unwrap_or_default();
    // Behind the pipe other words count, and fields may be called anything.
    let search = text.split('|').next().unwrap_or_default();
    for (at, word) in words(search) {
        let lower = word.to_ascii_lowercase();
        let operator = matches!(&*lower, "and" | "or" | "not" | "of" | "all" | "any" | "them");
        if operator && word != lower {
            let span = node.sub_span(at, at + word.len());
            let mut finding = Diagnostic::note(
                "capital-operator",
                span,
                format!("operator `{word}` in capitals"),
            )
            .with_note("other Sigma tools refuse it")
            .with_help(format!("write `{lower}`"));
            if span != node.span {
                finding = finding.with_fix(fix("write it in lower case", span, lower, true));
            }
            found.push(finding);
        } else if word == "them" {
            let span = node.sub_span(at, at + word.len());
            let message = "`them` takes in every selection, also those that are added later";
            found.push(
                Diagnostic::note("condition-them", span, message)
                    .with_help("name the selections, e.g. `1 of selection_*`"),
            );
        }
    }
}

fn mark(condition: &Condition, used: &mut [bool], found: &mut Vec<Diagnostic>) {
    match condition {
        Condition::And(members) | Condition::Or(members) => {
            for member in members {
                mark(member, used, found);
            }
        }
        Condition::Not(inner) => mark(inner, used, found),
        Condition::Selection(index, _) => used[*index] = true,
        Condition::Of { pattern, selections, span, all } => {
            for &index in selections {
                used[index] = true;
            }
            if selections.is_empty() {
                let quantifier = if *all { "all" } else { "1" };
                let message = format!("`{quantifier} of {pattern}` finds no selection");
                found.push(
                    Diagnostic::warning("selector-without-match", *span, message)
                        .with_note("it is false; other Sigma tools drop it or refuse the rule")
                        .with_help("correct the pattern, or the name of a selection"),
                );
            }
        }
    }
}

/// A filter's condition must hold for the rule to fire, so that an exclusion has a `not`.
fn filter_polarity(document: &Document<'_>, found: &mut Vec<Diagnostic>) {
    let Some(condition) = document.conditions().first() else { return };
    let Some(text) = condition.text() else { return };
    if words(text).any(|(_, word)| word.eq_ignore_ascii_case("not")) {
        return;
    }
    let span: Span = condition.span;
    found.push(
        Diagnostic::warning("filter-without-not", span, "this filter has no `not`")
            .with_note("rules that it is for report only what its condition holds for")
            .with_help(format!("to exclude what the filter describes, write `not ({text})`")),
    );
}
