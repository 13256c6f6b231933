//! A rule with an aggregation of version 1, rewritten as a correlation over base rules.
//!
//! The document becomes the correlation: its title, id, level and everything else that an alert
//! shows stay where they are, and `correlation` takes the place of `logsource` and `detection`.
//! These move, as they are written, into a base rule behind it, which has an id and a name of its
//! own. `near` makes a base rule of the search and of each selection that it names.
//!
//! Only block style at the left margin is rewritten, and what comes out is read again and
//! compared: where anything is different, there is no fix.

use super::modern::{Value, Written, derived_id, scalar};
use crate::Span;
use crate::correlation;
use crate::diagnostic::Edit;
use crate::rule::Metadata;
use crate::yaml::{self, Kind, Node, Style};

/// A key with its value and its lines.
pub(super) struct Entry<'a> {
    pub(super) key: &'a Node,
    pub(super) value: &'a Node,
    /// With the comments before it.
    pub(super) start: usize,
    /// Of the key.
    pub(super) line: usize,
    /// Before the next entry.
    pub(super) end: usize,
    /// One past the value.
    value_end: usize,
}

impl<'a> Entry<'a> {
    fn is(&self, name: &str) -> bool {
        self.key.text() == Some(name)
    }

    /// Key and value without comments around them, on lines of their own.
    fn bare(&self, text: &'a str) -> &'a str {
        &text[self.line..self.value_end]
    }

    /// The comment behind the value.
    fn remark(&self, text: &'a str) -> Option<&'a str> {
        let rest = text[self.value_end..self.end].lines().next()?.trim();
        rest.starts_with('#').then_some(rest)
    }
}

/// The entries of a block mapping, each of which has its lines for itself; the last ends at `end`.
pub(super) fn entries<'a>(text: &str, mapping: &'a Node, end: usize) -> Option<Vec<Entry<'a>>> {
    let mut found: Vec<Entry<'a>> = Vec::new();
    let mut indent = None;
    for (key, value) in mapping.mapping()? {
        let at = key.span.start as usize;
        let line = text.get(..at)?.rfind('\n').map_or(0, |newline| newline + 1);
        let lead = text[line..at].trim_start_matches('\u{feff}');
        if !lead.bytes().all(|byte| byte == b' ') || *indent.get_or_insert(lead.len()) != lead.len()
        {
            return None;
        }
        let nothing = value.is_null() && text.get(value.span.range()).is_none_or(str::is_empty);
        let value_end =
            if nothing { text[at..].find(':')? + at + 1 } else { value.span.end as usize };
        // Nodes of an alias are where its anchor is.
        if value_end < key.span.end as usize || (!nothing && value.span.start < key.span.end) {
            return None;
        }
        let mut start = line;
        if let Some(last) = found.last_mut() {
            start = last.value_end + text.get(last.value_end..at)?.find('\n')? + 1;
            last.end = start;
        }
        found.push(Entry { key, value, start, line, end, value_end });
    }
    let last = found.last()?;
    (last.value_end <= end && text.is_char_boundary(last.value_end)).then_some(found)
}

/// Rewrites the document; `None` where its layout does not allow it.
pub(super) fn edits(
    text: &str,
    document: &yaml::Document,
    written: &Written<'_>,
    names: &[String],
) -> Option<Vec<Edit>> {
    let root = &document.root;
    let mut end = document.span.end as usize;
    let last_line = text.get(..end)?.rfind('\n').map_or(0, |newline| newline + 1);
    if text[last_line..end].starts_with("...") {
        end = last_line;
    }
    let top = entries(text, root, end)?;
    let entry = |name: &str| top.iter().find(|entry| entry.is(name));
    let (logsource, detection) = (entry("logsource")?, entry("detection")?);
    let inner = entries(text, detection.value, detection.end)?;
    let first = inner.first()?;
    let rewriting = Rewriting {
        text,
        newline: if text.contains("\r\n") { "\r\n" } else { "\n" },
        indent: first.key.span.start as usize - first.line,
        written,
        names,
        root,
        top: &top,
        logsource,
        detection,
        inner: &inner,
    };
    if rewriting.indent == 0 || top[0].key.span.start as usize - top[0].line > '\u{feff}'.len_utf8()
    {
        return None;
    }
    let edits = rewriting.edits(end)?;
    rewriting.is_right(document, &edits).then_some(edits)
}

struct Rewriting<'a> {
    text: &'a str,
    newline: &'static str,
    indent: usize,
    written: &'a Written<'a>,
    names: &'a [String],
    root: &'a Node,
    top: &'a [Entry<'a>],
    logsource: &'a Entry<'a>,
    detection: &'a Entry<'a>,
    /// Of `detection`.
    inner: &'a [Entry<'a>],
}

impl Rewriting<'_> {
    fn edits(&self, end: usize) -> Option<Vec<Edit>> {
        let nl = self.newline;
        let mut behind = String::new();
        for (part, name) in self.written.parts().into_iter().zip(self.names) {
            behind.push_str(&format!("---{nl}{}", self.base(part, name)?));
        }
        behind.truncate(behind.trim_end().len());
        let line_ends = self.text[..end].ends_with('\n');
        behind.push_str(if line_ends { nl } else { "" });
        let replace = |entry: &Entry<'_>, replacement: String| Edit {
            span: Span::new(entry.start, entry.end),
            replacement,
        };
        let block = self.correlation();
        let last = self.top.last()?;
        let mut edits = Vec::new();
        if std::ptr::eq(last, self.detection) {
            edits.push(replace(self.logsource, String::new()));
            edits.push(replace(self.detection, format!("{block}{behind}")));
        } else if std::ptr::eq(last, self.logsource) {
            edits.push(replace(self.detection, block));
            edits.push(replace(self.logsource, behind));
        } else {
            edits.push(replace(self.logsource, String::new()));
            edits.push(replace(self.detection, block));
            let before = if line_ends { "" } else { nl };
            let replacement = format!("{before}{behind}");
            edits.push(Edit { span: Span::new(end, end), replacement });
        }
        edits.sort_by_key(|edit| edit.span);
        // Neighbours in one piece.
        edits.dedup_by(|next, edit| {
            let touches = edit.span.end == next.span.start;
            if touches {
                edit.span.end = next.span.end;
                edit.replacement.push_str(&next.replacement);
            }
            touches
        });
        Some(edits)
    }

    /// The block that takes the place of `detection`.
    fn correlation(&self) -> String {
        let nl = self.newline;
        let (one, two) = (" ".repeat(self.indent), " ".repeat(2 * self.indent));
        let mut block = format!("correlation:{nl}");
        for (key, value) in self.written.body(self.names) {
            match value {
                Value::One(text) => {
                    block.push_str(&format!("{one}{key}: {text}"));
                    let timeframe = self.inner.iter().find(|entry| entry.is("timeframe"));
                    if key == "timespan"
                        && let Some(remark) = timeframe.and_then(|entry| entry.remark(self.text))
                    {
                        block.push_str(&format!(" {remark}"));
                    }
                    block.push_str(nl);
                }
                Value::Many(texts) => {
                    block.push_str(&format!("{one}{key}:{nl}"));
                    for text in texts {
                        block.push_str(&format!("{two}- {text}{nl}"));
                    }
                }
                Value::Map(entries) => {
                    block.push_str(&format!("{one}{key}:{nl}"));
                    for (key, text) in entries {
                        block.push_str(&format!("{two}{key}: {text}{nl}"));
                    }
                }
            }
        }
        block
    }

    /// A base rule as a document, without its marker.
    fn base(&self, part: Option<&str>, name: &str) -> Option<String> {
        let nl = self.newline;
        let title = self.root.get("title").and_then(Node::text).unwrap_or("Rule");
        let near = self.written.is_near();
        let suffix = part.unwrap_or(if near { self.written.search_part() } else { "Events" });
        let seed = self.root.get("id").and_then(Node::non_null_text);
        let id = match seed {
            Some(id) => derived_id(id, part.unwrap_or("")),
            None => derived_id(name, ""),
        };
        let mut base = format!("title: {}{nl}", scalar(&format!("{title} - {suffix}")));
        base.push_str(&format!("id: {id}{nl}name: {name}{nl}"));
        base.push_str(&self.copied(&["taxonomy", "status"]));
        let what = if near { "Part of what" } else { "The events that" };
        let verb = if near { "looks for" } else { "counts" };
        let description = format!("{what} the correlation {title} {verb}.");
        base.push_str(&format!("description: {}{nl}", scalar(&description)));
        base.push_str(&self.copied(&["license", "author", "date"]));
        if part.is_none() {
            base.push_str(self.whole_lines(self.logsource.start, self.logsource.end).trim_end());
        } else {
            base.push_str(self.logsource.bare(self.text).trim_end());
        }
        base.push_str(nl);
        base.push_str(&self.detection_of(part)?);
        base.push_str(&format!("level: informational{nl}"));
        Some(base)
    }

    /// Attributes as they are written.
    fn copied(&self, keys: &[&str]) -> String {
        let entries = keys.iter().filter_map(|key| self.top.iter().find(|entry| entry.is(key)));
        let lines =
            entries.map(|entry| format!("{}{}", entry.bare(self.text).trim_end(), self.newline));
        lines.collect()
    }

    fn whole_lines(&self, start: usize, end: usize) -> &str {
        &self.text[start..end]
    }

    fn detection_of(&self, part: Option<&str>) -> Option<String> {
        let first = self.inner.first()?;
        let nl = self.newline;
        let mut lines = if part.is_none() {
            self.whole_lines(self.detection.start, first.start).to_owned()
        } else {
            format!("detection:{nl}")
        };
        let named = |name: &str| self.written.parts().contains(&Some(name));
        for entry in self.inner {
            let name = entry.key.text()?;
            let own = self.whole_lines(entry.start, entry.end);
            match (name, part) {
                ("timeframe", None) => {
                    lines.push_str(self.whole_lines(entry.start, entry.line));
                    let rest = &self.text[entry.value_end..entry.end];
                    if let Some(newline) = rest.find('\n') {
                        lines.push_str(&rest[newline + 1..]);
                    }
                }
                ("condition", None) => lines.push_str(&self.condition_lines(entry)?),
                ("timeframe" | "condition", Some(_)) => {}
                // Selections that only `near` names go to rules of their own.
                (name, None) if named(name) && !self.written.searches(name) => {}
                (_, None) => lines.push_str(own),
                (name, Some(part)) if name == part => lines.push_str(own),
                _ => {}
            }
            if !lines.ends_with('\n') {
                lines.push_str(nl);
            }
        }
        if let Some(part) = part {
            let indent = " ".repeat(self.indent);
            lines.push_str(&format!("{indent}condition: {}{nl}", scalar(part)));
        }
        Some(lines)
    }

    /// The lines of `condition` without the aggregation.
    fn condition_lines(&self, entry: &Entry<'_>) -> Option<String> {
        let node = self.written.condition;
        let text = node.text()?;
        let Kind::Scalar(_, style) = &node.kind else { return None };
        let quotes = usize::from(matches!(style, Style::SingleQuoted | Style::DoubleQuoted));
        let range = node.span.range();
        let raw = self.text.get(range.clone())?;
        let exact = raw.get(quotes..raw.len().checked_sub(quotes)?) == Some(text);
        let mut lines = self.whole_lines(entry.start, entry.end).to_owned();
        let start = range.start.checked_sub(entry.start)?;
        let (from, to, replacement) = if exact {
            let search = text.split('|').next()?.trim_end().len();
            (start + quotes + search, start + quotes + text.len(), String::new())
        } else {
            let words: Vec<&str> = self.written.search.split_whitespace().collect();
            (start, start + raw.len(), words.join(" "))
        };
        lines.get(from..to)?;
        lines.replace_range(from..to, &replacement);
        Some(lines)
    }

    /// Whether the rewritten document says the same.
    fn is_right(&self, document: &yaml::Document, edits: &[Edit]) -> bool {
        let range = document.span.range();
        let Some(part) = self.text.get(range.clone()) else { return false };
        let mut text = part.to_owned();
        for edit in edits.iter().rev() {
            let span = edit.span.range();
            let (Some(start), Some(end)) =
                (span.start.checked_sub(range.start), span.end.checked_sub(range.start))
            else {
                return false;
            };
            if text.get(start..end).is_none() {
                return false;
            }
            text.replace_range(start..end, &edit.replacement);
        }
        let stream = yaml::parse(&text);
        let [correlation, bases @ ..] = &*stream.documents else { return false };
        if !stream.diagnostics.is_empty() || bases.len() != self.names.len() {
            return false;
        }
        let moved = |name: &str| matches!(name, "logsource" | "detection");
        let kept = self.root.mapping().unwrap_or_default().iter().all(|(key, value)| {
            let name = key.text().unwrap_or_default();
            let now = correlation.root.get(name);
            if moved(name) { now.is_none() } else { now.is_some_and(|now| same(now, value)) }
        });
        let model = correlation::parse(&correlation.root, Metadata::default(), &mut Vec::new());
        let right = model.is_some_and(|model| self.written.is_model_of(&model, self.names));
        kept && right
            && self.written.parts().into_iter().zip(self.names).zip(bases).all(
                |((part, name), base)| {
                    base.root.get("name").and_then(Node::text) == Some(name)
                        && self.is_base(part, &base.root)
                },
            )
    }

    fn is_base(&self, part: Option<&str>, base: &Node) -> bool {
        let detection = base.get("detection");
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let condition = detection.and_then(|detection| detection.get("condition"));
        let condition = condition.map_or(&[][..], crate::read::one_or_many);
        let [condition] = condition else { return false };
        let expected = part.unwrap_or(self.written.search);
        let selections = self.inner.iter().all(|entry| {
            let name = entry.key.text().unwrap_or_default();
            let now = detection.and_then(|detection| detection.get(name));
            match name {
                "condition" => true,
                "timeframe" => now.is_none(),
                _ => match now {
                    Some(now) => same(now, entry.value),
                    None => match part {
                        Some(part) => name != part,
                        None => !self.written.searches(name),
                    },
                },
            }
        });
        selections
            && condition.text().map(words) == Some(words(expected))
            && base.get("logsource").is_some_and(|now| same(now, self.logsource.value))
    }
}

/// Whether two nodes are the same but for their places.
pub(super) fn same(a: &Node, b: &Node) -> bool {
    match (&a.kind, &b.kind) {
        (Kind::Scalar(a, one), Kind::Scalar(b, other)) => {
            one == other && a.trim_end() == b.trim_end()
        }
        (Kind::Sequence(a), Kind::Sequence(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Kind::Mapping(a), Kind::Mapping(b)) => {
            a.len() == b.len()
                && a.iter().zip(b).all(|((k, a), (l, b))| k.text() == l.text() && same(a, b))
        }
        _ => false,
    }
}
