//! Flat programs: a condition as a list of tests, each with the place to go on when it holds and when it does not.

use super::expr::Expr;
use super::predicate::{Predicates, Test};

/// The two ends of a program.
pub(crate) const YES: u32 = u32::MAX;
pub(crate) const NO: u32 = u32::MAX - 1;

/// One test.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    pub(crate) predicate: u32,
    pub(crate) if_true: u32,
    pub(crate) if_false: u32,
}

/// A compiled expression.
#[derive(Clone, Debug, Default)]
pub(crate) struct Program {
    pub(crate) start: u32,
    pub(crate) steps: Box<[Step]>,
}

impl Program {
    /// Compiles an expression without keywords; cheap tests come first.
    pub(crate) fn new(expr: &Expr, predicates: &Predicates) -> Self {
        let mut steps = Vec::new();
        let start = emit(expr, YES, NO, predicates, &mut steps);
        Self { start, steps: steps.into() }
    }

    /// Runs it.
    #[inline]
    pub(crate) fn run(&self, mut test: impl FnMut(u32) -> bool) -> bool {
        let mut at = self.start;
        while let Some(step) = self.steps.get(at as usize) {
            at = if test(step.predicate) { step.if_true } else { step.if_false };
        }
        at == YES
    }
}

/// Emits steps back to front, so that targets are known; gives the entry.
fn emit(expr: &Expr, yes: u32, no: u32, predicates: &Predicates, steps: &mut Vec<Step>) -> u32 {
    match expr {
        Expr::True => yes,
        Expr::False => no,
        Expr::Not(part) => emit(part, no, yes, predicates, steps),
        Expr::Test(id) | Expr::Keyword(id) => {
            steps.push(Step { predicate: *id, if_true: yes, if_false: no });
            steps.len() as u32 - 1
        }
        Expr::And(parts) => by_cost(parts, predicates)
            .into_iter()
            .rev()
            .fold(yes, |next, part| emit(part, next, no, predicates, steps)),
        Expr::Or(parts) => by_cost(parts, predicates)
            .into_iter()
            .rev()
            .fold(no, |next, part| emit(part, yes, next, predicates, steps)),
    }
}

fn by_cost<'a>(parts: &'a [Expr], predicates: &Predicates) -> Vec<&'a Expr> {
    let mut sorted: Vec<&Expr> = parts.iter().collect();
    sorted.sort_by_cached_key(|part| cost(part, predicates));
    sorted
}

/// A guess of the time to decide an expression, in units of a comparison.
fn cost(expr: &Expr, predicates: &Predicates) -> u32 {
    match expr {
        Expr::True | Expr::False => 0,
        Expr::Not(part) => cost(part, predicates),
        Expr::And(parts) | Expr::Or(parts) => {
            parts.iter().map(|part| cost(part, predicates)).fold(0, u32::saturating_add)
        }
        Expr::Keyword(_) => 1000,
        Expr::Test(id) => match &predicates.get(*id).test {
            Test::Null | Test::Exists(_) | Test::AnyText => 1,
            Test::Literal(literal) if literal.place == super::predicate::Place::Anywhere => 6,
            Test::Literal(_) => 2,
            Test::AnyLiteral(literals) => 4 + literals.len().min(20) as u32,
            Test::Compare(..) | Test::DatePart(..) => 8,
            Test::Cidr(_) | Test::FieldRef(..) => 10,
            Test::Wildcard(_) => 15,
            Test::Regex(_) => 80,
        },
    }
}
