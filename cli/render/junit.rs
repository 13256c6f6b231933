//! JUnit XML: a test case for each file with findings.

use super::Finding;
use crate::printer::visible;
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};
use sigmund_sigma::Severity;
use std::io::{self, Write};

pub(super) fn write(out: &mut dyn Write, findings: &[Finding<'_>]) -> io::Result<()> {
    let mut report = Report::new("sigmund check");
    let mut suite = TestSuite::new("rules");
    for finding in findings {
        let diagnostic = finding.diagnostic;
        let kind = match diagnostic.severity {
            Severity::Error => NonSuccessKind::Error,
            Severity::Warning | Severity::Note => NonSuccessKind::Failure,
        };
        let position = finding.position();
        let mut status = TestCaseStatus::non_success(kind);
        status.set_type(diagnostic.code);
        status.set_message(visible(&diagnostic.message, false));
        let mut text = format!("line {}, column {}", position.line, position.column);
        for more in diagnostic.notes.iter().chain(&diagnostic.help) {
            text.push('\n');
            text.push_str(&visible(more, true));
        }
        status.set_description(text);
        let name = format!("{} {}:{}", diagnostic.code, position.line, position.column);
        let mut case = TestCase::new(name, status);
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
