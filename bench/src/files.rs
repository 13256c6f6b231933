//! Rules and logs of folders, in name order.

use sigmund_engine::RuleSet;
use sigmund_parsers::FORMATS;
use sigmund_sigma::{Loader, Source};
use std::io;
use std::path::{Path, PathBuf};

/// The file itself, or all files below a directory.
pub fn files(path: &Path, found: &mut Vec<PathBuf>) -> io::Result<()> {
    if !path.is_dir() {
        found.push(path.to_owned());
        return Ok(());
    }
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(path)? {
        paths.push(entry?.path());
    }
    paths.sort();
    paths.iter().try_for_each(|path| files(path, found))
}

/// The rule files in these places, tests of rules left out.
pub fn rule_sources(places: &[PathBuf]) -> io::Result<Vec<Source>> {
    let mut paths = Vec::new();
    for place in places {
        files(place, &mut paths)?;
    }
    let mut sources = Vec::new();
    for path in paths {
        let name = path.to_string_lossy();
        if name.ends_with(".yml") && !name.ends_with(".test.yml") {
            let text = String::from_utf8_lossy(&std::fs::read(&path)?).into();
            sources.push(Source { name: name.into(), text });
        }
    }
    Ok(sources)
}

/// Compiles what loads, with the fields that the parsers ask for, as the command line does.
#[must_use]
pub fn compile(sources: &[Source]) -> RuleSet {
    let rules = Loader::default().load(sources).rules;
    let aliases: Vec<_> = FORMATS.iter().flat_map(|format| format.aliases()).collect();
    let routed: Vec<&str> = sigmund_parsers::json::schema::discriminators().collect();
    RuleSet::compile(rules, &aliases, &routed, &[]).0
}

/// The shared reference material beside the repository (`../shared`, or where `SIGMUND_SHARED` says), if it is there.
#[must_use]
pub fn shared() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared");
    let path = std::env::var_os("SIGMUND_SHARED").map_or_else(beside, PathBuf::from);
    path.is_dir().then_some(path)
}
