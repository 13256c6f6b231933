//! Syslog headers: RFC 5424, RFC 3164 and what devices write instead of it.
//!
//! Owns the cut of a line into priority, time, host, tag and message. Knows no message by its content, except
//! where a mnemonic (`%ASA-…`) shows that the tag is missing.

use crate::time::syslog::{Written, read as read_time};

/// The parts of a line.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Header<'a> {
    /// The number in `<…>`; above 191 it has no facility.
    pub(crate) priority: Option<&'a str>,
    /// RFC 5424 only.
    pub(crate) version: Option<&'a str>,
    /// The time as written.
    pub(crate) time_text: &'a str,
    /// The time.
    pub(crate) time: Option<Written>,
    /// The device said that its clock is not set (`*`, `.` before a Cisco time).
    pub(crate) clock_untrusted: bool,
    /// Host name or address.
    pub(crate) host: &'a str,
    /// Tag or APP-NAME.
    pub(crate) program: &'a str,
    /// Process id.
    pub(crate) process: &'a str,
    /// RFC 5424 MSGID.
    pub(crate) message_id: &'a str,
    /// RFC 5424 structured data, brackets and all.
    pub(crate) data: &'a str,
    /// Cisco sequence number.
    pub(crate) sequence: &'a str,
    /// What is left.
    pub(crate) message: &'a str,
    /// How sure it is that this is syslog.
    pub(crate) evidence: Evidence,
}

/// What makes a line syslog.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Evidence {
    /// Nothing: the whole line is the message.
    #[default]
    None,
    /// A time that other logs write too (ISO 8601), and nothing else.
    Time,
    /// A priority, a BSD time, or an ISO time with a tag.
    Header,
}

const SPACES: [char; 2] = [' ', '\t'];

/// Cuts a line.
pub(crate) fn read(line: &str) -> Header<'_> {
    cut(line, true)
}

/// Cuts a line; whether a relay's header may stand before the sender's.
fn cut(line: &str, relays: bool) -> Header<'_> {
    let line = line.strip_prefix('\u{feff}').unwrap_or(line);
    let mut header = Header::default();
    let mut rest = priority(octet_count(line), &mut header);
    if header.priority.is_some() {
        header.evidence = Evidence::Header;
        rest = rest.trim_start_matches(SPACES);
    }
    if version5424(rest, &mut header) {
        // A program's own message may quote what a client wrote.
        if relays && header.program.is_empty() {
            relayed(header.message, &mut header);
        }
        return header;
    }
    // `<134>: Aug 14 …`, Cisco's EMBLEM `<166>:Aug 14 …`; Meraki: a version, and then seconds since 1970.
    if header.priority.is_some() {
        rest = rest.strip_prefix(':').unwrap_or(rest).trim_start_matches(SPACES);
        if let Some(after) = rest.strip_prefix("1 ")
            && matches!(read_time(after), Some((Written::Instant(_), _)))
        {
            rest = after;
        }
    }
    rest = sequence(rest, &mut header);
    if let Some(message) = located(rest, &mut header) {
        header.message = message;
        return header;
    }
    let begin = rest;
    match time(rest, &mut header) {
        Some(after) => tagged(after, &mut header, relays),
        None if header.priority.is_some() => untimed(begin, &mut header),
        None => bare(begin, &mut header),
    }
    header
}

/// RFC 6587 octet counts that were left by framing: `535 <14>1 …`.
fn octet_count(line: &str) -> &str {
    match line.as_bytes() {
        [b'1'..=b'9', ..] => match line.split_once(' ') {
            Some((count, rest))
                if count.len() <= 7
                    && count.bytes().all(|byte| byte.is_ascii_digit())
                    && rest.as_bytes().first() == Some(&b'<') =>
            {
                rest
            }
            _ => line,
        },
        _ => line,
    }
}

/// One or more `<n>`: a relay may have put its own before; the last is the sender's.
fn priority<'a>(mut rest: &'a str, header: &mut Header<'a>) -> &'a str {
    while let Some(inner) = rest.strip_prefix('<') {
        let Some((number, after)) = inner.split_once('>') else { break };
        if number.is_empty() || number.len() > 3 || !number.bytes().all(|b| b.is_ascii_digit()) {
            break;
        }
        header.priority = Some(number);
        rest = after;
    }
    rest
}

/// RFC 5424 after the priority; `false` and nothing changed if it is not.
fn version5424<'a>(rest: &'a str, header: &mut Header<'a>) -> bool {
    let Some((version, after)) = rest.split_once(' ') else { return false };
    if version.is_empty() || version.len() > 2 || !version.bytes().all(|b| b.is_ascii_digit()) {
        return false;
    }
    let after = after.trim_start_matches(' ');
    let (time_text, mut rest) = word(after);
    let time = match time_text {
        "-" => None,
        _ if time_text.len() >= 19 && time_text.as_bytes()[4] == b'-' => match read_time(time_text)
        {
            Some((time, _)) => Some(time),
            None => return false,
        },
        _ => return false,
    };
    // Without a priority only `1` counts: `0 - …` begins other logs.
    if header.priority.is_none() && (version != "1" || time.is_none()) {
        return false;
    }
    header.evidence = Evidence::Header;
    header.version = Some(version);
    (header.time, header.time_text) = (time, if time.is_some() { time_text } else { "" });
    for part in [&mut header.host, &mut header.program, &mut header.process, &mut header.message_id]
    {
        let (text, after) = word(rest);
        *part = if text == "-" { "" } else { text };
        rest = after;
    }
    // `- ` instead of structured data, or elements; senders that forget it begin the message here.
    if let Some(after) =
        rest.strip_prefix('-').filter(|after| after.is_empty() || after.starts_with(' '))
    {
        rest = after;
    } else if rest.starts_with('[') {
        let length = super::data::length(rest);
        header.data = &rest[..length];
        rest = &rest[length..];
    }
    let rest = rest.strip_prefix(' ').unwrap_or(rest);
    header.message = rest.strip_prefix('\u{feff}').unwrap_or(rest);
    true
}

fn word(text: &str) -> (&str, &str) {
    text.split_once(' ').unwrap_or((text, ""))
}

/// Cisco: `83: `, `83: host: `.
fn sequence<'a>(rest: &'a str, header: &mut Header<'a>) -> &'a str {
    let digits = rest.bytes().take(12).take_while(u8::is_ascii_digit).count();
    if digits == 0 || digits > 10 {
        return rest;
    }
    match rest[digits..].strip_prefix(": ") {
        Some(after) => {
            header.sequence = &rest[..digits];
            header.evidence = Evidence::Header;
            let after = after.trim_start_matches(' ');
            // The origin: `host: ` before a time or mnemonic.
            match after.split_once(": ") {
                Some((host, rest))
                    if is_host(host)
                        && !host.is_empty()
                        && (rest.starts_with(['*', '.', '%']) || read_time(rest).is_some()) =>
                {
                    header.host = host;
                    rest
                }
                _ => after,
            }
        }
        None => rest,
    }
}

/// A time with what belongs to it: clock flags before, `:` and spaces after.
fn time<'a>(rest: &'a str, header: &mut Header<'a>) -> Option<&'a str> {
    let (text, untrusted) = match rest.as_bytes().first()? {
        b'*' | b'.' => (&rest[1..], true),
        // `Mar  3 …` behind a `-` is the BGL family: `- 1131566461 2005.11.09 host Nov 9 12:01:01 host/host tag: …`.
        b'-' => return labelled(rest, header),
        _ => (rest, false),
    };
    let (written, length) = read_time(text)?;
    let after = &text[length..];
    // A number is a time only if something follows that looks like a header.
    if !(after.is_empty() || after.starts_with([' ', ':', '\t'])) {
        return None;
    }
    header.time = Some(written);
    header.time_text = &text[..length];
    header.clock_untrusted = untrusted;
    let bsd = text.as_bytes()[0].is_ascii_alphabetic() || untrusted;
    header.evidence = header.evidence.max(if bsd { Evidence::Header } else { Evidence::Time });
    let after = after.trim_start_matches(SPACES);
    let after = after.strip_prefix(':').unwrap_or(after);
    Some(after.trim_start_matches(SPACES))
}

/// The supercomputer logs: label, epoch, date, host, then BSD without a plain host.
fn labelled<'a>(rest: &'a str, header: &mut Header<'a>) -> Option<&'a str> {
    let after = rest.strip_prefix("- ")?;
    let (written @ Written::Instant(_), length) = read_time(after)? else { return None };
    let (date, after_date) = word(after[length..].trim_start());
    let (host, after_host) = word(after_date);
    if date.split('.').count() != 3 || !is_host(host) {
        return None;
    }
    let (_, inner) = read_time(after_host)?;
    header.time = Some(written);
    header.time_text = &after[..length];
    header.evidence = Evidence::Header;
    // `dn228/dn228 tag`: the host once more.
    let (_, after) = word(after_host[inner..].trim_start());
    header.host = host;
    Some(after.trim_start())
}

/// What follows the time: marks, host, tag, message.
fn tagged<'a>(rest: &'a str, header: &mut Header<'a>, relays: bool) {
    let mut rest = marks(rest);
    if header.host.is_empty() {
        rest = host(rest, header);
    }
    // Devices that write their own header behind that of the relay.
    rest = rest.strip_prefix(": ").unwrap_or(rest).trim_start_matches(SPACES);
    if relays && relayed(rest, header) {
        return;
    }
    rest = inner_header(rest, header);
    tag(rest, header);
}

/// A whole header with its priority behind that of a relay: the sender's counts, except for a time that says less than the relay's. `false`
/// and nothing changed if there is none.
fn relayed<'a>(rest: &'a str, header: &mut Header<'a>) -> bool {
    if !rest.starts_with('<') {
        return false;
    }
    let inner = cut(rest, false);
    if inner.priority.is_none() || inner.time.is_none() && inner.version.is_none() {
        return false;
    }
    let outer = std::mem::replace(header, Header { evidence: Evidence::Header, ..inner });
    if header.host.is_empty() {
        header.host = outer.host;
    }
    if header.clock_untrusted || says(header.time) < says(outer.time) {
        (header.time, header.time_text) = (outer.time, outer.time_text);
        header.clock_untrusted = outer.clock_untrusted;
    }
    true
}

/// How much a time says: whether it has a year and a zone.
fn says(time: Option<Written>) -> u8 {
    match time {
        None => 0,
        Some(Written::Instant(_)) => 3,
        Some(Written::Civil(stamp)) => {
            1 + u8::from(stamp.year.is_some()) + u8::from(stamp.offset.is_some())
        }
    }
}

/// OpenBSD's `<auth.info>` and `<4.6>`.
fn marks(rest: &str) -> &str {
    match rest.strip_prefix('<').and_then(|inner| inner.split_once("> ")) {
        Some((mark, after)) if mark.len() <= 16 && mark.contains('.') && !mark.contains(' ') => {
            after
        }
        _ => rest,
    }
}

/// Whether the text may be a host name or address.
fn is_host(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 255
        && text.bytes().all(|byte| {
            byte.is_ascii_alphanumeric()
                || matches!(byte, b'.' | b'-' | b'_' | b':' | b'/' | b'@')
                || byte >= 0x80
        })
}

fn is_level(text: &str) -> bool {
    matches!(
        text,
        "DEBUG"
            | "INFO"
            | "NOTICE"
            | "WARNING"
            | "WARN"
            | "ERR"
            | "ERROR"
            | "CRIT"
            | "ALERT"
            | "EMERG"
    )
}

/// Takes the host if there is one; a tag directly after the time stays.
fn host<'a>(rest: &'a str, header: &mut Header<'a>) -> &'a str {
    if let Some((origin, message)) = forwarded(rest) {
        header.host = origin;
        return message;
    }
    let (first, after) = match rest.find(SPACES) {
        Some(end) => (&rest[..end], &rest[end + 1..]),
        None => (rest, ""),
    };
    let next = after.trim_start_matches(SPACES);
    if is_level(first) {
        // rsyslog on ChromeOS writes the level where others write the host.
        return next;
    }
    if let Some(name) = first.strip_suffix(':') {
        // `host: %ASA-…`, `host: sshd[1]: …`; otherwise it is a tag.
        // Anonymised logs have `<IP>:` here.
        let is_name = next.starts_with('%')
            || is_host(name)
                && (name.parse::<std::net::IpAddr>().is_ok()
                    || next.starts_with("*") && read_time(&next[1..]).is_some()
                    || !is_program(name) && begins_with_tag(next));
        if is_name {
            header.host = name;
            return next;
        }
        return rest;
    }
    // `last message repeated 3 times` without a host; `kernel time sync`: a word cannot be told from a host.
    if !is_host(first) || first.contains('@') || rest.starts_with("last message repeated ") {
        return rest;
    }
    header.host = first;
    if let Some((origin, message)) = forwarded(next) {
        header.host = origin;
        return message;
    }
    // Some hosts write their name twice.
    match next.strip_prefix(first) {
        Some(again) if again.starts_with(' ') => again.trim_start(),
        _ => next,
    }
}

/// `Message forwarded from host: ` (AIX): the host and the rest.
fn forwarded(text: &str) -> Option<(&str, &str)> {
    let (origin, message) = text.strip_prefix("Message forwarded from ")?.split_once(": ")?;
    is_host(origin).then_some((origin, message))
}

/// Whether the tag is one of the programs whose messages are known.
fn is_program(tag: &str) -> bool {
    let program = crate::linux::program(tag);
    program.read.is_some() || !std::ptr::eq(program.kind, &raw const crate::linux::SYSLOG)
}

/// Whether the text begins with a tag that cannot be just a word: `name[1]:`, or `name:` of a known program.
fn begins_with_tag(text: &str) -> bool {
    let plain = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b'/');
    let end = text.bytes().take(64).take_while(|byte| plain(byte)).count();
    match text.as_bytes().get(end) {
        Some(b'[') => end > 0 && closes_as_tag(text, end),
        Some(b':') => text[end + 1..].starts_with(' ') && is_program(&text[..end]),
        _ => false,
    }
}

/// Cisco behind a relay: sequence, own time, then the mnemonic. Its own time counts unless its clock is not set.
fn inner_header<'a>(rest: &'a str, header: &mut Header<'a>) -> &'a str {
    let begin = rest.as_bytes().first().copied().unwrap_or(0);
    if !matches!(begin, b'0'..=b'9' | b'*' | b'.' | b'A'..=b'Z') {
        return rest;
    }
    let mut inner = Header::default();
    let after = sequence(rest, &mut inner);
    if let Some(message) = located(after, &mut inner) {
        header.sequence = inner.sequence;
        if !inner.host.is_empty() {
            header.host = inner.host;
        }
        (header.program, header.process) = (inner.program, inner.process);
        if !inner.clock_untrusted {
            (header.time, header.time_text) = (inner.time, inner.time_text);
        }
        return message;
    }
    // The last letters tell: a time here is followed by a mnemonic, or by the device's name and then that.
    if let Some(message) = time(after, &mut inner)
        && let Some((origin, message)) = mnemonic(message.trim_start_matches([':', ' ']))
    {
        header.sequence = inner.sequence;
        if !origin.is_empty() {
            header.host = origin;
        }
        if !inner.clock_untrusted {
            (header.time, header.time_text) = (inner.time, inner.time_text);
        }
        return message;
    }
    if !inner.sequence.is_empty() && after.starts_with('%') {
        header.sequence = inner.sequence;
        return after;
    }
    rest
}

/// IOS XR: `[host ]RP/0/RSP0/CPU0:Nov 22 10:00:00.123 UTC: tcp[424]: %IP-TCP-3-BADAUTH : …`, the place in the device, its time, the
/// program, and the mnemonic, from which the message begins. `None` and nothing changed if it is not.
fn located<'a>(rest: &'a str, header: &mut Header<'a>) -> Option<&'a str> {
    let is_place = |text: &str| {
        text.rsplit_once("/CPU").is_some_and(|(begin, number)| {
            begin.contains('/') && number.len() == 1 && number.as_bytes()[0].is_ascii_digit()
        })
    };
    let (place, after) = rest.split_once(':')?;
    let origin = match place.split_once(' ') {
        Some((origin, place)) if is_host(origin) && is_place(place) => origin,
        None if is_place(place) => "",
        _ => return None,
    };
    let mut inner = Header::default();
    let after = time(after, &mut inner)?;
    tag(after.trim_start_matches([':', ' ']), &mut inner);
    if inner.program.is_empty() || !inner.message.starts_with('%') {
        return None;
    }
    if !origin.is_empty() {
        header.host = origin;
    }
    (header.time, header.time_text) = (inner.time, inner.time_text);
    header.clock_untrusted = inner.clock_untrusted;
    (header.program, header.process) = (inner.program, inner.process);
    header.evidence = Evidence::Header;
    Some(inner.message)
}

/// `%ASA-…`, and `host : %ASA-…`: the host and the rest.
fn mnemonic(text: &str) -> Option<(&str, &str)> {
    if text.starts_with('%') {
        return Some(("", text));
    }
    let (origin, rest) = word(text);
    let (origin, rest) = (origin.trim_end_matches(':'), rest.trim_start_matches([':', ' ']));
    let named = rest.strip_prefix('%')?.starts_with(|c: char| c.is_ascii_uppercase());
    (named && is_host(origin)).then_some((origin, rest))
}

/// `prog[pid]:`, `prog:`, `prog(pam_unix)[pid]:`, `com.apple.launchd[1] (com.apple.x[2]):`, `Name With Space[3]:`, `prog[pid] <Notice>:`.
fn tag<'a>(rest: &'a str, header: &mut Header<'a>) {
    header.message = rest;
    let bytes = rest.as_bytes();
    // Most tags are short; a long first word is text.
    let mut at = 0;
    while at < bytes.len() && at < 128 {
        match bytes[at] {
            b':' => {
                let ends = bytes.get(at + 1).is_none_or(|byte| matches!(byte, b' ' | b'\t'));
                if at == 0 || !ends {
                    // `CEF:0|…`, `Mod::Name[3]:`
                    if at > 0 && bytes.get(at + 1) == Some(&b':') {
                        at += 2;
                        continue;
                    }
                    return;
                }
                header.program = &rest[..at];
                header.message = rest[at + 1..].trim_start_matches(SPACES);
                break;
            }
            b'[' => {
                if !process(rest, at, header) {
                    return;
                }
                break;
            }
            // A tag without a colon shows itself before JSON.
            b' ' if at > 0 && rest[at..].starts_with(" {\"") => {
                header.program = &rest[..at];
                header.message = &rest[at + 1..];
                break;
            }
            // A tag with spaces has a process id: `Microsoft Outlook[123]:`.
            b' ' => {
                if let Some(open) = rest[at..].bytes().take(48).position(|byte| byte == b'[') {
                    let open = at + open;
                    let plain = rest[..open].bytes().all(|b| {
                        b.is_ascii_alphanumeric() || matches!(b, b' ' | b'.' | b'-' | b'_')
                    });
                    if !(plain
                        && at > 0
                        && closes_as_tag(rest, open)
                        && process(rest, open, header))
                    {
                        return;
                    }
                    break;
                }
                return;
            }
            b'=' | b'"' | b',' | b'{' | b'<' | b'|' | b'%' => return,
            _ => at += 1,
        }
    }
    if !header.program.is_empty() {
        header.evidence = Evidence::Header;
        // `crond(pam_unix)`: the program is crond; the message is pam_unix's.
        if let Some((program, _)) = header.program.split_once('(') {
            header.program = program.trim_end();
        }
    }
}

/// Whether `[digits]:` is at `open`.
fn closes_as_tag(rest: &str, open: usize) -> bool {
    rest[open + 1..].split_once(']').is_some_and(|(inside, after)| {
        !inside.is_empty()
            && inside.bytes().all(|byte| byte.is_ascii_digit())
            && after.starts_with(':')
    })
}

/// Takes `…[pid]` with what may stand between it and the message.
fn process<'a>(rest: &'a str, open: usize, header: &mut Header<'a>) -> bool {
    let Some((inside, after)) = rest[open + 1..].split_once(']') else { return false };
    // `[sshd]: …`, `[sshd] …`: brackets around the tag itself.
    if open == 0 {
        let name =
            inside.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
        if !name
            || inside.is_empty()
            || inside.len() > 32
            || inside.starts_with(|c: char| !c.is_lowercase())
            || !(after.starts_with(' ') || after.starts_with(": "))
        {
            return false;
        }
        header.program = inside;
        header.message = after.trim_start_matches([':', ' ']);
        return true;
    }
    if inside.len() > 64 || inside.contains(' ') {
        return false;
    }
    let message = match after.as_bytes() {
        [b':', ..] => &after[1..],
        [] => after,
        // macOS: ` <Notice>: `, ` (com.apple.x[2]): `
        [b' ', b'<' | b'(', ..] => match after.find(": ") {
            Some(end)
                if matches!(after.as_bytes()[end - 1], b'>' | b')')
                    && end < 96
                    && (after.as_bytes()[1] == b'<' || inside.len() < 8) =>
            {
                &after[end + 1..]
            }
            _ => after,
        },
        [b' ', ..] if inside.bytes().all(|byte| byte.is_ascii_digit()) => after,
        _ => return false,
    };
    header.program = &rest[..open];
    header.process = inside;
    header.message = message.trim_start_matches(SPACES);
    true
}

/// A priority but no time: `<134>filterlog: …`, `<189>date=…`, `<134>host %ASA`.
fn untimed<'a>(rest: &'a str, header: &mut Header<'a>) {
    if !header.host.is_empty() && rest.starts_with('%') {
        header.message = rest;
        return;
    }
    tag(rest, header);
}

/// Neither priority nor time: only a tag can show that it is syslog (`kernel: …`, `sshd[12]: …`), and uptime (`00:20:10: %SYS-…`).
fn bare<'a>(rest: &'a str, header: &mut Header<'a>) {
    header.message = rest;
    if let Some((uptime, after)) = rest.split_once(": %")
        && uptime.len() <= 16
        && uptime
            .bytes()
            .all(|b| b.is_ascii_digit() || matches!(b, b':' | b'.' | b'w' | b'd' | b'h'))
    {
        header.evidence = Evidence::Header;
        header.message = &rest[rest.len() - after.len() - 1..];
        return;
    }
    // `srv sshd[123]: …` and `sshd[123]: …` without a time.
    let mut trial = Header { priority: header.priority, ..Header::default() };
    tag(rest, &mut trial);
    let sure = |trial: &Header<'_>| {
        !trial.process.is_empty()
            && trial.process.bytes().all(|byte| byte.is_ascii_digit())
            && trial
                .program
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b'/'))
    };
    if sure(&trial) || trial.program == "kernel" {
        *header = Header { evidence: Evidence::Header, ..trial };
        return;
    }
    let (first, after) = word(rest);
    if is_host(first) && !first.contains(':') {
        let mut trial = Header { host: first, ..Header::default() };
        tag(after, &mut trial);
        if sure(&trial) && after.as_bytes().get(trial.program.len()) == Some(&b'[') {
            *header = Header { evidence: Evidence::Header, ..trial };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// host, program, process, message
    fn parts(line: &str) -> (String, String, String, String) {
        let header = read(line);
        let own = |text: &str| text.to_owned();
        (own(header.host), own(header.program), own(header.process), own(header.message))
    }

    #[test]
    fn hosts_and_tags_in_all_their_variants() {
        for (line, host, program, process, message) in [
            (
                "<34>Oct 11 22:14:15 mymachine su: 'su root' failed",
                "mymachine",
                "su",
                "",
                "'su root' failed",
            ),
            (
                "Feb  9 21:19:40 precise32 sshd[8317]: subsystem",
                "precise32",
                "sshd",
                "8317",
                "subsystem",
            ),
            (
                "Jun 14 15:16:01 combo sshd(pam_unix)[19939]: authentication failure; x",
                "combo",
                "sshd",
                "19939",
                "authentication failure; x",
            ),
            ("Nov 23 21:50:19 sshd[8148]: Disconnecting", "", "sshd", "8148", "Disconnecting"),
            ("Mar  3 00:17:22 [sshd]: User root", "", "sshd", "", "User root"),
            ("Jun 25 23:53:34 [sshd] User root", "", "sshd", "", "User root"),
            (
                "Apr  2 17:51:27 <4.3> pancake sshd[55624]: error: PAM",
                "pancake",
                "sshd",
                "55624",
                "error: PAM",
            ),
            (
                "Mar 19 23:48:18 <auth.info> pancake sshd[5]: Invalid",
                "pancake",
                "sshd",
                "5",
                "Invalid",
            ),
            ("<134>filterlog: 82,,,1", "", "filterlog", "", "82,,,1"),
            ("<134>Aug 14 13:05:09 filterlog: 82,,,1", "", "filterlog", "", "82,,,1"),
            ("<189>date=2020-04-23 time=12:32:48", "", "", "", "date=2020-04-23 time=12:32:48"),
            (
                "<134> Aug 14 13:05:09 fortigate date=2025-08-14 x",
                "fortigate",
                "",
                "",
                "date=2025-08-14 x",
            ),
            (
                "Oct 10 2018 12:34:56 localhost CiscoASA[999]: %ASA-6-1: x",
                "localhost",
                "CiscoASA",
                "999",
                "%ASA-6-1: x",
            ),
            ("Apr 17 2020 14:08:08 SNL-ASA : %ASA-6-1: x", "SNL-ASA", "", "", "%ASA-6-1: x"),
            ("Feb 20 2020 16:11:11: %ASA-6-734001: DAP", "", "", "", "%ASA-6-734001: DAP"),
            ("Apr 15 2014 09:34:34 EDT: %ASA-5-1: x", "", "", "", "%ASA-5-1: x"),
            ("May  5 17:51:17 dev01: %FTD-6-1: x", "dev01", "", "", "%FTD-6-1: x"),
            (
                "<189>83: *Feb 28 00:20:10.663 UTC: %SYS-5-CONFIG_I: x",
                "",
                "",
                "",
                "%SYS-5-CONFIG_I: x",
            ),
            (
                "<189>83: rtr1: *Feb 28 00:20:10.663: %SYS-5-CONFIG_I: x",
                "rtr1",
                "",
                "",
                "%SYS-5-CONFIG_I: x",
            ),
            (
                "Sep  1 10:25:29 10.10.10.1 83: Sep  1 10:25:28.1: %SYS-5-C: x",
                "10.10.10.1",
                "",
                "",
                "%SYS-5-C: x",
            ),
            (
                "Sep  1 10:25:29 10.10.10.1 %SEC-6-IPACCESSLOGP: list",
                "10.10.10.1",
                "",
                "",
                "%SEC-6-IPACCESSLOGP: list",
            ),
            ("00:20:10: %SYS-5-CONFIG_I: x", "", "", "", "%SYS-5-CONFIG_I: x"),
            (
                "<187>2041: RP/0/RSP0/CPU0:Nov 22 10:00:00.123 UTC: tcp[424]: %IP-TCP-3-BADAUTH : x",
                "",
                "tcp",
                "424",
                "%IP-TCP-3-BADAUTH : x",
            ),
            (
                "<187>Nov 22 10:00:00 10.0.0.1 2041: xr1 RP/0/RP0/CPU0:Nov 22 10:00:00.123 : bgp[1]: %ROUTING-BGP-5-A : x",
                "xr1",
                "bgp",
                "1",
                "%ROUTING-BGP-5-A : x",
            ),
            (
                "LC/0/1/CPU0:Nov 22 10:00:00.123 : ifmgr[161]: %PKT_INFRA-LINK-3-UPDOWN : x",
                "",
                "ifmgr",
                "161",
                "%PKT_INFRA-LINK-3-UPDOWN : x",
            ),
            ("Nov 22 10:00:00 h RP/0/CPU0:x y", "h", "", "", "RP/0/CPU0:x y"),
            (
                "Mar 10 10:00:00 host last message repeated 2 times",
                "host",
                "",
                "",
                "last message repeated 2 times",
            ),
            ("Mar 10 10:00:00 a Message forwarded from b: sshd[1]: x", "b", "sshd", "1", "x"),
            ("Jun 27 09:02:22 D-M-P D-M-P sshd[4]: x", "D-M-P", "sshd", "4", "x"),
            ("2016-10-25T12:37:23.297265-07:00 INFO periodic[1]: x", "", "periodic", "1", "x"),
            (
                "- 1131566461 2005.11.09 dn228 Nov 9 12:01:01 dn228/dn228 crond(pam_unix)[2915]: x",
                "dn228",
                "crond",
                "2915",
                "x",
            ),
            (
                "Jul  1 09:00:55 mac com.apple.xpc.launchd[1] (com.apple.quicklook[3]): x",
                "mac",
                "com.apple.xpc.launchd",
                "1",
                "x",
            ),
            ("Jul  1 09:00:55 mac login[12] <Notice>: x", "mac", "login", "12", "x"),
            ("Jul  1 09:00:55 mac Microsoft Word[12]: x", "mac", "Microsoft Word", "12", "x"),
            (
                "Oct 30 09:46:12 1,2012/10/30 09:46:12,016,THREAT,url",
                "",
                "",
                "",
                "1,2012/10/30 09:46:12,016,THREAT,url",
            ),
            ("Aug 14 13:05:09 h CEF:0|Imperva Inc.|x: y", "h", "", "", "CEF:0|Imperva Inc.|x: y"),
            ("<134>: Aug 14 13:05:09 UTC : %UCSM-6-AUDIT: [x]", "", "", "", "%UCSM-6-AUDIT: [x]"),
            ("kernel: tcp_parse_options: x", "", "kernel", "", "tcp_parse_options: x"),
            (
                "<134>1 1563249630.774247467 MX84 flows src=1.1.1.1",
                "MX84",
                "",
                "",
                "flows src=1.1.1.1",
            ),
            (
                "<134> Aug 14 13:05:09 h darktrace_audit {\"a\":1}",
                "h",
                "darktrace_audit",
                "",
                "{\"a\":1}",
            ),
            ("srv sshd[123]: error: x", "srv", "sshd", "123", "error: x"),
            (
                "Oct 10 07:25:12 Hostname kernel: [wan-lan-default-D]IN=eth0",
                "Hostname",
                "kernel",
                "",
                "[wan-lan-default-D]IN=eth0",
            ),
            ("Jan  8 03:37:09 DENY: IN=eth0 OUT=", "", "DENY", "", "IN=eth0 OUT="),
            (
                "<13>Jan  2 2020 03:04:05 web-1: sshd[5]: Accepted x",
                "web-1",
                "sshd",
                "5",
                "Accepted x",
            ),
            ("Jan  2 03:04:05 web-1: my.app[5]: x", "web-1", "my.app", "5", "x"),
            ("Jan  2 03:04:05 web-1: su: x", "web-1", "su", "", "x"),
            ("Jan  2 03:04:05 app: other: x", "", "app", "", "other: x"),
            ("Jan  2 03:04:05 kernel: sshd[5]: segfault", "", "kernel", "", "sshd[5]: segfault"),
            ("Jan  2 03:04:05 web-1 app: sshd[5]: x", "web-1", "app", "", "sshd[5]: x"),
            (
                "<38>Jan  2 03:04:05 Message forwarded from web-1: sshd[5]: x",
                "web-1",
                "sshd",
                "5",
                "x",
            ),
            (
                "2021-01-02T03:04:05.123Z 192.0.2.9 <38>Jan  2 03:04:05 web-1 sshd[5]: x",
                "web-1",
                "sshd",
                "5",
                "x",
            ),
            (
                "<13>Jan  2 03:04:05 192.0.2.9 <38>Jan  2 03:04:05 sshd[5]: x",
                "192.0.2.9",
                "sshd",
                "5",
                "x",
            ),
            (
                "<13>Jan  2 03:04:05 relay <38>1 2021-01-02T03:04:05Z web-1 sshd 5 - - x",
                "web-1",
                "sshd",
                "5",
                "x",
            ),
            (
                "<13>1 2021-01-02T03:04:05Z relay - - - - <38>Jan  2 03:04:05 web-1 sshd[5]: x",
                "web-1",
                "sshd",
                "5",
                "x",
            ),
            (
                "<13>1 2021-01-02T03:04:05Z web-1 app - - - <38>Jan  2 03:04:05 x y[1]: z",
                "web-1",
                "app",
                "",
                "<38>Jan  2 03:04:05 x y[1]: z",
            ),
            ("<13>Jan  2 03:04:05 web-1 <38> x", "web-1", "", "", "<38> x"),
            (
                "<13>Jan  2 03:04:05 web-1 app: <38>Jan  2 03:04:05 x y[1]: z",
                "web-1",
                "app",
                "",
                "<38>Jan  2 03:04:05 x y[1]: z",
            ),
            (
                "<166>Feb 28 00:20:10 192.0.2.1 Feb 27 2021 23:00:00 fw : %ASA-4-1: x",
                "fw",
                "",
                "",
                "%ASA-4-1: x",
            ),
            (
                "<166>Feb 28 00:20:10 192.0.2.1 Feb 27 2021 23:00:00 fw %ASA-4-1: x",
                "fw",
                "",
                "",
                "%ASA-4-1: x",
            ),
            ("<166>:Feb 27 2021 23:00:00 EST: %ASA-4-1: x", "", "", "", "%ASA-4-1: x"),
            ("<166>:Feb 27 2021 23:00:00 EST: fw : %ASA-4-1: x", "fw", "", "", "%ASA-4-1: x"),
            ("<166>:%ASA-4-1: x", "", "", "", "%ASA-4-1: x"),
        ] {
            let expected = (host.into(), program.into(), process.into(), message.into());
            assert_eq!(parts(line), expected, "{line}");
            assert_eq!(read(line).evidence, Evidence::Header, "{line}");
        }
    }

    #[test]
    fn of_two_headers_the_sender_s_counts_but_not_a_time_that_says_less() {
        for (line, priority, time) in [
            (
                "2021-01-02T03:04:05.123Z 192.0.2.9 <38>Jan  2 03:04:05 h sshd[5]: x",
                "38",
                "2021-01-02T03:04:05.123Z",
            ),
            ("<13>Jan  2 03:04:06 relay <38>Jan  2 03:04:05 h sshd[5]: x", "38", "Jan  2 03:04:05"),
            (
                "<13>Jan  2 03:04:06 relay <38>1 2021-01-02T03:04:05Z h sshd 5 - - x",
                "38",
                "2021-01-02T03:04:05Z",
            ),
            (
                "<166>Feb 28 00:20:10 192.0.2.1 Feb 27 2021 23:00:00 fw : %ASA-4-1: x",
                "166",
                "Feb 27 2021 23:00:00",
            ),
            (
                "<166>Feb 28 00:20:10 192.0.2.1 *Feb 27 2021 23:00:00 fw : %ASA-4-1: x",
                "166",
                "Feb 28 00:20:10",
            ),
            ("<166>:Feb 27 2021 23:00:00 EST: %ASA-4-1: x", "166", "Feb 27 2021 23:00:00 EST"),
        ] {
            let header = read(line);
            assert_eq!((header.priority, header.time_text), (Some(priority), time), "{line}");
        }
    }

    #[test]
    fn rfc_5424_with_and_without_its_parts() {
        let header = read(
            "535 <34>1 2003-10-11T22:14:15.003Z mymachine su - ID47 [a@1 b=\"c]\\\"\"] \u{feff}failed",
        );
        assert_eq!((header.priority, header.version), (Some("34"), Some("1")));
        assert_eq!((header.host, header.program, header.process), ("mymachine", "su", ""));
        assert_eq!((header.message_id, header.data), ("ID47", "[a@1 b=\"c]\\\"\"]"));
        assert_eq!(header.message, "failed");
        let header = read("<165>1 - - - - - -");
        assert_eq!((header.time, header.host, header.message), (None, "", ""));
        let header = read(
            "1 2018-10-11T22:14:15 SRX34001 RT_FLOW - RT_FLOW_SESSION_DENY [junos@2636 a=\"1\"]",
        );
        assert_eq!((header.host, header.message_id), ("SRX34001", "RT_FLOW_SESSION_DENY"));
        assert!(header.time.is_some() && header.message.is_empty());
    }

    #[test]
    fn other_logs_are_no_syslog() {
        for line in [
            "",
            "Header1: abc",
            "hello world",
            "{\"a\":1}",
            "127.0.0.1 - - [01/Jan/2020:00:00:00 +0000] \"GET / HTTP/1.1\" 200 1",
            "0 3 PVEFW x",
            "<Event xmlns='x'>",
            "<html>",
            "type=SYSCALL msg=audit(1.1:1): a=b",
            "1403884279 - 06/27/2014 17:51:19 Host: x",
        ] {
            assert!(read(line).evidence < Evidence::Header, "{line}");
        }
    }
}
