//! The reference material beside the repository: rules, logs and cases that are not ours to keep here.

use std::io::Write;
use std::path::PathBuf;

/// A place in it, or `None` (said loudly) if it is not there. `SIGMUND_SHARED` names another place than `../shared`.
pub(crate) fn shared(path: &str) -> Option<PathBuf> {
    let root = std::env::var_os("SIGMUND_SHARED").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared")),
        PathBuf::from,
    );
    let full = root.join(path);
    if full.exists() {
        return Some(full);
    }
    // Written directly: what goes through `println!` is kept back while tests pass.
    let text = format!("SKIPPED: {} is absent (set SIGMUND_SHARED to where it is)", full.display());
    let _ = writeln!(std::io::stderr(), "{text}");
    None
}
