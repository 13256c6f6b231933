//! Cisco IOS, IOS XE, NX-OS: `%FACILITY[-SUB]-SEVERITY-MNEMONIC: text`.
//!
//! The facility says the service (`bgp`, `ldp`, `aaa`, always `syslog`); access list messages are firewall events.

use super::{Device, Message, by_word, decisions, put};
use crate::syslog::kind::{Kind, NO_ALIASES, kinds};
use sigmund_engine::alias::Alias;
use sigmund_engine::{AliasTable, Record};
use std::sync::{Arc, LazyLock};

pub(super) struct CiscoIos;

kinds! {
    ALIASES;
    SYSLOG = "cisco ios", &[("cisco", "", "syslog")];
    AAA = "cisco aaa", &[("cisco", "", "aaa"), ("cisco", "", "syslog")];
    BGP = "cisco bgp", &[("cisco", "", "bgp"), ("cisco", "", "syslog")];
    LDP = "cisco ldp", &[("cisco", "", "ldp"), ("cisco", "", "syslog")];
    ACL = "cisco ios firewall", &[("cisco", "firewall", "ios"), ("cisco", "", "syslog")];
}

static ALIASES: LazyLock<Arc<AliasTable>> = LazyLock::new(|| {
    let names = [Alias::to("username", &["user"]), Alias::to("rule", &["access_list"])];
    Arc::new(AliasTable::new(names.into_iter().chain(decisions!(&["verdict"], by_word))))
});

/// Facility, severity, mnemonic, text.
fn mnemonic(text: &str) -> Option<(&str, &str, &str, &str)> {
    let inner = text.strip_prefix('%')?;
    let (code, text) = inner.split_once(':')?;
    // IOS XR: `%ROUTING-BGP-5-ADJCHANGE : text`.
    let code = code.trim_end();
    if code.len() > 80 || code.contains(' ') {
        return None;
    }
    // The severity is the part that is one digit.
    let mut at = 0;
    for part in code.split('-') {
        if part.len() == 1 && part.as_bytes()[0].is_ascii_digit() && at > 0 {
            let mnemonic = code.get(at + 2..)?;
            return Some((&code[..at - 1], part, mnemonic, text.trim_start()));
        }
        at += part.len() + 1;
    }
    None
}

impl Device for CiscoIos {
    fn claims(&self, message: &Message<'_>) -> bool {
        message.text.as_bytes().first() == Some(&b'%') && mnemonic(message.text).is_some()
    }

    fn read(&self, message: &Message<'_>, record: &mut Record) -> &'static Kind {
        let Some((module, level, name, text)) = mnemonic(message.text) else { return &SYSLOG };
        put(record, "module", module);
        put(record, "level", level);
        put(record, "mnemonic", name);
        if name.contains("ACCESSLOG") || name == "ACLLOG_FLOW_INTERVAL" {
            access_list(text, record);
            return &ACL;
        }
        if module == "IPS" || name == "SIGNATURE" {
            // `… [192.168.100.11:51654 -> 10.10.10.10:4444]`
            if let Some((_, flow)) = text.rsplit_once('[')
                && let Some((source, destination)) =
                    flow.trim_end_matches([']', ' ']).split_once(" -> ")
            {
                endpoint(source, ':', "src_ip", "src_port", record);
                endpoint(destination, ':', "dst_ip", "dst_port", record);
            }
            return &ACL;
        }
        // `[user: bob] [Source: 10.0.0.1] [localport: 22]`, `by bob on vty0 (10.0.0.1)`, `User:bob  logged command:…`
        for (field, before) in [
            ("user", "[user: "),
            ("src_ip", "[Source: "),
            ("dst_port", "[localport: "),
            ("reason", "[Reason: "),
        ] {
            if let Some((_, after)) = text.split_once(before) {
                put(record, field, after.split(']').next().unwrap_or(""));
            }
        }
        if let Some((_, after)) = text.split_once("User:") {
            put(record, "user", after.split([' ', ',']).next().unwrap_or(""));
        } else if let Some((_, after)) =
            text.split_once(" by ").filter(|_| name.starts_with("CONFIG"))
        {
            put(record, "user", after.split(' ').next().unwrap_or(""));
            if let Some((_, host)) = after.split_once('(') {
                put(record, "src_ip", host.split(')').next().unwrap_or(""));
            }
        }
        if let Some((_, command)) = text.split_once("logged command:") {
            put(record, "command", command);
        }
        match name {
            "LOGIN_SUCCESS" | "WEBLOGIN_SUCCESS" => record.set("outcome", "success"),
            "LOGIN_FAILED" | "LOGIN_AUTHENTICATION_FAILED" => record.set("outcome", "failure"),
            _ => {}
        }
        if module.contains("BGP") || name.contains("BADAUTH") || name.starts_with("BGP") {
            &BGP
        } else if module.contains("LDP") || text.contains("LDP") || name.contains("MD5_AUTHEN_FAIL")
        {
            &LDP
        } else if name.contains("ACCOUNTING")
            || module.starts_with("PARSER")
            || module.contains("TACACS")
            || module.contains("TAC")
            || module.starts_with("SEC_LOGIN")
            || module.starts_with("HA_EM")
            || module.starts_with("VSHD")
            || name.starts_with("CONFIG")
            || name.contains("LOGGEDCMD")
        {
            &AAA
        } else {
            &SYSLOG
        }
    }

    fn kinds(&self) -> &'static [&'static Kind] {
        KINDS
    }
}

/// `list 102 denied tcp 10.0.6.56(3067) [(if mac)] -> 172.36.4.7(139), 1 packet`.
fn access_list(text: &str, record: &mut Record) {
    let mut words = text.split_ascii_whitespace();
    while let Some(word) = words.next() {
        if matches!(word, "list" | "access-list") {
            put(record, "access_list", words.next().unwrap_or(""));
            put(record, "verdict", words.next().unwrap_or(""));
            break;
        }
    }
    let Some((before, after)) = text.split_once(" -> ") else {
        // Standard lists have a source only: `list 1 permitted 10.1.1.1 1 packet`.
        let address = words.find(|word| word.parse::<std::net::IpAddr>().is_ok());
        return put(record, "src_ip", address.unwrap_or(""));
    };
    // The interface in parentheses is not the source.
    let before = match before.find(" (") {
        Some(at) => &before[..at],
        None => before,
    };
    let mut last = before.rsplit(' ');
    endpoint(last.next().unwrap_or(""), '(', "src_ip", "src_port", record);
    let protocol = last.next().unwrap_or("");
    put(record, "protocol", if matches!(protocol, "denied" | "permitted") { "" } else { protocol });
    endpoint(after.split([',', ' ']).next().unwrap_or(""), '(', "dst_ip", "dst_port", record);
}

fn endpoint(text: &str, before_port: char, address: &str, port: &str, record: &mut Record) {
    let (ip, number) = text.rsplit_once(before_port).unwrap_or((text, ""));
    put(record, address, ip);
    put(record, port, number.trim_end_matches(')'));
}

/// Cisco ISE and ACS, the servers that network devices ask: `CISE_TACACS_Accounting 0000000001 1 0 …`.
pub(super) struct CiscoServers;

impl Device for CiscoServers {
    fn claims(&self, message: &Message<'_>) -> bool {
        let is = |text: &str| text.starts_with("CISE_") || text.starts_with("CSCOacs_");
        is(message.program) || is(message.text)
    }

    fn read(&self, message: &Message<'_>, record: &mut Record) -> &'static Kind {
        let name = match message.program {
            "" => message.text.split([' ', ':']).next().unwrap_or(""),
            program => program,
        };
        put(record, "mnemonic", name);
        // The commands that were typed on the devices.
        if name.ends_with("_TACACS_Accounting") { &SERVER_AAA } else { &SERVER }
    }

    fn kinds(&self) -> &'static [&'static Kind] {
        static KINDS: &[&Kind] = &[&SERVER, &SERVER_AAA];
        KINDS
    }
}

static SERVER: Kind = Kind {
    name: "cisco ise or acs",
    log_sources: &[("cisco", "", "ise"), ("cisco", "", "syslog")],
    aliases: &NO_ALIASES,
};
static SERVER_AAA: Kind = Kind {
    name: "cisco ise or acs aaa",
    log_sources: &[("cisco", "", "aaa"), ("cisco", "", "syslog")],
    aliases: &NO_ALIASES,
};

#[cfg(test)]
mod tests {
    use crate::firewall::tests::{field, flow, read};

    #[test]
    fn access_lists() {
        for (text, expected) in [
            (
                "%SEC-6-IPACCESSLOGP: list 102 denied tcp 10.0.6.56(3067) -> 172.36.4.7(139), 1 packet",
                "10.0.6.56:3067>172.36.4.7:139 true denied,deny,drop,block",
            ),
            (
                "%SEC-6-IPACCESSLOGP: list X permitted tcp 10.0.6.56(3067) (Gi0/0 aabb.ccdd.eeff) -> 1.2.3.4(80), 1 packet",
                "10.0.6.56:3067>1.2.3.4:80 false permitted,accept,allow,forward",
            ),
            (
                "%SEC-6-IPACCESSLOGDP: list 1 denied icmp 10.0.6.56 -> 1.2.3.4 (8/0), 1 packet",
                "10.0.6.56:>1.2.3.4: true denied,deny,drop,block",
            ),
            (
                "%SEC-6-IPACCESSLOGS: list 1 permitted 10.0.6.56 1 packet",
                "10.0.6.56:>: false permitted,accept,allow,forward",
            ),
            (
                "%IPS-4-SIGNATURE: Sig:3051 DoS [192.168.100.11:51654 -> 10.10.10.10:4444]",
                "192.168.100.11:51654>10.10.10.10:4444  ",
            ),
        ] {
            assert_eq!(flow("", text), expected, "{text}");
        }
    }

    #[test]
    fn services_by_facility() {
        for (text, kind) in [
            ("%SYS-5-CONFIG_I: Configured from console by bob on vty0 (10.0.0.1)", "cisco aaa"),
            ("%PARSER-5-CFGLOG_LOGGEDCMD: User:bob  logged command:no logging", "cisco aaa"),
            (
                "%AAA-6-AAA_ACCOUNTING_MESSAGE: update:10.0.0.1@pts/0:bob:no logging (SUCCESS)",
                "cisco aaa",
            ),
            // The rules of that service look for words of commands, `aaa` among them.
            ("%AAA-3-BADSERVERTYPEERROR: Cannot process authentication server type", "cisco ios"),
            ("%BGP-5-ADJCHANGE: neighbor 10.1.1.1 Up", "cisco bgp"),
            ("%TCP-6-BADAUTH: Invalid MD5 digest from 10.1.1.1(179)", "cisco bgp"),
            ("%LDP-5-NBRCHG: LDP Neighbor", "cisco ldp"),
            ("%LINEPROTO-5-UPDOWN: Line protocol", "cisco ios"),
            ("%WEBUI-6-INSTALL_OPERATION_INFO: User: x", "cisco ios"),
            ("%ROUTING-BGP-5-ADJCHANGE: x", "cisco bgp"),
            ("%ROUTING-BGP-5-ADJCHANGE : x", "cisco bgp"),
            ("%IP-TCP-3-BADAUTH : Invalid MD5 digest from 10.1.1.1:179", "cisco bgp"),
            ("%ROUTING-LDP-5-NBR_CHANGE : VRF 'default', Neighbor 10.1.1.1:0", "cisco ldp"),
            ("%MGBL-SYS-5-CONFIG_I : Configured from console by bob", "cisco aaa"),
        ] {
            assert_eq!(read("", text).1.name, kind, "{text}");
        }
        for (program, text, kind) in [
            ("", "CISE_TACACS_Accounting 0000000001 1 0 2026-11-22", "cisco ise or acs aaa"),
            ("CSCOacs_TACACS_Accounting", "0000000001 1 0 2026-11-22", "cisco ise or acs aaa"),
            ("", "CISE_Passed_Authentications 0001939187 4 1  Acs", "cisco ise or acs"),
        ] {
            assert_eq!(read(program, text).1.name, kind, "{text}");
        }
        let (record, _) =
            read("", "%SYS-5-CONFIG_I: Configured from console by bob on vty0 (10.0.0.1)");
        assert_eq!(field(&record, "user").as_deref(), Some("bob"));
        assert_eq!(field(&record, "src_ip").as_deref(), Some("10.0.0.1"));
    }
}
