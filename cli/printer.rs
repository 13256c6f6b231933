//! Where words go: data to stdout, everything else to stderr, colour only for terminals.

use crate::args::{ColorChoice, Global};
use anstream::AutoStream;
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

    /// Whether `-q` was given.
    pub(crate) fn is_quiet(&self) -> bool {
        self.quiet
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

/// The text with control characters escaped, so that a log cannot drive the terminal. Line breaks
/// and tabs stay if `lines`.
pub(crate) fn visible(text: &str, lines: bool) -> std::borrow::Cow<'_, str> {
    let harmless = |c: char| !is_steering(c) || (lines && matches!(c, '\n' | '\t'));
    if text.chars().all(harmless) {
        return text.into();
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if harmless(c) {
            out.push(c);
        } else {
            match c {
                '\n' => out.push_str("\\n"),
                '\t' => out.push_str("\\t"),
                '\r' => out.push_str("\\r"),
                c => out.push_str(&format!("\\u{{{:x}}}", u32::from(c))),
            }
        }
    }
    out.into()
}

/// A paragraph in lines of at most so many characters, broken between words.
pub(crate) fn folded(text: &str, width: usize) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    let mut length = 0;
    for word in text.split(' ') {
        let wanted = word.chars().count();
        if length > 0 && length + 1 + wanted > width {
            out.push('\n');
            length = 0;
        } else if length > 0 {
            out.push(' ');
            length += 1;
        }
        out.push_str(word);
        length += wanted;
    }
    out
}

/// Control characters, and the invisible ones that reorder or hide text.
fn is_steering(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// Whether the reader of our output went away.
pub(crate) fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause
            .downcast_ref::<std::io::Error>()
            .is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
    })
}

/// `1 rule`, `3,752 rules`
pub(crate) fn plural(count: u64, noun: &str) -> String {
    format!("{} {noun}{}", grouped(count), if count == 1 { "" } else { "s" })
}

/// `4,112,903`
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{folded, grouped, visible};

    #[test]
    fn paragraphs_are_broken_between_words() {
        assert_eq!(folded("one two three", 7), "one two\nthree");
        assert_eq!(folded("one two three", 80), "one two three");
        assert_eq!(folded("endlessly long", 4), "endlessly\nlong");
    }

    #[test]
    fn control_characters_are_escaped() {
        assert_eq!(visible("a\u{1b}[31mb\u{7}", false), "a\\u{1b}[31mb\\u{7}");
        assert_eq!(visible("a\nb\tc", false), "a\\nb\\tc");
        assert_eq!(visible("a\nb", true), "a\nb");
        assert_eq!(visible("gnp\u{202e}exe", true), "gnp\\u{202e}exe");
        assert_eq!(visible("schön – 日本", false), "schön – 日本");
    }

    #[test]
    fn numbers_are_grouped() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(4_112_903), "4,112,903");
    }
}
