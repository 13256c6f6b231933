//! Who of several that share the work has a group.

use super::rule::Correlations;

/// The part of one of them.
#[derive(Clone, Debug)]
pub(crate) struct Share {
    index: u32,
    count: u32,
    /// By correlation: whose it is as a whole, because its groups meet in correlations above or below it.
    whole: Vec<Option<u32>>,
}

impl Share {
    pub(crate) fn new(set: &Correlations, index: u32, count: u32) -> Self {
        let count = count.max(1);
        // Correlations that hear of each other have the number of one of them.
        let mut tied: Vec<usize> = (0..set.nodes.len()).collect();
        fn first(tied: &[usize], mut at: usize) -> usize {
            while tied[at] != at {
                at = tied[at];
            }
            at
        }
        let mut chained = vec![false; set.nodes.len()];
        for (at, node) in set.nodes.iter().enumerate() {
            for input in &node.outer {
                let outer = input.node as usize;
                chained[at] = true;
                chained[outer] = true;
                let (one, other) = (first(&tied, at), first(&tied, outer));
                tied[one.max(other)] = one.min(other);
            }
        }
        let whole = (0..tied.len())
            .map(|at| chained[at].then(|| first(&tied, at) as u32 % count))
            .collect();
        Self { index, count, whole }
    }

    /// Whether a group is its own.
    pub(crate) fn has(&self, correlation: u32, key: &[u8]) -> bool {
        let owner = self.whole[correlation as usize].unwrap_or_else(|| {
            // FNV-1a: the same in every run, so that limits are reached by the same groups.
            let hash = key.iter().fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| {
                (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01B3)
            });
            ((hash >> 32) as u32) % self.count
        });
        owner == self.index
    }
}
