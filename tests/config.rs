//! `sigmund config`, and that its documentation is what the types say.

use crate::command::{Folder, Ran, binary, root, run};
use insta::assert_snapshot;
use std::process::Command;

#[test]
fn the_documentation_is_what_the_types_say() {
    let path = root().join("docs/configuration.md");
    let made = run(&["config", "schema", "-f", "markdown"]).stdout;
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    if made != written && std::env::var_os("SIGMUND_WRITE_DOCS").is_some() {
        std::fs::write(&path, &made).expect("docs/configuration.md");
        return;
    }
    assert_eq!(
        written, made,
        "docs/configuration.md is stale; write it with `SIGMUND_WRITE_DOCS=1 cargo test --test tests config`"
    );
}

const SMALL: &str = "\
kafka:
  bootstrap_servers: [kafka:9092]
  properties:
    security.protocol: SASL_SSL
    sasl.username: sigmund
    sasl.password: s3cr3t
    ssl.ca.location: ${file:ca-path}
sources:
  - topics: [logs]
    format: json
";

#[test]
fn each_value_is_shown_with_its_origin() {
    let folder = Folder::new().file("sigmund.yaml", SMALL).file("ca-path", "/etc/ca.pem\n");
    let ran = with_variables(
        &folder,
        &["config", "show", "--set", "correlation.emit=final", "--set", "sources.0.topics=a,b"],
        &[("SIGMUND_LANES", "4"), ("SIGMUND_HTTP__TOKEN", "0123456789abcdef")],
    );
    assert!(!ran.stdout.contains("s3cr3t") && !ran.stdout.contains("ca.pem"), "{}", ran.stdout);
    assert_snapshot!(ran.shown(), @r##"
    exit code: 0
    --- stdout
    application: sigmund                  # default
    instance: null                        # default
    kafka:
      bootstrap_servers: [kafka:9092]     # sigmund.yaml:2:22
      group_protocol: classic             # default
      properties:
        sasl.password: "[hidden]"         # sigmund.yaml:6:20
        sasl.username: sigmund            # sigmund.yaml:5:20
        security.protocol: SASL_SSL       # sigmund.yaml:4:24
        ssl.ca.location: "[hidden]"       # sigmund.yaml:7:22
    sources:
      - topics: [a, b]                    # --set sources.0.topics
        pattern: null                     # default
        format: json                      # sigmund.yaml:10:13
        log_sources: []                   # default
        assume_zone: null                 # default
    rules:
      paths: []                           # default
      topic: null                         # default
      status_topic: sigmund.rules-status  # default
      pipelines: []                       # default
      placeholders: {}                    # default
      log_source_mappings: []             # default
      level: null                         # default
      tags: []                            # default
      status: []                          # default
      log_sources: []                     # default
      only: []                            # default
      watch: 5s                           # default
    correlation:
      emit: final                         # --set correlation.emit
      alert: once                         # default
      max_lateness: 1m                    # default
      idle_timeout: 1m                    # default
      max_future: 1h                      # default
      max_state: null                     # default
      partitions: 16                      # default
      retention: 7d                       # default
      rules_patience: 1m                  # default
      lanes: 1                            # default
      sightings: sigmund.sightings        # default
      state: sigmund.state                # default
      late: sigmund.late                  # default
    detections:
      topic: sigmund.detections           # default
      key: "{rule.id}"                    # default
      format: json                        # default
      first_match: false                  # default
      routes: []                          # default
    dead_letters: sigmund.dead-letters    # default
    delivery: exactly_once                # default
    transaction:
      interval: 100ms                     # default
      max_records: 50000                  # default
      timeout: 10s                        # default
    lanes: 4                              # environment SIGMUND_LANES
    http:
      listen: 127.0.0.1:9464              # default
      token: "[hidden]"                   # environment SIGMUND_HTTP__TOKEN
      tls: null                           # default
    log:
      format: text                        # default
      level: info                         # default
    --- stderr
    "##);
}

#[test]
fn the_same_in_json() {
    let folder = Folder::new().file("sigmund.yaml", SMALL).file("ca-path", "/etc/ca.pem\n");
    let ran = folder.run(&["config", "show", "-f", "json"]);
    let shown: serde_json::Value = serde_json::from_str(&ran.stdout).expect("JSON");
    let properties = &shown["config"]["kafka"]["properties"];
    assert_eq!(properties["sasl.password"], "[hidden]");
    assert_eq!(properties["ssl.ca.location"], "[hidden]");
    assert_eq!(properties["sasl.username"], "sigmund");
    assert_eq!(shown["origins"]["sources[0].format"], "sigmund.yaml:10:13");
    assert_eq!(shown["origins"].get("lanes"), None);
}

#[test]
fn all_mistakes_are_said_at_once() {
    let folder = Folder::new().file(
        "sigmund.yaml",
        "\
aplication: x
kafka:
  bootstrap_server: [kafka:9092]
  group_protocol: consumr
  properties:
    enable.auto.commit: true
    sasl.pasword: ${env:NO_SUCH_VARIABLE}
    sasl.mechanism: ${file:no-such-file}
sources:
  - topics: logs
    format: jsonn
lanes: many
transaction: 5s
correlation:
  max_lateness: 10
  max_state: ${HOME}
",
    );
    let ran = with_variables(
        &folder,
        &["config", "check", "--set", "http.listen=0.0.0.0:9464", "--set", "deliveri=x"],
        &[("SIGMUND_LOG__LEVEL", "loud"), ("SIGMUND_KAFKA__BROKERS", "a:9092")],
    );
    assert_snapshot!(ran.shown(), @r##"
    exit code: 2
    --- stdout
    --- stderr
    error: sigmund.yaml:1:1: unknown key `aplication`; did you mean `application`?
    error: sigmund.yaml:3:3: unknown key `kafka.bootstrap_server`; did you mean `bootstrap_servers`?
    error: sigmund.yaml:4:19: kafka.group_protocol: unknown value `consumr`; did you mean `consumer`?
    error: sigmund.yaml:6:25: kafka.properties.enable.auto.commit: `enable.auto.commit` cannot be set: offsets are committed in the transaction of the detections; a commit of their own would lose or repeat them; remove it
    error: sigmund.yaml:7:19: kafka.properties.sasl.pasword: the environment variable `NO_SUCH_VARIABLE` is not set, or not UTF-8; set it, or write the value here
    error: sigmund.yaml:8:21: kafka.properties.sasl.mechanism: cannot read `no-such-file`: No such file or directory (os error 2); make it readable, or name another file
    error: sigmund.yaml:10:13: sources[0].topics: expected a list, found `logs`; write `[logs]`
    error: sigmund.yaml:11:13: sources[0].format: unknown format `jsonn`; did you mean `json`?
    error: sigmund.yaml:12:8: lanes: `many` is not a whole number
    error: sigmund.yaml:13:14: transaction: expected a mapping, found `5s`
    error: sigmund.yaml:15:17: correlation.max_lateness: `10` is not a length of time; write for example `100ms`, `10s` or `15m`
    error: sigmund.yaml:16:14: correlation.max_state: `${HOME}` is neither `${env:NAME}` nor `${file:PATH}`; write one of them, or `$${` for the characters themselves
    error: environment SIGMUND_KAFKA__BROKERS: unknown key `kafka.brokers`; known in `kafka`: `bootstrap_servers`, `group_protocol`, `properties`
    error: environment SIGMUND_LOG__LEVEL: log.level: unknown level `loud`; known: `error`, `warn`, `info`, `debug`, `trace`, `off`
    error: --set deliveri: unknown key `deliveri`; did you mean `delivery`?
    error: --set http.listen: http.listen: `0.0.0.0:9464` can be reached from other machines; set `http.tls` and `http.token`, or listen on `127.0.0.1:9464`
    "##);
}

#[test]
fn files_that_are_none_are_named() {
    let folder = Folder::new()
        .file("a.yaml", "lanes: [\n")
        .file("b.yaml", "- a\n")
        .file("c.yaml", "lanes: 1\n---\nlanes: 2\n")
        .file("d.yaml", b"a: \xff\n");
    for (file, expected) in [
        ("a.yaml", "a.yaml:1:8: the `[` opened here is never closed"),
        ("b.yaml", "b.yaml:1:1: expected a mapping, found a list"),
        ("c.yaml", "c.yaml:2:1: a second document"),
        ("d.yaml", "`d.yaml` is not UTF-8"),
        ("e.yaml", "cannot read `e.yaml`: No such file or directory"),
    ] {
        let ran = folder.run(&["config", "check", "-c", file]);
        assert_eq!(ran.code, Some(2));
        assert!(ran.stderr.contains(expected), "{}", ran.stderr);
    }
}

#[test]
fn the_nearest_file_above_counts_and_layers_lie_over_each_other() {
    let folder = Folder::new()
        .file("home/sigmund/config.yaml", "lanes: 2\nlog: {level: debug}\n")
        .file("sigmund.yaml", "lanes: 3\nsources: [{topics: [x]}]\n")
        .file("below/here/x", "")
        .file("sigmund.yaml.example", "");
    let home = folder.path("home");
    let shown = |folder: &std::path::Path, args: &[&str]| {
        let output = Command::new(binary())
            .args(args)
            .current_dir(folder)
            .env("XDG_CONFIG_HOME", &home)
            .output()
            .expect("sigmund runs");
        String::from_utf8(output.stdout).expect("text")
    };
    let text = shown(&folder.path("below/here"), &["config", "show"]);
    assert!(text.contains("lanes: 3 "), "{text}");
    assert!(text.contains("level: debug ") && text.contains("home/sigmund/config.yaml:2:14"));
    let text = shown(&folder.path("below/here"), &["config", "show", "--no-config"]);
    assert!(text.contains("lanes: 1 "), "{text}");
}

#[test]
fn the_schema_is_one() {
    let ran = run(&["config", "schema"]);
    let schema: serde_json::Value = serde_json::from_str(&ran.stdout).expect("JSON");
    assert_eq!(schema["additionalProperties"], false);
    assert!(schema["properties"]["kafka"]["description"].is_string());
    assert!(!ran.stdout.contains("hidden"));
}

#[test]
fn the_schema_takes_what_the_program_takes() {
    let schema: serde_json::Value =
        serde_json::from_str(&run(&["config", "schema"]).stdout).expect("JSON");
    let problems = |config: &serde_json::Value| {
        let mut problems = Vec::new();
        crate::schema::check(&schema, &schema, config, "", &mut problems);
        problems
    };
    let source = serde_json::json!([{"topics": ["logs", 5], "format": null}]);
    for (config, is_right) in [
        (serde_json::json!({"kafka": {"properties": {"linger.ms": 5}}}), true),
        (
            serde_json::json!({"kafka": {"properties": {"enable.ssl.certificate.verification": false}}}),
            true,
        ),
        (serde_json::json!({"lanes": "${env:PATH_OF_LANES}"}), true),
        (serde_json::json!({"lanes": "2"}), true),
        (serde_json::json!({"lanes": "two"}), false),
        (serde_json::json!({"correlation": {"max_state": 1_048_576}}), true),
        (serde_json::json!({"correlation": {"max_state": "1T"}}), false),
        (serde_json::json!({"correlation": {"max_lateness": 10}}), false),
        (serde_json::json!({"correlation": {"emit": "final"}}), true),
        (serde_json::json!({"correlation": {"emit": "fnal"}}), false),
        (serde_json::json!({"http": {"listen": "off"}}), true),
        (serde_json::json!({"http": {"listen": false}}), true),
        (serde_json::json!({"http": null}), true),
        (serde_json::json!({"rules": {"placeholders": {"a": ["x", 1]}, "paths": null}}), true),
        (serde_json::json!({"detections": {"first_match": true, "format": null}}), true),
        (serde_json::json!({"detections": {"first_match": "true"}}), false),
        (serde_json::json!({"sources": "logs"}), false),
    ] {
        let found = problems(&config);
        assert_eq!(found.is_empty(), is_right, "{config}: {found:?}");
        // The program says the same.
        let mut config = config;
        if config.get("sources").is_none() {
            config["sources"] = source.clone();
        }
        let text = config.to_string().replace("\"off\"", "off").replace("false", "off");
        let text = text.replace("verification\":off", "verification\":false");
        let folder = Folder::new().file("sigmund.yaml", text);
        let ran = with_variables(&folder, &["config", "check"], &[("PATH_OF_LANES", "2")]);
        assert_eq!(ran.code == Some(0), is_right, "{config}: {}", ran.stderr);
    }
}

fn with_variables(folder: &Folder, args: &[&str], variables: &[(&str, &str)]) -> Ran {
    let output = Command::new(binary())
        .args(args)
        .current_dir(folder.path(""))
        .env_remove("SIGMUND_SHARED")
        .env("XDG_CONFIG_HOME", folder.path("no-such-folder"))
        .envs(variables.iter().copied())
        .output()
        .expect("sigmund runs");
    Ran {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).expect("text"),
        stderr: String::from_utf8(output.stderr).expect("text"),
    }
}
