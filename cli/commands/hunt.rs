//! `sigmund hunt`.

use super::Status;
use crate::args::Hunt;
use crate::printer::Printer;

pub(super) fn run(args: &Hunt, printer: &Printer) -> anyhow::Result<Status> {
    let _ = args;
    printer.error("`hunt` is not built yet");
    Ok(Status::Failure)
}
