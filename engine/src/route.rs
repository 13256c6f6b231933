//! Log source routing: which log sources an event has, and so which rules see it.
//!
//! A parser recognises the kind of an event (Windows channel and EventID, Zeek path, EVE event type,
//! syslog program, firewall vendor …) and asks [`Routing`] for its [`Route`]. Routes are
//! interned: events of one kind share one `Arc<Route>`, and everything compiled per kind hangs on its [`Route::id`].
//! A guess may add log sources; only the user takes one away (law 5).

use crate::alias::{Alias, AliasTable, Pick, Source};
use sigmund_sigma::LogSource;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// A kind of event: its log sources and the aliases that hold for it.
#[derive(Debug)]
pub struct Route {
    /// Dense number within its [`Routing`].
    pub id: u32,
    /// For people: `windows Security 4688`, `zeek http`.
    pub name: Box<str>,
    /// A rule sees the event if it covers one of these. Empty: only rules without any log source do,
    /// unless routing is off.
    pub log_sources: Vec<LogSource>,
    /// Aliases of this kind of event.
    pub aliases: Arc<AliasTable>,
    /// The EventID that all its events have, for kinds that are split by it: rules that require another are not even asked.
    pub event_id: Option<Box<str>>,
    /// Routing is off for it: every rule sees it (choice C24: no log source information means no filtering).
    pub unfiltered: bool,
}

/// A user's rule "events of this log source on which these conditions hold also have that log source".
#[derive(Clone, Debug)]
pub struct AddedLogSource {
    /// Events that have a log source covered by this one (`rewrite` in SigmaHQ's mapping format).
    pub when: LogSource,
    /// Fields and the values of which one must be equal, ignoring case.
    pub conditions: Vec<(String, Vec<String>)>,
    /// What is added.
    pub adds: LogSource,
    /// Aliases that come with it: Sigma name → native fields.
    pub aliases: Vec<(String, Vec<String>)>,
}

/// Interns routes and applies the user's own routing on top of what parsers recognise.
#[derive(Debug, Default)]
pub struct Routing {
    /// Log sources that every event gets (`--logsource`).
    pub always: Vec<LogSource>,
    /// Log sources that no event keeps (a user's decision).
    pub never: Vec<LogSource>,
    /// Mappings.
    pub added: Vec<AddedLogSource>,
    /// Every rule sees every event.
    pub unfiltered: bool,
    /// Alternates are off: an alias has only its first source.
    pub strict_taxonomy: bool,
    interned: Mutex<Interned>,
}

/// What tells routes apart: name, log sources, EventID.
type Key = (Box<str>, Vec<LogSource>, Option<Box<str>>);

#[derive(Debug, Default)]
struct Interned {
    by_key: HashMap<Key, Arc<Route>>,
    next: u32,
}

impl Routing {
    /// So many routes there may be before parsers should stop to split kinds of events by values that the
    /// log gives: hostile logs can give any number of them.
    const MANY: usize = 4096;

    /// Whether there are so many routes that kinds of events should no longer be split by values of the log.
    #[must_use]
    pub fn is_full(&self) -> bool {
        let interned = self.interned.lock().unwrap_or_else(PoisonError::into_inner);
        interned.by_key.len() >= Self::MANY
    }

    /// The names of fields that the user's conditions read. A parser that caches routes must
    /// include their values in its key.
    #[must_use]
    pub fn condition_fields(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self
            .added
            .iter()
            .flat_map(|added| &added.conditions)
            .map(|(name, _)| &**name)
            .collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// The route of a kind of event.
    ///
    /// `name` and `aliases` go together: the same name always comes with the same aliases. `field` reads a field of the event for the
    /// user's conditions.
    pub fn route(
        &self,
        name: &str,
        mut log_sources: Vec<LogSource>,
        event_id: Option<&str>,
        aliases: &Arc<AliasTable>,
        field: &dyn Fn(&str) -> Option<String>,
    ) -> Arc<Route> {
        let mut extra: Vec<&(String, Vec<String>)> = Vec::new();
        for added in &self.added {
            let applies = log_sources.iter().any(|have| added.when.covers(have))
                && added.conditions.iter().all(|(name, values)| {
                    field(name).is_some_and(|have| {
                        values.iter().any(|value| value.to_lowercase() == have.to_lowercase())
                    })
                });
            if applies {
                log_sources.push(added.adds.clone());
                extra.extend(&added.aliases);
            }
        }
        log_sources.extend(self.always.iter().cloned());
        log_sources.retain(|have| !self.never.iter().any(|never| never.covers(have)));
        log_sources.sort();
        log_sources.dedup();
        let event_id: Option<Box<str>> = event_id.map(Into::into);
        let mut interned = self.interned.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (name.into(), log_sources, event_id);
        if let Some(route) = interned.by_key.get(&key) {
            return Arc::clone(route);
        }
        let aliases = if extra.is_empty() && !self.strict_taxonomy {
            Arc::clone(aliases)
        } else {
            Arc::new(self.own_aliases(aliases, &extra))
        };
        let route = Arc::new(Route {
            id: interned.next,
            name: name.into(),
            log_sources: key.1.clone(),
            aliases,
            event_id: key.2.clone(),
            unfiltered: self.unfiltered,
        });
        interned.next += 1;
        interned.by_key.insert(key, Arc::clone(&route));
        route
    }

    fn own_aliases(&self, shipped: &AliasTable, extra: &[&(String, Vec<String>)]) -> AliasTable {
        let users = extra.iter().map(|(name, fields)| Alias {
            name: name.clone().into(),
            sources: fields.iter().map(|field| Source::Field(field.clone().into())).collect(),
            pick: Pick::First,
        });
        let shipped = shipped.iter().map(|alias| {
            let mut alias = alias.clone();
            if self.strict_taxonomy && alias.pick == Pick::Alternates {
                alias.sources.to_mut().truncate(1);
            }
            alias
        });
        AliasTable::new(users.chain(shipped))
    }
}
