//! Matching: an event against all rules that see it.
//!
//! The route names the buckets. Each bucket has triggers on a few fields: the field's value is looked up in the memory of
//! verdicts, or else searched for the literals of the triggers; what is pulled is decided for this field alone, and what
//! remains are candidates, usually none or one. Only their conditions are evaluated, each predicate at most once per
//! event. Rules with keywords are handed to the plain evaluator once a literal of theirs is seen in the record.
//! Buffers are reused; nothing is allocated per event once they have grown.

mod class;
mod memo;
mod plan;
#[cfg(test)]
mod tests;
mod values;

use crate::compile::bucket::{Bucket, FieldTriggers};
use crate::compile::keywords::Keywords;
use crate::compile::predicate::Test;
use crate::fold::folds_to_ascii;
use crate::ruleset::BucketRef;
use crate::{Body, Event, Kind, Record, Route, RuleSet, Slot, tests_on_text};
use class::{Class, Computed};
use memo::{Memo, Recall};
use plan::{Asked, Origin, Plan, Plans, origin};
use std::collections::HashMap;
use std::sync::Arc;
use values::{Shape, Values, View};

/// Tells places in the memory that are regular expressions from fields of buckets.
const EXPRESSION: u64 = 1 << 63;
/// Tells what one of several values pulls by its literals from what an only value pulls for good.
const ONE_OF_SEVERAL: u64 = 1 << 62;
/// Tells what a field pulls by what it is computed from.
const COMPUTED: u64 = 1 << 61;
/// To compute something of longer values takes less than to remember what came of it.
const LONGEST_OF: usize = 128;
/// The length of what is remembered is written in one byte.
const _: () = assert!(LONGEST_OF <= u8::MAX as usize);
/// A rule of a bucket is known by its number there, of so many bits, with that of the bucket before it.
const RULE_BITS: u32 = 20;
/// A field that a computed one is made of is absent.
const ABSENT: u8 = u8::MAX;

/// Looking for so many literals takes less than running the regular expression that requires one of them.
const FEW_REQUIRED: usize = 4;

/// Matches events against one [`RuleSet`]. Each thread has its own.
pub struct Matcher {
    ruleset: Arc<RuleSet>,
    /// By route id.
    classes: Vec<Option<Box<Class>>>,
    /// The same without regard to EventIDs, for events that do not have the one of their route.
    unsplit: HashMap<u32, Box<Class>, ahash::RandomState>,
    /// That of the last route that was not interned.
    transient: Option<(Arc<Route>, Box<Class>)>,
    /// Numbers of the buckets in use, so that routes that share a bucket share its memory of verdicts.
    numbers: HashMap<BucketRef, u32, ahash::RandomState>,
    plans: Plans,
    /// The last event, if keywords needed all of it.
    event: Option<Event>,
    state: State,
}

/// Everything that changes from event to event.
struct State {
    generation: u32,
    values: Values,
    /// By rule: the generation in which it became a candidate.
    seen: Vec<u32>,
    /// (bucket, rule in the bucket)
    candidates: Vec<(u32, u32)>,
    /// By predicate: generation and verdict.
    decided: Vec<u32>,
    pulled: Vec<u32>,
    /// The text that keywords were searched in, decoded and folded.
    keyword_text: (Vec<u8>, String),
    /// By trigger of the field at hand: the round in which it was pulled.
    trigger_round: Vec<u32>,
    round: u32,
    memo: Memo,
    /// What a field is computed from, and the rules that it pulls.
    made_of: Vec<u8>,
    gathered: Vec<u32>,
    /// Whether what regular expressions say is remembered, too.
    remembers_expressions: bool,
    /// Interned lists of rules that values pull, or of their places in buckets; 0 is the empty list.
    results: Vec<Box<[u32]>>,
    results_index: HashMap<Box<[u32]>, u32, ahash::RandomState>,
    /// Counters, for reports and benches.
    stats: Stats,
}

/// What matching has cost so far, in counts.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stats {
    /// Events seen.
    pub events: u64,
    /// Field values looked at for triggers.
    pub values: u64,
    /// Of these, values whose verdict was remembered.
    pub remembered: u64,
    /// Rules evaluated.
    pub candidates: u64,
    /// Whole events built for the plain evaluator.
    pub whole_events: u64,
    /// Rules that matched.
    pub matches: u64,
}

impl Matcher {
    /// A matcher with empty memories.
    #[must_use]
    pub fn new(ruleset: Arc<RuleSet>) -> Self {
        let state = State {
            generation: 0,
            values: Values::new(ruleset.field_table().len()),
            seen: vec![0; ruleset.rules().len()],
            candidates: Vec::new(),
            decided: vec![0; ruleset.predicates.len()],
            pulled: Vec::new(),
            keyword_text: Default::default(),
            trigger_round: Vec::new(),
            round: 0,
            memo: Memo::default(),
            made_of: Vec::new(),
            gathered: Vec::new(),
            remembers_expressions: true,
            results: vec![Box::default()],
            results_index: HashMap::default(),
            stats: Stats::default(),
        };
        Self {
            ruleset,
            classes: Vec::new(),
            unsplit: HashMap::default(),
            transient: None,
            numbers: HashMap::default(),
            plans: Plans::default(),
            event: None,
            state,
        }
    }

    /// The rules.
    #[must_use]
    pub fn ruleset(&self) -> &Arc<RuleSet> {
        &self.ruleset
    }

    /// Counters.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.state.stats
    }

    /// The whole of the last event, if [`matches`](Self::matches) had to ask for it.
    pub fn take_event(&mut self) -> Option<Event> {
        self.event.take()
    }

    /// The first text of a field of the record that [`matches`](Self::matches) was just called with, through the aliases of its
    /// route; `None` if the field is missing, null or has no scalar.
    pub fn first_text(&mut self, bytes: &[u8], record: &Record, field: Slot) -> Option<&str> {
        let route = record.route.as_ref()?;
        // All classes of a route have the same aliases.
        let class = if route.id == Route::TRANSIENT {
            self.transient.as_ref().map(|(_, class)| class)
        } else {
            self.classes.get(route.id as usize)?.as_ref()
        };
        let view = View { bytes, fields: &record.fields, class: class?, is_written: false };
        let value = match self.state.values.shape(view, field) {
            Shape::One(value) => value,
            Shape::Many { start, end, .. } if start < end => start,
            _ => return None,
        };
        std::str::from_utf8(self.state.values.text(view, value)).ok()
    }

    /// Finds the rules that match: their indices in [`RuleSet::rules`], ascending, in `out` (which is
    /// cleared). `bytes` are the record's bytes that `record` was filled from; `whole` builds the
    /// whole event, asked for only when keywords need it.
    pub fn matches(
        &mut self,
        bytes: &[u8],
        record: &Record,
        whole: &mut dyn FnMut() -> Event,
        out: &mut Vec<u32>,
    ) {
        out.clear();
        self.event = None;
        let state = &mut self.state;
        state.stats.events += 1;
        let Some(route) = &record.route else { return };
        let numbers = &mut self.numbers;
        let mut class = if route.id == Route::TRANSIENT {
            let kept = self.transient.take().filter(|(kept, _)| Arc::ptr_eq(kept, route));
            let (_, class) = self.transient.insert(kept.unwrap_or_else(|| {
                (
                    Arc::clone(route),
                    Box::new(Class::new(&self.ruleset, route, false, None, numbers)),
                )
            }));
            &**class
        } else {
            let id = route.id as usize;
            if self.classes.len() <= id {
                self.classes.resize_with(id + 1, || None);
            }
            &**self.classes[id].get_or_insert_with(|| {
                let number = Some(2 * route.id);
                Box::new(Class::new(&self.ruleset, route, true, number, numbers))
            })
        };
        if class.buckets.is_empty() && class.event_id.is_none() {
            return;
        }
        state.begin();
        let is_written = record.body == Body::Json && !record.has_unicode_escapes;
        let mut view = View { bytes, fields: &record.fields, class, is_written };
        if let Some(event_id) = &class.event_id
            && !state.is_only_value(view, self.ruleset.event_id(), event_id)
        {
            // A route is made of a field's first value: there may be others, or it may be written in another way (`04688`).
            let numbers = &mut self.numbers;
            let number = (route.id != Route::TRANSIENT).then(|| 2 * route.id + 1);
            class = self.unsplit.entry(route.id).or_insert_with(|| {
                Box::new(Class::new(&self.ruleset, route, false, number, numbers))
            });
            view.class = class;
        }
        if class.buckets.is_empty() {
            return;
        }
        let made;
        let plan = match (class.number, record.fields.order()) {
            (Some(class), Some(present)) if present.len() <= plan::LONGEST => {
                self.plans.find(class, present, || state.plan(&self.ruleset, view))
            }
            _ => {
                made = state.plan(&self.ruleset, view);
                &made
            }
        };
        for (bucket, rule) in &plan.candidates {
            state.nominate(*bucket, *rule, &class.buckets[*bucket as usize]);
        }
        for asked in &plan.asked {
            let bucket = &class.buckets[asked.bucket as usize];
            let triggers = &bucket.fields[asked.place as usize];
            let shape = match asked.slot {
                Some(slot) => state.values.shape_of(view, triggers.field, slot),
                None => state.values.shape(view, triggers.field),
            };
            let at = (asked.bucket, asked.place);
            state.each_pulled(&self.ruleset, view, at, triggers, shape, &mut |state, rule| {
                state.nominate(at.0, rule, bucket);
            });
        }
        for computed in &plan.computed {
            state.pull(&self.ruleset, view, &class.computed[*computed as usize]);
        }
        if let Some((keywords, buckets)) = &class.keywords {
            state.scan_keywords(view, record, keywords, buckets);
        }
        let candidates = std::mem::take(&mut state.candidates);
        for (bucket, rule) in &candidates {
            let rule = &class.buckets[*bucket as usize].rules[*rule as usize];
            state.stats.candidates += 1;
            let mut matched =
                rule.program.run(|predicate| state.test(&self.ruleset, view, predicate));
            if matched && rule.has_keywords {
                let event = self.event.get_or_insert_with(|| {
                    state.stats.whole_events += 1;
                    whole()
                });
                matched =
                    self.ruleset.oracle(rule.rule).is_some_and(|oracle| oracle.matches(event));
            }
            if matched {
                state.stats.matches += 1;
                out.push(rule.rule);
            }
        }
        state.candidates = candidates;
        out.sort_unstable();
    }
}

impl State {
    fn begin(&mut self) {
        // Verdicts carry the generation shifted by one bit.
        if self.generation >= u32::MAX >> 1 {
            self.seen.fill(0);
            self.decided.fill(0);
            self.generation = 0;
        }
        self.generation += 1;
        self.values.clear();
        self.candidates.clear();
    }

    /// Whether the field has this folded value and no other.
    #[inline]
    fn is_only_value(&mut self, view: View<'_>, field: Slot, folded: &[u8]) -> bool {
        match self.values.shape(view, field) {
            Shape::One(value) => {
                self.values.key(view, value) == folded || self.values.folded(view, value) == folded
            }
            _ => false,
        }
    }

    #[inline]
    fn nominate(&mut self, bucket: u32, rule: u32, compiled: &Bucket) {
        let number = compiled.rules[rule as usize].rule as usize;
        if self.seen[number] != self.generation {
            self.seen[number] = self.generation;
            self.candidates.push((bucket, rule));
        }
    }

    /// What is asked of events of the class that have the same fields as this one.
    #[cold]
    fn plan(&mut self, ruleset: &RuleSet, view: View<'_>) -> Plan {
        let class = view.class;
        let (mut asked, mut computed, mut same) = (Vec::new(), Vec::new(), Vec::new());
        for ((index, bucket), native) in (0u32..).zip(&class.buckets).zip(&class.native) {
            for place in native {
                match origin(class, view.fields, bucket.fields[*place as usize].field) {
                    Origin::Nothing => same.push((index, *place)),
                    Origin::Slot(slot) => {
                        asked.push(Asked { bucket: index, place: *place, slot: Some(slot) });
                    }
                    Origin::Values => {
                        asked.push(Asked { bucket: index, place: *place, slot: None });
                    }
                }
            }
        }
        for (index, fields) in (0u32..).zip(&class.computed) {
            if fields.from.iter().chain(&fields.natives).any(|slot| view.fields.is_present(*slot)) {
                computed.push(index);
            } else {
                same.extend(&fields.fields);
            }
        }
        let always = |(index, bucket): (u32, &Arc<Bucket>)| {
            bucket.always.iter().map(|rule| (index, *rule)).collect::<Vec<_>>()
        };
        let mut candidates: Vec<_> = (0u32..).zip(&class.buckets).flat_map(always).collect();
        for at in same {
            let triggers = &class.buckets[at.0 as usize].fields[at.1 as usize];
            let shape = self.values.shape(view, triggers.field);
            self.each_pulled(ruleset, view, at, triggers, shape, &mut |_, rule| {
                candidates.push((at.0, rule));
            });
        }
        candidates.sort_unstable();
        candidates.dedup();
        Plan { candidates, asked, computed }
    }

    /// Nominates the rules whose triggers on these fields hold.
    fn pull(&mut self, ruleset: &RuleSet, view: View<'_>, computed: &Computed) {
        let buckets = &view.class.buckets;
        if !computed.natives.iter().any(|slot| view.fields.is_present(*slot))
            && let Some(result) = self.pulled_by(ruleset, view, computed)
        {
            self.each_in(result, &mut |state, place| {
                let (bucket, rule) = (place >> RULE_BITS, place & ((1 << RULE_BITS) - 1));
                state.nominate(bucket, rule, &buckets[bucket as usize]);
            });
            return;
        }
        for at in &computed.fields {
            let bucket = &buckets[at.0 as usize];
            let triggers = &bucket.fields[at.1 as usize];
            let shape = self.values.shape(view, triggers.field);
            self.each_pulled(ruleset, view, *at, triggers, shape, &mut |state, rule| {
                state.nominate(at.0, rule, bucket);
            });
        }
    }

    /// The list of places of rules that fields pull which are computed from the same slots, as an index into `results`. It depends on nothing
    /// but the values of those, so that with the same ones again nothing is computed. `None` if one of the slots has several values, or a long one.
    fn pulled_by(&mut self, ruleset: &RuleSet, view: View<'_>, computed: &Computed) -> Option<u32> {
        self.made_of.clear();
        for slot in &computed.from {
            let Some(value) = view.fields.first(*slot) else {
                self.made_of.push(ABSENT);
                continue;
            };
            if view.fields.next(value).is_some() {
                return None;
            }
            let bytes = view.fields.bytes(view.bytes, value);
            if bytes.len() > LONGEST_OF {
                return None;
            }
            self.made_of.extend_from_slice(&[value.kind as u8, bytes.len() as u8]);
            self.made_of.extend_from_slice(bytes);
        }
        let spot = match self.memo.recall(COMPUTED | computed.number, &self.made_of) {
            Recall::Known(result) => return Some(result),
            Recall::Unknown(spot) => spot?,
        };
        let mut gathered = std::mem::take(&mut self.gathered);
        gathered.clear();
        for at in &computed.fields {
            let triggers = &view.class.buckets[at.0 as usize].fields[at.1 as usize];
            let shape = self.values.shape(view, triggers.field);
            self.each_pulled(ruleset, view, *at, triggers, shape, &mut |_, rule| {
                gathered.push(at.0 << RULE_BITS | rule);
            });
        }
        let result = self.intern(&gathered);
        self.gathered = gathered;
        self.memo.put(Some(spot), &self.made_of, result);
        Some(result)
    }

    /// Gives the rules whose triggers on one field, which is of this shape, hold, some of them more than once.
    #[inline]
    fn each_pulled(
        &mut self,
        ruleset: &RuleSet,
        view: View<'_>,
        at: (u32, u32),
        triggers: &FieldTriggers,
        shape: Shape,
        each: &mut impl FnMut(&mut Self, u32),
    ) {
        let listed = match shape {
            Shape::Missing => &triggers.if_missing,
            Shape::Null => &triggers.if_null,
            Shape::Void => &triggers.if_void,
            Shape::One(value) => {
                let result = self.verdict(ruleset, view, at, triggers, value);
                self.each_in(result, each);
                return;
            }
            Shape::Many { start, end, .. } => {
                // Different values may satisfy different parts, so nothing is decided for one value alone.
                for value in start..end {
                    let result = self.one_of_several(view, at, triggers, value);
                    self.each_in(result, each);
                }
                for trigger in &triggers.always {
                    let rule = triggers.triggers[*trigger as usize].rule;
                    each(self, rule);
                }
                // What holds without a value may hold beside values too (`null` and `exists` look at the first source).
                &triggers.if_missing
            }
        };
        for rule in listed {
            each(self, *rule);
        }
        if let Shape::Many { .. } = shape {
            for rule in triggers.if_null.iter().chain(&triggers.if_void) {
                each(self, *rule);
            }
        }
    }

    /// Gives the rules of an interned list, which `each` must not change.
    #[inline]
    fn each_in(&mut self, list: u32, each: &mut impl FnMut(&mut Self, u32)) {
        for index in 0..self.results[list as usize].len() {
            let rule = self.results[list as usize][index];
            each(self, rule);
        }
    }

    fn next_round(&mut self, triggers: usize) {
        self.pulled.clear();
        if self.trigger_round.len() < triggers {
            self.trigger_round.resize(triggers, 0);
        }
        if self.round == u32::MAX {
            self.trigger_round.fill(0);
            self.round = 0;
        }
        self.round += 1;
    }

    /// Collects in `pulled` the triggers that have a literal in the value.
    fn pull_literals(&mut self, view: View<'_>, triggers: &FieldTriggers, value: u32) {
        let folded = self.values.folded(view, value);
        let (round, marks, pulled) = (self.round, &mut self.trigger_round, &mut self.pulled);
        triggers.literals.scan(folded, |literal| {
            for trigger in &triggers.by_literal[literal as usize] {
                let mark = &mut marks[*trigger as usize];
                if *mark != round {
                    *mark = round;
                    pulled.push(*trigger);
                }
            }
            true
        });
    }

    /// The list of rules of which one of several values has a literal, as an index into `results`.
    fn one_of_several(
        &mut self,
        view: View<'_>,
        at: (u32, u32),
        triggers: &FieldTriggers,
        value: u32,
    ) -> u32 {
        self.stats.values += 1;
        let key = self.values.key(view, value);
        let place = ONE_OF_SEVERAL | place_of(view, at, self.values.kind(value));
        let spot = match self.memo.recall(place, key) {
            Recall::Known(result) => {
                self.stats.remembered += 1;
                return result;
            }
            Recall::Unknown(spot) => spot,
        };
        self.next_round(triggers.triggers.len());
        self.pull_literals(view, triggers, value);
        let mut pulled = std::mem::take(&mut self.pulled);
        for trigger in &mut pulled {
            *trigger = triggers.triggers[*trigger as usize].rule;
        }
        let result = self.intern(&pulled);
        self.pulled = pulled;
        self.memo.put(spot, self.values.key(view, value), result);
        result
    }

    /// The list of rules that the field's only value pulls, as an index into `results`.
    fn verdict(
        &mut self,
        ruleset: &RuleSet,
        view: View<'_>,
        at: (u32, u32),
        triggers: &FieldTriggers,
        value: u32,
    ) -> u32 {
        self.stats.values += 1;
        let key = self.values.key(view, value);
        let kind = self.values.kind(value);
        if triggers.wholes.as_ref().is_some_and(|wholes| wholes.exclude(kind, key)) {
            return 0;
        }
        let spot = match self.memo.recall(place_of(view, at, kind), key) {
            Recall::Known(result) => {
                self.stats.remembered += 1;
                return result;
            }
            Recall::Unknown(spot) => spot,
        };
        // Long texts are decoded and folded only if something may be in them. Numbers may be written otherwise than they are compared.
        let is_text = matches!(kind, Kind::Text | Kind::JsonText);
        if spot.is_none() && is_text && view.is_written && triggers.pulls_nothing(key) {
            return 0;
        }
        self.next_round(triggers.triggers.len());
        self.pull_literals(view, triggers, value);
        self.pulled.extend_from_slice(&triggers.always);
        // The whole verdict is remembered, so its parts need not be.
        self.remembers_expressions = false;
        let mut pulled = std::mem::take(&mut self.pulled);
        pulled.retain_mut(|trigger| {
            let Some(found) = triggers.triggers.get(*trigger as usize) else { return false };
            *trigger = found.rule;
            if !found.is_certain {
                return found.local.run(|predicate| self.test(ruleset, view, predicate));
            }
            if let [only] = &*found.local.steps {
                self.decided[only.predicate as usize] = self.generation << 1 | 1;
            }
            true
        });
        self.remembers_expressions = true;
        let result = self.intern(&pulled);
        self.pulled = pulled;
        self.memo.put(spot, self.values.key(view, value), result);
        result
    }

    /// Whether a regular expression matches a value: remembered, since that takes longer than looking up what it was the last time.
    fn expression_holds(&mut self, ruleset: &RuleSet, view: View<'_>, id: u32, value: u32) -> bool {
        let mut spot = None;
        if self.remembers_expressions {
            let place = EXPRESSION | u64::from(id) << 8 | self.values.kind(value) as u64;
            match self.memo.recall(place, self.values.key(view, value)) {
                Recall::Known(result) => return result != 0,
                Recall::Unknown(unknown) => spot = unknown,
            }
        }
        let text = self.values.text(view, value);
        let holds = match (ruleset.predicates.regex(id), std::str::from_utf8(text)) {
            (Some(regex), Ok(text)) => regex.is_match(text),
            _ => false,
        };
        self.memo.put(spot, self.values.key(view, value), u32::from(holds));
        holds
    }

    fn intern(&mut self, rules: &[u32]) -> u32 {
        if rules.is_empty() {
            return 0;
        }
        if let Some(known) = self.results_index.get(rules) {
            return *known;
        }
        // Hostile data could make many different lists: start again before they fill the memory.
        if self.results.len() > 1 << 16 {
            self.results.truncate(1);
            self.results_index.clear();
            self.memo.empty();
        }
        let id = self.results.len() as u32;
        self.results.push(rules.into());
        self.results_index.insert(rules.into(), id);
        id
    }

    /// Nominates keyword rules of which a literal is in the record. `buckets`: those of the class that the keywords are of.
    fn scan_keywords(
        &mut self,
        view: View<'_>,
        record: &Record,
        keywords: &Keywords,
        buckets: &[u32],
    ) {
        let class = view.class;
        let (mut decoded, mut text) = std::mem::take(&mut self.keyword_text);
        let mut nominate = |literal: u32| {
            for (bucket, rule) in &keywords.rules[literal as usize] {
                let bucket = buckets[*bucket as usize];
                self.nominate(bucket, *rule, &class.buckets[bucket as usize]);
            }
            true
        };
        let shows_text = match record.body {
            Body::Text => true,
            Body::Json => !record.has_unicode_escapes,
            Body::Structured => false,
        };
        if let Some(plain) = &keywords.plain
            && shows_text
            && (record.is_ascii || !folds_to_ascii(view.bytes))
        {
            plain.scan(view.bytes, &mut nominate);
            if record.body == Body::Json
                && !keywords.numeric.is_empty()
                && may_have_exponent(view.bytes)
            {
                keywords.numeric.iter().for_each(|literal| {
                    nominate(*literal);
                });
            }
        } else if record.body != Body::Structured {
            text.clear();
            if record.body == Body::Json {
                // Decoded as a whole: the text of every scalar is in it.
                decoded.clear();
                crate::escape::unescape_json(view.bytes, &mut decoded);
                fold_lossy(&decoded, &mut text);
                if may_have_exponent(view.bytes) {
                    keywords.numeric.iter().for_each(|literal| {
                        nominate(*literal);
                    });
                }
            } else {
                fold_lossy(view.bytes, &mut text);
            }
            keywords.folded.scan(text.as_bytes(), &mut nominate);
        } else {
            (0..keywords.rules.len() as u32).for_each(|literal| {
                nominate(literal);
            });
        }
        self.keyword_text = (decoded, text);
    }

    /// Decides a predicate, at most once per event.
    fn test(&mut self, ruleset: &RuleSet, view: View<'_>, id: u32) -> bool {
        let known = self.decided[id as usize];
        if known >> 1 == self.generation {
            return known & 1 != 0;
        }
        let holds = self.decide(ruleset, view, id);
        self.decided[id as usize] = self.generation << 1 | u32::from(holds);
        holds
    }

    fn decide(&mut self, ruleset: &RuleSet, view: View<'_>, id: u32) -> bool {
        let predicate = ruleset.predicates.get(id);
        let shape = self.values.shape(view, predicate.field);
        let (start, end) = match (&predicate.test, shape) {
            (Test::Null, Shape::Many { null, .. }) => return null,
            (Test::Null, shape) => return matches!(shape, Shape::Missing | Shape::Null),
            (Test::Exists(wanted), Shape::Many { present, .. }) => return present == *wanted,
            (Test::Exists(wanted), shape) => return (shape != Shape::Missing) == *wanted,
            (_, Shape::Missing | Shape::Null | Shape::Void) => return false,
            (_, Shape::One(value)) => (value, value + 1),
            (_, Shape::Many { start, end, .. }) => (start, end),
        };
        (start..end).any(|value| self.holds(ruleset, view, id, &predicate.test, value))
    }

    fn holds(
        &mut self,
        ruleset: &RuleSet,
        view: View<'_>,
        id: u32,
        test: &Test,
        value: u32,
    ) -> bool {
        match test {
            Test::Literal(literal) => literal.holds(self.values.folded(view, value)),
            Test::AnyLiteral(literals) => {
                let folded = self.values.folded(view, value);
                match ruleset.predicates.set(id) {
                    Some(set) => set.any(folded),
                    None => literals.iter().any(|literal| literal.holds(folded)),
                }
            }
            Test::AnyText => true,
            Test::Wildcard(wildcard) if wildcard.cased => {
                wildcard.matches(self.values.text(view, value))
            }
            Test::Wildcard(wildcard) => wildcard.matches(self.values.folded(view, value)),
            Test::Regex(_) => {
                if let Some(literals) = ruleset.predicates.necessary(id)
                    && literals.len() <= FEW_REQUIRED
                {
                    let folded = self.values.folded(view, value);
                    if !literals.iter().any(|literal| literal.holds(folded)) {
                        return false;
                    }
                }
                self.expression_holds(ruleset, view, id, value)
            }
            Test::FieldRef(other, anchor) => {
                let mine = self.values.folded(view, value).to_vec();
                let (start, end) = match self.values.shape(view, *other) {
                    Shape::One(value) => (value, value + 1),
                    Shape::Many { start, end, .. } => (start, end),
                    _ => return false,
                };
                (start..end).any(|value| {
                    tests_on_text::anchored(&mine, self.values.folded(view, value), *anchor)
                })
            }
            Test::Cidr(network) => {
                tests_on_text::in_network(self.values.text(view, value), network)
            }
            Test::Compare(comparison, number) => {
                !matches!(self.values.kind(value), Kind::True | Kind::False)
                    && tests_on_text::compares(self.values.text(view, value), *comparison, number)
            }
            Test::DatePart(part, comparison, number) => {
                !matches!(self.values.kind(value), Kind::Number | Kind::True | Kind::False)
                    && tests_on_text::date_part(
                        self.values.text(view, value),
                        *part,
                        *comparison,
                        *number,
                    )
            }
            Test::Null | Test::Exists(_) => false,
        }
    }
}

/// Where in the memory the verdicts on values of a kind are, of a field of a bucket.
#[inline]
fn place_of(view: View<'_>, at: (u32, u32), kind: Kind) -> u64 {
    u64::from(view.class.numbers[at.0 as usize]) << 32 | u64::from(at.1) << 8 | kind as u64
}

/// Whether a number with an exponent may occur: the only spelling whose digits differ from those of the canonical text.
fn may_have_exponent(bytes: &[u8]) -> bool {
    memchr::memchr2_iter(b'e', b'E', bytes).any(|at| {
        at > 0
            && bytes[at - 1].is_ascii_digit()
            && bytes.get(at + 1).is_some_and(|next| matches!(next, b'0'..=b'9' | b'+' | b'-'))
    })
}

fn fold_lossy(bytes: &[u8], out: &mut String) {
    crate::fold::fold_str(&crate::value::lossy(bytes), out);
}
