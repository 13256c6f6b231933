//! Says on a topic what became of the rules of the rules topic: taken or not, and why not.
//!
//! All processes of a deployment come to the same answers. Each says only what the topic does not say yet, and they do not look at the same
//! moment, so that one of them says it and the others find it said.

use crate::kafka::{Outgoing, Publisher};
use crate::loading::{Answer, Finding, State};
use crate::rules_topic::RulesTopic;
use serde::{Deserialize, Serialize};
use sigmund_engine::DetectionId;
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::Duration;

/// A record of the topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleStatus {
    /// The key of the rule's record.
    pub rule: String,
    /// When it was said (RFC 3339).
    pub time: String,
    /// Which process said it.
    pub instance: String,
    /// Whether it counts.
    pub state: State,
    /// A short hash of the value that this is about.
    pub version: String,
    /// Why it does not count, or what in it does not.
    pub diagnostics: Vec<Finding>,
}

impl RuleStatus {
    /// An answer about a value.
    #[must_use]
    pub fn new(answer: &Answer, value: &str, time: String, instance: &str) -> Self {
        let mut version = DetectionId::of("rule text", &[value.as_bytes()]).to_string();
        version.truncate(12);
        Self {
            rule: answer.key.clone(),
            time,
            instance: instance.to_owned(),
            state: answer.state,
            version,
            diagnostics: answer.found.clone(),
        }
    }

    fn says_the_same(&self, other: &Self) -> bool {
        self.state == other.state
            && self.version == other.version
            && self.diagnostics == other.diagnostics
    }
}

/// What must be said: keys with their news, `None` if there is no such rule any more. `said` is what the topic says.
fn news<'a>(
    answers: &[(Answer, RuleStatus)],
    said: impl Iterator<Item = (&'a str, &'a str)>,
) -> Vec<(String, Option<RuleStatus>)> {
    let said: BTreeMap<&str, &str> = said.collect();
    let mut news = Vec::new();
    let mut now: BTreeMap<&str, ()> = BTreeMap::new();
    for (answer, status) in answers {
        now.insert(&answer.key, ());
        let old = said.get(&*answer.key);
        let old = old.and_then(|old| serde_json::from_str::<RuleStatus>(old).ok());
        if !old.is_some_and(|old| old.says_the_same(status)) {
            news.push((answer.key.clone(), Some(status.clone())));
        }
    }
    for key in said.keys().filter(|key| !now.contains_key(**key)) {
        news.push(((*key).to_owned(), None));
    }
    news
}

/// Writes the topic.
#[derive(Debug)]
pub struct RulesStatus {
    topic: RulesTopic,
    publisher: Publisher,
    instance: String,
    delay: Duration,
}

/// Processes say what they have to say within this time.
const SPREAD: u64 = 2000;

impl RulesStatus {
    /// On that topic, read through `topic`.
    #[must_use]
    pub fn new(topic: RulesTopic, publisher: Publisher, instance: &str) -> Self {
        let mut hasher = DefaultHasher::new();
        instance.hash(&mut hasher);
        let delay = Duration::from_millis(hasher.finish() % SPREAD);
        Self { topic, publisher, instance: instance.to_owned(), delay }
    }

    /// Says what the topic does not say yet. `value` gives the text of a rule. How many records that took.
    ///
    /// # Errors
    ///
    /// The brokers do not answer, or the topic is missing.
    pub fn say<'a>(
        &mut self,
        answers: &[Answer],
        value: impl Fn(&str) -> Option<&'a str>,
    ) -> anyhow::Result<usize> {
        let time = jiff::Timestamp::now();
        let time = time.round(jiff::Unit::Millisecond).unwrap_or(time).to_string();
        let answers: Vec<_> = answers
            .iter()
            .map(|answer| {
                let value = value(&answer.key).unwrap_or_default();
                let status = RuleStatus::new(answer, value, time.clone(), &self.instance);
                (answer.clone(), status)
            })
            .collect();
        self.topic.read()?;
        let said = |topic: &RulesTopic| {
            let said = topic.records().iter().map(|(key, text)| (key.to_owned(), text.clone()));
            let said: Vec<_> = said.collect();
            news(&answers, said.iter().map(|(key, text)| (&**key, &**text)))
        };
        if said(&self.topic).is_empty() {
            return Ok(0);
        }
        // Another process may be about to say the same.
        std::thread::sleep(self.delay);
        self.topic.read()?;
        let news = said(&self.topic);
        let count = news.len();
        let topic: std::sync::Arc<str> = self.topic.name().into();
        let records = news.into_iter().map(|(key, status)| Outgoing {
            topic: std::sync::Arc::clone(&topic),
            key: Some(key.into_bytes()),
            // A struct of texts is JSON.
            value: status.and_then(|status| serde_json::to_vec(&status).ok()),
            ..Outgoing::default()
        });
        self.publisher.send(records)?;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(key: &str, messages: &[&str]) -> Answer {
        let found = messages.iter().map(|message| Finding {
            line: 1,
            column: 2,
            code: "code".to_owned(),
            message: (*message).to_owned(),
            help: None,
        });
        let state = if messages.is_empty() { State::Accepted } else { State::Rejected };
        Answer { key: key.to_owned(), state, found: found.collect() }
    }

    fn status(key: &str, messages: &[&str], value: &str, instance: &str) -> (Answer, RuleStatus) {
        let answer = answer(key, messages);
        let time = format!("at {instance}");
        let status = RuleStatus::new(&answer, value, time, instance);
        (answer, status)
    }

    #[test]
    fn only_what_is_not_said_is_said() {
        let first = [status("a", &[], "1", "x"), status("b", &["wrong"], "1", "x")];
        let all = news(&first, std::iter::empty());
        assert_eq!(all.len(), 2);
        let said: Vec<(String, String)> = all
            .iter()
            .map(|(key, status)| (key.clone(), serde_json::to_string(status).expect("JSON")))
            .collect();
        let said = || said.iter().map(|(key, text)| (&**key, &**text));
        // Another process, another time.
        let second = [status("a", &[], "1", "y"), status("b", &["wrong"], "1", "y")];
        assert_eq!(news(&second, said()), []);
        let third = [status("b", &[], "2", "y")];
        let told = news(&third, said());
        assert_eq!(told.len(), 2);
        assert_eq!(told[0].1.as_ref().map(|status| status.state), Some(State::Accepted));
        assert_eq!(told[1], ("a".to_owned(), None));
    }

    #[test]
    fn a_status_names_line_and_column() {
        let (_, status) = status("b", &["wrong"], "1", "x");
        let json = serde_json::to_value(&status).expect("JSON");
        assert_eq!(json["state"], "rejected");
        assert_eq!(json["diagnostics"][0]["line"], 1);
        assert_eq!(json["diagnostics"][0]["column"], 2);
        assert_eq!(json["diagnostics"][0]["message"], "wrong");
    }
}
