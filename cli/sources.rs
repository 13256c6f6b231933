//! Rule texts: from files, directories, stdin, or the starter pack that the binary carries.

use sigmund_sigma::Source;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The files of `rules/`: path and text.
pub(crate) static STARTER_PACK: &[(&str, &str)] =
    include!(concat!(env!("OUT_DIR"), "/starter_pack.rs"));

/// How deep directories are followed; deeper is a loop of links.
const MAX_DEPTH: usize = 64;

/// Texts that may hold rules, and what was left out.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    /// In the order given, directories in name order.
    pub(crate) texts: Vec<Source>,
    /// YAML files found in directories that hold no rule (mappings, test cases, …).
    pub(crate) others: Vec<PathBuf>,
    /// Paths that could not be read, with the reason.
    pub(crate) unreadable: Vec<(PathBuf, String)>,
}

impl Sources {
    /// The starter pack.
    pub(crate) fn starter_pack() -> Self {
        let texts = STARTER_PACK
            .iter()
            .map(|(name, text)| Source { name: Arc::from(*name), text: Arc::from(*text) })
            .collect();
        Self { texts, ..Self::default() }
    }

    /// Reads the paths. A file that is named is read whatever it holds; of a directory only YAML files
    /// with a rule are.
    pub(crate) fn read(paths: &[PathBuf]) -> Self {
        let mut sources = Self::default();
        for path in paths {
            if path.as_os_str() == "-" {
                let mut bytes = Vec::new();
                match std::io::stdin().lock().read_to_end(&mut bytes) {
                    Ok(_) => sources.push("<stdin>", &bytes),
                    Err(error) => sources.unreadable.push((path.clone(), error.to_string())),
                }
            } else if path.is_dir() {
                sources.directory(path, 0);
            } else {
                match std::fs::read(path) {
                    Ok(bytes) => sources.push(&path.to_string_lossy(), &bytes),
                    Err(error) => sources.unreadable.push((path.clone(), error.to_string())),
                }
            }
        }
        sources
    }

    fn push(&mut self, name: &str, bytes: &[u8]) {
        let text = String::from_utf8_lossy(bytes);
        self.texts.push(Source { name: Arc::from(name), text: Arc::from(text) });
    }

    fn directory(&mut self, directory: &Path, depth: usize) {
        let entries = match sorted_entries(directory) {
            Ok(entries) => entries,
            Err(error) => return self.unreadable.push((directory.to_owned(), error.to_string())),
        };
        for path in entries {
            if path.is_dir() {
                if depth < MAX_DEPTH {
                    self.directory(&path, depth + 1);
                } else {
                    self.unreadable.push((path, "directories are nested too deep".to_owned()));
                }
            } else if is_rule_file(&path) {
                match std::fs::read(&path) {
                    Ok(bytes) if holds_rule(&bytes) => {
                        self.push(&path.to_string_lossy(), &bytes);
                    }
                    Ok(_) => self.others.push(path),
                    Err(error) => self.unreadable.push((path, error.to_string())),
                }
            }
        }
    }
}

/// The entries of a directory by name, hidden ones left out.
pub(crate) fn sorted_entries(directory: &Path) -> std::io::Result<Vec<PathBuf>> {
    Ok(partitioned_entries(directory)?.0)
}

/// The entries of a directory by name, and the number of hidden ones, which are left out.
pub(crate) fn partitioned_entries(directory: &Path) -> std::io::Result<(Vec<PathBuf>, usize)> {
    let mut entries = Vec::new();
    let mut hidden = 0;
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with('.') {
            hidden += 1;
        } else {
            entries.push(entry.path());
        }
    }
    entries.sort();
    Ok((entries, hidden))
}

/// Whether the name is that of a YAML file that is not a test of ours.
fn is_rule_file(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let yaml = name.ends_with(".yml") || name.ends_with(".yaml");
    yaml && !is_test_file(path)
}

/// Whether the name is that of a test beside rules.
pub(crate) fn is_test_file(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.ends_with(".test.yml") || name.ends_with(".test.yaml")
}

/// Whether a line of the text begins with a key that only Sigma documents have. Broken rules
/// must pass, so nothing is parsed; what has none of the keys is another kind of YAML.
fn holds_rule(bytes: &[u8]) -> bool {
    const KEYS: [&[u8]; 5] = [b"detection", b"correlation", b"filter", b"logsource", b"title"];
    const OTHERS: [&[u8]; 4] =
        [b"logsources:", b"transformations:", b"regression_tests_info:", b"tests:"];
    let mut found = false;
    for line in bytes.split(|&byte| byte == b'\n') {
        let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
        if OTHERS.iter().any(|key| line.starts_with(key)) {
            return false;
        }
        // The usual rule needs no look at the rest.
        if line.starts_with(b"detection:") {
            return true;
        }
        let line = line.trim_ascii_start();
        let line = line.strip_prefix(b"\"").or(line.strip_prefix(b"'")).unwrap_or(line);
        found |= KEYS.iter().any(|key| {
            line.strip_prefix(*key).is_some_and(|rest| {
                matches!(rest.trim_ascii_start().first(), Some(b':' | b'"' | b'\''))
            })
        });
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{STARTER_PACK, holds_rule};

    #[test]
    fn rules_are_told_from_other_yaml() {
        assert!(holds_rule(b"title: x\nlogsource:\n  product: windows\ndetection:\n  a: 1\n"));
        assert!(holds_rule(b"\xef\xbb\xbftitle: broken: yaml\n"));
        assert!(holds_rule(b"action: global\n  detection:\n"));
        assert!(!holds_rule(b"id: 1\nregression_tests_info:\n  - name: x\n"));
        assert!(!holds_rule(b"title: THOR\nlogsources:\n  x:\n"));
        assert!(!holds_rule(b"a: 1\n"));
    }

    #[test]
    fn the_starter_pack_is_the_rules_folder() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let read = super::Sources::read(&[root.join("rules")]);
        assert_eq!(read.texts.len(), STARTER_PACK.len());
        for (text, (name, packed)) in read.texts.iter().zip(STARTER_PACK) {
            assert!(text.name.ends_with(name), "{} is not {name}", text.name);
            assert_eq!(&*text.text, *packed, "{name}");
        }
    }
}
