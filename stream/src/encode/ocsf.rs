//! OCSF 1.3: one Detection Finding (class 2004) per line.

use super::{Buffer, DESTINATION_IP_FIELDS, HOST_FIELDS, Hit, SOURCE_IP_FIELDS, USER_FIELDS, json};
use sigmund_sigma::rule::Level;

/// An attribute of the evidence that is an observable too.
struct Observable {
    path: &'static [&'static str],
    type_id: u8,
    /// The native fields that it is taken from.
    fields: &'static [&'static str],
}

const IP_ADDRESS: u8 = 2;
/// Type ids: 1 hostname, 2 IP address, 4 user name.
const OBSERVABLES: [Observable; 4] = [
    Observable { path: &["device", "hostname"], type_id: 1, fields: HOST_FIELDS },
    Observable { path: &["src_endpoint", "ip"], type_id: IP_ADDRESS, fields: SOURCE_IP_FIELDS },
    Observable {
        path: &["dst_endpoint", "ip"],
        type_id: IP_ADDRESS,
        fields: DESTINATION_IP_FIELDS,
    },
    Observable { path: &["actor", "user", "name"], type_id: 4, fields: USER_FIELDS },
];

impl Observable {
    /// Its value in an event. What is called an address may be a name.
    fn value(&self, hit: &Hit<'_>) -> Option<String> {
        let is_valid = |value: &String| {
            self.type_id != IP_ADDRESS || value.parse::<std::net::IpAddr>().is_ok()
        };
        hit.field(self.fields).filter(is_valid)
    }
}

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
    let (id, caption) = severity(metadata.level);
    json::key("severity_id", bytes);
    bytes.extend_from_slice(id.as_bytes());
    json::text("severity", caption, bytes);
    json::key("status_id", bytes);
    bytes.push(b'1');
    let millis = |time: i64| time.div_euclid(1_000_000).to_string();
    // OCSF asks for it: if not the event's own, then that at which it came.
    if let Some((time, _)) = hit.stamp() {
        json::key("time", bytes);
        bytes.extend_from_slice(millis(time).as_bytes());
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
    // Where they are, as attributes.
    let mut evidence = vec![b'{'];
    for observable in &OBSERVABLES {
        let Some(value) = observable.value(hit) else { continue };
        if bytes.last() == Some(&b'}') {
            bytes.push(b',');
        }
        bytes.push(b'{');
        json::text("name", &format!("evidences[].{}", observable.path.join(".")), bytes);
        json::key("type_id", bytes);
        bytes.extend_from_slice(observable.type_id.to_string().as_bytes());
        json::text("value", &value, bytes);
        bytes.push(b'}');
        if let [above @ .., name] = observable.path {
            for name in above {
                json::key(name, &mut evidence);
                evidence.push(b'{');
            }
            json::text(name, &value, &mut evidence);
            if above == ["device"] {
                // A device has a type: unknown.
                evidence.extend_from_slice(b",\"type_id\":0");
            }
            evidence.extend(above.iter().map(|_| b'}'));
        }
    }
    bytes.push(b']');
    json::key("evidences", bytes);
    bytes.push(b'[');
    bytes.extend_from_slice(&evidence);
    json::key("data", bytes);
    bytes.extend_from_slice(b"{\"log_source\":");
    super::jsonl::log_source(hit.log_source(), bytes);
    json::key("matched", bytes);
    super::jsonl::matched(hit, bytes);
    hit.write_added(bytes);
    if let Some(alert) = hit.alert {
        alert.write(hit.cut, bytes);
    }
    hit.write_assumed(bytes);
    hit.write_cut(bytes);
    bytes.extend_from_slice(b"}}]");
    json::text("raw_data", &hit.record_text(), bytes);
    bytes.extend_from_slice(b"}");
}

/// `severity_id`, and its caption.
fn severity(level: Option<Level>) -> (&'static str, &'static str) {
    match level {
        None => ("0", "Unknown"),
        Some(Level::Informational) => ("1", "Informational"),
        Some(Level::Low) => ("2", "Low"),
        Some(Level::Medium) => ("3", "Medium"),
        Some(Level::High) => ("4", "High"),
        Some(Level::Critical) => ("5", "Critical"),
    }
}

#[cfg(test)]
mod tests {
    use crate::encode::{Buffer, EventView, Format, Hit, RuleCard};
    use crate::evidence;
    use serde_json::Value;
    use sigmund_engine::Routing;
    use sigmund_sigma::{Loader, Source};
    use std::sync::Arc;

    fn written(format: Format, level: &str, event: &str, received: Option<i64>) -> Value {
        let text = format!(
            "title: T\nid: i\nlogsource:\n  category: c\ndetection:\n  s:\n    f: 1\n  condition: s\n{level}"
        );
        let source = Source { name: "r.yml".into(), text: text.into() };
        let card = RuleCard::new(Arc::new(Loader::default().load(&[source]).rules.remove(0)));
        let route = Routing::default().route("k", Vec::new(), None, &Arc::default(), &|_| None);
        let event = evidence::event(event.as_bytes(), None, &route);
        let view = EventView::new(&event, "raw/0", 7).received(received);
        let mut out = Buffer::default();
        format.write(&Hit::of_rule(&card, &view, &[]), &mut out);
        out.mark(None, 0);
        let mut value = Value::Null;
        out.drain(0, &mut |_, text| {
            value = serde_json::from_slice(text)?;
            Ok(())
        })
        .expect("JSON");
        value
    }

    #[test]
    fn events_without_a_time_have_that_at_which_they_came() {
        let at = Some(1_774_008_000_000_000_000);
        let ecs = written(Format::Ecs, "", "{}", at);
        assert_eq!(ecs["@timestamp"], "2026-03-20T12:00:00Z");
        assert_eq!(ecs["sigma"]["time_assumed"], true);
        let ocsf = written(Format::Ocsf, "", "{}", at);
        assert_eq!(ocsf["time"], 1_774_008_000_000_i64);
        assert_eq!(ocsf["evidences"][0]["data"]["time_assumed"], true);
        // Nobody saw when it happened.
        assert_eq!(ocsf["finding_info"].get("first_seen_time"), None);
        assert_eq!(written(Format::Json, "", "{}", at)["time"], Value::Null);
    }

    #[test]
    fn severities_have_the_captions_of_their_ids() {
        let of = |level: &str| {
            let written = written(Format::Ocsf, level, "{}", None);
            (written["severity_id"].clone(), written["severity"].clone())
        };
        assert_eq!(of("level: high\n"), (4.into(), "High".into()));
        assert_eq!(of(""), (0.into(), "Unknown".into()));
    }

    #[test]
    fn observables_are_attributes_of_the_evidence() {
        let event =
            r#"{"Computer":"pc1","src_ip":"2001:db8::1","dest_ip":"pc2.example","User":"ann"}"#;
        let written = written(Format::Ocsf, "", event, None);
        let evidence = &written["evidences"][0];
        let observables = written["observables"].as_array().expect("a list");
        let mut names = Vec::new();
        for observable in observables {
            let name = observable["name"].as_str().expect("a name");
            let path = name.strip_prefix("evidences[].").expect("a place").replace('.', "/");
            assert_eq!(evidence.pointer(&format!("/{path}")), observable.get("value"), "{name}");
            names.push(path);
        }
        assert_eq!(names, ["device/hostname", "src_endpoint/ip", "actor/user/name"]);
        assert_eq!(evidence["device"]["type_id"], 0);
        assert!(evidence["data"]["log_source"].is_object());
    }
}
