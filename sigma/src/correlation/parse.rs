//! A correlation document (semantics section 13.4) to [`Correlation`].

use super::temporal::{self, Expression};
use super::{Correlation, CorrelationType, Operator, RuleReference, TemporalCondition, timespan};
use crate::Span;
use crate::diagnostic::{Code, Diagnostic, Severity};
use crate::read::{self, one_or_many, quoted_list};
use crate::rule::Metadata;
use crate::suggestion::did_you_mean;
use crate::value::{Comparison, canonical_number};
use crate::yaml::{Kind, Node};

/// The types with their specification names; `value_median` is pySigma's.
const TYPES: [(&str, CorrelationType); 8] = [
    ("event_count", CorrelationType::EventCount),
    ("value_count", CorrelationType::ValueCount),
    ("temporal", CorrelationType::Temporal),
    ("temporal_ordered", CorrelationType::TemporalOrdered),
    ("value_sum", CorrelationType::ValueSum),
    ("value_avg", CorrelationType::ValueAvg),
    ("value_percentile", CorrelationType::ValuePercentile),
    ("value_median", CorrelationType::ValueMedian),
];

const OPERATORS: [(&str, Operator); 6] = [
    ("gt", Operator::Compare(Comparison::Gt)),
    ("gte", Operator::Compare(Comparison::Gte)),
    ("lt", Operator::Compare(Comparison::Lt)),
    ("lte", Operator::Compare(Comparison::Lte)),
    ("eq", Operator::Eq),
    ("neq", Operator::Neq),
];

const KEYS: [&str; 7] =
    ["type", "rules", "group-by", "timespan", "condition", "aliases", "generate"];

impl Operator {
    /// The key in `condition`.
    #[must_use]
    pub fn name(self) -> &'static str {
        OPERATORS.iter().find(|(_, operator)| *operator == self).map_or("", |(name, _)| name)
    }
}

impl CorrelationType {
    /// The name in the specification; of the legacy types, the name in its style.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::EventCount => "event_count",
            Self::ValueCount => "value_count",
            Self::ValueSum => "value_sum",
            Self::ValueAvg => "value_avg",
            Self::ValuePercentile => "value_percentile",
            Self::ValueMedian => "value_median",
            Self::Temporal => "temporal",
            Self::TemporalOrdered => "temporal_ordered",
            Self::ValueMin => "value_min",
            Self::ValueMax => "value_max",
        }
    }

    /// Whether hits are looked for together rather than counted or summed up.
    #[must_use]
    pub fn is_temporal(self) -> bool {
        matches!(self, Self::Temporal | Self::TemporalOrdered)
    }

    /// Whether values of a field are compared, so that `field` is required.
    #[must_use]
    pub fn needs_field(self) -> bool {
        !self.is_temporal() && self != Self::EventCount
    }
}

/// Reads the document `node`, whose `correlation` key made it a correlation. Everything that is
/// wrong is reported; the result is `None` if any of it is an error.
pub(crate) fn parse(
    node: &Node,
    metadata: Metadata,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Correlation> {
    let mut reader = Reader { found: Vec::new() };
    let correlation = reader.document(node, metadata);
    let failed = reader.found.iter().any(|finding| finding.severity == Severity::Error);
    diagnostics.append(&mut reader.found);
    correlation.filter(|_| !failed)
}

/// What `condition` says.
#[derive(Default)]
struct ParsedCondition {
    comparisons: Vec<(Operator, Box<str>)>,
    expression: Option<Expression>,
    fields: Vec<String>,
    percentile: Option<Box<str>>,
}

struct Reader {
    found: Vec<Diagnostic>,
}

impl Reader {
    fn error(&mut self, code: Code, node: &Node, message: impl Into<String>, help: &str) {
        self.found.push(Diagnostic::error(code, node.span, message).with_help(help));
    }

    fn document(&mut self, document: &Node, metadata: Metadata) -> Option<Correlation> {
        let (key, body) = document.entry("correlation")?;
        if !matches!(body.kind, Kind::Mapping(_)) {
            let message = format!("`correlation` must be a mapping, not {}", body.noun());
            let help = "give it `type`, `rules`, `timespan` and `condition`";
            self.error(
                "correlation-syntax",
                if body.is_null() { key } else { body },
                message,
                help,
            );
            return None;
        }
        for (key, _) in body.mapping().unwrap_or_default() {
            let name = key.text().unwrap_or_default();
            if !KEYS.contains(&name) {
                let help = did_you_mean(name, KEYS, || {
                    format!("keys of a correlation are {}", quoted_list(KEYS))
                });
                let message = format!("unknown key `{name}` in `correlation`");
                self.found.push(
                    Diagnostic::warning("correlation-unknown-key", key.span, message)
                        .with_help(help),
                );
            }
        }
        let kind = self.kind(key, body);
        let listed = self.rules(body);
        let group_by = self.group_by(body);
        let timespan = self.timespan(key, body);
        let condition = self.condition(key, body, kind);
        let aliases = self.aliases(body);
        let generate = self.generate(document, body);
        let kind = kind?;
        let (rules, temporal_condition) = match condition.expression {
            Some(expression) => self.expression(body, listed, expression)?,
            None => match listed {
                Some(rules) => (rules, None),
                None => {
                    if body.get("rules").is_none() {
                        let help = "list the ids or names of the rules to correlate under `rules`";
                        self.error("correlation-rules", key, "correlation without `rules`", help);
                    }
                    return None;
                }
            },
        };
        Some(Correlation {
            metadata,
            kind,
            rules,
            group_by,
            timespan: Some(timespan?),
            conditions: condition.comparisons,
            temporal_condition,
            fields: condition.fields,
            percentile: condition.percentile,
            aliases,
            generate,
            legacy: false,
        })
    }

    fn kind(&mut self, key: &Node, body: &Node) -> Option<CorrelationType> {
        let names = TYPES.map(|(name, _)| name);
        let Some(node) = body.get("type") else {
            let help = format!("add `type: event_count`; types are {}", quoted_list(names));
            self.error("correlation-type", key, "correlation without `type`", &help);
            return None;
        };
        let Some(name) = node.text() else {
            let message = format!("`type` must be one name, not {}", node.noun());
            let help = format!("types are {}", quoted_list(names));
            self.error("correlation-type", node, message, &help);
            return None;
        };
        let kind = TYPES.iter().find(|(known, _)| *known == name).map(|&(_, kind)| kind);
        if kind.is_none() {
            let help = did_you_mean(name, names, || format!("types are {}", quoted_list(names)));
            let message = format!("unknown correlation type `{name}`");
            self.error("correlation-type", node, message, &help);
        }
        kind
    }

    /// A list of texts, or a single one; `None` after an error.
    fn texts<'a>(
        &mut self,
        code: Code,
        node: &'a Node,
        what: &str,
    ) -> Option<Vec<(&'a str, &'a Node)>> {
        let mut texts = Vec::new();
        let mut failed = false;
        for member in one_or_many(node) {
            match member.text() {
                Some(name) if !name.is_empty() && !member.is_null() => {
                    texts.push((name, member));
                }
                _ => {
                    let message = format!("expected {what}, found {}", member.noun());
                    self.error(code, member, message, "write a text or a list of texts");
                    failed = true;
                }
            }
        }
        (!failed).then_some(texts)
    }

    fn rules(&mut self, body: &Node) -> Option<Vec<RuleReference>> {
        let node = body.get("rules")?;
        let names = self.texts("correlation-rules", node, "the id or name of a rule")?;
        if names.is_empty() {
            let help = "list the ids or names of the rules to correlate";
            self.error("correlation-rules", node, "`rules` is empty", help);
            return None;
        }
        let mut rules: Vec<RuleReference> = Vec::with_capacity(names.len());
        // Which means hits of one rule one after the other if they are in order.
        let in_order =
            body.get("type").and_then(Node::text) == Some(CorrelationType::TemporalOrdered.name());
        for (name, member) in names {
            if let Some(first) = rules.iter().find(|rule| rule.name == name).filter(|_| !in_order) {
                let message = format!("rule `{name}` is listed twice");
                let finding = Diagnostic::warning("correlation-rules", member.span, message)
                    .with_label(first.span, "first listed here")
                    .with_help("remove one of them");
                self.found.push(finding);
            }
            rules.push(RuleReference { name: name.to_owned(), span: member.span });
        }
        Some(rules)
    }

    fn group_by(&mut self, body: &Node) -> Vec<String> {
        let Some(node) = body.get("group-by") else {
            if let Some((key, _)) = body.entry("group_by") {
                let help = "the key is `group-by`, with a dash";
                self.error("correlation-group-by", key, "`group_by` is not a key", help);
            }
            return Vec::new();
        };
        if node.is_null() {
            return Vec::new();
        }
        let names =
            self.texts("correlation-group-by", node, "a field or alias").unwrap_or_default();
        names.into_iter().map(|(name, _)| name.to_owned()).collect()
    }

    fn timespan(&mut self, key: &Node, body: &Node) -> Option<i64> {
        let Some(node) = body.get("timespan") else {
            let (place, help) = match body.entry("timeframe") {
                Some((legacy, _)) => (legacy, "write `timespan` instead of `timeframe`"),
                None => (key, "add e.g. `timespan: 5m`"),
            };
            self.error("correlation-timespan", place, "correlation without `timespan`", help);
            return None;
        };
        let Some(written) = node.text() else {
            let message = format!("`timespan` must be one text such as `5m`, not {}", node.noun());
            self.error("correlation-timespan", node, message, "add e.g. `timespan: 5m`");
            return None;
        };
        match timespan::parse(written) {
            Ok(timespan) => Some(timespan),
            Err((message, help)) => {
                self.error("correlation-timespan", node, message, &help);
                None
            }
        }
    }

    fn condition(
        &mut self,
        key: &Node,
        body: &Node,
        kind: Option<CorrelationType>,
    ) -> ParsedCondition {
        const CODE: Code = "correlation-condition";
        let mut parsed = ParsedCondition::default();
        let Some(node) = body.get("condition").filter(|node| !node.is_null()) else {
            if kind.is_some_and(|kind| !kind.is_temporal()) {
                let help = "add e.g. `condition: {gte: 10}`";
                self.error(CODE, key, "correlation without `condition`", help);
            }
            return parsed;
        };
        match &node.kind {
            Kind::Scalar(text, _) => {
                if kind.is_some_and(|kind| !kind.is_temporal()) {
                    let kind = kind.map_or("", CorrelationType::name);
                    let message = format!(
                        "a condition over rule names is for temporal correlations, not `{kind}`"
                    );
                    self.error(
                        CODE,
                        node,
                        message,
                        "write a comparison, e.g. `condition: {gte: 10}`",
                    );
                    return parsed;
                }
                match temporal::parse(text) {
                    Ok(expression) => parsed.expression = Some(expression),
                    Err(error) => {
                        let span =
                            node.sub_span(error.span.start as usize, error.span.end as usize);
                        let help = "link rule names with `and`, `or`, `not` and parentheses";
                        self.found
                            .push(Diagnostic::error(CODE, span, error.message).with_help(help));
                    }
                }
            }
            Kind::Sequence(_) => {
                let message = "`condition` must be a mapping or a text, not a list";
                self.error(CODE, node, message, "write e.g. `condition: {gte: 10}`");
            }
            Kind::Mapping(entries) => {
                for (key, value) in entries {
                    self.condition_entry(key, value, kind, &mut parsed);
                }
                self.check_comparisons(node, kind, &parsed);
            }
        }
        parsed
    }

    fn condition_entry(
        &mut self,
        key: &Node,
        value: &Node,
        kind: Option<CorrelationType>,
        parsed: &mut ParsedCondition,
    ) {
        const CODE: Code = "correlation-condition";
        let name = key.text().unwrap_or_default();
        if let Some(&(_, operator)) = OPERATORS.iter().find(|(known, _)| *known == name) {
            match read::number(value) {
                Some(number) => parsed.comparisons.push((operator, number)),
                None => {
                    let message = match value.text() {
                        Some(written) => format!("threshold `{written}` is not a number"),
                        None => format!("the threshold must be a number, not {}", value.noun()),
                    };
                    self.error(CODE, value, message, &format!("write e.g. `{name}: 10`"));
                }
            }
            return;
        }
        match name {
            "field" => {
                let fields = self.texts("correlation-field", value, "a field name");
                let fields = fields.unwrap_or_default();
                if fields.len() > 1 && kind.is_some_and(|kind| kind != CorrelationType::ValueCount)
                {
                    let message = "a list of fields is for `value_count` only";
                    self.error("correlation-field", value, message, "name one field");
                }
                parsed.fields = fields.into_iter().map(|(name, _)| name.to_owned()).collect();
                if kind.is_some_and(|kind| !kind.needs_field()) {
                    let kind = kind.map_or("", CorrelationType::name);
                    let message = format!("`field` has no meaning for `{kind}`");
                    let help = "remove it, or use `type: value_count` to count distinct values";
                    let finding = Diagnostic::warning("correlation-field", key.span, message);
                    self.found.push(finding.with_help(help));
                }
            }
            "percentile" => match read::number(value).filter(|number| in_percent(number)) {
                Some(number) => {
                    if kind == Some(CorrelationType::ValuePercentile) {
                        parsed.percentile = Some(number);
                    } else {
                        let message = "`percentile` is for `value_percentile` only";
                        let finding = Diagnostic::warning(CODE, key.span, message);
                        self.found.push(finding.with_help("remove it, or change `type`"));
                    }
                }
                None => {
                    let message = "`percentile` must be a number from 0 to 100";
                    self.error(CODE, value, message, "write e.g. `percentile: 95`");
                }
            },
            _ => {
                let known = OPERATORS.iter().map(|(name, _)| *name).chain(["field", "percentile"]);
                let help = did_you_mean(name, known, || {
                    format!("operators are {}", quoted_list(OPERATORS.map(|(name, _)| name)))
                });
                let message = format!("unknown operator `{name}`");
                self.error(CODE, key, message, &help);
            }
        }
    }

    fn check_comparisons(
        &mut self,
        node: &Node,
        kind: Option<CorrelationType>,
        parsed: &ParsedCondition,
    ) {
        let Some(kind) = kind else { return };
        let failed = self.found.iter().any(|finding| finding.severity == Severity::Error);
        if parsed.comparisons.is_empty() && !kind.is_temporal() && !failed {
            let help = "add an operator, e.g. `gte: 10`";
            self.error("correlation-condition", node, "condition without an operator", help);
        }
        if kind.needs_field() && parsed.fields.is_empty() && node.get("field").is_none() {
            let message = format!("`{}` needs a `field` in its condition", kind.name());
            self.error("correlation-field", node, message, "add e.g. `field: TargetUserName`");
        } else if kind.needs_field() && parsed.fields.is_empty() && !failed {
            self.error("correlation-field", node, "`field` is empty", "name a field");
        }
    }

    /// The names of an extended condition must be exactly the rules, or are them.
    fn expression(
        &mut self,
        body: &Node,
        listed: Option<Vec<RuleReference>>,
        expression: Expression,
    ) -> Option<(Vec<RuleReference>, Option<TemporalCondition>)> {
        let condition = body.get("condition")?;
        let place = |span: Span| condition.sub_span(span.start as usize, span.end as usize);
        let Some(rules) = listed else {
            if body.get("rules").is_some() {
                return None;
            }
            let rules = expression.names.into_iter();
            let rules = rules.map(|(name, span)| RuleReference { name, span: place(span) });
            return Some((rules.collect(), Some(expression.condition)));
        };
        let mut indices = Vec::with_capacity(expression.names.len());
        for (name, span) in &expression.names {
            let index = rules.iter().position(|rule| rule.name == *name);
            if index.is_none() {
                let known = rules.iter().map(|rule| rule.name.as_str());
                let help = did_you_mean(name, known, || format!("add `{name}` to `rules`"));
                let message = format!("`{name}` is not among the `rules`");
                self.found.push(
                    Diagnostic::error("correlation-condition", place(*span), message)
                        .with_help(help),
                );
            }
            indices.push(index);
        }
        for (index, rule) in rules.iter().enumerate() {
            let twice = rules[..index].iter().any(|earlier| earlier.name == rule.name);
            if !twice && !indices.contains(&Some(index)) {
                let message = format!("rule `{}` is not used in the condition", rule.name);
                let help = "use every rule of the list in the condition, or drop the list";
                self.found.push(
                    Diagnostic::error("correlation-condition", condition.span, message)
                        .with_label(rule.span, "listed here")
                        .with_help(help),
                );
            }
        }
        let indices: Vec<usize> = indices.into_iter().collect::<Option<_>>()?;
        Some((rules, Some(expression.condition.map_rules(&|index| indices[index]))))
    }

    fn aliases(&mut self, body: &Node) -> Vec<(String, Vec<(String, String)>)> {
        const CODE: Code = "correlation-aliases";
        const HELP: &str = "write `aliases: {alias: {rule name: field}}`";
        let Some(node) = body.get("aliases").filter(|node| !node.is_null()) else {
            return Vec::new();
        };
        let Kind::Mapping(aliases) = &node.kind else {
            self.error(
                CODE,
                node,
                format!("`aliases` must be a mapping, not {}", node.noun()),
                HELP,
            );
            return Vec::new();
        };
        let mut parsed = Vec::new();
        for (alias, mapping) in aliases {
            let name = alias.text().unwrap_or_default();
            let Kind::Mapping(fields) = &mapping.kind else {
                let message = format!("alias `{name}` must map rule names to fields");
                self.error(CODE, mapping, message, HELP);
                continue;
            };
            let mut pairs = Vec::new();
            for (rule, field) in fields {
                match (rule.text(), field.text()) {
                    (Some(rule), Some(name)) if !name.is_empty() && !field.is_null() => {
                        pairs.push((rule.to_owned(), name.to_owned()));
                    }
                    _ => {
                        let message = format!("expected a field name, found {}", field.noun());
                        self.error(CODE, field, message, HELP);
                    }
                }
            }
            parsed.push((name.to_owned(), pairs));
        }
        parsed
    }

    /// The text lists `generate` beside `level`, pySigma reads it inside: both are accepted.
    fn generate(&mut self, document: &Node, body: &Node) -> bool {
        let mut generate = false;
        let mut first: Option<(bool, Span)> = None;
        for node in [document.get("generate"), body.get("generate")].into_iter().flatten() {
            match read::boolean(node) {
                Some(value) => {
                    if let Some((other, span)) = first.filter(|(other, _)| *other != value) {
                        let message = format!("`generate` is {other} above and {value} here");
                        let finding =
                            Diagnostic::warning("correlation-generate", node.span, message);
                        self.found.push(
                            finding.with_label(span, "the other").with_help("remove one of them"),
                        );
                    }
                    first = Some((value, node.span));
                    generate = value;
                }
                None => {
                    let message = "`generate` must be `true` or `false`";
                    self.error("correlation-generate", node, message, "write `generate: true`");
                }
            }
        }
        generate
    }
}

fn in_percent(number: &str) -> bool {
    canonical_number(number)
        .and_then(|number| number.parse::<f64>().ok())
        .is_some_and(|number| (0.0..=100.0).contains(&number))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::tests::node;

    fn read(text: &str) -> (Option<Correlation>, Vec<Diagnostic>) {
        let mut diagnostics = Vec::new();
        let parsed = parse(&node(text), Metadata::default(), &mut diagnostics);
        (parsed, diagnostics)
    }

    fn good(text: &str) -> Correlation {
        let (parsed, diagnostics) = read(text);
        assert!(diagnostics.is_empty(), "{diagnostics:?}");
        parsed.expect("no error was reported")
    }

    /// The codes and messages of a document that must not load.
    fn bad(text: &str) -> Vec<(Code, String)> {
        let (parsed, diagnostics) = read(text);
        assert!(parsed.is_none(), "loaded: {parsed:?}");
        assert!(diagnostics.iter().all(|finding| finding.help.is_some()), "{diagnostics:?}");
        diagnostics.into_iter().map(|finding| (finding.code, finding.message)).collect()
    }

    #[test]
    fn event_count_with_a_range() {
        let parsed = good(
            "correlation: {type: event_count, rules: [a, b], group-by: [User, Host],
             timespan: 5m, condition: {gte: 10, lt: 100.50}}",
        );
        assert_eq!(parsed.kind, CorrelationType::EventCount);
        assert_eq!(parsed.rules.len(), 2);
        assert_eq!(parsed.group_by, ["User", "Host"]);
        assert_eq!(parsed.timespan, Some(300_000_000_000));
        let expected = [
            (Operator::Compare(Comparison::Gte), Box::from("10")),
            (Operator::Compare(Comparison::Lt), Box::from("100.5")),
        ];
        assert_eq!(parsed.conditions, expected);
        assert!(!parsed.generate && !parsed.legacy);
    }

    #[test]
    fn single_texts_stand_for_lists() {
        let parsed = good(
            "correlation: {type: value_count, rules: a, group-by: User, timespan: 1h,
             condition: {field: [x, y], gt: 2}, generate: true}",
        );
        assert_eq!(parsed.rules[0].name, "a");
        assert_eq!(parsed.group_by, ["User"]);
        assert_eq!(parsed.fields, ["x", "y"]);
        assert!(parsed.generate);
    }

    #[test]
    fn percentile_aliases_and_generate_at_top_level() {
        let parsed = good(
            "generate: true
correlation:
  type: value_percentile
  rules: [a, b]
  timespan: 1d
  group-by: [ip]
  aliases: {ip: {a: src_ip, b: source.address}}
  condition: {field: bytes, percentile: 95, gt: 1e6}",
        );
        assert_eq!(parsed.percentile.as_deref(), Some("95"));
        let pairs = [("a", "src_ip"), ("b", "source.address")];
        let pairs = pairs.map(|(rule, field)| (rule.to_owned(), field.to_owned()));
        assert_eq!(parsed.aliases, [("ip".to_owned(), pairs.to_vec())]);
        assert_eq!(parsed.conditions[0].1.as_ref(), "1000000");
        assert!(parsed.generate);
    }

    #[test]
    fn temporal_needs_no_condition_and_may_have_an_expression() {
        let parsed = good("correlation: {type: temporal, rules: [a, b], timespan: 5m}");
        assert!(parsed.conditions.is_empty() && parsed.temporal_condition.is_none());

        let text = "correlation: {type: temporal, rules: [a, b, c], timespan: 5m,
             condition: c and not (a or b)}";
        use TemporalCondition::{And, Not, Or, Rule};
        let expected = And(vec![Rule(2), Not(Box::new(Or(vec![Rule(0), Rule(1)])))]);
        assert_eq!(good(text).temporal_condition, Some(expected));

        let parsed = good("correlation: {type: temporal, timespan: 5m, condition: a and b}");
        let names: Vec<_> = parsed.rules.iter().map(|rule| rule.name.as_str()).collect();
        assert_eq!(names, ["a", "b"]);
    }

    #[test]
    fn every_error_is_reported_once_with_help() {
        let code = |text: &str| {
            let found = bad(text);
            assert_eq!(found.len(), 1, "{found:?}");
            found.into_iter().next().unwrap_or(("", String::new()))
        };
        let with = |part: &str| {
            let rest = "rules: [a], timespan: 5m, condition: {gte: 2}";
            format!("correlation: {{{part}, {rest}}}")
        };
        assert_eq!(code("correlation: x").0, "correlation-syntax");
        assert_eq!(code("correlation:").0, "correlation-syntax");
        assert_eq!(code(&with("generate: true")).1, "correlation without `type`");
        let unknown = code(&with("type: event_cuont"));
        assert_eq!(unknown.1, "unknown correlation type `event_cuont`");
        assert_eq!(code(&with("type: value_sum")).0, "correlation-field");
        assert_eq!(code(&with("type: event_count, group-by: {a: b}")).0, "correlation-group-by");
        assert_eq!(code(&with("type: event_count, aliases: [a]")).0, "correlation-aliases");
        assert_eq!(code(&with("type: event_count, aliases: {a: b}")).0, "correlation-aliases");
        assert_eq!(code(&with("type: event_count, generate: often")).0, "correlation-generate");
        let body = |body: &str| format!("correlation: {{type: event_count, {body}}}");
        let rules = "rules: [a], timespan: 5m";
        assert_eq!(code(&body("timespan: 5m, condition: {gte: 1}")).0, "correlation-rules");
        assert_eq!(
            code(&body("rules: [], timespan: 5m, condition: {gte: 1}")).0,
            "correlation-rules"
        );
        assert_eq!(code(&body("rules: [a], condition: {gte: 1}")).0, "correlation-timespan");
        assert_eq!(
            code(&body("rules: [a], timespan: 5x, condition: {gte: 1}")).0,
            "correlation-timespan"
        );
        assert_eq!(
            code(&body("rules: [a], timespan: '300', condition: {gte: 1}")).0,
            "correlation-timespan"
        );
        assert_eq!(code(&body(rules)).1, "correlation without `condition`");
        assert_eq!(
            code(&body(&format!("{rules}, condition: {{}}"))).1,
            "condition without an operator"
        );
        assert_eq!(
            code(&body(&format!("{rules}, condition: {{min: 2}}"))).1,
            "unknown operator `min`"
        );
        assert_eq!(
            code(&body(&format!("{rules}, condition: {{gte: many}}"))).1,
            "threshold `many` is not a number"
        );
        assert_eq!(code(&body(&format!("{rules}, condition: a and b"))).0, "correlation-condition");
        let temporal = |condition: &str| {
            format!(
                "correlation: {{type: temporal, rules: [a, b], timespan: 5m, condition: {condition}}}"
            )
        };
        assert_eq!(code(&temporal("a")).1, "rule `b` is not used in the condition");
        assert_eq!(code(&temporal("a and b and d")).1, "`d` is not among the `rules`");
        assert_eq!(code(&temporal("a and")).1, "expected a rule name at the end");
    }

    #[test]
    fn oddities_are_warned_about_only() {
        let (parsed, diagnostics) = read(
            "correlation: {type: event_count, rules: [a, a], timespan: 5m, tiemspan: 6m,
             condition: {gte: 2, field: x, percentile: 5}}",
        );
        assert!(parsed.is_some());
        let codes: Vec<_> = diagnostics.iter().map(|finding| finding.code).collect();
        let expected = [
            "correlation-unknown-key",
            "correlation-rules",
            "correlation-field",
            "correlation-condition",
        ];
        assert_eq!(codes, expected);
        assert_eq!(diagnostics[0].help.as_deref(), Some("did you mean `timespan`?"));
        let (parsed, diagnostics) = read(
            "{generate: true, correlation: {type: temporal, rules: [a, b], timespan: 5m,
             generate: false}}",
        );
        assert!(parsed.is_some_and(|parsed| !parsed.generate));
        assert_eq!(diagnostics[0].message, "`generate` is true above and false here");
    }
}
