//! Rule texts from files and directories.

use crate::file_identity::Reached;
use sigmund_sigma::Source;
use sigmund_sigma::suggestion::nearest;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How deep directories are followed.
const MAX_DEPTH: usize = 64;

/// Texts that may hold rules, and what was left out.
#[derive(Debug, Default)]
pub struct RuleFiles {
    /// In the order given, directories in name order.
    pub texts: Vec<Source>,
    /// YAML files found in directories that are something else than rules: pipelines, mappings, test cases.
    pub others: Vec<PathBuf>,
    /// YAML files found in directories that hold no rule and nothing else that is known.
    pub unknown: Vec<PathBuf>,
    /// Paths that lead to a file or directory that is read already.
    pub again: Vec<PathBuf>,
    /// Paths that could not be read, with the reason.
    pub unreadable: Vec<(PathBuf, String)>,
    /// Names of texts that must not be written back: the file has other bytes, or another name.
    pub altered: BTreeSet<Arc<str>>,
    reached: Reached,
}

impl RuleFiles {
    /// Texts that are no files.
    #[must_use]
    pub fn of(texts: Vec<Source>) -> Self {
        Self { texts, ..Self::default() }
    }

    /// Reads paths, in their order.
    #[must_use]
    pub fn read<'p>(paths: impl IntoIterator<Item = &'p Path>) -> Self {
        let mut files = Self::default();
        paths.into_iter().for_each(|path| files.add(path));
        files
    }

    /// Reads a path. A file that is named is read whatever it holds; of a directory only YAML files with a rule are.
    /// What is read already is not read again.
    pub fn add(&mut self, path: &Path) {
        let metadata = match std::fs::metadata(path) {
            Ok(metadata) => metadata,
            Err(error) => return self.unreadable.push((path.to_owned(), error.to_string())),
        };
        if !self.reached.is_new(path, &metadata) {
            self.again.push(path.to_owned());
        } else if metadata.is_dir() {
            self.directory(path, 0);
        } else {
            match std::fs::read(path) {
                Ok(bytes) => self.push_file(path, &bytes),
                Err(error) => self.unreadable.push((path.to_owned(), error.to_string())),
            }
        }
    }

    /// Adds a text that was read somewhere.
    pub fn push(&mut self, name: &str, bytes: &[u8]) {
        let name = Arc::from(name);
        let text = String::from_utf8_lossy(bytes);
        if matches!(text, std::borrow::Cow::Owned(_)) {
            self.altered.insert(Arc::clone(&name));
        }
        self.texts.push(Source { name, text: Arc::from(text) });
    }

    fn push_file(&mut self, path: &Path, bytes: &[u8]) {
        let name = path.to_string_lossy();
        if matches!(name, std::borrow::Cow::Owned(_)) {
            self.altered.insert(Arc::from(&*name));
        }
        self.push(&name, bytes);
    }

    fn directory(&mut self, directory: &Path, depth: usize) {
        let entries = match sorted_entries(directory) {
            Ok(entries) => entries,
            Err(error) => return self.unreadable.push((directory.to_owned(), error.to_string())),
        };
        for path in entries {
            let metadata = std::fs::metadata(&path);
            let is_dir = metadata.as_ref().is_ok_and(std::fs::Metadata::is_dir);
            if !is_dir && !is_rule_file(&path) {
                continue;
            }
            let metadata = match metadata {
                Ok(metadata) => metadata,
                Err(error) => {
                    self.unreadable.push((path, error.to_string()));
                    continue;
                }
            };
            if !self.reached.is_new(&path, &metadata) {
                self.again.push(path);
            } else if is_dir && depth < MAX_DEPTH {
                self.directory(&path, depth + 1);
            } else if is_dir {
                self.unreadable.push((path, "directories are nested too deep".to_owned()));
            } else {
                match std::fs::read(&path) {
                    Ok(bytes) => match content(&bytes) {
                        Content::Rule => self.push_file(&path, &bytes),
                        Content::Other => self.others.push(path),
                        Content::Unknown => self.unknown.push(path),
                    },
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
    let extension = path.extension().unwrap_or_default();
    let yaml = extension.eq_ignore_ascii_case("yml") || extension.eq_ignore_ascii_case("yaml");
    yaml && !is_test_file(path)
}

/// Whether the name is that of a test beside rules.
#[must_use]
pub fn is_test_file(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.ends_with(".test.yml") || name.ends_with(".test.yaml")
}

/// What a YAML text seems to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Content {
    Rule,
    /// A pipeline, a mapping, test cases.
    Other,
    Unknown,
}

/// Keys of a pipeline, a mapping, test cases.
const OTHERS: [&str; 4] = ["logsources", "transformations", "regression_tests_info", "tests"];

/// Looks for lines that begin with a key that only Sigma documents have. Broken rules must pass, so
/// nothing is parsed.
fn content(bytes: &[u8]) -> Content {
    const KEYS: [&str; 5] = ["detection", "correlation", "filter", "logsource", "title"];
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    // Whoever reads it as a rule is told that it is no UTF-8.
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        return Content::Rule;
    }
    let (mut found, mut other) = (false, false);
    for line in bytes.split(|byte| matches!(byte, b'\n' | b'\r')) {
        let inner = line.trim_ascii_start();
        if inner.starts_with(b"{") {
            let parts = inner.split(|byte| matches!(byte, b'{' | b','));
            found |= parts.filter_map(key).any(|key| KEYS.contains(&key));
            continue;
        }
        let Some(key) = key(line) else { continue };
        found |= KEYS.contains(&key);
        if inner.len() < line.len() {
            continue;
        }
        // The usual rule needs no look at the rest.
        if key == "detection" || key == "correlation" {
            return Content::Rule;
        }
        other |= OTHERS.contains(&key);
    }
    match () {
        () if is_meant_as_rule(bytes) => Content::Rule,
        () if other => Content::Other,
        () if found => Content::Rule,
        () => Content::Unknown,
    }
}

/// Whether several of a rule's keys are there, however they are spelt.
fn is_meant_as_rule(bytes: &[u8]) -> bool {
    const MEANT: [&str; 4] = ["detection", "correlation", "logsource", "title"];
    let lines = bytes.split(|byte| matches!(byte, b'\n' | b'\r'));
    let outermost = lines.filter(|line| line.trim_ascii_start().len() == line.len());
    let keys = outermost.filter_map(key).filter(|key| !OTHERS.contains(key));
    let mut meant = keys.filter_map(|key| nearest(key, MEANT));
    meant.next().is_some_and(|one| meant.any(|other| other != one))
}

/// The key that the line begins with: `key:`, `'key':`, `"key":`, `? key`.
fn key(line: &[u8]) -> Option<&str> {
    let line = line.trim_ascii();
    let (line, explicit) = match line.strip_prefix(b"? ") {
        Some(rest) => (rest.trim_ascii(), true),
        None => (line, false),
    };
    let line = line.strip_prefix(b"\"").or(line.strip_prefix(b"'")).unwrap_or(line);
    let word = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    let length = line.iter().take_while(|byte| word(byte)).count();
    let (key, rest) = line.split_at(length);
    let rest = rest.strip_prefix(b"\"").or(rest.strip_prefix(b"'")).unwrap_or(rest);
    let ends = match rest.trim_ascii_start().first() {
        Some(byte) => *byte == b':',
        None => explicit,
    };
    if ends && length > 0 { std::str::from_utf8(key).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::{Content, RuleFiles, content};

    #[test]
    fn rules_are_told_from_other_yaml() {
        for rule in [
            &b"title: x\nlogsource:\n  product: windows\ndetection:\n  a: 1\n"[..],
            b"\xef\xbb\xbftitle: broken: yaml\n",
            b"action: global\n  detection:\n",
            b"title: x\ntests:\n  - x\nlogsource: {}\ndetection: {}\n",
            b"title: x\ncorrelation: {}\ntests: [1]\n",
            b"{title: x, logsource: {category: a}, detection: {}}",
            b"{\"title\":\"J\",\"detection\":{}}",
            b"{\n  \"title\": 1\n}\n",
            b"? title\n: QQ\n? detection\n: {}\n",
            b"title: x\rlogsource: {}\rdetection: {}\r",
            b"tilte: X\nlogsorce:\n    category: x\ndetecton:\n    a: 1\n",
            b"\xff\xfet\0i\0t\0l\0e\0:\0",
        ] {
            assert_eq!(content(rule), Content::Rule, "{}", String::from_utf8_lossy(rule));
        }
        for other in [
            &b"id: 1\nrule_metadata:\n  - title: x\nregression_tests_info:\n  - name: x\n"[..],
            b"title: THOR\nlogsources:\n  x:\n",
            b"name: x\ntransformations:\n- type: change_logsource\n",
        ] {
            assert_eq!(content(other), Content::Other, "{}", String::from_utf8_lossy(other));
        }
        assert_eq!(content(b"a: 1\n"), Content::Unknown);
        assert_eq!(content(b"services:\n  web:\n    image: x\n"), Content::Unknown);
    }

    #[cfg(unix)]
    #[test]
    fn loops_of_links_and_files_with_two_names_are_read_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path();
        std::fs::write(root.join("a.yml"), "title: a\n").expect("a file");
        std::fs::write(root.join("caf\u{e9}.yml"), b"title: caf\xe9\n").expect("a file");
        std::fs::hard_link(root.join("a.yml"), root.join("b.yml")).expect("a link");
        for name in ["loop", "self"] {
            std::os::unix::fs::symlink(root, root.join(name)).expect("a link");
        }
        let files = RuleFiles::read([root, &root.join("a.yml")]);
        let names: Vec<&str> =
            files.texts.iter().filter_map(|text| text.name.rsplit('/').next()).collect();
        assert_eq!(names, ["a.yml", "caf\u{e9}.yml"]);
        assert_eq!(files.again.len(), 4);
        assert_eq!(files.unreadable, []);
        assert_eq!(files.altered.len(), 1);
    }
}
