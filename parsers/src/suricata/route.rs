//! Which log sources Suricata's events have: product `suricata`, the event type as service, and the generic
//! categories that rules for other products ask for.

use super::alias;
use sigmund_engine::{Route, Routing};
use sigmund_sigma::LogSource;
use std::sync::Arc;

/// The log sources of an event type.
pub(super) fn log_sources(event_type: &str) -> Vec<LogSource> {
    let suricata = |category: Option<&str>, service: Option<&str>| {
        LogSource::new(Some("suricata"), category, service)
    };
    let own = Some(event_type);
    let mut sources = vec![suricata(None, own)];
    match event_type {
        "http" => {
            sources.extend([suricata(Some("webserver"), own), suricata(Some("proxy"), own)]);
        }
        "dns" => sources.extend([suricata(Some("dns"), own), suricata(Some("network"), own)]),
        "flow" | "netflow" => sources.extend([
            suricata(Some("firewall"), own),
            suricata(Some("network"), Some("connection")),
            suricata(None, Some("netflow")),
        ]),
        "alert" | "drop" | "firewall" => sources.push(suricata(Some("firewall"), own)),
        _ => {}
    }
    sources
}

/// The route of an event type. `field` reads a field of the event for the user's own conditions.
pub(super) fn route(
    routing: &Routing,
    event_type: &str,
    field: &dyn Fn(&str) -> Option<String>,
) -> Arc<Route> {
    let event_type = event_type.to_lowercase();
    let name = format!("suricata {event_type}");
    routing.route(&name, log_sources(&event_type), None, alias::table(), field)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covers(event_type: &str, category: Option<&str>, service: Option<&str>) -> bool {
        let rule = LogSource::new(None, category, service);
        log_sources(event_type).iter().any(|source| rule.covers(source))
    }

    #[test]
    fn event_types_have_the_sources_that_generic_rules_ask_for() {
        assert!(covers("http", Some("webserver"), None));
        assert!(covers("http", Some("proxy"), None));
        assert!(covers("dns", Some("dns"), None));
        assert!(covers("dns", Some("network"), Some("dns")));
        assert!(covers("flow", Some("firewall"), None));
        assert!(covers("flow", None, Some("netflow")));
        assert!(covers("alert", Some("firewall"), None));
        assert!(covers("drop", Some("firewall"), None));
        assert!(covers("tls", None, Some("tls")));
        assert!(!covers("tls", Some("firewall"), None));
        let rule = LogSource::new(Some("suricata"), None, None);
        assert!(log_sources("quic").iter().any(|source| rule.covers(source)));
    }
}
