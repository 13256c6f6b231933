//! The rule set: thousands of rules compiled to one immutable snapshot.

use crate::alias::AliasTable;
use crate::compile::bucket::{Bucket, bound_values};
use crate::compile::expr::{Expr, lower};
use crate::compile::expression;
use crate::compile::keywords::Keywords;
use crate::compile::predicate::{Interner, Predicates, Test};
use crate::oracle::{Oracle, sees};
use crate::{FieldTable, Reader, Route, Slot};
use sigmund_sigma::{Diagnostic, LogSource, Rule, Span, condition};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// The field whose value splits Windows rules.
const EVENT_ID: &str = "EventID";

/// Compiled rules. Immutable and shared by all threads; each thread matches with its own [`crate::Matcher`].
#[derive(Debug)]
pub struct RuleSet {
    rules: Vec<Arc<Rule>>,
    exprs: Vec<Expr>,
    pub(crate) predicates: Predicates,
    groups: Vec<Group>,
    keywords: Mutex<KnownKeywords>,
    oracles: Vec<OnceLock<Option<Oracle>>>,
    table: Arc<FieldTable>,
    event_id: Slot,
}

/// The keywords of lists of buckets.
type KnownKeywords = HashMap<Vec<BucketRef>, Arc<Keywords>, ahash::RandomState>;

/// So many lists of buckets have their keywords at hand: which log sources come together is up to the logs.
const MOST_KEYWORDS: usize = 64;

/// Rules and their bucket, once it is compiled.
type Lazy = (Vec<u32>, OnceLock<Arc<Bucket>>);

/// The rules of one log source. Its buckets are compiled when an event first needs them.
#[derive(Debug)]
struct Group {
    log_source: LogSource,
    rules: Vec<u32>,
    /// Rules that require certain EventIDs, by folded value.
    by_event_id: HashMap<Box<[u8]>, Lazy, ahash::RandomState>,
    /// The other rules.
    unbound: Lazy,
    /// All rules, for events without a known EventID.
    whole: OnceLock<Arc<Bucket>>,
}

/// A bucket of a group.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum BucketRef {
    Whole(u32),
    Unbound(u32),
    EventId(u32, Box<[u8]>),
}

impl RuleSet {
    /// Compiles rules. `aliases` are all alias tables that events may come with, so that the fields they read are wanted too; `extra`
    /// names further fields that parsers need, `read` fields that are read like those of rules, through aliases. Rules that cannot be compiled (a regular expression beyond the
    /// size limit, a condition that comes to too much) are left out and reported.
    #[must_use]
    pub fn compile(
        rules: Vec<Rule>,
        aliases: &[Arc<AliasTable>],
        extra: &[&str],
        read: &[&str],
    ) -> (Self, Vec<Diagnostic>) {
        let mut names: Vec<Box<str>> = Vec::new();
        let mut index: HashMap<Box<str>, Slot, ahash::RandomState> = HashMap::default();
        let mut slot = |name: &str| {
            *index.entry(name.into()).or_insert_with(|| {
                names.push(name.into());
                Slot(names.len() as u32 - 1)
            })
        };
        let event_id = slot(EVENT_ID);
        let mut interner = Interner::default();
        let (mut kept, mut exprs, mut fields) = (Vec::new(), Vec::new(), Vec::new());
        let mut diagnostics = Vec::new();
        for rule in rules {
            let mut named = Vec::new();
            let mut slot = |name: &str| {
                let slot = slot(name);
                named.push(slot);
                slot
            };
            let expr = match lower(&rule, &mut interner, &mut slot) {
                Ok(expr) => expr,
                Err(span) => {
                    diagnostics.push(too_large(&rule, span));
                    continue;
                }
            };
            if let Some(diagnostic) = check_regexes(&rule) {
                diagnostics.push(diagnostic);
                continue;
            }
            exprs.push(expr);
            fields.push(named);
            kept.push(Arc::new(rule));
        }
        let everywhere: Vec<Slot> = read.iter().map(|name| slot(name)).chain([event_id]).collect();
        let predicates = interner.finish();
        let mut groups: BTreeMap<LogSource, Group> = BTreeMap::new();
        for (number, (rule, expr)) in kept.iter().zip(&exprs).enumerate() {
            let number = number as u32;
            let group = groups.entry(rule.logsource.clone()).or_insert_with(|| Group {
                log_source: rule.logsource.clone(),
                rules: Vec::new(),
                by_event_id: HashMap::default(),
                unbound: (Vec::new(), OnceLock::new()),
                whole: OnceLock::new(),
            });
            group.rules.push(number);
            match bound_values(expr, event_id, &predicates) {
                Some(values) => {
                    for value in values {
                        group.by_event_id.entry(value).or_default().0.push(number);
                    }
                }
                None => group.unbound.0.push(number),
            }
        }
        let readers = groups.values().map(|group| {
            let named = group.rules.iter().flat_map(|rule| &fields[*rule as usize]);
            let mut fields: Vec<Slot> = named.chain(&everywhere).copied().collect();
            fields.sort_unstable();
            fields.dedup();
            Reader { log_source: group.log_source.clone(), fields }
        });
        // The names of rules come first in it, in their order.
        let table = Arc::new(field_table(&names, aliases, extra).for_readers(readers));
        let oracles = kept.iter().map(|_| OnceLock::new()).collect();
        let groups = groups.into_values().collect();
        let keywords = Mutex::default();
        let ruleset =
            Self { rules: kept, exprs, predicates, groups, keywords, oracles, table, event_id };
        (ruleset, diagnostics)
    }

    /// The rules, by the index that [`crate::Matcher::matches`] reports.
    #[must_use]
    pub fn rules(&self) -> &[Arc<Rule>] {
        &self.rules
    }

    /// The fields that parsers should fill.
    #[must_use]
    pub fn field_table(&self) -> &Arc<FieldTable> {
        &self.table
    }

    /// The indices of the rules that see events of this route.
    #[must_use]
    pub fn rules_for(&self, route: &Route) -> Vec<u32> {
        let mut seen: Vec<u32> =
            self.groups_for(route).flat_map(|(_, group)| group.rules.iter().copied()).collect();
        seen.sort_unstable();
        seen
    }

    /// The plain evaluator of a rule. `None` cannot happen for rules that compiled.
    #[must_use]
    pub fn oracle(&self, rule: u32) -> Option<&Oracle> {
        self.oracles[rule as usize]
            .get_or_init(|| Oracle::new(&self.rules[rule as usize]).ok())
            .as_ref()
    }

    fn groups_for(&self, route: &Route) -> impl Iterator<Item = (u32, &Group)> {
        (0u32..).zip(&self.groups).filter(|(_, group)| sees(&group.log_source, route))
    }

    /// The field whose value splits routes.
    pub(crate) fn event_id(&self) -> Slot {
        self.event_id
    }

    /// Compiles the buckets now that events would compile when they first need them, except those for events whose EventID is not
    /// known: a service would rather start a moment later than meet its first events slower.
    pub fn warm(&self) {
        for (index, group) in (0u32..).zip(&self.groups) {
            if !group.unbound.0.is_empty() {
                self.bucket(&BucketRef::Unbound(index));
            }
            let mut values: Vec<&Box<[u8]>> = group.by_event_id.keys().collect();
            values.sort_unstable();
            for value in values {
                self.bucket(&BucketRef::EventId(index, value.clone()));
            }
        }
    }

    /// The buckets that see events of this route, of those with an EventID if they have this one.
    pub(crate) fn buckets_for(&self, route: &Route, event_id: Option<&str>) -> Vec<BucketRef> {
        let mut out = Vec::new();
        for (index, group) in self.groups_for(route) {
            let Some(event_id) = event_id else {
                out.push(if group.by_event_id.is_empty() {
                    BucketRef::Unbound(index)
                } else {
                    BucketRef::Whole(index)
                });
                continue;
            };
            let value = crate::compile::predicate::folded(event_id);
            if group.by_event_id.contains_key(&value) {
                out.push(BucketRef::EventId(index, value));
            }
            if !group.unbound.0.is_empty() {
                out.push(BucketRef::Unbound(index));
            }
        }
        out
    }

    /// The keywords of a list of buckets: most classes of events, in all threads, have them in common.
    pub(crate) fn keywords(&self, buckets: Vec<BucketRef>) -> Arc<Keywords> {
        // Made with the lock held, so that threads that need the same do not make it each.
        let mut known = self.keywords.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(keywords) = known.get(&buckets) {
            return Arc::clone(keywords);
        }
        if known.len() >= MOST_KEYWORDS {
            known.clear();
        }
        let made = buckets.iter().map(|bucket| &**self.bucket(bucket));
        let made = Arc::new(Keywords::new(made));
        known.insert(buckets, Arc::clone(&made));
        made
    }

    /// A bucket, compiled now if it was not yet.
    pub(crate) fn bucket(&self, bucket: &BucketRef) -> &Arc<Bucket> {
        static EMPTY: OnceLock<Arc<Bucket>> = OnceLock::new();
        let compile = |rules: &[u32], event_id: Option<&[u8]>| {
            let rules: Vec<(u32, &Expr)> =
                rules.iter().map(|rule| (*rule, &self.exprs[*rule as usize])).collect();
            let event_id = event_id.map(|value| (self.event_id, value));
            Arc::new(Bucket::new(&rules, event_id, &self.predicates))
        };
        match bucket {
            BucketRef::Whole(group) => {
                let group = &self.groups[*group as usize];
                group.whole.get_or_init(|| compile(&group.rules, None))
            }
            BucketRef::Unbound(group) => {
                let group = &self.groups[*group as usize];
                group.unbound.1.get_or_init(|| compile(&group.unbound.0, None))
            }
            BucketRef::EventId(group, value) => {
                match self.groups[*group as usize].by_event_id.get(value) {
                    Some((rules, bucket)) => bucket.get_or_init(|| compile(rules, Some(value))),
                    None => EMPTY.get_or_init(|| compile(&[], None)),
                }
            }
        }
    }
}

/// The names of rule fields first (so that their slots are the ones predicates carry), then what their aliases read.
fn field_table(names: &[Box<str>], aliases: &[Arc<AliasTable>], extra: &[&str]) -> FieldTable {
    let wanted: std::collections::HashSet<&str> = names.iter().map(|name| &**name).collect();
    let mut all: Vec<&str> = names.iter().map(|name| &**name).collect();
    for table in aliases {
        for alias in table.iter().filter(|alias| wanted.contains(&*alias.name)) {
            for source in alias.sources.iter() {
                all.extend(source.fields());
            }
        }
    }
    all.extend(extra);
    FieldTable::new(all)
}

/// A condition that names so many selections so often that it would never be compiled.
fn too_large(rule: &Rule, span: Span) -> Diagnostic {
    let message = "the condition names its selections too often";
    let mut diagnostic = Diagnostic::error(condition::TOO_LARGE, span, message)
        .with_help("say what its parts have in common once, or split the rule");
    diagnostic.source = Arc::clone(&rule.metadata.source);
    diagnostic
}

/// Compiles the rule's regular expressions, so that one beyond the size limit refuses the rule at load.
fn check_regexes(rule: &Rule) -> Option<Diagnostic> {
    use sigmund_sigma::rule::{Item, Search};
    use sigmund_sigma::value::Matcher;
    fn items<'a>(search: &'a Search, out: &mut Vec<&'a Item>) {
        match search {
            Search::All(all) => out.extend(all),
            Search::Any(parts) => parts.iter().for_each(|part| items(part, out)),
        }
    }
    let mut all = Vec::new();
    rule.selections.iter().for_each(|selection| items(&selection.search, &mut all));
    for item in all {
        for matcher in &item.matchers {
            let Matcher::Regex(regex) = matcher else { continue };
            if let Err(error) = expression::compile(regex) {
                let mut diagnostic = Diagnostic::error(
                    "bad-regex",
                    item.span,
                    format!("regular expression does not compile: {error}"),
                );
                diagnostic.source = Arc::clone(&rule.metadata.source);
                return Some(diagnostic);
            }
        }
    }
    None
}

/// What the predicates of a rule set are made of, for reports.
impl RuleSet {
    /// How many distinct predicates there are, and how many of them are regular expressions.
    #[must_use]
    pub fn predicate_counts(&self) -> (usize, usize) {
        let regexes = (0..self.predicates.len() as u32)
            .filter(|id| matches!(self.predicates.get(*id).test, Test::Regex(_)))
            .count();
        (self.predicates.len(), regexes)
    }
}
