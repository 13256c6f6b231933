//! Who of several that share the work has a group, and so which of them must hear of a sighting.
//!
//! Groups are divided by their values. A correlation that feeds another, or is fed by one, belongs to one of them as a whole, because
//! its groups meet in the other: all that are tied to each other have the same owner. So has one without `group-by`, which has a
//! single group. The owner of a whole follows from what it means, the smallest [`SemanticHash`] of those that are tied: no unrelated rule
//! moves it. Where the tie changes so that this hash does, the owner may be another, which finds no state; so the hash is a part of what
//! such a correlation is in state, and it starts clean everywhere rather than with the half of its groups.

use super::key::{group_key, value};
use super::rule::{Correlations, Input, Node};
use super::semantic::{self, SemanticHash};
use super::sighting::Sighting;

/// What decides whose the groups of a correlation are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tie {
    /// The values of each.
    Values,
    /// There is one group.
    Single(SemanticHash),
    /// It hears of others, and the smallest hash of all of them is this.
    Chain(SemanticHash),
}

impl Tie {
    /// What a correlation is in the state of one that shares the work.
    pub(crate) fn identity(self, hash: &SemanticHash) -> SemanticHash {
        match self {
            Self::Values | Self::Single(_) => *hash,
            Self::Chain(first) => semantic::of_rules(&[*hash, first]),
        }
    }

    fn owner(self, key: &[u8], count: u32) -> u32 {
        let hash = match self {
            Self::Values => {
                // FNV-1a: the same in every run and everywhere. Its last bytes do not reach all bits, so they are mixed.
                let hash = key.iter().fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| {
                    (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01B3)
                });
                let hash = (hash ^ (hash >> 33)).wrapping_mul(0xFF51_AFD7_ED55_8CCD);
                (hash ^ (hash >> 33)).wrapping_mul(0xC4CE_B9FE_1A85_EC53)
            }
            Self::Single(hash) | Self::Chain(hash) => {
                hash.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
            }
        };
        ((hash >> 32) as u32) % count.max(1)
    }
}

/// The ties of correlations.
pub(crate) fn ties(nodes: &[Node]) -> Vec<Tie> {
    fn first(tied: &[usize], mut at: usize) -> usize {
        while tied[at] != at {
            at = tied[at];
        }
        at
    }
    let mut tied: Vec<usize> = (0..nodes.len()).collect();
    let mut chained = vec![false; nodes.len()];
    for (at, node) in nodes.iter().enumerate() {
        for input in &node.outer {
            let outer = input.node as usize;
            chained[at] = true;
            chained[outer] = true;
            let (one, other) = (first(&tied, at), first(&tied, outer));
            tied[one.max(other)] = one.min(other);
        }
    }
    let mut smallest: Vec<SemanticHash> = nodes.iter().map(|node| node.hash).collect();
    for (at, node) in nodes.iter().enumerate() {
        let root = first(&tied, at);
        smallest[root] = smallest[root].min(node.hash);
    }
    let tie = |at: usize| match () {
        () if chained[at] => Tie::Chain(smallest[first(&tied, at)]),
        () if nodes[at].group.is_empty() => Tie::Single(nodes[at].hash),
        () => Tie::Values,
    };
    (0..nodes.len()).map(tie).collect()
}

/// The part of one of them.
#[derive(Clone, Debug)]
pub(crate) struct Share {
    pub(crate) index: u32,
    pub(crate) count: u32,
    ties: Vec<Tie>,
}

impl Share {
    pub(crate) fn new(set: &Correlations, index: u32, count: u32) -> Self {
        Self { index, count: count.max(1), ties: set.ties().to_vec() }
    }

    /// Tells what is said about the share as a whole from what the others say of theirs. Nothing, if it is all there is.
    pub(crate) fn mark(&self) -> Vec<u8> {
        match self.count {
            1 => Vec::new(),
            _ => [self.index.to_le_bytes(), self.count.to_le_bytes()].concat(),
        }
    }

    /// Whether a group is its own.
    pub(crate) fn has(&self, correlation: u32, key: &[u8]) -> bool {
        self.ties[correlation as usize].owner(key, self.count) == self.index
    }
}

impl Correlations {
    /// Which of `count` that share the work have a group that a sighting is in: ascending, each once. They are those of
    /// [`Windows::sharing`](super::Windows::sharing) and [`Correlator::sharing`](super::Correlator::sharing).
    pub fn partitions(&self, sighting: &Sighting, count: u32, out: &mut Vec<u32>) {
        out.clear();
        let mut key = Vec::new();
        for rule in &sighting.rules {
            for input in self.inputs(*rule) {
                out.extend(self.owner(sighting, *input, count, &mut key));
            }
        }
        out.sort_unstable();
        out.dedup();
    }

    /// What is left of a sighting for one of `count` that share the work: the rules that make it a hit of the groups there, and the
    /// values that those read.
    #[must_use]
    pub fn restrict(&self, sighting: &Sighting, partition: u32, count: u32) -> Sighting {
        let mut key = Vec::new();
        let mut rules = Vec::new();
        let mut read: Vec<u32> = Vec::new();
        for rule in &sighting.rules {
            let before = read.len();
            let mut hits = false;
            for input in self.inputs(*rule) {
                if self.owner(sighting, *input, count, &mut key) == Some(partition) {
                    hits = true;
                    read.extend(self.read_by(*input));
                }
            }
            debug_assert!(hits || read.len() == before);
            rules.extend(hits.then_some(*rule));
        }
        read.sort_unstable();
        let values = sighting.values.iter();
        let values = values.filter(|(field, _)| read.binary_search(field).is_ok()).cloned();
        Sighting { rules: rules.into(), values: values.collect(), ..*sighting }
    }

    /// Whose the group is that a sighting is in as a hit of one reference; `None` if it is no hit.
    fn owner(
        &self,
        sighting: &Sighting,
        input: Input,
        count: u32,
        key: &mut Vec<u8>,
    ) -> Option<u32> {
        let node = &self.nodes[input.node as usize];
        let field = |field: u32| sighting.value(field);
        if !group_key(&node.references[input.reference as usize].group, &field, key) {
            return None;
        }
        value(node, input.reference, &field)?;
        Some(self.ties()[input.node as usize].owner(key, count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::correlation::{EventRef, compiled};
    use sigmund_sigma::{Loader, Rule, Source};
    use std::sync::Arc;

    fn set(correlations: &[&str]) -> Correlations {
        let mut text = String::new();
        for at in 0..4 {
            text += &format!(
                "title: R{at}\nname: r{at}\nlogsource:\n    category: t\ndetection:\n    s:\n        f: v{at}\n    condition: s\n---\n"
            );
        }
        let text = text + &correlations.join("---\n");
        let source = Source { name: "r.yml".into(), text: text.into() };
        let collection = Loader::default().load(&[source]);
        assert!(collection.diagnostics.is_empty(), "{:?}", collection.diagnostics);
        let rules: Vec<Arc<Rule>> = collection.rules.into_iter().map(Arc::new).collect();
        Correlations::compile(&collection.correlations, &rules, &|_| true).0
    }

    fn correlation(name: &str, rule: &str, group: &str, least: u32) -> String {
        format!(
            "title: {name}\nname: {name}\ncorrelation:\n    type: event_count\n    rules: [{rule}]\n    group-by: [{group}]\n    timespan: 1m\n    condition: {{gte: {least}}}\n"
        )
    }

    fn node<'s>(set: &'s Correlations, name: &str) -> (usize, &'s compiled::Node) {
        let of = |node: &&compiled::Node| node.rule.metadata.title == name;
        set.nodes.iter().enumerate().find(|(_, node)| of(node)).expect("it is there")
    }

    #[test]
    fn unrelated_rules_move_nothing() {
        let inner = correlation("inner", "r0", "User", 3);
        let outer = correlation("outer", "inner", "User", 2);
        let lone = correlation("lone", "r1", "", 2);
        let few = set(&[&inner, &outer, &lone]);
        for least in 1..20 {
            let more = correlation("more", "r2", "", least);
            let above = correlation("above", "more", "", least);
            let many = set(&[&above, &more, &lone, &outer, &inner]);
            for name in ["inner", "outer", "lone"] {
                let ((here, one), (there, other)) = (node(&few, name), node(&many, name));
                let (tie, other_tie) = (few.ties()[here], many.ties()[there]);
                assert_eq!(tie, other_tie, "{name}");
                assert_eq!(tie.identity(&one.hash), other_tie.identity(&other.hash));
            }
        }
    }

    #[test]
    fn a_chain_has_one_owner_and_is_another_when_its_first_changes() {
        let inner = correlation("inner", "r0", "User", 3);
        let alone = set(&[&inner]);
        assert_eq!(alone.ties(), [Tie::Values]);
        let mut firsts = std::collections::BTreeSet::new();
        for least in 1..20 {
            let outer = correlation("outer", "inner", "User", least);
            let chained = set(&[&inner, &outer]);
            assert_eq!(chained.ties()[0], chained.ties()[1]);
            let tie = chained.ties()[0];
            let hash = node(&chained, "inner").1.hash;
            assert_eq!(&hash, alone.hash(0));
            assert_ne!(tie.identity(&hash), hash, "it is not where its groups were");
            firsts.insert(tie.identity(&hash));
        }
        // Inner first, or an outer one of smaller hash.
        assert!(firsts.len() > 1);
    }

    #[test]
    fn correlations_without_groups_are_not_all_in_one_place() {
        let mut owners = std::collections::BTreeSet::new();
        for least in 1..40 {
            let set = set(&[&correlation("lone", "r1", "", least)]);
            let event = EventRef::default();
            let sighting = Sighting { time: 0, event, rules: [1].into(), values: [].into() };
            let mut out = vec![77];
            set.partitions(&sighting, 8, &mut out);
            assert_eq!(out.len(), 1);
            owners.extend(out);
        }
        assert!(owners.len() > 4, "{owners:?}");
    }

    #[test]
    fn groups_are_divided_evenly() {
        for count in [2, 8, 32, 48] {
            let mut owned = vec![0; count as usize];
            for number in 0..count * 1000 {
                let mut key = Vec::new();
                crate::correlation::key::push_text(&format!("user{number}"), &mut key);
                owned[Tie::Values.owner(&key, count) as usize] += 1;
            }
            let (least, most) = (owned.iter().min(), owned.iter().max());
            assert!(least > Some(&850) && most < Some(&1150), "{count}: {owned:?}");
        }
    }

    #[test]
    fn only_what_the_groups_there_read_is_sent() {
        let by_user = correlation("user", "r0", "User", 3);
        let by_host = correlation("host", "r0, r1", "Host", 3);
        let set = set(&[&by_user, &by_host]);
        let field = |name: &str| {
            set.fields().iter().position(|have| **have == *name).expect("it is there") as u32
        };
        let mut values: Vec<(u32, Box<str>)> =
            vec![(field("User"), "a".into()), (field("Host"), "h".into())];
        values.sort_unstable();
        let sighting = Sighting {
            time: 0,
            event: EventRef::default(),
            rules: [0, 1].into(),
            values: values.into(),
        };
        let mut out = Vec::new();
        set.partitions(&sighting, 64, &mut out);
        assert_eq!(out.len(), 2);
        let parts: Vec<Sighting> =
            out.iter().map(|partition| set.restrict(&sighting, *partition, 64)).collect();
        let (user, host) = match parts[0].value(field("User")) {
            Some(_) => (&parts[0], &parts[1]),
            None => (&parts[1], &parts[0]),
        };
        assert_eq!((&*user.rules, user.values.len()), (&[0][..], 1));
        assert_eq!((&*host.rules, host.values.len()), (&[0, 1][..], 1));
        assert!(host.value(field("Host")).is_some());
        // Without a value it is in no group.
        let bare = Sighting { values: [].into(), ..sighting };
        set.partitions(&bare, 64, &mut out);
        assert_eq!(out, [] as [u32; 0]);
    }
}
