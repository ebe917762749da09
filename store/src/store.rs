use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use model::attempt::{Attempt, ErrorClass, Trigger};
use model::delivery::{EndedBy, Next, Status};
use model::event::{Event, EventType, NewEvent};
use model::id::{DeliveryId, EventUid, KeyId, WebhookId, WorkerId};
use model::key::{Key, KeyHash};
use model::tenant::Tenant;
use model::time::Timestamp;
use model::webhook::{Webhook, WebhookStatus};

use crate::listed::{Listed, Most};
use crate::queue::Lane;
use crate::stats::Stats;

/// The truth: what was accepted, what is to be delivered, what was tried, who subscribed.
///
/// Each method is atomic. Methods that take a batch are atomic per item, and one bad item fails
/// alone.
#[async_trait]
pub trait Store: Stats + Send + Sync {
    // Accepting.

    /// Keeps each event with its keys and in an inbox row that says "still to fan out", and returns
    /// once they are durable. Events of a tenant that are accepted together may share a row. An event
    /// whose id or idempotency key was used before is not kept.
    async fn accept(&self, events: Vec<NewEvent>) -> Result<Vec<Accepted>, StoreError>;

    // Fanning out.

    /// Those inbox rows of `rows` that are still to fan out. With the events themselves if `whole`;
    /// else they are left out where they would have to be read.
    async fn inbox(&self, rows: &[EventUid], whole: bool) -> Result<Vec<InboxRow>, StoreError>;

    /// Makes deliveries and moves the cursor of their inbox row; returns how many were made. A
    /// delivery that exists stays as it is.
    async fn fan_out(&self, chunks: Vec<Chunk>) -> Result<usize, StoreError>;

    /// Deletes inbox rows whose deliveries were all pushed. Repeated: nothing.
    async fn fanned_out(&self, rows: Vec<EventUid>) -> Result<(), StoreError>;

    // Delivering.

    /// How each delivery stands and what to send, in the order of `deliveries`; none where there
    /// is no such delivery.
    async fn load(&self, deliveries: Vec<DeliveryId>) -> Result<Vec<Option<Loaded>>, StoreError>;

    /// Applies each outcome if the delivery still has the number of attempts it was loaded with.
    /// A late one is kept as an attempt and changes the state only if it is a success: delivered
    /// wins and is final. Either may disable the webhook. Returns how each delivery stands now.
    async fn record(&self, outcomes: Arc<[Outcome]>) -> Result<Vec<Recorded>, StoreError>;

    // Feeding the queue.

    /// Lanes with unfinished work, in order, from the one after `after`.
    async fn lanes(&self, after: Option<&Lane>, limit: u32) -> Result<Vec<Lane>, StoreError>;

    /// The next unfinished items of a lane: those asked for by hand, which are due at once, then by
    /// (due, seq).
    async fn unfinished(&self, lane: &Lane, limit: u32) -> Result<Vec<Waiting>, StoreError>;

    /// Unfinished deliveries that nothing will end by sending: of disabled or deleted webhooks.
    async fn stranded(&self, limit: u32) -> Result<Vec<Stranded>, StoreError>;

    /// Unfinished deliveries of a webhook whose age counts from before `opened_before`, and for
    /// which nobody asked by hand.
    async fn outlived(
        &self,
        webhook: WebhookId,
        opened_before: Timestamp,
        limit: u32,
    ) -> Result<Vec<Stranded>, StoreError>;

    // Webhooks. Every change bumps the tenant's registry version in the same transaction.

    /// What of a tenant's webhooks was changed since its registry was of version `since`, and the
    /// version that is read; since 0 that is all of them.
    async fn registry(&self, tenant: &Tenant, since: u64) -> Result<Registry, StoreError>;

    /// Those of `ids` that exist.
    async fn webhooks(&self, ids: &[WebhookId]) -> Result<Vec<Webhook>, StoreError>;

    /// The tenant's webhook with that normalised URL.
    async fn webhook_at(&self, tenant: &Tenant, url: &str) -> Result<Option<Webhook>, StoreError>;

    /// Newest first, from before `after`.
    async fn list_webhooks(
        &self,
        filter: WebhookFilter,
        after: Option<WebhookId>,
        limit: u32,
    ) -> Result<Vec<Webhook>, StoreError>;

    /// Adds a webhook; its versions are assigned here and returned.
    async fn insert_webhook(&self, webhook: Webhook) -> Result<Saved, StoreError>;

    /// Replaces a webhook if it still has the version it was read with.
    async fn update_webhook(&self, webhook: Webhook) -> Result<Saved, StoreError>;

    /// Forgets a webhook and its secrets; its deliveries stay on record and those unfinished
    /// become stranded. False if there was none.
    async fn delete_webhook(&self, id: WebhookId) -> Result<bool, StoreError>;

    // Looking.

    /// The event that `id` names: an `evt_…` id, else one chosen by `tenant`'s publisher.
    async fn event(&self, tenant: &Tenant, id: &str) -> Result<Option<Event>, StoreError>;

    /// Newest first, from before `after`; their data is left empty. Fewer than are wanted are the last ones,
    /// unless it says how far it looked.
    async fn list_events(
        &self,
        filter: EventFilter,
        after: Option<EventUid>,
        most: Most,
    ) -> Result<Listed<Event>, StoreError>;

    /// Newest first, from before `after`. Fewer than are wanted are the last ones, unless it says how far
    /// it looked.
    async fn list_deliveries(
        &self,
        filter: DeliveryFilter,
        after: Option<DeliveryId>,
        most: Most,
    ) -> Result<Listed<Delivery>, StoreError>;

    /// Those of `ids` that exist, in any order.
    async fn deliveries(&self, ids: &[DeliveryId]) -> Result<Vec<Delivery>, StoreError>;

    async fn delivery(&self, id: DeliveryId) -> Result<Option<Delivery>, StoreError>;

    /// A delivery and its attempts as of one moment, first to last, at most `limit`.
    async fn history(
        &self,
        id: DeliveryId,
        limit: u32,
    ) -> Result<Option<(Delivery, Vec<Attempt>)>, StoreError>;

    // Following.

    /// Where a reader stands that has seen all that was answered until now.
    async fn tail(&self) -> Result<Tail, StoreError>;

    /// Events that were kept since, by `seq`, and where the reader stands then. What is committed
    /// late comes late; whatever is committed comes, and once. About `limit` of them at most.
    async fn follow(&self, tail: Tail, limit: u32) -> Result<(Vec<Noted>, Tail), StoreError>;

    /// Events after a position, of one tenant or of all, by `seq`, at most `limit`. Those that the
    /// reader who stood there had seen already may be among them; those that are minutes older than the
    /// position are not looked at, whatever number it says.
    async fn since(
        &self,
        position: Position,
        tenant: Option<&Tenant>,
        limit: u32,
    ) -> Result<Vec<Noted>, StoreError>;

    /// Those of `uids` that exist, in any order.
    async fn events(&self, uids: &[EventUid]) -> Result<Vec<Event>, StoreError>;

    // By hand.

    /// Makes a delivery due at once. One that waits gets an extra attempt that leaves its plan as
    /// it is; one that failed or was cancelled begins its plan anew. Returns how it stood before;
    /// a delivered one stays as it is.
    async fn retry(&self, id: DeliveryId, now: Timestamp) -> Result<Option<Delivery>, StoreError>;

    /// Cancels a delivery that is not finished. Returns how it stood before.
    async fn cancel(&self, id: DeliveryId, now: Timestamp) -> Result<Option<Delivery>, StoreError>;

    // Keys.

    /// Adds a key; one with the same id is replaced.
    async fn put_key(&self, key: Key) -> Result<(), StoreError>;

    async fn key(&self, hash: &KeyHash) -> Result<Option<Key>, StoreError>;

    /// Every key, oldest first.
    async fn keys(&self) -> Result<Vec<Key>, StoreError>;

    /// False if there was none.
    async fn delete_key(&self, id: KeyId) -> Result<bool, StoreError>;

    // Retention.

    /// Makes room for the days ahead, and forgets events accepted before `since` with their keys,
    /// deliveries and attempts: whole days, or at most `limit` rows of a table, an event after all
    /// that belongs to it. What is unfinished stays. Returns whether there may be more.
    async fn retain(&self, since: Timestamp, limit: u32) -> Result<bool, StoreError>;

    // The fleet. Its times are the store's own.

    /// Says that a worker lives, and what it does. Those not seen for an hour are forgotten, and duties
    /// whose time is over.
    async fn announce(&self, worker: WorkerState) -> Result<(), StoreError>;

    /// Forgets a worker that ended, and what it alone did.
    async fn retire(&self, worker: WorkerId) -> Result<(), StoreError>;

    /// Every worker and when it was last seen, by id.
    async fn workers(&self) -> Result<Vec<(WorkerState, Timestamp)>, StoreError>;

    /// Whether a duty that only one does at a time is this worker's for `time` from now: it was its
    /// already, or nobody's.
    async fn lead(&self, duty: &str, worker: WorkerId, time: Duration) -> Result<bool, StoreError>;

    // Living.

    /// Whether it answers.
    async fn check(&self) -> Result<(), StoreError>;

    /// Finishes what was begun, makes it durable and closes. Later calls fail.
    async fn close(&self) -> Result<(), StoreError>;
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Accepted {
    New {
        uid: EventUid,
        seq: i64,
        /// The inbox row that it is in.
        row: EventUid,
        /// Whether it falls to its caller to push the row: to one of all whose events are in it.
        push: bool,
    },
    /// The same event was accepted before, under this id.
    Duplicate { uid: EventUid, id: String },
    /// Its id was used for another event.
    IdTaken,
    /// Its idempotency key was used for another event.
    KeyTaken,
}

/// Events of one tenant that were accepted together and are still to fan out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InboxRow {
    /// One of the events, after which it is called.
    pub name: EventUid,
    pub tenant: Tenant,
    /// The tenant's registry version when the events were accepted.
    pub registry_version: u64,
    /// The same now.
    pub registry_now: u64,
    /// Deliveries up to that of the event with this `seq` to this webhook are made.
    pub cursor: Option<(i64, WebhookId)>,
    /// For a test: the one webhook it goes to.
    pub only_webhook: Option<WebhookId>,
    /// In the order of their publishing.
    pub events: Vec<InboxEvent>,
}

/// An event of an inbox row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InboxEvent {
    pub uid: EventUid,
    pub seq: i64,
    pub event_type: EventType,
    pub accepted_at: Timestamp,
    /// The event itself, if it was asked for or at hand.
    pub whole: Option<Arc<Event>>,
}

/// Part of the fan-out of an inbox row.
#[derive(Debug, Clone)]
pub struct Chunk {
    pub row: EventUid,
    pub tenant: Tenant,
    /// In the order of their events, then of their webhooks.
    pub deliveries: Vec<NewDelivery>,
    /// Whether others follow: then the last of these becomes the cursor.
    pub more: bool,
}

/// A delivery to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewDelivery {
    pub id: DeliveryId,
    /// Of the event, like `accepted_at`.
    pub seq: i64,
    pub accepted_at: Timestamp,
}

/// A delivery about to be sent.
#[derive(Debug, Clone)]
pub struct Loaded {
    pub status: Status,
    pub due: Timestamp,
    /// Attempts recorded: the fence of `record`.
    pub attempts: u32,
    /// Those of them that count against the retry policy.
    pub planned: u32,
    pub opened_at: Timestamp,
    /// Whether a person asked for one more attempt.
    pub by_hand: bool,
    /// Whether and in which version its webhook stands; none if it was deleted.
    pub webhook: Option<(WebhookStatus, u64)>,
    pub event: Arc<Event>,
}

impl Loaded {
    /// A delivery that was just made, to a webhook of that status and version.
    pub fn new(event: Arc<Event>, webhook: (WebhookStatus, u64)) -> Self {
        Self {
            status: Status::Pending,
            due: event.accepted_at,
            attempts: 0,
            planned: 0,
            opened_at: event.accepted_at,
            by_hand: false,
            webhook: Some(webhook),
            event,
        }
    }

    /// What lets it be sent.
    pub fn trigger(&self) -> Trigger {
        if self.by_hand { Trigger::Manual } else { Trigger::Schedule }
    }
}

/// What is to be recorded of a delivery.
#[derive(Debug, Clone)]
pub struct Outcome {
    pub delivery: DeliveryId,
    /// The attempts it was loaded with.
    pub attempts_before: u32,
    /// None if it ends without having been sent.
    pub attempt: Option<Attempt>,
    pub next: Next,
    pub at: Timestamp,
    /// Why its webhook is to be disabled, if it is.
    pub disable_webhook: Option<String>,
}

/// How a delivery stands after a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recorded {
    /// Whether the outcome decided it; false for a late one.
    pub applied: bool,
    /// When it is due next; none if it is finished.
    pub due: Option<Timestamp>,
}

/// An unfinished item of a lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    pub event: EventUid,
    pub seq: i64,
    pub due: Timestamp,
    pub retry: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stranded {
    pub delivery: DeliveryId,
    pub attempts: u32,
    pub ended_by: EndedBy,
}

#[derive(Debug, Clone)]
pub struct Registry {
    pub version: u64,
    /// By id.
    pub webhooks: Vec<Webhook>,
    /// Deleted since.
    pub gone: Vec<WebhookId>,
}

#[derive(Debug, Clone)]
#[expect(clippy::large_enum_variant, reason = "one is made per change of a webhook")]
pub enum Saved {
    Saved(Webhook),
    /// Another webhook of the tenant has that URL.
    UrlTaken(WebhookId),
    /// It was changed or deleted since it was read.
    Stale,
}

/// A delivery as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    pub id: DeliveryId,
    pub tenant: Tenant,
    /// The id that subscribers see.
    pub event_id: String,
    pub event_type: EventType,
    pub seq: i64,
    pub status: Status,
    pub ended_by: Option<EndedBy>,
    pub attempts: u32,
    pub by_hand: bool,
    pub accepted_at: Timestamp,
    pub opened_at: Timestamp,
    /// When the next attempt of its plan is due; meaningless once it is finished.
    pub due: Timestamp,
    pub ended_at: Option<Timestamp>,
    pub last: Option<LastAttempt>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastAttempt {
    pub at: Timestamp,
    pub total: Duration,
    pub answer: Result<u16, ErrorClass>,
}

/// An event that a reader came by, without the event itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Noted {
    pub seq: i64,
    pub uid: EventUid,
    pub tenant: Tenant,
    pub event_type: EventType,
}

/// Where a reader of new events can go on, also in another process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Every event up to this one was seen, or never will be.
    pub seq: i64,
    /// When that was so, by the store's clock.
    pub at: Timestamp,
}

/// Where a reader of new events stands. Where transactions end in another order than they were
/// numbered in, that is more than a position.
#[derive(Debug, Clone)]
pub struct Tail {
    pub position: Position,
    /// Beyond the position, what was seen.
    pub(crate) seen: BTreeSet<i64>,
    /// Beyond the position, what was numbered and not seen.
    pub(crate) doubts: BTreeMap<i64, Doubt>,
}

impl Tail {
    pub(crate) fn at(position: Position) -> Self {
        Self { position, seen: BTreeSet::new(), doubts: BTreeMap::new() }
    }
}

/// A number of which nobody knows yet whether an event has it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Doubt {
    pub(crate) since: Timestamp,
    /// When all transactions before this one are over, so is the one that took the number.
    pub(crate) barrier: Option<i64>,
}

#[derive(Debug, Clone, Default)]
pub struct WebhookFilter {
    pub tenant: Option<Tenant>,
    pub status: Option<WebhookStatus>,
    /// What its URL has in it before any question mark, in letters of any case.
    pub url_part: Option<String>,
}

#[derive(Debug, Clone, Default)]
pub struct EventFilter {
    pub tenant: Option<Tenant>,
    pub event_type: Option<String>,
    /// Accepted at or after.
    pub since: Option<Timestamp>,
    /// Accepted before.
    pub until: Option<Timestamp>,
}

#[derive(Debug, Clone, Default)]
pub struct DeliveryFilter {
    pub tenant: Option<Tenant>,
    /// Any of these; empty: all.
    pub statuses: Vec<Status>,
    pub webhook: Option<WebhookId>,
    pub event: Option<EventUid>,
    pub event_type: Option<String>,
    /// Its event was accepted at or after.
    pub since: Option<Timestamp>,
    /// Its event was accepted before.
    pub until: Option<Timestamp>,
}

/// What a worker says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerState {
    pub id: WorkerId,
    /// Of Postrider.
    pub version: String,
    /// The machine's name.
    pub host: String,
    /// Of the process.
    pub pid: u32,
    pub slots: u32,
    /// Slots that are taken.
    pub held: u32,
    pub started_at: Timestamp,
}

/// How long the store remembers a worker that says nothing.
pub const WORKER_FORGOTTEN_AFTER: Duration = Duration::from_secs(3_600);

/// Why the store did not do what it was asked. The texts are for the log.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// It does not answer, or not in time; the same call may work later.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// No space is left.
    #[error("the store is full: {0}")]
    Full(String),
    /// What is stored cannot be read.
    #[error("the store is damaged: {0}")]
    Damaged(String),
}
