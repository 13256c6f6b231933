//! Title, id, dates, tags and so on (specification "Rule attributes"; SigmaHQ conventions).

use super::document::{Document, DocumentKind, fix};
use crate::suggestion::nearest;
use crate::yaml::{Kind, Node};
use crate::{Diagnostic, metadata};

/// Attributes of all kinds of documents.
const KEYS: [&str; 26] = [
    "title",
    "id",
    "name",
    "related",
    "taxonomy",
    "status",
    "description",
    "license",
    "author",
    "references",
    "date",
    "modified",
    "logsource",
    "detection",
    "correlation",
    "filter",
    "fields",
    "falsepositives",
    "level",
    "tags",
    "scope",
    "generate",
    "action",
    "simulation",
    "regression_tests_path",
    "kafka",
];

/// What Confluent Sigma reads in its `kafka` section.
const KAFKA_KEYS: [&str; 2] = ["outputTopic", "customFields"];

const TAG_NAMESPACES: [&str; 7] = ["attack", "car", "cve", "d3fend", "detection", "stp", "tlp"];

const RELATED_TYPES: [&str; 6] =
    ["derived", "obsolete", "merged", "renamed", "similar", "correlation"];

pub(super) fn check(document: &Document<'_>, found: &mut Vec<Diagnostic>) {
    let root = document.root;
    for (key, value) in root.mapping().unwrap_or_default() {
        match key.text().unwrap_or_default() {
            "title" => title(value, found),
            "id" => id(value, found),
            "tags" => tags(value, found),
            "status" => choice(value, &metadata::STATUSES.map(|(name, _)| name), found),
            "level" => choice(value, &metadata::LEVELS.map(|(name, _)| name), found),
            "related" => related(value, found),
            "date" | "modified" => date(key, value, found),
            "kafka" => kafka(value, found),
            name if !KEYS.contains(&name) => misspelt(key, name, root, found),
            _ => {}
        }
        if let name @ ("tags" | "references" | "falsepositives" | "fields" | "scope") =
            key.text().unwrap_or_default()
            && matches!(value.kind, Kind::Scalar(..))
            && !value.is_null()
        {
            let message = format!("`{name}` is a list");
            found.push(
                Diagnostic::note("not-a-list", value.span, message)
                    .with_help(format!("write `{name}:` and the text as `- …` on the next line")),
            );
        }
    }
    order(root, found);
    if document.templates {
        return;
    }
    if root.get("id").is_none() {
        let message = "the document has no `id`";
        found.push(
            Diagnostic::note("missing-id", document.head(), message)
                .with_help("add `id:` with a random UUID, e.g. from `uuidgen`"),
        );
    }
    if document.kind != DocumentKind::Filter && root.get("level").is_none() {
        let message = "the document has no `level`";
        found.push(
            Diagnostic::note("missing-level", document.head(), message)
                .with_help("add e.g. `level: medium`"),
        );
    }
}

fn title(node: &Node, found: &mut Vec<Diagnostic>) {
    let title = node.text().unwrap_or_default();
    let length = title.chars().count();
    if length > 256 {
        let message = format!("the title has {length} characters; the limit is 256");
        found.push(
            Diagnostic::warning("title-too-long", node.span, message)
                .with_help("shorten it and put the rest into `description`"),
        );
    }
    // Only what no title case allows: a first word in lower case, a full stop.
    let first = title.split_whitespace().next().unwrap_or_default();
    let help = if title.ends_with('.') && !title.ends_with("..") {
        "remove the full stop"
    } else if first.len() > 3 && first.chars().all(char::is_lowercase) {
        "write the title in title case"
    } else {
        return;
    };
    let message = "the title is not in title case";
    found.push(Diagnostic::note("title-style", node.span, message).with_help(help));
}

/// `8-4-4-4-12` hexadecimal digits; with the version digit.
fn uuid_version(text: &str) -> Option<char> {
    let lengths = text.split('-').map(str::len);
    let hexadecimal = text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    (hexadecimal && lengths.eq([8, 4, 4, 4, 12])).then(|| text.chars().nth(14)).flatten()
}

fn id(node: &Node, found: &mut Vec<Diagnostic>) {
    let Some(text) = node.non_null_text() else { return };
    let help = "use a random UUID, e.g. from `uuidgen`";
    match uuid_version(text) {
        Some('4') => {}
        // Any other version identifies as well.
        Some(_) => {
            let message = format!("`{text}` is not a version 4 UUID");
            found.push(Diagnostic::note("id-not-uuid4", node.span, message).with_help(help));
        }
        None => {
            let message = format!("id `{text}` is not a UUID");
            found.push(Diagnostic::warning("id-not-uuid", node.span, message).with_help(help));
        }
    }
}

fn tags(node: &Node, found: &mut Vec<Diagnostic>) {
    for tag in crate::read::one_or_many(node) {
        let Some(text) = tag.non_null_text() else { continue };
        let Some((namespace, name)) = text.split_once('.') else {
            let message = format!("tag `{text}` has no namespace");
            found.push(
                Diagnostic::warning("tag-format", tag.span, message)
                    .with_help("write tags as `namespace.name`, e.g. `attack.t1059`"),
            );
            continue;
        };
        let lower = text.to_lowercase();
        let better =
            if namespace.eq_ignore_ascii_case("attack") { lower.replace('_', "-") } else { lower };
        if better != text {
            let what = if name.contains('_') { "lower case, with `-`" } else { "lower case" };
            let span = tag.sub_span(0, text.len());
            found.push(
                Diagnostic::note("tag-format", tag.span, format!("tag `{text}` is not in {what}"))
                    .with_help(format!("write `{better}`"))
                    .with_fix(fix("rewrite the tag", span, better, true)),
            );
        }
        let namespace = namespace.to_lowercase();
        if !TAG_NAMESPACES.contains(&namespace.as_str()) {
            let help = match nearest(&namespace, TAG_NAMESPACES) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("namespaces are {}", TAG_NAMESPACES.join(", ")),
            };
            let message = format!("unknown tag namespace `{namespace}`");
            // A namespace of one's own is fine; a misspelt one is not.
            let finding = if nearest(&namespace, TAG_NAMESPACES).is_some() {
                Diagnostic::warning("tag-namespace", tag.span, message)
            } else {
                Diagnostic::note("tag-namespace", tag.span, message)
            };
            found.push(finding.with_help(help));
        }
    }
}

/// `status` and `level` are read in any case, but written in lower case.
fn choice(node: &Node, names: &[&str], found: &mut Vec<Diagnostic>) {
    let Some(text) = node.non_null_text() else { return };
    let lower = text.to_lowercase();
    if lower != text && names.contains(&lower.as_str()) {
        let span = node.sub_span(0, text.len());
        found.push(
            Diagnostic::note("capital-value", node.span, format!("`{text}` is not in lower case"))
                .with_help(format!("write `{lower}`"))
                .with_fix(fix("write it in lower case", span, lower, true)),
        );
    }
}

fn related(node: &Node, found: &mut Vec<Diagnostic>) {
    for member in node.sequence().unwrap_or_default() {
        if let Some(kind) = member.get("type")
            && let Some(text) = kind.text()
            && !RELATED_TYPES.contains(&text)
        {
            let help = match text {
                "obsoletes" => "write `obsolete`".to_owned(),
                _ => format!("types are {}", RELATED_TYPES.join(", ")),
            };
            let message = format!("unknown relation type `{text}`");
            found.push(Diagnostic::warning("related-type", kind.span, message).with_help(help));
        }
        if let Some(id) = member.get("id")
            && let Some(text) = id.text()
            && uuid_version(text).is_none()
        {
            let message = format!("related id `{text}` is not a UUID");
            found.push(
                Diagnostic::note("id-not-uuid", id.span, message)
                    .with_help("give the `id` of the related rule"),
            );
        }
    }
}

/// Year, month and day of `YYYY-MM-DD` or `YYYY/M/D`, if it is a date.
fn calendar_date(text: &str) -> Option<(u16, u8, u8)> {
    let mut parts = text.split(['-', '/']);
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if parts.next().is_some() || year.len() != 4 || ![year, month, day].into_iter().all(digits) {
        return None;
    }
    let (year, month, day) = (year.parse().ok()?, month.parse().ok()?, day.parse().ok()?);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 => 28 + u8::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    (1..=days).contains(&day).then_some((year, month, day))
}

fn date(key: &Node, node: &Node, found: &mut Vec<Diagnostic>) {
    let Some(text) = node.non_null_text() else { return };
    let name = key.text().unwrap_or_default();
    let Some((year, month, day)) = calendar_date(text) else {
        let message = format!("`{name}: {text}` is not a date");
        found.push(
            Diagnostic::warning("date-format", node.span, message)
                .with_help("write the date as YYYY-MM-DD"),
        );
        return;
    };
    let better = format!("{year:04}-{month:02}-{day:02}");
    if better != text {
        let span = node.sub_span(0, text.len());
        found.push(
            Diagnostic::note(
                "date-format",
                node.span,
                format!("date `{text}` is not in ISO format"),
            )
            .with_help(format!("write `{better}`"))
            .with_fix(fix("write the date as YYYY-MM-DD", span, better, true)),
        );
    }
}

fn order(root: &Node, found: &mut Vec<Diagnostic>) {
    let date = |key: &str| root.get(key).and_then(Node::text).and_then(calendar_date);
    if let (Some(made), Some(changed)) = (date("date"), date("modified"))
        && changed < made
        && let (Some(date), Some(modified)) = (root.get("date"), root.get("modified"))
    {
        let message = "the rule was modified before it was made";
        found.push(
            Diagnostic::warning("modified-before-date", modified.span, message)
                .with_label(date.span, "made")
                .with_help("correct one of the dates"),
        );
    }
}

/// Custom attributes are fine; those that nearly have the name of a known one are not.
/// The section of Confluent Sigma: what else is in it has no effect there or here.
fn kafka(value: &Node, found: &mut Vec<Diagnostic>) {
    for (key, _) in value.mapping().unwrap_or_default() {
        let name = key.text().unwrap_or_default();
        if !KAFKA_KEYS.contains(&name) {
            let help = match nearest(name, KAFKA_KEYS) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "known: `outputTopic`, `customFields`".to_owned(),
            };
            let message = format!("`{name}` in `kafka` has no effect");
            found.push(Diagnostic::note("kafka-no-effect", key.span, message).with_help(help));
        }
    }
}

fn misspelt(key: &Node, name: &str, root: &Node, found: &mut Vec<Diagnostic>) {
    let candidates = KEYS.into_iter().filter(|known| root.get(known).is_none());
    if name.len() < 4 {
        return;
    }
    if let Some(near) = nearest(name, candidates) {
        let message = format!("unknown attribute `{name}`");
        found.push(
            Diagnostic::warning("misspelt-attribute", key.span, message)
                .with_help(format!("did you mean `{near}`?")),
        );
    }
}
