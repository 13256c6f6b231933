//! What Linux programs write to syslog: which log sources a program has ([`program`]), and the fields of authentication messages for
//! correlation rules.
//!
//! Fields: `user`, `src_ip`, `src_port`, `src_host`, `method`, `outcome` (`success` or `failure`), `service`, `reason`, and the names that the
//! message itself writes (`TTY`, `PWD`, `USER`, `COMMAND`, `uid`, `rhost` …).

mod accounts;
mod cron;
mod ftp;
mod pam;
mod sshd;
mod sudo;

use crate::syslog::kind::{Kind, NO_ALIASES, kinds};
use sigmund_engine::Record;

/// Reads the fields of a message.
pub(crate) type Reader = fn(&str, &mut Record);

/// A program: its kind and what reads its messages.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Program {
    pub(crate) kind: &'static Kind,
    pub(crate) read: Option<Reader>,
}

/// Kinds by the services of their programs: `CONSTANT = "name": services;`.
macro_rules! programs {
    ($($constant:ident = $name:literal: $($service:literal),*;)*) => {
        kinds! {
            #[cfg(test)]
            NO_ALIASES;
            $($constant = concat!("linux ", $name), &[$(("linux", "", $service),)* ("linux", "", "syslog")];)*
        }
    };
}

// Every message that came through syslog has service syslog too: a guess adds log sources.
programs! {
    SYSLOG = "syslog":;
    PAM = "pam": "auth";
    SSHD = "sshd": "sshd", "auth";
    DROPBEAR = "dropbear": "dropbear", "sshd", "auth";
    SUDO = "sudo": "sudo", "auth";
    SU = "su": "su", "auth";
    LOGIN = "login": "login", "auth";
    LOGIND = "systemd-logind": "systemd-logind", "auth";
    ACCOUNTS = "accounts": "auth";
    POLKIT = "polkit": "polkit", "auth";
    CRON = "cron": "cron", "auth";
    VSFTPD = "vsftpd": "vsftpd", "auth";
    FTP = "ftp": "ftp", "auth";
    CLAMAV = "clamav": "clamav";
    GUACAMOLE = "guacamole": "guacamole";
    NAMED = "named": "named";
    KERNEL = "kernel": "kernel";
    AUDITD = "auditd": "auditd";
    SYSTEMD = "systemd": "systemd";
    APACHE = "apache": "apache";
    NGINX = "nginx": "nginx";
    POSTFIX = "postfix": "postfix";
    DOVECOT = "dovecot": "dovecot", "auth";
    DHCPD = "dhcpd": "dhcpd";
    DNSMASQ = "dnsmasq": "dnsmasq";
    OPENVPN = "openvpn": "openvpn";
    MYSQL = "mysql": "mysql";
    POSTGRESQL = "postgresql": "postgresql";
    DOCKER = "docker": "docker";
    SQUID = "squid": "squid";
    HAPROXY = "haproxy": "haproxy";
    SAMBA = "samba": "samba";
    SLAPD = "slapd": "slapd";
    XINETD = "xinetd": "xinetd";
    FAIL2BAN = "fail2ban": "fail2ban";
    FIREWALLD = "firewalld": "firewalld";
}

/// The program of that tag.
pub(crate) fn program(tag: &str) -> Program {
    let read = |kind: &'static Kind, read: Reader| Program { kind, read: Some(read) };
    let only = |kind: &'static Kind| Program { kind, read: None };
    // `/usr/sbin/cron` and `postfix/smtpd`.
    let name = match tag.strip_prefix('/') {
        Some(path) => path.rsplit('/').next().unwrap_or(path),
        None => tag.split('/').next().unwrap_or(tag),
    };
    match name {
        "sshd" | "sshd-session" | "sshd-auth" | "ssh" => read(&SSHD, sshd::read),
        "dropbear" => read(&DROPBEAR, sshd::read_dropbear),
        "sudo" => read(&SUDO, sudo::read),
        "su" | "su-l" | "runuser" => read(&SU, sudo::read_su),
        "login" | "remote" | "agetty" | "gdm" | "gdm-password" | "lightdm" | "sddm" => {
            read(&LOGIN, accounts::read_login)
        }
        "systemd-logind" | "elogind" => read(&LOGIND, accounts::read_logind),
        "useradd" | "usermod" | "userdel" | "adduser" | "groupadd" | "groupmod" | "groupdel"
        | "passwd" | "chpasswd" | "gpasswd" | "chage" | "chfn" | "chsh" | "newusers" | "vipw" => {
            read(&ACCOUNTS, accounts::read)
        }
        "polkitd" | "polkit" | "pkexec" | "polkit-agent-helper-1" => {
            read(&POLKIT, accounts::read_polkit)
        }
        "CRON" | "cron" | "crond" | "CROND" | "crontab" | "anacron" | "atd" | "fcron" => {
            read(&CRON, cron::read)
        }
        "vsftpd" => read(&VSFTPD, ftp::read),
        "proftpd" | "pure-ftpd" | "wu-ftpd" | "ftpd" | "in.ftpd" => read(&FTP, ftp::read),
        "pam" | "unix_chkpwd" => read(&PAM, pam::read),
        "clamd" | "freshclam" | "clamav" | "clamscan" | "clamdscan" | "clamonacc"
        | "clamav-milter" | "clamav-daemon" => only(&CLAMAV),
        "guacd" | "guacamole" => only(&GUACAMOLE),
        "named" | "bind" | "bind9" => only(&NAMED),
        "kernel" => only(&KERNEL),
        "auditd" | "audispd" | "audisp-syslog" | "audit" => only(&AUDITD),
        "systemd" => read(&SYSTEMD, pam::read),
        "apache" | "apache2" | "httpd" => only(&APACHE),
        "nginx" => only(&NGINX),
        "postfix" => only(&POSTFIX),
        "dovecot" | "dovecot-auth" => read(&DOVECOT, pam::read),
        "dhcpd" | "dhclient" => only(&DHCPD),
        "dnsmasq" | "dnsmasq-dhcp" => only(&DNSMASQ),
        "openvpn" | "ovpn" => only(&OPENVPN),
        "mysqld" | "mysql" | "mariadbd" | "mariadb" => only(&MYSQL),
        "postgres" | "postgresql" => only(&POSTGRESQL),
        "dockerd" | "docker" | "containerd" => only(&DOCKER),
        "squid" => only(&SQUID),
        "haproxy" => only(&HAPROXY),
        "smbd" | "nmbd" | "winbindd" | "smbd_audit" => only(&SAMBA),
        "slapd" => only(&SLAPD),
        "xinetd" | "inetd" => read(&XINETD, read_client),
        "fail2ban" | "fail2ban-server" | "fail2ban.actions" => read(&FAIL2BAN, read_client),
        "firewalld" => only(&FIREWALLD),
        "webmin" | "usermin" | "scanlogd" | "telnetd" | "in.telnetd" | "rlogind" | "portsentry" => {
            read(&SYSLOG, read_client)
        }
        _ => only(&SYSLOG),
    }
}

/// Reads a message; the kind that it has.
pub(crate) fn read(tag: &str, message: &str, record: &mut Record) -> &'static Kind {
    let program = program(tag);
    // Solaris: `[ID 800047 auth.info] …`
    let message = match message.strip_prefix("[ID ") {
        Some(inner) => inner.split_once("] ").map_or(message, |(_, rest)| rest),
        None => message,
    };
    if pam::claims(message) {
        pam::read(message, record);
        return if std::ptr::eq(program.kind, &raw const SYSLOG) { &PAM } else { program.kind };
    }
    // vsftpd's own file has no tag.
    if tag.is_empty() && message.starts_with("[pid ") && message.contains(": Client \"") {
        ftp::read(message, record);
        return &VSFTPD;
    }
    if let Some(read) = program.read {
        read(message, record);
    }
    program.kind
}

/// Daemons that say little more than who it was: `FAIL: telnet address from=1.2.3.4`, `Invalid login as root from 1.2.3.4`, `Ban 1.2.3.4`.
fn read_client(message: &str, record: &mut Record) {
    let failed = ["FAIL", "Invalid login", "Non-existent login", "refused connect", "Ban "]
        .iter()
        .any(|words| message.contains(words));
    if failed {
        record.set("outcome", "failure");
    }
    if let Some(user) = between(message, " login as ", " ") {
        put(record, "user", user);
    }
    let address = message
        .split([' ', '=', '(', ')', '<', '>', ','])
        .filter(|word| word.contains(['.', ':']))
        .find(|word| is_address(word.trim_end_matches([':', '.'])));
    put(record, "src_ip", address.unwrap_or("").trim_end_matches([':', '.']));
}

/// Sets a field if there is something to set.
fn put(record: &mut Record, name: &str, text: &str) {
    if !text.is_empty() {
        record.set(name, text);
    }
}

/// Sets `src_ip` or, for names, `src_host`.
fn source(record: &mut Record, address: &str) {
    let address = address.trim_start_matches('[').trim_end_matches([']', '.']);
    let name = if is_address(address) { "src_ip" } else { "src_host" };
    put(record, name, address);
}

/// Whether the text is an IP address; of IPv6 also with a zone (`fe80::1%eth0`).
fn is_address(text: &str) -> bool {
    // Names are the rule for the rest; look before parsing.
    let text = text.split('%').next().unwrap_or(text);
    text.bytes().all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b'.' | b':'))
        && text.parse::<std::net::IpAddr>().is_ok()
}

/// `1.2.3.4:55` and `[::1]:55`, `::1:55` with the port behind the last colon.
fn endpoint(record: &mut Record, text: &str) {
    match text.rsplit_once(':') {
        Some((address, port))
            if !port.is_empty()
                && port.bytes().all(|byte| byte.is_ascii_digit())
                && (is_address(address.trim_matches(['[', ']'])) || !address.contains(':')) =>
        {
            source(record, address.trim_matches(['[', ']']));
            put(record, "src_port", port);
        }
        _ => source(record, text),
    }
}

/// The text between two texts.
fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(before)?;
    rest.split_once(after).map(|(inside, _)| inside)
}

/// The digits at the beginning.
fn digits(text: &str) -> &str {
    let end = text.bytes().take_while(u8::is_ascii_digit).count();
    &text[..end]
}

/// The first word.
fn word(text: &str) -> &str {
    text.split_ascii_whitespace().next().unwrap_or("")
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn fields(tag: &str, message: &str) -> Vec<(String, String)> {
        let mut record = Record::collecting();
        read(tag, message, &mut record);
        let fields = &record.fields;
        fields
            .present()
            .flat_map(|slot| fields.values(slot).map(move |value| (slot, value)))
            .map(|(slot, value)| {
                let text = String::from_utf8_lossy(fields.bytes(b"", value)).into_owned();
                (fields.name(slot).to_owned(), text)
            })
            .collect()
    }

    /// Compares with `name=value` pairs separated by `|`.
    pub(super) fn check(tag: &str, message: &str, expected: &str) {
        let have: Vec<String> = fields(tag, message)
            .into_iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        assert_eq!(have.join("|"), expected, "{tag}: {message}");
    }

    #[test]
    fn clients_of_other_daemons() {
        check(
            "xinetd",
            "FAIL: telnet address from=198.51.100.169",
            "outcome=failure|src_ip=198.51.100.169",
        );
        check(
            "webmin",
            "Invalid login as root from 89.2.49.230 ",
            "outcome=failure|user=root|src_ip=89.2.49.230",
        );
        check("fail2ban.actions", "NOTICE [jail] Ban 10.0.0.7", "outcome=failure|src_ip=10.0.0.7");
    }

    #[test]
    fn programs_have_their_services() {
        let has = |tag: &str, service: &str| {
            program(tag).kind.log_sources.contains(&("linux", "", Box::leak(service.into())))
        };
        for (tag, service) in [
            ("sshd", "sshd"),
            ("sshd-session", "auth"),
            ("sudo", "sudo"),
            ("su", "auth"),
            ("CRON", "cron"),
            ("/usr/sbin/cron", "cron"),
            ("clamd", "clamav"),
            ("guacd", "guacamole"),
            ("named", "syslog"),
            ("kernel", "syslog"),
            ("postfix/smtpd", "postfix"),
            ("x", "syslog"),
            ("vsftpd", "vsftpd"),
            ("useradd", "auth"),
            ("polkitd", "auth"),
        ] {
            assert!(has(tag, service), "{tag} {service}");
        }
        let mut names: Vec<&str> = KINDS.iter().map(|kind| kind.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), KINDS.len(), "one name, one kind");
    }
}
