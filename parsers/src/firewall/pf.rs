//! pf's filterlog of pfSense and OPNsense: comma separated columns by IP version and protocol (pfSense documentation, "Raw Filter Log Format").
//!
//! The text has no names; fields are called as firewall rules do, the others after the documentation.

use super::{Device, Message, by_word, decisions, put};
use crate::syslog::kind::Kind;
use sigmund_engine::alias::Alias;
use sigmund_engine::{AliasTable, Record};
use std::sync::{Arc, LazyLock};

pub(super) struct Pf;

static KIND: Kind = Kind {
    name: "pf filterlog",
    log_sources: &[
        ("pf", "firewall", "filterlog"),
        ("pfsense", "firewall", "filterlog"),
        ("opnsense", "firewall", "filterlog"),
    ],
    aliases: &ALIASES,
};

static ALIASES: LazyLock<Arc<AliasTable>> = LazyLock::new(|| {
    let names = [Alias::to("bytes", &["length"])];
    Arc::new(AliasTable::new(names.into_iter().chain(decisions!(&["verdict"], by_word))))
});

const COMMON: &[&str] = &[
    "rule",
    "subrule",
    "anchor",
    "tracker",
    "interface",
    "reason",
    "verdict",
    "direction",
    "ip_version",
];
const V4: &[&str] = &[
    "tos",
    "ecn",
    "ttl",
    "id",
    "offset",
    "flags",
    "protocol_id",
    "protocol",
    "length",
    "src_ip",
    "dst_ip",
];
const V6: &[&str] =
    &["class", "flow_label", "hop_limit", "protocol", "protocol_id", "length", "src_ip", "dst_ip"];
const TCP: &[&str] = &[
    "src_port",
    "dst_port",
    "data_length",
    "tcp_flags",
    "sequence",
    "ack",
    "window",
    "urgent",
    "options",
];
const UDP: &[&str] = &["src_port", "dst_port", "data_length"];
const ICMP: &[&str] = &["icmp_type", "icmp_data"];
const CARP: &[&str] = &["carp_type", "carp_ttl", "vhid", "carp_version", "advbase", "advskew"];

impl Device for Pf {
    fn claims(&self, message: &Message<'_>) -> bool {
        message.program == "filterlog" || (message.program.is_empty() && bare(message.text))
    }

    fn read(&self, message: &Message<'_>, record: &mut Record) -> &'static Kind {
        let mut columns = message.text.trim_end().split(',');
        let version = fill(COMMON, &mut columns, record);
        let protocol = match version {
            "4" => fill_ip(V4, 7, &mut columns, record),
            "6" => fill_ip(V6, 3, &mut columns, record),
            _ => "",
        };
        let names = if protocol.eq_ignore_ascii_case("tcp") {
            TCP
        } else if protocol.eq_ignore_ascii_case("udp") {
            UDP
        } else if protocol.get(..4).is_some_and(|head| head.eq_ignore_ascii_case("icmp")) {
            ICMP
        } else if protocol.eq_ignore_ascii_case("carp") {
            CARP
        } else {
            &[]
        };
        fill(names, &mut columns, record);
        &KIND
    }

    fn kinds(&self) -> &'static [&'static Kind] {
        static KINDS: &[&Kind] = &[&KIND];
        KINDS
    }
}

/// Sets columns in order; the last.
fn fill<'a>(
    names: &[&str],
    columns: &mut std::str::Split<'a, char>,
    record: &mut Record,
) -> &'a str {
    let mut last = "";
    for name in names {
        let Some(value) = columns.next() else { return "" };
        put(record, name, value);
        last = value;
    }
    last
}

/// The same; the column with that index.
fn fill_ip<'a>(
    names: &[&str],
    protocol: usize,
    columns: &mut std::str::Split<'a, char>,
    record: &mut Record,
) -> &'a str {
    let mut found = "";
    for (index, name) in names.iter().enumerate() {
        let Some(value) = columns.next() else { return found };
        put(record, name, value);
        if index == protocol {
            found = value;
        }
    }
    found
}

/// A line of columns without a header: rule number, and `match` or another reason in its place.
fn bare(text: &str) -> bool {
    text.as_bytes().first().is_some_and(u8::is_ascii_digit)
        && text.split(',').nth(6).is_some_and(|action| {
            matches!(
                action,
                "pass" | "block" | "reject" | "nat" | "rdr" | "binat" | "synproxy drop"
            )
        })
        && text.split(',').nth(8).is_some_and(|version| matches!(version, "4" | "6"))
}

#[cfg(test)]
mod tests {
    use crate::firewall::tests::{field, flow, read};

    #[test]
    fn columns_by_version_and_protocol() {
        assert_eq!(
            flow(
                "filterlog",
                "53,,,1000102631,em0,match,block,in,4,0x0,,64,892,0,none,6,tcp,44,10.0.2.2,10.0.2.15,59576,22,0,S,17536001,,65535,,mss"
            ),
            "10.0.2.2:59576>10.0.2.15:22 true block,deny,drop,block"
        );
        assert_eq!(
            flow(
                "",
                "621,,,164,vtnet0.10,match,pass,in,6,0x00,0x07c63,64,UDP,17,44,fd::69,fd::6,65382,443,8"
            ),
            "fd::69:65382>fd::6:443 false pass,accept,allow,forward"
        );
        let (record, _) = read(
            "filterlog",
            "82,,,1000002666,mvneta2,match,pass,out,6,0x00,0x00000,64,ICMPv6,58,8,fe80::1,ff02::1,type",
        );
        assert_eq!(field(&record, "icmp_type").as_deref(), Some("type"));
        assert_eq!(field(&record, "protocol").as_deref(), Some("ICMPv6"));
        // Cut short.
        assert_eq!(
            flow("filterlog", "82,,,1,em0,match,pass,out,4,0x0"),
            ":>: false pass,accept,allow,forward"
        );
    }
}
