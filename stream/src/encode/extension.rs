//! The `kafka:` section that rules of Confluent Sigma have: where detections of the rule go, and what is added to them.

use serde_json::{Map, Value};
use sigmund_sigma::rule::Metadata;

/// What a rule asks for beyond Sigma.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Extension {
    /// The topic of its detections (`outputTopic`).
    pub output_topic: Option<String>,
    /// What its detections have too (`customFields`), as a JSON object.
    pub custom_fields: Option<Box<str>>,
    /// What in the section does not count, and why.
    pub problems: Vec<String>,
}

/// More bytes of fields are not added to detections.
const MAX_FIELDS: usize = 10_000;

impl Extension {
    /// Of a rule.
    #[must_use]
    pub fn of(metadata: &Metadata) -> Self {
        let mut extension = Self::default();
        let section = metadata.custom.iter().find(|(key, _)| key == "kafka");
        let Some((_, text)) = section.filter(|(_, text)| !text.trim().is_empty()) else {
            return extension;
        };
        match serde_yaml::from_str::<Value>(text) {
            Ok(Value::Null) => {}
            Ok(Value::Object(section)) => extension.read(section),
            Ok(_) => extension.problems.push("`kafka` is not a mapping".to_owned()),
            Err(error) => extension.problems.push(format!("`kafka` cannot be read: {error}")),
        }
        extension
    }

    fn read(&mut self, section: Map<String, Value>) {
        for (key, value) in section {
            match (&*key, value) {
                (_, Value::Null) => {}
                ("outputTopic", Value::String(topic)) => {
                    match crate::config::topic_mistake(&topic) {
                        None => self.output_topic = Some(topic),
                        Some(mistake) => self.problems.push(format!("`outputTopic`: {mistake}")),
                    }
                }
                ("customFields", fields @ Value::Object(_)) => {
                    let fields = fields.to_string();
                    if fields.len() > MAX_FIELDS {
                        let problem = format!(
                            "`customFields` has {} bytes of at most {MAX_FIELDS}",
                            fields.len()
                        );
                        self.problems.push(problem);
                    } else {
                        self.custom_fields = Some(fields.into());
                    }
                }
                ("outputTopic", _) => {
                    self.problems.push("`outputTopic` is not a text".to_owned());
                }
                ("customFields", _) => {
                    self.problems.push("`customFields` is not a mapping".to_owned());
                }
                // Nobody has ever read `inputTopic` either; lint tells of all of them.
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sigmund_sigma::{Loader, Source};

    fn of(section: &str) -> Extension {
        let text = format!(
            "title: T\nlogsource:\n  category: c\ndetection:\n  s:\n    f: 1\n  condition: s\n{section}"
        );
        let source = Source { name: "r.yml".into(), text: text.into() };
        let rules = Loader::default().load(&[source]).rules;
        Extension::of(&rules[0].metadata)
    }

    #[test]
    fn sections_are_read_however_they_are_indented() {
        let fields = r#"{"location":"edge","index":1}"#;
        for section in [
            "kafka: \n  outputTopic: firewalls\n  customFields:\n    location: edge\n    index: 1\n",
            "kafka:\n      customFields:\n            location: edge\n            index: 1\n      outputTopic: firewalls\n",
            "kafka: {outputTopic: firewalls, customFields: {location: edge, index: 1}}\n",
            "kafka: {\"outputTopic\": \"firewalls\",\n   \"customFields\": {\"location\": \"edge\",\n \"index\": 1}}\nlevel: low\n",
        ] {
            let extension = of(section);
            assert_eq!(extension.output_topic.as_deref(), Some("firewalls"), "{section}");
            assert_eq!(extension.custom_fields.as_deref(), Some(fields), "{section}");
            assert_eq!(extension.problems, Vec::<String>::new());
        }
        let only = of("kafka:\n  customFields:\n    location: edge\n    index: 1\n");
        assert_eq!(only.custom_fields.as_deref(), Some(fields));
        assert_eq!(of("level: low\n"), Extension::default());
        assert_eq!(of("kafka:\n"), Extension::default());
        assert_eq!(of("kafka: {customFields: null, outputTopic: null}\n"), Extension::default());
    }

    #[test]
    fn what_does_not_count_is_said() {
        for (section, problem) in [
            ("kafka: x\n", "`kafka` is not a mapping"),
            ("kafka: {outputTopic: 'a b'}\n", "`outputTopic`: `a b` is not a name of a topic"),
            ("kafka: {outputTopic: [a]}\n", "`outputTopic` is not a text"),
            ("kafka: {customFields: a}\n", "`customFields` is not a mapping"),
        ] {
            let Extension { output_topic, custom_fields, problems } = of(section);
            assert_eq!((output_topic, custom_fields), (None, None));
            assert!(problems[0].starts_with(problem), "{problems:?}");
        }
    }
}
