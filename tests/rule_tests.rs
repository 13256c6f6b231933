//! `sigmund test`.

use crate::check::GOOD;
use crate::command::{Folder, run};
use crate::shared::shared;
use insta::assert_snapshot;

const TEST: &str = "\
rules: [whoami.yml]
tests:
  - name: by name
    logsource: {category: process_creation, product: windows}
    events:
      - {Image: 'C:\\Windows\\System32\\whoami.exe'}
    expect: [whoami]
  - name: silent
    logsource: {category: process_creation, product: windows}
    events:
      - {Image: 'C:\\Windows\\System32\\calc.exe'}
    expect: []
";

fn folder() -> Folder {
    Folder::new().file("whoami.yml", GOOD).file("whoami.test.yml", TEST)
}

#[test]
fn tests_beside_rules_run() {
    assert_snapshot!(folder().run(&["test", "-v"]).shown(), @r#"
    exit code: 0
    --- stdout
    passed: ./whoami.test.yml: by name
    passed: ./whoami.test.yml: silent
    2 passed, 0 failed
    --- stderr
    "#);
}

#[test]
fn failures_are_named() {
    let failing = TEST
        .replace("expect: [whoami]", "expect: [{rule: Whoami As A Command, times: 2}]")
        .replace("calc.exe", "whoami.exe");
    let folder = folder()
        .file("whoami.test.yml", failing)
        .file("other.test.yml", "rules: [missing.yml]\ntests: []\n")
        .file("bad.yml", GOOD.replace("endswith", "endswiht"))
        .file("bad.test.yml", "tests: []\n")
        .file("odd.test.yml", "tests: [{name: x, expects: []}]\n");
    assert_snapshot!(folder.run(&["test"]).shown(), @r#"
    exit code: 2
    --- stdout
    broken: ./bad.test.yml: (test file): does not load: ./bad.yml:15:15: error[unknown-modifier]: unknown modifier `endswiht` (help: did you mean `endswith`?)
    broken: ./odd.test.yml: (test file): ./odd.test.yml:1:19: tests[0]: unknown field `expects`, expected one of `name`, `logsource`, `input_format`, `events`, `file`, `until`, `alert`, `expect`
    broken: ./other.test.yml: (test file): cannot read `./missing.yml`: No such file or directory (os error 2)
    failed: ./whoami.test.yml: by name: `Whoami As A Command` matched 1 time, not 2
        Whoami As A Command (11111111-1111-4111-8111-111111111111)
        event record 1
        {"Image":"C:\\Windows\\System32\\whoami.exe"}

        ✓ the rule matches the event
          ✓ log source: the rule asks for product windows, category process_creation
            the event is json:
              product windows, category process_creation  ← covered by the rule's
          ✓ condition
            ✓ selection
              ✓ Image|endswith
                is `C:\Windows\System32\whoami.exe`
                ✓ \whoami.exe
    failed: ./whoami.test.yml: silent: `Whoami As A Command` matched
        Whoami As A Command (11111111-1111-4111-8111-111111111111)
        event record 1
        {"Image":"C:\\Windows\\System32\\whoami.exe"}

        ✓ the rule matches the event
          ✓ log source: the rule asks for product windows, category process_creation
            the event is json:
              product windows, category process_creation  ← covered by the rule's
          ✓ condition
            ✓ selection
              ✓ Image|endswith
                is `C:\Windows\System32\whoami.exe`
                ✓ \whoami.exe
    0 passed, 2 failed, 3 broken
    --- stderr
    "#);
    for format in ["json", "junit", "github"] {
        let ran = folder.run(&["test", "-f", format]);
        assert_eq!(ran.code, Some(2), "{format}");
        assert!(ran.stdout.contains("matched 1 time, not 2"), "{format}: {}", ran.stdout);
    }
    // All could be run.
    assert_eq!(folder.run(&["test", "whoami.test.yml"]).code, Some(1));
}

#[test]
fn raw_lines_and_files_are_events() {
    let rule = GOOD.replace("Image|endswith: '\\whoami.exe'", "'|contains': 'whoami'");
    let folder = Folder::new()
        .file("words.yml", rule.replace("category: process_creation\n    product: windows", "product: any"))
        .file("lines.log", "one\nwhoami\nwhoami\n")
        .file(
            "words.test.yml",
            "tests:\n  - name: line\n    logsource: {product: any}\n    events: [sh -c whoami]\n    expect: [words]\n  \
             - name: file\n    logsource: {product: any}\n    file: lines.log\n    expect: [{rule: words, times: 2}]\n",
        );
    let ran = folder.run(&["test"]);
    assert_eq!((ran.code, &*ran.stdout), (Some(0), "2 passed, 0 failed\n"), "{}", ran.stderr);
}

#[test]
fn regression_data_that_is_absent_does_not_fail() {
    let rule = format!("{GOOD}regression_tests_path: regression_data/x/info.yml\n");
    assert_snapshot!(Folder::new().file("rules/x.yml", rule).run(&["test", "rules"]).shown(), @r#"
    exit code: 0
    --- stdout
    no data: rules/x.yml: (regression data): `regression_data/x/info.yml` is not there
    0 passed, 0 failed, 1 without data
    --- stderr
    "#);
}

#[test]
fn regression_data_in_json_is_read() {
    let event = r#"{"Event": {"System": {"Channel": "Microsoft-Windows-Sysmon/Operational", "EventID": 1}, "EventData": {"Image": "C:\\whoami.exe"}}}"#;
    let folder = Folder::new()
        .file("rules/x.yml", format!("{GOOD}regression_tests_path: regression_data/x/info.yml\n"))
        .file(
            "regression_data/x/info.yml",
            "regression_tests_info:\n  - name: Positive\n    type: evtx\n    match_count: 2\n    path: regression_data/x/a.evtx\n",
        )
        .file("regression_data/x/a.json", format!("{event}\n{event}\n"));
    let ran = folder.run(&["test", "rules"]);
    assert_eq!((ran.code, &*ran.stdout), (Some(0), "1 passed, 0 failed\n"), "{}", ran.stderr);
}

#[test]
fn the_starter_pack_passes() {
    let ran = run(&["test", "rules"]);
    assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
}

#[test]
fn sigmahq_passes() {
    let Some(corpus) = shared("corpus/sigmahq") else { return };
    let ran = run(&["test", &corpus.to_string_lossy()]);
    let last = ran.stdout.lines().last().unwrap_or_default();
    assert_eq!(ran.code, Some(0), "{last}");
    assert!(last.starts_with("142 passed, 0 failed"), "{last}");
}
