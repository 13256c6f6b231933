//! RFC 5424 structured data, as it should be and as devices write it.
//!
//! Strict elements become `sd.<id>.<name>` and, where only one element has the name, the bare name. What is not in the syntax
//! (Check Point's `[action:"Accept"; …]`, unescaped and curly quotes) is read as far as it makes sense and never lost:
//! the whole text stays in the record.

/// How many elements and parameters are read.
const LIMIT: usize = 512;

/// The length of the elements at the beginning of `text`, which begins with `[`.
///
/// A bracket inside quotes does not end an element; if a quote never ends, the first `]` that is followed by a space, a bracket or the end does.
pub(crate) fn length(text: &str) -> usize {
    let bytes = text.as_bytes();
    let mut at = 0;
    while bytes.get(at) == Some(&b'[') {
        match element_end(bytes, at + 1) {
            Some(end) => at = end,
            None => {
                let loose = (at + 1..bytes.len()).find(|index| {
                    bytes[*index] == b']'
                        && matches!(bytes.get(index + 1), None | Some(b' ' | b'['))
                });
                return loose.map_or(bytes.len(), |index| index + 1);
            }
        }
    }
    at
}

/// One past the `]` of the element whose content begins at `at`.
fn element_end(bytes: &[u8], mut at: usize) -> Option<usize> {
    let mut quoted = false;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' if quoted => at += 1,
            // Inside quotes a quote only ends the value if the syntax goes on after it: some senders do not escape.
            b'"' if quoted => {
                quoted = !matches!(bytes.get(at + 1), None | Some(b' ' | b']' | b';'));
            }
            b'"' => quoted = true,
            b']' if !quoted => return Some(at + 1),
            _ => {}
        }
        at += 1;
    }
    None
}

/// One parameter.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Parameter<'a> {
    /// SD-ID of its element; empty for elements without one.
    pub(crate) id: &'a str,
    pub(crate) name: &'a str,
    /// As written, escapes and all.
    pub(crate) value: &'a str,
}

/// Calls `each` with every parameter.
pub(crate) fn parameters<'a>(data: &'a str, mut each: impl FnMut(Parameter<'a>)) {
    let mut rest = data;
    let mut count = 0;
    while let Some(inside) = rest.strip_prefix('[') {
        let end = element_end(inside.as_bytes(), 0).map_or(inside.len(), |end| end);
        let content = inside[..end].strip_suffix(']').unwrap_or(&inside[..end]);
        rest = &inside[end..];
        let first = content.find([' ', '=', ':', '"']).unwrap_or(content.len());
        let (id, mut params) = match content.as_bytes().get(first) {
            Some(b' ') => (&content[..first], content[first + 1..].trim_start()),
            None => (content, ""),
            // No SD-ID: the element begins with a parameter.
            _ => ("", content),
        };
        while !params.is_empty() && count < LIMIT {
            count += 1;
            let Some(equals) = params.find(['=', ':']) else { break };
            let name = params[..equals].trim();
            let after = params[equals + 1..].trim_start();
            let (value, after) = value(after);
            if !name.is_empty() {
                each(Parameter { id, name, value });
            }
            params = after.trim_start_matches([' ', ';', ',']);
        }
    }
}

/// The names, in order, that elements of different ids have in common: such a name alone does not say whose it is.
pub(crate) fn shared_names(data: &str) -> Vec<&str> {
    // Most lines have one element.
    if memchr::memmem::find(data.as_bytes(), b"][").is_none() {
        return Vec::new();
    }
    let mut names = Vec::new();
    parameters(data, |parameter| names.push((parameter.name, parameter.id)));
    names.sort_unstable();
    names.dedup();
    let mut shared: Vec<&str> =
        names.windows(2).filter(|pair| pair[0].0 == pair[1].0).map(|pair| pair[0].0).collect();
    shared.dedup();
    shared
}

/// A value, quoted or not, and what follows.
fn value(text: &str) -> (&str, &str) {
    let bytes = text.as_bytes();
    if bytes.first() != Some(&b'"') {
        // Curly quotes, or none: up to the next space.
        let end = text.find([' ', ';']).unwrap_or(text.len());
        return (text[..end].trim_matches(['\u{201c}', '\u{201d}']), &text[end..]);
    }
    let mut at = 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 1,
            b'"' if matches!(bytes.get(at + 1), None | Some(b' ' | b';' | b',')) => {
                return (&text[1..at], &text[at + 1..]);
            }
            _ => {}
        }
        at += 1;
    }
    (&text[1..], "")
}

/// A value with `\"`, `\\` and `\]` resolved; other backslashes are text.
pub(crate) fn unescape(value: &str, out: &mut String) {
    out.clear();
    let mut rest = value;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let mut chars = rest.chars();
        chars.next();
        match chars.next() {
            Some(escaped @ ('"' | '\\' | ']')) => {
                out.push(escaped);
                rest = &rest[2..];
            }
            _ => {
                out.push('\\');
                rest = &rest[1..];
            }
        }
    }
    out.push_str(rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(data: &str) -> Vec<(String, String, String)> {
        let mut list = Vec::new();
        let mut text = String::new();
        parameters(data, |p| {
            unescape(p.value, &mut text);
            list.push((p.id.to_owned(), p.name.to_owned(), text.clone()));
        });
        list
    }

    fn row(id: &str, name: &str, value: &str) -> (String, String, String) {
        (id.into(), name.into(), value.into())
    }

    #[test]
    fn elements_with_escapes() {
        let text = r#"[a@1 x="1" y="a\"b\]c\\d\e"][b@1 z=""] message [with] brackets"#;
        assert_eq!(&text[length(text)..], " message [with] brackets");
        assert_eq!(
            all(&text[..length(text)]),
            [row("a@1", "x", "1"), row("a@1", "y", "a\"b]c\\d\\e"), row("b@1", "z", "")]
        );
    }

    #[test]
    fn names_that_elements_share() {
        assert_eq!(
            shared_names(r#"[x c="1" a="1" b="2"][y b="2" a="1"][z a="1" d="1"]"#),
            ["a", "b"]
        );
        // One element may have a name twice, and come in two parts.
        assert_eq!(shared_names(r#"[x a="1" a="2"][x a="3"][y b="1"]"#), [""; 0]);
        assert_eq!(shared_names(r#"[x a="]["]"#), [""; 0]);
    }

    #[test]
    fn what_devices_write() {
        let check_point = r#"[action:"Accept"; flags:"411908"; ifdir:"in"; ]"#;
        assert_eq!(length(check_point), check_point.len());
        assert_eq!(
            all(check_point),
            [row("", "action", "Accept"), row("", "flags", "411908"), row("", "ifdir", "in")]
        );
        let curly = "[junos@2636 a=\"b\" verdict-source=\u{201d}cloud\u{201d} c=\"d\"] x";
        assert_eq!(all(&curly[..length(curly)])[1], row("junos@2636", "verdict-source", "cloud"));
        let unescaped = r#"[x@1 a="say "hi" now" b="2"] m"#;
        assert_eq!(&unescaped[length(unescaped)..], " m");
        assert_eq!(all("[timeQuality]"), []);
        assert_eq!(length("[never \"ends] here"), "[never \"ends]".len());
        assert_eq!(length("[never"), 6);
    }
}
