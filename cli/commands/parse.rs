//! `sigmund parse`.

use super::Status;
use crate::args::Parse;
use crate::printer::Printer;

pub(super) fn run(args: &Parse, printer: &Printer) -> anyhow::Result<Status> {
    let _ = args;
    printer.error("`parse` is not built yet");
    Ok(Status::Failure)
}
