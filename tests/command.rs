//! Runs the built `sigmund` and shows what it wrote.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The root of the repository.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What a run wrote.
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// The binary.
pub(crate) fn binary() -> &'static str {
    env!("CARGO_BIN_EXE_sigmund")
}

/// Runs `sigmund` in a folder.
pub(crate) fn run_in(folder: &Path, args: &[&str], stdin: &[u8]) -> Ran {
    let mut command = Command::new(binary());
    command.args(args).current_dir(folder);
    // What the surroundings say must not change what is written.
    for name in
        ["CI", "GITHUB_ACTIONS", "GITHUB_WORKSPACE", "COLUMNS", "NO_COLOR", "CLICOLOR_FORCE"]
    {
        command.env_remove(name);
    }
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("SIGMUND_") {
            command.env_remove(name);
        }
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("sigmund starts");
    let mut input = child.stdin.take().expect("a pipe");
    let stdin = stdin.to_vec();
    let writer = std::thread::spawn(move || {
        // It may stop listening.
        let _ = input.write_all(&stdin);
    });
    let output = child.wait_with_output().expect("sigmund ends");
    writer.join().expect("the writer ends");
    Ran {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).expect("output is text"),
        stderr: String::from_utf8(output.stderr).expect("messages are text"),
    }
}

/// Runs `sigmund` in the root of the repository.
pub(crate) fn run(args: &[&str]) -> Ran {
    run_in(root(), args, b"")
}

impl Ran {
    /// All of it for a snapshot, without what differs from run to run.
    pub(crate) fn shown(&self) -> String {
        let code = self.code.map_or("signal".to_owned(), |code| code.to_string());
        let mut text =
            format!("exit code: {code}\n--- stdout\n{}--- stderr\n{}", self.stdout, self.stderr);
        for (pattern, replacement) in
            [(r"\d+\.\d s \([\d,]+ ev/s\)", "[time]"), (r"\d+\.\d\d s to load", "[time] to load")]
        {
            let pattern = regex::Regex::new(pattern).expect("a pattern");
            text = pattern.replace_all(&text, replacement).into_owned();
        }
        text
    }
}

/// A folder with files of a test.
pub(crate) struct Folder(tempfile::TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    /// Writes a file, with the folders above it.
    pub(crate) fn file(self, name: &str, content: impl AsRef<[u8]>) -> Self {
        let path = self.0.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        std::fs::write(path, content).expect("a file");
        self
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        run_in(self.0.path(), args, b"")
    }

    pub(crate) fn run_with(&self, args: &[&str], stdin: &[u8]) -> Ran {
        run_in(self.0.path(), args, stdin)
    }
}
