//! The records that the service sends.

use crate::correlate::Origin;
use crate::correlate::Seen;
use crate::destination::Destination;
use crate::encode::{Buffer, Format, Hit, RuleCard, confluent, json, level_name, rfc3339};
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
        value = match format {
            Format::Confluent => {
                let mut out = Vec::new();
                confluent::without_event(hit, &mut out);
                out
            }
            _ => too_large(hit, value.len()),
        };
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

/// A detection whose event does not fit: everything else of it, and where the event is.
fn too_large(hit: &Hit<'_>, length: usize) -> Vec<u8> {
    let mut out = vec![b'{'];
    json::text("id", &hit.id().to_string(), &mut out);
    if let Some(time) = hit.time() {
        json::text("time", &rfc3339(time), &mut out);
    }
    json::key("rule", &mut out);
    out.extend_from_slice(hit.rule().json());
    json::key("source", &mut out);
    out.push(b'{');
    json::text("path", hit.path(), &mut out);
    json::key("record", &mut out);
    out.extend_from_slice(hit.record().to_string().as_bytes());
    out.push(b'}');
    let why = format!("the detection has {length} bytes, and records have at most {MAX_VALUE}");
    json::text("truncated", &why, &mut out);
    out.push(b'}');
    out
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
