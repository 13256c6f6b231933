//! `# sigmund: ignore[code]` comments.

use super::explanations;
use crate::suggestion::did_you_mean;
use crate::yaml::Stream;
use crate::{Diagnostic, Lines};

/// What a text asks to leave out.
#[derive(Debug, Default)]
pub(super) struct Suppressions {
    /// For the whole text; an empty code is all of them.
    everywhere: Vec<String>,
    /// (line, code), sorted.
    lines: Vec<(usize, String)>,
    /// The lines of the text, where such are asked for.
    text_lines: Option<Lines>,
}

impl Suppressions {
    pub(super) fn cover(&self, text: &str, finding: &Diagnostic) -> bool {
        let covers = |code: &str| code.is_empty() || code == finding.code;
        if self.everywhere.iter().any(|code| covers(code)) {
            return true;
        }
        let Some(lines) = &self.text_lines else { return false };
        let line = lines.position(text, finding.span).line;
        let from = self.lines.partition_point(|(at, _)| *at < line);
        self.lines[from..].iter().take_while(|(at, _)| *at == line).any(|(_, code)| covers(code))
    }
}

/// Reads the comments; codes that do not exist are reported.
pub(super) fn read(text: &str, stream: &Stream, found: &mut Vec<Diagnostic>) -> Suppressions {
    let mut suppressions = Suppressions::default();
    let content = stream.documents.first().map_or(0, |document| document.root.span.start);
    for comment in &stream.comments {
        let Some(codes) = instruction(&comment.text) else { continue };
        for code in &codes {
            if !code.is_empty() && explanations::explain(code).is_none() {
                let known = explanations::CODES.iter().map(|(known, _)| *known);
                let help = did_you_mean(code, known, || "remove it".to_owned());
                let message = format!("unknown code `{code}` in a suppression");
                found.push(
                    Diagnostic::warning("unknown-code", comment.span, message).with_help(help),
                );
            }
        }
        if comment.span.start < content {
            suppressions.everywhere.extend(codes);
            continue;
        }
        let lines = suppressions.text_lines.get_or_insert_with(|| Lines::new(text));
        let line = lines.position(text, comment.span).line;
        let start = comment.span.start as usize;
        let before = text.get(..start).unwrap_or_default();
        let alone = before.rsplit('\n').next().unwrap_or_default().trim().is_empty();
        let line = if alone { line + 1 } else { line };
        suppressions.lines.extend(codes.into_iter().map(|code| (line, code)));
    }
    suppressions.lines.sort();
    suppressions
}

/// The codes of an instruction; one empty code if it names none.
fn instruction(comment: &str) -> Option<Vec<String>> {
    let rest = comment.trim().strip_prefix("sigmund:")?.trim().strip_prefix("ignore")?.trim();
    if rest.is_empty() {
        return Some(vec![String::new()]);
    }
    let codes = rest.strip_prefix('[')?.split(']').next()?;
    Some(codes.split(',').map(|code| code.trim().to_owned()).filter(|c| !c.is_empty()).collect())
}
