//! Conditions: what is compared with what, and when that can be decided.

use super::number::{Fixed, Measure};
use sigmund_sigma::Correlation;
use sigmund_sigma::correlation::{CorrelationType, Operator, TemporalCondition};
use sigmund_sigma::value::Comparison;
use std::cmp::Ordering;

/// When a condition is decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decided {
    /// At each hit, for the window that ends there: lower bounds.
    AtHit,
    /// Once, at the end of a window that a group's first hit opened: upper bounds, `eq`, `neq` and ranges.
    AtClose,
    /// When a group has been silent for the timespan: a count that only 0 satisfies.
    InSilence,
}

/// Comparisons that must all hold.
#[derive(Clone, Debug)]
pub(crate) struct Bounds(Vec<(Operator, Fixed)>);

impl Bounds {
    pub(crate) fn new(conditions: &[(Operator, Box<str>)]) -> Self {
        let number = |text: &str| Fixed::parse(text).unwrap_or_default();
        Self(conditions.iter().map(|(operator, text)| (*operator, number(text))).collect())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn hold(&self, measure: &Measure) -> bool {
        self.0.iter().all(|(operator, threshold)| {
            let order = measure.compare(*threshold);
            match operator {
                Operator::Compare(Comparison::Lt) => order == Ordering::Less,
                Operator::Compare(Comparison::Lte) => order != Ordering::Greater,
                Operator::Compare(Comparison::Gt) => order == Ordering::Greater,
                Operator::Compare(Comparison::Gte) => order != Ordering::Less,
                Operator::Eq => order == Ordering::Equal,
                Operator::Neq => order != Ordering::Equal,
            }
        })
    }

    /// Whether the same holds for everything between two measures.
    pub(crate) fn agree(&self, least: &Measure, most: &Measure) -> bool {
        self.0.iter().all(|(_, threshold)| least.compare(*threshold) == most.compare(*threshold))
    }

    fn all(&self, wanted: &[Operator]) -> bool {
        self.0.iter().all(|(operator, _)| wanted.contains(operator))
    }

    pub(crate) fn are_lower(&self) -> bool {
        self.all(&[Operator::Compare(Comparison::Gt), Operator::Compare(Comparison::Gte)])
    }

    pub(crate) fn are_upper(&self) -> bool {
        self.all(&[Operator::Compare(Comparison::Lt), Operator::Compare(Comparison::Lte)])
    }

    /// Of lower bounds: the smallest number that satisfies them, in units.
    pub(crate) fn least_units(&self) -> i128 {
        let least = |(operator, threshold): &(Operator, Fixed)| {
            let strict = *operator == Operator::Compare(Comparison::Gt);
            threshold.units() + i128::from(strict)
        };
        self.0.iter().map(least).max().unwrap_or(0)
    }

    /// Of lower bounds: the smallest count that satisfies them, but for 0.
    pub(crate) fn least_count(&self) -> u64 {
        let one = Fixed::whole(1).units();
        let units = self.least_units().max(one);
        u64::try_from((units - 1) / one + 1).unwrap_or(u64::MAX)
    }

    /// Whether 0 satisfies them and no count above it.
    fn only_zero(&self) -> bool {
        if !self.hold(&Measure::count(0)) {
            return false;
        }
        // What holds for a count changes only around thresholds.
        let mut counts = vec![1];
        for (_, threshold) in &self.0 {
            let near = threshold.units() / Fixed::whole(1).units();
            counts.extend((near - 1..=near + 2).filter_map(|count| u64::try_from(count).ok()));
        }
        !counts.iter().any(|count| *count > 0 && self.hold(&Measure::count(*count)))
    }
}

/// When a correlation's condition is decided.
///
/// A minimum can only fall as hits come, so for it `lt` and `lte` are the bounds that a hit decides. The version 1
/// condition `count() == 2` is decided at each hit: "the second one" is what its authors meant.
pub(crate) fn decided(rule: &Correlation, bounds: &Bounds) -> Decided {
    let at_hit = rule.kind == CorrelationType::TemporalOrdered
        || rule.temporal_condition.is_some()
        || bounds.are_lower()
        || rule.kind == CorrelationType::ValueMin && bounds.are_upper()
        || rule.legacy && bounds.all(&[Operator::Eq]);
    if at_hit {
        Decided::AtHit
    } else if rule.kind == CorrelationType::EventCount && bounds.only_zero() {
        Decided::InSilence
    } else {
        Decided::AtClose
    }
}

/// Whether an extended condition holds, given which rules have a hit.
pub(crate) fn holds(condition: &TemporalCondition, seen: &dyn Fn(usize) -> bool) -> bool {
    match condition {
        TemporalCondition::And(of) => of.iter().all(|part| holds(part, seen)),
        TemporalCondition::Or(of) => of.iter().any(|part| holds(part, seen)),
        TemporalCondition::Not(of) => !holds(of, seen),
        TemporalCondition::Rule(rule) => seen(*rule),
    }
}

/// One way to satisfy an ordered correlation: hits of these rules in this order, and none of those.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sequence {
    pub(crate) steps: Vec<usize>,
    pub(crate) absent: Vec<usize>,
}

/// More ways than this are not tried.
const MAX_WAYS: usize = 64;

/// The ways to satisfy an ordered correlation over so many rules. Without a condition: all of them in order. With one:
/// each way to make it true, its rules in the listed order. `None` if there are too many.
pub(crate) fn sequences(
    condition: Option<&TemporalCondition>,
    rules: usize,
) -> Option<Vec<Sequence>> {
    let Some(condition) = condition else {
        return Some(vec![Sequence { steps: (0..rules).collect(), absent: Vec::new() }]);
    };
    let mut ways = ways(condition, true)?;
    for way in &mut ways {
        for list in [&mut way.steps, &mut way.absent] {
            list.sort_unstable();
            list.dedup();
        }
    }
    ways.retain(|way| {
        !way.steps.is_empty() && !way.steps.iter().any(|step| way.absent.contains(step))
    });
    Some(ways)
}

/// Disjunctive normal form.
fn ways(condition: &TemporalCondition, wanted: bool) -> Option<Vec<Sequence>> {
    let (members, all) = match condition {
        TemporalCondition::Not(inner) => return ways(inner, !wanted),
        TemporalCondition::Rule(rule) => {
            let (steps, absent) =
                if wanted { (vec![*rule], Vec::new()) } else { (Vec::new(), vec![*rule]) };
            return Some(vec![Sequence { steps, absent }]);
        }
        TemporalCondition::And(members) => (members, wanted),
        TemporalCondition::Or(members) => (members, !wanted),
    };
    let mut all_ways = if all { vec![Sequence::default()] } else { Vec::new() };
    for member in members {
        let member = ways(member, wanted)?;
        if all {
            let mut joined = Vec::new();
            for (left, right) in all_ways.iter().flat_map(|l| member.iter().map(move |r| (l, r))) {
                let mut way = left.clone();
                way.steps.extend(&right.steps);
                way.absent.extend(&right.absent);
                joined.push(way);
                if joined.len() > MAX_WAYS {
                    return None;
                }
            }
            all_ways = joined;
        } else {
            all_ways.extend(member);
        }
        if all_ways.len() > MAX_WAYS {
            return None;
        }
    }
    Some(all_ways)
}

#[cfg(test)]
mod tests {
    use super::*;
    use TemporalCondition::{And, Not, Or, Rule};

    fn bounds(list: &[(Operator, &str)]) -> Bounds {
        Bounds::new(&list.iter().map(|(o, n)| (*o, Box::from(*n))).collect::<Vec<_>>())
    }

    #[test]
    fn what_only_zero_satisfies() {
        use Operator::{Compare, Eq, Neq};
        assert!(bounds(&[(Eq, "0")]).only_zero());
        assert!(bounds(&[(Compare(Comparison::Lt), "1")]).only_zero());
        assert!(bounds(&[(Compare(Comparison::Lte), "0.5")]).only_zero());
        assert!(bounds(&[(Neq, "1"), (Compare(Comparison::Lt), "2")]).only_zero());
        assert!(!bounds(&[(Compare(Comparison::Lt), "2")]).only_zero());
        assert!(!bounds(&[(Eq, "1")]).only_zero());
        assert!(!bounds(&[(Neq, "1")]).only_zero());
    }

    #[test]
    fn the_least_that_lower_bounds_let_through() {
        use Comparison::{Gt, Gte};
        let least = |list: &[(Comparison, &str)]| {
            let list: Vec<_> = list.iter().map(|(c, n)| (Operator::Compare(*c), *n)).collect();
            bounds(&list).least_count()
        };
        assert_eq!(least(&[(Gte, "3")]), 3);
        assert_eq!(least(&[(Gt, "3")]), 4);
        assert_eq!(least(&[(Gte, "2.5"), (Gt, "1")]), 3);
        assert_eq!(least(&[(Gt, "2.5")]), 3);
        assert_eq!(least(&[(Gte, "-7")]), 1);
        assert_eq!(least(&[(Gte, "1e30")]), u64::MAX);
        for count in 1..6 {
            for (comparison, text) in [(Gt, "0"), (Gt, "3"), (Gte, "3"), (Gt, "2.9"), (Gte, "3.1")]
            {
                let list = [(Operator::Compare(comparison), text)];
                let holds = bounds(&list).hold(&Measure::count(count));
                assert_eq!(holds, count >= least(&[(comparison, text)]));
            }
        }
    }

    #[test]
    fn ordered_conditions_become_sequences() {
        // (0 or 1) and 2 and not 3
        let condition = And(vec![Or(vec![Rule(0), Rule(1)]), Rule(2), Not(Box::new(Rule(3)))]);
        let way = |steps: &[usize]| Sequence { steps: steps.to_vec(), absent: vec![3] };
        assert_eq!(sequences(Some(&condition), 4), Some(vec![way(&[0, 2]), way(&[1, 2])]));
        assert_eq!(sequences(None, 2).unwrap()[0].steps, [0, 1]);
        let many = And((0..8).map(|at| Or(vec![Rule(at), Rule(at + 8)])).collect());
        assert_eq!(sequences(Some(&many), 16), None);
    }
}
