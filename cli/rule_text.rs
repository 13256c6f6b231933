//! Rules as they were understood, for people: modifiers applied, patterns with their wildcards.

use sigmund_sigma::Matcher;
use sigmund_sigma::condition::Condition;
use sigmund_sigma::rule::Selection;
use sigmund_sigma::value::{Anchor, Comparison, DatePart, Pattern, Token};
use sigmund_stream::words::visible;

/// What a value must be.
pub(crate) fn matcher(matcher: &Matcher) -> String {
    match matcher {
        Matcher::Text(text) => pattern(text),
        Matcher::Null => "null or missing".to_owned(),
        Matcher::Exists(true) => "is there".to_owned(),
        Matcher::Exists(false) => "is not there".to_owned(),
        Matcher::Regex(regex) => {
            let mut flags = String::new();
            for (on, flag) in
                [(regex.ignore_case, 'i'), (regex.multi_line, 'm'), (regex.dot_all, 's')]
            {
                if on {
                    flags.push(flag);
                }
            }
            format!("/{}/{flags}", regex.pattern)
        }
        Matcher::Cidr(network) => format!("in {network}"),
        Matcher::Compare(comparison, number) => format!("{} {number}", sign(*comparison)),
        Matcher::FieldRef(field, anchor) => match anchor {
            Anchor::Whole => format!("equals field {field}"),
            Anchor::Start => format!("starts with field {field}"),
            Anchor::End => format!("ends with field {field}"),
            Anchor::Anywhere => format!("contains field {field}"),
        },
        Matcher::DatePart(part, comparison, number) => {
            let part = match part {
                DatePart::Minute => "minute",
                DatePart::Hour => "hour",
                DatePart::Day => "day",
                DatePart::Week => "week",
                DatePart::Month => "month",
                DatePart::Year => "year",
            };
            format!("{part} {} {number}", comparison.map_or("=", sign))
        }
        Matcher::AnyOf(parts) => {
            let parts: Vec<String> = parts.iter().map(self::matcher).collect();
            parts.join(" or ")
        }
    }
}

/// The sign of a comparison.
pub(crate) fn sign(comparison: Comparison) -> &'static str {
    match comparison {
        Comparison::Lt => "<",
        Comparison::Lte => "≤",
        Comparison::Gt => ">",
        Comparison::Gte => "≥",
    }
}

/// With the escapes that Sigma would need.
fn pattern(pattern: &Pattern) -> String {
    let mut text = String::from("'");
    for token in &pattern.tokens {
        match token {
            Token::Literal(literal) => {
                for c in literal.chars() {
                    if matches!(c, '*' | '?') {
                        text.push('\\');
                    }
                    text.push(c);
                }
            }
            Token::Any => text.push('*'),
            Token::One => text.push('?'),
            Token::Dash => text.push_str("[-/–—―]"),
        }
    }
    text.push('\'');
    if pattern.cased {
        text.push_str(" (case-sensitive)");
    }
    text
}

/// A condition with the names of its selections.
pub(crate) fn condition(condition: &Condition, of: &[Selection]) -> String {
    let name = |index: usize| {
        let name = of.get(index).map_or("?", |selection| &*selection.name);
        visible(name, false).into_owned()
    };
    let inner = |part: &Condition| {
        let text = self::condition(part, of);
        match part {
            Condition::And(_) | Condition::Or(_) => format!("({text})"),
            _ => text,
        }
    };
    let joined =
        |parts: &[Condition], word: &str| parts.iter().map(inner).collect::<Vec<_>>().join(word);
    match condition {
        Condition::And(parts) => joined(parts, " and "),
        Condition::Or(parts) => joined(parts, " or "),
        Condition::Not(part) => format!("not {}", inner(part)),
        Condition::Selection(index, _) => name(*index),
        Condition::Of { all, selections, .. } => {
            let names: Vec<String> = selections.iter().copied().map(name).collect();
            format!("{} of [{}]", if *all { "all" } else { "1" }, names.join(", "))
        }
    }
}
