//! A reader for the part of YAML that nearly all rules are written in: block mappings and
//! sequences of one-line scalars and literal texts, indented with blanks.
//!
//! It exists for speed: it loads the public rule corpus in a fraction of the time of the complete
//! parser, which is most of the time to the first event. It decides nothing about YAML by itself:
//! at anything else than that part, sound or not, it gives up, and [`super::compose`] reads
//! the document. Tests hold the two equal, spans included.

use super::{DEPTH_LIMIT, Kind, Node, Style};
use crate::Span;
use memchr::memchr;
use std::ops::Range;

/// Reads the document in `range`, or gives up.
pub(super) fn document(text: &str, range: Range<usize>) -> Option<Node> {
    let part = &text[range.clone()];
    if !is_plain_text(part) {
        return None;
    }
    let mut reader =
        Reader { text: part, bytes: part.as_bytes(), base: range.start, at: 0, depth: 0 };
    if part.starts_with("---") {
        reader.at = reader.end_of_line(0);
        if !part[3..reader.at].trim_matches(' ').is_empty() {
            return None;
        }
    }
    let first = reader.next_line()?;
    let root = if reader.is_dash(first.start) {
        reader.sequence(first.indent, -1)?
    } else {
        reader.mapping(first)?
    };
    reader.next_line().is_none().then_some(root).filter(|_| reader.at >= part.len())
}

/// Whether there are only printable characters and line feeds (no tabs, no carriage returns, no
/// byte order marks), so that columns are bytes between blanks and lines end in one way.
fn is_plain_text(text: &str) -> bool {
    let bytes = text.as_bytes();
    let odd =
        |&byte: &u8| (byte < 0x20 && byte != b'\n') || matches!(byte, 0x7F | 0xC2 | 0xE2 | 0xEF);
    // A fold has no early exit and is therefore vectorised.
    if !bytes.iter().fold(false, |found, byte| found | odd(byte)) {
        return true;
    }
    let unusual = |c: char| {
        (c.is_control() && c != '\n')
            || matches!(c, '\u{2028}' | '\u{2029}' | '\u{FEFF}' | '\u{FFFE}' | '\u{FFFF}')
    };
    !text.chars().any(unusual)
}

/// A line with content.
#[derive(Clone, Copy)]
struct Line {
    /// First byte of its content.
    start: usize,
    /// Blanks in front of it.
    indent: usize,
}

struct Reader<'a> {
    text: &'a str,
    bytes: &'a [u8],
    base: usize,
    /// Start of the next line, or of the rest of one.
    at: usize,
    depth: usize,
}

impl Reader<'_> {
    fn end_of_line(&self, from: usize) -> usize {
        memchr(b'\n', &self.bytes[from..]).map_or(self.bytes.len(), |at| from + at)
    }

    /// Skips blank lines and comments; `self.at` is then the start of the line with content.
    fn next_line(&mut self) -> Option<Line> {
        loop {
            if self.at >= self.bytes.len() {
                return None;
            }
            let start = self.skip_blanks(self.at);
            match self.bytes.get(start) {
                None => self.at = start,
                Some(b'\n') => self.at = start + 1,
                Some(b'#') => self.at = (self.end_of_line(start) + 1).min(self.bytes.len()),
                Some(_) => return Some(Line { start, indent: start - self.at }),
            }
        }
    }

    fn skip_blanks(&self, from: usize) -> usize {
        let rest = &self.bytes[from..];
        from + rest.iter().position(|&byte| byte != b' ').unwrap_or(rest.len())
    }

    fn is_dash(&self, at: usize) -> bool {
        self.bytes.get(at) == Some(&b'-')
            && matches!(self.bytes.get(at + 1), None | Some(b' ' | b'\n'))
    }

    fn span(&self, start: usize, end: usize) -> Span {
        Span::new(self.base + start, self.base + end)
    }

    /// A mapping whose first key is at `first`; further keys have the same column.
    fn mapping(&mut self, first: Line) -> Option<Node> {
        self.depth += 1;
        if self.depth > DEPTH_LIMIT / 2 {
            return None;
        }
        let mut entries: Vec<(Node, Node)> = Vec::new();
        let mut line = first;
        loop {
            let (key, after) = self.key(line.start)?;
            let value = self.value(after, line.indent)?;
            entries.push((key, value));
            match self.next_line() {
                Some(next) if next.indent == line.indent => {
                    if self.is_dash(next.start) {
                        return None;
                    }
                    line = next;
                }
                Some(next) if next.indent > line.indent => return None,
                _ => break,
            }
        }
        self.depth -= 1;
        if !unique(&entries) {
            return None;
        }
        let (start, end) = (entries.first()?.0.span.start, entries.last()?);
        let end = end.0.span.end.max(end.1.span.end);
        Some(Node { kind: Kind::Mapping(entries), span: Span { start, end } })
    }

    /// A key and the offset behind its colon.
    fn key(&self, start: usize) -> Option<(Node, usize)> {
        let (node, colon) = match self.bytes[start] {
            b'\'' | b'"' => {
                let (node, end) = self.quoted(start)?;
                (node, end)
            }
            first if !may_start_plain(first) || matches!(first, b'-' | b'?' | b':') => return None,
            _ => {
                let line = &self.bytes[start..self.end_of_line(start)];
                let ends = |(at, &byte): (usize, &u8)| {
                    byte == b':' && matches!(line.get(at + 1), None | Some(b' '))
                };
                let length = line.iter().enumerate().position(ends)?;
                let key = &self.text[start..start + length];
                // `<<` merges, `#` may start a comment, `...` may end the document; none is worth a thought here.
                if key.ends_with(' ') || key.contains('#') || key == "<<" || key.starts_with("...")
                {
                    return None;
                }
                let kind = Kind::Scalar(key.into(), Style::Plain);
                (Node { kind, span: self.span(start, start + length) }, start + length)
            }
        };
        let sound = self.bytes.get(colon) == Some(&b':')
            && matches!(self.bytes.get(colon + 1), None | Some(b' ' | b'\n'))
            && colon - start < 512;
        sound.then_some((node, colon + 1))
    }

    /// A quoted scalar within one line and the offset behind it.
    fn quoted(&self, start: usize) -> Option<(Node, usize)> {
        let quote = self.bytes[start];
        let line = &self.bytes[start..self.end_of_line(start)];
        let mut escaped = false;
        let mut at = 1;
        loop {
            match line.get(at)? {
                b'\\' if quote == b'"' => return None,
                &byte if byte == quote => {
                    if quote == b'\'' && line.get(at + 1) == Some(&b'\'') {
                        escaped = true;
                        at += 1;
                    } else {
                        break;
                    }
                }
                _ => {}
            }
            at += 1;
        }
        let inner = &self.text[start + 1..start + at];
        let text = if escaped { inner.replace("''", "'").into_boxed_str() } else { inner.into() };
        let style = if quote == b'"' { Style::DoubleQuoted } else { Style::SingleQuoted };
        let end = start + at + 1;
        Some((Node { kind: Kind::Scalar(text, style), span: self.span(start, end) }, end))
    }

    /// The rest of the line is blank or a comment; moves to the next line.
    fn finish_line(&mut self, from: usize) -> Option<()> {
        let next = self.skip_blanks(from);
        match self.bytes.get(next) {
            None | Some(b'\n') => {}
            Some(b'#') if next > from => {}
            Some(_) => return None,
        }
        self.at = (self.end_of_line(next) + 1).min(self.bytes.len());
        Some(())
    }

    /// The value behind a key whose column is `indent`.
    fn value(&mut self, after: usize, indent: usize) -> Option<Node> {
        let start = self.skip_blanks(after);
        match self.bytes.get(start) {
            None | Some(b'\n' | b'#') => {
                self.finish_line(after)?;
                match self.next_line() {
                    Some(next) if next.indent > indent => self.block(next, indent),
                    Some(next) if next.indent == indent && self.is_dash(next.start) => {
                        self.sequence(indent, isize::try_from(indent).ok()?)
                    }
                    _ => {
                        let kind = Kind::Scalar("~".into(), Style::Plain);
                        Some(Node { kind, span: self.span(after - 1, after - 1) })
                    }
                }
            }
            Some(_) => self.scalar(start, indent),
        }
    }

    fn block(&mut self, line: Line, parent: usize) -> Option<Node> {
        if self.is_dash(line.start) {
            self.sequence(line.indent, isize::try_from(parent).ok()?)
        } else {
            self.mapping(line)
        }
    }

    /// A sequence whose dashes are in column `indent`, inside a mapping of column `parent`.
    fn sequence(&mut self, indent: usize, parent: isize) -> Option<Node> {
        self.depth += 1;
        if self.depth > DEPTH_LIMIT / 2 {
            return None;
        }
        let mut members: Vec<Node> = Vec::new();
        let mut start = None;
        while let Some(line) = self.next_line() {
            if line.indent != indent || !self.is_dash(line.start) {
                let ends = isize::try_from(line.indent).ok()? <= parent;
                if !ends {
                    return None;
                }
                break;
            }
            let content = self.skip_blanks(line.start + 1);
            start.get_or_insert((line.start, content));
            // Nothing behind the dash, nested dashes: rare enough for the complete parser.
            if matches!(self.bytes.get(content), None | Some(b'\n' | b'#')) || self.is_dash(content)
            {
                return None;
            }
            let member = if self.key(content).is_some() {
                self.mapping(Line { start: content, indent: content - self.at })?
            } else {
                self.scalar(content, indent)?
            };
            members.push(member);
        }
        self.depth -= 1;
        let end = members.last()?.span.end;
        // The complete parser lets a sequence begin behind the dash if it is not indented: at the `|` of a text that begins on the next line, too.
        let (dash, behind) = start?;
        let start = match usize::try_from(parent) {
            Ok(parent) if parent == indent => behind,
            _ => dash,
        };
        let span = Span { start: self.span(start, start).start, end };
        Some(Node { kind: Kind::Sequence(members), span })
    }

    /// A scalar inside a collection of column `indent`.
    fn scalar(&mut self, start: usize, indent: usize) -> Option<Node> {
        match self.bytes[start] {
            b'\'' | b'"' => {
                let (node, end) = self.quoted(start)?;
                self.finish_line(end)?;
                Some(node)
            }
            b'|' => self.literal(start, indent),
            first if !may_start_plain(first) => None,
            first => {
                let end = self.end_of_line(start);
                let line = &self.bytes[start..end];
                if matches!(first, b'-' | b'?' | b':') && matches!(line.get(1), None | Some(b' ')) {
                    return None;
                }
                let mut length = line.len();
                for (at, &byte) in line.iter().enumerate() {
                    if byte == b'#' && at > 0 && line[at - 1] == b' ' {
                        length = at;
                        break;
                    }
                    if byte == b':' && matches!(line.get(at + 1), None | Some(b' ')) {
                        return None;
                    }
                }
                let text = self.text[start..start + length].trim_end_matches(' ');
                self.at = (end + 1).min(self.bytes.len());
                // A line that is indented deeper would continue the text.
                let here = self.at;
                if self.next_line().is_some_and(|next| next.indent > indent) {
                    return None;
                }
                self.at = here;
                let span = self.span(start, start + text.len());
                Some(Node { kind: Kind::Scalar(text.into(), Style::Plain), span })
            }
        }
    }

    /// A literal text (`|` or `|-`) inside a collection of column `indent`.
    fn literal(&mut self, start: usize, indent: usize) -> Option<Node> {
        let end = self.end_of_line(start);
        let keep_break = match self.text[start..end].trim_end_matches(' ') {
            "|" => true,
            "|-" => false,
            _ => return None,
        };
        self.at = end + 1;
        let first = self.skip_blanks(self.at.min(self.bytes.len()));
        if matches!(self.bytes.get(first), None | Some(b'\n')) || first - self.at <= indent {
            return None;
        }
        let column = first - self.at;
        let mut content = String::new();
        // Line breaks that count only if more content follows.
        let mut breaks = 0;
        let mut last = first;
        while self.at < self.bytes.len() {
            let line = self.skip_blanks(self.at);
            let end = self.end_of_line(self.at);
            if line == end && end - self.at <= column {
                breaks += 1;
            } else if line - self.at < column {
                if line - self.at > indent {
                    return None;
                }
                break;
            } else {
                content.extend(std::iter::repeat_n('\n', breaks));
                content.push_str(&self.text[self.at + column..end]);
                (breaks, last) = (1, end);
            }
            // Whether a last line without a break gets one is the complete parser's to say.
            if end == self.bytes.len() {
                return None;
            }
            self.at = end + 1;
        }
        if keep_break {
            content.push('\n');
        }
        let trimmed = self.text[first..last].trim_end().len();
        let span = self.span(first, first + trimmed);
        Some(Node { kind: Kind::Scalar(content.into(), Style::Literal), span })
    }
}

/// Whether a plain scalar may start with this byte; `-`, `?` and `:` depend on the next one.
fn may_start_plain(byte: u8) -> bool {
    !matches!(
        byte,
        b',' | b'['
            | b']'
            | b'{'
            | b'}'
            | b'#'
            | b'&'
            | b'*'
            | b'!'
            | b'|'
            | b'>'
            | b'\''
            | b'"'
            | b'%'
            | b'@'
            | b'`'
    )
}

/// Whether no key is given twice. Large mappings are left to the complete parser.
fn unique(entries: &[(Node, Node)]) -> bool {
    entries.len() <= 64
        && entries
            .iter()
            .enumerate()
            .all(|(at, (key, _))| entries[..at].iter().all(|(other, _)| other.text() != key.text()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::{Stream, compose};
    use proptest::prelude::*;

    /// Reads with both; the quick reader may give up but not differ.
    fn compare(text: &str) -> bool {
        let Some(quick) = document(text, 0..text.len()) else { return false };
        let mut stream = Stream::default();
        compose::document(text, 0..text.len(), false, &mut stream);
        assert_eq!(stream.diagnostics, [], "{text:?}");
        let complete = &stream.documents.first().expect("document").root;
        assert_eq!(format!("{quick:?}"), format!("{complete:?}"), "{text:?}");
        true
    }

    #[test]
    fn a_sequence_that_is_not_indented_begins_behind_its_dash() {
        assert!(compare("a:\n- |\n  b\n"));
        assert!(compare("a:\n- b\n- |\n  c\n"));
        assert!(compare("a:\n  - |\n    b\n"));
    }

    #[test]
    fn typical_rules_are_read() {
        let text = "---\ntitle: A rule # why\nid: 1\nempty:\ndescription: |\n    First.\n\n      Second: #no\n\
                    list:\n- a\n- 'it''s'\nlogsource:\n    product: windows\ndetection:\n    sel:\n\
                    \x20       - Image|endswith: '\\cmd.exe'\n          OriginalFileName: \"Cmd.Exe\"\n\
                    \x20       - a: C:\\x\n    '|all':\n        - -enc\n        - http://x\n    # c\n\
                    \x20   condition: sel\nfalsepositives:\n    - Unknown\n\nlevel: high\n";
        assert!(compare(text));
    }

    #[test]
    fn gives_up_on_everything_else() {
        for text in [
            "...  .:",
            "a: b\n... c: d\n",
            "a: [b]\n",
            "a: {b: c}\n",
            "a: &x b\n",
            "a: *x\n",
            "a: !t b\n",
            "a: \"\\n\"\n",
            "a: >\n  b\n",
            "a: b\n  c\n",
            "a: 'b\n  c'\n",
            "a: b: c\n",
            "? a\n: b\n",
            "a: 1\na: 2\n",
            "<<: a\n",
            "a:\tb\n",
            "a: b\r\n",
            "a: |+\n  b\n",
            "a: |2\n    b\n",
            "a: |\n  b",
            "- - a\n",
            "-\n  a\n",
            "a:\n    b: 1\n  c: 2\n",
            "a: 1\n b: 2\n",
            "\u{feff}a: 1\n",
            "a: 'b' c\n",
            "a: @x\n",
            "%a: b\n",
            "a: b\n...\n",
            "plain text\n",
            "'quoted'\n",
            "a: x\u{85}y\n",
        ] {
            assert!(document(text, 0..text.len()).is_none(), "{text:?}");
        }
    }

    /// All `.yml` files below the shared rule corpus, if it is there.
    fn corpus_files(directory: &std::path::Path, files: &mut Vec<std::path::PathBuf>) {
        for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                corpus_files(&path, files);
            } else if path.extension().is_some_and(|extension| extension == "yml") {
                files.push(path);
            }
        }
    }

    #[test]
    #[expect(clippy::print_stderr, reason = "a skipped test must be visible")]
    fn the_corpus_reads_the_same() {
        let shared = std::env::var_os("SIGMUND_SHARED").map_or_else(
            || std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared"),
            std::path::PathBuf::from,
        );
        let mut files = Vec::new();
        corpus_files(&shared.join("corpus/sigmahq"), &mut files);
        if files.is_empty() {
            // Written directly: what goes through `eprintln!` is kept back while tests pass.
            let mut out = std::io::stderr();
            let _ = std::io::Write::write_fmt(
                &mut out,
                format_args!("SKIPPED: no rules under {}\n", shared.display()),
            );
            return;
        }
        let (mut documents, mut quick) = (0, 0);
        for file in files {
            let text = std::fs::read_to_string(file).expect("text");
            // Documents with markers inside are cut by the caller.
            if text.lines().skip(1).any(|line| line.starts_with("---") || line.starts_with("...")) {
                continue;
            }
            documents += 1;
            quick += usize::from(compare(&text));
        }
        eprintln!("{quick} of {documents} documents are read by the quick reader");
        assert!(quick * 10 > documents * 9, "{quick} of {documents}");
    }

    proptest! {
        #[test]
        fn equals_the_complete_parser_on_likely_texts(
            lines in proptest::collection::vec(
                ("(|    |        |          )", "(- )?", "(a|b|c|d|e|f)", "(: x|:|: 'y'|: |: \\| *(# c)?)"),
                1..12,
            ),
            literal in "(    x\n|  y\n|\n|      z #\n| \n|\n# c\n){0,4}",
        ) {
            let mut text: String =
                lines.into_iter().map(|(a, b, c, d)| format!("{a}{b}{c}{d}\n")).collect();
            text.push_str("last: |\n");
            text.push_str(&literal);
            compare(&text);
        }

        #[test]
        fn equals_the_complete_parser_on_literals(
            indicator in "\\|-?",
            literal in "(    x\n|     y\n|\n|      z #\n| \n|      \n|# c\n|    # d\n){1,5}",
            after in "(b: c\n|    e\n|\n)?",
        ) {
            compare(&format!("a: {indicator}\n{literal}{after}"));
            compare(&format!("k:\n  - {indicator}\n{literal}{after}"));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(3_000))]
        #[test]
        fn equals_the_complete_parser(
            lines in proptest::collection::vec(
                ("( |  |    |      )?", "(- |-)?", "(a|b|c d|'e'|\"f\"|g-h|'i''j'|\\?|-k|~|<)?(:|: |:  )?",
                 "(x|'y'|\"z\"|\\||\\|-|# c| # c|1 # c|x#y|-|- |\\[|~|''|é|C:\\\\w|x: y|x:)?( )?"),
                0..8,
            ),
            last in "\n?",
        ) {
            let lines: Vec<String> =
                lines.into_iter().map(|(a, b, c, d)| format!("{a}{b}{c}{d}")).collect();
            let text = lines.join("\n") + &last;
            if !text.contains("---") && !text.contains("...") {
                compare(&text);
            }
        }
    }
}
