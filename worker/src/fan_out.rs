//! Makes the deliveries of events: which of their tenant's webhooks want them.
//!
//! An inbox row with more deliveries than one transaction takes goes back to the queue after each, so
//! that a large one takes turns with the others. As long as half of the slots are free, what was just
//! made is leased with the push and sent on what is known of it, without a claim and a load.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use model::event::{Event, EventType};
use model::id::{DeliveryId, EventUid};
use model::tenant::Tenant;
use model::webhook::{Webhook, WebhookStatus};
use store::world::Stopwatch;
use store::{
    AtOnce, Chunk, How, InboxEvent, InboxRow, Item, Lane, Leased, Loaded, NewDelivery, Pace, Push,
    StoreError,
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::ahead::LOADED_AGE_MAX;
use crate::engine::{Engine, FAILURE_PAUSE, Held, gather, report_queue, report_store};
use crate::registry::{Target, TenantWebhooks};
use crate::{Stop, deliver};

/// Inbox rows of one round.
const ROWS_MAX: usize = 256;
/// Deliveries of one transaction.
const DELIVERIES_MAX: usize = 1_000;
/// Transactions of one round.
const TRANSACTIONS_MAX: usize = 4;

pub(crate) type Inbox = mpsc::Receiver<Held>;

pub(crate) fn inbox(slots: usize) -> (mpsc::Sender<Held>, Inbox) {
    mpsc::channel(slots)
}

pub(crate) async fn run(
    engine: Arc<Engine>,
    mut inbox: Inbox,
    stop: Stop,
    over: CancellationToken,
) {
    let mut pace = Pace::new(engine.settings.pace);
    let mut whole = true;
    while let Some(batch) = gather(&mut inbox, ROWS_MAX, &mut pace, &over).await {
        fan_out(&engine, batch, &mut whole, &stop).await;
    }
}

/// `whole`: whether the events themselves are read, which is of use if their deliveries are leased at
/// once. Most of the last round were.
async fn fan_out(engine: &Arc<Engine>, batch: Vec<Held>, whole: &mut bool, stop: &Stop) {
    match make_deliveries(engine, &batch, whole, stop).await {
        Ok(unfinished) => {
            let settled = batch.into_iter().map(|held| {
                let more = unfinished.contains(&held.event());
                let how = if more { How::Again { after: Duration::ZERO } } else { How::Done };
                (held, how)
            });
            engine.settle(settled.collect());
        }
        // What cannot be read of one tenant must not keep the others.
        Err(StoreError::Damaged(_)) if batch.len() > 1 => {
            for held in batch {
                Box::pin(fan_out(engine, vec![held], whole, stop)).await;
            }
        }
        Err(e) => {
            report_store(&e, "fan_out");
            let again = How::Again { after: FAILURE_PAUSE };
            engine.settle(batch.into_iter().map(|held| (held, again)).collect());
        }
    }
}

/// Reads the inbox rows and makes their deliveries, as many at a time as one transaction takes. Returns
/// the rows that have more to come: whoever comes meanwhile waits for a few transactions only.
async fn make_deliveries(
    engine: &Arc<Engine>,
    batch: &[Held],
    whole: &mut bool,
    stop: &Stop,
) -> Result<Vec<EventUid>, StoreError> {
    let names: Vec<_> = batch.iter().map(Held::event).collect();
    let mut made = Made {
        since: Stopwatch::start(),
        of_event: HashMap::new(),
        targets: Vec::new(),
        counted: Vec::new(),
    };
    let rows = engine.store.inbox(&names, *whole).await?;
    let (mut chunks, mut unfinished) = (Vec::new(), Vec::new());
    let (mut room, mut left) = (DELIVERIES_MAX, TRANSACTIONS_MAX);
    for row in in_turns(rows) {
        if left == 0 {
            unfinished.push(row.name);
            continue;
        }
        let webhooks =
            engine.registry.of_tenant(&row.tenant, row.registry_now, engine.now()).await?;
        let (chunk, targets, counts) = next_chunk(&row, &webhooks);
        if chunk.deliveries.len() > room {
            keep_and_push(engine, std::mem::take(&mut chunks), &mut made, whole, stop).await?;
            (room, left) = (DELIVERIES_MAX, left - 1);
            if left == 0 {
                unfinished.push(row.name);
                continue;
            }
        }
        if chunk.more {
            unfinished.push(row.name);
        }
        for (event_type, count) in counts {
            engine.metrics.fanned_out(count);
            made.counted.push((row.tenant.clone(), event_type, count));
        }
        room -= chunk.deliveries.len();
        made.targets.extend(targets);
        made.of_event.extend(row.events.into_iter().map(|e| (e.uid, (e.whole, webhooks.clone()))));
        chunks.push(chunk);
    }
    keep_and_push(engine, chunks, &mut made, whole, stop).await?;
    Ok(unfinished)
}

/// The first row of each tenant, then the second of each, and so on.
fn in_turns(rows: Vec<InboxRow>) -> Vec<InboxRow> {
    let mut turns: HashMap<Tenant, usize> = HashMap::new();
    let turn_of = |row: InboxRow| {
        let turn = turns.entry(row.tenant.clone()).or_default();
        *turn += 1;
        (*turn, row)
    };
    let mut rows: Vec<_> = rows.into_iter().map(turn_of).collect();
    rows.sort_by_key(|(turn, _)| *turn);
    rows.into_iter().map(|(_, row)| row).collect()
}

/// Keeps, then pushes. An inbox row goes only after its last delivery was pushed: a crash anywhere
/// repeats, and repeating changes nothing.
async fn keep_and_push(
    engine: &Arc<Engine>,
    chunks: Vec<Chunk>,
    made: &mut Made,
    whole: &mut bool,
    stop: &Stop,
) -> Result<(), StoreError> {
    let finished = chunks.iter().filter(|chunk| !chunk.more).map(|chunk| chunk.row);
    let finished: Vec<_> = finished.collect();
    let mut pushes: Vec<_> = chunks.iter().flat_map(pushes).collect();
    let count = pushes.len();
    if count > 0 {
        let are_new = engine.store.fan_out(chunks).await? == count;
        let counted = std::mem::take(&mut made.counted);
        // What is made anew after a crash was counted before.
        if are_new {
            engine.tally.made(engine.now(), &counted);
        }
        if are_new && !stop.claim.is_cancelled() && !engine.cannot_record() {
            lease_at_once(engine, &mut pushes);
        }
        engine.registry.tell(&std::mem::take(&mut made.targets)).await;
        engine.notice(pushes.iter().map(|push| push.item.clone()).collect());
        match engine.queue.push(pushes).await {
            Ok(pushed) => {
                *whole = pushed.leased.len() * 2 >= count;
                made.send(engine, pushed.leased, stop).await;
            }
            // Refused items leave their lane hungry; a queue that fails is fed once it answers.
            Err(e) => {
                report_queue(&e, "push");
                return Err(StoreError::Unavailable("the queue took no deliveries".into()));
            }
        }
    }
    if !finished.is_empty() {
        engine.store.fanned_out(finished).await?;
    }
    Ok(())
}

/// Of each event its type and how many there are.
type Counts = Vec<(EventType, usize)>;

/// The next deliveries of an inbox row, at most as many as one transaction takes, to whom they go, and
/// how many there are of each event.
fn next_chunk(row: &InboxRow, webhooks: &TenantWebhooks) -> (Chunk, Vec<Arc<Target>>, Counts) {
    let (mut deliveries, mut counts, mut more) = (Vec::new(), Vec::new(), false);
    let mut targets = Vec::new();
    for event in row.events.iter().filter(|e| row.cursor.is_none_or(|(seq, _)| e.seq >= seq)) {
        let room = DELIVERIES_MAX - deliveries.len();
        let mut matching = matching(webhooks, row, event, room + 1);
        more = matching.len() > room;
        if more && room == 0 {
            break;
        }
        matching.truncate(room);
        counts.push((event.event_type.clone(), matching.len()));
        deliveries.extend(matching.iter().map(|target| NewDelivery {
            id: DeliveryId { event: event.uid, webhook: target.webhook.id },
            seq: event.seq,
            accepted_at: event.accepted_at,
        }));
        targets.extend(matching);
        if more {
            break;
        }
    }
    let chunk = Chunk { row: row.name, tenant: row.tenant.clone(), deliveries, more };
    (chunk, targets, counts)
}

/// Registered when the event was accepted, active or paused now, and of its type; by id, and the first
/// `max` of those after the cursor.
fn matching(
    webhooks: &TenantWebhooks,
    row: &InboxRow,
    event: &InboxEvent,
    max: usize,
) -> Vec<Arc<Target>> {
    let after = row.cursor.filter(|(seq, _)| *seq == event.seq).map(|(_, webhook)| webhook);
    let matches = |webhook: &Webhook| {
        let was_there = webhook.registered_version <= row.registry_version;
        was_there && webhook.status != WebhookStatus::Disabled
    };
    match row.only_webhook {
        Some(only) => {
            let one = webhooks.one(only).filter(|target| matches(&target.webhook));
            one.filter(|_| after.is_none_or(|after| only > after)).into_iter().collect()
        }
        None => webhooks.wanting(event.event_type.as_str(), after, max, matches),
    }
}

fn pushes(chunk: &Chunk) -> impl Iterator<Item = Push> {
    chunk.deliveries.iter().map(|delivery| {
        let lane = Lane::deliver(chunk.tenant.clone(), delivery.id.webhook);
        Push::new(Item { lane, event: delivery.id.event }, delivery.seq)
    })
}

/// Asks for as many as there are slots for that nobody else waits for.
fn lease_at_once(engine: &Engine, pushes: &mut [Push]) {
    for push in pushes.iter_mut().take(engine.slots.room_at_once()) {
        let webhook = push.item.lane.work.webhook();
        let has_place = webhook.is_some_and(|webhook| engine.ahead.has_place(webhook));
        push.at_once = if has_place { AtOnce::PlacedOrAhead } else { AtOnce::Placed };
    }
}

/// What is known of deliveries that were just made.
struct Made {
    /// Since when it may be otherwise.
    since: Stopwatch,
    of_event: HashMap<EventUid, (Option<Arc<Event>>, Arc<TenantWebhooks>)>,
    /// To whom it goes that was not pushed yet.
    targets: Vec<Arc<Target>>,
    /// How many of an event were made that are not kept yet.
    counted: Vec<(Tenant, EventType, usize)>,
}

impl Made {
    /// Sends what was leased at once, as if it had been loaded.
    async fn send(&self, engine: &Arc<Engine>, leased: Vec<Leased>, stop: &Stop) {
        let (mut loaded, mut to_load, mut put_off) = (Vec::new(), Vec::new(), Vec::new());
        for leased in leased {
            match engine.hold(leased) {
                Ok(held) => match self.loaded(&held) {
                    Some(delivery) => loaded.push((held, Ok(Some(delivery)))),
                    None => to_load.push(held),
                },
                Err(settlement) => put_off.push(settlement),
            }
        }
        engine.settle_all(put_off);
        if !to_load.is_empty() {
            // Only a stage that is over does not take it; its lease ends by itself.
            let _ = engine.ways.to_load.send(to_load).await;
        }
        if !loaded.is_empty() {
            deliver::start(engine, loaded, self.since, &stop.abort);
        }
    }

    /// None if it has to be looked at again.
    fn loaded(&self, held: &Held) -> Option<Loaded> {
        let (whole, webhooks) = self.of_event.get(&held.event())?;
        let target = webhooks.one(held.webhook()?)?;
        let webhook = &target.webhook;
        let is_fresh = self.since.elapsed() <= LOADED_AGE_MAX;
        let event = whole.clone().filter(|_| is_fresh)?;
        Some(Loaded::new(event, (webhook.status, webhook.version)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tenants_take_turns_in_a_round() {
        let row = |(n, tenant): (u8, &str)| InboxRow {
            name: EventUid(model::id::Uid([n; 16])),
            tenant: Tenant::parse(tenant).expect("a name"),
            registry_version: 0,
            registry_now: 0,
            cursor: None,
            only_webhook: None,
            events: Vec::new(),
        };
        let rows = [(1, "a"), (2, "a"), (3, "a"), (4, "b"), (5, "c"), (6, "b")].map(row);
        let turns = in_turns(rows.into()).into_iter().map(|row| row.name.0.0[0]);
        assert_eq!(turns.collect::<Vec<_>>(), [1, 4, 5, 2, 6, 3]);
    }
}
