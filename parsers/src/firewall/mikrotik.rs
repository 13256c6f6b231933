//! MikroTik RouterOS: `firewall,info drop-in input: in:ether1 out:(unknown 0), …, proto TCP (SYN), 1.2.3.4:5->6.7.8.9:10, len 40`.

use super::{Device, Message, by_word, decisions, permits, put};
use crate::syslog::kind::Kind;
use sigmund_engine::{AliasTable, Record};
use std::sync::{Arc, LazyLock};

pub(super) struct Mikrotik;

static FIREWALL: Kind = Kind {
    name: "mikrotik firewall",
    log_sources: &[("mikrotik", "firewall", "")],
    aliases: &ALIASES,
};

static SYSTEM: Kind =
    Kind { name: "mikrotik", log_sources: &[("mikrotik", "", "system")], aliases: &ALIASES };

static ALIASES: LazyLock<Arc<AliasTable>> =
    LazyLock::new(|| Arc::new(AliasTable::new(decisions!(&["verdict"], by_word))));

impl Device for Mikrotik {
    fn claims(&self, message: &Message<'_>) -> bool {
        let text = message.text;
        text.starts_with("firewall,")
            || text.starts_with("system,")
            || (text.starts_with("in:") && text.contains(" out:") && text.contains("proto "))
            || (message.program.is_empty()
                && text.contains(": in:")
                && text.contains(" out:")
                && text.contains(", proto "))
    }

    fn read(&self, message: &Message<'_>, record: &mut Record) -> &'static Kind {
        let text = message.text;
        let (topics, rest) = match text.split_once(' ') {
            Some((topics, rest)) if topics.contains(',') => (topics, rest),
            _ => ("", text),
        };
        put(record, "topics", topics);
        let Some(at) = rest.find("in:").filter(|_| rest.contains(" out:")) else {
            // `login failure for user admin from 10.0.0.1 via winbox`
            if let Some((what, who)) =
                rest.split_once(" for user ").or_else(|| rest.split_once("user "))
            {
                let (user, from) = who.split_once(" from ").unwrap_or((who, ""));
                put(record, "user", user.split(' ').next().unwrap_or(""));
                let (from, method) = from.split_once(" via ").unwrap_or((from, ""));
                put(record, "src_ip", from);
                put(record, "method", method);
                if what.contains("failure") {
                    put(record, "outcome", "failure");
                } else if from.len() < rest.len() && rest.contains(" logged in ") {
                    put(record, "outcome", "success");
                }
            }
            return &SYSTEM;
        };
        // Prefix and chain: `drop-in input: `.
        let before = rest[..at].trim_end_matches([' ', ':']);
        let (prefix, chain) = before.rsplit_once(' ').unwrap_or(("", before));
        put(record, "prefix", prefix);
        put(record, "chain", if chain.is_empty() { message.program } else { chain });
        let verdict =
            prefix.split(|c: char| !c.is_ascii_alphanumeric()).find(|word| permits(word).is_some());
        put(record, "verdict", verdict.unwrap_or(""));
        for part in rest[at..].split(", ") {
            for item in part.split(' ') {
                match item.split_once(':') {
                    Some(("in", value)) => put(record, "in_interface", value),
                    Some(("out", value)) => {
                        put(record, "out_interface", value.trim_matches(['(', ')']))
                    }
                    Some(("connection-state", value)) => put(record, "connection_state", value),
                    _ => {}
                }
            }
            if let Some(protocol) = part.strip_prefix("proto ") {
                put(record, "protocol", protocol.split(' ').next().unwrap_or(""));
            } else if let Some((_, mac)) = part.split_once("src-mac ") {
                put(record, "src_mac", mac);
            } else if let Some(length) = part.strip_prefix("len ") {
                put(record, "length", length);
            } else if let Some((source, destination)) = part.split_once("->") {
                for (text, ip, port) in
                    [(source, "src_ip", "src_port"), (destination, "dst_ip", "dst_port")]
                {
                    let (address, number) = match text.rsplit_once(':') {
                        Some((address, number))
                            if text.starts_with('[') || !address.contains(':') =>
                        {
                            (address, number)
                        }
                        _ => (text, ""),
                    };
                    put(record, ip, address.trim_matches(['[', ']']));
                    put(record, port, number);
                }
            }
        }
        &FIREWALL
    }

    fn kinds(&self) -> &'static [&'static Kind] {
        static KINDS: &[&Kind] = &[&FIREWALL, &SYSTEM];
        KINDS
    }
}

#[cfg(test)]
mod tests {
    use crate::firewall::tests::{field, flow, read};

    #[test]
    fn flows_and_logins() {
        assert_eq!(
            flow(
                "",
                "firewall,info drop-tcp input: in:ether1-WAN out:(unknown 0), connection-state:new src-mac 00:17:10:88:bc:02, proto TCP (SYN), 36.97.161.219:59388->81.82.202.145:23, len 40"
            ),
            "36.97.161.219:59388>81.82.202.145:23 true drop,deny,drop,block"
        );
        assert_eq!(
            flow(
                "forward",
                "in:bridge out:ether1, proto TCP (SYN), [2001:db8::1]:40384->[2001:db8::2]:20461, len 24"
            ),
            "2001:db8::1:40384>2001:db8::2:20461  "
        );
        let (record, _) = read(
            "",
            "system,error,critical login failure for user admin from 10.10.0.35 via winbox",
        );
        assert_eq!(field(&record, "user").as_deref(), Some("admin"));
        assert_eq!(field(&record, "src_ip").as_deref(), Some("10.10.0.35"));
    }
}
