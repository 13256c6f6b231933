//! The header of a Zeek TSV log: separators, markers of nothing, and the columns.
//!
//! `#separator` is followed by a blank and an escaped value; every other option is followed by the separator itself
//! (zeek `src/logging/writers/ascii/Ascii.cc`). All of it can be redefined, even the `#`.

use super::columns::{ColumnType, usual_type};
use super::escape;

/// A column of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) name: Box<str>,
    pub(super) of: ColumnType,
    /// Stands in one cell with the columns before it, parted by blanks (the labels of the CTU data sets).
    pub(super) joined: bool,
}

/// What headers have said up to here.
#[derive(Clone, Debug)]
pub(super) struct Header {
    /// Before the name of an option.
    pub(super) meta: Vec<u8>,
    /// Between columns.
    pub(super) separator: Vec<u8>,
    /// Between the elements of a set or vector.
    pub(super) set_separator: Vec<u8>,
    /// Empty text or container.
    pub(super) empty: Vec<u8>,
    /// No value.
    pub(super) unset: Vec<u8>,
    /// Which log this is.
    pub(super) path: Option<Box<str>>,
    /// Empty before the first `#fields`.
    pub(super) columns: Vec<Column>,
    /// Columns come from a plain row of names (`tsv=T`).
    pub(super) plain: bool,
}

impl Default for Header {
    fn default() -> Self {
        Self {
            meta: b"#".to_vec(),
            separator: b"\t".to_vec(),
            set_separator: b",".to_vec(),
            empty: b"(empty)".to_vec(),
            unset: b"-".to_vec(),
            path: None,
            columns: Vec::new(),
            plain: false,
        }
    }
}

/// Names of options that only a Zeek header has.
const OPTIONS: &[&str] = &[
    "separator",
    "set_separator",
    "empty_field",
    "unset_field",
    "path",
    "open",
    "close",
    "fields",
    "types",
];

/// Longest meta prefix that is looked for.
const META_LIMIT: usize = 16;

/// The line `<prefix>separator <escaped>`, which begins every header: prefix and separator.
pub(super) fn separator_line(line: &[u8]) -> Option<(&[u8], Vec<u8>)> {
    let word = b"separator ";
    let at = memchr::memmem::find(&line[..line.len().min(META_LIMIT + word.len())], word)?;
    let (prefix, value) = (&line[..at], &line[at + word.len()..]);
    let is_prefix = !prefix.is_empty()
        && !prefix.ends_with(b"set_")
        && !prefix.iter().any(|byte| byte.is_ascii_whitespace());
    if !is_prefix || value.is_empty() || value.len() > 32 {
        return None;
    }
    if !value.starts_with(b"\\x") && value.iter().any(u8::is_ascii_alphanumeric) {
        return None;
    }
    let mut separator = Vec::new();
    escape::decode_bytes(value, &mut separator);
    Some((prefix, separator))
}

impl Header {
    /// Reads a header line; `None` if it is none. `Some(true)` if the columns or the log may have changed.
    pub(super) fn read(&mut self, line: &[u8]) -> Option<bool> {
        // A stray blank or tab before the whole header occurs in files put together by hand.
        let line = match line.first() {
            Some(b' ' | b'\t') => line.trim_ascii_start(),
            _ => line,
        };
        if let Some((prefix, separator)) = separator_line(line) {
            let prefix = prefix.to_vec();
            // A new header begins: forget everything, since its options may be the defaults.
            *self = Self { meta: prefix, separator, ..Self::default() };
            return Some(true);
        }
        let rest = line.strip_prefix(&*self.meta)?;
        let (name, marker) = match memchr::memmem::find(rest, &self.separator) {
            Some(at) => (&rest[..at], Some(&rest[at + self.separator.len()..])),
            None => (rest, None),
        };
        let value = marker.unwrap_or_default();
        match name {
            b"set_separator" => {
                self.set_separator = unescaped(marker.filter(|value| !value.is_empty()), b",");
            }
            b"empty_field" => self.empty = unescaped(marker, b"(empty)"),
            b"unset_field" => self.unset = unescaped(marker, b"-"),
            b"path" => self.path = Some(text(value).into()),
            b"fields" => {
                let path = self.path.as_deref().unwrap_or_default();
                self.columns = columns(&self.separator, value, path);
                self.plain = false;
            }
            b"types" => self.types(value),
            // `#open`, `#close` are local wall-clock times without a zone, and anything else is a comment.
            _ => return Some(false),
        }
        Some(true)
    }

    /// Takes a row of names as the header (`tsv=T`).
    pub(super) fn read_plain(&mut self, line: &[u8]) {
        let path = self.path.as_deref().unwrap_or_default();
        self.columns = columns(&self.separator, line, path);
        self.plain = true;
    }

    fn types(&mut self, value: &[u8]) {
        let types = split(&self.separator, value).flat_map(blank_parts);
        for (column, of) in self.columns.iter_mut().zip(types) {
            column.of = ColumnType::named(&text(of.0));
        }
    }
}

/// Whether a line without a header before it is a row of names as `tsv=T` writes it.
pub(super) fn is_plain_names(line: &[u8]) -> bool {
    let mut cells = line.split(|byte| *byte == b'\t');
    let first = cells.next().unwrap_or_default();
    matches!(first, b"ts" | b"t" | b"_write_ts")
        && cells.clone().next().is_some()
        && line.iter().any(|byte| *byte == b'.' || *byte == b'_')
        && cells.all(|cell| {
            cell.first().is_some_and(|byte| byte.is_ascii_alphabetic() || *byte == b'_')
                && cell
                    .iter()
                    .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_'))
        })
}

/// Whether a line is one of a header with the usual `#` and tab.
pub(super) fn is_usual_option(line: &[u8]) -> bool {
    let Some(rest) = line.trim_ascii_start().strip_prefix(b"#") else { return false };
    let name = rest.split(|byte| matches!(byte, b'\t' | b' ')).next().unwrap_or_default();
    name.len() < rest.len() && OPTIONS.iter().any(|option| option.as_bytes() == name)
}

fn columns(separator: &[u8], line: &[u8], path: &str) -> Vec<Column> {
    split(separator, line)
        .flat_map(blank_parts)
        .map(|(name, joined)| {
            let name: Box<str> = text(name).into();
            let of = usual_type(path, &name);
            Column { name, of, joined }
        })
        .collect()
}

/// The parts of a cell that are parted by two or more blanks; all but the first are marked.
pub(super) fn blank_parts(cell: &[u8]) -> impl Iterator<Item = (&[u8], bool)> {
    let mut rest = Some(cell);
    let mut joined = false;
    std::iter::from_fn(move || {
        let cell = rest?;
        let marked = std::mem::replace(&mut joined, true);
        match memchr::memmem::find(cell, b"  ") {
            Some(at) => {
                let after = &cell[at..];
                let blanks = after.iter().take_while(|byte| **byte == b' ').count();
                rest = Some(&after[blanks..]);
                Some((&cell[..at], marked))
            }
            None => {
                rest = None;
                Some((cell, marked))
            }
        }
    })
}

/// Splits at a separator of any length.
pub(super) fn split<'a>(separator: &'a [u8], line: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    let mut rest = Some(line);
    std::iter::from_fn(move || {
        let line = rest?;
        match memchr::memmem::find(line, separator) {
            Some(at) if !separator.is_empty() => {
                rest = Some(&line[at + separator.len()..]);
                Some(&line[..at])
            }
            _ => {
                rest = None;
                Some(line)
            }
        }
    })
}

/// A marker, which may be empty; the usual one if the option has no value at all.
fn unescaped(value: Option<&[u8]>, usual: &[u8]) -> Vec<u8> {
    let Some(value) = value else { return usual.to_vec() };
    let mut bytes = Vec::new();
    escape::decode_bytes(value, &mut bytes);
    bytes
}

fn text(value: &[u8]) -> String {
    let mut bytes = Vec::new();
    escape::decode(value, &mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::super::columns::Scalar;
    use super::*;

    fn read(lines: &[&str]) -> Header {
        let mut header = Header::default();
        for line in lines {
            header.read(line.as_bytes());
        }
        header
    }

    #[test]
    fn options_follow_the_separator_they_name() {
        let header = read(&[
            "#separator ||",
            "#set_separator||;",
            "#empty_field||EMPTY",
            "#unset_field||NIL",
            "#path||ssh",
            "#fields||t||id.orig_h||n",
            "#types||time||addr||set[count]",
        ]);
        assert_eq!(header.separator, b"||");
        assert_eq!(header.set_separator, b";");
        assert_eq!(header.empty, b"EMPTY");
        assert_eq!(header.unset, b"NIL");
        assert_eq!(header.path.as_deref(), Some("ssh"));
        assert_eq!(header.columns.len(), 3);
        assert_eq!(header.columns[2].of, ColumnType { scalar: Scalar::Number, multi: true });
    }

    #[test]
    fn an_option_without_a_value_is_empty_where_the_separator_says_so() {
        let header = read(&["#separator \\x09", "#empty_field\t", "#unset_field\t"]);
        assert_eq!((&*header.empty, &*header.unset), (&b""[..], &b""[..]));
        // Editors cut blanks off at the ends of lines.
        let header = read(&["#separator \\x09", "#set_separator\t", "#unset_field"]);
        assert_eq!((&*header.set_separator, &*header.unset), (&b","[..], &b"-"[..]));
    }

    #[test]
    fn the_meta_prefix_can_be_anything() {
        let header = read(&["PREFIX<>separator \\x7c", "PREFIX<>path|dns", "PREFIX<>fields|a|b"]);
        assert_eq!(header.meta, b"PREFIX<>");
        assert_eq!(header.separator, b"|");
        assert_eq!(header.path.as_deref(), Some("dns"));
        assert_eq!(header.columns.len(), 2);
    }

    #[test]
    fn a_new_header_forgets_the_old_options() {
        let header =
            read(&["#separator \\x09", "#unset_field\tNIL", "#separator \\x09", "#path\tx"]);
        assert_eq!(header.unset, b"-");
        assert!(header.columns.is_empty());
    }

    #[test]
    fn a_header_line_may_be_indented() {
        let mut header = Header::default();
        assert_eq!(header.read(b"\t#separator \\x09"), Some(true));
        assert_eq!(header.read(b"1.5\t#separator \\x09"), None);
        assert_eq!(header.read(b"# a comment"), Some(false));
    }

    #[test]
    fn labels_after_blanks_are_columns() {
        let header = read(&["#fields\tts\ttunnel_parents   label   detailed-label"]);
        let names: Vec<_> = header.columns.iter().map(|c| (&*c.name, c.joined)).collect();
        let expected =
            [("ts", false), ("tunnel_parents", false), ("label", true), ("detailed-label", true)];
        assert_eq!(names, expected);
    }

    #[test]
    fn columns_without_types_take_the_usual_ones() {
        let header = read(&["#path\tconn", "#fields\tts\tlocal_orig\ttunnel_parents\tnovel"]);
        let types: Vec<_> = header.columns.iter().map(|column| column.of).collect();
        assert_eq!(types[0].scalar, Scalar::Time);
        assert_eq!(types[1].scalar, Scalar::Bool);
        assert!(types[2].multi);
        assert_eq!(types[3], ColumnType::TEXT);
    }

    #[test]
    fn a_row_of_names_is_told_from_a_row() {
        assert!(is_plain_names(b"t\tid.orig_h\tstatus"));
        assert!(is_plain_names(b"ts\tuid\tid.orig_h"));
        assert!(!is_plain_names(b"ts"));
        assert!(!is_plain_names(b"1.5\tC1\t10.0.0.1"));
        assert!(!is_plain_names(b"ts some words\tuid"));
    }
}
