//! The shared rule corpus and conformance cases, which live outside of this repository.

use sigmund_sigma::Source;
use std::io::Write;
use std::path::{Path, PathBuf};

/// The active SigmaHQ rules, folder by folder.
pub(crate) const ACTIVE: [&str; 3] = ["rules", "rules-emerging-threats", "rules-threat-hunting"];

/// A place in `../shared` of the repository, or in what `SIGMUND_SHARED` names; `None` (said loudly) if it is not there.
pub(crate) fn shared(place: &str) -> Option<PathBuf> {
    let path = std::env::var_os("SIGMUND_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared"), PathBuf::from)
        .join(place);
    if path.is_dir() {
        return Some(path);
    }
    // Written directly: what goes through `eprintln!` is kept back while tests pass.
    let _ = writeln!(std::io::stderr(), "SKIPPED: {} does not exist", path.display());
    None
}

/// All rule files below these folders of the corpus.
pub(crate) fn corpus(folders: &[&str]) -> Option<Vec<Source>> {
    let root = shared("corpus/sigmahq")?;
    let mut sources = Vec::new();
    folders.iter().for_each(|folder| rule_files(&root.join(folder), &mut sources));
    Some(sources)
}

/// All rule files below a folder, in name order.
pub(crate) fn rule_files(directory: &Path, sources: &mut Vec<Source>) {
    let mut entries: Vec<PathBuf> = std::fs::read_dir(directory)
        .expect("directory")
        .map(|e| e.expect("entry").path())
        .collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            rule_files(&path, sources);
        } else if path
            .extension()
            .is_some_and(|extension| extension == "yml" || extension == "yaml")
        {
            let text = std::fs::read_to_string(&path).expect("text");
            sources.push(Source { name: path.to_string_lossy().into(), text: text.into() });
        }
    }
}

/// All rule files of Confluent Sigma.
pub(crate) fn confluent() -> Option<Vec<Source>> {
    let root = shared("corpus/confluent-sigma/rules")?;
    let mut sources = Vec::new();
    rule_files(&root, &mut sources);
    Some(sources)
}
