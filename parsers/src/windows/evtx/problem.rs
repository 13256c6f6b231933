//! What is told of an event log that is not a record.

use std::fmt;
use std::io;

/// What is not a record.
#[derive(Debug)]
pub enum Problem {
    /// A record or a chunk that cannot be read, or that was hidden, in words.
    Damage(String),
    /// The chunk with this number is read, but something about it is odd.
    Doubt(Doubt, u64),
    /// The file could not be read; nothing more comes.
    Input(io::Error),
}

/// What many chunks of one file may have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Doubt {
    /// The header is not the one that its checksum is of.
    Header,
    /// The records are not those that the checksum is of.
    Records,
    /// The chunk says that it has no checksums.
    Unchecked,
}

impl Doubt {
    /// Told of all chunks of a file at once.
    pub(super) fn told(self, chunks: u64, first: u64) -> String {
        let chunks = match chunks {
            1 => format!("chunk {first}"),
            _ => format!("{chunks} chunks (the first is chunk {first})"),
        };
        let changed = "changed since it was written, or copied while it was in use";
        match self {
            Self::Header => format!("{chunks}: the checksum of the header is wrong; {changed}"),
            Self::Records => format!("{chunks}: the checksum of the records is wrong; {changed}"),
            Self::Unchecked => format!("{chunks}: without checksums: changes cannot be noticed"),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Damage(text) => f.write_str(text),
            Self::Doubt(doubt, chunk) => f.write_str(&doubt.told(1, *chunk)),
            Self::Input(error) => error.fmt(f),
        }
    }
}
