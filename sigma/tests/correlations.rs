//! Pipelines over whole collections.

use sigmund_sigma::pipeline::Pipeline;
use sigmund_sigma::{Collection, Item, Loader, Search, Source};

const RULES: &str = "title: R
id: r
name: r
logsource: {product: windows, category: process_creation}
detection:
    sel:
        Image|endswith: '\\cmd.exe'
        User: bob
    drop: {Gone: x}
    condition: sel and not drop
---
title: F
logsource: {product: windows}
filter:
    rules: any
    own: {User: admin}
    condition: not own
---
title: C
correlation:
    type: event_count
    rules: r
    group-by: User
    timespan: 5m
    condition: {gte: 2}
";

const PIPELINE: &str = "name: p
transformations:
- {type: field_name_mapping, mapping: {Image: exe, User: user.name}, rule_conditions: [{type: logsource, product: windows}]}
- {type: drop_detection_item, field_name_conditions: [{type: include_fields, fields: Gone}]}
- {type: add_condition, conditions: {EventID: 1}, rule_conditions: [{type: is_sigma_rule}]}
";

fn load(pipeline: &str) -> Collection {
    let (pipeline, found) = Pipeline::parse("p.yml", pipeline);
    assert_eq!(found, []);
    let loader = Loader { pipelines: vec![pipeline], ..Loader::default() };
    loader.load(&[Source { name: "r.yml".into(), text: RULES.into() }])
}

fn items(search: &Search) -> Vec<&Item> {
    match search {
        Search::All(items) => items.iter().collect(),
        Search::Any(members) => members.iter().flat_map(items).collect(),
    }
}

#[test]
fn pipelines_reach_rules_filters_and_correlations() {
    let collection = load(PIPELINE);
    assert_eq!(collection.diagnostics, []);
    let rule = &collection.rules[0];
    let fields = |search| -> Vec<&str> {
        items(search).iter().filter_map(|item| item.field.as_deref()).collect()
    };
    assert_eq!(fields(&rule.selections[0].search), ["exe", "user.name"]);
    assert_eq!(fields(&rule.added[0]), ["EventID"]);
    assert_eq!(fields(&rule.filters[0].0.selections[0].search), ["user.name"]);
    for item in items(&rule.selections[0].search).into_iter().chain(items(&rule.added[0])) {
        assert_eq!(item.matchers.len(), item.values.len());
    }
    assert_eq!(collection.correlations[0].group_by, ["user.name"]);
    // The dropped selection is no longer part of the condition.
    assert!(!format!("{:?}", rule.conditions).contains("Not"), "{:?}", rule.conditions);
}

#[test]
fn a_refused_rule_takes_its_correlation_along() {
    let collection = load("transformations:\n- {type: rule_failure, message: no such logs}\n");
    assert!(collection.rules.is_empty() && collection.correlations.is_empty());
    let first = &collection.diagnostics[0];
    assert_eq!((first.code, first.message.as_str()), ("pipeline-failure", "no such logs"));
    assert_eq!(&*first.source, "r.yml");
}
