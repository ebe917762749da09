use std::collections::HashMap;
use std::sync::Arc;

use deadpool_postgres::Object;
use model::delivery::Status;
use model::event::Event;
use model::id::{DeliveryId, EventUid};
use model::webhook::WebhookStatus;
use tokio_postgres::Row;
use uuid::Uuid;

use super::batch::{Bounds, Values, query};
use super::rows::{self, Result};
use super::sql;
use crate::store::Loaded;

/// Two statements in one round trip: the deliveries, and each of their events once.
pub(super) async fn load(db: &Object, deliveries: &[DeliveryId]) -> Result<Vec<Option<Loaded>>> {
    let events: Vec<_> = deliveries.iter().map(|id| rows::uuid(id.event.0)).collect();
    let webhooks: Vec<_> = deliveries.iter().map(|id| rows::uuid(id.webhook.0)).collect();
    let Some(Bounds { low, high }) = Bounds::of(&events) else { return Ok(Vec::new()) };
    let unfinished: Values<2> = [&events, &webhooks];
    let (mut found, whole) = tokio::try_join!(
        async { Ok(query(db, const { sql("load") }, &unfinished).await?) },
        self::events(db, &events),
    )?;
    if found.len() < deliveries.len() {
        // As a rule they are finished, and the queue does not know.
        found = query(db, const { sql("load_all") }, &[&events, &webhooks, &low, &high]).await?;
    }
    let mut loaded = vec![None; deliveries.len()];
    for row in &found {
        // Counted from one.
        let n = usize::try_from(rows::get::<i64>(row, 0)? - 1).unwrap_or(usize::MAX);
        let event = deliveries.get(n).and_then(|id| whole.get(&id.event));
        if let (Some(place), Some(event)) = (loaded.get_mut(n), event) {
            *place = Some(delivery(row, event.clone())?);
        }
    }
    Ok(loaded)
}

/// Each once.
pub(super) async fn events(db: &Object, ids: &[Uuid]) -> Result<HashMap<EventUid, Arc<Event>>> {
    let mut distinct = ids.to_vec();
    distinct.sort_unstable();
    distinct.dedup();
    let Some(Bounds { low, high }) = Bounds::of(&distinct) else { return Ok(HashMap::new()) };
    let found = query(db, const { sql("load_events") }, &[&distinct, &low, &high]).await?;
    let events = found.iter().map(|row| {
        let event = rows::event(row)?;
        Ok((event.uid, Arc::new(event)))
    });
    events.collect()
}

fn delivery(row: &Row, event: Arc<Event>) -> Result<Loaded> {
    let webhook = match rows::word_opt(row, 7, WebhookStatus::parse)? {
        Some(status) => Some((status, rows::version(row, 8)?)),
        None => None,
    };
    Ok(Loaded {
        status: rows::word(row, 1, Status::parse)?,
        due: rows::time(row, 2)?,
        attempts: rows::count(row, 3)?,
        planned: rows::count(row, 4)?,
        opened_at: rows::time(row, 5)?,
        by_hand: rows::get(row, 6)?,
        webhook,
        event,
    })
}
