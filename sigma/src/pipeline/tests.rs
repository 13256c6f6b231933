use super::*;
use crate::condition::Condition;
use crate::modifier::Modifier;
use crate::rule::{Item, Metadata, Search, Selection};

fn item(key: &str, values: &[&str]) -> Item {
    let mut parts = key.split('|');
    let field = parts.next().filter(|field| !field.is_empty()).map(Into::into);
    let modifiers: Vec<Modifier> =
        parts.map(|name| Modifier::from_name(name).expect("a modifier")).collect();
    let value = |text: &&str| match *text {
        "null" => Scalar::Null,
        text => Scalar::resolve(text.into(), crate::yaml::Style::Plain),
    };
    Item {
        field,
        written_field: None,
        all: modifiers.contains(&Modifier::All),
        negated: modifiers.contains(&Modifier::Neq),
        modifiers,
        values: values.iter().map(value).collect(),
        matchers: Vec::new(),
        span: Span::new(key.len(), key.len() + values.len()),
        value_spans: vec![Span::default(); values.len()],
    }
}

fn selection(index: usize) -> Condition {
    Condition::Selection(index, Span::default())
}

/// A Windows process creation rule with these selections, all of which must match.
fn rule(selections: Vec<Vec<Item>>) -> Rule {
    let conditions = vec![Condition::And((0..selections.len()).map(selection).collect())];
    let selections = selections.into_iter().enumerate().map(|(index, items)| Selection {
        name: format!("s{index}").into(),
        span: Span::default(),
        search: Search::All(items),
    });
    Rule {
        metadata: Metadata {
            title: "t".to_owned(),
            tags: vec!["attack.execution".to_owned()],
            level: Some(crate::rule::Level::High),
            date: Some("2024-05-01".to_owned()),
            ..Metadata::default()
        },
        logsource: LogSource::new(Some("windows"), Some("process_creation"), None),
        selections: selections.collect(),
        conditions,
        filters: Vec::new(),
        added: Vec::new(),
        silent: false,
    }
}

fn pipeline(text: &str) -> Pipeline {
    let (pipeline, found) = Pipeline::parse("p.yml", text);
    assert!(found.is_empty(), "{found:?}");
    pipeline
}

/// A pipeline of one item, given as a flow mapping.
fn one(item: &str) -> Pipeline {
    pipeline(&format!("transformations:\n- {{{item}}}\n"))
}

fn apply(pipeline: &Pipeline, mut rule: Rule) -> Rule {
    pipeline.apply(&mut rule, &mut State::default()).expect("applies");
    rule
}

/// `field=v1,v2 & …` of a mapping, `(…) / (…)` of a list.
fn show(search: &Search) -> String {
    match search {
        Search::All(items) => {
            let show = |item: &Item| {
                let values: Vec<String> = item
                    .values
                    .iter()
                    .map(|value| match value {
                        Scalar::Text(text) => text.to_string(),
                        Scalar::Number(text) => format!("#{text}"),
                        Scalar::Bool(value) => format!("#{value}"),
                        Scalar::Null => "null".to_owned(),
                    })
                    .collect();
                assert_eq!(item.values.len(), item.value_spans.len());
                let not = if item.negated { "!" } else { "" };
                let field = item.field.as_deref().unwrap_or_default();
                let modifiers: String =
                    item.modifiers.iter().map(|modifier| format!("|{modifier}")).collect();
                format!("{not}{field}{modifiers}={}", values.join(","))
            };
            items.iter().map(show).collect::<Vec<_>>().join(" & ")
        }
        Search::Any(members) => {
            let show = |member| format!("({})", show(member));
            members.iter().map(show).collect::<Vec<_>>().join(" / ")
        }
    }
}

fn shown(pipeline: &Pipeline, items: Vec<Item>) -> String {
    show(&apply(pipeline, rule(vec![items])).selections[0].search)
}

#[test]
fn one_field_to_one() {
    let mapping = [("Image".to_owned(), vec!["NewProcessName".to_owned()])];
    let result = apply(
        &Pipeline::from_field_mapping(&mapping),
        rule(vec![vec![item("Image|endswith", &[r"\cmd.exe"]), item("User", &["x"])]]),
    );
    let Search::All(items) = &result.selections[0].search else { panic!("a mapping") };
    assert_eq!(items[0].field.as_deref(), Some("NewProcessName"));
    assert_eq!(items[0].written_field.as_deref(), Some("Image"));
    assert_eq!(items[1].written_field, None);
}

#[test]
fn one_field_to_several_is_an_or_and_under_neq_an_and() {
    let pipeline = one("type: field_name_mapping, mapping: {user: [u1, u2], h: [h1, h2]}");
    assert_eq!(
        shown(&pipeline, vec![item("a", &["x"]), item("user", &["bob"])]),
        "(a=x & u1=bob) / (a=x & u2=bob)"
    );
    assert_eq!(shown(&pipeline, vec![item("user|neq", &["bob"])]), "!u1|neq=bob & !u2|neq=bob");
    assert_eq!(
        shown(&pipeline, vec![item("user", &["a"]), item("h", &["b"])]),
        "(u1=a & h1=b) / (u1=a & h2=b) / (u2=a & h1=b) / (u2=a & h2=b)"
    );
}

#[test]
fn combinations_are_limited() {
    let pipeline = one("type: field_name_mapping, mapping: {u: [a, b]}");
    let mut rule = rule(vec![vec![item("u", &["x"]); 20]]);
    let error = pipeline.apply(&mut rule, &mut State::default()).unwrap_err();
    assert_eq!(error.code, "pipeline-too-many");
}

#[test]
fn keywords_to_a_field() {
    let pipeline = one("type: field_name_mapping, mapping: {~: message}");
    assert_eq!(shown(&pipeline, vec![item("", &["evil"])]), "message|contains=evil");
}

#[test]
fn field_references_are_renamed_too() {
    let pipeline = one("type: field_name_mapping, mapping: {User: u, ParentUser: [p, q]}");
    assert_eq!(shown(&pipeline, vec![item("User|fieldref", &["ParentUser"])]), "u|fieldref=p,q");
}

#[test]
fn prefixes_and_suffixes() {
    let pipeline = pipeline(
        "transformations:
- type: field_name_prefix_mapping
  mapping: {'win.': ['w1.', 'w2.']}
- type: field_name_suffix
  suffix: .keyword
  field_name_conditions: [{type: exclude_fields, fields: [id]}]
- type: field_name_prefix
  prefix: e.
  field_name_conditions: [{type: include_fields, fields: ['w1\\.'], mode: re}]
",
    );
    assert_eq!(
        shown(&pipeline, vec![item("win.a", &["x"]), item("id", &["y"])]),
        "(e.w1.a.keyword=x & id=y) / (w2.a.keyword=x & id=y)"
    );
}

#[test]
fn a_negated_condition_is_negated_in_the_loaded_rule() {
    let pipeline = one("type: add_condition, negated: true, \
                        conditions: {host: lab, user|neq: x, pid|exists: true}");
    let loader = crate::Loader { pipelines: vec![pipeline], ..crate::Loader::default() };
    let text = "title: x\nlogsource: {product: x}\ndetection: {s: {a: 1}, condition: s}\n";
    let collection = loader.load(&[crate::Source { name: "r.yml".into(), text: text.into() }]);
    assert_eq!(collection.diagnostics, []);
    let Search::Any(parts) = &collection.rules[0].added[0] else { panic!("an OR") };
    let shown: Vec<String> = parts
        .iter()
        .map(|part| {
            let Search::All(items) = part else { panic!("items") };
            format!("{:?} {} {:?}", items[0].field, items[0].negated, items[0].matchers)
        })
        .collect();
    assert!(shown[0].starts_with("Some(\"host\") true"), "{shown:?}");
    assert!(shown[1].starts_with("Some(\"user\") false"), "{shown:?}");
    assert!(shown[2].ends_with("false [Exists(false)]"), "{shown:?}");
}

#[test]
fn conditions_are_added_and_log_sources_changed() {
    let pipeline = pipeline(
        "transformations:
- id: sysmon
  type: add_condition
  conditions: {EventID: 1, Channel|contains: ['$product', s]}
  template: true
  rule_conditions: [{type: logsource, product: windows, category: process_creation}]
- type: add_condition
  conditions: {a: x, b: y}
  negated: true
- type: change_logsource
  product: windows
  service: sysmon
  rule_conditions: [{type: processing_item_applied, processing_item_id: sysmon}]
- type: rule_failure
  message: never
  rule_conditions: [{type: logsource, category: process_creation}]
",
    );
    let result = apply(&pipeline, rule(vec![vec![item("Image", &["x"])]]));
    let added: Vec<String> = result.added.iter().map(show).collect();
    assert_eq!(added, ["EventID=#1 & Channel|contains=windows,s", "(!a|neq=x) / (!b|neq=y)"]);
    assert_eq!(result.logsource, LogSource::new(Some("windows"), None, Some("sysmon")));
}

#[test]
fn values_are_replaced() {
    let pipeline = pipeline(
        r"transformations:
- type: replace_string
  regex: '^HKLM\\'
  replacement: '\\REGISTRY\\MACHINE\\'
- type: map_string
  mapping: {a: [b, c], '4624': d}
- type: set_value
  value: 7
  field_name_conditions: [{type: include_fields, fields: seven}]
- type: convert_type
  target_type: str
  field_name_conditions: [{type: include_fields, fields: seven}]
- type: case
  method: upper
  detection_item_conditions: [{type: match_string, pattern: up, cond: all}]
",
    );
    assert_eq!(
        shown(&pipeline, vec![item("k|startswith", &[r"HKLM\Soft"])]),
        r"k|startswith=\REGISTRY\MACHINE\Soft"
    );
    assert_eq!(shown(&pipeline, vec![item("k", &["a", "x"])]), "k=b,c,x");
    assert_eq!(
        shown(&pipeline, vec![item("k|contains|all", &["a", "x"])]),
        "k|contains=b,c & k|contains=x"
    );
    assert_eq!(shown(&pipeline, vec![item("seven", &["1", "2"])]), "seven=7");
    assert_eq!(shown(&pipeline, vec![item("k", &["upper", "up"])]), "k=UPPER,UP");
    assert_eq!(shown(&pipeline, vec![item("k|re", &[r"HKLM\\x"])]), r"k|re=HKLM\\x");
}

#[test]
fn placeholders_come_from_vars() {
    let pipeline = pipeline(
        "vars: {hosts: [a*, 5], one: 10%}
transformations:
- {type: value_placeholders, include: [hosts, one]}
- {type: wildcard_placeholders, exclude: [kept]}
",
    );
    assert_eq!(
        shown(&pipeline, vec![item("h|expand", &["x-%hosts%-%one%"])]),
        r"h|expand=x-a*-10\%,x-5-10\%"
    );
    assert_eq!(
        shown(&pipeline, vec![item("h|expand", &["%kept%/%other%", r"\%hosts%"])]),
        r"h|expand=%kept%/*,\%hosts%"
    );
    assert_eq!(shown(&pipeline, vec![item("h", &["%hosts%"])]), "h=%hosts%");

    let mut rule = rule(vec![vec![item("h|expand", &["%missing%"])]]);
    let error = one("type: value_placeholders").apply(&mut rule, &mut State::default());
    assert_eq!(error.unwrap_err().code, "pipeline-placeholder");
}

#[test]
fn dropped_items_leave_the_condition() {
    let pipeline = one(
        "type: drop_detection_item, field_name_conditions: [{type: include_fields, fields: [x]}]",
    );
    let mut start = rule(vec![
        vec![item("a", &["1"]), item("x", &["1"])],
        vec![item("x", &["2"])],
        vec![item("x", &["3"])],
    ]);
    let of = Condition::Of {
        all: true,
        pattern: "s*".into(),
        selections: vec![0, 2],
        span: Span::default(),
    };
    start.conditions = vec![Condition::And(vec![of, Condition::Not(Box::new(selection(1)))])];
    let result = apply(&pipeline, start.clone());
    assert_eq!(show(&result.selections[0].search), "a=#1");
    let [Condition::And(left)] = &result.conditions[..] else { panic!("{result:?}") };
    assert!(matches!(&left[..], [Condition::Of { selections, .. }] if *selections == [0]));

    start.conditions = vec![selection(1)];
    let error = pipeline.apply(&mut start, &mut State::default()).unwrap_err();
    assert_eq!(error.code, "pipeline-empties-rule");
}

#[test]
fn conditions_can_be_linked_and_negated() {
    let applies = |conditions: &str| {
        let text = format!(
            "transformations:\n- type: set_custom_attribute\n  attribute: done\n  value: 1\n{conditions}"
        );
        let result = apply(&pipeline(&text), rule(vec![vec![item("a", &["x", "null"])]]));
        !result.metadata.custom.is_empty()
    };
    let two = "  rule_conditions:\n  - {type: logsource, product: linux}\n  - {type: tag, tag: attack.execution}\n";
    assert!(applies(""));
    assert!(!applies(two));
    assert!(applies(&format!("{two}  rule_cond_op: or\n")));
    assert!(applies(&format!("{two}  rule_cond_not: true\n")));
    let named = "  rule_conditions:\n    l: {type: logsource, product: linux}\n    t: {type: contains_field, field: a}\n";
    assert!(applies(&format!("{named}  rule_cond_expr: t and not (l)\n")));
    assert!(!applies(&format!("{named}  rule_cond_expr: t and l\n")));
    let single = |test: &str| applies(&format!("  rule_conditions: [{{{test}}}]\n"));
    assert!(single("type: rule_attribute, attribute: level, value: medium, op: gte"));
    assert!(!single("type: rule_attribute, attribute: level, value: critical, op: gte"));
    assert!(single("type: rule_attribute, attribute: date, value: 2024-01-01, op: gt"));
    assert!(single("type: rule_attribute, attribute: tags, value: attack.execution, op: in"));
    assert!(single("type: contains_detection_item, field: a, value: x"));
    assert!(!single("type: contains_detection_item, field: a, value: y"));
    assert!(single("type: is_sigma_rule"));
    assert!(!single("type: is_sigma_correlation_rule"));
}

#[test]
fn state_passes_from_item_to_item_and_pipeline_to_pipeline() {
    let first = pipeline("transformations:\n- {type: set_state, key: index, val: 5}\n");
    let second = pipeline(
        "transformations:
- type: add_field
  field: [yes]
  rule_conditions: [{type: processing_state, key: index, val: 4, op: gt}]
- type: add_field
  field: no
  rule_conditions: [{type: processing_state, key: other, val: 4}]
",
    );
    let mut rule = rule(vec![vec![item("a", &["x"])]]);
    let mut state = State::default();
    first.apply(&mut rule, &mut state).unwrap();
    second.apply(&mut rule, &mut state).unwrap();
    assert_eq!(rule.metadata.fields, ["yes"]);
}

#[test]
fn items_remember_what_was_done_to_them() {
    let pipeline = pipeline(
        "transformations:
- {id: map, type: field_name_mapping, mapping: {a: b}}
- type: field_name_suffix
  suffix: '!'
  field_name_conditions: [{type: processing_item_applied, processing_item_id: map}]
- type: case
  method: upper
  detection_item_conditions: [{type: processing_item_applied, processing_item_id: map}]
",
    );
    assert_eq!(shown(&pipeline, vec![item("a", &["x"]), item("cc", &["y"])]), "b!=X & cc=y");
}

#[test]
fn hashes_go_to_fields_of_their_own() {
    let pipeline = one("type: hashes_fields, valid_hash_algos: [MD5, SHA1], field_prefix: File");
    assert_eq!(
        shown(&pipeline, vec![item("Hashes|contains", &["MD5=aa", "SHA1=bb", "MD5=cc"])]),
        "(FileMD5=aa,cc) / (FileSHA1=bb)"
    );
    assert_eq!(shown(&pipeline, vec![item("Other", &["MD5=aa"])]), "Other=MD5=aa");
}

#[test]
fn strict_mappings_refuse_unknown_fields() {
    let pipeline = pipeline(
        "transformations:\n- {type: field_name_mapping, mapping: {a: b}}\n- {type: strict_field_mapping_failure}\n",
    );
    assert_eq!(shown(&pipeline, vec![item("a", &["x"])]), "b=x");
    let mut rule = rule(vec![vec![item("a", &["x"]), item("c", &["x"])]]);
    let error = pipeline.apply(&mut rule, &mut State::default()).unwrap_err();
    assert_eq!(error.message, "fields without a mapping: `c`");
    assert_eq!(error.notes, ["refused by pipeline `p.yml`"]);
}

#[test]
fn nested_items_and_the_correlation() {
    let pipeline = pipeline(
        "name: n
priority: 20
transformations:
- type: nest
  rule_conditions: [{type: logsource, product: windows}]
  items:
  - {type: field_name_mapping, mapping: {User: user.name, Host: [h1, h2]}}
",
    );
    assert_eq!((pipeline.name.as_str(), pipeline.priority), ("n", 20));
    let text = "correlation: {type: event_count, rules: [a], group-by: [User, alias],
        aliases: {alias: {a: User}}, timespan: 1m, condition: {gte: 2}}";
    let mut correlation = crate::correlation::parse(
        &crate::read::tests::node(text),
        Metadata::default(),
        &mut Vec::new(),
    )
    .expect("a correlation");
    let windows = [LogSource::new(Some("windows"), None, None)];
    let mut untouched = correlation.clone();
    pipeline.apply_to_correlation(&mut untouched, &[], &mut State::default()).unwrap();
    assert_eq!(untouched.group_by, ["User", "alias"]);
    pipeline.apply_to_correlation(&mut correlation, &windows, &mut State::default()).unwrap();
    assert_eq!(correlation.group_by, ["user.name", "alias"]);
    assert_eq!(correlation.aliases[0].1[0].1, "user.name");
    correlation.group_by = vec!["Host".to_owned()];
    let error = pipeline.apply_to_correlation(&mut correlation, &windows, &mut State::default());
    assert_eq!(error.unwrap_err().code, "pipeline-too-many");
}

#[test]
fn mistakes_have_code_place_and_help() {
    let errors = |text: &str| {
        let (_, found) = Pipeline::parse("p.yml", text);
        assert!(found.iter().all(|finding| &*finding.source == "p.yml"));
        found
            .into_iter()
            .map(|finding| (finding.code, finding.help.unwrap_or_default()))
            .collect::<Vec<_>>()
    };
    let item = |text: &str| {
        let found = errors(&format!("transformations:\n- {{{text}}}\n"));
        assert_eq!(found.len(), 1, "{text}: {found:?}");
        found.into_iter().next().unwrap_or_default()
    };
    let (code, help) = item("type: field_name_maping, mapping: {a: b}");
    assert_eq!(code, "pipeline-unknown-transformation");
    assert_eq!(help, "did you mean `field_name_mapping`?");
    assert_eq!(item("type: query_expression_placeholders").0, "pipeline-unsupported");
    assert_eq!(item("type: field_name_mapping").0, "pipeline-syntax");
    assert_eq!(item("type: replace_string, regex: '(?=a)', replacement: b").0, "pipeline-regex");
    let (code, help) = item("type: case, rule_conditions: [{type: logsorce}]");
    assert_eq!((code, &*help), ("pipeline-unknown-condition", "did you mean `logsource`?"));
    assert_eq!(item("type: add_condition, conditions: {a|contians: b}").0, "unknown-modifier");
    let misspelt = |text: &str, key: &str| {
        let (code, help) = item(text);
        assert_eq!((code, help), ("pipeline-syntax", format!("did you mean `{key}`?")));
    };
    misspelt("type: case, rule_cond_opp: or", "rule_cond_op");
    misspelt("type: case, rule_conditon: [{type: tag, tag: a}]", "rule_conditions");
    misspelt("type: add_condition, conditions: {a: b}, negatd: true", "negated");
    misspelt("type: case, rule_conditions: [{type: logsource, prodcut: windows}]", "product");
    misspelt(
        "type: case, field_name_conditions: [{type: include_fields, fields: [a], mod: re}]",
        "mode",
    );
    assert_eq!(item("type: case, upper: true").1, "parameters of `case` are `method`");
    let (_, found) = Pipeline::parse("p.yml", "transfromations: []\nvars: {}\nauthor: x\n");
    let severities: Vec<_> = found.iter().map(|finding| finding.severity).collect();
    assert_eq!(severities, [crate::Severity::Error, crate::Severity::Warning]);
    assert_eq!(errors("")[0].0, "pipeline-syntax");
    assert_eq!(errors("a: [")[0].0, "yaml-syntax");
    assert_eq!(errors("transformatons: []").len(), 2);
    assert_eq!(errors("transformations: []\nfinalizers: []")[0].0, "pipeline-ignored");
    let deep =
        format!("transformations: {}[]{}", "[{type: nest, items: ".repeat(30), "}]".repeat(30));
    assert!(errors(&deep).iter().any(|(code, _)| *code == "pipeline-syntax"));
}

proptest::proptest! {
    #[test]
    fn no_text_panics(text in "(transformations|vars|type|mapping|nest|items|case|[:\\[\\]{}, \n-]){0,40}") {
        let (pipeline, _) = Pipeline::parse("p", &text);
        let _ = pipeline.apply(&mut rule(vec![vec![item("a", &["x"])]]), &mut State::default());
    }

    #[test]
    fn no_placeholder_panics(text in "[a%\\\\é*]{0,12}") {
        let pipeline = pipeline("vars: {a: [é, x]}\ntransformations: [{type: value_placeholders}]");
        let mut start = rule(vec![vec![item("a|expand", &[&format!("{text}z")])]]);
        let _ = pipeline.apply(&mut start, &mut State::default());
    }
}
