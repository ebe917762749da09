//! Forgets what is older than it is to be kept, a little at a time. One worker does it for all.

use std::sync::Arc;
use std::time::Duration;

use model::time::Timestamp;
use store::StoreError;
use store::world::Stopwatch;
use tokio_util::sync::CancellationToken;

use crate::engine::{Engine, report_store};
use crate::fleet::Duty;

/// Between two rounds.
const PAUSE: Duration = Duration::from_secs(60);
/// Between two parts of a round, at least. It is twice as long as the part took if that is longer: so
/// forgetting takes a third of the store's time at most.
const PART_PAUSE: Duration = Duration::from_millis(2);
/// How long counts of minutes are kept; those of five minutes are kept as long as events.
const MINUTES_KEPT: Duration = Duration::from_secs(2 * 24 * 3_600);
/// Counts that are forgotten in one part, at most.
const STATS_MAX: u32 = 500;
/// Rows of one part, at most: an event may have ten thousand deliveries.
const PART_MAX: u32 = 5_000;

pub(crate) async fn run(engine: Arc<Engine>, over: CancellationToken) {
    let mut duty = Duty::new("retention");
    loop {
        let watch = Stopwatch::start();
        let pause = match forget(&engine, &mut duty).await {
            Ok(true) => PART_PAUSE.max(2 * watch.elapsed()),
            Ok(false) => PAUSE,
            Err(e) => {
                report_store(&e, "retain");
                PAUSE
            }
        };
        if over.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
            return;
        }
    }
}

/// One part; returns whether there may be more.
async fn forget(engine: &Engine, duty: &mut Duty) -> Result<bool, StoreError> {
    let now = engine.now();
    // Until the queue has said what time it is.
    if now < Timestamp::default() + engine.settings.retention || !duty.is_ours(engine).await? {
        return Ok(false);
    }
    let since = now - engine.settings.retention;
    let counts = engine.store.forget_stats(now - MINUTES_KEPT, since, STATS_MAX).await?;
    let more = engine.store.retain(since, PART_MAX).await? || counts;
    if !more {
        engine.metrics.finished(duty.name, now);
    }
    Ok(more)
}
