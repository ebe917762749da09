//! `postrider completions`: what a shell needs to complete commands and flags.

use clap::Args;
use clap_complete::Shell;

use crate::failure::Failure;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  postrider completions bash > ~/.local/share/bash-completion/completions/postrider
  postrider completions zsh > ~/.zfunc/_postrider      (a folder in $fpath)
  postrider completions fish > ~/.config/fish/completions/postrider.fish")]
pub struct Completions {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

pub fn run(completions: &Completions) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(
        completions.shell,
        &mut crate::help::command(),
        "postrider",
        &mut script,
    );
    crate::output::say(String::from_utf8_lossy(&script).trim_end());
    Ok(())
}
