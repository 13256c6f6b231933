//! Correlation rules (semantics sections 13A to 15): parsed and checked here, executed by the engine.

mod legacy;
mod parse;
pub(crate) mod temporal;
mod timespan;

pub(crate) use legacy::{Aggregation, Legacy, parse_legacy, read as read_legacy};
pub(crate) use parse::parse;
pub use timespan::{parse as parse_timespan, write as write_timespan};

use crate::Span;
use crate::rule::Metadata;
use crate::value::Comparison;

/// `type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names are the specification's")]
pub enum CorrelationType {
    EventCount,
    ValueCount,
    ValueSum,
    ValueAvg,
    ValuePercentile,
    ValueMedian,
    Temporal,
    TemporalOrdered,
    /// Legacy `min(x)`; not in the specification.
    ValueMin,
    /// Legacy `max(x)`; not in the specification.
    ValueMax,
}

/// A comparison in a correlation condition: the specification's operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operator {
    /// `lt`, `lte`, `gt`, `gte`.
    Compare(Comparison),
    /// `eq`.
    Eq,
    /// `neq`.
    Neq,
}

/// An extended condition of a temporal correlation, over indices into `rules`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TemporalCondition {
    /// All must hold.
    And(Vec<TemporalCondition>),
    /// One must hold.
    Or(Vec<TemporalCondition>),
    /// Must not hold.
    Not(Box<TemporalCondition>),
    /// The rule with this index has a hit in the window.
    Rule(usize),
}

impl TemporalCondition {
    /// The condition with other indices.
    #[must_use]
    pub fn map_rules(self, change: &dyn Fn(usize) -> usize) -> Self {
        let all = |members: Vec<Self>| {
            members.into_iter().map(|member| member.map_rules(change)).collect()
        };
        match self {
            Self::And(members) => Self::And(all(members)),
            Self::Or(members) => Self::Or(all(members)),
            Self::Not(inner) => Self::Not(Box::new(inner.map_rules(change))),
            Self::Rule(index) => Self::Rule(change(index)),
        }
    }
}

/// A checked correlation rule.
#[derive(Clone, Debug)]
pub struct Correlation {
    /// Title, id and so on.
    pub metadata: Metadata,
    /// What is counted or compared.
    pub kind: CorrelationType,
    /// References by id or name, as written.
    pub rules: Vec<RuleReference>,
    /// Fields or aliases; empty is one group of everything.
    pub group_by: Vec<String>,
    /// Nanoseconds; `None` only for legacy aggregations without `timeframe` (unbounded).
    pub timespan: Option<i64>,
    /// AND-linked; numbers by canonical text.
    pub conditions: Vec<(Operator, Box<str>)>,
    /// For temporal types, if given.
    pub temporal_condition: Option<TemporalCondition>,
    /// The value field(s) of `value_*`.
    pub fields: Vec<String>,
    /// For `value_percentile`, default 50.
    pub percentile: Option<Box<str>>,
    /// Alias → (rule reference, field).
    pub aliases: Vec<(String, Vec<(String, String)>)>,
    /// Whether the referenced rules report on their own too.
    pub generate: bool,
    /// Translated from a legacy condition (section 15).
    pub legacy: bool,
}

/// A reference to a rule or correlation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleReference {
    /// Id or name as written.
    pub name: String,
    /// Where.
    pub span: Span,
}
