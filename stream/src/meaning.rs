//! What a set of rules means, rule by rule: what they search for, and what their detections show of them. Where their texts lie, comments and
//! layout are no part of it.

use crate::encode::Subject;
use crate::rules::Rules;
use sigmund_engine::DetectionId;
use sigmund_engine::correlation::meaning_of;
use sigmund_sigma::rule::Metadata;
use std::collections::BTreeMap;
use std::fmt;

/// The meaning of one rule, or of several with the same id.
type Meaning = [u8; 16];

/// What rules mean, by what they are called in detections: id, name or title.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Meanings(BTreeMap<String, (String, Meaning)>);

impl Meanings {
    /// Of rules.
    #[must_use]
    pub fn of(rules: &Rules) -> Self {
        let mut meanings = Self::default();
        for (card, reports) in rules.cards.iter().zip(&rules.reports) {
            let searched = meaning_of(&card.rule);
            meanings.add(Subject::Rule(card), searched, *reports);
        }
        for (at, card) in (0..).zip(&rules.alert_cards) {
            let reports = rules.correlations.reports(at);
            meanings.add(Subject::Correlation(card), *rules.correlations.hash(at), reports);
        }
        meanings
    }

    fn add(&mut self, rule: Subject<'_>, searched: Meaning, reports: bool) {
        let shown = shown(rule.metadata());
        let parts = [&searched[..], &[u8::from(reports)], shown.as_bytes()];
        let meaning = *DetectionId::of("rule of a set", &parts).bytes();
        let entry = self.0.entry(rule.id().to_owned());
        // Rules with the same id are in the order of their files.
        entry
            .and_modify(|(_, all)| {
                *all = *DetectionId::of("rules of a set", &[&all[..], &meaning]).bytes();
            })
            .or_insert_with(|| (rule.title().to_owned(), meaning));
    }

    /// A short name for the whole set under these mappings, the same wherever the same rules are.
    #[must_use]
    pub fn ruleset(&self, mappings: &str) -> String {
        let parts = self.0.iter().flat_map(|(id, (_, meaning))| [id.as_bytes(), &meaning[..]]);
        let parts: Vec<&[u8]> = std::iter::once(mappings.as_bytes()).chain(parts).collect();
        let mut name = DetectionId::of("set of rules", &parts).to_string();
        name.truncate(12);
        name
    }

    /// What became of the rules since `before`.
    #[must_use]
    pub fn since(&self, before: &Self) -> Changes {
        let named = |id: &str, title: &str| {
            if id == title { id.to_owned() } else { format!("{id} ({title})") }
        };
        let mut changes = Changes::default();
        for (id, (title, meaning)) in &self.0 {
            match before.0.get(id) {
                None => changes.added.push(named(id, title)),
                Some((_, old)) if old != meaning => changes.changed.push(named(id, title)),
                Some(_) => {}
            }
        }
        for (id, (title, _)) in &before.0 {
            if !self.0.contains_key(id) {
                changes.removed.push(named(id, title));
            }
        }
        changes
    }
}

/// What detections show of a rule in any format, and what decides where they go.
fn shown(metadata: &Metadata) -> String {
    let Metadata {
        title,
        id,
        name,
        status,
        level,
        description,
        author,
        license,
        references,
        tags,
        custom,
        ..
    } = metadata;
    let extension: Vec<_> = custom.iter().filter(|(key, _)| key == "kafka").collect();
    let said = (title, id, name, status, level, description, author, license, references, tags);
    format!("{said:?}{extension:?}")
}

/// What became of rules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Rules that were not there.
    pub added: Vec<String>,
    /// Rules that are not there any more.
    pub removed: Vec<String>,
    /// Rules that mean something else.
    pub changed: Vec<String>,
    /// Documents that are no rule, or none that can be used.
    pub failed: usize,
}

impl Changes {
    /// Whether no rule is another than before.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.changed.is_empty()
    }
}

impl fmt::Display for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { added, removed, changed, failed } = self;
        write!(f, "+{} -{} ~{}, {failed} failed", added.len(), removed.len(), changed.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sigmund_engine::Routing;
    use sigmund_sigma::{Loader, Source};

    fn meanings(texts: &[&str]) -> Meanings {
        let texts: Vec<Source> = (0..)
            .zip(texts)
            .map(|(at, text)| Source { name: format!("{at}.yml").into(), text: (*text).into() })
            .collect();
        let routing = Routing::default();
        Meanings::of(&Rules::compile(&Loader::default(), &texts, &|_| true, &routing))
    }

    fn rule(id: &str, value: &str) -> String {
        format!(
            "title: T{id}\nid: {id}\nlogsource:\n    category: c\ndetection:\n    s:\n        f: {value}\n    condition: s\n"
        )
    }

    #[test]
    fn changes_are_told_by_id_and_meaning() {
        let (a, b, c) = (rule("a", "1"), rule("b", "1"), rule("c", "1"));
        let before = meanings(&[&a, &b, &c]);
        let touched = format!("# a comment\n{c}");
        let after = meanings(&[&touched, &rule("b", "2"), &rule("d", "1"), &rule("e", "1")]);
        let changes = after.since(&before);
        assert_eq!(changes.to_string(), "+2 -1 ~1, 0 failed");
        assert_eq!(changes.added, ["d (Td)", "e (Te)"]);
        assert_eq!(changes.removed, ["a (Ta)"]);
        assert_eq!(changes.changed, ["b (Tb)"]);
        assert!(before.since(&before).is_empty());
    }

    #[test]
    fn the_same_rules_have_the_same_name_wherever_they_are() {
        let (a, b) = (rule("a", "1"), rule("b", "1"));
        let first = meanings(&[&a, &b]).ruleset("");
        assert_eq!(first, meanings(&[&b, &a]).ruleset(""));
        assert_eq!(first.len(), 12);
        assert_ne!(first, meanings(&[&a]).ruleset(""));
        assert_ne!(first, meanings(&[&a, &rule("b", "2")]).ruleset(""));
        assert_ne!(first, meanings(&[&a, &b.replace("Tb", "other")]).ruleset(""));
    }
}
