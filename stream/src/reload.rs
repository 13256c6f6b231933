//! Other rules without a restart: when files change, and on demand.
//!
//! A whole new set is made on a thread of its own (rules, pipelines, mappings, placeholders, all read anew) and checked; only then lanes get it,
//! between two transactions. If anything is wrong, the set before stays, which is said once for each cause.

use crate::config::{self, Source};
use crate::kafka::{Clients, outlets};
use crate::loading::{Answer, Loaded, Loading};
use crate::meaning::Changes;
use crate::outlets::Outlets;
use crate::rule_files::sorted_entries;
use crate::rules::Rules;
use crate::rules_status::RulesStatus;
use crate::rules_topic::{RuleRecords, RulesTopic};
use crate::snapshot::{Ingredients, Snapshots};
use crate::telemetry::Metrics;
use anyhow::{anyhow, bail};
use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash as _, Hasher as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Reads the part of the configuration that is about rules.
pub type ReadRules = Box<dyn Fn() -> anyhow::Result<config::Rules> + Send + Sync>;

/// Makes sets of rules.
pub struct Recipe {
    read: ReadRules,
    sources: Vec<Source>,
    built_in: Vec<sigmund_sigma::Source>,
    first_match: bool,
    outlets: Option<Arc<Outlets>>,
}

/// A set of rules with what was wrong with its texts.
#[derive(Debug)]
pub struct Made {
    /// The set.
    pub ingredients: Ingredients,
    /// What did not load, each as `file:line:column: message`.
    pub problems: Vec<String>,
    /// Documents that did not load.
    pub failed: usize,
    /// What became of the records of the rules topic.
    pub answers: Vec<Answer>,
    /// What of rules does not count.
    pub warnings: Vec<String>,
    /// What is looked at for changes from now on.
    pub rules: config::Rules,
}

impl std::fmt::Debug for Recipe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recipe").field("sources", &self.sources).finish_non_exhaustive()
    }
}

impl Recipe {
    /// For these sources; `read` gives what the configuration says about rules, `built_in` are those where it names none.
    #[must_use]
    pub fn new(
        read: ReadRules,
        sources: Vec<Source>,
        built_in: Vec<sigmund_sigma::Source>,
    ) -> Self {
        Self { read, sources, built_in, first_match: false, outlets: None }
    }

    /// The detections of the rules it makes go there: rules whose detections must not are refused.
    #[must_use]
    pub fn with_outlets(self, outlets: Arc<Outlets>) -> Self {
        Self { outlets: Some(outlets), ..self }
    }

    /// Topics that must be there for these rules besides those that the configuration names.
    fn topics(&self, rules: &Rules) -> BTreeSet<String> {
        self.outlets.as_ref().map(|outlets| outlets.topics(rules)).unwrap_or_default()
    }

    /// The rules it makes give one detection for each event at most ([`Rules::first_match`](crate::rules::Rules::first_match)).
    #[must_use]
    pub fn first_match(self, first_match: bool) -> Self {
        Self { first_match, ..self }
    }

    /// Reads and compiles everything, with the rules of a topic. Without rules it is none unless `empty`.
    ///
    /// # Errors
    ///
    /// A file cannot be read, or one that changes the meaning of rules is wrong, or no rule is left.
    pub fn make(&self, topic: Option<(&str, &RuleRecords)>, empty: bool) -> anyhow::Result<Made> {
        let rules = (self.read)()?;
        let loading = Loading::new(&rules, &self.built_in)?.with_outlets(self.outlets.clone());
        let readings = self.sources.iter().map(|source| loading.reading(source));
        let readings = readings.collect::<anyhow::Result<_>>()?;
        let loaded = loading.load(topic);
        // A rule that is not read would be missed in silence.
        if let Some((path, why)) = loaded.files.unreadable.first() {
            bail!("cannot read `{}`: {why}", path.display());
        }
        let (problems, failed) = (loaded.problems(), loaded.failed());
        if loaded.rules.is_empty() && !empty {
            let mut refusal = "no rule is left to run with".to_owned();
            let paths = rules.paths.iter().map(|path| format!("`{}`", path.display()));
            let paths = paths.collect::<Vec<_>>().join(", ");
            match loaded.left_out {
                Some(left_out) => refusal.push_str(&format!(": {left_out}")),
                None if problems.is_empty() && !paths.is_empty() => {
                    refusal.push_str(&format!(": there is none in {paths}"));
                }
                None => {}
            }
            if let Some(first) = problems.first() {
                refusal.push_str(&format!("; {first}"));
            }
            bail!(refusal);
        }
        let mappings = loading.mappings();
        let Loaded { rules: mut compiled, answers, warnings, .. } = loaded;
        compiled.first_match = self.first_match;
        let ingredients = Ingredients { rules: compiled, readings, mappings };
        Ok(Made { ingredients, problems, failed, answers, warnings, rules })
    }
}

/// Makes new sets when there is a reason to.
#[derive(Debug)]
pub struct Reload {
    recipe: Recipe,
    snapshots: Arc<Snapshots>,
    metrics: Metrics,
    watched: config::Rules,
    /// Of the files of the last set that was tried.
    seen: u64,
    /// What was said last: the same is not said again and again.
    said: Said,
    /// Once there are brokers.
    clients: Option<Clients>,
    topic: Option<RulesTopic>,
    status: Option<RulesStatus>,
}

/// What was said last.
#[derive(Debug, Default)]
struct Said {
    refusal: Option<String>,
    problems: Vec<String>,
    warnings: Vec<String>,
    /// Why the topic of rules cannot be read.
    topic: Option<String>,
    /// Why the topic of their status cannot be written.
    status: Option<String>,
}

/// Says something unless it was what was said last.
fn say(last: &mut Option<String>, now: String, log: &dyn Fn(&str)) {
    if last.as_ref() != Some(&now) {
        log(&now);
        *last = Some(now);
    }
}

/// Reasons to make a new set are looked for so often.
const TICK: Duration = Duration::from_millis(100);

/// The rules topic is looked at so often.
const FOLLOW: Duration = Duration::from_secs(1);

/// Files that are just being written are waited for: so long nothing may change, and so often it is tried.
const SETTLE: Duration = Duration::from_millis(300);
const PATIENCE: usize = 20;

impl Reload {
    /// After the first set was made of `watched`.
    #[must_use]
    pub fn new(
        recipe: Recipe,
        snapshots: Arc<Snapshots>,
        metrics: Metrics,
        watched: config::Rules,
        seen: u64,
    ) -> Self {
        Self {
            recipe,
            snapshots,
            metrics,
            watched,
            seen,
            said: Said::default(),
            clients: None,
            topic: None,
            status: None,
        }
    }

    /// Makes the first set again with all that only brokers know: the rules of the topic, which is waited for until `stop` is set, and whether the topics
    /// are there that rules name. What becomes of the rules is told on the second topic.
    ///
    /// # Errors
    ///
    /// The rules cannot be used.
    pub fn begin(
        &mut self,
        clients: Clients,
        topics: Option<(RulesTopic, RulesStatus)>,
        stop: &AtomicBool,
    ) -> anyhow::Result<()> {
        self.clients = Some(clients);
        (self.topic, self.status) = topics.unzip();
        while self.topic.is_some() && self.follow().is_none() {
            std::thread::sleep(FOLLOW);
            if stop.load(Ordering::Relaxed) {
                return Ok(());
            }
        }
        let rules = &self.snapshots.newest().rules;
        let is_done = self.topic.is_none()
            && rules.output_topics().is_empty()
            && self.recipe.topics(rules).is_empty();
        if !is_done && self.reload().is_none() {
            bail!("{}", self.said.refusal.take().unwrap_or_default());
        }
        if let Some(topic) = &self.topic
            && self.snapshots.newest().rules.is_empty()
        {
            let topic = topic.name();
            tracing::warn!(
                "there is no rule in `{topic}` yet; `sigmund rules publish` puts rules there"
            );
        }
        Ok(())
    }

    /// Reads what is new in the rules topic. Whether anything is; `None` if it cannot be read.
    fn follow(&mut self) -> Option<bool> {
        let topic = self.topic.as_mut()?;
        match topic.read() {
            Ok(changed) => {
                if self.said.topic.take().is_some() {
                    tracing::info!("the rules topic is read again");
                }
                Some(changed)
            }
            Err(error) => {
                self.metrics.error("reload", "rules_topic");
                let why = format!(
                    "the rules topic cannot be read ({error:#}); it is tried again, and `sigmund topics check` says what is needed"
                );
                say(&mut self.said.topic, why, &|why| tracing::error!("{why}"));
                None
            }
        }
    }

    /// Until `stop` is set, makes a new set whenever files change or `demand` is set.
    pub fn run(mut self, stop: &AtomicBool, demand: &AtomicBool) {
        let (mut looked, mut followed) = (Instant::now(), Instant::now());
        while !stop.load(Ordering::Relaxed) {
            std::thread::sleep(TICK);
            if self.topic.is_some() && followed.elapsed() >= FOLLOW {
                if self.follow() == Some(true) {
                    self.reload();
                }
                followed = Instant::now();
            }
            if demand.swap(false, Ordering::Relaxed) {
                tracing::info!("rules are read anew: asked for");
                // Who asks wants to hear it again.
                self.said = Said::default();
                self.seen = fingerprint(&self.watched);
                self.reload();
                looked = Instant::now();
                continue;
            }
            let watch = self.watched.watch.duration();
            if !watch.is_zero() && looked.elapsed() >= watch {
                self.look();
                looked = Instant::now();
            }
        }
    }

    /// Makes a new set if files changed.
    fn look(&mut self) {
        let mut now = fingerprint(&self.watched);
        if now == self.seen {
            return;
        }
        for _ in 0..PATIENCE {
            std::thread::sleep(SETTLE.min(self.watched.watch.duration()));
            let next = fingerprint(&self.watched);
            if next == now {
                break;
            }
            now = next;
        }
        // That of before the files are read: what changes meanwhile is seen next time.
        self.seen = now;
        self.reload();
    }

    /// Makes a new set and puts it in force, or says why not.
    pub fn reload(&mut self) -> Option<Changes> {
        let begun = Instant::now();
        let topic = self.topic.as_ref().map(|topic| (topic.name(), topic.records()));
        // With a topic there may be none in the beginning.
        let empty = topic.is_some() && self.snapshots.newest().rules.is_empty();
        let make = || {
            let mut made = self.recipe.make(topic, empty)?;
            if let Some(clients) = &self.clients {
                let topics = self.recipe.topics(&made.ingredients.rules);
                open(clients, topics, &mut made)?;
            }
            Ok(made)
        };
        let made = catch_unwind(AssertUnwindSafe(make));
        let made = match made.unwrap_or_else(|_| Err(anyhow!("making them panicked"))) {
            Ok(made) => made,
            Err(error) => {
                self.metrics.reloaded(false);
                let why = format!("{error:#}");
                self.metrics.problems(std::slice::from_ref(&why));
                say(&mut self.said.refusal, why, &|why| {
                    tracing::error!("rules stay as they are: {why}");
                });
                return None;
            }
        };
        self.said.refusal = None;
        let Made { ingredients, problems, failed, answers, warnings, rules } = made;
        if rules.topic != self.watched.topic {
            tracing::warn!("`rules.topic` is not the same any more; it counts after a restart");
        }
        if (&rules.paths, &rules.pipelines, &rules.log_source_mappings)
            != (&self.watched.paths, &self.watched.pipelines, &self.watched.log_source_mappings)
        {
            self.seen = fingerprint(&rules);
        }
        self.watched = rules;
        let mut changes = self.snapshots.replace(ingredients);
        changes.failed = failed;
        for problem in problems.iter().filter(|problem| !self.said.problems.contains(problem)) {
            tracing::error!("{problem}");
        }
        for problem in warnings.iter().filter(|one| !self.said.warnings.contains(one)) {
            tracing::warn!("{problem}");
        }
        (self.said.problems, self.said.warnings) = (problems, warnings);
        for (what, names) in
            [("+", &changes.added), ("-", &changes.removed), ("~", &changes.changed)]
        {
            for name in names {
                tracing::debug!("{what} {name}");
            }
        }
        let snapshot = self.snapshots.newest();
        self.metrics.reloaded(true);
        self.metrics.in_force(&snapshot, &self.said.problems);
        tracing::info!(
            ruleset = &*snapshot.ruleset,
            rules = snapshot.rules.len(),
            milliseconds = begun.elapsed().as_millis() as u64,
            "rules: {changes}"
        );
        self.answer(&answers);
        Some(changes)
    }

    /// Tells what became of the records of the rules topic.
    fn answer(&mut self, answers: &[Answer]) {
        let (Some(topic), Some(status)) = (&self.topic, &mut self.status) else { return };
        let value = |key: &str| topic.records().get(key).map(|text| &**text);
        match status.say(answers, value) {
            Ok(count) => {
                self.said.status = None;
                self.metrics.rule_statuses(count as u64);
            }
            Err(error) => {
                self.metrics.error("reload", "rules_status");
                let why = format!(
                    "it is not told what became of rules ({error:#}); `sigmund topics check` says what is needed"
                );
                say(&mut self.said.status, why, &|why| tracing::warn!("{why}"));
            }
        }
    }
}

/// Sees to it that the topics are there that rules name, and those that templates name for rules.
fn open(clients: &Clients, topics: BTreeSet<String>, made: &mut Made) -> anyhow::Result<()> {
    let rules = &mut made.ingredients.rules;
    if let Some(prefix) = clients.prefix() {
        rules.prefix_topics(prefix);
    }
    let own = rules.output_topics();
    let failed = outlets::make(clients, &own.union(&topics).cloned().collect())?;
    // There is nowhere else for these.
    let (failed, fixed): (BTreeMap<_, _>, BTreeMap<_, _>) =
        failed.into_iter().partition(|(topic, _)| own.contains(topic));
    for (topic, why) in fixed {
        let command = clients.troubles().creation(&topic);
        made.warnings.push(format!(
            "topic `{topic}`, where detections of a rule go by a template under `detections`, is not there and cannot be made ({why}): the first of them makes all work wait until it is; make it by `{command}`"
        ));
    }
    for (topic, why) in &failed {
        made.warnings.push(format!(
            "topic `{topic}`, which a rule names for its detections, is not there and cannot be made ({why}); they go where those of other rules go"
        ));
    }
    rules.give_up_topics(&failed.into_keys().collect());
    Ok(())
}

/// Tells the files that rules are made of from what they were before, by names, times and sizes.
#[must_use]
pub fn fingerprint(rules: &config::Rules) -> u64 {
    let mut hasher = DefaultHasher::new();
    let files = rules.paths.iter().chain(&rules.pipelines).chain(&rules.log_source_mappings);
    files.for_each(|path| look_at(path, 0, &mut hasher));
    hasher.finish()
}

/// As deep as rules are looked for.
const MAX_DEPTH: usize = 64;

fn look_at(path: &Path, depth: usize, hasher: &mut DefaultHasher) {
    path.hash(hasher);
    let Ok(metadata) = std::fs::metadata(path) else { return };
    if !metadata.is_dir() {
        (metadata.len(), metadata.modified().ok()).hash(hasher);
        return;
    }
    match sorted_entries(path) {
        Ok(entries) if depth < MAX_DEPTH => {
            entries.iter().for_each(|entry| look_at(entry, depth + 1, hasher));
        }
        Ok(_) => {}
        Err(error) => error.to_string().hash(hasher),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::path::PathBuf;

    /// A directory of its own, which goes when this goes.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("reload-{}-{name}", std::process::id()));
            let _ = fs::remove_dir_all(&path);
            fs::create_dir_all(&path).expect("a directory");
            Self(path)
        }

        fn write(&self, name: &str, text: &str) {
            fs::write(self.0.join(name), text).expect("a file");
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn rule(id: &str, value: &str) -> String {
        format!(
            "title: T{id}\nid: {id}\nlogsource:\n    category: c\ndetection:\n    s:\n        f: {value}\n    condition: s\n"
        )
    }

    fn begin(rules: config::Rules) -> Reload {
        let read = rules.clone();
        let recipe = Recipe::new(Box::new(move || Ok(read.clone())), Vec::new(), Vec::new());
        let seen = fingerprint(&rules);
        let made = recipe.make(None, false).expect("rules");
        let snapshots = Arc::new(Snapshots::new(made.ingredients));
        Reload::new(recipe, snapshots, Metrics::new(), rules, seen)
    }

    fn of(folder: &Folder) -> config::Rules {
        let watch = config::Span::milliseconds(1);
        config::Rules { paths: vec![folder.0.clone()], watch, ..config::Rules::default() }
    }

    #[test]
    fn changes_are_reported() {
        let folder = Folder::new("report");
        folder.write("a.yml", &rule("a", "1"));
        folder.write("b.yml", &rule("b", "1"));
        let mut reload = begin(of(&folder));
        let report = |reload: &mut Reload| reload.reload().map(|changes| changes.to_string());
        assert_eq!(report(&mut reload).as_deref(), Some("+0 -0 ~0, 0 failed"));
        folder.write("a.yml", &format!("# touched\n{}", rule("a", "1")));
        folder.write("b.yml", &rule("b", "2"));
        folder.write("c.yml", &format!("{}---\ntitle: broken\ndetection: 1\n", rule("c", "1")));
        assert_eq!(report(&mut reload).as_deref(), Some("+1 -0 ~1, 1 failed"));
        fs::remove_file(folder.0.join("b.yml")).expect("removed");
        assert_eq!(report(&mut reload).as_deref(), Some("+0 -1 ~0, 1 failed"));
        // Twice the same is no change.
        let version = reload.snapshots.newest().version;
        assert_eq!(report(&mut reload).as_deref(), Some("+0 -0 ~0, 1 failed"));
        assert_eq!(reload.snapshots.newest().version, version);
    }

    #[test]
    fn the_set_before_stays_if_anything_is_wrong() {
        let folder = Folder::new("wrong");
        let pipeline = folder.0.join("p.pipeline");
        fs::write(&pipeline, "name: p\npriority: 1\ntransformations: []\n").expect("a file");
        folder.write("a.yml", &rule("a", "1"));
        let mut reload = begin(config::Rules { pipelines: vec![pipeline.clone()], ..of(&folder) });
        let first = reload.snapshots.newest();
        // A pipeline with a mistake.
        fs::write(&pipeline, "transformations: 1\n").expect("a file");
        assert_eq!(reload.reload(), None);
        assert!(
            reload.said.refusal.as_ref().is_some_and(|said| said.contains("pipeline")),
            "{reload:?}"
        );
        fs::remove_file(&pipeline).expect("removed");
        assert_eq!(reload.reload(), None);
        fs::write(&pipeline, "name: p\npriority: 1\ntransformations: []\n").expect("a file");
        // No rule left.
        folder.write("a.yml", "title: broken\ndetection: 1\n");
        assert_eq!(reload.reload(), None);
        assert!(reload.said.refusal.as_ref().is_some_and(|said| said.contains("no rule is left")));
        // The directory gone.
        let other = folder.0.with_extension("moved");
        fs::rename(&folder.0, &other).expect("moved");
        assert_eq!(reload.reload(), None);
        fs::rename(&other, &folder.0).expect("moved");
        assert!(Arc::ptr_eq(&first, &reload.snapshots.newest()));
        folder.write("a.yml", &rule("a", "2"));
        assert_eq!(reload.reload().map(|changes| changes.changed.len()), Some(1));
    }

    #[test]
    fn files_are_told_from_what_they_were() {
        let folder = Folder::new("files");
        folder.write("a.yml", "a");
        let rules = of(&folder);
        let first = fingerprint(&rules);
        assert_eq!(first, fingerprint(&rules));
        folder.write("a.yml", "ab");
        let second = fingerprint(&rules);
        assert_ne!(first, second);
        fs::create_dir(folder.0.join("deeper")).expect("a directory");
        folder.write("deeper/b.yml", "b");
        let third = fingerprint(&rules);
        assert_ne!(second, third);
        fs::remove_file(folder.0.join("a.yml")).expect("removed");
        assert_ne!(third, fingerprint(&rules));
    }

    #[test]
    fn a_change_of_files_or_a_demand_puts_new_rules_in_force() {
        let folder = Folder::new("runs");
        folder.write("a.yml", &rule("a", "1"));
        let reload = begin(of(&folder));
        let snapshots = Arc::clone(&reload.snapshots);
        let (stop, demand) = (AtomicBool::new(false), AtomicBool::new(false));
        std::thread::scope(|scope| {
            scope.spawn(|| reload.run(&stop, &demand));
            let wait = |what: &str, done: &dyn Fn() -> bool| {
                let begun = Instant::now();
                while !done() {
                    if begun.elapsed() > Duration::from_secs(20) {
                        stop.store(true, Ordering::Relaxed);
                        panic!("waited for {what}");
                    }
                    std::thread::sleep(Duration::from_millis(10));
                }
            };
            folder.write("b.yml", &rule("b", "1"));
            wait("two rules", &|| snapshots.newest().rules.len() == 2);
            demand.store(true, Ordering::Relaxed);
            wait("the demand", &|| !demand.load(Ordering::Relaxed));
            stop.store(true, Ordering::Relaxed);
        });
        assert_eq!(snapshots.newest().version, 2);
    }
}
