//! Sigma names for Zeek's fields.
//!
//! Rules for `product: zeek` use Zeek's own names; the rest serves rules written for firewalls, DNS,
//! web servers and proxies, and the ECS names of the taxonomy. Shippers that cannot have dots in names write
//! `id_orig_h` for `id.orig_h`, so each such name stands for the other, and aliases read both.

use crate::uri;
use sigmund_engine::AliasTable;
use sigmund_engine::alias::{Alias, Pick, Source};
use std::sync::{Arc, LazyLock};

/// Logs that share their aliases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    Conn,
    Dns,
    Http,
    Smb,
    X509,
    Ssl,
    Files,
    Other,
}

static TABLES: LazyLock<[Arc<AliasTable>; 8]> = LazyLock::new(|| {
    let with = |own: Vec<Alias>| {
        Arc::new(AliasTable::new(own.into_iter().chain(endpoints()).chain(dotted())))
    };
    [
        with(conn()),
        with(dns()),
        with(http()),
        with(smb()),
        with(x509()),
        with(ssl()),
        with(files()),
        with(Vec::new()),
    ]
});

/// The alias tables of all logs.
pub(super) fn tables() -> Vec<Arc<AliasTable>> {
    TABLES.to_vec()
}

impl Family {
    /// Of a log, variants already taken off its name.
    pub(super) fn of(base: &str) -> Self {
        match base {
            "conn" => Self::Conn,
            "dns" => Self::Dns,
            "http" => Self::Http,
            "smb_files" | "smb_mapping" => Self::Smb,
            "x509" => Self::X509,
            "ssl" => Self::Ssl,
            "files" => Self::Files,
            _ => Self::Other,
        }
    }

    pub(super) fn table(self) -> &'static Arc<AliasTable> {
        &TABLES[self as usize]
    }
}

/// Names with dots, all that Zeek's own scripts log.
const DOTTED: &[(&str, &str)] = &[
    ("id.orig_h", "id_orig_h"),
    ("id.orig_p", "id_orig_p"),
    ("id.resp_h", "id_resp_h"),
    ("id.resp_p", "id_resp_p"),
    ("id.vlan", "id_vlan"),
    ("id.vlan_inner", "id_vlan_inner"),
    ("basic_constraints.ca", "basic_constraints_ca"),
    ("basic_constraints.path_len", "basic_constraints_path_len"),
    ("bound.host", "bound_host"),
    ("bound.name", "bound_name"),
    ("certificate.curve", "certificate_curve"),
    ("certificate.exponent", "certificate_exponent"),
    ("certificate.issuer", "certificate_issuer"),
    ("certificate.key_alg", "certificate_key_alg"),
    ("certificate.key_length", "certificate_key_length"),
    ("certificate.key_type", "certificate_key_type"),
    ("certificate.not_valid_after", "certificate_not_valid_after"),
    ("certificate.not_valid_before", "certificate_not_valid_before"),
    ("certificate.sig_alg", "certificate_sig_alg"),
    ("certificate.subject", "certificate_subject"),
    ("certificate.version", "certificate_version"),
    ("cmd.key", "cmd_key"),
    ("cmd.name", "cmd_name"),
    ("cmd.value", "cmd_value"),
    ("data_channel.orig_h", "data_channel_orig_h"),
    ("data_channel.passive", "data_channel_passive"),
    ("data_channel.resp_h", "data_channel_resp_h"),
    ("data_channel.resp_p", "data_channel_resp_p"),
    ("remote_location.city", "remote_location_city"),
    ("remote_location.country_code", "remote_location_country_code"),
    ("remote_location.latitude", "remote_location_latitude"),
    ("remote_location.longitude", "remote_location_longitude"),
    ("remote_location.region", "remote_location_region"),
    ("reply.value", "reply_value"),
    ("request.host", "request_host"),
    ("request.name", "request_name"),
    ("san.dns", "san_dns"),
    ("san.email", "san_email"),
    ("san.ip", "san_ip"),
    ("san.uri", "san_uri"),
    ("seen.indicator", "seen_indicator"),
    ("seen.indicator_type", "seen_indicator_type"),
    ("seen.node", "seen_node"),
    ("seen.where", "seen_where"),
    ("times.accessed", "times_accessed"),
    ("times.changed", "times_changed"),
    ("times.created", "times_created"),
    ("times.modified", "times_modified"),
    ("version.addl", "version_addl"),
    ("version.major", "version_major"),
    ("version.minor", "version_minor"),
    ("version.minor2", "version_minor2"),
    ("version.minor3", "version_minor3"),
];

fn dotted() -> impl Iterator<Item = Alias> {
    DOTTED
        .iter()
        .flat_map(|(dotted, flat)| [Alias::to(dotted, &[flat]), Alias::to(flat, &[dotted])])
        // Its table gives it more sources than this one.
        .chain([Alias::to("certificate_serial", &["certificate.serial"])])
}

/// Who talked to whom: every log with a connection.
fn endpoints() -> Vec<Alias> {
    // Filebeat and Security Onion have the ECS names only.
    let orig = &["id.orig_h", "id_orig_h", "source.ip", "src"];
    let resp = &["id.resp_h", "id_resp_h", "destination.ip", "dst"];
    let orig_port = &["id.orig_p", "id_orig_p", "source.port"];
    let resp_port = &["id.resp_p", "id_resp_p", "destination.port"];
    vec![
        Alias::to("src_ip", orig),
        Alias::to("src_port", orig_port),
        Alias::to("dst_ip", resp),
        Alias::to("dst_port", resp_port),
        Alias::to("source.ip", orig),
        Alias::to("source.port", orig_port),
        Alias::to("destination.ip", resp),
        Alias::to("destination.port", resp_port),
        Alias::to("network.transport", &["proto"]),
        Alias::to("network.community_id", &["community_id"]),
        Alias::to("id.orig_h", &["id_orig_h", "source.ip"]),
        Alias::to("id.resp_h", &["id_resp_h", "destination.ip"]),
        Alias::to("id.orig_p", &["id_orig_p", "source.port"]),
        Alias::to("id.resp_p", &["id_resp_p", "destination.port"]),
    ]
}

fn computed(
    from: &'static [&'static str],
    compute: fn(&[Option<&str>], &mut String) -> bool,
    what: &'static str,
) -> Source {
    Source::Computed { from, compute, what }
}

fn field(name: &'static str) -> Source {
    Source::Field(name.into())
}

fn conn() -> Vec<Alias> {
    vec![
        Alias::with(
            "blocked",
            Pick::First,
            [computed(&["conn_state"], blocked, "from conn_state")],
        ),
        Alias::to("network.protocol", &["service"]),
        Alias::to("network.state", &["conn_state"]),
        Alias::to("network.history", &["history"]),
        Alias::to("event.duration", &["duration"]),
        Alias::to("source.bytes", &["orig_bytes"]),
        Alias::to("destination.bytes", &["resp_bytes"]),
        Alias::to("source.packets", &["orig_pkts"]),
        Alias::to("destination.packets", &["resp_pkts"]),
        Alias::to("protocol", &["proto"]),
    ]
}

/// A connection that was answered was not blocked, a rejected one was; of the others nothing is known.
fn blocked(fields: &[Option<&str>], out: &mut String) -> bool {
    let text = match fields {
        [Some("REJ")] => "true",
        [Some("SF" | "S1" | "S2" | "S3" | "RSTO" | "RSTR")] => "false",
        _ => return false,
    };
    out.push_str(text);
    true
}

fn dns() -> Vec<Alias> {
    vec![
        Alias::to("record_type", &["qtype_name"]),
        Alias::with(
            "answer",
            Pick::Alternates,
            [field("answers"), computed(&["answers"], txt_answer, "text of a TXT answer")],
        ),
        Alias::to("dns.question.name", &["query"]),
        Alias::to("dns.question.type", &["qtype_name"]),
        Alias::to("dns.question.class", &["qclass_name"]),
        Alias::to("dns.answers.data", &["answers"]),
        Alias::to("dns.answers.ttl", &["TTLs"]),
        Alias::to("dns.response.code", &["rcode_name"]),
        Alias::to("dns.id", &["trans_id"]),
        Alias::to("c-ip", &["id.orig_h", "id_orig_h"]),
    ]
}

/// Zeek writes the text of a TXT record as `TXT <length> <text>`.
fn txt_answer(fields: &[Option<&str>], out: &mut String) -> bool {
    let text = fields.first().copied().flatten().and_then(|answer| {
        let (length, text) = answer.strip_prefix("TXT ")?.split_once(' ')?;
        length.bytes().all(|byte| byte.is_ascii_digit()).then_some(text)
    });
    text.is_some_and(|text| {
        out.push_str(text);
        true
    })
}

const URI: &[&str] = &["uri"];
const HOST_URI: &[&str] = &["host", "uri"];

fn http() -> Vec<Alias> {
    let url = || computed(HOST_URI, uri::url, "absolute URL from host and uri");
    let path = || computed(URI, uri::path, "path of uri");
    let query = || computed(URI, uri::query, "query of uri");
    let target = || computed(URI, uri::path_and_query, "path and query of uri");
    let agent = |name| {
        // Rules test a missing agent with `''` and with null; `-` and the empty text mean it too.
        let from: &[&str] = &["user_agent"];
        Alias::with(
            name,
            Pick::Alternates,
            [
                computed(from, uri::something, "user_agent unless empty"),
                computed(
                    &["user_agent", "method", "uri"],
                    uri::nothing,
                    "empty if a request had no user_agent",
                ),
                field("user_agent"),
            ],
        )
    };
    let any = |name, sources: Vec<Source>| Alias::with(name, Pick::Alternates, sources);
    let first = |name, source| Alias::with(name, Pick::First, [source]);
    vec![
        Alias::to("c-ip", &["id.orig_h", "id_orig_h"]),
        Alias::to("s-ip", &["id.resp_h", "id_resp_h"]),
        Alias::to("s-port", &["id.resp_p", "id_resp_p"]),
        Alias::to("cs-method", &["method"]),
        first("cs-uri-stem", path()),
        // Most rules mean path and query, some the strict query.
        any("cs-uri-query", vec![query(), field("uri")]),
        any("c-uri-query", vec![query(), field("uri")]),
        first("c-uri-stem", path()),
        any("c-uri", vec![url(), target(), path()]),
        any("cs-uri", vec![target(), url(), path()]),
        first("c-uri-extension", computed(URI, uri::extension, "extension of uri")),
        Alias::to("cs-host", &["host"]),
        Alias::to("r-dns", &["host"]),
        agent("cs-user-agent"),
        agent("c-useragent"),
        Alias::to("cs-referer", &["referrer"]),
        Alias::to("cs-referrer", &["referrer"]),
        Alias::to("sc-status", &["status_code"]),
        Alias::to("cs-bytes", &["request_body_len"]),
        Alias::to("sc-bytes", &["response_body_len"]),
        Alias::to("cs-version", &["version"]),
        Alias::to("cs-username", &["username"]),
        Alias::to("cs-cookie", &["cookie", "cookie_vars"]),
        Alias::to("cs-content-type", &["content_type", "orig_mime_types"]),
        Alias::to("sc-content-type", &["resp_mime_types"]),
    ]
}

/// Rules made from Windows event 5145 compare `path` with `\\*\SHARE`, as Windows writes share names.
fn smb() -> Vec<Alias> {
    let share = computed(&["path"], share, "share of path as `\\\\*\\SHARE`");
    vec![
        Alias::with("path", Pick::Alternates, [field("path"), share.clone()]),
        Alias::with("ShareName", Pick::Alternates, [share, field("path")]),
        Alias::to("RelativeTargetName", &["name"]),
    ]
}

fn share(fields: &[Option<&str>], out: &mut String) -> bool {
    let share = fields.first().copied().flatten().and_then(|path| {
        let (_, share) = path.strip_prefix(r"\\")?.split_once('\\')?;
        share.split('\\').next().filter(|share| !share.is_empty())
    });
    share.is_some_and(|share| {
        out.push_str(r"\\*\");
        out.push_str(share);
        true
    })
}

/// Rules write serial numbers without leading zeros, OpenSSL with them.
fn x509() -> Vec<Alias> {
    const SERIAL: &str = "certificate.serial";
    vec![Alias::with(
        SERIAL,
        Pick::Alternates,
        [
            field(SERIAL),
            field("certificate_serial"),
            computed(&[SERIAL], bare_serial, "serial without leading zeros"),
            computed(&["certificate_serial"], bare_serial, "serial without leading zeros"),
        ],
    )]
}

pub(crate) fn bare_serial(fields: &[Option<&str>], out: &mut String) -> bool {
    let Some(Some(serial)) = fields.first() else { return false };
    let bare = serial.trim_start_matches('0');
    if bare.is_empty() || bare.len() == serial.len() {
        return false;
    }
    out.push_str(bare);
    true
}

fn ssl() -> Vec<Alias> {
    vec![
        Alias::to("r-dns", &["server_name"]),
        Alias::to("tls.server.name", &["server_name"]),
        Alias::to("tls.client.server_name", &["server_name"]),
    ]
}

fn files() -> Vec<Alias> {
    vec![
        Alias::to("src_ip", &["id.orig_h", "id_orig_h", "tx_hosts"]),
        Alias::to("dst_ip", &["id.resp_h", "id_resp_h", "rx_hosts"]),
        Alias::to("Filename", &["filename"]),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn computed(f: fn(&[Option<&str>], &mut String) -> bool, text: &str) -> Option<String> {
        let mut out = String::new();
        f(&[Some(text)], &mut out).then_some(out)
    }

    #[test]
    fn every_family_knows_the_endpoints_in_both_spellings() {
        for table in tables() {
            for (name, _) in DOTTED {
                assert!(table.get(name).is_some(), "{name}");
            }
            for name in ["src_ip", "dst_ip", "dst_port", "id_orig_h", "destination.port"] {
                assert!(table.get(name).is_some(), "{name}");
            }
        }
    }

    #[test]
    fn families_have_the_generic_names_of_their_rules() {
        let has = |family: Family, names: &[&str]| {
            for name in names {
                assert!(family.table().get(name).is_some(), "{family:?} {name}");
            }
        };
        has(Family::Conn, &["blocked", "dst_port", "src_ip"]);
        has(Family::Dns, &["record_type", "answer"]);
        let web = [
            "cs-uri-query",
            "cs-method",
            "sc-status",
            "cs-uri-stem",
            "cs-user-agent",
            "cs-referer",
        ];
        has(Family::Http, &web);
        let proxy = ["c-uri", "c-useragent", "cs-host", "cs-uri", "c-uri-extension", "dst_ip"];
        has(Family::Http, &proxy);
        assert_eq!(Family::of("smb_mapping"), Family::Smb);
    }

    #[test]
    fn only_requests_lack_a_user_agent() {
        let of = |rest: &str| {
            let log = format!(
                r#"{{"_path":"http","ts":1300475167.0,"uid":"C1","id.orig_h":"10.0.0.1","id.orig_p":4,"id.resp_h":"1.2.3.4","id.resp_p":80,"trans_depth":1{rest}}}"#
            );
            crate::look::field(&log, "c-useragent").1
        };
        assert_eq!(of(r#","method":"GET","uri":"/""#), [""]);
        assert_eq!(of(r#","method":"GET","user_agent":"x""#), ["x", "x"]);
        assert!(of(r#","version":"1.0","status_code":408"#).is_empty());
    }

    #[test]
    fn blocked_is_said_only_when_it_is_known() {
        assert_eq!(computed(blocked, "REJ").as_deref(), Some("true"));
        assert_eq!(computed(blocked, "SF").as_deref(), Some("false"));
        assert_eq!(computed(blocked, "S0"), None);
    }

    #[test]
    fn answers_shares_and_serials() {
        let answer = computed(txt_answer, "TXT 25 v=spf1 -all");
        assert_eq!(answer.as_deref(), Some("v=spf1 -all"));
        assert_eq!(computed(txt_answer, "TXT ample text"), None);
        assert_eq!(computed(txt_answer, "10.0.0.1"), None);
        assert_eq!(computed(share, r"\\10.0.0.1\IPC$").as_deref(), Some(r"\\*\IPC$"));
        assert_eq!(computed(share, r"\\host\C$\dir").as_deref(), Some(r"\\*\C$"));
        assert_eq!(computed(share, r"C:\dir"), None);
        assert_eq!(computed(bare_serial, "08BB00EE").as_deref(), Some("8BB00EE"));
        assert_eq!(computed(bare_serial, "8BB00EE"), None);
    }
}
