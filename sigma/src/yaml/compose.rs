//! Parser events to [`Node`]s. The only file that names the parser crate.

use super::{ALIAS_BYTE_LIMIT, ALIAS_NODE_LIMIT, DEPTH_LIMIT};
use super::{Comment, Document, Kind, Node, Stream, Style, explain};
use crate::{Diagnostic, Span};
use ahash::AHashMap;
use granit_parser::{ErrorKind, Event, Parser, ScalarStyle, ScanError, StructureStyle};
use std::ops::Range;

/// An open collection.
struct Frame {
    start: usize,
    anchor: usize,
    block: bool,
    content: Content,
}

enum Content {
    Sequence(Vec<Node>),
    Mapping { entries: Vec<(Node, Node)>, key: Option<Node> },
}

/// Builds the tree of one document.
struct Composer<'a> {
    text: &'a str,
    base: usize,
    stack: Vec<Frame>,
    root: Option<Node>,
    anchors: AHashMap<usize, (Node, Cost)>,
    copied: Cost,
    diagnostics: Vec<Diagnostic>,
}

/// What copying a node costs.
#[derive(Clone, Copy, Default)]
struct Cost {
    nodes: usize,
    bytes: usize,
}

/// Reads the one document in `range` of `text`.
pub(super) fn document(text: &str, range: Range<usize>, comments: bool, stream: &mut Stream) {
    let part = &text[range.clone()];
    let options = granit_parser::options! {
        emit_comments: comments,
        max_buffered_comment_events: usize::MAX,
        flow_nesting_limit: DEPTH_LIMIT,
        block_nesting_limit: DEPTH_LIMIT,
    };
    let mut composer = Composer {
        text,
        base: range.start,
        stack: Vec::new(),
        root: None,
        anchors: AHashMap::new(),
        copied: Cost::default(),
        diagnostics: Vec::new(),
    };
    let mut found_comments = Vec::new();
    let mut seen_document = false;
    let mut parser = Parser::new_from_str_with_options(part, options);
    loop {
        let (event, place) = match parser.next_event() {
            None => break,
            Some(Ok(next)) => next,
            Some(Err(error)) => {
                let broken = composer.syntax_error(&error, &range);
                composer.diagnostics.push(broken);
                break;
            }
        };
        let place = place.byte_range().unwrap_or(0..0);
        let span = Span::new(range.start + place.start, range.start + place.end);
        let go_on = match event {
            Event::StreamEnd => break,
            Event::DocumentStart(..) if seen_document => {
                // Cannot happen: the text was cut at every marker. Refuse rather than guess.
                composer.diagnostics.push(Diagnostic::error(
                    "yaml-syntax",
                    span,
                    "a second document starts without a `---` line",
                ));
                break;
            }
            Event::DocumentStart(..) => {
                seen_document = true;
                true
            }
            Event::Comment(comment, _) => {
                found_comments.push(Comment { span, text: comment.into() });
                true
            }
            Event::Scalar(value, style, anchor, tag) => {
                let foreign = tag.as_ref().is_some_and(|tag| !tag.is_yaml_core_schema());
                let nothing = anchor != 0 && style == ScalarStyle::Plain && place.is_empty();
                if foreign || nothing {
                    composer.diagnostics.push(explain::meant_as_text(text, &range, span));
                    break;
                }
                let text_tag = tag.is_some_and(|tag| tag.is_yaml_core_schema_tag("str"));
                let style = match style {
                    // `!!str` is the other way to say that a number is meant as text.
                    ScalarStyle::Plain if text_tag => Style::Literal,
                    ScalarStyle::Plain => Style::Plain,
                    ScalarStyle::SingleQuoted => Style::SingleQuoted,
                    ScalarStyle::DoubleQuoted => Style::DoubleQuoted,
                    ScalarStyle::Literal => Style::Literal,
                    ScalarStyle::Folded => Style::Folded,
                };
                let mut span = span;
                if matches!(style, Style::Literal | Style::Folded) {
                    // The parser counts the blank lines behind them too.
                    let written = composer.slice(span).trim_end().len();
                    span = Span::new(span.start as usize, span.start as usize + written);
                }
                composer.add(Node { kind: Kind::Scalar(value.into(), style), span }, anchor)
            }
            Event::SequenceStart(style, anchor, _) => {
                composer.open(span, anchor, style, Content::Sequence(Vec::new()))
            }
            Event::MappingStart(style, anchor, _) => {
                let content = Content::Mapping { entries: Vec::new(), key: None };
                composer.open(span, anchor, style, content)
            }
            Event::SequenceEnd | Event::MappingEnd => composer.close(span),
            Event::Alias(id) => composer.alias(id, span),
            _ => true,
        };
        if !go_on {
            break;
        }
    }
    if !composer.diagnostics.is_empty() {
        stream.diagnostics.append(&mut composer.diagnostics);
        return;
    }
    stream.comments.append(&mut found_comments);
    if let Some(root) = composer.root.filter(|root| !root.is_null()) {
        let end = range.start + part.trim_end().len();
        stream.documents.push(Document { root, span: Span::new(range.start, end) });
    }
}

impl Composer<'_> {
    fn open(&mut self, span: Span, anchor: usize, style: StructureStyle, content: Content) -> bool {
        if self.stack.len() >= DEPTH_LIMIT {
            self.diagnostics.push(explain::too_deep(span));
            return false;
        }
        let block = style == StructureStyle::Block;
        self.stack.push(Frame { start: span.start as usize, anchor, block, content });
        true
    }

    fn close(&mut self, span: Span) -> bool {
        let Some(frame) = self.stack.pop() else { return true };
        let (kind, last) = match frame.content {
            Content::Sequence(members) => {
                let last = members.last().map(|node| node.span.end);
                (Kind::Sequence(members), last)
            }
            Content::Mapping { entries, .. } => {
                let last = entries.last().map(|(key, value)| key.span.end.max(value.span.end));
                let Some(entries) = self.finish_mapping(entries) else { return false };
                (Kind::Mapping(entries), last)
            }
        };
        // A block collection's end event stands at the next token; its last member is its end.
        let end = match last {
            Some(last) if frame.block => last as usize,
            _ => span.end as usize,
        };
        let start = self.first_byte(frame.start);
        self.add(Node { kind, span: Span::new(start, end) }, frame.anchor)
    }

    /// Events of implicit nodes may point at blanks in front of them.
    fn first_byte(&self, start: usize) -> usize {
        let rest = self.text.get(start..).unwrap_or("");
        start + (rest.len() - rest.trim_start().len())
    }

    fn alias(&mut self, id: usize, span: Span) -> bool {
        let Some((_, cost)) = self.anchors.get(&id) else {
            let message = format!("alias `{}` stands inside its own anchor", self.slice(span));
            self.diagnostics.push(
                Diagnostic::error("yaml-syntax", span, message)
                    .with_help("write out what is meant: nothing can be a part of itself"),
            );
            return false;
        };
        if !self.spend(*cost, span) {
            return false;
        }
        let Some((node, _)) = self.anchors.get(&id) else { return false };
        let node = node.clone();
        self.add(node, 0)
    }

    fn spend(&mut self, cost: Cost, span: Span) -> bool {
        self.copied.nodes += cost.nodes;
        self.copied.bytes += cost.bytes;
        if self.copied.nodes <= ALIAS_NODE_LIMIT && self.copied.bytes <= ALIAS_BYTE_LIMIT {
            return true;
        }
        self.diagnostics.push(
            Diagnostic::error(
                "yaml-alias-limit",
                span,
                format!(
                    "aliases of this document expand to more than {ALIAS_NODE_LIMIT} nodes or \
                     {} MiB",
                    ALIAS_BYTE_LIMIT >> 20
                ),
            )
            .with_help("write the repeated parts out, or drop the anchors"),
        );
        false
    }

    fn add(&mut self, node: Node, anchor: usize) -> bool {
        if anchor != 0 {
            let mut cost = Cost::default();
            measure(&node, &mut cost);
            if !self.spend(cost, node.span) {
                return false;
            }
            self.anchors.insert(anchor, (node.clone(), cost));
        }
        match self.stack.last_mut().map(|frame| &mut frame.content) {
            None => self.root = Some(node),
            Some(Content::Sequence(members)) => members.push(node),
            Some(Content::Mapping { entries, key }) => match key.take() {
                Some(key) => entries.push((key, node)),
                None if node.text().is_none() => {
                    self.diagnostics.push(
                        Diagnostic::error(
                            "yaml-complex-key",
                            node.span,
                            format!("{} cannot be a key", node.noun()),
                        )
                        .with_help("quote the key if it is meant as text"),
                    );
                    return false;
                }
                None => *key = Some(node),
            },
        }
        true
    }

    /// Reports duplicate keys and resolves `<<`.
    fn finish_mapping(&mut self, entries: Vec<(Node, Node)>) -> Option<Vec<(Node, Node)>> {
        if entries.len() <= 12 {
            for (at, (key, _)) in entries.iter().enumerate() {
                if let Some((first, _)) =
                    entries[..at].iter().find(|(other, _)| other.text() == key.text())
                {
                    let (key, first) = (key.clone(), first.span);
                    self.duplicate(&key, first);
                }
            }
        } else {
            let mut seen: AHashMap<&str, Span> = AHashMap::with_capacity(entries.len());
            let mut duplicates = Vec::new();
            for (key, _) in &entries {
                if let Some(first) = seen.get(key.text().unwrap_or("")) {
                    duplicates.push((key, *first));
                } else {
                    seen.insert(key.text().unwrap_or(""), key.span);
                }
            }
            for (key, first) in duplicates.into_iter().take(20) {
                self.duplicate(key, first);
            }
        }
        let is_merge =
            |key: &Node| matches!(&key.kind, Kind::Scalar(text, Style::Plain) if &**text == "<<");
        if !entries.iter().any(|(key, _)| is_merge(key)) {
            return Some(entries);
        }
        let (merges, mut entries): (Vec<_>, Vec<_>) =
            entries.into_iter().partition(|(key, _)| is_merge(key));
        for (key, value) in merges {
            let sources = match value.kind {
                Kind::Sequence(members) => members,
                _ => vec![value],
            };
            for source in sources {
                let Kind::Mapping(more) = source.kind else {
                    self.diagnostics.push(
                        Diagnostic::error(
                            "yaml-merge-key",
                            key.span,
                            format!(
                                "`<<` needs a mapping or a list of mappings, not {}",
                                source.noun()
                            ),
                        )
                        .with_help("write `<<: *anchor`"),
                    );
                    return None;
                };
                for (key, value) in more {
                    if !entries.iter().any(|(other, _)| other.text() == key.text()) {
                        entries.push((key, value));
                    }
                }
            }
        }
        Some(entries)
    }

    fn duplicate(&mut self, key: &Node, first: Span) {
        let name = key.text().unwrap_or("");
        self.diagnostics.push(
            Diagnostic::error("duplicate-key", key.span, format!("duplicate key `{name}`"))
                .with_label(first, "first given here")
                .with_help("give all values of a field as one list, or rename the selection"),
        );
    }

    fn slice(&self, span: Span) -> &str {
        self.text.get(span.range()).unwrap_or("")
    }

    fn syntax_error(&self, error: &ScanError, range: &Range<usize>) -> Diagnostic {
        let offset = self.base + error.marker().byte_offset().unwrap_or(0);
        let problem = match error.kind() {
            ErrorKind::RecursionLimitExceeded => {
                return explain::too_deep(Span::new(offset, offset + 1));
            }
            ErrorKind::UnknownAnchor | ErrorKind::MissingAnchorOrAliasName => {
                explain::Problem::UnknownAlias
            }
            ErrorKind::UnknownQuotedScalarEscape
            | ErrorKind::InvalidQuotedScalarHexEscape
            | ErrorKind::InvalidUnicodeEscape
            | ErrorKind::InvalidLowSurrogateHexEscape
            | ErrorKind::InvalidLowSurrogate
            | ErrorKind::MissingLowSurrogate
            | ErrorKind::UnpairedLowSurrogate => explain::Problem::BadEscape,
            ErrorKind::UnclosedQuotedScalar
            | ErrorKind::InvalidQuotedScalarIndent
            | ErrorKind::DocumentIndicatorInQuotedScalar => explain::Problem::UnclosedQuote,
            ErrorKind::TabNotAllowed
            | ErrorKind::TabInBlockIndentation
            | ErrorKind::TabInIndentation
            | ErrorKind::TabAtBlockScalarStart
            | ErrorKind::TabInPlainScalar => explain::Problem::Tab,
            ErrorKind::InvalidTrailingSingleQuotedScalar
            | ErrorKind::InvalidTrailingDoubleQuotedScalar => explain::Problem::AfterQuote,
            ErrorKind::MappingValueNotAllowed
            | ErrorKind::InvalidSimpleKey
            | ErrorKind::InvalidColonPlacement
            | ErrorKind::SimpleKeyExpected => explain::Problem::StrayColon,
            ErrorKind::ExpectedBlockMappingKey
            | ErrorKind::ExpectedBlockSequenceEntry
            | ErrorKind::InvalidIndentation => explain::Problem::Indentation,
            ErrorKind::BlockSequenceEntryNotAllowed => explain::Problem::Dash,
            _ => explain::Problem::Other,
        };
        explain::syntax(self.text, range.clone(), offset, problem, &error.info())
    }
}

fn measure(node: &Node, cost: &mut Cost) {
    cost.nodes += 1;
    match &node.kind {
        Kind::Scalar(text, _) => cost.bytes += text.len(),
        Kind::Sequence(members) => members.iter().for_each(|member| measure(member, cost)),
        Kind::Mapping(entries) => {
            for (key, value) in entries {
                measure(key, cost);
                measure(value, cost);
            }
        }
    }
}
