//! Case folding (choice C16): simple, character by character, as Unicode's CaseFolding.txt defines it
//! by the statuses C and S. One character folds to one character, so offsets in characters stay; nothing depends on
//! position, language or normalisation, and `ß` is not `ss`.
//!
//! The mapping is computed from the standard library: `lower(upper(c))` wherever both steps give one
//! character, with the exceptions of [`computed`]. It leads to the same equivalence classes as
//! CaseFolding.txt (a test compares every character with the tables of `regex-syntax`); the representative differs
//! for Cherokee, which CaseFolding.txt folds to upper case.

use std::sync::OnceLock;

/// Above this no script has case (planes 2 and up hold ideographs, tags and private use).
const END: usize = 0x20000;
const PAGE: usize = 256;

/// A page is `None` inside if it folds nothing.
type Page = Option<Box<[char; PAGE]>>;

static PAGES: [OnceLock<Page>; END / PAGE] = [const { OnceLock::new() }; END / PAGE];

/// Folds one character.
///
/// ```
/// use sigmund_engine::fold::fold_char;
/// assert_eq!(fold_char('É'), 'é');
/// assert_eq!(fold_char('ς'), 'σ');
/// assert_eq!(fold_char('\u{212A}'), 'k'); // Kelvin sign
/// assert_eq!(fold_char('İ'), 'İ'); // has only a full and a Turkic mapping
/// ```
#[inline]
#[must_use]
pub fn fold_char(c: char) -> char {
    if c.is_ascii() { c.to_ascii_lowercase() } else { fold_wide(c) }
}

fn fold_wide(c: char) -> char {
    let code = c as usize;
    match PAGES.get(code / PAGE).map(|page| page.get_or_init(|| page_of(code / PAGE))) {
        Some(Some(page)) => page[code % PAGE],
        Some(None) | None => c,
    }
}

/// Appends the folded text.
pub fn fold_str(text: &str, out: &mut String) {
    out.reserve(text.len());
    if text.is_ascii() {
        let start = out.len();
        out.push_str(text);
        out[start..].make_ascii_lowercase();
        return;
    }
    let mut rest = text;
    while !rest.is_empty() {
        let ascii = rest.bytes().position(|byte| !byte.is_ascii()).unwrap_or(rest.len());
        let start = out.len();
        out.push_str(&rest[..ascii]);
        out[start..].make_ascii_lowercase();
        rest = &rest[ascii..];
        let wide = rest.bytes().position(|byte| byte.is_ascii()).unwrap_or(rest.len());
        out.extend(rest[..wide].chars().map(fold_wide));
        rest = &rest[wide..];
    }
}

/// The folded text.
#[must_use]
pub fn folded(text: &str) -> String {
    let mut out = String::new();
    fold_str(text, &mut out);
    out
}

fn page_of(number: usize) -> Page {
    let mut page = Box::new(['\0'; PAGE]);
    let mut folds = false;
    for (low, slot) in page.iter_mut().enumerate() {
        // Surrogates are no characters; their slots are never asked for.
        let Some(c) = u32::try_from(number * PAGE + low).ok().and_then(char::from_u32) else {
            continue;
        };
        *slot = computed(c);
        folds |= *slot != c;
    }
    folds.then_some(page)
}

/// The rule behind the table.
fn computed(c: char) -> char {
    match c {
        // Dotless i has its own identity: only the Turkic mapping (status T) joins it with I.
        '\u{131}' => c,
        // Pairs whose upper case is several characters, so that the rule below does not see that they
        // are case variants of each other.
        '\u{1FD3}' => '\u{390}',
        '\u{1FE3}' => '\u{3B0}',
        '\u{FB05}' => '\u{FB06}',
        _ => {
            let upper = single(c.to_uppercase()).unwrap_or(c);
            single(upper.to_lowercase()).unwrap_or(c)
        }
    }
}

fn single(mut mapping: impl Iterator<Item = char>) -> Option<char> {
    let first = mapping.next()?;
    mapping.next().is_none().then_some(first)
}

/// Whether a character beyond ASCII occurs that folds to an ASCII letter: U+212A (to `k`) or U+017F (to `s`).
pub(crate) fn folds_to_ascii(bytes: &[u8]) -> bool {
    // In UTF-8 they begin with these bytes, which hardly any log has.
    memchr::memchr2_iter(0xE2, 0xC5, bytes).any(|at| {
        bytes[at..].starts_with("\u{212A}".as_bytes())
            || bytes[at..].starts_with("\u{17F}".as_bytes())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use regex_syntax::hir::{ClassUnicode, ClassUnicodeRange};

    #[test]
    fn classes_are_those_of_simple_folding() {
        // The standard library may follow a newer Unicode version than those tables.
        let unassigned = regex::Regex::new(r"^\p{Cn}$").unwrap();
        for c in (0..=0x10FFFF).filter_map(char::from_u32) {
            let folds_with_std = fold_char(c) != c || {
                // Only characters with some case mapping can be in a class with others.
                c.to_lowercase().ne([c]) || c.to_uppercase().ne([c])
            };
            if !folds_with_std && !(c as u32).is_multiple_of(97)
                || unassigned.is_match(c.encode_utf8(&mut [0; 4]))
            {
                continue;
            }
            let mut class = ClassUnicode::new([ClassUnicodeRange::new(c, c)]);
            class.case_fold_simple();
            for range in class.ranges() {
                for other in range.start()..=range.end() {
                    assert_eq!(fold_char(other), fold_char(c), "{other:?} and {c:?}");
                }
            }
            // And nothing else: the representative is in the class.
            let representative = fold_char(c);
            assert!(
                class
                    .ranges()
                    .iter()
                    .any(|range| (range.start()..=range.end()).contains(&representative)),
                "{c:?} folds to {representative:?}, outside its class"
            );
        }
    }

    #[test]
    fn notable_characters() {
        for (from, to) in [
            ('A', 'a'),
            ('É', 'é'),
            ('Ж', 'ж'),
            ('Σ', 'σ'),
            ('ς', 'σ'),
            ('ſ', 's'),
            ('\u{212A}', 'k'),
            ('\u{212B}', 'å'),
            ('µ', 'μ'),
            ('ẞ', 'ß'),
            ('ß', 'ß'),
            ('İ', 'İ'),
            ('ı', 'ı'),
            ('Ǆ', 'ǆ'),
            ('ǅ', 'ǆ'),
            ('\u{1E900}', '\u{1E922}'),
            ('😀', '😀'),
            ('\u{10FFFF}', '\u{10FFFF}'),
        ] {
            assert_eq!(fold_char(from), to, "{from:?}");
        }
    }

    #[test]
    fn folding_is_idempotent() {
        for c in (0..=0x10FFFF).filter_map(char::from_u32) {
            assert_eq!(fold_char(fold_char(c)), fold_char(c), "{c:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn text_is_folded_character_by_character(text in ".{0,40}|[A-Za-zÀ-ÿΑ-ωſİ]{0,40}") {
            let by_char: String = text.chars().map(fold_char).collect();
            proptest::prop_assert_eq!(folded(&text), by_char);
        }
    }
}
