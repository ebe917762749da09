//! Makes the deliveries of an event: which of its tenant's webhooks want it.
//!
//! An event with more webhooks than one transaction takes goes back to the queue after each, so
//! that a large one takes turns with the others.

use std::sync::Arc;
use std::time::Duration;

use model::id::WebhookId;
use model::webhook::WebhookStatus;
use store::{Chunk, How, InboxRow, Item, Lane, Pace, Push, StoreError};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::engine::{Engine, FAILURE_PAUSE, Held, gather, report_queue, report_store};
use crate::registry::TenantWebhooks;

/// Events of one round.
const EVENTS_MAX: usize = 256;
/// Deliveries of one transaction.
const DELIVERIES_MAX: usize = 1_000;

pub(crate) type Inbox = mpsc::Receiver<Held>;

pub(crate) fn inbox(slots: usize) -> (mpsc::Sender<Held>, Inbox) {
    mpsc::channel(slots)
}

pub(crate) async fn run(engine: Arc<Engine>, mut inbox: Inbox, over: CancellationToken) {
    let mut pace = Pace::new(engine.settings.pace);
    while let Some(batch) = gather(&mut inbox, EVENTS_MAX, &mut pace, &over).await {
        fan_out(&engine, batch).await;
    }
}

async fn fan_out(engine: &Engine, batch: Vec<Held>) {
    match make_deliveries(engine, &batch).await {
        Ok(unfinished) => {
            let settled = batch.into_iter().map(|held| {
                let more = unfinished.contains(&held.event());
                let how = if more { How::Again { after: Duration::ZERO } } else { How::Done };
                (held, how)
            });
            engine.settle(settled.collect()).await;
        }
        // What cannot be read of one tenant must not keep the others.
        Err(StoreError::Damaged(_)) if batch.len() > 1 => {
            for held in batch {
                Box::pin(fan_out(engine, vec![held])).await;
            }
        }
        Err(e) => {
            report_store(&e, "fan_out");
            let again = How::Again { after: FAILURE_PAUSE };
            engine.settle(batch.into_iter().map(|held| (held, again)).collect()).await;
        }
    }
}

/// Matches, keeps, pushes; returns the events that have more webhooks to come. The inbox row of
/// an event goes only after its last delivery was pushed: a crash anywhere repeats, and repeating
/// changes nothing.
async fn make_deliveries(
    engine: &Engine,
    batch: &[Held],
) -> Result<Vec<model::id::EventUid>, StoreError> {
    let events: Vec<_> = batch.iter().map(Held::event).collect();
    let rows = engine.store.inbox(&events).await?;
    let (mut chunks, mut finished, mut unfinished) = (Vec::new(), Vec::new(), Vec::new());
    let mut room = DELIVERIES_MAX;
    for row in rows {
        let webhooks = engine.registry.of_tenant(&row.tenant, row.registry_version).await?;
        let mut taken = matching(&webhooks, &row);
        let all = taken.len() <= room;
        taken.truncate(room);
        engine.metrics.fanned_out(taken.len());
        room -= taken.len();
        if all {
            finished.push(row.event)
        } else {
            unfinished.push(row.event)
        }
        if !taken.is_empty() {
            chunks.push(Chunk { row, webhooks: taken, more: !all });
        }
    }
    if !chunks.is_empty() {
        let pushes = chunks.iter().flat_map(pushes).collect();
        engine.store.fan_out(chunks).await?;
        // Refused items leave their lane hungry; a queue that fails is fed once it answers.
        if let Err(e) = engine.queue.push(pushes).await {
            report_queue(&e, "push");
            return Err(StoreError::Unavailable("the queue took no deliveries".into()));
        }
    }
    if !finished.is_empty() {
        engine.store.fanned_out(finished).await?;
    }
    Ok(unfinished)
}

/// Registered when the event was accepted, active or paused now, and of its type; by id, and those
/// after the cursor.
fn matching(webhooks: &TenantWebhooks, row: &InboxRow) -> Vec<WebhookId> {
    let wanting = match row.only_webhook {
        Some(only) => webhooks.one(only).into_iter().collect(),
        None => webhooks.wanting(row.event_type.as_str()),
    };
    let webhooks = wanting.into_iter().map(|target| &target.webhook);
    let matching = webhooks.filter(|webhook| {
        let is_after = row.cursor.is_none_or(|cursor| webhook.id > cursor);
        let was_there = webhook.registered_version <= row.registry_version;
        is_after && was_there && webhook.status != WebhookStatus::Disabled
    });
    matching.map(|webhook| webhook.id).collect()
}

fn pushes(chunk: &Chunk) -> impl Iterator<Item = Push> {
    chunk.webhooks.iter().map(|webhook| Push {
        item: Item {
            lane: Lane::deliver(chunk.row.tenant.clone(), *webhook),
            event: chunk.row.event,
        },
        seq: chunk.row.seq,
        after: Duration::ZERO,
        retry: false,
    })
}
