//! Palo Alto Networks PAN-OS: comma separated columns by log type (syslog field descriptions).
//!
//! Versions only append columns, so a type is a list of names for its beginning and the rest is not named. Names are the variables of the
//! custom log format (`src`, `dport`, `srcuser` …); the action column is `verdict`, because `action` also offers the canonical words.

use super::{Device, Message, by_word, decisions, put};
use crate::syslog::kind::{Kind, kinds};
use crate::uri;
use jiff::tz::TimeZone;
use sigmund_engine::alias::{Alias, Pick, Source};
use sigmund_engine::{AliasTable, EventTime, Record, TimeSource};
use std::borrow::Cow;
use std::sync::{Arc, LazyLock};

pub(super) struct PaloAlto;

kinds! {
    ALIASES;
    TRAFFIC = "paloalto traffic", &[("paloalto", "firewall", "traffic")];
    THREAT = "paloalto threat", &[("paloalto", "firewall", "threat")];
    URL = "paloalto url", &[("paloalto", "firewall", "threat"), ("paloalto", "proxy", "url")];
    VIRUS = "paloalto virus", &[("paloalto", "firewall", "threat"), ("paloalto", "antivirus", "threat")];
    GLOBALPROTECT = "paloalto globalprotect", &[("paloalto", "appliance", "globalprotect")];
    CONFIG = "paloalto config", &[("paloalto", "", "config")];
    SYSTEM = "paloalto system", &[("paloalto", "", "system")];
    USERID = "paloalto userid", &[("paloalto", "", "userid")];
    OTHER = "paloalto", &[("paloalto", "", "")];
}

static ALIASES: LazyLock<Arc<AliasTable>> = LazyLock::new(|| {
    fn part(compute: fn(&[Option<&str>], &mut String) -> bool, what: &'static str) -> Source {
        Source::Computed { from: REQUEST, compute, what }
    }
    let url = || part(url, "scheme and misc of URL logs");
    let host = || part(host, "host of URL logs");
    let path = || part(path, "path of URL logs");
    let query = || part(query, "query of URL logs");
    let target = || part(target, "path and query of URL logs");
    let any = |name, sources: Vec<Source>| Alias::with(name, Pick::Alternates, sources);
    let first = |name, source| Alias::with(name, Pick::First, [source]);
    let names = [
        Alias::to("src_ip", &["src", "ip", "public_ip", "host"]),
        Alias::to("src_port", &["sport"]),
        Alias::to("dst_ip", &["dst"]),
        Alias::to("dst_port", &["dport"]),
        Alias::to("username", &["srcuser", "user", "admin"]),
        Alias::to("protocol", &["proto"]),
        Alias::to("bytes_out", &["bytes_sent"]),
        Alias::to("bytes_in", &["bytes_received"]),
        Alias::to("Signature", &["threatid"]),
        Alias::to("Filename", &["misc"]),
        // URL logs as a proxy.
        any("c-uri", vec![url(), target(), path()]),
        any("cs-uri", vec![target(), url(), path()]),
        first("c-uri-stem", path()),
        first("cs-uri-stem", path()),
        // Most rules mean path and query, some the strict query.
        any("c-uri-query", vec![query(), target()]),
        any("cs-uri-query", vec![query(), target()]),
        first("c-uri-extension", part(extension, "extension of URL logs")),
        first("cs-host", host()),
        first("r-dns", host()),
        Alias::to("c-ip", &["src"]),
        Alias::to("cs-username", &["srcuser"]),
        Alias::to("cs-content-type", &["contenttype"]),
        Alias::to("c-useragent", &["user_agent"]),
        Alias::to("cs-user-agent", &["user_agent"]),
        Alias::to("cs-method", &["http_method"]),
        Alias::to("cs-referer", &["referer"]),
    ];
    Arc::new(AliasTable::new(names.into_iter().chain(decisions!(&["verdict"], by_word))))
});

/// What a URL log says of the request; in other logs `misc` is the name of a file.
const REQUEST: &[&str] = &["subtype", "misc", "dport", "app"];

/// The URL that was asked for. The log has it without its scheme, which is that of the port or of traffic that is encrypted.
fn url(fields: &[Option<&str>], out: &mut String) -> bool {
    let [Some("url"), Some(misc), port, app] = fields else { return false };
    if !uri::is_absolute(misc) {
        let secure = *port == Some("443") || *app == Some("ssl");
        out.push_str(if secure { "https://" } else { "http://" });
    }
    out.push_str(misc);
    true
}

/// A part of the URL, if it has that part.
fn part_of(fields: &[Option<&str>], out: &mut String, part: impl Fn(&str) -> Option<&str>) -> bool {
    let mut whole = String::new();
    if !url(fields, &mut whole) {
        return false;
    }
    let part = part(&whole).unwrap_or("");
    out.push_str(part);
    !part.is_empty()
}

fn host(fields: &[Option<&str>], out: &mut String) -> bool {
    part_of(fields, out, uri::host_of)
}

fn path(fields: &[Option<&str>], out: &mut String) -> bool {
    part_of(fields, out, |url| Some(uri::path_of(url)))
}

fn query(fields: &[Option<&str>], out: &mut String) -> bool {
    part_of(fields, out, uri::query_of)
}

fn target(fields: &[Option<&str>], out: &mut String) -> bool {
    part_of(fields, out, |url| Some(uri::path_and_query_of(url)))
}

fn extension(fields: &[Option<&str>], out: &mut String) -> bool {
    let mut whole = String::new();
    url(fields, &mut whole) && uri::extension(&[Some(&whole)], out)
}

/// Columns 1 to 6 of every type; the columns that are not used have no name.
const COMMON: &[&str] = &["", "receive_time", "serial", "type", "subtype", "", "time_generated"];
const SESSION: &[&str] = &[
    "src",
    "dst",
    "natsrc",
    "natdst",
    "rule",
    "srcuser",
    "dstuser",
    "app",
    "vsys",
    "from",
    "to",
    "inbound_if",
    "outbound_if",
    "logset",
    "",
    "sessionid",
    "repeatcnt",
    "sport",
    "dport",
    "natsport",
    "natdport",
    "flags",
    "proto",
    "verdict",
];
const TRAFFIC_TAIL: &[&str] = &[
    "bytes",
    "bytes_sent",
    "bytes_received",
    "packets",
    "start",
    "elapsed",
    "category",
    "",
    "seqno",
    "actionflags",
    "srcloc",
    "dstloc",
    "",
    "pkts_sent",
    "pkts_received",
    "session_end_reason",
    "dg_hier_level_1",
    "dg_hier_level_2",
    "dg_hier_level_3",
    "dg_hier_level_4",
    "vsys_name",
    "device_name",
    "action_source",
];
const THREAT_TAIL: &[&str] = &[
    "misc",
    "threatid",
    "category",
    "severity",
    "direction",
    "seqno",
    "actionflags",
    "srcloc",
    "dstloc",
    "",
    "contenttype",
    "pcap_id",
    "filedigest",
    "cloud",
    "url_idx",
    "user_agent",
    "filetype",
    "xff",
    "referer",
    "sender",
    "subject",
    "recipient",
    "reportid",
    "dg_hier_level_1",
    "dg_hier_level_2",
    "dg_hier_level_3",
    "dg_hier_level_4",
    "vsys_name",
    "device_name",
    "",
    "src_uuid",
    "dst_uuid",
    "http_method",
];
const CONFIG_COLUMNS: &[&str] =
    &["host", "vsys", "cmd", "admin", "client", "result", "path", "seqno", "actionflags"];
const SYSTEM_COLUMNS: &[&str] =
    &["vsys", "eventid", "object", "", "", "module", "severity", "opaque", "seqno", "actionflags"];
const USERID_COLUMNS: &[&str] = &[
    "vsys",
    "ip",
    "user",
    "datasourcename",
    "eventid",
    "repeatcnt",
    "timeout",
    "beginport",
    "endport",
    "datasource",
    "datasourcetype",
    "seqno",
    "actionflags",
];
const HIPMATCH_COLUMNS: &[&str] =
    &["srcuser", "vsys", "machinename", "os", "src", "matchname", "repeatcnt", "matchtype"];
const GLOBALPROTECT_COLUMNS: &[&str] = &[
    "vsys",
    "eventid",
    "stage",
    "auth_method",
    "tunnel_type",
    "srcuser",
    "srcregion",
    "machinename",
    "public_ip",
    "public_ipv6",
    "private_ip",
    "private_ipv6",
    "hostid",
    "serialnumber",
    "client_ver",
    "client_os",
    "client_os_ver",
    "repeatcnt",
    "reason",
    "error",
    "opaque",
    "status",
    "location",
];
const AUTHENTICATION_COLUMNS: &[&str] = &[
    "vsys",
    "ip",
    "user",
    "normalize_user",
    "object",
    "authpolicy",
    "repeatcnt",
    "authid",
    "vendor",
    "logset",
    "serverprofile",
    "desc",
    "clienttype",
    "event",
    "factorno",
];
const CORRELATION_COLUMNS: &[&str] = &["src", "srcuser", "vsys", "category", "severity"];

/// The columns of a type after the common ones: the first list, then the second.
fn columns_of(kind: &str) -> Option<(&'static [&'static str], &'static [&'static str])> {
    Some(match kind {
        "TRAFFIC" => (SESSION, TRAFFIC_TAIL),
        "THREAT" => (SESSION, THREAT_TAIL),
        "DECRYPTION" | "TUNNEL" | "SCTP" | "GTP" => (SESSION, &[]),
        "CONFIG" => (CONFIG_COLUMNS, &[]),
        "SYSTEM" => (SYSTEM_COLUMNS, &[]),
        "USERID" => (USERID_COLUMNS, &[]),
        "HIPMATCH" | "HIP-MATCH" => (HIPMATCH_COLUMNS, &[]),
        "GLOBALPROTECT" => (GLOBALPROTECT_COLUMNS, &[]),
        "AUTHENTICATION" => (AUTHENTICATION_COLUMNS, &[]),
        "CORRELATION" => (CORRELATION_COLUMNS, &[]),
        _ => return None,
    })
}

/// From which column on a type may have the high resolution timestamp: behind those that clients fill.
fn precise_from(kind: &str) -> usize {
    let known = columns_of(kind)
        .map_or(0, |(first, second)| first.len() + if kind == "THREAT" { second.len() } else { 0 });
    COMMON.len() + known
}

/// The columns of a line: commas outside quotes; `""` is a quote.
struct Columns<'a>(Option<&'a str>);

impl<'a> Iterator for Columns<'a> {
    type Item = Cow<'a, str>;

    fn next(&mut self) -> Option<Cow<'a, str>> {
        let rest = self.0?;
        let Some(inside) = rest.strip_prefix('"') else {
            let (value, rest) = match rest.split_once(',') {
                Some((value, rest)) => (value, Some(rest)),
                None => (rest, None),
            };
            self.0 = rest;
            return Some(Cow::Borrowed(value));
        };
        let bytes = inside.as_bytes();
        let mut doubled = false;
        let mut at = 0;
        while at < bytes.len() {
            if bytes[at] == b'"' {
                if bytes.get(at + 1) == Some(&b'"') {
                    doubled = true;
                    at += 1;
                } else if matches!(bytes.get(at + 1), None | Some(b',')) {
                    break;
                }
            }
            at += 1;
        }
        let at = at.min(bytes.len());
        self.0 = inside.get(at + 1..).and_then(|after| after.strip_prefix(','));
        let value = &inside[..at];
        Some(if doubled { Cow::Owned(value.replace("\"\"", "\"")) } else { Cow::Borrowed(value) })
    }
}

impl Device for PaloAlto {
    fn claims(&self, message: &Message<'_>) -> bool {
        let text = message.text;
        matches!(text.as_bytes(), [b'0'..=b'9', b',', ..])
            && text.split(',').nth(3).is_some_and(|kind| columns_of(kind).is_some())
    }

    fn read(&self, message: &Message<'_>, record: &mut Record) -> &'static Kind {
        let mut columns = Columns(Some(message.text.trim_end()));
        let (mut kind, mut subtype) = (Cow::Borrowed(""), Cow::Borrowed(""));
        for name in COMMON {
            let Some(value) = columns.next() else { break };
            put(record, name, if name.is_empty() { "" } else { &value });
            match *name {
                "type" => kind = value,
                "subtype" => subtype = value,
                _ => {}
            }
        }
        // WildFire tells its verdict as the category, also of files that are harmless.
        let mut benign = false;
        if let Some((first, second)) = columns_of(&kind) {
            for name in first.iter().chain(second) {
                let Some(value) = columns.next() else { break };
                put(record, name, if name.is_empty() { "" } else { &value });
                benign |= *name == "category" && value == "benign";
            }
        }
        match (&*kind, &*subtype) {
            ("TRAFFIC", _) => &TRAFFIC,
            ("THREAT", "url") => &URL,
            ("THREAT", "wildfire") if benign => &THREAT,
            ("THREAT", "virus" | "wildfire" | "wildfire-virus" | "ml-virus" | "spyware") => &VIRUS,
            ("THREAT", _) => &THREAT,
            ("GLOBALPROTECT", _) => &GLOBALPROTECT,
            ("CONFIG", _) => &CONFIG,
            ("SYSTEM", "globalprotect") => &GLOBALPROTECT,
            ("SYSTEM", _) => &SYSTEM,
            ("USERID", _) => &USERID,
            _ => &OTHER,
        }
    }

    /// The high resolution timestamp, wherever the version has it, else the time generated, else received.
    fn time(&self, message: &Message<'_>, zone: &TimeZone) -> Option<EventTime> {
        let mut generated = None;
        let mut received = None;
        let mut precise = None;
        let mut from = usize::MAX;
        for (index, value) in Columns(Some(message.text)).enumerate() {
            let bytes = value.as_bytes();
            match index {
                1 => received = crate::time::syslog::read(&value),
                3 => from = precise_from(&value),
                6 => generated = crate::time::syslog::read(&value),
                _ if index >= from
                    && bytes.len() >= 25
                    && bytes[4] == b'-'
                    && bytes[10] == b'T'
                    && bytes[19] == b'.' =>
                {
                    precise = crate::time::syslog::read(&value);
                }
                _ => {}
            }
        }
        // Only a timestamp with its zone is the high resolution one; start times have none.
        let has_zone = |time: &(crate::time::syslog::Written, usize)| matches!(time.0, crate::time::syslog::Written::Civil(stamp) if stamp.offset.is_some());
        let (source, time) = match (precise.filter(has_zone), generated, received) {
            (Some(time), _, _) => ("high_res_timestamp", time),
            (None, Some(time), _) => ("time_generated", time),
            (None, None, time) => ("receive_time", time?),
        };
        let crate::time::syslog::Written::Civil(stamp) = time.0 else { return None };
        Some(EventTime {
            nanos: stamp.instant(stamp.year?, zone)?,
            source: TimeSource::Field(source),
            year_inferred: false,
            zone_assumed: stamp.offset.is_none(),
        })
    }

    fn kinds(&self) -> &'static [&'static Kind] {
        KINDS
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::firewall::tests::{field, flow, read, seen};

    const TRAFFIC_LINE: &str = "1,2018/11/30 16:09:07,012801096514,TRAFFIC,end,2049,2018/11/30 16:09:07,192.168.15.207,184.51.253.152,192.168.1.63,184.51.253.152,rule one,bob,,apple-maps,vsys1,trust,untrust,ethernet1/2,ethernet1/1,send,2018/11/30 16:09:07,22751,1,55113,443,16418,443,0x400053,tcp,allow,7734,1758,5976,36,2018/11/30 15:59:04,586,any,0,32091112";

    #[test]
    fn traffic_and_threat() {
        assert_eq!(
            flow("", TRAFFIC_LINE),
            "192.168.15.207:55113>184.51.253.152:443 false allow,accept,allow,forward"
        );
        let line = TRAFFIC_LINE
            .replace("TRAFFIC,end", "THREAT,url")
            .replace("allow,7734", "block-url,\"a.example/x?a=\"\"1\"\",2\",(9999),news");
        let (record, kind) = read("", &line);
        assert_eq!(kind.name, "paloalto url");
        assert_eq!(field(&record, "misc").as_deref(), Some("a.example/x?a=\"1\",2"));
        assert_eq!(field(&record, "category").as_deref(), Some("news"));
        for (verdict, expected) in [("malicious", "paloalto virus"), ("benign", "paloalto threat")]
        {
            let line = TRAFFIC_LINE
                .replace("TRAFFIC,end", "THREAT,wildfire")
                .replace("allow,7734", &format!("allow,\"a.exe\",(52020),{verdict}"));
            assert_eq!(read("", &line).1.name, expected);
        }
        // Cut short anywhere.
        for end in 0..TRAFFIC_LINE.len() {
            let message = Message { program: "", message_id: "", text: &TRAFFIC_LINE[..end] };
            if PaloAlto.claims(&message) {
                PaloAlto.read(&message, &mut Record::collecting());
            }
        }
    }

    #[test]
    fn url_logs_are_those_of_a_proxy() {
        let line = |misc: &str, port: &str, app: &str| {
            TRAFFIC_LINE
                .replace("TRAFFIC,end", "THREAT,url")
                .replace("apple-maps", app)
                .replace(",443,16418", &format!(",{port},16418"))
                .replace("allow,7734", &format!("alert,\"{misc}\",(9999),news,informational,client-to-server,1,0x0,US,DE,0,text/html,0,,,0,curl/8,,,https://r.example/,x,,,1,2,3,4,5,vs,fw,,,,get"))
        };
        let names = |line: &str, names: &[&str]| {
            let (record, kind) = read("", line);
            let first = |name: &&str| {
                seen(&record, kind.aliases, name).into_iter().next().unwrap_or_default()
            };
            names.iter().map(first).collect::<Vec<_>>().join(" ")
        };
        let web = line("a.example:8080/x/y.PHP?q=1", "8080", "web-browsing");
        assert_eq!(
            names(
                &web,
                &["c-ip", "cs-username", "cs-host", "c-uri", "cs-uri-stem", "cs-uri-query"]
            ),
            "192.168.15.207 bob a.example http://a.example:8080/x/y.PHP?q=1 /x/y.PHP q=1"
        );
        let (record, kind) = read("", &web);
        assert_eq!(
            seen(&record, kind.aliases, "c-uri"),
            ["http://a.example:8080/x/y.PHP?q=1", "/x/y.PHP?q=1", "/x/y.PHP"]
        );
        assert_eq!(names(&web, &["cs-uri", "c-uri-extension"]), "/x/y.PHP?q=1 php");
        assert_eq!(
            names(&web, &["cs-content-type", "c-useragent", "cs-user-agent", "dst_ip"]),
            "text/html curl/8 curl/8 184.51.253.152"
        );
        for (misc, port, app, host, uri) in [
            ("a.example/", "443", "web-browsing", "a.example", "https://a.example/"),
            ("a.example/", "8443", "ssl", "a.example", "https://a.example/"),
            ("a.example", "80", "web-browsing", "a.example", "http://a.example"),
            ("http://a.example/x", "443", "ssl", "a.example", "http://a.example/x"),
            (
                "[2001:db8::1]:81/x",
                "81",
                "web-browsing",
                "[2001:db8::1]",
                "http://[2001:db8::1]:81/x",
            ),
            (
                "a.example?u=http://b/",
                "80",
                "web-browsing",
                "a.example",
                "http://a.example?u=http://b/",
            ),
        ] {
            assert_eq!(
                names(&line(misc, port, app), &["cs-host", "c-uri"]),
                format!("{host} {uri}")
            );
        }
        // What was found in a file is no request.
        let virus = line("a.exe", "80", "web-browsing").replace("THREAT,url", "THREAT,virus");
        assert_eq!(names(&virus, &["Filename", "c-uri", "cs-host"]), "a.exe  ");
        let traffic = TRAFFIC_LINE;
        assert_eq!(names(traffic, &["c-uri", "cs-host"]), " ");
    }

    #[test]
    fn times() {
        let time = |text| {
            let message = Message { program: "", message_id: "", text };
            PaloAlto
                .time(&message, &TimeZone::UTC)
                .map(|time| (time.nanos / 1_000_000, time.zone_assumed))
        };
        assert_eq!(time(TRAFFIC_LINE), Some((1_543_594_147_000, true)));
        let precise = format!("{TRAFFIC_LINE},2018-11-30T17:09:07.250+01:00");
        assert_eq!(time(&precise), Some((1_543_594_147_250, false)));
        let system = "1,2021/03/01 10:00:05,0123,SYSTEM,general,0,2021/03/01 10:00:04,,general,,0,0,general,informational,\"User, x\",77,0x0,0,0,0,0,,fw,0,0,2021-03-01T11:00:03.125+01:00";
        assert_eq!(time(system), Some((1_614_592_803_125, false)));
        let before = system.rsplit_once(",0,0,").map_or("", |(before, _)| before);
        assert_eq!(time(before), Some((1_614_592_804_000, true)));
        // What the client wrote is no time of the firewall.
        let threat = TRAFFIC_LINE
            .replace("TRAFFIC,end", "THREAT,url")
            .replace("allow,7734", "alert,2001-01-01T00:00:00.000+00:00,(9999),news");
        assert_eq!(time(&threat), Some((1_543_594_147_000, true)));
    }
}
