//! SARIF 2.1.0, for code scanning.

use super::Finding;
use serde_json::{Value, json};
use sigmund_sigma::{Severity, lint};
use std::collections::BTreeSet;
use std::io::{self, Write};

pub(super) fn write(out: &mut dyn Write, findings: &[Finding<'_>]) -> io::Result<()> {
    let codes: BTreeSet<&str> = findings.iter().map(|finding| finding.diagnostic.code).collect();
    let rules: Vec<Value> = codes
        .iter()
        .map(|code| {
            let meaning = lint::CODES.iter().find(|(known, _)| known == code);
            let meaning = meaning.map_or(*code, |(_, meaning)| *meaning);
            json!({"id": code, "shortDescription": {"text": meaning}})
        })
        .collect();
    let results: Vec<Value> = findings.iter().map(result).collect();
    let report = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "sigmund",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            }},
            // Columns count characters, as elsewhere.
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    });
    serde_json::to_writer_pretty(&mut *out, &report)?;
    writeln!(out)
}

fn result(finding: &Finding<'_>) -> Value {
    let diagnostic = finding.diagnostic;
    let level = match diagnostic.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    };
    let (start, end) = (finding.position(), finding.end());
    let mut text = diagnostic.message.clone();
    for more in diagnostic.notes.iter().chain(&diagnostic.help) {
        text.push('\n');
        text.push_str(more);
    }
    json!({
        "ruleId": diagnostic.code,
        "level": level,
        "message": {"text": text},
        "locations": [{"physicalLocation": {
            "artifactLocation": {"uri": diagnostic.source.replace('\\', "/").replace(' ', "%20")},
            "region": {
                "startLine": start.line,
                "startColumn": start.column,
                "endLine": end.line,
                "endColumn": end.column,
            },
        }}],
    })
}
