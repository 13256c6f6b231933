//! All metrics with their names: made and registered here, and nowhere else.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Metric, Registry, Unit};
use std::sync::atomic::AtomicU64;

/// Which of the two stages: `detect` or `correlate`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct StageLabel {
    pub(super) stage: &'static str,
}

/// A lane.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct LaneLabels {
    pub(super) stage: &'static str,
    pub(super) lane: u64,
}

/// A partition that is read.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct PartitionLabels {
    pub(super) stage: &'static str,
    pub(super) topic: String,
    pub(super) partition: i32,
}

/// A partition with windows.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct WindowLabels {
    pub(super) partition: i32,
}

/// Something of a kind; kinds are in the code.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct KindLabels {
    pub(super) stage: &'static str,
    pub(super) kind: &'static str,
}

/// Why a record is a dead letter; reasons are in the code.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct ReasonLabel {
    pub(super) reason: &'static str,
}

/// `rule` or `correlation`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct RuleKind {
    pub(super) kind: &'static str,
}

/// `success` or `failure`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct ResultLabel {
    pub(super) result: &'static str,
}

/// A rule of those in force: values never come from logs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, EncodeLabelSet)]
pub(super) struct RuleLabels {
    pub(super) rule: String,
    pub(super) title: String,
    pub(super) level: &'static str,
}

/// A gauge of seconds.
pub(super) type Seconds = Gauge<f64, AtomicU64>;

/// A histogram for each stage.
pub(super) type Histograms = Family<StageLabel, Histogram>;

/// All metrics of a process.
#[derive(Debug)]
pub(super) struct Catalog {
    pub(super) registry: Registry,
    described: Vec<Described>,
    pub(super) start_time: Seconds,
    pub(super) records: Family<StageLabel, Counter>,
    pub(super) bytes: Family<StageLabel, Counter>,
    pub(super) events: Counter,
    pub(super) unrouted_events: Counter,
    pub(super) future_events: Counter,
    pub(super) untimed_hits: Counter,
    pub(super) hits: Counter,
    pub(super) unknown_hits: Counter,
    pub(super) repeated: Family<StageLabel, Counter>,
    pub(super) late_hits: Counter,
    pub(super) detections: Family<RuleLabels, Counter>,
    pub(super) dead_letters: Family<ReasonLabel, Counter>,
    pub(super) errors: Family<KindLabels, Counter>,
    pub(super) lag: Family<PartitionLabels, Gauge>,
    pub(super) watermark_lag: Family<WindowLabels, Seconds>,
    pub(super) event_to_detection: Histograms,
    pub(super) record_to_detection: Histograms,
    pub(super) receive_to_detection: Histograms,
    pub(super) transactions: Histograms,
    pub(super) sent: Family<StageLabel, Counter>,
    pub(super) aborts: Family<StageLabel, Counter>,
    pub(super) rebalances: Family<StageLabel, Counter>,
    pub(super) restores: Histogram,
    pub(super) partitions: Family<LaneLabels, Gauge>,
    pub(super) heartbeat_age: Family<LaneLabels, Seconds>,
    pub(super) brokers_away: Seconds,
    pub(super) groups: Gauge,
    pub(super) state_hits: Gauge,
    pub(super) state_bytes: Gauge,
    pub(super) waiting_hits: Gauge,
    pub(super) waiting_bytes: Gauge,
    pub(super) early_bytes: Gauge,
    pub(super) lost_groups: Counter,
    pub(super) lost_hits: Counter,
    pub(super) forced_hits: Counter,
    pub(super) early_given_up: Counter,
    pub(super) rules: Family<RuleKind, Gauge>,
    pub(super) rules_version: Gauge,
    pub(super) rule_problems: Gauge,
    pub(super) rules_time: Seconds,
    pub(super) reloads: Family<ResultLabel, Counter>,
    pub(super) rule_statuses: Counter,
    pub(super) live_readers: Gauge,
    pub(super) live_lost: Counter,
}

/// A metric as the documentation shows it.
#[derive(Debug)]
pub(super) struct Described {
    pub(super) name: String,
    pub(super) kind: MetricType,
    labels: &'static [&'static str],
    help: &'static str,
}

/// Registers and describes.
struct Registrar {
    registry: Registry,
    described: Vec<Described>,
}

/// Each name begins with it.
const PREFIX: &str = "sigmund";

impl Registrar {
    fn add<M: Metric + Clone>(
        &mut self,
        (name, unit): (&str, Option<Unit>),
        labels: &'static [&'static str],
        help: &'static str,
        metric: M,
    ) -> M {
        let kind = metric.metric_type();
        let mut full = format!("{PREFIX}_{name}");
        if let Some(unit) = &unit {
            full = format!("{full}_{}", unit.as_str());
        }
        match kind {
            MetricType::Counter => full.push_str("_total"),
            MetricType::Info => full.push_str("_info"),
            _ => {}
        }
        self.described.push(Described { name: full, kind, labels, help });
        match unit {
            Some(unit) => self.registry.register_with_unit(name, help, unit, metric.clone()),
            None => self.registry.register(name, help, metric.clone()),
        }
        metric
    }

    /// Without labels and unit.
    fn plain<M: Metric + Clone + Default>(&mut self, name: &str, help: &'static str) -> M {
        self.add((name, None), &[], help, M::default())
    }

    fn bytes(&mut self, name: &str, help: &'static str) -> Gauge {
        self.add((name, Some(Unit::Bytes)), &[], help, Gauge::default())
    }

    /// Of each stage.
    fn staged(&mut self, name: &str, help: &'static str) -> Family<StageLabel, Counter> {
        self.add((name, None), STAGE, help, Family::default())
    }

    fn histograms(
        &mut self,
        name: &str,
        help: &'static str,
        make: fn() -> Histogram,
    ) -> Histograms {
        let family = Family::new_with_constructor(make);
        self.add((name, Some(Unit::Seconds)), STAGE, help, family)
    }
}

const STAGE: &[&str] = &["stage"];

/// From milliseconds, which is what the service is about, to a day, which is what it says when history is read.
const LATENCIES: [f64; 20] = [
    0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.6, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0,
    300.0, 900.0, 3600.0, 86400.0,
];

fn latency() -> Histogram {
    Histogram::new(LATENCIES)
}

fn short() -> Histogram {
    Histogram::new(exponential_buckets(0.001, 2.0, 16))
}

impl Catalog {
    /// All at zero.
    pub(super) fn new() -> Self {
        let (registry, described) = (Registry::with_prefix(PREFIX), Vec::new());
        let mut r = Registrar { registry, described };
        let seconds = || Some(Unit::Seconds);
        let version = Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]);
        // `Info` cannot be cloned.
        r.described.push(Described {
            name: format!("{PREFIX}_build_info"),
            kind: MetricType::Info,
            labels: &["version"],
            help: "What is running",
        });
        r.registry.register("build", "What is running", version);
        let catalog = Self {
            start_time: r.add(
                ("start_time", seconds()),
                &[],
                "When the process began, in Unix time",
                Seconds::default(),
            ),
            records: r.staged("records", "Records read, in committed transactions"),
            bytes: r.add(
                ("record", Some(Unit::Bytes)),
                STAGE,
                "Size of the values of records read, in committed transactions",
                Family::default(),
            ),
            events: r.plain("events", "Events found in raw records"),
            unrouted_events: r.plain(
                "unrouted_events",
                "Events of which nothing tells a log source: only rules without one see them",
            ),
            future_events: r.plain(
                "future_events",
                "Events whose time is further ahead than is credible: time does not pass by them",
            ),
            untimed_hits: r.plain(
                "untimed_hits",
                "Hits that correlations could not use because the event has no time",
            ),
            hits: r.plain("hits", "Hits that went into windows"),
            unknown_hits: r.plain(
                "unknown_hits",
                "Hits of rules that are not, or not yet, in force where windows are",
            ),
            repeated: r.staged(
                "repeated_records",
                "Records that were read again although they are in the state already: left out",
            ),
            late_hits: r.plain("late_hits", "Hits that came too late for their windows"),
            detections: r.add(
                ("detections", None),
                &["rule", "title", "level"],
                "Committed detections by rule; rules that never detected anything are not listed",
                Family::default(),
            ),
            dead_letters: r.add(
                ("dead_letters", None),
                &["reason"],
                "Records that went to the dead-letter topic",
                Family::default(),
            ),
            errors: r.add(
                ("errors", None),
                &["stage", "kind"],
                "What went wrong: what stands still is counted again and again",
                Family::default(),
            ),
            lag: r.add(
                ("consumer_lag", Some(Unit::Other("records".to_owned()))),
                &["stage", "topic", "partition"],
                "Offsets between our last commit and the last stable offset of the partition",
                Family::default(),
            ),
            watermark_lag: r.add(
                ("watermark_lag", seconds()),
                &["partition"],
                "How far the event time of windows is behind the clock",
                Family::default(),
            ),
            event_to_detection: r.histograms(
                "event_to_detection",
                "From the time that an event says to the commit of its detection",
                latency,
            ),
            record_to_detection: r.histograms(
                "record_to_detection",
                "From the Kafka timestamp of the record (of stage 2: of the newest hit read) to the commit of its detection",
                latency,
            ),
            receive_to_detection: r.histograms(
                "receive_to_detection",
                "From the moment that our consumer had the record (of stage 2: the newest hit) to the commit of its detection",
                latency,
            ),
            transactions: r.histograms(
                "transaction",
                "From the first record sent to the end of the commit",
                short,
            ),
            sent: r.staged("sent_records", "Records sent in committed transactions"),
            aborts: r.staged("transaction_aborts", "Transactions that were taken back"),
            rebalances: r.staged("rebalances", "Changes of the assignment of partitions"),
            restores: r.add(
                ("restore", seconds()),
                &[],
                "Time to read the state of a partition from the changelog",
                Histogram::new(exponential_buckets(0.01, 2.0, 14)),
            ),
            partitions: r.add(
                ("assigned_partitions", None),
                &["stage", "lane"],
                "Partitions that a lane reads",
                Family::default(),
            ),
            heartbeat_age: r.add(
                ("lane_heartbeat_age", seconds()),
                &["stage", "lane"],
                "How long ago a lane last went around its loop",
                Family::default(),
            ),
            brokers_away: r.add(
                ("brokers_away", seconds()),
                &[],
                "How long no broker answers or lets us in; 0 while one does",
                Seconds::default(),
            ),
            groups: r.plain("state_groups", "Groups in windows"),
            state_hits: r.plain("state_hits", "Hits in windows"),
            state_bytes: r.bytes("state", "About how much memory windows take"),
            waiting_hits: r.plain("waiting_hits", "Hits that wait for the watermark"),
            waiting_bytes: r
                .bytes("waiting", "About how much memory hits that wait for the watermark take"),
            early_bytes: r
                .bytes("early_search", "About how much memory the search for early alerts takes"),
            lost_groups: r.plain("lost_groups", "Groups given up because of the limits of state"),
            lost_hits: r.plain("lost_hits", "Hits given up because of the limits of state"),
            forced_hits: r.plain(
                "forced_hits",
                "Hits that went into windows before the watermark because too many waited",
            ),
            early_given_up: r.plain(
                "early_given_up_groups",
                "Groups whose search for early alerts was given up: they wait for the watermark",
            ),
            rules: r.add(("rules", None), &["kind"], "Rules in force", Family::default()),
            rules_version: r.plain("rules_version", "Counts up with each change of the rules"),
            rule_problems: r
                .plain("rule_problems", "What is wrong with the rules that were last read"),
            rules_time: r.add(
                ("rules_change_time", seconds()),
                &[],
                "When the rules in force were taken over, in Unix time",
                Seconds::default(),
            ),
            reloads: r.add(
                ("rule_reloads", None),
                &["result"],
                "Reloads of the rules; after a failure the rules before stay in force",
                Family::default(),
            ),
            rule_statuses: r.plain(
                "rule_statuses",
                "Records sent that say what became of rules of the rules topic",
            ),
            live_readers: r
                .plain("live_readers", "Who watches detections live (`sigmund tail`)"),
            live_lost: r.plain(
                "live_lost_detections",
                "Detections that were not shown live because the reader was too slow",
            ),
            registry: Registry::default(),
            described: Vec::new(),
        };
        Self { registry: r.registry, described: r.described, ..catalog }
    }

    #[cfg(test)]
    pub(super) fn described(&self) -> &[Described] {
        &self.described
    }
}

/// All metrics as documentation (`docs/metrics.md`).
#[must_use]
pub fn table() -> String {
    let mut text = String::from(
        "\
# Metrics

`sigmund run` serves its metrics at `/metrics` of `http.listen` (default `http://127.0.0.1:9464`), in the OpenMetrics text format. Work is
counted when its transaction is committed: what is taken back and done again counts once.

This page is written by `SIGMUND_WRITE_DOCS=1 cargo test --test tests telemetry`; a test compares it with the code.

| Metric | Type | Labels | Meaning |
|---|---|---|---|
",
    );
    for Described { name, kind, labels, help } in Catalog::new().described {
        let labels: Vec<String> = labels.iter().map(|label| format!("`{label}`")).collect();
        let (kind, labels) = (kind.as_str(), labels.join(", "));
        text.push_str(&format!("| `{name}` | {kind} | {labels} | {help} |\n"));
    }
    text.push_str(
        "
`stage` is `detect` (raw records to detections and hits) or `correlate` (hits to alerts of correlations). Rules are named by their id (or
name, or title); values of labels come from the code, the configuration and the rules, never from logs.

Worth an alarm: `sigmund_consumer_lag_records` that grows; `sigmund_watermark_lag_seconds` far beyond `correlation.max_lateness` while events
come; any increase of `sigmund_lost_hits_total`, `sigmund_errors_total` or `sigmund_rule_reloads_total{result=\"failure\"}`; a rate of
`sigmund_dead_letters_total` that is not usual; `sigmund_lane_heartbeat_age_seconds` or `sigmund_brokers_away_seconds` above 30.

Kinds of `sigmund_errors_total` that tell of work that stands still: `unreachable` (no broker answers) and `missing_topic`, which count every few seconds for as long as that
is so; `undelivered` (brokers did not take a record, as when it is larger than its topic takes) and `taken_back` (any other transaction that was done again), which count
each time. One or two of the last two are usual when processes or brokers come and go.
",
    );
    text
}
