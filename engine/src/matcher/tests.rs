//! What the comparison with the plain evaluator has found once.

use crate::alias::{Alias, Pick};
use crate::{
    AliasTable, Body, Event, Kind, Matcher, Object, Record, Route, Routing, RuleSet, Value,
};
use sigmund_sigma::{Loader, Source};
use std::sync::Arc;

/// Whether the compiled rule, and the plain one, match a JSON event with these numbers and texts.
fn both(
    detection: &str,
    event_id: Option<&str>,
    bytes: &str,
    fields: &[(&str, Value)],
) -> (bool, bool) {
    let ruleset = ruleset_of(detection);
    let windows = sigmund_sigma::LogSource::new(Some("windows"), None, None);
    let aliases = Arc::new(AliasTable::default());
    let route = Routing::default().route("t", vec![windows], event_id, &aliases, &|_| None);
    let mut record = Record::new(Arc::clone(ruleset.field_table()));
    record.route = Some(Arc::clone(&route));
    record.body = Body::Json;
    record.has_unicode_escapes = false;
    let mut object = Object::default();
    for (name, value) in fields {
        object.push(*name, value.clone());
        let list = std::slice::from_ref(value);
        let Value::Array(values) = value else {
            list.iter().for_each(|value| set(&mut record, name, value));
            continue;
        };
        values.iter().for_each(|value| set(&mut record, name, value));
    }
    let event = Event {
        raw: bytes.as_bytes().into(),
        object,
        lifted: Object::default(),
        keywords_in_raw: false,
        route,
        time: None,
    };
    let mut hits = Vec::new();
    let mut matcher = Matcher::new(Arc::clone(&ruleset));
    matcher.matches(bytes.as_bytes(), &record, &mut || event.clone(), &mut hits);
    (!hits.is_empty(), ruleset.oracle(0).unwrap().matches(&event))
}

fn set(record: &mut Record, name: &str, value: &Value) {
    match value {
        Value::Null => record.fields.set_kind(name, Kind::Null, b""),
        Value::Number(text) => record.fields.set_kind(name, Kind::Number, text.as_bytes()),
        Value::Text(text) => record.fields.set_kind(name, Kind::Text, text.as_bytes()),
        other => panic!("{other:?}"),
    }
}

fn number(text: &str) -> Value {
    Value::Number(text.into())
}

#[test]
fn long_numbers_are_compared_as_they_are_not_as_they_are_written() {
    let long = format!("1.23456{}e5", "0".repeat(5000));
    let bytes = format!("{{\"n\":{long}}}");
    let found = both("  sel:\n    n|contains: '123456'", None, &bytes, &[("n", number(&long))]);
    assert_eq!(found, (true, true));
}

#[test]
fn the_event_id_of_a_route_need_not_be_that_of_the_event() {
    let rule = "  sel:\n    EventID: 4688";
    for (value, matches) in [
        (number("4688"), true),
        (Value::text("4688"), true),
        (number("4688.0"), true),
        (Value::text("04688"), false),
        (Value::text("+4688"), false),
        (Value::Null, false),
        (Value::Array(vec![number("4624"), number("4688")]), true),
    ] {
        let found = both(rule, Some("4688"), "{}", &[("EventID", value.clone())]);
        assert_eq!(found, (matches, matches), "{value:?}");
    }
    assert_eq!(both(rule, Some("4688"), "{}", &[]), (false, false));
    let several = Value::Array(vec![number("4688"), number("4624")]);
    let other = "  sel:\n    EventID: 4624";
    assert_eq!(both(other, Some("4688"), "{}", &[("EventID", several)]), (true, true));
}

#[test]
fn keywords_find_numbers_in_any_spelling() {
    for (written, matches) in [("1000", true), ("1e3", true), ("1.0E+3", true), ("1e2", false)] {
        let bytes = format!("{{\"n\":{written}}}");
        let found = both("  sel:\n    - '1000'", None, &bytes, &[("n", number(written))]);
        assert_eq!(found, (matches, matches), "{written}");
    }
}

#[test]
fn keywords_with_any_ascii_character_are_found_in_bytes() {
    for character in (' '..='~').filter(|c| !matches!(c, '"' | '\\' | '*' | '?' | '\'')) {
        let word = format!("{character}{character}{character}{character}");
        let bytes = format!("{{\"n\":\"x{word}y\"}}");
        let value = Value::text(format!("x{word}y"));
        let found = both(&format!("  sel:\n    - '{word}'"), None, &bytes, &[("n", value)]);
        assert_eq!(found, (true, true), "{word}");
    }
}

#[test]
fn events_of_routes_that_are_not_interned_are_matched_each_by_its_own_log_source() {
    let text =
        "title: t\nlogsource:\n  service: b\ndetection:\n  sel:\n    EventID: 1\n  condition: sel";
    let collection = Loader::default().load(&[Source { name: "t.yml".into(), text: text.into() }]);
    let (ruleset, _) = RuleSet::compile(collection.rules, &[], &[], &[]);
    let ruleset = Arc::new(ruleset);
    let mut matcher = Matcher::new(Arc::clone(&ruleset));
    let route = |service: &str| {
        Arc::new(Route {
            id: Route::TRANSIENT,
            name: service.into(),
            log_sources: vec![sigmund_sigma::LogSource::new(None, None, Some(service))],
            aliases: Arc::default(),
            event_id: Some("1".into()),
            unfiltered: false,
            is_known: true,
        })
    };
    let (a, b) = (route("a"), route("b"));
    for (route, event_id, matches) in
        [(&a, "1", 0), (&b, "1", 1), (&b, "1", 1), (&b, "2", 0), (&a, "1", 0), (&b, "1", 1)]
    {
        let mut record = Record::new(Arc::clone(ruleset.field_table()));
        record.route = Some(Arc::clone(route));
        set(&mut record, "EventID", &number(event_id));
        let mut hits = Vec::new();
        matcher.matches(b"{}", &record, &mut || unreachable!("no keywords"), &mut hits);
        assert_eq!(hits.len(), matches, "{} {event_id}", route.name);
    }
}

#[test]
fn values_that_look_like_none_of_the_wanted_ones_may_be_one() {
    let rule = "  sel:\n    n:\n      - '80'\n      - 'kg'\n      - '0'\n      - '1000'";
    for (value, matches) in [
        (number("80"), true),
        (number("81"), false),
        (number("080"), true),
        (number("80.0"), true),
        (number("8e1"), true),
        (number("1e3"), true),
        (number("1000.00"), true),
        (number("-0"), true),
        (number("0"), true),
        (number("7"), false),
        (number("9000"), false),
        (Value::text("KG"), true),
        // Its first letter is the sign for kelvin.
        (Value::text("\u{212a}g"), true),
        (Value::text("kgs"), false),
        (Value::text(""), false),
        (Value::text("080"), false),
        (Value::text("x".repeat(200)), false),
    ] {
        let found = both(rule, None, "{}", &[("n", value.clone())]);
        assert_eq!(found.0, found.1, "{value:?}");
        assert_eq!(found.0, matches, "{value:?}");
    }
}

#[test]
fn each_of_several_values_is_remembered_by_its_literals() {
    let rule = "  sel:\n    n|contains|all:\n      - 'first'\n      - 'other'";
    let text = |text: &str| Value::text(text);
    for (values, matches) in [
        (vec![text("a first"), text("the other")], true),
        (vec![text("a first other"), text("x")], true),
        (vec![text("a first"), text("x")], false),
        (vec![Value::Null, text("a first")], false),
    ] {
        let found = both(rule, None, "{}", &[("n", Value::Array(values.clone()))]);
        assert_eq!(found, (matches, matches), "{values:?}");
    }
}

#[test]
fn what_computed_fields_pull_is_remembered_by_all_that_they_are_made_of() {
    let compute: fn(&[Option<&str>], &mut String) -> bool = |from, out| {
        from.iter().flatten().for_each(|part| out.push_str(part));
        from[0].is_some()
    };
    let joined = Alias::with(
        "joined",
        Pick::First,
        [crate::alias::Source::Computed { from: &["one", "other"], compute, what: "both" }],
    );
    agree_on_pairs(&joined, "  some:\n    joined|contains: 'ab'\n  none:\n    joined: null");
}

#[test]
fn sources_that_say_the_same_are_asked_like_others() {
    for test in [
        "contains: 'ab'",
        "startswith: 'b'",
        "contains|all: ['a', 'b']",
        "re: '^a?b$'",
        "gte: 1",
        "exists: true",
        "exists: false",
    ] {
        agree_on_pairs(
            &Alias::any("either", &["one", "other"]),
            &format!("  s:\n    either|{test}"),
        );
    }
    for value in ["null", "''", "'1'", "'ab'"] {
        let detection = format!("  s:\n    either: {value}");
        agree_on_pairs(&Alias::any("either", &["one", "other"]), &detection);
    }
}

#[test]
fn what_a_field_is_depends_on_all_that_its_sources_read() {
    use crate::alias::{Source, Which};
    let compute = |from: &[Option<&str>], out: &mut String| match from {
        [Some(text)] if *text != "b" => {
            out.push_str(text);
            out.push('b');
            true
        }
        _ => false,
    };
    let computed = |from: &'static [&'static str]| Source::Computed { from, compute, what: "more" };
    let element = |which| Source::Element { field: "one", which };
    let field = |name: &'static str| Source::Field(name.into());
    let beside = |name| Which::Beside { names: "other", name };
    for (name, pick, sources) in [
        ("either", Pick::First, vec![computed(&["one"]), field("other")]),
        ("either", Pick::First, vec![field("other"), computed(&["one"])]),
        ("either", Pick::Alternates, vec![computed(&["one"]), field("other")]),
        ("either", Pick::First, vec![element(Which::Number(1)), field("other")]),
        ("either", Pick::First, vec![element(beside("ab")), field("other")]),
        ("either", Pick::First, vec![element(beside("ab")), computed(&["other"])]),
        ("either", Pick::Alternates, vec![field("missing"), field("other")]),
        ("either", Pick::Alternates, vec![field("other"), field("one"), field("missing")]),
        ("one", Pick::Alternates, vec![field("one"), field("other")]),
        ("one", Pick::First, vec![field("other"), field("one")]),
    ] {
        let alias = Alias::with(name, pick, sources);
        for test in ["contains: 'ab'", "re: '^a?b$'", "exists: true", "exists: false"] {
            agree_on_pairs(&alias, &format!("  s:\n    {name}|{test}"));
        }
        for value in ["null", "''", "'ab'", "'bb'"] {
            agree_on_pairs(&alias, &format!("  s:\n    {name}: {value}"));
        }
    }
}

/// Compares with the plain evaluator whether one of the selections over an alias of `one` and `other` holds, for many values of both.
fn agree_on_pairs(alias: &Alias, selections: &str) {
    let text = format!(
        "title: t\nlogsource:\n  product: windows\ndetection:\n{selections}\n  condition: 1 of them"
    );
    let source = Source { name: "t.yml".into(), text: text.into() };
    let collection = Loader::default().load(&[source]);
    let aliases = Arc::new(AliasTable::new([alias.clone()]));
    let tables = [Arc::clone(&aliases)];
    let (ruleset, refused) = RuleSet::compile(collection.rules, &tables, &[], &[]);
    assert_eq!((ruleset.rules().len(), refused.len()), (1, 0), "{:?}", collection.diagnostics);
    let ruleset = Arc::new(ruleset);
    let windows = sigmund_sigma::LogSource::new(Some("windows"), None, None);
    let route = Routing::default().route("t", vec![windows], None, &aliases, &|_| None);
    let mut matcher = Matcher::new(Arc::clone(&ruleset));
    let long = "x".repeat(200) + "ab";
    let several = Value::Array(vec![Value::text("b"), Value::text("ab")]);
    let same = Value::Array(vec![Value::text("ab"), Value::text("ab")]);
    let parts = [
        None,
        Some(Value::text("a")),
        Some(Value::text("b")),
        Some(Value::text("ab")),
        Some(Value::text("1")),
        Some(Value::text("")),
        Some(Value::text(long)),
        Some(number("1")),
        Some(Value::Null),
        Some(several),
        Some(same),
    ];
    // Twice: what was found out, and what is remembered.
    for _ in 0..2 {
        for (one, other) in parts.iter().flat_map(|one| parts.iter().map(move |other| (one, other)))
        {
            let mut record = Record::new(Arc::clone(ruleset.field_table()));
            record.route = Some(Arc::clone(&route));
            record.body = Body::Json;
            let mut object = Object::default();
            for (name, value) in [("one", one), ("other", other)] {
                let Some(value) = value else { continue };
                object.push(name, value.clone());
                match value {
                    Value::Array(values) => {
                        values.iter().for_each(|value| set(&mut record, name, value));
                    }
                    value => set(&mut record, name, value),
                }
            }
            let (raw, route) = (b"{}".as_slice().into(), Arc::clone(&route));
            let lifted = Object::default();
            let event = Event { raw, object, lifted, keywords_in_raw: false, route, time: None };
            let mut hits = Vec::new();
            matcher.matches(b"{}", &record, &mut || event.clone(), &mut hits);
            let expected = ruleset.oracle(0).unwrap().matches(&event);
            assert_eq!(!hits.is_empty(), expected, "{selections}: {one:?} {other:?}");
        }
    }
}

/// A rule set of one rule with this detection.
fn ruleset_of(detection: &str) -> Arc<RuleSet> {
    let text = format!(
        "title: t\nlogsource:\n  product: windows\ndetection:\n{detection}\n  condition: sel"
    );
    let source = Source { name: "t.yml".into(), text: text.into() };
    let collection = Loader::default().load(&[source]);
    let (ruleset, refused) = RuleSet::compile(collection.rules, &[], &[], &[]);
    assert_eq!((ruleset.rules().len(), refused.len()), (1, 0), "{:?}", collection.diagnostics);
    Arc::new(ruleset)
}

#[test]
fn classes_with_the_same_buckets_share_their_keywords() {
    // With a comparison of each with each this takes minutes.
    let list: String = (0..50_000).map(|at| format!("    - 'keyword-{at}'\n")).collect();
    let ruleset = ruleset_of(&format!("  sel:\n{list}"));
    let windows = sigmund_sigma::LogSource::new(Some("windows"), None, None);
    let aliases = Arc::new(AliasTable::default());
    let routing = Routing::default();
    let route = |format, id| routing.route(format, vec![windows.clone()], id, &aliases, &|_| None);
    let class = |route: &Route| {
        super::Class::new(&ruleset, route, true, None, &mut Default::default()).keywords.unwrap().0
    };
    let first = class(&route("a", Some("1")));
    assert_eq!(first.rules.len(), 50_000);
    for other in [route("a", Some("2")), route("b", None)] {
        assert!(Arc::ptr_eq(&first, &class(&other)));
    }
}

#[test]
fn a_condition_that_comes_to_too_much_refuses_its_rule_only() {
    let selections: String = (0..400).map(|at| format!("  s{at}: {{f{at}: a}}\n")).collect();
    let parts: Vec<String> = (0..400).map(|at| format!("(s{at} and not 1 of s*)")).collect();
    let rule = |condition: &str| {
        format!(
            "title: t\nlogsource:\n  product: windows\ndetection:\n{selections}  condition: {condition}\n"
        )
    };
    let text = format!("{}---\n{}", rule(&parts.join(" or ")), rule("s1"));
    let source = Source { name: "t.yml".into(), text: text.into() };
    let collection = Loader::default().load(&[source]);
    let (ruleset, refused) = RuleSet::compile(collection.rules, &[], &[], &[]);
    assert_eq!((ruleset.rules().len(), refused.len()), (1, 1));
    assert_eq!((refused[0].code, &*refused[0].source), ("condition-too-large", "t.yml"));
}

#[test]
fn conditions_that_repeat_themselves_mean_the_same() {
    let text: String = [
        "1 of s* and (s1 or s2) and (s2 or s1 or s1)",
        "all of s* or (s1 and s2 and s1) or all of s*",
        "not s1 and not not s2 or not s1 and not s3",
        "not (s1 or s1) and not 1 of s* or s3 and (s3 and not s1)",
        "(s1 and (s2 or s3)) or (s2 and (s1 or s3)) or (s1 and (s2 or s3))",
        "not all of s* and (1 of s* or all of s*) and 1 of x*",
    ]
    .map(|condition| {
        let selections = "  s1: {a: 1}\n  s2: {b: 1}\n  s3: {c: 1}\n  xa: {a|exists: true}\n";
        format!("title: t\nlogsource:\n  product: windows\ndetection:\n{selections}  condition: {condition}\n")
    })
    .join("---\n");
    let collection = Loader::default().load(&[Source { name: "t.yml".into(), text: text.into() }]);
    let (ruleset, _) = RuleSet::compile(collection.rules, &[], &[], &[]);
    assert_eq!(ruleset.rules().len(), 6, "{:?}", collection.diagnostics);
    let ruleset = Arc::new(ruleset);
    let windows = sigmund_sigma::LogSource::new(Some("windows"), None, None);
    let aliases = Arc::new(AliasTable::default());
    let route = Routing::default().route("t", vec![windows], None, &aliases, &|_| None);
    for bits in 0..8 {
        let mut record = Record::new(Arc::clone(ruleset.field_table()));
        record.route = Some(Arc::clone(&route));
        record.body = Body::Json;
        let mut object = Object::default();
        for (at, name) in ["a", "b", "c"].into_iter().enumerate() {
            let value = number(if bits >> at & 1 == 1 { "1" } else { "0" });
            set(&mut record, name, &value);
            object.push(name, value);
        }
        let event = Event {
            raw: b"{}"[..].into(),
            object,
            lifted: Object::default(),
            keywords_in_raw: false,
            route: Arc::clone(&route),
            time: None,
        };
        let mut hits = Vec::new();
        Matcher::new(Arc::clone(&ruleset)).matches(
            b"{}",
            &record,
            &mut || event.clone(),
            &mut hits,
        );
        let plain = (0..6).filter(|rule| ruleset.oracle(*rule).unwrap().matches(&event));
        assert_eq!(hits, plain.collect::<Vec<_>>(), "{bits:b}");
    }
}
