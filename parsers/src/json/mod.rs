//! JSON events, whatever program wrote them.
//!
//! A record is one JSON object. Its members are the native fields; known containers (`Event.EventData`, `winlog`) are lifted
//! to short names, and known kinds of events get their log sources by [`schema`].

pub(crate) mod check;
pub(crate) mod close;
pub mod lift;
pub mod read;
pub(crate) mod scan;
pub mod schema;
pub mod write;

mod index;
mod order;
mod parser;
mod project;
mod routes;
pub mod time;
mod trail;
mod ways;
pub(crate) mod wrapper;

use crate::{Format, Framing, Head, Parser, Score, StreamInfo};
use parser::JsonParser;
use scan::Scan;
use sigmund_engine::AliasTable;
use std::sync::Arc;

/// JSON events.
#[derive(Clone, Copy, Debug)]
pub struct Json;

impl Format for Json {
    fn name(&self) -> &'static str {
        "json"
    }

    fn sniff(&self, head: &Head<'_>) -> Score {
        let bytes = head.bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(head.bytes);
        // RFC 7464 puts a record separator before each object.
        let blanks = bytes.iter().take_while(|byte| read::is_blank(**byte) || **byte == 0x1E);
        let bytes = &bytes[blanks.count()..];
        let value = match bytes.first() {
            Some(b'{') => bytes,
            Some(b'[') => match bytes[1..].trim_ascii_start() {
                // A list of objects: the first tells.
                first @ [b'{', ..] => first,
                [] | [b']'] => return Score::LIKELY,
                _ => return Score::NO,
            },
            _ => return Score::NO,
        };
        if !begins_object(value) {
            return Score::NO;
        }
        match scan::scan(value) {
            Scan::Complete(end) if read::object(&value[..end]).is_ok() => Score::SURE,
            Scan::Incomplete => Score::SURE,
            Scan::Complete(_) | Scan::Broken(_) => Score::FALLBACK,
        }
    }

    fn sniff_line(&self, line: &[u8]) -> Score {
        let line = line.trim_ascii();
        if line.ends_with(b"}") && begins_object(line) { Score::SURE } else { Score::NO }
    }

    fn framing(&self) -> Framing {
        Framing::Json
    }

    fn open(&self, info: &StreamInfo) -> Box<dyn Parser> {
        Box::new(JsonParser::new(info))
    }

    fn aliases(&self) -> Vec<Arc<AliasTable>> {
        schema::SCHEMAS.iter().flat_map(|schema| schema.aliases()).collect()
    }
}

/// `{` and then a key or `}`.
fn begins_object(bytes: &[u8]) -> bool {
    match bytes.split_first() {
        Some((b'{', rest)) => matches!(rest.trim_ascii_start().first(), Some(b'"' | b'}') | None),
        _ => false,
    }
}
