//! How each driver is opened, and how time passes for it.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use model::time::Timestamp;
use store::memory::{Memory, Settings};
use store::sqlite::Sqlite;
use store::world::Clock;
use store::{Queue, Store};
use tempfile::TempDir;

/// How long a lease lasts in every case: long enough to do something meanwhile, short enough to
/// be waited for by a driver whose time passes by itself.
pub const LEASE: Duration = Duration::from_millis(400);
/// Items a lane holds in every case: more than it has places by default.
pub const LANE_CAP: usize = 20;

/// A fresh queue.
pub struct QueueRig {
    queue: Arc<dyn Queue>,
    /// None where time passes by itself.
    clock: Option<Clock>,
}

impl QueueRig {
    pub async fn pass(&self, time: Duration) {
        match &self.clock {
            Some(clock) => clock.step(time),
            None => tokio::time::sleep(time).await,
        }
    }

    /// The queue itself, to be used from another task.
    pub fn shared(&self) -> Arc<dyn Queue> {
        self.queue.clone()
    }
}

impl Deref for QueueRig {
    type Target = dyn Queue;

    fn deref(&self) -> &Self::Target {
        &*self.queue
    }
}

pub async fn memory() -> QueueRig {
    let clock = Clock::fixed(Timestamp::from_secs(1_800_000_000));
    let settings = Settings { lane_cap: LANE_CAP, lease: LEASE };
    QueueRig { queue: Arc::new(Memory::new(clock.clone(), settings)), clock: Some(clock) }
}

/// A fresh store.
pub struct StoreRig {
    store: Option<Arc<dyn Store>>,
    folder: TempDir,
}

impl StoreRig {
    /// Closes the store and opens it again.
    pub async fn reopen(&mut self) {
        // It may be closed already.
        let _ = self.close().await;
        // A store is in use for as long as somebody holds it.
        self.store = None;
        self.store = Some(open_sqlite(&self.folder).await);
    }

    /// The store itself, to be used from another task.
    pub fn shared(&self) -> Arc<dyn Store> {
        self.store.clone().expect("it is open")
    }
}

impl Deref for StoreRig {
    type Target = dyn Store;

    fn deref(&self) -> &Self::Target {
        &**self.store.as_ref().expect("it is open")
    }
}

pub async fn sqlite() -> StoreRig {
    let folder = tempfile::tempdir().expect("a folder");
    StoreRig { store: Some(open_sqlite(&folder).await), folder }
}

async fn open_sqlite(folder: &TempDir) -> Arc<dyn Store> {
    let opened = Sqlite::open(folder.path(), Clock::system()).await;
    Arc::new(opened.expect("a store opens"))
}
