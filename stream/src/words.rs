//! Texts for people: numbers, paragraphs, and what must not steer a terminal.

/// The text with control characters escaped, so that a log cannot drive the terminal. Line breaks
/// and tabs stay if `lines`.
#[must_use]
pub fn visible(text: &str, lines: bool) -> std::borrow::Cow<'_, str> {
    let harmless = |c: char| !is_steering(c) || (lines && matches!(c, '\n' | '\t'));
    if text.chars().all(harmless) {
        return text.into();
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if harmless(c) {
            out.push(c);
        } else {
            match c {
                '\n' => out.push_str("\\n"),
                '\t' => out.push_str("\\t"),
                '\r' => out.push_str("\\r"),
                c => out.push_str(&format!("\\u{{{:x}}}", u32::from(c))),
            }
        }
    }
    out.into()
}

/// A paragraph in lines of at most so many characters, broken between words and set in as its beginning is.
#[must_use]
pub fn folded(text: &str, width: usize) -> String {
    let words = text.trim_start_matches(' ');
    let indent = &text[..text.len() - words.len()];
    let width = width.saturating_sub(indent.len());
    let mut out = String::with_capacity(text.len() + 8);
    out.push_str(indent);
    let mut length = 0;
    for word in words.split(' ') {
        let wanted = word.chars().count();
        if length > 0 && length + 1 + wanted > width {
            out.push('\n');
            out.push_str(indent);
            length = 0;
        } else if length > 0 {
            out.push(' ');
            length += 1;
        }
        out.push_str(word);
        length += wanted;
    }
    out
}

/// Control characters, and the invisible ones that reorder or hide text.
fn is_steering(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// `1 rule`, `3,752 rules`
#[must_use]
pub fn plural(count: u64, noun: &str) -> String {
    format!("{} {noun}{}", grouped(count), if count == 1 { "" } else { "s" })
}

/// `4,112,903`
#[must_use]
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{folded, grouped, visible};

    #[test]
    fn paragraphs_are_broken_between_words() {
        assert_eq!(folded("one two three", 7), "one two\nthree");
        assert_eq!(folded("one two three", 80), "one two three");
        assert_eq!(folded("endlessly long", 4), "endlessly\nlong");
        assert_eq!(folded("  a: one two", 8), "  a: one\n  two");
    }

    #[test]
    fn control_characters_are_escaped() {
        assert_eq!(visible("a\u{1b}[31mb\u{7}", false), "a\\u{1b}[31mb\\u{7}");
        assert_eq!(visible("a\nb\tc", false), "a\\nb\\tc");
        assert_eq!(visible("a\nb", true), "a\nb");
        assert_eq!(visible("gnp\u{202e}exe", true), "gnp\\u{202e}exe");
        assert_eq!(visible("schön – 日本", false), "schön – 日本");
    }

    #[test]
    fn numbers_are_grouped() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(4_112_903), "4,112,903");
    }
}
