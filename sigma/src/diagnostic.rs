//! What is wrong with a rule text, as data. Rendering is elsewhere (the command line, an editor).

use crate::Span;
use std::sync::Arc;

/// How bad it is. An `Error` keeps the rule from loading; the others never do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// A remark, e.g. on style.
    Note,
    /// Probably not what the author meant.
    Warning,
    /// The document is not loaded.
    Error,
}

/// A stable identifier such as `unknown-modifier`, listed in [`crate::lint::CODES`].
pub type Code = &'static str;

/// A second place that matters, with a few words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// Where.
    pub span: Span,
    /// What is there.
    pub message: String,
}

/// One replacement of text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// What is replaced; empty to insert.
    pub span: Span,
    /// What comes in its place.
    pub replacement: String,
}

/// A change that mends the finding. Only fixes that keep the meaning the author
/// certainly had are `safe`; `check --fix` applies those only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fix {
    /// What it does, e.g. "quote the value".
    pub message: String,
    /// Non-overlapping edits.
    pub edits: Vec<Edit>,
    /// Whether it may be applied without a person looking.
    pub safe: bool,
}

/// One finding about one source text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Stable code.
    pub code: Code,
    /// How bad.
    pub severity: Severity,
    /// One line: lower case, literals in backticks, no full stop.
    pub message: String,
    /// Name of the source text (a path), set by the loader.
    pub source: Arc<str>,
    /// Where in the source text.
    pub span: Span,
    /// Other places, e.g. the first of two duplicate keys.
    pub labels: Vec<Label>,
    /// Further facts.
    pub notes: Vec<String>,
    /// What to do, in text that can be pasted.
    pub help: Option<String>,
    /// A machine-applicable change.
    pub fix: Option<Fix>,
}

impl Diagnostic {
    /// A finding without labels, notes, help or fix.
    #[must_use]
    pub fn new(code: Code, severity: Severity, span: Span, message: impl Into<String>) -> Self {
        Self {
            code,
            severity,
            message: message.into(),
            source: Arc::from(""),
            span,
            labels: Vec::new(),
            notes: Vec::new(),
            help: None,
            fix: None,
        }
    }

    /// An error.
    #[must_use]
    pub fn error(code: Code, span: Span, message: impl Into<String>) -> Self {
        Self::new(code, Severity::Error, span, message)
    }

    /// A warning.
    #[must_use]
    pub fn warning(code: Code, span: Span, message: impl Into<String>) -> Self {
        Self::new(code, Severity::Warning, span, message)
    }

    /// A remark.
    #[must_use]
    pub fn note(code: Code, span: Span, message: impl Into<String>) -> Self {
        Self::new(code, Severity::Note, span, message)
    }

    /// Adds the help line.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Adds a further fact.
    #[must_use]
    pub fn with_note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// Adds a second place.
    #[must_use]
    pub fn with_label(mut self, span: Span, message: impl Into<String>) -> Self {
        self.labels.push(Label { span, message: message.into() });
        self
    }

    /// Adds a change that mends it.
    #[must_use]
    pub fn with_fix(mut self, fix: Fix) -> Self {
        self.fix = Some(fix);
        self
    }
}
