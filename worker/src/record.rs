//! Records what came of deliveries, in batches, then settles them: record, then settle.

use std::sync::Arc;
use std::time::Duration;

use model::event::Event;
use store::{How, Outcome, Pace, Recorded, StoreError};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::count::{self, Counted};
use crate::engine::{Engine, FAILURE_PAUSE, Held, gather, report_store};
use crate::report;

/// Outcomes of one record.
const BATCH_MAX: usize = 256;
/// How long one waits that the store refuses to record.
const UNRECORDED_PAUSE: Duration = Duration::from_secs(60);

/// A delivery with what is to be recorded of it.
pub(crate) struct Entry {
    pub(crate) held: Held,
    pub(crate) outcome: Outcome,
    /// What was sent, if anything was.
    pub(crate) event: Option<Arc<Event>>,
}

pub(crate) type Inbox = mpsc::Receiver<Entry>;

pub(crate) fn inbox(slots: usize) -> (mpsc::Sender<Entry>, Inbox) {
    mpsc::channel(slots)
}

pub(crate) async fn run(
    engine: Arc<Engine>,
    mut inbox: Inbox,
    abort: CancellationToken,
    over: CancellationToken,
) {
    let mut pace = Pace::new(engine.settings.pace);
    while let Some(batch) = gather(&mut inbox, BATCH_MAX, &mut pace, &over).await {
        let (mut held, mut outcomes) = (Vec::new(), Vec::new());
        for entry in batch {
            held.push((entry.held, entry.event));
            outcomes.push(entry.outcome);
        }
        let outcomes = outcomes.into();
        let recorded = record(&engine, &outcomes, &abort).await;
        let now = engine.now();
        let mut settled = Vec::with_capacity(held.len());
        let mut counted = Vec::with_capacity(held.len());
        let mut changed = Vec::with_capacity(held.len());
        for (((held, event), outcome), recorded) in
            held.into_iter().zip(outcomes.iter()).zip(recorded)
        {
            if let (Some(event), Some(attempt)) = (&event, &outcome.attempt) {
                report::attempted(&held, event, outcome, attempt, recorded);
            }
            if let Some(recorded) = recorded {
                let tenant = held.leased.item.lane.tenant.clone();
                changed.push(held.leased.item.clone());
                counted.push(Counted { tenant, event, outcome, recorded });
            }
            let how = match recorded {
                Some(Recorded { due: Some(due), .. }) => How::Again { after: due.since(now) },
                Some(Recorded { due: None, .. }) => How::Done,
                None => How::Again { after: UNRECORDED_PAUSE },
            };
            settled.push((held, how));
        }
        engine.settle(settled);
        count::recorded(&engine.tally, &counted);
        engine.notice(changed);
    }
}

/// Waits for a store that does not answer: what was sent must be recorded, or it is sent again.
/// Only an abort ends the waiting.
async fn record(
    engine: &Engine,
    outcomes: &Arc<[Outcome]>,
    abort: &CancellationToken,
) -> Vec<Option<Recorded>> {
    loop {
        match engine.store.record(outcomes.clone()).await {
            Ok(recorded) => {
                engine.set_cannot_record(false);
                engine.metrics.recorded(outcomes, &recorded);
                return recorded.into_iter().map(Some).collect();
            }
            Err(e @ StoreError::Damaged(_)) if outcomes.len() > 1 => {
                report_store(&e, "record");
                return record_one_by_one(engine, outcomes, abort).await;
            }
            Err(e @ StoreError::Damaged(_)) => {
                report_store(&e, "record");
                return vec![None];
            }
            Err(e @ (StoreError::Unavailable(_) | StoreError::Full(_))) => {
                report_store(&e, "record");
                engine.set_cannot_record(true);
                let pause = tokio::time::sleep(FAILURE_PAUSE);
                if abort.run_until_cancelled(pause).await.is_none() {
                    return vec![None; outcomes.len()];
                }
            }
        }
    }
}

async fn record_one_by_one(
    engine: &Engine,
    outcomes: &Arc<[Outcome]>,
    abort: &CancellationToken,
) -> Vec<Option<Recorded>> {
    let mut recorded = Vec::with_capacity(outcomes.len());
    for outcome in outcomes.iter() {
        let alone = Arc::from([outcome.clone()]);
        recorded.extend(Box::pin(record(engine, &alone, abort)).await);
    }
    recorded
}
