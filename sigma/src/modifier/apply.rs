//! Values as written to [`Matcher`]s: each modifier in the order written, each on every value.

use super::Modifier;
use super::encoding::{Utf16, base64, base64_offsets, utf16};
use super::parts::{self, Part};
use super::regex;
use crate::rule::Item;
use crate::value::{Anchor, Comparison, DatePart, Matcher, Pattern, Regex, Scalar, Token};
use crate::{Diagnostic, Span};
use ipnet::IpNet;
use std::net::IpAddr;

/// Values that one written value may expand to.
const EXPANSION_LIMIT: usize = 10_000;

/// Bytes that one written value may expand to.
const EXPANSION_BYTES: usize = 16 << 20;

/// Values for `expand`: name → values.
pub(crate) type Placeholders = [(String, Vec<String>)];

/// A value on its way through the modifiers.
#[derive(Clone, Debug)]
enum Value {
    Text {
        parts: Vec<Part>,
        cased: bool,
    },
    Number(Box<str>),
    Bool(bool),
    Null,
    Regex(Regex),
    Cidr(IpNet),
    Compare(Comparison, Box<str>),
    FieldRef(Box<str>, Anchor),
    Exists(bool),
    DatePart(DatePart, Option<Comparison>, i64),
    /// An expansion; never nested.
    AnyOf(Vec<Value>),
}

/// Fills in `matchers`, `all` and `negated` of an item from its modifiers and values.
/// Matchers of keywords carry `*` at both ends, since keywords are searched for inside values.
///
/// # Errors
/// Everything that is wrong with the item.
pub(crate) fn apply(item: &mut Item, placeholders: &Placeholders) -> Result<(), Vec<Diagnostic>> {
    let mut errors = Vec::new();
    let mut matchers = Vec::with_capacity(item.values.len());
    item.all = item.modifiers.contains(&Modifier::All);
    item.negated = item.modifiers.contains(&Modifier::Neq);
    if let Err(error) = check_exists(item) {
        return Err(vec![error]);
    }
    for (at, scalar) in item.values.iter().enumerate() {
        let span = item.value_spans.get(at).copied().unwrap_or(item.span);
        let working = Working { item, scalar, span, placeholders };
        match working.run() {
            Ok(value) => matchers.push(matcher(value, item.field.is_none())),
            Err(error) => errors.push(*error),
        }
    }
    if errors.is_empty() {
        item.matchers = matchers;
        Ok(())
    } else {
        // Thousands of equal mistakes in one list help nobody.
        errors.truncate(20);
        Err(errors)
    }
}

/// `exists` stands alone, on a field.
fn check_exists(item: &Item) -> Result<(), Diagnostic> {
    if !item.modifiers.contains(&Modifier::Exists) {
        return Ok(());
    }
    if item.modifiers.len() > 1 {
        return Err(Diagnostic::error(
            "modifier-combination",
            item.span,
            "`exists` cannot be combined with other modifiers",
        )
        .with_help("write two items, e.g. `Field|exists: true` and `Field|contains: text`"));
    }
    if item.field.is_none() {
        return Err(Diagnostic::error("modifier-type", item.span, "`exists` needs a field name")
            .with_help("write `Field|exists: true`"));
    }
    Ok(())
}

type Fallible<T> = Result<T, Box<Diagnostic>>;

/// One value with what is needed to report about it.
struct Working<'a> {
    item: &'a Item,
    scalar: &'a Scalar,
    span: Span,
    placeholders: &'a Placeholders,
}

impl Working<'_> {
    fn run(&self) -> Fallible<Value> {
        let mut modifiers = self.item.modifiers.iter().filter(|m| !m.is_for_list()).peekable();
        let expand = self.item.modifiers.contains(&Modifier::Expand);
        let mut value = match (self.scalar, modifiers.peek()) {
            // These read the text verbatim or in their own way.
            (Scalar::Text(text), Some(Modifier::Re)) => {
                modifiers.next();
                Value::Regex(Regex {
                    pattern: text.clone(),
                    ignore_case: false,
                    multi_line: false,
                    dot_all: false,
                })
            }
            (Scalar::Text(text), Some(Modifier::Cidr)) => {
                modifiers.next();
                Value::Cidr(self.cidr(text)?)
            }
            (Scalar::Text(text), _) => {
                Value::Text { parts: parts::parse(text, expand), cased: false }
            }
            (Scalar::Number(number), _) => Value::Number(number.clone()),
            (Scalar::Bool(value), _) => Value::Bool(*value),
            (Scalar::Null, _) => Value::Null,
        };
        for modifier in modifiers {
            value = match value {
                Value::AnyOf(members) => {
                    let mut all = Vec::with_capacity(members.len());
                    for member in members {
                        match self.step(member, *modifier)? {
                            Value::AnyOf(more) => all.extend(more),
                            one => all.push(one),
                        }
                        if all.len() > EXPANSION_LIMIT {
                            return Err(self.too_many());
                        }
                    }
                    Value::AnyOf(all)
                }
                one => self.step(one, *modifier)?,
            };
        }
        self.check_regexes(&value)?;
        if self.item.field.is_none() && matches!(value, Value::Null) {
            return Err(self.error(
                "keyword-type",
                "a keyword cannot be null",
                "write text, or name a field",
            ));
        }
        Ok(value)
    }

    fn step(&self, value: Value, modifier: Modifier) -> Fallible<Value> {
        use Modifier as M;
        Ok(match (modifier, value) {
            (M::Contains | M::StartsWith | M::EndsWith, Value::Text { mut parts, cased }) => {
                if modifier != M::StartsWith && parts.first() != Some(&Part::Any) {
                    parts.insert(0, Part::Any);
                }
                if modifier != M::EndsWith && parts.last() != Some(&Part::Any) {
                    parts.push(Part::Any);
                }
                Value::Text { parts, cased }
            }
            // A regular expression is a search already.
            (M::Contains | M::StartsWith | M::EndsWith, regex @ Value::Regex(_)) => regex,
            (M::Contains, Value::FieldRef(name, _)) => Value::FieldRef(name, Anchor::Anywhere),
            (M::StartsWith, Value::FieldRef(name, anchor)) => match anchor {
                Anchor::Whole | Anchor::Start => Value::FieldRef(name, Anchor::Start),
                Anchor::End | Anchor::Anywhere => Value::FieldRef(name, Anchor::Anywhere),
            },
            (M::EndsWith, Value::FieldRef(name, anchor)) => match anchor {
                Anchor::Whole | Anchor::End => Value::FieldRef(name, Anchor::End),
                Anchor::Start | Anchor::Anywhere => Value::FieldRef(name, Anchor::Anywhere),
            },
            (M::Cased, Value::Text { parts, .. }) => Value::Text { parts, cased: true },
            (M::Exists, Value::Bool(value)) => Value::Exists(value),
            (M::IgnoreCase, Value::Regex(regex)) => {
                Value::Regex(Regex { ignore_case: true, ..regex })
            }
            (M::MultiLine, Value::Regex(regex)) => {
                Value::Regex(Regex { multi_line: true, ..regex })
            }
            (M::DotAll, Value::Regex(regex)) => Value::Regex(Regex { dot_all: true, ..regex }),
            (
                M::Wide | M::Utf16Le | M::Utf16Be | M::Utf16 | M::Base64 | M::Base64Offset,
                Value::Text { parts, cased },
            ) => self.encode(parts, cased, modifier)?,
            (M::WinDash, Value::Text { parts, cased }) => {
                Value::Text { parts: parts::option_dashes(parts), cased }
            }
            (M::Lt | M::Lte | M::Gt | M::Gte, Value::Number(number)) => {
                Value::Compare(comparison(modifier), number)
            }
            (M::Lt | M::Lte | M::Gt | M::Gte, Value::DatePart(part, None, number)) => {
                Value::DatePart(part, Some(comparison(modifier)), number)
            }
            (
                M::Minute | M::Hour | M::Day | M::Week | M::Month | M::Year,
                Value::Number(number),
            ) => self.date_part(modifier, &number)?,
            (M::FieldRef, Value::Text { parts, .. }) => self.field_reference(&parts)?,
            (M::Expand, Value::Text { parts, cased }) => self.expand(parts, cased)?,
            (M::Expand, Value::Regex(regex)) => self.expand_regex(regex)?,
            (modifier, value) => return Err(self.wrong_type(modifier, &value)),
        })
    }

    fn error(
        &self,
        code: &'static str,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> Box<Diagnostic> {
        Box::new(Diagnostic::error(code, self.span, message).with_help(help))
    }

    fn too_many(&self) -> Box<Diagnostic> {
        self.error(
            "expansion-limit",
            format!("the value expands to more than {EXPANSION_LIMIT} values"),
            "split the value, or use fewer placeholders in it",
        )
    }

    fn wrong_type(&self, modifier: Modifier, value: &Value) -> Box<Diagnostic> {
        use Modifier as M;
        let field = self.item.field.as_deref().unwrap_or("");
        let name = modifier.name();
        let first = matches!(modifier, M::Re | M::Cidr);
        if first && !matches!(value, Value::Number(_) | Value::Bool(_) | Value::Null) {
            return self.error(
                "modifier-combination",
                format!("`{name}` must be the first modifier"),
                format!("write `{field}|{name}` with other modifiers behind it"),
            );
        }
        let what = match value {
            Value::Text { .. } => "text",
            Value::Number(_) => "a number",
            Value::Bool(_) => "a boolean",
            Value::Null => "null",
            Value::Regex(_) => "a regular expression",
            Value::Cidr(_) => "a network",
            Value::Compare(..) => "a comparison",
            Value::FieldRef(..) => "a field reference",
            Value::Exists(_) => "an existence test",
            Value::DatePart(..) => "a date part",
            Value::AnyOf(_) => "several values",
        };
        let number = |parts: &[Part]| match parts {
            [Part::Text(text)] => crate::value::canonical_number(text).map(|_| text.clone()),
            _ => None,
        };
        let help = match (modifier, value) {
            (M::Exists, _) => "write `true` or `false` without quotes".to_owned(),
            (_, Value::Null) => format!("write `{field}: null` as an item of its own"),
            (_, Value::Text { parts, .. }) if modifier.takes_number() => match number(parts) {
                Some(number) => format!("write the number without quotes: {number}"),
                None => "give a number, such as 22".to_owned(),
            },
            (_, Value::Bool(_)) if modifier.takes_number() => {
                "give a number, such as 22".to_owned()
            }
            (M::Cidr, _) => "write a network, such as 192.168.0.0/16".to_owned(),
            (M::Minute | M::Hour | M::Day | M::Week | M::Month | M::Year, Value::Compare(..)) => {
                format!("write the date part first: `{field}|{name}|gte`")
            }
            (M::IgnoreCase | M::MultiLine | M::DotAll, _) => {
                format!("write `{field}|re|{name}`; other comparisons ignore case already")
            }
            (M::Cased, Value::Regex(_)) => {
                "remove `cased`: regular expressions mind case, unless `i` is behind `re`"
                    .to_owned()
            }
            (_, Value::Number(number)) => format!("quote the number: '{number}'"),
            (_, Value::Bool(value)) => format!("quote it: '{value}'"),
            _ => format!("remove `{name}`, or the modifier that makes {what} of the value"),
        };
        self.error("modifier-type", format!("`{name}` cannot be applied to {what}"), help)
    }

    fn cidr(&self, text: &str) -> Fallible<IpNet> {
        let network = match text.parse::<IpNet>() {
            Ok(network) => network,
            Err(_) => match text.parse::<IpAddr>() {
                Ok(address) => IpNet::from(address),
                Err(_) => {
                    return Err(self.error(
                        "invalid-cidr",
                        format!("`{text}` is not an IP network"),
                        "write e.g. 192.168.0.0/16 or fe80::/10",
                    ));
                }
            },
        };
        if network.trunc() != network {
            return Err(self.error(
                "invalid-cidr",
                format!("`{text}` has host bits set"),
                format!("write the network: {}", network.trunc()),
            ));
        }
        Ok(network)
    }

    fn date_part(&self, modifier: Modifier, number: &str) -> Fallible<Value> {
        let part = match modifier {
            Modifier::Minute => DatePart::Minute,
            Modifier::Hour => DatePart::Hour,
            Modifier::Day => DatePart::Day,
            Modifier::Week => DatePart::Week,
            Modifier::Month => DatePart::Month,
            _ => DatePart::Year,
        };
        match number.parse() {
            Ok(number) => Ok(Value::DatePart(part, None, number)),
            Err(_) => Err(self.error(
                "modifier-type",
                format!("`{}` needs a whole number, not {number}", modifier.name()),
                "write it without a fraction, such as 22",
            )),
        }
    }

    fn field_reference(&self, parts: &[Part]) -> Fallible<Value> {
        match parts {
            [Part::Text(name)] => Ok(Value::FieldRef(name.as_str().into(), Anchor::Whole)),
            [] => Err(self.error(
                "invalid-fieldref",
                "the field name is empty",
                "name a field of the event",
            )),
            _ => Err(self.error(
                "invalid-fieldref",
                "a field name cannot contain wildcards",
                "escape a literal star as \\*",
            )),
        }
    }

    fn encode(&self, parts: Vec<Part>, cased: bool, modifier: Modifier) -> Fallible<Value> {
        let form = match modifier {
            Modifier::Wide | Modifier::Utf16Le => Some(Utf16::Little),
            Modifier::Utf16Be => Some(Utf16::Big),
            Modifier::Utf16 => Some(Utf16::Marked),
            _ => None,
        };
        let mut out = Vec::new();
        for variant in self.without_dashes(parts)? {
            if let Some(form) = form {
                let encoded = variant.into_iter().map(|part| match part {
                    Part::Text(text) => Part::Bytes(utf16(&text, form)),
                    Part::Bytes(bytes) => {
                        let text: String = bytes.into_iter().map(char::from).collect();
                        Part::Bytes(utf16(&text, form))
                    }
                    other => other,
                });
                out.push(Value::Text { parts: encoded.collect(), cased });
                continue;
            }
            let mut bytes = Vec::new();
            for part in variant {
                match part {
                    Part::Text(text) => bytes.extend_from_slice(text.as_bytes()),
                    Part::Bytes(more) => bytes.extend_from_slice(&more),
                    Part::Placeholder(_) => {
                        return Err(self.error(
                            "modifier-combination",
                            format!("`expand` must come before `{modifier}`"),
                            format!("write `expand|{modifier}`"),
                        ));
                    }
                    Part::Any | Part::One | Part::Dash => {
                        return Err(self.error(
                            "modifier-type",
                            format!("`{modifier}` cannot encode wildcards"),
                            format!(
                                "escape them (\\* \\?), or put `contains` behind: `{modifier}|contains`"
                            ),
                        ));
                    }
                }
            }
            if bytes.is_empty() {
                return Err(self.error(
                    "empty-value",
                    format!("`{modifier}` needs text to encode"),
                    "write the text; for a field that is empty, leave the modifier out",
                ));
            }
            let mut texts = match modifier {
                Modifier::Base64 => vec![base64(&bytes)],
                _ => base64_offsets(&bytes).to_vec(),
            };
            // A single byte determines no character at all in some alignments.
            texts.retain(|text| !text.is_empty());
            out.extend(
                texts.into_iter().map(|text| Value::Text { parts: vec![Part::Text(text)], cased }),
            );
        }
        Ok(one_or_any(out))
    }

    /// All spellings of option dashes, for encodings, which hide the dash from the matcher.
    fn without_dashes(&self, parts: Vec<Part>) -> Fallible<Vec<Vec<Part>>> {
        let dashes = u32::try_from(parts.iter().filter(|part| **part == Part::Dash).count());
        let variants = dashes.ok().and_then(|dashes| parts::DASHES.len().checked_pow(dashes));
        match variants {
            Some(1) => Ok(vec![parts]),
            Some(count) if count <= 625 => Ok((0..count)
                .map(|mut choice| {
                    let replaced = parts.iter().map(|part| match part {
                        Part::Dash => {
                            let dash = parts::DASHES[choice % parts::DASHES.len()];
                            choice /= parts::DASHES.len();
                            Part::Text(dash.to_string())
                        }
                        other => other.clone(),
                    });
                    replaced.collect()
                })
                .collect()),
            _ => Err(self.error(
                "expansion-limit",
                "more than 4 option dashes cannot be encoded",
                "split the value into several with fewer options",
            )),
        }
    }

    fn lookup(&self, name: &str) -> Fallible<&[String]> {
        match self.placeholders.iter().find(|(known, _)| known == name) {
            Some((_, values)) if !values.is_empty() => Ok(values),
            _ => Err(self.error(
                "unresolved-placeholder",
                format!("no value is given for the placeholder `%{name}%`"),
                format!("give its values with `--placeholder {name}=VALUE` (repeat for several)"),
            )),
        }
    }

    /// Refuses combinations that would grow beyond all use.
    fn check_expansion(&self, variants: usize, values: &[String]) -> Fallible<()> {
        let written = match self.scalar {
            Scalar::Text(text) => text.len(),
            _ => 0,
        };
        let longest = values.iter().map(String::len).max().unwrap_or(0);
        let count = variants.saturating_mul(values.len());
        if count > EXPANSION_LIMIT || count.saturating_mul(written + longest) > EXPANSION_BYTES {
            return Err(self.too_many());
        }
        Ok(())
    }

    fn expand(&self, parts: Vec<Part>, cased: bool) -> Fallible<Value> {
        let mut variants: Vec<Vec<Part>> = vec![Vec::new()];
        for part in parts {
            let Part::Placeholder(name) = part else {
                variants.iter_mut().for_each(|variant| variant.push(part.clone()));
                continue;
            };
            let values = self.lookup(&name)?;
            self.check_expansion(variants.len(), values)?;
            let replacements: Vec<Vec<Part>> =
                values.iter().map(|value| parts::parse(value, false)).collect();
            variants = variants
                .iter()
                .flat_map(|variant| {
                    replacements.iter().map(move |replacement| {
                        variant.iter().chain(replacement).cloned().collect::<Vec<Part>>()
                    })
                })
                .collect();
        }
        Ok(one_or_any(variants.into_iter().map(|parts| Value::Text { parts, cased }).collect()))
    }

    /// Replacements in a regular expression are expressions themselves.
    fn expand_regex(&self, regex: Regex) -> Fallible<Value> {
        let mut variants = vec![String::new()];
        let mut rest: &str = &regex.pattern;
        while let Some(at) = rest.find(['%', '\\']) {
            let (before, from) = rest.split_at(at);
            variants.iter_mut().for_each(|variant| variant.push_str(before));
            if let Some(escaped) = from.strip_prefix('\\') {
                let next = escaped.chars().next();
                let literal = match next {
                    Some('%') => "%".to_owned(),
                    Some(next) => format!("\\{next}"),
                    None => "\\".to_owned(),
                };
                variants.iter_mut().for_each(|variant| variant.push_str(&literal));
                rest = &escaped[next.map_or(0, char::len_utf8)..];
                continue;
            }
            rest = &from[1..];
            let Some(name) = parts::placeholder(rest) else {
                variants.iter_mut().for_each(|variant| variant.push('%'));
                continue;
            };
            let values = self.lookup(name)?;
            self.check_expansion(variants.len(), values)?;
            variants = variants
                .iter()
                .flat_map(|variant| values.iter().map(move |value| format!("{variant}{value}")))
                .collect();
            rest = &rest[name.len() + 1..];
        }
        let members = variants
            .into_iter()
            .map(|variant| {
                Value::Regex(Regex { pattern: (variant + rest).into_boxed_str(), ..regex.clone() })
            })
            .collect();
        Ok(one_or_any(members))
    }

    fn check_regexes(&self, value: &Value) -> Fallible<()> {
        match value {
            Value::Regex(found) => {
                regex::check(&found.pattern, found.ignore_case, found.multi_line, found.dot_all)
                    .map_err(|refusal| self.error("invalid-regex", refusal.message, refusal.help))
            }
            Value::AnyOf(members) => {
                members.iter().try_for_each(|member| self.check_regexes(member))
            }
            _ => Ok(()),
        }
    }
}

fn comparison(modifier: Modifier) -> Comparison {
    match modifier {
        Modifier::Lt => Comparison::Lt,
        Modifier::Lte => Comparison::Lte,
        Modifier::Gt => Comparison::Gt,
        _ => Comparison::Gte,
    }
}

fn one_or_any(mut values: Vec<Value>) -> Value {
    match values.len() {
        1 => values.remove(0),
        _ => Value::AnyOf(values),
    }
}

fn matcher(value: Value, keyword: bool) -> Matcher {
    match value {
        Value::Text { parts, cased } => text(parts::pattern(parts, cased), keyword),
        Value::Number(number) => text(literal(&number), keyword),
        Value::Bool(value) => text(literal(if value { "true" } else { "false" }), keyword),
        Value::Null => Matcher::Null,
        Value::Regex(regex) => Matcher::Regex(regex),
        Value::Cidr(network) => Matcher::Cidr(network),
        Value::Compare(comparison, number) => Matcher::Compare(comparison, number),
        Value::FieldRef(name, anchor) => Matcher::FieldRef(name, anchor),
        Value::Exists(present) => Matcher::Exists(present),
        Value::DatePart(part, comparison, number) => Matcher::DatePart(part, comparison, number),
        Value::AnyOf(members) => {
            Matcher::AnyOf(members.into_iter().map(|member| matcher(member, keyword)).collect())
        }
    }
}

fn literal(text: &str) -> Pattern {
    Pattern { tokens: Box::new([Token::Literal(text.into())]), cased: false }
}

/// Keywords are searched for inside values (choice C7).
fn text(pattern: Pattern, keyword: bool) -> Matcher {
    if !keyword {
        return Matcher::Text(pattern);
    }
    let mut tokens = pattern.tokens.into_vec();
    if tokens.first() != Some(&Token::Any) {
        tokens.insert(0, Token::Any);
    }
    if tokens.last() != Some(&Token::Any) {
        tokens.push(Token::Any);
    }
    Matcher::Text(Pattern { tokens: tokens.into_boxed_slice(), cased: pattern.cased })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::modifier::{Key, key, take_number};
    use crate::yaml::{self, Kind};
    use proptest::prelude::*;

    fn placeholders() -> Vec<(String, Vec<String>)> {
        let values = |values: &[&str]| values.iter().map(|value| (*value).to_owned()).collect();
        vec![("a".to_owned(), values(&["1", "2"])), ("b".to_owned(), values(&["x*", "y"]))]
    }

    fn item(text: &str) -> Result<Item, Vec<Diagnostic>> {
        let root = yaml::parse(text).documents.remove(0).root;
        let (name, value) = root.mapping().expect("mapping")[0].clone();
        let Key { field, modifiers } = key(&name).map_err(|error| vec![error])?;
        let nodes = match value.kind {
            Kind::Sequence(members) => members,
            _ => vec![value],
        };
        let value_spans = nodes.iter().map(|node| node.span).collect();
        let values = nodes
            .into_iter()
            .map(|node| match node.kind {
                Kind::Scalar(text, style) => match take_number(&modifiers) {
                    true => Scalar::resolve_number(text, style),
                    false => Scalar::resolve(text, style),
                },
                other => panic!("{other:?}"),
            })
            .collect();
        let mut item = Item {
            field,
            written_field: None,
            modifiers,
            values,
            matchers: Vec::new(),
            all: false,
            negated: false,
            span: name.span,
            value_spans,
        };
        apply(&mut item, &placeholders())?;
        Ok(item)
    }

    /// Matchers in a readable notation.
    fn show(matcher: &Matcher) -> String {
        match matcher {
            Matcher::Text(pattern) => {
                let tokens = pattern.tokens.iter().map(|token| match token {
                    Token::Literal(text) => format!("<{text}>"),
                    Token::Any => "*".to_owned(),
                    Token::One => "?".to_owned(),
                    Token::Dash => "~".to_owned(),
                });
                tokens.collect::<String>() + if pattern.cased { "cased" } else { "" }
            }
            Matcher::AnyOf(members) => members.iter().map(show).collect::<Vec<_>>().join(" | "),
            Matcher::Regex(regex) => {
                let flag = |on: bool, name: &str| if on { name.to_owned() } else { String::new() };
                format!(
                    "/{}/{}{}{}",
                    regex.pattern,
                    flag(regex.ignore_case, "i"),
                    flag(regex.multi_line, "m"),
                    flag(regex.dot_all, "s")
                )
            }
            other => format!("{other:?}"),
        }
    }

    fn shown(text: &str) -> String {
        let item = item(text).unwrap_or_else(|errors| panic!("{text}: {errors:?}"));
        item.matchers.iter().map(show).collect::<Vec<_>>().join(", ")
    }

    fn refused(text: &str) -> Diagnostic {
        let mut errors = item(text).expect_err(text);
        assert_eq!(errors.len(), 1);
        errors.remove(0)
    }

    #[test]
    fn texts_and_wildcards() {
        assert_eq!(shown("f: a*b"), "<a>*<b>");
        assert_eq!(shown("f: ''"), "");
        assert_eq!(shown("f: 4625"), "<4625>");
        assert_eq!(shown("f: true"), "<true>");
        assert_eq!(shown("f: null"), "Null");
        assert_eq!(shown("f|contains: 'Temp\\'"), "*<Temp\\>*");
        assert_eq!(shown("f|contains|contains: '*a'"), "*<a>*");
        assert_eq!(shown("f|startswith|endswith: ab"), "*<ab>*");
        assert_eq!(shown("f|endswith|cased: ab"), "*<ab>cased");
        assert_eq!(shown("f|contains: ''"), "*");
        assert_eq!(shown("'|all': [a, 5]"), "*<a>*, *<5>*");
        assert_eq!(shown("'|re': a"), "/a/");
        assert_eq!(shown("'|startswith': a"), "*<a>*");
    }

    #[test]
    fn encodings() {
        assert_eq!(shown("f|base64: fo"), "<Zm8=>");
        assert_eq!(shown("f|base64|contains: foo"), "*<Zm9v>*");
        assert_eq!(shown("f|base64|base64: foo"), "<Wm05dg==>");
        assert_eq!(shown("f|wide|base64: cmd"), "<YwBtAGQA>");
        assert_eq!(shown("f|utf16|base64: cmd"), "<//5jAG0AZAA=>");
        assert_eq!(shown("f|wide|contains: cm"), "*<c\0m\0>*");
        assert_eq!(shown("f|base64offset|contains: IEX"), "*<SUVY>* | *<lFW>* | *<JRV>*");
        assert_eq!(shown("f|base64offset|contains: f"), "*<Z>* | *<m>*");
        assert_eq!(refused("f|base64: a*").code, "modifier-type");
        assert_eq!(refused("f|base64: 5").help.as_deref(), Some("quote the number: '5'"));
        assert_eq!(shown("f|windash|base64: '-a'").split('|').count(), 5);
        assert_eq!(refused("f|windash|base64: '-a -b -c -d -e'").code, "expansion-limit");
        assert_eq!(refused("f|base64: ''").code, "empty-value");
    }

    #[test]
    fn dashes() {
        assert_eq!(shown("f|windash|contains: ' -enc '"), "*< >~<enc >*");
        assert_eq!(shown("f|contains|windash: ' /enc '"), "*< >~<enc >*");
    }

    #[test]
    fn regular_expressions() {
        assert_eq!(shown("f|re|i|s: 'a\\*'"), "/a\\*/is");
        assert_eq!(shown("f|re|contains: a"), "/a/");
        assert_eq!(refused("f|re: '(x'").code, "invalid-regex");
        assert_eq!(refused("f|contains|re: x").code, "modifier-combination");
        assert_eq!(refused("f|i: x").code, "modifier-type");
        assert_eq!(shown("f|re|expand: '^%a%\\%'"), "/^1%/ | /^2%/");
    }

    #[test]
    fn networks() {
        assert!(shown("f|cidr: 10.0.0.1").contains("10.0.0.1/32"));
        assert_eq!(
            refused("f|cidr: 192.168.1.1/24").help.as_deref(),
            Some("write the network: 192.168.1.0/24")
        );
        assert_eq!(refused("f|cidr: 10.0.0.0/33").code, "invalid-cidr");
        assert_eq!(refused("f|contains|cidr: 10.0.0.0/8").code, "modifier-combination");
        assert_eq!(refused("f|cidr: 10").code, "modifier-type");
    }

    #[test]
    fn numbers_dates_and_references() {
        assert_eq!(shown("f|gt: 1.50"), "Compare(Gt, \"1.5\")");
        assert_eq!(
            refused("f|gt: '5'").help.as_deref(),
            Some("write the number without quotes: 5")
        );
        assert_eq!(shown("f|hour|gte: 22"), "DatePart(Hour, Some(Gte), 22)");
        assert_eq!(shown("f|week: 1"), "DatePart(Week, None, 1)");
        assert!(refused("f|gte|hour: 22").help.expect("help").contains("f|hour|gte"));
        assert_eq!(refused("f|hour: 1.5").code, "modifier-type");
        assert_eq!(shown("f|fieldref|endswith|startswith: g"), "FieldRef(\"g\", Anywhere)");
        assert_eq!(refused("f|fieldref: 'b*'").code, "invalid-fieldref");
        assert_eq!(shown("f|exists: false"), "Exists(false)");
        assert_eq!(refused("f|contains|exists: true").code, "modifier-combination");
        assert_eq!(refused("'|exists': true").code, "modifier-type");
        assert_eq!(refused("f|exists: 'true'").code, "modifier-type");
    }

    #[test]
    fn numbers_may_be_written_as_yaml_has_them() {
        assert_eq!(shown("f|gt: 010"), "Compare(Gt, \"10\")");
        assert_eq!(shown("f|neq|lt: .5"), "Compare(Lt, \"0.5\")");
        assert_eq!(shown("f|hour: 05"), "DatePart(Hour, None, 5)");
        // Text everywhere else.
        assert_eq!(shown("f: 010"), "<010>");
        assert_eq!(shown("f|contains: 1e3"), "*<1e3>*");
        let help = refused("f|hour: '05'").help;
        assert_eq!(help.as_deref(), Some("write the number without quotes: 05"));
    }

    #[test]
    fn whatever_is_refused_has_a_help() {
        for (first, _) in super::super::NAMES {
            for (second, _) in super::super::NAMES {
                for value in ["a", "''", "a*", "5", "1.5", "'5'", "true", "null", "10.0.0.0/8"] {
                    let text = format!("f|{first}|{second}: {value}");
                    for error in item(&text).err().into_iter().flatten() {
                        assert!(error.help.is_some_and(|help| !help.is_empty()), "{text}");
                    }
                }
            }
        }
    }

    #[test]
    fn placeholders_are_replaced_by_all_combinations() {
        assert_eq!(shown("f|expand: '%a%/%b%'"), "<1/x>* | <1/y> | <2/x>* | <2/y>");
        assert_eq!(shown("f|contains|expand: '%a%'"), "*<1>* | *<2>*");
        assert_eq!(shown("f: '%a%'"), "<%a%>");
        let error = refused("f|expand: 'x%missing%'");
        assert_eq!(error.code, "unresolved-placeholder");
        assert!(error.help.expect("help").contains("--placeholder missing=VALUE"));
        assert_eq!(refused(&format!("f|expand: '{}'", "%a%".repeat(40))).code, "expansion-limit");
    }

    #[test]
    fn lists_negate_and_join() {
        let item = item("f|contains|all|neq: [a, b]").expect("item");
        assert!(item.all && item.negated);
        assert_eq!(item.matchers.len(), 2);
    }

    proptest! {
        #[test]
        fn no_item_panics(modifiers in proptest::collection::vec(0..super::super::NAMES.len(), 0..4),
                          value in "[a*?%\\\\/ -]{0,12}") {
            let chain: String = modifiers
                .iter()
                .map(|at| format!("|{}", super::super::NAMES[*at].0))
                .collect();
            let _ = item(&format!("f{chain}: '{value}'"));
        }
    }
}
