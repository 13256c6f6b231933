//! Rule texts from files and directories.

use sigmund_sigma::Source;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How deep directories are followed; deeper is a loop of links.
const MAX_DEPTH: usize = 64;

/// Texts that may hold rules, and what was left out.
#[derive(Debug, Default)]
pub struct RuleFiles {
    /// In the order given, directories in name order.
    pub texts: Vec<Source>,
    /// YAML files found in directories that hold no rule (mappings, test cases, …).
    pub others: Vec<PathBuf>,
    /// Paths that could not be read, with the reason.
    pub unreadable: Vec<(PathBuf, String)>,
}

impl RuleFiles {
    /// Reads paths, in their order.
    #[must_use]
    pub fn read<'p>(paths: impl IntoIterator<Item = &'p Path>) -> Self {
        let mut files = Self::default();
        paths.into_iter().for_each(|path| files.add(path));
        files
    }

    /// Reads a path. A file that is named is read whatever it holds; of a directory only YAML files with a rule are.
    pub fn add(&mut self, path: &Path) {
        if path.is_dir() {
            return self.directory(path, 0);
        }
        match std::fs::read(path) {
            Ok(bytes) => self.push(&path.to_string_lossy(), &bytes),
            Err(error) => self.unreadable.push((path.to_owned(), error.to_string())),
        }
    }

    /// Adds a text that was read somewhere.
    pub fn push(&mut self, name: &str, bytes: &[u8]) {
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
///
/// # Errors
/// If the directory cannot be read.
pub fn sorted_entries(directory: &Path) -> std::io::Result<Vec<PathBuf>> {
    Ok(partitioned_entries(directory)?.0)
}

/// The entries of a directory by name, and the number of hidden ones, which are left out.
///
/// # Errors
/// If the directory cannot be read.
pub fn partitioned_entries(directory: &Path) -> std::io::Result<(Vec<PathBuf>, usize)> {
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
#[must_use]
pub fn is_test_file(path: &Path) -> bool {
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
    use super::holds_rule;

    #[test]
    fn rules_are_told_from_other_yaml() {
        assert!(holds_rule(b"title: x\nlogsource:\n  product: windows\ndetection:\n  a: 1\n"));
        assert!(holds_rule(b"\xef\xbb\xbftitle: broken: yaml\n"));
        assert!(holds_rule(b"action: global\n  detection:\n"));
        assert!(!holds_rule(b"id: 1\nregression_tests_info:\n  - name: x\n"));
        assert!(!holds_rule(b"title: THOR\nlogsources:\n  x:\n"));
        assert!(!holds_rule(b"a: 1\n"));
    }
}
