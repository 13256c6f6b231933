//! Workflow commands of GitHub Actions, which become annotations of a pull request.

use super::Finding;
use super::checkout::Checkout;
use sigmund_sigma::Severity;
use sigmund_stream::words::visible;
use std::io::{self, Write};

pub(super) fn write(out: &mut dyn Write, findings: &[Finding<'_>]) -> io::Result<()> {
    let checkout = Checkout::here();
    for finding in findings {
        let diagnostic = finding.diagnostic;
        let kind = match diagnostic.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "notice",
        };
        let mut text = diagnostic.message.clone();
        for more in diagnostic.notes.iter().chain(&diagnostic.help) {
            text.push('\n');
            text.push_str(more);
        }
        let (start, end) = (finding.position(), finding.end());
        let place = [("line", start.line), ("endLine", end.line), ("col", start.column)];
        let file = checkout.path(&diagnostic.source);
        command(out, kind, &file, &place, diagnostic.code, &text)?;
    }
    Ok(())
}

/// One workflow command. Data and properties are escaped as GitHub's toolkit does it, and control
/// characters as everywhere: logs of a workflow are read in terminals too.
pub(crate) fn command(
    out: &mut dyn Write,
    kind: &str,
    file: &str,
    place: &[(&str, usize)],
    title: &str,
    text: &str,
) -> io::Result<()> {
    let data = |text: &str| visible(text, true).replace('%', "%25").replace('\n', "%0A");
    let property = |text: &str| data(text).replace(':', "%3A").replace(',', "%2C");
    write!(out, "::{kind} title={},file={}", property(title), property(file))?;
    for (key, number) in place {
        write!(out, ",{key}={number}")?;
    }
    writeln!(out, "::{}", data(text))
}
