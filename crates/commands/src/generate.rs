// SPDX-License-Identifier: Apache-2.0

//! Shell completions and man pages for packagers, generated from the arguments.

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use clap::{Command, CommandFactory as _};
use clap_complete::Shell;
use policy_host::shown;

use super::{Cli, Outcome, printer};

#[derive(Debug, clap::Args)]
pub(super) struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

pub(super) fn completions(args: &CompletionsArgs) -> Result<Outcome> {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "sa-hygiene", &mut text);
    print(text)
}

#[derive(Debug, clap::Args)]
pub(super) struct ManArgs {
    /// Subcommand [default: the command itself]
    command: Option<String>,

    /// Write the man pages of the command and of each subcommand to a directory
    #[arg(long, value_name = "DIR", conflicts_with = "command")]
    out_dir: Option<PathBuf>,
}

/// Prints one man page, or writes one for the command and one for each subcommand.
pub(super) fn man(args: &ManArgs) -> Result<Outcome> {
    let mut command = Cli::command();
    command.build();
    if let Some(folder) = &args.out_dir {
        std::fs::create_dir_all(folder).with_context(|| shown::path(folder))?;
        for page in std::iter::once(&command).chain(subcommands(&command)) {
            let file = folder.join(format!("{}.1", name(page)));
            std::fs::write(&file, rendered(page)?).with_context(|| shown::path(&file))?;
            printer::good("written:", &shown::path(&file));
        }
        return Ok(Outcome::AllAccepted);
    }
    let Some(wanted) = &args.command else { return print(rendered(&command)?) };
    if let Some(page) = subcommands(&command).find(|it| it.get_name() == wanted) {
        return print(rendered(page)?);
    }
    let names: Vec<&str> = subcommands(&command).map(Command::get_name).collect();
    bail!("no subcommand `{}`, must be one of {}", shown::text(wanted), names.join(", "))
}

fn subcommands(command: &Command) -> impl Iterator<Item = &Command> {
    command.get_subcommands().filter(|it| !it.is_hide_set() && it.get_name() != "help")
}

/// The name of a page, for example `sa-hygiene-check`.
fn name(command: &Command) -> String {
    command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned()
}

fn rendered(command: &Command) -> Result<Vec<u8>> {
    let mut text = Vec::new();
    clap_mangen::Man::new(command.clone()).render(&mut text)?;
    Ok(text)
}

fn print(text: Vec<u8>) -> Result<Outcome> {
    printer::document(&String::from_utf8(text)?)?;
    Ok(Outcome::AllAccepted)
}
