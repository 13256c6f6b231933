//! One event after the other through all rules.

use crate::encode::{EventView, Hit};
use crate::evidence::Evidence;
use crate::rules::Rules;
use crate::sighting::Sightings;
use sigmund_engine::correlation::EventRef;
use sigmund_engine::oracle::Lookup;
use sigmund_engine::{Event, Matcher, Occurrence, Partial, Recall, Record, Reread};
use sigmund_parsers::{Again, Framed};
use std::sync::Arc;

/// Matches events. Its buffers and memories are its own; threads share the rules only.
pub struct Detector {
    rules: Arc<Rules>,
    matcher: Matcher,
    sightings: Sightings,
    recall: Recall,
    /// What the last event hit.
    hits: Vec<u32>,
}

/// What rules matched in an event.
#[derive(Debug)]
pub struct Seen {
    /// The hit for correlations, where one uses the rules.
    pub evidence: Option<Evidence>,
    /// Correlations would use the hit if they knew when the event happened.
    pub untimed: bool,
    /// A rule whose detections go out is among those that matched: [`Detector::hits`] makes them.
    pub reports: bool,
    /// The whole event, if it had to be read.
    whole: Option<Event>,
}

impl Seen {
    /// Shows the event, which was read from this record; the whole of it is read if somebody asks.
    pub fn show(self, framed: &mut Framed<'_>, show: &mut dyn FnMut(&dyn Occurrence)) {
        let (bytes, time) = (framed.bytes, framed.time());
        let (record, again) = framed.again();
        let mut read = Known { event: self.whole, again };
        if let Some(event) = Partial::new(bytes, record, time, &mut read) {
            show(&event);
        }
    }
}

/// An event that may have been read in full before.
struct Known<'a> {
    event: Option<Event>,
    again: Again<'a>,
}

impl Reread for Known<'_> {
    fn event(&mut self) -> Event {
        self.event.take().unwrap_or_else(|| self.again.event())
    }

    fn fields(&mut self, show: &mut dyn FnMut(&[u8], &Record)) -> Option<Event> {
        self.event.take().or_else(|| self.again.fields(show))
    }
}

impl Detector {
    /// With empty memories.
    #[must_use]
    pub fn new(rules: Arc<Rules>) -> Self {
        let matcher = Matcher::new(Arc::clone(&rules.set));
        let sightings = Sightings::new(&rules);
        Self { rules, matcher, sightings, recall: Recall::default(), hits: Vec::new() }
    }

    /// The rules.
    #[must_use]
    pub fn rules(&self) -> &Arc<Rules> {
        &self.rules
    }

    /// What rules match in a framed event, which was at `place` in `path`; `None` if there is none.
    ///
    /// Nothing is allocated for an event that no rule matches.
    pub fn record(
        &mut self,
        framed: &mut Framed<'_>,
        path: &Arc<str>,
        place: EventRef,
    ) -> Option<Seen> {
        let bytes = framed.bytes;
        let (record, mut whole) = framed.parts();
        self.matcher.matches(bytes, record, &mut whole, &mut self.hits);
        if self.hits.is_empty() {
            return None;
        }
        let mut event = self.matcher.take_event();
        let mut seen = Seen { evidence: None, untimed: false, reports: false, whole: None };
        if self.sightings.wants(&self.hits) {
            match record.time {
                Some(time) => {
                    let (matcher, read) = (&mut self.matcher, (bytes, record));
                    let sighting =
                        self.sightings.make(&self.hits, matcher, read, time.nanos, place);
                    let mut whole = || event.get_or_insert_with(&mut whole).clone();
                    seen.evidence = sighting.and_then(|sighting| {
                        Evidence::new(sighting, path, bytes, record, &mut whole)
                    });
                }
                None => seen.untimed = true,
            }
        }
        seen.reports = self.reporting().next().is_some();
        seen.whole = event;
        Some(seen)
    }

    /// The rules that the last event hit and whose detections go out.
    pub fn reporting(&self) -> impl Iterator<Item = u32> {
        reporting(&self.rules, &self.hits)
    }

    /// Gives the detections of the last event, which [`record`](Self::record) gave, with the indices of their rules.
    pub fn hits(&mut self, event: &EventView<'_>, each: &mut dyn FnMut(u32, &Hit<'_>)) {
        let Self { rules, recall, hits, .. } = self;
        let lookup = Lookup::new(event.event());
        for rule in reporting(rules, hits) {
            let card = &rules.cards[rule as usize];
            let recalled = recall.matched(rule, &card.rule, &lookup);
            each(rule, &Hit::of_rule(card, event, recalled.matched).written(recalled.written));
        }
    }
}

/// Of the rules that matched those whose detections go out.
fn reporting(rules: &Rules, hits: &[u32]) -> impl Iterator<Item = u32> {
    let all = || hits.iter().copied().filter(|rule| rules.reports[*rule as usize]);
    let (first, all) = match rules.first_match {
        true => (all().min_by_key(|rule| rules.ranks[*rule as usize]), None),
        false => (None, Some(all())),
    };
    first.into_iter().chain(all.into_iter().flatten())
}
