//! Buckets: the rules of one log source (and EventID), compiled together.

use super::as_written::AsWritten;
use super::expr::{Expr, KEYWORD, has_keywords, simplify, without_keywords};
use super::literal_set::LiteralSet;
use super::predicate::{Literal, Place, Predicates, Test};
use super::program::Program;
use super::trigger::{alternatives, necessary};
use crate::fold::folds_to_ascii;
use crate::{Kind, Slot};
use std::collections::HashMap;
use std::sync::OnceLock;

/// A rule as its bucket sees it.
#[derive(Debug)]
pub(crate) struct BucketRule {
    /// Index in the rule set.
    pub(crate) rule: u32,
    /// The condition, or what it demands of fields if keywords take part.
    pub(crate) program: Program,
    /// Keywords take part: where the program holds, the plain evaluator decides.
    pub(crate) has_keywords: bool,
}

/// A necessary condition of a rule on one field.
#[derive(Debug)]
pub(crate) struct Trigger {
    /// Index in the bucket's rules.
    pub(crate) rule: u32,
    /// Decided for a field with exactly one value.
    pub(crate) local: Program,
    /// Whether any of its literals decides that it holds.
    pub(crate) is_certain: bool,
}

/// The triggers of one field in a bucket.
#[derive(Debug)]
pub(crate) struct FieldTriggers {
    pub(crate) field: Slot,
    pub(crate) literals: LiteralSet,
    /// The same for long values as they are written, made when the first one comes.
    as_written: OnceLock<Option<AsWritten>>,
    /// If a trigger holds only for some whole values.
    pub(crate) wholes: Option<Wholes>,
    /// For each literal its triggers.
    pub(crate) by_literal: Box<[Box<[u32]>]>,
    pub(crate) triggers: Box<[Trigger]>,
    /// Triggers without necessary literals: every value must be asked.
    pub(crate) always: Box<[u32]>,
    /// Rules (by index in the bucket) that may match when the field is missing, null, or present without a value.
    pub(crate) if_missing: Box<[u32]>,
    pub(crate) if_null: Box<[u32]>,
    pub(crate) if_void: Box<[u32]>,
}

/// What all whole values of a set have in common, so that most others need no look-up.
#[derive(Debug)]
pub(crate) struct Wholes {
    /// One bit for each length.
    lengths: u64,
    /// One bit for each byte that one may begin with, in whatever case.
    firsts: [u64; 4],
}

impl Wholes {
    /// From folded literals; `None` if one is no whole value, or too long.
    fn new(literals: &[&Literal]) -> Option<Self> {
        let mut wholes = Self { lengths: 0, firsts: [0; 4] };
        for literal in literals {
            let is_usable = literal.place == Place::Whole && literal.text.len() < 64;
            if !is_usable {
                return None;
            }
            wholes.lengths |= 1 << literal.text.len();
            if let Some(first) = literal.text.first() {
                for byte in [first.to_ascii_lowercase(), first.to_ascii_uppercase()] {
                    wholes.firsts[usize::from(byte >> 6)] |= 1 << (byte & 63);
                }
            }
        }
        Some(wholes)
    }

    /// Whether a value, as it is written, is none of the set for sure.
    #[inline]
    pub(crate) fn exclude(&self, kind: Kind, written: &[u8]) -> bool {
        let shows = match kind {
            // Letters beyond ASCII may fold to shorter ones.
            Kind::Text => written.is_ascii(),
            // Whole numbers are compared as they are written.
            Kind::Number => {
                written.len() < 16
                    && written.iter().all(u8::is_ascii_digit)
                    && (written.len() == 1 || written.first() != Some(&b'0'))
            }
            _ => false,
        };
        let has = |byte: u8| self.firsts[usize::from(byte >> 6)] >> (byte & 63) & 1 != 0;
        let may_be = written.len() < 64
            && self.lengths >> written.len() & 1 != 0
            && written.first().is_none_or(|first| has(*first));
        shows && !may_be
    }
}

/// A literal and the rules (by index in the bucket) that it is for.
type KeywordLiteral = (Box<[u8]>, Box<[u32]>);

/// Compiled rules.
#[derive(Debug)]
pub(crate) struct Bucket {
    pub(crate) rules: Box<[BucketRule]>,
    pub(crate) fields: Box<[FieldTriggers]>,
    /// Rules that are evaluated for every event.
    pub(crate) always: Box<[u32]>,
    /// Literals of which a scalar of the event must contain one, and the rules they are for.
    pub(crate) keywords: Box<[KeywordLiteral]>,
}

impl FieldTriggers {
    /// Whether a value, as it is written in JSON without `\u` escapes, certainly pulls nothing.
    pub(crate) fn pulls_nothing(&self, written: &[u8]) -> bool {
        self.always.is_empty()
            && self
                .as_written
                .get_or_init(|| self.literals.as_written())
                .as_ref()
                .is_some_and(|literals| !folds_to_ascii(written) && literals.none_in(written))
    }
}

#[derive(Default)]
struct Building<'p> {
    literals: Vec<&'p Literal>,
    index: HashMap<&'p Literal, u32, ahash::RandomState>,
    by_literal: Vec<Vec<u32>>,
    triggers: Vec<Trigger>,
    always: Vec<u32>,
    if_missing: Vec<u32>,
    if_null: Vec<u32>,
    if_void: Vec<u32>,
}

impl Bucket {
    /// Compiles rules, given as (index in the rule set, condition). `event_id`: the field and its folded value, known for all events of this bucket.
    pub(crate) fn new(
        rules: &[(u32, &Expr)],
        event_id: Option<(Slot, &[u8])>,
        predicates: &Predicates,
    ) -> Self {
        let mut out = Vec::with_capacity(rules.len());
        let mut always = Vec::new();
        let mut fields: Vec<(Slot, Building<'_>)> = Vec::new();
        let mut keywords: Vec<(&[u8], Vec<u32>)> = Vec::new();
        let mut keyword_index: HashMap<&[u8], usize, ahash::RandomState> = HashMap::default();
        for (rule, expr) in rules {
            let folded;
            let expr = match event_id {
                Some((field, value)) => {
                    folded = simplify(fold_event_id(expr, field, value, predicates));
                    &folded
                }
                None => *expr,
            };
            if *expr == Expr::False {
                continue;
            }
            let index = out.len() as u32;
            let has_keywords = has_keywords(expr);
            let program = if has_keywords {
                Program::new(&simplify(without_keywords(expr, true)), predicates)
            } else {
                Program::new(expr, predicates)
            };
            out.push(BucketRule { rule: *rule, program, has_keywords });
            let Some((_, alternatives)) = alternatives(expr, predicates) else {
                always.push(index);
                continue;
            };
            for alternative in alternatives {
                if alternative.field == KEYWORD {
                    let literals = necessary(&alternative.local, predicates).unwrap_or_default();
                    for literal in literals {
                        let at = *keyword_index.entry(&literal.text).or_insert_with(|| {
                            keywords.push((&literal.text, Vec::new()));
                            keywords.len() - 1
                        });
                        let rules = &mut keywords[at].1;
                        if rules.last() != Some(&index) {
                            rules.push(index);
                        }
                    }
                    continue;
                }
                let building =
                    match fields.iter_mut().find(|(field, _)| *field == alternative.field) {
                        Some((_, building)) => building,
                        None => {
                            fields.push((alternative.field, Building::default()));
                            let last = fields.len() - 1;
                            &mut fields[last].1
                        }
                    };
                building.add(index, &alternative.local, predicates);
            }
        }
        Self {
            rules: out.into(),
            fields: fields.into_iter().map(|(field, building)| building.finish(field)).collect(),
            always: always.into(),
            keywords: keywords
                .into_iter()
                .map(|(text, rules)| (text.into(), rules.into()))
                .collect(),
        }
    }
}

impl<'p> Building<'p> {
    fn add(&mut self, rule: u32, local: &Expr, predicates: &'p Predicates) {
        let trigger = self.triggers.len() as u32;
        let literals = necessary(local, predicates);
        let is_certain = literals.is_some() && holds_by_any_literal(local, predicates);
        self.triggers.push(Trigger { rule, local: Program::new(local, predicates), is_certain });
        match literals {
            None => self.always.push(trigger),
            Some(literals) => {
                for literal in literals {
                    let next = self.literals.len() as u32;
                    let id = *self.index.entry(literal).or_insert(next);
                    if id == next {
                        self.literals.push(literal);
                        self.by_literal.push(Vec::new());
                    }
                    let known = &mut self.by_literal[id as usize];
                    if known.last() != Some(&trigger) {
                        known.push(trigger);
                    }
                }
            }
        }
        if holds_without_value(local, State::Missing, predicates) {
            self.if_missing.push(rule);
        }
        if holds_without_value(local, State::Null, predicates) {
            self.if_null.push(rule);
        }
        if holds_without_value(local, State::Void, predicates) {
            self.if_void.push(rule);
        }
    }

    fn finish(self, field: Slot) -> FieldTriggers {
        let wholes = self.always.is_empty().then(|| Wholes::new(&self.literals)).flatten();
        FieldTriggers {
            field,
            wholes,
            literals: LiteralSet::new(self.literals.iter().copied()),
            as_written: OnceLock::new(),
            by_literal: self.by_literal.into_iter().map(Into::into).collect(),
            triggers: self.triggers.into(),
            always: self.always.into(),
            if_missing: self.if_missing.into(),
            if_null: self.if_null.into(),
            if_void: self.if_void.into(),
        }
    }
}

/// Whether one literal of the expression in a value suffices.
fn holds_by_any_literal(expr: &Expr, predicates: &Predicates) -> bool {
    match expr {
        Expr::Test(id) => {
            matches!(predicates.get(*id).test, Test::Literal(_) | Test::AnyLiteral(_))
        }
        Expr::Or(parts) => parts.iter().all(|part| holds_by_any_literal(part, predicates)),
        _ => false,
    }
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    Missing,
    Null,
    Void,
}

fn holds_without_value(expr: &Expr, state: State, predicates: &Predicates) -> bool {
    match expr {
        Expr::And(parts) => parts.iter().all(|part| holds_without_value(part, state, predicates)),
        Expr::Or(parts) => parts.iter().any(|part| holds_without_value(part, state, predicates)),
        Expr::Not(part) => !holds_without_value(part, state, predicates),
        Expr::Test(id) => match predicates.get(*id).test {
            Test::Null => state != State::Void,
            Test::Exists(wanted) => wanted == (state != State::Missing),
            _ => false,
        },
        Expr::Keyword(_) | Expr::False => false,
        Expr::True => true,
    }
}

/// Replaces tests of a field whose only value is known.
fn fold_event_id(expr: &Expr, field: Slot, value: &[u8], predicates: &Predicates) -> Expr {
    let fold = |part: &Expr| fold_event_id(part, field, value, predicates);
    match expr {
        Expr::And(parts) => Expr::And(parts.iter().map(fold).collect()),
        Expr::Or(parts) => Expr::Or(parts.iter().map(fold).collect()),
        Expr::Not(part) => Expr::Not(Box::new(fold(part))),
        Expr::Test(id) => {
            let predicate = predicates.get(*id);
            let known = match &predicate.test {
                _ if predicate.field != field => return expr.clone(),
                Test::Literal(literal) => literal.holds(value),
                Test::AnyLiteral(literals) => literals.iter().any(|literal| literal.holds(value)),
                _ => return expr.clone(),
            };
            if known { Expr::True } else { Expr::False }
        }
        other => other.clone(),
    }
}

/// The values of which `field` must have one for the expression to be true; `None` if it is not so bound.
pub(crate) fn bound_values(
    expr: &Expr,
    field: Slot,
    predicates: &Predicates,
) -> Option<Vec<Box<[u8]>>> {
    match expr {
        Expr::Test(id) => {
            let predicate = predicates.get(*id);
            if predicate.field != field {
                return None;
            }
            match &predicate.test {
                Test::Literal(literal) if literal.place == Place::Whole => {
                    Some(vec![literal.text.clone()])
                }
                Test::AnyLiteral(literals)
                    if literals.iter().all(|literal| literal.place == Place::Whole) =>
                {
                    Some(literals.iter().map(|literal| literal.text.clone()).collect())
                }
                _ => None,
            }
        }
        Expr::And(parts) => parts
            .iter()
            .filter_map(|part| bound_values(part, field, predicates))
            .min_by_key(Vec::len),
        Expr::Or(parts) => {
            let mut all = Vec::new();
            for part in parts {
                all.extend(bound_values(part, field, predicates)?);
            }
            all.sort();
            all.dedup();
            (all.len() <= 64).then_some(all)
        }
        Expr::False => Some(Vec::new()),
        Expr::Not(_) | Expr::Keyword(_) | Expr::True => None,
    }
}
