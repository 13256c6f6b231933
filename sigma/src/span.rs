//! Byte ranges in a source text, and their translation to lines and columns.

/// A byte range `start..end` in one source text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Span {
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    /// The range `start..end`.
    #[must_use]
    pub fn new(start: usize, end: usize) -> Self {
        let clamp = |offset| u32::try_from(offset).unwrap_or(u32::MAX);
        Self { start: clamp(start), end: clamp(end.max(start)) }
    }

    /// The smallest range that covers both.
    #[must_use]
    pub fn to(self, other: Self) -> Self {
        Self { start: self.start.min(other.start), end: self.end.max(other.end) }
    }

    /// As a range that slices the text.
    #[must_use]
    pub fn range(self) -> std::ops::Range<usize> {
        self.start as usize..self.end as usize
    }

    /// Line and column of the first byte.
    #[must_use]
    pub fn position(self, text: &str) -> Position {
        let before = &text[..border(text, self)];
        let line = before.bytes().filter(|&byte| byte == b'\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
        Position { line, column }
    }
}

/// The last border of characters up to the first byte.
fn border(text: &str, span: Span) -> usize {
    let mut end = (span.start as usize).min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    end
}

/// The lines of a text, for many positions in the same one: each is found without counting from the beginning.
#[derive(Clone, Debug)]
pub struct Lines {
    /// Where each line begins.
    starts: Vec<usize>,
    /// How many characters begin before each block of bytes.
    characters: Vec<usize>,
}

/// Bytes whose characters are counted together.
const BLOCK: usize = 1024;

impl Lines {
    /// Those of a text.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let ends = text.bytes().zip(1..).filter(|(byte, _)| *byte == b'\n').map(|(_, end)| end);
        let starts = std::iter::once(0).chain(ends).collect();
        let mut count = 0;
        let characters = text.as_bytes().chunks(BLOCK).map(|block| {
            let before = count;
            count += beginnings(block);
            before
        });
        let characters = characters.collect();
        Self { starts, characters }
    }

    /// As [`Span::position`] says; `text` is the one that the lines are of.
    #[must_use]
    pub fn position(&self, text: &str, span: Span) -> Position {
        let end = border(text, span);
        let line = self.starts.partition_point(|start| *start <= end);
        let start = self.starts.get(line.saturating_sub(1)).copied().unwrap_or_default();
        let column = self.characters_before(text, end) - self.characters_before(text, start) + 1;
        Position { line, column }
    }

    fn characters_before(&self, text: &str, end: usize) -> usize {
        // The end of a text may be that of its last block.
        let block = (end / BLOCK).min(self.characters.len().saturating_sub(1));
        let before = self.characters.get(block).copied().unwrap_or_default();
        before + beginnings(&text.as_bytes()[block * BLOCK..end])
    }
}

/// How many characters begin in some bytes.
fn beginnings(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| **byte & 0xC0 != 0x80).count()
}

/// A place for people: both count from 1, columns count characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn lines_say_what_counting_says(
            text in prop_oneof!["[aä€😀\n\r]{0,40}", "([aä€😀]{0,300}\r?\n?){0,20}", "a{1023,1025}|a{2048}"],
            at in 0u32..4000,
        ) {
            let lines = Lines::new(&text);
            for start in [0, at, at % (text.len() as u32 + 2), text.len() as u32, u32::MAX] {
                let span = Span { start, end: u32::MAX };
                prop_assert_eq!(lines.position(&text, span), span.position(&text), "{}", start);
            }
        }
    }
}
