//! Where detections go: the topic and the key of each.

use crate::config::{self, Detections, Placeholder, Template};
use crate::encode::{Format, Hit, id_of, level_name, status_name};
use globset::{Glob, GlobSet, GlobSetBuilder};
use sigmund_sigma::LogSource;
use sigmund_sigma::rule::{Level, Metadata};
use std::sync::Arc;

/// The value of a placeholder. `id` is that of the detection.
fn value<'a>(placeholder: Placeholder, hit: &Hit<'a>, id: &'a str) -> Option<&'a str> {
    let metadata = hit.rule().metadata();
    let source = hit.log_source();
    match placeholder {
        Placeholder::RuleId => Some(id_of(metadata)),
        Placeholder::RuleName => metadata.name.as_deref(),
        Placeholder::RuleTitle => Some(&metadata.title),
        Placeholder::RuleLevel => metadata.level.map(level_name),
        Placeholder::RuleStatus => metadata.status.map(status_name),
        Placeholder::Product => source?.product.as_deref(),
        Placeholder::Category => source?.category.as_deref(),
        Placeholder::Service => source?.service.as_deref(),
        Placeholder::DetectionId => Some(id),
    }
}

/// The value of a placeholder for all detections of a rule, if they have the same: nothing, or `Some(None)` if none of them has one.
fn foreseen<'a>(
    placeholder: Placeholder,
    metadata: &'a Metadata,
    log_source: Option<&'a LogSource>,
) -> Option<Option<&'a str>> {
    match placeholder {
        Placeholder::RuleId => Some(Some(id_of(metadata))),
        Placeholder::RuleName => Some(metadata.name.as_deref()),
        Placeholder::RuleTitle => Some(Some(&metadata.title)),
        Placeholder::RuleLevel => Some(metadata.level.map(level_name)),
        Placeholder::RuleStatus => Some(metadata.status.map(status_name)),
        // What a rule asks for, all events have that it sees.
        Placeholder::Product => Some(Some(log_source?.product.as_deref()?)),
        Placeholder::Category => Some(Some(log_source?.category.as_deref()?)),
        Placeholder::Service => Some(Some(log_source?.service.as_deref()?)),
        Placeholder::DetectionId => None,
    }
}

#[derive(Debug)]
struct Way {
    rules: Vec<String>,
    level: Option<Level>,
    tags: GlobSet,
    topic: Template,
    /// As it is written.
    text: String,
    format: Format,
}

/// Where detections go.
#[derive(Debug)]
pub struct Destinations {
    routes: Vec<Way>,
    otherwise: Way,
    key: Template,
}

/// Where a detection goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// The topic.
    pub topic: Arc<str>,
    /// The key of its record.
    pub key: String,
    /// How it is written.
    pub format: Format,
}

impl Destinations {
    /// As configured; `topic` is the default.
    ///
    /// # Errors
    ///
    /// A template, a level or a tag is none.
    pub fn new(config: &Detections, topic: &str) -> Result<Self, String> {
        let way = |route: &config::Route| {
            let mut tags = GlobSetBuilder::new();
            for tag in &route.tags {
                let glob = Glob::new(&tag.to_lowercase());
                tags.add(glob.map_err(|error| format!("`{tag}` is not a pattern: {error}"))?);
            }
            let level = route.level.as_deref().map(level_named).transpose()?;
            Ok::<_, String>(Way {
                rules: route.rules.clone(),
                level,
                tags: tags.build().map_err(|error| error.to_string())?,
                topic: route.topic.parse()?,
                text: route.topic.clone(),
                format: route.format.unwrap_or(config.format),
            })
        };
        let routes = config.routes.iter().map(way).collect::<Result<_, _>>()?;
        let topic = topic.to_owned();
        let otherwise = way(&config::Route { topic, ..config::Route::default() })?;
        let key = config.key.as_deref().unwrap_or("{rule.id}").parse()?;
        Ok(Self { routes, otherwise, key })
    }

    fn way(&self, rule: &Metadata) -> &Way {
        self.routes.iter().find(|way| way.takes(rule)).unwrap_or(&self.otherwise)
    }

    /// The topic of all detections of a rule that names none itself, and the template that names it; nothing if it depends on the event.
    #[must_use]
    pub fn foreseen(
        &self,
        rule: &Metadata,
        log_source: Option<&LogSource>,
    ) -> Option<(String, &str)> {
        let way = self.way(rule);
        let value = |placeholder| foreseen(placeholder, rule, log_source);
        if way.topic.placeholders().any(|placeholder| value(placeholder).is_none()) {
            return None;
        }
        let mut topic = String::new();
        way.topic.write_topic(|placeholder| value(placeholder).flatten(), &mut topic);
        Some((topic, &way.text))
    }

    /// Where a detection goes.
    #[must_use]
    pub fn of(&self, hit: &Hit<'_>) -> Destination {
        let way = self.way(hit.rule().metadata());
        let id = hit.id().to_string();
        let (mut topic, mut key) = (String::new(), String::new());
        match &hit.rule().extension().output_topic {
            // Nothing says more about one rule than the rule itself.
            Some(own) => topic.push_str(own),
            None => way.topic.write_topic(|placeholder| value(placeholder, hit, &id), &mut topic),
        }
        self.key.write(|placeholder| value(placeholder, hit, &id), &mut key);
        Destination { topic: topic.into(), key, format: way.format }
    }
}

impl Way {
    fn takes(&self, metadata: &Metadata) -> bool {
        let named = |name: &String| crate::encode::is_called(metadata, name);
        (self.rules.is_empty() || self.rules.iter().any(named))
            && self.level.is_none_or(|least| metadata.level.is_some_and(|level| level >= least))
            && (self.tags.is_empty()
                || metadata.tags.iter().any(|tag| self.tags.is_match(tag.to_lowercase())))
    }
}

/// A level by its name.
///
/// # Errors
///
/// There is none of this name.
pub fn level_named(name: &str) -> Result<Level, String> {
    let all = [Level::Informational, Level::Low, Level::Medium, Level::High, Level::Critical];
    all.into_iter().find(|level| level_name(*level) == name).ok_or_else(|| {
        let known: Vec<&str> = all.into_iter().map(level_name).collect();
        format!("`{name}` is not a level; known: {}", known.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_named() {
        assert_eq!(level_named("high"), Ok(Level::High));
        assert!(level_named("severe").is_err());
    }
}
