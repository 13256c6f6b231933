//! A pipeline file to [`Pipeline`].

use super::condition::{
    FieldCondition, FieldNames, Gate, ItemCondition, Link, Quantifier, Relation, RuleCondition,
    StateTest,
};
use super::transformation::{HashesFields, NAMES, PlaceholderNames, Transformation};
use super::{Pipeline, ProcessingItem, value};
use crate::correlation::temporal;
use crate::diagnostic::{Code, Diagnostic};
use crate::modifier::{self, Modifier};
use crate::read::{boolean, one_or_many, quoted_list};
use crate::rule::Item;
use crate::suggestion::{did_you_mean, nearest};
use crate::value::Scalar;
use crate::yaml::{self, Kind, Node};
use crate::{LogSource, Span};
use regex::Regex;
use std::sync::Arc;

const KEYS: [&str; 7] = [
    "name",
    "priority",
    "vars",
    "transformations",
    "postprocessing",
    "finalizers",
    "allowed_backends",
];

/// `nest` inside `nest`, and so on.
const MAX_NESTING: usize = 16;

type Result<T> = std::result::Result<T, Diagnostic>;

pub(super) fn pipeline(name: &str, text: &str) -> (Pipeline, Vec<Diagnostic>) {
    let stream = yaml::parse(text);
    let mut found = stream.diagnostics;
    let mut pipeline = Pipeline { name: name.to_owned(), ..Pipeline::default() };
    let mut documents = stream.documents.into_iter();
    match documents.next() {
        Some(document) => read(&document.root, &mut pipeline, &mut found),
        None if found.is_empty() => {
            let finding = Diagnostic::error("pipeline-syntax", Span::default(), "empty pipeline");
            found.push(finding.with_help("give it `transformations`"));
        }
        None => {}
    }
    if let Some(extra) = documents.next() {
        let message = "a pipeline file holds one document; the others are ignored";
        let finding = Diagnostic::warning("pipeline-syntax", extra.span, message);
        found.push(finding.with_help("put each pipeline into a file of its own"));
    }
    for finding in &mut found {
        finding.source = Arc::from(name);
    }
    (pipeline, found)
}

fn read(root: &Node, pipeline: &mut Pipeline, found: &mut Vec<Diagnostic>) {
    let Some(entries) = root.mapping() else {
        let message = format!("a pipeline must be a mapping, not {}", root.noun());
        found.push(syntax(root, message, "give it `name`, `priority` and `transformations`"));
        return;
    };
    for (key, value) in entries {
        match key.text().unwrap_or_default() {
            "name" => {
                if let Some(name) = value.non_null_text() {
                    name.clone_into(&mut pipeline.name);
                }
            }
            "priority" => match value.text().and_then(|text| text.parse().ok()) {
                Some(priority) => pipeline.priority = priority,
                None => {
                    let message = "`priority` must be a whole number";
                    found.push(syntax(value, message, "write e.g. `priority: 10`"));
                }
            },
            "vars" => match value.mapping() {
                Some(vars) => {
                    for (name, values) in vars {
                        let texts = texts(values);
                        if texts.is_none() {
                            let message = "a variable must be a text, a number or a list of them";
                            found.push(syntax(
                                values,
                                message,
                                "write e.g. `Servers: [SRV1, SRV2]`",
                            ));
                        }
                        let name = name.text().unwrap_or_default().to_owned();
                        pipeline.vars.push((name, texts.unwrap_or_default()));
                    }
                }
                None if value.is_null() => {}
                None => {
                    let message = format!("`vars` must be a mapping, not {}", value.noun());
                    found.push(syntax(value, message, "write e.g. `vars: {Servers: [SRV1]}`"));
                }
            },
            "transformations" => pipeline.items = processing_items(value, 0, found),
            name @ ("postprocessing" | "finalizers") => {
                let message = format!("`{name}` concerns query texts and is skipped");
                found.push(Diagnostic::note("pipeline-ignored", key.span, message));
            }
            "allowed_backends" => {}
            name => {
                let message = format!("unknown key `{name}` in a pipeline");
                let help = did_you_mean(name, KEYS, || format!("keys are {}", quoted_list(KEYS)));
                // What is near to a key is one that would be missing; others are remarks of people.
                let finding = match nearest(name, KEYS) {
                    Some(_) => Diagnostic::error("pipeline-syntax", key.span, message),
                    None => Diagnostic::warning("pipeline-syntax", key.span, message),
                };
                found.push(finding.with_help(help));
            }
        }
    }
    if root.get("transformations").is_none() && root.get("vars").is_none() {
        let message = "pipeline without `transformations`";
        found.push(
            Diagnostic::warning("pipeline-syntax", root.span, message)
                .with_help("list processing items under `transformations`"),
        );
    }
}

fn syntax(node: &Node, message: impl Into<String>, help: impl Into<String>) -> Diagnostic {
    Diagnostic::error("pipeline-syntax", node.span, message).with_help(help)
}

/// A text or a list of texts.
fn texts(node: &Node) -> Option<Vec<String>> {
    one_or_many(node).iter().map(|member| member.text().map(str::to_owned)).collect()
}

fn scalar(node: &Node) -> Option<Scalar> {
    match &node.kind {
        Kind::Scalar(text, style) => Some(Scalar::resolve(text.clone(), *style)),
        Kind::Sequence(_) | Kind::Mapping(_) => None,
    }
}

fn processing_items(node: &Node, depth: usize, found: &mut Vec<Diagnostic>) -> Vec<ProcessingItem> {
    if node.is_null() {
        return Vec::new();
    }
    let Some(members) = node.sequence() else {
        let message = format!("`transformations` must be a list, not {}", node.noun());
        found.push(syntax(node, message, "write e.g. `- type: field_name_mapping`"));
        return Vec::new();
    };
    let mut items = Vec::with_capacity(members.len());
    for member in members {
        match processing_item(member, depth, found) {
            Ok(item) => items.extend(item),
            Err(error) => found.push(error),
        }
    }
    items
}

fn processing_item(
    node: &Node,
    depth: usize,
    found: &mut Vec<Diagnostic>,
) -> Result<Option<ProcessingItem>> {
    if node.mapping().is_none() {
        let message = format!("a processing item must be a mapping, not {}", node.noun());
        return Err(syntax(node, message, "write e.g. `- type: field_name_mapping`"));
    }
    let Some(transformation) = transformation(node, depth, found)? else { return Ok(None) };
    check_keys(node, found);
    Ok(Some(ProcessingItem {
        id: node.get("id").and_then(Node::text).map(str::to_owned),
        transformation,
        rule: gate(node, "rule", &rule_condition)?,
        item: gate(node, "detection_item", &item_condition)?,
        field: gate(node, "field_name", &field_condition)?,
    }))
}

/// Keys of processing items, other than the parameters of their transformations.
const ITEM_KEYS: [&str; 15] = [
    "id",
    "type",
    "rule_conditions",
    "rule_cond_op",
    "rule_cond_not",
    "rule_cond_expr",
    "detection_item_conditions",
    "detection_item_cond_op",
    "detection_item_cond_not",
    "detection_item_cond_expr",
    "field_name_conditions",
    "field_name_cond_op",
    "field_name_cond_not",
    "field_name_cond_expr",
    "description",
];

/// The parameters of a transformation.
fn parameters(kind: &str) -> &'static [&'static str] {
    match kind {
        "field_name_mapping" | "field_name_prefix_mapping" | "map_string" => &["mapping"],
        "field_name_prefix" => &["prefix"],
        "field_name_suffix" => &["suffix"],
        "hashes_fields" => {
            &["valid_hash_algos", "field_prefix", "drop_algo_prefix", "field_to_parse"]
        }
        "value_placeholders" | "wildcard_placeholders" => &["include", "exclude"],
        "add_condition" => &["conditions", "name", "template", "negated"],
        "change_logsource" => &["category", "product", "service"],
        "add_field" | "remove_field" => &["field"],
        "set_field" => &["fields"],
        "replace_string" => &["regex", "replacement", "skip_special", "interpret_special"],
        "set_state" => &["key", "val"],
        "set_value" => &["value", "force_type"],
        "convert_type" => &["target_type"],
        "case" => &["method"],
        "set_custom_attribute" => &["attribute", "value"],
        "rule_failure" | "detection_item_failure" => &["message"],
        "nest" => &["items"],
        _ => &[],
    }
}

/// A key that is not known is misspelt, and what it was to say would be missing.
fn check_keys(node: &Node, found: &mut Vec<Diagnostic>) {
    let kind = node.get("type").and_then(Node::text).unwrap_or_default();
    let known = || ITEM_KEYS.iter().chain(parameters(kind)).copied();
    for (key, _) in node.mapping().unwrap_or_default() {
        let name = key.text().unwrap_or_default();
        if !known().any(|known| known == name) {
            let message = format!("unknown key `{name}` in an item of type `{kind}`");
            let help = did_you_mean(name, known(), || match parameters(kind) {
                [] => format!("`{kind}` has no parameters"),
                parameters => {
                    let parameters = quoted_list(parameters.iter().copied());
                    format!("parameters of `{kind}` are {parameters}")
                }
            });
            found.push(syntax(key, message, help));
        }
    }
}

/// Refuses a condition with other keys than these and its type.
fn only(node: &Node, kind: &str, keys: &[&str]) -> Result<()> {
    for (key, _) in node.mapping().unwrap_or_default() {
        let name = key.text().unwrap_or_default();
        if name != "type" && !keys.contains(&name) {
            let message = format!("unknown key `{name}` in a condition of type `{kind}`");
            let help = did_you_mean(name, keys.iter().copied(), || match keys {
                [] => format!("`{kind}` has no parameters"),
                keys => format!("parameters are {}", quoted_list(keys.iter().copied())),
            });
            return Err(syntax(key, message, help));
        }
    }
    Ok(())
}

/// The value of a required parameter.
fn required<'a>(node: &'a Node, key: &str, kind: &str) -> Result<&'a Node> {
    node.get(key).ok_or_else(|| {
        let place = node.get("type").unwrap_or(node);
        syntax(place, format!("`{kind}` needs `{key}`"), format!("add `{key}:` to this item"))
    })
}

fn required_text(node: &Node, key: &str, kind: &str) -> Result<String> {
    let value = required(node, key, kind)?;
    let text = value.text().map(str::to_owned);
    text.ok_or_else(|| syntax(value, format!("`{key}` must be a text"), "write one text"))
}

fn required_texts(node: &Node, key: &str, kind: &str) -> Result<Vec<String>> {
    let value = required(node, key, kind)?;
    texts(value).ok_or_else(|| {
        syntax(value, format!("`{key}` must be a text or a list of texts"), "write a list of texts")
    })
}

fn optional_text(node: &Node, key: &str) -> Option<String> {
    node.get(key).and_then(Node::non_null_text).map(str::to_owned)
}

fn flag(node: &Node, key: &str) -> Result<bool> {
    match node.get(key) {
        None => Ok(false),
        Some(value) => boolean(value).ok_or_else(|| {
            syntax(value, format!("`{key}` must be `true` or `false`"), "write `true` or `false`")
        }),
    }
}

/// `mapping: {from: to}` or `{from: [to, to]}`.
fn mapping(node: &Node, kind: &str) -> Result<Vec<(Option<String>, Vec<String>)>> {
    const HELP: &str = "write e.g. `mapping: {Image: [process.executable]}`";
    let value = required(node, "mapping", kind)?;
    let Some(entries) = value.mapping() else {
        return Err(syntax(
            value,
            format!("`mapping` must be a mapping, not {}", value.noun()),
            HELP,
        ));
    };
    let mut pairs = Vec::with_capacity(entries.len());
    for (from, to) in entries {
        let Some(targets) = texts(to) else {
            return Err(syntax(to, "expected a text or a list of texts", HELP));
        };
        pairs.push((from.non_null_text().map(str::to_owned), targets));
    }
    Ok(pairs)
}

fn named_mapping(node: &Node, kind: &str) -> Result<Vec<(String, Vec<String>)>> {
    let pairs = mapping(node, kind)?;
    Ok(pairs.into_iter().map(|(from, to)| (from.unwrap_or_default(), to)).collect())
}

fn compile(node: &Node, pattern: &str) -> Result<Regex> {
    regex::RegexBuilder::new(pattern).size_limit(1 << 20).build().map_err(|error| {
        let reason = error.to_string();
        let reason = reason.lines().last().unwrap_or_default().trim_start_matches("error: ");
        let message = format!("regular expression cannot be used: {reason}");
        Diagnostic::error("pipeline-regex", node.span, message)
            .with_help("look-around and back-references are not supported; rewrite without them")
    })
}

/// Anchored at the start, like Python's `re.match`.
fn compile_anchored(node: &Node, pattern: &str) -> Result<Regex> {
    compile(node, &format!(r"\A(?:{pattern})"))
}

fn log_source(node: &Node) -> LogSource {
    let part = |key: &str| node.get(key).and_then(Node::non_null_text);
    LogSource::new(part("product"), part("category"), part("service"))
}

fn transformation(
    node: &Node,
    depth: usize,
    found: &mut Vec<Diagnostic>,
) -> Result<Option<Transformation>> {
    let known = || NAMES.iter().filter(|(_, refused)| refused.is_none()).map(|(name, _)| *name);
    let Some((_, type_node)) = node.entry("type") else {
        let help = "write e.g. `type: field_name_mapping`";
        return Err(syntax(node, "processing item without `type`", help));
    };
    let kind = type_node.text().unwrap_or_default();
    match NAMES.iter().find(|(name, _)| *name == kind) {
        None => {
            let message = format!("unknown transformation `{kind}`");
            let help = did_you_mean(kind, NAMES.iter().map(|(name, _)| *name), || {
                format!("transformations are {}", quoted_list(known()))
            });
            return Err(Diagnostic::error(
                "pipeline-unknown-transformation",
                type_node.span,
                message,
            )
            .with_help(help));
        }
        Some((_, Some(_))) if kind == "regex" => {
            let message = "`regex` has no effect: matching ignores case already";
            found.push(
                Diagnostic::note("pipeline-ignored", type_node.span, message)
                    .with_help("remove this item"),
            );
            return Ok(None);
        }
        Some((_, Some(reason))) => {
            let message = format!("transformation `{kind}` is not supported: {reason}");
            let help = match kind {
                kind if kind.ends_with("_placeholders") => {
                    "use `value_placeholders` with `vars`, or `wildcard_placeholders`"
                }
                "field_name_transform" => "use `field_name_mapping`",
                _ => "remove this item, or make the change in the rules",
            };
            return Err(
                Diagnostic::error("pipeline-unsupported", type_node.span, message).with_help(help)
            );
        }
        Some((_, None)) => {}
    }
    Ok(Some(match kind {
        "field_name_mapping" => Transformation::FieldNameMapping(mapping(node, kind)?),
        "field_name_prefix_mapping" => {
            Transformation::FieldNamePrefixMapping(named_mapping(node, kind)?)
        }
        "field_name_prefix" => {
            Transformation::FieldNamePrefix(required_text(node, "prefix", kind)?)
        }
        "field_name_suffix" => {
            Transformation::FieldNameSuffix(required_text(node, "suffix", kind)?)
        }
        "drop_detection_item" => Transformation::DropDetectionItem,
        "hashes_fields" => Transformation::HashesFields(HashesFields {
            algorithms: required_texts(node, "valid_hash_algos", kind)?
                .into_iter()
                .map(|name| name.to_uppercase())
                .collect(),
            prefix: optional_text(node, "field_prefix").unwrap_or_default(),
            drop_algorithm: flag(node, "drop_algo_prefix")?,
            fields: match node.get("field_to_parse") {
                Some(_) => required_texts(node, "field_to_parse", kind)?,
                None => vec!["Hashes".to_owned(), "Hash".to_owned()],
            },
        }),
        "value_placeholders" => Transformation::ValuePlaceholders(placeholder_names(node, kind)?),
        "wildcard_placeholders" => {
            Transformation::WildcardPlaceholders(placeholder_names(node, kind)?)
        }
        "add_condition" => Transformation::AddCondition {
            items: added_items(required(node, "conditions", kind)?)?,
            template: flag(node, "template")?,
            negated: flag(node, "negated")?,
        },
        "change_logsource" => Transformation::ChangeLogSource(log_source(node)),
        "add_field" => Transformation::AddFields(required_texts(node, "field", kind)?),
        "remove_field" => Transformation::RemoveFields(required_texts(node, "field", kind)?),
        "set_field" => Transformation::SetFields(required_texts(node, "fields", kind)?),
        "replace_string" => {
            let pattern = required(node, "regex", kind)?;
            Transformation::ReplaceString {
                regex: compile(pattern, pattern.text().unwrap_or_default())?,
                replacement: value::replacement_template(&required_text(
                    node,
                    "replacement",
                    kind,
                )?),
            }
        }
        "map_string" => Transformation::MapString(named_mapping(node, kind)?),
        "set_state" => {
            let value = node.get("val").map_or(Some(Scalar::Null), scalar);
            let value = value.unwrap_or(Scalar::Null);
            Transformation::SetState(required_text(node, "key", kind)?, value)
        }
        "set_value" => {
            let given = required(node, "value", kind)?;
            let value = scalar(given).ok_or_else(|| {
                syntax(given, "`value` must be a single value", "write one value")
            })?;
            Transformation::SetValue(match (optional_text(node, "force_type").as_deref(), value) {
                (Some("str"), Scalar::Number(text)) => Scalar::Text(text),
                (Some("num"), Scalar::Text(text)) => {
                    Scalar::Number(crate::value::canonical_number(&text).ok_or_else(|| {
                        let message = format!("`{text}` is not a number");
                        syntax(given, message, "write a number, or remove `force_type`")
                    })?)
                }
                (_, value) => value,
            })
        }
        "convert_type" => Transformation::ConvertType {
            to_number: choice(node, "target_type", kind, ["str", "num"])? == "num",
        },
        "case" => Transformation::Case {
            upper: match node.get("method") {
                None => false,
                Some(_) => choice(node, "method", kind, ["lower", "upper"])? == "upper",
            },
        },
        "set_custom_attribute" => Transformation::SetCustomAttribute(
            required_text(node, "attribute", kind)?,
            required(node, "value", kind)?.text().unwrap_or_default().to_owned(),
        ),
        "rule_failure" => Transformation::RuleFailure(required_text(node, "message", kind)?),
        "detection_item_failure" => {
            Transformation::DetectionItemFailure(required_text(node, "message", kind)?)
        }
        "strict_field_mapping_failure" => Transformation::StrictFieldMappingFailure,
        "nest" => {
            if depth >= MAX_NESTING {
                let message = format!("`nest` is nested deeper than {MAX_NESTING} levels");
                return Err(syntax(type_node, message, "flatten the pipeline"));
            }
            Transformation::Nest(processing_items(required(node, "items", kind)?, depth + 1, found))
        }
        _ => return Ok(None),
    }))
}

/// A parameter that is one of two words.
fn choice(node: &Node, key: &str, kind: &str, words: [&'static str; 2]) -> Result<&'static str> {
    let value = required(node, key, kind)?;
    let found = value.text().and_then(|text| words.into_iter().find(|word| *word == text));
    found.ok_or_else(|| {
        let message = format!("`{key}` must be `{}` or `{}`", words[0], words[1]);
        syntax(value, message, format!("write `{key}: {}`", words[0]))
    })
}

fn placeholder_names(node: &Node, kind: &str) -> Result<PlaceholderNames> {
    match (node.get("include"), node.get("exclude")) {
        (Some(_), Some(exclude)) => {
            let message = "`include` and `exclude` exclude each other";
            Err(syntax(exclude, message, "remove one of them"))
        }
        (Some(_), None) => Ok(PlaceholderNames::Only(required_texts(node, "include", kind)?)),
        (None, Some(_)) => Ok(PlaceholderNames::Except(required_texts(node, "exclude", kind)?)),
        (None, None) => Ok(PlaceholderNames::All),
    }
}

/// `conditions: {field|modifier: value}` of `add_condition`.
fn added_items(node: &Node) -> Result<Vec<Item>> {
    const HELP: &str = "write e.g. `conditions: {EventID: 1}`";
    let Some(entries) = node.mapping().filter(|entries| !entries.is_empty()) else {
        return Err(syntax(node, "`conditions` must be a mapping of fields to values", HELP));
    };
    let mut items = Vec::with_capacity(entries.len());
    for (key, values) in entries {
        let parsed = modifier::key(key)?;
        let members = one_or_many(values);
        let scalars: Option<Vec<Scalar>> = members.iter().map(scalar).collect();
        let Some(scalars) = scalars.filter(|scalars| !scalars.is_empty()) else {
            return Err(syntax(values, "expected a value or a list of values", HELP));
        };
        items.push(Item {
            field: parsed.field,
            written_field: None,
            all: parsed.modifiers.contains(&Modifier::All),
            negated: parsed.modifiers.contains(&Modifier::Neq),
            modifiers: parsed.modifiers,
            values: scalars,
            matchers: Vec::new(),
            span: key.span,
            value_spans: members.iter().map(|member| member.span).collect(),
        });
    }
    Ok(items)
}

/// The conditions of one family: `rule_conditions`, `rule_cond_op` and so on.
fn gate<C>(node: &Node, family: &str, read: &dyn Fn(&Node) -> Result<C>) -> Result<Gate<C>> {
    let mut gate = Gate::default();
    let mut names: Vec<String> = Vec::new();
    if let Some(conditions) = node.get(&format!("{family}_conditions")) {
        match &conditions.kind {
            Kind::Sequence(members) => {
                for member in members {
                    gate.tests.push(read(member)?);
                }
            }
            Kind::Mapping(entries) => {
                for (name, member) in entries {
                    names.push(name.text().unwrap_or_default().to_owned());
                    gate.tests.push(read(member)?);
                }
            }
            Kind::Scalar(..) if conditions.is_null() => {}
            Kind::Scalar(..) => {
                let message = "conditions must be a list or a mapping";
                return Err(syntax(conditions, message, "write e.g. `- type: logsource`"));
            }
        }
    }
    gate.negated = flag(node, &format!("{family}_cond_not"))?;
    if let Some(operator) = node.get(&format!("{family}_cond_op")) {
        gate.link = match operator.text() {
            Some("and") => Link::All,
            Some("or") => Link::Any,
            _ => {
                let message = format!("`{family}_cond_op` must be `and` or `or`");
                return Err(syntax(operator, message, "write `and` or `or`"));
            }
        };
    }
    let Some(written) = node.get(&format!("{family}_cond_expr")).filter(|node| !node.is_null())
    else {
        return Ok(gate);
    };
    let text = written.text().unwrap_or_default();
    let expression = temporal::parse(text).map_err(|error| {
        let span = written.sub_span(error.span.start as usize, error.span.end as usize);
        let message = error.message.replace("rule name", "condition name");
        Diagnostic::error("pipeline-syntax", span, message)
            .with_help("link the names of conditions with `and`, `or`, `not` and parentheses")
    })?;
    let mut indices = Vec::with_capacity(expression.names.len());
    for (name, span) in &expression.names {
        let Some(index) = names.iter().position(|known| known == name) else {
            let span = written.sub_span(span.start as usize, span.end as usize);
            let help = did_you_mean(name, names.iter().map(String::as_str), || {
                format!("write `{family}_conditions` as a mapping of names to conditions")
            });
            let message = format!("no condition is called `{name}`");
            return Err(Diagnostic::error("pipeline-syntax", span, message).with_help(help));
        };
        indices.push(index);
    }
    gate.link = Link::Expression(expression.condition.map_rules(&|index| indices[index]));
    Ok(gate)
}

fn condition_type<'a>(node: &'a Node, known: &[&str]) -> Result<(&'a str, &'a Node)> {
    let Some(kind) = node.get("type") else {
        return Err(syntax(
            node,
            "condition without `type`",
            format!("types are {}", quoted_list(known.iter().copied())),
        ));
    };
    let name = kind.text().unwrap_or_default();
    if known.contains(&name) {
        return Ok((name, kind));
    }
    let help = did_you_mean(name, known.iter().copied(), || {
        format!("types are {}", quoted_list(known.iter().copied()))
    });
    Err(Diagnostic::error(UNKNOWN_CONDITION, kind.span, format!("unknown condition `{name}`"))
        .with_help(help))
}

const UNKNOWN_CONDITION: Code = "pipeline-unknown-condition";

fn relation(node: &Node) -> Result<Relation> {
    let Some(operator) = node.get("op") else { return Ok(Relation::Eq) };
    Ok(match operator.text().unwrap_or_default() {
        "eq" => Relation::Eq,
        "ne" => Relation::Ne,
        "gte" => Relation::Gte,
        "gt" => Relation::Gt,
        "lte" => Relation::Lte,
        "lt" => Relation::Lt,
        "in" => Relation::In,
        "not_in" => Relation::NotIn,
        name => {
            let names = ["eq", "ne", "gte", "gt", "lte", "lt", "in", "not_in"];
            let message = format!("unknown operator `{name}`");
            return Err(syntax(operator, message, format!("operators are {}", quoted_list(names))));
        }
    })
}

fn state_test(node: &Node, kind: &str) -> Result<StateTest> {
    let value = required(node, "val", kind)?;
    let value = scalar(value)
        .ok_or_else(|| syntax(value, "`val` must be a single value", "write one value"))?;
    Ok(StateTest { key: required_text(node, "key", kind)?, value, relation: relation(node)? })
}

fn rule_condition(node: &Node) -> Result<RuleCondition> {
    let (kind, _) = condition_type(
        node,
        &[
            "logsource",
            "contains_detection_item",
            "contains_field",
            "processing_item_applied",
            "processing_state",
            "is_sigma_rule",
            "is_sigma_correlation_rule",
            "rule_attribute",
            "tag",
        ],
    )?;
    let keys: &[&str] = match kind {
        "logsource" => &["product", "category", "service"],
        "contains_detection_item" => &["field", "value"],
        "contains_field" => &["field"],
        "processing_item_applied" => &["processing_item_id"],
        "processing_state" => &["key", "val", "op"],
        "rule_attribute" => &["attribute", "value", "op"],
        "tag" => &["tag"],
        _ => &[],
    };
    only(node, kind, keys)?;
    Ok(match kind {
        "logsource" => RuleCondition::LogSource(log_source(node)),
        "contains_detection_item" => {
            let value = required(node, "value", kind)?;
            RuleCondition::ContainsItem {
                field: optional_text(node, "field"),
                value: scalar(value).ok_or_else(|| {
                    syntax(value, "`value` must be a single value", "write one value")
                })?,
            }
        }
        "contains_field" => RuleCondition::ContainsField(optional_text(node, "field")),
        "processing_item_applied" => {
            RuleCondition::ProcessingItemApplied(required_text(node, "processing_item_id", kind)?)
        }
        "processing_state" => RuleCondition::State(state_test(node, kind)?),
        "is_sigma_rule" => RuleCondition::IsRule,
        "is_sigma_correlation_rule" => RuleCondition::IsCorrelation,
        "rule_attribute" => RuleCondition::Attribute {
            name: required_text(node, "attribute", kind)?,
            value: required_text(node, "value", kind)?,
            relation: relation(node)?,
        },
        _ => RuleCondition::Tag(required_text(node, "tag", kind)?),
    })
}

fn quantifier(node: &Node) -> Result<Quantifier> {
    match node.get("cond").and_then(Node::text) {
        None | Some("any") => Ok(Quantifier::Any),
        Some("all") => Ok(Quantifier::All),
        Some(_) => {
            let message = "`cond` must be `any` or `all`";
            Err(syntax(node.get("cond").unwrap_or(node), message, "write `any` or `all`"))
        }
    }
}

fn item_condition(node: &Node) -> Result<ItemCondition> {
    let (kind, _) = condition_type(
        node,
        &[
            "match_string",
            "match_value",
            "contains_wildcard",
            "is_null",
            "processing_item_applied",
            "processing_state",
        ],
    )?;
    let keys: &[&str] = match kind {
        "match_string" => &["pattern", "cond", "negate"],
        "match_value" => &["value", "cond"],
        "processing_item_applied" => &["processing_item_id"],
        "processing_state" => &["key", "val", "op"],
        _ => &["cond"],
    };
    only(node, kind, keys)?;
    Ok(match kind {
        "match_string" => {
            let pattern = required(node, "pattern", kind)?;
            ItemCondition::MatchString {
                regex: compile_anchored(pattern, pattern.text().unwrap_or_default())?,
                negated: flag(node, "negate")?,
                quantifier: quantifier(node)?,
            }
        }
        "match_value" => {
            let value = required(node, "value", kind)?;
            let value = scalar(value).ok_or_else(|| {
                syntax(value, "`value` must be a single value", "write one value")
            })?;
            ItemCondition::MatchValue(value, quantifier(node)?)
        }
        "contains_wildcard" => ItemCondition::ContainsWildcard(quantifier(node)?),
        "is_null" => ItemCondition::IsNull(quantifier(node)?),
        "processing_item_applied" => {
            ItemCondition::ProcessingItemApplied(required_text(node, "processing_item_id", kind)?)
        }
        _ => ItemCondition::State(state_test(node, kind)?),
    })
}

fn field_condition(node: &Node) -> Result<FieldCondition> {
    let (kind, _) = condition_type(
        node,
        &["include_fields", "exclude_fields", "processing_item_applied", "processing_state"],
    )?;
    let keys: &[&str] = match kind {
        "processing_item_applied" => &["processing_item_id"],
        "processing_state" => &["key", "val", "op"],
        _ => &["fields", "mode"],
    };
    only(node, kind, keys)?;
    let names = || -> Result<FieldNames> {
        let fields = required_texts(node, "fields", kind)?;
        // pySigma's older name of the parameter is `type`, which the condition itself uses.
        Ok(match node.get("mode").and_then(Node::text) {
            None | Some("plain") => FieldNames::Plain(fields),
            Some("re") => FieldNames::Regexes(
                fields
                    .iter()
                    .map(|field| compile_anchored(node.get("fields").unwrap_or(node), field))
                    .collect::<Result<_>>()?,
            ),
            Some(_) => {
                let message = "`mode` must be `plain` or `re`";
                return Err(syntax(node.get("mode").unwrap_or(node), message, "write `mode: re`"));
            }
        })
    };
    Ok(match kind {
        "include_fields" => FieldCondition::Include(names()?),
        "exclude_fields" => FieldCondition::Exclude(names()?),
        "processing_item_applied" => {
            FieldCondition::ProcessingItemApplied(required_text(node, "processing_item_id", kind)?)
        }
        _ => FieldCondition::State(state_test(node, kind)?),
    })
}
