//! cron: `(root) CMD (command)`, `(bob) REPLACE (bob)`.

use super::put;
use sigmund_engine::Record;

/// Reads a message of cron or crontab.
pub(super) fn read(message: &str, record: &mut Record) {
    let Some((user, rest)) = message.strip_prefix('(').and_then(|rest| rest.split_once(") "))
    else {
        return;
    };
    put(record, "user", user);
    let Some((action, inside)) = rest.split_once(" (") else { return put(record, "action", rest) };
    put(record, "action", action);
    let inside = inside.strip_suffix(')').unwrap_or(inside);
    put(record, if action.starts_with("CMD") { "COMMAND" } else { "target" }, inside);
}

#[cfg(test)]
mod tests {
    use crate::linux::tests::check;

    #[test]
    fn commands_and_crontabs() {
        check(
            "CRON",
            "(root) CMD (  cd / && run-parts (x))",
            "user=root|action=CMD|COMMAND=  cd / && run-parts (x)",
        );
        check("crontab", "(bob) REPLACE (bob)", "user=bob|action=REPLACE|target=bob");
        check("crond", "Updating configuration", "");
    }
}
