//! Hits at which an alert went out early, until the exact windows reach them: what was told is not told again.
//!
//! With [`Policy::Once`] a stretch of hits at which a condition holds is to be told once. The windows come to its first hit and do not
//! know yet whether a later mark lies in the same stretch: hits that would end it may still come. So the alert is owed
//! until they reach a mark in the stretch, or its end.

use super::alert::{Alert, Policy};
use super::cover::Position;
use ahash::AHashMap;
use std::collections::BTreeSet;

/// Marks of all correlations that may alert early.
#[derive(Debug)]
pub(crate) struct Marks {
    /// By correlation; `None` for those that never do.
    groups: Vec<Option<AHashMap<Box<[u8]>, Marked>>>,
    /// The groups that changed, some twice; `None` if nobody wants to know.
    touched: Option<Touched>,
}

/// Groups that changed.
type Touched = Vec<(u32, Box<[u8]>)>;

/// What was told of a group.
#[derive(Debug, Default)]
struct Marked {
    early: BTreeSet<Position>,
    owed: Option<Box<Alert>>,
    /// It is in the list of those that changed.
    touched: bool,
}

/// A group has changed.
fn touch(touched: &mut Option<Touched>, at: u32, key: &[u8], marked: &mut Marked) {
    if let Some(touched) = touched
        && !std::mem::replace(&mut marked.touched, true)
    {
        touched.push((at, key.into()));
    }
}

/// Correlation and group, the marks, and what is owed.
type GroupMarks<'m> = (u32, &'m [u8], &'m BTreeSet<Position>, Option<&'m Alert>);

/// What is known when the windows come to a hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    /// An alert went out at this hit.
    pub(crate) here: bool,
    /// One went out at a later hit: the time of the next.
    pub(crate) later: Option<i64>,
}

/// What becomes of a hit at which a condition holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Goes {
    Out,
    /// If its stretch ends without a mark.
    Owed,
    Not,
}

impl Told {
    /// Whether an alert goes out at a true evaluation; `permitted` by what the windows know, `news` if the last one was false.
    pub(crate) fn goes(self, policy: Policy, time: i64, permitted: bool, news: bool) -> Goes {
        if self.here {
            return Goes::Not;
        }
        match policy {
            Policy::Every => Goes::Out,
            Policy::Once => match self.later {
                _ if !news => Goes::Not,
                Some(_) => Goes::Owed,
                None => Goes::Out,
            },
            // One before the quiet period is over serves as well.
            Policy::Quiet(quiet) => {
                let soon = self.later.is_some_and(|later| later.saturating_sub(time) < quiet);
                if permitted && !soon { Goes::Out } else { Goes::Not }
            }
        }
    }
}

impl Marks {
    /// `early` says of each correlation whether it may alert early.
    pub(crate) fn new(early: impl Iterator<Item = bool>) -> Self {
        let groups = early.map(|early| early.then(AHashMap::new)).collect();
        Self { groups, touched: None }
    }

    /// From now on remembers which groups change, for [`Marks::touched`]; those that are there have.
    pub(crate) fn follow(&mut self) {
        let mut touched = Vec::new();
        for (at, groups) in (0u32..).zip(&mut self.groups) {
            for (key, marked) in groups.iter_mut().flatten() {
                marked.touched = true;
                touched.push((at, key.clone()));
            }
        }
        self.touched = Some(touched);
    }

    /// The groups that changed since the last call, in no order and some twice.
    pub(crate) fn touched(&mut self) -> Touched {
        let touched = self.touched.as_mut().map(std::mem::take).unwrap_or_default();
        for (at, key) in &touched {
            let groups = self.groups.get_mut(*at as usize).and_then(Option::as_mut);
            if let Some(marked) = groups.and_then(|groups| groups.get_mut(key)) {
                marked.touched = false;
            }
        }
        touched
    }

    /// The groups, in no order.
    pub(crate) fn keys(&self) -> impl Iterator<Item = (u32, &[u8])> {
        let groups = (0u32..).zip(&self.groups);
        groups.flat_map(|(at, groups)| groups.iter().flatten().map(move |(key, _)| (at, &**key)))
    }

    /// What is known of a group.
    pub(crate) fn of(&self, at: u32, key: &[u8]) -> Option<(&BTreeSet<Position>, Option<&Alert>)> {
        let marked = self.groups[at as usize].as_ref()?.get(key)?;
        Some((&marked.early, marked.owed.as_deref()))
    }

    /// An alert went out early.
    pub(crate) fn mark(&mut self, at: u32, key: &[u8], hit: Position) {
        let Some(groups) = &mut self.groups[at as usize] else { return };
        let marked = match groups.get_mut(key) {
            Some(marked) => marked,
            None => groups.entry(key.into()).or_default(),
        };
        marked.early.insert(hit);
        touch(&mut self.touched, at, key, marked);
    }

    /// The marks next to a position: their times.
    pub(crate) fn around(&self, at: u32, key: &[u8], hit: Position) -> (Option<i64>, Option<i64>) {
        let marked = self.groups[at as usize].as_ref().and_then(|groups| groups.get(key));
        marked.map_or((None, None), |marked| {
            let before = marked.early.range(..hit).next_back().map(|mark| mark.time);
            (before, marked.early.range(hit..).next().map(|mark| mark.time))
        })
    }

    /// The windows come to a hit. `None` if the correlation never alerts early.
    pub(crate) fn pass(&mut self, at: u32, key: &[u8], hit: Position) -> Option<Told> {
        let groups = self.groups[at as usize].as_mut()?;
        let mut told = Told { here: false, later: None };
        let Some(marked) = groups.get_mut(key) else { return Some(told) };
        while let Some(first) = marked.early.first()
            && *first <= hit
        {
            told.here |= *first == hit;
            marked.early.pop_first();
            touch(&mut self.touched, at, key, marked);
        }
        told.later = marked.early.first().map(|mark| mark.time);
        if marked.early.is_empty() && marked.owed.is_none() {
            groups.remove(key);
        }
        Some(told)
    }

    /// The alert of a stretch that may yet have been told.
    pub(crate) fn owe(&mut self, at: u32, key: &[u8], alert: Alert) {
        let Some(groups) = &mut self.groups[at as usize] else { return };
        let marked = groups.entry(key.into()).or_default();
        marked.owed = Some(Box::new(alert));
        touch(&mut self.touched, at, key, marked);
    }

    /// The stretch goes on: what is owed if no mark can come any more.
    pub(crate) fn goes_on(&mut self, at: u32, key: &[u8], told: Told) -> Option<Alert> {
        if told.here {
            self.ended(at, key);
            return None;
        }
        if told.later.is_some() {
            return None;
        }
        self.ended(at, key)
    }

    /// The stretch has ended: what is owed.
    pub(crate) fn ended(&mut self, at: u32, key: &[u8]) -> Option<Alert> {
        let groups = self.groups[at as usize].as_mut()?;
        let marked = groups.get_mut(key)?;
        let owed = marked.owed.take();
        if owed.is_some() || marked.early.is_empty() {
            touch(&mut self.touched, at, key, marked);
        }
        if marked.early.is_empty() {
            groups.remove(key);
        }
        owed.map(|alert| *alert)
    }

    /// All of them, by correlation and group.
    pub(crate) fn all(&self) -> Vec<GroupMarks<'_>> {
        let groups =
            (0u32..).zip(&self.groups).filter_map(|(at, groups)| Some((at, groups.as_ref()?)));
        let mut all: Vec<_> = groups
            .flat_map(|(at, groups)| {
                groups
                    .iter()
                    .map(move |(key, marked)| (at, &**key, &marked.early, marked.owed.as_deref()))
            })
            .collect();
        all.sort_unstable_by_key(|(at, key, ..)| (*at, *key));
        all
    }

    /// Whether there are none.
    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.groups.iter().flatten().all(|groups| groups.is_empty())
    }
}
