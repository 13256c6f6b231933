//! Alerts of correlations: what encoders say of them beside the event that caused them.

use super::cut::{Cut, beginning};
use super::{Extension, RuleCard, json, jsonl, rfc3339};
use crate::words::plural;
use sigmund_engine::correlation::{Alert, Correlations, Entry, Reason};
use sigmund_engine::detection::Matched;
use sigmund_engine::{Event, Object, Route, Routing};
use sigmund_sigma::Correlation;
use std::sync::{Arc, OnceLock};

/// A correlation as alerts show it.
#[derive(Debug)]
pub struct AlertCard {
    /// What was loaded.
    pub correlation: Arc<Correlation>,
    /// Id (or name) and title of what it refers to, in the order of its `rules`.
    pub references: Vec<(String, String)>,
    /// What it asks for beyond Sigma.
    pub extension: Extension,
    /// The value of `rule` in jsonl, written when it is first needed.
    pub(super) json: OnceLock<Vec<u8>>,
}

impl AlertCard {
    /// The cards of all correlations over rules, in their order.
    #[must_use]
    pub fn all(correlations: &Correlations, cards: &[RuleCard]) -> Vec<Self> {
        let known = || {
            let rules = cards.iter().map(|card| &card.rule.metadata);
            rules.chain(correlations.rules().map(|correlation| &correlation.metadata))
        };
        let reference = |correlation: &Correlation, name: &str| {
            let own = |text: &Option<String>| text.as_deref() == Some(name);
            let found = known().find(|metadata| own(&metadata.id) || own(&metadata.name));
            let title = found.map_or(name, |metadata| &metadata.title).to_owned();
            // The parts of an aggregation of version 1 have made-up names, of which the end is the author's.
            let part = name.rsplit_once('#').filter(|_| correlation.legacy);
            let shown = part.map_or(name, |(_, part)| part);
            let id = found.and_then(|metadata| metadata.id.clone());
            (id.unwrap_or_else(|| shown.to_owned()), title)
        };
        correlations
            .rules()
            .map(|correlation| Self {
                correlation: Arc::clone(correlation),
                references: correlation
                    .rules
                    .iter()
                    .map(|rule| reference(correlation, &rule.name))
                    .collect(),
                extension: Extension::of(&correlation.metadata),
                json: OnceLock::new(),
            })
            .collect()
    }

    /// The places of its rules that an event behind an alert hit.
    #[must_use]
    pub fn rules_of(&self, entry: &Entry) -> Vec<usize> {
        let all = 0..self.correlation.rules.len();
        all.filter(|rule| entry.rules >> (*rule).min(31) & 1 == 1).collect()
    }
}

/// An event behind an alert.
#[derive(Debug)]
pub struct Contribution {
    /// When it happened, in nanoseconds UTC.
    pub time: i64,
    /// Where it was read from.
    pub path: Arc<str>,
    /// The number of its record there.
    pub record: u64,
    /// As it came.
    pub raw: Vec<u8>,
    /// What kind of event it is.
    pub route: Arc<Route>,
    /// Which of the correlation's rules it hit, by their places.
    pub rules: Vec<usize>,
}

/// What stands where there is no event.
#[must_use]
pub fn no_event() -> Event {
    let route: Arc<Route> =
        Routing::default().route("none", Vec::new(), None, &Arc::default(), &|_| None);
    Event {
        raw: Arc::from(&b""[..]),
        object: Object::default(),
        lifted: Object::default(),
        keywords_in_raw: true,
        route,
        time: None,
    }
}

/// How the events behind an alert are shown.
#[derive(Clone, Copy, Debug)]
pub(super) enum Behind {
    /// As JSON, if they are.
    Records,
    /// As they came.
    Texts,
}

/// An alert with the events behind it.
#[derive(Debug)]
pub struct AlertView<'a> {
    /// What the windows say.
    pub alert: &'a Alert,
    /// The correlation.
    pub card: &'a AlertCard,
    /// The oldest and the newest, oldest first.
    pub events: Vec<Contribution>,
}

impl AlertView<'_> {
    /// What held, as if the values of the group and what was compared were fields.
    #[must_use]
    pub fn matched(&self) -> Vec<Matched> {
        let rule = &self.card.correlation;
        let overflow = match self.alert.reason {
            Reason::Condition => None,
            Reason::StateOverflow { groups, hits } => {
                let (groups, hits) = (plural(groups, "group"), plural(hits, "hit"));
                Some(format!("state overflow: {groups} and {hits} were given up"))
            }
            Reason::WatermarkForced { hits } => {
                let hits = plural(hits, "hit");
                Some(format!("state overflow: {hits} could not wait for events that come late"))
            }
        };
        if let Some(lost) = overflow {
            return vec![Matched {
                selection: "state overflow".into(),
                field: None,
                value: Some(lost),
                patterns: Vec::new(),
                source: None,
                extracted: Vec::new(),
            }];
        }
        let group = rule.group_by.iter().zip(&self.alert.group).map(|(name, value)| Matched {
            selection: "group-by".into(),
            field: Some(name.as_str().into()),
            value: Some(value.to_string()),
            patterns: Vec::new(),
            source: None,
            extracted: Vec::new(),
        });
        let condition = self.alert.value.as_ref().map(|value| Matched {
            selection: "condition".into(),
            field: Some(rule.kind.name().into()),
            value: Some(value.to_string()),
            patterns: rule
                .conditions
                .iter()
                .map(|(operator, number)| format!("{}: {number}", operator.name()).into())
                .collect(),
            source: None,
            extracted: Vec::new(),
        });
        group.chain(condition).collect()
    }

    /// `"correlation":{…}` of jsonl.
    pub(super) fn write(&self, cut: Option<&Cut>, behind: Behind, out: &mut Vec<u8>) {
        let (alert, rule) = (self.alert, &self.card.correlation);
        json::key("correlation", out);
        out.push(b'{');
        json::text("type", rule.kind.name(), out);
        json::key("group", out);
        out.push(b'{');
        for (name, value) in rule.group_by.iter().zip(&alert.group) {
            json::named_text(name, beginning(value, cut.map_or(usize::MAX, |cut| cut.value)), out);
        }
        out.push(b'}');
        if let Some(value) = &alert.value {
            json::key("value", out);
            out.extend_from_slice(value.to_string().as_bytes());
        }
        if let Reason::StateOverflow { groups, hits } = alert.reason {
            json::key("state_overflow", out);
            out.extend_from_slice(format!("{{\"groups\":{groups},\"hits\":{hits}}}").as_bytes());
        }
        if let Reason::WatermarkForced { hits } = alert.reason {
            json::key("watermark_forced", out);
            out.extend_from_slice(format!("{{\"hits\":{hits}}}").as_bytes());
        }
        json::text("first", &rfc3339(alert.first()), out);
        json::text("last", &rfc3339(alert.last()), out);
        json::key("count", out);
        out.extend_from_slice(alert.events.total.to_string().as_bytes());
        json::key("rules", out);
        out.push(b'[');
        for (index, rule) in alert.rules.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            let (id, title) = &self.card.references[*rule as usize];
            out.push(b'{');
            json::text("id", id, out);
            json::text("title", title, out);
            out.push(b'}');
        }
        out.push(b']');
        json::key("events", out);
        out.push(b'[');
        for (index, event) in self.events.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            self.write_event(event, cut, behind, out);
        }
        out.extend_from_slice(b"]}");
    }

    fn write_event(
        &self,
        contribution: &Contribution,
        cut: Option<&Cut>,
        behind: Behind,
        out: &mut Vec<u8>,
    ) {
        out.push(b'{');
        json::text("time", &rfc3339(contribution.time), out);
        json::key("source", out);
        out.push(b'{');
        json::text("path", &contribution.path, out);
        json::key("record", out);
        out.extend_from_slice(contribution.record.to_string().as_bytes());
        out.push(b'}');
        json::key("log_source", out);
        jsonl::log_source(contribution.route.log_sources.first(), out);
        let rules = contribution.rules.iter().map(|rule| &*self.card.references[*rule].0);
        json::texts("rules", rules, out);
        json::key("event", out);
        let raw = &contribution.raw;
        let is_whole = cut.is_none_or(|cut| raw.len() <= cut.events);
        match behind {
            Behind::Records if is_whole => json::record(raw, out),
            Behind::Records | Behind::Texts => {
                let limit = cut.map_or(raw.len(), |cut| raw.len().min(cut.events));
                json::string(&String::from_utf8_lossy(&raw[..limit]), out);
            }
        }
        out.push(b'}');
    }
}
