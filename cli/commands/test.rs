//! `sigmund test`.

use super::Status;
use crate::args::Test;
use crate::printer::Printer;

pub(super) fn run(args: &Test, printer: &Printer) -> anyhow::Result<Status> {
    let _ = args;
    printer.error("`test` is not built yet");
    Ok(Status::Failure)
}
