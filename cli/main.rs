//! `sigmund`: arguments ([`args`]) → what they mean ([`plan`]) → a command ([`commands`]).
//!
//! Data goes to stdout, everything else to stderr, both through the [`printer`]. Exit codes: 0 fine,
//! 1 findings, 2 could not do the work; a closed pipe is a quiet 0.

mod args;
mod commands;
mod correlate;
mod correlation_text;
mod encode;
mod events;
mod evidence;
mod input;
mod plan;
mod printer;
mod read;
mod render;
mod rule_fields;
mod rule_test;
mod rule_text;
mod scan;
mod schedule;
mod service;
mod sources;
mod temporary;
mod timeline;

use crate::printer::{Printer, is_broken_pipe};
use clap::Parser;
use std::process::ExitCode;

/// Rules are many small allocations, made once and then read for every event: this one lays them out close together and on large pages
/// where the system has them. librdkafka's records are its too (feature `override`): they are made by one thread and given back by another.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let args = args::Args::parse();
    let printer = Printer::new(&args.global);
    match commands::run(args.command, &printer) {
        Ok(status) => status.into(),
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            printer.error(&format!("{error:#}"));
            commands::Status::Failure.into()
        }
    }
}
