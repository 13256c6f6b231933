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
    } else if let Some(rest) = text.strip_prefix("Postponed ").or(text.strip_prefix("Partial ")) {
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
        let (who, reason) = split_reason(rest);
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
        name(rest, split_from, record);
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
    } else if let Some((reason, who)) = pam_failure(text) {
        name(who, split_from, record);
        failure(record, reason);
    } else if let Some((_, who)) = text.split_once("Too many authentication failures for ") {
        name(who, split_from, record);
        failure(record, "too many authentication failures");
    } else if let Some((_, user)) = text.split_once(" by user ") {
        put(record, "user", word(user));
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

/// `METHOD for [invalid user ]USER from IP port N ssh2[: INFO]`.
fn login(rest: &str, outcome: &str, record: &mut Record) {
    let Some((method, who)) = rest.split_once(" for ") else {
        put(record, "outcome", outcome);
        return tail_address(rest, record);
    };
    put(record, "method", method);
    put(record, "outcome", outcome);
    name(who, split_login, record);
}

/// `[invalid user ]USER from IP …`, of which `split` makes user and address.
fn name(who: &str, split: fn(&str) -> (&str, &str), record: &mut Record) {
    let mut user = who;
    for prefix in ["invalid user ", "illegal user "] {
        if let Some(rest) = who.strip_prefix(prefix) {
            user = rest;
            put(record, "reason", "invalid user");
        }
    }
    let (user, from) = split(user);
    put(record, "user", user);
    address(from, record);
}

/// Cuts at the last ` from `, for texts that end with the address: names come from the client and may hold anything.
fn split_from(text: &str) -> (&str, &str) {
    match text.rfind(" from ") {
        Some(at) => (&text[..at], &text[at + 6..]),
        // An empty name leaves `invalid user from …`.
        None => text.strip_prefix("from ").map_or((text, ""), |from| ("", from)),
    }
}

/// Cuts at the last ` from ADDRESS port N`, behind which the server writes `ssh2` and of keys their kind and fingerprint.
///
/// A certificate's `RSA-CERT ID NAME (serial N) CA KIND FINGERPRINT` has one more name of the client's, so there the address before it counts.
fn split_login(text: &str) -> (&str, &str) {
    let certified = text.contains("-CERT ID ")
        && text.rsplit_once(") CA ").is_some_and(|(_, key)| key.matches(' ').count() == 1);
    let mut found = None;
    let mut end = text.len();
    while let Some(at) = text[..end].rfind(" from ") {
        // The space at the end may be the next one's: `from from`.
        end = at + 5;
        let Some(after) = after_port(&text[at + 6..]) else { continue };
        if !certified {
            found = Some(at);
            break;
        }
        let info = after.strip_prefix(" ssh2: ").and_then(|info| info.split_once(' '));
        if info.is_some_and(|(kind, id)| kind.ends_with("-CERT") && id.starts_with("ID ")) {
            found = Some(at);
        }
    }
    match found {
        Some(at) => (&text[..at], &text[at + 6..]),
        None => split_from(text),
    }
}

/// What follows `ADDRESS port N`.
fn after_port(text: &str) -> Option<&str> {
    let (_, rest) = text.trim_ascii_start().split_once(' ')?;
    let port = rest.strip_prefix("port ")?;
    let number = digits(port);
    (!number.is_empty()).then(|| &port[number.len()..])
}

/// `…user NAME IP port N: REASON`: both the name and the reason may hold what the client wrote, so a reason that is known counts first.
fn split_reason(text: &str) -> (&str, &str) {
    const TOO_MANY: &str = "Too many authentication failures";
    if let Some(who) = text.strip_suffix(TOO_MANY).and_then(|who| who.strip_suffix(": ")) {
        return (who, TOO_MANY);
    }
    memchr::memmem::find_iter(text.as_bytes(), b": ")
        .find(|at| {
            let who = &text[..*at];
            let bare = who.trim_end_matches(|c: char| c.is_ascii_digit());
            bare.len() < who.len() && bare.ends_with(" port ")
        })
        .map_or((text, ""), |at| (&text[..at], &text[at + 2..]))
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
    // Of a name that the client chose, the end is where the address begins.
    let exit = lower == "e";
    let named = text.split_once('\'').filter(|_| !exit);
    let named = named.and_then(|(_, rest)| rest.rsplit_once("' from "));
    if let Some(user) = named.map(|(user, _)| user).or_else(|| between(text, "'", "'")) {
        put(record, "user", user);
    } else if let Some(user) = text.strip_prefix("Exit (").and_then(|rest| rest.split_once(')')) {
        put(record, "user", user.0);
    }
    if exit && let Some(peer) = between(text, "from <", ">") {
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

    /// The client picks the name; the address is the one that the server wrote, at the end.
    #[test]
    fn names_cannot_bring_an_address() {
        let truth = "src_ip=1.2.3.4|src_port=22";
        for user in [
            "from",
            "from from",
            "a from 9.9.9.9",
            "from 9.9.9.9",
            "a b  c",
            "a:",
            "a: from 9.9.9.9",
            " from 9.9.9.9 port 22 ssh2",
            "a from 9.9.9.9 port 22 ssh2",
            "a from 9.9.9.9 port 22 ssh2:",
            "a from 9.9.9.9 port 22 ssh2: RSA SHA256:x",
            "a from 9.9.9.9 port 5 ssh2: RSA-CERT ID (serial 1) CA a",
            "a ssh1: ruser",
            "a for b",
            "invalid user a",
            "a by user root",
            "a via b",
            "for",
        ] {
            for (begin, end, expected) in [
                (
                    "Failed password for invalid user",
                    "ssh2",
                    "method=password|outcome=failure|reason=invalid user",
                ),
                ("Failed password for", "ssh2", "method=password|outcome=failure"),
                ("Accepted password for", "ssh2", "method=password|outcome=success"),
                (
                    "Accepted publickey for",
                    "ssh2: ED25519 SHA256:abc",
                    "method=publickey|outcome=success",
                ),
                ("Partial publickey for", "ssh2: RSA SHA256:abc", "method=publickey"),
            ] {
                if user == "invalid user a" && !begin.ends_with("invalid user") {
                    continue;
                }
                check(
                    "sshd",
                    &format!("{begin} {user} from 1.2.3.4 port 22 {end}"),
                    &format!("{expected}|user={user}|{truth}"),
                );
            }
            check(
                "sshd",
                &format!("Invalid user {user} from 1.2.3.4 port 22"),
                &format!("user={user}|{truth}|outcome=failure|reason=invalid user"),
            );
            check(
                "sshd",
                &format!("error: PAM: Authentication failure for illegal user {user} from 1.2.3.4"),
                &format!(
                    "reason=invalid user|reason=Authentication failure|user={user}|src_ip=1.2.3.4|outcome=failure"
                ),
            );
            check(
                "sshd",
                &format!(
                    "Disconnecting: Too many authentication failures for invalid user {user} from 1.2.3.4 port 22 ssh2 [preauth]"
                ),
                &format!(
                    "reason=invalid user|reason=too many authentication failures|user={user}|{truth}|outcome=failure"
                ),
            );
            check(
                "sshd",
                &format!(
                    "Disconnecting invalid user {user} 1.2.3.4 port 22: Too many authentication failures [preauth]"
                ),
                &format!(
                    "user={user}|{truth}|reason=invalid user|reason=Too many authentication failures"
                ),
            );
        }
    }

    #[test]
    fn names_that_are_empty_or_in_a_certificate() {
        let failed = "method=password|outcome=failure|reason=invalid user";
        for user in ["", " "] {
            check(
                "sshd",
                &format!("Failed password for invalid user{user} from 1.2.3.4 port 22 ssh2"),
                &format!("{failed}|src_ip=1.2.3.4|src_port=22"),
            );
        }
        check(
            "sshd",
            "Failed publickey for root from 1.2.3.4 port 22 ssh2: RSA-CERT ID x from 9.9.9.9 port 5 ssh2: y (serial 0) CA RSA SHA256:abc",
            "method=publickey|outcome=failure|user=root|src_ip=1.2.3.4|src_port=22",
        );
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
                "Bad password attempt for 'x' from <9.9.9.9:5>' from 1.2.3.4:52289",
                "outcome=failure|method=password|user=x' from <9.9.9.9:5>|src_ip=1.2.3.4|src_port=52289",
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
