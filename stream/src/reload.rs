//! Other rules without a restart: when files change, and on demand.
//!
//! A whole new set is made on a thread of its own (rules, pipelines, mappings, placeholders, all read anew) and checked; only then lanes get it,
//! between two transactions. If anything is wrong, the set before stays, which is said once for each cause.

use crate::config::{self, Source};
use crate::loading::Loading;
use crate::meaning::Changes;
use crate::rule_files::sorted_entries;
use crate::snapshot::{Ingredients, Snapshots};
use crate::telemetry::StageMetrics;
use anyhow::{anyhow, bail};
use std::collections::hash_map::DefaultHasher;
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
        Self { read, sources, built_in }
    }

    /// Reads and compiles everything.
    ///
    /// # Errors
    ///
    /// A file cannot be read, or one that changes the meaning of rules is wrong, or no rule is left.
    pub fn make(&self) -> anyhow::Result<Made> {
        let rules = (self.read)()?;
        let loading = Loading::new(&rules, &self.built_in)?;
        let readings = self.sources.iter().map(|source| loading.reading(source));
        let readings = readings.collect::<anyhow::Result<_>>()?;
        let loaded = loading.load();
        // A rule that is not read would be missed in silence.
        if let Some((path, why)) = loaded.files.unreadable.first() {
            bail!("cannot read `{}`: {why}", path.display());
        }
        let (problems, failed) = (loaded.problems(), loaded.failed());
        if loaded.rules.is_empty() && rules.topic.is_none() {
            match problems.first() {
                Some(first) => bail!("no rule is left to run with; {first}"),
                None => bail!("no rule is left to run with"),
            }
        }
        let mappings = loading.mappings();
        let ingredients = Ingredients { rules: loaded.rules, readings, mappings };
        Ok(Made { ingredients, problems, failed, rules })
    }
}

/// Makes new sets when there is a reason to.
#[derive(Debug)]
pub struct Reload {
    recipe: Recipe,
    snapshots: Arc<Snapshots>,
    metrics: StageMetrics,
    watched: config::Rules,
    /// Of the files of the last set that was tried.
    seen: u64,
    /// What was said last: the same is not said again and again.
    said: Option<String>,
}

/// Reasons to make a new set are looked for so often.
const TICK: Duration = Duration::from_millis(100);

/// Files that are just being written are waited for: so long nothing may change, and so often it is tried.
const SETTLE: Duration = Duration::from_millis(300);
const PATIENCE: usize = 20;

impl Reload {
    /// After the first set was made of `watched`.
    #[must_use]
    pub fn new(
        recipe: Recipe,
        snapshots: Arc<Snapshots>,
        metrics: StageMetrics,
        watched: config::Rules,
        seen: u64,
    ) -> Self {
        Self { recipe, snapshots, metrics, watched, seen, said: None }
    }

    /// Until `stop` is set, makes a new set whenever files change or `demand` is set.
    pub fn run(mut self, stop: &AtomicBool, demand: &AtomicBool) {
        let mut looked = Instant::now();
        while !stop.load(Ordering::Relaxed) {
            std::thread::sleep(TICK);
            if demand.swap(false, Ordering::Relaxed) {
                tracing::info!("rules are read anew: asked for");
                self.said = None;
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
        let made = catch_unwind(AssertUnwindSafe(|| self.recipe.make()));
        let made = match made.unwrap_or_else(|_| Err(anyhow!("making them panicked"))) {
            Ok(made) => made,
            Err(error) => {
                self.metrics.count("refused", 1);
                let why = format!("{error:#}");
                if self.said.as_ref() != Some(&why) {
                    tracing::error!("rules stay as they are: {why}");
                    self.said = Some(why);
                }
                return None;
            }
        };
        self.said = None;
        let Made { ingredients, problems, failed, rules } = made;
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
        for problem in &problems {
            tracing::error!("{problem}");
        }
        for (what, names) in
            [("+", &changes.added), ("-", &changes.removed), ("~", &changes.changed)]
        {
            for name in names {
                tracing::debug!("{what} {name}");
            }
        }
        self.metrics.count(if changes.is_empty() { "unchanged" } else { "changed" }, 1);
        let snapshot = self.snapshots.newest();
        tracing::info!(
            ruleset = &*snapshot.ruleset,
            rules = snapshot.rules.len(),
            milliseconds = begun.elapsed().as_millis() as u64,
            "rules: {changes}"
        );
        Some(changes)
    }
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
    use crate::telemetry::Metrics;
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
        let made = recipe.make().expect("rules");
        let snapshots = Arc::new(Snapshots::new(made.ingredients));
        Reload::new(recipe, snapshots, Metrics::new().stage("reload"), rules, seen)
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
        assert!(reload.said.as_ref().is_some_and(|said| said.contains("pipeline")), "{reload:?}");
        fs::remove_file(&pipeline).expect("removed");
        assert_eq!(reload.reload(), None);
        fs::write(&pipeline, "name: p\npriority: 1\ntransformations: []\n").expect("a file");
        // No rule left.
        folder.write("a.yml", "title: broken\ndetection: 1\n");
        assert_eq!(reload.reload(), None);
        assert!(reload.said.as_ref().is_some_and(|said| said.contains("no rule is left")));
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
