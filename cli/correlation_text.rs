//! Correlations for people: in one line of a list, and in sentences.

use crate::rule_text::sign;
use sigmund_sigma::Correlation;
use sigmund_sigma::correlation::{CorrelationType, Operator, TemporalCondition, write_timespan};

/// What a referenced rule is called. The parts of an aggregation of version 1 have made-up names, of which the end is the author's.
pub(crate) fn reference<'a>(correlation: &Correlation, name: &'a str) -> &'a str {
    match name.rsplit_once('#') {
        Some((_, part)) if correlation.legacy => part,
        _ => name,
    }
}

/// `5m`, or for aggregations without a window, that it has none.
fn timespan(correlation: &Correlation) -> String {
    match correlation.timespan {
        Some(timespan) => format!("within {}", write_timespan(timespan)),
        None => "over all time".to_owned(),
    }
}

/// All of it in one line: `value_count of User ≥ 10 within 5m by src_ip`.
pub(crate) fn line(correlation: &Correlation) -> String {
    let mut line = correlation.kind.name().to_owned();
    if let Some(percentile) = &correlation.percentile {
        line.push_str(&format!(" {percentile}"));
    }
    if !correlation.fields.is_empty() {
        line.push_str(&format!(" of {}", correlation.fields.join(", ")));
    }
    let condition = condition(correlation);
    if !condition.is_empty() {
        line.push_str(&format!(" {condition}"));
    }
    line.push_str(&format!(" {}", timespan(correlation)));
    if !correlation.group_by.is_empty() {
        line.push_str(&format!(" by {}", correlation.group_by.join(", ")));
    }
    line
}

/// The condition as signs, or over rules.
pub(crate) fn condition(correlation: &Correlation) -> String {
    let sign = |operator: Operator| match operator {
        Operator::Compare(comparison) => sign(comparison),
        Operator::Eq => "=",
        Operator::Neq => "≠",
    };
    if let Some(condition) = &correlation.temporal_condition {
        return expression(correlation, condition, true);
    }
    let comparisons: Vec<String> = correlation
        .conditions
        .iter()
        .map(|(operator, number)| format!("{} {number}", sign(*operator)))
        .collect();
    if !comparisons.is_empty() {
        return comparisons.join(" and ");
    }
    let names = correlation.rules.iter().map(|rule| reference(correlation, &rule.name));
    let link = match correlation.kind {
        CorrelationType::TemporalOrdered => ", then ",
        _ => " and ",
    };
    names.collect::<Vec<_>>().join(link)
}

fn expression(correlation: &Correlation, part: &TemporalCondition, outermost: bool) -> String {
    let joined = |members: &[TemporalCondition], word: &str| {
        let members: Vec<String> =
            members.iter().map(|member| expression(correlation, member, false)).collect();
        let text = members.join(word);
        if outermost { text } else { format!("({text})") }
    };
    match part {
        TemporalCondition::And(members) => joined(members, " and "),
        TemporalCondition::Or(members) => joined(members, " or "),
        TemporalCondition::Not(inner) => format!("not {}", expression(correlation, inner, false)),
        TemporalCondition::Rule(index) => correlation
            .rules
            .get(*index)
            .map_or("?", |rule| reference(correlation, &rule.name))
            .to_owned(),
    }
}

/// What must happen for an alert, as a sentence.
pub(crate) fn sentence(correlation: &Correlation) -> String {
    let group = match &*correlation.group_by {
        [] => "all events together have".to_owned(),
        [field] => format!("the events of one {field} have"),
        [fields @ .., last] => format!("the events of one {} and {last} have", fields.join(", ")),
    };
    let window = match correlation.timespan {
        Some(timespan) => format!("within {}", in_words(timespan)),
        None => "over all time".to_owned(),
    };
    let fields = correlation.fields.join(", ");
    let amount = |noun: &str| format!("{} {noun}", bounds(correlation));
    let what = match correlation.kind {
        CorrelationType::EventCount => amount("hits of the rules below"),
        CorrelationType::ValueCount if correlation.fields.len() > 1 => {
            amount(&format!("different combinations of {fields}"))
        }
        CorrelationType::ValueCount => amount(&format!("different values of {fields}")),
        CorrelationType::ValueSum => format!("a sum of {fields} that is {}", bounds(correlation)),
        CorrelationType::ValueAvg => format!("a mean of {fields} that is {}", bounds(correlation)),
        CorrelationType::ValueMedian => {
            format!("a median of {fields} that is {}", bounds(correlation))
        }
        CorrelationType::ValueMin => {
            format!("a smallest {fields} that is {}", bounds(correlation))
        }
        CorrelationType::ValueMax => format!("a largest {fields} that is {}", bounds(correlation)),
        CorrelationType::ValuePercentile => {
            let percentile = correlation.percentile.as_deref().unwrap_or("50");
            format!("a percentile {percentile} of {fields} that is {}", bounds(correlation))
        }
        CorrelationType::Temporal | CorrelationType::TemporalOrdered => {
            let order = match correlation.kind {
                CorrelationType::TemporalOrdered => "in this order",
                _ => "in any order",
            };
            if correlation.temporal_condition.is_some() {
                format!("hits for which `{}` is true, {order},", condition(correlation))
            } else if !correlation.conditions.is_empty() {
                format!("hits of {} of the rules below, {order},", bounds(correlation))
            } else {
                format!("hits of all rules below, {order},")
            }
        }
    };
    format!("Alerts when {group} {what} {window}.")
}

/// When the alert goes out, if that is not at once.
pub(crate) fn decided_late(correlation: &Correlation) -> bool {
    use sigmund_sigma::value::Comparison::{Gt, Gte};
    let lower = |operator: &Operator| matches!(operator, Operator::Compare(Gt | Gte));
    !correlation.conditions.iter().all(|(operator, _)| lower(operator))
}

fn bounds(correlation: &Correlation) -> String {
    use sigmund_sigma::value::Comparison::{Gt, Gte, Lt, Lte};
    let bounds: Vec<String> = correlation
        .conditions
        .iter()
        .map(|(operator, number)| {
            let word = match operator {
                Operator::Compare(Gt) => "more than",
                Operator::Compare(Gte) => "at least",
                Operator::Compare(Lt) => "less than",
                Operator::Compare(Lte) => "at most",
                Operator::Eq => "exactly",
                Operator::Neq => "other than",
            };
            format!("{word} {number}")
        })
        .collect();
    bounds.join(" and ")
}

/// `90 minutes`.
fn in_words(timespan: i64) -> String {
    let short = write_timespan(timespan);
    let (number, unit) = short.split_at(short.len() - 1);
    let unit = match unit {
        "m" => "minute",
        "h" => "hour",
        "d" => "day",
        _ => "second",
    };
    let plural = if number == "1" { "" } else { "s" };
    format!("{number} {unit}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use sigmund_sigma::{Loader, Source};

    /// The correlation with this body over rules `a` and `b`.
    fn correlation(body: &str) -> Correlation {
        let rule = |name: &str| {
            format!(
                "title: {name}\nname: {name}\nlogsource: {{product: p}}\n\
                 detection: {{sel: {{x: y}}, condition: sel}}\n---\n"
            )
        };
        let text =
            format!("{}{}title: C\ncorrelation: {{timespan: 5m, {body}}}\n", rule("a"), rule("b"));
        let source = Source { name: "r.yml".into(), text: text.into() };
        let mut collection = Loader::default().load(&[source]);
        assert_eq!(collection.diagnostics, []);
        collection.correlations.pop().expect("a correlation")
    }

    #[test]
    fn every_type_in_a_line_and_a_sentence() {
        let both = |body: &str| {
            let correlation = correlation(body);
            (line(&correlation), sentence(&correlation))
        };
        let is = |body: &str, line: &str, sentence: &str| {
            assert_eq!(both(body), (line.to_owned(), sentence.to_owned()));
        };
        is(
            "type: event_count, rules: a, group-by: [User, Host], condition: {gte: 10, lt: 100}",
            "event_count ≥ 10 and < 100 within 5m by User, Host",
            "Alerts when the events of one User and Host have at least 10 and less than 100 hits \
             of the rules below within 5 minutes.",
        );
        is(
            "type: value_count, rules: a, condition: {gt: 3, field: [p, q]}",
            "value_count of p, q > 3 within 5m",
            "Alerts when all events together have more than 3 different combinations of p, q \
             within 5 minutes.",
        );
        is(
            "type: value_percentile, rules: a, group-by: h, condition: {lte: 1.5, field: p, percentile: 95}",
            "value_percentile 95 of p ≤ 1.5 within 5m by h",
            "Alerts when the events of one h have a percentile 95 of p that is at most 1.5 within \
             5 minutes.",
        );
        is(
            "type: temporal_ordered, rules: [a, b], group-by: h",
            "temporal_ordered a, then b within 5m by h",
            "Alerts when the events of one h have hits of all rules below, in this order, within \
             5 minutes.",
        );
        is(
            "type: temporal, rules: [a, b], condition: a and not b",
            "temporal a and not b within 5m",
            "Alerts when all events together have hits for which `a and not b` is true, in any \
             order, within 5 minutes.",
        );
        is(
            "type: temporal, rules: [a, b], condition: {gte: 1}",
            "temporal ≥ 1 within 5m",
            "Alerts when all events together have hits of at least 1 of the rules below, in any \
             order, within 5 minutes.",
        );
    }

    #[test]
    fn time_spans_in_words() {
        assert_eq!(in_words(1_000_000_000), "1 second");
        assert_eq!(in_words(5_400_000_000_000), "90 minutes");
        assert_eq!(in_words(86_400_000_000_000), "1 day");
    }
}
