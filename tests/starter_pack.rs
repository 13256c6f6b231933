//! The table of the starter pack in `docs/rules.md` is that of `rules/`.

use crate::command::{root, run};
use serde_json::Value;
use std::fmt::Write as _;

/// The table, made from what `sigmund rules list` says.
fn table() -> String {
    let ran = run(&["rules", "list", "-r", "rules", "-f", "json", "-q"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let mut rules: Vec<Value> = serde_json::from_str(&ran.stdout).expect("JSON");
    rules.sort_by_key(|rule| rule["path"].as_str().unwrap_or_default().to_owned());
    let mut text = String::from("| rule | level | log source | ATT&CK |\n|---|---|---|---|\n");
    for rule in &rules {
        let part = |name: &str| rule[name].as_str().unwrap_or_default();
        let tags = part("tags").split(' ').filter_map(|tag| tag.strip_prefix("attack."));
        let is_technique =
            |tag: &&str| tag.starts_with('t') && tag[1..].starts_with(|c: char| c.is_ascii_digit());
        let techniques: Vec<String> = tags.filter(is_technique).map(str::to_uppercase).collect();
        let (title, path, level) = (part("title"), part("path"), part("level"));
        // A correlation has none of its own.
        let source = rule["correlation"]["type"].as_str().unwrap_or_else(|| part("logsource"));
        let techniques = techniques.join(", ");
        writeln!(text, "| [{title}](../{path}) | {level} | {source} | {techniques} |")
            .expect("memory");
    }
    text
}

#[test]
fn the_table_is_up_to_date() {
    const HEADING: &str = "## The starter pack\n\n";
    let path = root().join("docs/rules.md");
    let text = std::fs::read_to_string(&path).expect("docs/rules.md");
    let at = text.find(HEADING).expect("the heading") + HEADING.len();
    let (before, written) = text.split_at(at);
    let table = table();
    if written != table && std::env::var_os("SIGMUND_WRITE_DOCS").is_some() {
        std::fs::write(&path, format!("{before}{table}")).expect("docs/rules.md");
        return;
    }
    assert!(
        written == table,
        "docs/rules.md has not the table of the starter pack; write it with \
         `SIGMUND_WRITE_DOCS=1 cargo test --test tests starter_pack`"
    );
}
