//! Log source routing: which log sources an event has, and so which rules see it.
//!
//! A parser recognises the kind of an event (Windows channel and EventID, Zeek path, EVE event type,
//! syslog program, firewall vendor …) and asks [`Routing`] for its [`Route`]. Routes are
//! interned: events of one kind share one `Arc<Route>`, and everything compiled per kind hangs on its [`Route::id`].
//! A guess may add log sources; only the user takes one away (law 5).

use crate::alias::{Alias, AliasTable, Pick, Source};
use crate::compile::predicate::folded;
use crate::compile::wildcard::Wildcard;
use sigmund_sigma::{LogSource, Pattern};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// A kind of event: its log sources and the aliases that hold for it.
#[derive(Debug)]
pub struct Route {
    /// Dense number within its [`Routing`]; [`Route::TRANSIENT`] for kinds that came when it was full.
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
    /// What kind of event it is was told by the event itself or by a mapping's conditions, and not only by log sources that every event gets.
    pub is_known: bool,
}

impl Route {
    /// The [`id`](Self::id) of routes that are not interned and share nothing: they work as others do, but slower.
    pub const TRANSIENT: u32 = u32::MAX;
}

/// A value that a condition of an [`AddedLogSource`] asks for, compared as values of rules are: ignoring case, with wildcards.
#[derive(Clone, Debug)]
pub struct ConditionValue(Wildcard);

impl From<&str> for ConditionValue {
    fn from(text: &str) -> Self {
        Self(Wildcard::new(&Pattern::of_value(text)))
    }
}

/// A user's rule "events of this log source on which these conditions hold also have that log source".
#[derive(Clone, Debug)]
pub struct AddedLogSource {
    /// Events that have a log source covered by this one (`rewrite` in SigmaHQ's mapping format); if it is empty all, even those that have none.
    pub when: LogSource,
    /// Fields, and the values of which they must have one.
    pub conditions: Vec<(String, Vec<ConditionValue>)>,
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
    interned: Arc<Mutex<Interned>>,
}

/// What tells routes apart.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Key {
    name: Box<str>,
    log_sources: Vec<LogSource>,
    event_id: Option<Box<str>>,
    /// Which of the user's mappings apply: each brings its aliases.
    added: Vec<usize>,
    is_known: bool,
}

#[derive(Debug, Default)]
struct Interned {
    by_key: HashMap<Key, Arc<Route>>,
    next: u32,
}

impl Routing {
    /// The same routing with other log sources that every event gets. The routes of both are told apart by their ids,
    /// so the same matcher can work on events of both.
    #[must_use]
    pub fn beside(&self, always: Vec<LogSource>) -> Self {
        Self {
            always,
            never: self.never.clone(),
            added: self.added.clone(),
            unfiltered: self.unfiltered,
            strict_taxonomy: self.strict_taxonomy,
            interned: Arc::clone(&self.interned),
        }
    }

    /// So many routes there may be before parsers should stop to split kinds of events by values that the
    /// log gives: hostile logs can give any number of them.
    const MANY: usize = 4096;
    /// So many routes are interned: further kinds of events get a [`Route::TRANSIENT`] one each time.
    const MOST: usize = 2 * Self::MANY;

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
        let mut is_known = !log_sources.is_empty();
        log_sources.extend(self.always.iter().cloned());
        // What one mapping adds may be what another one asks for, in whatever order they stand.
        let mut applied = Vec::new();
        let applies = |added: &AddedLogSource, log_sources: &[LogSource]| {
            (added.when.is_empty() || log_sources.iter().any(|have| added.when.covers(have)))
                && added.conditions.iter().all(|(name, values)| {
                    field(name).is_some_and(|have| {
                        let have = folded(&have);
                        values.iter().any(|value| value.0.matches(&have))
                    })
                })
        };
        loop {
            let before = applied.len();
            for (index, added) in self.added.iter().enumerate() {
                if !applied.contains(&index) && applies(added, &log_sources) {
                    log_sources.push(added.adds.clone());
                    applied.push(index);
                }
            }
            if applied.len() == before {
                break;
            }
        }
        is_known |= applied.iter().any(|index| !self.added[*index].conditions.is_empty());
        // Of two aliases of one name the first mapping's holds.
        applied.sort_unstable();
        log_sources.retain(|have| !self.never.iter().any(|never| never.covers(have)));
        log_sources.sort();
        log_sources.dedup();
        let key = Key {
            name: name.into(),
            log_sources,
            event_id: event_id.map(Into::into),
            added: applied,
            is_known,
        };
        let mut interned = self.interned.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(route) = interned.by_key.get(&key) {
            return Arc::clone(route);
        }
        let extra: Vec<&(String, Vec<String>)> =
            key.added.iter().flat_map(|index| &self.added[*index].aliases).collect();
        let aliases = if extra.is_empty() && !self.strict_taxonomy {
            Arc::clone(aliases)
        } else {
            Arc::new(self.own_aliases(aliases, &extra))
        };
        let full = interned.by_key.len() >= Self::MOST;
        let route = Arc::new(Route {
            id: if full { Route::TRANSIENT } else { interned.next },
            name: name.into(),
            log_sources: key.log_sources.clone(),
            aliases,
            event_id: key.event_id.clone(),
            unfiltered: self.unfiltered,
            is_known,
        });
        if !full {
            interned.next += 1;
            interned.by_key.insert(key, Arc::clone(&route));
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn source(service: &str) -> LogSource {
        LogSource::new(Some("zeek"), None, Some(service))
    }

    fn mapping(when: &str, condition: &str, alias: &str) -> AddedLogSource {
        AddedLogSource {
            when: source(when),
            conditions: vec![("kind".to_owned(), vec![condition.into()])],
            adds: source("added"),
            aliases: vec![("Name".to_owned(), vec![alias.to_owned()])],
        }
    }

    fn first_source(route: &Route) -> String {
        let alias = route.aliases.iter().next().expect("an alias");
        match &alias.sources[0] {
            Source::Field(field) => field.to_string(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn routings_beside_each_other_share_routes_and_their_numbers() {
        let first = Routing::default();
        let second = first.beside(vec![source("always")]);
        let route = |routing: &Routing, name: &str| {
            routing.route(name, vec![source(name)], None, &Arc::default(), &|_| None)
        };
        let routes = [
            route(&first, "conn"),
            route(&second, "conn"),
            route(&first, "dns"),
            route(&second, "dns"),
        ];
        let ids: Vec<u32> = routes.iter().map(|route| route.id).collect();
        assert_eq!(ids, [0, 1, 2, 3]);
        assert_eq!(routes[1].log_sources, [source("always"), source("conn")]);
        assert!(Arc::ptr_eq(&routes[0], &route(&first, "conn")));
        assert!(Arc::ptr_eq(&routes[0], &route(&second.beside(Vec::new()), "conn")));
    }

    #[test]
    fn mappings_that_add_the_same_log_source_keep_their_own_aliases() {
        let added = vec![mapping("http", "a", "first"), mapping("http", "b", "second")];
        let routing = Routing { added, ..Routing::default() };
        let route = |kind: &str| {
            let field = |_: &str| Some(kind.to_owned());
            routing.route("zeek http", vec![source("http")], None, &Arc::default(), &field)
        };
        let (a, b) = (route("a"), route("B"));
        assert_eq!(a.log_sources, b.log_sources);
        assert_eq!((first_source(&a), first_source(&b)), ("first".into(), "second".into()));
        assert!(Arc::ptr_eq(&a, &route("A")) && Arc::ptr_eq(&b, &route("b")));
        assert_eq!(route("neither").log_sources, [source("http")]);
    }

    #[test]
    fn values_of_conditions_have_wildcards() {
        let routing = |value: &str| {
            let added = vec![mapping("http", value, "alias")];
            Routing { added, ..Routing::default() }
        };
        for (value, kind, holds) in [
            ("A*", "axx", true),
            ("A*", "ba", false),
            ("*web*", "MyWeb1", true),
            ("w?b", "web", true),
            ("w?b", "weeb", false),
            (r"a\*", "a*", true),
            (r"a\*", "ab", false),
            ("ÉTÉ", "été", true),
        ] {
            let field = |_: &str| Some(kind.to_owned());
            let aliases = Arc::default();
            let route =
                routing(value).route("zeek http", vec![source("http")], None, &aliases, &field);
            assert_eq!(route.log_sources.len() == 2, holds, "{value} on {kind}");
        }
    }

    #[test]
    fn mappings_of_any_log_source_hold_for_events_without_one() {
        let when = LogSource::default();
        let added = vec![AddedLogSource { when, ..mapping("", "a", "alias") }];
        let routing = Routing { added, ..Routing::default() };
        let route = |kind: &str| {
            let field = |_: &str| Some(kind.to_owned());
            routing.route("json", Vec::new(), None, &Arc::default(), &field)
        };
        assert_eq!(route("a").log_sources, [source("added")]);
        assert_eq!(route("b").log_sources, []);
    }

    #[test]
    fn mappings_build_on_each_other_and_on_what_every_event_gets_in_any_order() {
        let mapping = |when: &str, adds: &str| AddedLogSource {
            when: source(when),
            conditions: Vec::new(),
            adds: source(adds),
            aliases: Vec::new(),
        };
        let added = vec![mapping("second", "third"), mapping("first", "second")];
        let always = vec![source("first")];
        let routing = Routing { added, always, ..Routing::default() };
        let route = routing.route("any", Vec::new(), None, &Arc::default(), &|_| None);
        assert_eq!(route.log_sources, [source("first"), source("second"), source("third")]);
    }

    #[test]
    fn routes_are_bounded_and_kinds_beyond_them_keep_their_log_sources() {
        let routing = Routing::default();
        let route =
            |name: &str| routing.route(name, vec![source(name)], None, &Arc::default(), &|_| None);
        let early = route("early");
        for number in 0..2 * Routing::MOST {
            route(&number.to_string());
        }
        assert!(routing.is_full());
        let late = route("late");
        assert_eq!((late.id, &*late.log_sources), (Route::TRANSIENT, &[source("late")][..]));
        assert!(Arc::ptr_eq(&early, &route("early")));
        let interned = routing.interned.lock().unwrap_or_else(PoisonError::into_inner);
        assert_eq!(interned.by_key.len(), Routing::MOST);
    }
}
