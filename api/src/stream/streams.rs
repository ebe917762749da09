//! The streams of a process and the one reader that they share. It reads only while there is one, asks
//! the store every so often whether there is anything new, and loads what at least one of them wants.
//!
//! What it read is kept for a moment in a ring that all streams read from. It is bounded in number and
//! in bytes, and waits for nobody: a stream that falls behind goes on from the store.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use model::event::Event;
use model::id::EventUid;
use model::tenant::Tenant;
use model::webhook::EventTypes;
use store::{Noted, Position, Store, StoreError, Tail};
use tokio::sync::broadcast::{Receiver, Sender};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::message;
use crate::Metrics;
use crate::problem::ApiError;

/// How long the reader rests when there was nothing more.
const REST: Duration = Duration::from_millis(200);
/// The same when the store did not answer.
const REST_WITHOUT_STORE: Duration = Duration::from_secs(1);
/// Events that are noted at once.
const NOTED_MAX: u32 = 1_000;
/// Events that are loaded at once.
const LOADED_MAX: usize = 32;
/// Batches in the ring, and the bytes of the messages of one, unless it has but one.
const RING: usize = 32;
pub const BATCH_BYTES: usize = 256 * 1024;
/// A longer message is not kept in the ring: each stream loads the event itself.
const MESSAGE_BYTES_MAX: usize = 64 * 1024;

/// Of all streams, the keys of one tenant have this part together, and at least one.
const TENANT_PART: usize = 10;
/// Of all streams, this part is kept for keys that are bound to no tenant.
const KEPT_PART: usize = 5;

/// What a stream wants.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// None: every tenant.
    pub tenant: Option<Tenant>,
    pub event_types: EventTypes,
}

impl Filter {
    pub fn wants(&self, noted: &Noted) -> bool {
        self.tenant.as_ref().is_none_or(|tenant| *tenant == noted.tenant)
            && self.event_types.want(&noted.event_type)
    }
}

/// What came in at once.
#[derive(Debug)]
pub struct Batch {
    /// By `seq`. With its message, unless that is long.
    pub events: Vec<(Noted, Option<Bytes>)>,
    /// Where who read all of it stands.
    pub position: Position,
}

/// The streams of a process.
pub struct Streams {
    store: Arc<dyn Store>,
    metrics: Metrics,
    draining: CancellationToken,
    max: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// None: of those that do not read events.
    open: HashMap<u64, Option<Filter>>,
    last: u64,
    /// What the keys of each tenant have open.
    shares: HashMap<Tenant, Share>,
    /// While there is a reader: its ring, and where it stands.
    reader: Option<(Sender<Arc<Batch>>, Position)>,
}

#[derive(Default)]
struct Share {
    open: usize,
    turn: Arc<tokio::sync::Mutex<()>>,
}

/// An open stream's place among all; free again when it is dropped.
pub struct Place {
    streams: Arc<Streams>,
    number: u64,
    /// The one tenant that its key is bound to.
    tenant: Option<Tenant>,
    pub filter: Filter,
    /// Held while it takes from the store what it missed: the streams of a tenant's keys do so in turn.
    pub turn: Arc<tokio::sync::Mutex<()>>,
}

impl Streams {
    pub fn new(
        store: &Arc<dyn Store>,
        max: usize,
        metrics: &Metrics,
        draining: &CancellationToken,
    ) -> Arc<Self> {
        Arc::new(Self {
            store: Arc::clone(store),
            metrics: metrics.clone(),
            draining: draining.clone(),
            max,
            state: Mutex::default(),
        })
    }

    /// Opens a stream, of events if there is a filter, for a key that is bound to `tenant` or to none.
    ///
    /// # Errors
    /// `too_many_streams`.
    pub fn open(
        self: &Arc<Self>,
        filter: Option<Filter>,
        tenant: Option<&Tenant>,
    ) -> Result<Place, ApiError> {
        let mut state = self.lock();
        let refused = |detail| Err(ApiError::new("too_many_streams", detail));
        if state.open.len() >= self.max {
            return refused(format!("this process has {} streams open already", self.max));
        }
        let mut turn = Arc::default();
        if let Some(tenant) = tenant {
            let share = (self.max / TENANT_PART).max(1);
            let kept = (self.max / KEPT_PART).max(1).min(self.max - 1);
            let of_tenants: usize = state.shares.values().map(|share| share.open).sum();
            let own = state.shares.get(tenant).map_or(0, |share| share.open);
            if own >= share {
                return refused(format!(
                    "the tenant has {own} streams open in this process already"
                ));
            }
            if of_tenants >= self.max - kept {
                return refused(format!("tenants have {of_tenants} streams open here already"));
            }
            let share = state.shares.entry(tenant.clone()).or_default();
            share.open += 1;
            turn = Arc::clone(&share.turn);
        }
        state.last += 1;
        let number = state.last;
        state.open.insert(number, filter.clone());
        self.metrics.streams(state.open.len());
        drop(state);
        let (tenant, filter) = (tenant.cloned(), filter.unwrap_or_default());
        Ok(Place { streams: Arc::clone(self), number, tenant, filter, turn })
    }

    /// How many are open.
    pub fn count(&self) -> usize {
        self.lock().open.len()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where the reader stands, and what it reads from then on.
    fn subscribe(&self) -> Option<(Position, Receiver<Arc<Batch>>)> {
        let state = self.lock();
        state.reader.as_ref().map(|(ring, position)| (*position, ring.subscribe()))
    }

    /// Reads until nobody wants anything any more.
    async fn read(self: Arc<Self>, mut tail: Tail) {
        let mut end = End(Some(&self));
        let mut fails = false;
        while !self.draining.is_cancelled() {
            let mut rest = REST;
            match self.store.follow(tail.clone(), NOTED_MAX).await {
                Ok((noted, next)) => {
                    fails = false;
                    if noted.len() >= NOTED_MAX as usize {
                        rest = Duration::ZERO;
                    }
                    self.hand_out(noted, next.position).await;
                    tail = next;
                }
                Err(error) => {
                    if !std::mem::replace(&mut fails, true) {
                        tracing::warn!(%error, "streams wait for the store");
                    }
                    rest = REST_WITHOUT_STORE;
                }
            }
            if self.lock().close_if_nobody_listens() {
                end.0 = None;
                return;
            }
            tokio::select! {
                () = sleep(rest) => {}
                () = self.draining.cancelled() => {}
            }
        }
    }

    /// Puts what was noted into the ring, with what at least one stream wants.
    async fn hand_out(&self, noted: Vec<Noted>, end: Position) {
        let mut rest = {
            let state = self.lock();
            let wanted = |noted: &Noted| state.open.values().flatten().any(|f| f.wants(noted));
            noted.into_iter().filter(wanted).collect::<Vec<_>>()
        };
        while !rest.is_empty() {
            let next = rest.split_off(rest.len().min(LOADED_MAX));
            let loaded = self.loaded(&rest).await;
            let mut events = Vec::new();
            let mut bytes = 0;
            for noted in rest {
                let event = loaded.get(&noted.uid);
                let text = event.and_then(|event| message::event(event).ok());
                let text = text.filter(|text| text.len() <= MESSAGE_BYTES_MAX);
                let size = text.as_ref().map_or(0, Bytes::len);
                if bytes + size > BATCH_BYTES {
                    self.send(Batch { position: before(&events, end), events });
                    (events, bytes) = (Vec::new(), 0);
                }
                bytes += size;
                events.push((noted, text));
            }
            self.send(Batch { position: before(&events, end), events });
            rest = next;
        }
        self.send(Batch { events: Vec::new(), position: end });
    }

    /// What is noted was committed: it is loaded for as long as that takes.
    async fn loaded(&self, noted: &[Noted]) -> HashMap<EventUid, Event> {
        let mut fails = false;
        loop {
            match load(&*self.store, noted).await {
                Ok(events) => return events,
                Err(_) if self.draining.is_cancelled() => return HashMap::new(),
                Err(error) => {
                    if !std::mem::replace(&mut fails, true) {
                        tracing::warn!(%error, "streams wait for the store");
                    }
                    sleep(REST_WITHOUT_STORE).await;
                }
            }
        }
    }

    fn send(&self, batch: Batch) {
        if let Some((ring, position)) = &mut self.lock().reader {
            *position = batch.position;
            // Err: nobody listens now.
            let _ = ring.send(Arc::new(batch));
        }
    }
}

impl State {
    fn close_if_nobody_listens(&mut self) -> bool {
        if self.open.values().all(Option::is_none) {
            self.reader = None;
        }
        self.reader.is_none()
    }
}

/// However the reader ends, those that are open learn of it, and the next one starts another.
struct End<'s>(Option<&'s Streams>);

impl Drop for End<'_> {
    fn drop(&mut self) {
        if let Some(streams) = self.0 {
            streams.lock().reader = None;
        }
    }
}

impl Place {
    /// Begins to listen: nothing that is accepted from now on is missed.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn listen(&self) -> Result<(Position, Receiver<Arc<Batch>>), ApiError> {
        loop {
            if let Some(listening) = self.streams.subscribe() {
                return Ok(listening);
            }
            let tail = self.streams.store.tail().await?;
            let mut state = self.streams.lock();
            if state.reader.is_none() {
                state.reader = Some((Sender::new(RING), tail.position));
                actix_web::rt::spawn(Arc::clone(&self.streams).read(tail));
            }
        }
    }

    /// Where the reader stands; none if there is none any more.
    pub fn reader(&self) -> Option<Position> {
        self.streams.lock().reader.as_ref().map(|(_, position)| *position)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.streams.lock();
        state.open.remove(&self.number);
        if let Some(tenant) = &self.tenant
            && let Some(share) = state.shares.get_mut(tenant)
        {
            share.open -= 1;
            if share.open == 0 {
                state.shares.remove(tenant);
            }
        }
        self.streams.metrics.streams(state.open.len());
    }
}

/// Where who read everything up to `noted` stands, on the way to `end`.
pub fn reached(noted: &Noted, end: Position) -> Position {
    Position { seq: noted.seq.min(end.seq), at: end.at }
}

/// Where who read these stands, on the way to `end`.
fn before(events: &[(Noted, Option<Bytes>)], end: Position) -> Position {
    events.last().map_or(end, |(noted, _)| reached(noted, end))
}

/// The events themselves, but for those that are forgotten.
pub async fn load(
    store: &dyn Store,
    noted: &[Noted],
) -> Result<HashMap<EventUid, Event>, StoreError> {
    let uids: Vec<_> = noted.iter().map(|noted| noted.uid).collect();
    let events = match store.events(&uids).await {
        Err(StoreError::Damaged(_)) => one_by_one(store, &uids).await?,
        events => events?,
    };
    Ok(events.into_iter().map(|event| (event.uid, event)).collect())
}

/// What cannot be read is left out: it must not keep the others.
///
/// # Errors
/// Also if none of several can be read: then it is the store.
async fn one_by_one(store: &dyn Store, uids: &[EventUid]) -> Result<Vec<Event>, StoreError> {
    let (mut events, mut unread) = (Vec::new(), Vec::new());
    for uid in uids {
        match store.events(&[*uid]).await {
            Ok(one) => events.extend(one),
            Err(error @ StoreError::Damaged(_)) => unread.push((uid, error)),
            Err(error) => return Err(error),
        }
    }
    if uids.len() > 1 && unread.len() == uids.len() {
        return Err(unread.swap_remove(0).1);
    }
    for (uid, error) in unread {
        tracing::error!(event.uid = %uid, %error, "streams leave out an event");
    }
    Ok(events)
}
