//! Field mappings of Confluent Sigma (`field.mapping.file`): `fieldmappings` with names of event fields, as processing pipelines.
//!
//! A value is a name, `$.a.b` for a field within others, or a list of which each is tried. Its program takes the first of a list only.

use serde_json::{Map, Value, json};

/// The text of a pipeline that does what a mapping file says; `None` if the file is none.
#[must_use]
pub fn as_pipeline(text: &str) -> Option<String> {
    let Ok(Value::Object(file)) = serde_yaml::from_str::<Value>(text) else { return None };
    if file.contains_key("transformations") {
        return None;
    }
    let Some(Value::Object(mappings)) = file.get("fieldmappings") else { return None };
    let mut mapping = Map::new();
    for (field, names) in mappings {
        let names = match names {
            Value::Array(names) => Value::Array(names.iter().map(name).collect()),
            name => self::name(name),
        };
        mapping.insert(field.clone(), names);
    }
    // JSON is YAML. What is no name in it is reported by who reads the pipeline.
    let transformation =
        json!({"id": "fieldmappings", "type": "field_name_mapping", "mapping": mapping});
    Some(
        json!({"name": "fieldmappings", "priority": 10, "transformations": [transformation]})
            .to_string(),
    )
}

/// A path as engines know it.
fn name(value: &Value) -> Value {
    match value {
        Value::String(name) => Value::from(name.strip_prefix("$.").unwrap_or(name)),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sigmund_sigma::pipeline::Pipeline;
    use sigmund_sigma::{Item, Loader, Search, Source};

    fn fields(search: &Search, found: &mut Vec<String>) {
        match search {
            Search::All(items) => found.extend(
                items.iter().filter_map(|Item { field, .. }| Some(field.as_ref()?.to_string())),
            ),
            Search::Any(members) => members.iter().for_each(|member| fields(member, found)),
        }
    }

    #[test]
    fn mappings_become_pipelines() {
        let text = "title: Zeek\nfieldmappings:\n  src_ip: id.orig_h\n  EventID: $.Event.System.EventID\n  query: [query, '$.dns.query']\n";
        let pipeline = as_pipeline(text).expect("a mapping");
        let (pipeline, found) = Pipeline::parse("m.yml", &pipeline);
        assert_eq!(found, []);
        let loader = Loader { placeholders: Vec::new(), pipelines: vec![pipeline] };
        let rule = "title: T\nlogsource: {category: c}\ndetection:\n  s: {src_ip: 1, EventID: 2, query: 3, other: 4}\n  condition: s\n";
        let source = Source { name: "r.yml".into(), text: rule.into() };
        let rules = loader.load(&[source]).rules;
        let mut names = Vec::new();
        rules[0].selections.iter().for_each(|selection| fields(&selection.search, &mut names));
        rules[0].added.iter().for_each(|search| fields(search, &mut names));
        for name in ["id.orig_h", "Event.System.EventID", "query", "dns.query", "other"] {
            assert!(names.iter().any(|have| have == name), "{name}: {names:?}");
        }
        assert!(!names.iter().any(|name| name == "src_ip"), "{names:?}");
    }

    #[test]
    fn other_files_are_none() {
        assert_eq!(as_pipeline("transformations: []\nfieldmappings: {a: b}\n"), None);
        assert_eq!(as_pipeline("logsources: {}\n"), None);
        assert_eq!(as_pipeline("- a\n"), None);
    }
}
