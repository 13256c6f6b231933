//! The kinds of events that text logs have, and the cache of their routes.

use sigmund_engine::{AliasTable, Record, Route, Routing};
use sigmund_sigma::LogSource;
use std::sync::{Arc, LazyLock};

/// Product, category and service of a log source; empty means none.
pub(crate) type Triple = (&'static str, &'static str, &'static str);

/// A kind of event: what a [`Route`] is made of.
#[derive(Debug)]
pub(crate) struct Kind {
    /// For people; one name, one kind.
    pub(crate) name: &'static str,
    /// Its log sources.
    pub(crate) log_sources: &'static [Triple],
    /// Its aliases.
    pub(crate) aliases: &'static LazyLock<Arc<AliasTable>>,
}

/// The kinds of events of a program or device: `ALIASES; CONSTANT = "name", log sources; …`. All are listed in `KINDS`.
macro_rules! kinds {
    ($(#[$attribute:meta])* $aliases:ident; $($constant:ident = $name:expr, $sources:expr;)*) => {
        $(pub(crate) static $constant: $crate::syslog::kind::Kind = $crate::syslog::kind::Kind {
            name: $name,
            log_sources: {
                const SOURCES: &[$crate::syslog::kind::Triple] = $sources;
                SOURCES
            },
            aliases: &$aliases,
        };)*
        $(#[$attribute])*
        pub(crate) static KINDS: &[&$crate::syslog::kind::Kind] = &[$(&$constant),*];
    };
}
pub(crate) use kinds;

/// No aliases.
pub(crate) static NO_ALIASES: LazyLock<Arc<AliasTable>> = LazyLock::new(Arc::default);

/// The routes of one stream by kind. Without user's conditions a kind has one route; with them it depends on the fields
/// that they read, and every event asks.
#[derive(Debug)]
pub(crate) struct Routes {
    routing: Arc<Routing>,
    conditional: bool,
    known: Vec<(&'static Kind, Arc<Route>)>,
}

impl Routes {
    pub(crate) fn new(routing: &Arc<Routing>) -> Self {
        Self {
            routing: Arc::clone(routing),
            conditional: !routing.condition_fields().is_empty(),
            known: Vec::new(),
        }
    }

    /// The route of an event of that kind.
    pub(crate) fn of(&mut self, kind: &'static Kind, bytes: &[u8], record: &Record) -> Arc<Route> {
        if !self.conditional
            && let Some((_, route)) =
                self.known.iter().find(|(known, _)| std::ptr::eq(*known, kind))
        {
            return Arc::clone(route);
        }
        let log_sources = kind
            .log_sources
            .iter()
            .map(|(product, category, service)| {
                let part = |text: &'static str| (!text.is_empty()).then_some(text);
                LogSource::new(part(product), part(category), part(service))
            })
            .collect();
        let field = |name: &str| {
            let slot = record.fields.find(name)?;
            let value = record.fields.first(slot)?;
            Some(String::from_utf8_lossy(record.fields.bytes(bytes, value)).into_owned())
        };
        let route = self.routing.route(kind.name, log_sources, None, kind.aliases, &field);
        if !self.conditional {
            self.known.push((kind, Arc::clone(&route)));
        }
        route
    }
}
