//! One log event by event, for commands that look at each: slower than a hunt, and complete.

use crate::input::Input;
use crate::read::{Consumer, Reader, Report};
use sigmund_engine::Record;
use sigmund_engine::detection::SourcePosition;
use sigmund_parsers::{Framed, Outcome};
use sigmund_stream::reading::Reading;
use std::io;
use std::ops::ControlFlow;

/// Gives each event of a log with its place: the stream (a member of an archive is one of its own) and the number of its
/// record in that, from 1, as detections name it. Stops early where `each` says so. Returns what the log held, unless it was stopped.
pub(crate) fn each_event(
    reading: &Reading,
    input: &Input,
    each: &mut dyn FnMut(&SourcePosition, &mut Framed<'_>) -> ControlFlow<()>,
) -> io::Result<Option<Report>> {
    let position = SourcePosition { path: input.name().into(), record: 0 };
    let mut events = Events { each, position, stopped: false };
    match Reader::new(Record::collecting()).log(input.open()?, reading, &mut events) {
        Ok(report) => Ok(Some(report)),
        Err(_) if events.stopped => Ok(None),
        Err(error) => Err(error),
    }
}

struct Events<'a> {
    each: &'a mut dyn FnMut(&SourcePosition, &mut Framed<'_>) -> ControlFlow<()>,
    position: SourcePosition,
    stopped: bool,
}

impl Consumer for Events<'_> {
    fn stream(&mut self, name: &str) {
        self.position = SourcePosition { path: name.into(), record: 0 };
    }

    fn record(&mut self, mut framed: Framed<'_>) {
        if self.stopped {
            return;
        }
        self.position.record += 1;
        if framed.outcome == Outcome::Event {
            self.stopped = (self.each)(&self.position, &mut framed).is_break();
        }
    }

    fn block(&mut self, _: usize) -> io::Result<()> {
        if self.stopped { Err(io::Error::other("stopped")) } else { Ok(()) }
    }
}
