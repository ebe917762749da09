//! `postrider send`: publishes one event and says where it went.

use std::io::Read as _;
use std::time::Duration;

use clap::Args;
use model::event::EventType;
use model::id::check_event_id;
use model::tenant::Tenant;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::client::{self, Client, Connection, plain};
use crate::deliveries::{last_answer, waits_for};
use crate::failure::Failure;
use crate::output::{say, say_json};

/// How often and how long to look where the event went: two seconds in all.
const LOOKS: u32 = 40;
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  postrider send order.paid '{\"total\": 50.75}'
  postrider send order.paid @order.json --id order-1 --tenant acme
  jq .order shop.json | postrider send order.paid -

See also: postrider deliveries show, postrider webhooks test.")]
pub struct Send {
    /// What happened, such as order.paid
    #[arg(value_name = "TYPE")]
    event_type: String,

    /// The event's data: JSON, @FILE to read it from a file, - to read it from stdin
    #[arg(value_name = "DATA", default_value = "{}", hide_default_value = true)]
    data: String,

    /// An id of your own: sending the same event again with it changes nothing
    #[arg(long)]
    id: Option<String>,

    /// Whose webhooks are to get it
    #[arg(long)]
    tenant: Option<String>,

    /// Print the API's answer and nothing else
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    connection: Connection,
}

/// The body of `POST /v1/events`.
#[derive(Serialize)]
struct Publish<'a> {
    r#type: &'a str,
    data: &'a RawValue,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<&'a str>,
}

pub fn run(send: &Send) -> Result<(), Failure> {
    let body = body(send)?;
    let client = Client::new(&send.connection)?;
    client::run(async {
        let answer = client.post("/v1/events", body).await?;
        if send.json {
            say_json(&answer);
            return Ok(());
        }
        let id = answer["id"].as_str().unwrap_or_default();
        say(plain(id));
        if answer["duplicate"] == true {
            eprintln!("This event was accepted before and is not sent again. It went:");
        }
        follow(&client, send, id).await;
        Ok(())
    })
}

/// Checks what can be said without a server, and keeps the data byte for byte.
fn body(send: &Send) -> Result<String, Failure> {
    EventType::parse(&send.event_type)
        .map_err(|e| Failure::usage(format!("{:?} is no event type: {e}.", send.event_type)))?;
    if let Some(id) = &send.id {
        check_event_id(id).map_err(|e| Failure::usage(format!("--id {id:?}: {e}.")))?;
    }
    if let Some(tenant) = &send.tenant {
        Tenant::parse(tenant).map_err(|e| Failure::usage(format!("--tenant {tenant:?}: {e}.")))?;
    }
    let data = json_data(&send.data)?;
    let data: &RawValue = serde_json::from_str(&data).map_err(|e| not_json(&e))?;
    let (id, tenant) = (send.id.as_deref(), send.tenant.as_deref());
    serde_json::to_string(&Publish { r#type: &send.event_type, data, id, tenant })
        .map_err(Failure::failed)
}

/// What an argument stands for, byte for byte, once it is known to be JSON.
pub fn json_data(argument: &str) -> Result<String, Failure> {
    let data = data(argument)?;
    serde_json::from_str::<&RawValue>(&data).map_err(|e| not_json(&e))?;
    Ok(data)
}

/// The data itself, from where the argument says it is.
fn data(argument: &str) -> Result<String, Failure> {
    let mut text = String::new();
    let read = match argument.strip_prefix('@') {
        Some(path) => std::fs::read_to_string(path)
            .map(|read| text = read)
            .map_err(|e| Failure::usage(format!("the file {path} cannot be read: {e}."))),
        None if argument == "-" => std::io::stdin()
            .read_to_string(&mut text)
            .map(|_| ())
            .map_err(|e| Failure::usage(format!("stdin cannot be read: {e}."))),
        None => return Ok(argument.to_owned()),
    };
    read.map(|()| text)
}

fn not_json(error: &serde_json::Error) -> Failure {
    Failure::usage(format!(
        "the data is not JSON: {error}; in a shell, put it in single quotes: postrider send \
         order.paid '{{\"total\": 50.75}}'."
    ))
}

/// What is read of an event: not its data, since not all that is JSON fits into a value.
#[derive(Deserialize)]
struct Shown {
    deliveries: Vec<Value>,
}

/// Shows each delivery once it was tried, or as it stands when the time is over. The event is
/// accepted whatever happens here, so nothing here is a failure.
async fn follow(client: &Client, send: &Send, id: &str) {
    let query: Vec<_> = send.tenant.iter().map(|tenant| ("tenant", tenant.as_str())).collect();
    let path = format!("/v1/events/{id}");
    let mut deliveries = Vec::new();
    for _ in 0..LOOKS {
        tokio::time::sleep(BETWEEN_LOOKS).await;
        match client.get_as::<Shown>(&path, &query).await {
            Ok(event) => deliveries = event.deliveries,
            Err(failure) => {
                eprintln!("It is accepted; where it went cannot be seen: {}", failure.sentence);
                return;
            }
        }
        let tried = |delivery: &Value| delivery["status"] != "pending";
        if !deliveries.is_empty() && deliveries.iter().all(tried) {
            break;
        }
    }
    if deliveries.is_empty() {
        eprintln!(
            "It goes nowhere yet: no webhook wants {}. `postrider webhooks register URL` adds one.",
            send.event_type
        );
    }
    for delivery in &deliveries {
        say(line(id, delivery));
    }
}

/// `evt_… → wh_… delivered (200 in 4 ms)`
fn line(id: &str, delivery: &Value) -> String {
    let field = |name: &str| delivery[name].as_str().unwrap_or_default();
    let mut remarks = Vec::new();
    if !delivery["last_attempt"].is_null() {
        remarks.push(last_answer(delivery));
    }
    if let Some(at) = delivery["next_attempt_at"].as_str().filter(|_| field("status") == "retrying")
    {
        remarks.push(format!("next attempt {at}"));
    } else if let Some(reason) = delivery["waiting_for"].as_str() {
        remarks.push(waits_for(reason).to_owned());
    } else if field("status") == "pending" {
        remarks.push("not answered yet".into());
    }
    let remarks =
        if remarks.is_empty() { String::new() } else { format!(" ({})", remarks.join(", ")) };
    plain(&format!("{id} → {} {}{remarks}", field("webhook_id"), field("status")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_delivery_is_one_line() {
        let delivered = json!({
            "webhook_id": "wh_1", "status": "delivered", "next_attempt_at": null,
            "last_attempt": { "status": 200, "error": null, "duration_ms": 4.2 },
        });
        assert_eq!(line("evt_1", &delivered), "evt_1 → wh_1 delivered (200 in 4 ms)");
        let retrying = json!({
            "webhook_id": "wh_1", "status": "retrying", "next_attempt_at": "2026-01-01T00:00:00.000Z",
            "last_attempt": { "status": null, "error": "connect", "duration_ms": 0.3 },
        });
        let expected =
            "evt_1 → wh_1 retrying (connect in 0 ms, next attempt 2026-01-01T00:00:00.000Z)";
        assert_eq!(line("evt_1", &retrying), expected);
        let paused = json!({
            "webhook_id": "wh_1", "status": "pending", "last_attempt": null, "waiting_for": "paused",
        });
        assert_eq!(line("evt_1", &paused), "evt_1 → wh_1 pending (waits: its webhook is paused)");
        let sending = json!({ "webhook_id": "wh_1", "status": "pending", "last_attempt": null });
        assert_eq!(line("evt_1", &sending), "evt_1 → wh_1 pending (not answered yet)");
        let cancelled =
            json!({ "webhook_id": "wh_1", "status": "cancelled", "last_attempt": null });
        assert_eq!(line("evt_1", &cancelled), "evt_1 → wh_1 cancelled");
    }

    #[test]
    fn data_that_is_not_json_is_refused_with_the_place_and_the_quoting() {
        let failure = not_json(&serde_json::from_str::<Value>("{total: 1}").expect_err("no JSON"));
        assert!(failure.sentence.contains("line 1 column 2"), "{}", failure.sentence);
        assert!(failure.sentence.contains(r#"'{"total": 50.75}'"#), "{}", failure.sentence);
    }
}
