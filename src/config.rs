//! `postrider config`: every setting as it stands for a server that would start here and now.

use std::path::PathBuf;

use clap::Args;

use crate::failure::Failure;
use crate::output::{say, say_json};
use crate::settings::{self, Flags};

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  postrider config                               every setting and what set it
  postrider config --config postrider.toml       with a file; a wrong key is named
  postrider config --defaults > postrider.toml   a file to start from

See also: postrider doctor, which tries what is set.")]
pub struct Config {
    /// The settings file
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Print the defaults in the form of a settings file, whatever is set
    #[arg(long)]
    defaults: bool,

    /// Print JSON
    #[arg(long, conflicts_with = "defaults")]
    json: bool,

    #[command(flatten)]
    flags: Flags,
}

pub fn run(config: &Config) -> Result<(), Failure> {
    if config.defaults {
        say(settings::defaults().trim_end());
        return Ok(());
    }
    let (settings, effective) =
        settings::read(&config.flags, config.config.as_deref(), &settings::env)?;
    if config.json {
        say_json(settings::as_json(&effective));
    } else {
        say(settings::as_toml(&effective).trim_end());
    }
    // Shown first, so that it is seen where the wrong one comes from.
    settings.check()
}
