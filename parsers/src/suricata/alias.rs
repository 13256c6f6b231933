//! Sigma names for EVE's fields. One table serves all event types: EVE keeps each protocol's fields in an object of its own.
//!
//! DNS changed its form twice: one event per answer (`dns.rrname`, `dns.rdata`), then flat queries with a
//! list of answers, since Suricata 8 lists of both; alerts have had yet another one (`dns.query`).

use crate::uri;
use sigmund_engine::AliasTable;
use sigmund_engine::alias::{Alias, Pick, Source, Which};
use std::fmt::Write as _;
use std::net::Ipv6Addr;
use std::sync::{Arc, LazyLock};

static TABLE: LazyLock<Arc<AliasTable>> = LazyLock::new(|| {
    let aliases =
        [endpoints(), dns(), http(), verdict(), others()].into_iter().flatten().collect::<Vec<_>>();
    Arc::new(AliasTable::new(aliases))
});

/// The aliases of all event types.
pub(super) fn table() -> &'static Arc<AliasTable> {
    &TABLE
}

type Compute = fn(&[Option<&str>], &mut String) -> bool;

fn computed(from: &'static [&'static str], compute: Compute, what: &'static str) -> Source {
    Source::Computed { from, compute, what }
}

fn field(name: &'static str) -> Source {
    Source::Field(name.into())
}

fn any(name: &'static str, sources: Vec<Source>) -> Alias {
    Alias::with(name, Pick::Alternates, sources)
}

fn first(name: &'static str, source: Source) -> Alias {
    Alias::with(name, Pick::First, [source])
}

/// Suricata writes IPv6 in full; rules write it short. An alert may be on a packet that goes back, its flow then knows who began.
fn endpoints() -> Vec<Alias> {
    let short = |from| computed(from, short_address, "IPv6 address in short form");
    vec![
        any("src_ip", vec![field("src_ip"), field("flow.src_ip"), short(&["src_ip"])]),
        any("dest_ip", vec![field("dest_ip"), field("flow.dest_ip"), short(&["dest_ip"])]),
        any("dst_ip", vec![field("dest_ip"), field("flow.dest_ip"), short(&["dest_ip"])]),
        any("source.ip", vec![field("src_ip"), short(&["src_ip"])]),
        any("destination.ip", vec![field("dest_ip"), short(&["dest_ip"])]),
        any("dst_port", vec![field("dest_port"), field("flow.dest_port")]),
        Alias::to("source.port", &["src_port"]),
        Alias::to("destination.port", &["dest_port"]),
        Alias::to("network.transport", &["proto"]),
        Alias::to("network.protocol", &["app_proto"]),
        Alias::to("network.community_id", &["community_id"]),
        Alias::to("source.bytes", &["flow.bytes_toserver", "netflow.bytes"]),
        Alias::to("destination.bytes", &["flow.bytes_toclient"]),
        Alias::to("source.packets", &["flow.pkts_toserver", "netflow.pkts"]),
        Alias::to("destination.packets", &["flow.pkts_toclient"]),
        Alias::to("event.duration", &["flow.age", "netflow.age"]),
        Alias::to("event.start", &["flow.start", "netflow.start"]),
        Alias::to("event.end", &["flow.end", "netflow.end"]),
        Alias::to("network.state", &["flow.state"]),
        Alias::to("protocol", &["proto"]),
    ]
}

fn short_address(fields: &[Option<&str>], out: &mut String) -> bool {
    let Some(Some(text)) = fields.first() else { return false };
    if !text.contains(':') {
        return false;
    }
    let Ok(address) = text.parse::<Ipv6Addr>() else { return false };
    let _ = write!(out, "{address}");
    out != text
}

fn dns() -> Vec<Alias> {
    let names = &["dns.queries.rrname", "dns.query.rrname", "dns.rrname"];
    let types = &["dns.queries.rrtype", "dns.query.rrtype", "dns.rrtype"];
    let answers = [
        "dns.answers.rdata",
        "dns.rdata",
        "dns.answer.rdata",
        "dns.answers.srv.name",
        "dns.answers.soa.mname",
        "dns.grouped.A",
        "dns.grouped.AAAA",
        "dns.grouped.CNAME",
        "dns.grouped.TXT",
        "dns.grouped.MX",
        "dns.grouped.NS",
        "dns.grouped.PTR",
        "dns.grouped.NULL",
        "dns.grouped.SRV.name",
        "dns.answer.answers.rdata",
    ];
    vec![
        Alias::to("query", names),
        Alias::to("record_type", types),
        Alias::any("answer", &answers),
        Alias::to("dns.question.name", names),
        Alias::to("dns.question.type", types),
        Alias::any("dns.answers.data", &answers),
        Alias::to("dns.response.code", &["dns.rcode", "dns.answer.rcode"]),
    ]
}

const URL: &[&str] = &["http.url"];
const AGENT: &[&str] = &["http.http_user_agent"];
const HOST: &[&str] = &["http.hostname", "http.http_port"];
const HOST_URL: &[&str] = &["http.hostname", "http.url", "http.http_port"];

fn http() -> Vec<Alias> {
    let url = || computed(HOST_URL, absolute_url, "absolute URL from hostname and url");
    let path = || computed(URL, uri::path, "path of url");
    let query = || computed(URL, uri::query, "query of url");
    let target = || computed(URL, uri::path_and_query, "path and query of url");
    let host =
        || vec![field("http.hostname"), computed(HOST, host_and_port, "hostname and http_port")];
    let agent = || {
        // Rules test a missing agent with `''` and with null.
        vec![
            computed(AGENT, uri::something, "http_user_agent unless empty"),
            computed(
                &["http.http_user_agent", "http.http_method", "http.url"],
                uri::nothing,
                "empty if a request had no http_user_agent",
            ),
            field("http.http_user_agent"),
        ]
    };
    vec![
        Alias::to("c-ip", &["src_ip"]),
        Alias::to("s-ip", &["dest_ip"]),
        Alias::to("s-port", &["http.http_port", "dest_port"]),
        Alias::to("cs-method", &["http.http_method"]),
        first("cs-uri-stem", path()),
        first("c-uri-stem", path()),
        // Most rules mean path and query, some the strict query.
        any("cs-uri-query", vec![query(), target(), field("http.url")]),
        any("c-uri-query", vec![query(), target(), field("http.url")]),
        any("c-uri", vec![url(), target(), path()]),
        any("cs-uri", vec![target(), url(), path()]),
        first("c-uri-extension", computed(URL, uri::extension, "extension of url")),
        any("cs-host", host()),
        any("r-dns", [host(), vec![field("tls.sni")]].concat()),
        any("cs-user-agent", agent()),
        any("c-useragent", agent()),
        Alias::to("cs-referer", &["http.http_refer"]),
        Alias::to("cs-referrer", &["http.http_refer"]),
        Alias::to("sc-status", &["http.status"]),
        Alias::to("sc-bytes", &["http.length"]),
        Alias::to("cs-version", &["http.protocol", "http.version"]),
        Alias::with("cs-cookie", Pick::First, [field("http.cookie"), header("Cookie")]),
        Alias::with(
            "cs-content-type",
            Pick::First,
            [field("http.content_type"), header("Content-Type")],
        ),
        Alias::to("sc-content-type", &["http.http_content_type"]),
    ]
}

/// A header of the request, where all are logged.
fn header(name: &'static str) -> Source {
    let names = "http.request_headers.name";
    Source::Element { field: "http.request_headers.value", which: Which::Beside { names, name } }
}

fn host_and_port(fields: &[Option<&str>], out: &mut String) -> bool {
    let [Some(host), Some(port)] = fields else { return false };
    let _ = write!(out, "{host}:{port}");
    true
}

fn absolute_url(fields: &[Option<&str>], out: &mut String) -> bool {
    let [host, Some(url), port] = fields else { return false };
    let host = host.unwrap_or_default();
    match port {
        Some(port) if *port != "80" && !host.is_empty() => {
            uri::url_of(&format!("{host}:{port}"), url, out);
        }
        _ => uri::url_of(host, url, out),
    }
    true
}

const VERDICT: &[&str] = &["event_type", "verdict.action", "alert.action", "flow.action"];

/// What became of the traffic: alerts, drops and flows know.
fn is_blocked(fields: &[Option<&str>]) -> Option<bool> {
    let [event_type, verdict, alert, flow] = fields else { return None };
    match *event_type {
        Some("drop") => return Some(true),
        Some("alert" | "flow" | "netflow" | "firewall") => {}
        _ => return None,
    }
    match verdict.or(*alert).or(*flow) {
        Some("drop" | "reject" | "blocked" | "block" | "deny") => Some(true),
        Some("accept" | "alert" | "pass" | "allowed" | "allow" | "bypass") => Some(false),
        Some(_) => None,
        // A flow of which nothing else is said went through; so did one that only was counted.
        None => matches!(*event_type, Some("flow" | "netflow")).then_some(false),
    }
}

fn blocked(fields: &[Option<&str>], out: &mut String) -> bool {
    let blocked = is_blocked(fields);
    out.push_str(if blocked == Some(true) { "true" } else { "false" });
    blocked.is_some()
}

fn said(fields: &[Option<&str>], out: &mut String, blocked: &str, passed: &str) -> bool {
    let text = match is_blocked(fields) {
        Some(true) => blocked,
        Some(false) => passed,
        None => return false,
    };
    out.push_str(text);
    true
}

/// `action` in the words of several firewalls, as rules list them.
fn verdict() -> Vec<Alias> {
    let words: [Compute; 3] = [
        |fields, out| said(fields, out, "deny", "accept"),
        |fields, out| said(fields, out, "drop", "allow"),
        |fields, out| said(fields, out, "block", "forward"),
    ];
    let mut action: Vec<Source> = words
        .into_iter()
        .map(|word| computed(VERDICT, word, "verdict in the words of firewalls"))
        .collect();
    action.extend(["alert.action", "verdict.action", "flow.action"].map(field));
    vec![any("action", action), first("blocked", computed(VERDICT, blocked, "from the verdict"))]
}

fn others() -> Vec<Alias> {
    vec![
        Alias::to("server_name", &["tls.sni"]),
        Alias::to("tls.client.server_name", &["tls.sni"]),
        any(
            "certificate.serial",
            vec![
                computed(&["tls.serial"], serial, "serial without colons"),
                computed(&["tls.serial"], bare_serial, "serial without colons and leading zeros"),
                field("tls.serial"),
            ],
        ),
        Alias::to("certificate.subject", &["tls.subject"]),
        Alias::to("certificate.issuer", &["tls.issuerdn"]),
        Alias::to("ja3", &["tls.ja3.hash"]),
        Alias::to("ja3s", &["tls.ja3s.hash"]),
        Alias::to("Filename", &["fileinfo.filename"]),
        Alias::to("rule.name", &["alert.signature"]),
        Alias::to("rule.id", &["alert.signature_id"]),
        Alias::to("rule.category", &["alert.category"]),
    ]
}

fn serial(fields: &[Option<&str>], out: &mut String) -> bool {
    let Some(Some(serial)) = fields.first() else { return false };
    out.extend(serial.chars().filter(|character| *character != ':'));
    true
}

fn bare_serial(fields: &[Option<&str>], out: &mut String) -> bool {
    if !serial(fields, out) {
        return false;
    }
    let bare = out.trim_start_matches('0').to_owned();
    let fewer = !bare.is_empty() && bare.len() < out.len();
    *out = bare;
    fewer
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(compute: Compute, fields: &[Option<&str>]) -> Option<String> {
        let mut out = String::new();
        compute(fields, &mut out).then_some(out)
    }

    #[test]
    fn full_ipv6_addresses_get_a_short_form() {
        let full = "fe80:0000:0000:0000:1cf4:44d2:904a:14f7";
        assert_eq!(run(short_address, &[Some(full)]).as_deref(), Some("fe80::1cf4:44d2:904a:14f7"));
        assert_eq!(run(short_address, &[Some("fe80::1")]), None);
        assert_eq!(run(short_address, &[Some("10.0.0.1")]), None);
        assert_eq!(run(short_address, &[None]), None);
    }

    #[test]
    fn urls_have_the_port_that_is_not_80() {
        let url = |host, url, port| run(absolute_url, &[host, Some(url), port]);
        assert_eq!(url(Some("h"), "/a", None).as_deref(), Some("http://h/a"));
        assert_eq!(url(Some("h"), "/a", Some("8080")).as_deref(), Some("http://h:8080/a"));
        assert_eq!(url(Some("h"), "/a", Some("80")).as_deref(), Some("http://h/a"));
        assert_eq!(url(Some("h"), "http://x/a", Some("8080")).as_deref(), Some("http://x/a"));
        assert_eq!(url(None, "/a", None).as_deref(), Some("/a"));
    }

    #[test]
    fn verdicts_are_known_for_alerts_drops_and_flows_only() {
        let of = |fields: [Option<&str>; 4]| run(blocked, &fields);
        assert_eq!(of([Some("drop"), None, None, None]).as_deref(), Some("true"));
        assert_eq!(of([Some("alert"), None, Some("blocked"), None]).as_deref(), Some("true"));
        assert_eq!(of([Some("alert"), None, Some("allowed"), None]).as_deref(), Some("false"));
        let dropped = of([Some("alert"), Some("drop"), Some("allowed"), None]);
        assert_eq!(dropped.as_deref(), Some("true"));
        assert_eq!(of([Some("flow"), None, None, None]).as_deref(), Some("false"));
        assert_eq!(of([Some("flow"), None, None, Some("drop")]).as_deref(), Some("true"));
        assert_eq!(of([Some("http"), None, None, None]), None);
        assert_eq!(of([Some("alert"), None, None, None]), None);
    }

    #[test]
    fn serials_lose_colons_and_zeros() {
        assert_eq!(run(serial, &[Some("08:BB:00:EE")]).as_deref(), Some("08BB00EE"));
        assert_eq!(run(bare_serial, &[Some("08:BB:00:EE")]).as_deref(), Some("8BB00EE"));
        assert_eq!(run(bare_serial, &[Some("8B:B0")]), None);
    }

    #[test]
    fn headers_of_requests_have_names_of_their_own() {
        let headers = r#"{"name":"Host","value":"h"},{"name":"cookie","value":"a=b"},{"name":"Content-Type","value":"x/y"},{"name":"Cookie","value":"c"}"#;
        let log = format!(
            r#"{{"timestamp":"2023-04-05T06:07:08.9+0000","event_type":"http","src_ip":"10.0.0.1","flow_id":1,"http":{{"hostname":"h","url":"/","request_headers":[{headers}]}}}}"#
        );
        let get = |name| crate::look::field(&log, name);
        assert_eq!(get("cs-cookie"), ("suricata http".into(), vec!["a=b".into()]));
        assert_eq!(get("cs-content-type").1, ["x/y"]);
        let log = log.replace("cookie", "c\\u006fokie").replace(r#","value":"x/y""#, "");
        // A header without a value would put the others out of step.
        assert!(crate::look::field(&log, "cs-content-type").1.is_empty());
        assert!(crate::look::field(&log, "cs-cookie").1.is_empty());
        let log = r#"{"timestamp":"2023-04-05T06:07:08.9+0000","event_type":"http","src_ip":"10.0.0.1","flow_id":1,"http":{"request_headers":[{"name":"C\u006fokie","value":"a"}]}}"#;
        assert_eq!(crate::look::field(log, "cs-cookie").1, ["a"]);
    }

    #[test]
    fn only_requests_lack_a_user_agent() {
        let of = |http: &str| {
            let log = format!(
                r#"{{"timestamp":"2023-04-05T06:07:08.9+0000","event_type":"http","src_ip":"10.0.0.1","flow_id":1,"http":{{{http}}}}}"#
            );
            crate::look::field(&log, "c-useragent").1
        };
        assert_eq!(of(r#""http_method":"GET","url":"/""#), [""]);
        assert!(of(r#""version":"2","http2":{"stream_id":0,"request":{}}"#).is_empty());
    }

    #[test]
    fn names_of_generic_rules_are_there() {
        for name in ["query", "answer", "record_type", "cs-uri-query", "c-uri", "cs-method"] {
            assert!(table().get(name).is_some(), "{name}");
        }
        for name in ["src_ip", "dst_ip", "dst_port", "action", "blocked", "c-useragent"] {
            assert!(table().get(name).is_some(), "{name}");
        }
        assert!(table().get("src_ip").is_some_and(Alias::widens));
    }
}
