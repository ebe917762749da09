//! What every list that the API pages has in common: how much of it, in which form, from where.

use clap::Args;

use crate::client::{self, Client, Connection};
use crate::failure::Failure;
use crate::output::say_json;
use crate::table::{self, Column};

/// How many items a list shows.
const LIMIT_MAX: usize = 10_000;

#[derive(Debug, Args)]
pub struct Listing {
    /// How many to show, up to 10000
    #[arg(long, value_name = "N", default_value = "50", value_parser = limit)]
    limit: usize,

    /// Print the API's answer
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    connection: Connection,
}

impl Listing {
    /// Asks for the list and prints it; `nothing` is said of an empty one.
    pub fn print(
        &self,
        path: &str,
        query: &[(&str, &str)],
        columns: &[Column],
        nothing: &str,
    ) -> Result<(), Failure> {
        let client = Client::new(&self.connection)?;
        let page = client::run(client.list(path, query, self.limit))?;
        if self.json {
            say_json(&page);
        } else {
            table::print(&page, columns, nothing);
        }
        Ok(())
    }
}

fn limit(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(limit) if (1..=LIMIT_MAX).contains(&limit) => Ok(limit),
        _ => Err(format!("a whole number from 1 to {LIMIT_MAX}")),
    }
}
