//! Which log sources Zeek's logs have.
//!
//! Every log has product `zeek` and its own name as service; logs that say what rules for generic categories ask
//! about have those too (pySigma's and sigmatools' Zeek conventions; taxonomy appendix, network and web).

use super::alias::Family;
use sigmund_engine::{Route, Routing};
use sigmund_sigma::LogSource;
use std::sync::Arc;

/// The log that a variant has the columns of: `conn_long` and `open_conn` are `conn`.
pub(super) fn base_path(path: &str) -> &str {
    let short = path.strip_prefix("open_").unwrap_or(path);
    let short = ["_long", "_red", "-filtered"]
        .iter()
        .find_map(|suffix| short.strip_suffix(suffix))
        .unwrap_or(short);
    match short {
        "http2" => "http",
        short => short,
    }
}

/// The log sources of a log.
pub(crate) fn log_sources(path: &str) -> Vec<LogSource> {
    let zeek = |category: Option<&str>, service: Option<&str>| {
        LogSource::new(Some("zeek"), category, service)
    };
    let base = base_path(path);
    let mut sources = vec![zeek(None, Some(path)), zeek(None, Some(base))];
    match base {
        "conn" => sources.extend([
            zeek(Some("firewall"), Some(base)),
            zeek(Some("network"), Some("connection")),
            zeek(None, Some("netflow")),
        ]),
        "dns" => sources.extend([zeek(Some("dns"), Some(base)), zeek(Some("network"), Some(base))]),
        "http" => {
            sources.extend([zeek(Some("webserver"), Some(base)), zeek(Some("proxy"), Some(base))]);
        }
        "ssl" => sources.push(zeek(None, Some("tls"))),
        _ => {}
    }
    sources
}

/// The route of a log. `field` reads a field of the event for the user's own conditions.
pub(crate) fn route(
    routing: &Routing,
    path: &str,
    field: &dyn Fn(&str) -> Option<String>,
) -> Arc<Route> {
    let path = path.to_lowercase();
    let family = Family::of(base_path(&path));
    routing.route(&format!("zeek {path}"), log_sources(&path), None, family.table(), field)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covers(
        path: &str,
        product: Option<&str>,
        category: Option<&str>,
        service: Option<&str>,
    ) -> bool {
        let rule = LogSource::new(product, category, service);
        log_sources(path).iter().any(|source| rule.covers(source))
    }

    #[test]
    fn logs_have_their_own_service_and_the_generic_sources() {
        assert!(covers("http", Some("zeek"), None, Some("http")));
        assert!(covers("http", None, Some("webserver"), None));
        assert!(covers("http", None, Some("proxy"), None));
        assert!(covers("dns", None, Some("dns"), None));
        assert!(covers("dns", None, Some("network"), Some("dns")));
        assert!(covers("conn", None, Some("firewall"), None));
        assert!(covers("conn", None, Some("network"), Some("connection")));
        assert!(covers("conn", None, None, Some("netflow")));
        assert!(covers("ssl", Some("zeek"), None, Some("tls")));
        assert!(covers("smb_files", Some("zeek"), None, Some("smb_files")));
        assert!(!covers("smb_files", None, Some("firewall"), None));
        assert!(!covers("conn", Some("windows"), None, None));
    }

    #[test]
    fn variants_of_a_log_are_that_log_too() {
        assert!(covers("conn_long", None, Some("firewall"), None));
        assert!(covers("open_http", Some("zeek"), None, Some("http")));
        assert!(covers("http2", None, Some("proxy"), None));
    }

    #[test]
    fn one_kind_of_event_has_one_route() {
        let routing = Routing::default();
        let one = route(&routing, "DNS", &|_| None);
        let other = route(&routing, "dns", &|_| None);
        assert!(Arc::ptr_eq(&one, &other));
        assert_eq!(&*one.name, "zeek dns");
    }
}
