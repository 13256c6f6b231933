//! Which fields a rule reads.

use sigmund_engine::Route;
use sigmund_sigma::{Matcher, Rule, Search};
use std::collections::BTreeSet;

/// The names of the fields that a rule reads, as rules call them. Keywords read no field.
pub(crate) fn of(rule: &Rule) -> BTreeSet<&str> {
    let mut fields = BTreeSet::new();
    let own = rule.selections.iter().map(|selection| &selection.search);
    let filters = rule
        .filters
        .iter()
        .flat_map(|filter| filter.0.selections.iter().map(|selection| &selection.search));
    for search in own.chain(filters).chain(&rule.added) {
        collect(search, &mut fields);
    }
    fields
}

fn collect<'a>(search: &'a Search, fields: &mut BTreeSet<&'a str>) {
    match search {
        Search::Any(parts) => parts.iter().for_each(|part| collect(part, fields)),
        Search::All(items) => {
            for item in items {
                fields.extend(item.field.as_deref());
                item.matchers.iter().for_each(|matcher| references(matcher, fields));
            }
        }
    }
}

fn references<'a>(matcher: &'a Matcher, fields: &mut BTreeSet<&'a str>) {
    match matcher {
        Matcher::FieldRef(field, _) => {
            fields.insert(field);
        }
        Matcher::AnyOf(parts) => parts.iter().for_each(|part| references(part, fields)),
        _ => {}
    }
}

/// The native fields that are read where a rule of this kind of event asks for one of the names.
pub(crate) fn native<'a>(names: &BTreeSet<&'a str>, route: &'a Route) -> BTreeSet<&'a str> {
    let mut all = names.clone();
    for alias in route.aliases.iter().filter(|alias| names.contains(&*alias.name)) {
        for source in alias.sources.iter() {
            all.extend(source.fields());
        }
    }
    all
}
