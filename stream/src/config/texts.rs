//! The texts of files. A configuration is read anew with each reload of the rules, but what comes from a pipe (`-c <(decrypt sigmund.yaml)`) can be
//! read only once: that is kept.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Larger files are not configurations, nor secrets.
const LIMIT: u64 = 1 << 20;

/// Reads texts. What a clone has read from pipes, all have.
#[derive(Clone, Default)]
pub(super) struct Texts(Arc<Mutex<BTreeMap<PathBuf, String>>>);

impl Texts {
    /// The text of a file as it is now, or of a pipe as it was when it was first read.
    ///
    /// # Errors
    ///
    /// It cannot be read, is too large, or not UTF-8.
    pub(super) fn read(&self, path: &Path) -> Result<String, String> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(text) = kept.get(path) {
            return Ok(text.clone());
        }
        let at = path.display();
        let unreadable = |error| format!("cannot read `{at}`: {error}");
        let mut file = File::open(path).map_err(unreadable)?;
        let metadata = file.metadata().map_err(unreadable)?;
        let mut bytes = Vec::new();
        file.by_ref().take(LIMIT + 1).read_to_end(&mut bytes).map_err(unreadable)?;
        let length = metadata.len().max(bytes.len() as u64);
        if length > LIMIT {
            return Err(match metadata.is_file() {
                true => format!("`{at}` has {length} bytes; the limit is {LIMIT}"),
                false => format!("`{at}` has more than {LIMIT} bytes, which is the limit"),
            });
        }
        let text = String::from_utf8(bytes).map_err(|_| format!("`{at}` is not UTF-8"))?;
        if !metadata.is_file() {
            kept.insert(path.to_owned(), text.clone());
        }
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_anew() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a");
        let texts = Texts::default();
        for text in ["one", "two"] {
            std::fs::write(&path, text).expect("a file");
            assert_eq!(texts.read(&path).as_deref(), Ok(text));
        }
        std::fs::write(&path, vec![b'x'; LIMIT as usize + 1]).expect("a file");
        let error = texts.read(&path).expect_err("too large");
        assert!(error.ends_with("has 1048577 bytes; the limit is 1048576"), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn what_never_ends_is_too_large() {
        let error = Texts::default().read(Path::new("/dev/zero")).expect_err("endless");
        assert_eq!(error, "`/dev/zero` has more than 1048576 bytes, which is the limit");
    }
}
