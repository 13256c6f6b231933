//! The reference material beside the repository: rules, logs and cases that are not ours to keep here.

use std::io::Write;
use std::path::PathBuf;

/// A place in it, or `None` (said loudly) if it is not there. `SIGMUND_SHARED` names another place than `../shared`.
pub(crate) fn shared(path: &str) -> Option<PathBuf> {
    let full = sigmund_bench::files::shared().map(|root| root.join(path));
    if let Some(full) = full.filter(|full| full.exists()) {
        return Some(full);
    }
    // Written directly: what goes through `println!` is kept back while tests pass.
    let text =
        format!("SKIPPED: ../shared/{path} is absent (set SIGMUND_SHARED to where ../shared is)");
    let _ = writeln!(std::io::stderr(), "{text}");
    None
}
