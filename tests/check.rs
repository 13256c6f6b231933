//! `sigmund check`, `rules`, `generate` and the help texts.

use crate::command::{Folder, run};
use insta::assert_snapshot;

const BROKEN: &str = "\
title: Broken
logsource:
    category: process_creation
    product: windows
detection:
    selection:
        Image|containz: 'a'
    condition: selection or filter
";

#[test]
fn findings_have_a_place_and_help() {
    let folder = Folder::new().file("broken.yml", BROKEN);
    assert_snapshot!(folder.run(&["check", "broken.yml"]).shown(), @r#"
    exit code: 1
    --- stdout
    broken.yml:1:1: note[missing-id]: the document has no `id` (help: add `id:` with a random UUID, e.g. from `uuidgen`)
    broken.yml:1:1: note[missing-level]: the document has no `level` (help: add e.g. `level: medium`)
    broken.yml:7:15: error[unknown-modifier]: unknown modifier `containz` (help: did you mean `contains`?)
    broken.yml:8:29: error[undefined-selection]: undefined selection `filter` (help: defined selections: `selection`)
    --- stderr
    0 rules, 0 correlations and 0 filters in 1 file: 2 errors, 0 warnings, 2 notes
    "#);
}

/// GitHub attaches annotations to files only by their path in the repository.
#[test]
fn machines_see_paths_of_the_repository() {
    let folder = Folder::new()
        .file("rules/broken.yml", BROKEN)
        .file("rules/a.test.yml", "tests:\n  - name: t\n    events: [{}]\n    expect: [absent]\n");
    let absolute = folder.path("rules");
    for path in [".", "rules/..", absolute.to_str().expect("text")] {
        let github = folder.run(&["check", path, "-f", "github"]).stdout;
        assert!(github.lines().all(|line| line.contains(",file=rules/broken.yml,")), "{github}");
        let sarif = folder.run(&["check", path, "-f", "sarif"]).stdout;
        assert_eq!(sarif.matches("\"uri\": \"rules/broken.yml\"").count(), 4, "{sarif}");
        let tested = folder.run(&["test", path, "-f", "github"]).stdout;
        assert!(tested.starts_with("::error title=rule test,file=rules/a.test.yml::"), "{tested}");
    }
}

#[test]
fn people_see_the_source() {
    let folder = Folder::new().file("broken.yml", BROKEN);
    assert_snapshot!(folder.run(&["check", "broken.yml", "-f", "full"]).shown(), @r#"
    exit code: 1
    --- stdout
    note[missing-id]: the document has no `id`
     --> broken.yml:1:1
      |
    1 | title: Broken
      | ^^^^^
      |
      = help: add `id:` with a random UUID, e.g. from `uuidgen`

    note[missing-level]: the document has no `level`
     --> broken.yml:1:1
      |
    1 | title: Broken
      | ^^^^^
      |
      = help: add e.g. `level: medium`

    error[unknown-modifier]: unknown modifier `containz`
     --> broken.yml:7:15
      |
    7 |         Image|containz: 'a'
      |               ^^^^^^^^
      |
      = help: did you mean `contains`?

    error[undefined-selection]: undefined selection `filter`
     --> broken.yml:8:29
      |
    8 |     condition: selection or filter
      |                             ^^^^^^
      |
      = help: defined selections: `selection`

    --- stderr
    0 rules, 0 correlations and 0 filters in 1 file: 2 errors, 0 warnings, 2 notes
    "#);
}

#[test]
fn other_documents_and_files_still_load() {
    let folder = Folder::new()
        .file("a.yml", format!("{}---\n{BROKEN}", crate::check::GOOD))
        .file("b.yml", GOOD.replace('1', "2").replace("Whoami As", "Id As"))
        .file("c.yml", "title: [\n")
        .file("other.yml", "key: value\n");
    assert_snapshot!(folder.run(&["check", ".", "-v"]).shown(), @r#"
    exit code: 1
    --- stdout
    ./a.yml:21:1: note[missing-id]: the document has no `id` (help: add `id:` with a random UUID, e.g. from `uuidgen`)
    ./a.yml:21:1: note[missing-level]: the document has no `level` (help: add e.g. `level: medium`)
    ./a.yml:27:15: error[unknown-modifier]: unknown modifier `containz` (help: did you mean `contains`?)
    ./a.yml:28:29: error[undefined-selection]: undefined selection `filter` (help: defined selections: `selection`)
    ./c.yml:1:8: error[yaml-syntax]: the `[` opened here is never closed (help: close it with `]`; a text that starts with `[` is quoted: '[')
    --- stderr
    not a rule: `./other.yml`
    1 YAML file without a rule left out; `-v` names what is left out
    2 rules, 0 correlations and 0 filters in 3 files: 3 errors, 0 warnings, 2 notes
    "#);
}

pub(crate) const GOOD: &str = "\
title: Whoami As A Command
id: 11111111-1111-4111-8111-111111111111
status: test
description: Detects whoami.
author: somebody
date: 2026-03-17
tags:
    - attack.discovery
    - attack.t1033
logsource:
    category: process_creation
    product: windows
detection:
    selection:
        Image|endswith: '\\whoami.exe'
    condition: selection
falsepositives:
    - Administrators
level: low
";

#[test]
fn fixes_are_applied_until_none_is_left() {
    let folder =
        Folder::new().file("x.yml", GOOD.replace("'\\whoami.exe'", "\"\\\\whoami.exe\"  "));
    let before = folder.run(&["check", "x.yml", "--fail-on", "note"]);
    let after = folder.run(&["check", "x.yml", "--fix", "--fail-on", "note"]);
    let again = folder.run(&["check", "x.yml", "--fix", "--fail-on", "note"]);
    assert_eq!(again.stdout, folder.run(&["check", "x.yml"]).stdout);
    assert!(after.stdout.lines().count() <= before.stdout.lines().count());
}

#[test]
fn severities_decide_the_exit_code() {
    let folder = Folder::new().file("good.yml", GOOD).file("broken.yml", BROKEN);
    let code = |args: &[&str]| folder.run(&[&["check"], args].concat()).code;
    assert_eq!(code(&["good.yml", "--fail-on", "warning"]), Some(0));
    assert_eq!(code(&["broken.yml"]), Some(1));
    assert_eq!(code(&["missing.yml"]), Some(2));
    assert_eq!(code(&["good.yml", "--ignore", "no-such-code"]), Some(2));
}

#[test]
fn the_starter_pack_is_clean() {
    let ran = run(&["check", "rules", "--fail-on", "note"]);
    assert_eq!((ran.code, &*ran.stdout), (Some(0), ""), "{}", ran.stderr);
}

#[test]
fn rules_are_shown_as_understood() {
    let folder = Folder::new().file("x.yml", GOOD);
    assert_snapshot!(folder.run(&["rules", "show", "x", "-r", "x.yml"]).shown(), @r#"
    exit code: 0
    --- stdout
    Whoami As A Command
      id           11111111-1111-4111-8111-111111111111
      level        low
      status       test
      log source   windows/process_creation
      tags         attack.discovery attack.t1033
      author       somebody
      file         x.yml
      fields       Image
      Detects whoami.
      selection
        Image
          '*\whoami.exe'
      condition    selection

    --- stderr
    "#);
}

#[test]
fn completions_and_manuals_are_generated() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ran = run(&["generate", "completions", shell]);
        assert!(ran.code == Some(0) && ran.stdout.contains("hunt"), "{shell}");
    }
    let folder = Folder::new();
    assert_eq!(folder.run(&["generate", "man", "pages"]).code, Some(0));
    assert!(folder.path("pages/sigmund-hunt.1").exists());
    assert!(run(&["generate", "man"]).stdout.contains(".TH sigmund"));
}

#[test]
fn help_fits_one_screen_and_has_examples() {
    for command in
        [&["hunt"][..], &["check"], &["test"], &["parse"], &["explain"], &["rules", "list"], &[]]
    {
        let ran = run(&[command, &["--help"]].concat());
        assert_eq!(ran.code, Some(0), "{command:?}");
        assert!(ran.stdout.contains("Examples:"), "{command:?}");
        assert!(ran.stdout.lines().all(|line| line.chars().count() <= 100), "{command:?}");
    }
}

#[test]
fn codes_are_explained_at_length() {
    assert_snapshot!(run(&["explain", "foreign-taxonomy"]).shown(), @r"
    exit code: 0
    --- stdout
    foreign-taxonomy: the fields are of another taxonomy than Sigma's, and nothing maps them

    Fields of the taxonomy `sigma` are found under the names that each log format has for them. Those of
    another taxonomy are not, so the document is not loaded: it would find nothing and nobody would
    know. Give a pySigma processing pipeline that maps the fields (`-p FILE`). If the logs have these
    very names, remove `taxonomy`.
    --- stderr
    ");
    let ran = run(&["explain", "unknown-modifierr"]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("`unknown-modifier`"), "{}", ran.stderr);
}

#[cfg(unix)]
#[test]
fn files_that_are_not_utf8_are_not_fixed() {
    use std::os::unix::ffi::OsStrExt as _;
    let rule = b"title: Caf\xe9\nlogsource:\n    category: Test\ndetection:\n    a:\n        b: '*x'\n    condition: a\n";
    let folder = Folder::new().file("r/latin.yml", rule);
    let odd = folder.path("r").join(std::ffi::OsStr::from_bytes(b"d\xff.yml"));
    std::fs::write(&odd, "title: X\nlogsource:\n    category: Test\ndetection:\n    a:\n        b: '*x'\n    condition: a\n")
        .expect("a file");
    let ran = folder.run(&["check", "r", "--fix"]);
    assert_eq!(std::fs::read(folder.path("r/latin.yml")).expect("a file"), rule);
    assert_eq!(std::fs::read_dir(folder.path("r")).expect("a folder").count(), 2);
    assert!(std::fs::read_to_string(&odd).expect("a file").contains("'*x'"));
    assert!(
        ran.stderr.starts_with(
            "warning: `r/d\u{fffd}.yml` is not fixed: text or name of the file are not UTF-8\n\
             warning: `r/latin.yml` is not fixed: text or name of the file are not UTF-8\n"
        ),
        "{}",
        ran.stderr
    );
}

/// Law 8: whoever writes a rule must not steer the terminal of who checks it.
#[test]
fn findings_do_not_steer_terminals() {
    let steering = "\u{1b}]0;x\u{7}\u{8}\u{9b}2J\u{202e}";
    let escape = |c: char| match c.is_ascii_graphic() {
        true => c.to_string(),
        false => format!("\\u{:04x}", u32::from(c)),
    };
    let escaped: String = steering.chars().map(escape).collect();
    let rule = format!(
        "title: x\nlogsource: {{category: t}}\ndetection:\n    \"s{escaped}\":\n        \"a|{escaped}\": 1\n        \
         \"f|contains\": \"*{escaped}*\"\n    condition: \"{escaped}\"\n"
    );
    let sound = format!(
        "title: y\nname: good\nlogsource: {{category: t}}\ndetection:\n    \"s{escaped}\":\n        a: 1\n    \
         condition: 1 of s*\n---\ntitle: z\ncorrelation:\n    type: event_count\n    rules: [good]\n    \
         group-by: [\"a\", \"g{escaped}\"]\n    timespan: 5m\n    condition: {{gte: 1}}\n"
    );
    let event = format!("{{\"a\":1,\"g{escaped}\":2,\"@timestamp\":\"2026-01-01T00:00:00Z\"}}\n");
    let name = format!("r/{steering}.yml").replace(";", "");
    let folder = Folder::new().file(&name, rule).file("y.yml", sound).file("e.json", event);
    let event = ["--event", "e.json", "-r", "y.yml", "--logsource", "category=t"];
    for args in [
        &["check", "r", "-f", "full"][..],
        &["check", "r", "-f", "concise"],
        &["check", "r", "-f", "github"],
        &["rules", "show", "good", "-r", "y.yml"],
        &[&["explain", "z"][..], &event].concat(),
    ] {
        let ran = folder.run(args);
        assert!(!ran.stdout.is_empty(), "{args:?}: {}", ran.stderr);
        for text in [&ran.stdout, &ran.stderr] {
            let steers = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
            assert!(!text.contains(steers), "{args:?}: {text:?}");
        }
    }
}
