//! Chance, and the texts of which rules and events are made: the same pieces on both sides, so that they meet often.

use std::fmt::Write as _;

/// A small generator of numbers (SplitMix64): the same seed gives the same rules and events everywhere.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub(super) fn below(&mut self, limit: usize) -> usize {
        (self.roll() % limit as u64) as usize
    }

    /// True once in `times`.
    pub(super) fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    pub(super) fn of<'a, T: ?Sized>(&mut self, choices: &[&'a T]) -> &'a T {
        choices[self.below(choices.len())]
    }
}
pub(super) const FIELDS: &[&str] = &[
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
    "Second",
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
    LONE,
    "\u{fffd}",
    "sp_configure",
    "[x]^@y",
    "\u{7f}",
];

/// Stands for a byte that is not UTF-8, and for a surrogate without its other half, in the text of events.
const BROKEN: &str = "\u{e000}";
const LONE: &str = "\u{e001}";

/// The event as bytes, with what text cannot hold put in.
pub(super) fn damaged(json: &str) -> Vec<u8> {
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
    "04688",
    "4688.0",
    "xp_cmdshell -enc",
    "c:\\windows\\system32\\WHOAMI.exe /all",
    "user@host[1]",
    "C:\\Windows\\System32\\cmd.exe",
];

pub(super) fn text(dice: &mut Dice) -> String {
    if dice.once_in(3) {
        return dice.of(WHOLE).to_owned();
    }
    let count = 1 + dice.below(4);
    (0..count).map(|_| dice.of(PIECES)).collect()
}

/// A JSON string, escaped in one of several ways.
pub(super) fn quoted(text: &str, dice: &mut Dice) -> String {
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

pub(super) fn number(dice: &mut Dice) -> &'static str {
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
        "4.688e3",
        "4688.0",
        "468800e-2",
        "-12e3",
    ])
}
