//! `postrider webhooks`: who is subscribed to what.

use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::client::{self, Client, Connection, plain};
use crate::deliveries::{last_answer, waits_for};
use crate::failure::{Exit, Failure};
use crate::given::webhook;
use crate::listing::Listing;
use crate::output::{escaped, say, say_json};
use crate::table::{self, Column, text};

/// How often and how long to look what became of a test: five seconds in all.
const LOOKS: u32 = 50;
const BETWEEN_LOOKS: Duration = Duration::from_millis(100);

#[derive(Debug, Subcommand)]
pub enum Webhooks {
    /// List the webhooks, newest first
    List(List),
    /// Show one with all its settings
    Show(One),
    /// Subscribe a URL to events; again for the same URL changes what is given
    Register(Register),
    /// Send it a test event and see what it answers
    Test(Test),
    /// Hold its deliveries back; they are kept and wait
    Pause(One),
    /// Send again what waited, also after it was disabled
    Resume(One),
    /// Show the signing secrets that are valid now
    Secret(One),
    /// Replace the signing secret; the one before signs as well for 24 hours
    RotateSecret(One),
    /// Forget it; what it still was to get is not sent
    Delete(Delete),
}

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  postrider webhooks list --tenant acme")]
pub struct List {
    /// Of this tenant only
    #[arg(long)]
    tenant: Option<String>,

    #[command(flatten)]
    listing: Listing,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  postrider webhooks show wh_…
  postrider webhooks pause wh_…
  postrider webhooks resume wh_…
  postrider webhooks secret wh_…
  postrider webhooks rotate-secret wh_…

`postrider webhooks list` shows the ids.")]
pub struct One {
    /// The webhook's id, as `webhooks list` shows it
    #[arg(value_name = "WEBHOOK_ID", value_parser = webhook)]
    id: String,

    /// Print the API's answer
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  postrider webhooks register https://application.com/v1/new-purchase
  postrider webhooks register https://application.com/hook --events 'order.*,invoice.paid'
  postrider webhooks register http://127.0.0.1:3000/hook --signature jwt --payload-format raw

Its secret is printed once here; `postrider webhooks secret wh_…` shows it again.")]
pub struct Register {
    /// Where its events are sent
    #[arg(value_name = "WEBHOOK_URL")]
    webhook_url: String,

    /// The types of events it gets, such as order.paid or 'order.*' [default: all]
    #[arg(long, value_name = "TYPES", value_delimiter = ',')]
    events: Vec<String>,

    /// Whose events it gets
    #[arg(long)]
    tenant: Option<String>,

    /// What it is for
    #[arg(long)]
    description: Option<String>,

    /// How requests are signed: standard or jwt
    #[arg(long, value_name = "SCHEME")]
    signature: Option<String>,

    /// The shape of the body: standard, raw or event
    #[arg(long, value_name = "FORMAT")]
    payload_format: Option<String>,

    /// Print the API's answer
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  postrider webhooks test wh_…
  postrider webhooks test wh_… --type order.paid --data '{\"total\": 50.75}'")]
pub struct Test {
    /// The webhook's id, as `webhooks list` shows it
    #[arg(value_name = "WEBHOOK_ID", value_parser = webhook)]
    id: String,

    /// The event's type [default: postrider.test]
    #[arg(long = "type", value_name = "TYPE")]
    event_type: Option<String>,

    /// The event's data: JSON, @FILE to read it from a file, - to read it from stdin
    #[arg(long, value_name = "DATA")]
    data: Option<String>,

    /// Print the delivery as the API shows it
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  postrider webhooks delete wh_… --yes")]
pub struct Delete {
    /// The webhook's id, as `webhooks list` shows it
    #[arg(value_name = "WEBHOOK_ID", value_parser = webhook)]
    id: String,

    /// Do it; without it is only said what would be deleted
    #[arg(long)]
    yes: bool,

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

const SECRET_COLUMNS: &[Column] = &[
    ("SECRET", |secret| text(secret, "secret")),
    ("CREATED", |secret| text(secret, "created_at")),
    ("SIGNS UNTIL", |secret| text(secret, "expires_at")),
];

pub fn run(webhooks: &Webhooks) -> Result<(), Failure> {
    match webhooks {
        Webhooks::List(list) => run_list(list),
        Webhooks::Show(one) => one.show(),
        Webhooks::Register(register) => run_register(register),
        Webhooks::Test(test) => run_test(test),
        Webhooks::Pause(one) => one.change("pause", "is paused: its deliveries wait"),
        Webhooks::Resume(one) => one.change("resume", "is active: what waited is sent"),
        Webhooks::Secret(one) => one.secrets(),
        Webhooks::RotateSecret(one) => one.rotate(),
        Webhooks::Delete(delete) => run_delete(delete),
    }
}

fn run_list(list: &List) -> Result<(), Failure> {
    let query: Vec<_> = list.tenant.iter().map(|tenant| ("tenant", tenant.as_str())).collect();
    list.listing.print(
        "/v1/webhooks",
        &query,
        COLUMNS,
        "No webhook is registered: `postrider webhooks register URL` adds one.",
    )
}

impl One {
    fn path(&self, more: &str) -> String {
        format!("/v1/webhooks/{}{more}", self.id)
    }

    fn show(&self) -> Result<(), Failure> {
        let client = Client::new(&self.connection)?;
        let webhook = client::run(client.get(&self.path(""), &[]))?;
        if self.json {
            say_json(&webhook)
        } else {
            say(escaped(&format!("{webhook:#}")))
        }
        Ok(())
    }

    fn change(&self, verb: &str, done: &str) -> Result<(), Failure> {
        let client = Client::new(&self.connection)?;
        let webhook = client::run(client.post(&self.path(&format!("/{verb}")), String::new()))?;
        if self.json {
            say_json(&webhook)
        } else {
            say(format!("{} {done}.", self.id))
        }
        Ok(())
    }

    fn secrets(&self) -> Result<(), Failure> {
        let client = Client::new(&self.connection)?;
        let secrets = client::run(client.get(&self.path("/secret"), &[]))?;
        if self.json {
            say_json(&secrets);
        } else {
            let page = json!({ "data": secrets["secrets"], "next_cursor": null });
            table::print(&page, SECRET_COLUMNS, "It has no secret.");
        }
        Ok(())
    }

    fn rotate(&self) -> Result<(), Failure> {
        let client = Client::new(&self.connection)?;
        let rotated = client::run(client.post(&self.path("/secret/rotate"), String::new()))?;
        if self.json {
            say_json(&rotated);
            return Ok(());
        }
        // The secret alone on stdout, so that it can be put into a variable.
        let until = plain(&text(&rotated, "previous_expires_at"));
        eprintln!(
            "{} signs with this secret from now on, and until {until} with the one before:",
            self.id
        );
        say(plain(&text(&rotated, "secret")));
        Ok(())
    }
}

fn run_register(register: &Register) -> Result<(), Failure> {
    let mut body = json!({ "webhook_url": register.webhook_url });
    let texts = [
        ("tenant", &register.tenant),
        ("description", &register.description),
        ("payload_format", &register.payload_format),
    ];
    for (field, given) in texts {
        if let Some(given) = given {
            body[field] = json!(given);
        }
    }
    if let Some(scheme) = &register.signature {
        body["signature"] = json!({ "scheme": scheme });
    }
    if !register.events.is_empty() {
        body["event_types"] = json!(register.events);
    }
    let client = Client::new(&register.connection)?;
    let webhook = client::run(client.post("/v1/webhooks/register", body.to_string()))?;
    if register.json {
        say_json(&webhook);
        return Ok(());
    }
    let id = plain(&text(&webhook, "id"));
    match webhook["secret"].as_str() {
        Some(secret) => {
            say(format!("id      {id}"));
            say(format!("secret  {}", plain(secret)));
        }
        None => {
            eprintln!("This URL was registered before; what was given is changed.");
            say(format!("id      {id}"));
        }
    }
    say(format!("url     {}", plain(&text(&webhook, "webhook_url"))));
    say(format!("events  {}", plain(&event_types(&webhook))));
    eprintln!("To see it work: postrider webhooks test {id}");
    Ok(())
}

/// Fails if the subscriber does not take the test.
fn run_test(test: &Test) -> Result<(), Failure> {
    let body = test_body(test)?;
    let client = Client::new(&test.connection)?;
    let delivery = client::run(async {
        let tested = client.post(&format!("/v1/webhooks/{}/test", test.id), body).await?;
        tried(&client, &text(&tested, "delivery_id")).await
    })?;
    if test.json {
        say_json(&delivery);
    } else {
        let id = plain(&text(&delivery, "id"));
        let answer = match (last_answer(&delivery).as_str(), delivery["waiting_for"].as_str()) {
            ("-", Some(reason)) => waits_for(reason).to_owned(),
            ("-", None) => "it was not answered yet".into(),
            (answer, _) => answer.to_owned(),
        };
        say(plain(&format!("{} {}: {answer}", test.id, text(&delivery, "status"))));
        if let Some(at) = delivery["next_attempt_at"].as_str() {
            let at = plain(at);
            eprintln!("It is tried again at {at}; postrider deliveries cancel {id} ends it.");
        }
        eprintln!("For more: postrider deliveries show {id}");
    }
    if delivery["status"] == "delivered" { Ok(()) } else { Err(Failure::said(Exit::Failed)) }
}

fn test_body(test: &Test) -> Result<String, Failure> {
    let mut fields = Vec::new();
    if let Some(event_type) = &test.event_type {
        fields.push(format!("\"type\":{}", json!(event_type)));
    }
    if let Some(data) = &test.data {
        fields.push(format!("\"data\":{}", crate::send::json_data(data)?));
    }
    Ok(format!("{{{}}}", fields.join(",")))
}

/// The delivery once it was tried, or as it stands when the time is over.
async fn tried(client: &Client, id: &str) -> Result<Value, Failure> {
    let path = format!("/v1/deliveries/{id}");
    let mut last =
        Err(Failure::failed("the test is accepted and was not fanned out yet; look later."));
    for _ in 0..LOOKS {
        tokio::time::sleep(BETWEEN_LOOKS).await;
        match client.get(&path, &[]).await {
            Ok(delivery) if delivery["status"] != "pending" => return Ok(delivery),
            Ok(delivery) => last = Ok(delivery),
            // It is there once the event was fanned out.
            Err(failure) if failure.exit == Exit::NotFound => {}
            Err(failure) => return Err(failure),
        }
    }
    last
}

fn run_delete(delete: &Delete) -> Result<(), Failure> {
    let client = Client::new(&delete.connection)?;
    let path = format!("/v1/webhooks/{}", delete.id);
    client::run(async {
        let webhook = client.get(&path, &[]).await?;
        let url = plain(&text(&webhook, "webhook_url"));
        if !delete.yes {
            return Err(Failure::usage(format!(
                "{} ({url}) would be deleted with its secrets, and what it still was to get would \
                 not be sent: say so with --yes.",
                delete.id
            )));
        }
        client.delete(&path).await?;
        say(format!("{} ({url}) is deleted.", delete.id));
        Ok(())
    })
}

fn event_types(webhook: &Value) -> String {
    let types = webhook["event_types"].as_array().map(Vec::as_slice).unwrap_or_default();
    types.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ")
}
