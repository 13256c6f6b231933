//! Zeek's JSON logs, and what shippers make of them.
//!
//! A Zeek JSON line does not say which log it is of: json-streaming-logs and Corelight add `_path`, others `@stream`,
//! Filebeat and Security Onion `event.dataset`; else the file's name tells, and at last the fields that only one log has.

use super::{alias, path_of_file, route};
use crate::StreamInfo;
use crate::json::schema::{Discriminator, Get, JsonSchema};
use sigmund_engine::{AliasTable, Route};
use std::sync::Arc;

/// Zeek logs as JSON.
#[derive(Clone, Copy, Debug)]
pub struct ZeekJson;

impl JsonSchema for ZeekJson {
    fn name(&self) -> &'static str {
        "zeek"
    }

    fn discriminators(&self) -> &'static [Discriminator] {
        DISCRIMINATORS
    }

    fn recognise(&self, get: Get<'_>, info: &StreamInfo) -> bool {
        path(get, info).is_some()
    }

    fn route(&self, get: Get<'_>, info: &StreamInfo) -> Arc<Route> {
        let path = path(get, info).unwrap_or_else(|| UNKNOWN.to_owned());
        route::route(&info.routing, &path, &|name| get(name).map(str::to_owned))
    }

    fn aliases(&self) -> Vec<Arc<AliasTable>> {
        alias::tables()
    }
}

/// The log of an event of Zeek that does not say which.
const UNKNOWN: &str = "unknown";

/// No log of Zeek has a longer name.
const LONGEST_PATH: usize = 64;

const DISCRIMINATORS: &[Discriminator] = &[
    Discriminator::value("_path"),
    Discriminator::value("@path"),
    Discriminator::value("@stream"),
    Discriminator::value("event.module"),
    Discriminator::value("event.dataset"),
    Discriminator::presence("ts"),
    Discriminator::presence("uid"),
    Discriminator::presence("id.orig_h"),
    Discriminator::presence("id_orig_h"),
    Discriminator::presence("uids"),
    Discriminator::presence("fuid"),
    Discriminator::presence("conn_state"),
    Discriminator::presence("rejected"),
    Discriminator::presence("request_body_len"),
    Discriminator::presence("call_id"),
    Discriminator::presence("established"),
    Discriminator::presence("certificate.serial"),
    Discriminator::presence("seen_bytes"),
    Discriminator::presence("named_pipe"),
    Discriminator::presence("request_type"),
    Discriminator::presence("share_type"),
    Discriminator::presence("security_protocol"),
    Discriminator::presence("times.modified"),
];

/// Fields that only one log has, in order: a log later on may have them too.
const SIGNS: &[(&str, &str)] = &[
    ("conn_state", "conn"),
    ("rejected", "dns"),
    ("call_id", "sip"),
    ("request_body_len", "http"),
    ("certificate.serial", "x509"),
    ("seen_bytes", "files"),
    ("named_pipe", "dce_rpc"),
    ("security_protocol", "rdp"),
    ("request_type", "kerberos"),
    ("share_type", "smb_mapping"),
    ("times.modified", "smb_files"),
    ("established", "ssl"),
];

/// Which log an event is of; `None` if it is not Zeek's.
fn path(get: Get<'_>, info: &StreamInfo) -> Option<String> {
    let has = |name: &str| get(name).is_some();
    let is_path = |path: &&str| {
        (1..=LONGEST_PATH).contains(&path.len())
            && path.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
    };
    let dataset = get("event.dataset").unwrap_or_default();
    let prefixed = dataset.strip_prefix("zeek.");
    if prefixed.is_some() || matches!(get("event.module"), Some("zeek" | "bro")) {
        let path = match prefixed.unwrap_or(dataset) {
            "connection" => "conn",
            path if is_path(&path) => path,
            _ => UNKNOWN,
        };
        return Some(path.to_owned());
    }
    let named = ["_path", "@path", "@stream"].iter().find_map(|name| get(name)).filter(is_path);
    if let Some(path) = named.filter(|path| has("ts") || super::columns::is_known_path(path)) {
        return Some(path.to_owned());
    }
    if !has("ts") {
        return None;
    }
    let of_file = path_of_file(&info.file_name);
    let looks = ["uid", "id.orig_h", "id_orig_h", "uids", "fuid", "certificate.serial"];
    if of_file.is_none() && !looks.iter().any(|name| has(name)) {
        return None;
    }
    let by_sign = || SIGNS.iter().find(|(sign, _)| has(sign)).map(|(_, path)| *path);
    Some(of_file.or_else(by_sign).unwrap_or(UNKNOWN).to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::tests::info;
    use super::*;

    fn of(file_name: &str, fields: &[(&str, &str)]) -> Option<String> {
        let info = info(file_name);
        let get = |name: &str| fields.iter().find(|(have, _)| *have == name).map(|(_, text)| *text);
        ZeekJson
            .recognise(&get, &info)
            .then(|| ZeekJson.route(&get, &info).name.trim_start_matches("zeek ").to_owned())
    }

    #[test]
    fn the_log_is_named_by_the_event_first() {
        assert_eq!(of("conn.log", &[("_path", "dns"), ("ts", "")]).as_deref(), Some("dns"));
        assert_eq!(of("", &[("@stream", "smb_files"), ("ts", "")]).as_deref(), Some("smb_files"));
        assert_eq!(of("", &[("_path", "loaded_scripts")]).as_deref(), Some("loaded_scripts"));
        assert_eq!(of("", &[("_path", "/var/log/x"), ("ts", "")]), None);
        let beats = [("event.module", "zeek"), ("event.dataset", "zeek.connection")];
        assert_eq!(of("", &beats).as_deref(), Some("conn"));
        let alone = [("event.dataset", "zeek.dns")];
        assert_eq!(of("", &alone).as_deref(), Some("dns"));
        assert_eq!(of("", &[("event.dataset", "zeekling")]), None);
        let onion = [("event.module", "zeek"), ("event.dataset", "http")];
        assert_eq!(of("", &onion).as_deref(), Some("http"));
    }

    #[test]
    fn what_shippers_make_of_a_log_is_read_alike() {
        let nested = r#"{"event":{"dataset":"zeek.dns"},"zeek":{"dns":{"query":"q.example"}}}"#;
        let (route, query) = crate::look::field(nested, "query");
        assert_eq!((&*route, &*query), ("zeek dns", &["q.example".to_owned()][..]));
        let number = r#"{"_path":"dns","ts":1.591367999123457e9,"query":"q.example"}"#;
        let time = crate::look::events(number)[0].time.expect("a time");
        assert_eq!(time.nanos, 1_591_367_999_123_457_000);
        assert_eq!(crate::look::field(number, "query").0, "zeek dns");
    }

    #[test]
    fn then_by_the_file_and_then_by_its_fields() {
        assert_eq!(of("dns.log", &[("ts", ""), ("uid", "")]).as_deref(), Some("dns"));
        assert_eq!(of("stats.log", &[("ts", "")]).as_deref(), Some("stats"));
        let http = [("ts", ""), ("uid", ""), ("request_body_len", "")];
        assert_eq!(of("", &http).as_deref(), Some("http"));
        assert_eq!(of("", &[("ts", ""), ("id.orig_h", "")]).as_deref(), Some("unknown"));
        assert_eq!(of("app.json", &[("ts", "")]), None);
        assert_eq!(of("", &[("uid", "")]), None);
    }
}
