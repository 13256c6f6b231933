//! Legacy aggregations (semantics section 15, choice C25): the text after `|` in a version 1
//! condition, translated into the correlation model.
//!
//! `selection | count(User) by Host > 5` becomes two things: a *hidden rule*, which is the rule
//! with the search before the pipe as its only condition, and a correlation that carries the rule's
//! metadata and refers to the hidden rule. Outside, the correlation *is* the rule: its id and name
//! are the ones that filters of results, other correlations and reports know.
//!
//! `selection | near a and b and not c` becomes one hidden rule for the search and one for each of
//! the selections named, in order of mention, and a `temporal` correlation (without order: the
//! original was never precisely specified) with the condition `search and (a and b and not c)`.
//!
//! A hidden rule has no id, is silent, and its name is not one an author can write by accident:
//! `<source>@<offset of the document>#search`, or `#<selection>`.

use super::temporal::{self, Expression};
use super::{Correlation, CorrelationType, Operator, RuleReference, TemporalCondition, timespan};
use crate::Span;
use crate::condition::Condition;
use crate::diagnostic::{Code, Diagnostic};
use crate::rule::{Metadata, Rule};
use crate::suggestion::did_you_mean;
use crate::value::{Comparison, canonical_number};

const CODE: Code = "legacy-aggregation-syntax";

/// The functions; `count` without a field counts events, with one its distinct values.
const FUNCTIONS: [(&str, CorrelationType); 5] = [
    ("count", CorrelationType::ValueCount),
    ("sum", CorrelationType::ValueSum),
    ("min", CorrelationType::ValueMin),
    ("max", CorrelationType::ValueMax),
    ("avg", CorrelationType::ValueAvg),
];

/// The text after the pipe, read. What it names is not looked up yet.
pub(crate) enum Legacy {
    /// `count(x) by a, b > n`
    Aggregate(Aggregation),
    /// `near a and not b`
    Near(Near),
}

/// `near a and not b within 5m`, read.
pub(crate) struct Near {
    /// Over selections.
    pub(crate) operands: Expression,
    /// Where the operands start in the text.
    from: usize,
    pub(crate) within: Option<i64>,
}

/// Reads an aggregation; `span` is its place (any place, if text and source differ in length).
///
/// # Errors
/// One diagnostic, placed inside the aggregation.
pub(crate) fn read(text: &str, span: Span) -> Result<Legacy, Diagnostic> {
    let mut parser = Parser { text, span, words: words(text), next: 0 };
    if parser.peek().is_some_and(|word| word.text.eq_ignore_ascii_case("near")) {
        return parser.near().map(Legacy::Near);
    }
    parser.aggregation().map(Legacy::Aggregate)
}

/// Translates the aggregation of `rule`, whose condition is the search before the pipe.
///
/// `aggregation` is the text after the pipe and `span` its place (any place, if text and source
/// differ in length); `timeframe` is the value of that key, with its place. Filters and pipelines
/// must have been applied to `rule` before, since the hidden rules are copies of it.
///
/// # Errors
/// One diagnostic, placed inside the aggregation or at the timeframe.
pub(crate) fn parse_legacy(
    rule: &Rule,
    aggregation: &str,
    span: Span,
    timeframe: Option<(&str, Span)>,
) -> Result<(Vec<Rule>, Correlation), Diagnostic> {
    let timespan = match timeframe {
        None => None,
        Some((text, place)) => Some(timespan::parse(text.trim()).map_err(|(message, help)| {
            Diagnostic::error("legacy-timeframe", place, message).with_help(help)
        })?),
    };
    let parsed = match read(aggregation, span)? {
        Legacy::Aggregate(parsed) => parsed,
        Legacy::Near(near) => {
            let place = |start, end| place(span, aggregation, start, end);
            return translate_near(rule, near, &place, span, timespan);
        }
    };
    let timespan = window(timespan, parsed.within, span)?;
    let hidden = hidden_rule(rule, "search", rule.conditions.clone());
    let mut correlation = translated(rule, parsed.kind, std::slice::from_ref(&hidden), span);
    correlation.group_by = parsed.group_by;
    correlation.fields = parsed.field.into_iter().collect();
    correlation.conditions = vec![(parsed.operator, parsed.threshold)];
    correlation.timespan = timespan;
    Ok((vec![hidden], correlation))
}

/// The window, of which `timeframe` and `within` must not say different things: nobody could tell which one is meant.
fn window(
    timeframe: Option<i64>,
    within: Option<i64>,
    span: Span,
) -> Result<Option<i64>, Diagnostic> {
    match (timeframe, within) {
        (Some(timeframe), Some(within)) if timeframe != within => {
            let [within, timeframe] = [within, timeframe].map(timespan::write);
            let message = format!("`within {within}` contradicts `timeframe: {timeframe}`");
            Err(Diagnostic::error(CODE, span, message).with_help("take one of them away"))
        }
        (timeframe, within) => Ok(timeframe.or(within)),
    }
}

fn translate_near(
    rule: &Rule,
    near: Near,
    place: &dyn Fn(usize, usize) -> Span,
    span: Span,
    timespan: Option<i64>,
) -> Result<(Vec<Rule>, Correlation), Diagnostic> {
    let timespan = window(timespan, near.within, span)?;
    let mut hidden = vec![hidden_rule(rule, "search", rule.conditions.clone())];
    for (name, range) in &near.operands.names {
        let range = range.range();
        let place = place(near.from + range.start, near.from + range.end);
        let selection = rule.selections.iter().position(|known| *known.name == **name);
        let Some(index) = selection else {
            let known = rule.selections.iter().map(|selection| &*selection.name);
            let help =
                did_you_mean(name, known, || format!("add a selection `{name}` to the detection"));
            let message = format!("undefined selection `{name}`");
            return Err(Diagnostic::error(CODE, place, message).with_help(help));
        };
        let condition = Condition::Selection(index, place);
        hidden.push(hidden_rule(rule, name, vec![condition]));
    }
    let mut correlation = translated(rule, CorrelationType::Temporal, &hidden, span);
    // The names of `near` come after the search itself, which is rule 0.
    let operands = near.operands.condition.map_rules(&|index| index + 1);
    correlation.temporal_condition =
        Some(TemporalCondition::And(vec![TemporalCondition::Rule(0), operands]));
    correlation.timespan = timespan;
    Ok((hidden, correlation))
}

/// The rule with other conditions, silent, under a name of its own.
fn hidden_rule(rule: &Rule, part: &str, conditions: Vec<Condition>) -> Rule {
    let name = format!("{}@{}#{part}", rule.metadata.source, rule.metadata.span.start);
    let metadata = Metadata { id: None, name: Some(name), ..rule.metadata.clone() };
    Rule { metadata, conditions, silent: true, ..rule.clone() }
}

fn translated(rule: &Rule, kind: CorrelationType, hidden: &[Rule], span: Span) -> Correlation {
    let name = |rule: &Rule| rule.metadata.name.clone().unwrap_or_default();
    Correlation {
        metadata: rule.metadata.clone(),
        kind,
        rules: hidden.iter().map(|rule| RuleReference { name: name(rule), span }).collect(),
        group_by: Vec::new(),
        timespan: None,
        conditions: Vec::new(),
        temporal_condition: None,
        fields: Vec::new(),
        percentile: None,
        aliases: Vec::new(),
        generate: false,
        legacy: true,
    }
}

/// `count(x) by a, b > n`, read.
pub(crate) struct Aggregation {
    pub(crate) kind: CorrelationType,
    pub(crate) field: Option<String>,
    pub(crate) group_by: Vec<String>,
    pub(crate) operator: Operator,
    pub(crate) threshold: Box<str>,
    pub(crate) within: Option<i64>,
}

#[derive(Clone, Copy)]
struct Word<'a> {
    text: &'a str,
    start: usize,
}

impl Word<'_> {
    fn end(&self) -> usize {
        self.start + self.text.len()
    }
}

/// Parentheses, commas, runs of comparison signs, and everything else between blanks.
fn words(text: &str) -> Vec<Word<'_>> {
    let class = |c: char| match c {
        '(' | ')' | ',' => 1,
        '<' | '>' | '=' | '!' => 2,
        c if c.is_whitespace() => 0,
        _ => 3,
    };
    let mut words: Vec<Word<'_>> = Vec::new();
    for (start, c) in text.char_indices() {
        let end = start + c.len_utf8();
        let kind = class(c);
        if kind == 0 {
            continue;
        }
        match words.last_mut() {
            // A neighbour of the same class continues the word, except parentheses and commas.
            Some(last)
                if kind != 1
                    && last.end() == start
                    && last.text.chars().next_back().map(class) == Some(kind) =>
            {
                last.text = &text[last.start..end];
            }
            _ => words.push(Word { text: &text[start..end], start }),
        }
    }
    words
}

struct Parser<'a> {
    text: &'a str,
    span: Span,
    words: Vec<Word<'a>>,
    next: usize,
}

/// A part of the text in the source, where that can be told.
fn place(span: Span, text: &str, start: usize, end: usize) -> Span {
    if span.range().len() != text.len() {
        return span;
    }
    let offset = span.start as usize;
    Span::new(offset + start, offset + end)
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<Word<'a>> {
        self.words.get(self.next).copied()
    }

    fn error_at(&self, start: usize, end: usize, message: impl Into<String>) -> Diagnostic {
        Diagnostic::error(CODE, place(self.span, self.text, start, end), message)
    }

    /// Something else than `expected` is next.
    fn unexpected(&self, expected: &str) -> Diagnostic {
        let help = "write e.g. `selection | count(User) by Host > 5`";
        match self.peek() {
            Some(word) => {
                let message = format!("expected {expected}, found `{}`", word.text);
                self.error_at(word.start, word.end(), message)
            }
            None => {
                let message = format!("expected {expected} at the end");
                self.error_at(self.text.len(), self.text.len(), message)
            }
        }
        .with_help(help)
    }

    fn accept(&mut self, text: &str) -> bool {
        let found = self.peek().is_some_and(|word| word.text.eq_ignore_ascii_case(text));
        self.next += usize::from(found);
        found
    }

    fn expect(&mut self, text: &str) -> Result<(), Diagnostic> {
        if self.accept(text) { Ok(()) } else { Err(self.unexpected(&format!("`{text}`"))) }
    }

    /// A field name: one word that is no sign.
    fn field(&mut self) -> Result<String, Diagnostic> {
        match self.peek() {
            Some(word) if !word.text.starts_with(['(', ')', ',', '<', '>', '=', '!']) => {
                self.next += 1;
                Ok(word.text.to_owned())
            }
            _ => Err(self.unexpected("a field")),
        }
    }

    fn aggregation(&mut self) -> Result<Aggregation, Diagnostic> {
        let names = FUNCTIONS.map(|(name, _)| name);
        let Some(function) = self.peek() else {
            return Err(self.unexpected("`count()`, `sum(field)` or `near`"));
        };
        let lower = function.text.to_ascii_lowercase();
        let Some(&(name, kind)) = FUNCTIONS.iter().find(|(name, _)| *name == lower) else {
            let message = format!("unknown aggregation `{}`", function.text);
            let help = did_you_mean(function.text, names.into_iter().chain(["near"]), || {
                "aggregations are `count`, `sum`, `min`, `max`, `avg` and `near`".to_owned()
            });
            return Err(self.error_at(function.start, function.end(), message).with_help(help));
        };
        self.next += 1;
        self.expect("(")?;
        let field = if self.accept(")") {
            None
        } else {
            let field = self.field()?;
            self.expect(")")?;
            // `count(*)` counts events, as in SQL.
            (field != "*").then_some(field)
        };
        let kind = match (&field, kind) {
            (None, CorrelationType::ValueCount) => CorrelationType::EventCount,
            (None, _) => {
                let message = format!("`{name}` needs a field");
                let help = format!("write e.g. `{name}(bytes)`");
                return Err(self.error_at(function.start, function.end(), message).with_help(help));
            }
            (Some(_), kind) => kind,
        };
        let mut group_by = Vec::new();
        if self.accept("by") {
            group_by.push(self.field()?);
            while self.accept(",") {
                group_by.push(self.field()?);
            }
        }
        // The oldest rules have it on either side of the comparison.
        let before = self.within()?;
        let operator = match self.peek().map(|word| word.text) {
            Some(">") => Operator::Compare(Comparison::Gt),
            Some(">=") => Operator::Compare(Comparison::Gte),
            Some("<") => Operator::Compare(Comparison::Lt),
            Some("<=") => Operator::Compare(Comparison::Lte),
            Some("=" | "==") => Operator::Eq,
            Some("!=") => Operator::Neq,
            _ => return Err(self.unexpected("a comparison such as `> 5`")),
        };
        self.next += 1;
        let threshold = match self.peek().and_then(|word| canonical_number(word.text)) {
            Some(number) => number,
            None => return Err(self.unexpected("a number")),
        };
        self.next += 1;
        let within = before.or(self.within()?);
        if self.peek().is_some() {
            return Err(self.unexpected("the end"));
        }
        Ok(Aggregation { kind, field, group_by, operator, threshold, within })
    }

    fn near(&mut self) -> Result<Near, Diagnostic> {
        let from = self.words.get(1).map_or(self.text.len(), |word| word.start);
        // `within timeframe` ends the oldest ones.
        let at = self.words.iter().position(|word| word.text.eq_ignore_ascii_case("within"));
        let to = at.map_or(self.text.len(), |at| self.words[at].start);
        let mut within = None;
        if let Some(at) = at {
            self.next = at;
            within = self.within()?;
            if self.peek().is_some() {
                return Err(self.unexpected("the end"));
            }
        }
        let operands = self.text.get(from..to).unwrap_or_default();
        let operands = temporal::parse(operands).map_err(|error| {
            let range = error.span.range();
            let message = error.message.replace("rule name", "selection");
            self.error_at(from + range.start, from + range.end, message)
                .with_help("write e.g. `selection1 | near selection2 and not selection3`")
        })?;
        Ok(Near { operands, from, within })
    }

    /// `within timeframe` says nothing new; `within 5m` gives the window.
    fn within(&mut self) -> Result<Option<i64>, Diagnostic> {
        if !self.accept("within") {
            return Ok(None);
        }
        if self.accept("timeframe") {
            return Ok(None);
        }
        let Some(word) = self.peek() else {
            return Err(self.unexpected("a time span such as `5m`"));
        };
        self.next += 1;
        timespan::parse(word.text).map(Some).map_err(|(message, help)| {
            self.error_at(word.start, word.end(), message).with_help(help)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rule::{Search, Selection};

    fn rule() -> Rule {
        let selection = |name: &str| Selection {
            name: name.into(),
            span: Span::default(),
            search: Search::All(Vec::new()),
        };
        Rule {
            metadata: Metadata {
                title: "t".to_owned(),
                id: Some("id".to_owned()),
                source: "r.yml".into(),
                ..Metadata::default()
            },
            logsource: crate::LogSource::default(),
            selections: vec![selection("sel"), selection("a"), selection("b"), selection("c")],
            conditions: vec![Condition::Selection(0, Span::default())],
            filters: Vec::new(),
            added: Vec::new(),
            silent: false,
        }
    }

    fn translate(text: &str) -> Result<(Vec<Rule>, Correlation), Diagnostic> {
        let span = Span::new(100, 100 + text.len());
        parse_legacy(&rule(), text, span, Some(("5m", Span::default())))
    }

    #[test]
    fn count_of_events() {
        let (hidden, correlation) = translate(" count() by User, Host >= 10").unwrap();
        assert_eq!(hidden.len(), 1);
        assert!(hidden[0].silent && hidden[0].metadata.id.is_none());
        assert_eq!(hidden[0].metadata.name.as_deref(), Some("r.yml@0#search"));
        assert_eq!(correlation.rules[0].name, "r.yml@0#search");
        assert_eq!(correlation.metadata.id.as_deref(), Some("id"));
        assert_eq!(correlation.kind, CorrelationType::EventCount);
        assert_eq!(correlation.group_by, ["User", "Host"]);
        let threshold = (Operator::Compare(Comparison::Gte), Box::from("10"));
        assert_eq!(correlation.conditions, [threshold]);
        assert_eq!(correlation.timespan, Some(300_000_000_000));
        assert!(correlation.legacy);
    }

    #[test]
    fn functions_of_a_field() {
        let kind = |text: &str| {
            let (_, correlation) = translate(text).unwrap();
            (correlation.kind, correlation.fields)
        };
        let fields = vec!["x.y".to_owned()];
        assert_eq!(kind("count(x.y)>5"), (CorrelationType::ValueCount, fields.clone()));
        assert_eq!(kind("sum(x.y) by h > 5"), (CorrelationType::ValueSum, fields.clone()));
        assert_eq!(kind("min( x.y ) < 5"), (CorrelationType::ValueMin, fields.clone()));
        assert_eq!(kind("max(x.y) == 5"), (CorrelationType::ValueMax, fields.clone()));
        assert_eq!(kind("avg(x.y) by h = 5.5"), (CorrelationType::ValueAvg, fields));
        assert_eq!(kind("COUNT(*) BY h > 5").0, CorrelationType::EventCount);
    }

    #[test]
    fn within_gives_the_window_if_nothing_else_does() {
        let window = |text, timeframe: Option<&'static str>| {
            let timeframe = timeframe.map(|text| (text, Span::default()));
            parse_legacy(&rule(), text, Span::default(), timeframe).unwrap().1.timespan
        };
        assert_eq!(window("count() > 5", None), None);
        assert_eq!(window("count() by x > 5 within 2m", None), Some(120_000_000_000));
        assert_eq!(window("count() by x within 60s > 5", Some("1m")), Some(60_000_000_000));
        assert_eq!(window("near a within timeframe", Some("1m")), Some(60_000_000_000));
    }

    #[test]
    fn near_makes_a_hidden_rule_of_each_selection() {
        let (hidden, correlation) = translate("near a and b and not c").unwrap();
        let names: Vec<_> =
            hidden.iter().map(|rule| rule.metadata.name.clone().unwrap_or_default()).collect();
        assert_eq!(names, ["r.yml@0#search", "r.yml@0#a", "r.yml@0#b", "r.yml@0#c"]);
        assert_eq!(hidden[2].conditions, [Condition::Selection(2, Span::new(111, 112))]);
        use TemporalCondition::{And, Not, Rule};
        let operands = And(vec![Rule(1), Rule(2), Not(Box::new(Rule(3)))]);
        assert_eq!(correlation.temporal_condition, Some(And(vec![Rule(0), operands])));
        assert_eq!(correlation.kind, CorrelationType::Temporal);
    }

    #[test]
    fn errors_have_a_place_and_help() {
        let error = |text| {
            let finding = translate(text).unwrap_err();
            assert!(finding.help.is_some());
            (finding.message, finding.span)
        };
        let (message, span) = error("conut() > 5");
        assert_eq!(message, "unknown aggregation `conut`");
        assert_eq!(span, Span::new(100, 105));
        assert_eq!(error("count( > 5").0, "expected a field, found `>`");
        assert_eq!(error("count() by User").0, "expected a comparison such as `> 5` at the end");
        assert_eq!(error("count() > many").0, "expected a number, found `many`");
        assert_eq!(error("count() > 5 and x").0, "expected the end, found `and`");
        assert_eq!(error("sum() > 5").0, "`sum` needs a field");
        assert_eq!(error("near nothing").0, "undefined selection `nothing`");
        assert_eq!(error("near a and").0, "expected a selection at the end");
        let contradiction = "`within 1m` contradicts `timeframe: 5m`";
        assert_eq!(error("near a within 1m").0, contradiction);
        assert_eq!(error("count() by x > 5 within 1m").0, contradiction);
        assert_eq!(error("").0, "expected `count()`, `sum(field)` or `near` at the end");
        assert!(
            parse_legacy(&rule(), "count() > 1", Span::default(), Some(("5", Span::default())))
                .is_err()
        );
    }

    proptest::proptest! {
        #[test]
        fn never_panics(text in "(count|near|sum|by|within|é| |\\(|\\)|,|>|=|5m|a|not|and){0,12}") {
            let _ = translate(&text);
        }
    }
}
