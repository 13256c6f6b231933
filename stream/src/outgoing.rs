//! The records that the service sends.

use crate::correlate::Origin;
use crate::correlate::Seen;
use crate::destination::Destination;
use crate::encode::{Buffer, Cut, Format, Hit, RuleCard, json, level_name, rfc3339};
use crate::kafka::Outgoing;
use crate::plan::Plan;
use crate::rules::Rules;
use rdkafka::message::{BorrowedMessage, Message as _};
use sigmund_engine::correlation::{Late, Lateness};
use std::sync::Arc;

/// Brokers take records of up to 1 MiB with what is around them; a larger one is cut, or it would be in the way of all others for ever.
pub const MAX_VALUE: usize = 900_000;

/// A detection, made with the set of rules of that name.
pub fn detection(plan: &Plan, hit: &Hit<'_>, ruleset: &str, buffer: &mut Buffer) -> Outgoing {
    let Destination { topic, key, format } = plan.destinations.of(hit);
    let hit = &hit.to(&topic);
    let mut value = written(format, hit, buffer);
    let mut headers = vec![
        ("rule_id", hit.rule().id().as_bytes().to_vec()),
        ("rule_level", hit.rule().level().map_or("", level_name).as_bytes().to_vec()),
        ("detection_id", hit.id().to_string().into_bytes()),
        ("ruleset", ruleset.as_bytes().to_vec()),
    ];
    if value.len() > MAX_VALUE {
        for cut in Cut::steps(value.len(), MAX_VALUE) {
            value = written(format, &hit.cut(&cut), buffer);
            if value.len() <= MAX_VALUE {
                break;
            }
        }
        headers.push(("truncated", b"true".to_vec()));
    }
    Outgoing { topic, partition: None, key: Some(key.into_bytes()), value: Some(value), headers }
}

/// A detection in a format.
pub(crate) fn written(format: Format, hit: &Hit<'_>, buffer: &mut Buffer) -> Vec<u8> {
    format.write(hit, buffer);
    buffer.mark(hit.time(), 0);
    let mut value = Vec::new();
    // Writing to memory cannot fail.
    let _ = buffer.drain(0, &mut |_, text| {
        value.extend_from_slice(text.trim_ascii_end());
        Ok(())
    });
    value
}

/// A hit or progress on its way to windows.
#[must_use]
pub fn sighting(plan: &Plan, partition: u32, value: Vec<u8>) -> Outgoing {
    Outgoing {
        topic: plan.sightings.clone(),
        partition: i32::try_from(partition).ok(),
        value: Some(value),
        ..Outgoing::default()
    }
}

/// A record that could not be read as it should be, with the reason.
#[must_use]
pub fn dead_letter(
    plan: &Plan,
    message: &BorrowedMessage<'_>,
    origin: &Origin,
    reason: &str,
) -> Outgoing {
    let value = message.payload().map(|value| value[..value.len().min(MAX_VALUE)].to_vec());
    let key = message.key().filter(|key| key.len() <= 10_000).map(<[u8]>::to_vec);
    let mut headers = vec![
        ("reason", reason.as_bytes().to_vec()),
        ("source_topic", origin.topic.as_bytes().to_vec()),
        ("source_partition", origin.partition.to_string().into_bytes()),
        ("source_offset", message.offset().to_string().into_bytes()),
    ];
    if message.payload_len() > MAX_VALUE {
        headers.push(("truncated", b"true".to_vec()));
    }
    Outgoing { topic: plan.dead_letters.clone(), partition: None, key, value, headers }
}

/// A hit that came too late for its windows: what it was, and how late.
#[must_use]
pub fn late(plan: &Plan, rules: &Rules, late: &Late, seen: Option<&Seen>) -> Outgoing {
    let mut value = vec![b'{'];
    json::text("time", &rfc3339(late.sighting.time), &mut value);
    match late.lateness {
        Lateness::Behind(nanos) => {
            json::key("seconds_late", &mut value);
            value.extend_from_slice((nanos as f64 / 1e9).to_string().as_bytes());
        }
        Lateness::Ahead => json::text("reason", "further ahead than is credible", &mut value),
    }
    if let Some(seen) = seen {
        json::key("source", &mut value);
        value.push(b'{');
        json::text("path", &seen.origin.to_string(), &mut value);
        json::key("record", &mut value);
        value.extend_from_slice(seen.offset.to_string().as_bytes());
        value.push(b'}');
    }
    let titles = late.sighting.rules.iter().filter_map(|rule| rules.cards.get(*rule as usize));
    json::texts("rules", titles.map(RuleCard::title), &mut value);
    if let Some(seen) = seen.filter(|seen| seen.body.raw.len() < MAX_VALUE / 2) {
        json::key("event", &mut value);
        json::record(&seen.body.raw, &mut value);
    }
    value.push(b'}');
    let (topic, value) = (Arc::clone(&plan.late), Some(value));
    Outgoing { topic, value, ..Outgoing::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::encode::EventView;
    use crate::evidence;
    use serde_json::Value;
    use sigmund_engine::Routing;
    use sigmund_engine::detection::Matched;
    use sigmund_sigma::{Loader, Source};

    const RULE: &str = "title: T\nid: i\nlogsource:\n  category: c\ndetection:\n  s:\n    f: 1\n  condition: s\n\
        kafka:\n  customFields: {team: blue}\n";

    fn sent(format: Format, raw: &[u8], fields: Option<&[u8]>, value: &str) -> (Value, bool) {
        let mut config = Config::default();
        config.detections.format = format;
        let plan = Plan::new(&config).expect("a plan");
        let source = Source { name: "r.yml".into(), text: RULE.into() };
        let card = RuleCard::new(Arc::new(Loader::default().load(&[source]).rules.remove(0)));
        let route = Routing::default().route("k", Vec::new(), None, &Arc::default(), &|_| None);
        let event = evidence::event(raw, fields, &route);
        let view = EventView::new(&event, "raw/0", 0);
        let matched = [Matched {
            selection: "s".into(),
            field: Some("f".into()),
            value: Some(value.to_owned()),
            patterns: vec!["1".into()],
            source: None,
            extracted: vec![("group".into(), value.into())],
        }];
        let hit = Hit::of_rule(&card, &view, &matched);
        let sent = detection(&plan, &hit, "rules", &mut Buffer::default());
        let value = sent.value.expect("a value");
        assert!(value.len() <= MAX_VALUE, "{format:?}: {}", value.len());
        let is_cut = sent.headers.iter().any(|(name, _)| *name == "truncated");
        (serde_json::from_slice(&value).expect("JSON"), is_cut)
    }

    #[test]
    fn large_detections_keep_what_is_small() {
        let long = "\u{1}ä of many".repeat(100_000);
        let json = serde_json::json!({"f": "1", "CommandLine": "x.exe", "long": long}).to_string();
        for (raw, fields, value) in [
            (json.as_bytes(), None, &*long),
            (long.as_bytes(), Some(&br#"{"CommandLine":"x.exe"}"#[..]), "1"),
            (br#"{"CommandLine":"x.exe"}"#, None, &long),
        ] {
            for (format, place) in
                [(Format::Json, ""), (Format::Ecs, "/sigma"), (Format::Ocsf, "/evidences/0/data")]
            {
                let (sent, is_cut) = sent(format, raw, fields, value);
                let at = |name: &str| sent.pointer(&format!("{place}/{name}")).expect(name);
                assert!(
                    is_cut && at("truncated").as_str().is_some_and(|why| why.contains("bytes"))
                );
                assert_eq!(at("custom_fields/team"), "blue");
                assert_eq!(at("matched/0/field"), "f");
                let shown = at("matched/0/value").as_str().expect("a text");
                assert!(!shown.is_empty() && value.starts_with(shown), "{format:?}");
                assert!(value.starts_with(at("extracted/group").as_str().expect("a text")));
                match format {
                    Format::Json => {
                        let command = match raw.len() > MAX_VALUE {
                            true => &sent["fields"]["CommandLine"],
                            false => &sent["event"]["CommandLine"],
                        };
                        assert_eq!(command, "x.exe");
                        assert_eq!(sent["source"]["record"], 0);
                    }
                    Format::Ecs => assert_eq!(sent["process"]["command_line"], "x.exe"),
                    _ => assert_eq!(sent["class_uid"], 2004),
                }
            }
            let (sent, is_cut) = sent(Format::Confluent, raw, fields, value);
            assert!(is_cut && sent["sourceData"].is_null() && sent["team"] == "blue", "{sent}");
        }
        let (sent, is_cut) = sent(Format::Json, br#"{"f":"1"}"#, None, "1");
        assert!(!is_cut && sent.get("truncated").is_none());
    }
}
