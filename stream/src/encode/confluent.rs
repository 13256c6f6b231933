//! The layout in which Confluent Sigma writes detections, for those who read its topics: the detection's own keys, the fields that the rule adds or
//! extracts beside them, and the event as a text.

use super::{Buffer, Hit, json};
use serde_json::{Map, Value};

/// The keys of the layout itself. Fields of rules with these names are left out: an object has a key once.
const OWN: [&str; 5] = ["timeStamp", "title", "id", "outputTopic", "sourceData"];

pub(super) fn object(hit: &Hit<'_>, out: &mut Buffer) {
    let bytes = &mut out.bytes;
    head(hit, bytes);
    // What is cut would not be read as the event.
    if hit.cut.is_some() {
        bytes.extend_from_slice(b",\"sourceData\":null}");
        return;
    }
    let record = hit.record_json();
    // A record that is no object is a JSON text already.
    match record.first() {
        _ if !hit.has_event() => json::text("sourceData", "", bytes),
        Some(b'"') => {
            json::key("sourceData", bytes);
            bytes.extend_from_slice(&record);
        }
        _ => json::text("sourceData", &String::from_utf8_lossy(&record), bytes),
    }
    bytes.push(b'}');
}

fn head(hit: &Hit<'_>, out: &mut Vec<u8>) {
    let metadata = hit.rule().metadata();
    out.push(b'{');
    json::key("timeStamp", out);
    match hit.time() {
        Some(time) => out.extend_from_slice(time.div_euclid(1_000_000).to_string().as_bytes()),
        None => out.extend_from_slice(b"null"),
    }
    json::text("title", &metadata.title, out);
    nullable("id", metadata.id.as_deref(), out);
    let own = hit.rule().extension().output_topic.as_deref();
    nullable("outputTopic", hit.topic.or(own), out);
    let extracted = hit.extracted();
    let is_free = |name: &str| !OWN.contains(&name);
    if let Some(fields) = &hit.rule().extension().custom_fields {
        let fields: Map<String, Value> = serde_json::from_str(fields).unwrap_or_default();
        // What was extracted says more than what is always the same.
        let is_extracted = |name: &str| extracted.iter().any(|(known, _)| *known == name);
        for (name, value) in &fields {
            if is_free(name) && !is_extracted(name) {
                // Their values are texts.
                match value {
                    Value::String(text) => json::named_text(name, text, out),
                    Value::Null => nullable(name, None, out),
                    other => json::named_text(name, &other.to_string(), out),
                }
            }
        }
    }
    for (name, value) in extracted {
        if is_free(name) {
            json::named_text(name, value, out);
        }
    }
}

fn nullable(name: &str, value: Option<&str>, out: &mut Vec<u8>) {
    json::name(name, out);
    match value {
        Some(value) => json::string(value, out),
        None => out.extend_from_slice(b"null"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::{Cut, EventView, RuleCard, no_event};
    use sigmund_engine::detection::Matched;
    use sigmund_sigma::{Loader, Source};
    use std::sync::Arc;

    /// An object with each key once, whatever fields are called and however large the event is.
    #[test]
    fn fields_do_not_hide_each_other() {
        let text = "title: T\nid: i\nlogsource:\n  category: c\ndetection:\n  s:\n    f: 1\n  condition: s\n\
                    kafka:\n  outputTopic: own\n  customFields: {id: x, a: custom, b: [1, c], sourceData: x}\n";
        let source = Source { name: "r.yml".into(), text: text.into() };
        let card = RuleCard::new(Arc::new(Loader::default().load(&[source]).rules.remove(0)));
        let event = no_event();
        let view = EventView::new(&event, "p", 1);
        let groups = [("a", "first"), ("title", "x"), ("a", "second"), ("z", "\"")];
        let matched = [Matched {
            selection: "s".into(),
            field: Some("f".into()),
            value: Some("1".to_owned()),
            patterns: Vec::new(),
            source: None,
            extracted: groups.map(|(name, value)| (name.into(), value.into())).into(),
        }];
        let written = |hit: &Hit<'_>| {
            let cut = Cut::steps(1, 1).next().expect("a step");
            let mut out = Buffer::default();
            object(&hit.cut(&cut), &mut out);
            String::from_utf8(std::mem::take(out.bytes())).expect("text")
        };
        let hit = Hit::of_rule(&card, &view, &matched);
        let fields = r#""b":"[1,\"c\"]","a":"first","z":"\"","sourceData":null}"#;
        let head = r#"{"timeStamp":null,"title":"T","id":"i","outputTopic":"#;
        assert_eq!(written(&hit), format!("{head}\"own\",{fields}"));
        assert_eq!(written(&hit.to("there")), format!("{head}\"there\",{fields}"));
    }
}
