//! Correlations of `hunt`: over many logs, in any order, live.

use crate::command::{binary, run_in};
use insta::assert_snapshot;
use serde_json::Value;
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

const RULES: &str = "\
title: Logon Failed
name: logon_failed
logsource:
    product: windows
    service: security
detection:
    selection:
        EventID: 4625
    condition: selection
level: low
---
title: Many Failed Logons
id: 5f0e6c2a-3f0d-4f0e-9d43-0d2d4c7f7a01
correlation:
    type: event_count
    rules:
        - logon_failed
    group-by:
        - TargetUserName
    timespan: 1m
    condition:
        gte: 3
level: high
";

/// A failed logon so many tenths of a second after midnight.
fn event(tenths: u64, user: &str) -> String {
    let (seconds, tenth) = (tenths / 10, tenths % 10);
    let (minutes, seconds) = (seconds / 60, seconds % 60);
    format!(
        "{{\"Channel\":\"Security\",\"EventID\":4625,\"TargetUserName\":\"{user}\",\
         \"TimeCreated\":\"2026-03-17T00:{minutes:02}:{seconds:02}.{tenth}Z\"}}\n"
    )
}

fn folder(logs: &[(&str, String)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text);
    write("rules.yml", RULES).expect("written");
    logs.iter().for_each(|(name, text)| write(name, text).expect("written"));
    folder
}

/// The alerts: id, time, user, number of events.
fn alerts(folder: &Path, options: &[&str]) -> Vec<(String, String, String, u64)> {
    let mut arguments = vec!["hunt", "-r", "rules.yml", "-f", "jsonl", "-q"];
    arguments.extend(options);
    let ran = run_in(folder, &arguments, b"");
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    ran.stdout
        .lines()
        .map(|line| {
            let alert: Value = serde_json::from_str(line).expect("JSON");
            let text = |value: &Value| value.as_str().expect("a text").to_owned();
            let correlation = &alert["correlation"];
            let user = text(&correlation["group"]["TargetUserName"]);
            let count = correlation["count"].as_u64().expect("a number");
            (text(&alert["id"]), text(&alert["time"]), user, count)
        })
        .collect()
}

#[test]
fn logs_are_merged_by_time_in_whatever_order_they_are_read() {
    // Bob's failures are in three logs, the last of them out of order; carol's are a tenth of a second too far apart.
    let folder = folder(&[
        ("a.json", event(0, "bob") + &event(300, "carol") + &event(301, "carol")),
        ("b.json", event(600, "bob") + &event(901, "carol")),
        ("c.json", event(3_000, "dave") + &event(200, "bob")),
    ]);
    let found = alerts(folder.path(), &["a.json", "b.json", "c.json"]);
    let [(_, time, user, count)] = &found[..] else { panic!("{found:?}") };
    assert_eq!((&**time, &**user, *count), ("2026-03-17T00:01:00Z", "bob", 3));
    for options in [
        &["c.json", "b.json", "a.json"][..],
        &["b.json", "c.json", "a.json", "-j", "1"],
        &["a.json", "b.json", "c.json", "--max-lateness", "10m"],
        &["c.json", "b.json", "a.json", "--max-lateness", "10m", "--timeline"],
    ] {
        assert_eq!(alerts(folder.path(), options), found, "{options:?}");
    }
    // Once, although it stays true; every time if asked for.
    let more = event(610, "bob") + &event(620, "bob");
    std::fs::write(folder.path().join("d.json"), more).expect("written");
    let logs = ["a.json", "b.json", "c.json", "d.json"];
    assert_eq!(alerts(folder.path(), &logs), found);
    let every = [&logs[..], &["--alert", "every"]].concat();
    assert_eq!(alerts(folder.path(), &every).len(), 3);
    let quiet = [&logs[..], &["--alert", "quiet=2s"]].concat();
    assert_eq!(alerts(folder.path(), &quiet).len(), 2);
}

/// A field of an index has one type, and fields of events behind alerts are none of the index.
#[test]
fn events_behind_alerts_are_texts_in_schemas() {
    let log = event(0, "bob") + &event(1, "bob") + &event(2, "bob");
    let raw = event(0, "bob");
    let folder = folder(&[("a.json", log)]);
    let events = |format: &str, place: &str| {
        let arguments = ["hunt", "-r", "rules.yml", "a.json", "-f", format, "-q"];
        let ran = run_in(folder.path(), &arguments, b"").stdout;
        let alert: Value = serde_json::from_str(&ran).expect("one alert");
        alert.pointer(place).expect("events behind it")[0]["event"].clone()
    };
    assert_eq!(events("ecs", "/sigma/correlation/events"), raw.trim_end());
    assert_eq!(events("ocsf", "/evidences/0/data/correlation/events"), raw.trim_end());
    assert_eq!(events("jsonl", "/correlation/events")["EventID"], 4625);
}

/// So many hits that windows run on several threads.
#[test]
fn alerts_are_the_same_on_any_number_of_threads() {
    let users = ["ann", "bob", "carol", "dave", "eve"];
    let log: String =
        (0..30_000_u64).map(|at| event(at * 7_919 % 36_000, users[(at % 5) as usize])).collect();
    let silent = RULES.replace("gte: 3", "lt: 2").replace("f7a01", "f7a02");
    let outer = "\
---
title: Many Users With Many Failed Logons
id: 5f0e6c2a-3f0d-4f0e-9d43-0d2d4c7f7a03
correlation:
    type: value_count
    rules:
        - 5f0e6c2a-3f0d-4f0e-9d43-0d2d4c7f7a01
    timespan: 1m
    generate: true
    condition:
        field: TargetUserName
        gte: 4
";
    let folder = folder(&[("a.json", log)]);
    let second = silent.split("---\n").nth(1).expect("a correlation");
    let rules = format!("{RULES}{outer}---\n{second}");
    std::fs::write(folder.path().join("rules.yml"), rules).expect("written");
    let hunt = |threads: &str| {
        let arguments =
            ["hunt", "-r", "rules.yml", "a.json", "--alert", "quiet=20s", "-f", "jsonl"];
        let ran = run_in(folder.path(), &[&arguments[..], &["-q", "-j", threads]].concat(), b"");
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        ran.stdout
    };
    let alone = hunt("1");
    assert!(alone.lines().count() > 500, "{}", alone.lines().count());
    for title in ["Many Failed Logons", "Many Users"] {
        assert!(alone.contains(title), "no alert of {title}");
    }
    for threads in ["2", "3"] {
        assert!(hunt(threads) == alone, "{threads} threads make other alerts");
    }
    // At a limit too: what is given up does not depend on the threads.
    let spray: String = (0..30_000).map(|at| event(at, &format!("u{}", at % 9_000))).collect();
    std::fs::write(folder.path().join("a.json"), spray).expect("written");
    let hunt = |threads: &str| {
        let limited = ["hunt", "-r", "rules.yml", "a.json", "--max-state", "400k", "-f", "jsonl"];
        run_in(folder.path(), &[&limited[..], &["-q", "-j", threads]].concat(), b"").stdout
    };
    let alone = hunt("1");
    assert!(alone.contains("state overflow"), "nothing was given up");
    for threads in ["2", "3", "8"] {
        assert!(hunt(threads) == alone, "{threads} threads give up other groups");
    }
}

#[test]
fn what_comes_too_late_is_named_and_kept_apart() {
    // A time is believed when others say the same.
    let others: String =
        (2_000..2_020).map(|tenths| event(tenths, &format!("u{tenths}"))).collect();
    let log = event(0, "bob") + &others + &event(100, "bob") + &event(200, "bob");
    let folder = folder(&[("a.json", log)]);
    assert_eq!(alerts(folder.path(), &["a.json"]).len(), 1);
    let arguments =
        ["hunt", "-r", "rules.yml", "a.json", "--max-lateness", "1m", "--late", "late.json"];
    let ran = run_in(folder.path(), &arguments, b"");
    assert_eq!((ran.code, &*ran.stdout), (Some(0), ""), "{}", ran.stderr);
    assert!(ran.stderr.contains("2 hits came too late for correlations"), "{}", ran.stderr);
    let late = std::fs::read_to_string(folder.path().join("late.json")).expect("late hits");
    let late: Vec<Value> =
        late.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let records: Vec<&Value> = late.iter().map(|hit| &hit["source"]["record"]).collect();
    assert_eq!(records, [22, 23]);
    assert_eq!(late[0]["seconds_late"], 131.9);
    assert_eq!(late[0]["rules"][0], "Logon Failed");
    assert_eq!(late[0]["event"]["TargetUserName"], "bob");
}

/// Alerts come out while the input goes on.
#[test]
fn alerts_go_out_while_a_pipe_is_read() {
    let folder = folder(&[]);
    for options in [&["--max-lateness", "1s"][..], &["--emit", "early"]] {
        let mut child = Command::new(binary())
            .args(["hunt", "-r", "rules.yml", "-f", "jsonl", "-q", "-"])
            .args(options)
            .current_dir(folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("sigmund starts");
        let mut input = child.stdin.take().expect("a pipe");
        let mut output = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut text = String::new();
        for tenths in [0, 10, 20] {
            text.push_str(&event(tenths, "bob"));
        }
        // Later events move the watermark; they fill what is read at once.
        for tenths in 100..3_000 {
            let _ = write!(text, "{}", event(tenths, "dave").replace("4625", "4624"));
        }
        let writer = std::thread::spawn(move || {
            input.write_all(text.as_bytes()).expect("it listens");
            input.flush().expect("it listens");
            input
        });
        let mut line = String::new();
        output.read_line(&mut line).expect("an alert while the pipe is open");
        assert!(line.contains("\"TargetUserName\":\"bob\""), "{options:?}: {line}");
        drop(writer.join().expect("the writer ends"));
        assert!(child.wait().expect("sigmund ends").success());
    }
}

/// The windows of each group over time.
#[test]
fn explain_shows_windows() {
    let log = event(0, "bob") + &event(250, "bob") + &event(600, "bob") + &event(601, "carol");
    let folder = folder(&[("a.json", log), ("b.json", event(1_300, "bob"))]);
    let ran = run_in(
        folder.path(),
        &["explain", "Many Failed Logons", "-r", "rules.yml", "--event", "."],
        b"",
    );
    assert_snapshot!(ran.shown(), @r"
    exit code: 0
    --- stdout
    Many Failed Logons (5f0e6c2a-3f0d-4f0e-9d43-0d2d4c7f7a01)
    event_count ≥ 3 within 1m by TargetUserName
      Logon Failed: 5 events

    ✓ the condition holds in 1 group

      TargetUserName=bob: 4 hits, holds 1 time
        TIME (UTC)                  FILE:RECORD  WINDOW     VALUE
        2026-03-17 00:00:00.000000  ./a.json:1        1         1  ·
        2026-03-17 00:00:25.000000  ./a.json:2        2         2  ·
        2026-03-17 00:01:00.000000  ./a.json:3        3         3  ✓ holds
        2026-03-17 00:02:10.000000  ./b.json:1        1         1  ·

      TargetUserName=carol: 1 hit, holds 0 times
        TIME (UTC)                  FILE:RECORD  WINDOW     VALUE
        2026-03-17 00:01:00.100000  ./a.json:4        1         1  ·

    --- stderr
    ");
    let ran = run_in(
        folder.path(),
        &["explain", "rules.yml", "--event", "a.json", "--group", "TargetUserName=carol"],
        b"",
    );
    assert_snapshot!(ran.shown(), @r"
    exit code: 0
    --- stdout
    Many Failed Logons (5f0e6c2a-3f0d-4f0e-9d43-0d2d4c7f7a01)
    event_count ≥ 3 within 1m by TargetUserName
      Logon Failed: 4 events

    ✗ the condition holds in none of these groups

      TargetUserName=carol: 1 hit, holds 0 times
        TIME (UTC)                  FILE:RECORD  WINDOW     VALUE
        2026-03-17 00:01:00.100000  a.json:4          1         1  ·

    --- stderr
    ");
}

/// What of a file is not explained, and what cannot be, is said.
#[test]
fn explain_says_what_it_leaves_out() {
    let folder = folder(&[("a.json", event(0, "bob") + &event(250, "bob"))]);
    let explain = |args: &[&str]| {
        run_in(folder.path(), &[&["explain"], args, &["--event", "a.json"]].concat(), b"")
    };
    let ran = explain(&["rules.yml"]);
    assert_eq!(
        (ran.code, &*ran.stderr),
        (Some(0), "the rules of the file are left out: `--record N` explains them for one event\n")
    );
    let ran = explain(&["rules.yml", "--record", "2"]);
    assert!(ran.stdout.starts_with("Logon Failed (logon_failed)\na.json record 2,"));
    let ran = explain(&["Many Failed Logons", "-r", "rules.yml", "--record", "2"]);
    assert_eq!((ran.code, &*ran.stdout), (Some(2), ""));
    let ran = explain(&["rules.yml", "--group", "user=bob"]);
    assert_eq!(ran.stderr, "error: `user` is no field of the group, which is `TargetUserName`\n");
    let ran = run_in(folder.path(), &["explain", "Logon Failed", "-r", "rules.yml"], b"");
    assert_eq!(
        ran.stderr,
        "error: to explain a rule, name a log too: `sigmund explain 'Logon Failed' --event FILE`\n"
    );
}

/// Outside, an aggregation of version 1 is its correlation.
#[test]
fn aggregations_are_explained_as_one_rule() {
    let rule = "title: Old\nlogsource: {product: windows, service: security}\ndetection:\n    \
                sel: {EventID: 4625}\n    timeframe: 1m\n    condition: sel | count() > 1\n";
    let folder = folder(&[("a.json", event(0, "bob") + &event(250, "bob"))]);
    std::fs::write(folder.path().join("old.yml"), rule).expect("written");
    let explain = |args: &[&str]| {
        let event = ["-r", "old.yml", "--event", "a.json"];
        run_in(folder.path(), &[&["explain"], args, &event].concat(), b"")
    };
    for subject in ["Old", "old.yml"] {
        let ran = explain(&[subject]);
        assert!(ran.stdout.starts_with("Old\nevent_count > 1 within 1m\n"), "{}", ran.stdout);
        assert_eq!((ran.stdout.matches("Old\n").count(), &*ran.stderr), (1, ""));
    }
    let ran = explain(&["Old", "--record", "1"]);
    assert!(ran.stdout.starts_with("Old (search)\na.json record 1,"), "{}", ran.stdout);
}

/// `temporal` counts different rules, and what is silent stays so whatever is left out.
#[test]
fn rules_that_are_named_twice_are_one_and_silence_stays() {
    let id = "6f1a2a3e-52c8-4f3d-9c26-0c7f5a1b2c3d";
    let rules = RULES.replace("name: logon_failed", &format!("name: logon_failed\nid: {id}"));
    let folder = folder(&[("a.json", (0..4).map(|at| event(at, "bob")).collect())]);
    let count = |more: &str, options: &[&str]| {
        std::fs::write(folder.path().join("rules.yml"), format!("{rules}---\n{more}"))
            .expect("written");
        alerts(folder.path(), &[options, &["a.json"]].concat()).len()
    };
    let twice = |condition: &str| {
        count(
            &format!(
                "title: T\nlevel: critical\ncorrelation: {{type: temporal, rules: [logon_failed, \
                 logon_failed, {id}], group-by: [TargetUserName], timespan: 5m{condition}}}\n"
            ),
            &["--level", "critical"],
        )
    };
    assert_eq!((twice(""), twice(", condition: {gte: 2}")), (1, 0));
    let outer = "title: Outer\nlevel: low\ncorrelation: {type: event_count, rules: \
                 [5f0e6c2a-3f0d-4f0e-9d43-0d2d4c7f7a01], group-by: [TargetUserName], timespan: 5m, condition: {gte: 9}}\n";
    assert_eq!((count(outer, &[]), count(outer, &["--level", "high"])), (0, 0));
}

/// A test of a correlation that fails says what its windows held.
#[test]
fn failed_tests_show_windows() {
    let test = "tests:\n  - name: three in a minute\n    events:\n      - {at: 0s, every: 31s, times: 3, event: {Channel: Security, EventID: 4625, TargetUserName: bob}}\n    expect: [{rule: Many Failed Logons, times: 1, group: {TargetUserName: bob}}]\n";
    let folder = folder(&[("rules.test.yml", test.to_owned())]);
    assert_snapshot!(run_in(folder.path(), &["test"], b"").shown(), @r"
    exit code: 1
    --- stdout
    failed: ./rules.test.yml: three in a minute: `Many Failed Logons` matched 0 times for TargetUserName=bob, not 1
        Many Failed Logons (5f0e6c2a-3f0d-4f0e-9d43-0d2d4c7f7a01)
        event_count ≥ 3 within 1m by TargetUserName
          Logon Failed: 3 events

        ✗ the condition never holds

          TargetUserName=bob: 3 hits, holds 0 times
            TIME (UTC)                  FILE:RECORD  WINDOW     VALUE
            2026-01-01 00:00:00.000000  event 1           1         1  ·
            2026-01-01 00:00:31.000000  event 2           2         2  ·
            2026-01-01 00:01:02.000000  event 3           2         2  ·
    0 passed, 1 failed
    --- stderr
    ");
    let better = test.replace("31s", "30s");
    std::fs::write(folder.path().join("rules.test.yml"), better).expect("written");
    assert_eq!(run_in(folder.path(), &["test"], b"").code, Some(0));
}

/// A spray of users is bounded, and an alert says what was given up.
#[test]
fn limits_are_visible() {
    let log: String = (0..3_000).map(|at| event(at, &format!("user{at}"))).collect();
    let folder = folder(&[("a.json", log)]);
    let arguments = [
        "hunt",
        "-r",
        "rules.yml",
        "a.json",
        "--max-state",
        "100k",
        "-f",
        "jsonl",
        "-q",
        "-j",
        "1",
    ];
    let ran = run_in(folder.path(), &arguments, b"");
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let alerts: Vec<Value> =
        ran.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert!(!alerts.is_empty());
    let mut lost = 0;
    for alert in &alerts {
        assert_eq!(alert["rule"]["title"], "Many Failed Logons");
        assert_eq!((&alert["event"], &alert["source"]), (&Value::Null, &Value::Null));
        assert_eq!(alert["matched"][0]["selection"], "state overflow");
        lost += alert["correlation"]["state_overflow"]["groups"].as_u64().expect("a number");
    }
    assert!((1_000..3_000).contains(&lost), "{lost} groups were given up");
    // No format has a place or a record where there is no event.
    let first = |format: &str| {
        let other = [&arguments[..6], &["-f", format, "-q"]].concat();
        let ran = run_in(folder.path(), &other, b"").stdout;
        serde_json::from_str::<Value>(ran.lines().next().expect("a line")).expect("JSON")
    };
    let ecs = first("ecs");
    assert_eq!(ecs["log"], serde_json::json!({"level": "high"}));
    assert_eq!((ecs["event"].get("original"), ecs["sigma"].get("record")), (None, None));
    let ocsf = first("ocsf");
    let metadata = &ocsf["metadata"];
    assert_eq!((metadata.get("log_name"), metadata.get("sequence")), (None, None));
    assert_eq!(ocsf.get("raw_data"), None);
    let csv = [&arguments[..6], &["-f", "csv", "-q"]].concat();
    let csv = run_in(folder.path(), &csv, b"").stdout;
    assert!(csv.lines().nth(1).expect("a line").contains(",Many Failed Logons,,,,,,,"), "{csv}");
    let table = [&arguments[..6], &["-f", "table", "-q"]].concat();
    let shown = run_in(folder.path(), &table, b"").stdout;
    let line = shown.lines().nth(2).expect("a line");
    assert!(line.contains("-     "), "{line}");
    assert!(line.contains("  state overflow: 6"), "{line}");
    let without = run_in(folder.path(), &arguments[..4], b"").stdout;
    assert_eq!(without, "");
}
