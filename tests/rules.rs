//! `sigmund rules` over correlations, and aggregations of version 1 that `check --fix` rewrites.

use crate::command::{Folder, Ran, root};
use insta::assert_snapshot;
use serde_json::Value;

const RULES: &str = "\
title: Failed Login
id: 11111111-1111-4111-8111-111111111111
name: failed_login
level: low
status: test
logsource: {product: linux, service: sshd}
detection: {sel: {outcome: failure}, condition: sel}
---
title: Successful Login
name: successful_login
level: informational
logsource: {product: linux, service: sshd}
detection: {sel: {outcome: success}, condition: sel}
---
title: Spray
name: spray
level: medium
correlation:
    type: value_count
    rules: [11111111-1111-4111-8111-111111111111]
    group-by: [src_ip]
    timespan: 5m
    condition: {gte: 10, field: user}
---
title: Spray Then Success
id: 41111111-1111-4111-8111-111111111111
level: high
status: test
description: Somebody guessed right.
tags: [attack.t1110.003]
correlation:
    type: temporal_ordered
    rules: [spray, successful_login]
    group-by: [ip]
    aliases: {ip: {spray: src_ip, successful_login: src_ip}}
    timespan: 1h
---
title: Any
id: 61111111-1111-4111-8111-111111111111
level: low
logsource: {product: linux, service: sshd}
detection: {sel: {user: '*'}, condition: sel}
";

#[test]
fn correlations_are_listed_as_trees() {
    let folder = Folder::new().file("r.yml", RULES);
    assert_snapshot!(folder.run(&["rules", "list", "-r", "r.yml"]).shown(), @r"
    exit code: 0
    --- stdout
    ID                                    LEVEL  STATUS  LOGSOURCE     TITLE  TAGS  PATH
    61111111-1111-4111-8111-111111111111  low            linux/-/sshd  Any          r.yml

    CORRELATIONS
    high  Spray Then Success  41111111-1111-4111-8111-111111111111
      temporal_ordered spray, then successful_login within 1h by ip
      ├ medium  Spray
      │   value_count of user ≥ 10 within 5m by src_ip
      │   └ low  Failed Login  linux/-/sshd
      └ informational  Successful Login  linux/-/sshd
    --- stderr
    1 rule, 1 correlation
    ");
    assert_snapshot!(folder.run(&["rules", "list", "-r", "r.yml", "-f", "csv", "-q"]).stdout, @r#"
    id,level,status,logsource,title,tags,path,correlation
    61111111-1111-4111-8111-111111111111,low,,linux/-/sshd,Any,,r.yml,
    41111111-1111-4111-8111-111111111111,high,test,,Spray Then Success,attack.t1110.003,r.yml,"temporal_ordered spray, then successful_login within 1h by ip"
    "#);
}

#[test]
fn json_has_the_trees() {
    let folder = Folder::new().file("r.yml", RULES);
    let ran = folder.run(&["rules", "list", "-r", "r.yml", "-f", "json", "-q"]);
    let list: Value = serde_json::from_str(&ran.stdout).expect("JSON");
    assert_eq!(list.as_array().map(Vec::len), Some(2));
    assert_eq!(list[0]["logsource"], "linux/-/sshd");
    let outer = &list[1]["correlation"];
    assert_eq!(
        (&outer["type"], &outer["timespan"], &outer["group_by"][0]),
        (&Value::from("temporal_ordered"), &Value::from("1h"), &Value::from("ip"))
    );
    assert_eq!(outer["aliases"]["ip"]["spray"], "src_ip");
    let inner = &outer["rules"][0]["correlation"];
    assert_eq!(inner["condition"], serde_json::json!({"field": "user", "gte": 10}));
    assert_eq!(inner["rules"][0]["title"], "Failed Login");
    assert_eq!(inner["rules"][0]["logsource"], "linux/-/sshd");
}

#[test]
fn fields_are_those_of_correlations_too() {
    let rules = RULES.replace(
        "group-by: [src_ip]\n    timespan: 5m",
        "group-by: [address]\n    aliases: {address: {failed_login: client}}\n    timespan: 5m",
    );
    let rules =
        rules.replace("rules: [11111111-1111-4111-8111-111111111111]", "rules: [failed_login]");
    assert_ne!(rules, RULES);
    let ran = Folder::new().file("rules.yml", rules).run(&[
        "rules",
        "fields",
        "-r",
        "rules.yml",
        "-f",
        "json",
    ]);
    let fields: Vec<Value> = serde_json::from_str(&ran.stdout).expect("JSON");
    let names: Vec<&str> = fields.iter().filter_map(|field| field["field"].as_str()).collect();
    assert!(names.contains(&"client") && names.contains(&"user"), "{names:?}");
    assert!(names.contains(&"outcome") && !names.contains(&"address"), "{names:?}");
    assert_eq!(fields[0]["rules"], "2", "{fields:?}");
}

#[test]
fn a_correlation_is_shown_in_words() {
    let folder = Folder::new().file("r.yml", RULES);
    let show = |name: &str| folder.run(&["rules", "show", name, "-r", "r.yml"]);
    assert_snapshot!(show("Spray Then Success").shown(), @r"
    exit code: 0
    --- stdout
    Spray Then Success
      id           41111111-1111-4111-8111-111111111111
      level        high
      status       test
      correlation  temporal_ordered spray, then successful_login within 1h by ip
      tags         attack.t1110.003
      file         r.yml
      Somebody guessed right.
      Alerts when the events of one ip have hits of all rules below, in this order, within 1 hour. Hits
      without one of the fields of the group do not count. The rules below report nothing themselves.
      alias        ip is src_ip of spray, src_ip of successful_login
      ├ medium  Spray
      │   value_count of user ≥ 10 within 5m by src_ip
      │   └ low  Failed Login  linux/-/sshd
      └ informational  Successful Login  linux/-/sshd

    --- stderr
    ");
    assert_snapshot!(show("failed_login").stdout, @r"
    Failed Login
      id           11111111-1111-4111-8111-111111111111
      name         failed_login
      level        low
      status       test
      log source   linux/-/sshd
      file         r.yml
      fields       outcome
      used by      Spray
      reports      nothing itself: only what uses it does
      sel
        outcome
          'failure'
      condition    sel
    ");
}

#[test]
fn what_filters_and_pipelines_add_is_shown() {
    let folder = Folder::new()
        .file(
            "r.yml",
            "title: R\nname: r\nlogsource: {category: test}\ndetection: {sel: {a: 1}, condition: sel}\n\
             ---\ntitle: No Admins\nlogsource: {category: test}\n\
             filter: {rules: [r], admins: {u: root}, condition: not admins}\n",
        )
        .file(
            "p.yml",
            "transformations:\n- {type: add_condition, conditions: {host: lab}, negated: true}\n",
        );
    let ran = folder.run(&["rules", "show", "r", "-r", "r.yml", "-p", "p.yml"]);
    assert_snapshot!(ran.stdout, @r"
    R
      name         r
      log source   -/test
      file         r.yml
      fields       a, host, u
      sel
        a
          '1'
      condition    sel
      and, by a pipeline
        one of
          host none of
            'lab'
      and, by the filter No Admins
      admins
        u
          'root'
      condition    not admins
    ");
}

/// Aggregations over the failures of the log in `fixtures`.
const AGGREGATIONS: [&str; 7] = [
    "selection AND NOT known | count() by src_ip >= 3",
    "selection | count(user) by src_ip > 1",
    "1 of selection* | count() < 100",
    "selection | near others and not known",
    "selection | avg(src_port) by src_ip >= 51703",
    "selection | min(src_port) by src_ip > 51000",
    "selection | max(src_port) by src_ip <= 60000",
];

fn aggregation(condition: &str) -> String {
    format!(
        "\
title: Many Failures
id: 21111111-1111-4111-8111-111111111111
status: test
level: medium
logsource:
    product: linux
    service: sshd
detection:
    selection:
        outcome: failure
    others:
        outcome: success
    known:
        src_ip: 10.9.8.7
    timeframe: 15m # as long as users are locked
    condition: {condition} # for now
"
    )
}

/// Time, rule, group, value and number of events of all detections.
fn detections(ran: &Ran) -> Vec<Value> {
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    ran.stdout
        .lines()
        .map(|line| {
            let found: Value = serde_json::from_str(line).expect("JSON");
            let correlation = &found["correlation"];
            // The smallest and the largest are percentiles in Sigma 2.
            let kind = match correlation["type"].as_str() {
                Some("value_min" | "value_max") => Some("value_percentile"),
                kind => kind,
            };
            let rule = ["id", "title", "level", "status"].map(|key| found["rule"][key].clone());
            serde_json::json!([
                found["time"],
                rule,
                kind,
                correlation["group"],
                correlation["value"],
                correlation["count"]
            ])
        })
        .collect()
}

#[test]
fn fixed_aggregations_alert_as_before() {
    let log = root().join("fixtures/syslog/auth.log");
    let log = log.to_str().expect("a path");
    for condition in AGGREGATIONS {
        let folder = Folder::new().file("old_rule.yml", aggregation(condition));
        let hunt =
            || detections(&folder.run(&["hunt", log, "-r", "old_rule.yml", "-f", "jsonl", "-q"]));
        let before = hunt();
        assert!(!before.is_empty(), "{condition}");
        let ran = folder.run(&["check", "old_rule.yml", "--fix"]);
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        assert!(!ran.stdout.contains("legacy"), "{}", ran.stdout);
        let text = std::fs::read_to_string(folder.path("old_rule.yml")).expect("a file");
        assert!(text.contains("\n---\n") && !text.contains("timeframe"), "{text}");
        assert!(text.contains("timespan: 15m # as long as users are locked\n"), "{text}");
        assert_eq!(hunt(), before, "{condition}\n{text}");
        // There is nothing left to do.
        folder.run(&["check", "old_rule.yml", "--fix"]);
        let again = std::fs::read_to_string(folder.path("old_rule.yml")).expect("a file");
        assert_eq!(again, text);
    }
}

#[test]
fn the_note_of_an_aggregation_has_the_modern_form() {
    let folder = Folder::new()
        .file("old_rule.yml", aggregation("selection | count() by src_ip, user > 5"))
        .file(
            "no_window.yml",
            aggregation("others | near known").replace("    timeframe: 15m", "#"),
        );
    let notes = |file: &str| {
        let ran = folder.run(&["check", file, "--ignore", "unused-selection"]);
        format!("{}{}", ran.stdout, ran.stderr)
    };
    assert_snapshot!(notes("old_rule.yml"), @r"
    old_rule.yml:16:16: note[legacy-aggregation]: aggregation of Sigma version 1 (help: write `correlation: {type: event_count, rules: [old_rule_events], group-by: [src_ip, user], timespan: 15m, condition: {gt: 5}}`)
    1 rule, 1 correlation and 0 filters in 1 file: 0 errors, 0 warnings, 1 note; 1 can be fixed with `--fix`
    ");
    assert_snapshot!(notes("no_window.yml"), @r"
    no_window.yml:16:16: warning[legacy-without-timeframe]: aggregation without `timeframe` counts without end (help: add e.g. `timeframe: 5m` to `detection`)
    no_window.yml:16:16: note[legacy-aggregation]: aggregation of Sigma version 1 (help: decide on a window and write `correlation: {type: temporal, rules: [no_window_others, no_window_known], timespan: 1d, condition: no_window_others and no_window_known}`)
    2 rules, 1 correlation and 0 filters in 1 file: 0 errors, 1 warning, 1 note
    ");
    assert_snapshot!(folder.run(&["rules", "show", "old_rule", "-r", "old_rule.yml"]).stdout, @r"
    Many Failures
      id           21111111-1111-4111-8111-111111111111
      level        medium
      status       test
      correlation  event_count > 5 within 15m by src_ip, user
      file         old_rule.yml
      Alerts when the events of one src_ip and user have more than 5 hits of the rules below within 15
      minutes. Hits without one of the fields of the group do not count. The rules below report nothing
      themselves. This is an aggregation of Sigma version 1; `sigmund check` shows its modern form.
      └ search: selection  linux/-/sshd
      selection
        outcome
          'failure'
      others
        outcome
          'success'
      known
        src_ip
          '10.9.8.7'
      condition    selection
    ");
}
