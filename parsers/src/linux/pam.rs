//! PAM modules, whatever program they run in.

use super::{between, put, source, word};
use sigmund_engine::Record;

/// Whether a message is one of a PAM module.
pub(super) fn claims(message: &str) -> bool {
    message.starts_with("pam_")
        || message.starts_with("(pam_")
        || message.starts_with("authentication failure; ")
        || message.starts_with("session opened for user ")
        || message.starts_with("session closed for user ")
        || (message.starts_with("PAM ") && message.contains("authentication failure"))
}

/// Reads `pam_unix(sshd:auth): …`, `(pam_unix) …` and the text alone.
pub(super) fn read(message: &str, record: &mut Record) {
    let mut text = message;
    if let Some(rest) = text.strip_prefix("(pam_") {
        if let Some((_, rest)) = rest.split_once(") ") {
            text = rest;
        }
    } else if text.starts_with("pam_")
        && let Some((module, rest)) = text.split_once(": ")
    {
        text = rest;
        let (module, inside) = module.split_once('(').unwrap_or((module, ""));
        put(record, "pam_module", module);
        let (service, kind) = inside
            .trim_end_matches(')')
            .split_once(':')
            .unwrap_or((inside.trim_end_matches(')'), ""));
        put(record, "service", service);
        put(record, "pam_type", kind);
    }
    if let Some(rest) = text.strip_prefix("session opened for user ") {
        // `root(uid=0) by alice(uid=1000)`
        let (user, by) = rest.split_once(" by ").unwrap_or((rest, ""));
        let (user, uid) = user.split_once('(').unwrap_or((user, ""));
        put(record, "user", user.trim_end());
        put(record, "uid", uid.trim_start_matches("uid=").trim_end_matches(')'));
        put(record, "by_user", by.split('(').next().unwrap_or(""));
        put(record, "by_uid", between(by, "uid=", ")").unwrap_or(""));
        put(record, "outcome", "success");
    } else if let Some(user) = text.strip_prefix("session closed for user ") {
        put(record, "user", word(user));
    } else if let Some((what, pairs)) = text.split_once("; logname=") {
        if what.contains("authentication failure") {
            put(record, "outcome", "failure");
            put(record, "reason", "authentication failure");
        }
        pairs_of(pairs, record);
    } else if let Some(user) = text.strip_prefix("password changed for ") {
        put(record, "user", word(user));
        put(record, "outcome", "success");
    } else if text.starts_with("check pass; user unknown") {
        put(record, "outcome", "failure");
        put(record, "reason", "user unknown");
    } else if let Some(user) =
        between(text, "user \"", "\"").or_else(|| between(text, "user [", "]"))
    {
        put(record, "user", user);
    } else if let Some(rest) = text.strip_prefix("user ") {
        put(record, "user", word(rest).trim_matches(['\'', '"']));
        if let Some(deny) = rest.split_once("tally ") {
            put(record, "tally", deny.1.split(',').next().unwrap_or(""));
        }
    }
}

/// `logname=` is cut off: `x uid=0 euid=0 tty=ssh ruser= rhost=1.2.3.4  user=root`.
fn pairs_of(pairs: &str, record: &mut Record) {
    let (logname, rest) = pairs.split_once(' ').unwrap_or((pairs, ""));
    put(record, "logname", logname);
    let mut rest = rest;
    let mut seen_source = false;
    while let Some((name, after)) = rest.trim_start().split_once('=') {
        // The user comes last and may have spaces.
        let (value, after) = match name {
            "user" => (after.trim_end(), ""),
            _ => after.split_once(' ').unwrap_or((after, "")),
        };
        if matches!(name, "uid" | "euid" | "tty" | "ruser" | "rhost" | "user") {
            // A name or host of the client cannot bring a second one.
            if name != "rhost" || !seen_source {
                put(record, name, value);
            }
            if name == "rhost" && !seen_source && !value.is_empty() {
                source(record, value);
                seen_source = true;
            }
        }
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use crate::linux::tests::check;

    #[test]
    fn modules() {
        for (tag, message, expected) in [
            (
                "sshd",
                "pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=192.0.2.112  user=root",
                "pam_module=pam_unix|service=sshd|pam_type=auth|outcome=failure|reason=authentication failure|uid=0|euid=0|tty=ssh|rhost=192.0.2.112|src_ip=192.0.2.112|user=root",
            ),
            (
                "sshd",
                "authentication failure; logname= uid=0 euid=0 tty=NODEVssh ruser= rhost=218.188.2.4 ",
                "outcome=failure|reason=authentication failure|uid=0|euid=0|tty=NODEVssh|rhost=218.188.2.4|src_ip=218.188.2.4",
            ),
            (
                "x",
                "(pam_unix) authentication failure; logname=a uid=0 euid=0 tty=ssh ruser=b rhost=h.example.com ",
                "outcome=failure|reason=authentication failure|logname=a|uid=0|euid=0|tty=ssh|ruser=b|rhost=h.example.com|src_host=h.example.com",
            ),
            (
                "sudo",
                "pam_unix(sudo:session): session opened for user root(uid=0) by alice(uid=1000)",
                "pam_module=pam_unix|service=sudo|pam_type=session|user=root|uid=0|by_user=alice|by_uid=1000|outcome=success",
            ),
            (
                "sshd",
                "pam_unix(sshd:session): session opened for user rda by (uid=0)",
                "pam_module=pam_unix|service=sshd|pam_type=session|user=rda|by_uid=0|outcome=success",
            ),
            ("su", "session closed for user root", "user=root"),
            (
                "sudo",
                "pam_tally2(sudo:auth): user zbadguy (4001) tally 6, deny 5",
                "pam_module=pam_tally2|service=sudo|pam_type=auth|user=zbadguy|tally=6",
            ),
            (
                "passwd",
                "pam_unix(passwd:chauthtok): password changed for bob",
                "pam_module=pam_unix|service=passwd|pam_type=chauthtok|user=bob|outcome=success",
            ),
        ] {
            check(tag, message, expected);
        }
    }
}
