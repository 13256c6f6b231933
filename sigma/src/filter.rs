//! Filters (semantics section 14).

use crate::LogSource;
use crate::condition::Condition;
use crate::rule::{Metadata, Selection};
use std::sync::Arc;

/// A checked filter.
#[derive(Clone, Debug)]
pub struct Filter {
    /// Title, id and so on.
    pub metadata: Metadata,
    /// Applies to rules whose log source it covers.
    pub logsource: LogSource,
    /// Ids or names of the rules it is for; `None` for any.
    pub rules: Option<Vec<String>>,
    /// In a namespace of their own.
    pub selections: Vec<Selection>,
    /// AND-linked with each condition of the rule (choice C12).
    pub condition: Condition,
}

/// A filter that applies to a rule.
#[derive(Clone, Debug)]
pub struct AppliedFilter(pub Arc<Filter>);
