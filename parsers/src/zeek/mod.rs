//! Zeek (formerly Bro): its TSV logs here, its JSON logs as a schema of the JSON reader, and what
//! both have in common: log sources ([`route`]) and aliases ([`alias`]).
//!
//! The authority for the formats is Zeek's own writers (`src/logging/writers/ascii`, `src/threading/formatters`) and
//! docs.zeek.org, log formats.

mod alias;
mod cells;
mod columns;
mod escape;
mod header;
pub mod json;
pub(crate) mod route;
#[cfg(test)]
mod samples;
mod tsv;

use crate::{Format, Head, Parser, Score, StreamInfo};
use sigmund_engine::AliasTable;
use std::sync::Arc;

/// Zeek's tab-separated logs.
#[derive(Clone, Copy, Debug)]
pub struct Zeek;

impl Format for Zeek {
    fn name(&self) -> &'static str {
        "zeek"
    }

    fn sniff(&self, head: &Head<'_>) -> Score {
        let mut lines = head.bytes.split(|byte| *byte == b'\n').take(20).map(|line| {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            &line[..line.len().min(64 * 1024)]
        });
        let Some(first) = lines.by_ref().find(|line| !line.trim_ascii().is_empty()) else {
            return Score::NO;
        };
        let is_header = |line: &[u8]| {
            header::separator_line(line.trim_ascii_start()).is_some()
                || header::is_usual_option(line)
        };
        // Zeek's test suite writes comments first.
        if is_header(first) || (first.starts_with(b"#") && lines.any(is_header)) {
            return Score::SURE;
        }
        let named = path_of_file(head.file_name).is_some();
        match score_row(first) {
            Score::NO if header::is_plain_names(first) => {
                if named || first.windows(9).any(|part| part == b"id.orig_h") {
                    Score::SURE
                } else {
                    Score::NO
                }
            }
            score if named && score > Score::NO => Score::SURE,
            score => score,
        }
    }

    fn sniff_line(&self, line: &[u8]) -> Score {
        match line.first() {
            Some(b'#') if header::is_usual_option(line) => Score::SURE,
            Some(b'0'..=b'9') => score_row(line),
            _ => Score::NO,
        }
    }

    fn is_stateless(&self) -> bool {
        false
    }

    fn open(&self, info: &StreamInfo) -> Box<dyn Parser> {
        Box::new(tsv::Reader::new(info))
    }

    fn aliases(&self) -> Vec<Arc<AliasTable>> {
        alias::tables()
    }
}

/// A row without header: epoch time, then cells that fit a known log.
fn score_row(line: &[u8]) -> Score {
    let Some(tab) = memchr::memchr(b'\t', &line[..line.len().min(32)]) else { return Score::NO };
    if !columns::is_number(&line[..tab]) || !line[..tab].contains(&b'.') {
        return Score::NO;
    }
    let cells: Vec<&[u8]> = line.split(|byte| *byte == b'\t').collect();
    match columns::layout_of(None, &cells) {
        Some(_) => Score::LIKELY,
        None => Score::NO,
    }
}

/// Which log a file is by its name: `conn.log`, `conn.10:00:00-11:00:00.log`, `conn_20240101.log`,
/// `sensor_known_hosts.log`; `None` if the name says nothing.
pub(crate) fn path_of_file(file_name: &str) -> Option<&str> {
    let mut parts = file_name.split('.');
    let stem = parts.next()?;
    let ending = parts.next_back()?;
    let is_log = |part: &str| part == "log" || part.starts_with("log");
    if !matches!(ending, "json" | "tsv" | "ndjson" | "jsonl" | "labeled" | "txt")
        && !is_log(ending)
        && !file_name.contains(".log.")
    {
        return None;
    }
    if columns::is_known_path(stem) {
        return Some(stem);
    }
    // The longest known name that stands between other parts of the stem.
    let mut best: Option<&str> = None;
    let borders: Vec<usize> = std::iter::once(0)
        .chain(stem.match_indices(['_', '-']).map(|(at, _)| at + 1))
        .chain(std::iter::once(stem.len() + 1))
        .collect();
    if borders.len() > 24 {
        return None;
    }
    for (index, from) in borders.iter().enumerate() {
        for to in &borders[index + 1..] {
            let Some(part) = stem.get(*from..to - 1) else { continue };
            // `my_weird_stats` is `weird_stats`; of two equally long the last counts: prefixes are hosts and dates.
            if columns::is_known_path(part) && best.is_none_or(|best| best.len() <= part.len()) {
                best = Some(part);
            }
        }
    }
    best
}

/// Epoch seconds as decimal text to nanoseconds, exactly; digits beyond the ninth are cut.
pub(crate) fn nanos(text: &str) -> Option<i64> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.is_empty() || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    if !whole.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let seconds: i64 = whole.parse().ok()?;
    let mut part = 0_i64;
    for index in 0..9 {
        let digit = fraction.as_bytes().get(index).map_or(0, |byte| i64::from(byte - b'0'));
        part = part * 10 + digit;
    }
    let nanos = seconds.checked_mul(1_000_000_000)?.checked_add(part)?;
    Some(if negative { -nanos } else { nanos })
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn info(file_name: &str) -> StreamInfo {
        StreamInfo::new(file_name, 0)
    }

    fn score(file_name: &str, text: &str) -> Score {
        Zeek.sniff(&Head { file_name, bytes: text.as_bytes() })
    }

    #[test]
    fn headers_are_recognised() {
        assert_eq!(score("x", "#separator \\x09\n#set_separator\t,\n"), Score::SURE);
        assert_eq!(score("x", "\t#separator \\x09\n"), Score::SURE);
        assert_eq!(score("x", "PREFIX<>separator \\x7c\n"), Score::SURE);
        assert_eq!(score("x", "### BTest baseline\n#separator ||\n"), Score::SURE);
        assert_eq!(score("x", "#fields\tts\tuid\n"), Score::SURE);
        assert_eq!(score("x", "# fields of gold\n"), Score::NO);
        assert_eq!(score("x", "#Software: Microsoft Internet Information Services\n"), Score::NO);
        assert_eq!(score("conn.log", "Lorem ipsum separator dolor\n"), Score::NO);
        assert_eq!(score("x", "{\"ts\":1.5}\n"), Score::NO);
        assert_eq!(score("x", ""), Score::NO);
    }

    #[test]
    fn rows_are_recognised_by_their_cells() {
        let row = "1517336042.090842\tCi85EB\t10.55.182.100\t14291\t10.233.233.5\t80\ttcp\t-\t3.000158\t0\t0\tS0\tT\tT\t0\tS\t2\t104\t0\t0\t(empty)";
        assert_eq!(score("x", row), Score::LIKELY);
        assert_eq!(score("conn_top.log", row), Score::SURE);
        assert_eq!(Zeek.sniff_line(row.as_bytes()), Score::LIKELY);
        assert_eq!(Zeek.sniff_line(b"1517336042.090842\tsome\tother\ttable"), Score::NO);
    }

    #[test]
    fn file_names_tell_the_log() {
        assert_eq!(path_of_file("conn.log"), Some("conn"));
        assert_eq!(path_of_file("conn.10:00:00-11:00:00.log"), Some("conn"));
        assert_eq!(path_of_file("conn.2024-04-19-00-00-00-01-00-00.log"), Some("conn"));
        assert_eq!(path_of_file("conn_20240101_00:00:00-01:00:00-0400.log"), Some("conn"));
        assert_eq!(path_of_file("NEWYORK_known_services.log"), Some("known_services"));
        assert_eq!(path_of_file("smb_files.log"), Some("smb_files"));
        assert_eq!(path_of_file("files.log.labeled"), Some("files"));
        assert_eq!(path_of_file("conn.log.3"), Some("conn"));
        assert_eq!(path_of_file("auth.log"), None);
        assert_eq!(path_of_file("conn"), None);
        assert_eq!(path_of_file(""), None);
    }

    #[test]
    fn times_are_exact() {
        assert_eq!(nanos("1521911720.865716"), Some(1_521_911_720_865_716_000));
        assert_eq!(nanos("0.123456789123"), Some(123_456_789));
        assert_eq!(nanos("-315619199.000000"), Some(-315_619_199_000_000_000));
        assert_eq!(nanos("12"), Some(12_000_000_000));
        assert_eq!(nanos("99999999999999"), None);
        assert_eq!(nanos("XXXXXXXXXX.XXXXXX"), None);
        assert_eq!(nanos("."), None);
        assert_eq!(nanos("1e9"), None);
    }
}
