//! `sigmund topics`: the topics that the service needs.

use super::{Status, config};
use crate::args::TopicsCommand;
use crate::printer::Printer;

pub(super) fn run(args: &TopicsCommand, printer: &Printer) -> anyhow::Result<Status> {
    let (TopicsCommand::Create { options, .. } | TopicsCommand::Check { options }) = args;
    let Some(_) = config::load(options, printer) else { return Ok(Status::Failure) };
    anyhow::bail!("topics are not made yet")
}
