//! Names with placeholders, for topics and keys of detections.

use sigmund_sigma::suggestion::did_you_mean;
use std::str::FromStr;

/// What can stand in braces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Placeholder {
    /// `{rule.id}`: of a rule without one, its title.
    RuleId,
    /// `{rule.name}`
    RuleName,
    /// `{rule.title}`
    RuleTitle,
    /// `{rule.level}`
    RuleLevel,
    /// `{rule.status}`
    RuleStatus,
    /// `{log_source.product}`
    Product,
    /// `{log_source.category}`
    Category,
    /// `{log_source.service}`
    Service,
    /// `{detection.id}`
    DetectionId,
}

impl Placeholder {
    /// All of them by their names.
    pub const ALL: [(&'static str, Self); 9] = [
        ("rule.id", Self::RuleId),
        ("rule.name", Self::RuleName),
        ("rule.title", Self::RuleTitle),
        ("rule.level", Self::RuleLevel),
        ("rule.status", Self::RuleStatus),
        ("log_source.product", Self::Product),
        ("log_source.category", Self::Category),
        ("log_source.service", Self::Service),
        ("detection.id", Self::DetectionId),
    ];
}

/// A text with placeholders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    /// A text before each placeholder.
    parts: Vec<(String, Placeholder)>,
    end: String,
}

/// What stands for a placeholder that has no value.
const NOTHING: &str = "none";
/// Longer names of topics are refused by Kafka (`org.apache.kafka.common.internals.Topic`).
const TOPIC_LIMIT: usize = 249;

impl Template {
    /// The text itself, if nothing in it changes.
    #[must_use]
    pub fn fixed(&self) -> Option<&str> {
        self.parts.is_empty().then_some(&*self.end)
    }

    /// The placeholders in it, in order.
    pub fn placeholders(&self) -> impl Iterator<Item = Placeholder> {
        self.parts.iter().map(|(_, placeholder)| *placeholder)
    }

    /// Appends the text with the values of the placeholders; one that has none is `none`.
    pub fn write<'a>(&self, value: impl Fn(Placeholder) -> Option<&'a str>, out: &mut String) {
        for (before, placeholder) in &self.parts {
            out.push_str(before);
            out.push_str(value(*placeholder).filter(|value| !value.is_empty()).unwrap_or(NOTHING));
        }
        out.push_str(&self.end);
    }

    /// Appends a name of a topic: what must not be in one is `_`.
    pub fn write_topic<'a>(
        &self,
        value: impl Fn(Placeholder) -> Option<&'a str>,
        out: &mut String,
    ) {
        let start = out.len();
        self.write(value, out);
        let name: String = out[start..].chars().map(allowed).take(TOPIC_LIMIT).collect();
        out.replace_range(start.., &name);
    }
}

fn allowed(c: char) -> char {
    if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') { c } else { '_' }
}

/// What is wrong with the name of a topic (`org.apache.kafka.common.internals.Topic`), if anything.
pub(crate) fn topic_mistake(name: &str) -> Option<String> {
    if name.is_empty() {
        Some("the name of a topic is empty".to_owned())
    } else if matches!(name, "." | "..") || name.chars().any(|c| allowed(c) != c) {
        Some(format!("`{name}` is not a name of a topic: letters, digits, `.`, `_` and `-` are"))
    } else if name.len() > TOPIC_LIMIT {
        Some(format!("the name of a topic has {} characters of at most {TOPIC_LIMIT}", name.len()))
    } else {
        None
    }
}

impl FromStr for Template {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, behind)) = rest.split_once('{') {
            let Some((name, behind)) = behind.split_once('}') else {
                return Err(format!("`{{` without `}}` in `{text}`"));
            };
            let known = Placeholder::ALL.iter().find(|(known, _)| *known == name);
            let Some((_, placeholder)) = known else {
                let names = Placeholder::ALL.iter().map(|(name, _)| *name);
                let help = did_you_mean(name, names.clone(), || {
                    let known: Vec<String> = names.map(|name| format!("`{{{name}}}`")).collect();
                    format!("known: {}", known.join(", "))
                });
                return Err(format!("unknown placeholder `{{{name}}}`; {help}"));
            };
            parts.push((before.to_owned(), *placeholder));
            rest = behind;
        }
        Ok(Self { parts, end: rest.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_filled() {
        let template: Template = "a.{rule.level}.{rule.id}.z".parse().expect("a template");
        let value = |placeholder| (placeholder == Placeholder::RuleId).then_some("x y/ä");
        let mut text = "> ".to_owned();
        template.write(value, &mut text);
        assert_eq!(text, "> a.none.x y/ä.z");
        let mut topic = String::new();
        template.write_topic(value, &mut topic);
        assert_eq!(topic, "a.none.x_y__.z");
        assert_eq!(template.fixed(), None);
        assert_eq!("x".parse::<Template>().expect("a template").fixed(), Some("x"));
    }

    #[test]
    fn mistakes_are_named() {
        let error = |text: &str| text.parse::<Template>().expect_err("a mistake");
        assert_eq!(
            error("{rule.idd}"),
            "unknown placeholder `{rule.idd}`; did you mean `rule.id`?"
        );
        assert_eq!(error("a{rule.id"), "`{` without `}` in `a{rule.id`");
        assert!(error("{x}").contains("`{detection.id}`"));
    }

    #[test]
    fn names_of_topics_are_kafkas() {
        for name in ["a", "a.b_c-D9"] {
            assert_eq!(topic_mistake(name), None);
        }
        for name in ["", ".", "..", "a b", "ä", &"a".repeat(250)] {
            assert!(topic_mistake(name).is_some(), "{name}");
        }
    }
}
