//! What API and engine stand on: a store and a queue, the embedded pair or PostgreSQL and Redis.

use std::sync::Arc;
use std::time::Duration;

use prometheus_client::registry::Registry;
use store::memory::Memory;
use store::postgres::{self, Postgres};
use store::redis::{self, Redis};
use store::sqlite::{self, Sqlite};
use store::world::Clock;
use store::{Queue, Store};

use super::Role;
use super::late_queue::LateQueue;
use super::private;
use super::resources::Resources;
use super::timed::{TimedQueue, TimedStore};
use super::usage::Usage;
use crate::failure::Failure;
use crate::settings::{Secret, Settings};

/// Between two tries to reach a service.
const RETRY_PAUSE: Duration = Duration::from_secs(1);
/// Tries between two lines in the log that say so.
const SAID_EVERY: u32 = 10;

/// Between two rounds over PostgreSQL and Redis.
const PACE: Duration = Duration::from_millis(4);

pub struct Stand {
    pub store: Arc<dyn Store>,
    pub queue: Arc<dyn Queue>,
    /// The least time between two rounds of a worker's stage.
    pub pace: Duration,
    pub watch: Watch,
}

/// What is to be known of how it stands.
pub struct Watch {
    store: Arc<TimedStore>,
    queue: Arc<TimedQueue>,
    resources: Resources,
    usage: Usage,
}

impl Watch {
    pub fn register(&self, registry: &mut Registry) {
        self.store.register(registry);
        self.queue.register(registry);
        registry.register_collector(Box::new(self.resources.clone()));
        registry.register_collector(Box::new(self.usage));
    }
}

impl Stand {
    pub async fn open(settings: &Settings, role: Role, clock: &Clock) -> Result<Self, Failure> {
        let usage = Usage { started_at: clock.now() };
        match (&settings.services.database_url, &settings.services.redis_url) {
            (Some(database), Some(redis)) => {
                let queue = distributed_queue(redis, settings, clock).await?;
                let store = distributed_store(database, settings, role, clock).await?;
                let resources = Resources::Database(Arc::clone(&store));
                Ok(Self::on(("postgresql", store), ("redis", queue), PACE, resources, usage))
            }
            _ => embedded(settings, clock, usage).await,
        }
    }

    /// Each with the name of what it is.
    fn on(
        (store_name, store): (&'static str, Arc<dyn Store>),
        (queue_name, queue): (&'static str, Arc<dyn Queue>),
        pace: Duration,
        resources: Resources,
        usage: Usage,
    ) -> Self {
        let store = Arc::new(TimedStore::new(store_name, store));
        let queue = Arc::new(TimedQueue::new(queue_name, queue));
        let watch =
            Watch { store: Arc::clone(&store), queue: Arc::clone(&queue), resources, usage };
        Self { store, queue, pace, watch }
    }
}

/// Opens the data directory; from then on no other process has it.
async fn embedded(settings: &Settings, clock: &Clock, usage: Usage) -> Result<Stand, Failure> {
    let data_dir = &settings.server.data_dir;
    private::make_dir(data_dir)?;
    let store = Sqlite::open(data_dir, clock.clone()).await.map_err(not_opened)?;
    let lanes = store::memory::Settings {
        lane_cap: settings.engine.lane_cap,
        lease: settings.engine.lease(),
    };
    let queue = Memory::new(clock.clone(), lanes);
    let (store, queue) = (("sqlite", Arc::new(store) as _), ("memory", Arc::new(queue) as _));
    Ok(Stand::on(store, queue, Duration::ZERO, Resources::Folder(data_dir.clone()), usage))
}

/// Waits for PostgreSQL: a process that ended instead would only be started again.
async fn distributed_store(
    url: &Secret,
    settings: &Settings,
    role: Role,
    clock: &Clock,
) -> Result<Arc<Postgres>, Failure> {
    let options = postgres::Settings {
        connections: settings.services.database_connections,
        // The processes of a fleet start at once, and an upgrade is for the operator to begin.
        migrate: role == Role::Serve,
        ..Default::default()
    };
    let mut tries = 0;
    loop {
        match Postgres::open(url.expose(), options.clone(), clock.clone()).await {
            Ok(store) => return Ok(Arc::new(store)),
            Err(e @ postgres::OpenError::Url(_)) => {
                return Err(Failure::usage(format!("POSTRIDER_DATABASE_URL: {e}.")));
            }
            Err(e) => wait(&mut tries, "PostgreSQL", &e).await,
        }
    }
}

/// Does not wait for Redis: without it events are accepted all the same.
async fn distributed_queue(
    url: &Secret,
    settings: &Settings,
    clock: &Clock,
) -> Result<Arc<dyn Queue>, Failure> {
    let options = redis::Settings {
        lane_cap: settings.engine.lane_cap,
        lease: settings.engine.lease(),
        prefix: settings.services.redis_prefix.clone(),
        ..Default::default()
    };
    match Redis::open(url.expose(), options.clone(), clock.clone()).await {
        Ok(queue) => return Ok(Arc::new(queue)),
        Err(e @ redis::OpenError::Url(_)) => {
            return Err(Failure::usage(format!("POSTRIDER_REDIS_URL: {e}.")));
        }
        Err(e @ (redis::OpenError::TooOld(_) | redis::OpenError::Partitions { .. })) => {
            return Err(Failure::failed(format!("{e}.")));
        }
        Err(e) => wait(&mut 0, "Redis", &e).await,
    }
    let (url, clock) = (url.clone(), clock.clone());
    Ok(Arc::new(LateQueue::open(async move {
        let mut tries = 1;
        loop {
            match Redis::open(url.expose(), options.clone(), clock.clone()).await {
                Ok(queue) => return Arc::new(queue) as Arc<dyn Queue>,
                Err(e) => wait(&mut tries, "Redis", &e).await,
            }
        }
    })))
}

/// Says so now and then, and waits a moment.
async fn wait(tries: &mut u32, what: &'static str, error: &(dyn std::error::Error + Send + Sync)) {
    if tries.is_multiple_of(SAID_EVERY) {
        tracing::warn!(service.name = what, error = %error, "waiting for a service");
    }
    *tries = tries.wrapping_add(1);
    tokio::time::sleep(RETRY_PAUSE).await;
}

fn not_opened(error: sqlite::OpenError) -> Failure {
    match error {
        sqlite::OpenError::InUse(_) => {
            Failure::failed(format!("{error}: stop it, or choose another with --data-dir."))
        }
        sqlite::OpenError::Folder(..) | sqlite::OpenError::Database(..) => {
            Failure::failed(format!("{error}; --data-dir chooses another folder."))
        }
    }
}
