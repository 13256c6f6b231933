//! From a checked rule to a boolean expression over predicates.

use super::predicate::{Interner, Literal, Predicate, Test, test_of};
use crate::Slot;
use sigmund_sigma::Span;
use sigmund_sigma::condition::Condition;
use sigmund_sigma::rule::{Item, Rule, Search, Selection};
use sigmund_sigma::value::Matcher;
use std::collections::HashSet;

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

/// So many tests may come from selections that were mentioned before.
const MOST_REPEATED: usize = 100_000;

/// So many values of a list count as another test: most lists become one.
const VALUES: usize = 50;

/// The condition of a rule. `slot` numbers the fields that it names.
///
/// # Errors
/// The place where it gets too large.
pub(crate) fn lower(
    rule: &Rule,
    interner: &mut Interner,
    slot: &mut dyn FnMut(&str) -> Slot,
) -> Result<Expr, Span> {
    let mut lowering = Lowering { tests: Vec::new(), slot, repeated: 0, too_large: None };
    let expr = lowering.rule(rule);
    if let Some(span) = lowering.too_large {
        return Err(span);
    }
    let mut tests = lowering.tests;
    Ok(group_literals(expr, &mut tests, interner))
}

/// Lowers one rule. Its tests are numbered by themselves at first: literals that become one list are not predicates of their own.
struct Lowering<'a> {
    tests: Vec<Option<Predicate>>,
    slot: &'a mut dyn FnMut(&str) -> Slot,
    /// Tests of selections that were mentioned before.
    repeated: usize,
    /// Where they became too many.
    too_large: Option<Span>,
}

/// The selections that a condition is about.
struct Scope<'r> {
    selections: &'r [Selection],
    /// Which of them were mentioned.
    mentioned: Vec<bool>,
    /// Where the rule is, if the condition is in another text.
    elsewhere: Option<Span>,
}

impl<'r> Scope<'r> {
    fn new(selections: &'r [Selection], elsewhere: Option<Span>) -> Self {
        Self { selections, mentioned: vec![false; selections.len()], elsewhere }
    }
}

/// A part of a condition, by which those that say the same are told.
#[derive(PartialEq, Eq, Hash)]
enum Part<'c> {
    Selection(usize),
    Of { all: bool, selections: &'c [usize] },
}

impl<'c> Part<'c> {
    /// With whether it is negated; `None` if it is made of several.
    fn new(condition: &'c Condition) -> Option<(bool, Self)> {
        match condition {
            Condition::Selection(index, _) => Some((false, Self::Selection(*index))),
            Condition::Of { all, selections, .. } => {
                Some((false, Self::Of { all: *all, selections }))
            }
            Condition::Not(part) => Self::new(part).map(|(negated, part)| (!negated, part)),
            Condition::And(_) | Condition::Or(_) => None,
        }
    }
}

impl Lowering<'_> {
    /// The whole rule: any condition, all filters, all added searches.
    fn rule(&mut self, rule: &Rule) -> Expr {
        let mut scope = Scope::new(&rule.selections, None);
        let mut all = vec![self.join(&rule.conditions, false, &mut scope)];
        for filter in &rule.filters {
            let mut scope = Scope::new(&filter.0.selections, Some(rule.metadata.span));
            all.push(self.condition(&filter.0.condition, &mut scope));
        }
        for added in &rule.added {
            all.push(self.search(added));
        }
        simplify(Expr::And(all))
    }

    fn condition(&mut self, condition: &Condition, scope: &mut Scope<'_>) -> Expr {
        match condition {
            Condition::And(parts) => self.join(parts, true, scope),
            Condition::Or(parts) => self.join(parts, false, scope),
            Condition::Not(part) => Expr::Not(Box::new(self.condition(part, scope))),
            Condition::Selection(index, span) => self.selection(*index, *span, scope),
            Condition::Of { selections: found, .. } if found.is_empty() => Expr::False,
            Condition::Of { all, selections: found, span, .. } => {
                let parts = found.iter().map(|index| self.selection(*index, *span, scope));
                let parts = parts.collect();
                if *all { Expr::And(parts) } else { Expr::Or(parts) }
            }
        }
    }

    /// Parts of which all must hold, or one. What is said twice is lowered once.
    fn join(&mut self, parts: &[Condition], and: bool, scope: &mut Scope<'_>) -> Expr {
        let (mut seen, mut out) = (HashSet::default(), Vec::new());
        self.add(parts, and, scope, &mut seen, &mut out);
        if and { Expr::And(out) } else { Expr::Or(out) }
    }

    fn add<'c>(
        &mut self,
        parts: &'c [Condition],
        and: bool,
        scope: &mut Scope<'_>,
        seen: &mut HashSet<(bool, Part<'c>), ahash::RandomState>,
        out: &mut Vec<Expr>,
    ) {
        for part in parts {
            match part {
                Condition::And(parts) if and => self.add(parts, and, scope, seen, out),
                Condition::Or(parts) if !and => self.add(parts, and, scope, seen, out),
                Condition::Of { all, selections, span, .. }
                    if *all == and && !selections.is_empty() =>
                {
                    for index in selections {
                        if seen.insert((false, Part::Selection(*index))) {
                            out.push(self.selection(*index, *span, scope));
                        }
                    }
                }
                _ => {
                    if Part::new(part).is_none_or(|part| seen.insert(part)) {
                        out.push(self.condition(part, scope));
                    }
                }
            }
        }
    }

    fn selection(&mut self, index: usize, span: Span, scope: &mut Scope<'_>) -> Expr {
        let search = &scope.selections[index].search;
        if std::mem::replace(&mut scope.mentioned[index], true) {
            self.repeated += tests_in(search);
            if self.repeated > MOST_REPEATED {
                self.too_large.get_or_insert(scope.elsewhere.unwrap_or(span));
                return Expr::False;
            }
        }
        self.search(search)
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

/// About so many tests a search becomes.
fn tests_in(search: &Search) -> usize {
    match search {
        Search::All(items) => items.iter().map(|item| 1 + item.matchers.len() / VALUES).sum(),
        Search::Any(parts) => parts.iter().map(tests_in).sum(),
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

#[cfg(test)]
mod tests {
    use super::super::predicate::Predicates;
    use super::super::trigger::alternatives;
    use super::*;
    use sigmund_sigma::{Loader, Source};

    fn nodes(expr: &Expr) -> usize {
        match expr {
            Expr::And(parts) | Expr::Or(parts) => 1 + parts.iter().map(nodes).sum::<usize>(),
            Expr::Not(part) => 1 + nodes(part),
            _ => 1,
        }
    }

    /// A rule of selections `s0`, `s1` and so on, each on a field of its own.
    fn rule(selections: usize, condition: &str) -> Rule {
        let selections: String =
            (0..selections).map(|at| format!("  s{at}: {{f{at}: a}}\n")).collect();
        let text = format!(
            "title: t\nlogsource: {{product: p}}\ndetection:\n{selections}  condition: {condition}\n"
        );
        let loaded = Loader::default().load(&[Source { name: "t.yml".into(), text: text.into() }]);
        assert_eq!(loaded.rules.len(), 1, "{:?}", loaded.diagnostics);
        loaded.rules.into_iter().next().unwrap()
    }

    fn lowered(rule: &Rule) -> Result<(Expr, Predicates), Span> {
        let (mut interner, mut names) = (Interner::default(), Vec::new());
        let mut slot = |name: &str| {
            names.push(name.to_owned());
            Slot(names.iter().position(|known| known == name).unwrap() as u32)
        };
        let expr = lower(rule, &mut interner, &mut slot)?;
        Ok((expr, interner.finish()))
    }

    #[test]
    fn what_a_condition_says_twice_is_lowered_once() {
        for (condition, as_if) in [
            ("all of s* or all of s*", "all of s*"),
            ("1 of s* or s1 or (s3 or 1 of s*)", "1 of s*"),
            ("all of s* and (s1 and all of s*)", "all of s*"),
            ("not s1 and not not not s1 and s2", "not s1 and s2"),
            ("not 1 of s* or not 1 of s*", "not 1 of s*"),
        ] {
            let (expr, as_if) = (lowered(&rule(5, condition)), lowered(&rule(5, as_if)));
            assert_eq!(expr.unwrap().0, as_if.unwrap().0, "{condition}");
        }
        let often = vec!["all of s*"; 2_000].join(" or ");
        assert_eq!(nodes(&lowered(&rule(200, &often)).unwrap().0), 201);
    }

    #[test]
    fn conditions_that_come_to_too_much_are_refused_where_they_do() {
        // No two of the parts are the same.
        let part = |at: usize| format!("(s{at} and not 1 of s*)");
        let of = |parts: usize| (0..parts).map(part).collect::<Vec<_>>().join(" or ");
        assert!(lowered(&rule(300, &of(200))).is_ok());
        let span = lowered(&rule(400, &of(400))).map(|(expr, _)| nodes(&expr)).unwrap_err();
        assert!(span.start > 0);
    }

    #[test]
    fn conditions_of_many_fields_have_triggers() {
        let parts: Vec<String> = (0..250).map(|at| format!("not (s{at} and all of s*)")).collect();
        for condition in [parts.join(" and "), format!("s7 and ({})", parts.join(" or "))] {
            let (expr, predicates) = lowered(&rule(300, &condition)).unwrap();
            assert!(alternatives(&expr, &predicates).is_some(), "{}", &condition[..20]);
        }
    }
}
