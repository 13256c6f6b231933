//! `sigmund hunt`.

use crate::command::{Folder, Ran, run};
use insta::assert_snapshot;
use std::collections::BTreeSet;

const RULE: &str = "\
title: Whoami
id: 11111111-1111-4111-8111-111111111111
status: test
level: high
tags: [attack.discovery, attack.t1033]
logsource: {product: test}
detection:
    selection:
        CommandLine|contains: whoami
    condition: selection
";

const KEYWORDS: &str = "\
title: Shadow file
id: 22222222-2222-4222-8222-222222222222
level: low
logsource: {product: test}
detection:
    keywords:
        - /etc/shadow
    condition: keywords
";

const LOG: &str = "\
{\"@timestamp\":\"2026-03-17T09:00:00Z\",\"CommandLine\":\"cmd /c whoami\",\"host\":\"a\"}
{\"@timestamp\":\"2026-03-17T08:00:00Z\",\"CommandLine\":\"WHOAMI\",\"host\":\"b\"}

{\"CommandLine\":\"calc\"}
";

fn folder() -> Folder {
    Folder::new()
        .file("rules/whoami.yml", RULE)
        .file("rules/shadow.yml", KEYWORDS)
        .file("logs/a.json", LOG)
        .file("logs/b.txt", "cat /etc/shadow\u{1b}[31m\nls\n")
}

/// `sigmund hunt` of logs that are of the test's own product.
fn hunt(folder: &Folder, args: &[&str]) -> Ran {
    folder.run(&[&["hunt", "--logsource", "product=test"], args].concat())
}

#[test]
fn detections_are_lines_of_json() {
    assert_snapshot!(hunt(&folder(), &["logs", "-r", "rules"]).shown(), @r#"
    exit code: 0
    --- stdout
    {"id":"13bf24d66395b04dda0f507baa2ec722","time":"2026-03-17T09:00:00Z","time_source":{"field":"@timestamp"},"rule":{"id":"11111111-1111-4111-8111-111111111111","title":"Whoami","level":"high","status":"test","tags":["attack.discovery","attack.t1033"],"path":"rules/whoami.yml"},"source":{"path":"logs/a.json","record":1},"log_source":{"product":"test"},"matched":[{"selection":"selection","field":"CommandLine","value":"cmd /c whoami","patterns":["whoami"]}],"event":{"@timestamp":"2026-03-17T09:00:00Z","CommandLine":"cmd /c whoami","host":"a"}}
    {"id":"368cdfcf24f5b03c352eb19bd4df7b6d","time":"2026-03-17T08:00:00Z","time_source":{"field":"@timestamp"},"rule":{"id":"11111111-1111-4111-8111-111111111111","title":"Whoami","level":"high","status":"test","tags":["attack.discovery","attack.t1033"],"path":"rules/whoami.yml"},"source":{"path":"logs/a.json","record":2},"log_source":{"product":"test"},"matched":[{"selection":"selection","field":"CommandLine","value":"WHOAMI","patterns":["whoami"]}],"event":{"@timestamp":"2026-03-17T08:00:00Z","CommandLine":"WHOAMI","host":"b"}}
    {"id":"4c0cc715faec386dd18da3a4f8711a8d","time":null,"rule":{"id":"22222222-2222-4222-8222-222222222222","title":"Shadow file","level":"low","tags":[],"path":"rules/shadow.yml"},"source":{"path":"logs/b.txt","record":1},"log_source":{"product":"test"},"matched":[{"selection":"keywords","field":null,"value":"cat /etc/shadow\u001b[31m","patterns":["/etc/shadow"]}],"event":"cat /etc/shadow\u001b[31m"}
    --- stderr
    2 logs · 5 records · 5 events · 2 rules · 3 detections · [time]
    "#);
}

#[test]
fn a_table_is_for_people() {
    assert_snapshot!(hunt(&folder(), &["logs", "-r", "rules", "-f", "table", "-j1"]).shown(), @r#"
    exit code: 0
    --- stdout
    TIME (UTC)           LEVEL     RULE                                          FILE:RECORD                   MATCHED
    2026-03-17 09:00:00  high      Whoami                                        logs/a.json:1                 CommandLine="cmd /c whoami"
    2026-03-17 08:00:00  high      Whoami                                        logs/a.json:2                 CommandLine=WHOAMI
    -                    low       Shadow file                                   logs/b.txt:1                  cat /etc/shadow\u{1b}[31m
    --- stderr
    2 logs · 5 records · 5 events · 2 rules · 3 detections · [time]
    "#);
}

#[test]
fn csv_has_a_header() {
    assert_snapshot!(hunt(&folder(), &["logs", "-r", "rules", "-f", "csv", "-q"]).shown(), @r#"
    exit code: 0
    --- stdout
    time,level,rule_id,rule_title,tags,path,record,product,category,service,matched,id,event,extracted
    2026-03-17T09:00:00Z,high,11111111-1111-4111-8111-111111111111,Whoami,attack.discovery attack.t1033,logs/a.json,1,test,,,CommandLine=cmd /c whoami,13bf24d66395b04dda0f507baa2ec722,"{""@timestamp"":""2026-03-17T09:00:00Z"",""CommandLine"":""cmd /c whoami"",""host"":""a""}",
    2026-03-17T08:00:00Z,high,11111111-1111-4111-8111-111111111111,Whoami,attack.discovery attack.t1033,logs/a.json,2,test,,,CommandLine=WHOAMI,368cdfcf24f5b03c352eb19bd4df7b6d,"{""@timestamp"":""2026-03-17T08:00:00Z"",""CommandLine"":""WHOAMI"",""host"":""b""}",
    ,low,22222222-2222-4222-8222-222222222222,Shadow file,,logs/b.txt,1,test,,,cat /etc/shadow\u{1b}[31m,4c0cc715faec386dd18da3a4f8711a8d,cat /etc/shadow\u{1b}[31m,
    --- stderr
    "#);
}

#[test]
fn timelines_are_ordered_by_time() {
    assert_snapshot!(
        hunt(&folder(), &["logs", "-r", "rules", "-f", "table", "-q", "--timeline"]).shown(), @r#"
    exit code: 0
    --- stdout
    TIME (UTC)           LEVEL     RULE                                          FILE:RECORD                   MATCHED
    2026-03-17 08:00:00  high      Whoami                                        logs/a.json:2                 CommandLine=WHOAMI
    2026-03-17 09:00:00  high      Whoami                                        logs/a.json:1                 CommandLine="cmd /c whoami"
    -                    low       Shadow file                                   logs/b.txt:1                  cat /etc/shadow\u{1b}[31m
    --- stderr
    "#
    );
}

#[test]
fn summaries_count() {
    assert_snapshot!(
        hunt(&folder(), &["logs", "-r", "rules", "-f", "table", "-q", "--summary"]).shown(), @r#"
    exit code: 0
    --- stdout
       COUNT  LEVEL     HOSTS  FIRST (UTC)          LAST (UTC)           RULE
           2  high          2  2026-03-17 08:00:00  2026-03-17 09:00:00  Whoami
           1  low           0  -                    -                    Shadow file

       COUNT  HOST
           1  a
           1  b
    --- stderr
    "#
    );
}

#[test]
fn schemas_of_detections_have_no_counts() {
    for format in ["ecs", "ocsf", "confluent"] {
        let ran = hunt(&folder(), &["logs", "-r", "rules", "-f", format, "-q", "--summary"]);
        assert_eq!((ran.code, &*ran.stdout), (Some(2), ""), "{format}");
        assert!(ran.stderr.contains("choose `table`, `csv`, `json` or `jsonl`"), "{}", ran.stderr);
    }
}

#[test]
fn every_format_has_the_same_detections() {
    let folder = folder();
    let ran = |format: &str| hunt(&folder, &["logs", "-q", "-r", "rules", "-f", format]).stdout;
    for format in ["jsonl", "ecs", "ocsf"] {
        let text = ran(format);
        assert_eq!(text.lines().count(), 3, "{format}: {text}");
        for line in text.lines() {
            serde_json::from_str::<serde_json::Value>(line).expect("JSON");
        }
    }
    let array: Vec<serde_json::Value> = serde_json::from_str(&ran("json")).expect("an array");
    assert_eq!(array.len(), 3);
    assert_eq!(ran("csv").lines().count(), 1 + 3);
    assert_eq!(ran("table").lines().count(), 1 + 3);
    let none = hunt(
        &folder,
        &[
            "logs",
            "-q",
            "-r",
            "rules",
            "-f",
            "json",
            "--tag",
            "attack.t1033",
            "--from",
            "2027-01-01",
        ],
    );
    assert_eq!(none.stdout, "[]\n");
}

#[test]
fn rules_and_times_are_chosen() {
    let folder = folder();
    let titles = |args: &[&str]| -> Vec<String> {
        let args = [&["logs", "-q", "-r", "rules", "-f", "jsonl"], args].concat();
        hunt(&folder, &args)
            .stdout
            .lines()
            .map(|line| {
                let value: serde_json::Value = serde_json::from_str(line).expect("JSON");
                value["rule"]["title"].as_str().unwrap_or_default().to_owned()
            })
            .collect()
    };
    assert_eq!(titles(&["--level", "medium"]), ["Whoami", "Whoami"]);
    assert_eq!(titles(&["--status", "test"]), ["Whoami", "Whoami"]);
    assert_eq!(titles(&["--tag", "attack.t10*"]), ["Whoami", "Whoami"]);
    assert_eq!(titles(&["--to", "2026-03-17T08:30:00Z"]), ["Whoami"]);
    assert_eq!(titles(&["--from", "2026-03-17T09:00:00Z"]), ["Whoami"]);
    assert_eq!(titles(&[]), ["Whoami", "Whoami", "Shadow file"]);
}

/// The highest level comes first, then the id; correlations see the others all the same.
#[test]
fn of_several_rules_the_first_is_told() {
    let rule = |title: &str, id: &str, level: &str, value: &str| {
        format!(
            "title: {title}\n{id}level: {level}\nlogsource:\n  product: test\ndetection:\n  s:\n    f|contains: {value}\n  condition: s\n---\n"
        )
    };
    let rules = [
        rule("low", "id: 00000000-0000-4000-8000-000000000000\n", "low", "a"),
        rule("second", "id: 22222222-0000-4000-8000-000000000000\n", "high", "a"),
        rule("first", "id: 11111111-0000-4000-8000-000000000000\nname: used\n", "high", "ab"),
        rule("nameless", "", "high", "a"),
        "title: count\nlevel: low\ncorrelation:\n  type: event_count\n  rules: [counted]\n  timespan: 1h\n  condition: {gte: 2}\n  generate: true\n---\n".to_owned(),
        rule("counted", "name: counted\n", "low", "a"),
    ];
    let event = |second: u32, value: &str| {
        format!("{{\"@timestamp\": \"2026-03-17T09:00:0{second}Z\", \"f\": \"{value}\"}}\n")
    };
    let folder = Folder::new()
        .file("rules.yml", rules.concat())
        .file("log.ndjson", event(1, "xab") + &event(2, "xa") + &event(3, "x"));
    let titles = |args: &[&str]| -> Vec<String> {
        let fixed = ["log.ndjson", "-r", "rules.yml", "--logsource", "product=test"];
        let args = [&fixed[..], &["-q", "-f", "jsonl"], args].concat();
        let ran = hunt(&folder, &args);
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        let title = |line: &str| {
            let value: serde_json::Value = serde_json::from_str(line).expect("JSON");
            value["rule"]["title"].as_str().unwrap_or_default().to_owned()
        };
        ran.stdout.lines().map(title).collect()
    };
    assert_eq!(titles(&[]).len(), 5 + 4 + 1);
    for threads in ["1", "2"] {
        assert_eq!(titles(&["--first-match", "-j", threads]), ["first", "second", "count"]);
    }
    assert_eq!(titles(&["--first-match", "--level", "high"]), ["first", "second"]);
    let counted = ["log.ndjson", "-r", "rules.yml", "-q", "--summary", "-f", "csv"];
    let counts = hunt(&folder, &[&counted[..], &["--first-match"]].concat());
    assert_eq!(counts.stdout.lines().count(), 1 + 3, "{}", counts.stdout);
}

#[test]
fn exit_codes_say_how_it_went() {
    let folder = folder().file("broken/x.yml", "title: x\ndetection:\n  a: [\n");
    let code = |args: &[&str]| hunt(&folder, args).code;
    assert_eq!(code(&["logs", "-r", "rules"]), Some(0));
    assert_eq!(code(&["logs", "-r", "rules", "--fail-on", "high"]), Some(1));
    assert_eq!(code(&["logs", "-r", "rules", "--fail-on", "critical"]), Some(0));
    assert_eq!(code(&["logs", "-r", "rules", "-r", "broken"]), Some(2));
    assert_eq!(code(&["logs", "-r", "rules", "-r", "broken", "--keep-going"]), Some(0));
    assert_eq!(code(&["logs", "-r", "broken", "--keep-going"]), Some(2));
    assert_eq!(code(&["logs", "missing", "-r", "rules"]), Some(2));
    assert_eq!(code(&["logs", "-r", "missing"]), Some(2));
    assert_eq!(code(&["logs", "--from", "yesterday"]), Some(2));
    assert_eq!(code(&["--no-such-flag"]), Some(2));
}

#[test]
fn unreadable_logs_do_not_stop_the_others() {
    assert_snapshot!(
        hunt(&folder(), &["missing.log", "logs/b.txt", "-r", "rules", "-f", "csv"]).shown(), @r#"
    exit code: 2
    --- stdout
    time,level,rule_id,rule_title,tags,path,record,product,category,service,matched,id,event,extracted
    ,low,22222222-2222-4222-8222-222222222222,Shadow file,,logs/b.txt,1,test,,,cat /etc/shadow\u{1b}[31m,4c0cc715faec386dd18da3a4f8711a8d,cat /etc/shadow\u{1b}[31m,
    --- stderr
    error: cannot read `missing.log`: No such file or directory (os error 2)
    1 log · 2 records · 2 events · 2 rules · 1 detection · [time]
    "#
    );
}

#[test]
fn a_hunt_without_logs_or_rules_is_none() {
    let folder = folder();
    std::fs::create_dir(folder.path("empty")).expect("a folder");
    let ran = hunt(&folder, &["empty", "-r", "rules"]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.starts_with("error: there are no logs in what was named\n"));
    let ran = hunt(&folder, &["logs", "-r", "rules", "--tag", "none"]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("the options leave out all 2"), "{}", ran.stderr);
}

#[test]
fn placeholders_are_refused_with_help() {
    let rule = RULE.replace("CommandLine|contains: whoami", "CommandLine|expand: '%tools%'");
    let folder = folder().file("placeholder/x.yml", rule);
    assert_snapshot!(
        hunt(&folder, &["logs", "-r", "rules/shadow.yml", "-r", "placeholder", "-f", "csv"]).shown(), @r#"
    exit code: 0
    --- stdout
    time,level,rule_id,rule_title,tags,path,record,product,category,service,matched,id,event,extracted
    ,low,22222222-2222-4222-8222-222222222222,Shadow file,,logs/b.txt,1,test,,,cat /etc/shadow\u{1b}[31m,4c0cc715faec386dd18da3a4f8711a8d,cat /etc/shadow\u{1b}[31m,
    --- stderr
    placeholder/x.yml:9:29: error[unresolved-placeholder]: no value is given for the placeholder `%tools%` (help: give its values with `--placeholder tools=VALUE` (repeat for several))
    2 logs · 5 records · 5 events · 1 rule · 1 error in rules · 1 detection · [time]
    "#
    );
    let given = hunt(&folder, &["logs", "-r", "placeholder", "-q", "--placeholder", "tools=calc"]);
    assert_eq!((given.code, given.stdout.lines().count()), (Some(0), 1));
}

#[test]
fn ids_are_those_of_rule_and_record() {
    let ids = |folder: &Folder, args: &[&str], pointer: &str| -> Vec<String> {
        let ran = hunt(folder, &[&["-q", "-r", "rules"], args].concat());
        let line = |line: &str| serde_json::from_str(line).expect("JSON");
        let objects: Vec<serde_json::Value> = ran.stdout.lines().map(line).collect();
        let id = |object: &serde_json::Value| {
            object.pointer(pointer).and_then(|id| id.as_str()).expect("an id").to_owned()
        };
        objects.iter().map(id).collect()
    };
    let folder = folder().file("moved/x.json", LOG.replace("cmd /c whoami", "whoami /all"));
    let first = ids(&folder, &["logs/a.json"], "/id");
    assert_eq!(first.len(), 2);
    assert_ne!(first[0], first[1]);
    assert_eq!(first, ids(&folder, &["logs/a.json", "-f", "ecs"], "/event/id"));
    assert_eq!(first, ids(&folder, &["logs/a.json", "-f", "ocsf"], "/finding_info/uid"));
    let moved = ids(&folder, &["moved"], "/id");
    assert_eq!((moved[0] == first[0], &moved[1]), (false, &first[1]));
}

#[test]
fn formats_that_ask_for_a_time_get_that_of_the_log() {
    use std::time::{Duration, SystemTime};

    let folder = folder().file("logs/b-20260319.txt", "cat /etc/shadow\n");
    let file = std::fs::File::options().write(true).open(folder.path("logs/b.txt"));
    let moment = SystemTime::UNIX_EPOCH + Duration::from_secs(1_774_008_000);
    file.and_then(|file| file.set_modified(moment)).expect("a time");
    let times = |format: &str, pointers: [&str; 2]| -> Vec<[serde_json::Value; 2]> {
        let ran = hunt(&folder, &["logs", "-r", "rules", "-q", "-f", format]);
        let each = |line: &str| {
            let detection: serde_json::Value = serde_json::from_str(line).expect("JSON");
            pointers.map(|pointer| detection.pointer(pointer).cloned().unwrap_or_default())
        };
        ran.stdout.lines().map(each).collect()
    };
    let ecs = times("ecs", ["/@timestamp", "/sigma/time_assumed"]);
    let (null, assumed) = (serde_json::Value::Null, serde_json::Value::from(true));
    assert_eq!(
        ecs,
        [
            ["2026-03-17T09:00:00Z".into(), null.clone()],
            ["2026-03-17T08:00:00Z".into(), null],
            // The end of the day in the name says more than the time of the file.
            ["2026-03-20T00:00:00Z".into(), assumed.clone()],
            ["2026-03-20T12:00:00Z".into(), assumed],
        ]
    );
    let ocsf = times("ocsf", ["/time", "/evidences/0/data/time_assumed"]);
    assert!(ocsf.iter().all(|[time, _]| time.is_i64()), "{ocsf:?}");
    assert_eq!(ocsf[3], [serde_json::json!(1_774_008_000_000_i64), true.into()]);
}

#[test]
fn stdin_is_a_log() {
    let ran = folder().run_with(
        &["hunt", "-", "-r", "rules", "-q", "--logsource", "product=test"],
        LOG.as_bytes(),
    );
    assert_eq!(ran.stdout.lines().count(), 2);
    assert!(ran.stdout.contains("\"path\":\"<stdin>\",\"record\":1}"), "{}", ran.stdout);
}

#[test]
fn what_is_read_is_not_written() {
    let folder = folder();
    std::fs::hard_link(folder.path("logs/a.json"), folder.path("same.json")).expect("a link");
    let refused = |args: &[&str]| {
        let ran = hunt(&folder, &[args, &["-r", "rules"]].concat());
        assert_eq!((ran.code, &*ran.stdout), (Some(2), ""), "{args:?}");
        assert_eq!(std::fs::read_to_string(folder.path("logs/a.json")).expect("a log"), LOG);
        ran.stderr
    };
    let message = "error: `logs/a.json` is read and cannot be written to; name another output\n";
    assert_eq!(refused(&["logs/a.json", "-o", "logs/a.json"]), message);
    assert_eq!(refused(&["logs/a.json", "-o", "same.json"]), message);
    assert_eq!(
        refused(&["logs/a.json", "--max-lateness", "1s", "--late", "logs/../same.json"]),
        message
    );
    let rule = "error: `rules/whoami.yml` is read and cannot be written to; name another output\n";
    assert_eq!(refused(&["logs/a.json", "-o", "rules/whoami.yml"]), rule);
    refused(&["logs", "-o", "out.json", "--max-lateness", "1s", "--late", "out.json"]);
    // In a folder it is left out, also when it was there before.
    for _ in 0..2 {
        let ran = hunt(&folder, &["logs", "-r", "rules", "-o", "logs/out.json"]);
        assert!(ran.stderr.contains("2 logs · 5 records"), "{}", ran.stderr);
    }
    let ran = hunt(&folder, &["logs", "-r", "rules", "-o", "logs/out.json"]);
    assert!(ran.stderr.starts_with("`logs/out.json` is left out: it is written to\n"));
}

#[test]
fn logs_with_several_paths_are_read_once() {
    let folder = folder();
    let ran = hunt(&folder, &["logs", "logs/*.json", "logs/../logs/a.json", "-r", "rules"]);
    assert_eq!(ran.stdout.lines().count(), 3);
    let note = "2 paths to logs that are read already left out (links or other spellings); `-v` names \
                what is left out\n2 logs · ";
    assert!(ran.stderr.starts_with(note), "{}", ran.stderr);
    let ran = hunt(&folder, &["logs", "logs/*.json", "-r", "rules", "-v"]);
    assert!(ran.stderr.contains("read already: `logs/a.json`\n"), "{}", ran.stderr);
}

#[test]
fn contradictions_are_refused() {
    let folder = folder();
    let ran = hunt(&folder, &["logs", "--from", "2026-03-18", "--to", "2026-03-17"]);
    assert_eq!(ran.stderr, "error: `--from` is later than `--to`: no event can be between them\n");
    let refusal =
        "error: logs and rules cannot both come from stdin; name a file for one of them\n";
    for args in [
        &["hunt", "-", "-r", "-"][..],
        &["parse", "-", "-r", "-"],
        &["explain", "x", "-r", "-", "--event", "-"],
    ] {
        let ran = folder.run(args);
        assert_eq!((ran.code, &*ran.stderr), (Some(2), refusal));
    }
}

#[test]
fn rules_of_a_folder_are_found_or_missed_aloud() {
    let folder = folder()
        .file("rules/tested.yml", format!("tests:\n- x\n{RULE}").replace("1111", "3333"))
        .file("rules/flow.yml", "{title: Flow, logsource: {product: test}, detection: {s: {CommandLine: calc}, condition: s}}")
        .file("rules/compose.yml", "services:\n    web:\n        image: x\n")
        .file("rules/mapping.yml", "name: x\ntransformations: []\n");
    let ran = hunt(&folder, &["logs", "-r", "rules"]);
    assert_eq!(ran.stdout.lines().count(), 6);
    let note = "1 YAML file without a rule left out; `-v` names what is left out\n2 logs · ";
    assert!(ran.stderr.starts_with(note), "{}", ran.stderr);
    let ran = hunt(&folder, &["logs", "-r", "rules", "-v"]);
    for name in ["mapping", "compose"] {
        assert!(ran.stderr.contains(&format!("not a rule: `rules/{name}.yml`\n")));
    }
}

#[test]
fn errors_in_rules_are_shown_when_quiet_too() {
    let folder = folder().file("rules/broken.yml", RULE.replace("contains", "containz"));
    let ran = hunt(&folder, &["logs", "-r", "rules", "-q"]);
    assert_eq!(ran.code, Some(2));
    let error = "rules/broken.yml:9:21: error[unknown-modifier]";
    assert!(ran.stderr.starts_with(error), "{}", ran.stderr);
}

#[test]
fn archives_name_their_members() {
    use std::io::Write as _;
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for name in ["one.json", "two.json"] {
        archive.start_file(name, zip::write::SimpleFileOptions::default()).expect("a member");
        archive.write_all(LOG.as_bytes()).expect("a member");
    }
    let bytes = archive.finish().expect("an archive").into_inner();
    let folder = folder().file("logs.zip", bytes);
    let ran = hunt(&folder, &["logs.zip", "-r", "rules", "-q"]);
    assert!(ran.stdout.contains("\"path\":\"logs.zip/two.json\",\"record\":2}"), "{}", ran.stdout);
    // The rule and the place, as the detection names them.
    let explain = |log: &str| {
        let place = ["--event", log, "--record", "2", "--logsource", "product=test"];
        folder.run(&[&["explain", "rules/whoami.yml"][..], &place].concat())
    };
    let ran = explain("logs.zip/two.json");
    assert!(ran.stdout.contains("logs.zip/two.json record 2"), "{}", ran.stdout);
    assert_eq!((ran.code, ran.stdout.matches("the rule matches").count()), (Some(0), 1));
    let ran = explain("logs.zip/three.json");
    assert_eq!(ran.code, Some(2));
    assert_eq!(ran.stderr, "error: `logs.zip/three.json` has no event at record 2\n");
    let title = "Very Long DNS Label In Query";
    for rule in [title, "rules/dns/net_dns_long_label_tunnel.yml"] {
        let ran = folder.run(&["explain", rule, "--event", "logs/a.json", "--record", "1"]);
        assert!(ran.stdout.starts_with(title), "{}", ran.stderr);
    }
}

#[test]
fn a_closed_pipe_is_quiet() {
    let folder = folder().file("many.json", LOG.repeat(20_000));
    // What was found before the pipe was closed counts.
    for (options, code) in [("", 0), ("--fail-on critical", 0), ("--fail-on high", 1)] {
        let script = format!(
            "'{}' hunt many.json -r rules --logsource product=test {options} | head -n 1",
            crate::command::binary()
        );
        let output = std::process::Command::new("bash")
            .args(["-c", &format!("set -o pipefail; {script}")])
            .current_dir(folder.path("."))
            .output()
            .expect("a shell");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert_eq!(said, "");
    }
}

#[test]
fn a_member_that_is_not_read_is_an_unreadable_log() {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for name in ["one.json", "two.json"] {
        archive.start_file(name, zip::write::SimpleFileOptions::default()).expect("a member");
        std::io::Write::write_all(&mut archive, LOG.as_bytes()).expect("a member");
    }
    let mut bytes = archive.finish().expect("an archive").into_inner();
    // The first is encrypted, by its own header and by the directory.
    for (magic, flags) in [(b"PK\x03\x04", 6), (b"PK\x01\x02", 8)] {
        let at = bytes.windows(4).position(|window| window == magic).expect("a header");
        bytes[at + flags] |= 1;
    }
    let folder = folder().file("logs.zip", &bytes);
    let args = ["-r", "rules", "--logsource", "product=test", "-q"];
    let error = |archive: &str| {
        let help = "encrypted; unpack the archive with its password first";
        format!("error: cannot read `{archive}/one.json`: {help}\n")
    };
    let ran = hunt(&folder, &[&["logs.zip"][..], &args].concat());
    assert_eq!((ran.code, ran.stderr), (Some(2), error("logs.zip")));
    assert!(ran.stdout.contains("logs.zip/two.json"), "{}", ran.stdout);
    let piped = [&["hunt", "-"][..], &args].concat();
    let ran = crate::command::run_in(&folder.path("."), &piped, &bytes);
    assert_eq!((ran.code, ran.stderr), (Some(2), error("<stdin>")));
    let ran = folder.run(&["parse", "logs.zip"]);
    assert_eq!((ran.code, ran.stderr), (Some(2), error("logs.zip")));
}

#[test]
fn any_number_of_threads_gives_the_same() {
    // Large enough to be cut, with a pretty-printed object and a broken line among the others.
    let mut log = String::new();
    for number in 0..60_000 {
        log.push_str(&format!(
            "{{\"n\":{number},\"CommandLine\":\"{}\",\"padding\":\"{}\"}}\n",
            if number % 1000 == 7 { "whoami" } else { "calc" },
            "x".repeat(60),
        ));
        if number % 7000 == 0 {
            log.push_str("{\n  \"CommandLine\": \"whoami\"\n}\n{\"broken\n\n");
        }
    }
    assert!(log.len() > 5 << 20);
    let folder = folder().file("large.json", log);
    let ran = |threads: &str| hunt(&folder, &["logs", "large.json", "-r", "rules", "-j", threads]);
    let one = ran("1");
    assert!(one.stdout.lines().count() > 60);
    for threads in ["2", "3", "8"] {
        let many = ran(threads);
        assert!(one.stdout == many.stdout, "{threads} threads differ");
        assert_eq!(one.shown(), many.shown());
    }
}

#[test]
fn fixtures_have_what_is_expected() {
    let text = std::fs::read_to_string(crate::command::root().join("fixtures/expected.yml"))
        .expect("the expected detections");
    let expected: serde_json::Value = serde_yaml::from_str(&text).expect("YAML");
    let mut wanted = BTreeSet::new();
    for file in expected.as_array().expect("a list") {
        for detection in file["detections"].as_array().into_iter().flatten() {
            wanted.insert(format!(
                "{}:{} {}",
                file["file"].as_str().expect("a file"),
                detection["record"],
                detection["rule"].as_str().expect("a rule")
            ));
        }
    }
    let ran = run(&["hunt", "fixtures", "-q"]);
    let mut found = BTreeSet::new();
    for line in ran.stdout.lines() {
        let value: serde_json::Value = serde_json::from_str(line).expect("JSON");
        let path = value["source"]["path"].as_str().expect("a path");
        let rule = std::path::Path::new(value["rule"]["path"].as_str().expect("a path"));
        found.insert(format!(
            "{}:{} {}",
            path.trim_start_matches("fixtures/"),
            value["source"]["record"],
            rule.file_stem().expect("a stem").to_string_lossy()
        ));
    }
    let missing: Vec<&String> = wanted.difference(&found).collect();
    let extra: Vec<&String> = found.difference(&wanted).collect();
    assert!(missing.is_empty() && extra.is_empty(), "missing: {missing:#?}\nextra: {extra:#?}");
}

/// Whoever unpacked it may have written it today.
#[test]
fn the_name_of_a_file_says_the_year() {
    let line = "Mar  3 10:00:00 h sshd[1]: Failed password for root from 192.0.2.1 port 22 ssh2\n";
    let folder = Folder::new().file("auth-20210305.log", line);
    let ran = folder.run(&["parse", "-f", "jsonl", "auth-20210305.log"]);
    assert!(ran.stdout.contains("2021-03-03T10:00:00Z"), "{}", ran.stdout);
}

/// What an event is besides takes nothing of what it is.
#[test]
fn a_log_source_for_all_events_leaves_envelopes_their_content() {
    let line =
        "Mar 17 08:41:07 web sshd[812]: Accepted password for ann from 192.0.2.7 port 5151 ssh2";
    let log = [
        r#"{"other":1}"#.to_owned(),
        r#"{"__REALTIME_TIMESTAMP":"1773736867000000","SYSLOG_IDENTIFIER":"sshd","MESSAGE":"Accepted password for ann from 192.0.2.7 port 5151 ssh2"}"#.to_owned(),
        format!(r#"{{"log":"{line}\n","stream":"stdout","time":"2026-03-17T08:41:07Z"}}"#),
        line.to_owned(),
        r#"<30>Mar 17 08:41:07 web sshd[812]: {"src_ip":"192.0.2.7"}"#.to_owned(),
        r#"{"log":"{\"src_ip\":\"192.0.2.7\"}\n","stream":"stdout","time":"2026-03-17T08:41:07Z"}"#.to_owned(),
    ];
    let folder = Folder::new()
        .file("rules/ssh.yml", "{title: SSH, logsource: {product: linux, service: sshd}, detection: {s: {src_ip: 192.0.2.7}, condition: s}}")
        .file("rules/any.yml", "{title: Any, logsource: {product: test}, detection: {s: {src_ip: 192.0.2.7}, condition: s}}")
        .file("mixed.log", log.join("\n"));
    let fixed = ["hunt", "mixed.log", "-r", "rules", "-q"];
    let found = |args: &[&str]| {
        let ran = folder.run(&[&fixed[..], args].concat());
        let lines = ran.stdout.lines().map(|line| {
            let detection: serde_json::Value = serde_json::from_str(line).unwrap();
            let title = detection["rule"]["title"].as_str().unwrap().to_owned();
            (title, detection["source"]["record"].as_u64().unwrap())
        });
        lines.collect::<BTreeSet<_>>()
    };
    let expected = |title: &str, records: &[u64]| {
        records.iter().map(|record| (title.to_owned(), *record)).collect::<BTreeSet<_>>()
    };
    let ssh = expected("SSH", &[2, 3, 4, 5]);
    assert_eq!(found(&[]), ssh);
    let any = expected("Any", &[2, 3, 4, 5, 6]);
    assert_eq!(found(&["--logsource", "product=test"]), ssh.union(&any).cloned().collect());
}

/// Nothing found among lines that hardly a rule sees is not nothing there.
#[test]
fn logs_that_no_format_knows_are_told() {
    use std::io::Write as _;
    let folder = folder().file("logs/c.txt", "cat /etc/passwd\n").file("logs/empty.log", "");
    let warnings = |args: &[&str]| {
        let ran = folder.run(&[&["hunt", "logs", "-r", "rules"], args].concat());
        let lines = ran.stderr.lines().filter(|line| line.starts_with("warning"));
        lines.map(str::to_owned).collect::<Vec<_>>().join("\n")
    };
    assert_snapshot!(warnings(&[]), @"
    warning: `logs/b.txt`, `logs/c.txt` were read as plain text: no format knows them, and only rules without a log source see them; say what they are with `--logsource KEY=VALUE,…`
    warning: `logs/a.json` says nothing that tells a log source, and only rules without one see those events; say what it is with `--logsource KEY=VALUE,…`
    ");
    assert_eq!(warnings(&["--logsource", "product=test"]), "");
    assert_eq!(warnings(&["--no-routing"]), "");
    // Who says that it is plain text knows.
    assert_eq!(warnings(&["--input-format", "text"]), "");
    assert_eq!(warnings(&["--input-format", "json"]), warnings(&[]));

    // What counts is most of each stream, not the head of a log or the first member of an archive.
    let json = "{\"a\": 1}\n".repeat(9);
    let archive = |names: &[&str]| {
        let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        for name in names {
            archive.start_file(*name, zip::write::SimpleFileOptions::default()).expect("a member");
            let content = match *name {
                "readme.txt" => "read me\n",
                "empty.txt" => "",
                _ => &json,
            };
            archive.write_all(content.as_bytes()).expect("memory");
        }
        archive.finish().expect("memory").into_inner()
    };
    let folder = Folder::new()
        .file(
            "rules/any.yml",
            "{title: Any, logsource: {product: test}, detection: {s: {a: 1}, condition: s}}",
        )
        .file("mixed.log", format!("starting\n{json}"))
        .file("empty-first.zip", archive(&["empty.txt", "s.ndjson"]))
        .file("text-first.zip", archive(&["readme.txt", "s.ndjson"]))
        .file("text-last.zip", archive(&["s.ndjson", "readme.txt"]));
    let warned =
        |log: &str| folder.run(&["hunt", log, "-r", "rules"]).stderr.contains("plain text");
    assert!(!warned("mixed.log") && !warned("empty-first.zip"));
    let ran = folder.run(&["hunt", "mixed.log", "-r", "rules"]);
    assert!(ran.stderr.contains("warning: `mixed.log` says nothing"), "{}", ran.stderr);
    for log in ["text-first.zip", "text-last.zip"] {
        let ran = folder.run(&["hunt", log, "-r", "rules"]);
        let named = format!("warning: `{log}/readme.txt` was read as plain text");
        assert!(ran.stderr.contains(&named), "{}", ran.stderr);
    }
}
