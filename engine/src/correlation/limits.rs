//! How much state there may be, and what happened when there was more.
//!
//! What is given up is the oldest. When a limit is reached these are the groups that would expire first, with all their hits; a group that has
//! too many hits loses its oldest, and one that takes more than half of what is allowed loses the older half of its hits. What
//! remains is exact: counts are too low, never too high. All is counted, and a `state overflow` alert says so at most once for each timespan
//! of the rule, and at the end.

use super::rule::Correlations;

/// Limits, in total and for one correlation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Groups of one correlation.
    pub groups_per_rule: usize,
    /// About how much memory the state of one correlation may take.
    pub bytes_per_rule: usize,
    /// Hits that one group keeps.
    pub hits_per_group: usize,
    /// Groups of all correlations.
    pub groups: usize,
    /// Hits of all groups.
    pub hits: usize,
    /// About how much memory all state may take.
    pub bytes: usize,
    /// About how much memory the hits may take that wait for the watermark.
    pub pending_bytes: usize,
    /// About how much memory the search for early alerts may take. Groups beyond it wait for the watermark.
    pub early_bytes: usize,
    /// Alerts that a [correlator](super::Correlator) gives at once. What more there is comes with the next tick: until then its watermark goes no further.
    pub alerts_at_once: usize,
    /// Hits and groups that it decides at once.
    pub steps_at_once: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            groups_per_rule: 1_000_000,
            bytes_per_rule: 1 << 30,
            hits_per_group: 5_000_000,
            groups: 4_000_000,
            hits: 20_000_000,
            bytes: 2 << 30,
            pending_bytes: 512 << 20,
            early_bytes: 512 << 20,
            alerts_at_once: usize::MAX,
            steps_at_once: usize::MAX,
        }
    }
}

impl Limits {
    /// Those of one of several that share the work. Those of a single group stay.
    pub(crate) fn divided(self, count: usize) -> Self {
        let part = |limit: usize| (limit / count.max(1)).max(1);
        Self {
            groups_per_rule: part(self.groups_per_rule),
            bytes_per_rule: part(self.bytes_per_rule),
            groups: part(self.groups),
            hits: part(self.hits),
            bytes: part(self.bytes),
            pending_bytes: part(self.pending_bytes),
            early_bytes: part(self.early_bytes),
            ..self
        }
    }
}

/// How much state one correlation has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RuleUsage {
    /// Groups with state.
    pub groups: usize,
    /// Hits that are kept.
    pub hits: usize,
    /// About how much memory.
    pub bytes: usize,
    /// Groups that were given up.
    pub lost_groups: u64,
    /// Hits that were given up.
    pub lost_hits: u64,
    /// Of those, what no alert told of yet.
    pub(crate) untold: (u64, u64),
    /// When the next alert may tell of it.
    pub(crate) quiet_until: Option<i64>,
}

/// How much state there is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// By correlation.
    pub rules: Vec<RuleUsage>,
    /// Of all.
    pub total: RuleUsage,
    /// When there is something to tell of.
    tell_at: Option<i64>,
    /// The correlation that changed last.
    grown: Option<u32>,
}

/// What is too much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Excess {
    /// The state of one correlation.
    Of(u32),
    Total,
}

impl Usage {
    pub(crate) fn new(rules: usize) -> Self {
        Self { rules: vec![RuleUsage::default(); rules], ..Self::default() }
    }

    pub(crate) fn changed(
        &mut self,
        at: u32,
        new: bool,
        bytes: (usize, usize),
        hits: (usize, usize),
    ) {
        self.grown = Some(at);
        for usage in [&mut self.rules[at as usize], &mut self.total] {
            usage.groups += usize::from(new);
            usage.bytes = usage.bytes + bytes.1 - bytes.0;
            usage.hits = usage.hits + hits.1 - hits.0;
        }
    }

    pub(crate) fn removed(&mut self, at: u32, bytes: usize, hits: usize) {
        for usage in [&mut self.rules[at as usize], &mut self.total] {
            usage.groups -= 1;
            usage.bytes -= bytes;
            usage.hits -= hits;
        }
    }

    pub(crate) fn gave_up(&mut self, at: u32, groups: u64, hits: u64) {
        for usage in [&mut self.rules[at as usize], &mut self.total] {
            usage.lost_groups += groups;
            usage.lost_hits += hits;
            usage.untold.0 += groups;
            usage.untold.1 += hits;
        }
        let next = self.rules[at as usize].quiet_until.unwrap_or(i64::MIN);
        self.tell_at = Some(self.tell_at.map_or(next, |at| at.min(next)));
    }

    /// Takes over what was counted before.
    pub(crate) fn resume(&mut self, at: u32, before: &RuleUsage) {
        self.gave_up(at, before.lost_groups, before.lost_hits);
        let usage = &mut self.rules[at as usize];
        usage.untold = before.untold;
        usage.quiet_until = before.quiet_until;
        let next = before.quiet_until.unwrap_or(i64::MIN);
        self.tell_at = Some(self.tell_at.map_or(next, |at| at.min(next)));
    }

    /// Whether a group alone is what makes it too much.
    pub(crate) fn is_alone(excess: Excess, limits: &Limits, bytes: usize, hits: usize) -> bool {
        match excess {
            Excess::Of(_) => bytes > limits.bytes_per_rule / 2,
            Excess::Total => bytes > limits.bytes / 2 || hits > limits.hits / 2,
        }
    }

    /// Where there is too much.
    pub(crate) fn excess(&self, limits: &Limits) -> Option<Excess> {
        let total = &self.total;
        if total.groups > limits.groups || total.hits > limits.hits || total.bytes > limits.bytes {
            return Some(Excess::Total);
        }
        let crowded = self.grown.filter(|at| {
            let rule = &self.rules[*at as usize];
            rule.groups > limits.groups_per_rule || rule.bytes > limits.bytes_per_rule
        });
        crowded.map(Excess::Of)
    }

    /// Correlations that lost state of which nothing was told for a timespan: groups and hits. At the end all.
    pub(crate) fn overflows(
        &mut self,
        now: i64,
        finishing: bool,
        set: &Correlations,
    ) -> Vec<(u32, u64, u64)> {
        if self.tell_at.is_none_or(|at| now < at && !finishing) {
            return Vec::new();
        }
        self.tell_at = None;
        let mut found = Vec::new();
        for ((at, usage), node) in (0u32..).zip(&mut self.rules).zip(&set.nodes) {
            if usage.untold == (0, 0) {
                continue;
            }
            if let Some(until) = usage.quiet_until.filter(|until| now < *until && !finishing) {
                self.tell_at = Some(self.tell_at.map_or(until, |at| at.min(until)));
                continue;
            }
            usage.quiet_until = Some(now.saturating_add(node.rule.timespan.unwrap_or(i64::MAX)));
            let (groups, hits) = std::mem::take(&mut usage.untold);
            found.push((at, groups, hits));
        }
        found
    }
}
