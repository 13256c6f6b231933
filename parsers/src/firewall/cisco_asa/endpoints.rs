//! Reads the endpoints and users of a message as its [`Shape`] says.

use super::messages::Shape;
use crate::firewall::put;
use sigmund_engine::Record;

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
    pub(super) fn read(self, text: &str, record: &mut Record) -> bool {
        match self {
            Self::FromTo => pair(text, " from ", " to ", record),
            Self::ForTo => pair(text, " for ", " to ", record),
            Self::SrcDst => {
                let second = if text.contains(" dst ") { " dst " } else { " dest " };
                pair(text, " src ", second, record) || pair(text, " from ", " to ", record)
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
pub(super) fn list(text: &str, record: &mut Record) {
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
