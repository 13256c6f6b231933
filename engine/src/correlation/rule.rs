//! Correlation rules, compiled: references resolved, fields numbered, inner correlations before outer ones.

use super::condition::{Bounds, Decided, Sequence, decided, sequences};
use super::number::Fixed;
use super::passage::Names;
use super::semantic::{self, SemanticHash};
use super::share::{self, Tie};
use super::sighting::{EventRef, Sighting, first_text};
use crate::oracle::Lookup;
use ahash::AHashMap;
use sigmund_sigma::correlation::CorrelationType;
use sigmund_sigma::{Correlation, Diagnostic, Rule};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Compiled correlations. Immutable, shared.
#[derive(Debug)]
pub struct Correlations {
    pub(crate) nodes: Vec<Node>,
    /// By index of the rule: the correlations it feeds.
    inputs: Vec<Vec<Input>>,
    /// By index of the rule: the fields that correlations read of its events.
    wanted: Vec<Vec<u32>>,
    fields: Vec<Box<str>>,
    hashes: Vec<SemanticHash>,
    /// By correlation and reference: the fields that are read of a hit there, by outer correlations too.
    read: Vec<Vec<Vec<u32>>>,
    /// By correlation: what decides whose its groups are.
    ties: Vec<Tie>,
    /// What rules and fields are called where sets differ.
    pub(super) names: Names,
}

/// One compiled correlation.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) rule: Arc<Correlation>,
    pub(crate) hash: SemanticHash,
    pub(crate) references: Vec<Reference>,
    /// The names that `group-by` gives, as fields: an outer correlation finds the group's values under them.
    pub(crate) group: Vec<u32>,
    pub(crate) bounds: Bounds,
    pub(crate) decided: Decided,
    /// Of `temporal_ordered`.
    pub(crate) sequences: Vec<Sequence>,
    pub(crate) percentile: Fixed,
    /// The correlations it feeds.
    pub(crate) outer: Vec<Input>,
    /// Whether its alerts go out; otherwise only outer correlations see them.
    pub(crate) reports: bool,
    /// Whether all that it refers to are detection rules.
    pub(crate) of_rules: bool,
}

/// What a reference of a correlation reads.
#[derive(Debug)]
pub(crate) struct Reference {
    /// One field for each name of `group-by`: aliases resolved.
    pub(crate) group: Vec<u32>,
    /// The value fields.
    pub(crate) values: Vec<u32>,
}

/// A place in a correlation's `rules`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Input {
    pub(crate) node: u32,
    pub(crate) reference: u32,
}

/// What a reference leads to.
#[derive(PartialEq, Eq, Hash)]
enum Target {
    Rules(Vec<u32>),
    Correlation(usize),
}

/// `temporal` counts different rules: one that is referred to twice, by its name and its id, is one.
/// The correlation without what comes again, and the places of what is left; `None` if nothing comes again.
fn merged(correlation: &Correlation, targets: &[Target]) -> Option<(Correlation, Vec<usize>)> {
    if correlation.kind != CorrelationType::Temporal {
        return None;
    }
    let mut kept: Vec<usize> = Vec::new();
    let mut known: AHashMap<&Target, usize> = AHashMap::new();
    let mut place = Vec::with_capacity(targets.len());
    for (at, target) in targets.iter().enumerate() {
        place.push(*known.entry(target).or_insert_with(|| {
            kept.push(at);
            kept.len() - 1
        }));
    }
    if kept.len() == targets.len() {
        return None;
    }
    let mut merged = correlation.clone();
    merged.rules = kept.iter().map(|at| correlation.rules[*at].clone()).collect();
    let condition = merged.temporal_condition.take();
    merged.temporal_condition = condition.map(|condition| condition.map_rules(&|at| place[at]));
    Some((merged, kept))
}

impl Correlations {
    /// Compiles correlations over the rules of a rule set, in its order. `wanted` says which of them should report; those that
    /// they use are compiled too. A correlation one of whose rules is not there is left out and reported.
    #[must_use]
    pub fn compile(
        correlations: &[Correlation],
        rules: &[Arc<Rule>],
        wanted: &dyn Fn(&Correlation) -> bool,
    ) -> (Self, Vec<Diagnostic>) {
        let mut diagnostics = Vec::new();
        let mut rule_names: AHashMap<&str, Vec<u32>> = AHashMap::new();
        for (at, rule) in (0u32..).zip(rules) {
            for name in rule.metadata.id.iter().chain(&rule.metadata.name) {
                let known = rule_names.entry(name).or_default();
                if known.last() != Some(&at) {
                    known.push(at);
                }
            }
        }
        let names = correlation_names(correlations);
        let target = |name: &str| match rule_names.get(name) {
            Some(rules) => Some(Target::Rules(rules.clone())),
            None => names.get(name).copied().map(Target::Correlation),
        };
        // In the order of dependence, those that cannot be executed left out.
        let used = needed(correlations, &names, wanted);
        let mut place: Vec<Option<u32>> = vec![None; correlations.len()];
        let mut set = Self {
            nodes: Vec::new(),
            inputs: vec![Vec::new(); rules.len()],
            wanted: vec![Vec::new(); rules.len()],
            fields: Vec::new(),
            hashes: vec![[0; 16]; rules.len()],
            read: Vec::new(),
            ties: Vec::new(),
            names: Names::default(),
        };
        let mut fields: AHashMap<Box<str>, u32> = AHashMap::new();
        for at in inner_first(correlations, &names) {
            if !used[at] {
                continue;
            }
            let correlation = &correlations[at];
            let targets: Option<Vec<Target>> = correlation
                .rules
                .iter()
                .map(|reference| {
                    target(&reference.name).filter(|target| match target {
                        Target::Rules(_) => true,
                        Target::Correlation(inner) => place[*inner].is_some(),
                    })
                })
                .collect();
            let Some(mut targets) = targets else {
                let message =
                    format!("a rule of correlation `{}` did not load", correlation.metadata.title);
                diagnostics.push(refused(correlation, message, "mend the errors of that rule"));
                continue;
            };
            let merged = merged(correlation, &targets);
            if let Some((_, kept)) = &merged {
                let mut places = 0..;
                targets.retain(|_| places.next().is_some_and(|at| kept.binary_search(&at).is_ok()));
            }
            let of_different = merged.as_ref().map_or(correlation, |(merged, _)| merged);
            match set.node(of_different, &targets, &place, rules, &mut fields) {
                Ok(mut node) => {
                    node.reports = wanted(correlation);
                    place[at] = Some(set.nodes.len() as u32);
                    set.connect(&targets, &place);
                    set.nodes.push(node);
                }
                Err(diagnostic) => diagnostics.push(*diagnostic),
            }
        }
        for (at, correlation) in correlations.iter().enumerate() {
            // One that is not wanted silences as if it were.
            if correlation.generate || (used[at] && place[at].is_none()) {
                continue;
            }
            for reference in &correlation.rules {
                let inner = names.get(reference.name.as_str()).and_then(|inner| place[*inner]);
                if let Some(inner) = inner.filter(|_| !rule_names.contains_key(&*reference.name)) {
                    set.nodes[inner as usize].reports = false;
                }
            }
        }
        set.collect_wanted();
        let mut named: Vec<(Box<str>, u32)> = fields.into_iter().collect();
        named.sort_unstable_by_key(|(_, at)| *at);
        set.fields = named.into_iter().map(|(name, _)| name).collect();
        for (at, rule) in rules.iter().enumerate().filter(|(at, _)| !set.inputs[*at].is_empty()) {
            set.hashes[at] = semantic::of_rule(rule);
        }
        set.ties = share::ties(&set.nodes);
        set.names = Names::new(&set);
        (set, diagnostics)
    }

    fn node(
        &self,
        correlation: &Correlation,
        targets: &[Target],
        place: &[Option<u32>],
        rules: &[Arc<Rule>],
        fields: &mut AHashMap<Box<str>, u32>,
    ) -> Result<Node, Box<Diagnostic>> {
        let mut field = |name: &str| {
            let next = fields.len() as u32;
            *fields.entry(name.into()).or_insert(next)
        };
        let bounds = Bounds::new(&correlation.conditions);
        let condition = correlation.temporal_condition.as_ref();
        let ways = if correlation.kind == CorrelationType::TemporalOrdered {
            sequences(condition, correlation.rules.len()).ok_or_else(|| {
                let message =
                    "the condition can be satisfied in too many ways to look for an order";
                let help = "split it into several correlations";
                Box::new(refused(correlation, message.to_owned(), help))
            })?
        } else {
            Vec::new()
        };
        let names_of = |reference: usize| -> Vec<&str> {
            let written = correlation.rules[reference].name.as_str();
            let metadata = match &targets[reference] {
                Target::Rules(list) => list.first().map(|rule| &rules[*rule as usize].metadata),
                Target::Correlation(inner) => {
                    place[*inner].map(|inner| &self.nodes[inner as usize].rule.metadata)
                }
            };
            let own =
                metadata.into_iter().flat_map(|metadata| metadata.id.iter().chain(&metadata.name));
            std::iter::once(written).chain(own.map(String::as_str)).collect()
        };
        // A rule that an alias does not list has the field under the alias's own name.
        let resolve = |reference: usize, name: &str| -> Box<str> {
            let names = names_of(reference);
            let alias = correlation.aliases.iter().find(|(alias, _)| alias == name);
            let mapped = alias
                .and_then(|(_, list)| list.iter().find(|(rule, _)| names.contains(&rule.as_str())));
            mapped.map_or(name, |(_, field)| field).into()
        };
        let group_fields: Vec<Vec<Box<str>>> = (0..targets.len())
            .map(|at| correlation.group_by.iter().map(|name| resolve(at, name)).collect())
            .collect();
        let hashes: Vec<SemanticHash> = targets
            .iter()
            .map(|target| match target {
                Target::Rules(list) => {
                    let hashes = list.iter().map(|rule| semantic::of_rule(&rules[*rule as usize]));
                    semantic::of_rules(&hashes.collect::<Vec<_>>())
                }
                Target::Correlation(inner) => {
                    place[*inner].map_or([0; 16], |inner| self.nodes[inner as usize].hash)
                }
            })
            .collect();
        let value_fields: Vec<Vec<Box<str>>> = (0..targets.len())
            .map(|at| correlation.fields.iter().map(|name| resolve(at, name)).collect())
            .collect();
        let hash = semantic::of_correlation(correlation, &hashes, &group_fields, &value_fields);
        let references = group_fields
            .iter()
            .zip(&value_fields)
            .map(|(group, values)| Reference {
                group: group.iter().map(|name| field(name)).collect(),
                values: values.iter().map(|name| field(name)).collect(),
            })
            .collect();
        let decided = decided(correlation, &bounds);
        Ok(Node {
            hash,
            references,
            group: correlation.group_by.iter().map(|name| field(name)).collect(),
            decided,
            sequences: ways,
            percentile: correlation
                .percentile
                .as_deref()
                .and_then(Fixed::parse)
                .unwrap_or(Fixed::whole(50)),
            bounds,
            outer: Vec::new(),
            reports: true,
            of_rules: targets.iter().all(|target| matches!(target, Target::Rules(_))),
            rule: Arc::new(correlation.clone()),
        })
    }

    /// Tells the targets of the node that comes next that they feed it.
    fn connect(&mut self, targets: &[Target], place: &[Option<u32>]) {
        let node = self.nodes.len() as u32;
        for (reference, target) in (0u32..).zip(targets) {
            let input = Input { node, reference };
            match target {
                Target::Rules(list) => {
                    list.iter().for_each(|rule| self.inputs[*rule as usize].push(input));
                }
                Target::Correlation(inner) => {
                    if let Some(inner) = place[*inner] {
                        self.nodes[inner as usize].outer.push(input);
                    }
                }
            }
        }
    }

    fn collect_wanted(&mut self) {
        // What each correlation and those above it read.
        let mut above: Vec<Vec<Vec<u32>>> = vec![Vec::new(); self.nodes.len()];
        for at in (0..self.nodes.len()).rev() {
            let node = &self.nodes[at];
            let outer: Vec<u32> = node
                .outer
                .iter()
                .flat_map(|input| above[input.node as usize][input.reference as usize].clone())
                .collect();
            above[at] = node
                .references
                .iter()
                .map(|reference| {
                    let own = reference.group.iter().chain(&reference.values);
                    let mut all: Vec<u32> = own.chain(&outer).copied().collect();
                    all.sort_unstable();
                    all.dedup();
                    all
                })
                .collect();
        }
        for (rule, inputs) in self.inputs.iter().enumerate() {
            let mut all: Vec<u32> = inputs
                .iter()
                .flat_map(|input| above[input.node as usize][input.reference as usize].clone())
                .collect();
            all.sort_unstable();
            all.dedup();
            self.wanted[rule] = all;
        }
        self.read = above;
    }

    /// The correlations, by the index that alerts carry.
    pub fn rules(&self) -> impl ExactSizeIterator<Item = &Arc<Correlation>> {
        self.nodes.iter().map(|node| &node.rule)
    }

    /// Whether the alerts of a correlation go out.
    #[must_use]
    pub fn reports(&self, correlation: u32) -> bool {
        self.nodes[correlation as usize].reports
    }

    /// When its condition is decided.
    #[must_use]
    pub fn decided(&self, correlation: u32) -> Decided {
        self.nodes[correlation as usize].decided
    }

    /// What it means, as a hash: the key of its state.
    #[must_use]
    pub fn hash(&self, correlation: u32) -> &SemanticHash {
        &self.nodes[correlation as usize].hash
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Whether correlations use a rule.
    #[must_use]
    pub fn uses(&self, rule: u32) -> bool {
        self.inputs.get(rule as usize).is_some_and(|inputs| !inputs.is_empty())
    }

    /// What the correlations mean that hear of hits of a rule, directly or through others.
    #[must_use]
    pub fn over(&self, rule: u32) -> BTreeSet<SemanticHash> {
        let mut seen = BTreeSet::new();
        let mut pending: Vec<u32> = self.inputs(rule).iter().map(|input| input.node).collect();
        while let Some(at) = pending.pop() {
            if seen.insert(at) {
                pending.extend(self.nodes[at as usize].outer.iter().map(|input| input.node));
            }
        }
        seen.into_iter().map(|at| self.nodes[at as usize].hash).collect()
    }

    /// All fields that correlations read, by the index that sightings carry.
    #[must_use]
    pub fn fields(&self) -> &[Box<str>] {
        &self.fields
    }

    /// The fields that correlations read of the events that a rule matches.
    pub fn fields_of(&self, rule: u32) -> impl Iterator<Item = &str> {
        let fields = self.wanted.get(rule as usize).into_iter().flatten();
        fields.map(|field| &*self.fields[*field as usize])
    }

    /// What the rules mean that correlations use, by index.
    pub(crate) fn rule_hashes(&self) -> &[SemanticHash] {
        &self.hashes
    }

    /// The fields that correlations read of the events that a rule matches, ascending.
    pub(crate) fn wanted(&self, rule: u32) -> &[u32] {
        self.wanted.get(rule as usize).map_or(&[], Vec::as_slice)
    }

    /// The fields that are read of a hit of a reference, ascending.
    pub(crate) fn read_by(&self, input: Input) -> &[u32] {
        &self.read[input.node as usize][input.reference as usize]
    }

    pub(crate) fn ties(&self) -> &[Tie] {
        &self.ties
    }

    pub(crate) fn inputs(&self, rule: u32) -> &[Input] {
        self.inputs.get(rule as usize).map_or(&[], Vec::as_slice)
    }

    /// Reduces an event to what correlations need of it; `None` if they use none of the rules that matched.
    #[must_use]
    pub fn sighting(
        &self,
        rules: &[u32],
        lookup: &Lookup<'_>,
        time: i64,
        event: EventRef,
    ) -> Option<Sighting> {
        let read = |field: u32| first_text(lookup, &self.fields[field as usize]);
        self.sighting_with(rules, time, event, read)
    }

    /// The same with another way to read the value of a field, given by its index in [`fields`](Self::fields): its first text.
    pub fn sighting_with(
        &self,
        rules: &[u32],
        time: i64,
        event: EventRef,
        mut read: impl FnMut(u32) -> Option<Box<str>>,
    ) -> Option<Sighting> {
        let rules: Box<[u32]> = rules.iter().copied().filter(|rule| self.uses(*rule)).collect();
        let mut value = |field: u32| Some((field, read(field)?));
        let values = match &*rules {
            [] => return None,
            [rule] => {
                self.wanted[*rule as usize].iter().filter_map(|field| value(*field)).collect()
            }
            rules => {
                let wanted = rules.iter().flat_map(|rule| &self.wanted[*rule as usize]);
                let mut wanted: Vec<u32> = wanted.copied().collect();
                wanted.sort_unstable();
                wanted.dedup();
                wanted.into_iter().filter_map(value).collect()
            }
        };
        Some(Sighting { time, event, rules, values })
    }

    /// Every field that these correlations may read, in no order and some twice: parsers must be asked for them.
    #[must_use]
    pub fn field_names(correlations: &[Correlation]) -> Vec<&str> {
        correlations
            .iter()
            .flat_map(|correlation| {
                let own = correlation.group_by.iter().chain(&correlation.fields);
                own.chain(aliased_fields(correlation))
            })
            .map(String::as_str)
            .collect()
    }
}

fn aliased_fields(correlation: &Correlation) -> impl Iterator<Item = &String> {
    correlation.aliases.iter().flat_map(|(_, fields)| fields).map(|(_, field)| field)
}

/// The ids and names of correlations; the first one counts.
fn correlation_names(correlations: &[Correlation]) -> AHashMap<&str, usize> {
    let mut names = AHashMap::new();
    for (at, correlation) in correlations.iter().enumerate() {
        for name in correlation.metadata.id.iter().chain(&correlation.metadata.name) {
            names.entry(name.as_str()).or_insert(at);
        }
    }
    names
}

/// The wanted ones and those that they use.
fn needed(
    correlations: &[Correlation],
    names: &AHashMap<&str, usize>,
    wanted: &dyn Fn(&Correlation) -> bool,
) -> Vec<bool> {
    let mut needed: Vec<bool> = correlations.iter().map(wanted).collect();
    let mut pending: Vec<usize> = (0..needed.len()).filter(|at| needed[*at]).collect();
    while let Some(at) = pending.pop() {
        for reference in &correlations[at].rules {
            if let Some(&inner) = names.get(reference.name.as_str())
                && !std::mem::replace(&mut needed[inner], true)
            {
                pending.push(inner);
            }
        }
    }
    needed
}

/// The ids and names of the rules that wanted correlations use, directly or through others: those must be matched although they are silent.
#[must_use]
pub fn used_rules<'c>(
    correlations: &'c [Correlation],
    wanted: &dyn Fn(&Correlation) -> bool,
) -> ahash::AHashSet<&'c str> {
    let names = correlation_names(correlations);
    let needed = needed(correlations, &names, wanted);
    correlations
        .iter()
        .zip(needed)
        .filter(|(_, needed)| *needed)
        .flat_map(|(correlation, _)| correlation.rules.iter().map(|rule| rule.name.as_str()))
        .collect()
}

/// The indices of correlations so that each comes after those it refers to. The loader lets no cycles through; what would be
/// in one is left out.
fn inner_first(correlations: &[Correlation], names: &AHashMap<&str, usize>) -> Vec<usize> {
    let mut waits: Vec<usize> = vec![0; correlations.len()];
    let mut users: Vec<Vec<usize>> = vec![Vec::new(); correlations.len()];
    for (at, correlation) in correlations.iter().enumerate() {
        for reference in &correlation.rules {
            if let Some(&inner) = names.get(reference.name.as_str()) {
                users[inner].push(at);
                waits[at] += 1;
            }
        }
    }
    let mut order: Vec<usize> = (0..waits.len()).filter(|at| waits[*at] == 0).collect();
    let mut next = 0;
    while let Some(&at) = order.get(next) {
        next += 1;
        for &user in &users[at] {
            waits[user] -= 1;
            if waits[user] == 0 {
                order.push(user);
            }
        }
    }
    order
}

fn refused(correlation: &Correlation, message: String, help: &str) -> Diagnostic {
    let span = correlation.rules.first().map_or(correlation.metadata.span, |rule| rule.span);
    let mut diagnostic = Diagnostic::error("unresolved-reference", span, message).with_help(help);
    diagnostic.source = Arc::clone(&correlation.metadata.source);
    diagnostic
}
