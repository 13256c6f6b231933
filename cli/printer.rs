//! Where words go: data to stdout, everything else to stderr, colour only for terminals.

use crate::args::{ColorChoice, Global};
use anstream::AutoStream;
use sigmund_stream::words::visible;
use std::io::{IsTerminal, Write};

/// Hands out the two streams and prints messages for people.
#[derive(Clone, Debug)]
pub(crate) struct Printer {
    color: ColorChoice,
    quiet: bool,
    verbose: bool,
    progress: bool,
}

impl Printer {
    pub(crate) fn new(global: &Global) -> Self {
        let on_terminal = std::io::stderr().is_terminal();
        let in_ci = std::env::var_os("CI").is_some();
        Self {
            color: global.color,
            quiet: global.quiet,
            verbose: global.verbose,
            progress: on_terminal && !in_ci && !global.quiet && !global.no_progress,
        }
    }

    /// Whether a progress bar may be drawn on stderr.
    pub(crate) fn shows_progress(&self) -> bool {
        self.progress
    }

    /// Whether `-v` was given.
    pub(crate) fn is_verbose(&self) -> bool {
        self.verbose
    }

    /// Whether stdout is read by a person.
    pub(crate) fn stdout_is_terminal(&self) -> bool {
        std::io::stdout().is_terminal()
    }

    /// Whether stdout gets colours.
    pub(crate) fn stdout_has_color(&self) -> bool {
        self.choice(&std::io::stdout()) != anstream::ColorChoice::Never
    }

    /// Columns of the terminal that stdout is; `None` if it is none.
    pub(crate) fn width(&self) -> Option<usize> {
        if !self.stdout_is_terminal() {
            return None;
        }
        let columns = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
        let size = || Some(usize::from(terminal_size::terminal_size()?.0.0));
        let columns: Option<usize> = columns.or_else(size);
        Some(columns.filter(|width| *width > 0).unwrap_or(160))
    }

    fn choice(&self, stream: &impl anstream::stream::RawStream) -> anstream::ColorChoice {
        match self.color {
            ColorChoice::Auto => AutoStream::choice(stream),
            ColorChoice::Always => anstream::ColorChoice::Always,
            ColorChoice::Never => anstream::ColorChoice::Never,
        }
    }

    /// For data. Styles are taken out where colours are not wanted.
    pub(crate) fn stdout(&self) -> AutoStream<std::io::Stdout> {
        let stream = std::io::stdout();
        let choice = self.choice(&stream);
        AutoStream::new(stream, choice)
    }

    /// For messages. Styles are taken out where colours are not wanted.
    pub(crate) fn stderr(&self) -> AutoStream<std::io::Stderr> {
        let stream = std::io::stderr();
        let choice = self.choice(&stream);
        AutoStream::new(stream, choice)
    }

    /// What stopped the command. Shown even when quiet.
    pub(crate) fn error(&self, message: &str) {
        self.line("\u{1b}[1;31merror\u{1b}[0m: ", message);
    }

    /// What went wrong without stopping it.
    pub(crate) fn warn(&self, message: &str) {
        if !self.quiet {
            self.line("\u{1b}[1;33mwarning\u{1b}[0m: ", message);
        }
    }

    /// A closing line or another remark.
    pub(crate) fn say(&self, message: &str) {
        if !self.quiet {
            self.line("", message);
        }
    }

    /// A remark for `-v`.
    pub(crate) fn detail(&self, message: &str) {
        if self.verbose {
            self.line("", message);
        }
    }

    fn line(&self, prefix: &str, message: &str) {
        // A message that cannot be written has nowhere else to go.
        let _ = writeln!(self.stderr(), "{prefix}{}", visible(message, true));
    }
}

/// Whether the reader of our output went away.
pub(crate) fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause
            .downcast_ref::<std::io::Error>()
            .is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
    })
}
