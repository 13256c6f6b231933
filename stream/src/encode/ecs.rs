//! Elastic Common Schema: one object per line, the detection as an alert.

use super::{
    Buffer, DESTINATION_IP_FIELDS, HOST_FIELDS, Hit, SOURCE_IP_FIELDS, Subject, USER_FIELDS, json,
    level_name, rfc3339,
};
use sigmund_sigma::rule::Level;

/// ECS field (as a path) ← native fields.
const FIELDS: &[(&[&str], &[&str])] = &[
    (&["host", "name"], HOST_FIELDS),
    (&["user", "name"], USER_FIELDS),
    (&["process", "executable"], &["process.executable", "Image", "NewProcessName"]),
    (&["process", "command_line"], &["process.command_line", "CommandLine", "ProcessCommandLine"]),
    (&["process", "parent_executable"], &["ParentImage", "ParentProcessName"]),
    (&["source", "ip"], SOURCE_IP_FIELDS),
    (&["source", "port"], &["source.port", "id.orig_p", "src_port", "SourcePort", "srcport"]),
    (&["destination", "ip"], DESTINATION_IP_FIELDS),
    (
        &["destination", "port"],
        &[
            "destination.port",
            "id.resp_p",
            "dst_port",
            "dest_port",
            "DestinationPort",
            "DestPort",
            "dstport",
        ],
    ),
    (&["url", "original"], &["url.original", "uri", "cs-uri", "c-uri", "url"]),
    (
        &["user_agent", "original"],
        &["user_agent.original", "user_agent", "cs-user-agent", "c-useragent"],
    ),
    (&["dns", "question", "name"], &["dns.question.name", "query", "QueryName"]),
    (&["file", "path"], &["file.path", "TargetFilename"]),
];

pub(super) fn object(hit: &Hit<'_>, out: &mut Buffer) {
    let metadata = hit.rule().metadata();
    let bytes = &mut out.bytes;
    bytes.push(b'{');
    // Every event of ECS has a time: if not its own, then that at which it came.
    if let Some((time, _)) = hit.stamp() {
        json::text("@timestamp", &rfc3339(time), bytes);
    }
    json::key("ecs", bytes);
    bytes.extend_from_slice(b"{\"version\":\"8.17.0\"}");
    json::text("message", &metadata.title, bytes);
    json::key("event", bytes);
    bytes.push(b'{');
    json::text("id", &hit.id().to_string(), bytes);
    json::text("kind", "alert", bytes);
    json::text("provider", "sigmund", bytes);
    json::key("severity", bytes);
    bytes.extend_from_slice(severity(metadata.level).as_bytes());
    json::text("original", &hit.record_text(), bytes);
    bytes.push(b'}');
    json::key("rule", bytes);
    bytes.push(b'{');
    json::text("id", hit.rule().id(), bytes);
    json::text("name", &metadata.title, bytes);
    json::optional("description", metadata.description.as_deref(), bytes);
    json::optional("author", metadata.author.as_deref(), bytes);
    json::optional("license", metadata.license.as_deref(), bytes);
    json::optional("reference", metadata.references.first().map(String::as_str), bytes);
    if let Subject::Rule(card) = hit.rule() {
        json::text("category", &card.rule.logsource.to_string(), bytes);
    }
    bytes.push(b'}');
    json::texts("tags", metadata.tags.iter().map(String::as_str), bytes);
    techniques(hit, bytes);
    json::key("log", bytes);
    bytes.extend_from_slice(b"{\"level\":");
    json::string(metadata.level.map_or("unknown", level_name), bytes);
    json::key("file", bytes);
    bytes.push(b'{');
    json::text("path", hit.path(), bytes);
    bytes.extend_from_slice(b"}}");
    let mut at = 0;
    while let Some((path, _)) = FIELDS.get(at) {
        // Neighbours with the same first part share an object.
        let top = path[0];
        let end = FIELDS[at..].iter().take_while(|(path, _)| path[0] == top).count() + at;
        let mut inner = vec![b'{'];
        for (path, names) in &FIELDS[at..end] {
            let Some(value) = hit.field(names) else { continue };
            match path {
                [_, name] => member(name, &value, &mut inner),
                [_, middle, name] => {
                    json::key(middle, &mut inner);
                    inner.push(b'{');
                    member(name, &value, &mut inner);
                    inner.push(b'}');
                }
                _ => {}
            }
        }
        inner.push(b'}');
        if inner.len() > 2 {
            json::key(top, bytes);
            bytes.extend_from_slice(&inner);
        }
        at = end;
    }
    // What ECS has no place for.
    json::key("sigma", bytes);
    bytes.extend_from_slice(b"{\"record\":");
    out.number(hit.record());
    let bytes = &mut out.bytes;
    json::key("log_source", bytes);
    super::jsonl::log_source(hit.log_source(), bytes);
    json::key("matched", bytes);
    super::jsonl::matched(hit, bytes);
    hit.write_added(bytes);
    if let Some(alert) = hit.alert {
        alert.write(hit.cut, bytes);
    }
    hit.write_assumed(bytes);
    hit.write_cut(bytes);
    bytes.extend_from_slice(b"}}");
}

fn member(name: &str, value: &str, out: &mut Vec<u8>) {
    match name {
        "port" => {
            if let Ok(port) = value.parse::<u16>() {
                json::key(name, out);
                out.extend_from_slice(port.to_string().as_bytes());
            }
        }
        "ip" => {
            if value.parse::<std::net::IpAddr>().is_ok() {
                json::text(name, value, out);
            }
        }
        "parent_executable" => {
            json::key("parent", out);
            out.push(b'{');
            json::text("executable", value, out);
            out.push(b'}');
        }
        _ => json::text(name, value, out),
    }
}

/// `threat.technique.id` from the rule's ATT&CK tags.
fn techniques(hit: &Hit<'_>, out: &mut Vec<u8>) {
    let ids: Vec<String> = super::techniques(hit.rule().metadata()).collect();
    if !ids.is_empty() {
        json::key("threat", out);
        out.extend_from_slice(b"{\"framework\":\"MITRE ATT&CK\",\"technique\":{");
        json::texts("id", ids.iter().map(String::as_str), out);
        out.extend_from_slice(b"}}");
    }
}

fn severity(level: Option<Level>) -> &'static str {
    match level {
        None | Some(Level::Informational) => "0",
        Some(Level::Low) => "21",
        Some(Level::Medium) => "47",
        Some(Level::High) => "73",
        Some(Level::Critical) => "99",
    }
}
