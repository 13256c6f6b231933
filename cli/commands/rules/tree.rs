//! Correlations with what they refer to, as trees: for a terminal, and as JSON.

use crate::correlation_text;
use crate::encode::shortened;
use crate::rule_text;
use serde_json::{Map, Value, json};
use sigmund_sigma::correlation::write_timespan;
use sigmund_sigma::rule::Metadata;
use sigmund_sigma::{Correlation, Rule};
use sigmund_stream::encode::level_name;
use sigmund_stream::rules::Rules;
use sigmund_stream::words::visible;
use std::collections::HashSet;
use std::io::{self, Write};

/// Deeper trees are cut.
const MAX_DEPTH: usize = 64;

/// What a reference leads to.
#[derive(Clone, Copy)]
pub(super) enum Target<'a> {
    Rule(&'a Rule),
    Correlation(&'a Correlation),
}

impl<'a> Target<'a> {
    pub(super) fn metadata(self) -> &'a Metadata {
        match self {
            Self::Rule(rule) => &rule.metadata,
            Self::Correlation(correlation) => &correlation.metadata,
        }
    }
}

/// The correlations whose alerts go out.
pub(super) fn reporting(rules: &Rules) -> impl Iterator<Item = &Correlation> {
    let cards = (0u32..).zip(&rules.alert_cards);
    let reporting = cards.filter(|(at, _)| rules.correlations.reports(*at));
    reporting.map(|(_, card)| &*card.correlation)
}

/// What an id or name stands for.
pub(super) fn target<'a>(rules: &'a Rules, name: &str) -> Option<Target<'a>> {
    let is_called = |metadata: &Metadata| {
        let is_it = |own: &Option<String>| own.as_deref() == Some(name);
        is_it(&metadata.id) || is_it(&metadata.name)
    };
    let rule = rules.cards.iter().find(|card| is_called(&card.rule.metadata));
    let rule = rule.map(|card| Target::Rule(&card.rule));
    rule.or_else(|| {
        let mut correlations = rules.alert_cards.iter();
        let card = correlations.find(|card| is_called(&card.correlation.metadata))?;
        Some(Target::Correlation(&card.correlation))
    })
}

/// Writes all that report, each with its tree, with an empty line between them.
pub(super) fn write(out: &mut dyn Write, rules: &Rules, width: Option<usize>) -> io::Result<()> {
    for (at, correlation) in reporting(rules).enumerate() {
        if at > 0 {
            writeln!(out)?;
        }
        let mut tree = Tree { rules, width, out, seen: HashSet::new() };
        tree.correlation(correlation, "", "", MAX_DEPTH)?;
    }
    Ok(())
}

/// Writes what a correlation refers to.
pub(super) fn write_references(
    out: &mut dyn Write,
    rules: &Rules,
    correlation: &Correlation,
    indent: &str,
    width: Option<usize>,
) -> io::Result<()> {
    let mut tree = Tree { rules, width, out, seen: HashSet::new() };
    tree.references(correlation, indent, MAX_DEPTH)
}

struct Tree<'a> {
    rules: &'a Rules,
    width: Option<usize>,
    out: &'a mut dyn Write,
    /// Correlations that were written out: what many others use would be written again and again.
    seen: HashSet<*const Correlation>,
}

impl<'a> Tree<'a> {
    fn line(&mut self, text: &str) -> io::Result<()> {
        let text = visible(text.trim_end(), false);
        match self.width {
            Some(width) => writeln!(self.out, "{}", shortened(&text, width)),
            None => writeln!(self.out, "{text}"),
        }
    }

    /// `first` stands before the title, `rest` before the lines below it.
    fn correlation(
        &mut self,
        correlation: &'a Correlation,
        first: &str,
        rest: &str,
        depth: usize,
    ) -> io::Result<()> {
        let metadata = &correlation.metadata;
        let again = !self.seen.insert(correlation);
        let note = if again { " (as above)" } else { "" };
        let mut headline = format!("{first}{}{note}", headline(metadata));
        if first.is_empty()
            && let Some(id) = &metadata.id
        {
            let length = headline.chars().count() + 2 + id.chars().count();
            if self.width.is_none_or(|width| length <= width) {
                headline.push_str(&format!("  {id}"));
            }
        }
        self.line(&headline)?;
        if again {
            return Ok(());
        }
        self.line(&format!("{rest}  {}", correlation_text::line(correlation)))?;
        self.references(correlation, &format!("{rest}  "), depth)
    }

    fn references(
        &mut self,
        correlation: &'a Correlation,
        before: &str,
        depth: usize,
    ) -> io::Result<()> {
        let last = correlation.rules.len().saturating_sub(1);
        for (at, reference) in correlation.rules.iter().enumerate() {
            let (branch, below) = if at == last { ("└ ", "  ") } else { ("├ ", "│ ") };
            let (first, rest) = (format!("{before}{branch}"), format!("{before}{below}"));
            let name = correlation_text::reference(correlation, &reference.name);
            match target(self.rules, &reference.name) {
                None => self.line(&format!("{first}{name} (not loaded)"))?,
                Some(Target::Rule(rule)) if correlation.legacy => {
                    let condition = conditions(rule);
                    let text = match name == condition {
                        true => condition,
                        false => format!("{name}: {condition}"),
                    };
                    self.line(&format!("{first}{text}  {}", rule.logsource))?;
                }
                Some(Target::Rule(rule)) => {
                    let title = headline(&rule.metadata);
                    self.line(&format!("{first}{title}  {}", rule.logsource))?;
                }
                Some(Target::Correlation(inner)) if depth > 0 => {
                    self.correlation(inner, &first, &rest, depth - 1)?;
                }
                Some(Target::Correlation(inner)) => {
                    self.line(&format!("{first}{} …", headline(&inner.metadata)))?;
                }
            }
        }
        Ok(())
    }
}

/// Level and title.
fn headline(metadata: &Metadata) -> String {
    match metadata.level {
        Some(level) => format!("{}  {}", level_name(level), metadata.title),
        None => metadata.title.clone(),
    }
}

fn conditions(rule: &Rule) -> String {
    let text = |condition| rule_text::condition(condition, &rule.selections);
    let texts = rule.conditions.iter().map(text);
    texts.collect::<Vec<_>>().join(" or ")
}

/// What a correlation is made of, with the trees of those that it refers to.
pub(super) fn json(rules: &Rules, correlation: &Correlation) -> Value {
    body(rules, correlation, &mut HashSet::new(), MAX_DEPTH)
}

fn body(
    rules: &Rules,
    correlation: &Correlation,
    seen: &mut HashSet<*const Correlation>,
    depth: usize,
) -> Value {
    let mut condition = Map::new();
    if let Some(field) = match &*correlation.fields {
        [] => None,
        [field] => Some(json!(field)),
        fields => Some(json!(fields)),
    } {
        condition.insert("field".to_owned(), field);
    }
    let number = |text: &str| serde_json::from_str(text).unwrap_or_else(|_| json!(text));
    if let Some(percentile) = &correlation.percentile {
        condition.insert("percentile".to_owned(), number(percentile));
    }
    for (operator, threshold) in &correlation.conditions {
        condition.insert(operator.name().to_owned(), number(threshold));
    }
    let condition = match &correlation.temporal_condition {
        Some(_) => json!(correlation_text::condition(correlation)),
        None => Value::Object(condition),
    };
    let references: Vec<Value> = correlation
        .rules
        .iter()
        .map(|reference| {
            let name = correlation_text::reference(correlation, &reference.name);
            let Some(target) = target(rules, &reference.name) else {
                return json!({ "reference": name });
            };
            let metadata = target.metadata();
            let mut object = json!({ "reference": name, "title": metadata.title });
            if let Some(id) = &metadata.id {
                object["id"] = json!(id);
            }
            if let Some(level) = metadata.level {
                object["level"] = json!(level_name(level));
            }
            match target {
                Target::Rule(rule) => object["logsource"] = json!(rule.logsource.to_string()),
                // Written out once, as in the table.
                Target::Correlation(inner) => {
                    if depth > 0 && seen.insert(inner) {
                        object["correlation"] = body(rules, inner, seen, depth - 1);
                    }
                }
            }
            object
        })
        .collect();
    let mut object = json!({
        "text": correlation_text::line(correlation),
        "type": correlation.kind.name(),
        "group_by": correlation.group_by,
        "timespan": correlation.timespan.map(write_timespan),
        "condition": condition,
        "generate": correlation.generate,
        "rules": references,
    });
    if !correlation.aliases.is_empty() {
        let aliases = correlation.aliases.iter().map(|(alias, fields)| {
            let fields: Map<String, Value> =
                fields.iter().map(|(rule, field)| (rule.clone(), json!(field))).collect();
            (alias.clone(), Value::Object(fields))
        });
        object["aliases"] = Value::Object(aliases.collect());
    }
    object
}

#[cfg(test)]
mod tests {
    use super::{json, reporting, write};
    use sigmund_engine::Routing;
    use sigmund_sigma::{Loader, Source};
    use sigmund_stream::rules::Rules;

    const RULES: &str = "\
title: Base
name: base
level: low
logsource: {product: linux}
detection: {sel: {a: b}, condition: sel}
---
title: Inner
name: inner
level: medium
correlation: {type: event_count, rules: base, group-by: User, timespan: 5m, condition: {gte: 5}}
---
title: Outer
id: 11111111-1111-4111-8111-111111111111
correlation: {type: temporal, rules: [inner, middle, base], timespan: 1h, condition: inner and not (middle or base)}
---
title: Middle
name: middle
correlation: {type: temporal_ordered, rules: [base, inner], timespan: 1h, generate: true}
";

    fn load(text: &str) -> Rules {
        let source = Source { name: "r.yml".into(), text: text.into() };
        Rules::compile(&Loader::default(), &[source], &|_| true, &Routing::default())
    }

    fn written(rules: &Rules, width: Option<usize>) -> String {
        let mut out = Vec::new();
        write(&mut out, rules, width).expect("written");
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn trees_of_any_depth() {
        insta::assert_snapshot!(written(&load(RULES), None), @r"
        Outer  11111111-1111-4111-8111-111111111111
          temporal inner and not (middle or base) within 1h
          ├ medium  Inner
          │   event_count ≥ 5 within 5m by User
          │   └ low  Base  linux/-
          ├ Middle
          │   temporal_ordered base, then inner within 1h
          │   ├ low  Base  linux/-
          │   └ medium  Inner (as above)
          └ low  Base  linux/-
        ");
    }

    #[test]
    fn lines_fit_the_terminal() {
        let text = written(&load(RULES), Some(40));
        assert!(text.lines().all(|line| line.chars().count() <= 40), "{text}");
        assert!(text.contains('…') && !text.contains("11111111"));
    }

    #[test]
    fn what_is_used_often_is_written_once() {
        let mut text = RULES.split("---\n").next().unwrap_or_default().to_owned();
        text = text.replace("name: base", "name: c0");
        for at in 1..200 {
            let below = at - 1;
            text.push_str(&format!(
                "---\ntitle: C{at}\nname: c{at}\ncorrelation: {{type: temporal, \
                 rules: [c{below}, c{below}], timespan: 5m}}\n"
            ));
        }
        let rules = load(&text);
        assert!(written(&rules, None).lines().count() < 1000);
        let correlation = reporting(&rules).next().expect("the outermost");
        assert!(json(&rules, correlation).to_string().len() < 100_000);
    }
}
