//! `sigmund explain`.

use super::Status;
use crate::args::Explain;
use crate::printer::Printer;

pub(super) fn run(args: &Explain, printer: &Printer) -> anyhow::Result<Status> {
    let _ = args;
    printer.error("`explain` is not built yet");
    Ok(Status::Failure)
}
