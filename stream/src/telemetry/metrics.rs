//! Metrics in Prometheus' terms.

use crate::kafka::TopicPartition;
use crate::kafka::member::Reach;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// `stage="detect"` or `stage="correlate"`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct StageLabel {
    stage: &'static str,
}

/// A partition that is read.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct PartitionLabels {
    stage: &'static str,
    topic: String,
    partition: i32,
}

/// Something of a kind.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct KindLabels {
    stage: &'static str,
    kind: &'static str,
}

/// A rule by its id.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct RuleLabel {
    rule: String,
}

/// All metrics of a process.
#[derive(Clone, Debug)]
pub struct Metrics(Arc<All>);

#[derive(Debug)]
struct All {
    registry: Mutex<Registry>,
    transactions: Family<StageLabel, Histogram>,
    sent: Family<StageLabel, Counter>,
    aborts: Family<StageLabel, Counter>,
    rebalances: Family<StageLabel, Counter>,
    errors: Family<KindLabels, Counter>,
    lag: Family<PartitionLabels, Gauge>,
    counts: Family<KindLabels, Counter>,
    detections: Family<RuleLabel, Counter>,
    restores: Histogram,
    state_groups: Gauge,
    state_hits: Gauge,
    state_bytes: Gauge,
    /// One after the last record that was done.
    positions: Mutex<BTreeMap<TopicPartition, i64>>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// All at zero.
    #[must_use]
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("sigmund");
        let all = All {
            transactions: Family::new_with_constructor(|| {
                Histogram::new(exponential_buckets(0.001, 2.0, 15))
            }),
            sent: Family::default(),
            aborts: Family::default(),
            rebalances: Family::default(),
            errors: Family::default(),
            lag: Family::default(),
            counts: Family::default(),
            detections: Family::default(),
            restores: Histogram::new(exponential_buckets(0.01, 2.0, 12)),
            state_groups: Gauge::default(),
            state_hits: Gauge::default(),
            state_bytes: Gauge::default(),
            positions: Mutex::default(),
            registry: Mutex::default(),
        };
        registry.register(
            "transaction_seconds",
            "Time from the first record sent to the end of the commit",
            all.transactions.clone(),
        );
        registry.register("sent", "Records sent in committed transactions", all.sent.clone());
        registry.register("aborts", "Transactions taken back", all.aborts.clone());
        registry.register("rebalances", "Changes of the assignment", all.rebalances.clone());
        registry.register("errors", "Errors by kind", all.errors.clone());
        registry.register("lag", "Committed records that were not read yet", all.lag.clone());
        registry.register("count", "What was worked on, by kind", all.counts.clone());
        registry.register("detections", "Detections by rule", all.detections.clone());
        registry.register(
            "restore_seconds",
            "Time to read a partition's state",
            all.restores.clone(),
        );
        registry.register("state_groups", "Groups in windows", all.state_groups.clone());
        registry.register("state_hits", "Hits in windows", all.state_hits.clone());
        registry.register("state_bytes", "Memory of windows", all.state_bytes.clone());
        *all.registry.lock().unwrap_or_else(PoisonError::into_inner) = registry;
        Self(Arc::new(all))
    }

    /// Those of a stage.
    #[must_use]
    pub fn stage(&self, stage: &'static str) -> StageMetrics {
        StageMetrics { all: Arc::clone(&self.0), stage }
    }

    /// As Prometheus reads them (OpenMetrics text).
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        let registry = self.0.registry.lock().unwrap_or_else(PoisonError::into_inner);
        // Writing to a string cannot fail.
        let _ = prometheus_client::encoding::text::encode(&mut text, &registry);
        text
    }
}

/// The metrics of a stage.
#[derive(Clone, Debug)]
pub struct StageMetrics {
    all: Arc<All>,
    stage: &'static str,
}

impl StageMetrics {
    /// Its name.
    #[must_use]
    pub fn stage(&self) -> &'static str {
        self.stage
    }

    fn label(&self) -> StageLabel {
        StageLabel { stage: self.stage }
    }

    /// A transaction was committed with so many records.
    pub fn transaction(&self, time: Duration, sent: usize) {
        self.all.transactions.get_or_create(&self.label()).observe(time.as_secs_f64());
        self.all.sent.get_or_create(&self.label()).inc_by(sent as u64);
    }

    /// A transaction was taken back.
    pub fn aborted(&self) {
        self.all.aborts.get_or_create(&self.label()).inc();
    }

    /// The assignment changed.
    pub fn rebalanced(&self) {
        self.all.rebalances.get_or_create(&self.label()).inc();
    }

    /// Something went wrong.
    pub fn error(&self, kind: &'static str) {
        self.all.errors.get_or_create(&KindLabels { stage: self.stage, kind }).inc();
    }

    /// So many of a kind were worked on.
    pub fn count(&self, kind: &'static str, count: u64) {
        if count > 0 {
            self.all.counts.get_or_create(&KindLabels { stage: self.stage, kind }).inc_by(count);
        }
    }

    /// A rule has detected something.
    pub fn detection(&self, rule: &str) {
        self.all.detections.get_or_create(&RuleLabel { rule: rule.to_owned() }).inc();
    }

    /// The state of a partition was read.
    pub fn restored(&self, time: Duration) {
        self.all.restores.observe(time.as_secs_f64());
    }

    /// Groups, hits and bytes in windows.
    pub fn state(&self, (groups, hits, bytes): (usize, usize, usize)) {
        self.all.state_groups.set(groups as i64);
        self.all.state_hits.set(hits as i64);
        self.all.state_bytes.set(bytes as i64);
    }

    /// Records up to these are done.
    pub fn positions(&self, offsets: &BTreeMap<TopicPartition, i64>) {
        let mut positions = self.all.positions.lock().unwrap_or_else(PoisonError::into_inner);
        for (partition, next) in offsets {
            positions.insert(partition.clone(), *next);
        }
    }

    /// Partitions go so far. The lag is what lies between: that which the library tells knows nothing of transactions.
    pub fn reached(&self, reaches: &[Reach]) {
        let positions = self.all.positions.lock().unwrap_or_else(PoisonError::into_inner);
        for Reach { partition, end } in reaches {
            let Some(next) = positions.get(partition) else { continue };
            let labels = PartitionLabels {
                stage: self.stage,
                topic: partition.topic.to_string(),
                partition: partition.partition,
            };
            self.all.lag.get_or_create(&labels).set((end - next).max(0));
        }
    }
}
