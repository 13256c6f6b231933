//! SARIF 2.1.0, for code scanning.

use super::Finding;
use super::checkout::Checkout;
use crate::encode::pretty_json;
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
    let checkout = Checkout::here();
    let results: Vec<Value> = findings.iter().map(|finding| result(finding, &checkout)).collect();
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
    writeln!(out, "{}", pretty_json(&report))
}

/// A path as a relative reference (RFC 3986, section 4.2): what its characters mean elsewhere in a URI they do not mean here.
fn uri(path: &str) -> String {
    let path = path.replace('\\', "/");
    let mut uri = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            uri.push_str(&format!("%{byte:02X}"));
        }
    }
    uri
}

fn result(finding: &Finding<'_>, checkout: &Checkout) -> Value {
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
            "artifactLocation": {"uri": uri(&checkout.path(&diagnostic.source))},
            "region": {
                "startLine": start.line,
                "startColumn": start.column,
                "endLine": end.line,
                "endColumn": end.column,
            },
        }}],
    })
}

#[cfg(test)]
mod tests {
    use super::uri;

    #[test]
    fn paths_are_valid_uris() {
        assert_eq!(uri("rules/a-b_1.yml"), "rules/a-b_1.yml");
        assert_eq!(
            uri("dir, with:odd,%% #1?/\u{9b}\u{1b}é[x].yml"),
            "dir%2C%20with%3Aodd%2C%25%25%20%231%3F/%C2%9B%1B%C3%A9%5Bx%5D.yml"
        );
        assert_eq!(uri("a\\b"), "a/b");
    }
}
