//! The plain evaluator: written for clarity, straight from the parsed rule. No prefilter, nothing shared
//! between rules. Tests compare the compiled matcher with it, `explain` is built on it.
//!
//! Semantics: the Sigma specification 2.1.0; where it is silent, the choices named at each place.

pub mod correlation;
mod lookup;
mod wildcard;

pub use lookup::{Candidate, CandidateKind, Found, FoundSource, Lookup, Origin, resolve};

use crate::compile::expression::{self, Expression};
use crate::fold::folded;
use crate::value::{Decimal, date_part};
use crate::{Event, Route};
use ipnet::IpNet;
use sigmund_sigma::condition::Condition;
use sigmund_sigma::value::{Anchor, Comparison, DatePart};
use sigmund_sigma::{Item, LogSource, Matcher, Rule, Search, Selection};
use std::cmp::Ordering;
use std::net::IpAddr;
use std::sync::Arc;
use wildcard::Wildcard;

/// Whether a rule's search matches an event, whatever its log source. For many events use [`Oracle`].
///
/// # Errors
/// If one of its regular expressions does not compile; the loader lets no such rule through.
pub fn matches(rule: &Rule, event: &Event) -> Result<bool, Error> {
    Ok(Oracle::new(rule)?.matches(event))
}

/// Whether a rule sees the events of a route (choice C24): it covers one of its log sources, asks for none, or routing
/// is off.
#[must_use]
pub fn sees(wanted: &LogSource, route: &Route) -> bool {
    route.unfiltered
        || wanted.is_empty()
        || route.log_sources.iter().any(|have| wanted.covers(have))
}

/// A rule that cannot be evaluated.
#[derive(Clone, Debug)]
pub struct Error {
    /// The regular expression.
    pub pattern: Box<str>,
    /// What is wrong with it.
    pub reason: String,
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "regular expression `{}` does not compile: {}", self.pattern, self.reason)
    }
}

impl std::error::Error for Error {}

/// A rule ready for evaluation: the parsed rule with its texts folded and its regular expressions compiled.
#[derive(Clone, Debug)]
pub struct Oracle {
    pub(crate) logsource: LogSource,
    pub(crate) main: Part,
    /// Title of each filter and what it demands.
    pub(crate) filters: Vec<(String, Part)>,
    pub(crate) added: Vec<SearchTest>,
}

/// Conditions over selections of one namespace: the rule's own or a filter's.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) selections: Vec<SelectionTest>,
    /// One must hold.
    pub(crate) conditions: Vec<Condition>,
}

#[derive(Clone, Debug)]
pub(crate) struct SelectionTest {
    pub(crate) name: Box<str>,
    pub(crate) search: SearchTest,
}

#[derive(Clone, Debug)]
pub(crate) enum SearchTest {
    All(Vec<ItemTest>),
    Any(Vec<SearchTest>),
}

#[derive(Clone, Debug)]
pub(crate) struct ItemTest {
    pub(crate) item: Item,
    /// One for each value of the item.
    pub(crate) tests: Vec<Test>,
}

/// A [`Matcher`] made ready.
#[derive(Clone, Debug)]
pub(crate) enum Test {
    Text(Wildcard),
    Null,
    Exists(bool),
    Regex(Arc<Expression>),
    Cidr(IpNet),
    Compare(Comparison, Box<str>),
    FieldRef(Box<str>, Anchor),
    DatePart(DatePart, Option<Comparison>, i64),
    AnyOf(Vec<Test>),
}

impl Oracle {
    /// Prepares a rule.
    ///
    /// # Errors
    /// If one of its regular expressions does not compile; the loader lets no such rule through.
    pub fn new(rule: &Rule) -> Result<Self, Error> {
        let filters = rule.filters.iter().map(|filter| {
            let filter = &filter.0;
            let conditions = std::slice::from_ref(&filter.condition);
            Ok((filter.metadata.title.clone(), Part::new(&filter.selections, conditions)?))
        });
        Ok(Self {
            logsource: rule.logsource.clone(),
            main: Part::new(&rule.selections, &rule.conditions)?,
            filters: filters.collect::<Result<_, _>>()?,
            added: rule.added.iter().map(SearchTest::new).collect::<Result<_, _>>()?,
        })
    }

    /// Whether the rule is for events of that route.
    #[must_use]
    pub fn sees(&self, route: &Route) -> bool {
        sees(&self.logsource, route)
    }

    /// Whether the search matches, whatever the log source.
    #[must_use]
    pub fn matches(&self, event: &Event) -> bool {
        self.matches_in(&Lookup::new(event))
    }

    /// The same with a [`Lookup`] that several rules use on one event.
    #[must_use]
    pub fn matches_in(&self, lookup: &Lookup<'_>) -> bool {
        self.main.holds(lookup)
            && self.filters.iter().all(|(_, filter)| filter.holds(lookup))
            && self.added.iter().all(|search| search.holds(lookup))
    }
}

impl Part {
    fn new(selections: &[Selection], conditions: &[Condition]) -> Result<Self, Error> {
        let selections = selections.iter().map(|selection| {
            let search = SearchTest::new(&selection.search)?;
            Ok(SelectionTest { name: selection.name.clone(), search })
        });
        Ok(Self {
            selections: selections.collect::<Result<_, _>>()?,
            conditions: conditions.to_vec(),
        })
    }

    fn holds(&self, lookup: &Lookup<'_>) -> bool {
        self.conditions.iter().any(|condition| self.condition_holds(condition, lookup))
    }

    pub(crate) fn condition_holds(&self, condition: &Condition, lookup: &Lookup<'_>) -> bool {
        match condition {
            Condition::And(of) => of.iter().all(|part| self.condition_holds(part, lookup)),
            Condition::Or(of) => of.iter().any(|part| self.condition_holds(part, lookup)),
            Condition::Not(of) => !self.condition_holds(of, lookup),
            Condition::Selection(index, _) => self.selection_holds(*index, lookup),
            Condition::Of { all, selections, .. } => {
                let mut found = selections.iter().map(|index| self.selection_holds(*index, lookup));
                // Choice C11: a pattern that finds nothing is false.
                if *all {
                    !selections.is_empty() && found.all(|holds| holds)
                } else {
                    found.any(|holds| holds)
                }
            }
        }
    }

    pub(crate) fn selection_holds(&self, index: usize, lookup: &Lookup<'_>) -> bool {
        self.selections.get(index).is_some_and(|selection| selection.search.holds(lookup))
    }
}

impl SearchTest {
    fn new(search: &Search) -> Result<Self, Error> {
        Ok(match search {
            Search::All(items) => {
                Self::All(items.iter().map(ItemTest::new).collect::<Result<_, _>>()?)
            }
            Search::Any(members) => {
                Self::Any(members.iter().map(Self::new).collect::<Result<_, _>>()?)
            }
        })
    }

    pub(crate) fn holds(&self, lookup: &Lookup<'_>) -> bool {
        match self {
            Self::All(items) => items.iter().all(|item| item.holds(lookup)),
            Self::Any(members) => members.iter().any(|member| member.holds(lookup)),
        }
    }
}

impl ItemTest {
    fn new(item: &Item) -> Result<Self, Error> {
        let keyword = item.field.is_none();
        let tests = item.matchers.iter().map(|matcher| Test::new(matcher, keyword));
        Ok(Self { tests: tests.collect::<Result<_, _>>()?, item: item.clone() })
    }

    fn holds(&self, lookup: &Lookup<'_>) -> bool {
        let mut tests = self.tests.iter().map(|test| self.test_holds(test, lookup));
        let holds = if self.item.all { tests.all(|holds| holds) } else { tests.any(|holds| holds) };
        // Choice C17: the negation of the whole, so a missing field makes it true.
        holds != self.item.negated
    }

    /// One value of the item: any element of a list may match it (choice C8), a keyword any scalar (choice C7).
    pub(crate) fn test_holds(&self, test: &Test, lookup: &Lookup<'_>) -> bool {
        match &self.item.field {
            Some(field) => test.holds_for_field(&lookup.field(field), lookup),
            None => test.holds_for_any(lookup.searched(), lookup),
        }
    }
}

impl Test {
    pub(crate) fn new(matcher: &Matcher, keyword: bool) -> Result<Self, Error> {
        Ok(match matcher {
            Matcher::Text(pattern) if keyword => Self::Text(Wildcard::anywhere(pattern)),
            Matcher::Text(pattern) => Self::Text(Wildcard::new(pattern)),
            Matcher::Null => Self::Null,
            Matcher::Exists(present) => Self::Exists(*present),
            Matcher::Regex(regex) => Self::Regex(expression::compile(regex).map_err(|error| {
                Error { pattern: regex.pattern.clone(), reason: error.to_string() }
            })?),
            Matcher::Cidr(network) => Self::Cidr(*network),
            Matcher::Compare(comparison, threshold) => {
                Self::Compare(*comparison, threshold.clone())
            }
            Matcher::FieldRef(field, _) if keyword => {
                Self::FieldRef(field.clone(), Anchor::Anywhere)
            }
            Matcher::FieldRef(field, anchor) => Self::FieldRef(field.clone(), *anchor),
            Matcher::DatePart(part, comparison, number) => {
                Self::DatePart(*part, *comparison, *number)
            }
            Matcher::AnyOf(matchers) => Self::AnyOf(
                matchers
                    .iter()
                    .map(|matcher| Self::new(matcher, keyword))
                    .collect::<Result<_, _>>()?,
            ),
        })
    }

    pub(crate) fn holds_for_field(&self, found: &Found<'_>, lookup: &Lookup<'_>) -> bool {
        match self {
            Self::Null => found.is_null(),
            Self::Exists(wanted) => found.is_present() == *wanted,
            Self::AnyOf(tests) => tests.iter().any(|test| test.holds_for_field(found, lookup)),
            _ => found.candidates().any(|(_, candidate)| self.holds_for(candidate, lookup)),
        }
    }

    pub(crate) fn holds_for_any(&self, candidates: &[Candidate<'_>], lookup: &Lookup<'_>) -> bool {
        // A keyword that is nowhere in the event need not be looked for value by value.
        if let Self::Text(wildcard) = self
            && !wildcard.cased
            && wildcard.longest_literal().is_some_and(|text| !lookup.may_be_searched(text))
        {
            return false;
        }
        candidates.iter().any(|candidate| self.holds_for(candidate, lookup))
    }

    /// Whether it holds for one value. `null` and `exists` are about fields, never about one value.
    pub(crate) fn holds_for(&self, candidate: &Candidate<'_>, lookup: &Lookup<'_>) -> bool {
        let Some(text) = candidate.text() else {
            return false;
        };
        match self {
            Self::Null | Self::Exists(_) => false,
            Self::Text(wildcard) if wildcard.cased => wildcard.matches(text),
            Self::Text(wildcard) => candidate.folded().is_some_and(|text| wildcard.matches(text)),
            Self::Regex(regex) => regex.is_match(text),
            // Choice C22: families are distinct, mapped addresses stay IPv6.
            Self::Cidr(network) => {
                text.parse::<IpAddr>().is_ok_and(|address| network.contains(&address))
            }
            Self::Compare(comparison, threshold) => {
                match (Decimal::parse(text), Decimal::parse(threshold)) {
                    (Some(number), Some(threshold)) => {
                        candidate.kind != CandidateKind::Bool
                            && ordered(number.cmp(&threshold), *comparison)
                    }
                    _ => false,
                }
            }
            Self::FieldRef(field, anchor) => {
                let folded_text = folded(text);
                lookup.field(field).candidates().any(|(_, other)| {
                    other.folded().is_some_and(|other| carries(&folded_text, other, *anchor))
                })
            }
            Self::DatePart(part, comparison, number) => {
                candidate.kind == CandidateKind::Text
                    && date_part(text, *part).is_some_and(|have| match comparison {
                        None => have == *number,
                        Some(comparison) => ordered(have.cmp(number), *comparison),
                    })
            }
            Self::AnyOf(tests) => tests.iter().any(|test| test.holds_for(candidate, lookup)),
        }
    }
}

fn ordered(order: Ordering, comparison: Comparison) -> bool {
    match comparison {
        Comparison::Lt => order.is_lt(),
        Comparison::Lte => order.is_le(),
        Comparison::Gt => order.is_gt(),
        Comparison::Gte => order.is_ge(),
    }
}

fn carries(text: &str, other: &str, anchor: Anchor) -> bool {
    match anchor {
        Anchor::Whole => text == other,
        Anchor::Start => text.starts_with(other),
        Anchor::End => text.ends_with(other),
        Anchor::Anywhere => text.contains(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alias::{Alias, AliasTable, Pick, Source, Which};
    use crate::{Object, Value};
    use sigmund_sigma::{Pattern, Token};
    use std::sync::Arc;

    fn object(members: &[(&str, Value)]) -> Object {
        Object(members.iter().map(|(name, value)| ((*name).into(), value.clone())).collect())
    }

    fn event(members: &[(&str, Value)], aliases: Vec<Alias>) -> Event {
        Event {
            raw: Arc::from(&b""[..]),
            object: object(members),
            lifted: Object::default(),
            keywords_in_raw: false,
            route: Arc::new(Route {
                id: 0,
                name: "test".into(),
                log_sources: Vec::new(),
                aliases: Arc::new(AliasTable::new(aliases)),
                event_id: None,
                unfiltered: true,
                is_known: true,
            }),
            time: None,
        }
    }

    fn equals(text: &str) -> Matcher {
        Matcher::Text(Pattern { tokens: [Token::Literal(text.into())].into(), cased: false })
    }

    fn item(field: Option<&str>, matchers: Vec<Matcher>) -> Item {
        Item {
            field: field.map(Into::into),
            written_field: None,
            modifiers: Vec::new(),
            values: Vec::new(),
            matchers,
            all: false,
            negated: false,
            span: Default::default(),
            value_spans: Vec::new(),
        }
    }

    fn holds(item: Item, event: &Event) -> bool {
        ItemTest::new(&item).unwrap().holds(&Lookup::new(event))
    }

    fn texts(event: &Event, name: &str) -> Vec<String> {
        let lookup = Lookup::new(event);
        let found = lookup.field(name);
        found.candidates().map(|(_, value)| value.text().unwrap_or("-").to_owned()).collect()
    }

    #[test]
    fn the_longest_key_wins_and_later_duplicates_too() {
        let inner = Value::Object(object(&[("b", Value::text("nested"))]));
        let both = event(&[("a", inner.clone()), ("a.b", Value::text("flat"))], vec![]);
        assert_eq!(texts(&both, "a.b"), ["flat"]);
        let twice = event(&[("a", inner), ("a", Value::text("scalar"))], vec![]);
        assert!(texts(&twice, "a.b").is_empty());
        let dead_end = event(
            &[
                ("a.b", Value::text("scalar")),
                ("a", Value::Object(object(&[("b.c", Value::text("x"))]))),
            ],
            vec![],
        );
        assert!(texts(&dead_end, "a.b.c").is_empty());
    }

    #[test]
    fn lists_fan_out_and_flatten() {
        let element = |name: &str| Value::Object(object(&[("b", Value::text(name))]));
        let list = Value::Array(vec![
            element("x"),
            Value::Array(vec![element("y"), Value::Null]),
            Value::Object(Object::default()),
        ]);
        let list = event(&[("a", list), ("none", Value::Array(vec![]))], vec![]);
        assert_eq!(texts(&list, "a.b"), ["x", "y"]);
        assert!(!holds(item(Some("none"), vec![Matcher::Null]), &list));
        assert!(holds(item(Some("none"), vec![Matcher::Exists(true)]), &list));
        assert!(holds(item(Some("none.b"), vec![Matcher::Null]), &list));
    }

    #[test]
    fn native_fields_hide_aliases_and_the_first_present_source_counts() {
        let alias = || vec![Alias::to("Image", &["exe", "process"])];
        assert_eq!(texts(&event(&[("process", Value::text("p"))], alias()), "Image"), ["p"]);
        let both = event(&[("process", Value::text("p")), ("exe", Value::Null)], alias());
        assert_eq!(texts(&both, "Image"), ["-"]);
        let native = event(&[("exe", Value::text("e")), ("Image", Value::text("n"))], alias());
        assert_eq!(texts(&native, "Image"), ["n"]);
    }

    #[test]
    fn alternates_are_all_tried_but_null_and_exists_ask_the_first() {
        let alias = vec![Alias::any("cs-uri-query", &["query", "uri"])];
        let without = event(&[("uri", Value::text("/a?b"))], alias.clone());
        assert!(holds(item(Some("cs-uri-query"), vec![equals("/A?b")]), &without));
        assert!(holds(item(Some("cs-uri-query"), vec![Matcher::Null]), &without));
        assert!(holds(item(Some("cs-uri-query"), vec![Matcher::Exists(false)]), &without));
        let with = event(&[("uri", Value::text("/a?b")), ("query", Value::text("b"))], alias);
        assert!(!holds(item(Some("cs-uri-query"), vec![Matcher::Null]), &with));
        let mut negated = item(Some("cs-uri-query"), vec![equals("b")]);
        negated.negated = true;
        assert!(!holds(negated, &with));
    }

    #[test]
    fn computed_sources() {
        let alias = Alias::with(
            "User",
            Pick::First,
            [Source::Computed {
                from: &["domain", "name"],
                compute: |texts, out| {
                    let [Some(domain), Some(name)] = texts else { return false };
                    out.push_str(domain);
                    out.push('\\');
                    out.push_str(name);
                    true
                },
                what: "domain\\name",
            }],
        );
        let user = event(
            &[("domain", Value::text("D")), ("name", Value::Number("1.0".into()))],
            vec![alias.clone()],
        );
        assert_eq!(texts(&user, "User"), ["D\\1"]);
        assert!(holds(item(Some("User"), vec![Matcher::Null]), &event(&[], vec![alias])));
    }

    #[test]
    fn one_of_the_values_of_a_field() {
        let second = Source::Element { field: "a", which: Which::Number(1) };
        let alias = Alias::with("Second", Pick::First, [second]);
        let list = |elements: &[&str]| {
            Value::Array(elements.iter().map(|element| Value::text(*element)).collect())
        };
        let two = event(&[("a", list(&["x", "y"]))], vec![alias.clone()]);
        assert_eq!(texts(&two, "Second"), ["y"]);
        let one = event(&[("a", list(&["x"]))], vec![alias.clone()]);
        assert!(holds(item(Some("Second"), vec![Matcher::Exists(false)]), &one));
        let scalar = event(&[("a", Value::text("x"))], vec![alias]);
        assert!(holds(item(Some("Second"), vec![Matcher::Null]), &scalar));
        let named = Which::Beside { names: "n", name: "Key" };
        let named = Source::Element { field: "a", which: named };
        let named = Alias::with("Named", Pick::First, [named]);
        let pairs = |names: &[&str]| {
            event(&[("a", list(&["x", "y"])), ("n", list(names))], vec![named.clone()])
        };
        assert_eq!(texts(&pairs(&["other", "key"]), "Named"), ["y"]);
        assert!(texts(&pairs(&["other"]), "Named").is_empty());
        assert!(texts(&pairs(&["key"]), "Named").is_empty());
    }

    #[test]
    fn keywords_search_inside_scalars_of_all_depths_but_not_names() {
        let inner =
            Value::Array(vec![Value::Object(object(&[("needle", Value::text("a Hay b"))]))]);
        let event = event(&[("x", inner), ("n", Value::Bool(true))], vec![]);
        assert!(holds(item(None, vec![equals("hay")]), &event));
        assert!(holds(item(None, vec![equals("ru")]), &event));
        assert!(!holds(item(None, vec![equals("needle")]), &event));
    }

    #[test]
    fn a_log_source_is_seen_if_one_of_the_events_covers_it() {
        let mut route = Arc::try_unwrap(event(&[], vec![]).route).unwrap();
        route.unfiltered = false;
        let wanted = LogSource::new(Some("windows"), None, None);
        assert!(!sees(&wanted, &route));
        assert!(sees(&LogSource::default(), &route));
        route.log_sources.push(LogSource::new(Some("Windows"), None, Some("security")));
        assert!(sees(&wanted, &route));
        route.log_sources.clear();
        route.unfiltered = true;
        assert!(sees(&wanted, &route));
    }
}
