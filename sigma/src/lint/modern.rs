//! An aggregation of Sigma version 1, written as a correlation over base rules.
//!
//! The document becomes the correlation: its title, id, level and everything else that an alert
//! shows stay where they are, and `correlation` takes the place of `logsource` and `detection`.
//! These move, as they are written, into a base rule behind it, which has an id and a name of its
//! own. `near` makes a base rule of the search and of each selection that it names.
//!
//! Only block style at the left margin is rewritten, and what comes out is read again and
//! compared: where anything is different, there is no fix.

use super::document::single_quoted;
use crate::condition::fits;
use crate::correlation::{
    self, Aggregation, CorrelationType, Legacy, TemporalCondition, parse_timespan, read_legacy,
    write_timespan,
};
use crate::diagnostic::Edit;
use crate::rule::Metadata;
use crate::yaml::{self, Kind, Node, Style};
use crate::{Correlation, Span};
use ahash::AHashSet;

/// The window of a correlation whose aggregation has none, and needs one in version 2.
pub(super) const DEFAULT_TIMESPAN: &str = "1d";

/// What stands in a `detection` with an aggregation.
pub(super) struct Written<'a> {
    condition: &'a Node,
    /// Before the pipe.
    search: &'a str,
    legacy: Legacy,
    timeframe: Option<&'a str>,
}

impl<'a> Written<'a> {
    /// `None` if there is no aggregation that can be read.
    pub(super) fn read(detection: &'a Node) -> Option<Self> {
        let [condition] = crate::read::one_or_many(detection.get("condition")?) else {
            return None;
        };
        let (search, aggregation) = condition.text()?.split_once('|')?;
        let legacy = read_legacy(aggregation, Span::default()).ok()?;
        let timeframe = detection.get("timeframe").and_then(Node::text).map(str::trim);
        Some(Self { condition, search: search.trim(), legacy, timeframe })
    }

    /// Whether the aggregation says how long its window is.
    pub(super) fn has_window(&self) -> bool {
        self.timeframe.is_some() || self.within().is_some()
    }

    fn within(&self) -> Option<i64> {
        match &self.legacy {
            Legacy::Aggregate(parsed) => parsed.within,
            Legacy::Near(near) => near.within,
        }
    }

    fn timespan(&self) -> String {
        match (self.timeframe, self.within()) {
            (Some(timeframe), _) => timeframe.to_owned(),
            (None, Some(within)) => write_timespan(within),
            (None, None) => DEFAULT_TIMESPAN.to_owned(),
        }
    }

    /// What base rules there are: `None` is the search, the others are selections of `near`.
    fn parts(&self) -> Vec<Option<&str>> {
        let named = match &self.legacy {
            Legacy::Aggregate(_) => &[][..],
            Legacy::Near(near) => &near.operands.names,
        };
        std::iter::once(None).chain(named.iter().map(|(name, _)| Some(&**name))).collect()
    }

    /// What the search is called.
    fn search_part(&self) -> &str {
        let word = self.search.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        match &self.legacy {
            Legacy::Aggregate(_) => "events",
            Legacy::Near(_) if word => self.search,
            Legacy::Near(_) => "search",
        }
    }

    /// A name for each base rule that nothing else has; they are taken afterwards.
    pub(super) fn names(&self, stem: &str, taken: &mut dyn FnMut(&str) -> bool) -> Vec<String> {
        let mut own = AHashSet::new();
        let mut name = |part: Option<&str>| {
            let part = identifier(part.unwrap_or(self.search_part()));
            let first = format!("{stem}_{part}");
            let mut candidates = std::iter::once(first.clone())
                .chain((2..10_000).map(|number| format!("{first}_{number}")));
            let free = candidates.find(|name| !own.contains(name) && !taken(name));
            let name = free.unwrap_or(first);
            own.insert(name.clone());
            name
        };
        self.parts().into_iter().map(&mut name).collect()
    }

    /// The keys of the correlation.
    fn body(&self, names: &[String]) -> Vec<(&'static str, Value)> {
        let mut body = Vec::new();
        let rules = names.iter().map(|name| scalar(name)).collect();
        let timespan = Value::One(self.timespan());
        match &self.legacy {
            Legacy::Aggregate(parsed) => {
                let (kind, percentile) = modern_kind(parsed.kind);
                body.push(("type", Value::One(kind.name().to_owned())));
                body.push(("rules", Value::Many(rules)));
                if !parsed.group_by.is_empty() {
                    let fields = parsed.group_by.iter().map(|field| scalar(field)).collect();
                    let key = "group-by";
                    body.push((key, Value::Many(fields)));
                }
                body.push(("timespan", timespan));
                let mut condition = Vec::new();
                condition.extend(parsed.field.as_ref().map(|field| ("field", scalar(field))));
                condition.extend(percentile.map(|number| ("percentile", number.to_owned())));
                condition.push((parsed.operator.name(), parsed.threshold.to_string()));
                body.push(("condition", Value::Map(condition)));
            }
            Legacy::Near(near) => {
                body.push(("type", Value::One(CorrelationType::Temporal.name().to_owned())));
                body.push(("rules", Value::Many(rules)));
                body.push(("timespan", timespan));
                let operands = near.operands.condition.clone().map_rules(&|index| index + 1);
                let whole = TemporalCondition::And(vec![TemporalCondition::Rule(0), operands]);
                body.push(("condition", Value::One(expression(&whole, names, true))));
            }
        }
        body
    }

    /// The correlation in one line.
    pub(super) fn line(&self, names: &[String]) -> String {
        let pairs: Vec<String> = self
            .body(names)
            .into_iter()
            .map(|(key, value)| match value {
                Value::One(text) => format!("{key}: {text}"),
                Value::Many(texts) => format!("{key}: [{}]", texts.join(", ")),
                Value::Map(entries) => {
                    let entries: Vec<String> =
                        entries.iter().map(|(key, text)| format!("{key}: {text}")).collect();
                    format!("{key}: {{{}}}", entries.join(", "))
                }
            })
            .collect();
        format!("correlation: {{{}}}", pairs.join(", "))
    }

    /// Whether the search of the condition looks at a selection.
    fn searches(&self, selection: &str) -> bool {
        let words = self.search.split(|c: char| c.is_whitespace() || matches!(c, '(' | ')'));
        words.filter(|word| !word.is_empty()).any(|word| {
            let hidden = selection.starts_with('_') && !word.starts_with('_');
            word == selection || (!hidden && (word == "them" || fits(word, selection)))
        })
    }

    /// What the correlation must be when it is read again.
    fn is_model_of(&self, correlation: &Correlation, names: &[String]) -> bool {
        let rules = correlation.rules.iter().map(|rule| &rule.name);
        let timespan = parse_timespan(&self.timespan()).ok();
        if !rules.eq(names) || correlation.timespan != timespan || correlation.generate {
            return false;
        }
        match &self.legacy {
            Legacy::Aggregate(parsed) => {
                let Aggregation { kind, field, group_by, operator, threshold, .. } = parsed;
                let (kind, percentile) = modern_kind(*kind);
                correlation.kind == kind
                    && correlation.percentile.as_deref() == percentile
                    && correlation.fields.iter().eq(field)
                    && correlation.group_by == *group_by
                    && correlation.conditions == [(*operator, threshold.clone())]
            }
            Legacy::Near(near) => {
                let operands = near.operands.condition.clone().map_rules(&|index| index + 1);
                let whole = TemporalCondition::And(vec![TemporalCondition::Rule(0), operands]);
                correlation.kind == CorrelationType::Temporal
                    && correlation.temporal_condition == Some(whole)
                    && correlation.group_by.is_empty()
            }
        }
    }
}

/// A value of `correlation`, its texts as they are written.
enum Value {
    One(String),
    Many(Vec<String>),
    Map(Vec<(&'static str, String)>),
}

/// The smallest and the largest value are percentiles.
fn modern_kind(kind: CorrelationType) -> (CorrelationType, Option<&'static str>) {
    match kind {
        CorrelationType::ValueMin => (CorrelationType::ValuePercentile, Some("0")),
        CorrelationType::ValueMax => (CorrelationType::ValuePercentile, Some("100")),
        kind => (kind, None),
    }
}

/// A temporal condition over names.
fn expression(condition: &TemporalCondition, names: &[String], outermost: bool) -> String {
    let joined = |members: &[TemporalCondition], word: &str| {
        let members: Vec<String> =
            members.iter().map(|member| expression(member, names, false)).collect();
        let text = members.join(word);
        if outermost { text } else { format!("({text})") }
    };
    match condition {
        TemporalCondition::And(members) => joined(members, " and "),
        TemporalCondition::Or(members) => joined(members, " or "),
        TemporalCondition::Not(inner) => format!("not {}", expression(inner, names, false)),
        TemporalCondition::Rule(index) => names.get(*index).cloned().unwrap_or_default(),
    }
}

/// What a base rule may be called after: the file, if the rule has it for itself, or the title.
pub(super) fn stem(source: &str, documents: usize, root: &Node) -> String {
    let file = source.rsplit(['/', '\\']).next().unwrap_or_default();
    let stem = file.strip_suffix(".yml").or_else(|| file.strip_suffix(".yaml"));
    let title = || root.get("title").and_then(Node::text).unwrap_or("rule");
    identifier(stem.filter(|_| documents == 1).unwrap_or_else(title))
}

/// Letters, digits and underscores: what an extended condition can name in every tool.
fn identifier(text: &str) -> String {
    let mut name = String::new();
    for c in text.chars() {
        if c.is_ascii_alphanumeric() {
            name.push(c.to_ascii_lowercase());
        } else if !name.is_empty() && !name.ends_with('_') {
            name.push('_');
        }
    }
    name.truncate(name.trim_end_matches('_').len());
    if !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
        name.insert_str(0, "rule_");
    }
    name
}

/// A text as YAML, in a block or in `[…]`.
fn scalar(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | ' ' | '/');
    let word = text.to_ascii_lowercase();
    let keyword =
        matches!(&*word, "true" | "false" | "yes" | "no" | "on" | "off" | "y" | "n" | "null");
    let safe = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && !text.ends_with(' ')
        && text.chars().all(plain)
        && !keyword;
    if safe { text.to_owned() } else { single_quoted(text) }
}

/// An id that is always the same for the same rule and part. It has the form of a random UUID,
/// which conventions ask for.
fn derived_id(seed: &str, part: &str) -> String {
    // FNV-1a with 128 bits.
    let mut hash: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    // The zeros at the end carry the last letters into all digits.
    for byte in seed.bytes().chain([0]).chain(part.bytes()).chain([0; 16]) {
        hash = (hash ^ u128::from(byte)).wrapping_mul(0x0100_0000_0000_0000_013b);
    }
    let hash = hash & !(0xf << 76) & !(0b11 << 62) | (4 << 76) | (0b10 << 62);
    let hex = format!("{hash:032x}");
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

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
        let near = matches!(self.written.legacy, Legacy::Near(_));
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
        (Kind::Scalar(a, _), Kind::Scalar(b, _)) if a.is_empty() && b.is_empty() => true,
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
