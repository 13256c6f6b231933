//! Every command in README and the other documents works, and writes what they show.
//!
//! In a `sh` block each line is a command; in a `console` block those behind `$ `, and the lines below them are what the command must write:
//! `…` in a line stands for any text, as a line of its own for any lines. A comment that says `exit code 1` says so. A block
//! of `yaml FILE` is a file that is there for the commands below it. Commands run in a folder in which the repository can be seen.

use crate::command::{binary, root};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Commands that are not run, by their beginning, with the reason.
const LEFT_OUT: &[(&str, &str)] = &[
    ("cargo run --release -- hunt fixtures", ".ci/run does it, as the first test below says"),
    ("cargo test --release --workspace", ".ci/run does it, as the first test below says"),
    ("cargo test -p sigmund-parsers", "these tests run with all others"),
    ("cargo bench -p sigmund-bench", "builds for minutes; tests/stages.rs runs the stages"),
    ("cargo run --release -p sigmund-bench", "builds for minutes; tests/stages.rs runs the stages"),
    ("bench/compare --install", "installs another engine for half an hour"),
    ("SIGMUND_CHAOS=1+10 cargo test", "minutes for each seed; the short form runs with all tests"),
    ("SIGMUND_CHAOS=1+5 cargo test", "minutes for each seed; the short form runs with all tests"),
    ("SIGMUND_CHAOS=1+2 cargo test", "minutes for each seed; the short form runs with all tests"),
    ("SIGMUND_CHAOS=1+3 cargo test", "minutes for each seed; the short form runs with all tests"),
    ("just fuzz", "runs for minutes, with a tool that must be installed"),
    ("cargo fuzz", "runs for minutes, with a tool that must be installed"),
    ("python3 fuzz/seeds.py", "writes into the repository"),
];

/// Programs that commands may use besides sigmund. Others would be a surprise on somebody's machine.
const PROGRAMS: &[&str] =
    &["sigmund", "cat", "cut", "echo", "grep", "head", "sed", "sort", "wc", "zcat"];

/// A document of the repository.
struct Document {
    path: PathBuf,
    steps: Vec<Step>,
}

/// What a block asks for.
enum Step {
    File { name: String, text: String },
    Run { line: usize, command: String, shown: Vec<String> },
}

/// All documents that are ours.
fn documents() -> Vec<Document> {
    let mut paths = Vec::new();
    let mut folders = vec![root().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_dir() && name != "target" && !name.starts_with('.') {
                folders.push(path);
            } else if name.ends_with(".md") {
                paths.push(path);
            }
        }
    }
    paths.sort();
    paths.into_iter().map(|path| Document { steps: steps(&path), path }).collect()
}

fn steps(path: &Path) -> Vec<Step> {
    let text = std::fs::read_to_string(path).expect("text");
    let mut steps = Vec::new();
    let mut block = None;
    for (number, line) in (1..).zip(text.lines()) {
        let Some(info) = block else {
            block = line.trim_start().strip_prefix("```");
            if let Some(("yaml", name)) = block.and_then(|info| info.split_once(' ')) {
                steps.push(Step::File { name: name.to_owned(), text: String::new() });
            }
            continue;
        };
        let run = |command: &str| Step::Run {
            line: number,
            command: command.to_owned(),
            shown: Vec::new(),
        };
        if line.trim() == "```" {
            block = None;
        } else if info == "sh" && !line.trim().is_empty() {
            steps.push(run(line));
        } else if info == "console" {
            match (line.strip_prefix("$ "), steps.last_mut()) {
                (Some(command), _) => steps.push(run(command)),
                (None, Some(Step::Run { shown, .. })) => shown.push(line.to_owned()),
                (None, _) => panic!("{}:{number}: output without a command", path.display()),
            }
        } else if info.starts_with("yaml ")
            && let Some(Step::File { text, .. }) = steps.last_mut()
        {
            text.push_str(line);
            text.push('\n');
        }
    }
    steps
}

fn left_out(command: &str) -> Option<&'static str> {
    LEFT_OUT.iter().map(|(beginning, _)| *beginning).find(|beginning| {
        command
            .strip_prefix(*beginning)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
    })
}

/// The programs that a command starts.
fn programs(command: &str) -> Vec<&str> {
    let command = command.split(" # ").next().unwrap_or(command);
    let parts = command.split('|').flat_map(|part| part.split("&&"));
    parts.filter_map(|part| part.split_whitespace().next()).collect()
}

/// Whether the output is what is shown.
fn is_shown(output: &str, shown: &[String]) -> bool {
    let mut pattern = String::from("(?s)^");
    for line in shown {
        if line.trim() == "…" {
            pattern.push_str("(?:[^\n]*\n)*?");
            continue;
        }
        let parts: Vec<String> = line.trim_end().split('…').map(regex::escape).collect();
        pattern.push_str(&parts.join("[^\n]*"));
        pattern.push_str(" *\n");
    }
    pattern.push('$');
    regex::Regex::new(&pattern).expect("a pattern").is_match(output)
}

/// A folder in which the repository can be seen, and files be made.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for entry in std::fs::read_dir(root()).expect("the repository") {
        let entry = entry.expect("an entry");
        let name = entry.file_name();
        if name != "target" && !name.to_string_lossy().starts_with('.') {
            let link = folder.path().join(name);
            std::os::unix::fs::symlink(entry.path(), link).expect("a link");
        }
    }
    folder
}

#[test]
fn the_first_two_are_what_ci_runs() {
    let script = std::fs::read_to_string(root().join(".ci/run")).expect(".ci/run");
    let readme = steps(&root().join("README.md"));
    let first: Vec<&str> = readme
        .iter()
        .filter_map(|step| match step {
            Step::Run { command, .. } => Some(&**command),
            Step::File { .. } => None,
        })
        .take(2)
        .collect();
    assert_eq!(first, ["cargo run --release -- hunt fixtures", "cargo test --release --workspace"]);
    assert!(script.contains("cargo run --release --quiet -- hunt fixtures"));
    assert!(script.contains("cargo test --release --workspace --quiet"));
}

#[test]
fn the_others_write_what_is_shown() {
    let bin = Path::new(binary()).parent().expect("a folder");
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap_or_default());
    let mut unused: BTreeSet<&str> = LEFT_OUT.iter().map(|(beginning, _)| *beginning).collect();
    let mut wrong = Vec::new();
    let mut count = 0;
    for document in documents() {
        let folder = folder();
        let document_name = document.path.strip_prefix(root()).unwrap_or(&document.path);
        for step in &document.steps {
            let (line, command, shown) = match step {
                Step::File { name, text } => {
                    let path = folder.path().join(name);
                    std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
                    std::fs::write(path, text).expect("a file");
                    continue;
                }
                Step::Run { line, command, shown } => (line, command, shown),
            };
            let place = format!("{}:{line}: `{command}`", document_name.display());
            if let Some(beginning) = left_out(command) {
                unused.remove(beginning);
                continue;
            }
            if let Some(program) =
                programs(command).into_iter().find(|program| !PROGRAMS.contains(program))
            {
                wrong.push(format!("{place} needs `{program}`: run it by `PROGRAMS`, or name it with a reason in `LEFT_OUT`"));
                continue;
            }
            let output = Command::new("bash")
                .args(["-c", &format!("set -o pipefail; {command}")])
                .env("PATH", &path)
                .env_remove("GITHUB_ACTIONS")
                .env_remove("CI")
                .current_dir(folder.path())
                .output()
                .expect("a shell");
            count += 1;
            let wanted = i32::from(command.contains("exit code 1"));
            let (stdout, stderr) =
                (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
            if output.status.code() != Some(wanted) {
                wrong.push(format!("{place} ends with {}\n{stderr}", output.status));
            }
            if !shown.is_empty() {
                // Where nothing comes to stdout, the messages are what is shown.
                let output = if stdout.is_empty() { &stderr } else { &stdout };
                if !is_shown(output, shown) {
                    wrong.push(format!("{place} writes\n{output}instead of\n{}", shown.join("\n")));
                }
            } else if stdout.is_empty()
                && stderr.is_empty()
                && !command.contains('>')
                && !command.starts_with("sed -i")
            {
                wrong.push(format!("{place} writes nothing"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    assert!(unused.is_empty(), "no document has these any more: {unused:?}");
    assert!(count >= 20, "{count} commands");
}

#[test]
fn shown_output_is_compared() {
    let shown = |lines: &[&str]| lines.iter().map(|&line| line.to_owned()).collect::<Vec<_>>();
    assert!(is_shown("a\nb\n", &shown(&["a", "b"])));
    assert!(!is_shown("a\nb\n", &shown(&["a"])));
    assert!(is_shown("a\nb\nc\n", &shown(&["a", "…"])));
    assert!(is_shown("a\nb\nc\n", &shown(&["…", "c"])));
    assert!(is_shown("a 12 s\n", &shown(&["a … s"])));
    assert!(!is_shown("a 12\ns\n", &shown(&["a … s"])));
    assert!(!is_shown("b\n", &shown(&["…", "a"])));
    assert_eq!(programs("zcat a | sigmund hunt - && cat x # y | z"), ["zcat", "sigmund", "cat"]);
    assert_eq!(left_out("cargo bench -p sigmund-benchx"), None);
}
