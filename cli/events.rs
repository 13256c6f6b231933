//! One log event by event, for commands that look at each: slower than a hunt, and complete.

use crate::input::Input;
use crate::plan::Reading;
use sigmund_engine::Record;
use sigmund_parsers::{Framed, Outcome, Stream};
use std::io::{self, Read};
use std::ops::ControlFlow;

/// How much is read at once.
const BLOCK: usize = 256 << 10;

/// Gives each event of a log with its number, from 1. Stops early where `each` says so. Returns how many there were.
pub(crate) fn each_event(
    reading: &Reading,
    input: &Input,
    each: &mut dyn FnMut(u64, &mut Framed<'_>) -> ControlFlow<()>,
) -> io::Result<u64> {
    let mut opened = input.open()?;
    let info = reading.info(&opened.file_name, opened.modified);
    let mut stream = Stream::open(info, &opened.head, reading.forced);
    let mut record = Record::collecting();
    let mut block = std::mem::take(&mut opened.head);
    let mut number = 0;
    let mut flow = ControlFlow::Continue(());
    loop {
        let before = block.len();
        opened.reader.by_ref().take(BLOCK as u64).read_to_end(&mut block)?;
        let last = block.len() == before;
        let used = stream.read(&block, last, &mut record, &mut |mut framed| {
            if framed.outcome == Outcome::Event && flow.is_continue() {
                number += 1;
                flow = each(number, &mut framed);
            }
        });
        if last || flow.is_break() {
            return Ok(number);
        }
        block.drain(..used);
    }
}
