//! Correlations that hits are for and that this process does not have: it may get them soon, when rules change in one process after the other.

use crate::snapshot::Snapshot;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// When a stranger came first and last.
#[derive(Clone, Copy, Debug)]
struct Visits {
    first: Instant,
    last: Instant,
    /// That it is not waited for any more was told.
    told: bool,
}

/// Strangers, by what they mean.
#[derive(Debug)]
pub(super) struct Strangers {
    patience: Duration,
    seen: BTreeMap<u64, Visits>,
    /// Those that were here before, and when they went: nobody waits for them to come back.
    gone: BTreeMap<u64, Instant>,
}

/// What is to become of a hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// Its correlations are here.
    Known,
    /// It waits.
    Waits,
    /// It is dropped for some of them, which is to be told if it is news.
    Dropped { is_news: bool },
}

/// A stranger that was not seen for so long is forgotten: it is new when it comes again.
const MEMORY: Duration = Duration::from_secs(600);

impl Strangers {
    pub(super) fn new(patience: Duration) -> Self {
        Self { patience, seen: BTreeMap::new(), gone: BTreeMap::new() }
    }

    /// What is to become of a hit for these correlations.
    pub(super) fn fate(&mut self, all: &[u64], snapshot: &Snapshot, now: Instant) -> Fate {
        let mut fate = Fate::Known;
        for &stranger in all.iter().filter(|one| !snapshot.knows(**one)) {
            if self.gone.contains_key(&stranger) {
                if fate == Fate::Known {
                    fate = Fate::Dropped { is_news: false };
                }
                continue;
            }
            let visits = Visits { first: now, last: now, told: false };
            let visits = self.seen.entry(stranger).or_insert(visits);
            visits.last = now;
            if now.saturating_duration_since(visits.first) < self.patience {
                return Fate::Waits;
            }
            let is_news = !std::mem::replace(&mut visits.told, true);
            fate = match fate {
                Fate::Dropped { is_news: other } => Fate::Dropped { is_news: is_news || other },
                _ => Fate::Dropped { is_news },
            };
        }
        fate
    }

    /// Whether a hit for these correlations need not wait any more.
    pub(super) fn may_go(&self, all: &[u64], snapshot: &Snapshot, now: Instant) -> bool {
        all.iter().all(|one| {
            snapshot.knows(*one)
                || self.gone.contains_key(one)
                || self.seen.get(one).is_none_or(|visits| {
                    now.saturating_duration_since(visits.first) >= self.patience
                })
        })
    }

    /// Other rules are in force now.
    pub(super) fn changed(&mut self, before: &Snapshot, after: &Snapshot, now: Instant) {
        let known: BTreeSet<u64> = before.correlations().collect();
        self.gone.extend(known.into_iter().filter(|one| !after.knows(*one)).map(|one| (one, now)));
        self.gone.retain(|one, since| {
            !after.knows(*one) && now.saturating_duration_since(*since) < MEMORY
        });
        self.seen.retain(|one, visits| {
            !after.knows(*one) && now.saturating_duration_since(visits.last) < MEMORY
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::Rules;
    use crate::snapshot::{Ingredients, Snapshots};
    use sigmund_engine::Routing;
    use sigmund_sigma::{Loader, Source};

    /// With a count of at least so many.
    fn snapshot(least: &[u32]) -> std::sync::Arc<Snapshot> {
        let mut text = "title: T\nname: t\nlogsource:\n    category: c\ndetection:\n    s:\n        f: 1\n    condition: s\n".to_owned();
        for least in least {
            text += &format!(
                "---\ntitle: C{least}\ncorrelation:\n    type: event_count\n    rules: [t]\n    timespan: 1h\n    condition:\n        gte: {least}\n"
            );
        }
        let texts = [Source { name: "r.yml".into(), text: text.into() }];
        let rules = Rules::compile(&Loader::default(), &texts, &|_| true, &Routing::default());
        let ingredients = Ingredients { rules, readings: Vec::new(), mappings: String::new() };
        Snapshots::new(ingredients).newest()
    }

    #[test]
    fn hits_wait_for_rules_that_may_come_and_not_for_those_that_went() {
        let (old, new) = (snapshot(&[2]), snapshot(&[2, 3]));
        let all = new.over(&[0]);
        assert_eq!((all.len(), old.over(&[0]).len()), (2, 1));
        let begin = Instant::now();
        let at = |seconds: u64| begin + Duration::from_secs(seconds);
        let mut strangers = Strangers::new(Duration::from_secs(60));
        assert_eq!(strangers.fate(&old.over(&[0]), &old, at(0)), Fate::Known);
        assert_eq!(strangers.fate(&all, &old, at(0)), Fate::Waits);
        assert!(!strangers.may_go(&all, &old, at(59)) && strangers.may_go(&all, &new, at(59)));
        assert!(strangers.may_go(&all, &old, at(60)));
        assert_eq!(strangers.fate(&all, &old, at(60)), Fate::Dropped { is_news: true });
        assert_eq!(strangers.fate(&all, &old, at(61)), Fate::Dropped { is_news: false });
        // They come, and go.
        strangers.changed(&old, &new, at(100));
        assert_eq!(strangers.fate(&all, &new, at(100)), Fate::Known);
        strangers.changed(&new, &old, at(200));
        assert_eq!(strangers.fate(&all, &old, at(200)), Fate::Dropped { is_news: false });
        assert!(strangers.may_go(&all, &old, at(200)));
        // It was long ago: perhaps they come again.
        strangers.changed(&old, &old, at(900));
        assert_eq!(strangers.fate(&all, &old, at(900)), Fate::Waits);
    }
}
