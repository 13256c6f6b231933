//! The correlations of a hunt.
//!
//! Usually all hits are put in order of time first, in bounded memory, and windows run over them when the input is over: nothing comes too
//! late, whatever the order of the logs. With a bound of lateness alerts go out while the input is read.

mod sorted;

use crate::evidence::{Kept, Spool};
use crate::scan::{Found, Hunt, Origin};
use crate::timeline::Timeline;
use sigmund_engine::correlation::{
    self as correlator, Alert, Correlator, Emit, Entry, Late, Lateness, Limits, Output, Patience,
    Policy,
};
use sigmund_stream::encode::{
    AlertView, Buffer, Contribution, EventView, HOST_FIELDS, Hit, field, json, no_event, rfc3339,
};
use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::sync::Arc;

/// How the correlations of a hunt work.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) policy: Policy,
    pub(crate) emit: Emit,
    /// `None`: everything is put in order first.
    pub(crate) max_lateness: Option<i64>,
    pub(crate) threads: usize,
    pub(crate) limits: Limits,
    /// There are so many hits that the groups are worth dividing.
    pub(crate) is_divided: bool,
}

/// Limits with so many bytes in total, of which one correlation may have half.
pub(crate) fn limits(bytes: Option<usize>) -> Limits {
    let all = Limits::default();
    match bytes {
        Some(bytes) => Limits {
            bytes,
            bytes_per_rule: (bytes / 2).max(1),
            pending_bytes: bytes.min(all.pending_bytes),
            early_bytes: bytes.min(all.early_bytes),
            ..all
        },
        None => all,
    }
}

impl Options {
    /// Whether alerts may go out before the end of the input.
    pub(crate) fn is_live(&self) -> bool {
        self.max_lateness.is_some() || self.emit == Emit::Early
    }
}

/// The hits of a hunt on their way through windows.
pub(crate) struct Correlating {
    way: Way,
    spool: Spool,
    /// The largest time of an event.
    latest: Option<i64>,
    pub(crate) told: Told,
    hits: u64,
    text: Vec<u8>,
}

/// What there is to say when the hunt is over.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Told {
    /// Hits in events without a time.
    pub(crate) untimed: u64,
    /// Hits that came later than was waited for.
    pub(crate) late: u64,
}

enum Way {
    /// All hits first, then the windows.
    Sorted { options: Options, order: Timeline },
    /// As they come.
    Live { correlator: Box<Correlator>, late: Option<LateFile> },
}

/// Fewer hits than this are not worth further threads.
const WORTH_THREADS: u64 = 20_000;

/// Where late hits are written.
pub(crate) type LateFile = BufWriter<File>;

/// Gets encoded alerts.
type EachAlert<'a> = dyn FnMut(&mut Buffer) -> io::Result<()> + 'a;

impl Correlating {
    /// `None` without correlations. `logs` is the number of logs; late hits go to `late`.
    pub(crate) fn new(
        hunt: &Hunt,
        options: &Options,
        logs: usize,
        late: Option<LateFile>,
    ) -> Option<Self> {
        let correlations = &hunt.rules.correlations;
        if correlations.is_empty() {
            return None;
        }
        let set = Arc::clone(correlations);
        let way = match options.max_lateness {
            None if !options.is_live() => Way::Sorted {
                options: options.clone(),
                order: Timeline::new("sorting the hits of correlations"),
            },
            max_lateness => {
                let (max_lateness, emit) = (max_lateness.unwrap_or(i64::MAX), options.emit);
                // Logs are read one after the other, so a pause says nothing.
                let patience = Patience { max_lateness, idle_timeout: None, ..Patience::default() };
                let options_of_correlator = correlator::Options { patience, emit };
                let mut correlator =
                    Correlator::new(set, options.policy, options.limits, options_of_correlator);
                (0..logs).for_each(|log| correlator.register(log as u32));
                Way::Live { correlator: Box::new(correlator), late }
            }
        };
        let (spool, text) = (Spool::new(), Vec::new());
        Some(Self { way, spool, latest: None, told: Told::default(), hits: 0, text })
    }

    /// Takes the hits of a part of the input.
    pub(crate) fn take(
        &mut self,
        hunt: &Hunt,
        origin: Origin,
        found: &mut Found,
        each: &mut EachAlert<'_>,
    ) -> io::Result<()> {
        self.latest = self.latest.max(found.latest.take());
        self.told.untimed += std::mem::take(&mut found.untimed);
        let mut output = Output::default();
        for mut evidence in found.evidence.drain(..) {
            evidence.sighting.event.source = origin.input as u32;
            let sighting = self.spool.keep(evidence, origin.base)?;
            self.hits += 1;
            match &mut self.way {
                Way::Sorted { order, .. } => {
                    self.text.clear();
                    sighting.write(&mut self.text);
                    order.push(Some(sighting.time), &self.text)?;
                }
                Way::Live { correlator, .. } => correlator.process(sighting, &mut output),
            }
        }
        if let Way::Live { correlator, .. } = &mut self.way {
            let source = origin.input as u32;
            for time in found.times.drain(..) {
                correlator.advance(source, time, &mut output);
            }
            if origin.ends {
                correlator.finish_source(source, &mut output);
            }
            self.hand_on(hunt, &mut output, each)?;
        }
        Ok(())
    }

    /// Encodes alerts and writes late hits.
    fn hand_on(
        &mut self,
        hunt: &Hunt,
        output: &mut Output,
        each: &mut EachAlert<'_>,
    ) -> io::Result<()> {
        self.told.late += output.late.len() as u64;
        if let Way::Live { late: Some(file), .. } = &mut self.way {
            for late in &output.late {
                write_late(hunt, late, &mut self.spool, file)?;
            }
        }
        output.late.clear();
        if output.alerts.is_empty() {
            return Ok(());
        }
        let mut buffer = Buffer::default();
        for alert in output.alerts.drain(..).filter(|alert| hunt.is_within(Some(alert.time))) {
            encode(hunt, &alert, &mut self.spool, &mut buffer)?;
        }
        each(&mut buffer)
    }

    /// The input is over.
    pub(crate) fn finish(mut self, hunt: &Hunt, each: &mut EachAlert<'_>) -> io::Result<Told> {
        let end = self.latest.unwrap_or(i64::MIN);
        let mut output = Output::default();
        if let Way::Live { correlator, .. } = &mut self.way {
            correlator.finish(end, &mut output);
        } else if let Way::Sorted { options, order } = &mut self.way {
            let order = std::mem::replace(order, Timeline::new("nothing"));
            let mut options = options.clone();
            options.is_divided = self.hits >= WORTH_THREADS;
            sorted::run(&hunt.rules.correlations, &options, order, end, &mut |alerts| {
                output.alerts.append(alerts);
                self.hand_on(hunt, &mut output, each)
            })?;
        }
        self.hand_on(hunt, &mut output, each)?;
        if let Way::Live { late: Some(file), .. } = &mut self.way {
            file.flush()?;
        }
        Ok(self.told)
    }
}

/// One object per line: what the hit was, and how late it came.
fn write_late(hunt: &Hunt, late: &Late, spool: &mut Spool, out: &mut LateFile) -> io::Result<()> {
    let kept = spool.get(late.sighting.event.record)?;
    let mut text = vec![b'{'];
    json::text("time", &rfc3339(late.sighting.time), &mut text);
    match late.lateness {
        Lateness::Behind(nanos) => {
            json::key("seconds_late", &mut text);
            text.extend_from_slice((nanos as f64 / 1e9).to_string().as_bytes());
        }
        Lateness::Ahead => json::text("reason", "further ahead than is credible", &mut text),
    }
    json::key("source", &mut text);
    text.push(b'{');
    json::text("path", &kept.path, &mut text);
    json::key("record", &mut text);
    text.extend_from_slice(kept.record.to_string().as_bytes());
    text.push(b'}');
    let titles = late.sighting.rules.iter().map(|rule| hunt.rules.cards[*rule as usize].title());
    json::texts("rules", titles, &mut text);
    json::key("event", &mut text);
    json::record(&kept.raw, &mut text);
    text.extend_from_slice(b"}\n");
    out.write_all(&text)
}

/// Encodes an alert with the events behind it.
fn encode(hunt: &Hunt, alert: &Alert, spool: &mut Spool, out: &mut Buffer) -> io::Result<()> {
    let rules = &hunt.rules;
    let card = &rules.alert_cards[alert.correlation as usize];
    let mut contribution = |entry: &Entry| {
        let Kept { path, record, raw, route, .. } = spool.get(entry.event.record)?;
        let rules = card.rules_of(entry);
        io::Result::Ok(Contribution { time: entry.time, path, record, raw, route, rules })
    };
    let events = alert.events.iter().map(&mut contribution).collect::<io::Result<Vec<_>>>()?;
    let view = AlertView { alert, card, events };
    let index = rules.index_of_alert(alert);
    let caused = match view.events.is_empty() {
        false => Some(spool.get(alert.trigger.record)?),
        true => None,
    };
    let (event, path, record) = match &caused {
        Some(caused) => (caused.event(), &*caused.path, caused.record),
        None => (no_event(), "", 0),
    };
    let Some(encoder) = &hunt.encoder else {
        out.count(Some(alert.time), index, field(&event, HOST_FIELDS));
        return Ok(());
    };
    let (event, matched) = (EventView::new(&event, path, record), view.matched());
    encoder.detection(&Hit::of_alert(&view, &event, &matched), index, out);
    Ok(())
}
