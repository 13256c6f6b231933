//! Boolean expressions over rule names: extended conditions of temporal correlations (SEP 198) and
//! the operands of the legacy `near`.

use super::TemporalCondition;
use crate::Span;

/// How deep parentheses and `not` may nest.
const MAX_DEPTH: usize = 64;

/// An expression and the names it mentions, in order of their first mention.
#[derive(Debug)]
pub(crate) struct Expression {
    /// Over indices into `names`.
    pub(crate) condition: TemporalCondition,
    /// Each once, with its first place relative to the text.
    pub(crate) names: Vec<(String, Span)>,
}

/// What is wrong with an expression, and where in its text.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ExpressionError {
    pub(crate) message: String,
    pub(crate) span: Span,
}

/// `or := and ('or' and)*`, `and := not ('and' not)*`, `not := 'not' not | '(' or ')' | name`.
pub(crate) fn parse(text: &str) -> Result<Expression, ExpressionError> {
    let mut parser = Parser { text, words: words(text)?, next: 0, names: Vec::new() };
    let condition = parser.or(0)?;
    match parser.peek() {
        None => Ok(Expression { condition, names: parser.names }),
        Some((word, span)) => Err(ExpressionError {
            message: match word {
                ")" => "`)` without `(`".to_owned(),
                _ => format!("expected `and` or `or` before `{word}`"),
            },
            span,
        }),
    }
}

/// Words and parentheses with their places.
fn words(text: &str) -> Result<Vec<(&str, Span)>, ExpressionError> {
    let in_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let mut words = Vec::new();
    let mut rest = text.char_indices().peekable();
    while let Some((start, c)) = rest.next() {
        let mut end = start + c.len_utf8();
        if c.is_whitespace() {
            continue;
        }
        if in_name(c) {
            while let Some(&(at, c)) = rest.peek().filter(|&&(_, c)| in_name(c)) {
                end = at + c.len_utf8();
                rest.next();
            }
        } else if c != '(' && c != ')' {
            return Err(ExpressionError {
                message: format!("unexpected `{c}`"),
                span: Span::new(start, end),
            });
        }
        words.push((&text[start..end], Span::new(start, end)));
    }
    Ok(words)
}

struct Parser<'a> {
    text: &'a str,
    words: Vec<(&'a str, Span)>,
    next: usize,
    names: Vec<(String, Span)>,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<(&'a str, Span)> {
        self.words.get(self.next).copied()
    }

    fn accept(&mut self, keyword: &str) -> bool {
        let found = self.peek().is_some_and(|(word, _)| word.eq_ignore_ascii_case(keyword));
        self.next += usize::from(found);
        found
    }

    fn or(&mut self, depth: usize) -> Result<TemporalCondition, ExpressionError> {
        let mut members = vec![self.and(depth)?];
        while self.accept("or") {
            members.push(self.and(depth)?);
        }
        Ok(single_or(members, TemporalCondition::Or))
    }

    fn and(&mut self, depth: usize) -> Result<TemporalCondition, ExpressionError> {
        let mut members = vec![self.not(depth)?];
        while self.accept("and") {
            members.push(self.not(depth)?);
        }
        Ok(single_or(members, TemporalCondition::And))
    }

    fn not(&mut self, depth: usize) -> Result<TemporalCondition, ExpressionError> {
        let end = Span::new(self.text.len(), self.text.len());
        let place = self.peek().map_or(end, |(_, span)| span);
        if depth > MAX_DEPTH {
            let message = format!("nested deeper than {MAX_DEPTH} levels");
            return Err(ExpressionError { message, span: place });
        }
        if self.accept("not") {
            return Ok(TemporalCondition::Not(Box::new(self.not(depth + 1)?)));
        }
        if self.accept("(") {
            let inner = self.or(depth + 1)?;
            return if self.accept(")") {
                Ok(inner)
            } else {
                let message = "`(` is never closed".to_owned();
                Err(ExpressionError { message, span: place })
            };
        }
        let Some((word, span)) = self.peek() else {
            let message = "expected a rule name at the end".to_owned();
            return Err(ExpressionError { message, span: end });
        };
        let lower = word.to_ascii_lowercase();
        if word == ")" || lower == "and" || lower == "or" {
            let message = format!("expected a rule name before `{word}`");
            return Err(ExpressionError { message, span });
        }
        self.next += 1;
        let index = self.names.iter().position(|(name, _)| name == word).unwrap_or_else(|| {
            self.names.push((word.to_owned(), span));
            self.names.len() - 1
        });
        Ok(TemporalCondition::Rule(index))
    }
}

/// The only member, or the members linked.
fn single_or(
    mut members: Vec<TemporalCondition>,
    link: fn(Vec<TemporalCondition>) -> TemporalCondition,
) -> TemporalCondition {
    match members.pop() {
        Some(only) if members.is_empty() => only,
        last => {
            members.extend(last);
            link(members)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use TemporalCondition::{And, Not, Or, Rule};

    #[test]
    fn precedence_is_not_and_or() {
        let parsed = parse("a or b and not (c or a)").unwrap();
        let expected =
            Or(vec![Rule(0), And(vec![Rule(1), Not(Box::new(Or(vec![Rule(2), Rule(0)])))])]);
        assert_eq!(parsed.condition, expected);
        let names: Vec<_> = parsed.names.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["a", "b", "c"]);
    }

    #[test]
    fn words_that_start_like_operators_are_names() {
        let parsed = parse("notepad and android and order").unwrap();
        assert_eq!(parsed.condition, And(vec![Rule(0), Rule(1), Rule(2)]));
    }

    #[test]
    fn errors_have_a_place() {
        let error = |text| {
            let ExpressionError { message, span } = parse(text).unwrap_err();
            (message, span.start)
        };
        assert_eq!(error("a and"), ("expected a rule name at the end".to_owned(), 5));
        assert_eq!(error("a b"), ("expected `and` or `or` before `b`".to_owned(), 2));
        assert_eq!(error("(a"), ("`(` is never closed".to_owned(), 0));
        assert_eq!(error("a)"), ("`)` without `(`".to_owned(), 1));
        assert_eq!(error("a & b"), ("unexpected `&`".to_owned(), 2));
        assert_eq!(error("and a"), ("expected a rule name before `and`".to_owned(), 0));
        assert!(parse(&"(".repeat(10_000)).is_err());
        assert!(parse(&"not ".repeat(10_000)).is_err());
    }

    proptest::proptest! {
        #[test]
        fn never_panics(text in "[a-c()é \\-&|]{0,40}|(not |and |or |a |\\(|\\)){0,20}") {
            let _ = parse(&text);
        }
    }
}
