//! `sigmund generate`: shell completions and man pages.

use super::Status;
use crate::args::{Args, Generate};
use crate::printer::Printer;
use anyhow::Context as _;
use clap::CommandFactory as _;
use std::io::Write as _;

pub(super) fn run(args: &Generate, printer: &Printer) -> anyhow::Result<Status> {
    let mut command = Args::command();
    let mut text = Vec::new();
    match args {
        Generate::Completions { shell } => {
            clap_complete::generate(*shell, &mut command, "sigmund", &mut text);
        }
        Generate::Man { directory: Some(directory) } => {
            std::fs::create_dir_all(directory)
                .with_context(|| format!("cannot create `{}`", directory.display()))?;
            clap_mangen::generate_to(command, directory)
                .with_context(|| format!("cannot write to `{}`", directory.display()))?;
        }
        Generate::Man { directory: None } => clap_mangen::Man::new(command).render(&mut text)?,
    }
    printer.stdout().write_all(&text)?;
    Ok(Status::Success)
}
