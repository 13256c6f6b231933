//! The condition grammar (semantics section 13): text to [`Condition`] with selection indices.
//!
//! ```text
//! or   := and ('or' and)*      and := not ('and' not)*      not := 'not' not | atom
//! atom := '(' or ')' | ('1' | 'any' | 'all') 'of' ('them' | pattern) | name
//! ```

use crate::diagnostic::Code;
use crate::suggestion::did_you_mean;
use crate::yaml::Node;
use crate::{Diagnostic, Selection, Span};
use ahash::AHashMap;

/// A condition over the selections of one rule, by index into its `selections`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// All must hold; never empty.
    And(Vec<Condition>),
    /// One must hold; never empty.
    Or(Vec<Condition>),
    /// Must not hold.
    Not(Box<Condition>),
    /// A selection.
    Selection(usize, Span),
    /// `1 of …` (`any of`) or `all of …`, with the selections its pattern found.
    /// Without any, both are false and lint says so (choice C11).
    Of {
        /// `all of`; otherwise `1 of`.
        all: bool,
        /// The pattern as written, or `them`.
        pattern: Box<str>,
        /// What it found, in the order of the rule.
        selections: Vec<usize>,
        /// Where.
        span: Span,
    },
}

/// Nested parentheses and `not`s beyond this are refused.
pub const DEPTH_LIMIT: usize = 200;

/// The code of a rule whose condition comes to too much.
pub const TOO_LARGE: Code = "condition-too-large";

/// Name comparisons that the `of` patterns of one condition may cost.
const PATTERN_WORK_LIMIT: usize = 20_000_000;

/// Parses the condition in `text`, which is all of the scalar `node` or its beginning.
///
/// # Errors
/// The first mistake, with its place and what to do.
pub(crate) fn parse(
    text: &str,
    node: &Node,
    selections: &[Selection],
) -> Result<Condition, Diagnostic> {
    let mut parser = Parser {
        words: words(text),
        next: 0,
        text,
        node,
        selections,
        names: selections.iter().enumerate().map(|(at, s)| (&*s.name, at)).collect(),
        work: 0,
    };
    if parser.words.is_empty() {
        return Err(Diagnostic::error("empty-condition", node.span, "the condition is empty")
            .with_help("name a selection, e.g. `condition: selection`"));
    }
    let condition = parser.or(0)?;
    match parser.peek() {
        None => Ok(condition),
        Some(word) if word.text == ")" => {
            Err(parser.error(word, "`)` without a `(`", "remove it, or add the opening `(`"))
        }
        Some(word) => {
            let message = format!("expected `and`, `or` or the end, found `{}`", word.text);
            Err(parser.error(word, message, "join selections with `and` or `or`"))
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Word<'a> {
    text: &'a str,
    start: usize,
}

/// Words and parentheses.
fn words(text: &str) -> Vec<Word<'_>> {
    let mut words = Vec::new();
    let mut start = None;
    for (at, character) in text.char_indices() {
        let parenthesis = matches!(character, '(' | ')');
        if parenthesis || character.is_whitespace() {
            if let Some(start) = start.take() {
                words.push(Word { text: &text[start..at], start });
            }
            if parenthesis {
                words.push(Word { text: &text[at..=at], start: at });
            }
        } else if start.is_none() {
            start = Some(at);
        }
    }
    if let Some(start) = start {
        words.push(Word { text: &text[start..], start });
    }
    words
}

struct Parser<'a> {
    words: Vec<Word<'a>>,
    next: usize,
    text: &'a str,
    node: &'a Node,
    selections: &'a [Selection],
    names: AHashMap<&'a str, usize>,
    work: usize,
}

/// Operators may be written in lower case or in capitals (choice C21).
fn is(word: &str, operator: &str) -> bool {
    word == operator
        || (word.eq_ignore_ascii_case(operator) && !word.bytes().any(|b| b.is_ascii_lowercase()))
}

fn is_operator(word: &str) -> bool {
    ["and", "or", "not", "of"].into_iter().any(|operator| is(word, operator))
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<Word<'a>> {
        self.words.get(self.next).copied()
    }

    fn take(&mut self, operator: &str) -> bool {
        let found = self.peek().is_some_and(|word| is(word.text, operator));
        self.next += usize::from(found);
        found
    }

    fn span(&self, from: usize, to: usize) -> Span {
        self.node.sub_span(from, to)
    }

    fn word_span(&self, word: Word<'_>) -> Span {
        self.span(word.start, word.start + word.text.len())
    }

    fn error(
        &self,
        word: Word<'_>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> Diagnostic {
        Diagnostic::error("condition-syntax", self.word_span(word), message).with_help(help)
    }

    fn at_end(&self, message: &str, help: &str) -> Diagnostic {
        let end = self.text.trim_end().len();
        let last = self.words.last().map_or(end, |word| word.start);
        Diagnostic::error("condition-syntax", self.span(last, end), message).with_help(help)
    }

    fn or(&mut self, depth: usize) -> Result<Condition, Diagnostic> {
        let first = self.and(depth)?;
        let mut members = Vec::new();
        while self.take("or") {
            members.push(self.and(depth)?);
        }
        if members.is_empty() {
            return Ok(first);
        }
        members.insert(0, first);
        Ok(Condition::Or(members))
    }

    fn and(&mut self, depth: usize) -> Result<Condition, Diagnostic> {
        let first = self.not(depth)?;
        let mut members = Vec::new();
        while self.take("and") {
            members.push(self.not(depth)?);
        }
        if members.is_empty() {
            return Ok(first);
        }
        members.insert(0, first);
        Ok(Condition::And(members))
    }

    fn not(&mut self, depth: usize) -> Result<Condition, Diagnostic> {
        let Some(word) = self.peek() else {
            return Err(self.at_end(
                "the condition ends where a selection is expected",
                "name a selection behind the last operator",
            ));
        };
        if depth > DEPTH_LIMIT {
            return Err(self.error(
                word,
                format!("more than {DEPTH_LIMIT} nested parentheses and `not`s"),
                "simplify the condition",
            ));
        }
        if is(word.text, "not") {
            self.next += 1;
            return Ok(Condition::Not(Box::new(self.not(depth + 1)?)));
        }
        self.next += 1;
        match word.text {
            "(" => {
                if let Some(close) = self.peek().filter(|next| next.text == ")") {
                    return Err(self.error(
                        close,
                        "the parentheses are empty",
                        "name a selection inside",
                    ));
                }
                let inner = self.or(depth + 1)?;
                match self.peek() {
                    Some(next) if next.text == ")" => {
                        self.next += 1;
                        Ok(inner)
                    }
                    None => Err(self.error(word, "`(` is never closed", "add the closing `)`")),
                    Some(next) => {
                        let message = format!("expected `)`, found `{}`", next.text);
                        Err(self.error(next, message, "join selections with `and` or `or`"))
                    }
                }
            }
            ")" => Err(self.error(
                word,
                "`)` where a selection is expected",
                "name a selection in front",
            )),
            text if self.peek().is_some_and(|next| is(next.text, "of")) => {
                self.next += 1;
                self.of(word, text)
            }
            text if is_operator(text) => {
                let message = format!("`{text}` where a selection is expected");
                Err(self.error(word, message, "name a selection on both sides of `and` and `or`"))
            }
            text => match self.names.get(text) {
                Some(&index) => Ok(Condition::Selection(index, self.word_span(word))),
                None => Err(self.undefined(word)),
            },
        }
    }

    fn undefined(&self, word: Word<'_>) -> Diagnostic {
        let text = word.text;
        if text.contains('*') {
            let help = format!("write `1 of {text}` or `all of {text}`");
            return self.error(word, format!("pattern `{text}` without `1 of` or `all of`"), help);
        }
        let defined = || {
            let names: Vec<&str> = self.selections.iter().map(|s| &*s.name).take(10).collect();
            match names.as_slice() {
                [] => "add a selection of that name to `detection`".to_owned(),
                names => format!("defined selections: `{}`", names.join("`, `")),
            }
        };
        let names = self.selections.iter().take(1000).map(|selection| &*selection.name);
        let help = did_you_mean(text, names, defined);
        Diagnostic::error(
            "undefined-selection",
            self.word_span(word),
            format!("undefined selection `{text}`"),
        )
        .with_help(help)
    }

    /// Behind `of`.
    fn of(&mut self, quantifier: Word<'a>, how_many: &str) -> Result<Condition, Diagnostic> {
        let all = match how_many {
            "1" => false,
            word if is(word, "any") => false,
            word if is(word, "all") => true,
            other => {
                let message = format!("`{other} of` is not a quantifier");
                let help = "write `1 of`, `any of` or `all of`";
                return Err(self.error(quantifier, message, help));
            }
        };
        let Some(word) = self.peek() else {
            return Err(self
                .at_end("`of` needs a pattern", "write e.g. `1 of selection_*` or `all of them`"));
        };
        let sound = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '*' | '.');
        if is_operator(word.text) || !word.text.chars().all(sound) {
            let message = format!("`{}` is not a pattern of selection names", word.text);
            return Err(self.error(
                word,
                message,
                "write e.g. `1 of selection_*` or `all of them`",
            ));
        }
        self.next += 1;
        self.work += self.selections.len();
        if self.work > PATTERN_WORK_LIMIT {
            let message = "too many patterns over too many selections";
            let error = self.error(word, message, "split the rule");
            return Err(Diagnostic { code: TOO_LARGE, ..error });
        }
        let found = |name: &str| {
            if is(word.text, "them") {
                !name.starts_with('_')
            } else {
                (word.text.starts_with('_') || !name.starts_with('_')) && fits(word.text, name)
            }
        };
        let selections = self.selections.iter().enumerate();
        let selections = selections.filter(|(_, s)| found(&s.name)).map(|(at, _)| at).collect();
        Ok(Condition::Of {
            all,
            pattern: word.text.into(),
            selections,
            span: self.span(quantifier.start, word.start + word.text.len()),
        })
    }
}

/// Whether a name fits a pattern with `*` at any place.
pub(crate) fn fits(pattern: &str, name: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(mut name) = name.strip_prefix(first) else { return false };
    let mut pieces: Vec<&str> = rest.split('*').collect();
    let last = pieces.pop().unwrap_or("");
    for piece in pieces {
        match name.find(piece) {
            Some(at) => name = &name[at + piece.len()..],
            None => return false,
        }
    }
    name.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Search;
    use crate::yaml::{Kind, Style};
    use proptest::prelude::*;

    fn read(names: &[&str], text: &str) -> Result<Condition, Diagnostic> {
        let selections: Vec<Selection> = names
            .iter()
            .map(|name| Selection {
                name: (*name).into(),
                span: Span::default(),
                search: Search::All(Vec::new()),
            })
            .collect();
        let kind = Kind::Scalar(text.into(), Style::Plain);
        let node = Node { kind, span: Span::new(100, 100 + text.len()) };
        parse(text, &node, &selections)
    }

    fn show(condition: &Condition, names: &[&str]) -> String {
        let join = |members: &[Condition], with: &str| {
            let members: Vec<String> = members.iter().map(|m| show(m, names)).collect();
            format!("({})", members.join(with))
        };
        match condition {
            Condition::And(members) => join(members, " & "),
            Condition::Or(members) => join(members, " | "),
            Condition::Not(member) => format!("!{}", show(member, names)),
            Condition::Selection(at, _) => names[*at].to_owned(),
            Condition::Of { all, selections, .. } => {
                let found: Vec<&str> = selections.iter().map(|at| names[*at]).collect();
                format!("{}[{}]", if *all { "all" } else { "any" }, found.join(" "))
            }
        }
    }

    fn shown(names: &[&str], text: &str) -> String {
        show(&read(names, text).unwrap_or_else(|error| panic!("{text}: {error:?}")), names)
    }

    #[test]
    fn precedence_and_parentheses() {
        let names = &["a", "b", "c"];
        assert_eq!(shown(names, "a or b and not c"), "(a | (b & !c))");
        assert_eq!(shown(names, "not(a)and(b or c)"), "(!a & (b | c))");
        assert_eq!(shown(names, "a\n AND\tNOT b OR c"), "((a & !b) | c)");
        assert_eq!(shown(names, "((a))"), "a");
        assert_eq!(shown(names, "not not a"), "!!a");
    }

    #[test]
    fn keywords_need_word_borders() {
        let names = &["notepad", "android", "order_1", "1st", "all", "sel-1", "1"];
        assert_eq!(
            shown(names, "notepad and android or order_1 and 1st and all or sel-1 and 1"),
            "((notepad & android) | (order_1 & 1st & all) | (sel-1 & 1))"
        );
    }

    #[test]
    fn patterns() {
        let names = &["selection_a", "selection_b", "filter", "_selection", "Selection", "sel-x"];
        assert_eq!(shown(names, "1 of selection_*"), "any[selection_a selection_b]");
        assert_eq!(shown(names, "any of *_b"), "any[selection_b]");
        assert_eq!(
            shown(names, "all of them"),
            "all[selection_a selection_b filter Selection sel-x]"
        );
        assert_eq!(shown(names, "1 of _*"), "any[_selection]");
        assert_eq!(shown(names, "1 of *lecti*"), "any[selection_a selection_b Selection]");
        assert_eq!(shown(names, "1 of s*ti*_*"), "any[selection_a selection_b]");
        assert_eq!(shown(names, "1 of sel-*"), "any[sel-x]");
        assert_eq!(shown(names, "filter and not 1 of none*"), "(filter & !any[])");
    }

    #[test]
    fn mistakes_are_placed_and_explained() {
        let names = &["selection", "filter"];
        let cases = [
            ("", "empty-condition", 0, ""),
            ("selection and", "condition-syntax", 10, "name a selection behind"),
            ("selection and ()", "condition-syntax", 15, "name a selection"),
            ("(selection and filter", "condition-syntax", 0, "closing `)`"),
            ("selection)", "condition-syntax", 9, "opening `(`"),
            ("selection filter", "condition-syntax", 10, "join"),
            ("selection and not filtr", "undefined-selection", 18, "did you mean `filter`?"),
            ("selection or sel*", "condition-syntax", 13, "`1 of sel*`"),
            ("2 of them", "condition-syntax", 0, "`1 of`"),
            ("1 of", "condition-syntax", 2, "them"),
            ("1 of (selection)", "condition-syntax", 5, "them"),
            ("or selection", "condition-syntax", 0, "both sides"),
        ];
        for (text, code, start, help) in cases {
            let error = read(names, text).expect_err(text);
            assert_eq!((error.code, error.span.start), (code, 100 + start), "{text}");
            assert!(error.help.as_deref().unwrap_or("").contains(help), "{text}: {error:?}");
        }
    }

    #[test]
    fn depth_is_limited() {
        let nested = |n: usize| format!("{}a{}", "(".repeat(n), ")".repeat(n));
        assert!(read(&["a"], &nested(150)).is_ok());
        assert_eq!(read(&["a"], &nested(100_000)).expect_err("deep").code, "condition-syntax");
        assert!(read(&["a"], &format!("{} a", "not ".repeat(100_000))).is_err());
        assert!(read(&["a"], &format!("a{}", " or a".repeat(100_000))).is_ok());
    }

    proptest! {
        #[test]
        fn no_condition_panics(text in "(a|b\\*|and|or|not|of|1|all|them|\\(|\\)| |é|\\|){0,30}") {
            let _ = read(&["a", "b_1"], &text);
        }
    }
}
