//! `docs/configuration.md`, made of the doc comments of the types.

use super::{EXAMPLE, shape};
use serde_json::Value;
use std::fmt::Write as _;

const INTRODUCTION: &str = include_str!("introduction.txt");

/// The documentation of all keys.
#[must_use]
pub fn markdown() -> String {
    let schema = shape::schema();
    let example = format!("```yaml sigmund.yaml\n{EXAMPLE}```\n");
    let mut text = INTRODUCTION.replace("EXAMPLE\n", &example);
    section(&schema, &schema, "", &mut text);
    text
}

/// One mapping: its keys, and below them those that are mappings themselves.
fn section(root: &Value, schema: &Value, key: &str, out: &mut String) {
    let Some(keys) = schema["properties"].as_object() else { return };
    let mut below = Vec::new();
    for (name, member) in keys {
        let path = if key.is_empty() { name.clone() } else { format!("{key}.{name}") };
        let (kind, inner) = kind(root, member);
        let default = member.get("default").or_else(|| {
            let values = schema.get("default")?;
            values.get(name)
        });
        // Writing to a string does not fail.
        let _ = write!(out, "\n### `{path}`\n\n{kind}");
        match default {
            Some(Value::Null) | None => {}
            Some(value) if value.is_object() => {}
            Some(Value::Array(members)) if members.is_empty() => {}
            // No file and no topic is called so.
            Some(Value::String(text)) if text.is_empty() => out.push_str(" · required"),
            Some(Value::String(text)) => {
                let _ = write!(out, " · default `{text}`");
            }
            Some(value) => {
                let _ = write!(out, " · default `{value}`");
            }
        }
        let _ = writeln!(out, "\n\n{}", description(member));
        if let Some(words) = words(root, member) {
            out.push('\n');
            for (word, meaning) in words {
                let _ = writeln!(out, "- `{word}`: {meaning}");
            }
        }
        if let Some(inner) = inner {
            below.push((path, kind.starts_with("list"), inner));
        }
        // Right below what it belongs to.
        if let Some((path, is_list, inner)) = below.pop() {
            section(root, inner, &if is_list { format!("{path}[]") } else { path }, out);
        }
    }
}

fn description(schema: &Value) -> &str {
    schema["description"].as_str().unwrap_or_default()
}

/// Behind references and "or null".
fn resolved<'a>(root: &'a Value, mut schema: &'a Value) -> &'a Value {
    loop {
        if let Some(reference) = schema["$ref"].as_str() {
            schema = root.pointer(reference.trim_start_matches('#')).unwrap_or(&Value::Null);
        } else if let Some(choices) = schema["anyOf"].as_array() {
            schema = choices.iter().find(|one| one["type"] != "null").unwrap_or(&Value::Null);
        } else {
            return schema;
        }
    }
}

/// What a value is, and the mapping it is or is a list of.
fn kind<'a>(root: &'a Value, schema: &'a Value) -> (String, Option<&'a Value>) {
    let schema = resolved(root, schema);
    if schema.get("oneOf").is_some() || schema.get("enum").is_some() {
        return ("one of the words below".to_owned(), None);
    }
    match schema["format"].as_str() {
        Some(shape::SPAN) => return ("length of time".to_owned(), None),
        Some(shape::SIZE) => return ("size".to_owned(), None),
        _ => {}
    }
    let kind = match &schema["type"] {
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).find(|kind| *kind != "null"),
        kind => kind.as_str(),
    };
    match kind {
        Some("object") if schema.get("properties").is_some() => {
            ("mapping".to_owned(), Some(schema))
        }
        Some("object") => {
            let (values, _) = self::kind(root, &schema["additionalProperties"]);
            (format!("mapping of names to {values}"), None)
        }
        Some("array") => {
            let (members, inner) = self::kind(root, &schema["items"]);
            (format!("list of {members}"), inner)
        }
        Some("integer") => ("whole number".to_owned(), None),
        Some("boolean") => ("`true` or `false`".to_owned(), None),
        _ => ("text".to_owned(), None),
    }
}

/// The words that a value may be, with what they mean.
fn words<'a>(root: &'a Value, schema: &'a Value) -> Option<Vec<(&'a str, &'a str)>> {
    let choices = resolved(root, schema)["oneOf"].as_array()?;
    Some(
        choices.iter().filter_map(|one| Some((one["const"].as_str()?, description(one)))).collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Layers};

    #[test]
    fn every_key_has_a_description() {
        let text = markdown();
        for key in ["kafka.bootstrap_servers", "sources[].topics", "correlation.partitions"] {
            assert!(text.contains(&format!("### `{key}`\n")), "{key}");
        }
        for part in text.split("\n### ").skip(1) {
            let lines: Vec<&str> = part.lines().collect();
            assert!(lines.get(4).is_some_and(|line| line.len() > 10), "{part}");
        }
        assert!(text.contains("- `exactly_once`: "), "{text}");
    }

    #[test]
    fn the_example_is_one() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/config/example.yaml");
        let loaded = Config::load(&Layers::none().with_file(path)).expect("the example");
        assert!(!loaded.config.sources.is_empty());
    }
}
