//! JUnit XML: a test case for each file with findings.

use super::Finding;
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};
use sigmund_sigma::Severity;
use sigmund_stream::words::visible;
use std::io::{self, Write};

pub(super) fn write(out: &mut dyn Write, findings: &[Finding<'_>]) -> io::Result<()> {
    let mut report = Report::new("sigmund check");
    let mut suite = TestSuite::new("rules");
    for finding in findings {
        let diagnostic = finding.diagnostic;
        let position = finding.position();
        let message = visible(&diagnostic.message, false);
        let mut status = match diagnostic.severity {
            Severity::Error => TestCaseStatus::non_success(NonSuccessKind::Error),
            Severity::Warning => TestCaseStatus::non_success(NonSuccessKind::Failure),
            Severity::Note => TestCaseStatus::success(),
        };
        let mut text = format!("line {}, column {}", position.line, position.column);
        for more in diagnostic.notes.iter().chain(&diagnostic.help) {
            text.push('\n');
            text.push_str(&visible(more, true));
        }
        let name = format!("{} {}:{}", diagnostic.code, position.line, position.column);
        let is_note = diagnostic.severity == Severity::Note;
        if !is_note {
            status.set_type(diagnostic.code);
            status.set_message(&*message);
            status.set_description(&*text);
        }
        let mut case = TestCase::new(name, status);
        // A note is a remark, no failure: it must not turn a build red.
        if is_note {
            case.set_system_out(format!("{message}\n{text}"));
        }
        case.set_classname(visible(&diagnostic.source, false));
        suite.add_test_case(case);
    }
    if findings.is_empty() {
        suite.add_test_case(TestCase::new("no findings", TestCaseStatus::success()));
    }
    report.add_test_suite(suite);
    report.serialize(&mut *out).map_err(io::Error::other)?;
    writeln!(out)
}
