//! Processes and brokers that die, stand still and come back, while rules change and partitions are added: what is detected
//! stays that of one `hunt` over the same events.
//!
//! `SIGMUND_CHAOS=1+10` runs ten seeds from 1 in the long form, with `SIGMUND_CHAOS_EVENTS` (240,000) events each.

use super::events::{self, Random};
use super::outline::{Outlines, difference, hunted, outlines};
use super::running::{Application, PATIENCE, Running, Waiting};
use super::windows::{self, Reference};
use crate::kafka::broker::Broker;
use crate::kafka::client::Record;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Write as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Raw partitions at first, and how many there are in the end.
const RAW: (i32, i32) = (8, 10);
const PROCESSES: usize = 3;
/// Silent processes are given up after this time.
const SESSION: Duration = Duration::from_secs(6);

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    /// A process dies and comes back.
    Kill,
    /// A process stands still until the others have its work, and goes on.
    Pause,
    /// All processes take other rules, one after the other.
    Change,
    /// A broker dies and comes back.
    Broker,
    /// The raw topic gets more partitions.
    Partitions,
}

/// A run.
#[derive(Clone, Debug)]
struct Trial {
    seed: u64,
    events: usize,
    actions: Vec<(Action, usize)>,
    brokers: u32,
    /// KIP-848.
    consumer_protocol: bool,
    early: bool,
    at_least_once: bool,
}

/// Trials of the long form, or one short one.
fn trials(short: &Trial) -> Vec<Trial> {
    let Ok(asked) = std::env::var("SIGMUND_CHAOS") else {
        return vec![short.clone()];
    };
    let number = |text: &str| text.parse::<u64>().expect("SIGMUND_CHAOS=FIRST+COUNT");
    let (first, count) = asked.split_once('+').expect("SIGMUND_CHAOS=FIRST+COUNT");
    let events = std::env::var("SIGMUND_CHAOS_EVENTS").unwrap_or_else(|_| "240000".to_owned());
    let (first, count) = (number(first), number(count));
    (first..first + count)
        .map(|seed| Trial {
            seed,
            events: events.parse().expect("SIGMUND_CHAOS_EVENTS is a number"),
            actions: vec![
                (Action::Kill, 12),
                (Action::Pause, 6),
                (Action::Change, 3),
                // Of several it is the leader of a partition with state: all partitions of it are busy.
                (Action::Broker, if short.brokers > 1 { 4 } else { 1 }),
                (Action::Partitions, 1),
            ],
            consumer_protocol: seed % 2 == 1,
            ..short.clone()
        })
        .collect()
}

/// Detections of rules that are compared.
fn compared(outlines: Outlines) -> Outlines {
    let counts = |outline: &str| {
        let detection: Value = serde_json::from_str(outline).expect("JSON");
        is_compared(detection["rule"]["title"].as_str().expect("a title"))
    };
    outlines.into_iter().filter(|(outline, _)| counts(outline)).collect()
}

/// Whether a rule is none of those that change.
pub(super) fn is_compared(title: &str) -> bool {
    !title.to_lowercase().starts_with("extra")
}

/// How far production may be: it goes with the actions, so that each of them happens while there is work, and the last events come after all of them.
struct Pace {
    /// About how long each action takes, in seconds.
    lengths: Vec<f64>,
    /// How many were carried out, and when the last one was.
    carried_out: Mutex<(usize, Instant)>,
}

impl Pace {
    fn new(actions: &[Action]) -> Self {
        let lengths = actions.iter().map(|action| length(*action)).collect();
        Self { lengths, carried_out: Mutex::new((0, Instant::now())) }
    }

    fn carried_out(&self, count: usize) {
        // Also if whoever held it panicked.
        *self.carried_out.lock().unwrap_or_else(PoisonError::into_inner) = (count, Instant::now());
    }

    /// The part of the events that may be written by now.
    fn part(&self) -> f64 {
        let (count, since) = *self.carried_out.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(length) = self.lengths.get(count) else { return 1.0 };
        let before: f64 = self.lengths[..count].iter().sum();
        // One that takes longer must not be without work: the rest of its share is never used up.
        let worked = 1.0 - (-1.5 * since.elapsed().as_secs_f64() / length).exp();
        (before + length * worked) / self.lengths.iter().sum::<f64>()
    }
}

/// Lets production end when nothing more is carried out, be it that the test failed.
struct Over<'a>(&'a Pace);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.carried_out(self.0.lengths.len());
    }
}

/// A running trial.
struct Chaos<'a> {
    trial: &'a Trial,
    random: Random,
    broker: &'a Broker,
    application: &'a Application,
    processes: Vec<Running>,
    /// Versions of the rules that are not compared.
    version: usize,
    /// Lives that ended by themselves: what they said last.
    ended: Vec<String>,
    /// What was carried out, and seen to be.
    carried_out: Vec<Action>,
    /// How many raw partitions there are for producers.
    partitions: &'a AtomicUsize,
}

impl Chaos<'_> {
    /// Starts again what ended by itself, as supervisors do.
    fn supervise(&mut self) {
        for process in &mut self.processes {
            if let Some(status) = process.ended() {
                let log = process.log();
                let last = log.lines().last().unwrap_or_default();
                self.ended.push(format!("{status}: {last}"));
                process.restart();
            }
        }
    }

    fn wait(&mut self, time: Duration) {
        let end = Instant::now() + time;
        while Instant::now() < end {
            self.supervise();
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Waits until that is so.
    fn wait_until(&mut self, what: &str, is_so: &dyn Fn(&Self) -> bool) {
        let mut waiting = Waiting::new(PATIENCE);
        while !is_so(self) {
            if waiting.is_over() {
                let args = ["--describe", "--all-groups", "--members", "--verbose"];
                let members = self.broker.tool("consumer-groups", &args);
                std::fs::write(self.application.folder.join("members"), members).expect("a file");
                panic!("not within {PATIENCE:?}: {what}");
            }
            self.wait(Duration::from_millis(100));
        }
    }

    /// One of the processes that have work.
    fn any_at_work(&mut self) -> usize {
        let works = |process: &Running| !process.partitions().is_empty();
        self.wait_until("a process has partitions", &|chaos| chaos.processes.iter().any(works));
        let mut at_work: Vec<usize> = (0..self.processes.len()).collect();
        at_work.retain(|process| works(&self.processes[*process]));
        at_work[self.random.below(at_work.len())]
    }

    fn change_rules(&mut self) {
        self.version += 1;
        let changes = |process: &Running| process.log().matches("rules: +").count();
        let before: Vec<usize> = self.processes.iter().map(changes).collect();
        let path = self.application.folder.join("rules/extra.yml");
        // At once: a process that starts now must not see half of it.
        let new = self.application.folder.join("extra.new");
        std::fs::write(&new, events::extra(self.version)).expect("a file");
        std::fs::rename(&new, &path).expect("a file");
        for (process, before) in before.into_iter().enumerate() {
            self.supervise();
            match self.version % 2 {
                0 => {
                    let ended = self.ended.len();
                    self.processes[process].reload();
                    self.wait_until("the rules change", &|chaos| {
                        // One that ended meanwhile begins with the new ones.
                        changes(&chaos.processes[process]) > before || chaos.ended.len() > ended
                    });
                }
                _ => {
                    self.processes[process].stop();
                    self.processes[process].restart();
                }
            }
            self.wait(Duration::from_millis(1_000));
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Kill => {
                let process = self.any_at_work();
                let status = self.processes[process].kill();
                assert_eq!(status.signal(), Some(9), "it was not killed but ended by itself");
                let pause = 50 * self.random.below(30) as u64;
                std::thread::sleep(Duration::from_millis(pause));
                self.processes[process].restart();
            }
            Action::Pause => {
                let process = self.any_at_work();
                self.processes[process].pause();
                let own = self.processes[process].partitions();
                self.wait(SESSION + Duration::from_millis(1_500));
                self.wait_until("others have what a process had that stands still", &|chaos| {
                    // Somebody may let all processes of the machine go on that he stopped.
                    chaos.processes[process].pause();
                    let others = chaos.processes.iter().enumerate();
                    let others = others.filter(|(other, _)| *other != process);
                    let theirs: BTreeSet<String> =
                        others.flat_map(|(_, other)| other.partitions()).collect();
                    own.is_subset(&theirs)
                });
                assert!(self.processes[process].ended().is_none(), "it did not stand still");
                self.processes[process].resume();
            }
            Action::Change => self.change_rules(),
            Action::Broker => {
                let state = self.application.topic("state");
                let node = self.broker.leader(&state, self.random.below(4) as i32);
                self.broker.kill(node);
                // For a moment, or where no other one leads for longer than what is on its way is waited for (`transaction.timeout`).
                let is_long = self.trial.brokers == 1 && self.trial.seed % 4 < 2;
                self.wait(Duration::from_secs(if is_long { 13 } else { 2 }));
                self.broker.restart(node);
            }
            Action::Partitions => {
                let raw = self.application.topic("raw");
                self.broker.add_partitions(&raw, RAW.1);
                // Producers use them when all know them; else what they write first may be too late.
                self.wait_until("somebody reads the new partitions", &|chaos| {
                    let all: BTreeSet<String> =
                        chaos.processes.iter().flat_map(Running::partitions).collect();
                    (RAW.0..RAW.1).all(|partition| all.contains(&format!("{raw}-{partition}")))
                });
                self.wait(Duration::from_secs(3));
                self.partitions.store(RAW.1 as usize, Ordering::Relaxed);
            }
        }
        self.carried_out.push(action);
    }
}

/// About how long an action takes.
fn length(action: Action) -> f64 {
    match action {
        Action::Kill => 2.5,
        Action::Pause => 9.5,
        Action::Change => 6.0,
        Action::Broker => 10.0,
        Action::Partitions => 15.0,
    }
}

/// Writes events at a pace, first to some partitions and then to all.
fn produce(
    trial: &Trial,
    broker: &Broker,
    topic: &str,
    events: &[String],
    partitions: &AtomicUsize,
    pace: &Pace,
) {
    let mut random = Random(trial.seed ^ 0x5eed);
    let mut next = 0;
    while next < events.len() {
        // A client learns of partitions late; one that is new knows them.
        let count = partitions.load(Ordering::Relaxed);
        let rest = events[next..].iter().take_while(|_| {
            let goes_on = partitions.load(Ordering::Relaxed) == count;
            next += usize::from(goes_on);
            while next as f64 > pace.part() * events.len() as f64 {
                std::thread::sleep(Duration::from_millis(20));
            }
            goes_on
        });
        let records: &mut dyn Iterator<Item = Record> = &mut rest
            .map(|event| Record::new(event.as_str()).partition(random.below(count) as i32));
        broker.produce(topic, records);
    }
}

fn run(trial: &Trial) {
    let consumer = [
        "group.consumer.min.session.timeout.ms=6000",
        "group.consumer.session.timeout.ms=6000",
        "group.consumer.min.heartbeat.interval.ms=1000",
        "group.consumer.heartbeat.interval.ms=1000",
    ];
    let consumer = if trial.consumer_protocol { &consumer[..] } else { &[] };
    let broker = match trial.brokers {
        1 => Broker::start_with(consumer),
        _ => Broker::start_three_with(consumer),
    };
    let Some(broker) = broker else { return };
    let application = Application::new(&broker, "chaos", &[("raw", RAW.0)]);
    let folder = application.folder.clone();
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        attempt(trial, &broker, &application);
    }));
    if let Err(panic) = result {
        for topic in ["raw", "detections", "sightings", "state"] {
            keep(&folder.join(format!("{topic}.records")), &broker, &application.topic(topic));
        }
        say(&format!("{trial:?}: logs and what topics hold are in {}", folder.display()));
        std::panic::resume_unwind(panic);
    }
    application.remove();
}

/// Writes down what is in a topic, before its broker ends: a record in each line with partition, offset, time, key and value, the last two in hexadecimal
/// digits, and `-` where there is none.
fn keep(path: &Path, broker: &Broker, topic: &str) {
    let digits = |bytes: Option<&Vec<u8>>| {
        let Some(bytes) = bytes else { return "-".to_owned() };
        bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
    };
    let mut text = String::new();
    for record in broker.consume_committed(topic) {
        let (partition, time) = (record.partition.unwrap_or(-1), record.timestamp.unwrap_or(-1));
        let (key, value) = (digits(record.key.as_ref()), digits(record.value.as_ref()));
        let _ = writeln!(text, "{partition} {} {time} {key} {value}", record.offset);
    }
    if let Err(error) = std::fs::write(path, text) {
        say(&format!("{}: {error}", path.display()));
    }
}

/// Said at once: what goes through `println!` is kept back while tests pass.
fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

fn attempt(trial: &Trial, broker: &Broker, application: &Application) {
    let begin = Instant::now();
    let mut random = Random(trial.seed);
    let events = events::events(&mut random, trial.events);
    let end = events::end(trial.events);
    let folder = application.folder.as_path();
    std::fs::create_dir(folder.join("rules")).expect("a folder");
    std::fs::write(folder.join("rules/rules.yml"), events::rules()).expect("a file");
    std::fs::write(folder.join("events.json"), events.join("\n") + "\n" + &end + "\n")
        .expect("a file");

    // Lateness is small, so that windows close as they go, or large, so that much waits.
    let lateness = ["15s", "3m"][random.below(2)];
    let raw = application.topic("raw");
    // Who is silent for so long loses its partitions. With KIP-848 the brokers decide that, and the other time is for those that do not give partitions
    // back: who lived through the death of the group's coordinator may not know that it is to.
    let (protocol, session) = match trial.consumer_protocol {
        true => ("consumer", "max.poll.interval.ms: 45000".to_owned()),
        false => ("classic", format!("session.timeout.ms: {}", SESSION.as_millis())),
    };
    let more = format!(
        "kafka:\n  bootstrap_servers: [{}]\n  group_protocol: {protocol}\n  properties: {{{session}}}\n\
         sources: [{{topics: [{raw}], log_sources: [product=app]}}]\n\
         rules: {{paths: [{}]}}\n\
         correlation: {{emit: {}, max_lateness: {lateness}, idle_timeout: 0s, partitions: 4, rules_patience: 10s}}\n\
         delivery: {}\n",
        broker.bootstrap().replace(',', ", "),
        folder.join("rules").display(),
        if trial.early { "early" } else { "final" },
        if trial.at_least_once { "at_least_once" } else { "exactly_once" },
    );
    let processes = (0..PROCESSES).map(|number| {
        Running::start(&application.config(broker, &format!("process-{number}"), &more))
    });
    let partitions = AtomicUsize::new(RAW.0 as usize);
    let mut chaos = Chaos {
        trial,
        random,
        broker,
        application,
        processes: processes.collect(),
        version: 0,
        ended: Vec::new(),
        carried_out: Vec::new(),
        partitions: &partitions,
    };
    chaos.processes.iter_mut().for_each(Running::wait_until_started);

    let mut actions: Vec<Action> = trial
        .actions
        .iter()
        .flat_map(|(action, count)| std::iter::repeat_n(*action, *count))
        .collect();
    chaos.random.shuffle(&mut actions);
    let pace = Pace::new(&actions);
    std::thread::scope(|scope| {
        let over = Over(&pace);
        let producer = scope.spawn(|| {
            produce(trial, broker, &raw, &events, &partitions, &pace);
        });
        for (action, done) in actions.iter().zip(1..) {
            let pause = chaos.random.below(2_000) as u64;
            chaos.wait(Duration::from_millis(pause));
            assert!(!producer.is_finished(), "there is no more work");
            chaos.act(*action);
            pace.carried_out(done);
        }
        drop(over);
        while !producer.is_finished() {
            chaos.wait(Duration::from_millis(200));
        }
        producer.join().expect("events are written");
    });
    assert_eq!(chaos.carried_out, actions);

    // Before the end, when much is held.
    let last = events::last(trial.events);
    let everywhere = |event: &str| {
        let all = partitions.load(Ordering::Relaxed) as i32;
        broker.produce(&raw, (0..all).map(|partition| Record::new(event).partition(partition)));
    };
    everywhere(&last);
    let reference = Reference::new(&folder.join("process-0.yaml"));
    let (watermark, windows, alerts) = reference.alone(&events, &last);
    assert!(alerts > 100, "only {alerts} alerts");
    let waiting = windows.iter().filter(|text| text.contains(windows::WAITS)).count();
    assert!(waiting > 50 && windows.len() - waiting > 100, "{waiting} of {}", windows.len());
    // One hit more or less would be seen.
    let is_hit = |event: &String| event.contains("\"kind\":\"fail\"");
    let one = events.iter().rposition(is_hit).expect("a hit");
    let others = [&events[..one], &events[one + 1..]].concat();
    assert!(windows::difference(&reference.alone(&others, &last).1, &windows).is_some());
    let found = reference.of_service(broker, application, watermark, PATIENCE * 2, &mut || {
        chaos.supervise();
    });
    if let Some(difference) = windows::difference(&found, &windows) {
        panic!("{difference}");
    }

    everywhere(&end);
    let expected = truth(folder, &[]);
    let count: i64 = expected.values().sum();
    for title in events::correlations() {
        let text = format!("\"title\":\"{title}\"");
        assert!(expected.keys().any(|outline| outline.contains(&text)), "no alert of {title}");
    }
    let stretches = moments(&expected);
    // Early alerts may be fewer than final ones.
    let topic = application.topic("detections");
    let (mut seen, mut patience) = (0, Waiting::new(PATIENCE));
    let found = loop {
        chaos.wait(Duration::from_secs(1));
        let records = broker.consume_committed(&topic);
        let found = compared(outlines(records.iter().map(Record::text)));
        let enough = if trial.early {
            missed(&moments(&found), &stretches).is_empty()
        } else {
            seen_all(&found, &expected)
        };
        if enough {
            break found;
        }
        if records.len() > seen {
            (seen, patience) = (records.len(), Waiting::new(PATIENCE));
        }
        if patience.is_over() {
            break found;
        }
    };
    drop(found);
    chaos.wait(Duration::from_secs(1));
    chaos.supervise();
    chaos.processes.iter_mut().for_each(Running::stop);
    let records = broker.consume_committed(&topic);
    let found = compared(outlines(records.iter().map(Record::text)));
    let total: i64 = found.values().sum();
    for ended in &chaos.ended {
        say(&format!("ended by itself: {ended}"));
    }
    say(&format!(
        "chaos: seed {}, {} events, {protocol}, lateness {lateness}, {}, {} brokers: {total} detections, {count} expected, {} windows and {waiting} waiting hits, {} ended by themselves, {} s",
        chaos.trial.seed,
        trial.events,
        if trial.early { "early" } else { "final" },
        trial.brokers,
        windows.len() - waiting,
        chaos.ended.len(),
        begin.elapsed().as_secs()
    ));
    for topic in ["late", "dead-letters"] {
        let records = broker.consume_committed(&application.topic(topic));
        assert!(records.is_empty(), "{} in {topic}: {:?}", records.len(), records[0]);
    }
    if trial.early {
        compare_early(&found, &stretches, folder);
    } else if trial.at_least_once {
        // Windows count nothing twice, so what comes again is the same, with the same id.
        let once = |outlines: &Outlines| outlines.keys().map(|key| (key.clone(), 1)).collect();
        if let Some(difference) = difference(&once(&found), &once(&expected)) {
            panic!("{difference}");
        }
        say(&format!("{} came more than once", total - found.len() as i64));
    } else if let Some(difference) = difference(&found, &expected) {
        panic!("{difference}");
    }
    assert!(count > 100, "only {count} detections are compared");
}

fn seen_all(found: &Outlines, expected: &Outlines) -> bool {
    expected.iter().all(|(outline, count)| found.get(outline).is_some_and(|have| have >= count))
}

/// The moments of each group of each rule.
type Moments = BTreeMap<(String, String), BTreeSet<String>>;

fn moments(outlines: &Outlines) -> Moments {
    let mut moments = Moments::new();
    for outline in outlines.keys() {
        let detection: Value = serde_json::from_str(outline).expect("JSON");
        let title = detection["rule"]["title"].as_str().expect("a title").to_owned();
        let time = detection["time"].as_str().expect("a time").to_owned();
        // Times of equal length sort as texts.
        let (seconds, fraction) =
            time.trim_end_matches('Z').split_once('.').unwrap_or((time.trim_end_matches('Z'), ""));
        let time = format!("{seconds}.{fraction:0<9}");
        let group = detection["correlation"]["group"].to_string();
        moments.entry((title, group)).or_default().insert(time);
    }
    moments
}

/// What `hunt` says, on one thread.
fn truth(folder: &Path, options: &[&str]) -> Outlines {
    // Detections name the files of their rules.
    let rules = folder.join("rules");
    let rules = ["-r", rules.to_str().expect("a path that is text")];
    let others = ["-j", "1", "--logsource", "product=app", "events.json"];
    compared(hunted(folder, &[&rules[..], options, &others].concat()))
}

/// What of the stretches in which conditions are true was not alerted.
fn missed(found: &Moments, expected: &Moments) -> Vec<String> {
    let mut missed = Vec::new();
    for (place, times) in expected {
        let found = found.get(place);
        let mut ends = times.iter().skip(1).map(Some).chain([None]);
        for time in times {
            let end = ends.next().flatten();
            let inside = found.is_some_and(|found| {
                found.range(time.clone()..).next().is_some_and(|at| end.is_none_or(|end| at < end))
            });
            if !inside {
                missed.push(format!("{place:?} at {time}"));
            }
        }
    }
    missed
}

/// No early alert is false, none is missed, none is there twice.
fn compare_early(found: &Outlines, stretches: &Moments, folder: &Path) {
    assert!(found.values().all(|count| *count == 1), "some are there twice");
    let found = moments(found);
    let missed = missed(&found, stretches);
    assert!(
        missed.is_empty(),
        "{} missed: {}",
        missed.len(),
        missed[..missed.len().min(20)].join("\n")
    );
    let every = moments(&truth(folder, &["--alert", "every"]));
    for (place, times) in &found {
        let wrong: Vec<&String> = times
            .iter()
            .filter(|time| every.get(place).is_none_or(|every| !every.contains(*time)))
            .collect();
        assert!(wrong.is_empty(), "{place:?} is not true at {wrong:?}");
    }
}

const SHORT: Trial = Trial {
    seed: 1,
    events: 8_000,
    actions: Vec::new(),
    brokers: 1,
    consumer_protocol: false,
    early: false,
    at_least_once: false,
};

fn short(actions: &[(Action, usize)]) -> Trial {
    Trial { actions: actions.to_vec(), ..SHORT }
}

#[test]
fn chaos_changes_nothing() {
    let short = short(&[
        (Action::Kill, 4),
        (Action::Pause, 1),
        (Action::Change, 1),
        (Action::Partitions, 1),
    ]);
    trials(&short).iter().for_each(run);
}

#[test]
fn early_alerts_are_true_and_none_is_missed() {
    let short = Trial {
        early: true,
        consumer_protocol: true,
        ..short(&[(Action::Kill, 3), (Action::Pause, 1)])
    };
    trials(&short).iter().for_each(run);
}

#[test]
fn at_least_once_loses_nothing() {
    let short = Trial { at_least_once: true, ..short(&[(Action::Kill, 4), (Action::Broker, 1)]) };
    trials(&short).iter().for_each(run);
}

#[test]
fn leader_of_a_busy_partition_may_die() {
    let short = Trial { brokers: 3, ..short(&[(Action::Kill, 1), (Action::Broker, 2)]) };
    trials(&short).iter().for_each(run);
}
