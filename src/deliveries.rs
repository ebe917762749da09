//! `postrider deliveries`: what went where, and what became of it.

use clap::{Args, Subcommand};
use model::delivery::Status;
use model::id::WebhookId;
use serde_json::Value;

use crate::client::{self, Client, Connection};
use crate::failure::Failure;
use crate::output::say;
use crate::table::{self, Column, text};

#[derive(Debug, Subcommand)]
pub enum Deliveries {
    /// List deliveries, newest first
    List(List),
}

#[derive(Debug, Args)]
pub struct List {
    /// With one of these statuses: pending, retrying, delivered, failed, cancelled
    #[arg(long, value_name = "STATUS", value_delimiter = ',', value_parser = status)]
    status: Vec<String>,

    /// To this webhook
    #[arg(long, value_name = "WEBHOOK_ID", value_parser = webhook)]
    webhook: Option<String>,

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
    ("ACCEPTED", |delivery| text(delivery, "accepted_at")),
    ("TYPE", |delivery| text(delivery, "event_type")),
    ("STATUS", |delivery| text(delivery, "status")),
    ("TRIES", |delivery| text(delivery, "attempt_count")),
    ("LAST ANSWER", last_answer),
    ("WEBHOOK", |delivery| text(delivery, "webhook_id")),
    ("EVENT", |delivery| text(delivery, "event_id")),
];

pub fn run(deliveries: &Deliveries) -> Result<(), Failure> {
    let Deliveries::List(list) = deliveries;
    let client = Client::new(&list.connection)?;
    let statuses = list.status.join(",");
    let mut query = Vec::new();
    if !statuses.is_empty() {
        query.push(("status", statuses.as_str()));
    }
    query.extend(list.webhook.iter().map(|id| ("webhook_id", id.as_str())));
    query.extend(list.tenant.iter().map(|tenant| ("tenant", tenant.as_str())));
    let page = client::run(client.list("/v1/deliveries", &query, list.limit))?;
    if list.json {
        say(&page);
    } else {
        table::print(&page, COLUMNS, "There are no such deliveries.");
    }
    Ok(())
}

/// `200 in 4 ms`, or what went wrong; a dash before the first attempt.
pub fn last_answer(delivery: &Value) -> String {
    let last = &delivery["last_attempt"];
    if last.is_null() {
        return "-".into();
    }
    let answer = match &last["status"] {
        Value::Null => text(last, "error"),
        status => status.to_string(),
    };
    format!("{answer} in {:.0} ms", last["duration_ms"].as_f64().unwrap_or_default())
}

fn status(text: &str) -> Result<String, String> {
    let names = || Status::ALL.map(Status::as_str).join(", ");
    Status::parse(text).map(|_| text.to_owned()).ok_or_else(|| format!("it is none of {}", names()))
}

fn webhook(text: &str) -> Result<String, String> {
    let wrong =
        || "a webhook's id begins with wh_; `postrider webhooks list` shows them".to_owned();
    WebhookId::parse(text).map(|_| text.to_owned()).ok_or_else(wrong)
}
