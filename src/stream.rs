//! The server's stream, followed across whatever breaks it: connects again by itself, goes on after the
//! last message, and tells each event once.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use clap::Args;
use model::event::{Event, EventType};
use model::id::{EventUid, check_event_id};
use model::tenant::Tenant;
use model::time::Timestamp;
use model::webhook::EventTypes;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use tokio::time::{sleep, timeout};

use crate::client::{Client, plain};
use crate::failure::{Exit, Failure};
use crate::given::tenant;

/// How long a server may say nothing: three of its heartbeats at least.
const SILENCE_MAX: Duration = Duration::from_secs(45);
/// How long to wait before connecting again, at first and at most.
const PAUSE_MIN: Duration = Duration::from_millis(250);
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// Events that are remembered, so that none is told twice: more than a server sends again.
const SEEN_MAX: usize = 20_000;
/// The longest message that is taken, in bytes: more than the largest event there can be.
const MESSAGE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Which events.
#[derive(Debug, Clone, Args)]
pub struct Which {
    /// Only of these types, separated by commas: exact (order.paid), below a prefix (order.*)
    #[arg(long = "events", value_name = "TYPES", value_parser = event_types)]
    pub event_types: Option<String>,

    /// Only of this tenant
    #[arg(long, value_parser = tenant)]
    pub tenant: Option<String>,
}

fn event_types(text: &str) -> Result<String, String> {
    let patterns: Vec<_> = text.split(',').map(|pattern| pattern.trim().to_owned()).collect();
    EventTypes::parse(&patterns).map(|_| patterns.join(",")).map_err(|e| e.to_string())
}

/// What there is to tell.
#[derive(Debug)]
pub enum Told {
    Event(Box<Seen>),
    /// More was missed than the server sends again.
    Gap(String),
    /// The connection broke, or there is one again.
    Broken(String),
    Again,
}

/// An event, and the JSON that it came as.
#[derive(Debug)]
pub struct Seen {
    pub event: Event,
    pub json: String,
}

pub struct Stream<'c> {
    client: &'c Client,
    which: Which,
    open: Option<reqwest::Response>,
    buffer: Vec<u8>,
    last_id: Option<String>,
    seen: Remembered,
    pause: Duration,
    was_open: bool,
}

impl<'c> Stream<'c> {
    /// Connects.
    ///
    /// # Errors
    /// When there is no server, or it refuses.
    pub async fn open(client: &'c Client, which: &Which) -> Result<Self, Failure> {
        let mut stream = Self {
            client,
            which: which.clone(),
            open: None,
            buffer: Vec::new(),
            last_id: None,
            seen: Remembered::default(),
            pause: PAUSE_MIN,
            was_open: true,
        };
        stream.connect().await?;
        Ok(stream)
    }

    /// What comes next, whenever that is.
    ///
    /// # Errors
    /// When the server refuses for good: the key was revoked, say.
    pub async fn next(&mut self) -> Result<Told, Failure> {
        loop {
            if self.open.is_none() {
                if let Some(told) = self.reconnect().await? {
                    return Ok(told);
                }
                continue;
            }
            match self.block().await {
                Ok(block) => {
                    self.pause = PAUSE_MIN;
                    if let Some(told) = self.read(&block)? {
                        return Ok(told);
                    }
                }
                Err(why) => {
                    self.open = None;
                    self.was_open = false;
                    return Ok(Told::Broken(why));
                }
            }
        }
    }

    async fn connect(&mut self) -> Result<(), Failure> {
        let mut query = Vec::new();
        query.extend(self.which.event_types.iter().map(|types| ("event_types", types.as_str())));
        query.extend(self.which.tenant.iter().map(|tenant| ("tenant", tenant.as_str())));
        let last_id = self.last_id.as_deref().map(|id| ("last-event-id", id));
        self.open = Some(self.client.open("/v1/stream", &query, last_id).await?);
        self.buffer.clear();
        Ok(())
    }

    /// None if there is no connection yet. Only what may pass is waited for.
    async fn reconnect(&mut self) -> Result<Option<Told>, Failure> {
        sleep(self.pause).await;
        self.pause = (self.pause * 2).min(PAUSE_MAX);
        match self.connect().await {
            Ok(()) => {
                self.was_open = true;
                Ok(Some(Told::Again))
            }
            Err(failure) if failure.exit == Exit::Failed => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// What stands before the next empty line.
    async fn block(&mut self) -> Result<String, String> {
        let mut looked = 0;
        loop {
            let rest = &self.buffer[looked..];
            if let Some(at) = rest.windows(2).position(|two| two == b"\n\n") {
                let after = self.buffer.split_off(looked + at + 2);
                let mut block = std::mem::replace(&mut self.buffer, after);
                block.truncate(looked + at);
                return String::from_utf8(block).map_err(|_| "it says no text".into());
            }
            looked = self.buffer.len().saturating_sub(1);
            if self.buffer.len() > MESSAGE_BYTES_MAX {
                return Err("it says too much at once".into());
            }
            let open = self.open.as_mut().ok_or("it is closed")?;
            match timeout(SILENCE_MAX, open.chunk()).await {
                Ok(Ok(Some(chunk))) => self.buffer.extend_from_slice(&chunk),
                Ok(Ok(None)) => return Err("the server ended it".into()),
                Ok(Err(_)) => return Err("the connection broke off".into()),
                Err(_) => return Err("the server says nothing any more".into()),
            }
        }
    }

    /// One block of Server-Sent Events.
    fn read(&mut self, block: &str) -> Result<Option<Told>, Failure> {
        let (mut name, mut data) = ("message", Vec::new());
        for line in block.split('\n') {
            let (field, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "event" => name = value,
                "data" => data.push(value),
                "id" if !value.contains('\0') => self.last_id = Some(value.to_owned()),
                _ => {}
            }
        }
        let data = data.join("\n");
        match name {
            "event" => {
                let event = event(&data).map_err(|e| {
                    let url = self.client.url();
                    Failure::failed(format!("{url} sent an event that cannot be read: {e}."))
                })?;
                let is_new = self.seen.add(event.uid);
                Ok(is_new.then(|| Told::Event(Box::new(Seen { event, json: data }))))
            }
            "gap" => {
                let gap: Value = serde_json::from_str(&data).unwrap_or_default();
                let field = |name: &str| plain(gap[name].as_str().unwrap_or("?"));
                let until = field("until");
                let when = match gap["since"].as_str() {
                    Some(since) => format!("between {} and {until}", plain(since)),
                    None => format!("before {until}"),
                };
                Ok(Some(Told::Gap(format!("events {when}"))))
            }
            _ => Ok(None),
        }
    }
}

/// As the API shows an event.
#[derive(Deserialize)]
struct Shown<'a> {
    id: String,
    uid: String,
    tenant: Tenant,
    #[serde(rename = "type")]
    event_type: String,
    timestamp: String,
    accepted_at: String,
    #[serde(borrow)]
    data: &'a RawValue,
    data_base64: Option<String>,
}

/// The event, with the very bytes that were published. What is shown of it or sent on is checked: it
/// is not always Postrider that says it.
fn event(json: &str) -> Result<Event, String> {
    let shown: Shown = serde_json::from_str(json).map_err(|e| plain(&e.to_string()))?;
    if EventUid::parse(&shown.id).is_none() {
        check_event_id(&shown.id).map_err(|e| e.to_string())?;
    }
    Timestamp::parse(&shown.timestamp).map_err(|e| e.to_string())?;
    let data = match shown.data_base64 {
        Some(exact) => BASE64_STANDARD.decode(exact).map_err(|e| e.to_string())?,
        None => shown.data.get().as_bytes().to_vec(),
    };
    Ok(Event {
        uid: EventUid::parse(&shown.uid).ok_or("its uid is none")?,
        tenant: shown.tenant,
        chosen_id: Some(shown.id),
        event_type: EventType::parse(&shown.event_type).map_err(|e| e.to_string())?,
        given_timestamp: Some(shown.timestamp),
        accepted_at: Timestamp::parse(&shown.accepted_at).map_err(|e| e.to_string())?,
        data: data.into(),
    })
}

/// Events that were told, the oldest forgotten first.
#[derive(Default)]
struct Remembered {
    all: HashSet<EventUid>,
    in_order: VecDeque<EventUid>,
}

impl Remembered {
    /// Whether it is new.
    fn add(&mut self, uid: EventUid) -> bool {
        if !self.all.insert(uid) {
            return false;
        }
        self.in_order.push_back(uid);
        if self.in_order.len() > SEEN_MAX
            && let Some(oldest) = self.in_order.pop_front()
        {
            self.all.remove(&oldest);
        }
        true
    }
}

/// JSON as one line: outside its texts, where nothing of that kind may stand, ends of lines are spaces.
pub fn one_line(json: &str) -> String {
    json.replace(['\n', '\r'], " ")
}

/// Returns when a person or the system wants this to end.
pub async fn asked_to_end() {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = match signal(SignalKind::terminate()) {
        Ok(terminate) => terminate,
        Err(_) => return std::future::pending().await,
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_comes_back_as_it_was_published() {
        let uid = EventUid(model::id::Uid([1; 16])).to_string();
        let json = format!(
            r#"{{"id":"o-1","uid":"{uid}","tenant":"a","type":"x.y","timestamp":"2026-08-22T12:00:00+02:00","accepted_at":"2026-08-22T10:00:01.000Z","data":{{ "n":1.0,
"n":1e2 }},"data_base64":null}}"#
        );
        let read = event(&json).expect("an event");
        assert_eq!(read.data, &b"{ \"n\":1.0,\n\"n\":1e2 }"[..]);
        assert_eq!(
            (read.id(), read.timestamp()),
            ("o-1".into(), "2026-08-22T12:00:00+02:00".into())
        );
        let exact = json.replace("\"data_base64\":null", "\"data_base64\":\"WzEsDQoyXQ==\"");
        assert_eq!(event(&exact).expect("an event").data, &b"[1,\r\n2]"[..]);
        assert!(event("{}").is_err());
        for (right, wrong) in [("o-1", r"o\u001b[2J"), ("2026-08-22T12:00:00+02:00", r"\u009bA")] {
            assert!(event(&json.replace(right, wrong)).is_err(), "{wrong}");
        }
    }

    #[test]
    fn each_event_is_told_once_and_the_memory_is_bounded() {
        let mut seen = Remembered::default();
        let uid = |n: usize| {
            let mut bytes = [0; 16];
            bytes[..8].copy_from_slice(&n.to_be_bytes());
            EventUid(model::id::Uid(bytes))
        };
        for n in 0..SEEN_MAX + 10 {
            assert!(seen.add(uid(n)));
            assert!(!seen.add(uid(n)));
        }
        assert_eq!((seen.all.len(), seen.in_order.len()), (SEEN_MAX, SEEN_MAX));
        assert!(seen.add(uid(0)));
    }
}
