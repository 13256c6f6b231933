//! Generated events: JSON as logs write it, and worse; routes and aliases.

use super::dice::{Dice, damaged, number, quoted, text};
use sigmund_engine::AliasTable;
use sigmund_engine::alias::{Alias, Pick, Source as AliasSource, Which};
use sigmund_sigma::LogSource;
use std::sync::Arc;

fn json_value(dice: &mut Dice, depth: usize) -> String {
    match dice.below(if depth == 0 { 10 } else { 14 }) {
        0 => "null".to_owned(),
        1 => dice.of(&["true", "false"]).to_owned(),
        2 | 3 => number(dice).to_owned(),
        4..=9 => {
            let text = text(dice);
            quoted(&text, dice)
        }
        10 | 11 => {
            let count = dice.below(4);
            let elements: Vec<String> = (0..count).map(|_| json_value(dice, depth - 1)).collect();
            format!("[{}]", elements.join(", "))
        }
        _ => json_object(dice, &["b", "c", "b.c", "Image", "name"], depth - 1, 3),
    }
}

fn json_object(dice: &mut Dice, names: &[&str], depth: usize, most: usize) -> String {
    let count = dice.below(most + 1);
    let members: Vec<String> = (0..count)
        .map(|_| {
            let name = dice.of(names).to_owned();
            let name = quoted(&name, dice);
            let blank = dice.of(&["", "", "", " ", "\t", " \r\n "]);
            format!("{blank}{name}{blank}:{blank}{}{blank}", json_value(dice, depth))
        })
        .collect();
    format!("{{{}}}", members.join(","))
}

/// What is in an event besides the fields of rules: sources of aliases, containers that are lifted.
pub(super) const NATIVE: &[&str] = &[
    "Image",
    "CommandLine",
    "EventID",
    "a.b",
    "a.b.c",
    "a",
    "tags",
    "User",
    "n",
    "t",
    "ip",
    "one",
    "two",
    "path",
    "query",
    "domain",
    "name",
    "Wide Name",
    "Ünïcode",
    "other",
    "First",
    "EventCode",
    "nowhere",
];

/// An event as one line of JSON; not always valid UTF-8.
pub(super) fn json_event(dice: &mut Dice) -> Vec<u8> {
    let event = json_object(dice, NATIVE, 3, 12);
    let mut json = match dice.below(8) {
        0 => format!("{{\"Event\":{{\"EventData\":{event},\"System\":{{\"EventID\":4688}}}}}}"),
        1 => format!("{{\"winlog\":{{\"event_data\":{event}}},\"n\":5}}"),
        2 => {
            let text = json_object(dice, &["#text", "Name", "#attributes"], 2, 3);
            let system = json_object(dice, &["EventID", "Channel", "User", "a"], 2, 3);
            format!(
                "{{\"Event\":{{\"EventData\":{{\"Data\":{text},\"Image\":\"x\"}},\"System\":{system},\"UserData\":{{\"x\":{event}}}}}}}"
            )
        }
        _ => event,
    };
    // The last duplicate counts.
    let mut add = |member: &str| {
        let separator = if json == "{}" { "" } else { "," };
        json.insert_str(json.len() - 1, &format!("{separator}{member}"));
    };
    if dice.once_in(3) {
        add("\"EventID\":4688");
    }
    if dice.once_in(4) {
        // What the parsers know, with ids in every spelling.
        add(dice.of(&[
            "\"Channel\":\"Security\"",
            "\"Channel\":\"Microsoft-Windows-Sysmon/Operational\"",
            "\"Provider_Name\":\"Microsoft-Windows-Sysmon\"",
            "\"winlog\":{\"channel\":\"Security\",\"event_id\":4688}",
            "\"_path\":\"http\"",
            "\"event_type\":\"http\"",
        ]));
        add(dice.of(&[
            "\"EventID\":4688",
            "\"EventID\":\"4688\"",
            "\"EventID\":1",
            "\"EventID\":\"04688\"",
            "\"EventID\":\"+4688\"",
            "\"EventID\":4688.0",
            "\"EventID\":4.688e3",
            "\"EventID\":[4688, 4624]",
            "\"EventID\":[null, 4688]",
            "\"EventID\":[4688]",
            "\"EventID\":null,\"EventCode\":4688",
            "\"EventID\":{\"#text\":4688}",
            "\"EventCode\":4688",
            "\"EventID\":\"\\u0034688\"",
        ]));
    }
    let mut bytes = damaged(&json);
    if dice.once_in(6)
        && let Some(at) = bytes.iter().position(|byte| *byte == 0xFF)
    {
        // The beginning of a character, or an escape that JSON does not know.
        let other: &[u8] = if dice.once_in(2) { b"\xe2\x84" } else { b"\\q" };
        bytes.splice(at..=at, other.iter().copied());
    }
    bytes
}

pub(super) fn aliases() -> Arc<AliasTable> {
    Arc::new(AliasTable::new([
        Alias::to("First", &["one", "two", "a.b"]),
        Alias::any("Alternates", &["query", "path", "a"]),
        Alias::any("ip", &["ip", "other"]),
        Alias::with(
            "Second",
            Pick::First,
            [
                AliasSource::Element {
                    field: "tags",
                    which: Which::Beside { names: "a", name: "cmd" },
                },
                AliasSource::Element { field: "a", which: Which::Number(1) },
            ],
        ),
        Alias::any("t", &["nowhere", "t", "one"]),
        Alias::to("EventID", &["EventCode"]),
        Alias::with(
            "Computed",
            Pick::Alternates,
            [
                AliasSource::Computed {
                    from: &["domain", "name"],
                    compute: |texts, out| {
                        let [Some(domain), Some(name)] = texts else { return false };
                        out.push_str(domain);
                        out.push('\\');
                        out.push_str(name);
                        true
                    },
                    what: "domain and name",
                },
                AliasSource::Field("name".into()),
            ],
        ),
    ]))
}

const LOG_SOURCES: &[(Option<&str>, Option<&str>, Option<&str>)] = &[
    (Some("windows"), Some("process_creation"), None),
    (Some("windows"), None, Some("security")),
    (Some("windows"), None, None),
    (None, Some("proxy"), None),
    (Some("zeek"), None, Some("http")),
];

pub(super) fn log_source(dice: &mut Dice) -> LogSource {
    let (product, category, service) = LOG_SOURCES[dice.below(LOG_SOURCES.len())];
    LogSource::new(product, category, service)
}
