//! What a rule means, as a hash: state and alert ids belong to it, so that a rule whose text moved, or whose description changed,
//! keeps its windows, and one that means something else starts with none.

use sha2::{Digest as _, Sha256};
use sigmund_sigma::condition::Condition;
use sigmund_sigma::{Correlation, Rule, Search, Selection};

/// The meaning of a rule or correlation.
pub type SemanticHash = [u8; 16];

struct Hasher(Sha256);

impl Hasher {
    fn new(kind: &str) -> Self {
        let mut hasher = Self(Sha256::new());
        hasher.text(kind);
        hasher
    }

    fn text(&mut self, text: &str) {
        self.number(text.len());
        self.0.update(text);
    }

    fn number(&mut self, number: usize) {
        self.0.update((number as u64).to_le_bytes());
    }

    fn finish(self) -> SemanticHash {
        let digest = self.0.finalize();
        std::array::from_fn(|index| digest[index])
    }

    fn condition(&mut self, condition: &Condition) {
        match condition {
            Condition::And(of) | Condition::Or(of) => {
                self.text(if matches!(condition, Condition::And(_)) { "and" } else { "or" });
                self.number(of.len());
                of.iter().for_each(|part| self.condition(part));
            }
            Condition::Not(of) => {
                self.text("not");
                self.condition(of);
            }
            Condition::Selection(index, _) => {
                self.text("selection");
                self.number(*index);
            }
            Condition::Of { all, selections, .. } => {
                self.text(if *all { "all" } else { "any" });
                self.number(selections.len());
                selections.iter().for_each(|index| self.number(*index));
            }
        }
    }

    fn search(&mut self, search: &Search) {
        match search {
            Search::All(items) => {
                self.text("items");
                self.number(items.len());
                for item in items {
                    self.text(item.field.as_deref().unwrap_or(""));
                    self.number(usize::from(item.field.is_some()));
                    self.number(usize::from(item.all));
                    self.number(usize::from(item.negated));
                    self.number(item.matchers.len());
                    // Matchers have no places in the text, and show all that they are.
                    item.matchers.iter().for_each(|matcher| self.text(&format!("{matcher:?}")));
                }
            }
            Search::Any(members) => {
                self.text("any");
                self.number(members.len());
                members.iter().for_each(|member| self.search(member));
            }
        }
    }

    fn part(&mut self, selections: &[Selection], conditions: &[Condition]) {
        self.number(selections.len());
        selections.iter().for_each(|selection| self.search(&selection.search));
        self.number(conditions.len());
        conditions.iter().for_each(|condition| self.condition(condition));
    }
}

/// The meaning of a detection rule: log source, search, filters.
#[must_use]
pub fn of_rule(rule: &Rule) -> SemanticHash {
    let mut hasher = Hasher::new("rule");
    hasher.text(&rule.logsource.to_string());
    hasher.part(&rule.selections, &rule.conditions);
    hasher.number(rule.filters.len());
    for filter in &rule.filters {
        hasher.part(&filter.0.selections, std::slice::from_ref(&filter.0.condition));
    }
    hasher.number(rule.added.len());
    rule.added.iter().for_each(|search| hasher.search(search));
    hasher.finish()
}

/// The meaning of several rules that go by one name.
pub(crate) fn of_rules(hashes: &[SemanticHash]) -> SemanticHash {
    if let [only] = hashes {
        return *only;
    }
    let mut hasher = Hasher::new("rules");
    hashes.iter().for_each(|hash| hasher.0.update(hash));
    hasher.finish()
}

/// The meaning of a correlation, given those of its rules, and the fields that its groups are made of and that its values are in.
pub(crate) fn of_correlation(
    rule: &Correlation,
    rules: &[SemanticHash],
    group_fields: &[Vec<Box<str>>],
    value_fields: &[Vec<Box<str>>],
) -> SemanticHash {
    let mut hasher = Hasher::new("correlation");
    hasher.text(rule.kind.name());
    hasher.number(rule.timespan.map_or(usize::MAX, |timespan| timespan as usize));
    hasher.number(rules.len());
    rules.iter().for_each(|hash| hasher.0.update(hash));
    hasher.number(rule.group_by.len());
    rule.group_by.iter().for_each(|name| hasher.text(name));
    group_fields.iter().flatten().for_each(|field| hasher.text(field));
    hasher.number(rule.conditions.len());
    for (operator, number) in &rule.conditions {
        hasher.text(&format!("{operator:?}"));
        hasher.text(number);
    }
    hasher.text(&format!("{:?}", rule.temporal_condition));
    hasher.number(rule.fields.len());
    rule.fields.iter().for_each(|field| hasher.text(field));
    // Where aliases give them other names.
    let aliased = |fields: &Vec<Box<str>>| fields.iter().zip(&rule.fields).any(|(a, b)| **a != **b);
    if value_fields.iter().any(aliased) {
        value_fields.iter().flatten().for_each(|field| hasher.text(field));
    }
    hasher.text(rule.percentile.as_deref().unwrap_or("50"));
    hasher.number(usize::from(rule.legacy));
    hasher.finish()
}
