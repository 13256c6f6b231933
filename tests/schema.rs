//! What `hunt` writes is what `docs/detection.schema.json` says.

use crate::command::{root, run};
use serde_json::Value;

#[test]
fn detections_follow_the_schema() {
    let ran = run(&["hunt", "fixtures", "-q", "-f", "jsonl"]);
    assert!(ran.stdout.lines().count() >= 20, "{}", ran.stderr);
    let mut alerts = 0;
    for line in ran.stdout.lines() {
        let value: Value = serde_json::from_str(line).expect("JSON");
        let problems = problems(&value);
        assert!(problems.is_empty(), "{problems:?} in {line}");
        alerts += usize::from(value.get("correlation").is_some());
    }
    assert!(alerts >= 20, "{alerts} alerts of correlations");
}

/// What of a detection is not as the schema says.
pub(crate) fn problems(detection: &Value) -> Vec<String> {
    let text =
        std::fs::read_to_string(root().join("docs/detection.schema.json")).expect("a schema");
    let schema: Value = serde_json::from_str(&text).expect("JSON");
    let mut problems = Vec::new();
    check(&schema, &schema, detection, "", &mut problems);
    problems
}

#[test]
fn the_checker_sees_mistakes() {
    let schema = serde_json::json!({
        "type": "object", "required": ["a"], "additionalProperties": false,
        "properties": {
            "a": {"type": ["integer", "null"], "minimum": 1}, "b": {"enum": ["x"]},
            "d": {"type": "object", "additionalProperties": {"type": "number"}},
            "e": {"type": "array", "items": {"$ref": "#/properties/a"}},
            "f": {"anyOf": [{"oneOf": [{"const": "y"}]}, {"type": "string", "pattern": "^[0-9]+$"}]}
        }
    });
    for (value, count) in [
        (serde_json::json!({"a": 1, "b": "x"}), 0),
        (serde_json::json!({"a": null}), 0),
        (serde_json::json!({"a": 0, "b": "y"}), 2),
        (serde_json::json!({"c": 0}), 2),
        (serde_json::json!({"a": "1"}), 1),
        (serde_json::json!([]), 1),
        (serde_json::json!({"a": 1, "d": {"x": 1.5, "y": 2}}), 0),
        (serde_json::json!({"a": 1, "d": {"x": "1.5"}}), 1),
        (serde_json::json!({"a": 1, "e": [1, null, 0, 1.5]}), 2),
        (serde_json::json!({"a": 1, "f": "y"}), 0),
        (serde_json::json!({"a": 1, "f": "12"}), 0),
        (serde_json::json!({"a": 1, "f": "z"}), 1),
        (serde_json::json!({"a": 1, "f": 12}), 1),
    ] {
        let mut problems = Vec::new();
        check(&schema, &schema, &value, "", &mut problems);
        assert_eq!(problems.len(), count, "{value}: {problems:?}");
    }
}

/// The part of JSON Schema that our schemas use. `$ref` is looked up in `root`.
pub(crate) fn check(
    root: &Value,
    schema: &Value,
    value: &Value,
    at: &str,
    problems: &mut Vec<String>,
) {
    if let Some(reference) = schema["$ref"].as_str() {
        let pointer = reference.strip_prefix('#').expect("a place in the schema itself");
        let schema = root.pointer(pointer).unwrap_or_else(|| panic!("`{reference}` is not there"));
        return check(root, schema, value, at, problems);
    }
    let types: Vec<&str> = match &schema["type"] {
        Value::String(one) => vec![one],
        Value::Array(many) => many.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let is = |name: &str| match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        other => panic!("the checker does not know the type {other}"),
    };
    if !types.is_empty() && !types.iter().any(|name| is(name)) {
        problems.push(format!("{at}: not {types:?}"));
        return;
    }
    if let Some(allowed) = schema["enum"].as_array()
        && !allowed.contains(value)
    {
        problems.push(format!("{at}: {value} is not one of {allowed:?}"));
    }
    for choices in ["anyOf", "oneOf"] {
        let Some(choices) = schema[choices].as_array() else { continue };
        let fits = |choice: &Value| {
            let mut problems = Vec::new();
            check(root, choice, value, at, &mut problems);
            problems.is_empty()
        };
        if !choices.iter().any(fits) {
            problems.push(format!("{at}: {value} is none of {choices:?}"));
        }
    }
    if schema.get("const").is_some_and(|only| only != value) {
        problems.push(format!("{at}: {value} is not {}", schema["const"]));
    }
    if let (Some(pattern), Some(text)) = (schema["pattern"].as_str(), value.as_str())
        && !regex::Regex::new(pattern).expect("a pattern").is_match(text)
    {
        problems.push(format!("{at}: {text} is not like {pattern}"));
    }
    if let (Some(least), Some(number)) = (schema["minimum"].as_i64(), value.as_i64())
        && number < least
    {
        problems.push(format!("{at}: {number} is less than {least}"));
    }
    if let Some(object) = value.as_object() {
        for name in schema["required"].as_array().into_iter().flatten() {
            if !object.contains_key(name.as_str().unwrap_or_default()) {
                problems.push(format!("{at}: {name} is missing"));
            }
        }
        for (name, member) in object {
            match schema["properties"].get(name) {
                Some(schema) => check(root, schema, member, &format!("{at}/{name}"), problems),
                None => match &schema["additionalProperties"] {
                    Value::Bool(false) => problems.push(format!("{at}: {name} is unknown")),
                    others => check(root, others, member, &format!("{at}/{name}"), problems),
                },
            }
        }
    }
    for (index, member) in value.as_array().into_iter().flatten().enumerate() {
        check(root, &schema["items"], member, &format!("{at}/{index}"), problems);
    }
}
