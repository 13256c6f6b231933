//! The LOG target of iptables and nftables, and what ufw, Shorewall, UniFi, SuSEfirewall and Proxmox put before it.
//!
//! Native names are the tokens of the kernel (`SRC`, `DST`, `SPT`, `DPT`, `PROTO`, `IN`, `OUT` …); flags without a value are in `FLAGS`. What was done is
//! only in the free text before the tokens (`prefix`): its word is `verdict`.

use super::{Device, Message, by_word, decisions, permits, put};
use crate::syslog::kind::Kind;
use jiff::tz::TimeZone;
use sigmund_engine::alias::Alias;
use sigmund_engine::{AliasTable, EventTime, Record, TimeSource};
use std::sync::{Arc, LazyLock};

pub(super) struct Iptables;

static KIND: Kind = Kind {
    name: "iptables",
    log_sources: &[
        ("iptables", "firewall", ""),
        ("linux", "firewall", "iptables"),
        ("linux", "", "kernel"),
        ("linux", "", "syslog"),
    ],
    aliases: &ALIASES,
};

static ALIASES: LazyLock<Arc<AliasTable>> = LazyLock::new(|| {
    let names = [
        Alias::to("src_ip", &["SRC"]),
        Alias::to("src_port", &["SPT"]),
        Alias::to("dst_ip", &["DST"]),
        Alias::to("dst_port", &["DPT"]),
        Alias::to("protocol", &["PROTO"]),
        Alias::to("src_mac", &["src_mac"]),
        Alias::to("in_interface", &["IN"]),
        Alias::to("out_interface", &["OUT"]),
        Alias::to("bytes", &["LEN"]),
    ];
    Arc::new(AliasTable::new(names.into_iter().chain(decisions!(&["verdict"], by_word))))
});

/// Where the tokens begin: the first `IN=` that stands after a space, a bracket or at the beginning; of Proxmox's packets that leave the machine the
/// first `OUT=`.
fn tokens(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    // Most messages have no `=` at all.
    memchr::memchr(b'=', bytes)?;
    let source = memchr::memmem::rfind(bytes, b" SRC=")?;
    let first = |name: &[u8]| {
        memchr::memmem::find_iter(&bytes[..source], name)
            .find(|at| *at == 0 || !bytes[at - 1].is_ascii_uppercase())
    };
    if let Some(at) = first(b"IN=") {
        return Some(at);
    }
    memchr::memmem::find(&bytes[source..], b" DST=")?;
    first(b"OUT=")
}

impl Device for Iptables {
    fn claims(&self, message: &Message<'_>) -> bool {
        tokens(message.text).is_some() || shorewall(message).is_some()
    }

    fn read(&self, message: &Message<'_>, record: &mut Record) -> &'static Kind {
        let text = message.text;
        let begin = tokens(text).unwrap_or(text.len());
        // A prefix such as `DENY:` is taken for a tag by the header.
        let prefix = text[..begin].trim_end();
        let own = uptime(prefix);
        let prefix =
            if own.is_empty() && message.program != "kernel" { message.program } else { own };
        put(record, "prefix", prefix.trim());
        put(record, "verdict", verdict(prefix));
        if let Some(rule) = rule(prefix) {
            put(record, "rule", rule);
        }
        let mut lengths = 0;
        let mut flags = String::new();
        let mut rest = text.get(begin..).unwrap_or("");
        while !rest.is_empty() {
            rest = rest.trim_start();
            // The packet that an ICMP error is about.
            if let Some(inner) = rest.strip_prefix('[') {
                let (inner, after) = inner.split_once(']').unwrap_or((inner, ""));
                for token in inner.split_ascii_whitespace() {
                    if let Some((name @ ("SRC" | "DST" | "SPT" | "DPT" | "PROTO"), value)) =
                        token.split_once('=')
                    {
                        let name = match name {
                            "SRC" => "ICMP_SRC",
                            "DST" => "ICMP_DST",
                            "SPT" => "ICMP_SPT",
                            "DPT" => "ICMP_DPT",
                            _ => "ICMP_PROTO",
                        };
                        put(record, name, value);
                    }
                }
                rest = after;
                continue;
            }
            let (token, after) = rest.split_once(' ').unwrap_or((rest, ""));
            rest = after;
            match token.split_once('=') {
                Some(("LEN", value)) => {
                    // The second is the UDP payload's.
                    put(record, if lengths == 0 { "LEN" } else { "UDP_LEN" }, value);
                    lengths += 1;
                }
                Some(("MAC", value)) => {
                    put(record, "MAC", value);
                    // Destination, source, type.
                    if value.len() >= 41
                        && value.is_char_boundary(17)
                        && value.is_char_boundary(18)
                        && value.is_char_boundary(35)
                    {
                        put(record, "dst_mac", &value[..17]);
                        put(record, "src_mac", &value[18..35]);
                    }
                }
                None if token == "OPT" => {
                    let (options, after) = rest.split_once(')').unwrap_or((rest, ""));
                    put(record, "OPT", options.trim_start_matches('('));
                    rest = after;
                }
                Some((name, value)) if name.bytes().all(|b| b.is_ascii_uppercase()) => {
                    put(record, name, value)
                }
                Some(_) => {}
                None if !token.is_empty()
                    && token.len() <= 12
                    && token.bytes().all(|b| b.is_ascii_uppercase()) =>
                {
                    if !flags.is_empty() {
                        flags.push(' ');
                    }
                    flags.push_str(token);
                }
                None => {}
            }
        }
        put(record, "FLAGS", &flags);
        &KIND
    }

    /// Proxmox writes the time into the prefix.
    fn time(&self, message: &Message<'_>, zone: &TimeZone) -> Option<EventTime> {
        let begin = tokens(message.text)?;
        let prefix = &message.text[..begin];
        let slash = prefix.find('/')?;
        let at = prefix[..slash].rfind(' ')? + 1;
        let (crate::time::syslog::Written::Civil(stamp), _) =
            crate::time::syslog::read(&prefix[at..])?
        else {
            return None;
        };
        Some(EventTime {
            nanos: stamp.instant(stamp.year?, zone)?,
            source: TimeSource::Field("prefix"),
            year_inferred: false,
            zone_assumed: stamp.offset.is_none(),
        })
    }

    fn kinds(&self) -> &'static [&'static Kind] {
        static KINDS: &[&Kind] = &[&KIND];
        KINDS
    }
}

/// A line that only has Shorewall's prefix.
fn shorewall<'a>(message: &Message<'a>) -> Option<&'a str> {
    let text = message.text;
    match text.as_bytes().first()? {
        b'S' => text.starts_with("Shorewall:").then_some(text),
        b'[' => uptime(text).starts_with("Shorewall:").then_some(text),
        _ => None,
    }
}

/// The prefix without the kernel's `[16571.459614] `.
fn uptime(prefix: &str) -> &str {
    let Some(inner) = prefix.strip_prefix('[') else { return prefix };
    match inner.split_once(']') {
        Some((clock, rest))
            if !clock.is_empty()
                && clock.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b' ')) =>
        {
            rest.trim_start()
        }
        _ => prefix,
    }
}

/// The word of decision in a prefix: `[UFW BLOCK]`, `Shorewall:net2fw:DROP:`, `policy DROP:`, `SFW2-INext-ACC-TCP`, `[WAN_LOCAL-default-D]`.
fn verdict(prefix: &str) -> &str {
    // UniFi: rule set, rule, and a letter, in brackets.
    if let Some((rule, _)) = prefix.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        for part in rule.rsplit('-').take(2) {
            match part {
                "D" => return "DROP",
                "A" => return "ACCEPT",
                "R" => return "REJECT",
                _ => {}
            }
        }
    }
    let words =
        || prefix.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    // The last word that decides: names of chains come before it.
    let decides = |word: &&str| {
        word.len() > 2 && !word.eq_ignore_ascii_case("nat") && permits(word).is_some()
    };
    if let Some(word) = words().rfind(decides) {
        return word;
    }
    if words().any(|word| word == "ACC") {
        return "ACCEPT";
    }
    ""
}

/// The rule in UniFi's and Shorewall's prefixes.
fn rule(prefix: &str) -> Option<&str> {
    if let Some((rule, _)) = prefix.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return rule.contains('-').then_some(rule);
    }
    let at = prefix.find("Shorewall:")?;
    prefix[at + 10..].split(':').next()
}

#[cfg(test)]
mod tests {
    use crate::firewall::tests::{field, flow, read};

    const TAIL: &str = "MAC=90:10:20:76:8d:20:90:10:65:29:b6:2a:08:00 SRC=175.16.199.1 DST=10.4.0.5 LEN=52 TOS=0x00 DF PROTO=TCP SPT=38842 DPT=443 WINDOW=2853 RES=0x00 ACK SYN URGP=0 OPT (0204) ";

    #[test]
    fn prefixes_decide() {
        for (program, prefix, blocked, action) in [
            ("kernel", "[wan-lan-default-D]IN=eth0 OUT= ", "true", "DROP,deny,drop,block"),
            ("kernel", "[ 12.5] [UFW BLOCK] IN=eth0 OUT= ", "true", "BLOCK,deny,drop,block"),
            (
                "kernel",
                "[12.5] Shorewall:net2fw:ACCEPT:IN=eth0 OUT= ",
                "false",
                "ACCEPT,accept,allow,forward",
            ),
            (
                "",
                "[WAN_LOCAL-A-2147483647] DESCR=\"[WAN_LOCAL]Block All Traffic\" IN=eth8 OUT= ",
                "false",
                "ACCEPT,accept,allow,forward",
            ),
            ("kernel", "SFW2-INext-ACC-TCP IN=eth0 OUT= ", "false", "ACCEPT,accept,allow,forward"),
            ("DENY", "IN=eth0 OUT= ", "true", "DENY,deny,drop,block"),
            (
                "",
                "0 3 PVEFW-HOST-IN 20/Jun/2022:13:09:14 +0200 policy DROP: IN=vmbr0 ",
                "true",
                "DROP,deny,drop,block",
            ),
            ("kernel", "[16571.459614] IN= OUT=lo ", "", ""),
            // What goes out of the machine itself has no `IN=`.
            (
                "",
                "0 1 PVEFW-HOST-OUT 21/Aug/2023:10:16:23 +0200 REJECT: OUT=vmbr0.7 ",
                "true",
                "REJECT,deny,drop,block",
            ),
            (
                "",
                "101 6 tap101i0-OUT 21/Aug/2023:10:16:23 +0200 DROP: OUT=tap1 ",
                "true",
                "DROP,deny,drop,block",
            ),
            ("", "[  12.678] IN=eth0 OUT= ", "", ""),
        ] {
            assert_eq!(
                flow(program, &format!("{prefix}{TAIL}")),
                format!("175.16.199.1:38842>10.4.0.5:443 {blocked} {action}"),
                "{prefix}"
            );
        }
    }

    #[test]
    fn tokens_and_the_packet_inside() {
        let (record, _) = read(
            "kernel",
            &format!("IN=eth0 OUT= {TAIL}[SRC=1.1.1.1 DST=2.2.2.2 PROTO=UDP SPT=1 DPT=2 LEN=40 ]"),
        );
        let field = |name| field(&record, name).unwrap_or_default();
        assert_eq!(field("FLAGS"), "DF ACK SYN");
        assert_eq!((field("SRC"), field("ICMP_SRC")), ("175.16.199.1".into(), "1.1.1.1".into()));
        assert_eq!((field("src_mac"), field("OPT")), ("90:10:65:29:b6:2a".into(), "0204".into()));
    }
}
