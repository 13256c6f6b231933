//! YAML with byte spans.
//!
//! [`parse`] turns a text into documents of [`Node`]s. Scalars keep the text the author wrote
//! (escapes and line folding resolved) and their style; what is a number or a boolean is decided
//! late, by [`crate::value::Scalar::resolve`], because YAML libraries disagree about it.
//!
//! The text is cut at document markers first, so one broken document never hides the next.
//! `compose` is the only file that names the parser crate; `block` is a shortcut for the plain
//! part of YAML that nearly all rules keep to.

mod block;
mod compose;
mod explain;

use crate::{Diagnostic, Span};

/// How a scalar was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Without quotes.
    Plain,
    /// `'…'`
    SingleQuoted,
    /// `"…"`
    DoubleQuoted,
    /// `|`
    Literal,
    /// `>`
    Folded,
}

/// A node with its place.
#[derive(Clone, Debug)]
pub struct Node {
    /// What it is.
    pub kind: Kind,
    /// Where it is; quotes included.
    pub span: Span,
}

/// The three kinds of YAML nodes. Aliases are expanded, merge keys merged, tags dropped.
#[derive(Clone, Debug)]
pub enum Kind {
    /// Text, unescaped, and how it was written.
    Scalar(Box<str>, Style),
    /// `[a, b]`
    Sequence(Vec<Node>),
    /// `{a: b}`; keys are unique scalars.
    Mapping(Vec<(Node, Node)>),
}

/// One document that is not empty.
#[derive(Clone, Debug)]
pub struct Document {
    /// Its content.
    pub root: Node,
    /// Its part of the source text, with its `---` line.
    pub span: Span,
}

/// A comment, for instructions to lint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comment {
    /// With its `#`.
    pub span: Span,
    /// After the `#`.
    pub text: Box<str>,
}

/// What [`parse`] found in one text.
#[derive(Clone, Debug, Default)]
pub struct Stream {
    /// The sound documents, in order.
    pub documents: Vec<Document>,
    /// What is wrong with the others; a document with an error is not in `documents`.
    pub diagnostics: Vec<Diagnostic>,
    /// All comments of sound documents, if asked for.
    pub comments: Vec<Comment>,
}

/// Nested collections beyond this are refused; no rule needs ten.
pub const DEPTH_LIMIT: usize = 100;

/// Nodes that aliases and anchors of one document may copy ("billion laughs").
pub const ALIAS_NODE_LIMIT: usize = 1_000_000;

/// Bytes of text that aliases and anchors of one document may copy.
pub const ALIAS_BYTE_LIMIT: usize = 64 << 20;

/// Texts beyond this are refused; spans hold 32-bit offsets.
pub const TEXT_LIMIT: usize = 1 << 30;

/// Parses all documents of a text.
///
/// ```
/// let stream = sigmund_sigma::yaml::parse("title: first\n---\n[broken\n---\ntitle: third\n");
/// assert_eq!(stream.documents.len(), 2);
/// assert_eq!(stream.diagnostics.len(), 1);
/// ```
#[must_use]
pub fn parse(text: &str) -> Stream {
    read(text, false)
}

/// Like [`parse`], with comments.
#[must_use]
pub fn parse_with_comments(text: &str) -> Stream {
    read(text, true)
}

fn read(text: &str, comments: bool) -> Stream {
    let mut stream = Stream::default();
    if text.len() > TEXT_LIMIT {
        stream.diagnostics.push(Diagnostic::error(
            "yaml-too-long",
            Span::new(0, 0),
            format!("the text has {} bytes; the limit is {TEXT_LIMIT}", text.len()),
        ));
        return stream;
    }
    for range in document_ranges(text) {
        if !comments && let Some(root) = block::document(text, range.clone()) {
            let end = range.start + text[range.clone()].trim_end().len();
            stream.documents.push(Document { root, span: Span::new(range.start, end) });
            continue;
        }
        compose::document(text, range, comments, &mut stream);
    }
    stream
}

/// Cuts a text into documents. A line that starts with `---` or `...` is a marker wherever it
/// stands (YAML 1.2.2, production `c-forbidden`): it cannot be content of any scalar.
fn document_ranges(text: &str) -> Vec<std::ops::Range<usize>> {
    let bytes = text.as_bytes();
    let mut ranges = Vec::new();
    let bom = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    let (mut start, mut line) = (bom, bom);
    // Whether the current range has only blank lines, comments and directives so far.
    let (mut empty, mut directives) = (true, false);
    while line < bytes.len() {
        let end = memchr::memchr(b'\n', &bytes[line..]).map_or(bytes.len(), |at| line + at + 1);
        let content = &bytes[line..end];
        let marker = |mark: &[u8]| {
            content.starts_with(mark)
                && content.get(3).is_none_or(|b| matches!(b, b' ' | b'\t' | b'\r' | b'\n'))
        };
        if marker(b"---") {
            if !(empty && directives) {
                ranges.push(start..line);
                start = line;
            }
            (empty, directives) = (false, false);
        } else if marker(b"...") {
            ranges.push(start..end);
            (start, empty, directives) = (end, true, false);
        } else if empty {
            match content.iter().find(|b| !b.is_ascii_whitespace()) {
                None | Some(b'#') => {}
                Some(b'%') if content[0] == b'%' => directives = true,
                Some(_) => empty = false,
            }
        }
        line = end;
    }
    ranges.push(start..bytes.len());
    ranges.retain(|range| !text[range.clone()].trim().is_empty());
    ranges
}

impl Node {
    /// The text of a scalar.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Scalar(text, _) => Some(text),
            _ => None,
        }
    }

    /// The text of a scalar that is not `null`, `~` or nothing.
    #[must_use]
    pub fn non_null_text(&self) -> Option<&str> {
        if self.is_null() { None } else { self.text() }
    }

    /// Whether it is `null`, `~` or nothing.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(&self.kind, Kind::Scalar(text, Style::Plain)
            if matches!(&**text, "" | "~" | "null" | "Null" | "NULL"))
    }

    /// The members of a sequence.
    #[must_use]
    pub fn sequence(&self) -> Option<&[Node]> {
        match &self.kind {
            Kind::Sequence(members) => Some(members),
            _ => None,
        }
    }

    /// The entries of a mapping.
    #[must_use]
    pub fn mapping(&self) -> Option<&[(Node, Node)]> {
        match &self.kind {
            Kind::Mapping(entries) => Some(entries),
            _ => None,
        }
    }

    /// The value of a key of a mapping.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|(_, value)| value)
    }

    /// Key and value of a key of a mapping.
    #[must_use]
    pub fn entry(&self, key: &str) -> Option<(&Node, &Node)> {
        let entries = self.mapping()?;
        entries.iter().find(|(k, _)| k.text() == Some(key)).map(|(k, value)| (k, value))
    }

    /// What it is, for messages.
    #[must_use]
    pub fn noun(&self) -> &'static str {
        match &self.kind {
            Kind::Scalar(..) if self.is_null() => "nothing",
            Kind::Scalar(..) => "text",
            Kind::Sequence(_) => "a list",
            Kind::Mapping(_) => "a mapping",
        }
    }

    /// The place of a byte range of a scalar's text in the source. Exact where the source text
    /// is the text itself (plain or quoted without escapes), otherwise the whole scalar.
    #[must_use]
    pub fn sub_span(&self, start: usize, end: usize) -> Span {
        let Kind::Scalar(text, style) = &self.kind else { return self.span };
        let quotes = usize::from(matches!(style, Style::SingleQuoted | Style::DoubleQuoted));
        let written = (self.span.end - self.span.start) as usize;
        if matches!(style, Style::Literal | Style::Folded) || written != text.len() + 2 * quotes {
            return self.span;
        }
        let base = self.span.start as usize + quotes;
        Span::new(base + start.min(text.len()), base + end.min(text.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn roots(text: &str) -> Vec<Node> {
        let stream = parse(text);
        assert_eq!(stream.diagnostics, vec![]);
        stream.documents.into_iter().map(|document| document.root).collect()
    }

    fn only_error(text: &str) -> Diagnostic {
        let stream = parse(text);
        assert_eq!(stream.diagnostics.len(), 1, "{:?}", stream.diagnostics);
        stream.diagnostics.into_iter().next().expect("one")
    }

    fn place(text: &str, diagnostic: &Diagnostic) -> (usize, usize) {
        let position = diagnostic.span.position(text);
        (position.line, position.column)
    }

    #[test]
    fn spans_are_bytes_and_cover_quotes() {
        let text = "ä: ö\nb: 'x'\nc: [1, \"é\"]\n";
        let root = &roots(text)[0];
        let slice = |node: &Node| text[node.span.range()].to_owned();
        assert_eq!(slice(root.get("ä").expect("key")), "ö");
        assert_eq!(slice(root.get("b").expect("key")), "'x'");
        assert_eq!(slice(root.get("c").expect("key")), "[1, \"é\"]");
        assert_eq!(slice(&root.get("c").expect("key").sequence().expect("list")[1]), "\"é\"");
        assert_eq!(slice(root), text.trim_end());
    }

    #[test]
    fn text_and_style_are_kept() {
        let root =
            &roots("a: 00000429\nb: '1'\nc: |\n  x\n  y\nd: >-\n  x\n  y\ne:\nf: \"\\u00e9\"")[0];
        let scalar = |key: &str| match &root.get(key).expect("key").kind {
            Kind::Scalar(text, style) => (text.to_string(), *style),
            other => panic!("{other:?}"),
        };
        assert_eq!(scalar("a"), ("00000429".into(), Style::Plain));
        assert_eq!(scalar("b"), ("1".into(), Style::SingleQuoted));
        assert_eq!(scalar("c"), ("x\ny\n".into(), Style::Literal));
        assert_eq!(scalar("d"), ("x y".into(), Style::Folded));
        assert_eq!(scalar("f"), ("é".into(), Style::DoubleQuoted));
        assert!(root.get("e").expect("key").is_null());
    }

    #[test]
    fn duplicate_keys_name_both_places() {
        let text = "a: 1\nb: 2\n\"a\": 3\n";
        let error = only_error(text);
        assert_eq!(error.code, "duplicate-key");
        assert_eq!(place(text, &error), (3, 1));
        assert_eq!(error.labels[0].span, Span::new(0, 1));
    }

    #[test]
    fn duplicate_keys_of_large_mappings_are_found_quickly() {
        let mut text: String = (0..50_000).map(|n| format!("k{n}: {n}\n")).collect();
        text.push_str("k777: again\n");
        assert_eq!(only_error(&text).code, "duplicate-key");
    }

    #[test]
    fn broken_documents_do_not_hide_the_others() {
        for broken in
            ["[1, 2", "a: 'open", "a: \"open", "a: {b: ", "a: *x", "a:\n\tb: 1", "a: 1\n b: 2\n: "]
        {
            let text = format!("x: 1\n---\n{broken}\n---\ny: 2\n");
            let stream = parse(&text);
            assert_eq!(stream.documents.len(), 2, "{broken}");
            assert_eq!(stream.diagnostics.len(), 1, "{broken}");
            assert!(stream.documents[1].root.get("y").is_some(), "{broken}");
        }
    }

    #[test]
    fn empty_documents_and_markers() {
        assert!(roots("").is_empty());
        assert!(roots("# only a comment\n").is_empty());
        assert_eq!(roots("---\na: 1\n---\n---\nb: 2\n...\n").len(), 2);
        assert_eq!(roots("%YAML 1.2\n---\na: 1\n").len(), 1);
        assert_eq!(roots("\u{feff}a: 1\n")[0].entry("a").expect("key").0.span, Span::new(3, 4));
        assert_eq!(roots("\u{feff}---\r\na: 1\r\n---\r\nb: 2").len(), 2);
    }

    #[test]
    fn aliases_and_merge_keys() {
        let root =
            &roots("base: &b {x: 1, y: 2}\nuse:\n  <<: *b\n  y: 3\nlist: &l [1, 2]\nagain: *l\n")
                [0];
        let merged = root.get("use").expect("key");
        assert_eq!(merged.get("x").and_then(Node::text), Some("1"));
        assert_eq!(merged.get("y").and_then(Node::text), Some("3"));
        assert!(merged.get("<<").is_none());
        assert_eq!(root.get("again").and_then(Node::sequence).map(<[Node]>::len), Some(2));
        let root = &roots("a: &a {x: 1}\nb: &b {x: 2, y: 2}\nc:\n  <<: [*a, *b]\n")[0];
        let merged = root.get("c").expect("key");
        assert_eq!(merged.get("x").and_then(Node::text), Some("1"));
        assert_eq!(merged.get("y").and_then(Node::text), Some("2"));
    }

    #[test]
    fn billion_laughs_is_refused() {
        let mut text = String::from("a0: &a0 [lol]\n");
        for level in 1..=9 {
            let refs = vec![format!("*a{}", level - 1); 9].join(", ");
            text.push_str(&format!("a{level}: &a{level} [{refs}]\n"));
        }
        assert_eq!(only_error(&text).code, "yaml-alias-limit");
        let big = format!("a: &a '{}'\nb: [{}]\n", "x".repeat(1 << 20), vec!["*a"; 200].join(","));
        assert_eq!(only_error(&big).code, "yaml-alias-limit");
    }

    #[test]
    fn deep_nesting_is_refused() {
        assert_eq!(only_error(&"{a: ".repeat(20_000)).code, "yaml-depth-limit");
        assert_eq!(only_error(&"[".repeat(20_000)).code, "yaml-depth-limit");
        let block: String = (0..3_000).map(|n| format!("{}a:\n", " ".repeat(n))).collect();
        assert_eq!(only_error(&block).code, "yaml-depth-limit");
    }

    #[test]
    fn control_characters_are_named() {
        let text = "a: x\0y\n";
        let error = only_error(text);
        assert_eq!(place(text, &error), (1, 5));
    }

    #[test]
    fn comments_are_found_where_they_are() {
        let text = "a: 1 # one\n---\n# two\nb: 'x # no'\n";
        let stream = parse_with_comments(text);
        let found: Vec<&str> = stream.comments.iter().map(|c| &text[c.span.range()]).collect();
        assert_eq!(found, ["# one", "# two"]);
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[-a: \\[\\]{}'\"&*!|>%#\\\\\n\t\0é\u{feff}.<]{0,200}") {
            let stream = parse_with_comments(&text);
            for diagnostic in &stream.diagnostics {
                let _ = diagnostic.span.position(&text);
            }
        }

        #[test]
        fn no_unicode_panics(text in "\\PC{0,100}") {
            let _ = parse(&text);
        }
    }
}
