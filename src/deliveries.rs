//! `postrider deliveries`: what went where, what became of it, and trying again.

mod timeline;

use clap::{Args, Subcommand};
use model::delivery::Status;
use serde_json::Value;

use crate::client::{self, Client, Connection};
use crate::failure::Failure;
use crate::given::{delivery, webhook};
use crate::listing::Listing;
use crate::output::{say, say_json};
use crate::table::{Column, text};

#[derive(Debug, Subcommand)]
pub enum Deliveries {
    /// List deliveries, newest first
    List(List),
    /// Show one with its attempts, and what comes next
    Show(Show),
    /// Send some again, now
    Retry(Several),
    /// Send some no more
    Cancel(Several),
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  postrider deliveries list --status failed,retrying
  postrider deliveries list --webhook wh_… --limit 200
  postrider deliveries list --status failed --json | jq -r '.data[].id'")]
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

    #[command(flatten)]
    listing: Listing,
}

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  postrider deliveries show dlv_…")]
pub struct Show {
    /// The delivery's id, as `deliveries list` shows it
    #[arg(value_name = "DELIVERY_ID", value_parser = delivery)]
    id: String,

    /// Print the API's answer
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  postrider deliveries retry dlv_…
  postrider deliveries cancel dlv_… dlv_…
  postrider deliveries list --status failed --json | jq -r '.data[].id' |
    xargs postrider deliveries retry

Each is done for itself: what cannot be done is said, the others are done, and the exit code is that
of the first that could not.")]
pub struct Several {
    /// The deliveries' ids, as `deliveries list` shows them
    #[arg(value_name = "DELIVERY_ID", required = true, value_parser = delivery)]
    ids: Vec<String>,

    /// Print the API's answers, one a line
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    connection: Connection,
}

const COLUMNS: &[Column] = &[
    ("ACCEPTED", |delivery| text(delivery, "accepted_at")),
    ("TYPE", |delivery| text(delivery, "event_type")),
    ("STATUS", |delivery| text(delivery, "status")),
    ("ATTEMPTS", |delivery| text(delivery, "attempt_count")),
    ("LAST ANSWER", last_answer),
    ("WEBHOOK", |delivery| text(delivery, "webhook_id")),
    ("EVENT", |delivery| text(delivery, "event_id")),
    ("ID", |delivery| text(delivery, "id")),
];

pub fn run(deliveries: &Deliveries) -> Result<(), Failure> {
    match deliveries {
        Deliveries::List(list) => run_list(list),
        Deliveries::Show(show) => run_show(show),
        Deliveries::Retry(several) => several.each("retry", "is sent again now"),
        Deliveries::Cancel(several) => several.each("cancel", "is not sent any more"),
    }
}

fn run_list(list: &List) -> Result<(), Failure> {
    let statuses = list.status.join(",");
    let mut query = Vec::new();
    if !statuses.is_empty() {
        query.push(("status", statuses.as_str()));
    }
    query.extend(list.webhook.iter().map(|id| ("webhook_id", id.as_str())));
    query.extend(list.tenant.iter().map(|tenant| ("tenant", tenant.as_str())));
    list.listing.print("/v1/deliveries", &query, COLUMNS, "There are no such deliveries.")
}

fn run_show(show: &Show) -> Result<(), Failure> {
    let client = Client::new(&show.connection)?;
    let delivery = client::run(client.get(&format!("/v1/deliveries/{}", show.id), &[]))?;
    if show.json {
        say_json(&delivery)
    } else {
        say(timeline::text(&delivery))
    }
    Ok(())
}

impl Several {
    /// Does it to each, and fails with the first failure once all were tried.
    fn each(&self, verb: &str, done: &str) -> Result<(), Failure> {
        let client = Client::new(&self.connection)?;
        client::run(async {
            let mut first = Ok(());
            for id in &self.ids {
                match client.post(&format!("/v1/deliveries/{id}/{verb}"), String::new()).await {
                    Ok(delivery) if self.json => say_json(&delivery),
                    Ok(_) => say(format!("{id} {done}.")),
                    Err(failure) => {
                        let failure =
                            Failure::new(failure.exit, format!("{id}: {}", failure.sentence));
                        if first.is_ok() {
                            first = Err(failure);
                        } else {
                            failure.report();
                        }
                    }
                }
            }
            first
        })
    }
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

/// What a delivery waits for, in the words of every command.
pub fn waits_for(reason: &str) -> &str {
    match reason {
        "paused" => "waits: its webhook is paused",
        "concurrency" => "waits: its webhook answers as many requests as it may have at once",
        "backoff" => "backoff",
        other => other,
    }
}
