//! Detections for people: tables, files for spreadsheets and counts, beside the formats that the service writes too
//! ([`sigmund_stream::encode`]).

pub(crate) mod csv;
mod summary;
mod table;

use crate::args::DetectionFormat;
use sigmund_stream::encode::{Buffer, Format, Hit};
use std::io::{self, Write};

pub(crate) use summary::Summary;
pub(crate) use table::{Style, shortened, shortened_left};

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
