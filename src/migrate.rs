//! `postrider migrate`: brings the tables of PostgreSQL up to date, before new processes start.

use std::path::PathBuf;

use clap::Args;
use store::postgres::{OpenError, Postgres};

use crate::client;
use crate::failure::Failure;
use crate::output::say;
use crate::settings::{self, Flags};

#[derive(Debug, Args)]
#[command(after_help = "Example:
  POSTRIDER_DATABASE_URL=postgres://user:password@host/postrider postrider migrate

Exit codes: 0 the tables are up to date, 1 they could not be brought there,
2 a setting is missing or wrong. Running it again changes nothing.")]
pub struct Migrate {
    /// A file with settings, in the form that `postrider config --defaults` prints
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    #[command(flatten)]
    flags: Flags,
}

pub fn run(migrate: &Migrate) -> Result<(), Failure> {
    let (settings, _) = settings::read(&migrate.flags, migrate.config.as_deref(), &settings::env)?;
    let Some(url) = &settings.services.database_url else {
        return Err(Failure::usage(
            "POSTRIDER_DATABASE_URL is not set; the embedded database is brought up to date when it \
             is opened.",
        ));
    };
    client::run(async {
        Postgres::migrate(url.expose()).await.map_err(|e| match e {
            OpenError::Url(_) => Failure::usage(format!("POSTRIDER_DATABASE_URL: {e}.")),
            _ => Failure::failed(format!("{e}.")),
        })
    })?;
    say("The tables are up to date.");
    Ok(())
}
