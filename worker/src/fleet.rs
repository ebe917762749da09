//! What a worker says of itself, and what only one of all workers does.

use std::sync::Arc;
use std::time::Duration;

use store::world::Stopwatch;
use store::{StoreError, WorkerState};
use tokio_util::sync::CancellationToken;

use crate::engine::{Engine, report_store};

/// Between two announcements.
const ANNOUNCE_EVERY: Duration = Duration::from_secs(10);
/// How long a duty is a worker's; it is renewed when half of it is over. What only a sweep finds waits
/// for so long if the one that swept was killed.
const DUTY_TIME: Duration = Duration::from_secs(10);

pub(crate) async fn run(engine: Arc<Engine>, over: CancellationToken) {
    loop {
        if let Err(e) = announce(&engine).await {
            report_store(&e, "announce");
        }
        if over.run_until_cancelled(tokio::time::sleep(ANNOUNCE_EVERY)).await.is_none() {
            break;
        }
    }
    // Who ends says so: its duties are free at once.
    if let Err(e) = engine.store.retire(engine.id).await {
        report_store(&e, "retire");
    }
}

async fn announce(engine: &Engine) -> Result<(), StoreError> {
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let worker = WorkerState {
        id: engine.id,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        host: engine.host.clone(),
        pid: std::process::id(),
        slots: count(engine.settings.slots),
        held: count(engine.slots.held()),
        started_at: engine.started_at,
    };
    engine.store.announce(worker).await
}

/// Something that one worker does for all.
pub(crate) struct Duty {
    pub(crate) name: &'static str,
    /// Since when it is ours.
    ours: Option<Stopwatch>,
}

impl Duty {
    pub(crate) fn new(name: &'static str) -> Self {
        Self { name, ours: None }
    }

    /// Whether it is ours now.
    pub(crate) async fn is_ours(&mut self, engine: &Engine) -> Result<bool, StoreError> {
        if self.ours.is_some_and(|since| since.elapsed() < DUTY_TIME / 2) {
            return Ok(true);
        }
        let asked = Stopwatch::start();
        let ours = engine.store.lead(self.name, engine.id, DUTY_TIME).await?;
        self.ours = ours.then_some(asked);
        Ok(ours)
    }
}
