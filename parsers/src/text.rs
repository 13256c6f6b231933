//! Plain text lines: the format of everything that no other format knows.
//!
//! A line is an event without named fields and without a log source; keyword rules search it.

use crate::{Format, Head, Outcome, Parser, Score, StreamInfo};
use sigmund_engine::{AliasTable, Body, Record, Route};
use std::sync::Arc;

/// Plain text lines.
#[derive(Clone, Copy, Debug)]
pub struct Text;

impl Format for Text {
    fn name(&self) -> &'static str {
        "text"
    }

    fn sniff(&self, _: &Head<'_>) -> Score {
        Score::FALLBACK
    }

    fn open(&self, info: &StreamInfo) -> Box<dyn Parser> {
        let route = info.routing.route("text", Vec::new(), None, &Arc::default(), &|_| None);
        Box::new(TextParser { route })
    }

    fn aliases(&self) -> Vec<Arc<AliasTable>> {
        Vec::new()
    }
}

struct TextParser {
    route: Arc<Route>,
}

impl Parser for TextParser {
    fn parse(&mut self, _: &[u8], record: &mut Record) -> Outcome {
        record.body = Body::Text;
        record.route = Some(Arc::clone(&self.route));
        Outcome::Event
    }
}
