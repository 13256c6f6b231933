//! Huawei VRP and Juniper Junos: what routing rules need, and SRX flow logs.

use super::{Device, Message, by_word, decisions, put};
use crate::syslog::kind::{Kind, NO_ALIASES};
use sigmund_engine::alias::Alias;
use sigmund_engine::{AliasTable, Record};
use std::sync::{Arc, LazyLock};

/// `%%01BGP/3/BGP_AUTH_FAILED(l)[12]: …`
pub(super) struct Huawei;

static HUAWEI: Kind =
    Kind { name: "huawei", log_sources: &[("huawei", "", "syslog")], aliases: &NO_ALIASES };
static HUAWEI_BGP: Kind = Kind {
    name: "huawei bgp",
    log_sources: &[("huawei", "", "bgp"), ("huawei", "", "syslog")],
    aliases: &NO_ALIASES,
};

impl Device for Huawei {
    fn claims(&self, message: &Message<'_>) -> bool {
        message.text.starts_with("%%01")
            || (message.text.starts_with("%%")
                && message.text.get(2..4).is_some_and(|v| v.bytes().all(|b| b.is_ascii_digit())))
    }

    fn read(&self, message: &Message<'_>, record: &mut Record) -> &'static Kind {
        let text = message.text.get(4..).unwrap_or("");
        let head = text.split([':', ' ']).next().unwrap_or("");
        let mut parts = head.split('/');
        let module = parts.next().unwrap_or("");
        put(record, "module", module);
        put(record, "level", parts.next().unwrap_or(""));
        let brief = parts.next().unwrap_or("").split(['(', '[']).next().unwrap_or("");
        put(record, "mnemonic", brief);
        if module == "BGP" || brief.starts_with("BGP_") { &HUAWEI_BGP } else { &HUAWEI }
    }

    fn kinds(&self) -> &'static [&'static Kind] {
        static KINDS: &[&Kind] = &[&HUAWEI, &HUAWEI_BGP];
        KINDS
    }
}

/// Messages whose tag or MSGID is a Junos one (`RPD_…`, `RT_FLOW…`), rpd's own, and those of the kernel, whose name there has a slash.
pub(super) struct Junos;

static JUNOS: Kind =
    Kind { name: "juniper", log_sources: &[("juniper", "", "syslog")], aliases: &NO_ALIASES };
static JUNOS_BGP: Kind = Kind {
    name: "juniper bgp",
    log_sources: &[("juniper", "", "bgp"), ("juniper", "", "syslog")],
    aliases: &NO_ALIASES,
};
static SRX: Kind = Kind {
    name: "juniper flow",
    log_sources: &[("juniper", "firewall", "rt_flow")],
    aliases: &SRX_ALIASES,
};

static SRX_ALIASES: LazyLock<Arc<AliasTable>> = LazyLock::new(|| {
    let names = [
        Alias::to("src_ip", &["source-address"]),
        Alias::to("src_port", &["source-port"]),
        Alias::to("dst_ip", &["destination-address"]),
        Alias::to("dst_port", &["destination-port"]),
        Alias::to("protocol", &["protocol-name", "protocol-id"]),
        Alias::to("rule", &["policy-name"]),
    ];
    Arc::new(AliasTable::new(names.into_iter().chain(decisions!(&["verdict"], by_word))))
});

/// The Junos event tag of a message: its MSGID, or the first word of the text.
fn event<'a>(message: &Message<'a>) -> &'a str {
    if message.message_id.is_empty() {
        message.text.split([':', ' ']).next().unwrap_or("")
    } else {
        message.message_id
    }
}

impl Device for Junos {
    fn claims(&self, message: &Message<'_>) -> bool {
        let event = event(message);
        matches!(message.program, "rpd" | "/kernel")
            || message.text.starts_with("tcp_auth_ok: ")
            || message.program.starts_with("RPD_")
            || message.program.starts_with("RT_")
            || event.starts_with("RT_FLOW")
            || event.starts_with("RPD_")
            || event.starts_with("APPTRACK_")
    }

    fn read(&self, message: &Message<'_>, record: &mut Record) -> &'static Kind {
        let event = event(message);
        let event = if message.program.starts_with("RPD_") { message.program } else { event };
        // `kernel: tcp_auth_ok: Packet from 1.2.3.4:179 missing MD5 digest` comes from rpd's neighbour; BGP shows itself by its port.
        if event.starts_with("RPD_BGP")
            || message.text.contains("BGP")
            || message.text.contains(":179")
        {
            put(record, "mnemonic", event);
            return &JUNOS_BGP;
        }
        if !(event.starts_with("RT_FLOW_SESSION") || event.starts_with("APPTRACK_SESSION")) {
            put(record, "mnemonic", event);
            return &JUNOS;
        }
        put(record, "mnemonic", event);
        let verdict = if event.contains("_DENY") { "deny" } else { "permit" };
        put(record, "verdict", verdict);
        // `session denied 10.0.0.1/53->10.0.0.2/53 …`; the structured form has its names in the structured data.
        if let Some(at) = message.text.find("->") {
            let left = message.text[..at].rsplit(' ').next().unwrap_or("");
            let right = message.text[at + 2..].split(' ').next().unwrap_or("");
            for (text, address, port) in [
                (left, "source-address", "source-port"),
                (right, "destination-address", "destination-port"),
            ] {
                if let Some((ip, number)) = text.rsplit_once('/') {
                    put(record, address, ip);
                    put(record, port, number);
                }
            }
        }
        &SRX
    }

    fn kinds(&self) -> &'static [&'static Kind] {
        static KINDS: &[&Kind] = &[&JUNOS, &JUNOS_BGP, &SRX];
        KINDS
    }
}

#[cfg(test)]
mod tests {
    use crate::firewall::tests::{flow, read};

    #[test]
    fn bgp_and_flows() {
        assert_eq!(read("", "%%01BGP/3/BGP_AUTH_FAILED(l)[1]: 10.1.1.1:179").1.name, "huawei bgp");
        for program in ["/kernel", "kernel"] {
            let text = "tcp_auth_ok: Packet from 10.1.1.1:179 missing MD5 digest";
            assert_eq!(read(program, text).1.name, "juniper bgp");
        }
        assert_eq!(read("/kernel", "link up").1.name, "juniper");
        assert_eq!(read("rpd", "RPD_BGP_NEIGHBOR_STATE_CHANGED: x").1.name, "juniper bgp");
        assert_eq!(
            flow(
                "RT_FLOW",
                "RT_FLOW_SESSION_DENY: session denied 10.0.0.1/5053->10.0.0.2/53 junos-dns-udp 17(0)"
            ),
            "10.0.0.1:5053>10.0.0.2:53 true deny,deny,drop,block"
        );
    }
}
