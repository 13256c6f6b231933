//! What does not fit in memory: temporary files without a name, which go away with the process.

use std::fs::File;
use std::io;

/// A new file. `purpose` begins the message if there is no room for it.
pub(crate) fn file(purpose: &str) -> io::Result<File> {
    tempfile::tempfile().map_err(|error| failed(purpose, &error))
}

/// The error of a temporary file, with what it was for and what to do.
pub(crate) fn failed(purpose: &str, error: &io::Error) -> io::Error {
    let folder = std::env::temp_dir();
    let message = format!(
        "{purpose} in `{}` failed: {error}; set `TMPDIR` to a folder with room",
        folder.display()
    );
    io::Error::new(error.kind(), message)
}
