//! Cisco ASA, FTD, FWSM and PIX (Cisco Secure Firewall ASA Series Syslog Messages).
//!
//! The messages are prose: a table says for the common ids how endpoints are written ([`messages`]), and the rest is searched for the same phrases.
//! FTD's 430001 to 430005 are `Key: value` lists and keep their keys.
//!
//! `src_…` is who opened the connection: in `Built outbound` (and inbound ICMP) messages that is the second endpoint of the text.

mod endpoints;
mod messages;

use super::{Device, Message, decisions, permits, put};
use crate::syslog::kind::{Kind, kinds};
use endpoints::list;
use messages::{ANY, Shape, shape};
use sigmund_engine::alias::{Alias, Pick, Source};
use sigmund_engine::{AliasTable, Record};
use std::sync::{Arc, LazyLock};

pub(super) struct CiscoAsa;

kinds! {
    ALIASES;
    ASA = "cisco asa", &[("cisco", "firewall", "asa"), ("cisco", "", "syslog")];
    ASA_AAA = "cisco asa aaa", &[("cisco", "firewall", "asa"), ("cisco", "", "aaa"), ("cisco", "", "syslog")];
    FTD = "cisco ftd", &[("cisco", "firewall", "ftd"), ("cisco", "", "syslog")];
    FTD_AAA = "cisco ftd aaa", &[("cisco", "firewall", "ftd"), ("cisco", "", "aaa"), ("cisco", "", "syslog")];
    FTD_MALWARE = "cisco ftd malware", &[("cisco", "firewall", "ftd"), ("cisco", "antivirus", "ftd"), ("cisco", "", "syslog")];
}

static ALIASES: LazyLock<Arc<AliasTable>> = LazyLock::new(|| {
    let names = [
        Alias::to("src_ip", &["SrcIP"]),
        Alias::to("src_port", &["SrcPort"]),
        Alias::to("dst_ip", &["DstIP"]),
        Alias::to("dst_port", &["DstPort"]),
        Alias::to("protocol", &["Protocol"]),
        Alias::with("username", Pick::First, [listed(), field("src_user"), field("dst_user")]),
        Alias::with("user", Pick::First, [field("username"), listed(), field("src_user")]),
        Alias::to("rule", &["AccessControlRuleName", "access_list"]),
        Alias::to("url", &["URL", "URI"]),
        Alias::to("Signature", &["ThreatName"]),
        Alias::to("Filename", &["FileName"]),
    ];
    Arc::new(AliasTable::new(names.into_iter().chain(decisions!(&["verdict", "reason"], decide))))
});

fn field(name: &'static str) -> Source {
    Source::Field(name.into())
}

/// FTD's `User`: a name, or that none was asked for.
fn listed() -> Source {
    Source::Computed {
        from: &["User"],
        compute: |texts, out| {
            let name = texts.first().copied().flatten();
            let name = name.filter(|name| *name != "No Authentication Required");
            out.push_str(name.unwrap_or(""));
            name.is_some()
        },
        what: "the user, unless none was asked for",
    }
}

/// A teardown only tells a decision by its reason.
fn decide(texts: &[Option<&str>]) -> Option<bool> {
    let verdict = texts.first().copied().flatten()?;
    if !verdict.eq_ignore_ascii_case("teardown") {
        return permits(verdict);
    }
    let reason = texts.get(1).copied().flatten().unwrap_or("").to_ascii_lowercase();
    ["deny", "denied", "dropped", "terminated by ips", "by inspection"]
        .iter()
        .any(|word| reason.contains(word))
        .then_some(false)
}

/// `[%]ASA-[group-]sev-id[:] text` cut.
struct Mnemonic<'a> {
    device: &'a str,
    level: &'a str,
    id: &'a str,
    text: &'a str,
}

fn mnemonic(text: &str) -> Option<Mnemonic<'_>> {
    let inner = text.trim_start_matches('%');
    let (device, rest) = inner.split_once('-')?;
    if !matches!(device, "ASA" | "FTD" | "PIX" | "FWSM") {
        return None;
    }
    let end = rest.find([':', ' ']).unwrap_or(rest.len());
    let (code, after) = rest.split_at(end);
    let (front, id) = code.rsplit_once('-').unwrap_or(("", code));
    if id.len() != 6 || !id.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let level = front.rsplit('-').next().unwrap_or("");
    Some(Mnemonic {
        device,
        level,
        id,
        text: after.strip_prefix(':').unwrap_or(after).trim_start(),
    })
}

impl Device for CiscoAsa {
    fn claims(&self, message: &Message<'_>) -> bool {
        matches!(message.text.as_bytes().first(), Some(b'%' | b'A' | b'F' | b'P'))
            && mnemonic(message.text).is_some()
            || message.program == "SFIMS"
    }

    fn read(&self, message: &Message<'_>, record: &mut Record) -> &'static Kind {
        let Some(mnemonic) = mnemonic(message.text) else {
            list(message.text, record);
            return &FTD;
        };
        put(record, "device", mnemonic.device);
        put(record, "level", mnemonic.level);
        put(record, "message_id", mnemonic.id);
        let id: u32 = mnemonic.id.parse().unwrap_or(0);
        let text = mnemonic.text;
        match shape(id) {
            Some(Shape::List) => list(text, record),
            Some(shape) => {
                prose(text, record);
                shape.read(text, record);
            }
            None => {
                prose(text, record);
                let _ = ANY.iter().any(|shape| shape.read(text, record));
            }
        }
        let ftd = mnemonic.device == "FTD";
        match id {
            // 430004 tells of any file that was seen.
            430_005 => &FTD_MALWARE,
            // Commands and what they do to the configuration. Rules of this service look for words of commands: what is said of logins and
            // users of the VPN (113…) is not for them.
            111_001..=111_010 => {
                if ftd {
                    &FTD_AAA
                } else {
                    &ASA_AAA
                }
            }
            _ if ftd => &FTD,
            _ => &ASA,
        }
    }

    fn kinds(&self) -> &'static [&'static Kind] {
        KINDS
    }
}

/// What all prose messages may say: the decision, protocol, list, reason, bytes, user.
fn prose(text: &str, record: &mut Record) {
    let mut verdict = "";
    let mut protocol = "";
    let mut words = text.split([' ', ',', ':', '(', ')']).filter(|word| !word.is_empty());
    for _ in 0..16 {
        let Some(word) = words.next() else { break };
        if verdict.is_empty()
            && (permits(word).is_some() || matches!(word, "Teardown" | "Accessed"))
            && !matches!(word, "alert" | "monitor")
            && !word.starts_with(|c: char| c.is_ascii_digit())
        {
            verdict = word;
        }
        if protocol.is_empty() && word.len() <= 8 {
            let is = |name: &str| word.eq_ignore_ascii_case(name);
            if is("tcp")
                || is("udp")
                || is("icmp")
                || is("icmp6")
                || is("sctp")
                || is("gre")
                || is("esp")
                || is("ip") && word == "IP"
            {
                protocol = word;
            } else if is("protocol") {
                protocol = words.next().unwrap_or("").trim_start_matches('=');
            }
        }
        if !verdict.is_empty() && !protocol.is_empty() {
            break;
        }
    }
    let verdict = if verdict == "Accessed" { "permitted" } else { verdict };
    put(record, "verdict", verdict);
    put(record, "protocol", protocol);
    for (name, before, ends) in [
        ("access_list", "access-group \"", &['"'][..]),
        ("access_list", "access-list ", &[' ']),
        ("connection_id", "connection ", &[' ', ',']),
        ("bytes", " bytes ", &[' ']),
        ("duration", " duration ", &[' ']),
        ("interface", " on interface ", &[' ', '.', ':']),
    ] {
        if let Some((_, after)) = text.split_once(before) {
            let value = after.split(ends).next().unwrap_or("");
            if name != "connection_id" || value.bytes().all(|byte| byte.is_ascii_digit()) {
                put(record, name, value);
            }
        }
    }
    // What stands behind the byte count of a teardown, and users in parentheses at the end.
    if verdict == "Teardown"
        && let Some((_, after)) = text.split_once(" bytes ")
    {
        let reason = after.trim_start_matches(|c: char| c.is_ascii_digit()).trim();
        let reason = reason.split(" (").next().unwrap_or("").trim_start_matches("from ");
        put(record, "reason", if reason.starts_with('(') { "" } else { reason });
    }
    if let Some((_, user)) = text
        .split_once("user \"")
        .or_else(|| text.split_once("User '"))
        .or_else(|| text.split_once("user '"))
    {
        put(record, "username", user.split(['"', '\'']).next().unwrap_or(""));
    } else if let Some((_, user)) = text.split_once(", user ") {
        put(record, "username", user.split([' ', ',']).next().unwrap_or(""));
    }
    if let Some((_, command)) = text.split_once("executed cmd: ") {
        put(record, "command", command);
    } else if let Some((_, command)) =
        text.split_once("executed the '").or_else(|| text.split_once("executed '"))
    {
        put(record, "command", command.split('\'').next().unwrap_or(""));
    }
}

#[cfg(test)]
mod tests {
    use crate::firewall::tests::{field, flow, read, seen};

    #[test]
    fn endpoints_in_all_notations() {
        for (text, expected) in [
            (
                "%ASA-6-302013: Built inbound TCP connection 11 for net:10.1.1.1/53500 (175.16.199.1/53500)(LOCAL\\bob) to fw:192.168.2.2/80 (8.8.5.4/80)",
                "10.1.1.1:53500>192.168.2.2:80 false Built,accept,allow,forward",
            ),
            (
                "%ASA-6-302013: Built outbound TCP connection 11 for outside:100.66.205.104/80 (100.66.205.104/80) to inside:172.31.98.44/1772 (172.31.98.44/1772)",
                "172.31.98.44:1772>100.66.205.104:80 false Built,accept,allow,forward",
            ),
            (
                "%ASA-6-302014: Teardown TCP connection 11749 for outside:100.66.211.242/80 to inside:172.31.98.44/1758 duration 0:01:07 bytes 38110 TCP Reset-I",
                "100.66.211.242:80>172.31.98.44:1758  Teardown",
            ),
            (
                "%ASA-6-302014: Teardown TCP connection 1 for o:1.1.1.1/80 to i:2.2.2.2/17 duration 0:00:07 bytes 0 Flow denied by access control",
                "1.1.1.1:80>2.2.2.2:17 true Teardown,deny,drop,block",
            ),
            (
                "%ASA-4-106023: Deny tcp src dmz:10.1.2.30/63016 dst outside:192.0.0.8/53 type 3, code 0, by access-group \"acl_dmz\" [0xe3aab522, 0x0]",
                "10.1.2.30:63016>192.0.0.8:53 true Deny,deny,drop,block",
            ),
            (
                "%ASA-4-106023: Deny tcp src outside:10.10.10.2/56444 dst srv:192.168.2.2/51635(host.domain) by access-group \"g\"",
                "10.10.10.2:56444>192.168.2.2:51635 true Deny,deny,drop,block",
            ),
            (
                "%ASA-session-5-106100: access-list acl_in permitted tcp inside/10.1.2.16(2241) -> outside/192.0.0.89(2000) hit-cnt 1",
                "10.1.2.16:2241>192.0.0.89:2000 false permitted,accept,allow,forward",
            ),
            (
                "%ASA-5-106100: access-list x denied tcp LB-DMZ/WHAT-IS-THIS-192.0.2.244(27218) -> OUTSIDE/203.0.113.42(53) hit-cnt 1",
                "WHAT-IS-THIS-192.0.2.244:27218>203.0.113.42:53 true denied,deny,drop,block",
            ),
            (
                "%ASA-2-106001: Inbound TCP connection denied from 10.13.12.11/45321 to 192.168.33.12/443 flags URG+SYN+RST on interface eth0",
                "10.13.12.11:45321>192.168.33.12:443 true denied,deny,drop,block",
            ),
            (
                "%ASA-2-106016: Deny IP spoof from (0.0.0.0) to 192.88.99.47 on interface Mobile",
                "0.0.0.0:>192.88.99.47: true Deny,deny,drop,block",
            ),
            (
                "%ASA-3-106014: Deny inbound icmp src fw111:10.10.10.10 dst fw112:10.10.10.11(type 8, code 0)",
                "10.10.10.10:>10.10.10.11: true Deny,deny,drop,block",
            ),
            (
                "%ASA-6-302021: Teardown ICMP connection for faddr 192.0.2.15/0 gaddr 192.0.2.134/57808 laddr 192.0.2.136/57808 type 8 code 0",
                "192.0.2.136:>192.0.2.15:  Teardown",
            ),
            (
                "%ASA-6-106018: ICMP packet type 8 denied by outbound list acl_out src 10.1.1.4 dest 192.0.2.1",
                "10.1.1.4:>192.0.2.1: true denied,deny,drop,block",
            ),
            (
                "%ASA-4-313004: Denied ICMP type=0, from laddr 10.10.10.10 on interface fw502 to 192.168.2.2: no matching session",
                "10.10.10.10:>192.168.2.2: true Denied,deny,drop,block",
            ),
            (
                "%ASA-4-338008: Dynamic Filter dropped blacklisted TCP traffic from inside:10.1.1.1/33340 (10.2.1.1/33340) to out:192.0.2.223/80 (192.0.2.223/80), destination",
                "10.1.1.1:33340>192.0.2.223:80 true dropped,deny,drop,block",
            ),
            (
                "%ASA-6-110002: Failed to locate egress interface for TCP from if:81.2.69.143/7777 to 192.168.2.2/1234",
                "81.2.69.143:7777>192.168.2.2:1234  ",
            ),
            (
                "%ASA-5-304001: 10.20.30.40(DOMAIN\\login) Accessed URL 10.11.12.13:http://example.org/",
                "10.20.30.40:>10.11.12.13: false permitted,accept,allow,forward",
            ),
            (
                "%ASA-7-999999: unknown from eth0:2001:db8::1/55 to 2001:db8::2/80",
                "2001:db8::1:55>2001:db8::2:80  ",
            ),
            (
                "%ASA-5-750002: Local:81.2.69.143:7777 Remote:192.168.2.2:500 Username:admin Received",
                "81.2.69.143:7777>192.168.2.2:500  ",
            ),
            (
                "%ASA-6-302016 Teardown UDP connection 40 for outside:10.44.4.4/500 to inside:10.44.2.2/500 duration 0:02:02 bytes 1416",
                "10.44.4.4:500>10.44.2.2:500  Teardown",
            ),
            (
                "%FTD-1-430002: AccessControlRuleAction: Block, SrcIP: 10.0.100.30, DstIP: 10.0.1.20, SrcPort: 1, DstPort: 2, URL: http://a, b: c/x, User: Bob",
                "10.0.100.30:1>10.0.1.20:2 true Block,deny,drop,block",
            ),
            (
                "%%PIX-6-605004: Login denied from 192.168.2.10/32597 to outside:192.168.2.14/ssh for user \"root\"",
                "192.168.2.10:32597>192.168.2.14:ssh true denied,deny,drop,block",
            ),
        ] {
            assert_eq!(flow("", text), expected, "{text}");
        }
    }

    #[test]
    fn only_malware_events_of_ftd_are_antivirus() {
        for (id, expected) in [("430004", "cisco ftd"), ("430005", "cisco ftd malware")] {
            let text =
                format!("%FTD-1-{id}: SrcIP: 10.0.1.20, FileAction: Detect, FileName: a.txt");
            assert_eq!(read("", &text).1.name, expected);
        }
    }

    #[test]
    fn only_commands_are_accounting() {
        for (text, kind) in [
            (
                "%ASA-5-111008: User 'enable_15' executed the 'username bob password *' command.",
                "cisco asa aaa",
            ),
            (
                "%FTD-5-111010: User 'a', running 'CLI' from IP 10.0.0.1, executed 'x'",
                "cisco ftd aaa",
            ),
            (
                "%ASA-6-113004: AAA user authentication Successful: server = 10.0.0.5 : user = a",
                "cisco asa",
            ),
            (
                "%ASA-4-113019: Group = RA, Username = a, IP = 198.51.100.7, Session disconnected.",
                "cisco asa",
            ),
            (
                "%ASA-6-605005: Login permitted from 10.1.1.1/6651 to i:10.1.1.2/ssh for user \"a\"",
                "cisco asa",
            ),
            (
                "%ASA-6-611101: User authentication succeeded: IP address: 10.1.1.1, Uname: a",
                "cisco asa",
            ),
        ] {
            assert_eq!(read("", text).1.name, kind, "{text}");
        }
    }

    #[test]
    fn that_nobody_had_to_log_in_is_no_name() {
        for (user, expected) in [("bob", "bob"), ("No Authentication Required", "")] {
            let text = format!("%FTD-1-430002: SrcIP: 10.0.1.20, User: {user}, Client: x");
            let (record, kind) = read("", &text);
            let get = |name| seen(&record, kind.aliases, name).join(",");
            assert_eq!(get("User"), user);
            assert_eq!((get("username"), get("user")), (expected.into(), expected.into()));
        }
    }

    #[test]
    fn users() {
        for (text, name, address) in [
            (
                "%ASA-6-113004: AAA user authentication Successful: server = 81.2.69.144 , User = alice",
                "alice",
                "",
            ),
            (
                "%ASA-6-113005: AAA user authentication Rejected: reason = AAA failure: server = 81.2.69.144 : user = *****: user IP = 172.31.98.44",
                "*****:",
                "172.31.98.44",
            ),
            (
                "%ASA-4-113019: Group = g, Username = bob, IP = 81.2.69.143, Session disconnected.",
                "bob",
                "81.2.69.143",
            ),
            (
                "%ASA-6-716039: Group <malcorp> User <eve> IP <172.31.98.44> Authentication: rejected",
                "eve",
                "172.31.98.44",
            ),
            (
                "%ASA-6-734001: DAP: User a@b.net, Addr 81.2.69.143, Connection AnyConnect: x",
                "a@b.net",
                "81.2.69.143",
            ),
            (
                "%ASA-5-111010: User 'enable_15', running 'CLI' from IP 10.10.0.87, executed 'clear'",
                "enable_15",
                "10.10.0.87",
            ),
            (
                "%ASA-6-611101: User authentication succeeded: IP address: 10.10.0.87, Uname: admin",
                "admin",
                "10.10.0.87",
            ),
            (
                "%ASA-6-605005: Login permitted from 10.10.0.87/6651 to FCD:10.10.1.254/ssh for user \"admin\"",
                "admin",
                "10.10.0.87",
            ),
        ] {
            let (record, _) = read("", text);
            let get = |name| field(&record, name).unwrap_or_default();
            assert_eq!((get("username"), get("src_ip")), (name.into(), address.into()), "{text}");
        }
    }
}
