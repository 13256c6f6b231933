//! One log event by event, for commands that look at each: slower than a hunt, and complete.

use crate::input::Input;
use crate::plan::Reading;
use crate::read::{Consumer, Reader};
use sigmund_engine::Record;
use sigmund_parsers::{Framed, Outcome};
use std::io;
use std::ops::ControlFlow;

/// Gives each event of a log with the number of its record, from 1. Stops early where `each` says so. Returns how many records
/// there were.
pub(crate) fn each_event(
    reading: &Reading,
    input: &Input,
    each: &mut dyn FnMut(u64, &mut Framed<'_>) -> ControlFlow<()>,
) -> io::Result<u64> {
    let mut events = Events { each, number: 0, stopped: false };
    let report = Reader::new(Record::collecting()).log(input.open()?, reading, &mut events);
    match report {
        Ok(report) => match report.problem {
            Some(problem) => Err(io::Error::other(problem)),
            None => Ok(events.number),
        },
        Err(_) if events.stopped => Ok(events.number),
        Err(error) => Err(error),
    }
}

struct Events<'a> {
    each: &'a mut dyn FnMut(u64, &mut Framed<'_>) -> ControlFlow<()>,
    number: u64,
    stopped: bool,
}

impl Consumer for Events<'_> {
    fn record(&mut self, mut framed: Framed<'_>) {
        if self.stopped {
            return;
        }
        self.number += 1;
        if framed.outcome == Outcome::Event {
            self.stopped = (self.each)(self.number, &mut framed).is_break();
        }
    }

    fn block(&mut self, _: usize) -> io::Result<()> {
        if self.stopped { Err(io::Error::other("stopped")) } else { Ok(()) }
    }
}
