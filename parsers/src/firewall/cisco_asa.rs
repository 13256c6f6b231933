//! Cisco ASA, FTD, FWSM and PIX (Cisco Secure Firewall ASA Series Syslog Messages).
//!
//! The messages are prose: a table says for the common ids how endpoints are written ([`SHAPES`]), and the rest is searched for the same phrases.
//! FTD's 430001 to 430005 are `Key: value` lists and keep their keys.
//!
//! `src_…` is who opened the connection: in `Built outbound` (and inbound ICMP) messages that is the second endpoint of the text.

use super::{Device, Message, decisions, permits, put};
use crate::syslog::kind::{Kind, Triple};
use sigmund_engine::alias::Alias;
use sigmund_engine::{AliasTable, Record};
use std::sync::{Arc, LazyLock};

pub(super) struct CiscoAsa;

kinds! {
    ASA = "cisco asa": &[("cisco", "firewall", "asa"), ("cisco", "", "syslog")];
    ASA_AAA = "cisco asa aaa": &[("cisco", "firewall", "asa"), ("cisco", "", "aaa"), ("cisco", "", "syslog")];
    FTD = "cisco ftd": &[("cisco", "firewall", "ftd"), ("cisco", "", "syslog")];
    FTD_AAA = "cisco ftd aaa": &[("cisco", "firewall", "ftd"), ("cisco", "", "aaa"), ("cisco", "", "syslog")];
    FTD_FILE = "cisco ftd file": &[("cisco", "firewall", "ftd"), ("cisco", "antivirus", "ftd"), ("cisco", "", "syslog")];
}

static ALIASES: LazyLock<Arc<AliasTable>> = LazyLock::new(|| {
    let names = [
        Alias::to("src_ip", &["SrcIP"]),
        Alias::to("src_port", &["SrcPort"]),
        Alias::to("dst_ip", &["DstIP"]),
        Alias::to("dst_port", &["DstPort"]),
        Alias::to("protocol", &["Protocol"]),
        Alias::to("username", &["User", "src_user", "dst_user"]),
        Alias::to("user", &["username", "User", "src_user"]),
        Alias::to("rule", &["AccessControlRuleName", "access_list"]),
        Alias::to("url", &["URL", "URI"]),
        Alias::to("Signature", &["ThreatName"]),
        Alias::to("Filename", &["FileName"]),
    ];
    Arc::new(AliasTable::new(names.into_iter().chain(decisions!(&["verdict", "reason"], decide))))
});

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

/// How a message names its endpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    /// `from A … to B`
    FromTo,
    /// `for A to B`
    ForTo,
    /// `src A dst B`
    SrcDst,
    /// `A -> B`
    Arrow,
    /// `faddr A gaddr B laddr C`
    Icmp,
    /// `from laddr A … to B`
    Laddr,
    /// `A Accessed URL B:…`
    Url,
    /// `SRC A DEST B`
    DeniedUrl,
    /// `between A and B`
    Between,
    /// `Local:A:p Remote:B:p`
    LocalRemote,
    /// `local-host if:A`
    LocalHost,
    /// Names and addresses of users: `Group = g, Username = u, IP = a` and its variants.
    User,
    /// FTD's list.
    List,
    /// Nothing to find.
    None,
}

/// The common ids; ids of one shape in ranges.
const SHAPES: &[(u32, u32, Shape)] = &[
    (106_001, 106_002, Shape::FromTo),
    (106_006, 106_007, Shape::FromTo),
    (106_010, 106_014, Shape::SrcDst),
    (106_015, 106_017, Shape::FromTo),
    (106_018, 106_018, Shape::SrcDst),
    (106_020, 106_022, Shape::FromTo),
    (106_023, 106_023, Shape::SrcDst),
    (106_100, 106_103, Shape::Arrow),
    (110_002, 110_003, Shape::FromTo),
    (111_001, 111_010, Shape::User),
    (113_003, 113_042, Shape::User),
    (302_003, 302_004, Shape::FromTo),
    (302_013, 302_016, Shape::ForTo),
    (302_020, 302_021, Shape::Icmp),
    (302_022, 302_027, Shape::ForTo),
    (302_303, 302_306, Shape::FromTo),
    (303_002, 303_005, Shape::FromTo),
    (304_001, 304_001, Shape::Url),
    (304_002, 304_002, Shape::DeniedUrl),
    (305_005, 305_006, Shape::SrcDst),
    (305_009, 305_012, Shape::FromTo),
    (305_013, 305_013, Shape::SrcDst),
    (313_001, 313_001, Shape::FromTo),
    (313_004, 313_004, Shape::Laddr),
    (313_005, 313_005, Shape::SrcDst),
    (313_008, 313_009, Shape::FromTo),
    (315_011, 315_011, Shape::User),
    (322_001, 322_001, Shape::FromTo),
    (338_001, 338_310, Shape::FromTo),
    (402_116, 402_120, Shape::FromTo),
    (405_001, 405_002, Shape::FromTo),
    (410_001, 410_002, Shape::FromTo),
    (419_001, 419_002, Shape::FromTo),
    (430_001, 430_005, Shape::List),
    (434_001, 434_007, Shape::FromTo),
    (500_004, 500_004, Shape::FromTo),
    (502_101, 502_112, Shape::User),
    (507_001, 507_003, Shape::FromTo),
    (602_303, 602_304, Shape::Between),
    (605_004, 605_005, Shape::FromTo),
    (607_001, 607_001, Shape::FromTo),
    (609_001, 609_002, Shape::LocalHost),
    (611_101, 611_103, Shape::User),
    (710_001, 710_006, Shape::FromTo),
    (713_001, 713_999, Shape::User),
    (716_001, 716_060, Shape::User),
    (722_001, 722_060, Shape::User),
    (725_001, 725_017, Shape::FromTo),
    (733_100, 733_105, Shape::None),
    (734_001, 734_004, Shape::User),
    (746_001, 746_019, Shape::User),
    (750_001, 750_015, Shape::LocalRemote),
    (751_001, 751_031, Shape::LocalRemote),
    (769_001, 769_009, Shape::User),
    (805_001, 805_003, Shape::FromTo),
];

/// Where no table helps: the phrases, most telling first.
const ANY: &[Shape] = &[
    Shape::Arrow,
    Shape::Icmp,
    Shape::SrcDst,
    Shape::FromTo,
    Shape::ForTo,
    Shape::Between,
    Shape::LocalRemote,
    Shape::User,
];

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
        let found = SHAPES.partition_point(|(_, last, _)| *last < id);
        match SHAPES.get(found).filter(|(first, _, _)| *first <= id) {
            Some((_, _, Shape::List)) => list(text, record),
            Some((_, _, shape)) => {
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
            430_004 | 430_005 => &FTD_FILE,
            // Commands, logins, AAA.
            111_001..=111_010
            | 113_001..=113_999
            | 502_101..=502_112
            | 605_004..=605_005
            | 611_101..=611_103 => {
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

/// An endpoint: `[if:]addr[/port][(user or mapped)]`, `if/addr(port)`.
#[derive(Clone, Copy, Debug, Default)]
struct Endpoint<'a> {
    interface: &'a str,
    address: &'a str,
    port: &'a str,
    mapped_address: &'a str,
    mapped_port: &'a str,
    user: &'a str,
}

impl<'a> Endpoint<'a> {
    /// Reads one at the beginning; what follows.
    fn read(text: &'a str) -> (Self, &'a str) {
        let mut endpoint = Self::default();
        let text = text.trim_start();
        // `(0.0.0.0)`: the address itself in parentheses.
        if let Some(inside) = text.strip_prefix('(') {
            let (address, rest) = inside.split_once(')').unwrap_or((inside, ""));
            endpoint.address = address;
            return (endpoint, rest);
        }
        let end = text.find([' ', ',', '(', ';']).unwrap_or(text.len());
        let (core, mut rest) = text.split_at(end);
        endpoint.core(core.trim_end_matches(['.', ':']));
        // Groups in parentheses: mapped address, user, port.
        loop {
            let next = rest.trim_start();
            let Some(inside) = next.strip_prefix('(') else { break };
            let Some((group, after)) = inside.split_once(')') else { break };
            let group = group.split('(').next().unwrap_or(group);
            if group.starts_with("type ") {
                break;
            }
            if endpoint.port.is_empty()
                && !group.is_empty()
                && group.bytes().all(|byte| byte.is_ascii_digit())
            {
                endpoint.port = group;
                if let Some((interface, address)) =
                    core.split_once('/').filter(|_| endpoint.interface.is_empty())
                {
                    (endpoint.interface, endpoint.address) = (interface, address);
                }
            } else if let Some((_, user)) = group.split_once('\\') {
                endpoint.user = user;
            } else if let Some((address, port)) = group.rsplit_once('/') {
                (endpoint.mapped_address, endpoint.mapped_port) = (address, port);
            } else if group.parse::<std::net::IpAddr>().is_ok() {
                endpoint.mapped_address = group;
            }
            rest = after;
        }
        // `if/addr(port)` whose digits were taken for a port of the address.
        (endpoint, rest)
    }

    fn core(&mut self, core: &'a str) {
        let (address, port) = match core.rsplit_once('/') {
            Some((address, port)) => (address, port),
            None => (core, ""),
        };
        let plain = |text: &str| text.parse::<std::net::IpAddr>().is_ok();
        // `if/addr` without a port yet.
        if !port.is_empty() && (plain(port) || port.contains('.')) && !address.contains(':') {
            (self.interface, self.address) = (address, port);
            return;
        }
        (self.address, self.port) = (address, port);
        if !plain(address)
            && let Some((interface, address)) = address.split_once(':')
        {
            (self.interface, self.address) = (interface, address);
        }
        if let Some((user, address)) = self.address.split_once('@') {
            (self.user, self.address) = (user, address);
        }
    }

    fn put(&self, source: bool, record: &mut Record) {
        let names = if source {
            ["src_interface", "src_ip", "src_port", "mapped_src_ip", "mapped_src_port", "src_user"]
        } else {
            ["dst_interface", "dst_ip", "dst_port", "mapped_dst_ip", "mapped_dst_port", "dst_user"]
        };
        let values = [
            self.interface,
            self.address,
            self.port,
            self.mapped_address,
            self.mapped_port,
            self.user,
        ];
        for (name, value) in names.iter().zip(values) {
            put(record, name, value);
        }
    }
}

/// Both ends, the first being the source unless `swapped`.
fn both(
    source: &Endpoint<'_>,
    destination: &Endpoint<'_>,
    swapped: bool,
    record: &mut Record,
) -> bool {
    source.put(!swapped, record);
    destination.put(swapped, record);
    true
}

/// Whether a text at an endpoint's place can be one.
fn looks_like_endpoint(text: &str) -> bool {
    let token = text.split([' ', ',']).next().unwrap_or("");
    token.contains(['.', ':', '/']) && token.len() > 2 || token.starts_with('(')
}

impl Shape {
    /// Sets what it finds; whether it found anything.
    fn read(self, text: &str, record: &mut Record) -> bool {
        match self {
            Self::FromTo => pair(text, " from ", " to ", record),
            Self::ForTo => pair(text, " for ", " to ", record),
            Self::SrcDst => {
                pair(text, " src ", " dst ", record) || pair(text, " from ", " to ", record)
            }
            Self::Arrow => arrow(text, record),
            Self::Icmp => {
                let Some((_, after)) = text.split_once("faddr ") else { return false };
                let (foreign, _) = Endpoint::read(after);
                let Some((_, after)) = text.split_once("laddr ") else { return false };
                let (local, rest) = Endpoint::read(after);
                // The numbers behind the slashes are ICMP's, not ports.
                let bare = |end: &Endpoint<'_>| [end.address.to_owned(), end.user.to_owned()];
                let ([foreign, foreign_user], [local, local_user]) = (bare(&foreign), bare(&local));
                let inbound = text.contains(" inbound ");
                let (source, destination) =
                    if inbound { (&foreign, &local) } else { (&local, &foreign) };
                put(record, "src_ip", source);
                put(record, "dst_ip", destination);
                let (user, other) = if inbound {
                    (&foreign_user, &local_user)
                } else {
                    (&local_user, &foreign_user)
                };
                put(record, "src_user", user);
                put(record, "dst_user", other);
                if let Some((_, kind)) = rest.split_once("type ") {
                    put(record, "icmp_type", kind.split([' ', ',']).next().unwrap_or(""));
                }
                true
            }
            Self::Laddr => {
                let Some((_, after)) = text.split_once("laddr ") else { return false };
                let (source, rest) = Endpoint::read(after);
                source.put(true, record);
                if let Some((_, after)) = rest.split_once(" to ") {
                    Endpoint::read(after).0.put(false, record);
                }
                true
            }
            Self::Url => {
                let Some((before, after)) = text.split_once(" Accessed ") else { return false };
                Endpoint::read(before).0.put(true, record);
                let after = after.split_once("URL ").map_or(after, |(_, after)| after);
                let (host, url) = after.split_once(':').unwrap_or((after, ""));
                let (user, host) = host.split_once('@').unwrap_or(("", host));
                put(record, "username", user);
                put(record, "dst_ip", host);
                put(record, "url", url);
                true
            }
            Self::DeniedUrl => {
                if let Some((_, url)) = text.split_once("URL ") {
                    put(record, "url", url.split(' ').next().unwrap_or(""));
                }
                pair(text, " SRC ", " DEST ", record)
            }
            Self::Between => {
                if let Some((_, user)) = text.split_once("(user= ") {
                    put(record, "username", user.split(')').next().unwrap_or(""));
                }
                pair(text, " between ", " and ", record)
            }
            Self::LocalRemote => {
                let end = |name: &str| {
                    let (_, after) = text.split_once(name)?;
                    let word = after.split(' ').next()?;
                    word.rsplit_once(':')
                };
                let (Some((local, local_port)), Some((remote, remote_port))) =
                    (end("Local:"), end("Remote:"))
                else {
                    return false;
                };
                put(record, "src_ip", local);
                put(record, "src_port", local_port);
                put(record, "dst_ip", remote);
                put(record, "dst_port", remote_port);
                if let Some((_, user)) = text.split_once("Username:") {
                    put(record, "username", user.split(' ').next().unwrap_or(""));
                }
                true
            }
            Self::LocalHost => {
                let Some((_, after)) = text.split_once("local-host ") else { return false };
                Endpoint::read(after).0.put(true, record);
                true
            }
            Self::User => users(text, record),
            Self::List => {
                list(text, record);
                true
            }
            Self::None => false,
        }
    }
}

/// `A` behind the first text, `B` behind the second.
fn pair(text: &str, first: &str, second: &str, record: &mut Record) -> bool {
    let mut rest = text;
    // `for TCP from if:addr`: the phrase may occur before the endpoints.
    loop {
        let Some((_, after)) = rest.split_once(first) else { return false };
        rest = after;
        if looks_like_endpoint(after) {
            break;
        }
    }
    let (mut source, after) = Endpoint::read(rest);
    source.user = named_user(after, " to ").unwrap_or(source.user);
    // Users and hostnames in parentheses may have the phrase inside; they are read with the endpoint.
    let second_at = after
        .find(second)
        .map(|at| &after[at + second.len()..])
        .filter(|rest| looks_like_endpoint(rest));
    match second_at {
        Some(rest) => {
            let (mut destination, after) = Endpoint::read(rest);
            destination.user = named_user(after, " duration ").unwrap_or(destination.user);
            both(
                &source,
                &destination,
                first == " for " && text.starts_with("Built outbound "),
                record,
            )
        }
        None => {
            source.put(true, record);
            true
        }
    }
}

/// A user behind an endpoint without parentheses: one word before the text that comes next.
fn named_user<'a>(after: &'a str, next: &str) -> Option<&'a str> {
    let (user, _) = after.split_once(next)?;
    let user = user.strip_prefix(' ')?;
    (!user.is_empty() && !user.contains([' ', '(', ','])).then_some(user)
}

/// `access-list x permitted tcp if/A(p) -> if/B(p)`, also with a user before the arrow.
fn arrow(text: &str, record: &mut Record) -> bool {
    let Some((before, after)) = text.split_once(" -> ") else { return false };
    let before = before.trim_end();
    // Back to the word with the address: a group may stand between.
    let mut begin = before.len();
    let mut source = Endpoint::default();
    for _ in 0..4 {
        begin = before[..begin].rfind(' ').map_or(0, |at| at);
        let word = before[begin..].trim_start();
        if !word.starts_with('(') && looks_like_endpoint(word) {
            source = Endpoint::read(word).0;
            break;
        }
        if begin == 0 {
            break;
        }
    }
    let (destination, _) = Endpoint::read(after);
    both(&source, &destination, false, record)
}

/// Users and their addresses in the many notations of AAA and VPN messages.
fn users(text: &str, record: &mut Record) -> bool {
    let mut found = false;
    let mut first = |name: &str, befores: &[&str], ends: &[char]| {
        for before in befores {
            if let Some((_, after)) = text.split_once(before) {
                let value = after.trim_start().split(ends).next().unwrap_or("");
                if !value.is_empty() {
                    record.set(name, value);
                    found = true;
                    return;
                }
            }
        }
    };
    const ENDS: &[char] = &[',', ' ', '>', ';', '\'', '"', ')'];
    first("group", &["Group <", "Group = ", "group = ", "Group "], ENDS);
    if !text.contains("User '") {
        first(
            "username",
            &[
                "Username = ",
                "User <",
                "user = ",
                "User = ",
                "Uname: ",
                "DAP: User ",
                "User: ",
                "(user= ",
                " User ",
                "login failed. User ",
            ],
            ENDS,
        );
    }
    first(
        "src_ip",
        &[
            "user IP = ",
            "IP address: ",
            "IP <",
            "IP = ",
            "from IP ",
            "Addr ",
            "Source Ip: ",
            " IP ",
            "from ",
        ],
        ENDS,
    );
    found
}

/// `Key: value, Key: value`: a comma only ends a value if a key follows it.
fn list(text: &str, record: &mut Record) {
    let mut rest = text;
    let mut decided = false;
    for _ in 0..256 {
        let Some((name, after)) = rest.split_once(": ") else { return };
        let mut end = after.len();
        let mut next = after.len();
        for at in memchr::memmem::find_iter(after.as_bytes(), b", ") {
            // Keys are short: a look at a few bytes, however long the value is.
            let key = &after.as_bytes()[at + 2..];
            let key = &key[..key.len().min(43)];
            let length = memchr::memmem::find(key, b": ")
                .or_else(|| (key.last() == Some(&b':')).then(|| key.len() - 1));
            if let Some(length) = length
                && key[0].is_ascii_uppercase()
                && key[..length]
                    .iter()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b' ' | b'_'))
            {
                (end, next) = (at, at + 2);
                break;
            }
        }
        let value = &after[..end];
        put(record, name.trim(), value);
        if !decided
            && matches!(name.trim(), "AccessControlRuleAction" | "InlineResult" | "FileAction")
        {
            let word = if value.contains("Block") { "Block" } else { value };
            put(record, "verdict", word);
            decided = true;
        }
        rest = &after[next..];
    }
}

#[cfg(test)]
mod tests {
    use crate::firewall::tests::{field, flow, read};

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
