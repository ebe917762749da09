//! The queue in Redis 7 or newer, or Valkey: one server, Sentinel or Cluster. It outlives the
//! processes that use it, and is shared by them.
//!
//! Each verb is one Lua script, atomic by nature, whose work is bounded by its batch (`*.lua`).
//! `memory` is the same queue in Rust; what it does in a mutex the scripts do in a partition. Only
//! lanes that can be served now stand in a ring, those that can be later in the timers, and all
//! others nowhere, so that a claim never looks at one in vain.
//!
//! Whatever happens to Redis, nothing is lost but speed: when its memory is gone, or it may be
//! (another server answers, a push failed), the queue is hungry for everything.

mod keys;
mod url;
mod connect;
mod script;

mod server;
mod inspect;
mod gather;

mod push;
mod claim;
mod settle;
mod set;
mod look;
mod notices;
mod wait;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use model::tenant::Tenant;
use tokio::task::JoinHandle;

use crate::notices::{Mark, Noticed, Notices};
use crate::queue::*;
use crate::world::Clock;
use server::Server;

pub use inspect::Inspection;
pub use server::OpenError;
pub use url::UrlError;

/// Connections of one process. Scripts run one after the other in Redis anyway.
pub const CONNECTIONS_DEFAULT: usize = 4;
pub const PREFIX_DEFAULT: &str = "postrider";

#[derive(Debug, Clone)]
pub struct Settings {
    pub lane_cap: usize,
    pub lease: Duration,
    /// What every key begins with, so that several installations can share a Redis.
    pub prefix: String,
    /// None: as many as there are, or 1 in a new Redis and 16 in a new Cluster.
    pub partitions: Option<u16>,
    pub connections: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            lane_cap: LANE_CAP_DEFAULT,
            lease: LEASE_DEFAULT,
            prefix: PREFIX_DEFAULT.to_owned(),
            partitions: None,
            connections: CONNECTIONS_DEFAULT,
        }
    }
}

pub struct Redis {
    server: Arc<Server>,
    pushing: push::Pushing,
    settling: settle::Settling,
    claiming: claim::Claiming,
    tasks: [JoinHandle<()>; 2],
}

impl Redis {
    /// Opens the queue. Its time is Redis', and as far ahead of it as `clock` was put forward.
    /// Waits for nothing: who cannot reach Redis tries again.
    ///
    /// # Errors
    /// `Unavailable` may be gone later; `Url`, `TooOld` and `Partitions` say what to change.
    pub async fn open(url: &str, settings: Settings, clock: Clock) -> Result<Self, OpenError> {
        let server = Arc::new(Server::open(url, settings, clock).await?);
        // Before the first claim, so that nothing said after it is missed.
        let listener = wait::Listener::connect(&server, 0).await?;
        let tasks = [
            tokio::spawn(server::watch(server.clone())),
            tokio::spawn(wait::listen(server.clone(), listener)),
        ];
        Ok(Self {
            pushing: push::Pushing::new(&server),
            settling: settle::Settling::new(&server),
            claiming: claim::Claiming::default(),
            server,
            tasks,
        })
    }

    /// The hosts that a URL names, with their ports; none if it cannot be read.
    pub fn places(url: &str) -> Vec<(String, u16)> {
        url::parse(url).map(|address| address.places()).unwrap_or_default()
    }

    /// Looks at the server at `url`, and for a queue with `prefix`, without changing anything.
    ///
    /// # Errors
    /// `Unavailable` may be gone later; `Url` says what to change.
    pub async fn inspect(url: &str, prefix: &str) -> Result<Inspection, OpenError> {
        inspect::inspect(url, prefix).await
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

#[async_trait]
impl Queue for Redis {
    async fn push(&self, items: Vec<Push>) -> Result<Pushed, QueueError> {
        self.pushing.push(&self.server, items).await
    }

    async fn claim(&self, max: usize, skip: &[Tenant]) -> Result<Claimed, QueueError> {
        self.claiming.claim(&self.server, max, skip).await
    }

    async fn settle(&self, settlements: Vec<Settlement>) -> Result<(), QueueError> {
        self.settling.settle(&self.server, settlements).await
    }

    async fn set(&self, lanes: &[(Lane, Limits)]) -> Result<(), QueueError> {
        set::set(&self.server, lanes).await
    }

    async fn look(&self, lanes: &[Lane]) -> Result<Look, QueueError> {
        look::look(&self.server, lanes).await
    }

    async fn wait(&self) {
        tokio::select! {
            () = self.server.wake.wait() => {}
            () = self.server.clock.stepped() => {}
        }
    }
}

#[async_trait]
impl Notices for Redis {
    async fn notice(&self, changed: Vec<Item>) -> Result<(), QueueError> {
        notices::notice(&self.server, changed).await
    }

    async fn noticed(&self, mark: Option<Mark>, limit: usize) -> Result<Noticed, QueueError> {
        notices::noticed(&self.server, mark, limit).await
    }
}
