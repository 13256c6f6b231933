//! One line per detection for a person. Rows are written as they come, so the widths are fixed.

use super::{Buffer, Hit, json, level_name};
use crate::printer::visible;
use sigmund_sigma::rule::Level;
use std::io::{self, Write};

/// How wide and how colourful.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Style {
    pub(crate) color: bool,
    /// Columns of the terminal; lines are not cut without one.
    pub(crate) width: Option<usize>,
}

const TIME: usize = 19;
const LEVEL: usize = 8;

impl Style {
    /// Columns for the rule's title and for the place: fewer where the terminal is narrow.
    fn columns(&self) -> (usize, usize) {
        match self.width {
            Some(width) if width < 140 => (34, 24),
            _ => (44, 28),
        }
    }
}

pub(super) fn header(style: &Style, out: &mut dyn Write) -> io::Result<()> {
    let (title, source) = style.columns();
    let line = format!(
        "{:TIME$}  {:LEVEL$}  {:title$}  {:source$}  {}",
        "TIME (UTC)", "LEVEL", "RULE", "FILE:RECORD", "MATCHED"
    );
    if style.color { writeln!(out, "\u{1b}[1m{line}\u{1b}[0m") } else { writeln!(out, "{line}") }
}

pub(super) fn row(style: &Style, hit: &Hit<'_>, out: &mut Buffer) {
    let (title_width, source_width) = style.columns();
    let time = hit.event.time.map(|time| super::rfc3339(time.nanos)).unwrap_or_default();
    let time = time.get(..TIME).unwrap_or("-").replace('T', " ");
    let level = hit.rule.level();
    let name = match level {
        Some(Level::Informational) => "info",
        Some(level) => level_name(level),
        None => "-",
    };
    let color = match level {
        Some(Level::Critical) => "\u{1b}[1;35m",
        Some(Level::High) => "\u{1b}[1;31m",
        Some(Level::Medium) => "\u{1b}[33m",
        Some(Level::Low) => "\u{1b}[36m",
        Some(Level::Informational) | None => "",
    };
    let (color, reset) =
        if style.color && !color.is_empty() { (color, "\u{1b}[0m") } else { ("", "") };
    let title = fitted(&visible(hit.rule.title(), false), title_width);
    // The record number is filled in later; its width is guessed from the number at hand.
    let digits = hit.record.to_string().len();
    let path = visible(hit.path, false);
    let path = shortened_left(&path, source_width.saturating_sub(digits + 1));
    let bytes = &mut out.bytes;
    bytes.extend_from_slice(
        format!("{time:TIME$}  {color}{name:LEVEL$}{reset}  {title}  {path}:").as_bytes(),
    );
    out.number(hit.record);
    let used = path.chars().count() + 1 + digits;
    let bytes = &mut out.bytes;
    bytes.extend(std::iter::repeat_n(b' ', source_width.saturating_sub(used) + 2));
    let mut matched = String::new();
    for (field, value) in hit.matched_texts() {
        if !matched.is_empty() {
            matched.push(' ');
        }
        let Some(field) = field else {
            matched.push_str(value);
            continue;
        };
        matched.push_str(field);
        matched.push('=');
        if value.contains(' ') {
            let mut quoted = Vec::new();
            json::string(value, &mut quoted);
            matched.push_str(&String::from_utf8_lossy(&quoted));
        } else {
            matched.push_str(value);
        }
    }
    let matched = visible(&matched, false).into_owned();
    let room = style
        .width
        .map(|width| width.saturating_sub(TIME + LEVEL + title_width + source_width + 8).max(20));
    let matched = match room {
        Some(room) => shortened(&matched, room),
        None => shortened(&matched, 1000),
    };
    bytes.extend_from_slice(matched.as_bytes());
    bytes.push(b'\n');
}

/// Exactly `width` characters.
fn fitted(text: &str, width: usize) -> String {
    let text = shortened(text, width);
    format!("{text:width$}")
}

/// At most `width` characters of the beginning.
pub(super) fn shortened(text: &str, width: usize) -> String {
    if text.chars().nth(width).is_none() {
        return text.to_owned();
    }
    let mut out: String = text.chars().take(width.saturating_sub(1)).collect();
    out.push('…');
    out
}

/// At most `width` characters of the end.
fn shortened_left(text: &str, width: usize) -> String {
    let length = text.chars().count();
    if length <= width {
        return text.to_owned();
    }
    let tail: String = text.chars().skip(length + 1 - width.max(1)).collect();
    format!("…{tail}")
}

#[cfg(test)]
mod tests {
    use super::{fitted, shortened, shortened_left};

    #[test]
    fn texts_are_cut_to_their_columns() {
        assert_eq!(fitted("ab", 4), "ab  ");
        assert_eq!(fitted("abcdef", 4), "abc…");
        assert_eq!(shortened("äöü", 3), "äöü");
        assert_eq!(shortened_left("a/long/path.log", 9), "…path.log");
        assert_eq!(shortened_left("path.log", 9), "path.log");
    }
}
