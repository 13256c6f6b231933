//! The text itself: encoding, line ends, layout, file name.

use super::document::fix;
use crate::diagnostic::{Edit, Fix};
use crate::yaml::{Kind, Node};
use crate::{Diagnostic, Source, Span};

pub(super) fn check(source: &Source, found: &mut Vec<Diagnostic>) {
    let text = &*source.text;
    byte_order_mark(text, found);
    line_ends(text, found);
    trailing_blanks(text, found);
    characters(text, found);
    file_name(source, found);
}

/// SigmaHQ: blocks are indented by four blanks. Only the first that is not is reported.
pub(super) fn indentation(text: &str, root: &Node, found: &mut Vec<Diagnostic>) {
    let column = |node: &Node| {
        let start = node.span.start as usize;
        let line = text.get(..start).unwrap_or_default().rsplit('\n').next().unwrap_or_default();
        // A block starts its line; the members of a list have a dash before them.
        let blanks = line.len() - line.trim_start_matches(' ').len();
        matches!(line.trim(), "" | "-").then_some(blanks)
    };
    let mut parents = vec![root];
    while let Some(parent) = parents.pop() {
        let Kind::Mapping(entries) = &parent.kind else { continue };
        for (key, value) in entries {
            let first = match &value.kind {
                Kind::Mapping(entries) => entries.first().map(|(key, _)| key),
                Kind::Sequence(members) => members.first(),
                Kind::Scalar(..) => None,
            };
            let Some(first) = first else { continue };
            let own_line = text
                .get(key.span.end as usize..first.span.start as usize)
                .is_some_and(|between| between.contains('\n'));
            if let (true, Some(outer), Some(inner)) = (own_line, column(key), column(first))
                && inner != outer + 4
            {
                let message =
                    format!("this block is indented by {} blanks", inner.saturating_sub(outer));
                found.push(
                    Diagnostic::note("indentation", first.span, message)
                        .with_help("indent blocks by four blanks"),
                );
                return;
            }
            parents.push(value);
        }
    }
}

fn byte_order_mark(text: &str, found: &mut Vec<Diagnostic>) {
    if text.starts_with('\u{feff}') {
        let span = Span::new(0, 3);
        let finding =
            Diagnostic::note("byte-order-mark", span, "the text starts with a byte order mark")
                .with_help("save the file as UTF-8 without a byte order mark")
                .with_fix(fix("remove the byte order mark", span, "", true));
        found.push(finding);
    }
}

fn line_ends(text: &str, found: &mut Vec<Diagnostic>) {
    let places: Vec<usize> = text.match_indices("\r\n").map(|(at, _)| at).collect();
    let Some(&first) = places.first() else { return };
    let edit = |at: usize| Edit { span: Span::new(at, at + 1), replacement: String::new() };
    let finding = Diagnostic::note("crlf", Span::new(first, first + 2), "lines end with CR LF")
        .with_help("save the file with LF line ends")
        .with_fix(Fix {
            message: "end lines with LF".to_owned(),
            edits: places.into_iter().map(edit).collect(),
            safe: true,
        });
    found.push(finding);
}

/// Only the first of a text is reported, with a fix for all. Not safe: in a block scalar they are
/// content.
fn trailing_blanks(text: &str, found: &mut Vec<Diagnostic>) {
    let mut edits = Vec::new();
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let content = line.trim_end_matches(['\r', '\n']);
        let trimmed = content.trim_end_matches([' ', '\t']);
        if trimmed.len() < content.len() {
            let span = Span::new(start + trimmed.len(), start + content.len());
            edits.push(Edit { span, replacement: String::new() });
        }
        start += line.len();
    }
    let Some(first) = edits.first().map(|edit| edit.span) else { return };
    let message = match edits.len() {
        1 => "a line ends with blanks".to_owned(),
        lines => format!("{lines} lines end with blanks"),
    };
    let fix = Fix { message: "remove the blanks".to_owned(), edits, safe: false };
    let finding = Diagnostic::note("trailing-blanks", first, message);
    found.push(finding.with_help("remove the blanks at line ends").with_fix(fix));
}

/// Characters that people do not see, and those that are left of bytes that were not UTF-8.
fn characters(text: &str, found: &mut Vec<Diagnostic>) {
    if let Some(at) = text.find('\u{fffd}') {
        let message = "the text has a replacement character; was the file not UTF-8?";
        let span = Span::new(at, at + '\u{fffd}'.len_utf8());
        found.push(
            Diagnostic::warning("not-utf8", span, message).with_help("save the file as UTF-8"),
        );
    }
    let bidirectional = |c: char| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    for (at, c) in text.char_indices().filter(|&(_, c)| bidirectional(c)) {
        let message =
            format!("invisible character U+{:04X} changes the direction of text", c as u32);
        let help = format!("write it in double quotes as \"\\u{:04X}\"", c as u32);
        let span = Span::new(at, at + c.len_utf8());
        found.push(Diagnostic::warning("invisible-character", span, message).with_help(help));
    }
}

/// SigmaHQ: lower case, digits and underscores, `.yml`.
fn file_name(source: &Source, found: &mut Vec<Diagnostic>) {
    let name = source.name.rsplit(['/', '\\']).next().unwrap_or_default();
    let Some((stem, extension)) = name.rsplit_once('.') else { return };
    let help = match extension {
        "yaml" => format!("call it `{stem}.yml`"),
        "yml" => {
            let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
            // `name.test.yml` and other compound names are for tools.
            if stem.chars().all(|c| good(c) || c == '.') {
                return;
            }
            let better: String =
                stem.to_lowercase().chars().map(|c| if good(c) { c } else { '_' }).collect();
            format!("call it `{better}.yml`")
        }
        _ => return,
    };
    let message = "file names of rules are lower case with underscores and end with `.yml`";
    found.push(Diagnostic::note("file-name", Span::default(), message).with_help(help));
}
