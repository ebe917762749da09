//! `postrider webhooks`: who is subscribed to what.

use clap::{Args, Subcommand};
use serde_json::Value;

use crate::client::{self, Client, Connection};
use crate::failure::Failure;
use crate::output::say;
use crate::table::{self, Column, text};

#[derive(Debug, Subcommand)]
pub enum Webhooks {
    /// List the webhooks, newest first
    List(List),
}

#[derive(Debug, Args)]
pub struct List {
    /// Of this tenant only
    #[arg(long)]
    tenant: Option<String>,

    /// How many to show
    #[arg(long, value_name = "N", default_value = "50", value_parser = crate::limit)]
    limit: usize,

    /// Print the API's answer
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    connection: Connection,
}

const COLUMNS: &[Column] = &[
    ("ID", |webhook| text(webhook, "id")),
    ("TENANT", |webhook| text(webhook, "tenant")),
    ("STATUS", |webhook| text(webhook, "status")),
    ("EVENTS", event_types),
    ("URL", |webhook| text(webhook, "webhook_url")),
];

pub fn run(webhooks: &Webhooks) -> Result<(), Failure> {
    let Webhooks::List(list) = webhooks;
    let client = Client::new(&list.connection)?;
    let query: Vec<_> = list.tenant.iter().map(|tenant| ("tenant", tenant.as_str())).collect();
    let page = client::run(client.list("/v1/webhooks", &query, list.limit))?;
    if list.json {
        say(&page);
    } else {
        table::print(
            &page,
            COLUMNS,
            "No webhook is registered: POST /v1/webhooks/register adds one.",
        );
    }
    Ok(())
}

fn event_types(webhook: &Value) -> String {
    let types = webhook["event_types"].as_array().map(Vec::as_slice).unwrap_or_default();
    types.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ")
}
