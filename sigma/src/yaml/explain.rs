//! Syntax errors in words an analyst can act on.

use crate::diagnostic::{Edit, Fix};
use crate::{Diagnostic, Span};
use std::ops::Range;

/// What kind of mistake the parser ran into.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Problem {
    UnknownAlias,
    BadEscape,
    UnclosedQuote,
    AfterQuote,
    Tab,
    StrayColon,
    Indentation,
    Dash,
    Other,
}

/// Collections nested beyond the limit.
pub(super) fn too_deep(span: Span) -> Diagnostic {
    Diagnostic::error(
        "yaml-depth-limit",
        span,
        format!("more than {} nested collections", super::DEPTH_LIMIT),
    )
    .with_help("a rule needs fewer than ten; look for an unclosed `{` or `[`")
}

/// The error that the parser met at `offset` while reading `document`.
pub(super) fn syntax(
    text: &str,
    document: Range<usize>,
    offset: usize,
    problem: Problem,
    parser_message: &str,
) -> Diagnostic {
    let offset = floor_boundary(text, offset.min(document.end));
    let line = line_around(text, offset, &document);
    let error = |span, message: String| Diagnostic::error("yaml-syntax", span, message);

    if let Some(found) = text[offset..document.end].chars().next()
        && found.is_control()
        && !matches!(found, '\n' | '\r' | '\t')
    {
        let span = Span::new(offset, offset + found.len_utf8());
        return error(span, format!("control character U+{:04X} in the text", u32::from(found)))
            .with_help("remove it, or write it as an escape in double quotes");
    }
    if matches!(problem, Problem::UnclosedQuote) {
        return unclosed_quote(text, &document, offset);
    }
    if let Some(value) = value_at(text, &line, offset)
        && problem != Problem::Tab
        && let Some(diagnostic) = unquoted(text, value, problem)
    {
        return diagnostic;
    }
    if matches!(problem, Problem::Other | Problem::StrayColon | Problem::Indentation)
        && let Some(diagnostic) = unclosed_bracket(text, &document, offset)
    {
        return diagnostic;
    }
    match problem {
        Problem::BadEscape => bad_escape(text, &document, offset),
        Problem::Tab => {
            let tab = text[line.clone()].find('\t').map_or(offset, |at| line.start + at);
            error(Span::new(tab, tab + 1), "a tab is used as indentation".to_owned())
                .with_help("indent with blanks (four per level)")
        }
        Problem::AfterQuote => after_quote(text, &line, offset),
        Problem::StrayColon => stray_colon(text, &line, offset),
        Problem::Indentation => error(
            word(text, offset, line.end),
            "the indentation of this line fits none of the lines above".to_owned(),
        )
        .with_help("indent it exactly like the line it belongs beside"),
        Problem::Dash => {
            error(word(text, offset, line.end), "a list cannot start behind a key".to_owned())
                .with_help("start the list on the next line, or quote the value")
        }
        Problem::UnknownAlias | Problem::UnclosedQuote | Problem::Other => {
            let message = parser_message
                .strip_prefix("while ")
                .map_or(parser_message.to_owned(), |rest| format!("invalid YAML while {rest}"));
            error(word(text, offset, line.end), message).with_help(
                "check the indentation, colons and quotes on this line and the one before",
            )
        }
    }
}

/// `'it's'` or `"a" b`: the quote ended earlier than meant.
fn after_quote(text: &str, line: &Range<usize>, offset: usize) -> Diagnostic {
    let span = word(text, offset, line.end);
    let error = Diagnostic::error("yaml-syntax", span, "text follows the closing quote");
    let Some(value) = value_at(text, line, offset) else {
        return error.with_help("write a quote inside single quotes twice: 'it''s'");
    };
    let written = &text[value.clone()];
    let inner = match written.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')) {
        // Quotes that the author doubled already stay as they are.
        Some(inner) => inner.replace("''", "'"),
        None => written.to_owned(),
    };
    let quoted = single_quoted(&inner);
    error.with_help(format!("quote the whole value: {quoted}")).with_fix(Fix {
        message: "quote the whole value".to_owned(),
        edits: vec![Edit { span: Span::new(value.start, value.end), replacement: quoted }],
        safe: false,
    })
}

/// `key: value: more`, or a key that is indented deeper than the value above allows.
fn stray_colon(text: &str, line: &Range<usize>, offset: usize) -> Diagnostic {
    if let Some(value) = value_at(text, line, offset)
        && value.start < offset
        && text[line.start..value.start].contains(": ")
    {
        let quoted = single_quoted(&text[value.clone()]);
        let span = Span::new(value.start, value.end);
        return Diagnostic::error("yaml-syntax", span, "a value that contains `: ` must be quoted")
            .with_help(format!("quote it: {quoted}"))
            .with_fix(Fix {
                message: "quote the value".to_owned(),
                edits: vec![Edit { span, replacement: quoted }],
                safe: false,
            });
    }
    let start = line.end - text[line.clone()].trim_start().len();
    let span = Span::new(start, (offset + 1).min(line.end));
    Diagnostic::error("yaml-syntax", span, "a key is not allowed here").with_help(
        "indent it exactly like the key above; a value goes behind `key: ` or on lines of its own",
    )
}

fn single_quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn floor_boundary(text: &str, mut offset: usize) -> usize {
    offset = offset.min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    offset
}

/// The line of `offset`, without its break, inside the document.
fn line_around(text: &str, offset: usize, document: &Range<usize>) -> Range<usize> {
    let start = text[document.start..offset]
        .rfind('\n')
        .map_or(document.start, |at| document.start + at + 1);
    let end = text[offset..document.end].find('\n').map_or(document.end, |at| offset + at);
    start..end.max(start)
}

/// The word at `offset`, or one character.
fn word(text: &str, offset: usize, end: usize) -> Span {
    let rest = &text[offset..end.max(offset)];
    let length = rest.find(char::is_whitespace).unwrap_or(rest.len());
    Span::new(offset, offset + length.max(rest.chars().next().map_or(0, char::len_utf8)))
}

/// The value (after `key: ` and `- `) on a line, if `offset` is in it.
fn value_at(text: &str, line: &Range<usize>, offset: usize) -> Option<Range<usize>> {
    let content = &text[line.clone()];
    let mut start = content.len() - content.trim_start_matches([' ', '-']).len();
    if let Some(colon) = content[start..].find(": ")
        && !content[start..].starts_with(['*', '&', '@', '`', '%', '\'', '"', '{', '['])
    {
        start += colon + 2;
        start += content[start..].len() - content[start..].trim_start().len();
    }
    let value = content[start..].trim_end();
    let value = value.find(" #").map_or(value, |comment| value[..comment].trim_end());
    let range = line.start + start..line.start + start + value.len();
    (range.start <= offset && offset <= range.end && !value.is_empty()).then_some(range)
}

/// A plain value that starts with a character that means something to YAML.
fn unquoted(text: &str, value: Range<usize>, problem: Problem) -> Option<Diagnostic> {
    let written = &text[value.clone()];
    let first = written.chars().next()?;
    let meaning = match first {
        '*' => "a YAML alias",
        '&' => "a YAML anchor",
        '@' | '`' => "reserved by YAML",
        '%' => "a YAML directive",
        '!' => "a YAML tag",
        '|' | '>' => "a YAML text block",
        ']' | '}' | ',' => "part of a YAML list",
        _ => return None,
    };
    let quoted = single_quoted(written);
    let span = Span::new(value.start, value.end);
    let shown = if first == '`' { "a backtick".to_owned() } else { format!("`{first}`") };
    let message = if first == '*' && problem == Problem::UnknownAlias {
        format!("`{written}` is read as a YAML alias that is not defined")
    } else {
        format!("a value starting with {shown} is {meaning}")
    };
    Some(
        Diagnostic::error("yaml-syntax", span, message)
            .with_help(format!("a value starting with {shown} is {meaning}; quote it: {quoted}"))
            .with_fix(Fix {
                message: "quote the value".to_owned(),
                edits: vec![Edit { span, replacement: quoted }],
                safe: false,
            }),
    )
}

/// An anchor without a node or a tag of an application, which were surely meant as text.
pub(super) fn meant_as_text(text: &str, document: &Range<usize>, span: Span) -> Diagnostic {
    let offset = floor_boundary(text, (span.start as usize).clamp(document.start, document.end));
    let line = line_around(text, offset, document);
    // The node may be empty and stand behind its anchor or tag.
    let content = &text[line.clone()];
    let sign =
        content.rfind(" &").max(content.rfind(" !")).map_or(offset, |at| line.start + at + 1);
    value_at(text, &line, sign)
        .and_then(|value| unquoted(text, value, Problem::Other))
        .unwrap_or_else(|| {
            Diagnostic::error("yaml-syntax", span, "YAML tags and empty anchors are not supported")
                .with_help("quote the value")
        })
}

/// A `[` or `{` that is still open where the parser stumbled.
fn unclosed_bracket(text: &str, document: &Range<usize>, offset: usize) -> Option<Diagnostic> {
    // The parser points at the bracket itself or at where it gave up.
    let here = text[offset..document.end].chars().next().map_or(0, char::len_utf8);
    let open = document.start + opening_bracket(&text[document.start..offset + here])?;
    let bracket = text[open..].chars().next()?;
    let line = line_around(text, open, document);
    let end = line.start + text[line].trim_end().len();
    let close = if bracket == '[' { ']' } else { '}' };
    let value = &text[open..end];
    let value = value.find(" #").map_or(value, |comment| value[..comment].trim_end());
    Some(
        Diagnostic::error(
            "yaml-syntax",
            Span::new(open, open + value.len()),
            format!("the `{bracket}` opened here is never closed"),
        )
        .with_help(format!(
            "close it with `{close}`; a text that starts with `{bracket}` is quoted: {}",
            single_quoted(value)
        )),
    )
}

/// A backslash in double quotes that is not an escape, usually a Windows path.
fn bad_escape(text: &str, document: &Range<usize>, offset: usize) -> Diagnostic {
    // The parser points at the quote or at the escape.
    let open = if text[offset..].starts_with('"') {
        offset
    } else {
        text[document.start..offset].rfind('"').map_or(offset, |at| document.start + at)
    };
    let rest = &text[open..document.end];
    let mut escape = None;
    let mut close = None;
    let mut characters = rest.char_indices().skip(1);
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => {
                close = Some(at);
                break;
            }
            '\\' => {
                let next = characters.next().map(|(_, next)| next);
                let known = next.is_some_and(|next| {
                    matches!(
                        next,
                        '0' | 'a'
                            | 'b'
                            | 't'
                            | '\t'
                            | 'n'
                            | 'v'
                            | 'f'
                            | 'r'
                            | 'e'
                            | ' '
                            | '"'
                            | '/'
                            | '\\'
                            | 'N'
                            | '_'
                            | 'L'
                            | 'P'
                            | '\n'
                            | '\r'
                    )
                });
                let hex = match next {
                    Some('x') => 2,
                    Some('u') => 4,
                    Some('U') => 8,
                    _ => 0,
                };
                let digits = rest[at + 1..].chars().skip(1).take(hex);
                let sound =
                    known || (hex > 0 && digits.filter(char::is_ascii_hexdigit).count() == hex);
                if !sound && escape.is_none() {
                    escape = Some((at, next));
                }
            }
            _ => {}
        }
    }
    let (at, next) = escape.unwrap_or((0, None));
    let end = open + at + 1 + next.map_or(0, char::len_utf8);
    let written = text.get(open + at..end).unwrap_or("\\");
    let diagnostic = Diagnostic::error(
        "yaml-syntax",
        Span::new(open + at, end),
        format!("`{}` is not an escape in double quotes", written.trim_end()),
    );
    match close {
        Some(close) if !rest[1..close].contains('\n') => {
            let quoted = format!("'{}'", rest[1..close].replace('\'', "''"));
            diagnostic
                .with_help(format!("use single quotes, which keep backslashes: {quoted}"))
                .with_fix(Fix {
                    message: "use single quotes".to_owned(),
                    edits: vec![Edit {
                        span: Span::new(open, open + close + 1),
                        replacement: quoted,
                    }],
                    safe: false,
                })
        }
        _ => diagnostic.with_help("use single quotes, which keep backslashes"),
    }
}

/// Finds where the quote that never closes was opened.
fn unclosed_quote(text: &str, document: &Range<usize>, offset: usize) -> Diagnostic {
    let open =
        opening_quote(&text[document.start..offset]).map_or(offset, |at| document.start + at);
    let quote = text[open..].chars().next().filter(|c| matches!(c, '\'' | '"')).unwrap_or('\'');
    let line = line_around(text, open, document);
    let span = Span::new(open, line.start + text[line].trim_end().len());
    Diagnostic::error("yaml-syntax", span, format!("the quote {quote} opened here is never closed"))
        .with_help(match quote {
            '"' => "close it, and write a quote inside as \\\"",
            _ => "close it, and write a quote inside twice: 'it''s'",
        })
}

/// The quote that opens a scalar and has no end in this text.
fn opening_quote(text: &str) -> Option<usize> {
    scan(text).0
}

/// The outermost bracket that opens a collection and has no end in this text.
fn opening_bracket(text: &str) -> Option<usize> {
    scan(text).1
}

/// A light scan for an open quote and an open bracket.
fn scan(text: &str) -> (Option<usize>, Option<usize>) {
    let bytes = text.as_bytes();
    let mut at = 0;
    let mut brackets: Vec<usize> = Vec::new();
    // Whether a scalar or collection may start here: after an indicator or at the start of a line.
    let mut fresh = true;
    while at < bytes.len() {
        match bytes[at] {
            quote @ (b'\'' | b'"') if fresh => {
                let open = at;
                at += 1;
                loop {
                    match bytes.get(at) {
                        None => return (Some(open), brackets.first().copied()),
                        Some(b'\\') if quote == b'"' => at += 2,
                        Some(&byte) if byte == quote => {
                            if quote == b'\'' && bytes.get(at + 1) == Some(&b'\'') {
                                at += 2;
                            } else {
                                at += 1;
                                break;
                            }
                        }
                        Some(_) => at += 1,
                    }
                }
                fresh = false;
                continue;
            }
            b'[' | b'{' if fresh => brackets.push(at),
            b']' | b'}' if !brackets.is_empty() => {
                brackets.pop();
                fresh = false;
            }
            b'\n' => fresh = true,
            b',' if !brackets.is_empty() => fresh = true,
            b' ' | b'\t' | b'\r' => {}
            b':' | b'-' if bytes.get(at + 1).is_none_or(u8::is_ascii_whitespace) => fresh = true,
            b'#' if at == 0 || bytes[at - 1].is_ascii_whitespace() => {
                while at + 1 < bytes.len() && bytes[at + 1] != b'\n' {
                    at += 1;
                }
            }
            _ => fresh = false,
        }
        at += 1;
    }
    (None, brackets.first().copied())
}

#[cfg(test)]
mod tests {
    use crate::Diagnostic;

    fn error(text: &str) -> (Diagnostic, String) {
        let mut stream = crate::yaml::parse(text);
        assert_eq!(stream.diagnostics.len(), 1, "{:?}", stream.diagnostics);
        let diagnostic = stream.diagnostics.remove(0);
        let position = diagnostic.span.position(text);
        let place =
            format!("{}:{} {}", position.line, position.column, &text[diagnostic.span.range()]);
        (diagnostic, place)
    }

    #[test]
    fn unquoted_wildcards() {
        let (diagnostic, place) = error("detection:\n    sel:\n        CommandLine: *mimikatz*\n");
        assert_eq!(place, "3:22 *mimikatz*");
        assert_eq!(
            diagnostic.help.as_deref(),
            Some("a value starting with `*` is a YAML alias; quote it: '*mimikatz*'")
        );
        let (diagnostic, place) = error("sel:\n    - *.exe # why\n");
        assert_eq!(place, "2:7 *.exe");
        assert!(diagnostic.help.expect("help").ends_with("quote it: '*.exe'"));
        let (diagnostic, _) = error("sel:\n    a: %TEMP%\n");
        assert!(diagnostic.help.expect("help").ends_with("quote it: '%TEMP%'"));
        let (diagnostic, _) = error("sel:\n    a: @x\n");
        assert!(diagnostic.help.expect("help").ends_with("quote it: '@x'"));
    }

    #[test]
    fn windows_paths_in_double_quotes() {
        let (diagnostic, place) = error("a:\n  b: \"C:\\Windows\\cmd.exe\"\n");
        assert_eq!(place, "2:9 \\W");
        assert_eq!(
            diagnostic.help.as_deref(),
            Some("use single quotes, which keep backslashes: 'C:\\Windows\\cmd.exe'")
        );
    }

    #[test]
    fn unclosed_quotes_point_at_their_start() {
        let (_, place) = error("title: x\na: 'it''s open\nb: 1\n");
        assert_eq!(place, "2:4 'it''s open");
        let (_, place) = error("title: \"x\"\na:\n  - \"open\nb: 1\n");
        assert_eq!(place, "3:5 \"open");
    }

    #[test]
    fn tabs() {
        let (diagnostic, place) = error("a:\n\tb: 1\n");
        assert_eq!(place, "2:1 \t");
        assert!(diagnostic.help.expect("help").contains("blanks"));
    }

    #[test]
    fn colons_in_plain_values() {
        let (diagnostic, place) = error("title: a\ndescription: see: this # c\n");
        assert_eq!(place, "2:14 see: this");
        assert_eq!(diagnostic.help.as_deref(), Some("quote it: 'see: this'"));
        let (diagnostic, place) = error("a:\n  b: x\n    c: y\n");
        assert_eq!(place, "3:5 c:");
        assert!(diagnostic.help.expect("help").starts_with("indent"));
    }

    #[test]
    fn quotes_that_end_too_early() {
        let (diagnostic, _) = error("a: 'it's'\n");
        assert_eq!(diagnostic.help.as_deref(), Some("quote the whole value: 'it''s'"));
        let (diagnostic, _) = error("a: \"x\" y\n");
        assert_eq!(diagnostic.help.as_deref(), Some("quote the whole value: '\"x\" y'"));
    }

    #[test]
    fn brackets_that_never_close() {
        for text in ["a: [b, c\nd: e\n", "a: {b, c\nd: e\n", "a: [b, c"] {
            let (diagnostic, place) = error(text);
            assert!(place.starts_with("1:4 "), "{place}");
            assert!(diagnostic.message.ends_with("is never closed"), "{diagnostic:?}");
        }
    }

    #[test]
    fn wrong_indentation() {
        let (diagnostic, place) = error("s:\n    a:\n      - x\n     - y\n");
        assert_eq!(place, "4:6 -");
        assert!(diagnostic.message.contains("indentation"));
    }

    #[test]
    fn anchors_and_tags_that_were_meant_as_text() {
        let (diagnostic, place) = error("a:\n  b: &x\n  c: d\n");
        assert_eq!(place, "2:6 &x");
        assert!(diagnostic.help.expect("help").ends_with("quote it: '&x'"));
        let (diagnostic, place) = error("a:\n  - !x y\n");
        assert_eq!(place, "2:5 !x y");
        assert!(diagnostic.help.expect("help").ends_with("quote it: '!x y'"));
        assert!(crate::yaml::parse("a: !!str 5\nb: !!int 5\n").diagnostics.is_empty());
    }
}
