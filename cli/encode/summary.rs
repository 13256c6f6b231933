//! Counts per rule and per host instead of single detections.

use super::table::shortened;
use super::{Style, csv};
use crate::args::DetectionFormat;
use sigmund_stream::encode::{Subject, json, level_name, rfc3339};
use sigmund_stream::words::{plural, visible};
use std::collections::BTreeMap;
use std::io::{self, Write};

/// More hosts than this are not told apart, so that memory is bounded.
const MAX_HOSTS: usize = 10_000;

/// Detections so far.
#[derive(Debug, Default)]
pub(crate) struct Summary {
    rules: BTreeMap<u32, Count>,
    hosts: BTreeMap<Box<str>, u64>,
    other_hosts: u64,
}

#[derive(Debug, Default)]
struct Count {
    detections: u64,
    first: Option<i64>,
    last: Option<i64>,
    hosts: BTreeMap<Box<str>, u64>,
}

impl Summary {
    /// Counts one detection.
    pub(crate) fn add(&mut self, rule: u32, time: Option<i64>, host: Option<&str>) {
        let count = self.rules.entry(rule).or_default();
        count.detections += 1;
        if let Some(time) = time {
            count.first = Some(count.first.map_or(time, |first| first.min(time)));
            count.last = Some(count.last.map_or(time, |last| last.max(time)));
        }
        let Some(host) = host else { return };
        if count.hosts.len() < MAX_HOSTS || count.hosts.contains_key(host) {
            *count.hosts.entry(host.into()).or_default() += 1;
        }
        if self.hosts.len() < MAX_HOSTS || self.hosts.contains_key(host) {
            *self.hosts.entry(host.into()).or_default() += 1;
        } else {
            self.other_hosts += 1;
        }
    }

    /// Writes the counts, the most severe and frequent rules first.
    pub(crate) fn write<'s>(
        &self,
        format: DetectionFormat,
        style: &Style,
        subject: &dyn Fn(u32) -> Subject<'s>,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let mut rows: Vec<(Subject<'_>, &Count)> =
            self.rules.iter().map(|(rule, count)| (subject(*rule), count)).collect();
        rows.sort_by_key(|(card, count)| {
            (std::cmp::Reverse(card.level()), std::cmp::Reverse(count.detections))
        });
        match format {
            DetectionFormat::Table => self.table(style, &rows, out),
            DetectionFormat::Csv => {
                let mut text = b"count,level,rule_id,rule_title,hosts,first,last\n".to_vec();
                for (card, count) in rows {
                    text.extend_from_slice(count.detections.to_string().as_bytes());
                    for part in [
                        card.level().map_or("", level_name),
                        card.id(),
                        card.title(),
                        &count.hosts.len().to_string(),
                        &count.first.map(rfc3339).unwrap_or_default(),
                        &count.last.map(rfc3339).unwrap_or_default(),
                    ] {
                        text.push(b',');
                        csv::cell(part, &mut text);
                    }
                    text.push(b'\n');
                }
                out.write_all(&text)
            }
            DetectionFormat::Json => {
                let objects: Vec<Vec<u8>> =
                    rows.iter().map(|(card, count)| object(*card, count)).collect();
                out.write_all(b"[\n")?;
                out.write_all(&objects.join(&b",\n"[..]))?;
                out.write_all(b"\n]\n")
            }
            // Those after the first are refused: they have no place for counts.
            DetectionFormat::Jsonl
            | DetectionFormat::Ecs
            | DetectionFormat::Ocsf
            | DetectionFormat::Confluent => {
                for (card, count) in rows {
                    out.write_all(&object(card, count))?;
                    out.write_all(b"\n")?;
                }
                Ok(())
            }
        }
    }

    fn table(
        &self,
        style: &Style,
        rows: &[(Subject<'_>, &Count)],
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let seconds = |time: Option<i64>| {
            let text = time.map(rfc3339).unwrap_or_default();
            text.get(..19).unwrap_or("-").replace('T', " ")
        };
        let narrow = style.narrow();
        let head = match narrow {
            Some(_) => format!("{:>8}  {:8}  RULE", "COUNT", "LEVEL"),
            None => format!(
                "{:>8}  {:8}  {:>5}  {:19}  {:19}  RULE",
                "COUNT", "LEVEL", "HOSTS", "FIRST (UTC)", "LAST (UTC)"
            ),
        };
        writeln!(out, "{}", style.bold(&head))?;
        for (card, count) in rows {
            let (detections, level) = (count.detections, style.level(card.level()));
            let (first, last) = (seconds(count.first), seconds(count.last));
            let (title, hosts) = (visible(card.title(), false), count.hosts.len());
            match narrow {
                Some(width) => {
                    let title = shortened(&title, width.saturating_sub(20).max(20));
                    writeln!(out, "{detections:>8}  {level}  {title}")?;
                    let hosts = plural(hosts as u64, "host");
                    writeln!(out, "{:20}{first} to {last}, {hosts}", "")?;
                }
                None => writeln!(
                    out,
                    "{detections:>8}  {level}  {hosts:>5}  {first:19}  {last:19}  {title}"
                )?,
            }
        }
        if self.hosts.is_empty() {
            return Ok(());
        }
        let mut hosts: Vec<(&str, u64)> =
            self.hosts.iter().map(|(host, count)| (&**host, *count)).collect();
        hosts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        writeln!(out, "\n{}", style.bold(&format!("{:>8}  HOST", "COUNT")))?;
        for (host, count) in &hosts {
            writeln!(out, "{count:>8}  {}", visible(host, false))?;
        }
        if self.other_hosts > 0 {
            writeln!(out, "{:>8}  (other hosts)", self.other_hosts)?;
        }
        Ok(())
    }
}

fn object(card: Subject<'_>, count: &Count) -> Vec<u8> {
    let mut out = b"{\"rule\":".to_vec();
    out.extend_from_slice(card.json());
    json::key("count", &mut out);
    out.extend_from_slice(count.detections.to_string().as_bytes());
    json::optional("first", count.first.map(rfc3339).as_deref(), &mut out);
    json::optional("last", count.last.map(rfc3339).as_deref(), &mut out);
    json::key("hosts", &mut out);
    out.push(b'{');
    for (host, count) in &count.hosts {
        json::name(host, &mut out);
        out.extend_from_slice(count.to_string().as_bytes());
    }
    out.extend_from_slice(b"}}");
    out
}
