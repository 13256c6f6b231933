//! Which paths lead to the same file: links, other spellings, loops of folders.

use ahash::AHashSet;
use std::fs::Metadata;
use std::path::Path;

/// What a file or folder is, whatever its path.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FileIdentity(Identity);

#[cfg(unix)]
type Identity = (u64, u64);
#[cfg(not(unix))]
type Identity = std::path::PathBuf;

impl FileIdentity {
    /// Of a regular file or a folder; pipes and devices have none, since each opening is another.
    #[must_use]
    pub fn of(path: &Path, metadata: &Metadata) -> Option<Self> {
        let kind = metadata.is_file() || metadata.is_dir();
        if kind { identity(path, metadata).map(Self) } else { None }
    }

    /// Of what is at the path, if there is something.
    #[must_use]
    pub fn at(path: &Path) -> Option<Self> {
        Self::of(path, &std::fs::metadata(path).ok()?)
    }
}

#[cfg(unix)]
fn identity(_: &Path, metadata: &Metadata) -> Option<Identity> {
    use std::os::unix::fs::MetadataExt as _;
    Some((metadata.dev(), metadata.ino()))
}

#[cfg(not(unix))]
fn identity(path: &Path, _: &Metadata) -> Option<Identity> {
    path.canonicalize().ok()
}

/// The files and folders that were reached.
#[derive(Clone, Debug, Default)]
pub struct Reached(AHashSet<FileIdentity>);

impl Reached {
    /// Whether it was not reached before, by whatever path.
    pub fn is_new(&mut self, path: &Path, metadata: &Metadata) -> bool {
        FileIdentity::of(path, metadata).is_none_or(|identity| self.0.insert(identity))
    }
}
