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
