//! OpenSSH server and dropbear.

use super::{between, digits, endpoint, is_address, put, source, word};
use sigmund_engine::Record;

/// Reads a message of sshd or sshd-session.
pub(super) fn read(message: &str, record: &mut Record) {
    let mut text = message.strip_suffix(" [preauth]").unwrap_or(message);
    for prefix in ["error: ", "fatal: ", "PAM: "] {
        text = text.strip_prefix(prefix).unwrap_or(text);
    }
    // `kernel: [  970.699397] Failed …`
    if let Some(inner) = text.strip_prefix("kernel:")
        && let Some((_, rest)) = inner.split_once(']')
    {
        text = rest.trim_start_matches([':', ' ']);
    }
    let text = text.trim_end();
    if let Some(rest) = text.strip_prefix("Accepted ") {
        login(rest, "success", record);
    } else if let Some(rest) = text.strip_prefix("Failed ") {
        login(rest, "failure", record);
    } else if let Some(rest) = text.strip_prefix("Postponed ") {
        login(rest, "", record);
    } else if let Some(rest) =
        text.strip_prefix("Invalid user ").or(text.strip_prefix("Illegal user "))
    {
        let (user, from) = split_from(rest);
        put(record, "user", user);
        address(from, record);
        failure(record, "invalid user");
    } else if let Some(rest) = text.strip_prefix("Disconnected from ").or_else(|| closed(text)) {
        peer(rest, record);
    } else if let Some(rest) = text.strip_prefix("Received disconnect from ") {
        address(rest, record);
        if let Some((_, reason)) = rest.split_once(": ") {
            put(
                record,
                "reason",
                reason.trim_start_matches(|c: char| c.is_ascii_digit() || c == ':' || c == ' '),
            );
        }
    } else if let Some(rest) =
        text.strip_prefix("User ").filter(|rest| !rest.starts_with("not known"))
    {
        not_allowed(rest, record);
    } else if let Some(rest) = text.strip_prefix("Disconnecting ").filter(|rest| {
        rest.starts_with("invalid user ") || rest.starts_with("authenticating user ")
    }) {
        let (who, reason) = rest.split_once(": ").unwrap_or((rest, ""));
        peer(who, record);
        put(record, "reason", reason);
    } else if let Some(rest) = text.strip_prefix("Connection from ") {
        address(rest, record);
        if let Some((_, local)) = rest.split_once(" on ") {
            put(record, "dst_ip", word(local));
            if let Some((_, port)) = local.split_once(" port ") {
                put(record, "dst_port", digits(port));
            }
        }
    } else if let Some(rest) = text.strip_prefix("reverse mapping checking getaddrinfo for ") {
        if let Some(ip) = between(rest, "[", "]") {
            source(record, ip);
        }
        put(record, "src_host", word(rest));
        put(record, "reason", "possible break-in attempt");
    } else if let Some(rest) = text.strip_prefix("Address ") {
        source(record, word(rest));
        if let Some((_, name)) = rest.split_once(" maps to ") {
            put(record, "src_host", name.split([',', ' ']).next().unwrap_or(""));
        }
        put(record, "reason", "possible break-in attempt");
    } else if let Some(rest) = text.strip_prefix("ROOT LOGIN REFUSED FROM ") {
        put(record, "user", "root");
        address(rest, record);
        failure(record, "root login refused");
    } else if let Some(rest) = text.strip_prefix("maximum authentication attempts exceeded for ") {
        name(rest, record);
        failure(record, "maximum authentication attempts exceeded");
    } else if let Some(rest) = text.strip_prefix("input_userauth_request: invalid user ") {
        put(record, "user", rest);
        failure(record, "invalid user");
    } else if let Some(rest) = text.strip_prefix("Timeout before authentication for ") {
        address(rest.strip_prefix("connection from ").unwrap_or(rest), record);
        failure(record, "timeout before authentication");
    } else if let Some(rest) = text.strip_prefix("Unable to negotiate with ") {
        address(rest, record);
        put(record, "reason", rest.split_once(": ").map_or("", |(_, reason)| reason));
    } else if let Some(rest) = text.strip_prefix("refused connect from ") {
        source(record, between(rest, "(", ")").unwrap_or(rest));
        failure(record, "refused connect");
    } else if let Some(rest) = text.strip_prefix("Starting session: ") {
        if let Some((_, who)) = rest.split_once(" for ") {
            put(record, "user", word(who));
        }
        tail_address(rest, record);
    } else if let Some((_, user)) = text.split_once(" by user ") {
        put(record, "user", word(user));
    } else if let Some((reason, who)) = pam_failure(text) {
        name(who.split(" via ").next().unwrap_or(who), record);
        failure(record, reason);
    } else if let Some((_, user)) = text.split_once("Too many authentication failures for ") {
        put(record, "user", word(user));
        failure(record, "too many authentication failures");
    } else {
        // `Did not receive identification string from …`, `banner exchange: Connection from …`
        tail_address(text, record);
    }
}

fn failure(record: &mut Record, reason: &str) {
    record.set("outcome", "failure");
    record.set("reason", reason);
}

fn closed(text: &str) -> Option<&str> {
    text.strip_prefix("Connection closed by ").or_else(|| text.strip_prefix("Connection reset by "))
}

/// `Authentication failure for [illegal user ]x from y`, `User not known to the underlying authentication module for …`.
fn pam_failure(text: &str) -> Option<(&str, &str)> {
    let (reason, who) = text.split_once(" for ")?;
    (reason.len() < 80
        && (reason.starts_with("Authentication ")
            || reason.starts_with("authentication ")
            || reason.starts_with("User not known")))
    .then_some((reason, who))
}

/// `METHOD for [invalid user ]USER from IP port N ssh2[: KEY]`.
fn login(rest: &str, outcome: &str, record: &mut Record) {
    let Some((method, who)) = rest.split_once(" for ") else {
        put(record, "outcome", outcome);
        return tail_address(rest, record);
    };
    put(record, "method", method);
    put(record, "outcome", outcome);
    name(who, record);
}

/// `[invalid user ]USER from IP …`.
fn name(who: &str, record: &mut Record) {
    let mut user = who;
    for prefix in ["invalid user ", "illegal user "] {
        if let Some(rest) = who.strip_prefix(prefix) {
            user = rest;
            put(record, "reason", "invalid user");
        }
    }
    // An empty name leaves `invalid user from …`.
    let (user, from) = match user.strip_prefix("from ") {
        Some(from) if !from.contains(" from ") => ("", from),
        _ => split_from(user),
    };
    put(record, "user", user);
    address(from, record);
}

/// Cuts at the last ` from ` that is not in the text after `ssh2:` or `ssh1: ruser`: names come from the client and may hold anything.
fn split_from(text: &str) -> (&str, &str) {
    let mut end = text.find(" ssh1: ruser").unwrap_or(text.len());
    while let Some(at) = text[..end].rfind(" from ") {
        if text[..at].ends_with(':') {
            end = at;
            continue;
        }
        return (&text[..at], &text[at + 6..]);
    }
    match text.strip_prefix("from ") {
        Some(from) => ("", from),
        None => (text, ""),
    }
}

/// `IP`, `IP port N …`, `IP: …`.
fn address(text: &str, record: &mut Record) {
    let text = text.trim_ascii_start();
    let first = word(text);
    if first.is_empty() {
        return;
    }
    source(record, if is_address(first) { first } else { first.trim_end_matches([':', ',']) });
    if let Some(port) = text[first.len()..].trim_start().strip_prefix("port ") {
        put(record, "src_port", digits(port));
    }
}

/// `[authenticating|invalid user NAME ]IP port N`: the name may have spaces, so the address is the last one.
fn peer(rest: &str, record: &mut Record) {
    let Some((kind, named)) = rest.split_once("user ") else { return address(rest, record) };
    if kind.len() > 24 || kind.trim_end().contains(' ') {
        return address(rest, record);
    }
    let (before, port) = match named.rfind(" port ") {
        Some(at) => (&named[..at], digits(&named[at + 6..])),
        None => (named, ""),
    };
    let (user, ip) = before.rsplit_once(' ').unwrap_or(("", before));
    put(record, "user", user);
    source(record, ip);
    put(record, "src_port", port);
    if kind.trim_end() == "invalid" {
        put(record, "reason", "invalid user");
    }
}

/// `NAME [from HOST ]not allowed because REASON`.
fn not_allowed(rest: &str, record: &mut Record) {
    let Some((who, reason)) = rest.split_once(" not allowed because ") else {
        return put(record, "user", word(rest));
    };
    let (user, from) = split_from(who);
    put(record, "user", user);
    address(from, record);
    failure(record, reason);
}

/// The address after the last ` from `.
fn tail_address(text: &str, record: &mut Record) {
    if let Some(at) = text.rfind(" from ") {
        let from = &text[at + 6..];
        // `Read from socket failed`
        if word(from).contains(['.', ':']) {
            address(from, record);
        }
    }
}

/// Reads a message of dropbear.
pub(super) fn read_dropbear(message: &str, record: &mut Record) {
    // `[825] Jul 10 23:53:52 Bad password …`: its own header.
    let mut text = message;
    if text.starts_with('[')
        && let Some((_, rest)) = text.split_once("] ")
    {
        text =
            crate::time::syslog::read(rest).map_or(rest, |(_, length)| rest[length..].trim_start());
    }
    let lower = text.get(..1).unwrap_or("").to_ascii_lowercase();
    let rest = text.get(1..).unwrap_or("");
    let outcome = match lower.as_str() {
        "b" if rest.starts_with("ad password attempt") || rest.starts_with("ad PAM password") => {
            "failure"
        }
        "l" if rest.starts_with("ogin attempt for nonexistent user") => "failure",
        "e" if rest.starts_with("xit before auth") => "failure",
        "p" if rest.contains(" auth succeeded for ") => "success",
        _ => "",
    };
    put(record, "outcome", outcome);
    if rest.contains("assword") {
        put(record, "method", "password");
    } else if text.starts_with("Pubkey") {
        put(record, "method", "publickey");
    }
    if let Some(user) = between(text, "'", "'") {
        put(record, "user", user);
    } else if let Some(user) = text.strip_prefix("Exit (").and_then(|rest| rest.split_once(')')) {
        put(record, "user", user.0);
    }
    if let Some(peer) = between(text, "from <", ">") {
        endpoint(record, peer);
    } else if let Some(at) = text.rfind(" from ") {
        endpoint(record, word(&text[at + 6..]));
    }
}

#[cfg(test)]
mod tests {
    use crate::linux::tests::check;

    #[test]
    fn logins() {
        for (message, expected) in [
            (
                "Accepted publickey for git from 192.0.2.1 port 57904 ssh2: DSA 36:48",
                "method=publickey|outcome=success|user=git|src_ip=192.0.2.1|src_port=57904",
            ),
            (
                "Failed password for root from 192.0.2.1 port 56502 ssh2",
                "method=password|outcome=failure|user=root|src_ip=192.0.2.1|src_port=56502",
            ),
            (
                "Failed password for invalid user ROOT from aaaa:bbbb::1:1 port 50273 ssh2",
                "method=password|outcome=failure|reason=invalid user|user=ROOT|src_ip=aaaa:bbbb::1:1|src_port=50273",
            ),
            (
                "Failed password for invalid user from 10.10.1.1 from 127.0.0.1 port 58946 ssh2",
                "method=password|outcome=failure|reason=invalid user|user=from 10.10.1.1|src_ip=127.0.0.1|src_port=58946",
            ),
            (
                "Failed password for invalid user test from 127.0.0.1 port 58946 ssh2: from 10.10.1.2 port 55555 ssh2",
                "method=password|outcome=failure|reason=invalid user|user=test|src_ip=127.0.0.1|src_port=58946",
            ),
            (
                "Failed password for user from 127.0.0.1 port 20000 ssh1: ruser from 1.2.3.4",
                "method=password|outcome=failure|user=user|src_ip=127.0.0.1|src_port=20000",
            ),
            (
                "Failed keyboard-interactive for <invalid username> from 205.186.180.55 port 42742 ssh2",
                "method=keyboard-interactive|outcome=failure|user=<invalid username>|src_ip=205.186.180.55|src_port=42742",
            ),
            (
                "[ID 800047 auth.info] Failed keyboard-interactive for james from 205.186.180.30 port 54520 ssh2",
                "method=keyboard-interactive|outcome=failure|user=james|src_ip=205.186.180.30|src_port=54520",
            ),
            (
                "Invalid user ftp from  192.0.2.2\u{fffd}\u{fffd} port 37220",
                "user=ftp|src_host=192.0.2.2\u{fffd}\u{fffd}|src_port=37220|outcome=failure|reason=invalid user",
            ),
            (
                "Invalid user ftp from 192.0.2.2 port 37220",
                "user=ftp|src_ip=192.0.2.2|src_port=37220|outcome=failure|reason=invalid user",
            ),
            (
                "Invalid user  from 192.0.2.2",
                "src_ip=192.0.2.2|outcome=failure|reason=invalid user",
            ),
            (
                "error: PAM: Authentication failure for test from 2606:2800::1946",
                "user=test|src_ip=2606:2800::1946|outcome=failure|reason=Authentication failure",
            ),
            (
                "error: PAM: authentication error for illegal user r00t from example.com",
                "reason=invalid user|reason=authentication error|user=r00t|src_host=example.com|outcome=failure",
            ),
            (
                "error: maximum authentication attempts exceeded for root from 61.0.0.1 port 49940 ssh2 [preauth]",
                "user=root|src_ip=61.0.0.1|src_port=49940|outcome=failure|reason=maximum authentication attempts exceeded",
            ),
            (
                "User root from 211.188.220.49 not allowed because not listed in AllowUsers",
                "user=root|src_ip=211.188.220.49|outcome=failure|reason=not listed in AllowUsers",
            ),
            (
                "User root not allowed because account is locked",
                "user=root|outcome=failure|reason=account is locked",
            ),
            (
                "ROOT LOGIN REFUSED FROM 1.2.3.4 port 12345 [preauth]",
                "user=root|src_ip=1.2.3.4|src_port=12345|outcome=failure|reason=root login refused",
            ),
        ] {
            check("sshd", message, expected);
        }
    }

    #[test]
    fn connections() {
        for (message, expected) in [
            (
                "Connection closed by authenticating user test 127.0.0.1 192.0.2.11 port 46039 [preauth]",
                "user=test 127.0.0.1|src_ip=192.0.2.11|src_port=46039",
            ),
            (
                "Disconnected from invalid user ftp 92.255.85.135 port 26138 [preauth]",
                "user=ftp|src_ip=92.255.85.135|src_port=26138|reason=invalid user",
            ),
            (
                "Disconnecting invalid user admin 192.0.2.117 port 44004: Change of username [preauth]",
                "user=admin|src_ip=192.0.2.117|src_port=44004|reason=invalid user|reason=Change of username",
            ),
            ("fatal: Read from socket failed: Connection reset by peer [preauth]", ""),
            ("Disconnected from 92.255.85.135 port 26138", "src_ip=92.255.85.135|src_port=26138"),
            ("Connection closed by 61.0.0.1 [preauth]", "src_ip=61.0.0.1"),
            (
                "Received disconnect from 1.2.3.4 port 58846:11: Bye Bye [preauth]",
                "src_ip=1.2.3.4|src_port=58846|reason=Bye Bye",
            ),
            (
                "Received disconnect from 89.24.13.192: 3: com.jcraft: Auth fail",
                "src_ip=89.24.13.192|reason=com.jcraft: Auth fail",
            ),
            (
                "Connection from 192.0.2.3 port 39678 on 192.168.1.9 port 22",
                "src_ip=192.0.2.3|src_port=39678|dst_ip=192.168.1.9|dst_port=22",
            ),
            (
                "banner exchange: Connection from 59.91.122.57 port 34388: invalid format",
                "src_ip=59.91.122.57|src_port=34388",
            ),
            ("Did not receive identification string from 1.2.3.4", "src_ip=1.2.3.4"),
            (
                "fatal: Timeout before authentication for 192.168.9.212 port 47056",
                "src_ip=192.168.9.212|src_port=47056|outcome=failure|reason=timeout before authentication",
            ),
            (
                "refused connect from _U2F=_@::ffff:192.168.1.1 (::ffff:192.168.1.1)",
                "src_ip=::ffff:192.168.1.1|outcome=failure|reason=refused connect",
            ),
            (
                "reverse mapping checking getaddrinfo for ns.x.com [173.234.31.186] failed - POSSIBLE BREAK-IN ATTEMPT!",
                "src_ip=173.234.31.186|src_host=ns.x.com|reason=possible break-in attempt",
            ),
            ("subsystem request for sftp by user vagrant", "user=vagrant"),
            ("Server listening on 0.0.0.0 port 22.", ""),
        ] {
            check("sshd", message, expected);
        }
    }

    #[test]
    fn dropbear() {
        for (message, expected) in [
            (
                "[825] Jul 10 23:53:52 Bad password attempt for 'root' from 1.2.3.4:52289",
                "outcome=failure|method=password|user=root|src_ip=1.2.3.4|src_port=52289",
            ),
            (
                "login attempt for nonexistent user from ::ffff:198.51.100.215:60495",
                "outcome=failure|src_ip=::ffff:198.51.100.215|src_port=60495",
            ),
            (
                "Exit before auth from <192.0.2.3:52289>: (user 'root', 10 fails): Max auth tries reached - user 'root'",
                "outcome=failure|user=root|src_ip=192.0.2.3|src_port=52289",
            ),
            (
                "Password auth succeeded for 'root' from 10.0.0.1:51",
                "outcome=success|method=password|user=root|src_ip=10.0.0.1|src_port=51",
            ),
        ] {
            check("dropbear", message, expected);
        }
    }
}
