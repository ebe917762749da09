//! The publisher: events over a fixed number of kept-alive connections, on one thread.
//!
//! *Closed*: each connection sends its next event when the last is answered: finds the highest rate.
//! *Paced*: events are due at a fixed rate, sent or not, and carry the time at which they were due, so
//! that a server that stalls cannot hide its latency by holding the publisher up.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::sync::{Mutex, mpsc};
use tokio::task::{JoinSet, LocalSet};
use tokio::time::sleep;

use crate::Result;
use crate::control::{answer, commands};
use crate::event::{self, EVENTS_MAX, Template, now_micros};
use crate::measure::Percentiles;
use crate::wire::Connection;

/// Between two tries of an event that was refused for now (429, 503).
const REFUSED_PAUSE: Duration = Duration::from_millis(2);
/// How often one event may be refused before the run is given up.
const REFUSED_MAX: u32 = 5_000;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Publish {
    pub to: SocketAddr,
    pub key: String,
    /// Without it, the default one.
    pub tenant: Option<String>,
    pub run: u32,
    pub data_bytes: usize,
    pub connections: usize,
    /// Ends at this many events, or after this long, whichever is first.
    pub events: u64,
    pub time: Duration,
    /// Events a second; without it, as fast as they are answered.
    pub pace: Option<f64>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Published {
    /// Events 0 to `events - 1` were accepted.
    pub events: u64,
    /// Microseconds since the epoch.
    pub first_at: u64,
    /// Answers 429 and 503; the event was sent again.
    pub refused: u64,
    /// From when the event was to be sent to its 202.
    pub accept: Percentiles,
}

/// What is to be sent next: its number, and when it was due.
enum Source {
    Closed { next: Cell<u64>, events: u64, until: Instant },
    Paced(Mutex<mpsc::UnboundedReceiver<(u64, u64)>>),
}

#[derive(Default)]
struct Tally {
    latencies: RefCell<Vec<u32>>,
    refused: Cell<u64>,
}

pub async fn run() -> Result<()> {
    let mut commands = commands();
    while let Some(command) = commands.recv().await {
        answer(&LocalSet::new().run_until(publish(command)).await?)?;
    }
    Ok(())
}

async fn publish(command: Publish) -> Result<Published> {
    let mut open = Vec::new();
    for _ in 0..command.connections {
        open.push(Connection::open(command.to).await?);
    }
    let first_at = now_micros();
    let source = Rc::new(source(&command));
    let tally = Rc::new(Tally::default());
    let mut senders = JoinSet::new();
    for connection in open {
        let template = template(&command);
        senders.spawn_local(send(connection, template, source.clone(), tally.clone()));
    }
    while let Some(ended) = senders.join_next().await {
        ended??;
    }
    let mut latencies = tally.latencies.borrow_mut();
    Ok(Published {
        events: latencies.len() as u64,
        first_at,
        refused: tally.refused.get(),
        accept: Percentiles::of(&mut latencies),
    })
}

fn template(command: &Publish) -> Template {
    let Publish { to, key, run, data_bytes, .. } = command;
    let (kind, id) = (event::TYPE, event::id(*run, 0));
    let tenant = command.tenant.as_ref().map(|tenant| format!(r#""tenant":"{tenant}","#));
    let tenant = tenant.unwrap_or_default();
    let body = format!(r#"{{"type":"{kind}",{tenant}"id":"{id}","data":"#);
    let length = body.len() + data_bytes + 1;
    let before = format!(
        "POST /v1/events HTTP/1.1\r\nhost: {to}\r\nauthorization: Bearer {key}\r\n\
         content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    Template::new(&before, *run, *data_bytes, "}")
}

fn source(command: &Publish) -> Source {
    let events = command.events.min(EVENTS_MAX);
    let Some(pace) = command.pace else {
        let until = Instant::now() + command.time;
        return Source::Closed { next: Cell::new(0), events, until };
    };
    let events = events.min((pace * command.time.as_secs_f64()) as u64);
    let (due, queue) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        // A thread of its own, because the runtime's timer ticks in milliseconds.
        let (begun, begun_at) = (Instant::now(), now_micros());
        for n in 0..events {
            let offset = Duration::from_secs_f64(n as f64 / pace);
            std::thread::sleep(offset.saturating_sub(begun.elapsed()));
            if due.send((n, begun_at + offset.as_micros() as u64)).is_err() {
                return;
            }
        }
    });
    Source::Paced(Mutex::new(queue))
}

impl Source {
    async fn next(&self) -> Option<(u64, u64)> {
        match self {
            Self::Closed { next, events, until } => {
                let n = next.get();
                if n >= *events || Instant::now() >= *until {
                    return None;
                }
                next.set(n + 1);
                Some((n, now_micros()))
            }
            Self::Paced(queue) => queue.lock().await.recv().await,
        }
    }
}

/// One connection: every event that it takes is accepted before it takes the next.
async fn send(
    mut connection: Connection,
    mut template: Template,
    source: Rc<Source>,
    tally: Rc<Tally>,
) -> Result<()> {
    while let Some((n, at)) = source.next().await {
        let request = template.fill(n, at);
        let mut refused = 0;
        loop {
            connection.write(request).await?;
            let answer = connection.answer().await?;
            match answer.status() {
                202 => break,
                429 | 503 if refused < REFUSED_MAX => refused += 1,
                status => {
                    let body = String::from_utf8_lossy(answer.body);
                    return Err(format!("event {n} was answered {status}: {body}").into());
                }
            }
            sleep(REFUSED_PAUSE).await;
        }
        tally.refused.set(tally.refused.get() + u64::from(refused));
        let took = now_micros().saturating_sub(at);
        let took = u32::try_from(took).unwrap_or(u32::MAX);
        tally.latencies.borrow_mut().push(took);
    }
    Ok(())
}
