//! `postrider events`: what happened, and what happens.

use std::borrow::Cow;

use clap::{Args, Subcommand};
use model::event::EventType;
use model::time::Timestamp;
use reqwest::StatusCode;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::client::{self, Client, Connection, plain};
use crate::colour::{Colour, Ink};
use crate::deliveries::{last_answer, waits_for};
use crate::failure::Failure;
use crate::given::tenant;
use crate::listen::shown;
use crate::listing::Listing;
use crate::output::{say, say_json};
use crate::stream::{Seen, Stream, Told, Which, asked_to_end, one_line};
use crate::table::{self, Column, text};

#[derive(Debug, Subcommand)]
pub enum Events {
    /// List events, newest first
    #[command(after_help = "Example:\n  postrider events list --type order.paid --limit 10")]
    List(List),
    /// Show an event, its data and where it went
    #[command(
        after_help = "Example:\n  postrider events show evt_06h1k136q5yr53hb479xrv8r88\n\nSee \
                      also: postrider deliveries show, for the attempts."
    )]
    Show(Show),
    /// Show events as they are accepted, until Ctrl-C
    #[command(
        after_help = "Examples:\n  postrider events tail --events 'order.*'\n  As JSON, a line each\n    \
                      postrider events tail --json | jq .type"
    )]
    Tail(Tail),
}

#[derive(Debug, Args)]
pub struct List {
    /// Of exactly this type
    #[arg(long = "type", value_name = "TYPE", value_parser = exact_type)]
    event_type: Option<String>,

    /// Of this tenant only
    #[arg(long, value_parser = tenant)]
    tenant: Option<String>,

    /// Accepted at or after this time, such as 2026-08-22T10:00:00Z
    #[arg(long, value_name = "TIME", value_parser = time)]
    since: Option<String>,

    /// Accepted before this time
    #[arg(long, value_name = "TIME", value_parser = time)]
    until: Option<String>,

    #[command(flatten)]
    listing: Listing,
}

#[derive(Debug, Args)]
pub struct Show {
    /// evt_…, or the id its publisher chose
    #[arg(value_name = "EVENT_ID")]
    id: String,

    /// Whose it is, if the id was chosen by its publisher
    #[arg(long, value_parser = tenant)]
    tenant: Option<String>,

    /// Print the API's answer
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, Args)]
pub struct Tail {
    #[command(flatten)]
    which: Which,

    /// Print each event as a line of JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    connection: Connection,
}

const COLUMNS: &[Column] = &[
    ("ACCEPTED", |event| text(event, "accepted_at")),
    ("TYPE", |event| text(event, "type")),
    ("TENANT", |event| text(event, "tenant")),
    ("ID", |event| text(event, "id")),
];

const DELIVERIES: &[Column] = &[
    ("WEBHOOK", |delivery| text(delivery, "webhook_id")),
    ("STATUS", |delivery| text(delivery, "status")),
    ("ATTEMPTS", |delivery| text(delivery, "attempt_count")),
    ("LAST ANSWER", last_answer),
    ("NEXT ATTEMPT", |delivery| text(delivery, "next_attempt_at")),
    ("NOTE", |delivery| {
        delivery["waiting_for"]
            .as_str()
            .map_or_else(|| "-".into(), |reason| waits_for(reason).into())
    }),
    ("DELIVERY", |delivery| text(delivery, "id")),
];

pub fn run(events: &Events) -> Result<(), Failure> {
    match events {
        Events::List(list) => list.run(),
        Events::Show(show) => show.run(),
        Events::Tail(tail) => tail.run(),
    }
}

impl List {
    fn run(&self) -> Result<(), Failure> {
        let filters = [
            ("type", &self.event_type),
            ("tenant", &self.tenant),
            ("since", &self.since),
            ("until", &self.until),
        ];
        let query = filters.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?)));
        let query: Vec<_> = query.collect();
        self.listing.print("/v1/events", &query, COLUMNS, "There are no such events.")
    }
}

impl Show {
    fn run(&self) -> Result<(), Failure> {
        let client = Client::new(&self.connection)?;
        let query: Vec<_> = self.tenant.iter().map(|tenant| ("tenant", tenant.as_str())).collect();
        if !self.id.bytes().all(|b| b.is_ascii_alphanumeric() || b"_:-".contains(&b)) {
            return Err(Failure::usage(format!("{:?} is no event's id.", self.id)));
        }
        let path = format!("/v1/events/{}", self.id);
        let answer = client::run(client.get_text(&path, &query))?;
        if self.json {
            say_json(answer.trim_end());
            return Ok(());
        }
        let event: Shown =
            serde_json::from_str(&answer).map_err(|_| client.another(StatusCode::OK))?;
        let fields = [
            ("id", event.id),
            ("uid", event.uid),
            ("type", event.event_type),
            ("tenant", event.tenant),
            ("timestamp", event.timestamp),
            ("accepted at", event.accepted_at),
            // As it was published, but on one line.
            ("data", event.data.get().into()),
        ];
        for (name, value) in fields {
            say(plain(&format!("{name:<12} {value}")));
        }
        say("");
        let nothing = "It went nowhere: no webhook wanted it when it was accepted, or it was \
                       accepted this moment.";
        let page = json!({ "data": event.deliveries, "next_cursor": null });
        table::print(&page, DELIVERIES, nothing);
        Ok(())
    }
}

/// An event as the API shows it. The data is not read: not all that is JSON fits into a value.
#[derive(Deserialize)]
struct Shown<'a> {
    id: Cow<'a, str>,
    uid: Cow<'a, str>,
    #[serde(rename = "type")]
    event_type: Cow<'a, str>,
    tenant: Cow<'a, str>,
    timestamp: Cow<'a, str>,
    accepted_at: Cow<'a, str>,
    #[serde(borrow)]
    data: &'a RawValue,
    deliveries: Vec<Value>,
}

impl Tail {
    fn run(&self) -> Result<(), Failure> {
        let client = Client::new(&self.connection)?;
        client::run(async {
            tokio::select! {
                followed = self.follow(&client) => followed,
                () = asked_to_end() => Ok(()),
            }
        })
    }

    async fn follow(&self, client: &Client) -> Result<(), Failure> {
        let mut stream = Stream::open(client, &self.which).await?;
        let colour = Colour::of_stdout();
        eprintln!("Events of {} are shown as they are accepted. Ctrl-C ends.", client.url());
        loop {
            match stream.next().await? {
                Told::Event(seen) if self.json => say_json(one_line(&seen.json)),
                Told::Event(seen) => say(row(&seen, colour)),
                Told::Gap(what) => eprintln!("Missed: {what}; it goes on from here."),
                Told::Broken(why) => eprintln!("No connection: {why}; trying again."),
                Told::Again => eprintln!("Connected again."),
            }
        }
    }
}

/// A row of a table whose other rows are not known yet: wide enough for what there usually is.
fn row(Seen { event, .. }: &Seen, colour: Colour) -> String {
    let time = colour.paint(Ink::Aside, &event.accepted_at.to_string());
    let data = colour.paint(Ink::Aside, &shown(&String::from_utf8_lossy(&event.data)));
    let (kind, tenant) = (event.event_type.as_str(), event.tenant.as_str());
    format!("{time}  {kind:<20}  {tenant:<10}  {:<30}  {data}", event.id())
}

fn exact_type(text: &str) -> Result<String, String> {
    if text.contains('*') {
        return Err("a list is of one type exactly, such as order.paid; for several, `postrider events \
                    list --json` into jq, or `postrider events tail --events 'order.*'` for those to \
                    come"
            .into());
    }
    EventType::parse(text).map(|_| text.to_owned()).map_err(|e| e.to_string())
}

fn time(text: &str) -> Result<String, String> {
    Timestamp::parse(text).map(|_| text.to_owned()).map_err(|e| e.to_string())
}
