//! Accounts and sessions: useradd and its family, login, systemd-logind, polkit.

use super::{between, digits, put, source, word};
use sigmund_engine::Record;

/// useradd, usermod, userdel, groupadd, passwd …
pub(super) fn read(message: &str, record: &mut Record) {
    // `new user: name=x, UID=1, GID=1, home=/h, shell=/s, from=/dev/pts/0`
    if let Some((what, pairs)) =
        message.split_once(": ").filter(|(_, pairs)| pairs.starts_with("name="))
    {
        put(record, "action", what);
        for pair in pairs.split(", ") {
            if let Some((name, value)) = pair.split_once('=') {
                put(record, if name == "name" { "user" } else { name }, value);
            }
        }
        return;
    }
    let action = message.split_once('\'').map_or("", |(before, _)| before.trim_end());
    put(record, "action", action);
    let mut quoted = message.split('\'').skip(1).step_by(2);
    if let Some(name) = quoted.next() {
        put(record, if action.ends_with("group") { "group" } else { "user" }, name);
    }
    if message.contains(" to group '")
        && let Some(group) = quoted.next()
    {
        put(record, "group", group);
    }
    if message.starts_with("failed ") {
        put(record, "outcome", "failure");
    }
}

/// login(1): `FAILED LOGIN (1) on '/dev/tty1' FOR 'root', Authentication failure`, `ROOT LOGIN on '/dev/tty1'`, `LOGIN ON tty1 BY alice`.
pub(super) fn read_login(message: &str, record: &mut Record) {
    let quotes = ['\'', '"', '`', ',', '.'];
    if message.starts_with("FAILED LOGIN") {
        put(record, "outcome", "failure");
        if let Some((_, user)) = message.split_once(" FOR ") {
            let (user, reason) = user.split_once(", ").unwrap_or((user, ""));
            put(record, "user", user.trim_matches(quotes));
            put(record, "reason", reason);
        }
        if let Some((_, from)) = message.split_once(" FROM ") {
            source(record, word(from).trim_matches(quotes));
        }
        if let Some((_, tty)) = message.split_once(" on ") {
            put(record, "TTY", word(tty).trim_matches(quotes));
        }
    } else if let Some((_, tty)) = message.split_once("ROOT LOGIN") {
        put(record, "user", "root");
        put(record, "outcome", "success");
        let tty = tty.trim_start().get(3..).unwrap_or("");
        put(record, "TTY", word(tty).trim_matches(quotes));
    } else if let Some(rest) = message.strip_prefix("LOGIN ON ") {
        put(record, "outcome", "success");
        put(record, "TTY", word(rest));
        if let Some((_, user)) = rest.split_once(" BY ") {
            put(record, "user", word(user));
        }
        if let Some((_, from)) = rest.split_once(" FROM ") {
            source(record, word(from));
        }
    }
}

/// `New session 4 of user alice.`, `Removed session 4.`, `Session 4 logged out. …`
pub(super) fn read_logind(message: &str, record: &mut Record) {
    if let Some((_, session)) = message.split_once("ession ") {
        let id = session.split([' ', '.', '\'']).next().unwrap_or("");
        put(record, "session", id.trim_matches('\''));
    }
    if let Some((_, user)) = message.split_once(" of user ") {
        put(record, "user", word(user).trim_end_matches('.').trim_matches('\''));
    }
}

/// pkexec's `[USER=root] [TTY=/dev/pts/0] …` and polkitd's `successfully authenticated as unix-user:root`.
pub(super) fn read_polkit(message: &str, record: &mut Record) {
    let mut rest = message;
    while let Some((_, inside)) = rest.split_once('[') {
        let Some((pair, after)) = inside.split_once(']') else { break };
        if let Some((name, value)) = pair.split_once('=')
            && !name.is_empty()
            && name.bytes().all(|byte| byte.is_ascii_uppercase())
        {
            put(record, name, value);
        }
        rest = after;
    }
    if let Some((user, _)) = message.split_once(": Executing command ") {
        put(record, "user", user);
        put(record, "outcome", "success");
    }
    if let Some((_, user)) = message.split_once("unix-user:") {
        put(record, "user", word(user));
    }
    for (text, outcome) in
        [("successfully authenticated", "success"), ("FAILED to authenticate", "failure")]
    {
        if message.contains(text) {
            put(record, "outcome", outcome);
        }
    }
    if let Some(action) = between(message, "for action ", " for") {
        put(record, "action", action);
    }
    if let Some((_, id)) = message.split_once("unix-process:") {
        put(record, "process_id", digits(id));
    }
}

#[cfg(test)]
mod tests {
    use crate::linux::tests::check;

    #[test]
    fn accounts_and_sessions() {
        for (tag, message, expected) in [
            (
                "useradd",
                "new user: name=bob, UID=1001, GID=1001, home=/home/bob, shell=/bin/bash",
                "action=new user|user=bob|UID=1001|GID=1001|home=/home/bob|shell=/bin/bash",
            ),
            ("usermod", "add 'bob' to group 'sudo'", "action=add|user=bob|group=sudo"),
            ("userdel", "delete user 'bob'", "action=delete user|user=bob"),
            (
                "useradd",
                "failed adding user 'bob', data deleted",
                "action=failed adding user|user=bob|outcome=failure",
            ),
            (
                "login",
                "FAILED LOGIN (1) on '/dev/tty1' FOR 'root', Authentication failure",
                "outcome=failure|user=root|reason=Authentication failure|TTY=/dev/tty1",
            ),
            ("login", "ROOT LOGIN ON tty1", "user=root|outcome=success|TTY=tty1"),
            ("systemd-logind", "New session 42 of user bob.", "session=42|user=bob"),
            ("systemd-logind", "Removed session 42.", "session=42"),
            (
                "pkexec",
                "bob: Executing command [USER=root] [TTY=/dev/pts/0] [CWD=/home] [COMMAND=/bin/x]",
                "USER=root|TTY=/dev/pts/0|CWD=/home|COMMAND=/bin/x|user=bob|outcome=success",
            ),
        ] {
            check(tag, message, expected);
        }
    }
}
