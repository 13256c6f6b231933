//! Sample logs of others, beside the project: tests over them say loudly that they skip when there are none.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};

/// Written directly: what goes through `eprintln!` is kept back while tests pass.
fn skipped(why: &str) {
    let _ = writeln!(std::io::stderr(), "SKIPPED: {why}");
}

/// `../shared` of the repository, or what `SIGMUND_SHARED` says.
pub(crate) fn shared() -> Option<PathBuf> {
    let root = match std::env::var_os("SIGMUND_SHARED") {
        Some(root) => PathBuf::from(root),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared"),
    };
    if !root.is_dir() {
        skipped(&format!("no sample logs at `{}`; set SIGMUND_SHARED", root.display()));
        return None;
    }
    Some(root)
}

/// A sample's name without `.gz`, and its text, decompressed.
pub(crate) struct Sample {
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
}

/// The samples of a folder in order; empty (and said so) when there are none.
pub(crate) fn samples(folder: &str) -> Vec<Sample> {
    let Some(root) = shared() else { return Vec::new() };
    let folder = root.join("samples").join(folder);
    let mut paths: Vec<PathBuf> = match std::fs::read_dir(&folder) {
        Ok(entries) => entries.flatten().map(|entry| entry.path()).collect(),
        Err(error) => {
            skipped(&format!("cannot read `{}`: {error}", folder.display()));
            return Vec::new();
        }
    };
    paths.sort();
    paths.into_iter().filter_map(|path| read(&path)).collect()
}

fn read(path: &Path) -> Option<Sample> {
    let raw = std::fs::read(path).ok()?;
    let name = path.file_name()?.to_string_lossy().into_owned();
    let Some(plain) = name.strip_suffix(".gz") else { return Some(Sample { name, bytes: raw }) };
    let mut bytes = Vec::new();
    // A damaged tail is part of some samples: what could be read counts.
    let _ = flate2::read::MultiGzDecoder::new(&*raw).read_to_end(&mut bytes);
    Some(Sample { name: plain.to_owned(), bytes })
}
