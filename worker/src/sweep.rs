//! Ends what no sending will end, and pushes what nobody pushed.

use std::sync::Arc;
use std::time::Duration;

use model::delivery::Next;
use store::{Outcome, StoreError};
use tokio_util::sync::CancellationToken;

use crate::engine::{Engine, report_store};
use crate::feed;

/// Between two sweeps, and a little more by chance so that many processes spread.
const PAUSE: Duration = Duration::from_secs(1);
/// Deliveries ended by one record.
const BATCH_MAX: u32 = 500;
/// Sweeps between two looks at the inbox.
const INBOX_EVERY: u32 = 5;

pub(crate) async fn run(engine: Arc<Engine>, stop: CancellationToken) {
    let mut sweeps = 0u32;
    loop {
        let pause = PAUSE.mul_f64(1.0 + 0.2 * store::world::roll());
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = stop.cancelled() => return,
        }
        sweeps = sweeps.wrapping_add(1);
        match run_once(&engine, sweeps.is_multiple_of(INBOX_EVERY), &stop).await {
            Ok(0) => {}
            Ok(ended) => tracing::info!(deliveries.ended = ended, "stranded deliveries ended"),
            Err(e) => report_store(&e, "stranded"),
        }
    }
}

/// Ends stranded deliveries until there are none; returns how many.
async fn run_once(
    engine: &Engine,
    with_inbox: bool,
    stop: &CancellationToken,
) -> Result<usize, StoreError> {
    if with_inbox {
        feed::repush_inbox(engine).await?;
    }
    let mut ended = 0;
    while !stop.is_cancelled() {
        let at = engine.now();
        let stranded = engine.store.stranded(at, BATCH_MAX).await?;
        if stranded.is_empty() {
            break;
        }
        let outcomes: Vec<_> = stranded
            .into_iter()
            .map(|stranded| Outcome {
                delivery: stranded.delivery,
                attempts_before: stranded.attempts,
                attempt: None,
                next: Next::End(stranded.ended_by),
                at,
                disable_webhook: None,
            })
            .collect();
        let recorded = engine.store.record(outcomes.clone()).await?;
        engine.metrics.recorded(&outcomes, &recorded);
        ended += recorded.iter().filter(|r| r.applied).count();
    }
    Ok(ended)
}
