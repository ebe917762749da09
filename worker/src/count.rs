//! What is told to the tally, for statistics.

use std::sync::Arc;
use std::time::Duration;

use model::attempt::Trigger;
use model::delivery::Next;
use model::event::Event;
use model::stats::QueueState;
use model::tenant::Tenant;
use store::{Attempted, Look, Outcome, Recorded, Tally};
use tokio_util::sync::CancellationToken;

use crate::engine::{Engine, report_queue, report_store};
use crate::fleet::Duty;

/// Between two looks at how much is in the queue.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// What was recorded of a delivery.
pub(crate) struct Counted<'o> {
    pub(crate) tenant: Tenant,
    /// What was sent, if anything was.
    pub(crate) event: Option<Arc<Event>>,
    pub(crate) outcome: &'o Outcome,
    pub(crate) recorded: Recorded,
}

pub(crate) fn recorded(tally: &Tally, counted: &[Counted<'_>]) {
    let sent = counted.iter().filter_map(|c| {
        let (event, attempt) = (c.event.as_deref()?, c.outcome.attempt.as_ref()?);
        Some(Attempted {
            at: c.outcome.at,
            tenant: &c.tenant,
            webhook: c.outcome.delivery.webhook,
            event_type: &event.event_type,
            answer: &attempt.answer,
            took: attempt.timings.total,
            is_first: c.outcome.attempts_before == 0 && attempt.trigger == Trigger::Schedule,
            end: match c.outcome.next {
                Next::End(by) if c.recorded.applied => {
                    Some((by, c.outcome.at.since(event.accepted_at)))
                }
                Next::End(_) | Next::Retry { .. } => None,
            },
        })
    });
    tally.attempted(sent);
    for c in counted.iter().filter(|c| c.outcome.attempt.is_none()) {
        ended_unsent(tally, Some(&c.tenant), c.outcome, c.recorded);
    }
}

pub(crate) fn ended_unsent(
    tally: &Tally,
    tenant: Option<&Tenant>,
    outcome: &Outcome,
    recorded: Recorded,
) {
    if let (Next::End(by), true) = (outcome.next, recorded.applied) {
        tally.ended(outcome.at, tenant, outcome.delivery.webhook, None, by);
    }
}

/// Looks now and then at how the queue stands. One worker does it for all.
pub(crate) async fn watch_queue(engine: Arc<Engine>, over: CancellationToken) {
    let mut duty = Duty::new("statistics");
    let mut before = QueueState::default();
    while over.run_until_cancelled(tokio::time::sleep(LOOK_EVERY)).await.is_some() {
        match duty.is_ours(&engine).await {
            Ok(true) => {}
            Ok(false) => continue,
            Err(e) => {
                report_store(&e, "lead");
                continue;
            }
        }
        match engine.queue.look(&[]).await {
            Ok(look) => {
                let now = state(&look);
                // That nothing goes on is said once.
                if now != before || now != QueueState::default() {
                    engine.tally.queue(engine.now(), now);
                }
                before = now;
            }
            Err(e) => report_queue(&e, "look"),
        }
    }
}

fn state(look: &Look) -> QueueState {
    let oldest = look.total.oldest_due.map_or(Duration::ZERO, |due| look.now.since(due));
    QueueState {
        waiting: look.total.queued as u64,
        sending: look.total.in_flight as u64,
        oldest_ms: u64::try_from(oldest.as_millis()).unwrap_or(u64::MAX),
    }
}
