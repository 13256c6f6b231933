//! The configuration of a replay: that of the service, with a name, groups and topics of its own.

use super::{Config, Emit, Span, topic_mistake, validate};

impl Config {
    /// The same under another name, by which nothing is written where this one writes: the names of topics that are given begin with the
    /// other name too. Windows wait for all that is read, and nobody waits for alerts: they are final.
    ///
    /// # Errors
    ///
    /// The name is none, or that of this one, or sources would read what is written.
    pub fn replayed_as(&self, name: &str) -> Result<Self, String> {
        if let Some(mistake) = topic_mistake(name) {
            return Err(mistake);
        }
        if name == self.application {
            return Err(format!(
                "`{name}` is the application that runs with this configuration: a replay must not touch its topics and offsets; name another: `--application {name}-replay`"
            ));
        }
        let mut replay = self.clone();
        name.clone_into(&mut replay.application);
        let topics = [
            &mut replay.dead_letters,
            &mut replay.correlation.sightings,
            &mut replay.correlation.state,
            &mut replay.correlation.late,
            &mut replay.detections.topic,
            &mut replay.rules.status_topic,
        ];
        let routes = replay.detections.routes.iter_mut().map(|route| &mut route.topic);
        for topic in topics.into_iter().flatten().chain(routes) {
            *topic = format!("{name}.{topic}");
        }
        replay.prefix = Some(name.to_owned());
        replay.correlation.emit = Emit::Final;
        replay.correlation.idle_timeout = Span::seconds(0);
        // The address is that of the service, which may run beside it.
        "off".clone_into(&mut replay.http.listen);
        match validate::problems(&replay).first() {
            Some(problem) => Err(format!("as a replay named `{name}`: {problem}")),
            None => Ok(replay),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Route, Source};
    use crate::kafka::topics::{Role, needed};

    fn config() -> Config {
        let source = |topics: &[&str], pattern: Option<&str>| Source {
            topics: topics.iter().map(|topic| (*topic).to_owned()).collect(),
            pattern: pattern.map(str::to_owned),
            ..Source::default()
        };
        let sources = vec![source(&["logs"], None), source(&[], Some("raw\\..*"))];
        let mut config = Config { sources, ..Config::default() };
        config.rules.topic = Some("rules".to_owned());
        config
    }

    fn written(config: &Config) -> Vec<String> {
        let all = needed(config).into_iter();
        let ours = all.filter(|topic| !matches!(topic.role, Role::Source | Role::Rules));
        ours.map(|topic| topic.name).collect()
    }

    #[test]
    fn nothing_is_written_where_the_live_application_writes() {
        let mut config = config();
        let levels = Route {
            level: Some("high".to_owned()),
            topic: "soar.{rule.level}".to_owned(),
            ..Route::default()
        };
        config.detections.routes = vec![levels];
        config.detections.topic = Some("siem".to_owned());
        config.correlation.state = Some("windows".to_owned());
        let replay = config.replayed_as("again").expect("a replay");
        let (live, own) = (written(&config), written(&replay));
        assert!(own.iter().all(|topic| topic.starts_with("again.")), "{own:?}");
        assert!(own.iter().all(|topic| !live.contains(topic)), "{own:?}");
        assert_eq!(own.len(), live.len());
        assert_eq!(replay.detections.routes[0].topic, "again.soar.{rule.level}");
        assert_eq!((&replay.sources, &replay.rules.topic), (&config.sources, &config.rules.topic));
    }

    #[test]
    fn names_that_would_mix_things_up_are_refused() {
        let config = config();
        let wrong = |name: &str| config.replayed_as(name).expect_err(name);
        assert!(wrong("sigmund").contains("`--application sigmund-replay`"));
        assert!(wrong("a b").contains("not a name"));
        // Sources would read what the replay writes.
        assert!(wrong("raw.again").contains("`raw\\..*` also means `raw.again."));
    }
}
