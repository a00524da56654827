// SPDX-License-Identifier: Apache-2.0

//! What packagers need: completions for shells and the man page, made from the arguments themselves.

use anyhow::Result;
use clap::CommandFactory as _;
use clap_complete::Shell;

use super::{Cli, Outcome, printer};

#[derive(Debug, clap::Args)]
pub(super) struct CompletionsArgs {
    /// For which shell
    #[arg(value_enum)]
    shell: Shell,
}

pub(super) fn completions(args: &CompletionsArgs) -> Result<Outcome> {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "sa-hygiene", &mut text);
    print(text)
}

/// One page for the command and all its verbs.
pub(super) fn man() -> Result<Outcome> {
    let mut command = Cli::command();
    command.build();
    let mut text = Vec::new();
    clap_mangen::Man::new(command.clone()).render(&mut text)?;
    for verb in command.get_subcommands().filter(|verb| !verb.is_hide_set() && verb.get_name() != "help") {
        let man = clap_mangen::Man::new(verb.clone());
        man.render_synopsis_section(&mut text)?;
        man.render_description_section(&mut text)?;
        man.render_options_section(&mut text)?;
        man.render_extra_section(&mut text)?;
    }
    print(text)
}

fn print(text: Vec<u8>) -> Result<Outcome> {
    printer::document(&String::from_utf8(text)?)?;
    Ok(Outcome::AllAccepted)
}
