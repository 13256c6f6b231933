//! Logs: files, directories, globs and stdin, in a stable order.

use crate::plan::report_again;
use crate::printer::Printer;
use anyhow::bail;
use globset::{Glob, GlobBuilder};
use sigmund_stream::file_identity::{FileIdentity, Reached};
use sigmund_stream::rule_files::partitioned_entries;
use std::fs::{File, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// How deep directories are followed.
const MAX_DEPTH: usize = 64;

/// One log to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    /// Standard input.
    Stdin,
    /// A file with its size, or 0 for what has none (a pipe).
    File(PathBuf, u64),
}

impl Input {
    /// How detections name it.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Stdin => "<stdin>".to_owned(),
            Self::File(path, _) => path.to_string_lossy().into_owned(),
        }
    }
}

/// A log that was opened.
pub(crate) struct Opened {
    pub(crate) content: Content,
    /// How detections name it.
    pub(crate) name: String,
    /// When the file was changed last, now for stdin; nanoseconds UTC.
    pub(crate) modified: i64,
}

/// Where the bytes of a log come from.
pub(crate) enum Content {
    File(File),
    Pipe(io::Stdin),
    Memory(io::Cursor<Vec<u8>>),
}

impl Opened {
    /// A log that is in memory.
    pub(crate) fn memory(bytes: Vec<u8>) -> Self {
        let content = Content::Memory(io::Cursor::new(bytes));
        Self { content, name: String::new(), modified: 0 }
    }
}

impl Input {
    /// Opens it.
    pub(crate) fn open(&self) -> io::Result<Opened> {
        let (content, modified) = match self {
            Self::Stdin => (Content::Pipe(io::stdin()), SystemTime::now()),
            Self::File(path, _) => {
                let file = File::open(path)?;
                let metadata = file.metadata()?;
                (Content::File(file), metadata.modified().unwrap_or(UNIX_EPOCH))
            }
        };
        let nanos = modified.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
        let modified = i64::try_from(nanos).unwrap_or(i64::MAX);
        Ok(Opened { content, name: self.name(), modified })
    }
}

/// What the arguments name.
#[derive(Debug, Default)]
pub(crate) struct Inputs {
    /// In the order of the arguments, directories in name order.
    pub(crate) logs: Vec<Input>,
    /// What cannot be read, with the reason.
    pub(crate) unreadable: Vec<(PathBuf, String)>,
    /// Hidden files and folders that were left out of directories.
    pub(crate) hidden: usize,
    /// Paths that lead to what is read already.
    pub(crate) again: Vec<PathBuf>,
    /// Files in folders that are written to.
    pub(crate) written: Vec<PathBuf>,
    reached: Reached,
}

impl Inputs {
    /// Says what was left out and why. Whether there are logs and all can be read, as far as is known before.
    pub(crate) fn report(&self, printer: &Printer) -> bool {
        for (path, reason) in &self.unreadable {
            printer.error(&format!("cannot read `{}`: {reason}", path.display()));
        }
        if self.hidden > 0 {
            let count = self.hidden;
            printer
                .say(&format!("hidden files and folders left out: {count}; name those to be read"));
        }
        for path in &self.written {
            printer.say(&format!("`{}` is left out: it is written to", path.display()));
        }
        report_again(&self.again, "logs", printer);
        if self.logs.is_empty() && self.unreadable.is_empty() {
            printer.error("there are no logs in what was named");
        }
        self.unreadable.is_empty() && !self.logs.is_empty()
    }

    /// Finds the logs. One to which several paths lead is read once: events that come twice would count twice.
    pub(crate) fn find(paths: &[PathBuf]) -> Self {
        let mut inputs = Self::default();
        for path in paths {
            if path.as_os_str() == "-" {
                if !inputs.logs.contains(&Input::Stdin) {
                    inputs.logs.push(Input::Stdin);
                }
                continue;
            }
            match std::fs::metadata(path) {
                Ok(metadata) if metadata.is_dir() => {
                    if inputs.reached.is_new(path, &metadata) {
                        inputs.directory(path, &mut Vec::new(), None);
                    } else {
                        inputs.again.push(path.clone());
                    }
                }
                Ok(metadata) => inputs.file(path.clone(), &metadata),
                Err(error) => match glob(path) {
                    Some((base, glob)) => {
                        let before = inputs.logs.len() + inputs.again.len();
                        let matcher = glob.compile_matcher();
                        let wanted = |path: &Path| {
                            matcher.is_match(path.strip_prefix("./").unwrap_or(path))
                                || matcher.is_match(path)
                        };
                        let mut trail = FileIdentity::at(&base).into_iter().collect();
                        inputs.directory(&base, &mut trail, Some(&wanted));
                        if inputs.logs.len() + inputs.again.len() == before {
                            let reason = "no file matches".to_owned();
                            inputs.unreadable.push((path.clone(), reason));
                        }
                    }
                    None => inputs.unreadable.push((path.clone(), error.to_string())),
                },
            }
        }
        inputs
    }

    /// Leaves what is written to out of folders.
    ///
    /// # Errors
    /// If one of the paths that were named is written to: it would be empty before it is read.
    pub(crate) fn leave_out(
        &mut self,
        named: &[PathBuf],
        written: &[FileIdentity],
    ) -> anyhow::Result<()> {
        if written.is_empty() {
            return Ok(());
        }
        let is_written = |path: &Path| {
            FileIdentity::at(path).is_some_and(|identity| written.contains(&identity))
        };
        if let Some(path) = named.iter().find(|path| is_written(path)) {
            bail!("`{}` is read and cannot be written to; name another output", path.display());
        }
        let logs = std::mem::take(&mut self.logs);
        for log in logs {
            match log {
                Input::File(path, _) if is_written(&path) => self.written.push(path),
                log => self.logs.push(log),
            }
        }
        Ok(())
    }

    fn file(&mut self, path: PathBuf, metadata: &Metadata) {
        if self.reached.is_new(&path, metadata) {
            self.logs.push(Input::File(path, metadata.len()));
        } else {
            self.again.push(path);
        }
    }

    /// The files of a directory, all or those that are wanted. Where some are wanted only, the same
    /// directory may be reached again by a path that fits better, so that just the directories above,
    /// `trail`, are not entered again.
    fn directory(
        &mut self,
        directory: &Path,
        trail: &mut Vec<FileIdentity>,
        wanted: Option<&dyn Fn(&Path) -> bool>,
    ) {
        let (entries, hidden) = match partitioned_entries(directory) {
            Ok(entries) => entries,
            Err(error) => return self.unreadable.push((directory.to_owned(), error.to_string())),
        };
        self.hidden += hidden;
        for path in entries {
            match std::fs::metadata(&path) {
                Ok(metadata) if metadata.is_dir() => {
                    let identity = FileIdentity::of(&path, &metadata);
                    let is_new = match wanted {
                        None => self.reached.is_new(&path, &metadata),
                        Some(_) => identity.as_ref().is_none_or(|known| !trail.contains(known)),
                    };
                    if !is_new {
                        self.again.push(path);
                    } else if trail.len() < MAX_DEPTH {
                        let depth = trail.len();
                        trail.extend(identity);
                        self.directory(&path, trail, wanted);
                        trail.truncate(depth);
                    } else {
                        let reason = "directories are nested too deep".to_owned();
                        self.unreadable.push((path, reason));
                    }
                }
                Ok(metadata) if wanted.is_none_or(|wanted| wanted(&path)) => {
                    // A pipe or socket in a directory would block the hunt.
                    if metadata.is_file() {
                        self.file(path, &metadata);
                    } else {
                        self.unreadable.push((path, "not a regular file".to_owned()));
                    }
                }
                Ok(_) => {}
                Err(error) => self.unreadable.push((path, error.to_string())),
            }
        }
    }
}

/// A path with glob characters: the directory to search, and the pattern.
fn glob(path: &Path) -> Option<(PathBuf, Glob)> {
    let text = path.to_str()?;
    let first = text.find(['*', '?', '[', '{'])?;
    let base = match text[..first].rfind('/') {
        Some(0) => "/",
        Some(end) => &text[..end],
        None => ".",
    };
    let glob = GlobBuilder::new(text).literal_separator(true).build().ok()?;
    Some((PathBuf::from(base), glob))
}

#[cfg(test)]
mod tests {
    use super::{Input, Inputs};
    use std::path::PathBuf;

    #[test]
    fn directories_and_globs_come_in_name_order() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path();
        for name in ["b.log", "a.log", "sub/c.log", "sub/d.txt", ".hidden"] {
            let path = root.join(name);
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
            std::fs::write(path, "x").expect("a file");
        }
        let names = |paths: &[PathBuf]| -> Vec<String> {
            let found = Inputs::find(paths);
            found
                .logs
                .iter()
                .map(|input| input.name().replace(&format!("{}/", root.display()), ""))
                .chain(found.unreadable.iter().map(|(_, reason)| reason.clone()))
                .collect()
        };
        assert_eq!(names(&[root.to_owned()]), ["a.log", "b.log", "sub/c.log", "sub/d.txt"]);
        assert_eq!(names(&[root.join("*.log")]), ["a.log", "b.log"]);
        assert_eq!(names(&[root.join("**/*.log")]), ["a.log", "b.log", "sub/c.log"]);
        assert_eq!(names(&[root.join("*.none")]), ["no file matches"]);
        assert_eq!(names(&[root.join("missing")]).len(), 1);
        assert_eq!(Inputs::find(&["-".into()]).logs, [Input::Stdin]);
    }

    #[cfg(unix)]
    #[test]
    fn what_several_paths_lead_to_is_read_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path();
        std::fs::create_dir(root.join("sub")).expect("a folder");
        std::fs::write(root.join("sub/a.log"), "x").expect("a file");
        for link in ["sub/self", "sub/loop"] {
            std::os::unix::fs::symlink(root, root.join(link)).expect("a link");
        }
        std::fs::hard_link(root.join("sub/a.log"), root.join("b.log")).expect("a link");
        let counts = |paths: &[PathBuf]| {
            let found = Inputs::find(paths);
            assert_eq!(found.unreadable, []);
            (found.logs.len(), found.again.len())
        };
        let file = root.join("b.log");
        assert_eq!(counts(&[root.to_owned()]), (1, 3));
        assert_eq!(counts(&[root.to_owned(), root.join("sub/..")]), (1, 4));
        assert_eq!(counts(&[file, root.join("sub/../b.log"), root.join("*.log")]), (1, 4));
        assert_eq!(counts(&[root.join("**/*.log")]), (1, 3));
    }
}
