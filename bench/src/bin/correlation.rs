//! What correlations cost as their windows grow, and under a spray of groups.
//!
//! `cargo run --release -p sigmund-bench --bin correlation`: each line of the tables is measured in a process of its own, in CPU time of its one
//! thread. Making the sightings is not counted. Memory that the limits count must be near what the process takes.
#![expect(clippy::print_stdout, reason = "it is a report")]

use sigmund_bench::cpu_time;
use sigmund_engine::correlation::{
    Correlations, EventRef, Limits, Measure, Policy, Sighting, Windows,
};
use sigmund_sigma::{Loader, Rule, Source};
use std::error::Error;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

/// What sigmund runs with.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Distinct values in one window.
const SIZES: [u64; 3] = [40_000, 400_000, 4_000_000];
/// Each of those is measured so often: the best and the median, because the system's share of a run may vary much in a virtual machine.
const RUNS: usize = 7;
/// Distinct groups of the spray.
const GROUPS: u64 = 10_000_000;
/// After the type of a correlation: its condition holds from the middle on.
const HALF: &str = ", half";
/// So many sightings are made at a time.
const BATCH: u64 = 2048;

const RULE: &str = "title: R
name: r
logsource:
    category: test
detection:
    s:
        f: v
    condition: s
---
title: C
correlation:
    rules: [r]
";

fn set(correlation: &str) -> Arc<Correlations> {
    let mut text = RULE.to_owned();
    correlation.lines().for_each(|line| text.push_str(&format!("    {line}\n")));
    let source = Source { name: "bench".into(), text: text.into() };
    let collection = Loader::default().load(&[source]);
    let rules: Vec<Arc<Rule>> = collection.rules.into_iter().map(Arc::new).collect();
    let (set, refused) = Correlations::compile(&collection.correlations, &rules, &|_| true);
    assert!(collection.diagnostics.is_empty() && refused.is_empty(), "the rule loads");
    Arc::new(set)
}

/// One correlation over a stream that is made of numbers.
struct Run {
    windows: Windows,
    user: u32,
    host: Option<u32>,
    step: i64,
    /// When, and what was compared.
    alerts: Vec<(i64, Option<Measure>)>,
}

impl Run {
    /// A hit each `step` nanoseconds.
    fn new(correlation: &str, step: i64) -> Self {
        let set = set(correlation);
        let field = |name: &str| set.fields().iter().position(|have| **have == *name);
        let user = field("User").unwrap_or_default() as u32;
        let host = field("Host").map(|at| at as u32);
        let windows = Windows::new(set, Policy::Once, Limits::default());
        Self { windows, user, host, step, alerts: Vec::new() }
    }

    /// Hits `from` to `to`, each with a user: the CPU time.
    fn hits(&mut self, from: u64, to: u64, user: &dyn Fn(u64) -> String) -> Duration {
        let mut time = Duration::ZERO;
        let mut out = Vec::new();
        let mut at = from;
        while at < to {
            let batch: Vec<Sighting> = (at..to.min(at + BATCH))
                .map(|record| {
                    let mut values: Vec<(u32, Box<str>)> = vec![(self.user, user(record).into())];
                    values.extend(self.host.map(|host| (host, "dc1.example.net".into())));
                    values.sort_unstable();
                    let event = EventRef { source: 0, record };
                    let time = record as i64 * self.step;
                    Sighting { time, event, rules: [0].into(), values: values.into() }
                })
                .collect();
            let windows = &mut self.windows;
            let (spent, ()) = cpu_time::measured(|| {
                batch.iter().for_each(|sighting| windows.process(sighting, &mut out));
            });
            time += spent;
            self.alerts.extend(out.drain(..).map(|alert| (alert.time, alert.value)));
            at += BATCH;
        }
        time
    }
}

fn nanoseconds(time: Duration, hits: u64) -> f64 {
    time.as_nanos() as f64 / hits as f64
}

/// Peak memory of this process in MiB, where the system tells.
fn peak() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.trim().split(' ').next()?.parse::<u64>().ok());
    kilobytes.map_or("–".to_owned(), |kilobytes| (kilobytes / 1024).to_string())
}

/// What is counted is about what is taken, beside what the process needs anyway.
fn assert_near(counted: usize) {
    if let Ok(peak) = peak().parse::<usize>() {
        assert!(peak <= counted * 5 / 4 + 16, "{counted} MiB are counted, {peak} MiB are taken");
    }
}

/// One window with so many distinct values: nanoseconds for each, peak memory. It never alerts, or when half of them are there.
fn growth(what: &str, size: u64) {
    let kind = what.strip_suffix(HALF);
    let least = if kind.is_some() { size / 2 } else { 1_000_000_000_000_000 };
    let kind = kind.unwrap_or(what);
    let field = if kind == "event_count" { "" } else { "field: User, " };
    // Everything stays in the window.
    let rule =
        format!("type: {kind}\ngroup-by: [Host]\ntimespan: 1d\ncondition: {{{field}gte: {least}}}");
    let mut run = Run::new(&rule, 1_000_000);
    let user =
        |at: u64| if kind == "value_count" { format!("user{at:08}") } else { at.to_string() };
    let time = run.hits(0, size, &user);
    assert_eq!(run.windows.usage().total.hits as u64, size, "the window holds all");
    let alert =
        (least <= size).then(|| ((least - 1) as i64 * run.step, Some(Measure::count(least))));
    assert_eq!(
        run.alerts,
        Vec::from_iter(alert),
        "the value that was enough is the one that alerts"
    );
    let usage = run.windows.usage().total.bytes >> 20;
    assert_near(usage);
    println!("{:.1} {} {usage}", nanoseconds(time, size), peak());
}

/// Many hits of one correlation by user, over so many users: a line for each part.
fn spray(users: u64) {
    let rule = "type: event_count\ngroup-by: [User]\ntimespan: 1h\ncondition: {gte: 1000000000}";
    let mut run = Run::new(rule, 1_000_000);
    let user = |at: u64| format!("user{:08}", at.wrapping_mul(7_777_777) % users);
    let part = GROUPS / 10;
    let mut most = 0;
    for from in (0..GROUPS).step_by(part as usize) {
        let time = run.hits(from, from + part, &user);
        let total = &run.windows.usage().total;
        most = most.max(total.bytes >> 20);
        assert_near(most);
        println!(
            "{:.1} {} {} {} {}",
            nanoseconds(time, part),
            peak(),
            total.bytes >> 20,
            total.groups,
            total.lost_groups
        );
    }
    assert!(
        !run.alerts.is_empty() || run.windows.usage().total.lost_groups == 0,
        "an overflow is told"
    );
}

/// What a process with these arguments prints, line by line, word by word.
fn ask(arguments: &[&str]) -> Result<Vec<Vec<String>>, Box<dyn Error>> {
    let output = Command::new(std::env::current_exe()?).args(arguments).output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
    }
    let text = String::from_utf8(output.stdout)?;
    Ok(text.lines().map(|line| line.split(' ').map(str::to_owned).collect()).collect())
}

fn report_growth() -> Result<(), Box<dyn Error>> {
    println!(
        "| one window | distinct values | best ns per hit | of the smallest | median | of the smallest | MiB counted | peak MiB |"
    );
    println!("|---|--:|--:|--:|--:|--:|--:|--:|");
    let half = format!("value_count{HALF}");
    for kind in ["value_count", &half, "event_count", "value_sum", "value_percentile"] {
        let mut first = None;
        for size in SIZES {
            let mut runs = Vec::new();
            for _ in 0..RUNS {
                let line = ask(&[kind, &size.to_string()])?.remove(0);
                runs.push((line[0].parse::<f64>()?, line));
            }
            runs.sort_by(|a, b| a.0.total_cmp(&b.0));
            let (time, line) = &runs[0];
            let median = runs[RUNS / 2].0;
            let first = *first.get_or_insert((*time, median));
            println!(
                "| {kind} | {size} | {time:.0} | {:.2}× | {median:.0} | {:.2}× | {} | {} |",
                time / first.0,
                median / first.1,
                line[2],
                line[1]
            );
        }
    }
    Ok(())
}

fn report_spray() -> Result<(), Box<dyn Error>> {
    println!(
        "\n| event_count over | hits | ns per hit | groups | given up | MiB counted | peak MiB |"
    );
    println!("|---|--:|--:|--:|--:|--:|--:|");
    for users in [1_000, GROUPS] {
        let lines = ask(&["spray", &users.to_string()])?;
        for (part, line) in (1_u64..).zip(&lines) {
            let [time, peak, bytes, groups, lost] = &line[..] else {
                return Err("not what was asked for".into());
            };
            let hits = part * GROUPS / 10;
            println!(
                "| {users} users | to {hits} | {time} | {groups} | {lost} | {bytes} | {peak} |"
            );
        }
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match &arguments[..] {
        [kind, size] if kind == "spray" => spray(size.parse()?),
        [kind, size] => growth(kind, size.parse()?),
        [only] if only == "growth" => report_growth()?,
        [only] if only == "groups" => report_spray()?,
        _ => {
            report_growth()?;
            report_spray()?;
        }
    }
    Ok(())
}
