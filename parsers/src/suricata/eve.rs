//! Suricata's EVE JSON.

use super::{alias, route};
use crate::StreamInfo;
use crate::json::schema::{Discriminator, Get, JsonSchema};
use sigmund_engine::{AliasTable, Route};
use std::sync::Arc;

/// EVE events.
#[derive(Clone, Copy, Debug)]
pub struct Eve;

const DISCRIMINATORS: &[Discriminator] = &[
    Discriminator::value("event_type"),
    Discriminator::presence("timestamp"),
    Discriminator::presence("flow_id"),
    Discriminator::presence("src_ip"),
    // Events on packets that have neither flow nor addresses.
    Discriminator::presence("arp.src_ip"),
    Discriminator::presence("alert.signature_id"),
    Discriminator::presence("anomaly.type"),
];

/// The event types of Suricata's schema. Others are Suricata's if they have a flow.
const EVENT_TYPES: &[&str] = &[
    "alert",
    "anomaly",
    "arp",
    "bittorrent_dht",
    "dcerpc",
    "dhcp",
    "dnp3",
    "dns",
    "drop",
    "enip",
    "fileinfo",
    "firewall",
    "flow",
    "frame",
    "ftp",
    "ftp_data",
    "http",
    "http2",
    "ike",
    "ikev2",
    "igmp",
    "krb5",
    "ldap",
    "llmnr",
    "mdns",
    "metadata",
    "modbus",
    "mqtt",
    "netflow",
    "nfs",
    "ntp",
    "packet",
    "pgsql",
    "pop3",
    "quic",
    "rdp",
    "rfb",
    "sip",
    "smb",
    "smtp",
    "snmp",
    "ssh",
    "stats",
    "tftp",
    "tls",
    "websocket",
];

impl JsonSchema for Eve {
    fn name(&self) -> &'static str {
        "suricata"
    }

    fn discriminators(&self) -> &'static [Discriminator] {
        DISCRIMINATORS
    }

    fn recognise(&self, get: Get<'_>, _: &StreamInfo) -> bool {
        let Some(event_type) = get("event_type") else { return false };
        let known = EVENT_TYPES.contains(&event_type);
        let has = |name: &str| get(name).is_some();
        let objects = ["src_ip", "arp.src_ip", "alert.signature_id", "anomaly.type"];
        has("timestamp")
            && (has("flow_id")
                || (known && (event_type == "stats" || objects.into_iter().any(has))))
    }

    fn route(&self, get: Get<'_>, info: &StreamInfo) -> Arc<Route> {
        let event_type = get("event_type").unwrap_or_default();
        // A type is the log's own text: what cannot be one is not made a service of.
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        let event_type = match event_type {
            "" => "unknown",
            text if text.len() <= 32 && text.bytes().all(plain) => text,
            _ => "unknown",
        };
        route::route(&info.routing, event_type, &|name| get(name).map(str::to_owned))
    }

    fn aliases(&self) -> Vec<Arc<AliasTable>> {
        vec![Arc::clone(alias::table())]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(fields: &[(&str, &str)]) -> Option<String> {
        let info = StreamInfo::new("eve.json", 0);
        let get = |name: &str| fields.iter().find(|(have, _)| *have == name).map(|(_, text)| *text);
        Eve.recognise(&get, &info).then(|| Eve.route(&get, &info).name.to_string())
    }

    #[test]
    fn events_are_known_by_type_and_flow() {
        let flow = [("timestamp", ""), ("flow_id", "")];
        let with = |event_type| of(&[&[("event_type", event_type)], &flow[..]].concat());
        assert_eq!(with("dns").as_deref(), Some("suricata dns"));
        assert_eq!(with("brandnew").as_deref(), Some("suricata brandnew"));
        assert_eq!(with("any text at all").as_deref(), Some("suricata unknown"));
        let stats = [("event_type", "stats"), ("timestamp", "")];
        assert_eq!(of(&stats).as_deref(), Some("suricata stats"));
        let bare = [("event_type", "alert"), ("timestamp", ""), ("src_ip", "")];
        assert_eq!(of(&bare).as_deref(), Some("suricata alert"));
        assert_eq!(of(&[("event_type", "authentication"), ("timestamp", "")]), None);
        assert_eq!(of(&[("event_type", "dns"), ("flow_id", "")]), None);
    }
}
