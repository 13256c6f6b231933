//! How logs are read: what the kinds of events are, which format is expected, which zone.

use crate::file_date::date_in_name;
use anyhow::{Context as _, bail};
use jiff::tz::TimeZone;
use sigmund_engine::{AddedLogSource, Routing};
use sigmund_parsers::{FORMATS, Format, StreamInfo, format_named};
use sigmund_sigma::LogSource;
use sigmund_sigma::pipeline::logsource_mapping::LogSourceMapping;
use std::sync::Arc;

/// How logs are read.
#[derive(Clone)]
pub struct Reading {
    /// What the log sources of events are.
    pub routing: Arc<Routing>,
    /// The format of all logs, if they are not looked at.
    pub forced: Option<&'static dyn Format>,
    /// The zone of times that name none.
    pub zone: TimeZone,
}

impl Default for Reading {
    fn default() -> Self {
        Self { routing: Arc::default(), forced: None, zone: TimeZone::UTC }
    }
}

impl std::fmt::Debug for Reading {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let forced = self.forced.map(|format| format.name());
        f.debug_struct("Reading").field("forced", &forced).finish_non_exhaustive()
    }
}

impl Reading {
    /// What a parser is told about a file: the date in its name says more than when it was written, which may have been by whoever unpacked it.
    #[must_use]
    pub fn file_info(&self, file_name: &str, modified: i64) -> StreamInfo {
        self.info(file_name, date_in_name(file_name).unwrap_or(modified))
    }

    /// What a parser is told about a stream. `modified` is the time of the file, in nanoseconds UTC.
    #[must_use]
    pub fn info(&self, file_name: &str, modified: i64) -> StreamInfo {
        StreamInfo {
            file_name: file_name.into(),
            reference_time: modified,
            assumed_zone: self.zone.clone(),
            routing: Arc::clone(&self.routing),
        }
    }
}

/// What a log source mapping adds to the routing.
pub fn added(mapping: LogSourceMapping) -> impl Iterator<Item = AddedLogSource> {
    mapping.entries.into_iter().filter_map(|entry| {
        // Without conditions an entry says which channel a service is; the parsers know those.
        let when = entry.rewrite.or_else(|| {
            let product = entry.logsource.product.clone();
            (!entry.conditions.is_empty()).then(|| LogSource { product, ..LogSource::default() })
        })?;
        let conditions = entry.conditions.into_iter().map(|(field, values)| {
            (field, values.iter().map(|value| value.as_str().into()).collect())
        });
        Some(AddedLogSource {
            when,
            conditions: conditions.collect(),
            adds: entry.logsource,
            aliases: entry.field_mappings,
        })
    })
}

/// The format of that name.
///
/// # Errors
/// If there is none; the message names all.
pub fn input_format(name: &str) -> anyhow::Result<&'static dyn Format> {
    format_named(name).with_context(|| {
        let known: Vec<&str> = FORMATS.iter().map(|format| format.name()).collect();
        format!("unknown input format `{name}`; known: {}", known.join(", "))
    })
}

/// A log source such as `product=linux,service=auditd`.
///
/// # Errors
/// If a part is not one of the three.
pub fn log_source(text: &str) -> anyhow::Result<LogSource> {
    let (mut product, mut category, mut service) = (None, None, None);
    for part in text.split(',') {
        match part.trim().split_once('=') {
            Some(("product", value)) => product = Some(value),
            Some(("category", value)) => category = Some(value),
            Some(("service", value)) => service = Some(value),
            _ => bail!(
                "`{part}` in log source `{text}` is not `product=…`, `category=…` or `service=…`; \
                 write for example `product=linux,service=sshd`"
            ),
        }
    }
    Ok(LogSource::new(product, category, service))
}

/// A name of the time zone database, or an offset such as `+02:00`.
///
/// # Errors
/// If it is neither.
pub fn time_zone(name: &str) -> anyhow::Result<TimeZone> {
    if let Ok(zone) = TimeZone::get(name) {
        return Ok(zone);
    }
    let offset = (|| {
        let (sign, rest) = match name.as_bytes().first()? {
            b'+' => (1, &name[1..]),
            b'-' => (-1, &name[1..]),
            _ => return None,
        };
        let digits: String = rest.chars().filter(|&c| c != ':').collect();
        if !digits.bytes().all(|digit| digit.is_ascii_digit()) {
            return None;
        }
        let (hours, minutes) = match digits.len() {
            1 | 2 => (digits.parse::<i32>().ok()?, 0),
            4 => (digits[..2].parse::<i32>().ok()?, digits[2..].parse::<i32>().ok()?),
            _ => return None,
        };
        if minutes > 59 {
            return None;
        }
        jiff::tz::Offset::from_seconds(sign * (hours * 3600 + minutes * 60)).ok()
    })();
    match offset {
        Some(offset) => Ok(TimeZone::fixed(offset)),
        None => bail!("unknown time zone `{name}`; write for example `Europe/Berlin` or `+02:00`"),
    }
}

#[cfg(test)]
mod tests {
    use super::{input_format, time_zone};

    #[test]
    fn formats_are_known_by_name() {
        assert_eq!(input_format("json").map(|format| format.name()).ok(), Some("json"));
        let error = input_format("jsn").err().expect("no such format").to_string();
        assert!(error.starts_with("unknown input format `jsn`; known: "), "{error}");
    }

    #[test]
    fn log_sources_are_read() {
        let source = super::log_source("product=Linux, service=auditd").expect("a log source");
        assert_eq!(source.to_string(), "linux/-/auditd");
        assert!(super::log_source("linux").is_err());
    }

    #[test]
    fn zones_are_read() {
        for name in ["Europe/Berlin", "UTC", "+02:00", "-0530", "+1"] {
            assert!(time_zone(name).is_ok(), "{name}");
        }
        assert!(time_zone("Mars/Olympus").is_err());
        assert!(time_zone("+é").is_err());
    }

    #[test]
    fn offsets_are_zones() {
        for zone in ["UTC", "Europe/Berlin", "+02:00", "-0530", "+1"] {
            assert!(time_zone(zone).is_ok(), "{zone}");
        }
        for zone in ["Mars/Olympus", "+é", "+aé1", "+-1", "+99", "+0260", ""] {
            assert!(time_zone(zone).is_err(), "{zone}");
        }
    }
}
