//! Windows events in any encoding: their log sources and the Sigma names of their fields.
//!
//! Parsers of EVTX, event XML and JSON bring events to the same native names (`Channel`, `EventID`, `Provider_Name`, the fields of
//! `EventData`); the tables here say what that means.

mod aliases;
mod category;
mod channel;
pub mod evtx;
#[cfg(test)]
mod regression;
#[cfg(test)]
mod tests;
pub mod xml;

use crate::StreamInfo;
use crate::json::schema::{Discriminator, Get, JsonSchema};
use category::{Action, categories};
use channel::service;
use sigmund_engine::{AliasTable, Route};
use sigmund_sigma::LogSource;
use std::sync::Arc;

/// The fields that decide the route of a Windows event.
pub const DISCRIMINATORS: &[Discriminator] = &[
    Discriminator::value("Channel"),
    Discriminator::value("LogName"),
    Discriminator::value("EventID"),
    Discriminator::value("EventCode"),
    // `Get-WinEvent`; everybody else means other things by it.
    Discriminator::value_with("Id", "LogName"),
    Discriminator::value("EventType"),
    Discriminator::value("OperationType"),
    Discriminator::value("Provider_Name"),
    Discriminator::value("SourceName"),
    Discriminator::value("ProviderName"),
    Discriminator::value("Provider"),
    Discriminator::value("EventSourceName"),
    Discriminator::value("source"),
    // Sentinel's table `Event`.
    Discriminator::value("EventLog"),
    Discriminator::value_with("Source", "EventLog"),
];

/// Windows events as JSON.
#[derive(Clone, Copy, Debug)]
pub struct WindowsJson;

impl JsonSchema for WindowsJson {
    fn name(&self) -> &'static str {
        "windows"
    }

    fn discriminators(&self) -> &'static [Discriminator] {
        DISCRIMINATORS
    }

    fn recognise(&self, get: Get<'_>, _: &StreamInfo) -> bool {
        identify(get).is_some()
    }

    fn route(&self, get: Get<'_>, info: &StreamInfo) -> Arc<Route> {
        route(get, info)
    }

    fn aliases(&self) -> Vec<Arc<AliasTable>> {
        aliases::all()
    }
}

/// What an event says it is.
struct Identity<'a> {
    service: Option<&'static str>,
    event_id: Option<&'a str>,
    /// Sysmon for Linux.
    linux: bool,
}

fn first<'a>(get: Get<'a>, names: &[&str]) -> Option<&'a str> {
    names.iter().find_map(|name| get(name)).filter(|text| !text.is_empty())
}

/// Recognises a Windows event: it names a channel or a known provider, and an event id.
fn identify(get: Get<'_>) -> Option<Identity<'_>> {
    let event_id = first(get, &["EventID", "EventCode"])
        .or_else(|| get("Id").filter(|_| first(get, &["LogName"]).is_some()))?;
    let provider = first(
        get,
        &["Provider_Name", "SourceName", "ProviderName", "Provider", "EventSourceName", "Source"],
    );
    let linux = provider.is_some_and(|name| name.eq_ignore_ascii_case("Linux-Sysmon"));
    let channel = first(get, &["Channel", "LogName"])
        .or_else(|| get("source").filter(|source| channel::is_prefixed(source)))
        .map(channel::normal)
        // Other programs have a member of this name, too.
        .or_else(|| get("EventLog").map(channel::normal).filter(|log| service(log).is_some()));
    let service = match channel {
        Some(channel) => service(&channel),
        // Some exports leave the channel out; these providers write to one channel only.
        None => Some(channel::service_of_provider(provider?)?),
    };
    let service = if linux { Some("sysmon") } else { service };
    Some(Identity { service, event_id: Some(event_id), linux })
}

/// The route of a Windows event, by the fields of [`DISCRIMINATORS`]; for parsers of every encoding.
#[must_use]
pub fn route(get: Get<'_>, info: &StreamInfo) -> Arc<Route> {
    let identity =
        identify(get).unwrap_or(Identity { service: None, event_id: None, linux: false });
    let product = if identity.linux { "linux" } else { "windows" };
    let service = identity.service;
    // Only numbers split routes, in one spelling: the text is the log's and may be anything.
    let number = identity
        .event_id
        .and_then(|text| text.parse::<u16>().ok().filter(|number| number.to_string() == text));
    let action = Action { event_type: get("EventType"), operation: get("OperationType") };
    let categories = match (service, number) {
        (Some(service), Some(number)) => categories(service, number, action),
        _ => Vec::new(),
    };
    let mut log_sources = vec![LogSource::new(Some(product), None, service)];
    if let Some(second) = service.and_then(channel::second_name) {
        log_sources.push(LogSource::new(Some(product), None, Some(second)));
    }
    for category in &categories {
        log_sources.push(LogSource::new(Some(product), Some(category), service));
    }
    let aliases = aliases::of(service, number);
    // The number of routes must not grow with whatever numbers a log holds.
    let splits =
        !categories.is_empty() || aliases::are_own(service, number) || !info.routing.is_full();
    let event_id = number.filter(|_| splits).map(|number| number.to_string());
    let mut name = format!("{product} {}", service.unwrap_or("other"));
    if let Some(event_id) = &event_id {
        name.push(' ');
        name.push_str(event_id);
    }
    info.routing.route(&name, log_sources, event_id.as_deref(), &aliases, &|name| {
        get(name).map(str::to_owned)
    })
}
