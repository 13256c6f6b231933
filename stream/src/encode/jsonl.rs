//! One JSON object per detection, described by `docs/detection.schema.json`.

use super::alert::Behind;
use super::{Buffer, Hit, json, level_name, rfc3339, status_name};
use sigmund_engine::TimeSource;
use sigmund_sigma::LogSource;
use sigmund_sigma::rule::Metadata;

/// The value of `rule`, which is the same in all detections of a rule.
pub(super) fn rule(metadata: &Metadata) -> Vec<u8> {
    let mut out = vec![b'{'];
    json::key("id", &mut out);
    match &metadata.id {
        Some(id) => json::string(id, &mut out),
        None => out.extend_from_slice(b"null"),
    }
    json::optional("name", metadata.name.as_deref(), &mut out);
    json::text("title", &metadata.title, &mut out);
    json::key("level", &mut out);
    match metadata.level {
        Some(level) => json::string(level_name(level), &mut out),
        None => out.extend_from_slice(b"null"),
    }
    json::optional("status", metadata.status.map(status_name), &mut out);
    json::texts("tags", metadata.tags.iter().map(String::as_str), &mut out);
    json::optional("author", metadata.author.as_deref(), &mut out);
    json::text("path", &metadata.source, &mut out);
    out.push(b'}');
    out
}

pub(super) fn object(hit: &Hit<'_>, out: &mut Buffer) {
    let bytes = &mut out.bytes;
    bytes.push(b'{');
    json::key("id", bytes);
    bytes.push(b'"');
    bytes.extend_from_slice(&hit.id().digits());
    bytes.push(b'"');
    json::key("time", bytes);
    match hit.time() {
        Some(time) => json::string(&rfc3339(time), bytes),
        None => bytes.extend_from_slice(b"null"),
    }
    if let (Some(time), None) = (hit.event().time(), hit.alert) {
        json::key("time_source", bytes);
        bytes.push(b'{');
        match time.source {
            TimeSource::Field(name) => json::text("field", name, bytes),
            TimeSource::Header => json::text("field", "header", bytes),
        }
        for (name, assumed) in
            [("year_inferred", time.year_inferred), ("zone_assumed", time.zone_assumed)]
        {
            if assumed {
                json::key(name, bytes);
                bytes.extend_from_slice(b"true");
            }
        }
        bytes.push(b'}');
    }
    json::key("rule", bytes);
    bytes.extend_from_slice(hit.rule().json());
    hit.write_added(bytes);
    if let Some(alert) = hit.alert {
        alert.write(hit.cut, Behind::Records, bytes);
    }
    if !hit.has_event() {
        bytes.extend_from_slice(b",\"source\":null,\"log_source\":{}");
        json::key("matched", bytes);
        matched(hit, bytes);
        bytes.extend_from_slice(b",\"event\":null");
        hit.write_cut(bytes);
        bytes.push(b'}');
        return;
    }
    json::key("source", bytes);
    bytes.push(b'{');
    json::text("path", hit.path(), bytes);
    json::key("record", bytes);
    out.number(hit.record());
    let bytes = &mut out.bytes;
    bytes.push(b'}');
    hit.write_once(bytes, |bytes| {
        json::key("log_source", bytes);
        log_source(hit.log_source(), bytes);
        json::key("matched", bytes);
        matched(hit, bytes);
    });
    json::key("event", bytes);
    let record = hit.record_json();
    bytes.extend_from_slice(&record);
    if record.first() == Some(&b'"') {
        let fields = hit.fields_json();
        if *fields != *b"{}" {
            json::key("fields", bytes);
            bytes.extend_from_slice(&fields);
        }
    }
    hit.write_cut(bytes);
    bytes.push(b'}');
}

/// `{"product":…,"category":…,"service":…}`
pub(super) fn log_source(source: Option<&LogSource>, out: &mut Vec<u8>) {
    out.push(b'{');
    if let Some(source) = source {
        json::optional("product", source.product.as_deref(), out);
        json::optional("category", source.category.as_deref(), out);
        json::optional("service", source.service.as_deref(), out);
    }
    out.push(b'}');
}

/// `[{"selection":…,"field":…,"value":…,"value_bytes":…,"patterns":[…],"source":…},…]`
pub(super) fn matched(hit: &Hit<'_>, out: &mut Vec<u8>) {
    out.push(b'[');
    let most = hit.cut.map_or(usize::MAX, |cut| cut.parts);
    for (index, part) in hit.matched.iter().take(most).enumerate() {
        if index > 0 {
            out.push(b',');
        }
        out.push(b'{');
        json::text("selection", &part.selection, out);
        json::key("field", out);
        match &part.field {
            Some(field) => json::string(field, out),
            None => out.extend_from_slice(b"null"),
        }
        json::key("value", out);
        match &part.value {
            Some(value) => {
                let (shown, is_cut) = hit.shown_value(value);
                json::string(shown, out);
                if is_cut {
                    json::key("value_bytes", out);
                    out.extend_from_slice(value.len().to_string().as_bytes());
                }
            }
            None => out.extend_from_slice(b"null"),
        }
        let patterns = part.patterns.iter().take(most);
        json::texts("patterns", patterns.map(|pattern| hit.shown(pattern)), out);
        json::optional("source", part.source.as_deref(), out);
        out.push(b'}');
    }
    out.push(b']');
}
