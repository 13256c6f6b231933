//! `sigmund rules`.

use super::Status;
use crate::args::RulesCommand;
use crate::printer::Printer;

pub(super) fn run(args: &RulesCommand, printer: &Printer) -> anyhow::Result<Status> {
    let _ = args;
    printer.error("`rules` is not built yet");
    Ok(Status::Failure)
}
