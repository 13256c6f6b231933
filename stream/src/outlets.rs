//! The topics that detections of rules go to, known before there are any: those that must be there, and those that none may go to.

use crate::config::Config;
use crate::destination::Destinations;
use crate::encode::{Extension, Subject};
use crate::plan::whole_name;
use crate::rules::Rules;
use anyhow::{Context as _, anyhow};
use regex::Regex;
use sigmund_sigma::rule::Metadata;
use sigmund_sigma::{Collection, Diagnostic, LogSource};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Where detections go, and where they must not.
#[derive(Debug)]
pub struct Outlets {
    destinations: Destinations,
    /// What the names begin with that rules name themselves.
    prefix: Option<String>,
    /// Topics that are read or kept for something else, with what names them.
    taken: BTreeMap<String, String>,
    /// The same by patterns.
    patterns: Vec<(Regex, String)>,
}

impl Outlets {
    /// Of a configuration.
    ///
    /// # Errors
    ///
    /// A template or a pattern in it is none.
    pub fn new(config: &Config) -> anyhow::Result<Self> {
        let destinations = Destinations::new(&config.detections, &config.detections())
            .map_err(|problem| anyhow!("`detections`: {problem}"))?;
        let own = [
            ("dead_letters", Some(config.dead_letters())),
            ("correlation.sightings", Some(config.sightings())),
            ("correlation.state", Some(config.state())),
            ("correlation.late", Some(config.late())),
            ("rules.topic", config.rules.topic.clone()),
            ("rules.status_topic", Some(config.rules_status())),
        ];
        let own = own.into_iter().filter_map(|(key, topic)| Some((topic?, key.to_owned())));
        let mut taken: BTreeMap<String, String> = own.collect();
        let mut patterns = Vec::new();
        for (index, source) in config.sources.iter().enumerate() {
            for (member, topic) in source.topics.iter().enumerate() {
                taken.insert(topic.clone(), format!("sources[{index}].topics[{member}]"));
            }
            if let Some(pattern) = &source.pattern {
                let regex = Regex::new(&whole_name(pattern))
                    .with_context(|| format!("`sources.pattern`: `{pattern}` is no pattern"))?;
                patterns.push((regex, format!("sources[{index}].pattern")));
            }
        }
        Ok(Self { destinations, prefix: config.prefix.clone(), taken, patterns })
    }

    /// What names a topic that no detection may go to.
    fn owner(&self, topic: &str) -> Option<&str> {
        let pattern = || self.patterns.iter().find(|(regex, _)| regex.is_match(topic));
        let taken = self.taken.get(topic);
        taken.or_else(|| pattern().map(|(_, key)| key)).map(String::as_str)
    }

    /// Why detections of a rule must not go where they would.
    fn mistake(&self, metadata: &Metadata, log_source: Option<&LogSource>) -> Option<Diagnostic> {
        let own = Extension::of(metadata).output_topic;
        let (topic, what, help) = match &own {
            Some(name) => {
                let topic = match &self.prefix {
                    Some(prefix) => format!("{prefix}.{name}"),
                    None => name.clone(),
                };
                (topic, "`outputTopic`: ".to_owned(), "name another topic, or none")
            }
            None => {
                let (topic, template) = self.destinations.foreseen(metadata, log_source)?;
                let what = format!("by `{template}` its detections would go to another's topic: ");
                (topic, what, "change that template under `detections`, or the rule")
            }
        };
        let owner = self.owner(&topic)?;
        let message = match owner.starts_with("sources") {
            true => format!(
                "{what}`{topic}` is one of `{owner}`: the service would read what it writes"
            ),
            false => format!("{what}`{topic}` is `{owner}`, which the service keeps for itself"),
        };
        let mut found = Diagnostic::error("output-topic", metadata.span, message).with_help(help);
        found.source = Arc::clone(&metadata.source);
        Some(found)
    }

    /// Takes away the rules whose detections would go where they must not, and says so of each.
    pub fn refuse(&self, collection: &mut Collection) {
        let mut refused = Vec::new();
        let mut stays = |mistake: Option<Diagnostic>| {
            let stays = mistake.is_none();
            refused.extend(mistake);
            stays
        };
        // What a rule finds that is there for correlations goes nowhere.
        collection.rules.retain(|rule| {
            rule.silent || stays(self.mistake(&rule.metadata, Some(&rule.logsource)))
        });
        collection.correlations.retain(|one| stays(self.mistake(&one.metadata, None)));
        collection.diagnostics.extend(refused);
    }

    /// The topics that templates name for rules. Those that depend on events as well are not among them: nobody knows them yet.
    #[must_use]
    pub fn topics(&self, rules: &Rules) -> BTreeSet<String> {
        let alerts = (0..).zip(&rules.alert_cards);
        let alerts = alerts.filter(|(index, _)| rules.correlations.reports(*index));
        let alerts = alerts.map(|(_, card)| (Subject::Correlation(card), None));
        let cards = rules.reporting();
        let cards = cards.map(|(_, card)| (Subject::Rule(card), Some(&card.rule.logsource)));
        let own = |subject: &Subject<'_>| subject.extension().output_topic.is_some();
        let foreseen = cards.chain(alerts).filter(|(subject, _)| !own(subject));
        let foreseen = foreseen.filter_map(|(subject, log_source)| {
            self.destinations.foreseen(subject.metadata(), log_source)
        });
        let of_templates = foreseen.filter(|(topic, template)| topic != template);
        of_templates.map(|(topic, _)| topic).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Detections, Route, Source};
    use sigmund_engine::Routing;
    use sigmund_sigma::{Loader, Source as Text};

    fn outlets(topic: &str) -> Outlets {
        let source = |topics: &[&str], pattern: Option<&str>| Source {
            topics: topics.iter().map(|topic| (*topic).to_owned()).collect(),
            pattern: pattern.map(str::to_owned),
            ..Source::default()
        };
        let route = Route {
            level: Some("high".to_owned()),
            topic: "soar.{rule.level}".to_owned(),
            ..Route::default()
        };
        let detections = Detections {
            topic: Some(topic.to_owned()),
            routes: vec![route],
            ..Detections::default()
        };
        let sources = vec![source(&["logs"], None), source(&[], Some("raw\\..*"))];
        Outlets::new(&Config { sources, detections, ..Config::default() }).expect("outlets")
    }

    fn rule(title: &str, more: &str) -> Text {
        let text = format!(
            "title: {title}\nlogsource:\n    product: windows\ndetection:\n    s:\n        f: 1\n    condition: s\n{more}"
        );
        Text { name: format!("{title}.yml").into(), text: text.into() }
    }

    #[test]
    fn templates_name_topics_for_the_rules_there_are() {
        let texts = [
            rule("a", "level: low\n"),
            rule("b", "level: high\n"),
            rule("c", "level: critical\n"),
            rule("d", "level: critical\nkafka: {outputTopic: own}\n"),
        ];
        let rules = Rules::compile(&Loader::default(), &texts, &|_| true, &Routing::default());
        let topics = |topic| outlets(topic).topics(&rules).into_iter().collect::<Vec<_>>();
        assert_eq!(topics("all"), ["soar.critical", "soar.high"]);
        assert_eq!(topics("x.{rule.title}")[2..], ["x.a"]);
        // As the rule says it, every event has it; the service is as the event says.
        assert_eq!(topics("x.{log_source.product}")[2..], ["x.windows"]);
        assert_eq!(topics("x.{log_source.service}").len(), 2);
    }

    #[test]
    fn detections_go_to_nothing_that_is_read_or_kept() {
        let refused = |topic: &str, more: &str| {
            let mut collection = Loader::default().load(&[rule("logs", more)]);
            outlets(topic).refuse(&mut collection);
            assert_eq!(collection.rules.is_empty(), !collection.diagnostics.is_empty());
            let found = collection.diagnostics.first();
            found.map_or_else(String::new, |found| found.message.to_string())
        };
        let own = |topic: &str| refused("all", &format!("kafka: {{outputTopic: {topic}}}\n"));
        assert_eq!(own("soar"), "");
        assert_eq!(
            own("logs"),
            "`outputTopic`: `logs` is one of `sources[0].topics[0]`: the service would read what it writes"
        );
        assert!(own("raw.x").contains("`sources[1].pattern`"));
        assert_eq!(
            own("sigmund.state"),
            "`outputTopic`: `sigmund.state` is `correlation.state`, which the service keeps for itself"
        );
        assert!(refused("{rule.title}", "").starts_with("by `{rule.title}` its detections"));
        assert_eq!(refused("{rule.title}", "level: high\n"), "");
        assert_eq!(refused("{rule.title}", "kafka: {outputTopic: own}\n"), "");
    }
}
