//! The configuration that counts, with who said what.

use super::Config;
use super::load::Loaded;
use super::problem::Origin;
use super::secret::HIDDEN;
use super::tree::below;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// A configuration as JSON, without secrets and with the names of topics that follow from others.
pub(super) fn value(config: &Config) -> Value {
    let mut full = config.clone();
    if config.hidden.contains("application") {
        // Names that follow from it have it in them.
        HIDDEN.clone_into(&mut full.application);
    }
    let config = &full.clone();
    full.dead_letters = Some(config.dead_letters());
    full.detections.topic = Some(config.detections());
    full.detections.key.get_or_insert_with(|| "{rule.id}".to_owned());
    full.correlation.sightings = Some(config.sightings());
    full.correlation.state = Some(config.state());
    full.correlation.late = Some(config.late());
    full.rules.status_topic = Some(config.rules_status());
    // Serializing plain data into memory does not fail.
    let mut value = serde_json::to_value(&full).unwrap_or_default();
    hide(&mut value, "", config);
    value
}

fn hide(value: &mut Value, key: &str, config: &Config) {
    match value {
        Value::Object(values) => {
            for (name, value) in values {
                hide(value, &below(key, name), config);
            }
        }
        Value::Array(members) => {
            for (index, member) in members.iter_mut().enumerate() {
                hide(member, &format!("{key}[{index}]"), config);
            }
        }
        _ if config.hidden.contains(key) => *value = HIDDEN.into(),
        _ => {}
    }
}

impl Loaded {
    /// As YAML that can be read again, each value with its origin as a comment.
    #[must_use]
    pub fn yaml(&self) -> String {
        let mut lines = Vec::new();
        if let Value::Object(values) = value(&self.config) {
            mapping(&values, "", 0, &self.origins, &mut lines);
        }
        let widths =
            lines.iter().filter(|line| line.origin.is_some()).map(|line| line.text.chars().count());
        // Long values do not push the comments of all others away.
        let width = widths.filter(|width| *width <= 60).max().unwrap_or(0);
        let mut text = String::new();
        for line in &lines {
            match &line.origin {
                Some(origin) => {
                    let pad = width.saturating_sub(line.text.chars().count());
                    // Writing to a string does not fail.
                    let _ = writeln!(text, "{}{:pad$}  # {origin}", line.text, "");
                }
                None => {
                    let _ = writeln!(text, "{}", line.text);
                }
            }
        }
        text
    }

    /// As JSON: `config`, and under `origins` those of all keys that somebody set.
    #[must_use]
    pub fn json(&self) -> Value {
        let is_leaf = |key: &str| {
            !self.origins.keys().any(|other| {
                other.strip_prefix(key).is_some_and(|rest| rest.starts_with(['.', '[']))
            })
        };
        let origins: Map<String, Value> = self
            .origins
            .iter()
            .filter(|(key, origin)| **origin != Origin::Default && is_leaf(key))
            .map(|(key, origin)| (key.clone(), origin.to_string().into()))
            .collect();
        serde_json::json!({"config": value(&self.config), "origins": origins})
    }
}

struct Line {
    text: String,
    origin: Option<String>,
}

type Origins = BTreeMap<String, Origin>;

fn mapping(
    values: &Map<String, Value>,
    key: &str,
    depth: usize,
    origins: &Origins,
    lines: &mut Vec<Line>,
) {
    for (name, value) in values {
        let path = below(key, name);
        let name = format!("{}{}:", "  ".repeat(depth), scalar(&Value::from(name.as_str())));
        entry(name, value, &path, depth, origins, lines);
    }
}

fn entry(
    name: String,
    value: &Value,
    path: &str,
    depth: usize,
    origins: &Origins,
    lines: &mut Vec<Line>,
) {
    match value {
        Value::Object(values) if !values.is_empty() => {
            lines.push(Line { text: name, origin: None });
            mapping(values, path, depth + 1, origins, lines);
        }
        Value::Array(members) if members.iter().any(Value::is_object) => {
            lines.push(Line { text: name, origin: None });
            for (index, member) in members.iter().enumerate() {
                let first = lines.len();
                if let Value::Object(values) = member {
                    mapping(values, &format!("{path}[{index}]"), depth + 2, origins, lines);
                }
                if let Some(line) = lines.get_mut(first) {
                    // The dash stands where two blanks of the first line were.
                    let at = 2 * (depth + 1);
                    line.text.replace_range(at..at + 2, "- ");
                }
            }
        }
        _ => lines.push(Line {
            text: format!("{name} {}", scalar(value)),
            origin: Some(origins.get(path).unwrap_or(&Origin::Default).to_string()),
        }),
    }
}

/// A value on one line.
fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) => {
            let is_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | ':');
            // Addresses begin with digits and are no numbers.
            let begins = |c: char| c.is_alphabetic() || c == '/';
            let begins_so = text.starts_with(begins) || text.matches('.').count() > 1;
            let looks_like_a_word = begins_so
                && text.chars().all(is_word)
                && !text.ends_with(':')
                && !matches!(
                    text.to_lowercase().as_str(),
                    "true" | "false" | "null" | "yes" | "no" | "on" | "off" | "y" | "n"
                );
            // Lengths of time are as plain as people write them.
            let is_span = text.parse::<super::Span>().is_ok();
            // JSON's strings are YAML's.
            if looks_like_a_word || is_span { text.clone() } else { value.to_string() }
        }
        Value::Array(members) => {
            let members: Vec<String> = members.iter().map(scalar).collect();
            format!("[{}]", members.join(", "))
        }
        Value::Object(_) => "{}".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Layers, shape};

    /// Secrets are known by their keys, so members must not move.
    #[test]
    fn secrets_are_hidden_wherever_they_are_in_a_list() {
        let folder = tempfile::tempdir().expect("a folder");
        let secret = folder.path().join("secret");
        std::fs::write(&secret, "s3cr3t").expect("a file");
        let secret = format!("${{file:{}}}", secret.display());
        for value in [
            format!("[{{topics: [null, '${{env:NO_SUCH_VARIABLE}}', '{secret}']}}]"),
            format!("[null, {{topics: ['{secret}']}}]"),
            format!("[text, {{topics: [x, '{secret}']}}]"),
        ] {
            let mut layers = Layers::none();
            layers.set("sources", &value);
            let (loaded, _) = Config::read(&layers);
            let shown = loaded.expect("a configuration").yaml();
            assert!(shown.contains("[hidden]") && !shown.contains("s3cr3t"), "{value}: {shown}");
        }
        let layers = Layers::none().with_variable("SIGMUND_SOURCES__3__TOPICS", secret);
        let (loaded, problems) = Config::read(&layers);
        assert!(problems.to_string().contains("sources[3]: member 3 is beyond"), "{problems}");
        assert!(!loaded.expect("a configuration").yaml().contains("s3cr3t"));
    }

    #[test]
    fn what_follows_from_a_hidden_value_does_not_tell_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let secret = folder.path().join("secret");
        std::fs::write(&secret, "s3cr3t").expect("a file");
        let secret = format!("${{file:{}}}", secret.display());
        let mut layers = Layers::none();
        layers.set("application", &format!("'{secret}'"));
        layers.set("detections.topic", &format!("'a.{{{secret}}}'"));
        let (loaded, problems) = Config::read(&layers);
        let loaded = loaded.expect("a configuration");
        let shown = format!("{}{}{problems}", loaded.yaml(), loaded.json());
        assert!(!shown.contains("s3cr3t"), "{shown}");
        assert!(shown.contains("\"[hidden].dead-letters\""), "{shown}");
        assert!(shown.contains("unknown placeholder `[hidden]`"), "{shown}");
    }

    #[test]
    fn what_is_shown_can_be_read() {
        let mut layers = Layers::none()
            .with_variable("SIGMUND_KAFKA__BOOTSTRAP_SERVERS", "a:9092,b:9092")
            .with_variable("SIGMUND_KAFKA__PROPERTIES__SASL_PASSWORD", "s3cr3t")
            .with_variable("SIGMUND_HTTP__TOKEN", "s3cr3t s3cr3t s3cr3t");
        layers.set("sources", "[{topics: [a, 'x-1']}, {pattern: 'b\\..*', format: json}]");
        layers.set("sources.1.assume_zone", "+02:00");
        layers.set("detections.key", "${env:PATH}");
        layers.set("lanes", "3");
        let loaded = Config::load(&layers).expect("a configuration");
        let shown = loaded.yaml();
        assert!(shown.contains("bootstrap_servers: [a:9092, b:9092]"), "{shown}");
        assert!(shown.contains("# environment SIGMUND_KAFKA__BOOTSTRAP_SERVERS"), "{shown}");
        assert!(shown.contains("lanes: 3 "), "{shown}");
        assert!(shown.contains("key: \"[hidden]\""), "{shown}");
        let again = crate::config::tree::read(
            &shown,
            &crate::config::tree::Place::Whole(Origin::Default),
            &mut crate::config::Problems::default(),
        );
        let schema = shape::schema();
        let mut problems = crate::config::Problems::default();
        let read = shape::Shape::new(&schema).read(&mut again.expect("YAML"), "", &mut problems);
        assert!(problems.is_empty(), "{problems}");
        let read: Config = serde_json::from_value(read.expect("a value")).expect("a config");
        assert_eq!(read.sources, loaded.config.sources);
        assert_eq!(read.correlation.max_lateness, loaded.config.correlation.max_lateness);
        let everywhere = format!("{shown}{}{:?}", loaded.json(), loaded);
        assert!(!everywhere.contains("s3cr3t"), "{everywhere}");
        let path = std::env::var("PATH").expect("a path");
        assert!(!everywhere.contains(&path), "{everywhere}");
    }
}
