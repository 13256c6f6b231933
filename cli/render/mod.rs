//! Findings for people and machines: one file for each format, all of the same [`Finding`]s.

pub(crate) mod checkout;
mod concise;
pub(crate) mod explain;
mod full;
mod github;
mod json;
mod junit;
mod sarif;
pub(crate) mod windows;

use crate::args::FindingFormat;
use ahash::AHashMap;
use sigmund_sigma::{Diagnostic, Lines, Position, Severity, Source, Span};
use std::cell::OnceCell;
use std::io::{self, Write};
use std::sync::Arc;

/// A diagnostic with the text it is about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Finding<'a> {
    pub(crate) diagnostic: &'a Diagnostic,
    /// Empty if the text is not at hand.
    pub(crate) text: &'a str,
    lines: &'a OnceCell<Lines>,
}

impl Finding<'_> {
    fn position(&self) -> Position {
        self.position_of(self.diagnostic.span)
    }

    fn end(&self) -> Position {
        let end = self.diagnostic.span.end;
        self.position_of(Span { start: end, end })
    }

    fn position_of(&self, span: Span) -> Position {
        self.lines.get_or_init(|| Lines::new(self.text)).position(self.text, span)
    }
}

/// Texts by name, so that diagnostics find theirs.
#[derive(Debug, Default)]
pub(crate) struct Texts {
    known: AHashMap<Arc<str>, Text>,
    /// For diagnostics whose text is not at hand.
    nothing: Text,
}

#[derive(Debug, Default)]
struct Text {
    text: Arc<str>,
    /// Found when the first place in it is asked for.
    lines: OnceCell<Lines>,
}

impl Texts {
    pub(crate) fn new<'a>(sources: impl IntoIterator<Item = &'a Source>) -> Self {
        let text = |source: &Source| Text { text: Arc::clone(&source.text), ..Text::default() };
        let known = sources.into_iter().map(|source| (Arc::clone(&source.name), text(source)));
        Self { known: known.collect(), nothing: Text::default() }
    }

    /// The diagnostics, each with its text.
    pub(crate) fn findings<'a>(
        &'a self,
        diagnostics: impl IntoIterator<Item = &'a Diagnostic>,
    ) -> Vec<Finding<'a>> {
        diagnostics
            .into_iter()
            .map(|diagnostic| {
                let Text { text, lines } =
                    self.known.get(&diagnostic.source).unwrap_or(&self.nothing);
                Finding { diagnostic, text, lines }
            })
            .collect()
    }
}

/// A diagnostic in one line, with its place in the text that it is about.
pub(crate) fn line(sources: &[Source], diagnostic: &Diagnostic) -> String {
    let texts = Texts::new(sources);
    let mut line = Vec::new();
    // A vector takes everything.
    let _ = concise::write(&mut line, &texts.findings([diagnostic]));
    String::from_utf8_lossy(&line).trim_end().to_owned()
}

/// Writes the findings in one format. `color` concerns the formats for people.
pub(crate) fn write(
    out: &mut dyn Write,
    format: FindingFormat,
    findings: &[Finding<'_>],
    color: bool,
) -> io::Result<()> {
    match format {
        FindingFormat::Full => full::write(out, findings, color),
        FindingFormat::Concise => concise::write(out, findings),
        FindingFormat::Json => json::write(out, findings),
        FindingFormat::Sarif => sarif::write(out, findings),
        FindingFormat::Junit => junit::write(out, findings),
        FindingFormat::Github => github::write(out, findings),
    }
}

/// What a severity is called.
pub(crate) fn severity_name(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    }
}

pub(crate) use github::command as github_command;

#[cfg(test)]
mod tests {
    use super::{Texts, write};
    use crate::args::FindingFormat;
    use sigmund_sigma::diagnostic::{Edit, Fix};
    use sigmund_sigma::{Diagnostic, Source, Span};

    const TEXT: &str =
        "title: x\ndetection:\n    sel:\n        Image|containz: 'a'\n    condition: sel\n";

    fn rendered(format: FindingFormat) -> String {
        let at = TEXT.find("containz").unwrap_or_default();
        let span = Span::new(at, at + 8);
        let mut diagnostic =
            Diagnostic::error("unknown-modifier", span, "unknown modifier `containz`")
                .with_label(Span::new(9, 18), "in this detection")
                .with_note("modifiers are lower case")
                .with_help("write `Image|contains: 'a'`")
                .with_fix(Fix {
                    message: "use `contains`".to_owned(),
                    edits: vec![Edit { span, replacement: "contains".to_owned() }],
                    safe: true,
                });
        diagnostic.source = "rules/x.yml".into();
        let texts = Texts::new(&[Source { name: "rules/x.yml".into(), text: TEXT.into() }]);
        let mut out = Vec::new();
        write(&mut out, format, &texts.findings([&diagnostic]), false).expect("a vector takes all");
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn full() {
        insta::assert_snapshot!(rendered(FindingFormat::Full), @r#"
        error[unknown-modifier]: unknown modifier `containz`
         --> rules/x.yml:4:15
          |
        2 | detection:
          | --------- in this detection
        3 |     sel:
        4 |         Image|containz: 'a'
          |               ^^^^^^^^
          |
          = note: modifiers are lower case
          = help: write `Image|contains: 'a'`
        help: use `contains`
          |
        4 -         Image|containz: 'a'
        4 +         Image|contains: 'a'
          |
        "#);
    }

    #[test]
    fn concise() {
        insta::assert_snapshot!(rendered(FindingFormat::Concise), @r#"rules/x.yml:4:15: error[unknown-modifier]: unknown modifier `containz` (help: write `Image|contains: 'a'`)"#);
    }

    #[test]
    fn json() {
        insta::assert_snapshot!(rendered(FindingFormat::Json), @r#"
        [
          {
            "code": "unknown-modifier",
            "severity": "error",
            "message": "unknown modifier `containz`",
            "path": "rules/x.yml",
            "location": {
              "line": 4,
              "column": 15,
              "start": 43,
              "end": 51
            },
            "labels": [
              {
                "location": {
                  "line": 2,
                  "column": 1,
                  "start": 9,
                  "end": 18
                },
                "message": "in this detection"
              }
            ],
            "notes": [
              "modifiers are lower case"
            ],
            "help": "write `Image|contains: 'a'`",
            "fix": {
              "message": "use `contains`",
              "safe": true,
              "edits": [
                {
                  "location": {
                    "line": 4,
                    "column": 15,
                    "start": 43,
                    "end": 51
                  },
                  "replacement": "contains"
                }
              ]
            }
          }
        ]
        "#);
    }

    #[test]
    fn sarif() {
        insta::assert_snapshot!(rendered(FindingFormat::Sarif), @r#"
        {
          "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
          "version": "2.1.0",
          "runs": [
            {
              "tool": {
                "driver": {
                  "name": "sigmund",
                  "version": "0.1.0",
                  "rules": [
                    {
                      "id": "unknown-modifier",
                      "shortDescription": {
                        "text": "a modifier does not exist"
                      }
                    }
                  ]
                }
              },
              "columnKind": "unicodeCodePoints",
              "results": [
                {
                  "ruleId": "unknown-modifier",
                  "level": "error",
                  "message": {
                    "text": "unknown modifier `containz`\nmodifiers are lower case\nwrite `Image|contains: 'a'`"
                  },
                  "locations": [
                    {
                      "physicalLocation": {
                        "artifactLocation": {
                          "uri": "rules/x.yml"
                        },
                        "region": {
                          "startLine": 4,
                          "startColumn": 15,
                          "endLine": 4,
                          "endColumn": 23
                        }
                      }
                    }
                  ]
                }
              ]
            }
          ]
        }
        "#);
    }

    #[test]
    fn junit() {
        insta::assert_snapshot!(rendered(FindingFormat::Junit), @r#"
        <?xml version="1.0" encoding="UTF-8"?>
        <testsuites name="sigmund check" tests="1" skipped="0" failures="0" errors="1">
            <testsuite name="rules" tests="1" skipped="0" errors="1" failures="0">
                <testcase name="unknown-modifier 4:15" classname="rules/x.yml">
                    <error message="unknown modifier `containz`" type="unknown-modifier">line 4, column 15
        modifiers are lower case
        write `Image|contains: &apos;a&apos;`</error>
                </testcase>
            </testsuite>
        </testsuites>
        "#);
    }

    #[test]
    fn github() {
        insta::assert_snapshot!(rendered(FindingFormat::Github), @r#"::error title=unknown-modifier,file=rules/x.yml,line=4,endLine=4,col=15::unknown modifier `containz`%0Amodifiers are lower case%0Awrite `Image|contains: 'a'`"#);
    }

    #[test]
    fn spans_outside_of_the_text_do_no_harm() {
        for (start, end) in [(0, 0), (5, 900), (900, 1000), (TEXT.len(), TEXT.len())] {
            let mut diagnostic = Diagnostic::note("x", Span::new(start, end), "far");
            diagnostic.source = "a".into();
            for text in ["", "ä", TEXT, "a\r\nb"] {
                let texts = Texts::new(&[Source { name: "a".into(), text: text.into() }]);
                let mut out = Vec::new();
                write(&mut out, FindingFormat::Full, &texts.findings([&diagnostic]), false)
                    .expect("a vector takes all");
                assert!(!out.is_empty());
            }
        }
    }
}
