//! What the configuration means: how each topic is read, and where everything goes.

use crate::config::Config;
use crate::correlate;
use crate::destination::Destinations;
use crate::reading::Reading;
use anyhow::{Context as _, anyhow};
use regex::Regex;
use sigmund_engine::correlation::{Emit, Limits, Options, Patience, Policy};
use sigmund_parsers::Stream;
use std::sync::Arc;
use std::time::Duration;

/// How the records of a topic are read.
#[derive(Clone, Debug)]
pub struct Inlet {
    topic: Arc<str>,
    reading: Arc<Reading>,
}

impl Inlet {
    /// A stream that begins with this record, which the broker got at this time.
    #[must_use]
    pub fn open(&self, head: &[u8], received: i64) -> Stream {
        Stream::open(self.reading.info(&self.topic, received), head, self.reading.forced)
    }
}

#[derive(Debug)]
struct SourcePlan {
    topics: Vec<String>,
    pattern: Option<Regex>,
}

/// What the configuration means.
#[derive(Debug)]
pub struct Plan {
    sources: Vec<SourcePlan>,
    /// Where detections go.
    pub destinations: Destinations,
    /// The topic of records that could not be read.
    pub dead_letters: Arc<str>,
    /// The topic of hits on their way to windows.
    pub sightings: Arc<str>,
    /// The changelog of windows.
    pub state: Arc<str>,
    /// The topic of hits that came too late.
    pub late: Arc<str>,
    /// Partitions of sightings and state.
    pub partitions: u32,
    /// Event times are not believed further ahead of the clock, in nanoseconds.
    pub max_future: i64,
    /// So long hits wait for their rules.
    pub rules_patience: Duration,
    /// How often groups alert.
    pub policy: Policy,
    /// How correlators deal with disorder.
    pub options: Options,
    /// What the windows of all partitions may take.
    pub limits: Limits,
}

impl Plan {
    /// The meaning of a configuration.
    ///
    /// # Errors
    ///
    /// Something in it has none.
    pub fn new(config: &Config) -> anyhow::Result<Self> {
        let mut sources = Vec::new();
        for source in &config.sources {
            let pattern = source
                .pattern
                .as_ref()
                .map(|pattern| {
                    Regex::new(&whole_name(pattern))
                        .with_context(|| format!("`sources.pattern`: `{pattern}` is no pattern"))
                })
                .transpose()?;
            sources.push(SourcePlan { topics: source.topics.clone(), pattern });
        }
        let correlation = &config.correlation;
        let nanos = |span: crate::config::Span| Some(span.nanos()).filter(|nanos| *nanos > 0);
        Ok(Self {
            sources,
            destinations: Destinations::new(&config.detections, &config.detections())
                .map_err(|problem| anyhow!("`detections`: {problem}"))?,
            dead_letters: config.dead_letters().into(),
            sightings: config.sightings().into(),
            state: config.state().into(),
            late: config.late().into(),
            partitions: correlation.partitions.max(1),
            max_future: correlation.max_future.nanos(),
            rules_patience: correlation.rules_patience.duration(),
            policy: correlation
                .alert
                .parse()
                .map_err(|problem: String| anyhow!("`correlation.alert`: {problem}"))?,
            options: Options {
                patience: Patience {
                    max_lateness: correlation.max_lateness.nanos(),
                    idle_timeout: nanos(correlation.idle_timeout),
                    max_future: correlation.max_future.nanos(),
                },
                emit: match correlation.emit {
                    crate::config::Emit::Early => Emit::Early,
                    crate::config::Emit::Final => Emit::Final,
                },
            },
            limits: limits(config),
        })
    }

    /// A raw partition that is silent for so long is not waited for.
    #[must_use]
    pub fn idle_timeout(&self) -> Option<Duration> {
        let nanos = self.options.patience.idle_timeout?;
        Some(Duration::from_nanos(u64::try_from(nanos).unwrap_or(0)))
    }

    /// How a topic is read: by the first source that has it. `readings` are those of the sources.
    #[must_use]
    pub fn inlet(&self, topic: &Arc<str>, readings: &[Arc<Reading>]) -> Inlet {
        let source = self.sources.iter().position(|source| source.has(topic));
        // Topics are those that sources asked for; a pattern of librdkafka may understand more than ours.
        let reading = source.and_then(|at| readings.get(at)).or(readings.last());
        let reading = reading.map(Arc::clone).unwrap_or_default();
        Inlet { topic: Arc::clone(topic), reading }
    }

    /// What to subscribe to: names, and patterns that begin with `^`.
    #[must_use]
    pub fn subscription(&self) -> Vec<String> {
        let topics = self.sources.iter().flat_map(|source| source.topics.iter().cloned());
        let patterns = self.sources.iter().filter_map(|source| source.pattern.as_ref());
        topics.chain(patterns.map(|pattern| pattern.as_str().to_owned())).collect()
    }

    /// Whether a source reads a topic.
    #[must_use]
    pub fn reads(&self, topic: &str) -> bool {
        self.sources.iter().any(|source| source.has(topic))
    }
}

/// A pattern for whole names, as brokers and clients take it too: regular expressions of POSIX, which the client knows, have no other groups.
pub(crate) fn whole_name(pattern: &str) -> String {
    format!("^({pattern})$")
}

/// What all windows may take. Each partition has its part of it, so that nothing depends on which process has it.
fn limits(config: &Config) -> Limits {
    let records = config.transaction.max_records.clamp(1, correlate::MAX_RECORDS);
    let partitions = usize::try_from(config.correlation.partitions).unwrap_or(1).max(1);
    let all = Limits {
        // Also if all partitions have much to tell at once and are in one lane.
        alerts_at_once: records.div_ceil(partitions),
        steps_at_once: records,
        ..Limits::default()
    };
    let Some(bytes) = config.correlation.max_state.map(|size| size.bytes()) else { return all };
    Limits {
        bytes,
        bytes_per_rule: (bytes / 2).max(1),
        pending_bytes: bytes.min(all.pending_bytes),
        early_bytes: bytes.min(all.early_bytes),
        ..all
    }
}

impl SourcePlan {
    fn has(&self, topic: &str) -> bool {
        self.topics.iter().any(|have| have == topic)
            || self.pattern.as_ref().is_some_and(|pattern| pattern.is_match(topic))
    }
}
