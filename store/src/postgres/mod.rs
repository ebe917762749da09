//! The store in PostgreSQL, for several processes at once.
//!
//! Whatever comes in batches is written by one statement, with an array for each column
//! ([`accept`], [`fan_out`], [`record`]); accepted events are gathered into batches first
//! ([`gather`]). Rows are written in the order of their keys, so that processes that write the same
//! ones wait for each other and never in a circle; where it happens all the same the server breaks
//! it and the batch is repeated ([`pool`]).
//!
//! A connection may break at any moment. What changed nothing is repeated once on another one;
//! what may have been committed is repeated only where a repeat changes nothing, or can be told
//! ([`accept`]).

mod connect;
mod failure;
mod inspect;
mod migrations;
mod pool;

mod batch;
mod conditions;
mod rows;
mod stats;

mod accept;
mod gather;

mod fan_out;
mod load;
mod record;

mod feed;
mod webhooks;
mod look;
mod follow;
mod by_hand;
mod keys;
mod partitions;
mod fleet;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use model::attempt::Attempt;
use model::event::{Event, NewEvent};
use model::id::{DeliveryId, EventUid, KeyId, WebhookId, WorkerId};
use model::key::{Key, KeyHash};
use model::tenant::Tenant;
use model::time::Timestamp;
use model::webhook::Webhook;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::listed::{Listed, Most};
use crate::queue::Lane;
use crate::sql::named;
use crate::stats::{
    Additions, Backlog, CauseCount, Counted, CountsByType, Stats, StatsFilter, StatusCounts,
    Streak, UnfinishedTotals, WebhookTotals,
};
use crate::store::*;
use crate::world::Clock;
use connect::Server;
use gather::Gatherer;
use inspect::About;
pub use inspect::Inspection;
pub use pool::Connections;
use pool::{Pool, run};

/// The oldest PostgreSQL it runs on, as the server counts.
const VERSION_MIN: i32 = 150_000;
/// Calls at the same time; beyond it callers wait.
const CALLS_MAX: u32 = 1 << 20;
/// Connections whose commits do not wait for the disk.
const RELAXED: usize = 2;
/// One of so many connections may be used for lists that people ask for.
const LISTS_SHARE: usize = 4;

/// The statement called `name`.
const fn sql(name: &str) -> &'static str {
    named(include_str!("statements.sql"), name)
}

/// How PostgreSQL is used.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Connections of this process at most.
    pub connections: usize,
    /// Whether opening brings the tables up to date; else tables that are not are refused.
    pub migrate: bool,
    /// Days for which there are partitions ahead.
    pub days_ahead: u16,
    /// How long a statement may take.
    pub statement_timeout: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        let statement_timeout = Duration::from_secs(15);
        Self { connections: 16, migrate: true, days_ahead: 7, statement_timeout }
    }
}

/// Why the store could not be opened; each is a sentence for the person who starts it, and holds
/// no password.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("the database's URL cannot be used: {0}")]
    Url(String),
    #[error("the database {0} cannot be used: {1}")]
    Server(String, String),
    #[error("the database {0} is of PostgreSQL {1}; it must be 15 or newer")]
    TooOld(String, String),
    #[error("the tables of the database {0} are not up to date: run `postrider migrate`")]
    NotMigrated(String),
    #[error("the tables of the database {0} cannot be brought up to date: {1}")]
    Tables(String, String),
    #[error("this system knows no certificate authorities, so sslmode=require cannot be kept")]
    NoAuthorities,
    #[error("TLS cannot be used: {0}")]
    Tls(String),
}

pub struct Postgres {
    pool: Arc<Pool>,
    /// For fanning out: the inbox row of an event makes it begin anew after a crash of the server.
    relaxed: Pool,
    gatherer: Gatherer,
    /// Held by every call, and by `close` in whole.
    calls: Semaphore,
    /// Keeps lists from taking all connections.
    lists: Semaphore,
    days_ahead: u16,
    clock: Clock,
}

impl Postgres {
    /// Opens the store in the database at `url`. Its connections live on the runtime that this is
    /// called on.
    ///
    /// # Errors
    /// Each says what is wrong with the URL, the server or its tables.
    pub async fn open(url: &str, settings: Settings, clock: Clock) -> Result<Self, OpenError> {
        let server = Server::parse(url, settings.statement_timeout)?;
        if settings.migrate {
            Self::migrate(url).await?;
        }
        check(&server).await?;
        let (size, patience) = (settings.connections.max(RELAXED), settings.statement_timeout);
        let pool = Arc::new(Pool::new(server.clone(), (size - RELAXED).max(1), patience));
        let relaxed = Pool::new(server.relaxed(), RELAXED, patience);
        make_partitions(&pool, clock.now(), settings.days_ahead).await;
        Ok(Self {
            gatherer: Gatherer::start(pool.clone()),
            calls: Semaphore::new(CALLS_MAX as usize),
            lists: Semaphore::new((size / LISTS_SHARE).max(1)),
            days_ahead: settings.days_ahead,
            pool,
            relaxed,
            clock,
        })
    }

    /// Brings the tables up to date.
    ///
    /// # Errors
    /// As for `open`.
    pub async fn migrate(url: &str) -> Result<(), OpenError> {
        migrations::migrate(url).await
    }

    /// The hosts that a URL names, with their ports; none if it cannot be read.
    pub fn places(url: &str) -> Vec<(String, u16)> {
        connect::places(url)
    }

    /// Looks at the server at `url` without changing anything.
    ///
    /// # Errors
    /// As for `open`, but for what the answer says.
    pub async fn inspect(url: &str) -> Result<Inspection, OpenError> {
        inspect::inspect(url).await
    }

    /// Connections by what they are for: fanning out, and all else.
    pub fn connections(&self) -> [(&'static str, Connections); 2] {
        [("main", self.pool.connections()), ("fan_out", self.relaxed.connections())]
    }

    /// What is begun is finished before the store closes.
    async fn begin(&self) -> Result<SemaphorePermit<'_>, StoreError> {
        self.calls.acquire().await.map_err(|_| closed())
    }
}

/// Does a job as one of the calls of a store.
macro_rules! call {
    ($store:expr, |$db:ident| $job:expr) => {
        call!(pool of $store, |$db| $job)
    };
    ($pool:ident of $store:expr, |$db:ident| $job:expr) => {{
        let _call = $store.begin().await?;
        run!($store.$pool, |$db| $job).map_err(StoreError::from)
    }};
}

/// The same for what may be slow: people's lists never take the connections that deliveries need.
macro_rules! list {
    ($store:expr, |$db:ident| $job:expr) => {{
        let _place = $store.lists.acquire().await.map_err(|_| closed())?;
        call!($store, |$db| $job)
    }};
}

fn closed() -> StoreError {
    StoreError::Unavailable("it is closed".into())
}

/// Whether the server and its tables can be used.
async fn check(server: &Server) -> Result<(), OpenError> {
    let unreachable = |e| migrations::unreachable(server, &e);
    let (client, _) = server.connect().await.map_err(unreachable)?;
    let about = About::of(&client).await.map_err(unreachable)?;
    if about.is_too_old() {
        return Err(OpenError::TooOld(server.to_string(), about.version));
    }
    if !about.has_fsync {
        tracing::warn!("the database has fsync off: a power loss may take accepted events with it");
    }
    migrations::check(&client, server).await
}

/// Who cannot make them can work all the same: there is a default one.
async fn make_partitions(pool: &Pool, now: Timestamp, days_ahead: u16) {
    if let Err(e) = run!(pool, |db| partitions::make(db, now, days_ahead)) {
        let error = StoreError::from(e);
        tracing::warn!(error = %error, "partitions of the days ahead could not be made");
    }
}

#[async_trait]
impl Store for Postgres {
    async fn accept(&self, events: Vec<NewEvent>) -> Result<Vec<Accepted>, StoreError> {
        let _call = self.begin().await?;
        self.gatherer.accept(events).await
    }

    async fn inbox(&self, rows: &[EventUid], whole: bool) -> Result<Vec<InboxRow>, StoreError> {
        call!(relaxed of self, |db| fan_out::inbox(db, rows, whole))
    }

    async fn fan_out(&self, chunks: Vec<Chunk>) -> Result<usize, StoreError> {
        call!(relaxed of self, |db| fan_out::fan_out(db, &chunks))
    }

    async fn fanned_out(&self, rows: Vec<EventUid>) -> Result<(), StoreError> {
        call!(relaxed of self, |db| fan_out::fanned_out(db, &rows))
    }

    async fn load(&self, deliveries: Vec<DeliveryId>) -> Result<Vec<Option<Loaded>>, StoreError> {
        call!(self, |db| load::load(db, &deliveries))
    }

    async fn record(&self, outcomes: Arc<[Outcome]>) -> Result<Vec<Recorded>, StoreError> {
        let _call = self.begin().await?;
        Ok(record::record(&self.pool, &outcomes).await?)
    }

    async fn lanes(&self, after: Option<&Lane>, limit: u32) -> Result<Vec<Lane>, StoreError> {
        call!(self, |db| feed::lanes(db, after, limit))
    }

    async fn unfinished(&self, lane: &Lane, limit: u32) -> Result<Vec<Waiting>, StoreError> {
        call!(self, |db| feed::unfinished(db, lane, limit))
    }

    async fn stranded(&self, limit: u32) -> Result<Vec<Stranded>, StoreError> {
        call!(self, |db| feed::stranded(db, limit))
    }

    async fn outlived(
        &self,
        webhook: WebhookId,
        opened_before: Timestamp,
        limit: u32,
    ) -> Result<Vec<Stranded>, StoreError> {
        call!(self, |db| feed::outlived(db, webhook, opened_before, limit))
    }

    async fn registry(&self, tenant: &Tenant, since: u64) -> Result<Registry, StoreError> {
        call!(self, |db| webhooks::registry(db, tenant, since))
    }

    async fn webhooks(&self, ids: &[WebhookId]) -> Result<Vec<Webhook>, StoreError> {
        call!(self, |db| webhooks::webhooks(db, ids))
    }

    async fn webhook_at(&self, tenant: &Tenant, url: &str) -> Result<Option<Webhook>, StoreError> {
        call!(self, |db| webhooks::webhook_at(db, tenant, url))
    }

    async fn list_webhooks(
        &self,
        filter: WebhookFilter,
        after: Option<WebhookId>,
        limit: u32,
    ) -> Result<Vec<Webhook>, StoreError> {
        list!(self, |db| webhooks::list(db, &filter, after, limit))
    }

    async fn insert_webhook(&self, webhook: Webhook) -> Result<Saved, StoreError> {
        call!(self, |db| webhooks::insert(db, &webhook))
    }

    async fn update_webhook(&self, webhook: Webhook) -> Result<Saved, StoreError> {
        call!(self, |db| webhooks::update(db, &webhook))
    }

    async fn delete_webhook(&self, id: WebhookId) -> Result<bool, StoreError> {
        let now = self.clock.now();
        call!(self, |db| webhooks::delete(db, id, now))
    }

    async fn event(&self, tenant: &Tenant, id: &str) -> Result<Option<Event>, StoreError> {
        call!(self, |db| look::event(db, tenant, id))
    }

    async fn list_events(
        &self,
        filter: EventFilter,
        after: Option<EventUid>,
        most: Most,
    ) -> Result<Listed<Event>, StoreError> {
        list!(self, |db| look::list_events(db, &filter, after, most))
    }

    async fn list_deliveries(
        &self,
        filter: DeliveryFilter,
        after: Option<DeliveryId>,
        most: Most,
    ) -> Result<Listed<Delivery>, StoreError> {
        list!(self, |db| look::list_deliveries(db, &filter, after, most))
    }

    async fn deliveries(&self, ids: &[DeliveryId]) -> Result<Vec<Delivery>, StoreError> {
        list!(self, |db| look::deliveries(db, ids))
    }

    async fn delivery(&self, id: DeliveryId) -> Result<Option<Delivery>, StoreError> {
        call!(self, |db| look::delivery(db, id))
    }

    async fn history(
        &self,
        id: DeliveryId,
        limit: u32,
    ) -> Result<Option<(Delivery, Vec<Attempt>)>, StoreError> {
        call!(self, |db| look::history(db, id, limit))
    }

    async fn tail(&self) -> Result<Tail, StoreError> {
        call!(self, |db| follow::tail(db))
    }

    async fn follow(&self, tail: Tail, limit: u32) -> Result<(Vec<Noted>, Tail), StoreError> {
        call!(self, |db| follow::follow(db, &tail, limit))
    }

    async fn since(
        &self,
        position: Position,
        tenant: Option<&Tenant>,
        limit: u32,
    ) -> Result<Vec<Noted>, StoreError> {
        list!(self, |db| follow::since(db, position, tenant, limit))
    }

    async fn events(&self, uids: &[EventUid]) -> Result<Vec<Event>, StoreError> {
        call!(self, |db| follow::events(db, uids))
    }

    async fn retry(&self, id: DeliveryId, now: Timestamp) -> Result<Option<Delivery>, StoreError> {
        call!(self, |db| by_hand::retry(db, id, now))
    }

    async fn cancel(&self, id: DeliveryId, now: Timestamp) -> Result<Option<Delivery>, StoreError> {
        call!(self, |db| by_hand::cancel(db, id, now))
    }

    async fn put_key(&self, key: Key) -> Result<(), StoreError> {
        call!(self, |db| keys::put(db, &key))
    }

    async fn key(&self, hash: &KeyHash) -> Result<Option<Key>, StoreError> {
        call!(self, |db| keys::find(db, hash))
    }

    async fn keys(&self) -> Result<Vec<Key>, StoreError> {
        call!(self, |db| keys::all(db))
    }

    async fn delete_key(&self, id: KeyId) -> Result<bool, StoreError> {
        call!(self, |db| keys::delete(db, id))
    }

    async fn retain(&self, since: Timestamp, limit: u32) -> Result<bool, StoreError> {
        // What is forgotten is not made again.
        let from = self.clock.now().max(since);
        call!(self, |db| partitions::make(db, from, self.days_ahead))?;
        call!(self, |db| partitions::forget(db, since, limit))
    }

    async fn announce(&self, worker: WorkerState) -> Result<(), StoreError> {
        call!(self, |db| fleet::announce(db, &worker))
    }

    async fn retire(&self, worker: WorkerId) -> Result<(), StoreError> {
        call!(self, |db| fleet::retire(db, worker))
    }

    async fn workers(&self) -> Result<Vec<(WorkerState, Timestamp)>, StoreError> {
        call!(self, |db| fleet::workers(db))
    }

    async fn lead(&self, duty: &str, worker: WorkerId, time: Duration) -> Result<bool, StoreError> {
        call!(self, |db| fleet::lead(db, duty, worker, time))
    }

    async fn check(&self) -> Result<(), StoreError> {
        call!(self, |db| look::check(db))
    }

    async fn close(&self) -> Result<(), StoreError> {
        // Whatever began before this ends first; whatever comes after it finds it closed.
        let all = self.calls.acquire_many(CALLS_MAX).await.map_err(|_| closed())?;
        self.calls.close();
        drop(all);
        self.pool.close();
        self.relaxed.close();
        Ok(())
    }
}

#[async_trait]
impl Stats for Postgres {
    async fn add_stats(&self, more: Additions) -> Result<(), StoreError> {
        call!(self, |db| stats::add(db, &more))
    }

    async fn stats(&self, of: StatsFilter) -> Result<Vec<Counted>, StoreError> {
        list!(self, |db| stats::stats(db, &of))
    }

    async fn causes(
        &self,
        tenant: Option<&Tenant>,
        since: Timestamp,
        limit: u32,
    ) -> Result<Vec<CauseCount>, StoreError> {
        list!(self, |db| stats::causes(db, tenant, since, limit))
    }

    async fn failing(
        &self,
        tenant: Option<&Tenant>,
        limit: u32,
    ) -> Result<Vec<Streak>, StoreError> {
        list!(self, |db| stats::failing(db, tenant, limit))
    }

    async fn streaks(&self, ids: &[WebhookId]) -> Result<Vec<Streak>, StoreError> {
        list!(self, |db| stats::streaks(db, ids))
    }

    async fn forget_stats(
        &self,
        minutes_before: Timestamp,
        before: Timestamp,
        limit: u32,
    ) -> Result<bool, StoreError> {
        call!(self, |db| stats::forget(db, minutes_before, before, limit))
    }

    async fn stats_by_type(&self, of: StatsFilter) -> Result<CountsByType, StoreError> {
        list!(self, |db| stats::by_type(db, &of))
    }

    async fn stats_of(
        &self,
        webhooks: &[(Tenant, WebhookId)],
        since: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<Vec<Counted>>, StoreError> {
        list!(self, |db| stats::stats_of(db, webhooks, since, until))
    }

    async fn newest(&self, ids: &[WebhookId]) -> Result<Vec<Option<Delivery>>, StoreError> {
        list!(self, |db| look::newest(db, ids))
    }

    async fn webhook_totals(&self, tenant: Option<&Tenant>) -> Result<WebhookTotals, StoreError> {
        list!(self, |db| stats::webhook_totals(db, tenant))
    }

    async fn size_bytes(&self) -> Result<Option<u64>, StoreError> {
        list!(self, |db| stats::size_bytes(db))
    }

    async fn backlogs(&self, ids: &[WebhookId], most: u32) -> Result<Vec<Backlog>, StoreError> {
        list!(self, |db| stats::backlogs(db, ids, most))
    }

    async fn statuses(
        &self,
        events: &[EventUid],
        most: u32,
    ) -> Result<Vec<StatusCounts>, StoreError> {
        list!(self, |db| stats::statuses(db, events, most))
    }

    async fn is_to_fan_out(&self, event: EventUid) -> Result<bool, StoreError> {
        list!(self, |db| stats::is_to_fan_out(db, event))
    }

    async fn unfinished_totals(
        &self,
        tenant: Option<&Tenant>,
        most: u32,
    ) -> Result<UnfinishedTotals, StoreError> {
        list!(self, |db| stats::unfinished_totals(db, tenant, most))
    }
}
