//! Triggers: for each rule a necessary condition that looks at one field at a time and is seldom true.
//!
//! A rule is only evaluated for an event if one of its alternatives holds: (field, expression over
//! that field), with "rule true ⇒ some alternative true". Of all such sets the one with the smallest estimated
//! probability is taken. Estimates come from the literals alone: their length, their place, and what everyday logs are full of.

use super::expr::{Expr, KEYWORD, simplify};
use super::predicate::{Literal, Place, Predicates, Test, Witness};
use super::required::required_literals;
use crate::Slot;
use std::collections::{BTreeMap, HashMap};

/// One alternative.
#[derive(Clone, Debug)]
pub(crate) struct Alternative {
    pub(crate) field: Slot,
    /// Necessary, over `field` only.
    pub(crate) local: Expr,
}

/// Which single field an expression looks at.
enum Only {
    None,
    Field(Slot),
    Several,
}

fn only(expr: &Expr, predicates: &Predicates) -> Only {
    match expr {
        Expr::True | Expr::False => Only::None,
        Expr::Keyword(_) => Only::Field(KEYWORD),
        Expr::Test(id) => {
            let predicate = predicates.get(*id);
            match predicate.test {
                Test::FieldRef(..) => Only::Several,
                _ => Only::Field(predicate.field),
            }
        }
        Expr::Not(part) => only(part, predicates),
        Expr::And(parts) | Expr::Or(parts) => {
            let mut found = Only::None;
            for part in parts {
                match (only(part, predicates), &found) {
                    (Only::None, _) => {}
                    (Only::Field(field), Only::None) => found = Only::Field(field),
                    (Only::Field(field), Only::Field(known)) if field == *known => {}
                    _ => return Only::Several,
                }
            }
            found
        }
    }
}

fn fields(expr: &Expr, predicates: &Predicates, out: &mut Vec<Slot>) {
    match expr {
        Expr::True | Expr::False => {}
        Expr::Keyword(_) => out.push(KEYWORD),
        Expr::Test(id) => out.push(predicates.get(*id).field),
        Expr::Not(part) => fields(part, predicates, out),
        Expr::And(parts) | Expr::Or(parts) => {
            parts.iter().for_each(|part| fields(part, predicates, out));
        }
    }
}

/// What the expression says about one field alone: necessary for it, `True` if nothing.
fn local(expr: &Expr, field: Slot, predicates: &Predicates) -> Expr {
    if matches!(only(expr, predicates), Only::Field(known) if known == field) {
        return expr.clone();
    }
    let keep = |part: &Expr| local(part, field, predicates);
    match expr {
        Expr::And(parts) => simplify(Expr::And(parts.iter().map(keep).collect())),
        Expr::Or(parts) => simplify(Expr::Or(parts.iter().map(keep).collect())),
        Expr::Not(part) => match &**part {
            // not (a or b) is (not a) and (not b)
            Expr::Or(parts) => simplify(Expr::And(
                parts
                    .iter()
                    .filter(|part| matches!(only(part, predicates), Only::Field(f) if f == field))
                    .map(|part| Expr::Not(Box::new(part.clone())))
                    .collect(),
            )),
            _ => Expr::True,
        },
        _ => Expr::True,
    }
}

fn size(expr: &Expr) -> usize {
    match expr {
        Expr::And(parts) | Expr::Or(parts) => 1 + parts.iter().map(size).sum::<usize>(),
        Expr::Not(part) => 1 + size(part),
        Expr::Test(_) | Expr::Keyword(_) | Expr::True | Expr::False => 1,
    }
}

/// So many nodes are looked at for what parts over several fields say about each of them. No rule of a person needs as many; where they are
/// used up, such parts are taken to say nothing about one field alone.
const MOST_LOOKS: usize = 1 << 18;

/// The best alternatives and their estimated probability; `None` if the rule must always be evaluated.
pub(crate) fn alternatives(
    expr: &Expr,
    predicates: &Predicates,
) -> Option<(f64, Vec<Alternative>)> {
    best_alternatives(expr, predicates, &mut { MOST_LOOKS })
}

fn best_alternatives(
    expr: &Expr,
    predicates: &Predicates,
    looks: &mut usize,
) -> Option<(f64, Vec<Alternative>)> {
    match only(expr, predicates) {
        Only::Field(field) => {
            if field == KEYWORD && necessary_chance(expr, predicates).is_none() {
                return None;
            }
            let chance = chance(expr, predicates) + penalty(field, expr, predicates);
            return Some((chance, vec![Alternative { field, local: expr.clone() }]));
        }
        Only::None => return (*expr == Expr::False).then(|| (0.0, Vec::new())),
        Only::Several => {}
    }
    match expr {
        Expr::And(parts) => {
            let mut best: Option<(f64, Vec<Alternative>)> = None;
            let mut offer = |found: (f64, Vec<Alternative>)| {
                if best.as_ref().is_none_or(|known| found.0 < known.0) {
                    best = Some(found);
                }
            };
            // What does not name a field says nothing about it.
            let mut naming: BTreeMap<Slot, Vec<(&Expr, usize)>> = BTreeMap::new();
            let (mut several, mut named) = (Vec::new(), Vec::new());
            for part in parts {
                let is_several = matches!(only(part, predicates), Only::Several);
                if is_several {
                    several.push(part);
                }
                named.clear();
                fields(part, predicates, &mut named);
                named.sort_unstable();
                named.dedup();
                let price = if is_several { size(part) } else { 0 };
                for field in &named {
                    naming.entry(*field).or_default().push((part, price));
                }
            }
            for (field, mut naming) in naming {
                naming.retain(|(_, price)| match looks.checked_sub(*price) {
                    Some(left) => {
                        *looks = left;
                        true
                    }
                    None => false,
                });
                let locals = naming.into_iter().map(|(part, _)| local(part, field, predicates));
                let local = simplify(Expr::And(locals.collect()));
                if local == Expr::True
                    || (field == KEYWORD && necessary_chance(&local, predicates).is_none())
                {
                    continue;
                }
                let chance = chance(&local, predicates) + penalty(field, &local, predicates);
                offer((chance, vec![Alternative { field, local }]));
            }
            for part in several {
                if let Some(found) = best_alternatives(part, predicates, looks) {
                    offer(found);
                }
            }
            best
        }
        Expr::Or(parts) => {
            let mut by_field: Vec<(Slot, Vec<Expr>)> = Vec::new();
            let mut index: HashMap<Slot, usize, ahash::RandomState> = HashMap::default();
            for part in parts {
                for Alternative { field, local } in best_alternatives(part, predicates, looks)?.1 {
                    let at = *index.entry(field).or_insert_with(|| {
                        by_field.push((field, Vec::new()));
                        by_field.len() - 1
                    });
                    by_field[at].1.push(local);
                }
            }
            let mut total = 0.0;
            let mut out = Vec::new();
            for (field, locals) in by_field {
                let local = simplify(Expr::Or(locals));
                total += chance(&local, predicates) + penalty(field, &local, predicates);
                out.push(Alternative { field, local });
            }
            Some((total, out))
        }
        Expr::Not(part) => match &**part {
            Expr::And(parts) => {
                let negated = parts.iter().map(|part| Expr::Not(Box::new(part.clone()))).collect();
                best_alternatives(&simplify(Expr::Or(negated)), predicates, looks)
            }
            Expr::Or(parts) => {
                let negated = parts.iter().map(|part| Expr::Not(Box::new(part.clone()))).collect();
                best_alternatives(&simplify(Expr::And(negated)), predicates, looks)
            }
            _ => None,
        },
        _ => None,
    }
}

/// Fields are not equally cheap: keywords cost a scan of the record, and an expression without necessary
/// literals is evaluated for every new value.
fn penalty(field: Slot, local: &Expr, predicates: &Predicates) -> f64 {
    let keywords = if field == KEYWORD { 1e-3 } else { 0.0 };
    let no_literals = if necessary_chance(local, predicates).is_none() { 1e-4 } else { 0.0 };
    keywords + no_literals
}

/// Works out the witness of a test.
pub(crate) fn witness(test: &Test) -> Option<Witness> {
    let derived: Option<Box<[Literal]>> = match test {
        Test::Wildcard(wildcard) => {
            Some([Literal::new(Place::Anywhere, wildcard.longest_literal()?)].into())
        }
        Test::Regex(regex) => {
            let anywhere = |text| Literal::new(Place::Anywhere, text);
            Some(required_literals(regex)?.into_iter().map(anywhere).collect())
        }
        _ => None,
    };
    let literals = derived.as_deref().or_else(|| test.literals())?;
    let usable =
        literals.iter().all(|literal| !literal.text.is_empty() || literal.place == Place::Whole);
    let chance = literals.iter().map(rarity).sum();
    usable.then_some(Witness { chance, derived })
}

/// The chance of the rarest necessary set of literals of an expression over one field; `None` if there is none.
fn necessary_chance(expr: &Expr, predicates: &Predicates) -> Option<f64> {
    match expr {
        Expr::Test(id) | Expr::Keyword(id) => predicates.chance(*id),
        Expr::And(parts) => parts
            .iter()
            .filter_map(|part| necessary_chance(part, predicates))
            .min_by(f64::total_cmp),
        Expr::Or(parts) => parts.iter().map(|part| necessary_chance(part, predicates)).sum(),
        Expr::Not(_) | Expr::True | Expr::False => None,
    }
}

/// The rarest necessary set of literals of an expression over one field.
pub(crate) fn necessary<'p>(expr: &Expr, predicates: &'p Predicates) -> Option<Vec<&'p Literal>> {
    match expr {
        Expr::Test(id) | Expr::Keyword(id) => Some(predicates.necessary(*id)?.iter().collect()),
        Expr::And(parts) => necessary(rarest(parts, predicates)?, predicates),
        Expr::Or(parts) => {
            let mut all = Vec::new();
            for part in parts {
                all.extend(necessary(part, predicates)?);
            }
            Some(all)
        }
        Expr::Not(_) | Expr::True | Expr::False => None,
    }
}

/// The part whose necessary literals are the rarest.
fn rarest<'e>(parts: &'e [Expr], predicates: &Predicates) -> Option<&'e Expr> {
    let chances = parts.iter().filter_map(|part| Some((necessary_chance(part, predicates)?, part)));
    Some(chances.min_by(|a, b| a.0.total_cmp(&b.0))?.1)
}

/// A guess of how often an expression is true.
fn chance(expr: &Expr, predicates: &Predicates) -> f64 {
    match expr {
        Expr::Test(_) | Expr::Keyword(_) => {
            necessary_chance(expr, predicates).map_or(0.3, |chance| chance.min(1.0))
        }
        Expr::And(parts) => {
            let chances: Vec<f64> = parts.iter().map(|part| chance(part, predicates)).collect();
            let product: f64 = chances.iter().map(|chance| chance.max(0.05)).product();
            chances.iter().copied().fold(product, f64::min)
        }
        Expr::Or(parts) => parts.iter().map(|part| chance(part, predicates)).sum::<f64>().min(1.0),
        Expr::Not(part) => (1.0 - chance(part, predicates)).max(0.5),
        Expr::True => 1.0,
        Expr::False => 0.0,
    }
}

/// Texts that ordinary Windows and network logs are full of, folded: literals made of them are poor triggers.
const EVERYDAY: &[(&str, f64)] = &[
    (r"\svchost.exe", 0.3),
    (r"\powershell.exe", 0.1),
    (r"\cmd.exe", 0.05),
    (r"\lsass.exe", 0.1),
    (r"\services.exe", 0.1),
    (r"\explorer.exe", 0.1),
    (r"\wmiprvse.exe", 0.05),
    (r"\rundll32.exe", 0.02),
    (r"\windows\", 0.6),
    (r"c:\windows\system32", 0.5),
    (r"\system32\", 0.5),
    (r"c:\windows\", 0.5),
    (r"c:\program files", 0.2),
    (r"\microsoft\", 0.3),
    (r"\appdata\", 0.1),
    (r"\software\", 0.3),
    (r"hklm\", 0.4),
    (r"\currentversion\", 0.15),
    (r"\services\", 0.2),
    (r"\currentcontrolset\", 0.2),
    ("nt authority", 0.4),
    ("system", 0.4),
    ("0x1000", 0.2),
    ("0x1fffff", 0.1),
    ("0x1400", 0.1),
    ("0x1410", 0.05),
    ("0x1010", 0.05),
    ("ntdll.dll", 0.3),
    ("kernelbase.dll", 0.3),
    ("unknown", 0.2),
    (".exe", 0.6),
    (".dll", 0.5),
    ("http", 0.3),
    ("get", 0.5),
    ("true", 0.4),
    ("false", 0.4),
    ("microsoft", 0.3),
    ("windows", 0.4),
    ("dword", 0.3),
    ("dword (0x00000000)", 0.1),
    ("dword (0x00000001)", 0.1),
    ("valid", 0.4),
    ("-", 0.3),
    ("?", 0.2),
    ("unavailable", 0.1),
    ("high", 0.2),
    ("medium", 0.2),
    ("tcp", 0.5),
    ("80", 0.1),
    ("443", 0.1),
    ("0", 0.2),
    ("1", 0.2),
    ("c:", 0.5),
];

/// A guess of how often a literal holds.
fn rarity(literal: &Literal) -> f64 {
    // `={{` is rarer than three letters.
    let odd = |byte: &&u8| byte.is_ascii_punctuation() && !b"\\/.-_:".contains(byte);
    let odd = literal.text.iter().filter(odd).count();
    let len = (literal.text.len() + odd).min(20) as f64;
    let guess = match literal.place {
        Place::Anywhere => (-0.45 * len).exp(),
        // Few values are but a letter or two; many are a short number.
        Place::Whole if len < 4.0 && !literal.text.iter().any(u8::is_ascii_digit) => 0.02,
        Place::Whole => (-0.5 * len - 0.5).exp(),
        Place::Start | Place::End => (-0.45 * len - 0.2).exp(),
    };
    let everyday = EVERYDAY
        .iter()
        .filter(|(text, _)| match literal.place {
            Place::Anywhere => memchr::memmem::find(text.as_bytes(), &literal.text).is_some(),
            Place::Whole => text.as_bytes() == &*literal.text,
            Place::Start => text.as_bytes().starts_with(&literal.text),
            Place::End => text.as_bytes().ends_with(&literal.text),
        })
        .map(|(_, chance)| *chance)
        .fold(0.0, f64::max);
    // A whole path of an everyday program is nearly as common as its name.
    let program = EVERYDAY
        .iter()
        .filter(|(text, _)| text.starts_with('\\') && text.ends_with(".exe"))
        .filter(|(text, _)| literal.text.ends_with(text.as_bytes()))
        .map(|(_, chance)| *chance / 2.0)
        .fold(0.0, f64::max);
    let everyday = everyday.max(program);
    guess.max(everyday).max(1e-5)
}
