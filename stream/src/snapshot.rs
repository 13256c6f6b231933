//! The rules in force. All lanes see a whole new set or the one before it, never something in between.

use crate::meaning::{Changes, Meanings};
use crate::reading::Reading;
use crate::rules::Rules;
use arc_swap::ArcSwap;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Rules and everything that was made of them.
#[derive(Debug)]
pub struct Snapshot {
    /// The rules.
    pub rules: Arc<Rules>,
    /// How the records of each source are read: mappings are part of the set.
    pub readings: Arc<[Arc<Reading>]>,
    /// The mappings in them.
    mappings: Arc<str>,
    /// What the rules mean.
    pub meanings: Meanings,
    /// By rule: what the correlations mean that hear of its hits, shortened.
    over: Vec<Box<[u64]>>,
    known: BTreeSet<u64>,
    /// A short name of the set, the same on all processes with the same rules.
    pub ruleset: Arc<str>,
    /// Counts up with every change.
    pub version: u64,
}

/// Where the newest rules are.
#[derive(Debug)]
pub struct Snapshots(ArcSwap<Snapshot>);

/// What a snapshot is made of.
#[derive(Debug)]
pub struct Ingredients {
    /// The rules.
    pub rules: Rules,
    /// How the records of each source are read, in the order of the configuration.
    pub readings: Vec<Reading>,
    /// The mappings within `readings`, as a text that tells them from others.
    pub mappings: String,
}

impl Snapshots {
    /// With the first rules.
    #[must_use]
    pub fn new(first: Ingredients) -> Self {
        Self(ArcSwap::from_pointee(Snapshot::new(first, 1)))
    }

    /// The newest rules. Lanes ask between transactions.
    #[must_use]
    pub fn newest(&self) -> Arc<Snapshot> {
        self.0.load_full()
    }

    /// Puts other rules in force, and says what is other about them. If they are the same as those in force, lanes are left alone.
    pub fn replace(&self, ingredients: Ingredients) -> Changes {
        let before = self.0.load();
        let mut next = Snapshot::new(ingredients, before.version + 1);
        if next.mappings == before.mappings {
            // Matchers know kinds of events by numbers that readings share: all of a lane must be of one set.
            next.readings = Arc::clone(&before.readings);
        }
        let changes = next.meanings.since(&before.meanings);
        if !changes.is_empty()
            || next.mappings != before.mappings
            || next.places() != before.places()
        {
            self.0.store(Arc::new(next));
        }
        changes
    }
}

/// Enough to tell correlations apart that somebody has at a time; state goes by the whole.
fn shortened(hash: &[u8; 16]) -> u64 {
    hash.first_chunk().map_or(0, |half| u64::from_le_bytes(*half))
}

impl Snapshot {
    fn new(Ingredients { rules, readings, mappings }: Ingredients, version: u64) -> Self {
        let meanings = Meanings::of(&rules);
        let ruleset = meanings.ruleset(&mappings).into();
        let readings = readings.into_iter().map(Arc::new).collect();
        let over = 0..u32::try_from(rules.cards.len()).unwrap_or(u32::MAX);
        let over: Vec<Box<[u64]>> = over
            .map(|rule| rules.correlations.over(rule).iter().map(shortened).collect())
            .collect();
        let known = over.iter().flatten().copied().collect();
        Self {
            rules: Arc::new(rules),
            readings,
            over,
            known,
            mappings: mappings.into(),
            meanings,
            ruleset,
            version,
        }
    }

    /// What the correlations mean, shortened, that a hit of these rules is for.
    #[must_use]
    pub fn over(&self, rules: &[u32]) -> Vec<u64> {
        let of = |rule: &u32| self.over.get(*rule as usize).into_iter().flatten().copied();
        let mut all: Vec<u64> = rules.iter().flat_map(of).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Whether there is a correlation of this meaning that hears of hits.
    #[must_use]
    pub fn knows(&self, correlation: u64) -> bool {
        self.known.contains(&correlation)
    }

    /// What the correlations mean that hear of hits, shortened.
    pub fn correlations(&self) -> impl Iterator<Item = u64> {
        self.known.iter().copied()
    }

    /// Whether the other one reads records in the same way.
    #[must_use]
    pub fn reads_like(&self, other: &Self) -> bool {
        self.mappings == other.mappings
    }

    /// Where rules are, which detections show, and where their detections go.
    fn places(&self) -> Vec<(&Arc<str>, Option<&String>)> {
        let all = self.rules.extensions();
        all.map(|(metadata, own)| (&metadata.source, own.output_topic.as_ref())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sigmund_engine::Routing;
    use sigmund_sigma::{Loader, Source};

    fn ingredients(value: &str, mappings: &str) -> Ingredients {
        let text = format!(
            "title: T\nid: a\nlogsource:\n    category: c\ndetection:\n    s:\n        f: {value}\n    condition: s\n"
        );
        let texts = [Source { name: "r.yml".into(), text: text.into() }];
        let rules = Rules::compile(&Loader::default(), &texts, &|_| true, &Routing::default());
        Ingredients { rules, readings: Vec::new(), mappings: mappings.to_owned() }
    }

    #[test]
    fn lanes_are_left_alone_when_nothing_changed() {
        let snapshots = Snapshots::new(ingredients("1", ""));
        let first = snapshots.newest();
        assert!(snapshots.replace(ingredients("1", "")).is_empty());
        assert!(Arc::ptr_eq(&first, &snapshots.newest()));
        assert_eq!(snapshots.replace(ingredients("2", "")).to_string(), "+0 -0 ~1, 0 failed");
        let second = snapshots.newest();
        assert_eq!(second.version, 2);
        assert_ne!(first.ruleset, second.ruleset);
        assert!(snapshots.replace(ingredients("2", "other")).is_empty());
        let third = snapshots.newest();
        assert!(!third.reads_like(&second));
        assert!(!Arc::ptr_eq(&second.readings, &third.readings));
        // Kinds of events keep their numbers.
        assert!(Arc::ptr_eq(&first.readings, &second.readings));
    }
}
