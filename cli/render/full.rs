//! With the source text, as compilers do it.

use super::Finding;
use annotate_snippets::{AnnotationKind, Group, Level, Patch, Renderer, Snippet};
use sigmund_sigma::{Severity, Span};
use sigmund_stream::words::visible;
use std::borrow::Cow;
use std::io::{self, Write};
use std::ops::Range;

/// More source text than this around one finding is not shown.
const MAX_EXCERPT: usize = 4096;

pub(super) fn write(out: &mut dyn Write, findings: &[Finding<'_>], color: bool) -> io::Result<()> {
    let renderer = if color { Renderer::styled() } else { Renderer::plain() };
    for finding in findings {
        writeln!(out, "{}\n", renderer.render(&groups(finding)))?;
    }
    Ok(())
}

fn groups<'a>(finding: &Finding<'a>) -> Vec<Group<'a>> {
    let diagnostic = finding.diagnostic;
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Note => Level::NOTE,
    };
    let excerpt = Excerpt::around(finding);
    let mut annotations = vec![AnnotationKind::Primary.span(excerpt.within(diagnostic.span))];
    for label in &diagnostic.labels {
        if excerpt.holds(label.span) {
            let span = excerpt.within(label.span);
            annotations
                .push(AnnotationKind::Context.span(span).label(visible(&label.message, false)));
        }
    }
    let snippet = excerpt.snippet(visible(&diagnostic.source, false)).annotations(annotations);
    let mut main = level
        .primary_title(visible(&diagnostic.message, true))
        .id(diagnostic.code)
        .element(snippet);
    for note in &diagnostic.notes {
        main = main.element(Level::NOTE.message(visible(note, true)));
    }
    if let Some(help) = &diagnostic.help {
        main = main.element(Level::HELP.message(visible(help, true)));
    }
    let mut groups = vec![main];
    if let Some(fix) = &diagnostic.fix {
        let mut patches = excerpt.snippet(visible(&diagnostic.source, false));
        let mut any = false;
        for edit in fix.edits.iter().filter(|edit| excerpt.holds(edit.span)) {
            any = true;
            patches =
                patches.patch(Patch::new(excerpt.within(edit.span), harmless(&edit.replacement)));
        }
        if any {
            groups.push(Level::HELP.secondary_title(visible(&fix.message, false)).element(patches));
        }
    }
    groups
}

/// The lines of a text around a finding: rendering must not cost more for a larger file.
struct Excerpt<'a> {
    text: &'a str,
    start: usize,
    line: usize,
}

impl<'a> Excerpt<'a> {
    fn around(finding: &Finding<'a>) -> Self {
        let text = finding.text;
        let diagnostic = finding.diagnostic;
        let main = diagnostic.span;
        let mut first = main.start as usize;
        let mut last = (main.end as usize).min(first + MAX_EXCERPT / 2);
        let others = diagnostic.labels.iter().map(|label| label.span);
        let edits = diagnostic.fix.iter().flat_map(|fix| &fix.edits).map(|edit| edit.span);
        for span in others.chain(edits) {
            let (start, end) = (span.start as usize, span.end as usize);
            if end.max(last).saturating_sub(start.min(first)) <= MAX_EXCERPT {
                first = first.min(start);
                last = last.max(end);
            }
        }
        let first = floor(text, first);
        let last = floor(text, last.max(first));
        let line_start = text[..first].rfind('\n').map_or(0, |at| at + 1);
        let start = floor(text, line_start.max(first.saturating_sub(MAX_EXCERPT)));
        let line_end = text[last..].find('\n').map_or(text.len(), |at| last + at);
        let end = floor(text, line_end.min(last + MAX_EXCERPT));
        let line = finding.position_of(Span::new(start, start)).line;
        Self { text: &text[start..end], start, line }
    }

    fn snippet<T: Clone>(&self, path: Cow<'a, str>) -> Snippet<'a, T> {
        Snippet::source(harmless(self.text)).line_start(self.line).path(path)
    }

    fn holds(&self, span: Span) -> bool {
        span.start as usize >= self.start && span.end as usize <= self.start + self.text.len()
    }

    fn within(&self, span: Span) -> Range<usize> {
        let place = |at: u32| floor(self.text, (at as usize).saturating_sub(self.start));
        let start = place(span.start);
        start..place(span.end).max(start)
    }
}

/// The text without the control characters that the renderer lets through; places stay the same.
fn harmless(text: &str) -> Cow<'_, str> {
    let steers = |c: char| matches!(c, '\u{80}'..='\u{9f}');
    if text.contains(steers) { text.replace(steers, "¿").into() } else { text.into() }
}

/// The last character border that is not after `at`.
fn floor(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}
