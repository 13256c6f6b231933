//! What an aggregation of Sigma version 1 says, and how Sigma 2 says it.

use super::document::single_quoted;
use crate::condition::fits;
use crate::correlation::{
    Aggregation, CorrelationType, Legacy, Operator, TemporalCondition, parse_timespan, read_legacy,
    write_timespan,
};
use crate::value::Comparison;
use crate::yaml::Node;
use crate::{Correlation, Span};
use ahash::AHashSet;

/// The window of a correlation whose aggregation has none, and needs one in version 2.
pub(super) const DEFAULT_TIMESPAN: &str = "1d";

/// What stands in a `detection` with an aggregation.
pub(super) struct Written<'a> {
    pub(super) condition: &'a Node,
    /// Before the pipe.
    pub(super) search: &'a str,
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

    /// Whether it is `near`.
    pub(super) fn is_near(&self) -> bool {
        matches!(self.legacy, Legacy::Near(_))
    }

    /// Whether the aggregation says how long its window is.
    pub(super) fn has_window(&self) -> bool {
        self.timeframe.is_some() || self.within().is_some()
    }

    /// Whether it alerts at each hit where the correlation waits until its window closes: `count() == 2`,
    /// and upper bounds of a minimum.
    pub(super) fn is_sooner(&self) -> bool {
        let Legacy::Aggregate(parsed) = &self.legacy else { return false };
        match parsed.operator {
            Operator::Eq => true,
            Operator::Compare(Comparison::Lt | Comparison::Lte) => {
                parsed.kind == CorrelationType::ValueMin
            }
            _ => false,
        }
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
    pub(super) fn parts(&self) -> Vec<Option<&str>> {
        let named = match &self.legacy {
            Legacy::Aggregate(_) => &[][..],
            Legacy::Near(near) => &near.operands.names,
        };
        std::iter::once(None).chain(named.iter().map(|(name, _)| Some(&**name))).collect()
    }

    /// What the search is called.
    pub(super) fn search_part(&self) -> &str {
        let word = self.search.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        match &self.legacy {
            Legacy::Aggregate(_) => "events",
            Legacy::Near(_) if word => self.search,
            Legacy::Near(_) => "search",
        }
    }

    /// The fields that are counted, or grouped by.
    pub(super) fn fields(&self) -> Vec<&str> {
        match &self.legacy {
            Legacy::Aggregate(parsed) => {
                parsed.group_by.iter().chain(&parsed.field).map(String::as_str).collect()
            }
            Legacy::Near(_) => Vec::new(),
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
    pub(super) fn body(&self, names: &[String]) -> Vec<(&'static str, Value)> {
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
    pub(super) fn searches(&self, selection: &str) -> bool {
        let words = self.search.split(|c: char| c.is_whitespace() || matches!(c, '(' | ')'));
        words.filter(|word| !word.is_empty()).any(|word| {
            let hidden = selection.starts_with('_') && !word.starts_with('_');
            word == selection || (!hidden && (word == "them" || fits(word, selection)))
        })
    }

    /// What the correlation must be when it is read again.
    pub(super) fn is_model_of(&self, correlation: &Correlation, names: &[String]) -> bool {
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
pub(super) enum Value {
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
pub(super) fn scalar(text: &str) -> String {
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
pub(super) fn derived_id(seed: &str, part: &str) -> String {
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
