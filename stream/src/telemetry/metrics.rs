//! What lanes tell, and how it is counted.
//!
//! Nothing is counted per event: a stage adds up plain numbers in a [`Tally`], which goes into shared counters when its transaction is
//! committed. What changes with time alone (lags, ages, sums over lanes) is computed when somebody asks.

use super::catalog::{
    Catalog, KindLabels, LaneLabels, PartitionLabels, ReasonLabel, ResultLabel, RuleKind,
    RuleLabels, StageLabel, WindowLabels,
};
use super::lane::{Lane, Lost, Phase, Transaction, Windows};
use super::live::{Live, Shown};
use super::tally::{Tally, Times};
use crate::encode::{Buffer, Format, Hit, level_name};
use crate::kafka::member::Reach;
use crate::kafka::{TopicPartition, Troubles};
use crate::rules::Rules;
use crate::snapshot::Snapshot;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::Histogram;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// All metrics of a process.
#[derive(Clone, Debug)]
pub struct Metrics(pub(super) Arc<All>);

#[derive(Debug)]
pub(super) struct All {
    pub(super) begun: Instant,
    pub(super) begun_at: SystemTime,
    catalog: Mutex<Catalog>,
    pub(super) lanes: Mutex<Vec<Arc<Lane>>>,
    pub(super) rules: Mutex<RuleState>,
    pub(super) live: Live,
    live_lost: Counter,
    /// A broker has answered.
    pub(super) reached: AtomicBool,
    /// What goes wrong with brokers.
    troubles: OnceLock<Troubles>,
    /// Of stage 1, and detections of both.
    pub(super) totals: Totals,
}

/// What rates are computed from.
#[derive(Debug, Default)]
pub(super) struct Totals {
    pub(super) records: AtomicU64,
    pub(super) bytes: AtomicU64,
    pub(super) events: AtomicU64,
    pub(super) detections: AtomicU64,
    late_hits: AtomicU64,
    dead_letters: AtomicU64,
}

/// What was done in all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    /// Records read.
    pub records: u64,
    /// Events in them.
    pub events: u64,
    /// Detections told.
    pub detections: u64,
    /// Hits that came too late for their windows.
    pub late_hits: u64,
    /// Records that were not what they should be.
    pub dead_letters: u64,
}

/// The rules in force.
#[derive(Debug, Default)]
pub(super) struct RuleState {
    pub(super) version: u64,
    /// The same on all processes with the same rules.
    pub(super) set: Arc<str>,
    pub(super) rules: usize,
    pub(super) correlations: usize,
    pub(super) since: Option<SystemTime>,
    /// The first of them.
    pub(super) problems: Vec<String>,
    pub(super) problem_count: usize,
    counted: BTreeSet<RuleLabels>,
}

/// So many problems of rules are told in words.
const PROBLEMS: usize = 50;

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What they guard is whole after each statement.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Nanoseconds of Unix time.
pub(super) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}

fn unix_seconds(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

impl Metrics {
    /// All at zero.
    #[must_use]
    pub fn new() -> Self {
        let catalog = Catalog::new();
        let begun_at = SystemTime::now();
        catalog.start_time.set(unix_seconds(begun_at));
        Self(Arc::new(All {
            begun: Instant::now(),
            begun_at,
            live_lost: catalog.live_lost.clone(),
            catalog: Mutex::new(catalog),
            lanes: Mutex::default(),
            rules: Mutex::default(),
            live: Live::default(),
            reached: AtomicBool::new(false),
            troubles: OnceLock::new(),
            totals: Totals::default(),
        }))
    }

    /// Those of a lane of a stage.
    #[must_use]
    pub fn lane(&self, stage: &'static str, number: usize) -> StageMetrics {
        let lane = Arc::new(Lane::new(stage, number));
        locked(&self.0.lanes).push(Arc::clone(&lane));
        let catalog = locked(&self.0.catalog);
        let label = StageLabel { stage };
        StageMetrics {
            stage,
            lane,
            records: catalog.records.get_or_create_owned(&label),
            bytes: catalog.bytes.get_or_create_owned(&label),
            sent: catalog.sent.get_or_create_owned(&label),
            aborts: catalog.aborts.get_or_create_owned(&label),
            rebalances: catalog.rebalances.get_or_create_owned(&label),
            transactions: catalog.transactions.get_or_create_owned(&label),
            event_to_detection: catalog.event_to_detection.get_or_create_owned(&label),
            record_to_detection: catalog.record_to_detection.get_or_create_owned(&label),
            receive_to_detection: catalog.receive_to_detection.get_or_create_owned(&label),
            restores: catalog.restores.clone(),
            all: Arc::clone(&self.0),
        }
    }

    /// A broker has answered.
    pub fn reached(&self) {
        self.0.reached.store(true, Ordering::Relaxed);
    }

    /// Says from now on what goes wrong with brokers.
    pub fn watch(&self, troubles: &Troubles) {
        // A process has one ledger of them.
        let _ = self.0.troubles.set(troubles.clone());
    }

    /// Why work stands still though lanes are ready for it.
    pub(super) fn hindrances(&self) -> Vec<String> {
        self.0.troubles.get().map(Troubles::reasons).unwrap_or_default()
    }

    /// How long no broker answers or lets us in.
    pub(super) fn away(&self) -> Duration {
        self.0.troubles.get().map(Troubles::away).unwrap_or_default()
    }

    /// These rules are in force from now on; `problems` are of those that are not.
    pub fn in_force(&self, snapshot: &Snapshot, problems: &[String]) {
        let rules = &snapshot.rules;
        let known: BTreeSet<RuleLabels> =
            (0..rules.cards.len() + rules.alert_cards.len()).map(|at| labels(rules, at)).collect();
        let catalog = locked(&self.0.catalog);
        let mut state = locked(&self.0.rules);
        let is_new = state.version != snapshot.version;
        state.version = snapshot.version;
        state.set = Arc::clone(&snapshot.ruleset);
        state.rules = rules.cards.len();
        state.correlations = rules.alert_cards.len();
        if is_new {
            let since = SystemTime::now();
            state.since = Some(since);
            catalog.rules_time.set(unix_seconds(since));
        }
        // Rules come and go for months.
        let gone: Vec<RuleLabels> = state.counted.difference(&known).cloned().collect();
        for labels in gone {
            catalog.detections.remove(&labels);
            state.counted.remove(&labels);
        }
        for (kind, count) in [("rule", state.rules), ("correlation", state.correlations)] {
            catalog.rules.get_or_create(&RuleKind { kind }).set(count as i64);
        }
        catalog.rules_version.set(i64::try_from(state.version).unwrap_or(i64::MAX));
        drop((state, catalog));
        self.problems(problems);
    }

    /// What is wrong with the rules that were last read.
    pub fn problems(&self, problems: &[String]) {
        let mut state = locked(&self.0.rules);
        state.problem_count = problems.len();
        state.problems = problems.iter().take(PROBLEMS).cloned().collect();
        drop(state);
        locked(&self.0.catalog).rule_problems.set(problems.len() as i64);
    }

    /// The rules were read again; after a failure those before stay in force.
    pub fn reloaded(&self, success: bool) {
        let result = if success { "success" } else { "failure" };
        locked(&self.0.catalog).reloads.get_or_create(&ResultLabel { result }).inc();
    }

    /// So many records that say what became of rules were sent.
    pub fn rule_statuses(&self, count: u64) {
        locked(&self.0.catalog).rule_statuses.inc_by(count);
    }

    /// Something went wrong, of a kind that is in the code.
    pub fn error(&self, stage: &'static str, kind: &'static str) {
        locked(&self.0.catalog).errors.get_or_create(&KindLabels { stage, kind }).inc();
    }

    /// What was done in all.
    #[must_use]
    pub fn sums(&self) -> Sums {
        let totals = &self.0.totals;
        let of = |total: &AtomicU64| total.load(Ordering::Relaxed);
        Sums {
            records: of(&totals.records),
            events: of(&totals.events),
            detections: of(&totals.detections),
            late_hits: of(&totals.late_hits),
            dead_letters: of(&totals.dead_letters),
        }
    }

    /// As Prometheus reads them (OpenMetrics text).
    #[must_use]
    pub fn text(&self) -> String {
        let catalog = locked(&self.0.catalog);
        self.refresh(&catalog);
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = prometheus_client::encoding::text::encode(&mut text, &catalog.registry);
        text
    }

    /// What depends on when it is asked for. Partitions that were given back are not there any more.
    fn refresh(&self, catalog: &Catalog) {
        catalog.lag.clear();
        catalog.watermark_lag.clear();
        let lost = catalog.errors.get_or_create(&KindLabels { stage: "log", kind: "lost_line" });
        lost.inc_by(crate::log::lost().saturating_sub(lost.get()));
        drop(lost);
        let clock = now();
        let mut sum = Windows::default();
        for lane in locked(&self.0.lanes).iter() {
            let (stage, seen) = (lane.stage, lane.seen());
            let labels = LaneLabels { stage, lane: lane.number as u64 };
            catalog.heartbeat_age.get_or_create(&labels).set(lane.silent().as_secs_f64());
            catalog.partitions.get_or_create(&labels).set(seen.partitions.len() as i64);
            for (place, lag) in &seen.lost {
                let topic = place.topic.to_string();
                let labels = PartitionLabels { stage, topic, partition: place.partition };
                catalog.lag.get_or_create(&labels).set(*lag);
            }
            for (place, partition) in &seen.partitions {
                let topic = place.topic.to_string();
                let labels = PartitionLabels { stage, topic, partition: place.partition };
                if let Some(lag) = partition.lag() {
                    catalog.lag.get_or_create(&labels).set(lag);
                }
                let Some(windows) = partition.windows else { continue };
                sum.groups += windows.groups;
                sum.hits += windows.hits;
                sum.bytes += windows.bytes;
                sum.waiting += windows.waiting;
                sum.waiting_bytes += windows.waiting_bytes;
                sum.early_bytes += windows.early_bytes;
                if let Some(watermark) = windows.watermark {
                    let lag = clock.saturating_sub(watermark) as f64 / 1e9;
                    let labels = WindowLabels { partition: place.partition };
                    catalog.watermark_lag.get_or_create(&labels).set(lag);
                }
            }
        }
        catalog.groups.set(sum.groups as i64);
        catalog.state_hits.set(sum.hits as i64);
        catalog.state_bytes.set(sum.bytes as i64);
        catalog.waiting_hits.set(sum.waiting as i64);
        catalog.waiting_bytes.set(sum.waiting_bytes as i64);
        catalog.early_bytes.set(sum.early_bytes as i64);
        catalog.live_readers.set(self.0.live.readers() as i64);
        catalog.brokers_away.set(self.away().as_secs_f64());
    }
}

/// The labels of a rule or correlation, by the number that detections carry.
fn labels(rules: &Rules, at: usize) -> RuleLabels {
    let subject = rules.subject(at as u32);
    RuleLabels {
        rule: subject.id().to_owned(),
        title: subject.title().to_owned(),
        level: subject.level().map_or("", level_name),
    }
}

/// The metrics of a lane.
#[derive(Clone, Debug)]
pub struct StageMetrics {
    all: Arc<All>,
    stage: &'static str,
    lane: Arc<Lane>,
    records: Counter,
    bytes: Counter,
    sent: Counter,
    aborts: Counter,
    rebalances: Counter,
    transactions: Histogram,
    event_to_detection: Histogram,
    record_to_detection: Histogram,
    receive_to_detection: Histogram,
    restores: Histogram,
}

impl StageMetrics {
    /// The name of the stage.
    #[must_use]
    pub fn stage(&self) -> &'static str {
        self.stage
    }

    /// The number of the lane.
    #[must_use]
    pub fn number(&self) -> usize {
        self.lane.number
    }

    /// The lane lives.
    pub fn beat(&self) {
        self.lane.beat();
    }

    /// The lane has begun to read.
    pub fn joined(&self) {
        self.lane.joined();
    }

    /// The clients of the lane are given up, and others begin.
    pub fn begins_anew(&self) {
        self.lane.begins_anew();
    }

    /// The lane is over.
    pub fn ended(&self) {
        let mut seen = self.lane.seen();
        seen.phase = Phase::Ended;
        seen.partitions.clear();
        seen.lost.clear();
    }

    /// These partitions are ours now, and what is needed for them is being got.
    pub fn assigning(&self) {
        self.lane.beat();
        let mut seen = self.lane.seen();
        seen.phase = Phase::Restoring;
        seen.lost.clear();
        drop(seen);
        self.rebalances.inc();
    }

    /// It is there.
    pub fn assigned(&self, partitions: &[TopicPartition]) {
        self.lane.beat();
        let mut seen = self.lane.seen();
        seen.phase = Phase::Working;
        seen.was_assigned = true;
        for partition in partitions {
            seen.partitions.entry(partition.clone()).or_default();
        }
    }

    /// These partitions are about to be ours no more, and may be nobody's: what is to be done of them must not look as if it were done.
    pub fn lost(&self, partitions: &[TopicPartition]) {
        let mut seen = self.lane.seen();
        for partition in partitions {
            if let Some(lag) = seen.partitions.get(partition).and_then(|one| one.lag()) {
                seen.lost.insert(partition.clone(), lag);
            }
        }
    }

    /// These partitions are ours no more.
    pub fn revoked(&self, partitions: &[TopicPartition]) {
        let mut seen = self.lane.seen();
        for partition in partitions {
            seen.partitions.remove(partition);
        }
        self.rebalances.inc();
    }

    /// A transaction was committed with so many records.
    pub fn transaction(&self, took: Duration, sent: usize) {
        self.transactions.observe(took.as_secs_f64());
        self.sent.inc_by(sent as u64);
        self.lane.seen().last = Some(Transaction { at: Instant::now(), took, sent });
    }

    /// A transaction was taken back.
    pub fn aborted(&self) {
        self.aborts.inc();
    }

    /// Something went wrong.
    pub fn error(&self, kind: &'static str) {
        let labels = KindLabels { stage: self.stage, kind };
        locked(&self.all.catalog).errors.get_or_create(&labels).inc();
    }

    /// The state of a partition was read.
    pub fn restored(&self, time: Duration) {
        self.restores.observe(time.as_secs_f64());
    }

    /// How the windows of a partition are.
    pub fn windows(&self, place: &TopicPartition, windows: Windows) {
        let mut seen = self.lane.seen();
        let partition = seen.partitions.entry(place.clone()).or_default();
        let before = partition.windows.map(|windows| windows.lost).unwrap_or_default();
        partition.windows = Some(windows);
        drop(seen);
        if before == windows.lost {
            return;
        }
        // Windows that were read from the changelog again begin to count at zero.
        let more = |now: u64, before: u64| now.checked_sub(before).unwrap_or(now);
        let Lost { groups, hits, forced, early } = windows.lost;
        let catalog = locked(&self.all.catalog);
        catalog.lost_groups.inc_by(more(groups, before.groups));
        catalog.lost_hits.inc_by(more(hits, before.hits));
        catalog.forced_hits.inc_by(more(forced, before.forced));
        catalog.early_given_up.inc_by(more(early, before.early));
    }

    /// Records before these are done.
    pub fn positions(&self, offsets: &BTreeMap<TopicPartition, i64>) {
        let mut seen = self.lane.seen();
        for (partition, next) in offsets {
            if let Some(partition) = seen.partitions.get_mut(partition) {
                partition.next = Some(*next);
            }
        }
    }

    /// Partitions go so far. The lag is what lies between: that which the library tells knows nothing of transactions.
    pub fn reached(&self, reaches: &[Reach]) {
        if reaches.is_empty() {
            return;
        }
        let mut seen = self.lane.seen();
        for Reach { partition, end, fetched } in reaches {
            if let Some(partition) = seen.partitions.get_mut(partition) {
                partition.end = Some(*end);
                // The first that is told is before, or not far behind, what was read.
                partition.begin = partition.begin.or(*fetched);
            }
        }
    }

    /// For those who watch: a detection as JSON, if anybody does.
    #[must_use]
    pub fn shown(&self, hit: &Hit<'_>, buffer: &mut Buffer) -> Option<Shown> {
        if !self.all.live.is_watched() {
            return None;
        }
        let text = crate::outgoing::written(Format::Json, hit, buffer);
        let level = hit.rule().level();
        Some(Shown { level, text: String::from_utf8_lossy(&text).into() })
    }

    /// The work is committed: counts it, shows its detections, and begins a new tally.
    pub fn committed(&self, rules: &Rules, tally: &mut Tally) {
        let Tally {
            records,
            bytes,
            events,
            unrouted_events,
            untimed_hits,
            future_events,
            hits,
            unknown_hits,
            repeated,
            late_hits,
            dead_letters,
            detections,
            shown,
        } = std::mem::take(tally);
        if records == 0 && detections.is_empty() && late_hits == 0 {
            return;
        }
        self.records.inc_by(records);
        self.bytes.inc_by(bytes);
        let totals = &self.all.totals;
        totals.events.fetch_add(events, Ordering::Relaxed);
        totals.detections.fetch_add(detections.len() as u64, Ordering::Relaxed);
        totals.late_hits.fetch_add(late_hits, Ordering::Relaxed);
        totals.dead_letters.fetch_add(dead_letters.len() as u64, Ordering::Relaxed);
        if self.stage == "detect" {
            totals.records.fetch_add(records, Ordering::Relaxed);
            totals.bytes.fetch_add(bytes, Ordering::Relaxed);
        }
        let clock = now();
        let mut by_rule: BTreeMap<u32, u64> = BTreeMap::new();
        for (rule, Times { event, record, received }) in &detections {
            *by_rule.entry(*rule).or_default() += 1;
            for (histogram, since) in [
                (&self.event_to_detection, event),
                (&self.record_to_detection, record),
                (&self.receive_to_detection, received),
            ] {
                if let Some(since) = since {
                    histogram.observe((clock.saturating_sub(*since).max(0)) as f64 / 1e9);
                }
            }
        }
        let catalog = locked(&self.all.catalog);
        catalog.events.inc_by(events);
        catalog.unrouted_events.inc_by(unrouted_events);
        catalog.untimed_hits.inc_by(untimed_hits);
        catalog.future_events.inc_by(future_events);
        catalog.hits.inc_by(hits);
        catalog.unknown_hits.inc_by(unknown_hits);
        catalog.late_hits.inc_by(late_hits);
        if repeated > 0 {
            let label = StageLabel { stage: self.stage };
            catalog.repeated.get_or_create(&label).inc_by(repeated);
        }
        for reason in dead_letters {
            catalog.dead_letters.get_or_create(&ReasonLabel { reason }).inc();
        }
        if !by_rule.is_empty() {
            let mut state = locked(&self.all.rules);
            for (rule, count) in by_rule {
                let labels = labels(rules, rule as usize);
                catalog.detections.get_or_create(&labels).inc_by(count);
                state.counted.insert(labels);
            }
        }
        drop(catalog);
        if !shown.is_empty() {
            self.all.live_lost.inc_by(self.all.live.show(shown.into_iter()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::Lost;
    use sigmund_engine::Routing;
    use sigmund_sigma::{Loader, Source};

    fn rules() -> Rules {
        let text = "title: T \"x\"\nid: a\nlevel: high\nlogsource:\n    category: c\ndetection:\n    s:\n        f: 1\n    condition: s\n";
        let texts = [Source { name: "r.yml".into(), text: text.into() }];
        Rules::compile(&Loader::default(), &texts, &|_| true, &Routing::default())
    }

    fn place(topic: &str, partition: i32) -> TopicPartition {
        TopicPartition { topic: topic.into(), partition }
    }

    /// Each family once, with the name, type and help that the documentation has.
    #[test]
    fn everything_is_described() {
        let catalog = Catalog::new();
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &catalog.registry).expect("text");
        for line in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
            let (name, kind) = line.split_once(' ').expect("name and type");
            let suffix = match kind {
                "counter" => "_total",
                "info" => "_info",
                _ => "",
            };
            let full = format!("{name}{suffix}");
            let one = catalog.described().iter().find(|one| one.name == full);
            assert_eq!(one.map(|one| one.kind.as_str()), Some(kind), "{full}");
        }
        let mut names: Vec<&str> = catalog.described().iter().map(|one| &*one.name).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
        assert!(names.iter().all(|name| {
            name.starts_with("sigmund_")
                && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
        }));
    }

    #[test]
    fn work_counts_when_it_is_committed() {
        let (metrics, rules) = (Metrics::new(), rules());
        let (one, two) = (metrics.lane("detect", 0), metrics.lane("detect", 1));
        for lane in [&one, &two] {
            let mut tally = Tally { records: 2, bytes: 300, events: 5, ..Tally::default() };
            tally.dead_letter("format");
            let times = Times { event: Some(now()), record: None, received: Some(now()) };
            tally.detection(0, times);
            lane.committed(&rules, &mut tally);
            // Nothing is left of it.
            lane.committed(&rules, &mut tally);
        }
        one.transaction(Duration::from_millis(3), 7);
        one.error("consumer");
        let text = metrics.text();
        for line in [
            "sigmund_records_total{stage=\"detect\"} 4",
            "sigmund_record_bytes_total{stage=\"detect\"} 600",
            "sigmund_events_total 10",
            "sigmund_dead_letters_total{reason=\"format\"} 2",
            "sigmund_detections_total{rule=\"a\",title=\"T \\\"x\\\"\",level=\"high\"} 2",
            "sigmund_event_to_detection_seconds_count{stage=\"detect\"} 2",
            "sigmund_record_to_detection_seconds_count{stage=\"detect\"} 0",
            "sigmund_receive_to_detection_seconds_count{stage=\"detect\"} 2",
            "sigmund_sent_records_total{stage=\"detect\"} 7",
            "sigmund_transaction_seconds_count{stage=\"detect\"} 1",
            "sigmund_errors_total{stage=\"detect\",kind=\"consumer\"} 1",
            "# UNIT sigmund_transaction_seconds seconds",
            "# HELP sigmund_events Events found in raw records.",
        ] {
            assert!(text.lines().any(|one| one == line), "`{line}` is not in\n{text}");
        }
    }

    #[test]
    fn windows_of_lanes_are_summed_and_go_with_their_partitions() {
        let metrics = Metrics::new();
        let (one, two) = (metrics.lane("correlate", 0), metrics.lane("correlate", 1));
        let lost = Lost { groups: 2, hits: 30, forced: 0, early: 1 };
        let windows = Windows { groups: 3, bytes: 100, lost, ..Windows::default() };
        for (lane, number) in [(&one, 0), (&two, 1)] {
            lane.assigned(&[place("s", number)]);
            lane.windows(&place("s", number), windows);
            // The same is not counted twice.
            lane.windows(&place("s", number), windows);
            let partition = place("s", number);
            lane.reached(&[Reach { partition: partition.clone(), end: 10, fetched: Some(4) }]);
        }
        one.positions(&[(place("s", 0), 9), (place("other", 0), 1)].into());
        let text = metrics.text();
        for line in [
            "sigmund_state_groups 6",
            "sigmund_state_bytes 200",
            "sigmund_lost_hits_total 60",
            "sigmund_early_given_up_groups_total 2",
            "sigmund_consumer_lag_records{stage=\"correlate\",topic=\"s\",partition=\"0\"} 1",
            "sigmund_consumer_lag_records{stage=\"correlate\",topic=\"s\",partition=\"1\"} 6",
            "sigmund_assigned_partitions{stage=\"correlate\",lane=\"1\"} 1",
        ] {
            assert!(text.lines().any(|one| one == line), "`{line}` is not in\n{text}");
        }
        // Nobody may have it: what is to be done is still to be done.
        two.lost(&[place("s", 1)]);
        two.revoked(&[place("s", 1)]);
        assert!(metrics.text().contains("topic=\"s\",partition=\"1\"} 6\n"));
        two.assigning();
        let text = metrics.text();
        assert!(text.contains("sigmund_state_groups 3\n"), "{text}");
        assert!(!text.contains("partition=\"1\""), "{text}");
        // Read from the changelog again, it counts from zero.
        let lost = Lost { hits: 5, ..Lost::default() };
        one.windows(&place("s", 0), Windows { lost, ..windows });
        assert!(metrics.text().contains("sigmund_lost_hits_total 65\n"));
    }
}
