//! `postrider listen`: events come to a server on this machine as they are accepted, as the very
//! requests that a webhook gets. Nothing is registered, and nothing has to be reachable from outside.

mod forward;
mod secret;

use clap::Args;
use model::payload::PayloadFormat;

use crate::client::{self, Client, Connection, plain};
use crate::colour::{Colour, Ink};
use crate::failure::Failure;
use crate::output::{say, say_json};
use crate::settings;
use crate::stream::{Seen, Stream, Told, Which, asked_to_end, one_line};
use forward::{Answer, Forward};

/// Characters of an event's data, or of what a refusal says, that are shown.
const SHOWN_MAX: usize = 100;

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  postrider listen 3000\n  postrider listen --events \
                        'order.*' --forward-to http://localhost:3000/webhooks\n\n\
                        Events are posted one after another, in the order in which they come. One that \
                        is not answered with 2xx is shown and counted and not posted again. After a \
                        break in the connection it goes on where it was.")]
pub struct Listen {
    /// Where to post them: a port of this machine, host:port, or a URL with a path. Without it they
    /// are only shown
    #[arg(value_name = "PORT|URL", value_parser = forward::target)]
    to: Option<model::target::TargetUrl>,

    /// The same, as a flag
    #[arg(
        long,
        value_name = "PORT|URL",
        conflicts_with = "to",
        value_parser = forward::target
    )]
    forward_to: Option<model::target::TargetUrl>,

    #[command(flatten)]
    which: Which,

    /// The shape of the body: standard, raw or event
    #[arg(long, value_name = "FORMAT", default_value = "standard", value_parser = payload_format)]
    payload_format: PayloadFormat,

    /// Sign with this secret, whsec_…, instead of the one that is kept for this server and tenant
    #[arg(long, value_name = "SECRET", env = "POSTRIDER_SECRET", hide_env_values = true)]
    secret: Option<settings::Secret>,

    /// Print each event as a line of JSON on stdout; all else goes to stderr
    #[arg(long = "json", alias = "print-json")]
    json: bool,

    #[command(flatten)]
    connection: Connection,
}

fn payload_format(text: &str) -> Result<PayloadFormat, String> {
    PayloadFormat::parse(text).map_err(|e| e.to_string())
}

/// How many came, and how they were answered.
#[derive(Debug, Default)]
struct Count {
    events: usize,
    taken: usize,
    failed: usize,
}

pub fn run(listen: &Listen) -> Result<(), Failure> {
    let client = Client::new(&listen.connection)?;
    listen.secret.as_ref().map(secret::given).transpose()?;
    let forward = listen.to.as_ref().or(listen.forward_to.as_ref());
    let forward = forward.map(|url| {
        let (secret, kept_in) = secret::find(listen.secret.as_ref(), client.url(), &listen.which)?;
        Forward::new(url.clone(), listen.payload_format, secret).map(|forward| (forward, kept_in))
    });
    let forward = forward.transpose()?;
    let count = client::run(async {
        let mut count = Count::default();
        tokio::select! {
            followed = follow(&client, listen, forward.as_ref(), &mut count) => followed?,
            () = asked_to_end() => {}
        }
        Ok(count)
    })?;
    let Count { events, taken, failed } = count;
    let came = format!("{events} event{} came", if events == 1 { "" } else { "s" });
    match forward {
        Some(_) => eprintln!("{came}: {taken} answered with 2xx, {failed} failed."),
        None => eprintln!("{came}."),
    }
    Ok(())
}

async fn follow(
    client: &Client,
    listen: &Listen,
    forward: Option<&(Forward, String)>,
    count: &mut Count,
) -> Result<(), Failure> {
    let mut stream = Stream::open(client, &listen.which).await?;
    greet(client, forward);
    let colour = Colour::of_stdout();
    loop {
        match stream.next().await? {
            Told::Event(seen) => {
                count.events += 1;
                if listen.json {
                    say_json(one_line(&seen.json));
                }
                let answer = match forward {
                    Some((forward, _)) => Some(forward.post(&seen.event).await),
                    None => None,
                };
                match &answer {
                    Some(answer) if answer.is_good() => count.taken += 1,
                    Some(_) => count.failed += 1,
                    None => {}
                }
                let line = line(&seen, answer.as_ref(), colour);
                match (listen.json, forward) {
                    (false, _) => say(line),
                    (true, Some(_)) => eprintln!("{line}"),
                    (true, None) => {}
                }
            }
            Told::Gap(what) => eprintln!("Missed: {what}; it goes on from here."),
            Told::Broken(why) => eprintln!("No connection: {why}; trying again."),
            Told::Again => eprintln!("Connected again."),
        }
    }
}

fn greet(client: &Client, forward: Option<&(Forward, String)>) {
    match forward {
        Some((forward, kept_in)) => {
            eprintln!("Events of {} go to {}", client.url(), forward.url());
            eprintln!("  signing secret  {}  ({kept_in})", forward.secret());
        }
        None => {
            eprintln!("Events of {} are shown; a port or --forward-to posts them", client.url())
        }
    }
    eprintln!("Ctrl-C ends.");
}

/// `10:00:01  order.paid  evt_…  → 200 in 4 ms`
fn line(seen: &Seen, answer: Option<&Answer>, colour: Colour) -> String {
    let event = &seen.event;
    let accepted = event.accepted_at.to_string();
    let time = colour.paint(Ink::Aside, accepted.get(11..19).unwrap_or(&accepted));
    let end = match answer {
        None => shown(&String::from_utf8_lossy(&event.data)),
        Some(answer) => {
            let ink = if answer.is_good() { Ink::Good } else { Ink::Bad };
            format!("→ {}", colour.paint(ink, &shown(&answer.to_string())))
        }
    };
    format!("{time}  {}  {}  {end}", event.event_type, event.id())
}

/// The beginning of a text, on one line.
pub fn shown(text: &str) -> String {
    let mut short: String = text.chars().take(SHOWN_MAX).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    plain(&short)
}
