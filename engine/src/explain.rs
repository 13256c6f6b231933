//! Why a rule matched an event, or did not: the verdict taken apart, as data. Rendering is the caller's.
//!
//! Built on the plain evaluator's own tests; unlike it, every part is evaluated, also those that cannot change the
//! verdict any more.

use crate::oracle::{
    Candidate, CandidateKind, Error, Found, FoundSource, ItemTest, Lookup, Oracle, Origin, Part,
    SearchTest, SelectionTest, Test,
};
use crate::{Event, Route};
use sigmund_sigma::condition::Condition;
use sigmund_sigma::modifier::Modifier;
use sigmund_sigma::value::Scalar;
use sigmund_sigma::{LogSource, Rule};

/// The whole answer.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// Whether the rule detects the event: it sees it, and the search holds.
    pub verdict: bool,
    /// Whether the event reaches the rule.
    pub log_source: LogSourceNode,
    /// Whether the search holds, whatever the log source.
    pub holds: bool,
    /// The rule's conditions; one must hold.
    pub conditions: Vec<ConditionNode>,
    /// The filters that apply to the rule; each must hold.
    pub filters: Vec<FilterNode>,
    /// What pipelines added; each must hold.
    pub added: Vec<SearchNode>,
}

/// Whether the event reaches the rule.
#[derive(Clone, Debug)]
pub struct LogSourceNode {
    /// Whether it does.
    pub holds: bool,
    /// What the rule asks for.
    pub wanted: LogSource,
    /// The kind of the event, for people.
    pub route: Box<str>,
    /// What the event has.
    pub event: Vec<LogSource>,
    /// The event's log source that the rule covers.
    pub covered: Option<LogSource>,
    /// Routing is off: every rule sees every event.
    pub unfiltered: bool,
}

/// A part of a condition.
#[derive(Clone, Debug)]
pub enum ConditionNode {
    /// All must hold.
    And {
        /// Whether they do.
        holds: bool,
        /// The operands.
        of: Vec<ConditionNode>,
    },
    /// One must hold.
    Or {
        /// Whether one does.
        holds: bool,
        /// The operands.
        of: Vec<ConditionNode>,
    },
    /// Must not hold.
    Not {
        /// Whether it does not.
        holds: bool,
        /// The operand.
        of: Box<ConditionNode>,
    },
    /// A selection.
    Selection(SelectionNode),
    /// `1 of …`, `all of …`.
    Of {
        /// Whether it holds; never if the pattern found nothing (choice C11).
        holds: bool,
        /// `all of`; otherwise `1 of`.
        all: bool,
        /// As written.
        pattern: Box<str>,
        /// What the pattern found.
        selections: Vec<SelectionNode>,
    },
}

/// A filter.
#[derive(Clone, Debug)]
pub struct FilterNode {
    /// Whether its condition holds.
    pub holds: bool,
    /// Its title.
    pub title: String,
    /// Its condition.
    pub condition: Vec<ConditionNode>,
}

/// A selection.
#[derive(Clone, Debug)]
pub struct SelectionNode {
    /// Whether it holds.
    pub holds: bool,
    /// Its name.
    pub name: Box<str>,
    /// What it searches for.
    pub search: SearchNode,
}

/// What a selection searches for.
#[derive(Clone, Debug)]
pub enum SearchNode {
    /// A mapping: all items must hold.
    All {
        /// Whether they do.
        holds: bool,
        /// In written order.
        items: Vec<ItemNode>,
    },
    /// A list: one member must hold.
    Any {
        /// Whether one does.
        holds: bool,
        /// In written order.
        members: Vec<SearchNode>,
    },
}

/// An item: a field (or keywords), modifiers and values.
#[derive(Clone, Debug)]
pub struct ItemNode {
    /// Whether it holds.
    pub holds: bool,
    /// The field; `None` for keywords.
    pub field: Option<Box<str>>,
    /// The field as the author wrote it, where a pipeline changed it.
    pub written_field: Option<Box<str>>,
    /// As written.
    pub modifiers: Vec<Modifier>,
    /// Every value must hold; otherwise one.
    pub all: bool,
    /// The whole is negated.
    pub negated: bool,
    /// What the values were compared with.
    pub compared: Compared,
    /// In written order.
    pub values: Vec<ValueNode>,
}

/// What an item's values were compared with.
#[derive(Clone, Debug)]
pub enum Compared {
    /// A field of the event.
    Field {
        /// Where it was found.
        origin: Origin,
        /// Its values; for an alias also where each comes from. Sources that are absent have an entry without value.
        values: Vec<EventValue>,
    },
    /// Keywords: the raw record.
    Raw,
    /// Keywords: every scalar of the event.
    Scalars {
        /// How many.
        count: usize,
    },
}

/// A value of the event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventValue {
    /// For an alias: the native field, or what was computed.
    pub source: Option<String>,
    /// What it is; `None` if that source is absent.
    pub kind: Option<CandidateKind>,
    /// The text that is compared; none for null, objects and absent sources.
    pub text: Option<String>,
}

/// One value of an item.
#[derive(Clone, Debug)]
pub struct ValueNode {
    /// Whether it holds.
    pub holds: bool,
    /// As written in the rule.
    pub written: String,
    /// The value of the event for which it holds; `None` for `null` and `exists`, which are about the field.
    pub by: Option<EventValue>,
    /// `fieldref`: what the other field is.
    pub other: Option<Compared>,
}

/// Explains what a rule says about an event.
///
/// # Errors
/// If one of the rule's regular expressions does not compile; the loader lets no such rule through.
pub fn explain(rule: &Rule, event: &Event) -> Result<Explanation, Error> {
    Ok(Oracle::new(rule)?.explain(event))
}

impl Oracle {
    /// Explains what the rule says about an event.
    #[must_use]
    pub fn explain(&self, event: &Event) -> Explanation {
        let lookup = &Lookup::new(event);
        let conditions = self.main.explain(lookup);
        let filters: Vec<FilterNode> = self
            .filters
            .iter()
            .map(|(title, part)| {
                let condition = part.explain(lookup);
                let holds = condition.iter().any(ConditionNode::holds);
                FilterNode { holds, title: title.clone(), condition }
            })
            .collect();
        let added: Vec<SearchNode> =
            self.added.iter().map(|search| search.explain(lookup)).collect();
        let holds = conditions.iter().any(ConditionNode::holds)
            && filters.iter().all(|filter| filter.holds)
            && added.iter().all(SearchNode::holds);
        let log_source = self.explain_log_source(&event.route);
        Explanation {
            verdict: log_source.holds && holds,
            log_source,
            holds,
            conditions,
            filters,
            added,
        }
    }

    fn explain_log_source(&self, route: &Route) -> LogSourceNode {
        LogSourceNode {
            holds: self.sees(route),
            wanted: self.logsource.clone(),
            route: route.name.clone(),
            event: route.log_sources.clone(),
            covered: covered(&self.logsource, route).cloned(),
            unfiltered: route.unfiltered,
        }
    }
}

/// The event's log source that a rule covers.
pub(crate) fn covered<'r>(wanted: &LogSource, route: &'r Route) -> Option<&'r LogSource> {
    route.log_sources.iter().find(|have| wanted.covers(have))
}

impl Explanation {
    /// The selections that made the rule match: those that hold and stand under no `not`.
    #[must_use]
    pub fn holding_selections(&self) -> Vec<&SelectionNode> {
        let mut found: Vec<&SelectionNode> = Vec::new();
        for condition in &self.conditions {
            condition.collect_holding(&mut found);
        }
        let mut names: Vec<&str> = Vec::new();
        found.retain(|selection| {
            let new = !names.contains(&&*selection.name);
            names.push(&selection.name);
            new
        });
        found
    }
}

impl ConditionNode {
    /// Whether it holds.
    #[must_use]
    pub fn holds(&self) -> bool {
        match self {
            Self::And { holds, .. }
            | Self::Or { holds, .. }
            | Self::Not { holds, .. }
            | Self::Of { holds, .. } => *holds,
            Self::Selection(selection) => selection.holds,
        }
    }

    fn collect_holding<'n>(&'n self, found: &mut Vec<&'n SelectionNode>) {
        if !self.holds() {
            return;
        }
        match self {
            Self::And { of, .. } | Self::Or { of, .. } => {
                of.iter().for_each(|node| node.collect_holding(found));
            }
            Self::Not { .. } => {}
            Self::Selection(selection) => found.push(selection),
            Self::Of { selections, .. } => {
                found.extend(selections.iter().filter(|selection| selection.holds));
            }
        }
    }
}

impl SearchNode {
    /// Whether it holds.
    #[must_use]
    pub fn holds(&self) -> bool {
        match self {
            Self::All { holds, .. } | Self::Any { holds, .. } => *holds,
        }
    }

    /// The items that made it hold.
    #[must_use]
    pub fn holding_items(&self) -> Vec<&ItemNode> {
        match self {
            Self::All { holds: true, items } => items.iter().collect(),
            Self::Any { members, .. } => members.iter().flat_map(Self::holding_items).collect(),
            Self::All { holds: false, .. } => Vec::new(),
        }
    }
}

impl Part {
    fn explain(&self, lookup: &Lookup<'_>) -> Vec<ConditionNode> {
        self.conditions.iter().map(|condition| self.explain_condition(condition, lookup)).collect()
    }

    fn explain_condition(&self, condition: &Condition, lookup: &Lookup<'_>) -> ConditionNode {
        let operands = |of: &[Condition]| -> Vec<ConditionNode> {
            of.iter().map(|part| self.explain_condition(part, lookup)).collect()
        };
        match condition {
            Condition::And(of) => {
                let of = operands(of);
                ConditionNode::And { holds: of.iter().all(ConditionNode::holds), of }
            }
            Condition::Or(of) => {
                let of = operands(of);
                ConditionNode::Or { holds: of.iter().any(ConditionNode::holds), of }
            }
            Condition::Not(of) => {
                let of = self.explain_condition(of, lookup);
                ConditionNode::Not { holds: !of.holds(), of: Box::new(of) }
            }
            Condition::Selection(index, _) => match self.selections.get(*index) {
                Some(selection) => ConditionNode::Selection(selection.explain(lookup)),
                // No loaded rule has it; the plain evaluator calls it false.
                None => ConditionNode::Or { holds: false, of: Vec::new() },
            },
            Condition::Of { all, pattern, selections, .. } => {
                let selections: Vec<SelectionNode> = selections
                    .iter()
                    .filter_map(|index| self.selections.get(*index))
                    .map(|selection| selection.explain(lookup))
                    .collect();
                let holds = if *all {
                    !selections.is_empty() && selections.iter().all(|selection| selection.holds)
                } else {
                    selections.iter().any(|selection| selection.holds)
                };
                ConditionNode::Of { holds, all: *all, pattern: pattern.clone(), selections }
            }
        }
    }
}

impl SelectionTest {
    fn explain(&self, lookup: &Lookup<'_>) -> SelectionNode {
        let search = self.search.explain(lookup);
        SelectionNode { holds: search.holds(), name: self.name.clone(), search }
    }
}

impl SearchTest {
    fn explain(&self, lookup: &Lookup<'_>) -> SearchNode {
        match self {
            Self::All(items) => {
                let items: Vec<ItemNode> = items.iter().map(|item| item.explain(lookup)).collect();
                SearchNode::All { holds: items.iter().all(|item| item.holds), items }
            }
            Self::Any(members) => {
                let members: Vec<SearchNode> =
                    members.iter().map(|member| member.explain(lookup)).collect();
                SearchNode::Any { holds: members.iter().any(SearchNode::holds), members }
            }
        }
    }
}

impl ItemTest {
    fn explain(&self, lookup: &Lookup<'_>) -> ItemNode {
        let item = &self.item;
        let values: Vec<ValueNode> = self
            .tests
            .iter()
            .enumerate()
            .map(|(index, test)| {
                let holds = self.test_holds(test, lookup);
                ValueNode {
                    holds,
                    written: item.values.get(index).map(written).unwrap_or_default(),
                    by: if holds { self.held_by(test, lookup) } else { None },
                    other: test.other_field().map(|field| compared(&lookup.field(field))),
                }
            })
            .collect();
        let holds = if item.all {
            values.iter().all(|value| value.holds)
        } else {
            values.iter().any(|value| value.holds)
        };
        let compared = match &item.field {
            Some(field) => compared(&lookup.field(field)),
            None if lookup.event().whole().keywords_in_raw => Compared::Raw,
            None => Compared::Scalars { count: lookup.searched().len() },
        };
        ItemNode {
            holds: holds != item.negated,
            field: item.field.clone(),
            written_field: item.written_field.clone(),
            modifiers: item.modifiers.clone(),
            all: item.all,
            negated: item.negated,
            compared,
            values,
        }
    }

    /// The value of the event for which a test holds.
    fn held_by(&self, test: &Test, lookup: &Lookup<'_>) -> Option<EventValue> {
        match &self.item.field {
            Some(field) => lookup
                .field(field)
                .candidates()
                .find(|(_, candidate)| test.holds_for(candidate, lookup))
                .map(|(source, candidate)| event_value(Some(source), candidate)),
            None => lookup
                .searched()
                .iter()
                .find(|candidate| test.holds_for(candidate, lookup))
                .map(|candidate| event_value(None, candidate)),
        }
    }
}

impl Test {
    fn other_field(&self) -> Option<&str> {
        match self {
            Self::FieldRef(field, _) => Some(field),
            _ => None,
        }
    }
}

fn compared(found: &Found<'_>) -> Compared {
    let mut values = Vec::new();
    for source in &found.sources {
        if source.present {
            values
                .extend(source.values.iter().map(|candidate| event_value(Some(source), candidate)));
        } else {
            let name = source.name.as_deref().map(str::to_owned);
            values.push(EventValue { source: name, kind: None, text: None });
        }
    }
    Compared::Field { origin: found.origin, values }
}

fn event_value(source: Option<&FoundSource<'_>>, candidate: &Candidate<'_>) -> EventValue {
    EventValue {
        source: source.and_then(|source| source.name.as_deref()).map(str::to_owned),
        kind: Some(candidate.kind),
        text: candidate.text().map(str::to_owned),
    }
}

/// A rule's value as its author wrote it.
pub(crate) fn written(scalar: &Scalar) -> String {
    match scalar {
        Scalar::Text(text) | Scalar::Number(text) => text.to_string(),
        Scalar::Bool(value) => value.to_string(),
        Scalar::Null => "null".to_owned(),
    }
}
