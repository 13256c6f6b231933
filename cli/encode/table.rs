//! One line per detection for a person. Rows are written as they come, so the widths are fixed.

use sigmund_sigma::rule::Level;
use sigmund_stream::encode::{Buffer, Hit, json, level_name, rfc3339};
use sigmund_stream::words::visible;
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

/// Terminals narrower than this get two lines for each detection.
const NARROW: usize = 120;

/// How far the second line is set in.
const INDENT: usize = 4;

impl Style {
    /// Columns for the rule's title and for the place: fewer where the terminal is narrow.
    fn columns(&self) -> (usize, usize) {
        match self.width {
            Some(width) if width < 140 => (34, 24),
            _ => (44, 28),
        }
    }

    /// The columns of a terminal that has no room for a detection in one line.
    pub(super) fn narrow(&self) -> Option<usize> {
        self.width.filter(|width| *width < NARROW)
    }

    /// In bold, where there are colours.
    pub(crate) fn bold(&self, text: &str) -> String {
        if self.color { format!("\u{1b}[1m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    /// The level's name in its colour, as wide as the column.
    pub(crate) fn level(&self, level: Option<Level>) -> String {
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
        if self.color && !color.is_empty() {
            format!("{color}{name:LEVEL$}\u{1b}[0m")
        } else {
            format!("{name:LEVEL$}")
        }
    }
}

pub(super) fn header(style: &Style, out: &mut dyn Write) -> io::Result<()> {
    let (title, source) = style.columns();
    let (time, level) = ("TIME (UTC)", "LEVEL");
    if style.narrow().is_some() {
        writeln!(out, "{}", style.bold(&format!("{time:TIME$}  {level:LEVEL$}  RULE")))?;
        return writeln!(out, "{:INDENT$}{}", "", style.bold("FILE:RECORD  MATCHED"));
    }
    let line = format!(
        "{time:TIME$}  {level:LEVEL$}  {:title$}  {:source$}  MATCHED",
        "RULE", "FILE:RECORD"
    );
    writeln!(out, "{}", style.bold(&line))
}

pub(super) fn row(style: &Style, hit: &Hit<'_>, out: &mut Buffer) {
    let time = hit.time().map(rfc3339).unwrap_or_default();
    let time = time.get(..TIME).unwrap_or("-").replace('T', " ");
    let level = style.level(hit.rule().level());
    let title = visible(hit.rule().title(), false);
    let path = visible(hit.path(), false);
    let matched = matched(hit);
    // The record number is filled in later; its width is guessed from the number at hand.
    let digits = hit.record().to_string().len();
    let bytes = out.bytes();
    if !hit.has_event() {
        let (title_width, source_width) = style.columns();
        let line = match style.narrow() {
            Some(_) => format!("{time:TIME$}  {level}  {title}\n{:INDENT$}-  {matched}\n", ""),
            None => {
                let title = fitted(&title, title_width);
                format!("{time:TIME$}  {level}  {title}  {:source_width$}  {matched}\n", "-")
            }
        };
        return bytes.extend_from_slice(line.as_bytes());
    }
    if let Some(width) = style.narrow() {
        let title = shortened(&title, width.saturating_sub(TIME + LEVEL + 4).max(20));
        let path = shortened_left(&path, (width / 2).saturating_sub(INDENT + digits + 1));
        let used = INDENT + path.chars().count() + 1 + digits + 2;
        bytes.extend_from_slice(format!("{time:TIME$}  {level}  {title}\n").as_bytes());
        bytes.extend_from_slice(format!("{:INDENT$}{path}:", "").as_bytes());
        out.number(hit.record());
        let matched = shortened(&matched, width.saturating_sub(used).max(20));
        out.bytes().extend_from_slice(format!("  {matched}\n").as_bytes());
        return;
    }
    let (title_width, source_width) = style.columns();
    let title = fitted(&title, title_width);
    let path = shortened_left(&path, source_width.saturating_sub(digits + 1));
    bytes.extend_from_slice(format!("{time:TIME$}  {level}  {title}  {path}:").as_bytes());
    out.number(hit.record());
    let used = path.chars().count() + 1 + digits;
    let bytes = out.bytes();
    bytes.extend(std::iter::repeat_n(b' ', source_width.saturating_sub(used) + 2));
    let room = style
        .width
        .map_or(1000, |width| width.saturating_sub(TIME + LEVEL + title_width + source_width + 8));
    bytes.extend_from_slice(shortened(&matched, room).as_bytes());
    bytes.push(b'\n');
}

/// `field=value` of all that matched, in a line.
fn matched(hit: &Hit<'_>) -> String {
    let mut matched = String::new();
    for (field, value) in hit.matched_texts() {
        if !matched.is_empty() {
            matched.push(' ');
        }
        let Some(field) = field else {
            matched.push_str(&value);
            continue;
        };
        matched.push_str(field);
        matched.push('=');
        if value.contains(' ') {
            let mut quoted = Vec::new();
            json::string(&value, &mut quoted);
            matched.push_str(&String::from_utf8_lossy(&quoted));
        } else {
            matched.push_str(&value);
        }
    }
    visible(&matched, false).into_owned()
}

/// Exactly `width` characters.
fn fitted(text: &str, width: usize) -> String {
    let text = shortened(text, width);
    format!("{text:width$}")
}

/// At most `width` characters of the beginning.
pub(crate) fn shortened(text: &str, width: usize) -> String {
    if text.chars().nth(width).is_none() {
        return text.to_owned();
    }
    let mut out: String = text.chars().take(width.saturating_sub(1)).collect();
    out.push('…');
    out
}

/// At most `width` characters of the end.
pub(crate) fn shortened_left(text: &str, width: usize) -> String {
    let length = text.chars().count();
    if length <= width {
        return text.to_owned();
    }
    let tail: String = text.chars().skip(length + 1 - width.max(1)).collect();
    format!("…{tail}")
}

#[cfg(test)]
mod tests {
    use super::{Style, fitted, header, row, shortened, shortened_left};
    use sigmund_engine::detection::Matched;
    use sigmund_engine::{Event, Object, Routing};
    use sigmund_sigma::{Loader, Source};
    use sigmund_stream::encode::{Buffer, EventView, Hit, RuleCard};
    use std::sync::Arc;

    /// The table of one detection with long texts.
    fn table(width: usize) -> Vec<String> {
        let text = "title: A Rule With A Title That Goes On And On Until Nobody Reads It Any More\n\
                    level: critical\nlogsource:\n    category: c\n\
                    detection:\n    s:\n        f: v\n    condition: s\n";
        let source = Source { name: "r.yml".into(), text: text.into() };
        let rule = Loader::default().load(&[source]).rules.remove(0);
        let route = Routing::default().route("c", Vec::new(), None, &Arc::default(), &|_| None);
        let event = Event {
            raw: Arc::from(&b"{}"[..]),
            object: Object::default(),
            lifted: Object::default(),
            keywords_in_raw: false,
            route,
            time: None,
        };
        let matched = [Matched {
            selection: "s".into(),
            field: Some("CommandLine".into()),
            value: Some("long ".repeat(60)),
            patterns: Vec::new(),
            source: None,
            extracted: Vec::new(),
        }];
        let path = "a/very/long/path/to/a/folder/with/logs/of/the/month/of/march/security.log";
        let (card, view) = (RuleCard::new(Arc::new(rule)), EventView::new(&event, path, 123_456));
        let hit = Hit::of_rule(&card, &view, &matched);
        let style = Style { color: false, width: Some(width) };
        let mut text = Vec::new();
        header(&style, &mut text).expect("memory");
        let mut buffer = Buffer::default();
        row(&style, &hit, &mut buffer);
        buffer.mark(None, 0);
        let drained = buffer.drain(0, &mut |_, row| {
            text.extend_from_slice(row);
            Ok(())
        });
        drained.expect("memory");
        String::from_utf8(text).expect("text").lines().map(str::to_owned).collect()
    }

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        for width in [60, 80, 100, 119, 120, 139, 140, 200] {
            let lines = table(width);
            assert_eq!(lines.len(), if width < 120 { 4 } else { 2 }, "{lines:?}");
            for line in &lines {
                assert!(line.chars().count() <= width, "{width}: {line}");
            }
            let last = &lines[lines.len() - 1];
            assert!(last.contains(":123456  CommandLine"), "{width}: {last}");
        }
    }

    #[test]
    fn texts_are_cut_to_their_columns() {
        assert_eq!(fitted("ab", 4), "ab  ");
        assert_eq!(fitted("abcdef", 4), "abc…");
        assert_eq!(shortened("äöü", 3), "äöü");
        assert_eq!(shortened_left("a/long/path.log", 9), "…path.log");
        assert_eq!(shortened_left("path.log", 9), "path.log");
    }
}
