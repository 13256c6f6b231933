//! Conditions that later hits cannot undo: what once held in a window holds whatever else comes to lie in it.
//!
//! Lower bounds of `event_count` and `value_count`; `temporal` without a condition, with lower bounds, or with an extended
//! condition without `not`; lower bounds of `value_sum` over fields that count something and are never negative. Their rules must
//! be detection rules, and they must have a timespan. All others wait for the watermark.

use super::condition::Decided;
use super::number::Fixed;
use super::rule::{Correlations, Node};
use sigmund_sigma::correlation::{CorrelationType, TemporalCondition};

/// Fields that count something: no value of theirs is negative. Zeek's fields of type `count`, Suricata's flow counters, the byte
/// and packet counters of firewalls and web servers.
const COUNTERS: &[&str] = &[
    "bytes",
    "bytes_in",
    "bytes_out",
    "bytes_received",
    "bytes_sent",
    "cs-bytes",
    "flow.bytes_toclient",
    "flow.bytes_toserver",
    "flow.pkts_toclient",
    "flow.pkts_toserver",
    "missed_bytes",
    "missing_bytes",
    "orig_bytes",
    "orig_ip_bytes",
    "orig_pkts",
    "overflow_bytes",
    "packets",
    "pkts_received",
    "pkts_sent",
    "rcvdbyte",
    "rcvdpkt",
    "request_body_len",
    "resp_bytes",
    "resp_ip_bytes",
    "resp_pkts",
    "response_body_len",
    "sc-bytes",
    "seen_bytes",
    "sentbyte",
    "sentpkt",
    "total_bytes",
];

/// Sums are exact up to this many, for more hits than fit into memory.
pub(crate) const LARGEST: u64 = 1_000_000_000_000_000_000;

/// How to tell that a condition holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Test {
    /// So many hits.
    Hits(i128),
    /// So many different texts.
    Texts(i128),
    /// Numbers of such a sum.
    Sum(i128),
    /// So many different rules.
    Rules(i128),
    /// Rules that satisfy an extended condition.
    Condition,
}

/// How a correlation alerts early; `None` if it waits.
pub(crate) fn test(set: &Correlations, node: &Node) -> Option<Test> {
    let may = node.decided == Decided::AtHit
        && node.reports
        && node.rule.timespan.is_some()
        && node.of_rules
        // They are kept as bits.
        && node.references.len() <= u64::BITS as usize
        && node.bounds.are_lower();
    if !may {
        return None;
    }
    let least = || i128::from(node.bounds.least_count());
    match node.rule.kind {
        CorrelationType::EventCount => Some(Test::Hits(least())),
        CorrelationType::ValueCount => Some(Test::Texts(least())),
        CorrelationType::Temporal => match &node.rule.temporal_condition {
            Some(condition) => is_positive(condition).then_some(Test::Condition),
            None if node.bounds.is_empty() => Some(Test::Rules(node.references.len() as i128)),
            None => Some(Test::Rules(least())),
        },
        CorrelationType::ValueSum => {
            let counts = |field: &u32| COUNTERS.contains(&&*set.fields()[*field as usize]);
            let all = node.references.iter().all(|reference| reference.values.iter().all(counts));
            let least = node.bounds.least_units();
            (all && least <= Fixed::whole(LARGEST).units()).then_some(Test::Sum(least))
        }
        _ => None,
    }
}

fn is_positive(condition: &TemporalCondition) -> bool {
    match condition {
        TemporalCondition::And(of) | TemporalCondition::Or(of) => of.iter().all(is_positive),
        TemporalCondition::Not(_) => false,
        TemporalCondition::Rule(_) => true,
    }
}

/// Which correlations alert early.
pub(crate) fn which(set: &Correlations) -> impl Iterator<Item = bool> + '_ {
    set.nodes.iter().map(|node| test(set, node).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::correlation::rule::Correlations;
    use sigmund_sigma::{Loader, Rule, Source};
    use std::sync::Arc;

    fn tested(correlation: &str) -> Option<Test> {
        let mut text = String::new();
        for name in ["a", "b"] {
            text += &format!(
                "title: R\nname: {name}\nlogsource:\n    category: test\ndetection:\n    s:\n        f: {name}\n    condition: s\n---\n"
            );
        }
        text += "title: Inner\nname: inner\ncorrelation:\n    type: event_count\n    rules: [a]\n    timespan: 1m\n    condition: {gte: 2}\n---\n";
        text += "title: C\nname: c\ncorrelation:\n    timespan: 1m\n";
        text += correlation;
        let collection =
            Loader::default().load(&[Source { name: "r.yml".into(), text: text.into() }]);
        assert!(collection.diagnostics.is_empty(), "{:?}", collection.diagnostics);
        let rules: Vec<Arc<Rule>> = collection.rules.into_iter().map(Arc::new).collect();
        let (set, _) = Correlations::compile(&collection.correlations, &rules, &|_| true);
        let node = set.nodes.iter().find(|node| node.rule.metadata.name.as_deref() == Some("c"));
        test(&set, node.expect("it compiles"))
    }

    #[test]
    fn which_conditions_can_be_told_early() {
        let count = |rest: &str| tested(&format!("    type: event_count\n{rest}"));
        assert_eq!(count("    rules: [a]\n    condition: {gt: 2.5}\n"), Some(Test::Hits(3)));
        assert_eq!(count("    rules: [a]\n    condition: {lt: 3}\n"), None);
        assert_eq!(count("    rules: [a]\n    condition: {gte: 1, lt: 3}\n"), None);
        assert_eq!(count("    rules: [a]\n    condition: {eq: 0}\n"), None);
        // What an inner correlation says before the watermark may not be all.
        assert_eq!(count("    rules: [a, inner]\n    condition: {gte: 3}\n"), None);
        let sum = |field: &str| {
            tested(&format!(
                "    type: value_sum\n    rules: [a]\n    condition: {{field: {field}, gte: 3}}\n"
            ))
        };
        assert_eq!(sum("orig_bytes"), Some(Test::Sum(Fixed::whole(3).units())));
        assert_eq!(sum("temperature"), None);
        let temporal =
            |rest: &str| tested(&format!("    type: temporal\n    rules: [a, b]\n{rest}"));
        assert_eq!(temporal(""), Some(Test::Rules(2)));
        assert_eq!(temporal("    condition: {gte: 1}\n"), Some(Test::Rules(1)));
        assert_eq!(temporal("    condition: a or b\n"), Some(Test::Condition));
        assert_eq!(temporal("    condition: a and not b\n"), None);
        assert_eq!(tested("    type: temporal_ordered\n    rules: [a, b]\n"), None);
    }
}
