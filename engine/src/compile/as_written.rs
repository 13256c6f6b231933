//! Literals in JSON text as it is written, without decoding or folding it first.

use super::few::{FEW, FewLiterals};
use super::grams::{Grams, counts};

/// The longest part of each literal that looks the same in JSON text, but for the case of letters. Text without the part does not have the
/// literal, unless it has escapes of characters (`\u0041`) or letters beyond ASCII that fold to it.
#[derive(Debug)]
pub(crate) enum AsWritten {
    Few(FewLiterals<true>),
    Many(Grams<true>),
    /// The short ones, if they are few, and the others: of those not every place of the text needs a look.
    Both(FewLiterals<true>, Grams<true>),
}

/// Literals of so many bytes are long: a look at every fourth place finds them.
const LONG: usize = 7;

/// Whether a byte stands for itself in JSON text: no quote, backslash, slash, control or non-ASCII character.
fn stands_for_itself(byte: u8) -> bool {
    (b' '..0x7F).contains(&byte) && !matches!(byte, b'"' | b'\\' | b'/')
}

impl AsWritten {
    /// From folded literals; `None` if too little of one of them looks the same.
    pub(crate) fn new<'a>(literals: impl Iterator<Item = &'a [u8]>) -> Option<Self> {
        let parts: Vec<(&[u8], u32)> = literals
            .zip(0..)
            .map(|(text, id)| {
                let parts = text.split(|byte| !stands_for_itself(*byte));
                (parts.max_by_key(|part| part.len()).unwrap_or_default(), id)
            })
            .collect();
        let shortest = |parts: &[(&[u8], u32)]| parts.iter().map(|(part, _)| part.len()).min();
        let least = shortest(&parts)?;
        let counts = counts(parts.iter().map(|(part, _)| *part));
        let few = |parts: &[(&[u8], u32)]| FewLiterals::new(parts, &counts);
        let many =
            |parts: &[(&[u8], u32)], least: usize| Grams::new(parts, (least - 3).min(8), &counts);
        if least < 3 {
            return None;
        }
        if parts.len() <= FEW {
            return Some(Self::Few(few(&parts)));
        }
        // Grams cannot tell those of three bytes.
        [LONG, 4].into_iter().find_map(|border| {
            let (short, long): (Vec<_>, Vec<_>) =
                parts.iter().partition(|(part, _)| part.len() < border);
            match shortest(&long) {
                Some(least) if short.is_empty() => Some(Self::Many(many(&long, least))),
                Some(least) if short.len() <= FEW => {
                    Some(Self::Both(few(&short), many(&long, least)))
                }
                _ => None,
            }
        })
    }

    /// Reports the literals of which the part is in the text.
    pub(crate) fn scan(&self, text: &[u8], hit: &mut impl FnMut(u32) -> bool) {
        let _ = match self {
            Self::Few(few) => few.scan(text, hit),
            Self::Many(grams) => grams.scan(text, hit),
            Self::Both(few, grams) => few.scan(text, hit).and_then(|()| grams.scan(text, hit)),
        };
    }

    /// Whether no literal can be in the text.
    pub(crate) fn none_in(&self, text: &[u8]) -> bool {
        let mut none = true;
        self.scan(text, &mut |_| {
            none = false;
            false
        });
        none
    }
}
