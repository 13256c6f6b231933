//! Firewalls and network devices: one file per vendor and one line in [`DEVICES`].
//!
//! A device sees a message after its syslog header, or the whole line if there was none. It sets native fields; the names that
//! firewall rules use (`src_ip`, `src_port`, `dst_ip`, `dst_port`, `action`, `blocked`, `username`) are aliases, or native where the text
//! has no names at all. What was done stands in the vendor's word (`verdict`, or its own field), and `action` offers besides it the canonical words:
//! accept, allow, forward and `blocked` = `false`; deny, drop, block and `blocked` = `true`.

mod cisco_asa;
mod cisco_ios;
mod fortigate;
mod iptables;
mod mikrotik;
mod paloalto;
mod pf;
mod routers;

use crate::syslog::kind::Kind;
use jiff::tz::TimeZone;
use sigmund_engine::{EventTime, Record};

/// A message as devices see it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Message<'a> {
    /// The tag, if there was one.
    pub(crate) program: &'a str,
    /// RFC 5424 MSGID.
    pub(crate) message_id: &'a str,
    /// The message, or the line.
    pub(crate) text: &'a str,
}

/// A vendor's messages.
pub(crate) trait Device: Sync {
    /// Whether the message is its own: a look at a few bytes.
    fn claims(&self, message: &Message<'_>) -> bool;

    /// Sets the fields; the kind of the event.
    fn read(&self, message: &Message<'_>, record: &mut Record) -> &'static Kind;

    /// The time in the message itself, where it is better than a header's.
    fn time(&self, message: &Message<'_>, zone: &TimeZone) -> Option<EventTime> {
        let _ = (message, zone);
        None
    }

    /// All its kinds.
    fn kinds(&self) -> &'static [&'static Kind];
}

/// All devices; the first that claims a message has it.
pub(crate) static DEVICES: &[&dyn Device] = &[
    &cisco_asa::CiscoAsa,
    &cisco_ios::CiscoIos,
    &cisco_ios::CiscoServers,
    &pf::Pf,
    &fortigate::FortiGate,
    &paloalto::PaloAlto,
    &iptables::Iptables,
    &mikrotik::Mikrotik,
    &routers::Huawei,
    &routers::Junos,
];

/// Whether a vendor's word for what it did means that the traffic passed; `None` if it says neither.
fn permits(word: &str) -> Option<bool> {
    let mut lower = [0; 24];
    let bytes = word.trim().as_bytes();
    let lower = lower.get_mut(..bytes.len())?;
    lower.copy_from_slice(bytes);
    lower.make_ascii_lowercase();
    let is = |prefix: &[u8]| lower.starts_with(prefix);
    if [
        &b"den"[..],
        b"drop",
        b"block",
        b"reject",
        b"reset",
        b"discard",
        b"refuse",
        b"prevent",
        b"sinkhole",
        b"rst",
        b"quarantine",
        b"random-drop",
    ]
    .iter()
    .any(|prefix| is(prefix))
    {
        return Some(false);
    }
    if [&b"accept"[..], b"allow", b"pass", b"permit", b"built", b"forward", b"trust", b"fastpath", b"alert", b"continue", b"rdr", b"nat", b"encrypt", b"decrypt", b"bypass", b"monitor"]
        .iter()
        .any(|prefix| is(prefix))
        // FortiGate: how a session that was let through ended.
        || matches!(&*lower, b"close" | b"timeout" | b"client-rst" | b"server-rst" | b"ip-conn" | b"dns" | b"start" | b"log" | b"detected")
    {
        return Some(true);
    }
    None
}

/// Writes the `index`th canonical word for a decision.
fn canonical(permitted: Option<bool>, index: usize, out: &mut String) -> bool {
    let words = match permitted {
        Some(true) => ["accept", "allow", "forward"],
        Some(false) => ["deny", "drop", "block"],
        None => return false,
    };
    out.push_str(words[index]);
    true
}

/// Writes `blocked`.
fn blocked(permitted: Option<bool>, out: &mut String) -> bool {
    match permitted {
        Some(permitted) => {
            out.push_str(if permitted { "false" } else { "true" });
            true
        }
        None => false,
    }
}

/// The aliases `action` and `blocked` from fields: the first holds the vendor's word, `$decide` says from the texts of all whether the
/// traffic passed.
macro_rules! decisions {
    ($from:expr, $decide:expr) => {{
        use sigmund_engine::alias::{Alias, Pick, Source};
        const FROM: &[&str] = $from;
        let canonical = |compute: fn(&[Option<&str>], &mut String) -> bool| Source::Computed {
            from: FROM,
            compute,
            what: "accept or deny",
        };
        [
            Alias::with(
                "action",
                Pick::Alternates,
                [
                    Source::Field(FROM[0].into()),
                    canonical(|texts, out| crate::firewall::canonical($decide(texts), 0, out)),
                    canonical(|texts, out| crate::firewall::canonical($decide(texts), 1, out)),
                    canonical(|texts, out| crate::firewall::canonical($decide(texts), 2, out)),
                ],
            ),
            Alias::with(
                "blocked",
                Pick::First,
                [Source::Computed {
                    from: FROM,
                    compute: |texts, out| crate::firewall::blocked($decide(texts), out),
                    what: "whether it was denied",
                }],
            ),
        ]
    }};
}
use decisions;

/// The decision by the first text.
fn by_word(texts: &[Option<&str>]) -> Option<bool> {
    texts.first().copied().flatten().and_then(permits)
}

/// Sets a field if there is something to set.
fn put(record: &mut Record, name: &str, text: &str) {
    if !text.is_empty() {
        record.set(name, text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sigmund_engine::AliasTable;
    use sigmund_engine::alias::Source;

    /// Reads a message with the device that claims it: native fields as `name=value|…`, and its kind.
    pub(super) fn read(program: &str, text: &str) -> (Record, &'static Kind) {
        let message = Message { program, message_id: "", text };
        let device = DEVICES.iter().find(|device| device.claims(&message)).expect("a device");
        let mut record = Record::collecting();
        let kind = device.read(&message, &mut record);
        (record, kind)
    }

    pub(super) fn field(record: &Record, name: &str) -> Option<String> {
        let value = record.fields.first(record.fields.find(name)?)?;
        Some(String::from_utf8_lossy(record.fields.bytes(b"", value)).into_owned())
    }

    /// All values that a rule would see under that name.
    pub(crate) fn seen(record: &Record, aliases: &AliasTable, name: &str) -> Vec<String> {
        if let Some(value) = field(record, name) {
            return vec![value];
        }
        let Some(alias) = aliases.get(name) else { return Vec::new() };
        let mut values = Vec::new();
        for source in alias.sources.iter() {
            match source {
                Source::Field(name) => values.extend(field(record, name)),
                Source::Computed { from, compute, .. } => {
                    let texts: Vec<Option<String>> =
                        from.iter().map(|name| field(record, name)).collect();
                    let texts: Vec<Option<&str>> = texts.iter().map(Option::as_deref).collect();
                    let mut out = String::new();
                    if compute(&texts, &mut out) {
                        values.push(out);
                    }
                }
                Source::Element { .. } => {}
            }
            if alias.pick == sigmund_engine::alias::Pick::First && !values.is_empty() {
                break;
            }
        }
        values
    }

    /// The firewall names of an event: `src_ip:src_port>dst_ip:dst_port blocked action`.
    pub(super) fn flow(program: &str, text: &str) -> String {
        let (record, kind) = read(program, text);
        let first = |name| seen(&record, kind.aliases, name).into_iter().next().unwrap_or_default();
        format!(
            "{}:{}>{}:{} {} {}",
            first("src_ip"),
            first("src_port"),
            first("dst_ip"),
            first("dst_port"),
            first("blocked"),
            seen(&record, kind.aliases, "action").join(",")
        )
    }

    #[test]
    fn words_of_decision() {
        for (word, expected) in [
            ("Deny", Some(false)),
            ("drop-icmp", Some(false)),
            ("BLOCK", Some(false)),
            ("client-rst", Some(true)),
            ("permitted", Some(true)),
            ("reset-both", Some(false)),
            ("Built", Some(true)),
            ("Teardown", None),
            ("", None),
            ("a very long word that is no decision at all", None),
        ] {
            assert_eq!(permits(word), expected, "{word}");
        }
    }

    #[test]
    fn kinds_have_one_name_each() {
        let mut names: Vec<&str> =
            DEVICES.iter().flat_map(|device| device.kinds()).map(|kind| kind.name).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
