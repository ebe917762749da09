//! The door out: takes what is due from the queue, makes deliveries of events, sends them, and
//! records what came of it.
//!
//! ```text
//! claim ──► fan_out   an event: which webhooks want it
//!       ──► deliver   a delivery: load ► send ► decide
//!       │               └► record ► settle
//!       └─► feed      a hungry lane: its next items from the store
//! sweep               what no sending will end, what nobody pushed
//! retention           what is too old to be kept
//! count               what statistics are made of
//! fleet               what it says of itself, what one worker does for all
//! ```
//! Before anything is sent it is loaded from the store; before anything is settled it is recorded
//! there. So whatever the queue says twice or forgets costs a look, never an event.

mod claim;
mod fan_out;

mod ahead;
mod deliver;
mod mask;
mod send;
pub mod probe;

mod guard;
mod names;
mod phases;
mod shortage;
mod tls;
mod wire;

mod count;
mod record;
mod report;

mod feed;
mod retention;
mod sweep;

mod fleet;

mod engine;
mod metrics;
mod registry;
mod slots;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use model::egress::Policy;
use model::id::WorkerId;
use model::secret::MasterKeys;
use model::time::Timestamp;
use store::{Queue, Store, Tally};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use engine::Engine;
pub use engine::StartError;
pub use metrics::Metrics;
pub use send::compose;

/// Takes, sends and records until it is stopped.
pub struct Worker {
    engine: Arc<Engine>,
    fan_out: fan_out::Inbox,
    load: deliver::Inbox,
    record: record::Inbox,
    feed: feed::Inbox,
}

/// What a worker works with.
pub struct Parts {
    /// Another one at each start.
    pub id: WorkerId,
    pub started_at: Timestamp,
    pub store: Arc<dyn Store>,
    pub queue: Arc<dyn Queue>,
    pub master_keys: Arc<MasterKeys>,
    pub egress: Arc<Policy>,
    pub metrics: Metrics,
    pub tally: Arc<Tally>,
}

#[derive(Debug, Clone)]
pub struct Settings {
    /// Items held from claim to record: the bound on duplicates of a crash.
    pub slots: usize,
    /// TCP and TLS together; a name has as long for itself.
    pub connect_timeout: Duration,
    /// How long an unused connection is kept, and at most once more as long: they are looked at so often.
    pub idle_timeout: Duration,
    /// Connections to subscribers, used and unused.
    pub connections: usize,
    /// Who is asked for the addresses of names; if nobody is named, the system's servers.
    pub dns_servers: Vec<SocketAddr>,
    /// Items a lane of the queue holds: how many a hungry one is fed.
    pub lane_cap: usize,
    /// How long what is finished is kept, from its acceptance.
    pub retention: Duration,
    /// The least time between two rounds of a stage: on servers of their own a large batch costs
    /// little more than a small one. Zero where it does not.
    pub pace: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            slots: 1_024,
            connect_timeout: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(30),
            connections: usize::MAX,
            dns_servers: Vec::new(),
            lane_cap: store::LANE_CAP_DEFAULT,
            retention: Duration::from_secs(90 * 24 * 3_600),
            pace: Duration::ZERO,
        }
    }
}

/// The two steps of stopping.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    /// Take nothing new; what is on the wire may finish.
    pub claim: CancellationToken,
    /// Break off what is still on the wire and give it back.
    pub abort: CancellationToken,
}

impl Worker {
    /// # Errors
    /// If no HTTP client can be made, such as when the system's certificates cannot be read.
    pub fn new(parts: Parts, settings: Settings) -> Result<Self, StartError> {
        let (to_fan_out, fan_out) = fan_out::inbox(settings.slots);
        let (to_load, load) = deliver::inbox(settings.slots);
        let (to_record, record) = record::inbox(settings.slots);
        let (to_feed, feed) = feed::inbox();
        let ways = engine::Ways { to_fan_out, to_load, to_record, to_feed };
        let engine = Arc::new(Engine::new(parts, settings, ways)?);
        Ok(Self { engine, fan_out, load, record, feed })
    }

    /// Works until `stop.claim`, then until everything in flight was recorded or, after
    /// `stop.abort`, given back. Returns earlier only if one of its stages broke.
    pub async fn run(self, stop: Stop) {
        let engine = self.engine;
        let over = CancellationToken::new();
        let Stop { claim, abort } = stop.clone();
        let mut stages = JoinSet::new();
        stages.spawn(fan_out::run(engine.clone(), self.fan_out, stop, over.clone()));
        stages.spawn(deliver::run(engine.clone(), self.load, abort.clone(), over.clone()));
        stages.spawn(record::run(engine.clone(), self.record, abort, over.clone()));
        stages.spawn(ahead::run(engine.clone(), over.clone()));
        stages.spawn(feed::run(engine.clone(), self.feed, over.clone()));
        stages.spawn(sweep::run(engine.clone(), over.clone()));
        stages.spawn(retention::run(engine.clone(), over.clone()));
        stages.spawn(fleet::run(engine.clone(), over.clone()));
        stages.spawn(count::watch_queue(engine.clone(), over.clone()));
        let working = async {
            claim::run(&engine, &claim).await;
            engine.slots.all_free().await;
        };
        tokio::select! {
            () = working => {}
            // A worker that has lost a stage looks alive and is not: who runs it ends the process.
            broken = stages.join_next() => {
                tracing::error!(error = ?broken, "a stage of the worker broke");
            }
            () = engine.broken() => tracing::error!("a task of the worker broke"),
        }
        over.cancel();
        while stages.join_next().await.is_some() {}
        engine.all_settled().await;
    }
}
