//! OCSF 1.3: one Detection Finding (class 2004) per line.

use super::{
    Buffer, DESTINATION_IP_FIELDS, HOST_FIELDS, Hit, SOURCE_IP_FIELDS, USER_FIELDS, json,
    level_name,
};
use sigmund_sigma::rule::Level;

/// Observable type ids: 1 hostname, 2 IP address, 4 user name.
const OBSERVABLES: &[(&str, u8, &[&str])] = &[
    ("device.hostname", 1, HOST_FIELDS),
    ("src_endpoint.ip", 2, SOURCE_IP_FIELDS),
    ("dst_endpoint.ip", 2, DESTINATION_IP_FIELDS),
    ("actor.user.name", 4, USER_FIELDS),
];

pub(super) fn object(hit: &Hit<'_>, out: &mut Buffer) {
    let metadata = hit.rule().metadata();
    let bytes = &mut out.bytes;
    bytes.push(b'{');
    // 2 Findings, 2004 Detection Finding, 1 Create.
    for (name, number) in
        [("category_uid", 2), ("class_uid", 2004), ("activity_id", 1), ("type_uid", 200_401)]
    {
        json::key(name, bytes);
        bytes.extend_from_slice(number.to_string().as_bytes());
    }
    json::text("category_name", "Findings", bytes);
    json::text("class_name", "Detection Finding", bytes);
    json::key("severity_id", bytes);
    bytes.extend_from_slice(severity(metadata.level).as_bytes());
    json::text("severity", metadata.level.map_or("unknown", level_name), bytes);
    json::key("status_id", bytes);
    bytes.push(b'1');
    let millis = hit.time().map(|time| time.div_euclid(1_000_000).to_string());
    if let Some(millis) = &millis {
        json::key("time", bytes);
        bytes.extend_from_slice(millis.as_bytes());
    }
    json::text("message", &metadata.title, bytes);
    json::key("metadata", bytes);
    bytes.extend_from_slice(
        b"{\"version\":\"1.3.0\",\"product\":{\"name\":\"sigmund\",\"vendor_name\":\"sigmund\",\"version\":\"",
    );
    bytes.extend_from_slice(env!("CARGO_PKG_VERSION").as_bytes());
    bytes.extend_from_slice(b"\"}");
    json::text("log_name", hit.path(), bytes);
    json::key("sequence", bytes);
    out.number(hit.record());
    let bytes = &mut out.bytes;
    bytes.push(b'}');
    json::key("finding_info", bytes);
    bytes.push(b'{');
    json::text("uid", &hit.id().to_string(), bytes);
    json::text("title", &metadata.title, bytes);
    json::optional("desc", metadata.description.as_deref(), bytes);
    let millis = |time: i64| time.div_euclid(1_000_000).to_string();
    let (first, last) = match hit.alert {
        Some(view) => (Some(view.alert.first()), Some(view.alert.last())),
        None => (hit.time(), None),
    };
    for (name, time) in [("first_seen_time", first), ("last_seen_time", last)] {
        if let Some(time) = time {
            json::key(name, bytes);
            bytes.extend_from_slice(millis(time).as_bytes());
        }
    }
    json::key("analytic", bytes);
    bytes.extend_from_slice(b"{\"type_id\":1,\"type\":\"Rule\"");
    json::text("uid", hit.rule().id(), bytes);
    json::text("name", &metadata.title, bytes);
    bytes.push(b'}');
    let techniques: Vec<String> = super::techniques(hit.rule().metadata()).collect();
    if !techniques.is_empty() {
        json::key("attacks", bytes);
        bytes.push(b'[');
        for (index, id) in techniques.iter().enumerate() {
            if index > 0 {
                bytes.push(b',');
            }
            bytes.extend_from_slice(b"{\"technique\":{");
            json::text("uid", id, bytes);
            bytes.extend_from_slice(b"}}");
        }
        bytes.push(b']');
    }
    bytes.push(b'}');
    json::key("observables", bytes);
    bytes.push(b'[');
    for (name, kind, fields) in OBSERVABLES {
        if let Some(value) = hit.field(fields) {
            if bytes.last() == Some(&b'}') {
                bytes.push(b',');
            }
            bytes.push(b'{');
            json::text("name", name, bytes);
            json::key("type_id", bytes);
            bytes.extend_from_slice(kind.to_string().as_bytes());
            json::text("value", &value, bytes);
            bytes.push(b'}');
        }
    }
    bytes.push(b']');
    json::key("evidences", bytes);
    bytes.extend_from_slice(b"[{\"data\":{\"log_source\":");
    super::jsonl::log_source(hit.log_source(), bytes);
    json::key("matched", bytes);
    super::jsonl::matched(hit, bytes);
    hit.write_added(bytes);
    if let Some(alert) = hit.alert {
        alert.write(bytes);
    }
    bytes.extend_from_slice(b"}}]");
    json::text("raw_data", &String::from_utf8_lossy(hit.event().raw()), bytes);
    bytes.extend_from_slice(b"}");
}

fn severity(level: Option<Level>) -> &'static str {
    match level {
        None => "0",
        Some(Level::Informational) => "1",
        Some(Level::Low) => "2",
        Some(Level::Medium) => "3",
        Some(Level::High) => "4",
        Some(Level::Critical) => "5",
    }
}
