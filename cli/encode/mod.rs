//! Detections for people: tables, files for spreadsheets and counts, beside the formats that the service writes too
//! ([`sigmund_stream::encode`]).

pub(crate) mod csv;
mod summary;
mod table;

use crate::args::DetectionFormat;
use serde_json::Value;
use sigmund_stream::encode::{Buffer, Format, Hit};
use std::io::{self, Write};

pub(crate) use summary::Summary;
pub(crate) use table::{Style, shortened, shortened_left};

/// JSON for people and programs. Unlike `serde_json` it escapes DEL and the control characters of C1 too, which steer terminals as those of C0 do.
pub(crate) fn pretty_json(value: &Value) -> String {
    let mut text = String::new();
    for character in format!("{value:#}").chars() {
        // They can only be in strings.
        if matches!(character, '\u{7f}'..='\u{9f}') {
            text.push_str(&format!("\\u{:04x}", u32::from(character)));
        } else {
            text.push(character);
        }
    }
    text
}

/// Writes detections in one format.
#[derive(Clone, Debug)]
pub(crate) struct Encoder {
    format: DetectionFormat,
    style: Style,
}

impl Encoder {
    pub(crate) fn new(format: DetectionFormat, style: Style) -> Self {
        Self { format, style }
    }

    /// What comes before the first detection.
    pub(crate) fn begin(&self, out: &mut dyn Write) -> io::Result<()> {
        match self.format {
            DetectionFormat::Csv => out.write_all(csv::HEADER),
            DetectionFormat::Json => out.write_all(b"["),
            DetectionFormat::Table
            | DetectionFormat::Jsonl
            | DetectionFormat::Ecs
            | DetectionFormat::Ocsf
            | DetectionFormat::Confluent => Ok(()),
        }
    }

    /// What comes before a detection: tables and arrays differ at the first.
    pub(crate) fn before(&self, first: bool, out: &mut dyn Write) -> io::Result<()> {
        match self.format {
            DetectionFormat::Json if first => out.write_all(b"\n"),
            DetectionFormat::Json => out.write_all(b",\n"),
            DetectionFormat::Table if first => table::header(&self.style, out),
            _ => Ok(()),
        }
    }

    /// What comes after the last detection.
    pub(crate) fn end(&self, any: bool, out: &mut dyn Write) -> io::Result<()> {
        match self.format {
            DetectionFormat::Json if any => out.write_all(b"\n]\n"),
            DetectionFormat::Json => out.write_all(b"]\n"),
            _ => Ok(()),
        }
    }

    /// Appends one detection.
    pub(crate) fn detection(&self, hit: &Hit<'_>, rule: u32, out: &mut Buffer) {
        let (format, ends) = match self.format {
            DetectionFormat::Table => {
                table::row(&self.style, hit, out);
                return out.mark(hit.time(), rule);
            }
            DetectionFormat::Csv => {
                csv::row(hit, out);
                return out.mark(hit.time(), rule);
            }
            DetectionFormat::Json => (Format::Json, false),
            DetectionFormat::Jsonl => (Format::Json, true),
            DetectionFormat::Ecs => (Format::Ecs, true),
            DetectionFormat::Ocsf => (Format::Ocsf, true),
            DetectionFormat::Confluent => (Format::Confluent, true),
        };
        format.write(hit, out);
        if ends {
            out.bytes().push(b'\n');
        }
        out.mark(hit.time(), rule);
    }
}

#[cfg(test)]
mod tests {
    use super::pretty_json;
    use serde_json::json;

    #[test]
    fn json_steers_no_terminal() {
        let value = json!({"\u{9b}1m": "\u{1b}\u{7f}\u{80}é\u{a0}"});
        let text = pretty_json(&value);
        assert_eq!(text, "{\n  \"\\u009b1m\": \"\\u001b\\u007f\\u0080é\u{a0}\"\n}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).ok(), Some(value));
    }
}
