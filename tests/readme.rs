//! Every command in README works.

use crate::command::{binary, root};
use std::path::Path;
use std::process::Command;

/// The commands of all `sh` blocks.
fn commands() -> Vec<String> {
    let text = std::fs::read_to_string(root().join("README.md")).expect("README");
    let mut commands = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        match line {
            "```sh" => inside = true,
            "```" => inside = false,
            line if inside && !line.trim().is_empty() => commands.push(line.to_owned()),
            _ => {}
        }
    }
    commands
}

#[test]
fn the_first_two_are_what_ci_runs() {
    let script = std::fs::read_to_string(root().join(".ci/run")).expect(".ci/run");
    let commands = commands();
    let cargo: Vec<&String> = commands.iter().filter(|line| line.starts_with("cargo")).collect();
    assert_eq!(cargo, ["cargo run --release -- hunt fixtures", "cargo test --release --workspace"]);
    assert!(script.contains("cargo run --release --quiet -- hunt fixtures"));
    assert!(script.contains("cargo test --release --workspace --quiet"));
}

#[test]
fn the_others_succeed() {
    let bin = Path::new(binary()).parent().expect("a folder");
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap_or_default());
    let mut count = 0;
    for line in commands().iter().filter(|line| !line.starts_with("cargo")) {
        let output = Command::new("bash")
            .args(["-c", &format!("set -o pipefail; {line}")])
            .env("PATH", &path)
            .env_remove("GITHUB_ACTIONS")
            .current_dir(root())
            .output()
            .expect("a shell");
        let wanted = i32::from(line.contains("exit code 1"));
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(wanted), "{line}\n{stderr}");
        let quiet = ["-o ", "> ", "app.log", "check"].iter().any(|part| line.contains(part));
        assert!(quiet || !output.stdout.is_empty(), "{line} writes nothing\n{stderr}");
        count += 1;
    }
    assert!(count >= 20, "{count} commands");
}
