//! Starts lanes, watches them, and stops them.

use crate::config::{Config, Delivery};
use crate::correlate::Correlate;
use crate::detect::Detect;
use crate::kafka::topics::{self, Finding};
use crate::kafka::{Clients, Forsaken, Hail, Publisher, Reader};
use crate::lane::{Lane, Stage};
use crate::outlets::Outlets;
use crate::plan::Plan;
use crate::reload::{Made, ReadRules, Recipe, Reload, fingerprint};
use crate::replay::{self, Bounds, Replay};
use crate::rules_status::RulesStatus;
use crate::rules_topic::RulesTopic;
use crate::snapshot::Snapshots;
use crate::telemetry::{Identity, Metrics, Server, StageMetrics, Sums};
use anyhow::{Context as _, anyhow, bail};
use sigmund_sigma::Source;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Topics are checked for so long while brokers come and go.
const PATIENCE: Duration = Duration::from_secs(60);

/// The service, ready to run.
#[derive(Debug)]
pub struct Service {
    config: Config,
    plan: Arc<Plan>,
    outlets: Arc<Outlets>,
    clients: Clients,
    snapshots: Arc<Snapshots>,
    metrics: Metrics,
    /// Until it runs.
    reload: Option<Reload>,
    demand: Arc<AtomicBool>,
    identity: Identity,
    replay: Option<replay::Times>,
    /// All of a replay was done.
    done: Arc<AtomicBool>,
}

/// So often it is looked whether a replay is done, and said how far it is.
const LOOK: Duration = Duration::from_millis(500);
const SAY: Duration = Duration::from_secs(10);

/// The name of a process that was given none.
fn random_instance() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("{}-{:x}", std::process::id(), since.as_nanos())
}

impl Service {
    /// Loads rules and makes sense of the configuration. `read` reads the part about rules again whenever rules are loaded; `built_in` are
    /// the rules where none are configured. Also gives what became of the rules.
    ///
    /// # Errors
    ///
    /// The configuration has no meaning, or no rule is left.
    pub fn new(
        config: Config,
        read: ReadRules,
        built_in: Vec<Source>,
    ) -> anyhow::Result<(Self, Vec<String>)> {
        let plan = Plan::new(&config)?;
        if config.sources.is_empty() {
            bail!("no source is configured; name topics under `sources`");
        }
        let outlets = Arc::new(Outlets::new(&config)?);
        let recipe = Recipe::new(read, config.sources.clone(), built_in)
            .first_match(config.detections.first_match)
            .with_outlets(Arc::clone(&outlets));
        let seen = fingerprint(&config.rules);
        let Made { ingredients, problems, .. } = recipe.make(None, config.rules.topic.is_some())?;
        let instance = config.instance.clone().unwrap_or_else(random_instance);
        let clients = Clients::new(&config, &instance);
        let (snapshots, metrics) = (Arc::new(Snapshots::new(ingredients)), Metrics::new());
        metrics.in_force(&snapshots.newest(), &problems);
        let watched = config.rules.clone();
        let counts = metrics.clone();
        let reload = Some(Reload::new(recipe, Arc::clone(&snapshots), counts, watched, seen));
        let (plan, demand) = (Arc::new(plan), Arc::default());
        let identity = Identity { application: config.application.clone(), instance };
        let this = Self {
            config,
            plan,
            outlets,
            clients,
            snapshots,
            metrics,
            reload,
            demand,
            identity,
            replay: None,
            done: Arc::default(),
        };
        Ok((this, problems))
    }

    /// Reads what came at these times only, and ends by itself. The configuration is that of [a replay](Config::replayed_as).
    #[must_use]
    pub fn over(mut self, times: replay::Times) -> Self {
        self.replay = Some(times);
        self
    }

    /// Rules are read anew when it is set; it is unset again then.
    #[must_use]
    pub fn demand(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.demand)
    }

    /// The rules in force.
    #[must_use]
    pub fn snapshots(&self) -> &Arc<Snapshots> {
        &self.snapshots
    }

    /// What it counts.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Runs until `stop` is set. What was begun is finished first.
    ///
    /// # Errors
    ///
    /// A lane could not go on. Nothing is lost: the next process goes on from the last commit.
    pub fn run(mut self, stop: &Arc<AtomicBool>) -> anyhow::Result<()> {
        let (metrics, identity) = (self.metrics.clone(), self.identity.clone());
        let _server = Server::start(&self.config.http, metrics, identity, stop)?;
        self.clients = self.clients.until(stop);
        self.metrics.watch(self.clients.troubles());
        let _telling = self.clients.troubles().tell().context("cannot start a thread")?;
        self.reach(None)?;
        if stop.load(Ordering::Relaxed) {
            return Ok(());
        }
        if self.replay.is_some() {
            self.make_topics()?;
        }
        self.refuse_wrong_topics()?;
        if stop.load(Ordering::Relaxed) {
            return Ok(());
        }
        type Work<'a> = Box<dyn FnOnce() -> anyhow::Result<()> + Send + 'a>;
        let mut reload = self.reload.take();
        if let Some(reload) = &mut reload {
            let topics = self.config.rules.topic.as_ref().map(|topic| self.rules_topics(topic));
            reload.begin(self.clients.clone(), topics.transpose()?, stop)?;
        }
        let replay = self.replay.map(|times| {
            Replay::begin(&self.config, &self.plan, &self.clients, times)
                .with_context(|| format!("cannot replay {times}"))
        });
        let replay = replay.transpose()?;
        if let (Some(replay), Some(times)) = (&replay, self.replay)
            && replay.bounds.is_empty()
        {
            tracing::warn!("nothing was written to the sources {times}");
            return Ok(());
        }
        let bounds = replay.as_ref().map(|replay| Arc::clone(&replay.bounds));
        let (this, bounds) = (&self, &bounds);
        let mut lanes: Vec<(String, Work<'_>)> = Vec::new();
        for number in 0..self.config.lanes.max(1) {
            let work = move || this.detect(number, bounds.clone(), stop);
            lanes.push((format!("detect-{number}"), Box::new(work)));
        }
        for number in 0..self.config.correlation.lanes {
            let work = move || this.correlate(number, bounds.clone(), stop);
            lanes.push((format!("correlate-{number}"), Box::new(work)));
        }
        let (ended, ends) = mpsc::channel();
        let count = lanes.len();
        std::thread::scope(|scope| {
            if let Some(replay) = replay {
                // The rules are those of the beginning.
                let thread = std::thread::Builder::new().name("replay".to_owned());
                thread
                    .spawn_scoped(scope, move || this.watch(replay, stop))
                    .context("cannot start a thread")?;
            } else if let Some(reload) = reload {
                let thread = std::thread::Builder::new().name("reload".to_owned());
                thread
                    .spawn_scoped(scope, || reload.run(stop, &this.demand))
                    .context("cannot start a thread")?;
            }
            for (name, work) in lanes {
                let ended = ended.clone();
                let thread = std::thread::Builder::new().name(name.clone());
                let begun = thread.spawn_scoped(scope, move || {
                    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
                    let result = result.unwrap_or_else(|_| Err(anyhow!("it panicked")));
                    // Nobody listens only when all is over.
                    let _ = ended.send(result.with_context(|| format!("lane `{name}`")));
                });
                begun.context("cannot start a thread")?;
            }
            let mut first = Ok(());
            for _ in 0..count {
                let Ok(result) = ends.recv() else { break };
                if let Err(error) = result {
                    // The others finish what they have begun.
                    stop.store(true, Ordering::Relaxed);
                    match first {
                        Ok(()) => first = Err(error),
                        Err(_) => tracing::error!("{error:#}"),
                    }
                }
            }
            first
        })?;
        if self.replay.is_some() && !self.done.load(Ordering::Relaxed) {
            bail!("stopped before all was replayed; the same command goes on");
        }
        Ok(())
    }

    /// The topic of rules, and the one of what becomes of them.
    fn rules_topics(&self, topic: &str) -> anyhow::Result<(RulesTopic, RulesStatus)> {
        let clients = &self.clients;
        let topic = RulesTopic::new(topic, Reader::new(clients, "rules")?);
        let told =
            RulesTopic::new(&self.config.rules_status(), Reader::new(clients, "rules-status")?);
        let publisher = Publisher::new(clients, "rules-status-out")?;
        Ok((topic, RulesStatus::new(told, publisher, clients.instance())))
    }

    fn detect(
        &self,
        number: usize,
        bounds: Option<Arc<Bounds>>,
        stop: &Arc<AtomicBool>,
    ) -> anyhow::Result<()> {
        let metrics = self.metrics.lane("detect", number);
        let topics = self.plan.subscription();
        let topics: Vec<&str> = topics.iter().map(String::as_str).collect();
        self.insist(stop, &metrics, &|| {
            let (plan, snapshots) = (Arc::clone(&self.plan), Arc::clone(&self.snapshots));
            let stage = Detect::new(plan, snapshots, metrics.clone()).within(bounds.clone());
            let stage = stage.at_least_once(self.config.delivery == Delivery::AtLeastOnce);
            self.work(("detect", number), &topics, stage, stop, &metrics)
        })
    }

    fn correlate(
        &self,
        number: usize,
        bounds: Option<Arc<Bounds>>,
        stop: &Arc<AtomicBool>,
    ) -> anyhow::Result<()> {
        let metrics = self.metrics.lane("correlate", number);
        self.insist(stop, &metrics, &|| {
            let beats = metrics.clone();
            let reader = Reader::new(&self.clients, &format!("restore-{number}"))?
                .beating(Box::new(move || beats.beat()));
            let (plan, snapshots) = (Arc::clone(&self.plan), Arc::clone(&self.snapshots));
            let exactly_once = self.config.delivery == Delivery::ExactlyOnce;
            let stage = Correlate::new(plan, snapshots, reader, exactly_once, metrics.clone());
            let stage = stage.within(bounds.clone());
            self.work(("correlate", number), &[&*self.plan.sightings], stage, stop, &metrics)
        })
    }

    /// A lane with all its clients.
    fn work<S: Stage + Send + 'static>(
        &self,
        place: (&'static str, usize),
        topics: &[&str],
        stage: S,
        stop: &Arc<AtomicBool>,
        metrics: &StageMetrics,
    ) -> anyhow::Result<()> {
        let transaction = &self.config.transaction;
        Lane::join(&self.clients, place, topics, stage, transaction, stop, metrics.clone())?.run()
    }

    /// Begins a lane anew whose clients are given up, as soon as a broker answers another client.
    fn insist(
        &self,
        stop: &AtomicBool,
        metrics: &StageMetrics,
        lane: &dyn Fn() -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        loop {
            match lane() {
                Err(error) if error.is::<Forsaken>() => {
                    tracing::warn!(
                        "{error:#}: its clients are given up, and others begin when one answers; nothing is lost"
                    );
                    metrics.begins_anew();
                    self.reach(Some(metrics))?;
                    if stop.load(Ordering::Relaxed) {
                        metrics.ended();
                        return Ok(());
                    }
                }
                other => return other,
            }
        }
    }

    /// Waits until all of a replay is done, and says how far it has come.
    fn watch(&self, mut replay: Replay, stop: &AtomicBool) {
        let total = replay.bounds.length();
        let (mut said, mut answered) = (Instant::now(), Instant::now());
        while !stop.load(Ordering::Relaxed) {
            std::thread::sleep(LOOK);
            let is_done = replay.is_done();
            if is_done.is_ok() {
                answered = Instant::now();
            }
            match is_done {
                Ok(true) => {
                    let application = &*self.config.application;
                    let Sums { records, events, detections, late_hits, dead_letters } =
                        self.metrics.sums();
                    tracing::info!(
                        application,
                        records,
                        events,
                        detections,
                        late_hits,
                        dead_letters,
                        "the replay is done"
                    );
                    if late_hits > 0 {
                        tracing::warn!(
                            "{late_hits} hits came too late for their windows, and are in `{}`: a longer `correlation.max_lateness` waits for them",
                            self.config.late()
                        );
                    }
                    self.done.store(true, Ordering::Relaxed);
                    stop.store(true, Ordering::Relaxed);
                    return;
                }
                Ok(false) if said.elapsed() >= SAY => match replay.read() {
                    Ok(read) => {
                        said = Instant::now();
                        tracing::info!(read, of = total, "the replay goes on");
                    }
                    Err(error) => tracing::warn!("{error:#}"),
                },
                Ok(false) => {}
                Err(error) => {
                    tracing::warn!("cannot see how far the replay is: {error:#}");
                    if answered.elapsed() >= Forsaken::AFTER {
                        answered = Instant::now();
                        if let Err(error) = replay.renew() {
                            tracing::warn!("{error:#}");
                        }
                    }
                }
            }
        }
    }

    /// Makes what topics a replay needs and has not.
    fn make_topics(&self) -> anyhow::Result<()> {
        let outlets = self.outlets.topics(&self.snapshots.newest().rules);
        let created =
            topics::create(&self.config, &outlets, None).context("cannot make the topics")?;
        for (topic, _) in created.made {
            tracing::info!("topic `{topic}` is made");
        }
        for finding in created.failed {
            tracing::error!("{finding}");
        }
        Ok(())
    }

    /// Waits until a broker answers: a lane as long as it takes, and without one, at start, as long as the process is not refused.
    fn reach(&self, lane: Option<&StageMetrics>) -> anyhow::Result<()> {
        let (mut hail, mut made) = (Hail::new(&self.clients)?, Instant::now());
        let troubles = self.clients.troubles();
        while !troubles.is_stopped() {
            if made.elapsed() >= Forsaken::AFTER {
                (hail, made) = (Hail::new(&self.clients)?, Instant::now());
            }
            if hail.is_answered() {
                self.metrics.reached();
                break;
            }
            match lane {
                Some(metrics) => metrics.beat(),
                // Who may not in will not be let in by waiting.
                None => troubles.refusal().map_or(Ok(()), |refusal| Err(anyhow!("{refusal}")))?,
            }
        }
        Ok(())
    }

    /// What is wrong with the topics. Brokers that come and go cannot say so at once.
    fn findings(&self) -> anyhow::Result<Vec<Finding>> {
        let end = Instant::now() + PATIENCE;
        let mut is_said = false;
        // Not every broker knows at once of topics that were just made.
        let made = Instant::now() + Duration::from_secs(if self.replay.is_some() { 10 } else { 0 });
        loop {
            // What templates name for rules is made when rules are loaded.
            let snapshot = self.snapshots.newest();
            let why = match topics::check(&self.config, &BTreeSet::new(), snapshot.rules.longest())
            {
                Ok(findings) => {
                    // What has no command that mends it may pass.
                    let passing = findings.iter().find(|one| one.is_error && one.command.is_none());
                    match passing {
                        Some(finding) if Instant::now() < end => finding.to_string(),
                        _ if Instant::now() < made && findings.iter().any(|one| one.is_error) => {
                            std::thread::sleep(Duration::from_millis(200));
                            continue;
                        }
                        _ => return Ok(findings),
                    }
                }
                Err(error @ topics::Error::Refused(_)) => return Err(error.into()),
                Err(error) if Instant::now() < end => error.to_string(),
                Err(error) => return Err(error).context("cannot check the topics"),
            };
            if self.clients.troubles().is_stopped() {
                return Ok(Vec::new());
            }
            if !is_said {
                tracing::warn!("the topics cannot be checked yet, and it is tried again: {why}");
                is_said = true;
            }
            std::thread::sleep(Duration::from_secs(1));
        }
    }

    /// Topics that are missing or made otherwise than needed would lose or confuse state.
    fn refuse_wrong_topics(&self) -> anyhow::Result<()> {
        let findings = self.findings()?;
        let mut wrong = 0;
        for finding in findings {
            if finding.is_error {
                wrong += 1;
                tracing::error!("{finding}");
            } else {
                tracing::warn!("{finding}");
            }
        }
        match wrong {
            0 => Ok(()),
            _ => bail!(
                "the topics are not as they must be; mend them as said above, and start again"
            ),
        }
    }
}
