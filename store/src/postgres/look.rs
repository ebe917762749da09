use deadpool_postgres::{GenericClient, Object};
use model::attempt::Attempt;
use model::delivery::Status;
use model::event::Event;
use model::id::{DeliveryId, EventUid, Uid};
use model::tenant::Tenant;
use model::time::Timestamp;
use uuid::Uuid;

use super::batch::{Bounds, query};
use super::conditions::Conditions;
use super::failure::Failure;
use super::rows::{self, Result};
use super::{accept, sql};
use crate::store::{Delivery, DeliveryFilter, EventFilter};

pub(super) async fn event(db: &Object, tenant: &Tenant, id: &str) -> Result<Option<Event>> {
    let found = match EventUid::parse(id) {
        Some(uid) => query(db, const { sql("event_by_uid") }, &[&rows::uuid(uid.0)]).await?,
        None if rows::may_be_stored(id) => {
            query(db, const { sql("event_by_id") }, &[&accept::id_key(tenant, id)]).await?
        }
        None => Vec::new(),
    };
    found.first().map(rows::event).transpose()
}

pub(super) async fn list_events(
    db: &Object,
    filter: &EventFilter,
    after: Option<EventUid>,
    limit: u32,
) -> Result<Vec<Event>> {
    if filter.event_type.as_deref().is_some_and(|kind| !rows::may_be_stored(kind)) {
        return Ok(Vec::new());
    }
    let mut conditions = Conditions::new(const { sql("list_events") });
    conditions.filter("e.tenant", "e.uid", filter.tenant.as_ref());
    conditions.filter("e.type", "e.uid", filter.event_type.clone());
    conditions.bound("e.uid", ">=", filter.since.map(floor));
    conditions.bound("e.uid", "<", filter.until.map(floor));
    conditions.bound("e.uid", "<", after.map(|uid| rows::uuid(uid.0)));
    conditions.query(db, "e.uid DESC", limit, rows::event).await
}

pub(super) async fn list_deliveries(
    db: &Object,
    filter: &DeliveryFilter,
    after: Option<DeliveryId>,
    limit: u32,
) -> Result<Vec<Delivery>> {
    if filter.event_type.as_deref().is_some_and(|kind| !rows::may_be_stored(kind)) {
        return Ok(Vec::new());
    }
    let mut conditions = Conditions::new(const { sql("list_deliveries") });
    // An event has few.
    conditions.also("d.event =", filter.event.map(|id| rows::uuid(id.0)));
    conditions.filter("d.webhook", "d.event", filter.webhook.map(|id| rows::uuid(id.0)));
    conditions.filter("d.tenant", "d.event", filter.tenant.as_ref());
    // Of those that failed or were cancelled there are fewer than of a type.
    let lost = |status: &Status| matches!(status, Status::Failed | Status::Cancelled);
    if !filter.statuses.is_empty() && filter.statuses.iter().all(lost) {
        conditions.also("e.type =", filter.event_type.clone());
    } else {
        conditions.filter("e.type", "e.uid", filter.event_type.clone());
    }
    conditions.bound("d.event", ">=", filter.since.map(floor));
    conditions.bound("d.event", "<", filter.until.map(floor));
    of_statuses(&mut conditions, &filter.statuses);
    if let Some(after) = after {
        let (event, webhook) = (rows::uuid(after.event.0), rows::uuid(after.webhook.0));
        conditions.bound("d.event", "<=", Some(event));
        conditions.before("d.event, d.webhook", [event, webhook]);
    }
    conditions.query(db, "d.event DESC, d.webhook DESC", limit, rows::delivery).await
}

/// Spelled out, so that the partial indexes can serve them, and of the two tables only the one is read
/// that may have them.
fn of_statuses(conditions: &mut Conditions, statuses: &[Status]) {
    let words: Vec<_> = statuses.iter().map(|s| format!("'{}'", s.as_str())).collect();
    match &words[..] {
        [] => {}
        [word] => conditions.raw(&format!("d.status = {word}")),
        words => conditions.raw(&format!("d.status IN ({})", words.join(", "))),
    }
}

pub(super) async fn deliveries(db: &Object, ids: &[DeliveryId]) -> Result<Vec<Delivery>> {
    let events: Vec<_> = ids.iter().map(|id| rows::uuid(id.event.0)).collect();
    let webhooks: Vec<_> = ids.iter().map(|id| rows::uuid(id.webhook.0)).collect();
    let Some(Bounds { low, high }) = Bounds::of(&events) else { return Ok(Vec::new()) };
    let read = const { sql("deliveries") };
    query(db, read, &[&events, &webhooks, &low, &high]).await?.iter().map(rows::delivery).collect()
}

pub(super) async fn delivery(db: &impl GenericClient, id: DeliveryId) -> Result<Option<Delivery>> {
    let (event, webhook) = (rows::uuid(id.event.0), rows::uuid(id.webhook.0));
    let found = query(db, const { sql("delivery") }, &[&event, &webhook]).await?;
    found.first().map(rows::delivery).transpose()
}

/// One statement: the delivery and its attempts are of one moment.
pub(super) async fn history(
    db: &Object,
    id: DeliveryId,
    limit: u32,
) -> Result<Option<(Delivery, Vec<Attempt>)>> {
    let (event, webhook) = (rows::uuid(id.event.0), rows::uuid(id.webhook.0));
    let history = const { sql("history") };
    let found = query(db, history, &[&event, &webhook, &i64::from(limit)]).await?;
    let Some(delivery) = found.first().map(rows::delivery).transpose()? else { return Ok(None) };
    let attempts = found.iter().filter_map(|row| rows::attempt(row).transpose());
    Ok(Some((delivery, attempts.collect::<Result<_>>()?)))
}

/// Ids sort by their time, so a bound on acceptance is a bound on ids.
fn floor(time: Timestamp) -> Uuid {
    // A bound within a millisecond belongs to the next one: ids know milliseconds.
    rows::uuid(Uid::floor(time.0.saturating_add(999).div_euclid(1_000)))
}

/// Whether the server answers and takes writes.
pub(super) async fn check(db: &Object) -> Result<()> {
    let found = query(db, const { sql("check") }, &[]).await?;
    match found.first().map(|row| rows::get(row, 0)).transpose()? {
        Some(false) => Ok(()),
        Some(true) | None => Err(Failure::Unavailable("the server takes no writes".into())),
    }
}
