//! sudo and su.

use super::{between, put, word};
use sigmund_engine::Record;

/// `alice : [reason ;] TTY=pts/0 ; PWD=/home ; USER=root ; COMMAND=/bin/ls`; the names are those of the message.
pub(super) fn read(message: &str, record: &mut Record) {
    let Some((user, rest)) = message.split_once(" : ") else { return };
    let user = user.trim();
    if user.is_empty() || user.contains(' ') {
        return;
    }
    put(record, "user", user);
    // Long commands are split; the rest comes in messages of its own.
    if let Some(command) = rest.strip_prefix("(command continued) ") {
        return put(record, "COMMAND", command);
    }
    let mut reason = "";
    let mut rest = rest;
    let mut named = false;
    while !rest.is_empty() {
        let (part, after) = rest.split_once(" ; ").unwrap_or((rest, ""));
        match part.split_once('=') {
            // A command ends the list, whatever it holds.
            Some(("COMMAND", _)) => {
                put(record, "COMMAND", rest["COMMAND=".len()..].trim_end());
                named = true;
                break;
            }
            Some((name, value)) if name.bytes().all(|byte| byte.is_ascii_uppercase()) => {
                put(record, name, value);
                named = true;
            }
            _ if reason.is_empty() => reason = part,
            _ => {}
        }
        rest = after;
    }
    put(record, "reason", reason);
    if named || !reason.is_empty() {
        put(record, "outcome", if reason.is_empty() { "success" } else { "failure" });
    }
}

/// su of util-linux, shadow and BSD.
pub(super) fn read_su(message: &str, record: &mut Record) {
    let mut both = |user: &str, target: &str, outcome: &str| {
        put(record, "user", user.trim_matches(['\'', '"']));
        put(record, "USER", target.trim_matches(['\'', '"']));
        put(record, "outcome", outcome);
    };
    if let Some((target, user)) =
        message.strip_prefix("Successful su for ").and_then(|rest| rest.split_once(" by "))
    {
        both(user, target, "success");
    } else if let Some((target, user)) =
        message.strip_prefix("FAILED su for ").and_then(|rest| rest.split_once(" by "))
    {
        both(user, target, "failure");
    } else if let Some(rest) = message.strip_prefix("FAILED SU (to ") {
        if let Some((target, who)) = rest.split_once(") ") {
            both(word(who), target, "failure");
            put(record, "TTY", who.split_once(" on ").map_or("", |(_, tty)| tty));
        }
    } else if let Some(rest) = message.strip_prefix("(to ") {
        if let Some((target, who)) = rest.split_once(") ") {
            both(word(who), target, "success");
            put(record, "TTY", who.split_once(" on ").map_or("", |(_, tty)| tty));
        }
    } else if let Some(rest) = message.strip_prefix("BAD SU ") {
        if let Some((user, target)) = rest.split_once(" to ") {
            both(user, word(target), "failure");
        }
    } else if let Some(target) = between(message, "'su ", "'") {
        // RFC 3164's own example: `'su root' failed for lonvick on /dev/pts/8`.
        let user = message.split_once(" for ").map_or("", |(_, who)| word(who));
        both(user, target, if message.contains("failed") { "failure" } else { "success" });
    } else if let [sign @ (b'+' | b'-'), b' ', ..] = message.as_bytes() {
        // `+ pts/0 alice:root`
        if let Some((user, target)) =
            message.rsplit(' ').next().and_then(|who| who.split_once([':', '-']))
        {
            both(user, target, if *sign == b'+' { "success" } else { "failure" });
            put(record, "TTY", message[2..].split(' ').next().unwrap_or(""));
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::linux::tests::check;

    #[test]
    fn sudo() {
        for (message, expected) in [
            (
                "    dcid : TTY=pts/4 ; PWD=/home/dcid ; USER=root ; COMMAND=/bin/sh -c a ; b=c",
                "user=dcid|TTY=pts/4|PWD=/home/dcid|USER=root|COMMAND=/bin/sh -c a ; b=c|outcome=success",
            ),
            (
                "ddp2 : user NOT in sudoers ; TTY=ttypZ ; PWD=/home/ddp2 ; USER=root ; COMMAND=/bin/ls",
                "user=ddp2|TTY=ttypZ|PWD=/home/ddp2|USER=root|COMMAND=/bin/ls|reason=user NOT in sudoers|outcome=failure",
            ),
            (
                "c : TTY=pts/2 ; PWD=/h ; USER=#-1 ; TSID=0000UM ; COMMAND=/bin/bash",
                "user=c|TTY=pts/2|PWD=/h|USER=#-1|TSID=0000UM|COMMAND=/bin/bash|outcome=success",
            ),
            ("c : (command continued) more of it", "user=c|COMMAND=more of it"),
            ("unable to resolve host x", ""),
        ] {
            check("sudo", message, expected);
        }
    }

    #[test]
    fn su() {
        for (message, expected) in [
            ("Successful su for root by alice", "user=alice|USER=root|outcome=success"),
            (
                "FAILED SU (to root) alice on pts/0",
                "user=alice|USER=root|outcome=failure|TTY=pts/0",
            ),
            (
                "'su root' failed for lonvick on /dev/pts/8",
                "user=lonvick|USER=root|outcome=failure",
            ),
            ("+ /dev/pts/0 ubuntu:root", "user=ubuntu|USER=root|outcome=success|TTY=/dev/pts/0"),
            ("BAD SU alice to root on ttyp0", "user=alice|USER=root|outcome=failure"),
        ] {
            check("su", message, expected);
        }
    }
}
