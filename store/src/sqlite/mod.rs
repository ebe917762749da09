//! The store in one SQLite file: the embedded default.
//!
//! One thread writes ([`writer`]), one makes durable what it wrote ([`syncer`]), some read
//! ([`readers`]), and one copies the write-ahead log into the file ([`checkpoints`]). An accepted event is on disk before
//! its answer; what is only recorded is so within 100 ms, since a power loss then costs no more
//! than sending it again.

mod accept;
mod by_hand;
mod checkpoints;
mod deliver;
mod fan_out;
mod feed;
mod fleet;
mod follow;
mod inspect;
mod keys;
mod look;
mod readers;
mod recent;
mod retain;
mod rows;
mod stats;
mod syncer;
mod webhooks;
mod writer;

use std::fs::{File, TryLockError};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use model::attempt::Attempt;
use model::event::{Event, NewEvent};
use model::id::{DeliveryId, EventUid, KeyId, WebhookId, WorkerId};
use model::key::{Key, KeyHash};
use model::tenant::Tenant;
use model::time::Timestamp;
use model::webhook::Webhook;
use rusqlite::Connection;
use rusqlite::config::DbConfig;

use crate::listed::{Listed, Most};
use crate::queue::Lane;
use crate::sql::named;
use crate::stats::{
    Additions, Backlog, CauseCount, Counted, CountsByType, Stats, StatsFilter, StatusCounts,
    Streak, UnfinishedTotals, WebhookTotals,
};
use crate::store::*;
use crate::world::Clock;
pub use inspect::{Inspection, Integrity};
use readers::Readers;
use recent::Recent;
use syncer::Health;
use writer::Writer;

/// Pages the writer keeps: the ends of every index that new rows go to, for many webhooks.
const WRITER_CACHE_KIB: i64 = 16 * 1024;
/// Threads that read for lists and pages.
const LOOK_THREADS: usize = 2;
/// Webhooks whose statistics one look reads.
const WEBHOOKS_AT_ONCE: usize = 20;
/// How long a statement waits for another connection's lock.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Statements a connection keeps prepared: more than there are.
const PREPARED_MAX: usize = 128;

mod migrations {
    refinery::embed_migrations!("../migrations/sqlite");
}

/// The statement called `name`.
const fn sql(name: &str) -> &'static str {
    named(include_str!("statements.sql"), name)
}

pub struct Sqlite {
    writer: Writer,
    health: Health,
    recent: Arc<Recent>,
    /// For the worker: what is about to be sent.
    engine: Readers,
    /// For the worker: long lanes, which what is about to be sent must not wait for.
    feed: Readers,
    /// For people.
    look: Readers,
    /// For charts, which take their time.
    charts: Readers,
    clock: Clock,
    /// The event of which some is forgotten already. After a restart it is the oldest, and found again.
    half_forgotten: Mutex<Option<retain::Named>>,
    /// Held for as long as this lives: a second process on the same folder is refused.
    _lock: File,
}

/// Why the store could not be opened; each is a sentence for the person who starts it.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("the data folder {0} is in use by another Postrider process")]
    InUse(String),
    #[error("the data folder {0} cannot be used: {1}")]
    Folder(String, std::io::Error),
    #[error("the database in {0} cannot be opened: {1}")]
    Database(String, String),
}

impl Sqlite {
    /// Opens the store in the folder `data_dir`, makes it if there is none, and brings its tables
    /// up to date.
    ///
    /// # Errors
    /// `InUse` while another process has it open; `Folder` and `Database` name what is wrong.
    pub async fn open(data_dir: &Path, clock: Clock) -> Result<Self, OpenError> {
        let shown = data_dir.display().to_string();
        let folder = |e| OpenError::Folder(shown.clone(), e);
        std::fs::create_dir_all(data_dir).map_err(folder)?;
        let lock = private(&data_dir.join("lock")).map_err(folder)?;
        lock.try_lock().map_err(|e| match e {
            TryLockError::WouldBlock => OpenError::InUse(shown.clone()),
            TryLockError::Error(e) => OpenError::Folder(shown.clone(), e),
        })?;
        let path = data_dir.join("postrider.db");
        private(&path).map_err(folder)?;
        let recent = Arc::new(Recent::default());
        let shared = recent.clone();
        let opened = tokio::task::spawn_blocking(move || open(&path, shared)).await;
        let (writer, health, [engine, feed, look, charts]) = opened
            .map_err(|e| e.to_string())
            .and_then(|opened| opened)
            .map_err(|e| OpenError::Database(shown.clone(), e))?;
        let half_forgotten = Mutex::default();
        Ok(Self {
            writer,
            health,
            recent,
            engine,
            feed,
            look,
            charts,
            clock,
            half_forgotten,
            _lock: lock,
        })
    }

    /// Looks at the database in `data_dir` without changing anything, whether or not a process has
    /// it open; checking takes `patience` at most. None if there is none yet.
    ///
    /// # Errors
    /// `Database` if it cannot be read.
    pub fn inspect(data_dir: &Path, patience: Duration) -> Result<Option<Inspection>, OpenError> {
        inspect::inspect(data_dir, patience)
            .map_err(|e| OpenError::Database(data_dir.display().to_string(), e))
    }
}

/// Makes a file for its owner alone; SQLite gives its log the mode of its database.
fn private(path: &Path) -> std::io::Result<File> {
    File::options().create(true).append(true).mode(0o600).open(path)
}

type Opened = (Writer, Health, [Readers; 4]);

fn open(path: &Path, recent: Arc<Recent>) -> Result<Opened, String> {
    let text = |e: rusqlite::Error| e.to_string();
    let mut db = connect(path).map_err(text)?;
    migrations::migrations::runner().run(&mut db).map_err(|e| e.to_string())?;
    db.pragma_update(None, "cache_size", -WRITER_CACHE_KIB).map_err(text)?;
    let log = log(&db, path).map_err(|e| e.to_string())?;
    let error = |e: StoreError| e.to_string();
    let (writer, health) = Writer::start(db, log, recent).map_err(error)?;
    checkpoints::start(path, &writer).map_err(error)?;
    let engine = Readers::start(path, "sqlite-engine", 1).map_err(error)?;
    let feed = Readers::start(path, "sqlite-feed", 1).map_err(error)?;
    let look = Readers::start(path, "sqlite-look", LOOK_THREADS).map_err(error)?;
    let charts = Readers::start(path, "sqlite-charts", 1).map_err(error)?;
    Ok((writer, health, [engine, feed, look, charts]))
}

/// The write-ahead log, to be synced. Its entry in the folder is made durable here, once.
fn log(db: &Connection, path: &Path) -> Result<File, Box<dyn std::error::Error>> {
    db.execute_batch("BEGIN IMMEDIATE; PRAGMA user_version = 1; COMMIT")?;
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    let log = File::options().append(true).open(name)?;
    log.sync_all()?;
    if let Some(folder) = path.parent() {
        File::open(folder)?.sync_all()?;
    }
    Ok(log)
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let db = Connection::open(path)?;
    db.busy_timeout(BUSY_TIMEOUT)?;
    db.pragma_update(None, "journal_mode", "WAL")?;
    // The log is copied by a thread of its own, never by who happens to commit.
    db.pragma_update(None, "wal_autocheckpoint", 0)?;
    // The log is synced by a thread of ours; with NORMAL SQLite does so only around checkpoints.
    db.pragma_update(None, "synchronous", "NORMAL")?;
    // Without it a statement may be planned anew each time it is bound to other values.
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    db.pragma_update(None, "temp_store", "MEMORY")?;
    db.set_prepared_statement_cache_capacity(PREPARED_MAX);
    Ok(db)
}

/// What a failure means to who called.
fn failure(error: &rusqlite::Error) -> StoreError {
    use rusqlite::ErrorCode::{ConstraintViolation, DatabaseCorrupt, DiskFull, NotADatabase};
    let text = error.to_string();
    match error.sqlite_error_code() {
        Some(DiskFull) => StoreError::Full(text),
        // What breaks a constraint will break it again: there is no use in waiting.
        Some(ConstraintViolation | DatabaseCorrupt | NotADatabase) => StoreError::Damaged(text),
        Some(_) => StoreError::Unavailable(text),
        None => StoreError::Damaged(text),
    }
}

#[async_trait]
impl Store for Sqlite {
    async fn accept(&self, events: Vec<NewEvent>) -> Result<Vec<Accepted>, StoreError> {
        let recent = self.recent.clone();
        self.writer.write(true, move |db| accept::accept(db, &recent, &events)).await
    }

    // What is in memory is there as a whole, and what is read from the database is rare.
    async fn inbox(&self, events: &[EventUid], _: bool) -> Result<Vec<InboxRow>, StoreError> {
        let (mut rows, mut others) = (Vec::with_capacity(events.len()), Vec::new());
        for event in events {
            match self.recent.inbox(*event) {
                Some(row) => rows.push(row),
                None => others.push(*event),
            }
        }
        if !others.is_empty() {
            rows.extend(self.engine.read(move |db| fan_out::inbox(db, &others)).await?);
        }
        Ok(rows)
    }

    async fn fan_out(&self, chunks: Vec<Chunk>) -> Result<usize, StoreError> {
        let recent = self.recent.clone();
        self.writer.write(false, move |db| fan_out::fan_out(db, &recent, &chunks)).await
    }

    async fn fanned_out(&self, events: Vec<EventUid>) -> Result<(), StoreError> {
        let recent = self.recent.clone();
        self.writer.write(false, move |db| fan_out::fanned_out(db, &recent, &events)).await
    }

    async fn load(&self, deliveries: Vec<DeliveryId>) -> Result<Vec<Option<Loaded>>, StoreError> {
        let mut loaded: Vec<_> = deliveries.iter().map(|id| self.recent.load(*id)).collect();
        let others: Vec<_> = deliveries
            .iter()
            .zip(&loaded)
            .filter(|(_, l)| l.is_none())
            .map(|(id, _)| *id)
            .collect();
        if !others.is_empty() {
            let mut read =
                self.engine.read(move |db| deliver::load(db, &others)).await?.into_iter();
            loaded.iter_mut().filter(|l| l.is_none()).for_each(|l| *l = read.next().flatten());
        }
        Ok(loaded)
    }

    async fn record(&self, outcomes: Arc<[Outcome]>) -> Result<Vec<Recorded>, StoreError> {
        let recent = self.recent.clone();
        self.writer.write(false, move |db| deliver::record(db, &recent, &outcomes)).await
    }

    async fn lanes(&self, after: Option<&Lane>, limit: u32) -> Result<Vec<Lane>, StoreError> {
        let after = after.cloned();
        self.feed.read(move |db| feed::lanes(db, after.as_ref(), limit)).await
    }

    async fn unfinished(&self, lane: &Lane, limit: u32) -> Result<Vec<Waiting>, StoreError> {
        let lane = lane.clone();
        self.feed.read(move |db| feed::unfinished(db, &lane, limit)).await
    }

    async fn stranded(&self, limit: u32) -> Result<Vec<Stranded>, StoreError> {
        let (stranded, over) = self.look.read(move |db| feed::stranded(db, limit)).await?;
        if over {
            self.writer.write(false, feed::stranded_over).await?;
        }
        Ok(stranded)
    }

    async fn outlived(
        &self,
        webhook: WebhookId,
        opened_before: Timestamp,
        limit: u32,
    ) -> Result<Vec<Stranded>, StoreError> {
        self.feed.read(move |db| feed::outlived(db, webhook, opened_before, limit)).await
    }

    async fn registry(&self, tenant: &Tenant, since: u64) -> Result<Registry, StoreError> {
        let tenant = tenant.clone();
        self.engine.read(move |db| webhooks::registry(db, &tenant, since)).await
    }

    async fn webhooks(&self, ids: &[WebhookId]) -> Result<Vec<Webhook>, StoreError> {
        let ids = ids.to_vec();
        self.engine.read(move |db| webhooks::webhooks(db, &ids)).await
    }

    async fn webhook_at(&self, tenant: &Tenant, url: &str) -> Result<Option<Webhook>, StoreError> {
        let (tenant, url) = (tenant.clone(), url.to_owned());
        self.look.read(move |db| webhooks::webhook_at(db, &tenant, &url)).await
    }

    async fn list_webhooks(
        &self,
        filter: WebhookFilter,
        after: Option<WebhookId>,
        limit: u32,
    ) -> Result<Vec<Webhook>, StoreError> {
        self.look.read(move |db| webhooks::list(db, &filter, after, limit)).await
    }

    async fn insert_webhook(&self, webhook: Webhook) -> Result<Saved, StoreError> {
        let recent = self.recent.clone();
        self.writer.write(true, move |db| webhooks::insert(db, &recent, &webhook)).await
    }

    async fn update_webhook(&self, webhook: Webhook) -> Result<Saved, StoreError> {
        let recent = self.recent.clone();
        self.writer.write(true, move |db| webhooks::update(db, &recent, &webhook)).await
    }

    async fn delete_webhook(&self, id: WebhookId) -> Result<bool, StoreError> {
        let (recent, now) = (self.recent.clone(), self.clock.now());
        self.writer.write(true, move |db| webhooks::delete(db, &recent, id, now)).await
    }

    async fn event(&self, tenant: &Tenant, id: &str) -> Result<Option<Event>, StoreError> {
        let (tenant, id) = (tenant.clone(), id.to_owned());
        self.look.read(move |db| look::event(db, &tenant, &id)).await
    }

    async fn list_events(
        &self,
        filter: EventFilter,
        after: Option<EventUid>,
        most: Most,
    ) -> Result<Listed<Event>, StoreError> {
        self.look.read(move |db| look::list_events(db, &filter, after, most)).await
    }

    async fn list_deliveries(
        &self,
        filter: DeliveryFilter,
        after: Option<DeliveryId>,
        most: Most,
    ) -> Result<Listed<Delivery>, StoreError> {
        self.look.read(move |db| look::list_deliveries(db, &filter, after, most)).await
    }

    async fn deliveries(&self, ids: &[DeliveryId]) -> Result<Vec<Delivery>, StoreError> {
        let ids = ids.to_vec();
        self.look.read(move |db| look::deliveries(db, &ids)).await
    }

    async fn delivery(&self, id: DeliveryId) -> Result<Option<Delivery>, StoreError> {
        self.look.read(move |db| look::delivery(db, id)).await
    }

    async fn history(
        &self,
        id: DeliveryId,
        limit: u32,
    ) -> Result<Option<(Delivery, Vec<Attempt>)>, StoreError> {
        self.look.read(move |db| look::history(db, id, limit)).await
    }

    async fn tail(&self) -> Result<Tail, StoreError> {
        let now = self.clock.now();
        self.look.read(move |db| follow::tail(db, now)).await
    }

    async fn follow(&self, tail: Tail, limit: u32) -> Result<(Vec<Noted>, Tail), StoreError> {
        let now = self.clock.now();
        self.look.read(move |db| follow::follow(db, &tail, now, limit)).await
    }

    async fn since(
        &self,
        position: Position,
        tenant: Option<&Tenant>,
        limit: u32,
    ) -> Result<Vec<Noted>, StoreError> {
        let tenant = tenant.cloned();
        self.look.read(move |db| follow::since(db, position, tenant.as_ref(), limit)).await
    }

    async fn events(&self, uids: &[EventUid]) -> Result<Vec<Event>, StoreError> {
        let uids = uids.to_vec();
        self.look.read(move |db| follow::events(db, &uids)).await
    }

    async fn retry(&self, id: DeliveryId, now: Timestamp) -> Result<Option<Delivery>, StoreError> {
        let recent = self.recent.clone();
        self.writer.write(true, move |db| by_hand::retry(db, &recent, id, now)).await
    }

    async fn cancel(&self, id: DeliveryId, now: Timestamp) -> Result<Option<Delivery>, StoreError> {
        let recent = self.recent.clone();
        self.writer.write(true, move |db| by_hand::cancel(db, &recent, id, now)).await
    }

    async fn put_key(&self, key: Key) -> Result<(), StoreError> {
        self.writer.write(true, move |db| keys::put(db, &key)).await
    }

    async fn key(&self, hash: &KeyHash) -> Result<Option<Key>, StoreError> {
        let hash = *hash;
        // Every request waits for it: never behind what people look at.
        self.engine.read(move |db| keys::find(db, &hash)).await
    }

    async fn keys(&self) -> Result<Vec<Key>, StoreError> {
        self.look.read(keys::all).await
    }

    async fn delete_key(&self, id: KeyId) -> Result<bool, StoreError> {
        self.writer.write(true, move |db| keys::delete(db, id)).await
    }

    async fn retain(&self, since: Timestamp, limit: u32) -> Result<bool, StoreError> {
        let recent = self.recent.clone();
        let begun = *self.half_forgotten.lock().unwrap_or_else(PoisonError::into_inner);
        let retain = move |db: &Connection| retain::retain(db, &recent, since, limit, begun);
        let retain::Part { more, begun } = self.writer.write(false, retain).await?;
        *self.half_forgotten.lock().unwrap_or_else(PoisonError::into_inner) = begun;
        Ok(more)
    }

    async fn announce(&self, worker: WorkerState) -> Result<(), StoreError> {
        let now = self.clock.now();
        self.writer.write(false, move |db| fleet::announce(db, &worker, now)).await
    }

    async fn retire(&self, worker: WorkerId) -> Result<(), StoreError> {
        self.writer.write(false, move |db| fleet::retire(db, worker)).await
    }

    async fn workers(&self) -> Result<Vec<(WorkerState, Timestamp)>, StoreError> {
        self.look.read(fleet::workers).await
    }

    async fn lead(&self, duty: &str, worker: WorkerId, time: Duration) -> Result<bool, StoreError> {
        let (duty, now) = (duty.to_owned(), self.clock.now());
        self.writer.write(false, move |db| fleet::lead(db, &duty, worker, now, time)).await
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.health.check()?;
        self.engine.read(|db| db.query_row("SELECT 1", [], |_| Ok(()))).await
    }

    async fn close(&self) -> Result<(), StoreError> {
        self.engine.close();
        self.feed.close();
        self.look.close();
        self.charts.close();
        let closed = self.writer.close().await;
        self.recent.clear();
        closed
    }
}

#[async_trait]
impl Stats for Sqlite {
    async fn add_stats(&self, more: Additions) -> Result<(), StoreError> {
        self.writer.write(false, move |db| stats::add(db, &more)).await
    }

    async fn stats(&self, of: StatsFilter) -> Result<Vec<Counted>, StoreError> {
        self.charts.read(move |db| stats::stats(db, &of)).await
    }

    async fn causes(
        &self,
        tenant: Option<&Tenant>,
        since: Timestamp,
        limit: u32,
    ) -> Result<Vec<CauseCount>, StoreError> {
        let tenant = tenant.cloned();
        self.charts.read(move |db| stats::causes(db, tenant.as_ref(), since, limit)).await
    }

    async fn failing(
        &self,
        tenant: Option<&Tenant>,
        limit: u32,
    ) -> Result<Vec<Streak>, StoreError> {
        let tenant = tenant.cloned();
        self.charts.read(move |db| stats::failing(db, tenant.as_ref(), limit)).await
    }

    async fn streaks(&self, ids: &[WebhookId]) -> Result<Vec<Streak>, StoreError> {
        let ids = ids.to_vec();
        self.charts.read(move |db| stats::streaks(db, &ids)).await
    }

    async fn forget_stats(
        &self,
        minutes_before: Timestamp,
        before: Timestamp,
        limit: u32,
    ) -> Result<bool, StoreError> {
        let forget = move |db: &Connection| stats::forget(db, minutes_before, before, limit);
        self.writer.write(false, forget).await
    }

    async fn stats_by_type(&self, of: StatsFilter) -> Result<CountsByType, StoreError> {
        self.charts.read(move |db| stats::by_type(db, &of)).await
    }

    async fn stats_of(
        &self,
        webhooks: &[(Tenant, WebhookId)],
        since: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<Vec<Counted>>, StoreError> {
        let mut all = Vec::with_capacity(webhooks.len());
        // Others' looks come between.
        for some in webhooks.chunks(WEBHOOKS_AT_ONCE) {
            let some = some.to_vec();
            all.extend(self.charts.read(move |db| stats::stats_of(db, &some, since, until)).await?);
        }
        Ok(all)
    }

    async fn newest(&self, ids: &[WebhookId]) -> Result<Vec<Option<Delivery>>, StoreError> {
        let ids = ids.to_vec();
        self.charts.read(move |db| look::newest(db, &ids)).await
    }

    async fn webhook_totals(&self, tenant: Option<&Tenant>) -> Result<WebhookTotals, StoreError> {
        let tenant = tenant.cloned();
        self.charts.read(move |db| stats::webhook_totals(db, tenant.as_ref())).await
    }

    async fn size_bytes(&self) -> Result<Option<u64>, StoreError> {
        self.charts.read(|db| stats::size_bytes(db).map(Some)).await
    }

    async fn backlogs(&self, ids: &[WebhookId], most: u32) -> Result<Vec<Backlog>, StoreError> {
        let ids = ids.to_vec();
        self.charts.read(move |db| stats::backlogs(db, &ids, most)).await
    }

    async fn statuses(
        &self,
        events: &[EventUid],
        most: u32,
    ) -> Result<Vec<StatusCounts>, StoreError> {
        let events = events.to_vec();
        self.charts.read(move |db| stats::statuses(db, &events, most)).await
    }

    async fn is_to_fan_out(&self, event: EventUid) -> Result<bool, StoreError> {
        self.charts.read(move |db| stats::is_to_fan_out(db, event)).await
    }

    async fn unfinished_totals(
        &self,
        tenant: Option<&Tenant>,
        most: u32,
    ) -> Result<UnfinishedTotals, StoreError> {
        let tenant = tenant.cloned();
        self.charts.read(move |db| stats::unfinished_totals(db, tenant.as_ref(), most)).await
    }
}
