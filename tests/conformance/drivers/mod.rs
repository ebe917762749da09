//! How each driver is opened, and how time passes for it.

mod memory;
pub mod postgres;
pub mod redis;
pub mod redis_server;
mod sqlite;

use std::any::Any;
use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use store::world::Clock;
use store::{Queue, Store};

pub use memory::memory;
pub use postgres::postgres;
pub use redis::{redis, redis_cluster, redis_partitions};
pub use sqlite::sqlite;

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
    /// Where time passes by itself.
    pub fn of(queue: Arc<dyn Queue>) -> Self {
        Self { queue, clock: None }
    }

    pub async fn pass(&self, time: Duration) {
        match &self.clock {
            Some(clock) => clock.step(time),
            None => tokio::time::sleep(time).await,
        }
    }

    /// Whether time passes only when it is told to.
    pub fn is_simulated(&self) -> bool {
        self.clock.is_some()
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

/// A fresh store.
pub struct StoreRig {
    store: Option<Arc<dyn Store>>,
    open: Open,
    texts: Texts,
    /// Where it keeps its data; gone with it.
    _place: Box<dyn Any + Send>,
}

type Open = Box<dyn Fn() -> Pin<Box<dyn Future<Output = Arc<dyn Store>> + Send>> + Send>;
type Texts = Box<dyn Fn(&'static str) -> Pin<Box<dyn Future<Output = Vec<String>> + Send>> + Send>;

impl StoreRig {
    /// `open` opens the store in `place`; it is called again by every reopening. `texts` finds there
    /// what a query asks for.
    async fn new<F, O, G, T>(place: impl Any + Send, open: O, texts: T) -> Self
    where
        F: Future<Output = Arc<dyn Store>> + Send + 'static,
        O: Fn() -> F + Send + 'static,
        G: Future<Output = Vec<String>> + Send + 'static,
        T: Fn(&'static str) -> G + Send + 'static,
    {
        let store = Some(open().await);
        Self {
            store,
            open: Box::new(move || Box::pin(open())),
            texts: Box::new(move |sql| Box::pin(texts(sql))),
            _place: Box::new(place),
        }
    }

    /// The texts that a query finds behind its back, of what no store shows.
    pub async fn texts(&self, sql: &'static str) -> Vec<String> {
        (self.texts)(sql).await
    }

    /// Closes the store and opens it again.
    pub async fn reopen(&mut self) {
        // It may be closed already.
        let _ = self.close().await;
        // A store is in use for as long as somebody holds it.
        self.store = None;
        self.store = Some((self.open)().await);
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
