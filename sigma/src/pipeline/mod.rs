//! Processing pipelines: changes to rules between parsing and modifiers, in pySigma's YAML format.
//!
//! A pipeline is a list of processing items. Each has a transformation, conditions on the rule that
//! decide whether it applies at all, and conditions on detection items and field names that
//! decide where. [`Pipeline::parse`] reads one, [`Pipeline::apply`] runs it on a rule.
//!
//! What differs from pySigma, on purpose:
//! * Values are those **as written**, before modifiers, because modifiers run after pipelines
//!   here. A regex of `replace_string` or `match_string` sees `\cmd.exe`, not `*\cmd.exe`.
//! * A field that is mapped to several is an OR over them, and under `neq` an AND of the
//!   negations; pySigma links the negations with OR, which is nearly always true.
//! * A selection that loses all its items is taken out of the condition; a rule that loses all of
//!   its condition is refused.
//! * Nothing is fetched, executed or read: placeholder transformations that do are refused. What
//!   concerns query texts (`postprocessing`, `finalizers`) is skipped with a remark.
//!
//! Source: <https://sigmahq-pysigma.readthedocs.io/en/latest/Processing_Pipelines.html>.

mod apply;
mod condition;
pub mod logsource_mapping;
mod read;
#[cfg(test)]
mod tests;
mod transformation;
mod value;

use crate::value::Scalar;
use crate::{Correlation, Diagnostic, LogSource, Rule, Span};
use condition::{FieldCondition, Gate, ItemCondition, RuleCondition};
use std::collections::BTreeSet;
use transformation::Transformation;

/// A parsed pipeline.
#[derive(Clone, Debug, Default)]
pub struct Pipeline {
    /// `name`, or the name of the text.
    pub name: String,
    /// Pipelines run in ascending priority; the caller sorts.
    pub priority: i64,
    /// `vars`: values for placeholders.
    pub vars: Vec<(String, Vec<String>)>,
    items: Vec<ProcessingItem>,
}

/// One step of a pipeline.
#[derive(Clone, Debug)]
struct ProcessingItem {
    /// For `processing_item_applied`.
    id: Option<String>,
    transformation: Transformation,
    rule: Gate<RuleCondition>,
    item: Gate<ItemCondition>,
    field: Gate<FieldCondition>,
}

/// What the pipelines that ran on one rule have left for those that follow.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// Ids of processing items that were applied.
    applied: BTreeSet<String>,
    /// (item, id), by the item's place.
    applied_items: BTreeSet<(Span, String)>,
    /// (field, id).
    applied_fields: BTreeSet<(String, String)>,
    /// Fields that a mapping knew, and what it made of them.
    mapped_fields: BTreeSet<String>,
    /// From `set_state`.
    values: Vec<(String, Scalar)>,
    /// `vars` of all pipelines so far.
    vars: Vec<(String, Vec<String>)>,
}

impl State {
    /// The state at the start of a rule, with values for placeholders that no pipeline's own
    /// `vars` override.
    #[must_use]
    pub fn with_vars(vars: &[(String, Vec<String>)]) -> Self {
        Self { vars: vars.to_vec(), ..Self::default() }
    }
}

impl Pipeline {
    /// Reads a pipeline. Every processing item that cannot be understood is reported as an error
    /// and left out.
    #[must_use]
    pub fn parse(name: &str, text: &str) -> (Self, Vec<Diagnostic>) {
        read::pipeline(name, text)
    }

    /// A pipeline that renames fields; several targets are an OR.
    #[must_use]
    pub fn from_field_mapping(mapping: &[(String, Vec<String>)]) -> Self {
        let mapping = mapping.iter().map(|(from, to)| (Some(from.clone()), to.clone())).collect();
        Self {
            name: "field mapping".to_owned(),
            items: vec![ProcessingItem {
                id: None,
                transformation: Transformation::FieldNameMapping(mapping),
                rule: Gate::default(),
                item: Gate::default(),
                field: Gate::default(),
            }],
            ..Self::default()
        }
    }

    /// Whether it changes nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Runs on a rule whose modifiers have not been applied yet (its items have `values`, and
    /// `matchers` is ignored). `state` belongs to the rule and is handed from pipeline to
    /// pipeline.
    ///
    /// # Errors
    /// A diagnostic if the pipeline refuses the rule, or leaves nothing of its condition.
    pub fn apply(&self, rule: &mut Rule, state: &mut State) -> Result<(), Diagnostic> {
        apply::to_rule(self, rule, state).map_err(|mut diagnostic| {
            diagnostic.source = rule.metadata.source.clone();
            diagnostic.notes.push(format!("refused by pipeline `{}`", self.name));
            diagnostic
        })
    }

    /// Runs on a correlation: its group, value and alias fields are mapped. `logsources` are those
    /// of the rules it uses.
    ///
    /// # Errors
    /// A diagnostic if the pipeline refuses the correlation, or maps one of its fields to several.
    pub fn apply_to_correlation(
        &self,
        correlation: &mut Correlation,
        logsources: &[LogSource],
        state: &mut State,
    ) -> Result<(), Diagnostic> {
        apply::to_correlation(self, correlation, logsources, state).map_err(|mut diagnostic| {
            diagnostic.source = correlation.metadata.source.clone();
            diagnostic.notes.push(format!("refused by pipeline `{}`", self.name));
            diagnostic
        })
    }
}
