//! A JSON array of objects.

use super::{Finding, severity_name};
use crate::encode::pretty_json;
use serde_json::{Value, json};
use sigmund_sigma::Span;
use std::io::{self, Write};

pub(super) fn write(out: &mut dyn Write, findings: &[Finding<'_>]) -> io::Result<()> {
    let objects: Vec<Value> = findings.iter().map(object).collect();
    writeln!(out, "{}", pretty_json(&Value::Array(objects)))
}

fn object(finding: &Finding<'_>) -> Value {
    let diagnostic = finding.diagnostic;
    let place = |span: Span| {
        let position = finding.position_of(span);
        json!({"line": position.line, "column": position.column, "start": span.start, "end": span.end})
    };
    let labels: Vec<Value> = diagnostic
        .labels
        .iter()
        .map(|label| json!({"location": place(label.span), "message": label.message}))
        .collect();
    let fix = diagnostic.fix.as_ref().map(|fix| {
        let edits: Vec<Value> = fix
            .edits
            .iter()
            .map(|edit| json!({"location": place(edit.span), "replacement": edit.replacement}))
            .collect();
        json!({"message": fix.message, "safe": fix.safe, "edits": edits})
    });
    json!({
        "code": diagnostic.code,
        "severity": severity_name(diagnostic.severity),
        "message": diagnostic.message,
        "path": &*diagnostic.source,
        "location": place(diagnostic.span),
        "labels": labels,
        "notes": diagnostic.notes,
        "help": diagnostic.help,
        "fix": fix,
    })
}
