//! One line each: `path:line:column: severity[code]: message`.

use super::{Finding, severity_name};
use sigmund_stream::words::visible;
use std::io::{self, Write};

pub(super) fn write(out: &mut dyn Write, findings: &[Finding<'_>]) -> io::Result<()> {
    for finding in findings {
        let diagnostic = finding.diagnostic;
        let position = finding.position();
        write!(
            out,
            "{}:{}:{}: {}[{}]: {}",
            visible(&diagnostic.source, false),
            position.line,
            position.column,
            severity_name(diagnostic.severity),
            diagnostic.code,
            visible(&diagnostic.message, false)
        )?;
        if let Some(help) = &diagnostic.help {
            write!(out, " (help: {})", visible(help, false))?;
        }
        writeln!(out)?;
    }
    Ok(())
}
