//! `postrider dashboard`: a link that opens the dashboard, so that no key is typed into a page.

use clap::Args;

use crate::client::{self, Client, Connection, plain};
use crate::failure::Failure;
use crate::output::{say, say_json};
use crate::table::text;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  postrider dashboard
  xdg-open \"$(postrider dashboard)\"")]
pub struct Dashboard {
    /// Print the API's answer
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    connection: Connection,
}

pub fn run(dashboard: &Dashboard) -> Result<(), Failure> {
    let client = Client::new(&dashboard.connection)?;
    let made = client::run(client.post("/v1/session/links", String::new()))?;
    if dashboard.json {
        say_json(&made);
    } else {
        // The link alone on stdout, so that it can be given to a browser.
        eprintln!("this link opens once, until {}:", plain(&text(&made, "expires_at")));
        say(plain(&format!("{}{}", client.url(), text(&made, "path"))));
    }
    Ok(())
}
