//! Correlations that load and are probably not meant: conditions that never hold, aliases and
//! fields that a rule does not have (semantics sections 13A and 17).

use super::collection::{Loaded, Target};
use super::document::Document;
use super::modern::Written;
use super::taxonomy::Taxonomy;
use crate::correlation::{CorrelationType, Operator, TemporalCondition};
use crate::read::one_or_many;
use crate::suggestion::nearest;
use crate::value::Comparison;
use crate::yaml::Node;
use crate::{Correlation, Diagnostic, Rule, Span};
use ahash::AHashSet;

/// Conditions over more rules than this are not tried out.
const TRIED_RULES: usize = 12;

pub(super) fn check(
    document: &Document<'_>,
    correlation: &Correlation,
    loaded: &Loaded<'_>,
    taxonomy: &Taxonomy,
    found: &mut Vec<Diagnostic>,
) {
    let (key, body) = document.root.entry("correlation").unzip();
    let place = match body.and_then(|body| body.get("condition")).or(key) {
        Some(node) => node.span,
        None => document.conditions().first().map_or(document.head(), |node| node.span),
    };
    let rules = different(correlation, loaded);
    bounds(correlation, rules, place, found);
    temporal(correlation, rules, place, found);
    let Some(body) = body else {
        // A translated aggregation has its fields in the condition; other things of a correlation
        // it cannot have.
        let aggregation = document.root.get("detection").and_then(Written::read);
        let names = aggregation.as_ref().map(Written::fields).unwrap_or_default();
        let names = names.into_iter().map(|name| (place, name));
        return fields(names, None, correlation, loaded, taxonomy, found);
    };
    for name in ["logsource", "detection"] {
        if let Some((key, _)) = document.root.entry(name) {
            let message = format!("`{name}` has no effect in a correlation");
            found.push(
                Diagnostic::warning("correlation-with-detection", key.span, message)
                    .with_help("make a rule of it, in a document of its own"),
            );
        }
    }
    if let Some(node) = body.get("timespan") {
        unit(node, found);
    }
    twice(body, found);
    aliases(body, correlation, loaded, taxonomy, found);
    let names = written(body).filter_map(|node| Some((node.span, node.non_null_text()?)));
    fields(names, body.get("aliases"), correlation, loaded, taxonomy, found);
}

/// How many rules must have hits. Of `temporal`, one that is named twice, by its name or id, counts once.
fn different(correlation: &Correlation, loaded: &Loaded<'_>) -> usize {
    let rules = &correlation.rules;
    if correlation.kind != CorrelationType::Temporal {
        return rules.len();
    }
    let mut known: AHashSet<(Option<*const ()>, &str)> = AHashSet::new();
    for rule in rules {
        known.insert(match loaded.target(&rule.name) {
            Some(Target::Rule(rule)) => (Some(std::ptr::from_ref(rule).cast()), ""),
            Some(Target::Correlation(inner)) => (Some(std::ptr::from_ref(inner).cast()), ""),
            None => (None, &rule.name),
        });
    }
    known.len()
}

fn bounds(correlation: &Correlation, rules: usize, place: Span, found: &mut Vec<Diagnostic>) {
    if never(correlation, rules) {
        let limit = match correlation.kind {
            kind if kind.is_temporal() => " of the number of rules with a hit",
            CorrelationType::EventCount => " of a number of events",
            CorrelationType::ValueCount => " of a number of values",
            _ => "",
        };
        found.push(
            Diagnostic::warning("correlation-never", place, "the condition can never be true")
                .with_note(format!("no value{limit} lies within all of its bounds"))
                .with_help("correct one of the bounds"),
        );
    }
    let lower_bound = |operator: &Operator| {
        matches!(operator, Operator::Compare(Comparison::Gt | Comparison::Gte))
    };
    let all = |wanted: &dyn Fn(&Operator) -> bool| {
        correlation.conditions.iter().all(|(operator, _)| wanted(operator))
    };
    // Some aggregations of version 1 are decided at each hit all the same.
    let sooner = all(&|operator| *operator == Operator::Eq)
        || (correlation.kind == CorrelationType::ValueMin
            && all(&|operator| {
                matches!(operator, Operator::Compare(Comparison::Lt | Comparison::Lte))
            }));
    if !(all(&lower_bound) || correlation.legacy && sooner) {
        let message = "the condition can only be decided when its window closes";
        found.push(
            Diagnostic::note("correlation-upper-bound", place, message)
                .with_note("groups that send nothing at all are never reported")
                .with_help("on a stream, prefer `gte` where it can say the same"),
        );
    }
}

/// Whether no number can satisfy the comparisons.
fn never(correlation: &Correlation, rules: usize) -> bool {
    let temporal = correlation.kind.is_temporal();
    let counts = temporal
        || matches!(correlation.kind, CorrelationType::EventCount | CorrelationType::ValueCount);
    let (mut low, mut low_is_in) = (f64::NEG_INFINITY, true);
    let (mut high, mut high_is_in) = (f64::INFINITY, true);
    let mut not = Vec::new();
    if counts {
        low = 0.0;
    }
    if temporal {
        high = rules as f64;
    }
    let mut at_least = |number: f64, is_in: bool| {
        if number > low || (number == low && !is_in) {
            (low, low_is_in) = (number, is_in);
        }
    };
    let mut at_most = |number: f64, is_in: bool| {
        if number < high || (number == high && !is_in) {
            (high, high_is_in) = (number, is_in);
        }
    };
    for (operator, number) in &correlation.conditions {
        let Ok(number) = number.parse::<f64>() else { return false };
        match operator {
            Operator::Compare(Comparison::Gt) if counts => at_least(number.floor() + 1.0, true),
            Operator::Compare(Comparison::Gt) => at_least(number, false),
            Operator::Compare(Comparison::Gte) if counts => at_least(number.ceil(), true),
            Operator::Compare(Comparison::Gte) => at_least(number, true),
            Operator::Compare(Comparison::Lt) if counts => at_most(number.ceil() - 1.0, true),
            Operator::Compare(Comparison::Lt) => at_most(number, false),
            Operator::Compare(Comparison::Lte) if counts => at_most(number.floor(), true),
            Operator::Compare(Comparison::Lte) => at_most(number, true),
            Operator::Eq if counts && number.fract() != 0.0 => return true,
            Operator::Eq => {
                at_least(number, true);
                at_most(number, true);
            }
            Operator::Neq => not.push(number),
        }
    }
    low > high || (low == high && (!low_is_in || !high_is_in || not.contains(&low)))
}

fn temporal(correlation: &Correlation, different: usize, place: Span, found: &mut Vec<Diagnostic>) {
    if !correlation.kind.is_temporal() {
        return;
    }
    let rules = correlation.rules.len();
    let Some(condition) = &correlation.temporal_condition else {
        if different == 1 && !never(correlation, different) {
            let kind = correlation.kind.name();
            let message = format!("`{kind}` over one rule is true at each of its hits");
            found.push(
                Diagnostic::warning("correlation-single-rule", place, message)
                    .with_help("add the other rules, or count hits with `type: event_count`"),
            );
        }
        return;
    };
    if rules > TRIED_RULES {
        return;
    }
    if holds(condition, 0) {
        let message = "the condition is true without any hit";
        found.push(
            Diagnostic::warning("correlation-without-hit", place, message)
                .with_note("it is looked at only where a rule has a hit")
                .with_help("add a rule that must have one: `a and not b`"),
        );
    } else if (1..1u32 << rules).all(|hits| !holds(condition, hits)) {
        let message = "the condition can never be true";
        found.push(
            Diagnostic::warning("correlation-never", place, message)
                .with_note("whichever of the rules have hits, it is false")
                .with_help("correct the condition"),
        );
    }
}

/// Whether the condition is true if the rules of these bits have hits.
fn holds(condition: &TemporalCondition, hits: u32) -> bool {
    match condition {
        TemporalCondition::And(members) => members.iter().all(|member| holds(member, hits)),
        TemporalCondition::Or(members) => members.iter().any(|member| holds(member, hits)),
        TemporalCondition::Not(inner) => !holds(inner, hits),
        TemporalCondition::Rule(index) => hits >> index & 1 == 1,
    }
}

/// `M` is easily written for minutes; the specification has neither weeks, months nor years.
fn unit(node: &Node, found: &mut Vec<Diagnostic>) {
    let text = node.text().unwrap_or_default();
    let count = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    match text.chars().last() {
        Some('M') => {
            let message = format!("time span `{text}` is in months");
            found.push(
                Diagnostic::warning("timespan-unit", node.span, message)
                    .with_note("only some Sigma tools know months")
                    .with_help(format!("for minutes, write `{count}m`")),
            );
        }
        Some(unit @ ('w' | 'y')) => {
            let days =
                count.parse::<u64>().unwrap_or(0).saturating_mul(if unit == 'w' { 7 } else { 365 });
            let message = format!("`{unit}` is no unit of the specification");
            found.push(
                Diagnostic::note("timespan-unit", node.span, message)
                    .with_note("other Sigma tools may refuse it")
                    .with_help(format!("write e.g. `{days}d`")),
            );
        }
        _ => {}
    }
}

fn twice(body: &Node, found: &mut Vec<Diagnostic>) {
    let names = body.get("group-by").map_or(&[][..], one_or_many);
    for (at, node) in names.iter().enumerate() {
        let Some(name) = node.non_null_text() else { continue };
        if names[..at].iter().any(|earlier| earlier.text() == Some(name)) {
            let message = format!("`{name}` is in `group-by` twice");
            found.push(
                Diagnostic::warning("correlation-group-by", node.span, message)
                    .with_help("remove one of them"),
            );
        }
    }
}

fn aliases(
    body: &Node,
    correlation: &Correlation,
    loaded: &Loaded<'_>,
    taxonomy: &Taxonomy,
    found: &mut Vec<Diagnostic>,
) {
    let Some(aliases) = body.get("aliases").and_then(Node::mapping) else { return };
    for (alias, mapping) in aliases {
        let name = alias.text().unwrap_or_default();
        let used = written(body).any(|node| node.text() == Some(name));
        if !used {
            let message = format!("alias `{name}` is not in `group-by`");
            found.push(
                Diagnostic::warning("correlation-alias", alias.span, message)
                    .with_help("use it in `group-by`, or remove it"),
            );
        }
        for (rule, _) in mapping.mapping().unwrap_or_default() {
            let rule_name = rule.text().unwrap_or_default();
            let is_it = |target: &str| target == rule_name || loaded.is_same(target, rule_name);
            if !loaded.knows(rule_name) {
                let message = format!("the alias names `{rule_name}`, which is not loaded");
                found.push(
                    Diagnostic::warning("correlation-alias", rule.span, message)
                        .with_help("use the id or name of a rule of this correlation"),
                );
            } else if !correlation.rules.iter().any(|reference| is_it(&reference.name)) {
                let message =
                    format!("the alias names `{rule_name}`, which this correlation does not use");
                found.push(
                    Diagnostic::warning("correlation-alias", rule.span, message)
                        .with_help("use the id or name of a rule of this correlation"),
                );
            }
        }
        for reference in correlation.rules.iter().filter(|_| used) {
            let listed = mapping.mapping().unwrap_or_default().iter().any(|(rule, _)| {
                let rule = rule.text().unwrap_or_default();
                rule == reference.name || loaded.is_same(rule, &reference.name)
            });
            // Of a rule that is not listed, the alias is the field.
            let has = match loaded.target(&reference.name) {
                Some(Target::Rule(rule)) => {
                    fields_of(rule, taxonomy).is_some_and(|f| f.contains(&name))
                }
                Some(Target::Correlation(inner)) => {
                    inner.group_by.iter().any(|field| field == name)
                }
                None => true,
            };
            if !listed && !has {
                let rule = &reference.name;
                let message = format!("alias `{name}` does not say which field of `{rule}` it is");
                found.push(
                    Diagnostic::warning("correlation-alias", alias.span, message)
                        .with_label(reference.span, "used here")
                        .with_note(format!(
                            "hits of `{rule}` without a field `{name}` do not count"
                        ))
                        .with_help(format!("add `{rule}: …` to the alias")),
                );
            }
        }
    }
}

/// The names in `group-by` and `field`.
fn written(body: &Node) -> impl Iterator<Item = &Node> {
    let field = body.get("condition").and_then(|condition| condition.get("field"));
    let names = body.get("group-by").into_iter().chain(field);
    names.flat_map(one_or_many)
}

fn fields_of<'t>(rule: &Rule, taxonomy: &'t Taxonomy) -> Option<Vec<&'t str>> {
    let foreign = rule.metadata.taxonomy.as_deref().is_some_and(|taxonomy| taxonomy != "sigma");
    if foreign { None } else { taxonomy.fields(&rule.logsource) }
}

/// Fields that a rule's log source does not have. An alias's fields are checked where it has them.
fn fields<'n>(
    names: impl Iterator<Item = (Span, &'n str)>,
    aliases: Option<&Node>,
    correlation: &Correlation,
    loaded: &Loaded<'_>,
    taxonomy: &Taxonomy,
    found: &mut Vec<Diagnostic>,
) {
    let rules: Vec<(&str, &Rule, Vec<&str>)> = correlation
        .rules
        .iter()
        .filter_map(|reference| match loaded.target(&reference.name)? {
            Target::Rule(rule) => Some((&*reference.name, rule, fields_of(rule, taxonomy)?)),
            Target::Correlation(_) => None,
        })
        .collect();
    for (span, name) in names {
        let alias = aliases.and_then(|aliases| aliases.get(name)).and_then(Node::mapping);
        for (reference, rule, known) in &rules {
            let of_rule = |name: &str| name == *reference || loaded.is_same(name, reference);
            let (place, field) = match alias {
                None => (span, name),
                Some(mapping) => {
                    let own = mapping.iter().find(|(rule, _)| rule.text().is_some_and(of_rule));
                    // Said already that the alias lacks it.
                    let Some((_, field)) = own else { continue };
                    (field.span, field.text().unwrap_or_default())
                }
            };
            if known.contains(&field) {
                continue;
            }
            let of = match correlation.legacy {
                true => String::new(),
                false => format!(" of `{reference}`"),
            };
            let message = format!("log source `{}`{of} has no field `{field}`", rule.logsource);
            let same = known.iter().find(|known| known.eq_ignore_ascii_case(field));
            let near = same.copied().or_else(|| nearest(field, known.iter().copied()));
            let elsewhere = rules.iter().any(|(_, _, others)| others.contains(&field));
            found.push(match near {
                _ if alias.is_none() && elsewhere => Diagnostic::warning(
                    "unknown-field",
                    place,
                    message,
                )
                .with_note(format!("hits of `{reference}` do not count"))
                .with_help(format!(
                    "say what it is called there: `aliases: {{{field}: {{{reference}: {}}}}}`",
                    near.unwrap_or("…")
                )),
                Some(near) => Diagnostic::warning("unknown-field", place, message)
                    .with_help(format!("did you mean `{near}`?")),
                None => Diagnostic::note("unknown-field", place, message)
                    .with_help("check the name; hits without the field do not count"),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::lint::{Options, check};
    use crate::{Loader, Severity, Source};

    const RULES: &str = "\
title: A
id: 6f1a2a3e-52c8-4f3d-9c26-0c7f5a1b2c3d
name: a
level: low
logsource: {product: windows, category: process_creation}
detection: {sel: {Image: x}, condition: sel}
---
title: B
id: 7f1a2a3e-52c8-4f3d-9c26-0c7f5a1b2c3d
name: b
level: low
logsource: {product: windows, category: network_connection}
detection: {sel: {Image: x}, condition: sel}
---
title: C
id: 8f1a2a3e-52c8-4f3d-9c26-0c7f5a1b2c3d
name: c
level: low
logsource: {product: linux, service: sshd}
detection: {sel: {user: x}, condition: sel}
---
";

    /// Code and message of what is found in a correlation with this body.
    fn found(body: &str) -> Vec<(&'static str, String)> {
        let correlation = format!(
            "title: D\nid: 9f1a2a3e-52c8-4f3d-9c26-0c7f5a1b2c3d\nlevel: low\ncorrelation: {{{body}}}\n"
        );
        let text = format!("{RULES}{correlation}");
        let sources = [Source { name: "a.yml".into(), text: text.as_str().into() }];
        let collection = Loader::default().load(&sources);
        assert_eq!(collection.diagnostics, []);
        let found = check(&sources, &collection, &Options::default());
        for finding in &found {
            assert!(finding.help.is_some() && finding.severity < Severity::Error, "{finding:?}");
            assert!(finding.span.start as usize > RULES.len(), "{finding:?}");
        }
        found.into_iter().map(|finding| (finding.code, finding.message)).collect()
    }

    fn codes(body: &str) -> Vec<&'static str> {
        found(body).into_iter().map(|(code, _)| code).collect()
    }

    #[test]
    fn conditions_that_never_hold() {
        let of = |kind: &str, condition: &str| {
            let body =
                format!("type: {kind}, rules: [a, b], timespan: 5m, condition: {{{condition}}}");
            codes(&body).contains(&"correlation-never")
        };
        assert!(of("event_count", "gte: 10, lt: 10"));
        assert!(of("event_count", "gt: 9, lt: 10"));
        assert!(!of("event_count", "gt: 9, lte: 10"));
        assert!(of("event_count", "eq: 2.5"));
        assert!(of("event_count", "eq: 2, neq: 2"));
        assert!(of("event_count", "lt: 0"));
        assert!(!of("event_count", "eq: 0"));
        assert!(of("value_count", "field: Image, eq: 3, gt: 5"));
        assert!(of("value_sum", "field: Image, gt: 1, lt: 1"));
        assert!(!of("value_sum", "field: Image, gt: 1, lt: 1.5"));
        assert!(!of("value_avg", "field: Image, lt: 0"));
        assert!(of("value_median", "field: Image, gt: 1, lte: 1"));
        assert!(!of("value_median", "field: Image, gte: 1, lte: 1"));
        assert!(of("temporal", "gte: 3"));
        assert!(!of("temporal", "gte: 2"));
        let twice =
            "type: temporal, rules: [a, 6f1a2a3e-52c8-4f3d-9c26-0c7f5a1b2c3d], timespan: 5m";
        assert_eq!(codes(twice), ["correlation-single-rule"]);
        assert_eq!(codes(&format!("{twice}, condition: {{gte: 2}}")), ["correlation-never"]);
        assert_eq!(codes("type: temporal_ordered, rules: [a, a], timespan: 5m"), [""; 0]);
    }

    #[test]
    fn temporal_conditions_are_tried_out() {
        let of = |condition: &str| {
            codes(&format!("type: temporal, timespan: 5m, condition: {condition}"))
        };
        assert_eq!(of("a and not b"), [""; 0]);
        assert_eq!(of("a and not (a or b)"), ["correlation-never"]);
        assert_eq!(of("a or not b"), ["correlation-without-hit"]);
        assert_eq!(of("not a"), ["correlation-without-hit"]);
        assert_eq!(codes("type: temporal, rules: a, timespan: 5m"), ["correlation-single-rule"]);
        assert_eq!(codes("type: temporal, rules: [a, b], timespan: 5m"), [""; 0]);
    }

    #[test]
    fn units_outside_of_the_specification() {
        let of = |timespan: &str| {
            codes(&format!(
                "type: event_count, rules: a, timespan: {timespan}, condition: {{gte: 2}}"
            ))
        };
        assert_eq!(of("5M"), ["timespan-unit"]);
        assert_eq!(of("2w"), ["timespan-unit"]);
        assert_eq!(of("1y"), ["timespan-unit"]);
        assert_eq!(of("14d"), [""; 0]);
    }

    #[test]
    fn aliases_are_complete() {
        let of =
            |rest: &str| found(&format!("type: temporal, rules: [a, c], timespan: 5m, {rest}"));
        let messages = |rest: &str| -> Vec<String> {
            of(rest).into_iter().map(|(_, message)| message).collect()
        };
        assert_eq!(of("group-by: who, aliases: {who: {a: User, c: user}}"), []);
        // By id as well as by name.
        let by_id =
            "group-by: who, aliases: {who: {6f1a2a3e-52c8-4f3d-9c26-0c7f5a1b2c3d: User, c: user}}";
        assert_eq!(of(by_id), []);
        assert_eq!(
            messages("group-by: who, aliases: {who: {a: User}}"),
            ["alias `who` does not say which field of `c` it is"]
        );
        assert_eq!(
            messages("group-by: User, aliases: {User: {c: user}}"),
            [""; 0],
            "the log source of `a` has a field of this name"
        );
        assert_eq!(
            messages("group-by: who, aliases: {who: {a: User, c: user, b: User}}"),
            ["the alias names `b`, which this correlation does not use"]
        );
        assert_eq!(
            messages("group-by: who, aliases: {who: {a: Usr, c: user}}"),
            ["log source `windows/process_creation` of `a` has no field `Usr`"]
        );
        assert_eq!(messages("group-by: [User, User]"), ["`User` is in `group-by` twice"]);
    }

    #[test]
    fn fields_that_only_one_of_the_log_sources_has() {
        let body = "type: temporal, rules: [a, b], timespan: 5m, group-by: DestinationIp";
        assert_eq!(
            found(body),
            [(
                "unknown-field",
                "log source `windows/process_creation` of `a` has no field `DestinationIp`"
                    .to_owned()
            )]
        );
        let body = "type: value_count, rules: [a], timespan: 5m, condition: {gt: 1, field: Imag}";
        assert_eq!(codes(body), ["unknown-field"]);
        let body = "type: value_count, rules: [a], timespan: 5m, condition: {gt: 1, field: Image}";
        assert_eq!(codes(body), [""; 0]);
        let aggregation = RULES.split("---").next().unwrap_or_default().replace(
            "condition: sel}",
            "timeframe: 5m, condition: sel | count(image) by User > 5}",
        );
        let sources = [Source { name: "a.yml".into(), text: aggregation.into() }];
        let found = check(&sources, &Loader::default().load(&sources), &Options::default());
        let message = "log source `windows/process_creation` has no field `image`";
        assert!(found.iter().any(|finding| finding.message == message), "{found:?}");
        // Nothing is known of sshd.
        let body = "type: temporal, rules: [a, c], timespan: 5m, group-by: User";
        assert_eq!(codes(body), [""; 0]);
    }

    #[test]
    fn a_correlation_has_no_detection() {
        let text = format!(
            "{RULES}title: D\nid: 9f1a2a3e-52c8-4f3d-9c26-0c7f5a1b2c3d\nlevel: low\nlogsource: {{product: x}}\n\
             correlation: {{type: temporal, rules: [a, b], timespan: 5m}}\n---\ntitle: F\n\
             id: af1a2a3e-52c8-4f3d-9c26-0c7f5a1b2c3d\nlogsource: {{product: windows}}\nfilter:\n    \
             rules: [9f1a2a3e-52c8-4f3d-9c26-0c7f5a1b2c3d]\n    sel:\n        User: x\n    condition: not sel\n"
        );
        let sources = [Source { name: "a.yml".into(), text: text.as_str().into() }];
        let collection = Loader::default().load(&sources);
        assert_eq!(collection.diagnostics, []);
        let found = check(&sources, &collection, &Options::default());
        let codes: Vec<_> = found.into_iter().map(|finding| finding.code).collect();
        assert_eq!(codes, ["correlation-with-detection", "filter-for-correlation"]);
    }
}
