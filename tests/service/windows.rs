//! What windows hold: those of the service, as they are in its changelog, and those of one engine that is given all events in a row.

use super::running::{Application, Waiting};
use crate::kafka::broker::Broker;
use crate::kafka::client::Record;
use sigmund_engine::correlation::{Correlator, Emit, EventRef, Holder, Limits, Output};
use sigmund_stream::config::{Config, Delivery, Layers};
use sigmund_stream::correlate;
use sigmund_stream::detect::Detector;
use sigmund_stream::loading::Loading;
use sigmund_stream::plan::Plan;
use sigmund_stream::rules::Rules;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Each group with its hits, times and values, and each hit that waits for earlier ones; as text, without the places of events.
pub(super) type Held = BTreeSet<String>;

/// A configuration, read as the service reads it.
pub(super) struct Reference {
    config: Config,
    plan: Plan,
    loading: Loading,
    rules: Arc<Rules>,
}

impl Reference {
    /// With the rules that are there now.
    pub(super) fn new(config: &Path) -> Self {
        let loaded = Config::load(&Layers::none().with_file(config)).expect("a configuration");
        let config = loaded.config;
        let loading = Loading::new(&config.rules, &[]).expect("rules");
        let rules = Arc::new(loading.load(None).rules);
        let plan = Plan::new(&config).expect("a plan");
        Self { config, plan, loading, rules }
    }

    fn held(&self, correlator: &Correlator) -> Held {
        let mut held = Held::new();
        for holding in correlator.holdings() {
            let title = match holding.holder {
                Holder::Window(at) => {
                    let rule = self.rules.correlations.rules().nth(at as usize);
                    &rule.expect("a correlation").metadata.title
                }
                Holder::Rule(rule) => &self.rules.cards[rule as usize].rule.metadata.title,
            };
            if super::chaos::is_compared(title) {
                let mut text = format!("{title} {:?}: {}", holding.group, holding.text);
                // Early alerts are told when enough hits are there, in whatever order they come.
                if self.plan.options.emit == Emit::Early
                    && let Some((before, after)) = text.split_once(" alerted ")
                {
                    let after = after.trim_start_matches(|c: char| c.is_ascii_digit());
                    text = format!("{before}{after}");
                }
                assert!(held.insert(text.clone()), "it is there twice: {text}");
            }
        }
        held
    }

    /// Of one engine on one thread that is given all events in the order in which they were written, when it has come as far as an
    /// event at the end: with its watermark, and how many alerts it had made.
    pub(super) fn alone(&self, events: &[String], end: &str) -> (i64, Held, usize) {
        let topic = "raw".into();
        let reading = self.loading.reading(&self.config.sources[0]).expect("how it is read");
        let inlet = self.plan.inlet(&topic, &[Arc::new(reading)]);
        let mut stream = inlet.open(end.as_bytes(), 0);
        let mut detector = Detector::new(Arc::clone(&self.rules));
        let mut record = self.rules.record();
        let set = Arc::clone(&self.rules.correlations);
        // Nobody asks it to go on.
        let limits =
            Limits { alerts_at_once: usize::MAX, steps_at_once: usize::MAX, ..self.plan.limits };
        let mut correlator = Correlator::new(set, self.plan.policy, limits, self.plan.options);
        let mut output = Output::default();
        for (event, number) in events.iter().map(String::as_str).chain([end]).zip(0..) {
            stream.message(event.as_bytes(), &mut record, &mut |mut framed| {
                let time = framed.record.time.as_ref().expect("a time").nanos;
                let place = EventRef { source: 0, record: number };
                let seen = detector.record(&mut framed, &topic, place);
                match seen.and_then(|seen| seen.evidence) {
                    Some(evidence) => correlator.process(evidence.sighting, &mut output),
                    None => correlator.advance(0, time, &mut output),
                }
            });
        }
        assert!(output.late.is_empty() && !correlator.is_behind(), "{:?}", output.late.first());
        let watermark = correlator.watermark().expect("a watermark");
        (watermark, self.held(&correlator), output.alerts.len())
    }

    /// Of the service, once the changelogs of all partitions say that they have come to this watermark.
    pub(super) fn of_service(
        &self,
        broker: &Broker,
        application: &Application,
        watermark: i64,
        patience: Duration,
        meanwhile: &mut dyn FnMut(),
    ) -> Held {
        let mut waiting = Waiting::new(patience);
        loop {
            meanwhile();
            let found = self.restored(broker, application);
            let reached: Vec<Option<i64>> = found.iter().map(Correlator::watermark).collect();
            if found.len() == self.plan.partitions as usize
                && reached.iter().all(|reached| *reached == Some(watermark))
            {
                let mut all = Held::new();
                for correlator in &found {
                    let mut own = self.held(correlator);
                    // A hit is sent to all partitions with groups that it belongs to, and waits in each.
                    let twice: Vec<&String> =
                        own.intersection(&all).filter(|text| !text.contains(WAITS)).collect();
                    assert!(twice.is_empty(), "in two partitions: {twice:?}");
                    all.append(&mut own);
                }
                return all;
            }
            assert!(!waiting.is_over(), "watermarks are {reached:?} and not {watermark}");
            std::thread::sleep(Duration::from_secs(1));
        }
    }

    fn restored(&self, broker: &Broker, application: &Application) -> Vec<Correlator> {
        let state = broker.consume_committed(&application.topic("state"));
        let hits = broker.consume_committed(&application.topic("sightings"));
        let exactly_once = self.config.delivery == Delivery::ExactlyOnce;
        let of = |records: &[Record], partition: u32| {
            let own = i32::try_from(partition).ok();
            records.iter().filter(|record| record.partition == own).cloned().collect::<Vec<_>>()
        };
        let correlators = (0..self.plan.partitions).filter_map(|partition| {
            let changelog = of(&state, partition).into_iter();
            let changelog = changelog.map(|record| (record.key.unwrap_or_default(), record.value));
            let hits = of(&hits, partition)
                .into_iter()
                .filter_map(|record| Some((u64::try_from(record.offset).ok()?, record.value?)));
            correlate::windows(&self.plan, &self.rules, partition, exactly_once, changelog, hits)
                .expect("a state that can be read")
        });
        correlators.collect()
    }
}

/// Stands in the text of a hit that waits.
pub(super) const WAITS: &str = " waits ";

/// What is in one and not in the other, as text.
pub(super) fn difference(found: &Held, expected: &Held) -> Option<String> {
    let missing: Vec<&String> = expected.difference(found).collect();
    let added: Vec<&String> = found.difference(expected).collect();
    let first = |these: &[&String]| {
        let these = these[..these.len().min(10)].iter();
        these.map(|text| format!("  {text}\n")).collect::<String>()
    };
    (missing.len() + added.len() > 0).then(|| {
        format!(
            "of {} windows and hits {} are not as expected:\n{}{} are there instead:\n{}",
            expected.len(),
            missing.len(),
            first(&missing),
            added.len(),
            first(&added)
        )
    })
}
