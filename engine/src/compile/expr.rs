//! From a checked rule to a boolean expression over predicates.

use super::predicate::{Interner, Literal, Predicate, Test, test_of};
use crate::Slot;
use sigmund_sigma::condition::Condition;
use sigmund_sigma::rule::{Item, Rule, Search, Selection};
use sigmund_sigma::value::Matcher;

/// A boolean expression over predicates.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Expr {
    And(Vec<Expr>),
    Or(Vec<Expr>),
    Not(Box<Expr>),
    Test(u32),
    /// Something about keywords, which only the plain evaluator decides. Carries the test that one scalar of the event
    /// must pass, where there is one.
    Keyword(u32),
    True,
    False,
}

/// The pseudo field of keyword predicates.
pub(crate) const KEYWORD: Slot = Slot(u32::MAX);

/// The condition of a rule. `slot` numbers the fields that it names.
pub(crate) fn lower(
    rule: &Rule,
    interner: &mut Interner,
    slot: &mut dyn FnMut(&str) -> Slot,
) -> Expr {
    let mut lowering = Lowering { tests: Vec::new(), slot };
    let expr = lowering.rule(rule);
    let mut tests = lowering.tests;
    group_literals(expr, &mut tests, interner)
}

/// Lowers one rule. Its tests are numbered by themselves at first: literals that become one list are not predicates of their own.
struct Lowering<'a> {
    tests: Vec<Option<Predicate>>,
    slot: &'a mut dyn FnMut(&str) -> Slot,
}

impl Lowering<'_> {
    /// The whole rule: any condition, all filters, all added searches.
    fn rule(&mut self, rule: &Rule) -> Expr {
        let mut all = vec![Expr::Or(
            rule.conditions.iter().map(|c| self.condition(c, &rule.selections)).collect(),
        )];
        for filter in &rule.filters {
            all.push(self.condition(&filter.0.condition, &filter.0.selections));
        }
        for added in &rule.added {
            all.push(self.search(added));
        }
        simplify(Expr::And(all))
    }

    fn condition(&mut self, condition: &Condition, selections: &[Selection]) -> Expr {
        match condition {
            Condition::And(parts) => {
                Expr::And(parts.iter().map(|part| self.condition(part, selections)).collect())
            }
            Condition::Or(parts) => {
                Expr::Or(parts.iter().map(|part| self.condition(part, selections)).collect())
            }
            Condition::Not(part) => Expr::Not(Box::new(self.condition(part, selections))),
            Condition::Selection(index, _) => self.search(&selections[*index].search),
            Condition::Of { selections: found, .. } if found.is_empty() => Expr::False,
            Condition::Of { all, selections: found, .. } => {
                let parts =
                    found.iter().map(|index| self.search(&selections[*index].search)).collect();
                if *all { Expr::And(parts) } else { Expr::Or(parts) }
            }
        }
    }

    fn search(&mut self, search: &Search) -> Expr {
        match search {
            Search::All(items) => Expr::And(items.iter().map(|item| self.item(item)).collect()),
            Search::Any(parts) => Expr::Or(parts.iter().map(|part| self.search(part)).collect()),
        }
    }

    fn item(&mut self, item: &Item) -> Expr {
        let field = match &item.field {
            Some(name) => (self.slot)(name),
            None => KEYWORD,
        };
        let parts = item.matchers.iter().map(|matcher| self.matcher(field, matcher)).collect();
        let expr = if item.all { Expr::And(parts) } else { Expr::Or(parts) };
        if item.negated { Expr::Not(Box::new(expr)) } else { expr }
    }

    fn matcher(&mut self, field: Slot, matcher: &Matcher) -> Expr {
        if let Matcher::AnyOf(parts) = matcher {
            return Expr::Or(parts.iter().map(|part| self.matcher(field, part)).collect());
        }
        let mut test = test_of(matcher, self.slot);
        if field == KEYWORD {
            test = keyword_test(test);
        }
        let id = self.tests.len() as u32;
        self.tests.push(Some(Predicate { field, test }));
        if field == KEYWORD { Expr::Keyword(id) } else { Expr::Test(id) }
    }
}

/// A keyword is searched anywhere in a scalar: as a necessary condition its literal may stand anywhere.
fn keyword_test(test: Test) -> Test {
    match test {
        Test::Literal(mut literal) => {
            literal.place = super::predicate::Place::Anywhere;
            Test::Literal(literal)
        }
        other => other,
    }
}

/// Flattens, folds constants, removes duplicates.
pub(crate) fn simplify(expr: Expr) -> Expr {
    match expr {
        Expr::And(parts) => join(parts, true),
        Expr::Or(parts) => join(parts, false),
        Expr::Not(part) => match simplify(*part) {
            Expr::True => Expr::False,
            Expr::False => Expr::True,
            Expr::Not(inner) => *inner,
            other => Expr::Not(Box::new(other)),
        },
        other => other,
    }
}

fn join(parts: Vec<Expr>, and: bool) -> Expr {
    let (neutral, absorbing) =
        if and { (Expr::True, Expr::False) } else { (Expr::False, Expr::True) };
    let mut out: Vec<Expr> = Vec::with_capacity(parts.len());
    for part in parts {
        let part = simplify(part);
        if part == absorbing {
            return absorbing;
        }
        if part == neutral {
            continue;
        }
        match part {
            Expr::And(inner) if and => out.extend(inner),
            Expr::Or(inner) if !and => out.extend(inner),
            other => out.push(other),
        }
    }
    match out.len() {
        0 => neutral,
        1 => out.swap_remove(0),
        _ if and => Expr::And(out),
        _ => Expr::Or(out),
    }
}

/// Whether keywords occur: then only the plain evaluator can say.
pub(crate) fn has_keywords(expr: &Expr) -> bool {
    match expr {
        Expr::And(parts) | Expr::Or(parts) => parts.iter().any(has_keywords),
        Expr::Not(part) => has_keywords(part),
        Expr::Keyword(_) => true,
        Expr::Test(_) | Expr::True | Expr::False => false,
    }
}

/// What an expression demands of fields: keywords are taken to be as it wants them, `wanted` to be true or false.
pub(crate) fn without_keywords(expr: &Expr, wanted: bool) -> Expr {
    let each = |parts: &[Expr]| parts.iter().map(|part| without_keywords(part, wanted)).collect();
    match expr {
        Expr::And(parts) => Expr::And(each(parts)),
        Expr::Or(parts) => Expr::Or(each(parts)),
        Expr::Not(part) => Expr::Not(Box::new(without_keywords(part, !wanted))),
        Expr::Keyword(_) if wanted => Expr::True,
        Expr::Keyword(_) => Expr::False,
        Expr::Test(_) | Expr::True | Expr::False => expr.clone(),
    }
}

/// Joins the literals of one field in an OR to one [`Test::AnyLiteral`], so that long lists are one predicate, and interns the tests. Each
/// occurs once.
fn group_literals(expr: Expr, tests: &mut [Option<Predicate>], interner: &mut Interner) -> Expr {
    match expr {
        Expr::And(parts) => {
            Expr::And(parts.into_iter().map(|part| group_literals(part, tests, interner)).collect())
        }
        Expr::Not(part) => Expr::Not(Box::new(group_literals(*part, tests, interner))),
        Expr::Or(parts) => {
            let mut by_field: Vec<(Slot, Vec<Literal>)> = Vec::new();
            let mut others = Vec::new();
            for part in parts {
                let literal = match &part {
                    Expr::Test(id) => tests[*id as usize]
                        .take_if(|predicate| matches!(predicate.test, Test::Literal(_))),
                    _ => None,
                };
                match literal {
                    Some(Predicate { field, test: Test::Literal(literal) }) => {
                        match by_field.iter_mut().find(|(known, _)| *known == field) {
                            Some((_, literals)) => literals.push(literal),
                            None => by_field.push((field, vec![literal])),
                        }
                    }
                    _ => others.push(group_literals(part, tests, interner)),
                }
            }
            let mut out = Vec::new();
            let mut intern = |field, test| Expr::Test(interner.intern(Predicate { field, test }));
            for (field, mut literals) in by_field {
                if literals.len() < 3 {
                    let each = literals.into_iter().map(Test::Literal);
                    out.extend(each.map(|test| intern(field, test)));
                    continue;
                }
                literals.sort();
                literals.dedup();
                out.push(intern(field, Test::AnyLiteral(literals.into())));
            }
            out.extend(others);
            if out.len() == 1 { out.swap_remove(0) } else { Expr::Or(out) }
        }
        Expr::Test(id) | Expr::Keyword(id) => {
            let predicate = tests[id as usize].take().expect("each test occurs once");
            let interned = interner.intern(predicate);
            if matches!(expr, Expr::Test(_)) {
                Expr::Test(interned)
            } else {
                Expr::Keyword(interned)
            }
        }
        Expr::True | Expr::False => expr,
    }
}
