//! The stream: what happens, as it happens, over one connection that stays open (Server-Sent Events).
//!
//! ```text
//! store ──► reader, one a process ──► ring ──► stream ──► client
//!   └────────── what was missed ────────────────►┘
//! ```
//! A stream takes from the ring only when its client takes from it, so that a slow client costs no
//! memory. What the ring does not have any more, and what a client missed while it was not connected,
//! is read from the store, up to a bound; beyond it the client is told that there is a gap.

mod deliveries;
mod ids;
mod message;
mod streams;

use std::collections::{BTreeSet, VecDeque};
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, get};
use bytes::Bytes;
use futures_util::stream::unfold;
use model::key::Verb;
use model::time::Timestamp;
use model::webhook::EventTypes;
use store::world::Stopwatch;
use store::{Noted, Position};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{sleep, timeout};
use utoipa::IntoParams;

use self::ids::{Ids, Of};
use self::message::StreamEvent;
pub use self::streams::Streams;
use self::streams::{BATCH_BYTES, Batch, Filter, Place, load, reached};
use crate::App;
use crate::auth::Caller;
use crate::problem::{ApiError, Problem};
use crate::query::{Params, Query};

/// How often a quiet connection is written to, so that nobody on the way takes it for dead.
/// It is how a client that went away is noticed, too: at the second write after that.
const HEARTBEAT: Duration = Duration::from_secs(5);
/// How often it is looked whether a key was revoked.
const CHECK: Duration = Duration::from_secs(2);
/// How often a stream that nothing happens to looks after itself.
const TICK: Duration = Duration::from_secs(1);
/// What was missed is sent if it is not more than this; `since` has to sort it.
const MISSED_MAX: u32 = 10_000;
const MISSED_FOR_MAX: Duration = Duration::from_secs(600);
/// Events that a stream loads at once: few, since each may be as large as an event may be.
const AT_ONCE_MAX: usize = 8;
/// At a stop: how long clients may take to read the last of their streams.
const LAST_WORDS: Duration = Duration::from_millis(500);

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "documents what follow_stream reads")]
pub struct StreamQuery {
    /// `events`, or `deliveries`.
    #[param(pattern = "^(events|deliveries)$")]
    of: Option<String>,
    /// Only of this tenant. A key of the role tenant sees its own alone.
    #[param(pattern = "^[A-Za-z0-9_.:-]{1,64}$")]
    tenant: Option<String>,
    /// Only of these types, separated by commas: exact (`order.paid`), prefixes (`order.*`) or `*`.
    #[param(min_length = 1, example = "order.*,invoice.paid")]
    event_types: Option<String>,
    /// Of deliveries: only of this event, `evt_…`.
    #[param(pattern = "^evt_[0-9a-hjkmnp-tv-z]{25}[048cgmrw]$")]
    event_id: Option<String>,
    /// Of deliveries: only to this webhook.
    #[param(pattern = "^wh_[0-9a-hjkmnp-tv-z]{25}[048cgmrw]$")]
    webhook_id: Option<String>,
    /// Of deliveries: only while they stand so, any of `pending`, `retrying`, `delivered`, `failed`,
    /// `cancelled`, separated by commas.
    #[param(
        pattern = "^(pending|retrying|delivered|failed|cancelled)(,(pending|retrying|delivered|failed|cancelled))*$"
    )]
    status: Option<String>,
    /// Go on after the message with this id, for who cannot set the header `Last-Event-ID`, which
    /// counts before this.
    #[param(min_length = 1)]
    after: Option<String>,
}

/// Follow events live
///
/// Server-Sent Events, in a connection that stays open: each event that is accepted from now on, by
/// whichever process, within a moment. Who connects again with the `id` of the last message gets what
/// came meanwhile first, up to 10,000 events and 10 minutes. No event is left out that can be read; after
/// a break in the connection some may come twice, with the same `uid`.
///
/// With `of=deliveries` it is of deliveries: each time one is made, tried or ended, a message `delivery` with
/// how it stands. Where very many change at once the last are sent, and `skipped` says how many were not
/// (`count`). What was missed is sent as far as it is remembered; else there is a `gap`.
///
/// Messages: `event`, with an event as data; `gap`, when more was missed than that, with `reason`
/// (`too_old`, `too_many`, `unknown`), `since` (null when the id says nothing here) and `until`; `end`, the last one, with `reason`
/// (`shutdown`, `key_revoked`, `store_unavailable`, `reader_ended`). There may be others in future:
/// ignore what you do not know. At least every 15 s there is a comment or an `id`.
#[utoipa::path(
    tag = "stream",
    extensions(
        ("x-verb" = json!("look")),
        ("x-endless" = json!("it goes on until one of the two ends it")),
    ),
    params(
        StreamQuery,
        ("Last-Event-ID" = Option<String>, Header,
         description = "Go on after the message with this id"),
    ),
    responses(
        (status = 200, description = "The stream; this is the data of a message `event`",
         content_type = "text/event-stream", body = StreamEvent),
        (status = 503, description = "Too many streams are open, or the store does not answer",
         body = Problem, content_type = "application/problem+json"),
    )
)]
#[get("/v1/stream")]
pub async fn follow_stream(
    app: Data<App>,
    caller: Caller,
    request: HttpRequest,
    params: Params,
) -> Result<HttpResponse, ApiError> {
    caller.may(Verb::Look)?;
    let known = ["of", "tenant", "event_types", "event_id", "webhook_id", "status", "after"];
    let query = params.read(&known)?;
    let of = query.parsed("of", "events or deliveries", |of| match of {
        "events" => Some(Of::Events),
        "deliveries" => Some(Of::Deliveries),
        _ => None,
    });
    let of = of?.unwrap_or(Of::Events);
    let tenant = caller.list_tenant(Verb::Look, query.tenant()?)?;
    let event_types = event_types(&query)?;
    let ids = Ids::new(&app.master_keys, of, caller.own_tenant());
    let after = after(&ids, &request, &query)?;
    if app.draining.is_cancelled() {
        return Err(ApiError::new("unavailable", "this process is stopping"));
    }
    match of {
        Of::Events => {
            if ["event_id", "webhook_id", "status"].iter().any(|name| query.get(name).is_some()) {
                let detail = "event_id, webhook_id and status are for a stream of deliveries";
                return Err(ApiError::new("parameter_invalid", detail));
            }
            let filter = Some(Filter { tenant, event_types });
            let place = app.streams.open(filter, caller.own_tenant())?;
            let stream = Stream::open(app, caller, ids, place, after).await?;
            Ok(streaming(unfold(stream, async |mut stream| {
                let bytes = stream.next().await?;
                Some((Ok::<_, ApiError>(bytes), stream))
            })))
        }
        Of::Deliveries => {
            let filter = deliveries::Filter::of(&query, tenant, event_types)?;
            let place = app.streams.open(None, caller.own_tenant())?;
            let after = after.map(|after| match after {
                After::Position(position) => Some(deliveries::mark(position)),
                After::Unknown => None,
            });
            let stream = deliveries::Stream::open(app, caller, ids, place, filter, after).await?;
            Ok(streaming(unfold(stream, async |mut stream| {
                let bytes = stream.next().await?;
                Some((Ok::<_, ApiError>(bytes), stream))
            })))
        }
    }
}

fn streaming(
    body: impl futures_util::Stream<Item = Result<Bytes, ApiError>> + 'static,
) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/event-stream")
        .insert_header(("cache-control", "no-store"))
        // Some proxies gather what is answered, unless they are told not to.
        .insert_header(("x-accel-buffering", "no"))
        .force_close()
        .streaming(Box::pin(body))
}

fn event_types(query: &Query) -> Result<EventTypes, ApiError> {
    let Some(text) = query.get("event_types") else { return Ok(EventTypes::default()) };
    let patterns: Vec<_> = text.split(',').map(|pattern| pattern.trim().to_owned()).collect();
    Ok(EventTypes::parse(&patterns)?)
}

/// Where the caller was when it was connected last, if it was.
enum After {
    Position(Position),
    /// Nobody knows where, any more.
    Unknown,
}

fn after(ids: &Ids, request: &HttpRequest, query: &Query) -> Result<Option<After>, ApiError> {
    let header = request.headers().get("last-event-id");
    let header = header.map(|value| value.to_str().unwrap_or("?")).filter(|id| !id.is_empty());
    let Some(id) = header.or_else(|| query.get("after")) else { return Ok(None) };
    Ok(Some(ids.position(id)?.map_or(After::Unknown, After::Position)))
}

/// One client's stream.
struct Stream {
    app: Data<App>,
    caller: Caller,
    ids: Ids,
    place: Place,
    live: Receiver<Arc<Batch>>,
    /// Everything up to here was sent, once `next` is empty.
    position: Position,
    /// Beyond the position, what was sent.
    sent: BTreeSet<i64>,
    next: VecDeque<Next>,
    /// Events that are loaded at once: one after large ones, twice as many after others.
    at_once: usize,
    said: Stopwatch,
    checked: Stopwatch,
    ended: bool,
}

/// What is to be sent.
enum Next {
    /// Its id, if it has one, is made when it is sent.
    Message(Option<Position>, Bytes),
    /// An event that has to be loaded, and where the client is after it.
    Event(Noted, Position),
}

impl Stream {
    async fn open(
        app: Data<App>,
        caller: Caller,
        ids: Ids,
        place: Place,
        after: Option<After>,
    ) -> Result<Self, ApiError> {
        let (position, live) = place.listen().await?;
        let mut stream = Self {
            app,
            caller,
            ids,
            place,
            live,
            position,
            sent: BTreeSet::new(),
            next: VecDeque::new(),
            at_once: AT_ONCE_MAX,
            said: Stopwatch::start(),
            checked: Stopwatch::start(),
            ended: false,
        };
        let from = match &after {
            Some(After::Position(after)) => *after,
            Some(After::Unknown) | None => position,
        };
        let hello = message::hello(&stream.ids.id(from));
        stream.next.push_back(Next::Message(None, hello));
        if let Some(after) = after {
            // The reader is a moment behind the store, and another process's may have been ahead of it.
            let now = stream.app.store.tail().await?.position;
            match after {
                After::Position(after) if after.seq <= now.seq => {
                    stream.position = after;
                    stream.catch_up(position, now).await?;
                }
                After::Position(after) => stream.gap("unknown", Some(after.at.min(now.at)), now),
                After::Unknown => stream.gap("unknown", None, now),
            }
        }
        Ok(stream)
    }

    /// The next bytes; none when it is over.
    async fn next(&mut self) -> Option<Bytes> {
        while !self.ended {
            if let Some(reason) = self.must_end().await {
                return Some(self.end(reason));
            }
            if let Some(bytes) = self.take().await {
                self.said = Stopwatch::start();
                return Some(bytes);
            }
            if !self.next.is_empty() {
                continue;
            }
            if self.said.elapsed() >= HEARTBEAT {
                self.said = Stopwatch::start();
                return Some(message::heartbeat(&self.ids.id(self.position)));
            }
            let draining = self.app.draining.clone();
            let live = tokio::select! {
                live = timeout(TICK, self.live.recv()) => live,
                () = draining.cancelled() => continue,
            };
            match live {
                Ok(Ok(batch)) => self.hear(&batch),
                Ok(Err(RecvError::Lagged(_))) => {
                    let reader = self.place.reader();
                    let caught_up = match reader {
                        Some(reader) => self.catch_up(reader, reader).await.is_ok(),
                        None => false,
                    };
                    if !caught_up {
                        return Some(self.end("store_unavailable"));
                    }
                }
                Ok(Err(RecvError::Closed)) => return Some(self.end("reader_ended")),
                // Nothing happened.
                Err(_) => {}
            }
        }
        None
    }

    async fn must_end(&mut self) -> Option<&'static str> {
        if self.app.draining.is_cancelled() {
            return Some("shutdown");
        }
        if self.checked.elapsed() >= CHECK {
            self.checked = Stopwatch::start();
            // A store that does not answer revokes nothing.
            if matches!(self.caller.is_known(&self.app).await, Ok(false)) {
                return Some("key_revoked");
            }
        }
        None
    }

    fn end(&mut self, reason: &str) -> Bytes {
        self.ended = true;
        // At a stop the reader ends, too.
        message::end(if self.app.draining.is_cancelled() { "shutdown" } else { reason })
    }

    /// Of what is to be sent, the first, or some that is loaded together.
    async fn take(&mut self) -> Option<Bytes> {
        if let Some(Next::Message(..)) = self.next.front() {
            let Some(Next::Message(position, text)) = self.next.pop_front() else { return None };
            return Some(match position {
                Some(position) => message::with_id(&self.ids.id(position), &text),
                None => text,
            });
        }
        let mut wanted = Vec::new();
        while wanted.len() < self.at_once {
            let Some(Next::Event(..)) = self.next.front() else { break };
            let Some(Next::Event(noted, position)) = self.next.pop_front() else { break };
            wanted.push((noted, position));
        }
        if wanted.is_empty() {
            return None;
        }
        let noted: Vec<_> = wanted.iter().map(|(noted, _)| noted.clone()).collect();
        let Ok(events) = load(&*self.app.store, &noted).await else {
            return Some(self.end("store_unavailable"));
        };
        // What a client that does not read has waiting is bounded in bytes, too.
        let (mut ready, mut bytes) = (Vec::new(), 0);
        for (noted, position) in wanted {
            let event = events.get(&noted.uid);
            let Some(text) = event.and_then(|event| message::event(event).ok()) else { continue };
            bytes += text.len();
            ready.push(match bytes <= BATCH_BYTES || ready.is_empty() {
                true => Next::Message(Some(position), text),
                false => Next::Event(noted, position),
            });
        }
        self.at_once = if bytes > BATCH_BYTES { 1 } else { (self.at_once * 2).min(AT_ONCE_MAX) };
        for next in ready.into_iter().rev() {
            self.next.push_front(next);
        }
        None
    }

    /// Takes what it wants and did not send.
    fn hear(&mut self, batch: &Batch) {
        for (noted, text) in &batch.events {
            if noted.seq <= self.position.seq
                || !self.place.filter.wants(noted)
                || !self.sent.insert(noted.seq)
            {
                continue;
            }
            let position = reached(noted, batch.position);
            self.next.push_back(match text {
                Some(text) => Next::Message(Some(position), text.clone()),
                None => Next::Event(noted.clone(), position),
            });
        }
        self.move_to(batch.position);
    }

    /// Takes what it missed from the store, up to where the reader is and somewhat further.
    async fn catch_up(&mut self, reader: Position, now: Position) -> Result<(), ApiError> {
        let begin = self.position;
        if now.at.since(begin.at) > MISSED_FOR_MAX {
            self.gap("too_old", Some(begin.at), now);
            return Ok(());
        }
        let tenant = self.place.filter.tenant.as_ref();
        let turn = self.place.turn.lock().await;
        let missed = self.app.store.since(begin, tenant, MISSED_MAX + 1).await?;
        drop(turn);
        if missed.len() > MISSED_MAX as usize {
            self.gap("too_many", Some(begin.at), now);
            return Ok(());
        }
        let end = Position { seq: reader.seq.max(begin.seq), at: begin.at };
        for noted in missed {
            if self.place.filter.wants(&noted) && self.sent.insert(noted.seq) {
                let position = reached(&noted, end);
                self.next.push_back(Next::Event(noted, position));
            }
        }
        self.move_to(reader);
        Ok(())
    }

    /// Goes on from now, and says so.
    fn gap(&mut self, reason: &str, since: Option<Timestamp>, now: Position) {
        self.app.metrics.stream_gap();
        let gap = message::gap(reason, since, now);
        self.next.push_back(Next::Message(Some(now), gap));
        self.position = now;
        self.sent = self.sent.split_off(&(now.seq + 1));
    }

    fn move_to(&mut self, position: Position) {
        if position.seq >= self.position.seq {
            self.position = position;
            self.sent = self.sent.split_off(&(position.seq + 1));
        }
    }
}

impl App {
    /// Streams that are open.
    pub fn streams(&self) -> usize {
        self.streams.count()
    }

    /// At a stop before which `streams` were open: returns when nothing can be left but the last words
    /// to clients that do not read them, for whom nobody is to wait.
    pub async fn only_silent_streams_left(&self, streams: usize) {
        let mut quiet = if streams == 0 { return pending().await } else { 0 };
        while quiet < 2 {
            sleep(LAST_WORDS).await;
            quiet = if self.handling.load(Ordering::Relaxed) == 0 { quiet + 1 } else { 0 };
        }
    }
}
