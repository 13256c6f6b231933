//! The commands: one file each.

mod check;
mod config;
mod explain;
mod generate;
mod hunt;
mod parse;
mod rules;
mod run;
mod status;
mod tail;
mod test;
mod topics;

use crate::args::Command;
use crate::printer::Printer;
use std::process::ExitCode;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    /// 0: fine.
    Success,
    /// 1: findings.
    Findings,
    /// 2: the work, or some of it, could not be done.
    Failure,
}

impl From<Status> for ExitCode {
    fn from(status: Status) -> Self {
        match status {
            Status::Success => Self::SUCCESS,
            Status::Findings => Self::from(1),
            Status::Failure => Self::from(2),
        }
    }
}

/// Runs a command.
pub(crate) fn run(command: Command, printer: &Printer) -> anyhow::Result<Status> {
    match command {
        Command::Hunt(args) => hunt::run(&args, printer),
        Command::Run(args) => run::run(&args, printer),
        Command::Status(args) => status::run(&args, printer),
        Command::Tail(args) => tail::run(&args, printer),
        Command::Check(args) => check::run(&args, printer),
        Command::Test(args) => test::run(&args, printer),
        Command::Parse(args) => parse::run(&args, printer),
        Command::Explain(args) => explain::run(&args, printer),
        Command::Rules(args) => rules::run(&args, printer),
        Command::Config(args) => config::run(&args, printer),
        Command::Topics(args) => topics::run(&args, printer),
        Command::Generate(args) => generate::run(&args, printer),
    }
}
