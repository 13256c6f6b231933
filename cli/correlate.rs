//! The correlations of a hunt: hits are put in order of time in bounded memory, and windows run over them when the input is over.

use crate::encode::{AlertView, Buffer, Contribution, HOST_FIELDS, Hit, Subject, field};
use crate::evidence::{Kept, Spool};
use crate::scan::{Found, Hunt};
use crate::timeline::Timeline;
use sigmund_engine::correlation::{Alert, Entry, Limits, Policy, Sighting, Windows};
use sigmund_engine::{Event, Object, Route, Routing};
use std::cell::OnceCell;
use std::io;
use std::sync::Arc;

/// Hits that wait for the end of the input.
pub(crate) struct Correlating {
    windows: Windows,
    order: Timeline,
    spool: Spool,
    /// The largest time of an event.
    latest: Option<i64>,
    /// Hits.
    pub(crate) hits: u64,
    /// Hits in events without a time.
    pub(crate) untimed: u64,
    text: Vec<u8>,
}

/// Gets encoded alerts.
type EachAlert<'a> = dyn FnMut(&mut Buffer) -> io::Result<()> + 'a;

impl Correlating {
    /// `None` without correlations.
    pub(crate) fn new(hunt: &Hunt, policy: Policy) -> Option<Self> {
        let correlations = &hunt.rules.correlations;
        (!correlations.is_empty()).then(|| Self {
            windows: Windows::new(Arc::clone(correlations), policy, Limits::default()),
            order: Timeline::new("sorting the hits of correlations"),
            spool: Spool::new(),
            latest: None,
            hits: 0,
            untimed: 0,
            text: Vec::new(),
        })
    }

    /// Takes the hits of a part of the input, `base` records of which came before.
    pub(crate) fn take(&mut self, base: u64, found: &mut Found) -> io::Result<()> {
        self.latest = self.latest.max(found.latest.take());
        self.untimed += std::mem::take(&mut found.untimed);
        for evidence in found.evidence.drain(..) {
            let sighting = self.spool.keep(evidence, base)?;
            self.text.clear();
            sighting.write(&mut self.text);
            self.order.push(Some(sighting.time), &self.text)?;
            self.hits += 1;
        }
        Ok(())
    }

    /// The input is over.
    pub(crate) fn finish(self, hunt: &Hunt, each: &mut EachAlert<'_>) -> io::Result<()> {
        let Self { mut windows, order, mut spool, latest, .. } = self;
        let mut alerts = Vec::new();
        let mut write = |alerts: &mut Vec<Alert>| -> io::Result<()> {
            if alerts.is_empty() {
                return Ok(());
            }
            let mut buffer = Buffer::default();
            for alert in alerts.drain(..).filter(|alert| hunt.is_within(Some(alert.time))) {
                encode(hunt, &alert, &mut spool, &mut buffer)?;
            }
            each(&mut buffer)
        };
        order.finish(&mut |mut bytes| {
            // It is read as it was written, or the file is broken.
            let Some(sighting) = Sighting::read(&mut bytes) else {
                return Err(io::Error::other("the sorted hits of correlations are damaged"));
            };
            windows.process(&sighting, &mut alerts);
            write(&mut alerts)
        })?;
        windows.finish(latest.unwrap_or(i64::MIN), &mut alerts);
        write(&mut alerts)
    }
}

/// Encodes an alert with the events behind it.
fn encode(hunt: &Hunt, alert: &Alert, spool: &mut Spool, out: &mut Buffer) -> io::Result<()> {
    let rules = &hunt.rules;
    let card = &rules.alert_cards[alert.correlation as usize];
    let mut contribution = |entry: &Entry| {
        let Kept { path, record, raw, route, .. } = spool.get(entry.event.record)?;
        let all = 0..card.correlation.rules.len();
        let rules = all.filter(|rule| entry.rules >> (*rule).min(31) & 1 == 1).collect();
        io::Result::Ok(Contribution { time: entry.time, path, record, raw, route, rules })
    };
    let events = alert.events.iter().map(&mut contribution).collect::<io::Result<Vec<_>>>()?;
    let view = AlertView { alert, card, events };
    let index = (rules.cards.len() + alert.correlation as usize) as u32;
    let caused = match view.events.is_empty() {
        false => Some(spool.get(alert.trigger.record)?),
        true => None,
    };
    let (event, path, record) = match &caused {
        Some(caused) => (caused.event(), &*caused.path, caused.record),
        None => (no_event(), "", 0),
    };
    let event = &event;
    let Some(encoder) = &hunt.encoder else {
        out.count(Some(alert.time), index, field(event, HOST_FIELDS));
        return Ok(());
    };
    let hit = Hit {
        rule: Subject::Correlation(card),
        alert: Some(&view),
        event,
        digest: &OnceCell::new(),
        json: &OnceCell::new(),
        matched: &view.matched(),
        path,
        record,
    };
    encoder.detection(&hit, index, out);
    Ok(())
}

/// What stands where there is no event.
fn no_event() -> Event {
    let route: Arc<Route> =
        Routing::default().route("none", Vec::new(), None, &Arc::default(), &|_| None);
    Event {
        raw: Arc::from(&b""[..]),
        object: Object::default(),
        lifted: Object::default(),
        keywords_in_raw: true,
        route,
        time: None,
    }
}
