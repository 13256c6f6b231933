//! Where the cells of a row are, for separators of one byte, as nearly all logs have.

use sigmund_engine::vector::{self, Operations, Pass};

/// The cells of one row, reused from row to row.
#[derive(Debug, Default)]
pub(super) struct Cells {
    /// Where separators are.
    ends: Vec<u32>,
    count: usize,
    /// Whether a backslash is anywhere in the row.
    pub(super) has_backslashes: bool,
}

struct Split<'a> {
    cells: &'a mut Cells,
    row: &'a [u8],
    separator: u8,
}

impl Pass for Split<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self, with: impl Operations) -> Self::Output {
        let Self { cells, row, separator } = self;
        cells.count = 0;
        let mut backslashes = 0;
        vector::blocks(row, 0, |block, base, valid| {
            backslashes |= with.equal(block, b'\\') & valid;
            // Room for a whole block, so that its places are written without asking.
            if cells.ends.len() < cells.count + 64 {
                cells.ends.resize((cells.count + 64).next_power_of_two().max(256), 0);
            }
            if let Some(out) = cells.ends[cells.count..].first_chunk_mut() {
                cells.count += with.places(with.equal(block, separator) & valid, base as u32, out);
            }
        });
        cells.has_backslashes = backslashes != 0;
    }
}

impl Cells {
    /// Finds the cells of a row, which has to be shorter than 4 GiB.
    pub(super) fn split(&mut self, row: &[u8], separator: u8) {
        vector::run(Split { cells: self, row, separator });
    }

    /// How many cells there are.
    pub(super) fn count(&self) -> usize {
        self.count + 1
    }

    /// From where to where the cell of that number is in a row of this length; `None` beyond the last.
    #[inline(always)]
    pub(super) fn get(&self, number: usize, length: usize) -> Option<(usize, usize)> {
        let ends = self.ends.get(..self.count)?;
        let start = match number {
            0 => 0,
            _ => *ends.get(number - 1)? as usize + 1,
        };
        let end = ends.get(number).map_or(length, |end| *end as usize);
        Some((start, end))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn cells_are_what_splitting_gives(row in r"[\t\\\\a\x00]{0,300}", separator in prop::sample::select(vec![b'\t', 0, b'a'])) {
            let mut cells = Cells::default();
            // What an earlier row left must not matter.
            cells.split(&[separator; 100], separator);
            for _ in 0..2 {
                cells.split(row.as_bytes(), separator);
                let plain: Vec<&[u8]> = row.as_bytes().split(|byte| *byte == separator).collect();
                prop_assert_eq!(cells.count(), plain.len());
                for number in 0..plain.len() + 2 {
                    let cell = cells.get(number, row.len()).map(|(start, end)| &row.as_bytes()[start..end]);
                    prop_assert_eq!(cell, plain.get(number).copied());
                }
                prop_assert_eq!(cells.has_backslashes, row.contains('\\'));
            }
        }
    }
}
