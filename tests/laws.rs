//! The laws of the house that a test can see in the sources (see `docs/`): what each crate may know, and who imports whom.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All `.rs` files below a folder of the repository, sorted.
fn sources(folder: &str) -> Vec<PathBuf> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(&root().join(folder), &mut found);
    found.sort();
    assert!(!found.is_empty(), "`{folder}` has no sources");
    found
}

/// Source lines that are part of the product, with their numbers: no comments, nothing under `#[cfg(test)]`. The second are the modules
/// in files of their own that are there for tests only.
fn product_lines(text: &str) -> (Vec<(usize, &str)>, Vec<&str>) {
    let mut kept = Vec::new();
    let mut test_modules = Vec::new();
    let mut lines = text.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        let bare = line.trim_start();
        if bare.starts_with("//") {
            continue;
        }
        if bare != "#[cfg(test)]" {
            kept.push((number + 1, line.split(" // ").next().unwrap_or(line)));
            continue;
        }
        // The item under the attribute: up to `;` on its first line, or to the closing brace at its own indentation (the sources are
        // formatted).
        let indent = &line[..line.len() - bare.len()];
        let end = [format!("{indent}}}"), format!("{indent}}};")];
        for (_, line) in lines.by_ref() {
            let bare = line.trim();
            if let Some(name) = bare.strip_prefix("mod ").and_then(|rest| rest.strip_suffix(';')) {
                test_modules.push(name);
            }
            let one_line = bare.ends_with(';') || bare.ends_with('}');
            let own = line.starts_with(indent) && !line[indent.len()..].starts_with([' ', '#']);
            if own && one_line || end.iter().any(|end| end == line) {
                break;
            }
        }
    }
    (kept, test_modules)
}

/// The product's lines of a crate: file, line number, line.
fn crate_lines(folder: &str) -> Vec<(String, usize, String)> {
    let files = sources(folder);
    let mut of_tests: BTreeSet<PathBuf> = BTreeSet::new();
    let mut all = Vec::new();
    for path in &files {
        let text = std::fs::read_to_string(path).unwrap();
        let (lines, modules) = product_lines(&text);
        let stem = path.file_stem().unwrap();
        let beside = path.parent().unwrap();
        let owner = if stem == "mod" || stem == "lib" || stem == "main" {
            beside.to_owned()
        } else {
            beside.join(stem)
        };
        for module in modules {
            of_tests.insert(owner.join(format!("{module}.rs")));
            of_tests.insert(owner.join(module));
        }
        all.extend(lines.into_iter().map(|(number, line)| (path, number, line.to_owned())));
    }
    all.into_iter()
        .filter(|(path, ..)| !path.ancestors().any(|path| of_tests.contains(path)))
        .map(|(path, number, line)| {
            let path = path.strip_prefix(root()).unwrap();
            (path.to_string_lossy().into_owned(), number, line)
        })
        .collect()
}

#[test]
fn code_of_tests_is_told_from_the_product() {
    let text = "\
use a;
// println!
#[cfg(test)]
mod samples;
#[cfg(test)]
use b;
fn c() {} // println!
impl D {
    #[cfg(test)]
    fn e() {
        println!();
    }
    fn f() {}
}
#[cfg(test)]
#[expect(x, reason = \"y\")]
mod tests {
    fn g() {
        println!();
    }
}
fn h() {}
";
    let (lines, modules) = product_lines(text);
    let lines: Vec<&str> = lines.into_iter().map(|(_, line)| line).collect();
    assert_eq!(lines, ["use a;", "fn c() {}", "impl D {", "    fn f() {}", "}", "fn h() {}"]);
    assert_eq!(modules, ["samples"]);
}

/// Law 1: input and output, clocks, the environment, threads and async are the business of others.
#[test]
fn the_inner_crates_do_no_io_and_know_no_clock() {
    const FORBIDDEN: &[&str] = &[
        "std::fs",
        "std::env",
        "std::process",
        "std::thread",
        "std::os",
        "std::time",
        "std::net::Tcp",
        "std::net::Udp",
        "net::ToSocketAddrs",
        "SystemTime::",
        "Instant::now",
        "Timestamp::now",
        "Zoned::now",
        "TimeZone::system",
        "io::stdin",
        "io::stdout",
        "io::stderr",
        "println!",
        "print!",
        "eprintln!",
        "eprint!",
        "dbg!",
        "tokio",
        "async fn",
        "env!(",
        "fs::",
        "rand::",
        "RandomState::new",
        "RandomState::default",
        "ThreadRng",
    ];
    let mut found = Vec::new();
    for folder in ["sigma/src", "engine/src", "parsers/src"] {
        for (path, number, line) in crate_lines(folder) {
            let names = |forbidden: &&&str| line.contains(**forbidden);
            if let Some(forbidden) = FORBIDDEN.iter().find(names) {
                found.push(format!("{path}:{number}: `{forbidden}` in `{}`", line.trim()));
            }
        }
    }
    // There is no list of exceptions, and none is wanted.
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// The names under `[dependencies]` of a crate's manifest.
fn dependencies(folder: &str) -> BTreeSet<String> {
    let text = std::fs::read_to_string(root().join(folder).join("Cargo.toml")).unwrap();
    let (_, rest) = text.split_once("\n[dependencies]\n").expect("a crate with dependencies");
    rest.lines()
        .take_while(|line| !line.starts_with('['))
        .filter_map(|line| line.split(['.', ' ', '=']).next())
        .filter(|name| !name.is_empty() && !name.starts_with('#'))
        .map(str::to_owned)
        .collect()
}

/// `sigma ← engine ← parsers ← stream ← root`, and none of the inner ones brings a runtime or a terminal.
#[test]
fn imports_run_one_way() {
    let own = |folder: &str| -> Vec<String> {
        dependencies(folder).into_iter().filter(|name| name.starts_with("sigmund")).collect()
    };
    assert_eq!(own("sigma"), [""; 0]);
    assert_eq!(own("engine"), ["sigmund-sigma"]);
    assert_eq!(own("parsers"), ["sigmund-engine", "sigmund-sigma"]);
    assert_eq!(own("stream"), ["sigmund-engine", "sigmund-parsers", "sigmund-sigma"]);
    assert_eq!(own("."), ["sigmund-engine", "sigmund-parsers", "sigmund-sigma", "sigmund-stream"]);
    for folder in ["sigma", "engine", "parsers"] {
        for foreign in [
            "tokio",
            "clap",
            "anstream",
            "indicatif",
            "tracing",
            "rand",
            "comfy-table",
            "terminal_size",
        ] {
            assert!(!dependencies(folder).contains(foreign), "`{folder}` depends on `{foreign}`");
        }
    }
}

/// Unsafe code is in one file, under one `#[expect]`.
#[test]
fn unsafe_code_is_in_one_place() {
    let mut places = BTreeSet::new();
    for folder in ["sigma", "engine", "parsers", "stream", "cli", "bench", "tests"] {
        for path in sources(folder) {
            let text = std::fs::read_to_string(&path).unwrap();
            for line in text.lines().map(str::trim_start).filter(|line| !line.starts_with("//")) {
                let code = ["unsafe {", "unsafe fn", "unsafe impl", "unsafe extern"];
                // Not the texts of this test.
                if code
                    .iter()
                    .any(|code| line.contains(code) && !line.contains(&format!("\"{code}")))
                {
                    places
                        .insert(path.strip_prefix(root()).unwrap().to_string_lossy().into_owned());
                }
            }
        }
    }
    assert_eq!(places.into_iter().collect::<Vec<_>>(), ["engine/src/vector.rs"]);
}

/// Law 1 on real output: every way of writing detections of all fixtures, byte by byte, on any number of threads.
#[test]
fn the_fixtures_give_the_same_on_any_number_of_threads() {
    for format in ["jsonl", "csv", "ecs"] {
        let hunt = |threads: &str| {
            let output = std::process::Command::new(env!("CARGO_BIN_EXE_sigmund"))
                .current_dir(root())
                .args(["hunt", "fixtures", "-f", format, "-j", threads])
                .output()
                .unwrap();
            String::from_utf8(output.stdout).unwrap()
        };
        let one = hunt("1");
        assert!(one.lines().count() >= 20, "{format}: only {} lines", one.lines().count());
        for threads in ["2", "4"] {
            assert!(one == hunt(threads), "{format}: {threads} threads differ");
        }
    }
}
