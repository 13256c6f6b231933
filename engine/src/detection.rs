//! A detection: a rule that matched an event.

use crate::compile::expression;
use crate::compile::wildcard::Wildcard;
use crate::explain::{covered, written};
use crate::find::find;
use crate::oracle::{Candidate, Found, FoundSource, Lookup, Test};
use crate::{DetectionId, Event, EventDigest, EventTime};
use sigmund_sigma::condition::Condition;
use sigmund_sigma::modifier::Modifier;
use sigmund_sigma::value::{Matcher, Pattern, Scalar, Token};
use sigmund_sigma::{Item, LogSource, Rule, Search};
use smol_str::SmolStr;
use std::sync::Arc;

/// A rule that matched an event.
#[derive(Clone, Debug)]
pub struct Detection {
    /// The rule, with its metadata.
    pub rule: Arc<Rule>,
    /// The whole event.
    pub event: Arc<Event>,
    /// The event's log source that the rule covers; `None` if the rule asks for none, or routing is off.
    pub log_source: Option<LogSource>,
    /// Where the event came from.
    pub position: SourcePosition,
    /// What in the event made the rule match, in the order of the rule. Empty if the rule matched by
    /// absence only (`condition: not …`).
    pub matched: Vec<Matched>,
}

/// Where an event is in its source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourcePosition {
    /// File path or another name.
    pub path: Arc<str>,
    /// Number of the record in it, from 1.
    pub record: u64,
}

/// A part of the event that made a rule match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matched {
    /// The selection.
    pub selection: SmolStr,
    /// The field as the rule names it; `None` for keywords.
    pub field: Option<SmolStr>,
    /// The event's value; `None` where the field is missing or null, or has no scalar.
    pub value: Option<String>,
    /// The rule's values that hold for it, as written.
    pub patterns: Vec<SmolStr>,
    /// For an alias: the native field, or what was computed.
    pub source: Option<SmolStr>,
    /// What named groups of the rule's regular expressions hold in the value, in their order.
    pub extracted: Vec<(Box<str>, Box<str>)>,
}

impl Detection {
    /// Describes a match that the matcher (or the plain evaluator) found.
    #[must_use]
    pub fn new(rule: Arc<Rule>, event: Arc<Event>, position: SourcePosition) -> Self {
        let log_source =
            if rule.logsource.is_empty() { None } else { covered(&rule.logsource, &event.route) };
        let log_source = log_source.cloned();
        let matched = matched(&rule, &Lookup::new(&*event));
        Self { rule, event, log_source, position, matched }
    }

    /// The same in every run.
    #[must_use]
    pub fn id(&self) -> DetectionId {
        DetectionId::new(&self.rule, &EventDigest::of(&self.event.raw))
    }

    /// When the event happened.
    #[must_use]
    pub fn time(&self) -> Option<EventTime> {
        self.event.time
    }
}

/// What in the event makes the rule match: of the selections that hold and stand under no `not`. The rule is known to match.
///
/// It is read from the rule itself: most rules that match do so a few times, which is not worth the plain evaluator's preparations.
#[must_use]
pub fn matched(rule: &Rule, lookup: &Lookup<'_>) -> Vec<Matched> {
    let reading = Reading { rule, lookup };
    let mut parts = Vec::new();
    match &*rule.conditions {
        [condition] => reading.collect_true(condition, &mut parts),
        several => several.iter().for_each(|one| reading.collect(one, &mut parts)),
    }
    let mut names: Vec<&str> = Vec::new();
    let mut matched = Vec::new();
    for Part { index, holds } in parts {
        let Some(selection) = rule.selections.get(index) else { continue };
        if names.contains(&&*selection.name) {
            continue;
        }
        names.push(&selection.name);
        if holds {
            reading.add_search(&selection.name, &selection.search, &mut matched);
        } else {
            reading.add_if_true(&selection.name, &selection.search, &mut matched);
        }
    }
    matched
}

/// A selection of a rule that may say why it matches.
struct Part {
    index: usize,
    /// Otherwise it is asked when it is its turn.
    holds: bool,
}

/// A rule and an event that it matches.
struct Reading<'r, 'e> {
    rule: &'r Rule,
    lookup: &'r Lookup<'e>,
}

impl Reading<'_, '_> {
    fn condition_holds(&self, condition: &Condition) -> bool {
        match condition {
            Condition::And(of) => of.iter().all(|part| self.condition_holds(part)),
            Condition::Or(of) => of.iter().any(|part| self.condition_holds(part)),
            Condition::Not(of) => !self.condition_holds(of),
            Condition::Selection(index, _) => self.selection_holds(*index),
            // Choice C11: a pattern that finds nothing is false.
            Condition::Of { all: true, selections, .. } => {
                !selections.is_empty() && selections.iter().all(|one| self.selection_holds(*one))
            }
            Condition::Of { selections, .. } => {
                selections.iter().any(|one| self.selection_holds(*one))
            }
        }
    }

    fn selection_holds(&self, index: usize) -> bool {
        self.rule.selections.get(index).is_some_and(|selection| self.holds(&selection.search))
    }

    fn holds(&self, search: &Search) -> bool {
        match search {
            Search::All(items) => items.iter().all(|item| self.item_holds(item)),
            Search::Any(members) => members.iter().any(|member| self.holds(member)),
        }
    }

    fn item_holds(&self, item: &Item) -> bool {
        let field = item.field.as_ref().map(|field| self.lookup.field(field));
        let mut tests = item.matchers.iter().map(|matcher| {
            Ready::new(matcher, field.is_none()).is_some_and(|ready| match &field {
                Some(found) => ready.holds_for_field(found, self.lookup),
                None => ready.holds_for_any(self.lookup),
            })
        });
        let holds = if item.all { tests.all(|holds| holds) } else { tests.any(|holds| holds) };
        // Choice C17: the negation of the whole, so a missing field makes it true.
        holds != item.negated
    }

    /// The selections that make a condition true, if it is.
    fn collect(&self, condition: &Condition, parts: &mut Vec<Part>) {
        if let Condition::Selection(index, _) = condition {
            parts.push(Part { index: *index, holds: false });
        } else if self.condition_holds(condition) {
            self.collect_true(condition, parts);
        }
    }

    /// The same for one that is known to be true: what must hold then is not asked again.
    fn collect_true(&self, condition: &Condition, parts: &mut Vec<Part>) {
        let part = |index: &usize, holds| Part { index: *index, holds };
        match condition {
            Condition::And(of) => of.iter().for_each(|one| self.collect_true(one, parts)),
            Condition::Or(of) => of.iter().for_each(|one| self.collect(one, parts)),
            Condition::Not(_) => {}
            Condition::Selection(index, _) => parts.push(part(index, true)),
            Condition::Of { all, selections, .. } => {
                parts.extend(selections.iter().map(|index| part(index, *all)));
            }
        }
    }

    /// What a search that holds is made true by.
    fn add_search(&self, name: &str, search: &Search, matched: &mut Vec<Matched>) {
        match search {
            Search::All(items) => {
                for item in items {
                    self.add_item(name, item, matched);
                }
            }
            Search::Any(members) => {
                for member in members {
                    self.add_if_true(name, member, matched);
                }
            }
        }
    }

    /// The same for one that may not hold, which adds nothing then; whether it does.
    fn add_if_true(&self, name: &str, search: &Search, matched: &mut Vec<Matched>) -> bool {
        match search {
            Search::All(items) => {
                let start = matched.len();
                let holds = items.iter().all(|item| {
                    // Patterns of a field are asked once, whatever comes of it.
                    if is_of_patterns(item) {
                        return self.add_item(name, item, matched);
                    }
                    self.item_holds(item) && {
                        self.add_item(name, item, matched);
                        true
                    }
                });
                if !holds {
                    matched.truncate(start);
                }
                holds
            }
            Search::Any(members) => {
                let mut holds = false;
                for member in members {
                    holds |= self.add_if_true(name, member, matched);
                }
                holds
            }
        }
    }

    /// Whether the item holds, if it [is of patterns](is_of_patterns); others are known to. What it added counts only if it does.
    fn add_item(&self, selection: &str, item: &Item, matched: &mut Vec<Matched>) -> bool {
        let lookup = self.lookup;
        let source_name = |source: Option<&FoundSource<'_>>| {
            source.and_then(|source| source.name.as_deref()).map(SmolStr::new)
        };
        let entry =
            |value: Option<&str>, patterns: Vec<SmolStr>, source: Option<SmolStr>| Matched {
                selection: selection.into(),
                field: item.field.as_deref().map(SmolStr::new),
                value: value.map(str::to_owned),
                patterns,
                source,
                extracted: Vec::new(),
            };
        let field = item.field.as_ref().map(|field| lookup.field(field));
        if item.negated {
            // It holds because none of its values does: what the field is instead.
            let Some(found) = &field else { return true };
            let first = found.candidates().next();
            let patterns = item.values.iter().map(shown).collect();
            let source = source_name(first.map(|(source, _)| source));
            matched.push(entry(first.and_then(|(_, value)| value.text()), patterns, source));
            return true;
        }
        let start = matched.len();
        let (is_of_patterns, mut count) = (is_of_patterns(item), 0);
        let asks_presence = item.modifiers.contains(&Modifier::Exists);
        for (index, matcher) in item.matchers.iter().enumerate() {
            let Some(ready) = Ready::new(matcher, field.is_none()) else { continue };
            if field.is_none() && !ready.holds_for_any(lookup) {
                continue;
            }
            let by = match &field {
                Some(found) => found
                    .candidates()
                    .find(|(_, value)| ready.holds_for(value, lookup))
                    .map(|(source, value)| (Some(source), value)),
                None => lookup
                    .searched()
                    .iter()
                    .find(|value| ready.holds_for(value, lookup))
                    .map(|value| (None, value)),
            };
            // Some tests are about the field, not about one of its values.
            let is_about_field =
                matches!(matcher, Matcher::Null | Matcher::Exists(_) | Matcher::AnyOf(_));
            let of_field = || field.as_ref().is_some_and(|it| ready.holds_for_field(it, lookup));
            let holds = by.is_some() || (is_about_field && of_field());
            if !holds {
                if item.all && is_of_patterns {
                    return false;
                }
                continue;
            }
            count += 1;
            // `exists` asks about the field: what it is says more than nothing.
            let by = by.or_else(|| {
                let found = field.as_ref().filter(|_| asks_presence)?;
                found.candidates().next().map(|(source, value)| (Some(source), value))
            });
            let text = by.and_then(|(_, value)| value.text());
            let source = by.and_then(|(source, _)| source).and_then(|one| one.name.as_deref());
            let pattern = item.values.get(index).map(shown).unwrap_or_default();
            let same = matched[start..]
                .iter_mut()
                .find(|known| known.value.as_deref() == text && known.source.as_deref() == source);
            let mut extracted = Vec::new();
            if let Some(text) = text {
                extract(matcher, text, &mut extracted);
            }
            match same {
                Some(known) => {
                    known.patterns.push(pattern);
                    known.extracted.append(&mut extracted);
                }
                None => {
                    let made = entry(text, vec![pattern], source.map(SmolStr::new));
                    matched.push(Matched { extracted, ..made });
                }
            }
        }
        count > 0 || item.all
    }
}

/// A value of a rule as written.
fn shown(scalar: &Scalar) -> SmolStr {
    match scalar {
        Scalar::Text(text) | Scalar::Number(text) => SmolStr::new(text),
        Scalar::Bool(_) | Scalar::Null => written(scalar).into(),
    }
}

/// Whether an item compares one field with patterns and nothing else.
fn is_of_patterns(item: &Item) -> bool {
    item.field.is_some()
        && !item.negated
        && item.matchers.iter().all(|matcher| matches!(matcher, Matcher::Text(_)))
}

/// A matcher of a rule, ready to be asked a few times.
enum Ready<'r> {
    /// The usual patterns: one text of ASCII in any case, with something before it or after it or not.
    Plain { opens: bool, literal: &'r str, ends: bool },
    /// Any other pattern for whole values.
    Pattern(Wildcard),
    /// Anything else.
    Other(Test),
}

impl<'r> Ready<'r> {
    /// `None` cannot happen for rules that compiled.
    fn new(matcher: &'r Matcher, keyword: bool) -> Option<Self> {
        match matcher {
            Matcher::Text(pattern) if !keyword => {
                Some(Self::plain(pattern).unwrap_or_else(|| Self::Pattern(Wildcard::new(pattern))))
            }
            _ => Test::new(matcher, keyword).ok().map(Self::Other),
        }
    }

    fn plain(pattern: &'r Pattern) -> Option<Self> {
        let (opens, literal, ends) = match &*pattern.tokens {
            [Token::Literal(literal)] => (false, literal, false),
            [Token::Any, Token::Literal(literal)] => (true, literal, false),
            [Token::Literal(literal), Token::Any] => (false, literal, true),
            [Token::Any, Token::Literal(literal), Token::Any] => (true, literal, true),
            _ => return None,
        };
        if pattern.cased || !literal.is_ascii() {
            return None;
        }
        Some(Self::Plain { opens, literal, ends })
    }

    fn holds_for(&self, value: &Candidate<'_>, lookup: &Lookup<'_>) -> bool {
        match self {
            Self::Plain { opens, literal, ends } => {
                let literal = literal.as_bytes();
                value.folded().map(str::as_bytes).is_some_and(|text| match (opens, ends) {
                    (false, false) => text.eq_ignore_ascii_case(literal),
                    (false, true) => {
                        let start = text.get(..literal.len());
                        start.is_some_and(|start| start.eq_ignore_ascii_case(literal))
                    }
                    (true, false) => {
                        let start = text.len().checked_sub(literal.len());
                        start.is_some_and(|at| text[at..].eq_ignore_ascii_case(literal))
                    }
                    (true, true) => is_within(literal, text),
                })
            }
            Self::Pattern(wildcard) => {
                let text = if wildcard.cased { value.text() } else { value.folded() };
                text.is_some_and(|text| wildcard.matches(text.as_bytes()))
            }
            Self::Other(test) => test.holds_for(value, lookup),
        }
    }

    fn holds_for_field(&self, found: &Found<'_>, lookup: &Lookup<'_>) -> bool {
        match self {
            Self::Plain { .. } | Self::Pattern(_) => {
                found.candidates().any(|(_, value)| self.holds_for(value, lookup))
            }
            Self::Other(test) => test.holds_for_field(found, lookup),
        }
    }

    fn holds_for_any(&self, lookup: &Lookup<'_>) -> bool {
        match self {
            Self::Plain { .. } | Self::Pattern(_) => {
                lookup.searched().iter().any(|value| self.holds_for(value, lookup))
            }
            Self::Other(test) => test.holds_for_any(lookup.searched(), lookup),
        }
    }
}

/// Whether a text that is folded holds a literal of ASCII in any case.
fn is_within(literal: &[u8], text: &[u8]) -> bool {
    const SHORT: usize = 64;
    if literal.len() > text.len() {
        return false;
    }
    if !literal.iter().any(u8::is_ascii_uppercase) {
        return find(text, literal).is_some();
    }
    let mut short = [0; SHORT];
    match short.get_mut(..literal.len()) {
        Some(folded) => {
            folded.copy_from_slice(literal);
            folded.make_ascii_lowercase();
            find(text, folded).is_some()
        }
        None => find(text, &literal.to_ascii_lowercase()).is_some(),
    }
}

/// What the named groups of a matcher's regular expressions hold in a text.
fn extract(matcher: &Matcher, text: &str, out: &mut Vec<(Box<str>, Box<str>)>) {
    match matcher {
        Matcher::Regex(regex) => {
            let Ok(regex) = expression::compile(regex) else { return };
            let groups = regex.named_groups(text).into_iter();
            out.extend(groups.map(|(name, value)| (name.into(), value.into())));
        }
        Matcher::AnyOf(matchers) => matchers.iter().for_each(|one| extract(one, text, out)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alias::{Alias, AliasTable};
    use crate::oracle::Oracle;
    use crate::{Object, Route, Value};
    use proptest::prelude::*;
    use sigmund_sigma::{Loader, Source};

    /// An event of which nothing but its fields is known.
    fn event_of(object: Object) -> Event {
        Event {
            raw: Arc::from(&b"{}"[..]),
            object,
            lifted: Object::default(),
            keywords_in_raw: false,
            route: Arc::new(Route {
                id: 0,
                name: "test".into(),
                log_sources: Vec::new(),
                aliases: Arc::default(),
                event_id: None,
                unfiltered: false,
                is_known: true,
            }),
            time: None,
        }
    }

    #[test]
    fn says_what_matched_and_where_it_came_from() {
        let text = r"
title: t
logsource:
    category: process_creation
detection:
    selection:
        Image|endswith:
            - '\cmd.exe'
            - 'D.EXE'
            - '\other.exe'
        User: null
        Host|neq: lab
        Host|exists: true
        Gone|exists: false
    keywords:
        - secret
    filter:
        Image: x
    unused:
        Image: '*'
    condition: selection and keywords and not filter
";
        let source = Source { name: "t.yml".into(), text: text.into() };
        let mut collection = Loader::default().load(&[source]);
        assert!(collection.diagnostics.is_empty(), "{:?}", collection.diagnostics);
        let rule = Arc::new(collection.rules.remove(0));
        let oracle = Oracle::new(&rule).unwrap();
        let mut object = Object::default();
        object.push("exe", Value::text(r"C:\cmd.exe"));
        object.push("args", Value::Array(vec![Value::text("a"), Value::text("the SECRET")]));
        object.push("Host", Value::text("prod"));
        let covered = LogSource::new(Some("windows"), Some("process_creation"), None);
        let event = Arc::new(Event {
            raw: Arc::from(&b"{}"[..]),
            object,
            lifted: Object::default(),
            keywords_in_raw: false,
            route: Arc::new(Route {
                id: 0,
                name: "test".into(),
                log_sources: vec![LogSource::new(Some("windows"), None, None), covered.clone()],
                aliases: Arc::new(AliasTable::new([Alias::to("Image", &["exe"])])),
                event_id: None,
                unfiltered: false,
                is_known: true,
            }),
            time: None,
        });
        assert!(oracle.sees(&event.route) && oracle.matches(&event));
        let position = SourcePosition { path: "x.json".into(), record: 7 };
        let detection = Detection::new(rule, event, position);
        assert_eq!(detection.log_source, Some(covered));
        assert_eq!(detection.position.record, 7);
        let summary: Vec<String> = detection
            .matched
            .iter()
            .map(|part| {
                format!(
                    "{} {} {} {} {}",
                    part.selection,
                    part.field.as_deref().unwrap_or("-"),
                    part.value.as_deref().unwrap_or("-"),
                    part.patterns.join(","),
                    part.source.as_deref().unwrap_or("-")
                )
            })
            .collect();
        assert_eq!(
            summary,
            [
                r"selection Image C:\cmd.exe \cmd.exe,D.EXE exe",
                "selection User - null -",
                "selection Host prod lab -",
                "selection Host prod true -",
                "selection Gone - false -",
                "keywords - the SECRET secret -",
            ]
        );
    }

    #[test]
    fn names_only_what_holds() {
        let text = r"
title: t
logsource:
    category: c
detection:
    maps:
        - a: x
          b: other
        - a|contains|all: [x, other]
        - a|contains|all: [x, y]
        - b|re: 'z'
          a: [no, xy]
        - - a: never
          - b: [z, q]
    some_no:
        a|contains: [y, other]
        b: other
    some_yes:
        a|contains: [y, other]
        b|neq: other
    either:
        b: z
    condition: maps and 1 of some_* and (either or maps or some_no)
";
        let source = Source { name: "t.yml".into(), text: text.into() };
        let mut collection = Loader::default().load(&[source]);
        assert!(collection.diagnostics.is_empty(), "{:?}", collection.diagnostics);
        let rule = collection.rules.remove(0);
        let mut object = Object::default();
        object.push("a", Value::text("xy"));
        object.push("b", Value::text("z"));
        let event = event_of(object);
        assert!(Oracle::new(&rule).unwrap().matches(&event));
        let named: Vec<String> = matched(&rule, &Lookup::new(&event))
            .iter()
            .map(|part| {
                let field = part.field.as_deref().unwrap_or("-");
                format!("{} {field} {}", part.selection, part.patterns.join(","))
            })
            .collect();
        assert_eq!(
            named,
            [
                "maps a x,y",
                "maps b z",
                "maps a xy",
                "maps b z",
                "some_yes a y",
                "some_yes b other",
                "either b z",
            ]
        );
    }

    #[test]
    fn named_groups_are_fields() {
        let text = r"
title: t
logsource:
    category: c
detection:
    selection:
        lines|re:
            - 'user (?<user>\w+) from (?<ip>[0-9.]+)'
            - 'port (?<port>\d+)'
        lines|contains: port
        host|re|i: '^(?<site>[a-z]+)-(?<number>\d+)?'
    no:
        lines|re: '(?<never>root)'
    other:
        lines|re: '(?<other>nobody)'
    condition: (selection or other) and not no
";
        let source = Source { name: "t.yml".into(), text: text.into() };
        let mut collection = Loader::default().load(&[source]);
        assert!(collection.diagnostics.is_empty(), "{:?}", collection.diagnostics);
        let rule = collection.rules.remove(0);
        let mut object = Object::default();
        let lines = ["nothing", "user ann from 192.0.2.1 port 22", "user bob from 192.0.2.2"];
        object.push("lines", Value::Array(lines.map(Value::text).into()));
        object.push("host", Value::text("WEB-"));
        let event = event_of(object);
        assert!(Oracle::new(&rule).unwrap().matches(&event));
        let matched = matched(&rule, &Lookup::new(&event));
        let extracted = matched.iter().flat_map(|part| &part.extracted);
        let extracted: Vec<String> =
            extracted.map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(extracted, ["user=ann", "ip=192.0.2.1", "port=22", "site=WEB"]);
    }

    fn token() -> impl Strategy<Value = Token> {
        prop_oneof![
            Just(Token::Any),
            Just(Token::Any),
            Just(Token::One),
            Just(Token::Dash),
            "[aAbBσΣ]{1,3}".prop_map(|text| Token::Literal(text.into())),
            "[aA]{62,66}".prop_map(|text| Token::Literal(text.into())),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]
        #[test]
        fn patterns_hold_as_in_the_plain_evaluator(
            tokens in prop::collection::vec(token(), 0..4),
            cased: bool,
            keyword: bool,
            text in prop_oneof!["[aAbBσς-]{0,6}", "[aAbB]{0,3}", "b?[aA]{60,68}b?"],
        ) {
            let matcher = Matcher::Text(Pattern { tokens: tokens.into(), cased });
            let mut object = Object::default();
            object.push("f", Value::text(text));
            object.push("n", Value::Null);
            let event = event_of(object);
            let lookup = Lookup::new(&event);
            let ready = Ready::new(&matcher, keyword).unwrap();
            let test = Test::new(&matcher, keyword).unwrap();
            for field in ["f", "n", "gone"] {
                let found = lookup.field(field);
                prop_assert_eq!(
                    ready.holds_for_field(&found, &lookup),
                    test.holds_for_field(&found, &lookup)
                );
            }
            prop_assert_eq!(
                ready.holds_for_any(&lookup),
                test.holds_for_any(lookup.searched(), &lookup)
            );
        }
    }
}
