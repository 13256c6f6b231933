//! Generated rules and filters, as Sigma text.

use super::dice::{Dice, FIELDS, number, quoted, text};
use super::events::log_source;

/// Sigma text: with wildcards and escapes.
fn sigma_text(dice: &mut Dice) -> String {
    let mut value = text(dice);
    for _ in 0..dice.below(3) {
        let at = dice.below(value.chars().count() + 1);
        let at = value.char_indices().nth(at).map_or(value.len(), |(at, _)| at);
        value.insert_str(at, dice.of(&["*", "?", "\\*", "\\\\", "**", "*?"]));
    }
    value
}

fn values(dice: &mut Dice, value: &mut dyn FnMut(&mut Dice) -> String) -> String {
    match dice.below(3) {
        0 => value(dice),
        _ => {
            let count = 1 + dice.below(4);
            let values: Vec<String> = (0..count).map(|_| value(dice)).collect();
            format!("[{}]", values.join(", "))
        }
    }
}

/// A key with its value, as JSON (which is YAML).
fn item(dice: &mut Dice, field: &str) -> String {
    let plain = |dice: &mut Dice| {
        let value = sigma_text(dice);
        quoted(&value, dice)
    };
    let list = |dice: &mut Dice| dice.of(&["", "", "", "|all", "|neq"]).to_owned();
    let (modifiers, value) = match dice.below(24) {
        0..=3 => (
            list(dice),
            values(dice, &mut |dice| match dice.below(6) {
                0 => number(dice).to_owned(),
                1 => dice.of(&["true", "false"]).to_owned(),
                2 => "null".to_owned(),
                _ => {
                    let value = sigma_text(dice);
                    quoted(&value, dice)
                }
            }),
        ),
        4..=12 => {
            let kind = dice.of(&[
                "|contains",
                "|startswith",
                "|endswith",
                "|contains|cased",
                "|cased",
                "|cased|endswith",
                "|startswith|endswith",
            ]);
            (format!("{kind}{}", list(dice)), values(dice, &mut plain.clone()))
        }
        13 => {
            let kind = dice.of(&["|contains|windash", "|windash", "|windash|contains|all"]);
            (kind.to_owned(), values(dice, &mut plain.clone()))
        }
        14 => {
            let kind = dice.of(&[
                "|base64offset|contains",
                "|wide|base64offset|contains",
                "|base64",
                "|wide",
                "|utf16be|base64offset|contains",
                "|utf16|base64|contains",
                "|wide|contains",
                "|base64offset",
            ]);
            (
                kind.to_owned(),
                values(dice, &mut |dice| {
                    let value = text(dice);
                    quoted(&value, dice)
                }),
            )
        }
        15 | 16 => {
            let kind = dice.of(&["|re", "|re|i", "|re|i|s", "|re|m", "|re|i|m|s"]);
            (
                format!("{kind}{}", list(dice)),
                values(dice, &mut |dice| {
                    let pattern = dice.of(&[
                        "cmd",
                        "^cmd",
                        "cmd$",
                        "(?i)CMD\\.exe",
                        "[a-c]+b",
                        "\\d{2,}",
                        "^$",
                        "é|ß",
                        "a.b",
                        "^\\S+$",
                        "power(shell)?",
                        "k",
                        "\\\\",
                        "x?",
                        "(a|b)*x",
                        "sp_\\w+",
                        "(?i)whoami|POWERSHELL",
                        "[xX]p_c",
                        "^.{3}$",
                        "\\bk\\b",
                        "ſ|K",
                    ]);
                    quoted(pattern, dice)
                }),
            )
        }
        17 => (
            "|cidr".to_owned(),
            values(dice, &mut |dice| {
                let network = dice.of(&[
                    "10.0.0.0/8",
                    "0.0.0.0/0",
                    "2001:db8::/32",
                    "192.168.0.1",
                    "2001:db8::1",
                ]);
                quoted(network, dice)
            }),
        ),
        18 => {
            let kind = dice.of(&["|lt", "|lte", "|gt", "|gte"]);
            (
                kind.to_owned(),
                values(dice, &mut |dice| {
                    dice.of(&["0", "5", "10", "0.5", "-7", "4688", "18446744073709551615"])
                        .to_owned()
                }),
            )
        }
        19 => ("|exists".to_owned(), dice.of(&["true", "false"]).to_owned()),
        20 => (String::new(), "null".to_owned()),
        21 => {
            let kind = dice.of(&[
                "|fieldref",
                "|fieldref|contains",
                "|fieldref|endswith",
                "|fieldref|startswith",
                "|fieldref|neq",
            ]);
            let other = dice.of(FIELDS);
            (kind.to_owned(), quoted(other, dice))
        }
        22 => {
            let kind =
                dice.of(&["|hour", "|day", "|week", "|month", "|year", "|minute", "|hour|gte"]);
            (
                kind.to_owned(),
                dice.of(&["[22, 8]", "15", "[11, 1]", "3", "2025", "7", "12"]).to_owned(),
            )
        }
        _ => (
            list(dice),
            values(dice, &mut |dice| {
                let id = dice.of(&["4688", "4624", "5"]);
                if dice.once_in(2) { id.to_owned() } else { format!("\"{id}\"") }
            }),
        ),
    };
    let key = format!("{field}{modifiers}");
    format!("{}: {value}", quoted(&key, dice))
}

fn mapping(dice: &mut Dice) -> String {
    let count = 1 + dice.below(3);
    let mut fields: Vec<&str> = Vec::new();
    while fields.len() < count {
        let field = if dice.once_in(4) { "EventID" } else { dice.of(FIELDS) };
        if !fields.contains(&field) {
            fields.push(field);
        }
    }
    let items: Vec<String> = fields.into_iter().map(|field| item(dice, field)).collect();
    format!("{{{}}}", items.join(", "))
}

/// Keywords are short in some rounds, which makes every record a candidate, and long in others.
fn selection(dice: &mut Dice, long_keywords: bool) -> String {
    match dice.below(8) {
        0 | 1 if long_keywords => {
            let key = dice.of(&["|all", "|re", "|cased", "|windash", "|contains", "|neq"]);
            let value = values(dice, &mut |dice| {
                let value = dice.of(&[
                    "sp_configure",
                    "SP_Configure",
                    "xp_cmdshell",
                    "powershell",
                    "POWERSHELL",
                    "4688",
                    "1000",
                    "-12000",
                    "2001:db8::",
                    "user@host",
                    "whoami.exe",
                    "*sp_conf*",
                    "wind?ws",
                    "x]^@y",
                    "false",
                ]);
                quoted(value, dice)
            });
            if dice.once_in(3) { value } else { format!("{{\"{key}\": {value}}}") }
        }
        0 => {
            let key = dice.of(&["|all", "|re", "|cased", "|windash", "|contains"]);
            let value = values(dice, &mut |dice| {
                let value = dice.of(&["cmd", "a", "-enc", "É", "10", "x"]);
                quoted(value, dice)
            });
            format!("{{\"{key}\": {value}}}")
        }
        1 => {
            let count = 1 + dice.below(3);
            let keywords: Vec<String> = (0..count)
                .map(|_| {
                    let value = sigma_text(dice);
                    quoted(&value, dice)
                })
                .collect();
            format!("[{}]", keywords.join(", "))
        }
        2 | 3 => {
            let count = 1 + dice.below(3);
            let members: Vec<String> = (0..count).map(|_| mapping(dice)).collect();
            format!("[{}]", members.join(", "))
        }
        _ => mapping(dice),
    }
}

const SELECTIONS: &[&str] = &["sel_a", "sel_b", "filter_a", "_hidden"];

fn condition(dice: &mut Dice, names: &[&str], depth: usize) -> String {
    let depth_left = depth.saturating_sub(1);
    match dice.below(if depth == 0 { 4 } else { 9 }) {
        0..=2 => dice.of(names).to_owned(),
        3 => dice
            .of(&[
                "1 of sel_*",
                "all of sel_*",
                "1 of them",
                "all of them",
                "not 1 of filter_*",
                "not 1 of none*",
            ])
            .to_owned(),
        4 | 5 => format!(
            "({} and {})",
            condition(dice, names, depth_left),
            condition(dice, names, depth_left)
        ),
        6 => format!(
            "({} or {})",
            condition(dice, names, depth_left),
            condition(dice, names, depth_left)
        ),
        7 => format!("{} and not {}", dice.of(names), condition(dice, names, depth_left)),
        _ => format!("not {}", condition(dice, names, depth_left)),
    }
}

/// A condition as text: sometimes one of a list.
fn conditions(dice: &mut Dice, names: &[&str]) -> String {
    let one = condition(dice, names, 3);
    if dice.once_in(8) {
        return format!("[\"{one}\", \"{}\"]", condition(dice, names, 2));
    }
    format!("\"{one}\"")
}

/// A filter for one rule, or for any.
pub(super) fn filter(dice: &mut Dice, number: usize, rules: usize, long_keywords: bool) -> String {
    let whom = match dice.below(3) {
        0 => "\"any\"".to_owned(),
        _ => format!("[\"r{}\", \"r{}\"]", dice.below(rules), dice.below(rules)),
    };
    let product = dice.of(&["\"product\": \"windows\"", "\"category\": \"proxy\""]);
    format!(
        "{{\"title\": \"filter {number}\", \"logsource\": {{{product}}}, \"filter\": {{\"rules\": {whom}, \"sel_a\": {}, \"sel_b\": {}, \"condition\": \"{}\"}}}}",
        selection(dice, long_keywords),
        selection(dice, long_keywords),
        dice.of(&["not sel_a", "not 1 of sel_*", "not (sel_a and sel_b)", "sel_a or not sel_b"]),
    )
}

pub(super) fn rule(dice: &mut Dice, number: usize, long_keywords: bool) -> String {
    let names = &SELECTIONS[..1 + dice.below(SELECTIONS.len())];
    let mut detection: Vec<String> = names
        .iter()
        .map(|name| format!("\"{name}\": {}", selection(dice, long_keywords)))
        .collect();
    detection.push(format!("\"condition\": {}", conditions(dice, names)));
    let source = log_source(dice);
    let attributes: Vec<String> =
        [("product", source.product), ("category", source.category), ("service", source.service)]
            .into_iter()
            .filter_map(|(name, value)| value.map(|value| format!("\"{name}\": \"{value}\"")))
            .collect();
    format!(
        "{{\"title\": \"generated {number}\", \"name\": \"r{number}\", \"logsource\": {{{}}}, \"detection\": {{{}}}}}",
        attributes.join(", "),
        detection.join(", ")
    )
}
