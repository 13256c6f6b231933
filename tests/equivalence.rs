//! The compiled matcher and the plain evaluator agree on generated rules and events (law 3): through the rule loader and
//! the JSON parser, with aliases, log sources, lists, nesting, duplicate keys, odd numbers and escapes.
//!
//! A difference names its seed, the rule and the event; `SIGMUND_EQUIVALENCE=FIRST+ROUNDS` runs other seeds.

use sigmund_engine::alias::{Alias, Pick, Source as AliasSource};
use sigmund_engine::oracle::Lookup;
use sigmund_engine::{AliasTable, Event, Matcher, Record, Routing, RuleSet};
use sigmund_parsers::json::Json;
use sigmund_parsers::{FORMATS, Format, Outcome, StreamInfo, flat_event};
use sigmund_sigma::{Loader, LogSource, Source};
use std::fmt::Write as _;
use std::sync::Arc;

/// A small generator of numbers (SplitMix64): the same seed gives the same rules and events everywhere.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.roll() % limit as u64) as usize
    }

    /// True once in `times`.
    fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    fn of<'a, T: ?Sized>(&mut self, choices: &[&'a T]) -> &'a T {
        choices[self.below(choices.len())]
    }
}

const FIELDS: &[&str] = &[
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
    "First",
    "Alternates",
    "Computed",
    "Wide Name",
    "Ünïcode",
];

/// Pieces of which texts on both sides are made, so that they meet often.
const PIECES: &[&str] = &[
    "cmd",
    "CMD.exe",
    "powershell",
    "\\",
    "\\\\",
    "/",
    " ",
    "-enc",
    "–enc",
    "/enc",
    "é",
    "É",
    "ß",
    "ſ",
    "k",
    "\u{212A}",
    "Σ",
    "ς",
    "σ",
    "İ",
    "a",
    "ab",
    "aab",
    "b",
    "x",
    "1",
    "10",
    "\n",
    "\t",
    "\"",
    "{",
    "}",
    ",",
    "😀",
    ".",
    "%",
    "http://",
    "-",
    "ＡＢ",
    "\u{0}",
    BROKEN,
    "\u{fffd}",
    LONE,
];

/// Stands for a byte that is not UTF-8, and for a surrogate without its other half, in the text of events.
const BROKEN: &str = "\u{e000}";
const LONE: &str = "\u{e001}";

/// The event as bytes, with what text cannot hold put in.
fn damaged(json: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = json;
    while let Some(at) = rest.find(['\u{e000}', '\u{e001}']) {
        bytes.extend_from_slice(&rest.as_bytes()[..at]);
        let broken = rest[at..].starts_with(BROKEN);
        bytes.extend_from_slice(if broken { b"\xFF" } else { b"\\uD800" });
        rest = &rest[at + BROKEN.len()..];
    }
    bytes.extend_from_slice(rest.as_bytes());
    bytes
}

const WHOLE: &[&str] = &[
    "",
    "4688",
    "4624",
    "5",
    "5.0",
    "05",
    "true",
    "False",
    "null",
    "10.1.2.3",
    "2001:db8::1",
    "192.168.0.1",
    "2025-03-15T22:07:30Z",
    "2024-12-31 08:00",
    "Y21k",
    "bob",
    "1e3",
    "-7",
    " 12 ",
    "0x10",
    "18446744073709551616",
    "C:\\Windows\\System32\\cmd.exe",
];

fn text(dice: &mut Dice) -> String {
    if dice.once_in(3) {
        return dice.of(WHOLE).to_owned();
    }
    let count = 1 + dice.below(4);
    (0..count).map(|_| dice.of(PIECES)).collect()
}

/// A JSON string, escaped in one of several ways.
fn quoted(text: &str, dice: &mut Dice) -> String {
    let style = dice.below(3);
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '/' if style == 1 => out.push_str("\\/"),
            '\n' if style != 2 => out.push_str("\\n"),
            c if c < ' ' || (style == 2 && !c.is_ascii_alphanumeric()) => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

fn number(dice: &mut Dice) -> &'static str {
    dice.of(&[
        "0",
        "5",
        "5.0",
        "-0",
        "10",
        "4688",
        "4624",
        "1e1",
        "1.0E+1",
        "0.5",
        "-7",
        "1000",
        "1e3",
        "12",
        "18446744073709551615",
        "18446744073709551616",
        "1e400",
        "0.1e-2",
    ])
}

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
const NATIVE: &[&str] = &[
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
];

fn json_event(dice: &mut Dice) -> String {
    let event = json_object(dice, NATIVE, 3, 12);
    match dice.below(8) {
        0 => format!("{{\"Event\":{{\"EventData\":{event},\"System\":{{\"EventID\":4688}}}}}}"),
        1 => format!("{{\"winlog\":{{\"event_data\":{event}}},\"n\":5}}"),
        _ => event,
    }
}

fn aliases() -> Arc<AliasTable> {
    Arc::new(AliasTable::new([
        Alias::to("First", &["one", "two", "a.b"]),
        Alias::any("Alternates", &["query", "path", "a"]),
        Alias::any("ip", &["ip", "other"]),
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

fn log_source(dice: &mut Dice) -> LogSource {
    let (product, category, service) = LOG_SOURCES[dice.below(LOG_SOURCES.len())];
    LogSource::new(product, category, service)
}

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
            let kind =
                dice.of(&["|contains", "|startswith", "|endswith", "|contains|cased", "|cased"]);
            (format!("{kind}{}", list(dice)), values(dice, &mut plain.clone()))
        }
        13 => ("|contains|windash".to_owned(), values(dice, &mut plain.clone())),
        14 => {
            let kind = dice.of(&[
                "|base64offset|contains",
                "|wide|base64offset|contains",
                "|base64",
                "|wide",
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
            let kind = dice.of(&["|re", "|re|i", "|re|i|s", "|re|m"]);
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
                    ]);
                    quoted(pattern, dice)
                }),
            )
        }
        17 => (
            "|cidr".to_owned(),
            values(dice, &mut |dice| {
                let network = dice.of(&["10.0.0.0/8", "0.0.0.0/0", "2001:db8::/32", "192.168.0.1"]);
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

fn selection(dice: &mut Dice) -> String {
    match dice.below(8) {
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

fn rule(dice: &mut Dice, number: usize) -> String {
    let names = &SELECTIONS[..1 + dice.below(SELECTIONS.len())];
    let mut detection: Vec<String> =
        names.iter().map(|name| format!("\"{name}\": {}", selection(dice))).collect();
    detection.push(format!("\"condition\": \"{}\"", condition(dice, names, 3)));
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

/// What a round saw.
#[derive(Default)]
struct Seen {
    rules: usize,
    pairs: usize,
    matches: usize,
}

const RULES: usize = 60;
const EVENTS: usize = 60;

fn round(seed: u64, seen: &mut Seen) {
    let dice = &mut Dice(seed);
    let texts: Vec<String> = (0..RULES).map(|number| rule(dice, number)).collect();
    let sources: Vec<Source> = texts
        .iter()
        .enumerate()
        .map(|(number, text)| Source {
            name: format!("{number}.yml").into(),
            text: text.as_str().into(),
        })
        .collect();
    // Rules that make no sense (`re` that ends in `cased`, a list where one value is due) are refused; the others remain.
    let collection = Loader::default().load(&sources);
    let own = aliases();
    let mut tables: Vec<Arc<AliasTable>> =
        FORMATS.iter().flat_map(|format| format.aliases()).collect();
    tables.push(Arc::clone(&own));
    let (ruleset, refused) = RuleSet::compile(collection.rules, &tables, &[]);
    assert!(refused.is_empty(), "seed {seed}: {refused:?}");
    let ruleset = Arc::new(ruleset);
    seen.rules += ruleset.rules().len();

    let routing = Arc::new(Routing::default());
    let info = StreamInfo {
        file_name: "".into(),
        reference_time: 0,
        assumed_zone: jiff::tz::TimeZone::UTC,
        routing: Arc::clone(&routing),
    };
    let mut parser = Json.open(&info);
    let mut matcher = Matcher::new(Arc::clone(&ruleset));
    let mut hot = Record::new(Arc::clone(ruleset.field_table()));
    let mut whole = Record::collecting();
    let mut hits = Vec::new();
    for _ in 0..EVENTS {
        let log_sources: Vec<LogSource> =
            (0..1 + dice.below(2)).map(|_| log_source(dice)).collect();
        let route = |event_id: Option<&str>| {
            routing.route("generated", log_sources.clone(), event_id, &own, &|_| None)
        };
        let (bytes, event): (Vec<u8>, Event) = if dice.once_in(5) {
            let raw = damaged(&text(dice).replace('\n', " "));
            hot.clear();
            whole.clear();
            for _ in 0..dice.below(8) {
                let (name, value) = (dice.of(NATIVE), damaged(&text(dice)));
                hot.set(name, &value);
                whole.set(name, &value);
            }
            hot.route = Some(route(None));
            whole.route = hot.route.clone();
            let event = flat_event(&raw, &whole);
            (raw, event)
        } else {
            // A third of the events are of a kind that is split by EventID.
            let bound = dice.once_in(3);
            let mut json = json_event(dice);
            if bound {
                // The last duplicate counts.
                let separator = if json == "{}" { "" } else { "," };
                json.insert_str(json.len() - 1, &format!("{separator}\"EventID\":4688"));
            }
            let bytes = damaged(&json);
            hot.clear();
            let outcome = parser.parse(&bytes, &mut hot);
            assert_eq!(outcome, Outcome::Event, "{}", String::from_utf8_lossy(&bytes));
            whole.clear();
            let mut event = parser.event(&bytes, &mut whole);
            if bound || dice.once_in(2) {
                hot.route = Some(route(bound.then_some("4688")));
            }
            event.route = hot.route.clone().unwrap();
            (bytes, event)
        };
        matcher.matches(&bytes, &hot, &mut || event.clone(), &mut hits);
        let lookup = Lookup::new(&event);
        for index in 0..ruleset.rules().len() as u32 {
            let oracle = ruleset.oracle(index).unwrap();
            let expected = oracle.sees(&event.route) && oracle.matches_in(&lookup);
            seen.pairs += 1;
            seen.matches += usize::from(expected);
            assert!(
                hits.contains(&index) == expected,
                "seed {seed}: the plain evaluator says {expected}, the compiled matcher {}\nrule  {}\nevent {}\n      {:?}",
                !expected,
                texts[ruleset.rules()[index as usize]
                    .metadata
                    .source
                    .trim_end_matches(".yml")
                    .parse::<usize>()
                    .unwrap()],
                String::from_utf8_lossy(&bytes),
                event,
            );
        }
    }
}

/// The first seed and the number of rounds, e.g. `1000+500`.
fn seeds() -> std::ops::Range<u64> {
    let Ok(asked) = std::env::var("SIGMUND_EQUIVALENCE") else {
        return 0..50;
    };
    let number = |text: &str| text.parse::<u64>().expect("SIGMUND_EQUIVALENCE=FIRST+ROUNDS");
    let (first, rounds) = asked.split_once('+').expect("SIGMUND_EQUIVALENCE=FIRST+ROUNDS");
    number(first)..number(first) + number(rounds)
}

#[test]
#[expect(clippy::print_stdout, reason = "says how much was compared")]
fn compiled_matcher_and_plain_evaluator_agree() {
    let mut seen = Seen::default();
    for seed in seeds() {
        round(seed, &mut seen);
    }
    println!(
        "equivalence: {} rules, {} rule/event pairs, {} matches",
        seen.rules, seen.pairs, seen.matches
    );
    assert!(seen.pairs >= 100_000, "only {} pairs were compared", seen.pairs);
    assert!(seen.matches * 100 >= seen.pairs, "only {} of them match", seen.matches);
}
