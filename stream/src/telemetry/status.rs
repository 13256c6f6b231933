//! The state of the service as JSON, for people and scripts (`/api/v1/status`).

use super::lane::{Lane, Partition, Phase, Windows};
use super::metrics::{All, Metrics, now};
use crate::encode::rfc3339;
use serde_json::{Map, Value, json};
use std::collections::VecDeque;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Who this process is.
#[derive(Clone, Debug, Default)]
pub struct Identity {
    /// The name of the application.
    pub application: String,
    /// The name of the process.
    pub instance: String,
}

/// What was done up to a moment.
#[derive(Clone, Copy, Debug)]
struct Sample {
    at: Instant,
    records: u64,
    bytes: u64,
    events: u64,
    detections: u64,
}

/// Totals of the last seconds, from which rates are computed.
#[derive(Debug, Default)]
pub(super) struct Samples(VecDeque<Sample>);

/// Rates are over so many seconds.
const RATE: usize = 10;

impl Samples {
    /// Once a second.
    pub(super) fn take(&mut self, metrics: &Metrics) {
        self.0.push_back(sample(&metrics.0));
        if self.0.len() > RATE {
            self.0.pop_front();
        }
    }

    fn rates(&self, now: Sample) -> Value {
        let first = self.0.front().copied().unwrap_or(now);
        let seconds = now.at.saturating_duration_since(first.at).as_secs_f64();
        let rate = |now: u64, before: u64| {
            let more = now.saturating_sub(before) as f64;
            if seconds > 0.1 { (more / seconds * 10.0).round() / 10.0 } else { 0.0 }
        };
        json!({
            "seconds": tenths(seconds),
            "records_per_second": rate(now.records, first.records),
            "bytes_per_second": rate(now.bytes, first.bytes),
            "events_per_second": rate(now.events, first.events),
            "detections_per_second": rate(now.detections, first.detections),
        })
    }
}

fn sample(all: &All) -> Sample {
    let totals = &all.totals;
    Sample {
        at: Instant::now(),
        records: totals.records.load(Ordering::Relaxed),
        bytes: totals.bytes.load(Ordering::Relaxed),
        events: totals.events.load(Ordering::Relaxed),
        detections: totals.detections.load(Ordering::Relaxed),
    }
}

fn tenths(seconds: f64) -> f64 {
    (seconds * 10.0).round() / 10.0
}

fn time(at: SystemTime) -> String {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    rfc3339(i64::try_from(since).unwrap_or(0).saturating_mul(1_000_000_000))
}

/// Seconds since a time in nanoseconds.
fn since(nanos: i64, clock: i64) -> f64 {
    tenths(clock.saturating_sub(nanos) as f64 / 1e9)
}

/// What is wrong with the health: a process with something here should be ended.
pub(super) fn sickness(metrics: &Metrics) -> Vec<String> {
    // Who waits for brokers would do so after a restart too.
    if !metrics.away().is_zero() {
        return Vec::new();
    }
    let lanes = metrics.0.lanes.lock().unwrap_or_else(PoisonError::into_inner);
    lanes.iter().filter_map(|lane| lane.hangs()).collect()
}

/// Why it does not work yet, or not any more.
pub(super) fn unreadiness(metrics: &Metrics, stops: bool) -> Vec<String> {
    let mut reasons = Vec::new();
    if stops {
        reasons.push("it is being stopped".to_owned());
    }
    if !metrics.0.reached.load(Ordering::Relaxed) {
        reasons.push("no broker has answered yet".to_owned());
    }
    let lanes = metrics.0.lanes.lock().unwrap_or_else(PoisonError::into_inner);
    if lanes.is_empty() {
        reasons.push("no lane has begun yet".to_owned());
    }
    reasons.extend(lanes.iter().filter_map(|lane| lane.unready()));
    drop(lanes);
    reasons.extend(metrics.hindrances());
    reasons
}

/// All of it.
pub(super) fn status(
    metrics: &Metrics,
    identity: &Identity,
    samples: &Samples,
    stops: bool,
) -> Value {
    let all = &metrics.0;
    let clock = now();
    let unready = unreadiness(metrics, stops);
    let sick = sickness(metrics);
    let is_hindered = !metrics.hindrances().is_empty();
    let state = match (stops, sick.is_empty(), unready.is_empty()) {
        (true, ..) => "stopping",
        (_, false, _) => "hanging",
        _ if is_hindered => "waiting",
        (_, _, false) => "starting",
        _ => "running",
    };
    let mut lag = None;
    let mut unknown = false;
    let mut sum = Windows::default();
    let mut watermark: Option<i64> = None;
    let mut lanes = Vec::new();
    for lane in all.lanes.lock().unwrap_or_else(PoisonError::into_inner).iter() {
        for partition in lane.seen().partitions.values() {
            match partition.lag() {
                Some(more) => *lag.get_or_insert(0) += more,
                None => unknown = true,
            }
            let Some(windows) = partition.windows else { continue };
            sum.groups += windows.groups;
            sum.hits += windows.hits;
            sum.bytes += windows.bytes;
            sum.waiting += windows.waiting;
            if let Some(time) = windows.watermark {
                watermark = Some(watermark.map_or(time, |least| least.min(time)));
            }
        }
        lanes.push(lane_status(lane, clock));
    }
    let now = sample(all);
    let rules = all.rules.lock().unwrap_or_else(PoisonError::into_inner);
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "application": identity.application,
        "instance": identity.instance,
        "state": state,
        "reasons": sick.into_iter().chain(unready).collect::<Vec<_>>(),
        "started": time(all.begun_at),
        "uptime_seconds": all.begun.elapsed().as_secs(),
        "rules": {
            "set": &*rules.set,
            "version": rules.version,
            "rules": rules.rules,
            "correlations": rules.correlations,
            "since": rules.since.map(time),
            "problem_count": rules.problem_count,
            "problems": rules.problems,
        },
        "lag_records": lag,
        "lag_is_complete": !unknown,
        "watermark": watermark.map(rfc3339),
        "watermark_lag_seconds": watermark.map(|watermark| since(watermark, clock)),
        "windows": {
            "groups": sum.groups,
            "hits": sum.hits,
            "bytes": sum.bytes,
            "waiting_hits": sum.waiting,
        },
        "totals": {
            "records": now.records,
            "bytes": now.bytes,
            "events": now.events,
            "detections": now.detections,
        },
        "rates": samples.rates(now),
        "live_readers": all.live.readers(),
        "lanes": lanes,
    })
}

fn lane_status(lane: &Lane, clock: i64) -> Value {
    let seen = lane.seen();
    let last = seen.last.map(|last| {
        json!({
            "seconds_ago": tenths(last.at.elapsed().as_secs_f64()),
            "seconds": last.took.as_secs_f64(),
            "records_sent": last.sent,
        })
    });
    let partitions: Vec<Value> = seen
        .partitions
        .iter()
        .map(|(place, partition)| partition_status(&place.topic, place.partition, partition, clock))
        .collect();
    // One that has ended is silent for good.
    let silent = if seen.phase == Phase::Ended { Duration::ZERO } else { lane.silent() };
    json!({
        "stage": lane.stage,
        "lane": lane.number,
        "state": seen.phase.name(),
        "heartbeat_seconds_ago": tenths(silent.as_secs_f64()),
        "last_transaction": last,
        "partitions": partitions,
    })
}

fn partition_status(topic: &str, number: i32, partition: &Partition, clock: i64) -> Value {
    let mut value = Map::new();
    value.insert("topic".to_owned(), topic.into());
    value.insert("partition".to_owned(), number.into());
    value.insert("next_offset".to_owned(), partition.next.or(partition.begin).into());
    value.insert("end_offset".to_owned(), partition.end.into());
    value.insert("lag_records".to_owned(), partition.lag().into());
    if let Some(windows) = partition.windows {
        let lag = windows.watermark.map(|watermark| since(watermark, clock));
        value.insert("watermark".to_owned(), windows.watermark.map(rfc3339).into());
        value.insert("watermark_lag_seconds".to_owned(), lag.into());
        value.insert("groups".to_owned(), windows.groups.into());
        value.insert("hits".to_owned(), windows.hits.into());
        value.insert("bytes".to_owned(), windows.bytes.into());
        value.insert("waiting_hits".to_owned(), windows.waiting.into());
    }
    value.into()
}
