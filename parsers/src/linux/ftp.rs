//! FTP servers: vsftpd, proftpd, pure-ftpd, wu-ftpd.

use super::{between, put, source};
use sigmund_engine::Record;

/// Reads a message: `[bob] OK LOGIN: Client "1.2.3.4"`, also with `[pid 2] ` before it.
pub(super) fn read(message: &str, record: &mut Record) {
    let text = match message.strip_prefix("[pid ").and_then(|rest| rest.split_once("] ")) {
        Some((process, rest)) => {
            put(record, "procid", process);
            rest
        }
        None => message,
    };
    if let Some((user, _)) = text.strip_prefix('[').and_then(|rest| rest.split_once("] ")) {
        put(record, "user", user);
    }
    if let Some(client) = between(text, "Client \"", "\"") {
        source(record, client);
    } else if let Some(client) = between(text, "[", "]").filter(|client| super::is_address(client))
    {
        source(record, client);
    }
    if let Some(at) = text.rfind(" from ")
        && !text.contains(['[', '"'])
    {
        source(record, super::word(&text[at + 6..]));
    }
    for (words, outcome) in [
        ("OK LOGIN", "success"),
        ("FAIL LOGIN", "failure"),
        ("failed login", "failure"),
        ("login failures", "failure"),
        ("Authentication failed", "failure"),
        ("Login failed", "failure"),
        ("no such user", "failure"),
        ("Login successful", "success"),
        (" is now logged in", "success"),
    ] {
        if text.contains(words) {
            return put(record, "outcome", outcome);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::linux::tests::check;

    #[test]
    fn logins() {
        check(
            "",
            "[pid 27244] [user] FAIL LOGIN: Client \"::ffff:93.24.101.89\"",
            "procid=27244|user=user|src_ip=::ffff:93.24.101.89|outcome=failure",
        );
        check("vsftpd", "CONNECT: Client \"10.1.2.3\"", "src_ip=10.1.2.3");
        check(
            "wu-ftpd",
            "failed login from x.example [202.108.145.173]",
            "src_ip=202.108.145.173|outcome=failure",
        );
    }
}
