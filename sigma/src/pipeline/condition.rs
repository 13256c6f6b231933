//! Conditions of processing items: on the rule, on detection items, on field names.

use super::{State, value};
use crate::correlation::TemporalCondition;
use crate::modifier::Modifier;
use crate::rule::{Item, Metadata, Search};
use crate::value::{Scalar, canonical_number};
use crate::{LogSource, Rule};
use regex::Regex;

/// Tests and how they are linked. Without tests: open.
#[derive(Clone, Debug)]
pub(super) struct Gate<C> {
    pub(super) tests: Vec<C>,
    pub(super) link: Link,
    pub(super) negated: bool,
}

impl<C> Default for Gate<C> {
    fn default() -> Self {
        Self { tests: Vec::new(), link: Link::All, negated: false }
    }
}

/// How the tests of a gate are linked.
#[derive(Clone, Debug)]
pub(super) enum Link {
    All,
    Any,
    /// Over indices into `tests`.
    Expression(TemporalCondition),
}

impl<C> Gate<C> {
    pub(super) fn open(&self, holds: impl Fn(&C) -> bool) -> bool {
        if self.tests.is_empty() {
            return true;
        }
        let result = match &self.link {
            Link::All => self.tests.iter().all(holds),
            Link::Any => self.tests.iter().any(holds),
            Link::Expression(expression) => {
                evaluate(expression, &|index| self.tests.get(index).is_some_and(&holds))
            }
        };
        result != self.negated
    }
}

fn evaluate(expression: &TemporalCondition, holds: &dyn Fn(usize) -> bool) -> bool {
    match expression {
        TemporalCondition::And(members) => members.iter().all(|member| evaluate(member, holds)),
        TemporalCondition::Or(members) => members.iter().any(|member| evaluate(member, holds)),
        TemporalCondition::Not(inner) => !evaluate(inner, holds),
        TemporalCondition::Rule(index) => holds(*index),
    }
}

/// A comparison in `rule_attribute` and `processing_state`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Relation {
    Eq,
    Ne,
    Gte,
    Gt,
    Lte,
    Lt,
    In,
    NotIn,
}

impl Relation {
    fn holds(self, order: Option<std::cmp::Ordering>) -> bool {
        match self {
            Self::Eq | Self::In => order.is_some_and(|order| order.is_eq()),
            Self::Ne | Self::NotIn => order.is_none_or(|order| order.is_ne()),
            Self::Gte => order.is_some_and(|order| order.is_ge()),
            Self::Gt => order.is_some_and(|order| order.is_gt()),
            Self::Lte => order.is_some_and(|order| order.is_le()),
            Self::Lt => order.is_some_and(|order| order.is_lt()),
        }
    }
}

/// `processing_state`.
#[derive(Clone, Debug)]
pub(super) struct StateTest {
    pub(super) key: String,
    pub(super) value: Scalar,
    pub(super) relation: Relation,
}

impl StateTest {
    fn holds(&self, state: &State) -> bool {
        let found = state.values.iter().find(|(key, _)| *key == self.key);
        found.is_some_and(|(_, value)| self.relation.holds(compare(value, &self.value)))
    }
}

/// Numbers by their value, everything else by its text.
fn compare(left: &Scalar, right: &Scalar) -> Option<std::cmp::Ordering> {
    match (left, right) {
        (Scalar::Number(left), Scalar::Number(right)) => compare_numbers(left, right),
        (Scalar::Text(left), Scalar::Text(right)) => Some(left.cmp(right)),
        (left, right) => (left == right).then_some(std::cmp::Ordering::Equal),
    }
}

fn compare_numbers(left: &str, right: &str) -> Option<std::cmp::Ordering> {
    let number = |text: &str| text.parse::<f64>().ok();
    number(left)?.partial_cmp(&number(right)?)
}

/// A condition on the rule.
#[derive(Clone, Debug)]
pub(super) enum RuleCondition {
    LogSource(LogSource),
    ContainsItem { field: Option<String>, value: Scalar },
    ContainsField(Option<String>),
    ProcessingItemApplied(String),
    State(StateTest),
    IsRule,
    IsCorrelation,
    Attribute { name: String, value: String, relation: Relation },
    Tag(String),
}

/// What a rule condition looks at.
pub(super) enum Subject<'a> {
    Rule(&'a Rule),
    Correlation(&'a Metadata, &'a [LogSource]),
}

impl RuleCondition {
    pub(super) fn holds(&self, subject: &Subject<'_>, state: &State) -> bool {
        let metadata = match subject {
            Subject::Rule(rule) => &rule.metadata,
            Subject::Correlation(metadata, _) => *metadata,
        };
        match self {
            Self::LogSource(wanted) => match subject {
                Subject::Rule(rule) => wanted.covers(&rule.logsource),
                Subject::Correlation(_, logsources) => {
                    logsources.iter().any(|logsource| wanted.covers(logsource))
                }
            },
            Self::ContainsItem { field, value } => any_item(subject, |item| {
                field.is_some()
                    && item.field.as_deref() == field.as_deref()
                    && item.values.iter().any(|found| same(found, value))
            }),
            Self::ContainsField(field) => any_item(subject, |item| {
                field.is_some() && item.field.as_deref() == field.as_deref()
            }),
            Self::ProcessingItemApplied(id) => state.applied.contains(id),
            Self::State(test) => test.holds(state),
            Self::IsRule => matches!(subject, Subject::Rule(_)),
            Self::IsCorrelation => matches!(subject, Subject::Correlation(..)),
            Self::Attribute { name, value, relation } => {
                attribute_holds(metadata, name, value, *relation)
            }
            Self::Tag(tag) => metadata.tags.iter().any(|found| found.eq_ignore_ascii_case(tag)),
        }
    }
}

fn any_item(subject: &Subject<'_>, test: impl Fn(&Item) -> bool) -> bool {
    fn search_has(search: &Search, test: &dyn Fn(&Item) -> bool) -> bool {
        match search {
            Search::All(items) => items.iter().any(test),
            Search::Any(members) => members.iter().any(|member| search_has(member, test)),
        }
    }
    match subject {
        Subject::Rule(rule) => {
            let searches = rule.selections.iter().map(|selection| &selection.search);
            searches.chain(&rule.added).any(|search| search_has(search, &test))
        }
        Subject::Correlation(..) => false,
    }
}

/// Texts are the same if their plain forms are.
fn same(found: &Scalar, wanted: &Scalar) -> bool {
    match (found, wanted) {
        (Scalar::Text(found), Scalar::Text(wanted)) => value::plain(found) == value::plain(wanted),
        (found, wanted) => found == wanted,
    }
}

const LEVELS: [&str; 5] = ["informational", "low", "medium", "high", "critical"];
const STATUSES: [&str; 5] = ["unsupported", "deprecated", "experimental", "test", "stable"];

fn attribute_holds(metadata: &Metadata, name: &str, value: &str, relation: Relation) -> bool {
    let list = match name {
        "tags" => Some(&metadata.tags),
        "references" => Some(&metadata.references),
        "falsepositives" => Some(&metadata.falsepositives),
        "fields" => Some(&metadata.fields),
        "scope" => Some(&metadata.scope),
        _ => None,
    };
    if let Some(list) = list {
        let member = list.iter().any(|found| found == value);
        return match relation {
            Relation::In => member,
            Relation::NotIn => !member,
            // A list equals no single value and has no order.
            Relation::Ne => true,
            _ => false,
        };
    }
    let rank = |names: [&str; 5], name: &str| names.iter().position(|known| *known == name);
    let lower = value.to_lowercase();
    match name {
        "level" => metadata.level.is_some_and(|level| {
            rank(LEVELS, &lower)
                .is_some_and(|rank| relation.holds(Some((level as usize).cmp(&rank))))
        }),
        "status" => metadata.status.is_some_and(|status| {
            rank(STATUSES, &lower)
                .is_some_and(|rank| relation.holds(Some((status as usize).cmp(&rank))))
        }),
        _ => {
            let text = match name {
                "title" => Some(&metadata.title),
                "id" => metadata.id.as_ref(),
                "name" => metadata.name.as_ref(),
                "description" => metadata.description.as_ref(),
                "author" => metadata.author.as_ref(),
                "date" => metadata.date.as_ref(),
                "modified" => metadata.modified.as_ref(),
                "license" => metadata.license.as_ref(),
                "taxonomy" => metadata.taxonomy.as_ref(),
                _ => metadata.custom.iter().find(|(key, _)| key == name).map(|(_, text)| text),
            };
            text.is_some_and(|text| {
                let order = match (canonical_number(text), canonical_number(value)) {
                    (Some(left), Some(right)) => compare_numbers(&left, &right),
                    // ISO dates order like texts.
                    _ => Some(text.as_str().cmp(value)),
                };
                relation.holds(order)
            })
        }
    }
}

/// Which values of an item must pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Quantifier {
    Any,
    All,
}

/// A condition on a detection item.
#[derive(Clone, Debug)]
pub(super) enum ItemCondition {
    MatchString { regex: Regex, negated: bool, quantifier: Quantifier },
    MatchValue(Scalar, Quantifier),
    ContainsWildcard(Quantifier),
    IsNull(Quantifier),
    ProcessingItemApplied(String),
    State(StateTest),
}

impl ItemCondition {
    pub(super) fn holds(&self, item: &Item, state: &State) -> bool {
        let quantified = |quantifier: Quantifier, test: &dyn Fn(&Scalar) -> bool| match quantifier {
            Quantifier::Any => item.values.iter().any(test),
            Quantifier::All => item.values.iter().all(test),
        };
        // The values of `re` are no Sigma texts.
        let is_text = !item.modifiers.contains(&Modifier::Re);
        match self {
            Self::MatchString { regex, negated, quantifier } => quantified(*quantifier, &|value| {
                let matches = match value {
                    Scalar::Text(text) => is_text && regex.is_match(&value::plain(text)),
                    _ => false,
                };
                matches != *negated
            }),
            Self::MatchValue(wanted, quantifier) => {
                quantified(*quantifier, &|value| same(value, wanted))
            }
            Self::ContainsWildcard(quantifier) => quantified(
                *quantifier,
                &|value| matches!(value, Scalar::Text(text) if is_text && value::has_wildcard(text)),
            ),
            Self::IsNull(quantifier) => quantified(*quantifier, &|value| *value == Scalar::Null),
            Self::ProcessingItemApplied(id) => {
                state.applied_items.contains(&(item.span, id.clone()))
            }
            Self::State(test) => test.holds(state),
        }
    }
}

/// A condition on a field name.
#[derive(Clone, Debug)]
pub(super) enum FieldCondition {
    Include(FieldNames),
    Exclude(FieldNames),
    ProcessingItemApplied(String),
    State(StateTest),
}

/// Names, or regexes anchored at the start (as in pySigma).
#[derive(Clone, Debug)]
pub(super) enum FieldNames {
    Plain(Vec<String>),
    Regexes(Vec<Regex>),
}

impl FieldNames {
    fn contain(&self, field: Option<&str>) -> bool {
        let Some(field) = field else { return false };
        match self {
            Self::Plain(names) => names.iter().any(|name| name == field),
            Self::Regexes(regexes) => regexes.iter().any(|regex| regex.is_match(field)),
        }
    }
}

impl FieldCondition {
    pub(super) fn holds(&self, field: Option<&str>, state: &State) -> bool {
        match self {
            Self::Include(names) => names.contain(field),
            Self::Exclude(names) => !names.contain(field),
            Self::ProcessingItemApplied(id) => {
                let field = field.unwrap_or_default().to_owned();
                state.applied_fields.contains(&(field, id.clone()))
            }
            Self::State(test) => test.holds(state),
        }
    }
}
