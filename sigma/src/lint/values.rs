//! Values of detection items and their modifiers: what matches something else than it seems to.

use super::document::{Document, WrittenItem, fix, rewritten, single_quoted};
use crate::diagnostic::{Edit, Fix};
use crate::modifier::{FOREIGN_NAMES, Modifier, places, take_number};
use crate::value::Scalar;
use crate::yaml::{Kind, Node, Style};
use crate::{Diagnostic, Span};

/// Placeholders that the specification names.
const STANDARD_PLACEHOLDERS: [&str; 5] =
    ["%Administrators%", "%JumpServers%", "%Workstations%", "%Servers%", "%DomainControllers%"];

pub(super) fn check(document: &Document<'_>, found: &mut Vec<Diagnostic>) {
    for (_, selection) in document.selections() {
        exists_and_null(selection, found);
    }
    for item in document.items() {
        key(&item, found);
        list(&item, found);
        for value in item.values() {
            ambiguous_scalar(value, take_number(&item.modifiers), found);
            if item.has(Modifier::Re) {
                regex(value, found);
            } else {
                text(&item, value, found);
            }
        }
        wildcards(&item, found);
    }
}

/// Names of modifiers that Sigma does not have.
fn foreign(key: &Node, found: &mut Vec<Diagnostic>) {
    let Some((field, rest)) = key.text().and_then(|text| text.split_once('|')) else { return };
    let mut start = field.len() + 1;
    for name in rest.split('|') {
        let known = FOREIGN_NAMES.iter().find(|(known, _)| *known == name);
        if let Some((_, modifier)) = known {
            let span = key.sub_span(start, start + name.len());
            let message = format!("only Confluent Sigma knows the modifier `{name}`");
            let mut finding = Diagnostic::note("foreign-modifier", span, message)
                .with_help(format!("write `{modifier}`, which is Sigma's name of it"));
            if span != key.span {
                let message = format!("use `{modifier}`");
                finding = finding.with_fix(fix(&message, span, modifier.to_string(), true));
            }
            found.push(finding);
        }
        start += name.len() + 1;
    }
}

/// The modifiers of an item, each for itself.
fn key(item: &WrittenItem<'_>, found: &mut Vec<Diagnostic>) {
    let Some(key) = item.key else { return };
    foreign(key, found);
    if item.has(Modifier::All) && item.values().len() == 1 {
        let message = "`all` with a single value has no effect";
        let mut finding = Diagnostic::warning("all-with-one-value", key.span, message)
            .with_help("remove `all`, or add the values that are missing");
        if item.field.is_some()
            && let Some(fix) = without_modifier(key, "all")
        {
            finding = finding.with_fix(fix);
        }
        found.push(finding);
    }
    if item.has(Modifier::All) && item.has(Modifier::WinDash) {
        let message = "`windash` with `all`: each value may match with any of its dashes";
        found.push(
            Diagnostic::warning("windash-with-all", key.span, message)
                .with_note("other Sigma tools require all dash variants at once, which never match")
                .with_help("split the item so that `windash` stands without `all`"),
        );
    }
    let wide = [Modifier::Wide, Modifier::Utf16Le, Modifier::Utf16Be, Modifier::Utf16];
    let mut encodings = item
        .modifiers
        .iter()
        .filter(|m| wide.contains(m) || matches!(m, Modifier::Base64 | Modifier::Base64Offset));
    if let Some(last) = encodings.next_back()
        && wide.contains(last)
    {
        let message = format!("`{last}` without `base64` or `base64offset` behind it");
        found.push(
            Diagnostic::warning("encoding-without-base64", key.span, message)
                .with_note("logs hold decoded text, so that UTF-16 bytes are hardly ever found")
                .with_help("add `base64offset|contains`, or remove the encoding"),
        );
    }
}

/// An edit of the key that removes a modifier.
fn without_modifier(key: &Node, name: &str) -> Option<Fix> {
    let text = key.text()?;
    let start = text.match_indices(name).map(|(at, _)| at).find(|&at| {
        let end = text.as_bytes().get(at + name.len());
        at > 0 && text.as_bytes()[at - 1] == b'|' && end.is_none_or(|&byte| byte == b'|')
    })?;
    let span = key.sub_span(start - 1, start + name.len());
    let message = format!("remove `{name}`");
    (span != key.span).then(|| fix(&message, span, "", true))
}

fn list(item: &WrittenItem<'_>, found: &mut Vec<Diagnostic>) {
    let values = item.values();
    if values.len() > 1 {
        for null in values.iter().filter(|value| value.is_null()) {
            let message = "`null` among other values";
            found.push(
                Diagnostic::warning("null-in-list", null.span, message)
                    .with_note("the specification forbids it and tools disagree about it")
                    .with_help("write a selection of its own with `field: null`, linked with `or`"),
            );
        }
    }
    // Texts that differ in case only are the same, unless case counts.
    let fold = !item.has(Modifier::Re) && !item.has(Modifier::Cased);
    let encoded = item.has(Modifier::Base64) || item.has(Modifier::Base64Offset);
    let mut seen: ahash::AHashMap<String, Span> = ahash::AHashMap::new();
    for value in values {
        let Some(text) = value.text() else { continue };
        let folded = if fold && !encoded { text.to_lowercase() } else { text.to_owned() };
        match seen.get(&folded) {
            None => {
                seen.insert(folded, value.span);
            }
            Some(first) => {
                let message = format!("`{text}` is in this list already");
                found.push(
                    Diagnostic::note("duplicate-value", value.span, message)
                        .with_label(*first, "first here")
                        .with_help("remove one of them; matching ignores case"),
                );
            }
        }
    }
}

/// `field|exists: true` and `field: null` in one mapping: that is present and null, which hardly any
/// log has; meant is mostly an alternative.
fn exists_and_null(node: &Node, found: &mut Vec<Diagnostic>) {
    match &node.kind {
        Kind::Scalar(..) => {}
        Kind::Sequence(members) => {
            for member in members {
                exists_and_null(member, found);
            }
        }
        Kind::Mapping(entries) => {
            for (key, _) in entries {
                let Some(field) = key.text().and_then(|text| text.strip_suffix("|exists")) else {
                    continue;
                };
                if let Some((null, value)) = node.entry(field)
                    && value.is_null()
                {
                    let message = format!("`{field}` is asked both to exist and to be null");
                    found.push(
                        Diagnostic::warning("exists-and-null", null.span, message)
                            .with_label(key.span, "exists")
                            .with_note("`null` is true for a missing field as well")
                            .with_help("keep one of them, or link two selections with `or`"),
                    );
                }
            }
        }
    }
}

/// Plain scalars that YAML 1.1 and 1.2, or tools, read differently. They are text here, unless only a number makes sense.
fn ambiguous_scalar(node: &Node, takes_number: bool, found: &mut Vec<Diagnostic>) {
    let Kind::Scalar(text, Style::Plain) = &node.kind else { return };
    let Some(what) = ambiguity(text) else { return };
    let message = format!("Sigma tools disagree about unquoted `{text}`: {what}");
    let warning = Diagnostic::warning("ambiguous-scalar", node.span, message);
    found.push(match Scalar::resolve_number(text.clone(), Style::Plain) {
        Scalar::Number(number) if takes_number => warning
            .with_note(format!("it is taken as {number}"))
            .with_help(format!("write `{number}`"))
            .with_fix(fix("write the number plainly", node.span, number.to_string(), true)),
        _ => warning
            .with_note("it is taken as the text that is written")
            .with_help(format!("quote it: `'{text}'`"))
            .with_fix(fix("quote the value", node.span, single_quoted(text), true)),
    });
}

fn ambiguity(text: &str) -> Option<&'static str> {
    let lower = text.to_ascii_lowercase();
    if matches!(&*lower, "yes" | "no" | "on" | "off") {
        return Some("text or a boolean");
    }
    let unsigned = lower.strip_prefix(['+', '-']).unwrap_or(&lower);
    if matches!(unsigned, ".inf" | ".nan") {
        return Some("text or a number");
    }
    if !unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let radix = |prefix: &str| {
        unsigned
            .strip_prefix(prefix)
            .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_hexdigit()))
    };
    if radix("0x") || radix("0o") || radix("0b") {
        return Some("text or a number");
    }
    if unsigned.len() > 1 && unsigned.starts_with('0') && digits(unsigned) {
        return Some("text, an octal or a decimal number");
    }
    let parts: Vec<&str> = unsigned.split(':').collect();
    if parts.len() > 1 && parts.iter().all(|part| digits(part) && part.len() <= 2) {
        return Some("text or a number of base 60");
    }
    let parts: Vec<&str> = lower.split('-').collect();
    if parts.len() == 3 && parts.iter().all(|part| digits(part)) && parts[0].len() == 4 {
        return Some("text or a date");
    }
    if unsigned.contains('_') && digits(&unsigned.replace('_', "")) {
        return Some("text or a number");
    }
    if let Some((mantissa, exponent)) = unsigned.split_once('e') {
        let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        if digits(&mantissa.replacen('.', "", 1)) && digits(exponent) {
            return Some("text or a number");
        }
    }
    match unsigned.split_once('.') {
        Some((whole, fraction)) if whole.is_empty() != fraction.is_empty() => {
            digits(if whole.is_empty() { fraction } else { whole }).then_some("text or a number")
        }
        _ => None,
    }
}

/// Escapes and wildcards inside one text.
fn text(item: &WrittenItem<'_>, node: &Node, found: &mut Vec<Diagnostic>) {
    let Some(text) = node.text() else { return };
    if item.has(Modifier::Cidr) || item.has(Modifier::FieldRef) {
        return;
    }
    if !item.has(Modifier::Expand) && STANDARD_PLACEHOLDERS.contains(&text) {
        let message = format!("`{text}` is plain text without `expand`");
        let mut finding = Diagnostic::warning("placeholder-without-expand", node.span, message);
        finding = finding.with_help("add the modifier `expand` to the field");
        found.push(finding);
    }
    if let Some(at) = escaped_wildcard_in_path(text) {
        let better = format!("{}\\{}", &text[..at], &text[at..]);
        let mut finding = Diagnostic::warning(
            "escaped-wildcard",
            node.sub_span(at, at + 2),
            "`\\*` is a literal asterisk, not a backslash and a wildcard",
        )
        .with_help("write `\\\\*` for any name in this folder");
        if let Some(replacement) = rewritten(node, &better) {
            finding = finding.with_fix(fix("escape the backslash", node.span, replacement, false));
        }
        found.push(finding);
    }
    let anchored = !item.has(Modifier::Contains) && !item.has(Modifier::EndsWith);
    if anchored && item.field.is_some() && starts_like_unc(text) {
        let better = format!("\\\\{text}");
        let mut finding = Diagnostic::warning(
            "unc-path",
            node.sub_span(0, 2),
            "`\\\\` stands for one backslash, so this is no UNC path",
        )
        .with_help("write four backslashes to match two");
        if let Some(replacement) = rewritten(node, &better) {
            finding =
                finding.with_fix(fix("double the backslashes", node.span, replacement, false));
        }
        found.push(finding);
    }
    if let Some(at) = question_mark_in_url(text) {
        let better = format!("{}\\{}", &text[..at], &text[at..]);
        let mut finding = Diagnostic::note(
            "question-mark-in-url",
            node.sub_span(at, at + 1),
            "`?` stands for any one character",
        )
        .with_help("write `\\?` for a question mark");
        if let Some(replacement) = rewritten(node, &better) {
            finding =
                finding.with_fix(fix("escape the question mark", node.span, replacement, false));
        }
        found.push(finding);
    }
}

/// `C:\Users\*\x`: the offset of a `\*` or `\?` that follows the name of a folder in what is
/// certainly a path (it has a drive letter, an environment variable, or another backslash before).
fn escaped_wildcard_in_path(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let (mut at, mut backslashes) = (0, 0);
    while at < bytes.len() {
        if bytes[at] != b'\\' {
            at += 1;
            continue;
        }
        let run = bytes[at..].iter().take_while(|&&byte| byte == b'\\').count();
        let after = bytes.get(at + run);
        let name_before = at > 0
            && (bytes[at - 1].is_ascii_alphanumeric()
                || matches!(bytes[at - 1], b':' | b')' | b'%'));
        let path = backslashes > 0 || (at > 0 && matches!(bytes[at - 1], b':' | b'%'));
        // What follows must go on like a path, or end.
        let goes_on = bytes.get(at + 2).is_none_or(|&byte| byte == b'\\' || byte == b'.');
        if run == 1 && after == Some(&b'*') && name_before && path && goes_on {
            return Some(at);
        }
        // One that escapes a wildcard is no separator.
        backslashes += run - usize::from(run % 2 == 1 && matches!(after, Some(b'*' | b'?')));
        at += run;
    }
    None
}

/// Exactly two backslashes and a name.
fn starts_like_unc(text: &str) -> bool {
    let Some(rest) = text.strip_prefix("\\\\") else { return false };
    // A host and a share; `\\Device` and the like have one part only.
    rest.starts_with(|c: char| c.is_ascii_alphanumeric()) && rest.contains('\\')
}

/// The `?` of `…/page.php?id=…`.
fn question_mark_in_url(text: &str) -> Option<usize> {
    let at = text.find('?')?;
    let (before, after) = (&text[..at], &text[at + 1..]);
    let escaped = before.ends_with('\\');
    let url = before.contains("://") || before.starts_with('/');
    let query = after.split_once('=').is_some_and(|(name, _)| {
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "_-[].".contains(c))
    });
    (!escaped && url && query).then_some(at)
}

/// `'*x*'` where a modifier would do, and `contains` with wildcards it adds itself.
fn wildcards(item: &WrittenItem<'_>, found: &mut Vec<Diagnostic>) {
    let Some(key) = item.key else { return };
    let texts: Vec<&str> = item.values().iter().filter_map(Node::text).collect();
    if texts.len() != item.values().len() || texts.is_empty() || item.field.is_none() {
        return;
    }
    let anchors = [Modifier::Contains, Modifier::StartsWith, Modifier::EndsWith];
    if item
        .modifiers
        .iter()
        .any(|modifier| !anchors.contains(modifier) && *modifier != Modifier::All)
    {
        return;
    }
    let shapes: Vec<Shape> = texts.iter().map(|text| Shape::of(text)).collect();
    let all_are = |wanted: fn(&Shape) -> bool| shapes.iter().all(wanted);
    if item.modifiers.iter().any(|modifier| anchors.contains(modifier)) {
        let contains = item.has(Modifier::Contains);
        for (value, shape) in item.values().iter().zip(&shapes) {
            let before = shape.before && (contains || item.has(Modifier::EndsWith));
            let after = shape.after && (contains || item.has(Modifier::StartsWith));
            if (before || after) && !shape.only {
                let message = "the modifier adds this wildcard itself";
                found.push(
                    Diagnostic::note("redundant-wildcard", value.span, message)
                        .with_help("remove the wildcard at the end that the modifier opens"),
                );
            }
        }
        return;
    }
    let name = if all_are(|shape| shape.before && shape.after && shape.plain) {
        "contains"
    } else if all_are(|shape| shape.before && !shape.after && shape.plain) {
        "endswith"
    } else if all_are(|shape| !shape.before && shape.after && shape.plain) {
        "startswith"
    } else {
        return;
    };
    let message = format!("the wildcards do what the modifier `{name}` is for");
    let mut finding = Diagnostic::note("wildcard-for-modifier", key.span, message).with_help(
        format!("write `{}|{name}` and the values without `*`", key.text().unwrap_or_default()),
    );
    if let Some(fix) = modifier_for_wildcards(item, key, name, &shapes) {
        finding = finding.with_fix(fix);
    }
    found.push(finding);
}

/// Safe, since the meaning is the same by definition.
fn modifier_for_wildcards(
    item: &WrittenItem<'_>,
    key: &Node,
    name: &str,
    shapes: &[Shape],
) -> Option<Fix> {
    let text = key.text()?;
    let end = key.sub_span(text.len(), text.len());
    if end == key.span || end.start != end.end {
        return None;
    }
    // Before `all`, where people look for it.
    let at = item.field.map_or(text.len(), str::len);
    let insert = key.sub_span(at, at);
    let mut edits = vec![Edit { span: insert, replacement: format!("|{name}") }];
    for (value, shape) in item.values().iter().zip(shapes) {
        let text = value.text()?;
        let inner = &text[usize::from(shape.before)..text.len() - usize::from(shape.after)];
        edits.push(Edit { span: value.span, replacement: rewritten(value, inner)? });
    }
    Some(Fix { message: format!("use `{name}`"), edits, safe: true })
}

/// Where a text has wildcards.
struct Shape {
    /// Starts with `*`.
    before: bool,
    /// Ends with an unescaped `*`.
    after: bool,
    /// No other wildcard, and something that is none.
    plain: bool,
    /// Nothing but wildcards.
    only: bool,
}

impl Shape {
    fn of(text: &str) -> Self {
        let before = text.starts_with('*');
        let stem = text.strip_suffix('*').unwrap_or(text);
        let escapes = stem.len() - stem.trim_end_matches('\\').len();
        let after = text.len() > 1 && stem.len() < text.len() && escapes.is_multiple_of(2);
        let inner = &text[usize::from(before)..];
        let inner = if after { &inner[..inner.len() - 1] } else { inner };
        let (mut wildcard, mut escaped) = (false, false);
        for c in inner.chars() {
            match c {
                '\\' if !escaped => escaped = true,
                '*' | '?' if !escaped => wildcard = true,
                _ => escaped = false,
            }
        }
        let only = text.chars().all(|c| c == '*' || c == '?');
        Self { before, after, plain: !wildcard && !inner.is_empty(), only }
    }
}

/// A regular expression that is in more places at the same time is worth a remark.
const MANY_PLACES: u64 = 1000;

/// Regexes that take long, that are plain texts, or say at their ends that anything may stand there.
fn regex(node: &Node, found: &mut Vec<Diagnostic>) {
    let Some(pattern) = node.text() else { return };
    if let Some(places) = places(pattern)
        && places > MANY_PLACES
    {
        let message =
            format!("one character of a text may take {places} steps in this regular expression");
        let note = "long texts that look like the beginning of a match then take seconds";
        found.push(Diagnostic::note("costly-regex", node.span, message).with_note(note).with_help(
            "use smaller repetition counts and do not nest them; `*` and `+` cost one step",
        ));
    }
    let start = pattern.strip_prefix('^').unwrap_or(pattern);
    let leading = start.starts_with(".*") && !start.starts_with(".*?") && start.len() > 2;
    let end = pattern.strip_suffix('$').unwrap_or(pattern);
    let trailing = end.ends_with(".*") && !end.ends_with("\\.*") && end.len() > 2;
    let inner = start.strip_prefix(".*").unwrap_or(start);
    let inner = inner.strip_suffix('$').unwrap_or(inner);
    let inner = inner.strip_suffix(".*").unwrap_or(inner);
    if !inner.is_empty() && is_literal(inner) {
        let message = "this regular expression is a plain text";
        found.push(
            Diagnostic::note("needless-regex", node.span, message)
                .with_note("texts are faster, and ignore case")
                .with_help(
                    "use `contains`, `startswith` or `endswith`, with `cased` if case counts",
                ),
        );
    } else if leading || trailing {
        let message = "`.*` at the end of a regular expression that is searched for";
        found.push(
            Diagnostic::note("regex-redundant-any", node.span, message)
                .with_help("remove the `.*`: a match may stand anywhere"),
        );
    }
}

/// Letters, digits, blanks and escaped punctuation.
fn is_literal(pattern: &str) -> bool {
    let mut rest = pattern.chars();
    while let Some(c) = rest.next() {
        match c {
            '\\' => match rest.next() {
                Some(escaped) if escaped.is_ascii_punctuation() => {}
                _ => return false,
            },
            '.' | '^' | '$' | '|' | '(' | ')' | '[' | ']' | '{' | '}' | '*' | '+' | '?' => {
                return false;
            }
            _ => {}
        }
    }
    true
}
